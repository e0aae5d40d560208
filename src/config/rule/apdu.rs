//! The rules of cards' commands: patterns over their first two bytes.

use std::fmt;

use super::{Rule, each, string};

/// A pattern over a command's class and instruction bytes (CLA and INS, ISO/IEC 7816-4, 5.4), and
/// perhaps the PSAM slot that it is for. Displays as it is written: `80 D4`, `?? D4`, `84 D4 @2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApduPattern {
    /// The four hex digits; `None`: any.
    digits: [Option<u8>; 4],
    /// The PSAM slot, 1 or 2; `None`: both.
    slot: Option<u8>,
}

impl ApduPattern {
    /// WRITE KEY, the instruction by which PSAMs of PBOC and of the transport and construction
    /// ministries take keys, of any class.
    pub const WRITE_KEY: Self = Self { digits: [None, None, Some(0xD), Some(0x4)], slot: None };

    /// Whether a command with these bytes is meant, to the PSAM slot of this number if it goes to
    /// one.
    #[must_use]
    pub fn matches(&self, class: u8, instruction: u8, slot: Option<u8>) -> bool {
        let given = [class >> 4, class & 0xF, instruction >> 4, instruction & 0xF];
        let digits = self.digits.iter().zip(given);
        let same = digits.into_iter().all(|(wanted, given)| wanted.is_none_or(|d| d == given));
        same && (self.slot.is_none() || self.slot == slot)
    }

    /// Reads a pattern, or says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let (digits, slot) = match text.split_once('@') {
            None => (text, None),
            Some((digits, slot)) => match slot.trim() {
                "1" => (digits, Some(1)),
                "2" => (digits, Some(2)),
                _ => return Err(format!("{text:?} names a slot that is neither @1 nor @2")),
            },
        };
        let wrong = || format!("{text:?} is not four hex digits or ?, for CLA and INS");
        let digits: Vec<Option<u8>> = digits
            .chars()
            .filter(|c| !c.is_whitespace())
            .map(|c| match c {
                '?' => Some(None),
                _ => c.to_digit(16).and_then(|digit| u8::try_from(digit).ok()).map(Some),
            })
            .collect::<Option<_>>()
            .ok_or_else(wrong)?;
        Ok(Self { digits: digits.try_into().map_err(|_| wrong())?, slot })
    }
}

impl fmt::Display for ApduPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, digit) in self.digits.iter().enumerate() {
            if at == 2 {
                f.write_str(" ")?;
            }
            match digit {
                Some(digit) => write!(f, "{digit:X}")?,
                None => f.write_str("?")?,
            }
        }
        self.slot.map_or(Ok(()), |slot| write!(f, " @{slot}"))
    }
}

/// Commands to PSAMs.
pub(in crate::config) fn apdu_patterns() -> Rule<Vec<ApduPattern>> {
    let allowed = "a list of CLA and INS in hex, ? for any digit, with @1 or @2 for one slot, such \
                   as \"84 D4 @2\"";
    Rule::new(allowed, |value| each(value, |item| ApduPattern::parse(string(item)?)))
}

/// Commands to a card in a reader without slots.
pub(in crate::config) fn card_patterns() -> Rule<Vec<ApduPattern>> {
    Rule::new("a list of CLA and INS in hex, ? for any digit, such as \"80 D4\"", |value| {
        each(value, |item| {
            let text = string(item)?;
            let pattern = ApduPattern::parse(text)?;
            if pattern.slot.is_some() {
                return Err(format!("{text:?} names a slot, and only PSAMs have slots"));
            }
            Ok(pattern)
        })
    })
}
