//! The second screen on an X server with two outputs: what is on the glass is read back.
//!
//! The customer's picture must be nowhere but on the customer's output, whatever becomes of that.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use image::{ImageFormat, Rgb, RgbImage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::io::Cursor;

use super::fixture::{Client, Daemon, hharome, kind, soon, write_config};
use super::x_server::{CUSTOMERS, OPERATORS, XClient, XServer};

pub(crate) const RED: [u8; 3] = [200, 0, 0];
pub(crate) const BLUE: [u8; 3] = [0, 0, 200];
pub(crate) const BLACK: [u8; 3] = [0; 3];

/// A PNG of one colour.
pub(crate) fn png(width: u32, height: u32, colour: [u8; 3]) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(width, height, Rgb(colour));
    picture.write_to(&mut file, ImageFormat::Png).expect("memory");
    file.into_inner()
}

/// A picture that fills the customer's screen.
pub(crate) fn full(colour: [u8; 3]) -> Vec<u8> {
    png(64, 48, colour)
}

pub(crate) async fn open(client: &mut Client, base64: &str) -> Value {
    let params = json!({ "secondaryScreenBase64": base64 });
    let frame = json!({"action": "openSecondaryScreen", "taskId": "o", "params": params});
    client.ask(&frame.to_string()).await
}

pub(crate) async fn shows(client: &mut Client, file: &[u8]) {
    let reply = open(client, &STANDARD.encode(file)).await;
    assert_eq!((&reply["success"], &reply["message"]), (&json!(true), &json!("成功")), "{reply}");
    assert_eq!(reply["data"], json!({}));
}

pub(crate) async fn close(client: &mut Client) -> Value {
    client.ask(r#"{"action":"closeSecondaryScreen","taskId":"c","params":{}}"#).await
}

pub(crate) async fn state(client: &mut Client) -> i64 {
    let frame = r#"{"action":"getSecondaryScreenState","taskId":"s","params":{}}"#;
    let reply = client.ask(frame).await;
    assert_eq!(reply["success"], true, "{reply}");
    reply["data"]["getSecondaryScreenState"].as_i64().expect("a number")
}

pub(crate) async fn until_state(client: &mut Client, wanted: i64) {
    let asked = async {
        while state(client).await != wanted {
            tokio::task::yield_now().await;
        }
    };
    soon(&format!("the state is {wanted}"), asked).await;
}

pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let looked = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    soon(what, looked).await;
}

pub(crate) fn all(pixels: &[[u8; 3]], colour: [u8; 3]) -> bool {
    pixels.iter().all(|pixel| *pixel == colour)
}

pub(crate) fn none(pixels: &[[u8; 3]], colour: [u8; 3]) -> bool {
    pixels.iter().all(|pixel| *pixel != colour)
}

/// The daemon with a second screen on this server, its client, and one of the server's.
async fn begin(server: &XServer, lines: &str) -> (Daemon, Client, XClient) {
    let daemon = Daemon::start("", &server.sections(lines)).await;
    let client = daemon.unix().await;
    (daemon, client, server.client())
}

#[tokio::test]
async fn a_picture_is_on_the_customers_screen_when_it_is_answered_and_nowhere_else() {
    let server = XServer::with_two_outputs().await;
    let (daemon, mut client, x) = begin(&server, "").await;
    assert_eq!(state(&mut client).await, 0);
    shows(&mut client, &full(RED)).await;
    assert!(all(&x.customers(), RED));
    assert!(none(&x.operators(), RED));
    assert_eq!(state(&mut client).await, 1);
    // The next takes its place.
    shows(&mut client, &full(BLUE)).await;
    assert!(all(&x.customers(), BLUE));
    let device = daemon.device("second_screen", |device| device["state"] == "ready").await;
    assert_eq!(device["facts"]["output"], CUSTOMERS.0);
    assert_eq!(device["facts"]["size"], "640x480");
    let reply = close(&mut client).await;
    assert_eq!((&reply["success"], &reply["message"]), (&json!(true), &json!("成功")), "{reply}");
    assert!(none(&x.customers(), BLUE));
    assert_eq!(state(&mut client).await, 0);
    assert_eq!(close(&mut client).await["success"], true);
}

