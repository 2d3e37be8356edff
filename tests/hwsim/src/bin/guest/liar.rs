//! Somebody in a network who answers the question who has messages there, by multicast DNS, with an address of their choosing;
//! and the listener that notes who comes.

use std::io::Write as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::network::within;
use crate::station::Station;

/// The liar, until it is dropped.
pub(crate) struct Liar {
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
    thread: Option<JoinHandle<()>>,
}

impl Liar {
    /// Answers from a station that has `own` as its address that messages are at `named`.
    ///
    /// # Errors
    /// When the station is in no network.
    pub(crate) fn start(station: &Station, own: Ipv4Addr, named: Ipv4Addr) -> Result<Self> {
        let socket = within(&station.namespace, || {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, PORT)).context("listen for questions")?;
            socket.join_multicast_v4(&GROUP, &own).context("join the group")?;
            socket.set_multicast_ttl_v4(255)?;
            socket.set_read_timeout(Some(Duration::from_millis(100)))?;
            Ok(socket)
        })?;
        let (is_over, answered) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let (ends, counts) = (Arc::clone(&is_over), Arc::clone(&answered));
        let thread = thread::spawn(move || {
            let mut packet = [0; 9000];
            while !ends.load(Ordering::Relaxed) {
                let Ok(length) = socket.recv(&mut packet) else { continue };
                // A question has no highest bit in its third byte.
                let is_question = length > 12 && packet[2] < 0x80;
                if is_question
                    && packet[..length].windows(SERVICE[0].len()).any(|bytes| bytes == SERVICE[0].as_bytes())
                    && socket.send_to(&answer(named), (GROUP, PORT)).is_ok()
                {
                    counts.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Ok(Self { is_over, answered, thread: Some(thread) })
    }

    /// How often it has answered.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and nobody would mind.
            thread.join().ok();
        }
    }
}

/// Counts who comes to the port that [`Liar`] names, on a station, for as long as the story lasts.
///
/// # Errors
/// When the port is taken.
pub(crate) fn count_visitors(station: &Station) -> Result<Arc<AtomicUsize>> {
    let listener =
        within(&station.namespace, || TcpListener::bind((Ipv4Addr::UNSPECIFIED, NAMED_PORT)).context("listen"))?;
    let visitors = Arc::<AtomicUsize>::default();
    let counts = Arc::clone(&visitors);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            counts.fetch_add(1, Ordering::Relaxed);
            // Whoever came may have gone.
            stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").ok();
        }
    });
    Ok(visitors)
}

/// Pointer, service, text and address (RFC 6763) in one response (RFC 6762).
fn answer(named: Ipv4Addr) -> Vec<u8> {
    let instance = [&["liar"][..], &SERVICE].concat();
    let host = ["liar", "local"];
    let service = [&[0, 0, 0, 0], &NAMED_PORT.to_be_bytes()[..], &name(&host)].concat();
    let mut packet = vec![0, 0, 0x84, 0, 0, 0, 0, 4, 0, 0, 0, 0];
    for (owner, kind, data) in [
        (&SERVICE[..], 12_u16, name(&instance)),
        (&instance, 33, service),
        (&instance, 16, vec![0]),
        (&host, 1, named.octets().to_vec()),
    ] {
        packet.extend(name(owner));
        packet.extend(kind.to_be_bytes());
        // Internet; two minutes.
        packet.extend([0, 1, 0, 0, 0, 120]);
        packet.extend((data.len() as u16).to_be_bytes());
        packet.extend(data);
    }
    packet
}

fn name(labels: &[&str]) -> Vec<u8> {
    let mut bytes: Vec<u8> =
        labels.iter().flat_map(|label| std::iter::once(label.len() as u8).chain(label.bytes())).collect();
    bytes.push(0);
    bytes
}

const SERVICE: [&str; 3] = ["_welcome", "_tcp", "local"];
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 251);
const PORT: u16 = 5353;
/// Where it says that messages are.
const NAMED_PORT: u16 = 8910;
