//! The receipt printer: what is printed, and how it comes onto paper.
//!
//! * [`layout`]: a receipt's texts and pictures as dots. Pure: no printer, no clock.

pub mod layout;
