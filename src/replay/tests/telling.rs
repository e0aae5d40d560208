//! How an outcome is told: in words, in JSON, under which name, and of which folders.

use std::path::PathBuf;

use super::kit::{self, Kit};
use super::*;

/// Somebody gets a serial number that differs far behind its beginning, and a frame too many.
fn differing() -> Kit {
    let mut kit = Kit::new();
    kit.connect(4, 1_000);
    kit.says(4, 2_000_000, &kit::info("7"));
    let mut reply = kit.info_reply("7");
    reply["data"]["sn"] = json!(null);
    reply["data"]["more"] = json!("x".repeat(5_000));
    kit.gets(4, 2_000_100, &reply);
    kit.gets(4, 2_500_000, &json!({"channel": "initQRListener", "data": {"qrCode": "1"}}));
    kit.says(4, 3_000_000, &kit::info("8"));
    kit.end(5_000_000);
    kit
}

#[test]
fn programs_get_what_differs_as_values_and_whole() {
    let kit = differing();
    let more = more(&replay(&kit));
    let differences = more["differences"].as_array().unwrap();
    let kinds: Vec<_> = differences.iter().map(|one| one["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["differs", "missing", "extra"]);
    let first = &differences[0];
    assert_eq!((&first["client"], &first["line"]), (&json!(4), &json!(3)));
    assert_eq!((&first["file"], &first["taskId"]), (&json!("client-0004.jsonl"), &json!("7")));
    assert_eq!((&first["call"], &first["seconds"]), (&json!("getDeviceInfo"), &json!(2.0)));
    assert_eq!(
        first["paths"],
        json!([
            {"path": "data.more", "expected": "x".repeat(5_000)},
            {"path": "data.sn", "expected": null, "got": "KIOSK-1"},
        ])
    );
    let missing =
        json!([{"path": "", "expected": {"channel": "initQRListener", "data": {"qrCode": "1"}}}]);
    assert_eq!(
        (&differences[1]["paths"], &differences[1]["call"]),
        (&missing, &json!("initQRListener"))
    );
    assert_eq!(differences[2]["paths"][0]["got"], kit.info_reply("8"));
    assert_eq!((&more["differenceCount"], &more["recording"]), (&json!(3), &json!("by hand")));
    assert!(!more.contains_key("banner"));
}

#[test]
fn programs_are_told_how_late_a_frame_came_and_that_personal_data_was_kept() {
    let mut kit = Kit::new();
    kit.kept = true;
    kit.connect(1, 1_000);
    kit.gets(1, 1_000_000, &kit.info_reply("late"));
    kit.says(1, 4_500_000, &kit::info("late"));
    kit.end(9_000_000);
    let more = more(&replay(&kit));
    let one = &more["differences"][0];
    assert_eq!((&one["kind"], &one["bySeconds"]), (&json!("late"), &json!(3.5)));
    assert!(more["banner"].as_str().unwrap().contains("personal data as it was"));
}

#[test]
fn long_values_are_shown_from_shortly_before_they_differ() {
    let value = |end: &str| Some(json!(format!("{}{end}", "0123456789".repeat(500))));
    let change = Change { path: "data.photo".into(), expected: value("AAA"), got: value("B") };
    assert_eq!(
        change.to_string(),
        "data.photo: expected …4567890123456789AAA\" (from character 4986 of 5005), got \
         …4567890123456789B\" (from character 4986 of 5003)"
    );
    let short = Change { path: String::new(), expected: Some(json!("a")), got: None };
    assert_eq!(short.to_string(), "expected \"a\", got nothing");
}

#[test]
fn a_report_names_the_folder_as_it_was_given_and_the_recording_by_its_own_name() {
    let kit = Kit::card_session();
    let outcome = replay(&kit);
    let folder = kit.folder().display().to_string();
    assert!(
        text(&outcome, false).starts_with(&format!("{folder} (by hand): 3.000 s with 1 client,"))
    );
    assert!(text(&outcome, false).contains("as recorded (1 frame compared)"));
    assert_eq!(case(&outcome).name, folder);
    assert_eq!(title(Path::new("kiosks/monday/"), "monday"), "kiosks/monday/");
}

#[test]
fn the_last_line_says_how_many_differ_and_how_many_cannot_be_replayed() {
    assert_eq!(summary(1, 0, 0), "1 recording, none differs");
    assert_eq!(summary(3, 1, 0), "3 recordings, 1 differs");
    assert_eq!(summary(1, 0, 1), "1 recording: cannot be replayed");
    assert_eq!(summary(3, 0, 1), "3 recordings, 1 cannot be replayed, none of the others differs");
    assert_eq!(summary(4, 2, 1), "4 recordings, 1 cannot be replayed, 2 differ");
}

#[test]
fn a_port_file_and_a_daemon_file_that_are_missing_are_told_first() {
    let kit = differing();
    let folder = kit.folder();
    let meta = kit.read("meta.json");
    let device = r#"[{"device":"id_card","driver":"simulated","simulated":true}]"#;
    let meta = meta.replace(r#""devices":[]"#, &format!(r#""devices":{device}"#));
    std::fs::write(folder.join("meta.json"), meta).unwrap();
    std::fs::remove_file(folder.join("daemon.jsonl")).unwrap();
    let words = text(&replay(&kit), false);
    let lines: Vec<_> = words.lines().collect();
    assert!(
        lines[1].starts_with("  note: port-id_card.jsonl is missing, and meta.json lists"),
        "{words}"
    );
    assert!(lines[2].starts_with("  note: daemon.jsonl is missing"), "{words}");
    assert!(lines[3].starts_with("  client 4, "), "{words}");
}

#[test]
fn what_lies_beside_recordings_is_passed_over_and_a_folder_of_them_stands_for_all() {
    let root = tempfile::tempdir().unwrap();
    let at = |name: &str| root.path().join(name);
    for folder in ["b", "a", "other", "torn"] {
        std::fs::create_dir(at(folder)).unwrap();
    }
    for file in ["README.md", "a/meta.json", "b/meta.json", "other/main.rs", "torn/daemon.jsonl"] {
        std::fs::write(at(file), "").unwrap();
    }
    let all: Vec<PathBuf> = ["README.md", "b", "other"].map(at).into();
    let chosen = choose(&all);
    assert_eq!(chosen.folders, [at("b")]);
    assert!(chosen.notes[0].ends_with("README.md: passed over, as it is a file"), "{chosen:?}");
    assert!(
        chosen.notes[1].ends_with("other: passed over, as there is no meta.json"),
        "{chosen:?}"
    );
    // What was a recording once, and what is not there at all, is no chance find.
    for wrong in ["torn", "nowhere"] {
        assert_eq!(choose(&[at("b"), at(wrong)]).folders, [at("b"), at(wrong)]);
    }
    assert_eq!(choose(&[root.path().to_owned()]).folders, [at("a"), at("b")]);
    for one in ["README.md", "other", "nowhere"] {
        assert_eq!(choose(&[at(one)]), Chosen { folders: vec![at(one)], notes: Vec::new() });
    }
}
