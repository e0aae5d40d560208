//! Cards over a real pcscd: CPU card, PSAM, social-security card, the reader's beeper.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fixture::{Client, Daemon, hharome, kind, soon};
use crate::pcscd::{FarCard, FarReader, Pcscd, Reply};

/// The readers of all tests here: a contactless one, and one with two SAM slots.
const READERS: [(&str, usize); 2] = [("Example CL Contactless", 1), ("Example Dual SAM", 2)];

/// What a kiosk with them has configured.
const SECTIONS: &str = "[cpu_card]\ndriver = \"pcsc\"\nreader = \"*Contactless*\"\n\
    [psam]\ndriver = \"pcsc\"\nslots = [\"*SAM* 00\", \"*SAM* 01\"]\n";

/// The contactless form of PC/SC part 3 with eleven historical bytes, without its check byte, and
/// the ATS of the card: the protocol's own example.
const ATR: [u8; 15] = [0x3B, 0x8B, 0x80, 0x01, 0x20, 0x90, 0, 0, 0, 0, 0, 0x2E, 0x20, 0x41, 0x9F];
const ATS: [u8; 16] =
    [0x10, 0x78, 0x80, 0x90, 0x02, 0x20, 0x90, 0, 0, 0, 0, 0, 0x2E, 0x20, 0x41, 0x9F];

/// A contact card of T=0 with two historical bytes.
const SAM_ATR: [u8; 4] = [0x3B, 0x02, 0x53, 0x41];

/// A kiosk and its readers.
pub(crate) struct Kiosk {
    pub(crate) daemon: Daemon,
    pub(crate) pcscd: Pcscd,
}

impl Kiosk {
    pub(crate) async fn start(sections: &str) -> Self {
        let pcscd = Pcscd::start(&READERS);
        let folder = TempDir::new().expect("a folder");
        let daemon = daemon(folder, &pcscd, sections).await;
        Self { daemon, pcscd }
    }

    /// Puts a card on the contactless reader.
    pub(crate) fn put(&self, answer: impl FnMut(&[u8]) -> Reply + Send + 'static) -> FarCard {
        FarCard::insert(&self.pcscd.slot_socket(0, 0), &contactless_atr(), Box::new(answer))
    }

    /// Puts a PSAM into this slot, 0 or 1.
    fn put_sam(&self, slot: usize, answer: impl FnMut(&[u8]) -> Reply + Send + 'static) -> FarCard {
        FarCard::insert(&self.pcscd.slot_socket(1, slot), &SAM_ATR, Box::new(answer))
    }

    /// Waits until the device's fact is this.
    pub(crate) async fn fact(&self, device: &str, fact: &str, value: &str) {
        self.daemon.device(device, |told| told["facts"][fact] == value).await;
    }
}

pub(crate) async fn daemon(folder: TempDir, pcscd: &Pcscd, sections: &str) -> Daemon {
    let socket = pcscd.socket();
    let environment = [("PCSCLITE_CSOCK_NAME", socket.as_path())];
    Daemon::start_with(folder, "", sections, &environment).await
}

/// The ATR with its check byte: the exclusive or of all bytes behind the first (ISO/IEC 7816-3,
/// 8.2.5).
fn contactless_atr() -> Vec<u8> {
    let check = ATR.iter().skip(1).fold(0, |check, byte| check ^ byte);
    [&ATR[..], &[check]].concat()
}

/// A card whose reader tells its ATS, and which answers every command with itself and 9000.
pub(crate) fn echo(command: &[u8]) -> Reply {
    Reply::Bytes(match command {
        [0xFF, 0xCA, 0x01, ..] => [&ATS[..], &[0x90, 0]].concat(),
        _ => [command, &[0x90, 0]].concat(),
    })
}

pub(crate) async fn ask(client: &mut Client, action: &str, params: Value) -> Value {
    let frame = json!({"action": action, "event": "open", "taskId": "15", "params": params});
    client.ask(&frame.to_string()).await
}

pub(crate) async fn command(client: &mut Client, apdu: &str) -> Value {
    let reply = ask(client, "sendCPUCardCommand", json!({"commandApdu": apdu, "type": 1})).await;
    assert_eq!(reply["success"], true, "{reply}");
    reply["data"]["nfc_resultInfo"].clone()
}

