//! A network that nobody vouches for: its owner's laptop has it proved, as a station that is not the router; a guest finds
//! it in the list and is greeted. Then its access point is replaced, and the same command proves the new one. At last its
//! agent is gone, and a person renames it.
//!
//! ```text
//! net: server ──cable── ap: hostapd, dnsmasq, agent ~~~air~~~ sta1 (guest), sta2 (laptop)
//!   └──────────────────────cables (mobile network)──────────────┘
//! ```

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::access_point::AccessPoint;
use crate::agent::{Agent, Shared};
use crate::checks::Checks;
use crate::client::{Client, GREETED};
use crate::directory::Directory;
use crate::network::remove_cable;
use crate::process::Daemon;
use crate::scene::{MOBILE, SHARED_KEY, SSID, TITLE, connect_to_server, start_cafe};
use crate::station::{FREQUENCY, Station};
use crate::wait::until;

/// Of the first access point, and of the one in its place.
const FIRST: &str = "02:00:00:00:00:00";
const SECOND: &str = "02:00:00:00:03:00";
/// The number of the latter's radio.
const NEW_RADIO: u32 = 3;
/// For agent, server and air to agree, on a slow machine.
const SOON: Duration = Duration::from_secs(30);

struct Scene {
    directory: Directory,
    router: String,
    point: AccessPoint,
    guest: Station,
    laptop: Station,
    agent: Agent,
    _dnsmasq: Daemon,
}

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    let mut scene = Scene::set_up()?;
    let mut checks = Checks::default();
    checks.check("what a router announces that nobody vouches for is not listed", announced_only(&scene));
    checks.check("its owner's laptop hears it and is told that it is theirs", share_list(&scene));
    checks.check("share verify: the router renames it, the laptop hears it, it is verified", verify(&scene, FIRST));
    checks.check("it has its own name again, and is listed as witnessed", is_listed(&scene, FIRST));
    checks.check("a guest finds it in the list, joins and is greeted", greet(&scene));
    checks.check("its access point is replaced: another address, the same name, not listed", replace(&mut scene));
    checks.check("the same command proves the new one", verify(&scene, SECOND));
    checks.check("the list has the new address and not the former one", is_listed(&scene, SECOND));
    checks.check("a challenge that is interrupted is taken off the air", take_back(&scene));
    checks
        .check("without an agent its owner renames it when told to, and it is proved and listed", by_hand(&mut scene));
    Ok(checks.all_hold())
}

impl Scene {
    fn set_up() -> Result<Self> {
        let (point, dnsmasq, directory) = start_cafe(&[("shared", SHARED_KEY)])?;
        directory.leave_share_token()?;
        let agent = Agent::start(&Shared { network: "cafe", key: SHARED_KEY }, &directory.unvouched_token()?)?;
        let router = directory.await_router().context("the agent and its server")?;
        directory.put_offer(&router, &json!({ "id": "hello", "content": { "title": TITLE } }))?;
        let (guest, laptop) = (Station::start(1)?, Station::start(2)?);
        connect_to_server(&guest, "203.0.113", MOBILE)?;
        connect_to_server(&laptop, "192.0.2", "mobile2")?;
        Ok(Self { directory, router, point, guest, laptop, agent, _dnsmasq: dnsmasq })
    }

    /// The names under which the access point is heard.
    fn names_of(&self, bssid: &str) -> Result<Vec<String>> {
        let control = self.laptop.control()?;
        control.tell("BSS_FLUSH 0")?;
        control.ask(&format!("SCAN freq={FREQUENCY}"))?;
        thread::sleep(Duration::from_millis(700));
        let heard = control.ask("SCAN_RESULTS")?;
        let rows = heard.lines().skip(1).map(|row| row.split('\t').collect::<Vec<_>>());
        let named =
            rows.filter(|row| row.first() == Some(&bssid)).filter_map(|row| row.last().map(|n| (*n).to_owned()));
        Ok(named.collect())
    }

    fn has_its_own_name(&self, bssid: &str) -> Result<()> {
        let own = String::from_utf8_lossy(SSID).into_owned();
        until(SOON, "its own name is heard", || Ok((self.names_of(bssid)? == [own.clone()]).then_some(())))
    }
}

