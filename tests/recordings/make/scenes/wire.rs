//! Scenes of the wire: what is answered at once, frames that are wrong, tokens, WebSocket, many
//! calls, and the daemon's own calls.

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use super::client::{action, call, card, close, code, simulate};
use super::{Scene, Stage, pause};

const SIMULATED: &str = "[id_card]\ndriver = \"simulated\"\n[qr_scanner]\ndriver = \"simulated\"\n";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "answers_at_once",
            "`getDeviceInfo` on all three transports, actions of no device, wrong params, unknown \
             names, `on` and `off`",
            answers_at_once,
        ),
        Scene::new(
            "bad_frames",
            "frames that are no JSON, no object, no UTF-8, too long, nested too deep, or have two \
             of `action` and `call`: each is answered, and the connection goes on",
            bad_frames,
        ),
        Scene::new(
            "tcp_token",
            "a token is configured: the right one, a wrong one, none, none in time, and a client \
             of the Unix socket, which needs none",
            tcp_token,
        ),
        Scene::new(
            "websocket",
            "WebSocket: text, binary and empty messages, pings, a call and a channel",
            websocket,
        ),
        Scene::new(
            "websocket_protocol_errors",
            "WebSocket: a message that is too large, and one that is no UTF-8, close the \
             connection",
            websocket_protocol_errors,
        ),
        Scene::new(
            "many_calls",
            "256 calls wait on one connection, the 257th is `device_busy`, and all are closed at \
             once",
            many_calls,
        ),
        Scene::new(
            "bridge_calls",
            "the daemon's own calls and channels: `bridge.describe`, `status`, `simulate`, \
             `reset`, `bridgeDevices`, `bridgeCalls`",
            bridge_calls,
        ),
    ]
}

