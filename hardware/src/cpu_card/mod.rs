//! CPU cards and PSAMs: a slot, its sessions, and who uses it.
//!
//! [`slot()`] gives a [`SlotHandle`] for those who ask and a [`SlotTask`] that owns the slot. The task
//! carries out requests in the order in which they were made, one at a time, and reads cards that
//! are put in while a [`Poll`] lives. As it does both, polling never comes between the commands of
//! one request, and never powers down a card that somebody has a session with.
//!
//! ```text
//!                    power_up, command, batch, cold_reset
//!        no session ─────────────────────────────────────► sessions of one or more owners
//!       (not connected) ◄──────────────────────────────────   (connected, the card is powered)
//!                    the last owner released or idle: powered off
//!                    the card gone: all sessions over
//! ```
//!
//! An owner is the number of a client's connection. Commands of several owners reach the same card
//! in turn; the card has one state for all of them.

mod handle;
mod open;
mod queue;
pub mod redact;
mod session;
mod slot;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::card::atr::CardInfo;
use crate::device::Status;
use crate::port::card::CardFault;

pub use self::handle::{Poll, SlotHandle};
pub use self::slot::SlotTask;

/// How a slot is worked.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// How long after its last use an owner's session ends; `None` for never.
    pub session_idle: Option<Duration>,
    /// Whether the reader is asked for the ATS of contactless cards. Not for the slot of a SAM.
    pub reads_info: bool,
}

/// Why a slot did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Too many requests wait for this slot.
    #[error("too many requests wait for this card")]
    QueueFull,
    /// There is no card, or it could not be powered up.
    #[error("{0}")]
    PowerUp(CardFault),
    /// The card was powered, and the exchange with it failed.
    #[error("{0}")]
    Exchange(CardFault),
}

/// What became of several commands.
#[derive(Clone, PartialEq, Eq)]
pub struct Batch {
    /// The answers, data and status word each, as far as there are any.
    pub results: Vec<Vec<u8>>,
    /// How it ended.
    pub end: BatchEnd,
}

/// How a batch ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BatchEnd {
    /// All commands were answered with 9000.
    Done,
    /// The last result has another status word; what comes after it was not sent.
    StatusWord,
    /// The command after the last result brought no answer, or none was sent.
    Refused(Refused),
}

/// What polling sees in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// No card, or one that has not been read yet.
    Nothing,
    /// A card.
    Card {
        /// Which one it is: another number for every card that is put in.
        number: u64,
        /// What was read of it.
        info: Arc<CardInfo>,
    },
    /// A card that does not answer.
    Unreadable {
        /// Which one it is.
        number: u64,
    },
    /// The reader, or the card service, is not there.
    Unusable,
}

/// A slot that is worked as `settings` say, and its task. The task does nothing until it is run.
#[must_use]
pub fn slot(settings: Settings, status: Status) -> (SlotHandle, SlotTask) {
    let (handle, ends) = SlotHandle::new();
    (handle, SlotTask::new(settings, status, ends))
}

impl fmt::Debug for Batch {
    // What a card says is in no log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("results", &self.results.len())
            .field("end", &self.end)
            .finish()
    }
}
