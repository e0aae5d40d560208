//! Social-security cards (3.12): what is read of them, who gets it, and how a call ends without one.
//! All cards are invented.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::context::{Context, plain_reply};
use super::groups::{close_refused, idle_close};
use super::wire::{Wire, close, request};
use super::{Case, Mismatch, Need, Outcome, check};

const DEVICE: &str = "social_security_card";
const ACTION: &str = "getSocialSecurityCardInfo";
const CONFIG: &str = "socialSecurityCardConfig";
const CHANNEL: &str = "socialSecurityCardListener";

const CARD: &[Need] = &[Need::Action(ACTION), Need::Simulated(DEVICE)];
const WAITS: &[Need] = &[Need::Action(ACTION), Need::Waits(DEVICE)];
const LIMITED: &[Need] = &[Need::Action(ACTION), Need::Waits(DEVICE), Need::TimeLimit];
const LISTENS: &[Need] = &[Need::Action(ACTION), Need::Channel(CHANNEL), Need::Simulated(DEVICE)];
const CONFIGURED: &[Need] =
    &[Need::Action(CONFIG), Need::Channel(CHANNEL), Need::Simulated(DEVICE)];
const UNPLUGGED: &[Need] =
    &[Need::Action(ACTION), Need::Call("bridge.status"), Need::Simulated(DEVICE)];

const FIELDS: [&str; 11] = [
    "cardNumber",
    "name",
    "sex",
    "idNumber",
    "birthDate",
    "issueDate",
    "expireDate",
    "nation",
    "cityCode",
    "address",
    "fullVersion",
];

/// Longer than a reader takes to notice a card.
const LONG_ENOUGH: Duration = Duration::from_millis(600);

pub(super) static CASES: &[Case] = &[
    Case::new("social_security/timeout_says_超时", "1.14", LIMITED, |cx| Box::pin(timeout(cx)))
        .slow(),
    Case::new("social_security/a_card_is_eleven_strings", "3.12.1", CARD, |cx| {
        Box::pin(eleven_strings(cx))
    }),
    Case::new("social_security/a_card_field_by_field", "3.12.3", CARD, |cx| {
        Box::pin(field_by_field(cx))
    }),
    Case::new("social_security/a_long_name_is_whole", "3.12.3", CARD, |cx| Box::pin(long_name(cx))),
    Case::new("social_security/sex_and_nation_are_words", "3.12.3", CARD, |cx| Box::pin(words(cx))),
    Case::new("social_security/what_a_psam_guards_is_empty", "3.12.3", CARD, |cx| {
        Box::pin(guarded(cx))
    }),
    Case::new("social_security/another_kind_of_card_is_device_failed", "1.12", CARD, |cx| {
        Box::pin(another_kind(cx))
    }),
    Case::new("social_security/a_card_that_does_not_answer_is_device_failed", "1.12", CARD, |cx| {
        Box::pin(mute(cx))
    }),
    Case::new("social_security/a_card_that_lies_there_unread_is_read", "3.2.7", CARD, |cx| {
        Box::pin(unread_card(cx))
    }),
    Case::new("social_security/one_card_is_one_reading_until_it_is_lifted", "3.12.2", CARD, |cx| {
        Box::pin(one_reading(cx))
    }),
    Case::new("social_security/of_two_calls_the_oldest_gets_the_card", "1.13", CARD, |cx| {
        Box::pin(oldest_first(cx))
    }),
    Case::new("social_security/a_connection_that_goes_leaves_its_place", "1.17", CARD, |cx| {
        Box::pin(disconnect(cx))
    }),
    Case::new(
        "social_security/close_cancels_what_waits_and_says_关闭成功",
        "1.8",
        WAITS,
        |cx| Box::pin(close_cancels(cx)),
    ),
    Case::new("social_security/close_with_nothing_under_way_succeeds", "1.8", &[], |cx| {
        Box::pin(idle_close(cx, ACTION))
    }),
    Case::new("social_security/the_same_task_id_supersedes", "1.11", WAITS, |cx| {
        Box::pin(supersede(cx))
    }),
    Case::new("social_security/a_listener_and_a_call_get_the_same_card", "3.12.2", LISTENS, |cx| {
        Box::pin(both(cx))
    }),
    Case::new("social_security/config_opens_the_channel", "3.12.2", CONFIGURED, |cx| {
        Box::pin(config(cx))
    }),
    Case::new("social_security/config_cannot_be_closed", "1.9", &[], |cx| {
        Box::pin(close_refused(cx, &[CONFIG]))
    }),
    Case::new("social_security/after_off_nothing_comes", "2.2", LISTENS, |cx| Box::pin(off(cx))),
    Case::new(
        "social_security/without_the_reader_a_call_is_device_unavailable",
        "3.2.10",
        UNPLUGGED,
        |cx| Box::pin(unplugged(cx)),
    ),
];

