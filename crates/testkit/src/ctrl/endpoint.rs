//! One control socket: a thread that answers commands, and the list of those who attached.
//!
//! What the commands mean is the business of a [`Brain`]; `PING`, `ATTACH` and `DETACH` are answered here.

use std::fs;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Answers one command; `None` for one it does not know.
pub(super) type Brain = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

pub(super) struct Endpoint {
    path: PathBuf,
    brain: Brain,
    state: Arc<State>,
    running: Mutex<Option<Running>>,
}

#[derive(Default)]
struct State {
    attached: Mutex<Vec<PathBuf>>,
    frozen: AtomicBool,
    stalls: AtomicUsize,
    delay: Mutex<Duration>,
    log: Mutex<Vec<String>>,
}

struct Running {
    socket: Arc<UnixDatagram>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Endpoint {
    pub(super) fn start(path: PathBuf, brain: Brain) -> Self {
        let endpoint = Self { path, brain, state: Arc::default(), running: Mutex::default() };
        endpoint.open();
        endpoint
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the socket and begins to answer.
    pub(super) fn open(&self) {
        // Whatever a killed predecessor left behind, as the real programs do.
        drop(fs::remove_file(&self.path));
        let socket = Arc::new(UnixDatagram::bind(&self.path).expect("bind the stand-in's control socket"));
        socket.set_read_timeout(Some(TICK)).expect("set a read timeout");
        socket.set_write_timeout(Some(SEND_LIMIT)).expect("set a write timeout");
        let stop = Arc::new(AtomicBool::new(false));
        let thread = thread::spawn({
            let (socket, stop) = (Arc::clone(&socket), Arc::clone(&stop));
            let (brain, state) = (Arc::clone(&self.brain), Arc::clone(&self.state));
            move || serve(&socket, &stop, &brain, &state)
        });
        *lock(&self.running) = Some(Running { socket, stop, thread });
    }

    /// Ends, and removes the socket (as on SIGTERM) or leaves its file behind (as on SIGKILL).
    pub(super) fn close(&self, remove: bool) {
        if let Some(running) = lock(&self.running).take() {
            running.stop.store(true, Ordering::Release);
            running.thread.join().expect("the stand-in's thread does not panic");
            if remove {
                drop(fs::remove_file(&self.path));
            }
        }
        lock(&self.state.attached).clear();
    }

    /// Tells everyone who attached; returns when it began to.
    pub(super) fn emit(&self, line: &str) -> Instant {
        let at = Instant::now();
        let socket = lock(&self.running).as_ref().map(|running| Arc::clone(&running.socket));
        if let Some(socket) = socket {
            let attached = lock(&self.state.attached).clone();
            for listener in attached {
                self.send_event(&socket, &listener, line);
            }
        }
        at
    }

    pub(super) fn set_frozen(&self, frozen: bool) {
        self.state.frozen.store(frozen, Ordering::Release);
    }

    pub(super) fn set_delay(&self, delay: Duration) {
        *lock(&self.state.delay) = delay;
    }

    pub(super) fn attached(&self) -> usize {
        lock(&self.state.attached).len()
    }

    pub(super) fn stalls(&self) -> usize {
        self.state.stalls.load(Ordering::Acquire)
    }

    pub(super) fn commands(&self) -> Vec<String> {
        lock(&self.state.log).clone()
    }

    fn send_event(&self, socket: &UnixDatagram, listener: &Path, line: &str) {
        let began = Instant::now();
        let sent = socket.send_to(format!("<3>{line}").as_bytes(), listener);
        if began.elapsed() > STALL {
            self.state.stalls.fetch_add(1, Ordering::AcqRel);
        }
        if sent.is_err_and(|error| !is_timeout(&error)) {
            lock(&self.state.attached).retain(|other| other != listener);
        }
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.close(true);
    }
}

fn serve(socket: &UnixDatagram, stop: &AtomicBool, brain: &Brain, state: &State) {
    let mut buffer = [0; 4096];
    while !stop.load(Ordering::Acquire) {
        let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
        while state.frozen.load(Ordering::Acquire) && !stop.load(Ordering::Acquire) {
            thread::sleep(Duration::from_millis(5));
        }
        let Some(from) = from.as_pathname() else { continue };
        let command = String::from_utf8_lossy(&buffer[..length]).into_owned();
        lock(&state.log).push(command.clone());
        let answer = match command.as_str() {
            "PING" => "PONG\n".to_owned(),
            "ATTACH" => {
                lock(&state.attached).push(from.to_owned());
                "OK\n".to_owned()
            }
            "DETACH" => detach(&mut lock(&state.attached), from).to_owned(),
            command => brain(command).unwrap_or_else(|| "UNKNOWN COMMAND\n".to_owned()),
        };
        thread::sleep(*lock(&state.delay));
        // Whoever asked may be gone; the real programs do not mind either.
        drop(socket.send_to(answer.as_bytes(), from));
    }
}

fn detach(attached: &mut Vec<PathBuf>, from: &Path) -> &'static str {
    match attached.iter().position(|listener| listener == from) {
        Some(index) => {
            attached.remove(index);
            "OK\n"
        }
        None => "FAIL\n",
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// A test that failed while it held the lock says so itself.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const TICK: Duration = Duration::from_millis(10);
/// The real hostapd would wait for ever.
const SEND_LIMIT: Duration = Duration::from_secs(1);
/// A send that takes longer was held up by its receiver.
const STALL: Duration = Duration::from_millis(200);
