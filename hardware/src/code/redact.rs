//! What a scanner has read, replaced in the bytes of its line.
//!
//! Owns the way from a port's events to codes and back, with the rules of the [`Framer`] and of the
//! driver around it; `in_place` replaces one code's text. The recorder pushes every event of the port;
//! all come out again, in order, with their times and the lengths of their chunks, once the code is
//! whole that their bytes belong to. It ends with [`Redact::finish`].
//!
//! ```text
//! In ─► acknowledgement? short: stays ─► code + suffix ─► text replaced, suffix stays ─► out
//!                                   └ over the limit, torn: filler
//! ```
//!
//! What a module's acknowledgement says stays if the driver knows it, for anything may stand between
//! bytes that look like one (`acknowledgement`).
//!
//! Without a suffix the idle gap ends a code: the next event tells by its time that there was one.
//!
//! [`Framer`]: super::framing::Framer

use std::time::Duration;

use super::framing::{Framing, MAX_CODE};
use super::serial::TORN;
use super::trigger::Acknowledgement;
use crate::port::tape::PortEvent;
use crate::pseudonym::{Pseudonyms, bcd_ids};
use crate::redact::{At, Held, Redact};

mod acknowledgement;
mod in_place;
#[cfg(test)]
mod tests;

/// What fills codes that nobody gets: an ASCII letter that the suffix does not hold.
const FILLERS: [u8; 3] = *b"xyz";

/// Replaces what was scanned in the events of one scanner's port.
pub struct CodeRedactor {
    pseudonyms: Pseudonyms,
    framing: Framing,
    /// How long nothing may come before a code is complete, or torn, in microseconds.
    silence: i64,
    held: Held,
    /// Undecided bytes that were searched for the suffix already.
    searched: usize,
    /// A code over the limit is being replaced by filler up to its end.
    skipping: bool,
    /// When something last passed, in microseconds since the recording began.
    last: i64,
}

impl CodeRedactor {
    /// A redactor at the beginning of the events of a scanner with this framing. `idle` is the gap
    /// that ends a code where there is no suffix.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms, framing: Framing, idle: Duration) -> Self {
        let silence = if framing.suffix.is_empty() { idle } else { TORN };
        Self {
            pseudonyms,
            framing,
            silence: i64::try_from(silence.as_micros()).unwrap_or(i64::MAX),
            held: Held::default(),
            searched: 0,
            skipping: false,
            last: 0,
        }
    }

    /// Lets go every code that has ended with the suffix.
    fn codes(&mut self, out: &mut Vec<At>) {
        while self.acknowledgements(out) {
            let suffix = self.framing.suffix.as_slice();
            let bytes = self.held.undecided();
            let from = self.searched.saturating_sub(suffix.len().saturating_sub(1));
            let Some(end) = find(bytes.get(from..).unwrap_or_default(), suffix).map(|at| from + at)
            else {
                self.searched = bytes.len();
                if self.skipping || bytes.len() > MAX_CODE {
                    self.skipping = true;
                    // The suffix may be cut by the end of the bytes.
                    let over = bytes.len().saturating_sub(suffix.len().saturating_sub(1));
                    self.decide(&self.filler(over), out);
                }
                return;
            };
            let mut replaced = self.code(bytes.get(..end).unwrap_or_default());
            replaced.extend_from_slice(suffix);
            self.skipping = false;
            self.decide(&replaced, out);
        }
    }

    /// Lets go the module's acknowledgements in front of a code, of as many bytes as they were.
    /// `false` while one has begun and not ended.
    fn acknowledgements(&mut self, out: &mut Vec<At>) -> bool {
        let Some(trigger) = self.framing.trigger.filter(|_| !self.skipping) else {
            return true;
        };
        loop {
            let bytes = self.held.undecided();
            match trigger.acknowledgement(bytes) {
                Acknowledgement::None => return true,
                Acknowledgement::Begun => return false,
                Acknowledgement::Bytes(length) => {
                    let said = bytes.get(..length).unwrap_or_default();
                    let said = acknowledgement::replaced(trigger, said, self.filler_byte());
                    self.decide(&said, out);
                }
            }
        }
    }

    /// The line has been idle for too long, or is gone: without a suffix what has come is a code,
    /// else it is torn.
    fn end(&mut self, out: &mut Vec<At>) {
        let bytes = self.held.undecided();
        let replaced = if self.framing.suffix.is_empty() {
            self.code(bytes)
        } else {
            self.filler(bytes.len())
        };
        self.skipping = false;
        self.decide(&replaced, out);
    }

    /// What stands between two suffixes, replaced.
    fn code(&self, bytes: &[u8]) -> Vec<u8> {
        if self.skipping || bytes.len() > MAX_CODE {
            return self.filler(bytes.len());
        }
        let framing = &self.framing;
        // What the framer takes away: the LF of a module set to CR LF, and the prefix.
        let code = match bytes {
            [b'\n', rest @ ..] if framing.suffix == b"\r" => rest,
            _ => bytes,
        };
        let code = code.strip_prefix(framing.prefix.as_slice()).unwrap_or(code);
        let mut replaced = bytes.get(..bytes.len() - code.len()).unwrap_or_default().to_vec();
        let code = in_place::replaced(code, framing.encoding, &self.pseudonyms);
        replaced.extend_from_slice(&code.unwrap_or_else(|| self.filler(bytes.len())));
        replaced.truncate(bytes.len());
        // A suffix of letters or digits may stand in the new text by chance. One code must not
        // become two. Nor may a number in BCD come of what stays beside the text.
        let line = [&replaced, framing.suffix.as_slice()].concat();
        let cut = find(&line, &framing.suffix).is_some_and(|at| at < replaced.len());
        if cut || bcd_ids(&line).next().is_some() {
            return self.filler(bytes.len());
        }
        replaced
    }

    fn filler(&self, length: usize) -> Vec<u8> {
        vec![self.filler_byte(); length]
    }

    fn filler_byte(&self) -> u8 {
        let filler = FILLERS.into_iter().find(|filler| !self.framing.suffix.contains(filler));
        filler.unwrap_or(b' ')
    }

    fn decide(&mut self, bytes: &[u8], out: &mut Vec<At>) {
        if !bytes.is_empty() {
            self.searched = 0;
        }
        self.held.decide(bytes, out);
    }
}

impl Redact for CodeRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        let in_code = self.skipping || !self.held.undecided().is_empty();
        if in_code && event.micros.saturating_sub(self.last) > self.silence {
            self.end(out);
        }
        match event.event {
            PortEvent::In(_) => {
                self.last = event.micros;
                self.held.push(event);
                self.codes(out);
                return;
            }
            // The driver counts the silence anew when it has said something.
            PortEvent::Out(_) => self.last = event.micros,
            PortEvent::Opened { .. }
            | PortEvent::NotOpened(_)
            | PortEvent::Gone(_)
            | PortEvent::Closed => self.end(out),
            PortEvent::Baud(_) | PortEvent::NotWritten(_) | PortEvent::Card(_) => {}
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.decide(&[], out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.end(out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

/// Where `wanted` stands first; nowhere if it is empty.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    if wanted.is_empty() {
        return None;
    }
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
