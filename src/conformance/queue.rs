//! Calls that wait (1.8 to 1.17): who gets the card, and how a call ends without one. Tried on
//! `getIDCardInfo`.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::context::{Context, plain_reply};
use super::wire::{Wire, close, request};
use super::{Case, Need, Outcome, check};

const ACTION: &str = "getIDCardInfo";
const CARD: &[Need] = &[Need::Action(ACTION), Need::Simulated("id_card")];
const WAITS: &[Need] = &[Need::Action(ACTION), Need::Waits("id_card")];
const CLOSES: &[Need] =
    &[Need::Action(ACTION), Need::Action("closeIDCardInfo"), Need::Waits("id_card")];
const LISTENS: &[Need] =
    &[Need::Action(ACTION), Need::Channel("initIDCardListener"), Need::Simulated("id_card")];
const LIMITED: &[Need] = &[Need::Action(ACTION), Need::Waits("id_card"), Need::TimeLimit];

/// Longer than a reader takes to look for a card again: in so long a card that could be read is.
const LONG_ENOUGH: Duration = Duration::from_millis(1_200);

pub(super) static CASES: &[Case] = &[
    Case::new("id_card/timeout_says_超时", "1.14", LIMITED, |cx| Box::pin(timeout(cx))).slow(),
    Case::new("id_card/close_cancels_what_waits_and_says_关闭成功", "1.8", WAITS, |cx| {
        Box::pin(close_cancels(cx))
    }),
    Case::new("id_card/close_ends_calls_of_every_task_first", "1.8", WAITS, |cx| {
        Box::pin(close_ends_all(cx))
    }),
    Case::new("id_card/close_with_nothing_to_end_succeeds", "1.8", WAITS, |cx| {
        Box::pin(close_nothing(cx))
    }),
    Case::new("id_card/close_does_not_touch_other_connections", "1.8", WAITS, |cx| {
        Box::pin(close_of_another(cx))
    }),
    Case::new("id_card/close_leaves_channels_open", "1.8", LISTENS, |cx| {
        Box::pin(close_and_channels(cx))
    }),
    Case::new("id_card/close_id_card_info_cancels_and_answers_close", "3.2.8", CLOSES, |cx| {
        Box::pin(close_id_card_info(cx))
    }),
    Case::new("id_card/close_id_card_info_ignores_its_params", "3.2.8", CLOSES, |cx| {
        Box::pin(close_params(cx))
    }),
    Case::new("id_card/the_same_task_id_supersedes", "1.11", WAITS, |cx| Box::pin(supersede(cx))),
    Case::new("id_card/a_superseding_call_takes_the_place_in_the_queue", "1.11", CARD, |cx| {
        Box::pin(supersede_place(cx))
    }),
    Case::new("id_card/another_connection_supersedes_nothing", "1.11", WAITS, |cx| {
        Box::pin(supersede_other(cx))
    }),
    Case::new("id_card/a_number_and_a_string_are_two_task_ids", "1.11", WAITS, |cx| {
        Box::pin(number_and_string(cx))
    }),
    Case::new("id_card/a_refused_call_supersedes_nothing", "1.11", WAITS, |cx| {
        Box::pin(refused_supersedes_nothing(cx))
    }),
    Case::new("id_card/of_two_calls_the_oldest_gets_the_card", "1.13", CARD, |cx| {
        Box::pin(oldest_first(cx))
    }),
    Case::new("id_card/every_listener_gets_every_card", "3.2.9", LISTENS, |cx| {
        Box::pin(listeners(cx))
    }),
    Case::new("id_card/a_listener_and_a_call_get_the_same_card", "1.13", LISTENS, |cx| {
        Box::pin(listener_and_call(cx))
    }),
    Case::new("id_card/after_off_nothing_comes", "2.2", LISTENS, |cx| Box::pin(off(cx))),
    Case::new("id_card/a_card_that_lies_there_unread_is_read", "3.2.7", CARD, |cx| {
        Box::pin(unread_card(cx))
    }),
    Case::new("id_card/one_card_is_one_reading_until_it_is_lifted", "3.2.7", CARD, |cx| {
        Box::pin(one_reading(cx))
    }),
    Case::new("id_card/a_connection_that_goes_leaves_its_place", "1.17", CARD, |cx| {
        Box::pin(disconnect(cx))
    }),
];

fn ask(task: &str) -> String {
    request(ACTION, &json!(task), Some(json!({"infoType": "base"})))
}

fn cancelled(task: &str) -> Value {
    plain_reply(ACTION, "open", &json!(task), false, "取消")
}

fn closed(action: &str, task: &str) -> Value {
    plain_reply(action, "close", &json!(task), true, "关闭成功")
}

