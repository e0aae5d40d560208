//! A picture of nothing, as long as the one that it stands for.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

/// Width and height: one block of the JPEG.
const SIDE: u16 = 8;

/// Low, for a small file; one shade looks the same at any quality.
const QUALITY: u8 = 50;

/// What a JPEG begins with (ITU-T T.81, table B.1): start of image.
const START: usize = 2;

/// Marker and length of a comment.
const COMMENT_HEAD: usize = 4;

/// The longest comment: its length, which counts itself, is written with 16 bits.
const MAX_COMMENT: usize = 0xFFFF - 2;

/// A PNG of one shade and so many dots, as long as `filler`, of which the rest stands behind its end;
/// `None` if it does not fit.
pub(super) fn png(shade: u8, width: u32, height: u32, filler: &[u8]) -> Option<Vec<u8>> {
    let dots = usize::try_from(u64::from(width) * u64::from(height)).ok()?;
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&vec![shade; dots], width, height, ExtendedColorType::L8)
        .ok()?;
    // Decoders stop at the end.
    png.extend_from_slice(filler.get(png.len()..)?);
    Some(png)
}

/// `filler` that begins as `picture` does: with the mark of its kind, and of a PNG the head, which has
/// nothing but its size.
pub(super) fn begun(picture: &[u8], mut filler: Vec<u8>) -> Vec<u8> {
    /// Signature, and the chunk IHDR with its check (ISO/IEC 15948, 11.2.1).
    const PNG_HEAD: usize = 8 + 8 + 13 + 4;
    let begins = |mark: &[u8]| picture.starts_with(mark);
    let kept = match () {
        () if begins(b"\x89PNG\r\n\x1a\n") => PNG_HEAD,
        () if begins(b"GIF8") => 6,
        () if begins(b"BM") => 2,
        () if begins(b"RIFF") && picture.get(8..12) == Some(b"WEBP") => 12,
        () => 0,
    };
    for (to, from) in filler.iter_mut().zip(picture).take(kept) {
        *to = *from;
    }
    filler
}

/// A JPEG of one shade, as long as `filler`, which fills its comments; `None` if it does not fit,
/// or leaves less room than a comment and a half need.
pub(super) fn grey(shade: u8, filler: &[u8]) -> Option<Vec<u8>> {
    let pixels = [shade; SIDE as usize * SIDE as usize];
    let mut plain = Vec::new();
    JpegEncoder::new_with_quality(&mut plain, QUALITY)
        .encode(&pixels, SIDE.into(), SIDE.into(), ExtendedColorType::L8)
        .ok()?;
    let mut room = filler.len().checked_sub(plain.len())?;
    // The application segment of JFIF has to come first.
    let head = match plain.get(START..START + 4)? {
        [0xFF, 0xE0, high, low] => START + 2 + usize::from(u16::from_be_bytes([*high, *low])),
        _ => START,
    };
    let (head, rest) = plain.split_at_checked(head)?;
    let mut jpeg = head.to_vec();
    let mut filler = filler.iter();
    while room > 0 {
        // No comment may leave less than the next one's head.
        let body = match room.checked_sub(COMMENT_HEAD) {
            // Fill bytes may stand before any marker (T.81, B.1.1.2).
            None => {
                jpeg.extend(std::iter::repeat_n(0xFF, room));
                break;
            }
            Some(body) if body > MAX_COMMENT => MAX_COMMENT - COMMENT_HEAD,
            Some(body) => body,
        };
        jpeg.extend([0xFF, 0xFE]);
        jpeg.extend(u16::try_from(body + 2).ok()?.to_be_bytes());
        jpeg.extend(filler.by_ref().take(body));
        room -= COMMENT_HEAD + body;
    }
    jpeg.extend_from_slice(rest);
    Some(jpeg)
}
