//! Subscriptions: what is followed, what is answered, what is handed up.

use crate::peer::{CALLER, pair, pair_of, subscribed, value};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::timeout;
use tokio_ubus::message::{Attribute, Kind};
use tokio_ubus::{Asked, Notice, Status, Subscription, to_blobmsg};

#[tokio::test(start_paused = true)]
async fn objects_that_come_are_heard_of_before_any_are_looked_for() {
    let (client, mut peer) = pair().await;
    let mut heard = client.subscribe("thing*").start();
    let watch = peer.grant_watch().await;
    let lookup = peer.expect(Kind::Lookup).await;
    assert_eq!(lookup.path(), Some("thing*"));
    // Both the event and the look-up tell of it.
    peer.event(watch, "ubus.object.add", &json!({"id": 7, "path": "thing.one"})).await;
    peer.found(&lookup, "thing.one", 7).await;
    peer.found(&lookup, "thing.two", 8).await;
    peer.status(&lookup, 0).await;
    peer.event(watch, "ubus.object.add", &json!({"id": 9, "path": "other"})).await;
    for _ in 0..2 {
        peer.grant_object().await;
    }
    for (own, target) in [(101, 7), (102, 8)] {
        let message = peer.expect(Kind::Subscribe).await;
        assert_eq!((message.object(), message.target()), (Some(own), Some(target)));
        peer.status(&message, 0).await;
    }
    assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing.one".into() }));
    assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing.two".into() }));
    peer.event(watch, "ubus.object.add", &json!({"id": 7, "path": "thing.one"})).await;
    peer.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_is_left_out_is_not_subscribed_to() {
    let (client, mut peer) = pair().await;
    let mut heard = client.subscribe("thing*").except(&["thing.two", "thing.three"]).start();
    let watch = peer.grant_watch().await;
    let lookup = peer.expect(Kind::Lookup).await;
    peer.found(&lookup, "thing.two", 8).await;
    peer.found(&lookup, "thing.one", 7).await;
    peer.status(&lookup, 0).await;
    peer.grant_subscriber(7).await;
    assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing.one".into() }));
    peer.event(watch, "ubus.object.add", &json!({"id": 9, "path": "thing.three"})).await;
    peer.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_comes_back_is_subscribed_to_again() {
    let (_client, mut peer, mut heard) = subscribed(|client| client.subscribe("thing").start()).await;
    // Its id is beyond what an INT32 holds.
    for (old, new) in [(7_i32, -7_i32), (-7, 9)] {
        let own = if old == 7 { 101 } else { 102 };
        let old = old.cast_unsigned();
        peer.say(Kind::Unsubscribe, 1, 0, [Attribute::Object(own), Attribute::Target(old)]).await;
        assert_eq!(heard.next().await, Some(Notice::Gone { path: "thing".into() }));
        let removed = peer.expect(Kind::RemoveObject).await;
        assert_eq!(removed.object(), Some(own));
        peer.status(&removed, 0).await;
        peer.event(100, "ubus.object.remove", &json!({"id": old, "path": "thing"})).await;
        peer.event(100, "ubus.object.add", &json!({"id": new, "path": "thing"})).await;
        peer.grant_subscriber(new.cast_unsigned()).await;
        assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing".into() }));
    }
    peer.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn an_object_that_was_replaced_unnoticed_is_gone_all_the_same() {
    let (_client, mut peer, mut heard) = subscribed(|client| client.subscribe("thing").start()).await;
    peer.event(100, "ubus.object.add", &json!({"id": 8, "path": "thing"})).await;
    assert_eq!(peer.expect(Kind::RemoveObject).await.object(), Some(101));
    peer.grant_subscriber(8).await;
    assert_eq!(heard.next().await, Some(Notice::Gone { path: "thing".into() }));
    assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing".into() }));
}

#[tokio::test(start_paused = true)]
async fn an_object_that_goes_while_it_is_subscribed_to_is_let_go() {
    let (client, mut peer) = pair().await;
    let mut heard = client.subscribe("thing").start();
    let watch = peer.grant_watch().await;
    let lookup = peer.expect(Kind::Lookup).await;
    peer.found(&lookup, "thing", 7).await;
    peer.status(&lookup, 0).await;
    let added = peer.expect(Kind::AddObject).await;
    peer.event(watch, "ubus.object.remove", &json!({"id": 7, "path": "thing"})).await;
    peer.say(Kind::Data, added.seq, 0, [Attribute::Object(101)]).await;
    peer.status(&added, 0).await;
    assert_eq!(peer.expect(Kind::RemoveObject).await.object(), Some(101));
    assert!(timeout(Duration::from_secs(60), heard.next()).await.is_err(), "nothing came of it");
}

#[tokio::test(start_paused = true)]
async fn a_subscription_that_is_dropped_leaves_nothing_behind_and_no_station_out() {
    let (_client, mut peer, heard) = subscribed(|client| client.subscribe("thing").start()).await;
    drop(heard);
    let message = peer.expect(Kind::Unsubscribe).await;
    assert_eq!((message.object(), message.target()), (Some(101), Some(7)));
    let removed = peer.expect(Kind::RemoveObject).await;
    assert_eq!(removed.object(), Some(101));
    // Sent before it was heard. No OK would mean that the station is refused.
    peer.invoke(5, 101, "auth", &json!({})).await;
    peer.expect_status(5, 101, 0).await;
    peer.status(&removed, 0).await;
    peer.invoke(6, 101, "auth", &json!({})).await;
    peer.expect_status(6, 101, Status::NotFound.code()).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_once_and_tried_again_every_ten_seconds() {
    let (client, mut peer) = pair().await;
    let mut heard = client.subscribe("thing").start();
    peer.grant_watch().await;
    // It may not be seen.
    let lookup = peer.expect(Kind::Lookup).await;
    peer.status(&lookup, 0).await;
    assert_eq!(heard.next().await, Some(Notice::Denied { path: "thing".into(), status: Status::PermissionDenied }));
    let lookup = peer.expect(Kind::Lookup).await;
    peer.status(&lookup, 0).await;
    // It may be seen, and not subscribed to.
    let lookup = peer.expect(Kind::Lookup).await;
    peer.found(&lookup, "thing", 7).await;
    peer.status(&lookup, 0).await;
    peer.grant_object().await;
    for _ in 0..3 {
        let message = peer.expect(Kind::Subscribe).await;
        peer.status(&message, 4).await;
        let lookup = peer.expect(Kind::Lookup).await;
        peer.found(&lookup, "thing", 7).await;
        peer.status(&lookup, 0).await;
    }
    let message = peer.expect(Kind::Subscribe).await;
    peer.status(&message, 0).await;
    assert_eq!(heard.next().await, Some(Notice::Denied { path: "thing".into(), status: Status::NotFound }));
    assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing".into() }));
    peer.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn who_may_not_hear_what_comes_looks_every_ten_seconds() {
    let (client, mut peer) = pair().await;
    let mut heard = client.subscribe("thing").start();
    peer.grant_object().await;
    for round in 0..3 {
        for _ in 0..2 {
            let (register, _) = peer.expect_register().await;
            peer.status(&register, Status::PermissionDenied.code()).await;
        }
        let lookup = peer.expect(Kind::Lookup).await;
        if round == 2 {
            peer.found(&lookup, "thing", 7).await;
        }
        peer.status(&lookup, if round == 2 { 0 } else { 4 }).await;
    }
    peer.grant_subscriber(7).await;
    assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing".into() }));
}

#[tokio::test(start_paused = true)]
async fn a_slow_subscriber_lags_and_nobody_else_waits() {
    let (client, mut peer, mut heard) = subscribed(|client| client.subscribe("thing").queue(2).start()).await;
    for n in 0..10 {
        peer.notify(101, "said", &json!({ "n": n })).await;
    }
    peer.settled(&client).await;
    assert_eq!(said(&mut heard).await, json!({"n": 0}));
    assert_eq!(said(&mut heard).await, json!({"n": 1}));
    assert_eq!(heard.next().await, Some(Notice::Lagged(8)));
    peer.notify(101, "said", &json!({"n": 10})).await;
    assert_eq!(said(&mut heard).await, json!({"n": 10}));
    assert_eq!(client.counters().lagged, 8);
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_cannot_be_read_counts_as_missed() {
    let (_client, mut peer, mut heard) = subscribed(|client| client.subscribe("thing").start()).await;
    let attributes = [Attribute::Object(101), Attribute::Method("said"), Attribute::Data(&[1, 2, 3])];
    peer.say(Kind::Invoke, 5, CALLER, attributes).await;
    peer.expect_status(5, 101, 0).await;
    assert_eq!(heard.next().await, Some(Notice::Lagged(1)));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_wants_to_hear_is_passed_over_and_answered() {
    let (client, mut peer, mut heard) = subscribed(|client| client.subscribe("thing").only(&["said"]).start()).await;
    for _ in 0..3 {
        peer.notify(101, "probe", &json!({})).await;
    }
    peer.invoke(4, 101, "probe", &json!({})).await;
    peer.expect_status(4, 101, 0).await;
    peer.notify(101, "said", &json!({"n": 1})).await;
    assert_eq!(said(&mut heard).await, json!({"n": 1}));
    assert_eq!((client.counters().passed_over, client.counters().answered), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_what_the_function_says_also_to_what_is_not_handed_up() {
    let answer = |asked: &Asked<'_>| {
        (asked.kind == "which").then(|| to_blobmsg(&json!({"you": asked.path, "said": value(asked.data)})).unwrap())
    };
    let (client, mut peer, mut heard) =
        subscribed(|client| client.subscribe("thing").only(&["said"]).answer(answer).start()).await;
    peer.invoke(5, 101, "which", &json!({"n": 1})).await;
    let data = peer.expect(Kind::Data).await;
    assert_eq!((data.seq, data.peer, data.object()), (5, CALLER, Some(101)));
    assert_eq!(value(&data.data().unwrap().unwrap()), json!({"you": "thing", "said": {"n": 1}}));
    peer.expect_status(5, 101, 0).await;
    peer.invoke(6, 101, "said", &json!({"n": 2})).await;
    peer.expect_status(6, 101, 0).await;
    // It is not asked when no answer is wanted.
    peer.notify(101, "which", &json!({"n": 3})).await;
    assert_eq!(said(&mut heard).await, json!({"n": 2}));
    peer.settled(&client).await;
    assert_eq!((client.counters().passed_over, client.counters().answered), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn the_answer_is_written_before_all_that_waits_and_before_the_notification_is_handed_up() {
    let (client, mut peer) = pair_of(512).await;
    let mut heard = client.subscribe("thing").start();
    peer.grant_watch().await;
    peer.grant_subscription("thing", 7).await;
    assert_eq!(heard.next().await, Some(Notice::Subscribed { path: "thing".into() }));
    // Two calls wait for room on the stream: one has begun to be written, one not.
    let args = to_blobmsg(&json!({"text": "x".repeat(1000)})).unwrap();
    for _ in 0..2 {
        let (client, args) = (client.clone(), args.clone());
        tokio::spawn(async move { client.invoke(7, "call", args, None, Duration::from_secs(60)).await });
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    peer.invoke(5, 101, "asked", &json!({"n": 1})).await;
    peer.notify(101, "told", &json!({"n": 2})).await;
    peer.say(Kind::Unsubscribe, 1, 0, [Attribute::Object(101), Attribute::Target(7)]).await;
    assert!(timeout(Duration::from_secs(1), heard.next()).await.is_err(), "handed up before it was answered");

    assert_eq!(peer.expect(Kind::Invoke).await.method(), Some("call"));
    peer.expect_status(5, 101, 0).await;
    assert_eq!(said(&mut heard).await, json!({"n": 1}));
    assert_eq!(said(&mut heard).await, json!({"n": 2}));
    assert_eq!(heard.next().await, Some(Notice::Gone { path: "thing".into() }));
    assert_eq!(peer.expect(Kind::Invoke).await.method(), Some("call"));
    assert_eq!(peer.expect(Kind::RemoveObject).await.object(), Some(101));
}

async fn said(heard: &mut Subscription) -> Value {
    match heard.next().await {
        Some(Notice::Notification { data, .. }) => value(&data),
        other => panic!("{other:?}"),
    }
}
