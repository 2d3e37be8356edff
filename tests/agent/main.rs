//! The whole agent in one process: real sockets, real files, the real server; only hostapd is a stand-in, which
//! `crates/wpa-ctrl/tests` holds to recordings. Real radios: `tests/hwsim`.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod command;
mod greet;
mod hostile;
mod kit;
mod server;
mod station;
