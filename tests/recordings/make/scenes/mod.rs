//! The scenes that are recorded, and the stage that they are played on.
//!
//! A scene is one behaviour of the bridge: it starts the daemon, works devices at the far ends of
//! ptys, in memory and in a PC/SC service of its own, plays the clients, and stops the daemon. It waits
//! for events and never for a time, but for the pauses that people make between two gestures. What must be so is insisted on: a
//! recording of something else than it says is not kept.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

#[expect(dead_code, reason = "the tests of sound use all of it")]
#[path = "../../../alsa/mod.rs"]
mod alsa;
mod beeper;
mod card_calls;
mod card_life;
mod card_readers;
mod cards;
mod chips;
mod client;
mod codes;
mod cpu_card_polling;
mod cpu_cards;
mod daemon;
#[expect(dead_code, reason = "the tests of the bridge use all of it")]
#[path = "../../../bridge/face_engine.rs"]
mod face_engine;
mod kernel;
mod life;
mod line_trouble;
mod microphone;
mod operation;
mod other_reader;
#[expect(dead_code, unused_imports, reason = "the tests of cards use all of it")]
#[path = "../../../pcscd/mod.rs"]
mod pcscd;
mod people;
mod presence;
mod psams;
mod reader;
mod receipts;
mod scanner;
mod scanner_trouble;
mod screen;
mod slow;
mod social_security;
mod speech;
mod statuses;
mod wire;

/// One recording to be made.
pub(crate) struct Scene {
    /// The recording's name.
    pub(crate) name: String,
    /// What it shows, in a sentence.
    pub(crate) shows: String,
    /// It is played on a kernel with devices: `scripts/test-kernel.sh`.
    pub(crate) in_kernel: bool,
    /// Plays it.
    pub(crate) play: Box<dyn FnOnce(Stage) -> Playing + Send>,
}

/// A scene that is played.
pub(crate) type Playing = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a scene is played: a folder of its own, and the name of its recording.
pub(crate) struct Stage {
    name: String,
    folder: PathBuf,
}

impl Scene {
    fn new<F: Future<Output = ()> + Send + 'static>(
        name: impl Into<String>,
        shows: impl Into<String>,
        play: impl FnOnce(Stage) -> F + Send + 'static,
    ) -> Self {
        let play = Box::new(|stage| Box::pin(play(stage)) as Playing);
        Self { name: name.into(), shows: shows.into(), in_kernel: false, play }
    }

    /// One that needs devices of a kernel.
    fn in_kernel<F: Future<Output = ()> + Send + 'static>(
        name: impl Into<String>,
        shows: impl Into<String>,
        play: impl FnOnce(Stage) -> F + Send + 'static,
    ) -> Self {
        Self { in_kernel: true, ..Self::new(name, shows, play) }
    }
}

impl Stage {
    /// A stage in this folder.
    pub(crate) fn new(name: &str, folder: &Path) -> Self {
        Self { name: name.to_owned(), folder: folder.to_owned() }
    }

    /// A stage beside it, for another daemon.
    fn beside(&self, name: &str) -> Self {
        let folder = self.folder.join(name);
        std::fs::create_dir(&folder).expect("the folder is ours");
        Self { name: name.to_owned(), folder }
    }

    /// A path in its folder.
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }
}

/// All scenes, in the order of the table.
pub(crate) fn all() -> Vec<Scene> {
    [
        cards::scenes(),
        card_calls::scenes(),
        statuses::scenes(),
        line_trouble::scenes(),
        codes::scenes(),
        scanner_trouble::scenes(),
        cpu_cards::scenes(),
        cpu_card_polling::scenes(),
        psams::scenes(),
        beeper::scenes(),
        social_security::scenes(),
        card_readers::scenes(),
        card_life::scenes(),
        presence::scenes(),
        speech::scenes(),
        receipts::scenes(),
        screen::scenes(),
        microphone::scenes(),
        operation::scenes(),
        people::scenes(),
        kernel::scenes(),
        wire::scenes(),
        slow::scenes(),
        life::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Names and numbers on cards that scenes describe, and data that they send to cards, in hex: no
/// recording may hold them.
pub(crate) fn secrets() -> (Vec<&'static str>, Vec<&'static str>) {
    let numbers = ["990102951123002", "99010320000229002X"];
    // One character is in any text.
    let names = social_security::NAMES.into_iter().filter(|name| name.chars().count() > 1);
    let names = names.chain([receipts::CUSTOMER]).chain(people::SECRETS);
    let data = psams::DATA.into_iter().chain([presence::FOREIGN, microphone::VOICE, screen::SHOWN]);
    (names.chain(numbers).chain([operation::TYPED]).collect(), data.collect())
}

/// Ample for anything on a slow, busy machine; only failures take that long.
const AMPLE: Duration = Duration::from_secs(60);

/// The outcome of `future`, or a failure that says what was waited for.
async fn soon<F: Future>(what: &str, future: F) -> F::Output {
    match tokio::time::timeout(AMPLE, future).await {
        Ok(outcome) => outcome,
        Err(_) => panic!("not within {AMPLE:?}: {what}"),
    }
}

/// The pause that a quick person makes between two gestures. Nothing is waited for by it.
async fn pause() {
    tokio::time::sleep(Duration::from_millis(60)).await;
}
