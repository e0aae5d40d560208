//! The examples of the vendor's document, each one: every request parses to its typed params, and
//! every reply and event is produced from typed values and compares equal.
//!
//! The file `golden/examples.jsonl` is append-only. Whoever appends a line appends its value to
//! [`answers`] (or its action to [`requests`]); a line without one fails the test.
//!
//! Answers compare as JSON after the three normalisations that the protocol states: absent `data`
//! is `{}`; `doStorageFaceInfo`'s `data` is compared decoded; of the two microphone events, whose
//! payloads the document elides, keys and types.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's mistakes may end it")]

use std::collections::BTreeSet;

use bytes::Bytes;
use hharome_protocol::cpu_card::{
    BatchFailure, BatchResults, CardText, CpuCardEvent, CpuCardInfo, CpuCardListener,
    PsamCardColdReset, ReadOnceCpuCardInfo, ResultInfo, SendCpuCardApduCommands,
    SendCpuCardCommand, StartCpuCardLoopRead, StopCpuCardLoopRead, codes,
};
use hharome_protocol::face::{
    DoStorageFaceInfo, FaceInfo, GetFaceInfo, GetFaceInfoPersonCard, InitFace, StorageFailure,
    StorageSuccess, SubCode, ext_info,
};
use hharome_protocol::id_card::{CloseIdCardInfo, GetIdCardInfo, IdCardInfo, InfoParts};
use hharome_protocol::id_number::{EnterIdNumber, TypedIdNumber};
use hharome_protocol::infrared::{
    InductionEvent, InfraredInductionListener, StartInfraredInductionListener,
    StopInfraredInductionListener,
};
use hharome_protocol::microphone::{
    GetMicrophoneState, MicrophoneEvent, MicrophoneListener, MicrophoneState, Recording,
    StartMicrophone, StartMicrophoneListener, StopMicrophone, StopMicrophoneListener,
};
use hharome_protocol::screen::{
    CloseSecondaryScreen, GetSecondaryScreenState, OpenSecondaryScreen, ScreenState,
};
use hharome_protocol::social_security::{
    GetSocialSecurityCardInfo, SocialSecurityCardConfig, SocialSecurityCardInfo,
    SocialSecurityCardListener,
};
use hharome_protocol::speech::{Speech, SpeechStop};
use hharome_protocol::{
    ACTIONS, Action, Channel, ClientFrame, Empty, Envelope, Failure, ReplyTo, Request, TaskId,
    code, device, frame, receipt,
};
use serde_json::{Value, json};

const EXAMPLES: &str = include_str!("golden/examples.jsonl");

/// How one action's request must parse.
type Parses = (&'static str, fn(&Request<'_>) -> Result<(), Failure>);

fn requests() -> [Parses; 32] {
    fn parses<A: Action>() -> Parses {
        (A::NAME, |request| frame::params::<A::Params>(request.params).map(drop))
    }
    [
        parses::<InitFace>(),
        parses::<GetFaceInfo>(),
        parses::<GetFaceInfoPersonCard>(),
        parses::<DoStorageFaceInfo>(),
        parses::<GetIdCardInfo>(),
        parses::<CloseIdCardInfo>(),
        parses::<code::GetQrCode>(),
        parses::<StartMicrophoneListener>(),
        parses::<StopMicrophoneListener>(),
        parses::<StartMicrophone>(),
        parses::<StopMicrophone>(),
        parses::<GetMicrophoneState>(),
        parses::<device::GetDeviceInfo>(),
        parses::<Speech>(),
        parses::<SpeechStop>(),
        parses::<EnterIdNumber>(),
        parses::<receipt::ReceiptPrinting>(),
        parses::<StartInfraredInductionListener>(),
        parses::<StopInfraredInductionListener>(),
        parses::<OpenSecondaryScreen>(),
        parses::<CloseSecondaryScreen>(),
        parses::<GetSecondaryScreenState>(),
        parses::<GetSocialSecurityCardInfo>(),
        parses::<SocialSecurityCardConfig>(),
        parses::<StartCpuCardLoopRead>(),
        parses::<StopCpuCardLoopRead>(),
        parses::<ReadOnceCpuCardInfo>(),
        parses::<SendCpuCardCommand>(),
        parses::<SendCpuCardApduCommands>(),
        parses::<PsamCardColdReset>(),
        parses::<device::StartBuzzer>(),
        parses::<device::DeviceConfig>(),
    ]
}

