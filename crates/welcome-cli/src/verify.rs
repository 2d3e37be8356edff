//! Whether a message is of whom it says it is, and what it says.
//!
//! In: an offer as the router, the server or a computer of the sharer's gave it, and the entry of the list by which the
//! network was joined. Out: a [`Message`] with what speaks for it, or why it is refused. Pure.
//!
//! Nobody on the way is believed. A message of the sharer or the operator is the text that was signed and nothing beside
//! it: a copy in the clear that a router puts next to a good signature is not looked at.

use crate::pin::PublicKey;
use serde::Serialize;
use welcome_proto::OfferId;
use welcome_proto::lan::LanOffer;
use welcome_proto::language::Preferred;
use welcome_proto::lookup::ListEntry;
use welcome_proto::offer::{Audience, Content, Offer, OfferError, Sender};
use welcome_proto::schedule::When;
use welcome_proto::signature::MAX_SKEW;
use welcome_proto::signed::{MAX_STATEMENT, Signed, Statement};

/// What a person is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    /// Unique together with the sender.
    pub id: OfferId,
    /// Who speaks.
    pub sender: Sender,
    /// By which way it came.
    pub from: From,
    /// What speaks for it.
    pub proof: Proof,
    /// What to show.
    #[serde(flatten)]
    pub content: Content,
    /// The statement, for programs that want to look themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed: Option<Signed>,
    /// When it may be shown: of the server's, who does not know the hour here.
    #[serde(skip)]
    pub when: When,
    /// To whom: of the server's, who does not know who was here.
    #[serde(skip)]
    pub audience: Audience,
}

/// By which way a message comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum From {
    /// From the router, on the local network.
    Router,
    /// From the directory server.
    Server,
    /// From a computer of the sharer's in the network, or one that says so.
    Sharer,
}

/// What speaks for a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The signature of whoever signs at this network by the list.
    Signed,
    /// The router alone says it: it is the router's own.
    Router,
    /// Nothing: the list names nobody who signs here.
    None,
}

impl Proof {
    /// For people.
    #[must_use]
    pub fn as_text(self) -> &'static str {
        match self {
            Self::Signed => "signed",
            Self::Router => "of the router itself",
            Self::None => "not verified",
        }
    }
}

/// Why a message is not shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It should be signed.
    #[error("it is not signed")]
    Unsigned,
    /// By somebody else, or changed on the way.
    #[error("its signature is not of whoever shares this network")]
    Forged,
    /// The signature is good, for another message.
    #[error("what was signed is another message")]
    Another,
    /// It is not what is signed here.
    #[error("what was signed is no message")]
    Malformed,
    /// Somebody plays an old one again.
    #[error("it is over, or not for now")]
    Over,
    /// See [`Offer::check`].
    #[error("it breaks a limit: {0}")]
    Limit(#[from] OfferError),
}

/// Who signs at a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The list does not say, or nobody knows which network this is.
    Unknown,
    /// This one.
    Key(PublicKey),
    /// The list names a key that is none: nothing can be of this one.
    Nobody,
}

impl Signer {
    /// What the list says.
    #[must_use]
    pub fn of(entry: &ListEntry) -> Self {
        match entry.signer.as_deref().map(str::parse) {
            None => Self::Unknown,
            Some(Ok(key)) => Self::Key(key),
            Some(Err(_)) => Self::Nobody,
        }
    }
}

/// Looks at what arrives on one visit.
#[derive(Debug, Clone)]
pub struct Judge {
    /// Who signs here.
    pub signer: Signer,
    /// What the person reads.
    pub preferred: Preferred,
}

impl Judge {
    /// An offer of the router's.
    ///
    /// # Errors
    /// Why it is not shown.
    pub fn of_router(&self, offer: LanOffer, now: u64) -> Result<Message, Refused> {
        let LanOffer { id, sender, content, signed } = offer;
        match signed {
            Some(signed) if sender != Sender::Device => {
                let message = self.statement(signed, From::Router, now)?;
                if (message.sender, &message.id) != (sender, &id) {
                    return Err(Refused::Another);
                }
                // The router knows the hour, and who was here.
                Ok(Message { when: When::default(), audience: Audience::Everybody, ..message })
            }
            None if sender != Sender::Device && self.signer != Signer::Unknown => Err(Refused::Unsigned),
            _ => {
                let offer = Offer { content, ..Offer::new(id.clone(), "") };
                offer.check()?;
                let proof = if sender == Sender::Device { Proof::Router } else { Proof::None };
                let (when, audience, content) = (offer.when, offer.audience, offer.content);
                Ok(Message { id, sender, from: From::Router, proof, content, signed: None, when, audience })
            }
        }
    }

