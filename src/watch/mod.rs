//! What happens around the agent: who joins, who leaves, who has which address.
//!
//! [`wireless`] finds out which interfaces are ours ([`ours`]); [`air`] listens to each of them ([`bss`], [`listen`],
//! [`roster`]) by the control socket ([`control`]) or by ubus ([`hostapd`]); [`auth`] lets hostapd tell guests' keys from
//! the owner's; [`dhcp`] and [`address`] ([`neighbour`]) learn addresses. All give the same events, whichever way they
//! heard of them. Never waits on the program it listens to, never keeps it waiting, and never decides anything.

pub mod address;
pub mod air;
pub mod auth;
pub mod bss;
pub mod control;
pub mod dhcp;
pub mod hostapd;
pub mod listen;
pub mod neighbour;
pub mod ours;
pub mod roster;
pub mod wireless;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{mpsc, watch};
use tokio_ubus::Client;
use welcome_core::Event;

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

    /// Hands it on, as soon as there is room.
    pub async fn tell(self, to: &mpsc::Sender<Self>) {
        // It fails when the agent ends, and then nobody needs to know.
        let _ended = to.send(self).await.is_err();
    }
}

/// What the sources need.
#[derive(Debug)]
pub struct Sources {
    /// What the sharer wants; may change.
    pub config: watch::Receiver<Arc<Config>>,
    /// The way to hostapd, netifd and the DHCP servers.
    pub bus: Client,
    /// The time.
    pub clock: Clock,
    /// Where events go.
    pub to: mpsc::Sender<Heard>,
    /// Addresses to look for.
    pub wanted: mpsc::Receiver<IpAddr>,
}

/// Starts the sources the configuration asks for.
///
/// # Errors
/// If the kernel's neighbour table cannot be watched.
pub fn start(sources: Sources, tasks: &mut Tasks) -> anyhow::Result<()> {
    let Sources { config, bus, clock, to, wanted } = sources;
    let start = Arc::clone(&config.borrow());
    let addresses = address::Watch::new(&start.leases, neighbour::Neighbours::open()?, wanted);
    tasks.spawn("watch::address", addresses.run(to.clone(), tasks.stop_signal()));
    tasks.spawn("watch::dhcp", dhcp::run(bus.clone(), to.clone(), tasks.stop_signal()));
    let (wireless, ours) = wireless::Watch::new(config.clone(), bus.clone(), clock, to.clone());
    tasks.spawn("watch::wireless", wireless.run(tasks.stop_signal()));
    let auth = auth::Watch { config, ours: ours.clone(), bus: bus.clone(), to: to.clone() };
    tasks.spawn("watch::auth", auth.run(tasks.stop_signal()));
    let ways = bss::Ways { joins: start.joins, hostapd_dir: start.hostapd_dir.clone(), bus, clock, to, ours };
    tasks.spawn("watch::air", air::run(ways, tasks.stop_signal()));
    Ok(())
}
