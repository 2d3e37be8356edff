//! What may be done.

use sorted::SortedMap;
use std::net::IpAddr;

use welcome_proto::announce::Announce;
use welcome_proto::challenge::{ChallengeName, ChallengeState, WitnessReport};
use welcome_proto::report::Report;
use welcome_proto::{ChallengeId, Mac, NetworkId, Ssid};

use crate::now::Instant;

use crate::visit::SessionId;

/// One thing to do. Performed in order by who called [`crate::Agent::handle`].
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// [`crate::Agent::view`] gives another picture than before.
    Publish,
    /// Tell the server what is shared; replaces any announce that was not sent yet. The generation is the sender's
    /// affair and 0 here.
    Announce(Announce),
    /// Tell the server what happened.
    Report(Report),
    /// Tell the other programs of this router what happened.
    Notify(Notice),
    /// [`crate::Agent::day`] has changed, for whoever keeps it over a restart.
    KeepDay,
    /// A new day has begun: send [`crate::Event::Day`] with another salt.
    NewDay {
        /// Its local date in days since 1970, if anybody knows it.
        number: Option<u64>,
    },
    /// Find out whose address this is; the answer comes as [`crate::Event::AddressLearned`].
    ResolveAddress(IpAddr),
    /// Have these radios carry this, and nothing else before all had their own names again; nothing: have all carry their
    /// own names. The answer comes as
    /// [`crate::Event::Carried`] or [`crate::Event::Restored`].
    Carry(Option<Carry>),
    /// Listen for this name; the answer comes as [`crate::Event::Listened`].
    Listen {
        /// Which call.
        id: ChallengeId,
        /// The name.
        name: ChallengeName,
    },
    /// Tell the server how a challenge stands, or what was heard; replaces what was not sent yet of the same.
    Tell(Word),
}

/// A challenge on its way onto the air.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Carry {
    /// Which.
    pub id: ChallengeId,
    /// What to carry.
    pub name: ChallengeName,
    /// The interfaces that are to carry it, with the names that are theirs.
    pub own: SortedMap<String, Ssid>,
    /// When it has to be off the air again, whoever is still there to see to it.
    pub until: Instant,
}

/// What the server asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// How a challenge stands.
    Challenge(ChallengeId, ChallengeState),
    /// What was heard of another's.
    Witness(ChallengeId, WitnessReport),
}

/// Something happened to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What.
    pub what: Happened,
    /// Whose visit.
    pub session: SessionId,
    /// Who.
    pub mac: Mac,
    /// Where.
    pub network: NetworkId,
    /// The interface the station is, or was last, on.
    pub ifname: String,
}

/// What can happen to a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happened {
    /// The visit began.
    Arrived,
    /// An offer was put before the guest's eyes, the first of this visit.
    Greeted,
    /// The visit ended.
    Left,
}
