//! A challenge on the air, and everything that takes it off again.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use testkit::ctrl::FakeHostapd;
use testkit::ubus::FakeRouter;
use welcome_core::ServerLink;
use welcome_proto::challenge::{Challenge, Witness};

use crate::directory::Directory;
use crate::kit::{ANN, Agent, GUEST, Kit, config, eventually};
use crate::router::{GUEST_AP, Router};

const NAME: &str = "welcome-0123456789abcdef";
const OTHER: &str = "welcome-fedcba9876543210";
const BSSID: &str = "02:00:00:00:00:00";

#[tokio::test]
async fn a_network_carries_a_challenge_and_has_its_name_again_when_the_server_ends_it() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    kit.join(ANN, GUEST, "127.0.0.10").await;

    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    directory.until("/challenges/c-1", &json!({"state": "on-air", "bssids": [BSSID]})).await;
    assert_eq!(kit.hostapd.on_air(), NAME);
    kit.agent.until(|v| v.networks.values().any(|n| n.challenge.is_some())).await;

    directory.open("challenge", &challenge("c-1", None, 600));
    directory.until("/challenges/c-1", &json!({"state": "off-air"})).await;
    assert_eq!(kit.hostapd.on_air(), "Café");
    kit.agent.until(|v| v.networks.values().all(|n| n.challenge.is_none())).await;

    // Nothing of that was announced, nor is it a reason to begin a visit anew.
    let announces = directory.seen("/announce");
    assert!(announces.iter().all(|a| a.contains("Café") && !a.contains("welcome-")), "{announces:?}");
    assert_eq!(kit.agent.view.borrow().sessions.len(), 1);
    assert!(!kit.dir.path().join("air.json").exists());
}

#[tokio::test]
async fn one_that_is_over_or_forged_or_has_another_name_never_gets_on_the_air() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    directory.open("challenge", &challenge("c-1", Some(NAME), 0));
    directory.until("/challenges/c-1", &json!({"state": "refused", "why": "it is too late for it"})).await;
    directory.open("challenge", &Challenge { network: "bar".parse().unwrap(), ..challenge("c-2", Some(NAME), 9) });
    directory.until("/challenges/c-2", &json!({"state": "refused", "why": "this router has no such network"})).await;
    let signed =
        json!({"statement": json!(challenge("c-3", Some(NAME), 600)).to_string(), "signature": "A".repeat(86)});
    directory.send("challenge", &json!({ "challenge": signed }));
    directory.send("challenge", &json!({"challenge": 7}));
    // A good one behind them shows that they were seen.
    directory.open("challenge", &challenge("c-4", Some(OTHER), 600));
    directory.until("/challenges/c-4", &json!({"state": "on-air", "bssids": [BSSID]})).await;
    assert_eq!(kit.hostapd.on_air(), OTHER);
    assert!(directory.seen("/challenges/c-3").is_empty());
    let renamed = kit.hostapd.commands().iter().filter(|c| c.starts_with("SET ")).count();
    assert_eq!(renamed, 1);
}

#[tokio::test]
async fn a_router_whose_owner_wants_none_refuses_and_so_does_one_that_cannot() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("\toption ownership '0'\n")).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    let why = "option ownership of section server is 0 on this router";
    directory.until("/challenges/c-1", &json!({"state": "refused", "why": why})).await;
    drop(kit);

    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    kit.hostapd.keep_name();
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    eventually("it says that it cannot", async || {
        directory.seen("/challenges/c-1").iter().any(|b| b.contains("refused") && b.contains("SET"))
    })
    .await;
    assert_eq!(kit.hostapd.on_air(), "Café");
}

#[tokio::test]
async fn one_that_ends_as_soon_as_it_came_keeps_no_other_from_the_air() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    for n in 0..5 {
        let id = format!("c-{n}");
        directory.open("challenge", &challenge(&id, Some(NAME), 600));
        directory.open("challenge", &challenge(&id, None, 600));
        directory.until(&format!("/challenges/{id}"), &json!({"state": "off-air"})).await;
    }
    directory.open("challenge", &challenge("c-9", Some(OTHER), 600));
    directory.until("/challenges/c-9", &json!({"state": "on-air", "bssids": [BSSID]})).await;
    assert_eq!(kit.hostapd.on_air(), OTHER);
}

