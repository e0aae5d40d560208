//! Which value of a frame is what, by its key: the one table of redaction.
//!
//! A key that is in no row is unknown, and its value is replaced as a text whose meaning nobody
//! knows. A row that keeps values keeps only those that are words of the protocol: whatever else
//! comes under such a key is replaced as well. Called by `walk` for every value.

use hharome_hardware::id_card::nation::{Sex, nation_code, nation_word};
use hharome_hardware::id_card::people::PEOPLE;
use hharome_hardware::social_security::redact::is_version;
use hharome_protocol::action::{ActionInfo, CALLS, ChannelInfo, ENVELOPE_CALL};
use hharome_protocol::face::SubCode;
use hharome_protocol::frame::LAGGED_CHANNEL;

use crate::face::words;

/// What becomes of a value.
#[derive(Clone, Copy)]
pub(super) enum Rule {
    /// Stays if it is one of the words that may stand here, else as [`Rule::Text`].
    Word(fn(&str) -> bool),
    /// The caller's name for a call: stays but for what in it could tell of a person.
    Task,
    /// A person's name.
    Name,
    /// An address.
    Address,
    /// Who issued a document.
    Agency,
    /// The number of a document.
    IdNumber,
    /// A date of birth.
    Birth,
    /// A date that a document holds from or to.
    Validity,
    /// The number of a card.
    CardNumber,
    /// A scanned code.
    Code,
    /// A number to call a person by.
    Phone,
    /// A portrait: a JPEG in base64.
    Jpeg,
    /// The chip's own picture in base64.
    Wlt,
    /// Any picture in base64, a `data:` prefix before it.
    Picture,
    /// Sound: base64, or signed decimals in brackets.
    Sound,
    /// A file with sound, in base64.
    Wav,
    /// A command to a card, in hex.
    Command,
    /// A card's answer, in hex.
    Answer,
    /// What a card is, in hex: its ATS or ATR.
    CardInfo,
    /// JSON in a string.
    Json,
    /// A text that is to be spoken.
    Speech,
    /// A text of any meaning.
    Text,
}

use Rule::{
    Address, Agency, Answer, Birth, CardInfo, CardNumber, Code, Command, IdNumber, Jpeg, Json,
    Name, Phone, Picture, Sound, Task, Text, Validity, Wav, Wlt, Word,
};

/// The longest `taskId` or `id` that stays, in characters: no program needs a longer one, and a
/// longer one may hold anything.
pub(super) const TASK_CHARS: usize = 64;

/// Numbers of so many digits and more are replaced where nothing is known of them: shorter ones
/// are counts, sizes and codes, and no telephone number is shorter.
pub(super) const TELLING_DIGITS: usize = 7;

/// Letters and digits in a row, so many and more, may be anything in base64 or hex: 16 bytes in
/// base64, 12 in hex. Words and the groups of a UUID are shorter.
pub(super) const TELLING_RUN: usize = 24;

