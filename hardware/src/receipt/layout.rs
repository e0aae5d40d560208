//! A receipt as dots: texts and pictures one below the other, as wide as the paper.
//!
//! [`Typesetter::lay_out`] validates, decodes and measures everything, so that what is wrong is known
//! before the first byte goes out; nothing is rasterised yet. [`Page::bands`] does that piece by
//! piece while the printer prints. Both take milliseconds of processor and belong on a thread of
//! their own. A receipt names customers: its types have no `Debug`, and no error or log line says
//! what it holds.

mod picture;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::picture::PictureError;
use picture::Print;

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

/// Lays receipts out. Cheap to make and to clone: fonts are looked for with the first text.
#[derive(Clone)]
pub struct Typesetter {
    settings: Arc<FontSettings>,
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
        Self { settings: Arc::new(settings) }
    }

    /// Lays out a receipt for paper of so many dots in a row. Blocks for some milliseconds.
    ///
    /// # Errors
    /// A picture cannot be decoded, the receipt is over a limit, or no font is installed.
    pub fn lay_out(
        &self,
        items: Vec<Item>,
        width_dots: u32,
        limits: &Limits,
    ) -> Result<Page, LayoutError> {
        let mut page = Page { width: width_dots.max(1), rows: 0, prints: Vec::new() };
        for (item, Item { text, image, align }) in items.into_iter().enumerate() {
            if text.is_some() {
                return Err(LayoutError::NoFont);
            }
            if let Some(image) = image {
                let print = Print::of(&image, align, page.width, limits)
                    .map_err(|source| LayoutError::Picture { item, source })?;
                page.rows += print.rows();
                page.prints.push(print);
            }
            if page.rows > limits.rows {
                return Err(LayoutError::Rows { item, most: limits.rows });
            }
        }
        Ok(page)
    }
}

/// A receipt that is laid out: as long as it will be, and free of mistakes.
pub struct Page {
    width: u32,
    rows: u32,
    prints: Vec<Print>,
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
        let mut top = 0;
        let end = self.next + u32::from(rows);
        for print in &mut self.page.prints {
            for row in top.max(self.next)..(top + print.rows()).min(end) {
                let start = (row - self.next) as usize * width_bytes;
                if let Some(into) = bits.get_mut(start..start + width_bytes) {
                    print.draw(row - top, into);
                }
            }
            top += print.rows();
        }
        self.next = end;
        Some(Band { rows, width_bytes, bits })
    }
}
