//! Invented values for real ones: the same for the same within one recording.
//!
//! Every replacement follows from the recording's secret key, the kind of value and the value
//! itself, so a device's bytes and the JSON made of them agree without a table between them.
//! Called by the `redact` of each device's folder and by the recorder, which redacts the JSON;
//! the key is forgotten with the recording's end, and whom a replacement stands for with it.
//!
//! A replaced text has the length of the real one in UTF-16 units, in UTF-8 and in GB18030, and
//! no character that is replaced stays what it was. No number that could be somebody's is in it,
//! neither in digits nor, if its bytes are taken for BCD, in those.

use std::fs::File;
use std::io::{self, Read};

use crate::id_card::id_number::{check_digit, is_valid};
use crate::picture::Bounds;
use characters::class_of;
use keystream::Keystream;

mod bcd;
mod calendar;
mod characters;
mod in_place;
mod keystream;
mod numbers;
mod picture;
#[cfg(test)]
mod tests;

pub use bcd::bcd_ids;
pub(crate) use in_place::{Charset, in_place};
pub use numbers::{is_invented_id, is_somebodys, real_ids};

/// Characters of an identity number of GB 11643.
const ID_CHARACTERS: usize = 18;

/// The first two digits of every invented number: GB/T 2260 has no region 99.
const INVENTED_REGION: &str = "99";

/// The shortest and the longest way, in days, by which the dates of validity are moved.
const SHIFT: (u32, u32) = (30, 395);

/// What stands for an end of validity that never comes.
const FOREVER: &str = "长期";

/// What stands for a date that there is not.
const NEVER_WRITTEN: &str = "00000000";

/// A picture of more dots has none of its size in its place: none is printed or shown.
const MOST_PIXELS: u64 = 4096 * 4096;

/// How JPEG files begin.
const JPEG_HEAD: [u8; 3] = [0xFF, 0xD8, 0xFF];

/// Width and height of a JPEG that stands for one whose size is none: one block.
const SQUARE: u16 = 8;

/// The width and height of a picture by its header, if it has one.
fn size_of(picture: &[u8]) -> Option<(u32, u32)> {
    let bounds = Bounds { pixels: MOST_PIXELS, memory: MOST_PIXELS * 12 };
    let header = crate::picture::examine(picture, bounds).ok()?;
    Some((header.width, header.height))
}

/// What replaces personal values in one recording.
#[derive(Clone)]
pub struct Pseudonyms {
    key: [u8; 32],
}

/// What becomes of the ASCII letters of a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Letters {
    Replaced,
    Stay,
}

impl Pseudonyms {
    /// Replacements that follow from this key; whoever knows it could try out whom they stand for.
    #[must_use]
    pub fn with_key(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Replacements that follow from a key that nobody knows, of the kernel's random numbers.
    ///
    /// # Errors
    /// The kernel's source of random numbers cannot be read.
    pub fn random() -> io::Result<Self> {
        let mut key = [0; 32];
        File::open("/dev/urandom")?.read_exact(&mut key)?;
        Ok(Self { key })
    }

    /// For a name, Chinese or English. Each character becomes another of its kind: ideographs
    /// such as 甲乙丙丁 or 天地玄宇, Latin letters of the same case, digits. Blanks, dots, commas
    /// and hyphens stay.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        self.replaced("name", name, Letters::Replaced)
    }

    /// For an address, as [`Pseudonyms::name`]; full-width digits become full-width digits.
    #[must_use]
    pub fn address(&self, address: &str) -> String {
        self.replaced("address", address, Letters::Replaced)
    }

    /// For an issuing agency, in words or as a code, as [`Pseudonyms::name`].
    #[must_use]
    pub fn agency(&self, agency: &str) -> String {
        self.replaced("agency", agency, Letters::Replaced)
    }

    /// For an identity number of 18 characters: one of the invented region 99, born on
    /// [`Pseudonyms::birth`] of the real date, of the same sex; its check character is right if
    /// the real one was, and wrong if it was wrong. In numbers of other shapes, such as those of
    /// permits and passes, letters stay and digits become digits.
    #[must_use]
    pub fn id_number(&self, number: &str) -> String {
        self.invented_id(number).unwrap_or_else(|| self.replaced("id", number, Letters::Stay))
    }

