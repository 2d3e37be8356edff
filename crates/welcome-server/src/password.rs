//! Passwords: Argon2id, as PHC strings.
//!
//! Hashing takes 19 MiB and some tens of milliseconds of a core, by intention; so it is done beside the runtime's threads, and
//! of a few at once at most.

use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher as _, PasswordVerifier as _, SaltString};
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Semaphore;
use welcome_proto::Secret;

/// The shortest password in characters.
pub(crate) const MIN: usize = 10;

/// The hash of a new password.
pub(crate) async fn hash(password: Secret) -> String {
    aside(move || {
        let mut salt = [0; 16];
        SystemRandom::new().fill(&mut salt).expect("the operating system has randomness");
        let salt = SaltString::encode_b64(&salt).expect("16 bytes are a salt");
        let hash = Argon2::default().hash_password(password.reveal().as_bytes(), &salt);
        hash.expect("a password of bounded length can be hashed").to_string()
    })
    .await
}

/// Whether this password has that hash. Without a hash it takes as long and is `false`, so that nobody learns from the
/// time whether somebody is known.
pub(crate) async fn fits(password: Secret, hash: Option<String>) -> bool {
    aside(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODYS.to_owned());
        let fits = PasswordHash::new(&hash)
            .is_ok_and(|hash| Argon2::default().verify_password(password.reveal().as_bytes(), &hash).is_ok());
        known && fits
    })
    .await
}

/// At once: each takes a core.
static SLOTS: Semaphore = Semaphore::const_new(2);

/// Of the same cost as all others; of which password does not matter.
const NOBODYS: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let _slot = SLOTS.acquire().await.expect("nobody closes the slots");
    tokio::task::spawn_blocking(work).await.expect("hashing does not panic")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_fits_its_own_hash_and_no_other() {
        let hash = hash(secret("correct horse")).await;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !hash.contains("horse"));
        assert!(fits(secret("correct horse"), Some(hash.clone())).await);
        assert!(!fits(secret("correct horses"), Some(hash.clone())).await);
        assert_ne!(super::hash(secret("correct horse")).await, hash, "each has a salt of its own");
    }

    #[tokio::test]
    async fn nobody_has_a_password() {
        assert!(PasswordHash::new(NOBODYS).is_ok(), "else it would be quicker than somebody's");
        assert!(!fits(secret("x"), None).await);
        assert!(!fits(secret("x"), Some("nonsense".to_owned())).await);
    }
}
