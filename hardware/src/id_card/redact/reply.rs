//! What stands in the replies of a SAM-V module, and what of it is a person's.
//!
//! `stream` hands over the data of one reply, without status and check byte. What is known is
//! replaced field by field, so that the driver reads the card that [`Pseudonyms`] makes of the
//! real one; all else becomes filler. The length never changes.

use super::super::nation::{nation_code, nation_word};
use super::super::sam_v::{Remedy, remedy};
use super::super::text::{
    ADDRESS_BYTES, ALL_FIELDS, Field, Layout, MOST_ADDRESSES, PADDING, TEXT_BYTES, TYPE_AT,
    place_units, places_of, text_of, units_of,
};
use crate::pseudonym::Pseudonyms;

/// Bytes of a module's own id.
const SAM_ID_BYTES: usize = 16;

/// The lengths in front of text and photo; a reading with fingerprints has one more.
const LENGTHS: usize = 4;
const LENGTHS_WITH_FINGERPRINT: usize = 6;

/// Whether the reply had the right check byte.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    Right,
    Wrong,
}

/// Replaces the data of a reply with status `sw3` to `command`.
pub(super) fn replace(
    data: &mut [u8],
    sw3: u8,
    command: Option<[u8; 2]>,
    check: Check,
    pseudonyms: &Pseudonyms,
) {
    let good = remedy(sw3) == Remedy::Proceed;
    match command {
        // The module's, not a person's.
        Some([0x12, 0xFF]) if data.len() == SAM_ID_BYTES => return,
        // Find and select: numbers of the card, which modules leave at zero.
        Some([0x20, 0x01 | 0x02]) if data.iter().all(|byte| *byte == 0) => return,
        Some([0x30, 0x02 | 0x03]) if good => return addresses(data, pseudonyms),
        _ => {}
    }
    let lengths = match command {
        Some([0x30, 0x01]) if good => Some(LENGTHS),
        Some([0x30, 0x10]) if good => Some(LENGTHS_WITH_FINGERPRINT),
        // A late reply to a reading, or one to a request from before the recording began.
        _ => [LENGTHS, LENGTHS_WITH_FINGERPRINT].into_iter().find(|head| is_reading(data, *head)),
    };
    if lengths.and_then(|lengths| reading(data, lengths, check, pseudonyms)).is_none() {
        fill("reply", data, pseudonyms);
    }
}

/// The addresses appended to a card: one after the other, and what follows the last.
fn addresses(data: &mut [u8], pseudonyms: &Pseudonyms) {
    let (file, rest) = data.split_at_mut(data.len().min(MOST_ADDRESSES * ADDRESS_BYTES));
    for entry in file.chunks_mut(ADDRESS_BYTES) {
        let units = units_of(entry);
        let places: Vec<usize> = (0..units.len()).collect();
        replace_text(entry, &places, |address| pseudonyms.address(address));
        // Half a unit says nothing, but it is not ours to keep.
        if let [half] = entry.chunks_exact_mut(2).into_remainder() {
            *half = 0;
        }
    }
    fill("reply", rest, pseudonyms);
}

/// Lengths, text, photo, fingerprints. `None`, and nothing is changed, if the data does not hold
/// what the lengths announce: the driver refuses it then, and does so with filler too, whose
/// lengths are longer than any reply.
fn reading(data: &mut [u8], lengths: usize, check: Check, pseudonyms: &Pseudonyms) -> Option<()> {
    let (text_length, photo_length) = (length_at(data, 0)?, length_at(data, 2)?);
    let (_, parts) = data.split_at_mut_checked(lengths)?;
    let (text, parts) = parts.split_at_mut_checked(text_length)?;
    let (photo, rest) = parts.split_at_mut_checked(photo_length)?;
    if check == Check::Wrong && !is_in_place(text) {
        return None;
    }
    block(text, pseudonyms);
    let wlt = pseudonyms.wlt(photo);
    photo.copy_from_slice(&wlt);
    fill("fingerprint", rest, pseudonyms);
    Some(())
}

/// The text block, and what follows it.
fn block(text: &mut [u8], pseudonyms: &Pseudonyms) {
    let Some((block, rest)) = text.split_at_mut_checked(TEXT_BYTES) else {
        // The driver refuses it for its length.
        fill("text", text, pseudonyms);
        return;
    };
    fill("text", rest, pseudonyms);
    let kind = unit_at(block, TYPE_AT / 2);
    let Some(layout) = Layout::of_unit(kind) else {
        // A card of a type that is not known: the driver says the letter and nothing more.
        fill("text", block, pseudonyms);
        put_unit(block, TYPE_AT / 2, kind);
        return;
    };
    let mut unnamed: Vec<usize> = (0..TEXT_BYTES / 2).filter(|at| *at != TYPE_AT / 2).collect();
    for field in ALL_FIELDS {
        let places: Vec<usize> = places_of(layout, field).flat_map(place_units).collect();
        unnamed.retain(|at| !places.contains(at));
        replace_text(block, &places, |text| invented(field, text, pseudonyms));
    }
    // What no document gives a meaning to is blank on most cards, and may be anything on others.
    let is_blank = |unit: u16| matches!(unit, PADDING | 0 | 0xFFFF);
    for at in unnamed {
        if !is_blank(unit_at(block, at)) {
            put_unit(block, at, PADDING);
        }
    }
    if !is_blank(kind) && !u8::try_from(kind).is_ok_and(|kind| kind.is_ascii_alphabetic()) {
        put_unit(block, TYPE_AT / 2, PADDING);
    }
}

