//! Tests: answers to reset and to select, taken apart.

use proptest::prelude::*;

use super::*;

/// The ATS of the protocol's example: TL 16, T0, TA, TB, TC, eleven historical bytes.
const ATS: &[u8] = &[
    0x10, 0x78, 0x80, 0x90, 0x02, 0x20, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x2E, 0x20, 0x41, 0x9F,
];

/// A contactless reader's ATR with these historical bytes.
fn contactless(historical: &[u8]) -> Vec<u8> {
    let mut atr = vec![0x3B, 0x80 | u8::try_from(historical.len()).unwrap(), 0x80, 0x01];
    atr.extend(historical);
    atr.push(atr[1..].iter().fold(0, |sum, byte| sum ^ byte));
    atr
}

fn check_info(atr: &[u8], answer: Option<&[u8]>, bytes: &[u8], origin: Origin) {
    let info = card_info(atr, answer);
    assert_eq!((info.bytes.as_slice(), info.origin), (bytes, origin));
}

#[test]
fn an_atr_is_taken_apart() {
    // T0 = 7 of TA, TB, TC and 5 historical bytes; no TD: T=0 and no check byte.
    let atr = [0x3B, 0x75, 0x94, 0x00, 0x00, 1, 2, 3, 4, 5];
    let parsed = Atr::parse(&atr).unwrap();
    assert_eq!(parsed.convention, Convention::Direct);
    let expected = Interface { ta: Some(0x94), tb: Some(0), tc: Some(0), td: None };
    assert_eq!(parsed.interface, [expected]);
    assert_eq!(parsed.historical, [1, 2, 3, 4, 5]);
    assert_eq!(parsed.check, Check::NotDue);
    assert_eq!(parsed.protocols(), [0]);
}

#[test]
fn protocols_are_offered_in_order_and_t15_is_none() {
    // TD1 = 80: T=0; TD2 = 91: T=1 with TA3; TD3 = 1F: T=15 with TA4.
    let mut atr = vec![0x3F, 0x80, 0x80, 0x91, 0xFE, 0x1F, 0xC3];
    atr.push(atr[1..].iter().fold(0, |sum, byte| sum ^ byte));
    let parsed = Atr::parse(&atr).unwrap();
    assert_eq!(parsed.convention, Convention::Inverse);
    assert_eq!(parsed.protocols(), [0, 1]);
    assert_eq!(parsed.interface.len(), 4);
    assert_eq!(parsed.interface[3].ta, Some(0xC3));
    assert_eq!(parsed.check, Check::Right);
}

#[test]
fn a_check_byte_is_right_wrong_or_missing() {
    let atr = contactless(&[1, 2, 3]);
    assert_eq!(Atr::parse(&atr).unwrap().check, Check::Right);
    let (last, but_last) = atr.split_last().unwrap();
    assert_eq!(Atr::parse(but_last).unwrap().check, Check::Missing);
    let wrong = [but_last, &[last ^ 1]].concat();
    assert_eq!(Atr::parse(&wrong).unwrap().check, Check::Wrong);
}

#[test]
fn what_is_no_atr_is_refused() {
    let check = |bytes: &[u8], why| assert_eq!(Atr::parse(bytes), Err(why), "{bytes:02X?}");
    check(&[], NoAtr::Short);
    check(&[0x3B], NoAtr::Short);
    check(&[0x3B, 0x02, 1], NoAtr::Short);
    check(&[0x3B, 0x10], NoAtr::Short);
    check(&[0x00, 0x00], NoAtr::Start);
    check(&[0x3B, 0x00, 1], NoAtr::Long);
    check(&[0x3B; 34], NoAtr::Long);
}

#[test]
fn the_contactless_form_is_known_by_its_first_four_bytes() {
    assert!(Atr::parse(&contactless(&[0x20, 0x90])).unwrap().is_contactless());
    assert!(Atr::parse(&[0x3B, 0x80, 0x80, 0x01, 0x01]).unwrap().is_contactless());
    // TA1 is there: a contact card.
    assert!(!Atr::parse(&[0x3B, 0x90, 0x11, 0x80, 0x01, 0x00]).unwrap().is_contactless());
    assert!(!Atr::parse(&[0x3B, 0x02, 1, 2]).unwrap().is_contactless());
}

