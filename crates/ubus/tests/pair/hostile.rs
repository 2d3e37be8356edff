//! A peer that says anything at all, well formed or not, to a client with one of everything.

use crate::peer::Peer;
use proptest::prelude::*;
use serde_json::json;
use std::time::Duration;
use tokio_ubus::message::{Attribute, Kind, Message, subscriber_list};
use tokio_ubus::{Object, Type, frame, to_blobmsg};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_is_said_the_driver_neither_panics_nor_hangs(said in prop::collection::vec(saying(), 1..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let (client, driver) = tokio_ubus::over(ours);
            let driver = tokio::spawn(driver.run());
            let mut peer = Peer::new(theirs);
            peer.greet().await;
            let mut heard = client.subscribe("a*").queue(3).answer(|asked| Some(asked.data.clone())).start();
            let mut events = client.listen("a");
            let mut published = client.publish(Object::new("a").method("a", &[("a", Type::Int32)]));
            let notifier = published.notifier();
            let calling = client.clone();
            tokio::spawn(async move { calling.call("a", "a", &json!({}), Duration::from_secs(20)).await });
            for bytes in said {
                if !peer.try_say(&bytes).await {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
                let asking = notifier.clone();
                tokio::spawn(async move { asking.notify_wait("a", &json!({}), Duration::from_secs(1)).await });
            }
            tokio::time::sleep(Duration::from_secs(30)).await;
            drop((peer, client));
            while heard.next().await.is_some() {}
            while events.next().await.is_some() {}
            while published.next().await.is_some() {}
            driver.await.expect("the driver does not panic");
        });
    }
}

/// One message among the few numbers and names that mean something to the client, sometimes spoiled.
fn saying() -> impl Strategy<Value = Vec<u8>> {
    let message = (0_u8..13, 0_u16..12, number(), prop::collection::vec(attribute(), 0..5));
    let spoil = prop_oneof![9 => Just(None), 1 => any::<(prop::sample::Index, u8)>().prop_map(Some)];
    (message, spoil).prop_map(|((kind, seq, peer, attributes), spoil)| {
        let mut bytes = Vec::new();
        let attributes = attributes.iter().map(Said::attribute);
        frame::encode(&Message::new(Kind::from(kind), seq, peer, attributes).unwrap(), &mut bytes);
        if let Some((at, byte)) = spoil {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

#[derive(Debug, Clone)]
enum Said {
    Status(u32),
    Object(u32),
    Target(u32),
    Path(&'static str),
    Method(&'static str),
    Data(Vec<u8>),
    Subscribers(Vec<u8>),
    Active(u8),
    NoReply(u8),
}

impl Said {
    fn attribute(&self) -> Attribute<'_> {
        match self {
            Self::Status(n) => Attribute::Status(*n),
            Self::Object(n) => Attribute::Object(*n),
            Self::Target(n) => Attribute::Target(*n),
            Self::Path(path) => Attribute::Path(path),
            Self::Method(method) => Attribute::Method(method),
            Self::Data(bytes) => Attribute::Data(bytes),
            Self::Subscribers(bytes) => Attribute::Subscribers(bytes),
            Self::Active(n) => Attribute::Active(*n),
            Self::NoReply(n) => Attribute::NoReply(*n),
        }
    }
}

fn attribute() -> impl Strategy<Value = Said> {
    let path = || prop::sample::select(vec!["a", "ab", "b"]);
    let data = (number(), path()).prop_map(|(id, path)| to_blobmsg(&json!({"id": id, "path": path})).unwrap());
    prop_oneof![
        prop::sample::select(vec![0, 0, 0, 2, 4, 6, 99]).prop_map(Said::Status),
        number().prop_map(Said::Object),
        number().prop_map(Said::Object),
        number().prop_map(Said::Target),
        path().prop_map(Said::Path),
        prop::sample::select(vec!["a", "b", "ubus.object.add", "ubus.object.remove"]).prop_map(Said::Method),
        data.prop_map(|data| Said::Data(data.as_bytes().to_vec())),
        prop::collection::vec(any::<u8>(), 0..9).prop_map(Said::Data),
        prop::collection::vec(number(), 0..4).prop_map(|ids| Said::Subscribers(subscriber_list(ids))),
        (0_u8..2).prop_map(Said::Active),
        (0_u8..2).prop_map(Said::NoReply),
    ]
}

fn number() -> impl Strategy<Value = u32> {
    prop_oneof![0_u32..8, Just(u32::MAX)]
}
