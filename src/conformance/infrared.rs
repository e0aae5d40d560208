//! Presence (3.10, 2.4): what comes when, and what ends it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::context::{Context, LATE, is_due, plain_reply};
use super::groups::{idle_close, refused};
use super::wire::{Wire, close, request};
use super::{Case, Mismatch, Need, Outcome};

const START: &str = "startInfraredInductionListener";
const STOP: &str = "stopInfraredInductionListener";
const CHANNEL: &str = "initInfraredInductionListener";
const DEVICE: &str = "infrared";

const LISTENS: &[Need] =
    &[Need::Action(START), Need::Action(STOP), Need::Channel(CHANNEL), Need::Simulated(DEVICE)];

/// The shortest and the longest interval (3.10.1).
const SHORTEST: Duration = Duration::from_millis(2000);
const LONGEST: Duration = Duration::from_millis(5000);

/// What a sensor may need to tell of a change.
const NOTICED: Duration = Duration::from_millis(300);

pub(super) static CASES: &[Case] = &[
    Case::new("infrared/one_event_an_interval_tells_who_is_there", "3.10.1", LISTENS, |cx| {
        Box::pin(every_interval(cx))
    }),
    Case::new("infrared/a_visit_between_two_events_is_told", "3.10.2", LISTENS, |cx| {
        Box::pin(visit(cx))
    }),
    Case::new("infrared/an_interval_is_drawn_into_its_range", "3.10.1", LISTENS, |cx| {
        Box::pin(range(cx))
    }),
    Case::new("infrared/on_alone_brings_no_events", "2.4", LISTENS, |cx| Box::pin(on_alone(cx))),
    Case::new("infrared/stop_off_and_close_end_it", "2.4", LISTENS, |cx| Box::pin(ends(cx))),
    Case::new("infrared/a_second_start_replaces_the_interval", "2.4", LISTENS, |cx| {
        Box::pin(second_start(cx))
    }),
    Case::new("infrared/an_absent_sensor_is_told_and_says_nothing", "3.10.3", LISTENS, |cx| {
        Box::pin(absent(cx))
    }),
    Case::new("infrared/wrong_params_are_refused", "1.5", &[], |cx| {
        let wrong = [json!({"intervalTime": "soon"}), json!({"intervalTime": [3000]})];
        Box::pin(refused(cx, START, wrong))
    }),
    Case::new("infrared/close_with_nothing_under_way_succeeds", "1.8", &[], |cx| {
        Box::pin(idle_close(cx, START))
    }),
];

/// Nobody is before the sensor.
async fn nobody(cx: &Context) -> Outcome {
    does(cx, "go").await
}

async fn does(cx: &Context, verb: &str) -> Outcome {
    cx.simulate(json!({"device": DEVICE, "do": verb})).await
}

async fn starts(cx: &Context, wire: &mut Wire, interval: Value) -> Result<Instant, Mismatch> {
    let begun = Instant::now();
    let params = json!({"intervalTime": interval});
    let reply = wire.ask(request(START, &json!("p"), Some(params))).await?;
    cx.equal(&reply, &plain_reply(START, "open", &json!("p"), true, "成功"))?;
    Ok(begun)
}

/// The next frame is an event that tells this.
async fn tells(cx: &Context, wire: &mut Wire, somebody: bool) -> Outcome {
    let code = if somebody { "1" } else { "0" };
    let event = json!({"channel": CHANNEL, "data": {"inductionCode": code}});
    cx.equal(&wire.next().await?, &event)
}

async fn every_interval(cx: Context) -> Outcome {
    nobody(&cx).await?;
    let mut wire = cx.connect().await?;
    let begun = starts(&cx, &mut wire, json!("2000")).await?;
    tells(&cx, &mut wire, false).await?;
    is_due(begun, SHORTEST)?;
    does(&cx, "come").await?;
    for number in 2..=3 {
        tells(&cx, &mut wire, true).await?;
        is_due(begun, SHORTEST * number)?;
    }
    nobody(&cx).await?;
    // Somebody was there at the beginning of this interval still.
    tells(&cx, &mut wire, true).await?;
    tells(&cx, &mut wire, false).await
}

async fn visit(cx: Context) -> Outcome {
    nobody(&cx).await?;
    let (mut one, mut other) = (cx.connect().await?, cx.connect().await?);
    starts(&cx, &mut one, json!(2000)).await?;
    let begun = starts(&cx, &mut other, json!(5000)).await?;
    tokio::time::sleep(NOTICED).await;
    does(&cx, "pulse").await?;
    for somebody in [true, false] {
        tells(&cx, &mut one, somebody).await?;
    }
    // What one was told the other is told as well.
    tells(&cx, &mut other, true).await?;
    is_due(begun, LONGEST)
}

async fn range(cx: Context) -> Outcome {
    nobody(&cx).await?;
    let (mut often, mut seldom) = (cx.connect().await?, cx.connect().await?);
    let begun = starts(&cx, &mut often, json!(1)).await?;
    let begun_too = starts(&cx, &mut seldom, json!("3600000")).await?;
    tells(&cx, &mut often, false).await?;
    is_due(begun, SHORTEST)?;
    tells(&cx, &mut seldom, false).await?;
    is_due(begun_too, LONGEST)
}

async fn on_alone(cx: Context) -> Outcome {
    let mut listener = cx.listens(CHANNEL).await?;
    nobody(&cx).await?;
    let mut other = cx.connect().await?;
    starts(&cx, &mut other, json!(2000)).await?;
    tells(&cx, &mut other, false).await?;
    listener.settled().await
}

async fn ends(cx: Context) -> Outcome {
    nobody(&cx).await?;
    let ways = [
        (
            request(STOP, &json!("s"), Some(json!({}))),
            plain_reply(STOP, "open", &json!("s"), true, "成功"),
        ),
        (
            json!({"off": CHANNEL}).to_string(),
            json!({"off": CHANNEL, "success": true, "message": "成功"}),
        ),
        (close(START, "z"), plain_reply(START, "close", &json!("z"), true, "关闭成功")),
    ];
    let mut ended = Vec::new();
    for (frame, expected) in ways {
        let mut wire = cx.connect().await?;
        starts(&cx, &mut wire, json!(2000)).await?;
        let reply = wire.ask(frame).await?;
        cx.equal(&reply, &expected)?;
        ended.push(wire);
    }
    tokio::time::sleep(SHORTEST + LATE).await;
    for wire in &mut ended {
        wire.settled().await?;
    }
    Ok(())
}

async fn second_start(cx: Context) -> Outcome {
    nobody(&cx).await?;
    let mut wire = cx.connect().await?;
    starts(&cx, &mut wire, json!(5000)).await?;
    let begun = starts(&cx, &mut wire, json!(2000)).await?;
    for number in 1..=3 {
        tells(&cx, &mut wire, false).await?;
        is_due(begun, SHORTEST * number)?;
    }
    Ok(())
}

async fn absent(cx: Context) -> Outcome {
    nobody(&cx).await?;
    let mut wire = cx.connect().await?;
    starts(&cx, &mut wire, json!(2000)).await?;
    cx.fault(DEVICE, "unplug").await?;
    cx.until_state(DEVICE, "absent").await?;
    let mut late = cx.connect().await?;
    let reply = late.ask(request(START, &json!("p"), Some(json!({})))).await?;
    cx.refused(&reply, "device_unavailable")?;
    // "Nobody" is not what that means.
    wire.is_quiet_for(SHORTEST + LATE).await?;
    cx.fault(DEVICE, "none").await?;
    cx.until_state(DEVICE, "ready").await?;
    tells(&cx, &mut wire, false).await
}
