//! A picture of nothing, as long as the one that it stands for.

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder};

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

/// A JPEG of one shade and of this size, as long as `filler`, which fills its comments; `None` if it
/// does not fit.
pub(super) fn jpeg(shade: u8, width: u16, height: u16, filler: &[u8]) -> Option<Vec<u8>> {
    let plain = plain_jpeg(shade, width, height);
    let mut room = filler.len().checked_sub(plain.len())?;
    let (head, rest) = plain.split_at_checked(START + JFIF.len())?;
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

/// The application segment of JFIF, which has to come first: version 1.1, square pixels.
const JFIF: [u8; 18] = [0xFF, 0xE0, 0, 16, b'J', b'F', b'I', b'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0];

/// The shortest JPEG of one shade and of this size (ITU-T T.81): two bits a block of 8 × 8, where the usual
/// tables of codes take six.
fn plain_jpeg(shade: u8, width: u16, height: u16) -> Vec<u8> {
    // What the first block differs by from the middle of all shades; the others do not.
    let level = i16::from(shade) - 128;
    let bits = u16::BITS - level.unsigned_abs().leading_zeros();
    let value = if level < 0 { level + (1 << bits) - 1 } else { level };
    // A table needs two different symbols.
    let category = bits.max(1);
    let mut jpeg = vec![0xFF, 0xD8];
    jpeg.extend(JFIF);
    // One table of quantisation: with 8 for all, levels are shades.
    jpeg.extend([0xFF, 0xDB, 0, 67, 0]);
    jpeg.extend([8; 64]);
    // One component, baseline.
    jpeg.extend([0xFF, 0xC0, 0, 11, 8]);
    jpeg.extend([height.to_be_bytes(), width.to_be_bytes()].concat());
    jpeg.extend([1, 1, 0x11, 0]);
    // Levels: 0 for no difference, 10 for that of the first. The rest of a block: 0 for none.
    jpeg.extend([0xFF, 0xC4, 0, 21, 0x00, 1, 1]);
    jpeg.extend([0; 14]);
    jpeg.extend([0, u8::try_from(category).unwrap_or_default()]);
    jpeg.extend([0xFF, 0xC4, 0, 20, 0x10, 1]);
    jpeg.extend([0; 15]);
    jpeg.push(0);
    jpeg.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
    let mut codes = Codes { jpeg, byte: 0, filled: 0 };
    if bits == 0 {
        codes.push(0, 1);
    } else {
        codes.push(0b10, 2);
        codes.push(value.unsigned_abs(), bits);
    }
    codes.push(0, 1);
    let blocks = u32::from(width.div_ceil(8)) * u32::from(height.div_ceil(8));
    for _ in 1..blocks {
        codes.push(0, 2);
    }
    codes.end()
}

/// Bits behind a JPEG's head.
struct Codes {
    jpeg: Vec<u8>,
    byte: u8,
    filled: u32,
}

impl Codes {
    fn push(&mut self, code: u16, bits: u32) {
        for bit in (0..bits).rev() {
            self.byte = self.byte << 1 | u8::from(code >> bit & 1 == 1);
            self.filled += 1;
            if self.filled == 8 {
                self.flush();
            }
        }
    }

    fn flush(&mut self) {
        self.jpeg.push(self.byte);
        // Else it were a marker.
        if self.byte == 0xFF {
            self.jpeg.push(0);
        }
        (self.byte, self.filled) = (0, 0);
    }

    /// The last byte is filled up with ones.
    fn end(mut self) -> Vec<u8> {
        while self.filled != 0 {
            self.push(1, 1);
        }
        self.jpeg.extend([0xFF, 0xD9]);
        self.jpeg
    }
}
