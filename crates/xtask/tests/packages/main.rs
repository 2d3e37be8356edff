//! The packages and feeds as they are built, held to what OpenWrt's package managers and scripts expect of them.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "what was skipped is said")]

mod feeds;
mod fixture;
mod layout;
mod programs;
