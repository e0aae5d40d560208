//! A port's events, its exchanges numbered as fault scripts count them.
//!
//! The count is that of a replayed port: each piece that the driver wrote is an
//! exchange, with all that came until it wrote again. What came on an open line before anything was
//! written on it counts by bursts. All lines of the port are counted through, and so is what was
//! said before the recording began: a replay says it too.

mod cards;

use std::io;
use std::iter::Peekable;

use bytes::Bytes;
use hharome_hardware::port::replay::{ANSWER_PIECES, BURST_GAP, TapeLine};
use hharome_hardware::port::tape::{LineFault, OpenFailureKind, PortEvent};

use super::{Entry, Moment, Source};
use crate::recording::format::{PersonalData, hex};
use crate::recording::reader::{Damage, PortTape, ReadError, Recording};
use cards::Slot;

/// What comes so long after its request, in microseconds, has a line of its own at its own time.
const ANSWERED_SOON: i64 = 1_000_000;

/// Bytes of up to so many are shown whole, as frames without data are.
const SHORT: usize = 32;

/// So many are shown of more.
const HEAD: usize = 16;

/// The events of one port.
pub(super) struct Exchanges {
    device: String,
    tape: Peekable<PortTape>,
    damage: Damage,
    /// The devices' bytes are real people's.
    kept: bool,
    /// The exchange that was counted last.
    number: u64,
    /// Something was written on this line, and what comes belongs to it.
    asked: bool,
    /// Pieces that have come since.
    pieces: usize,
    /// This line has ended: a replay takes what is written on it, and counts it not.
    gone: bool,
    /// When the last byte came that nobody had asked for, on whichever line.
    last_unasked: Option<i64>,
    /// How a card reader's slot is, if this is one.
    slot: Option<Slot>,
}

impl Exchanges {
    /// The port of `device`.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub(super) fn open(recording: &Recording, device: &str) -> Result<Self, ReadError> {
        let damage = Damage::default();
        let tape = PortTape::open(recording, device, damage.clone())?.peekable();
        Ok(Self {
            device: device.to_owned(),
            tape,
            damage,
            kept: recording.meta.personal_data == PersonalData::Kept,
            number: 0,
            asked: false,
            pieces: 0,
            gone: false,
            last_unasked: None,
            slot: None,
        })
    }

    /// What a line tells; `None` if what follows it tells it.
    fn words(&mut self, line: TapeLine) -> Option<String> {
        let TapeLine { micros, before, event, .. } = line;
        Some(match event {
            PortEvent::Card(event) => return self.card(micros, before, event),
            PortEvent::Out(command) if self.slot.is_some() => {
                self.card_exchange(micros, before, &command)
            }
            PortEvent::In(answer) if self.slot.is_some() => self.card_answers_late(&answer),
            PortEvent::Opened { baud, .. } => {
                (self.asked, self.gone) = (false, false);
                format!(" opened at {baud} baud")
            }
            PortEvent::NotOpened(failure) => {
                let why = match failure.kind {
                    OpenFailureKind::Absent => "absent".to_owned(),
                    OpenFailureKind::Denied => "denied".to_owned(),
                    OpenFailureKind::Held => "held by another program".to_owned(),
                    OpenFailureKind::Other(fault) => fault_words(fault),
                };
                format!(" not opened: {}: {why}", failure.port)
            }
            PortEvent::Out(request) => self.exchange(micros, before, request),
            PortEvent::In(bytes) => self.unasked_or_late(micros, before, &bytes),
            PortEvent::Baud(baud) => format!(" set to {baud} baud"),
            PortEvent::Gone(fault) => {
                self.gone = true;
                format!(" ended: {}", fault_words(fault))
            }
            PortEvent::NotWritten(fault) => format!(" not written to: {}", fault_words(fault)),
            PortEvent::Closed => " closed".to_owned(),
        })
    }

    fn exchange(&mut self, micros: i64, before: bool, request: Bytes) -> String {
        let mut shown = Shown::default();
        shown.add(&request);
        if self.gone {
            return format!(", after its end, no exchange: {}", shown.words(false));
        }
        self.number += 1;
        (self.asked, self.pieces) = (true, 0);
        let mut answer = Shown::default();
        self.collect(micros + ANSWERED_SOON - BURST_GAP, before, &mut answer);
        let answer = if answer.length == 0 { "nothing".into() } else { answer.words(self.kept) };
        format!(" exchange {}: {} → {answer}", self.number, shown.words(false))
    }

    fn unasked_or_late(&mut self, micros: i64, before: bool, bytes: &[u8]) -> String {
        self.asked &= self.pieces < ANSWER_PIECES;
        self.pieces += 1;
        let mut shown = Shown::default();
        shown.add(bytes);
        let last = self.collect(micros, before, &mut shown);
        let goes_on = self.asked || self.last_unasked.is_some_and(|at| micros - at < BURST_GAP);
        if !self.asked {
            self.last_unasked = Some(last);
        }
        if goes_on {
            return format!(" exchange {}, later: → {}", self.number, shown.words(self.kept));
        }
        self.number += 1;
        format!(" exchange {}: nobody asked → {}", self.number, shown.words(self.kept))
    }

    /// What comes next without a pause, `last` being the time of what came before it; the time of
    /// the last of it.
    fn collect(&mut self, mut last: i64, before: bool, shown: &mut Shown) -> i64 {
        let follows = |line: &TapeLine, last| {
            let close = line.micros - last < BURST_GAP && line.before == before;
            close && matches!(line.event, PortEvent::In(_))
        };
        while !self.asked || self.pieces < ANSWER_PIECES {
            let Some(line) = self.tape.next_if(|line| follows(line, last)) else { break };
            self.pieces += 1;
            if let PortEvent::In(bytes) = &line.event {
                shown.add(bytes);
            }
            last = line.micros;
        }
        last
    }
}

impl Source for Exchanges {
    fn next(&mut self) -> Result<Option<Entry>, ReadError> {
        loop {
            let Some(line) = self.tape.next() else {
                return self.damage.take().map_or(Ok(None), Err);
            };
            let moment = if line.before { Moment::Before } else { Moment::At(line.micros) };
            if let Some(words) = self.words(line) {
                return Ok(Some(Entry { moment, words: format!("{}{words}", self.device) }));
            }
        }
    }
}

/// Bytes as far as they are shown.
#[derive(Default)]
struct Shown {
    head: Vec<u8>,
    length: usize,
}

impl Shown {
    fn add(&mut self, bytes: &[u8]) {
        let room = SHORT.saturating_sub(self.head.len());
        self.head.extend(bytes.iter().take(room));
        self.length += bytes.len();
    }

    fn words(&self, hidden: bool) -> String {
        if hidden {
            format!("({} bytes)", self.length)
        } else if self.length > SHORT {
            let head = self.head.get(..HEAD).unwrap_or_default();
            format!("{}… ({} bytes)", hex(head), self.length)
        } else {
            hex(&self.head)
        }
    }
}

fn fault_words(fault: LineFault) -> String {
    match fault {
        LineFault::End => "nothing more to read".to_owned(),
        LineFault::Os(number) => io::Error::from_raw_os_error(number).to_string(),
        LineFault::Words(words) => words,
    }
}
