//! The lines of a recording, as `docs/recording.md` describes them: written by the writer, read by
//! replay and lint. Nothing else in the program knows how a recording looks on disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use hharome_protocol::bridge::ProtocolVersion;
use hharome_protocol::device::DeviceInfo;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

/// The version of the format that this program writes. A minor adds keys that a reader may pass
/// over; nothing is taken away or changed in meaning without a major.
pub const VERSION: Version = Version { major: 1, minor: 2 };

/// What a recording is of: read first, and refused if its major is another.
pub const META_FILE: &str = "meta.json";

/// What happened to the daemon itself.
pub const DAEMON_FILE: &str = "daemon.jsonl";

/// The folder of large pieces, each under the SHA-256 of its bytes in lower-case hex.
pub const BLOBS: &str = "blobs";

/// The name of the blob with these bytes.
#[must_use]
pub fn blob_name(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes)).to_lowercase()
}

/// Frames and chunks from this many bytes on are kept as blobs.
pub const BLOB_BYTES: usize = 8 * 1024;

/// The name of a port's file: `port-id_card.jsonl`. The photo decoder has one too:
/// `port-photo_decoder.jsonl`.
#[must_use]
pub fn port_file(device: &str) -> String {
    format!("port-{device}.jsonl")
}

/// The name of a client's file: `client-0001.jsonl`.
#[must_use]
pub fn client_file(client: u64) -> String {
    format!("client-{client:04}.jsonl")
}

/// The device name under which the photo decoder is taped.
pub const PHOTO_DECODER: &str = "photo_decoder";

/// A version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Other meaning.
    pub major: u32,
    /// More keys.
    pub minor: u32,
}

/// `meta.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Meta {
    /// Of the format.
    pub format: Version,
    /// The recording's name.
    pub name: String,
    /// The version of the daemon that recorded.
    pub hharome: String,
    /// The version of the wire.
    pub protocol: ProtocolVersion,
    /// When it began, in milliseconds since the Unix epoch.
    pub started: u64,
    /// Whether personal data was replaced.
    pub personal_data: PersonalData,
    /// The configuration in force, without secrets, in JSON as it would stand in TOML; empty when
    /// there was no file.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// Every driver was simulated, by `--simulate` or for want of a file.
    pub simulated: bool,
    /// Whether clients of TCP and WebSocket had to show a token.
    pub token: bool,
    /// What `getDeviceInfo` answered at the beginning.
    pub device_info: DeviceInfo,
    /// Every device that had a driver.
    pub devices: Vec<RecordedDevice>,
}

/// What was done about personal data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PersonalData {
    /// Names, numbers, addresses, photos, codes are invented ones.
    Replaced,
    /// Everything is as it was: `--keep-personal-data`.
    Kept,
}

impl PersonalData {
    /// What the flag `--keep-personal-data` asks for.
    #[must_use]
    pub fn kept_if(keep: bool) -> Self {
        if keep { Self::Kept } else { Self::Replaced }
    }
}

/// A device that had a driver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedDevice {
    /// Its section of the configuration.
    pub device: String,
    /// Its driver.
    pub driver: String,
    /// Whether it was simulated.
    pub simulated: bool,
    /// What it had said of itself.
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
}

/// A line of a port's file: when, and one of the others. `t` is in microseconds since the
/// recording began; `before` marks what had been so already when it began.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PortLine {
    /// Microseconds since the recording began.
    pub t: i64,
    /// It had been so already when the recording began.
    #[serde(skip_serializing_if = "is_false")]
    pub before: bool,
    /// The line was opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open: Option<OpenLine>,
    /// It could not be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_open: Option<NotOpenLine>,
    /// Bytes to the device, in upper-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<String>,
    /// The same as a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_blob: Option<String>,
    /// Bytes from the device, in upper-case hex.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub input: Option<String>,
    /// The same as a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_blob: Option<String>,
    /// So many zero bytes follow those of `in` or `inBlob` in the same piece (from 1.2 on): what
    /// silence became of sound.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_zeros: Option<u64>,
    /// The open line's rate was changed to so many baud.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baud: Option<u32>,
    /// Reading ended or failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Fault>,
    /// Writing failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_written: Option<Fault>,
    /// The driver let go of the line.
    #[serde(skip_serializing_if = "is_false")]
    pub closed: bool,
    /// What happened at a card reader's slot, besides commands and answers (from 1.1 on).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub card: Option<CardLine>,
    /// A photo was decoded (photo decoder only).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub photo: Option<PhotoLine>,
    /// The recording ended here: the last line of a whole file.
    #[serde(skip_serializing_if = "is_false")]
    pub end: bool,
}

/// A line was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenLine {
    /// At this rate.
    pub baud: u32,
    /// With these modem lines held by the far end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modem: Option<Modem>,
}

/// Modem lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modem {
    /// Clear to send.
    pub cts: bool,
    /// Data set ready.
    pub dsr: bool,
    /// Carrier detect.
    pub dcd: bool,
    /// Ring indicator.
    pub ri: bool,
}

/// A line was not opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotOpenLine {
    /// The port's name.
    pub port: String,
    /// `absent`, `denied`, `held`, or `other` with a fault.
    pub kind: String,
    /// What the operating system said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
}

/// An end or an error of a line: `{}` is the end of what can be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The operating system's number of the error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errno: Option<i32>,
    /// Its words, where it has no number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

