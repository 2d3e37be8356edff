//! What the status tells: the types of its JSON, and the same as text for a person. Pure.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use welcome_core::ServerLink;
use welcome_proto::offer::Sender;
use welcome_proto::{Bssid, Mac, NetworkId, OfferId, Ssid};

use crate::meter::Summary;

/// Everything there is to tell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(default)]
    pub latency: Option<Summary>,
    /// What waits for the server.
    pub reports: Backlog,
    /// Why guests are not caught or held as they should be; absent while they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub firewall: Option<String>,
    /// The shared networks.
    pub networks: BTreeMap<NetworkId, NetworkStatus>,
    /// The offers the router holds, its own first.
    pub offers: Vec<HeldOffer>,
    /// The visits.
    pub sessions: Vec<SessionStatus>,
    /// Whether there are more visits, for which an answer over ubus has no room.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// How the agent stands with its server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Backlog {
    /// How many wait.
    pub waiting: usize,
    /// How many were dropped since the server was last told.
    pub dropped: u32,
}

/// One shared network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkStatus {
    /// Its BSS that are on the air.
    pub bss: Vec<BssStatus>,
    /// Whether the server is told of it.
    pub announced: bool,
    /// Stations on the air.
    pub stations: usize,
    /// Those of them that are guests.
    pub guests: usize,
    /// Guests' visits since the agent started.
    pub arrived: u32,
    /// Offers shown since the agent started.
    pub shown: u32,
    /// Visits that were shown something on this day, as far as the agent has been running in it.
    #[serde(default)]
    pub greeted_today: u32,
}

/// One BSS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldOffer {
    /// Who speaks.
    pub sender: Sender,
    /// Which.
    pub id: OfferId,
    /// Its one line.
    pub title: String,
    /// Why it is shown to nobody at this moment, in words; absent if it can be shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<String>,
}

/// One visit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_s: Option<u64>,
    /// Whether somebody said at it that no messages are wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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

/// For a person.
impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "welcomed {}, running for {}", self.version, Span(self.uptime_s))?;
        match &self.server {
            ServerStatus::None => writeln!(f, "server: none configured; the router works alone")?,
            ServerStatus::Connected => writeln!(f, "server: connected")?,
            ServerStatus::Away { reason } => writeln!(f, "server: not connected: {reason}")?,
        }
        let Backlog { waiting, dropped } = self.reports;
        if waiting > 0 || dropped > 0 {
            writeln!(f, "reports: {waiting} waiting for the server, {dropped} lost")?;
        }
        if let Some(trouble) = &self.firewall {
            writeln!(f, "firewall: guests are not caught or held as they should be: {trouble}")?;
        }
        if self.networks.is_empty() {
            writeln!(f, "networks: none configured")?;
        }
        if self.offers.is_empty() {
            writeln!(f, "offers: none; nobody is greeted until there is one")?;
        }
        for HeldOffer { sender, id, title, waits } in &self.offers {
            let from = match sender {
                Sender::Device => "this router's",
                Sender::Sharer => "the sharer's",
                Sender::Server => "the server's",
            };
            let waits = waits.as_ref().map(|why| format!("; {why}")).unwrap_or_default();
            writeln!(f, "offer {id} ({from}): {title:?}{waits}")?;
        }
        for (id, network) in &self.networks {
            let listed = match (network.announced, &self.server) {
                (false, _) | (true, ServerStatus::None) => "not listed",
                (true, ServerStatus::Away { .. }) => "to be listed when the server is reached",
                (true, ServerStatus::Connected) => "listed at the server",
            };
            writeln!(f, "network {id} ({listed}):")?;
            if network.bss.is_empty() {
                writeln!(f, "  not on the air: hostapd has none of its interfaces")?;
            }
            for BssStatus { ifname, bssid, ssid, freq } in &network.bss {
                let mut channel = String::new();
                if let Some(freq) = freq {
                    write!(channel, ", {freq} MHz")?;
                }
                writeln!(f, "  on the air: \"{ssid}\" by {ifname} ({bssid}{channel})")?;
            }
            let NetworkStatus { stations, guests, arrived, shown, greeted_today, .. } = network;
            writeln!(f, "  here now: {}, {} of them guests", Count(*stations, "device"), guests)?;
            let arrived = Count(*arrived as usize, "visit");
            writeln!(f, "  since the start: {arrived}; messages shown: {shown}; greeted today: {greeted_today}")?;
        }
        if let Some(Summary { p50_us, p99_us, .. }) = self.latency {
            let ms = |us: u32| f64::from(us) / 1000.0;
            writeln!(
                f,
                "a guest's messages are ready in {:.1} ms, in 99 of 100 cases in {:.1} ms",
                ms(p50_us),
                ms(p99_us)
            )?;
        }
        Ok(())
    }
}

struct Count(usize, &'static str);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, what) = self;
        write!(f, "{count} {what}{}", if *count == 1 { "" } else { "s" })
    }
}

/// Seconds as a person says them.
struct Span(u64);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            s @ 0..60 => write!(f, "{s} s"),
            s @ 60..3600 => write!(f, "{} min", s / 60),
            s @ 3600..86_400 => write!(f, "{} h {} min", s / 3600, s / 60 % 60),
            s => write!(f, "{} d {} h", s / 86_400, s / 3600 % 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_said_in_two_units_at_most() {
        let spans = [59, 3599, 3600, 90_000].map(|s| Span(s).to_string());
        assert_eq!(spans, ["59 s", "59 min", "1 h 0 min", "1 d 1 h"]);
    }
}
