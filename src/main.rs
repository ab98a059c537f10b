//! The program: parse, run, return the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    paycraft_dr::cli::main()
}
