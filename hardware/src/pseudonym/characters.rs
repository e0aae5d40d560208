//! What a character may become: another of its class, so that a replaced text has the length of
//! the real one in every encoding and looks like what it stands for.
//!
//! A class is made of characters that have the same length in UTF-8 and in GB18030 (and so in
//! UTF-16 too). What says nothing of a person stays: blanks, separators, punctuation, U+FFFD. So
//! do the few characters that GB18030 writes in two ways of different length, for whoever has the
//! text alone could not tell which it was.
//!
//! Controls are what binary codes are made of, a number in BCD of nothing else: they become others
//! that are no pair of digits. Those stay that are found in texts and at their ends.
//!
//! The characters of the pools are chosen so that their GB18030 bytes begin no valid UTF-8: a
//! scanner's bytes that were taken for GB18030 are taken for it again.

use super::keystream::Keystream;

/// Ideographs of GB 2312 for all others: the heavenly stems and earthly branches, and the seasons
/// and things of the first lines of the Thousand Character Classic, without usual surnames.
const IDEOGRAPHS: &[char] = &[
    '甲', '乙', '丙', '丁', '戊', '己', '庚', '辛', '壬', '癸', '子', '丑', '寅', '辰', '巳', '午',
    '申', '酉', '戌', '亥', '天', '地', '玄', '宇', '宙', '荒', '日', '月', '宿', '列', '寒', '来',
    '暑', '往', '秋', '收', '冬', '藏', '火', '土', '风', '电', '禾', '竹', '兰', '菊', '松', '雨',
    '鱼', '鸟', '虫', '草', '果',
];

/// Three bytes of UTF-8, four of GB18030.
const RARE: &[char] = &['㐀', '㐁', '㐂', '㐃', '㐄', '㐆', '㐇', '㐈', '㐉', '㐊', '㐋', '㐌'];

/// Four bytes of both, two UTF-16 units.
const RAREST: &[char] = &['𠀀', '𠀁', '𠀂', '𠀃', '𠀄', '𠀅', '𠀆', '𠀇', '𠀈', '𠀉', '𠀊', '𠀋'];

/// Two bytes of both: what pinyin is written with.
const PINYIN: &[char] = &['ā', 'ǎ', 'à', 'ē', 'ě', 'è', 'ī', 'ǐ', 'ì', 'ō', 'ǒ', 'ò', 'ū', 'ǔ'];

/// Two bytes of both.
const GREEK: &[char] = &['α', 'β', 'γ', 'δ', 'ε', 'ζ', 'η', 'θ', 'ι', 'κ', 'λ', 'μ', 'ν', 'ξ'];

/// Two bytes of both.
const GREEK_CAPITALS: &[char] = &['Α', 'Β', 'Γ', 'Δ', 'Ε', 'Ζ', 'Η', 'Θ', 'Ι', 'Κ', 'Λ', 'Μ'];

/// Two bytes of UTF-8, four of GB18030.
const LATIN: &[char] = &['ĉ', 'ď', 'ĝ', 'ĥ', 'ĵ', 'ķ', 'ŕ', 'ŝ', 'ť', 'ŵ', 'ŷ', 'ź'];

/// Two bytes of UTF-8, four of GB18030.
const LATIN_CAPITALS: &[char] = &['Ĉ', 'Ď', 'Ĝ', 'Ĥ', 'Ĵ', 'Ķ', 'Ŕ', 'Ŝ', 'Ť', 'Ŵ', 'Ŷ', 'Ź'];

/// One byte of both, no pair of digits in BCD, no blank, and no usual prefix or suffix of a code.
const CONTROLS: &[char] = &['\u{E}', '\u{F}', '\u{7F}'];

