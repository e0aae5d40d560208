//! Receipts in the printer's own type: texts as GB18030, pictures as dots. Quicker on slow lines, and as
//! good-looking as the printer's font.
//!
//! [`encode`] is called instead of laying out, on the same thread. A printer knows one height of type,
//! 24 dots, and its multiples; Chinese characters take two columns, all others one. What its font does
//! not have, which is all that GB18030 writes with four bytes, is set in dots, the whole entry.

use encoding_rs::GB18030;

use super::escpos::{self, Block, Job, Profile};
use super::layout::{Align, Item, LayoutError, Limits, Text, Typesetter};

/// The height of the printer's type in dots, and the width of a Chinese character.
const TALL: u16 = 24;

/// The width of any other character in dots: one column.
const NARROW: u32 = 12;

/// White between two lines, in rows of dots.
const GAP: u16 = 6;

/// Characters become no larger (`GS !`).
const LARGEST: u16 = 8;

/// A receipt as ESC/POS, for paper of so many dots in a row. Blocks for some milliseconds.
///
/// # Errors
/// As [`Typesetter::lay_out`].
pub fn encode(
    items: Vec<Item>,
    typesetter: &Typesetter,
    width_dots: u32,
    limits: &Limits,
    profile: &Profile,
) -> Result<Job, LayoutError> {
    let mut job = Job { blocks: Vec::new(), rows: 0 };
    let mut characters = 0;
    for (item, mut entry) in items.into_iter().enumerate() {
        if let Some(text) = entry.text.as_mut() {
            // The usual sign of the yuan is in the printer's font, its narrow twin is not.
            text.text = text.text.replace('¥', "￥");
            characters += text.text.chars().count();
            if characters > limits.characters {
                return Err(LayoutError::Characters { item, most: limits.characters });
            }
            if is_in_font(&text.text) {
                append(&mut job, set(text, entry.align, width_dots));
                entry.text = None;
            }
        }
        if entry.text.is_some() || entry.image.is_some() {
            let page = typesetter
                .lay_out(vec![entry], width_dots, limits)
                .map_err(|error| at(item, error))?;
            append(&mut job, escpos::encode_part(page.bands(profile.band_rows), profile));
        }
        if job.rows > limits.rows {
            return Err(LayoutError::Rows { item, most: limits.rows });
        }
    }
    Ok(job)
}

/// The same error about the entry at this place of the whole list.
fn at(place: usize, error: LayoutError) -> LayoutError {
    match error {
        LayoutError::Picture { source, .. } => LayoutError::Picture { item: place, source },
        LayoutError::Rows { most, .. } => LayoutError::Rows { item: place, most },
        LayoutError::Characters { most, .. } => LayoutError::Characters { item: place, most },
        other => other,
    }
}

fn append(job: &mut Job, part: Job) {
    let before = job.rows;
    let blocks = part.blocks.into_iter();
    job.blocks.extend(blocks.map(|Block { bytes, rows }| Block { bytes, rows: before + rows }));
    job.rows = before + part.rows;
}

/// Whether all of it is in the font of a printer for Chinese: what GB18030 writes with at most two
/// bytes, as GBK did.
fn is_in_font(text: &str) -> bool {
    let mut buffer = [0; 4];
    text.chars().filter(|c| !c.is_control()).all(|character| {
        let (bytes, _, failed) = GB18030.encode(character.encode_utf8(&mut buffer));
        !failed && bytes.len() <= 2
    })
}

/// A text in the printer's type, a block a line.
fn set(text: &Text, align: Align, width_dots: u32) -> Job {
    let times = ((text.size + TALL / 2) / TALL).clamp(1, LARGEST);
    let side = match align {
        Align::Left => 0,
        Align::Center => 1,
        Align::Right => 2,
    };
    let spacing = u8::try_from(TALL * times + GAP).unwrap_or(u8::MAX);
    let size = u8::try_from((times - 1) << 4 | (times - 1)).unwrap_or_default();
    let mut head = vec![0x1C, b'&', 0x1B, b'3', spacing, 0x1B, b'a', side];
    head.extend([0x1B, b'E', u8::from(text.bold), 0x1D, b'!', size]);
    let columns = (width_dots / NARROW / u32::from(times)).max(2);
    let mut job = Job { blocks: Vec::new(), rows: 0 };
    for line in text.text.split('\n').flat_map(|line| wrapped(line, columns)) {
        let mut bytes = std::mem::take(&mut head);
        bytes.extend_from_slice(&GB18030.encode(&line).0);
        bytes.push(b'\n');
        job.rows += u32::from(spacing);
        job.blocks.push(Block { bytes, rows: job.rows });
    }
    // Pictures behind it stand where their dots say, and are not spread.
    if let Some(last) = job.blocks.last_mut() {
        last.bytes.extend([0x1B, b'a', 0, 0x1B, b'E', 0, 0x1D, b'!', 0]);
    }
    job
}

