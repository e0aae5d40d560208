//! By what a value is replaced: each rule of the table as one of the recording's pseudonyms.
//!
//! Nothing here knows where a value stands. What is kept is given back borrowed. Called by `walk`.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::engine::{DecodePaddingMode, general_purpose::STANDARD};
use hharome_hardware::card::redact as card;
use hharome_hardware::microphone::{mp3, wav};
use hharome_hardware::pseudonym::{Pseudonyms, real_ids};
use hharome_hardware::speech::text as speech;

use super::keys::{Rule, TASK_CHARS, TELLING_DIGITS, is_plain_key};
use super::{FrameRedactor, echo};

/// Base64 from so many characters on is told from words by its looks.
const TELLING_BASE64: usize = 64;

/// Where the month begins in an ID number.
const MONTH: usize = 10;

/// How serde begins to complain of a key.
const UNKNOWN_KEY: &str = "unknown field `";

/// Base64 without padding, whatever its last bits.
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// A string's text by a rule of the table. [`Rule::Json`] that holds none is a text.
pub(super) fn replaced<'t>(by: &FrameRedactor, rule: Rule, text: &'t str) -> Cow<'t, str> {
    let FrameRedactor { pseudonyms, ats, .. } = by;
    Cow::Owned(match rule {
        Rule::Word(stays) if text.is_empty() || stays(text) => return Cow::Borrowed(text),
        Rule::Task => return echo::task(pseudonyms, text),
        Rule::Name => pseudonyms.name(text),
        Rule::Address => pseudonyms.address(text),
        Rule::Agency => pseudonyms.agency(text),
        Rule::IdNumber => pseudonyms.id_number(text),
        Rule::Birth => pseudonyms.birth(text),
        Rule::Validity => pseudonyms.validity(text),
        Rule::CardNumber => pseudonyms.card_number(text),
        Rule::Code => pseudonyms.code(text),
        Rule::Jpeg => {
            in_base64(text, |bytes| pseudonyms.jpeg(bytes)).unwrap_or_else(|| pseudonyms.text(text))
        }
        Rule::Wlt => {
            in_base64(text, |bytes| pseudonyms.wlt(bytes)).unwrap_or_else(|| pseudonyms.text(text))
        }
        Rule::Picture => picture(pseudonyms, text),
        Rule::Sound => sound(pseudonyms, text),
        Rule::Wav => sound_file(pseudonyms, text),
        Rule::Command => hex(pseudonyms, text, card::command),
        Rule::Answer => hex(pseudonyms, text, |answer| ats.answer(answer)),
        Rule::CardInfo => hex(pseudonyms, text, |info| card::card_info(pseudonyms, info)),
        Rule::Speech => speech::replaced(pseudonyms, text),
        Rule::Text | Rule::Word(_) | Rule::Json | Rule::Phone => any_text(pseudonyms, text),
    })
}

/// A number by a rule of the table, as long as it was and still a number.
pub(super) fn number<'n>(pseudonyms: &Pseudonyms, rule: Rule, number: &'n str) -> Cow<'n, str> {
    let (digits, exponent) = number.split_at(number.find(['e', 'E']).unwrap_or(number.len()));
    let new = match rule {
        Rule::IdNumber => pseudonyms.id_number(digits),
        Rule::Birth => pseudonyms.birth(digits),
        Rule::Validity => pseudonyms.validity(digits),
        Rule::CardNumber => pseudonyms.card_number(digits),
        Rule::Code => pseudonyms.code(digits),
        Rule::Name | Rule::Address | Rule::Agency | Rule::Phone => pseudonyms.text(digits),
        _ if digits.bytes().filter(u8::is_ascii_digit).count() < TELLING_DIGITS => {
            return Cow::Borrowed(number);
        }
        _ => pseudonyms.text(digits),
    };
    Cow::Owned(like_number(digits, &new) + exponent)
}

/// A number of the daemon's own that stays, unless an ID number is in it.
pub(super) fn scrubbed_number<'n>(pseudonyms: &Pseudonyms, digits: &'n str) -> Cow<'n, str> {
    match real_ids(digits).next() {
        Some(_) => number(pseudonyms, Rule::IdNumber, digits),
        None => Cow::Borrowed(digits),
    }
}

/// The daemon's own words. All that they ever quote of a client's is an unknown key, which is
/// replaced here as it is where it stood.
pub(super) fn own_words<'t>(pseudonyms: &Pseudonyms, text: &'t str) -> Cow<'t, str> {
    let Some((before, quoted)) = text.split_once(UNKNOWN_KEY) else {
        return scrubbed(pseudonyms, text);
    };
    // The key may hold any words, so the last end is its end.
    let ends = ["`, expected ", "`, there are no "];
    let end = ends.into_iter().filter_map(|end| quoted.rfind(end)).max();
    let end = end.or_else(|| quoted.rfind('`')).unwrap_or(quoted.len());
    let (key, after) = quoted.split_at(end);
    if is_plain_key(key) {
        return scrubbed(pseudonyms, text);
    }
    let (before, after) = (scrubbed(pseudonyms, before), scrubbed(pseudonyms, after));
    Cow::Owned(format!("{before}{UNKNOWN_KEY}{}{after}", pseudonyms.text(key)))
}

