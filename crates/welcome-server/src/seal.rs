//! Encryption at rest: what is sealed can be read with the master key alone, and only where it was put.
//!
//! XChaCha20-Poly1305 with a random nonce for each value; the place of the value (its table and key) is authenticated with
//! it, so that a row which somebody moved or copied does not open. The first byte tells the form.

use std::fmt;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::file;

/// The master key's file in the data directory: 64 hexadecimal digits.
pub(crate) const MASTER_KEY: &str = "master.key";
/// The one that is to take its place, while everything is sealed under it ([`crate::rotate_key`]).
pub(crate) const NEXT_KEY: &str = "master.key.next";

/// The master key. Its `Debug` shows nothing of it.
#[derive(Clone)]
pub(crate) struct Seal(XChaCha20Poly1305);

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// A sealed value that does not open: another master key, another place, or damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a sealed value does not open: is this the master key it was sealed with?")]
pub(crate) struct DoesNotOpen;

impl Seal {
    /// From the 64 hexadecimal digits of a key.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut key = [0; 32];
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(XChaCha20Poly1305::new(&key.into())))
    }

    /// The key in this file.
    ///
    /// # Errors
    /// If it cannot be read or holds something else.
    pub(crate) fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("failed to read the master key {}", file.display()))?;
        match Self::parse(&text) {
            Some(key) => Ok(key),
            None => bail!(
                "{} is no master key (64 hexadecimal digits): put it back from a backup; without it neither the \
                 organisations' keys nor those of their networks can be read",
                file.display()
            ),
        }
    }

    /// The key in this directory; makes one if there is none.
    ///
    /// # Errors
    /// If the file cannot be read, understood or written.
    pub(crate) fn read_or_make(directory: &Path) -> Result<Self> {
        let file = directory.join(MASTER_KEY);
        if !file.exists() {
            Self::make(&file)?;
        }
        Self::read(&file)
    }

    /// Writes a new key into this file, for its owner alone (0600).
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn make(file: &Path) -> Result<()> {
        let text = format!("{}\n", crate::token::random_hex::<32>());
        file::replace(file, text.as_bytes()).with_context(|| format!("failed to write {}", file.display()))
    }

    /// Seals a value for one place, e.g. `org o-1`.
    pub(crate) fn seal(&self, place: &str, value: &[u8]) -> Vec<u8> {
        let mut nonce = [0; NONCE];
        SystemRandom::new().fill(&mut nonce).expect("the operating system has randomness");
        let payload = Payload { msg: value, aad: place.as_bytes() };
        let sealed = self.0.encrypt(&XNonce::from(nonce), payload).expect("a short value can be encrypted");
        [&[FORM], &nonce[..], &sealed].concat()
    }

    /// Opens what was sealed for this place.
    pub(crate) fn open(&self, place: &str, sealed: &[u8]) -> Result<Vec<u8>, DoesNotOpen> {
        let (&form, rest) = sealed.split_first().ok_or(DoesNotOpen)?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>().ok_or(DoesNotOpen)?;
        if form != FORM {
            return Err(DoesNotOpen);
        }
        let payload = Payload { msg: sealed, aad: place.as_bytes() };
        self.0.decrypt(&XNonce::from(*nonce), payload).map_err(|_| DoesNotOpen)
    }
}

/// Of this form: nonce, then ciphertext and tag.
const FORM: u8 = 1;
const NONCE: usize = 24;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(digit: &str) -> Seal {
        Seal::parse(&digit.repeat(64)).unwrap()
    }

    #[test]
    fn what_is_sealed_opens_in_its_place_under_its_key_alone() {
        let sealed = key("a").seal("org o-1", b"secret");
        assert_eq!(key("a").open("org o-1", &sealed), Ok(b"secret".to_vec()));
        assert_eq!(key("b").open("org o-1", &sealed), Err(DoesNotOpen));
        assert_eq!(key("a").open("org o-2", &sealed), Err(DoesNotOpen));
        assert_ne!(sealed, key("a").seal("org o-1", b"secret"), "each has a nonce of its own");
    }

    #[test]
    fn a_key_is_made_once_and_a_damaged_one_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let made = Seal::read_or_make(dir.path()).unwrap();
        let sealed = made.seal("x", b"y");
        assert_eq!(Seal::read_or_make(dir.path()).unwrap().open("x", &sealed), Ok(b"y".to_vec()));
        std::fs::write(dir.path().join(MASTER_KEY), "x").unwrap();
        let error = Seal::read_or_make(dir.path()).unwrap_err().to_string();
        assert!(error.contains("master.key is no master key"), "{error}");
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic_and_none_but_its_own_open(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            prop_assert_eq!(key("a").open("x", &bytes), Err(DoesNotOpen));
        }

        #[test]
        fn a_flipped_bit_closes_it(value in prop::collection::vec(any::<u8>(), 0..64), at in any::<prop::sample::Index>(), bit in 0..8u8) {
            let mut sealed = key("a").seal("x", &value);
            let at = at.index(sealed.len());
            sealed[at] ^= 1u8 << bit;
            prop_assert_eq!(key("a").open("x", &sealed), Err(DoesNotOpen));
        }
    }
}
