//! The second screen (3.11): what is tried needs a simulated one, as a picture on a real one is seen.

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::groups::{close_refused, refused};
use super::wire::{Wire, request};
use super::{Case, Need, Outcome, check};

const OPEN: &str = "openSecondaryScreen";
const CLOSE: &str = "closeSecondaryScreen";
const STATE: &str = "getSecondaryScreenState";
const NEEDS: &[Need] = &[
    Need::Action(OPEN),
    Need::Action(CLOSE),
    Need::Action(STATE),
    Need::Simulated("second_screen"),
];
const UNPLUGGED: &[Need] = &[
    Need::Action(OPEN),
    Need::Action(CLOSE),
    Need::Action(STATE),
    Need::Call("bridge.status"),
    Need::Simulated("second_screen"),
];

/// A PNG of one white pixel.
const PICTURE: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAsTj2FAAAAABJRU5ErkJggg==";

/// The same, cut off in the middle.
const CUT: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4";

/// The header of a PNG of 30,000 × 30,000 pixels.
const HUGE: &str = "iVBORw0KGgoAAAANSUhEUgAAdTAAAHUwCAAAAABDTKdmAAAACklEQVR4nGP4DwABAQEAsTj2FA==";

pub(super) static CASES: &[Case] = &[
    Case::new("screen/the_state_is_a_number", "3.11.1", &[], |cx| Box::pin(number(cx))),
    Case::new("screen/without_a_picture_it_is_refused", "3.11.1", &[], |cx| {
        Box::pin(refused(cx, OPEN, [json!({}), json!({"secondaryScreenBase64": 7})]))
    }),
    Case::new("screen/close_is_bad_request", "1.9", &[], |cx| {
        Box::pin(close_refused(cx, &[OPEN, CLOSE, STATE]))
    }),
    Case::new("screen/a_picture_is_shown_until_it_is_closed", "3.11.1", NEEDS, |cx| {
        Box::pin(shown(cx))
    }),
    Case::new("screen/base64_is_read_however_it_is_written", "3.11.2", NEEDS, |cx| {
        Box::pin(written(cx))
    }),
    Case::new("screen/what_is_no_picture_is_refused_and_the_last_stays", "3.11.2", NEEDS, |cx| {
        Box::pin(no_picture(cx))
    }),
    Case::new("screen/requests_are_carried_out_in_their_order", "3.11.2", NEEDS, |cx| {
        Box::pin(in_order(cx))
    }),
    Case::new("screen/the_picture_outlives_its_connection", "3.11.3", NEEDS, |cx| {
        Box::pin(outlives(cx))
    }),
    Case::new("screen/unplugged_and_back_it_is_shown_again", "3.11.3", UNPLUGGED, |cx| {
        Box::pin(unplugged(cx))
    }),
    Case::new("screen/closed_while_away_it_does_not_come_back", "3.11.3", UNPLUGGED, |cx| {
        Box::pin(closed_while_away(cx))
    }),
];

fn picture(base64: &str) -> Option<Value> {
    Some(json!({ "secondaryScreenBase64": base64 }))
}

async fn open(cx: &Context, wire: &mut Wire, base64: &str) -> Outcome {
    let reply = wire.ask(request(OPEN, &json!("o"), picture(base64))).await?;
    cx.equal(&reply, &plain_reply(OPEN, "open", &json!("o"), true, "成功"))
}

async fn close(cx: &Context, wire: &mut Wire) -> Outcome {
    let reply = wire.ask(request(CLOSE, &json!("c"), Some(json!({})))).await?;
    cx.equal(&reply, &plain_reply(CLOSE, "open", &json!("c"), true, "成功"))
}

async fn state(cx: &Context, wire: &mut Wire, expected: i64) -> Outcome {
    let reply = wire.ask(request(STATE, &json!("s"), Some(json!({})))).await?;
    let data = cx.success(&reply)?;
    check(data == json!({ "getSecondaryScreenState": expected }), || {
        format!("the state is told as {data}, not {expected}")
    })
}

