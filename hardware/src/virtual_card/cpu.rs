//! A contactless CPU card of public transport, with what the reader answers for it.
//!
//! Its master file leads to the directory `1PAY.SYS.DDF01` and to one application, whose public
//! file 0015 (short identifier 15 hex) has 30 bytes. Commands of class FF are the reader's own
//! (PC/SC part 3): `FF CA 00 00 00` gives the UID, `FF CA 01 00 00` the ATS. There is no purse.

use super::VirtualCard;
use super::atr;
use super::command::{Command, Reply, StatusWord, Transmission};
use super::file_system::{File, FileSystem, Folder, MASTER, tlv};
use crate::port::card::Protocol;

/// The name of the directory of applications.
pub const DIRECTORY: &[u8] = b"1PAY.SYS.DDF01";

/// The name of the transport application.
pub const APPLICATION: [u8; 8] = [0xA0, 0x00, 0x00, 0x06, 0x32, 0x01, 0x01, 0x05];

/// The card's UID; invented.
pub const UID: [u8; 4] = [0x9A, 0x01, 0x02, 0x03];

/// The card's answer to select (ISO/IEC 14443-4, 5.2), its length byte included: T0 with TA, TB and
/// TC, and then the invented historical bytes.
pub const ATS: [u8; 16] = [
    0x10, 0x78, 0x80, 0x90, 0x02, 0x20, 0x99, 0x01, 0x00, 0x00, 0x00, 0x00, 0x12, 0x34, 0x56, 0x78,
];

/// Bytes of the ATS before its historical ones.
const ATS_HEAD: usize = 5;

/// File 0015: issuer (8 bytes), kind and version of the application, its number (10), valid from
/// and to (4 each, `YYYYMMDD`), the issuer's own (2). Region 99 does not exist.
const PUBLIC_INFORMATION: [u8; 30] = [
    0x99, 0x01, 0x00, 0x00, 0xFF, 0xFF, 0xFF, 0xFF, 0x02, 0x01, 0x00, 0x00, 0x99, 0x01, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x01, 0x20, 0x20, 0x01, 0x02, 0x20, 0x40, 0x12, 0x31, 0x00, 0x00,
];

/// A contactless CPU card.
pub struct TransportCard {
    transmission: Transmission,
    files: FileSystem,
}

impl Default for TransportCard {
    fn default() -> Self {
        Self::new()
    }
}

impl TransportCard {
    /// A new one: its challenges begin anew.
    #[must_use]
    pub fn new() -> Self {
        let mut files = FileSystem::new(Folder { id: MASTER, ..Folder::default() });
        let directory = Folder {
            id: 0xDDF1,
            name: DIRECTORY.to_vec(),
            // The directory file is that of short identifier 1.
            proprietary: tlv(&[0x88], &[0x01]),
            files: Vec::new(),
        };
        files.add(0, directory);
        let application = Folder {
            id: 0xADF1,
            name: APPLICATION.to_vec(),
            proprietary: tlv(&[0x9F, 0x0C], &PUBLIC_INFORMATION),
            files: vec![File::bytes(0x0015, PUBLIC_INFORMATION)],
        };
        files.add(0, application);
        Self { transmission: Transmission::over(Protocol::T1), files }
    }
}

impl VirtualCard for TransportCard {
    fn atr(&self) -> Vec<u8> {
        atr::contactless(ATS.get(ATS_HEAD..).unwrap_or_default())
    }

    fn power(&mut self, _on: bool) {
        self.transmission.reset();
        self.files.reset();
    }

    fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        self.transmission.answer(command, |command| match command.class {
            0xFF => ask_reader(command),
            _ => self.files.carry_out(command),
        })
    }

    fn protocol(&self) -> Protocol {
        Protocol::T1
    }
}

/// GET DATA of PC/SC part 3, 3.2.2.1.3: P1 is 0 for the UID, 1 for the ATS.
fn ask_reader(command: &Command<'_>) -> Reply {
    const GET_DATA: u8 = 0xCA;
    match (command.instruction, command.p1, command.p2) {
        (GET_DATA, 0x00, 0x00) => Ok(UID.to_vec()),
        (GET_DATA, 0x01, 0x00) => Ok(ATS.to_vec()),
        (GET_DATA, _, _) => Err(StatusWord::UNSUPPORTED),
        _ => Err(StatusWord::WRONG_INSTRUCTION),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(exchanges: &[(&[u8], &[u8])]) {
        let mut card = TransportCard::new();
        card.power(true);
        for (command, answer) in exchanges {
            assert_eq!(card.answer(command), *answer, "{command:02X?}");
        }
    }

    #[test]
    fn the_atr_is_a_contactless_one_with_the_historical_bytes_of_the_ats() {
        let atr = TransportCard::new().atr();
        assert_eq!(atr[..4], [0x3B, 0x8B, 0x80, 0x01]);
        assert_eq!(atr[4..15], ATS[5..]);
        assert_eq!(atr[1..].iter().fold(0, |check, byte| check ^ byte), 0);
        // TL counts itself; T0 announces TA, TB and TC.
        assert_eq!((usize::from(ATS[0]), ATS[1] & 0x70), (ATS.len(), 0x70));
    }

    #[test]
    fn the_reader_tells_uid_and_ats() {
        check(&[
            (b"\xFF\xCA\x00\x00\x00", b"\x9A\x01\x02\x03\x90\x00"),
            (b"\xFF\xCA\x01\x00\x00", &[&ATS[..], b"\x90\x00"].concat()),
            (b"\xFF\xCA\x02\x00\x00", b"\x6A\x81"),
            (b"\xFF\x00\x40\x00\x00", b"\x6D\x00"),
        ]);
    }

    #[test]
    fn the_public_file_is_read_once_the_application_is_selected() {
        let read = b"\x00\xB0\x95\x00\x1E";
        let whole = [&PUBLIC_INFORMATION[..], b"\x90\x00"].concat();
        let select = [&b"\x00\xA4\x04\x00\x08"[..], &APPLICATION].concat();
        let mut card = TransportCard::new();
        assert_eq!(card.answer(read), b"\x6A\x82");
        let control = card.answer(&select);
        assert!(control.starts_with(b"\x6F\x2D\x84\x08\xA0\x00\x00\x06\x32\x01\x01\x05\xA5\x21"));
        assert_eq!(card.answer(read), whole);
        // Now it is the current file.
        assert_eq!(card.answer(b"\x00\xB0\x00\x14\x04"), b"\x20\x20\x01\x02\x90\x00");
        card.power(true);
        assert_eq!(card.answer(read), b"\x6A\x82");
    }

    #[test]
    fn the_directory_is_selected_by_its_whole_name() {
        let whole = [&b"\x00\xA4\x04\x00\x0E"[..], DIRECTORY, b"\x00"].concat();
        let fci = [&b"\x6F\x15\x84\x0E"[..], DIRECTORY, b"\xA5\x03\x88\x01\x01\x90\x00"].concat();
        let part = [&b"\x00\xA4\x04\x00\x04"[..], &DIRECTORY[..4], b"\x00"].concat();
        check(&[(&whole, &fci), (&part, b"\x6A\x82")]);
    }
}
