//! Scenes of the second screen: the simulated one, worked by `bridge.simulate`.

use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use super::client::{Client, action, call, simulate};
use super::daemon::Daemon;
use super::{Scene, Stage, pause, soon};

const SCREEN: &str = "[second_screen]\ndriver = \"simulated\"\nbackground = \"#102030\"\n";

/// A row of a picture, which no recording may hold.
pub(super) const SHOWN: &str = "51A2F37C0B9E4D8860172CCBF5E93A440D6E81B7925FC3A8";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "screen_shown",
            "pictures of several kinds, small and large, in base64 of every spelling: each takes the \
             place of the last, until it is closed",
            shown,
        ),
        Scene::new(
            "screen_refused",
            "what is no base64, no picture, cut off, or far too large is refused, and the last picture \
             stays",
            refused,
        ),
        Scene::new(
            "screen_unplugged",
            "the output is unplugged and back: the picture is shown again, unless it was closed meanwhile",
            unplugged,
        ),
        Scene::new(
            "screen_crashes",
            "what holds the display dies and is started again: the picture is shown again",
            crashes,
        ),
        Scene::new(
            "screen_hangs",
            "what holds the display says nothing for ten seconds: its request fails, it is started again",
            hangs,
        ),
        Scene::new(
            "screen_begun_while_shown",
            "the recording begins while a picture is shown, which comes back after the output was away",
            begun_while_shown,
        ),
        Scene::new(
            "screen_begun_while_closed",
            "the recording begins after a picture was closed",
            begun_while_closed,
        ),
        Scene::new(
            "screen_begun_while_unplugged",
            "the recording begins while the output is away, and the picture comes back with it",
            begun_while_unplugged,
        ),
        Scene::new(
            "screen_begun_while_crashed",
            "the recording begins while nothing holds the display, and the picture comes back with it",
            begun_while_crashed,
        ),
    ]
}

fn file(format: ImageFormat, width: u32, height: u32) -> Vec<u8> {
    let mut file = Cursor::new(Vec::new());
    let colours = |x: u32, y: u32| Rgb([(x * y % 251) as u8, (x % 256) as u8, (y % 256) as u8]);
    let picture = RgbImage::from_fn(width, height, colours);
    picture.write_to(&mut file, format).expect("memory");
    file.into_inner()
}

fn png() -> Vec<u8> {
    file(ImageFormat::Png, 64, 48)
}

/// A BMP whose rows are [`SHOWN`].
fn bmp() -> Vec<u8> {
    let mut bmp = file(ImageFormat::Bmp, 8, 8);
    let pixels = bmp.len() - 8 * 24;
    let row = |at: usize| u8::from_str_radix(&SHOWN[at..at + 2], 16).expect("hex");
    let row: Vec<u8> = (0..SHOWN.len()).step_by(2).map(row).collect();
    bmp.splice(pixels.., row.repeat(8));
    bmp
}

async fn open(client: &mut Client, base64: &str) {
    let mut frame = action("openSecondaryScreen", "o");
    frame["params"] = json!({ "secondaryScreenBase64": base64 });
    client.send(frame).await;
}

async fn shows(client: &mut Client, file: &[u8]) {
    open(client, &STANDARD.encode(file)).await;
    client.succeeds().await;
}

async fn closes(client: &mut Client) {
    client.send(action("closeSecondaryScreen", "c")).await;
    client.succeeds().await;
}

async fn state(client: &mut Client, expected: i64) {
    client.send(action("getSecondaryScreenState", "s")).await;
    let reply = client.succeeds().await;
    assert_eq!(reply["data"], json!({ "getSecondaryScreenState": expected }));
}

/// Until the picture is shown again.
async fn until_shown(client: &mut Client) {
    let shown = async {
        loop {
            client.send(action("getSecondaryScreenState", "s")).await;
            if client.succeeds().await["data"]["getSecondaryScreenState"] == 1 {
                return;
            }
            pause().await;
        }
    };
    soon("it is shown again", shown).await;
}

async fn fault(client: &mut Client, fault: &str) -> Value {
    client.ask(simulate("second_screen", "fault", "fault", fault)).await
}

/// The output goes.
async fn unplug(daemon: &mut Daemon, client: &mut Client, times: usize) {
    fault(client, "unplug").await;
    daemon.says("device not usable device=\"second_screen\"", times).await;
    pause().await;
}

/// It comes back.
async fn plug_in(daemon: &mut Daemon, client: &mut Client, times: usize) {
    fault(client, "none").await;
    daemon.ready("second_screen", times).await;
}

