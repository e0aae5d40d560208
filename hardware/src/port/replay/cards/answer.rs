//! The answer to a command, and what faults leave of it.

use bytes::Bytes;

use super::super::exchanges::Chunk;
use super::super::faults::{Faulted, micros};
use super::life::{Got, Operation};
use crate::port::card::{CardFault, EXCHANGE, FaultKind};

/// The answer to a command. Times are in microseconds of the recording's time.
pub(super) struct Answer {
    /// When the command came.
    asked: i64,
    /// When the answer comes.
    pub(super) at: i64,
    pub(super) result: Result<Bytes, CardFault>,
    /// What it is of on the tape; `None` where nothing more can go wrong with it.
    pub(super) operation: Option<Operation>,
}

impl Answer {
    /// None, at once.
    pub(super) fn none(now: i64, fault: CardFault) -> Self {
        Self { asked: now, at: now, result: Err(fault), operation: None }
    }

    /// That of this operation, to a command that came at `now`.
    pub(super) fn of(operation: Operation, now: i64, at: i64) -> Self {
        let result = operation.result().map(|got| match got {
            Got::Answer(bytes) => bytes,
            Got::Nothing | Got::Powered(_) | Got::Renewed(_) => Bytes::new(),
        });
        Self { asked: now, at, result, operation: Some(operation) }
    }

    /// As faults take it.
    pub(super) fn chunks(&self) -> Vec<Chunk> {
        let chunk = |bytes: &Bytes| Chunk { micros: self.at, bytes: bytes.clone() };
        self.result.iter().map(chunk).collect()
    }

    /// What is left of it. A card that says nothing is waited for as long as a port does.
    pub(super) fn left_by(self, faulted: Faulted) -> Self {
        if self.result.is_err() {
            return self;
        }
        let latest = self.asked.saturating_add(micros(EXCHANGE));
        match faulted.chunks.into_iter().next() {
            Some(Chunk { micros, bytes }) if micros <= latest => {
                Self { at: micros, result: Ok(bytes), ..self }
            }
            _ => {
                let fault = CardFault::new(FaultKind::Silent, "the card does not answer");
                Self { at: latest, result: Err(fault), operation: None, ..self }
            }
        }
    }
}
