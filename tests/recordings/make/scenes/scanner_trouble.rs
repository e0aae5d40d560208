//! Scenes of scanners that break, and of other scanners than the project's: bare ptys on which the
//! bytes of the modules' manuals are written by hand.

use hharome_hardware::code::virtual_scanner::Fault;
use hharome_hardware::port::pty::Pty;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::client::{close, code};
use super::daemon::{Daemon, SCANNER};
use super::scanner::Scanner;
use super::{Scene, Stage, pause, soon};

const CHANNEL: &str = "initQRListener";

/// GM65: trigger one read, stop, and the acknowledgement of both, as its manual prints them.
const GM65_START: [u8; 9] = [0x7E, 0x00, 0x08, 0x01, 0x00, 0x02, 0x01, 0x02, 0xDA];
const GM65_STOP: [u8; 9] = [0x7E, 0x00, 0x08, 0x01, 0x00, 0x02, 0x00, 0x12, 0xFB];
const GM65_OK: [u8; 7] = [0x02, 0x00, 0x00, 0x01, 0x00, 0x33, 0x31];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "qr_unplug",
            "the scanner is unplugged while a call waits, and is used again when it is back",
            unplug,
        ),
        Scene::new(
            "qr_torn",
            "a code that breaks off is thrown away and becomes no part of the next one",
            torn,
        ),
        Scene::new(
            "qr_too_long",
            "another scanner: a code over 8 KiB is thrown away, the longest allowed is not",
            too_long,
        ),
        Scene::new(
            "qr_other_scanner_pieces",
            "another scanner: codes of one byte a write, several codes in one write, empty codes",
            pieces,
        ),
        Scene::new(
            "qr_other_scanner_unplugged",
            "another scanner: it is unplugged in the middle of a code",
            unplugged_in_mid_code,
        ),
        Scene::new(
            "qr_other_gm65_acknowledgements",
            "another GM65: acknowledgements glued to the code, in pieces, missing, and a refusal",
            acknowledgements,
        ),
        Scene::new(
            "qr_other_gm65_again",
            "another GM65: its scan ends by itself after 5 s and is started again",
            started_again,
        ),
    ]
}

async fn unplug(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(SCANNER).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut client, mut listener) = (daemon.unix().await, daemon.ws().await);
    listener.on(CHANNEL).await;
    client.send(code("waits")).await;
    daemon.was_asked("getQRCode", 1).await;
    pause().await;
    scanner.plug(false);
    client.fails_as("device_unavailable").await;
    client.send(code("too late")).await;
    client.fails_as("device_unavailable").await;
    pause().await;
    scanner.plug(true);
    daemon.ready("qr_scanner", 2).await;
    pause().await;
    scanner.show("back");
    listener.hears(CHANNEL).await;
    client.leave().await;
    listener.leave().await;
    daemon.stop().await;
}

async fn torn(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(SCANNER).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.unix().await;
    client.on(CHANNEL).await;
    scanner.hand.fault(Fault::CutFrame);
    scanner.show("https://example.com/torn");
    // Longer than a torn code is kept.
    tokio::time::sleep(std::time::Duration::from_millis(1300)).await;
    scanner.hand.mend();
    scanner.show("whole");
    assert_eq!(client.hears(CHANNEL).await["data"]["qrCode"], "whole");
    client.leave().await;
    daemon.stop().await;
}

/// A scanner's line, and a daemon that has it open.
async fn with_line(stage: &Stage, lines: &str) -> (Daemon, Pty) {
    let line = open(stage);
    let mut daemon = stage.start(&format!("{SCANNER}{lines}")).await;
    daemon.ready("qr_scanner", 1).await;
    (daemon, line)
}

fn open(stage: &Stage) -> Pty {
    Pty::open(Some(&stage.path("scanner"))).expect("a pty")
}

async fn say(line: &mut Pty, bytes: &[u8]) {
    soon("the scanner writes", line.write_all(bytes)).await.expect("the line is open");
}

/// Waits until the scanner is told these bytes next.
async fn is_told(line: &mut Pty, bytes: &[u8]) {
    let mut heard = vec![0; bytes.len()];
    soon("the scanner is told something", line.read_exact(&mut heard)).await.expect("bytes");
    assert_eq!(heard, bytes);
}

