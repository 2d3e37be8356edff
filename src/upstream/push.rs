//! What the server pushes, statement by statement: one that is wrong costs itself and not the others. Pure.

use sorted::{SortedMap, SortedSet};

use serde::Deserialize;
use tracing::warn;
use welcome_core::Given;
use welcome_proto::NetworkId;
use welcome_proto::offer::{MAX_OFFERS, SayPush};
use welcome_proto::signed::Signed;

use super::trust::{Named, Trust, Wrong};

/// The whole set of offers, before any of them is looked at.
#[derive(Debug, Deserialize)]
pub struct Push {
    /// Of the server's set.
    pub revision: u64,
    /// Each perhaps a [`Signed`].
    pub offers: Vec<serde_json::Value>,
}

impl Push {
    /// Reads `event: offers`; `None` if it is none.
    #[must_use]
    pub fn read(data: &str) -> Option<Self> {
        let push: Result<Self, _> = serde_json::from_slice(data.as_bytes());
        let mut push = push
            .map_err(|e| warn!(why = ?Wrong::unreadable(&e), "what the server pushed cannot be understood"))
            .ok()?;
        if push.offers.len() > MOST {
            warn!(offers = push.offers.len(), most = MOST, "the server pushed too many offers; taking the first");
            push.offers.truncate(MOST);
        }
        Some(push)
    }
}

/// Of two senders.
const MOST: usize = 2 * MAX_OFFERS;

/// Makes the set of what can be shown, one statement after the other.
#[derive(Debug)]
pub struct Sieve<'a> {
    trust: &'a Trust,
    /// The set before: what is in it need not be verified again, which takes a small router some milliseconds each.
    known: &'a [Given],
    names: SortedSet<Named>,
    counts: SortedMap<&'static str, usize>,
    good: Vec<Given>,
    refused: SortedSet<Named>,
    is_whole: bool,
}

/// What a push comes to.
#[derive(Debug, PartialEq, Eq)]
pub struct Sifted {
    /// What can be shown.
    pub good: Vec<Given>,
    /// Whose signature is not good, each once.
    pub refused: SortedSet<Named>,
    /// Whether nothing was left out.
    pub is_whole: bool,
}

impl<'a> Sieve<'a> {
    /// Nothing is in it yet.
    #[must_use]
    pub fn new(trust: &'a Trust, known: &'a [Given]) -> Self {
        let (names, counts) = (SortedSet::new(), SortedMap::new());
        Self { trust, known, names, counts, good: Vec::new(), refused: SortedSet::new(), is_whole: true }
    }

    /// The next statement.
    pub fn take(&mut self, raw: serde_json::Value) {
        let checked = Signed::deserialize(raw).map_err(|e| Wrong::unreadable(&e));
        match checked.and_then(|signed| self.check(signed)) {
            Ok(given) => self.good.push(given),
            Err(wrong) => {
                self.is_whole = false;
                match wrong {
                    Wrong::Unusable(error) => warn!(error, "an offer of the server cannot be used"),
                    Wrong::Refused((sender, offer), why) => {
                        warn!(sender = sender.as_str(), %offer, why, "refused an offer");
                        self.refused.insert((sender, offer));
                    }
                }
            }
        }
    }

    /// What can be shown of it.
    #[must_use]
    pub fn finish(self) -> Sifted {
        let Self { good, refused, is_whole, .. } = self;
        Sifted { good, refused, is_whole }
    }

    fn check(&mut self, signed: Signed) -> Result<Given, Wrong> {
        let known = self.known.iter().find(|g| g.signed.as_deref() == Some(&signed));
        let given = known.map_or_else(|| self.trust.check(signed), |known| Ok(known.clone()))?;
        let name = (given.sender, given.offer.id.clone());
        let count = self.counts.entry(given.sender.as_str()).or_default();
        *count += 1;
        if *count > MAX_OFFERS {
            return Err(Wrong::Unusable(format!("{}: more than {MAX_OFFERS} of one sender", name.1)));
        }
        if !self.names.insert(name.clone()) {
            return Err(Wrong::Unusable(format!("{}: pushed twice", name.1)));
        }
        Ok(given)
    }
}

