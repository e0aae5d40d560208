//! The paper that comes out of a virtual printer, and pictures of it.

use std::io::Cursor;

use image::{GrayImage, ImageFormat, Luma};

/// A piece of paper: what was printed from one cut to the next.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sheet {
    /// The bytes of one row.
    pub row_bytes: usize,
    /// Row after row: 1 is black, the most significant bit is the leftmost dot.
    pub dots: Vec<u8>,
    /// What was printed as text, a line each. Its dots are boxes.
    pub lines: Vec<String>,
    /// It was cut off.
    pub cut: bool,
}

impl Sheet {
    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.dots.len() / self.row_bytes.max(1)
    }

    /// How many rows it has up to its last black dot.
    #[must_use]
    pub fn printed_rows(&self) -> usize {
        self.dots.iter().rposition(|byte| *byte != 0).map_or(0, |at| at / self.row_bytes.max(1) + 1)
    }

    /// Whether the dot is black; outside of the paper none is.
    #[must_use]
    pub fn is_black(&self, x: usize, y: usize) -> bool {
        let byte = self.dots.get(y * self.row_bytes + x / 8).filter(|_| x / 8 < self.row_bytes);
        byte.is_some_and(|byte| byte & (0x80 >> (x % 8)) != 0)
    }

    /// The paper as a PNG file; `None` where it has no rows.
    #[must_use]
    pub fn png(&self) -> Option<Vec<u8>> {
        let width = u32::try_from(self.row_bytes * 8).ok()?;
        let height = u32::try_from(self.rows()).ok().filter(|rows| *rows > 0)?;
        let mut picture = GrayImage::from_pixel(width, height, Luma([255]));
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if self.is_black(x as usize, y as usize) {
                *pixel = Luma([0]);
            }
        }
        let mut file = Cursor::new(Vec::new());
        picture.write_to(&mut file, ImageFormat::Png).ok()?;
        Some(file.into_inner())
    }
}
