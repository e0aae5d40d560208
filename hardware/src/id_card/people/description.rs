//! A card described by a few named values, for the simulated reader.
//!
//! Owns the keys of a description and what is allowed in each. Called when a tester puts a card
//! of his own on the simulated reader: what he does not say is taken from the person he names, or
//! from the first of the town with a card of that layout. The keys are those of `getIDCardInfo`'s
//! reply, so a reply can be put on again. A mistake is answered with its key and what is allowed;
//! the value itself is not repeated.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use super::{Card, FINGERPRINT_BYTES, PEOPLE, pattern, person};
use crate::id_card::nation::{Sex, nation_code, nation_word};
use crate::id_card::text::{Field, Layout, TextError, encode_addresses};

/// What a tester says of a card. Every key may be left out; an unknown one is a mistake. Values
/// are texts; numbers and truth values count as the text they are written with.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CardDescription {
    /// Slug of the person whose card is changed.
    #[serde(deserialize_with = "word")]
    pub person: Option<String>,
    /// `resident`, `J`, `I` or `Y`.
    #[serde(deserialize_with = "word")]
    pub layout: Option<String>,
    /// Chinese name.
    #[serde(deserialize_with = "word")]
    pub name: Option<String>,
    /// English name (`I`, `Y`).
    #[serde(deserialize_with = "word")]
    pub english_name: Option<String>,
    /// Code or word of GB/T 2261.1.
    #[serde(deserialize_with = "word")]
    pub sex: Option<String>,
    /// Code or word of GB/T 3304; on `I` and `Y` the nationality.
    #[serde(deserialize_with = "word")]
    pub nation: Option<String>,
    /// Three-letter nationality (`I`, `Y`).
    #[serde(deserialize_with = "word")]
    pub nationality: Option<String>,
    /// `YYYYMMDD`; `birth` is understood too.
    #[serde(alias = "birth", deserialize_with = "word")]
    pub birth_date: Option<String>,
    /// Printed address.
    #[serde(deserialize_with = "word")]
    pub address: Option<String>,
    /// Address appended later; an empty one takes away what the person has.
    #[serde(deserialize_with = "word")]
    pub appended_address: Option<String>,
    /// The number. Its check character is not looked at: a wrong one is worth a test.
    #[serde(deserialize_with = "word")]
    pub id_num: Option<String>,
    /// Issuing agency; on `I` the code of the authority.
    #[serde(deserialize_with = "word")]
    pub signing_organization: Option<String>,
    /// Valid from, `YYYYMMDD`.
    #[serde(deserialize_with = "word")]
    pub begin_time: Option<String>,
    /// Valid to, `YYYYMMDD` or `长期`.
    #[serde(deserialize_with = "word")]
    pub end_time: Option<String>,
    /// Travel-pass number (`J`).
    #[serde(deserialize_with = "word")]
    pub pass_number: Option<String>,
    /// Count of issues (`J`) or changes (`Y`).
    #[serde(deserialize_with = "word")]
    pub issue_count: Option<String>,
    /// `true` or `false`: whether fingerprints are on the card.
    #[serde(deserialize_with = "word")]
    pub fingerprint: Option<String>,
}

/// A description that makes no card: where, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}`: allowed is {allowed}")]
pub struct DescriptionError {
    /// The key with the mistake.
    pub key: &'static str,
    /// What is allowed there, in words.
    pub allowed: String,
}

impl Card {
    /// The card of a description.
    ///
    /// # Errors
    /// A value that is not allowed, or a key that this layout has no place for.
    pub fn from_description(said: &CardDescription) -> Result<Self, DescriptionError> {
        let mut card = base(said)?;
        let foreign = card.text.is_foreigner();
        let text = &mut card.text;
        if let Some(sex) = &said.sex {
            text.sex = Sex::from_code(sex)
                .or_else(|| Sex::from_word(sex))
                .ok_or_else(|| refused("sex", "0, 1, 2, 9, 未知, 男, 女 or 未说明"))?;
        }
        match &said.nation {
            Some(nation) if foreign => text.nationality = nationality("nation", nation)?,
            // The reply says "" for these cards, and may be put on again.
            Some(nation) if text.layout == Layout::HkMacauTaiwan && nation.is_empty() => {}
            Some(_) if text.layout == Layout::HkMacauTaiwan => {
                return Err(refused("nation", "nothing: a card of layout J has none"));
            }
            Some(nation) => text.nation_code = nation_of(nation)?,
            None => {}
        }
        if let Some(letters) = &said.nationality {
            text.nationality = nationality("nationality", letters)?;
        }
        set(&mut text.birth, date("birthDate", said.birth_date.as_deref(), false)?);
        set(&mut text.valid_from, date("beginTime", said.begin_time.as_deref(), false)?);
        set(&mut text.valid_to, date("endTime", said.end_time.as_deref(), true)?);
        set(&mut text.name, said.name.as_deref());
        set(&mut text.english_name, said.english_name.as_deref());
        set(&mut text.address, said.address.as_deref());
        set(&mut text.id_number, said.id_num.as_deref());
        set(&mut text.pass_number, said.pass_number.as_deref());
        set(&mut text.issue_count, said.issue_count.as_deref());
        let agency = match text.layout {
            Layout::Foreigner2017 => &mut text.authority_code,
            _ => &mut text.agency,
        };
        set(agency, said.signing_organization.as_deref());
        if let Some(address) = &said.appended_address {
            card.appended_addresses =
                if address.is_empty() { Vec::new() } else { vec![address.clone()] };
        }
        match said.fingerprint.as_deref() {
            None => {}
            Some("true") => card.fingerprint = Some(pattern(1).take(FINGERPRINT_BYTES).collect()),
            Some("false") => card.fingerprint = None,
            Some(_) => return Err(refused("fingerprint", "true or false")),
        }
        card.text.encode().map_err(|wrong| misfit(&wrong, None))?;
        encode_addresses(&card.appended_addresses)
            .map_err(|wrong| misfit(&wrong, Some("appendedAddress")))?;
        Ok(card)
    }
}

