//! Scenes of clients that do not read.
//!
//! What such a client asks for is answered by frames of 9,000 bytes, which a recording keeps once
//! as a blob however often they come: what the system's buffers take costs the recording little.

use serde_json::json;

use super::client::{Client, action, simulate};
use super::daemon::Daemon;
use super::{Scene, Stage, pause, soon};

/// Small enough for a handful of frames to fill them.
const TIGHT: &str = "[qr_scanner]\ndriver = \"simulated\"\n[limits]\npaused_frames = 8\n\
                     waiting_frames = 16\n";

/// The length of a `taskId`, and so of the answer that echoes it.
const LONG: usize = 9_000;

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "slow_client",
            "a client asks and listens and does not read: its requests are not read any more, and \
             when 16 frames wait for it, it is disconnected; another one hears everything",
            disconnected,
        ),
        Scene::new(
            "slow_client_recovers",
            "a client does not read for a while, and then does, twice: every answer and every event \
             comes, in order",
            recovers,
        ),
        Scene::new(
            "slow_client_leaves",
            "a client does not read, and goes without having read",
            leaves,
        ),
    ]
}

/// Asks without reading until the daemon finds that the client takes no more.
async fn stalls(daemon: &Daemon, client: &mut Client, stalled: usize) -> usize {
    let request = action("getDeviceInfo", "t".repeat(LONG)).to_string();
    let mut sent = 0;
    let asks = async {
        loop {
            client.raw(request.as_bytes()).await;
            sent += 1;
        }
    };
    tokio::select! {
        biased;
        () = daemon.recorded("\"stalled\":true", stalled) => {}
        () = asks => {}
    }
    sent
}

async fn disconnected(stage: Stage) {
    let mut daemon = stage.start(TIGHT).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut slow, mut quick) = (daemon.unix().await, daemon.tcp().await);
    slow.on("initQRListener").await;
    quick.on("initQRListener").await;
    stalls(&daemon, &mut slow, 1).await;
    let mut hand = daemon.unix().await;
    for number in 0..20 {
        hand.ask(simulate("qr_scanner", "scan", "text", &format!("code {number}"))).await;
        quick.hears("initQRListener").await;
    }
    daemon.says("reads too slowly", 1).await;
    // What had been written may still be read; then comes the end.
    slow.rest().await;
    quick.ask(action("getDeviceInfo", "1")).await;
    for client in [quick, hand] {
        client.leave().await;
    }
    daemon.stop().await;
}

async fn recovers(stage: Stage) {
    let mut daemon = stage.start(TIGHT).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut slow, mut hand) = (daemon.unix().await, daemon.unix().await);
    slow.on("initQRListener").await;
    for times in 1..3 {
        let asked = stalls(&daemon, &mut slow, times).await;
        for code in ["first", "second"] {
            hand.ask(simulate("qr_scanner", "scan", "text", code)).await;
            pause().await;
        }
        let mut events = 0;
        for _ in 0..asked + 2 {
            let frame = slow.next().await;
            events += usize::from(frame["channel"] == "initQRListener");
        }
        assert_eq!(events, 2);
        slow.ask(action("getDeviceInfo", "after")).await;
    }
    slow.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn leaves(stage: Stage) {
    let mut daemon = stage.start(TIGHT).await;
    let mut slow = daemon.unix().await;
    stalls(&daemon, &mut slow, 1).await;
    drop(slow);
    soon("the daemon notices", daemon.says("connection ended", 1)).await;
    let mut other = daemon.unix().await;
    other.ask(json!({"call": "ampeHHCommunication", "params": action("getDeviceInfo", 1)})).await;
    other.leave().await;
    daemon.stop().await;
}
