//! Polling for CPU cards (3.13.1, 2.4): what comes when, and what ends it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::apdus::{COMMAND, command, good, is, is_ats};
use super::cards::{DEVICE, READ, READ_FILE, SELECT, read_once};
use super::context::{Context, plain_reply};
use super::groups::{idle_close, refused};
use super::wire::{Wire, close, request};
use super::{Case, Mismatch, Need, Outcome, check};

const START: &str = "startCPUCardLoopRead";
const STOP: &str = "stopCPUCardLoopRead";
const CHANNEL: &str = "CPUCardListener";

const POLLS: &[Need] =
    &[Need::Action(START), Need::Action(STOP), Need::Channel(CHANNEL), Need::Simulated(DEVICE)];
const COMMANDS: &[Need] = &[
    Need::Action(START),
    Need::Channel(CHANNEL),
    Need::Action(READ),
    Need::Action(COMMAND),
    Need::Simulated(DEVICE),
];

/// An interval that passes many times while a case runs, and one that does not pass at all.
const SHORT: u64 = 100;
const LONG: u64 = 60_000;

/// So many short intervals that an event would have come.
const LONG_ENOUGH: Duration = Duration::from_millis(6 * SHORT);

pub(super) static CASES: &[Case] = &[
    Case::new("cpu_card/polling_tells_of_a_card_when_it_comes", "3.13.1", POLLS, |cx| {
        Box::pin(at_once(cx))
    }),
    Case::new("cpu_card/polling_tells_of_a_card_again_every_interval", "3.13.1", POLLS, |cx| {
        Box::pin(every_interval(cx))
    }),
    Case::new("cpu_card/polling_tells_of_no_card_when_asked_to", "3.13.1", POLLS, |cx| {
        Box::pin(absence(cx))
    }),
    Case::new("cpu_card/polling_tells_of_no_card_only_when_asked_to", "3.13.1", POLLS, |cx| {
        Box::pin(no_absence(cx))
    }),
    Case::new("cpu_card/each_connection_polls_at_its_own_interval", "3.13.1", POLLS, |cx| {
        Box::pin(own_intervals(cx))
    }),
    Case::new("cpu_card/on_alone_brings_no_events", "2.4", POLLS, |cx| Box::pin(on_alone(cx))),
    Case::new("cpu_card/stop_ends_polling", "2.4", POLLS, |cx| Box::pin(stop(cx))),
    Case::new("cpu_card/off_ends_polling", "2.4", POLLS, |cx| Box::pin(off(cx))),
    Case::new("cpu_card/close_ends_polling_and_says_关闭成功", "1.8", POLLS, |cx| {
        Box::pin(closed(cx))
    }),
    Case::new("cpu_card/a_second_start_replaces_the_params", "2.4", POLLS, |cx| {
        Box::pin(second_start(cx))
    }),
    Case::new("cpu_card/polling_and_read_once_tell_the_same", "3.13.1", COMMANDS, |cx| {
        Box::pin(the_same(cx))
    }),
    Case::new("cpu_card/polling_goes_on_after_a_command", "3.13.7", COMMANDS, |cx| {
        Box::pin(after_a_command(cx))
    }),
    Case::new("cpu_card/wrong_params_of_polling_are_refused", "1.5", &[], |cx| {
        let wrong = [
            json!({"intervalTime": "soon"}),
            json!({"intervalTime": -1}),
            json!({"isComeBackFailed": "maybe"}),
        ];
        Box::pin(refused(cx, START, wrong))
    }),
    Case::new("cpu_card/close_with_nothing_under_way_succeeds", "1.8", &[], |cx| {
        Box::pin(idle_close(cx, START))
    }),
];

/// A connection that polls.
async fn polls(cx: &Context, params: Value) -> Result<Wire, Mismatch> {
    let mut wire = cx.connect().await?;
    start(cx, &mut wire, params).await?;
    Ok(wire)
}

async fn start(cx: &Context, wire: &mut Wire, params: Value) -> Outcome {
    let reply = past_events(cx, wire, request(START, &json!("p"), Some(params))).await?;
    cx.equal(&reply, &plain_reply(START, "open", &json!("p"), true, "成功"))
}

/// Asks on a connection to which events come: what they are is not looked at.
async fn past_events(cx: &Context, wire: &mut Wire, frame: String) -> Result<Value, Mismatch> {
    /// More than come in the time that an answer may take.
    const MOST: usize = 200;
    wire.send(frame).await?;
    for _ in 0..MOST {
        let frame = wire.next().await?;
        if frame["channel"] != CHANNEL {
            return Ok(frame);
        }
        code(cx, &frame)?;
    }
    Err(Mismatch::wrong("nothing but events comes"))
}

