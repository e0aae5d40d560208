//! A receipt as dots: texts and pictures one below the other, as wide as the paper.
//!
//! [`Typesetter::lay_out`] validates, decodes and measures everything, so that what is wrong is known
//! before the first byte goes out; nothing is rasterised yet. [`Page::bands`] does that piece by
//! piece, so that the whole is never there but as commands. Both take milliseconds of processor and belong on a thread of
//! their own. A receipt names customers: its types have no `Debug`, and no error or log line says
//! what it holds.

mod codes;
mod fonts;
mod glyphs;
mod picture;
mod text;
mod wrap;

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::picture::PictureError;
use fonts::Fonts;
use glyphs::{Canvas, Glyphs};
use picture::{Picture, Refused};
use text::{Line, Setter};

/// One entry of a receipt: a text, a picture, or a text with a picture below it.
#[derive(Clone)]
pub struct Item {
    /// What is printed first.
    pub text: Option<Text>,
    /// What is printed then.
    pub image: Option<Image>,
    /// Where both stand on the paper.
    pub align: Align,
}

/// Type on paper.
#[derive(Clone)]
pub struct Text {
    /// The words; `\n`, `\r\n` and `\r` end lines.
    pub text: String,
    /// The height of the type in dots: a Chinese character is a square of so many.
    pub size: u16,
    /// Whether it is bold.
    pub bold: bool,
}

/// A picture on paper.
#[derive(Clone)]
pub struct Image {
    /// A picture file: PNG, JPEG, BMP, GIF or WebP.
    pub bytes: Vec<u8>,
    /// In dots; left out, it follows from `height`, or is the picture's own.
    pub width: Option<u16>,
    /// In dots; left out, it follows from `width`, or is the picture's own.
    pub height: Option<u16>,
}

/// Where on the line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// At the left edge.
    #[default]
    Left,
    /// In the middle.
    Center,
    /// At the right edge.
    Right,
}

/// How much one receipt may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of dots in all.
    pub rows: u32,
    /// Characters of all texts together.
    pub characters: usize,
    /// Pixels of one picture as its file has them.
    pub pixels: u64,
    /// Bytes that decoding one picture may take; they are decoded one after the other.
    pub memory: u64,
}

impl Default for Limits {
    /// 3 m of paper at 8 dots a millimetre, more characters than fit there in legible type, and
    /// pictures of a 16-megapixel camera.
    fn default() -> Self {
        Self { rows: 24_000, characters: 100_000, pixels: 16_000_000, memory: 128 << 20 }
    }
}

/// Where the fonts are. The default is what Debian's packages install.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FontSettings {
    /// Families to take first, in this order, as `fc-list : family` names them. What they do not
    /// have, any other font in `folders` may have.
    pub families: Vec<String>,
    /// Font files to take before all others, in this order.
    pub files: Vec<PathBuf>,
    /// Folders whose font files are known, with their subfolders.
    pub folders: Vec<PathBuf>,
}

impl Default for FontSettings {
    fn default() -> Self {
        let folders = ["/usr/share/fonts", "/usr/local/share/fonts"].map(PathBuf::from).into();
        Self { families: Vec::new(), files: Vec::new(), folders }
    }
}

/// Lays receipts out. Cheap to make: fonts are looked for with the first text, once, and kept.
#[derive(Clone)]
pub struct Typesetter {
    settings: Arc<FontSettings>,
    fonts: Arc<Mutex<Option<SharedType>>>,
}

/// The fonts and the glyphs made of them; for one receipt at a time.
type SharedType = Arc<Mutex<Type>>;

struct Type {
    fonts: Fonts,
    glyphs: Glyphs,
}

/// Why a receipt is not laid out. Says which entry, never what is in it.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// A picture of it cannot be decoded, or is too large.
    #[error("printList[{item}].imageBase64: {source}")]
    Picture {
        /// The index of the entry, from 0.
        item: usize,
        /// What is wrong.
        source: PictureError,
    },
    /// It does not fit on the paper that one receipt may take.
    #[error("printList[{item}]: the receipt is longer than {most} rows of dots")]
    Rows {
        /// The index of the entry that was too much, from 0.
        item: usize,
        /// Rows that are allowed.
        most: u32,
    },
    /// Too much text.
    #[error("printList[{item}].text: the receipt has more than {most} characters")]
    Characters {
        /// The index of the entry that was too much, from 0.
        item: usize,
        /// Characters that are allowed.
        most: usize,
    },
    /// It has text, and no font is installed. Nobody's mistake who sent it.
    #[error("no font is installed: apt-get install fonts-wqy-zenhei")]
    NoFont,
}

impl Typesetter {
    /// A typesetter with these fonts; nothing is loaded yet.
    #[must_use]
    pub fn new(settings: FontSettings) -> Self {
        Self { settings: Arc::new(settings), fonts: Arc::default() }
    }

