//! What replacements promise.

use proptest::prelude::*;

use super::*;
use crate::id_card::people::PEOPLE;

fn pseudonyms(key: u8) -> Pseudonyms {
    Pseudonyms::with_key([key; 32])
}

type Method = fn(&Pseudonyms, &str) -> String;

/// Every method for texts.
const METHODS: [(&str, Method); 9] = [
    ("name", Pseudonyms::name),
    ("address", Pseudonyms::address),
    ("agency", Pseudonyms::agency),
    ("id_number", Pseudonyms::id_number),
    ("birth", Pseudonyms::birth),
    ("validity", Pseudonyms::validity),
    ("card_number", Pseudonyms::card_number),
    ("code", Pseudonyms::code),
    ("text", Pseudonyms::text),
];

fn gb18030(text: &str) -> Vec<u8> {
    encoding_rs::GB18030.encode(text).0.into_owned()
}

/// What every replacement keeps of the real text.
fn check(real: &str) {
    for (method, of) in METHODS {
        let invented = of(&pseudonyms(1), real);
        assert_eq!(invented, of(&pseudonyms(1), real), "{method} is not the same twice");
        assert_eq!(invented.len(), real.len(), "{method} in UTF-8: {real:?}");
        let units = |text: &str| text.encode_utf16().count();
        assert_eq!(units(&invented), units(real), "{method} in UTF-16: {real:?}");
        assert_eq!(gb18030(&invented).len(), gb18030(real).len(), "{method}: {real:?}");
        assert_eq!(real_ids(&invented).next(), None, "{method}: {real:?}");
        for bytes in [invented.clone().into_bytes(), gb18030(&invented)] {
            assert_eq!(bcd_ids(&bytes).next(), None, "{method}: {real:?}");
        }
        assert_eq!(invented.trim().is_empty(), real.trim().is_empty());
    }
}

fn wheel() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[0-9]{1,40}",
        "[0-9]{17}[0-9Xx]",
        "[A-Za-z ,.·-]{1,40}",
        // Pairs of digits in BCD, those of years and months above all.
        "[\t \"#$%&'()@`!0-9é𠮷\u{80}-\u{99}\x01-\x19]{9,40}",
        "[张王李赵欧阳一二三市区路号１２３ＡX0-9]{1,35}",
        "(19|20)[0-9]{2}(0[1-9]|1[0-2])[0-3][0-9]",
    ]
}

proptest! {
    #[test]
    fn lengths_stay_and_nobodys_number_comes_out(real in wheel()) {
        check(&real);
    }

    #[test]
    fn what_can_be_replaced_is_never_what_it_was(real in "[张王李A-Za-z0-9１-９éЖ𠮷가 ,.-]{0,20}[张Aa0１]") {
        for (method, of) in METHODS {
            prop_assert!(of(&pseudonyms(1), &real) != real || method == "id_number", "{method}");
        }
        prop_assert!(pseudonyms(1).name(&real).chars().zip(real.chars()).all(
            |(invented, real)| invented != real || matches!(real, ' ' | ',' | '.' | '-')
        ));
    }

    #[test]
    fn another_key_gives_another_text(name in "[张王李赵]{8}", number in "[0-9]{17}X") {
        prop_assert_ne!(pseudonyms(1).name(&name), pseudonyms(2).name(&name));
        prop_assert_ne!(pseudonyms(1).id_number(&number), pseudonyms(2).id_number(&number));
    }

    #[test]
    fn an_id_number_stays_one_of_the_same_sex_and_the_same_correctness(
        digits in "[1-9][0-9]{16}", check in "[0-9Xx]", birth in 0u32..21_915,
    ) {
        let birth = calendar::text_of(711_857 + i64::from(birth) - 10_000);
        let digits = format!("{}{birth}{}", &digits[..6], &digits[14..]);
        let right = format!("{digits}{}", check_digit(&digits).expect("17 digits"));
        for number in [right, format!("{digits}{check}")] {
            let invented = pseudonyms(1).id_number(&number);
            prop_assert!(is_invented_id(&invented), "{invented}");
            prop_assert_eq!(&invented[6..14], pseudonyms(1).birth(&birth));
            prop_assert_eq!(invented.as_bytes()[16] % 2, number.as_bytes()[16] % 2);
            prop_assert_eq!(is_valid(&invented), is_valid(&number));
            prop_assert_ne!(invented, number);
        }
    }

    #[test]
    fn births_become_dates_from_1950_to_2009_and_never_themselves(day in 600_000i64..800_000) {
        let real = calendar::text_of(day);
        let birth = pseudonyms(1).birth(&real);
        prop_assert!(calendar::day_of(&birth).is_some());
        prop_assert!(("1950".."2010").contains(&&birth[..4]), "{birth}");
        prop_assert_ne!(birth, real);
    }

    #[test]
    fn validities_move_together(first in 600_000i64..800_000, span in 0i64..10_000, key: u8) {
        let moved = |day| calendar::day_of(&pseudonyms(key).validity(&calendar::text_of(day)));
        let (begin, end) = (moved(first).expect("a date"), moved(first + span).expect("a date"));
        prop_assert_eq!(end - begin, span);
        prop_assert!((30..400).contains(&(begin - first).abs()), "{}", begin - first);
    }

    #[test]
    fn the_gb18030_of_a_code_is_no_utf8_unless_it_is_ascii(code: String) {
        let invented = gb18030(&pseudonyms(1).code(&code));
        // The one character that GB18030 has no bytes for is written in ASCII.
        prop_assert!(invented.is_ascii() || std::str::from_utf8(&invented).is_err(), "{code:?}");
    }

    #[test]
    fn filler_has_its_length_and_neither_preambles_nor_digits(real: Vec<u8>) {
        let filler = pseudonyms(1).bytes("any", &real);
        prop_assert_eq!(filler.len(), real.len());
        prop_assert!(filler.iter().all(|byte| (0xC1..=0xDF).contains(byte)));
        prop_assert!(real.is_empty() || filler != real);
        let again = pseudonyms(1).bytes("any", &filler);
        prop_assert!(real.is_empty() || again != filler);
        prop_assert!(real.len() < 16 || filler != pseudonyms(1).bytes("other", &real));
    }
}

