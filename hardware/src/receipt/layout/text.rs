//! Texts to lines of glyphs: which font, which line, where on it.

use std::collections::BTreeSet;

use cosmic_text::{AttrsList, BufferLine, Hinting, LineEnding, Shaping, Wrap};
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
        Text { size, bold, .. }: &Text,
        align: Align,
        top: u32,
        lines: &mut Vec<Line>,
    ) -> u32 {
        let (clean, attributes) = self.faces(paragraph, *bold);
        let mut shaped = BufferLine::new(clean, LineEnding::None, attributes, Shaping::Advanced);
        // Lines are moved where they belong below, by whole dots.
        shaped.set_align(Some(cosmic_text::Align::Left));
        let height = f32::from(*size);
        let laid_out = shaped.layout(
            &mut self.fonts.system,
            height,
            // Sums of fractions must not push out the last character of a full line.
            Some(self.paper as f32 + 0.01),
            Wrap::WordOrGlyph,
            None,
            TAB,
            Hinting::Disabled,
        );
        let mut top = top;
        for line in laid_out {
            let (mut above, mut below) = nominal(height);
            for glyph in &line.glyphs {
                if let Some((up, down)) = self.fonts.reach(glyph.font_id) {
                    above = above.max(up * height);
                    below = below.max(down * height);
                }
            }
            let baseline = above.round();
            let rows = to_dots((above + below).round());
            let room = self.paper as f32 - line.w;
            let left = match align {
                Align::Left => 0.0,
                Align::Center => (room / 2.0).floor().max(0.0),
                Align::Right => room.floor().max(0.0),
            };
            let glyphs = line.glyphs.iter().map(|glyph| Glyph {
                font: glyph.font_id,
                weight: glyph.font_weight,
                glyph: glyph.glyph_id,
                size: *size,
                x: (left + glyph.x + glyph.x_offset * height).round() as i32,
                y: (baseline + glyph.y - glyph.y_offset * height).round() as i32,
            });
            lines.push(Line { top, rows, slack: u32::from(*size), glyphs: glyphs.collect() });
            top = top.saturating_add(rows);
            if top > self.most {
                break;
            }
        }
        top
    }

    /// A paragraph without what is not printed, and which face each of its characters is set in.
    fn faces(&mut self, paragraph: &str, bold: bool) -> (String, AttrsList) {
        let mut clean = String::with_capacity(paragraph.len());
        let mut runs: Vec<(usize, usize)> = Vec::new();
        let mut face = 0;
        for character in paragraph.chars() {
            let mut character = character;
            if character.is_control() && character != '\t' {
                continue;
            }
            if !is_ignorable(character) && character != '\t' {
                let preferred = if belongs_to_neighbours(character) { face } else { 0 };
                face = self.fonts.face_of(character, preferred).unwrap_or_else(|| {
                    self.missing.insert(character.script().full_name());
                    character = if self.fonts.face_of(BOX, 0) == Some(0) { BOX } else { '?' };
                    0
                });
            }
            if runs.last().is_none_or(|(_, last)| *last != face) {
                runs.push((clean.len(), face));
            }
            clean.push(character);
        }
        let mut attributes = AttrsList::new(&self.fonts.attributes(0, bold));
        let ends = runs.iter().skip(1).map(|(start, _)| *start).chain([clean.len()]);
        for ((start, face), end) in runs.iter().zip(ends) {
            if *face != 0 {
                attributes.add_span(*start..end, &self.fonts.attributes(*face, bold));
            }
        }
        (clean, attributes)
    }
}

/// How far lines reach above and below their baseline: their square, and what is between lines.
fn nominal(height: f32) -> (f32, f32) {
    let between = (LINE - 1.0) * height / 2.0;
    (ABOVE * height + between, (1.0 - ABOVE) * height + between)
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

/// Marks and joiners are set in the face of what they stand on; so are blanks and signs that many
/// scripts share, which keeps a text in one face.
fn belongs_to_neighbours(character: char) -> bool {
    character.script() == Script::Inherited
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
