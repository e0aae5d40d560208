//! The rows, as a table for people or as one JSON object.

use std::fmt::Write;
use std::time::Duration;

use serde::{Serialize, Serializer};
use serde_json::json;

use super::samples::{Pairs, Range};

/// All that was measured.
#[derive(Serialize)]
pub(crate) struct Report {
    version: &'static str,
    quick: bool,
    processors: usize,
    kernel: String,
    seconds: f64,
    rows: Vec<Row>,
}

/// One figure.
#[derive(Serialize)]
pub(crate) struct Row {
    group: &'static str,
    what: String,
    /// How the processes were placed: `pinned`, `spread`, or absent where it does not matter.
    placement: Option<&'static str>,
    unit: &'static str,
    measured: Option<f64>,
    floor: Option<f64>,
    ratio: Option<Range>,
    target: Option<Target>,
    verdict: Option<&'static str>,
    note: Option<String>,
}

/// What the project asks of itself.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// The ratio's median is at most this.
    Ratio(f64),
    /// The figure itself is at most this.
    Measured(f64),
    /// The figure itself is at least this.
    AtLeast(f64),
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let target = match self {
            Self::Ratio(most) => json!({"of": "ratio", "at_most": most}),
            Self::Measured(most) => json!({"of": "measured", "at_most": most}),
            Self::AtLeast(least) => json!({"of": "measured", "at_least": least}),
        };
        target.serialize(serializer)
    }
}

impl Row {
    /// A figure that has no floor.
    pub(crate) fn figure(what: impl Into<String>, unit: &'static str, measured: f64) -> Self {
        Self {
            group: "",
            what: what.into(),
            placement: None,
            unit,
            measured: Some(measured),
            floor: None,
            ratio: None,
            target: None,
            verdict: None,
            note: None,
        }
    }

    /// A figure of bridge and floor.
    pub(crate) fn pairs(what: impl Into<String>, unit: &'static str, pairs: &Pairs) -> Self {
        let row = Self::figure(what, unit, pairs.measured());
        Self { floor: Some(pairs.floor()), ratio: Some(pairs.ratio()), ..row }
    }

    /// How the processes were placed.
    pub(crate) fn placed(self, placement: &'static str) -> Self {
        Self { placement: Some(placement), ..self }
    }

    /// The floor's figure, without a ratio.
    pub(crate) fn beside(self, floor: f64) -> Self {
        Self { floor: Some(floor), ..self }
    }

    /// Something that a reader should know.
    pub(crate) fn note(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// With a target, and so with a verdict.
    pub(crate) fn target(self, target: Target) -> Self {
        let reached = match target {
            Target::Ratio(most) => self.ratio.map(|ratio| ratio.median <= most),
            Target::Measured(most) => self.measured.map(|measured| measured <= most),
            Target::AtLeast(least) => self.measured.map(|measured| measured >= least),
        };
        let verdict = reached.map(|reached| if reached { "ok" } else { "missed" });
        Self { target: Some(target), verdict, ..self }
    }

    fn cells(&self) -> [String; 6] {
        let placement = self.placement.map(|placement| format!(", {placement}"));
        let number = |value: Option<f64>| value.map(plain).unwrap_or_default();
        [
            format!("{}{}", self.what, placement.unwrap_or_default()),
            format!("{} {}", number(self.measured), self.unit).trim().to_owned(),
            number(self.floor),
            self.ratio.map_or_else(String::new, |Range { median, min, max }| {
                format!("{median:.2} ({min:.2}–{max:.2})")
            }),
            match self.target {
                None => String::new(),
                Some(Target::Ratio(most)) => format!("ratio ≤ {most}"),
                Some(Target::Measured(most)) => format!("≤ {most}"),
                Some(Target::AtLeast(least)) => format!("≥ {least}"),
            },
            self.verdict.unwrap_or_default().to_owned(),
        ]
    }
}

impl Report {
    /// Nothing measured yet.
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
            quick,
            processors: std::thread::available_parallelism().map_or(1, usize::from),
            kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
            seconds: 0.0,
            rows: Vec::new(),
        }
    }

    /// Adds a row to a group.
    pub(crate) fn push(&mut self, group: &'static str, row: Row) {
        self.rows.push(Row { group, ..row });
    }

    /// A group, or the rest of it, could not be measured.
    pub(crate) fn not_measured(&mut self, group: &'static str, why: &str) {
        let row = Row::figure("not measured", "", 0.0).note(why);
        self.push(group, Row { measured: None, ..row });
    }

    /// How long all of it took.
    pub(crate) fn took(&mut self, time: Duration) {
        self.seconds = time.as_secs_f64();
    }

    /// One JSON object.
    pub(crate) fn json(&self) -> String {
        // Strings and numbers have no way to fail.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The table for people.
    pub(crate) fn table(&self) -> String {
        let head = ["", "measured", "floor", "ratio (min–max)", "target", "verdict"];
        let rows: Vec<_> = self.rows.iter().map(Row::cells).collect();
        let mut widths = head.map(|cell| cell.chars().count());
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        let mut group = "";
        for (row, cells) in self.rows.iter().zip(&rows) {
            if row.group != group {
                group = row.group;
                // Writing to a string has no way to fail.
                let _ = writeln!(text, "\n{group}");
                line(&mut text, &head.map(str::to_owned), &widths);
            }
            line(&mut text, cells, &widths);
            if let Some(note) = &row.note {
                let _ = writeln!(text, "    {note}");
            }
        }
        let _ = write!(
            text,
            "\n{} processors, Linux {}, {:.0} s{}; how to read it: benches/bridge.rs",
            self.processors,
            self.kernel,
            self.seconds,
            if self.quick { ", quick: the figures mean little" } else { "" }
        );
        text
    }
}

fn line(text: &mut String, cells: &[String; 6], widths: &[usize; 6]) {
    let mut row = String::from(" ");
    for (index, (cell, width)) in cells.iter().zip(widths).enumerate() {
        let _ = match index {
            1 | 2 => write!(row, " {cell:>width$} "),
            _ => write!(row, " {cell:<width$} "),
        };
    }
    let _ = writeln!(text, "{}", row.trim_end());
}

/// As many digits as mean something.
fn plain(value: f64) -> String {
    match value {
        0.0 => "0".to_owned(),
        value if value >= 1000.0 => format!("{value:.0}"),
        value if value >= 10.0 => format!("{value:.1}"),
        value => format!("{value:.2}"),
    }
}
