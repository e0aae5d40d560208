//! Redacted streams, read by the real reader of frames and the real driver.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::super::frame::{self, Garbled, PREAMBLE};
use super::super::nation;
use super::super::people::{Card, PEOPLE};
use super::super::text::{CardText, Layout, TEXT_BYTES, decode_addresses, encode_addresses};
use super::*;
use crate::port::tape::LineFault;

mod sessions;

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([42; 32])
}

fn redacted(events: &[At]) -> Vec<At> {
    let mut redactor = CardRedactor::new(pseudonyms());
    let mut out = Vec::new();
    for event in events {
        redactor.push(event.clone(), &mut out);
        assert!(redactor.held() <= 8 * 1024, "{} bytes are held", redactor.held());
    }
    redactor.finish(&mut out);
    assert_eq!(redactor.held(), 0);
    assert_only_bytes_differ(events, &out);
    out
}

/// The same events at the same times, but for the bytes that came in.
fn assert_only_bytes_differ(real: &[At], redacted: &[At]) {
    let without_bytes = |events: &[At]| -> Vec<(i64, Result<usize, PortEvent>)> {
        let shape = |event: &PortEvent| match event {
            PortEvent::In(bytes) => Ok(bytes.len()),
            other => Err(other.clone()),
        };
        events.iter().map(|at| (at.micros, shape(&at.event))).collect()
    };
    assert_eq!(without_bytes(real), without_bytes(redacted));
}

/// What a reader of frames sees.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    /// A status and how much data.
    Reply(u8, usize),
    Garbled(Garbled),
}

/// The whole bodies that the driver's reader of frames finds: it forgets what it has before each
/// request, and looks behind a head that waits when the line is quiet for 30 ms.
fn bodies(events: &[At]) -> Vec<Result<Vec<u8>, Garbled>> {
    let mut reader = FrameReader::for_replies();
    let mut found = Vec::new();
    let mut last = 0;
    let mut drain = |reader: &mut FrameReader, quiet: bool| loop {
        found.extend(std::iter::from_fn(|| reader.next_frame()).map(|one| one.map(|body| body.0)));
        if !quiet {
            return;
        }
        match reader.take_inner() {
            Some(body) => found.push(Ok(body.0)),
            None => return,
        }
    };
    for event in events {
        if let PortEvent::In(bytes) = &event.event {
            if event.micros - last > 30_000 {
                drain(&mut reader, true);
            }
            last = event.micros;
            reader.push(bytes);
            drain(&mut reader, false);
        } else {
            drain(&mut reader, true);
            reader.clear();
        }
    }
    drain(&mut reader, true);
    found
}

fn seen(events: &[At]) -> Vec<Seen> {
    let seen = |found: Result<Vec<u8>, Garbled>| match found {
        Ok(body) => Seen::Reply(body[2], body.len()),
        Err(garbled) => Seen::Garbled(garbled),
    };
    bodies(events).into_iter().map(seen).collect()
}

fn at(millis: i64, event: PortEvent) -> At {
    At { micros: millis * 1000, event }
}

fn input(millis: i64, bytes: &[u8]) -> At {
    at(millis, PortEvent::In(Bytes::copy_from_slice(bytes)))
}

fn asked(millis: i64, command: [u8; 2]) -> At {
    at(millis, PortEvent::Out(frame::request(command, &[]).into()))
}

fn bytes_in(events: &[At]) -> Vec<u8> {
    let chunks = events.iter().filter_map(|at| match &at.event {
        PortEvent::In(bytes) => Some(&bytes[..]),
        _ => None,
    });
    chunks.collect::<Vec<_>>().concat()
}

/// The data of a reading.
fn reading(block: &[u8], photo: &[u8], fingerprint: Option<&[u8]>) -> Vec<u8> {
    let parts: Vec<&[u8]> = [block, photo].into_iter().chain(fingerprint).collect();
    let lengths = parts.iter().flat_map(|part| u16::try_from(part.len()).unwrap().to_be_bytes());
    lengths.chain(parts.concat()).collect()
}

/// The data of the one reply in the redacted stream to `command`.
fn answered(command: [u8; 2], sw3: u8, data: &[u8]) -> Vec<u8> {
    let events = [asked(0, command), input(5, &frame::reply(sw3, data))];
    let found = bodies(&redacted(&events));
    let [Ok(body)] = found.as_slice() else { panic!("{:?}", seen(&events)) };
    assert_eq!(body[..3], [0, 0, sw3]);
    assert_eq!(body.len(), 3 + data.len());
    body[3..].to_vec()
}

