//! Presence sensors: serial modules on ptys, written here from their documents; one of the kernel's
//! IIO, whose files below `/sys` umockdev makes up; and the project's own virtual ones.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use hharome_hardware::port::pty::Pty;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout};

use crate::fixture::{Client, Daemon, hharome, kind, run, soon};

const CHANNEL: &str = "initInfraredInductionListener";

/// The shortest interval there is, in ms.
const SHORT: u64 = 2000;

/// How late an event may come on a busy machine, and how early by the clocks' grain.
const LATE: Duration = Duration::from_millis(900);
const EARLY: Duration = Duration::from_millis(20);

/// A module's frames for "nobody" and "somebody", by its word in the configuration.
const MODULES: [(&str, [&[u8]; 2]); 3] = [
    (
        "ld2410",
        [
            b"\xF4\xF3\xF2\xF1\x0D\x00\x02\xAA\x00\x00\x00\x00\x00\x00\x00\x00\x00\x55\x00\xF8\xF7\xF6\xF5",
            b"\xF4\xF3\xF2\xF1\x0D\x00\x02\xAA\x01\x50\x00\x3C\x00\x00\x00\x50\x00\x55\x00\xF8\xF7\xF6\xF5",
        ],
    ),
    (
        "tfmini",
        // 300 cm and 60 cm, strength 1000.
        [b"\x59\x59\x2C\x01\xE8\x03\x40\x0A\x14", b"\x59\x59\x3C\x00\xE8\x03\x40\x0A\x23"],
    ),
    ("ascii", [b"OFF\r\n", b"ON\r\n"]),
];

/// What a module does.
#[derive(Clone, Copy, PartialEq)]
enum Does {
    /// Says this, again and again.
    Says(bool),
    /// Says one and the other, a hundred of each a second.
    Toggles,
    /// Says nothing.
    Silent,
}

/// A module on a pty.
struct Module {
    does: watch::Sender<Does>,
    task: JoinHandle<()>,
}

impl Module {
    fn at(path: &Path, word: &str) -> Self {
        let mut pty = Pty::open(Some(path)).expect("a pty");
        let (_, frames) = *MODULES.iter().find(|(known, _)| *known == word).expect("a module");
        let (does, mut told) = watch::channel(Does::Says(false));
        let task = tokio::spawn(async move {
            let mut ticks = interval(Duration::from_millis(5));
            let mut turn = 0_usize;
            loop {
                tokio::select! {
                    biased;
                    changed = told.changed() => if changed.is_err() { return },
                    _ = ticks.tick() => {}
                }
                turn += 1;
                let says = match *told.borrow_and_update() {
                    Does::Says(somebody) => somebody,
                    Does::Toggles => turn % 2 == 1,
                    Does::Silent => continue,
                };
                let frame = frames[usize::from(says)];
                // While nobody reads, the line takes no more.
                let written = timeout(Duration::from_millis(20), pty.write_all(frame)).await;
                assert!(written.is_err() || written.is_ok_and(|written| written.is_ok()));
            }
        });
        Self { does, task }
    }

    fn says(&self, somebody: bool) {
        self.does.send_replace(Does::Says(somebody));
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // And the pty with it.
        self.task.abort();
    }
}

fn section(word: &str) -> String {
    format!("[infrared]\ndriver = \"serial\"\nport = \"{{dir}}/sensor\"\nprotocol = \"{word}\"\n")
}

async fn with_module(word: &str) -> (Daemon, Module) {
    let folder = TempDir::new().expect("a folder");
    let module = Module::at(&folder.path().join("sensor"), word);
    let daemon = Daemon::start_in(folder, "", &section(word)).await;
    daemon.ready("infrared").await;
    (daemon, module)
}

fn request(action: &str, params: Value) -> String {
    json!({"action": action, "event": "open", "taskId": "i", "params": params}).to_string()
}

fn yes(action: &str) -> Value {
    let (event, success, message, data) = ("open", true, "成功", json!({}));
    json!({
        "action": action, "event": event, "taskId": "i", "success": success, "message": message,
        "data": data,
    })
}

const START: &str = "startInfraredInductionListener";
const STOP: &str = "stopInfraredInductionListener";

