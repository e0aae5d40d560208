//! A card port that gives what a tape has: the reader and the cards of a recording, for the real
//! driver.
//!
//! ```text
//! tape (streamed) ─► reel ─► operations: which result a request gets ─► when it is due ─► driver
//!                      ├─► cards put in and taken away, at their time
//!                      └─► ends, failed opens, at their place
//! ```
//!
//! Opens are taken one after the other, as those of a serial port are ([`super`]). Everything runs
//! on tokio's clock and nothing else; no thread is used.

mod answer;
mod life;
mod notes;
mod operations;
mod reel;
mod requests;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::time::sleep;

use self::life::Ask;
use self::reel::Reel;
use self::requests::Due;
use super::findings::Findings;
use super::timeline::Timeline;
use super::{RETRY, Settings, TapeReader};
use crate::device::Trouble;
use crate::port::card::{
    Begun, BoxedSlot, Card, CardFault, CardPort, CardSlot, End, Holds, Later, Power, Powered,
    Protocol, Sequence,
};

/// The card port of a device that is on a tape.
#[must_use]
pub fn replayed_card_port(
    device: &'static str,
    tape: impl TapeReader + 'static,
    timeline: Timeline,
    settings: Settings,
    findings: Findings,
) -> ReplayCards {
    let reel = Reel::new(device, Box::new(tape), timeline, settings, findings);
    ReplayCards(Shared(Arc::new(Mutex::new(reel))))
}

/// A card port that is on a tape.
pub struct ReplayCards(Shared);

/// The tape, for the port, its slot and the card in it.
#[derive(Clone)]
struct Shared(Arc<Mutex<Reel>>);

struct ReplaySlot {
    reel: Shared,
    reader: String,
    /// What the driver was told last.
    told: Holds,
}

struct ReplayCard {
    reel: Shared,
    protocol: Protocol,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Reel> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn timeline(&self) -> Timeline {
        self.lock().timeline().clone()
    }

    /// Ends when this moment has come, or with the fault if the plug is pulled before.
    async fn reach(&self, moment: i64) -> Result<(), CardFault> {
        let (timeline, unplug) = {
            let reel = self.lock();
            (reel.timeline().clone(), reel.next_unplug())
        };
        if let Some(unplug) = unplug.filter(|unplug| *unplug < moment) {
            reached(&timeline, unplug).await;
            return self.lock().gone(unplug).map_or(Ok(()), Err);
        }
        reached(&timeline, moment).await;
        Ok(())
    }

    async fn result<T>(&self, due: Due<T>) -> Result<T, CardFault> {
        self.reach(due.at).await?;
        due.result
    }

    async fn exchange(&self, ask: Ask) -> Result<Vec<u8>, CardFault> {
        let answer = self.lock().exchange(&ask);
        self.reach(answer.at).await?;
        let answer = self.lock().comes_up(answer);
        self.reach(answer.at).await?;
        answer.result.map(Vec::from)
    }
}

/// Ends when this moment of the recording's time has come; at once if it has.
async fn reached(timeline: &Timeline, moment: i64) {
    if moment > timeline.now() {
        timeline.reached(moment).await;
    }
}

impl CardPort for ReplayCards {
    fn open(&mut self) -> Later<'_, Result<BoxedSlot, CardFault>> {
        Box::pin(async move {
            let moment = self.0.lock().opening();
            let timeline = self.0.timeline();
            reached(&timeline, moment).await;
            let now = timeline.now().max(moment);
            let mut reel = self.0.lock();
            reel.open(now)?;
            let (reader, told) = (reel.reader().to_owned(), reel.holds(now).clone());
            Ok(Box::new(ReplaySlot { reel: self.0.clone(), reader, told }) as BoxedSlot)
        })
    }

    fn worth_opening<'a>(&'a mut self, _: &'a Trouble) -> Later<'a, ()> {
        Box::pin(async move {
            let moment = self.0.lock().worth_opening();
            let timeline = self.0.timeline();
            match moment {
                Some(moment) if moment > timeline.now() => timeline.reached(moment).await,
                Some(_) => sleep(RETRY).await,
                None => std::future::pending().await,
            }
        })
    }
}

impl CardSlot for ReplaySlot {
    fn reader(&self) -> &str {
        &self.reader
    }

    fn holds(&self) -> Holds {
        let mut reel = self.reel.lock();
        let now = reel.timeline().now();
        reel.holds(now).clone()
    }

    fn changed(&mut self) -> Later<'_, Result<(), CardFault>> {
        Box::pin(async move {
            let timeline = self.reel.timeline();
            let mut reached = i64::MIN;
            loop {
                let now = timeline.now().max(reached);
                let moment = {
                    let mut reel = self.reel.lock();
                    if let Some(fault) = reel.gone(now) {
                        return Err(fault);
                    }
                    let holds = reel.holds(now);
                    if *holds != self.told {
                        self.told = holds.clone();
                        return Ok(());
                    }
                    reel.next_moment()
                };
                match moment {
                    Some(moment) => timeline.reached(moment).await,
                    None => std::future::pending().await,
                }
                reached = moment.unwrap_or(now);
            }
        })
    }

    fn connect(&mut self, power: Power) -> Later<'_, Result<Powered, CardFault>> {
        Box::pin(async move {
            let due = self.reel.lock().connect(power);
            self.reel.result(due).await
        })
    }

    fn transact(&mut self, sequence: Sequence) -> Later<'_, Result<Begun, CardFault>> {
        Box::pin(async move {
            let due = self.reel.lock().begin();
            let protocol = self.reel.result(due).await?;
            let mut card = ReplayCard { reel: self.reel.clone(), protocol };
            sequence(&mut card).await;
            let due = self.reel.lock().end();
            // What happens to the reader now, the sequence has not seen.
            reached(&self.reel.timeline(), due.at).await;
            due.result
        })
    }

    fn disconnect(&mut self, end: End) -> Later<'_, ()> {
        self.reel.lock().disconnect(end);
        Box::pin(std::future::ready(()))
    }

    fn escape<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(self.reel.exchange(Ask::Escape(Bytes::copy_from_slice(command))))
    }
}

impl Drop for ReplaySlot {
    fn drop(&mut self) {
        self.reel.lock().close();
    }
}

impl Card for ReplayCard {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        Box::pin(self.reel.exchange(Ask::command(Bytes::copy_from_slice(command))))
    }
}
