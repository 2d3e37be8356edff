//! What stations on the local network reach: listeners, connections and their limits.
//!
//! In: connections, and the [`View`](welcome_core::View). Out: answers, and events for the core. An accept error is never fatal, one
//! connection never costs another one its place beyond the limits, and nothing a station sends makes a task.

pub mod answer;
pub mod asked;
pub mod captive;
pub mod catch;
mod caught;
pub mod connections;
pub mod deadline;
pub mod form;
pub mod page;
mod people;
pub mod probe;
pub mod resume;
pub mod route;
pub mod stream;
pub mod style;
#[cfg(test)]
mod tests;
pub mod tls;
pub mod words;

use std::future::poll_fn;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::{info, warn};

use self::connections::{Connections, Door};
use self::route::{Parts, Router, Whereabouts};
use self::tls::Certificate;
use self::words::Languages;
use crate::config::{Config, Tls};
use crate::tasks::Stop;

/// What one station, and all together, may take. The defaults are those of the documentation.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections in all.
    pub connections: usize,
    /// Connections that are live streams: the rest is for pages.
    pub streams: usize,
    /// Connections from one station to the pages, and as many that were caught.
    pub per_station: usize,
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
    /// Between two looks at the files of the certificate.
    pub certificate_look: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 160,
            streams: 128,
            per_station: 8,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(10),
            write_time: Duration::from_secs(20),
            heart_beat: Duration::from_secs(15),
            address_wait: Duration::from_secs(2),
            certificate_look: Duration::from_secs(10),
        }
    }
}

/// Where to listen.
#[derive(Debug, Clone, Default)]
pub struct Doors {
    /// For pages and apps.
    pub pages: Vec<SocketAddr>,
    /// For what the firewall has caught.
    pub catch: Vec<SocketAddr>,
    /// For pages, apps and systems over TLS.
    pub tls: Option<Tls>,
}

impl Doors {
    /// As configured.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self { pages: config.listen.clone(), catch: config.catch.clone(), tls: config.tls.clone() }
    }
}

/// The bound, not yet answering portal.
#[derive(Debug)]
pub struct Portal {
    listeners: Vec<(Door, TcpListener)>,
    tls: Option<Tls>,
    limits: Limits,
}

impl Portal {
    /// Binds all addresses. On a router without IPv6, `[::]` becomes `0.0.0.0`.
    ///
    /// # Errors
    /// If one of them cannot be bound.
    pub fn bind(doors: &Doors, limits: Limits) -> anyhow::Result<Self> {
        let tls = doors.tls.iter().flat_map(|t| &t.listen);
        let all = [(Door::Page, &doors.pages[..]), (Door::Catch, &doors.catch[..])];
        let all = all.iter().flat_map(|(door, at)| at.iter().map(|a| (*door, a))).chain(tls.map(|a| (Door::Tls, a)));
        let bound = all.map(|(door, at)| Ok((door, bind(*at).with_context(|| format!("listen on {at}"))?)));
        Ok(Self { listeners: bound.collect::<anyhow::Result<_>>()?, tls: doors.tls.clone(), limits })
    }

    /// Where one kind of door is; real ports where 0 was asked for.
    ///
    /// # Errors
    /// If the system does not tell.
    pub fn local_addrs(&self, door: Door) -> io::Result<Vec<SocketAddr>> {
        self.listeners.iter().filter(|(d, _)| *d == door).map(|(_, listener)| listener.local_addr()).collect()
    }

    /// Answers until told to stop. Reads the texts of further languages at the start and with each new configuration;
    /// where it listens stays.
    ///
    /// # Errors
    /// If the system does not tell where it listens.
    pub async fn run(
        self,
        parts: Parts,
        mut configs: watch::Receiver<Arc<Config>>,
        mut stop: Stop,
    ) -> anyhow::Result<()> {
        let pages = self.local_addrs(Door::Page).context("ask for the portal's address")?;
        let tls_port =
            self.local_addrs(Door::Tls).context("ask for the portal's address")?.first().map(SocketAddr::port);
        let Self { listeners, tls, limits } = self;
        let at = Whereabouts { pages, tls: tls.as_ref().map(|t| t.name.clone()).zip(tls_port) };
        let router = Arc::new(Router::new(limits, parts, at, stop.clone()));
        router.speak(Languages::load(&configs.borrow_and_update().languages));
        let mut certificate = tls.map(|t| Certificate::load(&t.cert, &t.key));
        let mut connections = Connections::new(router.clone(), limits, stop.clone());
        let mut look = interval(limits.certificate_look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failing, mut turn) = (false, 0);
        loop {
            tokio::select! {
                accepted = accept(&listeners, turn) => match accepted {
                    Ok((door, stream, peer)) => {
                        failing = false;
                        turn += 1;
                        let acceptor = certificate.as_ref().filter(|_| door == Door::Tls).and_then(Certificate::acceptor);
                        connections.take(stream, peer.ip().to_canonical(), door, acceptor);
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
                _ = look.tick(), if certificate.is_some() => {
                    if let Some(certificate) = &mut certificate {
                        certificate.look();
                    }
                }
                Ok(()) = configs.changed() => router.speak(Languages::load(&configs.borrow_and_update().languages)),
                () = stop.stopped() => break,
            }
        }
        drop(listeners);
        connections.finish().await;
        Ok(())
    }
}

/// The next connection. `turn` grows with each one, so that no door is always the first to be asked.
async fn accept(listeners: &[(Door, TcpListener)], turn: usize) -> io::Result<(Door, TcpStream, SocketAddr)> {
    poll_fn(|cx| {
        let first = turn % listeners.len().max(1);
        let (before, after) = listeners.split_at(first);
        for (door, listener) in after.iter().chain(before) {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, peer)| (*door, stream, peer)));
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

/// Connections that wait to be accepted.
const BACKLOG: u32 = 128;
/// After an accept error, which often means that descriptors are out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
