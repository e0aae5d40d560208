//! Replay: a recording played through the real daemon, and what its clients get compared with what
//! they got then.
//!
//! ```text
//!               ┌────────── player: each line at its time ──────────┐
//! client files ─┤                                                   ├─ socket ─► connection ─► bridge
//!               └─ frames expected ─► judge ◄── frames got ── ear ◄─┘                            │
//! port files ────────────────────────────────────── ports that give what their tape has ◄────────┘
//! ```
//!
//! [`run`] does that in virtual time: a runtime of one thread whose clock jumps from one timer to
//! the next, so that an hour takes a moment, and every run is the same to the byte.
//! [`run_outdoors`] plays the clients against any bridge in real time; [`as_devices`] gives the
//! ports to a daemon with live clients. Files are read a line at a time.

mod accept;
pub mod compare;
pub mod difference;
pub mod faults;
mod folders;
mod indoors;
mod json;
pub mod judge;
pub mod key;
mod outdoors;
mod player;
pub mod ports;
mod present;
pub mod socket;
mod stage;
pub mod volatile;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hharome_hardware::port::replay::{Findings, Settings, Timeline};
use tokio::time::{Instant, sleep, sleep_until};

pub use self::accept::AcceptError;
pub use self::compare::{Change, Exactness};
pub use self::difference::{Difference, Seconds, Teller, What};
pub use self::faults::{Script, ScriptError};
pub use self::folders::{Chosen, choose};
pub use self::json::more;
pub use self::outdoors::{Connect, Wire, run_outdoors};
pub use self::present::{case, summary, text, title};
pub use self::stage::FrameSink;

use self::indoors::Indoors;
use self::judge::{Judge, Rules, Verdict};
use self::player::{PlayError, Player};
use self::ports::FolderPorts;
use self::stage::Stage;
use crate::bridge::{Bridge, Clock};
use crate::config::{BuzzerDriver, Config, ConfigError, Word};
use crate::outside::{Outside, RecordedPorts};
use crate::recording::format::{DAEMON_FILE, PersonalData, RecordedDevice, port_file};
use crate::recording::reader::{Damage, ReadError, Recording};

/// How far apart in time a frame and its twin may be, unless it is said otherwise: a poll of the
/// slowest driver, and much less than any time limit.
pub const TOLERANCE: Duration = Duration::from_millis(500);

/// Devices are started so long before the recording begins, where they had been running already.
const PRE_ROLL: i64 = 10_000_000;

/// The replay goes on so long after the recording's end, at least: what was under way ends.
const GRACE: i64 = 1_000_000;

/// Frames that came so shortly before the end may have been due behind it, in microseconds.
const EDGE: i64 = 100_000;

/// The step of a replay that is slowed down.
const PACE: Duration = Duration::from_millis(10);

/// How a recording is replayed.
#[derive(Clone)]
pub struct Options {
    /// How far apart in time a frame and its twin may be.
    pub tolerance: Duration,
    /// The order of frames, and of what devices are asked, counts.
    pub strict: bool,
    /// The clients that are compared; all if there are none.
    pub only: BTreeSet<u64>,
    /// Write the new outcome down as the expected one.
    pub accept: bool,
    /// Seconds of the recording in one real second; `None`: as fast as it goes.
    pub pace: Option<f64>,
    /// What goes wrong this time.
    pub script: Option<Script>,
    /// How strictly values are compared.
    pub exactness: Exactness,
    /// Is told of each difference when it is found.
    pub tell: Option<Teller>,
    /// Gets every frame, raw.
    pub sink: Option<FrameSink>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            tolerance: TOLERANCE,
            strict: false,
            only: BTreeSet::new(),
            accept: false,
            pace: None,
            script: None,
            exactness: Exactness::Exact,
            tell: None,
            sink: None,
        }
    }
}

