//! A social-security card's chip for this folder's tests, from the tables of LD/T 32-2015. It
//! understands as much of READ RECORD as a test lets it.

use crate::port::card::{Card, CardFault, Later, Protocol};

/// The standard's specimen of an ID number, as text.
pub(in super::super) const SPECIMEN: &str = "11010519491231002X";

/// A file's records, each as the chip has it: tag, length, value.
type Stored = Vec<Vec<u8>>;

/// What a chip understands of READ RECORD.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Addressing {
    Tags,
    Numbers,
}

/// A social-security card's chip.
#[derive(Clone)]
pub(in super::super) struct Chip {
    pub(in super::super) protocol: Protocol,
    pub(in super::super) found_by_name: bool,
    pub(in super::super) found_by_id: bool,
    pub(in super::super) addressing: Vec<Addressing>,
    pub(in super::super) short_ids: bool,
    /// The answer to what it does not understand.
    pub(in super::super) refusal: [u8; 2],
    /// P1 of SELECT for a file under the application.
    pub(in super::super) selects_with: u8,
    pub(in super::super) ef05: Stored,
    pub(in super::super) ef06: Stored,
    /// Tags that are answered with these bytes instead.
    pub(in super::super) instead: Vec<(u8, Vec<u8>)>,
    /// What is asked for of an answer before it is fetched.
    pub(in super::super) waiting: Vec<u8>,
    pub(in super::super) in_master_file: bool,
    pub(in super::super) in_application: bool,
    pub(in super::super) current: Option<u8>,
}

pub(in super::super) fn record(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag, value.len().try_into().unwrap()], value].concat()
}

fn filled(text: &[u8], length: usize) -> Vec<u8> {
    let mut value = text.to_vec();
    value.resize(length, 0);
    value
}

impl Chip {
    /// A whole card of this generation; T=1, understands everything.
    pub(in super::super) fn of(version: &str) -> Self {
        let mut code = vec![0x99, 0x01, 0x00];
        code.resize(16, 0xD1);
        let ef05 = vec![
            record(0x01, &code),
            record(0x02, b"1"),
            record(0x03, version.as_bytes()),
            record(0x04, &[0x99; 12]),
            record(0x05, &[0x20, 0x19, 0x03, 0x01]),
            record(0x06, &[0x20, 0x29, 0x03, 0x01]),
            record(0x07, &filled(b"A1234567", 9)),
        ];
        let mut ef06 = vec![
            record(0x08, SPECIMEN.as_bytes()),
            record(0x09, &filled(&[0xD5, 0xC5, 0xC8, 0xFD], 30)),
            record(0x0A, b"2"),
            record(0x0B, &[0x11]),
            record(0x0C, &[0x99, 0x01, 0x00]),
            record(0x0D, &[0x19, 0x49, 0x12, 0x31]),
        ];
        if !version.starts_with('1') {
            ef06.insert(2, record(0x4E, &[0; 20]));
        }
        Self {
            protocol: Protocol::T1,
            found_by_name: true,
            found_by_id: true,
            addressing: vec![Addressing::Tags, Addressing::Numbers],
            short_ids: true,
            refusal: [0x6A, 0x86],
            selects_with: 0x02,
            ef05,
            ef06,
            instead: Vec::new(),
            waiting: Vec::new(),
            in_master_file: true,
            in_application: false,
            current: None,
        }
    }

    /// The record with this tag becomes another one.
    pub(in super::super) fn put(mut self, tag: u8, record: &[u8]) -> Self {
        for stored in self.ef05.iter_mut().chain(&mut self.ef06) {
            if stored.first() == Some(&tag) {
                *stored = record.to_vec();
            }
        }
        self
    }

    /// The chip has no record with this tag.
    pub(in super::super) fn without(mut self, tag: u8) -> Self {
        for file in [&mut self.ef05, &mut self.ef06] {
            file.retain(|stored| stored.first() != Some(&tag));
        }
        self
    }

