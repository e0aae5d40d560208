//! The second screen on a Wayland compositor with two outputs: what is on the glass is read back.
//!
//! As in [`super::screen`], the customer's picture must be nowhere but on the customer's output.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Signal, geteuid, kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::fixture::{Client, Daemon, finish, hharome, kind, soon, write_config};
use super::screen::{
    BLUE, RED, all, close, full, holder, none, open, png, shows, state, until_state,
};
use super::sway::{CUSTOMERS, NOBODY, OPERATORS, Sway};

/// The daemon with a second screen in this session, and its client.
async fn begin(session: &Sway, lines: &str) -> (Daemon, Client) {
    let daemon = Daemon::start("", &session.sections(lines)).await;
    let client = daemon.unix().await;
    (daemon, client)
}

async fn refused(client: &mut Client) {
    let reply = open(client, &STANDARD.encode(full(BLUE))).await;
    assert_eq!(kind(&reply), "device_unavailable");
}

/// Until the customer's screen shows nothing of this colour.
async fn until_gone(session: &Sway, colour: [u8; 3]) {
    let looked = async {
        while !none(session.customers().await.pixels(), colour) {
            tokio::task::yield_now().await;
        }
    };
    soon("the picture is gone", looked).await;
}

#[tokio::test]
async fn a_picture_is_on_the_customers_output_when_it_is_answered_and_nowhere_else() {
    let session = Sway::start().await;
    let (daemon, mut client) = begin(&session, "").await;
    assert_eq!(state(&mut client).await, 0);
    let seats = session.message("session", &["-t", "get_seats"]).await;
    for colour in [RED, BLUE] {
        shows(&mut client, &full(colour)).await;
        assert!(all(session.customers().await.pixels(), colour));
        assert!(none(session.operators().await.pixels(), colour));
        assert_eq!(state(&mut client).await, 1);
    }
    // Nothing has the focus that had it not.
    assert_eq!(session.message("session", &["-t", "get_seats"]).await, seats);
    let device = daemon.device("second_screen", |device| device["state"] == "ready").await;
    assert_eq!(device["facts"]["output"], CUSTOMERS.0);
    assert_eq!(device["facts"]["size"], "640x480");
    assert_eq!(close(&mut client).await["success"], true);
    until_gone(&session, BLUE).await;
    assert_eq!(state(&mut client).await, 0);
    assert_eq!(close(&mut client).await["success"], true);
}

#[tokio::test]
async fn a_picture_of_another_shape_is_in_the_middle_of_the_background_at_any_scale_and_turned() {
    let session = Sway::start().await;
    let (daemon, mut client) = begin(&session, "background = \"#0a141e\"").await;
    let around = [10, 20, 30];
    let sized = async |size: &str| {
        daemon.device("second_screen", |device| device["facts"]["size"] == size).await;
    };
    // 640 × 320 of 640 × 480: 80 rows above and below, to the pixel whatever the desktop's measure is.
    let wide = png(200, 100, RED);
    shows(&mut client, &wide).await;
    for scale in ["1", "2", "1.6"] {
        session.tell(&format!("output WL-2 scale {scale}")).await;
        sized("640x480").await;
        shows(&mut client, &wide).await;
        let seen = session.customers().await;
        for (y, expected) in [(0, around), (79, around), (80, RED), (399, RED), (400, around)] {
            for x in [0, 320, 639] {
                assert_eq!(seen.at(x, y), expected, "scale {scale}, column {x}, row {y}");
            }
        }
    }
    // It hangs upright: 480 × 240 of 480 × 640.
    session.tell("output WL-2 scale 1 transform 90").await;
    sized("480x640").await;
    shows(&mut client, &wide).await;
    let seen = session.customers().await;
    for (y, expected) in [(199, around), (200, RED), (439, RED), (440, around)] {
        assert_eq!(seen.at(0, y), expected, "row {y}");
        assert_eq!(seen.at(479, y), expected, "row {y}");
    }
}

#[tokio::test]
async fn an_output_that_is_pulled_out_takes_its_picture_along_and_brings_it_back() {
    let session = Sway::start().await;
    let (daemon, mut client) = begin(&session, "").await;
    shows(&mut client, &full(RED)).await;
    for _ in 0..2 {
        session.pull_out().await;
        until_state(&mut client, -1).await;
        assert!(none(session.operators().await.pixels(), RED));
        refused(&mut client).await;
        let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
        let words = device["lastError"].as_str().expect("words");
        assert!(words.contains("the only output that is switched on is WL-1"), "{words}");
        session.plug_in().await;
        until_state(&mut client, 1).await;
        assert!(all(session.customers().await.pixels(), RED));
        assert!(none(session.operators().await.pixels(), RED));
    }
    // Closed meanwhile, it does not come back.
    session.pull_out().await;
    until_state(&mut client, -1).await;
    assert_eq!(close(&mut client).await["success"], true);
    session.plug_in().await;
    until_state(&mut client, 0).await;
    assert!(none(session.customers().await.pixels(), RED));
}

#[tokio::test]
async fn the_operators_output_stays_the_operators_wherever_it_moves() {
    let session = Sway::start().await;
    let (daemon, mut client) = begin(&session, "").await;
    shows(&mut client, &full(RED)).await;
    // Now the customer's is the leftmost.
    session.tell("output WL-1 position 640 0").await;
    session.tell("output WL-2 position 0 0").await;
    let until_shown_again = async |times: u64| {
        let shown = |device: &Value| {
            device["state"] == "ready" && device["counters"]["shownAgain"].as_u64() >= Some(times)
        };
        daemon.device("second_screen", shown).await;
    };
    until_shown_again(1).await;
    until_state(&mut client, 1).await;
    assert!(all(session.customers().await.pixels(), RED));
    assert!(none(session.operators().await.pixels(), RED));
    // Both over each other are no two screens.
    session.tell("output WL-1 position 0 0").await;
    until_state(&mut client, -1).await;
    assert!(none(session.operators().await.pixels(), RED));
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("shows the same as"), "{words}");
}

