//! The microphone (3.4), where it is simulated: both forms of its events, who gets them and until when,
//! and the single recording. What a real one hears is nobody's business.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::context::Context;
use super::wire::{Wire, request};
use super::{Case, Mismatch, Need, Outcome, check};

const START: &str = "startMicrophoneListener";
const STOP: &str = "stopMicrophoneListener";
const CHANNEL: &str = "initMicrophoneListener";

const NEEDS: &[Need] = &[Need::Action(START), Need::Simulated("microphone")];
const RECORDS: &[Need] = &[Need::Action("startMicrophone"), Need::Simulated("microphone")];

/// In so long a time several events would come.
const QUIET: Duration = Duration::from_millis(400);

pub(super) static CASES: &[Case] = &[
    Case::new("microphone/base64_is_broken_as_android_breaks_it", "3.4.1", NEEDS, |cx| {
        Box::pin(base64(cx))
    }),
    Case::new("microphone/two_connections_get_the_same_sound_in_two_forms", "3.4.1", NEEDS, |cx| {
        Box::pin(both_forms(cx))
    }),
    Case::new("microphone/on_alone_brings_nothing", "2.4", NEEDS, |cx| Box::pin(on_alone(cx))),
    Case::new("microphone/a_second_start_replaces_the_form", "2.4", NEEDS, |cx| {
        Box::pin(replaced(cx))
    }),
    Case::new("microphone/stop_and_off_and_close_end_the_events", "2.4", NEEDS, |cx| {
        Box::pin(ended(cx))
    }),
    Case::new("microphone/the_state_is_the_connections_own", "3.4.3", NEEDS, |cx| {
        Box::pin(own_state(cx))
    }),
    Case::new("microphone/without_it_a_start_is_device_unavailable", "3.4.4", NEEDS, |cx| {
        Box::pin(absent(cx))
    }),
    Case::new("microphone/a_recording_is_an_mp3", "3.4.2", RECORDS, |cx| Box::pin(recording(cx))),
    Case::new("microphone/a_recording_that_was_not_begun_is_empty", "3.4.3", RECORDS, |cx| {
        Box::pin(nothing_recorded(cx))
    }),
];

fn start(source_bytes: bool) -> String {
    request(START, &json!("m"), Some(json!({ "isMicrophoneSourceData": source_bytes })))
}

/// A connection that listens in this form.
async fn listening(cx: &Context, source_bytes: bool) -> Result<Wire, Mismatch> {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(start(source_bytes)).await?;
    cx.success(&reply)?;
    Ok(wire)
}

/// The next event's data.
async fn event(cx: &Context, wire: &mut Wire) -> Result<Value, Mismatch> {
    let frame = wire.next().await?;
    check(frame["channel"] == CHANNEL, || format!("expected an event: {}", cx.quote(&frame)))?;
    Ok(frame["data"].clone())
}

/// The sound of an event in base64.
fn decoded(data: &Value) -> Result<Vec<u8>, Mismatch> {
    let text = data["voiceContent"].as_str().ok_or_else(|| no("voiceContent is no string"))?;
    STANDARD.decode(text.replace('\n', "")).map_err(|_| no("voiceContent is no base64"))
}

/// The sound of an event in signed decimals.
fn listed(data: &Value) -> Result<Vec<u8>, Mismatch> {
    let text = data["voiceContent"].as_str().ok_or_else(|| no("voiceContent is no string"))?;
    let list = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let list = list.ok_or_else(|| no("the bytes do not stand in brackets"))?;
    let bytes: Result<Vec<i8>, _> = list.split(',').map(str::parse).collect();
    let bytes = bytes.map_err(|_| no("the bytes are no signed decimals"))?;
    Ok(bytes.into_iter().map(i8::cast_unsigned).collect())
}

fn no(what: &str) -> Mismatch {
    Mismatch::wrong(what)
}

async fn base64(cx: Context) -> Outcome {
    let mut wire = listening(&cx, false).await?;
    let data = event(&cx, &mut wire).await?;
    let keys: Vec<_> = data.as_object().into_iter().flatten().map(|(key, _)| key).collect();
    check(keys == ["voiceContent"], || format!("the keys are {keys:?}"))?;
    let sound = decoded(&data)?;
    check(!sound.is_empty() && sound.len().is_multiple_of(2), || {
        format!("{} bytes are no samples of 16 bits", sound.len())
    })?;
    let text = data["voiceContent"].as_str().unwrap_or_default();
    let lines: Vec<_> = text.split('\n').collect();
    let Some((last, [full @ .., rest])) = lines.split_last() else {
        return Err(no("there is no line end"));
    };
    let well = last.is_empty()
        && full.iter().all(|line| line.len() == 76)
        && (1..=76).contains(&rest.len());
    check(well, || "its lines have not 76 characters and an end each".to_owned())
}

