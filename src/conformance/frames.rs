//! Frames (W1): where one ends, and what is none. Bad input never costs the connection.

use std::time::Duration;

use serde_json::json;

use super::context::Context;
use super::wire::{Wire, request};
use super::{Case, Need, Outcome, check};

/// A limit up to which the cases of large frames are tried: more costs the target too much.
const LARGEST_TRIED: usize = 32 * 1024 * 1024;

const LINES: &[Need] = &[Need::Lines];
const LIMITED: &[Need] = &[Need::Lines, Need::Limits];

pub(super) static CASES: &[Case] = &[
    Case::new("wire/nothing_is_said_before_the_client_speaks", "W1.2", &[], |cx| {
        Box::pin(no_greeting(cx))
    }),
    Case::new("wire/empty_lines_are_ignored", "W1.1", &[], |cx| Box::pin(empty(cx))),
    Case::new("wire/a_line_may_end_with_cr_lf", "W1.1", LINES, |cx| Box::pin(cr_lf(cx))),
    Case::new("wire/bytes_may_come_one_by_one", "W1.1", LINES, |cx| Box::pin(byte_by_byte(cx))),
    Case::new("wire/frames_of_one_write_are_answered_each", "W1.1", LINES, |cx| {
        Box::pin(one_write(cx))
    }),
    Case::new("wire/what_is_no_json_is_answered", "W1.10", &[], |cx| Box::pin(no_json(cx))),
    Case::new("wire/an_array_is_answered", "W1.10", &[], |cx| {
        Box::pin(answered(cx, &["[]", "[{\"action\":\"getDeviceInfo\"}]"]))
    }),
    Case::new("wire/a_number_a_text_and_null_are_answered", "W1.10", &[], |cx| {
        Box::pin(answered(cx, &["1", "\"action\"", "null", "true"]))
    }),
    Case::new("wire/an_object_without_a_word_that_is_known_is_answered", "W1.9", &[], |cx| {
        Box::pin(answered(cx, &["{}", "{\"params\":{}}"]))
    }),
    Case::new("wire/two_objects_in_one_frame_are_answered_as_none", "W1.10", &[], |cx| {
        Box::pin(answered(cx, &["{} {}"]))
    }),
    Case::new("wire/of_json_that_breaks_off_comes_back_what_could_be_read", "W1.10", &[], |cx| {
        Box::pin(broken_off(cx))
    }),
    Case::new("wire/two_of_action_call_on_and_off_are_bad_request", "W1.9", &[], |cx| {
        Box::pin(two_words(cx))
    }),
    Case::new("wire/bad_utf_8_is_answered", "W1.10", LINES, |cx| Box::pin(bad_utf_8(cx))),
    Case::new("wire/json_of_any_depth_is_read", "W1.10", &[], |cx| Box::pin(deep(cx))),
    Case::new("wire/a_frame_over_the_limit_is_skipped_and_answered", "W1.11", LIMITED, |cx| {
        Box::pin(over_the_limit(cx))
    }),
    Case::new("wire/a_frame_at_the_limit_is_read", "W1.11", LIMITED, |cx| {
        Box::pin(at_the_limit(cx))
    }),
    Case::new(
        "wire/a_frame_that_breaks_off_with_its_connection_harms_nobody",
        "W1.12",
        LINES,
        |cx| Box::pin(torn(cx)),
    ),
    Case::new("wire/without_the_token_a_connection_is_refused", "W2.2", &[Need::TokenLine], |cx| {
        Box::pin(without_token(cx))
    }),
];

/// Answered with `bad_request` and this echo; the connection lives.
async fn is_refused(cx: &Context, wire: &mut Wire, echo: [&str; 3]) -> Outcome {
    let reply = wire.next().await?;
    cx.refused(&reply, "bad_request")?;
    let [action, event, task_id] = echo;
    cx.echoes(&reply, action, event, &json!(task_id))?;
    wire.settled().await
}

async fn answered(cx: Context, frames: &[&str]) -> Outcome {
    let mut wire = cx.connect().await?;
    for frame in frames {
        wire.send(frame).await?;
        is_refused(&cx, &mut wire, ["", "", ""]).await?;
    }
    Ok(())
}

async fn no_greeting(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.is_quiet_for(Duration::from_millis(400)).await?;
    wire.settled().await
}

async fn empty(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    for _ in 0..3 {
        wire.send("").await?;
    }
    wire.settled().await
}

async fn cr_lf(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let one = request("getDeviceInfo", &json!("one"), None);
    let two = request("getDeviceInfo", &json!("two"), None);
    wire.bytes(format!("\r\n{one}\r\n\r\n{two}\r\n").as_bytes()).await?;
    let mut heard = [wire.next().await?["taskId"].clone(), wire.next().await?["taskId"].clone()];
    heard.sort_by_key(ToString::to_string);
    check(heard == [json!("one"), json!("two")], || format!("replies to {heard:?}"))?;
    wire.settled().await
}

async fn byte_by_byte(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = request("getDeviceInfo", &json!("逐字节"), None);
    for byte in format!("{frame}\n").bytes() {
        wire.bytes(&[byte]).await?;
    }
    let reply = wire.next().await?;
    cx.echoes(&reply, "getDeviceInfo", "open", &json!("逐字节"))?;
    wire.settled().await
}

