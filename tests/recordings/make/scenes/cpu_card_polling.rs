//! Scenes of CPU cards that are looked for again and again.

use std::time::Duration;

use serde_json::{Value, json};

use super::chips::{
    CPU_CARD, Hand, READ_PUBLIC, SELECT_TRANSPORT, batch, command, poll, read_once, with,
};
use super::client::{action, call, close};
use super::{Scene, Stage, pause};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "cpu_card_polling",
            "`startCPUCardLoopRead`: a card at once, again each interval as long as it lies there, \
             another one at once; stopped, and nothing more",
            polling,
        ),
        Scene::new(
            "cpu_card_polling_absence",
            "`isComeBackFailed`: -1 once an interval while there is no card, and while the reader \
             is not there",
            absence,
        ),
        Scene::new(
            "cpu_card_polling_two_clients",
            "two clients with intervals of their own; a second start changes one's, `off`, `close`, \
             `stop` and leaving end it",
            two_clients,
        ),
        Scene::new(
            "cpu_card_polling_and_commands",
            "commands, batches and readings while cards are polled for",
            and_commands,
        ),
        Scene::new(
            "cpu_card_polling_unreadable",
            "cards that do not answer, or vanish while they are looked at, are none",
            unreadable,
        ),
    ]
}

fn stop(task: &str) -> Value {
    action("stopCPUCardLoopRead", task)
}

async fn polling(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    // By itself the channel neither opens the reader nor says anything.
    client.on("CPUCardListener").await;
    hand.put("transport").await;
    hand.lift().await;
    client.send(poll("a", 250, false)).await;
    client.succeeds().await;
    pause().await;
    hand.put("transport").await;
    for _ in 0..4 {
        client.hears_card(0).await;
    }
    hand.put("psam").await;
    let atr = client.hears_card(0).await;
    assert_eq!(atr["data"]["nfc_cardInfo"].as_str().map(|info| &info[..2]), Some("3B"));
    hand.lift().await;
    tokio::time::sleep(Duration::from_millis(400)).await;
    hand.put("transport").await;
    client.hears_card(0).await;
    client.send(stop("b")).await;
    client.succeeds().await;
    hand.lift().await;
    hand.put("transport").await;
    client.text(read_once("c")).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn absence(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.ws().await, Hand::at("cpu_card", daemon.unix().await));
    let texts = json!({"intervalTime": "400", "isComeBackFailed": "true"});
    client.send(with("startCPUCardLoopRead", "a", texts)).await;
    client.succeeds().await;
    for _ in 0..3 {
        client.hears_card(-1).await;
    }
    pause().await;
    hand.put("transport").await;
    for _ in 0..2 {
        client.hears_card(0).await;
    }
    pause().await;
    hand.lift().await;
    client.hears_card(-1).await;
    pause().await;
    hand.fault("unplug").await;
    client.hears_card(-1).await;
    hand.put("transport").await;
    hand.fault("none").await;
    while client.hears("CPUCardListener").await["data"]["code"] != 0 {}
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn two_clients(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut quick, mut slow) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    quick.send(poll("a", 200, false)).await;
    quick.succeeds().await;
    slow.send(with("startCPUCardLoopRead", "a", json!({}))).await;
    slow.succeeds().await;
    hand.put("transport").await;
    for _ in 0..3 {
        quick.hears_card(0).await;
    }
    slow.hears_card(0).await;
    // From now on as the other's.
    quick.send(poll("b", 60_000, false)).await;
    while quick.next().await["taskId"] != "b" {}
    quick.hears_card(0).await;
    slow.hears_card(0).await;
    slow.ask(json!({"off": "CPUCardListener"})).await;
    hand.lift().await;
    hand.put("transport").await;
    quick.hears_card(0).await;
    quick.send(close("startCPUCardLoopRead", "c")).await;
    quick.succeeds().await;
    for task in ["c", "d"] {
        slow.send(poll(task, 5000, false)).await;
        slow.succeeds().await;
        slow.hears_card(0).await;
        slow.ask(call("bridge.reset", &json!({}))).await;
    }
    slow.send(poll("e", 300, false)).await;
    slow.succeeds().await;
    slow.hears_card(0).await;
    drop(slow);
    daemon.says("connection ended", 1).await;
    quick.send(action("stopCPUCardLoopRead", "f")).await;
    quick.succeeds().await;
    quick.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn and_commands(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut polls, mut asks) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    polls.send(poll("a", 300, true)).await;
    polls.succeeds().await;
    hand.put("transport").await;
    polls.hears_card(0).await;
    asks.text(read_once("a")).await;
    asks.says_at_last(command("b", SELECT_TRANSPORT), "9000").await;
    polls.hears_card(0).await;
    asks.says_at_last(command("c", READ_PUBLIC), "9000").await;
    asks.batch_ends(batch("d", &[READ_PUBLIC, "0084000008"]), "成功", 2).await;
    polls.hears_card(0).await;
    // The next card is read for a command before it is for those who poll.
    hand.lift().await;
    hand.put("transport").await;
    polls.hears_card(0).await;
    pause().await;
    asks.says_at_last(command("e", "0084000008"), "9000").await;
    // By the one who polls itself, too.
    polls.send(command("b", "0084000008")).await;
    let mut replies = 0;
    while replies == 0 {
        replies += u32::from(polls.next().await["taskId"] == "b");
    }
    for client in [polls, asks] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}

async fn unreadable(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    client.send(poll("a", 250, true)).await;
    client.succeeds().await;
    hand.fault("mute").await;
    hand.put("transport").await;
    for _ in 0..2 {
        client.hears_card(-1).await;
    }
    hand.lift().await;
    // While the reader is asked for its ATS.
    hand.fault("vanish").await;
    hand.put("transport").await;
    for _ in 0..2 {
        client.hears_card(-1).await;
    }
    pause().await;
    hand.put("transport").await;
    while client.hears("CPUCardListener").await["data"]["code"] != 0 {}
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}
