//! The text block of an identity document: 256 bytes, both ways.
//!
//! The block is UTF-16LE; every field has its fixed place and is filled up with U+0020. Which
//! places, says the character at offset 248: a blank for the resident card, `J`, `I` or `Y` for
//! the permits. The places come from GA/T 490 and from what readers are seen to deliver. The
//! reader's driver decodes a block here, the virtual card encodes one; the same table serves both.
//!
//! Nothing is normalised: an address keeps its full-width digits. Only the padding at the end of a
//! field goes. Any 256 bytes decode or are refused in words; none makes it panic.

use std::fmt;

use super::nation::{self, Sex};
mod places;
#[cfg(test)]
mod tests;

pub use places::Field;
pub(super) use places::{ALL_FIELDS, place_units, places_of};

/// Bytes of the text block.
pub const TEXT_BYTES: usize = 256;

/// Bytes of one entry of the appended-address file.
pub const ADDRESS_BYTES: usize = 70;

/// Entries that the appended-address file can hold.
pub const MOST_ADDRESSES: usize = 4;

/// Where the character stands that tells the layouts apart, in bytes.
pub(super) const TYPE_AT: usize = 248;

/// U+0020, with which fields are filled up.
pub(super) const PADDING: u16 = 0x20;

/// What a chip's text can be laid out as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// The resident card (居民身份证); its type character is a blank.
    Resident,
    /// `J`: residence permit of residents of Hong Kong, Macau and Taiwan.
    HkMacauTaiwan,
    /// `I`: foreigner's permanent residence card, design of 2017.
    Foreigner2017,
    /// `Y`: foreigner's permanent residence card, design of 2023.
    Foreigner2023,
}

impl Layout {
    /// Every layout, the resident card first.
    pub const ALL: [Self; 4] =
        [Self::Resident, Self::HkMacauTaiwan, Self::Foreigner2017, Self::Foreigner2023];

    /// The type character at offset 248: a blank, `J`, `I` or `Y`.
    pub fn letter(self) -> char {
        match self {
            Self::Resident => ' ',
            Self::HkMacauTaiwan => 'J',
            Self::Foreigner2017 => 'I',
            Self::Foreigner2023 => 'Y',
        }
    }

    /// The layout of a type character. A letter that is not known is `None`; what is no letter at
    /// all is filler, and the card a resident card.
    pub(super) fn of_unit(unit: u16) -> Option<Self> {
        let letter = char::from_u32(u32::from(unit)).filter(char::is_ascii_alphabetic);
        match letter {
            None => Some(Self::Resident),
            Some(letter) => Self::ALL.into_iter().find(|layout| layout.letter() == letter),
        }
    }
}

/// Why a block is no text, or a text no block. Never quotes what is on the card.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The block is too short to be one.
    #[error("the text block has {got} bytes, {TEXT_BYTES} are wanted")]
    Short {
        /// How many bytes there were.
        got: usize,
    },
    /// A type letter that is none of the known ones: a document newer than this program.
    #[error("the card is of type {letter:?}, known are blank, J, I and Y")]
    UnknownType {
        /// The letter at offset 248.
        letter: char,
    },
    /// A field's text does not fit into its place.
    #[error("{field} has {got} UTF-16 units, its place holds {most}")]
    TooLong {
        /// Which field.
        field: Field,
        /// How many UTF-16 units its place holds.
        most: usize,
        /// How many it has.
        got: usize,
    },
    /// A field is filled in that this layout does not have.
    #[error("a card of layout {layout:?} has no {field}")]
    NotOnThisCard {
        /// Which field.
        field: Field,
        /// The layout without it.
        layout: Layout,
    },
    /// More appended addresses than the file holds.
    #[error("{got} appended addresses, a card holds {MOST_ADDRESSES}")]
    TooManyAddresses {
        /// How many there were.
        got: usize,
    },
}

