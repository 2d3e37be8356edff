//! The operator's Ed25519 key: what routers show of ours is signed with it, and they have pinned it when they enrolled.
//!
//! One file of the data directory, made at the first start. A damaged one is an error: with another key every router
//! would refuse what the server says.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use welcome_proto::RouterId;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::signed::{Signed, Statement};

/// The file in the data directory: PKCS#8 as PEM.
pub(crate) const KEY: &str = "operator.key";

/// The key pair. Its `Debug` shows the public half only.
#[derive(Debug)]
pub(crate) struct OperatorKey(Ed25519KeyPair);

impl OperatorKey {
    /// Reads the key from `directory`, or makes one; `true` if it was made.
    ///
    /// # Errors
    /// If the file cannot be read, understood or written.
    pub(crate) fn load_or_make(directory: &Path) -> Result<(Self, bool)> {
        let file = directory.join(KEY);
        let text = match fs::read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((Self::make(&file)?, true)),
            Err(error) => return Err(error).with_context(|| format!("failed to read {}", file.display())),
        };
        let key = PrivatePkcs8KeyDer::from_pem_slice(&text)
            .ok()
            .and_then(|der| Ed25519KeyPair::from_pkcs8(der.secret_pkcs8_der()).ok());
        let key = key.with_context(|| {
            format!(
                "{} is damaged: put it back from a backup; if there is none, remove it, and enrol every router again, \
                 for they refuse what is signed with another key",
                file.display()
            )
        })?;
        Ok((Self(key), false))
    }

    /// The public half as an enrolment's answer has it.
    pub(crate) fn public(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// Signs an offer for one router.
    pub(crate) fn sign(&self, router: &RouterId, sender: Sender, offer: Offer) -> serde_json::Result<Signed> {
        let statement = Statement { router: router.clone(), sender, offer };
        Signed::make(&statement, |message| {
            self.0.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
        })
    }

    /// After a power cut there is the whole key or none.
    fn make(file: &Path) -> Result<Self> {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).ok().context("failed to make a key")?;
        let key = Ed25519KeyPair::from_pkcs8(der.as_ref()).ok().context("failed to use a new key")?;
        let text = STANDARD.encode(der);
        let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        replace(file, pem.as_bytes()).with_context(|| format!("failed to write {}", file.display()))?;
        Ok(Self(key))
    }
}

pub(crate) fn replace(file: &Path, text: &[u8]) -> io::Result<()> {
    let fresh = file.with_extension("new");
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut out = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    out.write_all(text)?;
    out.sync_all()?;
    fs::rename(&fresh, file)?;
    File::open(file.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    #[test]
    fn a_key_is_made_once_and_for_its_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("operator.new"), "half").unwrap();
        let (made, new) = OperatorKey::load_or_make(dir.path()).unwrap();
        let (read, again) = OperatorKey::load_or_make(dir.path()).unwrap();
        assert_eq!((made.public(), new), (read.public(), !again));
        let file = dir.path().join(KEY);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.lines().all(|l| l.len() <= 64), "{text}");
        assert!(!format!("{read:?}").contains(text.lines().nth(1).unwrap()));
    }

    #[test]
    fn a_damaged_key_is_named_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join(KEY);
        OperatorKey::load_or_make(dir.path()).unwrap();
        let good = fs::read_to_string(&file).unwrap();
        for bad in ["", "x", &good[..60], &good.replacen("BEGIN", "BEGUN", 1)] {
            fs::write(&file, bad).unwrap();
            let error = OperatorKey::load_or_make(dir.path()).unwrap_err().to_string();
            assert!(error.contains("operator.key is damaged: put it back"), "{error}");
            assert_eq!(fs::read_to_string(&file).unwrap(), bad);
        }
    }

    #[test]
    fn what_it_signs_verifies_under_its_public_half() {
        let dir = tempfile::tempdir().unwrap();
        let (key, _) = OperatorKey::load_or_make(dir.path()).unwrap();
        let offer = serde_json::from_str(r#"{"id":"hello","content":{"title":"Hi"}}"#).unwrap();
        let signed = key.sign(&"r-1".parse().unwrap(), Sender::Server, offer).unwrap();
        let public = URL_SAFE_NO_PAD.decode(key.public()).unwrap();
        let public = UnparsedPublicKey::new(&ED25519, public);
        public.verify(&signed.message(), &signed.signature_bytes().unwrap()).unwrap();
        assert!(public.verify(signed.statement.as_bytes(), &signed.signature_bytes().unwrap()).is_err());
    }
}
