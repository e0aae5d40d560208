//! ATRs, ATSs, commands and answers: what of them stays.

use proptest::prelude::*;

use super::super::atr;
use super::*;

fn pseudonyms() -> Pseudonyms {
    Pseudonyms::with_key([7; 32])
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&String::from_iter(pair), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn check_command(real: &str, expected: &str) {
    assert_eq!(command(&bytes(real)), bytes(expected), "{real}");
}

#[test]
fn of_a_command_headers_and_lengths_stay() {
    check_command("0084", "0084");
    check_command("00840000", "00840000");
    check_command("0084000008", "0084000008");
    check_command("8050000002 1234", "8050000002 DDDD");
    check_command("8050000002 1234 0F", "8050000002 DDDD 0F");
    check_command("00B00000 000400", "00B00000 000400");
    check_command("80DA0000 000003 010203", "80DA0000 000003 DDDDDD");
    check_command("80DA0000 000003 010203 0100", "80DA0000 000003 DDDDDD 0100");
    check_command("FF82000006 FFFFFFFFFFFF", "FF82000006 DDDDDDDDDDDD");
    check_command("FFCA000000", "FFCA000000");
}

#[test]
fn what_fits_no_case_fits_none_afterwards() {
    check_command("8050000003 1234", "8050000003 DDDD");
    check_command("8050000001 123456", "8050000001 DDDDDD");
    check_command("8050000000 11", "8050000000 11");
    check_command("80DA0000 000003 0102", "80DA0000 000003 DDDD");
    check_command("80DA0000 000000 0102", "80DA0000 000000 DDDD");
}

#[test]
fn select_keeps_identifiers_of_files_and_well_known_names() {
    for stays in [
        "00A40000023F00",
        "00A4020002EF0500",
        "00A4000002DDF1",
        "00A4080004DF01EF05",
        "00A40900083F00DF01DF02EF0600",
        "00A40400",
        "00A404000E 315041592E5359532E4444463031 00",
        "00A404000E 325041592E5359532E4444463031",
        "00A404000F 7378312E73682E C9E7BBE1B1A3D5CF 00",
        "00A4040008 A000000632010105",
        "00A4040008 A000000333010101",
        "00A4040C09 A00000000386980701",
        "00A40400 000008 A000000632010105 0000",
    ] {
        check_command(stays, stays);
    }
}

#[test]
fn what_select_may_say_of_somebody_becomes_filler() {
    for (name, p1) in [
        // The specimen in ASCII, its first 16 characters, and all of it in BCD.
        (b"11010519491231002X".to_vec(), "04"),
        (b"1101051949123100".to_vec(), "04"),
        (bytes("11010519491231002A"), "04"),
        // 诸葛孔明 in GBK, 张三 too, and as if it were a path.
        (bytes("D6EEB8F0BFD7C3F7"), "04"),
        (bytes("D5C5C8FD"), "04"),
        (bytes("D5C5C8FD"), "08"),
        (bytes("D5C5C8FD"), "00"),
        // 张何 in UTF-16.
        (bytes("5F204F55"), "08"),
        // A telephone's number in BCD and in ASCII; in a registered name, too.
        (bytes("1391234567 8F"), "08"),
        (b"13912345678".to_vec(), "04"),
        (bytes("A000000333 1391234567 8F"), "04"),
        (bytes("A000000333 D6EEB8F0"), "04"),
        (bytes("1990030719900307"), "09"),
        // One byte more than a known one, and one less.
        (bytes("A00000063201010500"), "04"),
        (bytes("A0000006320101"), "04"),
        // Not by name.
        (bytes("A000000632010105"), "00"),
        (bytes("3F00EF05"), "02"),
        (bytes("3F00DF01EF05EF06EF07"), "08"),
        (bytes("3F00DF"), "08"),
        (bytes("3F00"), "04"),
        (bytes("3F00"), "07"),
    ] {
        let head = [&bytes("00A4"), &bytes(p1)[..], &[0x00]].concat();
        let count = u8::try_from(name.len()).unwrap();
        for (length, le) in [(&[count][..], &[][..]), (&[0, 0, count], &[0, 0])] {
            let select = |name: &[u8]| [&head[..], length, name, le].concat();
            assert_eq!(command(&select(&name)), select(&vec![0xDD; name.len()]), "{name:02X?}");
        }
    }
    check_command("FFA4000002 3F00", "FFA4000002 DDDD");
}

#[test]
fn an_answer_keeps_its_status_word() {
    for (real, expected) in [
        ("", ""),
        ("90", "DD"),
        ("9000", "9000"),
        ("6A82", "6A82"),
        ("A8742A99CB4F9018 9000", "DDDDDDDDDDDDDDDD 9000"),
        ("1234 611E", "DDDD 611E"),
        // No status word.
        ("A8742A", "DDDDDD"),
    ] {
        assert_eq!(answer(&bytes(real)), bytes(expected), "{real}");
    }
}

/// ISO/IEC 7816-3, 12.2.
fn cut(command: &[u8]) -> Vec<Vec<u8>> {
    let envelope = |piece: &[u8]| {
        [&bytes("00C20000"), &[u8::try_from(piece.len()).unwrap()][..], piece].concat()
    };
    command.chunks(255).map(envelope).collect()
}

#[test]
fn nothing_in_an_envelope_stays_whatever_it_looks_like() {
    // 13912345678 in UTF-16 over and over, which has a long extended length where one might stand.
    let text: Vec<u8> = "13912345678".encode_utf16().flat_map(u16::to_be_bytes).collect();
    assert_eq!(text[4], 0);
    let text: Vec<u8> = text.into_iter().cycle().take(255).collect();
    let inner = [&bytes("80DA0102 00012C"), &text[..248]].concat();
    for inside in [&text[..], &inner, &text[..7], &[1, 2, 3, 4]] {
        let pieces = cut(inside);
        assert_eq!(command(&pieces[0]), [&pieces[0][..5], &vec![0xDD; inside.len()]].concat());
        let with_le = [&pieces[0][..], &[0x10]].concat();
        assert_eq!(command(&with_le), [&command(&pieces[0])[..], &[0x10]].concat());
    }
}

#[test]
fn the_pieces_of_a_replaced_command_pass_for_the_replaced_pieces() {
    for (count, le) in [(300, 0), (300, 2), (255 * 2 - 7, 2), (255 * 2 - 8, 2), (256, 2), (503, 0)]
    {
        let data: Vec<u8> = (0..count).map(|at| u8::try_from(at % 200).unwrap()).collect();
        let length = u16::try_from(count).unwrap().to_be_bytes();
        let long = [&bytes("80DA0102 00"), &length[..], &data, &[9, 8][..le]].concat();
        let taped: Vec<_> = cut(&long).iter().map(|piece| command(piece)).collect();
        let asked = cut(&command(&long)).into_iter();
        let asked: Vec<_> = asked.map(|piece| without_envelopes_data(piece.into())).collect();
        assert_eq!(asked, taped);
    }
    for other in ["80DA0000 02 1234", "FFC20000 02 1234", "00A40000 02 3F00", "00C2", ""] {
        assert_eq!(without_envelopes_data(bytes(other).into()), bytes(other));
    }
}

/// A made-up answer to reset with these interface bytes behind TS and T0, and a right check byte.
fn made(interface: &[u8], historical: &[u8], checked: bool) -> Vec<u8> {
    let [first, rest @ ..] = interface else { unreachable!() };
    let count = u8::try_from(historical.len()).unwrap();
    let mut atr = [&[0x3B, first << 4 | count][..], rest, historical].concat();
    if checked {
        atr.push(atr[1..].iter().fold(0, |sum, byte| sum ^ byte));
    }
    atr
}

#[test]
fn of_an_atr_the_historical_bytes_are_replaced_and_the_check_byte_is_as_right_as_it_was() {
    let sum = |atr: &[u8]| atr[1..].iter().fold(0, |sum, byte| sum ^ byte);
    // T=0 only; T=0 and T=1; contactless.
    for (interface, checked) in [
        (&[0x6, 0x00, 0x00][..], false),
        (&[0x9, 0x95, 0x80, 0x1F, 0xC7], true),
        (&[0x8, 0x80, 0x01], true),
    ] {
        let historical = b"\x86\x38\x11\x01\x05\x19\x49\x12\x31\x00";
        for error in [0, 0x5A] {
            let mut real = made(interface, historical, checked);
            if checked {
                *real.last_mut().unwrap() ^= error;
            }
            let new = atr(&pseudonyms(), &real);
            assert_eq!(new.len(), real.len());
            let start = interface.len() + 1;
            assert_eq!(new[..start], real[..start]);
            assert_eq!(historical_bytes(&real), Some(&historical[..]));
            let replaced = historical_bytes(&new).unwrap();
            assert!(replaced.iter().all(|byte| (0xC1..=0xDF).contains(byte)), "{new:02X?}");
            assert!(!checked || sum(&new) == error, "{new:02X?}");
        }
    }
    // What goes on behind its end, and what is none.
    let long = [made(&[0x0], b"", false), b"11010519491231002X".to_vec()].concat();
    assert!(atr(&pseudonyms(), &long)[2..].iter().all(|byte| (0xC1..=0xDF).contains(byte)));
    assert!(atr(&pseudonyms(), b"ID").iter().all(|byte| (0xC1..=0xDF).contains(byte)));
    assert_eq!(atr(&pseudonyms(), &[]), []);
}

#[test]
fn a_storage_card_stays_and_what_only_begins_like_one_keeps_its_beginning() {
    // MIFARE Classic 1K behind an ACR122U, as the reader's manual prints it.
    let mifare = bytes("3B8F8001804F0CA000000306030001000000006A");
    assert_eq!(atr(&pseudonyms(), &mifare), mifare);
    let strange = made(&[0x8, 0x80, 1], &bytes("804F0CA000000306 01020304050607"), true);
    let new = atr(&pseudonyms(), &strange);
    assert_eq!(new[..12], strange[..12]);
    assert!(new[12..19].iter().all(|byte| (0xC1..=0xDF).contains(byte)));
}

#[test]
fn the_documents_ats_keeps_its_length_and_interface_bytes() {
    let ats = bytes("1078809002209000000000002E20419F");
    let new = card_info(&pseudonyms(), &ats);
    assert_eq!(new[..5], ats[..5]);
    assert!(new[5..].iter().all(|byte| (0xC1..=0xDF).contains(byte)));
    let atr = made(&[0x8, 0x80, 0x01], &ats[5..], true);
    assert_eq!(historical_bytes(&super::atr(&pseudonyms(), &atr)), Some(&new[5..]));
}

/// The historical bytes of an ATR.
fn historical_bytes(atr: &[u8]) -> Option<&[u8]> {
    atr.get(Shape::of(atr)?.historical)
}

fn historical_strategy() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..=15),
        prop::collection::vec(any::<u8>(), 0..=2),
        Just(bytes("804F0CA000000306030001 00000000")),
        prop::collection::vec(any::<u8>(), 0..=7)
            .prop_map(|rest| [&STORAGE_CARD[..], &rest].concat()),
    ]
}