#[tokio::test]
async fn a_picture_of_another_shape_is_in_the_middle_of_the_background() {
    let server = XServer::with_two_outputs().await;
    let (_daemon, mut client, x) = begin(&server, "background = \"#0a141e\"").await;
    // 640 × 320 of 640 × 480: 80 rows above and below.
    shows(&mut client, &png(200, 100, RED)).await;
    let left = i16::try_from(OPERATORS.1).unwrap();
    for (y, expected) in
        [(0, [10, 20, 30]), (79, [10, 20, 30]), (80, RED), (399, RED), (400, [10, 20, 30])]
    {
        assert_eq!(x.at(left, y), expected, "row {y}");
        assert_eq!(x.at(left + 639, y), expected, "row {y}");
    }
    // 240 × 480: 200 columns on either side.
    shows(&mut client, &png(100, 200, BLUE)).await;
    for (column, expected) in
        [(0, [10, 20, 30]), (199, [10, 20, 30]), (200, BLUE), (439, BLUE), (440, [10, 20, 30])]
    {
        assert_eq!(x.at(left + column, 0), expected, "column {column}");
    }
}

#[tokio::test]
async fn base64_is_read_however_it_is_written_and_a_jpeg_too() {
    let server = XServer::with_two_outputs().await;
    let (_daemon, mut client, x) = begin(&server, "").await;
    // A picture whose base64 has both of the characters that URLs do not take.
    let file = (0..=255_u8)
        .map(|shade| full([shade, 7, 9]))
        .find(|file| ["+", "/"].iter().all(|mark| STANDARD.encode(file).contains(mark)));
    let file = file.expect("one of them");
    let colour = image::load_from_memory(&file).unwrap().into_rgb8().get_pixel(0, 0).0;
    let lines: Vec<String> = STANDARD
        .encode(&file)
        .as_bytes()
        .chunks(40)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    for base64 in [
        lines.join("\r\n"),
        URL_SAFE.encode(&file),
        format!("data:image/png;base64,{}", STANDARD.encode(&file)),
    ] {
        assert_eq!(close(&mut client).await["success"], true);
        let reply = open(&mut client, &base64).await;
        assert_eq!(reply["success"], true, "{reply}");
        assert!(all(&x.customers(), colour));
    }
    let mut jpeg = Cursor::new(Vec::new());
    let grey = RgbImage::from_pixel(640, 480, Rgb([100; 3]));
    grey.write_to(&mut jpeg, ImageFormat::Jpeg).unwrap();
    shows(&mut client, jpeg.get_ref()).await;
    let near = |[red, ..]: [u8; 3]| red.abs_diff(100) < 4;
    assert!(x.customers().into_iter().all(near));
}

#[tokio::test]
async fn what_is_no_picture_is_a_bad_request_that_says_why_and_the_last_picture_stays() {
    let server = XServer::with_two_outputs().await;
    let (_daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    // 30,000 × 30,000 pixels by its header.
    let mut huge = png(1, 1, RED);
    huge[16..24].copy_from_slice(&[0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let crc = crc32(&huge[12..29]);
    huge[29..33].copy_from_slice(&crc.to_be_bytes());
    let mut cut = png(64, 48, BLUE);
    cut.truncate(cut.len() - 20);
    for (base64, words) in [
        ("!!!".to_owned(), "expected base64"),
        (String::new(), "expected a picture, not nothing"),
        (STANDARD.encode("hello, this is no picture"), "expected a picture: PNG, JPEG, BMP"),
        (STANDARD.encode(&huge), "30000x30000 pixels are too many"),
        (STANDARD.encode(&cut), "a PNG that cannot be decoded"),
    ] {
        let reply = open(&mut client, &base64).await;
        assert_eq!(kind(&reply), "bad_request");
        let detail = reply["data"]["error"]["detail"].as_str().unwrap();
        assert!(detail.contains("params.secondaryScreenBase64"), "{detail}");
        assert!(detail.contains(words), "{detail}");
    }
    assert_eq!(state(&mut client).await, 1);
    assert!(all(&x.customers(), RED));
}

/// That of PNG (ISO/IEC 15948, annex D).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { 0xEDB8_8320 ^ (crc >> 1) } else { crc >> 1 }
        })
    })
}

#[tokio::test]
async fn a_single_output_is_the_operators_and_never_covered() {
    let server = XServer::start().await;
    server.xrandr(&["--output", OPERATORS.0, "--mode", "1280x720"]).await;
    let (daemon, mut client, x) = begin(&server, "").await;
    assert_eq!(state(&mut client).await, -1);
    assert_eq!(kind(&open(&mut client, &STANDARD.encode(full(RED))).await), "device_unavailable");
    assert_eq!(close(&mut client).await["success"], true);
    assert!(none(&x.operators(), RED));
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("the only output that is switched on is DUMMY0"), "{words}");
    // It comes later.
    server.plug_in().await;
    until_state(&mut client, 0).await;
    shows(&mut client, &full(RED)).await;
    assert!(all(&x.customers(), RED));
}

