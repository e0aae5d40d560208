//! Recordings of chip cards: what is on a card is in none, unless it was asked for.

use std::fs;

use hharome_hardware::virtual_card::social_security::Generation;
use serde_json::{Value, json};

use crate::cards::{ask, command};
use crate::fixture::{Client, Daemon, run};
use crate::leaks::{self, Content, Secret};
use crate::recording::record;

const SECTIONS: &str = "[cpu_card]\ndriver = \"simulated\"\n[psam]\ndriver = \"simulated\"\n\
    [social_security_card]\ndriver = \"simulated\"\n\
    [recording]\ndirectory = \"{dir}/recordings\"\n";

/// What is on a card that is described.
const NAME: &str = "欧阳示例";
const NUMBER: &str = "99010320000229002X";

/// Data that is sent to a PSAM.
const DATA: &str = "F0E1D2C3B4A59687";

/// Everything is read that can be, of every card, by a client that stays.
async fn a_day(daemon: &Daemon) -> Client {
    let mut client = daemon.unix().await;
    let put = |device: &str, card: Value| json!({"device": device, "do": "put", "card": card});
    daemon.simulate(put("cpu_card", json!("transport"))).await;
    ask(&mut client, "readOnceCPUCardInfo", json!({})).await;
    for apdu in ["FFCA000000", "FFCA010000", "00A4040008A000000632010105", "00B095001E"] {
        assert!(command(&mut client, apdu).await.as_str().is_some_and(|hex| hex.ends_with("9000")));
    }
    ask(&mut client, "psamCardColdReset", json!({"slot": 2})).await;
    let init = format!("801A280108{DATA}");
    let apdus = ["00B0960006", init.as_str(), "80FA0000080000000000000000"];
    let params = json!({"commandApdus": apdus, "type": 2, "slot": 2});
    let batch = ask(&mut client, "sendCPUCardApduCommands", params).await;
    assert_eq!(batch["success"], true, "{batch}");
    let described = json!({"name": NAME, "idNumber": NUMBER});
    for card in [json!("ssc-1"), json!("ssc-2"), described] {
        daemon.simulate(put("social_security_card", card)).await;
        let reply = ask(&mut client, "getSocialSecurityCardInfo", json!({})).await;
        assert_eq!(reply["success"], true, "{reply}");
    }
    client
}

#[tokio::test]
async fn of_cards_a_recording_holds_nothing_unless_it_is_to_keep_it() {
    let mut secrets = leaks::of_social_security(Generation::First);
    secrets.extend(leaks::of_social_security(Generation::Second));
    secrets.extend(leaks::of_others());
    secrets.extend([Secret::text(NAME), Secret::text(NUMBER), Secret::hex(DATA)]);
    let daemon = Daemon::start("", SECTIONS).await;
    for device in ["cpu_card", "psam", "social_security_card"] {
        daemon.ready(device).await;
    }
    for (name, keep) in [("replaced", false), ("kept", true)] {
        let mut hand = daemon.unix().await;
        let params = json!({"do": "start", "name": name, "keepPersonalData": keep});
        assert_eq!(record(&mut hand, params).await["success"], true);
        let client = a_day(&daemon).await;
        assert_eq!(record(&mut hand, json!({"do": "stop"})).await["success"], true);
        drop(client);
        let folder = daemon.folder().join("recordings").join(name);
        let content = Content::of(&folder);
        for secret in &secrets {
            assert_eq!(secret.is_in(&content), keep, "{name}: {}", secret.what);
        }
        // Either is replayed as it was, strictly.
        let path = folder.to_str().expect("UTF-8");
        let (code, told, words) = run(daemon.folder(), &["replay", "--strict", path]).await;
        assert_eq!(code, 0, "{told}{words}");
        assert_eq!((told + &words).contains("personal data"), keep);
        let (code, _, _) = run(daemon.folder(), &["recording", "lint", path]).await;
        assert_eq!(code, i32::from(keep));
        fs::remove_dir_all(folder).expect("it is there");
    }
}
