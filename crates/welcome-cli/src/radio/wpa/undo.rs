//! Remembers what was changed in wpa_supplicant, and puts it back.
//!
//! In: what is about to be changed. Out: the same networks enabled and selected as before.
//!
//! wpa_supplicant gives the number of a removed network to the next one that is added, and forgets ours when it is
//! restarted. So a number alone is never removed: name and BSSID must be ours, too.

use super::super::memory::Memory;
use serde::{Deserialize, Serialize};
use std::path::Path;
use welcome_proto::{Bssid, Ssid};
use wpa_ctrl::reply::{Link, Network};
use wpa_ctrl::{Control, Error, supplicant};

/// What was changed on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Change {
    /// The number of our network, once it is known.
    id: Option<u32>,
    ssid: Ssid,
    bssid: Bssid,
    /// All networks that were there before.
    before: Vec<Former>,
}

/// A network that was there before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Former {
    id: u32,
    /// In hexadecimal, since a network without a name is possible.
    ssid: String,
    enabled: bool,
    current: bool,
}

/// What is to be put back on one interface.
#[derive(Debug)]
pub(in super::super) struct Undo {
    pub(in super::super) memory: Memory<Change>,
}

impl Undo {
    /// Takes up the memory of an interface, which may hold what an earlier run left behind.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(super) fn load(dir: &Path, interface: &str) -> anyhow::Result<Self> {
        Ok(Self { memory: Memory::load(dir, format!("added-{interface}.json"))? })
    }

    /// Whether the connection is by the network that was added.
    pub(super) fn owns(&self, link: &Link) -> bool {
        self.memory.change().is_some_and(|change| {
            link.id == change.id
                && link.ssid.as_deref() == Some(change.ssid.as_bytes())
                && link.bssid == Some(change.bssid.mac().0)
        })
    }

    /// Remembers how things are, before a network is added.
    ///
    /// # Errors
    /// When wpa_supplicant does not answer, or the memory cannot be written.
    pub(super) async fn begin(&mut self, control: &mut Control, ssid: &Ssid, bssid: Bssid) -> anyhow::Result<()> {
        let before = supplicant::networks(control).await?;
        let former = |network: Network| Former {
            id: network.id,
            ssid: wpa_ctrl::text::format_hex(&network.ssid),
            enabled: !network.disabled,
            current: network.current,
        };
        let before = before.into_iter().map(former).collect();
        self.memory.remember(Change { id: None, ssid: ssid.clone(), bssid, before })
    }

    /// Remembers the number that our network got.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub(super) fn added(&mut self, id: u32) -> anyhow::Result<()> {
        match self.memory.change().cloned() {
            Some(change) => self.memory.remember(Change { id: Some(id), ..change }),
            None => Ok(()),
        }
    }

    /// Puts everything back. What fails does not keep the rest from being done; tells whether there was something.
    ///
    /// # Errors
    /// The first thing that failed. What an unreachable wpa_supplicant has not taken back stays remembered.
    pub(super) async fn put_back(&mut self, control: &mut Control) -> anyhow::Result<bool> {
        let Some(change) = self.memory.change() else { return Ok(false) };
        let networks = supplicant::networks(control).await?;
        let mut first_error = None;
        let mut note = |result: Result<(), Error>| {
            if let Err(error) = result {
                first_error.get_or_insert(error);
            }
        };
        let ours: Vec<u32> = networks.iter().filter(|network| change.owns(network)).map(|network| network.id).collect();
        if !ours.is_empty() {
            let still = |former: &&Former| {
                networks
                    .iter()
                    .any(|network| network.id == former.id && wpa_ctrl::text::format_hex(&network.ssid) == former.ssid)
            };
            let (current, others): (Vec<_>, Vec<_>) =
                change.before.iter().filter(still).filter(|f| f.enabled).partition(|former| former.current);
            // Selecting one disables all others, so it comes first.
            for former in current {
                note(supplicant::select_network(control, former.id).await);
            }
            for former in others {
                note(supplicant::enable_network(control, former.id).await);
            }
            // Last, so that whoever is interrupted here finds it again and does the rest.
            for id in &ours {
                note(supplicant::remove_network(control, *id).await);
            }
        }
        match first_error {
            // What was refused would be refused again.
            Some(error) if !matches!(error, Error::Refused { .. }) => Err(error.into()),
            error => {
                self.memory.forget()?;
                error.map_or(Ok(!ours.is_empty()), |error| Err(error.into()))
            }
        }
    }
}

impl Change {
    fn owns(&self, network: &Network) -> bool {
        let ours = network.ssid == self.ssid.as_bytes() && network.bssid == Some(self.bssid.mac().0);
        // Whoever was interrupted between adding a network and naming it.
        let unnamed = network.ssid.is_empty() && network.bssid.is_none() && network.disabled;
        // Named, and not yet bound to its BSSID.
        let half = network.ssid == self.ssid.as_bytes() && network.bssid.is_none() && network.disabled;
        match self.id {
            Some(id) => network.id == id && (ours || half || unnamed),
            None => unnamed && self.before.iter().all(|former| former.id != network.id),
        }
    }
}
