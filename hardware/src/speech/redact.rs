//! What is spoken, replaced in the bytes of the speech device's line by [`SpeechRedactor`]:
//! [`ServerRedactor`] for SSIP, [`ProgramRedactor`] for the packets to espeak-ng.
//!
//! Both know only what the drivers here say. A text becomes other characters, as many and of as many
//! bytes, so that points and ends of lines stay where they were; it is the same that the client's own
//! frame becomes ([`super::text::replaced`]). What nobody understands becomes filler. The recorder
//! pushes every event of the port; all come out again, in order; it ends with `finish`.

use bytes::Bytes;

use super::espeak::packets::{Said, TEXT};
use super::ssip::wire::{message, message_length, text_of};
use crate::port::packets::{HEADER, MOST_DATA, packet};
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::{At, Held, Redact};

mod words;

use self::words::{is_command, replies};

/// What fills bytes that nobody understands.
const FILLER: u8 = b'x';

/// More than any text with its frame: what has no end by then is none.
const MOST_HELD: usize = MOST_DATA;

/// Replaces what is spoken in the events of a connection to speech-dispatcher.
pub struct ServerRedactor {
    pseudonyms: Pseudonyms,
    held: Held,
    /// What the driver says next.
    next: Next,
    replies: replies::Replies,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Command,
    /// `SPEAK` was said, and not answered yet.
    Answer,
    Text,
}

impl ServerRedactor {
    /// A redactor at the beginning of a connection's events.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        let held = Held::outgoing();
        Self { pseudonyms, held, next: Next::Command, replies: replies::Replies::default() }
    }

    /// Lets go what is whole of what the driver has said.
    fn said(&mut self, out: &mut Vec<At>) {
        loop {
            let bytes = self.held.undecided();
            // The server answers with an error, and the driver goes on with a command, or it asks for
            // the text.
            let length = match self.next {
                Next::Text => message_length(bytes),
                Next::Command | Next::Answer => {
                    bytes.iter().position(|byte| *byte == b'\n').map(|end| end + 1)
                }
            };
            let Some(said) = length.and_then(|length| bytes.get(..length)) else {
                if bytes.len() > MOST_HELD {
                    self.give_up(out);
                }
                return;
            };
            let replaced = if self.next == Next::Text {
                self.text(said)
            } else if is_command(said) {
                said.to_vec()
            } else {
                vec![FILLER; said.len()]
            };
            self.next = if replaced == b"SPEAK\r\n" { Next::Answer } else { Next::Command };
            self.held.decide(&replaced, out);
        }
    }

    /// A whole text with its end.
    fn text(&self, said: &[u8]) -> Vec<u8> {
        let replaced = text_of(said).map(|text| message(&self.pseudonyms.text(&text)));
        replaced.filter(|replaced| replaced.len() == said.len()).unwrap_or_else(|| {
            [&vec![FILLER; said.len().saturating_sub(5)], &b"\r\n.\r\n"[..]].concat()
        })
    }

    /// What is held is no whole command and no whole text, and will not be.
    fn give_up(&mut self, out: &mut Vec<At>) {
        let filler = vec![FILLER; self.held.undecided().len()];
        self.held.decide(&filler, out);
    }
}