async fn batch(client: &mut Client, apdus: &[&str]) -> Value {
    ask(client, "sendCPUCardApduCommands", json!({"commandApdus": apdus, "type": "1"})).await
}

async fn read_once(client: &mut Client) -> Value {
    let reply = ask(client, "readOnceCPUCardInfo", json!({})).await;
    assert_eq!((&reply["success"], &reply["message"]), (&json!(true), &json!("成功")), "{reply}");
    reply["data"]["nfc_cardInfo"].clone()
}

#[tokio::test]
async fn a_card_is_powered_up_and_answers_commands_in_upper_case_hex() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let mut client = kiosk.daemon.unix().await;
    assert_eq!(read_once(&mut client).await, "-2");
    let _card = kiosk.put(echo);
    kiosk.fact("cpu_card", "card", "present").await;
    assert_eq!(read_once(&mut client).await, "1078809002209000000000002E20419F");
    assert_eq!(command(&mut client, "00 84 00 00 08").await, "00840000089000");
    assert_eq!(command(&mut client, "80ca0000").await, "80CA00009000");
    let told = kiosk.daemon.device("cpu_card", |_| true).await;
    assert_eq!(told["facts"]["reader"], kiosk.pcscd.name(0, 0));
    assert_eq!(told["facts"]["cardInfo"], "ATS");
}

#[tokio::test]
async fn an_ats_that_the_reader_does_not_tell_is_rebuilt_from_the_atr() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let _card = kiosk.put(|_| Reply::Bytes(vec![0x6A, 0x81]));
    kiosk.fact("cpu_card", "card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    // TL, T0 without interface bytes and with the smallest frame size, historical bytes.
    assert_eq!(read_once(&mut client).await, "0D02209000000000002E20419F");
    let told = kiosk.daemon.device("cpu_card", |_| true).await;
    assert_eq!(told["facts"]["cardInfo"], "rebuilt from the ATR");
}

#[tokio::test]
async fn a_batch_ends_at_the_first_status_word_that_is_not_9000() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let card = kiosk.put(|command: &[u8]| match command {
        [_, 0xB0, ..] => Reply::Bytes(vec![0x6A, 0x82]),
        _ => echo(command),
    });
    kiosk.fact("cpu_card", "card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    let reply = batch(&mut client, &["0084000008", "00B0000000", "0084000004"]).await;
    assert_eq!((&reply["success"], &reply["message"]), (&json!(false), &json!("失败:-100")));
    assert_eq!(reply["data"], json!({"nfc_commandResults": ["00840000089000", "6A82"]}));
    assert!(!card.commands().contains(&vec![0, 0x84, 0, 0, 4]));
    let reply = batch(&mut client, &["0084000008", "0084000004"]).await;
    assert_eq!((&reply["success"], &reply["message"]), (&json!(true), &json!("成功")));
    assert_eq!(reply["data"], json!({"nfc_commandResults": ["00840000089000", "00840000049000"]}));
}

#[tokio::test]
async fn a_card_taken_away_in_a_batch_leaves_the_answers_before() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let _card = kiosk.put(|command: &[u8]| match command {
        [_, 0xB0, ..] => Reply::Vanish,
        _ => echo(command),
    });
    kiosk.fact("cpu_card", "card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    let reply = batch(&mut client, &["0084000008", "00B0000000", "0084000004"]).await;
    assert_eq!((&reply["success"], &reply["message"]), (&json!(false), &json!("失败:-2")));
    assert_eq!(reply["data"], json!({"nfc_commandResults": ["00840000089000"]}));
    kiosk.fact("cpu_card", "card", "none").await;
    let reply = batch(&mut client, &["0084000008"]).await;
    assert_eq!(reply["message"], "失败:-1");
    assert_eq!(reply["data"], json!({"nfc_commandResults": []}));
    assert_eq!(command(&mut client, "0084000008").await, "-1");
}

