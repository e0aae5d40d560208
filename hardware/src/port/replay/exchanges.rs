//! Which answer a request gets: the policy of a replayed port, without I/O and without a clock.
//!
//! A line's tape is a row of exchanges: what the driver wrote in one piece, and what came back
//! before it wrote again. The driver of a replay may be a little quicker or slower, and may look
//! for a card once more or once less, so a request is not simply given what comes next:
//!
//! * It takes the next exchange with the same bytes. An exchange after which the driver asked the
//!   same again has changed nothing: such an *idle poll* may be passed over when it is overdue,
//!   and its answer may be given once more. Of several, that is a *steady* one, which stood beside
//!   another with the same answer: a damaged answer is followed by the same request, too.
//! * No answer is given before it was given then: a request that comes a little early is held, one
//!   that comes much too early is one poll more.
//! * Answers keep their distance from their request.
//!
//! That is for devices that are polled. One that speaks when something happens, such as a scanner
//! between its start and its stop, has more in an answer than what was asked for: it is never given
//! twice, and one request more is met with silence.

use std::collections::{BTreeMap, VecDeque};

use bytes::{Bytes, BytesMut};

/// How early a request may come and still be the one on the tape, in microseconds, when another
/// request stood before it: what a busy machine delays a write by.
const EARLY: i64 = 50_000;

/// The same after the same request, where the distance of the two is the measure; not more than
/// drivers wait for a short answer (500 ms) with room to spare.
const EARLIEST: i64 = 300_000;

/// The same of a driver that works before it asks, as one that lays out a page does: that takes no time
/// in a replay.
const LEISURE: i64 = 10_000_000;

/// What a driver says so soon after the opening it says because of it, in microseconds.
const AT_ONCE: i64 = 1_000_000;

/// Exchanges at the beginning of a line that may be asked for again after the line has come back:
/// a SAM-V module at the last of its rates takes 13 tries of its status, and tells its id.
const START: usize = 16;

/// Bytes that came in one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// When, in microseconds of the recording's time.
    pub(super) micros: i64,
    pub(super) bytes: Bytes,
}

/// A piece that the driver wrote, and what came back until it wrote again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    /// Where the request stands on the tape.
    pub(super) line: u64,
    /// When it was written.
    pub(super) micros: i64,
    /// It was over when the recording began: it may come at any time.
    pub(super) before: bool,
    pub(super) baud: u32,
    pub(super) request: Bytes,
    pub(super) answer: Vec<Chunk>,
}

impl Exchange {
    fn asks(&self, request: &[u8], baud: u32) -> bool {
        self.baud == baud && self.request == request
    }

    fn same(&self, other: &Self) -> bool {
        other.asks(&self.request, self.baud)
    }

    fn answers_like(&self, other: &Self) -> bool {
        let bytes = |exchange: &Self| -> Vec<u8> {
            exchange.answer.iter().flat_map(|chunk| &chunk.bytes).copied().collect()
        };
        self.same(other) && bytes(self) == bytes(other)
    }

    /// The answer to the same request written at `micros`.
    fn answer_from(&self, micros: i64) -> Vec<Chunk> {
        let later = |chunk: &Chunk| Chunk {
            micros: micros + (chunk.micros - self.micros),
            bytes: chunk.bytes.clone(),
        };
        self.answer.iter().map(later).collect()
    }
}

/// What comes of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The request as it was taken: a piece of what was written.
    pub(super) request: Bytes,
    /// What comes back, and when; `None` if the tape has no answer.
    pub(super) answer: Option<Vec<Chunk>>,
    /// What was passed over though it was no idle poll.
    pub(super) never_asked: Vec<Exchange>,
    /// What came next on the tape, if that was something else.
    pub(super) instead_of: Option<(Bytes, u64)>,
}

/// Where a piece of the tape belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// To the exchange that was pushed last.
    Answer,
    /// To nobody's request.
    Unasked,
    /// To a request that was passed over.
    Orphan,
}

/// The exchanges of one open line, a window of them.
#[derive(Default)]
pub(super) struct Exchanges {
    /// The device says nothing but answers.
    polled: bool,
    /// The driver works before it asks.
    leisurely: bool,
    /// What comes next on the tape answers a request that was passed over.
    orphaned: bool,
    window: VecDeque<Exchange>,
    /// No more will come.
    complete: bool,
    /// The exchange that was taken or passed over last.
    last: Option<Exchange>,
    /// When the line was opened, until something was asked on it.
    opened: Option<i64>,
    /// The last idle poll of each request and rate, and whether it was a steady one.
    idle: BTreeMap<(Bytes, u32), (Exchange, bool)>,
    /// The beginning of the first line.
    start: Vec<Exchange>,
    /// The first line's beginning is over.
    started: bool,
    /// An exchange whose answer a fault has spoilt.
    again: Option<Exchange>,
    written: BytesMut,
}

