//! Tests of the town and of cards made from descriptions.

use serde::Deserialize;
use serde::de::value::{Error as ValueError, MapDeserializer};

use super::*;
use crate::id_card::id_number;
use crate::id_card::text::encode_addresses;

fn described(keys: &[(&str, &str)]) -> Result<CardDescription, ValueError> {
    CardDescription::deserialize(MapDeserializer::new(keys.iter().copied()))
}

fn card(keys: &[(&str, &str)]) -> Result<Card, DescriptionError> {
    Card::from_description(&described(keys).expect("known keys"))
}

/// The key that is refused, and that its error says what is allowed.
fn refuses(keys: &[(&str, &str)], key: &str, allowed: &str) {
    let refused = card(keys).expect_err("a mistake");
    assert_eq!(refused.key, key);
    assert!(refused.allowed.contains(allowed), "{refused}");
    assert!(refused.to_string().contains(key), "{refused}");
    for (_, value) in keys.iter().filter(|(_, value)| value.chars().count() > 3) {
        assert!(!refused.to_string().contains(value), "{refused} repeats what was given");
    }
}

#[test]
fn everybody_of_the_town_fits_on_a_card_and_comes_back() {
    for Person { slug, card } in PEOPLE {
        let card = card();
        let block = card.text.encode().expect(slug);
        assert!(CardText::decode(&block) == Ok(card.text.clone()), "{slug}");
        assert!(encode_addresses(&card.appended_addresses).is_ok(), "{slug}");
        assert!(!card.text.shown_name().is_empty(), "{slug}");
        assert!(person(slug) == Some(card), "{slug}");
    }
    assert!(person("nobody").is_none());
}

#[test]
fn every_number_that_has_a_check_character_has_the_right_one() {
    for Person { slug, card } in PEOPLE {
        let text = card().text;
        if text.layout == Layout::Foreigner2017 {
            assert_eq!(text.id_number.len(), 15, "{slug}");
        } else {
            assert!(id_number::is_valid(&text.id_number), "{slug}");
        }
    }
}

#[test]
fn residents_but_zhang_san_come_from_a_region_that_does_not_exist() {
    assert_eq!(Card::zhang_san().text.id_number, "11010519491231002X");
    for Person { slug, card } in PEOPLE {
        let text = card().text;
        if text.layout == Layout::Resident && slug != "zhang-san" {
            assert!(text.id_number.starts_with("99"), "{slug}");
            assert_eq!(text.id_number.get(6..14), Some(text.birth.as_str()), "{slug}");
        }
    }
}

#[test]
fn the_town_has_everything_that_a_card_can_have() {
    let cards: Vec<Card> = PEOPLE.iter().map(|person| (person.card)()).collect();
    let count = |layout| cards.iter().filter(|card| card.text.layout == layout).count();
    assert_eq!(Layout::ALL.map(count), [3, 2, 2, 2]);
    assert!(cards.iter().any(|card| card.text.valid_to == "长期"));
    assert!(cards.iter().any(|card| card.fingerprint.is_some()));
    assert!(cards.iter().any(|card| card.text.english_name.len() > 35));
    let moved = cards.iter().find(|card| !card.appended_addresses.is_empty()).expect("one moved");
    assert!(moved.newest_address().contains("１３８"));
    assert_ne!(moved.newest_address(), moved.text.address);
}

#[test]
fn the_first_of_each_layout_has_that_layout() {
    for layout in Layout::ALL {
        assert_eq!(Card::first_of(layout).text.layout, layout);
    }
}

#[test]
fn photos_begin_as_a_wlt_does_and_differ_from_person_to_person() {
    let photos: Vec<_> = PEOPLE.iter().map(|person| (person.card)().photo).collect();
    for photo in &photos {
        assert_eq!(photo[..11], [0x57, 0x4C, 0x66, 0x00, 0x7E, 0x00, 0x32, 0x00, 0x00, 0xFF, 0x85]);
        assert_eq!(photos.iter().filter(|other| *other == photo).count(), 1);
    }
    assert_eq!(synthetic_photo(1), Card::zhang_san().photo);
}

