//! The part of the configuration that decisions need.

use sorted::{SortedMap, SortedSet};
use std::time::Duration;

use welcome_proto::announce::Place;
use welcome_proto::offer::Offer;
use welcome_proto::{NetworkId, Secret};

/// What the sharer wants. Checked before it comes here; the core takes it as it is.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Rules {
    /// The shared networks.
    pub networks: SortedMap<NetworkId, NetworkRules>,
    /// The router's own offers.
    pub offers: Vec<Offer>,
    /// Whether the directory may have a network carry the name of a challenge, and ask what is heard of others'.
    pub ownership: bool,
}

/// One shared network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkRules {
    /// The access point interfaces whose stations belong to it, e.g. `wlan0` or `phy0-ap1`. No interface stands in
    /// two networks.
    pub ifnames: SortedSet<String>,
    /// The `wifi-iface` sections in `/etc/config/wireless` whose interfaces belong to it as well; netifd tells which
    /// those are.
    pub sections: SortedSet<String>,
    /// How to tell a guest from the owner.
    pub credential: CredentialRule,
    /// What the directory may know; `None`: nothing, not even that the network is there.
    pub announce: Option<AnnounceRules>,
    /// How far the agent may go to reach a person.
    pub mode: Mode,
    /// What holds with [`Mode::Gate`].
    pub gate: Gate,
}

/// How far the agent may go to reach a person. Each contains the ones before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Mode {
    /// Third-party clients get the offers; nothing else happens.
    App,
    /// Systems that ask for it are told of the page (RFC 8910).
    #[default]
    Notify,
    /// The station's first probes for a captive portal lead to the page.
    Splash,
    /// The Internet is held until somebody has pressed the page's button.
    Gate,
}

impl Mode {
    /// All of them, the mildest first.
    pub const ALL: [Self; 4] = [Self::App, Self::Notify, Self::Splash, Self::Gate];

    /// As in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ["app", "notify", "splash", "gate"][self as usize]
    }
}

/// How a gate behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gate {
    /// For how long it stands open after the button was pressed.
    pub time: Duration,
    /// Whether stations are let through when the agent is gone, and those that were there before it.
    pub fails_open: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self { time: Duration::from_secs(12 * 3600), fails_open: true }
    }
}

/// How to tell a guest from the owner.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum CredentialRule {
    /// The network is for guests alone: whoever joins is one. Works with every kind of protection.
    #[default]
    Bss,
    /// By which passphrase was used: its `keyid` (`wpa_psk_file`), which hostapd tells for WPA2, or what was learned by
    /// [`crate::Event::KeyUsed`].
    Key {
        /// Key ids of guests.
        shared: SortedSet<String>,
        /// Key ids of the owner's devices.
        owner: SortedSet<String>,
        /// Whether a key without an id, or with another one, counts as a guest's.
        unknown_is_shared: bool,
    },
}

impl CredentialRule {
    /// Which credential a station used that came with `key`, as far as these rules can tell.
    #[must_use]
    pub fn classify(&self, key: Option<&str>) -> Credential {
        match (self, key) {
            (Self::Bss, _) => Credential::Shared,
            (Self::Key { shared, .. }, Some(key)) if shared.contains(key) => Credential::Shared,
            (Self::Key { owner, .. }, Some(key)) if owner.contains(key) => Credential::Owner,
            (Self::Key { .. }, _) => Credential::Unknown,
        }
    }

    /// Whether a station with this credential is greeted.
    #[must_use]
    pub fn greets(&self, credential: Credential) -> bool {
        match (credential, self) {
            (Credential::Shared, _) => true,
            (Credential::Unknown, Self::Key { unknown_is_shared, .. }) => *unknown_is_shared,
            (Credential::Owner | Credential::Unknown, _) => false,
        }
    }
}

/// Which key a station used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Credential {
    /// The shared one: a guest.
    Shared,
    /// The owner's: left alone.
    Owner,
    /// Nobody can tell.
    Unknown,
}

impl Credential {
    /// The word of the documentation.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Shared => "shared",
            Self::Owner => "owner",
            Self::Unknown => "unknown",
        }
    }
}

/// What the directory may know of a network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AnnounceRules {
    /// The shared key, if the directory may hand it out.
    pub key: Option<Secret>,
    /// Whether the directory may hand out the passphrase that netifd has for the network, where `key` is none.
    pub key_of_netifd: bool,
    /// Where the network is.
    pub place: Option<Place>,
}

impl NetworkRules {
    /// Whether the directory may hand out the passphrase that netifd has for this network. With several keys on one
    /// BSS netifd's is the owner's.
    #[must_use]
    pub fn shares_key_of_netifd(&self) -> bool {
        self.credential == CredentialRule::Bss && self.announce.as_ref().is_some_and(|a| a.key_of_netifd)
    }
}

impl Rules {
    /// The network an interface belongs to.
    #[must_use]
    pub fn network_on(&self, ifname: &str) -> Option<(&NetworkId, &NetworkRules)> {
        self.networks.iter().find(|(_, n)| n.ifnames.contains(ifname))
    }
}
