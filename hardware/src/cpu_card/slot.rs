//! The task that owns a slot: opens it, works it ([`super::open`]), answers for it while it is not
//! there, and opens it again.

use std::time::Duration;

use tokio::time::Instant;

use super::handle::Ends;
use super::open::OpenSlot;
use super::queue::{Ask, Request};
use super::{Refused, Seen, Settings};
use crate::device::{Status, Trouble};
use crate::port::card::CardPort;

/// How long after a look for the reader a request is worth another one. Soon enough for whoever has
/// just plugged it in, rare enough for a page that asks all the time.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// Owns a slot, once it is run.
pub struct SlotTask {
    settings: Settings,
    status: Status,
    ends: Ends,
}

impl SlotTask {
    pub(super) fn new(settings: Settings, status: Status, ends: Ends) -> Self {
        Self { settings, status, ends }
    }

    /// The slot's whole life. Never ends by itself. Dropped, it answers whoever waits.
    pub async fn run(self, mut port: Box<dyn CardPort>) {
        let mut said = Said::default();
        // A request on whose account the reader is looked for.
        let mut asked: Option<Request> = None;
        loop {
            let opened = port.open().await;
            let looked = Instant::now();
            let fault = match opened {
                Ok(slot) => {
                    self.status.count("opened");
                    self.status.learn("reader", slot.reader());
                    let open =
                        OpenSlot::new(slot, &self.settings, &self.status, &self.ends, &mut said);
                    open.work(asked.take()).await
                }
                Err(fault) => fault,
            };
            self.ends
                .seen
                .send_if_modified(|seen| std::mem::replace(seen, Seen::Unusable) != Seen::Unusable);
            self.status.learn("card", "none");
            let trouble = Trouble::from(fault.clone());
            self.status.trouble(&trouble);
            for request in
                asked.take().into_iter().chain(std::iter::from_fn(|| self.ends.queue.take()))
            {
                request.ask.refuse(Refused::PowerUp(fault.clone()));
            }
            let mut worth = port.worth_opening(&trouble);
            loop {
                let request = tokio::select! {
                    biased;
                    () = &mut worth => break,
                    request = self.ends.queue.next() => request,
                };
                let begins = !matches!(request.ask, Ask::Release);
                if begins && looked.elapsed() >= LOOK_AGAIN {
                    asked = Some(request);
                    break;
                }
                request.ask.refuse(Refused::PowerUp(fault.clone()));
            }
        }
    }
}

impl Drop for SlotTask {
    fn drop(&mut self) {
        self.ends.queue.close();
    }
}

/// What is said once, and not at every card.
#[derive(Default)]
pub(super) struct Said {
    pub(super) no_ats: bool,
    pub(super) historical_only: bool,
}
