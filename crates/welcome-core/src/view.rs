//! A read-only picture of what the agent knows, for the portal and the status.

use sorted::SortedMap;
use std::net::IpAddr;
use std::sync::Arc;

use welcome_proto::challenge::NetworkStanding;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::signed::Signed;
use welcome_proto::{Mac, NetworkId, Ssid};

use crate::calendar::Wait;
use crate::door::Access;
use crate::event::{Bss, Given, ServerLink};
use crate::now::Instant;
use crate::rules::{Credential, Mode};
use crate::visit::SessionId;

/// Everything that may be shown. Cheap to clone: visits are shared with the picture before.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct View {
    /// All visits, of guests and of others; a station that left stays for a short while.
    pub sessions: SortedMap<SessionId, Arc<SessionView>>,
    /// Whose address is whose.
    pub by_ip: SortedMap<IpAddr, SessionId>,
    /// The shared networks.
    pub networks: SortedMap<NetworkId, NetworkView>,
    /// The offers the router holds, its own first.
    pub offers: Vec<HeldOffer>,
    /// How the agent stands with its server.
    pub server: ServerLink,
}

impl View {
    /// The visit behind an address.
    #[must_use]
    pub fn session_at(&self, ip: IpAddr) -> Option<&Arc<SessionView>> {
        self.sessions.get(self.by_ip.get(&ip)?)
    }
}

/// One visit.
#[derive(Debug, Clone, PartialEq)]
pub struct SessionView {
    /// Its name.
    pub id: SessionId,
    /// Who.
    pub mac: Mac,
    /// Where.
    pub network: NetworkId,
    /// The name of the network on the air, if its radio has told.
    pub ssid: Option<Ssid>,
    /// The interface the station is, or was last, on.
    pub ifname: String,
    /// Which key it used.
    pub credential: Credential,
    /// Whether this is somebody to greet.
    pub guest: bool,
    /// Whether it is on the air; otherwise it left a moment ago.
    pub on_air: bool,
    /// When the visit began.
    pub since: Instant,
    /// How far the agent may go with it.
    pub mode: Mode,
    /// What of ours is in its way.
    pub access: Access,
    /// When the gate closes again that stands open for it.
    pub until: Option<Instant>,
    /// Whether somebody said at it that no messages are wanted.
    pub declined: bool,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What it is offered, best first; empty unless it is a guest.
    pub offers: Vec<OfferView>,
}

impl SessionView {
    /// The offers that are still to be shown, best first.
    pub fn due(&self) -> impl Iterator<Item = &OfferView> {
        self.offers.iter().filter(|o| o.due)
    }
}

/// One offer of a visit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferView {
    /// Who speaks.
    pub sender: Sender,
    /// What.
    pub offer: Arc<Offer>,
    /// The operator's signature; the router's own offers have none.
    pub signed: Option<Arc<Signed>>,
    /// How often this visit has seen it.
    pub shown: u8,
    /// Whether it is to be shown (again).
    pub due: bool,
}

/// An offer that the router holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOffer {
    /// Whose and which.
    pub given: Given,
    /// Why it is shown to nobody at this moment, if so.
    pub waits: Option<Wait>,
}

/// One shared network.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct NetworkView {
    /// Its BSS that are on the air, by interface.
    pub bss: Vec<Bss>,
    /// Whether the server is told of it.
    pub announced: bool,
    /// How it stands with the directory, by the server's word.
    pub standing: Option<NetworkStanding>,
    /// Until when it carries a challenge.
    pub challenge: Option<Instant>,
    /// Guests' visits since the agent started.
    pub arrived: u32,
    /// Offers shown since the agent started.
    pub shown: u32,
    /// Visits greeted on this day, as far as the agent has been running in it.
    pub greeted_today: u32,
}
