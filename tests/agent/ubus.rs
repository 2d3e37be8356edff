//! Joins, leaves, radios and addresses, by ubus alone or beside the control socket.

use std::net::IpAddr;
use std::time::Duration;

use testkit::ctrl::FakeHostapd;
use testkit::ubus::Bss;
use tokio::time::sleep;
use welcome_core::{SessionId, SessionView, View};
use welcome_proto::announce::Security;

use crate::kit::{ANN, Agent, BOB, GUEST, Kit, SOON, eventually};
use crate::log;
use crate::router::{self, GUEST_AP, GUEST_KEY, HOME_AP, HOME_KEY, Router, on_air};
use crate::station::Station;

const CAT: &str = "02:00:00:00:0c:00";

/// The visit of a station, if there is one.
fn visit<'a>(view: &'a View, mac: &str) -> Option<&'a SessionView> {
    view.sessions.values().map(|s| &**s).find(|s| s.mac.to_string() == mac)
}

fn is_here(view: &View, mac: &str) -> bool {
    visit(view, mac).is_some_and(|v| v.on_air)
}

/// Whether something is still to be shown to it.
fn is_greeted(view: &View, mac: &str) -> bool {
    visit(view, mac).is_some_and(|v| v.on_air && v.due().next().is_some())
}

impl Router {
    fn id_of(&self, mac: &str) -> SessionId {
        visit(&self.agent.view.borrow(), mac).expect("somebody who is here").id
    }

    /// The network's options change, and the agent is told.
    pub(crate) async fn reload(&self, network: &str) {
        self.rewrite(network, "");
        let client = self.client();
        let reload = async || client.call("welcomed", "reload", &serde_json::json!({}), SOON).await.is_ok();
        eventually("it is read again", reload).await;
    }

    /// Somebody joins, is heard and greeted.
    async fn greet(&mut self, mac: &str) -> SessionId {
        self.router.join(GUEST_AP, mac);
        self.agent.until(|v| is_greeted(v, mac)).await;
        self.id_of(mac)
    }
}

#[tokio::test]
async fn a_guest_is_greeted_and_the_owners_network_is_left_alone() {
    let mut kit = Router::start("", "").await;
    // None of these is a guest.
    kit.router.probe(GUEST_AP, CAT);
    kit.router.wrong_key(GUEST_AP, CAT);
    kit.router.authenticate_unheard(GUEST_AP, CAT);
    kit.router.join(HOME_AP, BOB);
    kit.greet(ANN).await;
    kit.router.ack(ANN, "127.0.0.10");
    let address: IpAddr = "127.0.0.10".parse().unwrap();
    kit.agent.until(|v| v.session_at(address).is_some()).await;
    let ann = Station { from: address, portal: kit.agent.portal };
    assert_eq!(ann.stream().await.offer().await.content.title, "Coffee is half price");
    assert_eq!(kit.agent.view.borrow().sessions.len(), 1);

    kit.router.leave(GUEST_AP, ANN);
    kit.agent.until(|v| !is_here(v, ANN)).await;
    let id = kit.id_of(ANN);
    kit.router.join(GUEST_AP, ANN);
    kit.agent.until(|v| is_here(v, ANN)).await;
    assert_eq!(kit.id_of(ANN), id, "within seconds it is no new visit");
}

#[tokio::test]
async fn a_roam_between_our_radios_keeps_the_visit() {
    let mut kit = Router::start("list ifname 'phy1-ap0'", "").await;
    kit.router.add_bss(bss("phy1-ap0", "other", "02:00:00:00:00:02", b"Caf\xe9", "psk2"));
    kit.agent.until(|v| v.networks.values().any(|n| n.bss.len() == 2)).await;
    let id = kit.greet(ANN).await;
    kit.router.join("phy1-ap0", ANN);
    kit.router.leave(GUEST_AP, ANN);
    kit.agent.until(|v| visit(v, ANN).is_some_and(|s| s.ifname == "phy1-ap0")).await;
    sleep(Duration::from_millis(200)).await;
    assert!(is_here(&kit.agent.view.borrow(), ANN));
    assert_eq!(kit.id_of(ANN), id);
}

