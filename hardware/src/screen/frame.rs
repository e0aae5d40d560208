//! A picture file made ready for a screen: decoded within bounds, scaled to fit, centred, on a
//! background.
//!
//! Pure, and slow (some 40 ms for a JPEG of a screen's size): called where nobody waits for the
//! thread.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder, RgbImage};

use crate::picture::{self, Bounds, PictureError};

/// A picture as large as the screen.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// Pixels from left to right.
    pub width: u32,
    /// Pixels from top to bottom.
    pub height: u32,
    /// Red, green and blue of each pixel, a byte each, by rows from the top; nothing between rows.
    pub rgb: Vec<u8>,
}

impl Frame {
    /// The picture as a PNG file.
    #[must_use]
    pub fn png(&self) -> Option<Vec<u8>> {
        let mut file = Vec::new();
        PngEncoder::new(&mut file)
            .write_image(&self.rgb, self.width, self.height, ExtendedColorType::Rgb8)
            .ok()?;
        Some(file)
    }
}

/// Why a picture is no frame. Says nothing of what it shows.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// It cannot be decoded.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The screen's size is none.
    #[error("a screen of {width}x{height} pixels is not filled")]
    Size {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
    },
}

/// Makes the picture of `file` fill a screen of `size` (width, height) as far as its shape allows;
/// `background` (red, green, blue) is around it, and behind it where it is transparent.
///
/// # Errors
/// It cannot be decoded, or the screen has no pixels, or more than a screen can have.
pub fn fitted(
    file: &[u8],
    bounds: Bounds,
    size: (u32, u32),
    background: [u8; 3],
) -> Result<Frame, FrameError> {
    let (width, height) = size;
    if width == 0 || height == 0 || u64::from(width) * u64::from(height) > MOST_PIXELS {
        return Err(FrameError::Size { width, height });
    }
    let picture = picture::decode(file, bounds, background)?;
    let fits = fit((picture.width(), picture.height()), size);
    let scaled = if fits == (picture.width(), picture.height()) {
        picture.into_raw()
    } else {
        scaled(&picture, fits).ok_or(FrameError::Size { width, height })?
    };
    Ok(Frame { width, height, rgb: on_background(scaled, fits, size, background) })
}

/// Twice a screen of 8K: 7680 × 4320 pixels.
const MOST_PIXELS: u64 = 2 * 7680 * 4320;

/// The largest size of the picture's shape that fits into the screen, at least one pixel.
fn fit(picture: (u32, u32), screen: (u32, u32)) -> (u32, u32) {
    let [(pw, ph), (sw, sh)] = [picture, screen].map(|(w, h)| (u64::from(w), u64::from(h)));
    // Which of both sides is reached first.
    let (width, height) =
        if pw * sh >= ph * sw { (sw, rounded(ph * sw, pw)) } else { (rounded(pw * sh, ph), sh) };
    // Neither is longer than the screen's.
    let side = |length: u64| u32::try_from(length.max(1)).unwrap_or(1);
    (side(width), side(height))
}

fn rounded(a: u64, b: u64) -> u64 {
    (a + b / 2) / b.max(1)
}

fn scaled(picture: &RgbImage, (width, height): (u32, u32)) -> Option<Vec<u8>> {
    let from =
        ImageRef::new(picture.width(), picture.height(), picture.as_raw(), PixelType::U8x3).ok()?;
    let mut to = Image::new(width, height, PixelType::U8x3);
    // Each new pixel is the mean of those that it covers, so that small print stays readable.
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new().resize(&from, &mut to, &options).ok()?;
    Some(to.into_vec())
}

