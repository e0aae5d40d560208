//! Where lines end: those of the text itself, and those that the paper's width makes of them.

use std::ops::Range;

/// Cuts at every end of a line or paragraph that Unicode knows.
pub(super) fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        let ends = |c| {
            matches!(
                c,
                '\n' | '\r' | '\u{B}' | '\u{C}' | '\u{1C}'
                    ..='\u{1E}' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let Some(end) = text.find(ends) else {
            rest = None;
            return Some(text);
        };
        let (paragraph, after) = text.split_at(end);
        let length = after.chars().next().map_or(1, char::len_utf8);
        rest = after.strip_prefix("\r\n").or_else(|| after.get(length..));
        Some(paragraph)
    })
}

/// The lines of a paragraph. They end where Unicode allows it (UAX 14: between Chinese characters
/// but not before closing marks, between words), inside a word only if that is longer than a line.
/// Blanks at the end of a line take no place.
pub(super) fn wrap(text: &str, clusters: &[(usize, f32)], most: f32) -> Vec<Range<usize>> {
    let mut lines = Vec::new();
    let mut clusters = clusters.iter().peekable();
    let (mut start, mut width, mut word) = (0, 0.0, 0);
    for (end, _) in unicode_linebreak::linebreaks(text) {
        let blanks = text.get(word..end).map_or(end, |text| word + text.trim_end().len());
        let mut this: Vec<(usize, f32)> = Vec::new();
        while let Some(cluster) = clusters.next_if(|(place, _)| *place < end) {
            this.push(*cluster);
        }
        let inked: f32 = this.iter().filter(|(place, _)| *place < blanks).map(|(_, w)| w).sum();
        if width + inked > most && start < word {
            lines.push(start..word);
            (start, width) = (word, 0.0);
        }
        for (place, wide) in this {
            if place < blanks && width + wide > most && start < place {
                lines.push(start..place);
                (start, width) = (place, 0.0);
            }
            width += wide;
        }
        word = end;
    }
    if start < text.len() {
        lines.push(start..text.len());
    }
    lines.into_iter().map(|line| trimmed(text, line)).collect()
}

/// A line without the blanks at its end.
fn trimmed(text: &str, line: Range<usize>) -> Range<usize> {
    let length = text.get(line.clone()).map_or(line.len(), |text| text.trim_end().len());
    line.start..line.start + length
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Chinese characters and marks are two wide, all others one.
    fn clusters(text: &str) -> Vec<(usize, f32)> {
        let wide = |c: char| if c >= '\u{2E80}' { 2.0 } else { 1.0 };
        text.char_indices().map(|(place, c)| (place, wide(c))).collect()
    }

    fn lines(text: &str, most: f32) -> Vec<&str> {
        wrap(text, &clusters(text), most).into_iter().map(|line| &text[line]).collect()
    }

    #[test]
    fn chinese_is_broken_between_characters_but_not_before_closing_marks() {
        assert_eq!(lines("一二三四五", 4.0), ["一二", "三四", "五"]);
        assert_eq!(lines("一二，三四", 4.0), ["一", "二，", "三四"]);
        assert_eq!(lines("一（二）三", 4.0), ["一", "（二", "）三"]);
        assert_eq!(lines("一（二）三", 6.0), ["一", "（二）", "三"]);
        assert_eq!(lines("价格123元", 6.0), ["价格", "123元"]);
    }

    #[test]
    fn words_are_torn_only_if_they_are_longer_than_a_line() {
        assert_eq!(lines("one two three", 7.0), ["one two", "three"]);
        assert_eq!(lines("a bcdefghij k", 4.0), ["a", "bcde", "fghi", "j k"]);
        assert_eq!(lines("x-ray", 3.0), ["x-", "ray"]);
    }

    #[test]
    fn blanks_at_the_end_of_a_line_take_no_place() {
        assert_eq!(lines("ab   cd", 2.0), ["ab", "cd"]);
        assert_eq!(lines("  ab cd", 4.0), ["  ab", "cd"]);
        assert_eq!(lines("      ", 4.0), [""]);
    }

    #[test]
    fn every_end_of_a_line_begins_a_paragraph_and_nothing_else_does() {
        let cut = |text| paragraphs(text).collect::<Vec<_>>();
        assert_eq!(cut("a\nb\r\nc\rd\u{2029}e"), ["a", "b", "c", "d", "e"]);
        assert_eq!(cut(""), [""]);
        assert_eq!(cut("\n"), ["", ""]);
        assert_eq!(cut("\n\r"), ["", "", ""]);
        assert_eq!(cut("a\tb c"), ["a\tb c"]);
    }

    proptest! {
        #[test]
        fn lines_hold_all_of_the_text_and_fit(text in "[一二，。（）「！ab1 %-]{0,40}", most in 2_u8..20) {
            let most = f32::from(most);
            let lines = wrap(&text, &clusters(&text), most);
            let mut end = 0;
            for line in &lines {
                // Only blanks are between lines.
                prop_assert!(text[end..line.start].trim().is_empty());
                let words = &text[line.clone()];
                let width: f32 = clusters(words).iter().map(|(_, width)| width).sum();
                prop_assert!(width <= most, "{words:?} is {width} wide");
                end = line.end;
            }
            prop_assert!(text[end..].trim().is_empty());
        }

        #[test]
        fn no_line_begins_with_a_closing_mark(
            text in "([一二三四][，。）！]{0,2}|a{1,3} ){0,15}",
        ) {
            for line in lines(&text, 12.0).iter().skip(1) {
                let first = line.chars().next();
                prop_assert!(first.is_none_or(|c| !"，。）！".contains(c)), "{line:?}");
            }
        }
    }
}
