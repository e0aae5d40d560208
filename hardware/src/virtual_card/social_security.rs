//! The chip of a social-security card (LD/T 32-2015 and the specification V2.0 of 2012), of each
//! generation: the application, its files EF05 and EF06 with their records.
//!
//! Generations 1 and 2 are read without keys. A card of generation 3 gives four records of EF05,
//! and `6982` for all else. EF07 (fingerprint) and EF08 (photo) are never read without keys.

use super::VirtualCard;
use super::atr;
use super::command::Transmission;
use super::file_system::{File, FileSystem, Folder, MASTER, Record, tlv};
use crate::id_card::people::DescriptionError;
use crate::port::card::Protocol;

mod contents;
mod description;
#[cfg(test)]
mod tests;

pub use contents::{Contents, Generation};
pub use description::ContentsDescription;

/// The application's name: `sx1.sh.` and 社会保障 in GBK.
pub const APPLICATION: [u8; 15] = *b"sx1.sh.\xC9\xE7\xBB\xE1\xB1\xA3\xD5\xCF";

/// The application's identifier under the master file.
pub const APPLICATION_ID: u16 = 0xDDF1;

/// The chip of a social-security card.
pub struct SocialSecurityChip {
    generation: Generation,
    transmission: Transmission,
    files: FileSystem,
}

impl SocialSecurityChip {
    /// One with these contents, over T=1.
    ///
    /// # Errors
    /// What does not fit, by its key in a description; never the value.
    pub fn new(contents: &Contents) -> Result<Self, DescriptionError> {
        let generation = contents.generation();
        let third = generation == Generation::Third;
        let mut card = contents.card_records()?;
        let mut holder = contents.holder_records()?;
        if third {
            // Card identification, version, issue date and last day.
            let open = |record: &Record| matches!(record.tag, 0x01 | 0x03 | 0x05 | 0x06);
            for record in card.iter_mut().chain(&mut holder) {
                record.open = open(record);
            }
        }
        let holder = File::records(0xEF06, holder);
        let application = Folder {
            id: APPLICATION_ID,
            name: APPLICATION.to_vec(),
            proprietary: proprietary(third),
            files: vec![
                File::records(0xEF05, card),
                if third { holder.locked() } else { holder },
                File::bytes(0xEF07, [0]).locked(),
                File::bytes(0xEF08, [0]).locked(),
            ],
        };
        let mut files = FileSystem::new(Folder { id: MASTER, ..Folder::default() });
        files.add(0, application);
        Ok(Self { generation, transmission: Transmission::over(Protocol::T1), files })
    }

    /// The same over this protocol.
    #[must_use]
    pub fn over(mut self, protocol: Protocol) -> Self {
        self.transmission.protocol = protocol;
        self
    }

    /// The same, an odd card whose records are read by number only: by tag it answers `6A86`.
    #[must_use]
    pub fn by_number_only(mut self) -> Self {
        self.files.numbers_only = true;
        self
    }

    /// The same, an odd card that answers `6Cxx` to any Le but the right one, over T=1 too.
    #[must_use]
    pub fn strict(mut self) -> Self {
        self.transmission.strict = true;
        self
    }
}

impl VirtualCard for SocialSecurityChip {
    fn atr(&self) -> Vec<u8> {
        let historical: &[u8] = match self.generation {
            Generation::First => b"HHAROME SSC-1",
            Generation::Second => b"HHAROME SSC-2",
            Generation::Third => b"HHAROME SSC-3",
        };
        atr::contact(self.transmission.protocol, historical)
    }

    fn power(&mut self, _on: bool) {
        self.transmission.reset();
        self.files.reset();
    }

    fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        self.transmission.answer(command, |command| self.files.carry_out(command))
    }

    fn protocol(&self) -> Protocol {
        self.transmission.protocol
    }
}

/// What SELECT tells of the application: the short identifier of its directory and, on newer
/// cards, the algorithms, which are the national ones.
fn proprietary(newer: bool) -> Vec<u8> {
    let mut told = tlv(&[0x88], &[0x10]);
    if newer {
        told.extend(tlv(&[0x9F, 0x0C], &tlv(&[0x86], &[0x02])));
    }
    told
}
