//! `GET /v1/routers/{router}/events`: the live stream down to a router (server-sent events).
//!
//! Each event is the whole set of offers, read when the reader is ready for it: a slow reader gets the latest set and
//! none of those between.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use tokio::time::timeout;
use welcome_proto::RouterId;
use welcome_proto::sse;

use super::auth::Signed;
use super::error::Error;
use super::{App, Shared};
use crate::hub::Subscription;

pub(crate) async fn events(State(app): Shared, headers: HeaderMap, signed: Signed) -> Response {
    if !signed.body.is_empty() {
        return Error::BadRequest("this request has no body".to_owned()).into_response();
    }
    let sent = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let subscription = app.hub.subscribe(&signed.router);
    let feed = Feed { app, router: signed.router, subscription, sent, look: true };
    let body = stream::unfold(feed, |mut feed| async {
        let text = feed.next().await?;
        Some((Ok::<_, Infallible>(text), feed))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, axum::body::Body::from_stream(body)).into_response()
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The name of the event that carries the offers.
const EVENT: &str = "offers";
/// Says that the server is there, and finds out whether the router is.
const HEART_BEAT: Duration = Duration::from_secs(15);

struct Feed {
    app: Arc<App>,
    router: RouterId,
    subscription: Subscription,
    /// The revision the reader has.
    sent: Option<u64>,
    /// Whether there may be another.
    look: bool,
}

impl Feed {
    /// The next piece of the stream; `None` ends it. The router then comes back and gets what it lacks.
    async fn next(&mut self) -> Option<String> {
        let mut beat = false;
        loop {
            if self.subscription.is_over() {
                return None;
            }
            if std::mem::take(&mut self.look) {
                let push = match self.app.store.offers(&self.router).await {
                    Ok(push) => push?,
                    Err(error) => {
                        tracing::error!(%error, router = %self.router, "failed to read the offers of a stream");
                        return None;
                    }
                };
                if self.sent != Some(push.revision) {
                    self.sent = Some(push.revision);
                    let data = serde_json::to_string(&push).ok()?;
                    return Some(sse::encode(EVENT, Some(&push.revision.to_string()), &data));
                }
            }
            if beat {
                return Some(sse::HEART_BEAT.to_owned());
            }
            match timeout(HEART_BEAT, self.subscription.next_change()).await {
                Ok(true) => self.look = true,
                Ok(false) => return None,
                // Looks, too: whoever made a change may have hung up between its commit and its word to the hub.
                Err(_) => (self.look, beat) = (true, true),
            }
        }
    }
}
