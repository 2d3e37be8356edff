//! A guest who stays: how often its program wakes up while nothing happens.

use std::thread;
use std::time::Duration;

use anyhow::Result;

use crate::checks::write_figures;
use crate::client::Client;
use crate::scene::Scene;

/// Tells the story.
///
/// # Errors
/// When the guest is not greeted.
pub(crate) fn tell() -> Result<()> {
    let scene = Scene::set_up()?;
    let client = Client(&scene.guest);
    client.fetch()?;
    let watching = client.watch()?;
    watching.await_event("offer", Duration::from_secs(40))?;
    // What comes with the joining is over.
    thread::sleep(SETTLE);
    let before = watching.wakeups()?;
    thread::sleep(LONG);
    let wakeups = watching.wakeups()? - before;
    println!("{wakeups} times within a minute");
    #[allow(clippy::cast_precision_loss)] // far below what that holds
    let figure = wakeups as f64;
    write_figures(&[("client.watch_idle_wakeups", figure, "/min")])
}

const SETTLE: Duration = Duration::from_secs(15);
const LONG: Duration = Duration::from_secs(60);
