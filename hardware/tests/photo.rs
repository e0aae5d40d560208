//! The photo decoder against libraries that work, and against all that such libraries do instead.
//!
//! Each library is built here from one C file by the C compiler that also links this test. These
//! tests run in real time: processes do not care for a paused clock.

#![expect(clippy::expect_used, reason = "a test helper that fails fails its test")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use hharome_hardware::id_card::people::synthetic_photo;
use hharome_hardware::id_card::photo::{PhotoDecoder, PhotoError};
use tempfile::TempDir;

/// Ample for a process on a busy machine; only failures take that long.
const AMPLE: Duration = Duration::from_secs(30);

/// The example that serves as helper, beside this test in the target folder.
fn helper() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let target = test.parent().and_then(Path::parent).expect("it lies in target/…/deps");
    let helper = target.join("examples/photo_helper");
    assert!(helper.exists(), "no helper: `cargo build --example photo_helper` first");
    helper
}

/// Builds the library that behaves as `mode` says, with further definitions for the compiler.
fn library(folder: &TempDir, mode: &str, definitions: &[String]) -> PathBuf {
    let library = folder.path().join("libphoto.so");
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(format!("-DMODE_{mode}"))
        .args(definitions)
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/photo_library.c"))
        .status()
        .expect("a C compiler named cc");
    assert!(status.success(), "cc ended with {status}");
    library
}

/// A decoder with such a library; the folder must be kept as long as it.
fn decoder(mode: &str) -> (PhotoDecoder, TempDir) {
    let folder = TempDir::new().expect("a folder");
    let library = library(&folder, mode, &[]);
    (PhotoDecoder::new(helper(), library).with_limit(AMPLE), folder)
}

/// The failure of a library that behaves as `mode` says; it must name the library.
async fn failure(mode: &str) -> PhotoError {
    let (decoder, _folder) = decoder(mode);
    let failed = decoder.jpeg(&synthetic_photo(1)).await.expect_err(mode);
    assert!(failed.to_string().contains("libphoto.so"), "{failed}");
    failed
}

/// Red and green above, blue and white below, as the C file draws it.
fn check_picture(jpeg: &[u8]) {
    let picture = image::load_from_memory_with_format(jpeg, image::ImageFormat::Jpeg)
        .expect("a JPEG")
        .into_rgb8();
    assert_eq!(picture.dimensions(), (102, 126));
    let fields = [
        ((20, 20), [255, 0, 0]),
        ((80, 20), [0, 255, 0]),
        ((20, 100), [0, 0, 255]),
        ((80, 100), [255, 255, 255]),
    ];
    for ((x, y), colour) in fields {
        let pixel = picture.get_pixel(x, y).0;
        let near = pixel.iter().zip(colour).all(|(is, should)| is.abs_diff(should) < 12);
        assert!(near, "at {x},{y} is {pixel:?}, not {colour:?}");
    }
}

async fn decodes(mode: &str) {
    let (decoder, _folder) = decoder(mode);
    check_picture(&decoder.jpeg(&synthetic_photo(1)).await.expect(mode));
}

#[tokio::test]
async fn raw_pixels_become_a_picture_the_right_way_up() {
    decodes("RAW").await;
}

#[tokio::test]
async fn a_whole_bmp_becomes_the_same_picture() {
    decodes("BMP").await;
}

#[tokio::test]
async fn a_bmp_saved_as_a_file_becomes_the_same_picture_and_is_not_left_behind() {
    decodes("FILE").await;
    assert!(!Path::new("zp.bmp").exists());
    let ours = format!("hharome-photo-{}-", std::process::id());
    let left = std::fs::read_dir(std::env::temp_dir())
        .expect("a folder")
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&ours))
        .filter(|entry| entry.path().join("zp.bmp").exists())
        .count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn what_a_library_prints_does_not_disturb() {
    decodes("TALKS").await;
}

#[tokio::test]
async fn a_library_that_wants_a_mode_gets_it() {
    let (decoder, _folder) = decoder("VENDOR");
    let failed = decoder.jpeg(&synthetic_photo(1)).await.expect_err("mode 0");
    assert!(matches!(failed, PhotoError::Returned { code: 0, mode: 0, .. }), "{failed}");
    let decoder = decoder.with_mode(158);
    check_picture(&decoder.jpeg(&synthetic_photo(1)).await.expect("mode 158"));
}

#[tokio::test]
async fn only_one_photo_is_decoded_at_a_time() {
    let folder = TempDir::new().expect("a folder");
    let lock = format!("-DLOCK=\"{}\"", folder.path().join("lock").display());
    let library = library(&folder, "ALONE", &[lock]);
    let decoder = PhotoDecoder::new(helper(), library).with_limit(AMPLE);
    let (first, second) = (synthetic_photo(1), synthetic_photo(2));
    let (first, second) = tokio::join!(decoder.jpeg(&first), decoder.jpeg(&second));
    check_picture(&first.expect("the first"));
    check_picture(&second.expect("the second"));
}

#[tokio::test]
async fn a_crash_costs_one_photo_and_is_named_by_its_signal() {
    let failed = failure("CRASHES").await;
    assert!(matches!(failed, PhotoError::Crashed { signal: 11, .. }), "{failed}");
}

