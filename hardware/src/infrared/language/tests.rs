//! The languages, by examples out of the modules' documents, and against any garbage.

use proptest::prelude::*;

use super::*;
use crate::port::input::EV_ABS;

/// Moving, 80 cm away.
const LD2410_MOVING: &str = "F4F3F2F1 0D00 02AA 01 5000 3C 0000 00 5000 5500 F8F7F6F5";
/// Still, 214 cm away, in engineering mode with nine gates, light and OUT pin.
const LD2410_STILL: &str = "F4F3F2F1 2300 01AA 02 0000 00 D600 45 D600 08 08 \
     3C22050303040306 05 0000391013130604 03 000155 00 F8F7F6F5";
const LD2410_NOBODY: &str = "F4F3F2F1 0D00 02AA 00 5000 00 0000 00 5000 5500 F8F7F6F5";
/// 300 cm, strength 1000.
const TFMINI: &str = "5959 2C01 E803 400A 14";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn tfmini(cm: u16, strength: u16) -> Vec<u8> {
    let mut frame = vec![0x59, 0x59];
    frame.extend(cm.to_le_bytes());
    frame.extend(strength.to_le_bytes());
    frame.extend([0x40, 0x0A]);
    frame.push(frame.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    frame
}

/// Everything that is found, the line being cut into pieces of this size.
fn found(language: Language, line: &[u8], size: usize) -> Vec<Found> {
    let mut framer = Framer::new(language);
    let mut all = Vec::new();
    for piece in line.chunks(size) {
        framer.push(piece);
        all.extend(std::iter::from_fn(|| framer.next_found()));
    }
    all
}

fn said(language: Language, line: &[u8], size: usize) -> Vec<Said> {
    let found = found(language, line, size).into_iter();
    let said = found.filter_map(|found| match found {
        Found::Said(said) => Some(said),
        Found::Garbage => None,
    });
    said.collect()
}

#[track_caller]
fn check(language: Language, line: &[u8], expected: &[Said]) {
    for size in 1..=line.len() {
        assert_eq!(said(language, line, size), expected, "in pieces of {size}");
    }
}

#[test]
fn an_ld2410_tells_who_is_there_and_how_far_away() {
    for (frame, expected) in [
        (LD2410_MOVING, Said::Target(Some(80))),
        (LD2410_STILL, Said::Target(Some(214))),
        (LD2410_NOBODY, Said::Somebody(false)),
    ] {
        let frame = bytes(frame);
        assert_eq!(Language::Ld2410.step(&frame, false), Step::Said(frame.len(), expected));
    }
}

#[test]
fn of_an_ld2410_that_sees_both_the_nearer_counts() {
    let both = bytes("F4F3F2F1 0D00 02AA 03 7800 3C 5A00 20 5000 5500 F8F7F6F5");
    check(Language::Ld2410, &both, &[Said::Target(Some(90))]);
}

#[test]
fn an_ld2410_that_measures_its_own_noise_says_nothing_of_people() {
    let noise = bytes("F4F3F2F1 0D00 02AA 04 5000 3C 0000 00 5000 5500 F8F7F6F5");
    check(Language::Ld2410, &noise, &[Said::Nothing]);
}

#[test]
fn damaged_frames_of_an_ld2410_are_passed_over_and_the_next_one_is_read() {
    for damaged in [
        // Torn off, a length that cannot be, a wrong kind, wrong ends.
        "F4F3F2F1 0D00 02AA 01 50",
        "F4F3F2F1 FFFF 02AA",
        "F4F3F2F1 0D00 03AA 01 5000 3C 0000 00 5000 5500 F8F7F6F5",
        "F4F3F2F1 0D00 02AA 01 5000 3C 0000 00 5000 5501 F8F7F6F5",
        "F4F3F2F1 0D00 02AA 01 5000 3C 0000 00 5000 5500 F8F7F6F4",
        // The answer to a command.
        "FDFCFBFA 0400 FE01 0000 04030201",
        "F4F3F4F3F2",
    ] {
        let line = [bytes(damaged), bytes(LD2410_MOVING)].concat();
        // A frame that is torn off takes some of the next one, which resynchronises.
        let line = [line, bytes(LD2410_MOVING)].concat();
        for size in 1..=line.len() {
            let said = said(Language::Ld2410, &line, size);
            assert_eq!(said, [Said::Target(Some(80)); 2], "{damaged}");
        }
    }
}

#[test]
fn a_tfmini_tells_a_distance() {
    check(Language::Tfmini, &bytes(TFMINI), &[Said::Value(300)]);
    assert_eq!(bytes(TFMINI), tfmini(300, 1000));
}

#[test]
fn a_tfmini_without_an_echo_sees_nobody_and_a_dazzled_one_nothing() {
    for (cm, strength, expected) in [
        (300, 99, Said::Somebody(false)),
        (300, 100, Said::Value(300)),
        (0, 1000, Said::Somebody(false)),
        (0xFFFF, 50, Said::Somebody(false)),
        (300, 0xFFFF, Said::Nothing),
        (0xFFFE, 1000, Said::Nothing),
        (0xFFFC, 1000, Said::Nothing),
    ] {
        check(Language::Tfmini, &tfmini(cm, strength), &[expected]);
    }
}

#[test]
fn a_tfmini_whose_sum_is_wrong_or_that_is_torn_is_passed_over() {
    let mut wrong = bytes(TFMINI);
    wrong[2] ^= 1;
    for damaged in [wrong, bytes("59 59 59"), bytes("59 59 2C 01"), bytes("FF 59 00")] {
        let line = [damaged, tfmini(50, 1000), tfmini(51, 1000)].concat();
        check(Language::Tfmini, &line, &[Said::Value(50), Said::Value(51)]);
    }
}

#[test]
fn words_stand_on_lines_of_their_own_in_any_case() {
    let line = b"1\r\n0\nON\r\noff\0 On \r\rRange 0\r\nRange 1\r\nONE\n10\nOFF\n";
    let [somebody, nobody] = [true, false].map(Said::Somebody);
    let expected = [somebody, nobody, somebody, nobody, somebody, nobody];
    for size in 1..=line.len() {
        let mut said = said(Language::Words, line, size);
        said.retain(|said| *said != Said::Nothing);
        assert_eq!(said, expected, "in pieces of {size}");
    }
}

#[test]
fn the_end_of_a_line_that_is_too_long_is_no_word() {
    let line = [&[b'a'; 70][..], b"1\n0\n"].concat();
    for size in [1, 7, 64, 65, 66, 70, 74] {
        assert_eq!(said(Language::Words, &line, size), [Said::Somebody(false)], "{size}");
    }
}

#[test]
fn values_are_whole_numbers_behind_the_sensors_own_limit() {
    let expected = [Said::NearLevel(40), Said::Value(12), Said::Value(-3), Said::Value(i64::MAX)];
    let line = b"nearlevel 40\n12\n-3\nx\n0.5\n9223372036854775807\n9223372036854775808\n";
    check(Language::Values, line, &expected);
}

#[test]
fn levels_are_bytes() {
    check(Language::Levels, b"0x11", &[false, true, true].map(Said::Somebody));
}

fn records(events: &[(u16, u16, i32)]) -> Vec<u8> {
    let record = |(kind, code, value): &(u16, u16, i32)| {
        InputEvent { kind: *kind, code: *code, value: *value }.record()
    };
    events.iter().flat_map(record).collect()
}

#[test]
fn a_switch_is_its_own_records_only() {
    let language = Language::Switch(SwitchCode::Switch(SW_FRONT_PROXIMITY));
    let line = records(&[
        (EV_SW, SW_FRONT_PROXIMITY, 1),
        (EV_SW, 0, 0),
        (EV_KEY, SW_FRONT_PROXIMITY, 0),
        (EV_ABS, SW_FRONT_PROXIMITY, 0),
        (EV_SYN, SYN_DROPPED, 0),
        (EV_SW, SW_FRONT_PROXIMITY, 0),
        (EV_SYN, 0, 0),
    ]);
    let somebody = Said::Somebody;
    check(language, &line, &[somebody(true), Said::Nothing, somebody(false), Said::Nothing]);
}

#[test]
fn somebody_is_there_while_the_key_is_pressed_and_not_after_its_release_may_be_lost() {
    let language = Language::Switch(SwitchCode::Key(143));
    let line = records(&[
        (EV_KEY, 143, 1),
        (EV_KEY, 30, 0),
        (EV_KEY, 143, 2),
        (EV_KEY, 143, 0),
        (EV_KEY, 143, 1),
        (EV_SYN, SYN_DROPPED, 0),
    ]);
    check(language, &line, &[true, true, false, true, false].map(Said::Somebody));
}

#[test]
fn switches_and_keys_have_the_names_of_the_kernels_header() {
    for (name, code) in [
        ("SW_FRONT_PROXIMITY", Ok(SwitchCode::Switch(11))),
        ("SW_LID", Ok(SwitchCode::Switch(0))),
        ("KEY_WAKEUP", Ok(SwitchCode::Key(143))),
        ("BTN_TOUCH", Ok(SwitchCode::Key(0x14a))),
        ("SW_NOTHING", Err(NoSwitch)),
        ("", Err(NoSwitch)),
    ] {
        assert_eq!(name.parse(), code, "{name}");
    }
}

fn any_language() -> impl Strategy<Value = Language> {
    prop::sample::select(vec![
        Language::Levels,
        Language::Switch(SwitchCode::Switch(SW_FRONT_PROXIMITY)),
        Language::Switch(SwitchCode::Key(143)),
        Language::Values,
        Language::Ld2410,
        Language::Tfmini,
        Language::Words,
    ])
}

proptest! {
    #[test]
    fn any_bytes_are_read_alike_wherever_they_are_cut_and_none_twice(
        language in any_language(),
        line in prop::collection::vec(any::<u8>(), 0..300),
        size in 1..40_usize,
    ) {
        let mut framer = Framer::new(language);
        let mut all = Vec::new();
        for piece in line.chunks(size) {
            framer.push(piece);
            all.extend(std::iter::from_fn(|| framer.next_found()));
            // A line that is too long, a frame and its head: never more than that waits.
            prop_assert!(framer.buffer.len() <= 80, "{}", framer.buffer.len());
        }
        all.retain(|found| *found != Found::Garbage);
        let mut whole = found(language, &line, line.len().max(1));
        whole.retain(|found| *found != Found::Garbage);
        prop_assert_eq!(all, whole);
    }

    #[test]
    fn frames_between_garbage_are_all_read(
        parts in prop::collection::vec((0..3_usize, prop::collection::vec(any::<u8>(), 0..30)), 1..9),
        size in 1..40_usize,
    ) {
        for (language, frame, head) in [
            (Language::Ld2410, bytes(LD2410_MOVING), 0xF4),
            (Language::Tfmini, bytes(TFMINI), 0x59),
        ] {
            let (mut line, mut frames) = (Vec::new(), 0);
            for (count, garbage) in &parts {
                frames += count;
                line.extend(frame.repeat(*count));
                // What looks like a head may take the first bytes of what follows with it.
                line.extend(garbage.iter().filter(|byte| **byte != head));
            }
            let said = said(language, &line, size);
            prop_assert_eq!(said.len(), frames);
        }
    }

    #[test]
    fn filler_is_garbage_again_of_the_same_length(
        language in any_language(),
        line in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let mut rest = &line[..];
        let (mut filled, mut expected) = (Vec::new(), Vec::new());
        let mut torn = false;
        loop {
            let (length, said) = match language.step(rest, torn) {
                Step::More => break,
                Step::Said(length, said) => (length, Some(said)),
                Step::Garbage(length) => (length, None),
            };
            let front = &rest[..length];
            torn = said.is_none() && !ends_a_line(rest, length);
            filled.extend(if said.is_some() { front.to_vec() } else { language.filler(front) });
            expected.extend(said);
            rest = &rest[length..];
        }
        prop_assert_eq!(filled.len(), line.len() - rest.len());
        let size = filled.len().max(1);
        prop_assert_eq!(said(language, &filled, size), expected);
    }
}
