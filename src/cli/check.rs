//! `hharome check`: is the configuration right, and does each device answer?
//!
//! Devices that a running daemon holds are asked of it; without one they are opened here, by the
//! same drivers, for as long as it takes to know. Which PC/SC reader, input, HID or USB device is meant
//! is looked up here in either case, as one that is taken among several is a mistake of the
//! configuration.

mod readers;
mod several;
mod test_page;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use hharome_hardware::device::State;
use hharome_hardware::inventory::{CARD_READERS_LIMIT, CardReaders};
use hharome_protocol::action::Call as _;
use hharome_protocol::bridge::{DeviceState, DeviceStatus, Status, StatusCall};
use hharome_protocol::client::{self, ServerFrame};
use rustix::fs::{Access, access};
use serde_json::json;
use tokio::time::timeout;

use super::client::{Client, places};
use super::table::table;
use super::{NO, WRONG, block_on, complain, session, written};
use crate::bridge::Clock;
use crate::config::{Config, Loaded};
use crate::devices::{Devices, PORT_FACT, photo_decoder, places::meant};
use crate::outside::Outside;
use crate::recording;
use crate::recording::recorder::Recorder;
use crate::shell::Step;

/// How long a device may take to be known: the ID-card reader tries five rates three times.
const PROBE: Duration = Duration::from_secs(12);

/// How long a daemon may take to answer; one that does not is not asked further.
const ANSWER: Duration = Duration::from_secs(3);

struct Row {
    device: String,
    driver: String,
    verdict: Verdict,
    detail: String,
}

impl Row {
    /// Adds what came of something more that was tried.
    fn add(&mut self, tried: &Result<String, String>) {
        if tried.is_err() {
            self.verdict = Verdict::Failed;
        }
        let (Ok(words) | Err(words)) = tried;
        let parts =
            [words.as_str(), self.detail.as_str()].into_iter().filter(|part| !part.is_empty());
        self.detail = parts.collect::<Vec<_>>().join("; ");
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Ok,
    Failed,
    Off,
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "FAILED",
            Self::Off => "off",
        }
    }
}

pub(super) fn run(file: Option<&Path>, json: bool, print: bool) -> ExitCode {
    let Loaded { config, source, .. } = match Config::load(file) {
        Ok(loaded) => loaded,
        Err(error) => return complain(WRONG, error),
    };
    session::adopt(&config.session);
    block_on(async {
        let daemon = ask_daemon(&config).await;
        let held = daemon.as_ref().map(|(place, _)| place.as_path());
        let told = daemon.as_ref().map(|(place, status)| (place.as_path(), status));
        let mut rows = rows(&config, told, print).await;
        rows.extend(check_photo_decoder(&config).await);
        rows.extend(check_recording(&config));
        rows.extend(check_shell(&config));
        let failed = rows.iter().any(|row: &Row| row.verdict == Verdict::Failed);
        let file = source.as_ref().map(|path| path.display().to_string());
        let result = if json {
            as_json(file, held, &config, &rows)
        } else {
            as_table(file, held, &config, &rows)
        };
        match written(result) {
            ExitCode::SUCCESS if failed => ExitCode::from(NO),
            code => code,
        }
    })
}

fn as_json(
    file: Option<String>,
    held: Option<&Path>,
    config: &Config,
    rows: &[Row],
) -> io::Result<()> {
    let devices: Vec<_> = rows
        .iter()
        .map(|Row { device, driver, verdict, detail }| {
            let verdict = verdict.word().to_lowercase();
            json!({"device": device, "driver": driver, "verdict": verdict, "detail": detail})
        })
        .collect();
    let warnings = config.warnings();
    let all =
        json!({"file": file, "daemon": held.is_some(), "devices": devices, "warnings": warnings});
    writeln!(io::stdout(), "{all}")
}

fn as_table(
    file: Option<String>,
    held: Option<&Path>,
    config: &Config,
    rows: &[Row],
) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match file {
        Some(file) => writeln!(out, "{file}: valid")?,
        None => writeln!(out, "no configuration file: every device is simulated")?,
    }
    if let Some(place) = held {
        let place = place.display();
        writeln!(out, "the daemon at {place} was asked for the devices that it holds")?;
    }
    writeln!(out)?;
    let cells = rows.iter().map(|row| {
        [row.device.as_str(), row.driver.as_str(), row.verdict.word(), row.detail.as_str()]
    });
    out.write_all(table(["device", "driver", "state", ""], cells).as_bytes())?;
    for warning in config.warnings() {
        writeln!(out, "\nwarning: {warning}")?;
    }
    out.flush()
}

