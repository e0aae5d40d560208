//! What happens at a card reader's slot, in words.
//!
//! Of commands and answers only what they are is told, never what they hold: the header, the status
//! word, how many bytes. Each command is an exchange of a fault script.

use hharome_hardware::port::card::tape::CardEvent;
use hharome_hardware::port::card::{Content, End, Holds, Power, Powered, Protocol};
use hharome_hardware::port::replay::TapeLine;
use hharome_hardware::port::tape::PortEvent;

use super::{ANSWERED_SOON, Exchanges, Shown};
use crate::recording::format::hex;

/// The header of a command (ISO/IEC 7816-4, 5.1): CLA, INS, P1, P2.
const HEADER: usize = 4;

/// How a slot is.
#[derive(Default)]
pub(super) struct Slot {
    /// The card that lies in it.
    card: Option<u64>,
    /// The next command is for the reader itself.
    escape: bool,
}

impl Exchanges {
    /// What a card event tells; `None` if what follows it tells it, or nothing is to be told.
    pub(super) fn card(&mut self, micros: i64, before: bool, event: CardEvent) -> Option<String> {
        let kept = self.kept;
        let slot = self.slot.get_or_insert_default();
        Some(match event {
            CardEvent::Opened(reader) => {
                *slot = Slot::default();
                format!(" opened: {reader}")
            }
            CardEvent::NotOpened(fault) => format!(" not opened: {fault}"),
            CardEvent::Holds(holds) => slot.holds(&holds, kept),
            CardEvent::Gone(fault) => format!(" gone: {fault}"),
            CardEvent::Connect(power) => self.connect(micros, before, power),
            CardEvent::Connected(powered) => format!(" card powered up, {}", protocol(&powered)),
            CardEvent::NotConnected(fault) => format!(" card not powered up: {fault}"),
            CardEvent::Begin | CardEvent::Begun | CardEvent::Ended(false) => return None,
            CardEvent::NotBegun(fault) => format!(" no transaction: {fault}"),
            CardEvent::Ended(true) => " found that the card had been reset".to_owned(),
            CardEvent::Unanswered(fault) => format!(" no answer: {fault}"),
            CardEvent::Disconnect(End::Leave) => " card let go of".to_owned(),
            CardEvent::Disconnect(End::Unpower) => " card powered off".to_owned(),
            CardEvent::Escape => {
                slot.escape = true;
                return None;
            }
            CardEvent::Closed => " closed".to_owned(),
        })
    }

    fn connect(&mut self, micros: i64, before: bool, power: Power) -> String {
        let done = match power {
            Power::AsItIs => "powered up",
            Power::Warm => "reset (warm)",
            Power::Cold => "reset (cold)",
        };
        let result = |event: &CardEvent| {
            matches!(event, CardEvent::Connected(_) | CardEvent::NotConnected(_))
        };
        let next = self.tape.next_if(|line| {
            line.before == before && matches!(&line.event, PortEvent::Card(event) if result(event))
        });
        let Some(TapeLine { micros: end, event: PortEvent::Card(event), .. }) = next else {
            return format!(" card to be {done}, and no result");
        };
        let took = took(micros, end);
        match event {
            CardEvent::Connected(powered) => format!(" card {done}, {}{took}", protocol(&powered)),
            CardEvent::NotConnected(fault) => format!(" card not {done}: {fault}{took}"),
            _ => format!(" card to be {done}"),
        }
    }

    /// A command, and what comes of it.
    pub(super) fn card_exchange(&mut self, micros: i64, before: bool, command: &[u8]) -> String {
        self.number += 1;
        let escape = self.slot.as_mut().is_some_and(|slot| std::mem::take(&mut slot.escape));
        let next = self.tape.next_if(|line| {
            let unanswered = matches!(line.event, PortEvent::Card(CardEvent::Unanswered(_)));
            line.before == before && (unanswered || matches!(line.event, PortEvent::In(_)))
        });
        let answer = match next {
            Some(TapeLine { micros: end, event: PortEvent::In(answer), .. }) => {
                answered(&answer, escape) + &took(micros, end)
            }
            Some(TapeLine {
                micros: end,
                event: PortEvent::Card(CardEvent::Unanswered(fault)),
                ..
            }) => format!("no answer: {fault}{}", took(micros, end)),
            _ => "nothing".to_owned(),
        };
        let to = if escape { ", to the reader" } else { "" };
        let header = command.get(..HEADER).unwrap_or(command);
        let more = if command.len() > HEADER { "…" } else { "" };
        let (number, header, length) = (self.number, hex(header), command.len());
        format!(" exchange {number}{to}: {header}{more} ({length} bytes) → {answer}")
    }

    /// An answer to a command that stands before the recording, or before a damaged place.
    pub(super) fn card_answers_late(&mut self, answer: &[u8]) -> String {
        format!(" exchange {}, later: → {}", self.number, answered(answer, false))
    }
}

impl Slot {
    fn holds(&mut self, holds: &Holds, kept: bool) -> String {
        let number = Some(holds.number);
        let atr = |atr: &[u8]| {
            let mut shown = Shown::default();
            shown.add(atr);
            shown.words(kept)
        };
        let (card, words) = match &holds.what {
            Content::Nothing if self.card.is_some() => (None, " card taken away".to_owned()),
            Content::Nothing => (None, " holds nothing".to_owned()),
            Content::Mute => {
                (number, " card put in that does not answer to its power-up".to_owned())
            }
            Content::Card(bytes) if self.card == number => {
                (number, format!(" the card's ATR is {}", atr(bytes)))
            }
            Content::Card(bytes) if bytes.is_empty() => (number, " card put in".to_owned()),
            Content::Card(bytes) => (number, format!(" card put in, ATR {}", atr(bytes))),
        };
        self.card = card;
        words
    }
}

fn protocol(powered: &Powered) -> &'static str {
    match powered.protocol {
        Protocol::T0 => "T=0",
        Protocol::T1 => "T=1",
    }
}

/// The status word, and how much stands before it. Readers answer without one.
fn answered(answer: &[u8], escape: bool) -> String {
    match answer {
        [] => "an empty answer".to_owned(),
        [_, _] if !escape => format!("SW {}", hex(answer)),
        [data @ .., high, low] if !escape => {
            format!("SW {} ({} bytes)", hex(&[*high, *low]), data.len())
        }
        answer => format!("({} bytes)", answer.len()),
    }
}

/// How long something took, where that was long.
fn took(from: i64, to: i64) -> String {
    let micros = to.saturating_sub(from);
    if micros < ANSWERED_SOON {
        return String::new();
    }
    let tenths = micros / 100_000;
    format!(", after {}.{} s", tenths / 10, tenths % 10)
}