#[tokio::test]
async fn radios_that_come_go_and_change_are_known_as_they_are() {
    let mut kit = Router::start("list ifname 'phy1-ap0'", "").await;
    let found = |view: &View| -> Vec<_> {
        let bss = view.networks.values().flat_map(|n| &n.bss);
        bss.map(|b| (b.ifname.clone(), b.ssid.as_bytes().to_vec(), b.security, b.freq)).collect()
    };
    let guest = || (GUEST_AP.to_owned(), "Café".as_bytes().to_vec(), Security::Psk, Some(2437));
    assert_eq!(found(&kit.agent.view.borrow()), [guest()]);
    let bytes: Vec<u8> = (0..32).map(|n| 0xff - n).collect();
    kit.router.add_bss(bss("phy1-ap0", "other", "02:00:00:00:00:02", &bytes, "sae-mixed"));
    let other = || ("phy1-ap0".to_owned(), bytes.clone(), Security::PskSae, Some(5180));
    kit.agent.until(|v| found(v) == [guest(), other()]).await;
    kit.router.switch_channel("phy1-ap0", 5500);
    kit.agent.until(|v| found(v).get(1).is_some_and(|(_, _, _, freq)| *freq == Some(5500))).await;
    kit.router.change_bss("phy1-ap0", |bss| {
        bss.ssid = b"Open".to_vec();
        bss.encryption = "owe".to_owned();
    });
    kit.agent
        .until(|v| found(v).get(1).is_some_and(|(_, ssid, security, _)| ssid == b"Open" && *security == Security::Owe))
        .await;
    kit.router.remove_bss("phy1-ap0");
    kit.agent.until(|v| found(v) == [guest()]).await;
    kit.greet(ANN).await;
}

#[tokio::test]
async fn a_section_that_comes_up_late_is_found() {
    let mut kit = Router::start("list section 'late'", "").await;
    kit.router.add_bss(bss("phy1-ap7", "late", "02:00:00:00:00:07", b"Late", "none"));
    kit.agent.until(|v| v.networks.values().any(|n| n.bss.iter().any(|b| b.ifname == "phy1-ap7"))).await;
    kit.router.join("phy1-ap7", ANN);
    kit.agent.until(|v| is_greeted(v, ANN)).await;
}

#[tokio::test]
async fn a_network_that_is_shared_later_is_listened_to_for_as_long_as_it_is() {
    let mut kit = Router::start("", "").await;
    let bss = |view: &View| view.networks.values().map(|n| n.bss.len()).sum::<usize>();
    let id = kit.greet(ANN).await;
    kit.router.join(HOME_AP, BOB);
    kit.reload("list section 'home'").await;
    kit.agent.until(|v| bss(v) == 2 && is_here(v, BOB)).await;
    assert!(!is_greeted(&kit.agent.view.borrow(), BOB), "he came before that");
    kit.router.join(HOME_AP, CAT);
    kit.agent.until(|v| is_greeted(v, CAT)).await;
    kit.reload("").await;
    kit.agent.until(|v| bss(v) == 1 && v.sessions.len() == 1).await;
    assert_eq!(kit.id_of(ANN), id);
}

#[tokio::test]
async fn who_was_here_before_the_agent_is_not_disturbed() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, router) = Router::around(dir.path());
    router.join_unheard(GUEST_AP, ANN);
    let mut agent = Agent::run(dir.path(), &router::config(dir.path(), broker.path(), "", "")).await;
    agent.until(|v| is_here(v, ANN)).await;
    assert!(!is_greeted(&agent.view.borrow(), ANN));
    router.join(GUEST_AP, BOB);
    agent.until(|v| is_greeted(v, BOB)).await;
}

#[tokio::test]
async fn a_join_whose_event_was_lost_is_found_and_greeted() {
    let mut kit = Router::start("", "").await;
    let id = kit.greet(ANN).await;
    kit.router.join(GUEST_AP, CAT);
    kit.agent.until(|v| is_here(v, CAT)).await;
    kit.broker.stop();
    kit.agent.until(|v| !is_here(v, ANN)).await;
    kit.router.join_unheard(GUEST_AP, BOB);
    kit.router.leave_unheard(GUEST_AP, CAT);
    kit.broker.start_again();
    kit.agent.until(|v| is_here(v, ANN) && is_greeted(v, BOB)).await;
    assert_eq!(kit.id_of(ANN), id, "and who stayed has the same visit");
    assert!(!is_here(&kit.agent.view.borrow(), CAT));
}

#[tokio::test]
async fn who_is_back_after_a_restart_of_hostapd_is_not_new() {
    let mut kit = Router::start("", "").await;
    let (ann, bob) = (kit.greet(ANN).await, kit.greet(BOB).await);
    kit.router.restart_hostapd();
    kit.router.join_unheard(GUEST_AP, ANN);
    kit.router.join(GUEST_AP, BOB);
    kit.agent.until(|v| is_here(v, BOB)).await;
    kit.broker.restart(); // a snapshot follows
    kit.agent.until(|v| is_here(v, ANN) && is_here(v, BOB)).await;
    assert_eq!((kit.id_of(ANN), kit.id_of(BOB)), (ann, bob));
}

