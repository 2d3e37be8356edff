//! Starts the parts, wires them, and stops them again.
//!
//! Start: bind what stations and operators reach, then listen to hostapd and the kernel, then the link to the server.
//! Stop: tell all, wait at most four seconds. What ends unasked in between ends the agent, with its name.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};
use welcome_core::{Agent, Event, View};

use crate::air::guard::{self, Guard};
use crate::air::record;
use crate::air::{Air, Ways, scan};
use crate::app::{App, Inputs};
use crate::cli::{self, Command};
use crate::clock::Clock;
use crate::config::{Config, DEFAULT_CATCH, DEFAULT_LOG_LEVEL, DEFAULT_SUPPLICANT_DIR, LoadError};
use crate::content::{self, Store};
use crate::firewall::nft::Nft;
use crate::firewall::{self, Firewall};
use crate::local_time::LocalTime;
use crate::meter::Meter;
use crate::portal::connections::Door;
use crate::portal::route::{Contents, Parts};
use crate::portal::{Doors, Limits, Portal};
use crate::status::object::{Object, Reloaded};
use crate::status::{self, Backlog, Source, Status};
use crate::tasks::{Stop, Tasks};
use crate::upstream::{self, Reports, Upstream, Words};
use crate::{advertise, bus, day, logging, passes, reload, uplink, watch as sources};

/// The exit code for wrong usage (`EX_USAGE` of sysexits.h).
const USAGE: u8 = 64;
/// The exit code for a wrong configuration (`EX_CONFIG`).
const CONFIG: u8 = 78;
/// procd kills five seconds after it has asked.
const STOP_WITHIN: Duration = Duration::from_secs(4);
/// See the table of channels in `docs/architecture.md`.
const HEARD: usize = 256;
const ASKED: usize = 64;
const WANTED: usize = 64;
const NOTICES: usize = 256;
const FETCHED: usize = 1;
const CALLS: usize = 1;

/// The program: reads the command line, does what it says, and names the exit code.
pub fn main(args: impl IntoIterator<Item = std::ffi::OsString>) -> ExitCode {
    let command = match cli::read(args) {
        Ok(command) => command,
        Err(error) => {
            // Help goes to stdout and is no failure. Nobody can be told that the terminal is gone.
            let _told = error.print().is_ok();
            return if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS };
        }
    };
    let outcome = match command {
        Command::Version => say(env!("CARGO_PKG_VERSION")),
        Command::Check(check) => Config::load(&check.config).map_err(Into::into).and_then(|_| say("no problems")),
        Command::Status(options) => {
            status::ask(options.socket.as_deref(), options.json).and_then(|text| say(text.trim_end()))
        }
        Command::Run(options) => run_command(&options),
        Command::Withdraw(options) => {
            let record = record::File::new(&options.record);
            take_back(&options.socket, &options.state_dir, &record).and_then(|text| say(&text))
        }
        Command::Restore(options) => restore(&options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::from(if error.is::<LoadError>() { CONFIG } else { 1 })
        }
    }
}