async fn answers_at_once(stage: Stage) {
    let daemon = stage.start(SIMULATED).await;
    for mut client in [daemon.unix().await, daemon.tcp().await, daemon.ws().await] {
        client.ask(action("getDeviceInfo", "1")).await;
        let inside = action("getDeviceInfo", 7);
        client.ask(json!({"call": "ampeHHCommunication", "id": "x", "params": inside})).await;
        pause().await;
        client.leave().await;
    }
    let mut client = daemon.unix().await;
    for name in ["deviceConfig", "speech", "receiptPrinting", "initFace", "noSuchAction", ""] {
        client.ask(action(name, "1")).await;
    }
    for frame in [
        json!({"call": "no.such.call", "id": 2}),
        json!({"on": "noSuchChannel"}),
        json!({"off": "initQRListener"}),
        json!({"on": "initQRListener"}),
        json!({"on": "initQRListener"}),
        json!({"off": "initQRListener"}),
        json!({"action": "getDeviceInfo"}),
        json!({"action": "getDeviceInfo", "event": "shut", "taskId": "1"}),
        json!({"action": "getIDCardInfo", "taskId": "1", "params": {"infoType": {"a": 1}}}),
        json!({"action": "getIDCardInfo", "taskId": "1", "params": "base"}),
    ] {
        client.ask(frame).await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn bad_frames(stage: Stage) {
    const MOST: usize = 2048;
    let listen = format!("max_frame_bytes = {MOST}\n");
    let daemon = stage.start_with(&listen, SIMULATED).await;
    let mut client = daemon.unix().await;
    let nested = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let long = format!(r#"{{"action":"getDeviceInfo","taskId":"{}"}}"#, "x".repeat(MOST));
    let frames: [&[u8]; 16] = [
        b"this is no JSON",
        b"{\"action\":\"getDeviceInfo\",\"taskId\":\"1\"",
        b"[1,2,3]",
        b"\"text\"",
        b"null",
        b"{}",
        b"{\"taskId\":\"1\",\"params\":{}}",
        b"\xFF\xFE\xD5\xC5\xC8\xFD",
        b"{\"action\":\"\xD5\xC5\",\"taskId\":\"1\"}",
        b"{\"action\":\"getDeviceInfo\",\"call\":\"bridge.status\",\"taskId\":\"1\",\"id\":3}",
        b"{\"on\":\"initQRListener\",\"off\":\"initQRListener\"}",
        b"{\"action\":7,\"taskId\":\"1\"}",
        b"{\"action\":\"getDeviceInfo\",\"taskId\":{\"no\":\"task\"}}",
        b"{\"action\":\"getDeviceInfo\",\"action\":\"getDeviceInfo\",\"taskId\":\"1\"}",
        nested.as_bytes(),
        long.as_bytes(),
    ];
    for frame in frames {
        client.raw(frame).await;
        client.next().await;
    }
    // Empty lines are ignored, and a carriage return before the end of a line is none of it.
    client.raw(b"").await;
    client.raw(b"\r").await;
    client.raw(b"  {\"action\" : \"getDeviceInfo\", \"taskId\": \"1\"}  \r").await;
    client.succeeds().await;
    let mut other = daemon.tcp().await;
    other.raw(b"\x16\x03\x01\x02\x00\x01").await;
    other.next().await;
    other.raw("x".repeat(3 * MOST).as_bytes()).await;
    other.next().await;
    other.leave().await;
    client.leave().await;
    daemon.stop().await;
}

async fn tcp_token(stage: Stage) {
    let limits = format!("{SIMULATED}[limits]\nhandshake_ms = 500\n");
    let daemon = stage.start_with("token = \"open-sesame\"\n", &limits).await;
    let mut right = daemon.tcp().await;
    right.send(json!({"token": "open-sesame"})).await;
    right.ask(action("getDeviceInfo", "1")).await;
    right.send(json!({"token": "once more"})).await;
    right.ask(action("getDeviceInfo", "2")).await;
    right.leave().await;
    let mut wrong = daemon.tcp().await;
    wrong.send(json!({"token": "sesame-open"})).await;
    wrong.fails_as("forbidden").await;
    assert_eq!(wrong.rest().await, 0);
    let mut none = daemon.tcp().await;
    none.send(action("getDeviceInfo", "1")).await;
    none.fails_as("forbidden").await;
    assert_eq!(none.rest().await, 0);
    let mut late = daemon.tcp().await;
    assert_eq!(late.rest().await, 0);
    let mut socket = daemon.ws().await;
    socket.send(json!({"token": "open-sesame"})).await;
    socket.ask(action("getDeviceInfo", "1")).await;
    socket.leave().await;
    let mut unix = daemon.unix().await;
    unix.ask(action("getDeviceInfo", "1")).await;
    unix.leave().await;
    daemon.stop().await;
}

async fn websocket(stage: Stage) {
    let mut daemon = stage.start(SIMULATED).await;
    let (mut client, mut hand) = (daemon.ws().await, daemon.ws().await);
    client.ask(action("getDeviceInfo", "1")).await;
    let binary = action("getDeviceInfo", "2").to_string().into_bytes();
    client.message(Message::binary(binary)).await;
    client.succeeds().await;
    client.message(Message::text("")).await;
    client.message(Message::text(" \n")).await;
    client.message(Message::Ping("hello".into())).await;
    client.raw(b"no JSON").await;
    client.fails_as("bad_request").await;
    client.raw(b"{\n  \"action\": \"getDeviceInfo\",\n  \"taskId\": \"3\"\n}").await;
    client.succeeds().await;
    client.on("initQRListener").await;
    client.send(card("a")).await;
    daemon.was_asked("getIDCardInfo", 1).await;
    pause().await;
    hand.ask(simulate("id_card", "put", "card", "li-si")).await;
    client.succeeds().await;
    hand.ask(simulate("qr_scanner", "scan", "text", "6901234567892")).await;
    client.hears("initQRListener").await;
    client.leave().await;
    // One that goes without a word.
    drop(hand);
    daemon.says("connection ended", 2).await;
    daemon.stop().await;
}

async fn websocket_protocol_errors(stage: Stage) {
    let daemon = stage.start_with("max_frame_bytes = 2048\n", SIMULATED).await;
    let mut large = daemon.ws().await;
    large.ask(action("getDeviceInfo", "1")).await;
    large.message(Message::text("x".repeat(4096))).await;
    assert_eq!(large.rest().await, 0);
    let mut no_text = daemon.ws().await;
    no_text.ask(action("getDeviceInfo", "1")).await;
    no_text.no_utf8().await;
    assert_eq!(no_text.rest().await, 0);
    daemon.stop().await;
}

async fn many_calls(stage: Stage) {
    const MOST: usize = 256;
    let mut daemon = stage.start(SIMULATED).await;
    let mut client = daemon.unix().await;
    for number in 0..MOST {
        client.send(code(number)).await;
    }
    daemon.was_asked("getQRCode", MOST).await;
    pause().await;
    client.send(code("one too many")).await;
    client.fails_as("device_busy").await;
    client.send(close("getQRCode", "close")).await;
    for _ in 0..MOST {
        client.fails("取消").await;
    }
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn bridge_calls(stage: Stage) {
    let mut daemon = stage.start(SIMULATED).await;
    daemon.ready("id_card", 1).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, daemon.tcp().await);
    for name in ["bridge.describe", "bridge.status", "bridge.jobs", "bridge.keypad"] {
        client.ask(call(name, &json!({}))).await;
    }
    client.on("bridgeDevices").await;
    client.hears("bridgeDevices").await;
    client.on("bridgeCalls").await;
    client.on("initIDCardListener").await;
    client.send(card("a")).await;
    client.hears("bridgeCalls").await;
    daemon.was_asked("getIDCardInfo", 1).await;
    pause().await;
    hand.ask(simulate("id_card", "put", "card", "lin-ba")).await;
    // Busy, reading, the event, done, the reply, ready: in whichever order they come.
    for _ in 0..6 {
        client.next().await;
    }
    pause().await;
    client.send(card("b")).await;
    client.hears("bridgeCalls").await;
    pause().await;
    // All of it ends: the call, and the channels.
    client.send(call("bridge.reset", &json!({}))).await;
    while client.next().await["call"] != "bridge.reset" {}
    hand.ask(simulate("id_card", "put", "card", "li-si")).await;
    hand.ask(call("bridge.status", &json!({}))).await;
    client.ask(call("bridge.status", &json!({"what": "is ignored"}))).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}
