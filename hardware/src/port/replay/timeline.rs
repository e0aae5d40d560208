//! The recording's time: on tokio's clock, and finer than it.
//!
//! Tokio's timers know milliseconds, and what fell into the same one is woken in no order. A card
//! may be read and its call closed within the same millisecond, so a replay needs better: under a
//! [`Conductor`], everybody who waits for a moment of the recording waits in one queue, and those
//! whose moment has come go one after the other, each with some turns for what follows from it.
//! The recording's time stands still meanwhile.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::faults::micros;

/// Turns that everybody has between two moments: a request of a client reaches its device's task,
/// the device asks, and its question is on the line, with some to spare. Each costs less than a
/// microsecond.
const TURNS: usize = 8;

/// The recording's time on tokio's clock. Clones are the same.
#[derive(Clone)]
pub struct Timeline {
    zero: Instant,
    speed: f64,
    queue: Option<Arc<Mutex<Queue>>>,
}

/// Lets those who wait for moments of the recording go, in order. Its [`Conductor::run`] has to be
/// polled beside what is replayed.
pub struct Conductor(Timeline);

#[derive(Default)]
struct Queue {
    waiting: BTreeMap<(i64, u64), Waker>,
    number: u64,
    /// The moment whose turn it is.
    turn: Option<i64>,
    conductor: Option<Waker>,
}

/// A place in the conductor's queue; given up when dropped.
pub(super) struct Place {
    queue: Arc<Mutex<Queue>>,
    at: (i64, u64),
}

impl Timeline {
    /// Recording time 0 is at `zero`, and goes by `speed` times as fast as the clock, which is more
    /// than 0.
    #[must_use]
    pub fn new(zero: Instant, speed: f64) -> Self {
        Self { zero, speed: speed.max(f64::MIN_POSITIVE), queue: None }
    }

    /// Recording time 0 is at `zero`, and everything happens in the recording's order, to the
    /// microsecond, as long as the conductor runs.
    #[must_use]
    pub fn conducted(zero: Instant) -> (Self, Conductor) {
        let queue = Some(Arc::default());
        let timeline = Self { zero, speed: 1.0, queue };
        (timeline.clone(), Conductor(timeline))
    }

    /// The recording's time now, in microseconds: under a conductor the moment whose turn it is,
    /// and never later than one that somebody still waits for.
    #[must_use]
    pub fn now(&self) -> i64 {
        let clock = self.clock();
        let Some(queue) = &self.queue else { return clock };
        let queue = lock(queue);
        queue.turn.or(queue.first()).map_or(clock, |moment| clock.min(moment))
    }

    /// The clock at this moment of the recording's time.
    #[must_use]
    pub fn at(&self, micros: i64) -> Instant {
        let span = Duration::from_micros(micros.unsigned_abs());
        let span = if self.is_plain() { span } else { span.div_f64(self.speed) };
        let at = if micros < 0 { self.zero.checked_sub(span) } else { self.zero.checked_add(span) };
        at.unwrap_or(self.zero)
    }

    /// Ends when this moment of the recording's time has come, in microseconds.
    pub async fn reached(&self, micros: i64) {
        let Some(queue) = &self.queue else { return sleep_until(self.at(micros)).await };
        let mut place = None;
        poll_fn(|cx| poll_place(queue, &mut place, micros, cx)).await;
    }

    /// Polls for a moment under the conductor; `None` without one.
    pub(super) fn poll_reached(
        &self,
        place: &mut Option<Place>,
        micros: i64,
        cx: &Context<'_>,
    ) -> Option<Poll<()>> {
        let queue = self.queue.as_ref()?;
        Some(poll_place(queue, place, micros, cx))
    }

    fn clock(&self) -> i64 {
        let now = Instant::now();
        let scaled =
            |span: Duration| micros(if self.is_plain() { span } else { span.mul_f64(self.speed) });
        match now.checked_duration_since(self.zero) {
            Some(since) => scaled(since),
            None => -scaled(self.zero.duration_since(now)),
        }
    }

    /// At the usual speed nothing is rounded.
    fn is_plain(&self) -> bool {
        (self.speed - 1.0).abs() < f64::EPSILON
    }
}

impl Conductor {
    /// Conducts. Never ends by itself.
    pub async fn run(self) {
        let Self(timeline) = self;
        let Some(queue) = timeline.queue.clone() else { return };
        loop {
            let first = poll_fn(|cx| {
                let mut queue = lock(&queue);
                queue.conductor = Some(cx.waker().clone());
                queue.first().map_or(Poll::Pending, Poll::Ready)
            })
            .await;
            if first > timeline.clock() {
                let moment = sleep_until(timeline.at(first));
                let earlier = poll_fn(|cx| {
                    let mut queue = lock(&queue);
                    queue.conductor = Some(cx.waker().clone());
                    if queue.first() == Some(first) { Poll::Pending } else { Poll::Ready(()) }
                });
                tokio::select! {
                    biased;
                    () = earlier => {}
                    () = moment => {}
                }
                continue;
            }
            let next = {
                let mut queue = lock(&queue);
                queue.turn = Some(first);
                queue.waiting.pop_first()
            };
            if let Some((_, waker)) = next {
                waker.wake();
                for _ in 0..TURNS {
                    tokio::task::yield_now().await;
                }
            }
            lock(&queue).turn = None;
        }
    }
}

impl Queue {
    fn first(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|((micros, _), _)| *micros)
    }

    fn tell_conductor(&mut self) {
        if let Some(conductor) = self.conductor.take() {
            conductor.wake();
        }
    }
}

fn poll_place(
    queue: &Arc<Mutex<Queue>>,
    place: &mut Option<Place>,
    micros: i64,
    cx: &Context<'_>,
) -> Poll<()> {
    if let Some(held) = place.as_ref().filter(|held| held.at.0 == micros) {
        if let Some(waker) = lock(queue).waiting.get_mut(&held.at) {
            waker.clone_from(cx.waker());
            return Poll::Pending;
        }
        *place = None;
        return Poll::Ready(());
    }
    // The old place is given up, if there was one.
    *place = None;
    let mut waiting = lock(queue);
    waiting.number += 1;
    let at = (micros, waiting.number);
    waiting.waiting.insert(at, cx.waker().clone());
    waiting.tell_conductor();
    drop(waiting);
    *place = Some(Place { queue: Arc::clone(queue), at });
    Poll::Pending
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = lock(&self.queue);
        if queue.waiting.remove(&self.at).is_some() {
            queue.tell_conductor();
        }
    }
}

fn lock(queue: &Mutex<Queue>) -> MutexGuard<'_, Queue> {
    // Nothing that can panic runs under the lock, so a poisoned one is still whole.
    queue.lock().unwrap_or_else(PoisonError::into_inner)
}
