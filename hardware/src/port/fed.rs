//! A line that a thread feeds: for what can only be waited for, or asked, in a way that blocks.
//!
//! Ports such as [`super::gpio`], [`super::iio`] and [`super::modem`] open one and give its [`Feeder`]
//! to a thread of theirs. The line ends when the feeder is dropped, and with the line the thread: it
//! finds that nobody takes what it gives, or that the line's guard is gone.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::mpsc as blocking;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;

use super::Line;

/// Pieces that may wait to be read: a driver that does not read for so many holds the thread back.
const WAITING: usize = 256;

/// The thread's end of a line.
pub(super) struct Feeder(mpsc::Sender<io::Result<Bytes>>);

/// The driver's end.
pub(super) struct FedLine {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
    /// What ends the thread by being dropped.
    _guard: Box<dyn Any + Send>,
}

/// Both ends of a line.
pub(super) fn fed_line(guard: impl Any + Send) -> (Feeder, FedLine) {
    let (sender, pieces) = mpsc::channel(WAITING);
    (Feeder(sender), FedLine { pieces, piece: Bytes::new(), _guard: Box::new(guard) })
}

/// A line that a thread called `name` feeds by asking again and again, `pause` after the last answer.
/// `ask` gives the next piece, or none; an error ends the line.
///
/// # Errors
/// There is no thread to be had.
pub(super) fn asking(
    name: &str,
    pause: Duration,
    mut ask: impl FnMut() -> io::Result<Option<Bytes>> + Send + 'static,
) -> io::Result<FedLine> {
    let (guard, ended) = blocking::channel::<()>();
    let (feeder, line) = fed_line(guard);
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        loop {
            match ask() {
                Ok(Some(piece)) => {
                    if !feeder.give(piece) {
                        return;
                    }
                }
                Ok(None) => {}
                Err(error) => return feeder.fail(error),
            }
            // Nothing is ever sent.
            if ended.recv_timeout(pause) != Err(blocking::RecvTimeoutError::Timeout) {
                return;
            }
        }
    })?;
    Ok(line)
}

impl Feeder {
    /// Gives the next piece; whether anybody takes it. Blocks while the driver does not read.
    pub(super) fn give(&self, piece: Bytes) -> bool {
        self.0.blocking_send(Ok(piece)).is_ok()
    }

    /// Ends the line with an error.
    pub(super) fn fail(self, error: io::Error) {
        // Nobody may be there any more.
        let _ = self.0.blocking_send(Err(error));
    }
}

impl Line for FedLine {
    fn discard_input(&mut self) -> io::Result<()> {
        self.piece.clear();
        while self.pieces.try_recv().is_ok() {}
        Ok(())
    }
}

impl AsyncRead for FedLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.piece.is_empty() {
            match ready!(self.pieces.poll_recv(cx)) {
                Some(piece) => self.piece = piece?,
                None => return Poll::Ready(Ok(())),
            }
        }
        let length = self.piece.len().min(buf.remaining());
        buf.put_slice(self.piece.get(..length).unwrap_or_default());
        self.piece.advance(length);
        Poll::Ready(Ok(()))
    }
}

/// There is nothing to be told to such a device.
impl AsyncWrite for FedLine {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Err(io::ErrorKind::Unsupported.into()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test]
    async fn a_line_brings_what_is_asked_until_an_error_ends_it() {
        let mut answers = vec![Ok(Some("1\n")), Ok(None), Ok(Some("22\n"))].into_iter();
        let ask = move || {
            let next = answers.next().unwrap_or_else(|| Err(io::ErrorKind::NotConnected.into()));
            next.map(|piece: Option<&str>| {
                piece.map(|piece| Bytes::copy_from_slice(piece.as_bytes()))
            })
        };
        let mut line = asking("test", Duration::from_millis(1), ask).unwrap();
        let mut read = [0; 5];
        line.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"1\n22\n");
        let error = line.read(&mut read).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotConnected);
        assert_eq!(line.read(&mut read).await.unwrap(), 0);
    }

    #[test]
    fn the_thread_ends_with_its_line() {
        let asked = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&asked);
        let line = asking("test", Duration::from_secs(3600), move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Ok(None)
        });
        drop(line.unwrap());
        // The closure is dropped by the thread's end.
        let begun = std::time::Instant::now();
        while Arc::strong_count(&asked) > 1 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            std::thread::yield_now();
        }
        assert!(asked.load(Ordering::Relaxed) <= 1);
    }
}
