//! The readers that pcscd knows. Its library blocks without a limit when the daemon hangs, so it is
//! asked on a thread of its own, which is abandoned after the deadline and ends with the process.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::printable;

/// What pcscd said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardReaders {
    /// The names of its readers, sorted; perhaps none.
    Found(Vec<String>),
    /// It could not be asked; why, in words.
    Unavailable(String),
}

impl CardReaders {
    /// Asks pcscd, and waits for its answer as long as this.
    pub fn ask(limit: Duration) -> Self {
        Self::ask_within(limit, list)
    }

    /// The names, none if pcscd could not be asked.
    pub fn names(&self) -> &[String] {
        match self {
            Self::Found(names) => names,
            Self::Unavailable(_) => &[],
        }
    }

    /// Runs a blocking question on a thread of its own.
    pub(super) fn ask_within(
        limit: Duration,
        question: impl FnOnce() -> Self + Send + 'static,
    ) -> Self {
        let (answer, answered) = mpsc::channel();
        let thread = thread::Builder::new().name("card readers".to_owned()).spawn(move || {
            // Nobody listens any more when the deadline was missed.
            let _ = answer.send(question());
        });
        if let Err(error) = thread {
            return Self::Unavailable(format!("no thread to ask pcscd: {error}"));
        }
        answered.recv_timeout(limit).unwrap_or_else(|missed| {
            Self::Unavailable(match missed {
                RecvTimeoutError::Timeout => {
                    format!("pcscd did not answer within {} ms", limit.as_millis())
                }
                RecvTimeoutError::Disconnected => "asking pcscd failed".to_owned(),
            })
        })
    }
}

fn list() -> CardReaders {
    let names = pcsc::Context::establish(pcsc::Scope::User)
        .and_then(|context| context.list_readers_owned());
    match names {
        Ok(names) => {
            let mut names: Vec<String> =
                names.iter().map(|name| printable(&name.to_string_lossy())).collect();
            names.sort();
            CardReaders::Found(names)
        }
        Err(pcsc::Error::NoService) => {
            CardReaders::Unavailable("pcscd is not running (package pcscd)".to_owned())
        }
        Err(error) => CardReaders::Unavailable(format!("pcscd: {error}")),
    }
}
