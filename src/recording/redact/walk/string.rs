//! The inside of a JSON string: its text, and the same text again in the spelling that it had.

use std::borrow::Cow;

/// A part of a string.
pub(super) enum Piece<'a> {
    /// Text.
    Text(Text<'a>),
    /// What is no text and makes the string a bad one: half a surrogate pair, an escape that there
    /// is not, a control character.
    Odd(&'a str),
}

/// Text inside a string.
pub(super) struct Text<'a> {
    /// As it is written.
    pub(super) raw: &'a str,
    /// As it is meant.
    pub(super) decoded: Cow<'a, str>,
    /// How many bytes each character of `decoded` is written with; none where it is written as it
    /// is meant.
    spelling: Vec<u8>,
}

/// Where a string's inside ends: at its closing quote, or with the text.
pub(super) fn end(rest: &str) -> usize {
    let mut escaped = false;
    let is_end = |byte: u8| {
        let quote = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        quote
    };
    rest.bytes().position(is_end).unwrap_or(rest.len())
}

/// All of a string's text; what is none is left out.
pub(super) fn decoded(raw: &str) -> Cow<'_, str> {
    if is_plain(raw) {
        return Cow::Borrowed(raw);
    }
    let text = |piece| match piece {
        Piece::Text(text) => Some(text.decoded),
        Piece::Odd(_) => None,
    };
    Cow::Owned(pieces(raw).into_iter().filter_map(text).collect())
}

/// The parts of a string, in order; one empty text if it is empty.
pub(super) fn pieces(raw: &str) -> Vec<Piece<'_>> {
    if is_plain(raw) {
        let decoded = Cow::Borrowed(raw);
        return vec![Piece::Text(Text { raw, decoded, spelling: Vec::new() })];
    }
    let mut pieces = Vec::new();
    let (mut start, mut at) = (0, 0);
    let (mut decoded, mut spelling) = (String::new(), Vec::new());
    while let Some(rest) = raw.get(at..).filter(|rest| !rest.is_empty()) {
        let (character, bytes) = first(rest);
        if let Some(character) = character {
            decoded.push(character);
            // The longest is a surrogate pair, of twelve.
            spelling.push(u8::try_from(bytes).unwrap_or(u8::MAX));
        } else {
            let (decoded, spelling) = (std::mem::take(&mut decoded), std::mem::take(&mut spelling));
            pieces.extend(text(raw, start, at, decoded, spelling));
            pieces.extend(raw.get(at..at + bytes).map(Piece::Odd));
            start = at + bytes;
        }
        at += bytes;
    }
    pieces.extend(text(raw, start, at, decoded, spelling));
    pieces
}

fn text(
    raw: &str,
    start: usize,
    end: usize,
    decoded: String,
    spelling: Vec<u8>,
) -> Option<Piece<'_>> {
    let raw = raw.get(start..end).filter(|raw| !raw.is_empty())?;
    Some(Piece::Text(Text { raw, decoded: Cow::Owned(decoded), spelling }))
}

impl<'a> Piece<'a> {
    /// As it is written.
    pub(super) fn raw(&self) -> &'a str {
        match self {
            Self::Text(text) => text.raw,
            Self::Odd(raw) => raw,
        }
    }
}

impl Text<'_> {
    /// Another text in this one's spelling: where a character was escaped, so is the one in its
    /// place. Of another number of characters, it is written with the escapes that it needs.
    pub(super) fn spelled(&self, new: &str) -> String {
        let mut written = String::with_capacity(self.raw.len());
        if self.spelling.is_empty() || self.spelling.len() != new.chars().count() {
            new.chars().for_each(|character| plainly(character, &mut written));
            return written;
        }
        let mut rest = self.raw;
        for ((old, bytes), new) in self.decoded.chars().zip(&self.spelling).zip(new.chars()) {
            let (was, after) = rest.split_at_checked(usize::from(*bytes)).unwrap_or((rest, ""));
            rest = after;
            if old == new {
                written.push_str(was);
            } else if was.starts_with("\\u") {
                let capitals = was.bytes().any(|byte| matches!(byte, b'A'..=b'F'));
                for unit in new.encode_utf16(&mut [0; 2]) {
                    let hex = if capitals { format!("{unit:04X}") } else { format!("{unit:04x}") };
                    written.push_str("\\u");
                    written.push_str(&hex);
                }
            } else {
                plainly(new, &mut written);
            }
        }
        written
    }

    /// Another text in this one's spelling and length, if there is a way; else filler of its length.
    pub(super) fn filler(&self, new: &str) -> String {
        let written = self.spelled(new);
        if written.len() == self.raw.len() { written } else { "x".repeat(self.raw.len()) }
    }
}

/// Whether a string is written as it is meant.
fn is_plain(raw: &str) -> bool {
    raw.bytes().all(|byte| byte != b'\\' && byte >= b' ')
}

/// A character with the escape that it needs.
fn plainly(character: char, out: &mut String) {
    match character {
        '"' | '\\' => out.extend(['\\', character]),
        '\0'..='\x1F' => out.push_str(&format!("\\u{:04x}", u32::from(character))),
        _ => out.push(character),
    }
}

/// The first character, if it is one, and how many bytes it is written with: at least one.
fn first(rest: &str) -> (Option<char>, usize) {
    let mut characters = rest.chars();
    let character = match characters.next() {
        Some('\\') => return escape(rest),
        Some(control @ '\0'..='\x1F') => return (None, control.len_utf8()),
        other => other,
    };
    (character, character.map_or(1, char::len_utf8))
}

fn escape(rest: &str) -> (Option<char>, usize) {
    let short = |character| (Some(character), 2);
    match rest.as_bytes().get(1) {
        Some(b'"') => short('"'),
        Some(b'\\') => short('\\'),
        Some(b'/') => short('/'),
        Some(b'b') => short('\x08'),
        Some(b'f') => short('\x0C'),
        Some(b'n') => short('\n'),
        Some(b'r') => short('\r'),
        Some(b't') => short('\t'),
        Some(b'u') => match (unit(rest), rest.get(6..).and_then(unit)) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                let pair = char::decode_utf16([high, low]).next();
                (pair.and_then(Result::ok), 12)
            }
            (Some(unit), _) => (char::from_u32(u32::from(unit)), 6),
            (None, _) => (None, 2 + wrong(rest, 2, 3)),
        },
        _ => (None, 1 + wrong(rest, 1, 0)),
    }
}

/// How many bytes from `from` on make an escape a wrong one: hex digits, `digits` at most, and the
/// character after them. Were that replaced, the escape could become a right one; beyond ASCII it
/// could not, and is text.
fn wrong(rest: &str, from: usize, digits: usize) -> usize {
    let mut bytes = rest.bytes().skip(from).peekable();
    let mut count = 0;
    while count < digits && bytes.next_if(u8::is_ascii_hexdigit).is_some() {
        count += 1;
    }
    count + usize::from(bytes.next().is_some_and(|byte| byte.is_ascii()))
}

/// The UTF-16 unit of an escape `\uXXXX`.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    let hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    if hex { u16::from_str_radix(digits, 16).ok() } else { None }
}