/// The card with every field replaced as the JSON made of it is.
fn invented(text: &CardText) -> CardText {
    let by = pseudonyms();
    let code = |code: &str| if code.is_ascii() { code.into() } else { by.card_number(code) };
    // As the JSON's redaction has it: a country, or a nation's word or code, of one digit or two.
    let stays = match text.nationality.as_bytes() {
        [b'A'..=b'Z', b'A'..=b'Z', b'A'..=b'Z'] => true,
        [digit] => nation::nation_word(&format!("0{}", char::from(*digit))).is_some(),
        _ => {
            nation::nation_word(&text.nationality).is_some()
                || nation::nation_code(&text.nationality).is_some()
        }
    };
    let invented = CardText {
        nationality: if stays { text.nationality.clone() } else { by.text(&text.nationality) },
        nation_code: code(&text.nation_code),
        issue_count: code(&text.issue_count),
        version: code(&text.version),
        name: by.name(&text.name),
        english_name: by.name(&text.english_name),
        birth: by.birth(&text.birth),
        address: by.address(&text.address),
        id_number: by.id_number(&text.id_number),
        agency: by.agency(&text.agency),
        valid_from: by.validity(&text.valid_from),
        valid_to: by.validity(&text.valid_to),
        pass_number: by.id_number(&text.pass_number),
        authority_code: by.agency(&text.authority_code),
        old_number_link: by.card_number(&text.old_number_link),
        ..text.clone()
    };
    assert_eq!(invented.shown_name(), by.name(text.shown_name()));
    assert_eq!(invented.shown_agency(), by.agency(text.shown_agency()));
    assert_eq!(invented.sex_word(), text.sex_word());
    assert!(invented.nation_word() == text.nation_word() || (text.is_foreigner() && !stays));
    invented
}

/// That a reading of this block gives the invented card, with and without fingerprints.
fn check_block(block: &[u8; TEXT_BYTES]) {
    let expected = invented(&CardText::decode(block).expect("a card"));
    let photo = [7; 1024];
    for (command, fingerprint) in [([0x30, 0x01], None), ([0x30, 0x10], Some(&[9; 512][..]))] {
        let data = answered(command, 0x90, &reading(block, &photo, fingerprint));
        let head = if fingerprint.is_some() { 6 } else { 4 };
        let text = CardText::decode(&data[head..]).expect("still a card");
        assert!(text == expected, "{:?}", text.layout);
        assert_eq!(data[..4], [0x01, 0x00, 0x04, 0x00]);
        assert_eq!(data[head + 256..head + 1280], pseudonyms().wlt(&photo));
        assert_eq!(data.len(), head + 1280 + fingerprint.map_or(0, <[u8]>::len));
        assert!(data[head + 1280..].iter().all(|byte| *byte != 9));
    }
}

#[test]
fn everybodys_card_of_every_layout_reads_as_its_fields_replaced() {
    for person in PEOPLE {
        let card = (person.card)();
        check_block(&card.text.encode().unwrap());
        if !card.appended_addresses.is_empty() {
            let file = encode_addresses(&card.appended_addresses).unwrap();
            let expected: Vec<String> =
                card.appended_addresses.iter().map(|one| pseudonyms().address(one)).collect();
            assert_eq!(decode_addresses(&answered([0x30, 0x03], 0x90, &file)), expected);
        }
    }
}

#[test]
fn an_english_name_in_two_places_is_replaced_as_the_one_name_that_it_is() {
    for english_name in [
        // A blank where the first place ends, and a name that just fills both.
        format!("{} SMITH", "A".repeat(34)),
        "ABCDEFGHIJ".repeat(5).chars().take(46).collect(),
        "DOE".to_owned(),
    ] {
        let text = CardText {
            english_name,
            nationality: "CAN".into(),
            birth: "19000101".into(),
            id_number: "911124190001010019".into(),
            old_number_link: "A01".into(),
            ..CardText::blank(Layout::Foreigner2023)
        };
        check_block(&text.encode().unwrap());
    }
}

