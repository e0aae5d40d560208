//! The records of a social-security card (LD/T 32-2015, EF05 and EF06), each as what it says.
//!
//! A record is `tag(1) length(1) value`; *cn* is packed BCD filled up with `F`, *an* is text filled
//! up with `00` or blanks. The driver reads of a replaced value what [`Pseudonyms`] makes of the
//! real one, and the recorder replaces in the JSON by the same methods. What nobody is told becomes
//! filler; what the driver cannot read, it cannot read afterwards.

use super::super::records::{cut, tag};
use crate::card::redact::FILLER;
use crate::pseudonym::{Charset, Pseudonyms, in_place};

/// Records that no driver reads: the class of the card, who has issued it, where its holder was born.
const CLASS: u8 = 0x02;
const INSTITUTION: u8 = 0x04;
const BIRTH_PLACE: u8 = 0x0C;

/// All tags.
const TAGS: [u8; 14] = [
    tag::CARD_CODE,
    CLASS,
    tag::VERSION,
    INSTITUTION,
    tag::ISSUED,
    tag::EXPIRES,
    tag::CARD_NUMBER,
    tag::ID_NUMBER,
    tag::NAME,
    tag::SEX,
    tag::NATION,
    BIRTH_PLACE,
    tag::BIRTH,
    tag::NAME_EXTENSION,
];

/// Bytes of a card's identification code that say the region.
const REGION: usize = 3;

/// Digits of a date.
const DATE: usize = 8;

/// One record.
#[derive(Clone, Copy)]
pub(super) struct Record<'a> {
    pub(super) tag: u8,
    pub(super) value: &'a [u8],
    /// Bytes behind it, which fill the record up.
    filling: usize,
}

