//! The broker says what ubusd said: recordings of ubusd with real clients, played again.
//!
//! Not played: 43 and 44, of which notifications were left out when they were shortened. Of 30 only the frames that were
//! kept; how much of a flood is lost is in `conduct`.

use crate::replay::Play;

/// Objects that were there and whose owner, rpcd, was not recorded.
const RPCD: [&str; 5] = ["file", "rc", "rpc-sys", "session", "uci"];
/// The same with the laboratory's own object, where its owner was not recorded either.
const ALL: [&str; 6] = ["file", "rc", "rpc-sys", "session", "uci", "wirelab"];

#[test]
fn who_connects_is_greeted() {
    Play::new("01-hello", &[]).run();
    Play::new("22-ping", &[]).run();
}

#[test]
fn objects_are_found() {
    for name in ["02-lookup-all", "03-lookup-one", "04-lookup-wildcard", "05-lookup-missing"] {
        Play::new(name, &RPCD).run();
    }
}

#[test]
fn calls_are_brought_to_the_owner_and_answers_back() {
    Play::new("06-invoke-all-types", &[]).run();
    Play::new("07-invoke-json", &ALL).run();
    Play::new("08-invoke-errors", &ALL).run();
    Play::new("10-being-invoked", &[]).run();
    Play::new("11-deferred", &[]).run();
    Play::new("19-large", &[]).run();
    Play::new("21-example-server", &[]).run();
    Play::new("24-rpcd-session", &RPCD).run();
}

#[test]
fn descriptors_travel_with_calls_and_with_the_end_of_answers() {
    Play::new("20-fd-passing", &[]).run();
}

#[test]
fn objects_come_and_go() {
    Play::new("09-add-object", &[]).run();
    Play::new("15-object-removed", &[]).run();
    Play::new("16-publisher-dies", &[]).run();
    Play::new("23-wait-for", &RPCD).run();
}

#[test]
fn notifications_reach_subscribers() {
    for name in ["12-notify-no-reply", "13-notify-reply", "14-subscribe-cli"] {
        Play::new(name, &[]).run();
    }
    Play::new("25-subscribe-errors", &["wirelab"]).run();
    Play::new("30-slow-subscriber", &["wirelab"]).run();
}

#[test]
fn hostapd_and_its_subscriber_hear_what_they_heard() {
    for name in ["40-hostapd-main", "41-hostapd-2410", "42-hostapd-2305"] {
        Play::new(name, &[]).run();
    }
}

#[test]
fn events_reach_listeners() {
    Play::new("17-events", &[]).run();
}

#[test]
fn a_monitor_sees_everything() {
    Play::new("18-monitor", &["wirelab"]).run();
}

#[test]
fn odd_messages_are_taken_as_ubusd_takes_them() {
    Play::new("26-protocol-edges", &RPCD).run();
}

#[test]
fn an_ordinary_user_may_do_what_its_file_grants() {
    Play::new("27-nonroot-no-acl", &ALL).knowing("wirelab", 0x6234_5392).run();
    Play::new("28-nonroot-acl", &ALL).run();
    Play::new("29-nonroot-acl-wildcards", &ALL).run();
}
