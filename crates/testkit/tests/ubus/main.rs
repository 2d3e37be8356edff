//! The stand-ins on ubus, held to recordings of the real programs: see `broker` and `words`. What no recording shows is
//! in `conduct` and `router`.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod broker;
mod client;
mod conduct;
mod recording;
mod replay;
mod router;
mod wire;
mod words;
