//! The rules of single values: what is allowed, in words and in code, side by side.
//!
//! A rule reads one TOML value. Where the value is refused, the rule says what is wrong with it;
//! what would be right is the rule's own text, which `hharome config` prints as well. The rules of
//! addresses and names of the wire are in `rule/wire.rs`, those of cards' commands in `rule/apdu.rs`.

mod apdu;
mod wire;

use std::path::PathBuf;
use std::time::Duration;

use hharome_hardware::buzzer::Template;
use hharome_hardware::id_card::sam_v::RATES;
use hharome_hardware::infrared::SwitchCode;
use hharome_hardware::port::place::Place;
use toml::de::DeValue;

use super::devices::SamBaud;
use super::words::Word;

pub use self::apdu::ApduPattern;
pub(super) use self::apdu::{apdu_patterns, card_patterns};
pub(super) use self::wire::{
    engine_url, hosts, listen_address, octal_mode, origins, printer_address, speech_address, token,
};

/// The longest time that can be set: a day, in milliseconds. More is a slip of the zeros.
const DAY_MS: u64 = 86_400_000;

/// The longest free text. Serial numbers and names of models are far shorter.
const TEXT_CHARS: usize = 256;

/// The longest path of a Unix socket: `sun_path` holds 108 bytes, one of them the final NUL
/// (unix(7)).
const SOCKET_PATH_BYTES: usize = 107;

/// What one value must be, and how it is read.
pub(super) struct Rule<T> {
    /// What is allowed, in words.
    pub(super) allowed: String,
    read: Box<Read<T>>,
}

