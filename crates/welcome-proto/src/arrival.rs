//! Client to server: I have joined; what does whoever shares this say?
//!
//! For networks whose router has no agent, or does not answer. The router's own way ([`crate::lan`]) is shorter, and tells
//! nobody beyond the network. A computer of the sharer's may go that way, too: it gets [`ToServe`] beforehand.

use serde::{Deserialize, Serialize};

use crate::Bssid;
use crate::signed::Signed;

/// The most offers one answer has.
pub const MAX_OFFERS: usize = 16;

/// `POST /v1/arrivals`. In a body, so that where somebody is stands in no log. Nothing says who it is, and it is not counted
/// as an arrival: anybody could say so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arrival {
    /// The listed BSSID that was joined.
    pub bssid: Bssid,
}

/// What is to be read there at this moment. The server goes by the dates of [`crate::schedule::When`] alone: days of the
/// week, hours, audience and caps are for the client to hold to, who knows the hour there and what it has shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Greeting {
    /// Best first, at most [`MAX_OFFERS`]; each a [`crate::signed::Statement`] under the key that the list names as
    /// [`crate::lookup::ListEntry::signer`].
    pub offers: Vec<Signed>,
}

/// `GET /v1/share/networks/{router}/{network}/statements`: what a computer of the sharer's may say in the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToServe {
    /// The key under which all of it is signed: [`crate::lookup::ListEntry::signer`] of this network.
    pub signer: String,
    /// As in [`Greeting`], and what begins later.
    pub offers: Vec<Signed>,
}
