//! Frames with a dash of ink over what is a person's, for eyes that must not see it.
//!
//! What that is says the recordings' redactor, and nobody else: a frame is redacted as for a
//! recording, and every value that came out changed is masked here. So neither the real value nor an
//! invented one is shown. Long values are shortened, and of very large frames only the head is.

use std::io;

use hharome_hardware::card::redact::ToldAts;
use hharome_hardware::pseudonym::Pseudonyms;
use hharome_protocol::frame::TaskId;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::recording::redact::FrameRedactor;

/// Stands for a masked value.
const INK: &str = "•••";

/// A masked value of more characters shows how many it had: it is a picture, sound, a page of text.
const TELLING: usize = 64;

/// A value that is kept is shown up to so many characters; more is read nowhere.
const SHOWN: usize = 200;

/// Of a longer frame only action, task and outcome are shown: it is a picture or sound.
const LOOKED_AT: usize = 512 * 1024;

/// A frame of many short values is shown up to so many bytes.
const SHOWN_BYTES: usize = 16 * 1024;

/// Masks frames.
pub(super) struct Mask(FrameRedactor);

/// What may be seen of a frame.
#[derive(Default)]
pub(super) struct Shown {
    /// The action that it is about.
    pub(super) action: Option<String>,
    /// The task that it is about.
    pub(super) task_id: Option<TaskId>,
    /// Of a reply: whether it is a yes.
    pub(super) success: Option<bool>,
    /// The frame.
    pub(super) text: String,
}

/// What a frame is about, of a frame of either direction.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Head<'a> {
    action: Option<String>,
    #[serde(borrow)]
    task_id: Option<&'a RawValue>,
    success: Option<bool>,
    #[serde(borrow)]
    params: Option<&'a RawValue>,
    #[serde(borrow)]
    res: Option<&'a RawValue>,
}

/// The same inside a call.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct InnerHead<'a> {
    action: Option<String>,
    #[serde(borrow)]
    task_id: Option<&'a RawValue>,
    success: Option<bool>,
}

/// What is shown of a frame that is in no recording.
#[derive(Default, Deserialize)]
#[serde(default)]
struct OutsideHead {
    call: Option<String>,
    on: Option<String>,
    off: Option<String>,
    success: Option<bool>,
    res: Option<OutsideOutcome>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct OutsideOutcome {
    success: Option<bool>,
}

impl Mask {
    /// A mask with invented values of its own, which nobody ever sees.
    ///
    /// # Errors
    /// There are no random numbers.
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self(FrameRedactor::new(Pseudonyms::random()?, ToldAts::default(), None)))
    }

    /// What may be seen of a frame from a client or to one.
    #[must_use]
    pub(super) fn frame(&self, frame: &[u8], from_client: bool) -> Shown {
        let frame = frame.strip_suffix(b"\n").unwrap_or(frame);
        let long = frame.len() > LOOKED_AT;
        let short = if long { head_of(frame) } else { frame.to_vec() };
        let redacted =
            if from_client { self.0.from_client(&short) } else { self.0.to_client(&short) };
        let Some(redacted) = redacted else { return outside(&short) };
        let redacted = String::from_utf8_lossy(&redacted);
        let original = String::from_utf8_lossy(&short);
        let text = if original.len() == short.len() { masked(&original, &redacted) } else { None };
        let mut text = text.unwrap_or_else(|| redacted.into_owned());
        let mut shown = Shown::default();
        if let Ok(head) = serde_json::from_str::<Head<'_>>(&text) {
            let inner = head.res.or(head.params).map(RawValue::get).unwrap_or_default();
            let inner: InnerHead<'_> = serde_json::from_str(inner).unwrap_or_default();
            shown.action = head.action.or(inner.action);
            shown.task_id = head.task_id.or(inner.task_id).and_then(TaskId::from_raw);
            shown.success = head.success.or(inner.success);
        }
        if text.len() > SHOWN_BYTES {
            let end = (0..=SHOWN_BYTES).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.unwrap_or_default());
            text.push('…');
        }
        shown.text = text;
        shown
    }

    /// The same of a task's name alone.
    #[must_use]
    pub(super) fn task(&self, task: &TaskId) -> Option<TaskId> {
        let frame = format!("{{\"action\":\"\",\"taskId\":{}}}", task.as_json());
        self.frame(frame.as_bytes(), true).task_id
    }
}

