//! How cases speak with cards (3.13), and the judgements that they share.

use serde_json::{Value, json};

use super::context::Context;
use super::wire::{Wire, request};
use super::{Mismatch, Outcome, check};

pub(super) const COMMAND: &str = "sendCPUCardCommand";
pub(super) const BATCH: &str = "sendCPUCardApduCommands";

/// The reply to an action of this group, with its echo looked at.
pub(super) async fn ask(
    cx: &Context,
    wire: &mut Wire,
    action: &str,
    params: Value,
) -> Result<Value, Mismatch> {
    let reply = wire.ask(request(action, &json!("c"), Some(params))).await?;
    cx.echoes(&reply, action, "open", &json!("c"))?;
    allowed(cx, &reply)?;
    Ok(reply)
}

/// The one text in the data of a reply that has to be a success: hex, or a code (3.13.4).
pub(super) fn text(cx: &Context, reply: &Value, field: &str) -> Result<String, Mismatch> {
    allowed(cx, reply)?;
    let data = cx.success(reply)?;
    let text =
        data[field].as_str().filter(|_| data.as_object().is_some_and(|keys| keys.len() == 1));
    let text = text.ok_or_else(|| {
        Mismatch::Wrong(format!("data is not one text, {field}: {}", cx.quote(reply)))
    })?;
    Ok(text.to_owned())
}

/// What comes of one command to this card (`type`, `slot`): its answer, or a code.
pub(super) async fn command(
    cx: &Context,
    wire: &mut Wire,
    to: &Value,
    apdu: &str,
) -> Result<String, Mismatch> {
    let mut params = to.clone();
    params["commandApdu"] = json!(apdu);
    let reply = ask(cx, wire, COMMAND, params).await?;
    text(cx, &reply, "nfc_resultInfo")
}

/// What comes of several.
pub(super) async fn batch(
    cx: &Context,
    wire: &mut Wire,
    to: &Value,
    apdus: &[&str],
) -> Result<Value, Mismatch> {
    let mut params = to.clone();
    params["commandApdus"] = json!(apdus);
    ask(cx, wire, BATCH, params).await
}

/// A batch's reply as it has to be: with a code if it failed.
pub(super) fn batch_reply(code: Option<i32>, results: &[&str]) -> Value {
    let message = code.map_or_else(|| "成功".to_owned(), |code| format!("失败:{code}"));
    json!({
        "action": BATCH, "event": "open", "taskId": "c",
        "success": code.is_none(), "message": message, "data": {"nfc_commandResults": results},
    })
}

/// What came is this.
pub(super) fn is(got: &str, expected: &str) -> Outcome {
    check(got == expected, || format!("expected {expected:?}, got {got:?}"))
}

/// Whether this is bytes in upper-case hex.
pub(super) fn is_hex(text: &str) -> bool {
    let digit = |digit: u8| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit);
    !text.is_empty() && text.len().is_multiple_of(2) && text.bytes().all(digit)
}

/// Bytes in upper-case hex of which the first is their number (3.13.1).
pub(super) fn is_ats(text: &str) -> bool {
    let length = text.get(..2).and_then(|first| usize::from_str_radix(first, 16).ok());
    is_hex(text) && length == Some(text.len() / 2)
}

/// Data and status word in upper-case hex, the status word 9000; without it.
pub(super) fn good(answer: &str) -> Result<&str, Mismatch> {
    let data = answer.strip_suffix("9000").filter(|data| data.is_empty() || is_hex(data));
    data.ok_or_else(|| Mismatch::Wrong(format!("expected an answer that ends in 9000: {answer:?}")))
}

/// An operator may forbid commands: no mistake of the target's.
fn allowed(cx: &Context, reply: &Value) -> Outcome {
    if reply["data"]["error"]["kind"] == "forbidden" {
        cx.kind(reply)?;
        return Err(Mismatch::NotTried("the operator allows no such commands".to_owned()));
    }
    Ok(())
}
