//! How far one receipt has come on its way, and why it goes no further.

use std::time::Duration;

use tokio::time::Instant;

use super::SLOW;
use super::talk::{Stop, Talk};
use crate::device::Trouble;
use crate::receipt::{Ended, PrintError, Progress};

/// One receipt's way.
pub(super) struct Run {
    /// How long the printer may take nothing and say nothing; `None`: for ever.
    pub(super) limit: Option<Duration>,
    pub(super) progress: Progress,
    pub(super) began: Instant,
    /// All of its dots were taken, and a byte of what ends it.
    pub(super) is_ending: bool,
}

impl Run {
    /// The way of a receipt of so many rows, of which nothing was sent yet.
    pub(super) fn new(limit: Option<Duration>, of: u32, confirmed: bool) -> Self {
        let progress = Progress { rows: 0, of, confirmed, begun: false };
        Self { limit, progress, began: Instant::now(), is_ending: false }
    }

    /// How it ended, as far as anybody can know: what goes or stands still when it has all of a receipt
    /// may have printed that.
    pub(super) fn judged(&self, result: Result<Ended, PrintError>) -> Result<Ended, PrintError> {
        match result {
            Err(PrintError::Gone { .. } | PrintError::Stalled { .. }) if self.is_ending => {
                Err(PrintError::Unconfirmed)
            }
            other => other,
        }
    }

    /// How long a slow printer takes for all of it.
    pub(super) fn paper_time(&self) -> Duration {
        Duration::from_millis(u64::from(self.progress.of) * 1000 / u64::from(SLOW))
    }

    /// Takes note of how far the printer says it is.
    pub(super) fn note(&mut self, talk: &Talk, confirms: bool) {
        self.progress.confirmed = confirms;
        if confirms {
            self.progress.rows = talk.confirmed_rows();
        }
    }

    /// The line is gone.
    pub(super) fn gone(&self, error: std::io::Error) -> PrintError {
        self.stopped(Stop::Line(error))
    }

    /// Why it goes no further, and how far it had come.
    pub(super) fn stopped(&self, stop: Stop) -> PrintError {
        let progress = self.progress;
        match stop {
            Stop::Obstacle(what) => PrintError::Obstacle { what, progress },
            Stop::Stalled => {
                PrintError::Stalled { limit: self.limit.unwrap_or_default(), progress }
            }
            Stop::Line(error) => {
                let detail = format!("the printer is gone: {}", words(&error));
                PrintError::Gone { detail, progress }
            }
        }
    }
}

/// The line is gone, outside a receipt.
pub(super) fn gone(error: std::io::Error) -> Trouble {
    Trouble::Absent { detail: format!("the printer is gone: {}", words(&error)) }
}

fn words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => "its line has ended".to_owned(),
        _ => error.to_string(),
    }
}
