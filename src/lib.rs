//! The agent on the router of whoever shares a Wi-Fi.
//!
//! One event through the modules: [`watch`] hears a station join and makes an event of it; [`app`] hands it to the core
//! (`welcome_core`), which decides, and performs what the core says; [`portal`] shows the outcome to the station;
//! [`upstream`] tells the server. [`config`] is what the sharer wants, [`bus`] the way to
//! the other programs of an OpenWrt router, [`status`] what the operator sees, [`advertise`] what the router's DHCP
//! servers say of us, [`air`] what our radios carry for a proof of ownership, [`wire`] a connection with or without TLS, [`mod@tls`] its cryptography, [`mod@file`] how things are kept on flash, [`run`] starts
//! and stops everything, [`tasks`] keeps what runs, [`clock`] tells the time, [`local_time`] the time of day in its [`mod@zone`], [`mod@day`] is what is
//! remembered until midnight, and [`meter`] how long things took.
//!
//! The library is for the program and its tests; it promises nothing to others.

pub mod advertise;
pub mod air;
pub mod app;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod config;
pub mod content;
pub mod day;
pub mod file;
pub mod firewall;
pub mod local_time;
pub mod logging;
pub mod meter;
pub mod netifd;
pub mod passes;
pub mod portal;
pub mod reload;
pub mod rpcd;
pub mod run;
pub mod status;
pub mod tasks;
pub mod tls;
pub mod uplink;
pub mod upstream;
pub mod watch;
pub mod wire;
pub mod zone;
