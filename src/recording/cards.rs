//! What happens at card readers' slots, to lines of a recording and back.
//!
//! Written and read here side by side, so that both have the same words.

use hharome_hardware::port::card::tape::CardEvent;
use hharome_hardware::port::card::{
    CardFault, Content, End, FaultKind, Holds, Power, Powered, Protocol,
};

use super::format::{CardFaultLine, CardLine, EndedLine, HoldsLine, PoweredLine, hex, unhex};

const POWERS: [(&str, Power); 3] =
    [("asItIs", Power::AsItIs), ("warm", Power::Warm), ("cold", Power::Cold)];

const ENDS: [(&str, End); 2] = [("leave", End::Leave), ("unpower", End::Unpower)];

const PROTOCOLS: [(&str, Protocol); 2] = [("T=0", Protocol::T0), ("T=1", Protocol::T1)];

const FAULTS: [(&str, FaultKind); 9] = [
    ("noService", FaultKind::NoService),
    ("noReader", FaultKind::NoReader),
    ("noCard", FaultKind::NoCard),
    ("removed", FaultKind::Removed),
    ("reset", FaultKind::Reset),
    ("mute", FaultKind::Mute),
    ("occupied", FaultKind::Occupied),
    ("silent", FaultKind::Silent),
    ("other", FaultKind::Other),
];

/// The event as a line has it.
pub(super) fn line(event: &CardEvent) -> CardLine {
    let mut line = CardLine::default();
    match event {
        CardEvent::Opened(reader) => line.opened = Some(reader.clone()),
        CardEvent::NotOpened(fault) => line.not_opened = Some(fault_line(fault)),
        CardEvent::Holds(holds) => line.holds = Some(holds_line(holds)),
        CardEvent::Gone(fault) => line.gone = Some(fault_line(fault)),
        CardEvent::Connect(power) => line.connect = Some(word(&POWERS, *power)),
        CardEvent::Connected(Powered { atr, protocol }) => {
            let (atr, protocol) = (hex(atr), word(&PROTOCOLS, *protocol));
            line.connected = Some(PoweredLine { atr, protocol });
        }
        CardEvent::NotConnected(fault) => line.not_connected = Some(fault_line(fault)),
        CardEvent::Begin => line.begin = true,
        CardEvent::Begun => line.begun = true,
        CardEvent::NotBegun(fault) => line.not_begun = Some(fault_line(fault)),
        CardEvent::Unanswered(fault) => line.unanswered = Some(fault_line(fault)),
        CardEvent::Ended(renewed) => line.ended = Some(EndedLine { renewed: *renewed }),
        CardEvent::Disconnect(end) => line.disconnect = Some(word(&ENDS, *end)),
        CardEvent::Escape => line.escape = true,
        CardEvent::Closed => line.closed = true,
    }
    line
}

/// The event that a line has; `None` if it is one that this version does not know.
///
/// # Errors
/// Words: a value is none that can stand there.
pub(super) fn event(line: CardLine) -> Result<Option<CardEvent>, String> {
    let CardLine { begin, begun, escape, closed, .. } = line;
    Ok(Some(if let Some(reader) = line.opened {
        CardEvent::Opened(reader)
    } else if let Some(what) = line.not_opened {
        CardEvent::NotOpened(fault("notOpened", what)?)
    } else if let Some(what) = line.holds {
        CardEvent::Holds(holds(what)?)
    } else if let Some(what) = line.gone {
        CardEvent::Gone(fault("gone", what)?)
    } else if let Some(power) = line.connect {
        CardEvent::Connect(value("connect", &POWERS, &power)?)
    } else if let Some(PoweredLine { atr, protocol }) = line.connected {
        let atr = bytes("connected.atr", &atr)?;
        let protocol = value("connected.protocol", &PROTOCOLS, &protocol)?;
        CardEvent::Connected(Powered { atr, protocol })
    } else if let Some(what) = line.not_connected {
        CardEvent::NotConnected(fault("notConnected", what)?)
    } else if let Some(what) = line.not_begun {
        CardEvent::NotBegun(fault("notBegun", what)?)
    } else if let Some(what) = line.unanswered {
        CardEvent::Unanswered(fault("unanswered", what)?)
    } else if let Some(EndedLine { renewed }) = line.ended {
        CardEvent::Ended(renewed)
    } else if let Some(end) = line.disconnect {
        CardEvent::Disconnect(value("disconnect", &ENDS, &end)?)
    } else if begin {
        CardEvent::Begin
    } else if begun {
        CardEvent::Begun
    } else if escape {
        CardEvent::Escape
    } else if closed {
        CardEvent::Closed
    } else {
        return Ok(None);
    }))
}

fn holds_line(holds: &Holds) -> HoldsLine {
    let (what, atr) = match &holds.what {
        Content::Nothing => ("nothing", None),
        Content::Card(atr) => ("card", Some(hex(atr))),
        Content::Mute => ("mute", None),
    };
    HoldsLine { what: what.to_owned(), atr, number: holds.number }
}

fn holds(line: HoldsLine) -> Result<Holds, String> {
    let what = match line.what.as_str() {
        "nothing" => Content::Nothing,
        "card" => Content::Card(bytes("holds.atr", &line.atr.unwrap_or_default())?),
        "mute" => Content::Mute,
        _ => return Err("card.holds.what: expected nothing, card or mute".to_owned()),
    };
    Ok(Holds { what, number: line.number })
}

fn fault_line(fault: &CardFault) -> CardFaultLine {
    CardFaultLine { kind: word(&FAULTS, fault.kind), detail: fault.detail.clone() }
}

fn fault(key: &str, line: CardFaultLine) -> Result<CardFault, String> {
    let kind = value(&format!("{key}.kind"), &FAULTS, &line.kind)?;
    Ok(CardFault::new(kind, line.detail))
}

fn word<T: Copy + PartialEq>(words: &[(&str, T)], value: T) -> String {
    let word = words.iter().find(|(_, one)| *one == value);
    word.map(|(word, _)| (*word).to_owned()).unwrap_or_default()
}

/// Words say what may stand there, never what does: a recording may hold what is a person's.
fn value<T: Copy>(key: &str, words: &[(&str, T)], word: &str) -> Result<T, String> {
    words.iter().find(|(one, _)| *one == word).map(|(_, value)| *value).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("card.{key}: expected one of {}", words.join(", "))
    })
}

fn bytes(key: &str, text: &str) -> Result<Vec<u8>, String> {
    unhex(text).map(Vec::from).ok_or_else(|| format!("card.{key} is no hex"))
}

#[cfg(test)]
mod tests;
