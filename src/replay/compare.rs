//! Two frames of the same key: equal, or which of their values differ.

use serde_json::Value;

use super::key::Kind;
use super::volatile::{PERSONAL, is_machines, is_volatile};

/// Differing values of one pair of frames that are told at most.
const MAX_CHANGES: usize = 20;

/// Characters of a value that are told at most; a photo has 50,000.
const MAX_SHOWN: usize = 96;

/// Characters that are shown before the place where two long texts begin to differ.
const LED_IN: usize = 16;

/// How strictly values are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Exactness {
    /// All but what is volatile.
    #[default]
    Exact,
    /// At another bridge: of a person's values only whether there is one, and nothing of what its
    /// machine tells of itself.
    PersonalByPresence,
}

/// A value that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where: `data.name`, `data.devices[0].state`; empty for the frame as a whole.
    pub path: String,
    /// What the recording has there, whole; `None`: nothing.
    pub expected: Option<Value>,
    /// What the replay has there.
    pub got: Option<Value>,
}

/// What differs between two frames of this kind; nothing if they are equal.
#[must_use]
pub fn changes(kind: &Kind, expected: &[u8], got: &[u8], exactness: Exactness) -> Vec<Change> {
    if expected == got {
        return Vec::new();
    }
    let parse = |frame: &[u8]| serde_json::from_slice::<Value>(frame).ok();
    let mut comparison = Comparison { kind, exactness, changes: Vec::new() };
    match (parse(expected), parse(got)) {
        (Some(expected), Some(got)) => comparison.values(&Path::default(), &expected, &got),
        _ => comparison.changes.push(Change {
            path: String::new(),
            expected: Some(shown(expected)),
            got: Some(shown(got)),
        }),
    }
    comparison.changes
}

/// Whether `whole` has all that `part` has: objects at least its keys, everything else just so.
#[must_use]
pub fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, part)| whole.get(key).is_some_and(|one| contains(one, part)))
        }
        (Value::Array(whole), Value::Array(part)) => {
            whole.len() == part.len() && whole.iter().zip(part).all(|(one, two)| contains(one, two))
        }
        _ => whole == part,
    }
}

/// A frame as a value; what is no JSON becomes a text.
#[must_use]
pub fn shown(frame: &[u8]) -> Value {
    serde_json::from_slice(frame)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(frame).into_owned()))
}

/// Two texts for a report, each in one line and not too long. Where they are alike for longer than
/// is shown, they are shown from shortly before they differ.
#[must_use]
pub fn side_by_side(expected: &str, got: &str) -> (String, String) {
    let alike = expected.chars().zip(got.chars()).take_while(|(one, two)| one == two).count();
    if alike < MAX_SHOWN - LED_IN {
        return (shortened(expected), shortened(got));
    }
    let from = alike - LED_IN;
    let part = |text: &str| {
        let end: String = text.chars().skip(from).collect();
        let (count, left) = (text.chars().count(), end.chars().count());
        let more = if left > MAX_SHOWN { "…" } else { "" };
        let end: String = end.chars().take(MAX_SHOWN).collect();
        format!("…{end}{more} (from character {} of {count})", from + 1)
    };
    (part(expected), part(got))
}

/// Text for a report, in one line and not too long.
#[must_use]
pub fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN) {
        None => text.to_owned(),
        Some((at, _)) => {
            let begin = text.get(..at).unwrap_or_default();
            format!("{begin}… ({} characters)", text.chars().count())
        }
    }
}

/// What of a person's value does not tell of the person: whether there is one, and of a card's the
/// code of an error.
fn presence<'t>(key: &str, text: &'t str) -> (bool, Option<&'t str>) {
    let code = Some(text).filter(|text| key.starts_with("nfc_") && text.starts_with('-'));
    (text.is_empty(), code)
}

struct Comparison<'a> {
    kind: &'a Kind,
    exactness: Exactness,
    changes: Vec<Change>,
}

/// Where a value stands.
#[derive(Clone, Default)]
struct Path {
    /// For people: `data.devices[2].state`.
    shown: String,
    /// For the table of volatile values: `data.devices[].state`.
    pattern: String,
}

