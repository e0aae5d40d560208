//! A replay's outcome in words, and as a case of a report.

use std::fmt::Write as _;
use std::path::Path;

use hharome_hardware::port::replay::{Fate, Finding, Findings, Oddity, When};

use super::compare::shortened;
use super::difference::{Difference, Seconds, What};
use super::faults::Written;
use super::{Options, Outcome, ScriptOutcome};
use crate::recording::format::{hex, port_file};
use crate::report::{Case, Verdict};

/// Notes of ports that are shown; the rest is counted.
const MAX_FINDINGS: usize = 20;

/// Above everything that is shown of a recording whose personal data is as it was.
pub(super) const KEPT: &str =
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
                    call: None,
                    task_id: None,
                    what: What::Port(words(&finding)),
                };
                self.add_difference(options, difference);
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

    /// What came of the script's faults; one that did nothing is a difference.
    pub(super) fn add_faults(&mut self, findings: &Findings, options: &Options) {
        let (Some(script), Some(mut outcome)) = (&options.script, self.script) else { return };
        let tallies = findings.tallies();
        for (port, faults) in script.written() {
            let tally = tallies.iter().find(|tally| tally.device == port);
            for (at, Written { number, line, fault }) in faults.iter().enumerate() {
                let fate = tally.and_then(|tally| tally.fates.get(at)).copied();
                outcome.faults += 1;
                let words = match fate.unwrap_or(Fate::NeverStruck) {
                    Fate::Struck => {
                        outcome.struck += 1;
                        continue;
                    }
                    Fate::NeverStruck => {
                        let exchanges = tally.map_or(0, |tally| tally.exchanges);
                        let exchanges = counted(exchanges, "exchange");
                        let end = Seconds(self.length);
                        format!(
                            "never struck: the port had {exchanges}, and the recording ends at {end}"
                        )
                    }
                    Fate::ChangedNothing(bytes) => {
                        let bytes = counted(bytes as u64, "byte");
                        format!("changed nothing: the answer that it struck had {bytes}")
                    }
                };
                let when = match fault.when {
                    When::At(micros) => format!("at_ms {}", micros / 1000),
                    When::Exchange(number) => format!("exchange {number}"),
                };
                self.add_difference(
                    options,
                    Difference {
                        client: None,
                        file: script.path().display().to_string(),
                        line: Some(*line),
                        micros: self.length,
                        about: format!("[[fault]] {number} ({port}, {when})"),
                        call: None,
                        task_id: None,
                        what: What::Fault(words),
                    },
                );
            }
        }
        self.script = Some(outcome);
        if self.count > 0 && !outcome.only_own && outcome.struck > 0 {
            self.notes.push(
                "what follows from a fault differs, too; with others = \"any\" in the script only \
                 what [[expect]] says is compared"
                    .to_owned(),
            );
        }
    }

    fn add_difference(&mut self, options: &Options, difference: Difference) {
        if let Some(tell) = &options.tell {
            tell(&difference);
        }
        self.count += 1;
        self.differences.push(difference);
    }

    fn verdict(&self) -> String {
        let compared = counted(self.compared, "frame");
        let Some(script) = self.script else {
            return match (self.count, self.accepted) {
                (0, false) => format!("as recorded ({compared} compared)"),
                (0, true) => format!("as recorded ({compared} compared), no file written"),
                (count, false) => counted(count, "difference"),
                (count, true) => {
                    let are = if count == 1 { "which is" } else { "which are" };
                    let written = match self.written.as_slice() {
                        [] => "no file written".to_owned(),
                        files => format!("written: {}", files.join(", ")),
                    };
                    let count = counted(count, "difference");
                    format!("{count}, {are} what is expected from now on; {written}")
                }
            };
        };
        let ScriptOutcome { faults, struck, expectations, met, only_own } = script;
        let expected = match expectations {
            0 => "0 expectations".to_owned(),
            _ => format!("{met} of {} met", counted(expectations as u64, "expectation")),
        };
        let of_all = format!("{struck} of {} struck", counted(faults as u64, "fault"));
        match (self.count, only_own) {
            (0, true) => {
                let struck = counted(struck as u64, "fault");
                format!("{struck} struck, {expected}, nothing else compared")
            }
            (0, false) => format!("as recorded ({compared} compared), {of_all}, {expected}"),
            (count, _) => format!("{}, {of_all}, {expected}", counted(count, "difference")),
        }
    }
}

/// `1 frame`, `2 frames`.
fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// What was noticed at a port, after "the device".
fn words(finding: &Finding) -> String {
    let bytes = || shortened(&hex(&finding.request));
    let request = finding.step.map_or_else(bytes, str::to_owned);
    match finding.oddity {
        Oddity::NeverAsked => format!("was asked {request} then, and never now"),
        Oddity::NeverAnswered => match &finding.expected {
            Some(expected) => format!(
                "was asked {request}, to which the recording has no answer; next comes {}",
                shortened(&hex(expected))
            ),
            None => format!("was asked {request}, to which the recording has no answer"),
        },
        Oddity::AskedAgain => format!("was asked {request} once more than then"),
        Oddity::OutOfOrder => match &finding.expected {
            Some(expected) => {
                format!("was asked {request}, and then {}", shortened(&hex(expected)))
            }
            None => format!("was asked {request}, and then nothing"),
        },
    }
}

/// How a recording is called: its folder as it was given, and its own name if that is another.
#[must_use]
pub fn title(folder: &Path, name: &str) -> String {
    let shown = folder.display().to_string();
    if folder.file_name().is_some_and(|own| own == name) {
        shown
    } else {
        format!("{shown} ({name})")
    }
}

/// The outcome for people, without the differences if they have been told already.
#[must_use]
pub fn text(outcome: &Outcome, told: bool) -> String {
    let mut text = String::new();
    let Outcome { length, clients, took, .. } = outcome;
    let title = title(&outcome.folder, &outcome.title);
    let (length, took) = (Seconds(*length), took.as_millis());
    let clients = counted(*clients as u64, "client");
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "{title}: {length} with {clients}, replayed in {took} ms: {}",
        outcome.verdict()
    );
    if outcome.personal_data_kept {
        let _ = writeln!(text, "  {KEPT}");
    }
    for lack in &outcome.lacks {
        let _ = writeln!(text, "  note: {lack}");
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

/// The outcome as a case: `suite` is the command's, the name the folder's.
#[must_use]
pub fn case(outcome: &Outcome) -> Case {
    let verdict = if outcome.differs() && !outcome.accepted {
        Verdict::Failed { what: outcome.verdict(), detail: text(outcome, false) }
    } else {
        Verdict::Passed
    };
    Case {
        suite: "replay".to_owned(),
        name: outcome.folder.display().to_string(),
        cites: None,
        time: outcome.took,
        verdict,
    }
}

/// The last line about so many recordings, of which so many differ and so many cannot be replayed.
#[must_use]
pub fn summary(all: usize, differing: usize, unreadable: usize) -> String {
    let recordings = counted(all as u64, "recording");
    if unreadable == all {
        return format!("{recordings}: cannot be replayed");
    }
    let rest = if unreadable > 0 { " of the others" } else { "" };
    let differ = match differing {
        0 => format!("none{rest} differs"),
        1 => "1 differs".to_owned(),
        _ => format!("{differing} differ"),
    };
    match unreadable {
        0 => format!("{recordings}, {differ}"),
        _ => format!("{recordings}, {unreadable} cannot be replayed, {differ}"),
    }
}
