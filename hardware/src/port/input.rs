//! Input devices as lines: the records of `struct input_event` (linux/input.h) without their time.
//!
//! ```text
//! type (2 bytes) │ code (2 bytes) │ value (4 bytes), each little-endian
//! ```
//!
//! Events only tell of changes, so a line begins with the state of the device: an [`EV_SW`] record a
//! switch, an [`EV_KEY`] record a key that is held, and then [`SYN_REPORT`]. The same comes again,
//! after [`SYN_DROPPED`], when the kernel had to drop events. What is written to a line goes to the
//! device: tones, lights.
//!
//! [`evdev`] is the port of one of the kernel's devices, [`group`] that of many at once, [`held`] that
//! of one whose sounds end whatever becomes of us; [`found`] tells which there are.

pub mod evdev;
pub mod found;
pub mod group;
pub mod held;

use std::path::Path;

use bytes::{Buf, BytesMut};

use super::place::Place;
use super::presence::Watch;

/// Where the kernel and udev make the device files.
const FOLDER: &str = "/dev/input";

/// Bytes of one record.
pub const RECORD: usize = 8;

/// What stands between events.
pub const EV_SYN: u16 = 0x00;
/// A key or button: value 1 pressed, 2 repeated, 0 released.
pub const EV_KEY: u16 = 0x01;
/// A place, such as that of a finger.
pub const EV_ABS: u16 = 0x03;
/// A switch: value 1 or 0.
pub const EV_SW: u16 = 0x05;
/// A sound.
pub const EV_SND: u16 = 0x12;
/// Ends what happened at one moment, and the state at a line's beginning (code of [`EV_SYN`]).
pub const SYN_REPORT: u16 = 0;
/// Events were lost; the device's state follows (code of [`EV_SYN`]).
pub const SYN_DROPPED: u16 = 3;
/// Somebody is near (code of [`EV_SW`]).
pub const SW_FRONT_PROXIMITY: u16 = 0x0b;
/// The device's own beep: value 1 on, 0 off (code of [`EV_SND`]).
pub const SND_BELL: u16 = 0x01;
/// A tone: its frequency in Hz, 0 for silence (code of [`EV_SND`]).
pub const SND_TONE: u16 = 0x02;

/// Tells when input devices come, go, or change who may open them.
fn watch_folder() -> Watch {
    Watch::over(&[FOLDER])
}

/// The same, where the device that is meant may have a path of its own.
fn watch_for(place: &Place) -> Watch {
    match place {
        Place::Path(path) => Watch::over(&[Path::new(FOLDER), path.parent().unwrap_or(path)]),
        Place::Id { .. } | Place::Name(_) => watch_folder(),
    }
}

/// What happened at an input device, or what it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputEvent {
    /// What it is of, one of `EV_…`.
    pub kind: u16,
    /// Which key, switch, sound, …
    pub code: u16,
    /// What became of it.
    pub value: i32,
}

impl InputEvent {
    /// It as a record.
    #[must_use]
    pub fn record(self) -> [u8; RECORD] {
        let ([a, b], [c, d]) = (self.kind.to_le_bytes(), self.code.to_le_bytes());
        let [e, f, g, h] = self.value.to_le_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// The event of a record.
    #[must_use]
    pub fn from_record([a, b, c, d, e, f, g, h]: [u8; RECORD]) -> Self {
        Self {
            kind: u16::from_le_bytes([a, b]),
            code: u16::from_le_bytes([c, d]),
            value: i32::from_le_bytes([e, f, g, h]),
        }
    }
}

/// Puts records together out of the pieces that a line gives.
#[derive(Default)]
pub struct Records {
    pieces: BytesMut,
}

impl Records {
    /// More of the line.
    pub fn push(&mut self, piece: &[u8]) {
        self.pieces.extend_from_slice(piece);
    }

    /// The next whole event, if there is one.
    pub fn next_event(&mut self) -> Option<InputEvent> {
        let record = *self.pieces.first_chunk::<RECORD>()?;
        self.pieces.advance(RECORD);
        Some(InputEvent::from_record(record))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_the_kernels_without_its_time() {
        let event = InputEvent { kind: EV_KEY, code: 28, value: 1 };
        assert_eq!(event.record(), [1, 0, 28, 0, 1, 0, 0, 0]);
        let lifted = InputEvent { kind: EV_ABS, code: 0x39, value: -1 };
        assert_eq!(InputEvent::from_record(lifted.record()), lifted);
    }

    #[test]
    fn events_come_out_wherever_the_line_is_cut() {
        let events = [(EV_SW, 0x0b, 1), (EV_SYN, SYN_DROPPED, 0), (EV_KEY, 2, 0)]
            .map(|(kind, code, value)| InputEvent { kind, code, value });
        let line: Vec<u8> = events.iter().flat_map(|event| event.record()).collect();
        for cut in 1..=line.len() {
            let (mut records, mut got) = (Records::default(), Vec::new());
            for piece in line.chunks(cut) {
                records.push(piece);
                got.extend(std::iter::from_fn(|| records.next_event()));
            }
            assert_eq!(got, events, "cut at {cut}");
        }
    }
}