fn run_command(options: &cli::Run) -> anyhow::Result<()> {
    let config = Config::load(&options.config)?;
    logging::install(options.log, options.log_level.map_or(config.log_level, Into::into))?;
    if !config.enabled {
        warn!("option `enabled` of section `main` is 0; nothing to do");
        let record = record::File::beside(&config.status_socket);
        return take_back(&config.ubus_socket, &config.state_dir, &record).map(|what| info!("{what}"));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let outcome = runtime.block_on(async {
        if let Some(seconds) = options.debug_stall {
            tokio::spawn(stall_on_signal(Duration::from_secs(seconds)));
        }
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let stop = async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        run(config, options.log_level.map(Into::into), Guard::SELF.into(), oneshot::channel().0, stop).await
    });
    if let Err(error) = &outcome {
        error!("failed to {error:#}");
    }
    outcome
}

/// Nothing stays behind of an agent that is switched off or removed: no rule that holds guests, no captive portal that
/// phones are told of, and no challenge on the air. Says what was done.
fn take_back(ubus_socket: &Path, state_dir: &Path, record: &record::File) -> anyhow::Result<String> {
    // Who has not the right to look cannot say whether there are rules; that must not keep the rest from being done.
    let cleared = firewall::clear(&Nft::default());
    let restored = guard::restore(record, false).context("give the networks their own names back");
    let said = advertise::withdraw(ubus_socket, state_dir).context("leave the DHCP servers as they were")?;
    restored?;
    Ok(match cleared {
        Ok(()) => said,
        Err(error) => format!("{said}; failed to {error:#}"),
    })
}

/// What the agent may have left on the air goes; nobody but the log may listen.
fn restore(options: &cli::Restore) -> anyhow::Result<()> {
    logging::install(cli::LogTo::Auto, DEFAULT_LOG_LEVEL)?;
    let restored = guard::restore(&record::File::new(&options.record), options.when_due);
    match &restored {
        Ok(what) => info!("{what}"),
        Err(error) => error!("failed to {error:#}"),
    }
    restored.map(drop)
}

/// A running agent, for whoever started it in this process.
#[derive(Debug)]
pub struct Ready {
    /// Where the portal listens; real ports where 0 was asked for.
    pub portal: Vec<SocketAddr>,
    /// Where caught HTTP goes.
    pub catch: Vec<SocketAddr>,
    /// Where it listens over TLS.
    pub tls: Vec<SocketAddr>,
    /// What it knows.
    pub view: watch::Receiver<Arc<View>>,
    /// How long its joins take.
    pub meter: Arc<Meter>,
}

/// Runs the agent until `stop`; says so by `ready` once stations can reach it. A `level` holds against what a new
/// configuration says; `guard` is the program that takes a challenge off the air if this one cannot.
///
/// # Errors
/// If something cannot be bound, or a part ends that should not; the text names it.
pub async fn run(
    config: Config,
    level: Option<tracing::Level>,
    guard: PathBuf,
    ready: oneshot::Sender<Ready>,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let clock = Clock::new();
    let meter = Arc::new(Meter::default());
    let (view, views) = watch::channel(Arc::new(View::default()));
    let (announce, announces) = watch::channel(None);
    let (hear, heard) = mpsc::channel(HEARD);
    let (ask, asked) = mpsc::channel(ASKED);
    let (want, wanted) = mpsc::channel(WANTED);
    let (notify, notices) = mpsc::channel(NOTICES);
    let (configure, configs) = watch::channel(Arc::new(config.clone()));
    // The rules come before anything else; the channel is new and has room.
    let day = day::load(&day::file(&config.status_socket), clock);
    for event in [Event::Day(day), Event::Rules(config.rules.clone())] {
        if hear.try_send(sources::Heard::now(event)).is_err() {
            bail!("hand the rules to the core");
        }
    }
    let reports = Reports::default();
    let mut tasks = Tasks::new();

    let portal = Portal::bind(&Doors::of(&config), Limits::default())?;
    let listens = |door| portal.local_addrs(door).context("ask for the portal's address");
    let (pages, catch, tls) = (listens(Door::Page)?, listens(Door::Catch)?, listens(Door::Tls)?);
    let store = Store::open(&config.cache_dir, config.cache_limit, config.files.clone());
    let contents: Contents = {
        let store = store.clone();
        Arc::new(move |digest| store.get(digest))
    };
    let (find_uplink, uplink) = watch::channel(true);
    tasks.spawn("uplink", uplink::run(configs.clone(), find_uplink, tasks.stop_signal()));
    let (passes, asked_for) = passes::channel();
    let (trouble, firewall_trouble) = watch::channel(None);
    let firewall = Firewall {
        views: views.clone(),
        configs: configs.clone(),
        uplink: uplink.clone(),
        passes: asked_for,
        catch_port: catch.first().map_or(DEFAULT_CATCH.port(), SocketAddr::port),
        nft: Nft::default(),
        trouble,
        timing: firewall::Timing::default(),
    };
    tasks.spawn("firewall", firewall.run(tasks.stop_signal()));
    let parts = Parts { view: views.clone(), events: ask.clone(), uplink, passes, contents, clock };
    tasks.spawn("portal", portal.run(parts, configs.clone(), tasks.stop_signal()));
    let status = Status::bind(&config.status_socket)?;
    let backlog = {
        let reports = reports.clone();
        Box::new(move || {
            let (waiting, dropped) = reports.backlog();
            Backlog { waiting, dropped }
        })
    };
    let firewall = firewall_trouble;
    let source = Arc::new(Source { view: views.clone(), meter: Arc::clone(&meter), clock, backlog, firewall });
    tasks.spawn("status", status.run(Arc::clone(&source), tasks.stop_signal()));
    let bus = bus::start(&config.ubus_socket, &mut tasks)?;
    let (carry, carried) = watch::channel(None);
    let (listen, calls) = mpsc::channel(CALLS);
    let ways = Ways {
        joins: config.joins,
        hostapd_dir: config.hostapd_dir.clone(),
        supplicant_dir: DEFAULT_SUPPLICANT_DIR.into(),
        ubus_socket: config.ubus_socket.clone(),
        bus: bus.clone(),
    };
    let file = record::File::beside(&config.status_socket);
    let guard = Guard::new(guard);
    tasks.spawn("scan", scan::run(ways.clone(), calls, ask.clone(), tasks.stop_signal()));
    let mut air = Air { ways, file, guard, clock, wanted: carried, events: ask.clone() };
    // Before anybody asks the radios for their names.
    air.mend().await;
    tasks.spawn("air", air.run(tasks.stop_signal()));
    let watched = sources::Sources { config: configs.clone(), bus: bus.clone(), clock, to: hear, wanted };
    sources::start(watched, &mut tasks)?;
    let read_again = Box::new(move || reload(&configure, level));
    let (captive, captive_base) = watch::channel(None);
    tasks.spawn("advertise", advertise::run(configs.clone(), captive_base, bus.clone(), tasks.stop_signal()));
    let object = Object { bus, source, ask: ask.clone(), notices, reload: read_again };
    tasks.spawn("object", object.run(tasks.stop_signal()));
    tasks.spawn("rules", pass_on_rules(configs.clone(), ask.clone(), tasks.stop_signal()));
    let words = Words::default();
    let told = config.server.is_some().then(|| reports.clone());
    let (want_files, wanted_files) = watch::channel(content::Files::new());
    let (fetch, fetched) = mpsc::channel(FETCHED);
    let kept = content::Ends { wanted: wanted_files, fetched, configs: configs.clone(), events: ask.clone() };
    tasks.spawn("content", store.clone().run(kept, tasks.stop_signal()));
    if let Some(server) = config.server {
        let upstream = Upstream::new(server, &config.state_dir, upstream::seed(), upstream::Timing::default());
        let content = upstream::fetch::Ends { missing: store.missing(), fetched: fetch };
        let lines = upstream::Lines {
            announce: announces,
            reports,
            words: words.clone(),
            events: ask.clone(),
            wanted: want_files,
            content,
            captive,
        };
        tasks.spawn("upstream", upstream.run(lines, tasks.stop_signal()));
    }

    let day_file = day::file(&config.status_socket);
    let (keep_day, days) = day::Later::channel();
    tasks.spawn("day", day::keep(day_file, clock, days));
    let app = App {
        agent: Agent::default(),
        clock,
        local_time: LocalTime::new(config.zone, config.trusts_clock),
        day: keep_day,
        meter: Arc::clone(&meter),
        view,
        announce,
        reports: told,
        notices: notify,
        wanted: want,
        carry,
        listen,
        words,
    };
    drop(ask);
    let mut stopped = tasks.stop_signal();
    tasks.spawn("app", async move {
        app.run(Inputs { heard, asked }, stopped.stopped()).await;
        Ok(())
    });
    info!(version = env!("CARGO_PKG_VERSION"), portal = ?pages, "ready");
    // Nobody may be interested.
    let _told = ready.send(Ready { portal: pages, catch, tls, view: views, meter }).is_ok();

    let unasked = tokio::select! {
        () = stop => None,
        ended = tasks.unasked_end() => Some(ended),
    };
    info!("stopping");
    for ended in tasks.stop(STOP_WITHIN).await {
        error!("{ended}");
    }
    match unasked {
        None => Ok(()),
        Some(ended) => bail!("keep running: {ended}"),
    }
}

/// Reads the configuration again and puts it in force as far as that goes without a restart.
fn reload(configure: &watch::Sender<Arc<Config>>, level: Option<tracing::Level>) -> Result<Reloaded, LoadError> {
    let old = Arc::clone(&configure.borrow());
    let (config, restart) = reload::merge(&old, Config::load(&old.file)?);
    logging::set_level(level.unwrap_or(config.log_level));
    info!(waiting = restart.join(", "), "the configuration was read again");
    configure.send_replace(Arc::new(config));
    Ok(Reloaded { restart })
}

/// The core hears of a new configuration as of anything that happens.
async fn pass_on_rules(
    mut configs: watch::Receiver<Arc<Config>>,
    ask: mpsc::Sender<Event>,
    mut stop: Stop,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stop.stopped() => return Ok(()),
            changed = configs.changed() => if changed.is_err() { return Ok(()) },
        }
        let rules = configs.borrow_and_update().rules.clone();
        // The app may have ended before us.
        let _taken = ask.send(Event::Rules(rules)).await.is_ok();
    }
}

/// Blocks the runtime's thread, and with it everything but the readers of hostapd's sockets, on each SIGUSR1.
async fn stall_on_signal(length: Duration) {
    let Ok(mut signals) = signal(SignalKind::user_defined1()) else { return };
    while signals.recv().await.is_some() {
        warn!(?length, "stalling, as asked for by --debug-stall");
        std::thread::sleep(length);
        warn!("going on");
    }
}

#[expect(clippy::print_stdout, reason = "this is the program's answer")]
fn say(text: &str) -> anyhow::Result<()> {
    println!("{text}");
    Ok(())
}

#[expect(clippy::print_stderr, reason = "this is the program's answer")]
fn complain(error: &anyhow::Error) {
    if error.is::<LoadError>() {
        eprintln!("{error}"); // one line a problem, each with its file
    } else {
        eprintln!("welcomed: failed to {error:#}");
    }
}
