//! What the router's stand-in does that no recording shows.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::ubus::{Broker, Bss, FakeRouter, Release};
use tokio_ubus::message::{Kind, Message};
use tokio_ubus::{Builder, Ref, Status};

use crate::client::Client;

#[test]
fn a_station_that_joins_and_leaves_is_told_in_order() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    router.join(GUEST_AP, ANN);
    client.subscribe_to("hostapd.phy0-ap1");
    assert_eq!(client.notifications(), [], "who comes later has to ask");
    let stations = client.call("hostapd.phy0-ap1", "get_clients", &json!({})).unwrap().to_json();
    assert_eq!(stations["clients"][ANN]["authorized"], true);

    router.leave(GUEST_AP, ANN);
    router.join(GUEST_AP, BOB);
    let kinds: Vec<_> =
        client.notifications().into_iter().map(|(kind, data)| (kind, data["address"].clone())).collect();
    let expected =
        [("deauth", ANN), ("disassoc", ANN), ("probe", BOB), ("auth", BOB), ("assoc", BOB), ("sta-authorized", BOB)];
    assert_eq!(kinds, expected.map(|(kind, mac)| (kind.to_owned(), json!(mac))));
}

#[test]
fn what_nobody_was_told_is_in_the_list() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    client.subscribe_to("hostapd.phy0-ap1");
    router.join_unheard(GUEST_AP, ANN);
    router.authenticate_unheard(GUEST_AP, BOB);
    assert_eq!(client.notifications(), []);
    let stations = client.call("hostapd.phy0-ap1", "get_clients", &json!({})).unwrap().to_json();
    assert_eq!(stations["clients"][ANN]["authorized"], true);
    assert_eq!(stations["clients"][BOB]["authorized"], false);
    router.leave_unheard(GUEST_AP, ANN);
    let stations = client.call("hostapd.phy0-ap1", "get_clients", &json!({})).unwrap().to_json();
    assert!(stations["clients"].get(ANN).is_none());
}

#[test]
fn hostapd_comes_back_with_other_objects_and_without_stations() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    client.listen("ubus.object.*");
    client.subscribe_to("hostapd.phy0-ap1");
    router.join(GUEST_AP, ANN);
    let before = client.find("hostapd.phy0-ap1");
    router.restart_hostapd();
    let after = client.find("hostapd.phy0-ap1");
    assert!(after.is_some() && after != before);
    let heard = client.hear();
    assert!(heard.iter().any(|message| message.kind == Kind::Unsubscribe && message.target() == before));
    assert!(heard.iter().any(|message| message.method() == Some("ubus.object.add")));
    let stations = client.call("hostapd.phy0-ap1", "get_clients", &json!({})).unwrap().to_json();
    assert_eq!(stations["clients"], json!({}));

    router.kill_hostapd();
    assert_eq!(client.find("hostapd.phy0-ap1"), None);
    assert_eq!(client.find("hostapd"), None);
    router.start_hostapd();
    assert!(client.find("hostapd.phy0-ap1").is_some());
    // The other access point is as it was.
    let other = client.find("hostapd.phy0-ap0");
    router.wifi_reload(GUEST_AP);
    assert_eq!(client.find("hostapd.phy0-ap0"), other);
}

#[test]
fn everything_comes_back_after_ubusd_did() {
    let (broker, router, _dir) = start(Release::V24_10);
    broker.restart();
    let began = Instant::now();
    for path in ["dhcp", "dnsmasq", "hostapd", "hostapd-auth", "hostapd.phy0-ap1", "network.wireless", "service", "uci"]
    {
        while Client::connect(&broker, broker.path()).find(path).is_none() {
            assert!(began.elapsed() < Duration::from_secs(5), "{path} is not there");
            thread::sleep(Duration::from_millis(10));
        }
    }
    let mut client = Client::connect(&broker, broker.path());
    client.subscribe_to("hostapd.phy0-ap1");
    router.join(GUEST_AP, ANN);
    assert_eq!(client.notifications().len(), 4);
}

