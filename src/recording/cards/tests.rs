//! Every event goes to a line and comes back as it was.

use proptest::prelude::*;

use super::*;
use crate::recording::format::PortLine;

fn any_fault() -> impl Strategy<Value = CardFault> {
    let kind = prop::sample::select(FAULTS.map(|(_, kind)| kind).to_vec());
    (kind, ".{0,40}").prop_map(|(kind, detail)| CardFault { kind, detail })
}

fn any_atr() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..=33)
}

fn any_holds() -> impl Strategy<Value = Holds> {
    let what =
        prop_oneof![Just(Content::Nothing), any_atr().prop_map(Content::Card), Just(Content::Mute)];
    (what, any::<u64>()).prop_map(|(what, number)| Holds { what, number })
}

fn any_event() -> impl Strategy<Value = CardEvent> {
    let power = || prop::sample::select(vec![Power::AsItIs, Power::Warm, Power::Cold]);
    let protocol = prop::sample::select(vec![Protocol::T0, Protocol::T1]);
    let powered = (any_atr(), protocol).prop_map(|(atr, protocol)| Powered { atr, protocol });
    let end = prop::sample::select(vec![End::Leave, End::Unpower]);
    prop_oneof![
        ".{0,40}".prop_map(CardEvent::Opened),
        any_fault().prop_map(CardEvent::NotOpened),
        any_holds().prop_map(CardEvent::Holds),
        any_fault().prop_map(CardEvent::Gone),
        power().prop_map(CardEvent::Connect),
        powered.prop_map(CardEvent::Connected),
        any_fault().prop_map(CardEvent::NotConnected),
        Just(CardEvent::Begin),
        Just(CardEvent::Begun),
        any_fault().prop_map(CardEvent::NotBegun),
        any_fault().prop_map(CardEvent::Unanswered),
        any::<bool>().prop_map(CardEvent::Ended),
        end.prop_map(CardEvent::Disconnect),
        Just(CardEvent::Escape),
        Just(CardEvent::Closed),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn every_event_comes_back_as_it_went(written in any_event()) {
        let text = serde_json::to_string(&line(&written)).unwrap();
        prop_assert!(!text.contains('\n'));
        let read: CardLine = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(event(read).unwrap(), Some(written));
    }
}

#[track_caller]
fn check(event: CardEvent, text: &str) {
    assert_eq!(serde_json::to_string(&line(&event)).unwrap(), text);
}

#[test]
fn the_words_are_those_of_the_format() {
    let atr = vec![0x3B, 0x8F, 0x80, 0x01];
    check(CardEvent::Opened("R 00 01".to_owned()), r#"{"opened":"R 00 01"}"#);
    let fault = CardFault::new(FaultKind::NoService, "pcscd is not there");
    let text = r#"{"notOpened":{"kind":"noService","detail":"pcscd is not there"}}"#;
    check(CardEvent::NotOpened(fault), text);
    let holds = Holds { what: Content::Card(atr.clone()), number: 7 };
    let text = r#"{"holds":{"what":"card","atr":"3B8F8001","number":7}}"#;
    check(CardEvent::Holds(holds), text);
    let text = r#"{"holds":{"what":"nothing","number":7}}"#;
    check(CardEvent::Holds(Holds { what: Content::Nothing, number: 7 }), text);
    check(CardEvent::Connect(Power::AsItIs), r#"{"connect":"asItIs"}"#);
    let powered = Powered { atr, protocol: Protocol::T1 };
    let text = r#"{"connected":{"atr":"3B8F8001","protocol":"T=1"}}"#;
    check(CardEvent::Connected(powered), text);
    check(CardEvent::Begin, r#"{"begin":true}"#);
    check(CardEvent::Begun, r#"{"begun":true}"#);
    check(CardEvent::Ended(false), r#"{"ended":{}}"#);
    check(CardEvent::Ended(true), r#"{"ended":{"renewed":true}}"#);
    check(CardEvent::Disconnect(End::Unpower), r#"{"disconnect":"unpower"}"#);
    check(CardEvent::Escape, r#"{"escape":true}"#);
}

#[test]
fn what_is_not_known_is_passed_over_and_what_cannot_be_is_damage() {
    let read = |text: &str| event(serde_json::from_str(text).unwrap());
    assert_eq!(read(r#"{"swallowed":{"kind":"whole"}}"#), Ok(None));
    assert_eq!(read(r#"{"begin":true,"by":"me"}"#), Ok(Some(CardEvent::Begin)));
    for (text, key) in [
        (r#"{"connect":"hot"}"#, "card.connect:"),
        (r#"{"connected":{"atr":"3","protocol":"T=1"}}"#, "card.connected.atr "),
        (r#"{"connected":{"atr":"3B","protocol":"T=2"}}"#, "card.connected.protocol:"),
        (r#"{"holds":{"what":"much","number":1}}"#, "card.holds.what:"),
        (r#"{"holds":{"what":"card","atr":"zz","number":1}}"#, "card.holds.atr "),
        (r#"{"gone":{"kind":"bored","detail":"secret"}}"#, "card.gone.kind:"),
        (r#"{"disconnect":"eject"}"#, "card.disconnect:"),
    ] {
        let words = read(text).unwrap_err();
        assert!(words.starts_with(key), "{text}: {words}");
        assert!(!words.contains("bored") && !words.contains("secret"), "{words}");
    }
}

#[test]
fn the_documents_examples_have_every_kind_of_event() {
    let document = include_str!("../../../docs/recording.md");
    let lines = document.lines().filter(|line| line.starts_with('{') && line.contains("\"card\""));
    let kinds: std::collections::BTreeSet<_> = lines
        .filter_map(|line| serde_json::from_str::<PortLine>(line).unwrap().card)
        .map(|line| std::mem::discriminant(&event(line).unwrap().unwrap()))
        .map(|kind| format!("{kind:?}"))
        .collect();
    assert_eq!(kinds.len(), 15);
}
