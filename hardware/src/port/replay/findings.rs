//! What a replayed port notices: requests and answers that tape and driver do not share.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::faults::Fate;

/// Findings of one replay that are kept; more than a person reads. The rest is counted.
const KEPT: usize = 1000;

/// What was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Oddity {
    /// The tape has an answer to this request, and the driver never asked.
    NeverAsked,
    /// The driver asked, and the tape has no answer to it.
    NeverAnswered,
    /// The driver asked once more than then (card ports), and was given the same answer again.
    AskedAgain,
    /// The driver asked something else than what came next on the tape (told when strict).
    OutOfOrder,
}

/// One thing that was noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// When, in microseconds of the recording's time.
    pub micros: i64,
    /// At whose port: the device's section of the configuration.
    pub device: &'static str,
    /// What.
    pub oddity: Oddity,
    /// The request: the driver's, or for what was never asked the tape's.
    pub request: Bytes,
    /// What was asked of a card's slot, if that was no command: to be said after "was asked".
    pub step: Option<&'static str>,
    /// What came next on the tape instead, where there is something.
    pub expected: Option<Bytes>,
    /// The line of the port's file where that stands.
    pub line: Option<u64>,
}

/// What came of the faults of one port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Whose port: the device's section of the configuration.
    pub device: &'static str,
    /// How many exchanges it had, bursts that nobody asked for included.
    pub exchanges: u64,
    /// Of each fault, in the order of [`super::Settings::faults`].
    pub fates: Vec<Fate>,
}

/// A list that the ports of one replay share. Clones are the same list.
#[derive(Clone, Default)]
pub struct Findings(Arc<Mutex<List>>);

#[derive(Default)]
struct List {
    kept: Vec<Finding>,
    passed_over: u64,
    tallies: Vec<Tally>,
}

impl Findings {
    /// An empty list.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What was noticed, in order, and how much more there was than is kept.
    #[must_use]
    pub fn take(&self) -> (Vec<Finding>, u64) {
        let mut list = self.lock();
        (std::mem::take(&mut list.kept), std::mem::take(&mut list.passed_over))
    }

    /// What came of the faults, of each port that has ended and had any.
    #[must_use]
    pub fn tallies(&self) -> Vec<Tally> {
        self.lock().tallies.clone()
    }

    pub(super) fn tally(&self, tally: Tally) {
        self.lock().tallies.push(tally);
    }

    pub(super) fn add(&self, finding: Finding) {
        let mut list = self.lock();
        if list.kept.len() < KEPT {
            list.kept.push(finding);
        } else {
            list.passed_over += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