#[tokio::test]
async fn a_hang_ends_with_the_time_limit_and_with_the_helper() {
    let folder = TempDir::new().expect("a folder");
    let pid_file = folder.path().join("pid");
    let definition = format!("-DPID_FILE=\"{}\"", pid_file.display());
    let library = library(&folder, "HANGS", &[definition]);
    let limit = Duration::from_millis(300);
    let decoder = PhotoDecoder::new(helper(), library).with_limit(limit);
    let begun = Instant::now();
    let failed = decoder.jpeg(&synthetic_photo(1)).await.expect_err("a hang");
    let taken = begun.elapsed();
    assert!(matches!(failed, PhotoError::TimedOut { .. }), "{failed}");
    assert!(failed.to_string().contains("300 ms"), "{failed}");
    assert!(taken >= limit && taken < AMPLE, "{taken:?}");
    // The library has said who it is before it hung, unless the machine was too slow for that.
    let pid = std::fs::read_to_string(pid_file).unwrap_or_default();
    if pid.parse::<u32>().is_ok() {
        assert!(!Path::new("/proc").join(pid).exists(), "the helper is still there");
    }
}

#[tokio::test]
async fn a_library_that_leaves_a_process_behind_gives_its_photo_all_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let library = library(&folder, "FORKS", &[]);
    let decoder = PhotoDecoder::new(helper(), library).with_limit(AMPLE);
    assert!(decoder.jpeg(&synthetic_photo(1)).await.is_ok());
}

#[tokio::test]
async fn a_refusal_is_told_with_its_code() {
    let failed = failure("REFUSES").await;
    assert!(matches!(failed, PhotoError::Returned { code: -5, .. }), "{failed}");
}

#[tokio::test]
async fn success_without_a_picture_is_a_failure() {
    assert!(matches!(failure("NOTHING").await, PhotoError::NoPicture { .. }));
    assert!(matches!(failure("EXITS").await, PhotoError::NoPicture { .. }));
}

#[tokio::test]
async fn a_library_that_ends_the_process_is_told_with_the_exit_code() {
    let failed = failure("EXITS_BADLY").await;
    assert!(matches!(failed, PhotoError::Ended { .. }), "{failed}");
    assert!(failed.to_string().contains('9'), "{failed}");
}

#[tokio::test]
async fn a_library_without_the_function_is_told_so() {
    let failed = failure("OTHER").await;
    assert!(matches!(failed, PhotoError::Symbol { .. }), "{failed}");
    assert!(failed.to_string().contains("unpack"), "{failed}");
}

#[tokio::test]
async fn a_library_that_is_not_there_is_told_in_the_loaders_words() {
    let decoder = PhotoDecoder::new(helper(), "/nowhere/libphoto.so").with_limit(AMPLE);
    for failed in [
        decoder.jpeg(&synthetic_photo(1)).await.expect_err("no library"),
        decoder.probe().await.expect_err("no library"),
    ] {
        assert!(matches!(failed, PhotoError::Load { .. }), "{failed}");
        assert!(failed.to_string().contains("No such file"), "{failed}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_library_is_told_in_the_loaders_words() {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("libphoto.so");
    std::fs::write(&file, "MZ, as a Windows library begins").expect("a file");
    let failed =
        PhotoDecoder::new(helper(), file).with_limit(AMPLE).probe().await.expect_err("no library");
    assert!(matches!(failed, PhotoError::Load { .. }), "{failed}");
}

#[tokio::test]
async fn a_probe_loads_the_library_and_asks_nothing_of_it() {
    // This one would crash if it were asked.
    let (decoder, _folder) = decoder("CRASHES");
    decoder.probe().await.expect("it can be loaded and has the function");
    let (decoder, _folder) = self::decoder("OTHER");
    let failed = decoder.probe().await.expect_err("no such function");
    assert!(matches!(failed, PhotoError::Symbol { .. }), "{failed}");
}

#[tokio::test]
async fn a_photo_of_another_size_is_refused_without_a_helper() {
    let decoder = PhotoDecoder::new("/nowhere/helper", "/nowhere/libphoto.so");
    for size in [0, 1023, 1025] {
        let failed = decoder.jpeg(&vec![0; size]).await.expect_err("no WLT");
        assert!(matches!(failed, PhotoError::Size { got } if got == size), "{failed}");
    }
}

#[tokio::test]
async fn a_helper_that_is_not_there_is_told_by_its_path() {
    let decoder = PhotoDecoder::new("/nowhere/helper", "/nowhere/libphoto.so");
    let failed = decoder.jpeg(&synthetic_photo(1)).await.expect_err("no helper");
    assert!(matches!(failed, PhotoError::Helper { .. }), "{failed}");
    assert!(failed.to_string().contains("/nowhere/helper"), "{failed}");
}

#[tokio::test]
async fn no_failure_shows_what_is_in_the_photo() {
    // The photo's bytes as they would look in a debug print.
    let photo = format!("{:?}", &synthetic_photo(1)[..8]);
    for mode in ["CRASHES", "REFUSES", "NOTHING", "OTHER", "EXITS_BADLY"] {
        let failed = failure(mode).await;
        let said = format!("{failed} {failed:?}");
        assert!(!said.contains(photo.trim_matches(['[', ']'])), "{said}");
    }
}
