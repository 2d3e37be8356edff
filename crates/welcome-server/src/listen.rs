//! Connections: accepts them, does TLS, holds them to their limits, ends them in time.
//!
//! Sockets come in, requests go to the routes with their [`Caller`]. An error of one connection ends that connection and
//! nothing else.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use ipnet::IpNet;
use rustls::ServerConfig;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use crate::caller::Caller;
use crate::metrics::{Held, Metrics};

/// How connections are taken.
#[derive(Clone)]
pub(crate) struct Door {
    /// The certificate of this moment; plain HTTP without.
    pub(crate) tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    /// How many at once; a further one waits to be accepted.
    pub(crate) connections: usize,
    /// Who is believed about where a request comes from.
    pub(crate) proxies: Arc<[IpNet]>,
    /// Where connections are counted.
    pub(crate) metrics: Arc<Metrics>,
}

/// Serves until `stop`, then drains for at most [`DRAIN`] and cuts what is left.
pub(crate) async fn run(listener: TcpListener, door: Door, app: Router, stop: CancellationToken) {
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            // Reaps; a connection that panicked has been reported by the runtime.
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept(), if connections.len() < door.connections => match accepted {
                Ok((stream, peer)) => {
                    let watcher = graceful.watcher();
                    connections.spawn(connection(stream, peer, door.clone(), app.clone(), watcher, stop.clone()));
                }
                Err(error) => {
                    door.metrics.accept_errors.inc();
                    tracing::warn!(%error, "failed to accept a connection");
                    sleep(AFTER_ACCEPT_ERROR).await;
                }
            },
        }
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::info!("cut connections that did not end in time");
    }
    connections.shutdown().await;
}

/// Such errors (no more descriptors, mostly) do not go away at once.
const AFTER_ACCEPT_ERROR: Duration = Duration::from_millis(100);
/// Leaves the rest of 4 s to the database.
const DRAIN: Duration = Duration::from_secs(3);
/// For a whole TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// For a whole header; an idle connection is closed after it, too.
const HEADER: Duration = Duration::from_secs(30);
/// Also bounds what is buffered for a reader that is slow.
const MAX_HEADER: usize = 16 * 1024;
/// How long written bytes may wait for the peer: a reader that stopped, or vanished, is cut after it.
const WRITE: Duration = Duration::from_secs(20);

async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    door: Door,
    app: Router,
    watcher: Watcher,
    stop: CancellationToken,
) {
    let _held = Held::of(&door.metrics.connections);
    let socket = SockRef::from(&stream);
    if let Err(error) = socket.set_tcp_user_timeout(Some(WRITE)).and_then(|()| socket.set_tcp_nodelay(true)) {
        tracing::debug!(%error, "failed to set up a connection");
        return;
    }
    let tls = door.tls.borrow().clone();
    let origin = Origin { peer: peer.ip(), tls: tls.is_some(), proxies: door.proxies };
    let Some(tls) = tls else { return requests(stream, origin, app, watcher).await };
    let handshake = tokio::select! {
        () = stop.cancelled() => return,
        handshake = timeout(HANDSHAKE, TlsAcceptor::from(tls).accept(stream)) => handshake,
    };
    match handshake {
        Ok(Ok(stream)) => requests(stream, origin, app, watcher).await,
        Ok(Err(error)) => tracing::debug!(%error, "TLS handshake failed"),
        Err(_) => tracing::debug!("TLS handshake took too long"),
    }
}

/// What is known of a connection before its first request.
struct Origin {
    peer: IpAddr,
    tls: bool,
    proxies: Arc<[IpNet]>,
}

async fn requests<S>(stream: S, origin: Origin, app: Router, watcher: Watcher)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let app = app.map_request(move |mut request: Request<Incoming>| {
        let caller = Caller::of(origin.peer, origin.tls, request.headers(), &origin.proxies);
        request.extensions_mut().insert(caller);
        request
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER)
        .max_buf_size(MAX_HEADER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(app));
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%error, "connection ended early");
    }
}
