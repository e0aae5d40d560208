//! The ID-card reader: resident ID cards and residence permits through a SAM-V module.
//!
//! [`sam_v`] is the driver, [`frame`] its framing; [`text`] is what the chip says, [`photo`] the
//! way to its picture. [`virtual_reader`] is the far end of the wire, [`people`] those whose
//! cards lie on it.

pub mod frame;
pub mod id_number;
pub mod nation;
pub mod people;
pub mod photo;
pub mod redact;
pub mod sam_v;
pub mod text;
pub mod usb;
pub mod virtual_reader;

use std::fmt;

use text::CardText;
use tokio::sync::OnceCell;

/// One card, read once.
pub struct IdCard {
    /// The text block.
    pub text: CardText,
    /// The newest appended address, where the card has one.
    pub appended_address: Option<String>,
    /// The chip's photo, WLT coded: 1024 bytes on every card known.
    pub wlt: Vec<u8>,
    /// The photo as JPEG, made by whoever wants it first; `None` if it cannot be made.
    pub jpeg: OnceCell<Option<Vec<u8>>>,
}

impl fmt::Debug for IdCard {
    /// Says nothing about the person.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdCard").finish_non_exhaustive()
    }
}