async fn both_forms(cx: Context) -> Outcome {
    // Pieces of this tone differ from each other for a second.
    cx.simulate(json!({"device": "microphone", "do": "tone", "hz": 441})).await?;
    let mut text = listening(&cx, false).await?;
    let mut bytes = listening(&cx, true).await?;
    let mut heard = Vec::new();
    for _ in 0..8 {
        heard.push(decoded(&event(&cx, &mut text).await?)?);
    }
    for _ in 0..4 {
        let data = event(&cx, &mut bytes).await?;
        check(data["voiceContent"] == data["voicecontent"], || {
            "voiceContent and voicecontent differ".to_owned()
        })?;
        let sound = listed(&data)?;
        let same = heard.contains(&sound);
        check(same || sound.iter().all(|byte| *byte == 0), || {
            "the two forms do not carry the same sound".to_owned()
        })?;
    }
    cx.simulate(json!({"device": "microphone", "do": "silence"})).await
}

async fn on_alone(cx: Context) -> Outcome {
    let _listener = listening(&cx, false).await?;
    let mut wire = cx.connect().await?;
    wire.ask(json!({ "on": CHANNEL }).to_string()).await?;
    wire.is_quiet_for(QUIET).await
}

async fn replaced(cx: Context) -> Outcome {
    let mut wire = listening(&cx, false).await?;
    event(&cx, &mut wire).await?;
    wire.send(start(true)).await?;
    // Those of before may still come, and the reply; after it the other form alone.
    loop {
        let frame = wire.next().await?;
        if frame["action"] == START {
            cx.success(&frame)?;
            break;
        }
    }
    for _ in 0..3 {
        listed(&event(&cx, &mut wire).await?)?;
    }
    Ok(())
}

async fn ended(cx: Context) -> Outcome {
    let close = json!({"action": START, "event": "close", "taskId": "m"}).to_string();
    let off = json!({ "off": CHANNEL }).to_string();
    for end in [request(STOP, &json!("m"), Some(json!({}))), off, close] {
        let mut wire = listening(&cx, false).await?;
        event(&cx, &mut wire).await?;
        wire.send(&end).await?;
        loop {
            let frame = wire.next().await?;
            if frame["channel"] != CHANNEL {
                check(frame["success"] == true, || cx.quote(&frame))?;
                break;
            }
        }
        wire.is_quiet_for(QUIET).await?;
    }
    Ok(())
}

async fn state(cx: &Context, wire: &mut Wire) -> Result<[Value; 2], Mismatch> {
    wire.send(request("getMicrophoneState", &json!("s"), Some(json!({})))).await?;
    loop {
        let frame = wire.next().await?;
        if frame["channel"] == CHANNEL {
            continue;
        }
        let data = cx.success(&frame)?;
        return Ok(["microphoneListenerState", "microphoneState"].map(|key| data[key].clone()));
    }
}

async fn own_state(cx: Context) -> Outcome {
    let mut listener = listening(&cx, false).await?;
    let mut recorder = cx.connect().await?;
    let begun = recorder.ask(request("startMicrophone", &json!("r"), Some(json!({})))).await?;
    cx.success(&begun)?;
    for (who, wire, expected) in [
        ("who listens", &mut listener, [json!(1), json!(0)]),
        ("who records", &mut recorder, [json!(0), json!(1)]),
        ("who does neither", &mut cx.connect().await?, [json!(0), json!(0)]),
    ] {
        let told = state(&cx, wire).await?;
        check(told == expected, || format!("{who} is told {told:?}"))?;
    }
    Ok(())
}

async fn absent(cx: Context) -> Outcome {
    cx.fault("microphone", "unplug").await?;
    let mut wire = cx.connect().await?;
    for action in [START, "startMicrophone"] {
        let reply = wire.ask(request(action, &json!("m"), Some(json!({})))).await?;
        cx.refused(&reply, "device_unavailable")?;
        cx.echoes(&reply, action, "open", &json!("m"))?;
    }
    let told = state(&cx, &mut wire).await?;
    check(told == [json!(0), json!(0)], || format!("nothing was started, and it says {told:?}"))?;
    cx.fault("microphone", "none").await?;
    cx.until_state("microphone", "ready").await?;
    listening(&cx, false).await.map(|_| ())
}

async fn recording(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let begun = wire.ask(request("startMicrophone", &json!("r"), Some(json!({})))).await?;
    cx.success(&begun)?;
    wire.is_quiet_for(QUIET).await?;
    let ended = wire.ask(request("stopMicrophone", &json!("r"), Some(json!({})))).await?;
    let data = cx.success(&ended)?;
    let mp3 = data["voiceContent"].as_str().and_then(|text| STANDARD.decode(text).ok());
    let mp3 = mp3.ok_or_else(|| no("voiceContent is no base64 without line breaks"))?;
    // A frame's first eleven bits are ones, its layer is III (ISO/IEC 11172-3, 2.4.2.3).
    let is_mp3 =
        matches!(mp3[..], [0xFF, second, ..] if second & 0xE6 == 0xE2) || mp3.starts_with(b"ID3");
    check(is_mp3, || "voiceContent is no MP3".to_owned())?;
    let told = state(&cx, &mut wire).await?;
    check(told == [json!(0), json!(0)], || format!("it has ended, and the state is {told:?}"))
}

async fn nothing_recorded(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request("stopMicrophone", &json!("r"), Some(json!({})))).await?;
    let data = cx.success(&reply)?;
    check(data == json!({"voiceContent": ""}), || format!("the data is {data}"))
}
