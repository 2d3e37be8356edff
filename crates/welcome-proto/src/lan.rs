//! Station to router, on the local network: what a third-party client reads after it has joined.
//!
//! Plain HTTP on port [`PORT`] of the station's gateway. The router knows a station by its source address alone, so
//! nothing here carries an identity.

use serde::{Deserialize, Serialize};

use crate::offer::{Content, Sender};
use crate::signed::Signed;
use crate::{NetworkId, OfferId, Ssid};

/// The port the agent listens on unless configured otherwise.
pub const PORT: u16 = 8910;
/// Where everything starts (RFC 8615).
pub const WELL_KNOWN: &str = "/.well-known/welcome";
/// See [`Welcome::offers`].
pub const OFFERS: &str = "/welcome/v1/offers";
/// See [`Welcome::stream`].
pub const STREAM: &str = "/welcome/v1/stream";
/// See [`Welcome::shown`].
pub const SHOWN: &str = "/welcome/v1/shown";
/// See [`Welcome::page`].
pub const PAGE: &str = "/";
/// Followed by a digest: the bytes of an [`crate::offer::File`] that belongs to an offer of this station.
pub const CONTENT: &str = "/welcome/v1/content/";
/// The captive portal API (RFC 8908).
pub const CAPTIVE: &str = "/welcome/v1/captive";
/// Where the page's form says that a person has read it (POST).
pub const ACKNOWLEDGE: &str = "/acknowledge";
/// Where the page's form says that a person wants no messages (POST).
pub const NO_THANKS: &str = "/no-thanks";
/// Where the page's form takes that back (POST).
pub const PLEASE: &str = "/please";
/// Name of the stream's event that carries a [`LanOffer`].
pub const EVENT_OFFER: &str = "offer";
/// Name of the stream's event that says that the visit has ended.
pub const EVENT_BYE: &str = "bye";

/// What is here: `GET /.well-known/welcome`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// 1.
    pub version: u32,
    /// Path of the offers that are due (GET, [`StationOffers`]).
    pub offers: String,
    /// Path of the live stream (GET, server-sent events).
    pub stream: String,
    /// Path to tell that offers were shown (POST, [`Shown`]).
    pub shown: String,
    /// Path of the page for people.
    pub page: String,
    /// The network this station is a guest of; absent for everybody else.
    #[serde(default)]
    pub network: Option<LanNetwork>,
}

/// The network a station is a guest of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanNetwork {
    /// The router's name for it.
    pub id: NetworkId,
    /// Its name on the air, if the radio has told.
    pub ssid: Option<Ssid>,
}

/// `GET /welcome/v1/offers`: what this visit has not been shown yet, best first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StationOffers {
    /// Where the station is.
    pub network: NetworkId,
    /// What is due.
    pub offers: Vec<LanOffer>,
}

/// An offer as a station gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LanOffer {
    /// Unique together with the sender.
    pub id: OfferId,
    /// Who speaks.
    pub sender: Sender,
    /// What to show, in the language that the request preferred. Images and pages are below [`CONTENT`].
    #[serde(flatten)]
    pub content: Content,
    /// The operator's signature over the whole offer; absent for the router's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
}

/// `POST /welcome/v1/shown`: the app has put these before a person's eyes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// At most 64.
    pub offers: Vec<ShownOffer>,
}

/// Names one offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownOffer {
    /// Whose.
    pub sender: Sender,
    /// Which.
    pub id: OfferId,
}