/// Of a frame about recordings or this very channel, which is in no recording and so by nobody redacted:
/// what it is about, and its outcome.
fn outside(frame: &[u8]) -> Shown {
    let head: OutsideHead = serde_json::from_slice(frame).unwrap_or_default();
    let success = head.success.or(head.res.and_then(|res| res.success));
    let mut fields = Map::new();
    for (key, name) in [("call", head.call), ("on", head.on), ("off", head.off)] {
        // They are words of the protocol, else a recording would have the frame.
        fields.extend(name.map(|name| (key.to_owned(), name.into())));
    }
    fields.extend(success.map(|success| ("success".to_owned(), success.into())));
    Shown { success, text: Value::Object(fields).to_string(), ..Shown::default() }
}

/// Action, task and outcome of a frame that is too large to be looked at, as a frame.
fn head_of(frame: &[u8]) -> Vec<u8> {
    let head: Head<'_> = serde_json::from_slice(frame).unwrap_or_default();
    let inner = head.res.or(head.params).map(RawValue::get).unwrap_or_default();
    let inner: InnerHead<'_> = serde_json::from_str(inner).unwrap_or_default();
    let mut fields = Vec::new();
    if let Some(action) = head.action.or(inner.action) {
        fields.push(format!("\"action\":{}", Value::from(action)));
    }
    if let Some(task) = head.task_id.or(inner.task_id) {
        fields.push(format!("\"taskId\":{}", task.get()));
    }
    if let Some(success) = head.success.or(inner.success) {
        fields.push(format!("\"success\":{success}"));
    }
    format!("{{{}}}", fields.join(",")).into_bytes()
}

/// The redacted text with ink in the place of every value that differs from the original's; `None`
/// where the two are not built alike.
fn masked(original: &str, redacted: &str) -> Option<String> {
    let (mut before, mut after) = (Tokens(original), Tokens(redacted));
    let mut text = String::with_capacity(redacted.len());
    loop {
        match (before.next(), after.next()) {
            (None, None) => return Some(text),
            (Some(old), Some(new)) if old == new => {
                if new.starts_with('"') && new.len() > SHOWN {
                    text.push_str(&shortened(new));
                } else {
                    text.push_str(new);
                }
            }
            (Some(old), Some(new)) => {
                let alike = old.starts_with('"') == new.starts_with('"');
                if !alike || !is_value(old) || !is_value(new) {
                    return None;
                }
                let length = old.chars().count().saturating_sub(2);
                if length > TELLING {
                    text.push_str(&format!("\"{INK} ({length})\""));
                } else {
                    text.push_str(&format!("\"{INK}\""));
                }
            }
            _ => return None,
        }
    }
}

/// A string that is kept, up to what is read of it.
fn shortened(token: &str) -> String {
    let Ok(whole) = serde_json::from_str::<String>(token) else { return format!("\"{INK}\"") };
    let count = whole.chars().count();
    if count <= SHOWN {
        return token.to_owned();
    }
    let begin: String = whole.chars().take(SHOWN / 2).collect();
    Value::from(format!("{begin}… ({count})")).to_string()
}

fn is_value(token: &str) -> bool {
    token.starts_with(|first: char| first == '"' || first == '-' || first.is_ascii_alphanumeric())
}

/// The pieces of a JSON text: strings with their quotes, runs of other values, and single marks.
struct Tokens<'t>(&'t str);

impl<'t> Iterator for Tokens<'t> {
    type Item = &'t str;

    fn next(&mut self) -> Option<&'t str> {
        let first = self.0.chars().next()?;
        let mark = |c: char| "{}[]:,\" \t\r\n".contains(c);
        let end = if first == '"' {
            let mut escaped = false;
            let closing = self.0.char_indices().skip(1).find(|(_, c)| {
                let closes = *c == '"' && !escaped;
                escaped = *c == '\\' && !escaped;
                closes
            });
            closing.map_or(self.0.len(), |(at, _)| at + 1)
        } else if mark(first) {
            1
        } else {
            self.0.find(mark).unwrap_or(self.0.len())
        };
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        Some(token)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(frame: &Value, from_client: bool) -> Shown {
        let line = format!("{frame}\n");
        Mask::new().unwrap().frame(line.as_bytes(), from_client)
    }

