//! The driver reads the replaced bytes: it gives the same commands, and finds the replaced card.

use std::collections::{BTreeMap, VecDeque};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::super::super::records::Records;
use super::super::super::{SocialSecurityCard, fields, reading};
use super::*;
use crate::port::card::{Card, Later};

/// What a card answers to READ RECORD with this P1: data, status word.
type Said = (u8, Vec<u8>, [u8; 2]);

/// A card that answers by P1 alone, in its own way; all that passes is noted.
struct Odd {
    records: Vec<Said>,
    /// Bytes at a time after `61xx`; 0 for all at once.
    piece: usize,
    /// The file that was selected last, by the low byte of its id.
    selected: u8,
    rest: VecDeque<Vec<u8>>,
    passed: Vec<PortEvent>,
}

impl Odd {
    fn say(&mut self, command: &[u8]) -> Vec<u8> {
        match command {
            [_, GET_RESPONSE, ..] => self.rest.pop_front().unwrap_or_else(|| vec![0x6F, 0]),
            [_, READ_RECORD, p1, p2, ..] => self.record(*p1, *p2),
            [_, SELECT, _, _, 2, 0xEF, file] => {
                self.selected = *file;
                vec![0x90, 0]
            }
            _ => vec![0x90, 0],
        }
    }

    fn record(&mut self, p1: u8, p2: u8) -> Vec<u8> {
        let file = if p2 >> 3 == 0 { self.selected } else { p2 >> 3 };
        // What the holder is stands in EF06, whatever its number.
        let is_here =
            |data: &[u8]| data.first().is_none_or(|tag| matches!(tag, 1..=7) == (file == 5));
        let mut found = self.records.iter().filter(|(of, data, _)| *of == p1 && is_here(data));
        let Some((_, data, status)) = found.next() else { return vec![0x6A, 0x83] };
        let pieces = data.chunks(if self.piece == 0 { data.len().max(1) } else { self.piece });
        let mut pieces: VecDeque<Vec<u8>> =
            pieces.map(|piece| [piece, &[0x61, 9]].concat()).collect();
        let Some(last) = pieces.back_mut() else { return status.to_vec() };
        last.truncate(last.len() - 2);
        last.extend(status);
        self.rest = pieces;
        if self.piece == 0 { self.rest.pop_front().unwrap() } else { vec![0x61, 9] }
    }
}

impl Card for Odd {
    fn protocol(&self) -> Protocol {
        if self.piece == 0 { Protocol::T1 } else { Protocol::T0 }
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        let said = self.say(command);
        self.passed.extend([out(command), input(&said)]);
        Box::pin(async { Ok(said) })
    }
}

/// What was recorded, to be said again to the same commands.
struct Replayed(Protocol, VecDeque<PortEvent>);

impl Card for Replayed {
    fn protocol(&self) -> Protocol {
        self.0
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        assert_eq!(self.1.pop_front(), Some(out(command)));
        let Some(PortEvent::In(said)) = self.1.pop_front() else { panic!("no answer") };
        Box::pin(async move { Ok(said.to_vec()) })
    }
}

fn read(card: &mut dyn Card) -> Option<Records> {
    reading::read(card).now_or_never().expect("these cards answer at once").ok()
}

/// By what the recorder replaces a card's values in the clients' frames.
fn invented(real: &SocialSecurityCard) -> SocialSecurityCard {
    let (p, version) = (pseudonyms(), &real.full_version);
    SocialSecurityCard {
        card_number: p.card_number(&real.card_number),
        name: p.name(&real.name),
        id_number: p.id_number(&real.id_number),
        birth_date: p.birth(&real.birth_date),
        issue_date: p.validity(&real.issue_date),
        expire_date: p.validity(&real.expire_date),
        city_code: p.agency(&real.city_code),
        full_version: if is_version(version) { version.clone() } else { p.text(version) },
        ..real.clone()
    }
}

fn check(records: Vec<Said>, piece: usize) {
    let (rest, passed) = (VecDeque::new(), Vec::new());
    let mut odd = Odd { records, piece, selected: 0, rest, passed };
    let real = read(&mut odd);
    odd.passed.push(ENDED);
    let mut new: VecDeque<_> = redacted(&odd.passed).into();
    assert_eq!(new.pop_back(), Some(ENDED));
    let mut again = Replayed(odd.protocol(), new);
    let replayed = read(&mut again);
    assert_eq!(again.1.len(), 0);
    assert_eq!(real.is_some(), replayed.is_some());
    if let (Some(real), Some(replayed)) = (real, replayed) {
        assert_eq!(real.lack_a_key(), replayed.lack_a_key());
        let expected = invented(&fields::card(&real));
        let replayed = fields::card(&replayed);
        assert_eq!(replayed.name, expected.name);
        assert_eq!(replayed.id_number, expected.id_number);
        // No `Debug`, as everything that holds a person.
        assert!(replayed == expected);
    }
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        Just(0u8),
        Just(0x20),
        Just(0xFF),
        0x30u8..0x3A,
        0xB0u8..0xF8,
        0x19u8..0x21,
        any::<u8>(),
    ];
    prop_oneof![
        prop::collection::vec(byte, 0..32),
        "[0-9]{1,2}\\.[0-9]{2}".prop_map(String::into_bytes),
        "[0-9A-Z]{0,20}".prop_map(String::into_bytes),
        Just(b"11010519491231002X".to_vec()),
        Just(vec![0x19, 0x49, 0x12, 0x31]),
        Just(encoding_rs::GB18030.encode("阿卜杜热合曼·阿卜力米提买").0.into_owned()),
    ]
}

fn said() -> impl Strategy<Value = Said> {
    let tag = || prop_oneof![1u8..14, Just(0x4E), any::<u8>()];
    let odd =
        prop::sample::select(vec![[0x62, 0x82], [0x69, 0x82], [0x6A, 0x83], [0x6D, 0], [1, 2]]);
    let status = prop_oneof![4 => Just([0x90u8, 0]), 1 => odd];
    let by_tag = (tag(), value()).prop_map(|(tag, value)| (tag, with_head(tag, &value)));
    let by_number =
        (tag(), tag(), value()).prop_map(|(p1, tag, value)| (p1, with_head(tag, &value)));
    let damaged = (tag(), value()).prop_map(|(tag, value)| (tag, [&[tag][..], &value].concat()));
    let data = prop_oneof![6 => by_tag, 2 => by_number, 1 => damaged, 1 => (tag(), value())];
    (data, status).prop_map(|((p1, data), status)| (p1, data, status))
}

/// A card has one record of a tag, under however many numbers.
fn one_of_each(said: Vec<Said>) -> Vec<Said> {
    let mut seen: BTreeMap<u8, Vec<u8>> = BTreeMap::new();
    let same = |(p1, data, status): Said| {
        let one = data.first().map(|tag| seen.entry(*tag).or_insert_with(|| data.clone()).clone());
        (p1, one.unwrap_or_default(), status)
    };
    said.into_iter().map(same).collect()
}

proptest! {
    #[test]
    fn the_driver_does_the_same_with_the_replaced_bytes_and_reads_the_replaced_card(
        records in prop::collection::vec(said(), 0..16),
        piece in prop_oneof![Just(0usize), 1usize..12],
    ) {
        check(one_of_each(records), piece);
    }
}
