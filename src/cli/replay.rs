//! `hharome replay`: recordings played through the real daemon, from either end.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use tokio::time::sleep_until;

use super::client::Client;
use super::{NO, Target, WRONG, block_on, complain, print};
use crate::config::{Loaded, Written, default_unix_path};
use crate::recording::format::META_FILE;
use crate::recording::reader::Recording;
use crate::replay::{
    self, Chosen, Connect, Exactness, LiveDevices, Options, Outcome, ReplayError, Script, Seconds,
    Wire,
};
use crate::report::{Case, Report, Verdict};
use crate::server::{self, Start};
use crate::{config, log};

/// How far apart in time a frame and its twin may be at another bridge, unless it is said
/// otherwise.
const OUTDOORS_TOLERANCE: Duration = Duration::from_secs(5);

/// A day: no frame is compared with one that far away.
const MAX_TOLERANCE_MS: u64 = 86_400_000;

/// The arguments of `hharome replay`.
#[derive(Args)]
#[command(
    after_help = "Exit codes: 0 everything as recorded, 1 something differs, 2 wrong usage or \
    a recording that cannot be read, 3 nobody there (--as-clients). docs/replay.md explains reports and fault scripts."
)]
pub(super) struct Replay {
    /// Recordings; a single folder that holds recordings stands for all of them
    #[arg(required = true, value_name = "DIR")]
    recordings: Vec<PathBuf>,
    /// As fast as it was recorded, instead of as fast as it goes
    #[arg(long, conflicts_with = "speed")]
    realtime: bool,
    /// So many times as fast as it was recorded
    #[arg(long, value_name = "N", value_parser = speed)]
    speed: Option<f64>,
    /// Compare this client only; may be repeated. All play, as they share the devices
    #[arg(long, value_name = "CLIENT")]
    only: Vec<u64>,
    /// Make the new outcome the expected one
    #[arg(long, conflicts_with_all = ["faults", "as_devices", "as_clients"])]
    accept: bool,
    /// The order of frames, and of what devices are asked, counts
    #[arg(long)]
    strict: bool,
    /// How many ms earlier or later a frame may come [default: 500; 5000 with --as-clients]
    #[arg(long, value_name = "MS", value_parser = tolerance)]
    tolerance: Option<Duration>,
    /// Let go wrong what this script says (TOML)
    #[arg(long, value_name = "FILE", conflicts_with_all = ["as_devices", "as_clients"])]
    faults: Option<PathBuf>,
    /// Also write the result as JUnit XML
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// The result as one JSON object
    #[arg(long)]
    json: bool,
    /// Serve the recorded devices to live clients, in real time
    #[arg(long, conflicts_with_all = ["as_clients", "only", "strict", "tolerance", "junit", "json"])]
    as_devices: bool,
    /// With --as-devices: end at the recording's end, instead of serving idle devices
    #[arg(long, requires = "as_devices")]
    once: bool,
    /// With --as-devices: the Unix socket to listen on [default without --tcp and --http: the
    /// daemon's usual one]
    #[arg(long, value_name = "PATH", requires = "as_devices")]
    socket: Option<PathBuf>,
    /// With --as-devices: the loopback address for TCP
    #[arg(long, value_name = "ADDR", requires = "as_devices", value_parser = loopback)]
    tcp: Option<SocketAddr>,
    /// With --as-devices: the loopback address for HTTP and WebSocket
    #[arg(long, value_name = "ADDR", requires = "as_devices", value_parser = loopback)]
    http: Option<SocketAddr>,
    /// Play the recorded clients against a running bridge: a Unix socket, HOST:PORT, or
    /// ws://HOST:PORT/ws
    #[arg(long, value_name = "ADDR")]
    as_clients: Option<String>,
    /// With --as-clients: compare people's values too, not only whether there are any
    #[arg(long, requires = "as_clients")]
    exact: bool,
}

pub(super) fn run(replay: &Replay) -> ExitCode {
    if replay.as_devices {
        return as_devices(replay);
    }
    let Chosen { folders, notes } = replay::choose(&replay.recordings);
    for note in notes {
        // Without stderr there is nobody to tell.
        let _ = writeln!(io::stderr(), "hharome: note: {note}");
    }
    let script = match replay.faults.as_deref().map(Script::read).transpose() {
        Ok(script) => script,
        Err(error) => return complain(WRONG, error),
    };
    let live = goes_on_for_long(replay) && !replay.json;
    let mut results = Vec::new();
    for folder in folders {
        if live && replay.as_clients.is_none() {
            announce(&folder);
        }
        let options = options(replay, live, script.clone());
        let result = match &replay.as_clients {
            Some(address) => match as_clients(&folder, &options, replay, address) {
                Ok(result) => result,
                Err(code) => return code,
            },
            None => replay::run(&folder, &options),
        };
        match &result {
            Ok(outcome) if !replay.json => {
                let printed = print(&replay::text(outcome, live));
                if printed != ExitCode::SUCCESS {
                    return printed;
                }
            }
            Ok(_) => {}
            Err(error) => {
                // The exit code is told at the end.
                complain(WRONG, named(&folder, error));
            }
        }
        results.push((folder, result));
    }
    conclude(replay, &results)
}

