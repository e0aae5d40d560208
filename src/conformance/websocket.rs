//! Frames as WebSocket messages (W1.1, W2.4).

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::context::Context;
use super::wire::{Next, Wire, request};
use super::{Case, Mismatch, Need, Outcome, check};

const WEBSOCKET: &[Need] = &[Need::WebSocket];

/// A message that is larger than any limit of which this is tried.
const LARGEST_TRIED: usize = 32 * 1024 * 1024;

pub(super) static CASES: &[Case] = &[
    Case::new("websocket/a_message_is_a_frame", "W1.1", WEBSOCKET, |cx| Box::pin(message(cx))),
    Case::new("websocket/a_frame_may_hold_line_breaks", "W1.1", WEBSOCKET, |cx| {
        Box::pin(line_breaks(cx))
    }),
    Case::new("websocket/a_reply_is_one_message_without_a_line_end", "W1.1", WEBSOCKET, |cx| {
        Box::pin(one_message(cx))
    }),
    Case::new("websocket/two_lines_are_no_two_frames", "W1.1", WEBSOCKET, |cx| {
        Box::pin(two_lines(cx))
    }),
    Case::new("websocket/a_message_may_come_in_fragments", "W2.4", WEBSOCKET, |cx| {
        Box::pin(fragments(cx))
    }),
    Case::new("websocket/a_ping_is_answered", "W2.4", WEBSOCKET, |cx| Box::pin(ping(cx))),
    Case::new("websocket/a_close_is_answered", "W2.4", WEBSOCKET, |cx| Box::pin(closed(cx))),
    Case::new("websocket/bad_utf_8_closes_with_1007", "W2.4", WEBSOCKET, |cx| {
        Box::pin(bad_utf_8(cx))
    }),
    Case::new(
        "websocket/a_message_over_the_limit_closes_with_1009",
        "W2.4",
        &[Need::WebSocket, Need::Limits],
        |cx| Box::pin(too_large(cx)),
    ),
];

fn fragment(bytes: &[u8], data: Data, last: bool) -> Message {
    Message::Frame(Frame::message(bytes.to_vec(), OpCode::Data(data), last))
}

/// The next frame answers `getDeviceInfo` with this taskId.
async fn is_answered(cx: &Context, wire: &mut Wire, task_id: &str) -> Outcome {
    let reply = wire.next().await?;
    cx.echoes(&reply, "getDeviceInfo", "open", &json!(task_id))
}

async fn message(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.message(Message::text(request("getDeviceInfo", &json!("m"), None))).await?;
    is_answered(&cx, &mut wire, "m").await
}

async fn line_breaks(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = "{\r\n  \"action\": \"getDeviceInfo\",\n\n  \"event\": \"open\",\n  \
        \"taskId\": \"pretty\",\n  \"params\": {\n  }\n}\n";
    wire.message(Message::text(frame)).await?;
    is_answered(&cx, &mut wire, "pretty").await?;
    wire.settled().await
}

async fn one_message(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.send(request("getDeviceInfo", &json!("m"), None)).await?;
    let text = wire.text().await?;
    check(!text.contains(['\r', '\n']), || "the reply holds a line break".to_owned())
}

async fn two_lines(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = request("getDeviceInfo", &json!("m"), None);
    let reply = wire.ask(format!("{frame}\n{frame}")).await?;
    cx.refused(&reply, "bad_request")?;
    wire.settled().await
}

async fn fragments(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    let frame = request("getDeviceInfo", &json!("碎片"), None);
    let (first, rest) = frame.as_bytes().split_at(frame.len() / 2);
    wire.message(fragment(first, Data::Text, false)).await?;
    wire.message(fragment(rest, Data::Continue, true)).await?;
    is_answered(&cx, &mut wire, "碎片").await
}

async fn ping(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.message(Message::Ping(b"is there anybody?".to_vec().into())).await?;
    match wire.next_within(Duration::from_secs(5)).await? {
        Some(Next::Pong) => wire.settled().await,
        Some(Next::Frame(_)) => Err(Mismatch::wrong("a frame came, and no pong")),
        Some(Next::End(_)) => Err(Mismatch::wrong("the connection was closed")),
        None => Err(Mismatch::wrong("no pong came")),
    }
}

async fn closed(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.settled().await?;
    wire.message(Message::Close(None)).await?;
    wire.end().await.map(|_| ())
}

async fn bad_utf_8(cx: Context) -> Outcome {
    let mut wire = cx.connect().await?;
    wire.message(fragment(b"{\"action\":\"\xFF\"}", Data::Text, true)).await?;
    let code = wire.end().await?;
    check(code == Some(1007), || format!("the code is {code:?}"))
}

async fn too_large(cx: Context) -> Outcome {
    let limit = cx.limit("maxFrameBytes")?;
    if limit > LARGEST_TRIED {
        return Err(Mismatch::NotTried(format!("the limit is {limit} bytes: too much")));
    }
    let mut wire = cx.connect().await?;
    // The target may close as soon as it has read the length, with the rest still on its way.
    let sent = wire.message(Message::text(" ".repeat(limit + 1))).await;
    match wire.end().await {
        Ok(code) => check(code.is_none_or(|code| code == 1009), || format!("the code is {code:?}")),
        Err(mismatch) => sent.and(Err(mismatch)),
    }
}
