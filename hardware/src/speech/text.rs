//! A text on its way to be spoken: without what no wire can carry, and in pieces.
//!
//! Both are done by drivers and by whoever redacts, so everything here looks at characters that
//! redaction keeps and at how many there are: the pieces of a redacted text are the redacted pieces of
//! the text.

use std::ops::Range;

use crate::pseudonym::Pseudonyms;

/// The longest piece, in characters: two or three minutes of speech. A text of that length is spoken
/// without a pause; a server that has died in the middle of a long one is found out within minutes, and
/// what cuts it off has little to throw away.
pub const PIECE: usize = 500;

/// The text as it is spoken, with as many characters: control characters become blanks of the same
/// length in UTF-8, for none is a sound, and SSIP and the C strings behind it end at some; of `[[`,
/// with which espeak-ng begins its own phonemes, the second becomes a blank. New lines and tabs stay.
#[must_use]
pub fn spoken(text: &str) -> String {
    let mut last = ' ';
    let plain = |character: char| {
        last = match character {
            '\n' | '\t' => character,
            '[' if last == '[' => ' ',
            '\0'..='\x1F' | '\x7F' => ' ',
            '\u{80}'..='\u{9F}' => '\u{A0}',
            _ => character,
        };
        last
    };
    text.chars().map(plain).collect()
}

/// The pieces of a text in which it is spoken, none of them blank; between them are blanks. Each is
/// of up to [`PIECE`] characters, and ends where a sentence does, if there is an end, else at a comma or
/// a blank, else anywhere.
#[must_use]
pub fn pieces(text: &str) -> Vec<&str> {
    ranges(text).into_iter().filter_map(|range| text.get(range)).collect()
}

/// The text that stands in a recording for this one, which a client has asked to be spoken: what a
/// driver makes of it is what the redactors of its wire make of what it has made of the text.
#[must_use]
pub fn replaced(pseudonyms: &Pseudonyms, text: &str) -> String {
    let text = spoken(text);
    let mut replaced = String::with_capacity(text.len());
    let mut at = 0;
    for range in ranges(&text) {
        replaced.push_str(text.get(at..range.start).unwrap_or_default());
        replaced.push_str(&pseudonyms.text(text.get(range.clone()).unwrap_or_default()));
        at = range.end;
    }
    replaced.push_str(text.get(at..).unwrap_or_default());
    replaced
}

fn ranges(text: &str) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let start = text.len() - rest.len();
        let most = match rest.char_indices().nth(PIECE) {
            Some((at, _)) => cut(rest.get(..at).unwrap_or(rest)),
            None => rest.len(),
        };
        let piece = rest.get(..most).unwrap_or(rest).trim_end();
        if piece.is_empty() {
            return ranges;
        }
        ranges.push(start..start + piece.len());
        rest = rest.get(most..).unwrap_or_default();
    }
}

/// Where a piece that is as long as it may be is cut: a place in bytes, never 0.
fn cut(window: &str) -> usize {
    let after = |is: fn(char, char) -> bool| {
        let followed = window.char_indices().zip(window.chars().skip(1));
        let found = followed.filter(|((_, this), next)| is(*this, *next)).last();
        found.map(|((at, this), _)| at + this.len_utf8())
    };
    after(ends_sentence).or_else(|| after(pauses)).unwrap_or(window.len())
}

fn ends_sentence(this: char, next: char) -> bool {
    let ends = matches!(this, '。' | '！' | '？' | '；' | '…' | '!' | '?' | ';' | '\n');
    // A point in a number ends nothing, and of several signs the last does.
    (ends || (this == '.' && next.is_whitespace()))
        && !matches!(next, '。' | '！' | '？' | '!' | '?')
}

fn pauses(this: char, _: char) -> bool {
    matches!(this, '，' | '、' | '：' | ',' | ':') || this.is_whitespace()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_no_wire_carries_becomes_a_blank_of_its_length() {
        for (text, plain) in [
            ("您好,张三", "您好,张三"),
            ("a\0b\x07\x7F", "a b  "),
            ("a\r\nb\tc", "a \nb\tc"),
            ("\u{85}", "\u{A0}"),
            ("[[hello]] [[[", "[ hello]] [ ["),
            ("<b> & 😀", "<b> & 😀"),
        ] {
            assert_eq!(spoken(text), plain, "{text:?}");
        }
    }

    #[test]
    fn a_short_text_is_one_piece_without_blanks_around_it() {
        assert_eq!(pieces(" 一。二。\n"), ["一。二。"]);
        assert_eq!(pieces(" \n\t"), [""; 0]);
    }

    #[test]
    fn a_long_text_is_cut_behind_its_sentences() {
        let sentence = "请把身份证放在读卡器上。";
        let text = sentence.repeat(100);
        let pieces = pieces(&text);
        assert_eq!(pieces.len(), 3);
        assert_eq!(pieces[0].chars().count(), 492);
        assert!(pieces.iter().all(|piece| piece.ends_with('。')));
        assert_eq!(pieces.concat(), text);
    }

    #[test]
    fn a_sentence_ends_behind_all_its_signs_and_not_within_a_number() {
        let filler = "好".repeat(PIECE - 8);
        assert_eq!(pieces(&format!("{filler}真的?!再来一次好了"))[0], format!("{filler}真的?!"));
        assert_eq!(pieces(&format!("{filler}a. 3.14159元整"))[0], format!("{filler}a."));
    }

    #[test]
    fn without_sentences_it_is_cut_at_commas_and_at_last_anywhere() {
        let filler = "好".repeat(PIECE - 2);
        assert_eq!(pieces(&format!("{filler},一二三"))[0], format!("{filler},"));
        let text = "好".repeat(2 * PIECE + 1);
        let lengths: Vec<_> = pieces(&text).iter().map(|piece| piece.chars().count()).collect();
        assert_eq!(lengths, [PIECE, PIECE, 1]);
    }

    fn texts() -> impl Strategy<Value = String> {
        let signs = prop::sample::select(vec![
            '。', '.', ' ', '\n', '\0', '[', '张', 'a', '7', '😀', '\u{85}', ',', '\r', 'é',
        ]);
        prop::collection::vec(signs, 0..1500).prop_map(String::from_iter)
    }

    proptest! {
        #[test]
        fn nothing_of_a_text_is_lost_but_blanks_between_its_pieces(text in texts()) {
            let text = spoken(&text);
            let ranges = ranges(&text);
            let mut at = 0;
            for range in &ranges {
                prop_assert!(text[at..range.start].trim().is_empty());
                let piece = &text[range.clone()];
                prop_assert!(!piece.is_empty() && piece.trim() == piece);
                prop_assert!(piece.chars().count() <= PIECE);
                at = range.end;
            }
            prop_assert!(text[at..].trim().is_empty());
        }

        #[test]
        fn the_pieces_of_a_redacted_text_are_the_redacted_pieces(text in texts(), key in any::<[u8; 32]>()) {
            let pseudonyms = Pseudonyms::with_key(key);
            let redacted = spoken(&replaced(&pseudonyms, &text));
            let plain = spoken(&text);
            prop_assert_eq!(redacted.len(), plain.len());
            let expected: Vec<_> = pieces(&plain).iter().map(|piece| pseudonyms.text(piece)).collect();
            prop_assert_eq!(pieces(&redacted), expected);
        }
    }
}