#[tokio::test]
async fn the_ways_to_hostapd_change_and_the_visits_stay() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, router) = Router::around(dir.path());
    let config =
        router::config(dir.path(), broker.path(), "", "").replace("option joins 'ubus'", "option joins 'auto'");
    let agent = Agent::run(dir.path(), &config).await;
    let mut kit = Router { dir, broker, router, agent };
    kit.agent.until(on_air).await;
    let id = kit.greet(ANN).await;

    let hostapd = FakeHostapd::start(kit.dir.path(), GUEST_AP, "02:00:00:00:00:01", "Café");
    hostapd.join_unheard(ANN, None);
    eventually("the agent is attached to the control socket", async || hostapd.attached() == 1).await;
    // It is the same hostapd, so it tells by both ways.
    kit.router.join(GUEST_AP, BOB);
    hostapd.join(BOB, None);
    kit.agent.until(|v| is_greeted(v, BOB)).await;
    let bob = kit.id_of(BOB);
    kit.router.leave(GUEST_AP, BOB);
    hostapd.leave(BOB);
    kit.agent.until(|v| !is_here(v, BOB)).await;

    hostapd.stop();
    kit.router.join(GUEST_AP, BOB);
    kit.agent.until(|v| is_here(v, BOB)).await;
    assert_eq!((kit.id_of(ANN), kit.id_of(BOB)), (id, bob));
    assert_eq!(kit.agent.view.borrow().networks.values().next().unwrap().arrived, 2, "nobody was taken for new twice");

    hostapd.start_again();
    hostapd.join_unheard(ANN, None);
    hostapd.join_unheard(BOB, None);
    eventually("it is attached again", async || hostapd.attached() == 1).await;
    hostapd.join(CAT, None);
    kit.agent.until(|v| is_greeted(v, CAT) && is_here(v, ANN)).await;
    assert_eq!((kit.id_of(ANN), kit.id_of(BOB)), (id, bob));
}

#[tokio::test]
async fn restarts_in_any_order_end_no_visit_of_who_stays() {
    tokio::join!(outlive(1), outlive(2), outlive(3));
}

/// Restarts whatever is around the agent, in an order that the seed gives, while two stations stay and others come.
async fn outlive(seed: u64) {
    let mut kit = Router::start("", "").await;
    let stay = [ANN, BOB];
    let ids = [kit.greet(ANN).await, kit.greet(BOB).await];
    let mut dice = seed;
    let mut throw = |sides: u64| {
        // Knuth's MMIX; the low bits of it are poor.
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (dice >> 33) % sides
    };
    for round in 0..12u8 {
        let story = throw(6);
        match story {
            0 => kit.broker.restart(),
            1 => {
                kit.broker.stop();
                sleep(Duration::from_millis(throw(300))).await;
                kit.broker.start_again();
            }
            2 => kit.router.restart_netifd(),
            3 => kit.router.restart_dnsmasq(),
            4 => kit.router.wifi_reload(GUEST_AP),
            _ => kit.router.restart_hostapd(),
        }
        // Whom a new BSS has thrown out is back at once, whether or not anybody hears it.
        for mac in stay {
            if throw(2) == 0 {
                kit.router.join_unheard(GUEST_AP, mac);
            } else {
                kit.router.join(GUEST_AP, mac);
            }
        }
        sleep(Duration::from_millis(throw(400))).await;
        let new = format!("02:00:00:01:{seed:02x}:{round:02x}");
        kit.router.join(GUEST_AP, &new);
        kit.agent.until(|v| stay.into_iter().chain([&*new]).all(|mac| is_here(v, mac))).await;
        assert_eq!(stay.map(|mac| kit.id_of(mac)), ids, "seed {seed}, round {round}, story {story}");
        assert!(is_greeted(&kit.agent.view.borrow(), &new), "seed {seed}, round {round}, story {story}");
    }
    assert_eq!(kit.agent.view.borrow().networks.values().next().unwrap().arrived, 2 + 12, "seed {seed}");
}

