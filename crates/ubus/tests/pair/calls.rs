//! Calls: which answer belongs to which, and how much of it is kept.

use crate::peer::{pair, pair_of};
use serde_json::{Value, json};
use std::time::Duration;
use tokio_ubus::message::{Attribute, Kind};
use tokio_ubus::{Broken, Error, Misuse, Status};

#[tokio::test(start_paused = true)]
async fn a_call_looks_its_path_up_once() {
    let (client, mut peer) = pair().await;
    let calls = async {
        for n in 0..2 {
            let reply = client.call("thing", "echo", &json!({ "n": n }), LIMIT).await.unwrap();
            assert_eq!(reply.read::<Value>().unwrap(), json!({ "told": n }));
        }
    };
    let script = async {
        let lookup = peer.expect(Kind::Lookup).await;
        assert_eq!(lookup.path(), Some("thing"));
        peer.found(&lookup, "thing", 7).await;
        peer.status(&lookup, 0).await;
        for n in 0..2 {
            let call = peer.expect(Kind::Invoke).await;
            assert_eq!((call.peer, call.object(), call.method()), (7, Some(7), Some("echo")));
            assert_eq!(call.data().unwrap().unwrap().get("n").unwrap().as_i64(), Some(n));
            peer.answer(&call, &json!({ "told": n })).await;
        }
    };
    tokio::join!(calls, script);
}

