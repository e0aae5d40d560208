//! Texts to lines of glyphs: which font, which line, where on it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use cosmic_text::{AttrsList, BufferLine, Hinting, LayoutGlyph, LineEnding, Shaping, Wrap};
use unicode_script::{Script, UnicodeScript};

use super::fonts::Fonts;
use super::glyphs::Glyph;
use super::wrap::{paragraphs, wrap};
use super::{Align, Text};

/// From one line to the next, in parts of the type's height: what receipt printers do with their own
/// type (30 dots for 24, Epson's ESC 2).
const LINE: f32 = 1.25;

/// The baseline below the upper edge of a Chinese character's square, in parts of its height
/// (OpenType's ideographic embox).
const ABOVE: f32 = 0.88;

/// A tabulator goes to the next multiple of so many blanks, as on receipt printers.
const TAB: u16 = 8;

/// Characters of a paragraph that are set at once. Setting takes time by the square of their number
/// for some texts that nobody writes; a line of legible type has far fewer.
const PIECE: usize = 1000;

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

    /// Sets a paragraph piece by piece; nearly all are one piece.
    fn paragraph(
        &mut self,
        paragraph: &str,
        text: &Text,
        align: Align,
        top: u32,
        lines: &mut Vec<Line>,
    ) -> u32 {
        let prepared = self.prepare(paragraph);
        let (mut top, mut start, mut direction) = (top, 0, None);
        loop {
            let piece = prepared.piece(start);
            let is_last = piece.end == prepared.text.len();
            let whole = self.shape(&prepared, piece.clone(), direction, text);
            direction.get_or_insert(whole.direction);
            if is_last && whole.width() <= wide(self.paper) {
                return self.place(&whole, text, align, top, lines);
            }
            let words = prepared.text.get(piece.clone()).unwrap_or_default();
            let mut wrapped = wrap(words, &whole.clusters(), wide(self.paper));
            let mut next = piece.end;
            // The last line may go on in the next piece.
            if !is_last
                && wrapped.len() > 1
                && let Some(open) = wrapped.pop()
            {
                next = start + open.start;
            }
            for line in wrapped {
                let line = start + line.start..start + line.end;
                let line = self.shape(&prepared, line, direction, text);
                top = self.place(&line, text, align, top, lines);
                if top > self.most {
                    return top;
                }
            }
            if is_last {
                return top;
            }
            start = next;
        }
    }

    /// A part of a paragraph on one line, however long.
    ///
    /// `direction`: that of the paragraph, once it is known. Alone a part of it might run in another
    /// one; a mark before it prevents that.
    fn shape(
        &mut self,
        from: &Prepared,
        part: Range<usize>,
        direction: Option<Direction>,
        text: &Text,
    ) -> Shaped {
        let mark = match direction {
            None | Some(Direction::LeftToRight) => "",
            Some(Direction::Mixed) => "\u{200E}",
            Some(Direction::RightToLeft) => "\u{200F}",
        };
        let words = from.text.get(part.clone()).unwrap_or_default();
        let attributes = from.attributes(part, mark.len(), self.fonts, text.bold);
        let line = format!("{mark}{words}");
        let mut shaped = BufferLine::new(line, LineEnding::None, attributes, Shaping::Advanced);
        shaped.set_align(Some(cosmic_text::Align::Left));
        let height = f32::from(text.size);
        let system = &mut self.fonts.system;
        let hinting = Hinting::Disabled;
        let laid_out = shaped.layout(system, height, None, Wrap::None, None, TAB, hinting);
        let mut glyphs: Vec<LayoutGlyph> =
            laid_out.iter().flat_map(|line| &line.glyphs).cloned().collect();
        // Places are those in the part, as if there were no mark.
        for glyph in &mut glyphs {
            glyph.start = glyph.start.saturating_sub(mark.len());
        }
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
    /// What is set at once from here on.
    fn piece(&self, start: usize) -> Range<usize> {
        let rest = self.text.get(start..).unwrap_or_default();
        let length = rest.char_indices().nth(PIECE).map_or(rest.len(), |(length, _)| length);
        start..start + length
    }

    /// The faces of a part, for a line that begins `offset` bytes before it.
    fn attributes(
        &self,
        part: Range<usize>,
        offset: usize,
        fonts: &Fonts,
        bold: bool,
    ) -> AttrsList {
        let mut attributes = AttrsList::new(&fonts.attributes(0, bold));
        let first = self.runs.partition_point(|(start, _)| *start <= part.start).saturating_sub(1);
        let runs = self.runs.get(first..).unwrap_or_default();
        let ends = runs.iter().skip(1).map(|(start, _)| *start).chain([self.text.len()]);
        for ((start, face), end) in runs.iter().zip(ends) {
            if *start >= part.end {
                break;
            }
            let (start, end) = (*start.max(&part.start), end.min(part.end));
            if *face != 0 && start < end {
                let run = start - part.start + offset..end - part.start + offset;
                attributes.add_span(run, &fonts.attributes(*face, bold));
            }
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

/// Characters that show nothing by themselves (Unicode's Default_Ignorable_Code_Point).
fn is_ignorable(character: char) -> bool {
    matches!(character,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}'..='\u{1160}' | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{3164}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}' | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFF8}' | '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E0FFF}')
}
