//! `hharome recording`: looks at recordings, for what must not be in them or for what they are of.

mod summary;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{NO, WRONG, complain, print};
use crate::recording::lint::lint;
use summary::Summary;

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
    /// is, 2 if there is no recording
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
    },
}

pub(super) fn run(recording: &Recording) -> ExitCode {
    match &recording.verb {
        Verb::Lint { folders } => lint_all(folders),
        Verb::Show { folder, json } => show(folder, *json),
    }
}

/// Complaints to stdout, one a line with the file in front; words about the whole to stderr. All
/// folders are looked through, and the worst decides.
fn lint_all(folders: &[PathBuf]) -> ExitCode {
    let (mut complaints, mut wrong) = (0_usize, false);
    for folder in folders {
        match lint(folder) {
            Ok(found) => {
                complaints += found.len();
                let line = |complaint| format!("{}/{complaint}\n", folder.display());
                let printed = print(&found.iter().map(line).collect::<String>());
                if printed != ExitCode::SUCCESS {
                    return printed;
                }
                if found.is_empty() {
                    complain(0, format_args!("{}: clean", folder.display()));
                }
            }
            Err(error) => {
                complain(WRONG, error);
                wrong = true;
            }
        }
    }
    match (wrong, complaints) {
        (true, _) => ExitCode::from(WRONG),
        (false, 0) => ExitCode::SUCCESS,
        (false, _) => {
            complain(NO, format_args!("{complaints} found; do not share what is complained of"))
        }
    }
}

fn show(folder: &Path, json: bool) -> ExitCode {
    match Summary::of(folder) {
        Ok(summary) if json => print(&format!("{}\n", summary.json())),
        Ok(summary) => print(&summary.text()),
        Err(error) => complain(WRONG, error),
    }
}
