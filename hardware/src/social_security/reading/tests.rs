//! The conversation against chips that understand more or less of it.

use futures_util::FutureExt;
use proptest::prelude::*;

use super::super::records::tag;
use super::super::testing::{Addressing, Chip, SPECIMEN, record};
use super::super::{SocialSecurityCard, fields};
use super::*;
use crate::port::card::{Later, Protocol};

/// Reads a chip and tells what went over to it.
fn converse(chip: Chip) -> (Result<Records, ReadError>, Vec<Vec<u8>>) {
    struct Heard {
        chip: Chip,
        commands: Vec<Vec<u8>>,
    }
    impl Card for Heard {
        fn protocol(&self) -> Protocol {
            self.chip.protocol
        }
        fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
            self.commands.push(command.to_vec());
            self.chip.transmit(command)
        }
    }
    let mut heard = Heard { chip, commands: Vec::new() };
    let result = read(&mut heard).now_or_never().expect("a chip answers at once");
    (result, heard.commands)
}

fn card_on(chip: Chip) -> SocialSecurityCard {
    match converse(chip).0 {
        Ok(records) => fields::card(&records),
        Err(error) => panic!("not read: {error}"),
    }
}

fn refusal(chip: Chip) -> String {
    match converse(chip).0 {
        Ok(_) => panic!("it was read"),
        Err(error) => error.to_string(),
    }
}

/// What [`Chip::of`] has on it.
fn expected(version: &str) -> SocialSecurityCard {
    SocialSecurityCard {
        card_number: "A1234567".to_owned(),
        name: "张三".to_owned(),
        sex: "女".to_owned(),
        id_number: SPECIMEN.to_owned(),
        birth_date: "19491231".to_owned(),
        issue_date: "20190301".to_owned(),
        expire_date: "20290301".to_owned(),
        nation: "满".to_owned(),
        city_code: "990100".to_owned(),
        address: String::new(),
        full_version: version.to_owned(),
    }
}

const VERSIONS: [&str; 4] = ["1.00", "2.00", "2.01", "3.00"];

/// A card without what needs a key on generation 3.
fn open_fields(version: &str) -> SocialSecurityCard {
    SocialSecurityCard {
        city_code: "990100".to_owned(),
        issue_date: "20190301".to_owned(),
        expire_date: "20290301".to_owned(),
        full_version: version.to_owned(),
        ..SocialSecurityCard::default()
    }
}

/// A card that answers so to everything that needs a key.
fn guarded(version: &str, answer: &[u8]) -> Chip {
    [0x07, 0x08, 0x09, 0x4E, 0x0A, 0x0B, 0x0C, 0x0D]
        .into_iter()
        .fold(Chip::of(version), |chip, tag| chip.answering(tag, answer))
}

#[test]
fn a_card_of_every_generation_is_read_whole_over_both_protocols() {
    for version in VERSIONS {
        for protocol in [Protocol::T0, Protocol::T1] {
            let chip = Chip { protocol, ..Chip::of(version) };
            assert!(card_on(chip) == expected(version), "{version} {protocol:?}");
        }
    }
}

#[test]
fn the_commands_are_those_of_the_standard() {
    let (_, commands) = converse(Chip::of("2.00"));
    let told: Vec<String> = commands
        .iter()
        .map(|command| command.iter().map(|byte| format!("{byte:02X}")).collect())
        .collect();
    assert_eq!(
        told,
        [
            "00A404000F7378312E73682EC9E7BBE1B1A3D5CF",
            "00B2012812",
            "00B2032806",
            "00B2052806",
            "00B2062806",
            "00B207280B",
            "00B2083014",
            "00B2093020",
            "00B24E3016",
            "00B20A3003",
            "00B20B3003",
            "00B20D3006",
        ]
    );
}

#[test]
fn an_application_without_its_name_is_selected_by_its_file_id_from_the_master_file() {
    let chip = Chip { found_by_name: false, ..Chip::of("1.00") };
    assert!(card_on(chip.clone()) == expected("1.00"));
    let (_, commands) = converse(chip);
    assert_eq!(commands[1], [0x00, 0xA4, 0x00, 0x00, 0x02, 0x3F, 0x00]);
    assert_eq!(commands[2], [0x00, 0xA4, 0x00, 0x00, 0x02, 0xDD, 0xF1]);
}

#[test]
fn a_card_without_the_application_is_none_and_is_not_read() {
    let chip = Chip { found_by_name: false, found_by_id: false, ..Chip::of("1.00") };
    assert_eq!(refusal(chip.clone()), "not a social-security card: SELECT answered 6A82");
    assert!(converse(chip).1.iter().all(|command| command[1] == 0xA4));
}