/// Keys, and what becomes of their values. The first row that has a key counts.
const TABLE: &[(&[&str], Rule)] = &[
    // Who is asked for what. Without these nothing could be replayed; an unknown name is a
    // client's own text.
    (&["action"], Word(is_action)),
    (&["call"], Word(is_call)),
    (&["on", "off", "channel"], Word(is_channel)),
    (&["event"], Word(|event| ["open", "close"].contains(&event))),
    (&["taskId"], Task),
    // How it is asked for: numbers and truths, which may come as strings.
    (
        &[
            "intervalTime",
            "isComeBackFailed",
            "isMicrophoneSourceData",
            "type",
            "slot",
            "beep",
            "pitch",
            "rate",
            "speechQueue",
            "request",
            "textSize",
            "bold",
            "width",
            "height",
            "exitApplet",
            "hideNavigationBar",
            "hindeNotificationBar",
            "hideNotificationBar",
            "inductionCode",
            "hz",
            "microphoneState",
            "microphoneListenerState",
            "getSecondaryScreenState",
            "isvResult",
        ],
        Word(is_number_or_truth),
    ),
    (&["code"], Word(is_code)),
    (&["infoType"], Word(is_info_type)),
    (&["algin", "align"], Word(|side| ["left", "center", "right"].contains(&side))),
    (&["stage"], Word(|stage| ["queued", "waiting", "reading", "done"].contains(&stage))),
    // How an enrolment ended: the document's own table.
    (&["eventType"], Word(|word| word == "rocketResult")),
    (&["subCode"], Word(|code| SubCode::find(code).is_some() || code == "OK_SUCCESS")),
    (&["subMessage"], Word(is_sub_message)),
    // What a face engine wants shown may be anything, the vendor's own words apart.
    (&["message"], Word(is_message)),
    // Of a person's, and kept: too coarse to tell who somebody is, and what programs branch on.
    (&["sex"], Word(is_sex)),
    (&["nation", "nationality"], Word(is_nation)),
    (&["fullVersion"], Word(is_version)),
    // bridge.simulate: which device, what with it, and an invented person by his slug.
    (&["device"], Word(|device| DEVICES.contains(&device))),
    (&["do"], Word(|verb| VERBS.contains(&verb))),
    (&["fault"], Word(|fault| FAULTS.contains(&fault))),
    (&["card", "person"], Word(is_slug)),
    (&["layout"], Word(|layout| ["resident", "J", "I", "Y"].contains(&layout))),
    (&["fingerprint", "issueCount", "generation"], Word(is_number_or_truth)),
    // A person's.
    (&["name", "certName", "englishName"], Name),
    (&["idNum", "idNumber", "certNo", "passNumber"], IdNumber),
    (&["address", "appendedAddress"], Address),
    // The region that has issued a card says as much as the agency that has issued another.
    (&["signingOrganization", "cityCode"], Agency),
    (&["birthDate", "birth"], Birth),
    (&["beginTime", "endTime", "issueDate", "expireDate"], Validity),
    (&["cardNumber"], CardNumber),
    (&["phone"], Phone),
    (&["photoBase64"], Jpeg),
    (&["photoWltBase64"], Wlt),
    (&["certPhotoBase64Str", "imageBase64", "secondaryScreenBase64"], Picture),
    (&["voiceContent", "voicecontent"], Sound),
    (&["wav"], Wav),
    // What a code says may be anything: a ticket, an address, a payment, an ID number.
    (&["qrCode"], Code),
    // What is said to a card and what it says may be anything, too. Whether a command went well
    // does not tell whose card it is.
    (&["nfc_cardInfo"], CardInfo),
    (&["commandApdu", "commandApdus"], Command),
    (&["nfc_resultInfo", "nfc_commandResults"], Answer),
    // JSON in strings, with keys of this table in it.
    (&["data", "params", "extInfo"], Json),
];

/// The devices, by their sections of the configuration.
const DEVICES: [&str; 13] = [
    "id_card",
    "qr_scanner",
    "cpu_card",
    "psam",
    "social_security_card",
    "microphone",
    "printer",
    "infrared",
    "input",
    "second_screen",
    "speech",
    "buzzer",
    "face",
];

/// What the daemon's own calls can be told to do.
const VERBS: &[&str] = &[
    "put", "lift", "scan", "fault", "enter", "cancel", "tone", "wav", "silence", "come", "go",
    "pulse", "key", "touch", "type", "paper", "restart", "outcome",
];

/// What a simulated device can suffer from.
const FAULTS: &[&str] = &[
    "silence",
    "bad-checksum",
    "cut-frame",
    "unplug",
    "mute",
    "vanish",
    "occupied",
    "refuse",
    "held",
    "stall",
    "fast",
    "gap",
    "paper-out",
    "near-end",
    "cover-open",
    "offline",
    "cutter",
    "hot",
    "broken",
    "crash",
    "garbage",
    "lies",
    "none",
];

/// The chip cards that can be put somewhere without describing one.
const CHIP_CARDS: [&str; 5] = ["transport", "psam", "ssc-1", "ssc-2", "ssc-3"];

/// What becomes of the value under this key, unless its place in the frame says more.
pub(super) fn rule_of(key: &str) -> Rule {
    TABLE.iter().find(|(keys, _)| keys.contains(&key)).map_or(Text, |(_, rule)| *rule)
}

/// Whether a key may stay: a name such as programs give, without a number of a person in it.
pub(super) fn is_plain_key(key: &str) -> bool {
    let named = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.$".contains(&byte);
    let digits = key.bytes().filter(u8::is_ascii_digit).count();
    key.len() <= TASK_CHARS && key.bytes().all(named) && digits < TELLING_DIGITS
}

