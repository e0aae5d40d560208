//! What is on people's cards and in their codes, replaced before it reaches a recording.
//!
//! A port knows no meaning, so each device's folder has a `redact` of its own, which finds what is
//! a person's in the device's own bytes. [`crate::pseudonym`] says by what it is replaced.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use crate::port::tape::PortEvent;

pub mod packets;

/// An event of a port and when it happened, on the recording's clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct At {
    /// Microseconds since the recording began.
    pub micros: i64,
    /// What happened.
    pub event: PortEvent,
}

impl At {
    /// The same as a duration; zero for what was before the beginning.
    #[must_use]
    pub fn since_start(&self) -> Duration {
        Duration::from_micros(u64::try_from(self.micros).unwrap_or_default())
    }
}

/// Replaces what is a person's in the events of one port. Lengths, the places where chunks are
/// cut, and everything that makes a driver behave as it does stay.
pub trait Redact: Send {
    /// Takes the next event; gives back, in order, those that can be let go. Bytes of a frame that
    /// has not ended are held back.
    fn push(&mut self, event: At, out: &mut Vec<At>);

    /// Nothing more will come: gives back all that was held.
    fn finish(&mut self, out: &mut Vec<At>);

    /// Bytes that are held back now.
    fn held(&self) -> usize;

    /// What another redactor of the same open line has to be told before it can take the rest.
    fn description(&self) -> Option<PortEvent> {
        None
    }
}

/// Events that wait for their turn, and those bytes of their chunks about which nothing is decided
/// yet: of what comes in, or of what goes out. The redactors of byte streams share it.
#[derive(Default)]
pub struct Held {
    /// It is what goes out to the device.
    outgoing: bool,
    events: VecDeque<At>,
    /// Bytes decided of the chunk in front, of which others are not.
    decided: Vec<u8>,
    /// All bytes behind them, as they came in.
    undecided: Vec<u8>,
}

impl Held {
    /// For what goes out to the device.
    #[must_use]
    pub fn outgoing() -> Self {
        Self { outgoing: true, ..Self::default() }
    }

    /// Adds an event behind the others.
    pub fn push(&mut self, event: At) {
        match &event.event {
            PortEvent::In(bytes) if !self.outgoing => self.undecided.extend_from_slice(bytes),
            PortEvent::Out(bytes) if self.outgoing => self.undecided.extend_from_slice(bytes),
            _ => {}
        }
        self.events.push_back(event);
    }

    /// The bytes that nothing is decided about, as they came in.
    #[must_use]
    pub fn undecided(&self) -> &[u8] {
        &self.undecided
    }

    /// How many bytes are held back.
    #[must_use]
    pub fn len(&self) -> usize {
        self.decided.len() + self.undecided.len()
    }

    /// Whether none are.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// As many of the undecided bytes as these become these; what is decided wholly is let go,
    /// with everything in front of it and between.
    pub fn decide(&mut self, bytes: &[u8], out: &mut Vec<At>) {
        let count = bytes.len().min(self.undecided.len());
        self.undecided.drain(..count);
        self.decided.extend_from_slice(bytes.get(..count).unwrap_or_default());
        let mut done = 0;
        while let Some(front) = self.events.front_mut() {
            let chunk = match &mut front.event {
                PortEvent::In(chunk) if !self.outgoing => Some(chunk),
                PortEvent::Out(chunk) if self.outgoing => Some(chunk),
                _ => None,
            };
            if let Some(chunk) = chunk {
                let Some(replaced) = self.decided.get(done..done + chunk.len()) else {
                    break;
                };
                done += chunk.len();
                *chunk = Bytes::copy_from_slice(replaced);
            }
            out.extend(self.events.pop_front());
        }
        self.decided.drain(..done);
    }
}
