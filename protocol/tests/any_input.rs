//! Whatever a client sends: nothing panics, no good frame is lost, no value reaches an error text.

use bytes::{Bytes, BytesMut};
use hharome_protocol::bridge::{KeypadParams, RecordParams, SimulateParams};
use hharome_protocol::{
    ACTIONS, Action, Failure, Line, LineCodec, NoParams, code, cpu_card, device, face, frame,
    id_card, id_number, infrared, microphone, receipt, screen, social_security, speech,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

/// What stands in every string of the arbitrary JSON below and must not come out again.
const SECRET: &str = "机密";

/// All keys that any params have, so that arbitrary JSON reaches the types behind them.
const KEYS: &[&str] = &[
    "algin",
    "align",
    "appid",
    "beep",
    "bold",
    "card",
    "certName",
    "certNo",
    "certPhotoBase64Str",
    "commandApdu",
    "commandApdus",
    "componentOutId",
    "device",
    "deviceConfig",
    "do",
    "exitApplet",
    "fault",
    "height",
    "hideNavigationBar",
    "hideNotificationBar",
    "hindeNotificationBar",
    "idNum",
    "imageBase64",
    "infoType",
    "intervalTime",
    "isComeBackFailed",
    "isMicrophoneSourceData",
    "isvPid",
    "name",
    "orgOutId",
    "phone",
    "pitch",
    "printList",
    "query",
    "rate",
    "scope",
    "secondaryScreenBase64",
    "serviceId",
    "slot",
    "speechQueue",
    "text",
    "textSize",
    "type",
    "uniqueId",
    "unknown",
    "width",
];

type Read = fn(Option<&RawValue>) -> Option<Failure>;

fn read<P: serde::de::DeserializeOwned>(raw: Option<&RawValue>) -> Option<Failure> {
    frame::params::<P>(raw).err()
}

fn of<A: Action>() -> (&'static str, Read) {
    (A::NAME, read::<A::Params>)
}

fn actions() -> [(&'static str, Read); 32] {
    [
        of::<face::InitFace>(),
        of::<face::GetFaceInfo>(),
        of::<face::GetFaceInfoPersonCard>(),
        of::<face::DoStorageFaceInfo>(),
        of::<id_card::GetIdCardInfo>(),
        of::<id_card::CloseIdCardInfo>(),
        of::<code::GetQrCode>(),
        of::<microphone::StartMicrophoneListener>(),
        of::<microphone::StopMicrophoneListener>(),
        of::<microphone::StartMicrophone>(),
        of::<microphone::StopMicrophone>(),
        of::<microphone::GetMicrophoneState>(),
        of::<device::GetDeviceInfo>(),
        of::<speech::Speech>(),
        of::<speech::SpeechStop>(),
        of::<id_number::EnterIdNumber>(),
        of::<receipt::ReceiptPrinting>(),
        of::<infrared::StartInfraredInductionListener>(),
        of::<infrared::StopInfraredInductionListener>(),
        of::<screen::OpenSecondaryScreen>(),
        of::<screen::CloseSecondaryScreen>(),
        of::<screen::GetSecondaryScreenState>(),
        of::<social_security::GetSocialSecurityCardInfo>(),
        of::<social_security::SocialSecurityCardConfig>(),
        of::<cpu_card::StartCpuCardLoopRead>(),
        of::<cpu_card::StopCpuCardLoopRead>(),
        of::<cpu_card::ReadOnceCpuCardInfo>(),
        of::<cpu_card::SendCpuCardCommand>(),
        of::<cpu_card::SendCpuCardApduCommands>(),
        of::<cpu_card::PsamCardColdReset>(),
        of::<device::StartBuzzer>(),
        of::<device::DeviceConfig>(),
    ]
}

fn arbitrary_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..10_u8).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[`\"', a-z0-9]{0,8}".prop_map(|text| Value::from(format!("{SECRET}, expected {text}"))),
        prop::sample::select(&["", "1", "2.0", "true", "0084000008", "base", "left", "start"][..])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::from),
            btree_map(prop::sample::select(KEYS), inner, 0..12).prop_map(|keys| {
                let keys = keys.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(keys.collect::<Map<_, _>>())
            }),
        ]
    })
}

/// Bytes that are often nearly a frame.
fn arbitrary_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        vec(any::<u8>(), 0..20),
        prop::sample::select(
            &[
                "\n",
                "\r\n",
                " ",
                "{",
                "}",
                "[",
                "\"",
                ":",
                ",",
                "\\ud800",
                "null",
                "1e999",
                "\"action\"",
                "\"event\"",
                "\"taskId\"",
                "\"params\"",
                "\"call\"",
                "\"id\"",
                "\"on\"",
                "\"off\"",
                "\"open\"",
                "{\"action\":\"getQRCode\",\"taskId\":\"1\"}",
            ][..]
        )
        .prop_map(|text| text.as_bytes().to_vec()),
    ];
    vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// The lines that come out when the bytes go in by pieces of these lengths, over and over.
fn decoded(limit: usize, input: &[u8], pieces: &[usize]) -> Vec<Line> {
    let mut codec = LineCodec::new(limit);
    let mut buf = BytesMut::new();
    let mut lines = Vec::new();
    let mut rest = input;
    for length in pieces.iter().cycle() {
        let (piece, after) = rest.split_at(rest.len().min(*length));
        buf.extend_from_slice(piece);
        lines.extend(std::iter::from_fn(|| codec.decode(&mut buf)));
        assert!(buf.len() <= limit + 1, "more is kept than may become a frame");
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    lines
}

/// What should come out, by the words of the interface: split, trim one `\r`, judge.
fn split(limit: usize, input: &[u8]) -> Vec<Line> {
    let mut lines: Vec<&[u8]> = input.split(|byte| *byte == b'\n').collect();
    lines.pop();
    lines
        .into_iter()
        .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
        .filter(|line| line.len() > limit || line.iter().any(|byte| !byte.is_ascii_whitespace()))
        .map(|line| match line.len() > limit {
            true => Line::TooLong,
            false => Line::Frame(Bytes::copy_from_slice(line)),
        })
        .collect()
}

#[test]
fn the_table_of_this_test_is_the_table_of_all_actions() {
    let ours = actions().map(|(name, _)| name);
    assert_eq!(ours, ACTIONS.each_ref().map(|action| action.name));
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_how_the_bytes_were_cut(
        input in arbitrary_bytes(),
        pieces in vec(1..40_usize, 1..12),
        limit in 0..60_usize,
    ) {
        prop_assert_eq!(decoded(limit, &input, &pieces), split(limit, &input));
    }

    #[test]
    fn after_any_bytes_the_next_good_frame_is_read(
        mut input in arbitrary_bytes(),
        pieces in vec(1..40_usize, 1..12),
    ) {
        let good = br#"{"action":"getQRCode","event":"open","taskId":"good"}"#;
        input.extend_from_slice(b"\n");
        input.extend_from_slice(good);
        input.extend_from_slice(b"\n");
        let lines = decoded(good.len(), &input, &pieces);
        prop_assert_eq!(lines.last(), Some(&Line::Frame(Bytes::from_static(good))));
        for line in lines {
            if let Line::Frame(bytes) = line {
                let _ = frame::parse(&bytes);
            }
        }
    }

    #[test]
    fn no_bytes_make_the_parser_panic_and_every_rejection_is_one_line_of_json(
        input in arbitrary_bytes(),
    ) {
        if let Err(rejected) = frame::parse(&input) {
            let line = frame::rejection(frame::ReplyTo::Bare, &rejected);
            prop_assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
            let raw: &RawValue = serde_json::from_slice(&line).unwrap();
            prop_assert!(raw.get().contains("\"success\":false"));
        }
    }

    #[test]
    fn what_a_request_says_is_what_is_read(
        action in ".*", task in ".*", params in arbitrary_json(), close in any::<bool>(),
    ) {
        let event = if close { "close" } else { "open" };
        let sent = serde_json::json!(
            { "action": action, "event": event, "taskId": task, "params": params }
        );
        let text = sent.to_string();
        let Ok(frame::ClientFrame::Action(request)) = frame::parse(text.as_bytes()) else {
            return Err(TestCaseError::fail("no request"));
        };
        prop_assert_eq!(request.action, action.as_str());
        prop_assert_eq!(request.event.as_str(), event);
        prop_assert_eq!(request.task_id, frame::TaskId::from(task.as_str()));
        let params = sent["params"].to_string();
        prop_assert_eq!(request.params.unwrap().get(), params);
    }

    #[test]
    fn no_params_make_an_action_panic_and_no_value_reaches_the_error(json in arbitrary_json()) {
        let raw = to_raw_value(&json).unwrap();
        let bridge: [(&str, Read); 4] = [
            ("bridge.simulate", read::<SimulateParams>),
            ("bridge.record", read::<RecordParams>),
            ("bridge.keypad", read::<KeypadParams>),
            ("bridge.status", read::<NoParams>),
        ];
        for (name, read) in actions().into_iter().chain(bridge) {
            if let Some(failure) = read(Some(&raw)) {
                prop_assert!(!failure.to_string().contains(SECRET), "{name}: {failure}");
                prop_assert!(!failure.data().get().contains(SECRET), "{name}: {failure}");
            }
        }
    }
}
