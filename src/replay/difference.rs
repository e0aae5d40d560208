//! What a replay finds, in words for people.

use std::fmt;

use super::compare::Change;

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
    /// What differs.
    pub what: What,
}

/// What differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It did not come.
    Missing,
    /// It came, and is not in the recording.
    Extra {
        /// What came, shortened.
        frame: String,
    },
    /// It says something else.
    Changed(Vec<Change>),
    /// It came at another time: so many microseconds later, earlier if negative.
    Moved(i64),
    /// It came before or after another one that it should not (`--strict`).
    Order,
    /// The connection ended, and did not in the recording.
    Ended,
    /// The connection went on, and ended in the recording for this reason.
    WentOn(String),
    /// What the fault script expects never came.
    Unmet {
        /// What came instead at last, shortened; `None`: nothing of the kind.
        instead: Option<String>,
    },
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
        let Self { client, file, line, micros, about, what } = self;
        if let Some(client) = client {
            write!(f, "client {client}, ")?;
        }
        f.write_str(file)?;
        if let Some(line) = line {
            write!(f, ":{line}")?;
        }
        write!(f, ", at {}: {about} ", Seconds(*micros))?;
        match what {
            What::Missing => f.write_str("did not come"),
            What::Extra { frame } => write!(f, "came, and is not in the recording: {frame}"),
            What::Changed(changes) => {
                f.write_str("says something else")?;
                changes.iter().try_for_each(|change| write!(f, "\n    {change}"))
            }
            What::Moved(by) if *by > 0 => write!(f, "came {} later", Seconds(*by)),
            What::Moved(by) => write!(f, "came {} earlier", Seconds(-by)),
            What::Order => f.write_str("came in another order"),
            What::Ended => f.write_str("ended, and does not in the recording"),
            What::WentOn(why) => write!(f, "went on, and ended in the recording ({why})"),
            What::Unmet { instead: None } => {
                f.write_str("was expected by the script and never came")
            }
            What::Unmet { instead: Some(frame) } => {
                write!(f, "was expected otherwise by the script; the last one that came: {frame}")
            }
            What::Port(words) => f.write_str(words),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "nothing".to_owned());
        write!(f, "expected {}, got {}", shown(&self.expected), shown(&self.got))
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
