//! A proof of ownership over real radios: the name on the air changes and the address does not, a witness hears it, and
//! it is gone again by itself when the agent is killed. Guests come back, and are the same guests.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::access_point::{AP, AccessPoint, Bss};
use crate::agent::Agent;
use crate::challenger::{CHALLENGER, Challenger};
use crate::checks::Checks;
use crate::network::{add_namespace, give_radio};
use crate::scene::{SHARED_KEY, SSID};
use crate::station::{FREQUENCY, Station};
use crate::wait::until;

const FIRST: &str = "welcome-k3j5z8q2m7x4c6v9";
const SECOND: &str = "welcome-9v6c4x7m2q8z5j3k";
/// Of the access point.
const BSSID: &str = "02:00:00:00:00:00";
/// For the agent and its server to talk, on a slow machine.
const SOON: Duration = Duration::from_secs(20);

struct Scene {
    point: AccessPoint,
    challenger: Challenger,
    agent: Agent,
    guest: Station,
    witness: Station,
}

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    let mut scene = Scene::set_up()?;
    let mut checks = Checks::default();
    checks.check("a challenge is on the air under the same address", carry(&scene));
    checks.check("the guest's visit goes on, whether her phone stays or goes", keep_visit(&scene));
    checks.check("the server ends it, and the network has its own name", end(&scene));
    checks.check("she joins as before, and it is the same visit", come_back(&scene));
    checks.check("killed with a challenge on the air, the name is gone in time", survive_kill(&mut scene));
    checks.check("and the network can be joined with its key", join_again(&scene));
    checks.check("hostapd starts again under its own name", restart(&mut scene));
    Ok(checks.all_hold())
}

impl Scene {
    fn set_up() -> Result<Self> {
        add_namespace(AP)?;
        give_radio(0, AP)?;
        let keys = [("shared", SHARED_KEY)];
        let point = AccessPoint::start(&[Bss { ssid: SSID, keys: &keys, bridge: None }])?;
        let challenger = Challenger::start()?;
        let agent = start_agent()?;
        let guest = Station::start(1)?;
        guest.join(SSID, Some(SHARED_KEY))?;
        let scene = Self { point, challenger, agent, guest, witness: Station::start(2)? };
        until(SOON, "the agent knows the guest", || scene.visit())?;
        Ok(scene)
    }

    /// The guest's visit.
    fn visit(&self) -> Result<Option<Value>> {
        let status = self.agent.status()?;
        let sessions = status["sessions"].as_array().context("there are sessions")?;
        Ok(sessions.iter().find(|s| s["mac"] == self.guest.mac.as_str()).cloned())
    }

    /// Waits until the witness hears the access point under this name.
    fn hears(&self, name: &str, limit: Duration) -> Result<()> {
        let control = self.witness.control()?;
        let mut last = String::new();
        let outcome = until(limit, &format!("{name} is heard"), || {
            control.tell("BSS_FLUSH 0")?;
            // Another scan may be under way.
            control.ask(&format!("SCAN freq={FREQUENCY}"))?;
            thread::sleep(Duration::from_millis(700));
            last = control.ask("SCAN_RESULTS")?;
            let rows = last.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
            let found: Vec<_> = rows.filter(|row| row.first() == Some(&BSSID)).collect();
            Ok((found.len() == 1 && found[0].last() == Some(&name)).then_some(()))
        });
        outcome.with_context(|| format!("what was heard: {last:?}"))
    }
}

fn start_agent() -> Result<Agent> {
    Agent::run(&format!(
        "config server 'server'\n\toption url '{CHALLENGER}'\n\toption token 'x'\n\toption allow_plain_http '1'\n\n\
         config network 'cafe'\n\tlist ifname 'wlan0'\n"
    ))
}

fn carry(scene: &Scene) -> Result<()> {
    scene.hears(&String::from_utf8_lossy(SSID), SOON)?;
    scene.challenger.challenge("c-1", Some(FIRST), 600)?;
    let said = scene.challenger.await_state("c-1", "on-air", SOON)?;
    ensure!(said["bssids"] == serde_json::json!([BSSID]), "it says {said}");
    scene.hears(FIRST, SOON)
}

fn keep_visit(scene: &Scene) -> Result<()> {
    // Longer than a leave is waited for.
    thread::sleep(Duration::from_secs(15));
    let status = scene.guest.control()?.ask("STATUS")?;
    let stays = status.lines().any(|line| line == "wpa_state=COMPLETED");
    println!("      her phone {}", if stays { "stays connected" } else { "has left" });
    ensure!(scene.visit()?.is_some(), "the visit is over");
    Ok(())
}

fn end(scene: &Scene) -> Result<()> {
    scene.challenger.challenge("c-1", None, 600)?;
    scene.challenger.await_state("c-1", "off-air", SOON)?;
    scene.hears(&String::from_utf8_lossy(SSID), SOON)
}

fn come_back(scene: &Scene) -> Result<()> {
    let before = scene.visit()?.context("there is a visit")?;
    scene.guest.leave()?;
    scene.guest.join(SSID, Some(SHARED_KEY))?;
    let after = until(SOON, "she is on the air", || Ok(scene.visit()?.filter(|v| v["on_air"] == true)))?;
    ensure!(before["id"] == after["id"], "{before} and {after}");
    Ok(())
}

fn survive_kill(scene: &mut Scene) -> Result<()> {
    const LEFT: u64 = 8;
    scene.challenger.challenge("c-2", Some(SECOND), LEFT)?;
    let begin = Instant::now();
    scene.challenger.await_state("c-2", "on-air", SOON)?;
    scene.agent.crash()?;
    if scene.agent.status().is_ok() {
        bail!("the agent is still there");
    }
    scene.hears(SECOND, Duration::from_secs(LEFT)).context("after the kill, before its time is over")?;
    scene.hears(&String::from_utf8_lossy(SSID), Duration::from_secs(LEFT + 20))?;
    println!("      gone {:.1} s after it was sent for {LEFT} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn join_again(scene: &Scene) -> Result<()> {
    scene.guest.leave()?;
    scene.guest.join(SSID, Some(SHARED_KEY))
}

fn restart(scene: &mut Scene) -> Result<()> {
    scene.agent = start_agent()?;
    scene.challenger.challenge("c-3", Some(FIRST), 600)?;
    scene.challenger.await_state("c-3", "on-air", SOON)?;
    scene.agent.crash()?;
    scene.point.crash_and_restart()?;
    scene.hears(&String::from_utf8_lossy(SSID), SOON)?;
    // The next agent finds nothing to undo, and does not mind.
    scene.agent = start_agent()?;
    scene.hears(&String::from_utf8_lossy(SSID), SOON)
}
