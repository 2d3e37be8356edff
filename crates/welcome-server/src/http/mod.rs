//! What is asked over HTTP: all routes in one table, and the limits that hold for each of them.
//!
//! Requests come in, answers go out. [`guard`] lets in who has the right that the table names; a handler reads, asks the
//! store, and answers; it decides nothing about statuses (that is [`error`]) and knows no SQL.

mod announce;
mod arrival;
mod auth;
mod content;
mod enrol;
pub(crate) mod error;
mod events;
pub(crate) mod guard;
mod lookup;
mod openapi;
mod operator;
mod ownership;
mod report;
mod say;
pub(crate) mod session;
mod share;
mod share_offers;
mod snapshot;
pub(crate) mod table;
mod told;
mod venue;

#[cfg(test)]
mod rights_tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRequest, FromRequestParts, MatchedPath, Path, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::Method;
use http::request::Parts;
use serde::de::DeserializeOwned;
use tokio::sync::Semaphore;
use tower::limit::GlobalConcurrencyLimitLayer;
use welcome_proto::offer::MAX_FILE;

pub(crate) use self::say::for_this_moment;
pub(crate) use self::venue::base;

use self::error::Error;
use self::table::Table;
use crate::config::public_url::PublicUrl;
use crate::console;
use crate::directory::Directory;
use crate::hub::Hub;
use crate::key::Keys;
use crate::limit::Limit;
use crate::metrics::Metrics;
use crate::presence::Presence;
use crate::rights::{Right, Scope};
use crate::seal::Seal;
use crate::signal::Signal;
use crate::store::Store;

/// What every handler may use.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) presence: Presence,
    pub(crate) keys: Keys,
    pub(crate) seal: Seal,
    /// Streams that read at once: of ten thousand that are woken together each waits here, as long as it takes, and not for a
    /// connection to the database, which it would give up.
    pub(crate) turns: Semaphore,
    /// Whether the server itself speaks TLS.
    pub(crate) tls: bool,
    /// Where people reach it, if the operator says so.
    pub(crate) public_url: Option<PublicUrl>,
    /// Whether anybody may look up what is shared.
    pub(crate) open_directory: bool,
    /// How long a log-in is good, in seconds.
    pub(crate) session_s: u64,
    pub(crate) metrics: Arc<Metrics>,
    /// What is told in advance.
    pub(crate) directory: Directory,
    /// How often an address may look something up.
    pub(crate) lookups: Limit,
}

impl App {
    /// As small as it can be, for tests.
    #[cfg(test)]
    pub(crate) fn of(store: Store, seal: Seal) -> Arc<Self> {
        let metrics = Arc::new(Metrics::new());
        Arc::new(Self {
            hub: Hub::new(tokio_util::sync::CancellationToken::new(), 1000, Arc::clone(&metrics)),
            presence: Presence::default(),
            keys: Keys::new(store.clone(), seal.clone()),
            directory: Directory::new(store.clone(), seal.clone()),
            lookups: Limit::new(0),
            seal,
            tls: false,
            public_url: None,
            open_directory: true,
            session_s: 60,
            turns: Semaphore::new(TURNS),
            metrics,
            store,
        })
    }

    /// Tells the streams of all processes. Call it after the change is committed.
    pub(crate) async fn signal(&self, signal: Signal) {
        if let Err(error) = self.store.notify(&signal).await {
            // Each stream looks anew at its next heart-beat.
            tracing::warn!(%error, "failed to tell the other processes");
        }
        if !self.store.notifies() {
            self.hear(signal).await;
        }
    }

    /// Passes on what this or another process has told.
    pub(crate) async fn hear(&self, signal: Signal) {
        match signal {
            Signal::Org(org) => self.hub.changed_for(&org),
            Signal::Router(router) => self.hub.changed(&router),
            Signal::Gone(router) => self.hub.disconnect(&router),
            Signal::Live(router, id) if self.hub.streams(&router) > 0 => match self.store.live(id).await {
                Ok(event) => {
                    let streams = event.map_or(0, |event| self.hub.say(&router, &event.into()));
                    self.metrics.said.inc_by(streams as u64);
                }
                Err(error) => tracing::error!(%error, "failed to read what was said live"),
            },
            Signal::Live(..) => {}
        }
    }

    /// Whether people reach the server by https.
    pub(crate) fn is_https(&self) -> bool {
        self.public_url.as_ref().map_or(self.tls, PublicUrl::is_https)
    }
}

type Shared = axum::extract::State<Arc<App>>;

/// Everything that is served.
pub(crate) fn routes(app: Arc<App>) -> Router {
    let (router, _) = table(Arc::clone(&app)).finish();
    router
        .fallback(|| async { Error::NotFound })
        .method_not_allowed_fallback(|| async { Error::MethodNotAllowed })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .layer(from_fn(in_time))
        .layer(from_fn(console::as_page))
        .with_state(app)
}

