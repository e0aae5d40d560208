//! Recordings that begin while clients are busy: they replay as recorded all the same.

use serde_json::json;

use crate::fixture::{Client, Daemon, kind, run, soon};
use crate::recording::{daemon_with, record};

async fn does(client: &mut Client, verb: &str) {
    let reply = record(client, json!({"do": verb, "name": "m"})).await;
    assert_eq!(reply["success"], true, "{reply}");
}

async fn replays(daemon: &Daemon) {
    let folder = daemon.folder().join("recordings/m");
    let folder = folder.to_str().expect("UTF-8");
    let (code, said, words) = run(daemon.folder(), &["replay", "--strict", folder]).await;
    assert_eq!(code, 0, "{said}{words}");
}

#[tokio::test]
async fn calls_before_and_behind_the_start_in_one_write_are_told_apart() {
    let daemon = daemon_with("", "").await;
    let mut client = daemon.unix().await;
    let ask = |from: u32| -> String {
        (from..from + 30)
            .map(|id| format!("{{\"action\":\"getDeviceInfo\",\"taskId\":\"{id}\"}}\n"))
            .collect()
    };
    let start = "{\"call\":\"bridge.record\",\"params\":{\"do\":\"start\",\"name\":\"m\"}}\n";
    client.bytes(format!("{}{start}{}", ask(1), ask(31)).as_bytes()).await;
    for _ in 0..61 {
        client.next().await;
    }
    // Whatever came behind it was recorded or not, as a whole.
    client.ask(r#"{"action":"getDeviceInfo","taskId":"last"}"#).await;
    does(&mut client, "stop").await;
    replays(&daemon).await;
}

#[tokio::test]
async fn of_many_starts_at_once_one_begins_and_no_other_leaves_anything() {
    let daemon = daemon_with("", "").await;
    let mut clients = Vec::new();
    for number in 0..8 {
        let mut client = daemon.unix().await;
        let params = json!({"do": "start", "name": format!("n{number}")});
        client.send(&json!({"call": "bridge.record", "params": params}).to_string()).await;
        clients.push(client);
    }
    let mut begun = 0;
    for client in &mut clients {
        let reply = client.next().await;
        begun += u32::from(reply["res"]["success"] == true);
    }
    assert_eq!(begun, 1);
    let folders = std::fs::read_dir(daemon.folder().join("recordings")).expect("it is there");
    assert_eq!(folders.count(), 1);
}

#[tokio::test]
async fn personal_data_cannot_be_kept_from_afar_and_nothing_is_begun_by_trying() {
    let daemon = daemon_with("", "").await;
    for mut client in [daemon.tcp_client().await, daemon.ws().await] {
        let params = json!({"do": "start", "name": "m", "keepPersonalData": true});
        let call = json!({"call": "bridge.record", "params": params}).to_string();
        assert_eq!(kind(&client.ask(&call).await["res"]), "forbidden");
    }
    assert!(!daemon.folder().join("recordings/m").exists());
    does(&mut daemon.tcp_client().await, "start").await;
}

#[tokio::test]
async fn a_recording_waits_until_a_card_is_read() {
    let daemon = daemon_with("", "").await;
    let mut client = daemon.unix().await;
    client.send(r#"{"action":"getIDCardInfo","taskId":"early"}"#).await;
    client.nothing_came().await;
    // The card is on its way when the recording is asked for.
    let put = r#"{"call":"bridge.simulate","params":{"device":"id_card","do":"put"}}"#;
    let start = r#"{"call":"bridge.record","params":{"do":"start","name":"m"}}"#;
    let mut hand = daemon.unix().await;
    hand.bytes(format!("{put}\n{start}\n").as_bytes()).await;
    assert_eq!(hand.next().await["call"], "bridge.simulate");
    assert_eq!(hand.next().await["res"]["success"], true);
    assert_eq!(client.next().await["taskId"], "early");
    does(&mut hand, "stop").await;
    replays(&daemon).await;
}

#[tokio::test]
async fn clients_that_have_not_shown_their_token_yet_are_known_as_such() {
    let daemon = daemon_with("token = \"a-token\"\n", "").await;
    let (mut right, mut wrong) = (daemon.tcp_client().await, daemon.tcp_client().await);
    let mut hand = daemon.unix().await;
    let both_are_in = async {
        loop {
            let status = hand.ask(r#"{"call":"bridge.status"}"#).await;
            if status["res"]["data"]["connections"].as_u64() >= Some(3) {
                return;
            }
        }
    };
    soon("both clients are let in", both_are_in).await;
    does(&mut hand, "start").await;
    right.send(r#"{"token":"a-token"}"#).await;
    let info = right.ask(r#"{"action":"getDeviceInfo","taskId":"1"}"#).await;
    assert_eq!(info["success"], true);
    wrong.send(r#"{"action":"getDeviceInfo","taskId":"1"}"#).await;
    assert_eq!(wrong.rest().await.len(), 1);
    does(&mut hand, "stop").await;
    replays(&daemon).await;
}
