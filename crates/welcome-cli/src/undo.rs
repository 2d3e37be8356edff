//! Remembers what was changed in wpa_supplicant, and puts it back.
//!
//! In: what is about to be changed. Out: the same networks enabled and selected as before. The memory is on disk while
//! the change lasts, so that `welcome leave` or the next start can put back what a crash left behind.
//!
//! wpa_supplicant gives the number of a removed network to the next one that is added, and forgets ours when it is
//! restarted. So a number alone is never removed: name and BSSID must be ours, too.

use crate::kept;
use serde::{Deserialize, Serialize};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use welcome_proto::{Bssid, Ssid};
use wpa_ctrl::reply::Network;
use wpa_ctrl::{Control, Error, supplicant};

/// What was changed on one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Change {
    /// The number of our network, once it is known.
    id: Option<u32>,
    ssid: Ssid,
    bssid: Bssid,
    /// All networks that were there before.
    before: Vec<Former>,
    /// It was meant to stay; anything else was left behind by a crash.
    #[serde(default)]
    is_settled: bool,
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

/// The memory of one interface.
#[derive(Debug)]
pub struct Undo {
    dir: PathBuf,
    file: String,
    change: Option<Change>,
    /// This process made the change.
    is_ours: bool,
}

impl Undo {
    /// Takes up the memory of an interface, which may hold what an earlier run left behind.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn load(dir: &Path, interface: &str) -> anyhow::Result<Self> {
        let file = format!("added-{interface}.json");
        let change = kept::load(dir, &file, MAX_BYTES)?;
        Ok(Self { dir: dir.to_owned(), file, change, is_ours: false })
    }

    /// Whether this process has changed something that it may have to put back.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        self.is_ours && self.change.is_some()
    }

    /// Whether an earlier process was ended before it could put back what it changed.
    #[must_use]
    pub fn is_left_behind(&self) -> bool {
        !self.is_ours && self.change.as_ref().is_some_and(|change| !change.is_settled)
    }

    /// The change is meant to stay until `welcome leave`.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn settle(&mut self) -> anyhow::Result<()> {
        match self.change.clone() {
            Some(change) => self.remember(Change { is_settled: true, ..change }),
            None => Ok(()),
        }
    }

    /// Remembers how things are, before a network is added.
    ///
    /// # Errors
    /// When wpa_supplicant does not answer, or the memory cannot be written.
    pub async fn begin(&mut self, control: &mut Control, ssid: &Ssid, bssid: Bssid) -> anyhow::Result<()> {
        let before = supplicant::networks(control).await?;
        let former = |network: Network| Former {
            id: network.id,
            ssid: wpa_ctrl::text::format_hex(&network.ssid),
            enabled: !network.disabled,
            current: network.current,
        };
        let before = before.into_iter().map(former).collect();
        self.is_ours = true;
        self.remember(Change { id: None, ssid: ssid.clone(), bssid, before, is_settled: false })
    }

    /// Remembers the number that our network got.
    ///
    /// # Errors
    /// When the memory cannot be written.
    pub fn added(&mut self, id: u32) -> anyhow::Result<()> {
        match self.change.clone() {
            Some(change) => self.remember(Change { id: Some(id), ..change }),
            None => Ok(()),
        }
    }

    /// Puts everything back. What fails does not keep the rest from being done; tells whether there was something.
    ///
    /// # Errors
    /// The first thing that failed. What an unreachable wpa_supplicant has not taken back stays remembered.
    pub async fn put_back(&mut self, control: &mut Control) -> anyhow::Result<bool> {
        let Some(change) = &self.change else { return Ok(false) };
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
                self.forget()?;
                error.map_or(Ok(!ours.is_empty()), |error| Err(error.into()))
            }
        }
    }

    fn remember(&mut self, change: Change) -> anyhow::Result<()> {
        // In memory first: what cannot be written can still be put back by this process.
        self.change = Some(change);
        kept::save(&self.dir, &self.file, &self.change)
    }

    fn forget(&mut self) -> anyhow::Result<()> {
        self.change = None;
        match fs::remove_file(self.dir.join(&self.file)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
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

/// How long putting back may take altogether.
pub const WITHIN: Duration = Duration::from_secs(5);
const MAX_BYTES: u64 = 1 << 20;
