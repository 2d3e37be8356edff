//! What guests cost in memory: those who are here, and those whose app listens.
//!
//! Each figure is an agent's own that did nothing else, and is read before anything is asked of it that would need
//! memory; whether it was right all the while is looked at afterwards.

use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use rustix::net::{AddressFamily, SocketType, bind, connect, socket};
use testkit::ctrl::FakeHostapd;

use crate::program::{Agent, TITLE};
use crate::{guests, row};

/// Guests with an address and an offer.
const SESSIONS: [u32; 3] = [0, 250, 1000];
/// Guests whose app listens, each from an address of its own.
const STREAMS: u32 = 100;
/// The leases are looked at each second, and whatever else an agent does first it has done by then.
const SETTLE: Duration = Duration::from_secs(3);

pub(crate) fn measure(program: &Path) {
    for sessions in SESSIONS {
        row(&format!("agent.rss.sessions{sessions}"), &of_sessions(program, sessions), "kB");
    }
    row(&format!("agent.rss.streams{STREAMS}"), &of_streams(program), "kB");
}

fn of_sessions(program: &Path, count: u32) -> u32 {
    let dir = tempfile::tempdir().unwrap();
    let hostapd = guests::access_point(dir.path());
    let agent = with_guests(program, dir.path(), &hostapd, count, |n| Ipv4Addr::from(0x0a4d_0000 + n));
    let resident = agent.resident();
    assert_eq!(greeted(&agent), count as usize, "guests with an address and an offer, of {count}");
    resident
}

fn of_streams(program: &Path) -> u32 {
    let dir = tempfile::tempdir().unwrap();
    let hostapd = guests::access_point(dir.path());
    let agent = with_guests(program, dir.path(), &hostapd, STREAMS, loopback);
    let streams: Vec<_> = (1..=STREAMS).map(|n| listen(agent.portal, loopback(n))).collect();
    let resident = agent.resident();
    let open = streams.iter().filter(|stream| is_open(stream)).count();
    assert_eq!(open, streams.len(), "streams that are still open");
    assert_eq!(greeted(&agent), STREAMS as usize, "guests with an address and an offer");
    resident
}

/// An agent with so many guests, at rest.
fn with_guests<'a>(
    program: &Path,
    dir: &'a Path,
    hostapd: &FakeHostapd,
    count: u32,
    address: impl Fn(u32) -> Ipv4Addr,
) -> Agent<'a> {
    let agent = Agent::start(program, dir, "", guests::NETWORK);
    agent.wait("the agent listens to hostapd", || hostapd.attached() == 1);
    guests::join(hostapd, 1..=count);
    guests::lease(dir, (1..=count).map(|n| (n, address(n))));
    std::thread::sleep(SETTLE);
    agent
}

/// The guests with an address and an offer.
fn greeted(agent: &Agent<'_>) -> usize {
    let status = agent.status();
    let sessions = status["sessions"].as_array().unwrap();
    sessions.iter().filter(|s| s["addresses"][0].is_string() && s["offers"][0]["title"] == TITLE).count()
}

/// Opens a stream from this address, and reads the offer from it.
fn listen(portal: SocketAddr, from: Ipv4Addr) -> TcpStream {
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from((from, 0))).unwrap();
    connect(&socket, &portal).unwrap();
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    write!(stream, "GET /welcome/v1/stream HTTP/1.1\r\nHost: {portal}\r\n\r\n").unwrap();
    let mut text = String::new();
    while !(text.starts_with("HTTP/1.1 200 ") && text.contains(TITLE)) {
        let mut part = [0; 4096];
        let length = stream.read(&mut part).unwrap_or_else(|e| panic!("no offer on the stream of {from}: {e}: {text}"));
        assert!(length > 0, "the stream of {from} ended after {text:?}");
        text += &String::from_utf8_lossy(&part[..length]);
    }
    stream
}

fn is_open(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    match stream.peek(&mut [0]) {
        Ok(length) => length > 0,
        Err(error) => error.kind() == io::ErrorKind::WouldBlock,
    }
}

fn loopback(n: u32) -> Ipv4Addr {
    // 127.0.0.1 is everybody's.
    Ipv4Addr::from(0x7f00_0001 + n)
}
