//! The program `hharome`: arguments in, exit code out.

use std::process::ExitCode;

fn main() -> ExitCode {
    hharome::cli::main()
}
