//! Events.

use crate::peer::{pair, value};
use serde_json::json;
use tokio_ubus::message::Kind;
use tokio_ubus::{EventNotice, Status};

#[tokio::test(start_paused = true)]
async fn events_are_heard_once_registered_and_are_not_answered() {
    let (client, mut peer) = pair().await;
    let mut events = client.listen("foo.*");
    let (_, id) = peer.grant_object().await;
    let (register, pattern) = peer.expect_register().await;
    assert_eq!(pattern, "foo.*");
    assert_eq!(register.data().unwrap().unwrap().get("object").unwrap().as_u32(), Some(id));
    peer.status(&register, 0).await;
    assert_eq!(events.next().await, Some(EventNotice::Listening));
    peer.event(id, "foo.one", &json!({"n": 1})).await;
    match events.next().await {
        Some(EventNotice::Event { name, data, .. }) => {
            assert_eq!((&*name, value(&data)), ("foo.one", json!({"n": 1})));
        }
        other => panic!("{other:?}"),
    }
    peer.expect_nothing().await;
    drop(events);
    assert_eq!(peer.expect(Kind::RemoveObject).await.object(), Some(id));
}

#[tokio::test(start_paused = true)]
async fn only_ubusd_itself_is_believed_to_bring_events() {
    let (client, mut peer) = pair().await;
    let mut events = client.listen("*");
    let (_, id) = peer.grant_object().await;
    let (register, _) = peer.expect_register().await;
    peer.status(&register, 0).await;
    assert_eq!(events.next().await, Some(EventNotice::Listening));
    peer.invoke(3, id, "ubus.object.add", &json!({"id": 66, "path": "hostapd.wlan0"})).await;
    peer.expect_status(3, id, Status::MethodNotFound.code()).await;
    peer.event(id, "foo", &json!({})).await;
    assert!(matches!(events.next().await, Some(EventNotice::Event { name, .. }) if name == "foo"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_once_and_tried_again_every_ten_seconds() {
    let (client, mut peer) = pair().await;
    let mut events = client.listen("foo");
    peer.grant_object().await;
    let began = tokio::time::Instant::now();
    for _ in 0..3 {
        let (register, _) = peer.expect_register().await;
        peer.status(&register, Status::PermissionDenied.code()).await;
    }
    let (register, _) = peer.expect_register().await;
    assert_eq!(began.elapsed().as_secs(), 30);
    peer.status(&register, 0).await;
    assert_eq!(events.next().await, Some(EventNotice::Denied(Status::PermissionDenied)));
    assert_eq!(events.next().await, Some(EventNotice::Listening));
}

#[tokio::test(start_paused = true)]
async fn a_slow_listener_lags() {
    let (client, mut peer) = pair().await;
    let mut events = client.listen("foo");
    let (_, id) = peer.grant_object().await;
    let (register, _) = peer.expect_register().await;
    peer.status(&register, 0).await;
    for n in 0..300 {
        peer.event(id, "foo", &json!({ "n": n })).await;
    }
    peer.settled(&client).await;
    assert_eq!(events.next().await, Some(EventNotice::Listening));
    for _ in 0..255 {
        assert!(matches!(events.next().await, Some(EventNotice::Event { .. })));
    }
    assert_eq!(events.next().await, Some(EventNotice::Lagged(45)));
    assert_eq!(client.counters().lagged, 45);
}