    /// Lays out a receipt for paper of so many dots in a row. Blocks for some milliseconds.
    ///
    /// Characters that no font has are printed as boxes, and a warning names their scripts.
    ///
    /// # Errors
    /// A picture cannot be decoded, the receipt is over a limit, or no font is installed.
    pub fn lay_out(
        &self,
        items: Vec<Item>,
        width_dots: u32,
        limits: &Limits,
    ) -> Result<Page, LayoutError> {
        check_characters(&items, limits)?;
        let has_text = items.iter().any(|item| item.text.is_some());
        let of_type = if has_text { Some(self.of_type()?) } else { None };
        let mut page = Page {
            width: width_dots.max(1),
            rows: 0,
            lines: Vec::new(),
            pictures: Vec::new(),
            of_type: of_type.clone(),
        };
        let mut missing = BTreeSet::new();
        for (item, Item { text, image, align }) in items.into_iter().enumerate() {
            let too_long = || LayoutError::Rows { item, most: limits.rows };
            if let (Some(text), Some(of_type)) = (&text, &of_type) {
                let Type { fonts, .. } =
                    &mut *of_type.lock().unwrap_or_else(PoisonError::into_inner);
                let mut setter =
                    Setter { fonts, paper: page.width, most: limits.rows, missing: &mut missing };
                page.rows = setter.set(text, align, page.rows, &mut page.lines);
            }
            let left = limits.rows.checked_sub(page.rows).ok_or_else(too_long)?;
            if let Some(image) = image {
                let picture = Picture::of(&image, align, page.width, left, limits);
                let picture = picture.map_err(|refused| match refused {
                    Refused::Broken(source) => LayoutError::Picture { item, source },
                    Refused::TooLong => too_long(),
                })?;
                let top = page.rows;
                page.rows += picture.rows();
                page.pictures.push((top, picture));
            }
        }
        if !missing.is_empty() {
            let scripts = missing.into_iter().collect::<Vec<_>>().join(", ");
            tracing::warn!(
                %scripts,
                "no installed font has some of a receipt's characters; boxes stand for them. \
                 The Debian package fonts-noto-core has most scripts"
            );
        }
        Ok(page)
    }

    fn of_type(&self) -> Result<SharedType, LayoutError> {
        let mut shared = self.fonts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = &*shared {
            return Ok(Arc::clone(shared));
        }
        let fonts = Fonts::find(&self.settings).ok_or(LayoutError::NoFont)?;
        let of_type = Arc::new(Mutex::new(Type { fonts, glyphs: Glyphs::new() }));
        Ok(Arc::clone(shared.insert(of_type)))
    }
}

/// Counted before anything is laid out: that takes time for each of them.
fn check_characters(items: &[Item], limits: &Limits) -> Result<(), LayoutError> {
    let mut left = limits.characters;
    for (item, entry) in items.iter().enumerate() {
        let characters = entry.text.as_ref().map_or(0, |text| text.text.chars().count());
        let most = limits.characters;
        left = left.checked_sub(characters).ok_or(LayoutError::Characters { item, most })?;
    }
    Ok(())
}

/// A receipt that is laid out: as long as it will be, and free of mistakes.
pub struct Page {
    width: u32,
    rows: u32,
    lines: Vec<Line>,
    /// Each with the row that it begins at.
    pictures: Vec<(u32, Picture)>,
    of_type: Option<SharedType>,
}

impl Page {
    /// Its rows of dots.
    #[must_use]
    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The bytes of one row.
    #[must_use]
    pub fn width_bytes(&self) -> usize {
        self.width.div_ceil(8) as usize
    }

    /// Its dots, in pieces of so many rows (at least 1); the last may have fewer.
    #[must_use]
    pub fn bands(self, rows_per_band: u16) -> Bands {
        Bands { page: self, next: 0, rows_per_band: rows_per_band.max(1) }
    }
}

/// The dots of a page, rasterised as they are asked for.
pub struct Bands {
    page: Page,
    next: u32,
    rows_per_band: u16,
}

impl Iterator for Bands {
    type Item = Band;

    fn next(&mut self) -> Option<Band> {
        let left = self.page.rows - self.next;
        let rows = self.rows_per_band.min(u16::try_from(left).unwrap_or(u16::MAX));
        if rows == 0 {
            return None;
        }
        let width_bytes = self.page.width_bytes();
        let mut bits = vec![0; usize::from(rows) * width_bytes];
        let (top, end) = (self.next, self.next + u32::from(rows));
        for (begin, picture) in &mut self.page.pictures {
            for row in top.max(*begin)..end.min(*begin + picture.rows()) {
                let start = (row - top) as usize * width_bytes;
                if let Some(into) = bits.get_mut(start..start + width_bytes) {
                    picture.draw(row - *begin, into);
                }
            }
        }
        if let Some(of_type) = &self.page.of_type {
            let Type { fonts, glyphs } =
                &mut *of_type.lock().unwrap_or_else(PoisonError::into_inner);
            let mut canvas = Canvas { bits: &mut bits, width_bytes, top: i64::from(top) };
            let touches = |line: &&Line| {
                line.top < end + line.slack && line.top + line.rows + line.slack > top
            };
            for line in self.page.lines.iter().filter(touches) {
                for glyph in &line.glyphs {
                    glyphs.draw(fonts, glyph, line.top, &mut canvas);
                }
            }
        }
        // Dots of the last byte that are beyond the paper.
        let beyond = width_bytes * 8 - self.page.width as usize;
        if beyond > 0 {
            for row in bits.chunks_exact_mut(width_bytes) {
                if let Some(last) = row.last_mut() {
                    *last &= 0xFF << beyond;
                }
            }
        }
        self.next = end;
        Some(Band { rows, width_bytes, bits })
    }
}

/// Some rows of a page.
#[derive(Clone, PartialEq, Eq)]
pub struct Band {
    /// How many rows.
    pub rows: u16,
    /// The bytes of one row.
    pub width_bytes: usize,
    /// `rows * width_bytes` bytes from top to bottom: 1 is black, the most significant bit is the
    /// leftmost dot.
    pub bits: Vec<u8>,
}

impl fmt::Debug for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Band({} rows of {} bytes)", self.rows, self.width_bytes)
    }
}
