//! What the encodings of the standard say, field by field.

use proptest::prelude::*;

use super::super::testing::SPECIMEN;
use super::*;

fn card_of(values: &[(u8, &[u8])]) -> SocialSecurityCard {
    let mut records = Records::default();
    for (tag, value) in values {
        records.keep(*tag, value);
    }
    card(&records)
}

fn check(tag: u8, field: fn(&SocialSecurityCard) -> &str, table: &[(&[u8], &str)]) {
    for (value, expected) in table {
        assert_eq!(field(&card_of(&[(tag, value)])), *expected, "{tag:02X} {value:02X?}");
    }
}

#[test]
fn texts_lose_their_filling_on_both_sides() {
    let table: [(&[u8], &str); 6] = [
        (b"A12345678", "A12345678"),
        (b"A1234567\0", "A1234567"),
        (b"\0\0A123456", "A123456"),
        (b"  A12345 ", "A12345"),
        (b"\0\0\0\0\0\0\0\0\0", ""),
        (b"", ""),
    ];
    check(tag::CARD_NUMBER, |card| &card.card_number, &table);
    check(tag::VERSION, |card| &card.full_version, &[(b"2.01", "2.01"), (b"00\0\0", "00")]);
    check(tag::ID_NUMBER, |card| &card.id_number, &[(SPECIMEN.as_bytes(), SPECIMEN)]);
}

#[test]
fn what_was_never_written_as_text_is_empty() {
    let table: [(&[u8], &str); 3] = [(&[0xFF; 9], ""), (b"A\x01B", ""), (&[0xD5, 0xC5], "")];
    check(tag::CARD_NUMBER, |card| &card.card_number, &table);
}

#[test]
fn an_id_number_with_a_wrong_check_character_is_told_and_not_guessed_from() {
    let card = card_of(&[(tag::ID_NUMBER, b"110105194912310021")]);
    assert_eq!(card.id_number, "110105194912310021");
    assert_eq!((card.sex.as_str(), card.birth_date.as_str()), ("", ""));
}

#[test]
fn a_name_is_gb18030_without_its_filling() {
    let filled = [&[0xD5, 0xC5, 0xC8, 0xFD][..], &[0; 26]].concat();
    let blanks = [&[0xD5, 0xC5, 0xC8, 0xFD][..], &[0x20; 26]].concat();
    let left = [&[0; 26][..], &[0xD5, 0xC5, 0xC8, 0xFD]].concat();
    // U+3400 has four bytes in GB18030.
    let table: [(&[u8], &str); 6] = [
        (&filled, "张三"),
        (&blanks, "张三"),
        (&left, "张三"),
        (&[0x81, 0x39, 0xEE, 0x39, 0xC8, 0xFD], "㐀三"),
        (b"Maria Muster", "Maria Muster"),
        (&[0xFF; 30], ""),
    ];
    check(tag::NAME, |card| &card.name, &table);
}

#[test]
fn a_name_goes_on_in_its_extension_even_within_a_character() {
    let long = "阿卜杜热合曼阿卜杜热合曼阿卜杜热合曼阿卜杜热";
    let (bytes, _, _) = GB18030.encode(long);
    assert_eq!(bytes.len(), 44);
    for split in 1..=30 {
        let (first, rest) = bytes.split_at(split);
        let mut rest = rest.to_vec();
        rest.resize(50, 0);
        let card = card_of(&[(tag::NAME, first), (tag::NAME_EXTENSION, &rest)]);
        assert_eq!(card.name, long, "split at {split}");
    }
    let short = [&[0xD5, 0xC5, 0xC8, 0xFD][..], &[0; 26]].concat();
    assert_eq!(card_of(&[(tag::NAME, &short), (tag::NAME_EXTENSION, &[0; 20])]).name, "张三");
}

