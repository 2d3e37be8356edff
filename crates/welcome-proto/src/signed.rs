//! What the operator signs: statements that a router obeys only under the operator's signature.
//!
//! What a signature is good for stands before the text that is signed ([`Signable::PREFIX`]), so that an offer can never
//! pass for a challenge. The statement travels as the very text that was signed, so that nobody has to agree on how JSON is written. This
//! module makes and reads the texts; who calls it signs and verifies them (Ed25519).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::RouterId;
use crate::offer::{Offer, Sender};

/// The longest statement in bytes: an offer with all its languages.
pub const MAX_STATEMENT: usize = 60 * 1024;

/// What can be signed.
pub trait Signable: Serialize + DeserializeOwned {
    /// What is signed before the statement. It keeps the signature from meaning anything elsewhere.
    const PREFIX: &'static str;
}

/// A signed statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signed {
    /// JSON of a [`Signable`], to the byte.
    pub statement: String,
    /// The Ed25519 signature of [`Signed::message`]: 64 bytes, base64url without padding.
    pub signature: String,
}

impl Signed {
    /// The bytes that are signed, if this is to be a `T`.
    #[must_use]
    pub fn message<T: Signable>(&self) -> Vec<u8> {
        message::<T>(&self.statement)
    }

    /// The signature's bytes; `None` if they are none.
    #[must_use]
    pub fn signature_bytes(&self) -> Option<[u8; 64]> {
        URL_SAFE_NO_PAD.decode(&self.signature).ok()?.try_into().ok()
    }

    /// Makes a statement and has it signed.
    ///
    /// # Errors
    /// If the statement cannot be written as JSON, which does not happen.
    pub fn make<T: Signable>(statement: &T, sign: impl FnOnce(&[u8]) -> [u8; 64]) -> serde_json::Result<Self> {
        let statement = serde_json::to_string(statement)?;
        let signature = URL_SAFE_NO_PAD.encode(sign(&message::<T>(&statement)));
        Ok(Self { statement, signature })
    }
}

/// An offer, for one router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// The router that may show it; to every other one it means nothing.
    pub router: RouterId,
    /// Who speaks: never [`Sender::Device`].
    pub sender: Sender,
    /// What.
    pub offer: Offer,
}

impl Signable for Statement {
    const PREFIX: &'static str = "welcome offer v1\n";
}

fn message<T: Signable>(statement: &str) -> Vec<u8> {
    [T::PREFIX.as_bytes(), statement.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_signed_as_the_text_that_travels() {
        let offer = serde_json::from_str(r#"{"id":"hello","content":{"title":"Hi"}}"#).unwrap();
        let statement = Statement { router: "r-1".parse().unwrap(), sender: Sender::Sharer, offer };
        let mut seen = Vec::new();
        let signed = Signed::make(&statement, |message| {
            seen = message.to_vec();
            [7; 64]
        });
        let signed = signed.unwrap();
        assert_eq!(signed.message::<Statement>(), seen);
        assert!(seen.starts_with(b"welcome offer v1\n{\"router\":\"r-1\",\"sender\":\"sharer\""));
        assert_eq!(signed.signature_bytes(), Some([7; 64]));
        assert_eq!(serde_json::from_str::<Statement>(&signed.statement).unwrap(), statement);
        let bad = Signed { signature: "AAAA".to_owned(), ..signed };
        assert_eq!(bad.signature_bytes(), None);
    }
}
