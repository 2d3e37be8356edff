//! OpenWrt's ubus in pure Rust.
//!
//! ubus is how the programs of an OpenWrt router talk to each other: one daemon, `ubusd`, and around it programs that
//! publish *objects* with methods, call each other's, *notify* whoever subscribes to an object, and send *events* to
//! whoever listens. hostapd says there who joins a Wi-Fi, netifd which networks are up, dnsmasq who got an address.
//!
//! This crate speaks ubusd's protocol itself, without `libubus` and `libubox`.
//!
//! ```
//! use std::time::Duration;
//! use serde::{Deserialize, Serialize};
//! use tokio_ubus::{Object, Type};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Greeting { text: String }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let broker = testkit::ubus::Broker::start(dir.path());
//! # let socket = broker.path();
//! // On a router, the socket is tokio_ubus::SOCKETS[0].
//! let (client, driver) = tokio_ubus::connect(socket);
//! tokio::spawn(driver.run());
//! client.connected().wait_for(|connected| *connected).await?;
//!
//! // An object of ours.
//! let mut greeter = client.publish(Object::new("greeter").method("greet", &[("text", Type::String)]));
//! tokio::spawn(async move {
//!     while let Some(request) = greeter.next().await {
//!         let Ok(Greeting { text }) = request.read() else { continue };
//!         let greeting = Greeting { text: format!("Hello, {text}!") };
//!         if let Err(error) = request.reply(&greeting) {
//!             eprintln!("failed to {error}");
//!         }
//!     }
//! });
//!
//! // A call, as `ubus call greeter greet '{"text": "world"}'`.
//! let args = Greeting { text: "world".into() };
//! let reply = client.call("greeter", "greet", &args, Duration::from_secs(5)).await?;
//! assert_eq!(reply.read::<Greeting>()?.text, "Hello, world!");
//! # Ok(())
//! # }
//! ```
//!
//! Notifications, as long as the program runs and whatever restarts meanwhile:
//!
//! ```no_run
//! # async fn example(client: tokio_ubus::Client) {
//! use tokio_ubus::Notice;
//!
//! let mut stations = client.subscribe("hostapd.*").only(&["sta-authorized", "disassoc"]).start();
//! while let Some(notice) = stations.next().await {
//!     match notice {
//!         Notice::Notification { path, kind, data, .. } => println!("{path}: {kind} {data:?}"),
//!         Notice::Subscribed { path } => println!("{path} is there: ask it who is connected"),
//!         Notice::Lagged(_) => println!("missed some: ask again"),
//!         Notice::Gone { path } => println!("{path} is gone"),
//!         Notice::Denied { path, status } => println!("may not hear {path}: {status}"),
//!         _ => {}
//!     }
//! }
//! # }
//! ```
//!
//! # How it works
//!
//! A [`Driver`] is one future that does all the reading and writing; where it runs is the user's choice, also on a thread
//! and runtime of its own. Handles ([`Client`], [`Subscription`], [`Events`], [`Published`]) work from anywhere.
//! `frame` finds messages in bytes and `message` their meaning; behind them one state knows who waits for what, and
//! writes into bounded queues, one for each handle. The reader waits for nobody: whoever does not take what is queued
//! is told how much was missed.
//!
//! When ubusd restarts, or an object does, everything is registered again, and each handle says so.
//!
//! # What to know about ubus
//!
//! - **A notification may want an answer, and its sender may stand still until it comes**: hostapd waits up to a second
//!   for each subscriber that is slow, and nobody joins meanwhile. So the driver answers as it reads, OK or what
//!   [`Subscribe::answer`] says, and it must not share its thread with work that blocks.
//! - ubusd keeps 1 MiB for a client that does not read, and silently drops the rest. What must be known, ask for: when
//!   [`Notice::Subscribed`] or [`Notice::Lagged`] comes, and now and then.
//! - Everything has limits: a message is 1 MiB, an answer of several parts 16 MiB here, what waits to be sent 1 MiB.
//! - No request is known to ubusd once it was passed on: if its object dies, only the time limit ends the call.
//! - Ids last as long as their object; a path is looked up again when its id is not found.
//! - A connection cannot subscribe to its own objects, and does not hear its own events.
//! - Truth values are 8-bit numbers, and shell programs send 32-bit ones; [`from_blobmsg`] takes either. Where the exact
//!   type of what is sent matters, [`Builder`] makes it.
//! - Programs that are not root need rights, granted by files in `/usr/share/acl.d`. To look up what one may not see
//!   finds nothing, to publish a name that is not allowed is answered as if it were taken.

mod blob;
mod blobmsg;
mod builder;
mod calls;
mod client;
mod conn;
mod de;
mod driver;
mod error;
mod event;
mod fd;
mod follow;
pub mod frame;
#[cfg(feature = "json")]
mod json;
pub mod message;
mod object;
mod out;
mod publish;
mod queue;
mod ser;
mod state;
mod status;
mod subscription;
mod value;

pub use blob::{Attr, Attrs, Malformed};
pub use blobmsg::{Blobmsg, Elements, Field, Fields, MAX_DEPTH};
pub use builder::{Builder, EncodeError};
pub use client::{Client, Counters, ObjectInfo, Reply};
pub use de::{DecodeError, from_blobmsg};
pub use driver::{Driver, SOCKETS, connect, over};
pub use error::{Broken, Error, Misuse};
pub use event::{EventNotice, Events};
pub use object::{Answer, Notifier, Object, ObjectState, Published, Request};
pub use ser::to_blobmsg;
pub use status::Status;
pub use subscription::{Asked, Notice, Subscribe, Subscription};
pub use value::{Ref, Type};
