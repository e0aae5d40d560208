//! What holds for every card.

use proptest::prelude::*;

use super::*;

/// Every kind, and the odd ones.
fn all() -> Vec<Box<dyn VirtualCard>> {
    let mut cards: Vec<_> = SLUGS.iter().map(|slug| by_slug(slug).expect("a slug")).collect();
    let chip = || SocialSecurityChip::new(&Contents::of(Generation::Second)).expect("it fits");
    cards.push(Box::new(chip().over(Protocol::T0)));
    cards.push(Box::new(chip().by_number_only()));
    cards.push(Box::new(chip().strict()));
    cards
}

#[test]
fn there_is_a_card_for_each_slug_and_for_nothing_else() {
    for slug in SLUGS {
        assert!(by_slug(slug).is_some(), "{slug}");
    }
    for wrong in ["", "ssc-4", "Transport", "psam "] {
        assert!(by_slug(wrong).is_none(), "{wrong}");
    }
}

#[test]
fn cards_can_be_told_apart_by_their_atr() {
    let atrs: Vec<_> = SLUGS.iter().filter_map(|slug| Some(by_slug(slug)?.atr())).collect();
    for (at, atr) in atrs.iter().enumerate() {
        assert!(atr.len() <= 33);
        assert!(!atrs[..at].contains(atr));
    }
}

#[test]
fn each_card_gives_other_challenges_each_time_and_the_same_from_the_start() {
    for (mut card, mut other) in all().into_iter().zip(all()) {
        let challenge = b"\x00\x84\x00\x00\x08";
        let first = card.answer(challenge);
        assert_eq!((first.len(), &first[8..]), (10, &[0x90, 0x00][..]));
        card.power(true);
        let second = card.answer(challenge);
        assert_ne!(first, second);
        assert_eq!((other.answer(challenge), other.answer(challenge)), (first, second));
    }
}

/// Bytes that look like a command more often than chance has it.
fn any_command() -> impl Strategy<Value = Vec<u8>> {
    let class = prop_oneof![Just(0x00), Just(0x80), Just(0x84), Just(0xFF), any::<u8>()];
    const KNOWN: [u8; 9] = [0xA4, 0xB0, 0xB2, 0x84, 0xC0, 0xCA, 0x1A, 0xFA, 0xD4];
    let instruction = prop_oneof![prop::sample::select(&KNOWN[..]), any::<u8>()];
    let p1 = prop_oneof![0..12u8, 0x80..0xA0u8, any::<u8>()];
    let body = prop_oneof![
        Just(vec![]),
        Just(vec![0x02, 0xDD, 0xF1]),
        Just(vec![0x08, 0xA0, 0x00, 0x00, 0x06, 0x32, 0x01, 0x01, 0x05, 0x00]),
        prop::collection::vec(any::<u8>(), 0..40),
        prop::collection::vec(any::<u8>(), 250..700),
    ];
    let made = (class, instruction, p1, any::<u8>(), body)
        .prop_map(|(class, ins, p1, p2, body)| [&[class, ins, p1, p2][..], &body].concat());
    prop_oneof![9 => made, 1 => prop::collection::vec(any::<u8>(), 0..6)]
}

proptest! {
    #[test]
    fn any_bytes_are_answered_with_a_status_word_at_least(
        commands in prop::collection::vec(any_command(), 1..12),
    ) {
        for mut card in all() {
            for command in &commands {
                let answer = card.answer(command);
                let status = answer.last_chunk::<2>();
                // ISO/IEC 7816-4, 5.1.3: 61xx to 6Fxx, and 9000.
                prop_assert!(
                    status.is_some_and(|[first, _]| (0x61..=0x6F).contains(first) || *first == 0x90)
                );
            }
        }
    }
}
