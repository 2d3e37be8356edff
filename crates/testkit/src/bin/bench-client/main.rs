//! Figures of the client's library: `bench-client`.
//!
//! One row a figure: `bench`, name, value, unit, separated by tabs. A line that begins with # says how something is measured, or
//! why it is missing. Each list is in a process of its own, so that its memory is nobody else's: the program starts itself with
//! the name of the list. A wrong answer ends the bench with an error.
#![allow(clippy::print_stdout, reason = "its rows are its purpose")]
#![allow(clippy::print_stderr, reason = "so are its errors")]

mod lists;
mod region;
mod sqlite;
mod world;

use std::error::Error;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let only = std::env::args().nth(1);
    let measured = match only.as_deref() {
        None => all(),
        Some(LIBRARY) => lists::library(),
        Some(MAP) => lists::map(),
        Some(_) => {
            eprintln!("usage: bench-client [{LIBRARY}|{MAP}]");
            return ExitCode::from(EXIT_USAGE);
        }
    };
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn all() -> Result<(), Box<dyn Error>> {
    println!("# client: 60 heard BSSIDs, half of them listed, of a million listed ones; the median of many places");
    println!("# client: what is compared with the list; the peers only look up, and keep the same entries");
    for list in [LIBRARY, MAP] {
        let status = Command::new(std::env::current_exe()?).arg(list).status()?;
        if !status.success() {
            return Err(format!("{list} ended with {status}").into());
        }
    }
    sqlite::measure()?;
    region::measure()
}

fn row(name: &str, value: &impl std::fmt::Display, unit: &str) {
    println!("bench\t{name}\t{value}\t{unit}");
}

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;
const LIBRARY: &str = "library";
const MAP: &str = "btreemap";