async fn shown(stage: Stage) {
    let mut daemon = stage.start(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    state(&mut client, 0).await;
    for (format, width, height) in [
        (ImageFormat::Png, 64, 48),
        (ImageFormat::Jpeg, 400, 300),
        (ImageFormat::Gif, 90, 20),
        (ImageFormat::WebP, 20, 90),
        (ImageFormat::Png, 1, 1),
        // Many pieces.
        (ImageFormat::Bmp, 300, 200),
    ] {
        shows(&mut client, &file(format, width, height)).await;
        state(&mut other, 1).await;
        pause().await;
    }
    shows(&mut other, &bmp()).await;
    let base64 = STANDARD.encode(png());
    let (first, second) = base64.split_at(76);
    for spelling in [
        URL_SAFE.encode(file(ImageFormat::Jpeg, 90, 70)),
        format!("{first}\r\n{second}\n"),
        format!("data:image/png;base64,{base64}"),
        base64.trim_end_matches('=').to_owned(),
    ] {
        open(&mut client, &spelling).await;
        client.succeeds().await;
        pause().await;
    }
    // One behind the other, without waiting.
    open(&mut client, &base64).await;
    client.send(action("closeSecondaryScreen", "c")).await;
    client.succeeds().await;
    client.succeeds().await;
    state(&mut other, 0).await;
    closes(&mut other).await;
    // It outlives its connection.
    shows(&mut other, &png()).await;
    other.leave().await;
    state(&mut client, 1).await;
    client.ask(call("bridge.status", &json!({}))).await;
    client.leave().await;
    daemon.stop().await;
}

async fn refused(stage: Stage) {
    let mut daemon = stage.start(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    shows(&mut client, &png()).await;
    let mut huge = png();
    huge.splice(16..24, [0, 0, 0x75, 0x30, 0, 0, 0x75, 0x30]);
    let cut = |file: Vec<u8>| STANDARD.encode(&file[..file.len() / 2]);
    for base64 in [
        String::new(),
        "!!!".to_owned(),
        STANDARD.encode("张三的收据,不是图片"),
        cut(png()),
        STANDARD.encode(&file(ImageFormat::Jpeg, 400, 300)[..300]),
        STANDARD.encode(huge),
    ] {
        open(&mut client, &base64).await;
        client.fails_as("bad_request").await;
        pause().await;
    }
    for params in [json!({}), json!({"secondaryScreenBase64": 7})] {
        let mut frame = action("openSecondaryScreen", "r");
        frame["params"] = params;
        client.send(frame).await;
        client.fails_as("bad_request").await;
    }
    state(&mut client, 1).await;
    client.leave().await;
    daemon.stop().await;
}

async fn unplugged(stage: Stage) {
    let mut daemon = stage.start(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    let mut watcher = daemon.ws().await;
    watcher.on("bridgeDevices").await;
    shows(&mut client, &bmp()).await;
    pause().await;
    unplug(&mut daemon, &mut client, 1).await;
    state(&mut client, -1).await;
    open(&mut client, &STANDARD.encode(png())).await;
    client.fails_as("device_unavailable").await;
    plug_in(&mut daemon, &mut client, 2).await;
    until_shown(&mut client).await;
    unplug(&mut daemon, &mut client, 2).await;
    closes(&mut client).await;
    plug_in(&mut daemon, &mut client, 3).await;
    state(&mut client, 0).await;
    watcher.leave().await;
    client.leave().await;
    daemon.stop().await;
}

async fn crashes(stage: Stage) {
    let mut daemon = stage.start(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    shows(&mut client, &png()).await;
    for times in 1..3 {
        fault(&mut client, "crash").await;
        daemon.says("device not usable device=\"second_screen\"", times).await;
        pause().await;
        state(&mut client, -1).await;
        open(&mut client, &STANDARD.encode(bmp())).await;
        client.fails_as("device_unavailable").await;
        plug_in(&mut daemon, &mut client, times + 1).await;
        until_shown(&mut client).await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn hangs(stage: Stage) {
    let mut daemon = stage.start(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    shows(&mut client, &png()).await;
    fault(&mut client, "silence").await;
    open(&mut client, &STANDARD.encode(bmp())).await;
    client.fails_as("device_failed").await;
    state(&mut client, -1).await;
    plug_in(&mut daemon, &mut client, 2).await;
    until_shown(&mut client).await;
    client.leave().await;
    daemon.stop().await;
}

async fn begun_while_shown(stage: Stage) {
    let mut daemon = stage.start_unrecorded(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    shows(&mut client, &png()).await;
    // In several pieces.
    shows(&mut client, &[bmp(), vec![7; 100_000]].concat()).await;
    pause().await;
    daemon.record("start", stage.recording()).await;
    state(&mut client, 1).await;
    open(&mut client, "AAAA").await;
    client.fails_as("bad_request").await;
    state(&mut client, 1).await;
    unplug(&mut daemon, &mut client, 1).await;
    state(&mut client, -1).await;
    plug_in(&mut daemon, &mut client, 2).await;
    until_shown(&mut client).await;
    shows(&mut client, &png()).await;
    closes(&mut client).await;
    state(&mut client, 0).await;
    client.leave().await;
    daemon.stop().await;
}

async fn begun_while_closed(stage: Stage) {
    let mut daemon = stage.start_unrecorded(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    shows(&mut client, &bmp()).await;
    closes(&mut client).await;
    pause().await;
    daemon.record("start", stage.recording()).await;
    state(&mut client, 0).await;
    shows(&mut client, &png()).await;
    state(&mut client, 1).await;
    client.leave().await;
    daemon.stop().await;
}

async fn begun_while_unplugged(stage: Stage) {
    let mut daemon = stage.start_unrecorded(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    shows(&mut client, &bmp()).await;
    unplug(&mut daemon, &mut client, 1).await;
    daemon.record("start", stage.recording()).await;
    state(&mut client, -1).await;
    open(&mut client, &STANDARD.encode(png())).await;
    client.fails_as("device_unavailable").await;
    plug_in(&mut daemon, &mut client, 2).await;
    until_shown(&mut client).await;
    closes(&mut client).await;
    client.leave().await;
    daemon.stop().await;
}

async fn begun_while_crashed(stage: Stage) {
    let mut daemon = stage.start_unrecorded(SCREEN).await;
    daemon.ready("second_screen", 1).await;
    let mut client = daemon.unix().await;
    shows(&mut client, &bmp()).await;
    fault(&mut client, "crash").await;
    daemon.says("device not usable device=\"second_screen\"", 1).await;
    pause().await;
    daemon.record("start", stage.recording()).await;
    state(&mut client, -1).await;
    plug_in(&mut daemon, &mut client, 2).await;
    until_shown(&mut client).await;
    shows(&mut client, &png()).await;
    client.leave().await;
    daemon.stop().await;
}
