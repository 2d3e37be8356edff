//! `sim-fleet`: simulated routers against a real server, over its real protocol.
//!
//! It enrols as many routers as it is told, with tokens that it asks for by an API token; their guests come and go
//! until SIGINT or SIGTERM. Progress goes to stderr.
#![allow(clippy::print_stderr, reason = "its progress is for whoever started it")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use testkit::fleet::http::{Error, Server};
use testkit::fleet::run::{self, Counts, Options};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use welcome_proto::Secret;

/// Simulated routers and their guests
#[derive(Debug, Parser)]
struct Cli {
    /// The server: http://NAME:PORT
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8480")]
    server: String,
    /// An API token that may write:routers, from `welcome-server api-token`
    #[arg(long, value_parser = |text: &str| Ok::<_, std::convert::Infallible>(Secret::new(text)))]
    token: Secret,
    /// How many routers
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    routers: u32,
    /// How many times as fast as in life guests come and go
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Another seed makes another fleet
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Begin with reports of the last so many hours
    #[arg(long, value_name = "HOURS", default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=168))]
    history: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    match runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(simulate(cli))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sim-fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn simulate(Cli { server, token, routers, speed, seed, history }: Cli) -> Result<(), Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let (stop, stopped) = watch::channel(false);
    let server = Server::find(&server).await?;
    let options = Options { routers, speed, seed, history: Duration::from_secs(history * 3600), tokens: Vec::new() };
    let counts = Arc::new(Counts::default());
    let progress = tokio::spawn(tell(Arc::clone(&counts)));
    let running = run::run(&server, &token, options, &counts, stopped);
    tokio::pin!(running);
    let ended = tokio::select! {
        ended = &mut running => ended,
        _ = terminate.recv() => { stop.send_replace(true); running.await }
        _ = interrupt.recv() => { stop.send_replace(true); running.await }
    };
    progress.abort();
    eprintln!("{counts}");
    ended.map(drop)
}

/// Tells how it goes, as long as it goes.
async fn tell(counts: Arc<Counts>) {
    let mut ticks = interval(PROGRESS);
    let (mut before, mut since) = (0, Instant::now());
    loop {
        ticks.tick().await;
        let arrived = Counts::read(&counts.arrived);
        let rate = (arrived - before) as f64 / since.elapsed().as_secs_f64().max(0.001);
        eprintln!("{counts}, {rate:.1} arrivals/s");
        (before, since) = (arrived, Instant::now());
    }
}

fn speed(text: &str) -> Result<f64, &'static str> {
    let speed: f64 = text.parse().map_err(|_| "expected a number")?;
    if (0.01..=10_000.0).contains(&speed) { Ok(speed) } else { Err("expected 0.01 to 10000") }
}

const PROGRESS: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn time_goes_forward() {
        assert_eq!(speed("60"), Ok(60.0));
        for bad in ["0", "-1", "NaN", "inf", ""] {
            assert!(speed(bad).is_err(), "{bad}");
        }
    }
}
