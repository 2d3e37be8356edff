//! A server on a free port, and the three that talk to it: a router that signs, the operator, a client.
#![allow(clippy::result_large_err)]

pub(crate) mod postgres;
pub(crate) mod program;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::timeout;
use welcome_proto::RouterId;
use welcome_proto::signature::{self, Params};
use welcome_proto::sse::{Decoder, Event};
use welcome_server::{Config, Ready, Scope, Scopes, TlsFiles, add_api_token, add_enrolment_token};

/// Long enough for a busy machine, short enough to see that something hangs.
pub(crate) const SOON: Duration = Duration::from_secs(10);

/// A server in this process.
pub(crate) struct Server {
    pub(crate) addr: SocketAddr,
    pub(crate) config: Config,
    pub(crate) enrolment: String,
    pub(crate) operator: String,
    stop: oneshot::Sender<()>,
    ready: Ready,
}

impl Server {
    /// On this data directory.
    pub(crate) async fn on(data: &Path) -> Self {
        Self::with_tls(data, None).await
    }

    pub(crate) async fn with_tls(data: &Path, tls: Option<TlsFiles>) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        Self::serve(Config { tls, ..Config::new(listen, data.to_owned()) }).await
    }

    pub(crate) async fn with_public_url(data: &Path, url: &str) -> Self {
        let listen = "127.0.0.1:0".parse().unwrap();
        Self::serve(Config { public_url: Some(url.parse().unwrap()), ..Config::new(listen, data.to_owned()) }).await
    }

    /// With another configuration. Its database is PostgreSQL where the tests are told one ([`postgres::database`]).
    pub(crate) async fn serve(mut config: Config) -> Self {
        config.database = postgres::database(&config.data).await;
        let (stop, stopped) = oneshot::channel::<()>();
        let ready = welcome_server::serve(config.clone(), async { drop(stopped.await) }).await.unwrap();
        let operator = add_api_token(&config, None, "operator", Scopes::all()).await.unwrap().reveal().to_owned();
        let enrolment = enrolment_token(&config, true).await;
        Self { addr: ready.addr, config, enrolment, operator, stop, ready }
    }

    pub(crate) async fn stop(self) {
        drop(self.stop);
        timeout(SOON, self.ready.finished()).await.unwrap().unwrap();
    }

    pub(crate) fn client(&self) -> Client {
        Client { addr: self.addr }
    }

    /// Where it tells metrics and health.
    pub(crate) fn metrics(&self) -> Option<SocketAddr> {
        self.ready.metrics
    }

    /// As the operator.
    pub(crate) async fn operate(&self, method: Method, target: &str, body: Option<Value>) -> Answer {
        self.ask(&self.operator, method, target, body).await
    }

    /// The path of the link that sets it up.
    pub(crate) fn set_up(&self) -> String {
        format!("/set-up/{}", self.ready.set_up.as_ref().unwrap().reveal())
    }

    /// An API token with these scopes alone.
    pub(crate) async fn application(&self, scopes: &[Scope]) -> String {
        let scopes = Scopes(scopes.iter().copied().collect());
        add_api_token(&self.config, None, "application", scopes).await.unwrap().reveal().to_owned()
    }

    /// With an API token.
    pub(crate) async fn ask(&self, token: &str, method: Method, target: &str, body: Option<Value>) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(target)
            .header("authorization", format!("Bearer {token}"))
            .body(body.map(|b| b.to_string()).unwrap_or_default());
        self.client().send(request.unwrap()).await
    }

    pub(crate) async fn token(&self, vouch: bool) -> String {
        enrolment_token(&self.config, vouch).await
    }

    /// A router that the operator vouches for, or not.
    pub(crate) async fn router(&self, vouch: bool) -> Router {
        let token = self.token(vouch).await;
        Router::enrol(self.client(), &token).await.unwrap()
    }

    /// How many event streams its first router has.
    pub(crate) async fn streams(&self) -> u64 {
        let routers = self.operate(Method::GET, "/v1/operator/routers", None).await.json();
        routers["routers"][0]["streams"].as_u64().unwrap()
    }

    /// Puts bytes there, as the operator.
    pub(crate) async fn put_content(&self, content_type: Option<&str>, bytes: &[u8]) -> Answer {
        let mut request =
            Request::put("/v1/operator/content").header("authorization", format!("Bearer {}", self.operator));
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let request = request.body(bytes.to_vec()).unwrap();
        Answer::read(exchange(stream, self.addr, request).await.unwrap()).await
    }

    pub(crate) async fn put_offer(&self, router: &RouterId, id: &str, title: &str) -> StatusCode {
        self.offer(router, "server", json!({"id": id, "content": {"title": title}})).await.status
    }

    /// Publishes an offer for one router.
    pub(crate) async fn offer(&self, router: &RouterId, sender: &str, offer: Value) -> Answer {
        let target = format!("/v1/operator/offers/{}?sender={sender}", offer["id"].as_str().unwrap_or("x"));
        self.operate(Method::PUT, &target, Some(json!({"offer": offer, "for": {"routers": [router]}}))).await
    }
}

