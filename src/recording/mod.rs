//! What passes at the ports and at the clients' sockets, taken down by the daemon that works.
//!
//! ```text
//! port ─ Taped ─┐                        ┌─ redaction ─ encode ─► folder of JSON lines
//! connection ───┴─► recorder ─► writer ──┘                          │
//!                                                   reader ◄────────┴──────► lint
//! ```
//!
//! [`plan`] is behind `bridge.record` and `hharome serve --record`; how a recording looks is in
//! [`format`](mod@format) and `docs/recording.md`; `src/replay` plays it.

mod cards;
mod encode;
pub mod format;
pub mod lint;
pub mod reader;
pub mod recorder;
pub mod redact;
mod redaction;
mod shelf;
mod writer;

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hharome_hardware::pseudonym::Pseudonyms;
use hharome_protocol::bridge::ProtocolVersion;
use hharome_protocol::failure::Failure;
use rustix::fs::{Access, access};

use crate::bridge::Bridge;
use crate::config::{BuzzerDriver, Config, QrScannerDriver, Secret, Written};
use crate::devices::{Device, scanner_settings, sensor_language, usb};
use format::{Meta, PersonalData, RecordedDevice};
use recorder::Claim;
use redaction::{Kinds, Redaction};
use writer::{Folder, Limits};

/// With less room than this a recording is not begun: its beginning alone takes some.
const LEAST_BYTES: u64 = 64 * 1024;

/// The longest name of a recording.
const NAME_CHARS: usize = 64;

/// Why a recording ended: somebody stopped it.
pub const STOPPED: &str = "stopped";

/// Why a recording ended: the daemon stopped.
pub const DAEMON_STOPPED: &str = "daemonStopped";

/// Why a recording does not begin.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// There is no folder for recordings.
    #[error("recording is off: set [recording] directory in the configuration")]
    Off,
    /// The name cannot be that of a folder, or would lead out of the directory.
    #[error(
        "a recording's name has 1 to {NAME_CHARS} letters, digits, '-', '_' and '.', and does not \
         begin with '.'"
    )]
    Name,
    /// One is under way.
    #[error("{0:?} is being recorded; stop it first")]
    UnderWay(String),
    /// There is one of that name.
    #[error("{}: is there already; choose another name, or move it away", .0.display())]
    Exists(PathBuf),
    /// All recordings together take what they may.
    #[error("{}: the recordings take all of [recording] max_total_bytes; move some away", .0.display())]
    Full(PathBuf),
    /// The disk says no.
    #[error("{}: {source}; see [recording] directory", path.display())]
    Disk {
        /// The recording's folder.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no randomness, without which nothing can be replaced.
    #[error("the system gives no random numbers: {0}")]
    Random(io::Error),
    /// No thread can be started.
    #[error("the recording's thread cannot be started: {0}")]
    Thread(io::Error),
}

impl From<RecordError> for Failure {
    fn from(error: RecordError) -> Self {
        let words = error.to_string();
        match error {
            RecordError::Off => Self::forbidden(words),
            RecordError::Name | RecordError::Exists(_) => Self::bad_request(words),
            RecordError::UnderWay(_) => Self::device_busy("正在录制,请先停止", words),
            RecordError::Full(_)
            | RecordError::Disk { .. }
            | RecordError::Random(_)
            | RecordError::Thread(_) => Self::internal(words),
        }
    }
}

/// A recording to be begun: its folder is made by [`Planned::make`], which waits for the disk.
pub struct Planned {
    claim: Claim,
    directory: PathBuf,
    meta: Meta,
    redaction: Redaction,
    limits: Limits,
    shelf: Shelf,
}

/// What holds for all recordings together.
struct Shelf {
    max_bytes: u64,
    max_days: u32,
}

