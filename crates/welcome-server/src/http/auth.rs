//! Who asks: two extractors, one for routers (signed requests), one for the operator (bearer token).
//!
//! A handler that names one of them in its arguments runs only for whom it stands for.

use std::sync::Arc;

use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST};
use http::request::Parts;
use http::{HeaderMap, HeaderName};
use ring::signature::{ED25519, UnparsedPublicKey};
use welcome_proto::RouterId;
use welcome_proto::signature::{self, MAX_SKEW};

use super::error::Error;
use super::{App, read_body};
use crate::app::unix_now;
use crate::token;

/// A request that the router of its path has signed, and its body.
pub(crate) struct Signed {
    pub(crate) router: RouterId,
    pub(crate) body: Bytes,
}

impl FromRequest<Arc<App>> for Signed {
    type Rejection = Error;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Error> {
        let (mut parts, body) = request.into_parts();
        let Path(owner) = Path::<RouterId>::from_request_parts(&mut parts, app).await.map_err(|_| Error::NotFound)?;
        let body = read_body(Request::from_parts(parts.clone(), body), app).await?;

        let input = one(&parts.headers, &SIGNATURE_INPUT).ok_or(Error::BadSignature("no Signature-Input"))?;
        let params = signature::parse_input(input, !body.is_empty())
            .map_err(|_| Error::BadSignature("Signature-Input of another form"))?;
        if params.router != owner {
            return Err(Error::BadSignature("keyid of another router than the path's"));
        }
        let key = app.store.router_key(&owner).await?.ok_or(Error::UnknownRouter)?;
        verify(&parts, &body, &params, &key, app.tls)?;

        // Only after the signature: who cannot sign has no use for our time.
        let now = unix_now();
        if params.created.abs_diff(now) > MAX_SKEW {
            return Err(Error::ClockSkew { now });
        }
        Ok(Self { router: owner, body })
    }
}

/// A request that bears an operator token.
pub(crate) struct Operator;

impl FromRequestParts<Arc<App>> for Operator {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Error> {
        let header = one(&parts.headers, &AUTHORIZATION).ok_or(Error::NotOperator)?;
        let (scheme, bearer) = header.split_once(' ').ok_or(Error::NotOperator)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Error::NotOperator);
        }
        let known = app.store.is_operator(token::hash(bearer.trim())).await?;
        known.then_some(Self).ok_or(Error::NotOperator)
    }
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