/// Every reply and event of the file, in its order, written from typed values.
fn answers() -> Vec<Bytes> {
    vec![
        done::<InitFace>("12345"),
        yes::<GetFaceInfo>("2", face("5dc39621fe5a49deb21a87c98876HA21")),
        yes::<GetFaceInfoPersonCard>("7", face("")),
        yes::<DoStorageFaceInfo>(
            "7",
            StorageSuccess::New {
                uid: String::new(),
                ftoken: String::new(),
                auth_code: String::new(),
                vid: String::new(),
                biz_id: String::new(),
            },
        ),
        yes::<DoStorageFaceInfo>(
            "7",
            StorageSuccess::Known { ftoken: String::new(), uid: String::new(), vid: String::new() },
        ),
        no::<DoStorageFaceInfo>(
            "7",
            StorageFailure {
                sub_code: SubCode::REFUSED,
                unique_id: Some("5644040309543232".to_owned()),
            }
            .into(),
        ),
        yes::<GetIdCardInfo>("3", id_card().only(InfoParts::ALL)),
        no::<GetIdCardInfo>("3", Failure::Timeout),
        with_message::<CloseIdCardInfo>("3", "关闭成功", &Empty {}),
        yes::<code::GetQrCode>("1", code::QrCode { qr_code: "11".to_owned() }),
        event::<MicrophoneListener>(MicrophoneEvent::Base64(Bytes::from_static(&[
            7, 0, 7, 0, 7, 0, 7, 0, 7, 0,
        ]))),
        event::<MicrophoneListener>(MicrophoneEvent::SourceBytes(Bytes::from_static(&[
            0x96, 0xff, 0xc2,
        ]))),
        done::<StopMicrophoneListener>("3"),
        done::<StartMicrophone>("1"),
        yes::<StopMicrophone>("1", Recording { voice_content: "11".to_owned() }),
        yes::<GetMicrophoneState>("1", MicrophoneState { listening: true, recording: true }),
        yes::<device::GetDeviceInfo>(
            "4",
            device::DeviceInfo {
                sn: "设备sn".to_owned(),
                device_model: "设备型号".to_owned(),
                app_version: "app版本号".to_owned(),
                android_version: "7.1.2".to_owned(),
                device_ip: "192.168.1.1".to_owned(),
                deviced_display: "设备固件号".to_owned(),
            },
        ),
        done::<Speech>("8"),
        done::<SpeechStop>("8"),
        yes::<EnterIdNumber>(
            "9",
            TypedIdNumber {
                alipay_uid: "2088132815051624".to_owned(),
                ftoken: "fp1142504423f1f6fa7a618313e23919h60".to_owned(),
                ..TypedIdNumber::new("410922199611150054".to_owned())
            },
        ),
        done::<receipt::ReceiptPrinting>("10"),
        done::<StartInfraredInductionListener>("3"),
        event::<InfraredInductionListener>(InductionEvent { somebody: true }),
        done::<StopInfraredInductionListener>("3"),
        done::<OpenSecondaryScreen>("11"),
        done::<CloseSecondaryScreen>("12"),
        yes::<GetSecondaryScreenState>("13", ScreenState::Closed),
        yes::<GetSocialSecurityCardInfo>("14", SocialSecurityCardInfo::default()),
        done::<SocialSecurityCardConfig>("15"),
        event::<SocialSecurityCardListener>(SocialSecurityCardInfo::default()),
        done::<StartCpuCardLoopRead>("15"),
        event::<CpuCardListener>(CpuCardEvent::card(&ATS)),
        done::<StopCpuCardLoopRead>("15"),
        yes::<ReadOnceCpuCardInfo>("15", CpuCardInfo::card(&ATS)),
        yes::<ReadOnceCpuCardInfo>("15", CpuCardInfo::error(codes::INITIALISATION)),
        yes::<SendCpuCardCommand>("15", ResultInfo::answer(&[])),
        yes::<SendCpuCardCommand>("15", ResultInfo::error(codes::INITIALISATION)),
        yes::<SendCpuCardApduCommands>("15", BatchResults { nfc_command_results: batch() }),
        no::<SendCpuCardApduCommands>(
            "15",
            BatchFailure { code: codes::APDU, results: batch() }.into(),
        ),
        yes::<PsamCardColdReset>("15", ResultInfo::answer(&[])),
        yes::<PsamCardColdReset>("15", ResultInfo::error(codes::INITIALISATION)),
        done::<device::StartBuzzer>("15"),
        done::<device::DeviceConfig>("16"),
    ]
}

