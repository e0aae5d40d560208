//! Sessions: several clients and programs at one reader.

use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use crate::cards::{Kiosk, ask, command, daemon, echo};
use crate::fixture::within;
use crate::pcscd::Reply;

const SECTIONS: &str = "[cpu_card]\ndriver = \"pcsc\"\nreader = \"*Contactless*\"\n";

#[tokio::test]
async fn a_session_outlives_the_calls_of_others_and_ends_with_its_last_connection() {
    let kiosk = Kiosk::start(SECTIONS).await;
    // Counts the commands since its power-up.
    let mut count = 0;
    let card = kiosk.put(move |command| match command {
        [0, 0x84, ..] => {
            count += 1;
            Reply::Bytes(vec![count, 0x90, 0])
        }
        _ => echo(command),
    });
    kiosk.fact("cpu_card", "card", "present").await;
    let (mut one, mut two) = (kiosk.daemon.unix().await, kiosk.daemon.unix().await);
    let reply = ask(&mut one, "readOnceCPUCardInfo", json!({})).await;
    assert_eq!(reply["success"], true);
    let powered = card.controls();
    assert_eq!(command(&mut one, "0084000008").await, "019000");
    let reply = ask(&mut two, "readOnceCPUCardInfo", json!({})).await;
    assert_eq!(reply["data"]["nfc_cardInfo"], "1078809002209000000000002E20419F");
    assert_eq!(command(&mut two, "0084000008").await, "029000");
    assert_eq!(command(&mut one, "0084000008").await, "039000");
    drop(two);
    assert_eq!(command(&mut one, "0084000008").await, "049000");
    assert_eq!(card.controls(), powered, "nobody has reset it or powered it off");
    drop(one);
    let off = async {
        while card.controls().last() != Some(&0) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    within(Duration::from_secs(4), "the card is powered off", off).await;
}

#[tokio::test]
async fn bridge_reset_ends_a_session_and_so_does_idleness() {
    for (keys, reset) in [("", true), ("session_idle_ms = 200\n", false)] {
        let kiosk = Kiosk::start(&format!("{SECTIONS}{keys}")).await;
        let card = kiosk.put(echo);
        kiosk.fact("cpu_card", "card", "present").await;
        let mut client = kiosk.daemon.unix().await;
        assert_eq!(command(&mut client, "0084000008").await, "00840000089000");
        let powered = card.controls();
        if reset {
            client.ask(r#"{"call":"bridge.reset"}"#).await;
        }
        let off = async {
            while card.controls().len() == powered.len() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        within(Duration::from_secs(4), "the card is powered off", off).await;
        assert_eq!(card.controls().last(), Some(&0));
    }
}

#[tokio::test]
async fn three_clients_at_once_get_their_own_answers_in_order() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let card = kiosk.put(echo);
    kiosk.fact("cpu_card", "card", "present").await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(kiosk.daemon.unix().await);
    }
    for round in 0..20 {
        for (number, client) in clients.iter_mut().enumerate() {
            let apdu = format!("00{number:02X}00{round:02X}");
            let frame = json!({
                "action": "sendCPUCardCommand",
                "taskId": apdu,
                "params": {"commandApdu": apdu, "type": 1}
            });
            client.send(&frame.to_string()).await;
        }
    }
    for (number, client) in clients.iter_mut().enumerate() {
        for round in 0..20 {
            let reply = client.next().await;
            let apdu = format!("00{number:02X}00{round:02X}");
            assert_eq!(reply["taskId"], apdu);
            assert_eq!(reply["data"]["nfc_resultInfo"], format!("{apdu}9000"));
        }
    }
    assert_eq!(card.commands().iter().filter(|command| command[0] == 0).count(), 60);
}

#[tokio::test]
async fn a_card_that_another_program_holds_for_more_than_five_seconds_is_an_error() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let _card = kiosk.put(|command: &[u8]| match command {
        // Not one of the slowest cards.
        [_, 0x20, ..] => Reply::After(Duration::from_secs(7), vec![0x90, 0]),
        _ => echo(command),
    });
    kiosk.fact("cpu_card", "card", "present").await;
    let folder = TempDir::new().expect("a folder");
    let other = daemon(folder, &kiosk.pcscd, SECTIONS).await;
    other.device("cpu_card", |told| told["facts"]["card"] == "present").await;
    let (mut holder, mut client) = (other.unix().await, kiosk.daemon.unix().await);
    // Both have a session; then one program's transaction takes seven seconds.
    assert_eq!(command(&mut holder, "0084000008").await, "00840000089000");
    assert_eq!(command(&mut client, "0084000008").await, "00840000089000");
    let params = json!({"commandApdus": ["0020000000"], "type": 1});
    let frame = json!({"action": "sendCPUCardApduCommands", "taskId": "1", "params": params});
    holder.send(&frame.to_string()).await;
    // The other program's command has to be on its way before ours.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let late = within(Duration::from_secs(7), "an answer", command(&mut client, "0084000008"));
    assert_eq!(late.await, "-2");
    let told = kiosk.daemon.device("cpu_card", |_| true).await;
    assert_eq!(told["state"], "failed");
    let reply = holder.next().await;
    assert_eq!(reply["data"]["nfc_commandResults"], json!(["9000"]), "{reply}");
    // The card is free again.
    assert_eq!(command(&mut client, "0084000008").await, "00840000089000");
    kiosk.daemon.ready("cpu_card").await;
}

#[tokio::test]
async fn a_pcscd_that_hangs_costs_its_calls_and_nothing_else() {
    let kiosk = Kiosk::start(&format!("{SECTIONS}[qr_scanner]\ndriver = \"simulated\"\n")).await;
    let _card = kiosk.put(echo);
    kiosk.fact("cpu_card", "card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    kiosk.pcscd.freeze();
    let params = json!({"commandApdu": "0084000008", "type": 1});
    let frame = json!({"action": "sendCPUCardCommand", "taskId": "1", "params": params});
    client.send(&frame.to_string()).await;
    // All else goes on meanwhile.
    let mut other = kiosk.daemon.unix().await;
    other.send(r#"{"action":"getQRCode","taskId":"2"}"#).await;
    kiosk.daemon.simulate(json!({"device": "qr_scanner", "do": "scan", "text": "A-1"})).await;
    assert_eq!(other.next().await["data"]["qrCode"], "A-1");
    let reply = within(Duration::from_secs(7), "an answer", client.next()).await;
    assert_eq!(reply["data"]["nfc_resultInfo"], "-2", "{reply}");
    kiosk.daemon.device("cpu_card", |told| told["state"] == "failed").await;
    kiosk.pcscd.thaw();
    assert_eq!(command(&mut client, "0084000008").await, "00840000089000");
    kiosk.daemon.ready("cpu_card").await;
}
