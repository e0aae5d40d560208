//! The lines of a tape, put together to what a driver asked of a slot, and to what lay in it.
//!
//! Read by [`super::operations`], which says what of it is meant by a request.

use std::collections::VecDeque;

use bytes::Bytes;

use super::super::TapeLine;
use super::super::faults::micros;
use crate::card::redact::without_envelopes_data;
use crate::port::card::tape::CardEvent;
use crate::port::card::{CardFault, Content, EXCHANGE, End, FaultKind, Holds, Power, Powered};
use crate::port::tape::PortEvent;

/// What a driver asks of a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Ask {
    Connect(Power),
    Begin,
    Command(Bytes),
    /// The end of the transaction.
    Over,
    Disconnect(End),
    Escape(Bytes),
}

/// What came of it, where nothing was wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Got {
    Nothing,
    Powered(Powered),
    Answer(Bytes),
    Renewed(bool),
}

/// An operation on the tape. Times are in microseconds of the recording's time.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) line: u64,
    pub(super) asked: i64,
    pub(super) answered: i64,
    /// It was over when the recording began: it may come at any time.
    pub(super) before: bool,
    /// With which content of the slot it was done.
    pub(super) content: u64,
    /// The transaction that it belongs to.
    pub(super) transaction: Option<u64>,
    pub(super) ask: Ask,
    /// `None`: the tape does not have it.
    pub(super) result: Option<Result<Got, CardFault>>,
    /// It was asked for, and stands here for what follows it.
    pub(super) taken: bool,
}

/// A change of what lies in the slot, or its end.
#[derive(Clone, Debug)]
pub(super) struct Change {
    pub(super) micros: i64,
    pub(super) before: bool,
    /// The content's number in the order of the tape.
    pub(super) content: u64,
    pub(super) to: Result<Holds, CardFault>,
}

/// One of them.
pub(super) enum Entry {
    Operation(Operation),
    Change(Change),
}

/// Where a line stands, and when it happened.
#[derive(Clone, Copy)]
struct At {
    line: u64,
    micros: i64,
    before: bool,
}

/// Reads one life of a slot after the other, each from its opening to its end.
#[derive(Default)]
pub(super) struct Lives {
    /// The content that was read last, and which card that was.
    content: u64,
    card: Option<u64>,
    transaction: u64,
    in_transaction: bool,
    /// The next command is for the reader.
    escape: bool,
    /// When the last line was.
    last: i64,
}

impl Ask {
    /// A command to the card. What is in an ENVELOPE makes no difference: on a tape without personal
    /// data it is filler.
    pub(super) fn command(bytes: Bytes) -> Self {
        Self::Command(without_envelopes_data(bytes))
    }

    /// The bytes, of a command.
    pub(super) fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Command(bytes) | Self::Escape(bytes) => Some(bytes),
            Self::Connect(_) | Self::Begin | Self::Over | Self::Disconnect(_) => None,
        }
    }

    /// What a driver is told to have asked, if that is no command.
    pub(super) fn step(&self) -> Option<&'static str> {
        match self {
            Self::Connect(Power::AsItIs) => Some("for a connection"),
            Self::Connect(Power::Warm) => Some("for a warm reset"),
            Self::Connect(Power::Cold) => Some("for a cold reset"),
            Self::Begin => Some("for a transaction"),
            Self::Disconnect(End::Leave) => Some("to let go of the card"),
            Self::Disconnect(End::Unpower) => Some("to let go of the card and power it off"),
            Self::Command(_) | Self::Escape(_) | Self::Over => None,
        }
    }
}

impl Operation {
    /// How long it took then; not longer than a port lets it.
    pub(super) fn length(&self) -> i64 {
        let longest = micros(EXCHANGE);
        if self.result.is_none() {
            return longest;
        }
        (self.answered - self.asked).clamp(0, longest)
    }

    /// What came of it.
    pub(super) fn result(&self) -> Result<Got, CardFault> {
        let silent = || CardFault::new(FaultKind::Silent, "the recording ends before the answer");
        self.result.clone().unwrap_or_else(|| Err(silent()))
    }
}

impl Lives {
    /// Another life begins.
    pub(super) fn begin(&mut self) {
        self.in_transaction = false;
        self.escape = false;
        self.content += 1;
        self.card = None;
    }

    /// The content that was read last.
    pub(super) fn content(&self) -> u64 {
        self.content
    }

    /// When the last line was that has been read.
    pub(super) fn last(&self) -> i64 {
        self.last
    }

