//! The readers that pcscd knows. Its library blocks without a limit when the daemon hangs, so it is
//! asked on a thread of its own, which is abandoned after the deadline and ends with the process.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::printable;

/// What pcscd said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CardReaders {
    /// Its readers in the order of their names; perhaps none.
    Found(Vec<CardReader>),
    /// It could not be asked; why, in words, with the way out.
    Unavailable(String),
}

/// A reader, or one slot of a reader that has several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardReader {
    /// Its whole name, as PC/SC has it.
    pub name: String,
    /// What lies in it.
    pub holds: Presence,
}

/// What lies in a reader, as far as pcscd tells. What card it is, it may not be asked: its answer
/// to reset can hold a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No card.
    Empty,
    /// A card.
    Card,
    /// A card that does not answer to its power-up; some readers tell an empty SAM slot so.
    Mute,
    /// Not told.
    Unknown,
}

/// What a reader is for, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReaderKind {
    /// Cards that are put on it.
    Contactless,
    /// Cards that are put into it.
    Contact,
    /// A slot inside the kiosk, for a security module.
    Sam,
    /// The name does not tell, or tells several.
    Unknown,
}

impl CardReaders {
    /// Asks pcscd, and waits for its answer as long as this.
    pub fn ask(limit: Duration) -> Self {
        Self::ask_within(limit, list)
    }

    /// The readers, none if pcscd could not be asked.
    pub fn found(&self) -> &[CardReader] {
        match self {
            Self::Found(readers) => readers,
            Self::Unavailable(_) => &[],
        }
    }

    /// The names of the readers.
    pub fn names(&self) -> Vec<String> {
        self.found().iter().map(|reader| reader.name.clone()).collect()
    }

    /// Runs a blocking question on a thread of its own.
    pub(super) fn ask_within(
        limit: Duration,
        question: impl FnOnce() -> Self + Send + 'static,
    ) -> Self {
        let (answer, answered) = mpsc::channel();
        let thread = thread::Builder::new().name("card readers".to_owned()).spawn(move || {
            // Nobody listens any more when the deadline was missed.
            let _ = answer.send(question());
        });
        if let Err(error) = thread {
            return Self::Unavailable(format!("no thread to ask pcscd: {error}"));
        }
        answered.recv_timeout(limit).unwrap_or_else(|missed| {
            Self::Unavailable(match missed {
                RecvTimeoutError::Timeout => {
                    format!("pcscd did not answer within {} ms", limit.as_millis())
                }
                RecvTimeoutError::Disconnected => "asking pcscd failed".to_owned(),
            })
        })
    }
}

impl CardReader {
    /// What the reader is for, by its name. Products with several interfaces name the interface in
    /// brackets, which then alone decides.
    #[must_use]
    pub fn kind(&self) -> ReaderKind {
        let name = self.name.to_ascii_uppercase();
        let interface =
            name.split_once('[').and_then(|(_, rest)| rest.split_once(']')).map(|(inner, _)| inner);
        let telling = interface.unwrap_or(&name);
        let words: Vec<&str> = telling
            .split(|c: char| !c.is_ascii_alphanumeric())
            .filter(|word| !word.is_empty())
            .collect();
        let any = |known: &[&str]| words.iter().any(|word| known.contains(word));
        // ACS tells its SAM slots by number: the second interface of the ACR1252, under ACS's own
        // driver, and the third slot of the ACR1281.
        if (name.contains("ACR1252") && name.contains("(2)"))
            || (name.contains("ACR1281") && name.ends_with(" 02"))
        {
            return ReaderKind::Sam;
        }
        let contactless = any(&["CONTACTLESS", "PICC", "CL", "NFC", "5422CL", "5127", "ACR122U"]);
        let contact = any(&["CONTACT", "ICC", "5422", "ACR38", "ACR38U", "ACR39", "ACR39U"]);
        let sam = any(&["SAM", "SAM1", "SAM2", "SAM3", "SAM4"]);
        match (contactless, contact, sam) {
            (true, false, false) => ReaderKind::Contactless,
            (false, true, false) => ReaderKind::Contact,
            (false, false, true) => ReaderKind::Sam,
            _ => ReaderKind::Unknown,
        }
    }
}