/// The card of one who does not exist: region 99 is none.
fn invented(generation: u8, name: &str) -> Value {
    json!({
        "generation": generation.to_string(), "name": name, "cardNumber": "Z99123456",
        "idNumber": "990101199003070023", "sex": "女", "nation": "满", "birthDate": "19900307",
        "issueDate": "20180611", "expireDate": "20280610", "cityCode": "990100",
    })
}

fn ask(task: &str) -> String {
    request(ACTION, &json!(task), Some(json!({})))
}

fn cancelled(task: &str) -> Value {
    plain_reply(ACTION, "open", &json!(task), false, "取消")
}

async fn waits(cx: &Context, task: &str) -> Result<Wire, Mismatch> {
    cx.waits(ask(task)).await
}

async fn listens(cx: &Context) -> Result<Wire, Mismatch> {
    cx.listens(CHANNEL).await
}

/// The next frame is the reading of a card, for this task.
async fn gets(cx: &Context, wire: &mut Wire, task: &str) -> Result<Value, Mismatch> {
    let reply = wire.next().await?;
    cx.echoes(&reply, ACTION, "open", &json!(task))?;
    let data = cx.success(&reply)?;
    fields(&data)?;
    Ok(data)
}

/// The same, of the card of this name.
async fn gets_card_of(cx: &Context, wire: &mut Wire, task: &str, name: &str) -> Outcome {
    let data = gets(cx, wire, task).await?;
    has_values(&data, &[("name", name)])
}

/// The next frame is an event of a card.
async fn hears(cx: &Context, wire: &mut Wire) -> Result<Value, Mismatch> {
    let event = wire.next().await?;
    check(event["channel"] == CHANNEL, || format!("expected an event: {}", cx.quote(&event)))?;
    fields(&event["data"])?;
    Ok(event["data"].clone())
}

/// All fields, no other, each a string.
fn fields(data: &Value) -> Outcome {
    for field in FIELDS {
        check(data[field].is_string(), || format!("{field} is no string, or not there"))?;
    }
    let count = data.as_object().map_or(0, serde_json::Map::len);
    check(count == FIELDS.len(), || format!("{count} fields, and not {}", FIELDS.len()))
}

/// Each of these fields has this value.
fn has_values(data: &Value, expected: &[(&str, &str)]) -> Outcome {
    for (field, value) in expected {
        let got = &data[field];
        check(got == value, || format!("{field}: expected {value:?}, got {got}"))?;
    }
    Ok(())
}

/// What is read of this card.
async fn read(cx: &Context, card: Value) -> Result<Value, Mismatch> {
    let mut wire = waits(cx, "r").await?;
    cx.insert(DEVICE, card).await?;
    gets(cx, &mut wire, "r").await
}

async fn timeout(cx: Context) -> Outcome {
    let limit = cx.time_limit()?;
    let mut wire = cx.connect().await?;
    let begun = Instant::now();
    for task in ["1", "2"] {
        wire.send(ask(task)).await?;
    }
    // Far from a second time limit, which a call has that was counted from the head of the queue.
    let slack = (limit / 2).clamp(Duration::from_secs(1), Duration::from_secs(4));
    let mut replies = [wire.object_within(limit + slack).await?, wire.object_within(slack).await?];
    let took = begun.elapsed();
    replies.sort_by_key(|reply| reply["taskId"].to_string());
    for (reply, task) in replies.iter().zip(["1", "2"]) {
        cx.equal(reply, &plain_reply(ACTION, "open", &json!(task), false, "超时"))?;
    }
    // Both clocks may be read a little late.
    check(took + Duration::from_millis(500) >= limit, || {
        format!("out of time after {took:?}; the limit is {limit:?}")
    })
}

