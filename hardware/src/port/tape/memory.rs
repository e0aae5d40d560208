//! What a port keeps of its past, so that a recording may begin at any time: how the line was opened,
//! what was said to start the device, and what holds since.
//!
//! Fed by the tape above with everything that passes; asked when a recording begins.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;

use super::{Flow, LineFault, PortEvent, Recalls, Remembers};
use crate::device::{State, Status};
use crate::port::packets::{HEADER, MOST_DATA};

/// Events of one start of a device that are kept at most: a SAM-V module tried at all five rates
/// needs 40.
const KEPT_EVENTS: usize = 64;

/// Pieces of a start that are kept beyond it: a SAM-V module's status and id have 27 bytes at most.
const KEPT_BYTES: usize = 64;

/// A device's answer that there is nothing: no card has 11 bytes.
const SHORT_ANSWER: usize = 16;

/// The same of a device that answers in packets: one HID report of 64 bytes, or a head and a rest.
const SHORT_PACKETS: usize = 80;

/// A device may take so long before it begins to answer: a SAM-V module 2 s before a card's data.
const ANSWER: Duration = Duration::from_millis(2500);

/// After such a pause an answer, or a code, is over: the slowest rate brings a byte a millisecond.
/// Drivers pause for longer between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// What a port was like before the tape began. Clones are handles on the same port.
#[derive(Clone)]
pub(super) struct PortMemory(Arc<Mutex<Remembered>>, Flow);

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
    /// The first packet on the line, as far as it has come, of [`Flow::Packets`].
    description: BytesMut,
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
        if self.1 == Flow::Stream && memory.settled {
            // It was looked for once without being wanted, and is opened anew when it is.
            let mut looked_for = memory.before_it_was_asked();
            looked_for.push(PortEvent::Closed);
            events.splice(0..0, looked_for);
        }
        if !memory.description.is_empty() {
            let behind = events.len().min(1);
            events.insert(behind, PortEvent::In(memory.description.clone().freeze()));
        }
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
        if matches!(self.1, Flow::Stream | Flow::Levels | Flow::Recalled) {
            return false;
        }
        self.lock()
            .last
            .is_some_and(|(at, asked)| at.elapsed() < if asked { ANSWER } else { PAUSE })
    }
}

/// What a port was like whose driver knows what was said.
pub(super) struct Recalled {
    /// How the line was opened, and how it ended.
    pub(super) port: PortMemory,
    pub(super) driver: Arc<dyn Recalls>,
}

impl Remembers for Recalled {
    /// Of a line that is open, how it was opened and what the driver recalls. Of one that is not, the
    /// same of an earlier one that has ended, if there is anything to recall, and how it is now.
    fn events(&self) -> Vec<PortEvent> {
        let mut events = self.port.events();
        let open = matches!(events[..], [PortEvent::Opened { .. }]);
        let mut recalled = self.driver.line(open);
        if open {
            events.append(&mut recalled);
        } else if !recalled.is_empty() {
            let opened = PortEvent::Opened { baud: 0, modem: None };
            let now = match events.pop() {
                Some(PortEvent::Gone(fault)) => vec![PortEvent::Gone(fault)],
                Some(other) => vec![PortEvent::Gone(LineFault::End), other],
                None => vec![PortEvent::Gone(LineFault::End)],
            };
            events = [vec![opened], recalled, now].concat();
        }
        events
    }

    fn is_busy(&self) -> bool {
        self.driver.is_busy()
    }
}

impl PortMemory {
    /// Of a port that speaks so.
    pub(super) fn new(flow: Flow) -> Self {
        Self(Arc::default(), flow)
    }

    /// The line was opened, or not.
    pub(super) fn attempt(&self, event: PortEvent) {
        let mut memory = self.lock();
        memory.events.clear();
        memory.events.push(event);
        memory.settled = false;
        memory.gone = None;
        (memory.asked, memory.answered, memory.level) = (None, None, None);
        memory.description.clear();
    }

    /// The line is of no use any more.
    pub(super) fn gone(&self, event: PortEvent) {
        self.lock().gone = Some(event);
    }

    /// The driver let go of the line.
    pub(super) fn closed(&self) {
        let mut memory = self.lock();
        memory.level = None;
        memory.description.clear();
        match memory.gone.take() {
            Some(gone) => {
                memory.events.truncate(1);
                memory.events.push(gone);
            }
            // A stream that nobody wants any more was found, and will be again.
            None if self.1 == Flow::Stream => {
                memory.events = memory.before_it_was_asked();
                memory.events.push(PortEvent::Closed);
                memory.settled = false;
            }
            None => memory.events.clear(),
        }
    }

