//! Credentials of a request: a router's signature, or a bearer token.

use axum::extract::{FromRequestParts as _, Path};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ring::signature::{ED25519, UnparsedPublicKey};
use welcome_proto::RouterId;
use welcome_proto::signature::{self, MAX_SKEW};

use super::App;
use super::error::Error;
use crate::app::unix_now;
use crate::ids::OrgId;
use crate::token;

/// A request that the router of its path has signed, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) router: RouterId,
    /// The organisation of the router.
    pub(crate) org: OrgId,
    pub(crate) body: Bytes,
}

/// Holds a request against the key of the router that its path names first.
pub(super) async fn signed_by(app: &App, parts: &mut Parts, body: Bytes) -> Result<Signed, Error> {
    let Path(names) =
        Path::<Vec<(String, String)>>::from_request_parts(parts, app).await.map_err(|_| Error::NotFound)?;
    let router: RouterId = names.first().and_then(|(_, name)| name.parse().ok()).ok_or(Error::NotFound)?;

    let input = one(&parts.headers, &SIGNATURE_INPUT).ok_or(Error::BadSignature("no Signature-Input"))?;
    let params = signature::parse_input(input, !body.is_empty())
        .map_err(|_| Error::BadSignature("Signature-Input of another form"))?;
    if params.router != router {
        return Err(Error::BadSignature("keyid of another router than the path's"));
    }
    let (org, key) = app.store.router_key(&router).await?.ok_or(Error::UnknownRouter)?;
    verify(parts, &body, &params, &key, app.tls)?;

    // Only after the signature: who cannot sign has no use for our time.
    let now = unix_now();
    if params.created.abs_diff(now) > MAX_SKEW {
        return Err(Error::ClockSkew { now });
    }
    Ok(Signed { router, org, body })
}

/// The hash of a request's bearer token, if it has one.
pub(super) fn bearer(headers: &HeaderMap) -> Result<Option<token::Hash>, Error> {
    if !headers.contains_key(AUTHORIZATION) {
        return Ok(None);
    }
    let (scheme, bearer) = one(headers, &AUTHORIZATION).and_then(|h| h.split_once(' ')).ok_or(Error::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Error::NoToken);
    }
    Ok(Some(token::hash(bearer.trim())))
}

/// Where a request says it was sent to: `Host` in lower case, without the port that is the scheme's own.
pub(super) fn authority(headers: &HeaderMap, tls: bool) -> Option<String> {
    let host = one(headers, &HOST)?.to_ascii_lowercase();
    Some(host.strip_suffix(if tls { ":443" } else { ":80" }).unwrap_or(&host).to_owned())
}

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");

fn verify(parts: &Parts, body: &[u8], params: &signature::Params, key: &[u8], tls: bool) -> Result<(), Error> {
    let given = one(&parts.headers, &SIGNATURE).ok_or(Error::BadSignature("no Signature"))?;
    let given = signature::parse_signature(given).map_err(|_| Error::BadSignature("Signature of another form"))?;
    let digest = (!body.is_empty()).then(|| signature::content_digest(&token::sha256(body)));
    if digest.is_some() && one(&parts.headers, &CONTENT_DIGEST) != digest.as_deref() {
        return Err(Error::BadSignature("Content-Digest of another body"));
    }
    let authority = authority(&parts.headers, tls).ok_or(Error::BadSignature("no Host"))?;
    let request = signature::Request {
        method: parts.method.as_str(),
        authority: &authority,
        target: &parts.uri.to_string(),
        content_digest: digest.as_deref(),
    };
    UnparsedPublicKey::new(&ED25519, key)
        .verify(signature::base(&request, params).as_bytes(), &given)
        .map_err(|_| Error::BadSignature("signature of another request or key"))
}

/// The value of a header that is there exactly once: of two, another program might read the other.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() {
        return None;
    }
    value.to_str().ok()
}