async fn eleven_strings(cx: Context) -> Outcome {
    for card in ["ssc-1", "ssc-2", "ssc-3"] {
        let data = read(&cx, json!(card)).await?;
        for field in ["fullVersion", "cityCode", "issueDate", "expireDate"] {
            check(data[field] != "", || format!("{field} of {card} is empty"))?;
        }
        cx.remove(DEVICE).await?;
    }
    Ok(())
}

async fn field_by_field(cx: Context) -> Outcome {
    for (generation, version) in [(1, "1."), (2, "2.")] {
        let data = read(&cx, invented(generation, "甲乙丙")).await?;
        has_values(
            &data,
            &[
                ("cardNumber", "Z99123456"),
                ("name", "甲乙丙"),
                ("sex", "女"),
                ("idNumber", "990101199003070023"),
                ("birthDate", "19900307"),
                ("issueDate", "20180611"),
                ("expireDate", "20280610"),
                ("nation", "满"),
                ("cityCode", "990100"),
            ],
        )?;
        let told = data["fullVersion"].as_str().unwrap_or_default();
        check(told.starts_with(version), || {
            format!("a card of generation {generation} has fullVersion {told:?}")
        })?;
        cx.remove(DEVICE).await?;
    }
    Ok(())
}

async fn long_name(cx: Context) -> Outcome {
    // 30 bytes, the most of one record; and 41, with the cut inside a character.
    for name in ["买买提·甲乙丙丁戊己庚辛壬癸子", "A买买提·甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳"]
    {
        let data = read(&cx, invented(2, name)).await?;
        has_values(&data, &[("name", name)])?;
        cx.remove(DEVICE).await?;
    }
    Ok(())
}

async fn words(cx: Context) -> Outcome {
    for (sex, nation, sex_word, nation_word) in
        [("1", "01", "男", "汉"), ("2", "05", "女", "维吾尔"), ("9", "56", "未说明", "基诺")]
    {
        let mut card = invented(1, "甲乙");
        card["sex"] = json!(sex);
        card["nation"] = json!(nation);
        let data = read(&cx, card).await?;
        has_values(&data, &[("sex", sex_word), ("nation", nation_word)])?;
        cx.remove(DEVICE).await?;
    }
    Ok(())
}

async fn guarded(cx: Context) -> Outcome {
    let data = read(&cx, invented(3, "甲乙")).await?;
    for field in ["cardNumber", "name", "sex", "idNumber", "birthDate", "nation", "address"] {
        has_values(&data, &[(field, "")])?;
    }
    has_values(
        &data,
        &[("cityCode", "990100"), ("issueDate", "20180611"), ("expireDate", "20280610")],
    )
}

async fn another_kind(cx: Context) -> Outcome {
    let (mut first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    cx.insert(DEVICE, json!("transport")).await?;
    let reply = first.next().await?;
    cx.refused(&reply, "device_failed")?;
    cx.echoes(&reply, ACTION, "open", &json!("a"))?;
    // It was one card, for one call.
    cx.remove(DEVICE).await?;
    cx.insert(DEVICE, invented(2, "甲乙")).await?;
    gets_card_of(&cx, &mut second, "b", "甲乙").await
}

async fn mute(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "m").await?;
    cx.fault(DEVICE, "mute").await?;
    cx.insert(DEVICE, json!("ssc-2")).await?;
    let reply = wire.next().await?;
    cx.refused(&reply, "device_failed")
}

async fn unread_card(cx: Context) -> Outcome {
    cx.insert(DEVICE, invented(1, "甲乙")).await?;
    let mut wire = cx.connect().await?;
    wire.send(ask("u")).await?;
    gets_card_of(&cx, &mut wire, "u", "甲乙").await
}

async fn one_reading(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    cx.insert(DEVICE, invented(1, "甲乙")).await?;
    gets_card_of(&cx, &mut wire, "a", "甲乙").await?;
    wire.send(ask("b")).await?;
    // It lies there still.
    wire.is_quiet_for(LONG_ENOUGH).await?;
    cx.remove(DEVICE).await?;
    cx.insert(DEVICE, invented(1, "甲乙")).await?;
    gets_card_of(&cx, &mut wire, "b", "甲乙").await
}

