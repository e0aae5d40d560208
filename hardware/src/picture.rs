//! Pictures that programs send, to be shown or printed: looked at before they are decoded, then
//! decoded within bounds.
//!
//! A picture comes from a client and may be anything. [`examine`] reads its header and nothing else,
//! and refuses what would take too many pixels or too much memory; [`decode`] does that first, too.
//! Which kind it is its first bytes say, never a name. Both take long (a picture for a whole screen
//! some 20 ms), so they belong on a thread of their own. What a picture shows is in no error.

use std::fmt;
use std::io::{self, Cursor};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage};

/// How large a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Its pixels at most: width times height.
    pub pixels: u64,
    /// The bytes of memory at most that decoding it may take, by what its header says.
    pub memory: u64,
}

/// The kinds of picture files that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// PNG (ISO/IEC 15948).
    Png,
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// BMP of Windows.
    Bmp,
    /// GIF; its first frame.
    Gif,
    /// WebP (RFC 9649); its first frame.
    WebP,
}

/// What a picture file says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Which kind it is.
    pub kind: Kind,
    /// Pixels from left to right as they are stored; cameras store some pictures lying on a side.
    pub width: u32,
    /// Pixels from top to bottom as they are stored.
    pub height: u32,
}

/// Why a picture is not decoded. Says nothing of what it shows.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// The first bytes are of none of the kinds.
    #[error("expected a picture: PNG, JPEG, BMP, GIF or WebP")]
    Kind,
    /// More pixels than are allowed.
    #[error("{width}x{height} pixels are too many: at most {most} are allowed")]
    Pixels {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
        /// Pixels that are allowed.
        most: u64,
    },
    /// More memory than is allowed.
    #[error("decoding {width}x{height} pixels of this kind takes more than {most} bytes of memory")]
    Memory {
        /// Pixels from left to right.
        width: u32,
        /// Pixels from top to bottom.
        height: u32,
        /// Bytes that are allowed.
        most: u64,
    },
    /// No pixels at all.
    #[error("a {kind} without pixels")]
    Empty {
        /// Which kind it is.
        kind: Kind,
    },
    /// The file ends early, or is damaged, or of a variety that is not read.
    #[error("a {kind} that cannot be decoded: it is damaged, cut off, or of a rare variety")]
    Broken {
        /// Which kind it is.
        kind: Kind,
        /// What the decoder says, for whoever looks into it.
        source: ImageError,
    },
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Bmp => "BMP",
            Self::Gif => "GIF",
            Self::WebP => "WebP",
        })
    }
}

impl Kind {
    fn of(bytes: &[u8]) -> Option<Self> {
        Some(match image::guess_format(bytes).ok()? {
            ImageFormat::Png => Self::Png,
            ImageFormat::Jpeg => Self::Jpeg,
            ImageFormat::Bmp => Self::Bmp,
            ImageFormat::Gif => Self::Gif,
            ImageFormat::WebP => Self::WebP,
            _ => return None,
        })
    }

    fn format(self) -> ImageFormat {
        match self {
            Self::Png => ImageFormat::Png,
            Self::Jpeg => ImageFormat::Jpeg,
            Self::Bmp => ImageFormat::Bmp,
            Self::Gif => ImageFormat::Gif,
            Self::WebP => ImageFormat::WebP,
        }
    }
}

/// Reads a picture's header, and nothing else of it.
///
/// # Errors
/// It is no picture, its header is damaged, or it is out of bounds.
pub fn examine(bytes: &[u8], bounds: Bounds) -> Result<Header, PictureError> {
    examined(bytes, bounds).map(|(header, _)| header)
}

/// Decodes a picture whose header is within bounds: upright, and on `background` (red, green, blue)
/// where it is transparent.
///
/// # Errors
/// As [`examine`], and what is wrong behind the header.
pub fn decode(bytes: &[u8], bounds: Bounds, background: [u8; 3]) -> Result<RgbImage, PictureError> {
    let (Header { kind, .. }, mut decoder) = examined(bytes, bounds)?;
    let broken = |source| PictureError::Broken { kind, source };
    if kind == Kind::Jpeg && is_cut_off(bytes) {
        return Err(broken(io::Error::from(io::ErrorKind::UnexpectedEof).into()));
    }
    // A picture whose orientation cannot be read stands as it is stored.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(broken)?;
    picture.apply_orientation(orientation);
    Ok(match picture {
        DynamicImage::ImageRgb8(picture) => picture,
        picture if picture.color().has_alpha() => on_background(picture, background),
        picture => picture.into_rgb8(),
    })
}

