//! ID numbers in the text of a recording's files: plain, escaped, and inside what is base64 or hex.
//!
//! Text comes in pieces of any length, which may cut characters, escapes and numbers in two. It
//! goes through stages, each a few bytes of state:
//!
//! ```text
//! bytes ─► characters ─► JSON's escapes resolved ─┬─► digits
//!                                                 ├─► JSON inside strings: resolved again ─► digits
//!                                                 ├─► base64 ─► bytes
//!                                                 └─► hex ────► bytes
//! ```

use super::bytes::Bytes;
use super::number::{Digits, Windows, symbol};
use super::{Complaints, Encoding};

/// Looks through text.
pub(super) struct Text {
    /// The bytes of a character whose rest has not come yet.
    cut: Vec<u8>,
    outer: Escapes,
    digits: Digits,
    inner: Escapes,
    inner_digits: Digits,
    base64: Base64,
    hex: Hex,
}

impl Text {
    pub(super) fn new() -> Self {
        Self {
            cut: Vec::new(),
            outer: Escapes::default(),
            digits: Digits::new(Windows::All),
            inner: Escapes::default(),
            inner_digits: Digits::new(Windows::All),
            base64: Base64::new(),
            hex: Hex::new(),
        }
    }

    /// The next bytes of the text. Line breaks are told to the complaints.
    pub(super) fn push(&mut self, bytes: &[u8], complaints: &mut Complaints) {
        let mut joined = std::mem::take(&mut self.cut);
        let bytes = if joined.is_empty() {
            bytes
        } else {
            joined.extend_from_slice(bytes);
            &joined
        };
        let mut read = 0;
        for chunk in bytes.utf8_chunks() {
            chunk.valid().chars().for_each(|character| self.character(character, complaints));
            read += chunk.valid().len() + chunk.invalid().len();
            let unfinished = read == bytes.len() && is_begun(chunk.invalid());
            if unfinished {
                self.cut = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                self.character(char::REPLACEMENT_CHARACTER, complaints);
            }
        }
    }

    /// No more text.
    pub(super) fn end(&mut self, complaints: &mut Complaints) {
        self.base64.end(complaints);
        self.hex.end(complaints);
        *self = Self::new();
    }

    fn character(&mut self, character: char, complaints: &mut Complaints) {
        if let Some(meant) = self.outer.push(character) {
            let text = |masked| complaints.found(masked, Encoding::Text);
            self.digits.push(symbol(meant)).into_iter().for_each(text);
            if let Some(inside) = self.inner.push(meant) {
                let text = |masked| complaints.found(masked, Encoding::Text);
                self.inner_digits.push(symbol(inside)).into_iter().for_each(text);
            }
            self.base64.push(meant, complaints);
            self.hex.push(meant, complaints);
        }
        if character == '\n' {
            complaints.next_line();
        }
    }
}

/// Whether these bytes may be the beginning of a character.
fn is_begun(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_none())
}

/// Resolves the escapes of JSON strings, wherever they stand.
#[derive(Default)]
enum Escapes {
    #[default]
    None,
    Backslash,
    /// So many hex digits of `\uXXXX` have come, and make this.
    Unit(u8, u32),
}

impl Escapes {
    fn push(&mut self, character: char) -> Option<char> {
        match (std::mem::take(self), character) {
            (Self::None, '\\') => {
                *self = Self::Backslash;
                None
            }
            (Self::None, _) => Some(character),
            (Self::Backslash, 'u') => {
                *self = Self::Unit(0, 0);
                None
            }
            (Self::Backslash, 'n') => Some('\n'),
            (Self::Backslash, 'r') => Some('\r'),
            (Self::Backslash, 'b' | 'f' | 't') => Some('\t'),
            (Self::Backslash, _) => Some(character),
            (Self::Unit(digits, unit), _) => match character.to_digit(16) {
                Some(digit) if digits == 3 => {
                    // Digits have no surrogates.
                    Some(char::from_u32(unit << 4 | digit).unwrap_or(char::REPLACEMENT_CHARACTER))
                }
                Some(digit) => {
                    *self = Self::Unit(digits + 1, unit << 4 | digit);
                    None
                }
                None => Some(character),
            },
        }
    }
}

/// Decodes runs of base64 characters, from each of the four places at which a group may begin:
/// letters may stand before the base64 itself.
struct Base64 {
    run: usize,
    bits: u32,
    inside: [Bytes; 4],
}

impl Base64 {
    fn new() -> Self {
        let inside = [Bytes::new(), Bytes::new(), Bytes::new(), Bytes::new()];
        Self { run: 0, bits: 0, inside }
    }

    fn push(&mut self, character: char, complaints: &mut Complaints) {
        let value = match character {
            'A'..='Z' => u32::from(character) - u32::from('A'),
            'a'..='z' => u32::from(character) - u32::from('a') + 26,
            '0'..='9' => u32::from(character) - u32::from('0') + 52,
            '+' | '-' => 62,
            '/' | '_' => 63,
            // Android breaks its lines, inside strings.
            '\n' | '\r' => return,
            _ => return self.end(complaints),
        };
        self.bits = self.bits << 6 | value;
        self.run += 1;
        if self.run >= 4 {
            let [_, bytes @ ..] = self.bits.to_be_bytes();
            self.group(self.run % 4, &bytes, complaints);
        }
    }

    fn end(&mut self, complaints: &mut Complaints) {
        if self.run == 0 {
            return;
        }
        // Of each place's last group two or three characters may be there.
        for place in 0..4_usize {
            let rest = (self.run + 4 - place) % 4;
            if rest >= 2 && self.run >= place + rest {
                let [_, first, second, _] = (self.bits << (6 * (4 - rest))).to_be_bytes();
                let bytes = [first, second];
                self.group(place, bytes.get(..rest - 1).unwrap_or_default(), complaints);
            }
            if let Some(inside) = self.inside.get_mut(place) {
                inside.end(&mut |masked, _| complaints.found(masked, Encoding::Base64));
            }
        }
        self.run = 0;
        self.bits = 0;
    }

    fn group(&mut self, place: usize, bytes: &[u8], complaints: &mut Complaints) {
        let Some(inside) = self.inside.get_mut(place) else { return };
        for byte in bytes {
            inside.push(*byte, &mut |masked, _| complaints.found(masked, Encoding::Base64));
        }
    }
}

/// Decodes runs of hex digits.
struct Hex {
    high: Option<u32>,
    run: bool,
    inside: Bytes,
}

impl Hex {
    fn new() -> Self {
        Self { high: None, run: false, inside: Bytes::new() }
    }

    fn push(&mut self, character: char, complaints: &mut Complaints) {
        let Some(digit) = character.to_digit(16) else { return self.end(complaints) };
        self.run = true;
        match self.high.take() {
            None => self.high = Some(digit),
            Some(high) => {
                let byte = u8::try_from(high << 4 | digit).unwrap_or_default();
                self.inside.push(byte, &mut |masked, _| complaints.found(masked, Encoding::Hex));
            }
        }
    }

    fn end(&mut self, complaints: &mut Complaints) {
        if std::mem::take(&mut self.run) {
            self.high = None;
            self.inside.end(&mut |masked, _| complaints.found(masked, Encoding::Hex));
        }
    }
}