async fn oldest_first(cx: Context) -> Outcome {
    let (mut first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    cx.insert(DEVICE, invented(1, "甲乙")).await?;
    gets_card_of(&cx, &mut first, "a", "甲乙").await?;
    second.is_quiet_for(LONG_ENOUGH).await?;
    cx.remove(DEVICE).await?;
    cx.insert(DEVICE, invented(2, "丙丁")).await?;
    gets_card_of(&cx, &mut second, "b", "丙丁").await?;
    first.settled().await
}

async fn disconnect(cx: Context) -> Outcome {
    let (first, mut second) = (waits(&cx, "a").await?, waits(&cx, "b").await?);
    drop(first);
    // The target has noticed by then.
    second.is_quiet_for(Duration::from_millis(300)).await?;
    cx.insert(DEVICE, invented(2, "甲乙")).await?;
    gets_card_of(&cx, &mut second, "b", "甲乙").await
}

async fn close_cancels(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    let mut other = waits(&cx, "a").await?;
    let reply = wire.ask(close(ACTION, "z")).await?;
    cx.equal(&reply, &cancelled("a"))?;
    let reply = wire.next().await?;
    cx.equal(&reply, &plain_reply(ACTION, "close", &json!("z"), true, "关闭成功"))?;
    wire.settled().await?;
    other.settled().await
}

async fn supersede(cx: Context) -> Outcome {
    let mut wire = waits(&cx, "a").await?;
    let reply = wire.ask(ask("a")).await?;
    cx.equal(&reply, &cancelled("a"))?;
    // The second one still waits.
    wire.settled().await?;
    let reply = wire.ask(close(ACTION, "z")).await?;
    cx.equal(&reply, &cancelled("a"))
}

async fn both(cx: Context) -> Outcome {
    let (mut one, mut two) = (listens(&cx).await?, listens(&cx).await?);
    let mut caller = waits(&cx, "l").await?;
    cx.insert(DEVICE, invented(2, "甲乙")).await?;
    let data = gets(&cx, &mut caller, "l").await?;
    for listener in [&mut one, &mut two] {
        let heard = hears(&cx, listener).await?;
        check(heard == data, || "the listener gets another card than the call".to_owned())?;
        listener.settled().await?;
    }
    Ok(())
}

async fn config(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    // Twice is once: each card is one event.
    for _ in 0..2 {
        let reply = wire.ask(request(CONFIG, &json!("o"), Some(json!({})))).await?;
        cx.equal(&reply, &plain_reply(CONFIG, "open", &json!("o"), true, "成功"))?;
    }
    cx.insert(DEVICE, invented(2, "甲乙")).await?;
    let data = hears(&cx, &mut wire).await?;
    has_values(&data, &[("name", "甲乙")])?;
    wire.is_quiet_for(LONG_ENOUGH).await
}

async fn off(cx: Context) -> Outcome {
    let (mut stays, mut goes) = (listens(&cx).await?, listens(&cx).await?);
    let reply = goes.ask(json!({"off": CHANNEL}).to_string()).await?;
    cx.equal(&reply, &json!({"off": CHANNEL, "success": true, "message": "成功"}))?;
    cx.insert(DEVICE, json!("ssc-2")).await?;
    hears(&cx, &mut stays).await?;
    goes.settled().await
}

async fn unplugged(cx: Context) -> Outcome {
    let mut waiting = waits(&cx, "w").await?;
    cx.fault(DEVICE, "unplug").await?;
    let reply = waiting.next().await?;
    cx.refused(&reply, "device_unavailable")?;
    cx.until_state(DEVICE, "absent").await?;
    let mut wire = cx.connect().await?;
    let reply = wire.ask(ask("a")).await?;
    cx.refused(&reply, "device_unavailable")?;
    cx.fault(DEVICE, "none").await?;
    cx.until_state(DEVICE, "ready").await?;
    wire.send(ask("b")).await?;
    wire.settled().await?;
    cx.insert(DEVICE, invented(1, "甲乙")).await?;
    gets_card_of(&cx, &mut wire, "b", "甲乙").await
}
