//! What the stream says of ownership: challenges, calls for a witness, how the networks stand. Pure.
//!
//! In: an event of the stream, hostile until proven good. Out: an event for the core, or why not.

use serde::de::DeserializeOwned;
use std::time::Duration;

use welcome_core::{Challenge, Event};
use welcome_proto::announce::MAX_NETWORKS;
use welcome_proto::challenge::{
    self, ChallengePush, EVENT_CHALLENGE, EVENT_STANDING, EVENT_WITNESS, Standing, Witness, WitnessPush,
};
use welcome_proto::sse;

use super::trust::{Trust, Wrong};

/// Reads an event; nothing if it is not about ownership. `now` is the time by the server's clock.
///
/// # Errors
/// If it is not the operator's word, or of no use.
pub fn read(event: &sse::Event, trust: &Trust, now: u64) -> Option<Result<Event, String>> {
    let read = match event.name.as_str() {
        EVENT_CHALLENGE => challenge(&event.data, trust, now),
        EVENT_WITNESS => witness(&event.data, trust, now),
        EVENT_STANDING => parse(&event.data).map(|Standing { mut networks }| {
            let mut count = 0;
            networks.retain(|_, _| {
                count += 1;
                count <= MAX_NETWORKS
            });
            Event::Standing(networks)
        }),
        _ => return None,
    };
    Some(read)
}

fn challenge(data: &str, trust: &Trust, now: u64) -> Result<Event, String> {
    let ChallengePush { challenge } = parse(data)?;
    let challenge::Challenge { router, id, network, ssid, until } = trust.read(&challenge)?;
    trust.is_for_us(&router)?;
    Ok(Event::Challenge(Challenge { id, network, name: ssid, left: left(until, now) }))
}

fn witness(data: &str, trust: &Trust, now: u64) -> Result<Event, String> {
    let WitnessPush { witness } = parse(data)?;
    let Witness { router, id, ssid, until } = trust.read(&witness)?;
    trust.is_for_us(&router)?;
    Ok(Event::WitnessWanted { id, name: ssid, left: left(until, now) })
}

fn left(until: u64, now: u64) -> Duration {
    Duration::from_secs(until.saturating_sub(now))
}

fn parse<T: DeserializeOwned>(data: &str) -> Result<T, String> {
    serde_json::from_slice(data.as_bytes()).map_err(|e| Wrong::unreadable_text(&e))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use welcome_proto::signed::{Signable, Signed};

    use super::super::trust::tests::{operator, trust};
    use super::*;

    const NAME: &str = "welcome-0123456789abcdef";

    fn event(name: &str, data: &Value) -> sse::Event {
        sse::Event { name: name.to_owned(), id: None, data: data.to_string() }
    }

    /// Signed as a `T`, whatever it is.
    fn sign<T: Signable>(statement: &Value) -> Value {
        let signed = Signed { statement: statement.to_string(), signature: String::new() };
        let signature = operator().sign(&signed.message::<T>());
        use base64::Engine as _;
        let signature = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature);
        json!({"statement": signed.statement, "signature": signature})
    }

    fn read_challenge(statement: &Value) -> Result<Event, String> {
        let push = json!({"challenge": sign::<challenge::Challenge>(statement)});
        read(&event("challenge", &push), &trust(), 1000).unwrap()
    }

    #[test]
    fn a_challenge_of_the_operators_for_us_is_taken() {
        let statement = json!({"router": "r-1", "id": "c-1", "network": "cafe", "ssid": NAME, "until": 1600});
        let challenge = Challenge {
            id: "c-1".parse().unwrap(),
            network: "cafe".parse().unwrap(),
            name: Some(NAME.parse().unwrap()),
            left: Duration::from_secs(600),
        };
        assert_eq!(read_challenge(&statement), Ok(Event::Challenge(challenge.clone())));
        let over = json!({"router": "r-1", "id": "c-1", "network": "cafe", "until": 900});
        let over_challenge = Challenge { name: None, left: Duration::ZERO, ..challenge };
        assert_eq!(read_challenge(&over), Ok(Event::Challenge(over_challenge)));
    }

    #[test]
    fn what_is_not_the_operators_or_not_for_us_or_another_name_is_not_taken() {
        let good = json!({"router": "r-1", "id": "c-1", "network": "cafe", "ssid": NAME, "until": 1600});
        for (member, value) in [
            ("router", json!("r-2")),
            ("ssid", json!("Corner Cafe")),
            ("ssid", json!("welcome-$(reboot)reboot")),
            ("ssid", json!("welcome-0123456789abcdef0123456789abcdef")),
            ("network", json!("a/b")),
            ("id", json!("")),
            ("until", json!(-1)),
        ] {
            let mut bad = good.clone();
            bad[member] = value;
            assert!(read_challenge(&bad).is_err(), "{bad}");
        }
        let mut tampered = sign::<challenge::Challenge>(&good);
        tampered["statement"] = json!(tampered["statement"].as_str().unwrap().replace("1600", "1601"));
        for push in [
            tampered,
            // A signature for something else, over the same text.
            sign::<Witness>(&good),
            sign::<welcome_proto::signed::Statement>(&good),
        ] {
            assert!(read(&event("challenge", &json!({"challenge": push})), &trust(), 1000).unwrap().is_err());
        }
    }

    #[test]
    fn the_examples_of_the_document_are_signed_as_it_says() {
        use ring::signature::{Ed25519KeyPair, KeyPair as _};
        let seed: Vec<u8> = (0..32).collect();
        let key = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
        let key = key.public_key().as_ref().try_into().unwrap();
        let trust = Trust { router: "r-16fa4f8cd598fcba4b39".parse().unwrap(), key };
        let document = include_str!("../../docs/protocol.md");
        let mut lines = document.lines();
        let mut read_next = |name: &str| {
            lines.find(|line| line.strip_prefix("event: ") == Some(name)).unwrap();
            let data = lines.next().unwrap().strip_prefix("data: ").unwrap().to_owned();
            read(&sse::Event { name: name.to_owned(), id: None, data }, &trust, 1_795_406_086).unwrap()
        };
        let Ok(Event::Challenge(challenge)) = read_next("challenge") else { panic!() };
        assert_eq!(challenge.left, Duration::from_secs(challenge::LIFETIME));
        assert!(matches!(read_next("witness"), Ok(Event::WitnessWanted { .. })));
        assert!(matches!(read_next("standing"), Ok(Event::Standing(networks)) if networks.len() == 1));
    }

    #[test]
    fn a_standing_is_read_up_to_a_limit_and_other_events_are_not_ours() {
        let many: serde_json::Map<_, _> =
            (0..1000).map(|n| (format!("n{n}"), json!({"state": "verified", "until": 5}))).collect();
        let Some(Ok(Event::Standing(networks))) = read(&event("standing", &json!({"networks": many})), &trust(), 0)
        else {
            panic!()
        };
        assert_eq!(networks.len(), MAX_NETWORKS);
        assert_eq!(read(&event("offers", &json!({})), &trust(), 0), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"a-z0-9-]{0,80}", name in "challenge|witness|standing") {
            let event = sse::Event { name, id: None, data: text };
            prop_assert!(!matches!(read(&event, &trust(), 0), Some(Ok(Event::Challenge(_)))));
        }
    }
}
