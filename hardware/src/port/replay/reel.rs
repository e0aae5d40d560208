//! The tape of a replayed port, and how far it has come: reads ahead, opens, answers, and tells what
//! is due.
//!
//! Owned by the port and its open line together ([`super::ReplayPort`]); knows no tasks and no wakers
//! but the one of who reads. The policy of answers is [`super::exchanges`]', that of faults
//! [`super::faults`]'.

mod due;

use std::collections::VecDeque;
use std::io;
use std::task::Waker;

use self::due::Due;
use super::exchanges::{Belongs, Chunk, Exchange, Exchanges};
use super::faults::Plan;
use super::findings::{Finding, Findings, Oddity, Tally};
use super::timeline::Timeline;
use super::{Settings, TapeLine, TapeReader};
use crate::port::tape::{LineFault, PortEvent};
use crate::port::{ModemLines, PortError};

/// Exchanges that are read ahead. Enough to see past any run of retries to what comes of it, and
/// little memory: answers of 1,300 bytes at most.
const READ_AHEAD: usize = 64;

/// Pieces of one answer that are read ahead: a card with fingerprints, byte by byte, has 2,321.
/// What comes after so many comes at its own time.
pub const ANSWER_PIECES: usize = 4096;

/// Chunks that nobody asked for and that are read ahead.
const CHUNKS_AHEAD: usize = 64;

/// A driver may come to an attempt to open so much early, in microseconds.
const EARLY_OPEN: i64 = 50_000;

/// An exchange that is so much overdue will not be asked for any more, in microseconds: longer
/// than drivers pause between two looks.
const STALE: i64 = 30_000_000;

/// Bursts of bytes that nobody asked for are told apart by a pause, in microseconds.
pub const BURST_GAP: i64 = 100_000;

/// The tape and how far it has come.
pub(super) struct Reel {
    device: &'static str,
    timeline: Timeline,
    strict: bool,
    patient: bool,
    polled: bool,
    findings: Findings,
    tape: Box<dyn TapeReader>,
    /// The next attempt to open, when the tape has come to it.
    attempt: Option<TapeLine>,
    exchanges: Exchanges,
    /// Bytes that came before anything was written on this line.
    unasked: VecDeque<Chunk>,
    /// The burst that came last, and when its last piece did.
    burst: Option<(u64, i64)>,
    /// Answers and bursts that have come up or will.
    groups: u64,
    /// The one of which nothing more comes.
    lost: Option<u64>,
    /// What the driver gets, and when.
    due: VecDeque<Due>,
    /// The end of the line on the tape.
    gone: Option<(i64, LineFault)>,
    /// The next write fails.
    not_written: Option<(i64, LineFault)>,
    /// The tape has come to the end of this line.
    complete: bool,
    /// The tape has come to its end.
    ended: bool,
    open: bool,
    /// The rate that the driver has set.
    baud: u32,
    /// The rate on the tape, where it was read last.
    written_baud: u32,
    modem: Option<ModemLines>,
    plan: Plan,
    /// A fault has pulled the plug until then.
    out_until: Option<i64>,
    reader: Option<Waker>,
}

impl Reel {
    /// The tape of this device's port, at its beginning.
    pub(super) fn new(
        device: &'static str,
        tape: Box<dyn TapeReader>,
        timeline: Timeline,
        settings: Settings,
        findings: Findings,
    ) -> Self {
        let Settings { strict, patient, polled, leisurely, faults, .. } = settings;
        Self {
            device,
            timeline,
            strict,
            patient,
            findings,
            tape,
            attempt: None,
            polled,
            exchanges: Exchanges::new(polled).leisurely(leisurely),
            unasked: VecDeque::new(),
            burst: None,
            groups: 0,
            lost: None,
            due: VecDeque::new(),
            gone: None,
            not_written: None,
            complete: true,
            ended: false,
            open: false,
            baud: 0,
            written_baud: 0,
            modem: None,
            plan: Plan::new(faults),
            out_until: None,
            reader: None,
        }
    }

    /// The recording's time.
    pub(super) fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// The modem lines that the far end held.
    pub(super) fn modem(&self) -> Option<ModemLines> {
        self.modem
    }

    /// The driver sets the rate.
    pub(super) fn set_baud(&mut self, baud: u32) {
        self.baud = baud;
    }

    /// The driver throws away the answers that it has not read.
    pub(super) fn discard(&mut self) {
        let now = self.timeline.now();
        self.due.retain(|due| !due.answers || due.chunk.micros > now);
    }

    /// Who reads wants to know when something was asked.
    pub(super) fn wake_reader(&mut self, reader: Waker) {
        self.reader = Some(reader);
    }

    /// Reads the tape ahead: enough to judge the next request.
    fn fill(&mut self) {
        while !self.complete
            && self.exchanges.len() < READ_AHEAD
            && self.exchanges.last_len() < ANSWER_PIECES
            && self.unasked.len() < CHUNKS_AHEAD
            && self.not_written.is_none()
        {
            let Some(line) = self.tape.next() else {
                self.ended = true;
                self.finish_line();
                return;
            };
            self.take(line);
        }
    }