#[test]
fn what_a_card_does_not_understand_is_asked_in_another_way() {
    for refusal in
        [[0x6A, 0x81], [0x6A, 0x86], [0x6A, 0x82], [0x6A, 0x83], [0x6D, 0x00], [0x6E, 0x00]]
    {
        for version in VERSIONS {
            for protocol in [Protocol::T0, Protocol::T1] {
                for (addressing, short_ids) in [
                    (Addressing::Tags, false),
                    (Addressing::Numbers, true),
                    (Addressing::Numbers, false),
                ] {
                    let chip = Chip {
                        protocol,
                        refusal,
                        short_ids,
                        addressing: vec![addressing],
                        ..Chip::of(version)
                    };
                    let same = card_on(chip) == expected(version);
                    assert!(same, "{refusal:02X?} {version} {protocol:?} {short_ids}");
                }
            }
        }
    }
}

#[test]
fn the_way_that_works_is_kept_for_the_rest_of_the_card() {
    let chip = Chip { addressing: vec![Addressing::Numbers], ..Chip::of("2.00") };
    let (_, commands) = converse(chip);
    let in_ef06 = commands.iter().position(|command| command[3] == 0x34).expect("EF06 is read");
    // By number with the short file id: until the eighth, which is not there.
    assert_eq!(commands[in_ef06 - 1][2..], [8, 0x2C, 0x00]);
    let numbers: Vec<u8> = commands[in_ef06..].iter().map(|command| command[2]).collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_card_that_takes_tags_for_numbers_is_found_out_in_the_second_file() {
    // In EF05 each tag is its record's number too; in EF06 it is another's, if there are so many.
    struct Taking(Chip);
    impl Card for Taking {
        fn protocol(&self) -> Protocol {
            Protocol::T1
        }
        fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
            let mut command = command.to_vec();
            if let [0x00, 0xB2, _, p2, _] = command.as_mut_slice() {
                *p2 |= 4;
            }
            let answer = self.0.answer(&command);
            Box::pin(async move { Ok(answer) })
        }
    }
    let mut chip = Chip::of("2.00");
    chip.ef06.extend((0x60..0x68).map(|tag| record(tag, b"1")));
    let records = read(&mut Taking(chip)).now_or_never().expect("answers at once");
    let Ok(records) = records else { panic!("it can be read") };
    assert!(fields::card(&records) == expected("2.00"));
}

#[test]
fn a_file_is_selected_in_the_general_form_where_the_exact_one_is_refused() {
    let chip = Chip { short_ids: false, selects_with: 0x00, ..Chip::of("2.00") };
    assert!(card_on(chip) == expected("2.00"));
}

#[test]
fn records_are_known_by_their_tags_whatever_their_order() {
    let mut chip = Chip { addressing: vec![Addressing::Numbers], ..Chip::of("2.00") };
    chip.ef05.reverse();
    chip.ef06.reverse();
    assert!(card_on(chip) == expected("2.00"));
}

#[test]
fn what_needs_a_key_stays_empty_in_every_way_of_asking() {
    for answer in [&[0x69, 0x82][..], &[0x69, 0x85], &[0x90, 0x00]] {
        for addressing in [Addressing::Tags, Addressing::Numbers] {
            for short_ids in [true, false] {
                let chip =
                    Chip { addressing: vec![addressing], short_ids, ..guarded("3.00", answer) };
                let Ok(records) = converse(chip).0 else { panic!("the open fields can be read") };
                assert!(fields::card(&records) == open_fields("3.00"), "{answer:02X?}");
                assert!(records.lack_a_key(), "{answer:02X?}");
            }
        }
    }
}

#[test]
fn one_record_behind_a_key_costs_that_record_on_any_generation() {
    let chip = Chip::of("2.00").answering(tag::NAME, &[0x69, 0x82]);
    let Ok(records) = converse(chip).0 else { panic!("the rest can be read") };
    let nameless = SocialSecurityCard { name: String::new(), ..expected("2.00") };
    assert!(fields::card(&records) == nameless);
    assert!(records.lack_a_key());
}

#[test]
fn a_missing_record_is_empty_and_asks_for_no_key() {
    let chip = Chip::of("2.00").without(tag::CARD_NUMBER).without(tag::NAME_EXTENSION);
    let Ok(records) = converse(chip).0 else { panic!("the rest can be read") };
    let numberless = SocialSecurityCard { card_number: String::new(), ..expected("2.00") };
    assert!(fields::card(&records) == numberless);
    assert!(!records.lack_a_key());
}

#[test]
fn a_damaged_record_counts_as_not_read_and_the_others_are() {
    let damaged: [&[u8]; 5] = [
        // Longer than what came; without a value; cut off; nothing.
        &[0x07, 20, b'A', b'1'],
        &[0x07, 0],
        &[0x07, 9],
        &[0x07],
        &[],
    ];
    for record in damaged {
        let answer = [record, &[0x90, 0x00]].concat();
        let chip = Chip::of("2.00").answering(tag::CARD_NUMBER, &answer);
        let without = SocialSecurityCard { card_number: String::new(), ..expected("2.00") };
        assert!(card_on(chip) == without, "{record:02X?}");
    }
}

#[test]
fn what_a_card_fills_a_record_up_with_is_none_of_it() {
    let answer = [&record(tag::CARD_NUMBER, b"A1")[..], &[0, 0, 0x90, 0x00]].concat();
    let chip = Chip::of("2.00").answering(tag::CARD_NUMBER, &answer);
    let short = SocialSecurityCard { card_number: "A1".to_owned(), ..expected("2.00") };
    assert!(card_on(chip) == short);
}

