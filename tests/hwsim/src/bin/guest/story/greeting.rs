//! The two halves of the promise, as both stories need them: a guest is greeted, the owner is not.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::checks::write_figures;
use crate::client::{Client, GREETED, NOT_GREETED, Visit};
use crate::network::remove_cable;
use crate::scene::{MOBILE, OWNER_KEY, SSID, Scene, TITLE};
use crate::station::Station;

/// One greeting, moment by moment.
pub(crate) struct Greeting {
    /// What happened when, in order; seconds of Unix time.
    moments: Vec<(f64, &'static str)>,
    /// From the end of the key negotiation to the message in the client's hands.
    pub(crate) joined_to_greeted_ms: f64,
    /// From hostapd's word that somebody joined to the message being there to fetch.
    pub(crate) agent_ms: f64,
}

impl Greeting {
    /// Prints one row for each moment.
    pub(crate) fn print(&self) {
        let begin = self.moments.first().map_or(0.0, |(at, _)| *at);
        for (at, what) in &self.moments {
            println!("  {:9.1} ms  {what}", (at - begin) * 1e3);
        }
    }

    /// Leaves the figures for `lab run --bench`.
    ///
    /// # Errors
    /// When they cannot be written.
    pub(crate) fn write_figures(&self) -> Result<()> {
        write_figures(&[
            ("lab.joined_to_greeted", self.joined_to_greeted_ms, "ms"),
            ("lab.heard_to_ready", self.agent_ms, "ms"),
        ])
    }

    /// Prints the one line that sums it up.
    pub(crate) fn print_sum(&self) {
        println!("welcomed: joined to greeted {:.0} ms (agent: {:.2} ms)", self.joined_to_greeted_ms, self.agent_ms);
    }
}

/// The guest gets the list over its mobile network, loses that network, joins ours and is greeted.
///
/// # Errors
/// When no message arrives, or another one than the server's.
pub(crate) fn greet_guest(scene: &Scene) -> Result<Greeting> {
    let client = Client(&scene.guest);
    client.fetch()?;
    remove_cable(&scene.guest.namespace, MOBILE)?;
    greet(scene, &scene.guest)
}

/// A station that has the list joins with the shared key and is greeted.
///
/// # Errors
/// When no message arrives, or another one than the server's.
pub(crate) fn greet(scene: &Scene, station: &Station) -> Result<Greeting> {
    let visit = Client(station).connect(WAIT)?;
    ensure!(visit.code == GREETED, "the client ended with {}", visit.code);
    let offer = visit.first("offer")?;
    ensure!(offer.to_string().contains(TITLE), "another message came: {offer}");
    time_line(&visit, &scene.agent.status()?, &station.mac)
}

/// The owner's phone joins with the owner's key and hears nothing.
///
/// # Errors
/// When it gets a message, or cannot join.
pub(crate) fn leave_owner_in_peace(scene: &Scene) -> Result<()> {
    scene.owner.join(SSID, Some(OWNER_KEY))?;
    scene.owner.acquire_address()?;
    let visit = Client(&scene.owner).receive(Duration::from_secs(4))?;
    ensure_not_greeted(&visit)
}

/// # Errors
/// When a message came, or the client failed.
pub(crate) fn ensure_not_greeted(visit: &Visit) -> Result<()> {
    ensure!(visit.code == NOT_GREETED, "the client ended with {} and not with {NOT_GREETED}", visit.code);
    Ok(())
}

fn time_line(visit: &Visit, status: &Value, mac: &str) -> Result<Greeting> {
    let sessions = status["sessions"].as_array().context("the agent's status has sessions")?;
    let session = sessions.iter().find(|session| session["mac"] == mac);
    let session = session.with_context(|| format!("the agent does not know {mac}: {status}"))?;
    let heard = session["heard_at"].as_f64().context("a session has a time")?;
    let ready = session["ready_us"].as_f64().context("a greeted session was ready")? / 1e6;
    let mut moments = vec![(heard + ready, "offer decided: the agent has the message ready")];
    for (event, what) in EVENTS {
        moments.push((visit.at(event)?, what));
    }
    moments.sort_by(|one, other| one.0.total_cmp(&other.0));
    let joined_to_greeted_ms = (visit.at("offer")? - visit.at("keyed")?) * 1e3;
    Ok(Greeting { moments, joined_to_greeted_ms, agent_ms: ready * 1e3 })
}

const WAIT: Duration = Duration::from_secs(10);

/// What the client tells, in the words of a person.
const EVENTS: [(&str, &str); 6] = [
    ("scan", "scan: the phone looks around"),
    ("match", "match: a network on its list is here"),
    ("associate", "associate: the access point takes it in"),
    ("keyed", "keyed: it has joined"),
    ("address", "address: it has an address"),
    ("offer", "offer received: the message is on the phone"),
];
