//! The operation timeout (3.9, 2.4). What waits for it is tried where the countdown is short, or where
//! everything is to be tried.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::context::{Context, LATE, is_due};
use super::groups::is_not_there;
use super::wire::Wire;
use super::{Case, Mismatch, Need, Outcome, check};

const CALL: &str = "ampeStartOperationWatcher";
const CHANNEL: &str = "ampeOperationTimeout";
const DEVICE: &str = "input";

/// Whoever used the input devices meanwhile would start the countdown again.
const WAITS: &[Need] =
    &[Need::Call(CALL), Need::Channel(CHANNEL), Need::Waits(DEVICE), Need::Countdown];
const OPERATED: &[Need] =
    &[Need::Call(CALL), Need::Channel(CHANNEL), Need::Simulated(DEVICE), Need::Countdown];

/// For so long nothing comes where the countdown is switched off.
const QUIET: Duration = Duration::from_secs(2);

pub(super) static CASES: &[Case] = &[
    Case::new("operation/the_watcher_answers_as_a_call", "3.9.1", &[], |cx| Box::pin(answer(cx))),
    Case::new("operation/it_fires_once_when_nobody_operates", "3.9.1", WAITS, |cx| {
        Box::pin(fires_once(cx))
    })
    .slow(),
    Case::new("operation/a_new_call_starts_it_again", "3.9.1", WAITS, |cx| Box::pin(new_call(cx)))
        .slow(),
    Case::new("operation/keys_and_touches_start_it_again", "3.9.2", OPERATED, |cx| {
        Box::pin(operated(cx))
    })
    .slow(),
    Case::new("operation/off_and_reset_end_it", "3.9.2", WAITS, |cx| Box::pin(ended(cx))).slow(),
    Case::new("operation/on_alone_starts_nothing", "2.4", WAITS, |cx| Box::pin(on_alone(cx)))
        .slow(),
    Case::new("operation/switched_off_it_never_fires", "3.9.2", &[Need::Call(CALL)], |cx| {
        Box::pin(switched_off(cx))
    }),
];

async fn answer(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let res = start(&cx, &mut wire, 1).await?;
    if res["success"] == false && is_not_there(&cx.kind(&res)?) {
        return Ok(());
    }
    is_started(&cx, &res)
}

/// Starts the countdown; the call's `res`.
async fn start(cx: &Context, wire: &mut Wire, id: u32) -> Result<Value, Mismatch> {
    let reply = wire.ask(json!({"call": CALL, "params": {}, "id": id}).to_string()).await?;
    let head = reply["call"] == CALL && reply["id"] == id;
    check(head, || format!("call and id do not come back: {}", cx.quote(&reply)))?;
    Ok(reply["res"].clone())
}

fn is_started(cx: &Context, res: &Value) -> Outcome {
    cx.equal(res, &json!({"success": true, "message": "成功", "data": {}}))
}

/// Starts the countdown, which must succeed; the moment before.
async fn started(cx: &Context, wire: &mut Wire, id: u32) -> Result<Instant, Mismatch> {
    let begun = Instant::now();
    let res = start(cx, wire, id).await?;
    is_started(cx, &res)?;
    Ok(begun)
}

/// The countdown that began then ends in time, and says so.
async fn fires(cx: &Context, wire: &mut Wire, begun: Instant, countdown: Duration) -> Outcome {
    let left = (begun + countdown).saturating_duration_since(Instant::now());
    let frame = wire.object_within(left + LATE).await?;
    cx.equal(&frame, &json!({"channel": CHANNEL, "data": {}}))?;
    is_due(begun, countdown)
}

async fn fires_once(cx: Context) -> Outcome {
    let countdown = cx.countdown()?;
    let mut wire = cx.connect().await?;
    let begun = started(&cx, &mut wire, 1).await?;
    fires(&cx, &mut wire, begun, countdown).await?;
    wire.is_quiet_for(countdown + LATE).await
}

async fn new_call(cx: Context) -> Outcome {
    let countdown = cx.countdown()?;
    let (mut wire, mut other) = (cx.connect().await?, cx.connect().await?);
    started(&cx, &mut wire, 1).await?;
    let others = started(&cx, &mut other, 1).await?;
    sleep(countdown / 2).await;
    let begun = started(&cx, &mut wire, 2).await?;
    // Each connection has a countdown of its own.
    fires(&cx, &mut other, others, countdown).await?;
    fires(&cx, &mut wire, begun, countdown).await?;
    wire.settled().await
}

async fn operated(cx: Context) -> Outcome {
    let countdown = cx.countdown()?;
    let mut wire = cx.connect().await?;
    started(&cx, &mut wire, 1).await?;
    let mut last = Instant::now();
    for verb in ["key", "touch"] {
        sleep(countdown / 2).await;
        last = Instant::now();
        cx.simulate(json!({"device": DEVICE, "do": verb})).await?;
    }
    fires(&cx, &mut wire, last, countdown).await
}

async fn ended(cx: Context) -> Outcome {
    let countdown = cx.countdown()?;
    let mut wires = Vec::new();
    for end in [json!({"off": CHANNEL}), json!({"call": "bridge.reset"})] {
        let mut wire = cx.connect().await?;
        started(&cx, &mut wire, 1).await?;
        let reply = wire.ask(end.to_string()).await?;
        let yes = reply["success"] == true || reply["res"]["success"] == true;
        check(yes, || format!("it does not succeed: {}", cx.quote(&reply)))?;
        wires.push(wire);
    }
    sleep(countdown + LATE).await;
    for wire in &mut wires {
        wire.settled().await?;
    }
    Ok(())
}

async fn on_alone(cx: Context) -> Outcome {
    let countdown = cx.countdown()?;
    let mut wire = cx.listens(CHANNEL).await?;
    wire.is_quiet_for(countdown + LATE).await
}

async fn switched_off(cx: Context) -> Outcome {
    if cx.limit("operationTimeout")? != 0 {
        return Err(Mismatch::NotTried("it is not switched off there".to_owned()));
    }
    let mut wire = cx.connect().await?;
    started(&cx, &mut wire, 1).await?;
    wire.is_quiet_for(QUIET).await
}
