//! The side of those who ask: requests to a slot, and the wish to have cards read.

use std::sync::Arc;

use tokio::sync::{oneshot, watch};

use super::queue::{Ask, Queue, Request};
use super::{Batch, BatchEnd, Refused, Seen};
use crate::card::atr::CardInfo;
use crate::port::card::{CardFault, FaultKind};

/// Asks a slot. Clones are handles on the same slot.
///
/// A request is in the queue when the function returns; the future only brings the answer. A request
/// whose future is dropped is carried out to its end if it has begun, and left out if not.
#[derive(Clone)]
pub struct SlotHandle {
    queue: Queue,
    polls: Arc<watch::Sender<usize>>,
    seen: watch::Receiver<Seen>,
}

/// The wish that cards which are put in are read: while any lives.
pub struct Poll {
    polls: Arc<watch::Sender<usize>>,
    seen: watch::Receiver<Seen>,
}

/// What the task holds of its handles.
pub(super) struct Ends {
    pub(super) queue: Queue,
    pub(super) polls: watch::Receiver<usize>,
    pub(super) seen: watch::Sender<Seen>,
}

impl SlotHandle {
    pub(super) fn new() -> (Self, Ends) {
        let queue = Queue::default();
        let (polls, polls_told) = watch::channel(0);
        let (seen_tell, seen) = watch::channel(Seen::Unusable);
        let ends = Ends { queue: queue.clone(), polls: polls_told, seen: seen_tell };
        (Self { queue, polls: Arc::new(polls), seen }, ends)
    }

    /// Powers the card up for this owner and tells what it is. If no other owner has a session with
    /// it, it begins afresh; else it keeps its state. Does not wait for a card.
    ///
    /// # Errors
    /// [`Refused::QueueFull`], [`Refused::PowerUp`].
    pub fn power_up(
        &self,
        owner: u64,
    ) -> impl Future<Output = Result<CardInfo, Refused>> + Send + use<> {
        let answer = self.ask(owner, Ask::PowerUp);
        async move { answer.await.unwrap_or_else(|_| Err(nobody())) }
    }

    /// Sends one command in a transaction, and gives data and status word of the answer, whatever
    /// the status word. A card that this owner has no session with is powered up first.
    ///
    /// # Errors
    /// Any [`Refused`].
    pub fn command(
        &self,
        owner: u64,
        apdu: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, Refused>> + Send + use<> {
        let answer = self.ask(owner, |to| Ask::Command(apdu, to));
        async move { answer.await.unwrap_or_else(|_| Err(nobody())) }
    }

    /// Sends commands in one transaction, up to the first whose status word is not 9000. A card that
    /// this owner has no session with is powered up first, even if there is no command.
    pub fn batch(
        &self,
        owner: u64,
        apdus: Vec<Vec<u8>>,
    ) -> impl Future<Output = Batch> + Send + use<> {
        let answer = self.ask(owner, |to| Ask::Batch(apdus, to));
        async move {
            let end = || BatchEnd::Refused(nobody());
            answer.await.unwrap_or_else(|_| Batch { results: Vec::new(), end: end() })
        }
    }

    /// Powers the card off and on again, for all owners, and gives its ATR.
    ///
    /// # Errors
    /// [`Refused::QueueFull`], [`Refused::PowerUp`].
    pub fn cold_reset(
        &self,
        owner: u64,
    ) -> impl Future<Output = Result<Vec<u8>, Refused>> + Send + use<> {
        let answer = self.ask(owner, Ask::ColdReset);
        async move { answer.await.unwrap_or_else(|_| Err(nobody())) }
    }

    /// The owner has gone: its session ends, after what it has asked for before.
    pub fn release(&self, owner: u64) {
        self.queue.put(Request { owner, ask: Ask::Release });
    }

    /// From now on cards that are put in are read, until this and all other polls are dropped.
    #[must_use]
    pub fn poll(&self) -> Poll {
        self.polls.send_modify(|polls| *polls += 1);
        Poll { polls: Arc::clone(&self.polls), seen: self.seen.clone() }
    }

    fn ask<T>(
        &self,
        owner: u64,
        ask: impl FnOnce(oneshot::Sender<T>) -> Ask,
    ) -> oneshot::Receiver<T> {
        let (to, answer) = oneshot::channel();
        self.queue.put(Request { owner, ask: ask(to) });
        answer
    }
}

impl Poll {
    /// What lies in the slot, and each change of it. Look at what is there now, then wait for
    /// changes.
    #[must_use]
    pub fn seen(&self) -> watch::Receiver<Seen> {
        self.seen.clone()
    }
}

impl Drop for Poll {
    fn drop(&mut self) {
        self.polls.send_modify(|polls| *polls = polls.saturating_sub(1));
    }
}

/// The task was dropped: the daemon ends.
fn nobody() -> Refused {
    Refused::PowerUp(CardFault::new(FaultKind::Other, "the bridge is being stopped"))
}
