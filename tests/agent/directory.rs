//! A directory server that sends what it is told to, and notes what comes: for what the real one would send only after
//! much else.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use welcome_proto::signed::{Signable, Signed};
use welcome_proto::sse;

use crate::kit::eventually;

/// The server. Ends when dropped.
pub(crate) struct Directory {
    address: SocketAddr,
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    /// Path and body.
    seen: Vec<(String, String)>,
    streams: Vec<mpsc::UnboundedSender<String>>,
    /// What each stream begins with.
    open: Vec<String>,
}

impl Directory {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state: Arc<Mutex<State>> = Arc::default();
        let answering = Arc::clone(&state);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&answering);
                tokio::spawn(async move {
                    let answer = service_fn(|request| answer(request, Arc::clone(&state)));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _clean = http.serve_connection(TokioIo::new(stream), answer).await.is_ok();
                });
            }
        });
        Self { address, state, task }
    }

    /// The section of the agent's configuration that leads here.
    pub(crate) fn section(&self, more: &str) -> String {
        let url = format!("http://{}", self.address);
        format!(
            "config server 'server'\n\toption url '{url}'\n\toption token 'x'\n\toption allow_plain_http '1'\n{more}"
        )
    }

    /// Sends a signed statement to every stream, and to those that begin later.
    pub(crate) fn open<T: Signable>(&self, event: &str, statement: &T) {
        let signed = Signed::make(statement, |m| operator().sign(m).as_ref().try_into().unwrap()).unwrap();
        self.send(event, &json!({ event: signed }));
    }

    /// Sends anything to every stream, and to those that begin later.
    pub(crate) fn send(&self, event: &str, data: &serde_json::Value) {
        let text = sse::encode(event, None, &data.to_string());
        let mut state = lock(&self.state);
        state.streams.retain(|stream| stream.send(text.clone()).is_ok());
        state.open.push(text);
    }

    /// Waits until the last request to a path that ends so has this body.
    pub(crate) async fn until(&self, path: &str, body: &serde_json::Value) {
        eventually(&format!("{path} {body}"), async || {
            let state = lock(&self.state);
            let last = state.seen.iter().rev().find(|(seen, _)| seen.ends_with(path));
            last.is_some_and(|(_, text)| serde_json::from_str::<serde_json::Value>(text).ok().as_ref() == Some(body))
        })
        .await;
    }

    /// The bodies of all requests to paths that end so.
    pub(crate) fn seen(&self, path: &str) -> Vec<String> {
        let state = lock(&self.state);
        state.seen.iter().filter(|(seen, _)| seen.ends_with(path)).map(|(_, body)| body.clone()).collect()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<Mutex<State>>,
) -> Result<Response<Either<Full<Bytes>, Stream>>, hyper::Error> {
    let path = request.uri().path().to_owned();
    let body = request.into_body().collect().await?.to_bytes();
    let mut state = lock(&state);
    state.seen.push((path.clone(), String::from_utf8_lossy(&body).into_owned()));
    let full = |status: u16, text: String| {
        let mut response = Response::new(Either::Left(Full::new(text.into())));
        *response.status_mut() = status.try_into().unwrap();
        response
    };
    if path == "/v1/enrol" {
        let key = URL_SAFE_NO_PAD.encode(operator().public_key());
        return Ok(full(201, json!({"router": "r-1", "operator_key": key}).to_string()));
    }
    if path.ends_with("/events") {
        let (stream, receiver) = mpsc::unbounded_channel();
        for text in &state.open {
            stream.send(text.clone()).unwrap();
        }
        state.streams.push(stream);
        return Ok(Response::new(Either::Right(Stream(receiver))));
    }
    Ok(full(204, String::new()))
}

struct Stream(mpsc::UnboundedReceiver<String>);

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

fn operator() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap()
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
