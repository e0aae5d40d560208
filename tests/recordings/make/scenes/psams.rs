//! Scenes of PSAMs, and of the beeper.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use serde_json::{Value, json};

use super::chips::{BUZZER, Hand, PSAM, READ_TERMINAL, cold_reset, sam_command, with};
use super::client::Client;
use super::{Scene, Stage, pause};

/// The working key from a diversifier, and data that it enciphers.
const INIT: &str = "801A280108FF00000000000000";
const ENCIPHER: &str = "80FA0000080001020304050607";

/// What of these, and of a key, is data.
pub(super) const DATA: [&str; 3] =
    ["FF00000000000000", "0001020304050607", "0102030405060708090A0B0C0D0E0F"];

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "psam_cold_reset",
            "`psamCardColdReset` of both slots, of an empty one (-2), of a mute one, and where the \
             reader is unplugged (-1)",
            resets,
        ),
        Scene::new(
            "psam_commands",
            "commands to both PSAMs, which are T=0 cards: `61xx` and `6Cxx` are followed, each slot \
             has a session of its own, and a cold reset closes what was open",
            commands,
        ),
        Scene::new(
            "psam_write_key_forbidden",
            "keys are not written unless the configuration says so: `forbidden`, in batches too",
            write_key,
        ),
        Scene::new(
            "buzzer",
            "`startBuzzer`: short ones, one that takes several commands, wrong params, seventeen \
             at once, and an unplugged reader",
            buzzer,
        ),
        Scene::new(
            "buzzer_program",
            "a program that beeps: `startBuzzer` is answered when it has ended",
            buzzer_program,
        ),
    ]
}

