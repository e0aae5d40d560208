//! Texts to lines of glyphs: which font, which line, where on it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cosmic_text::{AttrsList, BufferLine, Hinting, LayoutGlyph, LineEnding, Shaping, Wrap};
use unicode_script::{Script, UnicodeScript};

use super::fonts::Fonts;
use super::glyphs::Glyph;
use super::{Align, Text};

/// From one line to the next, in parts of the type's height: what receipt printers do with their own
/// type (30 dots for 24, Epson's ESC 2).
const LINE: f32 = 1.25;

/// The baseline below the upper edge of a Chinese character's square, in parts of its height
/// (OpenType's ideographic embox).
const ABOVE: f32 = 0.88;

/// A tabulator goes to the next multiple of so many blanks, as on receipt printers.
const TAB: u16 = 8;

/// What stands for a character that no font has.
const BOX: char = '□';

/// A line of glyphs, with its place on the page.
pub(super) struct Line {
    pub(super) top: u32,
    pub(super) rows: u32,
    /// Ink may stand out of the line by so much, above and below.
    pub(super) slack: u32,
    /// Their places count from the line's upper left corner.
    pub(super) glyphs: Vec<Glyph>,
}

/// Sets texts below each other.
pub(super) struct Setter<'a> {
    pub(super) fonts: &'a mut Fonts,
    /// Dots from left to right.
    pub(super) paper: u32,
    /// Rows at most; a text that goes beyond ends early.
    pub(super) most: u32,
    /// The scripts of characters that no font has.
    pub(super) missing: &'a mut BTreeSet<&'static str>,
}

impl Setter<'_> {
    /// Sets a text from the row `top` on, and says where it ends: below `most`, or somewhere above
    /// it if there was too much.
    pub(super) fn set(
        &mut self,
        text: &Text,
        align: Align,
        top: u32,
        lines: &mut Vec<Line>,
    ) -> u32 {
        let mut top = top;
        for paragraph in paragraphs(&text.text) {
            if top > self.most {
                break;
            }
            top = self.paragraph(paragraph, text, align, top, lines);
        }
        top
    }

    fn paragraph(
        &mut self,
        paragraph: &str,
        text: &Text,
        align: Align,
        top: u32,
        lines: &mut Vec<Line>,
    ) -> u32 {
        let prepared = self.prepare(paragraph);
        let whole = self.shape(&prepared.text, prepared.attributes(0, self.fonts, text.bold), text);
        if whole.width() <= wide(self.paper) {
            return self.place(&whole, text, align, top, lines);
        }
        let mut top = top;
        for line in wrap(&prepared.text, &whole.clusters(), wide(self.paper)) {
            let line = self.line(&prepared, line, &whole, text);
            top = self.place(&line, text, align, top, lines);
            if top > self.most {
                break;
            }
        }
        top
    }

    /// One line of a paragraph that needs several.
    fn line(&mut self, from: &Prepared, line: Range<usize>, whole: &Shaped, text: &Text) -> Shaped {
        // Alone it might run in another direction than the paragraph does; a mark prevents that.
        let mark = match whole.direction {
            Direction::LeftToRight => "",
            Direction::Mixed => "\u{200E}",
            Direction::RightToLeft => "\u{200F}",
        };
        let words = from.text.get(line.clone()).unwrap_or_default();
        let attributes = from.slice(line).attributes(mark.len(), self.fonts, text.bold);
        self.shape(&format!("{mark}{words}"), attributes, text)
    }

    /// One line, however long.
    fn shape(&mut self, line: &str, attributes: AttrsList, text: &Text) -> Shaped {
        let mut shaped = BufferLine::new(line, LineEnding::None, attributes, Shaping::Advanced);
        shaped.set_align(Some(cosmic_text::Align::Left));
        let height = f32::from(text.size);
        let system = &mut self.fonts.system;
        let hinting = Hinting::Disabled;
        let laid_out = shaped.layout(system, height, None, Wrap::None, None, TAB, hinting);
        let glyphs: Vec<LayoutGlyph> = laid_out.iter().flat_map(|l| &l.glyphs).cloned().collect();
        let direction = if shaped.shape_opt().is_some_and(|shape| shape.rtl) {
            Direction::RightToLeft
        } else if glyphs.iter().any(|glyph| glyph.level.is_rtl()) {
            Direction::Mixed
        } else {
            Direction::LeftToRight
        };
        Shaped { glyphs, direction }
    }

    fn place(
        &mut self,
        line: &Shaped,
        Text { size, .. }: &Text,
        align: Align,
        top: u32,
        lines: &mut Vec<Line>,
    ) -> u32 {
        let height = f32::from(*size);
        let (mut above, mut below) = nominal(height);
        for glyph in &line.glyphs {
            if let Some((up, down)) = self.fonts.reach(glyph.font_id) {
                above = above.max(up * height);
                below = below.max(down * height);
            }
        }
        let baseline = above.round();
        let rows = to_dots((above + below).round());
        let room = (wide(self.paper) - line.width()).max(0.0);
        let left = match align {
            Align::Left => 0.0,
            Align::Center => (room / 2.0).floor(),
            Align::Right => room.floor(),
        };
        let glyphs = line.glyphs.iter().map(|glyph| Glyph {
            font: glyph.font_id,
            weight: glyph.font_weight,
            glyph: glyph.glyph_id,
            size: *size,
            x: to_place(left + glyph.x + glyph.x_offset * height),
            y: to_place(baseline + glyph.y - glyph.y_offset * height),
        });
        lines.push(Line { top, rows, slack: u32::from(*size), glyphs: glyphs.collect() });
        top.saturating_add(rows)
    }

    /// A paragraph without what is not printed, and which face each of its characters is set in.
    fn prepare(&mut self, paragraph: &str) -> Prepared {
        let mut text = String::with_capacity(paragraph.len());
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut face = 0;
        for mut character in paragraph.chars() {
            if character.is_control() && character != '\t' {
                continue;
            }
            if !is_ignorable(character) && character != '\t' {
                // Marks are set in the face of what they stand on.
                let preferred = if character.script() == Script::Inherited { face } else { 0 };
                face = self.fonts.face_of(character, preferred).unwrap_or_else(|| {
                    self.missing.insert(character.script().full_name());
                    character = if self.fonts.face_of(BOX, 0) == Some(0) { BOX } else { '?' };
                    0
                });
            }
            if runs.last().is_none_or(|(_, last)| *last != face) {
                runs.push((text.len(), face));
            }
            text.push(character);
        }
        Prepared { text, runs }
    }
}

