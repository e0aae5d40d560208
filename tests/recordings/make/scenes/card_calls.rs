//! Scenes of calls that wait for a card: who gets it, and how a call ends without one.

use std::time::Duration;

use serde_json::json;

use super::client::{action, call, card, close};
use super::daemon::READER;
use super::reader::{FIND, READ, RESET, Reader};
use super::{Scene, Stage, pause};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "id_card_timeout",
            "no card comes: the call ends by its time limit, two in the queue by theirs",
            timeout,
        ),
        Scene::new(
            "id_card_reading_outlives_limit",
            "a reading that has begun when the time limit ends is delivered",
            reading_outlives_limit,
        ),
        Scene::new(
            "id_card_reading_never_ends",
            "a reading that does not end is waited for three seconds beyond the limit, and no \
             longer",
            reading_never_ends,
        ),
        Scene::new(
            "id_card_close",
            "`event: close` and `closeIDCardInfo` end the waiting calls first, are answered then, \
             and leave channels and other clients alone",
            closing,
        ),
        Scene::new(
            "id_card_supersede",
            "a second call with the same `taskId` takes the place of the first, before and while \
             the card is read",
            supersede,
        ),
        Scene::new(
            "id_card_two_clients",
            "two clients wait: the oldest gets the card, the other the next one",
            two_clients,
        ),
        Scene::new(
            "id_card_listener_and_call",
            "one card reaches the call and the listener, whoever they belong to",
            listener_and_call,
        ),
        Scene::new(
            "id_card_client_goes",
            "a client that goes leaves its place in the queue; a reading whose callers have all \
             left is discarded",
            client_goes,
        ),
        Scene::new(
            "id_card_envelope",
            "the same call inside `ampeHHCommunication`, with `id`, numbers for texts, and \
             `taskId` as a number",
            envelope,
        ),
        Scene::new(
            "id_card_not_configured",
            "calls and listeners on devices that are not configured, and on a port that is not \
             there",
            not_configured,
        ),
    ]
}

async fn timeout(stage: Stage) {
    let _reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(&format!("{READER}[timeouts]\nid_card = 800\n")).await;
    daemon.ready("id_card", 1).await;
    let (mut first, mut second) = (daemon.unix().await, daemon.tcp().await);
    first.send(card("a")).await;
    first.fails("超时").await;
    pause().await;
    first.send(card("b")).await;
    daemon.was_asked("getIDCardInfo", 2).await;
    pause().await;
    second.send(card("c")).await;
    first.fails("超时").await;
    second.fails("超时").await;
    first.leave().await;
    second.leave().await;
    daemon.stop().await;
}