async fn resets(stage: Stage) {
    let mut daemon = stage.start(PSAM).await;
    daemon.ready("psam", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("psam", daemon.tcp().await));
    let atr = client.text(cold_reset("a", 1)).await;
    client.says(cold_reset("b", 2), &atr).await;
    client.says(with("psamCardColdReset", "c", json!({"slot": "1"})), &atr).await;
    client.says(with("psamCardColdReset", "d", json!({})), &atr).await;
    client.send(with("psamCardColdReset", "e", json!({"slot": 3}))).await;
    client.fails_as("bad_request").await;
    hand.in_second_slot("lift").await;
    client.says(cold_reset("f", 2), "-2").await;
    client.says(sam_command("g", 2, READ_TERMINAL), "-1").await;
    hand.in_second_slot("put").await;
    client.says(cold_reset("h", 2), &atr).await;
    hand.fault("mute").await;
    client.says(cold_reset("i", 1), "-2").await;
    hand.fault("none").await;
    hand.fault("unplug").await;
    client.says(cold_reset("j", 1), "-1").await;
    client.says(cold_reset("k", 2), &atr).await;
    hand.fault("none").await;
    client.says(cold_reset("l", 1), &atr).await;
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn commands(stage: Stage) {
    let mut daemon = stage.start(PSAM).await;
    daemon.ready("psam", 1).await;
    let mut client = daemon.ws().await;
    // One that was not reset is powered up by its first command.
    client.says_at_last(sam_command("a", 1, READ_TERMINAL), "9000").await;
    client.says_at_last(sam_command("b", 1, "00B0960000"), "9000").await;
    client.text(cold_reset("c", 2)).await;
    for (slot, apdu, end) in [
        (1, ENCIPHER, "6985"),
        (1, INIT, "9000"),
        (2, ENCIPHER, "6985"),
        (1, ENCIPHER, "9000"),
        (2, INIT, "9000"),
        (2, ENCIPHER, "9000"),
        (1, "80FA0000030001FF", "6700"),
        (1, "0084000008", "9000"),
        (2, "0084000000", ""),
        (1, "80340000", "6D00"),
        (1, "FFCA000000", ""),
    ] {
        client.says_at_last(sam_command(format!("{slot}{apdu}"), slot, apdu), end).await;
    }
    let apdus = ["00A40000020016", "00B0000006", INIT, ENCIPHER];
    for slot in ["1", "2"] {
        let params = json!({"commandApdus": apdus, "type": "2", "slot": slot});
        client.batch_ends(with("sendCPUCardApduCommands", slot, params), "成功", 4).await;
    }
    client.text(cold_reset("d", 1)).await;
    client.says(sam_command("e", 1, ENCIPHER), "6985").await;
    client.says_at_last(sam_command("f", 2, ENCIPHER), "9000").await;
    client.leave().await;
    daemon.stop().await;
}

async fn write_key(stage: Stage) {
    const KEY: &str = "80D4010010000102030405060708090A0B0C0D0E0F";
    let mut daemon = stage.start(PSAM).await;
    daemon.ready("psam", 1).await;
    let mut client = daemon.unix().await;
    client.text(cold_reset("a", 1)).await;
    for apdus in [vec![KEY], vec![READ_TERMINAL, KEY], vec!["84d40100", "0084000008"]] {
        for slot in [1, 2] {
            let params = json!({"commandApdus": apdus, "type": 2, "slot": slot});
            client.send(with("sendCPUCardApduCommands", "b", params)).await;
            client.fails_as("forbidden").await;
        }
    }
    client.send(sam_command("c", 1, KEY)).await;
    client.fails_as("forbidden").await;
    client.says_at_last(sam_command("d", 1, INIT), "9000").await;
    client.leave().await;
    daemon.stop().await;
}

async fn beep(client: &mut Client, task: impl Into<Value>, ms: impl Into<Value>) -> Value {
    client.ask(with("startBuzzer", task, json!({"beep": ms.into()}))).await
}

async fn buzzer(stage: Stage) {
    let mut daemon = stage.start(BUZZER).await;
    daemon.ready("buzzer", 1).await;
    let (mut client, mut hand) = (daemon.unix().await, Hand::at("buzzer", daemon.tcp().await));
    for (task, ms) in [("a", json!(50)), ("b", json!("120")), ("c", json!(4)), ("d", json!(3000))] {
        let reply = beep(&mut client, task, ms).await;
        assert_eq!((&reply["success"], &reply["data"]), (&json!(true), &json!({})), "{reply}");
    }
    for wrong in [json!("long"), json!(-1), Value::Null] {
        client.send(with("startBuzzer", "wrong", json!({"beep": wrong}))).await;
        client.fails_as("bad_request").await;
    }
    pause().await;
    for number in 0..20 {
        client.send(with("startBuzzer", number, json!({"beep": 30}))).await;
    }
    let mut refused = 0;
    for _ in 0..20 {
        let reply = client.next().await;
        refused += u32::from(reply["data"]["error"]["kind"] == "device_busy");
    }
    assert!((3..=4).contains(&refused), "{refused} of 20");
    hand.fault("unplug").await;
    let reply = beep(&mut client, "e", 50).await;
    assert_eq!(reply["data"]["error"]["kind"], "device_unavailable", "{reply}");
    hand.fault("none").await;
    daemon.ready("buzzer", 2).await;
    assert_eq!(beep(&mut client, "f", 50).await["success"], true);
    client.leave().await;
    hand.leave().await;
    daemon.stop().await;
}

async fn buzzer_program(stage: Stage) {
    let program = stage.path("beep");
    fs::write(&program, "#!/bin/sh\nsleep 0.1\n").expect("a program");
    fs::set_permissions(&program, Permissions::from_mode(0o700)).expect("a program");
    let path = program.to_str().expect("UTF-8");
    let section = format!("[buzzer]\ndriver = \"program\"\nprogram = [\"{path}\", \"{{ms}}\"]\n");
    let mut daemon = stage.start(&section).await;
    daemon.ready("buzzer", 1).await;
    let mut client = daemon.unix().await;
    for (task, ms) in [("a", 50), ("b", 200)] {
        assert_eq!(beep(&mut client, task, ms).await["success"], true);
    }
    client.leave().await;
    daemon.stop().await;
}