async fn too_long(stage: Stage) {
    const LONGEST: usize = 8192;
    let (daemon, mut line) = with_line(&stage, "").await;
    let mut client = daemon.unix().await;
    client.on(CHANNEL).await;
    for length in [LONGEST + 1, LONGEST, 4] {
        for piece in format!("{}\r", "7".repeat(length)).as_bytes().chunks(1024) {
            say(&mut line, piece).await;
        }
        if length <= LONGEST {
            let event = client.hears(CHANNEL).await;
            assert_eq!(event["data"]["qrCode"].as_str().map(str::len), Some(length));
        }
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn pieces(stage: Stage) {
    let (daemon, mut line) = with_line(&stage, "").await;
    let mut client = daemon.unix().await;
    client.on(CHANNEL).await;
    for byte in "https://example.com/示例\r".as_bytes() {
        say(&mut line, &[*byte]).await;
        tokio::task::yield_now().await;
    }
    client.hears(CHANNEL).await;
    pause().await;
    say(&mut line, b"one\r\r\rtwo\rthr").await;
    client.hears(CHANNEL).await;
    client.hears(CHANNEL).await;
    pause().await;
    say(&mut line, b"ee\r").await;
    assert_eq!(client.hears(CHANNEL).await["data"]["qrCode"], "three");
    pause().await;
    let many: String = (0..40).map(|number| format!("{number:03}\r")).collect();
    say(&mut line, many.as_bytes()).await;
    for _ in 0..40 {
        client.hears(CHANNEL).await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn unplugged_in_mid_code(stage: Stage) {
    let (mut daemon, mut line) = with_line(&stage, "").await;
    let mut client = daemon.unix().await;
    client.on(CHANNEL).await;
    client.send(code("a")).await;
    daemon.was_asked("getQRCode", 1).await;
    say(&mut line, b"torn off by the unplu").await;
    pause().await;
    drop(line);
    client.fails_as("device_unavailable").await;
    pause().await;
    line = open(&stage);
    daemon.ready("qr_scanner", 2).await;
    say(&mut line, b"whole\r").await;
    client.hears(CHANNEL).await;
    client.leave().await;
    daemon.stop().await;
}

async fn acknowledgements(stage: Stage) {
    let (daemon, mut line) = with_line(&stage, "trigger = \"gm65\"\n").await;
    let mut client = daemon.unix().await;
    client.send(code("glued")).await;
    is_told(&mut line, &GM65_START).await;
    pause().await;
    say(&mut line, &[&GM65_OK[..], b"glued\r"].concat()).await;
    client.succeeds().await;
    pause().await;
    client.send(code("in pieces")).await;
    is_told(&mut line, &GM65_START).await;
    for byte in [&GM65_OK[..], b"in pieces\r"].concat() {
        say(&mut line, &[byte]).await;
        tokio::task::yield_now().await;
    }
    client.succeeds().await;
    pause().await;
    client.send(code("none")).await;
    is_told(&mut line, &GM65_START).await;
    pause().await;
    say(&mut line, b"none\r").await;
    client.succeeds().await;
    pause().await;
    client.send(code("refused")).await;
    is_told(&mut line, &GM65_START).await;
    // Status 1, without data; its CRC is not looked at.
    say(&mut line, &[0x02, 0x00, 0x01, 0x00, 0xAB, 0xCD]).await;
    pause().await;
    client.send(close("getQRCode", "c")).await;
    client.fails("取消").await;
    client.succeeds().await;
    is_told(&mut line, &GM65_STOP).await;
    say(&mut line, &GM65_OK).await;
    pause().await;
    client.leave().await;
    daemon.stop().await;
}

async fn started_again(stage: Stage) {
    let (daemon, mut line) = with_line(&stage, "trigger = \"gm65\"\n").await;
    let mut client = daemon.unix().await;
    client.send(code("a")).await;
    for _ in 0..2 {
        is_told(&mut line, &GM65_START).await;
        say(&mut line, &GM65_OK).await;
    }
    pause().await;
    say(&mut line, b"after all\r").await;
    client.succeeds().await;
    pause().await;
    client.leave().await;
    daemon.stop().await;
}