#[test]
fn everybody_of_the_town_becomes_somebody_else() {
    for person in PEOPLE {
        let text = (person.card)().text;
        for real in [&text.name, &text.english_name, &text.address, &text.id_number, &text.birth] {
            check(real);
        }
        let invented = pseudonyms(1).id_number(&text.id_number);
        assert_ne!(invented, text.id_number);
        if text.id_number.len() == 18 {
            assert!(is_invented_id(&invented) && is_valid(&invented), "{}", person.slug);
        } else {
            assert_eq!(invented[..3], text.id_number[..3]);
        }
    }
}

#[test]
fn classes_are_kept_and_separators_stay() {
    let pseudonyms = pseudonyms(1);
    let shape = |text: &str| -> String {
        let shape = |character: char| match character {
            '0'..='9' => '9',
            'a'..='z' => 'a',
            'A'..='Z' => 'A',
            '０'..='９' => '９',
            '\u{3400}'..='\u{9FFF}' => '中',
            '\u{20000}'..='\u{2FFFF}' => '𠀀',
            other => other,
        };
        text.chars().map(shape).collect()
    };
    for (real, expected) in [
        ("DOE, JANE-Ann", "AAA, AAAA-Aaa"),
        ("阿卜杜拉·艾山", "中中中中·中中"),
        ("𠮷田　一", "𠀀中　中"),
        ("新华路１３８号2单元", "中中中９９９中9中中"),
        ("\u{FFFD}三", "\u{FFFD}中"),
    ] {
        for invented in [pseudonyms.name(real), pseudonyms.address(real), pseudonyms.agency(real)] {
            assert_eq!(shape(&invented), expected);
        }
    }
}

#[test]
fn blank_texts_and_what_never_ends_stay() {
    for (method, of) in METHODS {
        for blank in ["", " ", "　 \t", "\x0B\x0C", "--"] {
            assert_eq!(of(&pseudonyms(1), blank), blank, "{method}");
        }
    }
    assert_eq!(pseudonyms(1).validity("长期"), "长期");
    assert_ne!(pseudonyms(1).validity("20201340"), "20201340");
    assert!(calendar::day_of(&pseudonyms(1).validity("99991231")).is_some());
    assert!(calendar::day_of(&pseudonyms(1).validity("00010101")).is_some());
}

