//! Which operation of the tape is the one that a driver asks for now: the policy of a replayed card
//! port, without I/O and without a clock.
//!
//! A life of a slot, from its opening to its end, is a row of operations (connections, commands,
//! the ends of transactions …) with what came of them, and of changes of what lies in the slot. A
//! driver may be a little quicker or slower than it was, and may ask once more or once less:
//!
//! * It gets what came of the next same operation with the same card; others before that are passed
//!   over. A command is found in whichever transaction it is, so one transaction more or less
//!   moves nothing.
//! * No result comes before it came then. One that would have to be waited for for long is that of
//!   a later look: it is given now, and once more then.
//! * Who asks late gets the result after the time that it took then.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::TapeLine;
use super::super::faults::micros;
use super::life::{Ask, Change, Entry, Got, Lives, Operation};
use crate::card::redact::FILLER;
use crate::port::card::{ACCESS, End, Power, Powered};

/// Operations and changes that are read ahead: 64 commands, each with its transaction's begin and
/// end and something to spare.
const WINDOW: usize = 256;

/// How much earlier or later than then a request may come and still be on time, in microseconds:
/// what a busy machine delays a driver by.
pub(super) const ON_TIME: i64 = 50_000;

/// What a request gets.
#[derive(Default)]
pub(super) struct Verdict {
    /// The operation, and when its result comes.
    pub(super) found: Option<(Operation, i64)>,
    /// What was passed over for it.
    pub(super) passed_over: Vec<Operation>,
    /// The command that came next, if that was another one.
    pub(super) expected: Option<(Bytes, u64)>,
    /// It is given once, and this was it.
    pub(super) taken: bool,
}

/// What is known of one life of a slot: a window of it.
#[derive(Default)]
pub(super) struct Operations {
    /// What is on the tape waits for its request.
    patient: bool,
    lives: Lives,
    entries: VecDeque<Entry>,
    /// No more will come of this life.
    complete: bool,
}

impl Operation {
    /// When the result comes, if it is asked for at `now`.
    fn due(&self, now: i64, patient: bool) -> i64 {
        let early = self.asked - now;
        let longest = if patient { ON_TIME } else { micros(ACCESS) };
        if self.before {
            now
        } else if early > longest || early < -ON_TIME {
            now + self.length()
        } else {
            now.max(self.asked + self.length())
        }
    }

    /// Whether it came so much later then that it cannot be waited for.
    fn is_later(&self, now: i64) -> bool {
        !self.before && self.asked - now > micros(ACCESS)
    }

    /// Whether the card's own time was spent on it, so that nothing else happened meanwhile.
    fn is_of_weight(&self) -> bool {
        !self.taken && !self.before && matches!(self.ask, Ask::Connect(_) | Ask::Command(_))
    }
}

impl Operations {
    /// Of a tape whose operations wait for their request, or not.
    pub(super) fn new(patient: bool) -> Self {
        Self { patient, complete: true, ..Self::default() }
    }

    /// Another life begins: what is left of the last one.
    pub(super) fn begin(&mut self) -> Vec<Operation> {
        self.complete = false;
        self.lives.begin();
        self.leftovers()
    }

    /// What is left of this life.
    pub(super) fn leftovers(&mut self) -> Vec<Operation> {
        let left = self.entries.drain(..).filter_map(|entry| match entry {
            Entry::Operation(operation) => Some(operation),
            Entry::Change(_) => None,
        });
        left.collect()
    }

    /// The content that was read last.
    pub(super) fn content(&self) -> u64 {
        self.lives.content()
    }

    /// The next line of the tape.
    pub(super) fn push(&mut self, line: TapeLine) {
        self.lives.read(line, &mut self.entries);
    }

    /// No more will come of this life.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether more is to be read. What was asked is read to its result.
    pub(super) fn has_room(&self) -> bool {
        let unanswered = match self.entries.back() {
            Some(Entry::Operation(last)) => last.result.is_none(),
            Some(Entry::Change(_)) | None => false,
        };
        let room = if unanswered { 2 * WINDOW } else { WINDOW };
        !self.complete && self.entries.len() < room
    }

    /// Whether more is known than is looked at.
    pub(super) fn is_over_full(&self) -> bool {
        self.entries.len() > WINDOW
    }

    /// When the last line was that has been read.
    pub(super) fn last(&self) -> i64 {
        self.lives.last()
    }

