//! What was scanned, replaced in the records of a scanner that types.
//!
//! Reads a code off the records by the rules of the driver, and types the replaced text with the
//! same records: a driver that reads them gets [`Pseudonyms::code`] of what it got. Where another
//! character needs shift, a record that says nothing (a release, a scan code) becomes shift's. Every
//! event comes out again in order, with its time and length, once its code is whole. Ends with
//! [`Redact::finish`].
//!
//! ```text
//! In ─► records ─► typed ─► code + suffix ─► replaced text ─► the same records, other keys ─► out
//!                                 └ torn, over the limit, unreadable: filler
//! ```

use std::time::Duration;

use super::super::framing::{Framing, MAX_CODE};
use super::super::serial::TORN;
use super::typed;
use crate::input::layout::{Chord, Held as HeldKeys, LEFT_CTRL, LEFT_SHIFT, Typed};
use crate::port::input::{
    EV_KEY, EV_SND, EV_SW, EV_SYN, InputEvent, RECORD, Records, SYN_DROPPED, SYN_REPORT,
};
use crate::port::tape::PortEvent;
use crate::pseudonym::Pseudonyms;
use crate::redact::{At, Held, Redact};

/// What keys become of which nobody knows what they type: `KEY_F24`, which types nothing either.
const FOREIGN: u16 = 194;

/// What fills codes that nobody gets: keys that the suffix does not hold.
const FILLERS: [u8; 3] = *b"xyz";

/// Replaces what was scanned in the events of one scanner's port.
pub struct KeyRedactor {
    pseudonyms: Pseudonyms,
    framing: Framing,
    /// How long nothing may be typed before a code is complete, or torn, in microseconds.
    silence: i64,
    held: Held,
    /// Keys that are held, as the scanner has them, and as a driver of the recording has them.
    keys: HeldKeys,
    replayed: HeldKeys,
    is_state: bool,
    /// The records of the code under way, which are the undecided bytes, and what they type.
    records: Vec<(InputEvent, Typed)>,
    text: Vec<u8>,
    /// The code under way is of no use: over the limit, or something of it is not known.
    skipping: bool,
    /// When something was last typed.
    last: i64,
}

impl KeyRedactor {
    /// A redactor at the beginning of the events of a scanner with this framing. `idle` is the gap
    /// that ends a code where there is no suffix.
    #[must_use]
    pub fn new(pseudonyms: Pseudonyms, framing: Framing, idle: Duration) -> Self {
        let framing = typed(framing);
        let silence = if framing.suffix.is_empty() { idle } else { TORN };
        Self {
            pseudonyms,
            framing,
            silence: i64::try_from(silence.as_micros()).unwrap_or(i64::MAX),
            held: Held::default(),
            keys: HeldKeys::default(),
            replayed: HeldKeys::default(),
            is_state: true,
            records: Vec::new(),
            text: Vec::new(),
            skipping: false,
            last: 0,
        }
    }

    fn is_in_code(&self) -> bool {
        self.skipping || !self.text.is_empty()
    }

    fn record(&mut self, event: InputEvent, micros: i64, out: &mut Vec<At>) {
        match (event.kind, event.code) {
            (EV_SYN, SYN_DROPPED) => {
                self.end(out);
                (self.keys, self.replayed) = (HeldKeys::default(), HeldKeys::default());
                (self.is_state, self.skipping, self.last) = (true, true, micros);
            }
            (EV_SYN, SYN_REPORT) => self.is_state = false,
            _ if self.is_state => {
                if HeldKeys::is_changing(event.code) {
                    self.keys.event(event);
                }
                return self.alone(event, out);
            }
            _ => {}
        }
        let typed = self.keys.event(event);
        match typed {
            Typed::Nothing if !self.is_in_code() => return self.alone(event, out),
            Typed::Nothing => {}
            Typed::Unreadable => (self.skipping, self.last) = (true, micros),
            Typed::Character(character) => {
                self.text.push(character);
                self.last = micros;
            }
        }
        self.records.push((event, typed));
        if self.text.len() > MAX_CODE {
            self.skipping = true;
        }
        if !self.framing.suffix.is_empty() && self.text.ends_with(&self.framing.suffix) {
            self.code(self.framing.suffix.len(), out);
        } else if self.skipping && self.records.len() > MAX_CODE {
            // What goes on is filler as well; the suffix may be cut here.
            let keep = self.text.len().saturating_sub(self.framing.suffix.len());
            let tail = self.text.split_off(keep);
            self.fill(0, out);
            (self.text, self.skipping) = (tail, true);
        }
    }

    /// A record between codes.
    fn alone(&mut self, event: InputEvent, out: &mut Vec<At>) {
        let event = neutral(event);
        if HeldKeys::is_changing(event.code) || !self.is_state {
            self.replayed.event(event);
        }
        self.decide(&[event], out);
    }

    /// The code is whole; the last of its characters are the suffix.
    fn code(&mut self, suffix: usize, out: &mut Vec<At>) {
        let end = self.text.len().saturating_sub(suffix);
        let replaced = self.replaced(end).and_then(|text| self.retyped(&text));
        match replaced.filter(|_| !self.skipping) {
            Some((events, keys)) => {
                self.decide(&events, out);
                self.replayed = keys;
                self.reset();
            }
            None => self.fill(suffix, out),
        }
    }