/// What the text block of a card says. Fields that a layout does not have are empty.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CardText {
    /// Which kind of card it is.
    pub layout: Layout,
    /// The Chinese name, at most 15 UTF-16 units. May be empty on `I` and `Y`.
    pub name: String,
    /// The English name (`I`: 60 units, `Y`: 46).
    pub english_name: String,
    /// The sex.
    pub sex: Sex,
    /// Two-digit nation code of GB/T 3304 (resident card).
    pub nation_code: String,
    /// Three-letter nationality (`I`, `Y`), as ISO 3166-1 alpha-3.
    pub nationality: String,
    /// Date of birth, `YYYYMMDD`.
    pub birth: String,
    /// The printed address, as the chip has it (resident card, `J`), at most 35 units.
    pub address: String,
    /// The number: 18 characters, on `I` the 15-character permit number.
    pub id_number: String,
    /// The issuing agency (resident card, `J`), at most 15 units.
    pub agency: String,
    /// Valid from, `YYYYMMDD`.
    pub valid_from: String,
    /// Valid to, `YYYYMMDD` or `长期`.
    pub valid_to: String,
    /// Number of the travel pass (`J`), 9 characters.
    pub pass_number: String,
    /// How often it was issued (`J`) or changed (`Y`), two digits.
    pub issue_count: String,
    /// Version of the card (`I`), two digits.
    pub version: String,
    /// Code of the authority that accepted the application (`I`), four digits.
    pub authority_code: String,
    /// What links to the number of an older card (`Y`), three characters.
    pub old_number_link: String,
}

impl CardText {
    /// A card of this layout with nothing written on it.
    pub fn blank(layout: Layout) -> Self {
        Self {
            layout,
            name: String::new(),
            english_name: String::new(),
            sex: Sex::Unknown,
            nation_code: String::new(),
            nationality: String::new(),
            birth: String::new(),
            address: String::new(),
            id_number: String::new(),
            agency: String::new(),
            valid_from: String::new(),
            valid_to: String::new(),
            pass_number: String::new(),
            issue_count: String::new(),
            version: String::new(),
            authority_code: String::new(),
            old_number_link: String::new(),
        }
    }

    /// Reads a block. What follows the first 256 bytes is not looked at; a sex code outside the
    /// standard reads as unknown; half a surrogate pair reads as U+FFFD.
    ///
    /// # Errors
    /// A block that is too short, or of a type that is not known.
    pub fn decode(block: &[u8]) -> Result<Self, TextError> {
        let Some(block) = block.get(..TEXT_BYTES) else {
            return Err(TextError::Short { got: block.len() });
        };
        let units = units_of(block);
        let kind = units.get(TYPE_AT / 2).copied().unwrap_or(PADDING);
        let Some(layout) = Layout::of_unit(kind) else {
            let letter = char::from_u32(u32::from(kind)).unwrap_or(char::REPLACEMENT_CHARACTER);
            return Err(TextError::UnknownType { letter });
        };
        // A field may lie in two places (the English name of `Y`): they are joined before the
        // padding goes, for a blank between two words may stand where the first place ends.
        let read = |field| {
            let joined: Vec<u16> = places_of(layout, field)
                .flat_map(|place| units.get(place_units(place)).unwrap_or_default())
                .copied()
                .collect();
            text_of(&joined)
        };
        Ok(Self {
            layout,
            name: read(Field::Name),
            english_name: read(Field::EnglishName),
            sex: Sex::from_code(&read(Field::Sex)).unwrap_or_default(),
            nation_code: read(Field::Nation),
            nationality: read(Field::Nationality),
            birth: read(Field::Birth),
            address: read(Field::Address),
            id_number: read(Field::IdNumber),
            agency: read(Field::Agency),
            valid_from: read(Field::ValidFrom),
            valid_to: read(Field::ValidTo),
            pass_number: read(Field::PassNumber),
            issue_count: read(Field::IssueCount),
            version: read(Field::Version),
            authority_code: read(Field::AuthorityCode),
            old_number_link: read(Field::OldNumberLink),
        })
    }

    /// Writes the block. Blanks at a field's end are padding and will not come back.
    ///
    /// # Errors
    /// A field that is too long for its place, or that this layout does not have.
    pub fn encode(&self) -> Result<[u8; TEXT_BYTES], TextError> {
        let mut units = [PADDING; TEXT_BYTES / 2];
        for field in ALL_FIELDS {
            let text: Vec<u16> = self.field(field).encode_utf16().collect();
            let most = places_of(self.layout, field).map(|place| place_units(place).len()).sum();
            if most == 0 && !text.is_empty() {
                return Err(TextError::NotOnThisCard { field, layout: self.layout });
            }
            if text.len() > most {
                return Err(TextError::TooLong { field, most, got: text.len() });
            }
            let room = places_of(self.layout, field).flat_map(place_units);
            for (at, unit) in room.zip(text) {
                if let Some(slot) = units.get_mut(at) {
                    *slot = unit;
                }
            }
        }
        if let Some(slot) = units.get_mut(TYPE_AT / 2) {
            // All four letters are ASCII.
            *slot = self.layout.letter() as u16;
        }
        let mut block = [0; TEXT_BYTES];
        for (pair, unit) in block.chunks_exact_mut(2).zip(units) {
            pair.copy_from_slice(&unit.to_le_bytes());
        }
        Ok(block)
    }