    /// When the next change comes: `None` if none is known, or it waits for what is to be asked
    /// before it.
    pub(super) fn next_change(&self) -> Option<i64> {
        let at = self.change_at()?;
        if self.patient && !self.nothing_waits_before(at) {
            return None;
        }
        match self.entries.get(at)? {
            Entry::Change(change) if change.before => Some(i64::MIN),
            Entry::Change(change) => Some(change.micros),
            Entry::Operation(_) => None,
        }
    }

    /// Whether nothing is to be asked before the next change.
    pub(super) fn change_is_next(&self) -> bool {
        self.change_at().is_some_and(|at| self.nothing_waits_before(at))
    }

    fn nothing_waits_before(&self, at: usize) -> bool {
        let waits = |entry: &Entry| matches!(entry, Entry::Operation(one) if one.is_of_weight());
        !self.entries.iter().take(at).any(waits)
    }

    /// Takes the next change out.
    pub(super) fn take_change(&mut self) -> Option<Change> {
        match self.entries.remove(self.change_at()?)? {
            Entry::Change(change) => Some(change),
            Entry::Operation(_) => None,
        }
    }

    fn change_at(&self) -> Option<usize> {
        self.entries.iter().position(|entry| matches!(entry, Entry::Change(_)))
    }

    /// Takes out the change that follows the opening at once: what lay in the slot then.
    pub(super) fn take_first_change(&mut self) -> Option<Change> {
        let first = matches!(self.entries.front(), Some(Entry::Change(Change { to: Ok(_), .. })));
        if first { self.take_change() } else { None }
    }

    /// Whether a driver had been at the card with this content before the recording began, and
    /// was done with it.
    pub(super) fn was_done_before(&self, content: u64) -> bool {
        let own = || self.operations().filter(|one| one.content == content);
        own().any(|one| matches!(one.ask, Ask::Connect(_))) && own().all(|one| one.before)
    }

    /// Passes over the first operation of a window that is full.
    pub(super) fn pass_over_first(&mut self) -> Option<Operation> {
        let at = self.entries.iter().position(|entry| matches!(entry, Entry::Operation(_)))?;
        match self.entries.remove(at)? {
            Entry::Operation(operation) => Some(operation),
            Entry::Change(_) => None,
        }
    }

    /// Passes over what was done with earlier contents than this one.
    pub(super) fn pass_over_earlier(&mut self, content: u64) -> Vec<Operation> {
        let is_past = |one: &Operation| {
            let of_the_card = !matches!(one.ask, Ask::Escape(_));
            of_the_card && one.content < content
        };
        let end = self.entries.iter().rposition(|entry| match entry {
            Entry::Operation(one) => is_past(one),
            Entry::Change(_) => false,
        });
        end.map(|end| self.pass_over(end + 1, is_past)).unwrap_or_default()
    }

    /// What a connection or a command with this content gets at `now`.
    pub(super) fn request(&mut self, ask: &Ask, content: u64, now: i64) -> Verdict {
        let expected = self
            .operations()
            .filter(|one| one.content == content && one.is_of_weight())
            .find_map(|one| Some((one.ask.bytes()?.clone(), one.line)));
        let Some((at, operation)) = self.find(ask, content) else {
            return Verdict { expected, ..Verdict::default() };
        };
        if operation.is_later(now) && !self.patient {
            let found = Some((operation.clone(), operation.due(now, self.patient)));
            return Verdict { found, ..Verdict::default() };
        }
        let line = operation.line;
        let expected = expected.filter(|(_, expected)| *expected < line);
        Verdict { expected, ..self.take(at, now) }
    }

    /// The next begin of a transaction with this content, and when its result comes, if it is the
    /// one that is asked for at `now`. One that went well says no more than its time: others stay
    /// where they are, since the commands say which transaction it is.
    pub(super) fn begins(&mut self, content: u64, now: i64) -> Option<Verdict> {
        let (at, operation) = self.find(&Ask::Begin, content)?;
        let at_any_time = self.patient || operation.before;
        if matches!(operation.result, Some(Err(_))) {
            return (at_any_time || !operation.is_later(now)).then(|| self.take(at, now));
        }
        if operation.asked - now > ON_TIME && !at_any_time {
            return None;
        }
        let found = Some((operation.clone(), operation.due(now, self.patient)));
        self.take_quietly(at);
        Some(Verdict { found, taken: true, ..Verdict::default() })
    }

    /// The end of this transaction, and what in it was not asked.
    pub(super) fn ends(&mut self, transaction: u64, now: i64) -> Verdict {
        let over = |one: &Operation| one.ask == Ask::Over && one.transaction == Some(transaction);
        let at = self.operations_at().find(|(_, one)| over(one)).map(|(at, _)| at);
        at.map(|at| self.take(at, now)).unwrap_or_default()
    }

