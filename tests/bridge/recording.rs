//! Recording at a running daemon: when it may, what it leaves on the disk, and that no call ever
//! learns of its trouble.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use hharome::recording::format::{DAEMON_FILE, META_FILE};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::fixture::{Client, Daemon, hharome, kind, run, soon, write_config};

const SECTIONS: &str = "[id_card]\ndriver = \"simulated\"\n[qr_scanner]\ndriver = \"simulated\"\n\
                        [recording]\ndirectory = \"{dir}/recordings\"\n";

/// A daemon that may record, with all devices ready.
async fn recording_daemon(more: &str) -> Daemon {
    daemon_with("", more).await
}

/// The same with more in `[listen]` and at the end of its configuration.
pub(crate) async fn daemon_with(listen: &str, more: &str) -> Daemon {
    let daemon = Daemon::start(listen, &format!("{SECTIONS}{more}")).await;
    daemon.ready("id_card").await;
    daemon.ready("qr_scanner").await;
    daemon
}

fn folder_of(daemon: &Daemon, name: &str) -> PathBuf {
    daemon.folder().join("recordings").join(name)
}

pub(crate) async fn record(client: &mut Client, params: Value) -> Value {
    let call = json!({"call": "bridge.record", "params": params});
    client.ask(&call.to_string()).await["res"].clone()
}

/// Every line of every file, by file.
fn lines(folder: &Path) -> BTreeMap<String, Vec<Value>> {
    let mut all = BTreeMap::new();
    for entry in fs::read_dir(folder).expect("a recording") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "jsonl") {
            let text = fs::read_to_string(&path).expect("text");
            let lines = text.lines().map(|line| serde_json::from_str(line).expect(line)).collect();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            all.insert(name, lines);
        }
    }
    all
}

/// All bytes of a recording.
fn bytes(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).expect("a recording") {
        let path = entry.expect("an entry").path();
        all.extend(if path.is_dir() { bytes(&path) } else { fs::read(path).expect("a file") });
    }
    all
}

