//! Scenes of cards in the readers of a real PC/SC service: what only that service and other
//! programs at it bring about.

use std::time::Duration;

use hharome_hardware::buzzer::models::Family;
use hharome_hardware::buzzer::virtual_buzzer;
use hharome_hardware::port::card::Protocol;
use hharome_hardware::virtual_card::VirtualCard;
use hharome_hardware::virtual_card::cpu::TransportCard;
use hharome_hardware::virtual_card::psam::Psam;
use hharome_hardware::virtual_card::social_security::{Contents, Generation, SocialSecurityChip};
use serde_json::json;

use super::chips::{
    READ_PUBLIC, READ_TERMINAL, SELECT_TRANSPORT, batch, cold_reset, command, poll, read_once,
    sam_command, social_security, with,
};
use super::pcscd::{FarCard, FarReader, Pcscd, Reply};
use super::social_security::LONG_NAME;
use super::{Scene, Stage, pause};

/// The readers of all scenes here.
const READERS: [(&str, usize); 3] =
    [("Example CL Contactless", 1), ("Example Dual SAM", 2), ("Example Contact", 1)];
const CONTACTLESS: usize = 0;
const SAMS: usize = 1;
const CONTACT: usize = 2;

const CPU_CARD: &str = "[cpu_card]\ndriver = \"pcsc\"\nreader = \"*Contactless*\"\n";
const ONE_SAM: &str = "[psam]\ndriver = \"pcsc\"\nslots = [\"*SAM* 00\"]\n";
const SOCIAL_SECURITY: &str =
    "[social_security_card]\ndriver = \"pcsc\"\nreader = \"Example Contact *\"\n";

pub(super) fn scenes() -> Vec<Scene> {
    vec![
        Scene::new(
            "card_readers_vanishes_in_a_batch",
            "a card in a reader of the real pcscd: a batch that loses it in the middle (-2) keeps \
             the results before it; it is slow, says `61xx` many times over, and takes long commands",
            vanishes_in_a_batch,
        ),
        Scene::new(
            "card_readers_storage_card",
            "a card whose reader tells no ATS, and one that only stores: its ATR is given",
            storage_card,
        ),
        Scene::new(
            "card_readers_one_psam",
            "a PSAM of T=0 in the only slot that is configured; the other slot is -1",
            one_psam,
        ),
        Scene::new(
            "card_readers_social_security",
            "social-security cards of T=0 and T=1: read by tag, by number only, with lengths said \
             twice, without dates",
            by_number,
        ),
        Scene::new(
            "card_readers_taken_away",
            "a social-security card is taken away in the middle of its reading, and put in again, \
             with the stages of the call on `bridgeCalls`",
            taken_away,
        ),
        Scene::new(
            "card_readers_service_restarts",
            "pcscd does not run yet, is started, killed while cards are polled for and waited for, \
             and started again",
            service_restarts,
        ),
        Scene::new(
            "card_readers_other_programs",
            "another program resets the card, which is connected to again, and then holds it for \
             longer than five seconds (-2)",
            other_programs,
        ),
        Scene::new(
            "card_readers_buzzer",
            "the beeper of an ACR122U, known by the reader's name",
            buzzer,
        ),
    ]
}

/// Puts a virtual card into a slot.
fn insert(
    pcscd: &Pcscd,
    reader: usize,
    slot: usize,
    mut card: impl VirtualCard + 'static,
) -> FarCard {
    let atr = card.atr();
    let answer = move |command: &[u8]| Reply::Bytes(card.answer(command));
    FarCard::insert(&pcscd.slot_socket(reader, slot), &atr, Box::new(answer))
}

/// What a card does with a short command whose data it does not understand.
fn echo(command: &[u8]) -> Reply {
    Reply::Bytes(match command {
        // The ATS, of which 4 bytes come at once with a wrong length.
        [0xFF, 0xCA, 0x01, ..] => vec![0x6A, 0x81],
        _ => [command, &[0x90, 0x00]].concat(),
    })
}