#[test]
fn what_stands_in_the_nationalitys_place_and_is_none_is_replaced() {
    for (nationality, stays) in [("CAN", true), ("汉", true), ("李四光", false), ("x1z", false)]
    {
        let text = CardText {
            nationality: nationality.into(),
            birth: "19000101".into(),
            ..CardText::blank(Layout::Foreigner2017)
        };
        let block = text.encode().unwrap();
        check_block(&block);
        let shown = invented(&CardText::decode(&block).unwrap()).nationality;
        assert_eq!(shown == nationality, stays, "{shown}");
    }
}

#[test]
fn padding_of_either_kind_stays_where_it_is() {
    let mut block = Card::zhang_san().text.encode().unwrap();
    for filler in [0x20, 0] {
        for unit in block[4..30].chunks_exact_mut(2) {
            unit.copy_from_slice(&[filler, 0]);
        }
        let data = answered([0x30, 0x01], 0x90, &reading(&block, &[7; 1024], None));
        assert_eq!(data[8..34], block[4..30]);
        assert_ne!(data[4..8], block[..4]);
        // What is behind the last field, the type's place included.
        assert_eq!(data[4 + 220..4 + 256], block[220..256]);
    }
}

#[test]
fn what_no_document_gives_a_meaning_to_is_not_kept() {
    let mut block = Card::zhang_san().text.encode().unwrap();
    for (unit, character) in
        block[220..248].chunks_exact_mut(2).zip("张三13800138000".encode_utf16())
    {
        unit.copy_from_slice(&character.to_le_bytes());
    }
    let data = answered([0x30, 0x01], 0x90, &reading(&block, &[7; 1024], None));
    assert!(data[4 + 220..4 + 248].chunks_exact(2).all(|unit| unit == [0x20, 0]));
}

#[test]
fn a_card_of_an_unknown_type_or_of_other_lengths_is_refused_in_the_same_words() {
    let mut block = Card::zhang_san().text.encode().unwrap();
    block[248] = b'Z';
    let data = answered([0x30, 0x01], 0x90, &reading(&block, &[7; 1024], None));
    assert_eq!(CardText::decode(&data[4..]), CardText::decode(&block));
    assert!(!data[4..].windows(4).any(|window| window == &block[..4]));
    let short = &Card::zhang_san().text.encode().unwrap()[..200];
    let data = answered([0x30, 0x01], 0x90, &reading(short, &[7; 1024], None));
    assert_eq!(CardText::decode(&data[4..204]), CardText::decode(short));
    assert!(data[4..].iter().all(|byte| (0xC1..=0xDF).contains(byte)));
    // A module that leaves the lengths out: the name stands in their place.
    let data = answered([0x30, 0x01], 0x90, &Card::zhang_san().text.encode().unwrap());
    assert!(data.iter().all(|byte| (0xC1..=0xDF).contains(byte)));
}

#[test]
fn the_modules_own_replies_stay_and_what_is_unknown_becomes_filler() {
    let id = super::super::virtual_reader::SAM_ID;
    assert_eq!(answered([0x12, 0xFF], 0x90, &id), id);
    assert_eq!(answered([0x20, 0x01], 0x9F, &[0; 4]), [0; 4]);
    assert_eq!(answered([0x20, 0x02], 0x90, &[0; 8]), [0; 8]);
    assert_eq!(answered([0x11, 0xFF], 0x90, &[]), []);
    for (command, data) in [
        // The card's serial number, its management number, and no command at all.
        ([0x20, 0x02], vec![0x12, 0x34, 0x56, 0x78, 0x90, 0x12, 0x34, 0x56]),
        ([0x30, 0x05], (0..28).collect()),
        ([0x77, 0x77], b"11010519491231002X".to_vec()),
        ([0x12, 0xFF], b"11010519491231002X".to_vec()),
    ] {
        let filler = answered(command, 0x90, &data);
        assert!(filler.iter().all(|byte| (0xC1..=0xDF).contains(byte)), "{command:02X?}");
    }
}

#[test]
fn a_late_reading_is_known_by_its_lengths_after_any_request() {
    let card = Card::zhang_san();
    let data = reading(&card.text.encode().unwrap(), &card.photo, None);
    for command in [[0x10, 0xFF], [0x12, 0xFF], [0x20, 0x01]] {
        let late = answered(command, 0x90, &data);
        assert!(CardText::decode(&late[4..]) == Ok(invented(&card.text)), "{command:02X?}");
    }
    // The driver takes any reply to this for addresses.
    let late = decode_addresses(&answered([0x30, 0x03], 0x90, &data));
    let expected: Vec<String> =
        decode_addresses(&data).iter().map(|one| pseudonyms().address(one)).collect();
    assert_eq!(late, expected);
}

