//! What the bridge holds and does while nobody wants anything: memory, and wake-ups.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use hharome_hardware::code::virtual_scanner::VirtualScanner;
use hharome_hardware::id_card::virtual_reader::VirtualReader;
use hharome_hardware::port::far_end;
use hharome_hardware::port::pty::PtyFarEnd;
use serde_json::json;
use tokio::sync::oneshot;

use super::client::Transport;
use super::kernel::{memory as resident, switches};
use super::process::{Bridge, Floor};
use super::report::{Report, Row, Target};
use crate::{Effort, Outcome};

/// The report's words.
pub(crate) const MEMORY: &str = "idle memory, every device simulated";

/// The report's words.
pub(crate) const WAKE_UPS: &str = "wake-ups a minute, nobody wants anything";

/// Idle clients of each kind.
const CLIENTS: u16 = 100;

/// KB of the whole process.
const RSS: Target = Target::Measured(8.0 * 1024.0);

/// How long a bridge is left alone before its wake-ups are counted: connections have been closed
/// and devices started by then.
const SETTLE: std::time::Duration = std::time::Duration::from_millis(500);

/// Measures the process alone, and with idle clients of two kinds.
pub(crate) fn memory(_: Effort, report: &mut Report) -> Outcome<()> {
    let alone = {
        let mut bridge = Bridge::simulated()?;
        bridge.at_home(&["id_card", "qr_scanner"])?;
        resident(bridge.id())?
    };
    let row = Row::figure("RSS, no client", "KB", alone.resident);
    report.push(MEMORY, row.target(RSS).note("a client that asked for the status has gone"));
    report.push(MEMORY, Row::figure("RssAnon, no client", "KB", alone.anonymous));
    for (transport, most) in [(Transport::Unix, 24.0), (Transport::WebSocket, 40.0)] {
        let mut bridge = Bridge::simulated()?;
        // One client first, so that what the first of them costs is no client's share.
        call(&mut bridge, transport)?;
        let before = resident(bridge.id())?;
        let clients: Vec<_> =
            (0..CLIENTS).map(|_| call(&mut bridge, transport)).collect::<Outcome<_>>()?;
        let after = resident(bridge.id())?;
        drop(clients);
        let what = transport.word();
        let row = Row::figure(format!("RSS, {CLIENTS} clients, {what}"), "KB", after.resident);
        report.push(MEMORY, row);
        let share = |after: f64, before: f64| (after - before) / f64::from(CLIENTS);
        let row = share(after.resident, before.resident);
        let row = Row::figure(format!("RSS a client, {what}"), "KB", row);
        report.push(MEMORY, row.target(Target::Measured(most)));
        let row = share(after.anonymous, before.anonymous);
        report.push(MEMORY, Row::figure(format!("RssAnon a client, {what}"), "KB", row));
    }
    Ok(())
}

fn call(bridge: &mut Bridge, transport: Transport) -> Outcome<super::client::Client> {
    let mut client = bridge.connect(transport)?;
    let reply = client.ask(r#"{"action":"getDeviceInfo","taskId":"1"}"#)?;
    if reply["success"] != true {
        return Err(format!("getDeviceInfo: {reply}").into());
    }
    Ok(client)
}

/// Watches an idle floor and three bridges at the same time: simulated devices, real drivers whose
/// devices are there, real drivers whose ports are not.
pub(crate) fn wake_ups(effort: Effort, report: &mut Report) -> Outcome<()> {
    let devices = ["id_card", "qr_scanner"];
    let mut floor = Floor::echo(
        Transport::Unix,
        &json!({"sn": "", "deviceModel": "", "appVersion": "", "androidVersion": "", "deviceIP": "", "devicedDisplay": ""}),
    )?;
    floor.connect()?;
    let mut simulated = Bridge::simulated()?;
    simulated.ready(&devices)?;
    let far_ends = FarEnds::start()?;
    let mut serial = Bridge::serial(Some(&far_ends.id_card), &far_ends.scanner)?;
    serial.ready(&devices)?;
    let nowhere = tempfile::tempdir()?;
    let [card, scanner] = ["ttyUSB0", "ttyACM0"].map(|name| nowhere.path().join(name));
    let mut absent = Bridge::serial(Some(&card), &scanner)?;
    absent.connect(Transport::Unix)?;

    thread::sleep(SETTLE);
    let watched = [floor.id(), simulated.id(), serial.id(), absent.id()];
    let count = || watched.iter().map(|process| switches(*process)).collect::<Outcome<Vec<_>>>();
    let before = count()?;
    thread::sleep(effort.idle);
    let after = count()?;
    drop(far_ends);

    let a_minute = 60.0 / effort.idle.as_secs_f64();
    let mut rates = after.iter().zip(&before).map(|(after, before)| (after - before) * a_minute);
    let floor = rates.next().unwrap_or_default();
    let names =
        ["simulated devices", "real drivers, devices present", "real drivers, ports absent"];
    for (name, rate) in names.into_iter().zip(rates) {
        let row = Row::figure(name, "/min", rate).beside(floor);
        let present = !name.ends_with("absent");
        report.push(WAKE_UPS, if present { row.target(Target::Measured(floor)) } else { row });
    }
    Ok(())
}

/// A virtual reader and a virtual scanner on ptys, served by a thread of this process.
struct FarEnds {
    id_card: PathBuf,
    scanner: PathBuf,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FarEnds {
    fn start() -> Outcome<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (tell, told) = mpsc::channel();
        let thread = thread::spawn(move || {
            runtime.block_on(async move {
                let ends = PtyFarEnd::open(None).and_then(|one| Ok((one, PtyFarEnd::open(None)?)));
                let (card, scanner) = match ends {
                    Ok(ends) => ends,
                    Err(error) => {
                        let _ = tell.send(Err(error));
                        return;
                    }
                };
                let paths = (card.path().to_owned(), scanner.path().to_owned());
                let _ = tell.send(Ok(paths));
                tokio::select! {
                    biased;
                    _ = stopped => {}
                    () = far_end::run(card, VirtualReader::new().0) => {}
                    () = far_end::run(scanner, VirtualScanner::new(b"\r", None).0) => {}
                }
            });
        });
        let (id_card, scanner) = told.recv()??;
        Ok(Self { id_card, scanner, stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for FarEnds {
    fn drop(&mut self) {
        // Dropping the sender is the signal.
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
