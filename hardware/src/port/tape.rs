//! The tape at a port: what passes between a driver and its line, for whoever records.
//!
//! [`Taped`] stands around any [`Port`] and reports each open, byte, change and end to a
//! [`Tape`]; [`super::card::tape`] does so around card ports. It never changes, delays or refuses
//! anything, and while the tape is off copies no more than what was asked last and a short answer to
//! it. A recording may begin while a line has been open for days: what the driver said to start its
//! device is kept until the device is ready ([`Remembers`]), and stands at the recording's
//! beginning.

#[cfg(test)]
pub(crate) mod testing;

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::card::tape::CardEvent;
use super::{BoxedLine, Line, ModemLines, Port, PortError};
use crate::device::{State, Status, Trouble};

/// Events of one start of a device that are kept at most: a SAM-V module tried at all five rates
/// needs 40.
const KEPT_EVENTS: usize = 64;

/// Pieces of a start that are kept beyond it: a SAM-V module's status and id have 27 bytes at most.
const KEPT_BYTES: usize = 64;

/// A device's answer that there is nothing: no card has 11 bytes.
const SHORT_ANSWER: usize = 16;

/// A device may take so long before it begins to answer: a SAM-V module 2 s before a card's data.
const ANSWER: Duration = Duration::from_millis(2500);

/// After such a pause an answer, or a code, is over: the slowest rate brings a byte a millisecond.
/// Drivers pause for longer between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What happened at a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PortEvent {
    /// The line was opened.
    Opened {
        /// Its rate.
        baud: u32,
        /// The modem lines that the far end holds, where the port has some.
        modem: Option<ModemLines>,
    },
    /// The line could not be opened.
    NotOpened(OpenFailure),
    /// Bytes went out to the device.
    Out(Bytes),
    /// Bytes came in from the device, as the driver got them in one piece.
    In(Bytes),
    /// The rate of the open line was changed.
    Baud(u32),
    /// Reading ended or failed: the far end is gone.
    Gone(LineFault),
    /// Writing failed.
    NotWritten(LineFault),
    /// The driver let go of the line.
    Closed,
    /// What a card port knows besides commands and answers.
    Card(CardEvent),
}

/// Why a line was not opened: a [`PortError`] that can be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenFailure {
    /// The port's name.
    pub port: String,
    /// What was wrong.
    pub kind: OpenFailureKind,
}

/// The kinds of [`PortError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenFailureKind {
    /// [`PortError::Absent`]
    Absent,
    /// [`PortError::Denied`]
    Denied,
    /// [`PortError::Held`]
    Held,
    /// [`PortError::Other`]
    Other(LineFault),
}

/// An end of reading, or an error of a line, that can be written down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// Nothing more to read, without an error.
    End,
    /// The operating system's error of this number (`errno`).
    Os(i32),
    /// An error that has words only.
    Words(String),
}

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

impl From<&PortError> for OpenFailure {
    fn from(error: &PortError) -> Self {
        let (port, kind) = match error {
            PortError::Absent { port } => (port, OpenFailureKind::Absent),
            PortError::Denied { port } => (port, OpenFailureKind::Denied),
            PortError::Held { port } => (port, OpenFailureKind::Held),
            PortError::Other { port, source } => {
                (port, OpenFailureKind::Other(LineFault::from(source)))
            }
        };
        Self { port: port.clone(), kind }
    }
}

impl From<OpenFailure> for PortError {
    fn from(failure: OpenFailure) -> Self {
        let port = failure.port;
        match failure.kind {
            OpenFailureKind::Absent => Self::Absent { port },
            OpenFailureKind::Denied => Self::Denied { port },
            OpenFailureKind::Held => Self::Held { port },
            OpenFailureKind::Other(fault) => Self::Other { port, source: fault.into() },
        }
    }
}

impl From<&io::Error> for LineFault {
    fn from(error: &io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::Os(number),
            None => Self::Words(error.to_string()),
        }
    }
}

impl From<LineFault> for io::Error {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::End => io::ErrorKind::UnexpectedEof.into(),
            LineFault::Os(number) => Self::from_raw_os_error(number),
            LineFault::Words(words) => Self::other(words),
        }
    }
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
    /// What holds until something else is said, such as a switch: a recording begins with the last
    /// that was said.
    Levels,
}

/// What a port was like before the tape began. Clones are handles on the same port.
#[derive(Clone)]
struct PortMemory(Arc<Mutex<Remembered>>, Flow);

#[derive(Default)]
struct Remembered {
    /// The last attempt to open, and what the driver and its device have said since, up to
    /// readiness. Nothing of a person: that comes when a device is ready.
    events: Vec<PortEvent>,
    settled: bool,
    /// How reading ended or writing failed, when it has.
    gone: Option<PortEvent>,
    /// When something last passed, and whether it was to the device.
    last: Option<(Instant, bool)>,
    /// What was asked last, and the answer if it is a short one.
    asked: Option<Bytes>,
    answered: Option<Bytes>,
    /// What was said last and holds, of [`Flow::Levels`].
    level: Option<Bytes>,
}

