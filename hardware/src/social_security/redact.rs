//! What a social-security card says, replaced in the events of its port.
//!
//! Owns the way from a port's events to whole answers and back; `record` knows what stands in them.
//! A card of T=0 says a record in several pieces (`61xx`, GET RESPONSE), and a holder's name may be
//! cut in two, wherever its first record is full. So what passes is held back from the first
//! command on, until the transaction is over or the card is gone; then all of it comes out, in
//! order, with its times and the lengths of its pieces. It ends with [`Redact::finish`].
//!
//! ```text
//! Out, In, Unanswered ──► held ─┐
//! Ended, Gone, Closed, … ───────┴─► answers ─► records, names ─► replaced, cut again ─► out
//! ```
//!
//! The driver reads the same card with other values, by the same commands. What is no known record
//! becomes filler.

use super::records::tag;
use crate::card::redact::{FILLER, answer, command, data_length};
use crate::cpu_card::redact::card_event;
use crate::port::card::tape::CardEvent;
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::{At, Redact};

mod directory;
mod record;
#[cfg(test)]
mod tests;

pub use record::is_version;

/// A reading takes some 30 commands, and on a card of T=0 as many again. What is held beyond this
/// is let go as far as it is understood.
const MOST_EVENTS: usize = 512;

/// The same in bytes: four of the longest answers that there are.
const MOST_BYTES: usize = 4 * 64 * 1024;

/// INS of SELECT, READ RECORD and GET RESPONSE (ISO/IEC 7816-4).
const SELECT: u8 = 0xA4;
const READ_RECORD: u8 = 0xB2;
const GET_RESPONSE: u8 = 0xC0;

/// The bit of READ RECORD's P2 that makes P1 a record's number; else it is an identifier, which
/// these cards take the tag for.
const BY_NUMBER: u8 = 0x04;

/// Replaces what is a person's in the events of one port with social-security cards.
pub struct SocialSecurityRedactor {
    pseudonyms: Pseudonyms,
    held: Vec<At>,
    /// Bytes of commands and answers among them.
    bytes: usize,
}

/// A card's whole answer to one command, what was fetched by GET RESPONSE included.
struct Answer {
    /// The command's instruction and parameters; noughts where it has none.
    instruction: u8,
    parameters: [u8; 2],
    /// Which of the held events said it, and how many bytes of data each has.
    pieces: Vec<(usize, usize)>,
    data: Vec<u8>,
    /// Its last piece announces another one.
    continues: bool,
    /// It ended well: `9000`, or the warning `62xx`.
    done: bool,
}

impl SocialSecurityRedactor {
    /// A redactor at the beginning of a port's events.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        Self { pseudonyms, held: Vec::new(), bytes: 0 }
    }

    fn let_go(&mut self, out: &mut Vec<At>) {
        let mut events = std::mem::take(&mut self.held);
        self.bytes = 0;
        let answers = answers(&events);
        let new = self.replaced(&answers);
        for at in &mut events {
            match &mut at.event {
                PortEvent::Out(bytes) => *bytes = command(bytes).into(),
                PortEvent::In(bytes) => *bytes = answer(bytes).into(),
                _ => {}
            }
        }
        for (answer, data) in answers.iter().zip(new) {
            let mut rest = data.as_slice();
            for (at, length) in &answer.pieces {
                let (piece, behind) = rest.split_at((*length).min(rest.len()));
                rest = behind;
                if let Some(At { event: PortEvent::In(bytes), .. }) = events.get_mut(*at) {
                    let status = bytes.get(piece.len()..).unwrap_or_default();
                    *bytes = [piece, status].concat().into();
                }
            }
        }
        out.append(&mut events);
    }

    /// The data of each answer, replaced.
    fn replaced(&self, answers: &[Answer]) -> Vec<Vec<u8>> {
        let mut name = [&[][..]; 2];
        // Of several with one tag the driver takes the first.
        for record in answers.iter().rev().filter_map(Answer::kept) {
            match record.tag {
                tag::NAME => name[0] = record.value,
                tag::NAME_EXTENSION => name[1] = record.value,
                _ => {}
            }
        }
        let replaced = |answer: &Answer| match (answer.instruction, answer.record()) {
            (READ_RECORD, Some(record)) => record.replaced(&self.pseudonyms, name),
            (READ_RECORD, None) => record::unknown(&answer.data),
            (SELECT, _) => directory::replaced(&answer.data),
            _ => vec![FILLER; answer.data.len()],
        };
        answers.iter().map(replaced).collect()
    }
}

impl Redact for SocialSecurityRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let (bytes, inside) = match &event.event {
            PortEvent::Out(bytes) | PortEvent::In(bytes) => (bytes.len(), true),
            PortEvent::Card(CardEvent::Unanswered(_) | CardEvent::Escape) => (0, true),
            // What lies in the slot says nothing about the transaction.
            PortEvent::Card(CardEvent::Holds(_)) => (0, !self.held.is_empty()),
            _ => (0, false),
        };
        let event = match event {
            At { micros, event: PortEvent::Card(card) } => {
                At { micros, event: PortEvent::Card(card_event(&self.pseudonyms, card)) }
            }
            other => other,
        };
        if !inside || self.held.len() >= MOST_EVENTS || self.bytes + bytes > MOST_BYTES {
            self.let_go(out);
        }
        if inside {
            self.bytes += bytes;
            self.held.push(event);
        } else {
            out.push(event);
        }
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.let_go(out);
    }

    fn held(&self) -> usize {
        self.bytes
    }
}

impl Answer {
    /// The record that it is, if it is one.
    fn record(&self) -> Option<record::Record<'_>> {
        let read = self.instruction == READ_RECORD && self.done;
        read.then(|| record::Record::of(&self.data)).flatten()
    }

    /// The same, if a driver keeps it: not if another was asked for by its tag.
    fn kept(&self) -> Option<record::Record<'_>> {
        let [p1, p2] = self.parameters;
        self.record().filter(|record| p2 & BY_NUMBER != 0 || record.tag == p1)
    }
}

/// Puts the answers together.
fn answers(events: &[At]) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        match &event.event {
            PortEvent::Out(bytes) => {
                let [instruction, p1, p2] = match **bytes {
                    [_, instruction, p1, p2, ..] => [instruction, p1, p2],
                    _ => [0; 3],
                };
                let goes_on = instruction == GET_RESPONSE
                    && answers.last().is_some_and(|answer| answer.continues);
                if !goes_on {
                    answers.push(Answer {
                        instruction,
                        parameters: [p1, p2],
                        pieces: Vec::new(),
                        data: Vec::new(),
                        continues: false,
                        done: false,
                    });
                }
            }
            PortEvent::In(bytes) => {
                if let Some(answer) = answers.last_mut() {
                    let (data, status) = bytes.split_at(data_length(bytes));
                    answer.pieces.push((at, data.len()));
                    answer.data.extend_from_slice(data);
                    // A GET RESPONSE with a wrong length is said again.
                    let again = matches!(**bytes, [0x6C, _]) && answer.pieces.len() > 1;
                    answer.continues = again || status.first() == Some(&0x61);
                    answer.done = matches!(status, [0x90, 0x00] | [0x62, _]);
                }
            }
            _ => {}
        }
    }
    answers
}
