//! The exchanges that are known of real cards, and what is made of a description.

use super::*;
use crate::id_card::id_number;
use crate::virtual_card::VirtualCard;

const SELECT: &[u8] =
    b"\x00\xA4\x04\x00\x0F\x73\x78\x31\x2E\x73\x68\x2E\xC9\xE7\xBB\xE1\xB1\xA3\xD5\xCF";
const NAME: &[u8] = b"\x73\x78\x31\x2E\x73\x68\x2E\xC9\xE7\xBB\xE1\xB1\xA3\xD5\xCF";

/// Zhang San with the specimen number of GB 11643.
fn zhang_san(version: &str) -> Contents {
    Contents {
        version: version.to_owned(),
        region: "110105".to_owned(),
        issued: "20200102".to_owned(),
        expires: "20300101".to_owned(),
        card_number: "A12345678".to_owned(),
        id_number: "11010519491231002X".to_owned(),
        name: "张三".to_owned(),
        sex: crate::id_card::nation::Sex::Male,
        nation_code: "01".to_owned(),
        birth_place: "110105".to_owned(),
        birth: "19491231".to_owned(),
    }
}

fn chip(contents: &Contents) -> SocialSecurityChip {
    SocialSecurityChip::new(contents).expect("it fits")
}

#[track_caller]
fn check(mut chip: SocialSecurityChip, exchanges: &[(&[u8], &[u8])]) {
    chip.power(true);
    for (command, answer) in exchanges {
        assert_eq!(chip.answer(command), *answer, "{command:02X?}");
    }
}

#[test]
fn the_application_is_selected_by_name_and_by_identifier() {
    let told = [b"\x6F\x16\x84\x0F", NAME, b"\xA5\x03\x88\x01\x10\x90\x00"].concat();
    for version in ["1.00", "2.00", "2.01"] {
        let card = chip(&zhang_san(version));
        check(card, &[(SELECT, &told), (b"\x00\xA4\x00\x00\x02\xDD\xF1", &told)]);
    }
    let newer =
        [b"\x6F\x1C\x84\x0F", NAME, b"\xA5\x09\x88\x01\x10\x9F\x0C\x03\x86\x01\x02\x90\x00"];
    check(chip(&zhang_san("3.00")), &[(SELECT, &newer.concat())]);
}

#[test]
fn over_t0_the_application_is_fetched() {
    let told = [b"\x6F\x1C\x84\x0F", NAME, b"\xA5\x09\x88\x01\x10\x9F\x0C\x03\x86\x01\x02\x90\x00"];
    let card = chip(&zhang_san("3.00")).over(Protocol::T0);
    assert_eq!(card.protocol(), Protocol::T0);
    check(card, &[(SELECT, b"\x61\x1E"), (b"\x00\xC0\x00\x00\x1E", &told.concat())]);
}

#[test]
fn another_application_is_not_there() {
    let other = b"\x00\xA4\x04\x00\x0E1PAY.SYS.DDF01";
    check(
        chip(&zhang_san("2.00")),
        &[(other, b"\x6A\x82"), (b"\x00\xB2\x07\x28\x0B", b"\x6A\x82")],
    );
}

/// Every record of a second-generation card: by tag, by number, and what is read.
fn records() -> Vec<([u8; 5], [u8; 5], Vec<u8>)> {
    let name = [&b"\x09\x1E\xD5\xC5\xC8\xFD"[..], &[0; 26], b"\x90\x00"].concat();
    let extension = [&b"\x4E\x14"[..], &[0; 20], b"\x90\x00"].concat();
    let card = |tag, length, read: &[u8]| {
        ([0x00, 0xB2, tag, 0x28, length], [0x00, 0xB2, tag, 0x2C, length], read.to_vec())
    };
    let holder = |tag, number, length, read: &[u8]| {
        ([0x00, 0xB2, tag, 0x30, length], [0x00, 0xB2, number, 0x34, length], read.to_vec())
    };
    vec![
        card(0x02, 0x03, b"\x02\x011\x90\x00"),
        card(0x03, 0x06, b"\x03\x042.00\x90\x00"),
        card(0x05, 0x06, b"\x05\x04\x20\x20\x01\x02\x90\x00"),
        card(0x06, 0x06, b"\x06\x04\x20\x30\x01\x01\x90\x00"),
        card(0x07, 0x0B, b"\x07\x09A12345678\x90\x00"),
        holder(0x08, 1, 0x14, b"\x08\x1211010519491231002X\x90\x00"),
        holder(0x09, 2, 0x20, &name),
        holder(0x4E, 3, 0x16, &extension),
        holder(0x0A, 4, 0x03, b"\x0A\x011\x90\x00"),
        holder(0x0B, 5, 0x03, b"\x0B\x01\x01\x90\x00"),
        holder(0x0C, 6, 0x05, b"\x0C\x03\x11\x01\x05\x90\x00"),
        holder(0x0D, 7, 0x06, b"\x0D\x04\x19\x49\x12\x31\x90\x00"),
    ]
}

