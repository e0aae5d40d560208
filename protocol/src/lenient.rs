//! What is taken for a number, a truth or an object in `params`.
//!
//! Mini-programs send numbers as strings (`"beep":"50"`), Java and JavaScript hosts send whole
//! numbers as floats (`1000.0`), booleans come as `"true"`, and `null` stands for a key left out.
//! All params types read through these functions, so that the same is taken everywhere.
//!
//! No error text here quotes a value: values may be personal data.

use std::fmt;
use std::marker::PhantomData;
use std::ops::RangeInclusive;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};

/// A whole number in `range`, or `None` for `null`.
pub(crate) fn ranged<'de, D, T>(
    deserializer: D,
    range: RangeInclusive<T>,
) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<i64> + PartialOrd + fmt::Display,
{
    let Some(number) = whole(deserializer)? else { return Ok(None) };
    match T::try_from(number) {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(D::Error::custom(format_args!(
            "expected a whole number from {} to {}",
            range.start(),
            range.end()
        ))),
    }
}

/// A whole number, or `None` for `null`. What is beyond `i64` counts as its nearest end.
pub(crate) fn whole<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    deserializer.deserialize_any(Whole)
}

/// Any number, or `None` for `null`.
pub(crate) fn float<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    deserializer.deserialize_any(Float)
}

/// A truth value; `null` is false, as a key left out is.
pub(crate) fn flag<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    deserializer.deserialize_any(Flag)
}

/// A string; `null` is empty, as a key left out is.
pub(crate) fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// A struct that must come as an object: serde's own structs would take an array as well.
pub(crate) fn object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    deserializer.deserialize_map(Object(PhantomData))
}

struct Whole;
struct Float;
struct Flag;
struct Object<T>(PhantomData<T>);

impl Visitor<'_> for Whole {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(i64::try_from(number).unwrap_or(i64::MAX)))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        if number.fract() == 0.0 {
            // `as` between float and integer saturates, which is what is wanted here.
            Ok(Some(number as i64))
        } else {
            Err(E::custom("expected a whole number"))
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        match text.trim().parse() {
            Ok(number) => Ok(Some(number)),
            Err(_) => match decimal(text) {
                Some(number) => self.visit_f64(number),
                None => Err(E::custom("expected a whole number")),
            },
        }
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

impl Visitor<'_> for Float {
    type Value = Option<f64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number")
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(Some(number as f64))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(Some(number as f64))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
        Ok(Some(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        decimal(text).map(Some).ok_or_else(|| E::custom("expected a number"))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

impl Visitor<'_> for Flag {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("true or false")
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(truth)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        text.trim().parse().map_err(|_| E::custom("expected true or false"))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(false)
    }
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

/// A decimal as people write it; Rust's own parser would also take `inf`, `nan` and exponents.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let plain = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'.' | b'+' | b'-'));
    if plain { text.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T>(
        json: &str,
        with: impl Fn(
            &mut serde_json::Deserializer<serde_json::de::StrRead<'_>>,
        ) -> serde_json::Result<T>,
    ) -> Option<T> {
        with(&mut serde_json::Deserializer::from_str(json)).ok()
    }

    #[test]
    fn a_whole_number_comes_as_number_float_or_decimal_string() {
        for json in ["50", "50.0", "5e1", r#""50""#, r#""50.0""#, r#"" 50 ""#, r#""+50""#] {
            assert_eq!(read(json, |de| whole(de)), Some(Some(50)), "{json}");
        }
        for json in [
            "50.5",
            r#""50.5""#,
            r#""""#,
            r#""0x32""#,
            r#""5e1""#,
            r#""nan""#,
            "true",
            "[50]",
            "{}",
        ] {
            assert_eq!(read(json, |de| whole(de)), None, "{json}");
        }
    }

    #[test]
    fn a_number_beyond_all_ranges_is_its_nearest_end() {
        for json in
            ["99999999999999999999", "1e300", "18446744073709551615", r#""99999999999999999999""#]
        {
            assert_eq!(read(json, |de| whole(de)), Some(Some(i64::MAX)), "{json}");
        }
        assert_eq!(read("-1e300", |de| whole(de)), Some(Some(i64::MIN)));
    }

    #[test]
    fn a_range_keeps_both_its_ends_and_nothing_beyond() {
        for (json, expected) in [
            ("1", Some(Some(1))),
            ("4", Some(Some(4))),
            ("null", Some(None)),
            ("0", None),
            ("5", None),
            ("-1", None),
            ("257", None),
        ] {
            assert_eq!(read(json, |de| ranged(de, 1..=4_u8)), expected, "{json}");
        }
    }

    #[test]
    fn a_float_comes_as_any_number_or_decimal_string() {
        for json in ["2", "2.0", r#""2""#, r#""2.0""#] {
            assert_eq!(read(json, |de| float(de)), Some(Some(2.0)), "{json}");
        }
        for json in [r#""inf""#, r#""NaN""#, r#""1.0f""#, r#""""#, "[]", "true"] {
            assert_eq!(read(json, |de| float(de)), None, "{json}");
        }
    }

    #[test]
    fn a_truth_comes_as_itself_or_as_its_word() {
        for (json, expected) in [
            ("true", Some(true)),
            ("false", Some(false)),
            (r#""true""#, Some(true)),
            (r#""false""#, Some(false)),
            ("null", Some(false)),
            ("1", None),
            (r#""yes""#, None),
        ] {
            assert_eq!(read(json, |de| flag(de)), expected, "{json}");
        }
    }

    #[test]
    fn null_is_a_text_left_out_and_a_number_is_no_text() {
        assert_eq!(read("null", |de| text(de)), Some(String::new()));
        assert_eq!(read(r#""a""#, |de| text(de)), Some("a".to_owned()));
        assert_eq!(read("5", |de| text(de)), None);
    }

    #[test]
    fn an_array_is_no_object() {
        #[derive(serde::Deserialize, Debug, PartialEq)]
        struct Pair {
            a: u8,
        }
        assert_eq!(read(r#"{"a":1}"#, |de| object(de)), Some(Pair { a: 1 }));
        assert_eq!(read::<Pair>("[1]", |de| object(de)), None);
    }
}
