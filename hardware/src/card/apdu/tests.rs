//! Tests: the exchange with a card, whatever it answers.

use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::port::card::{Later, Protocol};

/// A card that says what its script says, and keeps what it was sent.
struct Script<F> {
    protocol: Protocol,
    sent: Vec<Vec<u8>>,
    answer: F,
    takes: Duration,
}

impl<F: FnMut(usize, &[u8]) -> Vec<u8> + Send> Card for Script<F> {
    fn protocol(&self) -> Protocol {
        self.protocol
    }

    fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
        let answer = (self.answer)(self.sent.len(), command);
        self.sent.push(command.to_vec());
        let takes = self.takes;
        Box::pin(async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            Ok(answer)
        })
    }
}

type Outcome = (Result<Vec<u8>, CardFault>, Vec<Vec<u8>>);

fn run(
    protocol: Protocol,
    command: &[u8],
    takes: Duration,
    answer: impl FnMut(usize, &[u8]) -> Vec<u8> + Send,
) -> Outcome {
    let mut card = Script { protocol, sent: Vec::new(), answer, takes };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let ended = runtime.unwrap().block_on(exchange(&mut card, command));
    (ended, card.sent)
}

/// `steps`: what has to be sent, and what the card says to it; in hex.
fn check(protocol: Protocol, command: &str, steps: &[(&str, &str)], result: &str) {
    let answers: Vec<_> = steps.iter().map(|(_, answer)| hex(answer)).collect();
    let (ended, sent) =
        run(protocol, &hex(command), Duration::ZERO, |step, _| answers.get(step).cloned().unwrap());
    let expected: Vec<_> = steps.iter().map(|(command, _)| hex(command)).collect();
    assert_eq!(sent, expected, "{protocol:?} {command}");
    assert_eq!(ended, Ok(hex(result)), "{protocol:?} {command}");
}

fn check_fault(answer: impl FnMut(usize, &[u8]) -> Vec<u8> + Send, kind: FaultKind, detail: &str) {
    let (ended, sent) = run(T1, &hex("00B0000000"), Duration::ZERO, answer);
    let fault = ended.unwrap_err();
    assert_eq!((fault.kind, fault.detail.as_str()), (kind, detail));
    assert!(sent.len() <= MOST_STEPS);
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.chars().filter(|digit| *digit != ' ').collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
        .collect()
}

/// So many bytes of data, in hex.
fn data(length: usize) -> String {
    "AB".repeat(length)
}

use Protocol::{T0, T1};

#[test]
fn each_case_is_known_by_its_lengths() {
    let check = |command: &str, case| assert_eq!(Case::of(&hex(command)), case, "{command}");
    check("00840000", Case::Neither);
    check("0084000008", Case::WantsShort);
    check("0084000000", Case::WantsShort);
    check("00A40000 02 3F00", Case::HasShort);
    check("00A40000 02 3F00 00", Case::BothShort);
    check("00B00000 000100", Case::WantsExtended);
    check("00B00000 000000", Case::WantsExtended);
    check("00D60000 000002 AABB", Case::HasExtended);
    check("00D60000 000002 AABB 0000", Case::BothExtended);
    check(&format!("00D60000 000100 {}", data(256)), Case::HasExtended);
    for none in [
        "",
        "00",
        "0084000002FF",
        "00A400000001",
        "00D60000 000002 AA",
        "00D60000 000002 AABB 00",
        "00D60000 000000 AA",
        "00A40000 02 3F00 00 00",
    ] {
        check(none, Case::Unknown);
    }
}

#[test]
fn on_t1_a_command_goes_out_as_it_stands() {
    for command in [
        "00840000",
        "0084000008",
        "00A40000023F00",
        "00A40000023F0000",
        "00B00000000100",
        "00D60000000002AABB",
        "00D60000000002AABB0000",
        "00",
        "00D60000000002AA",
    ] {
        check(T1, command, &[(command, "9000")], "9000");
    }
    let long = format!("00D60000 000200 {}", data(512));
    check(T1, &long, &[(&long, "9000")], "9000");
}

#[test]
fn on_t0_a_command_is_said_with_one_length() {
    let check = |command: &str, sent: &str| check(T0, command, &[(sent, "9000")], "9000");
    check("00840000", "0084000000");
    check("0084000008", "0084000008");
    check("00A40000023F00", "00A40000023F00");
    check("00A40000023F0000", "00A40000023F00");
    check("00B00000 000010", "00B0000010");
    check("00B00000 000100", "00B0000000");
    check("00B00000 000110", "00B0000000");
    check("00B00000 000000", "00B0000000");
    check("00D60000 000002 AABB", "00D60000 02 AABB");
    check("00D60000 000002 AABB 0000", "00D60000 02 AABB");
    let most = data(255);
    check(&format!("00D60000 0000FF {most}"), &format!("00D60000 FF {most}"));
    check("00D60000 000002 AA", "00D60000 000002 AA");
}