/// A text whose characters all have a face.
struct Prepared {
    text: String,
    /// Where each run of one face begins, and which face that is.
    runs: Vec<(usize, usize)>,
}

impl Prepared {
    /// The runs of a part of it, counted from there.
    fn slice(&self, part: Range<usize>) -> Runs {
        let ends = self.runs.iter().skip(1).map(|(start, _)| *start).chain([self.text.len()]);
        let runs = self.runs.iter().zip(ends).filter_map(|((start, face), end)| {
            let run =
                start.max(&part.start) - part.start..end.min(part.end).checked_sub(part.start)?;
            (*face != 0 && !run.is_empty()).then_some((run, *face))
        });
        Runs(runs.collect())
    }

    fn attributes(&self, offset: usize, fonts: &Fonts, bold: bool) -> AttrsList {
        self.slice(0..self.text.len()).attributes(offset, fonts, bold)
    }
}

/// The runs of a line that are not in the first face.
struct Runs(Vec<(Range<usize>, usize)>);

impl Runs {
    /// For a line that begins so many bytes later.
    fn attributes(&self, offset: usize, fonts: &Fonts, bold: bool) -> AttrsList {
        let mut attributes = AttrsList::new(&fonts.attributes(0, bold));
        for (Range { start, end }, face) in &self.0 {
            attributes.add_span(start + offset..end + offset, &fonts.attributes(*face, bold));
        }
        attributes
    }
}

/// Glyphs with their places, on one line however long.
struct Shaped {
    glyphs: Vec<LayoutGlyph>,
    direction: Direction,
}

#[derive(Clone, Copy)]
enum Direction {
    LeftToRight,
    /// From left to right, with words in the other direction.
    Mixed,
    RightToLeft,
}

impl Shaped {
    fn width(&self) -> f32 {
        self.glyphs.iter().map(|glyph| glyph.w).sum()
    }

    /// What is not torn apart, in the order in which it is read: where each begins, and its width.
    fn clusters(&self) -> Vec<(usize, f32)> {
        let mut widths = BTreeMap::new();
        for glyph in &self.glyphs {
            *widths.entry(glyph.start).or_insert(0.0) += glyph.w;
        }
        widths.into_iter().collect()
    }
}

/// The lines of a paragraph. They end where Unicode allows it (UAX 14: between Chinese characters
/// but not before closing marks, between words), inside a word only if that is longer than a line.
/// Blanks at the end of a line take no place.
fn wrap(text: &str, clusters: &[(usize, f32)], most: f32) -> Vec<Range<usize>> {
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

/// A paper's width, with room for what rounding makes of the sum of a full line.
#[expect(clippy::cast_precision_loss, reason = "paper is some hundred dots wide")]
fn wide(paper: u32) -> f32 {
    paper as f32 + 0.01
}

/// How far lines reach above and below their baseline: their square, and what is between lines.
fn nominal(height: f32) -> (f32, f32) {
    let between = (LINE - 1.0) * height / 2.0;
    (ABOVE * height + between, (1.0 - ABOVE) * height + between)
}

#[expect(clippy::cast_possible_truncation, reason = "casts saturate")]
fn to_place(dots: f32) -> i32 {
    dots.round() as i32
}

/// At least one, so that every line takes paper.
#[expect(clippy::cast_sign_loss, clippy::cast_possible_truncation, reason = "casts saturate")]
fn to_dots(dots: f32) -> u32 {
    (dots as u32).max(1)
}

/// Cuts at every end of a line or paragraph that Unicode knows.
fn paragraphs(text: &str) -> impl Iterator<Item = &str> {
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

/// Characters that show nothing by themselves (Unicode's Default_Ignorable_Code_Point).
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}