/// Characters that may stand for each other.
pub(super) enum Class {
    /// So many, one after the other in Unicode.
    Row(char, u32),
    /// These.
    Pool(&'static [char]),
}

impl Class {
    /// Any of the class but `real`.
    pub(super) fn other(&self, real: char, stream: &mut Keystream) -> char {
        match *self {
            Self::Row(first, count) => {
                let at = u32::from(real).wrapping_sub(u32::from(first));
                let other = at.wrapping_add(1 + stream.below(count - 1)) % count;
                char::from_u32(u32::from(first) + other).unwrap_or(first)
            }
            Self::Pool(pool) => {
                let place = pool.iter().position(|candidate| *candidate == real);
                let others = pool.len() - usize::from(place.is_some());
                let other = stream.below(u32::try_from(others).unwrap_or(1)) as usize;
                let at = place.map_or(other, |place| (place + 1 + other) % pool.len());
                pool.get(at).copied().unwrap_or(char::REPLACEMENT_CHARACTER)
            }
        }
    }
}

/// The class of a character; `None` for one that stays.
pub(super) fn class_of(character: char) -> Option<Class> {
    for (first, last) in
        [('0', '9'), ('a', 'z'), ('A', 'Z'), ('０', '９'), ('ａ', 'ｚ'), ('Ａ', 'Ｚ')]
    {
        if (first..=last).contains(&character) {
            return Some(Class::Row(first, u32::from(last) - u32::from(first) + 1));
        }
    }
    if stays(character) {
        return None;
    }
    // Most ideographs, all of which GBK has, need not be encoded to be measured.
    if matches!(character, '\u{4E00}'..='\u{9FA5}') {
        return Some(Class::Pool(IDEOGRAPHS));
    }
    let lower = character.is_lowercase();
    Some(Class::Pool(match (character.len_utf8(), gb18030_length(character)) {
        (1, 1) => CONTROLS,
        (2, 2) if matches!(character, '\u{80}'..='\u{24F}') && lower => PINYIN,
        (2, 2) if lower => GREEK,
        (2, 2) => GREEK_CAPITALS,
        (2, 4) if lower => LATIN,
        (2, 4) => LATIN_CAPITALS,
        (3, 2) => IDEOGRAPHS,
        (3, 4) => RARE,
        (4, 4) => RAREST,
        _ => return None,
    }))
}

fn stays(character: char) -> bool {
    (character.is_ascii() && !character.is_control())
        || character.is_whitespace()
        || matches!(
            character,
            // ESC, and the separators FS, GS, RS, US: no pairs of digits.
            '\u{1B}'..='\u{1F}'
                | '\u{FFFD}'
                // The dot in the names of several nations, dashes, quotation marks, joiners.
                | '·' | '\u{2000}'..='\u{206F}'
                // Ideographic punctuation, without the marks and numerals between.
                | '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{301F}' | '・'
                // Full-width punctuation: the letters and digits have been told above.
                | '\u{FF01}'..='\u{FF5E}' | '￥'
        )
        || has_two_lengths_in_gb18030(character)
}

/// The Euro sign, which is also the single byte 80; vertical punctuation and some components of
/// ideographs, which GB18030 of 2022 gave code points beside the private ones that they had.
fn has_two_lengths_in_gb18030(character: char) -> bool {
    matches!(character, '€' | '\u{FE10}'..='\u{FE19}' | '\u{9FB4}'..='\u{9FBB}')
}

fn gb18030_length(character: char) -> usize {
    let mut utf8 = [0; 4];
    encoding_rs::GB18030.encode(character.encode_utf8(&mut utf8)).0.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    const POOLS: [&[char]; 8] =
        [IDEOGRAPHS, RARE, RAREST, PINYIN, GREEK, GREEK_CAPITALS, LATIN, LATIN_CAPITALS];

    fn gb18030(character: char) -> Vec<u8> {
        encoding_rs::GB18030.encode(&character.to_string()).0.into_owned()
    }

    /// Whether these bytes can neither be nor begin UTF-8.
    fn can_begin_no_utf8(bytes: &[u8]) -> bool {
        std::str::from_utf8(bytes).is_err_and(|error| error.error_len().is_some())
    }

    #[test]
    fn the_characters_of_a_pool_have_one_length_and_their_gb18030_is_never_utf8() {
        for pool in POOLS {
            for character in pool {
                assert_eq!(character.len_utf8(), pool[0].len_utf8(), "{character}");
                assert_eq!(gb18030(*character).len(), gb18030(pool[0]).len(), "{character}");
                assert!(can_begin_no_utf8(&gb18030(*character)), "{character}");
                assert_eq!(pool.iter().filter(|other| *other == character).count(), 1);
            }
        }
    }

    #[test]
    fn no_control_becomes_a_pair_of_digits_a_blank_or_the_end_of_a_code() {
        for control in CONTROLS {
            let byte = u32::from(*control);
            assert!(byte >> 4 > 9 || byte & 0xF > 9, "{byte:02X}");
            assert!(control.is_ascii_control() && !control.is_whitespace());
            assert!(!"\t\r\n\x1B\x1C\x1D\x1E\x1F\x02\x03\x04\0".contains(*control));
        }
        for kept in "\t\r\n\x1B\x1C\x1D\x1E\x1F".chars() {
            assert!(class_of(kept).is_none());
        }
    }

    #[test]
    fn every_character_becomes_another_of_its_lengths_or_stays() {
        let mut stream = Keystream::new(&[7; 32], "test", b"");
        // All of the basic plane, where the classes are many, and enough of the others.
        let codes = (0..0x1_0000).chain((0x1_0000..=0x10_FFFF).step_by(61));
        for character in codes.filter_map(char::from_u32) {
            let Some(class) = class_of(character) else {
                // What stays must not turn GB18030 into UTF-8 either.
                assert!(
                    character.is_ascii()
                        || character == '\u{E5E5}'
                        || can_begin_no_utf8(&gb18030(character)),
                    "{:X}",
                    u32::from(character)
                );
                continue;
            };
            let other = class.other(character, &mut stream);
            assert_ne!(other, character);
            assert_eq!(other.len_utf8(), character.len_utf8(), "{character}");
            assert_eq!(other.len_utf16(), character.len_utf16(), "{character}");
            assert_eq!(gb18030(other).len(), gb18030(character).len(), "{character}");
            assert_eq!(other.is_ascii_digit(), character.is_ascii_digit());
            assert_eq!(other.is_ascii_uppercase(), character.is_ascii_uppercase());
            assert_eq!(other.is_ascii_lowercase(), character.is_ascii_lowercase());
        }
    }

    /// A scanner may send any of the ways in which GB18030 writes a character; who has the text
    /// alone must choose a replacement that is as long.
    #[test]
    fn the_length_in_gb18030_follows_from_the_character_alone() {
        let decoded = |bytes: &[u8]| -> Option<char> {
            let text =
                encoding_rs::GB18030.decode_without_bom_handling_and_without_replacement(bytes)?;
            let mut characters = text.chars();
            characters.next().filter(|_| characters.next().is_none())
        };
        let check = |bytes: &[u8]| {
            if let Some(character) = decoded(bytes)
                && class_of(character).is_some()
            {
                assert_eq!(gb18030(character).len(), bytes.len(), "{bytes:02X?}");
            }
        };
        for first in 0x80..=0xFF {
            check(&[first]);
            for second in 0x40..=0xFF {
                check(&[first, second]);
            }
            for second in 0x30..=0x39 {
                for third in 0x81..=0xFE {
                    for fourth in 0x30..=0x39 {
                        check(&[first, second, third, fourth]);
                    }
                }
            }
        }
    }

    #[test]
    fn no_pool_holds_a_usual_surname_or_what_an_address_is_made_of() {
        for character in
            "王李张刘陈杨黄赵吴周徐孙马朱胡林郭何高罗省市县区镇乡村路街号楼室公安局".chars()
        {
            assert!(!IDEOGRAPHS.contains(&character), "{character}");
        }
    }
}
