//! A picture in a card's memory.

use std::io;

use drm::buffer::{Buffer as PictureBuffer, DrmFourcc, Handle};
use drm::control::dumbbuffer::DumbBuffer;
use drm::control::{Device as _, framebuffer};
use rustix::io::Errno;

use super::card::Card;
use crate::screen::frame::Frame;

/// A picture that an output can show.
pub(super) struct Buffer {
    memory: DumbBuffer,
    /// What the output is told to show.
    pub(super) handle: framebuffer::Handle,
}

/// How a card has its pixels.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pixels {
    /// 32 bits, of which 8 are not used: nearly every card.
    Xrgb8888,
    /// 16 bits: small displays.
    Rgb565,
}

impl Buffer {
    /// This picture. Not shown yet.
    pub(super) fn new(card: &Card, frame: &Frame) -> io::Result<Self> {
        match Self::with(card, frame, Pixels::Xrgb8888) {
            Err(error) if error.raw_os_error() == Some(Errno::INVAL.raw_os_error()) => {
                Self::with(card, frame, Pixels::Rgb565)
            }
            made => made,
        }
    }

    fn with(card: &Card, frame: &Frame, pixels: Pixels) -> io::Result<Self> {
        let (format, depth, bits) = match pixels {
            Pixels::Xrgb8888 => (DrmFourcc::Xrgb8888, 24, 32),
            Pixels::Rgb565 => (DrmFourcc::Rgb565, 16, 16),
        };
        let size = (frame.width, frame.height);
        let mut memory = card.create_dumb_buffer(size, format, bits)?;
        let stride = memory.pitch() as usize;
        let drawn = card
            .map_dumb_buffer(&mut memory)
            .map(|mut bytes| draw(&frame.rgb, frame.width as usize, pixels, stride, &mut bytes))
            .and_then(|()| card.add_framebuffer(&memory, depth, bits));
        match drawn {
            Ok(handle) => Ok(Self { memory, handle }),
            Err(error) => {
                // It goes with the card at the latest.
                let _ = card.destroy_dumb_buffer(memory);
                Err(error)
            }
        }
    }

    /// Gives the memory back. An output that still shows it is switched off by the kernel.
    pub(super) fn free(self, card: &Card) {
        // Both go with the card at the latest.
        let _ = card.destroy_framebuffer(self.handle);
        let _ = card.destroy_dumb_buffer(self.memory);
    }
}

/// Puts rows of red, green and blue where the card wants them; its memory is written once, in order.
fn draw(rgb: &[u8], width: usize, pixels: Pixels, stride: usize, memory: &mut [u8]) {
    for (from, to) in rgb.chunks_exact((width * 3).max(1)).zip(memory.chunks_mut(stride.max(1))) {
        let (from, _) = from.as_chunks::<3>();
        match pixels {
            Pixels::Xrgb8888 => {
                for ([red, green, blue], to) in from.iter().zip(to.as_chunks_mut::<4>().0) {
                    *to = [*blue, *green, *red, 0];
                }
            }
            Pixels::Rgb565 => {
                for ([red, green, blue], to) in from.iter().zip(to.as_chunks_mut::<2>().0) {
                    let [red, green, blue] = [red, green, blue].map(|part| u16::from(*part));
                    *to = (red >> 3 << 11 | green >> 2 << 5 | blue >> 3).to_le_bytes();
                }
            }
        }
    }
}

/// No picture for a pointer, which is how it is hidden.
pub(super) enum NoPicture {}

impl PictureBuffer for NoPicture {
    fn size(&self) -> (u32, u32) {
        match *self {}
    }

    fn format(&self) -> DrmFourcc {
        match *self {}
    }

    fn pitch(&self) -> u32 {
        match *self {}
    }

    fn handle(&self) -> Handle {
        match *self {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pixels: Pixels, stride: usize, expected: &[u8]) {
        // Two rows of one pixel.
        let rgb = [0x12, 0x34, 0x56, 0xFF, 0x04, 0x00];
        let mut memory = vec![9; 2 * stride];
        draw(&rgb, 1, pixels, stride, &mut memory);
        assert_eq!(memory, expected);
    }

    #[test]
    fn colours_and_rows_lie_where_the_card_wants_them() {
        check(Pixels::Xrgb8888, 4, &[0x56, 0x34, 0x12, 0, 0x00, 0x04, 0xFF, 0]);
        check(Pixels::Xrgb8888, 5, &[0x56, 0x34, 0x12, 0, 9, 0x00, 0x04, 0xFF, 0, 9]);
        // 00010 001101 01010 and 11111 000001 00000.
        check(Pixels::Rgb565, 2, &[0xAA, 0x11, 0x20, 0xF8]);
    }
}
