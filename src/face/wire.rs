//! What the driver of a face engine and its port say to each other: packets around the JSON that the
//! engine gets and gives (docs/face-engine.md).
//!
//! ```text
//! port ─► READY (what was kept) ─────────────┐
//! driver ─► ASK (task, JSON) ─► port ─► ANSWER (status, body), ABSENT, FAILED
//! driver ─► KEEP (JSON): what the port says first on the next line
//! ```
//!
//! The driver keeps nothing that a line does not begin with: so a recording that begins later, with the
//! opening of the line, has the engine readied as it was.

use bytes::Bytes;
use hharome_hardware::port::packets::{Packet, packet};
use serde::Serialize;

const ASK: u8 = 1;
const KEEP: u8 = 2;

const READY: u8 = 1;
const ANSWER: u8 = 2;
const ABSENT: u8 = 3;
const FAILED: u8 = 4;

/// What an engine is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// To get ready.
    Init,
    /// To say who stands there.
    Identify,
    /// To say whether this person stands there.
    Verify,
    /// To enrol whoever stands there.
    Enrol,
    /// To say what it knows of a person whose number was typed.
    Person,
}

impl Task {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Init, Self::Identify, Self::Verify, Self::Enrol, Self::Person];

    /// Its word: the last part of the engine's URL.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Identify => "identify",
            Self::Verify => "verify",
            Self::Enrol => "enrol",
            Self::Person => "person",
        }
    }

    fn of(word: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|task| task.word().as_bytes() == word)
    }
}

/// What the driver says.
pub(super) enum Tell {
    /// Do this, with this JSON.
    Ask(Task, Bytes),
    /// Begin the next line with this JSON.
    Keep(Bytes),
}

/// What the port says.
pub(super) enum Said {
    /// The engine is there; what was to be kept.
    Ready(Bytes),
    /// The engine has answered with this status of HTTP and this body.
    Answer(u16, Bytes),
    /// Nobody is there; nothing was asked.
    Absent(String),
    /// It may have heard the request, and did not answer it.
    Failed(String),
}

impl Tell {
    pub(super) fn packet(&self) -> Vec<u8> {
        match self {
            Self::Ask(task, json) => {
                packet(ASK, &[task.word().as_bytes(), b"\n", json.as_ref()].concat())
            }
            Self::Keep(json) => packet(KEEP, json),
        }
    }

    pub(super) fn of(packet: &Packet) -> Option<Self> {
        let data = &packet.data;
        match packet.kind {
            ASK => {
                let end = data.iter().position(|byte| *byte == b'\n')?;
                let task = Task::of(data.get(..end)?)?;
                Some(Self::Ask(task, data.slice(end + 1..)))
            }
            KEEP => Some(Self::Keep(data.clone())),
            _ => None,
        }
    }
}

impl Said {
    pub(super) fn packet(&self) -> Vec<u8> {
        match self {
            Self::Ready(kept) => packet(READY, kept),
            Self::Answer(status, body) => {
                packet(ANSWER, &[format!("{status}\n").as_bytes(), body.as_ref()].concat())
            }
            Self::Absent(words) => packet(ABSENT, words.as_bytes()),
            Self::Failed(words) => packet(FAILED, words.as_bytes()),
        }
    }

    pub(super) fn of(packet: &Packet) -> Option<Self> {
        let data = &packet.data;
        let words = || String::from_utf8_lossy(data).into_owned();
        match packet.kind {
            READY => Some(Self::Ready(data.clone())),
            ANSWER => {
                let end = data.iter().position(|byte| *byte == b'\n')?;
                let status = std::str::from_utf8(data.get(..end)?).ok()?.parse().ok()?;
                Some(Self::Answer(status, data.slice(end + 1..)))
            }
            ABSENT => Some(Self::Absent(words())),
            FAILED => Some(Self::Failed(words())),
            _ => None,
        }
    }
}

/// The JSON of a request.
pub(super) fn json(value: &impl Serialize) -> Bytes {
    // Plain texts have no way to fail to be written.
    serde_json::to_vec(value).unwrap_or_default().into()
}

/// The head of a packet's data that is the protocol's own, up to the JSON or the words behind it; none
/// of a packet that nobody here says. For the redactor.
pub(super) fn head(told: bool, packet: &Packet) -> Option<usize> {
    let understood = if told { Tell::of(packet).is_some() } else { Said::of(packet).is_some() };
    let has_line = matches!((told, packet.kind), (true, ASK) | (false, ANSWER));
    let end = if has_line { packet.data.iter().position(|byte| *byte == b'\n')? + 1 } else { 0 };
    understood.then_some(end)
}

/// Whether what follows the head is words of the port's own.
pub(super) fn is_words(told: bool, kind: u8) -> bool {
    !told && matches!(kind, ABSENT | FAILED)
}
