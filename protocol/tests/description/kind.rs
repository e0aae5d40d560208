//! What a value may be, and whether one is so.

use serde_json::Value;

/// A key of an object.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    pub(crate) key: &'static str,
    pub(crate) kind: Kind,
    pub(crate) required: bool,
    /// Sent by some programs, as the vendor's document has it, and passed over.
    pub(crate) ignored: bool,
    /// In a few words of English.
    pub(crate) note: &'static str,
}

/// What a value may be.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Text,
    /// A long text: sound or a picture in base64.
    Base64,
    /// One or a few of these words, separated by commas.
    Words(&'static [&'static str]),
    OneOf(&'static [&'static str]),
    /// A whole number of a range; strings of digits are read, too.
    Whole(i64, i64),
    /// One of a few whole numbers.
    Code(&'static [i64]),
    Number,
    Flag,
    /// JSON in a string.
    Json,
    List(&'static Kind),
    Object(&'static [Field]),
    /// An object with any keys.
    Map(&'static Kind),
    Any,
}

pub(crate) const fn need(key: &'static str, kind: Kind, note: &'static str) -> Field {
    Field { key, kind, required: true, ignored: false, note }
}

pub(crate) const fn may(key: &'static str, kind: Kind, note: &'static str) -> Field {
    Field { key, kind, required: false, ignored: false, note }
}

pub(crate) const fn ignored(key: &'static str, kind: Kind) -> Field {
    Field { key, kind, required: false, ignored: true, note: "ignored" }
}

/// Fails if `value` is no object of these fields.
pub(crate) fn conforms(fields: &[Field], value: &Value, of: &str) {
    let object = value.as_object().unwrap_or_else(|| panic!("no object: {of}"));
    for field in fields.iter().filter(|field| field.required) {
        assert!(object.contains_key(field.key), "{} is missing: {of}", field.key);
    }
    for (key, value) in object {
        let field = fields.iter().find(|field| field.key == key);
        let field = field.unwrap_or_else(|| panic!("{key} is not described: {of}"));
        assert!(fits(field.kind, value, of), "{key} is no such thing: {of}");
    }
}

fn fits(kind: Kind, value: &Value, of: &str) -> bool {
    let whole = || value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    match kind {
        Kind::Any => true,
        Kind::Text | Kind::Base64 => value.is_string(),
        // Left empty in some of the document's examples.
        Kind::Words(words) => value.as_str().is_some_and(|text| {
            text.split(',').all(|word| word.is_empty() || words.contains(&word.trim()))
        }),
        Kind::OneOf(words) => value.as_str().is_some_and(|word| words.contains(&word)),
        Kind::Whole(least, most) => whole().is_some_and(|number| (least..=most).contains(&number)),
        Kind::Code(codes) => whole().is_some_and(|code| codes.contains(&code)),
        Kind::Number => {
            value.is_number() || value.as_str().is_some_and(|text| text.parse::<f64>().is_ok())
        }
        Kind::Flag => {
            value.is_boolean() || ["true", "false"].contains(&value.as_str().unwrap_or_default())
        }
        Kind::Json => {
            value.as_str().is_some_and(|text| serde_json::from_str::<Value>(text).is_ok())
        }
        Kind::List(kind) => {
            value.as_array().is_some_and(|list| list.iter().all(|one| fits(*kind, one, of)))
        }
        Kind::Map(kind) => {
            value.as_object().is_some_and(|map| map.values().all(|one| fits(*kind, one, of)))
        }
        Kind::Object(fields) => {
            conforms(fields, value, of);
            true
        }
    }
}
