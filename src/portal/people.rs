//! What people see and press: the page of a visit, its buttons, and the images and pages of its offers.
//!
//! In: requests of guests. Out: HTML and bytes, and events for the core. Counts only what somebody has really opened.

use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderMap};
use http::{Method, Request, Response, StatusCode};
use hyper::body::Body as HttpBody;
use tokio::time::{sleep, timeout};
use welcome_core::{Access, Event, SessionView};
use welcome_proto::Digest;
use welcome_proto::lan::{self, ShownOffer};
use welcome_proto::language::Preferred;

use super::answer::{Body, Refusal, html, nothing, redirect, set, typed};
use super::form;
use super::page::{self, Card, Gate, Visit};
use super::route::{Button, Router};

impl Router {
    /// The page of a guest. To open it counts; to look at its head, or to have it fetched in advance, does not.
    pub(super) fn page<B>(&self, session: &SessionView, preferred: &Preferred, request: &Request<B>) -> Response<Body> {
        if request.method() == Method::GET && !is_prefetch(request.headers()) {
            let on_page = session.offers.iter().take(page::MAX_ON_PAGE).filter(|_| !session.declined);
            let shown = on_page.filter(|o| o.shown < o.offer.cap_per_visit);
            let offers = shown.map(|o| ShownOffer { sender: o.sender, id: o.offer.id.clone() }).collect();
            if self.tell(Event::PageOpened { session: session.id, offers }).is_err() {
                return self.busy(preferred);
            }
        }
        let name = session.ssid.as_ref().map_or_else(|| session.network.to_string(), ToString::to_string);
        let offers = session.offers.iter().take(page::MAX_ON_PAGE).map(|o| {
            let (content, language) = preferred.content(&o.offer);
            Card { sender: o.sender, content, language }
        });
        let left = session.until.and_then(|until| until.checked_sub(self.parts.clock.now().mono));
        let gate = match (session.access, left) {
            (Access::Held, _) => Gate::Closed,
            (_, Some(left)) => Gate::Open(left),
            (_, None) => Gate::None,
        };
        let visit = Visit {
            network: &name,
            offers: offers.collect(),
            gate,
            is_online: *self.parts.uplink.borrow(),
            declined: session.declined,
            thanked: request.uri().query() == Some(THANKS),
        };
        let languages = self.languages();
        let words = languages.choose(preferred);
        html(StatusCode::OK, page::for_guest(words, &visit), words.language())
    }

    pub(super) fn busy(&self, preferred: &Preferred) -> Response<Body> {
        let languages = self.languages();
        let words = languages.choose(preferred);
        let mut answer = html(StatusCode::SERVICE_UNAVAILABLE, page::busy(words), words.language());
        set(&mut answer, header::RETRY_AFTER, "3");
        answer
    }

    /// A button of the page was pressed. The answer is the way to the page by GET, a full navigation: after that Apple's
    /// mini-browser probes again, and its corner says Done.
    pub(super) async fn press<B>(
        &self,
        button: Button,
        session: &SessionView,
        request: Request<B>,
    ) -> Result<Response<Body>, Refusal>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        if !form::is_ours(request.headers(), self.at.tls.as_ref().map(|(name, _)| name.as_str())) {
            return Err(Refusal::NotOurPage);
        }
        // The button says it all; the body only has to be out of the way.
        self.read(request.into_body()).await?;
        let (event, query) = match button {
            Button::Acknowledge => (Event::Acknowledged { session: session.id }, THANKS),
            Button::Decline => (Event::Declined { session: session.id, declined: true }, "no-thanks"),
            Button::Please => (Event::Declined { session: session.id, declined: false }, "please"),
        };
        self.tell(event)?;
        let has_worked = |now: &SessionView| match button {
            // A gate that stands open already stands open for longer.
            Button::Acknowledge => {
                now.access == Access::Open && (session.until.is_none() || now.until != session.until)
            }
            Button::Decline => now.declined,
            Button::Please => !now.declined,
        };
        let mut view = self.parts.view.clone();
        let is_so = view.wait_for(|view| view.sessions.get(&session.id).is_none_or(|now| has_worked(now)));
        // If it takes longer, the page shows what is so by then.
        let _in_time = timeout(EFFECT, is_so).await.is_ok();
        if button == Button::Acknowledge && session.access != Access::Open {
            sleep(SETTLE).await;
        }
        Ok(redirect(StatusCode::SEE_OTHER, &format!("{}?{query}", lan::PAGE)))
    }

    /// An image or a page, if it belongs to an offer of this visit.
    pub(super) async fn content(
        &self,
        digest: Digest,
        session: &SessionView,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, Refusal> {
        let mut files = session.offers.iter().flat_map(|o| o.offer.files());
        let kind = files.find(|file| file.digest == digest).ok_or(Refusal::NotFound)?.kind;
        let etag = format!("\"{digest}\"");
        let known = headers.get(header::IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|v| v.contains(&etag));
        let mut answer = if known {
            let mut answer = nothing();
            *answer.status_mut() = StatusCode::NOT_MODIFIED;
            answer
        } else {
            let _turn = self.reads.acquire().await.map_err(|_| Refusal::Busy)?;
            let contents = Arc::clone(&self.parts.contents);
            let read = tokio::task::spawn_blocking(move || contents(&digest)).await;
            typed(StatusCode::OK, kind.media_type(), read.ok().flatten().ok_or(Refusal::NotFound)?)
        };
        set(&mut answer, header::ETAG, &etag);
        // Its name is its digest: it never becomes another one.
        set(&mut answer, header::CACHE_CONTROL, "private, max-age=86400, immutable");
        set(&mut answer, header::CONTENT_SECURITY_POLICY, CONTENT_POLICY);
        Ok(answer)
    }
}

/// Whether a browser or a system fetches something that nobody may ever see.
fn is_prefetch(headers: &HeaderMap) -> bool {
    PREFETCH.iter().any(|name| {
        let values = headers.get_all(*name).iter().filter_map(|v| v.to_str().ok());
        values.into_iter().any(|v| v.contains("prefetch") || v.contains("preview"))
    })
}

/// A sharer's page, also when it is opened by itself: no script, no form, nothing from elsewhere.
const CONTENT_POLICY: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; \
                              base-uri 'none'; form-action 'none'; frame-ancestors 'self'";
const PREFETCH: [&str; 4] = ["sec-purpose", "purpose", "x-purpose", "x-moz"];
/// The query of the page after its button was pressed.
const THANKS: &str = "thanks";
/// For a button to have its effect.
const EFFECT: Duration = Duration::from_secs(2);
/// For the firewall, whose `nft` took 50 to 180 ms on the lab's emulated processor: the probe that follows must find the
/// way free.
pub(super) const SETTLE: Duration = Duration::from_millis(300);
