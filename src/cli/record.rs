//! `hharome record`: begins and ends a recording of a running daemon.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use hharome_protocol::action::Call as _;
use hharome_protocol::bridge::RecordCall;
use hharome_protocol::client;
use serde_json::json;
use serde_json::value::to_raw_value;

use super::{Target, WRONG, call, complain};

/// The arguments of `hharome record`.
#[derive(Args)]
#[command(after_help = "A recording goes into the folder NAME of [recording] directory. Names, \
    numbers, addresses, photos and codes are replaced by invented ones before they reach the \
    disk. `hharome recording` looks at recordings, `hharome replay` plays them.")]
pub(super) struct Record {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Begin to record
    Start {
        /// The recording's name: letters, digits, '-', '_', '.'
        name: String,
        /// Record names, numbers, photos and codes as they are
        #[arg(long)]
        keep_personal_data: bool,
        #[command(flatten)]
        target: Target,
    },
    /// End the recording
    Stop {
        #[command(flatten)]
        target: Target,
    },
    /// Tell whether something is being recorded
    Status {
        #[command(flatten)]
        target: Target,
    },
}

pub(super) fn run(record: &Record) -> ExitCode {
    let (params, target) = match &record.verb {
        Verb::Start { name, keep_personal_data, target } => {
            let keep = *keep_personal_data;
            (json!({"do": "start", "name": name, "keepPersonalData": keep}), target)
        }
        Verb::Stop { target } => (json!({"do": "stop"}), target),
        Verb::Status { target } => (json!({"do": "status"}), target),
    };
    match to_raw_value(&params) {
        Ok(params) => call::send(target, client::call(RecordCall::NAME, Some(&params), None)),
        Err(error) => complain(WRONG, error),
    }
}
