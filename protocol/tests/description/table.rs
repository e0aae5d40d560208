//! The table: what each action, channel and call carries, in the order of the protocol.

use std::collections::BTreeSet;

use hharome_protocol::action::{Action, ActionInfo, Call, Channel, ChannelInfo};
use hharome_protocol::bridge::{
    self, CallStage, CallsEvent, FramesEvent, Job, JobOutcome, RecordStatus, Seen, SeenFrame, Sight,
};
use hharome_protocol::frame::TaskId;
use hharome_protocol::{
    code, cpu_card, device, face, id_card, id_number, infrared, microphone, operation, receipt,
    screen, social_security, speech,
};

use super::fields::{
    CARD_INFO, DESCRIBED, DEVICE, DROPPED, ENTRY, EVENT_DATA, FACE, ID_CARD, INFO, JOB, LIMITS,
    NOTHING, QR, RESULT_INFO, SEEN, SIGHT, SLOT, SOCIAL, STAGES, TOLD_WISHES, TYPE, TYPED, VERSION,
    WISHES,
};
use super::kind::Kind::{Any, Base64, Code, Flag, List, Number, Object, OneOf, Text, Whole};
use super::kind::{Field, ignored, may, need};
use super::trace::{read, written};

/// An action.
pub(crate) struct ActionRow {
    pub(crate) info: ActionInfo,
    pub(crate) note: &'static str,
    pub(crate) params: &'static [Field],
    pub(crate) data: &'static [Field],
    /// Its data is written as JSON in a string.
    pub(crate) in_a_string: bool,
    /// The keys that its type reads.
    pub(crate) read: BTreeSet<&'static str>,
}

/// A channel.
pub(crate) struct ChannelRow {
    pub(crate) info: ChannelInfo,
    pub(crate) note: &'static str,
    pub(crate) event: &'static [Field],
    /// The keys that its type writes, where no example shows them.
    pub(crate) written: Option<BTreeSet<&'static str>>,
}

/// A call of its own name.
pub(crate) struct CallRow {
    pub(crate) name: &'static str,
    pub(crate) note: &'static str,
    pub(crate) params: &'static [Field],
    pub(crate) data: &'static [Field],
    pub(crate) read: BTreeSet<&'static str>,
    pub(crate) written: Option<BTreeSet<&'static str>>,
}

/// Fields as a constant.
macro_rules! fields {
    ($($field:expr),* $(,)?) => {
        const { &[$($field),*] }
    };
}

fn action<A: Action>(
    note: &'static str,
    params: &'static [Field],
    data: &'static [Field],
) -> ActionRow {
    let (info, read) = (ActionInfo::of::<A>(), read::<A::Params>());
    ActionRow { info, note, params, data, in_a_string: false, read }
}

