//! What the status tells: the types of its JSON. Pure.
//!
//! They are only ever written: who reads the JSON to show it ([`super::text`]) takes out what it shows, so that the router
//! carries no reader of all this.

use sorted::SortedMap;
use std::net::IpAddr;

use serde::Serialize;
use welcome_core::ServerLink;
use welcome_proto::offer::Sender;
use welcome_proto::{Bssid, Mac, NetworkId, OfferId, Ssid};

use crate::meter::Summary;

/// Everything there is to tell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Document {
    /// Of the agent.
    pub version: String,
    /// When the agent started, in seconds of Unix time.
    pub since: f64,
    /// For how long it has been running, by the clock that never jumps.
    pub uptime_s: u64,
    /// How it stands with its server.
    pub server: ServerStatus,
    /// How long joins took; absent before the first.
    pub latency: Option<Summary>,
    /// What waits for the server.
    pub reports: Backlog,
    /// Why guests are not caught or held as they should be; absent while they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub firewall: Option<String>,
    /// The shared networks.
    pub networks: SortedMap<NetworkId, NetworkStatus>,
    /// The offers the router holds, its own first.
    pub offers: Vec<HeldOffer>,
    /// The visits.
    pub sessions: Vec<SessionStatus>,
    /// Whether there are more visits, for which an answer over ubus has no room.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// How the agent stands with its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "link", rename_all = "kebab-case")]
pub enum ServerStatus {
    /// None is configured.
    None,
    /// Trying.
    Away {
        /// Why it is not connected.
        reason: String,
    },
    /// Announced and listening.
    Connected,
}

impl From<&ServerLink> for ServerStatus {
    fn from(link: &ServerLink) -> Self {
        match link {
            ServerLink::None => Self::None,
            ServerLink::Away { reason } => Self::Away { reason: reason.clone() },
            ServerLink::Connected => Self::Connected,
        }
    }
}

/// Reports that are not with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Backlog {
    /// How many wait.
    pub waiting: usize,
    /// How many were dropped since the server was last told.
    pub dropped: u32,
}

/// One shared network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NetworkStatus {
    /// Its BSS that are on the air.
    pub bss: Vec<BssStatus>,
    /// Whether the server is told of it.
    pub announced: bool,
    /// How far the proof is that it is its sharer's, by the server's word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified: Option<&'static str>,
    /// Until when that holds, in seconds of Unix time, if it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verified_until: Option<u64>,
    /// For how long it still carries the name of a challenge, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub challenge_s: Option<u64>,
    /// Stations on the air.
    pub stations: usize,
    /// Those of them that are guests.
    pub guests: usize,
    /// Guests' visits since the agent started.
    pub arrived: u32,
    /// Offers shown since the agent started.
    pub shown: u32,
    /// Visits that were shown something on this day, as far as the agent has been running in it.
    pub greeted_today: u32,
}

/// One BSS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BssStatus {
    /// Its interface.
    pub ifname: String,
    /// Its address on the air.
    pub bssid: Bssid,
    /// The name it carries.
    pub ssid: Ssid,
    /// Frequency of the primary channel in MHz, if known.
    pub freq: Option<u16>,
}

/// One offer that waits on the router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldOffer {
    /// Who speaks.
    pub sender: Sender,
    /// Which.
    pub id: OfferId,
    /// Its one line.
    pub title: String,
    /// Why it is shown to nobody at this moment, in words; absent if it can be shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
}

/// One visit.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SessionStatus {
    /// Its name in the log.
    pub id: String,
    /// Who.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Where.
    pub network: NetworkId,
    /// The interface it is, or was last, on.
    pub ifname: String,
    /// `shared`, `owner` or `unknown`.
    pub credential: String,
    /// Whether this is somebody to greet.
    pub guest: bool,
    /// What of ours is in its way: `open`, `catch` or `held`.
    pub access: String,
    /// For how long the gate still stands open for it, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_s: Option<u64>,
    /// Whether somebody said at it that no messages are wanted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub declined: bool,
    /// Whether it is on the air; otherwise it left a moment ago.
    pub on_air: bool,
    /// When the visit began, in seconds of Unix time, to the microsecond.
    pub heard_at: f64,
    /// From hearing of the station to its offers being there to fetch, in microseconds, if that is known.
    pub ready_us: Option<u32>,
    /// What it is offered, best first.
    pub offers: Vec<OfferStatus>,
}

/// One offer of a visit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OfferStatus {
    /// Who speaks.
    pub sender: Sender,
    /// Which.
    pub id: OfferId,
    /// Its one line.
    pub title: String,
    /// How often this visit has seen it.
    pub shown: u8,
    /// Whether it is to be shown (again).
    pub due: bool,
}
