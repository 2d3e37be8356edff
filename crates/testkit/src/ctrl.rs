//! Stand-ins for the control sockets of hostapd and wpa_supplicant.
//!
//! In: what a test wants to happen on the air. Out: what the real program would say on its control socket, over a
//! real socket. They are no hostapd and no wpa_supplicant: they know the commands that this project uses, and a test
//! in `wpa-ctrl` holds their answers to recorded ones.
//!
//! Like hostapd 2.10, [`FakeHostapd`] sends events with a call that waits, from whichever thread causes them. A
//! listener that stops reading therefore holds it up, and [`FakeHostapd::stalls`] tells.

mod endpoint;
mod hostapd;
mod supplicant;

pub use hostapd::FakeHostapd;
pub use supplicant::{FakeAp, FakeSupplicant};
