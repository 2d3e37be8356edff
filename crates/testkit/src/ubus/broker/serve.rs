//! The loop: waits until a socket or the test wants something, and never for one of them alone.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc;

use rustix::event::{PollFd, PollFlags, poll};

use super::bus::Bus;
use super::link::Link;

/// What a test wants done, by the thread that serves.
pub(super) type Task = Box<dyn FnOnce(&mut Server) + Send>;

/// ubusd: its sockets and what it knows.
pub(super) struct Server {
    pub(super) bus: Bus,
    doors: BTreeMap<PathBuf, Door>,
    is_over: bool,
}

/// Where clients come in.
struct Door {
    /// What those are who come in here; root has no name.
    user: Option<String>,
    /// While ubusd runs.
    listener: Option<UnixListener>,
}

impl Server {
    pub(super) fn new() -> Self {
        Self { bus: Bus::default(), doors: BTreeMap::new(), is_over: false }
    }

    pub(super) fn open(&mut self, path: PathBuf, user: Option<String>) {
        let listener = Some(listen(&path));
        self.doors.insert(path, Door { user, listener });
    }

    /// As when the process is killed and its sockets are removed.
    pub(super) fn stop(&mut self) {
        for (path, door) in &mut self.doors {
            if door.listener.take().is_some() {
                drop(fs::remove_file(path));
            }
        }
        self.bus.restart();
    }

    pub(super) fn start_again(&mut self) {
        for (path, door) in &mut self.doors {
            door.listener.get_or_insert_with(|| listen(path));
        }
    }

    pub(super) fn end(&mut self) {
        self.stop();
        self.is_over = true;
    }

    /// Until [`Self::end`]. `bell` rings when there is a task, which finds everything done that was sent before.
    pub(super) fn run(mut self, bell: &UnixStream, tasks: &mpsc::Receiver<Task>) {
        while !self.is_over {
            let (mut rang, mut somebody_came) = (false, false);
            // The bell is looked at first and answered last, one ring at a time.
            for (what, flags) in self.wait(bell) {
                match what {
                    Ready::Bell => rang = true,
                    Ready::Door(path) => {
                        self.accept(&path);
                        somebody_came = true;
                    }
                    Ready::Client(id) => self.attend(id, flags),
                }
            }
            // Whoever just came may have said something already.
            if rang
                && !somebody_came
                && take_ring(bell)
                && let Ok(task) = tasks.try_recv()
            {
                task(&mut self);
            }
        }
    }

    fn wait(&self, bell: &UnixStream) -> Vec<(Ready, PollFlags)> {
        let doors = self.doors.iter().filter_map(|(path, door)| door.listener.as_ref().map(|door| (path, door)));
        let doors = doors.map(|(path, door)| (Ready::Door(path.clone()), door.as_fd(), PollFlags::IN));
        let clients = self.bus.clients.iter().map(|(id, client)| {
            let write = if client.link.is_idle() { PollFlags::empty() } else { PollFlags::OUT };
            (Ready::Client(*id), client.link.descriptor(), PollFlags::IN | write)
        });
        let all = [(Ready::Bell, bell.as_fd(), PollFlags::IN)].into_iter().chain(doors).chain(clients);
        let (names, mut sockets): (Vec<_>, Vec<_>) =
            all.map(|(what, socket, flags)| (what, PollFd::from_borrowed_fd(socket, flags))).unzip();
        // Interrupted by a signal is like woken by nobody.
        if poll(&mut sockets, None).is_err() {
            return Vec::new();
        }
        let flags = sockets.iter().map(PollFd::revents);
        names.into_iter().zip(flags).filter(|(_, flags)| !flags.is_empty()).collect()
    }

    /// Lets in everybody who waits.
    fn accept(&mut self, path: &Path) {
        let Some(Door { user, listener: Some(listener) }) = self.doors.get(path) else { return };
        while let Ok((stream, _)) = listener.accept() {
            self.bus.connect(Link::new(stream), user.clone());
        }
    }

    fn attend(&mut self, id: u32, flags: PollFlags) {
        // What a client said last before it closed is lost when it was not read before: ubusd is like that.
        if flags.intersects(PollFlags::HUP | PollFlags::ERR) {
            return self.bus.disconnect(id);
        }
        if flags.contains(PollFlags::OUT) {
            self.bus.go_on(id);
        }
        for _ in 0..TURN {
            // It may have gone while another's message was handled.
            let Some(client) = self.bus.clients.get_mut(&id) else { return };
            match client.link.receive() {
                Ok(Some(received)) => self.bus.handle(id, received),
                Ok(None) => return,
                Err(_) => return self.bus.disconnect(id),
            }
        }
    }
}

enum Ready {
    Bell,
    Door(PathBuf),
    Client(u32),
}

fn listen(path: &Path) -> UnixListener {
    // Whatever a predecessor left behind.
    drop(fs::remove_file(path));
    let listener = UnixListener::bind(path).expect("bind the stand-in's socket");
    listener.set_nonblocking(true).expect("make the stand-in's socket one that never waits");
    listener
}

fn take_ring(mut bell: &UnixStream) -> bool {
    bell.read(&mut [0]).is_ok_and(|rings| rings == 1)
}

/// How many messages of one client are handled before the others have their turn: more than a socket holds.
const TURN: usize = 8192;