/// Reads `event: say`: what to say, and on which network.
///
/// # Errors
/// If it is not the operator's word, is not for one network, or was for a moment before `now` (Unix time).
pub fn read_say(data: &str, trust: &Trust, now: u64) -> Result<(NetworkId, Given), Wrong> {
    let SayPush { say } = serde_json::from_slice(data.as_bytes()).map_err(|e| Wrong::unreadable(&e))?;
    let given = trust.check(say)?;
    let unusable = |why| Err(Wrong::Unusable(format!("{}: {why}", given.offer.id)));
    let [network] = &given.offer.networks[..] else { return unusable("not for one network") };
    match given.offer.when.until {
        None => unusable("without an end"),
        Some(until) if until <= now => unusable("it is too late for it"),
        Some(_) => Ok((network.clone(), given)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use welcome_proto::offer::Sender;

    use super::super::trust::tests::{sign, trust};
    use super::*;

    fn sift(offers: Vec<Value>) -> Sifted {
        let trust = trust();
        let mut sieve = Sieve::new(&trust, &[]);
        offers.into_iter().for_each(|raw| sieve.take(raw));
        sieve.finish()
    }

    fn ids(sifted: &Sifted) -> Vec<&str> {
        sifted.good.iter().map(|g| g.offer.id.as_str()).collect()
    }

    fn signed(sender: Sender, id: &str) -> Value {
        let offer = json!({"id": id, "content": {"title": "t"}, "of": "the future"}).to_string();
        json!(sign("r-1", sender, &offer))
    }

    #[test]
    fn a_wrong_offer_costs_itself_and_not_the_others() {
        let mut tampered = signed(Sender::Sharer, "c");
        tampered["statement"] = json!(tampered["statement"].as_str().unwrap().replace("\"t\"", "\"T\""));
        let moved = json!(sign("r-2", Sender::Server, r#"{"id":"d","content":{"title":"t"}}"#));
        let sifted = sift(vec![
            signed(Sender::Server, "a"),
            signed(Sender::Server, "a"),
            signed(Sender::Sharer, "a"),
            tampered.clone(),
            tampered,
            moved,
            json!(5),
            json!({}),
            json!({"id": "e", "content": {"title": "unsigned"}}),
            signed(Sender::Server, "f"),
        ]);
        assert_eq!(ids(&sifted), ["a", "a", "f"]);
        let refused: Vec<_> = sifted.refused.iter().map(|(s, id)| (*s, id.as_str())).collect();
        assert_eq!(refused, [(Sender::Sharer, "c"), (Sender::Server, "d")], "each once");
        assert!(!sifted.is_whole);
    }

    #[test]
    fn each_sender_has_room_of_its_own() {
        let all = [Sender::Server, Sender::Sharer].into_iter();
        let offers = all.flat_map(|s| (0..MAX_OFFERS + 1).map(move |n| signed(s, &format!("o{n}"))));
        assert_eq!(sift(offers.collect()).good.len(), 2 * MAX_OFFERS);
        let whole = sift((0..MAX_OFFERS).map(|n| signed(Sender::Server, &format!("o{n}"))).collect());
        assert!(whole.is_whole && whole.refused.is_empty());
    }

    #[test]
    fn what_is_known_is_the_same_again() {
        let trust = trust();
        let before = sift(vec![signed(Sender::Server, "a")]).good;
        let mut sieve = Sieve::new(&trust, &before);
        sieve.take(signed(Sender::Server, "a"));
        let after = sieve.finish().good;
        assert!(std::sync::Arc::ptr_eq(&before[0].offer, &after[0].offer));
    }

    #[test]
    fn what_is_no_push_is_none() {
        for data in ["", "[]", "{}", r#"{"revision":-1,"offers":[]}"#, r#"{"revision":1,"offers":{}}"#] {
            assert!(Push::read(data).is_none(), "{data}");
        }
    }

    #[test]
    fn a_say_is_for_one_network_and_has_an_end() {
        let say = |router: &str, offer: Value| {
            let data = json!({"say": sign(router, Sender::Server, &offer.to_string())}).to_string();
            read_say(&data, &trust(), 1000)
        };
        let offer = |networks: Value, when: Value| json!({"id": "say-1", "networks": networks, "when": when, "content": {"title": "t"}});
        let (network, given) = say("r-1", offer(json!(["cafe"]), json!({"until": 1001}))).unwrap();
        assert_eq!((network.as_str(), given.offer.id.as_str()), ("cafe", "say-1"));
        for (networks, when) in [
            (json!([]), json!({"until": 1001})),
            (json!(["a", "b"]), json!({"until": 1001})),
            (json!(["a"]), json!({"until": 1000})),
            (json!(["a"]), json!({})),
        ] {
            assert!(say("r-1", offer(networks, when)).is_err());
        }
        let moved = say("r-2", offer(json!(["cafe"]), json!({"until": 1001})));
        assert!(matches!(moved, Err(Wrong::Refused(..))));
    }

    #[test]
    fn no_more_is_looked_at_than_there_may_be() {
        let data = json!({"revision": 1, "offers": vec![5; 10_000]}).to_string();
        assert_eq!(Push::read(&data).unwrap().offers.len(), MOST);
        let Err(Wrong::Unusable(why)) = read_say(&json!({"say": "x".repeat(10_000)}).to_string(), &trust(), 0) else {
            panic!("taken")
        };
        assert!(why.len() <= 200, "{why}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[\\[\\]{}:,\"a-z0-9-]{0,80}") {
            let _outcome = (Push::read(&text), read_say(&text, &trust(), 0));
        }
    }
}
