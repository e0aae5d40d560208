//! Fault scripts: what goes wrong at a recording's ports this time, and what the clients must then
//! get. TOML, described in `docs/replay.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hharome_hardware::port::replay::{Fault, What, When};
use hharome_protocol::action::{ACTIONS, CALLS, CHANNELS, ENVELOPE_CALL};
use hharome_protocol::bridge;
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use super::compare::contains;
use super::key::{Key, Kind};

/// No moment and no span of a script is longer: a day in milliseconds.
const MAX_MS: u64 = 24 * 3600 * 1000;

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// The file cannot be read.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// It says something that is not allowed.
    #[error("{}:{line}: {words}", path.display())]
    Mistake {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: u64,
        /// What is wrong, and what is allowed.
        words: String,
    },
}

/// A fault script.
#[derive(Clone, Debug, Default)]
pub struct Script {
    faults: BTreeMap<String, Vec<Written>>,
    expectations: Expectations,
    path: PathBuf,
}

/// A fault, and where it is written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Its place among all `[[fault]]`s of the script, counted from 1.
    pub number: usize,
    /// Its line in the script.
    pub line: u64,
    /// What goes wrong.
    pub fault: Fault,
}

/// What clients must get.
#[derive(Clone, Debug, Default)]
pub struct Expectations {
    file: String,
    expects: Vec<Expect>,
    others: Others,
}

/// A frame that a client must get.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The client.
    pub client: u64,
    /// Its line in the script.
    pub line: u64,
    /// Which frame, in words.
    pub about: String,
    selector: Selector,
    frame: Value,
    met: bool,
}

/// Which frames an expectation is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Selector {
    Action { action: String, task_id: Option<Value> },
    Call(String),
    Channel(String),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Others {
    /// As the recording has them.
    #[default]
    AsRecorded,
    /// Whatever they are.
    Any,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    others: Others,
    #[serde(default)]
    fault: Vec<Spanned<FaultTable>>,
    #[serde(default)]
    expect: Vec<Spanned<ExpectTable>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultTable {
    port: String,
    at_ms: Option<u64>,
    exchange: Option<u64>,
    #[serde(rename = "do")]
    verb: Verb,
    after: Option<usize>,
    byte: Option<usize>,
    ms: Option<u64>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Drop,
    Cut,
    Flip,
    Delay,
    Silence,
    Unplug,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExpectTable {
    client: u64,
    action: Option<String>,
    task_id: Option<Value>,
    call: Option<String>,
    channel: Option<String>,
    frame: Value,
}

impl Script {
    /// Reads a script.
    ///
    /// # Errors
    /// The file cannot be read, or its first mistake with its line.
    pub fn read(path: &Path) -> Result<Self, ScriptError> {
        let wrong = |source| ScriptError::File { path: path.to_owned(), source };
        Self::parse(&fs::read_to_string(path).map_err(wrong)?, path)
    }

    /// Reads a script from its text; `path` is what mistakes are reported under.
    ///
    /// # Errors
    /// The first mistake with its line.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ScriptError> {
        let mistake = |at: usize, words: String| ScriptError::Mistake {
            path: path.to_owned(),
            line: line_of(text, at),
            words,
        };
        let file: File = toml::from_str(text).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            mistake(at, error.message().to_owned())
        })?;
        let mut script = Self { path: path.to_owned(), ..Self::default() };
        for (before, table) in file.fault.into_iter().enumerate() {
            let at = table.span().start;
            let table = table.into_inner();
            let port = table.port.clone();
            let fault = fault(table).map_err(|words| mistake(at, format!("[[fault]] {words}")))?;
            let written = Written { number: before + 1, line: line_of(text, at), fault };
            script.faults.entry(port).or_default().push(written);
        }
        for table in file.expect {
            let at = table.span().start;
            let expect = expect(table.into_inner(), line_of(text, at))
                .map_err(|words| mistake(at, format!("[[expect]] {words}")))?;
            script.expectations.expects.push(expect);
        }
        script.expectations.others = file.others;
        script.expectations.file = path.display().to_string();
        Ok(script)
    }

    /// The faults of one port.
    #[must_use]
    pub fn faults(&self, port: &str) -> Vec<Fault> {
        let own = self.faults.get(port).map(Vec::as_slice).unwrap_or_default();
        own.iter().map(|written| written.fault.clone()).collect()
    }

    /// All faults, by their ports, in the order of [`Script::faults`].
    pub fn written(&self) -> impl Iterator<Item = (&str, &[Written])> {
        self.faults.iter().map(|(port, own)| (port.as_str(), own.as_slice()))
    }

    /// The script's name.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What clients must get.
    #[must_use]
    pub fn expectations(&self) -> &Expectations {
        &self.expectations
    }

    /// Checks that a recording has what the script names.
    ///
    /// # Errors
    /// A port or client that the recording does not have, with its line.
    pub fn fits(&self, ports: &BTreeSet<&str>, clients: &BTreeSet<u64>) -> Result<(), ScriptError> {
        let mistake = |line, words| ScriptError::Mistake { path: self.path.clone(), line, words };
        for (port, own) in &self.faults {
            if !ports.contains(port.as_str())
                && let Some(first) = own.first()
            {
                let there: Vec<_> = ports.iter().copied().collect();
                let there = if there.is_empty() { "none".to_owned() } else { there.join(", ") };
                let words =
                    format!("[[fault]] port: the recording has no {port:?}; it has {there}");
                return Err(mistake(first.line, words));
            }
        }
        for expect in &self.expectations.expects {
            if !clients.contains(&expect.client) {
                let words =
                    format!("[[expect]] client: the recording has no client {}", expect.client);
                return Err(mistake(expect.line, words));
            }
        }
        Ok(())
    }
}

