//! The program at work in a directory of its own.

use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::load;

/// The offer that waits for guests.
pub(crate) const TITLE: &str = "Coffee is half price";

/// The agent. Ends when dropped.
pub(crate) struct Agent<'a> {
    dir: &'a Path,
    process: Child,
    /// Where its guests ask.
    pub(crate) portal: SocketAddr,
}

impl<'a> Agent<'a> {
    /// Starts the program with this configuration, of which everything but its sections `main` is given.
    pub(crate) fn start(program: &Path, dir: &'a Path, main: &str, rest: &str) -> Self {
        Self::start_by(Command::new(program), dir, main, rest)
    }

    /// The same on one core.
    pub(crate) fn start_pinned(program: &Path, dir: &'a Path, rest: &str) -> Self {
        Self::start_by(load::pinned(load::SERVING, program), dir, "", rest)
    }

    fn start_by(mut run: Command, dir: &'a Path, main: &str, rest: &str) -> Self {
        let portal = free_address();
        let file = dir.join("welcomed");
        let own = dir.display();
        let config = format!(
            "config welcomed 'main'
	option enabled '1'
	list listen '{portal}'
	option hostapd_dir '{own}'
	option leases '{own}/leases'
	option status_socket '{own}/status.sock'
	option state_dir '{own}/state'
	option cache_dir '{own}/content'
	list catch '127.0.0.1:0'
	{main}
{rest}
config offer 'hello'
	option title '{TITLE}'
"
        );
        std::fs::write(&file, config).unwrap();
        run.args(["run", "--log", "stderr", "--config"]).arg(&file).stderr(Stdio::null());
        let process = run.spawn().unwrap_or_else(|e| panic!("start {run:?}: {e}"));
        Self { dir, process, portal }
    }

    /// What it tells of itself.
    pub(crate) fn status(&self) -> Value {
        self.try_status().unwrap()
    }

    /// The same, if it is there to be asked.
    pub(crate) fn try_status(&self) -> Option<Value> {
        let mut text = String::new();
        UnixStream::connect(self.dir.join("status.sock")).ok()?.read_to_string(&mut text).ok()?;
        serde_json::from_str(&text).ok()
    }

    /// Resident memory in kB.
    pub(crate) fn resident(&self) -> u32 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    /// Time that all its threads together have had of a processor.
    pub(crate) fn processor(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap();
        // The name is in parentheses and may be anything; the state follows it.
        let (_, fields) = stat.rsplit_once(") ").unwrap();
        let own_and_kernels = fields.split(' ').skip(11).take(2);
        let ticks: u64 = own_and_kernels.map(|ticks| ticks.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Waits until it is so.
    ///
    /// # Panics
    /// When it is not so within twenty seconds.
    pub(crate) fn wait(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Agent<'_> {
    fn drop(&mut self) {
        // It may have ended by itself, which the figures will have shown.
        let _killed = self.process.kill().and_then(|()| self.process.wait()).is_ok();
    }
}

/// An address where nobody listens.
pub(crate) fn free_address() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// What Linux counts in, wherever this runs.
const TICKS_PER_SECOND: u64 = 100;