#[test]
fn hostapd_takes_the_passphrases_of_who_answers() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    assert!(!router.sta_auth(GUEST_AP, ANN).answered, "nobody is asked");
    client.subscribe_to("hostapd-auth");
    let mut data = Builder::new();
    data.array("psk", |psk| {
        psk.push("", "come in, come in").push("", "nobody else's key");
    });
    data.push("force_psk", true).push("status", Ref::Int32(17));
    let data = data.finish().unwrap();
    let answer = thread::scope(|scope| {
        let asked = scope.spawn(|| router.sta_auth(GUEST_AP, ANN));
        let question = client.await_question("sta_auth");
        assert_eq!(question.data().unwrap().unwrap().to_json(), json!({ "iface": GUEST_AP, "sta": ANN }));
        client.answer(&question, &[&data], Status::Ok);
        asked.join().unwrap()
    });
    assert_eq!(answer.psk, ["come in, come in", "nobody else's key"]);
    assert_eq!((answer.force_psk, answer.status, answer.answered), (Some(true), Some(17), true));
    assert_eq!(broker.answered("sta_auth").len(), 1);
}

#[test]
fn hostapd_stands_still_while_nobody_answers() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    client.subscribe_to("hostapd-auth");
    thread::scope(|scope| {
        let asked = scope.spawn(|| router.sta_auth(GUEST_AP, ANN));
        client.await_question("sta_auth");
        let began = Instant::now();
        client.call("hostapd.phy0-ap0", "get_clients", &json!({})).unwrap();
        let (stood_still, answer) = (began.elapsed(), asked.join().unwrap());
        assert!(!answer.answered);
        assert!(answer.took >= Duration::from_secs(1) && stood_still > Duration::from_millis(500), "{stood_still:?}");
    });
}

#[test]
fn hostapd_waits_for_an_answer_to_a_probe_where_it_was_told_to() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    assert_eq!(router.notify_wanting_answer(GUEST_AP, "probe", ANN), Duration::ZERO, "nobody is asked");
    client.subscribe_to("hostapd.phy0-ap1");
    assert!(router.notify_wanting_answer(GUEST_AP, "probe", ANN) >= Duration::from_millis(100));
    client.hear();
    thread::scope(|scope| {
        let asked = scope.spawn(|| router.notify_wanting_answer(GUEST_AP, "auth", ANN));
        let question = client.await_question("auth");
        client.answer(&question, &[], Status::Ok);
        assert!(asked.join().unwrap() < Duration::from_millis(100));
    });
}

#[test]
fn netifd_knows_which_interface_is_which_section() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    let mut status =
        |arguments: Value| client.call("network.wireless", "status", &arguments).map(|data| data.to_json());
    let all = status(json!({})).unwrap();
    assert_eq!(all["radio0"]["up"], true);
    let guest = &all["radio0"]["interfaces"][1];
    assert_eq!((&guest["section"], &guest["ifname"]), (&json!("guest"), &json!(GUEST_AP)));
    assert_eq!(guest["config"]["network"], json!(["guest"]));
    assert_eq!(guest["config"]["key"], "come in, come in");
    assert_eq!(status(json!({ "device": "radio1" })), Err(Status::NotFound));

    router.set_pending(true);
    let pending = status(json!({ "device": "radio0" })).unwrap();
    assert_eq!((&pending["radio0"]["up"], &pending["radio0"]["pending"]), (&json!(false), &json!(true)));
    assert!(pending["radio0"]["interfaces"][1].get("ifname").is_none());
    router.set_pending(false);
    router.restart_netifd();
    router.change_bss(GUEST_AP, |bss| bss.ssid = "Tea".into());
    let all = Client::connect(&broker, broker.path()).call("network.wireless", "status", &json!({})).unwrap().to_json();
    assert_eq!(all["radio0"]["interfaces"][1]["config"]["ssid"], "Tea");
}

