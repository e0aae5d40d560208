//! Scenes of codes that are scanned: continuous and triggered modules, encodings, calls and
//! listeners.

use hharome_hardware::code::trigger::Trigger;
use serde_json::json;

use super::client::{close, code, simulate};
use super::daemon::SCANNER;
use super::scanner::Scanner;
use super::{Scene, Stage, pause};

const CHANNEL: &str = "initQRListener";

/// The modules that scan on request, by their words in the configuration.
const MODULES: [(&str, Trigger); 5] = [
    ("gm65", Trigger::Gm65),
    ("newland", Trigger::Newland),
    ("newland-old", Trigger::NewlandOld),
    ("honeywell", Trigger::Honeywell),
    ("m3y", Trigger::M3y),
];

pub(super) fn scenes() -> Vec<Scene> {
    let mut scenes = vec![
        Scene::new(
            "qr_continuous",
            "a continuous scanner: codes for calls and listeners, and one that nobody wants, \
             which is dropped",
            continuous,
        ),
        Scene::new(
            "qr_listener_and_call",
            "one code reaches the oldest call and every listener",
            listener_and_call,
        ),
        Scene::new("qr_two_clients", "two clients wait: one code each, oldest first", two_clients),
        Scene::new("qr_timeout", "no code comes: the call ends by its time limit", timeout),
        Scene::new(
            "qr_close",
            "`event: close` ends the waiting calls, and a second call with the same `taskId` the \
             first",
            closing,
        ),
        Scene::new(
            "qr_no_suffix_gap",
            "a scanner without a suffix: an idle gap ends a code",
            no_suffix,
        ),
        Scene::new("qr_suffix_crlf", "a scanner that ends its codes with CR LF", suffix_crlf),
        Scene::new(
            "qr_prefix_same_code",
            "a prefix is taken off; the same code again within `same_code_ms` is one scan, unless \
             a new call has come",
            prefix_same_code,
        ),
        Scene::new(
            "qr_gb18030",
            "Chinese in GB18030 and in UTF-8 is told apart by `encoding = \"auto\"`",
            |stage| chinese(stage, "auto"),
        ),
        Scene::new("qr_gb18030_only", "the same bytes by `encoding = \"gb18030\"`", |stage| {
            chinese(stage, "gb18030")
        }),
        Scene::new(
            "qr_utf8_only",
            "the same bytes by `encoding = \"utf-8\"`: what is none becomes U+FFFD",
            |stage| chinese(stage, "utf-8"),
        ),
        Scene::new(
            "qr_numbers",
            "codes of payment, tickets, goods, pages, and an ID number; blanks and signs",
            numbers,
        ),
        Scene::new(
            "qr_simulated",
            "a simulated scanner worked by `bridge.simulate`: codes, faults, gestures that cannot \
             be",
            simulated,
        ),
    ];
    scenes.extend(MODULES.map(|(word, trigger)| {
        let name = format!("qr_triggered_{}", word.replace('-', "_"));
        let shows = format!(
            "a module with `trigger = \"{word}\"` is started for a call and for a listener, and \
             stopped when nobody wants a code any more"
        );
        Scene::new(name, shows, move |stage| triggered(stage, word, trigger))
    }));
    scenes
}

async fn continuous(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(SCANNER).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.unix().await;
    scanner.show("https://example.com/nobody-wants-this");
    pause().await;
    for (number, text) in ["6901234567892", "https://example.com/a?b=1"].into_iter().enumerate() {
        client.send(code(number)).await;
        daemon.was_asked("getQRCode", number + 1).await;
        pause().await;
        scanner.show(text);
        assert_eq!(client.succeeds().await["data"]["qrCode"], text);
        pause().await;
    }
    client.on(CHANNEL).await;
    for text in ["listened to", "281234567890123456"] {
        scanner.show(text);
        client.hears(CHANNEL).await;
        pause().await;
    }
    client.ask(json!({"off": CHANNEL})).await;
    scanner.show("unheard");
    pause().await;
    client.leave().await;
    daemon.stop().await;
}

