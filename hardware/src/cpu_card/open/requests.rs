//! What owners ask for, carried out.

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::{Ask, OpenSlot, Request};
use crate::card::apdu;
use crate::card::atr::CardInfo;
use crate::cpu_card::{Batch, BatchEnd, Refused};
use crate::port::card::{CardFault, End, FaultKind, Power};

/// The answers of one batch have so many bytes at most: in hex twice as many, of which four fit into
/// what may wait for one client.
const MOST_ANSWERED: usize = 4 * 1024 * 1024;

impl OpenSlot<'_> {
    /// One request, to its end. Whoever asked may be gone by then.
    pub(super) async fn carry_out(&mut self, Request { owner, ask }: Request) {
        if ask.is_abandoned() {
            return;
        }
        match ask {
            Ask::PowerUp(answer) => {
                let done = self.power_up(owner).await;
                self.answer(owner, answer, done);
            }
            Ask::Command(apdu, answer) => {
                let done = self.command(owner, apdu).await;
                self.answer(owner, answer, done);
            }
            Ask::Batch(apdus, answer) => {
                let done = self.batch(owner, apdus).await;
                self.answer(owner, answer, done);
            }
            Ask::ColdReset(answer) => {
                let done = self.cold_reset(owner).await;
                self.answer(owner, answer, done);
            }
            Ask::Release => {
                if self.sessions.end(owner) {
                    self.let_go(End::Unpower).await;
                }
            }
        }
    }

    /// The session counts as used until now.
    fn answer<T>(&mut self, owner: u64, answer: oneshot::Sender<T>, done: T) {
        if self.sessions.has(owner) {
            self.sessions.used(owner, Instant::now());
        }
        // Whoever asked may have gone.
        let _ = answer.send(done);
    }

    async fn power_up(&mut self, owner: u64) -> Result<CardInfo, Refused> {
        self.status.count("powerUps");
        // What this owner alone has opened on the card is closed; what others have is theirs.
        let afresh = self.sessions.has(owner) && !self.sessions.has_others(owner);
        self.join(owner, if afresh { Power::Warm } else { Power::AsItIs }).await?;
        let info = self.card_info().await.map_err(Refused::PowerUp)?;
        Ok(CardInfo::clone(&info))
    }

    async fn cold_reset(&mut self, owner: u64) -> Result<Vec<u8>, Refused> {
        self.status.count("coldResets");
        self.join(owner, Power::Cold).await
    }

    async fn command(&mut self, owner: u64, apdu: Vec<u8>) -> Result<Vec<u8>, Refused> {
        self.status.count("commands");
        self.join(owner, Power::AsItIs).await?;
        let answer = self
            .transact(move |card| Box::pin(async move { apdu::exchange(card, &apdu).await }))
            .await
            .map_err(Refused::Exchange)?;
        match answer {
            Ok(answer) => {
                self.works();
                Ok(answer)
            }
            Err(fault) => Err(Refused::Exchange(self.failed_inside(fault).await)),
        }
    }

    async fn batch(&mut self, owner: u64, apdus: Vec<Vec<u8>>) -> Batch {
        self.status.count("batches");
        let refused = |why| Batch { results: Vec::new(), end: BatchEnd::Refused(why) };
        if let Err(why) = self.join(owner, Power::AsItIs).await {
            return refused(why);
        }
        if apdus.is_empty() {
            return Batch { results: Vec::new(), end: BatchEnd::Done };
        }
        let ran = self
            .transact(move |card| {
                Box::pin(async move {
                    let mut results = Vec::with_capacity(apdus.len());
                    let mut left = MOST_ANSWERED;
                    for apdu in apdus {
                        let answer = match apdu::exchange(card, &apdu).await {
                            Ok(answer) => answer,
                            Err(fault) => return (results, Stopped::Fault(fault)),
                        };
                        let Some(rest) = left.checked_sub(answer.len()) else {
                            return (results, Stopped::Fault(too_much()));
                        };
                        left = rest;
                        let good = apdu::status_word(&answer) == Some(0x9000);
                        results.push(answer);
                        if !good {
                            return (results, Stopped::StatusWord);
                        }
                    }
                    (results, Stopped::End)
                })
            })
            .await;
        let (results, stopped) = match ran {
            Ok(ran) => ran,
            Err(fault) => return refused(Refused::Exchange(fault)),
        };
        let end = match stopped {
            Stopped::End => BatchEnd::Done,
            Stopped::StatusWord => BatchEnd::StatusWord,
            Stopped::Fault(fault) => {
                BatchEnd::Refused(Refused::Exchange(self.failed_inside(fault).await))
            }
        };
        if !matches!(end, BatchEnd::Refused(_)) {
            self.works();
        }
        Batch { results, end }
    }

    /// The owner has a session with the card from now on. Gives the card's ATR.
    async fn join(&mut self, owner: u64, power: Power) -> Result<Vec<u8>, Refused> {
        let powered = self.connect(power).await.map_err(Refused::PowerUp)?;
        let atr = powered.atr.clone();
        self.sessions.used(owner, Instant::now());
        Ok(atr)
    }
}

fn too_much() -> CardFault {
    let detail = format!("the answers to this batch have more than {MOST_ANSWERED} bytes");
    CardFault::new(FaultKind::Other, detail)
}

/// Where a batch came to its end.
enum Stopped {
    End,
    StatusWord,
    Fault(CardFault),
}