#[test]
fn on_t0_more_data_than_255_bytes_travels_in_envelopes() {
    let long = format!("00D60000000100{}", data(256));
    // 7 + 256 = 263 bytes: 255 and 8.
    let (first, second) = long.split_at(2 * 255);
    let envelopes = [format!("00C20000FF{first}"), format!("00C2000008{second}")];
    check(T0, &long, &[(&envelopes[0], "9000"), (&envelopes[1], "9000")], "9000");
    // The card does not take the first: nothing more is sent.
    check(T0, &long, &[(&envelopes[0], "6D00")], "6D00");
    let wants = format!("{long}0000");
    let last = format!("00C200000A{second}0000");
    let fetch = ("00C0000002", "CDEF9000");
    check(T0, &wants, &[(&envelopes[0], "9000"), (&last, "6102"), fetch], "CDEF9000");
}

#[test]
fn more_data_is_fetched_and_put_together() {
    for protocol in [T0, T1] {
        check(
            protocol,
            "00B0000000",
            &[("00B0000000", "0102 6102"), ("00C0000002", "0304 6100"), ("00C0000000", "05 6281")],
            "0102030405 6281",
        );
        check(
            protocol,
            "00A40000023F00",
            &[("00A40000023F00", "611E"), ("00C000001E", "6F00 9000")],
            "6F00 9000",
        );
    }
}

#[test]
fn get_response_keeps_the_channel_and_drops_secure_messaging() {
    for (class, fetches) in [
        ("00", "00"),
        ("03", "03"),
        ("0C", "00"),
        ("1D", "01"),
        ("40", "40"),
        ("4F", "4F"),
        ("65", "45"),
        ("7A", "4A"),
    ] {
        check(
            T1,
            &format!("{class}B0000000"),
            &[(&format!("{class}B0000000"), "6101"), (&format!("{fetches}C0000001"), "AA9000")],
            "AA9000",
        );
    }
}

#[test]
fn a_proprietary_class_is_kept_until_the_card_does_not_know_it() {
    check(
        T0,
        "8050000002AABB10",
        &[("8050000002AABB", "6102"), ("80C0000002", "01029000")],
        "01029000",
    );
    for unknown in ["6E00", "6D00"] {
        check(
            T0,
            "8050000002AABB10",
            &[
                ("8050000002AABB", "6102"),
                ("80C0000002", unknown),
                ("00C0000002", "0102 6101"),
                ("00C0000001", "03 9000"),
            ],
            "010203 9000",
        );
    }
    // With class 00 it is not said twice.
    check(T0, "00B0000000", &[("00B0000000", "6102"), ("00C0000002", "6D00")], "6D00");
}

#[test]
fn a_wrong_length_is_said_again_with_the_right_one() {
    for (protocol, command, sent, again) in [
        (T1, "00840000", "00840000", "0084000008"),
        (T0, "00840000", "0084000000", "0084000008"),
        (T1, "00B2010400", "00B2010400", "00B2010408"),
        (T0, "00B2010400", "00B2010400", "00B2010408"),
        (T0, "00B20104000000", "00B2010400", "00B2010408"),
        (T1, "00A40000023F00", "00A40000023F00", "00A40000023F0008"),
        (T1, "00A40000023F0000", "00A40000023F0000", "00A40000023F0008"),
        (T1, "00B20104000000", "00B20104000000", "00B20104000008"),
        (T1, "00D60000000002AABB", "00D60000000002AABB", "00D60000000002AABB0008"),
        (T1, "00D60000000002AABB0000", "00D60000000002AABB0000", "00D60000000002AABB0008"),
    ] {
        check(protocol, command, &[(sent, "6C08"), (again, "AA9000")], "AA9000");
    }
    // 00 is 256.
    check(
        T1,
        "00B20104000001",
        &[("00B20104000001", "6C00"), ("00B20104000100", "AA9000")],
        "AA9000",
    );
}

#[test]
fn on_t0_the_right_length_of_a_command_with_data_is_for_get_response() {
    check(
        T0,
        "00A40000023F0000",
        &[("00A40000023F00", "6C08"), ("00C0000008", "AA9000")],
        "AA9000",
    );
    check(
        T0,
        "00A40000023F0000",
        &[("00A40000023F00", "6110"), ("00C0000010", "6C08"), ("00C0000008", "AA9000")],
        "AA9000",
    );
}

#[test]
fn all_other_status_words_are_results() {
    for status in ["6A82", "6283", "63C2", "9F10", "6F00", "6700"] {
        check(
            T0,
            "00B0000002",
            &[("00B0000002", &format!("0102{status}"))],
            &format!("0102{status}"),
        );
    }
    // 6Cxx beside data, and where no length can stand.
    check(T1, "00B0000002", &[("00B0000002", "0102 6C01")], "0102 6C01");
    check(T1, "00B0", &[("00B0", "6C01")], "6C01");
}

#[test]
fn an_answer_of_fewer_than_two_bytes_is_a_fault() {
    check_fault(|_, _| vec![], FaultKind::Other, "the card's answer has 0 bytes");
    check_fault(|_, _| vec![0x90], FaultKind::Other, "the card's answer has 1 bytes");
}

