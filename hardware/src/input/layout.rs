//! The US keyboard: from keys to characters and back. Pure, no line, no clock.
//!
//! Scanners that type do it on this layout unless somebody has set them to another, and so do
//! those of Chinese makers. Used by the scanner's driver ([`crate::code::keyboard`]), by its
//! redactor, and by the virtual keyboard.

use crate::port::input::{EV_KEY, InputEvent};

/// Enter.
pub const ENTER: u16 = 28;
/// The left shift key.
pub const LEFT_SHIFT: u16 = 42;
/// The left control key.
pub const LEFT_CTRL: u16 = 29;
const RIGHT_SHIFT: u16 = 54;
const RIGHT_CTRL: u16 = 97;
const LEFT_ALT: u16 = 56;
const RIGHT_ALT: u16 = 100;
const CAPS_LOCK: u16 = 58;
/// Keys that type nothing by themselves: none (`KEY_RESERVED`), num lock, scroll lock, both
/// windows keys.
const SILENT: [u16; 5] = [0, 69, 70, 125, 126];

/// Rows of keys: the code of the first, what they type, and with shift. What stands first is how a
/// character is typed. Codes are those of linux/input-event-codes.h.
const ROWS: [(u16, &[u8], &[u8]); 13] = [
    (2, b"1234567890-=", b"!@#$%^&*()_+"),
    (15, b"\tqwertyuiop[]\r", b"\tQWERTYUIOP{}\r"),
    (30, b"asdfghjkl;'`", b"ASDFGHJKL:\"~"),
    (43, b"\\zxcvbnm,./", b"|ZXCVBNM<>?"),
    (57, b" ", b" "),
    // The key pad, as with num lock.
    (55, b"*", b"*"),
    (71, b"789-", b"789-"),
    (75, b"456+", b"456+"),
    (79, b"123", b"123"),
    (82, b"0.", b"0."),
    (96, b"\r", b"\r"),
    (98, b"/", b"/"),
    (117, b"=", b"="),
];

/// What a key has typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing: it was released, repeated, or changes what others type.
    Nothing,
    /// This character of ASCII.
    Character(u8),
    /// Something that no US keyboard types, or a character given by its number (alt and the key
    /// pad): nobody knows in which code page.
    Unreadable,
}

/// Which keys are held that change what others type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    shift: [bool; 2],
    ctrl: [bool; 2],
    alt: [bool; 2],
    caps: bool,
}

impl Held {
    /// An event of the keyboard.
    pub fn event(&mut self, event: InputEvent) -> Typed {
        if event.kind != EV_KEY {
            return Typed::Nothing;
        }
        if let Some(key) = self.changing(event.code) {
            *key = event.value != 0;
            return Typed::Nothing;
        }
        // What is held is repeated after half a second, 30 times a second, by the kernel.
        if event.value != 1 || SILENT.contains(&event.code) {
            return Typed::Nothing;
        }
        if event.code == CAPS_LOCK {
            self.caps = !self.caps;
            return Typed::Nothing;
        }
        if self.alt.contains(&true) {
            return Typed::Unreadable;
        }
        self.types(event.code).map_or(Typed::Unreadable, Typed::Character)
    }

    /// Whether a key only changes what others type.
    #[must_use]
    pub fn is_changing(code: u16) -> bool {
        Self::default().changing(code).is_some() || code == CAPS_LOCK
    }

    /// Whether shift is held, and ctrl.
    #[must_use]
    pub fn chord(&self) -> Chord {
        Chord { shift: self.shift.contains(&true), ctrl: self.ctrl.contains(&true) }
    }

    /// The key that types this character, and what must be held for it now.
    #[must_use]
    pub fn key_of(&self, character: u8) -> Option<(u16, Chord)> {
        let find = |character: u8, shifted: bool| {
            ROWS.iter().find_map(|(first, plain, shift)| {
                let row = if shifted { shift } else { plain };
                let at = row.iter().position(|known| *known == character)?;
                Some(first + u16::try_from(at).ok()?)
            })
        };
        let plain = |code| (code, Chord { shift: false, ctrl: false });
        if let Some(code) = find(character, false) {
            let (code, mut chord) = plain(code);
            chord.shift = self.caps && character.is_ascii_alphabetic();
            return Some((code, chord));
        }
        if let Some(code) = find(character, true) {
            let shift = !(self.caps && character.is_ascii_alphabetic());
            return Some((code, Chord { shift, ctrl: false }));
        }
        let held_with_ctrl = match character {
            1..=26 => character | 0x60,
            27..=29 => character | 0x40,
            30 => b'6',
            31 => b'-',
            _ => return None,
        };
        let code = find(held_with_ctrl, false)?;
        Some((code, Chord { shift: false, ctrl: true }))
    }