/// A row a device of the file: the daemon's word for those that it holds just so, a probe of our
/// own for the rest.
async fn rows(config: &Config, daemon: Option<(&Path, &Status)>, print: bool) -> Vec<Row> {
    let held = |section: &str| {
        let told = daemon?.1.devices.iter().find(|device| device.device == section)?;
        let port = told.facts.get(PORT_FACT).map(String::as_str);
        let (driver, own_port) = config.driver_and_port(section)?;
        let same = driver == told.driver && driver != "none" && own_port.as_deref() == port;
        same.then_some(told)
    };
    let mut rest = config.clone();
    rest.forget_devices(|section| held(section).is_some());
    // A probe prints nothing, and leaves the daemon's journal alone.
    rest.printer.journal = None;
    let by_daemon = held("printer").and(daemon).map(|(place, _)| place);
    let probed = probe(&rest, print && by_daemon.is_none()).await;
    let mut rows: Vec<Row> =
        probed.into_iter().map(|own| held(&own.device).map_or(own, row)).collect();
    if let Some(place) = by_daemon.filter(|_| print) {
        let printed = test_page::at_daemon(place, config).await;
        rows.iter_mut().filter(|row| row.device == "printer").for_each(|row| row.add(&printed));
    }
    // Asked once, and only if there is somebody to ask for.
    let mut card_readers = None;
    rows.into_iter()
        .flat_map(|row| {
            if row.verdict == Verdict::Off {
                return vec![row];
            }
            let at = config.card_readers(&row.device);
            if at.is_empty() {
                return vec![one_of_several(row, config)];
            }
            let found = card_readers.get_or_insert_with(|| CardReaders::ask(CARD_READERS_LIMIT));
            at.into_iter().map(|(name, pattern)| at_reader(&row, name, pattern, found)).collect()
        })
        .collect()
}

/// A row of a device at a PC/SC reader, with the word on that reader.
fn at_reader(row: &Row, device: String, pattern: Option<String>, found: &CardReaders) -> Row {
    let driver = row.driver.clone();
    let (verdict, detail) = match readers::look(pattern.as_deref(), found) {
        // A buzzer is the reader's own, whatever lies in it.
        Ok(reader) if device == "buzzer" => (row.verdict, reader.name.clone()),
        // The other slot's trouble is in its own row.
        Ok(reader) if device.starts_with("psam") => (Verdict::Ok, readers::words(reader)),
        Ok(reader) => (row.verdict, readers::words(reader)),
        Err(detail) => return Row { device, driver, verdict: Verdict::Failed, detail },
    };
    let trouble = (verdict == Verdict::Failed).then_some(row.detail.as_str());
    let detail = [detail.as_str()].into_iter().chain(trouble).collect::<Vec<_>>().join("; ");
    Row { device, driver, verdict, detail }
}

/// A row of any other device, which fails if what is meant is one of several.
fn one_of_several(row: Row, config: &Config) -> Row {
    let several = several::words(&meant(config, &row.device));
    if several.is_empty() {
        return row;
    }
    let trouble = (row.verdict == Verdict::Failed).then_some(row.detail);
    let detail = several.into_iter().chain(trouble).collect::<Vec<_>>().join("; ");
    Row { verdict: Verdict::Failed, detail, ..row }
}

/// The word of a daemon on this machine, wherever it listens: it may have been started with
/// another environment than ours.
async fn ask_daemon(config: &Config) -> Option<(PathBuf, Status)> {
    let own = config.listen.unix.clone();
    for place in own.into_iter().chain(places()) {
        if let Ok(mut client) = Client::unix(&place).await
            && let Some(status) = ask(&mut client).await
        {
            return Some((place, status));
        }
    }
    None
}

async fn ask(client: &mut Client) -> Option<Status> {
    let answer = async {
        client.send(client::call(StatusCall::NAME, None, None)).await.ok()?;
        let frame = client.next().await.ok()??;
        match ServerFrame::parse(&frame).ok()? {
            ServerFrame::CallReply { answer, .. } => serde_json::from_str(answer.data?.get()).ok(),
            _ => None,
        }
    };
    timeout(ANSWER, answer).await.ok().flatten()
}

