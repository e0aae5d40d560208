//! Pictures on paper.

use super::{Align, Image, Limits};
use crate::picture::{Bounds, PictureError, decode};

/// A picture, ready for paper.
pub(super) struct Print {
    gray: image::GrayImage,
    left: u32,
}

impl Print {
    pub(super) fn of(
        image: &Image,
        align: Align,
        paper: u32,
        limits: &Limits,
    ) -> Result<Self, PictureError> {
        let bounds = Bounds { pixels: limits.pixels, memory: limits.memory };
        let picture = decode(&image.bytes, bounds, [255; 3])?;
        let gray = image::DynamicImage::from(picture).into_luma8();
        let room = paper.saturating_sub(gray.width());
        let left = match align {
            Align::Left => 0,
            Align::Center => room / 2,
            Align::Right => room,
        };
        Ok(Self { gray, left })
    }

    pub(super) fn rows(&self) -> u32 {
        self.gray.height()
    }

    pub(super) fn draw(&mut self, row: u32, into: &mut [u8]) {
        for column in 0..self.gray.width() {
            let x = (self.left + column) as usize;
            if self.gray.get_pixel(column, row).0[0] < 128
                && let Some(byte) = into.get_mut(x / 8)
            {
                *byte |= 0x80 >> (x % 8);
            }
        }
    }
}
