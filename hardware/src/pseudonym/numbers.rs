//! Identity numbers (GB 11643) in texts: which are invented, and which could be somebody's.
//!
//! Called for every replaced text, so that none gets such a number by chance, and by who looks
//! through a recording for what was left in it.

use std::ops::{Range, RangeInclusive};

use super::keystream::Keystream;
use super::{ID_CHARACTERS, INVENTED_REGION, calendar};
use crate::id_card::id_number::is_valid;

/// Where the date of birth stands in a number.
const BIRTH: Range<usize> = 6..14;

/// Where the tens of its month stand.
const MONTH: usize = 10;

/// The centuries in which a holder of a number can be born, with room on both sides.
const CENTURIES: RangeInclusive<u128> = 19..=20;

/// The value of the check character X.
const X: u8 = 10;

/// So many numbers that came by chance are made impossible in any text, and [`MENDED_OF`] more in
/// a long one. Chance makes one in some 15,000 places, and a mending makes another one with a
/// chance below one in a thousand.
const MENDINGS: usize = 64;

/// One mending more for so many characters.
const MENDED_OF: usize = 1000;

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

/// Whether this is a number that could be somebody's: 18 characters with the right check character
/// and a date of birth from 1900 to 2099, outside the invented region.
#[must_use]
pub fn is_somebodys(number: &str) -> bool {
    is_id(number) && !number.starts_with(INVENTED_REGION)
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
        let at = first_real(&plain, from)?;
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

/// The last 18 digits of a run, looked at one digit at a time.
#[derive(Default)]
pub(super) struct Window {
    /// Four bits each, the latest lowest.
    digits: u128,
    /// Digits since the run began.
    run: usize,
}

impl Window {
    /// The next character of the run: the value of a digit, 10 for X, nothing for what is neither.
    /// Whether a number that could be somebody's ends with it.
    pub(super) fn push(&mut self, symbol: Option<u8>) -> bool {
        let Some(symbol) = symbol else {
            self.run = 0;
            return false;
        };
        self.digits = self.digits << 4 | u128::from(symbol);
        let before = self.run;
        self.run = if symbol == X { 0 } else { before + 1 };
        before >= ID_CHARACTERS - 1 && self.could_be_somebodys()
    }

    fn could_be_somebodys(&self) -> bool {
        let digit = |at: usize| self.digits >> (4 * (ID_CHARACTERS - 1 - at)) & 0xF;
        // Nearly all are ruled out by this.
        if !CENTURIES.contains(&(digit(BIRTH.start) * 10 + digit(BIRTH.start + 1))) {
            return false;
        }
        let number: [u8; ID_CHARACTERS] = std::array::from_fn(|at| match digit(at) {
            digit @ 0..=9 => b'0' + u8::try_from(digit).unwrap_or_default(),
            _ => b'X',
        });
        std::str::from_utf8(&number).is_ok_and(is_somebodys)
    }
}

/// Where, in characters, the first number stands that could be somebody's and begins at `from` or
/// later.
pub(super) fn first_real(text: &[char], from: usize) -> Option<usize> {
    let mut window = Window::default();
    let behind = text.get(from..)?.iter();
    let end = behind.map(|character| plain(*character)).position(|plain| window.push(plain))?;
    Some(from + end + 1 - ID_CHARACTERS)
}

/// Leaves no number in the text that could be somebody's.
pub(super) fn make_nobodys(text: &mut [char], stream: &mut Keystream) {
    let mut mendings = MENDINGS + text.len() / MENDED_OF;
    let mut from = 0;
    while let Some(at) = first_real(text, from) {
        if mendings == 0 {
            text.iter_mut().for_each(|character| *character = no_digit_of_a_date(*character));
            return;
        }
        mendings -= 1;
        make_impossible(text, at, stream);
        // The first number that the changed digit is part of, as its last.
        from = (at + MONTH + 1).saturating_sub(ID_CHARACTERS);
    }
}

/// Gives the number that begins at `at` a month that there is not.
pub(super) fn make_impossible(text: &mut [char], at: usize, stream: &mut Keystream) {
    if let Some(tens) = text.get_mut(at + MONTH) {
        let digit = 2 + stream.below(8);
        *tens = char::from_u32(u32::from(zero_like(*tens)) + digit).unwrap_or('9');
    }
}

/// A digit that no date of birth can be made of, for a digit; the character itself otherwise.
fn no_digit_of_a_date(character: char) -> char {
    if plain(character).is_some_and(|plain| plain != X) { zero_like(character) } else { character }
}

fn has_plausible_birth(number: &str) -> bool {
    number.get(BIRTH).is_some_and(|birth| {
        let century = birth.get(..2).and_then(|century| century.parse().ok());
        century.is_some_and(|century| CENTURIES.contains(&century))
            && calendar::day_of(birth).is_some()
    })
}

/// What a character stands for in a number: the value of a digit, or [`X`].
fn plain(character: char) -> Option<u8> {
    let digit = |zero: char| u8::try_from(u32::from(character) - u32::from(zero)).ok();
    match character {
        '0'..='9' => digit('0'),
        '０'..='９' => digit('０'),
        'X' | 'x' | 'Ｘ' | 'ｘ' => Some(X),
        _ => None,
    }
}

fn zero_like(digit: char) -> char {
    if digit.is_ascii() { '0' } else { '０' }
}
