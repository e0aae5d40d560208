//! A social-security card's bytes, replaced: each record by itself, and what the driver makes of all
//! of them (`driven`).

use proptest::prelude::*;

use super::*;
use crate::port::card::{CardFault, Content, FaultKind, Holds, Powered, Protocol};

mod driven;

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([7; 32])
}

fn out(bytes: &[u8]) -> PortEvent {
    PortEvent::Out(bytes.to_vec().into())
}

fn input(bytes: &[u8]) -> PortEvent {
    PortEvent::In(bytes.to_vec().into())
}

const ENDED: PortEvent = PortEvent::Card(CardEvent::Ended(false));

fn run(events: &[PortEvent]) -> Vec<At> {
    let mut redactor = SocialSecurityRedactor::new(pseudonyms());
    let mut out = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let micros = i64::try_from(at).unwrap();
        redactor.push(At { micros, event: event.clone() }, &mut out);
        assert!(redactor.held() <= MOST_BYTES);
    }
    redactor.finish(&mut out);
    assert_eq!(redactor.held(), 0);
    let times: Vec<_> = out.iter().map(|at| usize::try_from(at.micros).unwrap()).collect();
    assert_eq!(times, Vec::from_iter(0..events.len()));
    out
}

fn redacted(events: &[PortEvent]) -> Vec<PortEvent> {
    run(events).into_iter().map(|at| at.event).collect()
}

/// What a card's record becomes that comes at once.
fn record_of(data: &[u8]) -> Vec<u8> {
    let answer = input(&[data, &[0x90, 0]].concat());
    match &redacted(&[out(&[0x00, 0xB2, 0x01, 0x2C, 0x00]), answer])[1] {
        PortEvent::In(bytes) => {
            assert_eq!(bytes[data.len()..], [0x90, 0]);
            bytes[..data.len()].to_vec()
        }
        other => panic!("{other:?}"),
    }
}

fn with_head(tag: u8, value: &[u8]) -> Vec<u8> {
    [&[tag, u8::try_from(value.len()).unwrap()][..], value].concat()
}

#[test]
fn each_record_says_its_pseudonym_between_the_same_filling() {
    let p = pseudonyms();
    let bcd = |digits: &str| -> Vec<u8> {
        let pair =
            |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        digits.as_bytes().chunks(2).map(pair).collect()
    };
    let padded = |text: &str, size: usize| {
        let mut value = text.as_bytes().to_vec();
        value.resize(size, 0);
        value
    };
    let id = "11010519491231002X";
    for (tag, real, expected) in [
        (0x08, id.as_bytes().to_vec(), p.id_number(id).into_bytes()),
        (0x07, padded("A1234567", 9), padded(&p.card_number("A1234567"), 9)),
        (0x07, b" \0A123456".to_vec(), format!(" \0{}", p.card_number("A123456")).into_bytes()),
        (0x07, vec![0; 9], vec![0; 9]),
        (0x07, vec![0xFF; 9], vec![FILLER; 9]),
        (0x03, b"3.00".to_vec(), b"3.00".to_vec()),
        (0x03, b"Li-4".to_vec(), p.text("Li-4").into_bytes()),
        (0x05, bcd("20200102"), bcd(&p.validity("20200102"))),
        (0x06, bcd("20301399"), bcd(&p.validity("20301399"))),
        (0x06, vec![0xFF; 4], vec![0xFF; 4]),
        (0x06, vec![0; 4], vec![0; 4]),
        (0x0D, bcd("19491231"), bcd(&p.birth("19491231"))),
        (0x0D, bcd("1949123F"), vec![FILLER; 4]),
        (0x0A, b"2".to_vec(), b"2".to_vec()),
        (0x0B, vec![0x11], vec![0x11]),
        (0x02, b"1".to_vec(), b"1".to_vec()),
        (0x0C, bcd("110105"), vec![FILLER; 3]),
        (0x04, bcd("110105194912310023FFFFFF"), vec![FILLER; 12]),
        (
            0x01,
            bcd("11010519491231002312345678901234"),
            [bcd(&p.agency("110105")), vec![FILLER; 13]].concat(),
        ),
        (0x01, vec![0xFF; 16], vec![FILLER; 16]),
    ] {
        assert_eq!(record_of(&with_head(tag, &real)), with_head(tag, &expected), "{tag:02X}");
    }
}

