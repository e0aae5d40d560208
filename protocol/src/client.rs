//! The other side of the wire, for programs that talk to the daemon: our own command line, tests.
//!
//! [`ServerFrame::parse`] reads what the daemon sends; the functions build what it takes, one line
//! each. Data stays raw JSON: its type depends on what was asked.

use std::fmt;

use bytes::Bytes;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::frame::{Event, LineWriter, TaskId};

/// One frame from the daemon.
pub enum ServerFrame {
    /// The answer to a bare action, or to a frame that was no request.
    Reply {
        /// Echo; `""` where the request could not be read.
        action: String,
        /// Echo.
        event: String,
        /// Echo; `""` where the request had none.
        task_id: TaskId,
        /// Echo of a call's id that was in a frame that was no request.
        id: Option<Box<RawValue>>,
        /// Yes or no.
        answer: Answer,
    },
    /// The answer to a call.
    CallReply {
        /// Echo.
        name: String,
        /// Echo, if one was sent.
        id: Option<Box<RawValue>>,
        /// Yes or no, as `res` says.
        answer: Answer,
        /// `res` as it came: of `ampeHHCommunication` it is a whole envelope.
        res: Box<RawValue>,
    },
    /// The answer to `on`.
    OnReply {
        /// Which channel.
        channel: String,
        /// Yes or no.
        answer: Answer,
    },
    /// The answer to `off`.
    OffReply {
        /// Which channel.
        channel: String,
        /// Yes or no.
        answer: Answer,
    },
    /// Something happened.
    Event {
        /// On which channel.
        channel: String,
        /// What.
        data: Box<RawValue>,
    },
}

/// Yes or no, and what comes with it.
#[derive(Deserialize)]
pub struct Answer {
    /// Whether it was done.
    pub success: bool,
    /// For people.
    pub message: String,
    /// The result, or what went wrong.
    pub data: Option<Box<RawValue>>,
}

impl fmt::Debug for ServerFrame {
    /// What kind of frame, and of what; never its data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = match self {
            Self::Reply { action, .. } => ("Reply", action),
            Self::CallReply { name, .. } => ("CallReply", name),
            Self::OnReply { channel, .. } => ("OnReply", channel),
            Self::OffReply { channel, .. } => ("OffReply", channel),
            Self::Event { channel, .. } => ("Event", channel),
        };
        f.debug_tuple(kind).field(name).finish()
    }
}

impl ServerFrame {
    /// Reads one frame, with or without its line's end.
    ///
    /// # Errors
    ///
    /// What is no frame of this protocol.
    pub fn parse(frame: &[u8]) -> Result<Self, serde_json::Error> {
        let fields: Fields = serde_json::from_slice(frame)?;
        let Fields { channel, call, on, off, action, event, task_id, id, res, .. } = fields;
        if let Some(channel) = channel {
            return Ok(Self::Event { channel, data: needed(fields.data, "data")? });
        }
        if let Some(name) = call {
            let res = needed(res, "res")?;
            return Ok(Self::CallReply { name, id, answer: serde_json::from_str(res.get())?, res });
        }
        let answer = Answer {
            success: needed(fields.success, "success")?,
            message: needed(fields.message, "message")?,
            data: fields.data,
        };
        if let Some(channel) = on {
            return Ok(Self::OnReply { channel, answer });
        }
        if let Some(channel) = off {
            return Ok(Self::OffReply { channel, answer });
        }
        Ok(Self::Reply {
            action: needed(action, "action")?,
            event: needed(event, "event")?,
            task_id: needed(task_id, "taskId")?,
            id,
            answer,
        })
    }
}

/// A bare action.
#[must_use]
pub fn request(action: &str, event: Event, task_id: &TaskId, params: Option<&RawValue>) -> Bytes {
    LineWriter::new()
        .raw("{\"action\":")
        .json(action)
        .raw(",\"event\":")
        .json(event.as_str())
        .raw(",\"taskId\":")
        .json(task_id)
        .params(params)
        .raw("}")
        .end()
}

/// A call by name.
#[must_use]
pub fn call(name: &str, params: Option<&RawValue>, id: Option<&RawValue>) -> Bytes {
    LineWriter::new().raw("{\"call\":").json(name).params(params).id(id).raw("}").end()
}

/// Opens a channel.
#[must_use]
pub fn on(channel: &str) -> Bytes {
    one("{\"on\":", channel)
}

/// Closes a channel.
#[must_use]
pub fn off(channel: &str) -> Bytes {
    one("{\"off\":", channel)
}

/// The password of the connection, to be sent first.
#[must_use]
pub fn token(token: &str) -> Bytes {
    one("{\"token\":", token)
}

