//! `hharome conformance`: the protocol's rules as cases, against any bridge.

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use super::{NO, NO_DAEMON, WRONG, block_on, client, complain, print, table};
use crate::conformance::{self, Door, Settings, cases};
use clap::Args;

/// The arguments of `hharome conformance`.
#[derive(Args)]
#[command(after_help = "The cases cite docs/protocol.md. Exit codes: 0 all that were tried pass, \
    1 one fails, 3 nobody is there.\n\
    What needs a hand at a device is tried only where that device is simulated. $HHAROME_TOKEN \
    holds the token, where the bridge wants one.")]
pub(super) struct Conformance {
    /// A Unix socket, HOST:PORT, or ws://HOST:PORT/ws [default: where a daemon usually is]
    #[arg(long, value_name = "ADDR")]
    target: Option<String>,
    /// Also write the result as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The result as one JSON object instead of a table
    #[arg(long)]
    json: bool,
    /// Only cases whose name holds this
    #[arg(long, value_name = "PATTERN")]
    only: Option<String>,
    /// Print the cases and run none
    #[arg(long)]
    list: bool,
    /// The bridge's time limit for cards and codes, as it is configured; 0 for never
    #[arg(long, value_name = "SECONDS", default_value_t = conformance::DEFAULT_TIME_LIMIT.as_secs())]
    time_limit: u64,
    /// Also wait, for moments, on readers that are not simulated
    #[arg(long)]
    all: bool,
}

pub(super) fn run(conformance: &Conformance) -> ExitCode {
    let only = conformance.only.as_deref();
    let none = only.filter(|only| cases(Some(only)).next().is_none());
    if let Some(only) = none {
        return complain(WRONG, format_args!("no case's name holds {only:?}; see --list"));
    }
    if conformance.list {
        let rows = cases(only).map(|case| [case.name, case.cites]);
        return print(&table::table(["case", "section"], rows));
    }
    block_on(async {
        let door = match door(conformance.target.as_deref()).await {
            Ok(door) => door,
            Err(refused) => return refused,
        };
        if !conformance.json && io::stderr().is_terminal() {
            // Without stderr there is nobody to tell.
            let _ = writeln!(io::stderr(), "trying {} cases on {door} …", cases(only).count());
        }
        let settings = Settings {
            door,
            token: client::token(),
            only: conformance.only.clone(),
            time_limit: Some(Duration::from_secs(conformance.time_limit))
                .filter(|limit| !limit.is_zero()),
            all: conformance.all,
        };
        let report = conformance::run(settings).await;
        if let Some(file) = &conformance.junit
            && let Err(error) = std::fs::write(file, report.junit())
        {
            return complain(WRONG, format_args!("{}: {error}", file.display()));
        }
        let text = if conformance.json { format!("{}\n", report.json()) } else { report.table() };
        let printed = print(&text);
        if report.all_passed() { printed } else { ExitCode::from(NO) }
    })
}

/// The target, with somebody there: where it is said to be, else the first usual place.
async fn door(target: Option<&str>) -> Result<Door, ExitCode> {
    let doors = match target.map(Door::parse) {
        Some(Ok(door)) => vec![door],
        Some(Err(error)) => return Err(complain(WRONG, format_args!("--target: {error}"))),
        None => client::places().into_iter().map(Door::Unix).collect(),
    };
    let mut failures = String::new();
    let mut code = NO_DAEMON;
    for door in doors {
        match door.knock(client::token().as_deref()).await {
            Ok(()) => return Ok(door),
            Err(error) => {
                failures.push_str(&format!("\n  {door}: {error}"));
                code = match error.kind() {
                    io::ErrorKind::InvalidInput => WRONG,
                    io::ErrorKind::PermissionDenied if target.is_some() => NO,
                    _ => code,
                };
            }
        }
    }
    Err(complain(code, format_args!("no bridge answers; tried:{failures}")))
}
