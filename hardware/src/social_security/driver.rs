//! The task that reads social-security cards.
//!
//! ```text
//! open ─► ready ── somebody wants a card, and one lies there unread ─► reading, one transaction
//!   ▲       ▲                                                             │
//!   │       ├── read, or unreadable: until it is lifted ◄─────────────────┤
//!   │       ├── taken away in the middle: nobody is told ◄────────────────┤
//!   │       └── another program holds it, …: all are told; tried again ◄──┤
//!   └────────── the reader is gone: all are told ◄────────────────────────┘
//! ```
//!
//! Without demand nothing is powered: the port tells what lies in the slot. A reading that has begun
//! goes to its end, whoever still wants it.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::reading::{self, ReadError};
use super::records::Records;
use super::{SocialSecurityCard, fields};
use crate::device::{State, Status, Trouble};
use crate::port::card::{
    BoxedSlot, CardFault, CardPort, CardSlot, Content, End, FaultKind, Power, in_transaction,
};
use crate::source::{Demand, Reading, Source};

/// How long a card that could not be got at is left alone while somebody listens for it. A new
/// request does not wait for this.
const RETRY: Duration = Duration::from_secs(2);

/// How often a reading is begun for one card in all, if other programs reset it in the middle.
const ATTEMPTS: u32 = 2;

/// The device's whole life. Never ends by itself. Readings go to `source`; it counts `opened`,
/// `readings`, `unreadable`, `removedEarly` and `resets` (by other programs), and learns `reader`.
pub async fn run(mut port: Box<dyn CardPort>, source: Source<SocialSecurityCard>, status: Status) {
    let mut driver = Driver { source, status, told_of_keys: false };
    loop {
        let trouble = match port.open().await {
            Ok(slot) => driver.serve(slot).await,
            Err(fault) => fault.into(),
        };
        driver.source.fail_all(&trouble);
        driver.status.trouble(&trouble);
        port.worth_opening(&trouble).await;
    }
}

struct Driver {
    source: Source<SocialSecurityCard>,
    status: Status,
    /// The log has been told that some records need a key.
    told_of_keys: bool,
}

/// A card that has been tried.
struct Tried {
    /// Which one ([`crate::port::card::Holds::number`]).
    number: u64,
    next: Next,
}

/// When a card that has been tried is tried again.
#[derive(Clone, Copy)]
enum Next {
    /// Not before it has been lifted.
    Lifted,
    /// When somebody asks who had not then, and at this moment at the latest.
    Retry { requests: u64, at: Instant },
}

impl Next {
    fn is_due(self, demand: Demand) -> bool {
        match self {
            Self::Lifted => false,
            Self::Retry { requests, at } => demand.requests != requests || Instant::now() >= at,
        }
    }
}

/// How an attempt to read a card ended, when the reader is well.
enum Ended {
    /// Read or told as unreadable.
    Settled,
    /// Nothing came of it.
    Open,
}

impl Driver {
    /// Works with an open slot until it is gone.
    async fn serve(&mut self, mut slot: BoxedSlot) -> Trouble {
        self.status.count("opened");
        self.status.learn("reader", slot.reader());
        self.source.recover();
        self.status.started();
        let mut demand = self.source.demand();
        let mut tried: Option<Tried> = None;
        loop {
            let holds = slot.holds();
            let lies_there = holds.what != Content::Nothing;
            if tried.take_if(|tried| !lies_there || tried.number != holds.number).is_some() {
                // What was wrong with it has gone with it.
                self.status.set(State::Ready);
            }
            let now = *demand.borrow_and_update();
            let due = tried.as_ref().is_none_or(|tried| tried.next.is_due(now));
            if now.wanted && lies_there && due {
                let next = match self.attempt(slot.as_mut()).await {
                    Ok(Ended::Settled) => Next::Lifted,
                    Ok(Ended::Open) => {
                        let requests = demand.borrow().requests;
                        Next::Retry { requests, at: Instant::now() + RETRY }
                    }
                    Err(trouble) => return trouble,
                };
                tried = Some(Tried { number: holds.number, next });
                continue;
            }
            let retry = match &tried {
                Some(Tried { next: Next::Retry { at, .. }, .. }) if now.wanted => Some(*at),
                _ => None,
            };
            tokio::select! {
                biased;
                changed = slot.changed() => if let Err(fault) = changed { return fault.into() },
                // Never an error: the source lives as long as this driver.
                _ = demand.changed() => {}
                () = until(retry) => {}
            }
        }
    }

