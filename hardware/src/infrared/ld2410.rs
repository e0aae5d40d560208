//! Frames of the presence radar HLK-LD2410, as its serial protocol has them (V1.02, chapter 2.3).
//!
//! ```text
//! F4 F3 F2 F1 │ length (2, little-endian) │ data │ F8 F7 F6 F5
//! data: kind (02 basic, 01 engineering) │ AA │ state │ moving: cm (2), energy │ still: cm (2), energy
//!       │ detected: cm (2) │ engineering: energies of each gate │ 55 │ check 00
//! ```
//!
//! Answers to commands have other marks around them, and are garbage here: nobody sends any.

use super::language::{Said, Step};

const HEAD: [u8; 4] = [0xF4, 0xF3, 0xF2, 0xF1];
const TAIL: [u8; 4] = [0xF8, 0xF7, 0xF6, 0xF5];

/// Before the data.
const HEADER: usize = HEAD.len() + 2;

/// The data of a basic frame.
const BASIC: usize = 13;

/// The longest data of an engineering frame that is believed: those of known modules have 35 bytes.
const LONGEST: usize = 64;

pub(super) fn step(bytes: &[u8]) -> Step {
    let head = bytes.get(..HEAD.len().min(bytes.len())).unwrap_or_default();
    if !HEAD.starts_with(head) {
        return Step::Garbage(garbage(bytes));
    }
    let Some(&[_, _, _, _, low, high]) = bytes.first_chunk::<HEADER>() else { return Step::More };
    let length = usize::from(u16::from_le_bytes([low, high]));
    if !(BASIC..=LONGEST).contains(&length) {
        return Step::Garbage(garbage(bytes));
    }
    let whole = HEADER + length + TAIL.len();
    let Some(frame) = bytes.get(..whole) else { return Step::More };
    let data = frame.get(HEADER..HEADER + length).unwrap_or_default();
    if !frame.ends_with(&TAIL) {
        return Step::Garbage(garbage(bytes));
    }
    match says(data) {
        Some(said) => Step::Said(whole, said),
        None => Step::Garbage(garbage(bytes)),
    }
}

fn says(data: &[u8]) -> Option<Said> {
    let &[kind, 0xAA, state, moving_low, moving_high, _, still_low, still_high, ..] = data else {
        return None;
    };
    if !data.ends_with(&[0x55, 0x00]) || !matches!((kind, data.len()), (2, BASIC) | (1, _)) {
        return None;
    }
    let moving = u16::from_le_bytes([moving_low, moving_high]);
    let still = u16::from_le_bytes([still_low, still_high]);
    Some(match state {
        0 => Said::Somebody(false),
        1 => Said::Target(Some(moving.into())),
        2 => Said::Target(Some(still.into())),
        3 => Said::Target(Some(moving.min(still).into())),
        // It measures its own noise.
        _ => Said::Nothing,
    })
}

/// How many bytes come before the next that may begin a frame; at least one.
fn garbage(bytes: &[u8]) -> usize {
    let rest = bytes.iter().skip(1);
    rest.take_while(|byte| **byte != HEAD[0]).count() + 1
}

/// A basic frame as the module sends it: somebody who moves 80 cm away, or nobody.
pub(super) fn frame(somebody: bool) -> Vec<u8> {
    let (state, cm, energy) = if somebody { (1, 80, 60) } else { (0, 0, 0) };
    let data = [2, 0xAA, state, cm, 0, energy, 0, 0, 0, cm, 0, 0x55, 0];
    [&HEAD[..], &[13, 0], &data, &TAIL].concat()
}
