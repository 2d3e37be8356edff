//! `welcome receive` notices an address and a route of a real interface, told by the kernel: as root, in a network namespace
//! of its own.
#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fs::read_link;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// A namespace with the interface `wlan0`, whose other end is `peer0`. It is gone with the program that holds it, which ends
/// with this one.
struct Space {
    holder: Child,
    _stdin: ChildStdin,
}

impl Space {
    fn new() -> Self {
        let mut holder = Command::new("unshare").args(["-n", "cat"]).stdin(Stdio::piped()).spawn().unwrap();
        let stdin = holder.stdin.take().unwrap();
        let space = Self { holder, _stdin: stdin };
        let theirs = format!("/proc/{}/ns/net", space.holder.id());
        let ours = read_link("/proc/self/ns/net").unwrap();
        while read_link(&theirs).unwrap() == ours {
            thread::sleep(Duration::from_millis(10));
        }
        space.ip("link add wlan0 type veth peer name peer0");
        space.ip("link set peer0 up");
        space.ip("link set wlan0 up");
        space
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.holder.id().to_string(), "-n", program]);
        command
    }

    fn ip(&self, words: &str) {
        assert!(self.command("ip").args(words.split(' ')).status().unwrap().success(), "ip {words}");
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

#[test]
fn an_address_that_comes_later_is_noticed_at_once() {
    let space = Space::new();
    let state = tempfile::tempdir().unwrap();
    let mut welcome = space.command(env!("CARGO_BIN_EXE_welcome"));
    welcome.args(["--json", "receive", "--interface", "wlan0", "--wait", "30", "--state-dir"]).arg(state.path());
    let mut child = welcome.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    // Long enough for it to have looked and found nothing.
    thread::sleep(Duration::from_secs(1));
    space.ip("address add 192.0.2.2/24 dev wlan0");
    space.ip("route add default via 192.0.2.1");
    let told = Instant::now();
    let line = lines.find(|line| line.contains("\"event\":\"address\"")).expect("it has an address");
    assert!(line.contains("192.0.2.2") && line.contains("192.0.2.1"), "{line}");
    // Far below the time after which it would look without being told.
    assert!(told.elapsed() < Duration::from_secs(20), "{:?}", told.elapsed());
    child.kill().unwrap();
    child.wait().unwrap();
}
