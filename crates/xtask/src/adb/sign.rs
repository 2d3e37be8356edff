//! Signatures over a database: ECDSA over P-256 with SHA-512. A signature names its key; what is signed is the file's schema,
//! the signature's own head and the database's hash, so that none of them can be exchanged.

use p256::ecdsa::signature::{DigestSigner as _, DigestVerifier as _};
use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha512};

use super::Error;
use super::container::Container;

/// Adds our signature. The same key and database give the same one.
pub fn sign(container: &mut Container, key: &SigningKey) {
    let mut block = vec![VERSION, SHA512];
    block.extend_from_slice(&key_id(key.verifying_key()));
    let message = message(container, &block);
    let signature: DerSignature = key.sign_digest(|digest: &mut Sha512| digest.update(&message));
    block.extend_from_slice(signature.as_bytes());
    container.signatures.push(block);
}

/// Whether one of the signatures is the key's.
///
/// # Errors
/// If none is.
pub fn verify(container: &Container, key: &VerifyingKey) -> Result<(), Error> {
    let ours = |block: &&Vec<u8>| {
        let Some((head, signature)) = block.split_at_checked(HEAD) else { return false };
        let message = message(container, head);
        head[..2] == [VERSION, SHA512]
            && head[2..] == key_id(key)
            && DerSignature::from_bytes(signature).is_ok_and(|signature| {
                let take = |digest: &mut Sha512| {
                    digest.update(&message);
                    Ok(())
                };
                key.verify_digest(take, &signature).is_ok()
            })
    };
    container.signatures.iter().find(ours).map(|_| ()).ok_or(Error::Forged("no signature of this key"))
}

/// By which apk finds a key among those it trusts.
#[must_use]
pub fn key_id(key: &VerifyingKey) -> [u8; 16] {
    let point = key.to_sec1_point(false);
    let hash = Sha512::digest(point.as_bytes());
    *hash.first_chunk().expect("SHA-512 has more than 16 bytes")
}

fn message(container: &Container, head: &[u8]) -> Vec<u8> {
    [&container.schema.magic()[..], head, &Sha512::digest(&container.payload)].concat()
}

const VERSION: u8 = 0;
const SHA512: u8 = 4;
const HEAD: usize = 2 + 16;

#[cfg(test)]
mod tests {
    use super::super::container::Schema;
    use super::*;

    fn container() -> Container {
        Container { schema: Schema::Index, payload: b"database".to_vec(), signatures: vec![], data: vec![] }
    }

    #[test]
    fn a_signature_holds_for_its_key_schema_and_database_alone() {
        let [key, other] = [1, 2].map(|byte| SigningKey::from_slice(&[byte; 32]).unwrap());
        let mut signed = container();
        sign(&mut signed, &other);
        sign(&mut signed, &key);
        assert_eq!(verify(&signed, key.verifying_key()), Ok(()));
        assert_eq!(verify(&signed, other.verifying_key()), Ok(()));
        let forged = [
            Container { schema: Schema::Package, ..signed.clone() },
            Container { payload: b"Database".to_vec(), ..signed.clone() },
            Container { signatures: vec![], ..signed.clone() },
            Container { signatures: vec![vec![0; 5], vec![0; 90]], ..signed.clone() },
        ];
        for forged in forged {
            assert!(verify(&forged, key.verifying_key()).is_err(), "{forged:?}");
        }
        for at in 0..signed.signatures[1].len() {
            let mut forged = signed.clone();
            forged.signatures[1][at] ^= 1;
            assert!(verify(&forged, key.verifying_key()).is_err(), "byte {at}");
        }
    }

    #[test]
    fn the_same_key_and_database_give_the_same_signature() {
        let key = SigningKey::from_slice(&[1; 32]).unwrap();
        let [one, two] = [(), ()].map(|()| {
            let mut container = container();
            sign(&mut container, &key);
            container
        });
        assert_eq!(one, two);
    }
}
