//! One code's bytes, replaced so that they decode to what [`Pseudonyms::code`] makes of the text.
//!
//! Owns only in which encoding a code is read; called by the redactor, a code at a time.

use super::super::framing::Encoding;
use crate::pseudonym::{Charset, Pseudonyms, in_place};

/// As many bytes as `code`, which decode to the replaced text; `None` if there are none, which
/// the classes of characters rule out.
pub(super) fn replaced(
    code: &[u8],
    encoding: Encoding,
    pseudonyms: &Pseudonyms,
) -> Option<Vec<u8>> {
    let charset = match encoding {
        Encoding::Utf8 => Charset::Utf8,
        Encoding::Gb18030 => Charset::Gb18030,
        Encoding::Auto if std::str::from_utf8(code).is_ok() => Charset::Utf8,
        Encoding::Auto => Charset::Gb18030,
    };
    in_place(code, charset, |text| pseudonyms.code(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ENCODINGS: [Encoding; 3] = [Encoding::Auto, Encoding::Utf8, Encoding::Gb18030];

    fn check(code: &[u8]) {
        let pseudonyms = Pseudonyms::with_key([3; 32]);
        for encoding in ENCODINGS {
            let replaced = replaced(code, encoding, &pseudonyms);
            let replaced = replaced.unwrap_or_else(|| panic!("{encoding:?} {code:02X?}"));
            assert_eq!(replaced.len(), code.len());
            let expected = pseudonyms.code(&encoding.decode(code));
            assert_eq!(encoding.decode(&replaced), expected, "{encoding:?} {code:02X?}");
        }
    }

    #[test]
    fn what_does_not_decode_stays_undecodable_and_is_not_what_it_was() {
        // 张三 in GB18030, on a scanner that is said to send UTF-8.
        let name = [0xD5, 0xC5, 0xC8, 0xFD];
        let replaced =
            replaced(&name, Encoding::Utf8, &Pseudonyms::with_key([3; 32])).expect("a code");
        assert_eq!(Encoding::Utf8.decode(&replaced), Encoding::Utf8.decode(&name));
        assert!(!replaced.iter().any(|byte| name.contains(byte)), "{replaced:02X?}");
    }

    #[test]
    fn characters_of_every_length_are_replaced_in_place() {
        for code in ["张三", "a张1三", "𠮷é·Ж", "６Ａ，　€", "㐂龥\u{9FB4}", "\u{E5E5}甲x"]
        {
            check(code.as_bytes());
            check(&encoding_rs::GB18030.encode(code).0);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_decode_to_the_replaced_text(
            code in prop::collection::vec(
                prop_oneof![
                    any::<u8>(),
                    0x30u8..=0x39,
                    Just(0x80u8),
                    Just(0x81),
                    Just(0xE5),
                    Just(0xF1),
                    Just(0xFE),
                    Just(0xFF),
                    0xB0u8..=0xF7,
                ],
                0..24,
            ),
        ) {
            check(&code);
        }

        #[test]
        fn any_text_is_replaced_in_either_encoding(code: String) {
            check(code.as_bytes());
            check(&encoding_rs::GB18030.encode(&code).0);
        }
    }
}