impl Redact for ServerRedactor {
    fn push(&mut self, mut event: At, out: &mut Vec<At>) {
        match &mut event.event {
            PortEvent::In(bytes) => {
                let (replaced, code) = self.replies.replaced(bytes);
                *bytes = Bytes::from(replaced);
                if self.next == Next::Answer
                    && let Some(code) = code
                {
                    self.next = if code == 230 { Next::Text } else { Next::Command };
                }
            }
            PortEvent::Opened { .. } | PortEvent::NotOpened(_) | PortEvent::Closed => {
                self.give_up(out);
                self.next = Next::Command;
                self.replies = replies::Replies::default();
            }
            _ => {}
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.held.decide(&[], out);
        self.said(out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.give_up(out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

/// Replaces what is spoken in the events of whichever line the device has: the first byte that passes
/// tells. No packet begins with a letter or a digit, and SSIP with nothing else.
pub struct SpeechRedactor {
    pseudonyms: Pseudonyms,
    by: Option<Box<dyn Redact>>,
}

impl SpeechRedactor {
    /// A redactor at the beginning of the device's events.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        Self { pseudonyms, by: None }
    }
}

impl Redact for SpeechRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let first = match &event.event {
            PortEvent::In(bytes) | PortEvent::Out(bytes) => bytes.first(),
            _ => None,
        };
        if let (None, Some(first)) = (&self.by, first) {
            let pseudonyms = self.pseudonyms.clone();
            self.by = Some(if first.is_ascii_alphanumeric() {
                Box::new(ServerRedactor::new(pseudonyms))
            } else {
                Box::new(ProgramRedactor::new(pseudonyms))
            });
        }
        match &mut self.by {
            Some(by) => by.push(event, out),
            // Nothing has passed that could be anybody's.
            None => out.push(event),
        }
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.by.iter_mut().for_each(|by| by.finish(out));
    }

    fn held(&self) -> usize {
        self.by.as_ref().map_or(0, |by| by.held())
    }
}

/// Replaces what is spoken in the events of the line to espeak-ng.
pub struct ProgramRedactor {
    pseudonyms: Pseudonyms,
    held: Held,
    /// What the program says: never a text, so it is told apart from rubbish and no more.
    back: Back,
}

impl ProgramRedactor {
    /// A redactor at the beginning of a line's events.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        Self { pseudonyms, held: Held::outgoing(), back: Back::default() }
    }

    fn said(&mut self, out: &mut Vec<At>) {
        loop {
            let bytes = self.held.undecided();
            let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk::<HEADER>() else {
                return;
            };
            let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            if length > MOST_DATA {
                return self.give_up(out);
            }
            let Some(data) = rest.get(..length) else { return };
            let replaced = match (kind, std::str::from_utf8(data)) {
                (TEXT, Ok(text)) => self.pseudonyms.text(text).into_bytes(),
                (TEXT, Err(_)) => vec![FILLER; length],
                // Arguments: numbers, and the voice's name.
                (_, Ok(text)) if text.is_ascii() => data.to_vec(),
                _ => vec![FILLER; length],
            };
            self.held.decide(&packet(kind, &replaced), out);
        }
    }

    fn give_up(&mut self, out: &mut Vec<At>) {
        let filler = vec![FILLER; self.held.undecided().len()];
        self.held.decide(&filler, out);
    }
}

impl Redact for ProgramRedactor {
    fn push(&mut self, mut event: At, out: &mut Vec<At>) {
        match &mut event.event {
            PortEvent::In(bytes) => *bytes = Bytes::from(self.back.replaced(bytes)),
            PortEvent::Opened { .. } | PortEvent::NotOpened(_) | PortEvent::Closed => {
                self.give_up(out);
                self.back = Back::default();
            }
            _ => {}
        }
        self.held.push(event);
        self.held.decide(&[], out);
        self.said(out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.give_up(out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

/// What comes back from the program, byte by byte: headers and ASCII stay.
#[derive(Default)]
struct Back {
    header: Vec<u8>,
    left: usize,
    /// It is no packet of ours, and what follows is none either.
    lost: bool,
}

impl Back {
    fn replaced(&mut self, bytes: &[u8]) -> Vec<u8> {
        bytes.iter().map(|byte| self.byte(*byte)).collect()
    }

    fn byte(&mut self, byte: u8) -> u8 {
        if self.lost {
            return FILLER;
        }
        if self.left > 0 {
            self.left -= 1;
            return if byte.is_ascii() { byte } else { FILLER };
        }
        self.header.push(byte);
        if let [kind, a, b, c, d] = self.header[..] {
            self.left = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
            self.lost = self.left > MOST_DATA || !Said::is_kind(kind);
            self.header.clear();
        }
        byte
    }
}

#[cfg(test)]
mod tests;
