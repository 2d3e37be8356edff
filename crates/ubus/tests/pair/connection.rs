//! Connections that end, and connections made again.

use crate::peer::{Peer, pair, pair_of, subscribed};
use serde_json::json;
use std::time::Duration;
use tokio::net::{UnixListener, UnixStream};
use tokio::time::timeout;
use tokio_ubus::message::{Attribute, Kind};
use tokio_ubus::{Error, EventNotice, Notice, Object, ObjectState, Status};

#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told_when_the_stream_ends() {
    let (client, mut peer, mut heard) = subscribed(|client| client.subscribe("thing").start()).await;
    let (mut events, mut published) = (client.listen("foo"), client.publish(Object::new("ours")));
    let call = client.invoke(7, "do", Default::default(), None, LIMIT);
    let script = async move {
        while peer.hear().await.kind != Kind::Invoke {}
        peer.notify(101, "last", &json!({})).await;
    };
    let (result, ()) = tokio::join!(call, script);
    assert!(matches!(result, Err(Error::Closed)), "{result:?}");
    assert!(matches!(heard.next().await, Some(Notice::Notification { .. })), "it was heard");
    assert_eq!(heard.next().await, Some(Notice::Gone { path: "thing".into() }));
    assert_eq!(heard.next().await, None);
    assert_eq!(events.next().await, None);
    assert!(published.next().await.is_none());
    assert!(!*client.connected().borrow());
    assert!(matches!(client.lookup("*").await, Err(Error::Closed)));
    assert_eq!(client.subscribe("thing").start().next().await, None);
    assert_eq!(client.listen("foo").next().await, None);
    assert!(client.publish(Object::new("ours")).next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_frame_ends_the_connection() {
    let wrong_version = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4];
    let too_short = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3];
    let too_long = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10, 0, 1];
    for bytes in [wrong_version, too_short, too_long] {
        let (client, mut peer) = pair().await;
        peer.say_bytes(&bytes).await;
        peer.expect_end().await;
        client.connected().wait_for(|connected| !connected).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_means_nothing_is_passed_over() {
    let (client, mut peer) = pair().await;
    peer.say(Kind::Other(200), 1, 1, []).await;
    peer.say(Kind::Monitor, 1, 1, [Attribute::Status(1)]).await;
    peer.say(Kind::Hello, 1, 1, []).await;
    peer.say(Kind::Invoke, 1, 1, []).await;
    peer.say(Kind::Data, 1, 1, []).await;
    peer.say(Kind::Status, 1, 1, []).await;
    peer.say(Kind::Unsubscribe, 1, 0, [Attribute::Object(4), Attribute::Target(5)]).await;
    peer.say(Kind::Notify, 1, 0, [Attribute::Object(4), Attribute::Active(1)]).await;
    peer.settled(&client).await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_greet_is_not_ubusd() {
    for greeting in [Some(Kind::Status), None] {
        let (ours, theirs) = tokio::io::duplex(1 << 12);
        let (client, driver) = tokio_ubus::over(ours);
        let mut peer = Peer::new(theirs);
        if let Some(kind) = greeting {
            peer.say(kind, 0, 1, []).await;
        }
        timeout(LIMIT, driver.run()).await.unwrap();
        assert!(matches!(client.lookup("*").await, Err(Error::Closed)));
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_and_never_reads_is_given_up() {
    let (_client, mut peer, _heard) = subscribed(|client| client.subscribe("thing").start()).await;
    timeout(Duration::from_secs(60), peer.ask_until_it_hangs_up(101)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_nothing_can_be_written() {
    let (client, mut peer) = pair_of(256).await;
    let mut events = client.listen("foo");
    let (_, id) = peer.grant_object().await;
    let (register, _) = peer.expect_register().await;
    peer.status(&register, 0).await;
    assert_eq!(events.next().await, Some(EventNotice::Listening));
    let published = client.publish(Object::new("ours"));
    let (_, ours) = peer.grant_object().await;
    peer.say(Kind::Notify, 1, 0, [Attribute::Object(ours), Attribute::Active(1)]).await;
    peer.settled(&client).await;
    let notifier = published.notifier();
    for _ in 0..300 {
        notifier.notify("said", &json!({"text": "x".repeat(10_000)})).unwrap();
    }
    assert!((150..250).contains(&client.counters().unsent), "{:?}", client.counters());
    for _ in 0..100 {
        peer.event(id, "foo", &json!({})).await;
        assert!(matches!(events.next().await, Some(EventNotice::Event { .. })));
    }
}

#[tokio::test(start_paused = true)]
async fn the_driver_ends_with_the_last_handle_and_says_its_last_words() {
    let (ours, theirs) = tokio::io::duplex(1 << 12);
    let (client, driver) = tokio_ubus::over(ours);
    let driver = tokio::spawn(driver.run());
    let mut peer = Peer::new(theirs);
    peer.greet().await;
    client.connected().wait_for(|connected| *connected).await.unwrap();
    let mut published = client.publish(Object::new("ours").method("bye", &[]));
    drop(client);
    let (_, id) = peer.grant_object().await;
    peer.invoke(2, id, "bye", &json!({})).await;
    published.next().await.unwrap().done(Ok(()));
    drop(published);
    timeout(LIMIT, driver).await.unwrap().unwrap();
    peer.expect_status(2, id, 0).await;
    peer.expect(Kind::RemoveObject).await;
}

#[tokio::test(start_paused = true)]
async fn a_driver_that_is_dropped_leaves_nobody_waiting() {
    let (client, driver) = tokio_ubus::connect("/nonexistent");
    let mut heard = client.subscribe("thing").start();
    let mut events = client.listen("foo");
    drop(driver);
    assert_eq!(heard.next().await, None);
    assert_eq!(events.next().await, None);
    assert!(matches!(client.lookup("*").await, Err(Error::Closed)));
}

#[tokio::test]
async fn everything_is_registered_again_after_ubusd_restarted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ubus.sock");
    let (client, driver) = tokio_ubus::connect(&path);
    let driver = tokio::spawn(driver.run());
    let mut heard = client.subscribe("thing").start();
    let mut events = client.listen("foo");
    let mut published = client.publish(Object::new("ours").method("do", &[]));
    assert!(matches!(client.lookup("*").await, Err(Error::Closed)));

    let mut old_request = None;
    for round in 0..3 {
        let listener = UnixListener::bind(&path).unwrap();
        let mut peer = accept(&listener).await;
        let (added, ours) = peer.grant_object().await;
        assert_eq!(added.path(), Some("ours"));
        // The watch and the listener, side by side.
        let (watch, events_id) = (peer.grant_object().await.1, peer.grant_object().await.1);
        for expected in ["ubus.object.add", "ubus.object.remove", "foo"] {
            let (register, pattern) = peer.expect_register().await;
            assert_eq!(pattern, expected);
            let object = if expected == "foo" { events_id } else { watch };
            assert_eq!(register.data().unwrap().unwrap().get("object").unwrap().as_u32(), Some(object));
            peer.status(&register, 0).await;
        }
        let own = peer.grant_subscription("thing", 70 + round).await;
        assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing".into() }));
        assert_eq!(events.next().await, Some(EventNotice::Listening));
        published.state().wait_for(|state| *state == ObjectState::Registered(ours)).await.unwrap();

        // The caller of an old request is not there any more; nobody else may get its answer.
        if let Some(request) = old_request.take() {
            tokio_ubus::Request::done(request, Err(Status::NoData));
            peer.settled(&client).await;
        }
        peer.invoke(2, ours, "do", &json!({})).await;
        old_request = published.next().await;
        peer.notify(own, "said", &json!({})).await;
        assert!(matches!(heard.next().await, Some(Notice::Notification { .. })));
        if round == 1 {
            // The first lasted; this one breaks by itself.
            peer.say_bytes(&[0xff; 12]).await;
        }
        drop((peer, listener));
        std::fs::remove_file(&path).unwrap();
        assert_eq!(heard.next().await, Some(Notice::Gone { path: "thing".into() }));
        published.state().wait_for(|state| *state == ObjectState::Waiting).await.unwrap();
    }
    assert_eq!(client.counters().connects, 3);
    drop((client, heard, events, published, old_request));
    timeout(LIMIT, driver).await.unwrap().unwrap();
}

async fn accept(listener: &UnixListener) -> Peer<UnixStream> {
    let (stream, _) = timeout(LIMIT, listener.accept()).await.unwrap().unwrap();
    let mut peer = Peer::new(stream);
    peer.greet().await;
    peer
}

const LIMIT: Duration = Duration::from_secs(10);
