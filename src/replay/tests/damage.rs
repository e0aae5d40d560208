//! Recordings that are cut, damaged, or no recordings.

use std::fs;

use super::kit::{self, Kit};
use super::*;

#[test]
fn a_recording_cut_at_any_byte_is_replayed_as_far_as_it_goes_or_refused_with_words() {
    let kit = Kit::card_session();
    let folder = kit.folder();
    let mut torn = 0;
    for file in ["client-0001.jsonl", "port-id_card.jsonl", "daemon.jsonl", "meta.json"] {
        let path = folder.join(file);
        let whole = fs::read(&path).unwrap();
        // The reader's own tests cut at each single byte.
        for length in (0..whole.len()).rev().filter(|length| length % 23 == 0) {
            fs::write(&path, &whole[..length]).unwrap();
            match run(folder, &Options::default()) {
                Ok(outcome) => {
                    let notes = outcome.notes.join("\n");
                    assert!(notes.contains("the recording is torn"), "{file} {length}: {notes}");
                    assert_eq!(told(&outcome), Vec::<String>::new(), "{file} {length}");
                    torn += 1;
                }
                Err(error) => {
                    assert_eq!(file, "meta.json", "{length}: {error}");
                    assert!(error.to_string().contains("meta.json"), "{error}");
                }
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(torn > 100);
    is_as_recorded(&replay(&kit), 1);
}

#[test]
fn damage_in_the_middle_names_file_and_line_wherever_it_stands() {
    let kit = Kit::card_session();
    let folder = kit.folder();
    for file in ["client-0001.jsonl", "port-id_card.jsonl"] {
        let path = folder.join(file);
        let whole = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        for at in 0..lines.len() - 1 {
            let mut damaged = lines.clone();
            damaged[at] = "{\"t\":1,\"secret";
            fs::write(&path, damaged.join("\n") + "\n").unwrap();
            let error = run(folder, &Options::default()).unwrap_err().to_string();
            let place = format!("{}:{}: damaged: no JSON", path.display(), at + 1);
            assert!(error.starts_with(&place), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
        fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn any_bytes_in_place_of_a_file_are_no_panic() {
    let kit = Kit::card_session();
    let folder = kit.folder();
    let garbage: [&[u8]; 8] = [
        b"\n\n\n",
        b"\xff\xfe\x00\n",
        b"[1,true]\n{}\n",
        b"{\"t\":9223372036854775807}\n{\"t\":-9223372036854775808}\n",
        b"{\"t\":5,\"out\":\"ZZ\"}\n{\"t\":6}\n",
        b"{\"t\":5,\"outBlob\":\"../../meta.json\"}\n{\"t\":6}\n",
        b"{\"t\":5,\"open\":{\"baud\":0}}\n{\"t\":1,\"in\":\"00\"}\n{\"t\":0,\"end\":true}\n",
        b"{\"t\":400,\"before\":true,\"gone\":\"?\"}\n{\"t\":-5,\"flowing\":true}\n",
    ];
    for file in ["client-0001.jsonl", "port-id_card.jsonl", "daemon.jsonl", "meta.json"] {
        let path = folder.join(file);
        let whole = fs::read(&path).unwrap();
        for bytes in garbage {
            fs::write(&path, bytes).unwrap();
            if let Err(error) = run(folder, &Options::default()) {
                assert!(!error.to_string().is_empty());
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    is_as_recorded(&replay(&kit), 1);
}

#[test]
fn from_the_cut_on_nothing_is_compared() {
    let mut kit = Kit::new();
    for client in [1, 2] {
        kit.connect(client, 1_000);
        kit.says(client, 2_000_000, &kit::info("a"));
        kit.gets(client, 2_000_100, &kit.info_reply("a"));
    }
    // Never said, so it would be missing.
    kit.gets(1, 6_000_000, &kit.info_reply("late"));
    kit.end(9_000_000);
    assert_eq!(replay(&kit).count, 1);
    let path = kit.folder().join("client-0002.jsonl");
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, whole.lines().take(3).map(|line| format!("{line}\n")).collect::<String>())
        .unwrap();
    let outcome = replay(&kit);
    assert_eq!(told(&outcome), Vec::<String>::new());
    assert_eq!(
        outcome.notes,
        ["the recording is torn: client-0002.jsonl cut short; from 2.000 s on nothing is compared"]
    );
    let accept = Options { accept: true, ..Options::default() };
    assert!(matches!(run(kit.folder(), &accept), Err(ReplayError::Unacceptable(_))));
}

#[test]
fn without_any_end_line_whole_files_count_to_the_last_line_of_all() {
    let mut kit = Kit::new();
    kit.connect(1, 1_000);
    kit.says(1, 2_000_000, &kit::info("a"));
    kit.gets(1, 2_000_100, &kit.info_reply("a"));
    kit.gets(1, 3_000_000, &kit.info_reply("never"));
    kit.connect(2, 8_000_000);
    let outcome = replay(&kit);
    assert_eq!((outcome.count, outcome.notes.len(), outcome.length), (1, 0, 8_000_000));
}

#[test]
fn another_major_version_and_no_recording_are_refused_with_words() {
    let kit = Kit::card_session();
    let path = kit.folder().join("meta.json");
    let meta = fs::read_to_string(&path).unwrap();
    let format = |major: u32| format!("\"format\":{{\"major\":{major},");
    assert!(meta.contains(&format(1)), "{meta}");
    fs::write(&path, meta.replace(&format(1), &format(2))).unwrap();
    let error = run(kit.folder(), &Options::default()).unwrap_err().to_string();
    assert!(
        error.contains("a recording of format 2, and this version reads format 1 only"),
        "{error}"
    );
    fs::remove_file(&path).unwrap();
    let error = run(kit.folder(), &Options::default()).unwrap_err().to_string();
    assert!(error.ends_with("no recording: there is no meta.json"), "{error}");
}
