//! Files that are whole, torn, damaged.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;

fn meta() -> Value {
    json!({"format": VERSION, "name": "r", "hharome": "0", "protocol": {"major": 1, "minor": 0},
        "started": 0, "personalData": "replaced", "config": {}, "simulated": true, "token": false,
        "deviceInfo": {"sn": "", "deviceModel": "", "appVersion": "", "androidVersion": "",
            "deviceIP": "", "devicedDisplay": ""}, "devices": []})
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(META_FILE), meta().to_string()).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

#[track_caller]
fn check_cut(files: &[(&str, &str)], end: i64, cut: Option<(i64, &[&str])>) {
    let recording = Recording::open(folder(files).path()).unwrap();
    let cut = cut.map(|(at, files)| Cut {
        at,
        files: files.iter().map(|file| (*file).to_owned()).collect(),
    });
    assert_eq!((recording.end, recording.cut), (end, cut));
}

const WHOLE_CLIENT: &str = "{\"t\":1,\"connect\":{}}\n{\"t\":5,\"gone\":\"finished\"}\n";
const WHOLE_PORT: &str = "{\"t\":2,\"open\":{\"baud\":9600}}\n{\"t\":9,\"end\":true}\n";

#[test]
fn a_file_is_cut_if_it_has_no_end_and_another_has_one() {
    let end = ("daemon.jsonl", "{\"t\":9,\"end\":\"stopped\"}\n");
    let (client, port) = ("client-0001.jsonl", "port-id_card.jsonl");
    check_cut(&[(client, WHOLE_CLIENT), (port, WHOLE_PORT), end], 9, None);
    // A client that is gone is whole, and its end is none of the recording's.
    check_cut(&[(client, WHOLE_CLIENT), (port, "{\"t\":3,\"closed\":true}\n")], 5, None);
    check_cut(&[(port, "{\"t\":3,\"closed\":true}\n"), end], 9, Some((3, &[port])));
    check_cut(
        &[(client, "{\"t\":4,\"connect\":{}}\n"), (port, WHOLE_PORT)],
        9,
        Some((4, &[client])),
    );
    check_cut(
        &[(port, WHOLE_PORT), ("daemon.jsonl", "{\"t\":1,\"stopping\":true}\n")],
        9,
        Some((1, &["daemon.jsonl"])),
    );
    // The earliest of several.
    let two = [(client, "{\"t\":4,\"inEnd\":true}\n"), (port, "{\"t\":3,\"closed\":true}\n"), end];
    check_cut(&two, 9, Some((3, &[client, port])));
    check_cut(&[(port, ""), end], 9, Some((0, &[port])));
}

#[test]
fn a_torn_last_line_cuts_a_file_whatever_the_others_say() {
    let client = "client-0001.jsonl";
    for torn in ["{\"t\":7,\"inE", "{\"t\":7,\"inEnd\":true}", "{\"t\":7,\"inE\n", "\n", "\u{0}"] {
        let text = format!("{{\"t\":4,\"connect\":{{}}}}\n{torn}");
        check_cut(&[(client, &text)], 4, Some((4, &[client])));
        let recording = Recording::open(folder(&[(client, &text)]).path()).unwrap();
        assert_eq!(recording.clients[0].first, Some(4));
    }
    let whole = "{\"t\":4,\"connect\":{}}\n{\"t\":7,\"inEnd\":true}\n";
    check_cut(&[(client, whole)], 7, None);
}

#[test]
fn two_bad_lines_at_the_end_are_damage_and_not_torn() {
    for bad in ["{\"t\":1}\nx\ny\n", "{\"t\":1}\nx\n{\"t\":3"] {
        let folder = folder(&[("client-0001.jsonl", bad)]);
        let error = Recording::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("client-0001.jsonl:2: damaged: no JSON"), "{error}");
    }
}

#[test]
fn a_long_last_line_is_read_as_a_whole() {
    let long = "x".repeat(300_000);
    let text = format!("{{\"t\":1,\"connect\":{{}}}}\n{{\"t\":2,\"inText\":\"{long}\"}}\n");
    check_cut(&[("client-0001.jsonl", &text)], 2, None);
    let torn = text.trim_end();
    check_cut(&[("client-0001.jsonl", torn)], 1, Some((1, &["client-0001.jsonl"])));
}

