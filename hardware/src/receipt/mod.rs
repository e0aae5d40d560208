//! The receipt printer: what is printed, and how it comes onto paper.
//!
//! ```text
//! texts, pictures ─► layout ─► dots ─► escpos ─► queue ─► driver ─► port
//!                                        │         │        ▲
//!                       journal: accepted, begun, ended     └─ status: what the printer says
//! ```
//!
//! * [`layout`]: a receipt's texts and pictures as dots. Pure: no printer, no clock.
//! * [`escpos`]: dots as the printer's commands. Pure, too.
//! * [`native`]: the same in the printer's own type.
//! * [`mod@queue`]: who wants receipts, and who prints them; one at a time, in order.
//! * [`driver`]: a receipt onto paper, and whether it is there.
//! * [`status`]: the bytes that a printer says, and what they mean.
//! * [`journal`]: what became of each job, on disk.
//! * [`redact`]: what is printed, taken out of recordings.
//! * [`replayed`]: what of a printer's bytes a replay compares.
//! * [`virtual_printer`]: a printer as the far end of the wire.

pub mod driver;
pub mod escpos;
pub mod journal;
pub mod layout;
pub mod native;
pub mod queue;
pub mod redact;
pub mod replayed;
pub mod status;
pub mod virtual_printer;

use std::fmt;
use std::time::Duration;

use self::journal::JournalError;
use self::status::Obstacle;
use crate::device::Trouble;

pub use self::queue::{Jobs, Printer, Printing, Refused, queue, queue_on_one_thread};

/// How many receipts may wait for the one that is printed: several minutes of paper. More is a program
/// in a loop, which has to hear of it.
pub const WAITING: usize = 64;

/// How many bytes may wait, of commands, or of the texts and pictures that become them: eighteen of the
/// longest receipts on the widest usual paper.
pub const WAITING_BYTES: usize = 32 * 1024 * 1024;

/// How a receipt ended well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The printer has confirmed that it is through with it.
    Printed,
    /// The printer has taken all of it and is well; it cannot confirm.
    Sent,
}

/// How far a receipt has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Rows of dots that are on paper at least; of a printer that cannot confirm, that were taken.
    pub rows: u32,
    /// Rows of the whole receipt.
    pub of: u32,
    /// The printer has said so.
    pub confirmed: bool,
    /// A byte of it may have been taken: more than `rows` may be on paper.
    pub begun: bool,
}

impl Progress {
    /// In percent, rounded down; 100 only of all.
    #[must_use]
    pub fn percent(self) -> u32 {
        let (rows, of) = (u64::from(self.rows), u64::from(self.of.max(1)));
        u32::try_from((rows * 100 / of).min(100)).unwrap_or(100)
    }
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, of, confirmed, begun } = self;
        let percent = self.percent();
        match rows {
            0 if !begun => f.write_str("nothing is on paper as far as is known"),
            0 => f.write_str("a part of it may be on paper"),
            _ if *confirmed => {
                write!(f, "at least {rows} of {of} rows of dots are on paper ({percent} %)")
            }
            _ => write!(f, "{rows} of {of} rows of dots were taken ({percent} %)"),
        }
    }
}

/// Why a receipt was not printed, or not wholly. Says nothing of what is on it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrintError {
    /// Too many wait already.
    #[error("{WAITING} receipts, or {WAITING_BYTES} bytes of them, wait already")]
    Full,
    /// The printer cannot be used; nothing is on paper.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// The printer has said that it cannot print.
    #[error("the printer: {what}; {progress}")]
    Obstacle {
        /// Why.
        what: Obstacle,
        /// How far it had come.
        progress: Progress,
    },
    /// The printer has taken nothing and said nothing for so long.
    #[error("the printer has taken nothing and said nothing for {} s; {progress}", limit.as_secs())]
    Stalled {
        /// How long.
        limit: Duration,
        /// How far it had come.
        progress: Progress,
    },
    /// The printer went away.
    #[error("{detail}; {progress}")]
    Gone {
        /// What the line says.
        detail: String,
        /// How far it had come.
        progress: Progress,
    },
    /// The printer has been sent all, and not confirmed: it went away then, or said nothing more of it.
    #[error("the printer was sent all of it and has not confirmed; look whether it is on paper")]
    Unconfirmed,
    /// It could not be written down.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The daemon ends.
    #[error("the daemon ends")]
    Stopped,
    /// A mistake of ours.
    #[error("{0}")]
    Internal(String),
}

impl PrintError {
    /// The printer has confirmed so many rows.
    fn came_to(&mut self, rows: u32) {
        if let Self::Obstacle { progress, .. }
        | Self::Stalled { progress, .. }
        | Self::Gone { progress, .. } = self
            && progress.confirmed
        {
            progress.rows = progress.rows.max(rows);
        }
    }
}
