//! Goes through the text of a frame, whole or broken, and writes it again with values replaced.
//!
//! Not a parser: it never refuses anything, and every byte that it does not replace goes out as it
//! came in. It knows only what it needs to find values and their keys: brackets, strings, and what
//! stands between. No recursion, so that no depth of nesting overflows the stack; JSON inside a
//! string is walked by a walk of its own, [`NESTED`] deep at most.

mod string;

use std::borrow::Cow;

use hharome_hardware::pseudonym::Pseudonyms;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::keys::{self, Rule, TASK_CHARS, is_plain_key, rule_of};
use super::{Setting, Speaker, Subject, echo, value};
use crate::face::simulated::is_outcome;

/// So deep JSON inside strings inside JSON is looked into: `extInfo` inside the `data` of an
/// enrolment is two.
const NESTED: usize = 3;

/// What ends a run of other characters.
const ENDS: &[char] = &['"', '{', '}', '[', ']', ':', ',', ' ', '\t', '\n', '\r'];

/// The frame again, redacted.
pub(super) fn walked(text: &str, setting: Setting<'_>) -> Vec<u8> {
    let exact = Setting { exact: true, ..setting };
    if setting.exact {
        return Walk::new(text, exact, 0).run().0;
    }
    match Walk::new(text, setting, 0).run() {
        (out, false) => out,
        // A string that is none (half a surrogate pair) is complained of with its place.
        (_, true) => Walk::new(text, exact, 0).run().0,
    }
}

struct Walk<'a> {
    text: &'a str,
    at: usize,
    setting: Setting<'a>,
    /// Strings around this text.
    nested: usize,
    levels: Vec<Level<'a>>,
    out: Vec<u8>,
    /// A string held what no string can hold.
    odd: bool,
}

/// An open bracket.
enum Level<'a> {
    Array {
        /// Where, among the levels, the object is that this list belongs to.
        object: Option<usize>,
    },
    Object {
        key: Cow<'a, str>,
        /// The table's for this key.
        rule: Rule,
        /// A key comes next, not a value.
        key_next: bool,
    },
}

/// What is done with a value.
enum Done {
    Kept,
    Replaced(String),
}

impl<'a> Walk<'a> {
    fn new(text: &'a str, setting: Setting<'a>, nested: usize) -> Self {
        let out = Vec::with_capacity(text.len());
        Self { text, at: 0, setting, nested, levels: Vec::new(), out, odd: false }
    }

