//! Makes the recordings of `tests/recordings`: each scene is played before the real daemon, which
//! records it.
//!
//! ```sh
//! cargo test --locked --test make-recordings              # all of them, about a minute
//! cargo test --locked --test make-recordings -- NAME…     # these
//! cargo test --locked --test make-recordings -- --list    # their names, and what they show
//! ```
//!
//! Those of devices that this machine's kernel has not are played in the guest of
//! `scripts/test-kernel.sh`.
//!
//! Run by hand only: what it makes is kept, and replayed by `tests/recordings.rs`. A recording
//! takes the place of the one of its name once its scene has gone as it should; `README.md`, the
//! table of all, is written anew each time. The exit code is 1 if a scene went wrong.

#![expect(clippy::expect_used, clippy::panic, reason = "a scene that goes wrong is not kept")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people")]

mod kernel;
#[path = "../leaks.rs"]
mod leaks;
mod scenes;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use scenes::{Scene, Stage};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Scenes that are played at once: they wait far more than they work.
const AT_ONCE: usize = 4;

fn main() -> ExitCode {
    let mut scenes = scenes::all();
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if wanted.iter().any(|word| word == "--list") {
        for scene in &scenes {
            println!("{:<36} {}", scene.name, scene.shows);
        }
        return ExitCode::SUCCESS;
    }
    if let Some(stranger) = wanted.iter().find(|name| scenes.iter().all(|one| one.name != **name)) {
        eprintln!("{stranger}: no such recording; --list names them");
        return ExitCode::from(2);
    }
    if kernel::is_here() {
        // Nothing that is written there lasts: the recordings are said instead.
        scenes.retain(|scene| wanted.contains(&scene.name));
        return ended(play_all(scenes, kernel::say));
    }
    if let Err(error) = write_readme(&scenes) {
        eprintln!("README.md: {error}");
        return ExitCode::FAILURE;
    }
    if wanted.is_empty() {
        remove_strangers(&scenes);
    } else {
        scenes.retain(|scene| wanted.contains(&scene.name));
    }
    let (far, near): (Vec<_>, Vec<_>) = scenes.into_iter().partition(|scene| scene.in_kernel);
    let names: Vec<_> = far.into_iter().map(|scene| scene.name).collect();
    ended(play_all(near, keep) + kernel::play(&names))
}

fn ended(wrong: usize) -> ExitCode {
    if wrong == 0 {
        return ExitCode::SUCCESS;
    }
    eprintln!("{wrong} scenes went wrong; their recordings are as they were");
    ExitCode::FAILURE
}

/// What becomes of a recording in this folder, by its name; its size in bytes.
type Keep = fn(&Path, &str) -> io::Result<u64>;

fn play_all(scenes: Vec<Scene>, keep: Keep) -> usize {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(play(scenes, keep))
}

/// Plays them; how many went wrong.
async fn play(scenes: Vec<Scene>, keep: Keep) -> usize {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut playing = JoinSet::new();
    for scene in scenes {
        let places = Arc::clone(&places);
        playing.spawn(async move {
            let _place = places.acquire_owned().await.expect("it is never closed");
            let (name, begun) = (scene.name.clone(), Instant::now());
            // In a task of its own, so that a panic is this scene's only.
            let played = tokio::spawn(make(scene, keep)).await;
            let made = played.map_err(|_| "the scene went wrong".to_owned()).and_then(|made| made);
            (name, begun.elapsed(), made)
        });
    }
    let mut wrong = 0;
    while let Some(done) = playing.join_next().await {
        let (name, took, made) = done.expect("it catches its scene's panic");
        match made {
            Ok(bytes) => println!("{name:<36} {:>6.1} s {bytes:>9} bytes", took.as_secs_f32()),
            Err(why) => {
                wrong += 1;
                println!("{name:<36} {why}");
            }
        }
    }
    wrong
}

/// Plays one scene and keeps its recording; its size in bytes.
async fn make(scene: Scene, keep: Keep) -> Result<u64, String> {
    let Scene { name, play, .. } = scene;
    let folder = TempDir::new().expect("a folder");
    play(Stage::new(&name, folder.path())).await;
    let made = folder.path().join("recordings").join(&name);
    let daemon = fs::read_to_string(made.join("daemon.jsonl")).unwrap_or_default();
    if !daemon.lines().last().is_some_and(|line| line.contains("\"end\":")) {
        return Err("the recording has no end".to_owned());
    }
    let secrets = leaks::Secrets::with(scenes::secrets());
    if let Some(told) = secrets.told_by(&made).filter(|told| !told.is_empty()) {
        return Err(format!("the recording tells {}", told.join(", ")));
    }
    keep(&made, &name).map_err(|error| format!("it cannot be kept: {error}"))
}

/// Puts it in the place of the one of its name.
fn keep(made: &Path, name: &str) -> io::Result<u64> {
    let kept = root().join(name);
    if kept.exists() {
        fs::remove_dir_all(&kept)?;
    }
    copy(made, &kept)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recordings")
}

/// Copies a folder; the bytes of its files.
fn copy(from: &Path, to: &Path) -> io::Result<u64> {
    fs::create_dir_all(to)?;
    let mut bytes = 0;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        bytes += if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?
        } else {
            // Written anew: the recorder's own files are for nobody else's eyes.
            let content = fs::read(entry.path())?;
            fs::write(&target, &content)?;
            content.len() as u64
        };
    }
    Ok(bytes)
}

/// Removes recordings that no scene makes any more.
fn remove_strangers(scenes: &[Scene]) {
    for entry in fs::read_dir(root()).expect("this folder").flatten() {
        let known = scenes.iter().any(|scene| entry.file_name() == scene.name.as_str());
        if !known && entry.path().join("meta.json").exists() {
            println!("{}: no scene makes it any more; removed", entry.path().display());
            fs::remove_dir_all(entry.path()).expect("it can be removed");
        }
    }
}

fn write_readme(scenes: &[Scene]) -> io::Result<()> {
    let mut page = String::from(README);
    for scene in scenes {
        page.push_str(&format!("| `{}` | {} |\n", scene.name, scene.shows));
    }
    fs::write(root().join("README.md"), page)
}

const README: &str = "# Recordings

What the bridge did, recorded by the unmodified daemon, and replayed by `cargo test` without any
device (`tests/recordings.rs`; by hand: `hharome replay tests/recordings/NAME`). How a recording
looks is in `docs/recording.md`.

Written by the command that makes them; do not edit this page or a recording by hand:

```sh
cargo test --locked --test make-recordings              # all of them anew, about a minute
cargo test --locked --test make-recordings -- NAME…     # these
cargo test --locked --test make-recordings -- --list    # what there is
```

Everybody in them is invented twice: the people of the virtual reader are, and the recorder has
replaced their names, numbers, addresses and photos once more.

| recording | what it shows |
|---|---|
";
