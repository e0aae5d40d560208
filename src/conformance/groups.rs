//! Harmless requests, which print, say and show nothing: questions, and requests that have to be
//! refused. A target that does not serve a group says so (`unsupported`), in the right shape. The files
//! of the groups have such requests from here; those of the microphone (3.4) stand here themselves.

use serde_json::{Value, json};

use super::context::{Context, plain_reply};
use super::wire::{close, request};
use super::{Case, Mismatch, Outcome, check};

pub(super) static CASES: &[Case] = &[
    Case::new("microphone/the_state_is_two_numbers", "3.4.2", &[], |cx| {
        Box::pin(microphone_state(cx))
    }),
    Case::new("microphone/a_stop_with_nothing_under_way_succeeds", "3.4.3", &[], |cx| {
        Box::pin(idle_stop(cx, "stopMicrophoneListener"))
    }),
    Case::new("microphone/close_with_nothing_under_way_succeeds", "1.8", &[], |cx| {
        Box::pin(idle_close(cx, "startMicrophoneListener"))
    }),
];

/// A device that is not there or not configured, or a group that is not served: a right answer.
pub(super) fn is_not_there(kind: &str) -> bool {
    ["unsupported", "device_unavailable"].contains(&kind)
}

/// Each of these params is refused, because they are wrong or because nothing is there.
pub(super) async fn refused<const N: usize>(
    cx: Context,
    action: &str,
    wrong: [Value; N],
) -> Outcome {
    let mut wire = cx.connect().await?;
    for params in wrong {
        let reply = wire.ask(request(action, &json!("g"), Some(params.clone()))).await?;
        cx.echoes(&reply, action, "open", &json!("g"))?;
        let kind = cx.kind(&reply)?;
        check(kind == "bad_request" || is_not_there(&kind), || {
            format!("expected bad_request for {params}: {}", cx.quote(&reply))
        })?;
    }
    wire.settled().await
}

/// `close` on these is refused, or nothing is there to be closed.
pub(super) async fn close_refused(cx: Context, actions: &[&str]) -> Outcome {
    let mut wire = cx.connect().await?;
    for action in actions {
        let reply = wire.ask(close(action, "g")).await?;
        cx.echoes(&reply, action, "close", &json!("g"))?;
        let kind = cx.kind(&reply)?;
        check(kind == "bad_request" || is_not_there(&kind), || {
            format!("expected bad_request: {}", cx.quote(&reply))
        })?;
    }
    Ok(())
}

/// `close` with nothing under way succeeds, or nothing is there.
pub(super) async fn idle_close(cx: Context, action: &str) -> Outcome {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(close(action, "g")).await?;
    cx.echoes(&reply, action, "close", &json!("g"))?;
    if reply["success"] == false && is_not_there(&cx.kind(&reply)?) {
        return Ok(());
    }
    cx.equal(&reply, &plain_reply(action, "close", &json!("g"), true, "关闭成功"))
}

/// The data of a question that changes nothing; `None` where nothing is there to answer it.
async fn asked(cx: &Context, action: &str) -> Result<Option<Value>, Mismatch> {
    let mut wire = cx.connect().await?;
    let reply = wire.ask(request(action, &json!("g"), Some(json!({})))).await?;
    cx.echoes(&reply, action, "open", &json!("g"))?;
    if reply["success"] == false {
        let kind = cx.kind(&reply)?;
        check(is_not_there(&kind), || format!("it cannot fail: {}", cx.quote(&reply)))?;
        return Ok(None);
    }
    cx.success(&reply).map(Some)
}

async fn idle_stop(cx: Context, action: &str) -> Outcome {
    asked(&cx, action).await.map(|_| ())
}

async fn microphone_state(cx: Context) -> Outcome {
    let Some(data) = asked(&cx, "getMicrophoneState").await? else { return Ok(()) };
    for field in ["microphoneListenerState", "microphoneState"] {
        check(data[field] == 0, || format!("{field} is {} and nothing is recorded", data[field]))?;
    }
    Ok(())
}
