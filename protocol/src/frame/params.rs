//! An action's typed params out of raw JSON, and errors that name the key but never the value.

use serde::de::value::Error as ValueError;
use serde::de::{DeserializeOwned, Deserializer, Error, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::failure::Failure;

/// Reads typed params. Absent and `null` count as `{}`.
///
/// # Errors
///
/// `bad_request`, whose detail names the key by its path (`params.printList[1].textSize: …`) and
/// says what is allowed there. It never quotes the value, which may be personal data.
pub fn params<P: DeserializeOwned>(raw: Option<&RawValue>) -> Result<P, Failure> {
    let text = match raw.map(RawValue::get) {
        None | Some("null") => "{}",
        Some(text) => text,
    };
    if !text.starts_with('{') {
        return P::deserialize(NotAnObject)
            .map_err(|_| Failure::bad_request("params: expected an object"));
    }
    if let Ok(params) = serde_json::from_str(text) {
        return Ok(params);
    }
    // Once more, to learn where the mistake is: keeping book of that costs more than the reading.
    let mut deserializer = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path();
        let dot = if path.iter().next().is_some() { "." } else { "" };
        let path = if dot.is_empty() { String::new() } else { path.to_string() };
        Failure::bad_request(format!("params{dot}{path}: {}", without_values(error.inner())))
    })
}

/// What serde says is wrong, without the value that it quotes and without a place in the text.
pub(super) fn without_values(error: &serde_json::Error) -> String {
    let mut text = error.to_string();
    if error.classify() != Category::Data {
        // Syntax errors quote nothing, and their column helps.
        return text;
    }
    if let Some(place) = text.rfind(" at line ") {
        text.truncate(place);
    }
    // `invalid type: string "…", expected a number`: serde names the kind of value, then quotes it.
    // The quoted part may itself hold any words, so the ends are what is looked for.
    let quoting = ["invalid type: ", "invalid value: "].iter().any(|start| text.starts_with(start));
    match (text.find(['"', '`']), text.rfind(", expected ")) {
        (Some(quote), Some(expected)) if quoting && quote < expected => {
            format!("{}{}", text[..quote].trim_end(), &text[expected..])
        }
        _ => text,
    }
}

/// Stands in for params that are no object: refuses every type but one that ignores its input
/// ([`NoParams`](crate::action::NoParams)). serde's own structs would read an array by position.
struct NotAnObject;

impl<'de> Deserializer<'de> for NotAnObject {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom("expected an object"))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
    }
}
