//! What passes at all clients, for who listens to `bridgeFrames`: the panel.
//!
//! ```text
//! connections ── a push under a lock ──► queue ── every 50 ms ──► mask (blocking pool) ──► channel
//! ```
//!
//! While nobody listens a connection pays for a look at one number, and nothing is kept. What is a
//! person's is masked before it leaves here; whoever watches never slows who is watched: beyond its
//! bound the queue counts what it leaves out.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use hharome_protocol::action::Channel as _;
use hharome_protocol::bridge::{CallStage, FramesChannel, FramesEvent, Seen, SeenFrame};
use hharome_protocol::frame::{LAGGED_CHANNEL, TaskId};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use super::mask::Mask;
use crate::bridge::Clock;
use crate::channels::{Feed, Publisher};
use crate::recording::recorder::ClientEvent;

/// How long things are gathered before they are told: what people see as at once, and few events.
const GATHER: Duration = Duration::from_millis(50);

/// Things that wait to be told: at more than 20,000 a second nobody reads along.
const WAITING: usize = 1024;

/// Bytes of the frames among them, unless it is one alone.
const WAITING_BYTES: usize = 8 * 1024 * 1024;

/// Things in one event of the channel, so that it stays below 100 KiB mostly.
const TOLD: usize = 128;

/// Sees what passes, while somebody listens. Clones are handles on the same.
#[derive(Clone, Default)]
pub struct Watch(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// Pumps that run: 0 while nobody listens.
    listening: AtomicUsize,
    queue: Mutex<Queue>,
    filled: Notify,
}

#[derive(Default)]
struct Queue {
    things: Vec<Thing>,
    bytes: usize,
    missed: u64,
}

/// Something that happened.
struct Thing {
    at: Instant,
    client: u64,
    transport: &'static str,
    what: What,
}

