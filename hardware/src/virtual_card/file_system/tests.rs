//! Selecting and reading, exchange by exchange.

use super::*;
use crate::port::card::Protocol;
use crate::virtual_card::command::Transmission;

/// A card over T=1: two applications, the first with two files.
struct TestCard(Transmission, FileSystem);

impl TestCard {
    fn new() -> Self {
        let record = |tag, value: &[u8], open| Record { tag, value: value.to_vec(), open };
        let first = Folder {
            id: 0x1001,
            name: b"first.application".to_vec(),
            proprietary: vec![0x88, 0x01, 0x10],
            files: vec![
                File::records(
                    0x0105,
                    vec![
                        record(0x0A, b"one", true),
                        record(0x0B, b"two", false),
                        record(0x0A, b"again", true),
                    ],
                ),
                File::bytes(0x0106, *b"0123456789"),
                File::bytes(0x0107, *b"secret").locked(),
            ],
        };
        let second = Folder { id: 0x1002, ..Folder::default() };
        let master = vec![File::bytes(0x0001, *b"master")];
        let mut files = FileSystem::new(Folder { id: MASTER, files: master, ..Folder::default() });
        files.add(0, first);
        let second = files.add(0, second);
        files.add(second, Folder { id: 0x2001, ..Folder::default() });
        Self(Transmission::over(Protocol::T1), files)
    }

    #[track_caller]
    fn check(&mut self, exchanges: &[(&[u8], &[u8])]) {
        for (command, answer) in exchanges {
            let given = self.0.answer(command, |command| self.1.carry_out(command));
            assert_eq!(given, *answer, "{command:02X?}");
        }
    }
}

const SELECT_FIRST: &[u8] = b"\x00\xA4\x00\x0C\x02\x10\x01";

#[test]
fn folders_are_selected_by_identifier_and_by_whole_name() {
    let name = b"first.application";
    let select = |p2, name: &[u8]| [&[0x00, 0xA4, 0x04, p2, name.len() as u8], name].concat();
    let told = [&b"\x6F\x18\x84\x11"[..], name, b"\xA5\x03\x88\x01\x10\x90\x00"].concat();
    TestCard::new().check(&[
        (&select(0x00, name), &told),
        (&select(0x0C, name), b"\x90\x00"),
        (&select(0x02, name), b"\x6A\x82"),
        (&select(0x00, b"first"), b"\x6A\x82"),
        (&select(0x00, b"first.application.2"), b"\x6A\x82"),
        (b"\x00\xA4\x00\x00\x02\x10\x01", &told),
        (b"\x00\xA4\x00\x00\x02\x3F\x00", b"\x6F\x04\x83\x02\x3F\x00\x90\x00"),
        (b"\x00\xA4\x00\x00", b"\x6F\x04\x83\x02\x3F\x00\x90\x00"),
        (b"\x00\xA4\x00\x00\x02\x99\x99", b"\x6A\x82"),
    ]);
}

#[test]
fn parents_children_and_siblings_are_reached() {
    TestCard::new().check(&[
        (b"\x00\xA4\x03\x0C", b"\x6A\x82"),
        (b"\x00\xA4\x01\x0C\x02\x20\x01", b"\x6A\x82"),
        (b"\x00\xA4\x01\x0C\x02\x10\x02", b"\x90\x00"),
        (b"\x00\xA4\x01\x0C\x02\x20\x01", b"\x90\x00"),
        // The parent, then its parent.
        (b"\x00\xA4\x00\x0C\x02\x10\x02", b"\x90\x00"),
        (b"\x00\xA4\x03\x00", b"\x6F\x04\x83\x02\x3F\x00\x90\x00"),
        // From one application to the other, and to a file beside it.
        (SELECT_FIRST, b"\x90\x00"),
        (b"\x00\xA4\x00\x0C\x02\x10\x02", b"\x90\x00"),
        (b"\x00\xA4\x00\x0C\x02\x00\x01", b"\x90\x00"),
        (b"\x00\xB0\x00\x00\x06", b"master\x90\x00"),
    ]);
}

#[test]
fn a_select_that_cannot_be_is_told_why() {
    TestCard::new().check(&[
        (b"\x00\xA4\x00\x00\x01\x3F", b"\x67\x00"),
        (b"\x00\xA4\x02\x00\x00", b"\x67\x00"),
        (b"\x00\xA4\x03\x00\x02\x3F\x00", b"\x67\x00"),
        (b"\x00\xA4\x09\x00\x02\x10\x01", b"\x6A\x86"),
        (b"\x00\xA4\x00\x10\x02\x10\x01", b"\x6A\x86"),
        (b"\x80\xA4\x00\x00\x02\x10\x01", b"\x6E\x00"),
        (b"\x00\xD6\x00\x00\x01\x10", b"\x6D\x00"),
    ]);
}

