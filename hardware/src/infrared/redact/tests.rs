//! What a recording keeps of a sensor's line, and what not.

use bytes::Bytes;

use super::*;
use crate::infrared::SwitchCode;
use crate::port::input::{EV_KEY, EV_SW, EV_SYN, InputEvent, SW_FRONT_PROXIMITY};

/// What becomes of these chunks, one event each, with the end of the line behind them.
fn redacted(language: Language, chunks: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut redactor = SensorRedactor::new(language);
    let mut out = Vec::new();
    let events = chunks.iter().map(|chunk| PortEvent::In(Bytes::copy_from_slice(chunk)));
    for (micros, event) in events.chain([PortEvent::Closed]).enumerate() {
        redactor.push(At { micros: micros.try_into().unwrap(), event }, &mut out);
    }
    assert_eq!(redactor.held(), 0);
    assert_eq!(out.pop().map(|at| at.event), Some(PortEvent::Closed));
    let bytes = |at: At| match at.event {
        PortEvent::In(bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    };
    out.into_iter().map(bytes).collect()
}

#[test]
fn sentences_stay_wherever_they_are_cut() {
    let chunks: [&[u8]; 4] = [b"1\r", b"\n", b"O", b"FF\r\n"];
    assert_eq!(redacted(Language::Words, &chunks), chunks);
    let frame = super::super::ld2410::frame(true);
    let chunks = [&frame[..5], &frame[5..]];
    assert_eq!(redacted(Language::Ld2410, &chunks), chunks);
}

#[test]
fn what_another_device_says_on_the_line_becomes_filler() {
    let chunks: [&[u8]; 3] = [b"11010519491231002X\r\n", b"1\r\n1101", b"05"];
    let expected: [&[u8]; 3] = [b"??????????????????\r\n", b"1\r\n????", b"??"];
    assert_eq!(redacted(Language::Words, &chunks), expected);
    let chunks: [&[u8]; 2] = [b"\x59\x59secret", b"words here"];
    assert_eq!(redacted(Language::Tfmini, &chunks), [vec![0; 8], vec![0; 10]]);
}

#[test]
fn the_keys_of_a_keyboard_become_records_of_nothing() {
    let record = |kind, code| InputEvent { kind, code, value: 1 }.record();
    let [switch, key, end] = [(EV_SW, SW_FRONT_PROXIMITY), (EV_KEY, 30), (EV_SYN, 0)]
        .map(|(kind, code)| record(kind, code));
    let language = Language::Switch(SwitchCode::Switch(SW_FRONT_PROXIMITY));
    let out = redacted(language, &[&[switch, key].concat(), &end]);
    assert_eq!(out, [[switch, [0xff; 8]].concat(), end.to_vec()]);
}
