//! The command line: one file a subcommand. Arguments in, exit code out.
//!
//! Output that a program may read goes to stdout, words to stderr. Exit codes: 0 done, 1 the
//! answer is no, 2 wrong usage or configuration, 3 no daemon there.

mod call;
mod check;
mod client;
mod conformance;
mod devices;
mod listen;
mod record;
mod recording;
mod replay;
mod serve;
mod session;
mod simulate;
mod table;
mod virtual_device;

use std::ffi::OsString;
use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use hharome_hardware::id_card::photo;
use hharome_hardware::port::input::held;
use hharome_hardware::screen::helper as screen;

/// The answer is no.
const NO: u8 = 1;
/// Wrong usage or configuration.
const WRONG: u8 = 2;
/// No daemon answers.
const NO_DAEMON: u8 = 3;

/// The open device bridge of self-service kiosks.
#[derive(Parser)]
#[command(version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the daemon
    Serve(serve::Serve),
    /// Print a complete, commented configuration
    Config,
    /// Validate the configuration and probe each device
    Check {
        #[command(flatten)]
        file: File,
        /// One JSON object instead of a table
        #[arg(long)]
        json: bool,
        /// Print a test page on the receipt printer
        #[arg(long)]
        print: bool,
    },
    /// Show what this machine offers, with the configuration to use it
    Devices {
        /// One JSON object instead of tables
        #[arg(long)]
        json: bool,
    },
    /// Send one request to a running daemon and print the reply
    Call(call::Call),
    /// Print the events of channels, one a line, until stopped
    Listen {
        /// Names of channels, such as initQRListener
        #[arg(required = true)]
        channels: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
    /// Work a simulated device of a running daemon
    Simulate(simulate::Simulate),
    /// Offer a virtual device to any program: on a pty, or a card to a reader of pcscd's
    Virtual(virtual_device::Virtual),
    /// Record what passes at a running daemon's devices and clients
    Record(record::Record),
    /// Look at recordings
    Recording(recording::Recording),
    /// Play recordings through the real daemon code, and compare
    Replay(replay::Replay),
    /// Check a bridge against the protocol's rules
    Conformance(conformance::Conformance),
}

#[derive(Args)]
struct File {
    /// The configuration [default: $HHAROME_CONFIG, /etc/hharome/config.toml, all simulated]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Where the daemon is.
#[derive(Args)]
#[group(multiple = true)]
struct Target {
    /// Its Unix socket
    #[arg(long, value_name = "PATH", conflicts_with_all = ["tcp", "url"])]
    socket: Option<PathBuf>,
    /// Its TCP address, such as 127.0.0.1:17801
    #[arg(long, value_name = "ADDR", conflicts_with = "url")]
    tcp: Option<String>,
    /// Its WebSocket, such as ws://127.0.0.1:17802/ws
    #[arg(long, value_name = "URL")]
    url: Option<String>,
}

/// The whole program.
#[must_use]
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    // Started by the daemon itself, for one photo, or for as long as it runs; not for people.
    if let Some((command, rest)) = arguments.get(1..).and_then(|rest| rest.split_first()) {
        match command.to_str() {
            Some(photo::HELPER_COMMAND) => return photo::helper_main(rest),
            Some(screen::HELPER_COMMAND) => return screen::helper_main(rest),
            Some(held::HELPER_COMMAND) => return held::helper::helper_main(rest),
            _ => {}
        }
    }
    match Arguments::parse().command {
        Command::Serve(serve) => serve::run(serve),
        Command::Config => print(&crate::config::commented()),
        Command::Check { file, json, print } => check::run(file.config.as_deref(), json, print),
        Command::Devices { json } => written(devices::run(json, &mut io::stdout().lock())),
        Command::Call(call) => call::run(&call),
        Command::Listen { channels, target } => listen::run(&channels, &target),
        Command::Simulate(simulate) => simulate::run(&simulate),
        Command::Virtual(device) => virtual_device::run(&device),
        Command::Record(record) => record::run(&record),
        Command::Recording(recording) => recording::run(&recording),
        Command::Replay(replay) => replay::run(&replay),
        Command::Conformance(conformance) => conformance::run(&conformance),
    }
}

/// Runs on the one kind of runtime that this program uses: one thread.
fn block_on<F: Future<Output = ExitCode>>(future: F) -> ExitCode {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => {
            let code = runtime.block_on(future);
            // A blocking read of stdin must not keep the program.
            runtime.shutdown_background();
            code
        }
        Err(error) => complain(WRONG, format_args!("the runtime cannot be started: {error}")),
    }
}

/// Words to stderr, and the exit code.
fn complain(code: u8, words: impl Display) -> ExitCode {
    // Without stderr there is nobody to tell.
    let _ = writeln!(io::stderr(), "hharome: {words}");
    ExitCode::from(code)
}

/// Text to stdout.
fn print(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Output that was written, or not: a reader that has seen enough is no failure.
fn written(result: io::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => complain(NO, format_args!("output: {error}")),
    }
}