#[test]
fn records_are_read_by_number_and_by_identifier() {
    TestCard::new().check(&[
        (b"\x00\xB2\x01\x2C\x00", b"\x6A\x82"),
        (b"\x00\xB2\x01\x04\x00", b"\x69\x86"),
        (SELECT_FIRST, b"\x90\x00"),
        (b"\x00\xB2\x01\x2C\x05", b"\x0A\x03one\x90\x00"),
        (b"\x00\xB2\x0A\x28\x05", b"\x0A\x03one\x90\x00"),
        (b"\x00\xB2\x03\x2C\x00", b"\x0A\x05again\x90\x00"),
        // It is the current file now.
        (b"\x00\xB2\x01\x04\x00", b"\x0A\x03one\x90\x00"),
        (b"\x00\xB2\x0A\x00\x00", b"\x0A\x03one\x90\x00"),
        (b"\x00\xB2\x02\x2C\x00", b"\x69\x82"),
        (b"\x00\xB2\x0B\x28\x00", b"\x69\x82"),
        (b"\x00\xB2\x00\x2C\x00", b"\x6A\x83"),
        (b"\x00\xB2\x04\x2C\x00", b"\x6A\x83"),
        (b"\x00\xB2\x0C\x28\x00", b"\x6A\x83"),
        (b"\x00\xB2\x01\x2D\x00", b"\x6A\x81"),
        (b"\x00\xB2\x01\x64\x00", b"\x6A\x82"),
        (b"\x00\xB2\x01\xFC\x00", b"\x6A\x86"),
        (b"\x00\xB2\x01\x34\x00", b"\x69\x81"),
    ]);
}

#[test]
fn an_odd_card_knows_records_by_number_only() {
    let mut card = TestCard::new();
    card.1.numbers_only = true;
    card.check(&[
        (SELECT_FIRST, b"\x90\x00"),
        (b"\x00\xB2\x0A\x28\x05", b"\x6A\x86"),
        (b"\x00\xB2\x01\x2C\x05", b"\x0A\x03one\x90\x00"),
    ]);
}

#[test]
fn bytes_are_read_from_an_offset() {
    TestCard::new().check(&[
        (SELECT_FIRST, b"\x90\x00"),
        (b"\x00\xB0\x00\x00\x00", b"\x69\x86"),
        (b"\x00\xB0\x86\x00\x00", b"0123456789\x90\x00"),
        (b"\x00\xB0\x86\x07\x02", b"78\x90\x00"),
        (b"\x00\xB0\x00\x09\x05", b"9\x90\x00"),
        (b"\x00\xB0\x00\x0A\x01", b"\x6B\x00"),
        (b"\x00\xB0\x7F\xFF\x01", b"\x6B\x00"),
        (b"\x00\xB0\x85\x00\x01", b"\x69\x81"),
        (b"\x00\xB0\x87\x00\x01", b"\x69\x82"),
        (b"\x00\xB0\x89\x00\x01", b"\x6A\x82"),
        (b"\x00\xB0\xC6\x00\x01", b"\x6A\x86"),
        (b"\x00\xB0\x80\x00\x01", b"\x6A\x86"),
        (b"\x00\xB0\x86\x00", b"\x67\x00"),
    ]);
}

#[test]
fn a_reset_selects_the_master_file() {
    let mut card = TestCard::new();
    card.check(&[(SELECT_FIRST, b"\x90\x00"), (b"\x00\xB0\x86\x00\x01", b"0\x90\x00")]);
    card.1.reset();
    card.check(&[(b"\x00\xB0\x00\x00\x01", b"\x69\x86"), (b"\x00\xB0\x81\x00\x01", b"m\x90\x00")]);
}

#[test]
fn challenges_are_those_of_splitmix64() {
    // The first numbers of the published generator for seed 0.
    TestCard::new().check(&[(
        b"\x00\x84\x00\x00\x10",
        b"\xE2\x20\xA8\x39\x7B\x1D\xCD\xAF\x6E\x78\x9E\x6A\xA1\xB9\x65\xF4\x90\x00",
    )]);
}

#[test]
fn a_challenge_has_the_length_that_is_asked_for() {
    let mut card = TestCard::new();
    for (le, length) in [(0x04, 4), (0x08, 8), (0x10, 16), (0x00, 8)] {
        let command = [0x00, 0x84, 0x00, 0x00, le];
        let answer = card.0.answer(&command, |command| card.1.carry_out(command));
        assert_eq!(answer.len(), length + 2, "{le}");
    }
    card.check(&[(b"\x00\x84\x00\x00", b"\x67\x00"), (b"\x00\x84\x01\x00\x08", b"\x6A\x86")]);
}
