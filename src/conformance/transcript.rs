//! What a case has said and heard, for the report of one that fails.
//!
//! A target may have real people's cards on it: unless all its devices are simulated, texts in the
//! `data` of what it says are left out.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

/// Lines kept: enough to see how a case came to its end.
const LINES: usize = 40;

/// Characters kept of a line; photos and long frames are longer.
const WIDTH: usize = 400;

/// The notes of one case. Clones write on the same sheet.
#[derive(Clone)]
pub(super) struct Transcript {
    lines: Arc<Mutex<VecDeque<String>>>,
    /// Whether what the target says may be shown.
    open: bool,
}

impl Transcript {
    /// An empty sheet; `open` if nothing that the target says can be about a real person.
    pub(super) fn new(open: bool) -> Self {
        Self { lines: Arc::default(), open }
    }

    /// What we said on a connection.
    pub(super) fn said(&self, connection: u32, frame: &[u8]) {
        self.note(format!("{connection} > {}", shown(frame)));
    }

    /// What the target said.
    pub(super) fn heard(&self, connection: u32, frame: &str) {
        let text = self.quote(frame);
        self.note(format!("{connection} < {text}"));
    }

    /// What happened besides.
    pub(super) fn happened(&self, connection: u32, what: &str) {
        self.note(format!("{connection} - {what}"));
    }

    /// A frame of the target's as it may be shown.
    pub(super) fn quote(&self, frame: &str) -> String {
        if self.open {
            return shown(frame.as_bytes());
        }
        match serde_json::from_str::<Value>(frame) {
            Ok(mut value) => {
                hide_data(&mut value);
                shown(value.to_string().as_bytes())
            }
            Err(_) => format!("({} bytes that are no JSON)", frame.len()),
        }
    }

    /// All of it, oldest first.
    pub(super) fn text(&self) -> String {
        let lines: Vec<String> = self.lock().iter().cloned().collect();
        lines.join("\n")
    }

    fn note(&self, line: String) {
        let mut lines = self.lock();
        if lines.len() == LINES {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<String>> {
        // Nothing that can panic runs under the lock.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Text in as few characters as a report has room for; bytes that are no text as U+FFFD.
fn shown(frame: &[u8]) -> String {
    // Four bytes a character at most: no long frame is copied as a whole.
    let head = &frame[..frame.len().min(4 * WIDTH)];
    let text = String::from_utf8_lossy(head);
    let text = text.trim_end();
    let mut short: String = text.chars().take(WIDTH).collect();
    if short.len() < text.len() || head.len() < frame.len() {
        short.push_str(&format!("… ({} bytes)", frame.len()));
    }
    short
}

/// Replaces all texts under every `data` but those of an error, which hold nothing personal (1.12).
fn hide_data(frame: &mut Value) {
    let Value::Object(keys) = frame else { return };
    for (key, value) in keys {
        match key.as_str() {
            "data" => hide_texts(value),
            _ => hide_data(value),
        }
    }
}

fn hide_texts(value: &mut Value) {
    match value {
        Value::String(text) => {
            if !text.is_empty() {
                *text = "…".to_owned();
            }
        }
        Value::Number(_) => *value = Value::String("…".to_owned()),
        Value::Array(values) => values.iter_mut().for_each(hide_texts),
        Value::Object(keys) => {
            keys.iter_mut().filter(|(key, _)| *key != "error").for_each(|(_, v)| hide_texts(v));
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = r#"{"action":"getIDCardInfo","taskId":"1","message":"成功","success":true,"data":{"name":"张三","list":["李四",7],"empty":"","error":{"detail":"words"}}}"#;

    #[test]
    fn what_is_on_a_card_is_not_shown_unless_all_is_simulated() {
        let closed = Transcript::new(false);
        closed.heard(1, CARD);
        closed.heard(2, &format!(r#"{{"call":"x","res":{CARD}}}"#));
        closed.heard(3, "张三, and no JSON");
        closed.heard(4, r#"{"data":"{\"name\":\"张三\"}"}"#);
        let text = closed.text();
        assert!(!text.contains("张三") && !text.contains("李四") && !text.contains('7'), "{text}");
        assert!(text.contains("成功") && text.contains("words"), "{text}");
        let open = Transcript::new(true);
        open.heard(1, CARD);
        assert_eq!(open.text(), format!("1 < {CARD}"));
    }

    #[test]
    fn long_lines_and_long_cases_are_cut() {
        let transcript = Transcript::new(true);
        for number in 0..100 {
            transcript.said(1, format!("{number} {}\n", "证".repeat(1_000_000)).as_bytes());
        }
        let text = transcript.text();
        assert!(text.lines().count() == LINES && text.starts_with("1 > 60 "), "{}", text.len());
        assert!(text.len() < LINES * (4 * WIDTH), "{}", text.len());
    }
}