/// Sends the call and sees that it waits: a later request is answered before it.
async fn waits(cx: &Context, task: &str) -> Result<Wire, super::Mismatch> {
    let mut wire = cx.connect().await?;
    also_waits(&mut wire, task).await?;
    Ok(wire)
}

async fn also_waits(wire: &mut Wire, task: &str) -> Outcome {
    wire.send(ask(task)).await?;
    wire.settled().await
}

/// The next frame is a reading of this person, for this task.
async fn gets(cx: &Context, wire: &mut Wire, task: &str, name: &str) -> Outcome {
    let reply = wire.next().await?;
    cx.echoes(&reply, ACTION, "open", &json!(task))?;
    let data = cx.success(&reply)?;
    check(data["name"] == name, || format!("expected the card of {name}: {}", cx.quote(&reply)))
}

/// The next frame is an event of this person's card, with all parts.
async fn hears(cx: &Context, wire: &mut Wire, name: &str) -> Outcome {
    let event = wire.next().await?;
    let data = &event["data"];
    check(event["channel"] == "initIDCardListener" && data["name"] == name, || {
        format!("expected an event of {name}'s card: {}", cx.quote(&event))
    })?;
    let fields = ["idNum", "photoBase64", "signingOrganization", "address", "nation", "sex"];
    let all = fields.iter().all(|field| data[field].is_string());
    check(all, || format!("the event has not all fields: {}", cx.quote(&event)))
}

async fn timeout(cx: Context) -> Outcome {
    let limit = cx.time_limit()?;
    let (mut one, mut two) = (cx.connect().await?, cx.connect().await?);
    let begun = Instant::now();
    for task in ["1", "2"] {
        one.send(ask(task)).await?;
    }
    two.send(ask("1")).await?;
    // Far from a second time limit, which a call has that was counted from the head of the queue.
    let slack = (limit / 2).clamp(Duration::from_secs(1), Duration::from_secs(4));
    let mut first = [one.object_within(limit + slack).await?, one.object_within(slack).await?];
    let other = two.object_within(slack).await?;
    let took = begun.elapsed();
    first.sort_by_key(|reply| reply["taskId"].to_string());
    for (reply, task) in [(&first[0], "1"), (&first[1], "2"), (&other, "1")] {
        cx.equal(reply, &plain_reply(ACTION, "open", &json!(task), false, "超时"))?;
    }
    // Both clocks may be read a little late.
    check(took + Duration::from_millis(500) >= limit, || {
        format!("out of time after {took:?}; the limit is {limit:?}")
    })
}

async fn close_cancels(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    let reply = wire.ask(close(ACTION, "a")).await?;
    cx.equal(&reply, &cancelled("a"))?;
    let reply = wire.next().await?;
    cx.equal(&reply, &closed(ACTION, "a"))?;
    wire.settled().await
}

async fn close_ends_all(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    also_waits(&mut wire, "b").await?;
    wire.send(close(ACTION, "z")).await?;
    let mut ended = [wire.next().await?, wire.next().await?];
    ended.sort_by_key(|reply| reply["taskId"].to_string());
    cx.equal(&ended[0], &cancelled("a"))?;
    cx.equal(&ended[1], &cancelled("b"))?;
    let reply = wire.next().await?;
    cx.equal(&reply, &closed(ACTION, "z"))
}

async fn close_nothing(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for _ in 0..2 {
        let reply = wire.ask(close(ACTION, "z")).await?;
        cx.equal(&reply, &closed(ACTION, "z"))?;
    }
    wire.settled().await
}

async fn close_of_another(cx: Context) -> Outcome {
    let (mut mine, mut other) = (waits(&cx, "a").await?, cx.connect().await?);
    let reply = other.ask(close(ACTION, "a")).await?;
    cx.equal(&reply, &closed(ACTION, "a"))?;
    mine.settled().await?;
    let reply = mine.ask(close(ACTION, "a")).await?;
    cx.equal(&reply, &cancelled("a"))
}

