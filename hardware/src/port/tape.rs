//! The tape at a port: what passes between a driver and its line, for whoever records.
//!
//! [`Taped`] stands around any [`Port`] and reports each open, byte, change and end to a
//! [`Tape`]; [`super::card::tape`] does so around card ports. It never changes, delays or refuses
//! anything, and while the tape is off copies no more than what was asked last and a short answer to
//! it. A recording may begin while a line has been open for days: what the driver said to start its
//! device is kept until the device is ready ([`Remembers`]), and stands at the recording's
//! beginning.

mod event;
mod memory;
#[cfg(test)]
pub(crate) mod testing;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use self::memory::{PortMemory, Recalled};
use super::{BoxedLine, Line, ModemLines, Opening, Port};
use crate::device::{Status, Trouble};

pub use self::event::{LineFault, OpenFailure, OpenFailureKind, PortEvent};

/// Takes what happens at ports.
pub trait Tape: Send + Sync {
    /// Whether anything is to be reported now.
    fn is_on(&self) -> bool;

    /// Something has happened at the port of this device, just now.
    fn write(&self, device: &'static str, event: PortEvent);

    /// A port that may be asked what it was like before the tape began.
    fn register(&self, device: &'static str, memory: Arc<dyn Remembers>);
}

/// What a port was like before the tape began.
pub trait Remembers: Send + Sync {
    /// What has led to how the port is now, for the beginning of a tape.
    fn events(&self) -> Vec<PortEvent>;

    /// Whether driver and device are in the middle of something: a recording that began now would
    /// have the second half of it only.
    fn is_busy(&self) -> bool;
}

/// A driver that knows by itself what a recording of its line has to begin with: what was said and holds
/// still, however long ago, and is too much to be kept twice.
pub trait Recalls: Send + Sync {
    /// What would have to pass on a line that was opened just now for the driver to be as it is: on the
    /// line that is `open`, or on one that has ended since.
    fn line(&self, open: bool) -> Vec<PortEvent>;

    /// As [`Remembers::is_busy`].
    fn is_busy(&self) -> bool;
}

/// How a device and its driver speak, which decides when a recording may begin and what it has to
/// begin with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flow {
    /// Requests and answers, or pieces that come one after the other, such as codes: no recording
    /// begins between two pieces.
    #[default]
    Pieces,
    /// One thing after another without a pause once the driver has asked for it, such as sound: any
    /// moment is as good as another.
    Stream,
    /// As pieces, each with the head of a packet; the line begins with a packet that describes the
    /// device, which every recording of the line has to begin with.
    Packets,
    /// What holds until something else is said, such as a switch: a recording begins with the last
    /// that was said.
    Levels,
    /// What is to be kept of it the driver knows.
    Recalled,
}

/// A port with a tape around it.
pub struct Taped {
    port: Box<dyn Port>,
    head: Head,
}

/// Where a port's events go.
#[derive(Clone)]
struct Head {
    tape: Arc<dyn Tape>,
    memory: PortMemory,
    status: Status,
}

impl Taped {
    /// `port`, the port of the device with this status, whose events go to `tape`.
    #[must_use]
    pub fn new(port: Box<dyn Port>, status: &Status, flow: Flow, tape: Arc<dyn Tape>) -> Self {
        let memory = PortMemory::new(flow);
        tape.register(status.name(), Arc::new(memory.clone()));
        Self { port, head: Head { tape, memory, status: status.clone() } }
    }

    /// The same of a port whose driver knows what recordings begin with.
    #[must_use]
    pub fn recalled(
        port: Box<dyn Port>,
        status: &Status,
        driver: Arc<dyn Recalls>,
        tape: Arc<dyn Tape>,
    ) -> Self {
        let memory = PortMemory::new(Flow::Recalled);
        tape.register(status.name(), Arc::new(Recalled { port: memory.clone(), driver }));
        Self { port, head: Head { tape, memory, status: status.clone() } }
    }
}

impl Head {
    /// An attempt to open: always remembered.
    fn attempt(&self, event: PortEvent) {
        self.memory.attempt(event.clone());
        self.write(|| event);
    }

    /// Bytes have passed; whether they were the driver's.
    fn passed(&self, asked: bool, bytes: &[u8]) {
        let event = || {
            let copy = Bytes::copy_from_slice(bytes);
            if asked { PortEvent::Out(copy) } else { PortEvent::In(copy) }
        };
        self.memory.keep(&self.status, Some((asked, bytes)), event);
        self.write(event);
    }

    /// The line is of no use any more.
    fn gone(&self, event: PortEvent) {
        self.memory.gone(event.clone());
        self.write(|| event);
    }

    fn write(&self, event: impl FnOnce() -> PortEvent) {
        if self.tape.is_on() {
            self.tape.write(self.status.name(), event());
        }
    }
}

impl Port for Taped {
    fn open(&mut self, baud: u32) -> Opening<'_> {
        Box::pin(async move {
            match self.port.open(baud).await {
                Ok(mut line) => {
                    let modem = line.modem_lines();
                    self.head.attempt(PortEvent::Opened { baud, modem });
                    Ok(Box::new(TapedLine { line, head: self.head.clone() }) as BoxedLine)
                }
                Err(error) => {
                    self.head.attempt(PortEvent::NotOpened(OpenFailure::from(&error)));
                    Err(error)
                }
            }
        })
    }

    fn worth_opening<'a>(
        &'a mut self,
        trouble: &'a Trouble,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.port.worth_opening(trouble)
    }

    fn vanished(&mut self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.port.vanished()
    }
}

struct TapedLine {
    line: BoxedLine,
    head: Head,
}

impl Line for TapedLine {
    fn set_baud(&mut self, baud: u32) -> io::Result<()> {
        self.line.set_baud(baud)?;
        let event = || PortEvent::Baud(baud);
        self.head.memory.keep(&self.head.status, None, event);
        self.head.write(event);
        Ok(())
    }

    fn discard_input(&mut self) -> io::Result<()> {
        self.line.discard_input()
    }

    fn modem_lines(&mut self) -> Option<ModemLines> {
        self.line.modem_lines()
    }

    fn lingers(&self) -> bool {
        self.line.lingers()
    }
}

impl AsyncRead for TapedLine {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let wanted = buf.remaining() > 0;
        let polled = Pin::new(&mut self.line).poll_read(cx, buf);
        match &polled {
            Poll::Ready(Ok(())) => match buf.filled().get(before..) {
                Some(new) if !new.is_empty() => {
                    self.head.passed(false, new);
                }
                _ if wanted => self.head.gone(PortEvent::Gone(LineFault::End)),
                _ => {}
            },
            Poll::Ready(Err(error)) => self.head.gone(PortEvent::Gone(LineFault::from(error))),
            Poll::Pending => {}
        }
        polled
    }
}

impl AsyncWrite for TapedLine {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.line).poll_write(cx, bytes);
        match &polled {
            Poll::Ready(Ok(written)) => {
                let written = bytes.get(..*written).unwrap_or_default();
                self.head.passed(true, written);
            }
            Poll::Ready(Err(error)) => {
                self.head.gone(PortEvent::NotWritten(LineFault::from(error)));
            }
            Poll::Pending => {}
        }
        polled
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line).poll_shutdown(cx)
    }
}

impl Drop for TapedLine {
    fn drop(&mut self) {
        self.head.memory.closed();
        self.head.write(|| PortEvent::Closed);
    }
}
