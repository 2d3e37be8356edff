//! Asks the router for its message, and says that it was shown.
//!
//! In: how to reach the router. Out: its messages to [`Output`], each once. Plain HTTP on the local network: what comes
//! is limited in size and time, and neither a redirect nor a path can lead anywhere but to the router.
//!
//! Right after joining the router may not know us yet, and our own first packets may be lost: so it asks again every
//! [`EAGER`] for a while before it slows down.

use crate::address::{self, Route};
use crate::exit::Failure;
use crate::lan_http::{Error, Router, body};
use crate::output::Output;
use http_body_util::BodyExt as _;
use hyper::Response;
use hyper::body::Incoming;
use serde_json::json;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tokio::time::{sleep, timeout};
use welcome_proto::lan::{self, LanOffer, Shown, ShownOffer, Welcome};
use welcome_proto::offer::Sender;
use welcome_proto::problem::{self, Problem};
use welcome_proto::{OfferId, sse};

/// Where the router is.
#[derive(Debug, Clone)]
pub enum Target {
    /// The default gateway of this interface, as soon as it has one; asked by that interface alone.
    Interface(String),
    /// Here.
    Gateway(IpAddr),
}

/// Whether to go on after the first messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until what was due at once has been shown.
    Shown,
    /// Until the router says that the visit has ended.
    Bye,
}

/// One visit to one router.
pub struct Receiver {
    target: Target,
    port: u16,
    output: Output,
    seen: BTreeSet<(Sender, OfferId)>,
    /// Whether the interface may be chosen.
    is_bound: bool,
    has_route: bool,
}