/// What happened at a card reader's slot: one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CardLine {
    /// The slot was opened: the reader's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub opened: Option<String>,
    /// It could not be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_opened: Option<CardFaultLine>,
    /// What lies in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holds: Option<HoldsLine>,
    /// The reader or its service is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<CardFaultLine>,
    /// A connection was asked for: `asItIs`, `warm`, `cold`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<String>,
    /// There is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected: Option<PoweredLine>,
    /// There is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_connected: Option<CardFaultLine>,
    /// A transaction was asked for.
    #[serde(skip_serializing_if = "is_false")]
    pub begin: bool,
    /// It was begun.
    #[serde(skip_serializing_if = "is_false")]
    pub begun: bool,
    /// It was not, or did not come to a good end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_begun: Option<CardFaultLine>,
    /// The command before this brought no answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unanswered: Option<CardFaultLine>,
    /// The transaction is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedLine>,
    /// The driver lets go of the card: `leave`, `unpower`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disconnect: Option<String>,
    /// The next command is for the reader itself.
    #[serde(skip_serializing_if = "is_false")]
    pub escape: bool,
    /// The driver lets go of the slot.
    #[serde(skip_serializing_if = "is_false")]
    pub closed: bool,
}

/// What lies in a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HoldsLine {
    /// `nothing`, `card`, `mute`.
    pub what: String,
    /// A card's answer to reset, in upper-case hex; empty while it has no power.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atr: Option<String>,
    /// Which card it is: another number for every one that is put in.
    pub number: u64,
}

/// A card to which there is a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PoweredLine {
    /// Its answer to reset, in upper-case hex.
    pub atr: String,
    /// `T=0`, `T=1`.
    pub protocol: String,
}

/// A transaction is over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndedLine {
    /// Others had reset the card before it.
    #[serde(skip_serializing_if = "is_false")]
    pub renewed: bool,
}

/// Why a card or its reader could not be used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CardFaultLine {
    /// `noService`, `noReader`, `noCard`, `removed`, `reset`, `mute`, `occupied`, `silent`, `other`.
    pub kind: String,
    /// In words.
    pub detail: String,
}

/// A photo that was decoded, or not.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PhotoLine {
    /// What the chip holds, in upper-case hex.
    pub wlt: String,
    /// How long it took, in microseconds.
    pub took: u64,
    /// The picture, in base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jpeg: Option<String>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// A line of a client's file: when, and one of the others.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ClientLine {
    /// Microseconds since the recording began; a call that was under way already has come before.
    pub t: i64,
    /// It had been so already when the recording began.
    #[serde(skip_serializing_if = "is_false")]
    pub before: bool,
    /// The client has come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<ConnectLine>,
    /// A frame from the client, as it came: valid JSON without a line break.
    #[serde(rename = "in", skip_serializing_if = "Option::is_none")]
    pub input: Option<Box<RawValue>>,
    /// A frame from the client that is no JSON, or has line breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_text: Option<String>,
    /// A frame from the client that is no UTF-8, in upper-case hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_hex: Option<String>,
    /// A large frame from the client, as a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_blob: Option<String>,
    /// A frame over the limit, which was skipped.
    #[serde(skip_serializing_if = "is_false")]
    pub in_too_long: bool,
    /// The client has finished sending.
    #[serde(skip_serializing_if = "is_false")]
    pub in_end: bool,
    /// A frame to the client: always one line of JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out: Option<Box<RawValue>>,
    /// A large frame to the client, as a blob.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_blob: Option<String>,
    /// From here on the client's socket took nothing more.
    #[serde(skip_serializing_if = "is_false")]
    pub stalled: bool,
    /// It takes frames again.
    #[serde(skip_serializing_if = "is_false")]
    pub flowing: bool,
    /// The connection is over: `finished`, `broken`, `tooSlow`, `notAdmitted`, `stopped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<String>,
    /// The recording ended here: the last line of a whole file.
    #[serde(skip_serializing_if = "is_false")]
    pub end: bool,
}

/// A client has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConnectLine {
    /// `unix`, `tcp`, `ws`.
    pub transport: String,
    /// Whether its first frame had to be the token.
    #[serde(skip_serializing_if = "is_false")]
    pub token: bool,
}

/// A line of `daemon.jsonl`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DaemonLine {
    /// Microseconds since the recording began.
    pub t: i64,
    /// The configuration was read again, and is this from now on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reload: Option<serde_json::Map<String, serde_json::Value>>,
    /// The daemon was told to stop.
    #[serde(skip_serializing_if = "is_false")]
    pub stopping: bool,
    /// The recording ended: `stopped`, `daemonStopped`, or the words of what ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<String>,
}

/// The token that stands in a recording for the right one.
pub const RIGHT_TOKEN: &str = "right-token";

/// The token that stands in a recording for any wrong one.
pub const WRONG_TOKEN: &str = "wrong-token";

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's skip_serializing_if asks so")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Bytes in upper-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 0xF)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]).collect()
}

/// Hex in either case back to bytes; `None` if it is none.
#[must_use]
pub fn unhex(text: &str) -> Option<Bytes> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |digit: u8| char::from(digit).to_digit(16);
    digits
        .chunks_exact(2)
        .map(|pair| match pair {
            [high, low] => u8::try_from(digit(*high)? << 4 | digit(*low)?).ok(),
            _ => None,
        })
        .collect()
}
