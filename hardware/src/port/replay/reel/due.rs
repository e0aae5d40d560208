//! What the driver gets of the tape, and when: answers and bursts, after what faults leave of them.
//!
//! The second half of the reel above, which reads the tape and opens the line.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use tokio::io::ReadBuf;

use super::super::exchanges::{Chunk, Verdict};
use super::super::faults::micros;
use super::super::findings::{Finding, Oddity};
use super::{BURST_GAP, Reel, STALE};
use crate::port::tape::LineFault;

/// A piece that the driver gets.
pub(super) struct Due {
    pub(super) chunk: Chunk,
    /// It answers something, and may be thrown away unread.
    pub(super) answers: bool,
    /// The answer or burst that it is part of: what comes without a pause.
    group: u64,
    /// What goes wrong with it has.
    judged: bool,
}

impl Reel {
    /// A request was judged: its answer comes, or does not.
    pub(super) fn verdict(&mut self, verdict: Verdict, now: i64) {
        let Verdict { request, answer, never_asked, instead_of } = verdict;
        for exchange in never_asked {
            self.never_asked(exchange);
        }
        let (expected, line) = instead_of.unzip();
        let finding = |oddity| Finding {
            micros: now,
            device: self.device,
            oddity,
            request: request.clone(),
            step: None,
            expected: expected.clone(),
            line,
        };
        match &answer {
            None => self.findings.add(finding(Oddity::NeverAnswered)),
            Some(_) if self.strict && expected.is_some() => {
                self.findings.add(finding(Oddity::OutOfOrder));
            }
            Some(_) => {}
        }
        let faulted = self.plan.exchange(now, answer.unwrap_or_default());
        if faulted.again {
            self.exchanges.spoilt();
        }
        self.groups += 1;
        let mut last = None;
        for chunk in faulted.chunks {
            // What comes after a pause comes by itself, as a code does after its trigger.
            if last.is_some_and(|last| chunk.micros - last >= BURST_GAP) {
                self.groups += 1;
            }
            last = Some(chunk.micros);
            let group = self.groups;
            self.schedule(Due { chunk, answers: true, group, judged: false });
        }
        if let Some(length) = faulted.unplug {
            self.unplug(now, length);
        }
    }

    /// Puts the next burst that nobody asked for among what is due.
    fn burst(&mut self, now: i64) {
        while self.unasked.front().is_some_and(|chunk| chunk.micros <= now) {
            let Some(chunk) = self.unasked.pop_front() else { return };
            let going_on = self.burst.filter(|(_, last)| chunk.micros - last < BURST_GAP);
            let at = chunk.micros;
            let chunks = match going_on {
                Some((group, _)) => {
                    self.burst = Some((group, at));
                    vec![chunk]
                }
                None => {
                    self.groups += 1;
                    self.burst = Some((self.groups, at));
                    let faulted = self.plan.exchange(now, vec![chunk]);
                    if faulted.rest_is_lost {
                        self.lost = Some(self.groups);
                    }
                    if let Some(length) = faulted.unplug {
                        self.unplug(now, length);
                    }
                    faulted.chunks
                }
            };
            let group = self.burst.map_or(0, |(group, _)| group);
            for chunk in chunks {
                self.schedule(Due { chunk, answers: false, group, judged: false });
            }
            self.fill();
        }
    }

    /// In the order of their times; those of the same time in the order in which they came.
    fn schedule(&mut self, due: Due) {
        let at = self.due.iter().rposition(|other| other.chunk.micros <= due.chunk.micros);
        self.due.insert(at.map_or(0, |at| at + 1), due);
    }

    /// Whether what is due first is due now, after what the faults leave of it.
    fn comes_up(&mut self, now: i64) -> bool {
        while let Some(first) = self.due.front().filter(|due| due.chunk.micros <= now) {
            let (at, group, answers) = (first.chunk.micros, first.group, first.answers);
            if self.lost == Some(group) || self.plan.is_silent(at) {
                self.due.pop_front();
                if answers {
                    self.exchanges.spoilt();
                }
                continue;
            }
            if first.judged {
                return true;
            }
            let (own, others) = std::mem::take(&mut self.due)
                .into_iter()
                .partition::<VecDeque<_>, _>(|due| due.group == group);
            self.due = others;
            let faulted = self.plan.comes_up(at, own.into_iter().map(|due| due.chunk).collect());
            if faulted.again && answers {
                self.exchanges.spoilt();
            }
            for chunk in faulted.chunks {
                self.schedule(Due { chunk, answers, group, judged: true });
            }
            // What was cut short has its rest among what is scheduled, and nothing after it.
            if faulted.rest_is_lost && !self.due.iter().any(|due| due.group == group) {
                self.lost = Some(group);
            }
        }
        false
    }

    fn unplug(&mut self, now: i64, length: Duration) {
        let until = now + micros(length);
        self.open = false;
        self.out_until = Some(until);
        // A device that speaks by itself goes on doing so afterwards.
        let goes_on = !self.polled;
        self.due.retain(|due| goes_on && due.chunk.micros >= until);
    }

    /// What the driver reads now: a piece, the end, or nothing before the moment that is given.
    pub(in super::super) fn read(
        &mut self,
        buf: &mut ReadBuf<'_>,
    ) -> Result<io::Result<()>, Option<i64>> {
        let now = self.timeline.now();
        if let Some(length) = self.plan.unplugs(now) {
            self.unplug(now, length);
        }
        self.fill();
        if !self.patient {
            // What will not be asked for any more stands in the way of what comes after it.
            while self.exchanges.next_micros().is_some_and(|next| next + STALE < now) {
                self.pass_over();
                self.fill();
            }
        }
        self.burst(now);
        if !self.open {
            return Ok(Ok(()));
        }
        let is_gone = |gone: &(i64, LineFault)| gone.0 <= now;
        match self.comes_up(now).then(|| self.due.front_mut()).flatten() {
            Some(due) => {
                let bytes = &mut due.chunk.bytes;
                buf.put_slice(&bytes.split_to(bytes.len().min(buf.remaining())));
                if bytes.is_empty() {
                    self.due.pop_front();
                }
                Ok(Ok(()))
            }
            None => match self.gone.as_ref().filter(|gone| is_gone(gone)) {
                Some((_, LineFault::End)) => Ok(Ok(())),
                Some((_, fault)) => Ok(Err(fault.clone().into())),
                None => Err(self.next_moment()),
            },
        }
    }

    /// When something happens by itself.
    fn next_moment(&self) -> Option<i64> {
        let due = self.due.front().map(|due| due.chunk.micros);
        let unasked = self.unasked.front().map(|chunk| chunk.micros);
        let gone = self.gone.as_ref().map(|(micros, _)| *micros);
        // Only a window that is full hides what comes after it.
        let stale = self.exchanges.next_micros().filter(|_| !self.patient && !self.complete);
        let stale = stale.map(|next| next + STALE + 1);
        [due, unasked, gone, stale, self.plan.next_unplug()].into_iter().flatten().min()
    }
}
