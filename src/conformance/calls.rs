//! Calls by name (W1.5, W1.6): the envelope inside, and the caller's id.

use serde_json::{Value, json};

use super::context::Context;
use super::{Case, Need, Outcome, check};

const ENVELOPE: &str = "ampeHHCommunication";
const NEEDS_INFO: &[Need] = &[Need::Action("getDeviceInfo")];

pub(super) static CASES: &[Case] = &[
    Case::new("call/the_result_is_the_whole_envelope", "W1.5", NEEDS_INFO, |cx| {
        Box::pin(whole_envelope(cx))
    }),
    Case::new("call/an_id_of_any_json_comes_back", "W1.6", &[], |cx| Box::pin(any_id(cx))),
    Case::new("call/without_an_id_there_is_none", "W1.6", &[], |cx| Box::pin(no_id(cx))),
    Case::new("call/calls_with_one_id_are_answered_each", "W1.6", &[], |cx| Box::pin(same_id(cx))),
    Case::new("call/a_bad_envelope_is_answered_inside_the_result", "W1.5", &[], |cx| {
        Box::pin(bad_envelope(cx))
    }),
    Case::new("call/an_unknown_action_inside_is_unsupported", "W1.5", &[], |cx| {
        Box::pin(unknown_action(cx))
    }),
    Case::new("call/an_unknown_name_is_unsupported", "W1.5", &[], |cx| Box::pin(unknown_name(cx))),
    Case::new("call/a_name_of_another_type_is_bad_request", "W1.10", &[], |cx| {
        Box::pin(odd_name(cx))
    }),
];

fn info(task_id: &Value) -> Value {
    json!({"action": "getDeviceInfo", "event": "open", "taskId": task_id, "params": {}})
}

async fn whole_envelope(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let call = json!({"call": ENVELOPE, "params": info(&json!(3)), "id": 8});
    let reply = wire.ask(call.to_string()).await?;
    let head = reply["call"] == ENVELOPE && reply["id"] == 8;
    check(head, || format!("call and id do not come back: {}", cx.quote(&reply)))?;
    cx.success(&reply["res"])?;
    cx.echoes(&reply["res"], "getDeviceInfo", "open", &json!(3))
}

async fn any_id(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for id in [
        "7",
        "1.50",
        "null",
        "false",
        r#""七\u4e03""#,
        r#"{"b": [1.0, 2e5],"a":null}"#,
        "12345678901234567890123456789",
    ] {
        wire.send(format!(r#"{{"call":"{ENVELOPE}","params":{},"id":{id}}}"#, info(&json!("1"))))
            .await?;
        let reply = wire.next().await?;
        let sent: Value = serde_json::from_str(id).unwrap_or_default();
        let same = reply.get("id") == Some(&sent) && reply["call"] == ENVELOPE;
        check(same, || format!("call and the id {id} do not come back: {}", cx.quote(&reply)))?;
    }
    Ok(())
}

async fn no_id(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply =
        wire.ask(json!({"call": ENVELOPE, "params": info(&json!("1"))}).to_string()).await?;
    check(reply.get("id").is_none(), || format!("an id: {}", cx.quote(&reply)))?;
    check(reply["res"].is_object(), || format!("no res: {}", cx.quote(&reply)))
}

async fn same_id(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for task_id in ["a", "b", "c"] {
        let call = json!({"call": ENVELOPE, "params": info(&json!(task_id)), "id": 1});
        wire.send(call.to_string()).await?;
    }
    let mut heard = Vec::new();
    for _ in 0..3 {
        heard.push(wire.next().await?["res"]["taskId"].to_string());
    }
    heard.sort_unstable();
    check(heard == ["\"a\"", "\"b\"", "\"c\""], || format!("the replies are to {heard:?}"))?;
    wire.settled().await
}

async fn bad_envelope(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for params in ["", r#","params":null"#, r#","params":7"#, r#","params":{}"#, r#","params":[]"#]
    {
        let reply = wire.ask(format!(r#"{{"call":"{ENVELOPE}","id":5{params}}}"#)).await?;
        let head = reply["call"] == ENVELOPE && reply["id"] == 5;
        check(head, || format!("call and id do not come back: {}", cx.quote(&reply)))?;
        cx.refused(&reply["res"], "bad_request")?;
    }
    wire.settled().await
}

async fn unknown_action(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let params = json!({"action": "flyToTheMoon", "event": "open", "taskId": "x"});
    let reply = wire.ask(json!({"call": ENVELOPE, "params": params, "id": 5}).to_string()).await?;
    let kind = cx.kind(&reply["res"])?;
    check(kind == "unsupported", || format!("expected unsupported: {}", cx.quote(&reply)))?;
    cx.echoes(&reply["res"], "flyToTheMoon", "open", &json!("x"))
}

async fn unknown_name(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(r#"{"call":"flyToTheMoon","id":[5]}"#).await?;
    let head = reply["call"] == "flyToTheMoon" && reply["id"] == json!([5]);
    check(head, || format!("call and id do not come back: {}", cx.quote(&reply)))?;
    let kind = cx.kind(&reply["res"])?;
    check(kind == "unsupported", || format!("expected unsupported: {}", cx.quote(&reply)))?;
    wire.settled().await
}

async fn odd_name(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(r#"{"call":7,"id":5}"#).await?;
    cx.refused(&reply, "bad_request")?;
    check(reply["id"] == 5, || format!("the id does not come back: {}", cx.quote(&reply)))?;
    wire.settled().await
}
