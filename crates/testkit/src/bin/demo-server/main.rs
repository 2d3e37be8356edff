//! `demo-server SERVER [SECONDS]`: a server with two hundred routers on it, to look at.
//!
//! SERVER is the program. Everything is in a temporary directory and on the loopback interface: the server, and the
//! simulated fleet, whose guests come as in two days before, and then as time goes by, but sixty times as fast. It ends at
//! SIGINT or SIGTERM, or after SECONDS of guests, and says whether the server has counted what the routers reported: its
//! exit status is that.
#![allow(clippy::print_stdout, reason = "what it says is its purpose")]
#![allow(clippy::print_stderr, reason = "its errors are for whoever started it")]

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use testkit::fleet::http::Error;
use testkit::fleet::program::{Program, Running};
use testkit::fleet::run::{self, Counts, Options};
use testkit::fleet::{Operator, Router};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep};
use welcome_proto::Secret;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let program = arguments.next().map(PathBuf::from);
    let seconds = arguments.next().map(|seconds| seconds.to_str().and_then(|s| s.parse().ok()));
    let (Some(program), None | Some(Some(_))) = (program, seconds) else {
        eprintln!("usage: demo-server SERVER [SECONDS]");
        return ExitCode::from(EXIT_USAGE);
    };
    let length = seconds.flatten().map_or(Duration::MAX, Duration::from_secs);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(show(program, length))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("demo-server: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `EX_USAGE` of sysexits.h.
const EXIT_USAGE: u8 = 64;

async fn show(program: PathBuf, length: Duration) -> Result<(), Error> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let interrupted = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(interrupted);
    let dir = tempfile::tempdir()?;
    let program = Program::new(program, dir.path(), None)?;
    let running = program.serve_on(address())?;
    println!("The console is at {}", running.there());
    if let Some(link) = &running.set_up {
        println!("Choose a log-in at {link}");
    }
    let token = program.api_token()?;
    let mut operator = Operator::connect(&running.there(), &token).await?;
    for (id, title) in OFFERS {
        operator.publish(id, title).await?;
    }

    let counts = Arc::new(Counts::default());
    let (stop, stopped) = watch::channel(false);
    let mut fleet = start(&program, &running, token, &counts, stopped)?;
    println!("{ROUTERS} routers enrol, and report what happened in the last two days …");
    tokio::select! {
        () = connected(&counts) => {}
        ended = &mut fleet => return Err(ended_early(ended)),
        () = &mut interrupted => return Ok(()),
    }
    println!("All are connected. Guests come, sixty times as fast as in life. Ctrl-C ends it.");
    let before = Counts::read(&counts.arrived);
    tokio::select! {
        () = tell(&counts) => {}
        ended = &mut fleet => return Err(ended_early(ended)),
        () = sleep(length) => {}
        () = interrupted => {}
    }
    stop.send_replace(true);
    let routers = fleet.await.map_err(|e| io::Error::other(e.to_string()))??;
    // Its connection may have been idle for too long.
    let mut operator = Operator::connect(&running.there(), &program.api_token()?).await?;
    check(&mut operator, &routers, &counts, before).await?;
    running.stop()?;
    Ok(())
}

type Fleet = JoinHandle<Result<Vec<Arc<Router>>, Error>>;

fn start(
    program: &Program,
    running: &Running,
    token: Secret,
    counts: &Arc<Counts>,
    stop: watch::Receiver<bool>,
) -> io::Result<Fleet> {
    let vouched: io::Result<Vec<_>> = (0..VOUCHED).map(|_| program.enrolment_token()).collect();
    let options = Options { routers: ROUTERS, speed: SPEED, seed: SEED, history: HISTORY, tokens: vouched? };
    let (server, counts) = (running.there(), Arc::clone(counts));
    Ok(tokio::spawn(async move { run::run(&server, &token, options, &counts, stop).await }))
}

fn ended_early(ended: Result<Result<Vec<Arc<Router>>, Error>, tokio::task::JoinError>) -> Error {
    match ended {
        Ok(Err(error)) => error,
        Ok(Ok(_)) => io::Error::other("the fleet has ended by itself").into(),
        Err(error) => io::Error::other(error.to_string()).into(),
    }
}

/// Until all routers have their stream.
async fn connected(counts: &Counts) {
    while Counts::read(&counts.streams) < u64::from(ROUTERS) {
        sleep(Duration::from_millis(50)).await;
    }
}

async fn tell(counts: &Counts) {
    let mut ticks = interval(PROGRESS);
    loop {
        ticks.tick().await;
        println!("{counts}");
    }
}

/// Whether guests came, and the server has counted each of them and none twice.
async fn check(operator: &mut Operator, routers: &[Arc<Router>], counts: &Counts, before: u64) -> Result<(), Error> {
    let mut counted = 0;
    for router in routers {
        counted += operator.count(router.id(), "arrived").await?;
    }
    let (arrived, refused) = (Counts::read(&counts.arrived), Counts::read(&counts.refused));
    println!("{} guests came while this ran; in all {arrived} were reported, and {counted} counted", arrived - before);
    match () {
        () if routers.len() != ROUTERS as usize => {
            Err(io::Error::other("not all routers were there to the end").into())
        }
        () if arrived == before => Err(io::Error::other("nobody came").into()),
        () if counted != arrived => Err(io::Error::other("the server has counted something else").into()),
        () if refused > 0 => Err(io::Error::other(format!("{refused} offers bore a wrong signature")).into()),
        () => Ok(()),
    }
}

/// The server's own port, if nobody has it.
fn address() -> SocketAddr {
    let own = SocketAddr::from(([127, 0, 0, 1], 8480));
    if TcpListener::bind(own).is_ok() { own } else { SocketAddr::from(([127, 0, 0, 1], 0)) }
}

const ROUTERS: u32 = 200;
/// For so many the administrator vouches: what they share is listed at once.
const VOUCHED: u32 = 150;
const SPEED: f64 = 60.0;
const SEED: u64 = 1;
const HISTORY: Duration = Duration::from_secs(48 * 3600);
const PROGRESS: Duration = Duration::from_secs(10);
const OFFERS: [(&str, &str); 2] =
    [("welcome", "Welcome to the town's shared Wi-Fi"), ("market", "Market day on Saturday")];