enum What {
    Frame(Seen, Bytes),
    Stage(&'static str, TaskId, CallStage),
    Gone(&'static str),
    Other(Seen),
}

impl Watch {
    /// Whether anybody listens.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.0.listening.load(Ordering::Relaxed) != 0
    }

    /// Something has happened at a client. Called while somebody listens.
    pub fn see(&self, client: u64, transport: &'static str, event: &ClientEvent) {
        let what = match event {
            ClientEvent::Connected { .. } => What::Other(Seen::Connected),
            ClientEvent::In(frame) => What::Frame(Seen::In, frame.clone()),
            // Who watches would see itself watch, for ever.
            ClientEvent::Out(frame) if is_own_event(frame) => return,
            ClientEvent::Out(frame) => What::Frame(Seen::Out, frame.clone()),
            ClientEvent::Token(true) => What::Other(Seen::Admitted),
            ClientEvent::Token(false) => What::Other(Seen::Refused),
            ClientEvent::TooLong => What::Other(Seen::TooLong),
            ClientEvent::Stalled => What::Other(Seen::Stalled),
            ClientEvent::Flowing => What::Other(Seen::Flowing),
            // It is gone soon, and that says why.
            ClientEvent::InEnd => return,
            ClientEvent::Gone(why) => What::Gone(why),
        };
        self.push(Thing { at: Instant::now(), client, transport, what });
    }

    /// A call of a client has come so far.
    pub fn stage(
        &self,
        client: u64,
        transport: &'static str,
        call: (&'static str, &TaskId),
        stage: CallStage,
    ) {
        if self.is_on() {
            let what = What::Stage(call.0, call.1.clone(), stage);
            self.push(Thing { at: Instant::now(), client, transport, what });
        }
    }

    fn push(&self, thing: Thing) {
        let mut queue = self.lock();
        let bytes = thing.what.bytes();
        // A single frame of any size has its place; otherwise what is largest would never be seen.
        let full = bytes > 0 && queue.bytes > 0 && queue.bytes + bytes > WAITING_BYTES;
        if queue.things.len() >= WAITING || full {
            queue.missed += 1;
            return;
        }
        queue.bytes += bytes;
        queue.things.push(thing);
        drop(queue);
        self.0.filled.notify_one();
    }

    fn take(&self) -> Queue {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What feeds the channel while somebody listens.
    #[must_use]
    pub fn feed(&self, clock: Clock) -> Feed {
        let watch = self.clone();
        let pump = move |publisher: Publisher| {
            // From here on nothing is missed.
            let listening = Listening::begin(&watch);
            tokio::spawn(async move {
                let Ok(mask) = Mask::new() else {
                    tracing::error!(
                        "no random numbers: nothing can be masked, so nothing is shown"
                    );
                    return;
                };
                let mask = Arc::new(mask);
                loop {
                    listening.0.0.filled.notified().await;
                    sleep(GATHER).await;
                    let Queue { things, mut missed, .. } = listening.0.take();
                    let mut things = things.into_iter();
                    while missed > 0 || things.len() > 0 {
                        let (mask, some) =
                            (Arc::clone(&mask), things.by_ref().take(TOLD).collect());
                        // A large frame takes its milliseconds.
                        let masked = tokio::task::spawn_blocking(move || told(&mask, clock, some));
                        let Ok(frames) = masked.await else { break };
                        publisher.publish(&FramesEvent { frames, missed });
                        missed = 0;
                    }
                }
            })
        };
        Feed { first: None, pump: Box::new(pump) }
    }
}

impl What {
    fn bytes(&self) -> usize {
        match self {
            Self::Frame(_, frame) => frame.len(),
            _ => 0,
        }
    }
}

/// A pump that runs; the last one to end forgets what waits.
struct Listening(Watch);

impl Listening {
    fn begin(watch: &Watch) -> Self {
        watch.0.listening.fetch_add(1, Ordering::Relaxed);
        Self(watch.clone())
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        if self.0.0.listening.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.take();
        }
    }
}

/// Whether a frame is an event of the channel itself, or says that some are missing.
#[must_use]
pub fn is_own_event(frame: &[u8]) -> bool {
    static HEADS: LazyLock<[String; 2]> = LazyLock::new(|| {
        let name = FramesChannel::NAME;
        let lagged =
            format!("{{\"channel\":\"{LAGGED_CHANNEL}\",\"data\":{{\"channel\":\"{name}\"");
        [format!("{{\"channel\":\"{name}\""), lagged]
    });
    HEADS.iter().any(|head| frame.starts_with(head.as_bytes()))
}

fn told(mask: &Mask, clock: Clock, things: Vec<Thing>) -> Vec<SeenFrame> {
    let tell = |thing: Thing| {
        let mut seen = SeenFrame {
            at: clock.epoch_micros(thing.at),
            client: thing.client,
            transport: thing.transport.to_owned(),
            what: Seen::Gone,
            action: None,
            task_id: None,
            success: None,
            stage: None,
            bytes: None,
            text: None,
        };
        match thing.what {
            What::Other(what) => seen.what = what,
            What::Gone(why) => seen.text = Some(why.to_owned()),
            What::Stage(action, task_id, stage) => {
                seen.what = Seen::Stage;
                let task_id = mask.task(&task_id);
                (seen.action, seen.task_id, seen.stage) =
                    (Some(action.to_owned()), task_id, Some(stage));
            }
            What::Frame(what, frame) => {
                seen.what = what;
                seen.bytes = u64::try_from(frame.len()).ok();
                let shown = mask.frame(&frame, what == Seen::In);
                (seen.action, seen.task_id) = (shown.action, shown.task_id);
                seen.success = shown.success;
                seen.text = Some(shown.text);
            }
        }
        seen
    };
    things.into_iter().map(tell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn nothing_is_kept_while_nobody_listens_and_no_more_than_fits_while_somebody_does() {
        let watch = Watch::default();
        assert!(!watch.is_on());
        let first = Listening::begin(&watch);
        let second = Listening::begin(&watch);
        assert!(watch.is_on());
        for _ in 0..WAITING + 3 {
            watch.see(1, "tcp", &ClientEvent::In(Bytes::from_static(b"{}")));
        }
        let queue = watch.take();
        assert_eq!((queue.things.len(), queue.missed), (WAITING, 3));
        let large = Bytes::from(vec![b' '; WAITING_BYTES + 1]);
        watch.see(1, "tcp", &ClientEvent::In(large.clone()));
        watch.see(1, "tcp", &ClientEvent::Out(large));
        // Alone it is seen, however large, and what carries no bytes beside it.
        watch.see(1, "tcp", &ClientEvent::Gone("finished"));
        assert_eq!(watch.lock().things.len(), 2);
        assert_eq!(watch.lock().missed, 1);
        drop(first);
        assert!(watch.is_on() && !watch.lock().things.is_empty());
        drop(second);
        assert!(!watch.is_on() && watch.lock().things.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_watches_does_not_see_itself_watch() {
        let watch = Watch::default();
        let _listening = Listening::begin(&watch);
        for frame in [
            "{\"channel\":\"bridgeFrames\",\"data\":{}}\n",
            "{\"channel\":\"bridgeLagged\",\"data\":{\"channel\":\"bridgeFrames\",\"dropped\":1}}\n",
        ] {
            watch.see(1, "panel", &ClientEvent::Out(Bytes::from_static(frame.as_bytes())));
        }
        assert!(watch.take().things.is_empty());
        let other = Bytes::from_static(b"{\"channel\":\"bridgeDevices\",\"data\":{}}\n");
        watch.see(1, "panel", &ClientEvent::Out(other));
        assert_eq!(watch.take().things.len(), 1);
    }
}