    /// For a date of birth: `YYYYMMDD` becomes another date from 1950 to 2009. Eight noughts, with
    /// which chips write that there is none, stay; what else is no date is replaced character by
    /// character.
    #[must_use]
    pub fn birth(&self, birth: &str) -> String {
        if birth == NEVER_WRITTEN {
            return birth.to_owned();
        }
        let Some(real) = calendar::day_of(birth) else {
            return self.replaced("birth", birth, Letters::Replaced);
        };
        let (first, days) = calendar::BIRTHS;
        let at = self.stream("birth", birth.as_bytes()).below(days);
        let day = first + i64::from(at);
        let day = if day == real { first + i64::from((at + 1) % days) } else { day };
        calendar::text_of(day)
    }

    /// For a first or last day of validity: `YYYYMMDD` moves by a number of days, the same in the
    /// whole recording, so that spans keep their length. `长期` stays; what else is no date is
    /// replaced character by character.
    #[must_use]
    pub fn validity(&self, day: &str) -> String {
        if day == FOREVER {
            return day.to_owned();
        }
        let Some(real) = calendar::day_of(day) else {
            return self.replaced("validity", day, Letters::Replaced);
        };
        let mut stream = self.stream("shift", &[]);
        let (least, most) = SHIFT;
        let by = i64::from(least + stream.below(most - least));
        let by = if stream.below(2) == 0 { by } else { -by };
        let moved = real + by;
        // The ends of the calendar: the other way.
        calendar::text_of(if calendar::has(moved) { moved } else { real - by })
    }

    /// For the number of a card of any kind: digits become digits, letters letters.
    #[must_use]
    pub fn card_number(&self, number: &str) -> String {
        self.replaced("card", number, Letters::Replaced)
    }

    /// For a scanned code. A code that is an identity number becomes
    /// [`Pseudonyms::id_number`] of it. In others, each character becomes another of its kind,
    /// with the same length in UTF-8 and in GB18030; ASCII punctuation, blanks, ESC and the
    /// separators FS to US, U+FFFD and a leading `http://` or `https://` stay. The other controls,
    /// which binary codes are made of, become controls that are no BCD. The result's GB18030 bytes
    /// are no valid UTF-8 unless they are ASCII.
    #[must_use]
    pub fn code(&self, code: &str) -> String {
        if numbers::is_id(code) {
            return self.id_number(code);
        }
        let scheme = ["http://", "https://"].into_iter().find_map(|scheme| {
            let begin = code.get(..scheme.len())?;
            begin.eq_ignore_ascii_case(scheme).then_some(begin)
        });
        let scheme = scheme.unwrap_or_default();
        let rest = code.strip_prefix(scheme).unwrap_or_default();
        format!("{scheme}{}", self.replaced("code", rest, Letters::Replaced))
    }

    /// For any other text, of unknown meaning: as [`Pseudonyms::code`], and the same as that, so
    /// that a code that comes back in another place is still the same code.
    #[must_use]
    pub fn text(&self, text: &str) -> String {
        self.code(text)
    }

    /// For bytes of this kind: as many, of `0xC1..=0xDF` only. In those there is no preamble of a
    /// SAM-V frame and no digit in ASCII, BCD or UTF-16LE.
    #[must_use]
    pub fn bytes(&self, kind: &str, bytes: &[u8]) -> Vec<u8> {
        const FIRST: u8 = 0xC1;
        const COUNT: u8 = 0xDF - FIRST + 1;
        let mut stream = self.stream(kind, bytes);
        let mut filler: Vec<u8> = bytes.iter().map(|_| FIRST + stream.byte() % COUNT).collect();
        if filler == bytes
            && let Some(first) = filler.first_mut()
        {
            *first = FIRST + (*first - FIRST + 1) % COUNT;
        }
        filler
    }