impl Path {
    fn key(&self, key: &str) -> Self {
        let dot = if self.shown.is_empty() { "" } else { "." };
        Self {
            shown: format!("{}{dot}{key}", self.shown),
            pattern: format!("{}{dot}{key}", self.pattern),
        }
    }

    fn place(&self, at: usize) -> Self {
        Self { shown: format!("{}[{at}]", self.shown), pattern: format!("{}[]", self.pattern) }
    }
}

impl Comparison<'_> {
    fn values(&mut self, path: &Path, expected: &Value, got: &Value) {
        // Paths are made only where something differs: mostly nothing does.
        if expected == got
            || is_volatile(self.kind, &path.pattern)
            || self.is_elsewheres(&path.pattern)
        {
            return;
        }
        match (expected, got) {
            (Value::Object(left), Value::Object(right)) => {
                for (key, expected) in left {
                    let path = path.key(key);
                    match right.get(key) {
                        Some(got) if self.same_presence(key, expected, got) => {}
                        Some(got) => self.values(&path, expected, got),
                        None => self.change(&path, Some(expected), None),
                    }
                }
                for (key, got) in right.iter().filter(|(key, _)| !left.contains_key(*key)) {
                    self.change(&path.key(key), None, Some(got));
                }
            }
            (Value::Array(left), Value::Array(right)) => {
                for at in 0..left.len().max(right.len()) {
                    let path = path.place(at);
                    match (left.get(at), right.get(at)) {
                        (Some(expected), Some(got)) => self.values(&path, expected, got),
                        (expected, got) => self.change(&path, expected, got),
                    }
                }
            }
            _ => self.change(path, Some(expected), Some(got)),
        }
    }

    /// A person's value, or a list of such, stands for any other that is there just so.
    fn same_presence(&self, key: &str, expected: &Value, got: &Value) -> bool {
        self.exactness == Exactness::PersonalByPresence
            && PERSONAL.contains(&key)
            && match (expected, got) {
                (Value::String(expected), Value::String(got)) => {
                    presence(key, expected) == presence(key, got)
                }
                (Value::Array(expected), Value::Array(got)) => {
                    let mut pairs = expected.iter().zip(got);
                    let same = pairs.all(|(expected, got)| self.same_presence(key, expected, got));
                    same && expected.len() == got.len()
                }
                _ => false,
            }
    }

    /// Another bridge's machine has its own past and its own port names.
    fn is_elsewheres(&self, pattern: &str) -> bool {
        self.exactness == Exactness::PersonalByPresence && is_machines(self.kind, pattern)
    }

    fn change(&mut self, path: &Path, expected: Option<&Value>, got: Option<&Value>) {
        if self.changes.len() >= MAX_CHANGES || self.is_elsewheres(&path.pattern) {
            return;
        }
        self.changes.push(Change {
            path: path.shown.clone(),
            expected: expected.cloned(),
            got: got.cloned(),
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn of_another_bridges_cards_only_errors_and_how_many_there_are_count() {
        let kind = Kind::Event { channel: "CPUCardListener".to_owned() };
        let differ = |expected: Value, got: Value| {
            let [expected, got] = [expected, got].map(|data| json!({"data": data}).to_string());
            let exactness = Exactness::PersonalByPresence;
            !changes(&kind, expected.as_bytes(), got.as_bytes(), exactness).is_empty()
        };
        let info = |text: &str| json!({"nfc_cardInfo": text});
        assert!(!differ(info("0578A000DD"), info("067890A0B0")));
        assert!(!differ(info("-2"), info("-2")));
        assert!(differ(info("-2"), info("-1")));
        assert!(differ(info("-2"), info("0578A000DD")));
        assert!(differ(info("0578A000DD"), info("-2")));
        assert!(differ(info("0578A000DD"), info("")));
        let batch = |results: &[&str]| json!({"nfc_commandResults": results});
        assert!(!differ(batch(&["DDDD9000", "6A82"]), batch(&["01029000", "6A82"])));
        assert!(differ(batch(&["DDDD9000", "6A82"]), batch(&["01029000"])));
        assert!(differ(batch(&["DDDD9000"]), batch(&[])));
    }
}
