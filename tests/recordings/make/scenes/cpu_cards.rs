//! Scenes of CPU cards: powered up, commands, batches, sessions, and what goes wrong.

use serde_json::{Value, json};

use super::chips::{
    CPU_CARD, Hand, PSAM, READ_PUBLIC, SELECT_DIRECTORY, SELECT_TRANSPORT, batch, cold_reset,
    command, read_once, sam_command, with,
};
use super::{Scene, Stage, pause};

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "cpu_card_read_once",
            "`readOnceCPUCardInfo`: no card (-2), a card, the same once more, another one, lifted",
            read_once_scene,
        ),
        Scene::new(
            "cpu_card_commands",
            "`sendCPUCardCommand`: short and long commands, blanks and small letters, status words \
             that are results, commands to the reader, and what is no command",
            commands,
        ),
        Scene::new(
            "cpu_card_batch",
            "`sendCPUCardApduCommands`: all well, the status word that ends it (-100), no card \
             (-1), a card that vanishes at the first command (-2), an empty list",
            batches,
        ),
        Scene::new(
            "cpu_card_session",
            "a card stays powered between commands of two clients, and until the last of them goes",
            session,
        ),
        Scene::new(
            "cpu_card_session_idle",
            "`session_idle_ms`: a card that nobody uses is powered off, and what was open on it is \
             not any more",
            session_idle,
        ),
        Scene::new(
            "cpu_card_mute",
            "a card that does not answer to its power-up: -5, then -1, until it is mended",
            mute,
        ),
        Scene::new(
            "cpu_card_silent",
            "a card that says nothing to a command is waited for thirty seconds (-2), and no \
             longer; one that is taken away meanwhile is not",
            silent,
        ),
        Scene::new(
            "cpu_card_occupied",
            "another program holds the card: after five seconds -2, for each call",
            occupied,
        ),
        Scene::new(
            "cpu_card_unplugged",
            "the reader is unplugged with a card in it, in a session and without one (-1), and used \
             again when it is back",
            unplugged,
        ),
        Scene::new(
            "cpu_card_forbidden",
            "commands are switched off or denied: `forbidden`, and nothing of a batch is sent; \
             cards are powered up all the same",
            forbidden,
        ),
        Scene::new(
            "cpu_card_not_configured",
            "cards, PSAMs, social-security cards and the beeper, where none is configured",
            not_configured,
        ),
    ]
}