async fn reading_outlives_limit(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    reader.hand.set_reading_time(Duration::from_millis(1200));
    let mut daemon = stage.start(&format!("{READER}[timeouts]\nid_card = 600\n")).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    reader.put("li-si");
    client.send(card("a")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn reading_never_ends(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    reader.hand.fault(hharome_hardware::id_card::virtual_reader::Fault::MuteCard, None);
    let mut daemon = stage.start(&format!("{READER}[timeouts]\nid_card = 500\n")).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    reader.put("li-si");
    client.send(card("a")).await;
    client.fails("超时").await;
    reader.hand.mend();
    // The driver does not know that nobody waits any more; then it resets the silent module.
    reader.is_asked(RESET, 1).await;
    client.send(card("b")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}

async fn closing(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let (mut other, mut client) = (daemon.unix().await, daemon.unix().await);
    client.ask(close("getIDCardInfo", "nothing to close")).await;
    other.on("initIDCardListener").await;
    other.send(card("other")).await;
    daemon.was_asked("getIDCardInfo", 2).await;
    for (number, how) in
        [close("getIDCardInfo", "z"), action("closeIDCardInfo", "z")].into_iter().enumerate()
    {
        pause().await;
        client.send(card("a")).await;
        client.send(card("b")).await;
        reader.is_asked(FIND, 1).await;
        client.send(how).await;
        client.fails("取消").await;
        client.fails("取消").await;
        assert_eq!(client.succeeds().await["message"], "关闭成功", "{number}");
    }
    pause().await;
    client.send(close("getDeviceInfo", "cannot be closed")).await;
    client.fails_as("bad_request").await;
    reader.put("zhang-san");
    other.next().await;
    other.next().await;
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn supersede(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    reader.hand.set_reading_time(Duration::from_millis(500));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.tcp().await);
    client.send(card("a")).await;
    daemon.was_asked("getIDCardInfo", 1).await;
    pause().await;
    other.send(card("a")).await;
    daemon.was_asked("getIDCardInfo", 2).await;
    pause().await;
    // Its place in the queue is before the other connection's call.
    client.send(card("a")).await;
    client.fails("取消").await;
    pause().await;
    reader.put("li-si");
    reader.is_asked(READ, 1).await;
    client.send(card("a")).await;
    client.fails("取消").await;
    client.succeeds().await;
    pause().await;
    let mut wrong = card("a");
    wrong["params"] = json!([]);
    other.send(wrong).await;
    other.fails_as("bad_request").await;
    reader.hand.lift();
    reader.is_asked(FIND, 1).await;
    reader.put("wang-wu");
    other.succeeds().await;
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn two_clients(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let (mut first, mut second) = (daemon.unix().await, daemon.ws().await);
    first.on("bridgeCalls").await;
    second.on("bridgeCalls").await;
    first.send(card("a")).await;
    first.hears("bridgeCalls").await;
    pause().await;
    second.send(card("b")).await;
    second.hears("bridgeCalls").await;
    pause().await;
    reader.put("zhang-san");
    for _ in 0..3 {
        first.next().await;
    }
    reader.is_asked(FIND, 1).await;
    reader.hand.lift();
    reader.is_asked(FIND, 1).await;
    reader.put("chen-qi");
    for _ in 0..4 {
        second.next().await;
    }
    first.leave().await;
    second.leave().await;
    daemon.stop().await;
}

async fn listener_and_call(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let (mut listener, mut caller) = (daemon.ws().await, daemon.tcp().await);
    listener.on("initIDCardListener").await;
    caller.send(card("a")).await;
    daemon.was_asked("getIDCardInfo", 1).await;
    pause().await;
    reader.put("lin-ba");
    caller.succeeds().await;
    listener.hears("initIDCardListener").await;
    reader.is_asked(FIND, 1).await;
    reader.hand.lift();
    reader.is_asked(FIND, 1).await;
    // The listener's own call, and its event.
    listener.send(card("b")).await;
    daemon.was_asked("getIDCardInfo", 2).await;
    pause().await;
    reader.put("zheng-shi");
    let both = [listener.next().await, listener.next().await];
    assert!(both.iter().any(|frame| frame["taskId"] == "b"), "{both:?}");
    caller.leave().await;
    listener.leave().await;
    daemon.stop().await;
}

async fn client_goes(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let (mut first, mut second) = (daemon.unix().await, daemon.unix().await);
    first.send(card("a")).await;
    daemon.was_asked("getIDCardInfo", 1).await;
    second.send(card("b")).await;
    daemon.was_asked("getIDCardInfo", 2).await;
    pause().await;
    drop(first);
    daemon.says("connection ended", 1).await;
    reader.put("li-si");
    second.succeeds().await;
    reader.hand.lift();
    pause().await;
    reader.hand.set_reading_time(Duration::from_millis(700));
    reader.put("wang-wu");
    let mut third = daemon.tcp().await;
    third.send(card("c")).await;
    reader.is_asked(READ, 1).await;
    drop(third);
    daemon.says("a card was read", 2).await;
    // What was read for nobody counts as read.
    second.send(card("d")).await;
    reader.is_asked(FIND, 2).await;
    reader.hand.lift();
    reader.is_asked(FIND, 1).await;
    reader.put("li-si");
    second.succeeds().await;
    second.leave().await;
    daemon.stop().await;
}

async fn envelope(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.ws().await;
    for (number, task) in [json!("text"), json!(7), json!(1.5)].into_iter().enumerate() {
        reader.put("li-si");
        let request = json!({"action": "getIDCardInfo", "taskId": task, "more": [1, {"of": 2}]});
        let id = json!([number, {"x": null}]);
        let reply =
            client.ask(json!({"call": "ampeHHCommunication", "id": id, "params": request})).await;
        assert_eq!(reply["id"], id, "{reply}");
        reader.hand.lift();
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn not_configured(stage: Stage) {
    let mut daemon = stage.start(READER).await;
    daemon.says("device not usable", 1).await;
    let mut client = daemon.unix().await;
    for request in [card("a"), action("getQRCode", "b")] {
        client.send(request).await;
        client.fails_as("device_unavailable").await;
    }
    client.on("initIDCardListener").await;
    client.on("initQRListener").await;
    client.ask(call("bridge.reset", &json!({}))).await;
    let reader = Reader::at(&stage.path("reader"));
    daemon.ready("id_card", 1).await;
    reader.put("li-si");
    client.send(card("it is there now")).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}
