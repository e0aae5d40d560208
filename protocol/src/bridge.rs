//! The daemon's own calls (`bridge.…`) and channels.
//!
//! What they carry is read by our command line and panel as well, so these types go both ways.
//! Keys may be added by a minor version; a reader passes over those that it does not know.

use std::collections::BTreeMap;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use crate::action::{Call, Channel, ChannelInfo, Empty, NoParams};
use crate::device::ShellWishes;
use crate::frame::TaskId;
use crate::lenient;

/// The version of the wire: major, minor.
pub const PROTOCOL: (u16, u16) = (1, 0);

/// The largest number of a keypad's request: what JavaScript counts exactly.
const MOST_REQUEST: u64 = (1 << 53) - 1;

/// `bridge.describe`: what this daemon is and serves.
pub struct DescribeCall;

/// `bridge.status`: how its devices and connections are.
pub struct StatusCall;

/// `bridge.reset`: ends all calls and listeners of this connection.
pub struct ResetCall;

/// `bridge.jobs`: the last print jobs.
pub struct JobsCall;

/// `bridge.simulate`: works a simulated device.
pub struct SimulateCall;

/// `bridge.record`: the recording of what passes.
pub struct RecordCall;

/// `bridge.look`: what a simulated device shows: receipts on paper, the picture of a screen.
pub struct LookCall;

/// `bridge.keypad`: answers or cancels the typed ID number that is waited for.
pub struct KeypadCall;

/// `bridgeDevices`: the state of all devices at once, then each change.
pub struct DevicesChannel;

/// `bridgeCalls`: how this connection's calls come along.
pub struct CallsChannel;

/// `bridgeKeypad`: whether a typed number is wanted; for the kiosk's shell.
pub struct KeypadChannel;

/// `bridgeDeviceConfig`: what is wanted of the kiosk's shell.
pub struct DeviceConfigChannel;

/// `bridgeFrames`: what passes at all clients, with everything masked that is a person's; for the panel.
pub struct FramesChannel;

/// The daemon's own channels.
pub static CHANNELS: [ChannelInfo; 5] = [
    ChannelInfo::of::<DevicesChannel>(),
    ChannelInfo::of::<CallsChannel>(),
    ChannelInfo::of::<KeypadChannel>(),
    ChannelInfo::of::<DeviceConfigChannel>(),
    ChannelInfo::of::<FramesChannel>(),
];

/// The data of `bridge.describe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Description {
    /// The daemon's version.
    pub version: String,
    /// The wire's version.
    pub protocol: ProtocolVersion,
    /// The names of all actions.
    pub actions: Vec<String>,
    /// The names of all channels, the daemon's own too.
    pub channels: Vec<String>,
    /// The names of all calls.
    pub calls: Vec<String>,
    /// What a client must keep within.
    pub limits: Limits,
    /// Every kind of device, configured or not.
    pub devices: Vec<DescribedDevice>,
}

/// The wire's version on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProtocolVersion {
    /// Something is taken away or changed in meaning.
    pub major: u16,
    /// Something was added that a client may ignore.
    pub minor: u16,
}

/// What a client must keep within.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// The longest frame that is read.
    pub max_frame_bytes: u64,
    /// So many stream events wait for one client; then the oldest is dropped.
    pub stream_events: u64,
    /// So many frames wait for one client; then its requests are not read.
    pub pause_frames: u64,
    /// So many frames wait for one client; then it is disconnected.
    pub max_frames: u64,
    /// So many bytes wait for one client; then it is disconnected.
    pub max_bytes: u64,
    /// So many calls of one connection are under way; then they are answered `device_busy`.
    pub max_calls: u64,
    /// How long nobody must operate the kiosk until `ampeOperationTimeout` fires, in milliseconds; 0:
    /// never.
    #[serde(default)]
    pub operation_timeout: u64,
}

/// One device of `bridge.describe`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DescribedDevice {
    /// Its section in the configuration.
    pub device: String,
    /// Its driver in the configuration.
    pub driver: String,
    /// How it is.
    pub state: DeviceState,
    /// Whether there is no hardware behind it.
    pub simulated: bool,
}

/// The data of `bridge.status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Every kind of device, configured or not.
    pub devices: Vec<DeviceStatus>,
    /// How many clients are connected.
    pub connections: u64,
    /// What was lost to slow clients since the start.
    pub dropped: Dropped,
}

/// One device of `bridge.status` and of the channel `bridgeDevices`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// Its section in the configuration.
    pub device: String,
    /// Its driver in the configuration.
    pub driver: String,
    /// Whether there is no hardware behind it.
    pub simulated: bool,
    /// How it is.
    pub state: DeviceState,
    /// Since when, in ms since 1970-01-01 UTC.
    pub since: u64,
    /// The last thing that went wrong, in English.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What was counted, by name.
    #[serde(default)]
    pub counters: BTreeMap<String, u64>,
    /// What the device said of itself when it was started: `samId`, `baud`, ….
    #[serde(default)]
    pub facts: BTreeMap<String, String>,
    /// What it cannot do: confirm a print, give an ATS.
    #[serde(default)]
    pub cannot: Vec<String>,
}

