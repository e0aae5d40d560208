//! Receipts as dots, beside pictures of what they should look like, in Debian's fonts
//! `fonts-wqy-zenhei` and `fonts-dejavu-core` (`scripts/setup.sh test` installs both).
//!
//! A receipt that looks different from its picture fails, and the failure says where the new picture
//! is. If the change is meant, look at it, and put it in the place of the old one.

#![expect(clippy::expect_used, clippy::panic, reason = "a test helper that fails fails its test")]

mod bounds;
mod decoders;
mod pictures;
mod texts;

use std::path::{Path, PathBuf};

use hharome_hardware::receipt::layout::{
    Align, Band, FontSettings, Image, Item, Limits, Page, Text, Typesetter,
};
use image::GrayImage;

/// The fonts of the pictures and no others that a machine may have.
fn fonts() -> FontSettings {
    let folders = ["/usr/share/fonts/truetype/wqy", "/usr/share/fonts/truetype/dejavu"];
    let folders: Vec<_> = folders.map(PathBuf::from).into();
    for folder in &folders {
        assert!(folder.exists(), "no {}: scripts/setup.sh test", folder.display());
    }
    FontSettings { folders, ..FontSettings::default() }
}

fn text(text: &str) -> Item {
    sized(text, 26)
}

fn sized(text: &str, size: u16) -> Item {
    let text = Some(Text { text: text.to_owned(), size, bold: false });
    Item { text, image: None, align: Align::Left }
}

fn bold(mut item: Item) -> Item {
    item.text.as_mut().expect("a text").bold = true;
    item
}

fn aligned(mut item: Item, align: Align) -> Item {
    item.align = align;
    item
}

fn picture(bytes: Vec<u8>, width: Option<u16>, height: Option<u16>) -> Item {
    Item { text: None, image: Some(Image { bytes, width, height }), align: Align::Left }
}

/// Lays out for paper of 58 mm.
fn lay_out(items: Vec<Item>) -> Page {
    Typesetter::new(fonts()).lay_out(items, 384, &Limits::default()).expect("a receipt")
}

/// What a printer prints of these bands.
fn paper(bands: impl Iterator<Item = Band>) -> GrayImage {
    let (mut dots, mut rows, mut width) = (Vec::new(), 0, 0);
    for band in bands {
        assert_eq!(band.bits.len(), usize::from(band.rows) * band.width_bytes);
        rows += u32::from(band.rows);
        width = band.width_bytes * 8;
        let dot = |byte: u8, place: u32| if byte & (0x80 >> place) == 0 { 255 } else { 0 };
        dots.extend(band.bits.iter().flat_map(|byte| (0..8).map(move |place| dot(*byte, place))));
    }
    GrayImage::from_raw(u32::try_from(width).expect("a width"), rows, dots).expect("all dots")
}

/// Compares a receipt with the picture of that name beside this file.
fn check(name: &str, items: Vec<Item>) {
    let page = lay_out(items);
    let rows = page.rows();
    let printed = paper(page.bands(24));
    assert_eq!(printed.height(), rows, "what was measured is what is printed");
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/layout").join(name);
    let golden = golden.with_extension("png");
    let expected = image::open(&golden).map(image::DynamicImage::into_luma8);
    if expected.as_ref().is_ok_and(|expected| *expected == printed) {
        return;
    }
    let actual = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name).with_extension("png");
    printed.save(&actual).expect("a place for the new picture");
    panic!("{name}: {} is not {}", actual.display(), golden.display());
}
