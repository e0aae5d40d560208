//! ID numbers among bytes, in every encoding that a device or a page has for them.
//!
//! Bytes come one at a time, so that a number is found that is cut in two by chunks or by the end
//! of a buffer.

use super::Encoding;
use super::number::{Digits, Windows, X, symbol};

/// Looks through bytes.
#[derive(Clone)]
pub(super) struct Bytes {
    text: Digits,
    wide: Wide,
    /// UTF-16, beginning at even and at odd places, little- and big-endian.
    utf16: [[Digits; 2]; 2],
    bcd: Option<Digits>,
    last: u8,
    odd: bool,
}

/// The bytes of a full-width digit that have come so far.
#[derive(Clone, Copy)]
enum Wide {
    None,
    /// UTF-8: EF, then BC or BD.
    Utf8,
    Utf8Bc,
    Utf8Bd,
    /// GB18030: A3.
    Gb,
}

impl Bytes {
    /// Text in bytes.
    pub(super) fn new() -> Self {
        let utf16 = || [Digits::new(Windows::Edges), Digits::new(Windows::Edges)];
        Self {
            text: Digits::new(Windows::All),
            wide: Wide::None,
            utf16: [utf16(), utf16()],
            bcd: None,
            last: 0xFF,
            odd: false,
        }
    }

    /// Bytes of a device, which may say numbers in BCD.
    pub(super) fn of_a_device() -> Self {
        Self { bcd: Some(Digits::new(Windows::Provinces)), ..Self::new() }
    }

    /// The next byte; what ends with it is given to `found`.
    pub(super) fn push(&mut self, byte: u8, found: &mut impl FnMut(String, Encoding)) {
        self.push_text(byte, &mut |masked| found(masked, Encoding::Ascii));
        let units = [[self.last, byte], [byte, self.last]];
        if let Some(places) = self.utf16.get_mut(usize::from(self.odd)) {
            for (digits, unit) in places.iter_mut().zip(units) {
                let character = char::from_u32(u32::from(u16::from_le_bytes(unit)));
                digits.push(character.and_then(symbol)).into_iter().for_each(|masked| {
                    found(masked, Encoding::Utf16);
                });
            }
        }
        if let Some(bcd) = &mut self.bcd {
            for nibble in [byte >> 4, byte & 0xF] {
                // Where there is no letter X, 10 stands for it.
                let symbol = (nibble <= X).then_some(nibble);
                bcd.push(symbol).into_iter().for_each(|masked| found(masked, Encoding::Bcd));
            }
        }
        self.last = byte;
        self.odd = !self.odd;
    }

    /// No more bytes.
    pub(super) fn end(&mut self, found: &mut impl FnMut(String, Encoding)) {
        for digits in self.utf16.as_flattened_mut() {
            digits.end().into_iter().for_each(|masked| found(masked, Encoding::Utf16));
        }
        *self = if self.bcd.is_some() { Self::of_a_device() } else { Self::new() };
    }

    fn push_text(&mut self, byte: u8, found: &mut impl FnMut(String)) {
        let wide = match (self.wide, byte) {
            (Wide::Utf8, 0xBC) => return self.wide = Wide::Utf8Bc,
            (Wide::Utf8, 0xBD) => return self.wide = Wide::Utf8Bd,
            (Wide::Utf8Bc, 0x90..=0x99) => Some(byte - 0x90),
            (Wide::Gb, 0xB0..=0xB9) => Some(byte - 0xB0),
            (Wide::Utf8Bc, 0xB8) | (Wide::Utf8Bd, 0x98) | (Wide::Gb, 0xD8 | 0xF8) => Some(X),
            _ => None,
        };
        let begun = !matches!(self.wide, Wide::None);
        self.wide = Wide::None;
        if wide.is_some() {
            self.text.push(wide).into_iter().for_each(found);
            return;
        }
        if begun {
            self.text.push(None).into_iter().for_each(&mut *found);
        }
        match byte {
            0xEF => self.wide = Wide::Utf8,
            0xA3 => self.wide = Wide::Gb,
            _ => self.text.push(symbol(char::from(byte))).into_iter().for_each(found),
        }
    }
}
