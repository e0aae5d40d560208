//! A reader that is pulled out and plugged in again (3.2.10).

use serde_json::json;

use super::context::Context;
use super::wire::request;
use super::{Case, Need, Outcome};

const NEEDS: &[Need] =
    &[Need::Action("getIDCardInfo"), Need::Call("bridge.status"), Need::Simulated("id_card")];

pub(super) static CASES: &[Case] = &[
    Case::new("id_card/without_the_reader_a_call_is_device_unavailable", "3.2.10", NEEDS, |cx| {
        Box::pin(absent(cx))
    }),
    Case::new("id_card/a_waiting_call_learns_that_the_reader_has_gone", "3.2.10", NEEDS, |cx| {
        Box::pin(pulled_out(cx))
    }),
    Case::new("id_card/a_reader_that_is_back_is_used_again", "3.2.10", NEEDS, |cx| {
        Box::pin(back_again(cx))
    }),
];

fn ask() -> String {
    request("getIDCardInfo", &json!("r"), Some(json!({"infoType": "base"})))
}

async fn absent(cx: Context) -> Outcome {
    cx.fault("id_card", "unplug").await?;
    cx.until_state("id_card", "absent").await?;
    let mut wire = cx.connect().await?;
    for _ in 0..2 {
        let reply = wire.ask(ask()).await?;
        cx.refused(&reply, "device_unavailable")?;
        cx.echoes(&reply, "getIDCardInfo", "open", &json!("r"))?;
    }
    wire.settled().await
}

async fn pulled_out(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.send(ask()).await?;
    wire.settled().await?;
    cx.fault("id_card", "unplug").await?;
    let reply = wire.next().await?;
    cx.refused(&reply, "device_unavailable")
}

async fn back_again(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for _ in 0..2 {
        cx.fault("id_card", "unplug").await?;
        cx.until_state("id_card", "absent").await?;
        cx.fault("id_card", "none").await?;
        cx.until_state("id_card", "ready").await?;
        cx.put(json!("li-si")).await?;
        let reply = wire.ask(ask()).await?;
        cx.success(&reply)?;
        cx.lift().await?;
    }
    Ok(())
}