#[test]
fn a_wrong_check_byte_stays_as_wrong_as_it_was() {
    let card = Card::zhang_san();
    let data = reading(&card.text.encode().unwrap(), &card.photo, None);
    for error in [0x01, 0xFF] {
        let mut reply = frame::reply(0x90, &data);
        *reply.last_mut().unwrap() ^= error;
        let new = bytes_in(&redacted(&[asked(0, [0x30, 0x01]), input(5, &reply)]));
        assert_eq!(frame::exclusive_or(&new[5..]), error);
        assert!(CardText::decode(&new[14..]) == Ok(invented(&card.text)));
        // A byte lost on the line: no field is where it should be.
        reply.remove(40);
        reply.push(0);
        let new = bytes_in(&redacted(&[asked(0, [0x30, 0x01]), input(5, &reply)]));
        assert!(new[10..reply.len() - 1].iter().all(|byte| (0xC1..=0xDF).contains(byte)));
    }
}

#[test]
fn of_a_torn_frame_head_length_and_status_stay() {
    let card = Card::zhang_san();
    let reply = frame::reply(0x90, &reading(&card.text.encode().unwrap(), &card.photo, None));
    for end in [
        asked(900, [0x30, 0x01]),
        at(900, PortEvent::Gone(LineFault::End)),
        at(900, PortEvent::Closed),
    ] {
        for cut in [3, 6, 9, 10, 40, 500, reply.len() - 1] {
            let pieces = reply[..cut].chunks(100).map(|piece| input(7, piece));
            let mut events = vec![asked(0, [0x30, 0x01])];
            events.extend(pieces);
            events.push(end.clone());
            // The rest comes when nobody waits for it any more.
            events.push(input(901, &reply[cut..]));
            let new = bytes_in(&redacted(&events));
            let kept = cut.min(10);
            assert!(cut < 5 || new[..kept] == reply[..kept], "cut at {cut}");
            assert!(new[kept..].iter().all(|byte| (0xC1..=0xDF).contains(byte)), "cut at {cut}");
        }
    }
}

#[test]
fn a_true_frame_behind_a_false_head_is_replaced_as_what_it_is() {
    let card = Card::zhang_san();
    let reply = frame::reply(0x90, &reading(&card.text.encode().unwrap(), &card.photo, None));
    // Noise that looks like a head: with a length that never comes, with one that ends within
    // the true frame, and with none.
    for length in [[0x09, 0x60], [0x00, 0x80], [0x00, 0x04], [0xFF, 0xFF]] {
        let stream = [b"\x55\xAA", &PREAMBLE[..], &length, b"\x01\x02", &reply].concat();
        for size in [1, 7, 4096] {
            let mut events = vec![asked(0, [0x30, 0x01])];
            events.extend(stream.chunks(size).map(|piece| input(5, piece)));
            events.push(asked(2000, [0x30, 0x03]));
            let new = redacted(&events);
            assert_eq!(seen(&new), seen(&events), "{length:02X?}");
            let found = bodies(&new).into_iter().find_map(Result::ok).expect("the true frame");
            assert!(CardText::decode(&found[7..]) == Ok(invented(&card.text)), "{length:02X?}");
        }
    }
}

/// What may come over a line: frames, damaged and cut ones, heads, noise.
fn any_piece() -> impl Strategy<Value = Vec<u8>> {
    let card = prop::sample::select(&PEOPLE[..]).prop_map(|person| {
        let card = (person.card)();
        frame::reply(0x90, &reading(&card.text.encode().unwrap(), &card.photo, None))
    });
    let small = (any::<u8>(), prop::collection::vec(any::<u8>(), 0..40))
        .prop_map(|(sw3, data)| frame::reply(sw3, &data));
    let whole = prop_oneof![card, small];
    let damaged = (prop_oneof![Just(0usize), 1usize..9, any::<usize>()], 1u8.., whole.clone())
        .prop_map(|(at, error, mut frame)| {
            let at = frame.len() - 1 - at % frame.len();
            frame[at] ^= error;
            frame
        });
    let cut = (any::<usize>(), whole.clone()).prop_map(|(at, mut frame)| {
        frame.truncate(at % frame.len());
        frame
    });
    prop_oneof![
        whole,
        damaged,
        cut,
        Just(PREAMBLE.to_vec()),
        Just([&PREAMBLE[..], &[0x09, 0x60]].concat()),
        Just([&PREAMBLE[..], &[0x00, 0x05]].concat()),
        Just([&PREAMBLE[..], &[0x00, 0x0C]].concat()),
        Just(vec![0x00, 0x05]),
        prop::collection::vec(prop_oneof![Just(0xAAu8), Just(0x96), Just(0x69), any::<u8>()], 1..9),
    ]
}