#[test]
fn the_second_generation_is_read_by_tag_and_by_number() {
    for (by_tag, by_number, read) in records() {
        for protocol in [Protocol::T0, Protocol::T1] {
            let card = || chip(&zhang_san("2.00")).over(protocol);
            let with_zero = |mut command: [u8; 5]| {
                command[4] = 0;
                command
            };
            let selected = |mut card: SocialSecurityChip, command: [u8; 5]| {
                card.answer(SELECT);
                card.answer(&command)
            };
            assert_eq!(selected(card(), by_tag), read, "{by_tag:02X?}");
            assert_eq!(selected(card(), by_number), read, "{by_number:02X?}");
            let length = (read.len() - 2) as u8;
            let told = selected(card(), with_zero(by_tag));
            match protocol {
                Protocol::T0 => assert_eq!(told, [0x6C, length]),
                Protocol::T1 => assert_eq!(told, read),
            }
            let strict = selected(card().strict(), with_zero(by_number));
            assert_eq!(strict, [0x6C, length]);
            assert_eq!(selected(card().by_number_only(), by_tag), [0x6A, 0x86]);
            assert_eq!(selected(card().by_number_only(), by_number), read);
        }
    }
}

#[test]
fn the_identification_code_begins_with_the_region() {
    let mut card = chip(&zhang_san("1.00"));
    card.answer(SELECT);
    let code = card.answer(b"\x00\xB2\x01\x28\x12");
    assert_eq!((code.len(), &code[..5]), (20, &b"\x01\x10\x11\x01\x05"[..]));
}

#[test]
fn after_select_records_are_those_of_the_current_file() {
    check(
        chip(&zhang_san("2.00")).over(Protocol::T0),
        &[
            (SELECT, b"\x61\x18"),
            (b"\x00\xA4\x02\x00\x02\xEF\x05", b"\x90\x00"),
            (b"\x00\xB2\x07\x00\x0B", b"\x07\x09A12345678\x90\x00"),
            (b"\x00\xB2\x07\x04\x0B", b"\x07\x09A12345678\x90\x00"),
        ],
    );
}

#[test]
fn the_first_generation_has_no_extension_of_the_name() {
    let mut card = chip(&zhang_san("1.00"));
    card.answer(SELECT);
    assert_eq!(card.answer(b"\x00\xB2\x4E\x30\x16"), b"\x6A\x83");
    assert_eq!(card.answer(b"\x00\xB2\x03\x34\x03"), b"\x0A\x011\x90\x00");
}

#[test]
fn the_third_generation_gives_four_fields_and_protects_the_rest() {
    let mut card = chip(&zhang_san("3.00"));
    card.answer(SELECT);
    for (tag, open) in [
        (0x01, true),
        (0x02, false),
        (0x03, true),
        (0x04, false),
        (0x05, true),
        (0x06, true),
        (0x07, false),
    ] {
        for file in [0x28, 0x2C] {
            let answer = card.answer(&[0x00, 0xB2, tag, file, 0x00]);
            assert_eq!(answer.ends_with(b"\x90\x00"), open, "{tag}");
            assert_eq!(answer == b"\x69\x82", !open, "{tag}");
        }
    }
    for tag in [0x08, 0x09, 0x4E, 0x0A, 0x0B, 0x0C, 0x0D] {
        assert_eq!(card.answer(&[0x00, 0xB2, tag, 0x30, 0x00]), b"\x69\x82", "{tag}");
    }
}

#[test]
fn fingerprint_and_photo_are_protected() {
    let mut card = chip(&zhang_san("2.00"));
    card.answer(SELECT);
    assert_eq!(card.answer(b"\x00\xB0\x87\x00\x01"), b"\x69\x82");
    assert_eq!(card.answer(b"\x00\xB0\x88\x00\x01"), b"\x69\x82");
}

#[test]
fn a_long_name_goes_on_in_the_extension() {
    // 16 characters of two bytes, of which 15 fit; then one of four bytes, as GB18030 has them.
    let name = "阿卜杜热合曼阿卜杜热合曼阿卜杜热\u{20000}";
    let mut card = chip(&Contents { name: name.to_owned(), ..zhang_san("2.00") });
    card.answer(SELECT);
    let first = card.answer(b"\x00\xB2\x09\x30\x20");
    let second = card.answer(b"\x00\xB2\x4E\x30\x16");
    let bytes = [&first[2..32], &second[2..22]].concat();
    let (read, _, _) = encoding_rs::GB18030.decode(&bytes);
    assert_eq!(read.trim_end_matches('\0'), name);
    assert_ne!(second[2], 0);
}

