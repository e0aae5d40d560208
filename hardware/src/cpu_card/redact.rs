//! What CPU cards, PSAMs and readers say, replaced in the events of their ports.
//!
//! Owns nothing but what was asked last: an answer comes with one event, whole, so nothing is held
//! back. The recorder pushes every event of the port; each comes out at once. By what a thing is
//! replaced is [`crate::card::redact`]'s to say, and the same for what clients get.

use crate::card::atr::historical_of_ats;
use crate::card::redact::{ToldAts, answer, atr, command};
use crate::port::card::tape::CardEvent;
use crate::port::card::{Content, Holds, Powered};
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::{At, Redact};

#[cfg(test)]
mod tests;

/// How a reader is asked for the ATS of the card, but for the length (PC/SC part 3, 3.2.2.1.3).
const GET_ATS: [u8; 4] = [0xFF, 0xCA, 0x01, 0x00];

/// A reader's answer about itself: a status, or a version in some words. A longer one may be
/// anything.
const MOST_OF_READER: usize = 32;

/// Replaces what is a card's or its holder's in the events of one card port.
pub struct CpuCardRedactor {
    pseudonyms: Pseudonyms,
    told: ToldAts,
    /// The historical bytes of the card's ATR, where those are of an ATS.
    historical: Option<Vec<u8>>,
    asked: Asked,
}

/// Who was asked what.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The card, anything.
    Card,
    /// The reader, for the card's ATS.
    Ats,
    /// The reader itself: the next command, then its answer. Only drivers ask it, and never about a
    /// card.
    Reader,
}

impl CpuCardRedactor {
    /// A redactor at the beginning of a port's events; the ATSs that pass are `told` from then on.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms, told: ToldAts) -> Self {
        Self { pseudonyms, told, historical: None, asked: Asked::Card }
    }

    fn replaced(&mut self, event: PortEvent) -> PortEvent {
        match event {
            PortEvent::Out(bytes) => {
                if self.asked == Asked::Reader {
                    return PortEvent::Out(bytes);
                }
                let gets_ats = bytes.len() == GET_ATS.len() + 1 && bytes.starts_with(&GET_ATS);
                self.asked = if gets_ats { Asked::Ats } else { Asked::Card };
                PortEvent::Out(command(&bytes).into())
            }
            PortEvent::In(bytes) => {
                let answered = match std::mem::replace(&mut self.asked, Asked::Card) {
                    Asked::Ats => {
                        self.told.learn(&self.pseudonyms, &bytes, self.historical.as_deref())
                    }
                    Asked::Card => self.told.answer(&bytes),
                    Asked::Reader if bytes.len() <= MOST_OF_READER => return PortEvent::In(bytes),
                    Asked::Reader => answer(&bytes),
                };
                PortEvent::In(answered.into())
            }
            PortEvent::Card(event) => PortEvent::Card(self.card(event)),
            other => other,
        }
    }

    fn card(&mut self, event: CardEvent) -> CardEvent {
        match &event {
            CardEvent::Connected(Powered { atr, .. }) => {
                self.historical = historical_of_ats(atr).map(<[u8]>::to_vec);
            }
            CardEvent::Escape => self.asked = Asked::Reader,
            CardEvent::Unanswered(_) => self.asked = Asked::Card,
            _ => {}
        }
        card_event(&self.pseudonyms, event)
    }
}

impl Redact for CpuCardRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        out.push(At { event: self.replaced(event.event), ..event });
    }

    fn finish(&mut self, _out: &mut Vec<At>) {}

    fn held(&self) -> usize {
        0
    }
}

/// The same event with other historical bytes in its ATR.
pub(crate) fn card_event(pseudonyms: &Pseudonyms, event: CardEvent) -> CardEvent {
    match event {
        CardEvent::Connected(Powered { atr: real, protocol }) => {
            CardEvent::Connected(Powered { atr: atr(pseudonyms, &real), protocol })
        }
        CardEvent::Holds(Holds { what: Content::Card(real), number }) => {
            let what = Content::Card(atr(pseudonyms, &real));
            CardEvent::Holds(Holds { what, number })
        }
        other => other,
    }
}
