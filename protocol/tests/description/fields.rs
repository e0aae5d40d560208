//! What stands in several rows of the table, and what is too long to stand in one.

use super::kind::Kind::{
    Any, Base64, Code, Flag, Json, List, Map, Number, OneOf, Text, Whole, Words,
};
use super::kind::{Field, may, need};

pub(crate) const NOTHING: &[Field] = &[];

pub(crate) const ID_CARD: &[Field] = &[
    may("name", Text, "part base"),
    may("idNum", Text, "part base"),
    may("signingOrganization", Text, "part other: who issued the card"),
    may("address", Text, "part other: as the chip has it, full-width digits included"),
    may("nation", Text, "part other: without 族; of a foreigner three letters"),
    may("sex", OneOf(&["男", "女", "未知", "未说明"]), "part other"),
    may("beginTime", Text, "part other: YYYYMMDD"),
    may("endTime", Text, "part other: YYYYMMDD or 长期"),
    may("birthDate", Text, "part other: YYYYMMDD"),
    may("photoBase64", Base64, "part photo: a JPEG"),
    may(
        "photoWltBase64",
        Base64,
        "part photo: the chip's own picture, where there is no JPEG of it",
    ),
];

pub(crate) const INFO: &[Field] = &[may(
    "infoType",
    Words(&["base", "photo", "other"]),
    "the parts that are wanted; left out: all",
)];

pub(crate) const FACE: &[Field] = &[
    need("alipayUid", Text, "whose face"),
    need("code", Whole(0, i64::MAX), "1000"),
    need("extInfo", Json, "{\"authCode\":…}, to be used once"),
    need("ftoken", Text, ""),
    need("isvResult", Flag, ""),
    need("subCode", Text, ""),
    need("subMessage", Text, ""),
    need("vid", Text, ""),
];

pub(crate) const TYPED: &[Field] = &[
    need("idNum", Text, "what was typed"),
    need("alipayUid", Text, ""),
    need("code", Whole(0, i64::MAX), "1000"),
    need("extInfo", Json, ""),
    need("ftoken", Text, ""),
    need("isvResult", Flag, ""),
    need("subCode", Text, ""),
    need("subMessage", Text, ""),
    need("vid", Text, ""),
];

pub(crate) const SOCIAL: &[Field] = &[
    need("cardNumber", Text, ""),
    need("name", Text, ""),
    need("sex", Text, ""),
    need("idNumber", Text, ""),
    need("birthDate", Text, "YYYYMMDD"),
    need("issueDate", Text, "YYYYMMDD"),
    need("expireDate", Text, "YYYYMMDD"),
    need("nation", Text, ""),
    need("cityCode", Text, ""),
    need("address", Text, ""),
    need("fullVersion", Text, "of the card's specification"),
];

pub(crate) const QR: &[Field] = &[need("qrCode", Text, "the text in the code")];
pub(crate) const CARD_INFO: &[Field] =
    &[need("nfc_cardInfo", Text, "the ATS in hex; -1 to -5: no card, or it cannot be used")];
pub(crate) const RESULT_INFO: &[Field] =
    &[need("nfc_resultInfo", Text, "data and status word in hex; -1, -2: it could not be sent")];
pub(crate) const TYPE: Field = need("type", Code(&[1, 2]), "1: CPU card, 2: PSAM");
pub(crate) const SLOT: Field = may("slot", Code(&[1, 2]), "the PSAM's slot; left out: 1");

pub(crate) const ENTRY: &[Field] = &[
    may("text", Text, "may hold line breaks"),
    may("textSize", Whole(1, 1000), "height in dots; left out: 26"),
    may("bold", Flag, ""),
    may("algin", OneOf(&["left", "center", "right"]), "the vendor's spelling; align is read, too"),
    may("align", OneOf(&["left", "center", "right"]), ""),
    may("imageBase64", Base64, "a picture"),
    may("width", Whole(1, 10_000), "in dots; left out: the picture's own"),
    may("height", Whole(1, 10_000), "in dots; left out: the picture's own"),
];

