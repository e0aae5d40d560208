//! What is refused, and in which words.

use hharome_hardware::receipt::layout::{FontSettings, Item, LayoutError, Limits, Typesetter};

use crate::{fonts, picture, sized, text};

fn refusal(items: Vec<Item>) -> LayoutError {
    let refused = Typesetter::new(fonts()).lay_out(items, 384, &Limits::default());
    refused.err().expect("a refusal")
}

/// The head of a PNG of that size, and nothing more.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let black = image::GrayImage::new(1, 1);
    let mut file = std::io::Cursor::new(Vec::new());
    black.write_to(&mut file, image::ImageFormat::Png).expect("a file");
    let mut file = file.into_inner();
    // The first chunk is IHDR: its size, its name, width and height.
    file[16..20].copy_from_slice(&width.to_be_bytes());
    file[20..24].copy_from_slice(&height.to_be_bytes());
    let check = file[12..29].iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    });
    file[29..33].copy_from_slice(&(!check).to_be_bytes());
    file
}

#[test]
fn a_receipt_of_over_three_metres_is_refused_wherever_it_gets_too_long() {
    let line = "行";
    // 730 lines of 33 rows are too many by 90 rows.
    let items = vec![text(line); 730];
    let error = refusal(items);
    assert!(matches!(error, LayoutError::Rows { item: 727, most: 24_000 }), "{error:?}");
    assert_eq!(error.to_string(), "printList[727]: the receipt is longer than 24000 rows of dots");
    let error = refusal(vec![text(line), text(&"\n".repeat(10_000))]);
    assert!(matches!(error, LayoutError::Rows { item: 1, .. }), "{error:?}");
    assert!(
        Typesetter::new(fonts()).lay_out(vec![text(line); 727], 384, &Limits::default()).is_ok()
    );
}

#[test]
fn a_picture_that_would_be_too_long_is_refused_before_it_is_scaled() {
    let thin = image::GrayImage::new(1, 1000);
    let mut file = std::io::Cursor::new(Vec::new());
    thin.write_to(&mut file, image::ImageFormat::Png).expect("a file");
    let error = refusal(vec![picture(file.into_inner(), Some(384), None)]);
    assert!(matches!(error, LayoutError::Rows { item: 0, .. }), "{error:?}");
}

#[test]
fn too_many_characters_are_refused_before_any_is_set() {
    let error = refusal(vec![sized(&"字".repeat(99_999), 1), sized("字字", 1)]);
    assert!(matches!(error, LayoutError::Characters { item: 1, most: 100_000 }), "{error:?}");
    assert_eq!(error.to_string(), "printList[1].text: the receipt has more than 100000 characters");
}

#[test]
fn a_broken_or_huge_picture_is_named_by_its_place() {
    let error = refusal(vec![text("a"), picture(png_header(30_000, 30_000), None, None)]);
    assert_eq!(
        error.to_string(),
        "printList[1].imageBase64: 30000x30000 pixels are too many: at most 16000000 are allowed"
    );
    let error = refusal(vec![picture(b"GIF89a".to_vec(), None, None)]);
    assert!(
        error.to_string().starts_with("printList[0].imageBase64: a GIF that cannot be"),
        "{error}"
    );
    let error = refusal(vec![picture(b"no picture".to_vec(), None, None)]);
    assert!(error.to_string().contains("expected a picture"), "{error}");
}

#[test]
fn no_error_holds_the_text() {
    let secret = "张三".repeat(60_000);
    let error = refusal(vec![text(&secret)]);
    assert!(!format!("{error} {error:?}").contains('张'));
}

#[test]
fn without_fonts_a_text_is_refused_with_the_package_to_install_and_pictures_are_printed() {
    let none = FontSettings { folders: vec!["/nowhere".into()], ..FontSettings::default() };
    let typesetter = Typesetter::new(none);
    let lay_out = |item| typesetter.lay_out(vec![item], 384, &Limits::default());
    let error = lay_out(text("a")).err().expect("no font");
    assert_eq!(error.to_string(), "no font is installed: apt-get install fonts-wqy-zenhei");
    let dot = image::GrayImage::new(1, 1);
    let mut file = std::io::Cursor::new(Vec::new());
    dot.write_to(&mut file, image::ImageFormat::Png).expect("a file");
    assert!(lay_out(picture(file.into_inner(), None, None)).is_ok());
}

#[test]
fn configured_fonts_come_first_by_file_and_by_family() {
    let rows = |settings: FontSettings| {
        let page = Typesetter::new(settings).lay_out(
            vec![sized(&"i".repeat(50), 24)],
            384,
            &Limits::default(),
        );
        page.unwrap().rows()
    };
    // Fifty thin letters: two lines where all letters are half a square wide, else one.
    assert_eq!(rows(fonts()), 60);
    let families = vec!["wenquanyi zen hei".to_owned()];
    assert_eq!(rows(FontSettings { families, ..fonts() }), 30);
    let files = vec!["/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf".into()];
    assert_eq!(rows(FontSettings { files, ..fonts() }), 30);
    // What is not there is warned of, and others are taken.
    let settings = FontSettings {
        families: vec!["No Such Family".to_owned()],
        files: vec!["/nowhere/font.ttf".into()],
        ..fonts()
    };
    assert_eq!(rows(settings), 60);
}
