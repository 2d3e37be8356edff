//! The router's own key, under which name the server knows it, and the key of the server's operator.
//!
//! One file in the state directory, readable by its owner alone and replaced as a whole. The key is made on the first
//! use and never leaves the file but as signatures. A damaged file is an error: making another key in silence would
//! make another router.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde::{Deserialize, Serialize};
use welcome_proto::enrol::EnrolReply;
use welcome_proto::{RouterId, Secret};

use super::trust::Trust;
use crate::file::{replace, sha256};

/// Who this router is.
#[derive(Debug)]
pub struct Identity {
    path: PathBuf,
    kept: Kept,
    key: Ed25519KeyPair,
}

/// What the file holds.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    /// PKCS#8 in base64.
    key: Secret,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    enrolment: Option<Enrolment>,
}

/// A successful `POST /v1/enrol`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Enrolment {
    router: RouterId,
    /// The server that gave the name; to another one it means nothing.
    server: String,
    /// SHA-256 of the token, in base64url; so that another token is seen as the wish to enrol again.
    token: String,
    /// The operator's Ed25519 key, in base64url. Absent if the router enrolled before offers were signed; then the
    /// enrolment is of no more use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    operator_key: Option<String>,
}

impl Identity {
    /// Reads the key from `dir`, or makes one.
    ///
    /// # Errors
    /// If the file cannot be read, understood or written.
    pub fn load_or_make(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join(FILE);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Self::make(path),
            Err(error) => return Err(error).with_context(|| format!("read the router's key from {}", path.display())),
        };
        let damaged = || format!("{} is damaged; remove it to make a new key and enrol again", path.display());
        let kept: Kept = serde_json::from_slice(&text).with_context(damaged)?;
        let key = read_key(&kept).with_context(damaged)?;
        Ok(Self { path, kept, key })
    }

    /// The public key as the enrolment wants it.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.key.public_key())
    }

    /// The name `server` gave us and the key of its operator, unless `token` is another than the one we used.
    #[must_use]
    pub fn trust(&self, server: &str, token: Option<&Secret>) -> Option<Trust> {
        let enrolment = self.kept.enrolment.as_ref().filter(|e| e.server == server)?;
        let is_same_token = token.is_none_or(|t| hash(t) == enrolment.token);
        let key = enrolment.operator_key.as_deref().and_then(read_operator_key).filter(|_| is_same_token)?;
        Some(Trust { router: enrolment.router.clone(), key })
    }

    /// Whether `server` knows us from a time when offers were not signed.
    #[must_use]
    pub fn is_from_before(&self, server: &str) -> bool {
        self.kept.enrolment.as_ref().is_some_and(|e| e.server == server && e.operator_key.is_none())
    }

    /// Keeps what `server` gave us for `token`.
    ///
    /// # Errors
    /// If the operator's key is none, or the file cannot be written.
    pub fn keep(&mut self, reply: EnrolReply, server: &str, token: &Secret) -> anyhow::Result<Trust> {
        let EnrolReply { router, operator_key } = reply;
        let key = read_operator_key(&operator_key).context("the server's answer has no key of its operator")?;
        let trust = Trust { router: router.clone(), key };
        let (server, token) = (server.to_owned(), hash(token));
        self.kept.enrolment = Some(Enrolment { router, server, token, operator_key: Some(operator_key) });
        self.write()?;
        Ok(trust)
    }

    /// Signs with the router's key (Ed25519).
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).as_ref().to_vec()
    }

    fn make(path: PathBuf) -> anyhow::Result<Self> {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok().context("make a key: no randomness")?;
        let kept = Kept { key: Secret::new(STANDARD.encode(key)), enrolment: None };
        let identity = Self { path, key: read_key(&kept)?, kept };
        identity.write()?;
        Ok(identity)
    }

    fn write(&self) -> anyhow::Result<()> {
        let text = serde_json::to_vec(&self.kept)?;
        replace(&self.path, &text).with_context(|| format!("write the router's key to {}", self.path.display()))
    }
}