#[tokio::test]
async fn an_output_that_is_pulled_out_takes_its_picture_along_and_brings_it_back() {
    for window_manager in [None, Some("openbox")] {
        let mut server = XServer::with_two_outputs().await;
        if let Some(program) = window_manager {
            server.manage_windows(program).await;
        }
        let (daemon, mut client, x) = begin(&server, "").await;
        shows(&mut client, &full(RED)).await;
        for _ in 0..3 {
            server.pull_out().await;
            until_state(&mut client, -1).await;
            assert!(none(&x.operators(), RED), "{window_manager:?}");
            let refused = open(&mut client, &STANDARD.encode(full(BLUE))).await;
            assert_eq!(kind(&refused), "device_unavailable");
            server.plug_in().await;
            until_state(&mut client, 1).await;
            assert!(all(&x.customers(), RED), "{window_manager:?}");
            assert!(none(&x.operators(), RED), "{window_manager:?}");
        }
        // Closed meanwhile, it does not come back.
        server.pull_out().await;
        until_state(&mut client, -1).await;
        assert_eq!(close(&mut client).await["success"], true);
        server.plug_in().await;
        until_state(&mut client, 0).await;
        assert!(none(&x.customers(), RED));
        drop(daemon);
    }
}

#[tokio::test]
async fn the_operators_screen_that_moves_to_where_the_picture_was_does_not_show_it() {
    for window_manager in [None, Some("openbox")] {
        let mut server = XServer::with_two_outputs().await;
        if let Some(program) = window_manager {
            server.manage_windows(program).await;
        }
        server.xrandr(&["--output", CUSTOMERS.0, "--left-of", OPERATORS.0]).await;
        let (_daemon, mut client, x) = begin(&server, "output = \"DUMMY1\"").await;
        shows(&mut client, &full(RED)).await;
        assert_eq!((x.at(0, 0), x.at(639, 479)), (RED, RED), "{window_manager:?}");
        // The desktop begins with the operator's screen then.
        server.pull_out().await;
        until_state(&mut client, -1).await;
        assert!(none(&x.operators(), RED), "{window_manager:?}");
    }
}

#[tokio::test]
async fn an_output_that_mirrors_the_operators_shows_nothing() {
    let server = XServer::with_two_outputs().await;
    let (daemon, mut client, x) = begin(&server, "output = \"DUMMY1\"").await;
    shows(&mut client, &full(RED)).await;
    server.xrandr(&["--output", CUSTOMERS.0, "--same-as", OPERATORS.0]).await;
    until_state(&mut client, -1).await;
    assert!(none(&x.operators(), RED));
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("DUMMY1 shows the same as DUMMY0"), "{words}");
    server.xrandr(&["--output", CUSTOMERS.0, "--right-of", OPERATORS.0]).await;
    until_state(&mut client, 1).await;
    assert!(all(&x.customers(), RED));
}

#[tokio::test]
async fn an_output_that_changes_its_size_or_place_gets_its_picture_anew() {
    let server = XServer::with_two_outputs().await;
    server.xrandr(&["--addmode", CUSTOMERS.0, "1280x720"]).await;
    let (daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    server.xrandr(&["--output", CUSTOMERS.0, "--mode", "1280x720", "--pos", "1280x0"]).await;
    let sized = |device: &Value| device["facts"]["size"] == "1280x720";
    daemon.device("second_screen", sized).await;
    until_state(&mut client, 1).await;
    // 960 × 720: 160 columns on either side.
    for (column, expected) in [(159, BLACK), (160, RED), (1119, RED), (1120, BLACK)] {
        assert_eq!(x.at(1280 + column, 719), expected, "column {column}");
    }
    server.xrandr(&["--output", CUSTOMERS.0, "--pos", "1400x100"]).await;
    until("the picture moves along", || x.at(1400 + 640, 100 + 719) == RED).await;
}

#[tokio::test]
async fn the_output_that_is_named_is_taken_and_no_other() {
    let server = XServer::with_two_outputs().await;
    let (_daemon, mut client, x) = begin(&server, "output = \"DUMMY0\"").await;
    shows(&mut client, &png(16, 9, RED)).await;
    assert!(all(&x.operators(), RED));
    assert!(none(&x.customers(), RED));
    let (daemon, mut client, _) = begin(&server, "output = \"HDMI-9\"").await;
    assert_eq!(state(&mut client).await, -1);
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("(these are: DUMMY0, DUMMY1)"), "{words}");
}