type Read<T> = dyn Fn(&DeValue<'_>) -> Result<T, String>;

impl<T> Rule<T> {
    /// A rule from its words and its code.
    pub(super) fn new(
        allowed: impl Into<String>,
        read: impl Fn(&DeValue<'_>) -> Result<T, String> + 'static,
    ) -> Self {
        Self { allowed: allowed.into(), read: Box::new(read) }
    }

    /// The value, or what is wrong with it.
    pub(super) fn read(&self, value: &DeValue<'_>) -> Result<T, String> {
        (self.read)(value)
    }
}

/// A switch.
pub(super) fn switch() -> Rule<bool> {
    Rule::new("true, false", |value| {
        value.as_bool().ok_or_else(|| format!("is {}, not true or false", kind(value)))
    })
}

/// A whole number of something.
pub(super) fn whole<T: TryFrom<u64>>(min: u64, max: u64, unit: &str) -> Rule<T> {
    let blank = if unit.is_empty() { "" } else { " " };
    Rule::new(format!("{min} to {max}{blank}{unit}"), move |value| {
        let number = within(value, min, max)?;
        T::try_from(number).map_err(|_| format!("{number} is too large for this machine"))
    })
}

/// A time in milliseconds.
pub(super) fn millis(min: u64, max: u64) -> Rule<Duration> {
    Rule::new(format!("{min} to {max} ms"), move |value| {
        within(value, min, max).map(Duration::from_millis)
    })
}

/// A time in seconds.
pub(super) fn seconds(min: u64, max: u64) -> Rule<Duration> {
    Rule::new(format!("{min} to {max} s"), move |value| {
        within(value, min, max).map(Duration::from_secs)
    })
}

/// A time limit in milliseconds; 0 is none.
pub(super) fn limit() -> Rule<Option<Duration>> {
    Rule::new(format!("1 to {DAY_MS} ms, or 0 for no limit"), |value| {
        within(value, 0, DAY_MS).map(some_millis)
    })
}

/// A span in milliseconds; 0 switches the feature off.
pub(super) fn span(max: u64) -> Rule<Option<Duration>> {
    Rule::new(format!("1 to {max} ms, or 0 for off"), move |value| {
        within(value, 0, max).map(some_millis)
    })
}

/// One of the words of an enum.
pub(super) fn one_of<T: Word>() -> Rule<T> {
    let words = T::ALL.iter().map(|value| value.word()).collect::<Vec<_>>().join(", ");
    Rule::new(words, |value| {
        let given = string(value)?;
        T::ALL
            .iter()
            .copied()
            .find(|value| value.word() == given)
            .ok_or_else(|| format!("{given:?} is none of the words"))
    })
}

/// Free text.
pub(super) fn text() -> Rule<String> {
    Rule::new(format!("a string of up to {TEXT_CHARS} characters"), |value| {
        let given = string(value)?;
        if given.chars().count() > TEXT_CHARS {
            return Err(format!("is longer than {TEXT_CHARS} characters"));
        }
        Ok(given.to_owned())
    })
}

/// Text that names something, so that it cannot be empty.
pub(super) fn name(what: &str) -> Rule<String> {
    let text = text();
    Rule::new(what, move |value| {
        let given = text.read(value)?;
        if given.is_empty() || given.contains(char::is_control) {
            return Err("is empty or holds a control character".to_owned());
        }
        Ok(given)
    })
}

/// The switch or key of an input device.
pub(super) fn switch_code() -> Rule<SwitchCode> {
    let allowed = "a name such as SW_FRONT_PROXIMITY or KEY_WAKEUP, or a key's number, 1 to 767";
    Rule::new(allowed, |value| match value.as_str() {
        Some(name) => name.parse().map_err(|_| format!("{name:?} is no switch and no key")),
        // KEY_MAX of linux/input-event-codes.h.
        None => within(value, 1, 0x2ff).and_then(|number| {
            u16::try_from(number).map(SwitchCode::Key).map_err(|error| error.to_string())
        }),
    })
}

/// What stands before or after each code of a scanner: a few characters, or none.
pub(super) fn frame_mark() -> Rule<String> {
    Rule::new(
        r#"a string of up to 16 bytes, such as "\r", "\r\n", "\t", or "" for none"#,
        |value| {
            let given = string(value)?;
            if given.len() > 16 {
                return Err(format!("is {} bytes long", given.len()));
            }
            Ok(given.to_owned())
        },
    )
}

/// The absolute path of a file.
pub(super) fn path() -> Rule<PathBuf> {
    Rule::new("an absolute path", |value| absolute(value).map(PathBuf::from))
}

/// The absolute path of a device.
pub(super) fn device_path() -> Rule<String> {
    Rule::new("the absolute path of a device", |value| absolute(value).map(str::to_owned))
}

/// Several names of something.
pub(super) fn names(what: &str) -> Rule<Vec<String>> {
    let one = name(what);
    Rule::new(format!("a list; each {what}"), move |value| each(value, |item| one.read(item)))
}

/// The absolute paths of several files or folders.
pub(super) fn paths() -> Rule<Vec<PathBuf>> {
    let one = path();
    Rule::new("a list of absolute paths", move |value| each(value, |item| one.read(item)))
}

/// A device without a fixed path, as [`Place`] writes it.
pub(super) fn place() -> Rule<String> {
    Rule::new(PLACE, |value| {
        let given = string(value)?;
        given.parse::<Place>().map(|_| given.to_owned()).map_err(|error| error.to_string())
    })
}

/// Several of them.
pub(super) fn places() -> Rule<Vec<String>> {
    let one = place();
    Rule::new(format!("a list; each {PLACE}"), move |value| each(value, |item| one.read(item)))
}

const PLACE: &str =
    "an absolute path, USB vendor and product in hex (0c2e:0b61), or a name with * and ?";

/// The path of a Unix socket.
pub(super) fn socket_path() -> Rule<PathBuf> {
    Rule::new(format!("an absolute path of up to {SOCKET_PATH_BYTES} bytes"), |value| {
        let given = absolute(value)?;
        if given.len() > SOCKET_PATH_BYTES {
            return Err(format!("is {} bytes long", given.len()));
        }
        Ok(PathBuf::from(given))
    })
}

/// A rate of the SAM's serial line.
pub(super) fn sam_baud() -> Rule<SamBaud> {
    let rates = RATES.map(|rate| rate.to_string()).join(", ");
    Rule::new(format!("{rates}, or \"auto\" to try them all"), |value| {
        if value.as_str() == Some("auto") {
            return Ok(SamBaud::Auto);
        }
        let given = integer(value)?;
        RATES
            .into_iter()
            .find(|rate| i128::from(*rate) == given)
            .map(SamBaud::Fixed)
            .ok_or_else(|| format!("{given} is no rate of the reader"))
    })
}

/// Patterns over the names of PC/SC readers, one a slot.
pub(super) fn slot_patterns() -> Rule<Vec<String>> {
    let one = name("");
    Rule::new("a list of up to 2 reader patterns: slot 1, slot 2", move |value| {
        let list = each(value, |item| one.read(item))?;
        if list.len() > 2 {
            return Err(format!("lists {} slots", list.len()));
        }
        Ok(list)
    })
}

/// The command of a reader's buzzer.
pub(super) fn beep_command() -> Rule<Template> {
    Rule::new("a reader's command in hex, {time} in it for one byte", |value| {
        Template::parse(string(value)?)
    })
}

/// A program and its arguments.
pub(super) fn program() -> Rule<Vec<String>> {
    Rule::new("a list: the absolute path of a program, then its arguments", |value| {
        let list = each(value, |item| {
            let given = string(item)?;
            if given.contains('\0') {
                return Err("holds a NUL character, which no argument can".to_owned());
            }
            Ok(given.to_owned())
        })?;
        match list.first() {
            None => Err("is empty".to_owned()),
            Some(path) if !path.starts_with('/') => {
                Err(format!("item 1: {path:?} does not begin with /"))
            }
            Some(_) => Ok(list),
        }
    })
}

/// A colour as web pages write it: red, green, blue.
pub(super) fn colour() -> Rule<[u8; 3]> {
    Rule::new("a colour in hex, such as #000000", |value| {
        let given = string(value)?;
        let digits = given.strip_prefix('#').filter(|digits| digits.len() == 6);
        let number = digits
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
            .and_then(|digits| u32::from_str_radix(digits, 16).ok())
            .ok_or_else(|| format!("{given:?} is no colour"))?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok([red, green, blue])
    })
}

/// A key that may be absent.
pub(super) fn optional<T: 'static>(rule: Rule<T>) -> Rule<Option<T>> {
    Rule::new(rule.allowed.clone(), move |value| rule.read(value).map(Some))
}

/// A key that the empty string switches off.
pub(super) fn off_if_empty<T: 'static>(rule: Rule<T>, off: &str) -> Rule<Option<T>> {
    Rule::new(format!("{}, or \"\" for {off}", rule.allowed), move |value| {
        if value.as_str() == Some("") { Ok(None) } else { rule.read(value).map(Some) }
    })
}

