//! The listener: attached to a control socket, and never in its program's way.
//!
//! In: the path of a control socket. Out: its events, each with the moment at which it was read.
//!
//! **A stalled listener freezes the access point.** hostapd sends events with a blocking call, from
//! its only thread. What waits for us is bounded by the kernel (277 events on a connected socket,
//! about ten on an unconnected one); after that hostapd stands still until we read, and nobody can
//! join. Measured with hostapd 2.10: joins took 37 s instead of 0.6 s. Hence:
//!
//! - A **thread of its own** reads, and does nothing that can wait: no lock, no log, no full queue.
//!   The async runtime may be busy or stuck for seconds without hostapd noticing.
//! - The thread hands over with `try_send`. When the queue is full it drops and counts.
//! - The socket is connected, which buys the long limit for the moments when the system does not
//!   schedule us.
//! - Our own sends (`PING`, `DETACH`) give up after [`SEND_LIMIT`]: if hostapd waited for us while we
//!   waited for it, neither would move.
//!
//! The thread also gives each line its meaning: that takes about a microsecond, and then what nobody
//! asked for need not be copied twice.
//!
//! hostapd does not say goodbye when it is killed. Each second the thread looks whether the socket at
//! the path is still the one it attached to, and after [`PING_AFTER`] of silence it sends a PING.

use crate::event::is_event;
use crate::local::{Identity, Local};
use crate::socket::MAX_DATAGRAM;
use crate::{Error, Event, GoneReason};
use std::io;
use std::net::Shutdown;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The program said something.
    Event {
        /// When the datagram was read, before anything else was done with it.
        at: Instant,
        /// What it said.
        event: Event,
    },
    /// This many events were dropped because nobody took them, all of them later than those heard so
    /// far and earlier than those still to come. Take a snapshot.
    Lagged(usize),
    /// The program is gone or was restarted; this is the last notice. Attach again.
    Gone(GoneReason),
}

/// An attachment to one control socket. Dropping it detaches.
#[derive(Debug)]
pub struct Events {
    queue: mpsc::Receiver<Slot>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
enum Slot {
    Event(Instant, Event),
    /// Makes a waiting receiver look at `dropped`.
    Look,
}

/// What the thread and the handle have in common.
#[derive(Debug)]
struct Shared {
    socket: UnixDatagram,
    file: Local,
    /// Dropped since the handle was last told. While it is not zero the thread queues no event, so the
    /// gap stays in one place.
    dropped: AtomicUsize,
    stop: AtomicBool,
    gone: OnceLock<GoneReason>,
}

impl Events {
    /// Attaches to the socket at `path`, with our own end in `dir` (see the crate's text on which
    /// directories will do). At most `capacity` events wait to be taken.
    ///
    /// # Errors
    /// [`Error::Gone`] when nobody is there, [`Error::Timeout`] when `ATTACH` is not answered within
    /// two seconds, [`Error::Refused`] when it is refused, [`Error::System`] when our end or the
    /// thread cannot be made.
    ///
    /// # Panics
    /// When `capacity` is zero.
    ///
    /// # Cancel safety
    /// Nothing stays behind.
    pub async fn attach(path: impl Into<PathBuf>, dir: impl Into<PathBuf>, capacity: usize) -> Result<Self, Error> {
        Self::attach_looking(path, dir, capacity, LOOK_EVERY).await
    }

    /// The same, for whoever would rather sleep: looks only this often whether the program is still there, and learns that
    /// much later that it was killed. What it says comes as soon as ever.
    ///
    /// # Errors
    /// As [`Events::attach`].
    ///
    /// # Panics
    /// When `capacity` or `every` is zero.
    ///
    /// # Cancel safety
    /// Nothing stays behind.
    pub async fn attach_looking(
        path: impl Into<PathBuf>,
        dir: impl Into<PathBuf>,
        capacity: usize,
        every: Duration,
    ) -> Result<Self, Error> {
        let (path, dir) = (path.into(), dir.into());
        let (sender, queue) = mpsc::channel(capacity);
        let (attached, answer) = oneshot::channel();
        thread::Builder::new()
            .name("wpa-ctrl events".into())
            .stack_size(STACK)
            .spawn(move || match Reader::attach(path, &dir, every) {
                Ok((reader, shared)) => {
                    let handle = Self { queue, shared: Arc::clone(&shared) };
                    // When nobody waits for it any more, the handle is dropped here and detaches.
                    drop(attached.send(Ok(handle)));
                    let reason = reader.listen(&shared, &sender);
                    shared.gone.get_or_init(|| reason);
                    shared.file.remove();
                }
                Err(error) => drop(attached.send(Err(error))),
            })
            .map_err(|source| Error::System { doing: "start the reader", source })?;
        answer.await.unwrap_or(Err(Error::Gone(GoneReason::Broken)))
    }