#[test]
fn an_answer_that_is_none_costs_that_record_only() {
    for answer in [&[][..], &[0x90]] {
        let chip = Chip { addressing: vec![Addressing::Tags], ..Chip::of("2.00") };
        let chip = chip.answering(tag::NATION, answer);
        let without = SocialSecurityCard { nation: String::new(), ..expected("2.00") };
        assert!(card_on(chip) == without, "{answer:02X?}");
    }
}

#[test]
fn a_record_that_the_card_fails_to_read_costs_that_record_only() {
    let chip = Chip { addressing: vec![Addressing::Tags], ..Chip::of("2.00") };
    let chip = chip.answering(tag::NAME, &[0x6F, 0x00]);
    let nameless = SocialSecurityCard { name: String::new(), ..expected("2.00") };
    assert!(card_on(chip) == nameless);
}

#[test]
fn a_warning_with_a_record_is_a_record() {
    let answer = [&record(tag::VERSION, b"2.0")[..], &[0x62, 0x82]].concat();
    let chip = Chip::of("2.00").answering(tag::VERSION, &answer);
    assert!(card_on(chip) == expected("2.0"));
}

#[test]
fn a_record_may_be_shorter_than_the_standard_has_it() {
    for protocol in [Protocol::T0, Protocol::T1] {
        let chip = Chip { protocol, ..Chip::of("2.00") };
        let chip = chip.put(tag::NAME, &record(tag::NAME, &[0xD5, 0xC5]));
        let short = SocialSecurityCard { name: "张".to_owned(), ..expected("2.00") };
        assert!(card_on(chip) == short, "{protocol:?}");
    }
}

#[test]
fn a_card_that_wants_another_length_is_asked_for_the_whole_record() {
    struct Exact(Chip);
    impl Card for Exact {
        fn protocol(&self) -> Protocol {
            Protocol::T1
        }
        fn transmit<'a>(&'a mut self, command: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
            let wrong = matches!(command, [0x00, 0xB2, .., le] if *le != 0);
            let answer = if wrong { vec![0x67, 0x00] } else { self.0.answer(command) };
            Box::pin(async move { Ok(answer) })
        }
    }
    let chip = Chip { addressing: vec![Addressing::Tags], ..Chip::of("2.00") };
    let records = read(&mut Exact(chip)).now_or_never().expect("answers at once");
    let Ok(records) = records else { panic!("it can be read") };
    assert!(fields::card(&records) == expected("2.00"));
}

#[test]
fn a_card_that_shows_none_of_its_records_says_so() {
    let every_tag = (0x01..=0x0D).chain([0x4E]);
    let closed = every_tag.fold(Chip::of("3.00"), |chip, tag| chip.answering(tag, &[0x69, 0x82]));
    assert!(refusal(closed).ends_with("READ RECORD answered 6982"));
    let empty = Chip { ef05: Vec::new(), ef06: Vec::new(), ..Chip::of("2.00") };
    assert!(refusal(empty).ends_with("READ RECORD answered 6A83"));
}

#[test]
fn an_answer_without_a_status_word_is_no_card_and_no_fault_of_the_reader() {
    struct Nothing(Vec<u8>);
    impl Card for Nothing {
        fn protocol(&self) -> Protocol {
            Protocol::T1
        }
        fn transmit<'a>(&'a mut self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
            let answer = self.0.clone();
            Box::pin(async move { Ok(answer) })
        }
    }
    for answer in [vec![], vec![0x90]] {
        let result = read(&mut Nothing(answer)).now_or_never().expect("answers at once");
        assert!(matches!(result, Err(ReadError::NotOne(_) | ReadError::BrokenOff(_))));
    }
}

proptest! {
    #[test]
    fn any_answers_end_in_a_card_or_a_refusal(
        answers in proptest::collection::vec(
            prop_oneof![
                proptest::collection::vec(any::<u8>(), 0..40),
                proptest::collection::vec(any::<u8>(), 0..40)
                    .prop_map(|data| [data, vec![0x90, 0x00]].concat()),
                (0u8..0x50, proptest::collection::vec(any::<u8>(), 0..40))
                    .prop_map(|(tag, value)| [record(tag, &value), vec![0x90, 0x00]].concat()),
            ],
            1..40,
        ),
    ) {
        struct Any {
            answers: std::iter::Cycle<std::vec::IntoIter<Vec<u8>>>,
        }
        impl Card for Any {
            fn protocol(&self) -> Protocol {
                Protocol::T0
            }
            fn transmit<'a>(&'a mut self, _: &'a [u8]) -> Later<'a, Result<Vec<u8>, CardFault>> {
                let answer = self.answers.next().unwrap_or_default();
                Box::pin(async move { Ok(answer) })
            }
        }
        let mut card = Any { answers: answers.into_iter().cycle() };
        let result = read(&mut card).now_or_never().expect("answers at once");
        if let Ok(records) = result {
            fields::card(&records);
            prop_assert!(!records.is_empty());
        }
    }
}
