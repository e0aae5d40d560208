//! `hharome recording`: looks at recordings, for what must not be in them or for what they are of.

mod summary;
mod timeline;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{NO, WRONG, complain, print, written};
use crate::recording::lint::{Condition, condition, lint};
use crate::recording::reader::ReadError;
use summary::Summary;
use timeline::TimelineError;

/// The arguments of `hharome recording`.
#[derive(Args)]
#[command(after_help = "docs/recording.md describes the format, what is replaced in it, and how \
    to share a recording.")]
pub(super) struct Recording {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Complain of personal data that was left in recordings: exit 0 if there is none, 1 if there
    /// is, 2 if there is no recording, or a damaged one
    Lint {
        /// Folders of recordings
        #[arg(required = true, value_name = "DIR")]
        folders: Vec<PathBuf>,
    },
    /// Tell what a recording is of
    Show {
        /// The folder of a recording
        #[arg(value_name = "DIR")]
        folder: PathBuf,
        /// One JSON object instead of words
        #[arg(long)]
        json: bool,
        /// All that happened, one line each, in the order of time; the exchanges of a port have
        /// the numbers that a fault script gives them
        #[arg(long, conflicts_with = "json")]
        timeline: bool,
    },
}

pub(super) fn run(recording: &Recording) -> ExitCode {
    match &recording.verb {
        Verb::Lint { folders } => lint_all(folders),
        Verb::Show { folder, timeline: true, .. } => timeline(folder),
        Verb::Show { folder, json, .. } => show(folder, *json),
    }
}

/// Complaints to stdout, one a line with the file in front; words about the whole to stderr. All
/// folders are looked through, and the worst decides.
fn lint_all(folders: &[PathBuf]) -> ExitCode {
    let (mut complaints, mut clean, mut wrong) = (0_usize, false, false);
    for folder in folders {
        match lint(folder) {
            Ok(found) => {
                complaints += found.len();
                let line = |complaint| format!("{}/{complaint}\n", folder.display());
                let printed = print(&found.iter().map(line).collect::<String>());
                if printed != ExitCode::SUCCESS {
                    return printed;
                }
                match readable(folder) {
                    Ok(but) if found.is_empty() => {
                        complain(0, format_args!("{}: clean{but}", folder.display()));
                        clean = true;
                    }
                    Ok(_) => {}
                    Err(words) => {
                        let printed = print(&words);
                        if printed != ExitCode::SUCCESS {
                            return printed;
                        }
                        wrong = true;
                    }
                }
            }
            Err(error) => {
                complain(WRONG, error);
                wrong = true;
            }
        }
    }
    if clean {
        let note = "note: meta.json still tells the kiosk's serial number, IP address, paths and \
                    times";
        complain(0, note);
    }
    match (wrong, complaints) {
        (true, _) => ExitCode::from(WRONG),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => {
            complain(NO, format_args!("{complaints} found; do not share what is complained of"))
        }
    }
}

/// What else there is to say of a recording that can be read, or the places where it cannot.
fn readable(folder: &Path) -> Result<String, String> {
    match condition(folder) {
        Ok(Condition { torn, damage }) if damage.is_empty() => Ok(match torn.as_slice() {
            [] => String::new(),
            torn => format!("; torn at the end: {}", torn.join(", ")),
        }),
        Ok(Condition { damage, .. }) => Err(damage.iter().map(place).collect()),
        // What it holds can be searched all the same.
        Err(ReadError::Version { major, .. }) => {
            Ok(format!("; of format {major}, and whether it is whole was not looked at"))
        }
        Err(error) => Err(format!("{error}\n")),
    }
}

fn place(damage: &ReadError) -> String {
    match damage {
        ReadError::Line { path, line, words } => {
            format!("{}:{line}: cannot be read: {words}\n", path.display())
        }
        other => format!("{other}\n"),
    }
}

fn timeline(folder: &Path) -> ExitCode {
    let mut out = io::BufWriter::new(io::stdout().lock());
    match timeline::write(folder, &mut out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(TimelineError::Write(error)) => written(Err(error)),
        Err(TimelineError::Read(error)) => complain(WRONG, error),
    }
}

fn show(folder: &Path, json: bool) -> ExitCode {
    match Summary::of(folder) {
        Ok(summary) if json => print(&format!("{}\n", summary.json())),
        Ok(summary) => print(&summary.text()),
        Err(error) => complain(WRONG, error),
    }
}
