//! The suite against our own bridge, all of it, and against bridges that are wrong.
//!
//! Sockets and time are real here, as they are for the suite itself.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::bridge::Bridge;
use crate::config::Config;
use crate::connection::{self, Peer};
use crate::report::{self, Report, Verdict};
use crate::transport::lines::Lines;
use crate::transport::websocket::WebSocket;

/// Short enough for a test, and longer than any case waits for a card that must not be read.
const TIME_LIMIT: Duration = Duration::from_secs(5);

/// Of the operation timeout: half of it is long on a busy machine.
const COUNTDOWN: Duration = Duration::from_millis(1500);

/// Our bridge in this process, everything simulated, with short time limits.
struct Ours {
    bridge: Arc<Bridge>,
    folder: TempDir,
}

impl Ours {
    fn start(lines: &str) -> Self {
        let text = format!(
            "[id_card]\ndriver = \"simulated\"\npoll_ms = 100\n\
             [qr_scanner]\ndriver = \"simulated\"\n\
             [cpu_card]\ndriver = \"simulated\"\n\
             [psam]\ndriver = \"simulated\"\n\
             [social_security_card]\ndriver = \"simulated\"\n\
             [microphone]\ndriver = \"simulated\"\n\
             [buzzer]\ndriver = \"simulated\"\n\
             [infrared]\ndriver = \"simulated\"\n\
             [input]\ndriver = \"simulated\"\n\
             [speech]\ndriver = \"simulated\"\n\
             [printer]\ndriver = \"simulated\"\n\
             [second_screen]\ndriver = \"simulated\"\n\
             [face]\ndriver = \"simulated\"\n\
             [timeouts]\nid_card = {limit}\nqr_code = {limit}\n\
             social_security_card = {limit}\noperation = {countdown}\n[listen]\n{lines}",
            limit = TIME_LIMIT.as_millis(),
            countdown = COUNTDOWN.as_millis()
        );
        Self::configured(&text)
    }

    fn configured(text: &str) -> Self {
        let config = Config::parse(text, "test.toml").expect("a configuration");
        let folder = TempDir::new().expect("a folder");
        Self { bridge: Bridge::new(config), folder }
    }

    fn unix(&self) -> Door {
        let path = self.folder.path().join("bridge.sock");
        let listener = UnixListener::bind(&path).expect("a socket");
        let bridge = Arc::clone(&self.bridge);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let lines = Lines::new(stream, bridge.config().listen.max_frame_bytes);
                let peer = Peer { transport: "unix", token_by: None };
                let stop = CancellationToken::new();
                tokio::spawn(connection::serve(Arc::clone(&bridge), lines, peer, stop));
            }
        });
        Door::Unix(path)
    }

    async fn tcp(&self) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let bridge = Arc::clone(&self.bridge);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let config = bridge.config();
                let lines = Lines::new(stream, config.listen.max_frame_bytes);
                let by = tokio::time::Instant::now() + Duration::from_secs(60);
                let token_by = config.listen.token.as_ref().map(|_| by);
                let peer = Peer { transport: "tcp", token_by };
                let stop = CancellationToken::new();
                tokio::spawn(connection::serve(Arc::clone(&bridge), lines, peer, stop));
            }
        });
        Door::Tcp(address.to_string())
    }

    async fn websocket(&self) -> Door {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let bridge = Arc::clone(&self.bridge);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let bridge = Arc::clone(&bridge);
                tokio::spawn(async move {
                    let Ok(shaken) = accept_async(stream).await else { return };
                    let limit = bridge.config().listen.max_frame_bytes;
                    let stream = shaken.into_inner();
                    let socket = WebSocket::new(stream, &[], Role::Server, limit);
                    let peer = Peer { transport: "ws", token_by: None };
                    connection::serve(bridge, socket, peer, CancellationToken::new()).await;
                });
            }
        });
        Door::WebSocket(format!("ws://{address}/ws"))
    }
}

fn settings(door: Door) -> Settings {
    Settings { door, token: None, only: None, time_limit: Some(TIME_LIMIT), all: false }
}

/// What was not tried, after all that was tried has passed.
fn not_tried(report: &Report) -> BTreeSet<String> {
    assert!(report.all_passed(), "{}", report.table());
    let untried = |case: &&report::Case| matches!(case.verdict, Verdict::NotTried { .. });
    report
        .cases
        .iter()
        .filter(untried)
        .map(|case| format!("{}/{}", case.suite, case.name))
        .collect()
}

/// What can be tried only on a bridge with other devices or calls than the test's.
const ELSEWHERE: [&str; 4] =
    ["bridge/jobs", "bridge/record", "bridge/simulate_of_a_real_device", "operation/switched_off"];

fn assert_only(untried: &BTreeSet<String>, allowed: &[&str]) {
    for name in untried {
        let known = allowed.iter().chain(&ELSEWHERE).any(|start| name.starts_with(start));
        assert!(known, "not tried: {name}");
    }
}

#[tokio::test]
async fn our_bridge_passes_on_a_unix_socket() {
    let ours = Ours::start("");
    let report = run(settings(ours.unix())).await;
    assert_eq!(report.cases.len(), cases(None).count());
    assert_only(&not_tried(&report), &["websocket/", "wire/without_the_token"]);
}

