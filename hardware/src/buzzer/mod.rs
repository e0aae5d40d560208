//! The kiosk's buzzer: the beeper of a card reader ([`reader`]), one that is an input device
//! ([`tone`]), or a program that beeps ([`program`]).
//!
//! Whoever wants a beep has a [`Beeper`], a handle on the queue of the one task that owns the
//! buzzer. Beeps sound one at a time, in the order in which they were asked for; the task ends with
//! the daemon. What readers understand stands in [`models`], and [`virtual_buzzer`] is the far end.
//!
//! ```text
//! Beeper::beep ─► queue ─► BuzzerTask ─► CardSlot::escape ─► the reader
//!                      ├─► ToneBuzzer ─► Line ─► the helper ─► the input device
//!                      └─► ProgramBuzzer ─► a process
//! ```

pub mod models;
pub mod program;
pub mod reader;
pub mod tone;
mod virtual_buzzer;

use std::future::Future;

use tokio::sync::{mpsc, oneshot};

use crate::device::Trouble;

pub use self::models::{CommandSet, Family, Template};
pub use self::program::{Program, ProgramBuzzer, program_buzzer};
pub use self::reader::{BuzzerTask, reader_buzzer};
pub use self::tone::{ToneBuzzer, tone_buzzer};
pub use self::virtual_buzzer::{BeepLog, virtual_buzzer};

/// How many beeps may wait for the one that sounds. People do not tell more apart; more is a
/// program in a loop, which has to hear of it.
pub const WAITING: usize = 16;

/// Why there was no beep.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BeepError {
    /// [`WAITING`] beeps wait already.
    #[error("{WAITING} beeps wait already")]
    Full,
    /// The buzzer cannot be used.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// A handle on the buzzer. Clones are handles on the same one.
#[derive(Clone)]
pub struct Beeper {
    queue: mpsc::Sender<Beep>,
}

impl Beeper {
    /// Asks for a beep of this many milliseconds. It stands in the queue when this returns, not when
    /// the future is first polled.
    ///
    /// The future ends when the buzzer has taken the beep: a reader has answered its first command
    /// (the ACR122U does so when it has sounded, others at once), an input device has been told the
    /// tone, a program has ended. What goes
    /// wrong later in a long beep is in the device's state and in the log. A beep whose future is
    /// dropped before its turn does not sound; one that has begun sounds to its end.
    ///
    /// # Errors
    /// [`BeepError`], as the result of the future.
    pub fn beep(&self, ms: u32) -> impl Future<Output = Result<(), BeepError>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let queued = self.queue.try_send(Beep { ms, answer });
        async move {
            match queued {
                Ok(()) => answered.await.unwrap_or_else(|_| Err(ended())).map_err(Into::into),
                Err(mpsc::error::TrySendError::Full(_)) => Err(BeepError::Full),
                Err(mpsc::error::TrySendError::Closed(_)) => Err(ended().into()),
            }
        }
    }
}

/// A beep that waits for its turn.
struct Beep {
    ms: u32,
    answer: oneshot::Sender<Result<(), Trouble>>,
}

impl Beep {
    fn answer(self, result: Result<(), Trouble>) {
        // Whoever asked may have gone.
        let _ = self.answer.send(result);
    }
}

/// The far side of the handles.
struct Queue(mpsc::Receiver<Beep>);

impl Queue {
    fn new() -> (Beeper, Self) {
        let (sender, receiver) = mpsc::channel(WAITING);
        (Beeper { queue: sender }, Self(receiver))
    }

    /// The next beep that somebody still waits for; never ends once all handles are gone. Safe to
    /// drop.
    async fn next(&mut self) -> Beep {
        loop {
            match self.0.recv().await {
                Some(beep) if beep.answer.is_closed() => {}
                Some(beep) => return beep,
                None => std::future::pending().await,
            }
        }
    }
}

impl Queue {
    /// The buzzer cannot be used: tells the beep that was to be the `first`, if one was. Ends with the
    /// next one, for which it is looked for again, or when that is worth it without one.
    async fn after(
        &mut self,
        trouble: &Trouble,
        first: Option<Beep>,
        worth_opening: impl Future<Output = ()>,
    ) -> Option<Beep> {
        if let Some(beep) = first {
            beep.answer(Err(trouble.clone()));
        }
        tokio::select! {
            biased;
            beep = self.next() => Some(beep),
            () = worth_opening => None,
        }
    }
}

fn ended() -> Trouble {
    Trouble::Failed { detail: "the task of the buzzer has ended".to_owned() }
}
