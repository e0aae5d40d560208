//! The tape of a replayed card port, and how far it has come: opens, tells what lies in the slot,
//! answers, and lets go wrong what shall.
//!
//! Owned by the port, its open slot and the card in its sequence together ([`super::ReplayCards`]);
//! knows no tasks. Which operation is meant is decided by [`super::operations`].

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::super::faults::{Plan, micros};
use super::super::findings::{Findings, Tally};
use super::super::timeline::Timeline;
use super::super::{Settings, TapeLine, TapeReader};
use super::life::{Ask, Change, Got, Operation};
use super::notes::Notes;
use super::operations::{ON_TIME, Operations, is_like};
use crate::port::card::tape::CardEvent;
use crate::port::card::{ACCESS, CardFault, Content, FaultKind, Holds, Powered, Protocol};
use crate::port::tape::PortEvent;

/// Answers of one card that are kept, in case they are asked for once more: the commands of a
/// reading, with some to spare.
const KNOWN: usize = 64;

/// The tape and how far it has come.
pub(super) struct Reel {
    pub(super) timeline: Timeline,
    pub(super) settings: Settings,
    pub(super) notes: Notes,
    tape: Box<dyn TapeReader>,
    /// The next attempt to open, when the tape has come to it.
    attempt: Option<Attempt>,
    pub(super) operations: Operations,
    /// The tape has come to its end.
    ended: bool,
    reader: String,
    /// What lies in the slot, which content of the tape that is, and how it has ended.
    pub(super) holds: Holds,
    pub(super) content: u64,
    pub(super) gone: Option<CardFault>,
    /// A card that the driver is done with.
    hidden: Option<u64>,
    /// The content of which the driver has been told that it has gone.
    lost: Option<u64>,
    pub(super) connection: Option<Connection>,
    /// The last connection, and answers, with this content, and which that is.
    pub(super) known: Known,
    pub(super) transaction: Transaction,
    pub(super) plan: Plan,
    /// An answer that a fault has spoilt: the card would give it again.
    pub(super) again: Option<Operation>,
    /// A fault has pulled the plug, until then.
    out_until: Option<i64>,
    /// Why the slot could not be opened, or is gone, as the driver was told last.
    trouble: Option<CardFault>,
    /// The driver has looked for the slot.
    looked: bool,
}

struct Attempt {
    micros: i64,
    before: bool,
    opened: Result<String, CardFault>,
}

pub(super) struct Connection {
    pub(super) content: u64,
    pub(super) protocol: Protocol,
}

/// What a card has said, that would say it again.
#[derive(Default)]
pub(super) struct Known {
    pub(super) content: u64,
    pub(super) powered: Option<Powered>,
    pub(super) answers: BTreeMap<Bytes, Operation>,
}

/// The driver's transaction, and that on the tape.
#[derive(Default)]
pub(super) struct Transaction {
    /// Its begin is on the tape.
    pub(super) begun: Option<u64>,
    /// It is one from before the recording began.
    pub(super) before: bool,
    /// Its last command is in this one.
    pub(super) asked: Option<u64>,
    /// Commands have been asked.
    pub(super) commands: bool,
}

impl Known {
    pub(super) fn keep(&mut self, operation: &Operation) {
        if self.content != operation.content {
            *self = Self { content: operation.content, ..Self::default() };
        }
        match (&operation.ask, operation.result()) {
            (Ask::Connect(_), Ok(Got::Powered(powered))) => self.powered = Some(powered),
            (Ask::Command(command), Ok(Got::Answer(_)))
                if self.answers.len() < KNOWN || self.answers.contains_key(command) =>
            {
                self.answers.insert(command.clone(), operation.clone());
            }
            _ => {}
        }
    }

    /// What it has said to this command; if `patient`, to one like it as well.
    pub(super) fn answer(&mut self, command: &Bytes, patient: bool) -> Option<&mut Operation> {
        if !patient || self.answers.contains_key(command) {
            return self.answers.get_mut(command);
        }
        let like = |(then, _): &(&Bytes, &mut Operation)| is_like(command, then);
        self.answers.iter_mut().find(like).map(|(_, operation)| operation)
    }
}

