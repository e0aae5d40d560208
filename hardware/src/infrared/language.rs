//! The languages of presence sensors: from the bytes of a line to what is said. Pure.
//!
//! `step` looks at the bytes in front: a whole sentence, garbage, or not enough yet. The
//! driver reads by it (`Framer`), and so does the redactor, so that nothing which the driver did not
//! understand stays in a recording.

use std::str::FromStr;

use bytes::{Buf, BytesMut};

use super::{ld2410, tfmini};
use crate::port::iio::NEAR_LEVEL;
use crate::port::input::{
    EV_KEY, EV_SW, EV_SYN, InputEvent, RECORD, SW_FRONT_PROXIMITY, SYN_DROPPED,
};

/// The longest line of a language that has lines. A raw value has 20 digits at most.
const LONGEST_LINE: usize = 64;

/// What is between lines: of modules CR, LF or both, of some a NUL.
const LINE_ENDS: [u8; 3] = [b'\r', b'\n', 0];

/// The switch or key of an input device by which it tells of people (linux/input-event-codes.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SwitchCode {
    /// A switch, which the device tells the state of.
    Switch(u16),
    /// A key: somebody is there while it is pressed.
    Key(u16),
}

impl SwitchCode {
    /// The switch that is made for it.
    pub const FRONT_PROXIMITY: Self = Self::Switch(SW_FRONT_PROXIMITY);
}

/// A name that no switch and no key has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no switch and no key has this name")]
pub struct NoSwitch;

impl FromStr for SwitchCode {
    type Err = NoSwitch;

    fn from_str(name: &str) -> Result<Self, NoSwitch> {
        let switch = name.parse::<evdev::SwitchCode>().map(|code| Self::Switch(code.0));
        let key = || name.parse::<evdev::KeyCode>().map(|code| Self::Key(code.code()));
        switch.or_else(|_| key()).map_err(|_| NoSwitch)
    }
}

/// How a sensor speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// `1` and `0`, a byte each, when it changes: lines of GPIO and of modems.
    Levels,
    /// Records of input devices.
    Switch(SwitchCode),
    /// Raw values in decimal, a line each, again and again: sensors of the kernel's IIO.
    Values,
    /// Frames of the radar HLK-LD2410, again and again.
    Ld2410,
    /// Frames of the rangefinders TFmini and TF-Luna, again and again.
    Tfmini,
    /// `1` or `ON`, `0` or `OFF`, a line each, in any case.
    Words,
}

/// What a sensor has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Somebody is there, or nobody is.
    Somebody(bool),
    /// Somebody is there, so far away (cm), if it tells.
    Target(Option<i64>),
    /// A distance or a raw value, of whatever is there.
    Value(i64),
    /// Its own limit.
    NearLevel(i64),
    /// Something well-formed, from which nothing follows.
    Nothing,
}

/// What stands in front of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The beginning of something; more has to come.
    More,
    /// So many bytes, which say this.
    Said(usize, Said),
    /// So many bytes that say nothing in this language.
    Garbage(usize),
}

impl Language {
    /// The rate at which a serial sensor of this language leaves the factory, in baud.
    #[must_use]
    pub fn usual_baud(self) -> u32 {
        match self {
            Self::Ld2410 => 256_000,
            Self::Tfmini => 115_200,
            Self::Words => 9600,
            Self::Levels | Self::Switch(_) | Self::Values => 0,
        }
    }

    /// Whether it speaks all the time, so that its silence means that something is wrong.
    #[must_use]
    pub fn streams(self) -> bool {
        matches!(self, Self::Values | Self::Ld2410 | Self::Tfmini)
    }

    /// What it says of itself as soon as its line is open: whether the state is known from the start.
    pub(super) fn begins_with_its_state(self) -> bool {
        !matches!(self, Self::Words | Self::Switch(SwitchCode::Key(_)))
    }

    /// A recording's filler in the place of these bytes of garbage, as many: garbage again, with what
    /// ends lines where it was.
    pub(super) fn filler(self, garbage: &[u8]) -> Vec<u8> {
        match self {
            // Records of no kind.
            Self::Switch(_) => vec![0xff; garbage.len()],
            Self::Ld2410 | Self::Tfmini => vec![0; garbage.len()],
            Self::Levels | Self::Values | Self::Words => {
                let keep = |byte: &u8| if LINE_ENDS.contains(byte) { *byte } else { b'?' };
                garbage.iter().map(keep).collect()
            }
        }
    }

