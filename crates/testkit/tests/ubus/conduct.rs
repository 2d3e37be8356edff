//! What the broker does that no recording shows.

use std::collections::BTreeSet;

use serde_json::json;
use tempfile::TempDir;
use testkit::ubus::Broker;
use tokio_ubus::message::{Attribute, Kind, Message};
use tokio_ubus::{Builder, Ref, Status};

use crate::client::Client;

#[test]
fn a_client_that_does_not_read_loses_what_is_beyond_its_queue() {
    let (broker, _dir) = broker();
    let mut publisher = Client::connect(&broker, broker.path());
    let mut subscriber = Client::connect(&broker, broker.path());
    let target = publisher.add(Some("wirelab"));
    subscriber.subscribe(target);
    // As in the recording: 60 times 50 kB, of which the queue takes 20 and the socket a few.
    for n in 0..60 {
        let mut data = Builder::new();
        data.push("n", Ref::Int32(n)).push("text", "x".repeat(50_000).as_str());
        publisher.notify(target, "big", data.finish().unwrap().as_bytes());
    }
    let heard: Vec<i64> = subscriber.hear().iter().filter_map(|m| m.data()?.ok()?.get("n")?.as_i64()).collect();
    let lost_from = i64::try_from(heard.len()).unwrap();
    assert_eq!(heard, (0..lost_from).collect::<Vec<_>>(), "the first ones, without a gap");
    assert!((20..40).contains(&lost_from), "{lost_from} of 60 arrived; with the real ubusd 25 did");
    publisher.notify(target, "later", &[]);
    assert!(subscriber.hear().iter().any(|message| message.method() == Some("later")), "it is served again");
}

#[test]
fn the_answer_to_a_look_up_is_never_lost() {
    let (broker, _dir) = broker();
    let mut owner = Client::connect(&broker, broker.path());
    let method = "m".repeat(4000);
    for n in 0..500 {
        owner.add_with(&format!("object.{n:03}"), &method);
    }
    let mut asks = Client::connect(&broker, broker.path());
    asks.wire.tell(Kind::Lookup, 7, 0, []);
    asks.wire.tell(Kind::Ping, 8, 0, []);
    let heard = asks.hear();
    let paths: Vec<_> = heard.iter().filter(|m| m.seq == 7).filter_map(Message::path).collect();
    assert_eq!(paths.len(), 500, "two megabytes of them");
    assert!(paths.is_sorted());
    let last = heard.iter().rfind(|message| message.seq == 7).unwrap();
    assert_eq!((last.kind, last.status()), (Kind::Status, Some(0)));
    let ping = heard.iter().position(|message| message.seq == 8).unwrap();
    assert!(ping < 400, "meanwhile others are answered");
}

#[test]
fn what_is_not_read_when_its_sender_closes_is_lost() {
    let (broker, _dir) = broker();
    let mut listener = Client::connect(&broker, broker.path());
    listener.listen("*");
    let hasty = Client::connect(&broker, broker.path());
    let frozen = broker.freeze();
    hasty.wire.tell(Kind::Invoke, 1, 1, send_event("hasty", 1).attributes().map(Result::unwrap));
    drop(hasty);
    drop(frozen);
    assert!(listener.hear().is_empty(), "ubusd looks first whether the client is still there");
}

#[test]
fn after_a_restart_nothing_is_registered() {
    let (broker, _dir) = broker();
    let mut client = Client::connect(&broker, broker.path());
    let old = client.add(Some("wirelab"));
    broker.restart();
    client.hear();
    assert!(client.wire.ended, "everybody is cut off");

    let mut client = Client::connect(&broker, broker.path());
    assert_eq!(client.ask(Kind::Lookup, &[Attribute::Path("wirelab")]), Status::NotFound);
    assert_ne!(client.add(Some("wirelab")), old);

    broker.stop();
    assert!(!broker.path().exists(), "while it is stopped nobody can connect");
    broker.start_again();
    Client::connect(&broker, broker.path());
}

#[test]
fn another_access_list_takes_effect_at_once() {
    let (broker, _dir) = broker();
    let door = broker.listen_as("nobody", json!({ "user": "nobody" }));
    let mut root = Client::connect(&broker, broker.path());
    root.listen("ubus.acl.sequence");
    let target = root.add(Some("wirelab"));
    let mut nobody = Client::connect(&broker, &door);
    let own = nobody.add(None);
    let subscription = [Attribute::Object(own), Attribute::Target(target)];
    assert_eq!(nobody.ask(Kind::Subscribe, &subscription), Status::NotFound);

    broker.set_acl(json!({ "user": "nobody", "subscribe": ["wirelab"] }));
    assert_eq!(nobody.ask(Kind::Subscribe, &subscription), Status::Ok);
    assert!(root.hear().iter().any(|message| message.method() == Some("ubus.acl.sequence")));

    broker.set_acl(json!({ "user": "somebody", "publish": ["*"] }));
    assert_eq!(nobody.ask(Kind::AddObject, &[Attribute::Path("mine")]), Status::InvalidArgument);
}

#[test]
fn what_an_ordinary_user_did_is_known() {
    let (broker, _dir) = broker();
    let door = broker.listen_as("nobody", json!({ "user": "nobody", "listen": ["*"], "publish": ["mine"] }));
    let mut root = Client::connect(&broker, broker.path());
    let target = root.add(Some("wirelab"));
    assert_eq!(broker.used(), BTreeSet::new(), "root needs no right");

    let mut nobody = Client::connect(&broker, &door);
    nobody.ask(Kind::Lookup, &[Attribute::Path("wire*")]);
    let own = nobody.add(Some("mine"));
    nobody.listen("ubus.object.*");
    nobody.ask(Kind::Subscribe, &[Attribute::Object(own), Attribute::Target(target)]);
    let refused = nobody.ask(Kind::Invoke, &[Attribute::Object(target), Attribute::Method("echo")]);
    assert_eq!(refused, Status::PermissionDenied);
    let used = [
        ("access", "wirelab", "echo"),
        ("listen", "ubus.object.*", ""),
        ("lookup", "wire*", ""),
        ("publish", "mine", ""),
        ("subscribe", "wirelab", ""),
    ];
    let used = used.map(|(what, name, method)| (what.to_owned(), name.to_owned(), method.to_owned()));
    assert_eq!(broker.used(), used.into());
}

#[test]
fn it_measures_how_long_an_answer_took() {
    let (broker, _dir) = broker();
    let mut publisher = Client::connect(&broker, broker.path());
    let mut subscriber = Client::connect(&broker, broker.path());
    let target = publisher.add(Some("hostapd-auth"));
    let own = subscriber.subscribe(target);
    publisher.wire.tell(Kind::Notify, 9, target, [Attribute::Object(target), Attribute::Method("sta_auth")]);
    let asked = subscriber.hear().remove(0);
    assert_eq!(broker.answered("sta_auth"), []);
    subscriber.wire.tell(Kind::Status, asked.seq, asked.peer, [Attribute::Status(0), Attribute::Object(own)]);
    assert_eq!(broker.answered("sta_auth").len(), 1);
    assert_eq!(broker.answered("probe"), []);
}

fn broker() -> (Broker, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    (Broker::start(dir.path()), dir)
}

fn send_event(name: &str, n: i32) -> Message {
    let mut data = Builder::new();
    data.push("id", name).table("data", |table| {
        table.push("n", Ref::Int32(n));
    });
    let data = data.finish().unwrap();
    let attributes = [Attribute::Object(1), Attribute::Method("send"), Attribute::Data(data.as_bytes())];
    Message::new(Kind::Invoke, 1, 1, attributes).unwrap()
}