#[test]
fn a_code_that_is_an_id_number_becomes_the_id_number_of_the_card() {
    let pseudonyms = pseudonyms(1);
    let number = "11010519491231002X";
    assert_eq!(pseudonyms.code(number), pseudonyms.id_number(number));
    assert_eq!(pseudonyms.text(number), pseudonyms.id_number(number));
    let code = "https://例.cn/a?b=1#C";
    let invented = pseudonyms.code(code);
    assert!(invented.starts_with("https://"), "{invented}");
    for (real, invented) in code.chars().zip(invented.chars()).skip(8) {
        assert_eq!(real == invented, real.is_ascii_punctuation(), "{real} {invented}");
    }
    assert_eq!(pseudonyms.text(code), invented);
    assert!(pseudonyms.code("HTTP://X").starts_with("HTTP://"));
}

#[test]
fn numbers_that_could_be_somebodys_are_found_in_any_digits() {
    let found =
        |text: &str| -> Vec<String> { real_ids(text).map(|at| text[at].to_owned()).collect() };
    let number = "11010519491231002X";
    assert_eq!(found(number), [number]);
    assert_eq!(found("号:11010519491231002x;"), ["11010519491231002x"]);
    assert_eq!(found("7711010519491231002X"), [number]);
    let wide = "１１０１０５１９４９１２３１００２Ｘ";
    assert_eq!(found(&format!("{wide} {number}")), [wide, number]);
    for none in [
        "",
        "110105194912310021",
        "11010519491231002",
        // No such day, and a check character that fits.
        &format!("11010519491331002{}", check_digit("11010519491331002").expect("digits")),
        // A day, but of no living person.
        &format!("11010518991231002{}", check_digit("11010518991231002").expect("digits")),
        // The invented region.
        "990101199003070023",
        "1101051949 1231002X",
    ] {
        assert_eq!(found(none), Vec::<String>::new(), "{none}");
    }
    assert!(is_invented_id("990101199003070023") && is_invented_id("990101199003070029"));
    for other in [number, "99010119900307002", "99010119900307002A", "9901011990030700231", ""] {
        assert!(!is_invented_id(other), "{other}");
    }
}

#[test]
fn a_long_run_of_digits_never_gets_somebodys_number_by_chance() {
    for key in 0..8 {
        let digits: String = (0..4000).map(|at| char::from(b'0' + (at % 10) as u8)).collect();
        assert_eq!(real_ids(&pseudonyms(key).code(&digits)).next(), None);
        let wide = "１".repeat(4000);
        assert_eq!(real_ids(&pseudonyms(key).text(&wide)).next(), None);
    }
}

/// What a stream of chance would need mending for: one number in some 15,000 places.
#[test]
fn a_number_that_came_by_chance_is_made_impossible() {
    let mut text: Vec<char> = "5511010519491231002X9".chars().collect();
    let mut stream = pseudonyms(1).stream("test", b"");
    let at = numbers::first_real(&text, 0).expect("the specimen");
    numbers::make_impossible(&mut text, at, &mut stream);
    assert_eq!(numbers::first_real(&text, 0), None);
    assert_eq!(text.len(), 21);
}

#[test]
fn every_number_of_a_long_text_is_made_impossible_and_no_other_digit_is_touched() {
    let id = "11010519491231002X";
    let mut text: Vec<char> = format!("12345678 {id}{id}7{id} ").repeat(10).chars().collect();
    let before = text.clone();
    numbers::make_nobodys(&mut text, &mut pseudonyms(1).stream("test", b""));
    assert_eq!(numbers::first_real(&text, 0), None);
    let changed = text.iter().zip(&before).filter(|(now, before)| now != before).count();
    assert!((30..40).contains(&changed), "{changed}");
    // More than chance ever makes: nothing is left of any.
    let mut text: Vec<char> = format!("{id} ").repeat(200).chars().collect();
    numbers::make_nobodys(&mut text, &mut pseudonyms(1).stream("test", b""));
    assert!(text.iter().all(|character| ['0', 'X', ' '].contains(character)));
}

/// 110112201201151006 in BCD: controls and a blank.
#[test]
fn controls_of_a_binary_code_become_controls_that_are_no_digits() {
    let code = "\x11\x01\x12\x20\x12\x01\x15\x10\x06";
    for (method, of) in METHODS {
        let invented = of(&pseudonyms(1), code);
        for (real, invented) in code.chars().zip(invented.chars()) {
            assert_eq!(real == invented, real == ' ', "{method}: {invented:?}");
            assert!("\x0E\x0F\x7F ".contains(invented), "{method}: {invented:?}");
        }
    }
    for kept in ["\t\r\n \x1B\x1C\x1D\x1E\x1F", "\x0B\x0C"] {
        assert_eq!(pseudonyms(1).code(kept), kept);
    }
}