/// Starts, and tells when.
async fn starts(client: &mut Client, interval: u64) -> Instant {
    let begun = Instant::now();
    let reply = client.ask(&request(START, json!({"intervalTime": interval}))).await;
    assert_eq!(reply, yes(START));
    begun
}

/// The next event: whether somebody was there.
async fn event(client: &mut Client) -> bool {
    let event = client.next().await;
    let code = event["data"]["inductionCode"].as_str().expect("a text").to_owned();
    assert_eq!(event, json!({"channel": CHANNEL, "data": {"inductionCode": code}}));
    assert!(["0", "1"].contains(&code.as_str()), "{event}");
    code == "1"
}

async fn opened(daemon: &Daemon) -> u64 {
    let device = daemon.device("infrared", |_| true).await;
    device["counters"]["opened"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn every_module_tells_of_a_hundred_changes_a_second_and_of_nobody_after_them() {
    join_all(MODULES.map(|(word, _)| toggled(word))).await;
}

async fn toggled(word: &str) {
    let (daemon, module) = with_module(word).await;
    let mut client = daemon.unix().await;
    starts(&mut client, SHORT).await;
    assert!(!event(&mut client).await, "{word}");
    let before = arrivals(&daemon).await;
    module.does.send_replace(Does::Toggles);
    for _ in 0..2 {
        assert!(event(&mut client).await, "{word}");
    }
    module.says(false);
    // The last of them were in this interval still.
    event(&mut client).await;
    assert!(!event(&mut client).await, "{word}");
    // The module has said it some four hundred times; a busy machine says it less often.
    let seen = arrivals(&daemon).await - before;
    assert!(seen > 100, "{word}: {seen}");
}

async fn arrivals(daemon: &Daemon) -> u64 {
    let device = daemon.device("infrared", |_| true).await;
    device["counters"]["arrivals"].as_u64().unwrap_or_default()
}

#[tokio::test]
async fn a_visit_of_five_milliseconds_is_told_to_everybody_once_each_at_its_own_interval() {
    let folder = TempDir::new().expect("a folder");
    let mut sensor = Pty::open(Some(&folder.path().join("sensor"))).expect("a pty");
    let daemon = Daemon::start_in(folder, "", &section("ascii")).await;
    daemon.ready("infrared").await;
    sensor.write_all(b"0\n").await.expect("it is written");
    let (mut often, mut seldom) = (daemon.unix().await, daemon.ws().await);
    let begun = starts(&mut often, SHORT).await;
    starts(&mut seldom, 5000).await;
    sleep(Duration::from_millis(300)).await;
    sensor.write_all(b"1\n").await.expect("it is written");
    sleep(Duration::from_millis(5)).await;
    sensor.write_all(b"0\n").await.expect("it is written");
    for (number, somebody) in (1..).zip([true, false, false]) {
        assert_eq!(event(&mut often).await, somebody);
        let due = Duration::from_millis(SHORT) * number;
        let after = begun.elapsed();
        assert!(after + EARLY > due && after < due + LATE, "event {number} after {after:?}");
    }
    assert!(event(&mut seldom).await);
    let after = begun.elapsed();
    assert!(after + EARLY > Duration::from_secs(5), "{after:?}");
    assert!(!event(&mut seldom).await);
}

#[tokio::test]
async fn who_stands_there_all_the_time_is_told_again_and_again() {
    let (daemon, module) = with_module("tfmini").await;
    module.says(true);
    let mut client = daemon.tcp_client().await;
    // Too short an interval is the shortest.
    let begun = starts(&mut client, 1).await;
    for _ in 0..3 {
        assert!(event(&mut client).await);
    }
    assert!(begun.elapsed() + EARLY > Duration::from_millis(3 * SHORT));
}

#[tokio::test]
async fn on_alone_brings_nothing_and_stop_off_and_close_end_it() {
    let (daemon, _module) = with_module("ld2410").await;
    let mut listener = daemon.unix().await;
    listener.on(CHANNEL).await;
    let ends = [
        (request(STOP, json!({})), yes(STOP)),
        (
            json!({"off": CHANNEL}).to_string(),
            json!({"off": CHANNEL, "success": true, "message": "成功"}),
        ),
        (json!({"action": START, "event": "close", "taskId": "i"}).to_string(), {
            let mut reply = yes(START);
            reply["event"] = json!("close");
            reply["message"] = json!("关闭成功");
            reply
        }),
    ];
    let mut clients = Vec::new();
    for (end, reply) in ends {
        let mut client = daemon.unix().await;
        starts(&mut client, SHORT).await;
        assert!(!event(&mut client).await);
        assert_eq!(client.ask(&end).await, reply);
        clients.push(client);
    }
    sleep(Duration::from_millis(SHORT + 500)).await;
    for client in clients.iter_mut().chain([&mut listener]) {
        client.nothing_came().await;
    }
}

#[tokio::test]
async fn a_second_start_changes_the_interval_and_forgets_nobody() {
    let (daemon, module) = with_module("ascii").await;
    let mut client = daemon.unix().await;
    starts(&mut client, 5000).await;
    module.says(true);
    daemon.device("infrared", |device| device["counters"]["arrivals"] == 1).await;
    module.says(false);
    // So that it has said it.
    sleep(Duration::from_millis(100)).await;
    let begun = starts(&mut client, SHORT).await;
    assert!(event(&mut client).await);
    let after = begun.elapsed();
    assert!(after + EARLY > Duration::from_millis(SHORT) && after < Duration::from_millis(4000));
    assert!(!event(&mut client).await);
}

#[tokio::test]
async fn a_module_that_speaks_all_the_time_is_opened_for_its_listeners_only() {
    let (daemon, _module) = with_module("ld2410").await;
    assert_eq!(opened(&daemon).await, 0);
    let (mut one, mut other) = (daemon.unix().await, daemon.unix().await);
    starts(&mut one, SHORT).await;
    starts(&mut other, SHORT).await;
    assert_eq!(opened(&daemon).await, 1);
    drop(one);
    assert!(!event(&mut other).await);
    assert_eq!(other.ask(&request(STOP, json!({}))).await, yes(STOP));
    starts(&mut other, SHORT).await;
    assert_eq!(opened(&daemon).await, 2);
    daemon.ready("infrared").await;
}

#[tokio::test]
async fn a_sensor_that_is_not_there_or_not_configured_says_so_at_the_start() {
    let daemon = Daemon::start("", &section("ld2410")).await;
    daemon.device("infrared", |device| device["state"] == "absent").await;
    let mut client = daemon.unix().await;
    let reply = client.ask(&request(START, json!({}))).await;
    assert_eq!(kind(&reply), "device_unavailable");
    let none = Daemon::start("", "").await;
    let mut client = none.unix().await;
    let reply = client.ask(&request(START, json!({}))).await;
    assert_eq!(kind(&reply), "device_unavailable");
    assert_eq!(client.ask(&request(STOP, json!({}))).await, yes(STOP));
}

#[tokio::test]
async fn a_sensor_that_is_unplugged_tells_nothing_until_it_is_back() {
    let (daemon, module) = with_module("ld2410").await;
    let sensor = daemon.folder().join("sensor");
    let mut client = daemon.unix().await;
    starts(&mut client, SHORT).await;
    assert!(!event(&mut client).await);
    drop(module);
    daemon.device("infrared", |device| device["state"] == "absent").await;
    let mut late = daemon.unix().await;
    assert_eq!(kind(&late.ask(&request(START, json!({}))).await), "device_unavailable");
    sleep(Duration::from_millis(SHORT + 500)).await;
    client.nothing_came().await;
    let module = Module::at(&sensor, "ld2410");
    module.says(true);
    daemon.ready("infrared").await;
    assert!(event(&mut client).await);
    // Nobody listens any more, and it is pulled out.
    drop(client);
    daemon.device("infrared", |device| device["state"] == "ready").await;
    drop(module);
    daemon.device("infrared", |device| device["state"] == "absent").await;
    let module = Module::at(&sensor, "ld2410");
    daemon.ready("infrared").await;
    drop(module);
}

#[tokio::test]
async fn a_module_that_falls_silent_has_failed_and_nobody_is_not_what_it_says() {
    let (daemon, module) = with_module("tfmini").await;
    let mut client = daemon.unix().await;
    starts(&mut client, SHORT).await;
    assert!(!event(&mut client).await);
    module.does.send_replace(Does::Silent);
    let failed = daemon.device("infrared", |device| device["state"] == "failed").await;
    let error = failed["lastError"].as_str().expect("words");
    assert!(error.contains("says nothing"), "{error}");
    // At most the one that was due within a second of the silence.
    let reply = client.ask(r#"{"call":"bridge.status","id":"s"}"#).await;
    if reply["id"] != "s" {
        assert_eq!(reply["channel"], CHANNEL);
        assert_eq!(client.next().await["id"], "s");
    }
    let mut late = daemon.unix().await;
    assert_eq!(kind(&late.ask(&request(START, json!({}))).await), "device_failed");
    module.says(true);
    daemon.ready("infrared").await;
    assert!(event(&mut client).await);
}

#[tokio::test]
async fn check_reads_the_sensor_and_names_the_wrong_protocol() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("config.toml");
    let config = path.to_str().expect("UTF-8");
    let module = Module::at(&folder.path().join("sensor"), "tfmini");
    for (word, code, words) in [("tfmini", 0, "ok"), ("ld2410", 1, "protocol and baud")] {
        let text = section(word).replace("{dir}", folder.path().to_str().expect("UTF-8"));
        std::fs::write(&path, text).expect("it is written");
        let (exit, out, _) = run(folder.path(), &["check", "--config", config]).await;
        let row = out.lines().find(|line| line.starts_with("infrared")).expect("a row").to_owned();
        assert_eq!(exit, code, "{row}");
        assert!(row.contains(words), "{row}");
    }
    drop(module);
}

/// `hharome virtual infrared`, and the path of its pty.
struct Virtual {
    _child: Child,
    hand: ChildStdin,
    answers: tokio::io::Lines<BufReader<ChildStdout>>,
}

impl Virtual {
    async fn at(folder: &Path, word: &str) -> Self {
        let mut command = hharome(folder);
        let link = folder.join("sensor");
        command.args(["virtual", "infrared", "--protocol", word, "--link"]).arg(&link);
        let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
        let hand = child.stdin.take().expect("stdin is piped");
        let answers = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let mut device = Self { _child: child, hand, answers };
        assert_eq!(device.answer().await, link.to_str().expect("UTF-8"));
        device
    }

    async fn answer(&mut self) -> String {
        let line = soon("it answers", self.answers.next_line()).await.expect("stdout");
        line.expect("a line")
    }

    async fn does(&mut self, verb: &str) {
        self.hand.write_all(format!("{verb}\n").as_bytes()).await.expect("stdin is open");
        assert_eq!(self.answer().await, "ok");
    }
}

#[tokio::test]
async fn a_virtual_sensor_is_worked_by_hand() {
    join_all(MODULES.map(|(word, _)| worked_by_hand(word))).await;
}

async fn worked_by_hand(word: &str) {
    let folder = TempDir::new().expect("a folder");
    let mut sensor = Virtual::at(folder.path(), word).await;
    let daemon = Daemon::start_in(folder, "", &section(word)).await;
    daemon.ready("infrared").await;
    let mut client = daemon.unix().await;
    sensor.does("come").await;
    sensor.does("go").await;
    // What was while nobody listened is nobody's; the module says in between how it stands.
    sleep(Duration::from_millis(150)).await;
    starts(&mut client, SHORT).await;
    assert!(!event(&mut client).await, "{word}");
    sensor.does("pulse").await;
    assert!(event(&mut client).await, "{word}");
    assert!(!event(&mut client).await, "{word}");
    sensor.does("come").await;
    assert!(event(&mut client).await, "{word}");
    sensor.does("fault unplug").await;
    daemon.device("infrared", |device| device["state"] == "absent").await;
    sensor.does("fault none").await;
    daemon.ready("infrared").await;
}

#[tokio::test]
async fn a_simulated_sensor_is_worked_through_the_bridge_a_hundred_times_a_second() {
    let daemon = Daemon::start("", "[infrared]\ndriver = \"simulated\"\n").await;
    daemon.ready("infrared").await;
    let (mut client, mut hand) = (daemon.unix().await, daemon.unix().await);
    starts(&mut client, SHORT).await;
    // What waited in its line is thrown away first.
    sleep(Duration::from_millis(200)).await;
    let mut turns = interval(Duration::from_millis(10));
    for _ in 0..100 {
        turns.tick().await;
        for verb in ["come", "go"] {
            let call = json!({
                "call": "bridge.simulate", "params": {"device": "infrared", "do": verb},
            });
            assert_eq!(hand.ask(&call.to_string()).await["res"]["success"], true);
        }
    }
    daemon.device("infrared", |device| device["counters"]["arrivals"] == 100).await;
    assert!(event(&mut client).await);
    assert!(!event(&mut client).await);
    let wrong = json!({
        "call": "bridge.simulate", "params": {"device": "infrared", "do": "put"},
    });
    let reply = hand.ask(&wrong.to_string()).await;
    assert_eq!(kind(&reply["res"]), "bad_request");
}

/// Files below `/sys` that umockdev has made up, for processes that its library is loaded into.
struct Testbed {
    folder: PathBuf,
    /// Ends with its stdin, and removes the folder.
    _holder: Child,
}

impl Testbed {
    async fn new(folder: &Path, devices: &str) -> Self {
        let file = folder.join("devices.umockdev");
        std::fs::write(&file, devices).expect("it is written");
        let mut holder = Command::new("umockdev-run")
            .arg("-d")
            .arg(&file)
            .args(["--", "sh", "-c", "echo $UMOCKDEV_DIR; exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("umockdev-run (Debian's package umockdev) is installed");
        let mut lines = BufReader::new(holder.stdout.take().expect("it is piped")).lines();
        let line = soon("umockdev tells its folder", lines.next_line()).await.expect("stdout");
        Self { folder: line.expect("a line").into(), _holder: holder }
    }

    fn sets(&self, file: &str, content: &str) {
        std::fs::write(self.folder.join(file), content).expect("the folder is a real one");
    }
}

const IIO: &str = "\
P: /devices/platform/i2c/iio:device0
E: SUBSYSTEM=iio
A: name=als\\n
A: in_illuminance_raw=7\\n

P: /devices/platform/i2c/iio:device1
E: SUBSYSTEM=iio
A: name=vcnl4000\\n
A: in_proximity_raw=5\\n
A: in_proximity_nearlevel=40\\n
";

#[tokio::test]
async fn a_proximity_sensor_of_the_kernel_is_read_while_somebody_listens() {
    let folder = TempDir::new().expect("a folder");
    let testbed = Testbed::new(folder.path(), IIO).await;
    let sections = "[infrared]\ndriver = \"iio\"\ndevice = \"vcnl*\"\npoll_ms = 50\n";
    let environment = [
        ("UMOCKDEV_DIR", testbed.folder.as_path()),
        ("LD_PRELOAD", "libumockdev-preload.so.0".as_ref()),
    ];
    let daemon = Daemon::start_with(folder, "", sections, &environment).await;
    daemon.ready("infrared").await;
    let raw = "sys/devices/platform/i2c/iio:device1/in_proximity_raw";
    let mut client = daemon.unix().await;
    starts(&mut client, SHORT).await;
    assert!(!event(&mut client).await);
    // Of 40, ten per cent more and less change something.
    for (value, somebody) in [(43, false), (44, true), (36, true), (35, true)] {
        testbed.sets(raw, &format!("{value}\n"));
        assert_eq!(event(&mut client).await, somebody, "{value}");
    }
    assert!(!event(&mut client).await);
    // Pulled out, and back.
    std::fs::remove_file(testbed.folder.join(raw)).expect("it is there");
    daemon.device("infrared", |device| device["state"] == "absent").await;
    client.nothing_came().await;
    testbed.sets(raw, "50\n");
    daemon.ready("infrared").await;
    assert!(event(&mut client).await);
}

#[tokio::test]
async fn proximity_sensors_of_the_kernel_are_listed_with_their_configuration() {
    let folder = TempDir::new().expect("a folder");
    let testbed = Testbed::new(folder.path(), IIO).await;
    let mut command = hharome(folder.path());
    command.arg("devices").env("UMOCKDEV_DIR", &testbed.folder);
    let (exit, out, _) =
        crate::fixture::finish(command.env("LD_PRELOAD", "libumockdev-preload.so.0")).await;
    assert_eq!(exit, 0);
    let listed = "  vcnl4000  /sys/bus/iio/devices/iio:device1  in_proximity_raw  near from 40 on\n      \
                  [infrared]\n      driver = \"iio\"\n      device = \"vcnl4000\"\n";
    assert!(out.contains(listed), "{out}");
    assert!(!out.contains("als"), "{out}");
}
