//! Many requests at once, and connections beside each other (W1.3, W1.12, W1.13).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::wire::{close, request};
use super::{Case, Mismatch, Need, Outcome, check};

/// Requests sent at once: some thousands of bytes, well within every buffer.
const MANY: usize = 200;

/// More calls than this are not put in flight.
const MOST_CALLS: usize = 2_000;

pub(super) static CASES: &[Case] = &[
    Case::new("load/many_requests_are_answered_once_each", "1.2", &[], |cx| Box::pin(many(cx))),
    Case::new("load/many_good_and_bad_frames_are_answered_once_each", "W1.10", &[], |cx| {
        Box::pin(mixed(cx))
    }),
    Case::new(
        "load/calls_over_the_limit_are_device_busy",
        "W1.13",
        &[Need::Action("getIDCardInfo"), Need::Waits("id_card"), Need::Limits],
        |cx| Box::pin(over_the_limit(cx)),
    ),
    Case::new("load/replies_go_to_the_connection_that_asked", "W1.12", &[], |cx| {
        Box::pin(two_clients(cx))
    }),
    Case::new("load/bad_input_of_one_disturbs_no_other", "W1.12", &[], |cx| {
        Box::pin(bad_neighbour(cx))
    }),
    Case::new(
        "load/a_waiting_call_holds_nothing_up",
        "W1.3",
        &[Need::Action("getIDCardInfo"), Need::Waits("id_card")],
        |cx| Box::pin(waiting_is_no_obstacle(cx)),
    ),
    Case::new("load/a_connection_may_come_and_go", "1.17", &[], |cx| Box::pin(come_and_go(cx))),
];

async fn many(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for id in 0..MANY {
        wire.send(request("getDeviceInfo", &json!(id), None)).await?;
    }
    let mut open: BTreeSet<usize> = (0..MANY).collect();
    while !open.is_empty() {
        let reply = wire.next().await?;
        let id = reply["taskId"].as_u64().and_then(|id| usize::try_from(id).ok());
        check(id.is_some_and(|id| open.remove(&id)), || {
            format!("not asked, or answered twice: {}", cx.quote(&reply))
        })?;
    }
    wire.settled().await
}

async fn mixed(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for id in 0..50 {
        wire.send(request("getDeviceInfo", &json!(id), None)).await?;
        wire.send("no JSON").await?;
        wire.send(request("flyToTheMoon", &json!(1_000 + id), None)).await?;
    }
    let mut tasks: Vec<String> = Vec::new();
    for _ in 0..150 {
        tasks.push(wire.next().await?["taskId"].to_string());
    }
    let mut expected: Vec<String> = (0..50)
        .flat_map(|id| [id.to_string(), "\"\"".to_owned(), (1_000 + id).to_string()])
        .collect();
    tasks.sort_unstable();
    expected.sort_unstable();
    check(tasks == expected, || "some frames were answered twice, others never".to_owned())?;
    wire.settled().await
}

async fn over_the_limit(cx: Context) -> Outcome {
    let limit = cx.limit("maxCalls")?;
    if limit > MOST_CALLS {
        return Err(Mismatch::NotTried(format!("the limit is {limit} calls: too many")));
    }
    let surplus = 10;
    let mut wire = cx.connect().await?;
    for task in 0..limit + surplus {
        wire.send(request("getIDCardInfo", &json!(task), None)).await?;
    }
    let mut busy: BTreeSet<usize> = (limit..limit + surplus).collect();
    while !busy.is_empty() {
        let reply = wire.next().await?;
        cx.refused(&reply, "device_busy")?;
        let id = reply["taskId"].as_u64().and_then(|id| usize::try_from(id).ok());
        check(id.is_some_and(|id| busy.remove(&id)), || {
            format!("not one of those over the limit: {}", cx.quote(&reply))
        })?;
    }
    wire.send(close("getIDCardInfo", "c")).await?;
    let mut open: BTreeSet<usize> = (0..limit).collect();
    while !open.is_empty() {
        let reply = wire.next().await?;
        let id = reply["taskId"].as_u64().and_then(|id| usize::try_from(id).ok());
        check(reply["message"] == "取消" && id.is_some_and(|id| open.remove(&id)), || {
            format!("expected one of the {} calls under way: {}", open.len(), cx.quote(&reply))
        })?;
    }
    let reply = wire.next().await?;
    cx.equal(&reply, &plain_reply("getIDCardInfo", "close", &json!("c"), true, "关闭成功"))?;
    wire.settled().await
}

async fn two_clients(cx: Context) -> Outcome {
    let (mut one, mut two) = (cx.connect().await?, cx.connect().await?);
    for id in 0..20 {
        one.send(request("getDeviceInfo", &json!(format!("one-{id}")), None)).await?;
        two.send(request("getDeviceInfo", &json!(format!("two-{id}")), None)).await?;
    }
    for (wire, name) in [(&mut one, "one"), (&mut two, "two")] {
        for _ in 0..20 {
            let reply = wire.next().await?;
            let task_id = reply["taskId"].as_str().unwrap_or_default();
            check(task_id.starts_with(name), || {
                format!("a reply for another connection: {}", cx.quote(&reply))
            })?;
        }
        wire.settled().await?;
    }
    Ok(())
}

async fn bad_neighbour(cx: Context) -> Outcome {
    let (mut good, mut bad) = (cx.connect().await?, cx.connect().await?);
    for _ in 0..20 {
        bad.send("{\"action\":").await?;
        good.settled().await?;
        let reply: Value = bad.next().await?;
        cx.refused(&reply, "bad_request")?;
    }
    drop(bad);
    good.settled().await
}

async fn waiting_is_no_obstacle(cx: Context) -> Outcome {
    let (mut waits, mut other) = (cx.connect().await?, cx.connect().await?);
    waits.send(request("getIDCardInfo", &json!("w"), None)).await?;
    waits.settled().await?;
    other.settled().await?;
    let replies = [waits.ask(close("getIDCardInfo", "c")).await?, waits.next().await?];
    let [cancelled, closed] = &replies;
    cx.equal(cancelled, &plain_reply("getIDCardInfo", "open", &json!("w"), false, "取消"))?;
    cx.equal(closed, &plain_reply("getIDCardInfo", "close", &json!("c"), true, "关闭成功"))
}

async fn come_and_go(cx: Context) -> Outcome {
    for _ in 0..20 {
        let mut wire = cx.connect().await?;
        wire.send(request("getDeviceInfo", &json!("gone"), None)).await?;
    }
    cx.connect().await?.settled().await
}