#[test]
fn a_png_keeps_its_length_and_its_size_in_dots() {
    let mut real = io::Cursor::new(Vec::new());
    let picture = image::GrayImage::from_fn(376, 120, |x, y| image::Luma([(x * y % 251) as u8]));
    picture.write_to(&mut real, image::ImageFormat::Png).unwrap();
    let real = real.into_inner();
    let invented = pseudonyms(1).picture(&real);
    assert_eq!(invented.len(), real.len());
    let shown = image::load_from_memory(&invented).unwrap().to_luma8();
    assert_eq!(shown.dimensions(), (376, 120));
    assert!(shown.pixels().all(|pixel| pixel == shown.get_pixel(0, 0)));
    // What is no picture becomes none.
    let invented = pseudonyms(1).picture(b"no picture");
    assert!(invented.len() == 10 && image::load_from_memory(&invented).is_err());
}

#[test]
fn a_jpeg_keeps_its_length_and_its_size_in_dots_and_is_of_one_shade() {
    for (width, height) in [(1, 1), (102, 126), (376, 376), (1920, 1080)] {
        let mut real = io::Cursor::new(Vec::new());
        let dots = |x, y| image::Rgb([(x * y % 251) as u8, (x % 256) as u8, (y % 256) as u8]);
        let picture = image::RgbImage::from_fn(width, height, dots);
        picture.write_to(&mut real, image::ImageFormat::Jpeg).unwrap();
        let real = real.into_inner();
        // Each key another shade.
        for key in 0..20 {
            let invented = pseudonyms(key).picture(&real);
            assert_eq!(invented.len(), real.len());
            let shown = image::load_from_memory(&invented).unwrap().to_luma8();
            assert_eq!(shown.dimensions(), (width, height));
            assert!(shown.pixels().all(|pixel| pixel == shown.get_pixel(0, 0)));
            if width > 1000 {
                break;
            }
        }
    }
    // One without room for so many dots becomes a small one.
    let mut real = io::Cursor::new(Vec::new());
    image::GrayImage::new(2000, 2000).write_to(&mut real, image::ImageFormat::Jpeg).unwrap();
    let real = &real.into_inner()[..400];
    let shown = image::load_from_memory(&pseudonyms(1).jpeg(real)).unwrap();
    assert_eq!((shown.width(), shown.height()), (8, 8));
}

#[test]
fn a_picture_keeps_its_length_to_the_byte_and_can_be_shown() {
    let pseudonyms = pseudonyms(1);
    let mut shortest = None;
    for length in (0..1200).chain([65_000, 66_000, 70_000, 131_500, 200_000]) {
        let real = vec![length as u8; length];
        let jpeg = pseudonyms.jpeg(&real);
        assert_eq!(jpeg.len(), length);
        match image::load_from_memory(&jpeg) {
            Ok(picture) => {
                shortest = shortest.or(Some(length));
                let grey = picture.to_luma8();
                assert!(grey.pixels().all(|pixel| pixel == grey.get_pixel(0, 0)), "{length}");
            }
            Err(error) => assert!(shortest.is_none() && length < 500, "{length}: {error}"),
        }
    }
    assert!(shortest.is_some());
    assert_ne!(pseudonyms.jpeg(&[1; 2000]), pseudonyms.jpeg(&[2; 2000]));
    assert_eq!(pseudonyms.jpeg(&[]), []);
}

#[test]
fn a_photo_becomes_filler_that_no_decoder_takes_for_one() {
    let photo = crate::id_card::people::synthetic_photo(1);
    let invented = pseudonyms(1).wlt(&photo);
    assert_eq!(invented.len(), photo.len());
    assert_ne!(invented[..2], *b"WL");
    assert_eq!(invented, pseudonyms(1).wlt(&photo));
}

#[test]
fn random_keys_differ() {
    let [one, other] = [(); 2].map(|()| Pseudonyms::random().expect("a source of chance"));
    assert_ne!(one.bytes("any", &[0; 32]), other.bytes("any", &[0; 32]));
}
