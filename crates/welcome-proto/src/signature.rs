//! Signed requests: a narrow profile of HTTP Message Signatures (RFC 9421) with Ed25519.
//!
//! One form and no other: label `welcome`, the components `@method`, `@authority`, `@request-target` and, where there
//! is a body, `content-digest` (RFC 9530, SHA-256), the parameters `created`, `keyid` (the router) and `alg`. The
//! narrow form needs no parser of structured fields on either side and leaves an attacker nothing to leave out.
//! This module makes and reads the texts; who calls it signs and verifies them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::RouterId;

/// How far `created` may be from the server's clock, in seconds, either way.
pub const MAX_SKEW: u64 = 300;

/// What is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// Upper case, e.g. `PUT`.
    pub method: &'a str,
    /// The `Host` of the request in lower case, without the port if it is the scheme's own (RFC 9421 section 2.2.3).
    pub authority: &'a str,
    /// Path and query as sent.
    pub target: &'a str,
    /// The value of `Content-Digest`, if the request has a body.
    pub content_digest: Option<&'a str>,
}

/// Who signs, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params {
    /// Seconds of Unix time.
    pub created: u64,
    /// Whose key.
    pub router: RouterId,
}

/// The value of `Content-Digest` for a SHA-256 of the body.
#[must_use]
pub fn content_digest(sha256: &[u8; 32]) -> String {
    format!("sha-256=:{}:", STANDARD.encode(sha256))
}

/// The value of `Signature-Input`.
#[must_use]
pub fn signature_input(params: &Params, has_body: bool) -> String {
    format!("{LABEL}={}", inner_list(params, has_body))
}

/// The value of `Signature` for the 64 bytes of an Ed25519 signature.
#[must_use]
pub fn signature(bytes: &[u8]) -> String {
    format!("{LABEL}=:{}:", STANDARD.encode(bytes))
}

/// The bytes to sign: the signature base of RFC 9421 section 2.5.
#[must_use]
pub fn base(request: &Request<'_>, params: &Params) -> String {
    let Request { method, authority, target, content_digest } = request;
    let mut base = format!("\"@method\": {method}\n\"@authority\": {authority}\n\"@request-target\": {target}\n");
    if let Some(digest) = content_digest {
        base.push_str("\"content-digest\": ");
        base.push_str(digest);
        base.push('\n');
    }
    base.push_str("\"@signature-params\": ");
    base.push_str(&inner_list(params, content_digest.is_some()));
    base
}

/// Reads `Signature-Input`. `has_body` says which of the two forms must be there.
///
/// # Errors
/// If it is not the one form.
pub fn parse_input(header: &str, has_body: bool) -> Result<Params, Malformed> {
    let rest = header.strip_prefix(LABEL).and_then(|r| r.strip_prefix('=')).ok_or(Malformed)?;
    let rest = rest.strip_prefix(components(has_body)).ok_or(Malformed)?;
    let rest = rest.strip_prefix(";created=").ok_or(Malformed)?;
    let (created, rest) = rest.split_once(";keyid=\"").ok_or(Malformed)?;
    let router = rest.strip_suffix("\";alg=\"ed25519\"").ok_or(Malformed)?;
    if created.len() > 12 || !created.bytes().all(|b| b.is_ascii_digit()) {
        return Err(Malformed);
    }
    let params =
        Params { created: created.parse().map_err(|_| Malformed)?, router: router.parse().map_err(|_| Malformed)? };
    // The base is built from the values, so only the very text that they print may pass (no leading zeros).
    if signature_input(&params, has_body) == header { Ok(params) } else { Err(Malformed) }
}

/// Reads `Signature`.
///
/// # Errors
/// If it is not 64 bytes under our label.
pub fn parse_signature(header: &str) -> Result<[u8; 64], Malformed> {
    let inner = header.strip_prefix(LABEL).and_then(|r| r.strip_prefix("=:")).and_then(|r| r.strip_suffix(':'));
    let bytes = STANDARD.decode(inner.ok_or(Malformed)?).map_err(|_| Malformed)?;
    bytes.try_into().map_err(|_| Malformed)
}

/// Not the form this profile allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a signature of the form this server takes")]
pub struct Malformed;

fn inner_list(params: &Params, has_body: bool) -> String {
    let Params { created, router } = params;
    format!("{};created={created};keyid=\"{router}\";alg=\"ed25519\"", components(has_body))
}

fn components(has_body: bool) -> &'static str {
    if has_body {
        r#"("@method" "@authority" "@request-target" "content-digest")"#
    } else {
        r#"("@method" "@authority" "@request-target")"#
    }
}

const LABEL: &str = "welcome";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params() -> Params {
        Params { created: 1_618_884_473, router: "r-1".parse().unwrap() }
    }

    #[test]
    fn the_base_has_a_line_a_component() {
        let request = Request {
            method: "PUT",
            authority: "example.com",
            target: "/v1/routers/r-1/announce",
            content_digest: Some("sha-256=:x:"),
        };
        assert_eq!(
            base(&request, &params()),
            "\"@method\": PUT\n\
             \"@authority\": example.com\n\
             \"@request-target\": /v1/routers/r-1/announce\n\
             \"content-digest\": sha-256=:x:\n\
             \"@signature-params\": (\"@method\" \"@authority\" \"@request-target\" \"content-digest\")\
             ;created=1618884473;keyid=\"r-1\";alg=\"ed25519\""
        );
    }

    #[test]
    fn the_digest_of_nothing_is_that_of_rfc_9530() {
        // RFC 9530 appendix B.1 has it for a JSON body; this is SHA-256 of the empty string.
        let empty = [
            0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
            0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
        ];
        assert_eq!(content_digest(&empty), "sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:");
    }

    #[test]
    fn any_other_form_is_refused() {
        let good = signature_input(&params(), true);
        assert!(parse_input(&good, false).is_err(), "a body that is not covered");
        for bad in [
            good.replace("welcome=", "sig1="),
            good.replace("\"@method\" ", ""),
            good.replace("created=", "created=0"),
            good.replace("ed25519", "hmac-sha256"),
            format!("{good};nonce=\"x\""),
            String::new(),
        ] {
            assert!(parse_input(&bad, true).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(created in 0..100_000_000_000u64, name in "[a-z0-9-]{1,20}", body: bool, sig in any::<[u8; 32]>()) {
            let params = Params { created, router: name.parse().unwrap() };
            prop_assert_eq!(parse_input(&signature_input(&params, body), body), Ok(params));
            let bytes = [sig, sig].concat();
            prop_assert_eq!(parse_signature(&signature(&bytes)).unwrap().to_vec(), bytes);
        }

        #[test]
        fn no_text_makes_the_parsers_panic(text in ".{0,200}") {
            let _ = (parse_input(&text, true).is_ok(), parse_signature(&text).is_ok());
        }
    }
}