#[test]
fn sex_is_the_cards_code_or_else_the_id_numbers_17th_digit() {
    let table: [(&[u8], &str); 6] =
        [(b"1", "男"), (b"2", "女"), (b"0", "未知"), (b"9", "未说明"), (b"7", "未知"), (b"", "")];
    check(tag::SEX, |card| &card.sex, &table);
    // The specimen's 17th digit is 2, the other's 3.
    for (id, word) in [(SPECIMEN, "女"), ("110105194912310038", "男")] {
        assert!(id_number::is_valid(id), "{id}");
        let id = (tag::ID_NUMBER, id.as_bytes());
        assert_eq!(card_of(&[id]).sex, word);
        assert_eq!(card_of(&[id, (tag::SEX, &[0x00])]).sex, word);
        assert_eq!(card_of(&[id, (tag::SEX, b"9")]).sex, "未说明");
    }
}

#[test]
fn dates_are_eight_digits_or_nothing() {
    let table: [(&[u8], &str); 9] = [
        (&[0x20, 0x19, 0x03, 0x01], "20190301"),
        (&[0x20, 0x19, 0x03, 0x01, 0xFF], "20190301"),
        (&[0xFF; 4], ""),
        (&[0x00; 4], ""),
        (&[0x20, 0x19, 0x0A, 0x01], ""),
        (&[0x20, 0x19, 0xF3, 0x01], ""),
        (&[0x20, 0x19, 0x03], ""),
        (&[0x20, 0x19, 0x03, 0xFF], ""),
        (&[], ""),
    ];
    check(tag::ISSUED, |card| &card.issue_date, &table);
    check(tag::EXPIRES, |card| &card.expire_date, &table);
    check(tag::BIRTH, |card| &card.birth_date, &table);
}

#[test]
fn a_birth_date_that_is_not_there_is_taken_from_a_valid_id_number() {
    let id = (tag::ID_NUMBER, SPECIMEN.as_bytes());
    assert_eq!(card_of(&[id]).birth_date, "19491231");
    assert_eq!(card_of(&[id, (tag::BIRTH, &[0xFF; 4])]).birth_date, "19491231");
    assert_eq!(card_of(&[id, (tag::BIRTH, &[0x19, 0x50, 0x01, 0x02])]).birth_date, "19500102");
}

#[test]
fn a_nation_is_the_word_of_its_code() {
    let table: [(&[u8], &str); 7] = [
        (&[0x01], "汉"),
        (&[0x11], "满"),
        (&[0x56], "基诺"),
        (&[0x57], "其他"),
        (&[0x97], "其他"),
        (&[0xFF], ""),
        (&[], ""),
    ];
    check(tag::NATION, |card| &card.nation, &table);
}

#[test]
fn the_city_is_the_first_six_digits_of_the_cards_code() {
    let mut code = [0xD1; 16];
    code[..3].copy_from_slice(&[0x31, 0x01, 0x15]);
    let table: [(&[u8], &str); 5] = [
        (&code, "310115"),
        (&[0x31, 0x01, 0x15], "310115"),
        (&[0x31, 0x01], ""),
        (&[0x31, 0x01, 0x1F, 0x00], ""),
        (&[0xFF; 16], ""),
    ];
    check(tag::CARD_CODE, |card| &card.city_code, &table);
}

#[test]
fn nothing_read_is_nothing_said() {
    assert!(card_of(&[]) == SocialSecurityCard::default());
}

proptest! {
    #[test]
    fn any_bytes_make_a_card_whose_dates_and_codes_are_digits(
        values in proptest::collection::vec(
            (0u8..0x50, proptest::collection::vec(any::<u8>(), 0..40)), 0..20,
        ),
    ) {
        let values: Vec<(u8, &[u8])> =
            values.iter().map(|(tag, value)| (*tag, value.as_slice())).collect();
        let card = card_of(&values);
        for (text, length) in [
            (&card.birth_date, 8), (&card.issue_date, 8), (&card.expire_date, 8),
            (&card.city_code, 6),
        ] {
            prop_assert!(text.is_empty() || text.len() == length);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_digit()));
        }
        prop_assert_eq!(card.address, "");
    }

    #[test]
    fn any_name_that_fits_comes_back(name in "[\u{4E00}-\u{9FA5}·a-z]{1,12}", split in 1usize..30) {
        let (bytes, _, bad) = GB18030.encode(&name);
        prop_assume!(!bad);
        let (first, rest) = bytes.split_at(split.min(bytes.len()));
        let card = card_of(&[(tag::NAME, first), (tag::NAME_EXTENSION, rest)]);
        prop_assert_eq!(card.name, name);
    }
}
