//! Hands at card slots: what each gesture does there, and what is said of a wrong one.

use hharome_hardware::port::card::memory::{MemorySlot, memory_slot};
use hharome_hardware::port::card::{
    BoxedSlot, CardPort, Content, FaultKind, Power, in_transaction,
};

use super::*;

const APPLICATION: &[u8] = b"\x00\xA4\x00\x00\x02\xDD\xF1";

fn at_a_slot(usual: &'static str) -> (MemorySlot, Hand) {
    let (port, hand) = memory_slot("the reader");
    (port, Hand::Card(hand, usual))
}

/// One gesture: `verb`, and what it is to be done with, in JSON where it is a card.
fn made(hand: &Hand, verb: &str, with: Option<&str>, slot: Option<u8>) -> Result<(), String> {
    let card = with.filter(|_| verb == "put").map(str::to_owned);
    let card = card.map(|card| RawValue::from_string(card).expect("JSON"));
    let gesture = Gesture {
        verb,
        card: card.as_deref(),
        text: with,
        fault: with,
        slot,
        ..Gesture::default()
    };
    hand.make(&gesture).map_err(|error| error.to_string())
}

#[track_caller]
fn make(hand: &Hand, verb: &str, with: Option<&str>) {
    made(hand, verb, with, None).expect("it is allowed");
}

async fn open(port: &mut MemorySlot) -> BoxedSlot {
    port.open().await.expect("it is there")
}

fn holds(slot: &BoxedSlot, slug: &str) -> bool {
    slot.holds().what == Content::Card(by_slug(slug).expect("a slug").atr())
}

async fn answer(slot: &mut BoxedSlot, command: &'static [u8]) -> Result<Vec<u8>, FaultKind> {
    slot.connect(Power::AsItIs).await.map_err(|fault| fault.kind)?;
    let answered = in_transaction(slot.as_mut(), move |card| card.transmit(command)).await;
    answered.and_then(|(answer, _)| answer).map_err(|fault| fault.kind)
}