#[test]
fn debug_output_says_nothing_of_the_holder() {
    let said = format!("{:?} {:?}", Card::zhang_san(), described(&[("name", "赵六")]));
    for secret in ["张三", "11010519491231002X", "北京", "赵六"] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn an_empty_description_is_zhang_san() {
    assert!(card(&[]) == Ok(Card::zhang_san()));
}

#[test]
fn what_is_said_is_on_the_card_and_the_rest_is_the_persons() {
    let card = card(&[
        ("person", "wang-wu"),
        ("name", "赵六"),
        ("sex", "女"),
        ("nation", "满族"),
        ("birth", "19791231"),
        ("endTime", "长期"),
        ("appendedAddress", "示例市新路９号"),
        ("fingerprint", "true"),
    ])
    .expect("all allowed");
    assert_eq!(card.text.name, "赵六");
    assert_eq!((card.text.sex_word(), card.text.nation_word()), ("女", "满"));
    assert_eq!((card.text.birth.as_str(), card.text.valid_to.as_str()), ("19791231", "长期"));
    assert_eq!(card.newest_address(), "示例市新路９号");
    assert_eq!(card.fingerprint.map(|finger| finger.len()), Some(FINGERPRINT_BYTES));
    assert_eq!(card.text.id_number, "990202198506150014");
}

#[test]
fn codes_serve_as_well_as_words_even_without_their_leading_zero() {
    let card = card(&[("sex", "2"), ("nation", "5")]).expect("all allowed");
    assert_eq!((card.text.sex_word(), card.text.nation_word()), ("女", "维吾尔"));
}

#[test]
fn numbers_are_read_as_texts() {
    let numbers = MapDeserializer::<_, ValueError>::new(
        [("sex", 2u64), ("beginTime", 20_210_305)].into_iter(),
    );
    let said = CardDescription::deserialize(numbers).expect("known keys");
    let text = Card::from_description(&said).expect("all allowed").text;
    assert_eq!((text.sex, text.valid_from.as_str()), (Sex::Female, "20210305"));
}

#[test]
fn an_empty_appended_address_takes_the_persons_away() {
    let card = card(&[("person", "wang-wu"), ("appendedAddress", "")]).expect("all allowed");
    assert_eq!(card.newest_address(), card.text.address);
}

#[test]
fn a_permits_description_starts_from_the_first_of_its_layout() {
    let card =
        card(&[("layout", "J"), ("passNumber", "M87654321"), ("nation", "")]).expect("all allowed");
    assert_eq!(card.text.layout, Layout::HkMacauTaiwan);
    assert_eq!(card.text.pass_number, "M87654321");
    assert_eq!(card.text.nation_word(), "");
}

#[test]
fn a_foreigners_nation_is_the_nationality() {
    for key in ["nation", "nationality"] {
        let card = card(&[("layout", "Y"), (key, "BRA"), ("englishName", "ROE, RICHARD")])
            .expect("all allowed");
        assert_eq!(card.text.nation_word(), "BRA");
        assert_eq!(card.text.english_name, "ROE, RICHARD");
    }
}

#[test]
fn a_wrong_check_character_is_allowed_for_it_is_worth_a_test() {
    assert!(card(&[("idNum", "110105194912310021")]).is_ok());
}

#[test]
fn mistakes_name_their_key_and_what_is_allowed() {
    refuses(&[("sex", "male")], "sex", "男");
    refuses(&[("nation", "火星人")], "nation", "GB/T 3304");
    refuses(&[("birthDate", "1949-12-31")], "birthDate", "YYYYMMDD");
    refuses(&[("birthDate", "19491331")], "birthDate", "YYYYMMDD");
    refuses(&[("birthDate", "长期")], "birthDate", "YYYYMMDD");
    refuses(&[("endTime", "forever")], "endTime", "长期");
    refuses(&[("layout", "X")], "layout", "J");
    refuses(&[("person", "nobody")], "person", "zhang-san");
    refuses(&[("person", "li-si"), ("layout", "J")], "layout", "leave one");
    refuses(&[("name", "十六个字的名字是放不到卡片上去的吧")], "name", "at most 15");
    refuses(&[("idNum", "1101051949123100211")], "idNum", "at most 18");
    refuses(&[("passNumber", "H12345678")], "passNumber", "nothing");
    refuses(&[("layout", "I"), ("address", "示例路１号")], "address", "nothing");
    refuses(&[("layout", "J"), ("nation", "汉")], "nation", "nothing");
    refuses(&[("nationality", "can")], "nationality", "capital");
    refuses(&[("fingerprint", "maybe")], "fingerprint", "true");
    let long = "路".repeat(36);
    refuses(&[("appendedAddress", &long)], "appendedAddress", "at most 35");
}

#[test]
fn an_unknown_key_is_a_mistake() {
    let refused = described(&[("nmae", "赵六")]).expect_err("a misspelt key");
    assert!(refused.to_string().contains("nmae"), "{refused}");
}
