//! Codes scanned on a serial line. The scanners are bare ptys; what they write is written here.

use hharome_hardware::port::pty::Pty;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::fixture::{Daemon, kind, soon};

/// Trigger one read, and stop, as the GM65's manual prints them with their CRC.
const GM65_START: [u8; 9] = [0x7E, 0x00, 0x08, 0x01, 0x00, 0x02, 0x01, 0x02, 0xDA];
const GM65_STOP: [u8; 9] = [0x7E, 0x00, 0x08, 0x01, 0x00, 0x02, 0x00, 0x12, 0xFB];
const GM65_OK: [u8; 7] = [0x02, 0x00, 0x00, 0x01, 0x00, 0x33, 0x31];

const ASK: &str = r#"{"action":"getQRCode","event":"open","taskId":"q","params":{}}"#;

const SECTION: &str = "[qr_scanner]\ndriver = \"serial\"\nport = \"{dir}/scanner\"\n";

/// A scanner's line, and a daemon that has it open.
async fn with_scanner(lines: &str) -> (Daemon, Pty) {
    let folder = TempDir::new().expect("a folder");
    let scanner = Pty::open(Some(&folder.path().join("scanner"))).expect("a pty");
    let daemon = Daemon::start_in(folder, "", &format!("{SECTION}{lines}")).await;
    daemon.ready("qr_scanner").await;
    (daemon, scanner)
}

async fn say(scanner: &mut Pty, bytes: &[u8]) {
    soon("the scanner writes", scanner.write_all(bytes)).await.expect("the line is open");
}

/// The next bytes that the scanner is told.
async fn told(scanner: &mut Pty, bytes: usize) -> Vec<u8> {
    let mut heard = vec![0; bytes];
    soon("the scanner is told something", scanner.read_exact(&mut heard)).await.expect("bytes");
    heard
}

async fn count(daemon: &Daemon, counter: &str, times: u64) {
    daemon.device("qr_scanner", |device| device["counters"][counter] == times).await;
}

fn event(code: &str) -> Value {
    json!({"channel": "initQRListener", "data": {"qrCode": code}})
}

#[tokio::test]
async fn a_scan_reaches_every_listener_on_every_transport() {
    let (daemon, mut scanner) = with_scanner("").await;
    let mut listeners = [
        daemon.unix().await,
        daemon.unix().await,
        daemon.tcp_client().await,
        daemon.ws().await,
        daemon.ws().await,
    ];
    for listener in &mut listeners {
        listener.on("initQRListener").await;
        // Once more changes nothing: each event comes once.
        listener.on("initQRListener").await;
    }
    say(&mut scanner, b"6901234567892\rsecond\r").await;
    for listener in &mut listeners {
        assert_eq!(listener.next().await, event("6901234567892"));
        assert_eq!(listener.next().await, event("second"));
        listener.nothing_came().await;
    }
}

