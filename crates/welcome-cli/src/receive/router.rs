//! Asks the router for its message, and says what of it was shown.
//!
//! In: how to reach the router. Out: what it offers, as [`News`]. Plain HTTP on the local network: what comes is limited in
//! size and time, and neither a redirect nor a path can lead anywhere but to the router.
//!
//! Right after joining the router may not know us yet, and our own first packets may be lost: so it asks again every
//! [`EAGER`] for a while before it slows down.

use super::{News, Target, Until, route, route_changes};
use crate::address::Route;
use crate::exit::Failure;
use crate::lan_http::{Error, Router, body};
use crate::output::Output;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::json;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use welcome_proto::lan::{self, LanOffer, Shown, ShownOffer, Welcome};
use welcome_proto::problem::{self, Problem};
use welcome_proto::sse;

/// One visit to one router.
pub(super) struct Visit {
    target: Target,
    port: u16,
    languages: String,
    output: Output,
    news: mpsc::Sender<News>,
    /// Whether the interface may be chosen.
    is_bound: bool,
}

/// Why there is no message yet.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Http(#[from] Error),
    #[error(transparent)]
    TooLarge(#[from] sse::TooLarge),
    #[error("the router answered {0}")]
    Status(hyper::StatusCode),
    #[error("{0}")]
    Said(&'static str),
}

impl Visit {
    pub(super) fn new(target: Target, port: u16, languages: &str, output: Output, news: mpsc::Sender<News>) -> Self {
        Self { target, port, languages: languages.to_owned(), output, news, is_bound: true }
    }

    /// Asks until the router says that the visit has ended, if that is wanted; else for ever.
    ///
    /// # Errors
    /// When there is no address within `wait`.
    pub(super) async fn keep_asking(mut self, until: Until, wait: Duration) -> Result<(), Failure> {
        loop {
            self.tell(News::Router(Some(NO_ADDRESS.to_owned()))).await;
            let none = |_| Failure::NoMessage(format!("waited {:.1} s; {NO_ADDRESS}", wait.as_secs_f64()));
            let route = timeout(wait, route(&self.target)).await.map_err(none)??;
            self.tell(News::Route).await;
            let fields = json!({ "address": route.address, "gateway": route.gateway });
            self.output.event("address", fields, &format!("asking the router, {} …", route.gateway));
            let target = self.target.clone();
            tokio::select! {
                biased;
                () = self.ask_until_bye(route, until) => return Ok(()),
                // What an interface had from its former network is replaced a little later.
                changed = route_changes(&target, route) => changed?,
            }
        }
    }

    async fn ask_until_bye(&mut self, route: Route, until: Until) {
        let began = Instant::now();
        let mut pause = EAGER;
        loop {
            let Err(trouble) = self.ask(route, until).await else { return };
            tracing::debug!(%trouble, "no message yet");
            // An older kernel lets only root bind a socket to an interface.
            self.is_bound &= !matches!(trouble, Trouble::Http(Error::Denied));
            self.tell(News::Router(Some(trouble.to_string()))).await;
            if began.elapsed() > EAGER_FOR {
                pause = (pause * 2).min(LAZY);
            }
            // Many who joined at once do not ask at once for ever.
            sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn ask(&self, route: Route, until: Until) -> Result<(), Trouble> {
        let router = self.router(route);
        // The stream is asked for where it is known to be, in the hope that the router says the same: one trip less on
        // an air that is still slow.
        let hoped = async { Ok(router.get(lan::STREAM, EVENT_STREAM).await?) };
        let (welcome, mut stream) = tokio::try_join!(welcome(&router), hoped)?;
        if welcome.stream != lan::STREAM {
            stream = router.get(&welcome.stream, EVENT_STREAM).await?;
        }
        if !stream.status().is_success() {
            return Err(refusal(stream).await);
        }
        self.tell(News::Router(None)).await;
        let mut decoder = sse::Decoder::new(MAX_ANSWER);
        loop {
            let frame = timeout(SILENCE, stream.frame()).await;
            let frame = frame.map_err(|_| Trouble::Said("the router's stream went silent"))?;
            let at = Instant::now();
            let frame = frame.transpose().map_err(Error::from)?;
            let frame = frame.ok_or(Trouble::Said("the router ended its stream"))?;
            let events = decoder.push(frame.data_ref().map(AsRef::as_ref).unwrap_or_default())?;
            let offers: Vec<LanOffer> = events.iter().filter_map(offer).collect();
            if !offers.is_empty() {
                let (told, shown) = oneshot::channel();
                self.tell(News::Offers(at, offers, told)).await;
                if let Ok(shown) = shown.await {
                    for some in shown.chunks(MAX_SHOWN) {
                        report_shown(&router, &welcome.shown, some).await;
                    }
                    self.tell(News::Told).await;
                }
            }
            if events.iter().any(|event| event.name == lan::EVENT_BYE) {
                return match until {
                    Until::Bye => Ok(()),
                    Until::Shown => Err(Trouble::Said("the router says that our visit has ended")),
                };
            }
        }
    }

    async fn tell(&self, news: News) {
        // Nobody listens only when we are about to be dropped.
        drop(self.news.send(news).await);
    }

    fn router(&self, route: Route) -> Router {
        let interface = match &self.target {
            Target::Interface(name) => Some(name.clone()).filter(|_| self.is_bound),
            Target::Gateway(_) => None,
        };
        Router { address: route.socket(self.port), interface, languages: self.languages.clone() }
    }
}

pub(super) async fn welcome(router: &Router) -> Result<Welcome, Trouble> {
    let response = router.get(lan::WELL_KNOWN, "application/json").await?;
    if !response.status().is_success() {
        return Err(refusal(response).await);
    }
    match serde_json::from_slice::<Welcome>(&body(response, MAX_ANSWER).await?) {
        Ok(welcome) if welcome.version == 1 => Ok(welcome),
        Ok(_) => Err(Trouble::Said("the router speaks another version")),
        Err(_) => Err(Trouble::Said("there is something else at the router's address")),
    }
}

async fn report_shown(router: &Router, path: &str, offers: &[ShownOffer]) {
    let shown = Shown { offers: offers.to_vec() };
    let Ok(json) = serde_json::to_vec(&shown) else { return };
    for _ in 0..2 {
        match router.post(path, json.clone()).await {
            Ok(response) if response.status().is_success() => return,
            Ok(response) => tracing::debug!(status = %response.status(), "the router does not count it as shown"),
            Err(error) => tracing::debug!(%error, "could not tell that it was shown"),
        }
    }
}

fn offer(event: &sse::Event) -> Option<LanOffer> {
    if event.name != lan::EVENT_OFFER {
        return None;
    }
    serde_json::from_str(&event.data).map_err(|error| tracing::debug!(%error, "a message that is none")).ok()
}

async fn refusal(response: Response<Incoming>) -> Trouble {
    let status = response.status();
    let bytes = body(response, MAX_ANSWER).await.unwrap_or_default();
    match serde_json::from_slice::<Problem>(&bytes).ok().as_ref().map(Problem::name) {
        Some(problem::NOT_A_GUEST) => Trouble::Said("the router does not take us for a guest"),
        _ => Trouble::Status(status),
    }
}

/// How soon to ask again, at first.
const EAGER: Duration = Duration::from_millis(50);
const EAGER_FOR: Duration = Duration::from_secs(3);
const LAZY: Duration = Duration::from_secs(2);
/// The router sends something every 15 s.
const SILENCE: Duration = Duration::from_secs(40);
const MAX_ANSWER: usize = 64 << 10;
/// What one report may name.
const MAX_SHOWN: usize = 64;
/// Before anything else.
pub(super) const NO_ADDRESS: &str = "there is no address and no gateway yet";
const EVENT_STREAM: &str = "text/event-stream";