async fn vanishes_in_a_batch(stage: Stage) {
    let pcscd = Pcscd::start(&READERS);
    let mut daemon = stage.start_at(&pcscd, CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let mut client = daemon.unix().await;
    client.says(read_once("a"), "-2").await;
    client.send(poll("b", 60_000, false)).await;
    client.succeeds().await;
    let mut card = TransportCard::new();
    let (atr, mut left) = (card.atr(), 0_u16);
    let answer = move |command: &[u8]| match command {
        [0x80, 0x10, ..] => Reply::Vanish,
        [0x80, 0x20, ..] => Reply::After(Duration::from_millis(900), vec![0x90, 0x00]),
        // Two kilobytes and a bit, in pieces; the last of them with a wrong length first.
        [0x80, 0x30, ..] => {
            left = 2100;
            Reply::Bytes(vec![0x61, 0x00])
        }
        [0x00, 0xC0, 0x00, 0x00, length] => {
            let whole = if *length == 0 { 256 } else { u16::from(*length) };
            if whole > left {
                return Reply::Bytes(vec![0x6C, left as u8]);
            }
            left -= whole;
            let status = if left == 0 { [0x90, 0x00] } else { [0x61, left.min(255) as u8] };
            Reply::Bytes([&vec![0x5A; usize::from(whole)][..], &status].concat())
        }
        [0x80, 0x40, ..] => Reply::Bytes([&command[..4], &[0x90, 0x00]].concat()),
        _ => Reply::Bytes(card.answer(command)),
    };
    let far = FarCard::insert(&pcscd.slot_socket(CONTACTLESS, 0), &atr, Box::new(answer));
    client.hears_card(0).await;
    client.says_at_last(command("c", "8020000000"), "9000").await;
    let long = client.text(command("d", "8030000000")).await;
    assert_eq!(long.len(), 2 * (2100 + 2));
    let extended = format!("80400000000200{}", "C5".repeat(512));
    client.says(command("e", &extended), "804000009000").await;
    let apdus = [SELECT_TRANSPORT, "0084000008", "8010000000", READ_PUBLIC];
    client.batch_ends(batch("f", &apdus), "失败:-2", 2).await;
    far.remove();
    daemon.recorded("\"what\":\"nothing\"", 2).await;
    pause().await;
    client.batch_ends(batch("g", &apdus), "失败:-1", 0).await;
    client.leave().await;
    daemon.stop().await;
}

async fn storage_card(stage: Stage) {
    // The example of PC/SC part 3: a MIFARE Classic of 1 KB.
    const STORAGE: &[u8] =
        b"\x3B\x8F\x80\x01\x80\x4F\x0C\xA0\x00\x00\x03\x06\x03\x00\x01\x00\x00\x00\x00\x6A";
    let pcscd = Pcscd::start(&READERS);
    let mut daemon = stage.start_at(&pcscd, CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    let mut client = daemon.unix().await;
    client.send(poll("a", 60_000, false)).await;
    client.succeeds().await;
    let slot = pcscd.slot_socket(CONTACTLESS, 0);
    for (number, atr) in [STORAGE.to_vec(), TransportCard::new().atr()].into_iter().enumerate() {
        let far = FarCard::insert(&slot, &atr, Box::new(echo));
        client.hears_card(0).await;
        pause().await;
        client.text(read_once(number)).await;
        client.says_at_last(command(number, "FFB0000010"), "9000").await;
        far.remove();
        daemon.recorded("\"what\":\"nothing\"", 2 + number).await;
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn one_psam(stage: Stage) {
    let pcscd = Pcscd::start(&READERS);
    let _psam = insert(&pcscd, SAMS, 0, Psam::new());
    let mut daemon = stage.start_at(&pcscd, ONE_SAM).await;
    daemon.ready("psam", 1).await;
    daemon.recorded("\"atr\":\"3B", 1).await;
    pause().await;
    let mut client = daemon.tcp().await;
    client.text(cold_reset("a", 1)).await;
    client.says_at_last(sam_command("b", 1, "00B0960000"), "9000").await;
    client.says(sam_command("c", 1, "801A280108FF00000000000000"), "9000").await;
    client.says_at_last(sam_command("d", 1, "80FA0000080001020304050607"), "9000").await;
    client.says(cold_reset("e", 2), "-1").await;
    client.says(sam_command("f", 2, READ_TERMINAL), "-1").await;
    client.leave().await;
    daemon.stop().await;
}

async fn by_number(stage: Stage) {
    let pcscd = Pcscd::start(&READERS);
    let mut daemon = stage.start_at(&pcscd, SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let mut client = daemon.unix().await;
    let chip = |generation, name: &str| {
        let contents = Contents { name: name.to_owned(), ..Contents::of(generation) };
        SocialSecurityChip::new(&contents).expect("it fits").over(Protocol::T0)
    };
    let undated = Contents {
        issued: String::new(),
        expires: String::new(),
        birth: String::new(),
        ..Contents::of(Generation::Second)
    };
    for (number, chip) in [
        SocialSecurityChip::new(&undated).expect("it fits").strict(),
        chip(Generation::First, "周一"),
        chip(Generation::First, "周一").by_number_only(),
        chip(Generation::Second, LONG_NAME).by_number_only(),
        chip(Generation::Third, ""),
    ]
    .into_iter()
    .enumerate()
    {
        client.send(social_security(number)).await;
        daemon.was_asked("getSocialSecurityCardInfo", number + 1).await;
        pause().await;
        let far = insert(&pcscd, CONTACT, 0, chip);
        client.succeeds().await;
        far.remove();
        daemon.recorded("\"what\":\"nothing\"", 2 + number).await;
        pause().await;
    }
    client.leave().await;
    daemon.stop().await;
}

async fn taken_away(stage: Stage) {
    let pcscd = Pcscd::start(&READERS);
    let mut daemon = stage.start_at(&pcscd, SOCIAL_SECURITY).await;
    daemon.ready("social_security_card", 1).await;
    let mut client = daemon.ws().await;
    client.on("bridgeCalls").await;
    client.send(social_security("a")).await;
    client.hears("bridgeCalls").await;
    pause().await;
    let chip = |generation| SocialSecurityChip::new(&Contents::of(generation)).expect("it fits");
    let mut card = chip(Generation::Second);
    let (atr, mut asked) = (card.atr(), 0);
    let answer = move |command: &[u8]| {
        asked += 1;
        if asked == 7 { Reply::Vanish } else { Reply::Bytes(card.answer(command)) }
    };
    let far = FarCard::insert(&pcscd.slot_socket(CONTACT, 0), &atr, Box::new(answer));
    daemon.recorded("unanswered", 1).await;
    far.remove();
    daemon.recorded("\"what\":\"nothing\"", 2).await;
    pause().await;
    let _far = insert(&pcscd, CONTACT, 0, chip(Generation::Third));
    while client.next().await["taskId"] != "a" {}
    client.leave().await;
    daemon.stop().await;
}

async fn service_restarts(stage: Stage) {
    let mut pcscd = Pcscd::not_started(&READERS);
    let mut daemon = stage.start_at(&pcscd, &format!("{CPU_CARD}{SOCIAL_SECURITY}")).await;
    daemon.says("device not usable", 2).await;
    let (mut client, mut waits) = (daemon.unix().await, daemon.ws().await);
    client.says(read_once("a"), "-1").await;
    client.send(social_security("b")).await;
    client.fails_as("device_unavailable").await;
    client.send(poll("c", 400, true)).await;
    client.succeeds().await;
    client.hears_card(-1).await;
    pcscd.restart();
    daemon.ready("cpu_card", 1).await;
    daemon.ready("social_security_card", 1).await;
    waits.send(social_security("a")).await;
    daemon.was_asked("getSocialSecurityCardInfo", 2).await;
    let far = insert(&pcscd, CONTACTLESS, 0, TransportCard::new());
    while client.hears("CPUCardListener").await["data"]["code"] != 0 {}
    pause().await;
    pcscd.kill();
    waits.fails_as("device_unavailable").await;
    while client.hears("CPUCardListener").await["data"]["code"] == 0 {}
    far.remove();
    pcscd.restart();
    daemon.ready("cpu_card", 2).await;
    daemon.ready("social_security_card", 2).await;
    let _far = insert(&pcscd, CONTACTLESS, 0, TransportCard::new());
    while client.hears("CPUCardListener").await["data"]["code"] != 0 {}
    for client in [client, waits] {
        client.leave().await;
    }
    daemon.stop().await;
}

async fn other_programs(stage: Stage) {
    let pcscd = Pcscd::start(&READERS);
    let mut daemon = stage.start_at(&pcscd, CPU_CARD).await;
    daemon.ready("cpu_card", 1).await;
    // The other program is another bridge.
    let neighbour = stage.beside("neighbour");
    let mut other = neighbour.start_unrecorded_at(&pcscd, CPU_CARD).await;
    other.ready("cpu_card", 1).await;
    let mut card = TransportCard::new();
    let atr = card.atr();
    let answer = move |command: &[u8]| match command {
        [0x80, 0x20, ..] => Reply::After(Duration::from_secs(8), vec![0x90, 0x00]),
        _ => Reply::Bytes(card.answer(command)),
    };
    let _far = FarCard::insert(&pcscd.slot_socket(CONTACTLESS, 0), &atr, Box::new(answer));
    daemon.recorded("\"atr\":\"3B", 1).await;
    pause().await;
    let (mut client, mut theirs) = (daemon.unix().await, other.unix().await);
    client.text(read_once("a")).await;
    client.says_at_last(command("b", SELECT_TRANSPORT), "9000").await;
    theirs.text(read_once("a")).await;
    client.says_at_last(command("c", "0084000008"), "9000").await;
    // Once more: this resets the card.
    theirs.text(read_once("b")).await;
    pause().await;
    client.says_at_last(command("d", "0084000008"), "9000").await;
    theirs.send(command("c", "8020000000")).await;
    other.was_asked("sendCPUCardCommand", 1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    client.says(command("e", "0084000008"), "-2").await;
    theirs.succeeds().await;
    client.says_at_last(command("f", "0084000008"), "9000").await;
    theirs.leave().await;
    client.leave().await;
    other.stop().await;
    daemon.stop().await;
}

async fn buzzer(stage: Stage) {
    const READER: [(&str, usize); 1] = [("ACS ACR122U PICC Interface", 1)];
    let pcscd = Pcscd::start(&READER);
    let (mut escape, _) = virtual_buzzer(Family::Acr122u);
    let electronics = move |_code: u32, command: &[u8]| Some(escape(command));
    let _reader = FarReader::attach(&pcscd.reader_socket(0), Box::new(electronics));
    let sections = "[cpu_card]\ndriver = \"pcsc\"\n[buzzer]\ndriver = \"pcsc\"\n";
    let mut daemon = stage.start_at(&pcscd, sections).await;
    daemon.ready("buzzer", 1).await;
    let mut client = daemon.unix().await;
    for (task, ms) in [("a", 50), ("b", 250), ("c", 1)] {
        client.send(with("startBuzzer", task, json!({"beep": ms}))).await;
        client.succeeds().await;
    }
    client.says(read_once("d"), "-2").await;
    client.leave().await;
    daemon.stop().await;
}