/// What came of a replay.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The recording's folder, as it was given.
    pub folder: PathBuf,
    /// The recording's name.
    pub title: String,
    /// Its personal data is as it was.
    pub personal_data_kept: bool,
    /// How long the recording is, in microseconds.
    pub length: i64,
    /// Its clients.
    pub clients: usize,
    /// Frames that were compared.
    pub compared: u64,
    /// The first differences.
    pub differences: Vec<Difference>,
    /// All of them.
    pub count: u64,
    /// What the recording lacks, one sentence each: the first thing to know.
    pub lacks: Vec<String>,
    /// What is worth knowing, one sentence each.
    pub notes: Vec<String>,
    /// What came of the fault script, if there was one.
    pub script: Option<ScriptOutcome>,
    /// The new outcome is the expected one now.
    pub accepted: bool,
    /// The files that were written for that.
    pub written: Vec<String>,
    /// How long the replay took.
    pub took: Duration,
}

/// What came of a fault script.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScriptOutcome {
    /// Its faults.
    pub faults: usize,
    /// Those that struck.
    pub struck: usize,
    /// Its expectations.
    pub expectations: usize,
    /// Those that were met.
    pub met: usize,
    /// Nothing but its expectations was compared.
    pub only_own: bool,
}

/// Why a recording is not replayed.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// Its configuration is not one of this version.
    #[error("the configuration in meta.json: {0}")]
    Config(#[from] ConfigError),
    /// A configuration that was read again while it was recorded is not one of this version.
    #[error("daemon.jsonl: {0}")]
    Reload(String),
    /// The fault script cannot be used.
    #[error(transparent)]
    Script(#[from] ScriptError),
    /// There is no such client.
    #[error("--only {0}: the recording has no such client; it has {1}")]
    NoClient(u64, String),
    /// The new outcome cannot be kept.
    #[error(transparent)]
    Accept(#[from] AcceptError),
    /// It makes no sense to keep the outcome.
    #[error("--accept: {0}")]
    Unacceptable(&'static str),
    /// No runtime can be had.
    #[error("the runtime cannot be started: {0}")]
    Runtime(std::io::Error),
}

impl From<PlayError> for ReplayError {
    fn from(error: PlayError) -> Self {
        match error {
            PlayError::Read(error) => Self::Read(error),
            PlayError::Daemon(words) => Self::Reload(words),
        }
    }
}

/// Replays the recording in `folder` in virtual time. Blocks; not to be called inside a runtime.
///
/// # Errors
/// The recording cannot be read to its end, the options do not fit it, or the accepted outcome
/// cannot be written. Differences are no error.
pub fn run(folder: &Path, options: &Options) -> Result<Outcome, ReplayError> {
    let began = std::time::Instant::now();
    let recording = Recording::open(folder)?;
    check(&recording, options)?;
    let config = Config::from_recorded(&recording.meta)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .map_err(ReplayError::Runtime)?;
    let damage = Damage::default();
    let findings = Findings::default();
    let played = runtime.block_on(indoors(&recording, config, options, &findings, &damage));
    // Drivers, which hold the tapes, end here.
    drop(runtime);
    let Played { verdict, rewrites, ports } = played?;
    ports.drain();
    if let Some(error) = damage.take() {
        return Err(error.into());
    }
    let written = match rewrites {
        Some(rewrites) => rewrites.finish(&verdict.found.clients)?,
        None => Vec::new(),
    };
    let mut outcome = Outcome::of(&recording, options, verdict, began.elapsed());
    outcome.written = written;
    outcome.add_findings(&findings, options);
    outcome.add_faults(&findings, options);
    Ok(outcome)
}

/// The ports of a recording for a daemon with live clients, and its configuration. The recorded
/// time is 0 now, and goes by at `speed`. Must be called inside the runtime.
///
/// # Errors
/// The recording cannot be read, or its configuration is not one of this version.
pub fn as_devices(folder: &Path, speed: f64) -> Result<LiveDevices, ReplayError> {
    let recording = Recording::open(folder)?;
    let mut config = Config::from_recorded(&recording.meta)?;
    config.listen.token = None;
    let personal_data_kept = recording.meta.personal_data == PersonalData::Kept;
    let title = recording.meta.name.clone();
    let timeline = Timeline::new(Instant::now(), speed);
    let over = timeline.at(recording.horizon());
    let (findings, damage) = (Findings::default(), Damage::default());
    // A live client asks when it likes.
    let patient = |_: &str| Settings { patient: true, ..Settings::default() };
    let ports = FolderPorts::new(recording, timeline, findings, damage, patient);
    let outside = Outside::Recording(Box::new(ports) as Box<dyn RecordedPorts>);
    Ok(LiveDevices { title, personal_data_kept, config, outside, over })
}

/// What a daemon needs that serves the devices of a recording.
pub struct LiveDevices {
    /// The recording's name.
    pub title: String,
    /// Its personal data is as it was.
    pub personal_data_kept: bool,
    /// The configuration that it was made with, without a token.
    pub config: Config,
    /// Its ports.
    pub outside: Outside,
    /// When the recording is over: from then on its devices are idle.
    pub over: Instant,
}

struct Played {
    verdict: Verdict,
    rewrites: Option<accept::Rewrites>,
    ports: FolderPorts,
}

async fn indoors(
    recording: &Recording,
    config: Config,
    options: &Options,
    findings: &Findings,
    damage: &Damage,
) -> Result<Played, ReplayError> {
    let base = base(recording);
    let zero = Instant::now() + Duration::from_micros(base.unsigned_abs());
    let (timeline, conductor) = Timeline::conducted(zero);
    tokio::spawn(conductor.run());
    let (strict, script) = (options.strict, options.script.clone().unwrap_or_default());
    let ports = FolderPorts::new(
        recording.clone(),
        timeline.clone(),
        findings.clone(),
        damage.clone(),
        move |port| Settings { strict, faults: script.faults(port), ..Settings::default() },
    );
    let started = UNIX_EPOCH.checked_add(Duration::from_millis(recording.meta.started));
    let clock = Clock::at(zero, started.unwrap_or_else(SystemTime::now));
    let bridge = Bridge::with(config, Outside::Recording(Box::new(ports.clone())), clock);
    let rules = rules(recording, options, EDGE);
    let grace = rules.tolerance.max(GRACE);
    let rewrites = options.accept.then(|| accept::Rewrites::new(recording, &rules));
    let stage = Stage::new(Judge::new(rules), rewrites, options.sink.clone(), timeline.clone());
    let stage = Arc::new(Mutex::new(stage));
    if let Some(speed) = options.pace {
        tokio::spawn(pace(zero, speed));
    }
    let house = Indoors::new(recording, bridge, Arc::clone(&stage));
    let mut player = Player::new(recording, house, Arc::clone(&stage), timeline, base)?;
    let horizon = recording.horizon();
    player.play(horizon).await?;
    player.idle(horizon.saturating_add(grace)).await;
    let mut stage = stage.lock().unwrap_or_else(PoisonError::into_inner);
    let verdict = std::mem::take(&mut stage.judge).finish();
    Ok(Played { verdict, rewrites: stage.rewrites.take(), ports })
}

/// When devices start, and clients come that were there already, in microseconds; at most 0.
fn base(recording: &Recording) -> i64 {
    if !recording.tells_of_before() {
        return 0;
    }
    let earliest = recording.clients.iter().filter_map(|client| client.before).min();
    earliest.unwrap_or(0).min(0) - PRE_ROLL
}

fn rules(recording: &Recording, options: &Options, edge: i64) -> Rules {
    Rules {
        tolerance: i64::try_from(options.tolerance.as_micros()).unwrap_or(i64::MAX / 4),
        strict: options.strict,
        only: options.only.clone(),
        exactness: options.exactness,
        // What stands at the very end has happened.
        horizon: match &recording.cut {
            Some(cut) => cut.at,
            None => recording.end.saturating_add(1),
        },
        edge,
        script: options.script.as_ref().map(|script| script.expectations().clone()),
        tell: options.tell.clone(),
    }
}

/// Refuses options that do not fit the recording.
fn check(recording: &Recording, options: &Options) -> Result<(), ReplayError> {
    let clients: BTreeSet<u64> = recording.clients.iter().map(|client| client.number).collect();
    if let Some(missing) = options.only.iter().find(|number| !clients.contains(number)) {
        let there: Vec<_> = clients.iter().map(u64::to_string).collect();
        return Err(ReplayError::NoClient(*missing, there.join(", ")));
    }
    if let Some(script) = &options.script {
        let ports = recording.ports.iter().map(|port| port.device.as_str()).collect();
        script.fits(&ports, &clients)?;
    }
    if options.accept && options.script.is_some() {
        return Err(ReplayError::Unacceptable(
            "what comes of a fault is not what the recording has to say without it; write it into \
             the script as [[expect]]",
        ));
    }
    if options.accept && recording.cut.is_some() {
        return Err(ReplayError::Unacceptable(
            "the recording is torn, and nobody knows what its clients did from there on",
        ));
    }
    Ok(())
}

/// Holds virtual time back: it goes on in small steps, and for each of them the thread sleeps. That
/// changes nothing of what happens, and in which order.
async fn pace(zero: Instant, speed: f64) {
    sleep_until(zero).await;
    let began = std::time::Instant::now();
    loop {
        sleep(PACE).await;
        let due = zero.elapsed().div_f64(speed);
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
}

impl Outcome {
    fn of(recording: &Recording, options: &Options, verdict: Verdict, took: Duration) -> Self {
        let Verdict { found, compared, expectations: (met, expectations) } = verdict;
        let mut notes = Vec::new();
        if let Some(cut) = &recording.cut {
            let (files, at) = (cut.files.join(", "), Seconds(cut.at));
            notes.push(format!(
                "the recording is torn: {files} cut short; from {at} on nothing is compared"
            ));
        }
        let script = options.script.as_ref().map(|script| ScriptOutcome {
            expectations,
            met,
            only_own: script.expectations().only_own(),
            ..ScriptOutcome::default()
        });
        let mut differences = found.kept;
        // What may have come late is told later than what followed it.
        differences.sort_by_key(|one| one.micros);
        Self {
            folder: recording.folder.clone(),
            title: recording.meta.name.clone(),
            personal_data_kept: recording.meta.personal_data == PersonalData::Kept,
            length: recording.end,
            clients: recording.clients.len(),
            compared,
            differences,
            count: found.count,
            lacks: lacks(recording),
            notes,
            script,
            accepted: options.accept,
            written: Vec::new(),
            took,
        }
    }

    /// Whether anything differs.
    #[must_use]
    pub fn differs(&self) -> bool {
        self.count > 0
    }
}

/// What a recording should have and does not: it replays, and not as it was.
fn lacks(recording: &Recording) -> Vec<String> {
    let mut lacks = Vec::new();
    for RecordedDevice { device, driver, .. } in &recording.meta.devices {
        // A program has no port.
        if driver == BuzzerDriver::Program.word() {
            continue;
        }
        // A device may have several ports, named after it.
        let is_its = |port: &str| {
            let rest = port.strip_prefix(device.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
        };
        if !recording.ports.iter().any(|port| is_its(&port.device)) {
            let file = port_file(device);
            lacks.push(format!(
                "{file} is missing, and meta.json lists {device}: its port cannot be opened in \
                 this replay"
            ));
        }
    }
    if !recording.folder.join(DAEMON_FILE).exists() {
        lacks.push(format!(
            "{DAEMON_FILE} is missing: that the configuration was read again, and that the daemon \
             stopped, is not replayed"
        ));
    }
    lacks
}

#[cfg(test)]
mod tests;
