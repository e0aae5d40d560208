//! Receipt printing.
//!
//! A list that has passed through here is printable but for its pictures, which are decoded by the
//! handler (that takes long enough to belong on a thread of its own) before the first byte goes
//! out. A receipt names customers, so these types have no `Debug`.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::action::{Action, Empty, Nature};
use crate::lenient;
use crate::picture::Picture;

/// `receiptPrinting`: prints a list of texts and pictures.
pub struct ReceiptPrinting;

/// What to print.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReceiptParams {
    /// `printList`: 1 to [`MAX_ENTRIES`] entries, printed in order.
    #[serde(deserialize_with = "entries")]
    pub print_list: Vec<Entry>,
}

/// One entry: a text, a picture, or a text with a picture below it; never neither.
#[derive(Clone)]
pub struct Entry {
    /// What to print first.
    pub text: Option<Text>,
    /// What to print then.
    pub image: Option<Image>,
    /// `algin`, the vendor's spelling, or `align`: holds for both.
    pub align: Align,
}

/// Type on paper.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// The words; may hold `\n`.
    pub text: String,
    /// `textSize`: the height of the type in dots, 1 to [`MAX_TEXT_SIZE`]; 26 where left out.
    pub size: u16,
    /// Whether it is bold.
    pub bold: bool,
}

/// A picture on paper.
#[derive(Clone, PartialEq, Eq)]
pub struct Image {
    /// `imageBase64`, not decoded yet.
    pub picture: Picture,
    /// In dots, 1 to [`MAX_DOTS`]; left out, it follows from `height`, or is the picture's own.
    pub width: Option<u16>,
    /// In dots, 1 to [`MAX_DOTS`]; left out, it follows from `width`, or is the picture's own.
    pub height: Option<u16>,
}

/// Where on the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// `left`
    #[default]
    Left,
    /// `center`
    Center,
    /// `right`
    Right,
}

/// The most entries of one list. Ours: at a line each that is four metres of paper.
pub const MAX_ENTRIES: usize = 1000;

/// The tallest type in dots. Ours: wider than any receipt printer's paper.
pub const MAX_TEXT_SIZE: u16 = 1000;

/// The longest side of a picture in dots. Ours: over a metre of paper at 8 dots a millimetre.
pub const MAX_DOTS: u16 = 10_000;

impl Action for ReceiptPrinting {
    const NAME: &'static str = "receiptPrinting";
    const NATURE: Nature = Nature::Act;
    type Params = ReceiptParams;
    type Data = Empty;
}

/// The keys of one entry as they stand on the wire.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntryFields {
    #[serde(default, deserialize_with = "lenient::text")]
    text: String,
    #[serde(default = "default_text_size", deserialize_with = "text_size")]
    text_size: u16,
    #[serde(default, deserialize_with = "lenient::flag")]
    bold: bool,
    algin: Option<Align>,
    align: Option<Align>,
    image_base64: Option<Picture>,
    #[serde(default, deserialize_with = "dots")]
    width: Option<u16>,
    #[serde(default, deserialize_with = "dots")]
    height: Option<u16>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let fields: EntryFields = lenient::object(deserializer)?;
        let text = Text { text: fields.text, size: fields.text_size, bold: fields.bold };
        let text = Some(text).filter(|text| !text.text.is_empty());
        let (width, height) = (fields.width, fields.height);
        let picture = fields.image_base64.filter(|picture| !picture.is_empty());
        let image = picture.map(|picture| Image { picture, width, height });
        if text.is_none() && image.is_none() {
            return Err(D::Error::custom("expected text or imageBase64"));
        }
        Ok(Self { text, image, align: fields.algin.or(fields.align).unwrap_or_default() })
    }
}

impl<'de> Deserialize<'de> for Align {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "left" => Ok(Self::Left),
            "center" => Ok(Self::Center),
            "right" => Ok(Self::Right),
            _ => Err(D::Error::custom("expected left, center or right")),
        }
    }
}

const fn default_text_size() -> u16 {
    26
}

fn text_size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let size = lenient::ranged(deserializer, 1..=MAX_TEXT_SIZE)?;
    Ok(size.unwrap_or(default_text_size()))
}

fn dots<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u16>, D::Error> {
    lenient::ranged(deserializer, 1..=MAX_DOTS)
}