/// All keys that any frame of the daemon has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    channel: Option<String>,
    call: Option<String>,
    on: Option<String>,
    off: Option<String>,
    action: Option<String>,
    event: Option<String>,
    task_id: Option<TaskId>,
    /// An id of `null` is an id all the same.
    #[serde(default, deserialize_with = "present")]
    id: Option<Box<RawValue>>,
    res: Option<Box<RawValue>>,
    success: Option<bool>,
    message: Option<String>,
    data: Option<Box<RawValue>>,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::deserialize(deserializer).map(Some)
}

fn needed<T>(value: Option<T>, key: &'static str) -> Result<T, serde_json::Error> {
    value.ok_or_else(|| serde_json::Error::missing_field(key))
}

fn one(start: &str, value: &str) -> Bytes {
    LineWriter::new().raw(start).json(value).raw("}").end()
}

#[cfg(test)]
mod tests {
    use serde_json::value::to_raw_value;

    use super::*;
    use crate::action::Empty;
    use crate::failure::Failure;
    use crate::frame::{self, ClientFrame, Envelope, Rejected, ReplyTo};

    #[test]
    fn what_the_builders_write_the_daemon_reads() {
        let params = to_raw_value(&Empty {}).unwrap();
        let task = TaskId::from("7");
        let line = request("getQRCode", Event::Close, &task, Some(&params));
        let Ok(ClientFrame::Action(read)) = frame::parse(&line) else { panic!("no action") };
        assert_eq!((read.action.as_ref(), read.event), ("getQRCode", Event::Close));
        assert_eq!((read.task_id, read.params.unwrap().get()), (task, "{}"));

        let line = call("bridge.status", None, Some(RawValue::NULL));
        let Ok(ClientFrame::Call { name, params, id }) = frame::parse(&line) else {
            panic!("no call")
        };
        assert_eq!((name.as_ref(), params.is_none()), ("bridge.status", true));
        assert_eq!(id.unwrap().get(), "null");

        assert!(
            matches!(frame::parse(&on("a")), Ok(ClientFrame::On { channel }) if channel == "a")
        );
        assert!(
            matches!(frame::parse(&off("a")), Ok(ClientFrame::Off { channel }) if channel == "a")
        );
        assert!(
            matches!(frame::parse(&token("geheim")), Ok(ClientFrame::Token(t)) if t == "geheim")
        );
    }

    #[test]
    fn what_the_daemon_writes_is_read_back() {
        let data = to_raw_value(&Empty {}).unwrap();
        let task = TaskId::from("7");
        let envelope = Envelope { action: "speech", event: "open", task_id: Some(&task) };

        let line = frame::reply(ReplyTo::Bare, &envelope, &data);
        let Ok(ServerFrame::Reply { action, event, task_id, id, answer }) =
            ServerFrame::parse(&line)
        else {
            panic!("no reply")
        };
        assert_eq!((action.as_str(), event.as_str(), task_id), ("speech", "open", task.clone()));
        assert!(id.is_none() && answer.success && answer.message == "成功");

        let to = ReplyTo::Call { name: "ampeHHCommunication", id: Some(RawValue::NULL) };
        let line = frame::refusal(to, &envelope, &Failure::Timeout);
        let Ok(ServerFrame::CallReply { name, id, answer, res }) = ServerFrame::parse(&line) else {
            panic!("no call reply")
        };
        assert_eq!((name.as_str(), id.unwrap().get()), ("ampeHHCommunication", "null"));
        assert!(!answer.success && res.get().contains("\"action\":\"speech\""));

        let line = frame::on_reply("a", Err(&Failure::bad_request("no such channel")));
        assert!(matches!(
            ServerFrame::parse(&line),
            Ok(ServerFrame::OnReply { channel, answer }) if channel == "a" && !answer.success
        ));
        let line = frame::off_reply("a", Ok(()));
        assert!(matches!(
            ServerFrame::parse(&line),
            Ok(ServerFrame::OffReply { channel, answer }) if channel == "a" && answer.success
        ));
        let line = frame::lagged("initMicrophoneListener", 12);
        assert!(matches!(
            ServerFrame::parse(&line),
            Ok(ServerFrame::Event { channel, data }) if channel == "bridgeLagged"
                && data.get() == r#"{"channel":"initMicrophoneListener","dropped":12}"#
        ));
        let line = frame::rejection(ReplyTo::Bare, &Rejected::too_long(9));
        assert!(matches!(
            ServerFrame::parse(&line),
            Ok(ServerFrame::Reply { action, task_id, .. })
                if action.is_empty() && task_id == TaskId::from("")
        ));
    }

    #[test]
    fn what_is_no_frame_of_the_daemon_is_an_error() {
        for line in ["", "5", "{}", r#"{"channel":"a"}"#, r#"{"action":"a","success":true}"#] {
            assert!(ServerFrame::parse(line.as_bytes()).is_err(), "{line}");
        }
    }
}
