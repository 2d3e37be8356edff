//! `GET /v1/routers/{router}/events`: the live stream down to a router (server-sent events).
//!
//! Each event `offers` is the whole set, read and signed when the reader is ready for it: a slow reader gets the latest
//! set and none of those between. An event `say` comes at once, has no id, and is not sent again. What the router is told of
//! its networks (challenges, questions to a witness, how they stand) is in [`super::told`].

use std::collections::VecDeque;
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
use super::told::Told;
use super::{App, Shared};
use crate::hub::{Subscription, What, Woken};
use crate::ids::OrgId;
use crate::store::{OfferRow, OfferSet, StoreError};

pub(crate) async fn events(State(app): Shared, headers: HeaderMap, signed: Signed) -> Response {
    if !signed.body.is_empty() {
        return Error::BadRequest("this request has no body".to_owned()).into_response();
    }
    let sent = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).and_then(|id| id.parse().ok());
    let Some(subscription) = app.hub.subscribe(&signed.org, &signed.router) else {
        return Error::Busy.into_response();
    };
    app.presence.saw(&signed.router);
    let feed = Feed {
        app,
        org: signed.org,
        router: signed.router,
        subscription,
        sent,
        told: Told::default(),
        ready: VecDeque::new(),
        look: Some(What::Anything),
        beats: 0,
    };
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
/// At every so many heart-beats a stream looks for everything, and not for offers alone.
const BEATS_A_LOOK: u32 = 4;

struct Feed {
    app: Arc<App>,
    org: OrgId,
    router: RouterId,
    subscription: Subscription,
    /// The revision the reader has.
    sent: Option<u64>,
    /// What it was told of its networks.
    told: Told,
    /// What waits to be written.
    ready: VecDeque<String>,
    /// Where there may be more.
    look: Option<What>,
    beats: u32,
}

impl Feed {
    /// The next piece of the stream; `None` ends it. The router then comes back and gets what it lacks.
    async fn next(&mut self) -> Option<String> {
        let mut beat = false;
        loop {
            if self.subscription.is_over() {
                return None;
            }
            if let Some(text) = self.ready.pop_front() {
                return Some(text);
            }
            if let Some(what) = self.look.take() {
                match self.read(what).await {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(error) => {
                        self.app.metrics.database_errors.inc();
                        tracing::error!(%error, router = %self.router, "failed to read what a stream is for");
                        return None;
                    }
                }
            }
            if beat {
                return Some(sse::HEART_BEAT.to_owned());
            }
            match timeout(HEART_BEAT, self.subscription.woken()).await {
                Ok(Woken::Changed(what)) => self.look = Some(what),
                Ok(Woken::Said(event)) => return Some(event.to_string()),
                Ok(Woken::Over) => return None,
                // Looks, too: whoever made a change may have hung up between its commit and its word to the hub.
                Err(_) => {
                    self.beats += 1;
                    let all = self.beats.is_multiple_of(BEATS_A_LOOK);
                    (self.look, beat) = (Some(if all { What::Anything } else { What::Offers }), true);
                }
            }
        }
    }

    /// Reads what the reader has not, and makes it ready. `false` if the router was removed.
    async fn read(&mut self, what: What) -> Result<bool, StoreError> {
        let app = Arc::clone(&self.app);
        let _turn = app.turns.acquire().await.expect("nobody closes it");
        let Some(revision) = self.app.store.offers_revision(&self.router).await? else { return Ok(false) };
        if self.sent != Some(revision) {
            self.offers().await?;
        }
        if what == What::Anything {
            self.told.read(&self.app, &self.org, &self.router, &mut self.ready).await?;
        }
        Ok(true)
    }

    /// The set, signed for this router alone.
    async fn offers(&mut self) -> Result<(), StoreError> {
        let Some(OfferSet { revision, offers }) = self.app.store.offers(&self.router).await? else { return Ok(()) };
        let key = self.app.keys.of(&self.org).await?;
        let sign =
            |row: OfferRow| key.sign(&Statement { router: self.router.clone(), sender: row.sender, offer: row.offer });
        let push = offers.into_iter().map(sign).collect::<serde_json::Result<_>>();
        let push = push.map(|offers| OffersPush { revision, offers }).and_then(|push| serde_json::to_string(&push));
        let data = push.map_err(|_| StoreError::Unreadable("offer"))?;
        self.sent = Some(revision);
        self.app.presence.sent(&self.router, revision);
        self.app.metrics.offers_pushed.inc();
        self.ready.push_back(sse::encode(EVENT_OFFERS, Some(&revision.to_string()), &data));
        Ok(())
    }
}
