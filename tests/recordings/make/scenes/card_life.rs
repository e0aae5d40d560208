//! Scenes of card readers in the daemon's life: recorded from the middle, all at once, stopped.

use serde_json::json;

use super::chips::{
    BUZZER, CPU_CARD, Hand, PSAM, READ_PUBLIC, READ_TERMINAL, SELECT_TRANSPORT, SOCIAL_SECURITY,
    batch, cold_reset, command, poll, read_once, sam_command, social_security, with,
};
use super::client::action;
use super::{Scene, Stage, pause};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "cards_begun_in_a_session",
            "the recording begins when applications are open on a CPU card and a PSAM, and a \
             social-security card has been read that lies there still",
            begun_in_a_session,
        ),
        Scene::new(
            "cards_begun_while_polling",
            "the recording begins while a card lies there and is polled for, and a call waits for \
             a social-security card",
            begun_while_polling,
        ),
        Scene::new(
            "cards_begun_while_unplugged",
            "the recording begins while the readers are unplugged, and goes on until they are back",
            begun_while_unplugged,
        ),
        Scene::new(
            "cards_daemon_stops",
            "the daemon is told to stop while cards are polled for, a call waits, and a command is \
             under way",
            daemon_stops,
        ),
        Scene::new(
            "cards_busy_day",
            "CPU card, PSAMs, social-security card and beeper, three clients on three transports, \
             a listener and one who polls, everything at once",
            busy_day,
        ),
    ]
}