    /// Whether nothing was asked in this transaction.
    pub(super) fn is_empty(&self, transaction: u64) -> bool {
        !self
            .operations()
            .any(|one| one.transaction == Some(transaction) && matches!(one.ask, Ask::Command(_)))
    }

    /// The driver lets go of the card: whether it did then, too.
    pub(super) fn disconnects(&mut self, end: End, content: u64, now: i64) -> bool {
        let found = self.find(&Ask::Disconnect(end), content);
        let at = found.filter(|(_, one)| self.patient || !one.is_later(now)).map(|(at, _)| at);
        at.map(|at| self.take_quietly(at)).is_some()
    }

    /// What a command to the reader itself gets: it has nothing to do with what lies in it.
    pub(super) fn escapes(&mut self, ask: &Ask, now: i64) -> Verdict {
        let found = self.operations_at().find(|(_, one)| one.ask == *ask);
        let Some((at, one)) = found else { return Verdict::default() };
        let (found, later) = ((one.clone(), one.due(now, self.patient)), one.is_later(now));
        let taken = self.patient || !later;
        if taken {
            self.entries.remove(at);
        }
        Verdict { found: Some(found), taken, ..Verdict::default() }
    }

    /// A connection with this content that went well.
    pub(super) fn powered(&self, content: u64) -> Option<Powered> {
        self.operations().find_map(|one| match &one.result {
            Some(Ok(Got::Powered(powered))) if one.content == content => Some(powered.clone()),
            _ => None,
        })
    }

    /// The next same operation with this content. A driver that is started anew connects without a
    /// reset, however it was connected when the recording began; a reset it asks for because
    /// somebody wants one now.
    fn find(&self, ask: &Ask, content: u64) -> Option<(usize, &Operation)> {
        let same = |one: &Operation| match (ask, &one.ask) {
            (Ask::Connect(power), Ask::Connect(_)) if one.before => *power == Power::AsItIs,
            (ask, then) => ask == then,
        };
        let like = |one: &Operation| match (ask, &one.ask) {
            (Ask::Command(asked), Ask::Command(then)) => is_like(asked, then),
            _ => false,
        };
        let of_the_card = |one: &Operation| !one.taken && one.content == content;
        let found = self.operations_at().find(|(_, one)| of_the_card(one) && same(one));
        if found.is_some() || !self.patient {
            return found;
        }
        self.operations_at().find(|(_, one)| of_the_card(one) && like(one))
    }

    /// Takes out the operation at this place, passing over what stands before it.
    fn take(&mut self, at: usize, now: i64) -> Verdict {
        let passed_over = self.pass_over(at, |one| !matches!(one.ask, Ask::Escape(_)));
        let found = match self.entries.remove(at - passed_over.len()) {
            Some(Entry::Operation(one)) => {
                let due = one.due(now, self.patient);
                Some((one, due))
            }
            Some(Entry::Change(_)) | None => None,
        };
        Verdict { found, passed_over, expected: None, taken: true }
    }

    fn operations_at(&self) -> impl Iterator<Item = (usize, &Operation)> {
        self.entries.iter().enumerate().filter_map(|(at, entry)| match entry {
            Entry::Operation(operation) => Some((at, operation)),
            Entry::Change(_) => None,
        })
    }

    fn operations(&self) -> impl Iterator<Item = &Operation> {
        self.operations_at().map(|(_, operation)| operation)
    }

    fn take_quietly(&mut self, at: usize) {
        if let Some(Entry::Operation(operation)) = self.entries.get_mut(at) {
            operation.taken = true;
        }
    }

    /// Passes over those before this place that are such; the others stay.
    fn pass_over(&mut self, until: usize, such: impl Fn(&Operation) -> bool) -> Vec<Operation> {
        let rest = self.entries.split_off(until.min(self.entries.len()));
        let mut passed_over = Vec::new();
        let mut kept = VecDeque::new();
        for entry in std::mem::take(&mut self.entries) {
            match entry {
                Entry::Operation(one) if such(&one) => passed_over.push(one),
                entry => kept.push_back(entry),
            }
        }
        kept.extend(rest);
        self.entries = kept;
        passed_over
    }
}

/// Whether a command is one of the tape's but for its data, which a recording may not tell: a live
/// client has data of its own.
pub(super) fn is_like(asked: &[u8], then: &[u8]) -> bool {
    let alike = |(asked, then): (&u8, &u8)| asked == then || *then == FILLER;
    asked.len() == then.len() && asked.iter().zip(then).all(alike)
}
