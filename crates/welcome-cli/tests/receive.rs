//! Messages: from the router and from the server, each once, and none that is not of whom it says. Both are stand-ins;
//! what is signed is signed as the real server signs it.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

#[path = "common/bus.rs"]
mod bus;
mod common;

use std::time::{Duration, Instant};

use bus::{Bus, networkd};
use common::signed::{now, public_key, statement};
use common::{Answer, Asked, CAFE, Ended, KEY, Lab, Web, ap, entry, offer, router, signed};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;

/// A directory where the café's organisation signs with the key of 7, and which has these statements for who arrives.
fn directory(signer: Option<u8>, greeting: Vec<Value>) -> Web {
    let mut cafe = entry(CAFE, "Café", "psk", Some(KEY));
    if let Some(seed) = signer {
        cafe["signer"] = public_key(seed).into();
    }
    Web::start(move |asked| match asked.uri.as_str() {
        "/v1/directory" => Answer::json(&signed::directory(1)),
        "/v1/snapshots" => Answer::json(&json!({ "snapshots": [] })),
        "/v1/lookup/list" => Answer::json(&json!({ "entries": [cafe] })),
        "/v1/arrivals" if greeting.is_empty() => Answer::new(404, ""),
        "/v1/arrivals" => Answer::json(&json!({ "offers": greeting })),
        other => panic!("{other}"),
    })
}

fn hello(title: &str) -> Value {
    json!({ "id": "hello", "content": { "title": title }, "translations": { "de": { "title": "Hallo" } } })
}

/// As a router passes it on, with a text of its own.
fn passed_on(sender: &str, signed: &Value) -> Value {
    json!({ "id": "hello", "sender": sender, "title": "Pay here", "signed": signed })
}

fn titles(ended: &Ended) -> Vec<String> {
    let offers = ended.events().into_iter().filter(|event| event["event"] == "offer");
    offers.map(|event| event["title"].as_str().unwrap().to_owned()).collect()
}

fn shown(router: &Web) -> Vec<String> {
    router.asked().into_iter().filter(|asked| asked.method == "POST").map(|asked| asked.body).collect()
}

/// A network whose router has no agent.
fn silent() -> Web {
    Web::start(|_| Answer::new(404, ""))
}

