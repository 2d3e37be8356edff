//! The server from outside: over sockets, as a process, beside its documents. Some of it runs on PostgreSQL, too:
//! `with-postgres cargo nextest run -p welcome-server` (of testkit).
//!
//! One program for all, as each would have the whole server linked into it.
#![allow(clippy::unwrap_used)]

mod announce;
mod api;
mod arrivals;
mod common;
mod console;
mod content;
mod document;
mod enrol;
mod faults;
mod fleet;
mod limits;
mod lookup;
mod names;
mod operate;
mod ownership;
mod process;
mod push;
mod reports;
mod rotate;
mod service;
mod snapshots;
mod tls;
mod venue;
