//! What a replay finds, in words for people.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

use super::compare::{Change, shortened, side_by_side};

/// Differences of one recording that are kept; more are counted only. Nobody reads on after the
/// first dozen, and memory stays bounded whatever a broken build does.
const KEPT: usize = 500;

/// Something is not as it is in the recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// At which client; `None`: at a port.
    pub client: Option<u64>,
    /// The file that it stands in.
    pub file: String,
    /// The line, where there is one.
    pub line: Option<u64>,
    /// When, in microseconds since the recording began.
    pub micros: i64,
    /// What it is about: `the reply to getIDCardInfo, taskId "3"`.
    pub about: String,
    /// The action, call or channel, where it is about one.
    pub call: Option<String>,
    /// The `taskId` or `id`, as JSON, where there is one.
    pub task_id: Option<String>,
    /// What differs.
    pub what: What,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It did not come.
    Missing {
        /// What the recording has.
        frame: Value,
    },
    /// It came, and is not in the recording.
    Extra {
        /// What came.
        frame: Value,
    },
    /// It says something else.
    Changed(Vec<Change>),
    /// It came at another time.
    Moved {
        /// So many microseconds later, earlier if negative.
        by: i64,
        /// What it says otherwise, too.
        changes: Vec<Change>,
    },
    /// It came before or after another one that it should not (`--strict`).
    Order,
    /// The connection ended, and did not in the recording.
    Ended,
    /// The connection went on, and ended in the recording for this reason.
    WentOn(String),
    /// What the fault script expects never came.
    Unmet {
        /// What the script expects.
        expected: Value,
        /// What came instead at last; `None`: nothing of the kind.
        instead: Option<Value>,
    },
    /// A fault of the script did nothing: what came of it.
    Fault(String),
    /// A device was asked otherwise (`--strict`).
    Port(String),
}

/// Differences as they are found: kept up to a bound, counted beyond, told at once to who asks.
#[derive(Default)]
pub struct Found {
    /// The first of them.
    pub kept: Vec<Difference>,
    /// All of them.
    pub count: u64,
    /// The clients that have any.
    pub clients: BTreeSet<u64>,
    tell: Option<Teller>,
}

/// Is told of each difference when it is found.
pub type Teller = std::sync::Arc<dyn Fn(&Difference) + Send + Sync>;

impl Found {
    /// None yet; `tell` is told of each.
    #[must_use]
    pub fn new(tell: Option<Teller>) -> Self {
        Self { tell, ..Self::default() }
    }

    /// One more.
    pub fn add(&mut self, difference: Difference) {
        self.count += 1;
        self.clients.extend(difference.client);
        if let Some(tell) = &self.tell {
            tell(&difference);
        }
        if self.kept.len() < KEPT {
            self.kept.push(difference);
        }
    }
}

impl fmt::Display for Difference {
    /// One line, and one more for each value that differs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, file, line, micros, about, what, .. } = self;
        if let Some(client) = client {
            write!(f, "client {client}, ")?;
        }
        f.write_str(file)?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        write!(f, ", at {}: {about} ", Seconds(*micros))?;
        match what {
            What::Missing { .. } => f.write_str("did not come"),
            What::Extra { frame } => {
                let frame = shortened(&frame.to_string());
                write!(f, "came, and is not in the recording: {frame}")
            }
            What::Changed(changes) => {
                f.write_str("says something else")?;
                changes.iter().try_for_each(|change| write!(f, "\n    {change}"))
            }
            What::Moved { by, changes } => {
                let word = if *by > 0 { "later" } else { "earlier" };
                write!(f, "came {} {word}", Seconds(by.saturating_abs()))?;
                if !changes.is_empty() {
                    f.write_str(", and says something else")?;
                }
                changes.iter().try_for_each(|change| write!(f, "\n    {change}"))
            }
            What::Order => f.write_str("came in another order"),
            What::Ended => f.write_str("ended, and does not in the recording"),
            What::WentOn(why) => write!(f, "went on, and ended in the recording ({why})"),
            What::Unmet { instead: None, .. } => {
                f.write_str("was expected by the script and never came")
            }
            What::Unmet { instead: Some(frame), .. } => {
                let frame = shortened(&frame.to_string());
                write!(f, "was expected otherwise by the script; the last one that came: {frame}")
            }
            What::Port(words) | What::Fault(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        let text = |value: &Option<Value>| value.as_ref().map(Value::to_string);
        let (expected, got) = match (text(&self.expected), text(&self.got)) {
            (Some(expected), Some(got)) => side_by_side(&expected, &got),
            (expected, got) => {
                let shown = |text: Option<String>| text.map(|text| shortened(&text));
                let nothing = || "nothing".to_owned();
                (shown(expected).unwrap_or_else(nothing), shown(got).unwrap_or_else(nothing))
            }
        };
        write!(f, "expected {expected}, got {got}")
    }
}

/// Microseconds as seconds with milliseconds.
pub struct Seconds(pub i64);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:03} s", micros / 1_000_000, micros / 1000 % 1000)
    }
}
