//! The keys that feeds are signed with: Ed25519 in the format of usign for opkg, and P-256 as PEM for apk. Made when there are
//! none; the secret parts never leave the directory they lie in.

use std::fmt;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use p256::SecretKey;
use p256::ecdsa::SigningKey;
use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, EncodePublicKey as _, LineEnding};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha512};

use crate::sums::hex;

/// Both keys.
pub struct Keys {
    /// For the opkg feed.
    pub opkg: OpkgKey,
    /// For packages and indexes of apk.
    pub apk: SigningKey,
}

/// A key of usign, or of signify, which is the same.
pub struct OpkgKey {
    number: [u8; 8],
    pair: Ed25519KeyPair,
}

/// The public part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpkgPublicKey {
    number: [u8; 8],
    key: [u8; 32],
}

impl Keys {
    /// Reads the keys in a directory; makes those that are not there.
    ///
    /// # Errors
    /// If one cannot be read or made, or could be read by others.
    pub fn open(dir: &Path) -> anyhow::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir).with_context(|| format!("make {}", dir.display()))?;
        let opkg = read_or_make(&dir.join("welcomed.sec"), || OpkgKey::secret(&random()?, random()?))?;
        let apk = read_or_make(&dir.join("welcomed-private.pem"), || {
            let key = loop {
                // A number outside of the curve's order is as likely as guessing the key.
                if let Ok(key) = SecretKey::from_slice(&random::<32>()?) {
                    break key;
                }
            };
            Ok(key.to_pkcs8_pem(LineEnding::LF).map_err(|e| anyhow!("write the key: {e}"))?.to_string())
        })?;
        Ok(Self {
            opkg: OpkgKey::from_secret(&opkg).context("understand welcomed.sec")?,
            apk: SigningKey::from_pkcs8_pem(&apk).map_err(|e| anyhow!("understand welcomed-private.pem: {e}"))?,
        })
    }

    /// The public key for apk.
    ///
    /// # Errors
    /// Never for a key that was read.
    pub fn apk_public(&self) -> anyhow::Result<String> {
        self.apk.verifying_key().to_public_key_pem(LineEnding::LF).map_err(|e| anyhow!("write the public key: {e}"))
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl OpkgKey {
    /// The text of the file with the secret part, not protected by a passphrase.
    fn secret(seed: &[u8; 32], number: [u8; 8]) -> anyhow::Result<String> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| anyhow!("make an Ed25519 key"))?;
        let secret = [&seed[..], pair.public_key().as_ref()].concat();
        let check = Sha512::digest(&secret);
        // No rounds of a key derivation, and so no salt.
        let blob = [&b"EdBK"[..], &[0; 4], &[0; 16], &check[..8], &number, &secret].concat();
        Ok(text("secret key", &number, &blob))
    }

    fn from_secret(text: &str) -> anyhow::Result<Self> {
        let blob: [u8; 104] = blob(text)?.try_into().map_err(|_| anyhow!("not as long as a secret key"))?;
        ensure!(blob.starts_with(b"EdBK"), "not a secret key of usign");
        ensure!(blob[4..8] == [0; 4], "protected by a passphrase");
        let (check, secret) = (&blob[24..32], &blob[40..]);
        ensure!(Sha512::digest(secret)[..8] == *check, "damaged");
        let pair = Ed25519KeyPair::from_seed_and_public_key(&secret[..32], &secret[32..]);
        let pair = pair.map_err(|_| anyhow!("its two parts do not belong together"))?;
        Ok(Self { number: *blob[32..].first_chunk().context("a number")?, pair })
    }

    /// The text of a signature over a message.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> String {
        let blob = [b"Ed", &self.number[..], self.pair.sign(message).as_ref()].concat();
        text("signed by key", &self.number, &blob)
    }

    /// The public part.
    #[must_use]
    pub fn public(&self) -> OpkgPublicKey {
        let mut key = [0; 32];
        key.copy_from_slice(self.pair.public_key().as_ref());
        OpkgPublicKey { number: self.number, key }
    }
}

