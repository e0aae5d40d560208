//! Social-security cards (社会保障卡) in the contact slot of a PC/SC reader.
//!
//! [`run`] is the device's task: it reads each card that is put in once, when somebody wants it.
//! `reading` selects the application and fetches the records, `records` says where what lies,
//! `fields` makes text of it. The layout is that of LD/T 32-2015 (cards of generations 1 and 2 too:
//! the V2.0 specification of 2012); what is behind keys is not read.

mod driver;
mod fields;
mod reading;
mod records;
pub mod redact;
#[cfg(test)]
mod testing;

pub use driver::run;

/// One card, read once. What the card does not say, or does not say without a key, is empty. It
/// holds a person, so it has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SocialSecurityCard {
    /// The card's number: 9 characters at most.
    pub card_number: String,
    /// The holder's name.
    pub name: String,
    /// `男`, `女`, `未知` or `未说明` (GB/T 2261.1).
    pub sex: String,
    /// The social-security number, which is the ID number: 18 characters. As the card has it; its
    /// check character may be wrong.
    pub id_number: String,
    /// `YYYYMMDD`.
    pub birth_date: String,
    /// The day from which the card is valid, `YYYYMMDD`.
    pub issue_date: String,
    /// The day to which the card is valid, `YYYYMMDD`.
    pub expire_date: String,
    /// The nation without 族; `其他` for a code that GB/T 3304 does not have.
    pub nation: String,
    /// The region that issued the card: 6 digits (GB/T 2260).
    pub city_code: String,
    /// Always empty: the card keeps it behind a key.
    pub address: String,
    /// The version of the specification that the card follows: `1.00`, `2.00`, `3.00`, ….
    pub full_version: String,
}