    /// The text with its code, which ends at `end`, replaced.
    fn replaced(&self, end: usize) -> Option<Vec<u8>> {
        let (code, suffix) = self.text.split_at_checked(end)?;
        let taken_off = match code {
            [b'\n', ..] if self.framing.suffix == b"\r" => 1,
            _ => 0,
        };
        let prefix = self.framing.prefix.as_slice();
        let rest = code.get(taken_off..)?;
        let taken_off = taken_off + if rest.starts_with(prefix) { prefix.len() } else { 0 };
        let (front, code) = code.split_at_checked(taken_off)?;
        let code = self.pseudonyms.code(std::str::from_utf8(code).ok()?);
        let text = [front, code.as_bytes(), suffix].concat();
        let wanted = &self.framing.suffix;
        let first = text.windows(wanted.len().max(1)).position(|window| window == wanted);
        let one_code = wanted.is_empty() || first == Some(end);
        (text.len() == self.text.len() && one_code).then_some(text)
    }

    /// The records, typing this text in the place of what they type; and what is held then.
    fn retyped(&self, text: &[u8]) -> Option<(Vec<InputEvent>, HeldKeys)> {
        let mut characters = text.iter();
        let mut keys = self.replayed;
        let mut events: Vec<InputEvent> = Vec::with_capacity(self.records.len());
        // Records since the last key that say nothing and may say something else.
        let mut free: Vec<usize> = Vec::new();
        for (event, typed) in &self.records {
            let event = match typed {
                Typed::Unreadable => return None,
                Typed::Nothing if event.kind == EV_SYN => *event,
                Typed::Nothing => {
                    free.push(events.len());
                    InputEvent { kind: EV_KEY, code: 0, value: 0 }
                }
                Typed::Character(_) => {
                    let (code, chord) = keys.key_of(*characters.next()?)?;
                    for event in changes(keys.chord(), chord) {
                        // In the order in which they are held; each has a place of its own.
                        let place = free.first().copied()?;
                        free.remove(0);
                        *events.get_mut(place)? = event;
                        keys.event(event);
                    }
                    free.clear();
                    InputEvent { kind: EV_KEY, code, value: 1 }
                }
            };
            events.push(event);
        }
        Some((events, keys))
    }

    /// A code that nobody gets: its characters become filler, but the last ones.
    fn fill(&mut self, suffix: usize, out: &mut Vec<At>) {
        let filler = FILLERS.into_iter().find(|filler| !self.framing.suffix.contains(filler));
        let key =
            HeldKeys::default().key_of(filler.unwrap_or(b'x')).map_or(FOREIGN, |(key, _)| key);
        let typed = |(_, typed): &&(InputEvent, Typed)| matches!(typed, Typed::Character(_));
        let mut left = self.records.iter().filter(typed).count().saturating_sub(suffix);
        let mut events = Vec::with_capacity(self.records.len());
        for (event, typed) in &self.records {
            let event = match typed {
                Typed::Character(_) if left > 0 => {
                    left -= 1;
                    InputEvent { code: key, ..*event }
                }
                Typed::Character(_) => *event,
                Typed::Unreadable => InputEvent { code: FOREIGN, ..*event },
                Typed::Nothing => neutral(*event),
            };
            self.replayed.event(event);
            events.push(event);
        }
        self.decide(&events, out);
        self.reset();
    }

    /// Nothing more comes of the code under way: without a suffix it is whole, else torn.
    fn end(&mut self, out: &mut Vec<At>) {
        if self.framing.suffix.is_empty() {
            self.code(0, out);
        } else {
            self.fill(0, out);
        }
    }

    fn reset(&mut self) {
        self.records.clear();
        self.text.clear();
        self.skipping = false;
    }

    fn decide(&mut self, events: &[InputEvent], out: &mut Vec<At>) {
        let bytes: Vec<u8> = events.iter().flat_map(|event| event.record()).collect();
        self.held.decide(&bytes, out);
    }
}

/// An event that types nothing, without what it says of keys.
fn neutral(event: InputEvent) -> InputEvent {
    match event.kind {
        EV_SYN | EV_SW | EV_SND => event,
        EV_KEY if HeldKeys::is_changing(event.code) => event,
        // The release of a key, its repetition, or that it is held when the line begins.
        EV_KEY => InputEvent { code: FOREIGN, value: event.value.min(2), ..event },
        _ => InputEvent { code: 0, value: 0, ..event },
    }
}

/// What has to be pressed and released so that these are held.
fn changes(now: Chord, wanted: Chord) -> impl Iterator<Item = InputEvent> {
    let keys = [(now.shift, wanted.shift, LEFT_SHIFT), (now.ctrl, wanted.ctrl, LEFT_CTRL)];
    let change = |(now, wanted, code)| {
        let event = InputEvent { kind: EV_KEY, code, value: i32::from(wanted) };
        (now != wanted).then_some(event)
    };
    keys.into_iter().filter_map(change)
}

impl Redact for KeyRedactor {
    fn push(&mut self, event: At, out: &mut Vec<At>) {
        if self.is_in_code() && event.micros.saturating_sub(self.last) > self.silence {
            self.end(out);
        }
        let micros = event.micros;
        match event.event {
            PortEvent::In(_) => {
                let known = self.records.len() * RECORD;
                self.held.push(event);
                let mut records = Records::default();
                records.push(self.held.undecided().get(known..).unwrap_or_default());
                while let Some(record) = records.next_event() {
                    self.record(record, micros, out);
                }
                return;
            }
            PortEvent::Opened { .. }
            | PortEvent::NotOpened(_)
            | PortEvent::Gone(_)
            | PortEvent::Closed => {
                self.finish(out);
                (self.keys, self.replayed) = (HeldKeys::default(), HeldKeys::default());
                self.is_state = true;
            }
            _ => {}
        }
        self.held.push(event);
        // It waits only behind chunks that wait.
        self.held.decide(&[], out);
    }

    fn finish(&mut self, out: &mut Vec<At>) {
        self.end(out);
        // Part of a record.
        self.held.decide(&[0; RECORD], out);
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests;