proptest! {
    #[test]
    fn what_is_told_of_a_replaced_card_is_what_was_told_replaced(
        historical in historical_strategy(),
        other in historical_strategy(),
        interface in prop_oneof![Just(vec![0x8u8, 0x80, 0x01]), Just(vec![0x9, 0x11, 0x81, 0x01])],
        format in prop_oneof![any::<u8>(), 0u8..0x80],
        between in prop::collection::vec(any::<u8>(), 0..4),
        kind in 0..6,
    ) {
        let atr = made(&interface, &historical, true);
        let own = [&[format][..], &between, &historical].concat();
        let strange = [&[format][..], &between, &other].concat();
        let with_length =
            |ats: &[u8]| [&[u8::try_from(ats.len() + 1).unwrap()][..], ats].concat();
        let answer = match kind {
            0 => None,
            1 => Some(own),
            2 => Some(with_length(&own)),
            3 => Some(strange),
            4 => Some(with_length(&strange)),
            _ => Some(historical),
        };
        let p = pseudonyms();
        let new_atr = super::atr(&p, &atr);
        let of_atr = atr::historical_of_ats(&atr);
        let new_answer = answer.as_deref().map(|answer| ats(&p, answer, of_atr));
        prop_assert_eq!(new_answer.as_ref().map(Vec::len), answer.as_ref().map(Vec::len));
        let told = atr::card_info(&atr, answer.as_deref());
        let new_told = atr::card_info(&new_atr, new_answer.as_deref());
        prop_assert_eq!(new_told.bytes, card_info(&p, &told.bytes));
        prop_assert_eq!(new_told.origin, told.origin);
    }

    #[test]
    fn any_bytes_keep_their_lengths_and_what_was_replaced_stays_replaced(
        any in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let p = pseudonyms();
        for new in [atr(&p, &any), card_info(&p, &any), ats(&p, &any, None), answer(&any)] {
            prop_assert_eq!(new.len(), any.len());
        }
        let new = command(&any);
        prop_assert_eq!(new.len(), any.len());
        prop_assert_eq!(Case::of(&new), Case::of(&any));
        prop_assert_eq!(command(&new), new);
        prop_assert_eq!(answer(&answer(&any)), answer(&any));
    }
}
