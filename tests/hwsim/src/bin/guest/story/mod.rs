//! The stories, by name.

mod challenge;
mod demo;
mod doors;
mod greet;
mod greeting;
mod networkmanager;
mod ownership;
mod pace;
mod record;
mod recorder;
mod rest;
mod sharer;
mod variants;
mod wedged;

use anyhow::{Result, bail};

/// Tells one story; `Ok(false)` when a check in it failed.
///
/// # Errors
/// When the story could not be told to its end.
pub(crate) fn tell(name: &str) -> Result<bool> {
    match name {
        "challenge" => challenge::tell(),
        "demo" => demo::tell(),
        "doors" => doors::tell(),
        "greet" => greet::tell(),
        "ownership" => ownership::tell(),
        "networkmanager" => networkmanager::tell(),
        "pace" => pace::tell().map(|()| true),
        "rest" => rest::tell().map(|()| true),
        "record" => record::tell().map(|()| true),
        "sharer" => sharer::tell(),
        "variants" => variants::tell(),
        other => bail!("no story is called {other}"),
    }
}
