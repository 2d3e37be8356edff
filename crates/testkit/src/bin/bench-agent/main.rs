//! Figures of the agent: `bench-agent PATH [SECONDS]`, where PATH is the program to measure; `make bench` has the shipped
//! one. SECONDS is how long the flood takes: a minute when it is not said.
//!
//! One row a figure: `bench`, name, value, unit, separated by tabs. hostapd and ubusd are stand-ins here; how long a real
//! join takes is the lab's figure.
#![allow(clippy::unwrap_used, reason = "a bench may")]
#![allow(clippy::print_stdout, reason = "its rows are its purpose")]

mod flood;
mod joins;
mod program;

use std::path::PathBuf;
use std::time::Duration;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let program = PathBuf::from(arguments.next().expect("the path of the program to measure"));
    let seconds = arguments.next().map_or(MINUTE, |seconds| seconds.to_str().unwrap().parse().unwrap());
    joins::measure(&program);
    flood::measure(&program, Duration::from_secs(seconds));
}

fn row(name: &str, value: &impl std::fmt::Display, unit: &str) {
    println!("bench\t{name}\t{value}\t{unit}");
}

/// Long enough that a share of a percent shows.
const MINUTE: u64 = 60;
