//! A serial port inside this process: the near end is a driver's, the far end a virtual device's.
//!
//! [`memory_port`] makes both, with a [`Plug`] between them. The far side sees the rate that the
//! driver has set.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;

use super::far_end::{BoxedFarLine, FarEnd, FarLine, Plug};
use super::{BoxedLine, Line, Opening, Port, PortError};
use crate::device::Trouble;

/// Bytes that may be under way in one direction: more than the largest frame of any device here,
/// as a real adapter's buffers are.
const LINE_BUFFER: usize = 16 * 1024;

/// Lines that may wait for the far end: it takes one as soon as it has let go of the last.
const LINES_WAITING: usize = 4;

/// A port named `name`, plugged in, and what stands at its far end.
#[must_use]
pub fn memory_port(name: &str) -> (MemoryPort, MemoryFarEnd) {
    let (opened, lines) = mpsc::channel(LINES_WAITING);
    let plug = Plug::new();
    let port = MemoryPort { name: name.to_owned(), plug: plug.clone(), opened };
    (port, MemoryFarEnd { plug, lines })
}

/// The near end: a place that a driver opens. Clones are the same place.
#[derive(Clone)]
pub struct MemoryPort {
    name: String,
    plug: Plug,
    opened: mpsc::Sender<MemoryFarLine>,
}

/// The far end: gives the device's side of each line that the driver opens.
pub struct MemoryFarEnd {
    plug: Plug,
    lines: mpsc::Receiver<MemoryFarLine>,
}

impl FarEnd for MemoryFarEnd {
    fn plug(&self) -> &Plug {
        &self.plug
    }

    async fn next_line(&mut self) -> Option<BoxedFarLine> {
        let line = self.lines.recv().await?;
        Some(Box::new(line))
    }
}

impl Port for MemoryPort {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        Box::pin(async move {
            let absent = || PortError::Absent { port: self.name.clone() };
            if !self.plug.is_in() {
                return Err(absent());
            }
            let (near, far) = tokio::io::duplex(LINE_BUFFER);
            let baud = Arc::new(AtomicU32::new(baud));
            let far = MemoryFarLine { stream: far, baud: Some(Arc::clone(&baud)) };
            // A far end that has ended for good, or does not take its lines, is nobody there.
            self.opened.try_send(far).map_err(|_| absent())?;
            Ok(Box::new(MemoryLine { stream: near, baud }) as BoxedLine)
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        Box::pin(async move {
            if matches!(trouble, Trouble::Absent { .. }) && !self.plug.is_in() {
                self.plug.put_in().await;
            } else {
                tokio::time::sleep(super::presence::RETRY).await;
            }
        })
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.plug.pulled())
    }
}

struct MemoryLine {
    stream: DuplexStream,
    baud: Arc<AtomicU32>,
}

impl Line for MemoryLine {
    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        self.baud.store(baud, Ordering::Relaxed);
        Ok(())
    }

    fn discard_input(&mut self) -> io::Result<()> {
        let mut scratch = [0; 256];
        let mut context = Context::from_waker(std::task::Waker::noop());
        loop {
            let mut buf = ReadBuf::new(&mut scratch);
            match Pin::new(&mut self.stream).poll_read(&mut context, &mut buf) {
                Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
                Poll::Ready(result) => return result,
                Poll::Pending => return Ok(()),
            }
        }
    }
}

/// The device's side of one open line.
struct MemoryFarLine {
    stream: DuplexStream,
    baud: Option<Arc<AtomicU32>>,
}

impl FarLine for MemoryFarLine {
    fn host_baud(&self) -> Option<u32> {
        self.baud.as_ref().map(|baud| baud.load(Ordering::Relaxed))
    }
}

/// A line inside a virtual device that is made of two: what translates, and what is served over the
/// far line. It has no rate.
#[must_use]
pub fn inner_line() -> (DuplexStream, BoxedFarLine) {
    let (near, far) = tokio::io::duplex(LINE_BUFFER);
    (near, Box::new(MemoryFarLine { stream: far, baud: None }))
}

macro_rules! delegate_io {
    ($($line:ty),*) => {$(
        impl AsyncRead for $line {
            fn poll_read(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &mut ReadBuf<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_read(cx, buf)
            }
        }

        impl AsyncWrite for $line {
            fn poll_write(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buf: &[u8],
            ) -> Poll<io::Result<usize>> {
                Pin::new(&mut self.stream).poll_write(cx, buf)
            }

            fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_flush(cx)
            }

            fn poll_shutdown(
                mut self: Pin<&mut Self>,
                cx: &mut Context<'_>,
            ) -> Poll<io::Result<()>> {
                Pin::new(&mut self.stream).poll_shutdown(cx)
            }
        }
    )*};
}

delegate_io!(MemoryLine, MemoryFarLine);
