//! `on` and `off` (W1.7, 2.2).

use serde_json::{Value, json};

use super::context::Context;
use super::{Case, Need, Outcome, check};

const QR: &str = "initQRListener";
const NEEDS_QR: &[Need] = &[Need::Channel(QR)];

pub(super) static CASES: &[Case] = &[
    Case::new("channel/on_is_answered", "W1.7", NEEDS_QR, |cx| Box::pin(on(cx))),
    Case::new("channel/on_twice_is_on", "2.2", NEEDS_QR, |cx| Box::pin(on_twice(cx))),
    Case::new("channel/off_is_answered", "W1.7", NEEDS_QR, |cx| Box::pin(off(cx))),
    Case::new("channel/off_of_what_is_not_on_succeeds", "2.2", NEEDS_QR, |cx| {
        Box::pin(off_twice(cx))
    }),
    Case::new("channel/an_unknown_one_is_refused", "W1.7", &[], |cx| Box::pin(unknown(cx))),
    Case::new("channel/a_name_of_another_type_is_bad_request", "W1.10", &[], |cx| {
        Box::pin(odd_name(cx))
    }),
];

/// The answer to `on` and `off`.
fn yes(word: &str, channel: &str) -> Value {
    json!({word: channel, "success": true, "message": "成功"})
}

fn frame(word: &str) -> String {
    json!({ word: QR }).to_string()
}

async fn on(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(frame("on")).await?;
    cx.equal(&reply, &yes("on", QR))
}

async fn on_twice(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for _ in 0..2 {
        let reply = wire.ask(frame("on")).await?;
        cx.equal(&reply, &yes("on", QR))?;
    }
    Ok(())
}

async fn off(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.ask(frame("on")).await?;
    let reply = wire.ask(frame("off")).await?;
    cx.equal(&reply, &yes("off", QR))
}

async fn off_twice(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for _ in 0..2 {
        let reply = wire.ask(frame("off")).await?;
        cx.equal(&reply, &yes("off", QR))?;
    }
    Ok(())
}

async fn unknown(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for word in ["on", "off"] {
        let reply = wire.ask(json!({ word: "initMoonListener" }).to_string()).await?;
        check(reply[word] == "initMoonListener", || {
            format!("the channel does not come back: {}", cx.quote(&reply))
        })?;
        cx.kind(&reply)?;
        wire.settled().await?;
    }
    Ok(())
}

async fn odd_name(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for frame in [r#"{"on":7}"#, r#"{"off":null}"#, r#"{"on":["initQRListener"]}"#] {
        let reply = wire.ask(frame).await?;
        cx.refused(&reply, "bad_request")?;
        wire.settled().await?;
    }
    Ok(())
}