#[tokio::test]
async fn our_bridge_passes_on_tcp_with_a_token() {
    let token = "0123456789abcdef";
    let ours = Ours::start(&format!("token = \"{token}\"\n"));
    let settings = Settings { token: Some(token.to_owned()), ..settings(ours.tcp().await) };
    assert_only(&not_tried(&run(settings).await), &["websocket/"]);
}

#[tokio::test]
async fn our_bridge_passes_on_websocket() {
    let ours = Ours::start("");
    let report = run(settings(ours.websocket().await)).await;
    let lines = [
        "wire/a_frame_at_the_limit",
        "wire/a_frame_over_the_limit",
        "wire/a_frame_that_breaks_off",
        "wire/a_line_may_end",
        "wire/bad_utf_8",
        "wire/bytes_may_come",
        "wire/frames_of_one_write",
        "wire/without_the_token",
    ];
    assert_only(&not_tried(&report), &lines);
}

#[tokio::test]
async fn what_an_operator_forbids_or_allows_breaks_no_rule() {
    let ours = Ours::configured(
        "[cpu_card]\ndriver = \"simulated\"\nraw_apdus = false\n\
         [psam]\ndriver = \"simulated\"\ndenied_apdus = []\n",
    );
    let door = ours.unix();
    for (only, tried, untried) in [
        ("cpu_card/a_", "cpu_card/a_card_is_told", "cpu_card/a_card_that_another_program"),
        ("psam/", "psam/a_command_goes_to_its_slot", "psam/what_the_operator_forbids"),
    ] {
        let only = Some(only.to_owned());
        let not_tried = not_tried(&run(Settings { only, ..settings(door.clone()) }).await);
        let holds = |start: &str| not_tried.iter().any(|name| name.starts_with(start));
        assert!(!holds(tried) && holds(untried), "{not_tried:?}");
    }
}

#[tokio::test]
async fn a_countdown_that_is_switched_off_or_takes_long_breaks_no_rule() {
    for (countdown, passed) in [(0, vec!["switched_off_it_never_fires"]), (60_000, Vec::new())] {
        let ours = Ours::configured(&format!(
            "[input]\ndriver = \"simulated\"\n[timeouts]\noperation = {countdown}\n"
        ));
        let only = Some("operation/".to_owned());
        let report = run(Settings { only, ..settings(ours.unix()) }).await;
        not_tried(&report);
        let tried = |case: &&report::Case| matches!(case.verdict, Verdict::Passed);
        let tried: Vec<_> = report.cases.iter().filter(tried).map(|case| &case.name).collect();
        assert_eq!(tried, [vec!["the_watcher_answers_as_a_call"], passed].concat(), "{countdown}");
    }
}

#[tokio::test]
async fn devices_are_left_as_they_were_found() {
    let ours = Ours::start("");
    let door = ours.unix();
    for only in ["id_card/without_the_reader", "cpu_card/stop_ends", "psam/a_command_without_a"] {
        let only = Some(only.to_owned());
        let report = run(Settings { only, ..settings(door.clone()) }).await;
        assert_eq!(report.counts().passed, 1, "{}", report.table());
    }
    let path = ours.folder.path().join("bridge.sock");
    let mut client = BufReader::new(UnixStream::connect(path).await.expect("it is there"));
    client.write_all(b"{\"call\":\"bridge.status\"}\n").await.expect("it is sent");
    let mut line = String::new();
    client.read_line(&mut line).await.expect("a reply");
    let status: Value = serde_json::from_str(&line).expect("JSON");
    let devices = status["res"]["data"]["devices"].as_array().expect("devices");
    let device = |name: &str| devices.iter().find(|one| one["device"] == name).expect("it is told");
    for name in ["id_card", "cpu_card", "psam"] {
        assert_eq!(device(name)["state"], "ready", "{name}");
    }
    assert_eq!(device("cpu_card")["facts"]["card"], "none");
    for slot in ["slot1.card", "slot2.card"] {
        assert_eq!(device("psam")["facts"][slot], "present", "{slot}");
    }
}

#[test]
fn the_names_are_unique_and_every_citation_stands_on_the_page() {
    let page = include_str!("../../docs/protocol.md");
    let names: BTreeSet<_> = cases(None).map(|case| case.name).collect();
    assert_eq!(names.len(), cases(None).count());
    assert!(names.len() >= 60, "{}", names.len());
    for case in cases(None) {
        assert_eq!(case.name.matches('/').count(), 1, "{}", case.name);
        let rule = format!("- **{}** ", case.cites);
        assert!(page.contains(&rule), "{} cites {}", case.name, case.cites);
    }
}

#[test]
fn addresses_are_told_apart() {
    for (text, door) in [
        ("/run/hharome/bridge.sock", Door::Unix("/run/hharome/bridge.sock".into())),
        ("bridge.sock", Door::Unix("bridge.sock".into())),
        ("./a:1", Door::Unix("./a:1".into())),
        ("127.0.0.1:17801", Door::Tcp("127.0.0.1:17801".to_owned())),
        ("[::1]:17801", Door::Tcp("[::1]:17801".to_owned())),
        ("ws://127.0.0.1:17802/ws", Door::WebSocket("ws://127.0.0.1:17802/ws".to_owned())),
    ] {
        assert_eq!(Door::parse(text).ok(), Some(door), "{text}");
    }
    for text in ["", "http://a:1", "wss://a/ws", "host:", ":17801", "host:port", "host:70000"] {
        assert!(Door::parse(text).is_err(), "{text}");
    }
}

mod fake;
mod spoilt;
mod spoilt_sound;