async fn enrolment_token(config: &Config, vouch: bool) -> String {
    add_enrolment_token(config, None, vouch, Duration::from_secs(3600)).await.unwrap().reveal().to_owned()
}

/// Asks without any credential.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    pub(crate) addr: SocketAddr,
}

impl Client {
    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target).body(String::new()).unwrap()).await
    }

    pub(crate) async fn post(&self, target: &str, body: &str) -> Answer {
        self.send(Request::post(target).body(body.to_owned()).unwrap()).await
    }

    pub(crate) async fn bssids(&self, bssids: &[&str]) -> Answer {
        self.post("/v1/lookup/bssids", &json!({ "bssids": bssids }).to_string()).await
    }

    pub(crate) async fn send(&self, request: Request<String>) -> Answer {
        Answer::read(self.open(request).await).await
    }

    /// Sends and leaves the body of the answer to be read.
    pub(crate) async fn open(&self, request: Request<String>) -> http::Response<Incoming> {
        exchange(TcpStream::connect(self.addr).await.unwrap(), self.addr, request).await.unwrap()
    }
}

/// One request over a connection of its own.
pub(crate) async fn exchange<S>(
    stream: S,
    addr: SocketAddr,
    request: Request<impl Into<Bytes>>,
) -> hyper::Result<http::Response<Incoming>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = request.map(|body| Full::new(body.into()));
    request.headers_mut().entry("host").or_insert_with(|| addr.to_string().parse().unwrap());
    timeout(SOON, sender.send_request(request)).await.unwrap()
}

/// An answer that was read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read(response: http::Response<Incoming>) -> Self {
        let (parts, body) = response.into_parts();
        let body = timeout(SOON, body.collect()).await.unwrap().unwrap().to_bytes();
        Self { status: parts.status, headers: parts.headers, body }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// Asserts a problem document of this status and kind, and returns it.
    pub(crate) fn problem(&self, status: u16, kind: &str) -> Value {
        let problem = self.json();
        assert_eq!((self.status.as_u16(), problem["type"].as_str()), (status, Some(kind)), "{problem}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(problem["status"], status);
        problem
    }
}

/// A router with its key.
pub(crate) struct Router {
    pub(crate) id: RouterId,
    pub(crate) client: Client,
    /// The operator's, as its enrolment told it.
    pub(crate) operator_key: Vec<u8>,
    key: Ed25519KeyPair,
}

impl Router {
    /// A key that no server knows yet.
    pub(crate) fn new_key() -> Ed25519KeyPair {
        Self::new_key_twice().0
    }

    /// One key, held by two.
    pub(crate) fn new_key_twice() -> (Ed25519KeyPair, Ed25519KeyPair) {
        let pkcs8 = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let read = || Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        (read(), read())
    }

    pub(crate) async fn enrol(client: Client, token: &str) -> Result<Self, Answer> {
        Self::enrol_as(client, token, Self::new_key()).await
    }

    pub(crate) async fn enrol_as(client: Client, token: &str, key: Ed25519KeyPair) -> Result<Self, Answer> {
        let answer = client.send(Self::enrol_request(token, &key)).await;
        Self::enrolled(client, answer, key)
    }

    pub(crate) fn enrol_request(token: &str, key: &Ed25519KeyPair) -> Request<String> {
        let public_key = URL_SAFE_NO_PAD.encode(key.public_key());
        let body = json!({"token": token, "public_key": public_key, "version": "0.1.0"}).to_string();
        Request::post("/v1/enrol").body(body).unwrap()
    }

    pub(crate) fn enrolled(client: Client, answer: Answer, key: Ed25519KeyPair) -> Result<Self, Answer> {
        if answer.status != StatusCode::CREATED {
            return Err(answer);
        }
        let answer = answer.json();
        let id = answer["router"].as_str().unwrap().parse().unwrap();
        let operator_key = URL_SAFE_NO_PAD.decode(answer["operator_key"].as_str().unwrap()).unwrap();
        Ok(Self { id, client, operator_key, key })
    }

    /// The same name, another key.
    pub(crate) fn with_key(&self, key: Ed25519KeyPair) -> Self {
        Self { id: self.id.clone(), client: self.client, operator_key: self.operator_key.clone(), key }
    }

    /// The same key and name, another address of the server.
    pub(crate) fn at(self, client: Client) -> Self {
        Self { client, ..self }
    }

    pub(crate) fn path(&self, what: &str) -> String {
        format!("/v1/routers/{}/{what}", self.id)
    }

