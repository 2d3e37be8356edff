//! Whose word counts: the operator's, whose key was pinned when this router enrolled. Pure.
//!
//! In: a signed statement, hostile until proven good. Out: an offer whose every byte the operator has signed, for this
//! very router; or why not.

use std::sync::Arc;

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;
use welcome_core::Given;
use welcome_proto::offer::Sender;
use welcome_proto::signed::{MAX_STATEMENT, Signable, Signed, Statement};
use welcome_proto::{OfferId, RouterId};

/// What is needed to tell the operator's word from anybody else's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// Our own name: what was said to another router means nothing here.
    pub router: RouterId,
    /// The operator's Ed25519 key.
    pub key: [u8; 32],
}

/// Why a statement is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is not the operator's, or not for us: somebody has made or moved it.
    Refused(Named, &'static str),
    /// It is of no use, whoever says it.
    Unusable(String),
}

/// As whose and which offer a statement passes itself off.
pub type Named = (Sender, OfferId);

impl Wrong {
    /// What JSON is wrong about; that may quote a whole statement, and ends in a log.
    #[must_use]
    pub fn unreadable(error: &serde_json::Error) -> Self {
        Self::Unusable(Self::unreadable_text(error))
    }

    /// The same, as text.
    #[must_use]
    pub fn unreadable_text(error: &serde_json::Error) -> String {
        error.to_string().chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
    }
}

const MAX_REASON: usize = 200;

impl Trust {
    /// Takes a statement for an offer.
    ///
    /// # Errors
    /// If its signature is not good, or it is good and of no use.
    pub fn check(&self, signed: Signed) -> Result<Given, Wrong> {
        // Before anything looks at it: signing more than this is nothing an operator does.
        if signed.statement.len() > MAX_STATEMENT {
            return Err(Wrong::Unusable(format!("a statement of more than {MAX_STATEMENT} bytes")));
        }
        if !self.signed::<Statement>(&signed) {
            return Err(match serde_json::from_slice::<Claim>(signed.statement.as_bytes()) {
                Ok(Claim { sender, offer: ClaimedOffer { id } }) => {
                    Wrong::Refused((sender, id), "not signed by the operator")
                }
                Err(_) => Wrong::Unusable("a signature that is not the operator's, of nothing one can read".to_owned()),
            });
        }
        let statement: Statement =
            serde_json::from_slice(signed.statement.as_bytes()).map_err(|e| Wrong::unreadable(&e))?;
        let Statement { router, sender, offer } = statement;
        if router != self.router {
            return Err(Wrong::Refused((sender, offer.id), "signed for another router"));
        }
        if sender == Sender::Device {
            return Err(Wrong::Refused((sender, offer.id), "only this router speaks for itself"));
        }
        offer.check().map_err(|e| Wrong::Unusable(format!("{}: {e}", offer.id)))?;
        Ok(Given { sender, offer: Arc::new(offer), signed: Some(Arc::new(signed)) })
    }

    /// Takes a statement for what the operator signed it as.
    ///
    /// # Errors
    /// If its signature is not good, or it is good and cannot be read.
    pub fn read<T: Signable>(&self, signed: &Signed) -> Result<T, String> {
        if signed.statement.len() > MAX_STATEMENT || !self.signed::<T>(signed) {
            return Err("it is not signed by the operator".to_owned());
        }
        serde_json::from_slice(signed.statement.as_bytes()).map_err(|e| Wrong::unreadable_text(&e))
    }

    /// Sees that a statement is for this router.
    ///
    /// # Errors
    /// If it is for another.
    pub fn is_for_us(&self, router: &RouterId) -> Result<(), String> {
        if *router == self.router { Ok(()) } else { Err("it is signed for another router".to_owned()) }
    }

    fn signed<T: Signable>(&self, signed: &Signed) -> bool {
        signed.signature_bytes().is_some_and(|signature| {
            UnparsedPublicKey::new(&ED25519, &self.key).verify(&signed.message::<T>(), &signature).is_ok()
        })
    }
}

