//! A social-security card described by a few named values, for the simulated reader.
//!
//! The keys are those of `getSocialSecurityCardInfo`'s reply. What is not said is taken from the
//! invented person of that generation. A mistake is answered with its key and what is allowed; the
//! value itself is not repeated.

use std::fmt;

use serde::Deserialize;

use super::{Contents, Generation, SocialSecurityChip};
use crate::id_card::nation::Sex;
use crate::id_card::people::{DescriptionError, date, nation_of, set, word};

/// What a tester says of a card. Every key may be left out; an unknown one is a mistake. Values
/// are texts; numbers count as the text they are written with.
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ContentsDescription {
    /// `1`, `2` (where left out) or `3`.
    #[serde(deserialize_with = "word")]
    pub generation: Option<String>,
    /// Name.
    #[serde(deserialize_with = "word")]
    pub name: Option<String>,
    /// The number. Its check character is not looked at: a wrong one is worth a test.
    #[serde(deserialize_with = "word")]
    pub id_number: Option<String>,
    /// Number on the card.
    #[serde(deserialize_with = "word")]
    pub card_number: Option<String>,
    /// Code or word of GB/T 2261.1.
    #[serde(deserialize_with = "word")]
    pub sex: Option<String>,
    /// Code or word of GB/T 3304.
    #[serde(deserialize_with = "word")]
    pub nation: Option<String>,
    /// `YYYYMMDD`.
    #[serde(deserialize_with = "word")]
    pub birth_date: Option<String>,
    /// First day, `YYYYMMDD`.
    #[serde(deserialize_with = "word")]
    pub issue_date: Option<String>,
    /// Last day, `YYYYMMDD`.
    #[serde(deserialize_with = "word")]
    pub expire_date: Option<String>,
    /// Region code of the issuer, 6 digits.
    #[serde(deserialize_with = "word")]
    pub city_code: Option<String>,
}

/// Shows the generation and nothing of the holder.
impl fmt::Debug for ContentsDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContentsDescription")
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

impl SocialSecurityChip {
    /// The chip of a description.
    ///
    /// # Errors
    /// A value that is not allowed.
    pub fn from_description(said: &ContentsDescription) -> Result<Self, DescriptionError> {
        let generation = match said.generation.as_deref() {
            Some("1") => Generation::First,
            None | Some("2") => Generation::Second,
            Some("3") => Generation::Third,
            Some(_) => return Err(refused("generation", "1, 2 or 3")),
        };
        let mut contents = Contents::of(generation);
        if let Some(sex) = &said.sex {
            contents.sex = Sex::from_code(sex)
                .or_else(|| Sex::from_word(sex))
                .ok_or_else(|| refused("sex", "0, 1, 2, 9, 未知, 男, 女 or 未说明"))?;
        }
        if let Some(nation) = &said.nation {
            contents.nation_code = nation_of(nation)?;
        }
        set(&mut contents.birth, date("birthDate", said.birth_date.as_deref(), false)?);
        set(&mut contents.issued, date("issueDate", said.issue_date.as_deref(), false)?);
        set(&mut contents.expires, date("expireDate", said.expire_date.as_deref(), false)?);
        set(&mut contents.name, said.name.as_deref());
        set(&mut contents.id_number, said.id_number.as_deref());
        set(&mut contents.card_number, said.card_number.as_deref());
        set(&mut contents.region, said.city_code.as_deref());
        Self::new(&contents)
    }
}

fn refused(key: &'static str, allowed: &str) -> DescriptionError {
    DescriptionError { key, allowed: allowed.to_owned() }
}
