//! The command line: what each subcommand prints, and its exit code.

use std::path::Path;
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout};

use crate::fixture::{Daemon, finish, hharome, run, soon};
use crate::id_card::{ASK, SECTION};
use crate::sam_v::{Chip, Reader, zhang_san};

/// A program that runs on, with its two directions.
struct Running {
    child: Child,
    stdin: ChildStdin,
    stdout: Lines<BufReader<ChildStdout>>,
}

impl Running {
    fn start(folder: &Path, arguments: &[&str]) -> Self {
        let mut command = hharome(folder);
        let mut child =
            command.args(arguments).stdin(Stdio::piped()).spawn().expect("the program starts");
        let stdin = child.stdin.take().expect("stdin is piped");
        let stdout = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        Self { child, stdin, stdout }
    }

    async fn line(&mut self) -> String {
        let line = soon("a line of output", self.stdout.next_line()).await.expect("UTF-8");
        line.expect("a line and not the end")
    }

    /// A line of input, and the line of output that answers it.
    async fn answer(&mut self, line: &str) -> String {
        let line = format!("{line}\n");
        soon("input is taken", self.stdin.write_all(line.as_bytes())).await.expect("it runs");
        self.line().await
    }

    async fn ended(&mut self) -> Option<i32> {
        soon("the program ends", self.child.wait()).await.expect("a status").code()
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("it runs").try_into().expect("a pid");
        let pid = rustix::process::Pid::from_raw(pid).expect("a pid");
        rustix::process::kill_process(pid, signal).expect("a signal is sent");
    }
}

/// One JSON value on one line of stdout.
fn line(stdout: &str) -> Value {
    let text = stdout.strip_suffix('\n').expect("a whole line");
    assert!(!text.contains('\n'), "{stdout}");
    serde_json::from_str(text).expect("JSON")
}

#[tokio::test]
async fn call_prints_the_reply_and_tells_yes_from_no() {
    let daemon = Daemon::start("", "[device_info]\nsn = \"K-1\"\n").await;
    let socket = daemon.socket();
    let socket = socket.to_str().expect("UTF-8");
    let arguments = ["call", "getDeviceInfo", "--task-id", "t", "--socket", socket];
    let (code, stdout, stderr) = run(daemon.folder(), &arguments).await;
    assert_eq!((code, stderr.as_str()), (0, ""));
    let reply = line(&stdout);
    assert_eq!((&reply["taskId"], &reply["data"]["sn"]), (&json!("t"), &json!("K-1")));
    let arguments = ["call", "getIDCardInfo", "--params", "{}", "--socket", socket];
    let (code, stdout, _) = run(daemon.folder(), &arguments).await;
    assert_eq!((code, &line(&stdout)["success"]), (1, &json!(false)));
    let arguments = ["call", "getIDCardInfo", "--event", "close", "--socket", socket];
    let (code, stdout, _) = run(daemon.folder(), &arguments).await;
    assert_eq!((code, &line(&stdout)["message"]), (0, &json!("关闭成功")));
    let (code, stdout, _) =
        run(daemon.folder(), &["call", "bridge.status", "--socket", socket]).await;
    assert_eq!((code, &line(&stdout)["data"]["connections"]), (0, &json!(1)));
}

#[tokio::test]
async fn call_finds_the_daemon_on_every_way() {
    let daemon = Daemon::start("token = \"0123456789abcdef\"\n", "").await;
    let tcp = daemon.tcp().to_string();
    let url = format!("ws://{}/ws", daemon.http());
    for target in [["--tcp", tcp.as_str()], ["--url", url.as_str()]] {
        let mut command = hharome(daemon.folder());
        command.args(["call", "getDeviceInfo"]).args(target);
        let (code, stdout, stderr) = finish(&mut command).await;
        assert_ne!(code, 0, "without the token: {stdout}{stderr}");
        let (code, stdout, stderr) = finish(command.env("HHAROME_TOKEN", "0123456789abcdef")).await;
        assert_eq!(code, 0, "{stderr}");
        assert_eq!(line(&stdout)["success"], true);
    }
    let mut command = hharome(daemon.folder());
    command.args(["call", "getDeviceInfo"]).env("HHAROME_SOCKET", daemon.socket());
    assert_eq!(finish(&mut command).await.0, 0);
}