async fn one_card(daemon: &Daemon, client: &mut Client) -> Value {
    client.send(r#"{"action":"getIDCardInfo","event":"open","taskId":"7","params":{}}"#).await;
    daemon.simulate(json!({"device": "id_card", "do": "put", "card": "li-si"})).await;
    let reply = client.next().await;
    daemon.simulate(json!({"device": "id_card", "do": "lift"})).await;
    assert_eq!(reply["success"], true, "{reply}");
    reply
}

#[tokio::test]
async fn without_a_directory_nothing_can_be_recorded() {
    let daemon = Daemon::simulated().await;
    let refused = record(&mut daemon.unix().await, json!({"do": "start", "name": "a"})).await;
    assert_eq!(kind(&refused), "forbidden");
    let detail = refused["data"]["error"]["detail"].as_str().expect("words");
    assert!(detail.contains("[recording] directory"), "{detail}");

    let folder = TempDir::new().expect("a folder");
    write_config(folder.path(), "", "");
    let arguments = ["serve", "--config", "config.toml", "--record", "a"];
    let (code, _, words) = run(folder.path(), &arguments).await;
    assert_eq!(code, 2, "{words}");
    assert!(words.contains("--record") && words.contains("[recording] directory"), "{words}");
}

#[tokio::test]
async fn a_recording_holds_what_passed_between_its_start_and_its_stop() {
    let daemon = recording_daemon("").await;
    let (mut hand, mut client) = (daemon.unix().await, daemon.tcp_client().await);
    let begun = record(&mut hand, json!({"do": "start", "name": "visit-1"})).await;
    assert_eq!(begun["data"]["recording"], true, "{begun}");
    assert_eq!(begun["data"]["name"], "visit-1");
    one_card(&daemon, &mut client).await;
    let ended = record(&mut hand, json!({"do": "stop"})).await;
    assert_eq!(ended["data"]["recording"], false, "{ended}");
    assert_eq!(ended["data"]["ended"], "stopped");
    assert!(ended["data"]["bytes"].as_u64() > Some(1000), "{ended}");
    one_card(&daemon, &mut client).await;

    let folder = folder_of(&daemon, "visit-1");
    let mode = |path: &Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(&folder.join(META_FILE))), (0o700, 0o600));
    let meta: Value =
        serde_json::from_slice(&fs::read(folder.join(META_FILE)).expect("meta")).expect("JSON");
    assert_eq!(meta["format"], json!({"major": 1, "minor": 2}));
    assert_eq!(meta["personalData"], "replaced");
    assert_eq!(meta["config"]["id_card"]["driver"], "simulated");

    let files = lines(&folder);
    for (file, lines) in &files {
        let last = lines.last().expect("a line");
        let whole = !last["end"].is_null() || !last["gone"].is_null();
        assert!(whole, "{file} has no end: {last}");
        let times: Vec<_> = lines.iter().filter(|line| line["before"].is_null()).collect();
        let times: Vec<_> = times.iter().map(|line| line["t"].as_i64().expect("t")).collect();
        assert!(times.is_sorted(), "{file}: {times:?}");
    }
    let client = files.values().find(|lines| lines[0]["connect"]["transport"] == "tcp");
    let client = client.expect("the TCP client is there");
    assert_eq!(client[1]["in"]["action"], "getIDCardInfo");
    assert_eq!(client[2]["out"]["action"], "getIDCardInfo");
    assert_eq!(client.len(), 4, "{client:?}");
    let said = |port: &str, way: &str, bytes: &str| {
        let lines = &files[&format!("port-{port}.jsonl")];
        lines.iter().any(|line| line[way].as_str().is_some_and(|hex| hex.starts_with(bytes)))
    };
    assert!(said("id_card", "out", "AAAAAA96690003200122"), "find was asked for");
    assert!(said("id_card", "in", "AAAAAA9669000800009F"), "a card was found");
    assert_eq!(files[DAEMON_FILE].last().expect("a line")["end"], "stopped");
    let text = String::from_utf8_lossy(&bytes(&folder)).into_owned();
    assert!(!text.contains("bridge.record"), "the recorder is not in the recording");
}

