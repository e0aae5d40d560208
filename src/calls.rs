//! The calls that one connection has under way, each with its one reply.
//!
//! A call is a future with the address of its reply. Whoever takes it out – because it is done,
//! closed, superseded, or its client is gone – has its reply in hand; there is no other way to
//! one, so every call gets exactly one.

use std::any::Any;
use std::borrow::Cow;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{AbortHandle, Abortable, Aborted};
use futures_util::stream::{FuturesUnordered, Stream};
use hharome_protocol::action::Nature;
use hharome_protocol::failure::Failure;
use hharome_protocol::frame::{self, Envelope, ReplyTo, TaskId};
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::channels::{CallStage, Stages};

/// The frame of a waiting call is kept up to this size; those that wait for people are far below.
const KEPT_REQUEST: usize = 4 * 1024;

/// What an action or call comes to: its data, or why not.
pub type Outcome = Result<Box<RawValue>, Failure>;

/// A call's work.
pub type Work = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Where a call's one reply goes, and in which form.
pub struct ReplyAddress {
    form: Form,
    /// Of a call by its own name: the name and the caller's id.
    call: Option<(Cow<'static, str>, Option<Box<RawValue>>)>,
}

enum Form {
    /// `ampeHHCommunication`'s envelope.
    Envelope { action: Cow<'static, str>, event: &'static str, task_id: TaskId },
    /// `{"success","message","data"}`.
    Plain,
}

impl ReplyAddress {
    /// The reply of an action: bare, or as the result of the call `ampeHHCommunication`.
    #[must_use]
    pub fn envelope(
        action: Cow<'static, str>,
        event: &'static str,
        task_id: TaskId,
        call: Option<(&str, Option<&RawValue>)>,
    ) -> Self {
        let call = call.map(|(name, id)| (Cow::Owned(name.to_owned()), id.map(ToOwned::to_owned)));
        Self { form: Form::Envelope { action, event, task_id }, call }
    }

    /// The reply of a call of its own name.
    #[must_use]
    pub fn call(name: &str, id: Option<&RawValue>) -> Self {
        let call = Some((Cow::Owned(name.to_owned()), id.map(ToOwned::to_owned)));
        Self { form: Form::Plain, call }
    }

    /// The reply, encoded.
    #[must_use]
    pub fn reply(&self, outcome: &Outcome) -> Bytes {
        let call = self.call.as_ref().map(|(name, id)| (&**name, id.as_deref()));
        let to = call.map_or(ReplyTo::Bare, |(name, id)| ReplyTo::Call { name, id });
        match &self.form {
            Form::Envelope { action, event, task_id } => {
                let envelope = Envelope { action, event, task_id: Some(task_id) };
                match outcome {
                    Ok(data) => frame::reply(to, &envelope, data),
                    Err(failure) => frame::refusal(to, &envelope, failure),
                }
            }
            Form::Plain => {
                let (name, id) = call.unwrap_or_default();
                frame::call_reply(name, id, outcome.as_deref())
            }
        }
    }

    /// The reply with a message of its own instead of `成功`.
    #[must_use]
    pub fn reply_with(&self, message: &str, data: &RawValue) -> Bytes {
        let Form::Envelope { action, event, task_id } = &self.form else {
            return self.reply(&Ok(data.to_owned()));
        };
        let envelope = Envelope { action, event, task_id: Some(task_id) };
        let call = self.call.as_ref().map(|(name, id)| (&**name, id.as_deref()));
        let to = call.map_or(ReplyTo::Bare, |(name, id)| ReplyTo::Call { name, id });
        frame::reply_with(to, &envelope, message, data)
    }
}

/// Where in a device's queue a call stands, for one that takes its place. 0: nowhere yet.
#[derive(Clone, Default)]
pub struct Place(Arc<AtomicU64>);

impl Place {
    /// The number of the waiter, where there is one.
    #[must_use]
    pub fn get(&self) -> Option<u64> {
        Some(self.0.load(Ordering::Relaxed)).filter(|number| *number != 0)
    }

    /// Remembers the number of the waiter.
    pub fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// A call to be started.
pub struct NewCall {
    /// Its action and what kind of thing that is; `None` for a call of its own name.
    pub action: Option<(&'static str, Nature, TaskId)>,
    /// How its action words a failure.
    pub refuse: fn(Failure) -> Failure,
    /// Where its reply goes.
    pub address: ReplyAddress,
    /// Its place in a device's queue.
    pub place: Place,
    /// Who hears of its stages.
    pub stages: Stages,
}

struct Call {
    number: u64,
    new: NewCall,
    /// When it came.
    arrived: Instant,
    /// The frame that it came in, for a recording that begins while it waits; empty for one that
    /// is too large to be kept.
    request: Bytes,
    work: SharedWork,
    abort: AbortHandle,
}

/// A call's work, where both the executor and whoever ends the call can reach it: taken out, it is
/// dropped at once. The abort handle only makes the executor forget the rest.
type SharedWork = Arc<Mutex<Option<Work>>>;

type Finished = (u64, Result<Result<Outcome, Box<dyn Any + Send>>, Aborted>);

/// All calls that one connection has under way.
pub struct Calls {
    limit: usize,
    calls: Vec<Call>,
    work: FuturesUnordered<Pin<Box<dyn Future<Output = Finished> + Send>>>,
    next_number: u64,
}

impl Calls {
    /// None yet; at most `limit` at a time.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let work = FuturesUnordered::new();
        Self { limit, calls: Vec::new(), work, next_number: 0 }
    }

