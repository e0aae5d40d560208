//! Clients' frames with everything personal replaced, before they reach a recording.
//!
//! Owns which value of a frame is a person's (`keys`, the one table) and by which of the
//! recording's [`Pseudonyms`] it is replaced. Called by the recorder's writer, a frame at a time;
//! keeps nothing between frames, so the same value gives the same replacement wherever it stands:
//! in a reply, in an event, and in what the device's own redacted bytes decode to.
//!
//! A frame is walked as text and changed in place (`walk`): the order of keys, blanks, the
//! spelling of numbers and the escapes of what is kept are as they were. Nothing is kept because it
//! is unknown: a value whose key is in no row of the table is replaced like any text.
//!
//! A frame that the daemon refuses is refused in the same words when it is replayed: it keeps the
//! length of every piece, and stays exactly as broken as it was.

mod echo;
mod keys;
#[cfg(test)]
mod tests;
mod value;
mod walk;

use hharome_hardware::card::redact::ToldAts;
use hharome_hardware::pseudonym::Pseudonyms;
use hharome_protocol::ClientFrame;
use hharome_protocol::action::{Action, Call, Channel, ENVELOPE_CALL};
use hharome_protocol::bridge::{
    DescribeCall, DevicesChannel, FramesChannel, JobsCall, LookCall, RecordCall, SimulateCall,
    StatusCall,
};
use hharome_protocol::cpu_card::PsamCardColdReset;
use hharome_protocol::device::GetDeviceInfo;
use hharome_protocol::face::{GetFaceInfo, GetFaceInfoPersonCard, InitFace};
use hharome_protocol::frame;
use hharome_protocol::speech::Speech;
use serde::Deserialize;

use super::format::{RIGHT_TOKEN, WRONG_TOKEN};
use crate::panel::watch::is_own_event;
use walk::walked;

/// What stands for a byte that is no UTF-8, and for all that follow it. No text holds it, so the
/// frame is no UTF-8 from the same byte on.
const NO_TEXT: u8 = 0xFF;

/// Replaces what is a person's in the frames of one recording's clients. Clones replace by the same.
#[derive(Clone)]
pub struct FrameRedactor {
    pseudonyms: Pseudonyms,
    ats: ToldAts,
    token: Option<String>,
}

/// The actions whose failures are worded by a face engine.
const FACE: [&str; 3] = [InitFace::NAME, GetFaceInfo::NAME, GetFaceInfoPersonCard::NAME];

/// Who said a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    /// Whatever it holds, nobody has looked at it before.
    Client,
    /// Its words at their places are ours and hold nothing of a person.
    Daemon,
    /// A face engine, whose words the daemon passes on.
    Engine,
}

/// What a frame is about, where that changes what its keys mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    /// Keys mean what the table says.
    Usual,
    /// `bridge.simulate`: its `text` is a code that is scanned.
    Simulate,
    /// `speech`: its `text` is spoken, in pieces.
    Speech,
    /// A reply whose message may be a face engine's.
    Face,
    /// The daemon's report about itself and its devices.
    Report,
    /// `getDeviceInfo`'s reply: about the kiosk, and in `meta.json` as well.
    DeviceInfo,
    /// `psamCardColdReset`'s reply: its result is no card's answer to a command, but an ATR.
    ColdReset,
}

/// What the walk has to know of a frame.
#[derive(Clone, Copy)]
struct Setting<'a> {
    redactor: &'a FrameRedactor,
    speaker: Speaker,
    subject: Subject,
    /// Every piece keeps its length in bytes: the daemon's refusal says where the mistake is.
    exact: bool,
}

/// The names in a frame of ours that say what it is about.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Head {
    action: Option<String>,
    call: Option<String>,
    channel: Option<String>,
    res: Option<InnerHead>,
}

/// The same inside a call's `res`.
#[derive(Default, Deserialize)]
#[serde(default)]
struct InnerHead {
    action: Option<String>,
}

