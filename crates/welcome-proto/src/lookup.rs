//! Client to server: which of these BSSIDs are shared, and what is shared here.

use serde::{Deserialize, Serialize};

use crate::announce::Security;
use crate::{AreaId, Bssid, Secret, Ssid};

/// The most BSSIDs one look-up may name.
pub const MAX_BSSIDS: usize = 100;
/// The most entries one page of a listing has.
pub const PAGE: usize = 1000;

/// `POST /v1/lookup/bssids`. In a body and not in the address, so that what somebody heard is in no log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BssidQuery {
    /// At most [`MAX_BSSIDS`].
    pub bssids: Vec<Bssid>,
}

/// The answer to every look-up.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Listing {
    /// At most [`PAGE`] entries, in ascending order of BSSID.
    pub entries: Vec<ListEntry>,
    /// Where the next page starts (`?after=`), if there is one. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One BSSID of one shared network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListEntry {
    /// The address to listen for.
    pub bssid: Bssid,
    /// The name it must carry on the air; the same BSSID under another name is somebody else.
    pub ssid: Ssid,
    /// How to join.
    pub security: Security,
    /// The shared key, where the sharer allows it and the network's owner is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Secret>,
    /// The place it belongs to; entries with the same area are heard together.
    pub area: AreaId,
    /// How many of that area's BSSIDs a client has to hear before it joins one of them (the seed's predetermined number).
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub needed: u32,
    /// Why the server believes that the network is its sharer's.
    pub assurance: Assurance,
    /// The Ed25519 key that signs what the sharer says there: 32 bytes, base64url without padding. Whoever has joined takes
    /// no message of the sharer or the operator without its signature ([`crate::signed::Statement`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

/// Why the server believes that a network belongs to who shares it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Assurance {
    /// The server's administrator vouches for the router that announces it.
    Vouched,
    /// A witness has heard the server's challenge from this BSSID.
    Witnessed,
}

pub(crate) fn one() -> u32 {
    1
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde wants it
pub(crate) fn is_one(needed: &u32) -> bool {
    *needed == 1
}
