//! The whole promise, step by step.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::greeting::{ensure_not_greeted, greet, greet_guest, leave_owner_in_peace};
use super::wedged;
use crate::checks::Checks;
use crate::client::Client;
use crate::process::log_text;
use crate::scene::Scene;
use crate::wait::until;

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    let mut scene = Scene::set_up()?;
    let mut checks = Checks::default();
    let greeting = checks.check("a guest with the shared key is greeted", greet_guest(&scene));
    if let Some(greeting) = &greeting {
        greeting.print();
        greeting.write_figures()?;
    }
    checks.check("the owner with the owner's key hears nothing", leave_owner_in_peace(&scene));
    checks.check("who is away for a moment is not greeted again", come_back_at_once(&scene));
    checks.check("after hostapd died and came back, guests are greeted", survive_hostapd(&mut scene));
    checks.check("hostapd does freeze when a listener sleeps (the lab can see it)", wedged::freeze(&scene));
    checks.check("a wedged agent holds nobody up", wedged::hold_nobody_up(&scene));
    checks.check("with the server away, guests are greeted from what the router holds", outlive_server(&mut scene));
    checks.check("the report of that time arrives exactly once", report_once(&mut scene));
    checks.check("the agent stops within 4 s and leaves hostapd alone", stop(&mut scene));
    if let Some(greeting) = greeting {
        greeting.print_sum();
    }
    Ok(checks.all_hold())
}

fn come_back_at_once(scene: &Scene) -> Result<()> {
    let client = Client(&scene.guest);
    client.leave()?;
    thread::sleep(Duration::from_secs(2));
    ensure_not_greeted(&client.connect(Duration::from_secs(4))?)
}

fn survive_hostapd(scene: &mut Scene) -> Result<()> {
    scene.point.crash_and_restart()?;
    greet(scene, &scene.another_guest(3)?).map(drop)
}

fn outlive_server(scene: &mut Scene) -> Result<()> {
    await_shown(scene, GREETED_BEFORE)?;
    scene.directory.crash()?;
    greet(scene, &scene.another_guest(4)?).map(drop)
}

fn report_once(scene: &mut Scene) -> Result<()> {
    scene.directory.restart()?;
    await_shown(scene, GREETED_BEFORE + 1)?;
    // Long enough for a batch that was not acknowledged in time to be sent once more.
    thread::sleep(Duration::from_secs(8));
    let shown = scene.directory.shown(&scene.router)?;
    ensure!(shown == GREETED_BEFORE + 1, "{shown} greetings are reported, there were {}", GREETED_BEFORE + 1);
    Ok(())
}

fn await_shown(scene: &Scene, count: u64) -> Result<()> {
    until(Duration::from_secs(90), &format!("{count} greetings are reported"), || {
        let shown = scene.directory.shown(&scene.router)?;
        Ok((shown >= count).then_some(()))
    })
}

fn stop(scene: &mut Scene) -> Result<()> {
    let (status, time) = scene.agent.stop()?;
    ensure!(status.success(), "the agent ended with {status}");
    ensure!(time < Duration::from_secs(4), "it took {time:?}");
    // hostapd complains in its log when it has something to tell and the listener is gone without a word.
    let before = complaints();
    let control = scene.point.control("wlan0")?;
    control.tell("ATTACH")?;
    scene.owner.leave()?;
    control.await_event(&["AP-STA-DISCONNECTED"], Duration::from_secs(5))?;
    control.tell("DETACH")?;
    ensure!(complaints() == before, "hostapd still had the agent for a listener");
    Ok(())
}

fn complaints() -> usize {
    log_text("hostapd").lines().filter(|line| line.contains("CTRL_IFACE monitor")).count()
}

/// The first guest, and the one after hostapd's return.
const GREETED_BEFORE: u64 = 2;
