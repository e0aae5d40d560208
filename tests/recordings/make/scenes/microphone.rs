//! Scenes of the microphone: the simulated one, and alsa-lib over a sound card of the tests' own.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::alsa::SoundCard;
use super::client::{Client, action, call, close, simulate};
use super::{Scene, Stage, pause};

const CHANNEL: &str = "initMicrophoneListener";
const START: &str = "startMicrophoneListener";
const STOP: &str = "stopMicrophoneListener";

/// Few events a second, so that the recordings stay small.
const SIMULATED: &str =
    "[microphone]\ndriver = \"simulated\"\nchunk_ms = 200\nrecord_limit_s = 2\n";

const ALSA: &str = "[microphone]\ndriver = \"alsa\"\ndevice = \"default\"\nchunk_ms = 200\n";

/// What is said, over and over, as PCM in hex: no recording may hold it.
pub(super) const VOICE: &str = "0B17A2E94D81F03C65D2";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "microphone_both_forms",
            "two clients hear the same in base64 and in signed bytes; `on` alone brings nothing, a \
             second start changes the form; stop, `off`, `close` and leaving end it",
            both_forms,
        ),
        Scene::new(
            "microphone_recording",
            "`startMicrophone` and `stopMicrophone`: one MP3, beside a listener, begun anew, up to its \
             limit, not begun at all; `getMicrophoneState` is each connection's own",
            single_recording,
        ),
        Scene::new(
            "microphone_unplugged",
            "the microphone is pulled out while somebody listens and records, a start is refused, and \
             both go on when it is back",
            unplugged,
        ),
        Scene::new(
            "microphone_held",
            "another program has the sound device: starts are refused until it is given back",
            held,
        ),
        Scene::new(
            "microphone_gaps",
            "sound is lost in an overrun, and none comes for seconds: counted in `bridge.status`, and \
             heard again",
            gaps,
        ),
        Scene::new(
            "microphone_alsa",
            "alsa-lib and a card of 48 kHz and two channels: heard, pulled out, heard again",
            real_library,
        ),
        Scene::new(
            "microphone_begun_in_the_middle",
            "the recording begins while two clients listen",
            begun_in_the_middle,
        ),
        Scene::new(
            "microphone_begun_at_rest",
            "the recording begins while nobody listens, and the microphone is closed",
            begun_at_rest,
        ),
    ]
}

fn start(source_bytes: bool) -> Value {
    let mut request = action(START, "m");
    request["params"] = json!({"isMicrophoneSourceData": source_bytes});
    request
}

/// Sends a frame; its reply, which events may come before.
async fn ask(client: &mut Client, frame: Value) -> Value {
    client.send(frame).await;
    loop {
        let frame = client.next().await;
        if frame["channel"] != CHANNEL {
            return frame;
        }
    }
}

async fn succeeds(client: &mut Client, frame: Value) -> Value {
    let reply = ask(client, frame).await;
    let outcome = if reply["res"].is_null() { &reply } else { &reply["res"] };
    assert_eq!(outcome["success"], true, "{reply}");
    reply
}

async fn refuses(client: &mut Client, frame: Value) {
    let reply = ask(client, frame).await;
    assert_eq!(reply["data"]["error"]["kind"], "device_unavailable", "{reply}");
}

async fn hears(client: &mut Client, events: usize, source_bytes: bool) {
    for _ in 0..events {
        let event = client.hears(CHANNEL).await;
        let text = event["data"]["voiceContent"].as_str().expect("a string");
        assert_eq!(text.starts_with('['), source_bytes, "{text}");
    }
}

async fn fault(hand: &mut Client, fault: &str) {
    succeeds(hand, simulate("microphone", "fault", "fault", fault)).await;
}

