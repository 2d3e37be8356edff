//! Tokens: random texts that let their bearer in. What is kept of one is its hash.

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use welcome_proto::{RouterId, Secret};

/// The SHA-256 of a token.
///
/// Tokens are random, so a plain hash is enough; and they are found by it, so no comparison of theirs tells by its
/// time how much was right.
pub(crate) type Hash = [u8; 32];

/// The hash of a token as it was handed out.
pub(crate) fn hash(token: &str) -> Hash {
    sha256(token.as_bytes())
}

/// A new token: 128 random bits in hexadecimal, one word for a double click.
pub(crate) fn new_token() -> Secret {
    Secret::new(random_hex::<16>())
}

/// A new router's name.
pub(crate) fn new_router_id() -> RouterId {
    format!("r-{}", random_hex::<10>()).parse().expect("`r-` and hexadecimal digits are a router id")
}

/// The SHA-256 of any bytes.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().try_into().expect("a SHA-256 has 32 bytes")
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Random bytes in hexadecimal.
pub(crate) fn random_hex<const BYTES: usize>() -> String {
    let mut bytes = [0; BYTES];
    SystemRandom::new().fill(&mut bytes).expect("the operating system has randomness");
    hex(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word_of_128_bits_and_never_the_same() {
        let (a, b) = (new_token(), new_token());
        assert_eq!(a.reveal().len(), 32);
        assert!(a.reveal().bytes().all(|b| b.is_ascii_alphanumeric()));
        assert_ne!(a, b);
        assert_ne!(hash(a.reveal()), hash(b.reveal()));
    }
}
