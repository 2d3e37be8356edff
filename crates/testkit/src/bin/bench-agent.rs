//! Figures of the agent: `bench-agent PATH`, where PATH is the program to measure; `make bench` has the shipped one.
//!
//! One row a figure: `bench`, name, value, unit, separated by tabs. hostapd is a stand-in here; how long a real join
//! takes is the lab's figure.
#![allow(clippy::unwrap_used, reason = "a bench may")]
#![allow(clippy::print_stdout, reason = "its rows are its purpose")]

use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use testkit::ctrl::FakeHostapd;

/// How many joins are measured, one after the other as a busy café's are.
const JOINS: u32 = 2000;
/// How many of them are on the air at a time, as on a full router.
const STATIONS: u32 = 250;

fn main() {
    let agent = Agent::start(Path::new(&std::env::args_os().nth(1).expect("the path of the program to measure")));
    // Whatever it does first it has done by then.
    std::thread::sleep(Duration::from_secs(3));
    let idle = agent.resident();
    for n in 0..JOINS {
        agent.hostapd.join(mac(n), Some("shared"));
        if n >= STATIONS {
            agent.hostapd.leave(mac(n - STATIONS));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let latency = agent.latency_after(JOINS);
    row("agent.event_to_offer.p50", &latency["p50_us"], "us");
    row("agent.event_to_offer.p99", &latency["p99_us"], "us");
    row("agent.rss.idle", &idle, "kB");
}

/// The program at work in a directory of its own.
struct Agent {
    dir: TempDir,
    hostapd: FakeHostapd,
    process: Child,
}

impl Agent {
    fn start(program: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hostapd = FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "Bench");
        let file = dir.path().join("welcomed");
        std::fs::write(&file, config(dir.path())).unwrap();
        let mut run = Command::new(program);
        run.args(["run", "--log", "stderr", "--config"]).arg(&file).stderr(Stdio::null());
        let process = run.spawn().unwrap_or_else(|e| panic!("start {}: {e}", program.display()));
        let agent = Self { dir, hostapd, process };
        agent.wait("the agent listens to hostapd", || agent.hostapd.attached() == 1);
        agent
    }

    /// The agent's own figures of the last 256 joins, once it has handled so many.
    fn latency_after(&self, joins: u32) -> Value {
        self.wait("the agent has handled every join", || self.status()["latency"]["count"] == joins);
        self.status()["latency"].clone()
    }

    fn status(&self) -> Value {
        let mut text = String::new();
        UnixStream::connect(self.dir.path().join("status.sock")).unwrap().read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Resident memory in kB.
    fn resident(&self) -> u32 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap();
        let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).unwrap();
        resident.trim().trim_end_matches(" kB").parse().unwrap()
    }

    fn wait(&self, what: &str, is_so: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_so() {
            assert!(start.elapsed() < Duration::from_secs(20), "never: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself, which the figures will have shown.
        let _killed = self.process.kill().and_then(|()| self.process.wait()).is_ok();
    }
}

fn mac(n: u32) -> String {
    format!("02:00:00:{:02x}:{:02x}:00", n / 256, n % 256)
}

fn config(dir: &Path) -> String {
    let dir = dir.display();
    format!(
        "config welcomed 'main'
	option enabled '1'
	list listen '127.0.0.1:0'
	option hostapd_dir '{dir}'
	option leases '{dir}/leases'
	option status_socket '{dir}/status.sock'
	option state_dir '{dir}/state'
config network 'cafe'
	list ifname 'wlan0'
	option credential 'keyid'
	list shared_keyid 'shared'
config offer 'hello'
	option title 'Coffee is half price'
"
    )
}

fn row(name: &str, value: &impl std::fmt::Display, unit: &str) {
    println!("bench\t{name}\t{value}\t{unit}");
}
