//! Which keys a type reads and writes: asked of serde, which knows them from the type.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{DeserializeOwned, Deserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};

/// The keys that a type reads from an object; none of one that reads anything.
pub(crate) fn read<T: DeserializeOwned>() -> BTreeSet<&'static str> {
    let mut keys = BTreeSet::new();
    // It ends as soon as the type has said what it wants.
    let _ = T::deserialize(Tracer(&mut keys));
    keys
}

/// The keys that a value writes.
pub(crate) fn written<T: Serialize>(value: &T) -> BTreeSet<&'static str> {
    let value = serde_json::to_value(value).unwrap();
    let keys = value.as_object().unwrap().keys();
    keys.map(|key| &*key.clone().leak()).collect()
}

struct Tracer<'k>(&'k mut BTreeSet<&'static str>);

#[derive(Debug)]
struct Enough;

impl fmt::Display for Enough {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("that is known now")
    }
}

impl std::error::Error for Enough {}

impl serde::de::Error for Enough {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Enough;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Enough> {
        Err(Enough)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Enough> {
        self.0.extend(fields);
        Err(Enough)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[test]
fn keys_are_found_through_conversions_and_not_where_anything_is_read() {
    use hharome_protocol::action::NoParams;
    use hharome_protocol::bridge::KeypadParams;
    assert_eq!(read::<KeypadParams>(), BTreeSet::from(["do", "idNum", "request"]));
    assert_eq!(read::<NoParams>(), BTreeSet::new());
}
