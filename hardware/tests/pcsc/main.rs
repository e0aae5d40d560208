//! The card port against the real pcscd, with readers and cards of the tests' own.
//!
//! Each test runs in a process of its own, with a pcscd of its own: see [`pcscd`]. What "another
//! program" does is done here with the library itself. These tests run in real time: threads do not
//! care for a paused clock. Nothing sleeps to wait for something; a pause is either part of what a
//! card or a program does, or the time in which nothing may happen.

#![expect(clippy::expect_used, clippy::panic, reason = "whatever goes wrong in a test fails it")]

mod exchanges;
mod fixture;
mod life;
#[path = "../../../tests/pcscd/mod.rs"]
mod pcscd;
mod presence;
mod reader_commands;
mod resets;
mod sharing;