proptest! {
    #[test]
    fn a_reader_of_frames_sees_the_same_in_any_stream_and_chunking(
        pieces in prop::collection::vec(any_piece(), 0..10),
        cuts in prop::collection::vec((1usize..400, 0i64..40), 1..20),
        commands in prop::collection::vec(
            prop::sample::select(vec![[0x30, 0x01], [0x30, 0x10], [0x30, 0x03], [0x20, 0x01]]),
            1..4,
        ),
        ask in 3usize..30,
    ) {
        let stream = pieces.concat();
        let mut events = vec![asked(0, commands[0])];
        let mut rest = &stream[..];
        let mut now = 0;
        for (turn, (cut, pause)) in cuts.iter().cycle().enumerate() {
            let (piece, later) = rest.split_at((*cut).min(rest.len()));
            events.push(input(now, piece));
            now += pause;
            rest = later;
            if rest.is_empty() {
                break;
            }
            if turn % ask == ask - 1 {
                events.push(asked(now, commands[turn % commands.len()]));
            }
        }
        // A cut frame whose announced check byte, somewhere in the frames behind it, fits by
        // chance: what a reader makes of it depends on where the line pauses.
        let is_one_frame = |body: Result<Vec<u8>, _>| {
            body.is_err() || body.is_ok_and(|body| !body.windows(5).any(|five| five == PREAMBLE))
        };
        let at_once: Vec<At> = events.iter().map(|at| At { micros: 0, ..at.clone() }).collect();
        prop_assume!(bodies(&at_once).into_iter().all(is_one_frame));
        let new = redacted(&events);
        prop_assert_eq!(seen(&new), seen(&events));
    }

    /// Any bytes make a card of some kind: what the driver makes of them is what is replaced.
    #[test]
    fn a_block_of_noise_reads_as_its_fields_replaced(
        noise in prop::collection::vec(
            prop_oneof![Just(0u8), Just(0x20), 0x30u8..0x3A, 0x4Eu8..0x60, any::<u8>()],
            TEXT_BYTES,
        ),
        layout in prop::sample::select(&Layout::ALL[..]),
    ) {
        let mut block: [u8; TEXT_BYTES] = noise.try_into().expect("as many");
        block[248..250].copy_from_slice(&[layout.letter() as u8, 0]);
        check_block(&block);
    }

    #[test]
    fn any_file_of_addresses_reads_as_each_of_them_replaced(
        file in prop::collection::vec(
            prop_oneof![Just(0u8), Just(0x20), 0x4Eu8..0x60, any::<u8>()], 0..400),
    ) {
        let expected: Vec<String> =
            decode_addresses(&file).iter().map(|one| pseudonyms().address(one)).collect();
        prop_assert_eq!(decode_addresses(&answered([0x30, 0x03], 0x90, &file)), expected);
    }
}

proptest! {
    // Ten kilobytes each.
    #![proptest_config(ProptestConfig::with_cases(4))]

    #[test]
    fn heads_and_noise_alone_are_held_back_only_so_far(
        pieces in prop::collection::vec(
            prop_oneof![
                Just(PREAMBLE.to_vec()),
                Just([&PREAMBLE[..], &[0x09, 0x60]].concat()),
                Just([&PREAMBLE[..], &[0x00, 0x05]].concat()),
                prop::collection::vec(any::<u8>(), 1..9),
            ],
            1500..2000,
        ),
    ) {
        // `redacted` looks at what is held after each chunk.
        let events: Vec<At> = pieces.concat().chunks(300).map(|piece| input(0, piece)).collect();
        prop_assert_eq!(redacted(&events).len(), events.len());
    }
}
