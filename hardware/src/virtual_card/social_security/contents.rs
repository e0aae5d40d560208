//! What is on a social-security card, in words, and as the records that the chip has.
//!
//! Numbers are packed two digits a byte and filled up with F; texts are filled up with 00. Nobody
//! here exists: region 99 is none, and the numbers' check digits are right.

use std::fmt;

use encoding_rs::GB18030;

use crate::id_card::nation::Sex;
use crate::id_card::people::DescriptionError;
use crate::virtual_card::file_system::Record;

/// Bytes of the name's record, and of that which it goes on in.
const NAME: usize = 30;
const NAME_EXTENSION: usize = 20;

/// The digits after the region in an invented card identification code.
const REST_OF_CODE: &str = "99000000000000000000000001";

/// What is on a social-security card.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents {
    /// Specification version, 4 characters: `1.00`, `2.00`, `2.01`, `3.00`. The first says the
    /// [`Generation`].
    pub version: String,
    /// Region code of the issuer, 6 digits: with it the card's identification code begins.
    pub region: String,
    /// First day, `YYYYMMDD`; empty for none.
    pub issued: String,
    /// Last day, `YYYYMMDD`; empty for none.
    pub expires: String,
    /// Number on the card, at most 9 letters and digits.
    pub card_number: String,
    /// ID number, at most 18 characters. Its check character is not looked at.
    pub id_number: String,
    /// Name, at most 30 bytes in GB18030, 50 from the second generation on.
    pub name: String,
    /// Sex.
    pub sex: Sex,
    /// Nation, two digits of GB/T 3304.
    pub nation_code: String,
    /// Region code of the place of birth, 6 digits.
    pub birth_place: String,
    /// Day of birth, `YYYYMMDD`; empty for none.
    pub birth: String,
}

/// The generations of cards, which differ in what is read without keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// Version 1: all of EF05 and EF06 is read; names have 30 bytes.
    First,
    /// Version 2: names may be longer.
    Second,
    /// Version 3: four fields are read without keys.
    Third,
}

/// Shows the version and nothing of the holder.
impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contents").field("version", &self.version).finish_non_exhaustive()
    }
}

impl Contents {
    /// The card of an invented person, another one for each generation.
    #[must_use]
    pub fn of(generation: Generation) -> Self {
        let (version, name, sex, nation_code, birth, id_number, card_number) = match generation {
            Generation::First => {
                ("1.00", "周一", Sex::Male, "01", "19880808", "990101198808080013", "Z99000001")
            }
            Generation::Second => {
                ("2.00", "郑小二", Sex::Female, "11", "19951123", "990102199511230026", "Z99000002")
            }
            Generation::Third => {
                ("3.00", "冯三", Sex::Male, "03", "19790416", "990201197904160057", "Z99000003")
            }
        };
        Self {
            version: version.to_owned(),
            region: "990100".to_owned(),
            issued: "20200102".to_owned(),
            expires: "20300101".to_owned(),
            card_number: card_number.to_owned(),
            id_number: id_number.to_owned(),
            name: name.to_owned(),
            sex,
            nation_code: nation_code.to_owned(),
            birth_place: "990101".to_owned(),
            birth: birth.to_owned(),
        }
    }

    /// The generation that the version says.
    #[must_use]
    pub fn generation(&self) -> Generation {
        match self.version.as_bytes() {
            [b'1', ..] => Generation::First,
            [b'3', ..] => Generation::Third,
            _ => Generation::Second,
        }
    }

    /// The records of EF05, about the card.
    pub(super) fn card_records(&self) -> Result<Vec<Record>, DescriptionError> {
        let region = digits("cityCode", &self.region, 6)?;
        let code = format!("{region}{REST_OF_CODE}");
        let issuer = format!("{region}{:018}", 0);
        Ok(vec![
            record(0x01, packed("cityCode", &code, 16)?),
            record(0x02, b"1".to_vec()),
            record(0x03, text("generation", &self.version, 4)?),
            record(0x04, packed("cityCode", &issuer, 12)?),
            record(0x05, packed("issueDate", &self.issued, 4)?),
            record(0x06, packed("expireDate", &self.expires, 4)?),
            record(0x07, text("cardNumber", &self.card_number, 9)?),
        ])
    }

    /// The records of EF06, about the holder.
    pub(super) fn holder_records(&self) -> Result<Vec<Record>, DescriptionError> {
        let extended = self.generation() != Generation::First;
        let most = if extended { NAME + NAME_EXTENSION } else { NAME };
        let (name, _, lossy) = GB18030.encode(&self.name);
        if lossy || name.len() > most {
            let allowed = format!("a text of at most {most} bytes in GB18030");
            return Err(DescriptionError { key: "name", allowed });
        }
        let mut name = name.into_owned();
        name.resize(most, 0);
        // The cut may be in the middle of a character, as on real cards.
        let extension = name.split_off(NAME);
        let mut records =
            vec![record(0x08, text("idNumber", &self.id_number, 18)?), record(0x09, name)];
        if extended {
            records.push(record(0x4E, extension));
        }
        let nation = digits("nation", &self.nation_code, 2)?;
        let birth_place = digits("cityCode", &self.birth_place, 6)?;
        records.extend([
            record(0x0A, self.sex.code().as_bytes().to_vec()),
            record(0x0B, packed("nation", nation, 1)?),
            record(0x0C, packed("cityCode", birth_place, 3)?),
            record(0x0D, packed("birthDate", &self.birth, 4)?),
        ]);
        Ok(records)
    }
}

fn record(tag: u8, value: Vec<u8>) -> Record {
    Record { tag, value, open: true }
}

/// Text of the class *an*: ASCII, filled up with 00.
fn text(key: &'static str, said: &str, bytes: usize) -> Result<Vec<u8>, DescriptionError> {
    if !said.is_ascii() || said.len() > bytes {
        let allowed = format!("at most {bytes} letters and digits");
        return Err(DescriptionError { key, allowed });
    }
    let mut value = said.as_bytes().to_vec();
    value.resize(bytes, 0);
    Ok(value)
}

/// Just so many digits.
fn digits<'a>(key: &'static str, said: &'a str, count: usize) -> Result<&'a str, DescriptionError> {
    if said.len() == count && said.bytes().all(|digit| digit.is_ascii_digit()) {
        Ok(said)
    } else {
        Err(DescriptionError { key, allowed: format!("{count} digits") })
    }
}

/// Digits of the class *cn*: two a byte from the left, filled up with F.
fn packed(key: &'static str, said: &str, bytes: usize) -> Result<Vec<u8>, DescriptionError> {
    let values: Option<Vec<_>> = said.chars().map(|digit| digit.to_digit(10)).collect();
    let values = values.filter(|values| values.len() <= 2 * bytes).ok_or_else(|| {
        DescriptionError { key, allowed: format!("at most {} digits", 2 * bytes) }
    })?;
    let nibble = |at: usize| values.get(at).map_or(0xF, |digit| *digit as u8);
    Ok((0..bytes).map(|at| nibble(2 * at) << 4 | nibble(2 * at + 1)).collect())
}
