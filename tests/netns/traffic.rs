//! What stations try, and what answers them.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::space::Space;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Somebody said this.
    Said(String),
    /// At once: no.
    Rejected,
    /// Nothing for [`PATIENCE`].
    Silence,
}

impl Answer {
    pub(crate) fn said(text: impl Into<String>) -> Self {
        Self::Said(text.into())
    }
}

/// The Internet's hosts answer with this.
pub(crate) const INTERNET: &str = "the Internet";
const PATIENCE: Duration = Duration::from_secs(2);

/// Listens at a port of all addresses; says `text` to everybody.
pub(crate) fn serve_tcp(space: &Space, port: u16, text: &'static str) {
    let listener = space.run(move || TcpListener::bind(("::", port))).unwrap();
    space.spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            // Whoever has gone away again needs no answer.
            let _said = stream.write_all(text.as_bytes()).is_ok();
        }
    });
}

/// Listens where caught connections go; tells where they were going to.
pub(crate) fn serve_caught(space: &Space, port: u16) {
    let listener = space.run(move || TcpListener::bind(("::", port))).unwrap();
    space.spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let is_v4 = stream.peer_addr().unwrap().ip().to_canonical().is_ipv4();
            let socket = SockRef::from(&stream);
            let to = if is_v4 { socket.original_dst_v4() } else { socket.original_dst_v6() };
            let text = caught(to.unwrap().as_socket().unwrap());
            let _said = stream.write_all(text.as_bytes()).is_ok();
        }
    });
}

pub(crate) fn caught(to: SocketAddr) -> String {
    format!("caught on the way to {to}")
}

/// Answers every datagram, from the address it was sent to.
pub(crate) fn serve_udp(space: &Space, at: SocketAddr, text: &'static str) {
    let socket = space.run(move || UdpSocket::bind(at)).unwrap();
    space.spawn(move || {
        let mut buffer = [0; 16];
        while let Ok((_, from)) = socket.recv_from(&mut buffer) {
            let _said = socket.send_to(text.as_bytes(), from).is_ok();
        }
    });
}

/// Connects and listens to what is said.
pub(crate) fn tcp(from: &Space, to: IpAddr, port: u16) -> Answer {
    tcp_at(from, SocketAddr::new(to, port))
}

pub(crate) fn tcp_at(from: &Space, to: SocketAddr) -> Answer {
    from.run(move || {
        let talk = || {
            let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut text = String::new();
            stream.read_to_string(&mut text).map(|_| text)
        };
        answer(talk())
    })
}

/// Sends a datagram and waits for the answer.
pub(crate) fn udp(from: &Space, to: IpAddr, port: u16) -> Answer {
    from.run(move || {
        let talk = || {
            let socket = UdpSocket::bind((if to.is_ipv4() { "0.0.0.0" } else { "::" }, 0))?;
            socket.connect((to, port))?;
            socket.set_read_timeout(Some(PATIENCE))?;
            socket.send(b"hello")?;
            let mut buffer = [0; 64];
            let length = socket.recv(&mut buffer)?;
            Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
        };
        answer(talk())
    })
}

fn answer(outcome: std::io::Result<String>) -> Answer {
    match outcome {
        Ok(text) => Answer::Said(text),
        Err(error) if matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock) => Answer::Silence,
        Err(_) => Answer::Rejected,
    }
}

/// Waits until something holds; for how long it took.
pub(crate) fn eventually(limit: Duration, mut holds: impl FnMut() -> bool) -> Duration {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < limit, "not within {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}