#[test]
fn every_example_of_the_document_is_read_or_produced() {
    let requests = requests();
    let mut answers = answers().into_iter();
    let mut asked = BTreeSet::new();
    for (number, line) in EXAMPLES.lines().enumerate() {
        let number = number + 1;
        let example: Value = serde_json::from_str(line).unwrap();
        let frame = &example["frame"];
        match example["kind"].as_str().unwrap() {
            "request" => {
                let text = frame.to_string();
                let Ok(ClientFrame::Action(request)) = frame::parse(text.as_bytes()) else {
                    panic!("line {number} is no request")
                };
                let known = requests.iter().find(|(name, _)| *name == request.action);
                let Some((name, parses)) = known else { panic!("line {number} is not covered") };
                if let Err(failure) = parses(&request) {
                    panic!("line {number}, {name}: {failure}");
                }
                assert_eq!(frame["taskId"].to_string(), request.task_id.as_json());
                assert_eq!(frame["event"], request.event.as_str());
                asked.insert(*name);
            }
            "reply" | "event" => {
                let Some(answer) = answers.next() else { panic!("line {number} is not covered") };
                let ours: Value = serde_json::from_slice(&answer).unwrap();
                assert_eq!(normal(ours), normal(frame.clone()), "line {number}");
            }
            other => panic!("line {number} is of a new kind, {other}"),
        }
    }
    assert_eq!(answers.next(), None, "an answer too many");
    assert!(EXAMPLES.lines().count() >= 76, "the file is append-only");
    let all: BTreeSet<_> = ACTIONS.iter().map(|action| action.name).collect();
    assert_eq!(asked, all, "the document has an example of every action");
}

#[test]
fn params_carry_what_the_examples_say() {
    fn params<A: Action>() -> A::Params {
        let example = EXAMPLES
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .find(|example| example["kind"] == "request" && example["frame"]["action"] == A::NAME)
            .unwrap();
        let text = example["frame"].to_string();
        let Ok(ClientFrame::Action(request)) = frame::parse(text.as_bytes()) else {
            panic!("no request")
        };
        frame::params(request.params).unwrap_or_else(|failure| panic!("{failure}"))
    }
    assert_eq!(params::<GetIdCardInfo>().info_type, InfoParts::ALL);
    assert!(!params::<StartMicrophoneListener>().source_bytes);
    assert_eq!(params::<Speech>().text, "要播报的文字内容");
    assert_eq!(params::<StartInfraredInductionListener>().interval_time, 3000);
    assert!(params::<StartCpuCardLoopRead>().report_absence);
    assert_eq!(params::<SendCpuCardCommand>().apdu.as_bytes(), [0, 0x84, 0, 0, 8]);
    assert_eq!(params::<SendCpuCardApduCommands>().apdus.len(), 3);
    assert_eq!(params::<device::StartBuzzer>().beep, 50);
    assert_eq!(
        params::<device::DeviceConfig>().device_config.hide_notification_bar,
        Some(device::Bar::Hide)
    );
    let list = params::<receipt::ReceiptPrinting>().print_list;
    let text = list[0].text.as_ref().unwrap();
    assert_eq!((text.text.as_str(), text.size, text.bold), ("测试文字打印", 26, false));
    let image = list[1].image.as_ref().unwrap();
    assert_eq!((image.width, image.height), (Some(376), Some(376)));
}

