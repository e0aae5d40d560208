//! What passes between the driver and what holds the display, as
//! [packets](crate::port::packets).
//!
//! ```text
//! setup ─►                       ◄─ output, or absent          first of all
//! piece, piece, …, show n ─►     ◄─ shown n, or refused n
//! close n ─►                     ◄─ closed n
//!                                ◄─ output, or absent          whenever that changes
//!                                ◄─ failed                     and the end
//! ```
//!
//! A recording that begins later begins with what the driver has to know of the time before:
//!
//! ```text
//!                                ◄─ piece, piece, …, before
//! ```
//!
//! An output that is told of shows nothing yet: whatever was shown or asked for before is void.

use bytes::Bytes;

use super::Settings;
use crate::port::packets::{Packet, packet};

/// The kind of a packet with a piece of a picture.
pub const PIECE: u8 = 2;

const SETUP: u8 = 1;
pub(super) const SHOW: u8 = 3;
const CLOSE: u8 = 4;
const OUTPUT: u8 = 0x81;
const ABSENT: u8 = 0x82;
const FAILED: u8 = 0x83;
const SHOWN: u8 = 0x84;
const REFUSED: u8 = 0x85;
const CLOSED: u8 = 0x86;
pub(super) const BEFORE: u8 = 0x87;

/// The longest piece of a picture: what a pipe holds.
pub const PIECE_BYTES: usize = 64 * 1024;

/// What the driver tells.
#[derive(Clone, PartialEq, Eq)]
pub enum Tell {
    /// How the screen is set up, once, first of all.
    Setup(Settings),
    /// A piece of a picture file, in order; never longer than [`PIECE_BYTES`].
    Piece(Bytes),
    /// All pieces since the last are a picture: show it. The number comes back.
    Show(u32),
    /// Show nothing any more. The number comes back.
    Close(u32),
}

/// What the driver is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// The output is there, or is another, or has another size; it shows nothing yet.
    Output {
        /// Its name.
        name: String,
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
    },
    /// There is no such output now, for this reason; nothing is shown.
    Absent(String),
    /// It does not work, for this reason, and ends.
    Failed(String),
    /// The picture of this number is shown.
    Shown(u32),
    /// The picture of this number cannot be shown.
    Refused {
        /// Its number.
        number: u32,
        /// The one before it is shown still.
        shown: bool,
        /// Why, without a word on what it shows.
        words: String,
    },
    /// Nothing is shown any more, as the request of this number wanted.
    Closed(u32),
    /// A piece of a picture, in order. Only ever said on a tape.
    Piece(Bytes),
    /// All pieces before it are the picture that is to be on the screen. Only ever said on a tape, first
    /// of all.
    Before {
        /// The number of the last request.
        number: u32,
        /// It is there.
        shown: bool,
    },
}

impl Tell {
    /// As a packet.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        match self {
            Self::Setup(Settings { output, background }) => {
                let output = output.as_deref().unwrap_or_default();
                packet(SETUP, &[&background[..], output.as_bytes()].concat())
            }
            Self::Piece(bytes) => packet(PIECE, bytes),
            Self::Show(number) => packet(SHOW, &number.to_be_bytes()),
            Self::Close(number) => packet(CLOSE, &number.to_be_bytes()),
        }
    }

    /// Out of a packet; `None` if it is none of these.
    #[must_use]
    pub fn of(packet: &Packet) -> Option<Self> {
        Some(match packet.kind {
            SETUP => {
                let (background, output) = packet.data.split_first_chunk::<3>()?;
                let output = String::from_utf8(output.to_vec()).ok()?;
                let output = (!output.is_empty()).then_some(output);
                Self::Setup(Settings { output, background: *background })
            }
            PIECE => Self::Piece(packet.data.clone()),
            SHOW => Self::Show(number(&packet.data)?),
            CLOSE => Self::Close(number(&packet.data)?),
            _ => return None,
        })
    }

    /// Whether packets of this kind are any of these.
    #[must_use]
    pub fn is_kind(kind: u8) -> bool {
        (SETUP..=CLOSE).contains(&kind)
    }
}

