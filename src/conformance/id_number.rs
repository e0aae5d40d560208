//! Typed ID numbers (3.7) and the keypad's side of them (W1.26): the cases type them themselves.

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::groups::idle_close;
use super::wire::{Wire, close, request};
use super::{Case, Mismatch, Need, Outcome, check};

const ENTER: &str = "enterIDNumber";
const CHANNEL: &str = "bridgeKeypad";

/// The simulated face provider is one that says at once what it knows; and one case at a time is at the
/// keypad.
const NEEDS: &[Need] = &[
    Need::Action(ENTER),
    Need::Call("bridge.keypad"),
    Need::Channel(CHANNEL),
    Need::Simulated("face"),
];

/// An invented person's.
const NUMBER: &str = "11010519491231002X";

pub(super) static CASES: &[Case] = &[
    Case::new("id_number/close_with_nothing_under_way_succeeds", "1.8", &[], |cx| {
        Box::pin(idle_close(cx, ENTER))
    }),
    Case::new("id_number/a_typed_number_answers_the_oldest_call", "3.7.1", NEEDS, |cx| {
        Box::pin(typed(cx))
    }),
    Case::new("id_number/cancelled_by_the_person_it_says_so", "3.7.1", NEEDS, |cx| {
        Box::pin(cancelled(cx))
    }),
    Case::new("id_number/closed_by_the_program_it_is_取消", "1.10", NEEDS, |cx| {
        Box::pin(closed(cx))
    }),
    Case::new("id_number/a_wrong_check_digit_is_refused", "W1.26", NEEDS, |cx| {
        Box::pin(wrong_number(cx))
    }),
    Case::new("id_number/only_a_keypad_answers", "W1.26", NEEDS, |cx| Box::pin(no_keypad(cx))),
    Case::new("id_number/what_was_typed_for_another_is_refused", "W1.26", NEEDS, |cx| {
        Box::pin(late(cx))
    }),
];

/// A keypad that hears what is wanted.
async fn keypad(cx: &Context) -> Result<Wire, Mismatch> {
    let mut keypad = cx.connect().await?;
    let reply = keypad.ask(json!({"on": CHANNEL}).to_string()).await?;
    check(reply["success"] == true, || format!("no channel: {}", cx.quote(&reply)))?;
    let told = event(cx, &mut keypad).await?;
    if told["wanted"] == true {
        return Err(Mismatch::NotTried("somebody else waits for a number".to_owned()));
    }
    Ok(keypad)
}

async fn event(cx: &Context, keypad: &mut Wire) -> Result<Value, Mismatch> {
    let event = keypad.next().await?;
    check(event["channel"] == CHANNEL && event["data"]["wanted"].is_boolean(), || {
        format!("expected an event of {CHANNEL}: {}", cx.quote(&event))
    })?;
    Ok(event["data"].clone())
}

/// The number of the request that is wanted now.
async fn wanted(cx: &Context, keypad: &mut Wire) -> Result<Value, Mismatch> {
    let event = event(cx, keypad).await?;
    check(event["wanted"] == true && event["request"].is_u64(), || {
        format!("expected that a number is wanted: {event}")
    })?;
    Ok(event["request"].clone())
}

fn enter(task: &str) -> String {
    request(ENTER, &json!(task), None)
}

fn call(params: &Value) -> String {
    json!({"call": "bridge.keypad", "id": 1, "params": params}).to_string()
}

/// Types a number; the reply may come before or after the event that no more is wanted.
async fn enters(cx: &Context, keypad: &mut Wire, params: &Value) -> Outcome {
    keypad.send(call(params)).await?;
    let mut replied = false;
    for _ in 0..2 {
        let frame = keypad.next().await?;
        if frame["call"] == "bridge.keypad" {
            check(frame["res"]["success"] == true, || format!("refused: {}", cx.quote(&frame)))?;
            replied = true;
        } else {
            check(frame["channel"] == CHANNEL, || format!("odd: {}", cx.quote(&frame)))?;
        }
    }
    check(replied, || "bridge.keypad is not answered".to_owned())
}

