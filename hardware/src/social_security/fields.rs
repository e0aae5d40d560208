//! From a card's records to what a person can read.
//!
//! Owns the encodings of LD/T 32-2015: *cn* is packed BCD, left-aligned and filled up with `F`; *an*
//! is text filled up with `00`, of which the sources do not agree on the side. Called by the driver
//! with what was read; any bytes give a card, and what they do not say is empty.

use encoding_rs::GB18030;

use super::SocialSecurityCard;
use super::records::{Records, tag};
use crate::id_card::id_number;
use crate::id_card::nation::{self, Sex};

/// What the records say.
pub(super) fn card(records: &Records) -> SocialSecurityCard {
    let id = text(records.value(tag::ID_NUMBER));
    // Only a number with the right check character is worth guessing from.
    let sure = if id_number::is_valid(&id) { id.as_str() } else { "" };
    SocialSecurityCard {
        card_number: text(records.value(tag::CARD_NUMBER)),
        name: name(records.value(tag::NAME), records.value(tag::NAME_EXTENSION)),
        sex: sex(records.value(tag::SEX), sure),
        birth_date: first_filled(date(records.value(tag::BIRTH)), || birth_of(sure)),
        issue_date: date(records.value(tag::ISSUED)),
        expire_date: date(records.value(tag::EXPIRES)),
        nation: nation(records.value(tag::NATION)),
        city_code: city_code(records.value(tag::CARD_CODE)),
        address: String::new(),
        full_version: text(records.value(tag::VERSION)),
        id_number: id,
    }
}

/// Text in ASCII without its filling at both ends. Anything else than printable characters was
/// never written as text: empty.
fn text(value: &[u8]) -> String {
    let text = str::from_utf8(value).unwrap_or_default().trim_matches(['\0', ' ']);
    if text.bytes().all(|byte| byte.is_ascii_graphic()) { text.to_owned() } else { String::new() }
}

/// The name out of both its records. They are joined as bytes, for a character may be split between
/// them; `00` (filling, also between the two) and `FF` (never written) stand in no character of
/// GB18030.
fn name(first: &[u8], extension: &[u8]) -> String {
    let bytes: Vec<u8> = first
        .iter()
        .chain(extension)
        .copied()
        .filter(|byte| !matches!(byte, 0x00 | 0xFF))
        .collect();
    let (name, _) = GB18030.decode_without_bom_handling(&bytes);
    name.trim_matches(' ').to_owned()
}

/// The sex of the card's code; without one, of the ID number's 17th digit, which is odd for men
/// (GB 11643). A code outside GB/T 2261.1 is unknown, as on an ID card.
fn sex(value: &[u8], id: &str) -> String {
    let code = text(value);
    let sex = if code.is_empty() {
        match id.as_bytes().get(16) {
            Some(digit) if digit % 2 == 1 => Sex::Male,
            Some(_) => Sex::Female,
            None => return String::new(),
        }
    } else {
        Sex::from_code(&code).unwrap_or_default()
    };
    sex.word().to_owned()
}

/// Digits 7 to 14 of an ID number (GB 11643).
fn birth_of(id: &str) -> String {
    written_date(id.get(6..14).unwrap_or_default())
}

/// `YYYYMMDD` in BCD.
fn date(value: &[u8]) -> String {
    written_date(&digits(value).unwrap_or_default())
}

/// Eight digits that are not all zero: those were never written.
fn written_date(digits: &str) -> String {
    if digits.len() == 8 && digits != "00000000" { digits.to_owned() } else { String::new() }
}

/// The word of a nation code in BCD; `FF` was never written.
fn nation(value: &[u8]) -> String {
    let code = digits(value);
    if code.as_deref() == Some("") {
        return String::new();
    }
    let word = code.and_then(|code| nation::nation_word(&code));
    word.unwrap_or(nation::OTHER_NATION).to_owned()
}

/// The first six digits of the card's identification code. What follows them may be hexadecimal.
fn city_code(value: &[u8]) -> String {
    let code = value.get(..3).and_then(digits).unwrap_or_default();
    if code.len() == 6 { code } else { String::new() }
}

/// The digits of packed BCD without their filling; `None` if there is anything else in it.
fn digits(value: &[u8]) -> Option<String> {
    let nibbles = value.iter().flat_map(|byte| [byte >> 4, byte & 0x0F]);
    let hex: String = nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect();
    let digits = hex.trim_end_matches('f');
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.to_owned())
}

fn first_filled(text: String, otherwise: impl FnOnce() -> String) -> String {
    if text.is_empty() { otherwise() } else { text }
}

#[cfg(test)]
mod tests;