#[test]
fn a_message_of_the_sharer_is_what_the_sharer_signed() {
    let lab = Lab::cafe();
    let router = router(vec![passed_on("sharer", &statement(7, "sharer", hello("Hi")))]);
    let ended = lab.connect(Some(&directory(Some(7), vec![])), &router, &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let offer = ended.event("offer");
    assert_eq!((&offer["title"], &offer["proof"], &offer["from"]), (&json!("Hi"), &json!("signed"), &json!("router")));
    assert!(offer["signed"]["statement"].as_str().unwrap().contains("hello"));
    assert_eq!(shown(&router), [r#"{"offers":[{"sender":"sharer","id":"hello"}]}"#]);
}

#[test]
fn a_message_that_is_forged_or_not_signed_is_not_shown_and_reported() {
    for (given, why) in [
        (passed_on("sharer", &statement(8, "sharer", hello("Hi"))), "signature"),
        (passed_on("sharer", &Value::Null), "not signed"),
        (passed_on("server", &statement(7, "sharer", hello("Hi"))), "another message"),
    ] {
        let lab = Lab::cafe();
        let router = router(vec![given, offer("own")]);
        let ended = lab.connect(Some(&directory(Some(7), vec![])), &router, &[]).end();
        assert_eq!((ended.code, titles(&ended)), (Some(0), vec!["Hello own".to_owned()]), "{ended:#?}");
        let refused = ended.event("offer-refused");
        assert!(refused["why"].as_str().unwrap().contains(why) && refused["id"] == "hello", "{refused}");
        assert_eq!(ended.event("offer")["proof"], "router");
        assert_eq!(shown(&router), [r#"{"offers":[{"sender":"device","id":"own"}]}"#]);
    }
}

#[test]
fn nothing_but_a_forged_message_is_no_message() {
    let lab = Lab::cafe();
    let router = router(vec![passed_on("sharer", &statement(8, "sharer", hello("Hi")))]);
    let ended = lab.connect(Some(&directory(Some(7), vec![])), &router, &["--wait", "1"]).end();
    assert_eq!((ended.code, titles(&ended).len()), (Some(3), 0), "{ended:#?}");
    assert_eq!(shown(&router), Vec::<String>::new());
}

#[test]
fn where_the_list_names_nobody_a_message_is_marked() {
    let lab = Lab::cafe();
    let router = router(vec![passed_on("sharer", &statement(8, "sharer", hello("Hi")))]);
    let ended = lab.connect(Some(&directory(None, vec![])), &router, &[]).end();
    assert_eq!((ended.code, &ended.event("offer")["proof"]), (Some(0), &json!("none")), "{ended:#?}");
}

#[test]
fn the_server_has_the_message_where_the_router_says_nothing() {
    let lab = Lab::cafe();
    let directory = directory(Some(7), vec![statement(7, "server", hello("Hi"))]);
    let ended = lab.connect(Some(&directory), &silent(), &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let offer = ended.event("offer");
    assert_eq!(
        (&offer["from"], &offer["proof"], &offer["sender"]),
        (&json!("server"), &json!("signed"), &json!("server"))
    );
    let asked = directory.asked().into_iter().find(|asked| asked.uri == "/v1/arrivals").unwrap();
    assert_eq!(asked.body, json!({ "bssid": CAFE }).to_string());
}

#[test]
fn what_the_server_signs_with_another_key_is_not_shown() {
    let lab = Lab::cafe();
    let directory = directory(Some(7), vec![statement(8, "server", hello("Hi"))]);
    let ended = lab.connect(Some(&directory), &silent(), &["--wait", "1"]).end();
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert_eq!(ended.event("offer-refused")["from"], "server");
}

#[test]
fn a_message_that_comes_by_both_ways_is_shown_once_and_the_router_knows() {
    let lab = Lab::cafe();
    let signed = statement(7, "sharer", hello("Hi"));
    let router = router(vec![passed_on("sharer", &signed)]);
    let directory = directory(Some(7), vec![signed]);
    let ended = lab.connect(Some(&directory), &router, &[]).end();
    assert_eq!((ended.code, titles(&ended)), (Some(0), vec!["Hi".to_owned()]), "{ended:#?}");
    assert_eq!(shown(&router).len(), 1);
}

#[test]
fn an_offer_of_the_servers_waits_for_its_hour_and_its_audience() {
    let at = |when: Value, audience: &str| {
        let mut offer = hello("Hi");
        (offer["when"], offer["audience"]) = (when, audience.into());
        statement(7, "server", offer)
    };
    // Whatever day it is here.
    let today = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let day = usize::try_from((now() / 86_400 + 3) % 7).unwrap();
    let other = json!({ "weekdays": [today[(day + 3) % 7]] });
    let all = json!({ "weekdays": today });
    for (statement, code) in [
        (at(other, "everybody"), 3),
        (at(all.clone(), "everybody"), 0),
        (at(all.clone(), "first"), 0),
        (at(all, "returning"), 3),
    ] {
        let lab = Lab::cafe();
        let ended = lab.connect(Some(&directory(Some(7), vec![statement])), &silent(), &["--wait", "1"]).end();
        assert_eq!(ended.code, Some(code), "{ended:#?}");
    }
    let lab = Lab::cafe();
    let signed = directory(Some(7), vec![at(json!({}), "returning")]);
    assert_eq!(lab.connect(Some(&signed), &silent(), &["--wait", "1"]).end().code, Some(3));
    assert_eq!(lab.connect(Some(&signed), &silent(), &["--wait", "1"]).end().code, Some(0), "it was here before");
}

#[test]
fn who_asks_by_hand_sees_it_again_and_who_stays_does_not() {
    let lab = Lab::cafe();
    let directory = directory(Some(7), vec![]);
    let router = router(vec![passed_on("sharer", &statement(7, "sharer", hello("Hi")))]);
    for _ in 0..2 {
        assert_eq!(titles(&lab.connect(Some(&directory), &router, &[]).end()), ["Hi"]);
    }
    let (url, port) = (directory.url(), router.address.port().to_string());
    let args = ["--json", "watch", "--server", &url, "--gateway", "127.0.0.1", "--portal-port", &port];
    let told = shown(&router).len();
    let running = lab.start(&args);
    running.until("address");
    std::thread::sleep(Duration::from_millis(500));
    running.signal("-INT");
    let ended = running.end();
    assert_eq!(titles(&ended), Vec::<String>::new(), "{ended:#?}");
    assert_eq!(shown(&router).len(), told, "it was not shown in this visit");
}

#[test]
fn a_person_gets_their_language_and_reads_what_speaks_for_a_message() {
    let lab = Lab::cafe();
    let router = router(vec![passed_on("sharer", &statement(7, "sharer", hello("Hi"))), offer("own")]);
    let (url, port) = (directory(Some(7), vec![]).url(), router.address.port().to_string());
    let args = ["connect", "--server", &url, "--gateway", "127.0.0.1", "--portal-port", &port];
    let ended = lab.start_with(&args, &[("LC_ALL", "de_AT.UTF-8")]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stdout[0], "Hallo");
    assert!(ended.stderr.contains("a message, signed:") && ended.stderr.contains("a message, of the router itself:"));
    assert!(router.asked().iter().any(|asked| asked.headers.get("accept-language").is_some_and(|l| l == "de-at")));
}

#[test]
fn the_link_of_the_captive_portal_api_is_shown_where_nothing_else_comes() {
    let lab = Lab::cafe();
    let portal = Web::start(|_| {
        Answer::json(&json!({ "captive": false, "venue-info-url": "https://venue.example/" }))
            .header("content-type", "application/captive+json")
    });
    let directory = directory(Some(7), vec![]);
    let began = Instant::now();
    let ended = lab.connect(Some(&directory), &silent(), &["--wait", "1", "--captive-uri", &portal.url()]).end();
    assert_eq!((ended.code, &ended.event("link")["link"]), (Some(0), &json!("https://venue.example/")), "{ended:#?}");
    assert!(began.elapsed() >= Duration::from_secs(1), "a message could still come");
    assert_eq!(portal.asked()[0].headers["accept"], "application/captive+json");
    let told = router(vec![offer("a")]);
    let ended = lab.connect(Some(&directory), &told, &["--captive-uri", &portal.url()]).end();
    assert!(!ended.names().contains(&"link".to_owned()), "{ended:#?}");
}

/// A captive portal API with TLS, and the authority that makes it `localhost`.
fn portal(lab: &Lab) -> (Web, String) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    let authority = lab.dir.path().join("authority.pem");
    std::fs::write(&authority, certificate.pem()).unwrap();
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    (Web::start_tls(config, venue), authority.to_str().unwrap().to_owned())
}

fn venue(_: &Asked) -> Answer {
    Answer::json(&json!({ "captive": false, "venue-info-url": "https://venue.example/" }))
}

#[test]
fn a_lease_names_the_captive_portal_api_and_only_by_https() {
    let lab = Lab::cafe();
    let (portal, authority) = portal(&lab);
    let plain = Web::start(venue);
    let named = |uri: &str| format!("echo {uri} > $CAPTIVE_URI_FILE; exec sleep 60");
    let connect =
        |dhcp: &str| lab.connect(None, &silent(), &["--wait", "1", "--ca-file", &authority, "--dhcp", dhcp]).end();
    assert_eq!(lab.connect(Some(&directory(None, vec![])), &router(vec![offer("a")]), &[]).end().code, Some(0));
    let ended = connect(&named(&format!("https://localhost:{}/api", portal.address.port())));
    assert_eq!((ended.code, &ended.event("link")["link"]), (Some(0), &json!("https://venue.example/")), "{ended:#?}");
    // Nor does what one lease has said count for the next one.
    for dhcp in [named(&plain.url()), named("nonsense"), "exec sleep 60".to_owned()] {
        assert_eq!(connect(&dhcp).code, Some(3), "{dhcp}");
    }
    assert_eq!(plain.uris(), [""; 0]);
}

#[test]
fn networkd_says_what_the_network_names_and_only_https_is_asked() {
    // networkd knows interfaces that there are.
    let lab = Lab::on("lo", vec![ap(CAFE, "Café", Some(KEY), -50)]);
    let (portal, authority) = portal(&lab);
    let plain = Web::start(venue);
    let (url, silent) = (directory(None, vec![]).url(), silent());
    let port = silent.address.port().to_string();
    let connect = |bus: &str| {
        let common = ["--json", "connect", "--server", &url, "--ca-file", &authority, "--wait", "1"];
        let args = [&common[..], &["--gateway", "127.0.0.1", "--portal-port", &port]].concat();
        lab.start_on("lo", &args, &[("DBUS_SYSTEM_BUS_ADDRESS", bus)]).end()
    };
    let said = |description: Value| {
        let dir = tempfile::tempdir().unwrap();
        let bus = Bus::start(dir.path());
        networkd(&bus, description.to_string());
        connect(&bus.address)
    };
    let named = format!("https://localhost:{}/api", portal.address.port());
    let ended = said(json!({ "Index": 1, "AdministrativeState": "configured", "CaptivePortal": named }));
    assert_eq!((ended.code, &ended.event("link")["link"]), (Some(0), &json!("https://venue.example/")), "{ended:#?}");
    for nothing in [
        json!({ "Index": 1, "AdministrativeState": "configured", "CaptivePortal": plain.url() }),
        json!({ "Index": 1, "AdministrativeState": "configured", "CaptivePortal": "nonsense" }),
        json!({ "Index": 1, "AdministrativeState": "unmanaged" }),
        json!({ "Index": 1, "AdministrativeState": "configured", "CaptivePortal": 7 }),
    ] {
        assert_eq!(said(nothing.clone()).code, Some(3), "{nothing}");
    }
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(connect(&Bus::start(dir.path()).address).code, Some(3), "a bus without networkd");
    assert_eq!(plain.uris(), [""; 0]);
}

#[test]
fn receive_knows_the_network_by_the_radio() {
    let lab = Lab::cafe();
    let directory = directory(Some(7), vec![]);
    let forged = router(vec![passed_on("sharer", &statement(8, "sharer", hello("Hi"))), offer("own")]);
    assert_eq!(lab.connect(Some(&directory), &forged, &[]).end().code, Some(0));
    let port = forged.address.port().to_string();
    let ended = lab.run(&["--json", "receive", "--gateway", "127.0.0.1", "--portal-port", &port]);
    assert_eq!((ended.code, titles(&ended)), (Some(0), vec!["Hello own".to_owned()]), "{ended:#?}");
    assert_eq!(ended.event("offer-refused")["id"], "hello");
    assert_eq!(ended.event("here")["bssid"], CAFE);
}