    /// A statement that came alone. Of somebody in the network it has to be signed by whoever the list names: it could be
    /// anybody who answers there.
    ///
    /// # Errors
    /// Why it is not shown.
    pub fn of_statement(&self, signed: Signed, from: From, now: u64) -> Result<Message, Refused> {
        if from == From::Sharer && self.signer == Signer::Unknown {
            return Err(Refused::Forged);
        }
        self.statement(signed, from, now)
    }

    fn statement(&self, signed: Signed, from: From, now: u64) -> Result<Message, Refused> {
        if signed.statement.len() > MAX_STATEMENT {
            return Err(Refused::Malformed);
        }
        let proof = match self.signer {
            Signer::Unknown => Proof::None,
            Signer::Nobody => return Err(Refused::Forged),
            Signer::Key(key) => {
                let signature = signed.signature_bytes().ok_or(Refused::Forged)?;
                let is_good = key.verify(&signed.message::<Statement>(), &signature);
                is_good.then_some(Proof::Signed).ok_or(Refused::Forged)?
            }
        };
        let Ok(Statement { sender, offer, .. }) = serde_json::from_str(&signed.statement) else {
            return Err(Refused::Malformed);
        };
        if sender == Sender::Device {
            return Err(Refused::Malformed);
        }
        offer.check()?;
        let is_over = offer.when.until.is_some_and(|until| until.saturating_add(MAX_SKEW) <= now);
        let is_early = offer.when.from.is_some_and(|from| from > now.saturating_add(MAX_SKEW));
        if is_over || is_early {
            return Err(Refused::Over);
        }
        let content = self.preferred.content(&offer).0.clone();
        let Offer { id, when, audience, .. } = offer;
        Ok(Message { id, sender, from, proof, content, signed: Some(signed), when, audience })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use serde_json::{Value, json};

    const NOW: u64 = 1_795_000_000;

    fn pair(seed: u8) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap()
    }

    fn judge(signer: Signer) -> Judge {
        Judge { signer, preferred: Preferred::parse("zh-CN") }
    }

    fn key(seed: u8) -> Signer {
        Signer::Key(URL_SAFE_NO_PAD.encode(pair(seed).public_key()).parse().unwrap())
    }

    fn signed(seed: u8, sender: &str, offer: Value) -> Signed {
        let statement = json!({ "router": "r-1", "sender": sender, "offer": offer });
        let statement: Statement = serde_json::from_value(statement).unwrap();
        Signed::make(&statement, |message| pair(seed).sign(message).as_ref().try_into().unwrap()).unwrap()
    }

    fn hello() -> Value {
        json!({ "id": "hello", "content": { "title": "Hi" }, "translations": { "zh": { "title": "欢迎" } } })
    }

    /// As a router gives it, with a text of its own beside what was signed.
    fn given(sender: &str, id: &str, signed: Option<Signed>) -> LanOffer {
        serde_json::from_value(json!({ "id": id, "sender": sender, "title": "Pay here", "signed": signed })).unwrap()
    }

    #[test]
    fn what_is_shown_is_what_was_signed_in_the_persons_language() {
        let offer = given("sharer", "hello", Some(signed(1, "sharer", hello())));
        let message = judge(key(1)).of_router(offer, NOW).unwrap();
        assert_eq!((message.proof, message.content.title.as_str()), (Proof::Signed, "欢迎"));
        for from in [From::Server, From::Sharer] {
            let message = judge(key(1)).of_statement(signed(1, "server", hello()), from, NOW).unwrap();
            assert_eq!((message.sender, message.from, message.proof), (Sender::Server, from, Proof::Signed));
        }
    }

