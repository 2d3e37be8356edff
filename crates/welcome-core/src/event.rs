//! What may happen.

use sorted::{SortedMap, SortedSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use welcome_proto::announce::Security;
use welcome_proto::challenge::{ChallengeName, NetworkStanding, WitnessReport};
use welcome_proto::lan::ShownOffer;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::signed::Signed;
use welcome_proto::{Bssid, ChallengeId, Digest, Mac, NetworkId, OfferId, Ssid};

use crate::day::Day;
use crate::now::Instant;
use crate::rules::Rules;
use crate::visit::SessionId;
use crate::wireless::Wireless;

/// One thing that happened; every input of the core is one of these.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The configuration was read, at the start or again.
    Rules(Rules),
    /// netifd's access points by interface, all of them.
    Wireless(SortedMap<String, Wireless>),
    /// A BSS is on the air, or something about it changed.
    BssUp(Bss),
    /// The BSS on this interface is gone, or nobody can hear it any more (hostapd ended).
    BssDown {
        /// Its interface.
        ifname: String,
    },
    /// A station is through: associated, and its key was accepted.
    StationAuthorized {
        /// Where.
        ifname: String,
        /// Who.
        mac: Mac,
        /// The `keyid` of its passphrase, if hostapd told one.
        key: Option<String>,
    },
    /// Which passphrase a station used, where hostapd tells that beside the join; around it, on either side.
    KeyUsed {
        /// Where.
        ifname: String,
        /// Who.
        mac: Mac,
        /// As the network's [`crate::CredentialRule::Key`] names it.
        key: String,
    },
    /// A station left a BSS. Not the end of its visit if it is on another of our BSS.
    StationLeft {
        /// Where.
        ifname: String,
        /// Who.
        mac: Mac,
    },
    /// Everybody who is on a BSS at this moment. Mends what lost events left wrong.
    Stations {
        /// Where.
        ifname: String,
        /// When the asking began: what happened to a station after that is newer than this.
        asked: Instant,
        /// All of them.
        present: Vec<Present>,
    },
    /// A station has this address.
    AddressLearned {
        /// Who.
        mac: Mac,
        /// Its address; a station may have several.
        ip: IpAddr,
    },
    /// This address belongs to nobody any more.
    AddressLost {
        /// The address.
        ip: IpAddr,
    },
    /// Somebody asked the portal from an address that is not known.
    AddressWanted {
        /// The address.
        ip: IpAddr,
    },
    /// Offers were put before a guest's eyes.
    Shown {
        /// Whose eyes.
        session: SessionId,
        /// Which offers.
        offers: Vec<ShownOffer>,
    },
    /// The page was put before a guest's eyes, with these offers on it.
    PageOpened {
        /// Whose eyes.
        session: SessionId,
        /// Which offers.
        offers: Vec<ShownOffer>,
    },
    /// Somebody has pressed the button of the page.
    Acknowledged {
        /// Whose visit.
        session: SessionId,
    },
    /// Somebody wants no messages on this network, or wants them again.
    Declined {
        /// Whose visit.
        session: SessionId,
        /// Whether it wants none.
        declined: bool,
    },
    /// A probe for a captive portal was answered with the way to the page.
    Caught {
        /// Whose.
        session: SessionId,
    },
    /// Somebody has something to say to guests who are here at this moment.
    Say {
        /// To whom.
        to: Audience,
        /// What; shown once to each.
        said: Given,
    },
    /// The offers that came from the server, the sharer's and its own, all of them. Their signatures are good.
    ServerOffers(Vec<Given>),
    /// An offer came from the server whose signature is not good.
    Refused {
        /// Whose it said it was.
        sender: Sender,
        /// Which.
        offer: OfferId,
    },
    /// A challenge came from the server, or the early end of one. Its signature is good.
    Challenge(Challenge),
    /// What became of [`crate::Action::Carry`].
    Carried {
        /// Which challenge.
        id: ChallengeId,
        /// The interfaces that carry it, or why none does.
        outcome: Result<Vec<String>, String>,
    },
    /// All radios have their own names, as was asked by [`crate::Action::Carry`] with nothing.
    Restored,
    /// The server wants to know who sends this name. Its signature is good.
    WitnessWanted {
        /// Which call.
        id: ChallengeId,
        /// The name.
        name: ChallengeName,
        /// For how long an answer is of use.
        left: Duration,
    },
    /// What became of [`crate::Action::Listen`].
    Listened {
        /// Which call.
        id: ChallengeId,
        /// What was heard, or why nothing.
        report: WitnessReport,
    },
    /// How the networks stand with the directory, all of them.
    Standing(SortedMap<NetworkId, NetworkStanding>),
    /// The images and pages that are here, all of them.
    Contents(SortedSet<Digest>),
    /// What is remembered of the day, from before a restart or with a new salt.
    Day(Day),
    /// The link to the server changed.
    ServerLink(ServerLink),
    /// A deadline of [`crate::Agent::next_deadline`] has come.
    Tick,
}

/// An offer, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Who speaks.
    pub sender: Sender,
    /// What.
    pub offer: Arc<Offer>,
    /// The operator's signature; the router's own offers have none.
    pub signed: Option<Arc<Signed>>,
}

impl Given {
    /// The router's own.
    #[must_use]
    pub fn by_device(offer: Offer) -> Self {
        Self { sender: Sender::Device, offer: Arc::new(offer), signed: None }
    }
}

/// A challenge of the server's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// Which.
    pub id: ChallengeId,
    /// Which network is to carry it.
    pub network: NetworkId,
    /// What to carry; none means that it is over.
    pub name: Option<ChallengeName>,
    /// For how long.
    pub left: Duration,
}

/// A BSS of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bss {
    /// Its interface, e.g. `phy0-ap0`.
    pub ifname: String,
    /// Its address on the air.
    pub bssid: Bssid,
    /// The name it carries.
    pub ssid: Ssid,
    /// How stations join.
    pub security: Security,
    /// Frequency of the primary channel in MHz, if known.
    pub freq: Option<u16>,
}

/// A station in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Present {
    /// Who.
    pub mac: Mac,
    /// The `keyid` of its passphrase, if hostapd told one.
    pub key: Option<String>,
    /// For how long, if hostapd told.
    pub connected: Option<Duration>,
}

/// To whom something is said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Audience {
    /// Everybody on a network.
    Network(NetworkId),
    /// One station.
    Station(Mac),
}

/// How the agent stands with its server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum ServerLink {
    /// No server is configured.
    #[default]
    None,
    /// Not connected yet, or trying again.
    Away {
        /// Why, for a person: `connect to directory.example: connection refused`.
        reason: String,
    },
    /// Announced, and listening for offers.
    Connected,
}
