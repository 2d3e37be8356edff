//! From a join on the control socket to the offer that it brings.

use std::path::Path;
use std::time::Duration;

use crate::guests::{self, mac};
use crate::program::Agent;
use crate::row;

/// How many joins are measured, one after the other as a busy café's are.
const JOINS: u32 = 2000;
/// How many of them are on the air at a time, as on a full router.
const STATIONS: u32 = 250;

pub(crate) fn measure(program: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let hostapd = guests::access_point(dir.path());
    let agent = Agent::start(program, dir.path(), "", guests::NETWORK);
    agent.wait("the agent listens to hostapd", || hostapd.attached() == 1);
    // Whatever it does first it has done by then.
    std::thread::sleep(Duration::from_secs(3));
    let idle = agent.resident();
    for n in 0..JOINS {
        hostapd.join(mac(n), Some("shared"));
        if n >= STATIONS {
            hostapd.leave(mac(n - STATIONS));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    // Its own figures of the last 256 joins.
    agent.wait("the agent has handled every join", || agent.status()["latency"]["count"] == JOINS);
    let latency = agent.status()["latency"].clone();
    row("agent.event_to_offer.p50", &latency["p50_us"], "us");
    row("agent.event_to_offer.p99", &latency["p99_us"], "us");
    row("agent.rss.idle", &idle, "kB");
}
