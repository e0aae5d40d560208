//! One code's bytes, replaced so that they decode to what [`Pseudonyms::code`] makes of the text.
//!
//! The bytes are cut into characters as the decoder cuts them; each gets bytes of its own length.
//! What does not decode is replaced by what does not decode in the same way: bytes that are no
//! UTF-8 may still be a name in another encoding.

use super::super::framing::Encoding;
use crate::pseudonym::Pseudonyms;

/// How the bytes of a code are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Charset {
    Utf8,
    Gb18030,
}

/// Bytes that decode to one character.
struct Piece<'a> {
    bytes: &'a [u8],
    /// `None` for what does not decode, which becomes one U+FFFD.
    character: Option<char>,
}

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
    let pieces = match charset {
        Charset::Utf8 => utf8(code),
        Charset::Gb18030 => gb18030(code),
    };
    let shown = |piece: &Piece<'_>| piece.character.unwrap_or(char::REPLACEMENT_CHARACTER);
    let text: String = pieces.iter().map(shown).collect();
    let invented = pseudonyms.code(&text);
    let mut invented = invented.chars();
    let mut replaced = Vec::with_capacity(code.len());
    for piece in pieces {
        let character = invented.next()?;
        match piece.character {
            None => replaced.extend(undecodable(piece.bytes.len(), charset)),
            Some(real) if real == character => replaced.extend_from_slice(piece.bytes),
            Some(_) => {
                let mut utf8 = [0; 4];
                let utf8 = &*character.encode_utf8(&mut utf8);
                match charset {
                    Charset::Utf8 => replaced.extend_from_slice(utf8.as_bytes()),
                    Charset::Gb18030 => {
                        replaced.extend_from_slice(&encoding_rs::GB18030.encode(utf8).0);
                    }
                }
            }
        }
    }
    (replaced.len() == code.len() && invented.next().is_none()).then_some(replaced)
}

/// So many bytes that become one U+FFFD, whatever follows them.
fn undecodable(length: usize, charset: Charset) -> impl Iterator<Item = u8> {
    let bytes: &[u8] = match (charset, length) {
        // No byte of any UTF-8, nor a first one of GB18030.
        (_, 1) => &[0xFF],
        // Characters that are cut off: no continuation byte follows, or it would have been theirs.
        (Charset::Utf8, 2) => &[0xE1, 0x80],
        (Charset::Utf8, _) => &[0xF1, 0x80, 0x80],
        // A second byte that is none, though no ASCII either.
        (Charset::Gb18030, 2) => &[0x81, 0xFF],
        // Only at the end of a code.
        (Charset::Gb18030, 3) => &[0x81, 0x30, 0x81],
        // Behind the last code point.
        (Charset::Gb18030, _) => &[0xFE, 0x39, 0xFE, 0x39],
    };
    bytes.iter().copied()
}

fn utf8(code: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for chunk in code.utf8_chunks() {
        let valid = chunk.valid();
        pieces.extend(valid.char_indices().map(|(at, character)| {
            let bytes = valid.as_bytes().get(at..at + character.len_utf8()).unwrap_or_default();
            Piece { bytes, character: Some(character) }
        }));
        if !chunk.invalid().is_empty() {
            pieces.push(Piece { bytes: chunk.invalid(), character: None });
        }
    }
    pieces
}

fn gb18030(code: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = code;
    while !rest.is_empty() {
        let (length, character) = first_of_gb18030(rest);
        let (bytes, behind) = rest.split_at(length.clamp(1, rest.len()));
        pieces.push(Piece { bytes, character });
        rest = behind;
    }
    pieces
}

/// How many of the bytes the decoder (Encoding Standard, 10.2.1) takes first, and what they are.
fn first_of_gb18030(bytes: &[u8]) -> (usize, Option<char>) {
    let decoded = |length: usize| {
        let one = bytes.get(..length)?;
        let text = encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(one)?;
        text.chars().next()
    };
    match bytes {
        [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE, 0x30..=0x39, ..] => (4, decoded(4)),
        // Cut off by the end.
        [0x81..=0xFE] | [0x81..=0xFE, 0x30..=0x39] | [0x81..=0xFE, 0x30..=0x39, 0x81..=0xFE] => {
            (bytes.len(), None)
        }
        // What is ASCII behind a first byte that it does not fit stands for itself, and so does
        // all behind a digit that begins no four bytes.
        [0x81..=0xFE, 0x30..=0x39, ..] => (1, None),
        [0x81..=0xFE, second, ..] => match decoded(2) {
            None if second.is_ascii() => (1, None),
            character => (2, character),
        },
        _ => (1, decoded(1)),
    }
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
