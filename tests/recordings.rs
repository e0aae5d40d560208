//! The recordings of `tests/recordings`: each replays as it was recorded, to the same bytes every
//! time, holds nothing of a person, and stands in the table.
//!
//! They are made anew by `make recordings`; `recordings/make` says how.

#![expect(clippy::expect_used, clippy::panic, reason = "whatever goes wrong in a test fails it")]

#[path = "recordings/make/scenes/mod.rs"]
#[expect(dead_code, reason = "of the scenes only their names and words are wanted here")]
mod scenes;

#[path = "recordings/leaks.rs"]
mod leaks;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use hharome::replay::{self, FrameSink, Options};
use leaks::{Content, Secret, Secrets};
use sha2::{Digest, Sha256};

/// How often each recording is replayed to see that nothing of chance is in it. All of them once
/// take some 0.4 s of a processor without optimisation, a tenth of it with.
const TIMES: usize = if cfg!(debug_assertions) { 20 } else { 100 };

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

/// Every folder with a recording, by name.
fn recordings() -> BTreeMap<String, PathBuf> {
    let entries = fs::read_dir(root()).expect("the folder of recordings");
    let folders = entries.map(|entry| entry.expect("an entry").path());
    let recordings: BTreeMap<_, _> = folders
        .filter(|folder| folder.join("meta.json").exists())
        .map(|folder| {
            let name = folder.file_name().and_then(|name| name.to_str()).expect("UTF-8");
            (name.to_owned(), folder)
        })
        .collect();
    assert!(recordings.len() > 50, "the recordings were not found");
    recordings
}

