//! What waits for a slot: requests in the order in which they were made.
//!
//! Written by [`super::SlotHandle`], emptied by the slot's task. When the task is dropped the queue
//! is closed, and whoever waits learns it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};

use super::{Batch, BatchEnd, Refused};
use crate::card::atr::CardInfo;

/// Requests that may wait for one slot. An exchange takes some ms; so many are far more than what
/// the pages of one kiosk ask for at once.
const DEPTH: usize = 64;

/// A request of an owner.
pub(super) struct Request {
    pub(super) owner: u64,
    pub(super) ask: Ask,
}

/// What is asked, and where the answer goes.
pub(super) enum Ask {
    PowerUp(oneshot::Sender<Result<CardInfo, Refused>>),
    Command(Vec<u8>, oneshot::Sender<Result<Vec<u8>, Refused>>),
    Batch(Vec<Vec<u8>>, oneshot::Sender<Batch>),
    ColdReset(oneshot::Sender<Result<Vec<u8>, Refused>>),
    /// The owner's session ends. Nobody waits.
    Release,
}

impl Ask {
    /// Whoever asked has gone: what has not begun is not begun any more.
    pub(super) fn is_abandoned(&self) -> bool {
        match self {
            Self::PowerUp(answer) => answer.is_closed(),
            Self::Command(_, answer) | Self::ColdReset(answer) => answer.is_closed(),
            Self::Batch(_, answer) => answer.is_closed(),
            Self::Release => false,
        }
    }

    /// Answers that nothing was done. Whoever asked may have gone.
    pub(super) fn refuse(self, why: Refused) {
        match self {
            Self::PowerUp(answer) => drop(answer.send(Err(why))),
            Self::Command(_, answer) | Self::ColdReset(answer) => drop(answer.send(Err(why))),
            Self::Batch(_, answer) => {
                let end = BatchEnd::Refused(why);
                drop(answer.send(Batch { results: Vec::new(), end }));
            }
            Self::Release => {}
        }
    }
}

/// The queue of one slot. Clones are handles on the same one.
#[derive(Clone, Default)]
pub(super) struct Queue {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    inner: Mutex<Inner>,
    news: Notify,
}

#[derive(Default)]
struct Inner {
    requests: VecDeque<Request>,
    /// How many of them count: all but [`Ask::Release`], which may not get lost. Of those there is
    /// one an owner in a row.
    waiting: usize,
    closed: bool,
}

impl Queue {
    /// Puts a request at the end, or answers it at once.
    pub(super) fn put(&self, request: Request) {
        let mut inner = self.lock();
        let release = matches!(request.ask, Ask::Release);
        if inner.closed {
            // The answer's sender is dropped: whoever waits learns that nobody is there.
            return;
        }
        if release {
            let last = inner.requests.iter().rev().find(|other| other.owner == request.owner);
            if last.is_some_and(|last| matches!(last.ask, Ask::Release)) {
                return;
            }
        } else if inner.waiting == DEPTH {
            drop(inner);
            request.ask.refuse(Refused::QueueFull);
            return;
        } else {
            inner.waiting += 1;
        }
        inner.requests.push_back(request);
        drop(inner);
        self.shared.news.notify_one();
    }

    /// The oldest request, when there is one. Safe to drop. Only one task calls this.
    pub(super) async fn next(&self) -> Request {
        loop {
            if let Some(request) = self.take() {
                return request;
            }
            self.shared.news.notified().await;
        }
    }

    /// The oldest request, if there is one.
    pub(super) fn take(&self) -> Option<Request> {
        let mut inner = self.lock();
        let request = inner.requests.pop_front()?;
        if !matches!(request.ask, Ask::Release) {
            inner.waiting -= 1;
        }
        Some(request)
    }

    /// Whether a request of this owner waits.
    pub(super) fn holds_one_of(&self, owner: u64) -> bool {
        self.lock().requests.iter().any(|request| request.owner == owner)
    }

    /// Nobody takes requests any more.
    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let requests = std::mem::take(&mut inner.requests);
        drop(inner);
        drop(requests);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under this lock, so a poisoned one is still whole.
        self.shared.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