async fn one_write(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = |id: usize| format!("{}\n", request("getDeviceInfo", &json!(id), None));
    wire.bytes((0..50).map(frame).collect::<String>().as_bytes()).await?;
    let mut open: Vec<usize> = (0..50).collect();
    while !open.is_empty() {
        let reply = wire.next().await?;
        let at = open.iter().position(|id| reply["taskId"] == *id);
        let Some(at) = at else {
            return check(false, || format!("a reply too many: {}", cx.quote(&reply)));
        };
        open.remove(at);
    }
    wire.settled().await
}

async fn no_json(cx: Context) -> Outcome {
    answered(cx, &["hello", "{", "}", "{\"action\"}", "\u{feff}{}", "{'action':'x'}"]).await
}

async fn broken_off(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.send(r#"{"action":"getDeviceInfo","event":"open","taskId":"7","params":{"#).await?;
    is_refused(&cx, &mut wire, ["getDeviceInfo", "open", "7"]).await
}

async fn two_words(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let words = [
        r#""action":"getDeviceInfo""#,
        r#""call":"ampeHHCommunication""#,
        r#""on":"initQRListener""#,
        r#""off":"initQRListener""#,
    ];
    for (at, one) in words.iter().enumerate() {
        for other in &words[at + 1..] {
            let reply = wire.ask(format!(r#"{{{one},{other},"taskId":"t"}}"#)).await?;
            cx.refused(&reply, "bad_request")?;
            let task_id = &reply["taskId"];
            check(task_id == "t", || format!("taskId is {task_id}: {}", cx.quote(&reply)))?;
            wire.settled().await?;
        }
    }
    Ok(())
}

async fn bad_utf_8(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.bytes(b"\xFF\xFE\n").await?;
    is_refused(&cx, &mut wire, ["", "", ""]).await?;
    let frame = b"{\"action\":\"getDeviceInfo\",\"event\":\"open\",\"taskId\":\"t\",\
        \"params\":{\"x\":\"\xC3\x28\"}}\n";
    wire.bytes(frame).await?;
    is_refused(&cx, &mut wire, ["getDeviceInfo", "open", "t"]).await
}

async fn deep(cx: Context) -> Outcome {
    const DEPTH: usize = 20_000;
    let mut wire = cx.connect().await?;
    for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
        let deep = format!("{}1{}", open.repeat(DEPTH), close.repeat(DEPTH));
        let frame =
            format!(r#"{{"action":"getDeviceInfo","taskId":"deep","params":{{"x":{deep}}}}}"#);
        let reply = wire.ask(frame).await?;
        cx.success(&reply)?;
        wire.settled().await?;
    }
    Ok(())
}

fn limit(cx: &Context) -> Result<usize, super::Mismatch> {
    let limit = cx.limit("maxFrameBytes")?;
    if limit > LARGEST_TRIED {
        return Err(super::Mismatch::NotTried(format!("the limit is {limit} bytes: too much")));
    }
    Ok(limit)
}

async fn over_the_limit(cx: Context) -> Outcome {
    let limit = limit(&cx)?;
    let mut wire = cx.connect().await?;
    let piece = vec![b'x'; 64 * 1024];
    wire.bytes(b"{\"action\":\"").await?;
    for _ in 0..limit / piece.len() + 2 {
        wire.bytes(&piece).await?;
    }
    // A good frame is glued to its end.
    let next = request("getDeviceInfo", &json!("next"), None);
    wire.bytes(format!("\"}}\n{next}\n").as_bytes()).await?;
    let reply = wire.next().await?;
    cx.refused(&reply, "bad_request")?;
    cx.echoes(&reply, "", "", &json!(""))?;
    let reply = wire.next().await?;
    cx.echoes(&reply, "getDeviceInfo", "open", &json!("next"))?;
    wire.settled().await
}

async fn at_the_limit(cx: Context) -> Outcome {
    let limit = limit(&cx)?;
    let mut wire = cx.connect().await?;
    let head = r#"{"action":"getDeviceInfo","event":"open","taskId":"long","padding":""#;
    let mut frame = Vec::with_capacity(limit + 1);
    frame.extend_from_slice(head.as_bytes());
    frame.resize(limit - 2, b'x');
    frame.extend_from_slice(b"\"}\n");
    wire.bytes(&frame).await?;
    let reply = wire.next().await?;
    cx.success(&reply)?;
    cx.echoes(&reply, "getDeviceInfo", "open", &json!("long"))
}

async fn torn(cx: Context) -> Outcome {
    for part in [1, 20] {
        let mut wire = cx.connect().await?;
        let frame = request("getDeviceInfo", &json!("torn"), None);
        wire.bytes(&frame.as_bytes()[..part]).await?;
    }
    cx.connect().await?.settled().await
}

async fn without_token(cx: Context) -> Outcome {
    let mut wire = cx.connect_without_token().await?;
    let reply = wire.ask(request("getDeviceInfo", &json!("1"), None)).await?;
    cx.refused(&reply, "forbidden")?;
    wire.end().await?;
    Ok(())
}