/// How a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// There, and waiting for work.
    Ready,
    /// At work.
    Busy,
    /// Not plugged in; looked for again.
    Absent,
    /// There, and not working; tried again.
    Failed,
    /// Not configured.
    Off,
}

/// What was lost to slow clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dropped {
    /// Stream events.
    pub stream_events: u64,
    /// Clients that were disconnected for it.
    pub clients: u64,
}

/// The data of `bridge.jobs`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jobs {
    /// The last hundred, oldest first.
    pub jobs: Vec<Job>,
}

/// One print job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Job {
    /// Counts up, over the daemon's starts too, for as long as its journal is there.
    pub id: u64,
    /// The request's task.
    pub task_id: TaskId,
    /// When it was accepted, in ms since 1970-01-01 UTC.
    #[serde(default)]
    pub at: u64,
    /// What became of it.
    pub outcome: JobOutcome,
    /// More about that, in English; never what was printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

/// What became of a print job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JobOutcome {
    /// Not begun.
    Queued,
    /// Begun.
    Printing,
    /// The printer says that it is on paper.
    Printed,
    /// All was sent to a printer that cannot say so.
    Sent,
    /// Not, or not wholly, on paper.
    Failed,
    /// Nobody knows: the daemon ended in the middle, or the printer did not confirm what it took. It is
    /// not printed again by itself.
    Unknown,
}

/// The params of `bridge.simulate`: which device, and what its virtual far end is to do.
#[derive(Clone, Deserialize)]
pub struct SimulateParams {
    /// The device's section in the configuration.
    pub device: String,
    /// `do`: the verb, which the device knows.
    #[serde(rename = "do")]
    pub verb: String,
    /// A card to present.
    pub card: Option<Box<RawValue>>,
    /// A text to scan or to type.
    pub text: Option<String>,
    /// A fault to have from now on.
    pub fault: Option<String>,
    /// Which slot of the device, 1 or 2.
    #[serde(default, deserialize_with = "slot")]
    pub slot: Option<u8>,
    /// A tone to hear, in Hz.
    #[serde(default, deserialize_with = "hz")]
    pub hz: Option<u32>,
    /// A WAV file to hear, in base64.
    pub wav: Option<String>,
}

/// The params of `bridge.look`.
#[derive(Clone, Debug, Deserialize)]
pub struct LookParams {
    /// The device's section in the configuration.
    pub device: String,
}

/// The data of `bridge.look`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sights {
    /// The last few, oldest first; none while there is nothing to see.
    pub pictures: Vec<Sight>,
}

/// One picture of `bridge.look`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sight {
    /// Counts up with each receipt; 1 of a screen.
    pub number: u64,
    /// Whether it is finished: a receipt that is cut off.
    pub finished: bool,
    /// In dots.
    pub width: u32,
    /// In dots.
    pub height: u32,
    /// A PNG file in base64.
    pub png_base64: String,
}

/// The params of `bridge.record`.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordParams {
    /// `do`: what to do.
    #[serde(rename = "do")]
    pub verb: RecordVerb,
    /// The recording's name, for `start`.
    pub name: Option<String>,
    /// Record names, numbers, photos and codes as they are, instead of invented ones.
    #[serde(rename = "keepPersonalData", default)]
    pub keep_personal_data: bool,
}

/// What to do with the recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordVerb {
    /// `start`
    Start,
    /// `stop`
    Stop,
    /// `status`
    Status,
}

/// The data of `bridge.record`: how the recording is now.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordStatus {
    /// Whether one is under way.
    pub recording: bool,
    /// Its name, or that of the last one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where it is: an absolute path on the daemon's machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<String>,
    /// How much was written, in bytes.
    #[serde(default)]
    pub bytes: u64,
    /// Why the last one ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<String>,
}

/// The params of `bridge.keypad`: `{"do":"enter","idNum":…,"request":…}` or `{"do":"cancel"}`.
#[derive(Clone, Deserialize)]
#[serde(try_from = "KeypadFields")]
pub struct KeypadParams {
    /// Which request the keypad has shown, as its event named it. Of a number always there, so that it answers
    /// nobody else's call; of a cancel without it, the one that is wanted now.
    pub request: Option<u64>,
    /// `do`: what the person has done.
    pub verb: KeypadVerb,
}

/// What a person has done at a keypad. May hold a number of a person, so it has no `Debug`.
#[derive(Clone)]
pub enum KeypadVerb {
    /// A number was typed.
    Enter {
        /// It.
        id_num: String,
    },
    /// The person pressed cancel.
    Cancel,
}

/// An event of `bridgeDevices`: all devices at first, then those that changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DevicesEvent {
    /// As in `bridge.status`.
    pub devices: Vec<DeviceStatus>,
}

/// An event of `bridgeCalls`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallsEvent {
    /// The call's action.
    pub action: String,
    /// The call's task.
    pub task_id: TaskId,
    /// How far it is.
    pub stage: CallStage,
}

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallStage {
    /// Others are before it.
    Queued,
    /// It is its turn: put the card now.
    Waiting,
    /// The device is reading.
    Reading,
    /// It was answered.
    Done,
}