    /// One field as the chip holds it (the sex as its code); empty where the layout has none.
    pub fn field(&self, field: Field) -> &str {
        match field {
            Field::Name => &self.name,
            Field::EnglishName => &self.english_name,
            Field::Sex => self.sex.code(),
            Field::Nation => &self.nation_code,
            Field::Nationality => &self.nationality,
            Field::Birth => &self.birth,
            Field::Address => &self.address,
            Field::IdNumber => &self.id_number,
            Field::Agency => &self.agency,
            Field::ValidFrom => &self.valid_from,
            Field::ValidTo => &self.valid_to,
            Field::PassNumber => &self.pass_number,
            Field::IssueCount => &self.issue_count,
            Field::Version => &self.version,
            Field::AuthorityCode => &self.authority_code,
            Field::OldNumberLink => &self.old_number_link,
        }
    }

    /// Whether this is a foreigner's card, of either design.
    pub fn is_foreigner(&self) -> bool {
        matches!(self.layout, Layout::Foreigner2017 | Layout::Foreigner2023)
    }

    /// The name to show: a foreigner without a Chinese name goes by the English one.
    pub fn shown_name(&self) -> &str {
        if self.is_foreigner() && self.name.is_empty() { &self.english_name } else { &self.name }
    }

    /// The nation to show: the word without 族, `其他` for an unknown code; nothing on `J`; the
    /// three-letter nationality on `I` and `Y`.
    pub fn nation_word(&self) -> &str {
        match self.layout {
            Layout::Resident => {
                nation::nation_word(&self.nation_code).unwrap_or(nation::OTHER_NATION)
            }
            Layout::HkMacauTaiwan => "",
            Layout::Foreigner2017 | Layout::Foreigner2023 => &self.nationality,
        }
    }

    /// The sex to show: `男`, `女`, `未知` or `未说明`.
    pub fn sex_word(&self) -> &'static str {
        self.sex.word()
    }

    /// The issuing agency to show: on `I`, whose chip has no agency in words, the code of the
    /// accepting authority; nothing on `Y`.
    pub fn shown_agency(&self) -> &str {
        match self.layout {
            Layout::Foreigner2017 => &self.authority_code,
            _ => &self.agency,
        }
    }
}

/// What is on a card is nobody's business in a log: only its kind is said.
impl fmt::Debug for CardText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CardText").field("layout", &self.layout).finish_non_exhaustive()
    }
}

/// Reads the appended-address file (up to 4 entries of 70 bytes), newest first, as the reader
/// delivers it. Entries of nothing but padding are left out; a last entry cut short counts.
pub fn decode_addresses(file: &[u8]) -> Vec<String> {
    file.chunks(ADDRESS_BYTES)
        .take(MOST_ADDRESSES)
        .map(|entry| text_of(&units_of(entry)))
        .filter(|address| !address.is_empty())
        .collect()
}

/// Writes the appended-address file, newest first: 70 bytes an address.
///
/// # Errors
/// More than four addresses, or one of more than 35 UTF-16 units.
pub fn encode_addresses(addresses: &[String]) -> Result<Vec<u8>, TextError> {
    if addresses.len() > MOST_ADDRESSES {
        return Err(TextError::TooManyAddresses { got: addresses.len() });
    }
    let most = ADDRESS_BYTES / 2;
    let mut file = Vec::with_capacity(addresses.len() * ADDRESS_BYTES);
    for address in addresses {
        let mut units: Vec<u16> = address.encode_utf16().collect();
        if units.len() > most {
            return Err(TextError::TooLong { field: Field::Address, most, got: units.len() });
        }
        units.resize(most, PADDING);
        file.extend(units.into_iter().flat_map(u16::to_le_bytes));
    }
    Ok(file)
}

/// The UTF-16 units of little-endian bytes; an odd last byte is dropped.
pub(super) fn units_of(bytes: &[u8]) -> Vec<u16> {
    bytes
        .chunks_exact(2)
        .map(|pair| pair.iter().rev().fold(0, |unit, byte| unit << 8 | u16::from(*byte)))
        .collect()
}

/// A field's text without the padding at its end: U+0020, or NUL as some issuers fill up.
pub(super) fn text_of(units: &[u16]) -> String {
    let text: String = char::decode_utf16(units.iter().copied())
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    text.trim_end_matches([' ', '\0']).to_owned()
}