/// Whether this may be the version of a specification: digits and dots, eight at most. It stays, in
/// the card's bytes as in the JSON.
#[must_use]
pub fn is_version(version: &str) -> bool {
    version.len() <= 8 && version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// What is no record: a driver knows it by its first byte, if at all, and refuses it for its length.
pub(super) fn unknown(data: &[u8]) -> Vec<u8> {
    let mut replaced = vec![FILLER; data.len()];
    let tag = data.first().filter(|tag| TAGS.contains(tag));
    replaced.iter_mut().zip(tag).for_each(|(new, tag)| *new = *tag);
    if let [_, length, value @ ..] = replaced.as_mut_slice()
        && value.len() >= usize::from(FILLER)
    {
        *length = u8::MAX;
    }
    replaced
}

impl<'a> Record<'a> {
    /// The record that these bytes are; `None` if they are too few or have no known tag.
    pub(super) fn of(data: &'a [u8]) -> Option<Self> {
        let (tag, value) = cut(data)?;
        let filling = data.len().saturating_sub(2 + value.len());
        TAGS.contains(&tag).then_some(Self { tag, value, filling })
    }

    /// The record, replaced. `name` is what the card says in [`tag::NAME`] and
    /// [`tag::NAME_EXTENSION`].
    pub(super) fn replaced(self, by: &Pseudonyms, name: [&[u8]; 2]) -> Vec<u8> {
        let mut new = self.invented(by, name);
        // Every replacement has the length of what it replaces.
        if new.len() != self.value.len() {
            new = vec![FILLER; self.value.len()];
        }
        let length = u8::try_from(new.len()).unwrap_or_default();
        [&[self.tag, length], new.as_slice(), &vec![FILLER; self.filling]].concat()
    }

    fn invented(self, by: &Pseudonyms, [first, extension]: [&[u8]; 2]) -> Vec<u8> {
        let value = self.value;
        match self.tag {
            tag::NAME => name_of(by, value, extension).0,
            tag::NAME_EXTENSION => name_of(by, first, value).1,
            tag::ID_NUMBER => text(value, |id| by.id_number(id)),
            tag::CARD_NUMBER => text(value, |number| by.card_number(number)),
            tag::VERSION => text(value, |it| if is_version(it) { it.into() } else { by.text(it) }),
            // A code of one character tells of nobody, nor does one that there is not.
            tag::SEX | CLASS if value.len() == 1 => value.to_vec(),
            tag::SEX => text(value, |sex| if sex.len() > 1 { by.text(sex) } else { sex.into() }),
            tag::NATION if digits(value).is_some_and(|code| code.len() <= 2) => value.to_vec(),
            tag::BIRTH => date(value, |birth| by.birth(birth)),
            tag::ISSUED | tag::EXPIRES => date(value, |day| by.validity(day)),
            tag::CARD_CODE => card_code(value, |region| by.agency(region)),
            _ => vec![FILLER; value.len()],
        }
    }
}

/// Both parts of a name. They are one text, in which `00` and `FF`, wherever they stand, are
/// filling; blanks around it are none of it.
fn name_of(by: &Pseudonyms, first: &[u8], extension: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let mut whole = [first, extension].concat();
    let is_text = |byte: &u8| !matches!(*byte, 0x00 | 0xFF);
    let written: Vec<u8> = whole.iter().copied().filter(is_text).collect();
    let invented = in_place(&written, Charset::Gb18030WithoutFf, |text| {
        let begun = text.trim_start_matches(' ');
        let name = begun.trim_end_matches(' ');
        let before = " ".repeat(text.len() - begun.len());
        let behind = " ".repeat(begun.len() - name.len());
        before + &by.name(name) + &behind
    });
    let invented = invented.unwrap_or_else(|| vec![FILLER; written.len()]);
    whole.iter_mut().filter(|byte| is_text(byte)).zip(invented).for_each(|(old, new)| *old = new);
    let extension = whole.split_off(first.len());
    (whole, extension)
}

/// Text in printable ASCII between its filling; filler if it is none.
fn text(value: &[u8], invented: impl FnOnce(&str) -> String) -> Vec<u8> {
    let is_filling = |byte: &u8| matches!(*byte, 0x00 | b' ');
    let start = value.iter().take_while(|byte| is_filling(byte)).count();
    let behind = value.iter().rev().take_while(|byte| is_filling(byte)).count();
    let Some(written) = value.get(start..value.len() - behind) else {
        // Nothing but filling.
        return value.to_vec();
    };
    match std::str::from_utf8(written) {
        Ok(written) if written.bytes().all(|byte| byte.is_ascii_graphic()) => {
            let mut replaced = value.to_vec();
            let places = replaced.iter_mut().skip(start);
            places.zip(invented(written).bytes()).for_each(|(old, new)| *old = new);
            replaced
        }
        _ => vec![FILLER; value.len()],
    }
}

/// A date, which need not be one of the calendar; what was never written stays.
fn date(value: &[u8], invented: impl FnOnce(&str) -> String) -> Vec<u8> {
    match digits(value) {
        Some(day) if day.len() == DATE && day.bytes().any(|digit| digit != b'0') => {
            with_digits(value, &invented(&day))
        }
        Some(day) if day.bytes().all(|digit| digit == b'0') => value.to_vec(),
        _ => vec![FILLER; value.len()],
    }
}

/// The region that issued the card; what numbers the card is filler.
fn card_code(value: &[u8], invented: impl FnOnce(&str) -> String) -> Vec<u8> {
    let mut replaced = vec![FILLER; value.len()];
    if let Some(region) = value.get(..REGION)
        && let Some(code) = digits(region).filter(|code| code.len() == 2 * REGION)
    {
        let new = with_digits(region, &invented(&code));
        replaced.iter_mut().zip(new).for_each(|(old, new)| *old = new);
    }
    replaced
}

/// The digits of packed BCD without the `F`s behind them; `None` if there is anything else.
fn digits(value: &[u8]) -> Option<String> {
    let nibbles = value.iter().flat_map(|byte| [byte >> 4, byte & 0xF]);
    let hex: String = nibbles.filter_map(|nibble| char::from_digit(nibble.into(), 16)).collect();
    let digits = hex.trim_end_matches('f');
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.to_owned())
}

/// The value with other digits at its beginning.
fn with_digits(value: &[u8], digits: &str) -> Vec<u8> {
    let mut new = digits.bytes().map(|digit| digit.wrapping_sub(b'0') & 0xF);
    let mut nibble = |old: u8| new.next().unwrap_or(old);
    value.iter().map(|byte| nibble(byte >> 4) << 4 | nibble(byte & 0xF)).collect()
}
