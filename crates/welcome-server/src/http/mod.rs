//! What is asked over HTTP: all routes in one table, and the limits that hold for each of them.
//!
//! Requests come in, answers go out. A handler reads, asks the store, and answers; it decides nothing about statuses
//! (that is [`error`]) and knows no SQL.

mod announce;
mod auth;
mod content;
mod enrol;
mod error;
mod events;
mod lookup;
mod operator;
mod report;
mod say;
mod venue;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, MatchedPath, Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post, put};
use bytes::Bytes;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tower::limit::GlobalConcurrencyLimitLayer;
use welcome_proto::offer::MAX_FILE;

use self::error::Error;
use crate::config::public_url::PublicUrl;
use crate::hub::Hub;
use crate::key::OperatorKey;
use crate::metrics::Metrics;
use crate::store::Store;

/// What every handler may use.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) key: OperatorKey,
    /// Whether the server itself speaks TLS.
    pub(crate) tls: bool,
    /// Where people reach it, if the operator says so.
    pub(crate) public_url: Option<PublicUrl>,
    pub(crate) metrics: Arc<Metrics>,
}

type Shared = axum::extract::State<Arc<App>>;

/// The table.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let lookups = Router::new()
        .route("/v1/lookup/bssids", post(lookup::bssids))
        .route("/v1/lookup/place", get(lookup::place))
        .route("/v1/lookup/list", get(lookup::list))
        .layer(GlobalConcurrencyLimitLayer::new(MAX_LOOKUPS));
    let readers = Router::new()
        .route("/v1/content/{digest}", get(content::content))
        .route("/v1/captive/{router}/{network}", get(venue::captive))
        .route("/v1/venue/{router}/{network}", get(venue::venue))
        .layer(GlobalConcurrencyLimitLayer::new(MAX_READERS));
    Router::new()
        .route("/healthz", get(|| async { "ok" }))
        .route("/v1/enrol", post(enrol::enrol))
        .route("/v1/routers/{router}/announce", put(announce::announce))
        .route("/v1/routers/{router}/events", get(events::events))
        .route("/v1/routers/{router}/reports", post(report::reports))
        .merge(lookups)
        .merge(readers)
        .route("/v1/operator/content", put(content::put_content).layer(DefaultBodyLimit::max(MAX_FILE as usize)))
        .route("/v1/operator/tokens", post(operator::make_token))
        .route("/v1/operator/routers", get(operator::routers))
        .route("/v1/operator/routers/{router}", delete(operator::remove_router))
        .route("/v1/operator/routers/{router}/offers/{offer}", put(operator::put_offer).delete(operator::delete_offer))
        .route("/v1/operator/routers/{router}/say", post(say::say))
        .route("/v1/operator/routers/{router}/reports", get(operator::reports))
        .fallback(|| async { Error::NotFound })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(in_time))
        .with_state(app)
}

/// The longest body of a request that is no file.
const MAX_BODY: usize = 64 * 1024;
/// Public look-ups under way at once; a further one waits, and no longer than [`ANSWER_WITHIN`].
const MAX_LOOKUPS: usize = 32;
/// The same for files and what phones ask, apart from them: a phone's "connected" waits for its answer.
const MAX_READERS: usize = 32;
/// For a body to arrive.
const BODY_WITHIN: Duration = Duration::from_secs(10);
/// From the end of a request's header to the head of its answer, the body's arrival included.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);

async fn in_time(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    // Not the address itself: it may hold a position.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let began = Instant::now();
    let response = match tokio::time::timeout(ANSWER_WITHIN, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Error::Busy.into_response(),
    };
    let path = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let status = response.status().as_u16();
    tracing::debug!(%method, path, status, ms = began.elapsed().as_millis(), "answered");
    response
}

/// Reads a body; members that this version does not know are ignored.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|e| Error::BadRequest(format!("the body cannot be used: {e}")))
}

/// The names in a request's path. What cannot be a name names nothing that is here.
struct Named<T>(T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Path(names) = Path::from_request_parts(parts, state).await.map_err(|_| Error::NotFound)?;
        Ok(Self(names))
    }
}

/// The body of a request without a signature.
struct Body(Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        read_body(request, state).await.map(Self)
    }
}

async fn read_body<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    let body = tokio::time::timeout(BODY_WITHIN, Bytes::from_request(request, state)).await;
    Ok(body.map_err(|_| Error::TooSlow)??)
}
