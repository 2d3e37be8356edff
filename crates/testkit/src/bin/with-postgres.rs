//! Runs a command beside a PostgreSQL of its own, for tests: `with-postgres cargo nextest run …`. The command finds its URL in
//! `WELCOME_TEST_POSTGRES`; the database ends with it.
#![allow(clippy::print_stderr)] // a tool of the tests

use std::process::{Command, ExitCode};

use testkit::postgres::Cluster;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1);
    let Some(program) = words.next() else {
        eprintln!("usage: with-postgres COMMAND [ARGUMENT]...");
        return ExitCode::from(64);
    };
    let cluster = match Cluster::with(&["fsync=off", "max_connections=200"]) {
        Ok(cluster) => cluster,
        Err(error) => {
            eprintln!("with-postgres: failed to start PostgreSQL: {error}; Debian has it in the package postgresql");
            return ExitCode::FAILURE;
        }
    };
    let status = Command::new(&program).args(words).env("WELCOME_TEST_POSTGRES", cluster.url("postgres")).status();
    match status {
        Ok(status) => ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        Err(error) => {
            eprintln!("with-postgres: failed to run {}: {error}", program.display());
            ExitCode::FAILURE
        }
    }
}