/// The table.
pub(crate) fn table(app: Arc<App>) -> Table {
    const LOOK_UP: Right = Right::Directory;
    const FLEET: Right = Right::Token(Scope::ReadFleet);
    const ROUTERS: Right = Right::Token(Scope::WriteRouters);
    const OFFERS: Right = Right::Token(Scope::WriteOffers);
    const SHARE: Right = Right::Token(Scope::Share);
    let lookups = Table::new(Arc::clone(&app))
        .route(Method::POST, "/v1/lookup/bssids", LOOK_UP, lookup::bssids)
        .route(Method::GET, "/v1/lookup/place", LOOK_UP, lookup::place)
        .route(Method::GET, "/v1/lookup/list", LOOK_UP, lookup::list)
        .route(Method::POST, "/v1/arrivals", LOOK_UP, arrival::arrived)
        .route(Method::GET, "/v1/snapshots", LOOK_UP, snapshot::index)
        .route(Method::GET, "/v1/snapshots/{cell}", LOOK_UP, snapshot::snapshot)
        .route(Method::GET, "/v1/snapshots/{cell}/keys", Right::Token(Scope::ReadKeys), snapshot::snapshot_with_keys)
        .map(|router| router.layer(GlobalConcurrencyLimitLayer::new(MAX_LOOKUPS)));
    let readers = Table::new(Arc::clone(&app))
        .route(Method::GET, "/v1/content/{digest}", Right::Public, content::content)
        .route(Method::GET, "/v1/captive/{router}/{network}", Right::Public, venue::captive)
        .route(Method::GET, "/v1/venue/{router}/{network}", Right::Public, venue::venue)
        .map(|router| router.layer(GlobalConcurrencyLimitLayer::new(MAX_READERS)));
    let files = Table::new(Arc::clone(&app))
        .route(Method::PUT, "/v1/operator/content", OFFERS, content::put_content)
        .map(|router| router.layer(DefaultBodyLimit::max(MAX_FILE as usize)));
    let console = console::table(Arc::clone(&app));
    Table::new(app)
        .route(Method::GET, "/healthz", Right::Public, || async { "ok" })
        .route(Method::GET, "/v1/openapi.json", Right::Public, openapi::openapi)
        .route(Method::GET, "/v1/directory", Right::Public, snapshot::directory)
        .route(Method::POST, "/v1/enrol", Right::Public, enrol::enrol)
        .route(Method::PUT, "/v1/routers/{router}/announce", Right::Router, announce::announce)
        .route(Method::GET, "/v1/routers/{router}/events", Right::Router, events::events)
        .route(Method::POST, "/v1/routers/{router}/reports", Right::Router, report::reports)
        .route(Method::POST, "/v1/routers/{router}/challenges/{challenge}", Right::Router, ownership::state)
        .route(Method::POST, "/v1/routers/{router}/witness/{challenge}", Right::Router, ownership::router_witness)
        .route(Method::POST, "/v1/witness", Right::Public, ownership::witness)
        .route(Method::GET, "/v1/share/networks", SHARE, share::list)
        .route(Method::POST, "/v1/share/networks", SHARE, share::add)
        .route(Method::PUT, "/v1/share/networks/{router}", SHARE, share::change)
        .route(Method::DELETE, "/v1/share/networks/{router}/{network}", SHARE, share::remove)
        .route(Method::PUT, "/v1/share/networks/{router}/{network}/bss", SHARE, share::change_bss)
        .route(Method::GET, "/v1/share/networks/{router}/{network}/statements", SHARE, arrival::to_serve)
        .route(Method::GET, "/v1/share/networks/{router}/{network}/offers", SHARE, share_offers::list)
        .route(Method::PUT, "/v1/share/networks/{router}/{network}/offers/{offer}", SHARE, share_offers::put)
        .route(Method::DELETE, "/v1/share/networks/{router}/{network}/offers/{offer}", SHARE, share_offers::remove)
        .route(Method::POST, "/v1/share/networks/{router}/{network}/challenge", SHARE, ownership::ask)
        .route(Method::GET, "/v1/share/challenges/{challenge}", SHARE, ownership::look)
        .route(Method::DELETE, "/v1/share/challenges/{challenge}", SHARE, ownership::end)
        .merge(lookups)
        .merge(readers)
        .merge(files)
        .route(Method::POST, "/v1/operator/tokens", ROUTERS, operator::make_token)
        .route(Method::GET, "/v1/operator/routers", FLEET, operator::routers)
        .route(Method::DELETE, "/v1/operator/routers/{router}", ROUTERS, operator::remove_router)
        .route(Method::POST, "/v1/operator/routers/{router}/say", OFFERS, say::say)
        .route(Method::GET, "/v1/operator/routers/{router}/reports", FLEET, operator::reports)
        .route(Method::PUT, "/v1/operator/offers/{offer}", OFFERS, operator::put_offer)
        .route(Method::DELETE, "/v1/operator/offers/{offer}", OFFERS, operator::delete_offer)
        .merge(console)
}

/// As many as there are connections that read, with SQLite.
pub(crate) const TURNS: usize = 4;
/// Characters of what people call something.
pub(crate) const MAX_NAME: usize = 80;
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
