//! The Ed25519 keys of organisations: what routers show or do at the server's word is signed with the key of theirs, which
//! they have pinned when they enrolled.
//!
//! They lie sealed in the database; opened ones are remembered while the server runs.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use welcome_proto::signed::{Signable, Signed};

use crate::ids::OrgId;
use crate::seal::{DoesNotOpen, Seal};
use crate::store::{KeptKey, Store, StoreError};

/// A key pair. Its `Debug` shows the public half only.
#[derive(Debug)]
pub(crate) struct Key(Ed25519KeyPair);

impl Key {
    /// A new one for this place, as it is kept.
    pub(crate) fn make(seal: &Seal, place: &str) -> KeptKey {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("the operating system has randomness");
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).expect("a new key is a key");
        KeptKey { public: pair.public_key().as_ref().to_vec(), sealed: seal.seal(place, der.as_ref()) }
    }

    /// Opens one that is kept.
    pub(crate) fn open(seal: &Seal, place: &str, sealed: &[u8]) -> Result<Self, DoesNotOpen> {
        let der = seal.open(place, sealed)?;
        Ed25519KeyPair::from_pkcs8(&der).map(Self).map_err(|_| DoesNotOpen)
    }

    /// The public half as it travels.
    pub(crate) fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// Signs a statement.
    pub(crate) fn sign<T: Signable>(&self, statement: &T) -> serde_json::Result<Signed> {
        Signed::make(statement, |message| {
            self.0.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
        })
    }
}

/// Where an organisation's key is sealed for.
pub(crate) fn org_place(org: &OrgId) -> String {
    format!("org {org}")
}

/// The keys of all organisations.
#[derive(Debug)]
pub(crate) struct Keys {
    store: Store,
    seal: Seal,
    opened: Mutex<BTreeMap<OrgId, Arc<Key>>>,
}

impl Keys {
    /// Opens keys of this store with this master key.
    pub(crate) fn new(store: Store, seal: Seal) -> Self {
        Self { store, seal, opened: Mutex::default() }
    }

    /// The key of an organisation.
    pub(crate) async fn of(&self, org: &OrgId) -> Result<Arc<Key>, StoreError> {
        if let Some(key) = self.opened.lock().unwrap_or_else(PoisonError::into_inner).get(org) {
            return Ok(Arc::clone(key));
        }
        let kept = self.store.org_key(org).await?.ok_or(StoreError::Unreadable("organisation"))?;
        let key = Arc::new(Key::open(&self.seal, &org_place(org), &kept.sealed)?);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Arc::clone(opened.entry(org.clone()).or_insert(key)))
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};
    use welcome_proto::offer::{Offer, Sender};
    use welcome_proto::signed::Statement;

    use super::*;

    #[test]
    fn what_it_signs_verifies_under_its_public_half() {
        let seal = Seal::parse(&"a".repeat(64)).unwrap();
        let kept = Key::make(&seal, "org o-1");
        let key = Key::open(&seal, "org o-1", &kept.sealed).unwrap();
        assert!(Key::open(&seal, "org o-2", &kept.sealed).is_err());
        let offer = Offer::new("hello".parse().unwrap(), "Hi");
        let statement = Statement { router: "r-1".parse().unwrap(), sender: Sender::Server, offer };
        let signed = key.sign(&statement).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, kept.public);
        public.verify(&signed.message::<Statement>(), &signed.signature_bytes().unwrap()).unwrap();
        assert!(public.verify(signed.statement.as_bytes(), &signed.signature_bytes().unwrap()).is_err());
        assert!(!format!("{key:?}").contains("private"));
    }
}
