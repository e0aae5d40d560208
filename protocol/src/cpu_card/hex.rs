//! Hex, as card commands come and card answers go.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// A command's bytes, at least four (CLA, INS, P1, P2; ISO/IEC 7816-4, chapter 5). On the wire
/// they are hex in either case, blanks allowed.
#[derive(Clone, PartialEq, Eq)]
pub struct Apdu(Vec<u8>);

/// What a field of a card's answer holds: bytes in upper-case hex, or an error code in decimal.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CardText(String);

impl Apdu {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The bytes, to keep.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    /// What is wrong is told without a character of it.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut bytes = Vec::with_capacity(text.len() / 2);
        let mut high = None;
        for character in text.chars().filter(|character| !character.is_whitespace()) {
            let digit = character.to_digit(16).and_then(|digit| u8::try_from(digit).ok());
            let digit =
                digit.ok_or("expected a command in hex: something in it is no hex digit")?;
            match high.take() {
                None => high = Some(digit << 4),
                Some(high) => bytes.push(high | digit),
            }
        }
        if high.is_some() {
            Err("expected a command in hex: it has an odd number of digits")
        } else if bytes.len() < 4 {
            Err("expected a command in hex of at least 4 bytes: CLA, INS, P1, P2")
        } else {
            Ok(Self(bytes))
        }
    }
}

impl CardText {
    /// Bytes of a card.
    #[must_use]
    pub fn hex(bytes: &[u8]) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
        let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
        // Collecting characters finds no room for them all before it begins.
        let mut text = String::with_capacity(2 * bytes.len());
        for byte in bytes {
            text.push(digit(byte >> 4));
            text.push(digit(*byte));
        }
        Self(text)
    }

    /// An error code.
    #[must_use]
    pub fn code(code: i32) -> Self {
        Self(code.to_string())
    }

    /// The text on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Apdu {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(ApduVisitor)
    }
}

struct ApduVisitor;

impl Visitor<'_> for ApduVisitor {
    type Value = Apdu;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a command in hex")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Apdu, E> {
        Apdu::parse(text).map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[u8]>) {
        assert_eq!(Apdu::parse(text).ok().as_ref().map(Apdu::as_bytes), expected, "{text}");
    }

    #[test]
    fn hex_may_be_lower_case_and_hold_blanks() {
        check("00A40400", Some(&[0, 0xa4, 4, 0]));
        check("00a4 04 00", Some(&[0, 0xa4, 4, 0]));
        check(" 00 a4\t04\n0 0 ", Some(&[0, 0xa4, 4, 0]));
    }

    #[test]
    fn what_is_no_hex_odd_or_short_is_no_command() {
        for text in ["", "00A404", "00A40400F", "00A4040G", "0x00A40400", "００A40400"] {
            check(text, None);
        }
    }

    #[test]
    fn answers_are_upper_case_hex_and_codes_decimal() {
        assert_eq!(CardText::hex(&[0x6a, 0x82, 0x0f]).as_str(), "6A820F");
        assert_eq!(CardText::hex(&[]).as_str(), "");
        assert_eq!(CardText::code(-100).as_str(), "-100");
    }
}
