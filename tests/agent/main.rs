//! The whole agent in one process: real sockets, real files, the real server but for [`directory`]; only hostapd is a stand-in, which
//! `crates/wpa-ctrl/tests` holds to recordings. Real radios: `tests/hwsim`.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod advertise;
mod challenge;
mod command;
mod directory;
mod greet;
mod hostile;
mod kit;
mod log;
mod object;
mod passphrase;
mod rights;
mod router;
mod server;
mod station;
mod ubus;
