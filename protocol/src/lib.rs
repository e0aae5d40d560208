//! The wire between programs on a self-service kiosk and the device bridge `hharome`: types and
//! bytes, no I/O, no devices.
//!
//! # The whole wire on one page
//!
//! A frame is one JSON object in UTF-8. On the Unix socket and on TCP a frame is a line; on
//! WebSocket it is a text message. The daemon says nothing before it is spoken to.
//!
//! What a client sends, and what it gets:
//!
//! ```text
//! {"action":"getQRCode","event":"open","taskId":"3","params":{…}}
//! {"action":"getQRCode","event":"open","success":true,"taskId":"3","message":"成功","data":{"qrCode":"…"}}
//!
//! {"call":"ampeHHCommunication","id":7,"params":{"action":"getQRCode",…}}
//! {"call":"ampeHHCommunication","id":7,"res":{"action":"getQRCode",…}}
//!
//! {"call":"bridge.status","id":8}
//! {"call":"bridge.status","id":8,"res":{"success":true,"message":"成功","data":{…}}}
//!
//! {"on":"initQRListener"}
//! {"on":"initQRListener","success":true,"message":"成功"}
//! {"channel":"initQRListener","data":{"qrCode":"…"}}          once a scan
//! {"off":"initQRListener"}
//! {"off":"initQRListener","success":true,"message":"成功"}
//!
//! {"token":"…"}                                               first, where one is configured
//! ```
//!
//! - `taskId` is a string or a number and comes back byte for byte; `id` is any JSON and comes back
//!   if it was sent. A missing `event` is `open`; `close` ends what waits or listens.
//! - Replies to different calls come in any order, the events of one channel in order.
//! - A failure is `"success":false` with a Chinese `message` for the person at the kiosk. Its
//!   `data` is what the vendor documents for it, else `{"error":{"kind":…,"detail":…}}`; `kind` is
//!   one of `bad_request`, `forbidden`, `unsupported`, `device_unavailable`, `device_busy`,
//!   `device_failed`, `internal`.
//! - Nothing that a client sends costs it the connection: what is no request is answered, with
//!   whatever of `action`, `event`, `taskId` and `id` could be read.
//! - Numbers in `params` may be decimal strings, truths may be `"true"`, `null` is a key left out,
//!   unknown keys are passed over.
//! - Where a slow client lost events of a stream stands
//!   `{"channel":"bridgeLagged","data":{"channel":…,"dropped":…}}`.
//!
//! # Where to find what
//!
//! | module | holds |
//! |---|---|
//! | [`frame`] | parsing what clients send, encoding what they get |
//! | [`codec`] | lines out of a stream of bytes |
//! | [`action`] | what an action, a channel and a call are; the tables of all |
//! | [`failure`] | every way an answer can be no |
//! | [`client`] | the other side, for programs that talk to the daemon |
//! | [`bridge`] | the daemon's own calls and channels |
//! | [`face`], [`id_card`], [`code`], [`microphone`], [`device`], [`speech`], [`id_number`], [`receipt`], [`operation`], [`infrared`], [`screen`], [`social_security`], [`cpu_card`] | params and data of each group's actions |
//! | [`picture`] | base64 pictures inside params |
//!
//! Types that hold what is on a person's card, or a person's words, have no `Debug`, so that they
//! cannot slip into a log.

pub mod action;
pub mod bridge;
pub mod client;
pub mod code;
pub mod codec;
pub mod cpu_card;
pub mod device;
pub mod face;
pub mod failure;
pub mod frame;
pub mod id_card;
pub mod id_number;
pub mod infrared;
mod lenient;
pub mod microphone;
pub mod operation;
pub mod picture;
pub mod receipt;
pub mod screen;
pub mod social_security;
pub mod speech;
#[cfg(test)]
mod testing;

pub use action::{
    ACTIONS, Action, ActionInfo, CALLS, CHANNELS, Call, Channel, ChannelInfo, ENVELOPE_CALL, Empty,
    Nature, NoParams,
};
pub use bridge::PROTOCOL;
pub use codec::{Line, LineCodec};
pub use failure::{Failure, Kind};
pub use frame::{ClientFrame, Envelope, Event, Rejected, ReplyTo, Request, TaskId};
