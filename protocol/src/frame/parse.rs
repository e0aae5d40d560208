//! From a frame's bytes to a [`ClientFrame`].
//!
//! One pass over the text collects the raw JSON of the keys that matter and keeps them even when
//! the text turns out to be broken further on. Only then are they judged. Raw values are skipped
//! over without recursion, so that no depth of nesting overflows the stack.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::params::without_values;
use super::{ClientFrame, Echo, Event, Rejected, Request, TaskId};
use crate::action::ActionInfo;
use crate::failure::Failure;

/// Reads one frame.
///
/// # Errors
///
/// What is no UTF-8, no JSON, no object, or no request; the [`Rejected`] holds all that could be
/// read and is to be answered with [`rejection`](super::rejection).
pub fn parse(frame: &[u8]) -> Result<ClientFrame<'_>, Box<Rejected>> {
    let mut fields = Fields::default();
    // The whole is checked many bytes at a time; only what fails is looked at closely.
    let valid = std::str::from_utf8(frame)
        .unwrap_or_else(|_| frame.utf8_chunks().next().map_or("", |chunk| chunk.valid()));
    let outcome = fields.read(valid);
    if valid.len() < frame.len() {
        return Err(fields.reject(format!("not UTF-8 from byte {} on", valid.len())));
    }
    if let Err(error) = outcome {
        return Err(fields.reject(format!("no JSON object: {}", without_values(&error))));
    }
    match (fields.action, fields.call, fields.on, fields.off) {
        (Some(_), None, None, None) => fields.request().map(ClientFrame::Action),
        (None, Some(name), None, None) => {
            let name = fields.text(name, "call")?;
            Ok(ClientFrame::Call { name, params: fields.params, id: fields.id })
        }
        (None, None, Some(channel), None) => {
            Ok(ClientFrame::On { channel: fields.text(channel, "on")? })
        }
        (None, None, None, Some(channel)) => {
            Ok(ClientFrame::Off { channel: fields.text(channel, "off")? })
        }
        (None, None, None, None) => match fields.token {
            Some(token) => fields.text(token, "token").map(ClientFrame::Token),
            None => Err(fields.reject("none of action, call, on, off")),
        },
        _ => Err(fields.reject("more than one of action, call, on, off")),
    }
}

/// Reads the envelope inside `{"call":"ampeHHCommunication","params":{…}}`.
///
/// # Errors
///
/// As [`parse`]; the echo has no `id`, which is the surrounding call's.
pub fn parse_request(params: Option<&RawValue>) -> Result<Request<'_>, Box<Rejected>> {
    let mut fields = Fields::default();
    let text = params.map_or("null", RawValue::get);
    let outcome = fields.read(text);
    fields.id = None;
    match outcome {
        Ok(()) => fields.request(),
        Err(error) => {
            Err(fields.reject(format!("params: no JSON object: {}", without_values(&error))))
        }
    }
}

/// The raw values of a frame's keys; of a key that comes twice the last.
#[derive(Default)]
struct Fields<'a> {
    action: Option<&'a RawValue>,
    call: Option<&'a RawValue>,
    on: Option<&'a RawValue>,
    off: Option<&'a RawValue>,
    event: Option<&'a RawValue>,
    task_id: Option<&'a RawValue>,
    params: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    token: Option<&'a RawValue>,
}

/// A key of a frame.
enum Key {
    Action,
    Call,
    On,
    Off,
    Event,
    TaskId,
    Params,
    Id,
    Token,
    Other,
}

struct KeyVisitor;

impl<'a> Fields<'a> {
    fn read(&mut self, text: &'a str) -> Result<(), serde_json::Error> {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        deserializer.deserialize_map(self)?;
        deserializer.end()
    }

    fn request(&self) -> Result<Request<'a>, Box<Rejected>> {
        let Some(action) = self.action else { return Err(self.reject("action is missing")) };
        let action = self.text(action, "action")?;
        let event = match self.event.map(|event| self.text(event, "event")).transpose()?.as_deref()
        {
            None | Some("open") => Event::Open,
            Some("close") => Event::Close,
            Some(_) => return Err(self.reject("event: expected open or close")),
        };
        let Some(task_id) = self.task_id else { return Err(self.reject("taskId is missing")) };
        let Some(task_id) = TaskId::from_raw(task_id) else {
            return Err(self.reject("taskId: expected a string or a number"));
        };
        Ok(Request { action, event, task_id, params: self.params })
    }

    fn text(&self, raw: &'a RawValue, key: &str) -> Result<Cow<'a, str>, Box<Rejected>> {
        text(raw).ok_or_else(|| self.reject(format!("{key}: expected a string")))
    }

    fn reject(&self, detail: impl Into<String>) -> Box<Rejected> {
        let owned = |raw: Option<&'a RawValue>| raw.and_then(text).map(Cow::into_owned);
        let echo = Echo {
            action: owned(self.action),
            event: owned(self.event),
            task_id: self.task_id.and_then(TaskId::from_raw),
            id: self.id.map(ToOwned::to_owned),
        };
        let failure = Failure::bad_request(detail);
        let failure = match echo.action.as_deref().and_then(ActionInfo::find) {
            Some(action) => (action.refuse)(failure),
            None => failure,
        };
        Box::new(Rejected { echo, failure })
    }
}

impl<'de> Visitor<'de> for &mut Fields<'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key()? {
            let slot = match key {
                Key::Action => &mut self.action,
                Key::Call => &mut self.call,
                Key::On => &mut self.on,
                Key::Off => &mut self.off,
                Key::Event => &mut self.event,
                Key::TaskId => &mut self.task_id,
                Key::Params => &mut self.params,
                Key::Id => &mut self.id,
                Key::Token => &mut self.token,
                Key::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            *slot = Some(map.next_value()?);
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // As bytes, so that a key with a lone surrogate is an unknown key and no syntax error.
        deserializer.deserialize_bytes(KeyVisitor)
    }
}

impl Visitor<'_> for KeyVisitor {
    type Value = Key;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bytes<E: Error>(self, key: &[u8]) -> Result<Key, E> {
        Ok(match key {
            b"action" => Key::Action,
            b"call" => Key::Call,
            b"on" => Key::On,
            b"off" => Key::Off,
            b"event" => Key::Event,
            b"taskId" => Key::TaskId,
            b"params" => Key::Params,
            b"id" => Key::Id,
            b"token" => Key::Token,
            _ => Key::Other,
        })
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Key, E> {
        self.visit_bytes(key.as_bytes())
    }
}

/// The string that a raw value is, borrowed where it holds no escapes.
fn text(raw: &RawValue) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Text<'a>(#[serde(borrow)] Cow<'a, str>);
    serde_json::from_str(raw.get()).ok().map(|Text(text)| text)
}