#[test]
fn what_is_no_record_keeps_at_most_the_tag_by_which_it_is_refused() {
    for (real, first) in [
        (with_head(0x5A, &[0x62; 8]), FILLER),
        (b"\x08\x12110105".to_vec(), 0x08),
        (b"11010519491231002X".to_vec(), FILLER),
        (b"\x08".to_vec(), 0x08),
        ([&[0x08, 222][..], &[1; 221]].concat(), 0x08),
    ] {
        let new = record_of(&real);
        assert_eq!(new[0], first);
        assert!(new[1..].iter().all(|byte| matches!(*byte, FILLER | 0xFF)));
        assert!(new.len() < 2 || usize::from(new[1]) > new.len() - 2);
    }
    assert_eq!(record_of(&[]), []);
}

/// A name over both records, in GB18030, filled up with `00`.
fn name_records(name: &[u8]) -> [Vec<u8>; 2] {
    let mut value = name.to_vec();
    value.resize(50, 0);
    let extension = value.split_off(30);
    [with_head(0x09, &value), with_head(0x4E, &extension)]
}

#[test]
fn a_name_is_one_name_however_it_is_cut() {
    let name = "阿卜杜热合曼·阿卜力米提·买买提"; // 15 characters, 28 or 30 bytes and more
    let long = format!("张{name}");
    for name in [name, &long, "A阿卜杜热合曼阿卜力米提买买提江李四", "张三"] {
        let real = encoding_rs::GB18030.encode(name).0.into_owned();
        let expected = encoding_rs::GB18030.encode(&pseudonyms().name(name)).0.into_owned();
        let ([first, extension], expected) = (name_records(&real), name_records(&expected));
        for size in [1, 7, 200] {
            let mut events = Vec::new();
            for (tag, record) in [(0x09, &first), (0x4E, &extension)] {
                events.push(out(&[0x00, 0xB2, tag, 0x30, 0x00]));
                let pieces: Vec<_> = record.chunks(size).collect();
                let (last, others) = pieces.split_last().unwrap();
                // The first answer of T=0 has no data.
                events.push(input(&[0x61, 0x00]));
                for piece in others {
                    events.push(out(&[0x00, 0xC0, 0x00, 0x00, 0x00]));
                    events.push(input(&[piece, &[0x61, 0x05][..]].concat()));
                }
                events.push(out(&[0x00, 0xC0, 0x00, 0x00, 0xFF]));
                events.push(input(&[0x6C, 0x05]));
                events.push(out(&[0x00, 0xC0, 0x00, 0x00, 0x05]));
                events.push(input(&[last, &[0x90, 0x00][..]].concat()));
            }
            events.push(ENDED);
            let new = redacted(&events);
            let mut said = Vec::new();
            for (old, new) in events.iter().zip(&new) {
                if let (PortEvent::In(old), PortEvent::In(new)) = (old, new) {
                    assert_eq!(old.len(), new.len());
                    assert_eq!(old[old.len() - 2..], new[new.len() - 2..]);
                    said.extend_from_slice(&new[..new.len() - 2]);
                } else {
                    assert_eq!(old, new);
                }
            }
            assert_eq!(said, expected.concat(), "{name} by {size}");
        }
    }
}

#[test]
fn events_are_held_until_the_transaction_is_over() {
    let mut redactor = SocialSecurityRedactor::new(pseudonyms());
    let mut all = Vec::new();
    let mut push = |event: PortEvent, expected: usize| {
        redactor.push(At { micros: 0, event }, &mut all);
        assert_eq!(all.len(), expected);
    };
    let atr = vec![0x3B, 0x02, 0x12, 0x34];
    let powered = Powered { atr: atr.clone(), protocol: Protocol::T0 };
    push(PortEvent::Card(CardEvent::Connected(powered)), 1);
    push(PortEvent::Card(CardEvent::Begin), 2);
    push(PortEvent::Card(CardEvent::Begun), 3);
    push(out(&[0x00, 0xB2, 0x09, 0x30, 0x20]), 3);
    let holds = Holds { what: Content::Card(atr), number: 1 };
    push(PortEvent::Card(CardEvent::Holds(holds)), 3);
    let fault = CardFault::new(FaultKind::Removed, "taken away");
    push(PortEvent::Card(CardEvent::Unanswered(fault)), 3);
    push(ENDED, 7);
    for event in &all {
        if let PortEvent::Card(CardEvent::Connected(Powered { atr, .. })) = &event.event {
            assert_eq!(atr[..2], [0x3B, 0x02]);
            assert_ne!(atr[2..], [0x12, 0x34]);
        }
    }
}