    /// Something on the open line, and the bytes that passed, if it was that, and whether they were
    /// the driver's.
    pub(super) fn keep(
        &self,
        status: &Status,
        passed: Option<(bool, &[u8])>,
        event: impl FnOnce() -> PortEvent,
    ) {
        if self.1 == Flow::Recalled {
            return;
        }
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
        let passed = match (passed, self.1) {
            (Some((false, bytes)), Flow::Packets) => {
                let behind = memory.describe(bytes);
                if behind.is_empty() {
                    return;
                }
                Some((false, behind))
            }
            _ => passed,
        };
        let event = || match passed {
            Some((false, bytes)) => PortEvent::In(Bytes::copy_from_slice(bytes)),
            _ => event(),
        };
        match (passed, self.1) {
            (_, Flow::Stream | Flow::Recalled) | (None, _) => {}
            (Some((true, bytes)), _) => memory.asked(bytes),
            (Some((false, bytes)), Flow::Pieces) => memory.answered(bytes, SHORT_ANSWER),
            (Some((false, bytes)), Flow::Packets) => memory.answered_in_packets(bytes),
            (Some((false, bytes)), Flow::Levels) => {
                memory.level = memory.settled.then(|| Bytes::copy_from_slice(bytes));
            }
        }
        if memory.settled {
            return;
        }
        if memory.events.len() >= KEPT_EVENTS || status.snapshot().state == State::Ready {
            memory.settle(if self.1 == Flow::Packets { SHORT_PACKETS } else { KEPT_BYTES });
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
    /// How the line was opened, and what the device said until the driver asked it for something.
    fn before_it_was_asked(&self) -> Vec<PortEvent> {
        let asked = |event: &&PortEvent| !matches!(event, PortEvent::Out(_));
        self.events.iter().take_while(asked).cloned().collect()
    }

    /// The driver has asked this.
    fn asked(&mut self, bytes: &[u8]) {
        self.last = Some((Instant::now(), true));
        self.answered = None;
        self.asked = Some(Bytes::copy_from_slice(bytes));
    }

    /// The device has said this.
    fn answered(&mut self, bytes: &[u8], most: usize) {
        self.last = Some((Instant::now(), false));
        let short = self.answered.is_none() && bytes.len() <= most;
        self.answered = short.then(|| Bytes::copy_from_slice(bytes));
        if !short {
            self.asked = None;
        }
    }

    /// The same of a device that answers in packets, of which an answer may have several.
    fn answered_in_packets(&mut self, bytes: &[u8]) {
        let answer = [self.answered.take().unwrap_or_default(), bytes.to_vec().into()].concat();
        self.answered(&answer, SHORT_PACKETS);
    }

    /// Takes what belongs to the first packet on the line; what is behind it.
    fn describe<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let length = |told: &BytesMut| match told.get(1..HEADER) {
            Some(&[a, b, c, d]) => HEADER + u32::from_be_bytes([a, b, c, d]) as usize,
            _ => HEADER,
        };
        let mut rest = bytes;
        while self.description.len() < length(&self.description).min(HEADER + MOST_DATA)
            && let Some((next, behind)) = rest.split_first()
        {
            self.description.extend_from_slice(&[*next]);
            rest = behind;
        }
        rest
    }

    /// The device is ready; no piece of more bytes than `kept` is kept of its start.
    fn settle(&mut self, kept: usize) {
        self.settled = true;
        // What is longer than a device's answers about itself may be the rest of a reading.
        self.events.retain(|event| !matches!(event, PortEvent::In(bytes) if bytes.len() > kept));
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OpenFailure, OpenFailureKind};
    use super::*;

    #[test]
    fn a_stream_is_looked_for_once_before_it_is_wanted_however_it_is_now() {
        let status = Status::new("microphone", State::Busy);
        let memory = PortMemory::new(Flow::Stream);
        let said = |asked: bool, bytes: &'static [u8]| {
            let event = || {
                let bytes = Bytes::from_static(bytes);
                if asked { PortEvent::Out(bytes) } else { PortEvent::In(bytes) }
            };
            memory.keep(&status, Some((asked, bytes)), event);
            event()
        };
        let opened = PortEvent::Opened { baud: 0, modem: None };
        memory.attempt(opened.clone());
        let greeting = said(false, b"open");
        let begin = said(true, b"begin");
        status.set(State::Ready);
        said(false, b"sound");
        let rests = [opened.clone(), greeting.clone(), PortEvent::Closed];
        assert_eq!(memory.events(), [&rests[..], &[opened, greeting, begin]].concat());
        memory.closed();
        assert_eq!(memory.events(), rests);
    }

    /// A driver that recalls one word, and which line it was said on.
    struct Word(bool);

    impl Recalls for Word {
        fn line(&self, open: bool) -> Vec<PortEvent> {
            let word = PortEvent::In(Bytes::from_static(if open { b"open" } else { b"ended" }));
            if self.0 { vec![word] } else { Vec::new() }
        }

        fn is_busy(&self) -> bool {
            false
        }
    }

    #[test]
    fn what_a_driver_recalls_stands_on_the_open_line_or_on_one_that_has_ended() {
        let status = Status::new("second_screen", State::Busy);
        let port = PortMemory::new(Flow::Recalled);
        let events =
            |known| Recalled { port: port.clone(), driver: Arc::new(Word(known)) }.events();
        let opened = PortEvent::Opened { baud: 0, modem: None };
        let said = |word: &'static [u8]| PortEvent::In(Bytes::from_static(word));
        port.attempt(opened.clone());
        port.keep(&status, Some((false, b"any")), || said(b"any"));
        assert_eq!(events(true), [opened.clone(), said(b"open")]);
        assert_eq!(events(false), std::slice::from_ref(&opened));
        let end = PortEvent::Gone(LineFault::Os(5));
        port.gone(end.clone());
        port.closed();
        assert_eq!(events(true), [opened.clone(), said(b"ended"), end.clone()]);
        assert_eq!(events(false), [opened.clone(), end]);
        let failure = OpenFailure { port: "a".to_owned(), kind: OpenFailureKind::Absent };
        let failed = PortEvent::NotOpened(failure);
        port.attempt(failed.clone());
        let end = PortEvent::Gone(LineFault::End);
        assert_eq!(events(true), [opened, said(b"ended"), end, failed.clone()]);
        assert_eq!(events(false), [failed]);
    }
}