#[tokio::test]
async fn a_client_that_only_works_the_recorder_is_in_no_recording_and_a_silent_one_is() {
    let daemon = Daemon::start("token = \"t\"\n", SECTIONS).await;
    let leave = async |mut client: Client| {
        client.finish_sending().await;
        client.rest().await;
    };
    let mut hand = daemon.unix().await;
    record(&mut hand, json!({"do": "start", "name": "r"})).await;
    leave(hand).await;
    leave(daemon.unix().await).await;
    let mut hand = daemon.tcp_client().await;
    hand.send(r#"{"token":"t"}"#).await;
    record(&mut hand, json!({"do": "status"})).await;
    leave(hand).await;
    let mut busy = daemon.unix().await;
    record(&mut busy, json!({"do": "status"})).await;
    busy.ask(r#"{"call":"bridge.status"}"#).await;
    leave(busy).await;
    let _silent = daemon.ws().await;
    record(&mut daemon.unix().await, json!({"do": "stop"})).await;

    let mut files = lines(&folder_of(&daemon, "r"));
    files.retain(|name, _| name.starts_with("client-"));
    let keys =
        |line: &Value| line.as_object().expect("an object").keys().find(|key| *key != "t").cloned();
    let told: Vec<Vec<_>> =
        files.values().map(|lines| lines.iter().filter_map(keys).collect()).collect();
    let busy = ["connect", "in", "out", "inEnd", "gone"];
    let silent = ["connect", "end"];
    assert_eq!(told, [&["connect", "inEnd", "gone"][..], &busy, &silent]);
}

#[tokio::test]
async fn whoever_works_the_recorder_is_told_where_the_recording_is_and_how_it_ended() {
    let mut daemon = recording_daemon("").await;
    let socket = daemon.socket();
    let cli = async |daemon: &Daemon, arguments: &[&str]| {
        let target = ["--socket", socket.to_str().expect("UTF-8")];
        run(daemon.folder(), &[&["record"], arguments, &target].concat()).await
    };
    let idle = cli(&daemon, &["stop"]).await;
    assert_eq!((idle.0, idle.2.as_str()), (1, "hharome: nothing was being recorded\n"));
    let folder = folder_of(&daemon, "w");
    for (arguments, recording) in
        [(&["start", "w"][..], true), (&["status"], true), (&["stop"], false)]
    {
        let (code, reply, words) = cli(&daemon, arguments).await;
        assert_eq!((code, words.as_str()), (0, ""));
        let reply: Value = serde_json::from_str(&reply).expect("JSON");
        assert_eq!(reply["data"]["folder"], folder.to_str().expect("UTF-8"), "{reply}");
        assert_eq!(reply["data"]["recording"], recording);
    }
    let line = daemon.said("recording ended").await;
    assert!(line.contains("INFO") && line.contains("why=\"stopped\""), "{line}");
    assert!(line.contains("name=\"w\"") && line.contains("bytes="), "{line}");
    let idle = cli(&daemon, &["stop"]).await;
    assert_eq!((idle.0, idle.2.as_str()), (1, "hharome: nothing was being recorded\n"));

    for name in ["../x", "", "a/b", ".hidden"] {
        // No daemon is asked: there is none.
        let nobody = ["record", "start", name, "--socket", "/nobody/there"];
        let (code, _, words) = run(daemon.folder(), &nobody).await;
        assert_eq!(code, 2, "{name}: {words}");
        assert!(words.contains("a recording's name has"), "{words}");
    }
}

#[tokio::test]
async fn lint_tells_damage_from_a_torn_end_and_what_is_left_to_look_at() {
    let daemon = recording_daemon("").await;
    let mut hand = daemon.unix().await;
    record(&mut hand, json!({"do": "start", "name": "l"})).await;
    one_card(&daemon, &mut daemon.unix().await).await;
    record(&mut hand, json!({"do": "stop"})).await;
    let folder = folder_of(&daemon, "l");
    let lint = async || {
        run(daemon.folder(), &["recording", "lint", folder.to_str().expect("UTF-8")]).await
    };
    let (code, out, words) = lint().await;
    assert_eq!((code, out.as_str()), (0, ""), "{words}");
    assert!(words.contains(": clean\n") && words.contains("meta.json still tells"), "{words}");

    let port = folder.join("port-id_card.jsonl");
    let whole = fs::read_to_string(&port).expect("text");
    fs::write(&port, &whole[..whole.len() - 5]).expect("a write");
    let (code, out, words) = lint().await;
    assert_eq!((code, out.as_str()), (0, ""), "{words}");
    assert!(words.contains(": clean; torn at the end: port-id_card.jsonl\n"), "{words}");

    fs::write(&port, whole.replacen("\"t\":", "\"t\";", 3)).expect("a write");
    let (code, out, words) = lint().await;
    assert_eq!(code, 2, "{out}{words}");
    assert!(out.contains("port-id_card.jsonl:1: cannot be read: "), "{out}");
    assert!(!words.contains("clean"), "{words}");
}

#[tokio::test]
async fn the_start_of_the_daemon_can_be_recorded_and_so_can_its_end() {
    let folder = TempDir::new().expect("a folder");
    write_config(folder.path(), "", SECTIONS);
    let mut command = hharome(folder.path());
    command.args(["serve", "--config", "config.toml", "--record", "whole"]);
    let mut daemon = command.spawn().expect("it starts");
    let mut log = BufReader::new(daemon.stderr.take().expect("piped")).lines();
    while let Some(line) = soon("a line", log.next_line()).await.expect("text") {
        if line.contains("device ready") && line.contains("id_card") {
            break;
        }
    }
    let socket = folder.path().join("hharome/bridge.sock");
    let stream = soon("unix", tokio::net::UnixStream::connect(socket)).await.expect("it listens");
    let mut client = Client::lines(stream);
    client.send(r#"{"action":"getIDCardInfo","event":"open","taskId":"1"}"#).await;
    client.ask(r#"{"call":"bridge.status"}"#).await;
    let pid = rustix::process::Pid::from_raw(daemon.id().expect("it runs").cast_signed());
    rustix::process::kill_process(pid.expect("a pid"), Signal::TERM).expect("a signal");
    assert_eq!(client.next().await["message"], "取消");
    soon("the end", daemon.wait()).await.expect("a status");

    let files = lines(&folder.path().join("recordings/whole"));
    let port = &files["port-id_card.jsonl"];
    assert!(port[0]["open"].is_object() && port[0]["before"].is_null(), "{}", port[0]);
    let daemon = &files[DAEMON_FILE];
    assert_eq!(daemon[0]["stopping"], true);
    assert_eq!(daemon[1]["end"], "daemonStopped");
    let client = &files["client-0001.jsonl"];
    let outs: Vec<_> = client.iter().filter(|line| line["out"].is_object()).collect();
    assert_eq!(outs.last().expect("a frame")["out"]["message"], "取消");
    assert_eq!(client.last().expect("a line")["gone"], "stopped");
}

#[tokio::test]
async fn a_recording_that_begins_in_the_middle_knows_what_was_under_way() {
    let daemon = recording_daemon("").await;
    let mut client = daemon.unix().await;
    client.on("initQRListener").await;
    client.send(r#"{"action":"getIDCardInfo","event":"open","taskId":"early"}"#).await;
    daemon.device("id_card", |device| device["counters"]["opened"] == 1).await;
    client.nothing_came().await;
    record(&mut daemon.unix().await, json!({"do": "start", "name": "m"})).await;
    daemon.simulate(json!({"device": "id_card", "do": "put"})).await;
    assert_eq!(client.next().await["taskId"], "early");
    record(&mut daemon.unix().await, json!({"do": "stop"})).await;

    let files = lines(&folder_of(&daemon, "m"));
    let client = files.values().find(|lines| lines[0]["connect"].is_object() && lines.len() > 3);
    let client = client.expect("the client");
    assert_eq!(client[0]["before"], true);
    assert_eq!(client[1]["in"], json!({"on": "initQRListener"}));
    assert_eq!(client[2]["in"]["taskId"], "early");
    assert!(client[2]["t"].as_i64() < Some(0) && client[2]["before"] == true, "{}", client[2]);
    assert_eq!(client[3]["out"]["taskId"], "early");
    let port = &files["port-id_card.jsonl"];
    let before: Vec<_> = port.iter().take_while(|line| line["before"] == true).collect();
    assert!(before[0]["open"].is_object(), "{}", before[0]);
    let asked = |bytes: &str| before.iter().any(|line| line["out"] == bytes);
    assert!(asked("AAAAAA9669000311FFED"), "the module's status was asked for at its start");
    assert!(!asked("AAAAAA96690003200221"), "cards are not part of the start");
}

#[tokio::test]
async fn names_cannot_lead_anywhere_and_nothing_is_written_over() {
    let daemon = recording_daemon("").await;
    let mut hand = daemon.unix().await;
    let long = "x".repeat(65);
    for name in ["", "..", "../a", "a/b", "/tmp/a", ".hidden", "a b", "名", &long] {
        let refused = record(&mut hand, json!({"do": "start", "name": name})).await;
        assert_eq!(kind(&refused), "bad_request", "{name}");
    }
    assert_eq!(kind(&record(&mut hand, json!({"do": "start"})).await), "bad_request");
    assert!(!daemon.folder().join("recordings").exists(), "nothing was made");

    record(&mut hand, json!({"do": "start", "name": "a"})).await;
    let second = record(&mut hand, json!({"do": "start", "name": "b"})).await;
    assert_eq!(kind(&second), "device_busy");
    record(&mut hand, json!({"do": "stop"})).await;
    let again = record(&mut hand, json!({"do": "start", "name": "a"})).await;
    assert_eq!(kind(&again), "bad_request");
    let other = record(&mut hand, json!({"do": "start", "name": "b"})).await;
    assert_eq!(other["data"]["recording"], true, "{other}");
}

#[tokio::test]
async fn what_a_killed_daemon_has_recorded_can_be_read() {
    let mut daemon = recording_daemon("").await;
    let (mut hand, mut client) = (daemon.unix().await, daemon.unix().await);
    record(&mut hand, json!({"do": "start", "name": "k"})).await;
    one_card(&daemon, &mut client).await;
    let folder = folder_of(&daemon, "k");
    let written = async {
        while !String::from_utf8_lossy(&bytes(&folder)).contains("\"out\":{\"action\"") {
            tokio::task::yield_now().await;
        }
    };
    soon("the reply is on the disk", written).await;
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    let files = lines(&folder);
    assert!(files.contains_key("port-id_card.jsonl"), "{:?}", files.keys());
}

/// The daemon with a limit on its files' sizes, as a full disk would be: writes fail.
#[tokio::test]
async fn a_full_disk_ends_the_recording_with_one_warning_and_no_call_learns_of_it() {
    let folder = TempDir::new().expect("a folder");
    write_config(folder.path(), "", SECTIONS);
    let mut command = Command::new("bash");
    command
        .args(["-c", "trap '' XFSZ; ulimit -f 8; exec \"$0\" serve --config config.toml"])
        .arg(env!("CARGO_BIN_EXE_hharome"))
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("XDG_RUNTIME_DIR", folder.path())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command.spawn().expect("bash is there");
    let mut log = BufReader::new(child.stderr.take().expect("piped")).lines();
    while let Some(line) = soon("a line", log.next_line()).await.expect("text") {
        if line.contains("transport=\"ws\"") {
            break;
        }
    }
    let socket = folder.path().join("hharome/bridge.sock");
    let stream = soon("unix", tokio::net::UnixStream::connect(socket)).await.expect("it listens");
    let mut client = Client::lines(stream);
    let begun = record(&mut client, json!({"do": "start", "name": "full"})).await;
    assert_eq!(begun["data"]["recording"], true, "{begun}");
    // 8 KiB a file, ulimit's blocks being 1 KiB: more than that of one client's frames.
    let ended = async {
        loop {
            let reply = client.ask(r#"{"action":"getDeviceInfo","taskId":"1"}"#).await;
            assert_eq!(reply["success"], true, "{reply}");
            let status = record(&mut client, json!({"do": "status"})).await;
            if status["data"]["recording"] == false {
                return status;
            }
        }
    };
    let status = soon("the recording ends", ended).await;
    let why = status["data"]["ended"].as_str().expect("a reason");
    assert!(why.contains("full"), "it names the place: {why}");
    let reply = client.ask(r#"{"action":"getDeviceInfo","taskId":"2"}"#).await;
    assert_eq!(reply["success"], true);
    // What it says of its end it has said when that is waited for.
    record(&mut client, json!({"do": "stop"})).await;
    child.start_kill().expect("it runs");
    let mut warnings = Vec::new();
    while let Some(line) = soon("a line", log.next_line()).await.expect("text") {
        if line.contains("recording") && line.contains("WARN") {
            warnings.push(line);
        }
    }
    assert_eq!(warnings.len(), 1, "{warnings:?}");
}

#[tokio::test]
async fn a_recording_ends_at_its_size() {
    let mut daemon = recording_daemon("max_bytes = 65536\n").await;
    let mut client = daemon.unix().await;
    record(&mut client, json!({"do": "start", "name": "s"})).await;
    let ended = async {
        loop {
            client.ask(r#"{"action":"getDeviceInfo","taskId":"1"}"#).await;
            let status = record(&mut client, json!({"do": "status"})).await;
            if status["data"]["recording"] == false {
                return status;
            }
        }
    };
    let status = soon("the recording ends", ended).await;
    assert_eq!(status["data"]["ended"], "[recording] max_bytes is reached");
    daemon.said("max_bytes is reached").await;
    // Its end is waited for.
    record(&mut client, json!({"do": "stop"})).await;
    let ends = lines(&folder_of(&daemon, "s"));
    assert_eq!(ends[DAEMON_FILE].last().expect("a line")["end"], status["data"]["ended"]);
}

#[tokio::test]
async fn neither_the_token_nor_what_is_on_a_card_or_in_a_code_reaches_the_disk() {
    let listen = "token = \"a-very-secret-token\"\n";
    let daemon = Daemon::start(listen, SECTIONS).await;
    daemon.ready("id_card").await;
    daemon.ready("qr_scanner").await;
    record(&mut daemon.unix().await, json!({"do": "start", "name": "p"})).await;
    let mut client = daemon.tcp_client().await;
    client.send(r#"{"token":"a-very-secret-token"}"#).await;
    client.on("initIDCardListener").await;
    let mut unix = daemon.unix().await;
    let card = one_card(&daemon, &mut unix).await;
    let code = "https://pay.example/q?id=28763456789012345678&名=王小明";
    unix.send(r#"{"action":"getQRCode","taskId":"q"}"#).await;
    daemon.simulate(json!({"device": "qr_scanner", "do": "scan", "text": code})).await;
    assert_eq!(unix.next().await["data"]["qrCode"], code);
    record(&mut unix, json!({"do": "stop"})).await;

    let text = bytes(&folder_of(&daemon, "p"));
    let upper = String::from_utf8_lossy(&text).to_uppercase();
    let data = &card["data"];
    let mut secrets: Vec<String> =
        ["name", "idNum", "address", "signingOrganization", "birthDate", "beginTime"]
            .iter()
            .map(|key| data[key].as_str().expect("a string").to_owned())
            .collect();
    secrets.extend(["a-very-secret-token", "28763456789012345678", "王小明"].map(str::to_owned));
    for secret in secrets {
        let utf16: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (encoding, form) in [
            ("as it is", secret.to_uppercase()),
            ("UTF-8 in hex", hharome::recording::format::hex(secret.as_bytes())),
            ("UTF-16LE in hex", hharome::recording::format::hex(&utf16)),
        ] {
            assert!(!upper.contains(&form), "{secret}, {encoding}");
        }
    }
    assert!(daemon.log().iter().all(|line| !line.contains("a-very-secret-token")));
}

#[tokio::test]
async fn personal_data_is_kept_only_when_it_is_asked_for_and_the_recording_says_so() {
    let mut daemon = recording_daemon("").await;
    let mut client = daemon.unix().await;
    let socket = daemon.socket();
    let target = ["--socket", socket.to_str().expect("UTF-8")];
    let start = ["record", "start", "kept", "--keep-personal-data", target[0], target[1]];
    let (code, reply, _) = run(daemon.folder(), &start).await;
    assert_eq!(code, 0, "{reply}");
    daemon.said("--keep-personal-data").await;
    let card = one_card(&daemon, &mut client).await;
    let (code, reply, _) = run(daemon.folder(), &["record", "stop", target[0], target[1]]).await;
    assert_eq!(code, 0, "{reply}");
    let folder = folder_of(&daemon, "kept");
    let meta: Value =
        serde_json::from_slice(&fs::read(folder.join(META_FILE)).expect("meta")).expect("JSON");
    assert_eq!(meta["personalData"], "kept");
    let text = String::from_utf8_lossy(&bytes(&folder)).into_owned();
    assert!(text.contains(card["data"]["idNum"].as_str().expect("a number")));
    let folder = folder.to_str().expect("UTF-8");
    let (code, out, words) = run(daemon.folder(), &["recording", "lint", folder]).await;
    assert_eq!(code, 1, "{out}{words}");
    let (_, shown, _) = run(daemon.folder(), &["recording", "show", folder]).await;
    assert!(shown.to_lowercase().contains("personal data"), "{shown}");
}
