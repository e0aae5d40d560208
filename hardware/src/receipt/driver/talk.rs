//! The conversation with a printer over one open line: bytes out, and all that comes back meanwhile.
//!
//! Nothing is written without listening: what the printer says may forbid the rest.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::{Instant, timeout_at};

use crate::port::BoxedLine;
use crate::receipt::escpos;
use crate::receipt::status::{Condition, Ears, Obstacle, Said};

/// Answers that were given up come within this time of each other, if they come.
const LATE: Duration = Duration::from_millis(100);

/// What a printer says at once is short: its answers have one byte, its status four.
const CHUNK: usize = 256;

/// Why writing has stopped.
#[derive(Debug)]
pub(super) enum Stop {
    /// The printer says that it cannot print.
    Obstacle(Obstacle),
    /// It took nothing and said nothing for too long.
    Stalled,
    /// The line is gone.
    Line(io::Error),
}

/// An open line.
pub(super) struct Talk {
    line: BoxedLine,
    ears: Ears,
    condition: Condition,
    /// The inquiries that are not answered yet, in order.
    asked: VecDeque<u8>,
    /// Some were given up, and may be answered yet.
    lost: bool,
    /// The rows at which `GS r` was asked and not answered yet, in order.
    marks: VecDeque<u32>,
    /// The rows of the last that was answered.
    confirmed: u32,
    has_confirmed: bool,
    /// Which answers belong to an earlier receipt is being found out.
    anew: Option<Anew>,
    /// Any mark was answered since.
    answered: bool,
    /// How often it has told of itself.
    told: u32,
    /// Bytes of the last write that were not taken.
    unwritten: usize,
}

/// How far that is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Anew {
    /// Nothing but answers to earlier marks has come, if anything.
    Before,
    /// The status has come: the next answer is the first of the new ones.
    Next,
    /// It has come.
    Done,
}

enum Moved {
    Took(usize),
    Said(usize),
}

impl Talk {
    pub(super) fn new(line: BoxedLine) -> Self {
        Self {
            line,
            ears: Ears::default(),
            condition: Condition::default(),
            asked: VecDeque::new(),
            lost: false,
            marks: VecDeque::new(),
            confirmed: 0,
            has_confirmed: false,
            anew: None,
            answered: false,
            told: 0,
            unwritten: 0,
        }
    }

    /// How the printer is, as far as it has said.
    pub(super) fn condition(&self) -> &Condition {
        &self.condition
    }