fn announced_only(scene: &Scene) -> Result<()> {
    let (announced, listed) = (scene.directory.announced()?, scene.directory.listed()?);
    ensure!(announced == [FIRST] && listed.is_empty(), "announced {announced:?}, listed {listed:?}");
    Ok(())
}

fn share_list(scene: &Scene) -> Result<()> {
    let list = Client(&scene.laptop).share(&["list"])?;
    let heard = list.first("heard")?;
    ensure!(heard["bssid"] == FIRST && heard["network"] == "cafe" && heard["listed"] == false, "{heard}");
    Ok(())
}

fn verify(scene: &Scene, bssid: &str) -> Result<()> {
    let proof = Client(&scene.laptop).share(&["verify", "--network", "cafe"])?;
    for event in proof.names() {
        println!("      {event}");
    }
    ensure!(proof.code == 0, "it ended with {}", proof.code);
    let challenge = proof.first("challenge")?;
    ensure!(challenge["by_hand"] == false, "{challenge}");
    ensure!(proof.first("heard")?["bssid"] == bssid, "{}", proof.first("heard")?);
    ensure!(proof.first("verified")?["registered"] == json!([bssid]), "{}", proof.first("verified")?);
    Ok(())
}

fn is_listed(scene: &Scene, bssid: &str) -> Result<()> {
    scene.has_its_own_name(bssid)?;
    let listed = scene.directory.listed()?;
    ensure!(listed == [bssid], "{listed:?}");
    let status = Client(&scene.laptop).share(&["status"])?;
    ensure!(status.first("network")?["state"] == "verified", "{}", status.first("network")?);
    Ok(())
}

fn greet(scene: &Scene) -> Result<()> {
    let guest = Client(&scene.guest);
    guest.fetch()?;
    remove_cable(&scene.guest.namespace, MOBILE)?;
    let visit = guest.connect(Duration::from_secs(10))?;
    ensure!(visit.code == GREETED, "the client ended with {}", visit.code);
    ensure!(visit.first("match")?["assurance"] == "witnessed", "{}", visit.first("match")?);
    ensure!(visit.first("offer")?.to_string().contains(TITLE), "another message came: {}", visit.first("offer")?);
    guest.leave()
}

fn replace(scene: &mut Scene) -> Result<()> {
    scene.point.replace_radio(NEW_RADIO)?;
    scene.has_its_own_name(SECOND)?;
    until(
        SOON,
        "the agent announces the new address",
        || Ok((scene.directory.announced()? == [SECOND]).then_some(())),
    )?;
    let listed = scene.directory.listed()?;
    ensure!(listed.is_empty(), "{listed:?} is listed of {}", scene.router);
    Ok(())
}

fn take_back(scene: &Scene) -> Result<()> {
    // On another channel it hears nothing, and waits.
    let proof = Client(&scene.laptop).begin_proof(&["--network", "cafe"], "2437")?;
    proof.first("on-air")?;
    let ended = proof.interrupt()?;
    ensure!(ended.code == 130, "it ended with {}", ended.code);
    ended.first("taken-back")?;
    scene.has_its_own_name(SECOND)
}

/// The same router as if it had no agent: its owner types the name into its settings.
fn by_hand(scene: &mut Scene) -> Result<()> {
    scene.agent.stop()?;
    scene.directory.remove_router(&scene.router)?;
    let listed = scene.directory.listed()?;
    ensure!(listed.is_empty(), "{listed:?}");

    let own = String::from_utf8_lossy(SSID);
    let proof = Client(&scene.laptop).begin_proof(&["--ssid", &own], FREQUENCY)?;
    let rename = proof.first("rename")?;
    ensure!(rename["from"] == *own, "{rename}");
    scene.point.rename(rename["to"].as_str().context("a name to give")?.as_bytes())?;
    let ended = proof.end()?;
    ensure!(ended.code == 0, "it ended with {}", ended.code);
    ensure!(ended.first("verified")?["registered"] == json!([SECOND]), "{}", ended.first("verified")?);
    ensure!(ended.first("name-back")?["ssid"] == *own, "{}", ended.first("name-back")?);
    scene.point.rename(SSID)?;
    is_listed(scene, SECOND)
}
