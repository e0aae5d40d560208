//! Calls that wait for a card: who gets it, and how a call ends without one.

use serde_json::{Value, json};

use crate::fixture::{Client, kind};
use crate::id_card::{ASK, with_reader, zhang_sans_data};
use crate::sam_v::{self, Chip, li_si, zhang_san};

/// `getIDCardInfo` of a task.
fn ask(task: &str) -> String {
    json!({"action": "getIDCardInfo", "event": "open", "taskId": task, "params": {}}).to_string()
}

fn ended(action: &str, event: &str, task: &str, success: bool, message: &str) -> Value {
    json!({
        "action": action, "event": event, "taskId": task,
        "success": success, "message": message, "data": {},
    })
}

fn cancelled(task: &str) -> Value {
    ended("getIDCardInfo", "open", task, false, "取消")
}

#[tokio::test]
async fn of_two_clients_the_oldest_gets_the_card_and_the_other_the_next_one() {
    let (daemon, reader) = with_reader("").await;
    let (mut first, mut second) = (daemon.unix().await, daemon.tcp_client().await);
    first.send(&ask("a")).await;
    // The answer to a later request of the same connection shows that the call has its place.
    first.nothing_came().await;
    second.send(&ask("b")).await;
    second.nothing_came().await;
    reader.put(Chip::new(zhang_san()));
    let reply = first.next().await;
    assert_eq!((&reply["taskId"], &reply["data"]["name"]), (&json!("a"), &json!("张三")));
    reader.is_asked(sam_v::FIND, 2).await;
    second.nothing_came().await;
    reader.lift();
    reader.is_asked(sam_v::FIND, 1).await;
    reader.put(Chip::new(li_si()));
    let reply = second.next().await;
    assert_eq!((&reply["taskId"], &reply["data"]["name"]), (&json!("b"), &json!("李四")));
}

#[tokio::test]
async fn a_client_that_goes_while_it_waits_leaves_its_place_to_the_next_one() {
    let (daemon, reader) = with_reader("").await;
    let (mut first, mut second) = (daemon.unix().await, daemon.unix().await);
    first.send(&ask("a")).await;
    first.nothing_came().await;
    second.on("bridgeCalls").await;
    second.send(&ask("b")).await;
    assert_eq!(second.next().await["data"]["stage"], "queued");
    drop(first);
    assert_eq!(second.next().await["data"]["stage"], "waiting");
    reader.put(Chip::new(zhang_san()));
    let (_, reply) = stages(&mut second, "b").await;
    assert_eq!(reply["data"], zhang_sans_data());
}