    /// How its paper is, in words.
    pub(super) fn paper(&self) -> &'static str {
        match self.condition.obstacle() {
            Some(Obstacle::PaperOut) => "used up",
            _ if self.condition.is_near_end() => "near its end",
            _ => "there",
        }
    }

    /// Whether the line has to be ended by [`Talk::end`] for all that was written to arrive.
    pub(super) fn lingers(&self) -> bool {
        self.line.lingers()
    }

    /// Ends the line so that the printer gets all that was written; it has `limit` to take it.
    pub(super) async fn end(mut self, limit: Duration) {
        let ended = async {
            self.line.shutdown().await?;
            // What it still says is of no use.
            while self.line.read(&mut [0; CHUNK]).await? > 0 {}
            Ok::<_, io::Error>(())
        };
        // One that does not close its side has had its time.
        let _ = timeout_at(Instant::now() + limit, ended).await;
    }

    /// Something is heard. Safe to drop.
    pub(super) async fn hear(&mut self) -> io::Result<()> {
        self.moved(&[]).await.map(|_| ())
    }

    /// Whether something is heard by then.
    pub(super) async fn hear_until(&mut self, by: Instant) -> io::Result<bool> {
        match timeout_at(by, self.hear()).await {
            Ok(heard) => heard.map(|()| true),
            Err(_) => Ok(false),
        }
    }

    /// Writes all of it, while the printer can print. `limit` is how long it may take nothing and say
    /// nothing.
    pub(super) async fn write(
        &mut self,
        bytes: &[u8],
        limit: Option<Duration>,
    ) -> Result<(), Stop> {
        self.put(bytes, limit, true).await
    }

    /// Writes all of it; `heeds` what keeps the printer from printing.
    async fn put(
        &mut self,
        bytes: &[u8],
        limit: Option<Duration>,
        heeds: bool,
    ) -> Result<(), Stop> {
        let mut rest = bytes;
        while !rest.is_empty() {
            self.unwritten = rest.len();
            let moved = match limit {
                Some(limit) => timeout_at(Instant::now() + limit, self.moved(rest)).await,
                None => Ok(self.moved(rest).await),
            };
            let obstacle = self.condition.obstacle();
            match moved {
                Ok(Ok(Moved::Took(taken))) => rest = rest.get(taken..).unwrap_or_default(),
                // Of what passes by itself the end is waited for.
                Ok(Ok(Moved::Said(_))) => {
                    if let Some(what) = obstacle.filter(|what| heeds && !what.passes()) {
                        return Err(Stop::Obstacle(what));
                    }
                }
                Ok(Err(error)) => return Err(Stop::Line(error)),
                Err(_) => return Err(obstacle.map_or(Stop::Stalled, Stop::Obstacle)),
            }
        }
        self.unwritten = 0;
        Ok(())
    }

    /// Bytes of the last write that were not taken.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// All inquiries, each answered before the next: some printers forget one that comes too early. One
    /// that tells by itself why it cannot print meanwhile is asked no further: it may not take them. What
    /// was asked before and is not answered yet is waited for as well: only the order tells which is which.
    pub(super) async fn ask(&mut self, limit: Duration) -> Result<(), Stop> {
        let by = Instant::now() + limit;
        if std::mem::take(&mut self.lost) {
            // Answers that come late are nobody's.
            let most = Instant::now() + LATE * 20;
            while Instant::now() < most
                && self.hear_until(Instant::now() + LATE).await.map_err(Stop::Line)?
            {}
        }
        let told = self.told;
        for what in 1..=4 {
            self.asked.push_back(what);
            self.put(&escpos::inquiry(what), Some(limit), false).await?;
            while !self.asked.is_empty() {
                if !self.hear_until(by).await.map_err(Stop::Line)? {
                    self.asked.clear();
                    self.lost = true;
                    return Err(Stop::Stalled);
                }
                if self.told != told && self.condition.obstacle().is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The same without waiting for the answers, unless some are still waited for.
    pub(super) async fn ask_ahead(&mut self, limit: Option<Duration>) -> Result<(), Stop> {
        if self.asked.is_empty() {
            for what in 1..=4 {
                self.asked.push_back(what);
                self.put(&escpos::inquiry(what), limit, false).await?;
            }
        }
        Ok(())
    }

    /// `GS r` is about to be asked behind so many rows.
    pub(super) fn mark(&mut self, rows: u32) {
        self.marks.push_back(rows);
    }

    /// How many marks are not answered yet.
    pub(super) fn marks(&self) -> usize {
        self.marks.len()
    }

    /// A receipt is over, or begins: of marks that were not answered nothing is known any more.
    pub(super) fn forget_marks(&mut self) {
        self.marks.clear();
        self.confirmed = 0;
        self.anew = None;
    }

    /// Automatic status and a mark are about to be asked for, in this order, behind whatever the
    /// printer still has.
    pub(super) fn begin_anew(&mut self) {
        (self.anew, self.answered) = (Some(Anew::Before), false);
    }

    /// Whether both have come.
    pub(super) fn is_anew(&self) -> bool {
        self.anew == Some(Anew::Done)
    }

    /// Whether any mark has been answered since.
    pub(super) fn has_answered_anew(&self) -> bool {
        self.answered
    }

    /// The rows behind which the last mark was answered.
    pub(super) fn confirmed_rows(&self) -> u32 {
        self.confirmed
    }

    /// Whether any mark ever was answered.
    pub(super) fn has_confirmed(&self) -> bool {
        self.has_confirmed
    }

    /// Something is heard, or some of the bytes are taken, whichever comes first. Safe to drop.
    async fn moved(&mut self, bytes: &[u8]) -> io::Result<Moved> {
        let mut chunk = [0; CHUNK];
        let line = &mut self.line;
        let moved = poll_fn(|cx| {
            let mut said = ReadBuf::new(&mut chunk);
            if let Poll::Ready(read) = Pin::new(&mut *line).poll_read(cx, &mut said) {
                let end = || Err(io::ErrorKind::UnexpectedEof.into());
                return Poll::Ready(read.and_then(|()| match said.filled().len() {
                    0 => end(),
                    length => Ok(Moved::Said(length)),
                }));
            }
            if bytes.is_empty() {
                return Poll::Pending;
            }
            Pin::new(&mut *line).poll_write(cx, bytes).map(|taken| match taken? {
                0 => Err(io::ErrorKind::WriteZero.into()),
                taken => Ok(Moved::Took(taken)),
            })
        })
        .await?;
        if let Moved::Said(length) = moved {
            chunk.iter().take(length).for_each(|byte| self.take(*byte));
        }
        Ok(moved)
    }

    fn take(&mut self, byte: u8) {
        match self.ears.hear(byte) {
            Some(Said::Answer(byte)) => {
                if let Some(what) = self.asked.pop_front() {
                    self.condition.answered(what, byte);
                }
            }
            Some(Said::Status(bytes)) => {
                self.condition.told(bytes);
                self.told = self.told.wrapping_add(1);
                if let Some(anew @ Anew::Before) = &mut self.anew {
                    *anew = Anew::Next;
                }
            }
            Some(Said::Sensors(byte)) => {
                if let Some(anew) = &mut self.anew {
                    *anew = match anew {
                        Anew::Before => Anew::Before,
                        Anew::Next | Anew::Done => Anew::Done,
                    };
                    self.condition.sensed(byte);
                    (self.answered, self.has_confirmed) = (true, true);
                } else if let Some(rows) = self.marks.pop_front() {
                    self.condition.sensed(byte);
                    (self.confirmed, self.has_confirmed) = (rows, true);
                }
            }
            Some(Said::Flow | Said::Noise) | None => {}
        }
    }
}
