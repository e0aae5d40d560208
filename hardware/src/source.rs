//! A device's stream of readings: *many listen, one waits*.
//!
//! Waiters stand in a queue, oldest first; a reading answers the oldest of them and reaches every
//! listener. The device's task asks the source whether anybody wants it ([`Source::demand`]), so
//! that nobody polls for nothing. A waiter leaves by being dropped: time limits, cancelled calls
//! and clients that go away are all the same to the source.
//!
//! ```text
//!            begin()                 deliver()
//! waiting ─────────────► reading ─────────────► oldest waiter + all listeners
//!    ▲                      │ dropped: no result    (nobody left: discarded)
//!    └──────────────────────┘ fail(): the oldest waiter learns why
//! ```
//!
//! The lock inside is held for a few moves of pointers, never across an await.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::device::Trouble;

/// Readings that may stand before one listener. A listener is a channel's pump, which only
/// encodes and passes on; a person makes a few readings a second at most, so this many is a stall.
const LISTENER_DEPTH: usize = 64;

/// Where the readings of one device come together with those who want them. Clones are handles
/// on the same source.
pub struct Source<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Clone for Source<T> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Default for Source<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a source tells its device: whether to work at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Somebody waits or listens.
    pub wanted: bool,
    /// How many waits have been asked for so far: a change means a new request.
    pub requests: u64,
}

/// How far a waiter has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Others wait before it.
    Queued,
    /// It is the oldest: what is presented now is its own.
    Waiting,
    /// What was presented is being read for it.
    Reading,
}

