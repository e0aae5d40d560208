//! Speech (3.6): what is tried needs a simulated speaker, as nobody wants to hear it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::context::{Context, plain_reply};
use super::groups::{close_refused, refused};
use super::wire::{Wire, request};
use super::{Case, Mismatch, Need, Outcome, check};

const SAY: &str = "speech";
const STOP: &str = "speechStop";
const NEEDS: &[Need] = &[Need::Action(SAY), Need::Action(STOP), Need::Simulated("speech")];
const UNPLUGGED: &[Need] =
    &[Need::Action(SAY), Need::Call("bridge.status"), Need::Simulated("speech")];

/// It takes longer to say than any of these cases takes.
const LONG: &str = "请您在取号机上取号以后到二号窗口前面的座位上坐下等候叫号并且把您的身份证和社会保障卡\
                    以及银行卡准备好交给窗口里面的工作人员办理";

/// A reply that comes later was waited for.
const AT_ONCE: Duration = Duration::from_secs(3);

/// More than any queue of texts holds.
const TOO_MANY: usize = 200;

pub(super) static CASES: &[Case] = &[
    Case::new("speech/without_text_it_is_refused", "3.6.1", &[], |cx| {
        let wrong = [json!({}), json!({"text": ""}), json!({"text": 7}), json!({"text": " \n"})];
        Box::pin(refused(cx, SAY, wrong))
    }),
    Case::new("speech/a_queue_other_than_0_or_1_is_refused", "3.6.1", &[], |cx| {
        let wrong = [json!(2), json!(-1), json!("x")];
        Box::pin(refused(cx, SAY, wrong.map(|queue| json!({"text": "好", "speechQueue": queue}))))
    }),
    Case::new("speech/close_is_bad_request", "1.9", &[], |cx| {
        Box::pin(close_refused(cx, &[SAY, STOP]))
    }),
    Case::new("speech/it_answers_at_once_with_nothing_but_成功", "3.6.1", NEEDS, |cx| {
        Box::pin(at_once(cx))
    }),
    Case::new("speech/pitch_and_rate_are_any_numbers", "3.6.4", NEEDS, |cx| Box::pin(numbers(cx))),
    Case::new("speech/any_text_is_taken", "3.6.5", NEEDS, |cx| Box::pin(texts(cx))),
    Case::new("speech/too_many_texts_are_device_busy", "3.6.3", NEEDS, |cx| Box::pin(busy(cx))),
    Case::new("speech/a_text_instead_empties_the_queue", "3.6.1", NEEDS, |cx| {
        Box::pin(instead(cx))
    }),
    Case::new("speech/a_stop_forgets_what_is_queued_whoever_asked_for_it", "3.6.2", NEEDS, |cx| {
        Box::pin(stop(cx))
    }),
    Case::new("speech/without_it_a_text_is_device_unavailable", "1.12", UNPLUGGED, |cx| {
        Box::pin(unplugged(cx))
    }),
];

fn say(text: &str) -> Value {
    json!({"text": text})
}

/// A text that has to be taken.
async fn taken(cx: &Context, wire: &mut Wire, params: Value) -> Outcome {
    let reply = wire.ask(request(SAY, &json!("s"), Some(params))).await?;
    cx.equal(&reply, &plain_reply(SAY, "open", &json!("s"), true, "成功"))
}

async fn silence(cx: &Context, wire: &mut Wire) -> Outcome {
    let reply = wire.ask(request(STOP, &json!("q"), Some(json!({})))).await?;
    cx.equal(&reply, &plain_reply(STOP, "open", &json!("q"), true, "成功"))
}

/// Long texts until one is refused.
async fn fill(cx: &Context, wire: &mut Wire) -> Outcome {
    for _ in 0..TOO_MANY {
        let reply = wire.ask(request(SAY, &json!("f"), Some(say(LONG)))).await?;
        if reply["success"] == false {
            return cx.refused(&reply, "device_busy");
        }
    }
    Err(Mismatch::Wrong(format!("{TOO_MANY} texts wait, and none is refused")))
}

async fn at_once(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let asked = Instant::now();
    taken(&cx, &mut wire, say(LONG)).await?;
    taken(&cx, &mut wire, say(LONG)).await?;
    let took = asked.elapsed();
    silence(&cx, &mut wire).await?;
    check(took < AT_ONCE, || format!("two long texts were answered after {took:?}"))
}

async fn numbers(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for number in [json!(0), json!(1e9), json!(-1), json!("1.5"), json!(null)] {
        taken(&cx, &mut wire, json!({"text": "好", "rate": number, "pitch": number})).await?;
    }
    silence(&cx, &mut wire).await
}

async fn texts(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let long = "请坐。".repeat(33_334);
    for text in [".", "a\n.\nb", "😀", "Привет, <b>world</b> & 世界", "\u{7}好", &long] {
        taken(&cx, &mut wire, say(text)).await?;
    }
    silence(&cx, &mut wire).await
}

async fn busy(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let full = fill(&cx, &mut wire).await;
    silence(&cx, &mut wire).await?;
    full
}

async fn instead(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    fill(&cx, &mut wire).await?;
    taken(&cx, &mut wire, json!({"text": LONG, "speechQueue": 1})).await?;
    taken(&cx, &mut wire, say(LONG)).await?;
    silence(&cx, &mut wire).await
}

async fn stop(cx: Context) -> Outcome {
    let (mut one, mut other) = (cx.connect().await?, cx.connect().await?);
    fill(&cx, &mut one).await?;
    silence(&cx, &mut other).await?;
    taken(&cx, &mut one, say(LONG)).await?;
    silence(&cx, &mut other).await
}

async fn unplugged(cx: Context) -> Outcome {
    cx.fault("speech", "unplug").await?;
    cx.until_state("speech", "absent").await?;
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(SAY, &json!("s"), Some(say("好")))).await?;
    cx.refused(&reply, "device_unavailable")?;
    cx.fault("speech", "none").await?;
    cx.until_state("speech", "ready").await?;
    taken(&cx, &mut wire, say("好")).await?;
    silence(&cx, &mut wire).await
}