/// The code of an event in the right shape (3.13.1): 0 with a card, -1 without one.
fn code(cx: &Context, event: &Value) -> Result<i64, Mismatch> {
    let info = event["data"]["nfc_cardInfo"].as_str().unwrap_or("no text");
    let code = if is_ats(info) { 0 } else { -1 };
    let info = if code == 0 { info } else { "" };
    let data = json!({"nfc_cardInfo": info, "code": code});
    cx.equal(event, &json!({"channel": CHANNEL, "data": data}))?;
    Ok(code)
}

/// The next frame is an event of a card; what it tells.
async fn card(cx: &Context, wire: &mut Wire) -> Result<String, Mismatch> {
    let event = wire.next().await?;
    let code = code(cx, &event)?;
    check(code == 0, || format!("expected an event of a card: {}", cx.quote(&event)))?;
    Ok(event["data"]["nfc_cardInfo"].as_str().unwrap_or_default().to_owned())
}

/// Events of this code come, after at most so many of the other.
async fn until(cx: &Context, wire: &mut Wire, expected: i64, most: usize) -> Outcome {
    for _ in 0..=most {
        let event = wire.next().await?;
        if code(cx, &event)? == expected {
            return Ok(());
        }
    }
    Err(Mismatch::Wrong(format!("no event with code {expected} comes")))
}

async fn at_once(cx: Context) -> Outcome {
    let mut wire = polls(&cx, json!({"intervalTime": LONG})).await?;
    // Each time a card comes, and not again within the interval.
    for _ in 0..2 {
        cx.insert(DEVICE, json!("transport")).await?;
        card(&cx, &mut wire).await?;
        wire.is_quiet_for(LONG_ENOUGH).await?;
        cx.remove(DEVICE).await?;
    }
    Ok(())
}

async fn every_interval(cx: Context) -> Outcome {
    const EVENTS: u32 = 10;
    cx.insert(DEVICE, json!("transport")).await?;
    let mut wire = polls(&cx, json!({"intervalTime": SHORT.to_string()})).await?;
    let info = card(&cx, &mut wire).await?;
    let begun = Instant::now();
    for _ in 0..EVENTS {
        is(&card(&cx, &mut wire).await?, &info)?;
    }
    let took = begun.elapsed();
    // The first may be late and the last in time. Far from twice as fast, and from a second each.
    let due = Duration::from_millis(SHORT) * EVENTS;
    check(took > due / 2 && took < due * 5, || {
        format!("{EVENTS} intervals of {SHORT} ms pass in {took:?}")
    })
}

async fn absence(cx: Context) -> Outcome {
    let params = json!({"intervalTime": SHORT, "isComeBackFailed": "true"});
    let mut wire = polls(&cx, params).await?;
    let begun = Instant::now();
    for _ in 0..5 {
        until(&cx, &mut wire, -1, 0).await?;
    }
    let took = begun.elapsed();
    check(took > Duration::from_millis(5 * SHORT / 2), || {
        format!("five intervals of {SHORT} ms without a card pass in {took:?}")
    })?;
    cx.insert(DEVICE, json!("transport")).await?;
    // What was said meanwhile comes before.
    until(&cx, &mut wire, 0, 50).await?;
    card(&cx, &mut wire).await?;
    cx.remove(DEVICE).await?;
    until(&cx, &mut wire, -1, 50).await
}

async fn no_absence(cx: Context) -> Outcome {
    let mut wire = polls(&cx, json!({"intervalTime": SHORT})).await?;
    wire.is_quiet_for(LONG_ENOUGH).await?;
    cx.insert(DEVICE, json!("transport")).await?;
    card(&cx, &mut wire).await?;
    cx.remove(DEVICE).await?;
    // What was sent before it was lifted is on its way still.
    let reply = past_events(&cx, &mut wire, request("getDeviceInfo", &json!("i"), None)).await?;
    cx.success(&reply)?;
    wire.is_quiet_for(LONG_ENOUGH).await
}