#[tokio::test(start_paused = true)]
async fn a_path_whose_object_has_another_id_by_now_is_called_again_and_only_then() {
    let (client, mut peer) = pair().await;
    let args = json!({});
    let calls = async {
        client.call("thing", "do", &args, LIMIT).await.unwrap();
        client.call("thing", "do", &args, LIMIT).await.unwrap();
        let refused = client.call("thing", "do", &args, LIMIT).await;
        assert!(matches!(refused, Err(Error::Refused(Status::NotFound))), "{refused:?}");
    };
    let script = async {
        for (id, looks, found) in [(7, true, true), (7, false, false), (8, true, true), (8, false, false)] {
            if looks {
                let lookup = peer.expect(Kind::Lookup).await;
                peer.found(&lookup, "thing", id).await;
                peer.status(&lookup, 0).await;
            }
            let call = peer.expect(Kind::Invoke).await;
            assert_eq!(call.object(), Some(id));
            peer.status(&call, if found { 0 } else { 4 }).await;
        }
        // The same id: it was its owner who did not find something, and does not hear it twice.
        let lookup = peer.expect(Kind::Lookup).await;
        peer.found(&lookup, "thing", 8).await;
        peer.status(&lookup, 0).await;
    };
    tokio::join!(calls, script);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_seen_is_permission_denied_and_what_is_absent_not_found() {
    let (client, mut peer) = pair().await;
    for (answer, expected) in [(0, Status::PermissionDenied), (4, Status::NotFound)] {
        let args = json!({});
        let call = client.call("thing", "do", &args, LIMIT);
        let script = async {
            let lookup = peer.expect(Kind::Lookup).await;
            peer.status(&lookup, answer).await;
        };
        let (result, ()) = tokio::join!(call, script);
        assert!(matches!(&result, Err(Error::Refused(status)) if *status == expected), "{result:?}");
    }
    assert!(matches!(client.call("*", "do", &json!({}), LIMIT).await, Err(Error::Misuse(Misuse::Pattern))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_late_or_from_another_object_is_nobodys() {
    let (client, mut peer) = pair().await;
    let late = client.invoke(7, "slow", Default::default(), None, Duration::from_secs(1));
    let (result, first) = tokio::join!(late, peer.expect(Kind::Invoke));
    assert!(matches!(result, Err(Error::Timeout)), "{result:?}");
    peer.answer(&first, &json!({"late": true})).await;

    let call = client.invoke(7, "quick", Default::default(), None, LIMIT);
    let script = async {
        let second = peer.expect(Kind::Invoke).await;
        assert_ne!(first.seq, second.seq);
        peer.say(Kind::Data, second.seq, 8, [Attribute::Object(8), Attribute::Data(&[])]).await;
        peer.say(Kind::Status, second.seq, 8, [Attribute::Status(9)]).await;
        peer.answer(&second, &json!({"late": false})).await;
    };
    let (reply, ()) = tokio::join!(call, script);
    assert_eq!(reply.unwrap().read::<Value>().unwrap(), json!({"late": false}));
}

#[tokio::test(start_paused = true)]
async fn numbers_begin_anew_and_pass_over_the_one_that_still_waits() {
    let (client, mut peer) = pair().await;
    let slow = client.invoke(7, "slow", Default::default(), None, Duration::from_secs(3600));
    let script = async {
        let first = peer.expect(Kind::Invoke).await;
        for _ in 0..=u16::MAX {
            let quick = client.invoke(7, "quick", Default::default(), None, LIMIT);
            let script = async {
                let call = peer.expect(Kind::Invoke).await;
                assert_ne!(call.seq, first.seq);
                peer.status(&call, 0).await;
            };
            let (reply, ()) = tokio::join!(quick, script);
            assert!(reply.unwrap().data.is_empty());
        }
        peer.answer(&first, &json!({"of": "slow"})).await;
    };
    let (reply, ()) = tokio::join!(slow, script);
    assert_eq!(reply.unwrap().read::<Value>().unwrap(), json!({"of": "slow"}));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_broken_off() {
    let (client, mut peer) = pair().await;
    let call = client.invoke(7, "much", Default::default(), None, LIMIT);
    let script = async {
        let call = peer.expect(Kind::Invoke).await;
        let data = tokio_ubus::to_blobmsg(&json!({"text": "x".repeat(1_000_000)})).unwrap();
        for _ in 0..20 {
            peer.say(Kind::Data, call.seq, 7, [Attribute::Object(7), Attribute::Data(data.as_bytes())]).await;
        }
    };
    let (result, ()) = tokio::join!(call, script);
    assert!(matches!(result, Err(Error::Broken(Broken::TooLong))), "{result:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_read_breaks_its_call_alone() {
    let (client, mut peer) = pair().await;
    let broken = client.invoke(7, "broken", Default::default(), None, LIMIT);
    let script = async {
        let call = peer.expect(Kind::Invoke).await;
        peer.say(Kind::Data, call.seq, 7, [Attribute::Data(&[0x83, 0, 0xff, 0xff, 0, 1])]).await;
        peer.status(&call, 0).await;
    };
    let (result, ()) = tokio::join!(broken, script);
    assert!(matches!(result, Err(Error::Broken(Broken::Malformed(_)))), "{result:?}");
    let sound = client.invoke(7, "sound", Default::default(), None, LIMIT);
    let script = async {
        let call = peer.expect(Kind::Invoke).await;
        peer.status(&call, 0).await;
    };
    tokio::join!(sound, script).0.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_is_said_at_once() {
    let (client, mut peer) = pair().await;
    let text = json!({"text": "x".repeat(1 << 20)});
    assert!(matches!(client.call("thing", "do", &text, LIMIT).await, Err(Error::Misuse(Misuse::Unencodable(_)))));
    assert!(matches!(client.call("th\0ing", "do", &json!({}), LIMIT).await, Err(Error::Misuse(_))));
    assert!(matches!(client.send("an event", &3).await, Err(Error::Misuse(Misuse::Unencodable(_)))));
    let file = tempfile::tempfile().unwrap();
    let result = client.invoke(7, "do", Default::default(), Some(file.into()), LIMIT).await;
    assert!(matches!(result, Err(Error::Misuse(Misuse::NoDescriptors))), "{result:?}");
    peer.expect_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn calls_fail_when_too_much_waits_to_be_sent_and_others_go_on_when_it_is() {
    let (client, mut peer) = pair_of(1 << 12).await;
    let args = tokio_ubus::to_blobmsg(&json!({"text": "x".repeat(100_000)})).unwrap();
    let mut calls = Vec::new();
    for _ in 0..20 {
        let (client, args) = (client.clone(), args.clone());
        calls.push(tokio::spawn(async move { client.invoke(7, "much", args, None, LIMIT).await }));
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    let (mut sent, mut refused) = (0, 0);
    for call in calls {
        if call.is_finished() {
            let result = call.await.unwrap();
            assert!(matches!(result, Err(Error::Misuse(Misuse::TooMuchWaiting))), "{result:?}");
            refused += 1;
        } else {
            sent += 1;
            let message = peer.expect(Kind::Invoke).await;
            peer.status(&message, 0).await;
            call.await.unwrap().unwrap();
        }
    }
    assert!((8..15).contains(&sent) && sent + refused == 20, "{sent} were sent");
}

const LIMIT: Duration = Duration::from_secs(10);
