//! What programs that are none of ours make of a receipt: npos of its ESC/POS, zbarimg of its code.

use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use hharome_hardware::receipt::escpos::{Cut, Profile, encode};
use hharome_hardware::receipt::layout::{Align, Item};
use image::imageops::{FilterType, blur, resize};
use image::{GrayImage, ImageFormat, Luma, Rgba, RgbaImage};
use tempfile::TempDir;

use crate::{aligned, bold, lay_out, paper, picture, sized, text};

/// What the code beside this file says.
const SAYS: &str = "https://example.invalid/receipt?no=000123&sum=41.50";

fn code() -> GrayImage {
    image::load_from_memory(include_bytes!("code.png")).expect("a PNG").into_luma8()
}

fn file(picture: &GrayImage, format: ImageFormat) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    picture.write_to(&mut file, format).expect("a file");
    file.into_inner()
}

fn run(command: &mut Command) -> String {
    let output = command.output().expect("scripts/setup.sh test installs it");
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {words}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn another_decoder_sees_the_same_dots() {
    let items = || {
        vec![
            aligned(bold(sized("云岭社区卫生服务站", 36)), Align::Center),
            text("挂号费            5.00\n\n\n\n\n合计"),
            aligned(picture(file(&code(), ImageFormat::Png), Some(148), None), Align::Center),
        ]
    };
    let printed = paper(lay_out(items()).bands(24));
    let dot = |dot: &Luma<u8>| if dot.0[0] == 0 { '1' } else { '0' };
    let mut expected: Vec<String> = printed.rows().map(|row| row.map(dot).collect()).collect();
    // The white at the end is left out.
    let ink = |row: &String| row.contains('1');
    expected.truncate(expected.iter().rposition(ink).expect("ink") + 1);
    let folder = TempDir::new().expect("a folder");
    let (bytes, here) = (folder.path().join("receipt"), Path::new(env!("CARGO_MANIFEST_DIR")));
    // The folder in which cargo and scripts/setup.sh put what they make.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder");
    for feeds_white in [false, true] {
        let profile = Profile { band_rows: 24, feeds_white, cut: Cut::Partial, feed_dots: 0 };
        let job = encode(lay_out(items()).bands(profile.band_rows), &profile);
        std::fs::write(&bytes, job.blocks.into_iter().flat_map(|b| b.bytes).collect::<Vec<_>>())
            .expect("a file");
        let seen = run(Command::new("node")
            .arg(here.join("tests/layout/npos.js"))
            .arg(&bytes)
            .env("NODE_PATH", target.join("npos/node_modules")));
        let mut seen: Vec<_> = seen.lines().collect();
        let others = seen.pop().expect("the last line");
        assert_eq!(others, "", "commands besides dots and feeds");
        assert_eq!(seen.len(), expected.len(), "feeds_white = {feeds_white}");
        for (row, (seen, expected)) in seen.iter().zip(&expected).enumerate() {
            // White at the end of a row need not be sent.
            let (seen, expected) = (seen.trim_end_matches('0'), expected.trim_end_matches('0'));
            assert_eq!(seen, expected, "row {row}, feeds_white = {feeds_white}");
        }
    }
}

/// What zbarimg reads on a receipt with such a picture.
fn read(item: Item) -> String {
    let printed = paper(lay_out(vec![text("扫码查看"), item, text("谢谢")]).bands(24));
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("paper.png");
    printed.save(&path).expect("a file");
    run(Command::new("zbarimg")
        .args(["--quiet", "--raw", "-Sdisable", "-Sqrcode.enable"])
        .arg(path))
}

#[test]
fn a_code_on_paper_is_read_back_whatever_it_came_as() {
    let code = code();
    let png = file(&code, ImageFormat::Png);
    let side = code.width();
    // In whole dots, and in others.
    for width in [side * 3, side * 4 + 9, 200, 376] {
        let width = u16::try_from(width).expect("a width");
        assert_eq!(read(picture(png.clone(), Some(width), None)).trim_end(), SAYS, "{width} dots");
    }
    // Larger than it is printed, with soft edges, also as JPEG.
    let large = blur(&resize(&code, side * 17, side * 17, FilterType::Nearest), 2.0);
    for format in [ImageFormat::Png, ImageFormat::Jpeg] {
        let file = file(&large, format);
        assert_eq!(read(picture(file, Some(300), None)).trim_end(), SAYS, "{format:?}");
    }
}

#[test]
fn a_code_with_soft_edges_is_printed_with_sharp_ones_and_read_back() {
    let code = code();
    let side = code.width();
    // Drawn at an odd size, as pages and programs do: most edges are some grey between the two tones.
    for (factor, filter) in
        [(2.3, FilterType::CatmullRom), (3.4, FilterType::Triangle), (6.6, FilterType::Lanczos3)]
    {
        let soft_side = (f64::from(side) * factor).round() as u32;
        let soft = resize(&code, soft_side, soft_side, filter);
        let greys = soft.pixels().filter(|pixel| (8..248).contains(&pixel.0[0])).count();
        assert!(greys * 10 > soft.len(), "{factor}: {greys} of {}", soft.len());
        for (format, width) in [
            (ImageFormat::Png, None),
            (ImageFormat::Png, Some(300)),
            (ImageFormat::Jpeg, Some(376)),
            (ImageFormat::Jpeg, Some(150)),
        ] {
            let item = picture(file(&soft, format), width, None);
            assert_eq!(read(item).trim_end(), SAYS, "{factor}, {format:?}, {width:?} dots");
        }
    }
    // Grey, with edges that are half transparent.
    let pale = resize(&code, side * 5 + 3, side * 5 + 3, FilterType::Triangle);
    let tones = RgbaImage::from_fn(pale.width(), pale.height(), |x, y| {
        Rgba([60, 60, 60, 255 - pale.get_pixel(x, y).0[0]])
    });
    let mut png = Cursor::new(Vec::new());
    tones.write_to(&mut png, ImageFormat::Png).expect("a file");
    assert_eq!(read(picture(png.into_inner(), Some(240), None)).trim_end(), SAYS);
}
