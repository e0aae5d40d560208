//! Scenes of the daemon's own life: read again, recorded from the middle, stopped.

use serde_json::json;

use super::client::{action, card, code};
use super::daemon::{READER, SCANNER};
use super::reader::{FIND, READ, Reader};
use super::scanner::Scanner;
use super::{Scene, Stage, pause};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "reload",
            "SIGHUP changes the time limits, for calls that come from then on, and what \
             `getDeviceInfo` answers",
            reload,
        ),
        Scene::new(
            "begun_in_the_middle",
            "the recording begins while one call waits, another's card is being read, and a \
             listener is on; it ends while a call waits",
            begun_in_the_middle,
        ),
        Scene::new(
            "begun_while_unplugged",
            "the recording begins while the reader is unplugged, and goes on until it is back",
            begun_while_unplugged,
        ),
        Scene::new(
            "daemon_stops",
            "the daemon is told to stop while calls wait, on every transport, and a card is read",
            daemon_stops,
        ),
        Scene::new(
            "busy_day",
            "reader and scanner, six clients on three transports, calls and listeners across each \
             other",
            busy_day,
        ),
    ]
}

async fn reload(stage: Stage) {
    let _reader = Reader::at(&stage.path("reader"));
    let before = format!("{READER}[timeouts]\nid_card = 300\n");
    let mut daemon = stage.start(&before).await;
    daemon.ready("id_card", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.tcp().await);
    client.send(card("a")).await;
    client.fails("超时").await;
    client.ask(action("getDeviceInfo", "1")).await;
    pause().await;
    daemon.reload(&format!("{READER}[timeouts]\nid_card = 1000\n"), 1).await;
    pause().await;
    client.send(card("b")).await;
    client.fails("超时").await;
    // A call keeps the limit that it came under.
    other.send(card("c")).await;
    daemon.was_asked("getIDCardInfo", 3).await;
    pause().await;
    daemon.reload(&format!("{READER}poll_ms = 999\n[timeouts]\nid_card = 0\n"), 2).await;
    other.fails("超时").await;
    client.leave().await;
    other.leave().await;
    daemon.stop().await;
}

async fn begun_in_the_middle(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start_unrecorded(&format!("{READER}{SCANNER}")).await;
    daemon.ready("id_card", 1).await;
    daemon.ready("qr_scanner", 1).await;
    let (mut reads, mut waits) = (daemon.unix().await, daemon.tcp().await);
    let mut listens = daemon.ws().await;
    listens.on("initQRListener").await;
    listens.on("bridgeCalls").await;
    // What was over before the recording began is not in it.
    reader.put("zhang-san");
    reads.send(card("over")).await;
    reads.succeeds().await;
    reader.hand.lift();
    waits.send(code("waits")).await;
    daemon.was_asked("getQRCode", 1).await;
    reads.send(card("reads")).await;
    reader.is_asked(FIND, 2).await;
    daemon.record("start", stage.recording()).await;
    pause().await;
    reader.put("li-si");
    reads.succeeds().await;
    pause().await;
    scanner.show("for the call and the listener");
    waits.succeeds().await;
    listens.hears("initQRListener").await;
    listens.send(code("listens and waits")).await;
    listens.hears("bridgeCalls").await;
    pause().await;
    scanner.show("for both of one client");
    for _ in 0..4 {
        listens.next().await;
    }
    pause().await;
    waits.send(card("is still waiting")).await;
    reader.is_asked(FIND, 2).await;
    daemon.record("stop", stage.recording()).await;
    for client in [reads, waits, listens] {
        client.leave().await;
    }
    daemon.stop().await;
}

async fn begun_while_unplugged(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    let mut daemon = stage.start_unrecorded(READER).await;
    daemon.ready("id_card", 1).await;
    let mut client = daemon.unix().await;
    client.on("initIDCardListener").await;
    reader.is_asked(FIND, 1).await;
    pause().await;
    reader.plug(false);
    daemon.says("device not usable", 1).await;
    daemon.record("start", stage.recording()).await;
    pause().await;
    client.send(card("a")).await;
    client.fails_as("device_unavailable").await;
    reader.plug(true);
    daemon.ready("id_card", 2).await;
    reader.put("jane-doe");
    client.hears("initIDCardListener").await;
    reader.is_asked(FIND, 1).await;
    client.leave().await;
    daemon.stop().await;
}

async fn daemon_stops(stage: Stage) {
    let mut reader = Reader::at(&stage.path("reader"));
    reader.hand.set_reading_time(std::time::Duration::from_millis(800));
    let _scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let mut daemon = stage.start(&format!("{READER}{SCANNER}")).await;
    daemon.ready("id_card", 1).await;
    daemon.ready("qr_scanner", 1).await;
    let mut clients = [daemon.unix().await, daemon.tcp().await, daemon.ws().await];
    for (number, client) in clients.iter_mut().enumerate() {
        client.send(card("a")).await;
        client.send(code("b")).await;
        daemon.was_asked("getQRCode", number + 1).await;
        pause().await;
    }
    reader.put("li-si");
    reader.is_asked(READ, 1).await;
    pause().await;
    daemon.tell_to_stop();
    for client in &mut clients {
        client.fails("取消").await;
        client.fails("取消").await;
        assert_eq!(client.rest().await, 0);
    }
    daemon.ended().await;
}

async fn busy_day(stage: Stage) {
    let reader = Reader::at(&stage.path("reader"));
    let scanner = Scanner::at(&stage.path("scanner"), "\r", None);
    let limits = "[timeouts]\nid_card = 2500\nqr_code = 900\n";
    let mut daemon = stage.start(&format!("{READER}{SCANNER}{limits}")).await;
    daemon.ready("id_card", 1).await;
    daemon.ready("qr_scanner", 1).await;
    let mut listeners = [daemon.ws().await, daemon.tcp().await];
    for listener in &mut listeners {
        listener.on("initIDCardListener").await;
        listener.on("initQRListener").await;
    }
    let mut callers =
        [daemon.unix().await, daemon.tcp().await, daemon.ws().await, daemon.unix().await];
    for (round, slug) in ["zhang-san", "wang-wu", "wu-jiu", "zheng-shi"].into_iter().enumerate() {
        for caller in &mut callers {
            caller.send(card("card")).await;
            caller.send(code("code")).await;
            caller.ask(action("getDeviceInfo", round)).await;
            pause().await;
        }
        reader.put(slug);
        // The first waits since the round before; its newer call has taken its place.
        for listener in &mut listeners {
            listener.hears("initIDCardListener").await;
        }
        scanner.show(format!("round {round}"));
        for listener in &mut listeners {
            listener.hears("initQRListener").await;
        }
        pause().await;
        for caller in &mut callers {
            caller.send(json!({"action": "closeIDCardInfo", "taskId": "x"})).await;
            while caller.next().await["action"] != "closeIDCardInfo" {}
        }
        reader.hand.lift();
        daemon.says("answered action=\"getQRCode\"", 1).await;
        pause().await;
    }
    for client in callers.into_iter().chain(listeners) {
        client.leave().await;
    }
    daemon.stop().await;
}
