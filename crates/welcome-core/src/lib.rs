//! Decisions of the agent: who is a guest, and what they are shown.
//!
//! [`Agent::handle`] takes an [`Event`] and the moment, and returns the [`Action`]s to perform. It has no socket,
//! file, task, clock or random source; the same events at the same moments give the same actions.
//!
//! One event through the modules: [`event`] says what can happen; [`agent`] has one arm for each; [`rules`] tells whose
//! key a station used, [`wireless`] which interfaces are whose; [`session`] keeps the visits (join, leave, roam, address, expiry), each a [`visit`]; [`bss`] keeps our own
//! radios and what to announce of them, [`ownership`] which of them carry a challenge; [`offers`] keeps what there is to show, and [`calendar`] when; [`decide`] chooses the
//! offers of a visit, [`door`] what is in a station's way, [`day`] remembers until midnight who has seen what;
//! [`action`] is what comes out, and [`view`] the picture that the portal, the firewall and the status show.

pub mod action;
pub mod agent;
pub mod bss;
pub mod calendar;
pub mod day;
pub mod decide;
pub mod door;
pub mod event;
pub mod now;
pub mod offers;
pub mod ownership;
pub mod rules;
pub mod session;
pub mod view;
pub mod visit;
pub mod wireless;

pub use action::{Action, Carry, Happened, Notice, Word};
pub use agent::Agent;
pub use calendar::{Calendar, Wait};
pub use day::Day;
pub use door::Access;
pub use event::{Audience, Bss, Challenge, Event, Given, Present, ServerLink};
pub use now::{Instant, Now};
pub use rules::{AnnounceRules, Credential, CredentialRule, Gate, Mode, NetworkRules, Rules};
pub use view::{HeldOffer, NetworkView, OfferView, SessionView, View};
pub use visit::SessionId;
pub use wireless::Wireless;
