//! What a driver asks of a replayed slot, and what it gets: by the tape, and where the tape has
//! nothing by what is known of the card.

use super::super::faults::Faulted;
use super::super::findings::Oddity;
use super::answer::Answer;
use super::life::{Ask, Got, Operation};
use super::operations::Verdict;
use super::reel::{Connection, Reel, Transaction, pulled_out};
use crate::port::card::{Begun, CardFault, Content, End, FaultKind, Power, Powered, Protocol};

/// What a driver gets, and when.
pub(super) struct Due<T> {
    pub(super) at: i64,
    pub(super) result: Result<T, CardFault>,
}

impl Reel {
    /// The driver asks for a connection.
    pub(super) fn connect(&mut self, power: Power) -> Due<Powered> {
        let now = self.timeline.now();
        if let Some(fault) = self.comes_to(now) {
            return Due { at: now, result: Err(fault) };
        }
        let ask = Ask::Connect(power);
        let verdict = self.operations.request(&ask, self.content, now);
        let due = match self.judge(&ask, verdict, now) {
            Some((operation, at)) => {
                let powered = operation.result().and_then(|got| match got {
                    Got::Powered(powered) => Ok(powered),
                    Got::Nothing | Got::Answer(_) | Got::Renewed(_) => Err(unknown()),
                });
                Due { at, result: powered }
            }
            None => {
                self.notes.asked(Oddity::NeverAnswered, &ask, now, None);
                Due { at: now, result: self.powered_as_known() }
            }
        };
        if let Ok(powered) = &due.result {
            let (content, protocol) = (self.content, powered.protocol);
            self.connection = Some(Connection { content, protocol });
        }
        due
    }

    /// The connection that the card there would give once more.
    fn powered_as_known(&self) -> Result<Powered, CardFault> {
        if let Some(fault) = &self.gone {
            return Err(fault.clone());
        }
        match self.holds.what {
            Content::Nothing => return Err(CardFault::new(FaultKind::NoCard, "no card")),
            Content::Mute => return Err(CardFault::new(FaultKind::Mute, "the card is mute")),
            Content::Card(_) => {}
        }
        let known = Some(&self.known).filter(|known| known.content == self.content);
        known
            .and_then(|known| known.powered.clone())
            .or_else(|| self.operations.powered(self.content))
            .ok_or_else(unknown)
    }

    /// The driver asks for a transaction.
    pub(super) fn begin(&mut self) -> Due<Protocol> {
        let now = self.timeline.now();
        if let Some(fault) = self.comes_to(now) {
            return Due { at: now, result: Err(fault) };
        }
        self.transaction = Transaction::default();
        let verdict = self.operations.begins(self.content, now);
        let found = verdict.and_then(|verdict| self.judge(&Ask::Begin, verdict, now));
        let at = match found {
            Some((operation, at)) => {
                if let Err(fault) = operation.result() {
                    return Due { at, result: Err(fault) };
                }
                self.transaction.begun = operation.transaction;
                self.transaction.before = operation.before;
                at
            }
            None => now,
        };
        Due { at, result: self.protocol() }
    }

    fn protocol(&self) -> Result<Protocol, CardFault> {
        if let Some(fault) = &self.gone {
            return Err(fault.clone());
        }
        let removed = || CardFault::new(FaultKind::Removed, "the card was taken away");
        match &self.connection {
            Some(connection) if connection.content == self.content => Ok(connection.protocol),
            Some(_) => Err(removed()),
            None => Err(CardFault::new(FaultKind::Other, "there is no connection to the card")),
        }
    }

    /// The sequence is over.
    pub(super) fn end(&mut self) -> Due<Begun> {
        let now = self.timeline.now();
        let Transaction { begun, before, asked, commands } = std::mem::take(&mut self.transaction);
        if self.is_out() {
            return Due { at: now, result: Ok(Begun::default()) };
        }
        let empty = begun.filter(|begun| !commands && self.operations.is_empty(*begun));
        if begun.is_none() && asked.is_none() && !before {
            self.notes.asked(Oddity::NeverAnswered, &Ask::Begin, now, None);
        }
        let Some(transaction) = asked.or(empty) else {
            return Due { at: now, result: Ok(Begun::default()) };
        };
        let verdict = self.operations.ends(transaction, now);
        self.pass_over(verdict.passed_over);
        match verdict.found {
            Some((operation, at)) => {
                let renewed = operation.result().map(|got| got == Got::Renewed(true));
                if let Err(fault) = &renewed {
                    self.told(fault);
                }
                Due { at, result: renewed.map(|renewed| Begun { renewed }) }
            }
            None => Due { at: now, result: Ok(Begun::default()) },
        }
    }