#[tokio::test]
async fn what_ubusd_denies_is_asked_for_again_and_told_once() {
    log::keep();
    let dir = tempfile::tempdir().unwrap();
    let (broker, router) = Router::around(dir.path());
    let socket = broker.listen_as("welcomed", serde_json::json!({ "user": "welcomed" }));
    let passphrase = "option credential 'passphrase'\n\toption key 'sesame-sesame'";
    let mut agent = Agent::run(dir.path(), &router::config(dir.path(), &socket, passphrase, "")).await;
    sleep(Duration::from_secs(1)).await;
    broker.set_acl(serde_json::json!({
        "user": "welcomed", "subscribe": ["hostapd.*", "hostapd-auth", "dnsmasq", "dhcp"], "listen": ["ubus.object.*"],
        "access": {
            "hostapd.*": {"methods": ["get_status", "get_clients"]}, "network.wireless": {"methods": ["status"]},
            "dhcp": {"methods": ["ipv4leases"]}
        }
    }));
    let mut patience = 3;
    while !on_air(&agent.view.borrow()) {
        patience -= 1;
        assert!(patience > 0, "{:?}", log::lines_with("WARN"));
        sleep(Duration::from_secs(6)).await;
    }
    router.join(GUEST_AP, ANN);
    agent.until(|v| is_here(v, ANN)).await;
    let warnings = log::lines_with("WARN welcomed::watch");
    let mut different = warnings.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), warnings.len(), "{warnings:#?}");
}

#[tokio::test]
async fn without_ubus_one_line_says_so() {
    log::keep();
    let mut kit = Kit::start("").await;
    kit.hostapd.join(ANN, GUEST);
    kit.agent.until(|v| is_greeted(v, ANN)).await;
    sleep(Duration::from_secs(3)).await;
    let is_about_ubus =
        |line: &&String| line.contains("ubus") && !line.starts_with("DEBUG") && !line.starts_with("TRACE");
    let lines = log::lines_with("");
    assert_eq!(lines.iter().filter(is_about_ubus).count(), 1, "{lines:#?}");
}

#[tokio::test]
async fn no_passphrase_of_the_router_is_logged_or_handed_on() {
    log::keep();
    for network in ["", "option share_key '1'"] {
        let mut kit = Router::start(network, "").await;
        kit.greet(ANN).await;
        kit.router.restart_netifd();
        kit.router.wifi_reload(GUEST_AP);
        kit.router.join(GUEST_AP, BOB);
        kit.agent.until(|v| is_here(v, BOB)).await;
    }
    assert!(!log::lines_with("Wireless").is_empty(), "the log is kept");
    for key in [GUEST_KEY, HOME_KEY] {
        assert_eq!(log::lines_with(key), [""; 0]);
    }
}

#[tokio::test]
async fn addresses_are_learned_from_each_dhcp_server() {
    let mut kit = Router::start("", "").await;
    kit.greet(ANN).await;
    kit.greet(BOB).await;
    let has =
        |view: &View, mac: &str, ip: &str| visit(view, mac).is_some_and(|v| v.addresses.contains(&ip.parse().unwrap()));
    kit.router.ack(ANN, "10.77.0.10");
    kit.router.lease4(BOB, "10.77.0.11");
    kit.agent.until(|v| has(v, ANN, "10.77.0.10") && has(v, BOB, "10.77.0.11")).await;
    kit.router.release(ANN, "10.77.0.10");
    kit.router.expire4(BOB, "10.77.0.11");
    kit.agent.until(|v| !has(v, ANN, "10.77.0.10") && !has(v, BOB, "10.77.0.11")).await;
    kit.broker.stop();
    kit.router.lease4_unheard(BOB, "10.77.0.13");
    kit.broker.start_again();
    kit.agent.until(|v| has(v, BOB, "10.77.0.13")).await;
    kit.router.restart_dnsmasq();
    eventually("dnsmasq is listened to again", async || {
        kit.router.ack(ANN, "10.77.0.12");
        has(&kit.agent.view.borrow(), ANN, "10.77.0.12")
    })
    .await;
}

#[tokio::test]
async fn a_flood_of_probes_is_passed_over_and_holds_nobody_up() {
    let mut kit = Router::start("", "").await;
    kit.router.flood(GUEST_AP, 5000);
    for n in 0..20 {
        kit.greet(&format!("02:00:00:00:01:{n:02x}")).await;
        sleep(Duration::from_millis(50)).await;
    }
    assert!(kit.router.stop_flood() > 500, "it was none");
}

/// One more access point.
pub(crate) fn bss(ifname: &str, section: &str, bssid: &str, ssid: &[u8], encryption: &str) -> Bss {
    Bss {
        ifname: ifname.to_owned(),
        section: section.to_owned(),
        networks: vec!["guest".to_owned()],
        bssid: bssid.to_owned(),
        ssid: ssid.into(),
        encryption: encryption.to_owned(),
        key: None,
        freq: 5180,
    }
}
