//! The connections there are: each one's place, its deadlines, and its end.
//!
//! In: accepted sockets. Out: requests for the router, and their answers. A connection too many is closed on the spot;
//! an error of one ends that one.

use sorted::SortedMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::task::{Id, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};
use welcome_core::SessionId;

use super::Limits;
use super::deadline::WriteDeadline;
use super::route::{By, Caller, Router};
use crate::tasks::Stop;
use crate::wire::Wire;

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Door {
    /// Pages and apps.
    Page,
    /// The same over TLS.
    Tls,
    /// What the firewall has caught.
    Catch,
}

/// All of them.
#[derive(Debug)]
pub struct Connections {
    router: Arc<Router>,
    limits: Limits,
    stop: Stop,
    tasks: JoinSet<()>,
    places: SortedMap<Id, Place>,
    /// Whether the log was told that the limit is reached.
    is_full: bool,
}

/// Whose connection it is, and whether it was caught: what a phone's apps send into the net while a gate holds it must
/// not take the place of its page.
type Place = (Who, bool);

/// A station by its visit, whatever addresses it has; others by theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Visitor(SessionId),
    Stranger(IpAddr),
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(router: Arc<Router>, limits: Limits, stop: Stop) -> Self {
        Self { router, limits, stop, tasks: JoinSet::new(), places: SortedMap::new(), is_full: false }
    }

    /// Serves a connection; one too many is closed on the spot. A [`Door::Tls`] without an acceptor is closed as well.
    pub fn take(&mut self, stream: TcpStream, ip: IpAddr, door: Door, acceptor: Option<TlsAcceptor>) {
        let who = self.router.session_at(ip).map_or(Who::Stranger(ip), Who::Visitor);
        let place = (who, door == Door::Catch);
        if self.places.values().filter(|other| **other == place).count() >= self.limits.per_station {
            debug!(%ip, "too many connections from one station");
            return;
        }
        // A station can make up addresses as it likes. Guests, who are known, have room beside all of these.
        let strangers = || self.places.values().filter(|(who, _)| matches!(who, Who::Stranger(_))).count();
        let no_room_for_strangers = matches!(who, Who::Stranger(_)) && strangers() * 2 >= self.limits.connections;
        if self.places.len() >= self.limits.connections || no_room_for_strangers {
            if !std::mem::replace(&mut self.is_full, true) {
                info!(connections = self.places.len(), "the portal is full; further connections are closed");
            }
            return;
        }
        if door == Door::Tls && acceptor.is_none() {
            return;
        }
        let serving = serve(stream, ip, (door, acceptor), Arc::clone(&self.router), self.limits, self.stop.clone());
        let handle = self.tasks.spawn(serving);
        self.places.insert(handle.id(), place);
    }

    /// Waits for a connection to end; for ever if there is none.
    pub async fn one_ended(&mut self) {
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
        self.places.remove(&id);
        self.is_full = false;
    }

    /// Lets the connections, which know of the stop, end.
    pub async fn finish(mut self) {
        let all = async { while self.tasks.join_next().await.is_some() {} };
        // Those that did not make it in time are cut when the set is dropped.
        let _in_time = timeout(FINISH, all).await.is_ok();
    }
}

async fn serve(
    stream: TcpStream,
    ip: IpAddr,
    (door, acceptor): (Door, Option<TlsAcceptor>),
    router: Arc<Router>,
    limits: Limits,
    mut stop: Stop,
) {
    let prepared = prepare(&stream, limits).and_then(|()| caller(&stream, ip, door));
    let caller = match prepared {
        Ok(caller) => caller,
        Err(error) => return debug!(%ip, %error, "the connection ended before it began"),
    };
    let link = match acceptor {
        None => Wire::Plain(stream),
        // As long as for the head of a request, which is what it is part of to whoever waits.
        Some(acceptor) => match timeout(limits.head_time, acceptor.accept(stream)).await {
            Ok(Ok(stream)) => Wire::Tls(Box::new(stream.into())),
            Ok(Err(error)) => return debug!(%ip, %error, "no handshake"),
            Err(_late) => return debug!(%ip, "a handshake that takes too long"),
        },
    };
    let answer = service_fn(|request| {
        let router = Arc::clone(&router);
        async move { Ok::<_, Infallible>(router.answer(caller, request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(WriteDeadline::new(link, limits.write_time)), answer);
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

fn caller(stream: &TcpStream, ip: IpAddr, door: Door) -> io::Result<Caller> {
    let local = stream.local_addr()?;
    let by = match door {
        Door::Page => By::Page,
        Door::Tls => By::Tls,
        Door::Catch => By::Catch { original: original(stream, ip) },
    };
    Ok(Caller { ip, local, by })
}

/// Where the connection was going before the firewall turned it. A socket of both families has to be asked for the
/// family that the packets have.
fn original(stream: &TcpStream, ip: IpAddr) -> Option<SocketAddr> {
    let socket = SockRef::from(stream);
    let asked = if ip.is_ipv4() { socket.original_dst_v4() } else { socket.original_dst_v6() };
    asked.ok()?.as_socket()
}

/// The longest head of a request.
const MAX_HEAD: usize = 8192;
/// The kernel doubles it.
const SEND_BUFFER: usize = 16 * 1024;
/// For connections to end at a stop; all of the agent has 4 s.
const FINISH: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::process::Command;

    use nix::errno::Errno;
    use nix::sched::{CloneFlags, unshare};
    use tokio::net::TcpListener;

    use super::*;

    fn run(program: &str, arguments: &str) {
        let status = Command::new(program).args(arguments.split(' ')).status().unwrap();
        assert!(status.success(), "{program} {arguments}");
    }

    #[test]
    #[expect(clippy::print_stderr, reason = "whoever reads what the tests say is told")]
    fn the_destination_of_a_turned_connection_is_known_in_both_families() {
        // The thread ends with the test, and its network with it.
        let test = std::thread::spawn(|| {
            match unshare(CloneFlags::CLONE_NEWNET) {
                Err(Errno::EPERM) => return eprintln!("skipped: networks of their own need root"),
                own => own.unwrap(),
            }
            run("ip", "link set lo up");
            run("ip", "addr add 192.0.2.5/32 dev lo");
            run("ip", "addr add 2001:db8::5/128 dev lo");
            run("nft", "add table inet turn");
            run("nft", "add chain inet turn out { type nat hook output priority -100 ; }");
            run("nft", "add rule inet turn out tcp dport 80 redirect to :8911");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("[::]:8911").await.unwrap();
                for to in ["192.0.2.5:80", "[2001:db8::5]:80"] {
                    let to: SocketAddr = to.parse().unwrap();
                    let (_client, accepted) = tokio::join!(TcpStream::connect(to), listener.accept());
                    let (stream, peer) = accepted.unwrap();
                    assert_eq!(original(&stream, peer.ip().to_canonical()), Some(to));
                }
                let direct: SocketAddr = "192.0.2.5:8911".parse().unwrap();
                let (_client, accepted) = tokio::join!(TcpStream::connect(direct), listener.accept());
                let (stream, peer) = accepted.unwrap();
                let (found, local) = (original(&stream, peer.ip().to_canonical()), stream.local_addr().unwrap());
                assert_eq!(crate::portal::catch::destination(found, local), None);
            });
        });
        test.join().unwrap();
    }
}
