//! Stand-ins for tests, and the reader of scenario files.
//!
//! A stand-in here plays a program that is not at hand in a test; each is held to recordings of the real one.

pub mod ctrl;
#[cfg(feature = "fleet")]
pub mod fleet;
pub mod postgres;
pub mod story;
pub mod ubus;
pub mod web;
