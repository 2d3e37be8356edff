//! A guest who stays: how often its program wakes up while nothing happens, and for how long.

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
    watching.first("offer")?;
    // What comes with the joining is over.
    thread::sleep(SETTLE);
    let before = watching.effort()?;
    thread::sleep(LONG);
    let after = watching.effort()?;
    let (wakeups, cpu) = (after.wakeups - before.wakeups, after.cpu.saturating_sub(before.cpu));
    println!("{wakeups} times within a minute, for {cpu:?} of an emulated processor");
    #[allow(clippy::cast_precision_loss)] // far below what that holds
    let wakeups = wakeups as f64;
    write_figures(&[
        ("client.watch_idle_wakeups", wakeups, "/min"),
        ("client.watch_idle_cpu", cpu.as_secs_f64() * 1e3, "ms/min"),
    ])
}

const SETTLE: Duration = Duration::from_secs(15);
const LONG: Duration = Duration::from_secs(60);
