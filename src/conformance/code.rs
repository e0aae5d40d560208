//! QR and bar codes (3.3).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::context::{Context, plain_reply};
use super::wire::{Wire, close, request};
use super::{Case, Mismatch, Need, Outcome, check};

const ACTION: &str = "getQRCode";
const CODE: &[Need] = &[Need::Action(ACTION), Need::Simulated("qr_scanner")];
const WAITS: &[Need] = &[Need::Action(ACTION), Need::Waits("qr_scanner")];
const LISTENS: &[Need] =
    &[Need::Action(ACTION), Need::Channel("initQRListener"), Need::Simulated("qr_scanner")];
const UNPLUGGED: &[Need] =
    &[Need::Action(ACTION), Need::Call("bridge.status"), Need::Simulated("qr_scanner")];
const LIMITED: &[Need] = &[Need::Action(ACTION), Need::Waits("qr_scanner"), Need::TimeLimit];

/// A code needs no longer from the scanner to whoever wants it, or to nowhere.
const LONG_ENOUGH: Duration = Duration::from_millis(500);

pub(super) static CASES: &[Case] = &[
    Case::new("code/timeout_says_超时", "3.3.2", LIMITED, |cx| Box::pin(timeout(cx))).slow(),
    Case::new("code/one_scan_is_one_reply", "3.3.1", CODE, |cx| Box::pin(one_scan(cx))),
    Case::new("code/chinese_and_signs_come_as_they_are", "3.3.5", CODE, |cx| Box::pin(chinese(cx))),
    Case::new("code/of_two_calls_the_oldest_gets_the_code", "1.13", CODE, |cx| {
        Box::pin(oldest_first(cx))
    }),
    Case::new("code/a_code_that_nobody_wants_is_dropped", "3.3.3", CODE, |cx| {
        Box::pin(dropped(cx))
    }),
    Case::new("code/events_come_in_order", "2.3", LISTENS, |cx| Box::pin(in_order(cx))),
    Case::new("code/each_event_comes_once_after_on_twice", "2.2", LISTENS, |cx| {
        Box::pin(on_twice(cx))
    }),
    Case::new("code/a_listener_and_a_call_both_get_the_code", "1.13", LISTENS, |cx| {
        Box::pin(both(cx))
    }),
    Case::new("code/after_off_nothing_comes", "2.2", LISTENS, |cx| Box::pin(off(cx))),
    Case::new("code/close_cancels_what_waits_and_says_关闭成功", "1.8", WAITS, |cx| {
        Box::pin(close_cancels(cx))
    }),
    Case::new("code/the_same_task_id_supersedes", "1.11", WAITS, |cx| Box::pin(supersede(cx))),
    Case::new("code/a_connection_that_goes_leaves_its_place", "1.17", CODE, |cx| {
        Box::pin(disconnect(cx))
    }),
    Case::new("code/without_the_scanner_a_call_is_device_unavailable", "3.3.6", UNPLUGGED, |cx| {
        Box::pin(unplugged(cx))
    }),
];

fn ask(task: &str) -> String {
    request(ACTION, &json!(task), Some(json!({})))
}

fn reply(task: &str, code: &str) -> Value {
    json!({
        "action": ACTION, "event": "open", "taskId": task,
        "success": true, "message": "成功", "data": {"qrCode": code},
    })
}

fn event(code: &str) -> Value {
    json!({"channel": "initQRListener", "data": {"qrCode": code}})
}

async fn waits(cx: &Context, task: &str) -> Result<Wire, Mismatch> {
    cx.waits(ask(task)).await
}

async fn listens(cx: &Context) -> Result<Wire, Mismatch> {
    cx.listens("initQRListener").await
}

async fn timeout(cx: Context) -> Outcome {
    let limit = cx.time_limit()?;
    let mut wire = cx.connect().await?;
    let begun = Instant::now();
    wire.send(ask("t")).await?;
    let got = wire.object_within(limit + Duration::from_secs(4)).await?;
    cx.equal(&got, &plain_reply(ACTION, "open", &json!("t"), false, "超时"))?;
    let took = begun.elapsed();
    check(took + Duration::from_millis(500) >= limit, || {
        format!("out of time after {took:?}; the limit is {limit:?}")
    })
}

async fn one_scan(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "q").await?;
    cx.scan("6901234567892").await?;
    let got = wire.next().await?;
    cx.equal(&got, &reply("q", "6901234567892"))?;
    cx.scan("6901234567892").await?;
    wire.is_quiet_for(LONG_ENOUGH).await
}