async fn close_and_channels(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.ask(r#"{"on":"initIDCardListener"}"#).await?;
    let reply = wire.ask(close(ACTION, "z")).await?;
    cx.equal(&reply, &closed(ACTION, "z"))?;
    cx.put(json!("li-si")).await?;
    hears(&cx, &mut wire, "李四").await
}

async fn close_id_card_info(cx: Context) -> Outcome {
    let (mut wire, mut other) = (waits(&cx, "a").await?, waits(&cx, "a").await?);
    let reply = wire.ask(request("closeIDCardInfo", &json!("3"), None)).await?;
    cx.equal(&reply, &cancelled("a"))?;
    let reply = wire.next().await?;
    cx.equal(&reply, &closed("closeIDCardInfo", "3"))?;
    other.settled().await
}

async fn close_params(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for params in [json!({"infoType": "base"}), json!({"infoType": 7}), json!([])] {
        let reply = wire.ask(request("closeIDCardInfo", &json!("3"), Some(params))).await?;
        cx.equal(&reply, &closed("closeIDCardInfo", "3"))?;
    }
    Ok(())
}

async fn supersede(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    let reply = wire.ask(ask("a")).await?;
    cx.equal(&reply, &cancelled("a"))?;
    // The second one still waits.
    wire.settled().await?;
    let reply = wire.ask(close(ACTION, "c")).await?;
    cx.equal(&reply, &cancelled("a"))
}

async fn supersede_place(cx: Context) -> Outcome {
    let (mut first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    let reply = first.ask(ask("a")).await?;
    cx.equal(&reply, &cancelled("a"))?;
    cx.put(json!("li-si")).await?;
    gets(&cx, &mut first, "a", "李四").await?;
    second.settled().await
}

async fn supersede_other(cx: Context) -> Outcome {
    let (mut first, mut second) = (waits(&cx, "a").await?, waits(&cx, "a").await?);
    first.settled().await?;
    second.settled().await
}

async fn number_and_string(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "1").await?;
    wire.send(request(ACTION, &json!(1), None)).await?;
    wire.settled().await?;
    wire.send(close(ACTION, "c")).await?;
    let mut ended = [wire.next().await?, wire.next().await?];
    ended.sort_by_key(|reply| reply["taskId"].is_number());
    cx.equal(&ended[0], &cancelled("1"))?;
    cx.equal(&ended[1], &plain_reply(ACTION, "open", &json!(1), false, "取消"))
}

async fn refused_supersedes_nothing(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    let reply = wire.ask(request(ACTION, &json!("a"), Some(json!([])))).await?;
    cx.refused(&reply, "bad_request")?;
    let reply = wire.ask(close(ACTION, "c")).await?;
    cx.equal(&reply, &cancelled("a"))
}

async fn oldest_first(cx: Context) -> Outcome {
    let (mut first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    cx.put(json!("zhang-san")).await?;
    gets(&cx, &mut first, "a", "张三").await?;
    second.is_quiet_for(LONG_ENOUGH).await?;
    cx.lift().await?;
    cx.put(json!("li-si")).await?;
    gets(&cx, &mut second, "b", "李四").await?;
    first.settled().await
}

async fn listeners(cx: Context) -> Outcome {
    let mut wires = [cx.connect().await?, cx.connect().await?, cx.connect().await?];
    for wire in &mut wires {
        wire.ask(r#"{"on":"initIDCardListener"}"#).await?;
    }
    for (slug, name) in [("zhang-san", "张三"), ("li-si", "李四")] {
        cx.put(json!(slug)).await?;
        for wire in &mut wires {
            hears(&cx, wire, name).await?;
        }
        cx.lift().await?;
    }
    for wire in &mut wires {
        wire.settled().await?;
    }
    Ok(())
}

async fn listener_and_call(cx: Context) -> Outcome {
    let mut listener = cx.connect().await?;
    listener.ask(r#"{"on":"initIDCardListener"}"#).await?;
    let mut caller = waits(&cx, "a").await?;
    cx.put(json!("li-si")).await?;
    gets(&cx, &mut caller, "a", "李四").await?;
    hears(&cx, &mut listener, "李四").await
}

async fn off(cx: Context) -> Outcome {
    let (mut stays, mut goes) = (cx.connect().await?, cx.connect().await?);
    for wire in [&mut stays, &mut goes] {
        wire.ask(r#"{"on":"initIDCardListener"}"#).await?;
    }
    let reply = goes.ask(r#"{"off":"initIDCardListener"}"#).await?;
    let off = json!({"off": "initIDCardListener", "success": true, "message": "成功"});
    cx.equal(&reply, &off)?;
    cx.put(json!("li-si")).await?;
    hears(&cx, &mut stays, "李四").await?;
    goes.settled().await
}

async fn unread_card(cx: Context) -> Outcome {
    cx.put(json!("li-si")).await?;
    let mut wire = cx.connect().await?;
    wire.send(ask("a")).await?;
    gets(&cx, &mut wire, "a", "李四").await
}

async fn one_reading(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    cx.put(json!("zhang-san")).await?;
    gets(&cx, &mut wire, "a", "张三").await?;
    wire.send(ask("b")).await?;
    // It lies there still.
    wire.is_quiet_for(LONG_ENOUGH).await?;
    cx.lift().await?;
    cx.put(json!("zhang-san")).await?;
    gets(&cx, &mut wire, "b", "张三").await
}

async fn disconnect(cx: Context) -> Outcome {
    let (first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    drop(first);
    // The target has noticed by then.
    second.is_quiet_for(Duration::from_millis(300)).await?;
    cx.put(json!("li-si")).await?;
    gets(&cx, &mut second, "b", "李四").await
}
