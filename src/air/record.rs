//! Which radios carry a challenge, and the names that are theirs: a file in memory, beside the status socket.
//!
//! It is there before anything is changed and until all is undone, for whoever has to undo it: the agent after a crash,
//! the guard, or `welcomed restore`. A reboot takes it away, and with it all that it would undo.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use welcome_proto::challenge::ChallengeName;
use welcome_proto::{ChallengeId, Ssid};

use crate::file::replace;

/// Where it is, unless the status socket is elsewhere.
pub const DEFAULT_FILE: &str = "/var/run/welcomed/air.json";

/// What is on the air and not its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Which challenge.
    pub id: ChallengeId,
    /// What is carried.
    pub name: ChallengeName,
    /// When the guard takes it off, in seconds since the machine started.
    pub due_s: u64,
    /// By whom.
    pub bss: Vec<Carried>,
    /// Where hostapd's control sockets are.
    pub hostapd_dir: PathBuf,
    /// Where ubusd listens.
    pub ubus_socket: PathBuf,
}

/// One BSS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Its interface.
    pub ifname: String,
    /// Its own name.
    pub own: Ssid,
    /// How it was changed, and is to be changed back.
    pub way: Way,
}

/// How a BSS is given a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By hostapd's control socket.
    Control,
    /// By the configuration.
    Uci {
        /// Its section in `/etc/config/wireless`.
        section: String,
    },
}

/// The file.
#[derive(Debug, Clone)]
pub struct File(PathBuf);

impl File {
    /// This one.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// That of an agent with this status socket.
    #[must_use]
    pub fn beside(status_socket: &Path) -> Self {
        Self(status_socket.with_file_name("air.json"))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Notes it.
    ///
    /// # Errors
    /// If that cannot be done.
    pub fn write(&self, record: &Record) -> io::Result<()> {
        replace(&self.0, &serde_json::to_vec(record)?)
    }

    /// What was noted, if anything. What cannot be read is nothing that can be undone.
    #[must_use]
    pub fn read(&self) -> Option<Record> {
        let mut text = Vec::new();
        std::fs::File::open(&self.0).ok()?.take(MAX_FILE).read_to_end(&mut text).ok()?;
        serde_json::from_slice(&text).ok()
    }

    /// All is undone.
    pub fn remove(&self) {
        // It may be gone: whoever else undid it has removed it.
        let _gone = std::fs::remove_file(&self.0).is_ok();
    }
}

/// A router has at most 64 BSS.
const MAX_FILE: u64 = 64 * 1024;
