//! Control sockets of hostapd and wpa_supplicant: one datagram protocol, two programs.
//!
//! A program that has a control interface listens on a Unix datagram socket, one for each network
//! interface (`/var/run/hostapd/wlan0`, `/run/wpa_supplicant/wlan0`). Whoever sends it a line of text
//! gets one datagram back. Whoever sends `ATTACH` also gets every event, until `DETACH`.
//!
//! In: paths of such sockets. Out: typed answers ([`hostapd`], [`supplicant`]) and typed [`Event`]s,
//! each with the moment at which it was read. This crate decides nothing, and it must never hold up
//! the program it listens to.
//!
//! The way of an event: [`Events`] attaches and reads on a thread of its own → [`event`] gives the
//! line a meaning → a bounded queue → [`Events::recv`]. The way of a command: [`Control::request`] →
//! one datagram out, one back, within a deadline → [`reply`] gives the text a meaning.
//!
//! Commands and events have a socket each, so an event can never be taken for a reply.
//!
//! # hostapd: who is here, and who comes
//!
//! ```no_run
//! # async fn example() -> Result<(), wpa_ctrl::Error> {
//! use wpa_ctrl::{Control, Event, Events, Notice, hostapd};
//!
//! let mut events = Events::attach("/var/run/hostapd/wlan0", "/var/run", 256).await?;
//! let mut control = Control::open("/var/run/hostapd/wlan0", "/var/run")?;
//! for station in hostapd::stations(&mut control).await? {
//!     println!("{:x?} is here, key {:?}", station.mac, station.keyid);
//! }
//! loop {
//!     match events.recv().await {
//!         Notice::Event { event: Event::StationConnected { mac, keyid, .. }, .. } => {
//!             println!("{mac:x?} came, key {keyid:?}");
//!         }
//!         Notice::Event { .. } => {}
//!         Notice::Lagged(_) => println!("missed some: take a snapshot"),
//!         Notice::Gone(reason) => return Ok(println!("{reason}: attach again")),
//!     }
//! }
//! # }
//! ```
//!
//! # wpa_supplicant: what is on the air
//!
//! ```no_run
//! # async fn example() -> Result<(), wpa_ctrl::Error> {
//! use wpa_ctrl::{Control, supplicant};
//!
//! let mut control = Control::open("/run/wpa_supplicant/wlan0", "/tmp")?;
//! supplicant::scan(&mut control, &[2412]).await?;
//! // … wait for Event::ScanResults …
//! for bss in supplicant::scan_results(&mut control).await? {
//!     println!("{:x?} at {} dBm: {}", bss.bssid, bss.signal, wpa_ctrl::text::escape(&bss.ssid));
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The directory of one's own sockets
//!
//! The program answers by sending to a path of ours, so it needs permission to search the directory
//! and to write to the socket. OpenWrt's hostapd runs as user 101: the socket is given to the owner
//! of the program's socket where that is allowed, but the directory must let that user in. `/var/run`
//! and `/tmp` do; a directory of mode 0700 does not, and then every command times out.

mod error;
pub mod event;
mod events;
pub mod hostapd;
mod local;
pub mod reply;
mod socket;
pub mod supplicant;
pub mod text;

pub use error::{Error, GoneReason};
pub use event::Event;
pub use events::{Events, Notice};
pub use socket::Control;

/// A MAC address or BSSID as it travels, first byte first.
pub type Mac = [u8; 6];
