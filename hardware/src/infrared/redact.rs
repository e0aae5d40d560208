//! What a presence sensor said, in the bytes of its line. That somebody stands there is nobody's own;
//! but a line may bring what is none of the sensor's language, if another device hangs on it: the keys
//! of a keyboard, the codes of a scanner. Everything that the driver would not understand becomes
//! filler of the same length.

use super::language::{Language, Step, ends_a_line};
use crate::port::tape::PortEvent;
use crate::redact::{At, Held, Redact};

/// Replaces what is no sentence of a sensor's language in the events of its port.
pub struct SensorRedactor {
    language: Language,
    held: Held,
    torn: bool,
}

impl SensorRedactor {
    /// A redactor at the beginning of the events of a sensor that speaks this language.
    #[must_use]
    pub fn new(language: Language) -> Self {
        Self { language, held: Held::default(), torn: false }
    }

    fn sentences(&mut self, out: &mut Vec<At>) {
        loop {
            let bytes = self.held.undecided();
            let (length, said) = match self.language.step(bytes, self.torn) {
                Step::More => return,
                Step::Said(length, _) => (length, true),
                Step::Garbage(length) => (length, false),
            };
            let front = bytes.get(..length).unwrap_or_default();
            self.torn = !said && !ends_a_line(bytes, length);
            let decided = if said { front.to_vec() } else { self.language.filler(front) };
            self.held.decide(&decided, out);
        }
    }

    /// What has begun and will not end.
    fn end(&mut self, out: &mut Vec<At>) {
        let filler = self.language.filler(self.held.undecided());
        self.torn = false;
        self.held.decide(&filler, out);
    }
}

impl Redact for SensorRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        match event.event {
            PortEvent::In(_) => {
                self.held.push(event);
                self.sentences(out);
                return;
            }
            PortEvent::Opened { .. }
            | PortEvent::NotOpened(_)
            | PortEvent::Gone(_)
            | PortEvent::Closed => self.end(out),
            PortEvent::Baud(_)
            | PortEvent::NotWritten(_)
            | PortEvent::Out(_)
            | PortEvent::Card(_) => {}
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.held.decide(&[], out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.end(out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests;
