//! What a driver reads from redacted records is what the client's redacted frame has.

use proptest::prelude::*;

use super::super::super::framing::Encoding;
use super::*;

const KEY: [u8; 32] = [5; 32];

fn framing(suffix: &str) -> Framing {
    Framing {
        suffix: suffix.into(),
        prefix: b"]Q1".to_vec(),
        encoding: Encoding::Auto,
        trigger: None,
    }
}

/// The records with which a scanner types a text; some say the scan code before each key.
fn records(text: &str, scan_codes: bool) -> Vec<[u8; RECORD]> {
    let record = |kind, code, value| InputEvent { kind, code, value }.record();
    let key = |code: u16, value| {
        let scan = scan_codes.then(|| record(4, 4, 0x7_0000 + i32::from(code)));
        scan.into_iter().chain([record(EV_KEY, code, value), record(EV_SYN, SYN_REPORT, 0)])
    };
    let mut records = vec![record(EV_SYN, SYN_REPORT, 0)];
    for character in text.bytes() {
        let (code, chord) = HeldKeys::default().key_of(character).unwrap();
        let with = [(chord.shift, LEFT_SHIFT), (chord.ctrl, LEFT_CTRL)];
        let with: Vec<u16> = with.iter().filter(|(held, _)| *held).map(|(_, key)| *key).collect();
        records.extend(with.iter().flat_map(|held| key(*held, 1)));
        records.extend(key(code, 1).chain(key(code, 0)));
        records.extend(with.iter().flat_map(|held| key(*held, 0)));
    }
    records
}

fn at(micros: i64, bytes: &[u8]) -> At {
    At { micros, event: PortEvent::In(bytes.to_vec().into()) }
}

fn redacted(suffix: &str, events: &[At]) -> Vec<At> {
    let idle = Duration::from_millis(100);
    let mut redactor = KeyRedactor::new(Pseudonyms::with_key(KEY), framing(suffix), idle);
    let mut out = Vec::new();
    for event in events {
        redactor.push(event.clone(), &mut out);
    }
    redactor.finish(&mut out);
    assert_eq!(redactor.held(), 0);
    let shape = |at: &At| match &at.event {
        PortEvent::In(bytes) => (at.micros, bytes.len()),
        _ => (at.micros, 0),
    };
    assert!(out.iter().map(shape).eq(events.iter().map(shape)));
    out
}

fn bytes(events: &[At]) -> Vec<u8> {
    let chunks = events.iter().filter_map(|at| match &at.event {
        PortEvent::In(bytes) => Some(&bytes[..]),
        _ => None,
    });
    chunks.collect::<Vec<_>>().concat()
}

fn typed_by(bytes: &[u8]) -> String {
    let (mut records, mut held, mut text) =
        (Records::default(), HeldKeys::default(), String::new());
    records.push(bytes);
    while let Some(event) = records.next_event() {
        match held.event(event) {
            Typed::Character(character) => text.push(char::from(character)),
            Typed::Unreadable => text.push('\u{FFFD}'),
            Typed::Nothing => {}
        }
    }
    text
}

fn check(codes: &[&str], scan_codes: bool, cut: usize) {
    let text: String = codes.iter().map(|code| format!("{code}\r")).collect();
    let real = records(&text, scan_codes).concat();
    let events: Vec<At> = real.chunks(cut).map(|piece| at(0, piece)).collect();
    let replaced = bytes(&redacted("\r", &events));
    let pseudonyms = Pseudonyms::with_key(KEY);
    let expected: String = codes
        .iter()
        .map(|code| match code.strip_prefix("]Q1") {
            Some(code) => format!("]Q1{}\r", pseudonyms.code(code)),
            None => format!("{}\r", pseudonyms.code(code)),
        })
        .collect();
    assert_eq!(typed_by(&replaced), expected, "{codes:?}");
    let scan = |bytes: &[u8]| bytes.chunks(RECORD).any(|record| record[0] == 4 && record[4] != 0);
    assert!(!scan(&replaced), "scan codes are keys as well");
}

#[test]
fn codes_become_the_codes_that_clients_frames_have() {
    for scan_codes in [false, true] {
        for cut in [1, 8, 24, 1024] {
            check(&["690123456789", "]Q1http://example.com/Ab-9_z", "X", "~"], scan_codes, cut);
        }
    }
}

#[test]
fn numbers_of_people_change_the_case_of_their_check_character() {
    // Invented numbers, of region 99: with and without X at the end, right and wrong.
    for number in ["990101199001010015", "99010119900101001X", "990101199001010023"] {
        for scan_codes in [false, true] {
            check(&[number, "abc", number], scan_codes, 24);
        }
    }
}

#[test]
fn torn_and_unreadable_codes_become_filler() {
    let torn = records("secret7", true).concat();
    let events = [at(0, &torn), at(2_000_000, &records("next\r", true).concat())];
    let typed = typed_by(&bytes(&redacted("\r", &events)));
    let next = Pseudonyms::with_key(KEY).code("next");
    assert_eq!(typed, format!("xxxxxxx{next}\r"));

    let record = |code, value| InputEvent { kind: EV_KEY, code, value }.record();
    let mut alt = records("ab", false).concat();
    // é by its number: alt, 0233 on the key pad.
    alt.extend(
        [(56, 1), (82, 1), (80, 1), (81, 1), (81, 1), (56, 0)].map(|(k, v)| record(k, v)).concat(),
    );
    alt.extend(records("c\r", false).concat());
    let replaced = bytes(&redacted("\r", &[at(0, &alt)]));
    assert_eq!(typed_by(&replaced), "xx\u{FFFD}\u{FFFD}\u{FFFD}\u{FFFD}x\r");
    let digits = |record: &[u8]| record[0] == 1 && (71..=82).contains(&record[2]);
    assert!(!replaced.chunks(RECORD).any(digits));
}

#[test]
fn without_a_suffix_the_gap_ends_a_code() {
    let events =
        [at(0, &records("first", true).concat()), at(100_001, &records("2nd", true).concat())];
    let pseudonyms = Pseudonyms::with_key(KEY);
    let expected = format!("{}{}", pseudonyms.code("first"), pseudonyms.code("2nd"));
    assert_eq!(typed_by(&bytes(&redacted("", &events))), expected);
}

#[test]
fn what_is_held_when_a_line_begins_is_not_told() {
    let record = |kind, code| InputEvent { kind, code, value: i32::from(kind) }.record();
    let state = [record(EV_KEY, 30), record(EV_SYN, SYN_REPORT)].concat();
    let mut state = state;
    state[12..16].fill(0);
    let replaced = bytes(&redacted("\r", &[at(0, &state)]));
    assert_eq!(replaced[2..4], FOREIGN.to_le_bytes());
}

proptest! {
    #[test]
    fn any_codes_in_any_pieces(
        codes in prop::collection::vec("[ -~]{1,24}", 1..5),
        scan_codes: bool,
        cut in 1..90_usize,
    ) {
        let codes: Vec<&str> = codes.iter().map(String::as_str).collect();
        check(&codes, scan_codes, cut);
    }
}
