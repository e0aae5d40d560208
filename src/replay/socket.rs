//! A recorded client's socket: says at the right time what the client said, and takes frames as
//! fast as the client took them.
//!
//! The connection polls [`PlayedSocket`], the player works the [`SocketHand`]. Both are the same
//! thread's; there is no I/O. A client that stalled takes exactly as many frames as it took then,
//! and the next ones when it took them.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use bytes::Bytes;

use crate::outbox::Outbox;
use crate::transport::{Incoming, Transport};

/// Hears every frame that a client takes.
pub trait Ear: Send {
    /// The client with this number takes a frame, with its line's end.
    fn hear(&mut self, client: u64, frame: &Bytes);
}

/// The connection's side.
pub struct PlayedSocket {
    client: u64,
    shared: Arc<Mutex<Shared>>,
    ear: Arc<Mutex<dyn Ear>>,
}

/// The player's side.
#[derive(Clone)]
pub struct SocketHand(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    incoming: VecDeque<Incoming>,
    broken: bool,
    /// Frames that are in the recording so far count; those of the time before do not.
    counting: bool,
    taken: u64,
    /// No more than so many are taken.
    limit: Option<u64>,
    waker: Option<Waker>,
}

/// A socket of the client with this number. At most `limit` frames are taken, until the hand says
/// otherwise.
#[must_use]
pub fn socket(
    client: u64,
    limit: Option<u64>,
    ear: Arc<Mutex<dyn Ear>>,
) -> (PlayedSocket, SocketHand) {
    let shared = Arc::new(Mutex::new(Shared { limit, ..Shared::default() }));
    (PlayedSocket { client, shared: Arc::clone(&shared), ear }, SocketHand(shared))
}

impl SocketHand {
    /// The client sends this.
    pub fn send(&self, incoming: Incoming) {
        self.change(|shared| shared.incoming.push_back(incoming));
    }

    /// The client is gone.
    pub fn break_off(&self) {
        self.change(|shared| shared.broken = true);
    }

    /// From now on frames count against the limit.
    pub fn count(&self) {
        self.change(|shared| shared.counting = true);
    }

    /// The client takes frames up to this many in all; `None`: whatever comes.
    pub fn limit(&self, limit: Option<u64>) {
        self.change(|shared| shared.limit = limit);
    }

    /// Frames taken so far that count.
    #[must_use]
    pub fn taken(&self) -> u64 {
        lock(&self.0).taken
    }

    fn change(&self, change: impl FnOnce(&mut Shared)) {
        let mut shared = lock(&self.0);
        change(&mut shared);
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Shared {
    fn is_full(&self) -> bool {
        self.counting && self.limit.is_some_and(|limit| self.taken >= limit)
    }
}

impl Transport for PlayedSocket {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Incoming>> {
        let mut shared = lock(&self.shared);
        shared.waker = Some(cx.waker().clone());
        if let Some(incoming) = shared.incoming.pop_front() {
            return Poll::Ready(Ok(incoming));
        }
        if shared.broken { Poll::Ready(Err(broken())) } else { Poll::Pending }
    }

    fn buffered(&mut self) -> Option<Incoming> {
        let mut shared = lock(&self.shared);
        // The end is no frame.
        match shared.incoming.front()? {
            Incoming::End => None,
            Incoming::Frame(_) | Incoming::TooLong => shared.incoming.pop_front(),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<io::Result<()>> {
        loop {
            let mut shared = lock(&self.shared);
            shared.waker = Some(cx.waker().clone());
            if shared.broken {
                return Poll::Ready(Err(broken()));
            }
            if shared.is_full() {
                return if outbox.is_empty() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            let Some(frame) = outbox.pop() else { return Poll::Ready(Ok(())) };
            shared.taken += u64::from(shared.counting);
            drop(shared);
            let mut ear = self.ear.lock().unwrap_or_else(PoisonError::into_inner);
            ear.hear(self.client, &frame);
        }
    }

    fn poll_close(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn broken() -> io::Error {
    io::ErrorKind::BrokenPipe.into()
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // Nothing that can panic runs under the lock, so a poisoned one is still whole.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
