//! One line of the journal, both ways.

use std::fmt;

use sha2::{Digest, Sha256};

use super::Fate;

/// What happened to a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    Accepted { rows: u32, label: String },
    Begun,
    Ended { fate: Fate, detail: Option<String> },
}

/// The same, with the job and the time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) id: u64,
    /// In ms since 1970-01-01 UTC.
    pub(super) at: u64,
    pub(super) entry: Entry,
}

/// The words for what a job can come to.
const FATES: [(Fate, &str); 4] = [
    (Fate::Printed, "printed"),
    (Fate::Sent, "sent"),
    (Fate::Failed, "failed"),
    (Fate::Unknown, "unknown"),
];

impl Line {
    /// The line with this text, without its end; `None` for one that is torn, or none of ours.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let (sum, rest) = std::str::from_utf8(text).ok()?.split_once(' ')?;
        if sum != check(rest) {
            return None;
        }
        let mut parts = rest.splitn(4, ' ');
        let (what, id, at) = (parts.next()?, parts.next()?, parts.next()?);
        let rest = parts.next().unwrap_or_default();
        let entry = match what {
            "accepted" => {
                let (rows, label) = rest.split_once(' ')?;
                Entry::Accepted { rows: rows.parse().ok()?, label: label.to_owned() }
            }
            "begun" => Entry::Begun,
            "ended" => {
                let (word, detail) = rest.split_once(' ').unwrap_or((rest, ""));
                let (fate, _) = FATES.into_iter().find(|(_, known)| *known == word)?;
                Entry::Ended { fate, detail: (!detail.is_empty()).then(|| detail.to_owned()) }
            }
            _ => return None,
        };
        Some(Self { id: id.parse().ok()?, at: at.parse().ok()?, entry })
    }
}

/// With the newline.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, at, entry } = self;
        let text = match entry {
            Entry::Accepted { rows, label } => format!("accepted {id} {at} {rows} {label}"),
            Entry::Begun => format!("begun {id} {at}"),
            Entry::Ended { fate, detail } => {
                let word =
                    FATES.iter().find(|(known, _)| known == fate).map_or("failed", |(_, w)| w);
                let blank = if detail.is_some() { " " } else { "" };
                format!("ended {id} {at} {word}{blank}{}", detail.as_deref().unwrap_or_default())
            }
        };
        writeln!(f, "{} {text}", check(&text))
    }
}

fn check(text: &str) -> String {
    Sha256::digest(text).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}
