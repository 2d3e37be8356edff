//! Stand-ins for ubusd, and for the programs of an OpenWrt router that are on it.
//!
//! In: clients of ubus, over a real socket, and what a test wants to happen. Out: what the real programs would say.
//! They are no ubusd, hostapd, netifd, dnsmasq, odhcpd, rpcd or procd, and share no code with them: they know what this
//! project uses. The tests of this crate hold ubusd's and hostapd's to recordings of the real ones; where there is none,
//! the file says what it is modelled on.
//!
//! [`Broker`] needs nothing but a directory. [`FakeRouter`] is a client of it, as the real programs are of ubusd.

mod broker;
mod router;

pub use broker::{Broker, Frozen};
pub use router::{AuthAnswer, Bss, FakeRouter, Release};