    /// The driver lets go of the card.
    pub(super) fn disconnect(&mut self, end: End) {
        let now = self.timeline.now();
        let connection = self.connection.take();
        // A card that has gone is let go of, before its place is looked at.
        if connection.is_some_and(|one| self.operations.disconnects(end, one.content, now))
            || self.comes_to(now).is_some()
        {
            return;
        }
        if !self.operations.disconnects(end, self.content, now) {
            self.notes.asked(Oddity::NeverAnswered, &Ask::Disconnect(end), now, None);
        }
    }

    /// A command to the card or to its reader.
    pub(super) fn exchange(&mut self, ask: &Ask) -> Answer {
        let now = self.timeline.now();
        if let Some(fault) = self.comes_to(now) {
            return Answer::none(now, fault);
        }
        self.transaction.commands |= matches!(ask, Ask::Command(_));
        let again = self.again.take();
        let again = again.filter(|one| one.ask == *ask && one.content == self.content);
        let answer = match again {
            Some(operation) => Self::again(operation, now),
            None => self.look_up(ask, now),
        };
        let faulted = self.plan.exchange(now, answer.chunks());
        self.spoil(answer, faulted)
    }

    fn look_up(&mut self, ask: &Ask, now: i64) -> Answer {
        let verdict = match ask {
            Ask::Escape(_) => self.operations.escapes(ask, now),
            _ => self.operations.request(ask, self.content, now),
        };
        let (taken, expected) = (verdict.taken, verdict.expected.clone());
        match self.judge(ask, verdict, now) {
            Some((operation, at)) => {
                if taken {
                    self.transaction.asked = operation.transaction.or(self.transaction.asked);
                }
                Answer::of(operation, now, at)
            }
            None => {
                if let (Ask::Command(_), Err(fault)) = (ask, self.protocol()) {
                    self.notes.asked(Oddity::NeverAnswered, ask, now, expected);
                    return Answer::none(now, fault);
                }
                let patient = self.settings.patient;
                let known = ask.bytes().and_then(|command| self.known.answer(command, patient));
                match known.filter(|known| known.content == self.content) {
                    Some(known) => {
                        let answer = Self::again(known.clone(), now);
                        // A driver that is started anew asks what it had asked before.
                        if std::mem::take(&mut known.before) {
                            self.transaction.before = true;
                        } else {
                            self.notes.asked(Oddity::AskedAgain, ask, now, expected);
                        }
                        answer
                    }
                    None => {
                        self.notes.asked(Oddity::NeverAnswered, ask, now, expected);
                        Answer::none(now, unknown())
                    }
                }
            }
        }
    }

    /// What was answered already, to one who asks again.
    fn again(operation: Operation, now: i64) -> Answer {
        let at = now.saturating_add(operation.length());
        Answer::of(operation, now, at)
    }

    /// An answer is about to come: what the faults leave of it. It may come later yet.
    pub(super) fn comes_up(&mut self, answer: Answer) -> Answer {
        if answer.operation.is_none() {
            return answer;
        }
        let faulted = if self.plan.is_silent(answer.at) {
            Faulted { again: true, ..Faulted::default() }
        } else {
            self.plan.comes_up(answer.at, answer.chunks())
        };
        self.spoil(answer, faulted)
    }

    fn spoil(&mut self, answer: Answer, faulted: Faulted) -> Answer {
        if let Some(length) = faulted.unplug {
            let now = self.timeline.now();
            self.unplug(now, length);
            return Answer::none(now, pulled_out());
        }
        if faulted.again {
            self.again.clone_from(&answer.operation);
        }
        answer.left_by(faulted)
    }

    /// Says what is odd about a verdict, and gives what was found.
    fn judge(&mut self, ask: &Ask, verdict: Verdict, now: i64) -> Option<(Operation, i64)> {
        let Verdict { found, mut passed_over, expected, taken } = verdict;
        if matches!(ask, Ask::Command(_))
            && (self.transaction.begun.is_none() || self.transaction.before)
        {
            // The begin of the transaction that the command is in was asked for, be it in the place
            // of one from before the recording.
            let transaction = found.as_ref().and_then(|(found, _)| found.transaction);
            passed_over.retain(|one| one.ask != Ask::Begin || one.transaction != transaction);
        }
        if found.is_some() && !taken {
            self.notes.asked(Oddity::AskedAgain, ask, now, expected);
        } else if found.is_some() && expected.is_some() {
            self.notes.asked(Oddity::OutOfOrder, ask, now, expected);
        }
        self.pass_over(passed_over);
        if let Some((operation, _)) = &found {
            self.known.keep(operation);
            if let Err(fault) = operation.result() {
                self.told(&fault);
            }
        }
        found
    }
}

fn unknown() -> CardFault {
    CardFault::new(FaultKind::Silent, "the recording has no answer to this")
}