#[tokio::test]
async fn the_primary_output_is_the_operators_wherever_it_stands() {
    let server = XServer::with_two_outputs().await;
    server.xrandr(&["--output", CUSTOMERS.0, "--primary"]).await;
    let (_daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &png(16, 9, RED)).await;
    assert!(all(&x.operators(), RED));
    assert!(none(&x.customers(), RED));
}

#[tokio::test]
async fn neither_focus_nor_clicks_nor_other_windows_are_touched_with_or_without_a_window_manager() {
    for window_manager in [None, Some("openbox")] {
        let mut server = XServer::with_two_outputs().await;
        let x = server.client();
        let own = x.window(100, 300, window_manager.is_none(), 0x00_80_00);
        if let Some(program) = window_manager {
            server.manage_windows(program).await;
            until("the operator's window is managed", || x.is_managed(own)).await;
        }
        // Its frame may move it a little.
        let green = || x.operators().iter().filter(|pixel| **pixel == [0, 0x80, 0]).count();
        until("the operator's window is seen", || green() > 0).await;
        let seen = green();
        x.give_focus(own);
        let (_daemon, mut client, x2) = begin(&server, "").await;
        shows(&mut client, &full(RED)).await;
        assert!(all(&x2.customers(), RED), "{window_manager:?}");
        assert_eq!(x.focus(), own, "{window_manager:?}");
        assert_eq!(green(), seen, "{window_manager:?}");
        close(&mut client).await;
        assert_eq!(x.focus(), own, "{window_manager:?}");
    }
}

#[tokio::test]
async fn a_window_that_is_put_over_the_picture_does_not_stay_there() {
    for window_manager in [None, Some("openbox")] {
        let mut server = XServer::with_two_outputs().await;
        if let Some(program) = window_manager {
            server.manage_windows(program).await;
        }
        let (_daemon, mut client, x) = begin(&server, "").await;
        shows(&mut client, &full(RED)).await;
        for _ in 0..2 {
            x.window(1400, 300, true, 0x00_80_00);
            until("the picture is in front again", || all(&x.customers(), RED)).await;
        }
    }
}

