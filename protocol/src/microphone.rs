//! The microphone: the live channel in its two forms, and the deprecated single recording.
//!
//! The audio is PCM, 16 kHz, 16 bit little-endian, mono. The encoders here are pure: bytes in,
//! text out.

use std::fmt::Write;

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

/// Base64 as Android's `Base64.DEFAULT` writes it: a `\n` after every 76 characters and at the
/// end, but no two in a row; nothing for nothing.
#[must_use]
pub fn android_base64(bytes: &[u8]) -> String {
    // 57 bytes make 76 characters.
    let mut text = String::with_capacity(bytes.len().div_ceil(57) * 77);
    for line in bytes.chunks(57) {
        STANDARD.encode_string(line, &mut text);
        text.push('\n');
    }
    text
}

/// The bytes as Java prints an array of them: `[-106,-1,-62]`.
#[must_use]
pub fn signed_decimals(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 5 + 2);
    text.push('[');
    for (index, byte) in bytes.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        // Writing into a string has no way to fail.
        let _ = write!(text, "{}", i8::from_ne_bytes([*byte]));
    }
    text.push(']');
    text
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
