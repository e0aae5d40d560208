//! The events of a card port, replaced.

use super::*;
use crate::port::card::{CardFault, FaultKind, Protocol};

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([7; 32])
}

/// `3B 8A 80 01`, ten historical bytes, TCK.
const ATR: [u8; 15] =
    [0x3B, 0x8A, 0x80, 0x01, 0x20, 0x90, 0, 0, 0, 0x2E, 0x20, 0x41, 0x9F, 0x11, 0xA4];
const ATS: [u8; 15] =
    [0x0F, 0x78, 0x80, 0x90, 0x02, 0x20, 0x90, 0, 0, 0, 0x2E, 0x20, 0x41, 0x9F, 0x11];

fn out(bytes: &[u8]) -> PortEvent {
    PortEvent::Out(bytes.to_vec().into())
}

fn input(bytes: &[u8]) -> PortEvent {
    PortEvent::In(bytes.to_vec().into())
}

fn card(event: CardEvent) -> PortEvent {
    PortEvent::Card(event)
}

fn lies(number: u64) -> PortEvent {
    card(CardEvent::Holds(Holds { what: Content::Card(ATR.to_vec()), number }))
}

fn connected() -> PortEvent {
    card(CardEvent::Connected(Powered { atr: ATR.to_vec(), protocol: Protocol::T1 }))
}

/// Every event comes out at once, with its time.
fn redacted(events: &[PortEvent]) -> Vec<PortEvent> {
    let mut redactor = CpuCardRedactor::new(pseudonyms(), ToldAts::default());
    let mut all = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let micros = i64::try_from(at).unwrap();
        let mut out = Vec::new();
        redactor.push(At { micros, event: event.clone() }, &mut out);
        let [At { micros: when, event }] = &out[..] else { panic!("{} events", out.len()) };
        assert_eq!((*when, redactor.held()), (micros, 0));
        all.push(event.clone());
    }
    redactor.finish(&mut Vec::new());
    all
}

#[test]
fn the_ats_and_every_atr_of_a_card_have_the_same_historical_bytes() {
    let ask = out(&[0xFF, 0xCA, 0x01, 0x00, 0x00]);
    let told = input(&[&ATS[..], &[0x90, 0]].concat());
    let new = redacted(&[lies(1), connected(), ask.clone(), told.clone(), ask.clone(), told]);
    let atr = atr(&pseudonyms(), &ATR);
    assert!(!atr.windows(3).any(|window| window == [0x20, 0x41, 0x9F]));
    let expected = Holds { what: Content::Card(atr.clone()), number: 1 };
    assert_eq!(new[0], card(CardEvent::Holds(expected)));
    let ats = [&ATS[..5], &atr[4..14], &[0x90, 0]].concat();
    assert_eq!(new[2..4], [ask, input(&ats)]);
    // The driver asks once. Who asks again is a client.
    assert_eq!(new[5], new[3]);
}

#[test]
fn what_stands_for_an_ats_stands_for_it_wherever_it_is_told() {
    let told = ToldAts::default();
    let whole = [&ATS[..], &[0x90, 0]].concat();
    let filler = [&[0xDD; 15][..], &[0x90, 0]].concat();
    assert_eq!(told.answer(&whole), filler);
    let mut redactor = CpuCardRedactor::new(pseudonyms(), told.clone());
    let mut out = Vec::new();
    let events = [
        connected(),
        self::out(&[0xFF, 0xCA, 0x01, 0x00, 0x00]),
        input(&whole),
        self::out(&[0x00, 0xB0, 0x00, 0x00, 0x0F]),
        input(&whole),
    ];
    for event in events {
        redactor.push(At { micros: 0, event }, &mut out);
    }
    let PortEvent::In(stands) = &out[2].event else { panic!("no answer") };
    assert_eq!(stands[..5], ATS[..5]);
    assert_ne!(stands[5..15], ATS[5..]);
    // By another command, and in what clients get.
    assert_eq!(out[4].event, input(stands));
    assert_eq!(told.answer(&whole), stands.to_vec());
    assert_eq!(told.answer(&[0x6A, 0x81]), [0x6A, 0x81]);
    // Those of later cards take its place in the end.
    for card in 0..64 {
        told.learn(&pseudonyms(), &[0x03, 0x00, card, 0x90, 0x00], None);
    }
    assert_eq!(told.answer(&whole), filler);
}

#[test]
fn each_new_card_is_asked_for_its_ats() {
    let ask = out(&[0xFF, 0xCA, 0x01, 0x00, 0x00]);
    let again = out(&[0xFF, 0xCA, 0x01, 0x00, 0x0F]);
    let told = input(&[&ATS[..], &[0x90, 0]].concat());
    let failed = CardFault::new(FaultKind::Silent, "no answer");
    let new = redacted(&[
        lies(1),
        connected(),
        ask.clone(),
        card(CardEvent::Unanswered(failed)),
        ask.clone(),
        input(&[0x6C, 0x0F]),
        again,
        told.clone(),
        lies(1),
        ask.clone(),
        told.clone(),
        lies(2),
        ask,
        told,
    ]);
    let kept = |at: usize| matches!(&new[at], PortEvent::In(bytes) if bytes[..5] == ATS[..5]);
    assert_eq!((kept(7), kept(10), kept(13)), (true, true, true));
}

#[test]
fn a_cards_number_and_what_it_says_become_filler() {
    let new = redacted(&[
        connected(),
        out(&[0xFF, 0xCA, 0x00, 0x00, 0x00]),
        input(&[0x04, 0xA1, 0xB2, 0xC3, 0x90, 0x00]),
        out(&[0x80, 0x50, 0x00, 0x02, 0x02, 0x12, 0x34, 0x0F]),
        input(&[0x61, 0x0F]),
    ]);
    assert_eq!(new[2], input(&[0xDD, 0xDD, 0xDD, 0xDD, 0x90, 0x00]));
    assert_eq!(new[3], out(&[0x80, 0x50, 0x00, 0x02, 0x02, 0xDD, 0xDD, 0x0F]));
    assert_eq!(new[4], input(&[0x61, 0x0F]));
}

#[test]
fn what_is_said_to_the_reader_itself_stays() {
    let beep = out(&[0xFF, 0x00, 0x40, 0x00, 0x04, 0x03, 0x00, 0x01, 0x01]);
    let version = input(b"ACR122U207");
    let long = input(&[0x31; 40]);
    let escape = card(CardEvent::Escape);
    let events = [escape.clone(), beep.clone(), version, escape, beep.clone(), long, beep];
    let new = redacted(&events);
    assert_eq!(new[..5], events[..5]);
    assert_eq!(new[5], input(&[0xDD; 40]));
    // Not the reader, but a card that a client has sent the same.
    assert_eq!(new[6], out(&[0xFF, 0x00, 0x40, 0x00, 0x04, 0xDD, 0xDD, 0xDD, 0xDD]));
}