    fn run(mut self) -> (Vec<u8>, bool) {
        while let Some(&byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'"' => self.string(),
                b'{' => {
                    self.open(Level::Object { key: "".into(), rule: Rule::Text, key_next: true });
                }
                b'[' => self.open(Level::Array { object: self.object() }),
                b'}' | b']' => {
                    self.levels.pop();
                    self.copy();
                }
                b':' | b',' => {
                    if let Some(Level::Object { key_next, .. }) = self.levels.last_mut() {
                        *key_next = byte == b',';
                    }
                    self.copy();
                }
                b' ' | b'\t' | b'\n' | b'\r' => self.copy(),
                _ => self.other(),
            }
        }
        (self.out, self.odd)
    }

    fn open(&mut self, level: Level<'a>) {
        self.levels.push(level);
        self.copy();
    }

    /// One byte as it is.
    fn copy(&mut self) {
        self.out.extend(self.text.as_bytes().get(self.at));
        self.at += 1;
    }

    /// A string, which may lack its end.
    fn string(&mut self) {
        let text = self.text;
        let rest = text.get(self.at + 1..).unwrap_or_default();
        let end = string::end(rest);
        let raw = rest.get(..end).unwrap_or(rest);
        self.at = (self.at + 1 + end + 1).min(text.len());
        self.out.push(b'"');
        match self.levels.last_mut() {
            Some(Level::Object { key, rule, key_next }) if *key_next => {
                *key = string::decoded(raw);
                *rule = rule_of(key);
                let shown = key.clone();
                self.rewrite(raw, |walk, part| {
                    // Only a whole key is a key of the protocol.
                    let plain = part == shown && is_plain_key(part);
                    if plain { Done::Kept } else { Done::Replaced(walk.pseudonyms().text(part)) }
                });
            }
            _ => self.rewrite(raw, Self::value),
        }
        if end < rest.len() {
            self.out.push(b'"');
        }
    }

    /// The inside of a string, each piece of it that is text as `what` says.
    fn rewrite(&mut self, raw: &str, what: impl Fn(&Self, &str) -> Done) {
        let pieces = string::pieces(raw);
        for piece in &pieces {
            let string::Piece::Text(text) = piece else {
                self.odd = true;
                self.out.extend_from_slice(piece.raw().as_bytes());
                continue;
            };
            let written = match what(self, &text.decoded) {
                Done::Kept => Cow::Borrowed(text.raw),
                Done::Replaced(new) => {
                    let written = text.spelled(&new);
                    if self.setting.exact && written.len() != text.raw.len() {
                        Cow::Owned(text.filler(&self.pseudonyms().text(&text.decoded)))
                    } else {
                        Cow::Owned(written)
                    }
                }
            };
            self.out.extend_from_slice(written.as_bytes());
        }
    }

    /// What stands outside of strings and is no bracket: a number, a literal, or rubbish.
    fn other(&mut self) {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let run = rest.get(..rest.find(ENDS).unwrap_or(rest.len())).unwrap_or(rest);
        self.at += run.len().max(1);
        if ["true", "false", "null"].contains(&run) {
            self.out.extend_from_slice(run.as_bytes());
            return;
        }
        let is_json = serde_json::from_str::<IgnoredAny>(run).is_ok();
        let written =
            if is_json { self.number(run) } else { value::rubbish(self.pseudonyms(), run).into() };
        self.out.extend_from_slice(written.as_bytes());
    }

    fn number<'n>(&self, number: &'n str) -> Cow<'n, str> {
        if self.is_ours() {
            return value::scrubbed_number(self.pseudonyms(), number);
        }
        if self.is_echo() && number.len() <= TASK_CHARS {
            return echo::number(self.pseudonyms(), number);
        }
        value::number(self.pseudonyms(), self.rule(), number)
    }

    /// A string's text, as a value.
    fn value(&self, text: &str) -> Done {
        let pseudonyms = self.pseudonyms();
        if self.is_ours() {
            return Done::from(text, value::own_words(pseudonyms, text));
        }
        if self.is_echo() {
            return Done::from(text, echo::task(pseudonyms, text));
        }
        if self.is_frames("token") {
            return Done::Replaced(self.setting.redactor.shown_token(text).to_owned());
        }
        let rule = match self.rule() {
            Rule::Text if self.simulates() && self.key() == "text" => {
                if is_outcome(text) {
                    return Done::Kept;
                }
                Rule::Code
            }
            Rule::Text if self.speaks() && self.key() == "text" => Rule::Speech,
            Rule::Json => return self.json(text),
            // A PSAM answers to its reset by what it is.
            Rule::Answer if self.setting.subject == Subject::ColdReset && self.is_read() => {
                Rule::CardInfo
            }
            // A card's bytes keep the letters of a number: so must what the daemon has read there.
            // A client may say anything.
            Rule::IdNumber if !self.is_read() && !keys::may_be_number(text) => Rule::Text,
            rule => rule,
        };
        Done::from(text, value::replaced(self.setting.redactor, rule, text))
    }

    /// A string that should hold JSON.
    fn json(&self, text: &str) -> Done {
        let mut reader = serde_json::Deserializer::from_str(text);
        let is_json = text.starts_with(['{', '['])
            && IgnoredAny::deserialize(&mut reader).is_ok()
            && reader.end().is_ok();
        if !is_json || self.nested == NESTED {
            return Done::from(text, value::replaced(self.setting.redactor, Rule::Text, text));
        }
        let (inside, _) = Walk::new(text, self.setting, self.nested + 1).run();
        // Text walked is text again; filler only satisfies the types.
        Done::from(text, String::from_utf8(inside).unwrap_or_default().into())
    }

    fn pseudonyms(&self) -> &'a Pseudonyms {
        &self.setting.redactor.pseudonyms
    }

    /// What the table says of the value that comes next; a list's values are as the list.
    fn rule(&self) -> Rule {
        match self.object().and_then(|object| self.levels.get(object)) {
            Some(Level::Object { rule, .. }) => *rule,
            _ => Rule::Text,
        }
    }

    /// Where, among the levels, the innermost object is. Told by each level, so that no depth of
    /// nesting costs more than another.
    fn object(&self) -> Option<usize> {
        match self.levels.last()? {
            Level::Array { object } => *object,
            Level::Object { .. } => self.levels.len().checked_sub(1),
        }
    }

    /// Its key.
    fn key(&self) -> &str {
        match self.object().and_then(|object| self.levels.get(object)) {
            Some(Level::Object { key, .. }) => key,
            _ => "",
        }
    }

    /// Whether the value that comes next is the whole frame's under this key.
    fn is_frames(&self, key: &str) -> bool {
        self.nested == 0 && self.setting.speaker != Speaker::Engine && is_at(&self.levels, &[key])
    }

    /// Whether it is what the caller has sent to get back.
    fn is_echo(&self) -> bool {
        self.is_frames("id") || matches!(self.rule(), Rule::Task)
    }

    /// Whether the daemon itself has written it, and out of nothing that a client or card has said.
    fn is_ours(&self) -> bool {
        if self.setting.speaker != Speaker::Daemon
            || self.nested > 0
            || matches!(self.rule(), Rule::Task)
        {
            return false;
        }
        // A call's reply has the rest of it in `res`.
        let levels = match self.levels.split_first() {
            Some((Level::Object { key, .. }, inside)) if key == "res" => inside,
            _ => &self.levels,
        };
        // A face engine's message is looked up among those that are known.
        (is_at(levels, &["message"]) && self.setting.subject != Subject::Face)
            || is_at(levels, &["data", "error", "kind"])
            || is_at(levels, &["data", "error", "detail"])
            || match self.setting.subject {
                Subject::Report => levels.len() > 1 && begins(levels, &["data"]),
                Subject::DeviceInfo => {
                    is_at(levels, &["data", self.key()]) && self.is_device_info()
                }
                Subject::Usual
                | Subject::Simulate
                | Subject::Speech
                | Subject::ColdReset
                | Subject::Face => false,
            }
    }

    fn is_device_info(&self) -> bool {
        let keys =
            ["sn", "deviceModel", "appVersion", "androidVersion", "deviceIP", "devicedDisplay"];
        keys.contains(&self.key())
    }

    /// Whether it may have been read from a device.
    fn is_read(&self) -> bool {
        self.setting.speaker != Speaker::Client && !self.is_in_echo()
    }

    fn simulates(&self) -> bool {
        self.setting.subject == Subject::Simulate && !self.is_in_echo()
    }

    fn speaks(&self) -> bool {
        self.setting.subject == Subject::Speech && !self.is_in_echo()
    }

    /// Whether it stands anywhere in what the caller gets back: it is the same both ways.
    fn is_in_echo(&self) -> bool {
        self.nested == 0 && self.setting.speaker != Speaker::Engine && begins(&self.levels, &["id"])
    }
}

/// Whether these levels are exactly those keys.
fn is_at(levels: &[Level<'_>], keys: &[&str]) -> bool {
    levels.len() == keys.len() && begins(levels, keys)
}

/// Whether these levels begin with those keys.
fn begins(levels: &[Level<'_>], keys: &[&str]) -> bool {
    let is = |(level, key): (&Level<'_>, &&str)| match level {
        Level::Object { key: there, .. } => there == key,
        Level::Array { .. } => false,
    };
    levels.len() >= keys.len() && levels.iter().zip(keys).all(is)
}

impl Done {
    fn from(text: &str, new: Cow<'_, str>) -> Self {
        if new == text { Self::Kept } else { Self::Replaced(new.into_owned()) }
    }
}
