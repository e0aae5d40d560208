//! Scanners: on a USB serial line, and as a keyboard that types.

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use evdev::{Device, KeyCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;

use crate::fixture::{Client, Daemon, kind, soon};
use crate::gadget::{Function, Gadget, SERIAL_MODULES, SerialEnd};
use crate::input_devices::{INPUT_MODULES, InputDevice};
use crate::machine;

const ASK: &str = r#"{"action":"getQRCode","event":"open","taskId":"q","params":{}}"#;

const SERIAL: &str = "[qr_scanner]\ndriver = \"serial\"\nport = \"/dev/ttyACM0\"\n\
                      [recording]\ndirectory = \"{dir}/recordings\"\n";

/// The next event must be this code.
async fn hears(client: &mut Client, code: &str) {
    let event = json!({"channel": "initQRListener", "data": {"qrCode": code}});
    assert_eq!(client.next().await, event);
}

async fn say(scanner: &mut SerialEnd, bytes: &[u8]) {
    soon("the scanner writes", scanner.write_all(bytes)).await.expect("the line is open");
}

async fn record(client: &mut Client, what: Value) {
    let call = json!({"call": "bridge.record", "params": what}).to_string();
    let reply = client.ask(&call).await;
    assert_eq!(reply["res"]["success"], true, "{reply}");
}

#[tokio::test]
async fn a_scanner_on_a_usb_serial_line_is_pulled_out_and_read_again() {
    let machine = machine::take().await;
    machine.load(&SERIAL_MODULES);
    let gadget = Gadget::new("Scanner", 0x0c2e, 0x0b61, &[Function::serial()]);
    gadget.plug_in();
    machine::appears(Path::new("/dev/ttyACM0")).await;

    let daemon = Daemon::start("", SERIAL).await;
    daemon.ready("qr_scanner").await;
    let mut scanner = SerialEnd::open().await;
    let mut client = daemon.unix().await;
    client.on("initQRListener").await;
    say(&mut scanner, b"6901234567892\r").await;
    hears(&mut client, "6901234567892").await;

    // Pulled out in the middle of a code, while somebody waits for one.
    let mut caller = daemon.unix().await;
    caller.send(ASK).await;
    caller.nothing_came().await;
    say(&mut scanner, b"690123").await;
    gadget.pull_out();
    assert_eq!(kind(&caller.next().await), "device_unavailable");
    let absent = daemon.device("qr_scanner", |device| device["state"] == "absent").await;
    let why = absent["lastError"].as_str().expect("words");
    assert!(why.contains("unplugged") && why.contains("plug it in"), "{why}");
    assert_eq!(kind(&caller.ask(ASK).await), "device_unavailable");
    drop(scanner);

    record(&mut caller, json!({"do": "start", "name": "again"})).await;
    gadget.plug_in();
    daemon.ready("qr_scanner").await;
    let mut scanner = SerialEnd::open().await;
    caller.send(ASK).await;
    caller.nothing_came().await;
    say(&mut scanner, "取号\r".as_bytes()).await;
    assert_eq!(caller.next().await["data"], json!({"qrCode": "取号"}));
    hears(&mut client, "取号").await;
    client.nothing_came().await;

    // The tape of the second line has its modem lines. Nobody had the device's end open yet when the
    // daemon opened its own, so there is no carrier; cdc_acm always tells CTS.
    record(&mut caller, json!({"do": "stop"})).await;
    let tape = daemon.folder().join("recordings/again/port-qr_scanner.jsonl");
    let tape = fs::read_to_string(tape).expect("a tape");
    let opened: Vec<Value> = tape
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
        .filter(|line| line.get("open").is_some() && line.get("before").is_none())
        .collect();
    assert_eq!(opened.len(), 1, "{tape}");
    let modem = json!({"cts": true, "dsr": false, "dcd": false, "ri": false});
    assert_eq!(opened[0]["open"]["modem"], modem, "{tape}");
}

const KEYBOARD: &str = "[qr_scanner]\ndriver = \"evdev\"\nport = \"0c2e:0b61\"\n";

#[tokio::test]
async fn a_scanner_that_types_is_heard_by_the_bridge_alone_and_plugged_in_again() {
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut keyboard = InputDevice::keyboard("A keyboard", (0x1d6b, 0x0301)).await;
    let mut scanner = InputDevice::keyboard("Scanner", (0x0c2e, 0x0b61)).await;
    // Another program that reads all keyboards, as a desktop does.
    let mut desktop = Device::open(scanner.path()).expect("it may be opened");
    desktop.set_nonblocking(true).expect("it may be asked only");

    let mut daemon = Daemon::start("", KEYBOARD).await;
    daemon.ready("qr_scanner").await;
    let mut client = daemon.unix().await;
    client.on("initQRListener").await;
    keyboard.types("not a code\n").await;
    let code = "https://example.com/?a=1&B={x}~\\\"|^";
    scanner.types(&format!("{code}\n")).await;
    hears(&mut client, code).await;
    assert!(desktop.fetch_events().is_err(), "the desktop has heard it as well");

    let mut caller = daemon.unix().await;
    caller.send(ASK).await;
    caller.nothing_came().await;
    scanner.types("690123").await;
    drop((scanner, desktop));
    assert_eq!(kind(&caller.next().await), "device_unavailable");
    daemon.device("qr_scanner", |device| device["state"] == "absent").await;

    let mut scanner = InputDevice::keyboard("Scanner", (0x0c2e, 0x0b61)).await;
    daemon.ready("qr_scanner").await;
    caller.send(ASK).await;
    caller.nothing_came().await;
    scanner.types("0690123\n").await;
    assert_eq!(caller.next().await["data"], json!({"qrCode": "0690123"}));
    hears(&mut client, "0690123").await;
    client.nothing_came().await;

    // The daemon gone, the device is everybody's again.
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    let mut desktop = Device::open(scanner.path()).expect("it may be opened");
    desktop.set_nonblocking(true).expect("it may be asked only");
    scanner.types("x").await;
    let event = desktop.fetch_events().expect("events").next().expect("an event");
    assert_eq!((event.code(), event.value()), (KeyCode::KEY_X.code(), 1));
}

/// The environment variable by which the measurement's own program is told to be the relay.
const RELAY: &str = "HHAROME_RELAY_OF";

/// How long the end of a code takes from the key to whoever waits for it, by turns, each at a scanner of
/// its own: in this program, which reads the device itself; at a client of the [`relay`], the least that
/// a bridge could be; and at a client of the bridge.
///
/// A debug build of the bridge does fifteen times the work of a release build, and software emulation
/// makes that milliseconds: `make test-kernel CASES=measured PROFILE=release` tells what is shipped.
#[tokio::test]
async fn measured_how_long_a_scanned_code_takes_to_a_client_over_reading_the_device() {
    const ROUNDS: usize = 100;
    const CODE: &str = "690123";
    if let Some(device) = std::env::var_os(RELAY) {
        return relay(Path::new(&device)).await;
    }
    let machine = machine::take().await;
    machine.load(&INPUT_MODULES);
    let mut scanner = InputDevice::keyboard("Scanner", (0x0c2e, 0x0b61)).await;
    let mut second = InputDevice::keyboard("Second scanner", (0x0c2e, 0x0b62)).await;
    let mut third = InputDevice::keyboard("Third scanner", (0x0c2e, 0x0b63)).await;
    let direct = Device::open(second.path()).expect("it may be opened");
    let mut direct = direct.into_event_stream().expect("a stream");
    let (_relay, mut relayed) = start_relay(third.path()).await;
    let daemon = Daemon::start("", KEYBOARD).await;
    daemon.ready("qr_scanner").await;
    let mut client = daemon.unix().await;
    client.on("initQRListener").await;

    let [mut read, mut passed_on, mut told] = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        second.types(CODE).await;
        let began = Instant::now();
        second.strike(KeyCode::KEY_ENTER);
        loop {
            let event = soon("an event", direct.next_event()).await.expect("an event");
            if (event.code(), event.value()) == (KeyCode::KEY_ENTER.code(), 1) {
                break;
            }
        }
        read.push(began.elapsed());

        third.types(CODE).await;
        let began = Instant::now();
        third.strike(KeyCode::KEY_ENTER);
        let mut line = String::new();
        soon("a line", relayed.read_line(&mut line)).await.expect("a line");
        passed_on.push(began.elapsed());
        assert_eq!(line, format!("{CODE}\n"));

        scanner.types(CODE).await;
        let began = Instant::now();
        scanner.strike(KeyCode::KEY_ENTER);
        // Looked at when the time is taken, as the relay's line is.
        let event = client.text().await.expect("a frame and not the end");
        told.push(began.elapsed());
        let event: Value = serde_json::from_str(&event).expect("JSON");
        assert_eq!(event, json!({"channel": "initQRListener", "data": {"qrCode": CODE}}));
    }
    let figures = |times: &mut Vec<Duration>| {
        times.sort();
        let at = |part: usize| times[(times.len() * part / 100).min(times.len() - 1)];
        (at(50).as_secs_f64() * 1e3, at(99).as_secs_f64() * 1e3)
    };
    let ((read, read_99), (passed_on, passed_on_99)) =
        (figures(&mut read), figures(&mut passed_on));
    let (told, told_99) = figures(&mut told);
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    println!(
        "bench: enter key to qrCode event: median {told:.2} ms, p99 {told_99:.2}; the device read \
         directly: {read:.2}, p99 {read_99:.2}; passed on by a process that does nothing else: \
         {passed_on:.2}, p99 {passed_on_99:.2}; the bridge over reading directly: {:.2}, p99 {:.2} \
         (target 2); over passing on: {:.2}, p99 {:.2}, {:.2} times ({ROUNDS} rounds, {build} build, in \
         software emulation)",
        told - read,
        told_99 - read_99,
        told - passed_on,
        told_99 - passed_on_99,
        told / passed_on,
    );
}