impl Remembers for PortMemory {
    /// How the line was opened or not opened last, what was said to start the device, and what was
    /// asked last, if the answer was short: how the device answers when there is nothing. Of a line
    /// that has ended, how it ended.
    fn events(&self) -> Vec<PortEvent> {
        let memory = self.lock();
        let mut events = memory.events.clone();
        if let (Some(asked), Some(answered)) = (&memory.asked, &memory.answered)
            && memory.settled
        {
            events.push(PortEvent::Out(asked.clone()));
            events.push(PortEvent::In(answered.clone()));
        }
        events.extend(memory.level.clone().map(PortEvent::In));
        events
    }

    fn is_busy(&self) -> bool {
        if self.1 != Flow::Pieces {
            return false;
        }
        self.lock()
            .last
            .is_some_and(|(at, asked)| at.elapsed() < if asked { ANSWER } else { PAUSE })
    }
}

impl PortMemory {
    fn attempt(&self, event: PortEvent) {
        let mut memory = self.lock();
        memory.events.clear();
        memory.events.push(event);
        memory.settled = false;
        memory.gone = None;
        (memory.asked, memory.answered, memory.level) = (None, None, None);
    }

    fn gone(&self, event: PortEvent) {
        self.lock().gone = Some(event);
    }

    fn closed(&self) {
        let mut memory = self.lock();
        memory.level = None;
        match memory.gone.take() {
            Some(gone) => {
                memory.events.truncate(1);
                memory.events.push(gone);
            }
            None => memory.events.clear(),
        }
    }

    /// Something on the open line, and the bytes that passed, if it was that, and whether they were
    /// the driver's.
    fn keep(
        &self,
        status: &Status,
        passed: Option<(bool, &[u8])>,
        event: impl FnOnce() -> PortEvent,
    ) {
        let mut memory = self.lock();
        if self.1 == Flow::Stream {
            // What was said until the driver has asked for the stream; the stream is none of it.
            let is_short = passed.is_none_or(|(_, bytes)| bytes.len() <= KEPT_BYTES);
            if !memory.settled && is_short && memory.events.len() < KEPT_EVENTS {
                memory.events.push(event());
            }
            memory.settled |= matches!(passed, Some((true, _)));
            return;
        }
        match (passed, self.1) {
            (_, Flow::Stream) | (None, _) => {}
            (Some((true, bytes)), _) => memory.asked(bytes),
            (Some((false, bytes)), Flow::Pieces) => memory.answered(bytes),
            (Some((false, bytes)), Flow::Levels) => {
                memory.level = memory.settled.then(|| Bytes::copy_from_slice(bytes));
            }
        }
        if memory.settled {
            return;
        }
        if memory.events.len() >= KEPT_EVENTS || status.snapshot().state == State::Ready {
            memory.settle();
            if let (Some((false, bytes)), Flow::Levels) = (passed, self.1) {
                memory.level = Some(Bytes::copy_from_slice(bytes));
            }
        } else {
            memory.events.push(event());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        // Nothing that can panic runs under the lock, so a poisoned one is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// The driver has asked this.
    fn asked(&mut self, bytes: &[u8]) {
        self.last = Some((Instant::now(), true));
        self.answered = None;
        self.asked = Some(Bytes::copy_from_slice(bytes));
    }

    /// The device has said this.
    fn answered(&mut self, bytes: &[u8]) {
        self.last = Some((Instant::now(), false));
        let short = self.answered.is_none() && bytes.len() <= SHORT_ANSWER;
        self.answered = short.then(|| Bytes::copy_from_slice(bytes));
        if !short {
            self.asked = None;
        }
    }

    /// The device is ready.
    fn settle(&mut self) {
        self.settled = true;
        // What is longer than a device's answers about itself may be the rest of a reading.
        self.events
            .retain(|event| !matches!(event, PortEvent::In(bytes) if bytes.len() > KEPT_BYTES));
    }
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
        let memory = PortMemory(Arc::default(), flow);
        tape.register(status.name(), Arc::new(memory.clone()));
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
    fn open(&mut self, baud: u32) -> Result<BoxedLine, PortError> {
        match self.port.open(baud) {
            Ok(mut line) => {
                let modem = line.modem_lines();
                self.head.attempt(PortEvent::Opened { baud, modem });
                Ok(Box::new(TapedLine { line, head: self.head.clone() }))
            }
            Err(error) => {
                self.head.attempt(PortEvent::NotOpened(OpenFailure::from(&error)));
                Err(error)
            }
        }
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
