//! The scenes that are recorded, and the stage that they are played on.
//!
//! A scene is one behaviour of the bridge: it starts the daemon, works devices at the far ends of
//! ptys, plays the clients, and stops the daemon. It waits for events and never for a time, but
//! for the pauses that people make between two gestures. What must be so is insisted on: a
//! recording of something else than it says is not kept.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::time::Duration;

mod card_calls;
mod cards;
mod client;
mod codes;
mod daemon;
mod life;
mod line_trouble;
mod other_reader;
mod reader;
mod scanner;
mod scanner_trouble;
mod slow;
mod statuses;
mod wire;

/// One recording to be made.
pub(crate) struct Scene {
    /// The recording's name.
    pub(crate) name: String,
    /// What it shows, in a sentence.
    pub(crate) shows: String,
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
        Self { name: name.into(), shows: shows.into(), play }
    }
}

impl Stage {
    /// A stage in this folder.
    pub(crate) fn new(name: &str, folder: &Path) -> Self {
        Self { name: name.to_owned(), folder: folder.to_owned() }
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
        wire::scenes(),
        slow::scenes(),
        life::scenes(),
    ]
    .into_iter()
    .flatten()
    .collect()
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
