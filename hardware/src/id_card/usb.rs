//! SAM-V readers on USB: bulk pipes and HID reports as the serial line that [`super::sam_v`] speaks
//! over.
//!
//! [`carrier`] knows how frames stand in packets, [`far`] is the far end. What makes no frame is the
//! driver's to sort out, as noise on a serial line is.

pub mod carrier;
pub mod far;
#[cfg(test)]
mod tests;

pub use carrier::{Carriage, SamCarrier, may_be_reader};

/// The USB numbers of SAM-V readers that are on USB by themselves: vendor and product.
pub const NATIVE: (u16, u16) = (0x0400, 0xC35A);