/// Plans the recording `name` of everything that passes at `bridge`.
///
/// # Errors
/// Recording is off, the name cannot be, or one is under way.
pub fn plan(
    bridge: &Bridge,
    name: &str,
    personal_data: PersonalData,
) -> Result<Planned, RecordError> {
    let config = bridge.config();
    let directory = config.recording.directory.clone().ok_or(RecordError::Off)?;
    check_name(name)?;
    let claim = bridge.recorder.claim(name)?;
    let redaction = match personal_data {
        PersonalData::Kept => Redaction::none(),
        PersonalData::Replaced => {
            let scanner = scanner_settings(&config.qr_scanner);
            let token = config.listen.token.as_ref().map(Secret::reveal);
            let pseudonyms = Pseudonyms::random().map_err(RecordError::Random)?;
            let kinds = Kinds {
                framing: scanner.framing,
                idle: scanner.idle,
                scanner_types: config.qr_scanner.driver == QrScannerDriver::Evdev,
                buzzer_is_input: config.buzzer.driver == BuzzerDriver::Evdev,
                sensor: sensor_language(&config.infrared),
                id_card: usb::carriage(&config.id_card),
                qr_scanner: usb::scan_carrier(&config.qr_scanner),
            };
            Redaction::new(pseudonyms, kinds, token)
        }
    };
    let limits = Limits {
        bytes: config.recording.max_bytes,
        bytes_key: "max_bytes",
        time: Duration::from_secs(config.recording.max_minutes * 60),
    };
    let meta = meta(bridge, &config, name, personal_data);
    let shelf = Shelf {
        max_bytes: config.recording.max_total_bytes,
        max_days: config.recording.max_age_days,
    };
    Ok(Planned { claim, directory, meta, redaction, limits, shelf })
}

impl Planned {
    /// Makes the recording's folder, and room for it: old recordings go. A folder that no recording
    /// is begun in is removed when it is dropped.
    ///
    /// # Errors
    /// There is one of that name, there is no room, or the disk says no.
    pub fn make(self) -> Result<Folder, RecordError> {
        let Self { claim, directory, meta, redaction, mut limits, shelf } = self;
        let disk = |source| RecordError::Disk { path: directory.clone(), source };
        // What a person's card says is nobody else's business, replaced or not.
        DirBuilder::new().mode(0o700).recursive(true).create(&directory).map_err(disk)?;
        if shelf.max_days > 0 {
            shelf::clear_out(&directory, shelf.max_days).map_err(disk)?;
        }
        let left = shelf.max_bytes.saturating_sub(shelf::used(&directory).map_err(disk)?);
        if left < LEAST_BYTES {
            return Err(RecordError::Full(directory));
        }
        if left < limits.bytes {
            limits = Limits { bytes: left, bytes_key: "max_total_bytes", ..limits };
        }
        Folder::create(&directory, &meta, redaction, limits, claim)
    }
}

/// Whether recordings can be written to this directory, which may have to be made yet.
///
/// # Errors
/// What is in the way, and the way out.
pub fn usable(directory: &Path) -> Result<(), String> {
    let there = directory.ancestors().find(|ancestor| ancestor.exists()).unwrap_or(directory);
    let wrong = if !there.is_dir() {
        "is no folder"
    } else if access(there, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        "this user may not write there"
    } else {
        return Ok(());
    };
    Err(format!(
        "{}: {wrong}; set [recording] directory to a folder of the daemon's",
        there.display()
    ))
}

/// Says in the log that a recording begins.
pub fn announce(name: &str, personal_data: PersonalData) {
    match personal_data {
        PersonalData::Replaced => tracing::info!(name, "recording"),
        PersonalData::Kept => tracing::warn!(
            name,
            "recording with personal data as it is (--keep-personal-data): the recording is as \
             secret as the cards"
        ),
    }
}

/// Checks the name of a recording, which becomes that of its folder.
///
/// # Errors
/// [`RecordError::Name`]: it is empty, too long, or could lead elsewhere.
pub fn check_name(name: &str) -> Result<(), RecordError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let good = (1..=NAME_CHARS).contains(&name.len())
        && name.chars().all(allowed)
        && !name.starts_with('.');
    if good { Ok(()) } else { Err(RecordError::Name) }
}

fn meta(bridge: &Bridge, config: &Config, name: &str, personal_data: PersonalData) -> Meta {
    let Written { tables, simulated } = bridge.recorder.written();
    let device = |device: &Device| {
        let told = bridge.status_of(device);
        RecordedDevice {
            device: told.device,
            driver: told.driver,
            simulated: told.simulated,
            facts: told.facts,
        }
    };
    let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Meta {
        format: format::VERSION,
        name: name.to_owned(),
        hharome: env!("CARGO_PKG_VERSION").to_owned(),
        protocol: ProtocolVersion::CURRENT,
        started: u64::try_from(started.as_millis()).unwrap_or(u64::MAX),
        personal_data,
        config: tables,
        simulated,
        token: config.listen.token.is_some(),
        device_info: bridge.devices.machine.info(),
        devices: bridge.devices.all().filter(|device| device.is_configured()).map(device).collect(),
    }
}
