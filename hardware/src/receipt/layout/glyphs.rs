//! Glyphs to dots, and dots onto a band.

use std::collections::HashMap;
use std::sync::Arc;

use cosmic_text::fontdb::{ID, Weight};
use cosmic_text::{CacheKey, CacheKeyFlags, SwashCache, SwashContent};

use super::fonts::Fonts;

/// How much of a dot's area must be covered for it to be black, of 255. Less than half: thin strokes
/// stay whole, and what is between them stays open.
const BLACK: u8 = 112;

/// Bytes of masks that are kept between receipts: some 30,000 characters of usual type.
const MOST_BYTES: usize = 4 << 20;

/// What a mask takes besides its dots.
const MASK_OVERHEAD: usize = 96;

/// A glyph on a line.
#[derive(Clone, Copy)]
pub(super) struct Glyph {
    pub(super) font: ID,
    pub(super) weight: Weight,
    pub(super) glyph: u16,
    pub(super) size: u16,
    /// Where its origin is, counted from the line's upper left corner.
    pub(super) x: i32,
    pub(super) y: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    font: ID,
    glyph: u16,
    size: u16,
}

/// A glyph's dots.
struct Mask {
    /// From its origin to its upper left corner, downwards.
    left: i32,
    top: i32,
    width_bytes: usize,
    bits: Vec<u8>,
}

/// Rasterises glyphs, and remembers them.
pub(super) struct Glyphs {
    swash: SwashCache,
    masks: HashMap<Key, Arc<Mask>>,
    bytes: usize,
}

/// Rows of dots that are drawn on.
pub(super) struct Canvas<'a> {
    pub(super) bits: &'a mut [u8],
    pub(super) width_bytes: usize,
    /// The row of the page that its first row is.
    pub(super) top: i64,
}

impl Glyphs {
    pub(super) fn new() -> Self {
        Self { swash: SwashCache::new(), masks: HashMap::new(), bytes: 0 }
    }

    /// Draws a glyph of a line that begins at row `line` of the page.
    pub(super) fn draw(
        &mut self,
        fonts: &mut Fonts,
        glyph: &Glyph,
        line: u32,
        on: &mut Canvas<'_>,
    ) {
        let mask = self.mask(fonts, glyph);
        let top = i64::from(line) + i64::from(glyph.y) + i64::from(mask.top) - on.top;
        let left = i64::from(glyph.x) + i64::from(mask.left);
        if mask.width_bytes == 0 {
            return;
        }
        let rows = mask.bits.chunks_exact(mask.width_bytes);
        for (row, dots) in (top..).zip(rows) {
            let Some(start) = usize::try_from(row).ok().and_then(|r| r.checked_mul(on.width_bytes))
            else {
                continue;
            };
            let Some(into) = on.bits.get_mut(start..start + on.width_bytes) else {
                break;
            };
            lay(dots, left, into);
        }
    }

    fn mask(&mut self, fonts: &mut Fonts, glyph: &Glyph) -> Arc<Mask> {
        let key = Key { font: glyph.font, glyph: glyph.glyph, size: glyph.size };
        if let Some(mask) = self.masks.get(&key) {
            return Arc::clone(mask);
        }
        let mask = Arc::new(self.rasterise(fonts, glyph));
        let bytes = mask.bits.len() + MASK_OVERHEAD;
        if self.bytes + bytes > MOST_BYTES {
            self.masks.clear();
            self.bytes = 0;
        }
        self.bytes += bytes;
        self.masks.insert(key, Arc::clone(&mask));
        mask
    }

