//! A stand-in for ubusd.
//!
//! The thread of [`serve`] owns everything; [`Broker`] is what a test holds of it. [`link`] is one client's socket,
//! [`bus`] and the files beside it say what a message means, [`acl`] who may do what.

mod acl;
mod bus;
mod link;
mod lookup;
mod objects;
mod requests;
mod serve;
mod system;

use std::collections::BTreeSet;
use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use serve::{Server, Task};

/// ubusd, as far as its clients are concerned. Ends when dropped.
///
/// It differs from the real one in this: who a client is depends on the socket it comes in by and not on its process;
/// access lists have no free-form part; where several patterns of several listeners overlap each listener gets its event,
/// which the real one does not promise; and the answer to a question of a test is given when everything is done that was
/// sent before.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let broker = testkit::ubus::Broker::start(dir.path());
/// let for_nobody = broker.listen_as("nobody", serde_json::json!({ "user": "nobody", "subscribe": ["hostapd.*"] }));
/// ```
pub struct Broker {
    path: PathBuf,
    bell: UnixStream,
    tasks: mpsc::Sender<Task>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Listens at `dir/ubus.sock`.
    ///
    /// # Panics
    /// When the socket cannot be made.
    #[must_use]
    pub fn start(dir: &Path) -> Self {
        let path = dir.join("ubus.sock");
        let (bell, hears) = UnixStream::pair().expect("make a pair of sockets");
        hears.set_nonblocking(true).expect("make a socket one that never waits");
        let (tasks, to_do) = mpsc::channel();
        let mut server = Server::new();
        server.open(path.clone(), None);
        let thread = thread::Builder::new().name("ubusd's stand-in".into()).spawn(move || server.run(&hears, &to_do));
        let thread = Some(thread.expect("start a thread"));
        Self { path, bell, tasks, thread }
    }

    /// The socket. Its clients are root, whoever they are.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A second socket, whose clients are the ordinary user `name` in a group of the same name, held to this file of
    /// `/usr/share/acl.d`. As with the real one, a file that names somebody else grants nothing.
    pub fn listen_as(&self, name: &str, acl: Value) -> PathBuf {
        let path = self.path.with_file_name(format!("{name}.sock"));
        let (name, door) = (name.to_owned(), path.clone());
        self.ask(move |server| {
            if !acl.is_null() {
                server.bus.acls.set(&name, &acl);
                server.bus.acls.sequence += 1;
            }
            server.open(door, Some(name));
        });
        path
    }

    /// Replaces the file for the user that it names, or for all ordinary users if it names none.
    pub fn set_acl(&self, acl: Value) {
        self.ask(move |server| {
            let named = acl["user"].as_str().or(acl["group"].as_str()).map(str::to_owned);
            for user in server.bus.acls.users() {
                if named.as_ref().is_none_or(|named| *named == user) {
                    server.bus.acls.set(&user, &acl);
                }
            }
            server.bus.acls.sequence += 1;
            server.bus.acl_event();
        });
    }

    /// Ends and starts again: everybody is cut off, nothing is registered any more.
    pub fn restart(&self) {
        self.ask(|server| {
            server.stop();
            server.start_again();
        });
    }

    /// Ends: everybody is cut off, the sockets are gone.
    pub fn stop(&self) {
        self.ask(Server::stop);
    }

    /// Starts after [`Self::stop`].
    pub fn start_again(&self) {
        self.ask(Server::start_again);
    }

    /// Everything that ordinary users did or tried and that needs a right, in the words of an access list:
    /// `("access", "network.wireless", "status")`, `("subscribe", "dnsmasq", "")`, `("publish", "welcomed", "")`,
    /// `("listen", "ubus.object.add", "")`, `("send", "welcome.joined", "")`; and what they looked for, which needs
    /// none of its own: `("lookup", "hostapd.*", "")`.
    #[must_use]
    pub fn used(&self) -> BTreeSet<(String, String, String)> {
        self.ask(|server| server.bus.acls.used.clone())
    }

    /// How long subscribers took to answer notifications of this kind: from just before the notification was written
    /// to when the end of the answer was read.
    #[must_use]
    pub fn answered(&self, kind: &str) -> Vec<Duration> {
        let kind = kind.to_owned();
        self.ask(move |server| {
            let answered = server.bus.answered.iter().filter(|(other, _)| *other == kind);
            answered.map(|(_, took)| *took).collect()
        })
    }

    /// Stands still until the result is dropped, as ubusd does while it has no share of the processor.
    #[must_use]
    pub fn freeze(&self) -> Frozen {
        let (thaw, thawed) = mpsc::channel();
        let (begun, has_begun) = mpsc::channel();
        self.order(move |_| {
            // Nothing is ever sent by the other end, which is there until it is dropped.
            if begun.send(()).is_ok() {
                thawed.iter().for_each(|()| {});
            }
        });
        has_begun.recv().expect("the stand-in's thread does not panic");
        Frozen { _thaw: thaw }
    }

    fn order(&self, task: impl FnOnce(&mut Server) + Send + 'static) {
        self.tasks.send(Box::new(task)).expect("the stand-in's thread does not panic");
        (&self.bell).write_all(&[0]).expect("the stand-in's thread does not panic");
    }

    fn ask<T: Send + 'static>(&self, question: impl FnOnce(&mut Server) -> T + Send + 'static) -> T {
        let (answer, answered) = mpsc::channel();
        // Whoever asked waits below.
        self.order(move |server| drop(answer.send(question(server))));
        answered.recv().expect("the stand-in's thread does not panic")
    }
}

/// While this is there, the [`Broker`] does nothing.
pub struct Frozen {
    _thaw: mpsc::Sender<()>,
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.ask(Server::end);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the stand-in's thread does not panic");
        }
    }
}