pub(crate) const WISHES: &[Field] = &[
    may("exitApplet", Code(&[1]), "1: close the mini-program"),
    may("hideNavigationBar", Code(&[1, 2]), "1: hide, 2: show"),
    may("hindeNotificationBar", Code(&[1, 2]), "1: off, 2: on (the vendor's spelling)"),
    may("hideNotificationBar", Code(&[1, 2]), "the same"),
];

/// What the shell is told: one spelling.
pub(crate) const TOLD_WISHES: &[Field] = &[
    may("exitApplet", Code(&[1]), "1: close the mini-program"),
    may("hideNavigationBar", Code(&[1, 2]), "1: hide, 2: show"),
    may("hindeNotificationBar", Code(&[1, 2]), "1: off, 2: on"),
];

pub(crate) const EVENT_DATA: &[Field] = &[
    may("uid", Text, ""),
    may("ftoken", Text, ""),
    may("authCode", Text, ""),
    may("vid", Text, ""),
    may("bizId", Text, ""),
    may("uniqueId", Text, "of a refusal: for the second path"),
    need("subCode", Text, ""),
    need("subMessage", Text, ""),
];

pub(crate) const STATES: &[&str] = &["ready", "busy", "absent", "failed", "off"];

pub(crate) const DEVICE: &[Field] = &[
    need("device", Text, "its section in the configuration"),
    need("driver", Text, ""),
    need("simulated", Flag, ""),
    need("state", OneOf(STATES), ""),
    need("since", Whole(0, i64::MAX), "ms since 1970-01-01 UTC"),
    may("lastError", Text, "in English"),
    need("counters", Map(&Number), ""),
    need("facts", Map(&Text), "what the device said of itself"),
    need("cannot", List(&Text), ""),
];

pub(crate) const DESCRIBED: &[Field] = &[
    need("device", Text, ""),
    need("driver", Text, ""),
    need("state", OneOf(STATES), ""),
    need("simulated", Flag, ""),
];

pub(crate) const LIMITS: &[Field] = &[
    need("maxFrameBytes", Number, ""),
    need("streamEvents", Number, ""),
    need("pauseFrames", Number, ""),
    need("maxFrames", Number, ""),
    need("maxBytes", Number, ""),
    need("maxCalls", Number, ""),
    may("operationTimeout", Number, "ms until nobody is taken to operate the kiosk; 0 for never"),
];

pub(crate) const VERSION: &[Field] = &[need("major", Number, ""), need("minor", Number, "")];

pub(crate) const DROPPED: &[Field] =
    &[need("streamEvents", Number, ""), need("clients", Number, "")];

pub(crate) const JOB: &[Field] = &[
    need("id", Number, ""),
    need("taskId", Any, "as it came"),
    need("at", Number, "ms since 1970-01-01 UTC"),
    need("outcome", OneOf(&["queued", "printing", "printed", "sent", "failed", "unknown"]), ""),
    may("detail", Text, ""),
];

pub(crate) const SIGHT: &[Field] = &[
    need("number", Number, "counts up with each receipt"),
    need("finished", Flag, "cut off"),
    need("width", Number, "in dots"),
    need("height", Number, "in dots"),
    need("pngBase64", Base64, ""),
];

pub(crate) const STAGES: &[&str] = &["queued", "waiting", "reading", "done"];

pub(crate) const SEEN: &[Field] = &[
    need("at", Number, "microseconds since 1970-01-01 UTC"),
    need("client", Number, "number of the connection"),
    need("transport", OneOf(&["unix", "tcp", "ws", "panel", "page"]), ""),
    need(
        "what",
        OneOf(&[
            "connected",
            "in",
            "out",
            "admitted",
            "refused",
            "too_long",
            "stage",
            "stalled",
            "flowing",
            "gone",
        ]),
        "",
    ),
    may("action", Text, ""),
    may("taskId", Any, "as it came"),
    may("success", Flag, "of a reply"),
    may("stage", OneOf(STAGES), "of a call"),
    may("bytes", Number, "of a frame"),
    may("text", Text, "of a frame: masked and shortened"),
];
