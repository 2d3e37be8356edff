//! `guest`: the lab's program inside the machine. As process 1 it sets the machine up and starts itself once more as
//! the teller of one story.

mod access_point;
mod agent;
mod certificate;
mod challenger;
mod checks;
mod client;
mod console;
mod control;
mod directory;
mod http;
mod init;
mod laptop;
mod liar;
mod network;
mod process;
mod scene;
mod station;
mod story;
mod wait;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::run()
    }
    let name = std::env::args().nth(1).unwrap_or_default();
    let told = story::tell(&name);
    if !matches!(told, Ok(true)) {
        process::print_ends_of_logs();
    }
    match told {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}