#[tokio::test]
async fn answers_of_any_length_are_handed_on_or_are_errors() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let _card = kiosk.put(|command: &[u8]| match command {
        [_, 0x01, ..] => Reply::Bytes(Vec::new()),
        [_, 0x02, ..] => Reply::Bytes(vec![0x90]),
        [_, 0x03, ..] => Reply::Bytes([vec![0xAB; 65_533], vec![0x90, 0]].concat()),
        // A chain of four pieces, the first with data beside its 61xx.
        [_, 0x04, ..] => Reply::Bytes(vec![1, 2, 0x61, 2]),
        [_, 0xC0, _, _, 2] => Reply::Bytes(vec![3, 4, 0x61, 1]),
        [_, 0xC0, _, _, 1] => Reply::Bytes(vec![5, 0x90, 0]),
        // The right length is told after a wrong one.
        [_, 0x05, _, _, 3] => Reply::Bytes(vec![7, 8, 9, 0x90, 0]),
        [_, 0x05, ..] => Reply::Bytes(vec![0x6C, 3]),
        [_, 0x06, ..] => Reply::Bytes(vec![0x61, 0]),
        [_, 0xC0, _, _, 0] => Reply::Bytes(vec![0x61, 0]),
        _ => echo(command),
    });
    kiosk.fact("cpu_card", "card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    assert_eq!(command(&mut client, "0001000000").await, "-2");
    assert_eq!(command(&mut client, "0002000000").await, "-2");
    let long = command(&mut client, "00030000000000").await;
    assert_eq!(long, format!("{}9000", "AB".repeat(65_533)));
    assert_eq!(command(&mut client, "0004000000").await, "01020304059000");
    assert_eq!(command(&mut client, "00050000FF").await, "0708099000");
    // For ever.
    assert_eq!(command(&mut client, "0006000000").await, "-2");
    assert_eq!(command(&mut client, "0084000008").await, "00840000089000");
}

#[tokio::test]
async fn polling_tells_of_a_card_when_it_comes_and_of_its_absence_when_asked() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let mut client = kiosk.daemon.unix().await;
    let params = json!({"intervalTime": "100", "isComeBackFailed": true});
    let reply = ask(&mut client, "startCPUCardLoopRead", params).await;
    assert_eq!((&reply["message"], &reply["data"]), (&json!("成功"), &json!({})));
    let none = json!({"channel": "CPUCardListener", "data": {"nfc_cardInfo": "", "code": -1}});
    let some = json!({
        "channel": "CPUCardListener",
        "data": {"nfc_cardInfo": "1078809002209000000000002E20419F", "code": 0}
    });
    assert_eq!([client.next().await, client.next().await], [none.clone(), none.clone()]);
    let card = kiosk.put(echo);
    let mut event = client.next().await;
    while event == none {
        event = client.next().await;
    }
    assert_eq!([event, client.next().await], [some.clone(), some.clone()]);
    card.remove();
    let mut event = client.next().await;
    while event == some {
        event = client.next().await;
    }
    assert_eq!(event, none);
    client.send(&json!({"action": "stopCPUCardLoopRead", "taskId": "16"}).to_string()).await;
    let mut reply = client.next().await;
    while reply == none {
        reply = client.next().await;
    }
    assert_eq!((&reply["taskId"], &reply["message"]), (&json!("16"), &json!("成功")));
    // Only other connections' polling goes on now.
    let mut other = kiosk.daemon.unix().await;
    let reply = ask(&mut other, "startCPUCardLoopRead", json!({"intervalTime": 60_000})).await;
    assert_eq!(reply["success"], true);
    let _card = kiosk.put(echo);
    assert_eq!(other.next().await, some);
    client.nothing_came().await;
}

