//! Scenes of the operation timeout, and of what people operate the kiosk by.

use std::time::Duration;

use serde_json::{Value, json};

use super::client::{call, simulate};
use super::{Scene, Stage, pause};

const CHANNEL: &str = "ampeOperationTimeout";

const SECTIONS: &str = "[input]\ndriver = \"simulated\"\n[timeouts]\noperation = 400\n";

/// What is typed: no recording may hold it.
pub(super) const TYPED: &str = "Nobody 4711";

/// Half a countdown: somebody hesitates.
const HALF: Duration = Duration::from_millis(200);

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "operation_timeout",
            "nobody touches the kiosk: the timeout fires once, and again only after a new call",
            once,
        ),
        Scene::new(
            "operation_goes_on",
            "touches, keys and new calls start the countdown again; `off` ends it",
            goes_on,
        ),
        Scene::new(
            "operation_middle",
            "a recording that begins in the middle of one client's countdown, after another's has \
             ended",
            middle,
        ),
    ]
}

fn start() -> Value {
    call("ampeStartOperationWatcher", &json!({}))
}

async fn hesitates(halves: u32) {
    tokio::time::sleep(HALF * halves).await;
}

async fn once(stage: Stage) {
    let mut daemon = stage.start(SECTIONS).await;
    daemon.ready("input", 1).await;
    let mut client = daemon.unix().await;
    for _ in 0..2 {
        assert_eq!(client.ask(start()).await["res"]["success"], true);
        client.hears(CHANNEL).await;
        hesitates(3).await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn goes_on(stage: Stage) {
    let mut daemon = stage.start(SECTIONS).await;
    daemon.ready("input", 1).await;
    let (mut client, mut hand) = (daemon.tcp().await, daemon.unix().await);
    client.ask(start()).await;
    for (verb, text) in [("touch", ""), ("key", ""), ("type", TYPED)] {
        hesitates(1).await;
        let reply = hand.ask(simulate("input", verb, "text", text)).await;
        assert_eq!(reply["res"]["success"], true, "{reply}");
    }
    hesitates(1).await;
    client.ask(start()).await;
    client.hears(CHANNEL).await;
    client.ask(start()).await;
    hesitates(1).await;
    client.ask(json!({"off": CHANNEL})).await;
    hesitates(2).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn middle(stage: Stage) {
    let mut daemon = stage.start_unrecorded(SECTIONS).await;
    daemon.ready("input", 1).await;
    let (mut early, mut client, mut hand) =
        (daemon.unix().await, daemon.unix().await, daemon.unix().await);
    early.ask(start()).await;
    early.hears(CHANNEL).await;
    client.ask(start()).await;
    hesitates(1).await;
    hand.ask(simulate("input", "key", "text", "")).await;
    pause().await;
    daemon.record("start", stage.recording()).await;
    pause().await;
    hand.ask(simulate("input", "touch", "text", "")).await;
    client.hears(CHANNEL).await;
    early.ask(start()).await;
    early.hears(CHANNEL).await;
    early.leave().await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}