async fn own_intervals(cx: Context) -> Outcome {
    let mut often = polls(&cx, json!({"intervalTime": SHORT})).await?;
    let mut seldom = polls(&cx, json!({"intervalTime": LONG})).await?;
    cx.insert(DEVICE, json!("transport")).await?;
    let info = card(&cx, &mut seldom).await?;
    for _ in 0..6 {
        is(&card(&cx, &mut often).await?, &info)?;
    }
    // In all this time nothing else has come here.
    seldom.settled().await?;
    let reply = past_events(&cx, &mut often, request(STOP, &json!("s"), None)).await?;
    cx.equal(&reply, &plain_reply(STOP, "open", &json!("s"), true, "成功"))?;
    // One's stop is no other's.
    cx.remove(DEVICE).await?;
    cx.insert(DEVICE, json!("transport")).await?;
    card(&cx, &mut seldom).await?;
    often.settled().await
}

async fn on_alone(cx: Context) -> Outcome {
    let mut listener = cx.connect().await?;
    let reply = listener.ask(json!({"on": CHANNEL}).to_string()).await?;
    cx.equal(&reply, &json!({"on": CHANNEL, "success": true, "message": "成功"}))?;
    let mut other = polls(&cx, json!({"intervalTime": SHORT})).await?;
    cx.insert(DEVICE, json!("transport")).await?;
    for _ in 0..3 {
        card(&cx, &mut other).await?;
    }
    listener.settled().await
}

/// Polls a card that lies there until this is said, which answers this; nothing comes after it, nor
/// after `on`.
async fn ends(cx: &Context, frame: String, expected: Value) -> Outcome {
    cx.insert(DEVICE, json!("transport")).await?;
    let mut wire = polls(cx, json!({"intervalTime": SHORT, "isComeBackFailed": true})).await?;
    card(cx, &mut wire).await?;
    let reply = past_events(cx, &mut wire, frame).await?;
    cx.equal(&reply, &expected)?;
    wire.is_quiet_for(LONG_ENOUGH).await?;
    cx.remove(DEVICE).await?;
    let reply = wire.ask(json!({"on": CHANNEL}).to_string()).await?;
    cx.equal(&reply, &json!({"on": CHANNEL, "success": true, "message": "成功"}))?;
    cx.insert(DEVICE, json!("transport")).await?;
    wire.is_quiet_for(LONG_ENOUGH).await
}

async fn stop(cx: Context) -> Outcome {
    let expected = plain_reply(STOP, "open", &json!("s"), true, "成功");
    ends(&cx, request(STOP, &json!("s"), Some(json!({}))), expected).await
}

async fn off(cx: Context) -> Outcome {
    let expected = json!({"off": CHANNEL, "success": true, "message": "成功"});
    ends(&cx, json!({"off": CHANNEL}).to_string(), expected).await
}

async fn closed(cx: Context) -> Outcome {
    let expected = plain_reply(START, "close", &json!("z"), true, "关闭成功");
    ends(&cx, close(START, "z"), expected).await
}

async fn second_start(cx: Context) -> Outcome {
    cx.insert(DEVICE, json!("transport")).await?;
    let mut wire = polls(&cx, json!({"intervalTime": LONG})).await?;
    card(&cx, &mut wire).await?;
    start(&cx, &mut wire, json!({"intervalTime": SHORT})).await?;
    for _ in 0..3 {
        card(&cx, &mut wire).await?;
    }
    start(&cx, &mut wire, json!({"intervalTime": LONG})).await?;
    // A start may tell once more of the card that lies there.
    let _ = wire.next_within(LONG_ENOUGH).await?;
    wire.is_quiet_for(LONG_ENOUGH).await
}

async fn the_same(cx: Context) -> Outcome {
    let mut wire = polls(&cx, json!({"intervalTime": LONG})).await?;
    cx.insert(DEVICE, json!("transport")).await?;
    let info = card(&cx, &mut wire).await?;
    is(&read_once(&cx, &mut wire).await?, &info)
}

async fn after_a_command(cx: Context) -> Outcome {
    let mut polling = polls(&cx, json!({"intervalTime": SHORT})).await?;
    cx.insert(DEVICE, json!("transport")).await?;
    let info = card(&cx, &mut polling).await?;
    let mut wire = cx.connect().await?;
    let to = json!({"type": 1});
    good(&command(&cx, &mut wire, &to, SELECT).await?)?;
    for _ in 0..5 {
        is(&card(&cx, &mut polling).await?, &info)?;
    }
    // Polling has reset nothing: what was open still is.
    good(&command(&cx, &mut wire, &to, READ_FILE).await?)?;
    Ok(())
}
