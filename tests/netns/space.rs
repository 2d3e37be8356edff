//! Networks of their own, within this process: each is that of a thread, and is gone with it. Nothing is left behind,
//! even by a test that is killed.

use std::process::Command;
use std::sync::mpsc::{Sender, channel};
use std::thread::{self, JoinHandle};

use nix::errno::Errno;
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gettid;

type Job = Box<dyn FnOnce() + Send>;

/// One network.
pub(crate) struct Space {
    /// What `ip` takes for the network's name.
    pub(crate) name: String,
    jobs: Sender<Job>,
}

impl Space {
    /// A new one, with its loopback up; none without the right to make one.
    pub(crate) fn new() -> Option<Self> {
        let ((jobs, inbox), (tell, told)) = (channel::<Job>(), channel());
        thread::spawn(move || {
            tell.send(unshare(CloneFlags::CLONE_NEWNET).map(|()| gettid())).unwrap();
            inbox.into_iter().for_each(|job| job());
        });
        let tid = match told.recv().unwrap() {
            Err(Errno::EPERM) => return None,
            tid => tid.unwrap(),
        };
        let space = Self { name: tid.to_string(), jobs };
        space.ip("link set lo up");
        Some(space)
    }

    /// Does something there, on a thread of its own.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
        let (tell, told) = channel();
        // A thread is in the network of the one that started it.
        self.jobs.send(Box::new(move || tell.send(thread::spawn(work)).unwrap())).unwrap();
        told.recv().unwrap()
    }

    /// Does something there and waits for its end.
    pub(crate) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        self.spawn(work).join().unwrap()
    }

    /// Runs a program there; what it prints.
    pub(crate) fn tool(&self, program: &str, words: &str) -> String {
        let mut command = Command::new(program);
        command.args(words.split(' '));
        let output = self.run(move || command.output()).unwrap_or_else(|e| panic!("{program} is missing: {e}"));
        assert!(output.status.success(), "{program} {words}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn ip(&self, words: &str) {
        self.tool("ip", words);
    }

    /// Sets a value below `/proc/sys/net`.
    pub(crate) fn set(&self, name: &str, value: &'static str) {
        let path = format!("/proc/sys/net/{name}");
        self.run(move || std::fs::write(path, value)).unwrap();
    }
}
