//! Pictures on paper: their size, and which of their dots are black.
//!
//! Codes, logos and drawings have two tones; they are printed in black and white as they are, scaled
//! without new tones, so that a QR code stays readable. So is a code whose edges are soft. All else is dithered with error diffusion
//! (Floyd and Steinberg, 1976).

use image::GrayImage;
use image::imageops::{FilterType, resize, thumbnail};

use super::codes;
use super::glyphs::lay;
use super::{Align, Image, Limits};
use crate::picture::{Bounds, PictureError, decode};

/// What is darker than this is black.
const MIDDLE: u8 = 128;

/// A picture has two tones if nearly all that its pixels differ (in variance) is that they are of the
/// one or the other. Codes have 0.95 and more, also as JPEG or smoothly scaled; photos some 0.8.
const TWO_TONES: f64 = 0.9;

/// The least difference between them, of 255. Less is the noise of an even surface.
const CONTRAST: f64 = 64.0;

/// A picture that is decoded and scaled, to be drawn row by row.
pub(super) struct Picture {
    width: usize,
    rows: u32,
    left: i64,
    dots: Dots,
}

enum Dots {
    /// Rows of bits, ready.
    Two(Vec<u8>),
    /// Luma of each dot, and what the row above left to do.
    Many { luma: Vec<u8>, errors: Vec<i16> },
}

/// Why a picture is not laid out.
pub(super) enum Refused {
    Broken(PictureError),
    TooLong,
}

impl Picture {
    /// Decodes a picture for paper of so many dots, at most `most` rows long.
    pub(super) fn of(
        image: &Image,
        align: Align,
        paper: u32,
        most: u32,
        limits: &Limits,
    ) -> Result<Self, Refused> {
        let bounds = Bounds { pixels: limits.pixels, memory: limits.memory };
        let colours = decode(&image.bytes, bounds, [255; 3]).map_err(Refused::Broken)?;
        let (width, rows) = size(colours.dimensions(), (image.width, image.height), paper);
        let rows = u32::try_from(rows).ok().filter(|rows| *rows <= most).ok_or(Refused::TooLong)?;
        let luma = luma(&colours);
        drop(colours);
        let two = tones(&luma)
            .filter(|tones| tones.are_two || codes::is_code(&luma, tones.middle))
            .map(|tones| tones.middle);
        let luma = match two {
            Some(threshold) => split(luma, threshold),
            None => luma,
        };
        let scaled = scale(luma, width, rows, two.is_some());
        let room = i64::from(paper) - i64::from(width);
        let left = match align {
            Align::Left => 0,
            Align::Center => room / 2,
            Align::Right => room,
        };
        let width = width as usize;
        let dots = if two.is_some() {
            Dots::Two(pack(scaled.as_raw(), width))
        } else {
            Dots::Many { luma: scaled.into_raw(), errors: vec![0; width + 2] }
        };
        Ok(Self { width, rows, left, dots })
    }

    pub(super) fn rows(&self) -> u32 {
        self.rows
    }

    /// Draws one row. Rows are drawn in order, each once: what a row cannot show its successor has to.
    pub(super) fn draw(&mut self, row: u32, into: &mut [u8]) {
        let row = row as usize;
        match &mut self.dots {
            Dots::Two(bits) => {
                let width_bytes = self.width.div_ceil(8);
                if let Some(bits) = bits.get(row * width_bytes..(row + 1) * width_bytes) {
                    lay(bits, self.left, into);
                }
            }
            Dots::Many { luma, errors } => {
                if let Some(luma) = luma.get(row * self.width..(row + 1) * self.width) {
                    lay(&diffuse(luma, errors), self.left, into);
                }
            }
        }
    }
}

/// The size on paper: as asked for, a single dimension keeping the ratio, never wider than the paper.
fn size(
    (own_width, own_height): (u32, u32),
    asked: (Option<u16>, Option<u16>),
    paper: u32,
) -> (u32, u64) {
    let (own_width, own_height) = (u64::from(own_width), u64::from(own_height));
    // Rounded, and at least one dot.
    let part = |of: u64, by: u64, to: u64| ((of * by + to / 2) / to.max(1)).max(1);
    let (width, height) = match asked {
        (None, None) => (own_width, own_height),
        (Some(width), None) => (width.into(), part(own_height, width.into(), own_width)),
        (None, Some(height)) => (part(own_width, height.into(), own_height), height.into()),
        (Some(width), Some(height)) => (width.into(), height.into()),
    };
    match u32::try_from(width) {
        Ok(narrow) if narrow <= paper => (narrow, height),
        _ => (paper, part(height, paper.into(), width)),
    }
}

