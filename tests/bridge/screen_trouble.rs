//! The second screen when something is wrong, when somebody touches it, and when it is recorded: on an X
//! server with two outputs.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use x11rb::connection::Connection;
use x11rb::protocol::xfixes::ConnectionExt as _;
use x11rb::protocol::xproto::{
    BUTTON_PRESS_EVENT, BUTTON_RELEASE_EVENT, ChangeWindowAttributesAux, ConnectionExt as _,
    EventMask, KEY_PRESS_EVENT, KEY_RELEASE_EVENT, MAPPING_NOTIFY_EVENT,
};
use x11rb::protocol::xtest::ConnectionExt as _;

use crate::fixture::{Client, Daemon, kind, run, soon};
use crate::screen::{
    BLUE, RED, all, begin, close, full, holder, none, open, png, shows, state, until_state,
};
use crate::x_server::{OPERATORS, XClient, XServer};

/// The server's pointer and keys, worked by a person who stands before the customer's screen.
struct Customer<'x>(&'x XClient);

impl Customer<'_> {
    /// The pointer goes to this place of the desktop.
    fn points(&self, x: i16, y: i16) {
        let moved = self.0.connection.warp_pointer(x11rb::NONE, self.0.root, 0, 0, 0, 0, x, y);
        moved.expect("the server is there").check().expect("it moves");
    }

    fn fakes(&self, kind: u8, detail: u8) {
        let done = self.0.connection.xtest_fake_input(kind, detail, 0, x11rb::NONE, 0, 0, 0);
        done.expect("the server is there").check().expect("it is done");
    }

    /// Clicks, and types a key.
    fn clicks_and_types(&self) {
        for (kind, detail) in [
            (BUTTON_PRESS_EVENT, 1),
            (BUTTON_RELEASE_EVENT, 1),
            (KEY_PRESS_EVENT, 38),
            (KEY_RELEASE_EVENT, 38),
        ] {
            self.fakes(kind, detail);
        }
    }

    /// What reaches anybody next of what was done.
    async fn does(&self) -> u8 {
        let next = async {
            loop {
                let event = self.0.connection.poll_for_event().expect("the server is there");
                // Keys are laid out anew for the server's own keyboard.
                match event.map(|event| event.response_type() & 0x7F) {
                    Some(kind) if kind != MAPPING_NOTIFY_EVENT => return kind,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        soon("it reaches somebody", next).await
    }

    /// Whether anything of the pointer is drawn.
    fn sees_the_pointer(&self) -> bool {
        let asked = self.0.connection.xfixes_get_cursor_image().expect("the server is there");
        asked.reply().expect("an answer").cursor_image.iter().any(|pixel| pixel >> 24 != 0)
    }
}

#[tokio::test]
async fn who_touches_the_customers_screen_reaches_nobody_and_the_pointer_is_hidden_there() {
    let server = XServer::with_two_outputs().await;
    let x = server.client();
    let version = x.connection.xfixes_query_version(5, 0).expect("the server is there");
    version.reply().expect("it has XFixes");
    // The operator's window takes the keys; what is done on the desktop reaches us.
    let own = x.window(100, 300, true, 0x00_80_00);
    x.give_focus(own);
    let keys = ChangeWindowAttributesAux::new().event_mask(EventMask::KEY_PRESS);
    x.connection.change_window_attributes(own, &keys).expect("it is ours").check().expect("it is");
    let presses = ChangeWindowAttributesAux::new().event_mask(EventMask::BUTTON_PRESS);
    let root = x.connection.change_window_attributes(x.root, &presses);
    root.expect("the server is there").check().expect("nobody else wants them");
    let (_daemon, mut client, _) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    let customer = Customer(&x);
    let on_screen = i16::try_from(OPERATORS.1).expect("small") + 200;
    customer.points(on_screen, 200);
    assert!(!customer.sees_the_pointer());
    customer.clicks_and_types();
    // The key went where the focus is, and the click nowhere.
    assert_eq!(customer.does().await, KEY_PRESS_EVENT);
    assert!(x.connection.poll_for_event().expect("the server is there").is_none());
    assert_eq!(x.focus(), own);
    assert!(all(&x.customers(), RED));
    // Where nothing is shown a click is the desktop's, and the pointer is seen.
    close(&mut client).await;
    customer.fakes(BUTTON_PRESS_EVENT, 1);
    customer.fakes(BUTTON_RELEASE_EVENT, 1);
    assert_eq!(customer.does().await, BUTTON_PRESS_EVENT);
    assert!(customer.sees_the_pointer());
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
    let mut jpeg = Cursor::new(Vec::new());
    RgbImage::from_pixel(64, 48, Rgb(BLUE)).write_to(&mut jpeg, ImageFormat::Jpeg).expect("memory");
    let jpeg = jpeg.into_inner();
    let cut_jpeg = &jpeg[..jpeg.len() - 20];
    for (base64, words) in [
        ("!!!".to_owned(), "expected base64"),
        (String::new(), "expected a picture, not nothing"),
        (STANDARD.encode("hello, this is no picture"), "expected a picture: PNG, JPEG, BMP"),
        (STANDARD.encode(&huge), "30000x30000 pixels are too many"),
        (STANDARD.encode(&cut), "a PNG that cannot be decoded"),
        (STANDARD.encode(cut_jpeg), "a JPEG that cannot be decoded"),
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
async fn a_process_that_hangs_fails_its_request_in_time_and_another_shows_the_picture_again() {
    let server = XServer::with_two_outputs().await;
    let (daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    let hangs = holder(&daemon).expect("a child");
    kill_process(hangs, Signal::STOP).expect("it runs");
    let reply = open(&mut client, &STANDARD.encode(full(BLUE))).await;
    assert_eq!(kind(&reply), "device_failed");
    let detail = reply["data"]["error"]["detail"].as_str().expect("words");
    assert!(detail.contains("has not done what it should in time"), "{detail}");
    assert_eq!(state(&mut client).await, -1);
    let gone = |process: Pid| !std::path::Path::new(&format!("/proc/{process}/fd")).exists();
    let ended = async {
        while !gone(hangs) {
            tokio::task::yield_now().await;
        }
    };
    soon("it is ended", ended).await;
    // What was asked last has failed; what was shown before comes back.
    until_state(&mut client, 1).await;
    assert!(all(&x.customers(), RED) && none(&x.operators(), RED));
    assert_ne!(holder(&daemon), Some(hangs));
}

#[tokio::test]
async fn a_server_that_hangs_does_not_take_the_daemon_along() {
    let server = XServer::with_two_outputs().await;
    let (_daemon, mut client, x) = begin(&server, "").await;
    shows(&mut client, &full(RED)).await;
    server.signal(Signal::STOP);
    let reply = open(&mut client, &STANDARD.encode(full(BLUE))).await;
    assert_eq!(kind(&reply), "device_failed");
    assert_eq!(state(&mut client).await, -1);
    let info = client.ask(r#"{"action":"getDeviceInfo","taskId":"i"}"#).await;
    assert_eq!(info["success"], true);
    server.signal(Signal::CONT);
    until_state(&mut client, 1).await;
    assert!(all(&x.customers(), RED));
}

async fn record(client: &mut Client, params: Value) {
    let call = json!({"call": "bridge.record", "params": params});
    let reply = client.ask(&call.to_string()).await;
    assert_eq!(reply["res"]["success"], true, "{reply}");
}

/// Replays the recording of this name; a picture's bytes are in it, or not.
async fn replays(daemon: &Daemon, name: &str, picture: &[u8], kept: bool) {
    let folder = daemon.folder().join("recordings").join(name);
    let path = folder.to_str().expect("UTF-8");
    let (code, said, words) = run(daemon.folder(), &["replay", "--strict", path]).await;
    assert_eq!(code, 0, "{said}{words}");
    let hex: String = picture.iter().map(|byte| format!("{byte:02X}")).collect();
    let line = std::fs::read_to_string(folder.join("port-second_screen.jsonl")).expect("a tape");
    assert_eq!(line.contains(&hex), kept, "{name}");
}

#[tokio::test]
async fn recordings_of_a_real_screen_replay_with_and_without_its_pictures() {
    let server = XServer::with_two_outputs().await;
    let sections = server.sections("[recording]\ndirectory = \"{dir}/recordings\"");
    let daemon = Daemon::start("", &sections).await;
    let mut client = daemon.unix().await;
    let (red, blue) = (full(RED), full(BLUE));
    shows(&mut client, &red).await;
    for (name, kept) in [("redacted", false), ("kept", true)] {
        record(&mut client, json!({"do": "start", "name": name, "keepPersonalData": kept})).await;
        assert_eq!(state(&mut client).await, 1);
        server.pull_out().await;
        until_state(&mut client, -1).await;
        server.plug_in().await;
        until_state(&mut client, 1).await;
        shows(&mut client, &blue).await;
        assert_eq!(kind(&open(&mut client, "AAAA").await), "bad_request");
        assert_eq!(close(&mut client).await["success"], true);
        shows(&mut client, &red).await;
        record(&mut client, json!({"do": "stop"})).await;
        // One that comes back, and one that was asked for.
        replays(&daemon, name, &red, kept).await;
        replays(&daemon, name, &blue, kept).await;
    }
}
