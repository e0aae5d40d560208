//! The operation timeout, and what people operate the kiosk by.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fixture::{Client, Daemon};

const START: &str = r#"{"call":"ampeStartOperationWatcher","params":{},"id":1}"#;

const SECTIONS: &str = "[input]\ndriver = \"simulated\"\n";

fn fired() -> Value {
    json!({"channel": "ampeOperationTimeout", "data": {}})
}

async fn daemon(operation_ms: u32) -> Daemon {
    Daemon::start("", &format!("{SECTIONS}[timeouts]\noperation = {operation_ms}\n")).await
}

async fn started(client: &mut Client) {
    let reply = client.ask(START).await;
    let expected = json!({"success": true, "message": "成功", "data": {}});
    assert_eq!(reply, json!({"call": "ampeStartOperationWatcher", "id": 1, "res": expected}));
}

async fn hand(client: &mut Client, verb: &str) {
    let call = json!({"call": "bridge.simulate", "params": {"device": "input", "do": verb}});
    assert_eq!(client.ask(&call.to_string()).await["res"]["success"], true);
}

#[tokio::test]
async fn it_fires_once_in_time_and_again_only_after_a_new_call() {
    let daemon = daemon(300).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    other.on("ampeOperationTimeout").await;
    for _ in 0..2 {
        let begun = Instant::now();
        started(&mut client).await;
        assert_eq!(client.next().await, fired());
        assert!(begun.elapsed() >= Duration::from_millis(299), "{:?}", begun.elapsed());
        // Nothing but time passes here, and nothing must happen in it.
        tokio::time::sleep(Duration::from_millis(700)).await;
        client.nothing_came().await;
    }
    // It is the connection's own: `on` alone brings nothing.
    other.nothing_came().await;
}

#[tokio::test]
async fn keys_touches_and_new_calls_start_it_again() {
    let daemon = daemon(1500).await;
    daemon.ready("input").await;
    let (mut client, mut person) = (daemon.tcp_client().await, daemon.unix().await);
    started(&mut client).await;
    let mut last = Instant::now();
    for act in ["key", "touch", "call", "key"] {
        tokio::time::sleep(Duration::from_millis(600)).await;
        last = Instant::now();
        if act == "call" {
            started(&mut client).await;
        } else {
            hand(&mut person, act).await;
        }
        client.nothing_came().await;
    }
    assert_eq!(client.next().await, fired());
    assert!(last.elapsed() >= Duration::from_millis(1499), "{:?}", last.elapsed());
}

#[tokio::test]
async fn off_and_reset_end_it_and_zero_switches_it_off() {
    let daemon = daemon(200).await;
    let mut client = daemon.unix().await;
    for end in [r#"{"off":"ampeOperationTimeout"}"#, r#"{"call":"bridge.reset"}"#] {
        started(&mut client).await;
        client.ask(end).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        client.nothing_came().await;
    }
    let daemon = self::daemon(0).await;
    let mut client = daemon.unix().await;
    started(&mut client).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.nothing_came().await;
}

#[tokio::test]
async fn an_input_device_that_is_pulled_out_is_told_of() {
    let daemon = daemon(0).await;
    daemon.ready("input").await;
    let mut client = daemon.unix().await;
    for (fault, state) in [("unplug", "absent"), ("none", "ready")] {
        let params = json!({"device": "input", "do": "fault", "fault": fault});
        let call = json!({"call": "bridge.simulate", "params": params});
        assert_eq!(client.ask(&call.to_string()).await["res"]["success"], true);
        daemon.device("input", |device| device["state"] == state).await;
    }
}