    /// The next notice. After [`Notice::Gone`] it is `Gone` again, at once.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn recv(&mut self) -> Notice {
        loop {
            let slot = match self.queue.try_recv() {
                Ok(slot) => Some(slot),
                Err(_) => match self.shared.dropped.swap(0, Ordering::AcqRel) {
                    0 => self.queue.recv().await,
                    dropped => return Notice::Lagged(dropped),
                },
            };
            match slot {
                Some(Slot::Event(at, event)) => return Notice::Event { at, event },
                Some(Slot::Look) => {}
                None => {
                    return Notice::Gone(*self.shared.gone.get().unwrap_or(&GoneReason::Broken));
                }
            }
        }
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let socket = &self.shared.socket;
        self.shared.stop.store(true, Ordering::Release);
        // The last word must not wait for anybody; if it is not heard, the program learns at its next
        // event that we are gone.
        let detached = socket.set_nonblocking(true).and_then(|()| socket.send(b"DETACH"));
        // Wakes the thread.
        let woken = socket.shutdown(Shutdown::Read);
        // Not left to the thread: the process may end before it runs.
        self.shared.file.remove();
        if let Err(error) = detached.and(woken) {
            tracing::debug!(%error, "could not detach");
        }
    }
}

/// The program, as the thread found it.
struct Reader {
    path: PathBuf,
    identity: Identity,
    /// How often to look whether the program is still there.
    every: Duration,
}

impl Reader {
    fn attach(path: PathBuf, dir: &Path, every: Duration) -> Result<(Self, Arc<Shared>), Error> {
        let (file, socket) = Local::connect(&path, dir)?;
        let identity = Identity::of(&path).map_err(Error::Gone)?;
        let limits = |read| {
            socket
                .set_read_timeout(Some(read))
                .and_then(|()| socket.set_write_timeout(Some(SEND_LIMIT)))
                .map_err(|source| Error::System { doing: "set the limits of our socket", source })
        };
        limits(LOOK_EVERY)?;
        say_attach(&socket)?;
        limits(every)?;
        Ok((Self { path, identity, every }, Arc::new(Shared::new(socket, file))))
    }

    /// Reads until the handle is dropped or the program is gone.
    fn listen(self, shared: &Shared, sender: &mpsc::Sender<Slot>) -> GoneReason {
        let mut buffer = [0; MAX_DATAGRAM];
        let mut looked = Instant::now();
        let mut heard = looked;
        let mut pinged = None;
        loop {
            let received = shared.socket.recv(&mut buffer);
            let now = Instant::now();
            if shared.stop.load(Ordering::Acquire) {
                return GoneReason::Broken;
            }
            match received {
                Ok(length) => {
                    heard = now;
                    pinged = None;
                    // All else is the answer to our PING.
                    if is_event(&buffer[..length]) {
                        match Event::parse(&buffer[..length]) {
                            Event::Terminating => return GoneReason::Terminating,
                            event => shared.hand_over(sender, now, event),
                        }
                    }
                }
                Err(error) if is_timeout(&error) => {}
                Err(_) => return GoneReason::Broken,
            }
            if now.duration_since(looked) < self.every {
                continue;
            }
            looked = now;
            match Identity::of(&self.path) {
                Ok(identity) if identity == self.identity => {}
                Ok(_) => return GoneReason::Replaced,
                Err(reason) => return reason,
            }
            match pinged {
                None if now.duration_since(heard) >= PING_AFTER => {
                    pinged = Some(now);
                    // No room for it counts as sent: a program that takes nothing is silent, too.
                    match shared.socket.send(b"PING") {
                        Err(error) if !is_timeout(&error) => return GoneReason::Refused,
                        _ => {}
                    }
                }
                Some(since) if now.duration_since(since) >= PONG_WITHIN => return GoneReason::Silent,
                _ => {}
            }
        }
    }
}