fn examined(
    bytes: &[u8],
    bounds: Bounds,
) -> Result<(Header, impl ImageDecoder + '_), PictureError> {
    let kind = Kind::of(bytes).ok_or(PictureError::Kind)?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), kind.format());
    // What decoders take besides the pixels themselves.
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(bounds.memory);
    reader.limits(limits);
    let decoder = reader.into_decoder().map_err(|source| PictureError::Broken { kind, source })?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels == 0 {
        return Err(PictureError::Empty { kind });
    }
    if pixels > bounds.pixels {
        return Err(PictureError::Pixels { width, height, most: bounds.pixels });
    }
    // The pixels as they are stored, and once more as red, green and blue.
    let memory = decoder.total_bytes().saturating_add(pixels * 3);
    if memory > bounds.memory {
        return Err(PictureError::Memory { width, height, most: bounds.memory });
    }
    Ok((Header { kind, width, height }, decoder))
}

/// Whether a JPEG has no end (ITU-T T.81, annex B): its decoder would make grey of what is missing.
fn is_cut_off(jpeg: &[u8]) -> bool {
    const START_OF_SCAN: u8 = 0xDA;
    const END: [u8; 2] = [0xFF, 0xD9];
    // Behind the start of the image, segments with their lengths; a thumbnail in one has an end, too.
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xFF, marker, behind @ ..] = rest {
        rest = match (*marker, behind) {
            (START_OF_SCAN, _) => return !rest.windows(END.len()).rev().any(|two| two == END),
            // A fill byte.
            (0xFF, _) => rest.get(1..).unwrap_or_default(),
            (_, [high, low, ..]) => {
                behind.get(usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default()
            }
            _ => return true,
        };
    }
    true
}

/// A transparent picture on one colour.
fn on_background(picture: DynamicImage, background: [u8; 3]) -> RgbImage {
    let transparent = picture.into_rgba8();
    let mut opaque = RgbImage::new(transparent.width(), transparent.height());
    for (to, from) in opaque.pixels_mut().zip(transparent.pixels()) {
        let [red, green, blue, alpha] = from.0.map(u32::from);
        let mixed = |colour: u32, behind: u8| {
            let sum = colour * alpha + u32::from(behind) * (255 - alpha);
            // Never over 255.
            u8::try_from((sum + 127) / 255).unwrap_or(u8::MAX)
        };
        let [r, g, b] = background;
        to.0 = [mixed(red, r), mixed(green, g), mixed(blue, b)];
    }
    opaque
}

#[cfg(test)]
mod tests {
    use image::{Rgb, Rgba, RgbaImage};

    use super::*;

    const WIDE: Bounds = Bounds { pixels: 1 << 20, memory: 1 << 24 };
    const WHITE: [u8; 3] = [255; 3];

    /// A picture of 3×2: red above, blue below.
    fn file(format: ImageFormat) -> Vec<u8> {
        let picture = RgbImage::from_fn(3, 2, |_, y| Rgb(if y == 0 { RED } else { BLUE }));
        let mut file = Cursor::new(Vec::new());
        DynamicImage::from(picture).write_to(&mut file, format).unwrap();
        file.into_inner()
    }

    const RED: [u8; 3] = [255, 0, 0];
    const BLUE: [u8; 3] = [0, 0, 255];

    #[test]
    fn each_kind_is_decoded_whatever_it_is_called() {
        for (format, kind) in [
            (ImageFormat::Png, Kind::Png),
            (ImageFormat::Bmp, Kind::Bmp),
            (ImageFormat::Gif, Kind::Gif),
            (ImageFormat::WebP, Kind::WebP),
        ] {
            let file = file(format);
            assert_eq!(examine(&file, WIDE).unwrap(), Header { kind, width: 3, height: 2 });
            let picture = decode(&file, WIDE, WHITE).unwrap();
            assert_eq!(
                (picture.get_pixel(2, 0).0, picture.get_pixel(0, 1).0),
                (RED, BLUE),
                "{kind}"
            );
        }
        // Lossy, and of blocks of 8×8: the size is what can be compared.
        let jpeg = file(ImageFormat::Jpeg);
        assert_eq!(examine(&jpeg, WIDE).unwrap().kind, Kind::Jpeg);
        assert_eq!(decode(&jpeg, WIDE, WHITE).unwrap().dimensions(), (3, 2));
    }