impl Said {
    /// As a packet.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        match self {
            Self::Output { name, width, height } => {
                let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
                packet(OUTPUT, &[&size, name.as_bytes()].concat())
            }
            Self::Absent(words) => packet(ABSENT, words.as_bytes()),
            Self::Failed(words) => packet(FAILED, words.as_bytes()),
            Self::Shown(number) => packet(SHOWN, &number.to_be_bytes()),
            Self::Refused { number, shown, words } => {
                let head = [&number.to_be_bytes()[..], &[u8::from(*shown)]].concat();
                packet(REFUSED, &[&head, words.as_bytes()].concat())
            }
            Self::Closed(number) => packet(CLOSED, &number.to_be_bytes()),
            Self::Piece(bytes) => packet(PIECE, bytes),
            Self::Before { number, shown } => {
                packet(BEFORE, &[&number.to_be_bytes()[..], &[u8::from(*shown)]].concat())
            }
        }
    }

    /// Out of a packet; `None` if it is none of these.
    #[must_use]
    pub fn of(packet: &Packet) -> Option<Self> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(match packet.kind {
            OUTPUT => {
                let (width, rest) = packet.data.split_first_chunk::<4>()?;
                let (height, name) = rest.split_first_chunk::<4>()?;
                let (width, height) = (u32::from_be_bytes(*width), u32::from_be_bytes(*height));
                Self::Output { name: text(name)?, width, height }
            }
            ABSENT => Self::Absent(text(&packet.data)?),
            FAILED => Self::Failed(text(&packet.data)?),
            SHOWN => Self::Shown(number(&packet.data)?),
            REFUSED => {
                let (number, shown, words) = number_and_flag(&packet.data)?;
                Self::Refused { number, shown, words: text(words)? }
            }
            CLOSED => Self::Closed(number(&packet.data)?),
            PIECE => Self::Piece(packet.data.clone()),
            BEFORE => {
                let (number, shown, _) = number_and_flag(&packet.data)?;
                Self::Before { number, shown }
            }
            _ => return None,
        })
    }

    /// Whether packets of this kind are any of these.
    #[must_use]
    pub fn is_kind(kind: u8) -> bool {
        kind == PIECE || (OUTPUT..=BEFORE).contains(&kind)
    }
}

fn number(data: &[u8]) -> Option<u32> {
    data.try_into().ok().map(u32::from_be_bytes)
}

/// A number, yes or no, and what is behind them.
fn number_and_flag(data: &[u8]) -> Option<(u32, bool, &[u8])> {
    let (number, rest) = data.split_first_chunk::<4>()?;
    let (flag, rest) = rest.split_first()?;
    Some((u32::from_be_bytes(*number), *flag != 0, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::packets::Packets;

    fn read(bytes: &[u8]) -> Packet {
        let mut packets = Packets::default();
        packets.push(bytes);
        packets.next_packet().unwrap().unwrap()
    }

    #[test]
    fn what_is_told_is_read_as_it_was_written() {
        let named = Settings { output: Some("HDMI-1".to_owned()), background: [1, 2, 3] };
        let tells = [
            Tell::Setup(Settings { output: None, ..named.clone() }),
            Tell::Setup(named),
            Tell::Piece(Bytes::from_static(b"piece")),
            Tell::Show(7),
            Tell::Close(u32::MAX),
        ];
        for tell in tells {
            let packet = read(&tell.packet());
            assert!(Tell::is_kind(packet.kind) && Tell::of(&packet) == Some(tell));
        }
    }

    #[test]
    fn what_is_said_is_read_as_it_was_written() {
        let words = "无".to_owned();
        let all = [
            Said::Output { name: "HDMI-1".to_owned(), width: 1024, height: 600 },
            Said::Absent(words.clone()),
            Said::Failed(words.clone()),
            Said::Shown(1),
            Said::Refused { number: 2, shown: true, words },
            Said::Closed(3),
            Said::Piece(Bytes::from_static(b"piece")),
            Said::Before { number: 4, shown: true },
        ];
        for said in all {
            let packet = read(&said.packet());
            assert!(Said::is_kind(packet.kind));
            assert_eq!(Said::of(&packet), Some(said));
        }
    }

    #[test]
    fn what_is_cut_short_is_nothing() {
        for kind in [SETUP, SHOW, CLOSE] {
            assert!(Tell::of(&read(&packet(kind, b"ab"))).is_none());
        }
        for kind in [OUTPUT, SHOWN, REFUSED, CLOSED, BEFORE] {
            assert!(Said::of(&read(&packet(kind, b"abc"))).is_none());
        }
    }
}