async fn read_once_scene(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    client.says(read_once("a"), "-2").await;
    hand.put(Value::Null).await;
    let ats = client.text(read_once("b")).await;
    assert_eq!(&ats[..2], "10", "its length: 16 bytes");
    client.says(read_once("c"), &ats).await;
    pause().await;
    // A contact card in this reader has no ATS: its ATR is given.
    hand.put("psam").await;
    assert_eq!(&client.text(read_once("d")).await[..2], "3B");
    hand.lift().await;
    client.says(read_once("e"), "-2").await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn commands(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.ws().await, Hand::at("cpu_card", daemon.unix().await));
    hand.put("transport").await;
    for (number, (apdu, end)) in [
        // The card is powered up by its first command.
        ("0084000008", "9000"),
        (SELECT_DIRECTORY, "9000"),
        (SELECT_TRANSPORT, "9000"),
        (READ_PUBLIC, "9000"),
        // Once more the same: it says the same.
        (READ_PUBLIC, "9000"),
        (" 00 b0 95 00 04 ", "9000"),
        ("00B09500000010", "9000"),
        ("00B0951410", ""),
        ("00B0970000", "6A82"),
        ("00A4040002FFFF", "6A82"),
        ("80CA0000", ""),
        ("FFCA000000", "9000"),
        ("FFCA010000", "9000"),
        ("FFCA020000", "6A81"),
        ("0084000010", "9000"),
    ]
    .into_iter()
    .enumerate()
    {
        client.says_at_last(command(number, apdu), end).await;
    }
    for wrong in [
        json!({"commandApdu": "00840", "type": 1}),
        json!({"commandApdu": "008400", "type": 1}),
        json!({"commandApdu": "00840000zz", "type": 1}),
        json!({"commandApdu": "0084000008", "type": 3}),
        json!({"commandApdu": "0084000008"}),
        json!({"type": 1}),
    ] {
        client.send(with("sendCPUCardCommand", "wrong", wrong)).await;
        client.fails_as("bad_request").await;
    }
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn batches(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    let whole = [SELECT_DIRECTORY, SELECT_TRANSPORT, READ_PUBLIC, "0084000008"];
    client.batch_ends(batch("no card", &whole), "失败:-1", 0).await;
    hand.put("transport").await;
    client.batch_ends(batch("well", &whole), "成功", 4).await;
    let refused = [SELECT_TRANSPORT, "00B0970000", READ_PUBLIC];
    client.batch_ends(batch("refused", &refused), "失败:-100", 2).await;
    client.batch_ends(batch("nothing", &[]), "成功", 0).await;
    hand.fault("vanish").await;
    client.batch_ends(batch("vanishes", &whole), "失败:-2", 0).await;
    client.batch_ends(batch("gone", &whole), "失败:-1", 0).await;
    hand.put("transport").await;
    client.batch_ends(batch("another", &whole), "成功", 4).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn session(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut one, mut other) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    hand.put("transport").await;
    one.text(read_once("a")).await;
    one.says_at_last(command("b", SELECT_TRANSPORT), "9000").await;
    // What the one has selected is open for the other, who does not reset it.
    other.says_at_last(command("a", READ_PUBLIC), "9000").await;
    other.text(read_once("b")).await;
    one.says_at_last(command("c", READ_PUBLIC), "9000").await;
    one.leave().await;
    pause().await;
    other.says_at_last(command("c", READ_PUBLIC), "9000").await;
    other.leave().await;
    pause().await;
    // Nobody has used it meanwhile: it was powered off.
    let mut third = daemon.unix().await;
    third.says(command("a", READ_PUBLIC), "6A82").await;
    third.says_at_last(command("b", SELECT_TRANSPORT), "9000").await;
    // To read it anew closes what the only one who uses it has opened.
    third.text(read_once("c")).await;
    third.says(command("d", READ_PUBLIC), "6A82").await;
    // A card that was lifted is another one when it is back.
    third.says_at_last(command("e", SELECT_TRANSPORT), "9000").await;
    hand.lift().await;
    hand.put("transport").await;
    third.says(command("f", READ_PUBLIC), "6A82").await;
    third.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn session_idle(stage: Stage) {
    let mut daemon = stage.start(&format!("{CPU_CARD}session_idle_ms = 400\n")).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    hand.put("transport").await;
    client.says_at_last(command("a", SELECT_TRANSPORT), "9000").await;
    for task in ["b", "c", "d", "e"] {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        client.says_at_last(command(task, READ_PUBLIC), "9000").await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(700)).await;
    client.says(command("f", READ_PUBLIC), "6A82").await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn mute(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    hand.fault("mute").await;
    hand.put("transport").await;
    client.says(read_once("a"), "-5").await;
    client.says(command("b", "0084000008"), "-1").await;
    client.batch_ends(batch("c", &["0084000008"]), "失败:-1", 0).await;
    hand.fault("none").await;
    client.text(read_once("d")).await;
    client.says_at_last(command("e", "0084000008"), "9000").await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn silent(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    hand.put("transport").await;
    client.text(read_once("a")).await;
    hand.fault("silence").await;
    client.send(batch("b", &[SELECT_TRANSPORT, READ_PUBLIC])).await;
    daemon.was_asked("sendCPUCardApduCommands", 1).await;
    pause().await;
    // Waits for the other's end.
    other.send(command("a", READ_PUBLIC)).await;
    daemon.was_asked("sendCPUCardCommand", 1).await;
    pause().await;
    hand.lift().await;
    client.fails("失败:-2").await;
    assert_eq!(other.succeeds().await["data"]["nfc_resultInfo"], "-1");
    hand.put("transport").await;
    client.says(command("c", "0084000008"), "-2").await;
    hand.fault("none").await;
    client.says_at_last(command("d", "0084000008"), "9000").await;
    for client in [client, other] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}

async fn occupied(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut other) = (daemon.unix().await, daemon.ws().await);
    let mut hand = Hand::at("cpu_card", daemon.tcp().await);
    hand.put("transport").await;
    hand.fault("occupied").await;
    client.says(read_once("a"), "-2").await;
    client.says(command("b", "0084000008"), "-2").await;
    hand.fault("none").await;
    client.text(read_once("c")).await;
    hand.fault("occupied").await;
    client.send(command("d", "0084000008")).await;
    daemon.was_asked("sendCPUCardCommand", 2).await;
    pause().await;
    other.send(batch("a", &["0084000008"])).await;
    daemon.was_asked("sendCPUCardApduCommands", 1).await;
    tokio::time::sleep(std::time::Duration::from_millis(900)).await;
    // In time for both.
    hand.fault("none").await;
    client.succeeds().await;
    other.succeeds().await;
    for client in [client, other] {
        client.leave().await;
    }
    hand.leave().await;
    daemon.stop().await;
}

async fn unplugged(stage: Stage) {
    let mut daemon = stage.start(CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    client.on("bridgeDevices").await;
    client.hears("bridgeDevices").await;
    hand.put("transport").await;
    client.says_at_last(command("a", SELECT_TRANSPORT), "9000").await;
    hand.fault("unplug").await;
    client.hears("bridgeDevices").await;
    client.says(read_once("b"), "-1").await;
    client.says(command("c", READ_PUBLIC), "-1").await;
    client.batch_ends(batch("d", &[READ_PUBLIC]), "失败:-1", 0).await;
    hand.fault("none").await;
    client.hears("bridgeDevices").await;
    // The card has lain there all the time, and lost its power with the reader.
    client.says(command("e", READ_PUBLIC), "6A82").await;
    client.text(read_once("f")).await;
    hand.fault("unplug").await;
    client.hears("bridgeDevices").await;
    hand.lift().await;
    hand.fault("none").await;
    client.hears("bridgeDevices").await;
    client.says(read_once("g"), "-2").await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn forbidden(stage: Stage) {
    let sections = format!("{CPU_CARD}raw_apdus = false\n{PSAM}denied_apdus = [\"80 1A\"]\n");
    let mut daemon = stage.start(&sections).await;
    daemon.ready("cpu_card", 1).await;
    daemon.ready("psam", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("cpu_card", daemon.tcp().await));
    hand.put("transport").await;
    client.text(read_once("a")).await;
    client.text(cold_reset("b", 1)).await;
    let several = ["0084000008", "801A280108FF00000000000000"];
    let to_psam = json!({"commandApdus": several, "type": 2});
    for refused in [
        command("c", "0084000008"),
        batch("d", &["0084000008"]),
        sam_command("e", 1, "801A280108FF00000000000000"),
        with("sendCPUCardApduCommands", "f", to_psam),
    ] {
        client.send(refused).await;
        client.fails_as("forbidden").await;
    }
    client.says_at_last(sam_command("g", 1, "0084000008"), "9000").await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn not_configured(stage: Stage) {
    let daemon = stage.start("").await;
    let mut client = daemon.unix().await;
    for request in [
        read_once("a"),
        command("b", "0084000008"),
        batch("c", &["0084000008"]),
        sam_command("d", 2, "0084000008"),
        cold_reset("e", 1),
        with("startCPUCardLoopRead", "f", json!({})),
        with("getSocialSecurityCardInfo", "g", json!({})),
        with("socialSecurityCardConfig", "h", json!({})),
        with("startBuzzer", "i", json!({"beep": 50})),
    ] {
        client.send(request).await;
        client.fails_as("device_unavailable").await;
    }
    client.send(with("stopCPUCardLoopRead", "j", json!({}))).await;
    client.succeeds().await;
    client.leave().await;
    daemon.stop().await;
}