    /// What stands in front of `bytes`. `torn`: their beginning was garbage without an end.
    pub(super) fn step(self, bytes: &[u8], torn: bool) -> Step {
        let Some(first) = bytes.first() else { return Step::More };
        match self {
            Self::Levels => match first {
                b'0' | b'1' => Step::Said(1, Said::Somebody(*first == b'1')),
                _ => Step::Garbage(1),
            },
            Self::Switch(code) => match bytes.first_chunk::<RECORD>() {
                None => Step::More,
                Some(record) => match record_says(code, InputEvent::from_record(*record)) {
                    Some(said) => Step::Said(RECORD, said),
                    None => Step::Garbage(RECORD),
                },
            },
            Self::Values => line_step(bytes, torn, value),
            Self::Words => line_step(bytes, torn, word),
            Self::Ld2410 => ld2410::step(bytes),
            Self::Tfmini => tfmini::step(bytes),
        }
    }
}

/// What a record says; `None`: nothing of people.
fn record_says(code: SwitchCode, event: InputEvent) -> Option<Said> {
    match (event.kind, code) {
        // A key that was released meanwhile would be pressed for ever; one that is pressed still
        // repeats.
        (EV_SYN, SwitchCode::Key(_)) if event.code == SYN_DROPPED => Some(Said::Somebody(false)),
        (EV_SYN, _) => Some(Said::Nothing),
        (EV_SW, SwitchCode::Switch(code)) | (EV_KEY, SwitchCode::Key(code)) => {
            (event.code == code).then_some(Said::Somebody(event.value != 0))
        }
        _ => None,
    }
}

/// The line in front; lines without anything in them are sentences without a meaning.
fn line_step(bytes: &[u8], torn: bool, read: impl Fn(&str) -> Option<Said>) -> Step {
    let Some(end) = bytes.iter().position(|byte| LINE_ENDS.contains(byte)) else {
        return if torn || bytes.len() > LONGEST_LINE {
            Step::Garbage(bytes.len())
        } else {
            Step::More
        };
    };
    let line = bytes.get(..end).unwrap_or_default();
    let text =
        std::str::from_utf8(line).map(str::trim).ok().filter(|_| !torn && end <= LONGEST_LINE);
    let said = text.and_then(|text| if text.is_empty() { Some(Said::Nothing) } else { read(text) });
    match said {
        Some(said) => Step::Said(end + 1, said),
        None => Step::Garbage(end + 1),
    }
}

fn word(text: &str) -> Option<Said> {
    let is = |words: [&str; 2]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is(["1", "on"]) => Some(Said::Somebody(true)),
        () if is(["0", "off"]) => Some(Said::Somebody(false)),
        () => None,
    }
}

fn value(text: &str) -> Option<Said> {
    match text.strip_prefix(NEAR_LEVEL) {
        Some(level) => level.parse().ok().map(Said::NearLevel),
        None => text.parse().ok().map(Said::Value),
    }
}

/// Reads a line in one language.
pub(super) struct Framer {
    language: Language,
    buffer: BytesMut,
    torn: bool,
}

/// What a framer has found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Said(Said),
    Garbage,
}

impl Framer {
    pub(super) fn new(language: Language) -> Self {
        Self { language, buffer: BytesMut::new(), torn: false }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next that was said, or garbage; `None` until more has come.
    pub(super) fn next_found(&mut self) -> Option<Found> {
        let (length, found) = match self.language.step(&self.buffer, self.torn) {
            Step::More => return None,
            Step::Said(length, said) => (length, Found::Said(said)),
            Step::Garbage(length) => (length, Found::Garbage),
        };
        self.torn = found == Found::Garbage && !ends_a_line(&self.buffer, length);
        self.buffer.advance(length.min(self.buffer.len()));
        Some(found)
    }
}

/// Whether the garbage of so many bytes in front ends where a line does; to languages without lines
/// that means nothing.
pub(super) fn ends_a_line(bytes: &[u8], length: usize) -> bool {
    bytes.get(..length).and_then(<[u8]>::last).is_some_and(|last| LINE_ENDS.contains(last))
}

#[cfg(test)]
mod tests;