impl Exchanges {
    /// Of a device that says nothing but answers, or not.
    pub(super) fn new(polled: bool) -> Self {
        Self { polled, ..Self::default() }
    }

    /// The same of a driver that works before it asks, or not.
    pub(super) fn leisurely(self, leisurely: bool) -> Self {
        Self { leisurely, ..self }
    }

    /// How early the next request may come at all.
    fn earliest(&self) -> i64 {
        if self.leisurely { LEISURE } else { EARLIEST }
    }

    /// Another line begins, opened at `micros`, if that is known: what is left of the last one. The
    /// beginning of the first line and its idle polls are kept.
    pub(super) fn begin(&mut self, micros: Option<i64>) -> Vec<Exchange> {
        self.started |= !self.start.is_empty();
        self.opened = micros;
        self.complete = false;
        self.orphaned = false;
        self.written.clear();
        self.leftovers()
    }

    /// What is left of the line and was no idle poll.
    pub(super) fn leftovers(&mut self) -> Vec<Exchange> {
        let mut left = Vec::new();
        while !self.window.is_empty() {
            left.extend(self.pass_over());
        }
        left
    }

    /// The next exchange on the tape.
    pub(super) fn push(&mut self, exchange: Exchange) {
        if !self.started && self.start.len() < START {
            self.start.push(exchange.clone());
        }
        self.orphaned = false;
        self.window.push_back(exchange);
    }

    /// More that came back, before the recording or in it; where it belongs. What came in it answers
    /// nothing that was asked before: that may be asked at any time, and this came at its own.
    pub(super) fn push_answer(&mut self, chunk: Chunk, before: bool) -> Belongs {
        if !before && self.window.back().is_some_and(|last| last.before) {
            return Belongs::Unasked;
        }
        if !self.started
            && let Some(start) = self.start.last_mut()
            && self.window.back().is_some_and(|last| last.line == start.line)
        {
            start.answer.push(chunk.clone());
        }
        match self.window.back_mut() {
            Some(exchange) => {
                exchange.answer.push(chunk);
                Belongs::Answer
            }
            None if self.orphaned => Belongs::Orphan,
            None => Belongs::Unasked,
        }
    }

    /// Pieces of the exchange that was pushed last.
    pub(super) fn last_len(&self) -> usize {
        self.window.back().map_or(0, |exchange| exchange.answer.len())
    }

    /// No more will come on this line.
    pub(super) fn complete(&mut self) {
        self.complete = true;
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.window.len()
    }

    /// When the next one was.
    pub(super) fn next_micros(&self) -> Option<i64> {
        self.window.front().map(|exchange| exchange.micros)
    }

    /// The last answer was spoilt: the device would give it again.
    pub(super) fn spoilt(&mut self) {
        self.again = self.last.clone();
    }

    /// Passes over the next exchange; gives it back if it was no idle poll.
    pub(super) fn pass_over(&mut self) -> Option<Exchange> {
        let idle = self.is_idle(0);
        let exchange = self.window.pop_front()?;
        self.orphaned = self.window.is_empty();
        self.remember(exchange.clone(), idle);
        (!idle && !exchange.before).then_some(exchange)
    }

    /// The driver has written `bytes` at `now`. What comes of each request in them; the rest may
    /// become one.
    pub(super) fn write(&mut self, bytes: &[u8], baud: u32, now: i64) -> Vec<Verdict> {
        self.written.extend_from_slice(bytes);
        let mut verdicts = Vec::new();
        while let Some(length) = self.request_length(baud) {
            let request = self.written.split_to(length).freeze();
            verdicts.push(self.request(request, baud, now));
        }
        verdicts
    }

    /// How much of what was written is a request; `None` while it may be the beginning of one.
    fn request_length(&self, baud: u32) -> Option<usize> {
        let written = &*self.written;
        if written.is_empty() {
            return None;
        }
        let known = || {
            let idle = self.idle.values().map(|(exchange, _)| exchange);
            let memory = idle.chain(&self.start).chain(&self.again);
            self.window.iter().chain(memory).filter(|exchange| exchange.baud == baud)
        };
        let begins = |request: &[u8]| !request.is_empty() && written.starts_with(request);
        let whole = known().find(|exchange| exchange.request == written);
        let part = || known().find(|exchange| begins(&exchange.request));
        if let Some(exchange) = whole.or_else(part) {
            return Some(exchange.request.len());
        }
        let may_become = known().any(|exchange| exchange.request.starts_with(written));
        (!may_become).then_some(written.len())
    }

