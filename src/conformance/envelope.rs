//! The envelope (section 1): what comes back of a request, and requests that are wrong. Tried on
//! `getDeviceInfo`, which harms nobody.

use serde_json::{Value, json};

use super::context::Context;
use super::wire::{Wire, close, request};
use super::{Case, Need, Outcome, check};

const INFO: &str = "getDeviceInfo";
const NEEDS_INFO: &[Need] = &[Need::Action(INFO)];
const NEEDS_CARD: &[Need] = &[Need::Action("getIDCardInfo"), Need::Waits("id_card")];

pub(super) static CASES: &[Case] = &[
    Case::new("envelope/a_reply_echoes_action_event_and_task_id", "1.2", NEEDS_INFO, |cx| {
        Box::pin(echo(cx))
    }),
    Case::new("envelope/a_success_has_message_and_data", "1.7", NEEDS_INFO, |cx| {
        Box::pin(success_shape(cx))
    }),
    Case::new("envelope/a_string_task_id_comes_back_as_it_came", "1.3", NEEDS_INFO, |cx| {
        Box::pin(string_task_id(cx))
    }),
    Case::new("envelope/a_numeric_task_id_comes_back_to_the_digit", "1.3", NEEDS_INFO, |cx| {
        Box::pin(numeric_task_id(cx))
    }),
    Case::new("envelope/a_missing_task_id_is_bad_request", "1.3", NEEDS_INFO, |cx| {
        Box::pin(missing_task_id(cx))
    }),
    Case::new("envelope/a_task_id_of_another_type_is_bad_request", "1.3", NEEDS_INFO, |cx| {
        Box::pin(odd_task_id(cx))
    }),
    Case::new("envelope/a_missing_event_is_open", "1.4", NEEDS_INFO, |cx| {
        Box::pin(missing_event(cx))
    }),
    Case::new("envelope/an_unknown_event_is_bad_request", "1.4", NEEDS_INFO, |cx| {
        Box::pin(unknown_event(cx))
    }),
    Case::new("envelope/an_event_of_another_type_is_bad_request", "1.4", NEEDS_INFO, |cx| {
        Box::pin(odd_event(cx))
    }),
    Case::new("envelope/an_unknown_action_is_unsupported", "1.1", &[], |cx| {
        Box::pin(unknown_action(cx))
    }),
    Case::new("envelope/an_action_of_another_type_is_bad_request", "W1.10", &[], |cx| {
        Box::pin(odd_action(cx))
    }),
    Case::new("envelope/params_may_be_absent_or_null", "1.5", NEEDS_INFO, |cx| {
        Box::pin(no_params(cx))
    }),
    Case::new("envelope/params_that_are_no_object_are_bad_request", "1.5", NEEDS_CARD, |cx| {
        Box::pin(odd_params(cx))
    }),
    Case::new("envelope/a_param_of_a_wrong_type_is_bad_request", "1.5", NEEDS_CARD, |cx| {
        Box::pin(odd_param(cx))
    }),
    Case::new("envelope/unknown_keys_are_ignored", "1.6", NEEDS_INFO, |cx| {
        Box::pin(unknown_keys(cx))
    }),
    Case::new(
        "envelope/close_on_an_action_that_does_not_wait_is_bad_request",
        "1.9",
        NEEDS_INFO,
        |cx| Box::pin(close_on_an_act(cx)),
    ),
    Case::new("envelope/calls_that_do_not_wait_are_never_superseded", "1.11", NEEDS_INFO, |cx| {
        Box::pin(same_task_id_twice(cx))
    }),
    Case::new("envelope/an_error_has_kind_detail_and_chinese_words", "1.12", &[], |cx| {
        Box::pin(error_shape(cx))
    }),
];

async fn echo(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(INFO, &json!("t-1"), Some(json!({})))).await?;
    cx.success(&reply)?;
    cx.echoes(&reply, INFO, "open", &json!("t-1"))
}

async fn success_shape(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(INFO, &json!("1"), None)).await?;
    cx.success(&reply)?;
    let known = ["action", "event", "taskId", "success", "message", "data"];
    let all = known.iter().all(|key| reply.get(key).is_some());
    check(all, || format!("a field is missing: {}", cx.quote(&reply)))
}

async fn string_task_id(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for id in ["1", "", "0001", "任务一", "a \"quoted\"\\\n\tone", "🪪"] {
        let reply = wire.ask(request(INFO, &json!(id), None)).await?;
        cx.success(&reply)?;
        cx.echoes(&reply, INFO, "open", &json!(id))?;
    }
    Ok(())
}