#[tokio::test(start_paused = true)]
async fn the_usual_card_or_one_by_name_is_put_in_and_lifted() {
    for usual in ["transport", "ssc-2"] {
        let (mut port, hand) = at_a_slot(usual);
        let slot = open(&mut port).await;
        for (with, slug) in [
            (None, usual),
            (Some("null"), usual),
            (Some("\"psam\""), "psam"),
            (Some("\"ssc-3\""), "ssc-3"),
        ] {
            make(&hand, "put", with);
            assert!(holds(&slot, slug), "{with:?}");
            make(&hand, "lift", None);
            assert_eq!(slot.holds().what, Content::Nothing);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_described_card_has_what_was_said() {
    let (mut port, hand) = at_a_slot("ssc-2");
    let mut slot = open(&mut port).await;
    make(&hand, "put", Some(r#"{"name":"钱七","generation":1,"cardNumber":"Z99000009"}"#));
    assert!(holds(&slot, "ssc-1"));
    assert!(answer(&mut slot, APPLICATION).await.expect("an answer").ends_with(b"\x90\x00"));
    let number = answer(&mut slot, b"\x00\xB2\x07\x28\x0B").await;
    assert_eq!(number.expect("an answer"), b"\x07\x09Z99000009\x90\x00");
}

#[tokio::test(start_paused = true)]
async fn each_fault_of_a_slot_is_seen_there_and_mended() {
    let (mut port, hand) = at_a_slot("ssc-2");
    let mut slot = open(&mut port).await;
    for (fault, kind) in [
        ("silence", FaultKind::Silent),
        ("mute", FaultKind::Mute),
        ("vanish", FaultKind::Removed),
        ("occupied", FaultKind::Occupied),
    ] {
        make(&hand, "put", None);
        make(&hand, "fault", Some(fault));
        assert_eq!(answer(&mut slot, APPLICATION).await, Err(kind), "{fault}");
        make(&hand, "fault", Some("none"));
        make(&hand, "put", None);
        assert!(answer(&mut slot, APPLICATION).await.is_ok(), "{fault}");
    }
    make(&hand, "fault", Some("unplug"));
    assert_eq!(port.open().await.err().map(|fault| fault.kind), Some(FaultKind::NoReader));
    make(&hand, "fault", Some("none"));
    open(&mut port).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_slots_the_first_is_meant_where_none_is_named() {
    let (mut first, hand) = memory_slot("sam 1");
    let (mut second, other) = memory_slot("sam 2");
    let hand = Hand::Sams([hand, other]);
    let (first, second) = (open(&mut first).await, open(&mut second).await);
    made(&hand, "put", None, None).expect("it is allowed");
    assert!(holds(&first, "psam") && second.holds().what == Content::Nothing);
    made(&hand, "put", None, Some(2)).expect("it is allowed");
    made(&hand, "lift", None, Some(1)).expect("it is allowed");
    assert!(holds(&second, "psam") && first.holds().what == Content::Nothing);
    assert_eq!(made(&hand, "put", None, Some(3)), Err("slot: expected 1 or 2".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_beeper_is_only_unplugged_and_plugged_in() {
    let (mut port, hand) = memory_slot("the beeper");
    let hand = Hand::Beeper(hand);
    make(&hand, "fault", Some("unplug"));
    assert!(port.open().await.is_err());
    make(&hand, "fault", Some("none"));
    assert!(port.open().await.is_ok());
    let only = Err("no such fault: expected one of unplug, none".to_owned());
    assert_eq!(made(&hand, "fault", Some("silence"), None), only);
    let verbs = Err("no such verb: expected one of fault".to_owned());
    assert_eq!(made(&hand, "put", None, None), verbs);
}

#[test]
fn a_wrong_gesture_is_told_what_is_allowed_and_never_repeated() {
    let (_port, hand) = at_a_slot("transport");
    let lone = Hand::LoneCard(CardHand::new(), "transport");
    let cards = "no such card: expected one of transport, psam, ssc-1, ssc-2, ssc-3, or an object \
                 that describes a social-security card";
    let no_texts = "card: expected texts that describe a social-security card";
    for (hand, verb, with, words) in [
        (&hand, "jump", None, "no such verb: expected one of put, lift, fault"),
        (&hand, "put", Some("\"secret\""), cards),
        (&hand, "put", Some("7"), cards),
        (&hand, "put", Some("[]"), cards),
        (&hand, "put", Some(r#"{"name":["secret"]}"#), no_texts),
        (&hand, "put", Some(r#"{"birthDate":"secret"}"#), "card: `birthDate`: allowed is YYYYMMDD"),
        (
            &hand,
            "fault",
            Some("secret"),
            "no such fault: expected one of silence, mute, vanish, occupied, unplug, none",
        ),
        (
            &hand,
            "fault",
            None,
            "no such fault: expected one of silence, mute, vanish, occupied, unplug, none",
        ),
        (
            &lone,
            "fault",
            Some("occupied"),
            "no such fault: expected one of silence, mute, vanish, none",
        ),
        (
            &lone,
            "fault",
            Some("unplug"),
            "no such fault: expected one of silence, mute, vanish, none",
        ),
    ] {
        assert_eq!(made(hand, verb, with, None), Err(words.to_owned()), "{verb} {with:?}");
    }
    let unknown = made(&hand, "put", Some(r#"{"nickname":"secret"}"#), None).expect_err("unknown");
    assert!(unknown.contains("nickname") && !unknown.contains("secret"), "{unknown}");
}

#[test]
fn a_hand_at_a_presence_sensor_knows_its_gestures() {
    let (_sensor, hand) = hharome_hardware::infrared::virtual_sensor::VirtualSensor::new(
        hharome_hardware::infrared::virtual_sensor::Model::Ascii,
    );
    let plug = Plug::new();
    let hand = Hand::Sensor(hand, plug.clone());
    for verb in ["come", "go", "pulse"] {
        make(&hand, verb, None);
    }
    make(&hand, "fault", Some("unplug"));
    assert!(!plug.is_in());
    make(&hand, "fault", Some("silence"));
    make(&hand, "fault", Some("none"));
    assert!(plug.is_in());
    let wrong = |verb, with| made(&hand, verb, with, None).expect_err("it is refused");
    assert_eq!(wrong("put", None), "no such verb: expected one of come, go, pulse, fault");
    assert_eq!(
        wrong("fault", Some("mute")),
        "no such fault: expected one of silence, unplug, none"
    );
}

#[test]
fn a_second_screen_is_pulled_out_and_its_display_crashes() {
    use hharome_hardware::screen::virtual_screen::VirtualScreen;
    let (_screen, hand) = VirtualScreen::new();
    let plug = Plug::new();
    let hand = Hand::Screen(hand, plug.clone());
    for fault in ["silence", "unplug"] {
        make(&hand, "fault", Some(fault));
        assert!(plug.is_in(), "{fault}");
    }
    make(&hand, "fault", Some("crash"));
    assert!(!plug.is_in());
    make(&hand, "fault", Some("none"));
    assert!(plug.is_in());
    let allowed = "no such fault: expected one of silence, unplug, crash, none";
    assert_eq!(made(&hand, "fault", Some("refuse"), None), Err(allowed.to_owned()));
    let allowed = "no such verb: expected one of fault";
    assert_eq!(made(&hand, "scan", Some("x"), None), Err(allowed.to_owned()));
}

#[test]
fn a_speech_service_can_be_broken_and_no_more() {
    use hharome_hardware::speech::virtual_server::VirtualServer;
    let (_server, hand) = VirtualServer::new();
    let plug = Plug::new();
    let hand = Hand::Speech(hand, plug.clone());
    for fault in ["silence", "refuse", "unplug"] {
        make(&hand, "fault", Some(fault));
    }
    assert!(!plug.is_in());
    make(&hand, "fault", Some("none"));
    assert!(plug.is_in());
    let allowed = "no such fault: expected one of silence, refuse, unplug, none";
    assert_eq!(made(&hand, "fault", Some("vanish"), None), Err(allowed.to_owned()));
    let allowed = "no such verb: expected one of fault";
    assert_eq!(made(&hand, "scan", Some("x"), None), Err(allowed.to_owned()));
}
