//! The card's photo: with a vendor's library that works, with one that does not, and without.

use std::path::Path;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use tempfile::TempDir;

use crate::fixture::{Daemon, finish, hharome};
use crate::id_card::{ASK, SECTION, zhang_sans_data};
use crate::sam_v::{Chip, Reader, zhang_san};

/// Builds a library of the `unpack` ABI that behaves as `mode` says, as `photo.so` in `folder`.
fn build(folder: &Path, mode: &str) {
    let status = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(folder.join("photo.so"))
        .arg(format!("-DMODE_{mode}"))
        .arg(format!("-DPID_FILE=\"{}\"", folder.join("pid").display()))
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/hardware/tests/photo_library.c"))
        .status()
        .expect("a C compiler named cc");
    assert!(status.success(), "cc ended with {status}");
}

/// What a chip holds: the head of a WLT, and a pattern.
fn photo() -> Vec<u8> {
    let head = [0x57, 0x4C, 0x66, 0x00, 0x7E, 0x00, 0x32, 0x00, 0x00, 0xFF, 0x85];
    head.into_iter().chain((0..).map(|n: u32| (n * 37 % 251) as u8)).take(1024).collect()
}

/// A daemon, and its reply for a card, with a library that behaves as `mode` says and further
/// lines in the reader's section.
async fn reply_with(mode: Option<&str>, lines: &str) -> (Daemon, Value) {
    let folder = TempDir::new().expect("a folder");
    let mut section = SECTION.to_owned();
    if let Some(mode) = mode {
        build(folder.path(), mode);
        section.push_str("photo_decoder = \"{dir}/photo.so\"\n");
    }
    section.push_str(lines);
    let reader = Reader::new(&folder.path().join("reader"));
    let daemon = Daemon::start_in(folder, "", &section).await;
    daemon.ready("id_card").await;
    reader.put(Chip { photo: photo(), ..Chip::new(zhang_san()) });
    let reply = daemon.unix().await.ask(ASK).await;
    (daemon, reply)
}

#[tokio::test]
async fn a_vendors_library_makes_the_photo_a_jpeg() {
    let (_daemon, reply) = reply_with(Some("RAW"), "photo_limit_ms = 60000\n").await;
    let text = reply["data"]["photoBase64"].as_str().expect("a string");
    assert!(!text.contains(['\n', '\r']));
    let jpeg = STANDARD.decode(text).expect("base64");
    assert!(jpeg.starts_with(&[0xFF, 0xD8, 0xFF]), "{:02X?}", &jpeg[..4]);
    let picture = image::load_from_memory_with_format(&jpeg, image::ImageFormat::Jpeg);
    let picture = picture.expect("a JPEG").into_rgb8();
    assert_eq!(picture.dimensions(), (102, 126));
    // The library draws red above on the left, and white below on the right.
    let near = |(x, y), colour: [u8; 3]| {
        let pixel = picture.get_pixel(x, y).0;
        assert!(pixel.iter().zip(colour).all(|(is, want)| is.abs_diff(want) < 12), "{pixel:?}");
    };
    near((20, 20), [255, 0, 0]);
    near((80, 100), [255, 255, 255]);
    let mut rest = reply["data"].clone();
    rest["photoBase64"] = "".into();
    assert_eq!(rest, zhang_sans_data());
}

#[tokio::test]
async fn a_listener_gets_the_photo_too() {
    let folder = TempDir::new().expect("a folder");
    build(folder.path(), "BMP");
    let reader = Reader::new(&folder.path().join("reader"));
    let section =
        format!("{SECTION}photo_decoder = \"{{dir}}/photo.so\"\nphoto_limit_ms = 60000\n");
    let daemon = Daemon::start_in(folder, "", &section).await;
    daemon.ready("id_card").await;
    let mut client = daemon.unix().await;
    client.on("initIDCardListener").await;
    reader.put(Chip { photo: photo(), ..Chip::new(zhang_san()) });
    let event = client.next().await;
    let jpeg = STANDARD.decode(event["data"]["photoBase64"].as_str().expect("a string"));
    assert!(jpeg.expect("base64").starts_with(&[0xFF, 0xD8, 0xFF]));
}

