//! A replay's outcome in words, and as a case of a report.

use std::fmt::Write as _;

use hharome_hardware::port::replay::{Finding, Findings, Oddity};

use super::compare::shortened;
use super::difference::{Difference, Seconds, What};
use super::{Options, Outcome};
use crate::recording::format::{hex, port_file};
use crate::report::{Case, Verdict};

/// Notes of ports that are shown; the rest is counted.
const MAX_FINDINGS: usize = 20;

/// Above everything that is shown of a recording whose personal data is as it was.
const KEPT: &str =
    "*** this recording holds people's personal data as it was; keep it to yourself ***";

impl Outcome {
    /// What was found at the ports: notes, or differences where strictness asks for it.
    pub(super) fn add_findings(&mut self, findings: &Findings, options: &Options) {
        let (found, passed_over) = findings.take();
        let place = |finding: &Finding| (port_file(finding.device), finding.line);
        if options.strict {
            self.count += passed_over;
            for finding in found {
                let (file, line) = place(&finding);
                let difference = Difference {
                    client: None,
                    file,
                    line,
                    micros: finding.micros,
                    about: "the device".to_owned(),
                    what: What::Port(words(&finding)),
                };
                if let Some(tell) = &options.tell {
                    tell(&difference);
                }
                self.count += 1;
                self.differences.push(difference);
            }
            return;
        }
        let more = found.len().saturating_sub(MAX_FINDINGS) as u64 + passed_over;
        for finding in found.iter().take(MAX_FINDINGS) {
            let (file, line) = place(finding);
            let line = line.map(|line| format!(":{line}")).unwrap_or_default();
            let (at, words) = (Seconds(finding.micros), words(finding));
            self.notes.push(format!("{file}{line}, at {at}: the device {words}"));
        }
        if more > 0 {
            self.notes.push(format!("and {more} more of that kind at the ports"));
        }
    }

    fn verdict(&self) -> String {
        let (count, compared) = (self.count, self.compared);
        match (count, self.accepted) {
            (0, _) => format!("as recorded ({compared} frames compared)"),
            (1, false) => "1 difference".to_owned(),
            (_, false) => format!("{count} differences"),
            (1, true) => "1 difference, which is what is expected from now on".to_owned(),
            (_, true) => format!("{count} differences, which are what is expected from now on"),
        }
    }
}

/// What was noticed at a port, after "the device".
fn words(finding: &Finding) -> String {
    let request = shortened(&hex(&finding.request));
    match finding.oddity {
        Oddity::NeverAsked => format!("was asked {request} then, and never now"),
        Oddity::NeverAnswered => match &finding.expected {
            Some(expected) => format!(
                "was asked {request}, to which the recording has no answer; next comes {}",
                shortened(&hex(expected))
            ),
            None => format!("was asked {request}, to which the recording has no answer"),
        },
        Oddity::OutOfOrder => match &finding.expected {
            Some(expected) => {
                format!("was asked {request}, and then {}", shortened(&hex(expected)))
            }
            None => format!("was asked {request}, and then nothing"),
        },
    }
}

/// The outcome for people, without the differences if they have been told already.
#[must_use]
pub fn text(outcome: &Outcome, told: bool) -> String {
    let mut text = String::new();
    let Outcome { title, length, clients, took, .. } = outcome;
    let (length, took) = (Seconds(*length), took.as_millis());
    let clients = if *clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") };
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{title}: {length} with {clients}, replayed in {took} ms: {}",
        outcome.verdict()
    );
    if outcome.personal_data_kept {
        let _ = writeln!(text, "  {KEPT}");
    }
    if !told {
        for difference in &outcome.differences {
            let _ = writeln!(text, "  {}", difference.to_string().replace('\n', "\n  "));
        }
        let more = outcome.count.saturating_sub(outcome.differences.len() as u64);
        if more > 0 {
            let _ = writeln!(text, "  and {more} more");
        }
    }
    for note in &outcome.notes {
        let _ = writeln!(text, "  note: {note}");
    }
    text
}

/// The outcome as a case: `suite` is the command's, the name the recording's.
#[must_use]
pub fn case(outcome: &Outcome) -> Case {
    let verdict = if outcome.differs() && !outcome.accepted {
        Verdict::Failed { what: outcome.verdict(), detail: text(outcome, false) }
    } else {
        Verdict::Passed
    };
    Case {
        suite: "replay".to_owned(),
        name: outcome.title.clone(),
        cites: None,
        time: outcome.took,
        verdict,
    }
}
