//! The firewall with the real nft and real traffic: a station, a router and an Internet, each in a network of its own.
//! Needs root, `nft` and `ip`; without root it says so and does nothing.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test may")]

mod catch;
mod hold;
mod house;
mod space;
mod table;
mod traffic;
mod uplink;