async fn listener_and_call(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(SCANNER).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut listener, mut other) = (daemon.ws().await, daemon.tcp().await);
    let mut caller = daemon.unix().await;
    listener.on(CHANNEL).await;
    other.on(CHANNEL).await;
    caller.send(code("a")).await;
    daemon.was_asked("getQRCode", 1).await;
    pause().await;
    scanner.show("to all");
    caller.succeeds().await;
    listener.hears(CHANNEL).await;
    other.hears(CHANNEL).await;
    // A listener's own call, and its event.
    other.send(code("b")).await;
    daemon.was_asked("getQRCode", 2).await;
    pause().await;
    scanner.show("to both");
    let both = [other.next().await, other.next().await];
    assert!(both.iter().any(|frame| frame["taskId"] == "b"), "{both:?}");
    listener.hears(CHANNEL).await;
    for client in [caller, other, listener] {
        client.leave().await;
    }
    daemon.stop().await;
}

async fn two_clients(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(SCANNER).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut first, mut second) = (daemon.unix().await, daemon.tcp().await);
    first.on("bridgeCalls").await;
    second.on("bridgeCalls").await;
    first.send(code("a")).await;
    first.hears("bridgeCalls").await;
    pause().await;
    second.send(code("b")).await;
    second.hears("bridgeCalls").await;
    pause().await;
    scanner.show("first");
    for _ in 0..3 {
        first.next().await;
    }
    second.hears("bridgeCalls").await;
    pause().await;
    scanner.show("second");
    for _ in 0..3 {
        second.next().await;
    }
    first.leave().await;
    second.leave().await;
    daemon.stop().await;
}

async fn timeout(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(&format!("{SCANNER}[timeouts]\nqr_code = 700\n")).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.unix().await;
    client.send(code("a")).await;
    client.fails("超时").await;
    // Too late for it, and of no use to the next one.
    scanner.show("too late");
    pause().await;
    client.send(code("b")).await;
    client.fails("超时").await;
    client.leave().await;
    daemon.stop().await;
}

