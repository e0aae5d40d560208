//! One channel's listeners: who has said `on`, who has started it, and what each of them heard last.
//!
//! Owned by the table above; every lock is held for a few moves of memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use hharome_protocol::action::ChannelInfo;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Feed, FormPump, Subscriber};
use crate::outbox::Outbox;

pub(super) struct Served {
    pub(super) info: ChannelInfo,
    pub(super) feed: Option<Feed>,
    /// Starts the pump of those that have started the channel.
    pub(super) forms: Option<FormPump>,
    pub(super) listeners: Mutex<Listeners>,
}

#[derive(Default)]
pub(super) struct Listeners {
    pub(super) subscribers: Vec<Subscriber>,
    pub(super) started: Vec<Started>,
    /// Starts so far, of a channel with forms.
    pub(super) starts: u64,
    pub(super) pump: Option<JoinHandle<()>>,
}

/// What one connection has started.
pub(super) struct Started {
    pub(super) connection: u64,
    /// The frame that asked for it, and when something came of it, for a recording that begins
    /// later.
    pub(super) request: Bytes,
    pub(super) heard: Heard,
    pub(super) fed: Fed,
}

/// What feeds a connection that has started a channel.
pub(super) enum Fed {
    /// A task of its own.
    Task(JoinHandle<()>),
    /// The channel's pump.
    Form {
        form: usize,
        outbox: Arc<Outbox>,
        number: u64,
        /// Tells whoever waits for the start that it is over, by being dropped.
        holds: watch::Sender<()>,
    },
}

/// When a listener heard something: the last time, and the time before that. A recording that has
/// begun learns of a listener when that hears something again.
#[derive(Clone)]
pub(super) struct Heard(Arc<Mutex<Times>>);

struct Times {
    /// The time before the last, and the last.
    pub(super) heard: [Instant; 2],
    /// When nothing more was to come.
    ended: Option<Instant>,
}

impl Heard {
    pub(super) fn now() -> Self {
        Self(Arc::new(Mutex::new(Times { heard: [Instant::now(); 2], ended: None })))
    }

    pub(super) fn again(&self, now: Instant) {
        let mut times = self.lock();
        let [_, last] = times.heard;
        times.heard = [last, now];
    }

    /// Nothing more is to come from now on.
    pub(super) fn end(&self) {
        self.lock().ended = Some(Instant::now());
    }

    /// The last time that is not after `then`; `then` itself if there was so much since that nobody
    /// knows.
    pub(super) fn last(&self, then: Instant) -> Instant {
        let [before, last] = self.lock().heard;
        if last <= then { last } else { before.min(then) }
    }

    /// Whether at `then` nothing more was to come.
    pub(super) fn had_ended(&self, then: Instant) -> bool {
        self.lock().ended.is_some_and(|ended| ended <= then)
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Started {
    /// What tells of its end, of a channel with forms.
    pub(super) fn holds(&self) -> Option<&watch::Sender<()>> {
        match &self.fed {
            Fed::Form { holds, .. } => Some(holds),
            Fed::Task(_) => None,
        }
    }

    /// Its number, of a channel with forms.
    pub(super) fn number(&self) -> Option<u64> {
        match self.fed {
            Fed::Form { number, .. } => Some(number),
            Fed::Task(_) => None,
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        if let Fed::Task(task) = &self.fed {
            task.abort();
        }
    }
}

impl Listeners {
    pub(super) fn has(&self, connection: u64) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.connection == connection)
    }

    pub(super) fn stop(&mut self, connection: u64) {
        self.end(|started| started.connection == connection);
    }

    /// Ends what was started so; the pump of forms with the last of them.
    pub(super) fn end(&mut self, which: impl Fn(&Started) -> bool) {
        let had_forms = self.started.iter().any(|started| started.number().is_some());
        self.started.retain(|started| !which(started));
        if had_forms
            && self.started.is_empty()
            && let Some(pump) = self.pump.take()
        {
            pump.abort();
        }
    }
}

impl Served {
    pub(super) fn lock(&self) -> MutexGuard<'_, Listeners> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Encodes a reading once for each form that somebody wants, and puts it into their outboxes.
    pub(super) fn publish_forms(&self, encode: impl Fn(usize) -> Bytes) {
        let mut made: Vec<(usize, Bytes)> = Vec::new();
        let now = Instant::now();
        for started in &self.lock().started {
            let Fed::Form { form, outbox, .. } = &started.fed else { continue };
            let frame = match made.iter().find(|(this, _)| this == form) {
                Some((_, frame)) => frame.clone(),
                None => {
                    let frame = encode(*form);
                    made.push((*form, frame.clone()));
                    frame
                }
            };
            started.heard.again(now);
            if self.info.stream {
                outbox.push_stream(self.info.name, frame);
            } else {
                outbox.push(frame);
            }
        }
    }

    pub(super) fn remove(&self, connection: u64) {
        let mut listeners = self.lock();
        listeners.stop(connection);
        listeners.subscribers.retain(|subscriber| subscriber.connection != connection);
        if listeners.subscribers.is_empty()
            && let Some(pump) = listeners.pump.take()
        {
            pump.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_a_listener_heard_after_a_recording_began_is_not_what_it_heard_before() {
        let heard = Heard::now();
        let start = Instant::now();
        let ms = |ms| start + Duration::from_millis(ms);
        tokio::time::advance(Duration::from_millis(300)).await;
        assert_eq!(heard.last(Instant::now()), start);
        heard.again(Instant::now());
        tokio::time::advance(Duration::from_millis(300)).await;
        heard.again(Instant::now());
        assert_eq!(heard.last(ms(600)), ms(600));
        assert_eq!(heard.last(ms(599)), ms(300));
        assert_eq!(heard.last(ms(200)), ms(200));
    }
}
