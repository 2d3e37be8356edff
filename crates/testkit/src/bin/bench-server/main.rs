//! Figures of the server: `bench-server SERVER [sqlite|postgres]`, where SERVER is the program to measure, built with
//! `--release`.
//!
//! One row a figure: `bench`, name, value, unit, separated by tabs. A line that begins with # says how something is
//! measured, or why it is missing. The load comes from this very machine and has its share of the processors. A wrong or
//! empty answer of the server's ends the bench with an error.
#![allow(clippy::print_stdout, reason = "its rows are its purpose")]
#![allow(clippy::print_stderr, reason = "so are its errors")]

mod fill;
mod lookups;
mod rows;
mod streams;
mod writes;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use testkit::fleet::Router;
use testkit::fleet::http::{Error, Server};
use testkit::fleet::program::Program;
use testkit::postgres::Cluster;
use welcome_proto::Secret;

use crate::fill::Size;
use crate::rows::Format;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(program) = arguments.next().map(PathBuf::from) else {
        eprintln!("usage: bench-server SERVER [sqlite|postgres]");
        return ExitCode::from(EXIT_USAGE);
    };
    let only = arguments.next();
    let wants = |name: &str| only.as_ref().is_none_or(|only| only == name);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let measured = runtime.map_err(Error::from).and_then(|runtime| {
        tell_what_is_measured();
        if wants("sqlite") {
            runtime.block_on(on_sqlite(program.clone()))?;
        }
        if wants("postgres") {
            runtime.block_on(on_postgres(program))?;
        }
        Ok(())
    });
    match measured {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What a row's number is; how busy the machine is with other things is told at the start of each part.
fn tell_what_is_measured() {
    println!("# server.*: plain HTTP over loopback, the load on the same cores as the server and its database");
    println!(
        "# server.sse.bytes_per_router: what the server's resident memory grows by, divided by {ROUTERS} streams, each with its first set of offers"
    );
    println!(
        "# server.fanout10k: from the request that publishes an offer for all until each of {ROUTERS} streams has carried it, signed for that router"
    );
    println!("# server.lookup_*: one connection, one look-up after the other, each to the last byte of its answer");
    println!(
        "# server.lookup_bssid: 24 BSSIDs of which 16 are listed; server.lookup_place: about 25 routers' 200 BSSIDs"
    );
    println!(
        "# server.announce_rps, server.reports_rps: {} connections, one request after the other, each signed; on the disk before it is answered",
        writes::CONNECTIONS
    );
    println!("# server.announce_rps: two networks on eight BSSIDs; server.reports_rps: batches of four reports");
}

/// The mean number of programs that wanted a processor in the last minute.
fn tell_load(part: &str) {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!("# {part}: {} runnable in the minute before, on {cores} cores", load.split(' ').next().unwrap_or("?"));
}

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;

async fn on_sqlite(program: PathBuf) -> Result<(), Error> {
    let dir = tempfile::tempdir()?;
    let program = Program::new(program, dir.path(), None)?;
    let token = first_start(&program)?;
    let size = Size::of_bssids(MILLION);
    let file = program.sqlite();
    let org = sqlite_says(&program, "SELECT id FROM orgs")?;
    let begin = Instant::now();
    fill::through(fill::sqlite(&file), |out| fill::write(out, Format::Insert, size, ROUTERS, &org, now()))?;
    println!("# sqlite1m: filled within {} s, {} MB", begin.elapsed().as_secs(), file.metadata()?.len() >> 20);

    tell_load("sqlite1m");
    let running = program.serve()?;
    let routers = known(&running.there());
    streams::measure(&running, &token, &routers).await?;
    drop(running);
    let running = program.serve()?;
    let routers = known(&running.there());
    lookups::measure(&running.there(), size, "sqlite1m").await?;
    writes::measure(&running.there(), size, &routers, "").await
}

async fn on_postgres(program: PathBuf) -> Result<(), Error> {
    let cluster = match Cluster::with(POSTGRES) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            println!("# postgres10m: no figures: {error}");
            return Ok(());
        }
        cluster => cluster?,
    };
    let dir = tempfile::tempdir()?;
    let url = cluster.database()?;
    let program = Program::new(program, dir.path(), Some(url.clone()))?;
    first_start(&program)?;
    let size = Size::of_bssids(10 * MILLION);
    let org = cluster.psql(&url, "SELECT id FROM orgs")?.trim().to_owned();
    let begin = Instant::now();
    fill::through(cluster.reader(&url), |out| fill::write(out, Format::Copy, size, ROUTERS, &org, now()))?;
    println!("# postgres10m: filled within {} s, {} MB", begin.elapsed().as_secs(), cluster.size(&url)? >> 20);

    tell_load("postgres10m");
    let running = program.serve()?;
    lookups::measure(&running.there(), size, "postgres10m").await?;
    writes::measure(&running.there(), size, &known(&running.there()), ".postgres10m").await
}

/// Has the server make its tables. Returns an API token.
fn first_start(program: &Program) -> io::Result<Secret> {
    drop(program.serve()?);
    program.api_token()
}

fn sqlite_says(program: &Program, sql: &str) -> io::Result<String> {
    let output = fill::sqlite(&program.sqlite()).arg(sql).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first routers of the directory.
fn known(server: &Server) -> Arc<Vec<Router>> {
    let known = |number| {
        let name = fill::router_name(number).parse().expect("a good name");
        Router::known(server, name, fill::router_key(number), Vec::new())
    };
    Arc::new((0..ROUTERS).map(known).collect())
}

fn now() -> i64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |time| time.as_secs().cast_signed())
}

fn row(name: &str, value: &impl std::fmt::Display, unit: &str) {
    println!("bench\t{name}\t{value}\t{unit}");
}

/// With a stream each.
const ROUTERS: u32 = 10_000;
const MILLION: u32 = 1_000_000;
/// As somebody would set it up for a directory of this size; what is committed is on the disk. What autovacuum would do is
/// done once the directory is filled.
const POSTGRES: &[&str] = &[
    "shared_buffers=1GB",
    "autovacuum=off",
    "max_wal_size=8GB",
    "checkpoint_timeout=30min",
    "wal_level=minimal",
    "max_wal_senders=0",
];