fn read_key(kept: &Kept) -> anyhow::Result<Ed25519KeyPair> {
    let der = STANDARD.decode(kept.key.reveal()).ok().context("the key is no base64")?;
    Ed25519KeyPair::from_pkcs8(&der).map_err(|e| anyhow::anyhow!("the key is no Ed25519 key: {e}"))
}

fn read_operator_key(text: &str) -> Option<[u8; 32]> {
    URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()
}

fn hash(token: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(sha256(token.reveal().as_bytes()).0)
}

const FILE: &str = "identity.json";

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("welcomed");
        let made = Identity::load_or_make(&dir).unwrap();
        let read = Identity::load_or_make(&dir).unwrap();
        assert_eq!(made.public_key(), read.public_key());
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&dir), mode(&dir.join(FILE))), (0o700, 0o600));
        let public = URL_SAFE_NO_PAD.decode(read.public_key()).unwrap();
        UnparsedPublicKey::new(&ED25519, public).verify(b"hello", &made.sign(b"hello")).unwrap();
    }

    #[test]
    fn a_name_belongs_to_one_server_and_one_token() {
        let dir = tempfile::tempdir().unwrap();
        let [token, other] = ["one", "two"].map(Secret::new);
        let mut identity = Identity::load_or_make(dir.path()).unwrap();
        assert_eq!(identity.trust("https://a", Some(&token)), None);
        let reply = |key: &str| EnrolReply { router: "r-1".parse().unwrap(), operator_key: key.to_owned() };
        for bad in ["", "AAAA", "!"] {
            assert!(identity.keep(reply(bad), "https://a", &token).is_err(), "{bad}");
        }
        let key = URL_SAFE_NO_PAD.encode([7; 32]);
        let trust = identity.keep(reply(&key), "https://a", &token).unwrap();
        assert_eq!((trust.router.as_str(), trust.key), ("r-1", [7; 32]));

        let identity = Identity::load_or_make(dir.path()).unwrap();
        let router = |server, token| identity.trust(server, token);
        assert_eq!(router("https://a", Some(&token)), Some(trust.clone()));
        assert_eq!(router("https://a", None), Some(trust), "a used token may be removed");
        assert_eq!(router("https://a", Some(&other)), None);
        assert_eq!(router("https://b", Some(&token)), None);
        let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
        assert!(!text.contains("one"), "{text}");
        assert!(!format!("{identity:?}").contains(identity.kept.key.reveal()));
    }

    #[test]
    fn an_enrolment_without_the_operators_key_is_from_before() {
        let dir = tempfile::tempdir().unwrap();
        let token = Secret::new("one");
        let mut identity = Identity::load_or_make(dir.path()).unwrap();
        assert!(!identity.is_from_before("https://a"));
        let (router, server, token_hash) = ("r-1".parse().unwrap(), "https://a".to_owned(), hash(&token));
        identity.kept.enrolment = Some(Enrolment { router, server, token: token_hash, operator_key: None });
        identity.write().unwrap();
        let identity = Identity::load_or_make(dir.path()).unwrap();
        assert!(identity.is_from_before("https://a") && !identity.is_from_before("https://b"));
        assert_eq!(identity.trust("https://a", Some(&token)), None);
    }

    #[test]
    fn a_damaged_file_is_no_new_router() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", "{}", r#"{"key":"!"}"#, r#"{"key":"AAAA"}"#] {
            fs::write(dir.path().join(FILE), text).unwrap();
            let error = Identity::load_or_make(dir.path()).unwrap_err().to_string();
            assert!(error.contains("remove it"), "{text}: {error}");
        }
    }

    #[test]
    fn what_an_interrupted_write_left_is_no_obstacle() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("identity.new"), "half").unwrap();
        Identity::load_or_make(dir.path()).unwrap();
        assert!(!dir.path().join("identity.new").exists());
    }
}
