//! Which cryptography TLS has on a router, towards the server and towards phones alike.
//!
//! ring's, put together here and not by rustls, because what rustls has ready cannot be left out of the program afterwards:
//! ChaCha20-Poly1305 is 52 kB on x86_64, and AES-GCM is what all that speak TLS 1.3 have (RFC 8446, section 9.1).

use std::sync::Arc;

use ring::rand::{SecureRandom as _, SystemRandom};
use rustls::SignatureScheme;
use rustls::crypto::ring::cipher_suite::{TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384};
use rustls::crypto::ring::{kx_group, sign};
use rustls::crypto::{CryptoProvider, GetRandomFailed, KeyProvider, SecureRandom, WebPkiSupportedAlgorithms};
use rustls::sign::SigningKey;
use rustls_pki_types::PrivateKeyDer;
use webpki::ring as algorithm;
use zeroize::Zeroizing;

/// For every TLS configuration of the agent.
#[must_use]
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(CryptoProvider {
        cipher_suites: vec![TLS13_AES_256_GCM_SHA384, TLS13_AES_128_GCM_SHA256],
        kx_groups: vec![kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1],
        signature_verification_algorithms: SIGNATURES,
        secure_random: &Ring,
        key_provider: &Ring,
    })
}

#[derive(Debug)]
struct Ring;

impl SecureRandom for Ring {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), GetRandomFailed> {
        SystemRandom::new().fill(bytes).map_err(|_| GetRandomFailed)
    }
}

impl KeyProvider for Ring {
    fn load_private_key(&self, key: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        // Overwritten once it is parsed, as rustls's own provider does.
        sign::any_supported_type(&Zeroizing::new(key))
    }
}

/// Those of certificates, and by which of them each way to sign a handshake is looked at: in TLS 1.3 the way names the curve, too
/// (RFC 8446, section 4.2.3).
const SIGNATURES: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[
        algorithm::ECDSA_P256_SHA256,
        algorithm::ECDSA_P256_SHA384,
        algorithm::ECDSA_P384_SHA256,
        algorithm::ECDSA_P384_SHA384,
        algorithm::ED25519,
        algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY,
        algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY,
        algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY,
        algorithm::RSA_PKCS1_2048_8192_SHA256,
        algorithm::RSA_PKCS1_2048_8192_SHA384,
        algorithm::RSA_PKCS1_2048_8192_SHA512,
        algorithm::RSA_PKCS1_2048_8192_SHA256_ABSENT_PARAMS,
        algorithm::RSA_PKCS1_2048_8192_SHA384_ABSENT_PARAMS,
        algorithm::RSA_PKCS1_2048_8192_SHA512_ABSENT_PARAMS,
    ],
    mapping: &[
        (SignatureScheme::ECDSA_NISTP384_SHA384, &[algorithm::ECDSA_P384_SHA384]),
        (SignatureScheme::ECDSA_NISTP256_SHA256, &[algorithm::ECDSA_P256_SHA256]),
        (SignatureScheme::ED25519, &[algorithm::ED25519]),
        (SignatureScheme::RSA_PSS_SHA512, &[algorithm::RSA_PSS_2048_8192_SHA512_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA384, &[algorithm::RSA_PSS_2048_8192_SHA384_LEGACY_KEY]),
        (SignatureScheme::RSA_PSS_SHA256, &[algorithm::RSA_PSS_2048_8192_SHA256_LEGACY_KEY]),
        (SignatureScheme::RSA_PKCS1_SHA512, &[algorithm::RSA_PKCS1_2048_8192_SHA512]),
        (SignatureScheme::RSA_PKCS1_SHA384, &[algorithm::RSA_PKCS1_2048_8192_SHA384]),
        (SignatureScheme::RSA_PKCS1_SHA256, &[algorithm::RSA_PKCS1_2048_8192_SHA256]),
    ],
};

#[cfg(test)]
mod tests {
    use rustls::CipherSuite;
    use rustls::crypto::ring::default_provider;

    use super::*;

    #[test]
    fn what_rustls_has_and_we_have_not_is_chacha_alone() {
        let (ours, theirs) = (provider(), default_provider());
        // Built together with the server, rustls has TLS 1.2 as well.
        let suites = theirs.cipher_suites.iter().filter(|s| s.tls13().is_some()).map(|s| s.suite());
        let suites: Vec<_> = suites.filter(|s| *s != CipherSuite::TLS13_CHACHA20_POLY1305_SHA256).collect();
        assert_eq!(ours.cipher_suites.iter().map(|s| s.suite()).collect::<Vec<_>>(), suites);
        let groups = |p: &CryptoProvider| p.kx_groups.iter().map(|g| g.name()).collect::<Vec<_>>();
        assert_eq!(groups(&ours), groups(&theirs));
        let schemes = |p: &CryptoProvider| p.signature_verification_algorithms.supported_schemes();
        assert_eq!(schemes(&ours), schemes(&theirs));
        let [ours, theirs] = [&ours, &theirs].map(|p| p.signature_verification_algorithms);
        let ids = |a: WebPkiSupportedAlgorithms| {
            let ids = a.all.iter().map(|a| (a.public_key_alg_id(), a.signature_alg_id()));
            ids.map(|(key, signature)| (key.as_ref().to_vec(), signature.as_ref().to_vec())).collect::<Vec<_>>()
        };
        assert_eq!(ids(ours), ids(theirs));
        for ((scheme, ours), (_, theirs)) in ours.mapping.iter().zip(theirs.mapping) {
            // The others are for TLS 1.2.
            assert_eq!(ours[0].public_key_alg_id(), theirs[0].public_key_alg_id(), "{scheme:?}");
            assert_eq!(ours[0].signature_alg_id(), theirs[0].signature_alg_id(), "{scheme:?}");
        }
    }
}