/// What stands outside of strings and is no JSON. It stays as wrong as it was, at the same place:
/// what begins like a literal or a number goes on to do so for as long as it did.
pub(super) fn rubbish(pseudonyms: &Pseudonyms, run: &str) -> String {
    let alike = |literal: &&'static str| {
        literal.bytes().zip(run.bytes()).take_while(|(a, b)| a == b).count()
    };
    let literal = ["true", "false", "null"].into_iter().max_by_key(alike).unwrap_or_default();
    let literal_len = alike(&literal);
    if literal_len > 0 {
        let (head, rest) = run.split_at(literal_len);
        let next = literal.chars().nth(literal_len);
        return head.to_owned() + &not_begun(pseudonyms, rest, |first| Some(first) == next);
    }
    let in_number = |c: char| c.is_ascii_digit() || "+-.eE".contains(c);
    let (head, rest) = run.split_at(run.find(|c| !in_number(c)).unwrap_or(run.len()));
    // Whether a group of digits begins with 0 decides how it is read.
    let mut begins = true;
    let head: String = head
        .chars()
        .zip(pseudonyms.text(head).chars())
        .map(|(old, new)| {
            let shown = match old {
                '0' if begins => '0',
                '0'..='9' if !new.is_ascii_digit() || (begins && new == '0') => '1',
                '0'..='9' => new,
                _ => old,
            };
            begins = !old.is_ascii_digit();
            shown
        })
        .collect();
    let starts = |first: char| in_number(first) || (run == rest && "tfn".contains(first));
    head + &not_begun(pseudonyms, rest, starts)
}

/// A text that does not begin with what it must not begin with, unless it was so.
fn not_begun(pseudonyms: &Pseudonyms, text: &str, must_not: impl Fn(char) -> bool) -> String {
    let new = pseudonyms.text(text);
    match (text.chars().next(), new.chars().next()) {
        (Some(old), Some(first)) if must_not(first) && !must_not(old) => {
            // Only what is one byte long can be replaced by a letter.
            "x".to_owned() + new.get(1..).unwrap_or_default()
        }
        _ => new,
    }
}

/// A text, each ID number in it replaced.
fn scrubbed<'t>(pseudonyms: &Pseudonyms, text: &'t str) -> Cow<'t, str> {
    let (mut done, mut out) = (0, String::new());
    for place in real_ids(text) {
        // Of two that overlap the first counts.
        let (Some(before), Some(id)) = (text.get(done..place.start), text.get(place.clone()))
        else {
            continue;
        };
        out.push_str(before);
        out.push_str(&pseudonyms.id_number(id));
        done = place.end;
    }
    if done == 0 { Cow::Borrowed(text) } else { Cow::Owned(out + text.get(done..).unwrap_or("")) }
}

/// A text of unknown meaning; what looks like base64 still is.
fn any_text(pseudonyms: &Pseudonyms, text: &str) -> String {
    let has = |what: fn(&u8) -> bool| text.bytes().any(|byte| what(&byte));
    let looks = text.len() >= TELLING_BASE64
        && has(u8::is_ascii_uppercase)
        && has(u8::is_ascii_lowercase)
        && has(|byte| !byte.is_ascii_alphabetic());
    let filler = || in_base64(text, |bytes| pseudonyms.bytes("base64", bytes));
    looks.then(filler).flatten().unwrap_or_else(|| pseudonyms.text(text))
}

/// Digits in the places of digits, and a first one other than 0 where it was so.
pub(super) fn like_number(old: &str, new: &str) -> String {
    let mut first = true;
    let mut digits = new.chars();
    let mut number: String = old
        .chars()
        .map(|old| {
            let new = digits.next().filter(char::is_ascii_digit);
            if !old.is_ascii_digit() {
                return old;
            }
            let first = std::mem::take(&mut first);
            match new {
                _ if first && old == '0' => '0',
                Some('0') | None if first => '1',
                Some(new) => new,
                None => '0',
            }
        })
        .collect();
    // By accident only. Where the month's first digit is a 9 there is no number, and no other
    // such digit ever becomes less.
    loop {
        let first = real_ids(&number).next();
        let Some(tens) = first.map(|place| place.start + MONTH) else { break };
        number.replace_range(tens..=tens, "9");
    }
    number
}

/// Base64 whose bytes are replaced by as many; line breaks, blanks and padding are where they
/// were. `None` for what is no base64.
fn in_base64(text: &str, new: impl Fn(&[u8]) -> Vec<u8>) -> Option<String> {
    if text.trim().is_empty() {
        return Some(text.to_owned());
    }
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    let passes = |byte: u8| is_base64(&byte) || byte == b'=' || byte.is_ascii_whitespace();
    if !text.bytes().all(passes) {
        return None;
    }
    let dense: Vec<u8> = text.bytes().filter(is_base64).collect();
    let old = UNPADDED.decode(dense).ok()?;
    let new = new(&old);
    if new.len() != old.len() {
        return Some(STANDARD.encode(new));
    }
    let mut encoded = UNPADDED.encode(new).into_bytes().into_iter();
    let place = |byte: u8| if is_base64(&byte) { encoded.next().unwrap_or(byte) } else { byte };
    Some(text.bytes().map(place).map(char::from).collect())
}

