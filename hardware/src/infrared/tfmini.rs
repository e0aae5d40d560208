//! Frames of Benewake's rangefinders TFmini and TF-Luna, nine bytes each at up to 100 a second.
//!
//! ```text
//! 59 59 │ distance in cm (2) │ strength (2) │ temperature (2) │ low byte of the sum of all before
//! ```
//!
//! All numbers are little-endian. What is too far away gives no echo: that is nobody. A strength of
//! FFFF is an echo too strong to be measured, and the distances FFFE and FFFC say the same and "too
//! much light"; nothing follows from these.

use super::language::{Said, Step};

const MARK: u8 = 0x59;

/// Bytes of a frame.
const FRAME: usize = 9;

/// An echo weaker than this is none (the manuals of both).
const WEAK: u16 = 100;

pub(super) fn step(bytes: &[u8]) -> Step {
    let marks = bytes.iter().take(2).take_while(|byte| **byte == MARK).count();
    if marks < bytes.len().min(2) {
        return Step::Garbage(garbage(bytes));
    }
    let Some(&[_, _, a, b, c, d, _, _, sum]) = bytes.first_chunk::<FRAME>() else {
        return Step::More;
    };
    let total = bytes.iter().take(FRAME - 1).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if total != sum {
        return Step::Garbage(garbage(bytes));
    }
    let (distance, strength) = (u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d]));
    let said = match (distance, strength) {
        (0xFFFE | 0xFFFC, _) | (_, 0xFFFF) => Said::Nothing,
        (0 | 0xFFFF, _) | (_, 0..WEAK) => Said::Somebody(false),
        _ => Said::Value(distance.into()),
    };
    Step::Said(FRAME, said)
}

/// How many bytes come before the next that may begin a frame; at least one.
fn garbage(bytes: &[u8]) -> usize {
    let rest = bytes.iter().skip(1);
    rest.take_while(|byte| **byte != MARK).count() + 1
}

/// A frame as the module sends it: something 50 cm away, or nothing that gives an echo.
pub(super) fn frame(somebody: bool) -> Vec<u8> {
    let (cm, strength) = if somebody { (50, 1000) } else { (0, 20) };
    let [low, high] = u16::to_le_bytes(strength);
    let mut frame = vec![MARK, MARK, cm, 0, low, high, 0x40, 0x0A];
    frame.push(frame.iter().fold(0, |sum: u8, byte| sum.wrapping_add(*byte)));
    frame
}
