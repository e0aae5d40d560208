//! Tests of the text block: the four published fixtures, both ways, and what must never happen.

use proptest::prelude::*;
use sha2::{Digest, Sha256};

use super::*;

fn resident() -> CardText {
    CardText {
        name: "张三".into(),
        sex: Sex::Male,
        nation_code: "01".into(),
        birth: "19491231".into(),
        address: "北京市朝阳区示例路1号".into(),
        id_number: "11010519491231002X".into(),
        agency: "北京市公安局朝阳分局".into(),
        valid_from: "20200102".into(),
        valid_to: "长期".into(),
        ..CardText::blank(Layout::Resident)
    }
}

fn hk_macau_taiwan() -> CardText {
    CardText {
        name: "李四".into(),
        sex: Sex::Female,
        birth: "19000101".into(),
        address: "广东省深圳市示例路2号".into(),
        id_number: "810000190001010018".into(),
        agency: "深圳市公安局".into(),
        valid_from: "20200102".into(),
        valid_to: "20250102".into(),
        pass_number: "H12345678".into(),
        issue_count: "01".into(),
        ..CardText::blank(Layout::HkMacauTaiwan)
    }
}

fn foreigner_2017() -> CardText {
    CardText {
        name: "张三".into(),
        english_name: "ZHANG SAN".into(),
        sex: Sex::Male,
        nationality: "CAN".into(),
        birth: "19000101".into(),
        id_number: "CAN110190000101".into(),
        valid_from: "20180102".into(),
        valid_to: "20280102".into(),
        version: "01".into(),
        authority_code: "1500".into(),
        ..CardText::blank(Layout::Foreigner2017)
    }
}