    /// Asked for this tag, the chip answers these bytes.
    pub(in super::super) fn answering(mut self, tag: u8, answer: &[u8]) -> Self {
        self.instead.push((tag, answer.to_vec()));
        self
    }

    pub(in super::super) fn reset(&mut self) {
        self.in_application = false;
        self.current = None;
    }

    pub(in super::super) fn answer(&mut self, command: &[u8]) -> Vec<u8> {
        match command {
            [0x00, 0xA4, 0x04, 0x00, 0x0F, name @ ..] => {
                let known = b"sx1.sh.\xC9\xE7\xBB\xE1\xB1\xA3\xD5\xCF";
                self.in_application = self.found_by_name && name == known;
                if !self.in_application {
                    return vec![0x6A, 0x82];
                }
                let fci = [&[0x6F, 0x16, 0x84, 0x0F], &known[..], &[0xA5, 3, 0x88, 1, 0x10]];
                self.give(&fci.concat(), None)
            }
            [0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00] => {
                self.in_master_file = true;
                self.in_application = false;
                vec![0x90, 0x00]
            }
            [0x00, 0xA4, 0x00, 0x00, 0x02, 0xDD, 0xF1] => {
                self.in_application = self.found_by_id && self.in_master_file;
                if self.in_application { vec![0x90, 0x00] } else { vec![0x6A, 0x82] }
            }
            [0x00, 0xA4, p1, 0x00, 0x02, 0xEF, id] if *p1 == self.selects_with => {
                self.current = self.in_application.then_some(*id);
                if self.in_application { vec![0x90, 0x00] } else { vec![0x6A, 0x82] }
            }
            [0x00, 0xB2, p1, p2, le] => self.read(*p1, *p2, *le),
            [0x00, 0xC0, 0x00, 0x00, _] => {
                [std::mem::take(&mut self.waiting), vec![0x90, 0x00]].concat()
            }
            _ => vec![0x6A, 0x86],
        }
    }

    fn read(&mut self, p1: u8, p2: u8, le: u8) -> Vec<u8> {
        let (file, by) = match (p2 >> 3, p2 & 7) {
            (0, by) => (self.current, by),
            (short, by) if self.short_ids => (Some(short), by),
            _ => return self.refusal.to_vec(),
        };
        let by = if by == 4 { Addressing::Numbers } else { Addressing::Tags };
        if !self.addressing.contains(&by) {
            return self.refusal.to_vec();
        }
        let records = match file {
            Some(0x05) if self.in_application => &self.ef05,
            Some(0x06) if self.in_application => &self.ef06,
            _ => return vec![0x6A, 0x82],
        };
        let found = match by {
            Addressing::Tags => records.iter().find(|stored| stored.first() == Some(&p1)),
            Addressing::Numbers => records.get(usize::from(p1) - 1),
        };
        let tag = found.and_then(|stored| stored.first()).copied().unwrap_or(p1);
        if let Some((_, answer)) = self.instead.iter().find(|(other, _)| *other == tag) {
            return answer.clone();
        }
        match found.cloned() {
            Some(stored) => self.give(&stored, Some(le)),
            None => vec![0x6A, 0x83],
        }
    }

    /// Data, in the manner of the protocol.
    fn give(&mut self, data: &[u8], le: Option<u8>) -> Vec<u8> {
        let length = u8::try_from(data.len()).unwrap();
        match (self.protocol, le) {
            (Protocol::T0, None) => {
                self.waiting = data.to_vec();
                vec![0x61, length]
            }
            (Protocol::T0, Some(le)) if le != length => vec![0x6C, length],
            // Of a block protocol: at most what was asked for.
            (Protocol::T1, Some(le)) if le != 0 => {
                [&data[..data.len().min(le.into())], &[0x90, 0x00]].concat()
            }
            _ => [data, &[0x90, 0x00]].concat(),
        }
    }
}

/// A chip without a slot.
impl Card for Chip {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        let answer = self.answer(command);
        Box::pin(async move { Ok(answer) })
    }
}
