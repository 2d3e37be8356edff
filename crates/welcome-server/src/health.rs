//! Metrics and health, on a port of their own: whoever watches the server needs no way to what it serves, and the other way
//! round.
//!
//! `/healthz`: the process answers. `/readyz`: it takes requests, and the database answers. `/metrics`: the counters.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::get;
use http::StatusCode;
use http::header::CONTENT_TYPE;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::metrics::{MEDIA_TYPE, Metrics};
use crate::store::Store;

/// What is told.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) store: Store,
    /// Whether the server takes requests: not while it stops.
    pub(crate) serving: watch::Receiver<bool>,
}

/// The routes.
pub(crate) fn routes(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(health)
}

/// Connections at once; those who watch a server are few.
pub(crate) const MAX_CONNECTIONS: usize = 64;

/// Whoever asks goes elsewhere rather than wait longer.
const DATABASE_WITHIN: Duration = Duration::from_secs(2);

async fn ready(State(health): State<Health>) -> (StatusCode, &'static str) {
    if !*health.serving.borrow() {
        return (StatusCode::SERVICE_UNAVAILABLE, "stopping\n");
    }
    match timeout(DATABASE_WITHIN, health.store.ping()).await {
        Ok(Ok(())) => (StatusCode::OK, "ready\n"),
        Ok(Err(error)) => {
            tracing::warn!(%error, "not ready: the database does not answer");
            (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n")
        }
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer in time\n"),
    }
}

async fn metrics(State(health): State<Health>) -> impl IntoResponse {
    ([(CONTENT_TYPE, MEDIA_TYPE)], health.metrics.text())
}
