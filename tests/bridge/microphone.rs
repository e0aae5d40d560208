//! The microphone through alsa-lib: the tests' own sound card, and the real daemon.
//!
//! What the card hears is written here and compared sample by sample with what clients get.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::alsa::SoundCard;
use crate::fixture::{AMPLE, Client, Daemon, finish, hharome, kind, within, write_config};

const CHANNEL: &str = "initMicrophoneListener";

/// Samples of one event.
const CHUNK: usize = 640;

const SECTION: &str = "[microphone]\ndriver = \"alsa\"\n";

/// A daemon that sees this card.
async fn daemon(card: &SoundCard, lines: &str) -> Daemon {
    let (name, value): (&str, PathBuf) = card.environment();
    let folder = TempDir::new().expect("a folder");
    let sections = format!("{SECTION}{lines}");
    Daemon::start_with(folder, "", &sections, &[(name, &value)]).await
}

/// Samples without any pattern, for `seconds` at 16 kHz: each piece of them stands in one place only.
fn speech(seconds: usize) -> Vec<i16> {
    let sample = |n: usize| ((n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as u16;
    (0..seconds * 16_000).map(|n| sample(n).cast_signed()).collect()
}

fn start(source_bytes: bool) -> String {
    json!({
        "action": "startMicrophoneListener",
        "event": "open",
        "taskId": "m",
        "params": {"isMicrophoneSourceData": source_bytes},
    })
    .to_string()
}

fn action(name: &str) -> String {
    json!({"action": name, "event": "open", "taskId": "r", "params": {}}).to_string()
}

async fn started(client: &mut Client, source_bytes: bool) {
    let reply = client.ask(&start(source_bytes)).await;
    assert_eq!(reply["success"], true, "{reply}");
}

/// The samples of an event, in whichever form it is.
fn samples(event: &Value) -> Vec<i16> {
    assert_eq!(event["channel"], CHANNEL, "{event}");
    let text = event["data"]["voiceContent"].as_str().expect("a string");
    let bytes = match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(list) => {
            assert_eq!(event["data"]["voicecontent"], text);
            let bytes = list.split(',').map(|byte| byte.parse::<i8>().expect("a signed byte"));
            bytes.map(i8::cast_unsigned).collect()
        }
        None => {
            assert!(text.ends_with('\n') && text.lines().all(|line| line.len() <= 76));
            STANDARD.decode(text.replace('\n', "")).expect("base64")
        }
    };
    bytes.as_chunks().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

async fn hear(client: &mut Client, events: usize) -> Vec<i16> {
    let mut heard = Vec::new();
    for _ in 0..events {
        let chunk = samples(&client.next().await);
        assert_eq!(chunk.len(), CHUNK);
        heard.extend(chunk);
    }
    heard
}

/// Where in `said` what was heard begins.
fn place(said: &[i16], heard: &[i16]) -> usize {
    let at = said.windows(heard.len()).position(|window| window == heard);
    at.expect("what was heard was said so, sample by sample")
}

#[tokio::test]
async fn what_the_microphone_hears_comes_sample_by_sample_in_both_forms() {
    let card = SoundCard::new();
    let said = speech(6);
    card.hears(&said);
    let daemon = daemon(&card, "").await;
    daemon.ready("microphone").await;
    let (mut text, mut bytes) = (daemon.unix().await, daemon.ws().await);
    started(&mut text, false).await;
    started(&mut bytes, true).await;
    let first = hear(&mut text, 50).await;
    // The first who came hears it from its beginning.
    assert_eq!(place(&said, &first), 0);
    let second = hear(&mut bytes, 50).await;
    assert_eq!(place(&said, &second) % CHUNK, 0);
    let status = daemon.device("microphone", |_| true).await;
    assert_eq!(status["counters"]["gaps"], Value::Null, "{status}");
}

#[tokio::test]
async fn a_card_of_another_rate_and_two_channels_is_converted() {
    let card = SoundCard::only(48_000, 2);
    // Three frames of the card make one of ours: a slow ramp survives any filter.
    let ramp: Vec<i16> = (0..48_000 * 3).flat_map(|n| [(n / 24) as i16; 2]).collect();
    card.hears(&ramp);
    for device in ["default", "card"] {
        let daemon = daemon(&card, &format!("device = \"{device}\"\n")).await;
        daemon.ready("microphone").await;
        let mut client = daemon.unix().await;
        started(&mut client, false).await;
        let heard = hear(&mut client, 25).await;
        let (early, late) = (i32::from(heard[4000]), i32::from(heard[12_000]));
        // 8,000 of our frames are 24,000 of the card's: 1,000 steps.
        assert!((late - early - 1000).abs() <= 5, "{device}: {early} to {late}");
    }
}

#[tokio::test]
async fn it_is_open_only_while_somebody_listens_or_records() {
    let card = SoundCard::new();
    card.hears(&speech(4));
    let daemon = daemon(&card, "").await;
    daemon.device("microphone", |device| device["counters"]["opened"] == 1).await;
    let mut client = daemon.unix().await;
    started(&mut client, false).await;
    hear(&mut client, 2).await;
    // Held from now on, by nobody but us: whoever opens it anew is refused.
    card.hold();
    client.send(&action("stopMicrophoneListener")).await;
    while client.next().await["action"] != "stopMicrophoneListener" {}
    client.nothing_came().await;
    let reply = client.ask(&start(false)).await;
    assert_eq!(kind(&reply), "device_unavailable", "{reply}");
    let detail = reply["data"]["error"]["detail"].as_str().expect("a string");
    assert!(detail.contains("held by another program"), "{detail}");
    let state = client.ask(&action("getMicrophoneState")).await;
    assert_eq!(state["data"], json!({"microphoneListenerState": 0, "microphoneState": 0}));
    card.release();
    daemon.ready("microphone").await;
    started(&mut client, true).await;
    hear(&mut client, 2).await;
}

#[tokio::test]
async fn a_stop_that_follows_at_once_ends_the_start_that_still_waits_for_the_card() {
    let card = SoundCard::new();
    card.hears(&speech(4));
    let daemon = daemon(&card, "").await;
    daemon.ready("microphone").await;
    let mut client = daemon.unix().await;
    let (listen, stop) = (start(false), action("stopMicrophoneListener"));
    let close = listen.replace("open", "close");
    let (record, ends) = (action("startMicrophone"), action("stopMicrophone"));
    let off = json!({"off": CHANNEL}).to_string();
    let reset = json!({"call": "bridge.reset"}).to_string();
    for (begins, ends) in [
        (&listen, &stop),
        (&listen, &close),
        (&listen, &off),
        (&listen, &reset),
        (&record, &ends),
        (&record, &reset),
    ] {
        // In one piece, so that nobody has opened the card in between.
        client.bytes(format!("{begins}\n{ends}\n").as_bytes()).await;
        let mut answers = [client.next().await, client.next().await];
        answers.sort_by_key(|answer| answer["message"] != "取消" || answer.get("res").is_some());
        let [cancelled, ended] = answers;
        assert_eq!(cancelled["message"], "取消", "{begins}, {ends}: {cancelled}, {ended}");
        assert_ne!(ended["success"], false, "{begins}, {ends}: {ended}");
    }
    // A second start takes the first one's place, and both are answered well.
    client.bytes(format!("{listen}\n{listen}\n{record}\n{record}\n").as_bytes()).await;
    let mut answered = 0;
    while answered < 4 {
        let frame = client.next().await;
        if frame["channel"] != CHANNEL {
            assert_eq!(frame["success"], true, "{frame}");
            answered += 1;
        }
    }
}

#[tokio::test]
async fn a_listener_that_stops_reading_loses_its_oldest_and_disturbs_nobody() {
    let card = SoundCard::new();
    let said = speech(30);
    card.hears(&said);
    let daemon = daemon(&card, "").await;
    daemon.ready("microphone").await;
    let (mut quick, mut slow) = (daemon.unix().await, daemon.unix().await);
    started(&mut quick, false).await;
    // The longer form fills the socket's buffers sooner.
    started(&mut slow, true).await;
    let heard = within(AMPLE, "25 s of sound", hear(&mut quick, 625)).await;
    assert_eq!(place(&said, &heard), 0);
    // What waited for it, then the mark where the gap is, then what is new.
    let (mut before, mut dropped) = (0, 0);
    while dropped == 0 {
        let frame = slow.next().await;
        if frame["channel"] == "bridgeLagged" {
            assert_eq!(frame["data"]["channel"], CHANNEL);
            dropped = frame["data"]["dropped"].as_u64().expect("a number");
        } else {
            before += 1;
            samples(&frame);
        }
    }
    let status = daemon.unix().await.ask(r#"{"call":"bridge.status"}"#).await;
    let told = status["res"]["data"]["dropped"]["streamEvents"].as_u64().expect("a number");
    assert!(told >= dropped, "{told} are told of {dropped}, while it is still connected");
    let after = hear(&mut slow, 3).await;
    let expected = usize::try_from(before + dropped).expect("few") * CHUNK;
    // It began to listen within a chunk or two of the first.
    let offset = place(&said, &after) - expected;
    assert!(offset <= 5 * CHUNK, "{before} events, {dropped} dropped, and then {offset} later");
}

#[tokio::test]
async fn it_is_pulled_out_and_goes_on_when_it_is_back() {
    let card = SoundCard::new();
    card.hears(&speech(4));
    let daemon = daemon(&card, "").await;
    daemon.ready("microphone").await;
    let mut client = daemon.unix().await;
    started(&mut client, false).await;
    hear(&mut client, 3).await;
    card.unplug();
    daemon.device("microphone", |device| device["state"] == "absent").await;
    let mut other = daemon.unix().await;
    let reply = other.ask(&start(false)).await;
    assert_eq!(kind(&reply), "device_unavailable", "{reply}");
    assert_eq!(kind(&other.ask(&action("startMicrophone")).await), "device_unavailable");
    card.plug();
    // Whoever has not stopped hears it again without another start.
    daemon.ready("microphone").await;
    hear(&mut client, 100).await;
    started(&mut other, false).await;
    hear(&mut other, 2).await;
}

#[tokio::test]
async fn an_overrun_is_counted_and_got_over() {
    let card = SoundCard::new();
    card.hears(&speech(20));
    let daemon = daemon(&card, "").await;
    daemon.ready("microphone").await;
    let mut client = daemon.unix().await;
    started(&mut client, false).await;
    hear(&mut client, 5).await;
    // A machine that does nothing for a second: the card keeps a third of one.
    daemon.signal(Signal::STOP);
    tokio::time::sleep(Duration::from_secs(1)).await;
    daemon.signal(Signal::CONT);
    let status = daemon.device("microphone", |device| device["counters"]["overruns"] == 1).await;
    let lost = status["counters"]["lostFrames"].as_u64().expect("a number");
    assert!((8_000..=20_000).contains(&lost), "{lost} frames were lost in a second");
    hear(&mut client, 20).await;
}

#[tokio::test]
async fn a_card_that_hangs_is_given_up_and_the_daemon_goes_on() {
    let card = SoundCard::new();
    card.hears(&speech(30));
    let daemon = daemon(&card, "").await;
    daemon.ready("microphone").await;
    let mut client = daemon.unix().await;
    started(&mut client, false).await;
    hear(&mut client, 2).await;
    card.hang();
    daemon.device("microphone", |device| device["state"] == "failed").await;
    card.wake();
    daemon.ready("microphone").await;
    // What was heard before is still on its way.
    hear(&mut client, 100).await;
}

#[tokio::test]
async fn a_device_that_gives_all_at_once_is_heard_in_real_time() {
    let card = SoundCard::new();
    let said = speech(20);
    card.hears(&said);
    let daemon = daemon(&card, "device = \"unpaced\"\n").await;
    daemon.ready("microphone").await;
    let mut client = daemon.unix().await;
    started(&mut client, false).await;
    let began = Instant::now();
    let heard = hear(&mut client, 125).await;
    let took = began.elapsed();
    assert!(took >= Duration::from_millis(125 * 40 - 100), "5 s of sound within {took:?}");
    assert_eq!(place(&said, &heard), 0);
}

#[tokio::test]
async fn a_recording_is_an_mp3_of_what_was_heard_meanwhile() {
    let card = SoundCard::new();
    // A tone, as a codec that loses something leaves no sample as it was.
    let tone = |n: usize| ((n as f64 * 0.25).sin() * 12_000.0) as i16;
    card.hears(&(0..16_000 * 20).map(tone).collect::<Vec<_>>());
    let daemon = daemon(&card, "record_limit_s = 2\n").await;
    daemon.ready("microphone").await;
    let mut client = daemon.unix().await;
    let mut other = daemon.unix().await;
    let nothing = client.ask(&action("stopMicrophone")).await;
    assert_eq!(nothing["data"], json!({"voiceContent": ""}));
    let reply = client.ask(&action("startMicrophone")).await;
    assert_eq!(reply["success"], true, "{reply}");
    // Another one's, at the same time, beyond its limit.
    assert_eq!(other.ask(&action("startMicrophone")).await["success"], true);
    started(&mut other, false).await;
    hear(&mut other, 25).await;
    let reply = client.ask(&action("stopMicrophone")).await;
    let mp3 =
        STANDARD.decode(reply["data"]["voiceContent"].as_str().expect("text")).expect("base64");
    assert!(mp3.starts_with(&[0xFF, 0xF3]), "no frame of MPEG-2, layer III");
    // 48 kbit/s: 6,000 bytes a second, for 25 events of 40 ms and what LAME adds.
    assert!((6_000..8_500).contains(&mp3.len()), "{} bytes", mp3.len());
    hear(&mut other, 50).await;
    other.send(&action("stopMicrophoneListener")).await;
    while other.next().await["action"] != "stopMicrophoneListener" {}
    let state = other.ask(&action("getMicrophoneState")).await;
    assert_eq!(state["data"], json!({"microphoneListenerState": 0, "microphoneState": 0}));
    let reply = other.ask(&action("stopMicrophone")).await;
    let mp3 =
        STANDARD.decode(reply["data"]["voiceContent"].as_str().expect("text")).expect("base64");
    assert!((12_000..13_200).contains(&mp3.len()), "{} bytes for 2 s", mp3.len());
}

#[tokio::test]
async fn check_says_whether_it_is_there() {
    let card = SoundCard::new();
    card.hears(&speech(1));
    let folder = TempDir::new().expect("a folder");
    let (name, value) = card.environment();
    let checked = async |device: &str| {
        let sections = format!("{SECTION}device = \"{device}\"\n");
        write_config(folder.path(), "", &sections);
        let config = folder.path().join("config.toml");
        let mut command = hharome(folder.path());
        command.env(name, &value).arg("check").arg("--config").arg(config);
        finish(&mut command).await
    };
    let (code, table, _) = checked("default").await;
    assert_eq!(code, 0, "{table}");
    let (code, table, errors) = checked("no-such-device").await;
    assert_eq!(code, 1, "{table}");
    assert!(table.contains("no-such-device: not there"), "{table}");
    // The library's own words are in the table and not beside it.
    assert!(!errors.contains("ALSA lib"), "{errors}");
}