/// Puts a scaled picture into the middle of the screen.
fn on_background(
    picture: Vec<u8>,
    (width, height): (u32, u32),
    screen: (u32, u32),
    background: [u8; 3],
) -> Vec<u8> {
    if (width, height) == screen {
        return picture;
    }
    let bytes = |pixels: u32| pixels as usize * background.len();
    let mut rgb = background.repeat(screen.0 as usize * screen.1 as usize);
    let left = bytes((screen.0 - width) / 2);
    let top = ((screen.1 - height) / 2) as usize;
    let rows = rgb.chunks_exact_mut(bytes(screen.0)).skip(top);
    for (to, from) in rows.zip(picture.chunks_exact(bytes(width))) {
        if let Some(to) = to.get_mut(left..left + from.len()) {
            to.copy_from_slice(from);
        }
    }
    rgb
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use image::{ImageFormat, Rgb, Rgba, RgbaImage};
    use proptest::prelude::*;

    use super::*;
    use crate::screen::BOUNDS;

    const GREEN: [u8; 3] = [0, 255, 0];
    const GREY: [u8; 3] = [9, 9, 9];

    fn green(width: u32, height: u32) -> Vec<u8> {
        let mut file = Cursor::new(Vec::new());
        let picture = RgbImage::from_pixel(width, height, Rgb(GREEN));
        picture.write_to(&mut file, ImageFormat::Png).unwrap();
        file.into_inner()
    }

    fn at(frame: &Frame, x: u32, y: u32) -> [u8; 3] {
        let from = (y * frame.width + x) as usize * 3;
        frame.rgb[from..from + 3].try_into().unwrap()
    }

    fn check(picture: (u32, u32), screen: (u32, u32), fits: (u32, u32)) {
        assert_eq!(fit(picture, screen), fits, "{picture:?} on {screen:?}");
    }

    #[test]
    fn a_picture_becomes_as_large_as_its_shape_lets_it() {
        check((1920, 1080), (1920, 1080), (1920, 1080));
        check((1920, 1080), (1024, 600), (1024, 576));
        check((100, 100), (1024, 600), (600, 600));
        check((600, 1024), (1024, 600), (352, 600));
        check((1, 1), (1, 1), (1, 1));
        check((10_000, 1), (100, 100), (100, 1));
        check((1, 10_000), (100, 100), (1, 100));
    }

    proptest! {
        #[test]
        fn it_never_is_larger_than_the_screen_and_touches_two_of_its_sides(
            picture in (1..5000_u32, 1..5000_u32), screen in (1..5000_u32, 1..5000_u32),
        ) {
            let (width, height) = fit(picture, screen);
            prop_assert!(width <= screen.0 && height <= screen.1);
            prop_assert!(width == screen.0 || height == screen.1);
        }
    }

    #[test]
    fn around_a_picture_in_the_middle_is_the_background() {
        let frame = fitted(&green(30, 10), BOUNDS, (60, 40), GREY).unwrap();
        assert_eq!((frame.width, frame.height, frame.rgb.len()), (60, 40, 60 * 40 * 3));
        // 60 × 20, ten rows above and below.
        for (y, expected) in
            [(0, GREY), (9, GREY), (10, GREEN), (29, GREEN), (30, GREY), (39, GREY)]
        {
            for x in [0, 31, 59] {
                assert_eq!(at(&frame, x, y), expected, "{x}, {y}");
            }
        }
        let frame = fitted(&green(10, 30), BOUNDS, (60, 30), GREY).unwrap();
        for (x, expected) in
            [(0, GREY), (24, GREY), (25, GREEN), (34, GREEN), (35, GREY), (59, GREY)]
        {
            assert_eq!(at(&frame, x, 15), expected, "{x}");
        }
    }

    #[test]
    fn what_is_transparent_shows_the_background() {
        let mut file = Cursor::new(Vec::new());
        let picture = RgbaImage::from_pixel(4, 4, Rgba([255, 255, 255, 0]));
        picture.write_to(&mut file, ImageFormat::Png).unwrap();
        let frame = fitted(file.get_ref(), BOUNDS, (8, 8), GREY).unwrap();
        assert!(frame.rgb.iter().all(|byte| *byte == 9));
    }

    #[test]
    fn a_picture_of_the_screens_size_is_shown_pixel_by_pixel() {
        let mut file = Cursor::new(Vec::new());
        let picture = RgbImage::from_fn(16, 8, |x, y| Rgb([x as u8, y as u8, 7]));
        picture.write_to(&mut file, ImageFormat::Png).unwrap();
        let frame = fitted(file.get_ref(), BOUNDS, (16, 8), GREY).unwrap();
        assert!(frame.rgb == picture.into_raw());
    }

    #[test]
    fn what_is_no_picture_or_too_large_is_said_in_words() {
        let told = |file: &[u8], bounds| {
            fitted(file, bounds, (8, 8), GREY).err().expect("no frame").to_string()
        };
        assert_eq!(told(b"hello", BOUNDS), "expected a picture: PNG, JPEG, BMP, GIF or WebP");
        let small = Bounds { pixels: 99, ..BOUNDS };
        assert_eq!(
            told(&green(10, 10), small),
            "10x10 pixels are too many: at most 99 are allowed"
        );
        assert!(fitted(&green(1, 1), BOUNDS, (0, 8), GREY).is_err());
        assert!(fitted(&green(1, 1), BOUNDS, (65_535, 65_535), GREY).is_err());
    }
}