async fn chinese(cx: Context) -> Outcome {
    for code in
        ["张三扫码测试", "https://示例.example/?a=1&b=%20#x", "A-1 b_2\"\\{}", "ｆｕｌｌ　１３８"]
    {
        let mut wire = waits(&cx, "q").await?;
        cx.scan(code).await?;
        let got = wire.next().await?;
        cx.equal(&got, &reply("q", code))?;
    }
    Ok(())
}

async fn oldest_first(cx: Context) -> Outcome {
    let (mut first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    cx.scan("one").await?;
    let got = first.next().await?;
    cx.equal(&got, &reply("a", "one"))?;
    second.is_quiet_for(LONG_ENOUGH).await?;
    cx.scan("two").await?;
    let got = second.next().await?;
    cx.equal(&got, &reply("b", "two"))?;
    first.settled().await
}

async fn dropped(cx: Context) -> Outcome {
    cx.scan("another customer's").await?;
    sleep(LONG_ENOUGH).await;
    let mut wire = waits(&cx, "q").await?;
    wire.is_quiet_for(LONG_ENOUGH).await?;
    cx.scan("mine").await?;
    let got = wire.next().await?;
    cx.equal(&got, &reply("q", "mine"))
}

async fn in_order(cx: Context) -> Outcome {
    let mut wires = [listens(&cx).await?, listens(&cx).await?];
    for number in 0..10 {
        cx.scan(&format!("code {number}")).await?;
    }
    for wire in &mut wires {
        for number in 0..10 {
            let got = wire.next().await?;
            cx.equal(&got, &event(&format!("code {number}")))?;
        }
        wire.settled().await?;
    }
    Ok(())
}

async fn on_twice(cx: Context) -> Outcome {
    let mut wire = listens(&cx).await?;
    wire.ask(r#"{"on":"initQRListener"}"#).await?;
    cx.scan("once").await?;
    let got = wire.next().await?;
    cx.equal(&got, &event("once"))?;
    wire.is_quiet_for(LONG_ENOUGH).await
}

async fn both(cx: Context) -> Outcome {
    let mut listener = listens(&cx).await?;
    let mut caller = waits(&cx, "q").await?;
    cx.scan("for both").await?;
    let got = caller.next().await?;
    cx.equal(&got, &reply("q", "for both"))?;
    let got = listener.next().await?;
    cx.equal(&got, &event("for both"))
}

async fn off(cx: Context) -> Outcome {
    let (mut stays, mut goes) = (listens(&cx).await?, listens(&cx).await?);
    goes.ask(r#"{"off":"initQRListener"}"#).await?;
    cx.scan("after off").await?;
    let got = stays.next().await?;
    cx.equal(&got, &event("after off"))?;
    goes.settled().await
}

async fn close_cancels(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    let got = wire.ask(close(ACTION, "z")).await?;
    cx.equal(&got, &plain_reply(ACTION, "open", &json!("a"), false, "取消"))?;
    let got = wire.next().await?;
    cx.equal(&got, &plain_reply(ACTION, "close", &json!("z"), true, "关闭成功"))?;
    wire.settled().await
}

async fn supersede(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    let got = wire.ask(ask("a")).await?;
    cx.equal(&got, &plain_reply(ACTION, "open", &json!("a"), false, "取消"))?;
    wire.settled().await
}

async fn disconnect(cx: Context) -> Outcome {
    let (first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    drop(first);
    // The target has noticed by then.
    second.is_quiet_for(Duration::from_millis(300)).await?;
    cx.scan("next").await?;
    let got = second.next().await?;
    cx.equal(&got, &reply("b", "next"))
}

async fn unplugged(cx: Context) -> Outcome {
    let mut waiting = waits(&cx, "w").await?;
    cx.fault("qr_scanner", "unplug").await?;
    let got = waiting.next().await?;
    cx.refused(&got, "device_unavailable")?;
    cx.until_state("qr_scanner", "absent").await?;
    let mut wire = cx.connect().await?;
    let got = wire.ask(ask("q")).await?;
    cx.refused(&got, "device_unavailable")?;
    cx.fault("qr_scanner", "none").await?;
    cx.until_state("qr_scanner", "ready").await?;
    wire.send(ask("q")).await?;
    wire.settled().await?;
    cx.scan("back").await?;
    let got = wire.next().await?;
    cx.equal(&got, &reply("q", "back"))
}