#[test]
fn an_answer_whose_rest_never_came_is_filler() {
    let record = with_head(0x09, &[0xD5; 30]);
    let new = redacted(&[
        out(&[0x00, 0xB2, 0x09, 0x30, 0x20]),
        input(&[&record[..], &[0x61, 0x05]].concat()),
        out(&[0x00, 0xB2, 0x0A, 0x30, 0x03]),
        input(&[0x6A, 0x83]),
    ]);
    let PortEvent::In(said) = &new[1] else { panic!("no answer") };
    assert_eq!(said[0], 0x09);
    assert!(said[1..32].iter().all(|byte| *byte == FILLER));
}

#[test]
fn of_an_application_its_name_and_algorithm_stay() {
    let select =
        [&[0x00, 0xA4, 0x04, 0x00, 0x0F][..], b"sx1.sh.\xC9\xE7\xBB\xE1\xB1\xA3\xD5\xCF"].concat();
    let answer = |name: &[u8], added: &[u8]| {
        let inside = [&[0x88, 1, 1][..], &with_head(0x0C, added)].concat();
        let inside = [&inside[..3], &[0x9F], &inside[3..]].concat();
        let body = [with_head(0x84, name), with_head(0xA5, &inside)].concat();
        [with_head(0x6F, &body), vec![0x90, 0]].concat()
    };
    let said = |bytes: &[u8]| {
        let new = redacted(&[out(&select), input(bytes)]);
        assert_eq!(new[0], out(&select));
        new[1].clone()
    };
    let real = answer(&select[5..], &[0x86, 1, 3]);
    let mut expected = real.clone();
    let at = real.windows(3).position(|window| window == [0x88, 1, 1]).unwrap();
    expected[at + 2] = FILLER;
    assert_eq!(said(&real), input(&expected));
    // A bank's application, and one who writes his number there.
    let PortEvent::In(bank) = said(&answer(b"62220212", b"11010519491231002X")) else { panic!() };
    assert!(!bank.windows(4).any(|window| window == b"6222" || window == b"1101"));
    assert_eq!(bank[..2], answer(b"62220212", b"11010519491231002X")[..2]);
    // What is not well made.
    assert_eq!(
        said(&[0x6F, 0x7F, 1, 2, 0x90, 0]),
        input(&[FILLER, FILLER, FILLER, FILLER, 0x90, 0])
    );
}

#[test]
fn no_card_makes_it_hold_more_than_so_much() {
    let exchange = [out(&[0x00, 0xC0, 0, 0, 0]), input(&[&[1; 60_000][..], &[0x61, 0]].concat())];
    let events = exchange.iter().cycle().take(40).cloned().collect::<Vec<_>>();
    run(&events);
    let many: Vec<_> = std::iter::repeat_n(out(&[0, 0xC0, 0, 0, 0]), 3 * MOST_EVENTS).collect();
    let mut redactor = SocialSecurityRedactor::new(pseudonyms());
    let mut out = Vec::new();
    for event in many {
        redactor.push(At { micros: 0, event }, &mut out);
        assert!(redactor.held.len() <= MOST_EVENTS);
    }
}

proptest! {
    #[test]
    fn any_events_keep_their_order_lengths_and_status_words(
        said in prop::collection::vec(
            (
                any::<bool>(),
                prop::sample::select(vec![0xB2u8, 0xA4, 0xC0, 0x84]),
                prop::collection::vec(prop_oneof![0u8..16, any::<u8>()], 0..40),
                prop::sample::select(vec![[0x90u8, 0], [0x61, 5], [0x6C, 5], [0x62, 0x82], [1, 2]]),
            ),
            0..20,
        ),
        end in any::<prop::sample::Index>(),
    ) {
        let mut events = Vec::new();
        for (asks, instruction, data, status) in &said {
            if *asks {
                events.push(out(&[0, *instruction, 1, 0x28, 0]));
            }
            let record = data.split_first().map_or(Vec::new(), |(tag, value)| with_head(*tag, value));
            events.push(input(&[record.as_slice(), status].concat()));
        }
        events.insert(end.index(events.len() + 1), ENDED);
        for (old, new) in events.iter().zip(redacted(&events)) {
            match (old, new) {
                (PortEvent::In(old), PortEvent::In(new)) => {
                    let length = data_length(old);
                    prop_assert_eq!(old.len(), new.len());
                    prop_assert_eq!(&old[length..], &new[length..]);
                }
                (old, new) => prop_assert_eq!(old, &new),
            }
        }
    }
}