/// Waits until the microphone is so; what is asked meanwhile is of this client, and recorded.
async fn is(client: &mut Client, what: impl Fn(&Value) -> bool) {
    for _ in 0..60 {
        let status = ask(client, call("bridge.status", &json!({}))).await;
        let devices = status["res"]["data"]["devices"].as_array().expect("a list").clone();
        if devices.iter().any(|one| one["device"] == "microphone" && what(one)) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    panic!("the microphone is never so");
}

fn ready(device: &Value) -> bool {
    device["state"] == "ready"
}

/// A WAV file of [`VOICE`] (Microsoft, "Multimedia Programming Interface", RIFF): a second.
fn wav() -> String {
    let sample = |at: usize| u8::from_str_radix(&VOICE[at..at + 2], 16).expect("hex");
    let said: Vec<u8> = (0..VOICE.len()).step_by(2).map(sample).collect();
    let data = said.repeat(32_000 / said.len());
    let length = u32::try_from(data.len()).expect("a second");
    let mut file = b"RIFF".to_vec();
    file.extend((36 + length).to_le_bytes());
    file.extend(b"WAVEfmt ");
    file.extend(16_u32.to_le_bytes());
    // PCM, one channel, 16 kHz, 32,000 bytes a second, 2 a frame, 16 bits.
    file.extend([1, 0, 1, 0]);
    file.extend(16_000_u32.to_le_bytes());
    file.extend(32_000_u32.to_le_bytes());
    file.extend([2, 0, 16, 0]);
    file.extend(b"data");
    file.extend(length.to_le_bytes());
    file.extend(data);
    STANDARD.encode(file)
}

async fn both_forms(stage: Stage) {
    let mut daemon = stage.start(SIMULATED).await;
    daemon.ready("microphone", 1).await;
    let (mut text, mut bytes, mut hand) =
        (daemon.unix().await, daemon.ws().await, daemon.tcp().await);
    hand.on(CHANNEL).await;
    succeeds(&mut hand, simulate("microphone", "wav", "wav", &wav())).await;
    succeeds(&mut text, start(false)).await;
    hears(&mut text, 1, false).await;
    succeeds(&mut bytes, start(true)).await;
    hears(&mut text, 2, false).await;
    hears(&mut bytes, 2, true).await;
    // The other form from now on.
    succeeds(&mut text, start(true)).await;
    hears(&mut text, 2, true).await;
    succeeds(&mut text, action(STOP, "s")).await;
    succeeds(&mut text, action(STOP, "again")).await;
    succeeds(&mut bytes, close(START, "c")).await;
    succeeds(&mut bytes, start(false)).await;
    hears(&mut bytes, 1, false).await;
    succeeds(&mut bytes, json!({"off": CHANNEL})).await;
    succeeds(&mut text, start(false)).await;
    hears(&mut text, 1, false).await;
    text.leave().await;
    bytes.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn single_recording(stage: Stage) {
    let mut daemon = stage.start(SIMULATED).await;
    daemon.ready("microphone", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.tcp().await);
    let state = |listening: u8, recording: u8| json!({"microphoneListenerState": listening, "microphoneState": recording});
    succeeds(&mut other, simulate("microphone", "wav", "wav", &wav())).await;
    let nothing = succeeds(&mut client, action("stopMicrophone", "0")).await;
    assert_eq!(nothing["data"], json!({"voiceContent": ""}));
    succeeds(&mut client, action("startMicrophone", "1")).await;
    succeeds(&mut client, start(false)).await;
    hears(&mut client, 3, false).await;
    let told = succeeds(&mut client, action("getMicrophoneState", "2")).await;
    assert_eq!(told["data"], state(1, 1));
    let told = succeeds(&mut other, action("getMicrophoneState", "3")).await;
    assert_eq!(told["data"], state(0, 0));
    // In the place of the first.
    succeeds(&mut client, action("startMicrophone", "4")).await;
    hears(&mut client, 2, false).await;
    is_mp3(&succeeds(&mut client, action("stopMicrophone", "5")).await, 1_000);
    succeeds(&mut client, action("startMicrophone", "6")).await;
    hears(&mut client, 12, false).await;
    let told = succeeds(&mut client, action("getMicrophoneState", "7")).await;
    assert_eq!(told["data"], state(1, 0));
    is_mp3(&succeeds(&mut client, action("stopMicrophone", "8")).await, 12_000);
    // Whoever leaves leaves nothing behind.
    succeeds(&mut other, action("startMicrophone", "9")).await;
    other.leave().await;
    client.leave().await;
    daemon.stop().await;
}

/// The reply has an MP3 of so many bytes at least.
fn is_mp3(reply: &Value, bytes: usize) {
    let mp3 = STANDARD.decode(reply["data"]["voiceContent"].as_str().expect("a string"));
    let mp3 = mp3.expect("base64");
    assert!(mp3.starts_with(&[0xFF, 0xF3]) && mp3.len() >= bytes, "{} bytes", mp3.len());
}

async fn unplugged(stage: Stage) {
    let mut daemon = stage.start(SIMULATED).await;
    daemon.ready("microphone", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, daemon.tcp().await);
    succeeds(&mut client, start(false)).await;
    succeeds(&mut client, action("startMicrophone", "r")).await;
    hears(&mut client, 3, false).await;
    pause().await;
    fault(&mut hand, "unplug").await;
    is(&mut hand, |device| device["state"] == "absent").await;
    refuses(&mut hand, start(true)).await;
    refuses(&mut hand, action("startMicrophone", "late")).await;
    fault(&mut hand, "none").await;
    is(&mut hand, ready).await;
    hears(&mut client, 3, false).await;
    is_mp3(&succeeds(&mut client, action("stopMicrophone", "r")).await, 1_000);
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn held(stage: Stage) {
    let mut daemon = stage.start(SIMULATED).await;
    daemon.ready("microphone", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, daemon.tcp().await);
    fault(&mut hand, "held").await;
    refuses(&mut client, start(false)).await;
    refuses(&mut client, action("startMicrophone", "r")).await;
    let told = succeeds(&mut client, action("getMicrophoneState", "s")).await;
    assert_eq!(told["data"], json!({"microphoneListenerState": 0, "microphoneState": 0}));
    fault(&mut hand, "none").await;
    is(&mut hand, ready).await;
    succeeds(&mut client, start(false)).await;
    hears(&mut client, 2, false).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn gaps(stage: Stage) {
    let mut daemon = stage.start(SIMULATED).await;
    daemon.ready("microphone", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, daemon.tcp().await);
    succeeds(&mut client, start(false)).await;
    hears(&mut client, 2, false).await;
    fault(&mut hand, "gap").await;
    hears(&mut client, 2, false).await;
    is(&mut hand, |device| device["counters"]["lostFrames"] == 1600).await;
    fault(&mut hand, "stall").await;
    is(&mut hand, |device| device["counters"]["stalls"] == 1).await;
    fault(&mut hand, "none").await;
    is(&mut hand, ready).await;
    hears(&mut client, 2, false).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn real_library(stage: Stage) {
    let card = SoundCard::only(48_000, 2);
    let mut daemon = stage.start_beside(card.environment(), ALSA).await;
    daemon.ready("microphone", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    succeeds(&mut client, start(false)).await;
    hears(&mut client, 3, false).await;
    card.unplug();
    is(&mut other, |device| device["state"] == "absent").await;
    refuses(&mut other, start(true)).await;
    card.plug();
    is(&mut other, ready).await;
    hears(&mut client, 3, false).await;
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn begun_in_the_middle(stage: Stage) {
    let mut daemon = stage.start_unrecorded(SIMULATED).await;
    daemon.ready("microphone", 1).await;
    let (mut text, mut bytes) = (daemon.unix().await, daemon.ws().await);
    succeeds(&mut text, start(false)).await;
    succeeds(&mut bytes, start(true)).await;
    hears(&mut text, 3, false).await;
    hears(&mut bytes, 3, true).await;
    // Nearer to the middle of a piece than to its ends.
    pause().await;
    daemon.record("start", stage.recording()).await;
    hears(&mut text, 4, false).await;
    hears(&mut bytes, 4, true).await;
    let told = succeeds(&mut text, action("getMicrophoneState", "s")).await;
    assert_eq!(told["data"]["microphoneListenerState"], 1);
    for client in [text, bytes] {
        client.leave().await;
    }
    daemon.stop().await;
}

async fn begun_at_rest(stage: Stage) {
    let mut daemon = stage.start_unrecorded(SIMULATED).await;
    daemon.ready("microphone", 1).await;
    let mut client = daemon.unix().await;
    succeeds(&mut client, start(true)).await;
    hears(&mut client, 2, true).await;
    succeeds(&mut client, action(STOP, "s")).await;
    pause().await;
    daemon.record("start", stage.recording()).await;
    is(&mut client, ready).await;
    succeeds(&mut client, start(false)).await;
    hears(&mut client, 3, false).await;
    client.leave().await;
    daemon.stop().await;
}