impl Expectations {
    /// Only what the script expects is compared.
    #[must_use]
    pub fn only_own(&self) -> bool {
        self.others == Others::Any
    }

    /// Whether anything is expected of frames with this key.
    #[must_use]
    pub fn concerns(&self, client: u64, key: &Key) -> bool {
        self.expects.iter().any(|one| one.client == client && one.selector.selects(key))
    }

    /// A frame has come: whether it is one that is expected and has not come yet.
    pub fn meets(&mut self, client: u64, key: &Key, frame: &[u8]) -> bool {
        let mut parsed: Option<Value> = None;
        for expect in &mut self.expects {
            if expect.met || expect.client != client || !expect.selector.selects(key) {
                continue;
            }
            let parsed =
                parsed.get_or_insert_with(|| serde_json::from_slice(frame).unwrap_or_default());
            if contains(parsed, &expect.frame) {
                expect.met = true;
                return true;
            }
        }
        false
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.expects.len()
    }

    /// Whether nothing is expected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expects.is_empty()
    }

    /// What never came.
    pub fn unmet(&self) -> impl Iterator<Item = &Expect> {
        self.expects.iter().filter(|expect| !expect.met)
    }

    /// The script's name.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }
}

impl Expect {
    /// The action, call or channel.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.selector {
            Selector::Action { action: name, .. }
            | Selector::Call(name)
            | Selector::Channel(name) => name,
        }
    }

    /// The `taskId`, as JSON, where one is named.
    #[must_use]
    pub fn task_id(&self) -> Option<String> {
        match &self.selector {
            Selector::Action { task_id, .. } => task_id.as_ref().map(Value::to_string),
            Selector::Call(_) | Selector::Channel(_) => None,
        }
    }

    /// What the frame must have.
    #[must_use]
    pub fn frame(&self) -> &Value {
        &self.frame
    }
}

impl Selector {
    fn selects(&self, key: &Key) -> bool {
        let is = |action: &str, task_id: &str, wanted: &str, id: &Option<Value>| {
            let task =
                |id: &Value| serde_json::from_str(task_id).is_ok_and(|one: Value| one == *id);
            action == wanted && id.as_ref().is_none_or(task)
        };
        match (self, &key.kind) {
            (Self::Action { action: wanted, task_id: id }, Kind::Reply { action, task_id }) => {
                is(action, task_id, wanted, id)
            }
            (
                Self::Action { action: wanted, task_id: id },
                Kind::Call { envelope: Some((action, task_id)), .. },
            ) => is(action, task_id, wanted, id),
            (Self::Call(wanted), Kind::Call { name, .. }) => name == wanted,
            (Self::Channel(wanted), Kind::Event { channel }) => channel == wanted,
            _ => false,
        }
    }
}

