//! One client against the whole daemon on the paused clock: simulated devices, in-memory socket.

mod people;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, ReadHalf, WriteHalf};

use super::*;
use crate::config::Config;
use crate::transport::lines::Lines;

struct TestClient {
    lines: tokio::io::Lines<BufReader<ReadHalf<DuplexStream>>>,
    writer: WriteHalf<DuplexStream>,
}

fn bridge() -> Arc<Bridge> {
    Bridge::new(Config::simulated())
}

fn connect(bridge: &Arc<Bridge>) -> TestClient {
    let (near, far) = tokio::io::duplex(1 << 20);
    let lines = Lines::new(far, bridge.config().listen.max_frame_bytes);
    let peer = Peer { transport: "test", token_by: None };
    tokio::spawn(serve(Arc::clone(bridge), lines, peer, CancellationToken::new()));
    let (reader, writer) = tokio::io::split(near);
    TestClient { lines: BufReader::new(reader).lines(), writer }
}

impl TestClient {
    async fn send(&mut self, frame: Value) {
        self.writer.write_all(format!("{frame}\n").as_bytes()).await.unwrap();
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.lines.next_line().await.unwrap().unwrap()).unwrap()
    }

    async fn ask(&mut self, frame: Value) -> Value {
        self.send(frame).await;
        self.next().await
    }

    async fn simulate(&mut self, device: &str, verb: &str, more: Value) {
        let mut params = json!({"device": device, "do": verb});
        params.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let reply = self.ask(json!({"call": "bridge.simulate", "params": params})).await;
        assert_eq!(reply["res"]["success"], true, "{reply}");
    }

    async fn says_nothing_for(&mut self, time: Duration) {
        if let Ok(line) = timeout(time, self.lines.next_line()).await {
            panic!("{line:?}");
        }
    }
}

fn card(task_id: impl Into<Value>) -> Value {
    json!({"action": "getIDCardInfo", "event": "open", "taskId": task_id.into(), "params": {}})
}

fn code(task_id: impl Into<Value>) -> Value {
    json!({"action": "getQRCode", "event": "open", "taskId": task_id.into()})
}

fn buzzer(task_id: impl Into<Value>) -> Value {
    json!({"action": "startBuzzer", "taskId": task_id.into(), "params": {"beep": "50"}})
}

/// Asserts that a frame is the reply of the call with this `taskId`, and how it ended.
#[track_caller]
fn is_reply(frame: &Value, task_id: impl Into<Value>, success: bool, message: &str) {
    assert_eq!(frame["taskId"], task_id.into(), "{frame}");
    assert_eq!((&frame["success"], &frame["message"]), (&json!(success), &json!(message)));
}

#[tokio::test(start_paused = true)]
async fn nobody_puts_a_card_on_and_the_call_times_out_to_the_byte_after_15_seconds() {
    let mut client = connect(&bridge());
    let begin = Instant::now();
    client.send(card("3")).await;
    let line = client.lines.next_line().await.unwrap().unwrap();
    let reply: Value = serde_json::from_str(&line).unwrap();
    let expected = json!({"action": "getIDCardInfo", "data": {}, "event": "open",
        "message": "超时", "success": false, "taskId": "3"});
    assert_eq!(reply, expected);
    assert_eq!(begin.elapsed().as_secs(), 15);
}