fn list() -> CardReaders {
    let found = pcsc::Context::establish(pcsc::Scope::User)
        .and_then(|context| Ok((context.list_readers_owned()?, context)));
    match found {
        Ok((names, context)) => {
            let mut states: Vec<_> = names
                .into_iter()
                .map(|name| pcsc::ReaderState::new(name, pcsc::State::UNAWARE))
                .collect();
            // For a state that is unaware the answer comes at once. Where a reader has gone
            // meanwhile there is none, and what lies in the others stays unknown.
            let told = context.get_status_change(Duration::ZERO, &mut states).is_ok();
            let mut readers: Vec<CardReader> = states
                .iter()
                .map(|state| CardReader {
                    name: printable(&state.name().to_string_lossy()),
                    holds: if told { presence(state.event_state()) } else { Presence::Unknown },
                })
                .collect();
            readers.sort_by(|a, b| a.name.cmp(&b.name));
            CardReaders::Found(readers)
        }
        Err(pcsc::Error::NoService) => CardReaders::Unavailable(
            "pcscd is not running: install the package pcscd, and start it with \
             systemctl enable --now pcscd.socket"
                .to_owned(),
        ),
        Err(error) => CardReaders::Unavailable(format!("pcscd: {error}")),
    }
}

fn presence(state: pcsc::State) -> Presence {
    if state.contains(pcsc::State::MUTE) {
        Presence::Mute
    } else if state.contains(pcsc::State::PRESENT) {
        Presence::Card
    } else if state.contains(pcsc::State::EMPTY) {
        Presence::Empty
    } else {
        Presence::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_readers_name_tells_what_it_is_for() {
        for (name, expected) in [
            ("FT R502 Contactless Reader 00 00", ReaderKind::Contactless),
            ("FT R502 Contact Reader 01 00", ReaderKind::Contact),
            ("ACS ACR122U PICC Interface 00 00", ReaderKind::Contactless),
            ("ACS ACR1252 1S CL Reader [ACR1252 Dual Reader PICC] 00 00", ReaderKind::Contactless),
            ("ACS ACR1252 1S CL Reader [ACR1252 Dual Reader SAM] 01 00", ReaderKind::Sam),
            ("ACS ACR1252 1S CL Reader(2) 01 00", ReaderKind::Sam),
            ("ACS ACR1281 1S Dual Reader 00 02", ReaderKind::Sam),
            ("ACS ACR1281 1S Dual Reader 00 00", ReaderKind::Unknown),
            ("ACS ACR39U ICC Reader 00 00", ReaderKind::Contact),
            ("HID Global OMNIKEY 5422CL Smartcard Reader 00 00", ReaderKind::Contactless),
            ("HID Global OMNIKEY 5422 Smartcard Reader 01 00", ReaderKind::Contact),
            ("Identiv uTrust 4711 F CL+SAM 00 00", ReaderKind::Unknown),
            ("Samsung Example Reader 00 00", ReaderKind::Unknown),
            ("Kiosk SAM1 00 00", ReaderKind::Sam),
        ] {
            let reader = CardReader { name: name.to_owned(), holds: Presence::Empty };
            assert_eq!(reader.kind(), expected, "{name}");
        }
    }

    #[test]
    fn what_lies_in_a_reader_is_what_pcscd_says() {
        use pcsc::State;
        for (state, expected) in [
            (State::CHANGED | State::EMPTY, Presence::Empty),
            (State::CHANGED | State::PRESENT | State::INUSE, Presence::Card),
            (State::CHANGED | State::PRESENT | State::MUTE, Presence::Mute),
            (State::CHANGED | State::UNAVAILABLE, Presence::Unknown),
        ] {
            assert_eq!(presence(state), expected);
        }
    }
}