#[tokio::test]
async fn a_psam_is_reset_cold_and_answers_commands_in_its_slot() {
    let kiosk = Kiosk::start(SECTIONS).await;
    let (one, two) = (kiosk.put_sam(0, echo), kiosk.put_sam(1, echo));
    kiosk.fact("psam", "slot1.card", "present").await;
    kiosk.fact("psam", "slot2.card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    for (slot, sam, other) in [(1, &one, &two), (2, &two, &one)] {
        let (before, others) = (sam.controls().len(), other.controls());
        let reply = ask(&mut client, "psamCardColdReset", json!({"slot": slot})).await;
        assert_eq!(reply["data"], json!({"nfc_resultInfo": "3B025341"}), "{reply}");
        // Off and on again.
        let controls = sam.controls().split_off(before);
        assert!(controls.windows(2).any(|two| two == [0, 1]), "{controls:?}");
        assert_eq!(other.controls(), others);
        let params = json!({"commandApdu": "0084000008", "type": "2", "slot": slot});
        let reply = ask(&mut client, "sendCPUCardCommand", params).await;
        assert_eq!(reply["data"], json!({"nfc_resultInfo": "00840000089000"}), "{reply}");
    }
    two.remove();
    kiosk.fact("psam", "slot2.card", "none").await;
    let reply = ask(&mut client, "psamCardColdReset", json!({"slot": 2})).await;
    assert_eq!((&reply["success"], &reply["data"]["nfc_resultInfo"]), (&json!(true), &json!("-2")));
}

