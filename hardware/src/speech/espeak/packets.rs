//! What passes between the driver of espeak-ng and the port that runs it, as
//! [packets](crate::port::packets).

use crate::port::packets::{Packet, packet};

/// The kind of a packet with a text.
pub const TEXT: u8 = 2;

const RUN: u8 = 1;
const STOP: u8 = 3;
const HELLO: u8 = 0x81;
const BEGUN: u8 = 0x82;
const ENDED: u8 = 0x83;
const STOPPED: u8 = 0x84;
const FAILED: u8 = 0x85;

/// What the driver tells the port.
#[derive(Clone, PartialEq, Eq)]
pub enum Tell {
    /// The arguments of the next run. None holds a NUL.
    Run(Vec<String>),
    /// The text that it is to say, by its stdin: the run begins.
    Text(String),
    /// To be silent now, and to end the run.
    Stop,
}

/// What the port tells the driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// First of all: the program is there, and the sound device can be opened.
    Hello {
        /// Its version, as in `1.51`.
        version: String,
        /// What its voice `cmn` makes of a Chinese character, with `-x`.
        phonemes: String,
    },
    /// What was asked for can be heard.
    Begun,
    /// All of it was heard.
    Ended,
    /// It was stopped.
    Stopped,
    /// It could not be said, for this reason.
    Failed(String),
}

impl Tell {
    /// As a packet.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        match self {
            Self::Run(arguments) => packet(RUN, arguments.join("\0").as_bytes()),
            Self::Text(text) => packet(TEXT, text.as_bytes()),
            Self::Stop => packet(STOP, b""),
        }
    }

    /// Out of a packet; `None` if it is none of these.
    #[must_use]
    pub fn of(packet: &Packet) -> Option<Self> {
        let text = || String::from_utf8(packet.data.to_vec()).ok();
        Some(match packet.kind {
            RUN => Self::Run(text()?.split('\0').map(str::to_owned).collect()),
            TEXT => Self::Text(text()?),
            STOP => Self::Stop,
            _ => return None,
        })
    }
}

impl Said {
    /// As a packet.
    #[must_use]
    pub fn packet(&self) -> Vec<u8> {
        match self {
            Self::Hello { version, phonemes } => {
                packet(HELLO, format!("{version}\n{phonemes}").as_bytes())
            }
            Self::Begun => packet(BEGUN, b""),
            Self::Ended => packet(ENDED, b""),
            Self::Stopped => packet(STOPPED, b""),
            Self::Failed(words) => packet(FAILED, words.as_bytes()),
        }
    }

    /// Out of a packet; `None` if it is none of these.
    #[must_use]
    pub fn of(packet: &Packet) -> Option<Self> {
        let text = || String::from_utf8(packet.data.to_vec()).ok();
        Some(match packet.kind {
            HELLO => {
                let text = text()?;
                let (version, phonemes) = text.split_once('\n')?;
                Self::Hello { version: version.to_owned(), phonemes: phonemes.to_owned() }
            }
            BEGUN => Self::Begun,
            ENDED => Self::Ended,
            STOPPED => Self::Stopped,
            FAILED => Self::Failed(text()?),
            _ => return None,
        })
    }

    /// Whether packets of this kind are any of these.
    #[must_use]
    pub fn is_kind(kind: u8) -> bool {
        (HELLO..=FAILED).contains(&kind)
    }
}