/// All actions.
pub(crate) fn actions() -> Vec<ActionRow> {
    vec![
        action::<face::InitFace>(
            "readies the face service; takes about two seconds",
            fields![
                may("serviceId", Text, ""),
                may("query", Text, ""),
                need("scope", Text, "separated by commas, without blanks"),
            ],
            NOTHING,
        ),
        action::<face::GetFaceInfo>("who stands there", NOTHING, FACE),
        action::<face::GetFaceInfoPersonCard>(
            "whether it is this person",
            fields![
                need("certName", Text, ""),
                need("certNo", Text, ""),
                may("certPhotoBase64Str", Base64, "the photo of the card"),
            ],
            FACE,
        ),
        ActionRow {
            in_a_string: true,
            ..action::<face::DoStorageFaceInfo>(
                "enrols a face",
                fields![
                    need("appid", Text, ""),
                    need("orgOutId", Text, ""),
                    need("componentOutId", Text, ""),
                    need("isvPid", Text, ""),
                    may("uniqueId", Text, "second path: of the refusal"),
                    may("name", Text, "second path"),
                    may("certNo", Text, "second path"),
                    may("phone", Text, "second path"),
                ],
                fields![
                    need("eventType", OneOf(&["rocketResult"]), ""),
                    need("eventData", Object(EVENT_DATA), ""),
                ],
            )
        },
        action::<id_card::GetIdCardInfo>("waits for one card", INFO, ID_CARD),
        action::<id_card::CloseIdCardInfo>(
            "ends what waits for a card",
            fields![ignored("infoType", Text)],
            NOTHING,
        ),
        action::<code::GetQrCode>("waits for one code", NOTHING, QR),
        action::<microphone::StartMicrophoneListener>(
            "sound from now on",
            fields![
                may("isMicrophoneSourceData", Flag, "signed decimals in place of base64"),
                ignored("intervalTime", Number),
            ],
            NOTHING,
        ),
        action::<microphone::StopMicrophoneListener>("no more sound", NOTHING, NOTHING),
        action::<microphone::StartMicrophone>(
            "begins one recording (deprecated)",
            NOTHING,
            NOTHING,
        ),
        action::<microphone::StopMicrophone>(
            "ends it (deprecated)",
            NOTHING,
            fields![need("voiceContent", Base64, "an MP3")],
        ),
        action::<microphone::GetMicrophoneState>(
            "what this connection has going",
            NOTHING,
            fields![
                need("microphoneListenerState", Code(&[0, 1]), "the listener"),
                need("microphoneState", Code(&[0, 1]), "the recording"),
            ],
        ),
        action::<device::GetDeviceInfo>(
            "what kiosk this is",
            NOTHING,
            fields![
                need("sn", Text, ""),
                need("deviceModel", Text, ""),
                need("appVersion", Text, ""),
                need("androidVersion", Text, ""),
                need("deviceIP", Text, ""),
                need("devicedDisplay", Text, "the firmware"),
            ],
        ),
        action::<speech::Speech>(
            "says a text",
            fields![
                need("text", Text, ""),
                may("pitch", Number, "1.0 is normal"),
                may("rate", Number, "1.0 is normal"),
                may("speechQueue", Code(&[0, 1]), "0: after what is being said, 1: in its place"),
            ],
            NOTHING,
        ),
        action::<speech::SpeechStop>("silence", NOTHING, NOTHING),
        action::<id_number::EnterIdNumber>("waits for a typed ID number", NOTHING, TYPED),
        action::<receipt::ReceiptPrinting>(
            "prints texts and pictures",
            fields![need("printList", List(&Object(ENTRY)), "in order")],
            NOTHING,
        ),
        action::<infrared::StartInfraredInductionListener>(
            "presence from now on",
            // Drawn to 2000 to 5000; whatever it is, it is no mistake.
            fields![may(
                "intervalTime",
                Whole(i64::MIN, i64::MAX),
                "2000 to 5000 ms; left out: 3000"
            )],
            NOTHING,
        ),
        action::<infrared::StopInfraredInductionListener>("no more presence", NOTHING, NOTHING),
        action::<screen::OpenSecondaryScreen>(
            "shows a picture on the second screen",
            fields![need("secondaryScreenBase64", Base64, "")],
            NOTHING,
        ),
        action::<screen::CloseSecondaryScreen>("takes it away", NOTHING, NOTHING),
        action::<screen::GetSecondaryScreenState>(
            "whether one is shown",
            NOTHING,
            fields![need(
                "getSecondaryScreenState",
                Code(&[1, 0, -1]),
                "1 shown, 0 closed, -1 no second screen",
            )],
        ),
        action::<social_security::GetSocialSecurityCardInfo>(
            "waits for one social-security card",
            NOTHING,
            SOCIAL,
        ),
        action::<social_security::SocialSecurityCardConfig>(
            "readies the reader, and opens its channel",
            NOTHING,
            NOTHING,
        ),
        action::<cpu_card::StartCpuCardLoopRead>(
            "CPU cards from now on",
            fields![
                may(
                    "intervalTime",
                    Whole(1, 0xFFFF_FFFF),
                    "ms until the same card is told again; left out: 1000",
                ),
                may("isComeBackFailed", Flag, "tell also that there is none"),
            ],
            NOTHING,
        ),
        action::<cpu_card::StopCpuCardLoopRead>("no more CPU cards", NOTHING, NOTHING),
        action::<cpu_card::ReadOnceCpuCardInfo>("powers up a CPU card", NOTHING, CARD_INFO),
        action::<cpu_card::SendCpuCardCommand>(
            "one command to a card",
            fields![need("commandApdu", Text, "hex"), TYPE, SLOT],
            RESULT_INFO,
        ),
        action::<cpu_card::SendCpuCardApduCommands>(
            "commands to a card, until one fails",
            fields![need("commandApdus", List(&Text), "hex"), TYPE, SLOT],
            fields![need("nfc_commandResults", List(&Text), "data and status words in hex")],
        ),
        action::<cpu_card::PsamCardColdReset>("powers up a PSAM", &[SLOT], RESULT_INFO),
        action::<device::StartBuzzer>(
            "beeps",
            fields![need("beep", Whole(1, 60_000), "ms")],
            NOTHING,
        ),
        action::<device::DeviceConfig>(
            "navigation bar, notification bar, exit; for this run",
            fields![need("deviceConfig", Object(WISHES), "")],
            NOTHING,
        ),
    ]
}

