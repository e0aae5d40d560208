//! The summary of a recording, for people and as JSON.

use hharome_protocol::bridge::ProtocolVersion;
use tempfile::TempDir;

use super::*;
use crate::recording::format::{META_FILE, RecordedDevice, VERSION};

const PORT: &str = r#"{"t":0,"before":true,"open":{"baud":115200}}
{"t":10,"out":"AAAAAA96690003"}
{"t":20,"in":"AAAA"}
{"t":30,"in":"AA9669"}
{"t":3723400000,"end":true}
"#;

const CLIENT: &str = r#"{"t":5,"connect":{"transport":"unix"}}
{"t":6,"in":{"on":"initQRListener"}}
{"t":7,"inTooLong":true}
{"t":8,"out":{"on":"initQRListener","success":true,"message":"成功"}}
{"t":9,"gone":"finished"}
"#;

fn recording(personal_data: PersonalData) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let meta = Meta {
        format: VERSION,
        name: "morning".to_owned(),
        hharome: "0.1.0".to_owned(),
        protocol: ProtocolVersion::CURRENT,
        started: 1_709_210_096_789,
        personal_data,
        config: serde_json::Map::new(),
        simulated: true,
        token: false,
        device_info: hharome_protocol::device::DeviceInfo::default(),
        devices: vec![RecordedDevice {
            device: "id_card".to_owned(),
            driver: "sam-v-serial".to_owned(),
            simulated: true,
            facts: std::collections::BTreeMap::new(),
        }],
    };
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write(META_FILE, &serde_json::to_string(&meta).unwrap());
    write("daemon.jsonl", "{\"t\":3723400000,\"end\":\"stopped\"}\n");
    write("port-id_card.jsonl", PORT);
    write("client-0001.jsonl", CLIENT);
    folder
}

#[test]
fn a_summary_tells_what_was_recorded() {
    let folder = recording(PersonalData::Replaced);
    let text = Summary::of(folder.path()).unwrap().text();
    for part in [
        "name           morning\n",
        "recorded       2024-02-29 12:34:56 UTC\n",
        "duration       1 h 02 min 03.4 s\n",
        "personal data  replaced\n",
        "cut            no\n",
        "id_card  sam-v-serial  yes\n",
        "id_card  5 bytes          7 bytes\n",
        "1       unix       2            1\n",
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn the_same_is_told_to_programs() {
    let folder = recording(PersonalData::Kept);
    let json = Summary::of(folder.path()).unwrap().json();
    assert_eq!(json["personalData"], "kept");
    assert_eq!(json["durationMicros"], 3_723_400_000_i64);
    assert_eq!(json["cut"], Value::Null);
    let port = json!({"port": "id_card", "bytesIn": 5, "bytesOut": 7, "photos": 0, "cards": 0});
    assert_eq!(json["ports"], json!([port]));
    let client = json!({"client": 1, "transport": "unix", "framesIn": 2, "framesOut": 1});
    assert_eq!(json["clients"], json!([client]));
    assert_eq!(json["devices"][0]["driver"], "sam-v-serial");
    assert!(json["bytes"].as_u64().unwrap() > 500);
}

#[test]
fn that_personal_data_was_kept_is_hard_to_overlook() {
    let folder = recording(PersonalData::Kept);
    assert!(Summary::of(folder.path()).unwrap().text().contains("personal data  KEPT: "));
}

#[test]
fn a_torn_recording_tells_where_it_was_cut() {
    let folder = recording(PersonalData::Replaced);
    let torn = &PORT[..PORT.len() - 40];
    fs::write(folder.path().join("port-id_card.jsonl"), torn).unwrap();
    let summary = Summary::of(folder.path()).unwrap();
    let cut = "cut            at 0.0 s, by a crash or a full disk: port-id_card.jsonl\n";
    assert!(summary.text().contains(cut), "{}", summary.text());
    assert_eq!(summary.json()["cut"]["files"], json!(["port-id_card.jsonl"]));
}

#[test]
fn a_damaged_line_in_the_middle_is_named() {
    let folder = recording(PersonalData::Replaced);
    let damaged = PORT.replacen("\"in\":\"AAAA\"", "\"in\":\"AAA\"", 1);
    fs::write(folder.path().join("port-id_card.jsonl"), damaged).unwrap();
    let error = Summary::of(folder.path()).err().unwrap().to_string();
    assert!(error.contains("port-id_card.jsonl:3: "), "{error}");
    fs::remove_file(folder.path().join(META_FILE)).unwrap();
    assert!(matches!(Summary::of(folder.path()), Err(ReadError::NoMeta(_))));
}

#[test]
fn lengths_and_dates_are_written_for_people() {
    for (micros, words) in [
        (-5, "0.0 s"),
        (59_999_999, "59.9 s"),
        (60_000_000, "1 min 00.0 s"),
        (3_600_000_000, "1 h 00 min 00.0 s"),
    ] {
        assert_eq!(length(micros), words);
    }
    for (millis, words) in [
        (0, "1970-01-01 00:00:00 UTC"),
        (951_782_399_000, "2000-02-28 23:59:59 UTC"),
        (951_868_800_000, "2000-03-01 00:00:00 UTC"),
        (1_767_225_599_999, "2025-12-31 23:59:59 UTC"),
    ] {
        assert_eq!(date(millis), words);
    }
    assert!(date(u64::MAX).starts_with("9999-"));
}

#[test]
fn of_a_card_reader_the_cards_are_counted() {
    let folder = recording(PersonalData::Replaced);
    let port = r#"{"t":0,"before":true,"card":{"opened":"R 00 00"}}
{"t":0,"before":true,"card":{"holds":{"what":"card","atr":"","number":4}}}
{"t":5,"card":{"holds":{"what":"card","atr":"3B8F8001","number":4}}}
{"t":10,"out":"00A4040000"}
{"t":20,"in":"9000"}
{"t":30,"card":{"holds":{"what":"nothing","number":4}}}
{"t":40,"card":{"holds":{"what":"mute","number":5}}}
{"t":3723400000,"end":true}
"#;
    fs::write(folder.path().join("port-cpu_card.jsonl"), port).unwrap();
    let summary = Summary::of(folder.path()).unwrap();
    let ports = summary.json()["ports"].clone();
    let port = json!({"port": "cpu_card", "bytesIn": 2, "bytesOut": 5, "photos": 0, "cards": 2});
    assert!(ports.as_array().unwrap().contains(&port), "{ports}");
    let text = summary.text();
    assert!(text.contains("2 cards, 2 bytes"), "{text}");
}
