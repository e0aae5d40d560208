//! The decoded photo: raw pixels, BMP, JPEG.
//!
//! Owns what is known of the pixels that `unpack` delivers. The helper makes a BMP of them,
//! `PhotoDecoder` a JPEG of the BMP. Nothing here does I/O.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageError, ImageFormat, ImageReader, Limits};

/// Width of an identity photo in pixels.
pub(super) const WIDTH: usize = 102;

/// Height of an identity photo in pixels.
pub(super) const HEIGHT: usize = 126;

/// Bytes of the raw photo: three a pixel, rows without padding.
pub(super) const RAW_BYTES: usize = WIDTH * HEIGHT * 3;

/// Bytes of the file header and the information header of a BMP.
const HEADERS: usize = 14 + 40;

/// Bytes of the information header, which stand at its own beginning.
const INFO_HEADER: u32 = 40;

/// Bytes of a BMP row: padded to a multiple of four.
const STRIDE: usize = (WIDTH * 3).next_multiple_of(4);

/// Bytes of the whole BMP.
pub(super) const BMP_BYTES: usize = HEADERS + STRIDE * HEIGHT;

/// JPEG quality: the photo is small, and faces are compared with it.
const QUALITY: u8 = 90;

/// No side of a picture that comes from a library may be longer, in pixels.
const MOST_PIXELS: u32 = 1024;

/// Makes a BMP of raw pixels.
///
/// `unpack` writes red, green, blue, and the bottom row first. (Vendors call it "BGR", and add
/// that B and R are to be exchanged for a BMP, whose order is blue, green, red.) Missing pixels
/// become black, further ones are left out.
pub fn raw_to_bmp(raw: &[u8]) -> Vec<u8> {
    let mut bmp = Vec::with_capacity(BMP_BYTES);
    bmp.extend(b"BM");
    for number in [BMP_BYTES as u32, 0, HEADERS as u32, INFO_HEADER, WIDTH as u32, HEIGHT as u32] {
        bmp.extend(number.to_le_bytes());
    }
    bmp.extend([1, 0, 24, 0]); // One plane, 24 bits a pixel.
    bmp.resize(HEADERS, 0); // Not compressed, no palette, no resolution.
    for row in raw.chunks(WIDTH * 3).take(HEIGHT) {
        let start = bmp.len();
        for pixel in row.chunks(3) {
            bmp.extend(pixel.iter().rev());
        }
        bmp.resize(start + STRIDE, 0);
    }
    bmp.resize(BMP_BYTES, 0);
    bmp
}

/// The BMP at the beginning of these bytes, cut to its own length; `None` if they begin with none.
/// Looks at more than `BM`, which two bytes of a dark corner may be as well.
pub(super) fn leading_bmp(bytes: &[u8]) -> Option<&[u8]> {
    let number = |at: usize| {
        let field: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(u32::from_le_bytes(field))
    };
    let is_bmp = bytes.starts_with(b"BM")
        && number(10)? == HEADERS as u32
        && number(14)? == INFO_HEADER
        && number(18)? == WIDTH as u32;
    if !is_bmp {
        return None;
    }
    // Some write no length, or a wrong one: then it is that of every identity photo.
    let said = number(2)? as usize;
    let length = if said > HEADERS && said <= bytes.len() { said } else { BMP_BYTES };
    bytes.get(..length)
}

/// Makes a JPEG of a BMP, of any size up to 1024 pixels a side.
///
/// # Errors
/// Bytes that are no BMP, or one that is damaged or too large.
pub fn bmp_to_jpeg(bmp: &[u8]) -> Result<Vec<u8>, ImageError> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(MOST_PIXELS);
    limits.max_image_height = Some(MOST_PIXELS);
    let mut reader = ImageReader::with_format(Cursor::new(bmp), ImageFormat::Bmp);
    reader.limits(limits);
    let picture = reader.decode()?.into_rgb8();
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY).encode_image(&picture)?;
    Ok(jpeg)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_bmp_of_an_identity_photo_has_the_known_size() {
        let bmp = raw_to_bmp(&[0; RAW_BYTES]);
        assert_eq!((RAW_BYTES, bmp.len()), (38_556, 38_862));
    }

    #[test]
    fn the_first_raw_pixel_is_the_bottom_left_one_in_red_green_blue() {
        let mut raw = vec![0; RAW_BYTES];
        raw[..3].copy_from_slice(&[200, 100, 50]);
        let bmp = raw_to_bmp(&raw);
        let picture =
            image::load_from_memory_with_format(&bmp, ImageFormat::Bmp).expect("a BMP").into_rgb8();
        assert_eq!(picture.dimensions(), (102, 126));
        assert_eq!(picture.get_pixel(0, 125).0, [200, 100, 50]);
        assert_eq!(picture.get_pixel(0, 0).0, [0, 0, 0]);
    }

    #[test]
    fn a_bmp_is_cut_out_by_its_own_length_or_by_the_usual_one() {
        let bmp = raw_to_bmp(&[7; RAW_BYTES]);
        let mut buffer = bmp.clone();
        buffer.resize(100_000, 0);
        assert_eq!(leading_bmp(&buffer), Some(bmp.as_slice()));
        buffer[2..6].fill(0);
        assert_eq!(leading_bmp(&buffer).map(<[u8]>::len), Some(38_862));
        buffer[2..6].fill(0xFF);
        assert_eq!(leading_bmp(&buffer).map(<[u8]>::len), Some(38_862));
    }

    #[test]
    fn a_dark_corner_that_spells_bm_is_no_bmp() {
        let mut raw = vec![10; RAW_BYTES];
        raw[..2].copy_from_slice(b"BM");
        assert_eq!(leading_bmp(&raw), None);
    }

    #[test]
    fn a_picture_too_large_is_refused() {
        let mut bmp = raw_to_bmp(&[7; RAW_BYTES]);
        bmp[18..22].copy_from_slice(&60_000u32.to_le_bytes());
        assert!(bmp_to_jpeg(&bmp).is_err());
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_picture_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = leading_bmp(&bytes);
            let _ = raw_to_bmp(&bytes);
            prop_assert!(bmp_to_jpeg(&bytes).is_err());
        }
    }
}