    /// A request as the agent would sign it at `created`.
    pub(crate) fn sign_at(&self, created: u64, method: &str, target: &str, body: &str) -> Request<String> {
        self.sign_for(&self.client.addr.to_string(), created, method, target, body)
    }

    pub(crate) fn sign_for(
        &self,
        authority: &str,
        created: u64,
        method: &str,
        target: &str,
        body: &str,
    ) -> Request<String> {
        let params = Params { created, router: self.id.clone() };
        let sha256 = digest(&SHA256, body.as_bytes()).as_ref().try_into().unwrap();
        let digest = (!body.is_empty()).then(|| signature::content_digest(&sha256));
        let base = signature::base(
            &signature::Request { method, authority, target, content_digest: digest.as_deref() },
            &params,
        );
        let mut request = Request::builder()
            .method(method)
            .uri(target)
            .header("signature-input", signature::signature_input(&params, digest.is_some()))
            .header("signature", signature::signature(self.key.sign(base.as_bytes()).as_ref()));
        if let Some(digest) = digest {
            request = request.header("content-digest", digest);
        }
        request.body(body.to_owned()).unwrap()
    }

    pub(crate) fn sign(&self, method: &str, target: &str, body: &str) -> Request<String> {
        self.sign_at(unix_now(), method, target, body)
    }

    pub(crate) async fn announce(&self, generation: u64, networks: Value) -> Answer {
        let body = json!({"generation": generation, "networks": networks}).to_string();
        self.client.send(self.sign("PUT", &self.path("announce"), &body)).await
    }

    pub(crate) async fn report(&self, batch: &str, reports: Value) -> Answer {
        let body = json!({"batch": batch, "reports": reports}).to_string();
        self.client.send(self.sign("POST", &self.path("reports"), &body)).await
    }

    pub(crate) async fn events(&self, last: Option<&str>) -> Events {
        let mut request = self.sign("GET", &self.path("events"), "");
        if let Some(last) = last {
            request.headers_mut().insert("last-event-id", last.parse().unwrap());
        }
        let response = self.client.open(request).await;
        Events::of(response)
    }
}

/// An event stream as a router reads it.
pub(crate) struct Events {
    body: Incoming,
    decoder: Decoder,
    ready: Vec<Event>,
}

impl Events {
    pub(crate) fn of(response: http::Response<Incoming>) -> Self {
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body(), decoder: Decoder::new(1 << 20), ready: Vec::new() }
    }

    /// The next bytes as they travel.
    pub(crate) async fn bytes(&mut self) -> Option<Bytes> {
        Some(self.body.frame().await?.ok()?.into_data().unwrap())
    }

    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<Event> {
        while self.ready.is_empty() {
            let bytes = self.bytes().await?;
            self.ready = self.decoder.push(&bytes).unwrap();
        }
        Some(self.ready.remove(0))
    }

    /// The next event that does not tell how the networks stand: that comes whenever it changes.
    pub(crate) async fn next_but_standing(&mut self) -> Option<Event> {
        loop {
            match self.next().await {
                Some(event) if event.name == "standing" => {}
                event => return event,
            }
        }
    }

    /// The revision and titles of the next event but those, which must come soon.
    pub(crate) async fn titles(&mut self) -> (u64, Vec<String>) {
        let event = timeout(SOON, self.next_but_standing()).await.expect("an event in time").expect("not the end");
        assert_eq!(event.name, "offers");
        let push: Value = serde_json::from_str(&event.data).unwrap();
        assert_eq!(event.id, Some(push["revision"].to_string()));
        let titles = push["offers"]
            .as_array()
            .unwrap()
            .iter()
            .map(|signed| statement(signed)["offer"]["content"]["title"].as_str().unwrap().to_owned());
        (push["revision"].as_u64().unwrap(), titles.collect())
    }

    /// Asserts that nothing comes for this long.
    pub(crate) async fn silent_for(&mut self, time: Duration) {
        let event = timeout(time, self.next()).await;
        assert!(event.is_err(), "{event:?}");
    }
}

/// What was signed.
pub(crate) fn statement(signed: &Value) -> Value {
    serde_json::from_str(signed["statement"].as_str().unwrap()).unwrap()
}

/// One network on one BSS.
pub(crate) fn network(id: &str, ssid: &str, bssid: &str) -> Value {
    json!({"id": id, "ssid": ssid, "security": "psk", "key": "correct horse", "bss": [{"bssid": bssid, "freq": 2412}]})
}

pub(crate) fn unix_now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

/// The certificate that is served, whoever has made it.
pub(crate) async fn served_certificate(addr: SocketAddr) -> Vec<u8> {
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody))
        .with_no_client_auth();
    let stream = TcpStream::connect(addr).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

/// Takes any certificate, to look at it.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}
