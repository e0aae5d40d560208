//! The hand that works a virtual device: puts cards on, lifts them, holds codes in front of a
//! scanner, breaks things.
//!
//! Used by `bridge.simulate` for the daemon's simulated devices, and by `hharome virtual` for the
//! one that it offers.

use hharome_hardware::code::virtual_scanner::{self, ScannerHand};
use hharome_hardware::id_card::people::{Card, CardDescription, PEOPLE, person};
use hharome_hardware::id_card::virtual_reader::{self, ReaderHand};
use hharome_hardware::port::far_end::Plug;
use serde_json::value::RawValue;

/// A hand at one virtual device, and its plug.
pub enum Hand {
    /// At an ID-card reader.
    Reader(ReaderHand, Plug),
    /// At a scanner.
    Scanner(ScannerHand, Plug),
}

/// What a hand is asked to do.
#[derive(Clone, Copy, Default)]
pub struct Gesture<'a> {
    /// `put`, `lift`, `scan`, `fault`.
    pub verb: &'a str,
    /// `put`: a person's name in quotes, or a card described in JSON; left out: the first person.
    pub card: Option<&'a RawValue>,
    /// `scan`: the code.
    pub text: Option<&'a str>,
    /// `fault`: which one; `none` ends it.
    pub fault: Option<&'a str>,
}

/// Why a hand cannot do it. Never holds what is on a card.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum GestureError {
    /// No such verb for this device.
    #[error("no such verb: expected one of {0}")]
    Verb(&'static str),
    /// No such fault for this device.
    #[error("no such fault: expected one of {0}")]
    Fault(&'static str),
    /// Nothing to scan.
    #[error("scan: expected the code to scan, not empty")]
    Text,
    /// A code that the scanner does not see.
    #[error("scan: {0}")]
    Unseen(#[from] virtual_scanner::Unseen),
    /// No such person.
    #[error("no such person: expected one of {0}, or an object that describes a card")]
    Person(String),
    /// A card that cannot be made.
    #[error("card: {0}")]
    Card(String),
}

impl Hand {
    /// Does it.
    ///
    /// # Errors
    /// What is wrong with the gesture, and what is allowed.
    pub fn make(&self, gesture: &Gesture<'_>) -> Result<(), GestureError> {
        match self {
            Self::Reader(hand, plug) => at_reader(hand, plug, gesture),
            Self::Scanner(hand, plug) => at_scanner(hand, plug, gesture),
        }
    }
}

fn at_reader(hand: &ReaderHand, plug: &Plug, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match gesture.verb {
        "put" => hand.put(card(gesture.card)?),
        "lift" => hand.lift(),
        "fault" => {
            let fault = match gesture.fault {
                Some("silence") => virtual_reader::Fault::Silence,
                Some("bad-checksum") => virtual_reader::Fault::BadChecksum,
                Some("cut-frame") => virtual_reader::Fault::CutFrame,
                Some("unplug") => return pull(plug),
                Some("none") => {
                    hand.mend();
                    return put_in(plug);
                }
                _ => {
                    let allowed = "silence, bad-checksum, cut-frame, unplug, none";
                    return Err(GestureError::Fault(allowed));
                }
            };
            hand.fault(fault, None);
        }
        _ => return Err(GestureError::Verb("put, lift, fault")),
    }
    Ok(())
}

fn at_scanner(hand: &ScannerHand, plug: &Plug, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match gesture.verb {
        "scan" => match gesture.text {
            Some(text) if !text.is_empty() => hand.scan(text.as_bytes())?,
            _ => return Err(GestureError::Text),
        },
        "fault" => match gesture.fault {
            Some("silence") => hand.fault(virtual_scanner::Fault::Silence),
            Some("cut-frame") => hand.fault(virtual_scanner::Fault::CutFrame),
            Some("unplug") => {
                hand.clear();
                return pull(plug);
            }
            Some("none") => {
                hand.mend();
                return put_in(plug);
            }
            _ => return Err(GestureError::Fault("silence, cut-frame, unplug, none")),
        },
        _ => return Err(GestureError::Verb("scan, fault")),
    }
    Ok(())
}

fn pull(plug: &Plug) -> Result<(), GestureError> {
    plug.set(false);
    Ok(())
}

fn put_in(plug: &Plug) -> Result<(), GestureError> {
    plug.set(true);
    Ok(())
}

fn card(given: Option<&RawValue>) -> Result<Card, GestureError> {
    let Some(given) = given.filter(|given| given.get() != "null") else {
        return Ok(Card::zhang_san());
    };
    if let Ok(name) = serde_json::from_str::<String>(given.get()) {
        return person(&name).ok_or_else(|| {
            let names: Vec<_> = PEOPLE.iter().map(|person| person.slug).collect();
            GestureError::Person(names.join(", "))
        });
    }
    if !given.get().starts_with('{') {
        return Err(GestureError::Card(NEITHER.to_owned()));
    }
    let described: CardDescription = serde_json::from_str(given.get())
        // serde's words may quote a value; the key that it names is enough.
        .map_err(|error| GestureError::Card(described_error(&error)))?;
    Card::from_description(&described).map_err(|error| GestureError::Card(error.to_string()))
}

const NEITHER: &str = "expected a person's name, or an object that describes a card";

fn described_error(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("unknown field") { text } else { NEITHER.to_owned() }
}
