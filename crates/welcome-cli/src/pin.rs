//! Which directory this computer knows, and the key that signs its snapshots.
//!
//! In and out: `directory.json` of the state directory. The key is taken from the first answer of the directory, by
//! verified TLS, and held against everything that comes later, by whichever way.

use crate::directory::{Directory, JSON, json};
use crate::kept::{load, save};
use anyhow::{Context as _, bail};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use reqwest::StatusCode;
use ring::signature::{ED25519, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use std::path::Path;
use welcome_proto::snapshot;

/// A directory that was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pin {
    /// 1.
    version: u32,
    /// Where it was met.
    pub url: String,
    /// What it calls itself.
    pub name: String,
    /// Its key.
    pub public_key: PublicKey,
}

impl Pin {
    /// Reads what is kept; `None` when no directory was met yet.
    ///
    /// # Errors
    /// When it cannot be read. That is no reason to trust another key.
    pub fn load(dir: &Path) -> anyhow::Result<Option<Self>> {
        match load::<Self>(dir, FILE, MAX_BYTES).context(SPOILED)? {
            Some(pin) if pin.version != 1 => bail!("{FILE} is not one that this program wrote; {SPOILED}"),
            pin => Ok(pin),
        }
    }

    /// Replaces what is kept.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn save(&self, dir: &Path) -> anyhow::Result<()> {
        save(dir, FILE, self)
    }

    /// Asks a directory who it is; `None` if it has no snapshots.
    ///
    /// # Errors
    /// When it cannot be reached, or says something else.
    pub async fn ask(directory: &Directory) -> anyhow::Result<Option<Self>> {
        let response = directory.get(directory.url("/v1/directory"), JSON, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let said: snapshot::Directory = json(response, MAX_ANSWER).await?;
        if !said.resolutions.contains(&snapshot::RESOLUTION) {
            return Ok(None);
        }
        let public_key = said.public_key.parse().context("the directory's key is none")?;
        let name = said.name.chars().take(MAX_NAME).collect();
        Ok(Some(Self { version: 1, url: directory.server().to_string(), name, public_key }))
    }
}

/// An Ed25519 key, as 43 characters of base64url.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Whether that is its signature under the message.
    #[must_use]
    pub fn verify(&self, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

impl std::str::FromStr for PublicKey {
    type Err = NoKey;

    fn from_str(text: &str) -> Result<Self, NoKey> {
        URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(NoKey)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = NoKey;

    fn try_from(text: String) -> Result<Self, NoKey> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(PublicKey(bytes): PublicKey) -> Self {
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

/// It is not the text of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 43 characters of base64url")]
pub struct NoKey;

/// The file of the state directory.
pub const FILE: &str = "directory.json";
const SPOILED: &str = "the directory's key is not known; `welcome fetch --trust-new-key` asks for it anew";
const MAX_BYTES: u64 = 16 << 10;
const MAX_ANSWER: usize = 16 << 10;
/// Of characters, for people.
const MAX_NAME: usize = 255;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_is_written_as_it_is_read(bytes: [u8; 32]) {
            let text = String::from(PublicKey(bytes));
            prop_assert_eq!(text.parse(), Ok(PublicKey(bytes)));
            prop_assert!(text[1..].parse::<PublicKey>().is_err());
        }

        #[test]
        fn any_text_is_refused_or_a_key(text: String) {
            prop_assert!(text.parse::<PublicKey>().is_ok_and(|key| String::from(key) == text) || text.parse::<PublicKey>().is_err());
        }
    }
}
