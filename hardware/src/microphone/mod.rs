//! The microphone: sound as it comes, in chunks of one length.
//!
//! [`capture`] is the driver over a line of [`crate::port::pcm`]'s packets; [`virtual_microphone`] the
//! far end of that line. [`Microphone`] is what the rest of the daemon has of it: whoever listens has
//! every chunk from then on, and the device is open only while somebody does. [`recording`] makes one
//! MP3 of what it hears. [`redact`] makes silence of a tape.

pub mod capture;
pub mod mp3;
pub mod pace;
pub mod recording;
pub mod redact;
pub mod virtual_microphone;
pub mod wav;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::device::Trouble;
use crate::source::{Listener, Source};

/// How long whoever begins to listen waits for the device to be open, at most: that of an opening,
/// and that of the pause before it.
const OPENING: Duration = Duration::from_secs(8);

/// A piece of what was said: PCM, 16 kHz, 16 bits little-endian, mono. It is a person's voice: not
/// shown in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct Sound(pub Bytes);

impl fmt::Debug for Sound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sound({} bytes)", self.0.len())
    }
}

/// Why nothing is heard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deaf {
    /// Another program has the microphone.
    Held(Trouble),
    /// Anything else.
    Trouble(Trouble),
}

/// A microphone. Clones are handles on the same one.
#[derive(Clone, Default)]
pub struct Microphone {
    source: Source<Sound>,
    ear: Arc<Mutex<Ear>>,
    /// Sound has come that is not enough for a chunk.
    half: Arc<AtomicBool>,
    /// One MP3 is encoded at a time.
    encoding: Arc<Encoding>,
}

struct Encoding {
    turn: Semaphore,
    /// Encoding goes on beside the runtime's thread; not where the clock is paused, which no other
    /// thread holds back.
    elsewhere: bool,
}

impl Default for Encoding {
    fn default() -> Self {
        Self { turn: Semaphore::new(1), elsewhere: true }
    }
}

/// How the driver and its device stand.
#[derive(Default)]
struct Ear {
    hearing: Hearing,
    /// Those who wait for it to be otherwise, in the order in which they came.
    waiting: Vec<oneshot::Sender<()>>,
}

#[derive(Clone, Default)]
enum Hearing {
    /// It is closed, or is being opened.
    #[default]
    NotYet,
    /// It is open, and sound comes.
    Open,
    Deaf(Deaf),
}

impl Microphone {
    /// One that nobody listens to yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One whose recordings are encoded on the runtime's own thread: at the same moment each time,
    /// where the clock is paused.
    #[must_use]
    pub fn on_one_thread() -> Self {
        let encoding = Encoding { elsewhere: false, ..Encoding::default() };
        Self { encoding: Arc::new(encoding), ..Self::default() }
    }

    /// Listens from now on: the device is opened if it is not open.
    #[must_use]
    pub fn listen(&self) -> Listener<Sound> {
        self.source.listen()
    }

    /// Ends when the device is open for those who listen, at once where it is already.
    ///
    /// # Errors
    /// Why it is not; within `OPENING` at the latest.
    pub async fn hears(&self) -> Result<(), Deaf> {
        let opened = async {
            loop {
                let changed = {
                    let mut ear = self.ear();
                    match &ear.hearing {
                        Hearing::Open => return Ok(()),
                        Hearing::Deaf(deaf) => return Err(deaf.clone()),
                        Hearing::NotYet => {}
                    }
                    let (change, changed) = oneshot::channel();
                    ear.waiting.retain(|waiting| !waiting.is_closed());
                    ear.waiting.push(change);
                    changed
                };
                // Whatever it is, it is looked at again.
                let _ = changed.await;
            }
        };
        timeout(OPENING, opened).await.unwrap_or_else(|_| {
            let detail = format!("the microphone was not open within {} s", OPENING.as_secs());
            Err(Deaf::Trouble(Trouble::Failed { detail }))
        })
    }

    /// Whether sound has come that nobody has heard yet, as it is not enough for a chunk.
    #[must_use]
    pub fn is_in_the_middle_of_a_chunk(&self) -> bool {
        self.half.load(Ordering::Relaxed)
    }

    fn set(&self, hearing: Hearing) {
        let mut ear = self.ear();
        ear.hearing = hearing;
        for waiting in ear.waiting.drain(..) {
            // Who has gone need not know.
            let _ = waiting.send(());
        }
    }

    fn ear(&self) -> MutexGuard<'_, Ear> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.ear.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