    fn request(&mut self, request: Bytes, baud: u32, now: i64) -> Verdict {
        let next = self.window.front();
        let instead_of = next
            .filter(|next| !next.asks(&request, baud))
            .map(|next| (next.request.clone(), next.line));
        let mut verdict = Verdict { request, answer: None, never_asked: Vec::new(), instead_of };
        let request = verdict.request.clone();
        if let Some(again) = self.again.take()
            && again.asks(&request, baud)
        {
            verdict.answer = Some(again.answer_from(now));
            verdict.instead_of = None;
            return verdict;
        }
        if let Some(at) = self.due(&request, baud, now) {
            for _ in 0..at {
                verdict.never_asked.extend(self.pass_over());
            }
            verdict.answer = self.take_next(now);
            return verdict;
        }
        if !self.polled {
            let known = self.window.iter().chain(&self.last).chain(&self.start);
            if known.into_iter().any(|exchange| exchange.asks(&request, baud)) {
                verdict.answer = Some(Vec::new());
            }
            return verdict;
        }
        let known = self.idle.get(&(request.clone(), baud));
        let later = |steady: bool| {
            let idle = |at: &usize| {
                let asks = self.window.get(*at).is_some_and(|one| one.asks(&request, baud));
                asks && self.is_idle(*at) && (!steady || self.is_steady(*at))
            };
            (0..self.window.len()).find(idle).and_then(|at| self.window.get(at))
        };
        let start = || self.start.iter().rev().find(|exchange| exchange.asks(&request, baud));
        let more = known
            .filter(|(_, steady)| *steady)
            .map(|(exchange, _)| exchange)
            .or_else(|| later(true))
            .or_else(|| known.map(|(exchange, _)| exchange))
            .or_else(|| later(false))
            .or_else(start);
        verdict.answer = more.map(|exchange| exchange.answer_from(now));
        let held = |next: &Exchange| next.asks(&request, baud) && next.micros - now <= EARLIEST;
        if verdict.answer.is_none() && self.window.front().is_some_and(held) {
            // Early, and no poll more: the driver has waited less for answers that did not come
            // than it did then.
            verdict.answer = self.take_next(now);
        }
        verdict
    }

    /// Takes the next exchange for a request at `now`; its answer. One that comes early is held,
    /// unless that were for longer than a driver waits.
    fn take_next(&mut self, now: i64) -> Option<Vec<Chunk>> {
        let idle = self.is_idle(0);
        let exchange = self.window.pop_front()?;
        let at_once = exchange.before || exchange.micros - now > self.earliest();
        let from = if at_once { now } else { now.max(exchange.micros) };
        let answer = exchange.answer_from(from);
        self.remember(exchange, idle);
        Some(answer)
    }

    /// The place in the window of the exchange that a request at `now` is; `None` for one that the
    /// tape does not have, or not yet.
    fn due(&self, request: &[u8], baud: u32, now: i64) -> Option<usize> {
        let mut at = self.window.iter().position(|exchange| exchange.asks(request, baud))?;
        let exchange = self.window.get(at)?;
        if at == 0 && self.opened.is_some_and(|opened| exchange.micros - opened < AT_ONCE) {
            // It followed from the opening, and a busy machine may have taken its time then.
            return Some(at);
        }
        if !exchange.before && exchange.micros > now {
            let before = if at == 0 { self.last.as_ref() } else { self.window.get(at - 1) };
            let early = match before.filter(|before| before.same(exchange)) {
                Some(before) => (exchange.micros - before.micros).clamp(EARLY, EARLIEST),
                None if at == 0 && self.leisurely => LEISURE,
                None => EARLY,
            };
            return (exchange.micros - now <= early).then_some(at);
        }
        // The driver looks more rarely than it did: what it has missed changed nothing.
        while self.is_idle(at)
            && self.window.get(at + 1).is_some_and(|next| !next.before && next.micros <= now)
        {
            at += 1;
        }
        Some(at)
    }

    /// Whether the driver asked the same again after this one, or nothing more.
    fn is_idle(&self, at: usize) -> bool {
        let Some(exchange) = self.window.get(at) else { return false };
        let changed_nothing = self.polled || exchange.answer.is_empty() || self.is_steady(at);
        changed_nothing
            && match self.window.get(at + 1) {
                Some(next) => next.same(exchange),
                None => self.complete,
            }
    }

    /// Whether the next one had the same request and answer.
    fn is_steady(&self, at: usize) -> bool {
        match (self.window.get(at), self.window.get(at + 1)) {
            (Some(exchange), Some(next)) => next.answers_like(exchange),
            _ => false,
        }
    }

    /// The exchange that stood in front of the window is over.
    fn remember(&mut self, exchange: Exchange, idle: bool) {
        if idle {
            let beside = [self.last.as_ref(), self.window.front()];
            let steady = beside.into_iter().flatten().any(|one| one.answers_like(&exchange));
            let key = (exchange.request.clone(), exchange.baud);
            if steady || !self.idle.get(&key).is_some_and(|(_, steady)| *steady) {
                self.idle.insert(key, (exchange.clone(), steady));
            }
        }
        self.last = Some(exchange);
        self.opened = None;
    }
}