    #[test]
    fn a_message_that_is_not_as_signed_is_refused() {
        let at = |when: Value| {
            let mut offer = hello();
            offer["when"] = when;
            Some(signed(1, "sharer", offer))
        };
        let mut long = hello();
        long["content"]["title"] = "x".repeat(81).into();
        let mut changed = signed(1, "sharer", hello());
        changed.statement = changed.statement.replace("Hi", "Ho");
        let cases = [
            (given("sharer", "hello", None), Refused::Unsigned),
            (given("server", "hello", None), Refused::Unsigned),
            (given("sharer", "hello", Some(signed(2, "sharer", hello()))), Refused::Forged),
            (given("sharer", "hello", Some(changed)), Refused::Forged),
            (given("sharer", "other", Some(signed(1, "sharer", hello()))), Refused::Another),
            (given("server", "hello", Some(signed(1, "sharer", hello()))), Refused::Another),
            (given("sharer", "hello", Some(signed(1, "device", hello()))), Refused::Malformed),
            (given("sharer", "hello", at(json!({ "until": NOW - MAX_SKEW }))), Refused::Over),
            (given("sharer", "hello", at(json!({ "from": NOW + MAX_SKEW + 1 }))), Refused::Over),
        ];
        for (offer, why) in cases {
            assert_eq!(judge(key(1)).of_router(offer.clone(), NOW), Err(why), "{offer:?}");
        }
        let long = given("sharer", "hello", Some(signed(1, "sharer", long)));
        assert!(matches!(judge(key(1)).of_router(long, NOW), Err(Refused::Limit(_))));
        let good = given("sharer", "hello", Some(signed(1, "sharer", hello())));
        assert_eq!(judge(Signer::Nobody).of_router(good, NOW), Err(Refused::Forged));
    }

    #[test]
    fn where_the_list_names_nobody_a_message_is_shown_and_marked() {
        let judge = judge(Signer::Unknown);
        let message = judge.of_router(given("sharer", "hello", None), NOW).unwrap();
        assert_eq!((message.proof, message.content.title.as_str()), (Proof::None, "Pay here"));
        let message = judge.of_router(given("sharer", "hello", Some(signed(7, "sharer", hello()))), NOW).unwrap();
        assert_eq!((message.proof, message.content.title.as_str()), (Proof::None, "欢迎"));
        let anybodys = judge.of_statement(signed(7, "sharer", hello()), From::Sharer, NOW);
        assert_eq!(anybodys, Err(Refused::Forged), "in the network anybody could answer");
    }

    #[test]
    fn what_the_router_says_itself_is_marked_as_that() {
        for offer in [given("device", "hello", None), given("device", "hello", Some(signed(1, "sharer", hello())))] {
            let message = judge(key(1)).of_router(offer, NOW).unwrap();
            assert_eq!((message.proof, message.signed), (Proof::Router, None));
        }
        let mut bad = given("device", "hello", None);
        bad.content.link = Some("javascript:alert(1)".to_owned());
        assert!(matches!(judge(key(1)).of_router(bad, NOW), Err(Refused::Limit(_))));
    }

    proptest! {
        #[test]
        fn a_changed_statement_never_passes(at in any::<prop::sample::Index>(), with in "[ -~]") {
            let mut changed = signed(1, "sharer", hello());
            let at = at.index(changed.statement.chars().count());
            let good = changed.statement.clone();
            changed.statement = good.chars().enumerate().map(|(i, c)| if i == at { with.chars().next().unwrap() } else { c }).collect();
            for from in [From::Server, From::Sharer] {
                let passes = judge(key(1)).of_statement(changed.clone(), from, NOW).is_ok();
                prop_assert_eq!(passes, changed.statement == good);
            }
        }

        #[test]
        fn no_text_makes_it_panic(statement in ".{0,200}", signature in "[A-Za-z0-9_-]{0,90}") {
            for signer in [Signer::Unknown, key(1)] {
                let signed = Signed { statement: statement.clone(), signature: signature.clone() };
                prop_assert!(judge(signer).of_statement(signed, From::Server, NOW).is_err());
            }
        }
    }
}
