//! Pictures.

use std::io::Cursor;

use hharome_hardware::receipt::layout::{Align, Item};
use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgba, RgbaImage};

use crate::{aligned, check, lay_out, paper, picture};

fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).expect("a file");
    file.into_inner()
}

fn png(picture: impl Into<DynamicImage>) -> Vec<u8> {
    file(picture, ImageFormat::Png)
}

/// Something like a code: modules of one pixel, every other column black, and a solid corner.
fn code(modules: u32) -> GrayImage {
    GrayImage::from_fn(modules, modules, |x, y| {
        Luma([if (x * 7 + y * 5 + x * y) % 3 == 0 || (x < 4 && y < 4) { 0 } else { 255 }])
    })
}

/// Something like a photo: all tones, softly.
fn photo(width: u32, height: u32) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| {
        let (x, y) = (f64::from(x) / f64::from(width), f64::from(y) / f64::from(height));
        Luma([(x * 200.0 + (y * 9.0).sin().abs() * 55.0) as u8])
    })
}

fn print(item: Item) -> GrayImage {
    paper(lay_out(vec![item]).bands(24))
}

fn share_of_black(printed: &GrayImage) -> f64 {
    let black = printed.pixels().filter(|dot| dot.0[0] == 0).count();
    black as f64 / f64::from(printed.width() * printed.height())
}

#[test]
fn photos_are_dithered_codes_are_not_and_nothing_transparent_is_black() {
    let transparent = RgbaImage::from_fn(60, 60, |x, y| {
        Rgba([0, 0, 0, if x.abs_diff(30) + y.abs_diff(30) < 20 { 255 } else { 0 }])
    });
    check(
        "pictures",
        vec![
            picture(png(photo(192, 96)), None, None),
            aligned(picture(png(code(21)), Some(126), None), Align::Center),
            aligned(picture(png(transparent), None, None), Align::Right),
            picture(file(photo(768, 64), ImageFormat::Jpeg), None, None),
        ],
    );
}

#[test]
fn a_code_is_enlarged_in_whole_dots() {
    let code = code(29);
    let printed = print(picture(png(code.clone()), Some(29 * 8), None));
    for (x, y, dot) in printed.enumerate_pixels().filter(|(x, ..)| *x < 29 * 8) {
        assert_eq!(dot, code.get_pixel(x / 8, y / 8), "at {x}, {y}");
    }
}

#[test]
fn a_code_with_soft_edges_or_in_colour_is_black_and_white() {
    let sharp = GrayImage::from_fn(120, 120, |x, y| *code(24).get_pixel(x / 5, y / 5));
    let soft = image::imageops::blur(&sharp, 0.8);
    let jpeg = file(soft, ImageFormat::Jpeg);
    let printed = print(picture(jpeg, None, None));
    let inner = |x: u32, y: u32| (x % 5, y % 5) == (2, 2) && x < 120;
    for (x, y, dot) in printed.enumerate_pixels().filter(|(x, y, _)| inner(*x, *y)) {
        assert_eq!(dot, sharp.get_pixel(x, y), "at {x}, {y}");
    }
    // Light blue on white: its luma is over the middle.
    let blue = RgbaImage::from_fn(24, 24, |x, y| match code(24).get_pixel(x, y).0[0] {
        0 => Rgba([90, 170, 255, 255]),
        _ => Rgba([255; 4]),
    });
    assert_eq!(print(picture(png(blue), None, None)), print(picture(png(code(24)), None, None)));
}

#[test]
fn a_dithered_picture_is_as_dark_as_its_tones() {
    for tone in [32, 96, 128, 200, 240] {
        let even = GrayImage::from_pixel(384, 96, Luma([tone]));
        let black = share_of_black(&print(picture(png(even), None, None)));
        let wanted = 1.0 - f64::from(tone) / 255.0;
        assert!((black - wanted).abs() < 0.01, "{tone}: {black} of {wanted}");
    }
}

#[test]
fn the_size_is_as_asked_for_but_never_wider_than_the_paper() {
    // The picture, the size that is asked for, the size that is printed.
    for (own, asked, printed) in [
        ((100, 50), (None, None), (100, 50)),
        ((100, 50), (Some(200), None), (200, 100)),
        ((100, 50), (None, Some(25)), (50, 25)),
        ((100, 50), (Some(30), Some(60)), (30, 60)),
        ((768, 100), (None, None), (384, 50)),
        ((100, 50), (Some(768), None), (384, 192)),
        ((100, 50), (Some(768), Some(768)), (384, 384)),
        ((1000, 1), (None, None), (384, 1)),
        ((3, 3), (Some(384), None), (384, 384)),
    ] {
        let black = GrayImage::from_pixel(own.0, own.1, Luma([0]));
        let dots = print(picture(png(black), asked.0, asked.1));
        assert_eq!(dots.height(), printed.1, "{own:?} {asked:?}");
        let width = dots.rows().next().unwrap().filter(|dot| dot.0[0] == 0).count();
        assert_eq!(width, printed.0, "{own:?} {asked:?}");
    }
}

#[test]
fn a_picture_stands_where_it_is_aligned() {
    for (align, left) in [(Align::Left, 0), (Align::Center, 142), (Align::Right, 284)] {
        let black = GrayImage::from_pixel(100, 2, Luma([0]));
        let printed = print(aligned(picture(png(black), None, None), align));
        let expected = GrayImage::from_fn(384, 2, |x, _| {
            Luma([if (left..left + 100).contains(&x) { 0 } else { 255 }])
        });
        assert_eq!(printed, expected, "{align:?}");
    }
}

#[test]
fn every_kind_of_picture_file_is_printed() {
    let expected = print(picture(png(code(24)), None, None));
    for format in [ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::WebP] {
        // GIF has palettes of colours, WebP is without loss here.
        let colours = DynamicImage::from(code(24)).into_rgba8();
        assert_eq!(print(picture(file(colours, format), None, None)), expected, "{format:?}");
    }
}

#[test]
fn a_picture_stands_below_the_text_of_its_entry() {
    let mut item = crate::text("文");
    item.image = picture(png(GrayImage::from_pixel(8, 5, Luma([0]))), None, None).image;
    let printed = print(item);
    assert_eq!(printed.height(), 33 + 5);
    assert!((33..38).all(|y| printed.get_pixel(0, y).0[0] == 0));
}
