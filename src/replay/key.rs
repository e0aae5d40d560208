//! What a frame to a client is an answer to, or an event of: frames with the same key stand for
//! one another in the recording and in the replay.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A frame's key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// What it is, in words of the wire.
    pub kind: Kind,
    /// What else tells it from others of its kind.
    more: String,
}

/// What a frame is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The reply to an action.
    Reply {
        /// Its action.
        action: String,
        /// Its `taskId`, as JSON.
        task_id: String,
    },
    /// The reply to a call by name.
    Call {
        /// Its name.
        name: String,
        /// Its id, as JSON; empty if there was none.
        id: String,
        /// The action and the `taskId` of the envelope in it.
        envelope: Option<(String, String)>,
    },
    /// The reply to `on`.
    On {
        /// Its channel.
        channel: String,
    },
    /// The reply to `off`.
    Off {
        /// Its channel.
        channel: String,
    },
    /// An event.
    Event {
        /// Its channel.
        channel: String,
    },
    /// None of these.
    Other,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields<'a> {
    #[serde(borrow)]
    action: Option<&'a RawValue>,
    #[serde(borrow)]
    event: Option<&'a RawValue>,
    #[serde(borrow)]
    task_id: Option<&'a RawValue>,
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    call: Option<&'a RawValue>,
    #[serde(borrow)]
    res: Option<&'a RawValue>,
    #[serde(borrow)]
    on: Option<&'a RawValue>,
    #[serde(borrow)]
    off: Option<&'a RawValue>,
    #[serde(borrow)]
    channel: Option<&'a RawValue>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Devices {
    devices: Vec<Device>,
}

#[derive(Deserialize)]
struct Device {
    device: String,
}

impl Key {
    /// The key of a frame. What is no object has one, too.
    #[must_use]
    pub fn of(frame: &[u8]) -> Self {
        let fields: Fields<'_> = serde_json::from_slice(frame).unwrap_or_default();
        let (kind, more) = if let Some(channel) = fields.channel {
            let channel = text(Some(channel));
            let more = devices(&channel, fields.data);
            (Kind::Event { channel }, more)
        } else if let Some(name) = fields.call {
            let inner = fields.res.map(RawValue::get).unwrap_or_default();
            let inner: Fields<'_> = serde_json::from_str(inner).unwrap_or_default();
            let task_id = raw(inner.task_id);
            let envelope = inner.action.map(|action| (text(Some(action)), task_id));
            let (name, id) = (text(Some(name)), raw(fields.id));
            (Kind::Call { name, id, envelope }, raw(inner.event))
        } else if let Some(channel) = fields.on {
            (Kind::On { channel: text(Some(channel)) }, String::new())
        } else if let Some(channel) = fields.off {
            (Kind::Off { channel: text(Some(channel)) }, String::new())
        } else if fields.action.is_some() {
            let (action, task_id) = (text(fields.action), raw(fields.task_id));
            let more = format!("{} {}", raw(fields.event), raw(fields.id));
            (Kind::Reply { action, task_id }, more)
        } else {
            (Kind::Other, String::new())
        };
        Self { kind, more }
    }

    /// The action, call or channel, and the `taskId` or `id` as JSON, where there are any.
    #[must_use]
    pub fn names(&self) -> (Option<String>, Option<String>) {
        let (name, id) = match &self.kind {
            Kind::Reply { action, task_id } => (action, Some(task_id)),
            Kind::Call { envelope: Some((action, task_id)), .. } => (action, Some(task_id)),
            Kind::Call { name, id, .. } => (name, Some(id)),
            Kind::On { channel } | Kind::Off { channel } | Kind::Event { channel } => {
                (channel, None)
            }
            Kind::Other => return (None, None),
        };
        let there = |text: &String| (!text.is_empty()).then(|| text.clone());
        (there(name), id.and_then(there))
    }
}

impl std::fmt::Display for Key {
    /// As a report names the frame.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.kind {
            Kind::Reply { action, .. } if action.is_empty() => {
                f.write_str("the answer to a frame that is no request")
            }
            Kind::Reply { action, task_id } => write!(f, "the reply to {action}, taskId {task_id}"),
            Kind::Call { name, id, envelope } => {
                write!(f, "the reply to {name}")?;
                if let Some((action, task_id)) = envelope {
                    write!(f, " {action}, taskId {task_id}")?;
                }
                if id.is_empty() { Ok(()) } else { write!(f, ", id {id}") }
            }
            Kind::On { channel } => write!(f, "the reply to on {channel}"),
            Kind::Off { channel } => write!(f, "the reply to off {channel}"),
            Kind::Event { channel } => {
                write!(f, "an event of {channel}")?;
                if self.more.is_empty() { Ok(()) } else { write!(f, " ({})", self.more) }
            }
            Kind::Other => f.write_str("a frame of unknown kind"),
        }
    }
}

/// Two devices' changes have no order between them: a key a device.
fn devices(channel: &str, data: Option<&RawValue>) -> String {
    if channel != "bridgeDevices" {
        return String::new();
    }
    let data = data.map(RawValue::get).unwrap_or_default();
    let Ok(Devices { devices }) = serde_json::from_str(data) else { return String::new() };
    match devices.as_slice() {
        [one] => one.device.clone(),
        _ => "all".to_owned(),
    }
}

fn raw(value: Option<&RawValue>) -> String {
    value.map(|value| value.get().to_owned()).unwrap_or_default()
}

fn text(value: Option<&RawValue>) -> String {
    let raw = value.map(RawValue::get).unwrap_or_default();
    serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned())
}