impl Reel {
    /// The tape of this device's port, at its beginning.
    pub(super) fn new(
        device: &'static str,
        tape: Box<dyn TapeReader>,
        timeline: Timeline,
        mut settings: Settings,
        findings: Findings,
    ) -> Self {
        let plan = Plan::new(std::mem::take(&mut settings.faults));
        Self {
            timeline,
            operations: Operations::new(settings.patient),
            notes: Notes::new(device, &settings, findings),
            settings,
            tape,
            attempt: None,
            ended: false,
            reader: String::new(),
            holds: Holds::default(),
            content: 0,
            gone: None,
            hidden: None,
            lost: None,
            connection: None,
            known: Known::default(),
            transaction: Transaction::default(),
            plan,
            again: None,
            out_until: None,
            trouble: None,
            looked: false,
        }
    }

    /// The recording's time.
    pub(super) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The reader's name.
    pub(super) fn reader(&self) -> &str {
        &self.reader
    }

    /// When an attempt to open that begins now ends. The first waits for a service that was being
    /// started then; later ones are another look, unless they are on time.
    pub(super) fn opening(&mut self) -> i64 {
        let now = self.timeline.now();
        let first = !std::mem::replace(&mut self.looked, true);
        if self.is_out() {
            return now;
        }
        let longest = if first { micros(ACCESS) } else { ON_TIME };
        let next = self.next_attempt().filter(|next| !next.before);
        let moment = next.map_or(now, |next| next.micros);
        if moment - now <= longest { moment } else { now }
    }

    /// The driver opens the slot.
    pub(super) fn open(&mut self, now: i64) -> Result<(), CardFault> {
        if let Some(until) = self.out_until {
            if now < until {
                return Err(pulled_out());
            }
            // The fault is over, and the tape goes on where it was.
            self.out_until = None;
            self.advance(now);
            if self.gone.is_none() {
                return Ok(());
            }
        }
        let due = |next: &Attempt| next.before || next.micros <= now;
        if !self.next_attempt().is_some_and(due) {
            return Err(self.trouble.clone().unwrap_or_else(|| {
                let detail = format!("{}: the recording has no reader here", self.notes.device());
                CardFault::new(FaultKind::NoReader, detail)
            }));
        }
        let opened = self.attempt.take().map(|attempt| attempt.opened);
        match opened.unwrap_or_else(|| Err(pulled_out())) {
            Ok(reader) => self.reader = reader,
            Err(fault) => {
                self.trouble = Some(fault.clone());
                return Err(fault);
            }
        }
        let left = self.operations.begin();
        self.pass_over(left);
        self.holds = Holds::default();
        self.content = self.operations.content();
        self.gone = None;
        self.hidden = None;
        self.lost = None;
        self.fill();
        if let Some(first) = self.operations.take_first_change() {
            if let Ok(holds) = &first.to
                && first.before
                && self.settings.reads_once
                && self.operations.was_done_before(first.content)
            {
                self.hidden = Some(holds.number);
            }
            self.change(first);
        }
        self.advance(now);
        Ok(())
    }

    /// When the port is worth opening again; `None`: never.
    pub(super) fn worth_opening(&mut self) -> Option<i64> {
        match self.out_until {
            Some(until) => Some(until),
            None => self.next_attempt().map(|attempt| attempt.micros),
        }
    }

    /// The driver lets go of the slot.
    pub(super) fn close(&mut self) {
        self.connection = None;
    }

    /// What lies in the slot at `now`.
    pub(super) fn holds(&mut self, now: i64) -> &Holds {
        self.advance(now);
        &self.holds
    }

    /// How the slot has ended by `now`, if it has.
    pub(super) fn gone(&mut self, now: i64) -> Option<CardFault> {
        self.advance(now);
        if let Some(length) = self.plan.unplugs(now) {
            self.unplug(now, length);
        }
        if self.is_out() { Some(pulled_out()) } else { self.gone.clone() }
    }

    /// When something happens by itself.
    pub(super) fn next_moment(&self) -> Option<i64> {
        // What hides the next change from view passes with the time.
        let hidden = !self.settings.patient && !self.operations.is_complete();
        let change = self.operations.next_change();
        let change = change.or_else(|| hidden.then(|| self.operations.last() + 1));
        [change, self.plan.next_unplug()].into_iter().flatten().min()
    }

    /// When a plug is pulled next.
    pub(super) fn next_unplug(&self) -> Option<i64> {
        self.plan.next_unplug()
    }

    /// Whether a fault has pulled the plug.
    pub(super) fn is_out(&self) -> bool {
        self.out_until.is_some()
    }

    pub(super) fn unplug(&mut self, now: i64, length: Duration) {
        self.out_until = Some(now.saturating_add(micros(length)));
        self.connection = None;
    }