#[tokio::test]
async fn an_agent_that_stops_leaves_its_networks_as_they_were() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    directory.until("/challenges/c-1", &json!({"state": "on-air", "bssids": [BSSID]})).await;
    let Kit { dir, hostapd, agent } = kit;
    assert!(agent.stop().await < Duration::from_secs(2));
    assert_eq!(hostapd.on_air(), "Café");

    // The next one hears of it again, and goes on.
    let greeting = "config offer 'hello'\n\toption title 'Coffee is half price'\n";
    let _agent = Agent::start(dir.path(), &format!("{greeting}{}", directory.section(""))).await;
    eventually("it is on the air again", async || hostapd.on_air() == NAME).await;
}

#[tokio::test]
async fn a_hostapd_that_starts_again_carries_it_again() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    directory.until("/challenges/c-1", &json!({"state": "on-air", "bssids": [BSSID]})).await;
    kit.hostapd.restart();
    assert_eq!(kit.hostapd.on_air(), "Café");
    eventually("it is on the air again", async || kit.hostapd.on_air() == NAME).await;
}

#[tokio::test]
async fn after_a_kill_the_guard_takes_it_down_in_time_and_nobody_else_has_to() {
    let (dir, hostapd, mut agent) = carried_by_a_process(3).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(hostapd.on_air(), NAME, "nobody was left to undo it at once");
    let late = tokio::time::timeout(Duration::from_secs(20), async {
        while hostapd.on_air() == NAME {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    late.await.expect("the guard gives it its own name back");
    assert_eq!(hostapd.on_air(), "Café");
    eventually("nothing is left to undo", async || !dir.path().join("air.json").exists()).await;
}

#[tokio::test]
async fn after_a_kill_the_next_agent_takes_it_down_before_anything_else() {
    let (dir, hostapd, mut agent) = carried_by_a_process(600).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    assert_eq!(hostapd.on_air(), NAME);
    // It has no server: nobody tells it of a challenge.
    let mut next = Agent::start(dir.path(), "").await;
    next.until(|v| v.networks.values().all(|n| n.bss.iter().all(|b| b.ssid.to_string() == "Café"))).await;
    assert_eq!(hostapd.on_air(), "Café");
    assert!(!dir.path().join("air.json").exists());
}

#[tokio::test]
async fn what_the_owner_has_changed_meanwhile_stays() {
    let (dir, hostapd, mut agent) = carried_by_a_process(600).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    hostapd.restart();
    let before = hostapd.commands().len();
    let record = dir.path().join("air.json");
    let restored = welcomed(&["restore", "--record", record.to_str().unwrap()]).status().unwrap();
    assert!(restored.success() && !record.exists());
    assert!(!hostapd.commands()[before..].iter().any(|c| c.starts_with("SET ")), "it has its own name by itself");
}

#[tokio::test]
async fn a_router_that_cannot_scan_says_so() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    let (router, id, ssid) = ("r-1".parse().unwrap(), "w-1".parse().unwrap(), NAME.parse().unwrap());
    directory.open("witness", &Witness { router, id, ssid, until: now() + 600 });
    let why = "neither rpcd-mod-iwinfo nor wpa_supplicant is there to scan";
    directory.until("/witness/w-1", &json!({"heard": [], "refused": why})).await;
}

#[tokio::test]
async fn how_the_networks_stand_is_there_to_read() {
    let directory = Directory::start().await;
    let mut kit = Kit::start(&directory.section("")).await;
    directory.send("standing", &json!({"networks": {"cafe": {"state": "verified", "until": 1_826_942_686}}}));
    kit.agent.until(|v| v.networks.values().any(|n| n.standing.is_some())).await;
    let socket = kit.dir.path().join("status.sock");
    let said = tokio::task::spawn_blocking(move || {
        welcomed(&["status", "--socket", socket.to_str().unwrap()]).stdout(Stdio::piped()).output().unwrap()
    });
    let said = String::from_utf8(said.await.unwrap().stdout).unwrap();
    assert!(said.contains("network cafe (listed at the server, verified as yours):"), "{said}");
}

#[tokio::test]
async fn without_a_control_socket_the_configuration_carries_it_and_nothing_is_committed() {
    let directory = Directory::start().await;
    let mut it = Router::start("", &directory.section("")).await;
    it.router.set_uci("wireless", "guest", "wifi-iface", json!({"ssid": "Café"}));
    it.agent.until(|v| v.server == ServerLink::Connected).await;
    it.router.join(GUEST_AP, ANN);
    it.agent.until(|v| v.sessions.len() == 1).await;
    let visit = *it.agent.view.borrow().sessions.keys().next().unwrap();

    carry_and_listen(&directory, &it.router).await;
    // The access point was started anew, and she comes back to it.
    it.router.join(GUEST_AP, ANN);
    it.agent.until(|v| v.sessions.values().any(|s| s.on_air)).await;
    assert!(it.agent.view.borrow().sessions.contains_key(&visit), "the same visit");
    assert!(it.router.commits().iter().all(|config| config != "wireless"));
    let announces = directory.seen("/announce");
    assert!(announces.iter().all(|a| !a.contains("welcome-")), "{announces:?}");
}

#[tokio::test]
async fn what_somebody_has_begun_to_configure_is_not_put_in_force() {
    let directory = Directory::start().await;
    let mut it = Router::start("", &directory.section("")).await;
    it.router.set_uci("wireless", "guest", "wifi-iface", json!({"ssid": "Café"}));
    it.router.stage_uci("wireless", "guest", "ssid", "Half a na");
    it.agent.until(|v| v.server == ServerLink::Connected).await;
    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    eventually("it says so", async || {
        directory.seen("/challenges/c-1").iter().any(|b| b.contains("refused") && b.contains("not committed"))
    })
    .await;
    assert_eq!(it.router.on_air(GUEST_AP), "Café");
    let staged = it.router.uci_call("", "changes", &json!({"config": "wireless"})).unwrap().unwrap();
    assert_eq!(
        staged["changes"],
        json!([["set", "guest", "ssid", "Half a na"]]),
        "and it is still theirs to go on with"
    );
}

#[tokio::test]
async fn a_name_that_somebody_has_committed_meanwhile_is_put_right() {
    let directory = Directory::start().await;
    let mut it = Router::start("", &directory.section("")).await;
    it.router.set_uci("wireless", "guest", "wifi-iface", json!({"ssid": "Café"}));
    it.agent.until(|v| v.server == ServerLink::Connected).await;
    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    directory.until("/challenges/c-1", &json!({"state": "on-air", "bssids": ["02:00:00:00:00:01"]})).await;
    it.router.uci_call("", "commit", &json!({"config": "wireless"})).unwrap();
    assert_eq!(it.router.uci("wireless")["guest"]["ssid"], NAME);
    directory.open("challenge", &challenge("c-1", None, 600));
    directory.until("/challenges/c-1", &json!({"state": "off-air"})).await;
    assert_eq!(it.router.uci("wireless")["guest"]["ssid"], "Café");
    assert_eq!(it.router.on_air(GUEST_AP), "Café");
}

/// Carries a challenge by the configuration and takes it down again, and hears somebody else's.
pub(crate) async fn carry_and_listen(directory: &Directory, router: &FakeRouter) {
    directory.open("challenge", &challenge("c-1", Some(NAME), 600));
    directory.until("/challenges/c-1", &json!({"state": "on-air", "bssids": ["02:00:00:00:00:01"]})).await;
    assert_eq!(router.on_air(GUEST_AP), NAME);
    directory.open("challenge", &challenge("c-1", None, 600));
    directory.until("/challenges/c-1", &json!({"state": "off-air"})).await;
    assert_eq!(router.on_air(GUEST_AP), "Café");

    router.hear("02:00:00:00:0f:00", OTHER, -61);
    router.hear("02:00:00:00:0e:00", "The neighbours", -30);
    let (router, id, ssid) = ("r-1".parse().unwrap(), "w-1".parse().unwrap(), OTHER.parse().unwrap());
    directory.open("witness", &Witness { router, id, ssid, until: now() + 600 });
    let heard = json!([{"bssid": "02:00:00:00:0f:00", "signal": -61, "freq": 2437}]);
    directory.until("/witness/w-1", &json!({ "heard": heard })).await;
}

/// An agent in a process of its own, whose network carries a challenge for so many seconds.
async fn carried_by_a_process(left: u64) -> (tempfile::TempDir, FakeHostapd, Child) {
    let directory = Directory::start().await;
    let dir = tempfile::tempdir().unwrap();
    let hostapd = FakeHostapd::start(dir.path(), "wlan0", BSSID, "Café");
    let file = dir.path().join("welcomed");
    std::fs::write(&file, config(dir.path(), &directory.section(""))).unwrap();
    let agent = start(&file);
    directory.open("challenge", &challenge("c-1", Some(NAME), left));
    eventually("it is on the air", async || hostapd.on_air() == NAME).await;
    (dir, hostapd, agent)
}

fn start(file: &Path) -> Child {
    welcomed(&["run", "--log", "stderr", "--config", file.to_str().unwrap()]).spawn().unwrap()
}

fn welcomed(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_welcomed"));
    command.args(args);
    command
}

fn challenge(id: &str, name: Option<&str>, left: u64) -> Challenge {
    Challenge {
        router: "r-1".parse().unwrap(),
        id: id.parse().unwrap(),
        network: "cafe".parse().unwrap(),
        ssid: name.map(|n| n.parse().unwrap()),
        until: now() + left,
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}