/// Starts this program again as the [`relay`]: the process, which ends with its value, and a client's
/// end.
async fn start_relay(device: &Path) -> (tokio::process::Child, BufReader<UnixStream>) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("two ends");
    ours.set_nonblocking(true).expect("a socket");
    let this = std::env::current_exe().expect("this program");
    let name =
        "scanner::measured_how_long_a_scanned_code_takes_to_a_client_over_reading_the_device";
    let relay = tokio::process::Command::new(this)
        .args(["--exact", name, "--nocapture"])
        .env(RELAY, device)
        .stdin(Stdio::from(OwnedFd::from(theirs)))
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("it starts");
    let mut client = BufReader::new(UnixStream::from_std(ours).expect("inside the runtime"));
    let mut ready = String::new();
    soon("the relay is ready", client.read_line(&mut ready)).await.expect("a line");
    (relay, client)
}

/// The least that a bridge for scanners that type could be, with what it is made of: waits for the device
/// with epoll, reads it, and writes each code as a line to a Unix socket, its stdin. It ends with the
/// device.
async fn relay(device: &Path) {
    let socket = std::io::stdin().as_fd().try_clone_to_owned().expect("a socket");
    let socket = std::os::unix::net::UnixStream::from(socket);
    socket.set_nonblocking(true).expect("a socket");
    let mut socket = UnixStream::from_std(socket).expect("inside the runtime");
    let mut device = Device::open(device).expect("it may be opened");
    device.grab().expect("nobody has it");
    let mut events = device.into_event_stream().expect("a stream");
    socket.write_all(b"ready\n").await.expect("the test listens");
    // Digits only: those are the codes that it is given.
    let mut line = String::new();
    while let Ok(event) = events.next_event().await {
        match (event.code(), event.value()) {
            (digit @ 2..=10, 1) => line.push_str(&(digit - 1).to_string()),
            (11, 1) => line.push('0'),
            (code, 1) if code == KeyCode::KEY_ENTER.code() => {
                line.push('\n');
                socket.write_all(line.as_bytes()).await.expect("the test listens");
                line.clear();
            }
            _ => {}
        }
    }
}
