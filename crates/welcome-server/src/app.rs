//! Puts the parts together: data directory, TLS, listener, routes; and takes them apart again.
//!
//! A [`Config`] comes in; what goes out is a [`Ready`] server, which runs until the shutdown it was given.

use std::fs::{DirBuilder, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use axum::middleware::from_fn_with_state;
use rustls::ServerConfig;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use tokio_util::sync::CancellationToken;
use welcome_proto::Secret;

use crate::config::{Config, Retention};
use crate::directory::Directory;
use crate::health::{self, Health};
use crate::hub::Hub;
use crate::key::Keys;
use crate::limit::Limit;
use crate::listen::{self, Door};
use crate::metrics::{self, Metrics};
use crate::open::Opened;
use crate::presence::{self, Presence};
use crate::store::Store;
use crate::tls::{self, TlsFiles};
use crate::{descriptors, fanout, http, jobs, token};

/// A server that answers.
#[derive(Debug)]
pub struct Ready {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Where it tells metrics and health.
    pub metrics: Option<SocketAddr>,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The link that sets the server up, as long as nobody has: `/set-up/…`, once, within [`SET_UP_TTL`].
    pub set_up: Option<Secret>,
    reload: Reload,
    run: JoinHandle<Result<()>>,
}

/// How long the link of a start is good.
pub const SET_UP_TTL: Duration = Duration::from_secs(86_400);

impl Ready {
    /// Where to set the server up, as long as nobody has.
    #[must_use]
    pub fn set_up_url(&self) -> Option<String> {
        self.set_up.as_ref().map(|link| format!("{}/set-up/{}", self.url(), link.reveal()))
    }

    /// The address to open, e.g. `http://127.0.0.1:8480`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.addr)
    }

    /// What reads the certificate again.
    #[must_use]
    pub fn reload(&self) -> Reload {
        self.reload.clone()
    }

    /// Waits until the server has stopped.
    ///
    /// # Errors
    /// If it stopped unasked.
    pub async fn finished(self) -> Result<()> {
        self.run.await.context("the server's task ended unasked")?
    }
}

/// Reads the certificate of a running server again.
#[derive(Debug, Clone)]
pub struct Reload {
    files: Option<TlsFiles>,
    acceptor: watch::Sender<Option<Arc<ServerConfig>>>,
    metrics: Arc<Metrics>,
}

impl Reload {
    /// Connections from here on get what the files hold; `false` if the server has no certificate.
    ///
    /// # Errors
    /// If the files cannot be used; connections get the former certificate then.
    pub fn certificate(&self) -> Result<bool> {
        let Some(files) = &self.files else { return Ok(false) };
        self.acceptor.send_replace(Some(acceptor(files, &self.metrics)?));
        Ok(true)
    }
}

