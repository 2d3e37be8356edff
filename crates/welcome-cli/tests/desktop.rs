//! What the program asks of the desktop by D-Bus: where we are, and to show a message. The bus is a real dbus-daemon; GeoClue
//! and the desktop are stand-ins.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

#[path = "common/bus.rs"]
mod bus;
mod common;

use bus::{Bus, Notified, desktop, geoclue};
use common::signed::{now, snapshot};
use common::{Answer, CAFE, Lab, Web, entry, offer, router, signed};
use serde_json::json;

fn directory() -> Web {
    Web::start(|asked| match asked.uri.as_str() {
        "/v1/directory" => Answer::json(&signed::directory(1)),
        other => {
            let cell = other.strip_prefix("/v1/snapshots/").unwrap_or_else(|| panic!("{other}"));
            let here = if cell == "851f8d47fffffff" { json!([entry(CAFE, "Café", "open", None)]) } else { json!([]) };
            Answer::new(200, snapshot(1, cell, now() - 60, here))
        }
    })
}

#[test]
fn geoclue_says_where_we_are_as_exactly_as_a_region_needs() {
    let lab = Lab::cafe();
    let bus = Bus::start(lab.dir.path());
    let told = geoclue(&bus, Some((48.1374, 11.5755)));
    let (web, variables) = (directory(), [("DBUS_SYSTEM_BUS_ADDRESS", bus.address.as_str())]);
    let url = web.url();
    let ended = lab.start_with(&["--json", "fetch", "--server", &url, "--place", "geoclue"], &variables).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!((&ended.event("list")["entries"], &ended.event("list")["regions"]), (&json!(1), &json!(7)));
    let told = told.lock().unwrap().clone();
    assert_eq!((told.desktop_id.as_str(), told.accuracy, told.started), ("welcome", 5, true));
}

#[test]
fn no_place_is_said_so() {
    let lab = Lab::cafe();
    let bus = Bus::start(lab.dir.path());
    let url = directory().url();
    let fetch = |address: &str| {
        let args = ["--json", "fetch", "--server", &url, "--place", "geoclue"];
        let ended = lab.start_with(&args, &[("DBUS_SYSTEM_BUS_ADDRESS", address)]).end();
        assert_eq!(ended.code, Some(69), "{ended:#?}");
        ended.event("error")["message"].as_str().unwrap().to_owned()
    };
    assert!(fetch("unix:path=/nonexistent").contains("the system bus cannot be reached"));
    assert!(fetch(&bus.address).contains("it gives us no client"));
    let _told = geoclue(&bus, Some((91.0, 0.0)));
    assert!(fetch(&bus.address).contains("a place that is none"));
    let cellar = tempfile::tempdir().unwrap();
    let bus = Bus::start(cellar.path());
    let _told = geoclue(&bus, None);
    assert!(fetch(&bus.address).contains("no place within 10 s"));
}

#[test]
fn a_message_is_a_notification_without_buttons_and_its_markup_is_text() {
    let lab = Lab::cafe();
    let bus = Bus::start(lab.dir.path());
    let notified = desktop(&bus);
    let mut evil = offer("a");
    evil["text"] = "<a href=\"https://evil.example\">here</a> & now".into();
    let port = router(vec![evil]).address.port().to_string();
    let args = ["receive", "--gateway", "127.0.0.1", "--portal-port", &port, "--notify"];
    let ended = lab.start_with(&args, &[("DBUS_SESSION_BUS_ADDRESS", &bus.address)]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stdout[0], "Hello a", "the text comes all the same");
    let body = "&lt;a href=\"https://evil.example\"&gt;here&lt;/a&gt; &amp; now\nhttps://a.example/";
    let expected = Notified { title: "Hello a".to_owned(), body: body.to_owned(), actions: vec![] };
    assert_eq!(*notified.lock().unwrap(), [expected]);
}

#[test]
fn without_a_desktop_the_message_is_there_all_the_same() {
    let lab = Lab::cafe();
    let port = router(vec![offer("a")]).address.port().to_string();
    let args = ["receive", "--gateway", "127.0.0.1", "--portal-port", &port, "--notify"];
    let ended = lab.start_with(&args, &[("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent")]).end();
    assert_eq!((ended.code, ended.stdout[0].as_str()), (Some(0), "Hello a"), "{ended:#?}");
    assert!(ended.stderr.contains("failed to find the desktop"), "{}", ended.stderr);
}
