//! The microphone: the live channel in its two forms, and the deprecated single recording.
//!
//! The audio is PCM, 16 kHz, 16 bit little-endian, mono. The encoders here are pure: bytes in,
//! text out.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Serialize, Serializer};

use crate::action::{Action, Channel, Empty, Nature, NoParams};
use crate::lenient;

/// `startMicrophoneListener`: events from now on.
pub struct StartMicrophoneListener;

/// `stopMicrophoneListener`: no more events.
pub struct StopMicrophoneListener;

/// `startMicrophone`: begins one recording. Deprecated by the vendor, still answered.
pub struct StartMicrophone;

/// `stopMicrophone`: ends it and answers with it.
pub struct StopMicrophone;

/// `getMicrophoneState`: what this connection has going.
pub struct GetMicrophoneState;

/// `initMicrophoneListener`: the audio as it comes.
pub struct MicrophoneListener;

/// How the audio is wanted. The vendor's `intervalTime` is ignored since its 2.9.0, here too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenParams {
    /// `isMicrophoneSourceData`: signed decimals in place of base64.
    #[serde(default, deserialize_with = "lenient::flag", rename = "isMicrophoneSourceData")]
    pub source_bytes: bool,
}

/// One piece of audio in the form that a connection wants.
#[derive(Clone, PartialEq, Eq)]
pub enum MicrophoneEvent {
    /// The PCM bytes, to be written as [`android_base64`].
    Base64(Bytes),
    /// The PCM bytes, to be written as [`signed_decimals`].
    SourceBytes(Bytes),
}

/// One whole recording.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Recording {
    /// An MP3 in base64 without line breaks; empty when nothing was under way.
    pub voice_content: String,
}

/// What this connection has going; written as 1 and 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct MicrophoneState {
    /// Whether the listener is on.
    #[serde(rename = "microphoneListenerState", serialize_with = "zero_or_one")]
    pub listening: bool,
    /// Whether a single recording is under way.
    #[serde(rename = "microphoneState", serialize_with = "zero_or_one")]
    pub recording: bool,
}

impl Action for StartMicrophoneListener {
    const NAME: &'static str = "startMicrophoneListener";
    const NATURE: Nature = Nature::Listens;
    type Params = ListenParams;
    type Data = Empty;
}

impl Action for StopMicrophoneListener {
    const NAME: &'static str = "stopMicrophoneListener";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Empty;
}

impl Action for StartMicrophone {
    const NAME: &'static str = "startMicrophone";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Empty;
}

impl Action for StopMicrophone {
    const NAME: &'static str = "stopMicrophone";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = Recording;
}

impl Action for GetMicrophoneState {
    const NAME: &'static str = "getMicrophoneState";
    const NATURE: Nature = Nature::Act;
    type Params = NoParams;
    type Data = MicrophoneState;
}

impl Channel for MicrophoneListener {
    const NAME: &'static str = "initMicrophoneListener";
    const STREAM: bool = true;
    const STARTED_BY: Option<&'static str> = Some(StartMicrophoneListener::NAME);
    type Event = MicrophoneEvent;
}

/// Characters of a line of Android's base64, and the bytes that they stand for.
const LINE: (usize, usize) = (76, 57);

/// Base64 as Android's `Base64.DEFAULT` writes it: a `\n` after every 76 characters and at the
/// end, but no two in a row; nothing for nothing.
#[must_use]
pub fn android_base64(bytes: &[u8]) -> String {
    base64_lines(bytes, "\n")
}

/// The bytes as Java prints an array of them: `[-106,-1,-62]`.
#[must_use]
pub fn signed_decimals(bytes: &[u8]) -> String {
    let mut text = Vec::with_capacity(bytes.len() * LONGEST + 2);
    push_decimals(&mut text, bytes);
    // It is digits, signs and commas.
    String::from_utf8(text).unwrap_or_default()
}

fn base64_lines(bytes: &[u8], end: &str) -> String {
    let lines = bytes.len().div_ceil(LINE.1);
    let mut text = String::with_capacity(lines * (LINE.0 + end.len()));
    for line in bytes.chunks(LINE.1) {
        STANDARD.encode_string(line, &mut text);
        text.push_str(end);
    }
    text
}

/// Bytes of the longest signed decimal of a byte, with its comma: `-128,`.
const LONGEST: usize = 5;

/// Every byte as a signed decimal with a comma behind it, and the length of that. There are 25 lists
/// of 1,280 numbers a second, and formatting one takes ten times as long as this.
const DECIMALS: [([u8; LONGEST], u8); 256] = {
    let mut table = [([0; LONGEST], 0); 256];
    let mut byte = 0;
    while byte < 256 {
        let value = byte as u8 as i8;
        let (mut text, mut length) = ([0; LONGEST], 0);
        if value < 0 {
            text[0] = b'-';
            length = 1;
        }
        let size = value.unsigned_abs();
        let mut unit = if size >= 100 {
            100
        } else if size >= 10 {
            10
        } else {
            1
        };
        while unit > 0 {
            text[length] = b'0' + size / unit % 10;
            length += 1;
            unit /= 10;
        }
        text[length] = b',';
        table[byte] = (text, length as u8 + 1);
        byte += 1;
    }
    table
};