#[test]
fn addresses_are_told_in_the_words_of_the_release() {
    for (release, given, word) in [(Release::V24_10, "dhcp.ack", "ip"), (Release::Main, "dhcp.lease4", "ipv4")] {
        let (broker, router, _dir) = start(release);
        let mut client = Client::connect(&broker, broker.path());
        client.subscribe_to("dnsmasq");
        client.subscribe_to("dhcp");
        router.restart_dnsmasq();
        client.subscribe_to("dnsmasq");
        router.ack(ANN, "10.0.0.2");
        router.release(ANN, "10.0.0.2");
        router.lease4(BOB, "10.0.0.3");
        let heard = client.notifications();
        let kinds: Vec<_> = heard.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["dhcp.ack", "dhcp.release", given]);
        assert_eq!((&heard[0].1["mac"], &heard[0].1["ip"]), (&json!(ANN), &json!("10.0.0.2")));
        assert_eq!((&heard[2].1["mac"], &heard[2].1[word]), (&json!(BOB), &json!("10.0.0.3")));
        let leases = client.call("dhcp", "ipv4leases", &json!({})).unwrap().to_json();
        let lease = &leases["device"]["br-guest"]["leases"][0];
        assert_eq!((&lease["mac"], &lease["address"]), (&json!("020000000200"), &json!("10.0.0.3")));
        router.expire4(BOB, "10.0.0.3");
        assert_eq!(client.notifications()[0].1["mac"], BOB);
    }
}

#[test]
fn dnsmasq_waits_for_who_wants_every_name() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    client.subscribe_to("dnsmasq");
    assert!(!router.waits_for_names());
    client.subscribe_to("dnsmasq.dns");
    assert!(router.waits_for_names());
}

