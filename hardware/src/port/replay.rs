//! A port that gives what a tape has: the device of a recording, for the real driver. This one is
//! serial; [`cards`] has that of card readers.
//!
//! ```text
//! tape (streamed) ─► reel ─► exchanges: which answer a request gets ─► chunks that are due ─► driver
//!                      ├─► bytes that nobody asked for, at their time
//!                      └─► ends, failed opens, errors, at their place
//! ```
//!
//! Opens are taken one after the other: each call of the driver takes the next attempt on the tape,
//! and [`Port::worth_opening`] waits for its time. What arrives comes in the pieces that the
//! driver got then. Everything runs on tokio's clock and nothing else, so that a replay on the
//! paused clock is the same each time.
//!
//! What a driver throws away as unread is an answer that it did not wait for, here as there:
//! the tape has only what was read in the end.

pub mod cards;
mod exchanges;
mod faults;
mod findings;
mod reel;
#[cfg(test)]
mod tests;
mod timeline;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep, sleep_until};

use super::tape::PortEvent;
use super::{BoxedLine, Line, ModemLines, Opening, Port};
use crate::device::Trouble;
use reel::Reel;
use timeline::Place;

pub use faults::{Fate, Fault, What, When};
pub use findings::{Finding, Findings, Oddity, Tally};
pub use reel::{ANSWER_PIECES, BURST_GAP};
pub use timeline::{Conductor, Timeline};

/// A port that could be opened already is looked at this often.
const RETRY: Duration = Duration::from_millis(100);

/// One event of a port's tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapeLine {
    /// The line of the port's file, for findings.
    pub line: u64,
    /// When, in microseconds of the recording's time.
    pub micros: i64,
    /// It had been so already when the recording began.
    pub before: bool,
    /// What.
    pub event: PortEvent,
}

/// A port's tape, read as it is needed.
pub trait TapeReader: Send {
    /// The next event; `None` at the end.
    fn next(&mut self) -> Option<TapeLine>;
}

impl<I: Iterator<Item = TapeLine> + Send> TapeReader for I {
    fn next(&mut self) -> Option<TapeLine> {
        Iterator::next(self)
    }
}

/// How a port is replayed.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Every request that is not the next on the tape is a finding.
    pub strict: bool,
    /// Exchanges wait for their request for ever: whoever asks may ask later than it was asked
    /// then, and still gets all of it.
    pub patient: bool,
    /// The device says nothing but answers, so that an answer may be given once more.
    pub polled: bool,
    /// The driver works before it asks, which takes no time in a replay: it may ask seconds early, and
    /// is answered when it was then.
    pub leisurely: bool,
    /// The driver reads each card once (card ports): one that it had been at before the recording
    /// began is nothing to it.
    pub reads_once: bool,
    /// What goes wrong.
    pub faults: Vec<Fault>,
}

/// The port of a device that is on a tape.
#[must_use]
pub fn replayed_port(
    device: &'static str,
    tape: impl TapeReader + 'static,
    timeline: Timeline,
    settings: Settings,
    findings: Findings,
) -> ReplayPort {
    let reel = Reel::new(device, Box::new(tape), timeline, settings, findings);
    ReplayPort { reel: Arc::new(Mutex::new(reel)) }
}

/// A port that is on a tape.
pub struct ReplayPort {
    reel: Arc<Mutex<Reel>>,
}

/// One open line of it.
struct ReplayLine {
    reel: Arc<Mutex<Reel>>,
    /// Where it waits for the next thing to happen by itself: the conductor's queue, or a timer.
    place: Option<Place>,
    sleep: Option<Pin<Box<Sleep>>>,
}

fn lock(reel: &Mutex<Reel>) -> MutexGuard<'_, Reel> {
    // Nothing that can panic runs under the lock, so a poisoned one is still whole.
    reel.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Port for ReplayPort {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        Box::pin(async move {
            lock(&self.reel).open(baud)?;
            Ok(Box::new(ReplayLine { reel: Arc::clone(&self.reel), place: None, sleep: None })
                as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        _: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let (moment, timeline) = {
            let mut reel = lock(&self.reel);
            (reel.worth_opening(), reel.timeline().clone())
        };
        Box::pin(async move {
            match moment {
                Some(moment) if moment > timeline.now() => timeline.reached(moment).await,
                Some(_) => sleep(RETRY).await,
                None => std::future::pending().await,
            }
        })
    }

    /// Then the device's task has tried to open it in vain.
    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        let (moment, timeline) = {
            let mut reel = lock(&self.reel);
            (reel.opens_in_vain(), reel.timeline().clone())
        };
        Box::pin(async move {
            match moment {
                Some(moment) => timeline.reached(moment).await,
                None => std::future::pending().await,
            }
        })
    }
}

impl Line for ReplayLine {
    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        lock(&self.reel).set_baud(baud);
        Ok(())
    }

    fn discard_input(&mut self) -> io::Result<()> {
        lock(&self.reel).discard();
        Ok(())
    }

    fn modem_lines(&mut self) -> Option<ModemLines> {
        lock(&self.reel).modem()
    }
}

impl AsyncRead for ReplayLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let (timeline, moment) = {
                let mut reel = lock(&self.reel);
                match reel.read(buf) {
                    Ok(result) => return Poll::Ready(result),
                    Err(moment) => {
                        reel.wake_reader(cx.waker().clone());
                        (reel.timeline().clone(), moment)
                    }
                }
            };
            let Some(moment) = moment else {
                self.place = None;
                return Poll::Pending;
            };
            let conducted = timeline.poll_reached(&mut self.place, moment, cx);
            let reached = conducted.unwrap_or_else(|| {
                let at = timeline.at(moment);
                let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
                if sleep.deadline() != at {
                    sleep.as_mut().reset(at);
                }
                sleep.as_mut().poll(cx)
            });
            if reached.is_pending() {
                return Poll::Pending;
            }
        }
    }
}

impl AsyncWrite for ReplayLine {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(lock(&self.reel).write(bytes).map(|()| bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