fn push_decimals(text: &mut Vec<u8>, bytes: &[u8]) {
    text.push(b'[');
    let begin = text.len();
    // Each entry is copied whole, as that is one move, and the next one over what it does not fill.
    text.resize(begin + bytes.len() * LONGEST, 0);
    let mut place = begin;
    for byte in bytes {
        let (decimal, length) = &DECIMALS[usize::from(*byte)];
        if let Some(room) = text.get_mut(place..place + LONGEST) {
            room.copy_from_slice(decimal);
        }
        place += usize::from(*length);
    }
    // Without the last comma.
    text.truncate(if bytes.is_empty() { begin } else { place - 1 });
    text.push(b']');
}

/// The whole line of one event. The same as [`event`](crate::frame::event) makes of a
/// [`MicrophoneEvent`], without a pass over it to see what has to be escaped: nothing but the line
/// breaks has.
#[must_use]
pub fn event_line(pcm: &[u8], source_bytes: bool) -> Bytes {
    const HEAD: &[u8] = b"{\"channel\":\"initMicrophoneListener\",\"data\":{\"voiceContent\":\"";
    let mut line =
        Vec::with_capacity(HEAD.len() + 64 + pcm.len() * if source_bytes { 10 } else { 2 });
    line.extend_from_slice(HEAD);
    if source_bytes {
        let begin = line.len();
        push_decimals(&mut line, pcm);
        let end = line.len();
        line.extend_from_slice(b"\",\"voicecontent\":\"");
        line.extend_from_within(begin..end);
    } else {
        line.extend_from_slice(base64_lines(pcm, "\\n").as_bytes());
    }
    line.extend_from_slice(b"\"}}\n");
    Bytes::from(line)
}

impl Serialize for MicrophoneEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Base64(pcm) => {
                let mut event = serializer.serialize_struct("MicrophoneEvent", 1)?;
                event.serialize_field("voiceContent", &android_base64(pcm))?;
                event.end()
            }
            Self::SourceBytes(pcm) => {
                // The document's table has one spelling and its example the other.
                let decimals = signed_decimals(pcm);
                let mut event = serializer.serialize_struct("MicrophoneEvent", 2)?;
                event.serialize_field("voiceContent", &decimals)?;
                event.serialize_field("voicecontent", &decimals)?;
                event.end()
            }
        }
    }
}

fn zero_or_one<S: Serializer>(state: &bool, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u8(u8::from(*state))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    #[test]
    fn base64_breaks_after_76_characters_and_at_the_end() {
        assert_eq!(android_base64(&[]), "");
        assert_eq!(android_base64(&[7, 0, 7, 0]), "BwAHAA==\n");
        assert_eq!(android_base64(&[0; 57]), format!("{}\n", "A".repeat(76)));
        assert_eq!(android_base64(&[0; 60]), format!("{}\nAAAA\n", "A".repeat(76)));
    }

    #[test]
    fn source_bytes_are_signed_decimals_without_blanks() {
        assert_eq!(signed_decimals(&[]), "[]");
        assert_eq!(signed_decimals(&[0x96, 0xff, 0xc2, 0, 127, 128]), "[-106,-1,-62,0,127,-128]");
    }

    #[test]
    fn every_byte_is_the_number_that_it_is() {
        let all: Vec<u8> = (0..=255).collect();
        let expected: Vec<_> = all.iter().map(|byte| byte.cast_signed().to_string()).collect();
        assert_eq!(signed_decimals(&all), format!("[{}]", expected.join(",")));
    }

    #[test]
    fn a_line_is_what_the_serializer_makes_of_the_event() {
        let pcm: Vec<u8> = (0..1280_u32).map(|n| (n * 37 % 256) as u8).collect();
        for length in [0, 1, 2, 56, 57, 58, 114, 1280] {
            let pcm = Bytes::copy_from_slice(&pcm[..length]);
            for (source_bytes, event) in [
                (false, MicrophoneEvent::Base64(pcm.clone())),
                (true, MicrophoneEvent::SourceBytes(pcm.clone())),
            ] {
                let line = crate::frame::event(MicrophoneListener::NAME, &event).unwrap();
                assert_eq!(event_line(&pcm, source_bytes), line, "{length}");
            }
        }
    }

    #[test]
    fn source_bytes_come_under_both_spellings() {
        let event = MicrophoneEvent::SourceBytes(Bytes::from_static(&[1, 0xff]));
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"voiceContent":"[1,-1]","voicecontent":"[1,-1]"}"#
        );
    }

    #[test]
    fn the_form_may_be_left_out_and_the_interval_may_be_anything() {
        for json in [r#"{"intervalTime":1000}"#, r#"{"intervalTime":["x"]}"#, "{}", "null"] {
            assert!(!accepted::<ListenParams>(json).source_bytes, "{json}");
        }
        for json in [r#"{"isMicrophoneSourceData":true}"#, r#"{"isMicrophoneSourceData":"true"}"#] {
            assert!(accepted::<ListenParams>(json).source_bytes, "{json}");
        }
        assert_eq!(
            refused::<ListenParams>(r#"{"isMicrophoneSourceData":"maybe"}"#),
            "params.isMicrophoneSourceData: expected true or false"
        );
    }
}
