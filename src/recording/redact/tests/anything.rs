//! What holds for any frame: its structure stays, and no secret does.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hharome_hardware::pseudonym::real_ids;
use hharome_protocol::frame;
use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use super::refused::check_refused_alike;
use super::{EXAMPLES, FrameRedactor, ID, from_client, redactor, skeleton, value};

/// Everything that a text can look like on the wire.
fn forms(secret: &str) -> Vec<String> {
    let escaped = |upper: bool| {
        let unit = |unit: u16| {
            if upper { format!("\\u{unit:04X}") } else { format!("\\u{unit:04x}") }
        };
        secret.encode_utf16().map(unit).collect::<String>()
    };
    let mut forms = vec![secret.to_owned(), escaped(true), escaped(false)];
    for before in ["", "a", "ab"] {
        let encoded = STANDARD.encode(format!("{before}{secret}zz"));
        // Only what holds nothing of its neighbours.
        forms.push(encoded[4..encoded.len() - 8].to_owned());
    }
    forms
}

const SECRETS: [&str; 7] = [
    "诸葛孔明",
    ID,
    "410922199611150054",
    "13912345678",
    "浙江省杭州市余杭区文一西路９６９号",
    "SECRETIVE PERSON",
    "6222021234567890123",
];

#[test]
fn no_secret_is_left_wherever_it_stood_and_however_it_was_written() {
    let keys: Vec<String> = [
        "name",
        "idNum",
        "certNo",
        "address",
        "signingOrganization",
        "birthDate",
        "beginTime",
        "photoBase64",
        "photoWltBase64",
        "imageBase64",
        "voiceContent",
        "qrCode",
        "cardNumber",
        "phone",
        "text",
        "card",
        "person",
        "sex",
        "nation",
        "fullVersion",
        "code",
        "type",
        "infoType",
        "subMessage",
        "eventType",
        "commandApdu",
        "nfc_resultInfo",
        "data",
        "params",
        "extInfo",
        "action",
        "call",
        "on",
        "channel",
        "event",
        "device",
        "do",
        "fault",
        "sn",
        "message",
        "kind",
        "detail",
        "error",
        "token",
        "anything",
        "stage",
        "layout",
    ]
    .map(str::to_owned)
    .into();
    for secret in SECRETS {
        for key in &keys {
            for form in [secret.to_owned(), STANDARD.encode(secret), format!("x{secret}x")] {
                let value = json!({(key.as_str()): form});
                let places = [
                    value.clone(),
                    json!({"action": "speech", "taskId": 1, "params": value}),
                    json!({"call": "bridge.simulate", "params": {"card": value, "text": form}}),
                    json!({"call": "x", "id": value, "params": [[value]]}),
                    json!({"data": value.to_string()}),
                    json!({"channel": "initQRListener", "data": {"list": [value, [form]]}}),
                ];
                for frame in places {
                    let plain = frame.to_string();
                    let escaped = plain.replace(secret, &forms(secret)[1]);
                    let cut = plain[..plain.len() - 1].to_owned();
                    for frame in [plain, escaped, cut] {
                        let redacted = from_client(&frame);
                        for form in forms(secret) {
                            assert!(!redacted.contains(&form), "{form} in {redacted} of {frame}");
                        }
                    }
                }
            }
        }
    }
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        "[0-9X]{15,20}".prop_map(Value::from),
        prop::sample::select(&["getIDCardInfo", "open", "bridge.status", "li-si"][..])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|pairs| Value::Object(pairs.into_iter().collect())),
        ]
    })
}

fn key() -> impl Strategy<Value = String> {
    let known = [
        "action",
        "call",
        "on",
        "event",
        "taskId",
        "id",
        "params",
        "data",
        "name",
        "idNum",
        "code",
        "extInfo",
        "photoBase64",
        "voiceContent",
        "commandApdu",
        "birthDate",
        "beginTime",
        "card",
        "message",
        "res",
        "error",
        "token",
    ];
    prop_oneof![prop::sample::select(known.to_vec()).prop_map(str::to_owned), ".{0,5}"]
}

fn is_json(bytes: &[u8]) -> bool {
    serde_json::from_slice::<IgnoredAny>(bytes).is_ok()
}

proptest! {
    #[test]
    fn any_json_stays_json_of_the_same_structure(json in json_value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&json) } else { serde_json::to_string(&json) };
        let text = text.unwrap();
        for redact in [FrameRedactor::from_client, FrameRedactor::to_client] {
            let Some(redacted) = redact(&redactor(), text.as_bytes()) else { continue };
            prop_assert!(is_json(&redacted));
            let redacted = String::from_utf8(redacted).unwrap();
            prop_assert_eq!(skeleton(&redacted), skeleton(&text));
            prop_assert!(real_ids(&redacted).next().is_none(), "{}", redacted);
            let Some(twice) = redact(&redactor(), redacted.as_bytes()) else { continue };
            prop_assert_eq!(skeleton(std::str::from_utf8(&twice).unwrap()), skeleton(&text));
        }
    }

    #[test]
    fn any_bytes_are_redacted_to_as_many_that_are_refused_alike(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        text in "[\\[\\]{}\":,\\\\ a-zA-Z0-9+.\\-张三\u{1}]{0,40}",
    ) {
        for frame in [bytes.as_slice(), text.as_bytes()] {
            if frame::parse(frame).is_err() {
                check_refused_alike(frame);
            }
            let redacted = redactor().from_client(frame).unwrap();
            prop_assert_eq!(is_json(&redacted), is_json(frame));
            let _ = redactor().to_client(frame);
        }
    }

    #[test]
    fn a_damaged_example_is_refused_alike(
        line in 0usize..76, at in any::<prop::sample::Index>(), by in any::<u8>(), cut: bool,
    ) {
        let example = value(EXAMPLES.lines().nth(line).unwrap());
        let mut frame = example["frame"].to_string().into_bytes();
        let at = at.index(frame.len());
        if cut { frame.truncate(at) } else { frame[at] = by }
        if frame::parse(&frame).is_err() {
            check_refused_alike(&frame);
        }
    }
}
