//! What travels between the router's agent, the directory server, third-party clients and stations.
//!
//! Types with their JSON form, and three small text formats: server-sent events ([`sse`]), problem
//! documents ([`problem`]) and request signatures ([`signature`]). Bytes come in, checked values go out; this
//! crate never opens a socket and never reads a clock.
//!
//! | from → to | path | types |
//! |---|---|---|
//! | router → server | `/v1/enrol` | [`enrol::EnrolRequest`], [`enrol::EnrolReply`] |
//! | router → server | `/v1/routers/{router}/announce` | [`announce::Announce`] |
//! | server → router | `/v1/routers/{router}/events` | [`offer::OffersPush`] by [`sse`] |
//! | server → router | the same | [`offer::SayPush`] |
//! | server → router | the same | [`challenge::ChallengePush`], [`challenge::WitnessPush`], [`challenge::Standing`] |
//! | router → server | `/v1/routers/{router}/challenges/{id}` | [`challenge::ChallengeState`] |
//! | router → server | `/v1/routers/{router}/witness/{id}` | [`challenge::WitnessReport`] |
//! | witness → server | `/v1/witness` | [`challenge::Testimony`], [`challenge::Verdict`] |
//! | router → server | `/v1/routers/{router}/reports` | [`report::ReportBatch`] |
//! | router → server | `/v1/content/{digest}` | bytes, named by an [`offer::File`] |
//! | phone → router, server | `/welcome/v1/captive`, `/v1/captive/{router}/{network}` | [`captive::Captive`] |
//! | client → server | `/v1/lookup/…` | [`lookup::BssidQuery`], [`lookup::Listing`] |
//! | client → server | `/v1/directory`, `/v1/snapshots` | [`snapshot::Directory`], [`snapshot::Index`], [`snapshot::Snapshot`] |
//! | station → router | `/.well-known/welcome`, `/welcome/v1/…` | [`lan`] |
//!
//! # What stays compatible
//! The version stands in the path. Within one version members are only added, receivers ignore members they do not
//! know, and a member that is left out has the default its documentation names.

pub mod announce;
pub mod arrival;
pub mod captive;
pub mod challenge;
pub mod color;
pub mod enrol;
pub mod ids;
pub mod lan;
pub mod language;
pub mod lookup;
pub mod offer;
pub mod problem;
pub mod report;
pub mod schedule;
pub mod secret;
pub mod signature;
pub mod signed;
pub mod snapshot;
pub mod sse;

pub use ids::{
    AreaId, BatchId, Bssid, ChallengeId, Color, Digest, IdError, Language, Mac, Mark, NetworkId, OfferId, RouterId,
    Ssid,
};
pub use secret::Secret;
