//! What waits to be written to one client, and who gives way when it is slow.
//!
//! Anybody may put frames in (channels, the connection itself); only the connection takes them
//! out. Nothing here waits for a client: [`Queue`] is the policy, without I/O or clock, and
//! [`Outbox`] shares it and wakes the connection.
//!
//! * Stream events (microphone) are dropped oldest first beyond their bound; one
//!   `bridgeLagged` frame stands where the gap is.
//! * Other frames are never dropped. Past their bound, or past the bound in bytes, the client is
//!   given up: the only way in which a reply is lost.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use bytes::Bytes;
use hharome_protocol::frame;

use crate::recording::recorder::{ClientEvent, ClientTape};

/// How much may wait for one client: section `[limits]` of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Stream events; 64 of the microphone are 2.6 s.
    pub stream_events: usize,
    /// All other frames.
    pub frames: usize,
    /// Bytes of all of them.
    pub bytes: usize,
}

/// The frames that wait for one client, in order.
pub struct Queue {
    bounds: Bounds,
    waiting: VecDeque<Waiting>,
    stream_events: usize,
    bytes: usize,
    dropped: u64,
}

/// The client is too slow: a bound was passed that nothing may be dropped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooSlow;

enum Waiting {
    Frame(Bytes),
    Stream { channel: &'static str, frame: Bytes },
    Lagged { channel: &'static str, dropped: u64 },
}

impl Queue {
    /// An empty queue.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self { bounds, waiting: VecDeque::new(), stream_events: 0, bytes: 0, dropped: 0 }
    }

    /// Adds a frame that may not be dropped.
    ///
    /// # Errors
    /// [`TooSlow`] if it passes a bound; the frame is lost, and the client has to go.
    pub fn push(&mut self, frame: Bytes) -> Result<(), TooSlow> {
        let frames = self.waiting.len() - self.stream_events;
        if frames >= self.bounds.frames {
            return Err(TooSlow);
        }
        self.make_room(frame.len())?;
        self.bytes += frame.len();
        self.waiting.push_back(Waiting::Frame(frame));
        Ok(())
    }

    /// Adds an event of a stream; older ones of streams give way.
    ///
    /// # Errors
    /// [`TooSlow`] if even without any other stream event it does not fit.
    pub fn push_stream(&mut self, channel: &'static str, frame: Bytes) -> Result<(), TooSlow> {
        while self.stream_events >= self.bounds.stream_events.max(1) {
            self.drop_oldest_stream_event();
        }
        self.make_room(frame.len())?;
        self.bytes += frame.len();
        self.stream_events += 1;
        self.waiting.push_back(Waiting::Stream { channel, frame });
        Ok(())
    }

    /// The next frame to write.
    pub fn pop(&mut self) -> Option<Bytes> {
        let frame = match self.waiting.pop_front()? {
            Waiting::Frame(frame) => frame,
            Waiting::Stream { frame, .. } => {
                self.stream_events -= 1;
                frame
            }
            Waiting::Lagged { channel, dropped } => return Some(frame::lagged(channel, dropped)),
        };
        self.bytes -= frame.len();
        Some(frame)
    }

    /// Frames that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Stream events dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    fn make_room(&mut self, bytes: usize) -> Result<(), TooSlow> {
        while self.bytes + bytes > self.bounds.bytes {
            if !self.drop_oldest_stream_event() {
                return Err(TooSlow);
            }
        }
        Ok(())
    }

    /// Tells whether there was one.
    fn drop_oldest_stream_event(&mut self) -> bool {
        let oldest = self.waiting.iter().position(|one| matches!(one, Waiting::Stream { .. }));
        let Some(at) = oldest else { return false };
        let Some(Waiting::Stream { channel, frame }) = self.waiting.remove(at) else {
            return false;
        };
        self.bytes -= frame.len();
        self.stream_events -= 1;
        self.dropped += 1;
        // Everything of this channel that stood before the oldest has been dropped already, so a
        // mark that is there stands at the same gap.
        let mark = self.waiting.iter_mut().find_map(|one| match one {
            Waiting::Lagged { channel: marked, dropped } if *marked == channel => Some(dropped),
            _ => None,
        });
        match mark {
            Some(dropped) => *dropped += 1,
            None => self.waiting.insert(at, Waiting::Lagged { channel, dropped: 1 }),
        }
        true
    }
}

