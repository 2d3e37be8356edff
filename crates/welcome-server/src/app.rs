//! Puts the parts together: data directory, TLS, listener, routes; and takes them apart again.
//!
//! A [`Config`] comes in; what goes out is a [`Ready`] server, which runs until the shutdown it was given.

use std::fmt;
use std::fs::{DirBuilder, File, TryLockError};
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result, bail};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use welcome_proto::Secret;

use crate::directory::Directory;
use crate::hub::Hub;
use crate::key::Keys;
use crate::limit::Limit;
use crate::open::Opened;
use crate::presence::{self, Presence};
use crate::store::Store;
use crate::tls::{self, TlsFiles};
use crate::{fanout, http, listen, token};

/// What to serve, where.
#[derive(Debug, Clone)]
pub struct Config {
    /// Address and port; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where everything is kept; made (0700) if it is not there.
    pub data: PathBuf,
    /// HTTPS with this pair; plain HTTP without.
    pub tls: Option<TlsFiles>,
    /// Where people reach it, if that is not what they have asked for: a proxy may change that.
    pub public_url: Option<PublicUrl>,
    /// A PostgreSQL database (`postgres://…`); without one it is SQLite, in the data directory.
    pub database: Option<Secret>,
    /// Where the master key lies, if not in the data directory.
    pub master_key: Option<PathBuf>,
    /// Whether anybody may look up what is shared (without keys); else it takes an API token.
    pub open_directory: bool,
    /// How many look-ups a minute an address has without a token; 0: as many as it wants.
    pub lookups_a_minute: u32,
}

impl Config {
    /// A server on this address and directory, as simple as it can be.
    #[must_use]
    pub fn new(listen: SocketAddr, data: PathBuf) -> Self {
        Self {
            listen,
            data,
            tls: None,
            public_url: None,
            database: None,
            master_key: None,
            open_directory: true,
            lookups_a_minute: LOOKUPS_A_MINUTE,
        }
    }
}

/// A phone asks about what it hears once in a while, and some dozens of them may share an address.
const LOOKUPS_A_MINUTE: u32 = 60;

/// The address of the server as people reach it, without a path.
///
/// ```
/// use welcome_server::PublicUrl;
/// assert_eq!("https://Welcome.example/".parse::<PublicUrl>().unwrap().to_string(), "https://welcome.example");
/// for bad in ["welcome.example", "https://", "https://a/b", "https://u@a", "ftp://a", "https://a b", "https://a/?x"] {
///     assert!(bad.parse::<PublicUrl>().is_err(), "{bad}");
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(String);

impl FromStr for PublicUrl {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "expected https://NAME or https://NAME:PORT";
        let uri: ::http::Uri = text.parse().map_err(|_| WRONG)?;
        let (scheme, authority) = uri.scheme_str().zip(uri.authority()).ok_or(WRONG)?;
        let is_bare = uri.path_and_query().is_none_or(|p| p.as_str() == "/") && !authority.as_str().contains('@');
        if !matches!(scheme, "http" | "https") || !is_bare || authority.as_str().len() > 259 {
            return Err(WRONG);
        }
        Ok(Self(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase())))
    }
}

impl PublicUrl {
    /// Whether it begins with `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A server that answers.
#[derive(Debug)]
pub struct Ready {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// The link that sets the server up, as long as nobody has: `/set-up/…`, once, within [`SET_UP_TTL`].
    pub set_up: Option<Secret>,
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

    /// Waits until the server has stopped.
    ///
    /// # Errors
    /// If it stopped unasked.
    pub async fn finished(self) -> Result<()> {
        self.run.await.context("the server's task ended unasked")?
    }
}

/// Starts a server and returns once it listens. It runs until `shutdown` is ready; then it takes no more connections,
/// ends the event streams, finishes what was asked, and is gone within 4 s.
///
/// # Errors
/// If the data directory, the certificate or the address cannot be used; the text names which, and what to do.
pub async fn serve(config: Config, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<Ready> {
    let tls = config.tls.as_ref().map(tls::load).transpose()?;
    DirBuilder::new().recursive(true).mode(0o700).create(&config.data).with_context(|| {
        format!("failed to make the data directory {}: choose another with --data", config.data.display())
    })?;
    let lock = lock(&config.data)?;
    let Opened { store, seal } = Opened::open(&config).await?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("failed to listen on {}: is it taken or not ours? choose another with --listen", config.listen)
    })?;
    let addr = listener.local_addr().context("failed to learn the address")?;
    if tls.is_none() && !addr.ip().is_loopback() {
        tracing::warn!(%addr, "serving plain HTTP beyond this machine: give --tls-cert, or put a proxy with TLS before it");
    }
    let set_up = set_up_link(&store).await?;

    let stop = CancellationToken::new();
    let speaks_tls = tls.is_some();
    let state = Arc::new(http::App {
        store: store.clone(),
        hub: Hub::new(stop.clone()),
        presence: Presence::default(),
        keys: Keys::new(store.clone(), seal.clone()),
        directory: Directory::new(store.clone(), seal.clone()),
        lookups: Limit::new(config.lookups_a_minute),
        seal,
        tls: speaks_tls,
        public_url: config.public_url,
        open_directory: config.open_directory,
    });
    let mut server = tokio::spawn(listen::run(listener, tls, http::routes(Arc::clone(&state)), stop.clone()));
    let beside = tokio::spawn(async move {
        tokio::join!(presence::run(&state), async {
            if let Some(url) = &config.database {
                fanout::run(Arc::clone(&state), url.reveal()).await;
            }
        });
    });
    let run = tokio::spawn(async move {
        let ended = tokio::select! {
            ended = &mut server => ended,
            () = shutdown => {
                tracing::info!("stopping");
                stop.cancel();
                server.await
            }
        };
        beside.abort();
        if tokio::time::timeout(CLOSE, store.close()).await.is_err() {
            tracing::warn!("the database was busy at the end; what was acknowledged is on the disk");
        }
        drop(lock);
        ended.context("the listener's task ended unasked")
    });
    Ok(Ready { addr, tls: speaks_tls, set_up, run })
}

/// Seconds of Unix time.
pub(crate) fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// How long closing the database may take; with the drain of the connections this stays under 4 s.
const CLOSE: Duration = Duration::from_millis(500);

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

async fn set_up_link(store: &Store) -> Result<Option<Secret>> {
    let link = token::new_token();
    let made = store.add_set_up_link(token::hash(link.reveal()), unix_now() + SET_UP_TTL.as_secs()).await;
    Ok(made.context("failed to keep the set-up link")?.then_some(link))
}
