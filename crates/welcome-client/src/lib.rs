//! Recognises shared Wi-Fi networks by their BSSIDs.
//!
//! A directory lists which BSSIDs carry a shared network ([`List`]); a program says what it hears ([`Sighting`]); and
//! [`recognise`] says which of that may be joined, by which variant of the method, and what only pretends to be listed.
//! [`Memory`] says which of several is best, by what was heard and joined before.
//!
//! There is no socket, file, clock or chance in here: how to scan, how to fetch a list and how to join are the program's
//! own. The command line program `welcome` is one; `docs/client-library.md` shows another.
//!
//! ```
//! use welcome_client::{List, Policy, Sighting, Variant, recognise};
//! use welcome_proto::announce::Security;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let page = r#"{"entries":[{"bssid":"02:00:00:00:01:00","ssid":"Corner Café","security":"open","area":"a-1","assurance":"witnessed"}]}"#;
//! let page: welcome_proto::lookup::Listing = serde_json::from_str(page)?;
//! let list = List::new(page.entries);
//! let heard = [Sighting {
//!     bssid: "02:00:00:00:01:00".parse()?,
//!     ssid: Some("Corner Café".parse()?),
//!     security: Some(Security::Open),
//!     signal: -48,
//!     freq: 5180,
//! }];
//! let recognised = recognise(&heard, &list, &Policy::default());
//! assert_eq!(recognised.candidates[0].variant, Variant::One);
//! # Ok(())
//! # }
//! ```

mod list;
mod matching;
mod memory;
mod rank;
mod sighting;

pub use list::List;
pub use matching::{Candidate, Policy, Recognised, Refusal, Variant, recognise};
pub use memory::Memory;
pub use sighting::Sighting;

/// What the documentation shows is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/client-library.md")]
struct Documentation;
