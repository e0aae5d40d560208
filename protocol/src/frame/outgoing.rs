//! The frames that a client gets, each encoded once into one line with its `\n`.

use bytes::Bytes;
use memchr::memchr2;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::{LAGGED_CHANNEL, Rejected, TaskId};
use crate::failure::{Failure, FailureData};

/// How a request came, and so how its reply goes.
#[derive(Clone, Copy, Debug)]
pub enum ReplyTo<'a> {
    /// As a bare envelope.
    Bare,
    /// As a call: the envelope goes into `res`.
    Call {
        /// The call's name as it came.
        name: &'a str,
        /// The call's id, if it was sent.
        id: Option<&'a RawValue>,
    },
}

/// The head of a reply: what of the request is echoed.
#[derive(Clone, Copy, Debug)]
pub struct Envelope<'a> {
    /// The request's action.
    pub action: &'a str,
    /// The request's event, or what the action answers in its place.
    pub event: &'a str,
    /// The request's task; `None` is written as `""`.
    pub task_id: Option<&'a TaskId>,
}

/// A success, in the usual words.
#[must_use]
pub fn reply(to: ReplyTo<'_>, envelope: &Envelope<'_>, data: &RawValue) -> Bytes {
    reply_with(to, envelope, SUCCESS, data)
}

/// A success in words of its own, such as `关闭成功`.
#[must_use]
pub fn reply_with(
    to: ReplyTo<'_>,
    envelope: &Envelope<'_>,
    message: &str,
    data: &RawValue,
) -> Bytes {
    enveloped(to, envelope, None, Ok((message, data)))
}

/// A failure.
#[must_use]
pub fn refusal(to: ReplyTo<'_>, envelope: &Envelope<'_>, failure: &Failure) -> Bytes {
    enveloped(to, envelope, None, Err(failure))
}

/// The answer to a frame that is no request: an envelope with what could be read, the call's id in
/// it where there is no call to carry it.
#[must_use]
pub fn rejection(to: ReplyTo<'_>, rejected: &Rejected) -> Bytes {
    let echo = &rejected.echo;
    let envelope = Envelope {
        action: echo.action.as_deref().unwrap_or_default(),
        event: echo.event.as_deref().unwrap_or_default(),
        task_id: echo.task_id.as_ref(),
    };
    enveloped(to, &envelope, echo.id.as_deref(), Err(&rejected.failure))
}

/// The reply to a call other than `ampeHHCommunication`.
#[must_use]
pub fn call_reply(
    name: &str,
    id: Option<&RawValue>,
    outcome: Result<&RawValue, &Failure>,
) -> Bytes {
    let line = LineWriter::new().call(name, id).raw("{");
    let line = match outcome {
        Ok(data) => line.verdict(true, SUCCESS).raw(",\"data\":").json(data),
        Err(failure) => line.failure(failure),
    };
    line.raw("}}").end()
}

/// The answer to `on`.
#[must_use]
pub fn on_reply(channel: &str, outcome: Result<(), &Failure>) -> Bytes {
    channel_reply("{\"on\":", channel, outcome)
}

/// The answer to `off`.
#[must_use]
pub fn off_reply(channel: &str, outcome: Result<(), &Failure>) -> Bytes {
    channel_reply("{\"off\":", channel, outcome)
}

/// One event of a channel.
///
/// # Errors
///
/// Data that cannot be written as JSON.
pub fn event<T: Serialize + ?Sized>(channel: &str, data: &T) -> Result<Bytes, serde_json::Error> {
    let mut line = LineWriter::new().raw("{\"channel\":").json(channel).raw(",\"data\":");
    serde_json::to_writer(&mut line.0, data)?;
    Ok(line.raw("}").end())
}

/// Says that `dropped` events of `channel` are missing at this place.
#[must_use]
pub fn lagged(channel: &str, dropped: u64) -> Bytes {
    LineWriter::new()
        .raw("{\"channel\":")
        .json(LAGGED_CHANNEL)
        .raw(",\"data\":{\"channel\":")
        .json(channel)
        .raw(",\"dropped\":")
        .json(&dropped)
        .raw("}}")
        .end()
}