/// What a value is, with its article, for messages; never its content.
pub(super) fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// The string, or what the value is instead.
fn string<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    value.as_str().ok_or_else(|| format!("is {}, not a string", kind(value)))
}

/// The whole number, or what the value is instead.
fn integer(value: &DeValue<'_>) -> Result<i128, String> {
    let written =
        value.as_integer().ok_or_else(|| format!("is {}, not a whole number", kind(value)))?;
    i128::from_str_radix(written.as_str(), written.radix())
        .map_err(|_| "is no number that can be held".to_owned())
}

fn within(value: &DeValue<'_>, min: u64, max: u64) -> Result<u64, String> {
    let given = integer(value)?;
    u64::try_from(given)
        .ok()
        .filter(|number| (min..=max).contains(number))
        .ok_or_else(|| format!("{given} is out of range"))
}

fn some_millis(number: u64) -> Option<Duration> {
    (number != 0).then(|| Duration::from_millis(number))
}

fn absolute<'v>(value: &'v DeValue<'_>) -> Result<&'v str, String> {
    let given = string(value)?;
    if !given.starts_with('/') {
        return Err(format!("{given:?} does not begin with /"));
    }
    if given.contains('\0') {
        return Err("holds a NUL character, which no path can".to_owned());
    }
    Ok(given)
}

/// Every item of a list by one reader; a mistake says which item.
fn each<T>(
    value: &DeValue<'_>,
    read: impl Fn(&DeValue<'_>) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let list = value.as_array().ok_or_else(|| format!("is {}, not a list", kind(value)))?;
    list.iter()
        .enumerate()
        .map(|(index, item)| {
            read(item.get_ref()).map_err(|wrong| format!("item {}: {wrong}", index + 1))
        })
        .collect()
}