/// What is replayed in real time, or slowed down, is told while it happens.
fn goes_on_for_long(replay: &Replay) -> bool {
    replay.realtime || replay.speed.is_some() || replay.as_clients.is_some()
}

/// The line above the differences of a recording that is about to be replayed.
fn announce(folder: &Path) {
    // One that cannot be read is told by the replay.
    if let Ok(recording) = Recording::open(folder) {
        let (title, length) =
            (replay::title(folder, &recording.meta.name), Seconds(recording.horizon()));
        // Without stdout there is nobody to tell; the exit code says it.
        let _ = writeln!(io::stdout(), "{title}: plays, {length}");
    }
}

/// An error with the recording's name, which those about its files have already.
fn named(folder: &Path, error: &ReplayError) -> String {
    match error {
        ReplayError::Read(error) => error.to_string(),
        _ => format!("{}: {error}", folder.display()),
    }
}

/// The last line, the files, the exit code.
fn conclude(replay: &Replay, results: &[(PathBuf, Result<Outcome, ReplayError>)]) -> ExitCode {
    let differ = |outcome: &Outcome| outcome.differs() && !outcome.accepted;
    let differing = results.iter().filter(|(_, result)| result.as_ref().is_ok_and(differ)).count();
    let unreadable = results.iter().filter(|(_, result)| result.is_err()).count();
    let report = report(results);
    if let Some(file) = &replay.junit
        && let Err(error) = std::fs::write(file, report.junit())
    {
        return complain(WRONG, format_args!("{}: {error}", file.display()));
    }
    let last = if replay.json {
        let more = |(_, result): &(PathBuf, Result<Outcome, ReplayError>)| {
            result.as_ref().map(replay::more).unwrap_or_default()
        };
        report.json_with(&results.iter().map(more).collect::<Vec<_>>())
    } else {
        replay::summary(results.len(), differing, unreadable)
    };
    let printed = print(&format!("{last}\n"));
    match (unreadable, differing) {
        (0, 0) => printed,
        (0, _) => ExitCode::from(NO),
        _ => ExitCode::from(WRONG),
    }
}

fn report(results: &[(PathBuf, Result<Outcome, ReplayError>)]) -> Report {
    let mut names = BTreeMap::<String, usize>::new();
    let cases = results.iter().map(|(folder, result)| {
        let mut case = case(folder, result.as_ref());
        // JUnit tells cases apart by their names.
        let times = names.entry(case.name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            case.name = format!("{} ({times})", case.name);
        }
        case
    });
    Report { title: "replay".to_owned(), cases: cases.collect() }
}

fn case(folder: &Path, result: Result<&Outcome, &ReplayError>) -> Case {
    match result {
        Ok(outcome) => replay::case(outcome),
        Err(error) => Case {
            suite: "replay".to_owned(),
            name: folder.display().to_string(),
            cites: None,
            time: Duration::ZERO,
            verdict: Verdict::Error {
                what: "cannot be replayed".to_owned(),
                detail: named(folder, error),
            },
        },
    }
}

fn options(replay: &Replay, live: bool, script: Option<Script>) -> Options {
    let outdoors = replay.as_clients.is_some();
    let usual = if outdoors { OUTDOORS_TOLERANCE } else { replay::TOLERANCE };
    let tell = live.then(|| {
        let tell = |difference: &replay::Difference| {
            let words = difference.to_string().replace('\n', "\n  ");
            // Without stdout there is nobody to tell; the exit code says it.
            let _ = writeln!(io::stdout(), "  {words}");
        };
        Arc::new(tell) as replay::Teller
    });
    Options {
        tolerance: replay.tolerance.unwrap_or(usual),
        strict: replay.strict,
        only: replay.only.iter().copied().collect::<BTreeSet<_>>(),
        accept: replay.accept,
        pace: if replay.realtime { Some(1.0) } else { replay.speed },
        script,
        exactness: if outdoors && !replay.exact {
            Exactness::PersonalByPresence
        } else {
            Exactness::Exact
        },
        tell,
        sink: None,
    }
}

