//! One router: its key, its name, and the requests it signs.

use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Method, Request};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde::Serialize;
use serde::de::DeserializeOwned;
use welcome_proto::announce::Announce;
use welcome_proto::challenge::{Challenge, Witness};
use welcome_proto::enrol::{EnrolReply, EnrolRequest};
use welcome_proto::report::ReportBatch;
use welcome_proto::signature::{self, Params};
use welcome_proto::signed::{Signable, Signed, Statement};
use welcome_proto::{RouterId, Secret};

use super::http::{Connection, Error, Server};
use super::stream::Stream;

/// A router that a server knows.
#[derive(Debug)]
pub struct Router {
    id: RouterId,
    key: Ed25519KeyPair,
    /// Whose signature it believes.
    pinned: Vec<u8>,
    server: Server,
}

impl Router {
    /// Makes a key and has the server know it.
    ///
    /// # Errors
    /// If the server does not take the token.
    pub async fn enrol(
        server: &Server,
        connection: &mut Connection,
        token: Secret,
        version: &str,
    ) -> Result<Self, Error> {
        let key = new_key();
        let public_key = URL_SAFE_NO_PAD.encode(key.public_key());
        let request = EnrolRequest { token, public_key, version: version.to_owned() };
        let request = Request::post("/v1/enrol").header(CONTENT_TYPE, JSON).body(json(&request)?);
        let answer = connection.ask(request.expect("a fixed request")).await?;
        let EnrolReply { router, operator_key } = answer.read()?;
        let pinned = URL_SAFE_NO_PAD.decode(operator_key).unwrap_or_default();
        Ok(Self { id: router, key, pinned, server: server.clone() })
    }

    /// A router that the server knows already by this name and key.
    #[must_use]
    pub fn known(server: &Server, id: RouterId, key: Ed25519KeyPair, pinned: Vec<u8>) -> Self {
        Self { id, key, pinned, server: server.clone() }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &RouterId {
        &self.id
    }

    /// `PUT …/announce`.
    ///
    /// # Errors
    /// If it cannot be written as JSON, which does not happen.
    pub fn announce(&self, announce: &Announce) -> Result<Request<Bytes>, Error> {
        Ok(self.sign(Method::PUT, "announce", json(announce)?))
    }

    /// `POST …/reports`.
    ///
    /// # Errors
    /// As [`announce`](Self::announce).
    pub fn report(&self, batch: &ReportBatch) -> Result<Request<Bytes>, Error> {
        Ok(self.sign(Method::POST, "reports", json(batch)?))
    }

    /// Opens the stream down, from behind this event.
    ///
    /// # Errors
    /// If the server does not grant it.
    pub async fn listen(&self, last_event: Option<&str>) -> Result<Stream, Error> {
        let mut request = self.sign(Method::GET, "events", Bytes::new());
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
        if let Some(id) = last_event.and_then(|id| HeaderValue::from_str(id).ok()) {
            request.headers_mut().insert(LAST_EVENT_ID, id);
        }
        Stream::open(self.server.connect().await?, request).await
    }

    /// The offer, if the pinned key has signed it for this router.
    #[must_use]
    pub fn offer(&self, signed: &Signed) -> Option<Statement> {
        self.verify::<Statement>(signed).filter(|statement| statement.router == self.id)
    }

    /// The challenge, on the same condition.
    #[must_use]
    pub fn challenge(&self, signed: &Signed) -> Option<Challenge> {
        self.verify::<Challenge>(signed).filter(|challenge| challenge.router == self.id)
    }

    /// What to listen for, on the same condition.
    #[must_use]
    pub fn witness(&self, signed: &Signed) -> Option<Witness> {
        self.verify::<Witness>(signed).filter(|witness| witness.router == self.id)
    }

    fn verify<T: Signable + DeserializeOwned>(&self, signed: &Signed) -> Option<T> {
        let signature = signed.signature_bytes()?;
        UnparsedPublicKey::new(&ED25519, &self.pinned).verify(&signed.message::<T>(), &signature).ok()?;
        serde_json::from_str(&signed.statement).ok()
    }

    /// Signs a request about itself, as of this moment.
    #[must_use]
    pub fn sign(&self, method: Method, what: &str, body: Bytes) -> Request<Bytes> {
        let target = format!("/v1/routers/{}/{what}", self.id);
        let created = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs();
        let params = Params { created, router: self.id.clone() };
        let content_digest = (!body.is_empty()).then(|| {
            let sha256 = digest(&SHA256, &body);
            signature::content_digest(sha256.as_ref().try_into().expect("SHA-256 has 32 bytes"))
        });
        let parts = signature::Request {
            method: method.as_str(),
            authority: self.server.authority(),
            target: &target,
            content_digest: content_digest.as_deref(),
        };
        let signature = self.key.sign(signature::base(&parts, &params).as_bytes());
        let mut request = Request::builder()
            .method(method)
            .uri(&target)
            .header(SIGNATURE_INPUT, signature::signature_input(&params, content_digest.is_some()))
            .header(SIGNATURE, signature::signature(signature.as_ref()));
        if let Some(digest) = content_digest {
            request = request.header(CONTENT_DIGEST, digest).header(CONTENT_TYPE, JSON);
        }
        request.body(body).expect("names and base64 are good in paths and headers")
    }
}

fn new_key() -> Ed25519KeyPair {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("the operating system has randomness");
    Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("it was just made")
}

fn json(value: &impl Serialize) -> Result<Bytes, Error> {
    Ok(serde_json::to_vec(value)?.into())
}

const JSON: &str = "application/json";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