    fn rasterise(&mut self, fonts: &mut Fonts, glyph: &Glyph) -> Mask {
        let size = f32::from(glyph.size);
        let flags = CacheKeyFlags::empty();
        let (key, ..) =
            CacheKey::new(glyph.font, glyph.glyph, size, (0.0, 0.0), glyph.weight, flags);
        let Some(image) = self.swash.get_image_uncached(&mut fonts.system, key) else {
            return Mask { left: 0, top: 0, width_bytes: 0, bits: Vec::new() };
        };
        let width = image.placement.width as usize;
        // A stroke is some twelfth of the type's height; bold ones are half as thick again.
        let widening =
            if fonts.is_emboldened(glyph.font) { usize::from(glyph.size).div_ceil(24) } else { 0 };
        let width_bytes = (width + widening).div_ceil(8);
        let mut bits = vec![0; width_bytes * image.placement.height as usize];
        let (pixel, is_black): (usize, fn(&[u8]) -> bool) = match image.content {
            SwashContent::Mask => (1, |covered| covered.first().is_some_and(|c| *c >= BLACK)),
            SwashContent::Color | SwashContent::SubpixelMask => (4, is_dark),
        };
        let rows = bits.chunks_exact_mut(width_bytes.max(1));
        for (row, pixels) in rows.zip(image.data.chunks_exact((width * pixel).max(1))) {
            for (x, _) in pixels.chunks_exact(pixel).enumerate().filter(|(_, p)| is_black(p)) {
                for x in x..=x + widening {
                    if let Some(byte) = row.get_mut(x / 8) {
                        *byte |= 0x80 >> (x % 8);
                    }
                }
            }
        }
        Mask { left: image.placement.left, top: -image.placement.top, width_bytes, bits }
    }
}

/// Whether a pixel of a coloured glyph, on white, is nearer to black.
fn is_dark(pixel: &[u8]) -> bool {
    let [red, green, blue, alpha] = *pixel else { return false };
    let luma = (299 * u32::from(red) + 587 * u32::from(green) + 114 * u32::from(blue)) / 1000;
    luma * u32::from(alpha) / 255 + 255 - u32::from(alpha) < 128
}

/// Lays dots onto a row, from the dot `left` on; what stands out of it is cut off.
pub(super) fn lay(dots: &[u8], left: i64, row: &mut [u8]) {
    let (first, shift) = (left.div_euclid(8), left.rem_euclid(8));
    for (place, byte) in (first..).zip(dots) {
        let halves =
            [(place, byte >> shift), (place + 1, byte.checked_shl(8 - shift as u32).unwrap_or(0))];
        for (place, half) in halves {
            if half != 0
                && let Some(into) = usize::try_from(place).ok().and_then(|place| row.get_mut(place))
            {
                *into |= half;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cosmic_text::fontdb::Weight;

    use super::super::FontSettings;
    use super::*;

    #[test]
    fn dots_are_laid_at_any_place_and_cut_off_at_the_edges() {
        let laid = |left| {
            let mut row = [0x01, 0, 0];
            lay(&[0b1000_0001, 0xFF], left, &mut row);
            row
        };
        assert_eq!(laid(0), [0b1000_0001, 0xFF, 0]);
        assert_eq!(laid(3), [0b0001_0001, 0b0011_1111, 0b1110_0000]);
        assert_eq!(laid(-7), [0xFF, 0b1000_0000, 0]);
        assert_eq!(laid(-8), [0xFF, 0, 0]);
        assert_eq!(laid(20), [0x01, 0, 0b0000_1000]);
        assert_eq!(laid(24), [0x01, 0, 0]);
        assert_eq!(laid(-16), [0x01, 0, 0]);
    }

    #[test]
    fn what_is_kept_of_glyphs_is_bounded() {
        let mut fonts = Fonts::find(&FontSettings::default()).expect("fonts-wqy-zenhei");
        let font = fonts.system.db().faces().next().expect("a face").id;
        let mut glyphs = Glyphs::new();
        let mut bits = vec![0; 125 * 10];
        let mut made = 0;
        for glyph in 5000..5080 {
            let glyph = Glyph { font, weight: Weight::NORMAL, glyph, size: 1000, x: 0, y: 0 };
            let mut canvas = Canvas { bits: &mut bits, width_bytes: 125, top: 0 };
            glyphs.draw(&mut fonts, &glyph, 0, &mut canvas);
            made += glyphs.mask(&mut fonts, &glyph).bits.len();
            assert!(glyphs.bytes <= MOST_BYTES);
            let kept: usize = glyphs.masks.values().map(|m| m.bits.len() + MASK_OVERHEAD).sum();
            assert_eq!(kept, glyphs.bytes);
        }
        assert!(made > MOST_BYTES, "{made} bytes are too few to see it");
    }
}