fn channel<C: Channel>(note: &'static str, event: &'static [Field]) -> ChannelRow {
    ChannelRow { info: ChannelInfo::of::<C>(), note, event, written: None }
}

/// All channels.
pub(crate) fn channels() -> Vec<ChannelRow> {
    let stage =
        CallsEvent { action: String::new(), task_id: TaskId::from(""), stage: CallStage::Waiting };
    let seen = SeenFrame {
        at: 0,
        client: 0,
        transport: String::new(),
        what: Seen::In,
        action: Some(String::new()),
        task_id: Some(TaskId::from("")),
        success: Some(true),
        stage: Some(CallStage::Done),
        bytes: Some(0),
        text: Some(String::new()),
    };
    assert_eq!(written(&seen), SEEN.iter().map(|field| field.key).collect());
    vec![
        channel::<id_card::IdCardListener>("every ID card", ID_CARD),
        channel::<code::QrListener>("every code", QR),
        channel::<microphone::MicrophoneListener>(
            "sound: PCM, 16 kHz, 16 bit, mono",
            fields![
                may(
                    "voiceContent",
                    Base64,
                    "base64 with line breaks, or signed decimals in brackets",
                ),
                may("voicecontent", Base64, "with isMicrophoneSourceData: the same again"),
            ],
        ),
        channel::<infrared::InfraredInductionListener>(
            "presence, once an interval",
            fields![need("inductionCode", OneOf(&["0", "1"]), "1: somebody is there")],
        ),
        channel::<social_security::SocialSecurityCardListener>(
            "every social-security card",
            SOCIAL,
        ),
        channel::<cpu_card::CpuCardListener>(
            "CPU cards",
            fields![
                need("nfc_cardInfo", Text, "the ATS in hex"),
                need("code", Code(&[0, -1]), "-1: there is none"),
            ],
        ),
        channel::<operation::OperationTimeout>("nobody has operated the kiosk for long", NOTHING),
        ChannelRow {
            written: Some(read::<bridge::DevicesEvent>()),
            ..channel::<bridge::DevicesChannel>(
                "all devices at once, then each change",
                fields![need("devices", List(&Object(DEVICE)), "")],
            )
        },
        ChannelRow {
            written: Some(written(&stage)),
            ..channel::<bridge::CallsChannel>(
                "how this connection's calls come along",
                fields![
                    need("action", Text, ""),
                    need("taskId", Any, "as it came"),
                    need("stage", OneOf(STAGES), "waiting: put the card now"),
                ],
            )
        },
        channel::<bridge::KeypadChannel>(
            "whether a typed number is wanted; for the kiosk's shell",
            fields![
                need("wanted", Flag, ""),
                may("request", Number, "which one is wanted: another number is another person"),
                may("leftMs", Number, "how long it is waited for yet; absent: for ever"),
            ],
        ),
        channel::<bridge::DeviceConfigChannel>("what is wanted of the kiosk's shell", TOLD_WISHES),
        ChannelRow {
            written: Some(written(&FramesEvent { frames: Vec::new(), missed: 0 })),
            ..channel::<bridge::FramesChannel>(
                "what passes at all clients; for the panel and programs on the Unix socket",
                fields![
                    need("frames", List(&Object(SEEN)), ""),
                    need("missed", Number, "so many before them are missing"),
                ],
            )
        },
    ]
}

