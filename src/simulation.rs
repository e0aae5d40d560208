//! The hand that works a virtual device: puts cards on and into it, lifts them, holds codes in front
//! of a scanner, lets people come and go, breaks things.
//!
//! Used by `bridge.simulate` for the daemon's simulated devices, and by `hharome virtual` for the
//! one that it offers.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_hardware::code::virtual_scanner::{self, ScannerHand};
use hharome_hardware::id_card::people::{Card, CardDescription, PEOPLE, person};
use hharome_hardware::id_card::virtual_reader::{self, ReaderHand};
use hharome_hardware::infrared::virtual_sensor::SensorHand;
use hharome_hardware::input::virtual_keyboard::KeyboardHand;
use hharome_hardware::microphone::virtual_microphone::{self, MicrophoneHand};
use hharome_hardware::microphone::wav::{self, WavError};
use hharome_hardware::port::card::memory::{self, CardHand};
use hharome_hardware::port::far_end::Plug;
use hharome_hardware::receipt::virtual_printer::paper::Sheet;
use hharome_hardware::receipt::virtual_printer::{self, PrinterHand};
use hharome_hardware::screen::frame::Frame;
use hharome_hardware::screen::virtual_screen::{SIZE, ScreenHand};
use hharome_hardware::speech::virtual_server::{self, ServerHand};
use hharome_hardware::virtual_card::social_security::{ContentsDescription, SocialSecurityChip};
use hharome_hardware::virtual_card::{SLUGS, VirtualCard, by_slug};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::face::simulated::{FaceHand, Fault, OUTCOMES};

/// A hand at one virtual device, and its plug.
pub enum Hand {
    /// At an ID-card reader.
    Reader(ReaderHand, Plug),
    /// At a scanner.
    Scanner(ScannerHand, Plug),
    /// At a presence sensor.
    Sensor(SensorHand, Plug),
    /// At a keyboard and touch screen.
    Keyboard(KeyboardHand, Plug),
    /// At a card slot; `put` without a card puts this one of [`SLUGS`].
    Card(CardHand, &'static str),
    /// At a microphone.
    Microphone(MicrophoneHand, Plug),
    /// At the two slots for PSAMs.
    Sams([CardHand; 2]),
    /// At a card reader that is there for its buzzer only.
    Beeper(CardHand),
    /// At a receipt printer.
    Printer(PrinterHand, Plug),
    /// At a speech service.
    Speech(ServerHand, Plug),
    /// At a second screen; the plug is that of its display server.
    Screen(ScreenHand, Plug),
    /// At a face engine.
    Face(FaceHand, Plug),
    /// At a card that lies in somebody else's reader; as [`Hand::Card`], and the reader cannot be
    /// worked.
    LoneCard(CardHand, &'static str),
}

/// What a hand is asked to do.
#[derive(Clone, Copy, Default)]
pub struct Gesture<'a> {
    /// `put`, `lift`, `scan`, `tone`, `silence`, `wav`, `come`, `go`, `pulse`, `key`, `touch`, `type`, `paper`, `restart`, `outcome`, `fault`.
    pub verb: &'a str,
    /// `put`: a person's or a card's name in quotes, or a card described in JSON; left out: the
    /// first person, or the device's usual card.
    pub card: Option<&'a RawValue>,
    /// `scan`: the code; `type`: what is typed; `paper`: how many rows of dots; `outcome`: which one.
    pub text: Option<&'a str>,
    /// `fault`: which one; `none` ends it.
    pub fault: Option<&'a str>,
    /// Which of two slots, 1 or 2; left out: 1.
    pub slot: Option<u8>,
    /// `tone`: how many Hz.
    pub hz: Option<u32>,
    /// `wav`: a WAV file in base64.
    pub wav: Option<&'a str>,
}

/// Receipts that are looked at: the last few.
const LOOKED_AT: usize = 5;

/// What a virtual device shows.
pub struct View {
    /// Counts up with each receipt; 1 of a screen.
    pub number: u64,
    /// Whether it is finished: a receipt that is cut off.
    pub finished: bool,
    what: Seen,
}

enum Seen {
    Paper(Sheet),
    Screen(Arc<Frame>),
}

/// A picture of it.
pub struct Picture {
    /// In dots.
    pub width: u32,
    /// In dots.
    pub height: u32,
    /// A PNG file.
    pub png: Vec<u8>,
}

impl View {
    /// What is seen, as a picture; takes its milliseconds. `None` for paper without a row.
    #[must_use]
    pub fn picture(&self) -> Option<Picture> {
        match &self.what {
            Seen::Paper(sheet) => {
                let width = u32::try_from(sheet.row_bytes * 8).ok()?;
                let height = u32::try_from(sheet.rows()).ok()?;
                Some(Picture { width, height, png: sheet.png()? })
            }
            Seen::Screen(frame) => {
                let Frame { width, height, .. } = **frame;
                Some(Picture { width, height, png: frame.png()? })
            }
        }
    }
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
    /// A tone without a frequency.
    #[error("tone: expected hz, a whole number of 1 to 8000")]
    Hz,
    /// A sound that is none.
    #[error("wav: expected a WAV file in base64: {0}")]
    Wav(&'static str),
    /// A file that is no such sound.
    #[error("wav: {0}")]
    Sound(#[from] WavError),
    /// A code that the scanner does not see.
    #[error("scan: {0}")]
    Unseen(#[from] virtual_scanner::Unseen),
    /// Nothing to type, or what no key types.
    #[error("type: expected a text of ASCII characters, not empty")]
    Keys,
    /// An outcome that no face call has.
    #[error(
        "outcome: expected one of {}, or a subCode of doStorageFaceInfo",
        OUTCOMES.join(", ")
    )]
    Outcome,
    /// A roll without a length.
    #[error("paper: expected how many rows of dots it has, 0 to 1000000")]
    Paper,
    /// No such person.
    #[error("no such person: expected one of {0}, or an object that describes a card")]
    Person(String),
    /// No such card.
    #[error(
        "no such card: expected one of {}, or an object that describes a social-security card",
        SLUGS.join(", ")
    )]
    Slug,
    /// A slot of a device that has none.
    #[error("slot: this device has no slots to choose from")]
    NoSlots,
    /// No such slot.
    #[error("slot: expected 1 or 2")]
    Slot,
    /// A card that cannot be made.
    #[error("card: {0}")]
    Card(String),
}