#[tokio::test]
async fn commands_that_the_policy_refuses_do_not_reach_a_card() {
    let policy = "raw_apdus = false\n[psam]\ndriver = \"pcsc\"\nslots = [\"*SAM* 00\"]\n";
    let sections = SECTIONS.split_once("[psam]").expect("it has a PSAM").0.to_owned() + policy;
    let mut kiosk = Kiosk::start(&sections).await;
    let (card, sam) = (kiosk.put(echo), kiosk.put_sam(0, echo));
    kiosk.fact("cpu_card", "card", "present").await;
    kiosk.fact("psam", "slot1.card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    let params = json!({"commandApdu": "0084000008", "type": 1});
    let reply = ask(&mut client, "sendCPUCardCommand", params).await;
    assert_eq!(kind(&reply), "forbidden", "{reply}");
    let commands = ["0084000008", "84D4010108C0FFEE00C0FFEE00"];
    let params = json!({"commandApdus": commands, "type": 2});
    let reply = ask(&mut client, "sendCPUCardApduCommands", params).await;
    assert_eq!(kind(&reply), "forbidden", "{reply}");
    let sent = |card: &FarCard| {
        card.commands().into_iter().filter(|command| command.first() != Some(&0xFF)).count()
    };
    assert_eq!((sent(&card), sent(&sam)), (0, 0));
    kiosk.daemon.said("a card command is refused").await;
    let log = kiosk.daemon.log().join("\n");
    assert!(!log.to_uppercase().contains("C0FFEE"), "{log}");
    // The slot that is not configured has no reader.
    let reply = ask(&mut client, "psamCardColdReset", json!({"slot": 2})).await;
    assert_eq!(reply["data"]["nfc_resultInfo"], "-1");
}

#[tokio::test]
async fn a_virtual_social_security_card_is_read_through_pcscd() {
    let sections = "[social_security_card]\ndriver = \"pcsc\"\nreader = \"*Contactless*\"\n";
    let kiosk = Kiosk::start(sections).await;
    kiosk.daemon.ready("social_security_card").await;
    let mut client = kiosk.daemon.unix().await;
    let reply = ask(&mut client, "socialSecurityCardConfig", json!({})).await;
    assert_eq!((&reply["success"], &reply["data"]), (&json!(true), &json!({})), "{reply}");
    client.send(r#"{"action":"getSocialSecurityCardInfo","taskId":"14"}"#).await;
    let socket = kiosk.pcscd.slot_socket(0, 0);
    let _card = virtual_card(kiosk.daemon.folder(), "ssc-2", &socket);
    let (first, second) = (client.next().await, client.next().await);
    let (event, reply) =
        if first["channel"].is_string() { (first, second) } else { (second, first) };
    assert_eq!(event["data"], reply["data"]);
    let data = &reply["data"];
    assert_eq!(data["fullVersion"], "2.00", "{reply}");
    for field in ["cardNumber", "name", "idNumber", "birthDate", "issueDate", "expireDate"] {
        assert_ne!(data[field], "", "{field}");
    }
    assert_eq!(data["address"], "");
}

fn virtual_card(folder: &Path, slug: &str, socket: &Path) -> tokio::process::Child {
    let mut command = hharome(folder);
    command.args(["virtual", "card", slug, "--socket"]).arg(socket);
    command.spawn().expect("it starts")
}

#[tokio::test]
async fn the_readers_beeper_beeps_for_as_long_as_it_can() {
    let sections = "[buzzer]\ndriver = \"pcsc\"\nreader = \"*Contactless*\"\nmodel = \"acs\"\n";
    let pcscd = Pcscd::start(&READERS);
    let heard = Arc::new(Mutex::new(Vec::new()));
    let ear = Arc::clone(&heard);
    let electronics = move |_, command: &[u8]| {
        ear.lock().expect("no test fails in there").push(command.to_vec());
        Some(vec![0xE1, 0, 0, 0, 1, *command.last()?])
    };
    let _reader = FarReader::attach(&pcscd.reader_socket(0), Box::new(electronics));
    let daemon = daemon(TempDir::new().expect("a folder"), &pcscd, sections).await;
    daemon.ready("buzzer").await;
    let mut client = daemon.unix().await;
    let reply = ask(&mut client, "startBuzzer", json!({"beep": "52"})).await;
    assert_eq!((&reply["success"], &reply["data"]), (&json!(true), &json!({})), "{reply}");
    // 52 ms are five units of 10 ms.
    let heard = heard.lock().expect("no test fails in there").clone();
    assert_eq!(heard, [[0xE0, 0, 0, 0x28, 1, 5]]);
}

#[tokio::test]
async fn a_reader_that_is_pulled_out_answers_its_codes_and_comes_back() {
    let mut kiosk = Kiosk::start(SECTIONS).await;
    kiosk.daemon.ready("cpu_card").await;
    kiosk.pcscd.unplug(0);
    kiosk.daemon.device("cpu_card", |told| told["state"] == "absent").await;
    let mut client = kiosk.daemon.unix().await;
    assert_eq!(read_once(&mut client).await, "-1");
    assert_eq!(command(&mut client, "0084000008").await, "-1");
    kiosk.pcscd.plug(0);
    // pcscd looks at a reader that had nothing in it anew when there is something.
    let _card = kiosk.put(echo);
    kiosk.daemon.ready("cpu_card").await;
    kiosk.fact("cpu_card", "card", "present").await;
    assert_eq!(command(&mut client, "0084000008").await, "00840000089000");
}

#[tokio::test]
async fn pcscd_may_be_killed_and_started_again() {
    let mut kiosk = Kiosk::start(SECTIONS).await;
    let card = kiosk.put(echo);
    kiosk.fact("cpu_card", "card", "present").await;
    let mut client = kiosk.daemon.unix().await;
    assert_eq!(command(&mut client, "0084000008").await, "00840000089000");
    kiosk.pcscd.kill();
    drop(card);
    let told = kiosk.daemon.device("cpu_card", |told| told["state"] == "absent").await;
    assert!(told["lastError"].as_str().expect("a text").contains("pcscd"), "{told}");
    assert_eq!(command(&mut client, "0084000008").await, "-1");
    assert_eq!(batch(&mut client, &["0084000008"]).await["message"], "失败:-1");
    let params = json!({"slot": 1});
    let reply = ask(&mut client, "psamCardColdReset", params).await;
    assert_eq!(reply["data"]["nfc_resultInfo"], "-1");
    kiosk.pcscd.restart();
    kiosk.daemon.ready("cpu_card").await;
    let _card = kiosk.put(echo);
    kiosk.fact("cpu_card", "card", "present").await;
    assert_eq!(read_once(&mut client).await, "1078809002209000000000002E20419F");
}

#[tokio::test]
async fn pcscd_need_not_be_there_when_the_daemon_starts() {
    let mut pcscd = Pcscd::not_started(&READERS);
    let daemon = daemon(TempDir::new().expect("a folder"), &pcscd, SECTIONS).await;
    let told = daemon.device("cpu_card", |told| told["state"] == "absent").await;
    assert!(told["lastError"].as_str().expect("a text").contains("pcscd"), "{told}");
    pcscd.restart();
    soon("the reader is found", daemon.ready("cpu_card")).await;
    tokio::time::timeout(Duration::from_secs(10), daemon.ready("psam")).await.expect("so is this");
}