    fn types(&self, code: u16) -> Option<u8> {
        let (plain, shifted) = ROWS.iter().find_map(|(first, plain, shift)| {
            let at = usize::from(code.checked_sub(*first)?);
            Some((*plain.get(at)?, *shift.get(at)?))
        })?;
        let chord = self.chord();
        let caps = self.caps && plain.is_ascii_alphabetic();
        let character = if chord.shift == caps { plain } else { shifted };
        if !chord.ctrl {
            return Some(character);
        }
        // As terminals have it: scanners type the separators of GS1 so.
        match character {
            b'@'..=b'_' | b'a'..=b'z' => Some(character & 0x1f),
            b'6' => Some(0x1e),
            b'-' => Some(0x1f),
            b'\r' | b'\t' => Some(character),
            _ => None,
        }
    }

    fn changing(&mut self, code: u16) -> Option<&mut bool> {
        let ([left_shift, right_shift], [left_ctrl, right_ctrl], [left_alt, right_alt]) =
            (&mut self.shift, &mut self.ctrl, &mut self.alt);
        Some(match code {
            LEFT_SHIFT => left_shift,
            RIGHT_SHIFT => right_shift,
            LEFT_CTRL => left_ctrl,
            RIGHT_CTRL => right_ctrl,
            LEFT_ALT => left_alt,
            RIGHT_ALT => right_alt,
            _ => return None,
        })
    }
}

/// What is held with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chord {
    /// Shift.
    pub shift: bool,
    /// Control.
    pub ctrl: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(code: u16, value: i32) -> InputEvent {
        InputEvent { kind: EV_KEY, code, value }
    }

    fn typed(held: &mut Held, keys: &[(u16, i32)]) -> Vec<Typed> {
        let typed = keys.iter().map(|(code, value)| held.event(key(*code, *value)));
        typed.filter(|typed| *typed != Typed::Nothing).collect()
    }

    #[test]
    fn every_character_of_ascii_is_typed_as_the_layout_says() {
        let caps_lock = [(CAPS_LOCK, 1), (CAPS_LOCK, 0)];
        for caps in [false, true] {
            for character in (1..=31).chain(32..127) {
                let mut held = Held::default();
                if caps {
                    typed(&mut held, &caps_lock);
                }
                let (code, chord) = held.key_of(character).unwrap();
                if chord.shift {
                    held.event(key(RIGHT_SHIFT, 1));
                }
                if chord.ctrl {
                    held.event(key(LEFT_CTRL, 1));
                }
                assert_eq!(held.event(key(code, 1)), Typed::Character(character), "{character}");
            }
        }
        assert_eq!(Held::default().key_of(0), None);
        assert_eq!(Held::default().key_of(0xC3), None);
    }

    #[test]
    fn known_keys_type_what_their_caps_show() {
        for (code, plain, shifted) in [
            (2, b'1', b'!'),
            (3, b'2', b'@'),
            (16, b'q', b'Q'),
            (30, b'a', b'A'),
            (39, b';', b':'),
            (40, b'\'', b'"'),
            (41, b'`', b'~'),
            (43, b'\\', b'|'),
            (44, b'z', b'Z'),
            (53, b'/', b'?'),
            (57, b' ', b' '),
        ] {
            let mut held = Held::default();
            assert_eq!(held.event(key(code, 1)), Typed::Character(plain));
            held.event(key(LEFT_SHIFT, 1));
            assert_eq!(held.event(key(code, 1)), Typed::Character(shifted));
        }
    }

    #[test]
    fn either_shift_holds_until_both_are_up() {
        let mut held = Held::default();
        let keys = [(42, 1), (54, 1), (42, 0), (30, 1), (54, 0), (30, 1)];
        assert_eq!(typed(&mut held, &keys), [Typed::Character(b'A'), Typed::Character(b'a')]);
    }

    #[test]
    fn caps_lock_is_of_letters_only_and_toggles() {
        let mut held = Held::default();
        let keys = [(58, 1), (58, 0), (30, 1), (2, 1), (42, 1), (30, 1), (42, 0), (58, 1), (30, 1)];
        assert_eq!(typed(&mut held, &keys), [b'A', b'1', b'a', b'a'].map(Typed::Character));
    }

    #[test]
    fn the_key_pad_types_digits_and_ends_codes() {
        let pad = [(82, b'0'), (79, b'1'), (77, b'6'), (73, b'9'), (96, b'\r'), (98, b'/')];
        for (code, character) in pad {
            assert_eq!(Held::default().event(key(code, 1)), Typed::Character(character));
        }
    }

    #[test]
    fn repeats_releases_and_locks_type_nothing() {
        let keys = [(30, 2), (30, 0), (69, 1), (70, 1), (125, 1), (0, 1)];
        assert!(typed(&mut Held::default(), &keys).is_empty());
    }

    #[test]
    fn what_no_us_keyboard_types_is_unreadable() {
        // F1, 102nd key, alt and the key pad, backspace.
        for keys in
            [&[(59, 1)][..], &[(86, 1)], &[(56, 1), (82, 1)], &[(100, 1), (2, 1)], &[(14, 1)]]
        {
            assert_eq!(typed(&mut Held::default(), keys), [Typed::Unreadable], "{keys:?}");
        }
    }
}