/// Opens the devices here; `print`s a test page where there is a printer.
async fn probe(config: &Config, print: bool) -> Vec<Row> {
    let devices = Devices::start(config, Outside::Kiosk(Recorder::default()));
    // What is opened only for somebody who listens is opened for us. A sensor in trouble says so by
    // itself.
    let _listening = devices.infrared.presence.as_ref().map(|presence| presence.listen(0));
    let settled = async {
        for device in devices.all() {
            let mut changes = device.status.changes();
            // The sender lives in `device`.
            let _ = changes.wait_for(|snapshot| snapshot.state != State::Busy).await;
        }
    };
    let _ = timeout(PROBE, settled).await;
    let printer = &devices.receipts;
    let printed = if print && printer.press.is_some() {
        Some(test_page::at(&devices, config).await)
    } else {
        None
    };
    let clock = Clock::now();
    let mut rows: Vec<Row> = devices.all().map(|device| probed_row(&device.told(clock))).collect();
    if let Some(printed) = printed {
        rows.iter_mut().filter(|row| row.device == "printer").for_each(|row| row.add(&printed));
    }
    rows
}

/// A device that was opened here, for nothing but this: one that is busy still never answered.
fn probed_row(device: &DeviceStatus) -> Row {
    let row = row(device);
    if device.state != DeviceState::Busy {
        return row;
    }
    let detail = format!("does not answer within {} s", PROBE.as_secs());
    Row { verdict: Verdict::Failed, detail, ..row }
}

fn row(device: &DeviceStatus) -> Row {
    let (verdict, detail) = match device.state {
        DeviceState::Ready | DeviceState::Busy => {
            let facts = device.facts.iter().map(|(name, value)| format!("{name} {value}"));
            let cannot = device.cannot.iter().map(|what| format!("cannot {what}"));
            (Verdict::Ok, facts.chain(cannot).collect::<Vec<_>>().join("; "))
        }
        DeviceState::Absent | DeviceState::Failed => {
            (Verdict::Failed, device.last_error.clone().unwrap_or_default())
        }
        DeviceState::Off => (Verdict::Off, String::new()),
    };
    let (device, driver) = (device.device.clone(), device.driver.clone());
    Row { device, driver, verdict, detail }
}

/// The folder of recordings, which is made when the first begins.
fn check_recording(config: &Config) -> Option<Row> {
    let directory = config.recording.directory.as_deref()?;
    let (verdict, detail) = match recording::usable(directory) {
        Ok(()) => (Verdict::Ok, directory.display().to_string()),
        Err(words) => (Verdict::Failed, words),
    };
    Some(Row { device: "recording".to_owned(), driver: String::new(), verdict, detail })
}

/// The commands of the shell are looked for, and not run.
fn check_shell(config: &Config) -> Option<Row> {
    let commands = Step::ALL.into_iter().map(|step| (step, config.shell.command(step)));
    let programs: Vec<_> = commands.filter_map(|(step, it)| Some((step, it.first()?))).collect();
    let missing = programs.iter().find_map(|(step, program)| {
        let key = step.word();
        let executable = access(program.as_str(), Access::EXEC_OK).is_ok();
        let there = Path::new(program).is_file() && executable;
        (!there).then(|| format!("{key}: {program} is no program that this user may run"))
    });
    let keys = programs.iter().map(|(step, _)| step.word()).collect::<Vec<_>>().join(", ");
    let (verdict, detail) = match missing {
        Some(words) => (Verdict::Failed, words),
        None if programs.is_empty() => return None,
        None => (Verdict::Ok, keys),
    };
    Some(Row { device: "shell".to_owned(), driver: String::new(), verdict, detail })
}

/// The vendor's library is tried in its helper process, as it is used.
async fn check_photo_decoder(config: &Config) -> Option<Row> {
    let decoder = photo_decoder(&config.id_card)?;
    let (verdict, detail) = match decoder.probe().await {
        Ok(()) => {
            let library = decoder.library().display();
            (Verdict::Ok, format!("{library}: loaded; only a card shows whether it decodes"))
        }
        Err(error) => (Verdict::Failed, error.to_string()),
    };
    let (device, driver) = ("id_card photo".to_owned(), "unpack".to_owned());
    Some(Row { device, driver, verdict, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_that_never_answered_the_probe_has_failed() {
        let told = |state: &str| -> DeviceStatus {
            let told = json!({
                "device": "infrared", "driver": "gpio", "simulated": false, "state": state,
                "since": 0, "counters": {}, "facts": {"port": "gpiochip0:3"}, "cannot": [],
            });
            serde_json::from_value(told).unwrap()
        };
        let row = probed_row(&told("busy"));
        assert!(row.verdict == Verdict::Failed);
        assert_eq!(row.detail, "does not answer within 12 s");
        assert!(probed_row(&told("ready")).verdict == Verdict::Ok);
    }
}