#[tokio::test]
async fn info_type_chooses_the_fields() {
    let (daemon, reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    let base = ["idNum", "name"];
    let other =
        ["address", "beginTime", "birthDate", "endTime", "nation", "sex", "signingOrganization"];
    for (params, expected) in [
        (json!({"infoType": "base"}), base.to_vec()),
        (json!({"infoType": "photo"}), vec!["photoBase64"]),
        (json!({"infoType": "other"}), other.to_vec()),
        (json!({"infoType": "base,photo"}), [&base[..], &["photoBase64"]].concat()),
        (json!({}), [&base[..], &other, &["photoBase64"]].concat()),
    ] {
        reader.put(Chip::new(zhang_san()));
        let call = json!({"action": "getIDCardInfo", "taskId": 1, "params": params});
        let reply = client.ask(&call.to_string()).await;
        let mut keys: Vec<_> = reply["data"].as_object().expect("an object").keys().collect();
        let mut expected = expected;
        keys.sort_unstable();
        expected.sort_unstable();
        assert_eq!(keys, expected, "{params}");
        reader.lift();
    }
}

#[tokio::test]
async fn without_a_card_the_time_limit_ends_the_call_in_the_vendors_words() {
    let (daemon, _reader) = with_reader("[timeouts]\nid_card = 300\n").await;
    let reply = daemon.unix().await.ask(ASK).await;
    let expected: Value = serde_json::from_str(
        r#"{"action":"getIDCardInfo","data":{},"event":"open","message":"超时","success":false,"taskId":"3"}"#,
    )
    .expect("JSON");
    assert_eq!(reply, expected);
}

#[tokio::test]
async fn a_time_limit_runs_in_the_queue_too() {
    let (daemon, _reader) = with_reader("[timeouts]\nid_card = 300\n").await;
    let mut client = daemon.unix().await;
    for task in ["a", "b", "c"] {
        client.send(&ask(task)).await;
    }
    // Replies to different calls may come in any order.
    let mut replies = [client.next().await, client.next().await, client.next().await];
    replies.sort_by_key(|reply| reply["taskId"].to_string());
    let out_of_time = |task| ended("getIDCardInfo", "open", task, false, "超时");
    assert_eq!(replies, ["a", "b", "c"].map(out_of_time));
}

#[tokio::test]
async fn closing_ends_all_calls_of_the_action_first_and_is_answered_then() {
    let (daemon, _reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    let close = r#"{"action":"getIDCardInfo","event":"close","taskId":"z"}"#;
    assert_eq!(client.ask(close).await, ended("getIDCardInfo", "close", "z", true, "关闭成功"));
    client.send(&ask("a")).await;
    client.send(&ask("b")).await;
    client.send(close).await;
    assert_eq!(client.next().await, cancelled("a"));
    assert_eq!(client.next().await, cancelled("b"));
    assert_eq!(client.next().await, ended("getIDCardInfo", "close", "z", true, "关闭成功"));
}

#[tokio::test]
async fn close_id_card_info_ends_this_connections_calls_only() {
    let (daemon, reader) = with_reader("").await;
    let (mut other, mut client) = (daemon.unix().await, daemon.unix().await);
    other.send(&ask("other")).await;
    other.nothing_came().await;
    client.send(&ask("a")).await;
    client
        .send(r#"{"action":"closeIDCardInfo","event":"open","taskId":"3","params":{"infoType":7}}"#)
        .await;
    assert_eq!(client.next().await, cancelled("a"));
    assert_eq!(client.next().await, ended("closeIDCardInfo", "close", "3", true, "关闭成功"));
    reader.put(Chip::new(zhang_san()));
    assert_eq!(other.next().await["data"]["name"], "张三");
}

#[tokio::test]
async fn closing_leaves_a_channel_open() {
    let (daemon, reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    client.on("initIDCardListener").await;
    client.ask(r#"{"action":"getIDCardInfo","event":"close","taskId":"1"}"#).await;
    reader.put(Chip::new(zhang_san()));
    let event = client.next().await;
    assert_eq!(event, json!({"channel": "initIDCardListener", "data": zhang_sans_data()}));
}

#[tokio::test]
async fn a_second_call_with_the_same_task_takes_the_place_of_the_first() {
    let (daemon, reader) = with_reader("").await;
    let (mut client, mut other) = (daemon.unix().await, daemon.unix().await);
    client.send(&ask("a")).await;
    client.nothing_came().await;
    other.send(&ask("a")).await;
    other.nothing_came().await;
    client.send(&ask("a")).await;
    assert_eq!(client.next().await, cancelled("a"));
    reader.put(Chip::new(zhang_san()));
    // Its place in the queue is before the other connection's call.
    assert_eq!(client.next().await["data"]["name"], "张三");
    other.nothing_came().await;
}

#[tokio::test]
async fn a_call_superseded_while_its_card_is_read_leaves_the_card_to_its_successor() {
    let (daemon, reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    reader.hold(true);
    reader.put(Chip::new(zhang_san()));
    client.send(&ask("a")).await;
    reader.is_asked(sam_v::READ, 1).await;
    client.send(&ask("a")).await;
    assert_eq!(client.next().await, cancelled("a"));
    reader.hold(false);
    assert_eq!(client.next().await["data"], zhang_sans_data());
}

#[tokio::test]
async fn a_call_whose_params_are_wrong_supersedes_nothing() {
    let (daemon, reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    client.send(&ask("a")).await;
    let wrong = r#"{"action":"getIDCardInfo","taskId":"a","params":[]}"#;
    assert_eq!(kind(&client.ask(wrong).await), "bad_request");
    reader.put(Chip::new(zhang_san()));
    assert_eq!(client.next().await["data"], zhang_sans_data());
}

#[tokio::test]
async fn a_task_of_one_as_number_and_as_string_are_two() {
    let (daemon, _reader) = with_reader("").await;
    let mut client = daemon.unix().await;
    client.send(r#"{"action":"getIDCardInfo","taskId":1}"#).await;
    client.send(r#"{"action":"getIDCardInfo","taskId":"1"}"#).await;
    client.nothing_came().await;
    client.send(r#"{"action":"closeIDCardInfo","taskId":"c"}"#).await;
    assert_eq!(client.next().await["taskId"], json!(1));
    assert_eq!(client.next().await["taskId"], json!("1"));
}

#[tokio::test]
async fn a_listener_and_a_call_get_the_same_card() {
    let (daemon, reader) = with_reader("").await;
    let (mut listener, mut caller) = (daemon.ws().await, daemon.unix().await);
    listener.on("initIDCardListener").await;
    caller.send(ASK).await;
    caller.nothing_came().await;
    reader.put(Chip::new(zhang_san()));
    assert_eq!(caller.next().await["data"], zhang_sans_data());
    let event = listener.next().await;
    assert_eq!(event, json!({"channel": "initIDCardListener", "data": zhang_sans_data()}));
}

#[tokio::test]
async fn the_envelope_inside_a_call_is_answered_inside_its_result() {
    let (daemon, reader) = with_reader("").await;
    reader.put(Chip::new(zhang_san()));
    let mut client = daemon.unix().await;
    let request =
        format!(r#"{{"call":"ampeHHCommunication","id":[1,{{"x":null}}],"params":{ASK}}}"#);
    let reply = client.ask(&request).await;
    assert_eq!(reply["call"], "ampeHHCommunication");
    assert_eq!(reply["id"], json!([1, {"x": null}]));
    assert_eq!(reply["res"]["data"], zhang_sans_data());
    assert_eq!(reply["res"]["taskId"], "3");
}

/// The stages of one call until it is done, and its reply.
async fn stages(client: &mut Client, task: &str) -> (Vec<String>, Value) {
    let mut stages = Vec::new();
    let mut reply = Value::Null;
    while reply.is_null() || stages.last().is_none_or(|stage| stage != "done") {
        let frame = client.next().await;
        if frame["channel"] == "bridgeCalls" {
            assert_eq!(frame["data"]["action"], "getIDCardInfo");
            assert_eq!(frame["data"]["taskId"], task);
            stages.push(frame["data"]["stage"].as_str().expect("a stage").to_owned());
        } else {
            assert_eq!(frame["taskId"], task);
            reply = frame;
        }
    }
    (stages, reply)
}

#[tokio::test]
async fn the_stages_of_a_call_are_told_in_order() {
    let (daemon, reader) = with_reader("").await;
    let (mut first, mut second) = (daemon.unix().await, daemon.unix().await);
    first.send(&ask("a")).await;
    first.nothing_came().await;
    second.on("bridgeCalls").await;
    second.send(&ask("b")).await;
    second.send(r#"{"on":"bridgeCalls"}"#).await;
    assert_eq!(second.next().await["data"]["stage"], "queued");
    assert_eq!(second.next().await["on"], "bridgeCalls");
    reader.put(Chip::new(zhang_san()));
    first.next().await;
    reader.lift();
    reader.is_asked(sam_v::FIND, 1).await;
    reader.put(Chip::new(li_si()));
    let (all, reply) = stages(&mut second, "b").await;
    assert_eq!(reply["data"]["name"], "李四", "{all:?} {reply}");
    // While the first card is read the second call is still queued.
    assert_eq!(all, ["waiting", "reading", "done"]);
}

#[tokio::test]
async fn a_reset_ends_the_calls_and_listeners_of_its_connection() {
    let (daemon, reader) = with_reader("").await;
    let (mut client, mut other) = (daemon.unix().await, daemon.unix().await);
    client.on("initIDCardListener").await;
    client.send(&ask("a")).await;
    client.nothing_came().await;
    other.send(&ask("b")).await;
    other.nothing_came().await;
    client.send(r#"{"call":"bridge.reset","id":7}"#).await;
    assert_eq!(client.next().await, cancelled("a"));
    let done = json!({
        "call": "bridge.reset", "id": 7,
        "res": {"success": true, "message": "成功", "data": {}},
    });
    assert_eq!(client.next().await, done);
    reader.put(Chip::new(zhang_san()));
    assert_eq!(other.next().await["data"]["name"], "张三");
    client.nothing_came().await;
}

#[tokio::test]
async fn a_reader_that_is_not_there_or_not_configured_is_told_at_once() {
    let daemon = crate::fixture::Daemon::start("", crate::id_card::SECTION).await;
    daemon.device("id_card", |device| device["state"] == "absent").await;
    let mut client = daemon.unix().await;
    assert_eq!(kind(&client.ask(ASK).await), "device_unavailable");
    let qr = client.ask(r#"{"action":"getQRCode","taskId":"1"}"#).await;
    assert_eq!(kind(&qr), "device_unavailable");
    let detail = qr["data"]["error"]["detail"].as_str().expect("a detail");
    assert!(detail.contains("not configured") && detail.contains("qr_scanner"), "{detail}");
}