    /// Whether none is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Whether no further one is taken.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.calls.len() >= self.limit
    }

    /// Starts a call and does its first steps. The reply, if that is all there was to do: most
    /// calls wait for nothing, and need no place among those under way.
    pub fn start(&mut self, new: NewCall, mut work: Work, request: &[u8]) -> Option<Bytes> {
        // A call that has to wait is asked again, with the connection's waker, before that sleeps.
        let mut cx = Context::from_waker(Waker::noop());
        let first = catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(&mut cx)));
        match first.map_err(panicked) {
            Ok(Poll::Ready(outcome)) => return Some(new.answer(outcome)),
            Err(failure) => return Some(new.answer(Err(failure))),
            Ok(Poll::Pending) => {}
        }
        self.next_number += 1;
        let number = self.next_number;
        let work = Arc::new(Mutex::new(Some(work)));
        let (abort, registration) = AbortHandle::new_pair();
        let steps = Arc::clone(&work);
        let steps = poll_fn(move |cx| match &mut *lock(&steps) {
            Some(work) => work.as_mut().poll(cx),
            None => Poll::Pending,
        });
        let steps = Abortable::new(AssertUnwindSafe(steps).catch_unwind(), registration);
        self.work.push(Box::pin(steps.map(move |result| (number, result))));
        // A copy, since the frame itself would keep the whole buffer that it was read into.
        let kept = if request.len() <= KEPT_REQUEST { request } else { &[] };
        let (arrived, request) = (Instant::now(), Bytes::copy_from_slice(kept));
        self.calls.push(Call { number, new, arrived, request, work, abort });
        None
    }

    /// The calls under way, oldest first: when each came, and in which frame.
    pub fn under_way(&self) -> impl Iterator<Item = (Instant, Bytes)> {
        let kept = self.calls.iter().filter(|call| !call.request.is_empty());
        kept.map(|call| (call.arrived, call.request.clone()))
    }

    /// The reply of the next call that is done.
    pub fn poll_answer(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.work.is_empty() {
            // Nobody has to be woken for nothing.
            return Poll::Pending;
        }
        loop {
            let Poll::Ready(Some(finished)) = Pin::new(&mut self.work).poll_next(cx) else {
                return Poll::Pending;
            };
            let (number, result) = finished;
            // An aborted one is out already, with its reply.
            let Some(at) = self.calls.iter().position(|call| call.number == number) else {
                continue;
            };
            let call = self.calls.remove(at);
            let outcome = match result {
                Ok(Ok(outcome)) => outcome,
                Ok(Err(panic)) => Err(panicked(panic)),
                Err(Aborted) => Err(Failure::Cancelled),
            };
            return Poll::Ready(Some(call.new.answer(outcome)));
        }
    }

    /// The place of a waiting call of the same action and `taskId`, which a new one would take.
    #[must_use]
    pub fn place_of(&self, action: &str, task_id: &TaskId) -> Option<Place> {
        Some(self.calls.get(self.waiting(action, task_id)?)?.new.place.clone())
    }

    /// Ends the waiting call of the same action and `taskId`, if there is one: its reply.
    pub fn supersede(&mut self, action: &str, task_id: &TaskId) -> Option<Bytes> {
        let at = self.waiting(action, task_id)?;
        Some(self.take(at).new.answer(Err(Failure::Cancelled)))
    }

    fn waiting(&self, action: &str, task_id: &TaskId) -> Option<usize> {
        self.calls.iter().position(|call| {
            matches!(&call.new.action, Some((name, Nature::Waits, id))
                if *name == action && id == task_id)
        })
    }

    /// Ends all calls of an action; their replies, oldest first.
    pub fn close(&mut self, action: &str) -> Vec<Bytes> {
        self.cancel(|call| matches!(&call.new.action, Some((name, ..)) if *name == action))
    }

    /// Ends all calls that wait for a person; their replies, oldest first.
    pub fn cancel_waiting(&mut self) -> Vec<Bytes> {
        self.cancel(|call| matches!(&call.new.action, Some((_, Nature::Waits, _))))
    }

    /// Ends all calls, but those that act on the world run on with nobody to reply to; the
    /// replies, oldest first.
    pub fn cancel_all(&mut self) -> Vec<Bytes> {
        self.cancel(|_| true)
    }

    fn cancel(&mut self, ends: impl Fn(&Call) -> bool) -> Vec<Bytes> {
        let mut replies = Vec::new();
        let mut at = 0;
        while let Some(call) = self.calls.get(at) {
            if ends(call) {
                replies.push(self.take(at).new.answer(Err(Failure::Cancelled)));
            } else {
                at += 1;
            }
        }
        replies
    }

    /// Takes a call out and drops its work, and with that its place in any queue, now.
    fn take(&mut self, at: usize) -> Call {
        let call = self.calls.remove(at);
        let work = lock(&call.work).take();
        drop(work);
        call.abort.abort();
        call
    }
}

impl NewCall {
    fn answer(self, outcome: Outcome) -> Bytes {
        self.stages.report(CallStage::Done);
        if let Some((action, ..)) = &self.action {
            tracing::debug!(action, success = outcome.is_ok(), "answered");
        }
        let outcome = outcome.map_err(self.refuse);
        self.address.reply(&outcome)
    }
}

fn lock(work: &Mutex<Option<Work>>) -> MutexGuard<'_, Option<Work>> {
    // A panic of the work is caught and answered; the call is over then.
    work.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panicked(_: Box<dyn Any + Send>) -> Failure {
    Failure::internal("the call's handler panicked")
}