/// Why there is no message yet.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error(transparent)]
    Http(#[from] Error),
    #[error(transparent)]
    TooLarge(#[from] sse::TooLarge),
    #[error("the router answered {0}")]
    Status(hyper::StatusCode),
    #[error("{0}")]
    Said(&'static str),
}

impl Receiver {
    /// A new visit, to which every message is new.
    #[must_use]
    pub fn new(target: Target, port: u16, output: &Output) -> Self {
        Self { target, port, output: output.clone(), seen: BTreeSet::new(), is_bound: true, has_route: false }
    }

    /// Receives messages.
    ///
    /// # Errors
    /// [`Failure::NoMessage`] when none came within `wait`. With [`Until::Bye`] that is only the limit for an address.
    pub async fn receive(&mut self, until: Until, wait: Duration) -> Result<(), Failure> {
        let began = Instant::now();
        let mut last = None;
        let going = self.keep_asking(until, wait, &mut last);
        let result = match until {
            Until::Shown => timeout(wait, going).await.ok(),
            Until::Bye => Some(going.await),
        };
        match result {
            Some(result) => result,
            // What arrived has arrived, whatever came of it afterwards.
            None if !self.seen.is_empty() => Ok(()),
            None => {
                let why = last.map_or_else(|| "the router has none for us".into(), |trouble| trouble.to_string());
                Err(Failure::NoMessage(format!("waited {:.1} s; {why}", began.elapsed().as_secs_f64())))
            }
        }
    }

    /// Whether there was an address and a gateway at all.
    #[must_use]
    pub fn has_route(&self) -> bool {
        self.has_route
    }

    async fn keep_asking(&mut self, until: Until, wait: Duration, last: &mut Option<Trouble>) -> Result<(), Failure> {
        loop {
            *last = Some(Trouble::Said(NO_ADDRESS));
            let none = |_| Failure::NoMessage(format!("waited {:.1} s; {NO_ADDRESS}", wait.as_secs_f64()));
            let route = timeout(wait, self.route()).await.map_err(none)??;
            self.has_route = true;
            let fields = json!({ "address": route.address, "gateway": route.gateway });
            self.output.event("address", fields, &format!("asking the router, {} …", route.gateway));
            let target = self.target.clone();
            tokio::select! {
                biased;
                result = self.ask_until_answered(route, until, last) => return result,
                // What an interface had from its former network is replaced a little later.
                changed = route_changes(&target, route) => changed?,
            }
        }
    }

    async fn route(&self) -> anyhow::Result<Route> {
        match &self.target {
            Target::Interface(name) => address::wait(name).await,
            Target::Gateway(gateway) => {
                let address = if gateway.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
                Ok(Route { address, gateway: *gateway, scope: 0 })
            }
        }
    }

    async fn ask_until_answered(
        &mut self,
        route: Route,
        until: Until,
        last: &mut Option<Trouble>,
    ) -> Result<(), Failure> {
        let began = Instant::now();
        let mut pause = EAGER;
        loop {
            match self.ask(route, until, last).await {
                Ok(()) => return Ok(()),
                Err(trouble) => {
                    tracing::debug!(%trouble, "no message yet");
                    // An older kernel lets only root bind a socket to an interface.
                    self.is_bound &= !matches!(trouble, Trouble::Http(Error::Denied));
                    *last = Some(trouble);
                }
            }
            if began.elapsed() > EAGER_FOR {
                pause = (pause * 2).min(LAZY);
            }
            // Many who joined at once do not ask at once for ever.
            sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
        }
    }

    async fn ask(&mut self, route: Route, until: Until, last: &mut Option<Trouble>) -> Result<(), Trouble> {
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
        *last = None;
        let mut decoder = sse::Decoder::new(MAX_ANSWER);
        loop {
            let enough = until == Until::Shown && !self.seen.is_empty();
            let frame = match timeout(if enough { QUIET } else { SILENCE }, stream.frame()).await {
                Ok(frame) => frame.transpose().map_err(Error::from)?,
                Err(_) if enough => return Ok(()),
                Err(_) => return Err(Trouble::Said("the router's stream went silent")),
            };
            let at = Instant::now();
            let Some(frame) = frame else {
                return if enough { Ok(()) } else { Err(Trouble::Said("the router ended its stream")) };
            };
            let events = decoder.push(frame.data_ref().map(AsRef::as_ref).unwrap_or_default())?;
            let offers: Vec<LanOffer> = events.iter().filter_map(offer).collect();
            if !offers.is_empty() {
                self.show(at, &offers);
                for some in offers.chunks(MAX_SHOWN) {
                    report_shown(&router, &welcome.shown, some).await;
                }
            }
            if events.iter().any(|event| event.name == lan::EVENT_BYE) {
                return if self.seen.is_empty() && until == Until::Shown {
                    Err(Trouble::Said("the router says that our visit has ended"))
                } else {
                    Ok(())
                };
            }
        }
    }

    fn router(&self, route: Route) -> Router {
        let interface = match &self.target {
            Target::Interface(name) => Some(name.clone()).filter(|_| self.is_bound),
            Target::Gateway(_) => None,
        };
        Router { address: route.socket(self.port), interface }
    }

    fn show(&mut self, at: Instant, offers: &[LanOffer]) {
        for offer in offers {
            if self.seen.len() < MAX_SEEN && self.seen.insert((offer.sender, offer.id.clone())) {
                self.output.offer(at, offer);
            }
        }
    }
}

/// Waits until the interface has another route or none; for ever when there is no interface.
async fn route_changes(target: &Target, route: Route) -> anyhow::Result<()> {
    match target {
        Target::Interface(name) => address::wait_for_change(name, route).await,
        Target::Gateway(_) => std::future::pending().await,
    }
}

async fn welcome(router: &Router) -> Result<Welcome, Trouble> {
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

async fn report_shown(router: &Router, path: &str, offers: &[LanOffer]) {
    let name = |offer: &LanOffer| ShownOffer { sender: offer.sender, id: offer.id.clone() };
    let shown = Shown { offers: offers.iter().map(name).collect() };
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
pub const EAGER: Duration = Duration::from_millis(50);
const EAGER_FOR: Duration = Duration::from_secs(3);
const LAZY: Duration = Duration::from_secs(2);
/// The router sends something every 15 s.
const SILENCE: Duration = Duration::from_secs(40);
/// What is due comes in one go; this long after the last of it there is no more.
const QUIET: Duration = Duration::from_millis(200);
const MAX_ANSWER: usize = 64 << 10;
/// What one report may name.
const MAX_SHOWN: usize = 64;
/// More than any router has; a hostile one could fill the screen otherwise.
const MAX_SEEN: usize = 256;
const NO_ADDRESS: &str = "there is no address and no gateway yet";
const EVENT_STREAM: &str = "text/event-stream";