async fn typed(cx: Context) -> Outcome {
    let mut keypad = keypad(&cx).await?;
    let (mut first, mut second) = (cx.connect().await?, cx.connect().await?);
    first.send(enter("1")).await?;
    let request = wanted(&cx, &mut keypad).await?;
    second.send(enter("2")).await?;
    // Answered behind it, so that the second waits as well.
    second.ask(json!({"off": "initQRListener"}).to_string()).await?;
    let params = json!({"do": "enter", "idNum": NUMBER, "request": request});
    enters(&cx, &mut keypad, &params).await?;
    let reply = first.next().await?;
    let data = cx.success(&reply)?;
    check(data["idNum"] == NUMBER, || format!("another number: {}", cx.quote(&reply)))?;
    let fixed = data["code"] == 1000 && data["isvResult"] == true;
    let words = data["subCode"] == "OK_SUCCESS" && data["subMessage"] == "SUCCESS";
    let info = data["extInfo"] == r#"{"authCode":""}"#;
    check(fixed && words && info, || format!("another field: {}", cx.quote(&reply)))?;
    for key in ["alipayUid", "ftoken", "vid"] {
        check(data[key].is_string(), || format!("{key} is no string"))?;
    }
    let reply = second.ask(close(ENTER, "3")).await?;
    cx.equal(&reply, &plain_reply(ENTER, "open", &json!("2"), false, "取消"))
}

async fn cancelled(cx: Context) -> Outcome {
    let mut keypad = keypad(&cx).await?;
    let mut client = cx.connect().await?;
    client.send(enter("1")).await?;
    wanted(&cx, &mut keypad).await?;
    enters(&cx, &mut keypad, &json!({"do": "cancel"})).await?;
    let reply = client.next().await?;
    cx.equal(&reply, &plain_reply(ENTER, "open", &json!("1"), false, "取消手输证件号"))
}

async fn closed(cx: Context) -> Outcome {
    let mut keypad = keypad(&cx).await?;
    let mut client = cx.connect().await?;
    client.send(enter("1")).await?;
    wanted(&cx, &mut keypad).await?;
    let reply = client.ask(close(ENTER, "2")).await?;
    cx.equal(&reply, &plain_reply(ENTER, "open", &json!("1"), false, "取消"))?;
    let reply = client.next().await?;
    cx.equal(&reply, &plain_reply(ENTER, "close", &json!("2"), true, "关闭成功"))?;
    let told = event(&cx, &mut keypad).await?;
    check(told["wanted"] == false, || "the keypad is still wanted".to_owned())
}

async fn wrong_number(cx: Context) -> Outcome {
    let mut keypad = keypad(&cx).await?;
    let mut client = cx.connect().await?;
    client.send(enter("1")).await?;
    let request = wanted(&cx, &mut keypad).await?;
    let enter = |number: &str| json!({"do": "enter", "idNum": number, "request": request});
    for wrong in ["110105194912310021", "11010519491231002", "", "甲"] {
        let reply = keypad.ask(call(&enter(wrong))).await?;
        cx.refused(&reply["res"], "bad_request")?;
    }
    enters(&cx, &mut keypad, &enter(NUMBER)).await?;
    let reply = client.next().await?;
    cx.success(&reply).map(|_| ())
}

async fn no_keypad(cx: Context) -> Outcome {
    let mut keypad = keypad(&cx).await?;
    let mut client = cx.connect().await?;
    client.send(enter("1")).await?;
    let request = wanted(&cx, &mut keypad).await?;
    let enter = json!({"do": "enter", "idNum": NUMBER, "request": request});
    for params in [json!({"do": "cancel"}), enter] {
        let reply = client.ask(call(&params)).await?;
        cx.refused(&reply["res"], "forbidden")?;
    }
    enters(&cx, &mut keypad, &json!({"do": "cancel"})).await
}

async fn late(cx: Context) -> Outcome {
    let mut keypad = keypad(&cx).await?;
    let mut client = cx.connect().await?;
    client.send(enter("1")).await?;
    let request = wanted(&cx, &mut keypad).await?;
    client.send(enter("1")).await?;
    let other = wanted(&cx, &mut keypad).await?;
    check(request != other, || "two calls are the same request".to_owned())?;
    // Nor is what is typed without a word on whom it is for.
    for params in [
        json!({"do": "enter", "idNum": NUMBER, "request": request}),
        json!({"do": "enter", "idNum": NUMBER}),
    ] {
        let reply = keypad.ask(call(&params)).await?;
        cx.refused(&reply["res"], "bad_request")?;
    }
    enters(&cx, &mut keypad, &json!({"do": "cancel", "request": other})).await
}
