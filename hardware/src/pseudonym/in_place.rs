//! A text within bytes, replaced there so that they decode to what a pseudonym makes of it.
//!
//! The bytes are cut into characters as the decoder cuts them; each gets bytes of its own length.
//! What does not decode is replaced by what does not decode in the same way: bytes that are no
//! UTF-8 may still be a name in another encoding. Called by the redactors of devices that say text
//! in these encodings; ends with its result.

/// How bytes are read as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Charset {
    /// Bytes that are no UTF-8 become U+FFFD, as many as Rust's lossy reading makes.
    Utf8,
    /// Bytes that are none become U+FFFD, as many as the Encoding Standard makes.
    Gb18030,
    /// The same, where `FF` is filling and no byte of the text, neither before nor after.
    Gb18030WithoutFf,
}

/// Bytes that decode to one character.
struct Piece<'a> {
    bytes: &'a [u8],
    /// `None` for what does not decode, which becomes one U+FFFD.
    character: Option<char>,
}

/// As many bytes as `bytes`, which decode to what `invented` makes of their text; `None` if there
/// are none, which the classes of characters rule out.
pub(crate) fn in_place(
    bytes: &[u8],
    charset: Charset,
    invented: impl FnOnce(&str) -> String,
) -> Option<Vec<u8>> {
    let pieces = match charset {
        Charset::Utf8 => utf8(bytes),
        Charset::Gb18030 | Charset::Gb18030WithoutFf => gb18030(bytes),
    };
    let shown = |piece: &Piece<'_>| piece.character.unwrap_or(char::REPLACEMENT_CHARACTER);
    let text: String = pieces.iter().map(shown).collect();
    let invented = invented(&text);
    let mut invented = invented.chars();
    let mut replaced = Vec::with_capacity(bytes.len());
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
                    Charset::Gb18030 | Charset::Gb18030WithoutFf => {
                        replaced.extend_from_slice(&encoding_rs::GB18030.encode(utf8).0);
                    }
                }
            }
        }
    }
    (replaced.len() == bytes.len() && invented.next().is_none()).then_some(replaced)
}

/// So many bytes that become one U+FFFD, whatever follows them.
fn undecodable(length: usize, charset: Charset) -> impl Iterator<Item = u8> {
    let bytes: &[u8] = match (charset, length) {
        // A first byte of two or four. What follows did not fit one, and what it has become does
        // not either: ASCII that is no second byte is replaced by such, and digits by digits.
        (Charset::Gb18030WithoutFf, 1) => &[0x81],
        // Only at the end.
        (Charset::Gb18030WithoutFf, 2) => &[0x81, 0x30],
        // No byte of any UTF-8, nor a first one of GB18030.
        (_, 1) => &[0xFF],
        // Characters that are cut off: no continuation byte follows, or it would have been theirs.
        (Charset::Utf8, 2) => &[0xE1, 0x80],
        (Charset::Utf8, _) => &[0xF1, 0x80, 0x80],
        // A second byte that is none, though no ASCII either.
        (Charset::Gb18030, 2) => &[0x81, 0xFF],
        // Only at the end.
        (_, 3) => &[0x81, 0x30, 0x81],
        // Behind the last code point.
        _ => &[0xFE, 0x39, 0xFE, 0x39],
    };
    bytes.iter().copied()
}

fn utf8(bytes: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for chunk in bytes.utf8_chunks() {
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

fn gb18030(bytes: &[u8]) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = bytes;
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
    use encoding_rs::GB18030;
    use proptest::prelude::*;

    use super::*;
    use crate::pseudonym::Pseudonyms;

    proptest! {
        #[test]
        fn where_ff_is_filling_any_bytes_decode_to_the_replaced_text_without_it(
            bytes in prop::collection::vec(
                prop_oneof![
                    1u8..=0xFE,
                    0x20u8..=0x3F,
                    Just(0x80u8),
                    Just(0x81),
                    Just(0xFE),
                    0xB0u8..=0xF7,
                ],
                0..24,
            ),
        ) {
            let pseudonyms = Pseudonyms::with_key([3; 32]);
            let replaced =
                in_place(&bytes, Charset::Gb18030WithoutFf, |text| pseudonyms.name(text)).unwrap();
            let decoded = |bytes: &[u8]| GB18030.decode_without_bom_handling(bytes).0.into_owned();
            prop_assert_eq!(replaced.len(), bytes.len());
            prop_assert_eq!(decoded(&replaced), pseudonyms.name(&decoded(&bytes)));
            prop_assert!(!replaced.contains(&0xFF) && !replaced.contains(&0));
        }
    }
}