#[tokio::test]
async fn wrong_usage_is_2() {
    let folder = TempDir::new().expect("a folder");
    for arguments in [
        &["call", "getDeviceInfo", "--params", "{"][..],
        &["call", "getDeviceInfo", "--event", "shut"],
        &["call"],
        &["listen"],
        &["fly"],
        &["call", "x", "--socket", "a", "--tcp", "b"],
        &["simulate", "id_card", "put", "{"],
        &["virtual", "toaster"],
        &["virtual", "id-card", "--card", "nobody"],
        &["serve", "--config"],
    ] {
        let (code, _, stderr) = run(folder.path(), arguments).await;
        assert_eq!(code, 2, "{arguments:?}");
        assert!(!stderr.is_empty(), "{arguments:?}");
    }
}

#[tokio::test]
async fn without_a_daemon_it_is_3_and_all_that_was_tried_is_named() {
    let folder = TempDir::new().expect("a folder");
    for arguments in [
        ["call", "getDeviceInfo", "--socket", "/nowhere/s"],
        ["listen", "initQRListener", "--tcp", "127.0.0.1:1"],
        ["listen", "initQRListener", "--url", "ws://127.0.0.1:1/ws"],
    ] {
        let (code, stdout, stderr) = run(folder.path(), &arguments).await;
        assert_eq!((code, stdout.as_str()), (3, ""), "{stderr}");
        assert!(stderr.contains(arguments[3]), "{stderr}");
    }
    let uid = rustix::process::getuid().as_raw();
    let usual = [
        "/run/hharome/bridge.sock".to_owned(),
        format!("{}/hharome/bridge.sock", folder.path().display()),
        format!("/tmp/hharome-{uid}/bridge.sock"),
    ];
    // Where somebody runs one for himself on this machine it would be found.
    if usual.iter().all(|place| !Path::new(place).exists()) {
        let (code, _, stderr) = run(folder.path(), &["call", "getDeviceInfo"]).await;
        assert_eq!(code, 3);
        assert!(usual.iter().all(|place| stderr.contains(place)), "{stderr}");
    }
}

#[tokio::test]
async fn listen_prints_events_one_a_line_until_it_is_stopped() {
    let daemon = Daemon::simulated().await;
    let socket = daemon.socket();
    let socket = socket.to_str().expect("UTF-8");
    // The first event of the last channel shows that all are open.
    let arguments = ["listen", "initQRListener", "bridgeDevices", "--socket", socket];
    let mut listen = Running::start(daemon.folder(), &arguments);
    let mut event: Value = serde_json::from_str(&listen.line().await).expect("JSON");
    assert_eq!(event["channel"], "bridgeDevices");
    daemon.simulate(json!({"device": "qr_scanner", "do": "scan", "text": "扫码"})).await;
    while event["channel"] == "bridgeDevices" {
        event = serde_json::from_str(&listen.line().await).expect("JSON");
    }
    assert_eq!(event, json!({"channel": "initQRListener", "data": {"qrCode": "扫码"}}));
    listen.signal(Signal::INT);
    listen.ended().await;
}

#[tokio::test]
async fn listen_ends_with_the_daemon_and_with_a_channel_that_is_not_there() {
    let daemon = Daemon::simulated().await;
    let socket = daemon.socket();
    let socket = socket.to_str().expect("UTF-8");
    for channel in ["initMoonListener", "initMicrophoneListener"] {
        let (code, stdout, stderr) =
            run(daemon.folder(), &["listen", channel, "--socket", socket]).await;
        assert_eq!((code, stdout.as_str()), (1, ""), "{channel}: {stderr}");
    }
    let mut listen =
        Running::start(daemon.folder(), &["listen", "bridgeDevices", "--socket", socket]);
    listen.line().await;
    daemon.signal(Signal::TERM);
    assert_eq!(listen.ended().await, Some(3));
}