/// Until the picture that has to come back is there.
async fn until_shown(cx: &Context, wire: &mut Wire) -> Outcome {
    while state(cx, wire, 1).await.is_err() {
        tokio::task::yield_now().await;
    }
    Ok(())
}

async fn number(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(STATE, &json!("s"), Some(json!({})))).await?;
    cx.echoes(&reply, STATE, "open", &json!("s"))?;
    if reply["success"] == false {
        let kind = cx.kind(&reply)?;
        return check(["unsupported", "device_unavailable"].contains(&kind.as_str()), || {
            format!("it cannot fail: {}", cx.quote(&reply))
        });
    }
    let data = cx.success(&reply)?;
    let state = data["getSecondaryScreenState"].as_i64();
    check(state.is_some_and(|state| (-1..=1).contains(&state)), || {
        format!("the state is told as {data}")
    })
}

async fn shown(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    close(&cx, &mut wire).await?;
    state(&cx, &mut wire, 0).await?;
    open(&cx, &mut wire, PICTURE).await?;
    state(&cx, &mut wire, 1).await?;
    open(&cx, &mut wire, PICTURE).await?;
    state(&cx, &mut wire, 1).await?;
    close(&cx, &mut wire).await?;
    state(&cx, &mut wire, 0).await?;
    // Nothing is closed once more.
    close(&cx, &mut wire).await
}

async fn written(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let urls = PICTURE.replace('+', "-").replace('/', "_");
    let (first, second) = PICTURE.split_at(40);
    for base64 in [
        urls,
        format!("{first}\r\n{second}\n"),
        format!("data:image/png;base64,{PICTURE}"),
        PICTURE.trim_end_matches('=').to_owned(),
    ] {
        open(&cx, &mut wire, &base64).await?;
    }
    close(&cx, &mut wire).await
}

async fn no_picture(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    open(&cx, &mut wire, PICTURE).await?;
    for base64 in ["", "!!!", "aGVsbG8sIHdvcmxk", CUT, HUGE] {
        let reply = wire.ask(request(OPEN, &json!("n"), picture(base64))).await?;
        cx.refused(&reply, "bad_request")?;
    }
    state(&cx, &mut wire, 1).await?;
    close(&cx, &mut wire).await
}

async fn in_order(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    close(&cx, &mut wire).await?;
    for (last, expected) in [(CLOSE, 0), (OPEN, 1)] {
        let first = if last == CLOSE { OPEN } else { CLOSE };
        for action in [first, last] {
            let params = if action == OPEN { picture(PICTURE) } else { Some(json!({})) };
            wire.send(request(action, &json!("q"), params)).await?;
        }
        for action in [first, last] {
            let reply = wire.next().await?;
            cx.equal(&reply, &plain_reply(action, "open", &json!("q"), true, "成功"))?;
        }
        state(&cx, &mut wire, expected).await?;
    }
    close(&cx, &mut wire).await
}

async fn outlives(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    open(&cx, &mut wire, PICTURE).await?;
    drop(wire);
    let mut other = cx.connect().await?;
    state(&cx, &mut other, 1).await?;
    close(&cx, &mut other).await
}

async fn unplugged(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    open(&cx, &mut wire, PICTURE).await?;
    cx.fault("second_screen", "unplug").await?;
    cx.until_state("second_screen", "absent").await?;
    state(&cx, &mut wire, -1).await?;
    let reply = wire.ask(request(OPEN, &json!("u"), picture(PICTURE))).await?;
    cx.refused(&reply, "device_unavailable")?;
    cx.fault("second_screen", "none").await?;
    until_shown(&cx, &mut wire).await?;
    close(&cx, &mut wire).await
}

async fn closed_while_away(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    open(&cx, &mut wire, PICTURE).await?;
    cx.fault("second_screen", "unplug").await?;
    cx.until_state("second_screen", "absent").await?;
    close(&cx, &mut wire).await?;
    cx.fault("second_screen", "none").await?;
    cx.until_state("second_screen", "ready").await?;
    state(&cx, &mut wire, 0).await
}
