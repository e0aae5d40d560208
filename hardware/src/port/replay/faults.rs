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
    /// At this moment of the recording, in microseconds: at the next answer or burst from then on;
    /// an unplugging at the moment itself.
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

/// The faults of one port, as they come up.
#[derive(Default)]
pub(super) struct Plan {
    faults: Vec<Fault>,
    exchanges: u64,
    silent_until: i64,
}

/// What becomes of an answer.
pub(super) struct Faulted {
    pub(super) chunks: Vec<Chunk>,
    /// The device would say it again if it were asked again.
    pub(super) again: bool,
    /// The line ends now, for so long.
    pub(super) unplug: Option<Duration>,
}

impl Plan {
    pub(super) fn new(faults: Vec<Fault>) -> Self {
        Self { faults, exchanges: 0, silent_until: i64::MIN }
    }

    /// The next moment at which a plug is pulled.
    pub(super) fn next_unplug(&self) -> Option<i64> {
        let moment = |fault: &Fault| match (fault.when, fault.what) {
            (When::At(micros), What::Unplug(_)) => Some(micros),
            _ => None,
        };
        self.faults.iter().filter_map(moment).min()
    }

    /// The plug that is to be pulled by `now`, and for how long it is out.
    pub(super) fn unplugs(&mut self, now: i64) -> Option<Duration> {
        let due = |fault: &Fault| matches!((fault.when, fault.what), (When::At(at), What::Unplug(_)) if at <= now);
        let at = self.faults.iter().position(due)?;
        match self.faults.remove(at).what {
            What::Unplug(length) => Some(length),
            _ => None,
        }
    }

    /// An exchange begins at `now`, whose answer would be `chunks`.
    pub(super) fn exchange(&mut self, now: i64, chunks: Vec<Chunk>) -> Faulted {
        self.exchanges += 1;
        let mut faulted = Faulted { chunks, again: false, unplug: None };
        while let Some(at) = self.faults.iter().position(|fault| match fault.when {
            When::Exchange(number) => number <= self.exchanges,
            When::At(micros) => micros <= now,
        }) {
            let fault = self.faults.remove(at);
            faulted.again |= !matches!(fault.what, What::Delay(_) | What::Unplug(_));
            match fault.what {
                What::Drop => faulted.chunks.clear(),
                What::Cut(bytes) => cut(&mut faulted.chunks, bytes),
                What::Flip(byte) => flip(&mut faulted.chunks, byte),
                What::Delay(length) => {
                    for chunk in &mut faulted.chunks {
                        chunk.micros += micros(length);
                    }
                }
                What::Silence(length) => self.silent_until = now + micros(length),
                What::Unplug(length) => {
                    faulted.chunks.clear();
                    faulted.unplug = Some(length);
                }
            }
        }
        if now < self.silent_until {
            faulted.again = true;
            faulted.chunks.clear();
        }
        faulted
    }
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