/// An event of `bridgeKeypad`: how it is at first, then each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeypadEvent {
    /// Whether a typed number is waited for: show the keypad, or take it away.
    pub wanted: bool,
    /// Which request that is. Another number is another person: what was typed is to be forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<u64>,
    /// How long it is waited for yet, in ms; absent: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
}

/// An event of `bridgeFrames`.
#[derive(Clone, Serialize)]
pub struct FramesEvent {
    /// What happened, in its order.
    pub frames: Vec<SeenFrame>,
    /// So many before them are missing: there were too many.
    pub missed: u64,
}

/// Something that happened at a client.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SeenFrame {
    /// When, in microseconds since 1970-01-01 UTC.
    pub at: u64,
    /// The number of the connection.
    pub client: u64,
    /// `unix`, `tcp`, `ws`; `panel` or `page` for a WebSocket of our own page or of another.
    pub transport: String,
    /// What.
    pub what: Seen,
    /// The action that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// The task that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<TaskId>,
    /// Of a reply: whether it is a yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub success: Option<bool>,
    /// Of a stage: which.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stage: Option<CallStage>,
    /// Of a frame: how many bytes it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Of a frame: its text, masked and shortened. Of an end: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// What happened at a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// It has come.
    Connected,
    /// A frame from it.
    In,
    /// A frame to it.
    Out,
    /// It has shown the right token.
    Admitted,
    /// It has shown a wrong one.
    Refused,
    /// A frame over the limit came from it.
    TooLong,
    /// A call of it has come so far.
    Stage,
    /// It takes nothing more at the moment.
    Stalled,
    /// It takes frames again.
    Flowing,
    /// It is gone.
    Gone,
}

/// Implements [`Call`] or [`Channel`] for each unit struct of this file.
macro_rules! wire {
    ($($call:ident = $name:literal, $params:ty => $data:ty;)* | $($channel:ident = $channel_name:literal => $event:ty;)*) => {
        $(impl Call for $call {
            const NAME: &'static str = $name;
            type Params = $params;
            type Data = $data;
        })*
        $(impl Channel for $channel {
            const NAME: &'static str = $channel_name;
            type Event = $event;
        })*
    };
}

wire! {
    DescribeCall = "bridge.describe", NoParams => Description;
    StatusCall = "bridge.status", NoParams => Status;
    ResetCall = "bridge.reset", NoParams => Empty;
    JobsCall = "bridge.jobs", NoParams => Jobs;
    SimulateCall = "bridge.simulate", SimulateParams => Empty;
    RecordCall = "bridge.record", RecordParams => RecordStatus;
    LookCall = "bridge.look", LookParams => Sights;
    KeypadCall = "bridge.keypad", KeypadParams => Empty;
    |
    DevicesChannel = "bridgeDevices" => DevicesEvent;
    CallsChannel = "bridgeCalls" => CallsEvent;
    KeypadChannel = "bridgeKeypad" => KeypadEvent;
    DeviceConfigChannel = "bridgeDeviceConfig" => ShellWishes;
}

impl Channel for FramesChannel {
    const NAME: &'static str = "bridgeFrames";
    // Whoever watches is told what is missing, and never the reason why somebody waits.
    const STREAM: bool = true;
    const PRIVATE: bool = true;
    type Event = FramesEvent;
}

impl ProtocolVersion {
    /// [`PROTOCOL`].
    pub const CURRENT: Self = Self { major: PROTOCOL.0, minor: PROTOCOL.1 };
}

impl<'de> Deserialize<'de> for RecordVerb {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "start" => Ok(Self::Start),
            "stop" => Ok(Self::Stop),
            "status" => Ok(Self::Status),
            _ => Err(D::Error::custom("expected start, stop or status")),
        }
    }
}

fn slot<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u8>, D::Error> {
    lenient::ranged(deserializer, 1..=2)
}

fn request<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    lenient::ranged(deserializer, 1..=MOST_REQUEST)
}

fn hz<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    lenient::ranged(deserializer, 1..=8000)
}

/// The keys of `bridge.keypad` as they stand on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeypadFields {
    #[serde(rename = "do")]
    verb: String,
    id_num: Option<String>,
    #[serde(default, deserialize_with = "request")]
    request: Option<u64>,
}

impl TryFrom<KeypadFields> for KeypadParams {
    type Error = &'static str;

    fn try_from(fields: KeypadFields) -> Result<Self, Self::Error> {
        let verb = match (fields.verb.as_str(), fields.id_num, fields.request) {
            ("enter", Some(id_num), Some(_)) => KeypadVerb::Enter { id_num },
            ("enter", ..) => return Err("expected idNum and request with enter"),
            ("cancel", ..) => KeypadVerb::Cancel,
            _ => return Err("expected enter or cancel in do"),
        };
        Ok(Self { request: fields.request, verb })
    }
}

#[cfg(test)]
mod tests;