/// Serves the devices of one recording until SIGTERM or SIGINT, or to its end with `--once`.
fn as_devices(replay: &Replay) -> ExitCode {
    let [folder] = replay.recordings.as_slice() else {
        return complain(WRONG, "--as-devices: the devices of one recording can be served");
    };
    let speed = replay.speed.unwrap_or(1.0);
    block_on(async {
        let LiveDevices { title, personal_data_kept, mut config, outside, over } =
            match replay::as_devices(folder, speed) {
                Ok(devices) => devices,
                Err(error) => {
                    return complain(WRONG, named(folder, &error));
                }
            };
        let listen = &mut config.listen;
        let nowhere = replay.socket.is_none() && replay.tcp.is_none() && replay.http.is_none();
        listen.unix = replay.socket.clone().or_else(|| nowhere.then(default_unix_path));
        listen.unix_mode = config::Listen::default().unix_mode;
        listen.unix_group = None;
        (listen.tcp, listen.http) = (replay.tcp, replay.http);
        config.recording = config::Recording::default();
        let log = log::start(config.log.level);
        tracing::info!(recording = title, speed, "the devices are those of a recording");
        if personal_data_kept {
            tracing::warn!("the recording holds people's personal data as it was");
        }
        let source = Some(folder.join(META_FILE));
        let loaded = Loaded { config, source, written: Written::default() };
        let until = replay.once.then_some(over);
        if until.is_none() {
            tokio::spawn(async move {
                sleep_until(over).await;
                tracing::info!("the recording is over; its devices are idle from here on");
            });
        }
        match server::serve(loaded, Start { outside, record: None, until }, || None, log).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(WRONG, error),
        }
    })
}

/// Plays the clients of one recording against a running bridge; an exit code if nobody is there.
fn as_clients(
    folder: &Path,
    options: &Options,
    replay: &Replay,
    address: &str,
) -> Result<Result<Outcome, ReplayError>, ExitCode> {
    let bridge = Elsewhere(address.to_owned());
    let speed = options.pace.unwrap_or(replay.speed.unwrap_or(1.0));
    let mut result = Err(ExitCode::from(WRONG));
    block_on(async {
        // Asked first, so that nobody there is one clear error and not a thousand differences.
        result = match Client::connect(&bridge.target()).await {
            Ok(_) => {
                if options.tell.is_some() {
                    announce(folder);
                }
                Ok(replay::run_outdoors(folder, options, speed, bridge).await)
            }
            Err(error) => Err(complain(error.code(), error)),
        };
        ExitCode::SUCCESS
    });
    result
}

/// A bridge at an address.
#[derive(Clone)]
struct Elsewhere(String);

impl Elsewhere {
    fn target(&self) -> Target {
        let address = self.0.clone();
        if address.contains("://") {
            Target { socket: None, tcp: None, url: Some(address) }
        } else if address.contains('/') || !address.contains(':') {
            Target { socket: Some(address.into()), tcp: None, url: None }
        } else {
            Target { socket: None, tcp: Some(address), url: None }
        }
    }
}

impl Connect for Elsewhere {
    type Wire = Client;

    async fn connect(&self) -> Result<Client, String> {
        Client::connect(&self.target()).await.map_err(|error| error.to_string())
    }
}

impl Wire for Client {
    async fn send(&mut self, frame: Bytes) -> io::Result<()> {
        Self::send(self, frame).await
    }

    async fn next(&mut self) -> io::Result<Option<Bytes>> {
        Self::next(self).await
    }
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(speed) if (0.001..=1_000_000.0).contains(&speed) => Ok(speed),
        _ => Err("expected a number from 0.001 to 1000000".to_owned()),
    }
}

fn tolerance(text: &str) -> Result<Duration, String> {
    match text.parse() {
        Ok(ms @ ..MAX_TOLERANCE_MS) => Ok(Duration::from_millis(ms)),
        _ => Err(format!(
            "expected milliseconds: a whole number below {MAX_TOLERANCE_MS}, such as 2000"
        )),
    }
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    match text.parse::<SocketAddr>() {
        Ok(address) if address.ip().is_loopback() => Ok(address),
        // Whoever reaches it works yesterday's kiosk, and there is no token.
        Ok(_) => {
            Err("expected an address of this machine only, such as 127.0.0.1:17801".to_owned())
        }
        Err(_) => Err("expected an address such as 127.0.0.1:17801".to_owned()),
    }
}