fn entries<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Entry>, D::Error> {
    struct Entries;

    impl<'de> Visitor<'de> for Entries {
        type Value = Vec<Entry>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<Entry>, A::Error> {
            let mut entries = Vec::new();
            while let Some(entry) = list.next_element()? {
                if entries.len() == MAX_ENTRIES {
                    let error = format_args!("expected at most {MAX_ENTRIES} entries");
                    return Err(A::Error::custom(error));
                }
                entries.push(entry);
            }
            if entries.is_empty() {
                return Err(A::Error::custom("expected at least one entry"));
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_seq(Entries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{accepted, refused};

    fn entry(json: &str) -> Entry {
        let mut list = accepted::<ReceiptParams>(&list_of(json)).print_list;
        assert_eq!(list.len(), 1);
        list.remove(0)
    }

    fn refusal(json: &str) -> String {
        refused::<ReceiptParams>(&list_of(json))
    }

    fn list_of(entry: &str) -> String {
        format!(r#"{{"printList":[{entry}]}}"#)
    }

    #[test]
    fn a_text_has_the_documents_defaults() {
        for json in [
            r#"{"text":"a"}"#,
            r#"{"text":"a","textSize":null,"bold":null,"algin":null,"imageBase64":null}"#,
            r#"{"text":"a","imageBase64":""}"#,
            r#"{"text":"a","colour":"red","lines":[1,{}]}"#,
        ] {
            let entry = entry(json);
            let text = entry.text.unwrap();
            assert_eq!((text.text.as_str(), text.size, text.bold), ("a", 26, false), "{json}");
            assert_eq!(entry.align, Align::Left);
            assert!(entry.image.is_none());
        }
    }

    #[test]
    fn numbers_and_truths_may_be_strings() {
        let entry = entry(
            r#"{"text":"a","textSize":"30","bold":"true","imageBase64":"AQID","width":"376.0"}"#,
        );
        let (text, image) = (entry.text.unwrap(), entry.image.unwrap());
        assert_eq!((text.size, text.bold), (30, true));
        assert_eq!((image.width, image.height), (Some(376), None));
    }

    #[test]
    fn the_alignment_is_read_under_both_spellings_and_the_vendors_wins() {
        let align = |json: &str| entry(json).align;
        assert_eq!(align(r#"{"text":"a","algin":"right"}"#), Align::Right);
        assert_eq!(align(r#"{"text":"a","align":"center"}"#), Align::Center);
        assert_eq!(align(r#"{"text":"a","align":"center","algin":"right"}"#), Align::Right);
        assert_eq!(align(r#"{"text":"a","algin":null,"align":"center"}"#), Align::Center);
        assert_eq!(
            refusal(r#"{"text":"a","align":"middle"}"#),
            "params.printList[0].align: expected left, center or right"
        );
    }

    #[test]
    fn an_entry_needs_a_text_or_a_picture() {
        for json in ["{}", r#"{"text":""}"#, r#"{"imageBase64":"","width":9}"#] {
            assert_eq!(
                refusal(json),
                "params.printList[0]: expected text or imageBase64",
                "{json}"
            );
        }
        assert!(entry(r#"{"text":"\n"}"#).text.is_some());
    }

    #[test]
    fn the_mistake_is_named_by_its_place() {
        assert_eq!(
            refused::<ReceiptParams>(r#"{"printList":[{"text":"a"},{"text":"b","textSize":0}]}"#),
            "params.printList[1].textSize: expected a whole number from 1 to 1000"
        );
    }

    #[test]
    fn an_empty_list_an_overlong_one_and_what_is_no_list_are_refused() {
        assert_eq!(
            refused::<ReceiptParams>(r#"{"printList":[]}"#),
            "params.printList: expected at least one entry"
        );
        let list = |length| list_of(&vec![r#"{"text":"a"}"#; length].join(","));
        assert_eq!(accepted::<ReceiptParams>(&list(MAX_ENTRIES)).print_list.len(), MAX_ENTRIES);
        assert_eq!(
            refused::<ReceiptParams>(&list(MAX_ENTRIES + 1)),
            "params.printList: expected at most 1000 entries"
        );
        for json in ["{}", r#"{"printList":{}}"#, r#"{"printList":null}"#] {
            refused::<ReceiptParams>(json);
        }
        refusal(r#"["a",26]"#);
    }
}