#[test]
fn a_router_waits_for_no_ubusd_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let began = Instant::now();
    let router = FakeRouter::start(&dir.path().join("ubus.sock"));
    router.add_bss(bss(GUEST_AP, "guest", "guest", "02:00:00:00:00:01"));
    router.join(GUEST_AP, ANN);
    assert!(began.elapsed() < Duration::from_secs(2));
    let broker = Broker::start(dir.path());
    let began = Instant::now();
    while Client::connect(&broker, broker.path()).find("hostapd.phy0-ap1").is_none() {
        assert!(began.elapsed() < Duration::from_secs(5));
        thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_change_of_the_configuration_counts_once_it_is_committed() {
    let (broker, router, _dir) = start(Release::V24_10);
    router.set_uci("dhcp", "lan", "dhcp", json!({ "interface": "lan", "start": 100 }));
    router.set_uci("dhcp", "cfg02ad04", "dhcp", json!({ "interface": "guest", "dhcp_option": ["3,10.0.0.1"] }));
    let mut client = Client::connect(&broker, broker.path());
    client.subscribe_to("service");
    let mut uci = |method: &str, arguments: Value| client.call("uci", method, &arguments).map(|data| data.to_json());
    let before = uci("get", json!({ "config": "dhcp" })).unwrap();
    assert_eq!(
        before["values"]["lan"],
        json!({ ".anonymous": false, ".type": "dhcp", ".name": "lan", ".index": 0, "interface": "lan", "start": "100" })
    );
    assert_eq!(before["values"], router.uci("dhcp"));
    let values = json!({ "dhcp_option": ["3,10.0.0.1", "114,x"] });
    uci("set", json!({ "config": "dhcp", "section": "cfg02ad04", "values": values })).unwrap();
    uci("delete", json!({ "config": "dhcp", "section": "lan", "option": "start" })).unwrap();
    let staged = uci("get", json!({ "config": "dhcp", "section": "cfg02ad04", "option": "dhcp_option" })).unwrap();
    assert_eq!(staged["value"], values["dhcp_option"]);
    assert_eq!(before["values"], router.uci("dhcp"), "not yet");
    router.stage_uci("dhcp", "lan", "limit", "50");
    let changes = uci("changes", json!({ "config": "dhcp" })).unwrap();
    let expected = json!([
        ["remove", "cfg02ad04", "dhcp_option"],
        ["list-add", "cfg02ad04", "dhcp_option", "3,10.0.0.1"],
        ["list-add", "cfg02ad04", "dhcp_option", "114,x"],
        ["remove", "lan", "start"],
        ["set", "lan", "limit", "50"],
    ]);
    assert_eq!(changes["changes"], expected);
    router.await_confirmation(true);
    assert_eq!(uci("commit", json!({ "config": "dhcp" })), Err(Status::PermissionDenied));
    router.await_confirmation(false);
    uci("commit", json!({ "config": "dhcp" })).unwrap();
    assert_eq!(router.commits(), ["dhcp"]);
    assert_eq!(router.uci("dhcp")["cfg02ad04"]["dhcp_option"], values["dhcp_option"]);
    assert_eq!(router.uci("dhcp")["lan"]["limit"], "50");
    assert_eq!(uci("changes", json!({ "config": "dhcp" })).unwrap()["changes"], json!([]));
    assert_eq!(client.notifications(), [("config.change".to_owned(), json!({ "config": "dhcp" }))]);
}

#[test]
fn what_a_session_applies_is_its_own_and_undone_unless_confirmed() {
    let (_broker, router, dir) = start(Release::V24_10);
    let file = dir.path().join("config");
    std::fs::create_dir(&file).unwrap();
    let text = "config offer 'a'\n\toption title 'one'\n\nconfig offer 'b'\n";
    std::fs::write(file.join("welcomed"), text).unwrap();
    router.keep_uci_in(&file);
    let read = || std::fs::read_to_string(file.join("welcomed")).unwrap();
    let uci = |session: &str, method: &str, arguments: Value| router.uci_call(session, method, &arguments);
    let set = |session: &str, title: &str| {
        uci(session, "set", json!({ "config": "welcomed", "section": "a", "values": { "title": title } })).unwrap();
    };
    let changes = |session: &str| uci(session, "changes", json!({})).unwrap().unwrap()["changes"].clone();
    set("s1", "two");
    set("s2", "three");
    uci("s1", "order", json!({ "config": "welcomed", "sections": ["b", "a"] })).unwrap();
    let expected = json!({ "welcomed": [["set", "a", "title", "two"], ["order", "b", "0"], ["order", "a", "1"]] });
    assert_eq!(changes("s1"), expected);
    assert_eq!(changes("s2"), json!({ "welcomed": [["set", "a", "title", "three"]] }));
    assert_eq!(read(), text, "nothing is in force");
    assert_eq!(uci("s3", "apply", json!({ "rollback": true })), Err(Status::NoData));
    assert_eq!(uci("", "apply", json!({ "rollback": true })), Err(Status::PermissionDenied));

    uci("s1", "apply", json!({ "rollback": true, "timeout": 90 })).unwrap();
    assert_eq!(read(), "\nconfig offer 'b'\n\nconfig offer 'a'\n\toption title 'two'\n\n");
    assert_eq!(uci("s2", "apply", json!({ "rollback": true })), Err(Status::PermissionDenied), "one at a time");
    assert_eq!(uci("s2", "confirm", json!({})), Err(Status::PermissionDenied));
    assert_eq!(uci("", "commit", json!({ "config": "welcomed" })), Err(Status::PermissionDenied));
    uci("s1", "confirm", json!({})).unwrap();
    assert_eq!(uci("s1", "confirm", json!({})), Err(Status::NoData));

    let before = read();
    uci("s2", "apply", json!({ "rollback": true, "timeout": 0 })).unwrap();
    assert!(read().contains("three"));
    router.look_at_clock();
    assert_eq!(read(), before, "it was not confirmed in time");
    assert_eq!(router.commits(), ["welcomed"; 3], "and whoever listens heard of each");
}

#[test]
fn rpcd_refuses_what_it_cannot_do() {
    let (broker, router, _dir) = start(Release::V24_10);
    router.set_uci("dhcp", "lan", "dhcp", json!({ "interface": "lan" }));
    let mut client = Client::connect(&broker, broker.path());
    for (method, arguments, status) in [
        ("get", json!({}), Status::InvalidArgument),
        ("get", json!({ "config": "nosuch" }), Status::NotFound),
        ("get", json!({ "config": "dhcp", "section": "nosuch" }), Status::NotFound),
        ("set", json!({ "config": "dhcp", "section": "lan" }), Status::InvalidArgument),
        ("set", json!({ "config": "dhcp", "section": "nosuch", "values": { "a": "b" } }), Status::NotFound),
        ("set", json!({ "config": "dhcp", "section": "lan", "values": { "a": [] } }), Status::InvalidArgument),
        ("delete", json!({ "config": "dhcp" }), Status::InvalidArgument),
        ("delete", json!({ "config": "dhcp", "section": "lan", "option": "nosuch" }), Status::NotFound),
        ("commit", json!({ "config": "nosuch" }), Status::NotFound),
        ("nosuch", json!({}), Status::MethodNotFound),
    ] {
        assert_eq!(client.call("uci", method, &arguments), Err(status), "{method} {arguments}");
    }
    let added = client.call("uci", "add", &json!({ "config": "dhcp", "type": "dhcp" })).unwrap().to_json();
    assert_eq!(added["section"], "cfg02ad04", "as UCI counts");
    client.call("uci", "revert", &json!({ "config": "dhcp" })).unwrap();
    let changes = client.call("uci", "changes", &json!({ "config": "dhcp" })).unwrap().to_json();
    assert_eq!(changes["changes"], json!([]));
}

#[test]
fn a_flood_is_as_strong_as_it_should_be() {
    let (broker, router, _dir) = start(Release::V24_10);
    let mut client = Client::connect(&broker, broker.path());
    client.subscribe_to("hostapd.phy0-ap1");
    router.probe(GUEST_AP, ANN);
    let began = Instant::now();
    router.flood(GUEST_AP, 1000);
    let mut heard = 0;
    while began.elapsed() < Duration::from_millis(300) {
        heard += client.notifications().len();
        thread::sleep(Duration::from_millis(5));
    }
    let sent = router.stop_flood();
    // Late on a busy machine, and never ahead of time.
    assert!((100..=1000 * began.elapsed().as_millis() as u64 / 1000 + 1).contains(&sent), "{sent} were sent");
    heard += client.notifications().len();
    assert_eq!(heard as u64, sent + 1);
}

fn start(release: Release) -> (Broker, FakeRouter, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let router = FakeRouter::start_as(broker.path(), release);
    for (ifname, section, network, bssid) in
        [("phy0-ap0", "home", "lan", "02:00:00:00:00:00"), (GUEST_AP, "guest", "guest", "02:00:00:00:00:01")]
    {
        router.add_bss(bss(ifname, section, network, bssid));
    }
    (broker, router, dir)
}

fn bss(ifname: &str, section: &str, network: &str, bssid: &str) -> Bss {
    Bss {
        ifname: ifname.into(),
        section: section.into(),
        networks: vec![network.into()],
        bssid: bssid.into(),
        ssid: "Café".into(),
        encryption: "psk2".into(),
        key: Some("come in, come in".into()),
        freq: 2437,
    }
}

impl Client<'_> {
    /// Waits until it is asked this.
    fn await_question(&mut self, kind: &str) -> Message {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(5) {
            if let Some(question) = self.hear().into_iter().find(|message| message.method() == Some(kind)) {
                return question;
            }
            thread::sleep(Duration::from_millis(1));
        }
        panic!("nobody asks {kind}");
    }
}

const GUEST_AP: &str = "phy0-ap1";
const ANN: &str = "02:00:00:00:01:00";
const BOB: &str = "02:00:00:00:02:00";