/// Says which keys are there, and nothing of what they hold.
impl fmt::Debug for CardDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardDescription")
            .field("person", &self.person)
            .field("layout", &self.layout)
            .finish_non_exhaustive()
    }
}

/// The card that a description changes.
fn base(said: &CardDescription) -> Result<Card, DescriptionError> {
    let layout = match said.layout.as_deref() {
        None => None,
        Some("resident") => Some(Layout::Resident),
        Some("J") => Some(Layout::HkMacauTaiwan),
        Some("I") => Some(Layout::Foreigner2017),
        Some("Y") => Some(Layout::Foreigner2023),
        Some(_) => return Err(refused("layout", "resident, J, I or Y")),
    };
    let Some(slug) = &said.person else {
        return Ok(Card::first_of(layout.unwrap_or(Layout::Resident)));
    };
    let Some(card) = person(slug) else {
        let known: Vec<&str> = PEOPLE.iter().map(|person| person.slug).collect();
        return Err(refused("person", &known.join(", ")));
    };
    match layout {
        Some(layout) if layout != card.text.layout => {
            Err(refused("layout", "that of the person's card; leave one of the two out"))
        }
        _ => Ok(card),
    }
}

/// Puts a value in its place, if there is one.
pub(crate) fn set(place: &mut String, value: Option<&str>) {
    if let Some(value) = value {
        value.clone_into(place);
    }
}

fn refused(key: &'static str, allowed: &str) -> DescriptionError {
    DescriptionError { key, allowed: allowed.to_owned() }
}

/// The code of a nation that is given as code or word; a number has lost its leading zero.
pub(crate) fn nation_of(said: &str) -> Result<String, DescriptionError> {
    let padded = format!("{said:0>2}");
    if nation_word(&padded).is_some() {
        return Ok(padded);
    }
    nation_code(said)
        .map(str::to_owned)
        .ok_or_else(|| refused("nation", "a code or word of GB/T 3304, as 01 or 汉"))
}

fn nationality(key: &'static str, said: &str) -> Result<String, DescriptionError> {
    if said.len() == 3 && said.bytes().all(|letter| letter.is_ascii_uppercase()) {
        Ok(said.to_owned())
    } else {
        Err(refused(key, "three capital letters, as CAN"))
    }
}

/// A date as the chip holds it: eight digits with a possible month and day.
pub(crate) fn date<'a>(
    key: &'static str,
    said: Option<&'a str>,
    open_end: bool,
) -> Result<Option<&'a str>, DescriptionError> {
    let Some(said) = said else { return Ok(None) };
    let within = |range: std::ops::Range<usize>, most: u8| {
        let number = said.get(range).and_then(|digits| digits.parse::<u8>().ok());
        number.is_some_and(|number| (1..=most).contains(&number))
    };
    let digits = said.len() == 8 && said.bytes().all(|digit| digit.is_ascii_digit());
    if (digits && within(4..6, 12) && within(6..8, 31)) || (open_end && said == "长期") {
        Ok(Some(said))
    } else if open_end {
        Err(refused(key, "YYYYMMDD or 长期"))
    } else {
        Err(refused(key, "YYYYMMDD"))
    }
}

/// What the text block refuses, said in the keys of a description.
fn misfit(wrong: &TextError, key: Option<&'static str>) -> DescriptionError {
    match *wrong {
        TextError::TooLong { field, most, .. } => {
            let allowed = format!("at most {most} characters (UTF-16 units)");
            DescriptionError { key: key.unwrap_or(key_of(field)), allowed }
        }
        TextError::NotOnThisCard { field, layout } => {
            let allowed = match layout {
                Layout::Resident => "nothing: a resident card has none".to_owned(),
                other => format!("nothing: a card of layout {} has none", other.letter()),
            };
            DescriptionError { key: key.unwrap_or(key_of(field)), allowed }
        }
        _ => refused(key.unwrap_or("layout"), &wrong.to_string()),
    }
}

/// The key under which a field is described.
fn key_of(field: Field) -> &'static str {
    match field {
        Field::Name => "name",
        Field::EnglishName => "englishName",
        Field::Sex => "sex",
        Field::Nation => "nation",
        Field::Nationality => "nationality",
        Field::Birth => "birthDate",
        Field::Address => "address",
        Field::IdNumber => "idNum",
        Field::Agency | Field::AuthorityCode => "signingOrganization",
        Field::ValidFrom => "beginTime",
        Field::ValidTo => "endTime",
        Field::PassNumber => "passNumber",
        Field::IssueCount => "issueCount",
        // No key leads to these two: what the town's cards have there fits.
        Field::Version | Field::OldNumberLink => "layout",
    }
}

/// Reads a text, or a number or truth value as its text; null is as good as left out.
pub(crate) fn word<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    deserializer.deserialize_any(WordVisitor)
}

struct WordVisitor;

impl Visitor<'_> for WordVisitor {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a whole number, true or false")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number.to_string()))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(Some(truth.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}