impl Shared {
    fn new(socket: UnixDatagram, file: Local) -> Self {
        Self { socket, file, dropped: AtomicUsize::new(0), stop: AtomicBool::new(false), gone: OnceLock::new() }
    }

    /// Never waits.
    fn hand_over(&self, sender: &mpsc::Sender<Slot>, at: Instant, event: Event) {
        let one_more = |dropped: usize| (dropped > 0).then(|| dropped.saturating_add(1));
        if self.dropped.fetch_update(Ordering::AcqRel, Ordering::Acquire, one_more).is_ok() {
            return;
        }
        if let Err(mpsc::error::TrySendError::Full(_)) = sender.try_send(Slot::Event(at, event)) {
            self.dropped.store(1, Ordering::Release);
            // The receiver may have emptied the queue in between, and would sleep on. If this finds no
            // room either, the receiver still has something to take and will look afterwards.
            drop(sender.try_send(Slot::Look));
        }
    }
}

fn say_attach(socket: &UnixDatagram) -> Result<(), Error> {
    const COMMAND: &str = "ATTACH";
    let started = Instant::now();
    let timed_out = || Error::Timeout { command: COMMAND.into(), after: ATTACH_WITHIN };
    let failed = |error| {
        if is_timeout(&error) { timed_out() } else { Error::from_peer("attach", error) }
    };
    socket.send(COMMAND.as_bytes()).map_err(failed)?;
    let mut buffer = [0; MAX_DATAGRAM];
    while started.elapsed() < ATTACH_WITHIN {
        match socket.recv(&mut buffer) {
            Ok(length) if buffer[..length].trim_ascii() == b"OK" => return Ok(()),
            Ok(length) => {
                let answer = String::from_utf8_lossy(buffer[..length].trim_ascii()).into_owned();
                return Err(Error::Refused { command: COMMAND.into(), answer });
            }
            Err(error) if is_timeout(&error) => {}
            Err(error) => return Err(Error::from_peer("attach", error)),
        }
    }
    Err(timed_out())
}

fn is_timeout(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// Small, since a router has one such thread for each bss. The deepest it goes is parsing one line.
const STACK: usize = 64 * 1024;
/// How often the thread looks whether the program is still there, where nobody says otherwise.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Quiet for this long: ask.
const PING_AFTER: Duration = Duration::from_secs(10);
/// A processor full of handshakes can keep hostapd from answering for a second or two.
const PONG_WITHIN: Duration = Duration::from_secs(5);
/// How long a send of ours may keep us from reading.
const SEND_LIMIT: Duration = Duration::from_millis(100);
const ATTACH_WITHIN: Duration = Duration::from_secs(2);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The reader finds the queue full, the receiver empties it and sees nothing dropped, and only then the reader
    /// counts: without [`Slot::Look`] the receiver would sleep on. Takes many rounds to happen.
    #[test]
    fn a_receiver_that_empties_the_queue_while_one_is_dropped_does_not_sleep_on() {
        const BURST: usize = 3;
        let (sender, queue) = mpsc::channel(1);
        let dir = tempfile::tempdir().unwrap();
        let peer = dir.path().join("peer");
        let _peer = UnixDatagram::bind(&peer).unwrap();
        let (file, socket) = Local::connect(&peer, dir.path()).unwrap();
        let shared = Arc::new(Shared::new(socket, file));
        let mut events = Events { queue, shared: Arc::clone(&shared) };
        let told = Arc::new(AtomicUsize::new(0));
        let reader = thread::spawn({
            let told = Arc::clone(&told);
            move || {
                for round in 0..ROUNDS {
                    (0..BURST).for_each(|_| shared.hand_over(&sender, Instant::now(), Event::ApEnabled));
                    while told.load(Ordering::Acquire) < (round + 1) * BURST && !sender.is_closed() {
                        thread::yield_now();
                    }
                }
            }
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            while told.load(Ordering::Acquire) < ROUNDS * BURST {
                let notice = tokio::time::timeout(Duration::from_secs(5), events.recv()).await;
                let count = match notice.expect("told of everything") {
                    Notice::Event { .. } => 1,
                    Notice::Lagged(count) => count,
                    Notice::Gone(reason) => panic!("{reason}"),
                };
                told.fetch_add(count, Ordering::AcqRel);
            }
        });
        reader.join().unwrap();
    }

    const ROUNDS: usize = 30_000;
}