#[tokio::test]
async fn a_library_that_crashes_costs_the_photo_and_nothing_else() {
    let (mut daemon, reply) = reply_with(Some("CRASHES"), "photo_limit_ms = 60000\n").await;
    assert_eq!(reply["data"], zhang_sans_data());
    let said = daemon.said("a photo is left empty").await;
    assert!(said.contains("photo.so"), "{said}");
    let again = daemon.unix().await.ask(r#"{"action":"getDeviceInfo","taskId":1}"#).await;
    assert_eq!(again["success"], true);
}

#[tokio::test]
async fn a_library_that_hangs_costs_the_photo_and_nothing_else() {
    let (mut daemon, reply) = reply_with(Some("HANGS"), "photo_limit_ms = 300\n").await;
    assert_eq!(reply["data"], zhang_sans_data());
    daemon.said("a photo is left empty").await;
    // The library has said who it is before it hung, unless the machine was too slow for that.
    let pid = std::fs::read_to_string(daemon.folder().join("pid")).unwrap_or_default();
    if pid.parse::<u32>().is_ok() {
        assert!(!Path::new("/proc").join(pid).exists(), "the helper is still there");
    }
}

#[tokio::test]
async fn a_photo_that_takes_longer_than_the_call_may_is_left_out() {
    let lines = "photo_limit_ms = 60000\n";
    let (_daemon, reply) =
        reply_with(Some("HANGS"), &format!("{lines}[timeouts]\nid_card = 1000\n")).await;
    assert_eq!(reply["data"], zhang_sans_data());
}

#[tokio::test]
async fn a_library_that_refuses_costs_the_photo_and_nothing_else() {
    let (_daemon, reply) = reply_with(Some("REFUSES"), "photo_limit_ms = 60000\n").await;
    assert_eq!(reply["data"], zhang_sans_data());
}

#[tokio::test]
async fn without_a_library_the_photo_is_empty_and_the_log_says_so_once() {
    let (mut daemon, reply) = reply_with(None, "").await;
    assert_eq!(reply["data"]["photoBase64"], "");
    daemon.said("photo_decoder").await;
    let said = daemon.log().iter().filter(|line| line.contains("photo_decoder")).count();
    assert_eq!(said, 1);
}

#[tokio::test]
async fn check_says_that_there_is_no_library_and_that_one_is_broken() {
    let folder = TempDir::new().expect("a folder");
    let _reader = Reader::new(&folder.path().join("reader"));
    let config = folder.path().join("config.toml");
    let path = |text: &str| text.replace("{dir}", folder.path().to_str().expect("UTF-8"));
    std::fs::write(&config, path(SECTION)).expect("it is written");
    let check = |config: &Path| {
        let mut command = hharome(folder.path());
        command.arg("check").arg("--config").arg(config);
        command
    };
    let (code, stdout, _) = finish(&mut check(&config)).await;
    assert_eq!(code, 0, "{stdout}");
    assert!(stdout.contains("photo_decoder"), "{stdout}");
    let broken = format!("{SECTION}photo_decoder = \"{{dir}}/nowhere.so\"\n");
    std::fs::write(&config, path(&broken)).expect("it is written");
    let (code, stdout, _) = finish(&mut check(&config)).await;
    assert_eq!(code, 1, "{stdout}");
    assert!(stdout.contains("nowhere.so"), "{stdout}");
}

#[tokio::test]
async fn the_chips_own_photo_is_given_where_that_is_configured() {
    let (_daemon, reply) = reply_with(None, "raw_photo = true\n").await;
    let raw = STANDARD.decode(reply["data"]["photoWltBase64"].as_str().expect("a string"));
    assert_eq!(raw.expect("base64"), photo());
    assert_eq!(reply["data"]["photoBase64"], "");
}
