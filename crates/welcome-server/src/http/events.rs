//! `GET /v1/routers/{router}/events`: the live stream down to a router (server-sent events).
//!
//! Each event `offers` is the whole set, read and signed when the reader is ready for it: a slow reader gets the latest
//! set and none of those between. An event `say` comes at once, has no id, and is not sent again.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};
use tokio::time::timeout;
use welcome_proto::offer::OffersPush;
use welcome_proto::signed::Statement;
use welcome_proto::{RouterId, sse};

use super::error::Error;
use super::guard::Signed;
use super::{App, Shared};
use crate::hub::{Subscription, Woken};
use crate::ids::OrgId;
use crate::store::{OfferRow, OfferSet, StoreError};

pub(crate) async fn events(State(app): Shared, headers: HeaderMap, signed: Signed) -> Response {
    if !signed.body.is_empty() {
        return Error::BadRequest("this request has no body".to_owned()).into_response();
    }
    let sent = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let subscription = app.hub.subscribe(&signed.org, &signed.router);
    app.presence.saw(&signed.router);
    let feed = Feed { app, org: signed.org, router: signed.router, subscription, sent, look: true };
    let body = stream::unfold(feed, |mut feed| async {
        let text = feed.next().await?;
        Some((Ok::<_, Infallible>(text), feed))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (CACHE_CONTROL, "no-store")];
    (headers, axum::body::Body::from_stream(body)).into_response()
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The name of the event that carries the offers.
const EVENT_OFFERS: &str = "offers";
/// Says that the server is there, and finds out whether the router is.
const HEART_BEAT: Duration = Duration::from_secs(15);

struct Feed {
    app: Arc<App>,
    org: OrgId,
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
                match self.offers().await {
                    Ok(Look::Push(text)) => return Some(text),
                    Ok(Look::Nothing) => {}
                    Ok(Look::Gone) => return None,
                    Err(error) => {
                        tracing::error!(%error, router = %self.router, "failed to read the offers of a stream");
                        return None;
                    }
                }
            }
            if beat {
                return Some(sse::HEART_BEAT.to_owned());
            }
            match timeout(HEART_BEAT, self.subscription.woken()).await {
                Ok(Woken::Changed) => self.look = true,
                Ok(Woken::Said(event)) => return Some(event.to_string()),
                Ok(Woken::Over) => return None,
                // Looks, too: whoever made a change may have hung up between its commit and its word to the hub.
                Err(_) => (self.look, beat) = (true, true),
            }
        }
    }

    /// The set, signed for this router alone, if the reader has another.
    async fn offers(&mut self) -> Result<Look, StoreError> {
        match self.app.store.offers_revision(&self.router).await? {
            None => return Ok(Look::Gone),
            Some(revision) if self.sent == Some(revision) => return Ok(Look::Nothing),
            Some(_) => {}
        }
        let Some(OfferSet { revision, offers }) = self.app.store.offers(&self.router).await? else {
            return Ok(Look::Gone);
        };
        let key = self.app.keys.of(&self.org).await?;
        let sign =
            |row: OfferRow| key.sign(&Statement { router: self.router.clone(), sender: row.sender, offer: row.offer });
        let push = offers.into_iter().map(sign).collect::<serde_json::Result<_>>();
        let push = push.map(|offers| OffersPush { revision, offers }).and_then(|push| serde_json::to_string(&push));
        let data = push.map_err(|_| StoreError::Unreadable("offer"))?;
        self.sent = Some(revision);
        self.app.presence.sent(&self.router, revision);
        Ok(Look::Push(sse::encode(EVENT_OFFERS, Some(&revision.to_string()), &data)))
    }
}

/// What a look into the store has found.
enum Look {
    Push(String),
    Nothing,
    /// The router was removed.
    Gone,
}