    #[test]
    fn what_is_transparent_shows_the_background() {
        let picture = RgbaImage::from_pixel(1, 1, Rgba([255, 0, 0, 51]));
        let mut file = Cursor::new(Vec::new());
        DynamicImage::from(picture).write_to(&mut file, ImageFormat::Png).unwrap();
        let on = |background| decode(file.get_ref(), WIDE, background).unwrap().get_pixel(0, 0).0;
        // A fifth of red.
        assert_eq!(on(WHITE), [255, 204, 204]);
        assert_eq!(on([0; 3]), [51, 0, 0]);
    }

    /// A PNG that says that it is so large and ends then.
    fn png_header(width: u32, height: u32) -> Vec<u8> {
        let mut ihdr = b"IHDR".to_vec();
        ihdr.extend(width.to_be_bytes());
        ihdr.extend(height.to_be_bytes());
        ihdr.extend([8, 6, 0, 0, 0]);
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        for chunk in [ihdr, b"IDAT".to_vec()] {
            file.extend(u32::try_from(chunk.len() - 4).unwrap().to_be_bytes());
            file.extend(&chunk);
            file.extend(crc32(&chunk).to_be_bytes());
        }
        file
    }

    /// The check sum of PNG's chunks (ISO/IEC 15948, annex D).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0_u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xEDB8_8320 & 0_u32.wrapping_sub(crc & 1))
            })
        })
    }

    #[test]
    fn a_huge_picture_is_refused_by_its_header() {
        let huge = png_header(30_000, 30_000);
        let error = decode(&huge, Bounds { pixels: 40_000_000, memory: 1 << 40 }, WHITE);
        assert_eq!(
            error.unwrap_err().to_string(),
            "30000x30000 pixels are too many: at most 40000000 are allowed"
        );
        // 1000×1000 in four colours, and again in three.
        let within = Bounds { pixels: 1_000_000, memory: 7_000_000 };
        let large = png_header(1000, 1000);
        assert!(examine(&large, within).is_ok());
        let tight = Bounds { memory: 6_999_999, ..within };
        assert!(matches!(examine(&large, tight), Err(PictureError::Memory { .. })));
    }

    #[test]
    fn what_is_no_picture_or_damaged_is_refused_in_words() {
        for bytes in [&b""[..], b"II*\0 a TIFF", b"<svg/>", b"\x89PN"] {
            assert!(matches!(decode(bytes, WIDE, WHITE), Err(PictureError::Kind)), "{bytes:?}");
        }
        for format in [ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP, ImageFormat::Bmp] {
            let whole = file(format);
            for end in [8, whole.len() / 2] {
                let error = decode(&whole[..end.max(12)], WIDE, WHITE).unwrap_err();
                assert!(error.to_string().contains("cannot be decoded"), "{format:?}: {error}");
            }
        }
        assert!(decode(&file(ImageFormat::Jpeg)[..40], WIDE, WHITE).is_err());
        // A thumbnail's end is none.
        let mut jpeg = file(ImageFormat::Jpeg);
        jpeg.splice(2..2, [0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9]);
        assert!(decode(&jpeg, WIDE, WHITE).is_ok());
        assert!(decode(&[&jpeg[..], b"and more"].concat(), WIDE, WHITE).is_ok());
        for end in [jpeg.len() - 1, jpeg.len() - 2, jpeg.len() - 9] {
            let error = decode(&jpeg[..end], WIDE, WHITE).unwrap_err();
            assert!(error.to_string().contains("cannot be decoded"), "{error}");
        }
        assert!(decode(&png_header(10, 10), WIDE, WHITE).is_err());
        assert!(decode(&png_header(0, 10), WIDE, WHITE).is_err());
    }
}