impl<T> Source<T> {
    /// A source that nobody wants yet and whose device is not in trouble.
    #[must_use]
    pub fn new() -> Self {
        let shared = Shared {
            inner: Mutex::new(Inner {
                waiters: VecDeque::new(),
                listeners: Vec::new(),
                reading: None,
                trouble: None,
                next_id: 0,
                requests: 0,
                view: View::default(),
            }),
            demand: watch::Sender::new(Demand::default()),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Joins the end of the queue. Fails at once while the device is in trouble.
    ///
    /// # Errors
    /// The [`Trouble`] that the device is in.
    pub fn wait(&self) -> Result<Waiter<T>, Trouble> {
        self.wait_in_place_of(None)
    }

    /// Joins the queue in front of the waiter with the number `other`, which is about to leave,
    /// or at the end if it is not there.
    ///
    /// # Errors
    /// As [`Source::wait`].
    pub fn wait_in_place_of(&self, other: Option<u64>) -> Result<Waiter<T>, Trouble> {
        let mut inner = self.shared.lock();
        if let Some(trouble) = &inner.trouble {
            return Err(trouble.clone());
        }
        let id = inner.take_id();
        let (sender, answer) = oneshot::channel();
        let stir = Arc::new(Notify::new());
        let place = inner.waiters.iter().position(|waiting| Some(waiting.id) == other);
        let place = place.unwrap_or(inner.waiters.len());
        inner.waiters.insert(place, Waiting { id, answer: sender, stir: Arc::clone(&stir) });
        inner.requests += 1;
        self.shared.publish(&mut inner);
        drop(inner);
        Ok(Waiter { id, shared: Arc::clone(&self.shared), answer, stir })
    }

    /// Opens a listener: it gets every reading from now on, in order.
    #[must_use]
    pub fn listen(&self) -> Listener<T> {
        let mut inner = self.shared.lock();
        let id = inner.take_id();
        let (sender, readings) = mpsc::channel(LISTENER_DEPTH);
        inner.listeners.push((id, sender));
        self.shared.publish(&mut inner);
        drop(inner);
        Listener { id, shared: Arc::clone(&self.shared), readings }
    }

    /// The device's side: whether anybody wants a reading, and each change of it.
    #[must_use]
    pub fn demand(&self) -> watch::Receiver<Demand> {
        self.shared.demand.subscribe()
    }

    /// The device's side: something was presented and is being read. The reading ends when the
    /// returned value is delivered, failed or dropped.
    #[must_use]
    pub fn begin(&self) -> Reading<T> {
        let mut inner = self.shared.lock();
        let abandoned = inner.nobody_wants();
        inner.reading = Some(ReadingState { abandoned });
        self.shared.publish(&mut inner);
        drop(inner);
        Reading { shared: Arc::clone(&self.shared), ended: false }
    }

    /// The device's side: a reading that takes no time, such as a scanned code. Dropped if nobody
    /// wants it. Tells whether anybody got it.
    pub fn offer(&self, value: T) -> bool {
        self.begin().deliver(value)
    }

    /// The device's side: it cannot work for now. All who wait learn it, and those who come too,
    /// until [`Source::recover`].
    pub fn fail_all(&self, trouble: &Trouble) {
        let mut inner = self.shared.lock();
        inner.trouble = Some(trouble.clone());
        for waiting in inner.waiters.drain(..) {
            // A waiter that has just left needs no answer.
            let _ = waiting.answer.send(Err(trouble.clone()));
        }
        self.shared.publish(&mut inner);
    }

    /// The device's side: it works (again).
    pub fn recover(&self) {
        self.shared.lock().trouble = None;
    }
}

/// A reading under way, held by the device's task.
pub struct Reading<T> {
    shared: Arc<Shared<T>>,
    ended: bool,
}

impl<T> Reading<T> {
    /// Hands the value to the oldest waiter and to every listener. A reading whose callers have
    /// all left is discarded, even if others have come since. Tells whether anybody got it.
    pub fn deliver(mut self, value: T) -> bool {
        self.ended = true;
        let mut inner = self.shared.lock();
        let abandoned = inner.reading.take().is_none_or(|reading| reading.abandoned);
        if abandoned {
            self.shared.publish(&mut inner);
            return false;
        }
        let value = Arc::new(value);
        let mut reached = false;
        while let Some(waiting) = inner.waiters.pop_front() {
            if waiting.answer.send(Ok(Arc::clone(&value))).is_ok() {
                reached = true;
                break;
            }
        }
        inner.listeners.retain(|(_, listener)| match listener.try_send(Arc::clone(&value)) {
            Ok(()) => {
                reached = true;
                true
            }
            Err(mpsc::error::TrySendError::Full(_)) => {
                tracing::error!(
                    depth = LISTENER_DEPTH,
                    "a listener stalls: a reading is lost to it"
                );
                true
            }
            Err(mpsc::error::TrySendError::Closed(_)) => false,
        });
        self.shared.publish(&mut inner);
        reached
    }

    /// Tells the oldest waiter why there is no reading. Listeners are not told.
    pub fn fail(mut self, trouble: &Trouble) {
        self.ended = true;
        let mut inner = self.shared.lock();
        let abandoned = inner.reading.take().is_none_or(|reading| reading.abandoned);
        if !abandoned {
            while let Some(waiting) = inner.waiters.pop_front() {
                if waiting.answer.send(Err(trouble.clone())).is_ok() {
                    break;
                }
            }
        }
        self.shared.publish(&mut inner);
    }
}

impl<T> Drop for Reading<T> {
    fn drop(&mut self) {
        if !self.ended {
            let mut inner = self.shared.lock();
            inner.reading = None;
            self.shared.publish(&mut inner);
        }
    }
}

/// One who waits for one reading. Dropping it leaves the queue.
pub struct Waiter<T> {
    id: u64,
    shared: Arc<Shared<T>>,
    answer: oneshot::Receiver<Result<Arc<T>, Trouble>>,
    /// The queue has changed.
    stir: Arc<Notify>,
}

impl<T> Waiter<T> {
    /// Its number, for [`Source::wait_in_place_of`]. Never 0.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.id
    }

    /// Ends with the reading, or with the trouble that keeps it from coming. To be awaited to its
    /// end once only; safe to drop and call again before that.
    ///
    /// # Errors
    /// The device's [`Trouble`]; a device that ended for good counts as [`Trouble::Absent`].
    pub async fn answer(&mut self) -> Result<Arc<T>, Trouble> {
        (&mut self.answer).await.unwrap_or_else(|_| Err(shut_down()))
    }

    /// How far it has come, as of now.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.shared.lock().view.stage_of(self.id)
    }

