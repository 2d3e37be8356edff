//! A hundred guests at once: a train has come in, or the router's radio has started again.
//!
//! Each burst is of others than those before, who have left a moment ago and are still known, since they may come back:
//! the tenth meets nine hundred visits.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::program::Agent;
use crate::{guests, row};

const BURSTS: u32 = 10;
const GUESTS: u32 = 100;
/// For a burst to be over; nobody asks the agent anything meanwhile.
const SETTLE: Duration = Duration::from_millis(500);

pub(crate) fn measure(program: &Path) {
    let dir = tempfile::tempdir().unwrap();
    let hostapd = guests::access_point(dir.path());
    let agent = Agent::start(program, dir.path(), "", guests::NETWORK);
    agent.wait("the agent listens to hostapd", || hostapd.attached() == 1);
    std::thread::sleep(SETTLE);
    let mut all = Vec::new();
    for burst in 0..BURSTS {
        let names: Vec<_> = (0..GUESTS).map(|n| guests::mac(burst * GUESTS + n)).collect();
        for name in &names {
            hostapd.join(name, Some("shared"));
        }
        std::thread::sleep(SETTLE);
        agent.wait("the agent has handled the burst", || agent.status()["latency"]["count"] == (burst + 1) * GUESTS);
        all.extend(took(&agent, &names));
        for name in &names {
            hostapd.leave(name);
        }
        std::thread::sleep(SETTLE / 2);
    }
    all.sort_unstable();
    row("agent.burst100.p50", &all[all.len() / 2], "us");
    row("agent.burst100.p99", &all[(all.len() * 99).div_ceil(100) - 1], "us");
}

/// The agent's own figures for these guests: from the moment its reader has hostapd's datagram to the picture in which
/// the offer stands, out of which every answer is made. The reader is a thread that does nothing else and stamps first;
/// what is left out is how long the kernel takes to wake it.
fn took(agent: &Agent<'_>, names: &[String]) -> Vec<u64> {
    let status = agent.status();
    let sessions = status["sessions"].as_array().unwrap();
    let by_name: BTreeMap<_, _> = sessions.iter().map(|s| (s["mac"].as_str(), s)).collect();
    let took = names.iter().map(|name| by_name[&Some(name.as_str())]["ready_us"].as_u64());
    took.map(|us| us.expect("a guest of the latest burst is measured")).collect()
}
