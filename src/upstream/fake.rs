//! A server for the tests of `upstream`: takes what a router sends, checks its signature, and misbehaves on demand.

use sorted::SortedMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use welcome_proto::enrol::{EnrolReply, EnrolRequest};
use welcome_proto::problem::Problem;
use welcome_proto::signature;

/// The server. It ends with its value.
pub(super) struct Fake {
    pub(super) address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    seen: Vec<Seen>,
    misbehave: SortedMap<&'static str, VecDeque<Answer>>,
    public_key: Option<Vec<u8>>,
    streams: Vec<mpsc::Sender<String>>,
    content: SortedMap<String, Vec<u8>>,
}

/// A request that came.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: String,
}

/// What to answer in place of what is right.
#[derive(Debug, Clone)]
pub(super) enum Answer {
    /// This problem.
    Problem(Problem),
    /// Close the connection without an answer.
    Vanish,
    /// A success that goes on for ever.
    Endless,
}

impl Fake {
    pub(super) async fn start() -> Self {
        Self::serve(None).await
    }

    /// With a certificate for `localhost`, which is left in `ca_file`.
    pub(super) async fn start_tls(ca_file: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(ca_file, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        Self::serve(Some(Arc::new(config).into())).await
    }

    async fn serve(tls: Option<tokio_rustls::TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(Mutex::new(State::default()));
        let task = tokio::spawn({
            let state = Arc::clone(&state);
            async move {
                let mut connections = tokio::task::JoinSet::new();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (state, tls) = (Arc::clone(&state), tls.clone());
                    connections.spawn(async move {
                        match tls {
                            None => converse(stream, state).await,
                            Some(tls) => {
                                if let Ok(stream) = tls.accept(stream).await {
                                    converse(stream, state).await;
                                }
                            }
                        }
                    });
                }
            }
        });
        Self { address, state, task }
    }

    /// The next request whose path ends so is answered so.
    pub(super) fn misbehave(&self, path: &'static str, answer: Answer) {
        self.state.lock().unwrap().misbehave.entry(path).or_default().push_back(answer);
    }

    /// Requests whose path ends so.
    pub(super) fn seen(&self, path: &str) -> Vec<Seen> {
        self.state.lock().unwrap().seen.iter().filter(|s| s.path.ends_with(path)).cloned().collect()
    }

    /// Waits for that many of them.
    pub(super) async fn wait_for(&self, path: &str, count: usize) -> Vec<Seen> {
        let all = async {
            while self.seen(path).len() < count {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(10), all).await.is_ok();
        assert!(in_time, "{path}: {:?}", self.state.lock().unwrap().seen);
        self.seen(path)
    }

    /// Gives these bytes to whoever asks for this digest.
    pub(super) fn serve_content(&self, digest: &str, bytes: &[u8]) {
        self.state.lock().unwrap().content.insert(digest.to_owned(), bytes.to_vec());
    }

    /// Sends a text to every open stream.
    pub(super) async fn push(&self, text: &str) {
        let streams = self.state.lock().unwrap().streams.clone();
        for stream in streams {
            let _closed = stream.send(text.to_owned()).await.is_err();
        }
    }

    /// Ends every open stream.
    pub(super) fn hang_up(&self) {
        self.state.lock().unwrap().streams.clear();
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Stream(mpsc::Receiver<String>);

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: std::pin::Pin<&mut Self>,
        cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|text| text.map(|t| Ok(Frame::data(t.into()))))
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin, state: Arc<Mutex<State>>) {
    let answer = service_fn(|request| answer(request, Arc::clone(&state)));
    let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer);
    let _clean = connection.await.is_ok();
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Either<Full<Bytes>, Stream>>, &'static str> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| "half a request")?.to_bytes();
    let path = parts.uri.path().to_owned();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let mut state = state.lock().unwrap();
    state.seen.push(Seen { path: path.clone(), headers: parts.headers.clone(), body: text });
    let amiss = state.misbehave.iter_mut().find(|(p, _)| path.ends_with(**p)).and_then(|(_, a)| a.pop_front());
    match amiss {
        Some(Answer::Problem(problem)) => {
            let status = problem.status;
            return Ok(full(status, serde_json::to_vec(&problem).unwrap()));
        }
        Some(Answer::Vanish) => return Err("on purpose"),
        Some(Answer::Endless) => {
            let (tx, rx) = mpsc::channel(1);
            tokio::spawn(async move { while tx.send("x".repeat(10_000)).await.is_ok() {} });
            return Ok(Response::new(Either::Right(Stream(rx))));
        }
        None => {}
    }
    if path == "/v1/enrol" {
        let EnrolRequest { public_key, .. } = serde_json::from_slice(&body).unwrap();
        state.public_key = Some(URL_SAFE_NO_PAD.decode(public_key).unwrap());
        let operator_key = URL_SAFE_NO_PAD.encode(super::trust::tests::operator().public_key());
        let reply = EnrolReply { router: "r-1".parse().unwrap(), operator_key };
        return Ok(full(201, serde_json::to_vec(&reply).unwrap()));
    }
    if let Some(digest) = path.strip_prefix("/v1/content/") {
        let bytes = state.content.get(digest).cloned();
        return Ok(bytes.map_or_else(|| full(404, vec![]), |bytes| full(200, bytes)));
    }
    assert!(path.starts_with("/v1/routers/r-1/"), "{path}");
    verify(&parts, &body, state.public_key.as_deref().unwrap());
    if path.ends_with("/events") {
        let (tx, rx) = mpsc::channel(8);
        state.streams.push(tx);
        return Ok(Response::new(Either::Right(Stream(rx))));
    }
    Ok(full(204, vec![]))
}

fn verify(parts: &http::request::Parts, body: &[u8], key: &[u8]) {
    let header = |name: &str| parts.headers.get(name).map(|v| v.to_str().unwrap());
    let params = signature::parse_input(header("signature-input").unwrap(), !body.is_empty()).unwrap();
    let sha256 = ring::digest::digest(&ring::digest::SHA256, body);
    let digest = (!body.is_empty()).then(|| signature::content_digest(sha256.as_ref().try_into().unwrap()));
    assert_eq!(header("content-digest"), digest.as_deref());
    let covered = signature::Request {
        method: parts.method.as_str(),
        authority: header("host").unwrap(),
        target: &parts.uri.to_string(),
        content_digest: digest.as_deref(),
    };
    let given = signature::parse_signature(header("signature").unwrap()).unwrap();
    UnparsedPublicKey::new(&ED25519, key).verify(signature::base(&covered, &params).as_bytes(), &given).unwrap();
}

fn full(status: u16, body: Vec<u8>) -> Response<Either<Full<Bytes>, Stream>> {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    *response.status_mut() = status.try_into().unwrap();
    response
}
