//! The params and data of the daemon's own calls.

use super::*;
use crate::testing::{accepted, refused};

#[test]
fn simulate_hands_a_card_through_as_it_came() {
    let json = r#"{"device":"id_card","do":"present","card":{"name": "张三"},"later":1}"#;
    let params: SimulateParams = accepted(json);
    assert_eq!((params.device.as_str(), params.verb.as_str()), ("id_card", "present"));
    assert_eq!(params.card.unwrap().get(), r#"{"name": "张三"}"#);
    assert!(params.text.is_none() && params.fault.is_none());
    assert_eq!(refused::<SimulateParams>(r#"{"device":"x"}"#), "params: missing field `do`");
}

#[test]
fn simulate_may_name_one_of_two_slots() {
    for (slot, expected) in [("1", Some(1)), ("2", Some(2)), ("\"2\"", Some(2)), ("null", None)] {
        let json = format!(r#"{{"device":"psam","do":"put","slot":{slot}}}"#);
        assert_eq!(accepted::<SimulateParams>(&json).slot, expected, "{slot}");
    }
    assert_eq!(accepted::<SimulateParams>(r#"{"device":"psam","do":"put"}"#).slot, None);
    for slot in ["0", "3", "-1", "1.5", "true"] {
        let json = format!(r#"{{"device":"psam","do":"put","slot":{slot}}}"#);
        assert!(refused::<SimulateParams>(&json).starts_with("params.slot: "), "{slot}");
    }
}

#[test]
fn record_knows_three_verbs() {
    for (json, verb) in [
        (r#"{"do":"start","name":"a"}"#, RecordVerb::Start),
        (r#"{"do":"stop"}"#, RecordVerb::Stop),
        (r#"{"do":"status","name":null}"#, RecordVerb::Status),
    ] {
        assert_eq!(accepted::<RecordParams>(json).verb, verb, "{json}");
    }
    assert_eq!(
        refused::<RecordParams>(r#"{"do":"pause"}"#),
        "params.do: expected start, stop or status"
    );
}

#[test]
fn the_keypad_enters_a_number_or_cancels() {
    let params: KeypadParams =
        accepted(r#"{"do":"enter","idNum":"11010519491231002X","request":7}"#);
    assert!(params.request == Some(7));
    assert!(matches!(params.verb, KeypadVerb::Enter { id_num } if id_num == "11010519491231002X"));
    let params: KeypadParams = accepted(r#"{"do":"cancel","request":7}"#);
    assert!(params.request == Some(7) && matches!(params.verb, KeypadVerb::Cancel));
    assert!(accepted::<KeypadParams>(r#"{"do":"cancel"}"#).request.is_none());
    for json in [
        r#"{"do":"enter"}"#,
        r#"{"do":"enter","request":7}"#,
        r#"{"do":"enter","idNum":"11010519491231002X"}"#,
        r#"{"do":"type"}"#,
        "{}",
    ] {
        refused::<KeypadParams>(json);
    }
}

#[test]
fn a_status_is_written_in_camel_case_and_read_back() {
    let status = Status {
        devices: vec![DeviceStatus {
            device: "printer".to_owned(),
            driver: "escpos-serial".to_owned(),
            simulated: false,
            state: DeviceState::Failed,
            since: 1_700_000_000_000,
            last_error: Some("paper end".to_owned()),
            counters: BTreeMap::from([("jobs".to_owned(), 3)]),
            facts: BTreeMap::from([("baud".to_owned(), "9600".to_owned())]),
            cannot: vec!["confirm a print".to_owned()],
        }],
        connections: 2,
        dropped: Dropped { stream_events: 12, clients: 1 },
    };
    let json = serde_json::to_string(&status).unwrap();
    assert_eq!(
        json,
        concat!(
            r#"{"devices":[{"device":"printer","driver":"escpos-serial","simulated":false,"#,
            r#""state":"failed","since":1700000000000,"lastError":"paper end","#,
            r#""counters":{"jobs":3},"facts":{"baud":"9600"},"cannot":["confirm a print"]}],"#,
            r#""connections":2,"dropped":{"streamEvents":12,"clients":1}}"#
        )
    );
    assert_eq!(serde_json::from_str::<Status>(&json).unwrap(), status);
}

#[test]
fn a_call_and_a_job_keep_their_task_as_it_came() {
    let event = CallsEvent {
        action: "getIDCardInfo".to_owned(),
        task_id: serde_json::from_str("1e3").unwrap(),
        stage: CallStage::Waiting,
    };
    let json = serde_json::to_string(&event).unwrap();
    assert_eq!(json, r#"{"action":"getIDCardInfo","taskId":1e3,"stage":"waiting"}"#);
    assert_eq!(serde_json::from_str::<CallsEvent>(&json).unwrap(), event);
    let job = r#"{"id":1,"taskId":"10","outcome":"sent","later":true}"#;
    assert_eq!(serde_json::from_str::<Job>(job).unwrap().outcome, JobOutcome::Sent);
    assert!(serde_json::from_str::<Job>(r#"{"id":1,"taskId":null,"outcome":"sent"}"#).is_err());
}

#[test]
fn the_version_is_an_object() {
    let json = serde_json::to_string(&ProtocolVersion::CURRENT).unwrap();
    assert_eq!(json, r#"{"major":1,"minor":0}"#);
}
