//! The second screen on a card that no display server has: what its output shows is read out of the
//! card's memory.

use std::io::Cursor;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{ImageFormat, Rgb, RgbImage};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::fixture::{Client, Daemon, finish, hharome, kind, soon, write_config};
use crate::glass::Card;
use crate::machine;

const RED: [u8; 3] = [200, 0, 0];
const BLUE: [u8; 3] = [0, 0, 200];
const BLACK: [u8; 3] = [0; 3];
const GREY: [u8; 3] = [10, 20, 30];

/// A PNG of one colour.
fn png(width: u32, height: u32, colour: [u8; 3]) -> String {
    let mut file = Cursor::new(Vec::new());
    let picture = RgbImage::from_pixel(width, height, Rgb(colour));
    picture.write_to(&mut file, ImageFormat::Png).expect("memory");
    STANDARD.encode(file.into_inner())
}

fn section(card: &Card, output: &str) -> String {
    let card = card.path().display();
    format!(
        "[second_screen]\ndriver = \"kms\"\noutput = \"{output}\"\ncard = \"{card}\"\n\
         background = \"#0a141e\"\n"
    )
}

async fn open(client: &mut Client, base64: &str) -> Value {
    let params = json!({ "secondaryScreenBase64": base64 });
    let frame = json!({"action": "openSecondaryScreen", "taskId": "o", "params": params});
    client.ask(&frame.to_string()).await
}

async fn close(client: &mut Client) {
    let frame = r#"{"action":"closeSecondaryScreen","taskId":"c","params":{}}"#;
    assert_eq!(client.ask(frame).await["success"], true);
}

async fn state(client: &mut Client) -> Value {
    let frame = r#"{"action":"getSecondaryScreenState","taskId":"s","params":{}}"#;
    client.ask(frame).await["data"]["getSecondaryScreenState"].clone()
}