    /// Reads the card that lies there, and tells those who want it what came of it. The error is the
    /// reader's end.
    async fn attempt(&mut self, slot: &mut dyn CardSlot) -> Result<Ended, Trouble> {
        let reading = self.source.begin();
        if self.status.snapshot().state == State::Ready {
            // A retry after trouble is no work: the trouble stands until it is over.
            self.status.set(State::Busy);
        }
        let outcome = self.read(slot).await;
        // Nothing was opened on the card, no key and no PIN, so nothing has to be closed. Powering
        // it off would take it from other programs that share it; that of a card which nobody uses
        // is the card service's to switch off.
        slot.disconnect(End::Leave).await;
        match outcome {
            Ok(records) => {
                self.status.set(State::Ready);
                self.status.count("readings");
                self.tell_of_keys(&records);
                let wanted = reading.deliver(fields::card(&records));
                tracing::debug!(wanted, "a social-security card was read");
                Ok(Ended::Settled)
            }
            Err(ReadError::Fault(fault)) => self.failed(fault, reading),
            Err(error) => Ok(self.unreadable(error.to_string(), reading)),
        }
    }

    /// The card or its reader has failed.
    fn failed(
        &self,
        fault: CardFault,
        reading: Reading<SocialSecurityCard>,
    ) -> Result<Ended, Trouble> {
        match fault.kind {
            FaultKind::NoService | FaultKind::NoReader => Err(fault.into()),
            FaultKind::NoCard | FaultKind::Removed => {
                // It was put in badly, or only shown: whoever waits goes on waiting.
                self.status.set(State::Ready);
                self.status.count("removedEarly");
                Ok(Ended::Open)
            }
            FaultKind::Mute | FaultKind::Reset | FaultKind::Silent => {
                Ok(self.unreadable(fault.detail, reading))
            }
            FaultKind::Occupied | FaultKind::Other => {
                let trouble = fault.into();
                self.source.fail_all(&trouble);
                self.status.trouble(&trouble);
                // It may be over when the next one asks: that request has to come through.
                self.source.recover();
                Ok(Ended::Open)
            }
        }
    }

    /// The reader is well, this card is not, or it is another kind of card.
    fn unreadable(&self, why: String, reading: Reading<SocialSecurityCard>) -> Ended {
        self.status.set(State::Ready);
        self.status.count("unreadable");
        tracing::warn!(why, "a card cannot be read as a social-security card");
        reading.fail(&Trouble::Unreadable { detail: why });
        Ended::Settled
    }

    /// Powers the card up and reads it within one transaction; from the beginning, if another
    /// program resets it in the middle.
    async fn read(&mut self, slot: &mut dyn CardSlot) -> Result<Records, ReadError> {
        slot.connect(Power::AsItIs).await.map_err(ReadError::Fault)?;
        let mut attempts = ATTEMPTS;
        loop {
            attempts -= 1;
            let outcome = match in_transaction(slot, |card| Box::pin(reading::read(card))).await {
                Ok((outcome, _)) => outcome,
                Err(fault) => Err(ReadError::Fault(fault)),
            };
            match outcome {
                Err(ReadError::Fault(fault)) if fault.kind == FaultKind::Reset && attempts > 0 => {
                    self.status.count("resets");
                }
                outcome => return outcome,
            }
        }
    }

    fn tell_of_keys(&mut self, records: &Records) {
        if !self.told_of_keys && records.lack_a_key() {
            self.told_of_keys = true;
            tracing::info!(
                "a social-security card keeps some records for holders of a PSAM: they stay empty \
                 (said once)"
            );
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests;
