//! Speech: what is asked for, the queue in which it waits, and who speaks.
//!
//! Whoever wants something said has a [`Speaker`], a handle on the one queue. The device's task owns
//! the driver, [`ssip`] (speech-dispatcher) or [`espeak`] (the program espeak-ng), which takes texts
//! from the other side of it, [`Orders`], one at a time. [`virtual_server`] and [`virtual_program`] are
//! the far ends.
//!
//! ```text
//! Speaker::say ─► queue (bounded) ─► Orders::take ─► driver ─► pieces of the text, one at a time
//! Speaker::stop ─► queue emptied, cut raised ─────────► driver ─► CANCEL, or the program is stopped
//! ```
//!
//! When the device goes away, what was being said is lost: a text is not begun twice. What waits is
//! said if the device is back within [`KEPT`], else it is forgotten: it told a person what to do next,
//! and that person has gone on, or away.

pub mod address;
pub mod espeak;
pub mod queue;
pub mod redact;
pub mod ssip;
pub mod text;
mod turns;
pub mod virtual_program;
pub mod virtual_server;

use std::time::Duration;

pub use self::queue::{Orders, Speaker, queue};

/// How many texts may wait for the one that is said: several minutes of speech, more than anybody
/// listens to. More is a program in a loop, which has to hear of it.
pub const WAITING: usize = 32;

/// How many bytes of text may wait, in UTF-8: a text of 100,000 characters of four bytes fits twice.
pub const WAITING_BYTES: usize = 1024 * 1024;

/// How long texts wait for a device that has gone away.
pub const KEPT: Duration = Duration::from_secs(5);

/// What is to be said, and how. It may be about a person, so there is no `Debug`.
#[derive(Clone, PartialEq)]
pub struct Utterance {
    /// The text, as [`text::spoken`] makes it.
    text: String,
    /// The voice's pitch; 1.0 is normal.
    pub pitch: f64,
    /// How fast; 1.0 is normal.
    pub rate: f64,
}

impl Utterance {
    /// This text; any number for pitch and rate.
    #[must_use]
    pub fn new(text: &str, pitch: f64, rate: f64) -> Self {
        // What is no number asks for nothing.
        let sane = |factor: f64| if factor.is_nan() { 1.0 } else { factor.max(0.0) };
        Self { text: text::spoken(text), pitch: sane(pitch), rate: sane(rate) }
    }

    /// Its pieces, as they are spoken.
    #[must_use]
    pub fn pieces(&self) -> Vec<&str> {
        text::pieces(&self.text)
    }

    /// Whether there is nothing to say.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// How long a piece of it may take at most: at the slowest rate of espeak-ng a character takes
    /// 0.7 s (measured, version 1.51), and a digit is read as up to three syllables; sound cards and
    /// servers take their time to begin and to run dry.
    pub(crate) fn longest(piece: &str) -> Duration {
        let characters = u32::try_from(piece.chars().count()).unwrap_or(u32::MAX);
        Duration::from_secs(30) + Duration::from_secs(3).saturating_mul(characters)
    }
}

/// What a new text does to those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// It is said after them.
    After,
    /// It is said at once, and they are not, or no further.
    Instead,
}

/// Why a text is not going to be said.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpeechError {
    /// Too many wait already.
    #[error("{WAITING} texts, or {WAITING_BYTES} bytes of text, wait already")]
    Full,
    /// It is longer than all that may wait.
    #[error("a text of {0} bytes, more than {WAITING_BYTES}")]
    TooLong(usize),
    /// The device cannot be used.
    #[error(transparent)]
    Trouble(#[from] crate::device::Trouble),
}

/// How an utterance ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was said to its end.
    Spoken,
    /// It had begun, and was cut off.
    Cut,
    /// It was given up before anything of it could be heard.
    Dropped,
}

impl Ending {
    /// The counter of such endings.
    pub(crate) fn counter(self) -> &'static str {
        match self {
            Self::Spoken => "spoken",
            Self::Cut => "cut",
            Self::Dropped => "dropped",
        }
    }
}

/// A number between 0 and `high`, rounded.
pub(crate) fn clamped(number: f64, low: i32, high: i32) -> i32 {
    #[expect(clippy::cast_possible_truncation, reason = "it lies between two small integers")]
    let rounded = number.round().clamp(f64::from(low), f64::from(high)) as i32;
    rounded
}