async fn until_state(client: &mut Client, wanted: i64) {
    let asked = async {
        while state(client).await != wanted {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(&format!("the state is {wanted}"), asked).await;
}

/// Shows a picture of one colour, as wide as it is high, on a wide screen: it is in the middle, the
/// background on both sides.
async fn shows(client: &mut Client, card: &Card, colour: [u8; 3]) {
    let reply = open(client, &png(16, 16, colour)).await;
    assert_eq!(reply["success"], true, "{reply}");
    is_shown(card, colour);
}

fn is_shown(card: &Card, colour: [u8; 3]) {
    let (width, pixels) = card.shows(&card.output(0)).expect("it is on");
    let height = pixels.len() / width;
    let (left, right) = ((width - height) / 2, (width - height) / 2 + height);
    for (at, pixel) in pixels.iter().enumerate() {
        let expected = if (left..right).contains(&(at % width)) { colour } else { GREY };
        assert_eq!(*pixel, expected, "at {}, {} of {width}x{height}", at % width, at / width);
    }
}

/// Whether an output shows this colour anywhere.
fn has(card: &Card, colour: [u8; 3]) -> bool {
    card.shows(&card.output(0)).is_some_and(|(_, pixels)| pixels.contains(&colour))
}

async fn until(what: &str, holds: impl Fn() -> bool) {
    let looked = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(what, looked).await;
}

/// The process that holds the card.
fn holder(daemon: &Daemon) -> Option<Pid> {
    let parent = daemon.pid().to_string();
    let children = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"));
    Pid::from_raw(children.ok()?.split_whitespace().next()?.parse().ok()?)
}

/// Everything, on the card of this driver.
async fn is_worked(driver: &str, module: &str) {
    let machine = machine::take().await;
    machine.load(&[module]);
    let card = Card::of(driver).await;
    let output = card.output(0);
    let daemon = Daemon::start("", &section(&card, &output)).await;
    let mut client = daemon.unix().await;
    assert_eq!(state(&mut client).await, 0);
    shows(&mut client, &card, RED).await;
    assert_eq!(state(&mut client).await, 1);
    shows(&mut client, &card, BLUE).await;
    let device = daemon.device("second_screen", |device| device["state"] == "ready").await;
    let (width, pixels) = card.shows(&card.output(0)).expect("it is on");
    assert_eq!(device["facts"]["output"], output);
    assert_eq!(device["facts"]["size"], format!("{width}x{}", pixels.len() / width));
    close(&mut client).await;
    let (_, pixels) = card.shows(&card.output(0)).expect("it is on");
    assert!(pixels.iter().all(|pixel| *pixel == BLACK));
    assert_eq!(state(&mut client).await, 0);
    let refused = open(&mut client, "aGVsbG8=").await;
    assert_eq!(kind(&refused), "bad_request");

    // Pulled out and plugged in.
    shows(&mut client, &card, RED).await;
    for _ in 0..2 {
        card.force(&output, "off");
        until_state(&mut client, -1).await;
        assert!(!has(&card, RED));
        assert_eq!(kind(&open(&mut client, &png(1, 1, BLUE)).await), "device_unavailable");
        card.force(&output, "detect");
        until_state(&mut client, 1).await;
        is_shown(&card, RED);
    }
    card.force(&output, "off");
    until_state(&mut client, -1).await;
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains(&format!("output {output}: nothing is plugged in")), "{words}");
    close(&mut client).await;
    card.force(&output, "detect");
    until_state(&mut client, 0).await;
    assert!(!has(&card, RED));

    // What holds the card is killed, and the daemon.
    shows(&mut client, &card, BLUE).await;
    let first = holder(&daemon).expect("a child");
    kill_process(first, Signal::KILL).expect("it runs");
    until("another holds it", || holder(&daemon).is_some_and(|holder| holder != first)).await;
    until_state(&mut client, 1).await;
    is_shown(&card, BLUE);
    let mut daemon = daemon;
    daemon.signal(Signal::KILL);
    daemon.ended().await;
    until("the picture goes with the daemon", || !has(&card, BLUE)).await;
}

#[tokio::test]
async fn a_screen_of_a_card_with_a_kernels_own_memory_is_worked() {
    is_worked("virtio-pci", "virtio-gpu").await;
}

#[tokio::test]
async fn a_screen_of_a_card_with_its_own_memory_is_worked() {
    is_worked("bochs-drm", "bochs").await;
}

#[tokio::test]
async fn a_card_that_belongs_to_another_program_is_said_to_with_its_name_and_used_when_it_is_free()
{
    let machine = machine::take().await;
    machine.load(&["bochs"]);
    let card = Card::of("bochs-drm").await;
    let master = card.master();
    let daemon = Daemon::start("", &section(&card, &card.output(0))).await;
    let mut client = daemon.unix().await;
    assert_eq!(state(&mut client).await, -1);
    let device = daemon.device("second_screen", |device| device["state"] == "failed").await;
    let words = device["lastError"].as_str().expect("words");
    let me = format!("(process {})", std::process::id());
    for part in [card.path().to_str().expect("UTF-8"), "belongs to", &me, "one program at a time"] {
        assert!(words.contains(part), "{words}");
    }
    assert_eq!(kind(&open(&mut client, &png(1, 1, RED)).await), "device_failed");
    drop(master);
    until_state(&mut client, 0).await;
    shows(&mut client, &card, RED).await;
}

#[tokio::test]
async fn an_output_that_is_not_plugged_in_takes_no_other() {
    let machine = machine::take().await;
    machine.load(&["virtio-gpu"]);
    let card = Card::of("virtio-pci").await;
    let (first, second) = (card.output(0), card.output(1));
    let before = card.shows(&first);
    let daemon = Daemon::start("", &section(&card, &second)).await;
    let mut client = daemon.unix().await;
    until_state(&mut client, -1).await;
    assert_eq!(kind(&open(&mut client, &png(4, 3, RED)).await), "device_unavailable");
    let device = daemon.device("second_screen", |device| device["state"] == "absent").await;
    let words = device["lastError"].as_str().expect("words");
    assert!(words.contains(&format!("output {second}: nothing is plugged in")), "{words}");
    assert!(card.shows(&first) == before && card.shows(&second).is_none());
    // It is seen when it comes.
    card.force(&second, "on");
    until_state(&mut client, 0).await;
    card.force(&second, "detect");
    until_state(&mut client, -1).await;
}

#[tokio::test]
async fn check_and_devices_know_the_cards_outputs() {
    let machine = machine::take().await;
    machine.load(&["virtio-gpu", "bochs"]);
    let card = Card::of("virtio-pci").await;
    Card::of("bochs-drm").await;
    let output = card.output(0);
    let folder = tempfile::TempDir::new().expect("a folder");
    write_config(folder.path(), "", &section(&card, &card.output(0)));
    let mut check = hharome(folder.path());
    check.args(["check", "--config"]).arg(folder.path().join("config.toml"));
    let (code, out, words) = finish(&mut check).await;
    assert_eq!(code, 0, "{out}{words}");
    let row = out.lines().find(|line| line.starts_with("second_screen")).expect("a row");
    assert!(row.contains("ok") && row.contains(&format!("output {output}")), "{row}");
    let mut devices = hharome(folder.path());
    devices.args(["devices", "--json"]);
    let (code, out, _) = finish(&mut devices).await;
    assert_eq!(code, 0);
    let found: Value = serde_json::from_str(&out).expect("JSON");
    let displays = found["displays"].as_array().expect("a list");
    let path = card.path().to_str().expect("UTF-8");
    let mine = displays.iter().find(|display| display["card"] == path).expect("it is listed");
    let kms = format!("driver = \"kms\"\noutput = \"{output}\"\ncard = \"{path}\"\n");
    let configs = mine["config"].as_array().expect("a list");
    assert!(configs.iter().any(|config| config.as_str().is_some_and(|it| it.ends_with(&kms))));
    // The card is found by its output.
    let unnamed = section(&card, &output).replace(&format!("card = \"{path}\"\n"), "");
    let daemon = Daemon::start("", &unnamed).await;
    let device = daemon.device("second_screen", |device| device["state"] == "ready").await;
    assert_eq!(device["facts"]["output"], output);
    // Nobody knows whose an output is that is not named.
    drop(daemon);
    let nameless = unnamed.replace(&format!("output = \"{output}\"\n"), "");
    write_config(folder.path(), "", &nameless);
    let mut check = hharome(folder.path());
    check.args(["check", "--config"]).arg(folder.path().join("config.toml"));
    let (code, _, words) = finish(&mut check).await;
    assert!(code != 0 && words.contains("driver \"kms\" needs it"), "{code}: {words}");
}
