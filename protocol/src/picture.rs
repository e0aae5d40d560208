//! Pictures inside params: base64 with what clients put before and between it.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::{Deserialize, Deserializer};

use crate::failure::Failure;

/// A picture in base64, a `data:` prefix taken off. It may show a person, so it has no `Debug`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Picture(String);

impl Picture {
    /// The base64 as it came, without the prefix.
    #[must_use]
    pub fn as_base64(&self) -> &str {
        &self.0
    }

    /// Whether nothing came.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The bytes of the picture file. Line breaks and blanks between the characters are passed
    /// over, padding may be missing, and the alphabet may be that of URLs (RFC 4648, chapter 5);
    /// which kind of file it is is not looked at.
    ///
    /// # Errors
    ///
    /// `bad_request` that names `key`, for what is no base64.
    pub fn decode(&self, key: &str) -> Result<Vec<u8>, Failure> {
        let odd = |byte: u8| byte.is_ascii_whitespace() || b"-_".contains(&byte);
        let decoded = if self.0.bytes().any(odd) {
            let dense = self.0.bytes().filter(|byte| !byte.is_ascii_whitespace());
            let usual: Vec<u8> = dense
                .map(|byte| match byte {
                    b'-' => b'+',
                    b'_' => b'/',
                    other => other,
                })
                .collect();
            FORGIVING.decode(usual)
        } else {
            FORGIVING.decode(&self.0)
        };
        // The library's error quotes a byte of the picture at most; even that stays out.
        decoded.map_err(|_| Failure::bad_request(format!("params.{key}: expected base64")))
    }
}

const FORGIVING: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

impl From<String> for Picture {
    fn from(mut text: String) -> Self {
        let start = text.len() - text.trim_start().len();
        let is_url = text.get(start..start + 5).is_some_and(|s| s.eq_ignore_ascii_case("data:"));
        if is_url && let Some(comma) = text.find(',') {
            text.drain(..=comma);
        }
        Self(text)
    }
}

impl<'de> Deserialize<'de> for Picture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base64: &str, expected: Option<&[u8]>) {
        let decoded = Picture::from(base64.to_owned()).decode("key").ok();
        assert_eq!(decoded.as_deref(), expected, "{base64}");
    }

    #[test]
    fn a_data_prefix_is_taken_off() {
        check("data:image/png;base64,AQID", Some(&[1, 2, 3]));
        check(" DATA:;base64,AQID", Some(&[1, 2, 3]));
        check("AQID", Some(&[1, 2, 3]));
        assert_eq!(Picture::from("data:image/png;base64,AQID".to_owned()).as_base64(), "AQID");
        assert!(Picture::from("data:,".to_owned()).is_empty());
    }

    #[test]
    fn blanks_are_passed_over_and_padding_may_be_missing() {
        check("AQ\nID\r\nBA==\n", Some(&[1, 2, 3, 4]));
        check("AQIDBA", Some(&[1, 2, 3, 4]));
    }

    #[test]
    fn the_alphabet_of_urls_is_read_as_well() {
        check("-_-_", Some(&[0xFB, 0xFF, 0xBF]));
        check("+/-_\n+w", Some(&[0xFB, 0xFF, 0xBF, 0xFB]));
    }

    #[test]
    fn what_is_no_base64_is_a_bad_request_that_names_the_key() {
        check("图片", None);
        check("A", None);
        let failure = Picture::from("!".to_owned()).decode("printList[0].imageBase64").unwrap_err();
        assert_eq!(
            failure.to_string(),
            "bad_request: params.printList[0].imageBase64: expected base64"
        );
    }
}
