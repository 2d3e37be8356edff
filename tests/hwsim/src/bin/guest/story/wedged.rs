//! hostapd waits for whoever listens to it: a listener that stops reading freezes the access point. Shown first with a
//! listener that sleeps, so that it is known what would be seen; then tried with an agent that sleeps.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::agent::STALL;
use crate::control::Control;
use crate::scene::{OWNER_KEY, SSID, Scene};
use crate::wait::until;

/// The control of the experiment: a listener that sleeps does freeze hostapd, and hostapd comes back when the listener
/// is gone.
///
/// # Errors
/// When hostapd goes on as if nothing was.
pub(crate) fn freeze(scene: &Scene) -> Result<()> {
    let asker = scene.point.control("wlan0")?;
    let sleeper = scene.point.control("wlan0")?;
    sleeper.tell("ATTACH")?;
    let begin = Instant::now();
    let frozen_after = flood(scene, &asker)?.context("hostapd did not care about a sleeping listener")?;
    println!("      frozen after {frozen_after} events in {:.1} s", begin.elapsed().as_secs_f64());
    drop(sleeper);
    until(Duration::from_secs(10), "hostapd comes back", || Ok(answers(&asker).then_some(())))
}

/// While the agent sleeps, hostapd has more to tell than it would keep for a listener; stations join as fast as before.
///
/// # Errors
/// When a join fails or takes much longer.
pub(crate) fn hold_nobody_up(scene: &Scene) -> Result<()> {
    let usual = median_join(scene)?;
    let begin = Instant::now();
    scene.agent.stall()?;
    thread::sleep(Duration::from_millis(500));
    ensure!(scene.agent.status().is_err(), "the agent did not fall asleep");
    let asker = scene.point.control("wlan0")?;
    if let Some(events) = flood(scene, &asker)? {
        bail!("the access point froze after {events} events");
    }
    let wedged = median_join(scene)?;
    ensure!(begin.elapsed() < STALL, "the joins took longer than the agent slept; nothing is shown");
    println!("      median join: {usual:.0?} before, {wedged:.0?} while the agent slept");
    ensure!(wedged < usual * 3 + NOISE, "joins took {wedged:?}, before {usual:?}");
    until(STALL, "the agent wakes up and answers", || Ok(scene.agent.status().ok().map(drop)))
}

/// Makes hostapd send [`EVENTS`] events; returns after how many it stopped answering, if it did. Each is the answer of
/// the owner's phone to a poll, the cheapest event hostapd can be asked for.
fn flood(scene: &Scene, asker: &Control) -> Result<Option<u32>> {
    let poll = format!("POLL_STA {}", scene.owner.mac);
    for event in 0..EVENTS {
        asker.send(poll.as_bytes())?;
        match asker.receive(Duration::from_secs(2))? {
            Some(reply) => ensure!(reply.starts_with(b"OK"), "hostapd does not poll the owner's phone"),
            None => return Ok(Some(event)),
        }
    }
    Ok((!answers(asker)).then_some(EVENTS))
}

fn answers(asker: &Control) -> bool {
    // What is left over of earlier replies is an answer too.
    asker.send(b"PING").is_ok() && asker.receive(Duration::from_secs(2)).is_ok_and(|reply| reply.is_some())
}

fn median_join(scene: &Scene) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..JOINS {
        scene.owner.leave()?;
        let begin = Instant::now();
        scene.owner.join(SSID, Some(OWNER_KEY))?;
        times.push(begin.elapsed());
    }
    times.sort();
    Ok(times[JOINS / 2])
}

/// Well above the 277 events that fit between hostapd and a connected listener.
const EVENTS: u32 = 600;

const JOINS: usize = 7;

/// What a busy host adds now and then. A frozen access point would let nobody join for as long as the agent sleeps.
const NOISE: Duration = Duration::from_millis(500);