#[tokio::test]
async fn an_x_server_that_dies_costs_nothing_but_the_time_until_it_is_back() {
    let mut server = XServer::with_two_outputs().await;
    let (daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    drop(x);
    for _ in 0..2 {
        server.kill().await;
        until_state(&mut client, -1).await;
        let refused = open(&mut client, &STANDARD.encode(full(BLUE))).await;
        assert_eq!(kind(&refused), "device_unavailable");
        server.run(&[]).await;
        server.plug_in().await;
        until_state(&mut client, 1).await;
        assert!(all(&server.client().customers(), RED));
    }
    let device = daemon.device("second_screen", |device| device["state"] == "ready").await;
    assert_eq!(device["counters"]["shownAgain"], 2);
}

/// The process that holds the display.
pub(crate) fn holder(daemon: &Daemon) -> Option<Pid> {
    let parent = daemon.pid().to_string();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    let child = children.ok()?.split_whitespace().next()?.parse().ok()?;
    Pid::from_raw(child)
}

#[tokio::test]
async fn the_process_that_holds_the_display_is_started_again_and_goes_with_the_daemon() {
    let server = XServer::with_two_outputs().await;
    let (mut daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    let first = holder(&daemon).expect("a child");
    kill_process(first, Signal::KILL).expect("it runs");
    let another = async {
        while holder(&daemon).is_none_or(|holder| holder == first) {
            tokio::task::yield_now().await;
        }
    };
    soon("another is started", another).await;
    until_state(&mut client, 1).await;
    assert!(all(&x.customers(), RED));
    // However the daemon ends, its picture goes.
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    until("the picture is gone", || none(&x.customers(), RED)).await;
    let (mut daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    daemon.signal(Signal::TERM);
    assert!(daemon.ended().await.success());
    until("the picture is gone", || none(&x.customers(), RED)).await;
}

#[tokio::test]
async fn without_an_x_server_there_is_no_second_screen_and_the_log_says_what_to_do() {
    let sections = "[session]\ndisplay = \":97\"\n[second_screen]\ndriver = \"x11\"\n";
    let mut daemon = Daemon::start("", sections).await;
    let mut client = daemon.unix().await;
    assert_eq!(state(&mut client).await, -1);
    assert_eq!(kind(&open(&mut client, &STANDARD.encode(full(RED))).await), "device_unavailable");
    daemon.said("no X server answers at :97").await;
    let daemon = Daemon::start("", "[second_screen]\ndriver = \"x11\"\n").await;
    let device = daemon.device("second_screen", |device| device["state"] == "failed").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("set display in [session]"), "{words}");
}

#[tokio::test]
async fn a_server_that_refuses_the_daemon_is_told_with_the_cookie_that_is_missing() {
    let mut server = XServer::start().await;
    server.kill().await;
    // One cookie, of this display only, as `xauth` writes it: family 65535 is any address.
    let file = server.folder().join("cookie");
    let number = server.display().trim_start_matches(':').to_owned();
    let mut entry = vec![0xFF, 0xFF];
    for part in [&b""[..], number.as_bytes(), b"MIT-MAGIC-COOKIE-1", &[7; 16]] {
        entry.extend(u16::try_from(part.len()).unwrap().to_be_bytes());
        entry.extend(part);
    }
    std::fs::write(&file, entry).expect("the folder is ours");
    let cookie = file.to_str().expect("UTF-8").to_owned();
    server.run(&["-auth", &cookie]).await;
    let display = server.display();
    let section = "[second_screen]\ndriver = \"x11\"\n";
    let without = format!("[session]\ndisplay = \"{display}\"\n{section}");
    let daemon = Daemon::start("", &without).await;
    let device = daemon.device("second_screen", |device| device["state"] == "failed").await;
    let words = device["lastError"].as_str().expect("words");
    for part in [display, "refuses the daemon", "there is no cookie file", "[session] xauthority"] {
        assert!(words.contains(part), "{words}");
    }
    let reply = open(&mut daemon.unix().await, &STANDARD.encode(full(RED))).await;
    assert_eq!(kind(&reply), "device_failed");
    assert_eq!(state(&mut daemon.unix().await).await, -1);
    let with = format!("[session]\ndisplay = \"{display}\"\nxauthority = \"{cookie}\"\n{section}");
    let daemon = Daemon::start("", &with).await;
    // It is let in, and sees that there is one output.
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains("the only output that is switched on is DUMMY0"), "{words}");
}

#[tokio::test]
async fn check_and_devices_know_the_outputs() {
    let server = XServer::with_two_outputs().await;
    write_config(server.folder(), "", &server.sections(""));
    let mut check = hharome(server.folder());
    check.args(["check", "--config"]).arg(server.folder().join("config.toml"));
    let (code, out, words) = super::fixture::finish(&mut check).await;
    assert_eq!(code, 0, "{out}{words}");
    let row = out.lines().find(|line| line.starts_with("second_screen")).expect("a row");
    assert!(row.contains("ok") && row.contains("output DUMMY1"), "{row}");
    let mut devices = hharome(server.folder());
    devices.arg("devices").arg("--json").env("DISPLAY", server.display());
    let (code, out, _) = super::fixture::finish(&mut devices).await;
    assert_eq!(code, 0);
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let outputs = &found["x_outputs"];
    assert_eq!((&outputs[0]["name"], &outputs[0]["config"]), (&json!("DUMMY0"), &json!([])));
    assert_eq!(outputs[1]["name"], "DUMMY1");
    assert_eq!(
        outputs[1]["config"],
        json!(["[second_screen]\ndriver = \"x11\"\noutput = \"DUMMY1\"\n"])
    );
}

#[tokio::test]
async fn a_simulated_screen_is_worked_like_a_real_one() {
    let daemon = Daemon::start("", "[second_screen]\ndriver = \"simulated\"\n").await;
    let mut client = daemon.unix().await;
    assert_eq!(state(&mut client).await, 0);
    shows(&mut client, &full(RED)).await;
    assert_eq!(state(&mut client).await, 1);
    let fault = |fault: &str| json!({"device": "second_screen", "do": "fault", "fault": fault});
    for (trouble, back) in [("unplug", 1), ("crash", 1)] {
        daemon.simulate(fault(trouble)).await;
        until_state(&mut client, -1).await;
        assert_eq!(
            kind(&open(&mut client, &STANDARD.encode(full(BLUE))).await),
            "device_unavailable"
        );
        daemon.simulate(fault("none")).await;
        until_state(&mut client, back).await;
    }
    assert_eq!(close(&mut client).await["success"], true);
    assert_eq!(state(&mut client).await, 0);
}