/// A picture, the `data:` that may stand before it kept.
fn picture(pseudonyms: &Pseudonyms, text: &str) -> String {
    let start = text.len() - text.trim_start().len();
    let is_url = text.get(start..start + 5).is_some_and(|s| s.eq_ignore_ascii_case("data:"));
    let comma = if is_url { text.find(',').map_or(0, |comma| comma + 1) } else { 0 };
    let (prefix, base64) = text.split_at(comma);
    let plain = |byte: u8| byte.is_ascii_alphabetic() || b" :/;,=+-.64".contains(&byte);
    let prefix = if prefix.len() <= TASK_CHARS && prefix.bytes().all(plain) {
        prefix.to_owned()
    } else {
        pseudonyms.text(prefix)
    };
    // The alphabet of URLs has two characters of its own, and may be mixed with the usual one.
    let is_urls = base64.contains(['-', '_']);
    let usual =
        if is_urls { base64.replace('-', "+").replace('_', "/") } else { base64.to_owned() };
    let grey = in_base64(&usual, |bytes| pseudonyms.picture(bytes));
    let grey = match grey {
        Some(grey) if is_urls => Some(grey.replace('+', "-").replace('/', "_")),
        grey => grey,
    };
    prefix + &grey.unwrap_or_else(|| pseudonyms.text(base64))
}

/// Silence in the place of sound in either form, as the daemon makes it of silence; of a whole recording
/// the MP3 of as much silence.
fn sound(pseudonyms: &Pseudonyms, text: &str) -> String {
    let list = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    if let Some(list) = list {
        let is_list = list.is_empty() || list.split(',').all(|byte| byte.parse::<i8>().is_ok());
        if !is_list {
            return pseudonyms.text(text);
        }
        let zeros = if list.is_empty() { 0 } else { list.split(',').count() };
        return format!("[{}]", vec!["0"; zeros].join(","));
    }
    // The live channel's base64 has line breaks, a recording's has none.
    let silence = |bytes: &[u8]| match mp3::is_mp3(bytes) {
        true if !text.contains('\n') => mp3::silence(bytes.len()),
        _ => vec![0; bytes.len()],
    };
    in_base64(text, silence).unwrap_or_else(|| pseudonyms.text(text))
}

/// A file of silence in the place of one with sound.
fn sound_file(pseudonyms: &Pseudonyms, text: &str) -> String {
    let silence =
        |bytes: &[u8]| wav::silenced(bytes).unwrap_or_else(|| pseudonyms.bytes("sound", bytes));
    in_base64(text, silence).unwrap_or_else(|| pseudonyms.text(text))
}

/// Hex of the same length, blanks and letters' case kept. A negative code is none of a person's.
fn hex(pseudonyms: &Pseudonyms, text: &str, new: impl Fn(&[u8]) -> Vec<u8>) -> String {
    let is_code = |code: &str| code.len() <= 3 && code.bytes().all(|byte| byte.is_ascii_digit());
    if text.strip_prefix('-').is_some_and(is_code) {
        return text.to_owned();
    }
    let Some(old) = unhexed(text) else { return no_hex(pseudonyms, text) };
    let digits = |byte: u8| [byte >> 4, byte & 0xF];
    let mut new = new(&old).into_iter().flat_map(digits);
    let small = text.bytes().any(|digit| digit.is_ascii_lowercase());
    let place = |old: char| {
        if old.is_whitespace() {
            return old;
        }
        let new = new.next().map(u32::from);
        match new.and_then(|new| char::from_digit(new, 16)) {
            Some(new) if new.eq_ignore_ascii_case(&old) => old,
            Some(new) if small => new,
            Some(new) => new.to_ascii_uppercase(),
            None => old,
        }
    };
    text.chars().map(place).collect()
}

/// The bytes of hex in which there may be blanks anywhere, as the daemon reads it.
fn unhexed(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|c| !c.is_whitespace()).map(|c| c.to_digit(16));
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let byte = |pair: &[u32]| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    };
    digits.chunks(2).map(byte).collect()
}

/// What should be hex and is none, as the daemon says of it afterwards as well.
fn no_hex(pseudonyms: &Pseudonyms, text: &str) -> String {
    let new = pseudonyms.text(text);
    if unhexed(&new).is_none() {
        return new;
    }
    let mut characters = new.chars();
    // All of it are hex digits and blanks, a digit somewhere.
    let blanks: String = characters.by_ref().take_while(|c| c.is_whitespace()).collect();
    format!("{blanks}x{}", characters.as_str())
}
