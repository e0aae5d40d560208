//! One recording of what is heard: from its start to its stop, as one MP3.
//!
//! [`record`] listens at once; the task that it starts encodes a second of sound at a time, outside
//! the runtime's thread, and keeps nothing but what is encoded. It stops by itself at the limit, and
//! keeps what it has until it is asked for. Dropping the recording ends it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::mp3::Mp3;
use super::{Encoding, Microphone};
use crate::port::pcm::{FRAME, RATE};
use crate::source::Listener;

/// Bytes of PCM that are encoded at once: a second. Fewer make more work, more make more memory.
const PIECE: usize = RATE as usize * FRAME;

/// A recording under way.
pub struct Recording {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<Vec<u8>, String>>,
    hears: Arc<AtomicBool>,
}

/// The sound so far.
struct Heard {
    encoding: Arc<Encoding>,
    mp3: Mp3,
    /// What is not encoded yet.
    pcm: Vec<u8>,
    /// Bytes of PCM that may still come.
    left: usize,
}

/// Records from now on, for `limit` at most.
#[must_use]
pub fn record(microphone: &Microphone, limit: Duration) -> Recording {
    let (stop, stopped) = oneshot::channel();
    let hears = Arc::new(AtomicBool::new(true));
    let (listener, encoding) = (microphone.listen(), Arc::clone(&microphone.encoding));
    let still = Arc::clone(&hears);
    let task = tokio::spawn(async move {
        let mut heard = Heard {
            encoding,
            mp3: Mp3::new()?,
            pcm: Vec::new(),
            left: usize::try_from(limit.as_secs()).unwrap_or(usize::MAX).saturating_mul(PIECE),
        };
        let mut stopped = stopped;
        heard = heard.all_of(listener, &mut stopped, &still).await?;
        if heard.left == 0 {
            // The sender is the recording's; with it this task would be gone.
            let _ = stopped.await;
        }
        heard.finished().await
    });
    Recording { stop: Some(stop), task, hears }
}

impl Recording {
    /// Whether it still hears: not beyond its limit.
    #[must_use]
    pub fn hears(&self) -> bool {
        self.hears.load(Ordering::Relaxed)
    }

    /// Ends it; the whole MP3.
    ///
    /// # Errors
    /// The encoder's words.
    pub async fn stop(mut self) -> Result<Vec<u8>, String> {
        if let Some(stop) = self.stop.take() {
            // It may have ended by an error.
            let _ = stop.send(());
        }
        (&mut self.task).await.unwrap_or_else(|error| Err(error.to_string()))
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Heard {
    /// Listens until it is stopped, or has all that it may have.
    async fn all_of(
        mut self,
        mut listener: Listener<super::Sound>,
        stopped: &mut oneshot::Receiver<()>,
        still: &AtomicBool,
    ) -> Result<Self, String> {
        let mut ends = false;
        while self.left > 0 {
            let sound = if ends {
                // What has come before the stop belongs to it.
                listener.next().now_or_never().flatten()
            } else {
                tokio::select! {
                    biased;
                    _ = &mut *stopped => {
                        ends = true;
                        continue;
                    }
                    sound = listener.next() => sound,
                }
            };
            let Some(sound) = sound else { break };
            let taken = sound.0.len().min(self.left);
            self.left -= taken;
            self.pcm.extend_from_slice(sound.0.get(..taken).unwrap_or_default());
            if self.pcm.len() >= PIECE {
                self = self.encoded().await?;
            }
        }
        still.store(false, Ordering::Relaxed);
        if ends {
            // Stopped, and not at the limit: nobody has to be waited for.
            self.left = self.left.max(1);
        }
        Ok(self)
    }

    async fn encoded(self) -> Result<Self, String> {
        let Self { encoding, mut mp3, pcm, left } = self;
        let mp3 = encoding.takes(move || mp3.push(&pcm).map(|()| mp3)).await?;
        Ok(Self { encoding, mp3, pcm: Vec::new(), left })
    }

    async fn finished(self) -> Result<Vec<u8>, String> {
        let Self { encoding, mut mp3, pcm, .. } = self;
        let finish = move || {
            mp3.push(&pcm)?;
            mp3.finish()
        };
        encoding.takes(finish).await
    }
}

impl Encoding {
    /// Does this work when it is its turn.
    async fn takes<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, String> + Send + 'static,
    ) -> Result<T, String> {
        let _turn = self.turn.acquire().await.map_err(|error| error.to_string())?;
        if !self.elsewhere {
            return work();
        }
        tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?
    }
}