/// The names in a statement that need not be one.
#[derive(Deserialize)]
struct Claim {
    sender: Sender,
    offer: ClaimedOffer,
}

#[derive(Deserialize)]
struct ClaimedOffer {
    id: OfferId,
}

#[cfg(test)]
pub(super) mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};
    use welcome_proto::offer::Offer;

    use super::*;

    /// An operator for tests, always the same.
    pub(in super::super) fn operator() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
    }

    /// Who trusts that operator, under the name `r-1`.
    pub(in super::super) fn trust() -> Trust {
        let key = operator().public_key().as_ref().try_into().unwrap();
        Trust { router: "r-1".parse().unwrap(), key }
    }

    /// What that operator says.
    pub(in super::super) fn sign(router: &str, sender: Sender, offer: &str) -> Signed {
        let offer: Offer = serde_json::from_str(offer).unwrap();
        let statement = Statement { router: router.parse().unwrap(), sender, offer };
        Signed::make(&statement, |m| operator().sign(m).as_ref().try_into().unwrap()).unwrap()
    }

    const OFFER: &str = r#"{"id":"a","content":{"title":"t"}}"#;

    #[test]
    fn what_the_operator_signed_for_us_is_taken_and_goes_on_with_its_signature() {
        let signed = sign("r-1", Sender::Sharer, OFFER);
        let given = trust().check(signed.clone()).unwrap();
        assert_eq!((given.sender, given.offer.id.as_str()), (Sender::Sharer, "a"));
        assert_eq!(*given.signed.unwrap(), signed);
    }

    #[test]
    fn what_was_said_to_another_router_or_by_another_means_nothing() {
        let refused = |trust: &Trust, signed| match trust.check(signed) {
            Err(Wrong::Refused((_, id), why)) => format!("{id}: {why}"),
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(&trust(), sign("r-2", Sender::Server, OFFER)), "a: signed for another router");
        assert_eq!(refused(&trust(), sign("r-1", Sender::Device, OFFER)), "a: only this router speaks for itself");
        let other = Trust { key: [9; 32], ..trust() };
        assert_eq!(refused(&other, sign("r-1", Sender::Server, OFFER)), "a: not signed by the operator");
    }

    #[test]
    fn a_good_signature_makes_nothing_useful_of_what_is_not() {
        let limits = sign("r-1", Sender::Server, r#"{"id":"a","content":{"title":""}}"#);
        assert_eq!(trust().check(limits), Err(Wrong::Unusable("a: title: 1 to 80 characters".to_owned())));
        let long = Signed { statement: "x".repeat(MAX_STATEMENT + 1), signature: String::new() };
        assert!(matches!(trust().check(long), Err(Wrong::Unusable(_))));
    }

    #[test]
    fn a_changed_bit_anywhere_is_seen() {
        let good = sign("r-1", Sender::Server, OFFER);
        for n in 0..good.statement.len() {
            for bit in 0..7 {
                let mut bytes = good.statement.clone().into_bytes();
                bytes[n] ^= 1 << bit;
                let statement = String::from_utf8(bytes).unwrap();
                assert!(trust().check(Signed { statement, ..good.clone() }).is_err(), "byte {n}, bit {bit}");
            }
        }
        let signature = good.signature_bytes().unwrap();
        for n in 0..64 {
            for bit in 0..8 {
                let mut signature = signature;
                signature[n] ^= 1 << bit;
                let signature = URL_SAFE_NO_PAD.encode(signature);
                assert!(trust().check(Signed { signature, ..good.clone() }).is_err(), "byte {n}, bit {bit}");
            }
        }
    }

    proptest! {
        #[test]
        fn nothing_unsigned_is_taken(statement in ".{0,60}", signature in "[A-Za-z0-9_-]{86}|.{0,10}") {
            let checked = trust().check(Signed { statement, signature });
            prop_assert!(checked.is_err());
        }
    }
}
