//! Identity numbers (GB 11643) in texts: which are invented, and which could be somebody's.
//!
//! Called for every replaced text, so that none gets such a number by chance, and by who looks
//! through a recording for what was left in it.

use std::ops::Range;

use super::keystream::Keystream;
use super::{ID_CHARACTERS, INVENTED_REGION, calendar};
use crate::id_card::id_number::is_valid;

/// Where the date of birth stands in a number.
const BIRTH: Range<usize> = 6..14;

/// Where the tens of its month stand.
const MONTH: usize = 10;

/// Years in which a holder of a number can be born, with room on both sides.
const YEARS: std::ops::RangeInclusive<&str> = "1900"..="2099";

/// Whether this is an identity number of the invented region 99: 17 digits and a digit or X. Its
/// check character may be wrong.
#[must_use]
pub fn is_invented_id(number: &str) -> bool {
    let mut characters = number.chars();
    let check = characters.next_back();
    number.len() == ID_CHARACTERS
        && number.starts_with(INVENTED_REGION)
        && characters.all(|digit| digit.is_ascii_digit())
        && check.is_some_and(|check| check.is_ascii_digit() || check.eq_ignore_ascii_case(&'X'))
}

/// Where, in bytes, numbers stand in `text` that could be somebody's: 18 characters within a run
/// of digits, with the right check character and a date of birth from 1900 to 2099, outside the
/// invented region. Full-width digits count as digits, `x` as `X`.
///
/// A long run of digits holds such a number by chance once in some 15,000 places: look through
/// texts, not through bytes written in hex.
pub fn real_ids(text: &str) -> impl Iterator<Item = Range<usize>> {
    let characters: Vec<(usize, char)> = text.char_indices().collect();
    let plain: Vec<char> = characters.iter().map(|(_, character)| *character).collect();
    let mut from = 0;
    std::iter::from_fn(move || {
        let at = from + first_real(plain.get(from..)?)?;
        from = at + 1;
        let (last, character) = characters.get(at + ID_CHARACTERS - 1)?;
        Some(characters.get(at)?.0..last + character.len_utf8())
    })
}

/// Whether the whole of `text` is a number with the right check character and a date of birth, of
/// whatever region.
pub(super) fn is_id(text: &str) -> bool {
    is_valid(text) && has_plausible_birth(text)
}

/// Where, in characters, the first number stands that could be somebody's.
pub(super) fn first_real(text: &[char]) -> Option<usize> {
    let mut digits = 0;
    for (at, character) in text.iter().enumerate() {
        let plain = plain(*character);
        if digits >= ID_CHARACTERS - 1 && plain.is_some() {
            let begin = at + 1 - ID_CHARACTERS;
            let number: Option<String> =
                text.get(begin..=at)?.iter().map(|character| self::plain(*character)).collect();
            let number = number.unwrap_or_default();
            if is_id(&number) && !number.starts_with(INVENTED_REGION) {
                return Some(begin);
            }
        }
        digits = if plain.is_some_and(|plain| plain != 'X') { digits + 1 } else { 0 };
    }
    None
}

/// Gives the number that begins at `at` a month that there is not.
pub(super) fn make_impossible(text: &mut [char], at: usize, stream: &mut Keystream) {
    if let Some(tens) = text.get_mut(at + MONTH) {
        let digit = 2 + stream.below(8);
        *tens = char::from_u32(u32::from(zero_like(*tens)) + digit).unwrap_or('9');
    }
}

/// A digit that no date of birth can be made of, for a digit; the character itself otherwise.
pub(super) fn no_digit_of_a_date(character: char) -> char {
    if plain(character).is_some_and(|plain| plain != 'X') {
        zero_like(character)
    } else {
        character
    }
}

fn has_plausible_birth(number: &str) -> bool {
    number.get(BIRTH).is_some_and(|birth| {
        calendar::day_of(birth).is_some()
            && birth.get(..4).is_some_and(|year| YEARS.contains(&year))
    })
}

/// The ASCII digit or X that a character stands for in a number.
fn plain(character: char) -> Option<char> {
    match character {
        '0'..='9' => Some(character),
        '０'..='９' => char::from_u32(u32::from(character) - u32::from('０') + u32::from('0')),
        'X' | 'x' | 'Ｘ' | 'ｘ' => Some('X'),
        _ => None,
    }
}

fn zero_like(digit: char) -> char {
    if digit.is_ascii() { '0' } else { '０' }
}
