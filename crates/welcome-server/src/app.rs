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

use crate::hub::Hub;
use crate::key::OperatorKey;
use crate::store::{DATABASE, Store};
use crate::tls::{self, TlsFiles};
use crate::{http, listen, token};

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
}

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
    /// Only on the very first start: what lets the first router and the operator in. Only hashes of them are kept.
    pub first: Option<FirstTokens>,
    run: JoinHandle<Result<()>>,
}

/// The tokens of the first start.
#[derive(Debug, Clone)]
pub struct FirstTokens {
    /// Enrols one router, for which the operator vouches, within [`FIRST_TOKEN_TTL`].
    pub enrolment: Secret,
    /// Lets the operator in, for good.
    pub operator: Secret,
}

/// How long the enrolment token of the first start is good.
pub const FIRST_TOKEN_TTL: Duration = Duration::from_secs(86_400);

impl Ready {
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
    let (key, is_new_key) = OperatorKey::load_or_make(&config.data)?;
    let store = Store::open(&config.data).await?;
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("failed to listen on {}: is it taken or not ours? choose another with --listen", config.listen)
    })?;
    let addr = listener.local_addr().context("failed to learn the address")?;
    if tls.is_none() && !addr.ip().is_loopback() {
        tracing::warn!(%addr, "serving plain HTTP beyond this machine: give --tls-cert, or put a proxy with TLS before it");
    }
    let first = first_tokens(&store).await?;
    if is_new_key && !store.routers(None, 1).await.context("failed to read the routers")?.is_empty() {
        tracing::warn!(
            "made a new operator's key: the routers enrolled so far show nothing of ours until they enrol again"
        );
    }

    let stop = CancellationToken::new();
    let speaks_tls = tls.is_some();
    let state = Arc::new(http::App {
        store: store.clone(),
        hub: Hub::new(stop.clone()),
        key,
        tls: speaks_tls,
        public_url: config.public_url,
    });
    let mut server = tokio::spawn(listen::run(listener, tls, http::routes(state), stop.clone()));
    let run = tokio::spawn(async move {
        let ended = tokio::select! {
            ended = &mut server => ended,
            () = shutdown => {
                tracing::info!("stopping");
                stop.cancel();
                server.await
            }
        };
        if tokio::time::timeout(CLOSE, store.close()).await.is_err() {
            tracing::warn!("the database was busy at the end; what was acknowledged is on the disk");
        }
        drop(lock);
        ended.context("the listener's task ended unasked")
    });
    Ok(Ready { addr, tls: speaks_tls, first, run })
}

/// Makes one more enrolment token for the server of this data directory, which may be running.
///
/// # Errors
/// If there is no such directory, or it cannot be written.
pub async fn add_enrolment_token(data: &Path, vouch: bool, ttl: Duration) -> Result<Secret> {
    let store = open_existing(data).await?;
    let token = token::new_token();
    let now = unix_now();
    store
        .add_enrolment_token(token::hash(token.reveal()), vouch, now + ttl.as_secs(), now)
        .await
        .context("failed to keep the token")?;
    store.close().await;
    Ok(token)
}

/// Makes another operator token for the server of this data directory, which may be running; the former one is good for
/// nothing from here on.
///
/// # Errors
/// If there is no such directory, or it cannot be written.
pub async fn replace_operator_token(data: &Path) -> Result<Secret> {
    let store = open_existing(data).await?;
    let token = token::new_token();
    store.replace_operator_token(token::hash(token.reveal())).await.context("failed to keep the token")?;
    store.close().await;
    Ok(token)
}

/// Seconds of Unix time.
pub(crate) fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}

/// How long closing the database may take; with the drain of the connections this stays under 4 s.
const CLOSE: Duration = Duration::from_millis(500);

/// One server per directory: a second one would change offers that the first one's streams never hear of.
fn lock(data: &Path) -> Result<File> {
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

async fn open_existing(data: &Path) -> Result<Store> {
    if !data.join(DATABASE).exists() {
        bail!(
            "no server's data in {}: give the --data of the server, or start `welcome-server serve` first",
            data.display()
        );
    }
    Store::open(data).await
}

async fn first_tokens(store: &Store) -> Result<Option<FirstTokens>> {
    let tokens = FirstTokens { enrolment: token::new_token(), operator: token::new_token() };
    let (operator, enrolment) = (token::hash(tokens.operator.reveal()), token::hash(tokens.enrolment.reveal()));
    let first = store
        .first_start(operator, enrolment, unix_now() + FIRST_TOKEN_TTL.as_secs())
        .await
        .context("failed to keep the first tokens")?;
    Ok(first.then_some(tokens))
}