#[tokio::test]
async fn a_listener_that_went_off_hears_nothing_more() {
    let (daemon, mut scanner) = with_scanner("").await;
    let (mut stays, mut goes) = (daemon.unix().await, daemon.unix().await);
    stays.on("initQRListener").await;
    goes.on("initQRListener").await;
    let off = goes.ask(r#"{"off":"initQRListener"}"#).await;
    assert_eq!(off, json!({"off": "initQRListener", "success": true, "message": "成功"}));
    say(&mut scanner, b"code\r").await;
    assert_eq!(stays.next().await, event("code"));
    goes.nothing_came().await;
}

#[tokio::test]
async fn one_scan_answers_the_oldest_call_only_and_listeners_too() {
    let (daemon, mut scanner) = with_scanner("").await;
    let mut clients = [daemon.unix().await, daemon.tcp_client().await];
    let mut listener = daemon.ws().await;
    listener.on("initQRListener").await;
    for client in &mut clients {
        client.send(ASK).await;
        client.nothing_came().await;
    }
    let [oldest, other] = &mut clients;
    for (client, code) in [(oldest, "first"), (other, "second")] {
        say(&mut scanner, format!("{code}\r").as_bytes()).await;
        let reply = json!({
            "action": "getQRCode", "event": "open", "taskId": "q",
            "success": true, "message": "成功", "data": {"qrCode": code},
        });
        assert_eq!(client.next().await, reply);
        assert_eq!(listener.next().await, event(code));
        client.nothing_came().await;
    }
}

async fn scans(lines: &str, bytes: &[u8], codes: &[&str]) {
    let (daemon, mut scanner) = with_scanner(lines).await;
    let mut listener = daemon.unix().await;
    listener.on("initQRListener").await;
    say(&mut scanner, bytes).await;
    for code in codes {
        assert_eq!(listener.next().await, event(code), "{lines}");
    }
}

#[tokio::test]
async fn a_carriage_return_ends_a_code() {
    scans("suffix = \"\\r\"\n", b"one\rtwo three\r", &["one", "two three"]).await;
}

#[tokio::test]
async fn a_line_feed_ends_a_code() {
    scans("suffix = \"\\n\"\n", b"one\ntwo\n", &["one", "two"]).await;
}

#[tokio::test]
async fn both_end_a_code() {
    scans("suffix = \"\\r\\n\"\n", b"one\r\ntwo\r\n", &["one", "two"]).await;
}

#[tokio::test]
async fn an_idle_gap_ends_a_code_without_suffix() {
    let (daemon, mut scanner) = with_scanner("suffix = \"\"\nidle_ms = 200\n").await;
    let mut listener = daemon.unix().await;
    listener.on("initQRListener").await;
    for code in ["one", "two\rlines"] {
        say(&mut scanner, code.as_bytes()).await;
        assert_eq!(listener.next().await, event(code));
    }
}

#[tokio::test]
async fn a_prefix_is_taken_off() {
    scans("prefix = \"\\u0002\"\n", b"\x02one\r\x02two\r", &["one", "two"]).await;
}

#[tokio::test]
async fn chinese_in_utf_8_and_in_gb18030_is_told_apart() {
    let bytes = b"\xE5\xBC\xA0\xE4\xB8\x89\r\xD5\xC5\xC8\xFD\rABC\r";
    scans("encoding = \"auto\"\n", bytes, &["张三", "张三", "ABC"]).await;
}

#[tokio::test]
async fn chinese_in_gb18030_is_read_as_it_was_configured() {
    // The second one is valid UTF-8, too: two characters there, three here.
    let bytes = b"\xD5\xC5\xC8\xFD\r\xE5\xBC\xA0\xE4\xB8\x89\r";
    scans("encoding = \"gb18030\"\n", bytes, &["张三", "寮犱笁"]).await;
}

#[tokio::test]
async fn a_code_of_one_byte_a_write_is_one_code() {
    let (daemon, mut scanner) = with_scanner("").await;
    let mut listener = daemon.unix().await;
    listener.on("initQRListener").await;
    for byte in "https://示例.example/?a=1\r".as_bytes() {
        say(&mut scanner, &[*byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(listener.next().await, event("https://示例.example/?a=1"));
}

#[tokio::test]
async fn of_many_codes_in_one_write_a_listener_hears_every_one_in_order() {
    let (daemon, mut scanner) = with_scanner("").await;
    let mut listener = daemon.unix().await;
    listener.on("initQRListener").await;
    let codes: Vec<String> = (0..200).map(|number| format!("{number:03}")).collect();
    say(&mut scanner, codes.iter().map(|code| format!("{code}\r")).collect::<String>().as_bytes())
        .await;
    for code in &codes {
        assert_eq!(listener.next().await, event(code));
    }
}

#[tokio::test]
async fn a_code_that_nobody_wants_is_dropped_and_never_kept_for_a_later_call() {
    let (daemon, mut scanner) = with_scanner("").await;
    say(&mut scanner, b"another customer's\r").await;
    count(&daemon, "unwanted", 1).await;
    let mut client = daemon.unix().await;
    client.send(ASK).await;
    client.nothing_came().await;
    say(&mut scanner, b"mine\r").await;
    assert_eq!(client.next().await["data"], json!({"qrCode": "mine"}));
}

#[tokio::test]
async fn a_code_over_8_kib_is_thrown_away_and_the_next_one_is_read() {
    let (daemon, mut scanner) = with_scanner("").await;
    let mut listener = daemon.unix().await;
    listener.on("initQRListener").await;
    let longest = "9".repeat(8192);
    for code in [longest.clone() + "9", longest.clone(), "next".to_owned()] {
        // In pieces that a pty takes.
        for piece in format!("{code}\r").as_bytes().chunks(1000) {
            say(&mut scanner, piece).await;
        }
    }
    assert_eq!(listener.next().await, event(&longest));
    assert_eq!(listener.next().await, event("next"));
}

#[tokio::test]
async fn the_same_code_again_is_one_scan_where_that_is_configured() {
    let (daemon, mut scanner) = with_scanner("same_code_ms = 60000\n").await;
    let mut listener = daemon.unix().await;
    listener.on("initQRListener").await;
    say(&mut scanner, b"one\rone\rtwo\r").await;
    assert_eq!(listener.next().await, event("one"));
    assert_eq!(listener.next().await, event("two"));
    // A new call asks for a scan of its own.
    listener.send(ASK).await;
    listener.nothing_came().await;
    say(&mut scanner, b"two\r").await;
    let both = [listener.next().await, listener.next().await];
    assert!(both.contains(&event("two")), "{both:?}");
    assert!(both.iter().any(|frame| frame["data"]["qrCode"] == "two" && frame["taskId"] == "q"));
}

#[tokio::test]
async fn without_a_scan_the_time_limit_ends_the_call() {
    let (daemon, _scanner) = with_scanner("[timeouts]\nqr_code = 300\n").await;
    let reply = daemon.unix().await.ask(ASK).await;
    let expected = json!({
        "action": "getQRCode", "event": "open", "taskId": "q",
        "success": false, "message": "超时", "data": {},
    });
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn a_scanner_that_is_unplugged_in_mid_code_is_used_again_when_it_is_back() {
    let (daemon, mut scanner) = with_scanner("").await;
    let mut listener = daemon.unix().await;
    listener.on("initQRListener").await;
    for _ in 0..2 {
        let mut caller = daemon.unix().await;
        caller.send(ASK).await;
        caller.nothing_came().await;
        say(&mut scanner, b"torn off by the unplu").await;
        drop(scanner);
        assert_eq!(kind(&caller.next().await), "device_unavailable");
        daemon.device("qr_scanner", |device| device["state"] == "absent").await;
        scanner = Pty::open(Some(&daemon.folder().join("scanner"))).expect("a pty");
        daemon.ready("qr_scanner").await;
        say(&mut scanner, b"whole\r").await;
        assert_eq!(listener.next().await, event("whole"));
    }
}

#[tokio::test]
async fn a_gm65_is_triggered_for_a_call_and_its_acknowledgement_is_no_code() {
    let (daemon, mut scanner) = with_scanner("trigger = \"gm65\"\n").await;
    let mut client = daemon.unix().await;
    for code in ["first", "second"] {
        client.send(ASK).await;
        assert_eq!(told(&mut scanner, 9).await, GM65_START);
        say(&mut scanner, &GM65_OK).await;
        say(&mut scanner, format!("{code}\r").as_bytes()).await;
        assert_eq!(client.next().await["data"], json!({"qrCode": code}));
    }
}

#[tokio::test]
async fn an_acknowledgement_in_the_same_write_as_the_code_or_in_pieces_is_no_code() {
    let (daemon, mut scanner) = with_scanner("trigger = \"gm65\"\n").await;
    let mut client = daemon.unix().await;
    client.send(ASK).await;
    told(&mut scanner, 9).await;
    say(&mut scanner, &[&GM65_OK[..], b"glued\r"].concat()).await;
    assert_eq!(client.next().await["data"], json!({"qrCode": "glued"}));
    client.send(ASK).await;
    told(&mut scanner, 9).await;
    for byte in [&GM65_OK[..], b"split\r"].concat() {
        say(&mut scanner, &[byte]).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(client.next().await["data"], json!({"qrCode": "split"}));
}

#[tokio::test]
async fn a_gm65_is_stopped_when_nobody_wants_a_code_any_more() {
    let (daemon, mut scanner) = with_scanner("trigger = \"gm65\"\n").await;
    let mut client = daemon.unix().await;
    client.send(ASK).await;
    assert_eq!(told(&mut scanner, 9).await, GM65_START);
    say(&mut scanner, &GM65_OK).await;
    client.send(r#"{"action":"getQRCode","event":"close","taskId":"c"}"#).await;
    assert_eq!(client.next().await["message"], "取消");
    assert_eq!(client.next().await["message"], "关闭成功");
    assert_eq!(told(&mut scanner, 9).await, GM65_STOP);
}

#[tokio::test]
async fn other_modules_are_triggered_in_their_own_words() {
    for (module, start) in [
        ("honeywell", &b"\x16\x54\x0D"[..]),
        ("newland-old", b"\x1B\x31"),
        ("m3y", b"\x5A\x00\x00\x08SR030301\x08\xA5"),
    ] {
        let (daemon, mut scanner) = with_scanner(&format!("trigger = \"{module}\"\n")).await;
        let mut client = daemon.unix().await;
        client.send(ASK).await;
        assert_eq!(told(&mut scanner, start.len()).await, start, "{module}");
        say(&mut scanner, b"code\r").await;
        assert_eq!(client.next().await["data"], json!({"qrCode": "code"}), "{module}");
    }
}