impl FrameRedactor {
    /// Replaces by these pseudonyms, and by what stands for an ATS at the readers' ports; `token` is
    /// the one that clients have to show.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms, ats: ToldAts, token: Option<&str>) -> Self {
        Self { pseudonyms, ats, token: token.map(str::to_owned) }
    }

    /// Whether a frame, from a client or to one, is about the recording itself, or about watching. Such a
    /// frame is in no recording: it works the bridge, and a replay has nothing to show.
    #[must_use]
    pub fn works_the_recorder(frame: &[u8]) -> bool {
        frame::parse(frame).is_ok_and(|frame| is_outside(&frame))
    }

    /// Whether a frame to a client is in no recording.
    #[must_use]
    pub fn is_left_out(frame: &[u8]) -> bool {
        Self::works_the_recorder(frame) || is_own_event(frame)
    }

    /// A frame that a client has sent, redacted; `None` for one that is not to be recorded.
    #[must_use]
    pub fn from_client(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let (subject, exact) = match frame::parse(frame) {
            Ok(frame) if is_outside(&frame) => return None,
            Ok(ClientFrame::Call { name, .. }) if name == SimulateCall::NAME => {
                (Subject::Simulate, false)
            }
            Ok(frame) if is_speech(&frame) => (Subject::Speech, false),
            Ok(_) => (Subject::Usual, false),
            Err(_) => (Subject::Usual, true),
        };
        Some(self.redacted(frame, Speaker::Client, subject, exact))
    }

    /// A frame that a client was sent, redacted; `None` for one that is not to be recorded.
    #[must_use]
    pub fn to_client(&self, frame: &[u8]) -> Option<Vec<u8>> {
        if Self::is_left_out(frame) {
            return None;
        }
        let head: Head = serde_json::from_slice(frame).unwrap_or_default();
        Some(self.redacted(frame, Speaker::Daemon, head.subject(), false))
    }

    fn redacted(&self, frame: &[u8], speaker: Speaker, subject: Subject, exact: bool) -> Vec<u8> {
        // Only the first piece that is UTF-8 is ever looked at by the daemon.
        let text = frame.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        let exact = exact || text.len() < frame.len();
        let mut out = walked(text, Setting { redactor: self, speaker, subject, exact });
        out.resize(out.len() + frame.len() - text.len(), NO_TEXT);
        out
    }

    /// JSON that a face engine was told, or has said, redacted piece by piece to the same length.
    #[must_use]
    pub fn engine(&self, json: &str, told: bool) -> Vec<u8> {
        if !json.starts_with('{') {
            return self.pseudonyms.text(json).into_bytes();
        }
        let speaker = if told { Speaker::Client } else { Speaker::Engine };
        walked(json, Setting { redactor: self, speaker, subject: Subject::Usual, exact: true })
    }

    /// The token that stands in the recording.
    fn shown_token(&self, token: &str) -> &'static str {
        if self.token.as_deref() == Some(token) { RIGHT_TOKEN } else { WRONG_TOKEN }
    }
}

/// Whether a frame, or what answers it, is about recording or watching.
fn is_outside(frame: &ClientFrame<'_>) -> bool {
    match frame {
        ClientFrame::Call { name, .. } => name == RecordCall::NAME || name == LookCall::NAME,
        ClientFrame::On { channel } | ClientFrame::Off { channel } => {
            channel == FramesChannel::NAME
        }
        _ => false,
    }
}

/// Whether a frame asks for `speech`.
fn is_speech(frame: &ClientFrame<'_>) -> bool {
    match frame {
        ClientFrame::Action(request) => request.action == Speech::NAME,
        ClientFrame::Call { name, params, .. } if name == ENVELOPE_CALL => {
            frame::parse_request(*params).is_ok_and(|request| request.action == Speech::NAME)
        }
        _ => false,
    }
}

impl Head {
    fn subject(&self) -> Subject {
        let action = self.res.as_ref().map_or(&self.action, |res| &res.action);
        let reports = [DescribeCall::NAME, StatusCall::NAME, JobsCall::NAME];
        if self.call.as_deref().is_some_and(|call| reports.contains(&call))
            || self.channel.as_deref() == Some(DevicesChannel::NAME)
        {
            Subject::Report
        } else if action.as_deref() == Some(GetDeviceInfo::NAME) {
            Subject::DeviceInfo
        } else if action.as_deref() == Some(PsamCardColdReset::NAME) {
            Subject::ColdReset
        } else if action.as_deref().is_some_and(|action| FACE.contains(&action)) {
            Subject::Face
        } else {
            Subject::Usual
        }
    }
}