#[tokio::test]
async fn simulate_works_a_simulated_device() {
    let daemon = Daemon::simulated().await;
    let socket = daemon.socket();
    let socket = socket.to_str().expect("UTF-8");
    let simulate = async |arguments: &[&str]| {
        let all = [&["simulate"], arguments, &["--socket", socket]].concat();
        let (code, stdout, stderr) = run(daemon.folder(), &all).await;
        assert_eq!(line(&stdout)["success"], code == 0, "{stdout}{stderr}");
        code
    };
    let mut client = daemon.unix().await;
    assert_eq!(simulate(&["id_card", "put", "li-si"]).await, 0);
    assert_eq!(client.ask(ASK).await["data"]["name"], "李四");
    assert_eq!(simulate(&["id_card", "lift"]).await, 0);
    assert_eq!(simulate(&["id_card", "put", r#"{"name":"钱七"}"#]).await, 0);
    assert_eq!(client.ask(ASK).await["data"]["name"], "钱七");
    client.on("initQRListener").await;
    assert_eq!(simulate(&["qr_scanner", "scan", "6901234567892"]).await, 0);
    assert_eq!(client.next().await["data"]["qrCode"], "6901234567892");
    assert_eq!(simulate(&["qr_scanner", "put"]).await, 1);
    assert_eq!(simulate(&["id_card", "put", "nobody"]).await, 1);
    assert_eq!(simulate(&["printer", "put"]).await, 1);
}

#[tokio::test]
async fn serve_simulate_replaces_every_driver_of_the_file() {
    let folder = TempDir::new().expect("a folder");
    let sections = "[listen]\nunix = \"{dir}/run/s\"\n[id_card]\ndriver = \"sam-v-serial\"\n\
                    port = \"/nowhere/reader\"\n";
    written(&folder, sections);
    let mut command = hharome(folder.path());
    command.args(["serve", "--simulate", "--config", "config.toml"]);
    let mut daemon = command.spawn().expect("it starts");
    let mut stderr = BufReader::new(daemon.stderr.take().expect("stderr is piped")).lines();
    let listens = async {
        while !stderr.next_line().await.expect("UTF-8").expect("it goes on").contains("listening") {
        }
    };
    soon("it listens", listens).await;
    let socket = folder.path().join("run/s");
    let call = |arguments: &[&str]| {
        let mut command = hharome(folder.path());
        command.args(arguments).env("HHAROME_SOCKET", &socket);
        command
    };
    assert_eq!(finish(&mut call(&["simulate", "id_card", "put"])).await.0, 0);
    let (code, stdout, _) = finish(&mut call(&["call", "getIDCardInfo"])).await;
    assert_eq!((code, &line(&stdout)["data"]["name"]), (0, &json!("张三")));
    daemon.kill().await.expect("it is killed");
}

fn written(folder: &TempDir, text: &str) {
    let text = text.replace("{dir}", folder.path().to_str().expect("UTF-8"));
    std::fs::write(folder.path().join("config.toml"), text).expect("it is written");
}

#[tokio::test]
async fn check_probes_each_device_and_ends_with_1_if_one_fails() {
    let folder = TempDir::new().expect("a folder");
    let _reader = Reader::new(&folder.path().join("reader"));
    let elsewhere = "[listen]\nunix = \"{dir}/no.sock\"\n";
    written(&folder, &format!("{elsewhere}{SECTION}"));
    let check = ["check", "--config", "config.toml"];
    let (code, stdout, stderr) = run(folder.path(), &check).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    assert!(stdout.contains("id_card") && stdout.contains("sam-v-serial"), "{stdout}");
    assert!(stdout.contains("05.03-20200102-0012345678-0087654321"), "{stdout}");
    let dead = "[qr_scanner]\ndriver = \"serial\"\nport = \"{dir}/nowhere\"\n";
    written(&folder, &format!("{elsewhere}{SECTION}{dead}"));
    let (code, stdout, _) = run(folder.path(), &check).await;
    assert_eq!(code, 1, "{stdout}");
    let row = stdout.lines().find(|row| row.contains("qr_scanner")).expect("a row");
    assert!(row.contains("FAILED") && row.contains("nowhere"), "{row}");
    let (code, stdout, _) = run(folder.path(), &[&check[..], &["--json"]].concat()).await;
    let told = line(&stdout);
    let devices = told["devices"].as_array().expect("a list");
    let verdict = |name: &str| {
        let device = devices.iter().find(|device| device["device"] == name).expect("listed");
        device["verdict"].as_str().expect("a verdict").to_owned()
    };
    assert_eq!(
        (code, verdict("id_card"), verdict("qr_scanner")),
        (1, "ok".into(), "failed".into())
    );
    assert_eq!((verdict("printer"), &told["daemon"]), ("off".into(), &json!(false)));
}

#[tokio::test]
async fn check_asks_a_running_daemon_for_the_devices_that_it_holds() {
    let folder = TempDir::new().expect("a folder");
    let _reader = Reader::new(&folder.path().join("reader"));
    let daemon = Daemon::start_in(folder, "", SECTION).await;
    daemon.ready("id_card").await;
    let check = ["check", "--config", "config.toml", "--json"];
    let (code, stdout, stderr) = run(daemon.folder(), &check).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
    let told = line(&stdout);
    assert_eq!(told["daemon"], true);
    let warnings = told["warnings"].as_array().expect("a list");
    let warned = warnings.iter().any(|words| words.as_str().is_some_and(|w| w.contains("token")));
    assert!(warned, "TCP without a token and a real device: {stdout}");
}

#[tokio::test]
async fn check_does_not_take_another_files_devices_for_this_ones() {
    let daemon = Daemon::start("", "[id_card]\ndriver = \"simulated\"\n").await;
    let other = "[id_card]\ndriver = \"sam-v-serial\"\nport = \"/dev/does-not-exist\"\n";
    std::fs::write(daemon.folder().join("other.toml"), other).expect("it is written");
    let socket = daemon.socket();
    let mut check = hharome(daemon.folder());
    check.env("HHAROME_SOCKET", &socket).args(["check", "--config", "other.toml", "--json"]);
    let (code, stdout, stderr) = finish(&mut check).await;
    assert_eq!(code, 1, "{stdout}{stderr}");
    let told = line(&stdout);
    assert_eq!((&told["daemon"], &told["devices"][0]["verdict"]), (&json!(true), &json!("failed")));
}

#[tokio::test]
async fn check_finds_the_daemon_that_the_environment_names() {
    let folder = TempDir::new().expect("a folder");
    let _reader = Reader::new(&folder.path().join("reader"));
    let daemon = Daemon::start_in(folder, "", SECTION).await;
    daemon.ready("id_card").await;
    let elsewhere = format!("[listen]\nunix = \"{{dir}}/no.sock\"\n{SECTION}");
    let elsewhere = elsewhere.replace("{dir}", &daemon.folder().display().to_string());
    std::fs::write(daemon.folder().join("other.toml"), elsewhere).expect("it is written");
    let socket = daemon.socket();
    let mut check = hharome(daemon.folder());
    check.env("HHAROME_SOCKET", &socket).args(["check", "--config", "other.toml"]);
    let (code, stdout, stderr) = finish(&mut check).await;
    assert_eq!(code, 0, "{stdout}{stderr}");
}

#[tokio::test]
async fn devices_tells_programs_and_people_what_is_here() {
    let folder = TempDir::new().expect("a folder");
    let (code, stdout, stderr) = run(folder.path(), &["devices", "--json"]).await;
    assert_eq!(code, 0, "{stderr}");
    assert!(line(&stdout).is_object());
    let (code, stdout, _) = run(folder.path(), &["devices"]).await;
    assert_eq!(code, 0);
    assert!(stdout.to_lowercase().contains("serial"), "{stdout}");
}

#[tokio::test]
async fn the_printed_configuration_is_one() {
    let folder = TempDir::new().expect("a folder");
    let (code, stdout, _) = run(folder.path(), &["config"]).await;
    assert_eq!(code, 0);
    for section in ["listen", "limits", "device_info", "timeouts", "id_card", "qr_scanner", "face"]
    {
        assert!(stdout.contains(&format!("\n[{section}]\n")), "{section}");
    }
    for key in ["max_frame_bytes", "social_security_card", "photo_decoder", "same_code_ms"] {
        assert!(stdout.contains(key), "{key}");
    }
    written(&folder, &stdout);
    let (code, _, stderr) = run(folder.path(), &["check", "--config", "config.toml"]).await;
    assert_eq!(code, 0, "{stderr}");
}

#[tokio::test]
async fn a_virtual_reader_is_offered_to_a_daemon() {
    let folder = TempDir::new().expect("a folder");
    let mut reader = Running::start(folder.path(), &["virtual", "id-card"]);
    let path = reader.line().await;
    assert!(Path::new(&path).exists(), "{path}");
    let sections = format!("[id_card]\ndriver = \"sam-v-serial\"\nport = \"{path}\"\n");
    let daemon = Daemon::start_in(folder, "", &sections).await;
    daemon.ready("id_card").await;
    let mut client = daemon.unix().await;
    assert_eq!(reader.answer("put li-si").await, "ok");
    assert_eq!(client.ask(ASK).await["data"]["name"], "李四");
    assert_eq!(reader.answer("lift").await, "ok");
    assert_eq!(reader.answer(r#"put {"name":"钱七","address":"示例路７号"}"#).await, "ok");
    assert_eq!(client.ask(ASK).await["data"]["address"], "示例路７号");
    for wrong in ["put nobody", "scan 1", "fault fire", "jump"] {
        assert_ne!(reader.answer(wrong).await, "ok", "{wrong}");
    }
    // The pty's number may be another's when the reader has gone: the daemon goes first.
    drop(daemon);
    reader.signal(Signal::TERM);
    assert_eq!(reader.ended().await, Some(0));
}

#[tokio::test]
async fn a_virtual_reader_at_a_link_is_unplugged_and_plugged_in_again() {
    let folder = TempDir::new().expect("a folder");
    let link = folder.path().join("reader");
    let arguments =
        ["virtual", "id-card", "--card", "wang-wu", "--link", link.to_str().expect("UTF-8")];
    let mut reader = Running::start(folder.path(), &arguments);
    assert_eq!(Path::new(&reader.line().await), link);
    let daemon = Daemon::start_in(folder, "", SECTION).await;
    daemon.ready("id_card").await;
    assert_eq!(daemon.unix().await.ask(ASK).await["data"]["name"], "王五");
    assert_eq!(reader.answer("fault unplug").await, "ok");
    daemon.device("id_card", |device| device["state"] == "absent").await;
    assert_eq!(reader.answer("fault none").await, "ok");
    daemon.ready("id_card").await;
    reader.answer("put chen-qi").await;
    assert_eq!(daemon.unix().await.ask(ASK).await["success"], true);
}

#[tokio::test]
async fn a_virtual_scanner_is_offered_to_a_daemon() {
    let folder = TempDir::new().expect("a folder");
    let mut scanner = Running::start(folder.path(), &["virtual", "scanner", "--suffix", "\\r\\n"]);
    let path = scanner.line().await;
    let sections =
        format!("[qr_scanner]\ndriver = \"serial\"\nport = \"{path}\"\nsuffix = \"\\r\\n\"\n");
    let daemon = Daemon::start_in(folder, "", &sections).await;
    daemon.ready("qr_scanner").await;
    let mut client = daemon.unix().await;
    client.on("initQRListener").await;
    assert_eq!(scanner.answer("scan two words").await, "ok");
    assert_eq!(client.next().await["data"]["qrCode"], "two words");
    drop(daemon);
    scanner.signal(Signal::INT);
    assert_eq!(scanner.ended().await, Some(0));
}

#[tokio::test]
async fn nothing_of_a_card_or_a_code_is_in_the_log_of_any_level() {
    let folder = TempDir::new().expect("a folder");
    let reader = Reader::new(&folder.path().join("reader"));
    let sections =
        format!("{SECTION}[qr_scanner]\ndriver = \"simulated\"\n[log]\nlevel = \"trace\"\n");
    let mut daemon = Daemon::start_in(folder, "", &sections).await;
    daemon.ready("id_card").await;
    let mut client = daemon.unix().await;
    client.on("initIDCardListener").await;
    client.on("initQRListener").await;
    reader.put(Chip::new(zhang_san()));
    client.send(ASK).await;
    for _ in 0..2 {
        assert_eq!(client.next().await["data"]["name"], "张三");
    }
    daemon.simulate(json!({"device": "qr_scanner", "do": "scan", "text": "secret-code"})).await;
    assert_eq!(client.next().await["data"]["qrCode"], "secret-code");
    // Mistakes, which people like to log with what is wrong.
    for wrong in [
        r#"{"action":"getIDCardInfo","taskId":"1","params":{"infoType":{"张三":"secret-code"}}}"#,
        r#"{"action":"getIDCardInfo","taskId":"1","params":{"idNum":"11010519491231002X""#,
        r#"{"call":"bridge.simulate","params":{"device":"qr_scanner","do":"secret-code"}}"#,
        r#"{"call":"张三"}"#,
        r#"{"on":"secret-code"}"#,
        "张三 11010519491231002X",
    ] {
        client.ask(wrong).await;
    }
    daemon.signal(Signal::TERM);
    daemon.ended().await;
    daemon.said("stopping").await;
    let log = daemon.log().join("\n");
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "{log}");
    for secret in ["张三", "11010519491231002X", "示例路1号", "朝阳", "19491231", "secret-code"]
    {
        assert!(!log.contains(secret), "{secret} is in:\n{log}");
    }
}

#[tokio::test]
async fn a_daemon_that_refuses_is_a_no_and_an_address_that_cannot_be_is_wrong_usage() {
    let daemon = Daemon::start("token = \"0123456789abcdef\"\n", "").await;
    let url = format!("ws://{}/ws", daemon.http());
    let elsewhere = format!("ws://{}/", daemon.http());
    for (target, place, token, expected) in [
        ("--url", url.as_str(), "wrong", 1),
        ("--url", url.as_str(), "0123456789abcdef", 0),
        ("--url", "http://127.0.0.1:1/", "", 2),
        ("--url", elsewhere.as_str(), "", 3),
        ("--tcp", "nowhere", "", 2),
        ("--tcp", &daemon.http().to_string(), "", 3),
    ] {
        let mut call = hharome(daemon.folder());
        call.env("HHAROME_TOKEN", token).args(["call", "getDeviceInfo", target, place]);
        let (code, stdout, stderr) = finish(&mut call).await;
        assert_eq!(code, expected, "{target} {place}: {stdout}{stderr}");
        assert!(!stderr.contains("start one"), "{stderr}");
    }
}
