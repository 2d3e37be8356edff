//! What happens around the agent: who joins, who leaves, who has which address.
//!
//! Each source is a task of its own and gives the same events; what is above cannot tell which. Never waits on the
//! program it listens to, and never decides anything.

pub mod address;
pub mod control;
pub mod neighbour;

use std::net::IpAddr;
use std::time::Instant;

use tokio::sync::mpsc;
use welcome_core::{Event, Rules};

use crate::clock::Clock;
use crate::config::Config;
use crate::tasks::Tasks;

/// An event and the moment it was read, before anything else was done with it.
#[derive(Debug)]
pub struct Heard {
    /// When.
    pub at: Instant,
    /// What.
    pub event: Event,
}

impl Heard {
    /// Something that is so at this moment.
    #[must_use]
    pub fn now(event: Event) -> Self {
        Self { at: Instant::now(), event }
    }
}

/// Starts the sources the configuration asks for. Addresses that come by `wanted` are looked for.
///
/// # Errors
/// If the kernel's neighbour table cannot be watched.
pub fn start(
    config: &Config,
    clock: Clock,
    tasks: &mut Tasks,
    to: &mpsc::Sender<Heard>,
    wanted: mpsc::Receiver<IpAddr>,
) -> anyhow::Result<()> {
    for ifname in ifnames(&config.rules) {
        let watch = control::Watch::new(ifname, &config.hostapd_dir, clock);
        tasks.spawn("watch::control", watch.run(to.clone(), tasks.stop_signal()));
    }
    let addresses = address::Watch::new(&config.leases, neighbour::Neighbours::open()?, wanted);
    tasks.spawn("watch::address", addresses.run(to.clone(), tasks.stop_signal()));
    Ok(())
}

fn ifnames(rules: &Rules) -> impl Iterator<Item = &str> {
    rules.networks.values().flat_map(|n| n.ifnames.iter().map(String::as_str))
}