    /// Something is asked at `now`: brings the slot to that time, and gives the fault if it is of no
    /// use any more. What was done with what lies there no more is passed over.
    pub(super) fn comes_to(&mut self, now: i64) -> Option<CardFault> {
        if self.gone(now).is_some() && self.is_out() {
            return Some(pulled_out());
        }
        let past = self.operations.pass_over_earlier(self.content);
        self.pass_over(past);
        self.fill();
        None
    }

    /// Reads the tape ahead: enough to judge the next request.
    fn fill(&mut self) {
        while self.operations.has_room() {
            match self.tape.next() {
                Some(line) => self.take(line),
                None => {
                    self.ended = true;
                    self.operations.complete();
                }
            }
        }
    }

    fn take(&mut self, line: TapeLine) {
        let TapeLine { micros, before, .. } = line;
        let opened = match line.event {
            PortEvent::Card(CardEvent::Opened(reader)) => Ok(reader),
            PortEvent::Card(CardEvent::NotOpened(fault)) => Err(fault),
            _ => return self.operations.push(line),
        };
        self.attempt = Some(Attempt { micros, before, opened });
        self.operations.complete();
    }

    /// Brings what lies in the slot to `now`.
    fn advance(&mut self, now: i64) {
        loop {
            self.fill();
            let due = self.operations.next_change().is_some_and(|micros| micros <= now);
            if due || (self.lost == Some(self.content) && self.operations.change_is_next()) {
                match self.operations.take_change() {
                    Some(change) => self.change(change),
                    None => return,
                }
            } else if !self.settings.patient
                && !self.operations.is_complete()
                && self.operations.next_change().is_none()
                && self.operations.last() < now
            {
                // A window full of what nobody asks for any more hides what comes after it.
                match self.operations.pass_over_first() {
                    Some(operation) => self.pass_over(vec![operation]),
                    None => return,
                }
            } else {
                return;
            }
        }
    }

    fn change(&mut self, change: Change) {
        self.content = change.content;
        match change.to {
            Ok(holds) => {
                let hidden = self.hidden == Some(holds.number);
                let what = if hidden { Content::Nothing } else { holds.what };
                self.holds = Holds { what, ..holds };
            }
            Err(fault) => {
                self.trouble = Some(fault.clone());
                self.gone = Some(fault);
            }
        }
    }

    /// The driver is told this fault. If it says that the card has gone, that is to be seen from now
    /// on: on the tape it stands where the driver had a look.
    pub(super) fn told(&mut self, fault: &CardFault) {
        let gone = matches!(fault.kind, FaultKind::NoCard | FaultKind::Removed);
        if gone && self.holds.what != Content::Nothing {
            self.lost = Some(self.content);
        }
    }

    /// The next attempt to open, where the tape has one.
    fn next_attempt(&mut self) -> Option<&Attempt> {
        while self.attempt.is_none() && !self.ended {
            match self.tape.next() {
                Some(line) => self.take(line),
                None => self.ended = true,
            }
            // What is left of a slot that the driver has let go of.
            while self.operations.is_over_full() {
                let Some(first) = self.operations.pass_over_first() else { break };
                self.pass_over(vec![first]);
            }
        }
        self.attempt.as_ref()
    }

    /// What was not asked for.
    pub(super) fn pass_over(&mut self, operations: Vec<Operation>) {
        for operation in operations {
            // What was said before the recording began, the card says again to who asks late; to a
            // live client it says all that it said, in whichever order that asks.
            let again = operation.before || self.settings.patient;
            if again || matches!(operation.ask, Ask::Connect(_)) {
                self.known.keep(&operation);
            }
            self.notes.never_asked(&operation);
        }
    }
}

impl Drop for Reel {
    /// The replay is over: what is left on the tape was never asked for.
    fn drop(&mut self) {
        let (exchanges, fates) = self.plan.tally();
        if !fates.is_empty() {
            self.notes.tally(Tally { device: self.notes.device(), exchanges, fates });
        }
        loop {
            self.fill();
            let left = self.operations.leftovers();
            self.pass_over(left);
            if self.ended {
                return;
            }
            if self.operations.is_complete() {
                self.attempt = None;
                self.operations.begin();
            }
        }
    }
}

pub(super) fn pulled_out() -> CardFault {
    CardFault::new(FaultKind::NoReader, "the reader is pulled out")
}
