//! A fleet at work: each router enrols, announces, listens to its stream, reports what its guests do, carries challenges and
//! is a witness of its neighbours'.
//!
//! One task a router. A server that goes away is tried again, at moments that chance spreads; what has to be reported is
//! kept meanwhile, up to a limit. [`Counts`] has only what the server has acknowledged.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, SystemTime};

use tokio::sync::{Mutex, Semaphore, watch};
use tokio::task::JoinSet;
use welcome_proto::Secret;
use welcome_proto::announce::Announce;

use super::air::Air;
use super::guests::Guests;
use super::http::{Error, Server};
use super::link::Link;
use super::proof::Proof;
use super::world::Venue;
use super::{Operator, Router};

/// What a fleet is like.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many there are.
    pub routers: u32,
    /// How many times as fast as in life guests come and go.
    pub speed: f64,
    /// The same seed makes the same fleet.
    pub seed: u64,
    /// How far back the first reports go.
    pub history: Duration,
    /// Enrolment tokens to use before any is asked for.
    pub tokens: Vec<Secret>,
}

/// What all routers together have done.
#[derive(Debug, Default)]
pub struct Counts {
    /// Routers that enrolled and announced.
    pub announced: AtomicUsize,
    /// Streams that are open.
    pub streams: AtomicUsize,
    /// Offers whose signature was the operator's.
    pub offers: AtomicUsize,
    /// What came with another signature.
    pub refused: AtomicUsize,
    /// Arrivals that the server has taken.
    pub arrived: AtomicUsize,
    /// Reports of any kind that the server has taken.
    pub reports: AtomicUsize,
    /// Reports that were given up: there were too many of them.
    pub dropped: AtomicUsize,
    /// Requests and streams that failed.
    pub failures: AtomicUsize,
}

impl Counts {
    pub(super) fn add(counter: &AtomicUsize, count: usize) {
        counter.fetch_add(count, Ordering::Relaxed);
    }

    /// One number of them.
    #[must_use]
    pub fn read(counter: &AtomicUsize) -> u64 {
        counter.load(Ordering::Relaxed) as u64
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { announced, streams, offers, refused, arrived, reports, dropped, failures } = self;
        let read = Self::read;
        write!(f, "{} routers announced, {} streams, ", read(announced), read(streams))?;
        write!(f, "{} offers ({} refused), ", read(offers), read(refused))?;
        write!(f, "{} arrivals, {} reports ({} dropped), ", read(arrived), read(reports), read(dropped))?;
        write!(f, "{} failures", read(failures))
    }
}

/// Enrols a fleet with tokens that the bearer of `token` gets for it, and runs it until `stop` is true. Returns its
/// routers.
///
/// # Errors
/// If one cannot enrol, announce, or report its history.
pub async fn run(
    server: &Server,
    token: &Secret,
    mut options: Options,
    counts: &Arc<Counts>,
    stop: watch::Receiver<bool>,
) -> Result<Vec<Arc<Router>>, Error> {
    let operator = Operator::connect(server, token).await?;
    let tokens = Arc::new(Mutex::new((std::mem::take(&mut options.tokens), operator)));
    let enrolling = Arc::new(Semaphore::new(AT_A_TIME));
    let air = Arc::new(Air::default());
    let mut tasks = JoinSet::new();
    for number in 0..options.routers {
        let part = Part {
            server: server.clone(),
            tokens: Arc::clone(&tokens),
            enrolling: Arc::clone(&enrolling),
            air: Arc::clone(&air),
            options: options.clone(),
            counts: Arc::clone(counts),
            stop: stop.clone(),
        };
        tasks.spawn(part.run(number));
    }
    let mut routers = Vec::new();
    while let Some(router) = tasks.join_next().await {
        routers.extend(router.map_err(|e| std::io::Error::other(e.to_string()))??);
    }
    Ok(routers)
}

/// What each router is given.
struct Part {
    server: Server,
    /// Those that are there, and who gives more.
    tokens: Arc<Mutex<(Vec<Secret>, Operator)>>,
    enrolling: Arc<Semaphore>,
    air: Arc<Air>,
    options: Options,
    counts: Arc<Counts>,
    stop: watch::Receiver<bool>,
}

impl Part {
    /// The life of one router; nothing if it was stopped before it began.
    async fn run(mut self, number: u32) -> Result<Option<Arc<Router>>, Error> {
        let venue = Venue::new(self.options.seed, number);
        let mut guests = Guests::new(&venue, self.options.seed.wrapping_add(u64::from(number)), self.options.speed);
        let mut stop = self.stop.clone();
        let router = tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(None),
            router = self.begin(&venue, &mut guests) => Arc::new(router?),
        };
        guests.open(unix_now());
        let proof = Proof::new(Arc::clone(&self.air), venue.networks);
        Link::new(&router, self.server.clone(), guests, proof, &self.counts).run(&mut self.stop).await;
        Ok(Some(router))
    }

    async fn begin(&self, venue: &Venue, guests: &mut Guests) -> Result<Router, Error> {
        let _turn = self.enrolling.acquire().await.map_err(|e| std::io::Error::other(e.to_string()))?;
        let token = self.token().await?;
        let mut connection = self.server.connect().await?;
        let router = Router::enrol(&self.server, &mut connection, token, venue.version).await?;
        let announce = Announce { generation: 1, networks: venue.networks.clone(), ..Announce::default() };
        connection.ask(router.announce(&announce)?).await?.accepted()?;
        Counts::add(&self.counts.announced, 1);
        for batch in guests.history(unix_now(), self.options.history.as_secs_f64()) {
            connection.ask(router.report(&batch)?).await?.accepted()?;
            guests.note(&batch, &self.counts);
        }
        Ok(router)
    }

    async fn token(&self) -> Result<Secret, Error> {
        let mut tokens = self.tokens.lock().await;
        match tokens.0.pop() {
            Some(token) => Ok(token),
            None => tokens.1.enrolment_token().await,
        }
    }
}

pub(super) fn unix_now() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64()
}

/// Routers that enrol at the same time.
const AT_A_TIME: usize = 16;
