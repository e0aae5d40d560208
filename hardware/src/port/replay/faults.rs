//! Faults at a replayed port: what goes wrong, when, and how an answer looks then.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::exchanges::Chunk;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// When it happens.
    pub when: When,
    /// What happens.
    pub what: What,
}

/// When a fault happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At this moment of the recording, in microseconds: at the next answer or burst that comes up
    /// from then on; a silence and an unplugging at the moment itself.
    At(i64),
    /// At the n-th exchange of the port, counted from 1 as the driver asks. A burst of bytes that
    /// nobody asked for counts as one.
    Exchange(u64),
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// The answer is lost.
    Drop,
    /// The answer ends after so many bytes.
    Cut(usize),
    /// The byte at this place of the answer, counted from 0, is turned over.
    Flip(usize),
    /// The answer comes so much later.
    Delay(Duration),
    /// No answer comes for so long.
    Silence(Duration),
    /// The line ends, and can be opened again after so long.
    Unplug(Duration),
}

/// What came of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Its time did not come.
    NeverStruck,
    /// It struck.
    Struck,
    /// It came up at an answer of so many bytes, in which there was nothing for it to change.
    ChangedNothing(usize),
}

/// The faults of one port, as they come up.
#[derive(Default)]
pub(super) struct Plan {
    /// Those to come, each with its place among all.
    faults: Vec<(usize, Fault)>,
    /// What came of each, in the order in which they were given.
    fates: Vec<Fate>,
    exchanges: u64,
    /// From when to when nothing comes, each with the place of its fault.
    silences: Vec<(i64, i64, usize)>,
}

/// What becomes of an answer.
#[derive(Default)]
pub(super) struct Faulted {
    pub(super) chunks: Vec<Chunk>,
    /// The device would say it again if it were asked again.
    pub(super) again: bool,
    /// What still belongs to it and comes later is lost, too.
    pub(super) rest_is_lost: bool,
    /// The line ends now, for so long.
    pub(super) unplug: Option<Duration>,
}

impl Plan {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        let fates = vec![Fate::NeverStruck; faults.len()];
        let mut plan = Self { fates, ..Self::default() };
        for (place, fault) in faults.into_iter().enumerate() {
            match (fault.when, fault.what) {
                (When::At(from), What::Silence(length)) => {
                    plan.silences.push((from, from + micros(length), place));
                }
                _ => plan.faults.push((place, fault)),
            }
        }
        plan
    }

    /// How many exchanges there were, and what came of each fault, in the order in which they were
    /// given.
    pub(super) fn tally(&self) -> (u64, Vec<Fate>) {
        (self.exchanges, self.fates.clone())
    }

    /// The next moment at which a plug is pulled.
    pub(super) fn next_unplug(&self) -> Option<i64> {
        let moment = |(_, fault): &(usize, Fault)| match (fault.when, fault.what) {
            (When::At(micros), What::Unplug(_)) => Some(micros),
            _ => None,
        };
        self.faults.iter().filter_map(moment).min()
    }

    /// The plug that is to be pulled by `now`, and for how long it is out.
    pub(super) fn unplugs(&mut self, now: i64) -> Option<Duration> {
        let due = |(_, fault): &(usize, Fault)| matches!((fault.when, fault.what), (When::At(at), What::Unplug(_)) if at <= now);
        let at = self.faults.iter().position(due)?;
        let (place, fault) = self.faults.remove(at);
        match fault.what {
            What::Unplug(length) => {
                self.meets(place, Fate::Struck);
                Some(length)
            }
            _ => None,
        }
    }

    fn meets(&mut self, place: usize, fate: Fate) {
        if let Some(own) = self.fates.get_mut(place) {
            *own = fate;
        }
    }

    /// An exchange begins at `now`, whose answer would be `chunks`: the faults that are told by its
    /// number.
    pub(super) fn exchange(&mut self, now: i64, chunks: Vec<Chunk>) -> Faulted {
        self.exchanges += 1;
        let number = self.exchanges;
        let due = move |when: When| matches!(when, When::Exchange(at) if at <= number);
        self.strike(now, chunks, due)
    }

    /// An answer or a burst comes up at `now`: the faults that are told by the moment.
    pub(super) fn comes_up(&mut self, now: i64, chunks: Vec<Chunk>) -> Faulted {
        self.strike(now, chunks, |when| matches!(when, When::At(at) if at <= now))
    }

    /// Whether what comes up at `now` is lost in a silence.
    pub(super) fn is_silent(&mut self, now: i64) -> bool {
        let silence = self.silences.iter().find(|(from, until, _)| (*from..*until).contains(&now));
        let Some((_, _, place)) = silence.copied() else { return false };
        self.meets(place, Fate::Struck);
        true
    }

    fn strike(&mut self, now: i64, chunks: Vec<Chunk>, due: impl Fn(When) -> bool) -> Faulted {
        let mut faulted = Faulted { chunks, ..Faulted::default() };
        while let Some(at) = self.faults.iter().position(|(_, fault)| due(fault.when)) {
            let (place, fault) = self.faults.remove(at);
            self.meets(place, fate(fault.what, &faulted.chunks));
            faulted.again |= !matches!(fault.what, What::Delay(_) | What::Unplug(_));
            match fault.what {
                What::Drop => {
                    faulted.chunks.clear();
                    faulted.rest_is_lost = true;
                }
                What::Cut(bytes) => {
                    cut(&mut faulted.chunks, bytes);
                    faulted.rest_is_lost = true;
                }
                What::Flip(byte) => flip(&mut faulted.chunks, byte),
                What::Delay(length) => {
                    for chunk in &mut faulted.chunks {
                        chunk.micros += micros(length);
                    }
                }
                What::Silence(length) => self.silences.push((now, now + micros(length), place)),
                What::Unplug(length) => {
                    faulted.chunks.clear();
                    faulted.unplug = Some(length);
                }
            }
        }
        faulted
    }
}

/// What comes of a fault at an answer of these pieces.
fn fate(what: What, chunks: &[Chunk]) -> Fate {
    let bytes: usize = chunks.iter().map(|chunk| chunk.bytes.len()).sum();
    let changes = match what {
        What::Drop | What::Delay(_) => bytes > 0,
        What::Cut(after) => after < bytes,
        What::Flip(byte) => byte < bytes,
        What::Silence(_) | What::Unplug(_) => true,
    };
    if changes { Fate::Struck } else { Fate::ChangedNothing(bytes) }
}

/// A span in microseconds.
pub(super) fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX / 4)
}

fn cut(chunks: &mut Vec<Chunk>, bytes: usize) {
    let mut left = bytes;
    for chunk in chunks.iter_mut() {
        chunk.bytes.truncate(left);
        left -= chunk.bytes.len();
    }
    chunks.retain(|chunk| !chunk.bytes.is_empty());
}

fn flip(chunks: &mut [Chunk], byte: usize) {
    let mut at = byte;
    for chunk in chunks {
        if at < chunk.bytes.len() {
            let mut turned = BytesMut::from(&*chunk.bytes);
            if let Some(byte) = turned.get_mut(at) {
                *byte ^= 0xFF;
            }
            chunk.bytes = Bytes::from(turned);
            return;
        }
        at -= chunk.bytes.len();
    }
}