/// What a field says instead. The daemon makes the JSON of the card from the same fields, and the
/// recorder replaces there by the same methods.
fn invented(field: Field, text: &str, pseudonyms: &Pseudonyms) -> String {
    match field {
        // A foreigner without a Chinese name goes by the English one.
        Field::Name | Field::EnglishName => pseudonyms.name(text),
        Field::Birth => pseudonyms.birth(text),
        Field::Address => pseudonyms.address(text),
        Field::IdNumber | Field::PassNumber => pseudonyms.id_number(text),
        Field::OldNumberLink => pseudonyms.card_number(text),
        // On `I` the code of the authority is shown as the agency.
        Field::Agency | Field::AuthorityCode => pseudonyms.agency(text),
        Field::ValidFrom | Field::ValidTo => pseudonyms.validity(text),
        // Shared by many people: they stay. The nationality is shown as it is, so one that is
        // none is replaced as in the JSON; the others are codes, and one that is no code is as
        // unknown after as before.
        Field::Nationality if is_nationality(text) => text.to_owned(),
        Field::Nationality => pseudonyms.text(text),
        Field::Sex | Field::Nation | Field::IssueCount | Field::Version if text.is_ascii() => {
            text.to_owned()
        }
        Field::Sex | Field::Nation | Field::IssueCount | Field::Version => {
            pseudonyms.card_number(text)
        }
    }
}

/// Whether this is a country's three letters, or a nation's word or code, which stay in the JSON.
fn is_nationality(text: &str) -> bool {
    let country = text.len() == 3 && text.bytes().all(|letter| letter.is_ascii_uppercase());
    country || nation_code(text).is_some() || nation_word(&format!("{text:0>2}")).is_some()
}

/// Replaces the text that stands in these units of `block`, in reading order. Its padding stays
/// where it is.
fn replace_text(block: &mut [u8], places: &[usize], invented: impl FnOnce(&str) -> String) {
    let units: Vec<u16> = places.iter().map(|at| unit_at(block, *at)).collect();
    let text = text_of(&units);
    let length = text.encode_utf16().count();
    let replaced: Vec<u16> = invented(&text).encode_utf16().collect();
    let padded = replaced.into_iter().chain(std::iter::repeat(PADDING));
    for (at, unit) in places.iter().take(length).zip(padded) {
        put_unit(block, *at, unit);
    }
}

/// Whether this data is a reading by its lengths alone, which are those of every card known.
fn is_reading(data: &[u8], lengths: usize) -> bool {
    let parts: Option<Vec<usize>> = (0..lengths).step_by(2).map(|at| length_at(data, at)).collect();
    parts.is_some_and(|parts| {
        parts.first() == Some(&TEXT_BYTES) && lengths + parts.iter().sum::<usize>() == data.len()
    })
}

/// Whether the fields of a damaged block stand where they should: a byte that was lost on the
/// line shifts all behind it, and no field would be known for what it is.
fn is_in_place(text: &[u8]) -> bool {
    let units = units_of(text);
    let Some(layout) = units.get(TYPE_AT / 2).and_then(|unit| Layout::of_unit(*unit)) else {
        return true;
    };
    [Field::Birth, Field::ValidFrom].into_iter().all(|field| {
        places_of(layout, field)
            .filter_map(|place| units.get(place_units(place)))
            .flatten()
            .all(|unit| u8::try_from(*unit).is_ok_and(|unit| unit.is_ascii_digit()))
    })
}

fn fill(kind: &str, bytes: &mut [u8], pseudonyms: &Pseudonyms) {
    let filler = pseudonyms.bytes(kind, bytes);
    bytes.copy_from_slice(&filler);
}

fn length_at(data: &[u8], at: usize) -> Option<usize> {
    match data.get(at..at + 2)? {
        [high, low] => Some(usize::from(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

fn unit_at(block: &[u8], at: usize) -> u16 {
    match block.get(at * 2..at * 2 + 2) {
        Some([low, high]) => u16::from_le_bytes([*low, *high]),
        _ => PADDING,
    }
}

fn put_unit(block: &mut [u8], at: usize, unit: u16) {
    if let Some(pair) = block.get_mut(at * 2..at * 2 + 2) {
        pair.copy_from_slice(&unit.to_le_bytes());
    }
}
