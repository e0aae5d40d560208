//! The caller's name for a call, kept as it was written.

use std::fmt;
use std::hash::{Hash, Hasher};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::{RawValue, to_raw_value};

/// A `taskId`: the raw JSON text of a string or number, echoed byte for byte.
///
/// Raw, because what a client compares its replies with must survive: `1e3`, numbers of twenty
/// digits and lone surrogates (`"\ud800"`, which JavaScript writes and Rust strings cannot hold).
/// Two are equal if their texts are, so `1` and `"1"` are two tasks.
#[derive(Clone, Serialize)]
#[serde(transparent)]
pub struct TaskId(Box<RawValue>);

impl TaskId {
    /// The task that this JSON value names: a string or a number, nothing else.
    #[must_use]
    pub fn from_raw(raw: &RawValue) -> Option<Self> {
        let first = raw.get().bytes().next()?;
        matches!(first, b'"' | b'-' | b'0'..=b'9').then(|| Self(raw.to_owned()))
    }

    /// The JSON text, a string's quotes included.
    #[must_use]
    pub fn as_json(&self) -> &str {
        self.0.get()
    }
}

impl From<&str> for TaskId {
    fn from(text: &str) -> Self {
        // Writing a string as JSON has no way to fail; `null` only satisfies the types.
        Self(to_raw_value(text).unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }
}

impl PartialEq for TaskId {
    fn eq(&self, other: &Self) -> bool {
        self.as_json() == other.as_json()
    }
}

impl Eq for TaskId {}

impl Hash for TaskId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_json().hash(state);
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_json())
    }
}

impl<'de> Deserialize<'de> for TaskId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Self::from_raw(&raw).ok_or_else(|| D::Error::custom("expected a string or a number"))
    }
}