/// 16 bytes, as its first one says.
const ATS: [u8; 16] =
    [0x10, 0x78, 0x80, 0x90, 0x02, 0x20, 0x90, 0, 0, 0, 0, 0, 0x2e, 0x20, 0x41, 0x9f];

fn batch() -> Vec<CardText> {
    [
        [0xa8, 0x74, 0x2a, 0x99, 0xcb, 0x4f, 0x90, 0x18, 0x90, 0x00],
        [0xd4, 0xc1, 0x11, 0xa0, 0x28, 0x52, 0xe9, 0xc0, 0x90, 0x00],
        [0x5e, 0x60, 0xc6, 0x4c, 0x6e, 0x43, 0x6e, 0x6a, 0x90, 0x00],
    ]
    .iter()
    .map(|answer| CardText::hex(answer))
    .collect()
}

fn face(auth_code: &str) -> FaceInfo {
    FaceInfo {
        alipay_uid: "2088612116677214".to_owned(),
        code: 1000,
        ext_info: ext_info(auth_code),
        ftoken: "fp19bcc44f3a8be610d4d6833607201ah99".to_owned(),
        isv_result: true,
        sub_code: String::new(),
        sub_message: String::new(),
        vid: String::new(),
    }
}

fn id_card() -> IdCardInfo {
    let some = |text: &str| Some(text.to_owned());
    IdCardInfo {
        name: some("姓名"),
        id_num: some("身份证号"),
        signing_organization: some("杭州市公安局余杭分局"),
        address: some("杭州市XXX"),
        nation: some("汉"),
        sex: some("男"),
        begin_time: some("20230529"),
        end_time: some("20430529"),
        birth_date: some("19800101"),
        photo_base64: some("/9j/4AAQSkZJRgABAgAAAQABABntRS5Sj//"),
        photo_wlt_base64: None,
    }
}

fn done<A: Action<Data = Empty>>(task: &str) -> Bytes {
    yes::<A>(task, Empty {})
}

#[expect(clippy::needless_pass_by_value, reason = "reads as the value that it is")]
fn yes<A: Action>(task: &str, data: A::Data) -> Bytes {
    let data = frame::encode(&data).unwrap();
    enveloped::<A>(task, |envelope| frame::reply(ReplyTo::Bare, envelope, &data))
}

fn with_message<A: Action>(task: &str, message: &str, data: &A::Data) -> Bytes {
    let data = frame::encode(data).unwrap();
    enveloped::<A>(task, |envelope| frame::reply_with(ReplyTo::Bare, envelope, message, &data))
}

fn no<A: Action>(task: &str, failure: Failure) -> Bytes {
    let failure = A::refuse(failure);
    enveloped::<A>(task, |envelope| frame::refusal(ReplyTo::Bare, envelope, &failure))
}

fn enveloped<A: Action>(task: &str, write: impl FnOnce(&Envelope<'_>) -> Bytes) -> Bytes {
    let task = TaskId::from(task);
    let event = A::REPLY_EVENT.unwrap_or("open");
    write(&Envelope { action: A::NAME, event, task_id: Some(&task) })
}

#[expect(clippy::needless_pass_by_value, reason = "reads as the value that it is")]
fn event<C: Channel>(data: C::Event) -> Bytes {
    frame::event(C::NAME, &data).unwrap()
}

/// A frame after the three stated normalisations.
fn normal(mut frame: Value) -> Value {
    if frame["action"] == "doStorageFaceInfo" {
        let text = frame["data"].as_str().unwrap_or_else(|| panic!("data is no string"));
        frame["data"] = serde_json::from_str(text).unwrap();
    }
    if frame["channel"] == "initMicrophoneListener" {
        let data = frame["data"].as_object().unwrap();
        // The second form comes under both spellings; the document's example shows one of them.
        let shown = if data.contains_key("voicecontent") { "voicecontent" } else { "voiceContent" };
        frame["data"] = json!({ shown: data[shown].is_string() });
    }
    if frame.get("data").is_none() {
        frame["data"] = json!({});
    }
    frame
}