fn foreigner_2023() -> CardText {
    CardText {
        name: "张三".into(),
        english_name: "ZHANG SAN".into(),
        sex: Sex::Male,
        nationality: "CAN".into(),
        birth: "19000101".into(),
        id_number: "911124190001010019".into(),
        valid_from: "20240102".into(),
        valid_to: "20340102".into(),
        issue_count: "01".into(),
        ..CardText::blank(Layout::Foreigner2023)
    }
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn check(text: &CardText, digest: &str) {
    let block = text.encode().expect("the fixture fits");
    assert_eq!(sha256(&block), digest);
    let read = CardText::decode(&block).expect("its own block");
    assert!(read == *text, "what was written is not what is read");
}

/// Writes text at a byte offset, over whatever is there.
fn overwrite(block: &mut [u8], at: usize, text: &str) {
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    block[at..at + bytes.len()].copy_from_slice(&bytes);
}

#[test]
fn the_resident_card_is_laid_out_as_published() {
    check(&resident(), "9918ac072e154d985d1e859fa9c10d3715500355451f102b90b9fa68848a6635");
}

#[test]
fn the_resident_card_begins_with_name_sex_nation_and_birth() {
    let mut head = vec![0x20, 0x5F, 0x09, 0x4E];
    head.extend([0x20, 0x00].repeat(13));
    head.extend([0x31, 0x00, 0x30, 0x00, 0x31, 0x00]);
    head.extend("19491231".bytes().flat_map(|digit| [digit, 0]));
    assert_eq!(resident().encode().expect("it fits")[..52], head);
}

#[test]
fn the_permit_j_is_laid_out_as_published() {
    check(&hk_macau_taiwan(), "93cdf6c2a40082b5aa665bd6d1453f38b4964d210d79f9fa1edae4c09a1eb7bf");
}

#[test]
fn the_permit_i_is_laid_out_as_published() {
    check(&foreigner_2017(), "675314de40f8adfba43e0445ab54313a93dc022f52ee356741914b3cacee9895");
}

#[test]
fn the_permit_y_is_laid_out_as_published() {
    check(&foreigner_2023(), "ca7fcfc2d7f3fb1c06b5e4f04849d6dc8f8b7560ddc56874f51e148b3724c495");
}

#[test]
fn full_width_digits_of_an_address_stay() {
    let address = "示例市　示例路１３８号－２ Ａ座";
    let text = CardText { address: address.into(), ..resident() };
    let block = text.encode().expect("it fits");
    assert_eq!(CardText::decode(&block).expect("its own block").address, address);
}

#[test]
fn only_padding_at_the_end_goes() {
    let mut block = resident().encode().expect("it fits");
    overwrite(&mut block, 52, " 前 后　\0 \0");
    overwrite(&mut block, 52 + 16, &" ".repeat(27));
    let address = CardText::decode(&block).expect("still a card").address;
    assert_eq!(address, " 前 后　");
}

#[test]
fn an_english_name_of_46_characters_lies_in_both_places_of_y() {
    // The 35th character is a blank: it must survive where the first place ends.
    let name = format!("{} {}", "A".repeat(34), "B".repeat(11));
    let text = CardText { english_name: name.clone(), ..foreigner_2023() };
    let block = text.encode().expect("46 characters fit");
    assert_eq!(CardText::decode(&block).expect("its own block").english_name, name);
    assert_eq!(block[220..242], [b'B', 0].repeat(11));
}

#[test]
fn foreigners_without_a_chinese_name_go_by_the_english_one() {
    for card in [foreigner_2017(), foreigner_2023()] {
        assert_eq!(card.shown_name(), "张三");
        let nameless = CardText { name: String::new(), ..card };
        assert_eq!(nameless.shown_name(), "ZHANG SAN");
    }
    assert_eq!(resident().shown_name(), "张三");
}

#[test]
fn the_nation_is_said_as_each_card_has_it() {
    assert_eq!(resident().nation_word(), "汉");
    assert_eq!(hk_macau_taiwan().nation_word(), "");
    assert_eq!(foreigner_2017().nation_word(), "CAN");
    assert_eq!(foreigner_2023().nation_word(), "CAN");
    for unknown in ["57", "", "9", "xx"] {
        let text = CardText { nation_code: unknown.into(), ..resident() };
        assert_eq!(text.nation_word(), "其他", "{unknown}");
    }
}

#[test]
fn foreigners_have_no_address_and_y_no_agency() {
    for card in [foreigner_2017(), foreigner_2023()] {
        let read = CardText::decode(&card.encode().expect("it fits")).expect("its own block");
        assert_eq!(read.address, "");
    }
    assert_eq!(foreigner_2023().shown_agency(), "");
    assert_eq!(foreigner_2017().shown_agency(), "1500");
    assert_eq!(resident().shown_agency(), "北京市公安局朝阳分局");
}

#[test]
fn sex_codes_are_said_in_words_and_strange_ones_are_unknown() {
    for (code, word) in
        [("0", "未知"), ("1", "男"), ("2", "女"), ("9", "未说明"), ("7", "未知"), (" ", "未知")]
    {
        let mut block = resident().encode().expect("it fits");
        overwrite(&mut block, 30, code);
        assert_eq!(CardText::decode(&block).expect("still a card").sex_word(), word, "{code}");
    }
}

#[test]
fn half_a_surrogate_pair_is_replaced_and_the_rest_is_read() {
    let mut block = resident().encode().expect("it fits");
    block[0..2].copy_from_slice(&0xD842u16.to_le_bytes());
    let read = CardText::decode(&block).expect("still a card");
    assert_eq!(read.name, "\u{FFFD}三");
    assert_eq!(read.valid_to, "长期");
}

#[test]
fn a_rare_character_outside_the_basic_plane_takes_two_units() {
    let text = CardText { name: "𠮷".repeat(7), ..resident() };
    let block = text.encode().expect("14 units fit");
    assert_eq!(CardText::decode(&block).expect("its own block").name, "𠮷".repeat(7));
    let text = CardText { name: "𠮷".repeat(8), ..resident() };
    let refused = TextError::TooLong { field: Field::Name, most: 15, got: 16 };
    assert_eq!(text.encode(), Err(refused));
}

#[test]
fn filler_at_the_type_is_a_resident_card_and_a_strange_letter_is_refused() {
    for filler in [0x0000, 0xFFFF, 0x0020, 0xD800] {
        let mut block = resident().encode().expect("it fits");
        block[248..250].copy_from_slice(&u16::to_le_bytes(filler));
        let layout = CardText::decode(&block).map(|text| text.layout);
        assert_eq!(layout, Ok(Layout::Resident), "{filler:04x}");
    }
    let mut block = resident().encode().expect("it fits");
    overwrite(&mut block, 248, "Z");
    assert_eq!(CardText::decode(&block), Err(TextError::UnknownType { letter: 'Z' }));
}

#[test]
fn a_field_that_a_layout_has_not_is_refused_by_name() {
    let text = CardText { address: "示例路".into(), ..foreigner_2023() };
    let refused = TextError::NotOnThisCard { field: Field::Address, layout: Layout::Foreigner2023 };
    assert_eq!(text.encode(), Err(refused));
}

#[test]
fn debug_output_and_errors_keep_what_is_on_the_card_to_themselves() {
    let text = CardText { name: "张".repeat(16), ..resident() };
    let said = format!("{text:?} {:?}", text.encode().map_err(|refused| refused.to_string()));
    for secret in ["张", "1101051949", "19491231", "朝阳", "示例"] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(said.contains("Resident"), "{said}");
}

#[test]
fn appended_addresses_come_newest_first_and_empty_entries_are_left_out() {
    let addresses = vec!["示例市新路１号".to_owned(), "示例市旧路２号".to_owned()];
    let mut file = encode_addresses(&addresses).expect("two fit");
    assert_eq!(file.len(), 140);
    assert_eq!(decode_addresses(&file), addresses);
    file.extend([0x20, 0].repeat(35));
    file.extend([0; 70]);
    assert_eq!(decode_addresses(&file), addresses);
    assert_eq!(decode_addresses(&[]), Vec::<String>::new());
}

#[test]
fn a_fifth_address_or_one_of_36_characters_is_refused() {
    let five = vec!["路".to_owned(); 5];
    assert_eq!(encode_addresses(&five), Err(TextError::TooManyAddresses { got: 5 }));
    let long = vec!["路".repeat(36)];
    let refused = TextError::TooLong { field: Field::Address, most: 35, got: 36 };
    assert_eq!(encode_addresses(&long), Err(refused));
}

/// Text of up to so many UTF-16 units with no padding at its end.
fn text(most: usize) -> impl Strategy<Value = String> {
    prop::collection::vec(any::<char>(), 0..=most).prop_map(move |chars| {
        let mut text = String::new();
        let mut units = 0;
        for character in chars {
            units += character.len_utf16();
            if units > most {
                break;
            }
            text.push(character);
        }
        text.trim_end_matches([' ', '\0']).to_owned()
    })
}

/// Any card of any layout, all of its fields filled with anything that fits.
fn any_card() -> impl Strategy<Value = CardText> {
    let chinese = (text(15), text(2), text(8), text(35), text(18), text(15), text(8), text(8));
    let others = (text(46), text(3), text(9), text(2), text(2), text(4), text(3), text(15));
    let kind = (prop::sample::select(&Layout::ALL[..]), prop::sample::select(&Sex::ALL[..]));
    (kind, chinese, others).prop_map(|((layout, sex), chinese, others)| {
        let (name, nation_code, birth, address, id_number, agency, valid_from, valid_to) = chinese;
        let (english_name, nationality, pass_number, issue_count, version, rest) =
            (others.0, others.1, others.2, others.3, others.4, others.5);
        let common = CardText { name, sex, birth, valid_from, valid_to, ..CardText::blank(layout) };
        match layout {
            Layout::Resident => CardText { nation_code, address, id_number, agency, ..common },
            Layout::HkMacauTaiwan => {
                CardText { address, id_number, agency, pass_number, issue_count, ..common }
            }
            Layout::Foreigner2017 => CardText {
                english_name,
                nationality,
                id_number: others.7,
                version,
                authority_code: rest,
                ..common
            },
            Layout::Foreigner2023 => CardText {
                english_name,
                nationality,
                id_number,
                issue_count,
                old_number_link: others.6,
                ..common
            },
        }
    })
}

proptest! {
    #[test]
    fn whatever_is_written_is_read_again(card in any_card()) {
        let block = card.encode().expect("it was made to fit");
        prop_assert!(CardText::decode(&block) == Ok(card));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let read = CardText::decode(&bytes);
        if bytes.len() < TEXT_BYTES {
            prop_assert_eq!(read, Err(TextError::Short { got: bytes.len() }));
        }
        let _ = decode_addresses(&bytes);
    }

    #[test]
    fn a_block_of_noise_with_a_known_type_is_read(
        noise in prop::collection::vec(any::<u8>(), TEXT_BYTES),
        layout in prop::sample::select(&Layout::ALL[..]),
    ) {
        let mut block = noise;
        overwrite(&mut block, 248, &layout.letter().to_string());
        prop_assert_eq!(CardText::decode(&block).map(|text| text.layout), Ok(layout));
    }
}