    fn take(&mut self, line: TapeLine) {
        let TapeLine { line: number, micros, before, event } = line;
        let since = if before { i64::MIN } else { micros };
        match event {
            PortEvent::Opened { .. } | PortEvent::NotOpened(_) => {
                self.attempt = Some(TapeLine { line: number, micros, before, event });
                self.finish_line();
            }
            PortEvent::Out(request) => self.exchanges.push(Exchange {
                line: number,
                micros,
                before,
                baud: self.written_baud,
                request,
                answer: Vec::new(),
            }),
            PortEvent::In(bytes) => {
                let chunk = Chunk { micros, bytes };
                if self.exchanges.push_answer(chunk.clone(), before) == Belongs::Unasked {
                    // What a device had said by itself before the recording, it said when opened.
                    let micros = if before { self.timeline.now().min(micros) } else { micros };
                    self.unasked.push_back(Chunk { micros, ..chunk });
                }
            }
            PortEvent::Baud(baud) => self.written_baud = baud,
            PortEvent::Gone(fault) => self.gone = Some((since, fault)),
            PortEvent::NotWritten(fault) => self.not_written = Some((since, fault)),
            // The driver lets go by itself; of a serial line there are no cards.
            PortEvent::Closed | PortEvent::Card(_) => {}
        }
    }

    fn finish_line(&mut self) {
        self.complete = true;
        self.exchanges.complete();
    }

    /// The next attempt to open, where the tape has one.
    fn next_attempt(&mut self) -> Option<&TapeLine> {
        while self.attempt.is_none() && !self.ended {
            match self.tape.next() {
                Some(line) => self.pass(line),
                None => self.ended = true,
            }
        }
        self.attempt.as_ref()
    }

    /// What is on the tape between two lines, or is left of one that the driver let go of.
    fn pass(&mut self, line: TapeLine) {
        self.take(line);
        while self.exchanges.len() > READ_AHEAD {
            self.pass_over();
        }
        self.unasked.clear();
    }

    fn pass_over(&mut self) {
        if let Some(exchange) = self.exchanges.pass_over() {
            self.never_asked(exchange);
        }
    }

    pub(super) fn open(&mut self, baud: u32) -> Result<(), PortError> {
        let (now, device) = (self.timeline.now(), self.device);
        let absent = || PortError::Absent { port: device.to_owned() };
        if let Some(until) = self.out_until {
            if now < until {
                return Err(absent());
            }
            // The fault is over, and the tape goes on where it was.
            self.out_until = None;
            self.plug_in(baud);
            // What was said to nobody.
            self.fill();
            while self.unasked.front().is_some_and(|chunk| chunk.micros < now) {
                self.unasked.pop_front();
                self.fill();
            }
            return Ok(());
        }
        let first = |attempt: &&TapeLine| attempt.before || attempt.micros <= now + EARLY_OPEN;
        if self.next_attempt().filter(first).is_none() {
            return Err(absent());
        }
        let attempt = self.attempt.take();
        let opened = attempt.as_ref().filter(|attempt| !attempt.before);
        let opened = opened.map(|attempt| attempt.micros);
        match attempt.map(|attempt| attempt.event) {
            Some(PortEvent::Opened { baud: taped, modem }) => {
                for exchange in self.exchanges.begin(opened) {
                    self.never_asked(exchange);
                }
                self.unasked.clear();
                self.due.clear();
                self.gone = None;
                self.not_written = None;
                self.complete = false;
                self.written_baud = taped;
                self.modem = modem;
                self.plug_in(baud);
                self.fill();
                Ok(())
            }
            Some(PortEvent::NotOpened(failure)) => Err(failure.into()),
            _ => Err(absent()),
        }
    }

    fn plug_in(&mut self, baud: u32) {
        self.open = true;
        self.baud = baud;
    }

    /// When the port is worth opening again; `None`: never.
    pub(super) fn worth_opening(&mut self) -> Option<i64> {
        match self.out_until {
            Some(until) => Some(until),
            None => self.next_attempt().map(|attempt| attempt.micros),
        }
    }

    /// When the next attempt to open is, if that is one in vain.
    pub(super) fn opens_in_vain(&mut self) -> Option<i64> {
        let in_vain = |attempt: &&TapeLine| matches!(attempt.event, PortEvent::NotOpened(_));
        self.next_attempt().filter(in_vain).map(|attempt| attempt.micros)
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let now = self.timeline.now();
        self.fill();
        let failing =
            self.not_written.as_ref().is_some_and(|(micros, _)| *micros <= now + EARLY_OPEN);
        if failing && let Some((_, fault)) = self.not_written.take() {
            return Err(fault.into());
        }
        if self.gone.as_ref().is_some_and(|(micros, _)| *micros <= now) {
            // Nobody is there any more, and the driver will read so.
            return Ok(());
        }
        for verdict in self.exchanges.write(bytes, self.baud, now) {
            self.verdict(verdict, now);
        }
        self.fill();
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
        Ok(())
    }

    fn never_asked(&self, exchange: Exchange) {
        let Exchange { line, micros, request, .. } = exchange;
        self.findings.add(Finding {
            micros,
            device: self.device,
            oddity: Oddity::NeverAsked,
            request,
            step: None,
            expected: None,
            line: Some(line),
        });
    }
}

impl Drop for Reel {
    /// The replay is over: what is left on the tape was never asked for.
    fn drop(&mut self) {
        let (exchanges, fates) = self.plan.tally();
        if !fates.is_empty() {
            self.findings.tally(Tally { device: self.device, exchanges, fates });
        }
        loop {
            self.fill();
            for exchange in self.exchanges.leftovers() {
                self.never_asked(exchange);
            }
            self.unasked.clear();
            self.not_written = None;
            if self.ended {
                return;
            }
            if self.complete {
                self.attempt = None;
                self.complete = false;
                self.exchanges.begin(None);
            }
        }
    }
}