async fn begun_in_a_session(stage: Stage) {
    let sections = format!("{CPU_CARD}{PSAM}{SOCIAL_SECURITY}");
    let mut daemon = stage.start_unrecorded(&sections).await;
    daemon.ready("social_security_card", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    hand.put("transport").await;
    client.text(read_once("before")).await;
    client.says_at_last(command("before", SELECT_TRANSPORT), "9000").await;
    client.text(cold_reset("before", 2)).await;
    client.says(sam_command("before", 2, "801A280108FF00000000000000"), "9000").await;
    hand.over_to("social_security_card").put("ssc-1").await;
    other.send(social_security("before")).await;
    other.succeeds().await;
    daemon.record("start", stage.recording()).await;
    pause().await;
    client.says_at_last(command("a", READ_PUBLIC), "9000").await;
    client.text(read_once("b")).await;
    client.says(command("c", READ_PUBLIC), "6A82").await;
    client.says_at_last(sam_command("d", 2, "80FA0000080001020304050607"), "9000").await;
    client.says_at_last(sam_command("e", 1, READ_TERMINAL), "9000").await;
    other.send(social_security("f")).await;
    pause().await;
    hand.lift().await;
    hand.put("ssc-2").await;
    other.succeeds().await;
    for client in [client, other] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}

async fn begun_while_polling(stage: Stage) {
    let mut daemon = stage.start_unrecorded(&format!("{CPU_CARD}{SOCIAL_SECURITY}")).await;
    daemon.ready("social_security_card", 1).await;
    let (mut polls, mut waits) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    polls.send(poll("before", 300, true)).await;
    polls.succeeds().await;
    hand.put("transport").await;
    polls.hears_card(0).await;
    waits.send(social_security("waits")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 1).await;
    pause().await;
    daemon.record("start", stage.recording()).await;
    for _ in 0..2 {
        polls.hears_card(0).await;
    }
    pause().await;
    hand.over_to("social_security_card").put("ssc-3").await;
    waits.succeeds().await;
    polls.hears_card(0).await;
    pause().await;
    hand.over_to("cpu_card").lift().await;
    polls.hears_card(-1).await;
    pause().await;
    hand.put("transport").await;
    polls.hears_card(0).await;
    waits.send(social_security("is still waiting")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 2).await;
    daemon.record("stop", stage.recording()).await;
    for client in [polls, waits] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}

async fn begun_while_unplugged(stage: Stage) {
    let sections = format!("{CPU_CARD}{PSAM}{SOCIAL_SECURITY}{BUZZER}");
    let mut daemon = stage.start_unrecorded(&sections).await;
    daemon.ready("buzzer", 1).await;
    let mut client = daemon.unix().await;
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    hand.put("transport").await;
    client.text(read_once("before")).await;
    hand.fault("unplug").await;
    for device in ["psam", "social_security_card", "buzzer"] {
        hand.over_to(device).fault("unplug").await;
    }
    daemon.record("start", stage.recording()).await;
    pause().await;
    client.says(read_once("a"), "-1").await;
    client.says(cold_reset("b", 1), "-1").await;
    client.says_at_last(sam_command("c", 2, READ_TERMINAL), "9000").await;
    for refused in [social_security("d"), with("startBuzzer", "e", json!({"beep": 50}))] {
        client.send(refused).await;
        client.fails_as("device_unavailable").await;
    }
    pause().await;
    for device in ["cpu_card", "psam", "social_security_card", "buzzer"] {
        hand.over_to(device).fault("none").await;
    }
    client.text(read_once("f")).await;
    client.text(cold_reset("g", 1)).await;
    client.send(with("startBuzzer", "h", json!({"beep": 50}))).await;
    client.succeeds().await;
    client.send(social_security("i")).await;
    pause().await;
    hand.over_to("social_security_card").put("ssc-2").await;
    client.succeeds().await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn daemon_stops(stage: Stage) {
    let mut daemon = stage.start(&format!("{CPU_CARD}{PSAM}{SOCIAL_SECURITY}")).await;
    daemon.ready("social_security_card", 1).await;
    let (mut polls, mut waits, mut asks) =
        (daemon.unix().await, daemon.ws().await, daemon.tcp().await);
    let mut hand = Hand::at("cpu_card", daemon.unix().await);
    polls.send(poll("a", 250, false)).await;
    polls.succeeds().await;
    hand.put("transport").await;
    for _ in 0..2 {
        polls.hears_card(0).await;
    }
    waits.send(social_security("b")).await;
    hand.over_to("psam").fault("silence").await;
    asks.send(sam_command("c", 1, READ_TERMINAL)).await;
    daemon.was_asked("sendCPUCardCommand", 1).await;
    pause().await;
    daemon.tell_to_stop();
    waits.fails("取消").await;
    for client in [polls, waits, asks] {
        let mut client = client;
        client.rest().await;
    }
    daemon.ended().await;
}

async fn busy_day(stage: Stage) {
    let sections = format!("{CPU_CARD}{PSAM}{SOCIAL_SECURITY}{BUZZER}");
    let mut daemon = stage.start(&sections).await;
    daemon.ready("buzzer", 1).await;
    let mut clients = [daemon.unix().await, daemon.tcp().await, daemon.ws().await];
    let mut hand = Hand::at("cpu_card", daemon.unix().await);
    let (mut listens, mut polls) = (daemon.ws().await, daemon.tcp().await);
    listens.on("socialSecurityCardListener").await;
    polls.send(poll("polls", 470, true)).await;
    for (round, card) in ["ssc-1", "ssc-2", "ssc-3"].into_iter().enumerate() {
        hand.over_to("cpu_card").put("transport").await;
        // All at once; each goes from one device to the next.
        let mut work = [
            [
                read_once(1),
                command(2, SELECT_TRANSPORT),
                batch(3, &[READ_PUBLIC, "0084000008", READ_PUBLIC]),
            ],
            [cold_reset(1, 1), sam_command(2, 1, READ_TERMINAL), command(3, "0084000010")],
            [
                sam_command(1, 2, "801A280108FF00000000000000"),
                sam_command(2, 2, "80FA0000080001020304050607"),
                with("startBuzzer", 3, json!({"beep": 40})),
            ],
        ];
        work.rotate_left(round);
        for (client, work) in clients.iter_mut().zip(work) {
            for frame in work {
                client.send(frame).await;
            }
        }
        for client in &mut clients {
            for _ in 0..3 {
                client.succeeds().await;
            }
        }
        for client in &mut clients {
            client.send(social_security(round)).await;
            pause().await;
        }
        for _ in 0..clients.len() {
            hand.over_to("social_security_card").put(card).await;
            hand.lift().await;
        }
        for client in &mut clients {
            client.succeeds().await;
        }
        hand.over_to("cpu_card").lift().await;
    }
    for _ in 0..3 * clients.len() {
        listens.hears("socialSecurityCardListener").await;
    }
    polls.send(action("stopCPUCardLoopRead", "stops")).await;
    while polls.next().await["taskId"] != "stops" {}
    for client in clients.into_iter().chain([listens, polls]) {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}
