//! The Wi-Fi interface, whoever manages it.
//!
//! In: what to scan for, what to join. Out: what was heard, what the interface is connected to, and [`Event`]s. Whatever
//! was changed on this computer is remembered until it is put back.
//!
//! There are two ports: `wpa` speaks to wpa_supplicant, `nm` to NetworkManager. Everything above cannot tell which.
//! Neither writes a network into anybody's configuration.

mod find;
mod here;
mod memory;
mod nm;
mod security;
mod wpa;

use crate::exit::Failure;
use crate::output::Output;
use std::path::{Path, PathBuf};
use std::time::Duration;
use welcome_client::{Candidate, Sighting};

pub use find::interface;
pub use here::bssid;

/// Which interface is wanted, and who is to be asked for it.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Its name; the first Wi-Fi interface if absent.
    pub interface: Option<String>,
    /// Who manages it.
    pub manager: Manager,
    /// Where wpa_supplicant has its control sockets, if not in one of the usual places.
    pub ctrl_dir: Option<PathBuf>,
}

/// Who manages the interface.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Manager {
    /// NetworkManager where it has the interface, else wpa_supplicant
    #[default]
    Auto,
    /// wpa_supplicant, by its control socket
    Wpa,
    /// NetworkManager, over D-Bus
    Nm,
}

/// What the interface is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Nothing.
    Free,
    /// A network that this program joined.
    Ours,
    /// A network that somebody else chose.
    Other,
}

/// What happened on the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// It is connected; [`Radio::link`] says to what.
    Joined,
    /// It is connected to nothing.
    Lost,
    /// Somebody's scan has ended.
    Results,
    /// Whoever manages the interface has ended; this radio is of no more use.
    Gone,
}

/// How to join.
#[derive(Debug, Clone, Copy)]
pub struct Joining {
    /// How long joining may take.
    pub within: Duration,
    /// Until when the network is to stay.
    pub stay: Stay,
}

/// Until when a joined network is to stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stay {
    /// Until `welcome leave`; this program may end before.
    UntilLeft,
    /// As long as this program runs.
    WhileWeRun,
}

/// A Wi-Fi interface, and the memory of what was changed on it.
pub struct Radio {
    interface: String,
    port: Port,
}

enum Port {
    Wpa(Box<wpa::Wpa>),
    Nm(Box<nm::Nm>),
}

impl Radio {
    /// Finds the interface and whoever manages it.
    ///
    /// # Errors
    /// When there is none, or its manager cannot be reached.
    pub async fn open(wanted: &Wanted, state: &Path) -> Result<Self, Failure> {
        let find::Found { interface, by } = find::find(wanted).await?;
        let port = match by {
            find::By::Wpa { socket } => Port::Wpa(Box::new(wpa::Wpa::open(&socket, state, &interface).await?)),
            find::By::Nm { bus, device } => Port::Nm(Box::new(nm::Nm::open(bus, device, state, &interface).await?)),
        };
        tracing::debug!(%interface, manager = if matches!(port, Port::Wpa(_)) { "wpa" } else { "nm" }, "radio");
        Ok(Self { interface, port })
    }

    /// The interface's name.
    #[must_use]
    pub fn interface(&self) -> &str {
        &self.interface
    }

    /// Scans these frequencies in MHz, or all when there are none. NetworkManager always scans all.
    ///
    /// # Errors
    /// When no scan ends in time.
    pub async fn scan(&mut self, freqs: &[u32]) -> Result<Vec<Sighting>, Failure> {
        match &mut self.port {
            Port::Wpa(port) => port.scan(freqs).await,
            Port::Nm(port) => port.scan().await,
        }
    }

    /// What was heard lately, in whoever's scan.
    ///
    /// # Errors
    /// When its manager does not answer.
    pub async fn heard(&mut self) -> Result<Vec<Sighting>, Failure> {
        match &mut self.port {
            Port::Wpa(port) => port.heard().await,
            Port::Nm(port) => port.heard().await,
        }
    }

    /// What the interface is connected to.
    ///
    /// # Errors
    /// When its manager does not answer.
    pub async fn link(&mut self) -> Result<Link, Failure> {
        match &mut self.port {
            Port::Wpa(port) => port.link().await,
            Port::Nm(port) => port.link().await,
        }
    }

    /// Joins a network, in the place of whatever the interface is connected to. Afterwards wpa_supplicant has the keys
    /// in place and somebody has to ask for an address; NetworkManager has done that, too.
    ///
    /// # Errors
    /// [`Failure::Join`] with the reason; the rest when the manager does not do as it is asked.
    ///
    /// # Cancel safety
    /// Whatever was changed by then, [`Radio::put_back`] knows.
    pub async fn join(&mut self, to: &Candidate, how: Joining, output: &Output) -> Result<(), Failure> {
        match &mut self.port {
            Port::Wpa(port) => port.join(to, how, output).await,
            Port::Nm(port) => port.join(to, how, output).await,
        }
    }

    /// What happens next on the interface; nothing is asked meanwhile.
    ///
    /// # Errors
    /// When the manager does not answer.
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next(&mut self) -> Result<Event, Failure> {
        match &mut self.port {
            Port::Wpa(port) => port.next().await,
            Port::Nm(port) => Ok(port.next().await),
        }
    }

    /// Whether this process has changed something that it may have to put back.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        match &self.port {
            Port::Wpa(port) => port.undo.memory.is_unfinished(),
            Port::Nm(port) => port.memory.is_unfinished(),
        }
    }

    /// Whether an earlier process was ended before it could put back what it changed.
    #[must_use]
    pub fn is_left_behind(&self) -> bool {
        match &self.port {
            Port::Wpa(port) => port.undo.memory.is_left_behind(),
            Port::Nm(port) => port.memory.is_left_behind(),
        }
    }

    /// What was joined is meant to stay until `welcome leave`.
    ///
    /// # Errors
    /// When that cannot be written down.
    pub fn settle(&mut self) -> Result<(), Failure> {
        match &mut self.port {
            Port::Wpa(port) => port.undo.memory.settle()?,
            Port::Nm(port) => port.memory.settle()?,
        }
        Ok(())
    }

    /// Puts everything back as it was before this program, or an earlier run of it, joined something; tells whether there
    /// was something.
    ///
    /// # Errors
    /// The first thing that failed. What could not be taken back stays remembered.
    pub async fn put_back(&mut self) -> Result<bool, Failure> {
        match &mut self.port {
            Port::Wpa(port) => port.put_back().await,
            Port::Nm(port) => port.put_back().await,
        }
    }
}

/// How long putting back may take altogether.
pub const PUT_BACK_WITHIN: Duration = Duration::from_secs(5);
/// A scan of all channels of three bands takes about ten seconds.
const SCAN_WITHIN: Duration = Duration::from_secs(25);
/// What was heard longer ago than this counts as gone. Managers remember it for minutes.
const FRESH_S: u32 = 30;
