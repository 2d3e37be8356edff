//! Figures of the agent: `bench-agent PATH SERVER PACKAGES [SECONDS]`, where PATH is the program to measure; `make bench` has
//! the one that is shipped for x86_64. SERVER is the `welcome-server` it connects to. PACKAGES is a directory with the unpacked packages of its peers, and may be empty. SECONDS is how long the
//! flood takes, a minute when it is not said, and the most that each load takes.
//!
//! One row a figure: `bench`, name, value, unit, separated by tabs. A line that begins with # says why one is missing. A
//! wrong answer of the agent's ends the bench with an error. hostapd and ubusd are stand-ins here; how long a real join
//! takes is the lab's figure.
#![allow(clippy::unwrap_used, reason = "a bench may")]
#![allow(clippy::print_stdout, reason = "its rows are its purpose")]

mod bursts;
mod flood;
mod guests;
mod joins;
mod load;
mod memory;
mod peers;
mod portal;
mod program;
mod server;

use std::path::PathBuf;
use std::time::Duration;

fn main() {
    let mut arguments = std::env::args_os().skip(1);
    let program = PathBuf::from(arguments.next().expect("the path of the program to measure"));
    let server = PathBuf::from(arguments.next().expect("the path of the server"));
    let packages = PathBuf::from(arguments.next().expect("the directory with the peers' packages"));
    let seconds = arguments.next().map_or(MINUTE, |seconds| seconds.to_str().unwrap().parse().unwrap());
    let length = Duration::from_secs(seconds);
    joins::measure(&program);
    bursts::measure(&program);
    memory::measure(&program);
    server::measure(&program, &server);
    if load::is_possible() {
        let page = portal::measure(&program, length.min(LOAD));
        peers::measure(&packages, &page, length.min(LOAD));
    } else {
        println!("# portal, peer: no figures, because there is one core only, and the load needs one of its own");
    }
    flood::measure(&program, length);
}

fn row(name: &str, value: &impl std::fmt::Display, unit: &str) {
    println!("bench\t{name}\t{value}\t{unit}");
}

/// Long enough that a share of a percent shows.
const MINUTE: u64 = 60;
/// By then the figure stands.
const LOAD: Duration = Duration::from_secs(4);