#[test]
fn a_file_cut_at_any_byte_gives_its_whole_lines_and_no_others() {
    let text = format!(
        "{}\n{}\n{}\n{}\n",
        json!({"t": 10, "connect": {"transport": "tcp", "token": true}}),
        json!({"t": 20, "in": {"a": "\u{8eab}"}}),
        json!({"t": 30, "inHex": "00FF"}),
        json!({"t": 40, "end": true}),
    );
    let folder = folder(&[]);
    let path = folder.path().join("client-0001.jsonl");
    for length in 0..=text.len() {
        let bytes = &text.as_bytes()[..length];
        fs::write(&path, bytes).unwrap();
        let recording = Recording::open(folder.path()).unwrap();
        let whole = bytes.iter().filter(|byte| **byte == b'\n').count();
        let mut lines = recording.client(&recording.clients[0]).unwrap();
        let read: Vec<i64> =
            std::iter::from_fn(|| lines.next().unwrap()).map(|line| line.value.t).collect();
        assert_eq!(read, [10, 20, 30, 40][..whole], "{length}");
        assert_eq!(recording.end, read.last().copied().unwrap_or(0));
        assert_eq!(recording.cut.is_some(), !bytes.ends_with(b"\n") && !bytes.is_empty());
    }
}

#[test]
fn frames_come_out_as_they_went_in() {
    let blob = "ab".repeat(32);
    let text = format!(
        "{{\"t\":1,\"in\":{{\"b\" : 1,\"a\":2.50}}}}\n{{\"t\":2,\"inText\":\"no\\njson\"}}\n\
         {{\"t\":3,\"inHex\":\"00fF\"}}\n{{\"t\":4,\"outBlob\":\"{blob}\"}}\n{{\"t\":5,\"new\":1}}\n"
    );
    let folder = folder(&[("client-0003.jsonl", &text)]);
    fs::create_dir(folder.path().join("blobs")).unwrap();
    fs::write(folder.path().join("blobs").join(&blob), "large").unwrap();
    let recording = Recording::open(folder.path()).unwrap();
    let mut lines = recording.client(&recording.clients[0]).unwrap();
    let read: Vec<Happened> =
        std::iter::from_fn(|| lines.next().unwrap()).map(|line| line.value.happened).collect();
    let expected = [
        Happened::In("{\"b\" : 1,\"a\":2.50}".into()),
        Happened::In("no\njson".into()),
        Happened::In(vec![0x00, 0xFF].into()),
        Happened::Out("large".into()),
        Happened::Unknown,
    ];
    assert_eq!(read, expected);
}

#[test]
fn a_port_gives_its_events_with_their_lines() {
    use hharome_hardware::port::tape::{LineFault, OpenFailureKind, PortEvent};
    let text = "{\"t\":0,\"before\":true,\"open\":{\"baud\":9600}}\n{\"t\":3,\"later\":1}\n\
        {\"t\":5,\"out\":\"0aFF\"}\n{\"t\":6,\"gone\":{\"errno\":5}}\n{\"t\":7,\"gone\":{}}\n\
        {\"t\":8,\"notOpen\":{\"port\":\"p\",\"kind\":\"held\"}}\n{\"t\":9,\"end\":true}\n";
    let folder = folder(&[("port-qr_scanner.jsonl", text)]);
    let recording = Recording::open(folder.path()).unwrap();
    assert!(recording.tells_of_before());
    let tape = PortTape::open(&recording, "qr_scanner", Damage::default()).unwrap();
    let read: Vec<_> = tape.map(|line| (line.line, line.micros, line.before, line.event)).collect();
    assert_eq!(read[0], (1, 0, true, PortEvent::Opened { baud: 9600, modem: None }));
    assert_eq!(read[1], (3, 5, false, PortEvent::Out(vec![0x0A, 0xFF].into())));
    assert_eq!(read[2], (4, 6, false, PortEvent::Gone(LineFault::Os(5))));
    assert_eq!(read[3], (5, 7, false, PortEvent::Gone(LineFault::End)));
    let PortEvent::NotOpened(failure) = &read[4].3 else { panic!("{read:?}") };
    assert_eq!((failure.port.as_str(), &failure.kind), ("p", &OpenFailureKind::Held));
    assert_eq!(read.len(), 5);
    // A port that the recording does not have is an empty tape.
    assert_eq!(PortTape::open(&recording, "printer", Damage::default()).unwrap().count(), 0);
}