async fn closing(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(SCANNER).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.ws().await;
    client.send(code("a")).await;
    client.send(code("b")).await;
    daemon.was_asked("getQRCode", 2).await;
    pause().await;
    client.send(code("b")).await;
    client.fails("取消").await;
    pause().await;
    client.send(close("getQRCode", "c")).await;
    client.fails("取消").await;
    client.fails("取消").await;
    assert_eq!(client.succeeds().await["message"], "关闭成功");
    client.send(code("d")).await;
    daemon.was_asked("getQRCode", 5).await;
    pause().await;
    scanner.show("after the close");
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

/// A listener, and codes that are shown to a scanner with these lines in its section.
async fn listen(stage: &Stage, suffix: &str, lines: &str, codes: &[(&[u8], Option<&str>)]) {
    let scanner = Scanner::at(&stage.path("scanner"), suffix, None);
    let mut daemon = stage.start(&format!("{SCANNER}{lines}")).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.unix().await;
    client.on(CHANNEL).await;
    for (bytes, text) in codes {
        scanner.show(bytes);
        if let Some(text) = text {
            let event = client.hears(CHANNEL).await;
            assert_eq!(event["data"]["qrCode"], **text);
        }
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn no_suffix(stage: Stage) {
    let codes: [(&[u8], _); 3] =
        [(b"one", Some("one")), (b"two\rlines", Some("two\rlines")), (b"3", Some("3"))];
    listen(&stage, "", "suffix = \"\"\nidle_ms = 150\n", &codes).await;
}

async fn suffix_crlf(stage: Stage) {
    let codes: [(&[u8], _); 2] =
        [(b"6901234567892", Some("6901234567892")), (b"a\rb", Some("a\rb"))];
    listen(&stage, "\r\n", "suffix = \"\\r\\n\"\n", &codes).await;
}

async fn prefix_same_code(stage: Stage) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let lines = "prefix = \"\\u0002\"\nsame_code_ms = 2000\n";
    let mut daemon = stage.start(&format!("{SCANNER}{lines}")).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.unix().await;
    client.on(CHANNEL).await;
    for text in [&b"\x02same"[..], b"\x02same", b"same", b"\x02other"] {
        scanner.show(text);
        pause().await;
    }
    assert_eq!(client.hears(CHANNEL).await["data"]["qrCode"], "same");
    assert_eq!(client.hears(CHANNEL).await["data"]["qrCode"], "other");
    client.send(code("a")).await;
    daemon.was_asked("getQRCode", 1).await;
    pause().await;
    scanner.show(b"\x02other");
    client.next().await;
    client.next().await;
    client.leave().await;
    daemon.stop().await;
}

/// 张三 in GB18030 and in UTF-8, 二维码 in both, a character of four bytes, and plain letters.
async fn chinese(stage: Stage, encoding: &str) {
    let codes: [&[u8]; 7] = [
        b"\xD5\xC5\xC8\xFD",
        b"\xE5\xBC\xA0\xE4\xB8\x89",
        b"\xB6\xFE\xCE\xAC\xC2\xEB-1",
        "https://example.com/二维码".as_bytes(),
        b"\x81\x39\xEE\x39",
        b"\xD5",
        b"ABC",
    ];
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(&format!("{SCANNER}encoding = \"{encoding}\"\n")).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.tcp().await;
    client.on(CHANNEL).await;
    for bytes in codes {
        scanner.show(bytes);
        client.hears(CHANNEL).await;
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn numbers(stage: Stage) {
    let codes = [
        "281234567890123456",
        "wxp://f2f0AbCdEfGhIjKlMnOpQrStUvWxYz",
        "6901234567892",
        "11010519491231002X",
        "TICKET 0042/A-7 (row 3)",
        "https://example.com/?name=张三&id=11010519491231002X",
        "{\"name\":\"李四\",\"phone\":\"10000000000\"}",
        "\u{4e00}\u{3400}\u{1f642}",
    ];
    let codes: Vec<(&[u8], _)> = codes.iter().map(|text| (text.as_bytes(), Some(*text))).collect();
    listen(&stage, "\r", "", &codes).await;
}

async fn simulated(stage: Stage) {
    let sections = "[qr_scanner]\ndriver = \"simulated\"\n[timeouts]\nqr_code = 3000\n";
    let mut daemon = stage.start(sections).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut hand, mut client) = (daemon.unix().await, daemon.tcp().await);
    let gesture = |verb, key, value| simulate("qr_scanner", verb, key, value);
    client.on(CHANNEL).await;
    for text in ["6901234567892", "健康码"] {
        hand.ask(gesture("scan", "text", text)).await;
        client.hears(CHANNEL).await;
        pause().await;
    }
    for wrong in [gesture("scan", "text", ""), gesture("put", "card", "li-si")] {
        hand.send(wrong).await;
        assert_eq!(hand.next().await["res"]["success"], false);
    }
    for (fault, text) in [("silence", "unheard"), ("cut-frame", "cut in two"), ("none", "whole")] {
        hand.ask(gesture("fault", "fault", fault)).await;
        hand.ask(gesture("scan", "text", text)).await;
        // Longer than a torn code is kept.
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    }
    assert_eq!(client.hears(CHANNEL).await["data"]["qrCode"], "whole");
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn triggered(stage: Stage, word: &str, trigger: Trigger) {
    let scanner = Scanner::at(&stage.path("scanner"), "\r", Some(trigger));
    let mut daemon = stage.start(&format!("{SCANNER}trigger = \"{word}\"\n")).await;
    daemon.ready("qr_scanner", 1).await;
    let mut client = daemon.unix().await;
    for text in ["6901234567892", "https://example.com/二维码"] {
        client.send(code(text.len())).await;
        scanner.is_triggered(true).await;
        pause().await;
        scanner.show(text);
        client.succeeds().await;
        pause().await;
    }
    client.send(code("closed")).await;
    scanner.is_triggered(true).await;
    pause().await;
    client.send(close("getQRCode", "c")).await;
    client.fails("取消").await;
    client.succeeds().await;
    scanner.is_triggered(false).await;
    client.on(CHANNEL).await;
    for text in ["one", "two"] {
        scanner.is_triggered(true).await;
        pause().await;
        scanner.show(text);
        client.hears(CHANNEL).await;
    }
    scanner.is_triggered(true).await;
    pause().await;
    client.ask(json!({"off": CHANNEL})).await;
    scanner.is_triggered(false).await;
    client.leave().await;
    daemon.stop().await;
}
