//! A program that can be started as photo helper, and nothing else.
//!
//! The tests of the photo decoder start it; a program of your own that uses `PhotoDecoder` needs
//! the same three lines at the beginning of its `main`.

use std::ffi::OsString;
use std::process::ExitCode;

use hharome_hardware::id_card::photo::{HELPER_COMMAND, helper_main};

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    match arguments.split_first() {
        Some((command, rest)) if command == HELPER_COMMAND => helper_main(rest),
        _ => ExitCode::from(2),
    }
}