fn call<C: Call>(note: &'static str, params: &'static [Field], data: &'static [Field]) -> CallRow {
    CallRow { name: C::NAME, note, params, data, read: read::<C::Params>(), written: None }
}

/// All calls of their own names.
pub(crate) fn calls() -> Vec<CallRow> {
    assert_eq!(read::<bridge::DeviceStatus>(), DEVICE.iter().map(|field| field.key).collect());
    assert_eq!(
        read::<bridge::DescribedDevice>(),
        DESCRIBED.iter().map(|field| field.key).collect()
    );
    assert_eq!(read::<bridge::Limits>(), LIMITS.iter().map(|field| field.key).collect());
    assert_eq!(read::<Job>(), JOB.iter().map(|field| field.key).collect());
    assert_eq!(read::<Sight>(), SIGHT.iter().map(|field| field.key).collect());
    let _ = JobOutcome::Queued;
    vec![
        call::<operation::StartOperationWatcher>(
            "starts the count-down of inactivity",
            NOTHING,
            NOTHING,
        ),
        CallRow {
            written: Some(read::<bridge::Description>()),
            ..call::<bridge::DescribeCall>(
                "what this bridge is and serves",
                NOTHING,
                fields![
                    need("version", Text, ""),
                    need("protocol", Object(VERSION), "the wire's version",),
                    need("actions", List(&Text), ""),
                    need("channels", List(&Text), ""),
                    need("calls", List(&Text), ""),
                    need("limits", Object(LIMITS), ""),
                    need("devices", List(&Object(DESCRIBED)), ""),
                ],
            )
        },
        CallRow {
            written: Some(read::<bridge::Status>()),
            ..call::<bridge::StatusCall>(
                "how its devices and connections are",
                NOTHING,
                fields![
                    need("devices", List(&Object(DEVICE)), ""),
                    need("connections", Number, ""),
                    need("dropped", Object(DROPPED), "lost to slow clients",),
                ],
            )
        },
        call::<bridge::ResetCall>(
            "ends all calls and listeners of this connection",
            NOTHING,
            NOTHING,
        ),
        CallRow {
            written: Some(read::<bridge::Jobs>()),
            ..call::<bridge::JobsCall>(
                "the last hundred print jobs",
                NOTHING,
                fields![need("jobs", List(&Object(JOB)), "oldest first")],
            )
        },
        call::<bridge::SimulateCall>(
            "works a simulated device",
            fields![
                need("device", Text, "its section in the configuration"),
                need("do", Text, "the verb: put, lift, scan, fault, …"),
                may("card", Any, "put: a person's or card's name, or a card described"),
                may("text", Text, "scan, type: what; paper: rows of dots; outcome: which"),
                may("fault", Text, "fault: which; none ends it"),
                may("slot", Code(&[1, 2]), "psam"),
                may("hz", Whole(1, 8000), "tone"),
                may("wav", Base64, "wav: a file"),
            ],
            NOTHING,
        ),
        CallRow {
            written: Some(read::<RecordStatus>()),
            ..call::<bridge::RecordCall>(
                "the recording of what passes",
                fields![
                    need("do", OneOf(&["start", "stop", "status"]), ""),
                    may("name", Text, "start: the recording's"),
                    may("keepPersonalData", Flag, "start: on the Unix socket only"),
                ],
                fields![
                    need("recording", Flag, ""),
                    may("name", Text, ""),
                    may("folder", Text, ""),
                    need("bytes", Number, ""),
                    may("ended", Text, "why the last one ended"),
                ],
            )
        },
        CallRow {
            written: Some(read::<bridge::Sights>()),
            ..call::<bridge::LookCall>(
                "what a simulated device shows: receipts, the second screen",
                fields![need("device", OneOf(&["printer", "second_screen"]), "")],
                fields![need("pictures", List(&Object(SIGHT)), "the last few, oldest first")],
            )
        },
        call::<bridge::KeypadCall>(
            "answers or cancels the typed ID number that is waited for",
            fields![
                need("do", OneOf(&["enter", "cancel"]), ""),
                may("idNum", Text, "enter: the number"),
                may("request", Number, "which one the keypad has shown; enter: required"),
            ],
            NOTHING,
        ),
    ]
}