#[tokio::test]
async fn the_output_that_is_named_is_taken_and_no_other() {
    let session = Sway::start().await;
    let (_daemon, mut client) = begin(&session, "output = \"WL-1\"").await;
    shows(&mut client, &png(16, 9, RED)).await;
    assert!(all(session.operators().await.pixels(), RED));
    assert!(none(session.customers().await.pixels(), RED));
    let (daemon, mut client) = begin(&session, "output = \"HDMI-A-9\"").await;
    assert_eq!(state(&mut client).await, -1);
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("(these are: WL-1, WL-2)"), "{words}");
}

#[tokio::test]
async fn a_compositor_that_dies_costs_nothing_but_the_time_until_it_is_back() {
    let mut session = Sway::start().await;
    let (daemon, mut client) = begin(&session, "").await;
    shows(&mut client, &full(RED)).await;
    session.kill().await;
    until_state(&mut client, -1).await;
    refused(&mut client).await;
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("Wayland compositor"), "{words}");
    session.run().await;
    until_state(&mut client, 1).await;
    assert!(all(session.customers().await.pixels(), RED));
}

#[tokio::test]
async fn the_process_that_holds_the_output_is_started_again_and_goes_with_the_daemon() {
    let session = Sway::start().await;
    let (mut daemon, mut client) = begin(&session, "").await;
    shows(&mut client, &full(RED)).await;
    kill_process(holder(&daemon).expect("a child"), Signal::KILL).expect("it runs");
    let again = |device: &Value| device["counters"]["shownAgain"] == 1;
    daemon.device("second_screen", again).await;
    assert!(all(session.customers().await.pixels(), RED));
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    until_gone(&session, RED).await;
    assert_eq!(session.customers().await.at(0, 0), session.operators().await.at(0, 0));
}

#[tokio::test]
async fn a_session_that_is_closed_to_the_daemon_is_told_with_the_permission_that_is_missing() {
    if !geteuid().is_root() {
        // Only root can become the user who may not.
        return;
    }
    let session = Sway::start().await;
    let socket = session.runtime_folder().join("wayland-1");
    let stranger = (NOBODY - 1).to_string();
    let set = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("root may");
    };
    // Whoever may not pass through the folders of this checkout has to find the program, too.
    let everybodys = TempDir::new().expect("a folder");
    set(everybodys.path(), 0o755);
    let program = everybodys.path().join("hharome");
    fs::copy(env!("CARGO_BIN_EXE_hharome"), &program).expect("there is room for it");
    // The folder as a session has it; one that may be passed but not looked into; and the socket alone.
    let named = format!("wayland_display = \"{}\"\n", socket.display());
    for (folder, socket_mode, line, words) in [
        (0o700, 0o755, "", "may not pass through the folder"),
        (0o711, 0o755, "", "name the compositor in [session] wayland_display"),
        (0o711, 0o700, named.as_str(), "may not write to the socket, which belongs to user 65534"),
    ] {
        set(&session.runtime_folder(), folder);
        set(&socket, socket_mode);
        let own = TempDir::new().expect("a folder");
        set(own.path(), 0o755);
        let section =
            session.sections("").replace("[second_screen]", &format!("{line}[second_screen]"));
        write_config(own.path(), "", &section);
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", &stranger, "--regid", &stranger, "--clear-groups"])
            .arg(&program)
            .args(["check", "--json", "--config"])
            .arg(own.path().join("config.toml"));
        let (code, said, errors) = finish(&mut command).await;
        assert_eq!(code, 1, "{said}{errors}");
        let told: Value = serde_json::from_str(&said).expect("JSON");
        let rows = told["devices"].as_array().expect("rows");
        let row = rows.iter().find(|row| row["device"] == "second_screen").expect("a row");
        let detail = row["detail"].as_str().expect("words");
        assert!(detail.contains("permission denied"), "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
}

#[tokio::test]
async fn check_and_devices_know_the_outputs() {
    let session = Sway::start().await;
    let folder = TempDir::new().expect("a folder");
    write_config(folder.path(), "", &session.sections(""));
    let mut check = hharome(folder.path());
    check.args(["check", "--config"]).arg(folder.path().join("config.toml"));
    let (code, out, words) = finish(&mut check).await;
    assert_eq!(code, 0, "{out}{words}");
    let row = out.lines().find(|line| line.starts_with("second_screen")).expect("a row");
    assert!(row.contains("ok") && row.contains("output WL-2"), "{row}");
    let mut devices = hharome(folder.path());
    devices.arg("devices").arg("--json").env("XDG_RUNTIME_DIR", session.runtime_folder());
    let (code, out, _) = finish(&mut devices).await;
    assert_eq!(code, 0);
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let outputs = &found["wayland_outputs"];
    let operators = json!({"name": OPERATORS.0, "width": 1280, "height": 720, "config": []});
    assert_eq!(outputs[0], operators);
    assert_eq!(
        outputs[1]["config"],
        json!(["[second_screen]\ndriver = \"wayland\"\noutput = \"WL-2\"\n"])
    );
    // Where there is no session, that is said.
    let (_, out, _) = finish(hharome(folder.path()).args(["devices", "--json"])).await;
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let note = found["wayland_outputs_note"].as_str().expect("words");
    assert!(note.contains("no Wayland compositor answers"), "{note}");
}
