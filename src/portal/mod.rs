//! What stations on the local network reach: listeners, connections and their limits.
//!
//! In: connections, and the [`View`]. Out: answers, and events for the core. An accept error is never fatal, one
//! connection never costs another one its place beyond the limits, and nothing a station sends makes a task.

pub mod asked;
pub mod deadline;
pub mod page;
pub mod route;
pub mod stream;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::{Id, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};
use welcome_core::{Event, View};

use self::deadline::WriteDeadline;
use crate::tasks::Stop;

/// What one station, and all together, may take. The defaults are those of the documentation.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections that are live streams: the rest is for pages.
    pub streams: usize,
    /// Connections from one address.
    pub per_address: usize,
    /// For a request's head to come, and for a kept connection to stay silent.
    pub head_time: Duration,
    /// For a request's body to come.
    pub body_time: Duration,
    /// For a reader to take at least something of what is written to it.
    pub write_time: Duration,
    /// Between two signs of life on a stream.
    pub heart_beat: Duration,
    /// For an unknown address to become known.
    pub address_wait: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 160,
            streams: 128,
            per_address: 8,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            write_time: Duration::from_secs(20),
            heart_beat: Duration::from_secs(15),
            address_wait: Duration::from_secs(2),
        }
    }
}

/// The bound, not yet answering portal.
#[derive(Debug)]
pub struct Portal {
    listeners: Vec<TcpListener>,
    limits: Limits,
}

impl Portal {
    /// Binds all addresses. On a router without IPv6, `[::]` becomes `0.0.0.0`.
    ///
    /// # Errors
    /// If one of them cannot be bound.
    pub fn bind(listen: &[SocketAddr], limits: Limits) -> anyhow::Result<Self> {
        let listeners = listen.iter().map(|a| bind(*a).with_context(|| format!("listen on {a}")));
        Ok(Self { listeners: listeners.collect::<anyhow::Result<_>>()?, limits })
    }

    /// Where it listens; real ports where 0 was asked for.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn local_addrs(&self) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().map(TcpListener::local_addr).collect()
    }

    /// Answers until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(
        self,
        view: watch::Receiver<Arc<View>>,
        events: mpsc::Sender<Event>,
        mut stop: Stop,
    ) -> anyhow::Result<()> {
        let Self { listeners, limits } = self;
        let router = Arc::new(route::Router::new(limits, view, events, stop.clone()));
        let mut connections = Connections::default();
        let mut failing = false;
        loop {
            tokio::select! {
                accepted = accept(&listeners) => match accepted {
                    Ok((stream, peer)) => {
                        failing = false;
                        connections.take(stream, route::plain(peer.ip()), &router, limits, &stop);
                    }
                    Err(error) => {
                        // Ten lines a second would push everything else out of a router's log.
                        if !std::mem::replace(&mut failing, true) {
                            warn!(%error, "connections cannot be accepted; trying again and again");
                        }
                        sleep(ACCEPT_PAUSE).await;
                    }
                },
                () = connections.one_ended() => {}
                () = stop.stopped() => break,
            }
        }
        drop(listeners);
        connections.finish().await;
        Ok(())
    }
}

/// The connections there are.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    peers: BTreeMap<Id, IpAddr>,
    /// Whether the log was told that the limit is reached.
    is_full: bool,
}

impl Connections {
    /// Serves a connection; one too many is closed on the spot.
    fn take(&mut self, stream: TcpStream, ip: IpAddr, router: &Arc<route::Router>, limits: Limits, stop: &Stop) {
        let of_this_address = self.peers.values().filter(|peer| **peer == ip).count();
        if of_this_address >= limits.per_address {
            debug!(%ip, "too many connections from one address");
            return;
        }
        if self.peers.len() >= limits.connections {
            if !std::mem::replace(&mut self.is_full, true) {
                info!(connections = limits.connections, "the portal is full; further connections are closed");
            }
            return;
        }
        let handle = self.tasks.spawn(serve(stream, ip, Arc::clone(router), limits, stop.clone()));
        self.peers.insert(handle.id(), ip);
    }

    /// Waits for a connection to end; for ever if there is none.
    async fn one_ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(Ok((id, ()))) => self.forget(id),
            Some(Err(error)) => {
                warn!(%error, "a connection's task failed");
                self.forget(error.id());
            }
            None => std::future::pending().await,
        }
    }

    fn forget(&mut self, id: Id) {
        self.peers.remove(&id);
        self.is_full = false;
    }

    /// Lets the connections, which know of the stop, end.
    async fn finish(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Those that did not make it in time are cut when the set is dropped.
        let _in_time = timeout(FINISH, all).await.is_ok();
    }
}

async fn serve(stream: TcpStream, ip: IpAddr, router: Arc<route::Router>, limits: Limits, mut stop: Stop) {
    if let Err(error) = prepare(&stream, limits) {
        debug!(%ip, %error, "the connection ended before it began");
        return;
    }
    let answer = service_fn(|request| {
        let router = Arc::clone(&router);
        async move { Ok::<_, Infallible>(router.answer(ip, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(WriteDeadline::new(stream, limits.write_time)), answer);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = &mut connection => outcome,
        () = stop.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        debug!(%ip, %error, "a connection ended badly");
    }
}

fn prepare(stream: &TcpStream, limits: Limits) -> io::Result<()> {
    // An offer is one small packet, and it is to be seen at once.
    stream.set_nodelay(true)?;
    let socket = SockRef::from(stream);
    // Most stations leave without a word; the kernel gives up on them after this time.
    socket.set_tcp_user_timeout(Some(limits.write_time))?;
    // What a reader that stops can make the kernel hold for it.
    socket.set_send_buffer_size(SEND_BUFFER)
}

async fn accept(listeners: &[TcpListener]) -> io::Result<(TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        for listener in listeners {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    })
    .await
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    match listen(address) {
        Err(error) if address.ip().is_unspecified() && address.is_ipv6() && means_no_ipv6(&error) => {
            info!("there is no IPv6 here; listening on IPv4 only");
            listen((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv6() { TcpSocket::new_v6()? } else { TcpSocket::new_v4()? };
    // A restart must not wait for the connections of the one before.
    socket.set_reuseaddr(true)?;
    if address.is_ipv6() {
        // Whatever the system's default is, `[::]` takes IPv4 as well.
        SockRef::from(&socket).set_only_v6(false)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn means_no_ipv6(error: &io::Error) -> bool {
    const EAFNOSUPPORT: i32 = 97;
    error.raw_os_error() == Some(EAFNOSUPPORT) || error.kind() == io::ErrorKind::AddrNotAvailable
}

/// The longest head of a request.
const MAX_HEAD: usize = 8192;
/// The kernel doubles it.
const SEND_BUFFER: usize = 16 * 1024;
/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// After an accept error, which often means that descriptors are out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For connections to end at a stop; all of the agent has 4 s.
const FINISH: Duration = Duration::from_secs(1);