fn fault(table: FaultTable) -> Result<Fault, String> {
    let FaultTable { at_ms, exchange, verb, after, byte, ms, .. } = table;
    let when = match (at_ms, exchange) {
        (Some(at), None) if at <= MAX_MS => When::At(i64::try_from(at * 1000).unwrap_or(i64::MAX)),
        (None, Some(exchange)) if exchange > 0 => When::Exchange(exchange),
        (Some(_), None) => return Err(format!("at_ms: expected at most {MAX_MS}")),
        (None, Some(_)) => return Err("exchange: exchanges are counted from 1".to_owned()),
        _ => return Err("expected either at_ms or exchange".to_owned()),
    };
    let (word, own) = match verb {
        Verb::Drop => ("drop", None),
        Verb::Cut => ("cut", Some("after")),
        Verb::Flip => ("flip", Some("byte")),
        Verb::Delay => ("delay", Some("ms")),
        Verb::Silence => ("silence", Some("ms")),
        Verb::Unplug => ("unplug", Some("ms")),
    };
    for (key, there) in [("after", after.is_some()), ("byte", byte.is_some()), ("ms", ms.is_some())]
    {
        match (there, own == Some(key)) {
            (true, false) => return Err(format!("{key}: not with do = {word:?}")),
            (false, true) => return Err(format!("{key}: missing, do = {word:?} needs it")),
            _ => {}
        }
    }
    let ms = ms.unwrap_or_default();
    if ms > MAX_MS {
        return Err(format!("ms: expected at most {MAX_MS}"));
    }
    let span = Duration::from_millis(ms);
    let what = match verb {
        Verb::Drop => What::Drop,
        Verb::Cut => What::Cut(after.unwrap_or_default()),
        Verb::Flip => What::Flip(byte.unwrap_or_default()),
        Verb::Delay => What::Delay(span),
        Verb::Silence => What::Silence(span),
        Verb::Unplug => What::Unplug(span),
    };
    Ok(Fault { when, what })
}

fn expect(table: ExpectTable, line: u64) -> Result<Expect, String> {
    let ExpectTable { client, action, task_id, call, channel, frame } = table;
    let (selector, about) = match (action, call, channel) {
        (Some(action), None, None) => {
            known("action", &action, ACTIONS.iter().map(|known| known.name))?;
            let mut about = format!("the reply to {action}");
            if let Some(id) = &task_id {
                if !(id.is_string() || id.is_number()) {
                    return Err("task_id: expected a string or a number".to_owned());
                }
                about.push_str(&format!(", taskId {id}"));
            }
            (Selector::Action { action, task_id }, about)
        }
        (None, Some(call), None) => {
            known("call", &call, CALLS.into_iter().chain([ENVELOPE_CALL]))?;
            let about = format!("the reply to {call}");
            (Selector::Call(call), about)
        }
        (None, None, Some(channel)) => {
            let channels = CHANNELS.iter().chain(&bridge::CHANNELS);
            known("channel", &channel, channels.map(|known| known.name))?;
            let about = format!("an event of {channel}");
            (Selector::Channel(channel), about)
        }
        _ => return Err("expected one of action, call, channel".to_owned()),
    };
    let frame = match frame {
        Value::Object(_) => frame,
        Value::String(text) => match serde_json::from_str(&text) {
            Ok(frame @ Value::Object(_)) => frame,
            _ => return Err("frame: the text is no JSON object".to_owned()),
        },
        _ => return Err("frame: expected a table, or the text of a JSON object".to_owned()),
    };
    Ok(Expect { client, line, about, selector, frame, met: false })
}

/// Refuses a name that the protocol does not have: what is misspelt never comes.
fn known(
    key: &str,
    name: &str,
    mut all: impl Iterator<Item = &'static str> + Clone,
) -> Result<(), String> {
    if all.clone().any(|known| known == name) {
        return Ok(());
    }
    let first = all.next().unwrap_or_default().to_owned();
    let all = all.fold(first, |all, known| all + ", " + known);
    Err(format!("{key}: there is no {name:?}; there are {all}"))
}

fn line_of(text: &str, at: usize) -> u64 {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    before.iter().filter(|byte| **byte == b'\n').count() as u64 + 1
}