async fn numeric_task_id(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for id in ["1", "0", "-7", "1.50", "12345678901234567890123456789"] {
        wire.send(format!(r#"{{"action":"{INFO}","event":"open","taskId":{id}}}"#)).await?;
        let text = wire.text().await?;
        let reply: Value = serde_json::from_str(&text).unwrap_or_default();
        cx.success(&reply)?;
        let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let there = [",", "}"].iter().any(|end| packed.contains(&format!("\"taskId\":{id}{end}")));
        check(there, || format!("taskId {id} did not come back: {}", cx.quote(&reply)))?;
    }
    Ok(())
}

/// A request in one frame is refused, with this echo, and the connection lives.
async fn refused(cx: &Context, wire: &mut Wire, frame: &str, echo: [&str; 3]) -> Outcome {
    let reply = wire.ask(frame).await?;
    cx.refused(&reply, "bad_request")?;
    let [action, event, task_id] = echo;
    cx.echoes(&reply, action, event, &json!(task_id))?;
    wire.settled().await
}

async fn missing_task_id(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = r#"{"action":"getDeviceInfo","event":"open","params":{}}"#;
    refused(&cx, &mut wire, frame, [INFO, "open", ""]).await
}

async fn odd_task_id(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for id in ["true", "null", "[]", "{}", r#"["1"]"#] {
        let frame = format!(r#"{{"action":"{INFO}","event":"open","taskId":{id}}}"#);
        refused(&cx, &mut wire, &frame, [INFO, "open", ""]).await?;
    }
    Ok(())
}

async fn missing_event(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(r#"{"action":"getDeviceInfo","taskId":"1","params":{}}"#).await?;
    cx.success(&reply)?;
    cx.echoes(&reply, INFO, "open", &json!("1"))
}

async fn unknown_event(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for event in ["shut", "", "Open"] {
        let frame = json!({"action": INFO, "event": event, "taskId": "1"}).to_string();
        refused(&cx, &mut wire, &frame, [INFO, event, "1"]).await?;
    }
    Ok(())
}

async fn odd_event(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = r#"{"action":"getDeviceInfo","event":7,"taskId":"1"}"#;
    refused(&cx, &mut wire, frame, [INFO, "", "1"]).await
}

async fn unknown_action(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request("flyToTheMoon", &json!(5), Some(json!({})))).await?;
    let kind = cx.kind(&reply)?;
    check(kind == "unsupported", || format!("expected unsupported: {}", cx.quote(&reply)))?;
    cx.echoes(&reply, "flyToTheMoon", "open", &json!(5))?;
    wire.settled().await
}

async fn odd_action(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for action in ["7", "null", "[\"getDeviceInfo\"]"] {
        let frame = format!(r#"{{"action":{action},"event":"open","taskId":"1"}}"#);
        refused(&cx, &mut wire, &frame, ["", "open", "1"]).await?;
    }
    Ok(())
}

async fn no_params(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for params in ["", r#","params":null"#, r#","params":{}"#] {
        let frame = format!(r#"{{"action":"{INFO}","event":"open","taskId":"1"{params}}}"#);
        let reply = wire.ask(frame).await?;
        cx.success(&reply)?;
    }
    Ok(())
}

async fn odd_params(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for params in ["[]", "7", "\"{}\"", "true"] {
        let frame = format!(
            r#"{{"action":"getIDCardInfo","event":"open","taskId":"1","params":{params}}}"#
        );
        refused(&cx, &mut wire, &frame, ["getIDCardInfo", "open", "1"]).await?;
    }
    Ok(())
}

async fn odd_param(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for value in [json!({}), json!(7), json!([])] {
        let frame = request("getIDCardInfo", &json!("1"), Some(json!({"infoType": value})));
        refused(&cx, &mut wire, &frame, ["getIDCardInfo", "open", "1"]).await?;
    }
    Ok(())
}

async fn unknown_keys(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = r#"{"x":[1,{"action":"no"}],"action":"getDeviceInfo","taskId":"1","message ":0,
        "params":{"y":null}}"#
        .replace('\n', "");
    let reply = wire.ask(frame).await?;
    cx.success(&reply)?;
    cx.echoes(&reply, INFO, "open", &json!("1"))
}

async fn close_on_an_act(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(close(INFO, "1")).await?;
    cx.refused(&reply, "bad_request")?;
    cx.echoes(&reply, INFO, "close", &json!("1"))
}

async fn same_task_id_twice(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = request(INFO, &json!("same"), None);
    for _ in 0..3 {
        wire.send(&frame).await?;
    }
    for _ in 0..3 {
        let reply = wire.next().await?;
        cx.success(&reply)?;
    }
    wire.settled().await
}

async fn error_shape(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply =
        wire.ask(json!({"action": INFO, "event": "shut", "taskId": "1"}).to_string()).await?;
    cx.kind(&reply)?;
    let keys = reply["data"].as_object().map_or(0, serde_json::Map::len);
    check(keys == 1, || format!("data holds more than error: {}", cx.quote(&reply)))
}
