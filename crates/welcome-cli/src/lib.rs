//! Third-party client: finds shared networks by BSSID, joins one, and receives the router's message.
//!
//! The way of one visit (`welcome connect`): [`download`] gets the signed [`snapshots`] of the regions around a [`place`]
//! from the [`directory`], whose key [`pin`] remembers, and [`lookup`] what is in none of them ([`kept`]) →
//! [`radio`] hears what is on the air → `welcome_client` finds the strongest listed network, and refuses one that is not what
//! the list says → [`radio`] has NetworkManager or wpa_supplicant join it → [`address`] waits for the interface to get an
//! address and a gateway → [`receive`] asks the gateway for the message, by [`lan_http`], and the directory, and by
//! multicast DNS who else has it in the network, and says that it was shown → [`verify`] holds it against the list →
//! [`output`] or [`notify`] tells a person or a program, in their [`language`], what [`shown`] does not know yet. [`radio`]
//! remembers what was changed, and puts it back after a failure or an interruption. [`run`] is the order of all this, [`exit`] how it can end. [`share`] is the other side: what
//! somebody does who shares a network.
//!
//! It never prints or logs a key, and it never saves anybody's configuration of networks.

pub mod address;
mod calendar;
mod changes;
pub mod cli;
pub mod directory;
mod dns_sd;
pub mod download;
pub mod exit;
pub mod geoclue;
mod hear;
pub mod kept;
pub mod lan_http;
pub mod language;
mod lists;
pub mod lookup;
pub mod notify;
mod on_link;
pub mod output;
pub mod pin;
pub mod place;
pub mod radio;
mod ranking;
pub mod receive;
pub mod run;
pub mod share;
pub mod shown;
pub mod snapshots;
mod system_bus;
pub mod verify;
mod visit;
mod watch;