impl Hand {
    /// What is to be seen: the last few receipts, oldest first; the picture of a screen.
    #[must_use]
    pub fn look(&self) -> Vec<View> {
        match self {
            Self::Printer(hand, _) => {
                let (sheets, cut) = hand.last_sheets(LOOKED_AT);
                let whole = sheets.iter().filter(|sheet| sheet.cut).count();
                let first = cut + 1 - u64::try_from(whole).unwrap_or(cut);
                let view = |(number, sheet): (u64, Sheet)| View {
                    number,
                    finished: sheet.cut,
                    what: Seen::Paper(sheet),
                };
                (first..).zip(sheets).map(view).collect()
            }
            Self::Screen(hand, _) => {
                let picture = hand.picture().into_iter();
                picture
                    .map(|frame| View { number: 1, finished: true, what: Seen::Screen(frame) })
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// What is wrong with the gesture, and what is allowed.
    pub fn make(&self, gesture: &Gesture<'_>) -> Result<(), GestureError> {
        if gesture.slot.is_some() && !matches!(self, Self::Sams(_)) {
            return Err(GestureError::NoSlots);
        }
        match self {
            Self::Reader(hand, plug) => at_reader(hand, plug, gesture),
            Self::Scanner(hand, plug) => at_scanner(hand, plug, gesture),
            Self::Microphone(hand, plug) => at_microphone(hand, plug, gesture),
            Self::Sensor(hand, plug) => at_sensor(hand, plug, gesture),
            Self::Keyboard(hand, plug) => at_keyboard(hand, plug, gesture),
            Self::Card(hand, usual) => at_slot(hand, usual, gesture),
            Self::Sams([first, second]) => match gesture.slot {
                None | Some(1) => at_slot(first, "psam", gesture),
                Some(2) => at_slot(second, "psam", gesture),
                Some(_) => Err(GestureError::Slot),
            },
            Self::Beeper(hand) => at_beeper(hand, gesture),
            Self::Printer(hand, plug) => at_printer(hand, plug, gesture),
            Self::Speech(hand, plug) => at_speech(hand, plug, gesture),
            Self::Screen(hand, plug) => at_screen(hand, plug, gesture),
            Self::Face(hand, plug) => at_face(hand, plug, gesture),
            Self::LoneCard(hand, usual) => at_card(hand, usual, gesture),
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

fn at_keyboard(
    hand: &KeyboardHand,
    plug: &Plug,
    gesture: &Gesture<'_>,
) -> Result<(), GestureError> {
    // Any will do: it is not looked at.
    const SPACE: u16 = 57;
    match (gesture.verb, gesture.fault) {
        ("key", _) => hand.press(SPACE),
        ("touch", _) => hand.touch(),
        ("type", _) => {
            let text = gesture.text.filter(|text| !text.is_empty()).ok_or(GestureError::Keys)?;
            hand.type_text(text).map_err(|_| GestureError::Keys)?;
        }
        ("fault", Some("unplug")) => return pull(plug),
        ("fault", Some("none")) => return put_in(plug),
        ("fault", _) => return Err(GestureError::Fault("unplug, none")),
        _ => return Err(GestureError::Verb("key, touch, type, fault")),
    }
    Ok(())
}

fn at_microphone(
    hand: &MicrophoneHand,
    plug: &Plug,
    gesture: &Gesture<'_>,
) -> Result<(), GestureError> {
    use virtual_microphone::Fault;
    match gesture.verb {
        "tone" => hand.tone(gesture.hz.ok_or(GestureError::Hz)?),
        "silence" => hand.silence(),
        "wav" => {
            let base64 = gesture.wav.ok_or(GestureError::Wav("there is none"))?;
            let file = STANDARD.decode(base64).map_err(|_| GestureError::Wav("it is none"))?;
            hand.say(&wav::samples(&file)?);
        }
        "fault" => match gesture.fault {
            Some("stall") => hand.fault(Fault::Stall),
            Some("fast") => hand.fault(Fault::Fast),
            Some("held") => hand.fault(Fault::Held),
            Some("gap") => hand.gap(),
            Some("unplug") => return pull(plug),
            Some("none") => {
                hand.mend();
                return put_in(plug);
            }
            _ => return Err(GestureError::Fault("unplug, held, stall, fast, gap, none")),
        },
        _ => return Err(GestureError::Verb("tone, silence, wav, fault")),
    }
    Ok(())
}

fn at_sensor(hand: &SensorHand, plug: &Plug, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match gesture.verb {
        "come" => hand.come(),
        "go" => hand.go(),
        "pulse" => hand.pulse(),
        "fault" => match gesture.fault {
            Some("silence") => hand.silence(),
            Some("unplug") => return pull(plug),
            Some("none") => {
                hand.mend();
                return put_in(plug);
            }
            _ => return Err(GestureError::Fault("silence, unplug, none")),
        },
        _ => return Err(GestureError::Verb("come, go, pulse, fault")),
    }
    Ok(())
}

/// The card, and the reader that it lies in.
fn at_slot(hand: &CardHand, usual: &str, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match (gesture.verb, gesture.fault) {
        ("fault", Some("occupied")) => hand.fault(memory::Fault::Occupied),
        ("fault", Some("unplug")) => hand.plug(false),
        ("fault", Some("none")) => {
            hand.mend();
            hand.plug(true);
        }
        _ => {
            let allowed = "silence, mute, vanish, occupied, unplug, none";
            return at_card(hand, usual, gesture).map_err(|error| match error {
                GestureError::Fault(_) => GestureError::Fault(allowed),
                other => other,
            });
        }
    }
    Ok(())
}

fn at_card(hand: &CardHand, usual: &str, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match gesture.verb {
        "put" => hand.put(virtual_card(gesture.card, usual)?),
        "lift" => hand.lift(),
        "fault" => match gesture.fault {
            Some("silence") => hand.fault(memory::Fault::Silence),
            Some("mute") => hand.fault(memory::Fault::Mute),
            Some("vanish") => hand.fault(memory::Fault::Vanish),
            Some("none") => hand.mend(),
            _ => return Err(GestureError::Fault("silence, mute, vanish, none")),
        },
        _ => return Err(GestureError::Verb("put, lift, fault")),
    }
    Ok(())
}

fn at_beeper(hand: &CardHand, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match (gesture.verb, gesture.fault) {
        ("fault", Some("unplug")) => hand.plug(false),
        ("fault", Some("none")) => hand.plug(true),
        ("fault", _) => return Err(GestureError::Fault("unplug, none")),
        _ => return Err(GestureError::Verb("fault")),
    }
    Ok(())
}

fn at_printer(hand: &PrinterHand, plug: &Plug, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    use virtual_printer::Fault;
    match gesture.verb {
        "paper" => {
            let rows = gesture.text.and_then(|text| text.parse().ok());
            hand.put_paper(rows.filter(|rows| *rows <= 1_000_000).ok_or(GestureError::Paper)?);
        }
        "restart" => hand.switch_off_and_on(),
        "fault" => hand.fault(match gesture.fault {
            Some("paper-out") => Fault::PaperOut,
            Some("near-end") => Fault::NearEnd,
            Some("cover-open") => Fault::CoverOpen,
            Some("offline") => Fault::Offline,
            Some("cutter") => Fault::Cutter,
            Some("hot") => Fault::Hot,
            Some("broken") => Fault::Broken,
            Some("stall") => Fault::StopsReading,
            Some("silence") => Fault::Silence,
            Some("unplug") => return pull(plug),
            Some("none") => {
                hand.mend();
                return put_in(plug);
            }
            _ => {
                let allowed = "paper-out, near-end, cover-open, offline, cutter, hot, broken, stall, \
                               silence, unplug, none";
                return Err(GestureError::Fault(allowed));
            }
        }),
        _ => return Err(GestureError::Verb("paper, restart, fault")),
    }
    Ok(())
}

fn at_speech(hand: &ServerHand, plug: &Plug, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match (gesture.verb, gesture.fault) {
        ("fault", Some("silence")) => hand.fault(virtual_server::Fault::Silence),
        ("fault", Some("refuse")) => hand.fault(virtual_server::Fault::Refuse),
        ("fault", Some("unplug")) => return pull(plug),
        ("fault", Some("none")) => {
            hand.mend();
            return put_in(plug);
        }
        ("fault", _) => return Err(GestureError::Fault("silence, refuse, unplug, none")),
        _ => return Err(GestureError::Verb("fault")),
    }
    Ok(())
}

fn at_screen(hand: &ScreenHand, plug: &Plug, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match (gesture.verb, gesture.fault) {
        ("fault", Some("silence")) => hand.silence(true),
        ("fault", Some("unplug")) => hand.output(None),
        ("fault", Some("crash")) => return pull(plug),
        ("fault", Some("none")) => {
            hand.silence(false);
            hand.output(Some(SIZE));
            return put_in(plug);
        }
        ("fault", _) => return Err(GestureError::Fault("silence, unplug, crash, none")),
        _ => return Err(GestureError::Verb("fault")),
    }
    Ok(())
}

fn at_face(hand: &FaceHand, plug: &Plug, gesture: &Gesture<'_>) -> Result<(), GestureError> {
    match (gesture.verb, gesture.fault) {
        ("outcome", _) => {
            if !gesture.text.is_some_and(|word| hand.ends(word)) {
                return Err(GestureError::Outcome);
            }
        }
        ("fault", Some("silence")) => hand.fault(Some(Fault::Silence)),
        ("fault", Some("garbage")) => hand.fault(Some(Fault::Garbage)),
        ("fault", Some("lies")) => hand.fault(Some(Fault::Lies)),
        ("fault", Some("cut-frame")) => hand.fault(Some(Fault::Cut)),
        ("fault", Some("unplug")) => return pull(plug),
        ("fault", Some("none")) => {
            hand.fault(None);
            return put_in(plug);
        }
        ("fault", _) => {
            let allowed = "silence, garbage, lies, cut-frame, unplug, none";
            return Err(GestureError::Fault(allowed));
        }
        _ => return Err(GestureError::Verb("outcome, fault")),
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
    let described: CardDescription = described(given, NEITHER)?;
    Card::from_description(&described).map_err(|error| GestureError::Card(error.to_string()))
}

fn virtual_card(
    given: Option<&RawValue>,
    usual: &str,
) -> Result<Box<dyn VirtualCard>, GestureError> {
    let Some(given) = given.filter(|given| given.get() != "null") else {
        return by_slug(usual).ok_or(GestureError::Slug);
    };
    if !given.get().starts_with('{') {
        let slug = serde_json::from_str::<String>(given.get());
        return slug.ok().and_then(|slug| by_slug(&slug)).ok_or(GestureError::Slug);
    }
    let expected = "expected texts that describe a social-security card";
    let described: ContentsDescription = described(given, expected)?;
    let chip = SocialSecurityChip::from_description(&described);
    Ok(Box::new(chip.map_err(|error| GestureError::Card(error.to_string()))?))
}

const NEITHER: &str = "expected a person's name, or an object that describes a card";

/// Reads a description, or says what is `expected` instead.
fn described<'a, T: Deserialize<'a>>(
    given: &'a RawValue,
    expected: &str,
) -> Result<T, GestureError> {
    serde_json::from_str(given.get()).map_err(|error| {
        let words = error.to_string();
        // serde's words may quote a value; the key that it names is enough.
        let told = if words.starts_with("unknown field") { words } else { expected.to_owned() };
        GestureError::Card(told)
    })
}

#[cfg(test)]
mod tests;