/// An action's data as the raw JSON that the reply functions take.
///
/// # Errors
///
/// Data that cannot be written as JSON: an internal failure.
pub fn encode<T: Serialize + ?Sized>(data: &T) -> Result<Box<RawValue>, Failure> {
    to_raw_value(data)
        .map_err(|error| Failure::internal(format!("a reply's data is no JSON: {error}")))
}

const SUCCESS: &str = "成功";

fn enveloped(
    to: ReplyTo<'_>,
    envelope: &Envelope<'_>,
    bare_id: Option<&RawValue>,
    outcome: Result<(&str, &RawValue), &Failure>,
) -> Bytes {
    let line = LineWriter::new();
    let (line, bare_id, end) = match to {
        ReplyTo::Bare => (line, bare_id, "}"),
        ReplyTo::Call { name, id } => (line.call(name, id), None, "}}"),
    };
    let line = line
        .raw("{\"action\":")
        .json(envelope.action)
        .raw(",\"event\":")
        .json(envelope.event)
        .raw(",\"success\":")
        .json(&outcome.is_ok())
        .raw(",\"taskId\":");
    let line = match envelope.task_id {
        Some(task_id) => line.json(task_id),
        None => line.raw("\"\""),
    };
    let line = line.id(bare_id).raw(",\"message\":");
    let line = match outcome {
        Ok((message, data)) => line.json(message).raw(",\"data\":").json(data),
        Err(failure) => line.json(failure.message()).raw(",\"data\":").json(&FailureData(failure)),
    };
    line.raw(end).end()
}

fn channel_reply(start: &str, channel: &str, outcome: Result<(), &Failure>) -> Bytes {
    let line = LineWriter::new().raw(start).json(channel).raw(",");
    let line = match outcome {
        Ok(()) => line.verdict(true, SUCCESS),
        Err(failure) => line.failure(failure),
    };
    line.raw("}").end()
}

/// Builds one line out of fixed pieces and JSON values.
pub(crate) struct LineWriter(Vec<u8>);

impl LineWriter {
    pub(crate) fn new() -> Self {
        // Enough for the envelope of a usual reply; a photo makes it grow anyway.
        Self(Vec::with_capacity(256))
    }

    /// Text that is JSON syntax already.
    pub(crate) fn raw(mut self, json: &str) -> Self {
        self.0.extend_from_slice(json.as_bytes());
        self
    }

    /// A value of a type that has no way to fail: strings, numbers, booleans, raw JSON.
    pub(crate) fn json<T: Serialize + ?Sized>(mut self, value: &T) -> Self {
        let written = serde_json::to_writer(&mut self.0, value);
        debug_assert!(written.is_ok(), "a value that cannot be written in an envelope");
        self
    }

    /// `,"id":…` if there is one.
    pub(crate) fn id(self, id: Option<&RawValue>) -> Self {
        match id {
            Some(id) => self.raw(",\"id\":").json(id),
            None => self,
        }
    }

    /// `,"params":…` if there are any.
    pub(crate) fn params(self, params: Option<&RawValue>) -> Self {
        match params {
            Some(params) => self.raw(",\"params\":").json(params),
            None => self,
        }
    }

    fn call(self, name: &str, id: Option<&RawValue>) -> Self {
        self.raw("{\"call\":").json(name).id(id).raw(",\"res\":")
    }

    fn verdict(self, success: bool, message: &str) -> Self {
        self.raw("\"success\":").json(&success).raw(",\"message\":").json(message)
    }

    fn failure(self, failure: &Failure) -> Self {
        self.verdict(false, failure.message()).raw(",\"data\":").json(&FailureData(failure))
    }

    /// Ends the line. Raw JSON from outside (an id that came in a WebSocket message, a face
    /// engine's answer) may be laid out over several lines: line breaks between its tokens become
    /// blanks. Inside strings JSON has none, they are escaped there.
    pub(crate) fn end(mut self) -> Bytes {
        let mut from = 0;
        while let Some(offset) = self.0.get(from..).and_then(|rest| memchr2(b'\n', b'\r', rest)) {
            from += offset;
            self.0[from] = b' ';
        }
        self.0.push(b'\n');
        Bytes::from(self.0)
    }
}
