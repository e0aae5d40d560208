//! What the timeline tells, and that its numbers are those of fault scripts.

use std::collections::BTreeMap;
use std::fs;

use hharome_hardware::port::Port;
use hharome_hardware::port::replay::replayed_port;
use hharome_hardware::port::replay::{Fault, Findings, Settings, Timeline, What, When};
use hharome_protocol::bridge::ProtocolVersion;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Duration, Instant, timeout_at};

use super::*;
use crate::recording::format::{META_FILE, Meta, PersonalData, VERSION};
use crate::recording::reader::{Damage, PortTape};

const FIND: &str = "AAAAAA96690003200122";
const FOUND: &str = "AAAAAA9669000800009F0000000097";

fn recording(personal_data: PersonalData, files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let meta = Meta {
        format: VERSION,
        name: "morning".to_owned(),
        hharome: "0.1.0".to_owned(),
        protocol: ProtocolVersion::CURRENT,
        started: 0,
        personal_data,
        config: serde_json::Map::new(),
        simulated: true,
        token: false,
        device_info: hharome_protocol::device::DeviceInfo::default(),
        devices: Vec::new(),
    };
    fs::write(folder.path().join(META_FILE), serde_json::to_string(&meta).unwrap()).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn shown(folder: &TempDir) -> String {
    let mut out = Vec::new();
    write(folder.path(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn check(files: &[(&str, &str)], expected: &[&str]) {
    let text = shown(&recording(PersonalData::Replaced, files));
    let lines: Vec<_> = text.lines().map(str::trim_start).collect();
    assert_eq!(lines, expected);
}

#[test]
fn everything_that_happened_stands_in_one_row_in_the_order_of_time() {
    let long = "C3".repeat(1295);
    let card = format!(
        r#"{{"t":0,"before":true,"open":{{"baud":115200}}}}
{{"t":0,"before":true,"out":"AAAAAA9669000311FFED"}}
{{"t":0,"before":true,"in":"AAAAAA9669000400009094"}}
{{"t":1000000,"out":"{FIND}"}}
{{"t":1004000,"in":"AAAAAA966900080000"}}
{{"t":1006000,"in":"9F0000000097"}}
{{"t":1010000,"out":"AAAAAA96690003300132"}}
{{"t":1800000,"in":"{long}"}}
{{"t":3000000,"out":"{FIND}"}}
{{"t":3500000,"gone":{{}}}}
{{"t":3500001,"closed":true}}
{{"t":4000000,"notOpen":{{"port":"/dev/ttyUSB0","kind":"absent"}}}}
{{"t":9000400,"end":true}}
"#
    );
    let photo = r#"{"t":1850000,"photo":{"wlt":"C1D2DD","took":48000,"jpeg":"/9j/2w=="}}
{"t":9000400,"end":true}
"#;
    let first = r#"{"t":0,"before":true,"connect":{"transport":"unix"}}
{"t":0,"before":true,"in":{"on":"initQRListener"}}
{"t":-2000000,"before":true,"in":{"action":"getIDCardInfo","event":"open","taskId":"7"}}
{"t":1900000,"out":{"action":"getIDCardInfo","event":"open","taskId":"7","success":true,"message":"成功","data":{"name":"甲乙"}}}
{"t":2100000,"in":{"call":"ampeHHCommunication","params":{"action":"getQRCode","event":"close","taskId":8}}}
{"t":2200000,"out":{"call":"ampeHHCommunication","res":{"action":"getQRCode","event":"close","taskId":8,"success":false,"message":"超时","data":{}}}}
{"t":2300000,"out":{"action":"getQRCode","event":"open","taskId":"9","success":false,"message":"失败","data":{"error":{"kind":"device_failed"}}}}
{"t":9000400,"end":true}
"#;
    let second = r#"{"t":1500000,"connect":{"transport":"ws","token":true}}
{"t":1500000,"in":{"token":"right-token"}}
{"t":1600000,"in":{"call":"bridge.status"}}
{"t":1700000,"out":{"channel":"initQRListener","data":{"qrCode":"甲"}}}
{"t":2000000,"inEnd":true}
{"t":2000500,"gone":"finished"}
"#;
    check(
        &[
            ("port-id_card.jsonl", &card),
            ("port-photo_decoder.jsonl", photo),
            ("client-0001.jsonl", first),
            ("client-0002.jsonl", second),
            (
                "daemon.jsonl",
                "{\"t\":5000000,\"reload\":{}}\n{\"t\":9000400,\"end\":\"stopped\"}\n",
            ),
        ],
        &[
            "before  id_card opened at 115200 baud",
            "before  id_card exchange 1: AAAAAA9669000311FFED → AAAAAA9669000400009094",
            "before  client 1 (unix) is there",
            "before  client 1 (unix) listens to initQRListener",
            "before  client 1 (unix) asks getIDCardInfo, taskId \"7\"",
            &format!("1.000  id_card exchange 2: {FIND} → {FOUND}"),
            &format!(
                "1.010  id_card exchange 3: AAAAAA96690003300132 → {}… (1295 bytes)",
                "C3".repeat(16)
            ),
            "1.500  client 2 (ws) comes, and must show a token",
            "1.500  client 2 (ws) shows a token",
            "1.600  client 2 (ws) calls bridge.status",
            "1.700  client 2 (ws) gets an event of initQRListener",
            "1.850  photo_decoder: 3 bytes → a JPEG of 4 bytes, in 48 ms",
            "1.900  client 1 (unix) gets getIDCardInfo, taskId \"7\": success",
            "2.000  client 2 (ws) has finished sending",
            "2.000  client 2 (ws) is gone: finished",
            "2.100  client 1 (unix) closes getQRCode, taskId 8, in a call",
            "2.200  client 1 (unix) gets in a call getQRCode, taskId 8: no, time limit",
            "2.300  client 1 (unix) gets getQRCode, taskId \"9\": no, device_failed",
            &format!("3.000  id_card exchange 4: {FIND} → nothing"),
            "3.500  id_card ended: nothing more to read",
            "3.500  id_card closed",
            "4.000  id_card not opened: /dev/ttyUSB0: absent",
            "5.000  the daemon read its configuration again",
            "9.000  the recording ended: stopped",
        ],
    );
}

/// Times in whole milliseconds, as tokio's clock has them.
const SCANNER: &str = r#"{"t":0,"open":{"baud":9600}}
{"t":500000,"in":"3131"}
{"t":599000,"in":"3232"}
{"t":699000,"in":"3333"}
{"t":2000000,"out":"7E00"}
{"t":2010000,"in":"0200"}
{"t":5000000,"in":"3434"}
{"t":5200000,"in":"3535"}
{"t":6000000,"out":"7E01"}
{"t":6010000,"in":"0201"}
{"t":7000000,"gone":{}}
{"t":7000000,"closed":true}
{"t":8000000,"open":{"baud":9600}}
{"t":8100000,"in":"3636"}
{"t":8300000,"in":"3737"}
{"t":9000000,"end":true}
"#;

#[test]
fn bursts_are_told_apart_by_a_pause_and_belong_to_what_was_asked_before() {
    check(
        &[("port-qr_scanner.jsonl", SCANNER)],
        &[
            "0.000  qr_scanner opened at 9600 baud",
            "0.500  qr_scanner exchange 1: nobody asked → 31313232",
            "0.699  qr_scanner exchange 2: nobody asked → 3333",
            "2.000  qr_scanner exchange 3: 7E00 → 0200",
            "5.000  qr_scanner exchange 3, later: → 3434",
            "5.200  qr_scanner exchange 3, later: → 3535",
            "6.000  qr_scanner exchange 4: 7E01 → 0201",
            "7.000  qr_scanner ended: nothing more to read",
            "7.000  qr_scanner closed",
            "8.000  qr_scanner opened at 9600 baud",
            "8.100  qr_scanner exchange 5: nobody asked → 3636",
            "8.300  qr_scanner exchange 6: nobody asked → 3737",
        ],
    );
}

/// What a driver reads that writes and opens at the tape's times, `fault` befalling it.
async fn replayed(folder: &TempDir, fault: Option<Fault>) -> Vec<u8> {
    let recording = Recording::open(folder.path()).unwrap();
    let tape = PortTape::open(&recording, "qr_scanner", Damage::default()).unwrap();
    let zero = Instant::now();
    let settings = Settings { faults: fault.into_iter().collect(), ..Settings::default() };
    let timeline = Timeline::new(zero, 1.0);
    let mut port = replayed_port("qr_scanner", tape, timeline, settings, Findings::default());
    let at = |ms| zero + Duration::from_millis(ms);
    let mut got = Vec::new();
    for (open, writes) in [(0, vec![(2000, [0x7E, 0]), (6000, [0x7E, 1])]), (8000, Vec::new())] {
        tokio::time::sleep_until(at(open)).await;
        let mut line = port.open(9600).await.unwrap();
        let mut steps = writes.into_iter().map(|(ms, request)| (ms, Some(request)));
        let last = [(if open == 0 { 6900 } else { 8900 }, None)];
        for (until, request) in steps.by_ref().chain(last) {
            let mut buf = [0; 64];
            while let Ok(read) = timeout_at(at(until), line.read(&mut buf)).await {
                got.extend_from_slice(&buf[..read.unwrap()]);
            }
            if let Some(request) = request {
                line.write_all(&request).await.unwrap();
            }
        }
    }
    got
}

#[tokio::test(start_paused = true)]
async fn exchanges_have_the_numbers_that_the_replayed_port_gives_them() {
    let folder = recording(PersonalData::Replaced, &[("port-qr_scanner.jsonl", SCANNER)]);
    // The bytes of each number, by the timeline.
    let mut numbered: BTreeMap<u64, String> = BTreeMap::new();
    for line in shown(&folder).lines() {
        let Some((_, exchange)) = line.split_once(" exchange ") else { continue };
        let digits = exchange.chars().take_while(char::is_ascii_digit).collect::<String>();
        let (_, answer) = exchange.split_once("→ ").unwrap();
        *numbered.entry(digits.parse().unwrap()).or_default() += answer;
    }
    assert_eq!(numbered.len(), 6);
    let hex = |bytes: &[u8]| crate::recording::format::hex(bytes);
    let whole = hex(&replayed(&folder, None).await);
    for (number, answer) in numbered {
        let fault = Fault { when: When::Exchange(number), what: What::Drop };
        let left = hex(&replayed(&folder, Some(fault)).await);
        assert_eq!(left, whole.replacen(&answer, "", 1), "exchange {number}");
    }
}

/// A card with a name on it: 张三 in GB 18030 is D5C5C8FD.
const CARDS: &str = r#"{"t":0,"before":true,"card":{"opened":"R 00 01"}}
{"t":0,"before":true,"card":{"holds":{"what":"nothing","number":0}}}
{"t":1000000,"card":{"holds":{"what":"card","atr":"3B8F8001","number":1}}}
{"t":1001000,"card":{"connect":"asItIs"}}
{"t":1050000,"card":{"connected":{"atr":"3B8F8001","protocol":"T=1"}}}
{"t":1051000,"card":{"begin":true}}
{"t":1051100,"card":{"begun":true}}
{"t":1051200,"out":"00B2010C04"}
{"t":1060000,"in":"D5C5C8FD9000"}
{"t":1060100,"out":"0084000008"}
{"t":1060200,"in":"6D00"}
{"t":1060300,"card":{"ended":{"renewed":true}}}
{"t":2000000,"card":{"connect":"cold"}}
{"t":7000000,"card":{"notConnected":{"kind":"occupied","detail":"held by another program"}}}
{"t":7000100,"card":{"begin":true}}
{"t":7000200,"card":{"notBegun":{"kind":"removed","detail":"taken away"}}}
{"t":7000300,"card":{"disconnect":"unpower"}}
{"t":7500000,"card":{"holds":{"what":"nothing","number":1}}}
{"t":8000000,"card":{"escape":true}}
{"t":8000100,"out":"E000002801"}
{"t":8000200,"in":"E100000001"}
{"t":8000300,"card":{"escape":true}}
{"t":8000400,"out":"E0"}
{"t":8000500,"card":{"unanswered":{"kind":"silent","detail":"too slow"}}}
{"t":8100000,"card":{"gone":{"kind":"noReader","detail":"pulled out"}}}
{"t":8100000,"card":{"closed":true}}
{"t":8200000,"card":{"notOpened":{"kind":"noReader","detail":"not there"}}}
{"t":9000000,"end":true}
"#;

#[test]
fn of_a_card_it_is_told_what_was_done_and_never_what_is_on_it() {
    let files = [("port-cpu_card.jsonl", CARDS)];
    check(
        &files,
        &[
            "before  cpu_card opened: R 00 01",
            "before  cpu_card holds nothing",
            "1.000  cpu_card card put in, ATR 3B8F8001",
            "1.001  cpu_card card powered up, T=1",
            "1.051  cpu_card exchange 1: 00B2010C… (5 bytes) → SW 9000 (4 bytes)",
            "1.060  cpu_card exchange 2: 00840000… (5 bytes) → SW 6D00",
            "1.060  cpu_card found that the card had been reset",
            "2.000  cpu_card card not reset (cold): held by another program, after 5.0 s",
            "7.000  cpu_card no transaction: taken away",
            "7.000  cpu_card card powered off",
            "7.500  cpu_card card taken away",
            "8.000  cpu_card exchange 3, to the reader: E0000028… (5 bytes) → (5 bytes)",
            "8.000  cpu_card exchange 4, to the reader: E0 (1 bytes) → no answer: too slow",
            "8.100  cpu_card gone: pulled out",
            "8.100  cpu_card closed",
            "8.200  cpu_card not opened: not there",
        ],
    );
    let text = shown(&recording(PersonalData::Kept, &files));
    assert!(!text.contains("D5C5") && !text.contains("3B8F"), "{text}");
    assert!(text.contains("card put in, ATR (4 bytes)\n"), "{text}");
}

#[test]
fn what_follows_an_endless_answer_counts_by_itself() {
    let piece = |at: u64| format!("{{\"t\":{},\"in\":\"31\"}}\n", at * 1000);
    let pieces: String = (2..=4098).map(piece).collect();
    let port =
        format!("{{\"t\":0,\"open\":{{\"baud\":9600}}}}\n{{\"t\":1000,\"out\":\"7E\"}}\n{pieces}");
    check(
        &[("port-qr_scanner.jsonl", &port)],
        &[
            "0.000  qr_scanner opened at 9600 baud",
            &format!("0.001  qr_scanner exchange 1: 7E → {}… (4096 bytes)", "31".repeat(16)),
            "4.098  qr_scanner exchange 2: nobody asked → 31",
        ],
    );
}

#[test]
fn nothing_that_a_person_has_said_is_shown() {
    let id = "11010519491231002X";
    let client = format!(
        r#"{{"t":1,"connect":{{"transport":"unix"}}}}
{{"t":2,"in":{{"action":"张三","taskId":"{id}","params":{{"name":"张三"}}}}}}
{{"t":3,"out":{{"action":"张三","event":"open","taskId":"{id}","success":false,"message":"张三","data":{{"error":{{"kind":"张三"}}}}}}}}
{{"t":4,"in":{{"call":"bridge.simulate","params":{{"device":"qr_scanner","text":"{id}"}}}}}}
{{"t":5,"inText":"{{张三 {id}"}}
{{"t":6,"gone":"finished"}}
"#
    );
    let port = format!(
        "{{\"t\":1,\"open\":{{\"baud\":9600}}}}\n{{\"t\":2,\"in\":\"{}\"}}\n{{\"t\":3,\"out\":\"7E\"}}\n{{\"t\":4,\"in\":\"3131\"}}\n",
        crate::recording::format::hex(id.as_bytes())
    );
    let files = [("client-0001.jsonl", client.as_str()), ("port-qr_scanner.jsonl", &port)];
    let text = shown(&recording(PersonalData::Kept, &files));
    assert!(!text.contains("张三") && !text.contains("110105"), "{text}");
    assert!(!text.contains("3131"), "{text}");
    for part in [
        "asks an unknown name, taskId not shown\n",
        "gets an unknown name, taskId not shown: no\n",
        "calls bridge.simulate\n",
        "sends what is no request\n",
        "exchange 1: nobody asked → (18 bytes)\n",
        "exchange 2: 7E → (2 bytes)\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_torn_recording_says_from_where_on_and_a_damaged_one_where() {
    let end = ("daemon.jsonl", "{\"t\":9000400,\"end\":\"stopped\"}\n");
    let torn = r#"{"t":0,"open":{"baud":9600}}
{"t":1500000,"in":"3131"}
{"t":2000000,"in":"31"#;
    let text = shown(&recording(PersonalData::Replaced, &[("port-qr_scanner.jsonl", torn), end]));
    assert!(text.ends_with("1.500  torn from here on: port-qr_scanner.jsonl\n"), "{text}");

    let damaged = SCANNER.replacen("\"3333\"", "\"333\"", 1);
    for (name, text, line) in [
        ("port-qr_scanner.jsonl", damaged.as_str(), 4),
        (
            "port-photo_decoder.jsonl",
            "{\"t\":1,\"photo\":{\"failed\":\"no\"}}\nx\n{\"t\":2,\"end\":true}\n",
            2,
        ),
    ] {
        let folder = recording(PersonalData::Replaced, &[(name, text), end]);
        let error = write(folder.path(), &mut Vec::new()).err().unwrap().to_string();
        assert!(error.contains(&format!("{name}:{line}: ")), "{error}");
    }
}

#[test]
fn what_a_file_says_cannot_work_the_terminal() {
    let client =
        "{\"t\":1,\"connect\":{\"transport\":\"unix\"}}\n{\"t\":2,\"gone\":\"\\u001b[2J\"}\n";
    let text = shown(&recording(PersonalData::Replaced, &[("client-0001.jsonl", client)]));
    assert!(text.contains("is gone: \u{FFFD}[2J\n"), "{text}");
}
