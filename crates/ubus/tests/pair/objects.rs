//! Objects of our own: who calls is always answered.

use crate::peer::{CALLER, Peer, pair, value};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;
use tokio_ubus::message::{Attribute, Kind, subscriber_list};
use tokio_ubus::{Client, Object, ObjectState, Published, Status, Type};

#[tokio::test(start_paused = true)]
async fn an_object_is_published_with_its_methods_and_removed_when_it_is_dropped() {
    let (client, mut peer) = pair().await;
    let published = client.publish(object());
    assert_eq!(*published.state().borrow(), ObjectState::Waiting);
    let (added, id) = peer.grant_object().await;
    assert_eq!(added.path(), Some("ours"));
    let signature = added.signature().unwrap().unwrap();
    assert_eq!(value(&signature), json!({"say": {"text": 3, "loud": 7, "any": 0}, "hush": {}}));
    published.state().wait_for(|state| *state == ObjectState::Registered(id)).await.unwrap();
    drop(published);
    assert_eq!(peer.expect(Kind::RemoveObject).await.object(), Some(id));
}

#[tokio::test(start_paused = true)]
async fn an_object_without_methods_still_has_a_signature_or_nobody_could_find_it() {
    let (client, mut peer) = pair().await;
    let _published = client.publish(Object::new("bare"));
    assert!(peer.grant_object().await.0.signature().unwrap().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_refused_is_tried_again_every_ten_seconds() {
    let (client, mut peer) = pair().await;
    let published = client.publish(object());
    let began = Instant::now();
    for _ in 0..3 {
        let added = peer.expect(Kind::AddObject).await;
        peer.status(&added, 2).await;
        let denied = ObjectState::Denied(Status::InvalidArgument);
        published.state().wait_for(|state| *state == denied).await.unwrap();
    }
    let (_, id) = peer.grant_object().await;
    assert_eq!(began.elapsed().as_secs(), 30);
    published.state().wait_for(|state| *state == ObjectState::Registered(id)).await.unwrap();
    peer.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn requests_are_answered_in_any_order_and_by_any_number_of_parts() {
    let (_client, mut peer, mut published) = granted().await;
    peer.invoke(2, 100, "say", &json!({"n": 1})).await;
    peer.invoke(2, 100, "hush", &json!({"n": 2})).await;
    let first = published.next().await.unwrap();
    let second = published.next().await.unwrap();
    assert_eq!((&*first.method, &*second.method), ("say", "hush"));
    assert_eq!((first.user.as_deref(), first.group.as_deref()), (Some("root"), Some("root")));
    assert_eq!(first.read::<serde_json::Value>().unwrap(), json!({"n": 1}));
    second.done(Err(Status::Other(77)));
    peer.expect_status(2, 100, 77).await;
    first.data(&json!({"part": 1})).unwrap();
    first.reply(&json!({"part": 2})).unwrap();
    for part in 1..=2 {
        let data = peer.expect(Kind::Data).await;
        assert_eq!((data.seq, data.peer, data.object()), (2, CALLER, Some(100)));
        assert_eq!(value(&data.data().unwrap().unwrap()), json!({ "part": part }));
    }
    peer.expect_status(2, 100, 0).await;
}

#[tokio::test(start_paused = true)]
async fn what_no_object_can_serve_is_answered_at_once() {
    let (_client, mut peer, mut published) = granted().await;
    peer.invoke(2, 100, "unheard of", &json!({})).await;
    peer.expect_status(2, 100, Status::MethodNotFound.code()).await;
    peer.invoke(3, 999, "say", &json!({})).await;
    peer.expect_status(3, 999, Status::NotFound.code()).await;
    let broken = [Attribute::Object(100), Attribute::Method("say"), Attribute::Data(&[1, 2, 3])];
    peer.say(Kind::Invoke, 4, CALLER, broken).await;
    peer.expect_status(4, 100, Status::InvalidArgument.code()).await;
    // No arguments are none.
    peer.say(Kind::Invoke, 5, CALLER, [Attribute::Object(100), Attribute::Method("say")]).await;
    let request = published.next().await.unwrap();
    assert!(request.args.is_empty());
    drop(request);
    peer.expect_status(5, 100, Status::UnknownError.code()).await;
}

#[tokio::test(start_paused = true)]
async fn a_result_that_cannot_be_sent_is_an_unknown_error_to_the_caller() {
    let (_client, mut peer, mut published) = granted().await;
    for answer in [json!(3), json!({"text": "x".repeat(1 << 20)})] {
        peer.invoke(2, 100, "say", &json!({})).await;
        assert!(published.next().await.unwrap().reply(&answer).is_err());
        peer.expect_status(2, 100, Status::UnknownError.code()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_calls_while_too_many_wait_is_told_so_and_all_are_answered_in_the_end() {
    let (_client, mut peer, published) = granted().await;
    for seq in 0..65 {
        peer.invoke(seq, 100, "say", &json!({})).await;
    }
    peer.expect_status(64, 100, Status::NoMemory.code()).await;
    drop(published);
    for seq in 0..64 {
        peer.expect_status(seq, 100, Status::UnknownError.code()).await;
    }
    peer.expect(Kind::RemoveObject).await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_notified_while_nobody_subscribes() {
    let (client, mut peer, published) = granted().await;
    let notifier = published.notifier();
    notifier.notify("said", &json!({"n": 1})).unwrap();
    assert!(notifier.notify("said", &json!({"text": "x".repeat(1 << 20)})).is_ok(), "it is not even built");
    assert!(!notifier.has_subscribers());
    peer.say(Kind::Notify, 1, 0, [Attribute::Object(100), Attribute::Active(1)]).await;
    peer.settled(&client).await;
    assert!(notifier.has_subscribers());
    notifier.notify("said", &json!({"n": 2})).unwrap();
    let message = peer.expect(Kind::Notify).await;
    assert_eq!((message.peer, message.object(), message.method()), (100, Some(100), Some("said")));
    assert!(message.no_reply());
    assert_eq!(value(&message.data().unwrap().unwrap()), json!({"n": 2}));
    peer.say(Kind::Notify, 2, 0, [Attribute::Object(100), Attribute::Active(0)]).await;
    peer.settled(&client).await;
    assert!(!notifier.has_subscribers());
    drop(published);
    assert!(notifier.notify_wait("said", &json!({}), LIMIT).await.is_err(), "there is no object any more");
}

#[tokio::test(start_paused = true)]
async fn answers_to_a_notification_are_told_apart_and_waited_for_until_the_limit() {
    let (client, mut peer, published) = granted().await;
    peer.say(Kind::Notify, 1, 0, [Attribute::Object(100), Attribute::Active(1)]).await;
    peer.settled(&client).await;
    let notifier = published.notifier();
    let data = json!({"n": 1});
    let began = Instant::now();
    let asking = notifier.notify_wait("asked", &data, LIMIT);
    let script = async {
        let message = peer.expect(Kind::Notify).await;
        assert!(!message.no_reply());
        let list = subscriber_list([501, 502, 503]);
        let attributes = [Attribute::Object(100), Attribute::Subscribers(&list), Attribute::Status(0)];
        peer.say(Kind::Status, message.seq, 100, attributes).await;
        let from = tokio_ubus::to_blobmsg(&json!({"from": 502})).unwrap();
        peer.say(Kind::Data, message.seq, 502, [Attribute::Object(502), Attribute::Data(from.as_bytes())]).await;
        peer.say(Kind::Status, message.seq, 501, [Attribute::Status(3), Attribute::Object(501)]).await;
        peer.say(Kind::Status, message.seq, 777, [Attribute::Status(0)]).await;
        peer.say(Kind::Status, message.seq, 502, [Attribute::Status(0), Attribute::Object(502)]).await;
    };
    let (answers, ()) = tokio::join!(asking, script);
    assert_eq!(began.elapsed().as_secs(), LIMIT.as_secs());
    let answers: Vec<_> = answers.unwrap().into_iter().map(|a| (a.subscriber, a.status, a.data.len())).collect();
    assert_eq!(answers, [(501, Some(Status::MethodNotFound), 0), (502, Some(Status::Ok), 1), (503, None, 0)]);
}

/// A client with an object of id 100.
async fn granted() -> (Client, Peer, Published) {
    let (client, mut peer) = pair().await;
    let published = client.publish(object());
    peer.grant_object().await;
    published.state().wait_for(|state| *state == ObjectState::Registered(100)).await.unwrap();
    (client, peer, published)
}

fn object() -> Object {
    Object::new("ours")
        .method("say", &[("text", Type::String), ("loud", Type::BOOL), ("any", Type::Unspec)])
        .method("hush", &[])
}

const LIMIT: Duration = Duration::from_secs(10);