/// Whether the letters of a number may stay, as they do among the pseudonyms of numbers: no number
/// has more than the three of a nationality and an X.
pub(super) fn may_be_number(text: &str) -> bool {
    text.bytes().filter(u8::is_ascii_alphabetic).count() <= 4
}

fn is_action(name: &str) -> bool {
    name.is_empty() || ActionInfo::find(name).is_some()
}

fn is_call(name: &str) -> bool {
    name == ENVELOPE_CALL || CALLS.contains(&name)
}

fn is_channel(name: &str) -> bool {
    name == LAGGED_CHANNEL || ChannelInfo::find(name).is_some()
}

fn is_number_or_truth(word: &str) -> bool {
    let few = word.bytes().filter(u8::is_ascii_digit).count() < TELLING_DIGITS;
    let number = word.bytes().all(|byte| byte.is_ascii_digit() || b"+-. ".contains(&byte));
    (number && few) || ["true", "false"].contains(&word.trim())
}

/// A number, or one with a letter before it, as the vendor's codes of faces have.
fn is_code(code: &str) -> bool {
    is_number_or_truth(code) || code.strip_prefix('E').is_some_and(is_number_or_truth)
}

fn is_message(message: &str) -> bool {
    let usual = [
        "成功",
        "失败",
        "超时",
        "取消",
        "请求参数有误,请联系小程序开发人员",
        "请求过于频繁,请稍后再试",
        "系统内部错误,请重试或联系管理员",
    ];
    usual.contains(&message) || words::ALL.contains(&message) || is_sub_message(message)
}

fn is_info_type(list: &str) -> bool {
    list.split(',').all(|part| ["", "base", "photo", "other"].contains(&part.trim()))
}

fn is_sub_message(message: &str) -> bool {
    message == "SUCCESS" || SubCode::ALL.iter().any(|row| row.message == message)
}

fn is_sex(word: &str) -> bool {
    Sex::from_code(word).is_some() || Sex::from_word(word).is_some()
}

fn is_nation(word: &str) -> bool {
    let country = word.len() == 3 && word.bytes().all(|letter| letter.is_ascii_uppercase());
    country || nation_code(word).is_some() || nation_word(&format!("{word:0>2}")).is_some()
}

fn is_slug(slug: &str) -> bool {
    CHIP_CARDS.contains(&slug) || PEOPLE.iter().any(|person| person.slug == slug)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn every_section_of_the_configuration_is_a_device() {
        let config = Config::parse("", "nothing").unwrap();
        for (section, _) in config.drivers() {
            assert!(DEVICES.contains(&section), "{section}");
        }
    }

    #[test]
    fn no_key_stands_in_two_rows() {
        let mut keys: Vec<_> = TABLE.iter().flat_map(|(keys, _)| keys.iter()).collect();
        keys.sort_unstable();
        let all = keys.len();
        keys.dedup();
        assert_eq!(keys.len(), all);
    }

    #[test]
    fn a_word_stays_and_anything_else_under_its_key_does_not() {
        for (key, word, other) in [
            ("action", "getIDCardInfo", "张三"),
            ("call", "bridge.status", "zhangsan"),
            ("on", "bridgeLagged", "zhangsan"),
            ("event", "close", "11010519491231002X"),
            ("intervalTime", "1000", "13800138000"),
            ("infoType", "base, other", "base,张三"),
            ("sex", "女", "张"),
            ("nation", "汉族", "张三"),
            ("nationality", "CAN", "Zhang"),
            ("fullVersion", "3.00", "张三"),
            ("card", "zhang-san", "zhang-xiaoming"),
            ("card", "ssc-3", "ssc-张三"),
            ("fault", "vanish", "vanished"),
            ("generation", "3", "三"),
            ("subMessage", "主动退出", "张三"),
        ] {
            let Word(stays) = rule_of(key) else { panic!("{key} is no word") };
            assert!(stays(word), "{key}: {word}");
            assert!(!stays(other), "{key}: {other}");
        }
    }

    #[test]
    fn a_key_that_could_be_a_person_is_not_plain() {
        for key in ["taskId", "nfc_cardInfo", "$x.y-z", "", "line2"] {
            assert!(is_plain_key(key), "{key}");
        }
        for key in ["张三", "11010519491231002X", "13800138000", "Zhang San"] {
            assert!(!is_plain_key(key), "{key}");
        }
    }
}
