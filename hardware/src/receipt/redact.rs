//! What is printed, taken out of a printer's bytes: dots become white, text other text as long.
//!
//! Commands and their numbers stay, and so does what the printer says of itself; what is neither becomes
//! filler. One stands before each recording of a printer's port.

use bytes::Bytes;
use encoding_rs::GB18030;

use super::status::{Ears, Said};
use super::virtual_printer::command::{self, Command};
use crate::card::redact::FILLER;
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::{At, Held, Redact};

/// Bytes that may be held back for the end of a command. Only texts and pictures in columns are long.
const MOST_HELD: usize = 64 * 1024;

/// The head of a command with data behind it that no rule here knows: `ESC *`, `GS (`.
const HEAD: usize = 5;

/// Replaces what is printed in the events of a printer's line.
pub struct ReceiptRedactor {
    pseudonyms: Pseudonyms,
    held: Held,
    /// Bytes of dots that are still to come.
    dots: usize,
}

impl ReceiptRedactor {
    /// A redactor at the beginning of a line's events.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms) -> Self {
        Self { pseudonyms, held: Held::outgoing(), dots: 0 }
    }

    fn written(&mut self, out: &mut Vec<At>) {
        loop {
            let bytes = self.held.undecided();
            if bytes.is_empty() {
                return;
            }
            if self.dots > 0 {
                let count = self.dots.min(bytes.len());
                self.dots -= count;
                self.held.decide(&vec![0; count], out);
                continue;
            }
            let Some((command, length)) = command::next(bytes) else {
                if bytes.len() > MOST_HELD {
                    self.give_up(out);
                }
                return;
            };
            let said = bytes.get(..length).unwrap_or_default();
            let replaced = match command {
                // It may go on in the next chunk, in the middle of a character.
                Command::Text(_) if length == bytes.len() && length <= MOST_HELD => return,
                Command::Text(_) => self.text(said),
                Command::Raster { bytes, rows, .. } => {
                    self.dots = usize::from(bytes) * usize::from(rows);
                    said.to_vec()
                }
                Command::Ignored | Command::Unknown => {
                    let rest = said.iter().skip(HEAD).map(|_| FILLER);
                    said.iter().copied().take(HEAD).chain(rest).collect()
                }
                _ => said.to_vec(),
            };
            self.held.decide(&replaced, out);
        }
    }

    /// As many other characters.
    fn text(&self, said: &[u8]) -> Vec<u8> {
        let (text, _, damaged) = GB18030.decode(said);
        let replaced = (!damaged).then(|| self.pseudonyms.text(&text));
        let encoded = replaced.map(|text| GB18030.encode(&text).0.into_owned());
        let fits = encoded.filter(|encoded| encoded.len() == said.len());
        fits.unwrap_or_else(|| vec![FILLER; said.len()])
    }

    /// What is held is no whole command, and will not be.
    fn give_up(&mut self, out: &mut Vec<At>) {
        let filler = vec![FILLER; self.held.undecided().len()];
        self.held.decide(&filler, out);
        self.dots = 0;
    }
}

/// What the printer says: its status, byte by byte, and nothing else.
fn said(bytes: &[u8]) -> Vec<u8> {
    let mut ears = Ears::default();
    let keep = |byte: &u8| match ears.hear(*byte) {
        Some(Said::Noise) => FILLER,
        _ => *byte,
    };
    bytes.iter().map(keep).collect()
}

impl Redact for ReceiptRedactor {
    fn push(&mut self, mut event: At, out: &mut Vec<At>) {
        match &mut event.event {
            PortEvent::In(bytes) => *bytes = Bytes::from(said(bytes)),
            PortEvent::Opened { .. } | PortEvent::NotOpened(_) | PortEvent::Closed => {
                self.give_up(out);
            }
            _ => {}
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.held.decide(&[], out);
        self.written(out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.give_up(out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(chunks: &[&[u8]]) -> Vec<u8> {
        let mut redactor = ReceiptRedactor::new(Pseudonyms::with_key([7; 32]));
        let mut out = Vec::new();
        for (micros, chunk) in (0..).zip(chunks) {
            let event = PortEvent::Out(Bytes::copy_from_slice(chunk));
            redactor.push(At { micros, event }, &mut out);
        }
        redactor.finish(&mut out);
        let lengths = out.iter().map(|at| match &at.event {
            PortEvent::Out(bytes) => bytes.len(),
            _ => 0,
        });
        assert_eq!(lengths.collect::<Vec<_>>(), chunks.iter().map(|c| c.len()).collect::<Vec<_>>());
        let bytes = out.into_iter().flat_map(|at| match at.event {
            PortEvent::Out(bytes) => bytes.to_vec(),
            _ => Vec::new(),
        });
        bytes.collect()
    }

    #[test]
    fn dots_become_white_and_commands_stay_however_they_are_cut() {
        let receipt = b"\x10\x04\x01\x1b@\x1da\x0e\x1dv0\x00\x02\x00\x03\x00\xff\x1b@\x01\x80\x0a\
                        \x1bJ\x40\x1dVB\x10\x1dr\x01";
        let expected = b"\x10\x04\x01\x1b@\x1da\x0e\x1dv0\x00\x02\x00\x03\x00\0\0\0\0\0\0\
                         \x1bJ\x40\x1dVB\x10\x1dr\x01";
        assert_eq!(redacted(&[receipt]), expected);
        for size in 1..receipt.len() {
            let chunks: Vec<&[u8]> = receipt.chunks(size).collect();
            assert_eq!(redacted(&chunks), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn text_becomes_other_text_as_long() {
        let said = GB18030.encode("张三 13800001111").0.into_owned();
        let receipt = [&b"\x1c&"[..], &said, b"\n"].concat();
        for size in [receipt.len(), 3] {
            let chunks: Vec<&[u8]> = receipt.chunks(size).collect();
            let out = redacted(&chunks);
            let text = GB18030.decode(&out[2..out.len() - 1]).0.into_owned();
            assert_eq!(
                (out.len(), &out[..2], out.last()),
                (receipt.len(), &b"\x1c&"[..], Some(&b'\n'))
            );
            assert!(!text.contains('张') && !text.contains("1380000"), "{text}");
        }
    }

    #[test]
    fn what_a_printer_says_stays_and_nothing_else() {
        let event = |bytes: &'static [u8]| PortEvent::In(Bytes::from_static(bytes));
        let mut redactor = ReceiptRedactor::new(Pseudonyms::with_key([7; 32]));
        let mut out = Vec::new();
        let heard = event(b"\x12\x1e\x14\x00\x0c\x0f\x00\xe5\xbc\xa0");
        redactor.push(At { micros: 0, event: heard }, &mut out);
        let kept = event(b"\x12\x1e\x14\x00\x0c\x0f\x00\xdd\xdd\xdd");
        assert_eq!(out, [At { micros: 0, event: kept }]);
    }
}
