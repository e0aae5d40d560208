//! Where each field lies in the text block, for each of the four layouts.
//!
//! Owns the one table that decoding and encoding share; `text` alone reads it. Offsets and sizes
//! are in bytes, as the format is usually written down.

use std::fmt;
use std::ops::Range;

use super::Layout;

/// A field of the text block, of any layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Field {
    /// Chinese name.
    Name,
    /// English name.
    EnglishName,
    /// Sex, one digit of GB/T 2261.1.
    Sex,
    /// Nation, two digits of GB/T 3304.
    Nation,
    /// Nationality, three letters.
    Nationality,
    /// Date of birth.
    Birth,
    /// Printed address.
    Address,
    /// Identity or permit number.
    IdNumber,
    /// Issuing agency.
    Agency,
    /// First day of validity.
    ValidFrom,
    /// Last day of validity.
    ValidTo,
    /// Travel-pass number.
    PassNumber,
    /// Count of issues or changes.
    IssueCount,
    /// Version of the card.
    Version,
    /// Code of the accepting authority.
    AuthorityCode,
    /// Link to an older number.
    OldNumberLink,
}

/// Every field, for those who go through them all.
pub(in crate::id_card) const ALL_FIELDS: [Field; 16] = [
    Field::Name,
    Field::EnglishName,
    Field::Sex,
    Field::Nation,
    Field::Nationality,
    Field::Birth,
    Field::Address,
    Field::IdNumber,
    Field::Agency,
    Field::ValidFrom,
    Field::ValidTo,
    Field::PassNumber,
    Field::IssueCount,
    Field::Version,
    Field::AuthorityCode,
    Field::OldNumberLink,
];

/// Field, offset, size. A field that lies in two places has two rows, in reading order.
pub(in crate::id_card) type Place = (Field, usize, usize);

const RESIDENT: &[Place] = &[
    (Field::Name, 0, 30),
    (Field::Sex, 30, 2),
    (Field::Nation, 32, 4),
    (Field::Birth, 36, 16),
    (Field::Address, 52, 70),
    (Field::IdNumber, 122, 36),
    (Field::Agency, 158, 30),
    (Field::ValidFrom, 188, 16),
    (Field::ValidTo, 204, 16),
];

const HK_MACAU_TAIWAN: &[Place] = &[
    (Field::Name, 0, 30),
    (Field::Sex, 30, 2),
    (Field::Birth, 36, 16),
    (Field::Address, 52, 70),
    (Field::IdNumber, 122, 36),
    (Field::Agency, 158, 30),
    (Field::ValidFrom, 188, 16),
    (Field::ValidTo, 204, 16),
    (Field::PassNumber, 220, 18),
    (Field::IssueCount, 238, 4),
];

const FOREIGNER_2017: &[Place] = &[
    (Field::EnglishName, 0, 120),
    (Field::Sex, 120, 2),
    (Field::IdNumber, 122, 30),
    (Field::Nationality, 152, 6),
    (Field::Name, 158, 30),
    (Field::ValidFrom, 188, 16),
    (Field::ValidTo, 204, 16),
    (Field::Birth, 220, 16),
    (Field::Version, 236, 4),
    (Field::AuthorityCode, 240, 8),
];

const FOREIGNER_2023: &[Place] = &[
    (Field::Name, 0, 30),
    (Field::Sex, 30, 2),
    (Field::IssueCount, 32, 4),
    (Field::Birth, 36, 16),
    (Field::EnglishName, 52, 70),
    (Field::IdNumber, 122, 36),
    (Field::ValidFrom, 188, 16),
    (Field::ValidTo, 204, 16),
    (Field::EnglishName, 220, 22),
    (Field::Nationality, 242, 6),
    (Field::OldNumberLink, 250, 6),
];

/// The places of one field in one layout; none if the layout does not have it.
pub(in crate::id_card) fn places_of(layout: Layout, field: Field) -> impl Iterator<Item = Place> {
    let table = match layout {
        Layout::Resident => RESIDENT,
        Layout::HkMacauTaiwan => HK_MACAU_TAIWAN,
        Layout::Foreigner2017 => FOREIGNER_2017,
        Layout::Foreigner2023 => FOREIGNER_2023,
    };
    table.iter().copied().filter(move |(of, _, _)| *of == field)
}

/// The UTF-16 units of the block that a place covers.
pub(in crate::id_card) fn place_units((_, at, size): Place) -> Range<usize> {
    at / 2..(at + size) / 2
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "Chinese name",
            Self::EnglishName => "English name",
            Self::Sex => "sex",
            Self::Nation => "nation",
            Self::Nationality => "nationality",
            Self::Birth => "date of birth",
            Self::Address => "address",
            Self::IdNumber => "number",
            Self::Agency => "issuing agency",
            Self::ValidFrom => "begin of validity",
            Self::ValidTo => "end of validity",
            Self::PassNumber => "travel-pass number",
            Self::IssueCount => "count of issues",
            Self::Version => "version",
            Self::AuthorityCode => "code of the authority",
            Self::OldNumberLink => "link to the old number",
        })
    }
}