    /// The next line of the tape, into the entries of this life.
    pub(super) fn read(&mut self, line: TapeLine, entries: &mut VecDeque<Entry>) {
        let TapeLine { line, micros, before, event } = line;
        let at = At { line, micros, before };
        match event {
            PortEvent::Out(bytes) => {
                let to_reader = std::mem::take(&mut self.escape);
                let ask = if to_reader { Ask::Escape(bytes) } else { Ask::command(bytes) };
                entries.push_back(self.operation(at, ask, None));
            }
            PortEvent::In(bytes) => {
                answer(entries, micros, Ok(Got::Answer(bytes)), |ask| ask.bytes().is_some());
            }
            PortEvent::Card(event) => self.read_card(at, event, entries),
            // Those of a serial line.
            PortEvent::Opened { .. }
            | PortEvent::NotOpened(_)
            | PortEvent::Baud(_)
            | PortEvent::Gone(_)
            | PortEvent::NotWritten(_)
            | PortEvent::Closed => {}
        }
        self.last = self.last.max(micros);
    }

    fn read_card(&mut self, at: At, event: CardEvent, entries: &mut VecDeque<Entry>) {
        let micros = at.micros;
        let connect = |ask: &Ask| matches!(ask, Ask::Connect(_));
        let begin = |ask: &Ask| *ask == Ask::Begin;
        match event {
            CardEvent::Holds(holds) => {
                let card = (holds.what != Content::Nothing).then_some(holds.number);
                if card != self.card {
                    self.content += 1;
                    self.card = card;
                }
                entries.push_back(self.change(at, Ok(holds)));
            }
            CardEvent::Gone(fault) => {
                self.content += 1;
                self.card = None;
                entries.push_back(self.change(at, Err(fault)));
            }
            CardEvent::Connect(power) => {
                entries.push_back(self.operation(at, Ask::Connect(power), None));
            }
            CardEvent::Connected(powered) => {
                answer(entries, micros, Ok(Got::Powered(powered)), connect);
            }
            CardEvent::NotConnected(fault) => {
                answer(entries, micros, Err(fault), connect);
            }
            CardEvent::Begin => {
                self.transaction += 1;
                self.in_transaction = true;
                entries.push_back(self.operation(at, Ask::Begin, None));
            }
            CardEvent::Begun => {
                answer(entries, micros, Ok(Got::Nothing), begin);
            }
            CardEvent::NotBegun(fault) => {
                if !answer(entries, micros, Err(fault.clone()), begin) {
                    entries.push_back(self.operation(at, Ask::Over, Some(Err(fault))));
                }
                self.in_transaction = false;
            }
            CardEvent::Unanswered(fault) => {
                answer(entries, micros, Err(fault), |ask| ask.bytes().is_some());
            }
            CardEvent::Ended(renewed) => {
                let renewed = Some(Ok(Got::Renewed(renewed)));
                entries.push_back(self.operation(at, Ask::Over, renewed));
                self.in_transaction = false;
            }
            CardEvent::Disconnect(end) => {
                let done = Some(Ok(Got::Nothing));
                entries.push_back(self.operation(at, Ask::Disconnect(end), done));
            }
            CardEvent::Escape => self.escape = true,
            // Lives begin elsewhere, and the driver lets go by itself.
            CardEvent::Opened(_) | CardEvent::NotOpened(_) | CardEvent::Closed => {}
        }
    }

    fn operation(&self, at: At, ask: Ask, result: Option<Result<Got, CardFault>>) -> Entry {
        let At { line, micros, before } = at;
        // A transaction's end takes what has passed since the last answer.
        let asked = if ask == Ask::Over { self.last.min(micros) } else { micros };
        Entry::Operation(Operation {
            line,
            asked,
            answered: micros,
            before,
            content: self.content,
            transaction: self.in_transaction.then_some(self.transaction),
            ask,
            result,
            taken: false,
        })
    }

    fn change(&self, at: At, to: Result<Holds, CardFault>) -> Entry {
        let At { micros, before, .. } = at;
        Entry::Change(Change { micros, before, content: self.content, to })
    }
}

/// The result of what was asked last, if that is of such a kind and has none yet; whether it is.
fn answer(
    entries: &mut VecDeque<Entry>,
    micros: i64,
    result: Result<Got, CardFault>,
    kind: fn(&Ask) -> bool,
) -> bool {
    match entries.back_mut() {
        Some(Entry::Operation(last)) if last.result.is_none() && kind(&last.ask) => {
            last.answered = micros;
            last.result = Some(result);
            true
        }
        _ => false,
    }
}