/// The program over these folders: exit code, and all that it said.
fn hharome(words: &[&str], folders: &BTreeMap<String, PathBuf>) -> (Option<i32>, String) {
    let mut program = Command::new(env!("CARGO_BIN_EXE_hharome"));
    let output = program.args(words).args(folders.values()).output().expect("the program");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn every_recording_replays_as_it_was_recorded() {
    let recordings = recordings();
    let (code, said) = hharome(&["replay"], &recordings);
    let differing: Vec<_> = said.lines().filter(|line| !line.contains(": as recorded (")).collect();
    let all_is_well = [format!("{} recordings, none differs", recordings.len())];
    assert_eq!(differing, all_is_well);
    assert_eq!(code, Some(0));
}

#[test]
fn every_recording_replays_strictly_in_the_order_of_then() {
    let recordings = recordings();
    let (code, said) = hharome(&["replay", "--strict"], &recordings);
    let differing: Vec<_> = said.lines().filter(|line| !line.contains(": as recorded (")).collect();
    let all_is_well = [format!("{} recordings, none differs", recordings.len())];
    assert_eq!(differing, all_is_well);
    assert_eq!(code, Some(0));
}

#[test]
fn no_recording_holds_what_is_a_persons() {
    let (code, said) = hharome(&["recording", "lint"], &recordings());
    let good = |line: &&str| line.ends_with(": clean") || line.starts_with("hharome: note: ");
    let dirty: Vec<_> = said.lines().filter(|line| !good(line)).collect();
    assert_eq!(dirty, Vec::<&str>::new());
    assert_eq!(code, Some(0));
}

#[test]
fn no_recording_holds_what_is_on_the_virtual_cards() {
    let secrets = Secrets::with(scenes::secrets());
    let mut with_cards = 0;
    for (name, folder) in recordings() {
        if let Some(told) = secrets.told_by(&folder) {
            assert_eq!(told, Vec::<&str>::new(), "{name}");
            with_cards += 1;
        }
    }
    assert!(with_cards > 30, "the recordings with cards were not found");
}

#[test]
fn a_secret_is_found_however_it_is_written() {
    let (name, number) = (Secret::text("郑小二"), Secret::text("990102199511230026"));
    for (secret, texts) in [
        (
            name,
            vec![
                "\"name\":\"郑小二\"",
                r"\u90d1\u5c0f\u4e8c",
                r"\u90D1\u5C0F\u4E8C",
                // GB18030, whole, in small letters with blanks, and in two answers of a card.
                "0906D6A3D0A1B6FE9000",
                "d6 a3 d0 a1 b6 fe",
                "{\"t\":1,\"in\":\"D6A3D06103\"}\n{\"t\":2,\"out\":\"00C0\"}\n{\"t\":3,\"in\":\"A1B6FE9000\"}",
                // UTF-16, and UTF-8 in base64 behind other bytes.
                "D1900F5C8C4E",
                "eOmDkeWwj+S6jA",
                "eHjpg5HlsI/kuox4",
            ],
        ),
        (
            number,
            vec![
                "x990102199511230026x",
                "393930313032313939353131323330303236",
                "OTkwMTAyMTk5NTExMjMwMDI2",
            ],
        ),
    ] {
        for text in texts {
            let mut content = Content::default();
            content.add_text(text.as_bytes());
            assert!(secret.is_in(&content), "{text}");
        }
        let mut content = Content::default();
        content.add_text("郑小 99010219951123002X D6A3D0A1B6".as_bytes());
        assert!(!secret.is_in(&content), "{}", secret.what);
    }
}

#[test]
fn the_table_tells_of_every_recording_and_each_has_its_scene() {
    let page = fs::read_to_string(root().join("README.md")).expect("README.md");
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let table: BTreeMap<_, _> = rows
        .map(|row| {
            let (name, shows) = row.split_once("` | ").expect("two columns");
            (name.to_owned(), shows.to_owned())
        })
        .collect();
    let scenes = scenes::all();
    let made: BTreeMap<_, _> =
        scenes.iter().map(|scene| (scene.name.clone(), scene.shows.clone())).collect();
    assert_eq!(made.len(), scenes.len(), "two scenes have one name");
    assert_eq!(table, made, "README.md; `make recordings` writes it");
    let there: BTreeSet<_> = recordings().into_keys().collect();
    assert_eq!(there, made.into_keys().collect(), "folders; `make recordings` makes them");
}

#[test]
fn however_often_it_is_replayed_a_recording_gives_the_same_bytes() {
    let jobs: Vec<PathBuf> = recordings().into_values().collect();
    on_all_cores(&jobs, |folder| {
        let first = bytes_out(folder);
        for _ in 1..TIMES {
            assert_eq!(bytes_out(folder), first, "{}", folder.display());
        }
    });
}

#[test]
fn a_busy_machine_changes_no_byte() {
    let folders = recordings();
    let quiet: Vec<_> = folders.values().map(|one| bytes_out(one)).collect();
    let busy: Vec<_> = beside_others(|| folders.values().map(|one| bytes_out(one)).collect());
    for ((name, quiet), busy) in folders.keys().zip(quiet).zip(busy) {
        assert_eq!(quiet, busy, "{name}");
    }
}

/// Does the work while twice as many threads as there are processors spin beside it.
fn beside_others<T>(work: impl FnOnce() -> T) -> T {
    struct StopAtTheEnd<'a>(&'a AtomicBool);
    impl Drop for StopAtTheEnd<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        // A failure of the work ends the others, too.
        let _stop = StopAtTheEnd(&stop);
        for _ in 0..2 * cores() {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        work()
    })
}

/// What each client gets in a replay: how many frames, and the digest of when and what. Which of
/// two clients gets its frame first within the same moment is nobody's to see, and not in it.
fn bytes_out(folder: &Path) -> BTreeMap<u64, (u64, String)> {
    let heard = Arc::new(Mutex::new(BTreeMap::<u64, (u64, Sha256)>::new()));
    let ear = Arc::clone(&heard);
    let sink: FrameSink = Arc::new(Mutex::new(move |client: u64, t: i64, frame: &[u8]| {
        let mut clients = ear.lock().expect("nobody panics with it");
        let (frames, digest) = clients.entry(client).or_default();
        *frames += 1;
        digest.update(t.to_le_bytes());
        digest.update(frame);
    }));
    let options = Options { sink: Some(sink), ..Options::default() };
    replay::run(folder, &options).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let clients = std::mem::take(&mut *heard.lock().expect("nobody panics with it"));
    clients
        .into_iter()
        .map(|(client, (frames, digest))| (client, (frames, format!("{:x}", digest.finalize()))))
        .collect()
}

/// Does all jobs, each on one of as many threads as there are processors.
fn on_all_cores(jobs: &[PathBuf], work: impl Fn(&Path) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..cores() {
            scope.spawn(|| {
                while let Some(job) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(job);
                }
            });
        }
    });
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
