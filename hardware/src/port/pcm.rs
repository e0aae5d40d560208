//! Capture devices of ALSA: what a microphone hears, as a line of packets.
//!
//! ```text
//! alsa-lib ◄─ thread ([`capture`]) ─ pieces, bounded ─► line ─ driver
//! ```
//!
//! The library blocks, and its poll descriptors tell nothing with plug-ins, so each opening has a
//! thread of its own that reads. It never waits for the daemon: pieces that nobody takes are dropped
//! and told as a gap. A thread that hangs in the library is left behind; the next opening has another
//! one, up to `MOST_THREADS`.
//!
//! Nobody listens most of the time, and then the device is closed: whether its card is plugged in is
//! known from the card's file, where the name tells the card.
//!
//! The packets, as [`super::packets`] has them. From the device: [`OPENED`], then, once the driver has
//! said [`BEGIN`], [`SOUND`] and [`GAP`] in the order of time; [`TROUBLE`] is the last one. The sound
//! is PCM, 16 kHz, 16 bits little-endian, mono.

mod capture;
mod card;

use std::future::Future;
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as blocking;
use std::task::{Context, Poll, ready};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use card::Card;

use super::{BoxedLine, Line, Opening, Port, PortError, presence};
use crate::device::Trouble;

/// A packet with sound, whole frames of it.
pub const SOUND: u8 = 0;

/// A packet that says that sound is missing here: how many frames, as well as that can be known (4
/// bytes, big-endian), and why: [`OVERRUN`], [`SUSPENDED`], [`LATE`].
pub const GAP: u8 = 1;

/// A packet without data: the device is open and has been told how the sound is wanted.
pub const OPENED: u8 = 2;

/// A packet that says why there is no sound, or no more of it: the number of the system's error (4
/// bytes, big-endian; 0 for none), and words in UTF-8 for those who mend things, or none.
pub const TROUBLE: u8 = 3;

/// What the driver says to have the sound: a packet without data.
pub const BEGIN: u8 = 16;

/// Why a gap is there: the sound was not read in time.
pub const OVERRUN: u8 = 0;

/// Why a gap is there: the machine slept.
pub const SUSPENDED: u8 = 1;

/// Why a gap is there: the daemon was busy with other things for longer than is kept for it.
pub const LATE: u8 = 2;

/// Frames a second.
pub const RATE: u32 = 16_000;

/// Bytes of a frame.
pub const FRAME: usize = 2;

/// Pieces that may wait for the daemon: 2.6 s of 40 ms each. Older sound is of no use.
const PIECES_WAITING: usize = 64;

/// Threads of one device that may live at a time: one that reads, and those that hang in the library.
const MOST_THREADS: usize = 4;

/// A capture device by its name in ALSA.
pub struct AlsaCapture {
    name: String,
    chunk: Duration,
    session: Option<String>,
    threads: Arc<AtomicUsize>,
    last: Option<JoinHandle<()>>,
    /// The card that is meant, if the name tells.
    card: Option<Card>,
    /// What stood for it when the device was last opened.
    file: Option<PathBuf>,
}

impl AlsaCapture {
    /// The device of this name. Its sound is wanted in pieces of `chunk`. `session` is the folder of
    /// a desktop session's sockets, where the configuration names one.
    #[must_use]
    pub fn new(name: &str, chunk: Duration, session: Option<String>) -> Self {
        let (card, threads) = (Card::of(name), Arc::default());
        Self { name: name.to_owned(), chunk, session, threads, last: None, card, file: None }
    }
}

impl Port for AlsaCapture {
    fn open(&mut self, _baud: u32) -> Opening<'_> {
        Box::pin(async move {
            let other = |source| PortError::Other { port: self.name.clone(), source };
            if self.threads.load(Ordering::Acquire) >= MOST_THREADS {
                let words = "calls to the sound system hang; restart that, or the machine";
                return Err(other(io::Error::other(words)));
            }
            self.file = self.card.as_ref().and_then(Card::file);
            let (pieces, taken) = mpsc::channel(PIECES_WAITING);
            let (begin, begun) = blocking::channel();
            let task = capture::Capture {
                name: self.name.clone(),
                chunk: self.chunk,
                session: self.session.clone(),
                pieces,
                begun,
            };
            let (before, alive) = (self.last.take(), Alive::new(&self.threads));
            let thread = std::thread::Builder::new().name("microphone".to_owned());
            let thread = thread.spawn(move || {
                let _alive = alive;
                task.run(before);
            });
            self.last = Some(thread.map_err(other)?);
            Ok(Box::new(CaptureLine { pieces: taken, rest: Bytes::new(), begin }) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            match &self.card {
                Some(card)
                    if matches!(trouble, Trouble::Absent { .. }) && card.file().is_none() =>
                {
                    card.appeared().await;
                }
                Some(card) => card.worth_another_try().await,
                // No file tells of a device that may be any plug-in's.
                None => tokio::time::sleep(presence::RETRY).await,
            }
        })
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(async move {
            match &self.file {
                Some(file) => presence::vanished(file).await,
                None => std::future::pending().await,
            }
        })
    }
}

/// Counts a thread for as long as it lives.
struct Alive(Arc<AtomicUsize>);

impl Alive {
    fn new(threads: &Arc<AtomicUsize>) -> Self {
        threads.fetch_add(1, Ordering::AcqRel);
        Self(Arc::clone(threads))
    }
}

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// The driver's side of an open device. Dropping it ends the thread.
struct CaptureLine {
    pieces: mpsc::Receiver<Bytes>,
    rest: Bytes,
    begin: blocking::Sender<()>,
}

impl Line for CaptureLine {
    fn discard_input(&mut self) -> io::Result<()> {
        self.rest.clear();
        while self.pieces.try_recv().is_ok() {}
        Ok(())
    }
}

impl AsyncRead for CaptureLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.rest.is_empty() {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(piece) => self.rest = piece,
                None => return Poll::Ready(Ok(())),
            }
        }
        let taken = self.rest.len().min(buf.remaining());
        buf.put_slice(&self.rest[..taken]);
        self.rest.advance(taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for CaptureLine {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        // All that is ever said to it is that it may begin; a thread that has ended needs no word.
        let _ = self.begin.send(());
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