#[test]
fn an_answer_with_its_own_length_is_the_ats() {
    check_info(&contactless(&ATS[5..]), Some(ATS), ATS, Origin::Ats);
    // Whatever the ATR says.
    check_info(&contactless(&[1, 2]), Some(ATS), ATS, Origin::Ats);
}

#[test]
fn an_ats_without_its_length_gets_it() {
    check_info(&contactless(&ATS[5..]), Some(&ATS[1..]), ATS, Origin::Ats);
    // No historical bytes.
    check_info(
        &contactless(&[]),
        Some(&[0x70, 0x80, 0x90, 0x02]),
        &[5, 0x70, 0x80, 0x90, 2],
        Origin::Ats,
    );
}

#[test]
fn what_a_reader_answers_counts_whatever_form_the_atr_has() {
    check_info(&[0x3B, 0x02, 1, 2], Some(ATS), ATS, Origin::Ats);
    let storage = contactless(&[0x80, 0x4F, 0x0C, 0xA0, 0, 0, 3, 6, 3, 0, 1, 0, 0, 0, 0]);
    check_info(&storage, Some(&[0x50, 0x41]), &[3, 0x50, 0x41], Origin::Ats);
}

#[test]
fn without_an_ats_one_is_rebuilt_from_the_historical_bytes() {
    let historical = &ATS[5..];
    let rebuilt = [&[13, 0x02], historical].concat();
    let atr = contactless(historical);
    check_info(&atr, None, &rebuilt, Origin::Rebuilt);
    check_info(&atr, Some(historical), &rebuilt, Origin::Rebuilt);
    check_info(&atr, Some(&[]), &rebuilt, Origin::Rebuilt);
    check_info(&atr, Some(&[0x55; 254]), &rebuilt, Origin::Rebuilt);
    check_info(&contactless(&[]), None, &[2, 2], Origin::Rebuilt);
}

#[test]
fn historical_bytes_that_begin_with_their_number_are_no_ats() {
    check_info(&contactless(&[3, 7, 7]), Some(&[3, 7, 7]), &[5, 2, 3, 7, 7], Origin::Rebuilt);
}

#[test]
fn a_card_without_ats_is_told_by_its_atr() {
    let contact = [0x3B, 0x02, 1, 2];
    check_info(&contact, None, &contact, Origin::Atr);
    check_info(&contact, Some(&[]), &contact, Origin::Atr);
    // MIFARE Classic 1K, as PC/SC part 3 has it.
    let storage = contactless(&[0x80, 0x4F, 0x0C, 0xA0, 0, 0, 3, 6, 3, 0, 1, 0, 0, 0, 0]);
    check_info(&storage, None, &storage, Origin::Atr);
    check_info(&[], None, &[], Origin::Atr);
}

#[test]
fn nothing_of_a_card_is_printed() {
    let atr = contactless(&[0xAB, 0xCD]);
    let printed = format!("{:?} {:?}", Atr::parse(&atr).unwrap(), card_info(&atr, None));
    assert!(!printed.contains("171") && !printed.to_lowercase().contains("ab, cd"), "{printed}");
}

proptest! {
    #[test]
    fn any_bytes_are_parsed_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(atr) = Atr::parse(&bytes) {
            prop_assert!(!atr.protocols().is_empty());
            prop_assert!(atr.historical.len() <= 15);
        }
    }

    #[test]
    fn whatever_a_reader_answers_the_info_is_whole(
        atr in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..40),
            prop::collection::vec(any::<u8>(), 0..16).prop_map(|bytes| contactless(&bytes)),
        ],
        answer in prop::option::of(prop::collection::vec(any::<u8>(), 0..300)),
    ) {
        let info = card_info(&atr, answer.as_deref());
        match info.origin {
            Origin::Atr => prop_assert_eq!(info.bytes, atr),
            Origin::Ats | Origin::Rebuilt => {
                prop_assert_eq!(usize::from(info.bytes[0]), info.bytes.len());
            }
        }
    }
}