#[test]
fn the_longest_answer_passes_and_a_longer_one_is_a_fault() {
    let longest = |_: usize, _: &[u8]| [vec![0; 65_536], vec![0x90, 0x00]].concat();
    let (ended, _) = run(T1, &hex("00B00000000000"), Duration::ZERO, longest);
    assert_eq!(ended.unwrap().len(), 65_538);
    let longer = |_: usize, _: &[u8]| [vec![0; 65_537], vec![0x90, 0x00]].concat();
    check_fault(longer, FaultKind::Other, "the card's answer has 65539 bytes");
}

#[test]
fn a_chain_may_have_65536_bytes_and_no_more() {
    let whole = |step: usize, _: &[u8]| {
        [vec![7; 256], if step == 255 { vec![0x90, 0x00] } else { vec![0x61, 0x00] }].concat()
    };
    let (ended, _) = run(T1, &hex("00B0000000"), Duration::ZERO, whole);
    assert_eq!(ended.unwrap().len(), 65_538);
    let endless = |_: usize, _: &[u8]| [vec![7; 256], vec![0x61, 0x00]].concat();
    check_fault(endless, FaultKind::Other, "the card's answer has more than 65536 bytes");
}

#[test]
fn a_chain_without_data_or_with_ever_other_lengths_ends() {
    let nothing = |_: usize, _: &[u8]| vec![0x61, 0x00];
    check_fault(nothing, FaultKind::Other, "the card's answer has no end after 1024 commands");
    let other = |step: usize, _: &[u8]| vec![0x6C, u8::try_from(step % 256).unwrap()];
    check_fault(other, FaultKind::Other, "the card asks for another length (6Cxx) each time");
}

#[test]
fn a_chain_that_takes_longer_than_an_exchange_may_is_not_followed() {
    let slow = |_: usize, _: &[u8]| vec![1, 0x61, 0x00];
    let (ended, sent) = run(T1, &hex("00B0000000"), Duration::from_secs(20), slow);
    // Begun at 0 and 20 s; at 40 s it has had its 30.
    assert_eq!(sent.len(), 2);
    assert_eq!(ended.unwrap_err().kind, FaultKind::Silent);
}

#[test]
fn a_fault_of_the_port_is_passed_on() {
    struct Gone;
    impl Card for Gone {
        fn protocol(&self) -> Protocol {
            T0
        }
        fn transmit<'a>(&'a mut self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
            Box::pin(async { Err(CardFault::new(FaultKind::Removed, "gone")) })
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ended = runtime.block_on(exchange(&mut Gone, &[0, 0, 0, 0]));
    assert_eq!(ended, Err(CardFault::new(FaultKind::Removed, "gone")));
}

#[test]
fn a_status_word_is_the_last_two_bytes() {
    assert_eq!(status_word(&[1, 0x6A, 0x82]), Some(0x6A82));
    assert_eq!(status_word(&[0x90]), None);
}

fn any_answer() -> impl Strategy<Value = Vec<u8>> {
    let status = prop_oneof![
        any::<u8>().prop_map(|more| vec![0x61, more]),
        any::<u8>().prop_map(|length| vec![0x6C, length]),
        Just(vec![0x90, 0x00]),
        Just(vec![0x6D, 0x00]),
        prop::collection::vec(any::<u8>(), 0..3),
    ];
    let data = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..300),
        1 => (0_usize..70_000).prop_map(|length| vec![0; length]),
    ];
    (data, status, any::<bool>()).prop_map(
        |(data, status, with)| {
            if with { [data, status].concat() } else { status }
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_a_card_answers_an_exchange_ends(
        command in prop::collection::vec(any::<u8>(), 0..600),
        t0 in any::<bool>(),
        answers in prop::collection::vec(any_answer(), 1..12),
    ) {
        let protocol = if t0 { T0 } else { T1 };
        let (ended, sent) = run(protocol, &command, Duration::ZERO, |step, _| {
            answers[step % answers.len()].clone()
        });
        prop_assert!(sent.len() <= MOST_STEPS);
        match ended {
            Ok(answer) => {
                prop_assert!((2..=MOST_DATA + 2).contains(&answer.len()));
                prop_assert!(answer[answer.len() - 2] != 0x61);
            }
            Err(fault) => prop_assert_eq!(fault.kind, FaultKind::Other),
        }
    }

    #[test]
    fn on_t0_nothing_is_longer_than_a_short_command(
        header in any::<[u8; 4]>(),
        length in 1_usize..2_000,
        wants in any::<bool>(),
    ) {
        let lc = u16::try_from(length).unwrap().to_be_bytes();
        let le: &[u8] = if wants { &[0, 0] } else { &[] };
        let command = [&header[..], &[0], &lc, &vec![9; length], le].concat();
        let (_, sent) = run(T0, &command, Duration::ZERO, |_, _| vec![0x90, 0x00]);
        for piece in &sent {
            prop_assert_eq!(Case::of(piece), Case::HasShort);
        }
        let carried: Vec<u8> = sent.iter().flat_map(|piece| piece[5..].to_vec()).collect();
        let expected = if length > 255 { command } else { vec![9; length] };
        prop_assert_eq!(carried, expected);
    }
}