/// Starts a server and returns once it listens. It runs until `shutdown` is ready; then it takes no more connections,
/// ends the event streams one after the other, finishes what was asked, and is gone within 4 s.
///
/// # Errors
/// If the data directory, the certificate or an address cannot be used; the text names which, and what to do.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<Ready> {
    let metrics = Arc::new(Metrics::new());
    let tls = config.tls.as_ref().map(|files| acceptor(files, &metrics)).transpose()?;
    let speaks_tls = tls.is_some();
    make_data_directory(&config.data)?;
    let lock = lock(&config.data)?;
    descriptors::allow(config.limits.connections);
    let Opened { store, seal } = Opened::open(&config).await?;
    let listener = bind(config.listen, "--listen").await?;
    let addr = listener.local_addr().context("failed to learn the address")?;
    let watched = match config.metrics {
        Some(addr) => Some(bind(addr, "`metrics.listen`").await?),
        None => None,
    };
    let metrics_addr =
        watched.as_ref().map(TcpListener::local_addr).transpose().context("failed to learn the address")?;
    if tls.is_none() && !addr.ip().is_loopback() && config.behind_proxy.is_empty() {
        tracing::warn!(%addr, "serving plain HTTP beyond this machine: give --tls-cert, or put a proxy with TLS before it");
    }
    let set_up = set_up_link(&store).await?;

    let (acceptor, tls) = watch::channel(tls);
    let (serving, is_serving) = watch::channel(true);
    let (stop, end_streams, stop_watched) =
        (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
    let state = Arc::new(http::App {
        store: store.clone(),
        hub: Hub::new(end_streams.clone(), config.limits.streams, Arc::clone(&metrics)),
        presence: Presence::default(),
        keys: Keys::new(store.clone(), seal.clone()),
        directory: Directory::new(store.clone(), seal.clone()),
        lookups: Limit::new(config.lookups_a_minute),
        seal,
        tls: speaks_tls,
        public_url: config.public_url,
        open_directory: config.open_directory,
        turns: Semaphore::new(http::TURNS),
        session_s: u64::from(config.retention.sessions) * 86_400,
        metrics: Arc::clone(&metrics),
    });
    let door = Door {
        tls,
        connections: config.limits.connections,
        proxies: config.behind_proxy.into(),
        metrics: Arc::clone(&metrics),
    };
    let watching = watched.map(|listener| {
        let door = Door { tls: watch::channel(None).1, connections: health::MAX_CONNECTIONS, ..door.clone() };
        let health = Health { metrics: Arc::clone(&metrics), store: store.clone(), serving: is_serving };
        // Its own counters: those who watch are no load.
        let door = Door { metrics: Arc::new(Metrics::new()), ..door };
        tokio::spawn(listen::run(listener, door, health::routes(health), stop_watched.clone()))
    });
    let routes = http::routes(Arc::clone(&state)).layer(from_fn_with_state(Arc::clone(&metrics), metrics::count));
    let mut server = tokio::spawn(listen::run(listener, door, routes, stop.clone()));
    let beside = tokio::spawn(beside(Arc::clone(&state), config.database, config.retention));
    let run = tokio::spawn(async move {
        let ended = tokio::select! {
            ended = &mut server => ended,
            () = shutdown => {
                tracing::info!("stopping");
                serving.send_replace(false);
                stop.cancel();
                state.hub.end_one_by_one(SPREAD).await;
                end_streams.cancel();
                server.await
            }
        };
        beside.abort();
        stop_watched.cancel();
        if let Some(watching) = watching {
            watching.abort();
        }
        if tokio::time::timeout(CLOSE, store.close()).await.is_err() {
            tracing::warn!("the database was busy at the end; what was acknowledged is on the disk");
        }
        drop(lock);
        ended.context("the listener's task ended unasked")
    });
    let reload = Reload { files: config.tls, acceptor, metrics };
    Ok(Ready { addr, metrics: metrics_addr, tls: speaks_tls, set_up, reload, run })
}

fn acceptor(files: &TlsFiles, metrics: &Metrics) -> Result<Arc<ServerConfig>> {
    let (acceptor, seen) = tls::load(files)?;
    metrics.certificate_end.set(seen.until);
    let left = seen.until - i64::try_from(unix_now()).unwrap_or(i64::MAX);
    if left < tls::RENEW_BEFORE {
        tracing::warn!(days = left / 86_400, cert = %files.cert.display(), "the certificate ends soon, or has ended");
    }
    Ok(acceptor)
}

async fn bind(addr: SocketAddr, said_by: &str) -> Result<TcpListener> {
    let bound = TcpListener::bind(addr).await;
    bound.with_context(|| format!("failed to listen on {addr}: is it taken or not ours? choose another with {said_by}"))
}

/// Over which the streams end at the stop, so that not all routers come back at the same moment. With the drain of the
/// connections and [`CLOSE`] it stays under 4 s.
const SPREAD: Duration = Duration::from_secs(2);

/// Seconds of Unix time.
pub(crate) fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// How long closing the database may take; with the drain of the connections this stays under 4 s.
const CLOSE: Duration = Duration::from_millis(500);

/// For its owner alone (0700), if it is not there.
pub(crate) fn make_data_directory(data: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(data);
    made.with_context(|| format!("failed to make the data directory {}: choose another with --data", data.display()))
}

/// One server per directory: a second one would change offers that the first one's streams never hear of.
pub(crate) fn lock(data: &Path) -> Result<File> {
    let path = data.join("lock");
    let file = File::create(&path).with_context(|| {
        format!("failed to write {}: make it writable for this user or choose another with --data", path.display())
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!("another welcome-server uses {}: stop it or choose another directory with --data", data.display())
        }
        Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("failed to lock {}", path.display())),
    }
}

/// What runs for as long as the server does.
async fn beside(app: Arc<http::App>, database: Option<Secret>, retention: Retention) {
    tokio::join!(presence::run(&app), jobs::run(&app.store, retention, &app.metrics), async {
        if let Some(url) = &database {
            fanout::run(Arc::clone(&app), url.reveal()).await;
        }
    });
}

async fn set_up_link(store: &Store) -> Result<Option<Secret>> {
    let link = token::new_token();
    let made = store.add_set_up_link(token::hash(link.reveal()), unix_now() + SET_UP_TTL.as_secs()).await;
    Ok(made.context("failed to keep the set-up link")?.then_some(link))
}