    fn seen(frame: &Value, from_client: bool) -> Value {
        serde_json::from_str(&shown(frame, from_client).text).unwrap()
    }

    #[test]
    fn what_is_a_persons_is_under_ink_and_all_else_is_as_it_was() {
        let reply = json!({"action": "getIDCardInfo", "event": "open", "taskId": "3",
            "success": true, "message": "成功", "data": {"name": "张三",
            "idNum": "11010519491231002X", "sex": "男", "photoBase64": "/9j/".repeat(100)}});
        let mut expected = reply.clone();
        expected["data"] = json!({"name": "•••", "idNum": "•••", "sex": "男",
            "photoBase64": "••• (400)"});
        assert_eq!(seen(&reply, false), expected);
        let print = json!({"action": "receiptPrinting", "taskId": 7,
            "params": {"printList": [{"text": "病人张三 \"一号\"\n", "textSize": 30, "bold": true}]}});
        let mut expected = print.clone();
        expected["params"]["printList"][0]["text"] = "•••".into();
        assert_eq!(seen(&print, true), expected);
        let number =
            json!({"call": "x", "params": {"phone": 13_800_138_000_u64, "n": [1, 2.5, null]}});
        let text = shown(&number, true).text;
        assert!(!text.contains("1380013") && text.contains("[1,2.5,null]"), "{text}");
    }

    #[test]
    fn action_and_task_are_told_of_every_form() {
        for (frame, from_client) in [
            (json!({"action": "speech", "taskId": "T1", "params": {"text": "你好"}}), true),
            (
                json!({"call": "ampeHHCommunication", "params": {"action": "speech", "taskId": "T1"}}),
                true,
            ),
            (
                json!({"call": "ampeHHCommunication", "id": 9, "res": {"action": "speech",
                "taskId": "T1", "success": true, "data": {}}}),
                false,
            ),
        ] {
            let Shown { action, task_id, .. } = shown(&frame, from_client);
            assert_eq!(action.as_deref(), Some("speech"), "{frame}");
            assert!(task_id.unwrap() == TaskId::from("T1"), "{frame}");
        }
        let task = Mask::new().unwrap().task(&TaskId::from("11010519491231002X")).unwrap();
        assert!(!task.as_json().contains("1231"), "{}", task.as_json());
    }

    #[test]
    fn of_what_no_recording_has_only_its_name_and_outcome_are_shown() {
        let start = json!({"call": "bridge.record", "id": "张三", "params": {"name": "张三"}});
        assert_eq!(seen(&start, true), json!({"call": "bridge.record"}));
        let reply = json!({"call": "bridge.look", "res": {"success": true, "data": {"张三": 1}}});
        assert_eq!(seen(&reply, false), json!({"call": "bridge.look", "success": true}));
        assert_eq!(shown(&reply, false).success, Some(true));
        let on = json!({"on": "bridgeFrames", "name": "张三"});
        assert_eq!(seen(&on, true), json!({"on": "bridgeFrames"}));
    }

    #[test]
    fn of_a_very_large_frame_only_its_head_is_shown() {
        let frame = json!({"action": "openSecondaryScreen", "taskId": "9",
            "params": {"secondaryScreenBase64": "QUJD".repeat(200_000)}});
        let Shown { action, text, .. } = shown(&frame, true);
        assert_eq!(action.as_deref(), Some("openSecondaryScreen"));
        assert!(text.len() < 100, "{text}");
        let many = json!({"action": "speech", "params": {"list": vec![1; 20_000]}});
        assert!(shown(&many, true).text.len() < SHOWN_BYTES + 8);
    }

    #[test]
    fn what_is_no_json_shows_nothing_of_a_person_either() {
        for frame in ["{\"name\":\"张三", "张三", "{\"idNum\":11010519491231002X}", "", "\"\\"]
        {
            let text = Mask::new().unwrap().frame(frame.as_bytes(), true).text;
            assert!(!text.contains("张三") && !text.contains("1231002"), "{frame}: {text}");
        }
        let text = Mask::new().unwrap().frame(b"{\"name\":\"\xFF\xFE\"}", true).text;
        assert!(text.starts_with('{'), "{text}");
    }
}