impl OpkgPublicKey {
    /// Reads the text of a file with a public key.
    ///
    /// # Errors
    /// If it is none.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let blob: [u8; 42] = blob(text)?.try_into().map_err(|_| anyhow!("not as long as a public key"))?;
        ensure!(blob.starts_with(b"Ed"), "not a public key of usign");
        Ok(Self { number: *blob[2..].first_chunk().context("a number")?, key: *blob.last_chunk().context("a key")? })
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        text("public key", &self.number, &[b"Ed", &self.number[..], &self.key].concat())
    }

    /// What the file must be called in a router's `/etc/opkg/keys`.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex(&self.number)
    }

    /// Whether the text is this key's signature over a message.
    ///
    /// # Errors
    /// If it is none, or another key's, or over something else.
    pub fn verify(&self, message: &[u8], signature: &str) -> anyhow::Result<()> {
        let blob: [u8; 74] = blob(signature)?.try_into().map_err(|_| anyhow!("not as long as a signature"))?;
        ensure!(blob.starts_with(b"Ed") && blob[2..10] == self.number, "another key's signature");
        let key = UnparsedPublicKey::new(&ED25519, self.key);
        key.verify(message, &blob[10..]).map_err(|_| anyhow!("the signature does not hold"))
    }
}

fn text(what: &str, number: &[u8; 8], blob: &[u8]) -> String {
    format!("{COMMENT}{what} {}\n{}\n", hex(number), STANDARD.encode(blob))
}

fn blob(text: &str) -> anyhow::Result<Vec<u8>> {
    let mut lines = text.lines();
    ensure!(lines.next().is_some_and(|line| line.starts_with(COMMENT)), "its first line is no comment");
    let blob = STANDARD.decode(lines.next().context("its second line is missing")?).context("its second line")?;
    ensure!(lines.next().is_none(), "more than two lines");
    Ok(blob)
}

fn read_or_make(path: &Path, make: impl FnOnce() -> anyhow::Result<String>) -> anyhow::Result<String> {
    let shown = path.display();
    match fs::read_to_string(path) {
        Ok(text) => {
            let mode = fs::metadata(path)?.permissions().mode();
            ensure!(mode & 0o077 == 0, "{shown} can be read by others: chmod 600 {shown}");
            Ok(text)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let text = make()?;
            let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            let written = file.and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
            written.with_context(|| format!("write {shown}"))?;
            Ok(text)
        }
        Err(error) => Err(error).with_context(|| format!("read {shown}")),
    }
}

fn random<const LENGTH: usize>() -> anyhow::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| anyhow!("get random bytes"))?;
    Ok(bytes)
}

const COMMENT: &str = "untrusted comment: ";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keys_are_made_once_and_for_the_owner_alone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("keys");
        let (one, two) = (Keys::open(&dir).unwrap(), Keys::open(&dir).unwrap());
        assert_eq!(one.opkg.public(), two.opkg.public());
        assert_eq!(one.apk_public().unwrap(), two.apk_public().unwrap());
        for name in ["welcomed.sec", "welcomed-private.pem"] {
            let path = dir.join(name);
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            assert!(Keys::open(&dir).unwrap_err().to_string().contains("chmod 600"), "{name}");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        assert_eq!(format!("{one:?}"), "***");
        fs::write(dir.join("welcomed.sec"), "untrusted comment: x\nAAAA\n").unwrap();
        assert!(Keys::open(&dir).is_err(), "a damaged key is not replaced");
    }

    #[test]
    fn a_signature_holds_for_its_key_and_message_alone() {
        let [key, other] = [1, 2].map(|n| OpkgKey::from_secret(&OpkgKey::secret(&[n; 32], [n; 8]).unwrap()).unwrap());
        let (public, signature) = (key.public(), key.sign(b"message"));
        assert_eq!(OpkgPublicKey::parse(&public.to_text()).unwrap(), public);
        assert_eq!(public.fingerprint(), "0101010101010101");
        public.verify(b"message", &signature).unwrap();
        assert!(public.verify(b"Message", &signature).is_err());
        assert!(other.public().verify(b"message", &signature).is_err());
        assert!(public.verify(b"message", &public.to_text()).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(untrusted comment: )?[A-Za-z0-9+/=\n]{0,150}") {
            let read = [OpkgPublicKey::parse(&text).is_ok(), OpkgKey::from_secret(&text).is_ok()];
            prop_assert!(!read[1]);
        }
    }
}