    /// For a chip's photo (WLT): filler of its length, which no decoder takes for a photo.
    #[must_use]
    pub fn wlt(&self, wlt: &[u8]) -> Vec<u8> {
        self.bytes("wlt", wlt)
    }

    /// For a JPEG: a grey JPEG of exactly its length and of as many dots; of a small square, if that does
    /// not fit or it has no size. What is shorter than such a square (160 bytes) becomes filler.
    #[must_use]
    pub fn jpeg(&self, jpeg: &[u8]) -> Vec<u8> {
        let shade = self.stream("jpeg", jpeg).byte();
        let filler = self.bytes("jpeg", jpeg);
        let size = size_of(jpeg).map(|(width, height)| (width.try_into(), height.try_into()));
        let grey = match size {
            Some((Ok(width), Ok(height))) => picture::jpeg(shade, width, height, &filler),
            _ => None,
        };
        grey.or_else(|| picture::jpeg(shade, SQUARE, SQUARE, &filler)).unwrap_or(filler)
    }

    /// For a picture of any kind: a grey one of exactly its length and of as many dots, so that a receipt with
    /// it stays as long. A JPEG becomes [`Pseudonyms::jpeg`], any other a PNG. What is no picture, or is
    /// shorter than such a PNG, becomes filler, but for the mark of its kind and a PNG's head.
    #[must_use]
    pub fn picture(&self, picture: &[u8]) -> Vec<u8> {
        if picture.starts_with(&JPEG_HEAD) {
            return self.jpeg(picture);
        }
        let shade = self.stream("picture", picture).byte();
        let filler = self.bytes("picture", picture);
        let grey = size_of(picture)
            .and_then(|(width, height)| picture::png(shade, width, height, &filler));
        // What is none is refused in the same words: for what it begins as.
        grey.unwrap_or_else(|| picture::begun(picture, filler))
    }

    fn stream(&self, kind: &str, text: &[u8]) -> Keystream {
        Keystream::new(&self.key, kind, text)
    }

    /// `None` for what is not 17 digits and a digit or X.
    fn invented_id(&self, number: &str) -> Option<String> {
        let (digits, check) = number.split_at_checked(ID_CHARACTERS - 1)?;
        if number.len() != ID_CHARACTERS || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let check =
            check.chars().next().filter(|c| c.is_ascii_digit() || matches!(c, 'X' | 'x'))?;
        let mut stream = self.stream("id", number.as_bytes());
        let mut digit = |choice: u32| char::from_digit(stream.below(choice), 10).unwrap_or('0');
        let mut invented = String::from(INVENTED_REGION);
        invented.extend((0..4).map(|_| digit(10)));
        invented.push_str(&self.birth(digits.get(6..14)?));
        invented.extend((0..2).map(|_| digit(10)));
        // The last digit of the sequence is odd for men and even for women.
        let sex = digits.chars().next_back()?.to_digit(10)? % 2;
        let half = digit(5).to_digit(10)?;
        invented.push(char::from_digit(half * 2 + sex, 10)?);
        let right = check_digit(&invented)?;
        invented.push(if is_valid(number) {
            right
        } else if !check.is_ascii_digit() && right != 'X' {
            check
        } else {
            // Of the ten digits at most one is right.
            let any = digit(10);
            if any == right { char::from_digit((any.to_digit(10)? + 1) % 10, 10)? } else { any }
        });
        Some(invented)
    }

    /// Each character another of its class; then no number in it can be somebody's.
    fn replaced(&self, kind: &str, text: &str, letters: Letters) -> String {
        let mut stream = self.stream(kind, text.as_bytes());
        let replaced = text.chars().map(|character| {
            if letters == Letters::Stay && character.is_ascii_alphabetic() {
                return character;
            }
            class_of(character).map_or(character, |class| class.other(character, &mut stream))
        });
        let mut replaced: Vec<char> = replaced.collect();
        numbers::make_nobodys(&mut replaced, &mut stream);
        bcd::without_ids(replaced.into_iter().collect())
    }
}