/// How bright each pixel is (ITU-R BT.601).
fn luma(colours: &image::RgbImage) -> GrayImage {
    let mut luma = GrayImage::new(colours.width(), colours.height());
    for (to, from) in luma.pixels_mut().zip(colours.pixels()) {
        let [red, green, blue] = from.0.map(u32::from);
        to.0 = [u8::try_from((299 * red + 587 * green + 114 * blue + 500) / 1000).unwrap_or(255)];
    }
    luma
}

/// The darker and the lighter half of a picture.
struct Tones {
    /// The threshold between them.
    middle: u8,
    /// There is little else.
    are_two: bool,
}

/// Which they are, if they are far enough from each other (Otsu, 1979).
fn tones(luma: &GrayImage) -> Option<Tones> {
    let mut histogram = [0_u32; 256];
    for pixel in luma.as_raw() {
        if let Some(count) = histogram.get_mut(usize::from(*pixel)) {
            *count += 1;
        }
    }
    let counted = || (0_u8..=255).zip(histogram.iter().map(|count| f64::from(*count)));
    let pixels: f64 = counted().map(|(_, count)| count).sum();
    let mean = counted().map(|(tone, count)| f64::from(tone) * count).sum::<f64>() / pixels;
    let variance =
        counted().map(|(tone, count)| (f64::from(tone) - mean).powi(2) * count).sum::<f64>()
            / pixels;
    let (mut dark, mut dark_sum) = (0.0, 0.0);
    let (mut best, mut between) = (None, 0.0);
    for (tone, count) in counted() {
        dark += count;
        dark_sum += f64::from(tone) * count;
        let light = pixels - dark;
        if dark == 0.0 || light == 0.0 {
            continue;
        }
        let contrast = (mean * pixels - dark_sum) / light - dark_sum / dark;
        let separated = dark / pixels * (light / pixels) * contrast.powi(2);
        // An empty stretch between both tones is cut in the middle of where it could be.
        if separated > between {
            between = separated;
            let middle = dark_sum / dark + contrast / 2.0;
            best = Some((contrast, middle));
        }
    }
    let (contrast, middle) = best?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a tone")]
    let middle = middle as u8;
    let are_two = between >= TWO_TONES * variance;
    (contrast >= CONTRAST).then_some(Tones { middle, are_two })
}

/// A picture in black and white alone: up to the threshold black.
fn split(mut luma: GrayImage, threshold: u8) -> GrayImage {
    for pixel in luma.pixels_mut() {
        pixel.0 = [if pixel.0[0] <= threshold { 0 } else { 255 }];
    }
    luma
}

/// To the size on paper. Enlarged, a picture of two tones has sharp edges: whole multiples are exact.
fn scale(luma: GrayImage, width: u32, height: u32, two_tones: bool) -> GrayImage {
    let (own_width, own_height) = luma.dimensions();
    if (own_width, own_height) == (width, height) {
        luma
    } else if width <= own_width && height <= own_height {
        thumbnail(&luma, width, height)
    } else {
        let filter = if two_tones { FilterType::Nearest } else { FilterType::Triangle };
        resize(&luma, width, height, filter)
    }
}

/// Eight dots a byte, each row on its own.
fn pack(luma: &[u8], width: usize) -> Vec<u8> {
    let mut bits = Vec::with_capacity(luma.len() / 8 + luma.len() / width.max(1));
    for row in luma.chunks_exact(width.max(1)) {
        for eight in row.chunks(8) {
            let set = |bits: u8, (place, luma): (u32, &u8)| {
                bits | if *luma < MIDDLE { 0x80 >> place } else { 0 }
            };
            bits.push((0..).zip(eight).fold(0, set));
        }
    }
    bits
}

/// A row of black and white that is as dark as it should be, with what was left by the row above;
/// leaves what is left to do for the row below. Errors are in sixteenths of a tone; the first and
/// the last of them are beside the picture.
fn diffuse(luma: &[u8], errors: &mut [i16]) -> Vec<u8> {
    let mut bits = vec![0_u8; luma.len().div_ceil(8)];
    // Sixteenths for the dot to the right, and for those below: to the left, right below.
    let (mut right, mut left, mut below) = (0, 0, 0);
    let cells = std::cell::Cell::from_mut(errors).as_slice_of_cells();
    let rows = luma.iter().zip(cells.iter().zip(cells.iter().skip(1)));
    for (x, (luma, (before, here))) in rows.enumerate() {
        let wanted = i16::from(*luma) + ((here.get() + right + 8) >> 4);
        let is_black = wanted < i16::from(MIDDLE);
        if is_black && let Some(byte) = bits.get_mut(x / 8) {
            *byte |= 0x80 >> (x % 8);
        }
        let error = wanted - if is_black { 0 } else { 255 };
        right = error * 7;
        // Nobody looks at the one before any more, so the row below's takes its place.
        before.set(left + error * 3);
        left = below + error * 5;
        below = error;
    }
    if let [.., before, last] = errors {
        *before = left;
        *last = below;
    }
    bits
}