#[test]
fn what_does_not_fit_is_refused_by_its_key() {
    let long = "长".repeat(16);
    let longer = "长".repeat(26);
    let person = || zhang_san("1.00");
    for (contents, key) in [
        (Contents { name: long.clone(), ..person() }, "name"),
        (Contents { name: longer, ..zhang_san("2.00") }, "name"),
        (Contents { id_number: "1".repeat(19), ..person() }, "idNumber"),
        (Contents { id_number: "一".to_owned(), ..person() }, "idNumber"),
        (Contents { card_number: "0123456789".to_owned(), ..person() }, "cardNumber"),
        (Contents { region: "99010".to_owned(), ..person() }, "cityCode"),
        (Contents { birth: "1949-12-31".to_owned(), ..person() }, "birthDate"),
        (Contents { nation_code: "1".to_owned(), ..person() }, "nation"),
    ] {
        assert_eq!(SocialSecurityChip::new(&contents).err().map(|error| error.key), Some(key));
    }
    assert!(SocialSecurityChip::new(&Contents { name: long, ..zhang_san("3.00") }).is_ok());
}

#[test]
fn a_date_that_is_none_is_filled_with_f() {
    let mut card = chip(&Contents { expires: String::new(), ..zhang_san("2.00") });
    card.answer(SELECT);
    assert_eq!(card.answer(b"\x00\xB2\x06\x28\x06"), b"\x06\x04\xFF\xFF\xFF\xFF\x90\x00");
}

#[test]
fn the_invented_people_have_right_check_digits_and_live_nowhere() {
    for generation in [Generation::First, Generation::Second, Generation::Third] {
        let contents = Contents::of(generation);
        assert!(id_number::is_valid(&contents.id_number));
        assert!(contents.id_number.starts_with("99") && contents.region.starts_with("99"));
        assert_eq!(contents.id_number[6..14], contents.birth);
        let male = contents.id_number.as_bytes()[16] % 2 == 1;
        assert_eq!(contents.sex.code() == "1", male);
        assert_eq!(contents.generation(), generation);
        assert!(SocialSecurityChip::new(&contents).is_ok());
        assert!(!format!("{contents:?}").contains(&contents.name));
    }
}

#[test]
fn a_description_changes_the_person_of_its_generation() {
    let said = ContentsDescription {
        generation: Some("1".to_owned()),
        name: Some("钱七".to_owned()),
        sex: Some("女".to_owned()),
        nation: Some("满族".to_owned()),
        birth_date: Some("20010229".to_owned()),
        ..ContentsDescription::default()
    };
    let mut card = SocialSecurityChip::from_description(&said).expect("it is allowed");
    card.answer(SELECT);
    assert_eq!(card.answer(b"\x00\xB2\x03\x28\x06"), b"\x03\x041.00\x90\x00");
    assert!(card.answer(b"\x00\xB2\x09\x30\x20").starts_with(b"\x09\x1E\xC7\xAE\xC6\xDF\x00"));
    assert_eq!(card.answer(b"\x00\xB2\x0A\x30\x03"), b"\x0A\x012\x90\x00");
    assert_eq!(card.answer(b"\x00\xB2\x0B\x30\x03"), b"\x0B\x01\x11\x90\x00");
    assert_eq!(card.answer(b"\x00\xB2\x0D\x30\x06"), b"\x0D\x04\x20\x01\x02\x29\x90\x00");
    assert_eq!(card.answer(b"\x00\xB2\x07\x28\x0B"), b"\x07\x09Z99000001\x90\x00");
}

#[test]
fn a_mistake_in_a_description_is_named_by_its_key_and_never_by_its_value() {
    let some = |value: &str| Some(value.to_owned());
    let blank = ContentsDescription::default;
    for (said, key) in [
        (ContentsDescription { generation: some("4-secret"), ..blank() }, "generation"),
        (ContentsDescription { sex: some("secret"), ..blank() }, "sex"),
        (ContentsDescription { nation: some("secret"), ..blank() }, "nation"),
        (ContentsDescription { birth_date: some("secret"), ..blank() }, "birthDate"),
        (ContentsDescription { issue_date: some("20201301"), ..blank() }, "issueDate"),
        (ContentsDescription { expire_date: some("secret"), ..blank() }, "expireDate"),
        (ContentsDescription { id_number: some("secret-secret-secret"), ..blank() }, "idNumber"),
        (ContentsDescription { card_number: some("secret-secret"), ..blank() }, "cardNumber"),
        (ContentsDescription { city_code: some("secret"), ..blank() }, "cityCode"),
        (ContentsDescription { name: Some("秘".repeat(30)), ..blank() }, "name"),
    ] {
        let error = SocialSecurityChip::from_description(&said).err().expect("it is refused");
        assert_eq!(error.key, key);
        let words = error.to_string();
        assert!(!words.contains("secret") && !words.contains('秘'), "{words}");
    }
}