/// The shared end of a client's queue.
pub struct Outbox {
    inner: Mutex<Inner>,
    tape: Option<ClientTape>,
    /// Stream events dropped so far, of all clients together.
    dropped: Arc<AtomicU64>,
}

struct Inner {
    queue: Queue,
    overflowed: bool,
    /// So many of the next frames were put in while nothing was recorded: what they answer is in no
    /// recording, and neither are they.
    untaped: usize,
    waker: Option<Waker>,
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let inner = Inner { queue: Queue::new(bounds), overflowed: false, untaped: 0, waker: None };
        Self { inner: Mutex::new(inner), tape: None, dropped: Arc::default() }
    }

    /// An empty outbox of one of many clients: its frames are on the tape when they are taken out, and
    /// what it drops is counted in `dropped`.
    #[must_use]
    pub fn taped(bounds: Bounds, tape: ClientTape, dropped: Arc<AtomicU64>) -> Self {
        Self { tape: Some(tape), dropped, ..Self::new(bounds) }
    }

    /// Puts a frame in. A client too slow for it is given up by its connection.
    pub fn push(&self, frame: Bytes) {
        self.put(|queue| queue.push(frame));
    }

    /// Puts an event of a stream in.
    pub fn push_stream(&self, channel: &'static str, frame: Bytes) {
        self.put(|queue| queue.push_stream(channel, frame));
    }

    /// The connection's side: the next frame to write.
    pub fn pop(&self) -> Option<Bytes> {
        let (frame, was_before) = {
            let mut inner = self.lock();
            let frame = inner.queue.pop()?;
            let was_before = inner.untaped > 0;
            inner.untaped = inner.untaped.saturating_sub(1);
            (frame, was_before)
        };
        if let Some(tape) = &self.tape {
            let event = || ClientEvent::Out(frame.clone());
            if was_before { tape.show(event) } else { tape.write(event) }
        }
        Some(frame)
    }

    /// The connection's side: frames that wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The connection's side: whether the client is too slow, and to be woken at the next frame.
    pub fn poll_overflow(&self, cx: &Context<'_>) -> bool {
        let mut inner = self.lock();
        if inner.waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            inner.waker = Some(cx.waker().clone());
        }
        inner.overflowed
    }

    fn put(&self, put: impl FnOnce(&mut Queue) -> Result<(), TooSlow>) {
        let mut inner = self.lock();
        if inner.overflowed {
            return;
        }
        let before = inner.queue.dropped();
        if put(&mut inner.queue).is_err() {
            inner.overflowed = true;
        }
        let dropped = inner.queue.dropped() - before;
        if dropped > 0 {
            self.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        if self.tape.as_ref().is_some_and(|tape| tape.session() == 0) {
            inner.untaped = inner.queue.len();
        }
        // It stays: a connection that is woken again before it has looked is woken for nothing, and
        // that is cheaper than to leave a new waker at each look.
        if let Some(waker) = &inner.waker {
            waker.wake_by_ref();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIC: &str = "initMicrophoneListener";

    fn queue(stream_events: usize, frames: usize, bytes: usize) -> Queue {
        Queue::new(Bounds { stream_events, frames, bytes })
    }

    fn drain(queue: &mut Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop())
            .map(|frame| String::from_utf8(frame.to_vec()).unwrap().trim_end().to_owned())
            .collect()
    }

    fn lagged(dropped: u64) -> String {
        format!(r#"{{"channel":"bridgeLagged","data":{{"channel":"{MIC}","dropped":{dropped}}}}}"#)
    }

    #[test]
    fn the_oldest_stream_events_give_way_and_one_mark_stands_at_the_gap() {
        let mut queue = queue(2, 9, 999);
        queue.push(Bytes::from_static(b"before")).unwrap();
        for event in ["1", "2", "3", "4"] {
            queue.push_stream(MIC, Bytes::from_static(event.as_bytes())).unwrap();
        }
        queue.push(Bytes::from_static(b"after")).unwrap();
        assert_eq!(drain(&mut queue), ["before", &lagged(2), "3", "4", "after"]);
        assert_eq!(queue.dropped(), 2);
    }

    #[test]
    fn a_mark_that_has_been_written_is_not_added_to() {
        let mut queue = queue(1, 9, 999);
        queue.push_stream(MIC, Bytes::from_static(b"1")).unwrap();
        queue.push_stream(MIC, Bytes::from_static(b"2")).unwrap();
        assert_eq!(queue.pop(), Some(frame::lagged(MIC, 1)));
        queue.push_stream(MIC, Bytes::from_static(b"3")).unwrap();
        assert_eq!(drain(&mut queue), [lagged(1), "3".to_owned()]);
    }

    #[test]
    fn a_frame_past_the_bound_gives_the_client_up() {
        let mut queue = queue(1, 2, 999);
        queue.push(Bytes::from_static(b"1")).unwrap();
        queue.push_stream(MIC, Bytes::from_static(b"s")).unwrap();
        queue.push(Bytes::from_static(b"2")).unwrap();
        assert_eq!(queue.push(Bytes::from_static(b"3")), Err(TooSlow));
    }

    #[test]
    fn bytes_past_the_bound_cost_stream_events_first_and_then_the_client() {
        let mut queue = queue(9, 9, 10);
        queue.push_stream(MIC, Bytes::from_static(b"sss")).unwrap();
        queue.push(Bytes::from_static(b"fffffffff")).unwrap();
        assert_eq!(drain(&mut queue), [lagged(1), "fffffffff".to_owned()]);
        queue.push(Bytes::from_static(b"fffffffff")).unwrap();
        assert_eq!(queue.push(Bytes::from_static(b"ff")), Err(TooSlow));
    }

    proptest! {
        /// What comes out of the queue, with the marks counted in, is what went in, in order.
        #[test]
        fn nothing_is_lost_without_a_mark_and_no_bound_is_passed(
            steps in proptest::collection::vec(0u8..10, 0..400),
        ) {
            let mut queue = queue(5, 50, 4000);
            let (mut sent, mut sent_frames) = (0u64, 0u64);
            let (mut next, mut next_frame) = (0u64, 0u64);
            let mut take = |queue: &mut Queue| {
                let Some(frame) = queue.pop() else { return Ok(()) };
                let text = String::from_utf8(frame.to_vec()).unwrap();
                if let Some(number) = text.strip_prefix('s') {
                    prop_assert_eq!(number.parse::<u64>().unwrap(), next);
                    next += 1;
                } else if let Some(number) = text.strip_prefix('f') {
                    prop_assert_eq!(number.parse::<u64>().unwrap(), next_frame);
                    next_frame += 1;
                } else {
                    let count = text.split(':').next_back().unwrap().trim_matches(['}', '\n']);
                    next += count.parse::<u64>().unwrap();
                }
                Ok(())
            };
            for step in steps {
                match step {
                    0..5 => {
                        queue.push_stream(MIC, format!("s{sent}").into()).unwrap();
                        sent += 1;
                    }
                    5..8 => if queue.push(format!("f{sent_frames}").into()).is_ok() {
                        sent_frames += 1;
                    },
                    _ => take(&mut queue)?,
                }
                prop_assert!(queue.stream_events <= 5);
                prop_assert!(queue.bytes <= 4000);
            }
            while !queue.is_empty() {
                take(&mut queue)?;
            }
            prop_assert_eq!((next, next_frame), (sent, sent_frames));
            prop_assert_eq!(queue.bytes, 0);
        }
    }
}
