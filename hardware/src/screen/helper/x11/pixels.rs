//! Pixels as an X server wants them: its depth, masks, padding and order of bytes.

use x11rb::protocol::xproto::{ImageOrder, Screen, Setup, VisualClass};

/// How a server's screen has its pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of a pixel: 2, 3 or 4.
    pub(super) bytes: usize,
    /// Rows are filled up to a multiple of so many bytes.
    pub(super) pad: usize,
    /// The bits of red, green and blue in a pixel.
    pub(super) masks: [u32; 3],
    /// The lowest byte comes first.
    pub(super) little: bool,
}

impl Layout {
    /// That of this screen; `None` for one with a table of colours, or fewer than 16 bits.
    pub(super) fn of(setup: &Setup, screen: &Screen) -> Option<Self> {
        let format = setup.pixmap_formats.iter().find(|one| one.depth == screen.root_depth)?;
        let depths = screen.allowed_depths.iter();
        let visual = depths
            .flat_map(|depth| &depth.visuals)
            .find(|one| one.visual_id == screen.root_visual)?;
        let true_colour =
            [VisualClass::TRUE_COLOR, VisualClass::DIRECT_COLOR].contains(&visual.class);
        let bytes = usize::from(format.bits_per_pixel / 8);
        (true_colour && (2..=4).contains(&bytes)).then_some(Self {
            bytes,
            pad: usize::from(format.scanline_pad / 8).max(1),
            masks: [visual.red_mask, visual.green_mask, visual.blue_mask],
            little: setup.image_byte_order == ImageOrder::LSB_FIRST,
        })
    }

    /// Bytes of a row of so many pixels.
    pub(super) fn stride(self, width: usize) -> usize {
        (width * self.bytes).next_multiple_of(self.pad)
    }

    /// Rows of red, green and blue as the server wants them.
    pub(super) fn encode(self, rgb: &[u8], width: usize) -> Vec<u8> {
        let rows = rgb.chunks_exact((width * 3).max(1));
        let mut out = Vec::with_capacity(self.stride(width) * rows.len());
        // What nearly every server has, without arithmetic.
        let usual = self.bytes == 4 && self.little && self.masks == [0xFF_0000, 0xFF00, 0xFF];
        for row in rows {
            let end = out.len() + self.stride(width);
            let (pixels, _) = row.as_chunks::<3>();
            if usual {
                out.extend(pixels.iter().flat_map(|&[red, green, blue]| [blue, green, red, 0]));
            } else {
                for pixel in pixels {
                    self.push(*pixel, &mut out);
                }
            }
            out.resize(end, 0);
        }
        out
    }

    fn push(self, rgb: [u8; 3], out: &mut Vec<u8>) {
        let part = |(colour, mask): (u8, u32)| {
            // The colour's highest bits, as many as the mask has.
            let bits = mask.count_ones().min(8);
            (u32::from(colour) >> (8 - bits)) << (mask.trailing_zeros() & 31) & mask
        };
        let pixel = rgb.into_iter().zip(self.masks).map(part).fold(0, |all, part| all | part);
        if self.little {
            out.extend(pixel.to_le_bytes().into_iter().take(self.bytes));
        } else {
            out.extend(pixel.to_be_bytes().into_iter().skip(4 - self.bytes));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USUAL: Layout =
        Layout { bytes: 4, pad: 4, masks: [0xFF_0000, 0xFF00, 0xFF], little: true };

    fn check(layout: Layout, rgb: &[u8], width: usize, expected: &[u8]) {
        assert_eq!(layout.encode(rgb, width), expected, "{layout:?}");
        assert_eq!(layout.stride(width) * rgb.len() / (width * 3), expected.len());
    }

    #[test]
    fn colours_lie_where_the_masks_are() {
        let two = [0x12, 0x34, 0x56, 0xFF, 0x00, 0x80];
        check(USUAL, &two, 2, &[0x56, 0x34, 0x12, 0, 0x80, 0, 0xFF, 0]);
        let big = Layout { little: false, ..USUAL };
        check(big, &two, 2, &[0, 0x12, 0x34, 0x56, 0, 0xFF, 0, 0x80]);
        let bgr = Layout { masks: [0xFF, 0xFF00, 0xFF_0000], ..USUAL };
        check(bgr, &two, 2, &[0x12, 0x34, 0x56, 0, 0xFF, 0, 0x80, 0]);
    }

    #[test]
    fn rows_are_filled_up() {
        let packed = Layout { bytes: 3, ..USUAL };
        check(packed, &[1, 2, 3, 4, 5, 6], 1, &[3, 2, 1, 0, 6, 5, 4, 0]);
        let narrow = Layout { bytes: 2, pad: 4, masks: [0xF800, 0x07E0, 0x001F], little: true };
        // Red 31, green 0, blue 0 is 0xF800; white is 0xFFFF; one pixel of padding.
        check(narrow, &[255, 0, 0], 1, &[0x00, 0xF8, 0, 0]);
        check(narrow, &[255, 255, 255, 0, 4, 0], 2, &[0xFF, 0xFF, 0x20, 0x00]);
    }
}