#[tokio::test(start_paused = true)]
async fn a_time_limit_runs_from_the_arrival_of_the_call_queueing_included() {
    let bridge = bridge();
    let (mut first, mut second) = (connect(&bridge), connect(&bridge));
    let begin = Instant::now();
    first.send(card(1)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    second.send(card(2)).await;
    is_reply(&first.next().await, 1, false, "超时");
    is_reply(&second.next().await, 2, false, "超时");
    assert_eq!(begin.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_0_waits_for_ever() {
    let mut config = Config::simulated();
    config.timeouts.qr_code = None;
    let mut client = connect(&Bridge::new(config));
    client.send(code(1)).await;
    client.says_nothing_for(Duration::from_secs(86_400)).await;
}

#[tokio::test(start_paused = true)]
async fn one_card_answers_the_oldest_call_only_and_every_listener() {
    let bridge = bridge();
    let (mut first, mut second) = (connect(&bridge), connect(&bridge));
    let (mut listener, mut hand) = (connect(&bridge), connect(&bridge));
    listener.ask(json!({"on": "initIDCardListener"})).await;
    first.send(card("a")).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    second.send(card("b")).await;
    hand.simulate("id_card", "put", json!({"card": "li-si"})).await;
    let reply = first.next().await;
    is_reply(&reply, "a", true, "成功");
    let event = listener.next().await;
    assert_eq!(event, json!({"channel": "initIDCardListener", "data": reply["data"]}));
    second.says_nothing_for(Duration::from_secs(5)).await;
    hand.simulate("id_card", "lift", json!({})).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    hand.simulate("id_card", "put", json!({})).await;
    is_reply(&second.next().await, "b", true, "成功");
}

#[tokio::test(start_paused = true)]
async fn a_second_call_of_the_same_task_takes_the_place_of_the_first() {
    let bridge = bridge();
    let (mut client, mut other, mut hand) = (connect(&bridge), connect(&bridge), connect(&bridge));
    client.send(code("3")).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    other.send(code("3")).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    let cancelled = client.ask(code("3")).await;
    is_reply(&cancelled, "3", false, "取消");
    assert_eq!(cancelled["data"], json!({}));
    // Its place in the queue, too: the other connection came later than the first call.
    hand.simulate("qr_scanner", "scan", json!({"text": "one"})).await;
    assert_eq!(client.next().await["data"], json!({"qrCode": "one"}));
    hand.simulate("qr_scanner", "scan", json!({"text": "two"})).await;
    assert_eq!(other.next().await["data"], json!({"qrCode": "two"}));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_ended_stands_before_nobody_any_more() {
    let mut client = connect(&bridge());
    client.ask(json!({"on": "bridgeCalls"})).await;
    client.send(code("a")).await;
    assert_eq!(client.next().await["data"]["stage"], "waiting");
    let close = json!({"action": "getQRCode", "event": "close", "taskId": "z"});
    let glued = format!("{close}\n{}\n", code("b"));
    client.writer.write_all(glued.as_bytes()).await.unwrap();
    assert_eq!(client.next().await["data"]["stage"], "done");
    is_reply(&client.next().await, "a", false, "取消");
    is_reply(&client.next().await, "z", true, "关闭成功");
    let told = client.next().await;
    assert_eq!((&told["data"]["taskId"], &told["data"]["stage"]), (&json!("b"), &json!("waiting")));
}

#[tokio::test(start_paused = true)]
async fn task_ids_of_another_type_and_other_actions_do_not_supersede() {
    let mut client = connect(&bridge());
    for frame in [code("3"), code(3), card("3")] {
        client.send(frame).await;
    }
    client.says_nothing_for(Duration::from_secs(14)).await;
}

#[tokio::test(start_paused = true)]
async fn a_wrong_second_call_supersedes_nothing() {
    let mut client = connect(&bridge());
    client.send(card("3")).await;
    let wrong = json!({"action": "getIDCardInfo", "taskId": "3", "params": {"infoType": 5}});
    assert_eq!(client.ask(wrong).await["data"]["error"]["kind"], "bad_request");
    is_reply(&client.next().await, "3", false, "超时");
}

#[tokio::test(start_paused = true)]
async fn close_answers_the_ended_calls_first_oldest_first_and_then_itself() {
    let mut client = connect(&bridge());
    client.ask(json!({"on": "initIDCardListener"})).await;
    client.send(card("a")).await;
    client.send(card("b")).await;
    client.send(code("c")).await;
    client.send(json!({"action": "getIDCardInfo", "event": "close", "taskId": "z"})).await;
    is_reply(&client.next().await, "a", false, "取消");
    is_reply(&client.next().await, "b", false, "取消");
    let close = client.next().await;
    is_reply(&close, "z", true, "关闭成功");
    assert_eq!((&close["event"], &close["data"]), (&json!("close"), &json!({})));
    // The code still waits, and the channel is still open.
    client.simulate("qr_scanner", "scan", json!({"text": "x"})).await;
    is_reply(&client.next().await, "c", true, "成功");
    client.simulate("id_card", "put", json!({})).await;
    assert_eq!(client.next().await["channel"], "initIDCardListener");
}

#[tokio::test(start_paused = true)]
async fn close_id_card_info_ends_this_connections_calls_and_says_event_close() {
    let bridge = bridge();
    let (mut client, mut other) = (connect(&bridge), connect(&bridge));
    other.send(card("other")).await;
    client.send(card("3")).await;
    let close = json!({"action": "closeIDCardInfo", "event": "open", "taskId": "3",
        "params": {"infoType": "base,photo,other"}});
    is_reply(&client.ask(close.clone()).await, "3", false, "取消");
    let expected = json!({"action": "closeIDCardInfo", "data": {}, "event": "close",
        "message": "关闭成功", "success": true, "taskId": "3"});
    assert_eq!(client.next().await, expected);
    // With nothing under way it succeeds all the same.
    assert_eq!(client.ask(close).await, expected);
    other.says_nothing_for(Duration::from_secs(14)).await;
}

#[tokio::test(start_paused = true)]
async fn close_is_for_actions_that_wait_or_listen() {
    let mut client = connect(&bridge());
    for (action, allowed) in [
        ("getQRCode", true),
        ("enterIDNumber", true),
        ("startMicrophoneListener", true),
        ("startCPUCardLoopRead", true),
        ("getDeviceInfo", false),
        ("receiptPrinting", false),
        ("closeIDCardInfo", false),
    ] {
        let reply = client.ask(json!({"action": action, "event": "close", "taskId": "1"})).await;
        assert_eq!(reply["success"], allowed, "{reply}");
        assert_eq!(reply["event"], "close");
        if !allowed {
            assert_eq!(reply["data"]["error"]["kind"], "bad_request", "{reply}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reading_begun_when_the_time_limit_ends_is_delivered() {
    let mut config = Config::simulated();
    config.timeouts.id_card = Some(Duration::from_millis(1000));
    let bridge = Bridge::new(config);
    let (mut client, mut hand) = (connect(&bridge), connect(&bridge));
    let begin = Instant::now();
    client.send(card("1")).await;
    tokio::time::sleep(Duration::from_millis(600)).await;
    bridge.devices.reader_hand().unwrap().set_reading_time(Duration::from_millis(1500));
    hand.simulate("id_card", "put", json!({})).await;
    is_reply(&client.next().await, "1", true, "成功");
    assert!(begin.elapsed() > Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn a_begun_reading_has_3_seconds_more_at_most() {
    let mut config = Config::simulated();
    config.timeouts.id_card = Some(Duration::from_millis(1000));
    let bridge = Bridge::new(config);
    let (mut client, mut hand) = (connect(&bridge), connect(&bridge));
    bridge.devices.reader_hand().unwrap().set_reading_time(Duration::from_millis(1900));
    // The first reply is lost, the second comes 4 s after the start.
    let fault = hharome_hardware::id_card::virtual_reader::Fault::Silence;
    let begin = Instant::now();
    client.send(card("1")).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    hand.simulate("id_card", "put", json!({})).await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    bridge.devices.reader_hand().unwrap().fault(fault, None);
    is_reply(&client.next().await, "1", false, "超时");
    assert_eq!(begin.elapsed().as_millis() / 100, 40);
}

#[tokio::test(start_paused = true)]
async fn reset_ends_calls_and_listeners_and_the_connection_goes_on() {
    let mut client = connect(&bridge());
    client.ask(json!({"on": "initQRListener"})).await;
    client.send(card("a")).await;
    is_reply(&client.ask(json!({"call": "bridge.reset", "id": 1})).await, "a", false, "取消");
    let reset = json!({"call": "bridge.reset", "id": 1,
        "res": {"success": true, "message": "成功", "data": {}}});
    assert_eq!(client.next().await, reset);
    client.simulate("qr_scanner", "scan", json!({"text": "x"})).await;
    client.says_nothing_for(Duration::from_secs(60)).await;
    let reply = client.ask(json!({"action": "getDeviceInfo", "taskId": 1})).await;
    is_reply(&reply, 1, true, "成功");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_goes_leaves_the_queue_to_the_next() {
    let bridge = bridge();
    let (mut leaver, mut next, mut hand) = (connect(&bridge), connect(&bridge), connect(&bridge));
    leaver.send(card("1")).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    next.send(card("2")).await;
    drop(leaver);
    tokio::time::sleep(Duration::from_millis(1)).await;
    hand.simulate("id_card", "put", json!({})).await;
    is_reply(&next.next().await, "2", true, "成功");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_its_own_direction_is_answered_before_the_end() {
    let mut client = connect(&bridge());
    client.send(card("1")).await;
    client.send(json!({"action": "getDeviceInfo", "taskId": "2"})).await;
    client.writer.shutdown().await.unwrap();
    is_reply(&client.next().await, "2", true, "成功");
    is_reply(&client.next().await, "1", false, "取消");
    assert_eq!(client.lines.next_line().await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn on_is_idempotent_and_lasts_until_off() {
    let mut client = connect(&bridge());
    let on = json!({"on": "initQRListener", "success": true, "message": "成功"});
    assert_eq!(client.ask(json!({"on": "initQRListener"})).await, on);
    assert_eq!(client.ask(json!({"on": "initQRListener"})).await, on);
    client.simulate("qr_scanner", "scan", json!({"text": "1"})).await;
    let event = json!({"channel": "initQRListener", "data": {"qrCode": "1"}});
    assert_eq!(client.next().await, event);
    let off = json!({"off": "initQRListener", "success": true, "message": "成功"});
    assert_eq!(client.ask(json!({"off": "initQRListener"})).await, off);
    assert_eq!(client.ask(json!({"off": "initQRListener"})).await, off);
    client.simulate("qr_scanner", "scan", json!({"text": "2"})).await;
    client.says_nothing_for(Duration::from_secs(60)).await;
}

#[tokio::test(start_paused = true)]
async fn stages_of_a_call_are_told_to_its_own_connection() {
    let bridge = bridge();
    let (mut client, mut other, mut hand) = (connect(&bridge), connect(&bridge), connect(&bridge));
    bridge.devices.reader_hand().unwrap().set_reading_time(Duration::from_millis(500));
    client.ask(json!({"on": "bridgeCalls"})).await;
    other.send(card("first")).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    client.send(card(7)).await;
    let told = |stage: &str| {
        json!({"channel": "bridgeCalls",
            "data": {"action": "getIDCardInfo", "taskId": 7, "stage": stage}})
    };
    assert_eq!(client.next().await, told("queued"));
    drop(other);
    assert_eq!(client.next().await, told("waiting"));
    hand.simulate("id_card", "put", json!({})).await;
    assert_eq!(client.next().await, told("reading"));
    assert_eq!(client.next().await, told("done"));
    is_reply(&client.next().await, 7, true, "成功");
}

#[tokio::test(start_paused = true)]
async fn a_device_that_goes_fails_those_who_wait_and_those_who_come() {
    let bridge = bridge();
    let (mut client, mut hand) = (connect(&bridge), connect(&bridge));
    let devices = client.ask(json!({"on": "bridgeDevices"})).await;
    assert_eq!(devices["success"], true);
    assert_eq!(client.next().await["data"]["devices"][0]["device"], "id_card");
    tokio::time::sleep(Duration::from_secs(1)).await;
    while timeout(Duration::from_millis(1), client.lines.next_line()).await.is_ok() {}
    client.send(card("1")).await;
    hand.simulate("id_card", "fault", json!({"fault": "unplug"})).await;
    for _ in 0..2 {
        let frame = client.next().await;
        if frame["channel"] == "bridgeDevices" {
            assert_eq!(frame["data"]["devices"][0]["state"], "absent");
        } else {
            assert_eq!(frame["data"]["error"]["kind"], "device_unavailable", "{frame}");
        }
    }
    let refused = client.ask(card("2")).await;
    assert_eq!(refused["data"]["error"]["kind"], "device_unavailable");
    hand.simulate("id_card", "fault", json!({"fault": "none"})).await;
    assert_eq!(client.next().await["data"]["devices"][0]["state"], "ready");
    client.send(card("3")).await;
    hand.simulate("id_card", "put", json!({})).await;
    loop {
        let frame = client.next().await;
        if frame["channel"].is_null() {
            break is_reply(&frame, "3", true, "成功");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn more_calls_than_allowed_at_once_are_refused_as_busy() {
    let mut config = Config::simulated();
    config.limits.calls_per_connection = 2;
    let mut client = connect(&Bridge::new(config));
    client.send(code(1)).await;
    client.send(code(2)).await;
    let refused = client.ask(code(3)).await;
    assert_eq!(
        (&refused["taskId"], &refused["data"]["error"]["kind"]),
        (&json!(3), &json!("device_busy"))
    );
    // What acts is refused before it acts.
    let put = json!({"call": "bridge.simulate", "params": {"device": "id_card", "do": "put"}});
    let refused = client.ask(put).await;
    assert_eq!(refused["res"]["data"]["error"]["kind"], "device_busy");
    // One in the place of another is no call more.
    is_reply(&client.ask(code(2)).await, 2, false, "取消");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_there_is_unsupported_and_what_is_not_configured_unavailable() {
    let mut client = connect(&Bridge::new(Config::default()));
    for (frame, kind) in [
        (json!({"action": "noSuchThing", "taskId": "1"}), "unsupported"),
        (json!({"action": "deviceConfig", "taskId": "1"}), "bad_request"),
        (json!({"action": "enterIDNumber", "taskId": "1"}), "device_unavailable"),
        (json!({"action": "receiptPrinting", "taskId": "1"}), "bad_request"),
        (
            json!({"action": "receiptPrinting", "taskId": "1", "params": {"printList": [{"text": "a"}]}}),
            "device_unavailable",
        ),
        (json!({"action": "startBuzzer", "taskId": "1"}), "bad_request"),
        (buzzer("1"), "device_unavailable"),
        (card("1"), "device_unavailable"),
        (code("1"), "device_unavailable"),
    ] {
        let reply = client.ask(frame).await;
        assert_eq!(reply["data"]["error"]["kind"], kind, "{reply}");
        assert_eq!(reply["success"], false);
    }
    let reply = client.ask(json!({"call": "noSuchCall", "id": null})).await;
    assert_eq!(reply["id"], Value::Null);
    assert!(reply.as_object().unwrap().contains_key("id"));
    assert_eq!(reply["res"]["data"]["error"]["kind"], "unsupported");
    let reply = client.ask(json!({"on": "noSuchChannel"})).await;
    assert_eq!((&reply["on"], &reply["success"]), (&json!("noSuchChannel"), &json!(false)));
}
