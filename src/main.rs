//! The program: see the crate `welcomed`.

use std::process::ExitCode;

fn main() -> ExitCode {
    welcomed::run::main(std::env::args_os())
}