    /// Ends with the answer as [`Waiter::answer`] does, or with `None` when [`Waiter::stage`] may
    /// have changed.
    pub async fn progress(&mut self) -> Option<Result<Arc<T>, Trouble>> {
        tokio::select! {
            biased;
            answer = &mut self.answer => Some(answer.unwrap_or_else(|_| Err(shut_down()))),
            () = self.stir.notified() => None,
        }
    }
}

fn shut_down() -> Trouble {
    Trouble::Absent { detail: "the device has been shut down".to_owned() }
}

impl<T> Drop for Waiter<T> {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        inner.waiters.retain(|waiting| waiting.id != self.id);
        self.shared.leave(&mut inner);
    }
}

/// One who gets every reading. Dropping it ends that.
pub struct Listener<T> {
    id: u64,
    shared: Arc<Shared<T>>,
    readings: mpsc::Receiver<Arc<T>>,
}

impl<T> Listener<T> {
    /// The next reading. Cancel safe.
    pub async fn next(&mut self) -> Option<Arc<T>> {
        self.readings.recv().await
    }
}

impl<T> Drop for Listener<T> {
    fn drop(&mut self) {
        let mut inner = self.shared.lock();
        inner.listeners.retain(|(id, _)| *id != self.id);
        self.shared.leave(&mut inner);
    }
}

/// A waiter, from the queue's side.
struct Waiting<T> {
    id: u64,
    answer: oneshot::Sender<Result<Arc<T>, Trouble>>,
    stir: Arc<Notify>,
}

struct Shared<T> {
    inner: Mutex<Inner<T>>,
    demand: watch::Sender<Demand>,
}

struct Inner<T> {
    waiters: VecDeque<Waiting<T>>,
    listeners: Vec<(u64, mpsc::Sender<Arc<T>>)>,
    reading: Option<ReadingState>,
    trouble: Option<Trouble>,
    next_id: u64,
    requests: u64,
    view: View,
}

struct ReadingState {
    /// All who wanted it when it began or since have left.
    abandoned: bool,
}

/// What waiters see of the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct View {
    oldest: Option<u64>,
    reading: bool,
}

impl View {
    fn stage_of(self, id: u64) -> Stage {
        match (self.oldest == Some(id), self.reading) {
            (false, _) => Stage::Queued,
            (true, false) => Stage::Waiting,
            (true, true) => Stage::Reading,
        }
    }
}

impl<T> Inner<T> {
    fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }

    fn nobody_wants(&self) -> bool {
        self.waiters.is_empty() && self.listeners.is_empty()
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn leave(&self, inner: &mut Inner<T>) {
        if inner.nobody_wants()
            && let Some(reading) = &mut inner.reading
        {
            reading.abandoned = true;
        }
        self.publish(inner);
    }

    fn publish(&self, inner: &mut Inner<T>) {
        let view = View {
            oldest: inner.waiters.front().map(|waiting| waiting.id),
            reading: inner.reading.as_ref().is_some_and(|reading| !reading.abandoned),
        };
        if std::mem::replace(&mut inner.view, view) != view {
            // One by one, in their order: a watch channel would wake them in a random one, and no
            // two replays would be the same.
            for waiting in &inner.waiters {
                waiting.stir.notify_one();
            }
        }
        let demand = Demand { wanted: !inner.nobody_wants(), requests: inner.requests };
        self.demand.send_if_modified(|now| std::mem::replace(now, demand) != demand);
    }
}

#[cfg(test)]
mod tests;