/// A line in pieces of so many columns; words are kept together where a line has room for them.
fn wrapped(line: &str, columns: u32) -> Vec<String> {
    let wide = |c: char| if c.is_ascii() { 1 } else { 2 };
    let mut lines = vec![String::new()];
    let mut used = 0;
    for piece in pieces(line) {
        let width: u32 = piece.chars().map(wide).sum();
        if used + width <= columns {
            used += width;
        } else if piece == " " {
            continue;
        } else if width <= columns {
            lines.push(String::new());
            used = width;
        } else {
            for c in piece.chars() {
                if used + wide(c) > columns {
                    lines.push(String::new());
                    used = 0;
                }
                used += wide(c);
                if let Some(last) = lines.last_mut() {
                    last.push(c);
                }
            }
            continue;
        }
        if let Some(last) = lines.last_mut() {
            last.push_str(&piece);
        }
    }
    lines
}

/// Words of ASCII characters, and all others one by one; control characters are left out.
fn pieces(line: &str) -> Vec<String> {
    let mut pieces: Vec<String> = Vec::new();
    let mut in_word = false;
    for c in line.chars().filter(|c| !c.is_control()) {
        match pieces.last_mut() {
            Some(word) if in_word && c.is_ascii_graphic() => word.push(c),
            _ => pieces.push(c.to_string()),
        }
        in_word = c.is_ascii_graphic();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::super::escpos::Cut;
    use super::super::layout::FontSettings;
    use super::*;

    const PROFILE: Profile =
        Profile { band_rows: 24, feeds_white: true, cut: Cut::Partial, feed_dots: 16 };

    fn text(text: &str, size: u16, bold: bool, align: Align) -> Item {
        let text = Some(Text { text: text.to_owned(), size, bold });
        Item { text, image: None, align }
    }

    fn encoded(items: Vec<Item>) -> Result<Job, LayoutError> {
        let typesetter = Typesetter::new(FontSettings::default());
        encode(items, &typesetter, 384, &Limits::default(), &PROFILE)
    }

    fn lines(line: &str, columns: u32) -> Vec<String> {
        wrapped(line, columns)
    }

    #[test]
    fn a_text_goes_out_as_gb18030_in_multiples_of_the_printers_type() {
        let job = encoded(vec![text("取号\nA037", 48, true, Align::Center)]).unwrap();
        let first = b"\x1c&\x1b3\x36\x1ba\x01\x1bE\x01\x1d!\x11\xc8\xa1\xba\xc5\n";
        let second = b"A037\n\x1ba\0\x1bE\0\x1d!\0";
        let bytes: Vec<_> = job.blocks.iter().map(|block| block.bytes.clone()).collect();
        assert_eq!(bytes, [first.to_vec(), second.to_vec()]);
        assert_eq!(job.rows, 2 * 54);
        let small = encoded(vec![text("a", 26, false, Align::Left)]).unwrap();
        assert!(small.blocks[0].bytes.starts_with(b"\x1c&\x1b3\x1e\x1ba\0\x1bE\0\x1d!\0a\n"));
    }

    #[test]
    fn lines_are_wrapped_by_columns_and_words_are_kept_together() {
        assert_eq!(lines("一二三四五", 4), ["一二", "三四", "五"]);
        assert_eq!(lines("a一b二", 3), ["a一", "b二"]);
        assert_eq!(lines("see you later", 7), ["see you", "later"]);
        assert_eq!(lines("abcdefgh i", 4), ["abcd", "efgh", "i"]);
        assert_eq!(lines("", 4), [""]);
        assert_eq!(lines("a\tb\u{7}", 4), ["ab"]);
    }

    #[test]
    fn what_the_printers_font_does_not_have_is_set_in_dots() {
        assert!(is_in_font("取号凭条 ABC 123 €￥"));
        for rare in ["𠮷", "😀", "Ѐ"] {
            assert!(!is_in_font(rare), "{rare}");
        }
    }

    #[test]
    fn receipts_of_text_have_their_limits_too() {
        let many = vec![text(&"一\n".repeat(2000), 24, false, Align::Left)];
        assert!(matches!(encoded(many), Err(LayoutError::Rows { item: 0, .. })));
        let long = vec![
            text("a", 24, false, Align::Left),
            text(&"a".repeat(100_001), 24, false, Align::Left),
        ];
        assert!(matches!(encoded(long), Err(LayoutError::Characters { item: 1, .. })));
    }
}
