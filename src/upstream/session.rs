//! One session with the server, from the first connection to its end: enrol, announce, listen, report, fetch.
//!
//! In: the latest announce, reports, and what the server sends. Out: what it pushed, for [`super::offers`]. Keeps what
//! must outlive a lost connection: the server's time and the generation of the announce.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};
use tracing::{debug, info, warn};
use welcome_core::{Event, ServerLink};
use welcome_proto::announce::Announce;
use welcome_proto::enrol::EnrolRequest;
use welcome_proto::problem::{self, Problem};
use welcome_proto::signature::{self, Params};
use welcome_proto::{RouterId, Secret};

use super::Timing;
use super::end::{End, not_understood, refused, told};
use super::fetch::{self, Fetch};
use super::identity::Identity;
use super::link::{Connection, Link, read_body};
use super::offers::Offers;
use super::reports::Reports;
use super::stream::read_stream;
use super::trust::Trust;
use super::words::{self, Words};
use crate::clock::ServerTime;
use crate::config::{Server, ServerUrl};
use crate::file::sha256;

/// The agent's side of the conversation.
#[derive(Debug)]
pub struct Session {
    link: Arc<Link>,
    identity: Identity,
    server: ServerUrl,
    token: Option<Secret>,
    timing: Timing,
    time: ServerTime,
    /// Of the announce that was sent last.
    generation: u64,
    fetch: Fetch,
    /// For requests; the stream has its own.
    requests: Option<Connection>,
    /// While all is well: since when.
    connected: Option<Instant>,
}

/// Where a session gets its input from, and where its output goes.
#[derive(Debug)]
pub struct Ends {
    /// What is shared.
    pub announce: watch::Receiver<Option<Announce>>,
    /// What happened.
    pub reports: Reports,
    /// What the server asked for.
    pub words: Words,
    /// To the app.
    pub events: mpsc::Sender<Event>,
    /// What the server pushes.
    pub offers: Offers,
    /// What its offers need beside.
    pub content: fetch::Ends,
    /// Where phones may ask the server about this router's networks, once it knows us; see [`captive_base`].
    pub captive: watch::Sender<Option<String>>,
}

impl Session {
    /// Nothing is sent yet.
    #[must_use]
    pub fn new(link: Arc<Link>, identity: Identity, server: &Server, timing: Timing, seed: u64) -> Self {
        Self {
            link,
            identity,
            server: server.url.clone(),
            token: server.token.clone(),
            timing,
            time: ServerTime::default(),
            generation: 0,
            fetch: Fetch::new(seed),
            requests: None,
            connected: None,
        }
    }

    /// Talks with the server until something ends it. Also returns since when it was announced and listening, if it came
    /// so far.
    pub async fn run(&mut self, ends: &mut Ends) -> (End, Option<Instant>) {
        let Err(end) = self.talk(ends).await;
        self.requests = None;
        (end, self.connected.take())
    }

    /// Sends what is left to tell, if [`Self::run`] was interrupted while all was well.
    pub async fn finish(&mut self, reports: &Reports) {
        while self.connected.is_some()
            && let Some(Trust { router, .. }) = self.trust()
            && reports.batch().is_some()
        {
            if let Err(error) = self.report(&router, reports).await {
                debug!(%error, "the last reports did not reach the server");
                return;
            }
        }
    }

    async fn talk(&mut self, ends: &mut Ends) -> Result<Never, End> {
        let trust = match self.trust() {
            Some(trust) => trust,
            None => self.enrol().await?,
        };
        ends.offers.believe(&trust).await?;
        ends.captive.send_replace(captive_base(&self.server, &trust.router));
        let router = &trust.router;
        let talking = self.talk_as(&trust, ends).await;
        if let Err(End::Unknown(_)) = talking {
            debug!(%router, "what the server had us show goes");
            ends.offers.clear().await?;
            ends.captive.send_replace(None);
        }
        talking
    }

    async fn talk_as(&mut self, trust: &Trust, ends: &mut Ends) -> Result<Never, End> {
        let Trust { router, .. } = trust;
        self.announce(router, &mut ends.announce).await?;
        let (stream, body) = self.listen(router, ends.offers.last_event()).await?;
        info!("connected to the server");
        self.connected = Some(Instant::now());
        tell(&ends.events, Event::ServerLink(ServerLink::Connected)).await?;
        // It keeps its own memory and connection; the requests go on beside it.
        let (link, time, timing) = (Arc::clone(&self.link), self.time, self.timing);
        let mut fetch = std::mem::replace(&mut self.fetch, Fetch::new(0));
        let Ends { announce, reports, words, offers, content, events, .. } = ends;
        let outcome = tokio::select! {
            end = read_stream(body, timing.silence, trust, time, offers, events) => end,
            end = self.serve(router, announce, reports, words) => end,
            never = fetch.run(&link, content, timing.file) => match never {},
        };
        self.fetch = fetch;
        drop(stream);
        outcome
    }

    fn trust(&self) -> Option<Trust> {
        self.identity.trust(&self.server.to_string(), self.token.as_ref())
    }

    async fn enrol(&mut self) -> Result<Trust, End> {
        let server = self.server.to_string();
        let Some(token) = self.token.clone() else {
            let why = if self.identity.is_from_before(&server) {
                "this router was registered before offers were signed"
            } else {
                "this router is not registered"
            };
            return Err(End::Refused(format!("{why}: ask the server's operator for a token and set server.token")));
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let request = EnrolRequest { token: token.clone(), public_key: self.identity.public_key(), version };
        let answer = self.exchange(None, Method::POST, "/v1/enrol", &body(&request)?).await?;
        let answer = self.accepted(answer).await?;
        let text = read_body(answer.into_body(), self.timing.request, MAX_ANSWER).await?;
        let reply = serde_json::from_slice(&text).map_err(|e| not_understood("enrolment", &e))?;
        let trust = self.identity.keep(reply, &server, &token)?;
        info!(router = %trust.router, "registered with the server");
        Ok(trust)
    }

    /// Sends the latest announce, if there is one.
    async fn announce(&mut self, router: &RouterId, latest: &mut watch::Receiver<Option<Announce>>) -> Result<(), End> {
        let Some(mut announce) = latest.borrow_and_update().clone() else { return Ok(()) };
        let target = format!("/v1/routers/{router}/announce");
        for _ in 0..GENERATION_TRIES {
            self.generation += 1;
            announce.generation = self.generation;
            let answer = self.exchange(Some(router), Method::PUT, &target, &body(&announce)?).await?;
            match answer.status() {
                // The server remembers more than we do: the agent was started again.
                StatusCode::CONFLICT => {
                    let problem = self.problem(answer).await;
                    self.generation = problem.generation.unwrap_or(0).max(self.generation);
                }
                // To send it again would not make it better.
                StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE => {
                    let problem = self.problem(answer).await;
                    warn!(problem = %told(&problem), "the server does not take what this router shares");
                    return Ok(());
                }
                _ => {
                    self.accepted(answer).await?;
                    info!(generation = self.generation, networks = announce.networks.len(), "announced");
                    return Ok(());
                }
            }
        }
        Err(End::Lost(anyhow::anyhow!("the server finds every announce too old")))
    }

    /// Opens the stream down.
    async fn listen(&mut self, router: &RouterId, last_event: Option<&str>) -> Result<(Connection, Incoming), End> {
        let target = format!("/v1/routers/{router}/events");
        for _ in 0..CLOCK_TRIES {
            let mut request = self.request(Some(router), &Method::GET, &target, &Bytes::new())?;
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            if let Some(id) = last_event.and_then(|id| HeaderValue::from_str(id).ok()) {
                request.headers_mut().insert(LAST_EVENT_ID, id);
            }
            let mut stream = self.link.connect().await?;
            let answer = stream.send(request).await?;
            if let Some(answer) = self.learn_time(answer).await? {
                return Ok((stream, self.accepted(answer).await?.into_body()));
            }
        }
        Err(End::Lost(anyhow::anyhow!("the server finds every request too old or too new")))
    }

    /// Sends announces, reports and words as they come.
    async fn serve(
        &mut self,
        router: &RouterId,
        announce: &mut watch::Receiver<Option<Announce>>,
        reports: &Reports,
        words: &Words,
    ) -> Result<Never, End> {
        loop {
            tokio::select! {
                changed = announce.changed() => {
                    changed.map_err(|_| End::NobodyListens)?;
                    self.announce(router, announce).await?;
                }
                () = words.wait() => self.tell(router, words).await?,
                () = reports.wait() => {
                    // One visit makes several reports within a moment.
                    sleep(self.timing.gather).await;
                    self.report(router, reports).await?;
                }
            }
        }
    }

    async fn tell(&mut self, router: &RouterId, words: &Words) -> Result<(), End> {
        let Some(word) = words.next() else { return Ok(()) };
        let (target, body) = words::request(router, &word).map_err(anyhow::Error::from)?;
        let answer = self.exchange(Some(router), Method::POST, &target, &body).await?;
        if answer.status().is_client_error() {
            let problem = self.problem(answer).await;
            // It may have forgotten the challenge, or never have known of any.
            debug!(problem = %told(&problem), target, "the server does not want to know");
        } else {
            self.accepted(answer).await?;
        }
        words.done(&word);
        Ok(())
    }

    async fn report(&mut self, router: &RouterId, reports: &Reports) -> Result<(), End> {
        let Some(batch) = reports.batch() else { return Ok(()) };
        let target = format!("/v1/routers/{router}/reports");
        let answer = self.exchange(Some(router), Method::POST, &target, &body(&batch)?).await?;
        if matches!(answer.status(), StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE) {
            let problem = self.problem(answer).await;
            warn!(problem = %told(&problem), reports = batch.reports.len(), "the server does not take reports");
            reports.give_up();
            return Ok(());
        }
        self.accepted(answer).await?;
        reports.acknowledge();
        debug!(reports = batch.reports.len(), "reported");
        Ok(())
    }

    /// Sends a request, on the connection that is there or a new one. All of them may be sent twice: an announce has
    /// its generation, a batch its name, an enrolment its token and key.
    async fn exchange(
        &mut self,
        router: Option<&RouterId>,
        method: Method,
        target: &str,
        body: &Bytes,
    ) -> Result<Response<Incoming>, End> {
        for _ in 0..CLOCK_TRIES {
            let request = self.request(router, &method, target, body)?;
            let answer = self.send(request).await?;
            if let Some(answer) = self.learn_time(answer).await? {
                return Ok(answer);
            }
        }
        Err(End::Lost(anyhow::anyhow!("the server finds every request too old or too new")))
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, End> {
        if let Some(mut kept) = self.requests.take().filter(Connection::is_open) {
            match kept.send(request.clone()).await {
                Ok(answer) => {
                    self.requests = Some(kept);
                    return Ok(answer);
                }
                // A server closes idle connections, now and then in the very moment in which we use one.
                Err(error) => debug!(%error, "a kept connection was of no use"),
            }
        }
        let mut fresh = self.link.connect().await?;
        let answer = fresh.send(request).await?;
        self.requests = Some(fresh);
        Ok(answer)
    }

    /// The answer, unless it says that our clock is wrong; then the server's time is known and the request is to be
    /// signed again.
    async fn learn_time(&mut self, answer: Response<Incoming>) -> Result<Option<Response<Incoming>>, End> {
        if answer.status() != StatusCode::UNAUTHORIZED {
            return Ok(Some(answer));
        }
        let problem = self.problem(answer).await;
        match problem.now.filter(|_| problem.name() == problem::CLOCK_SKEW) {
            Some(now) => {
                info!("the server's clock and ours differ; signing by the server's");
                self.time.learn(now);
                Ok(None)
            }
            None => Err(refused(&problem)),
        }
    }

    /// The answer, if it is a success.
    async fn accepted(&self, answer: Response<Incoming>) -> Result<Response<Incoming>, End> {
        let status = answer.status();
        if status.is_success() {
            return Ok(answer);
        }
        let problem = self.problem(answer).await;
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(refused(&problem)),
            _ => Err(End::Lost(anyhow::anyhow!("the server answered {}", told(&problem)))),
        }
    }

    /// What an answer that is no success says; never fails, since that is of no interest then.
    async fn problem(&self, answer: Response<Incoming>) -> Problem {
        let status = answer.status();
        let text = read_body(answer.into_body(), self.timing.request, MAX_ANSWER).await.unwrap_or_default();
        let mut problem: Problem = serde_json::from_slice(&text).unwrap_or_else(|_| Problem {
            kind: String::new(),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: 0,
            detail: None,
            now: None,
            generation: None,
        });
        problem.status = status.as_u16();
        problem
    }

    /// A request, signed if a router makes it.
    fn request(
        &self,
        router: Option<&RouterId>,
        method: &Method,
        target: &str,
        body: &Bytes,
    ) -> anyhow::Result<Request<Full<Bytes>>> {
        let authority = self.link.authority();
        let mut request =
            Request::builder().method(method).uri(target).header(HOST, &authority).header(USER_AGENT, AGENT);
        let digest = (!body.is_empty()).then(|| content_digest(body));
        if digest.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        if let Some(router) = router {
            let params = Params { created: self.time.now(), router: router.clone() };
            let covered = signature::Request {
                method: method.as_str(),
                authority: &authority,
                target,
                content_digest: digest.as_deref(),
            };
            let signed = self.identity.sign(signature::base(&covered, &params).as_bytes());
            request = request
                .header(SIGNATURE_INPUT, signature::signature_input(&params, digest.is_some()))
                .header(SIGNATURE, signature::signature(&signed));
        }
        if let Some(digest) = &digest {
            request = request.header(CONTENT_DIGEST, digest);
        }
        Ok(request.body(Full::new(body.clone()))?)
    }
}

/// There is no end without a reason.
pub(super) enum Never {}

pub(super) async fn tell(events: &mpsc::Sender<Event>, event: Event) -> Result<(), End> {
    events.send(event).await.map_err(|_| End::NobodyListens)
}

fn body(value: &impl Serialize) -> anyhow::Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}

fn content_digest(body: &[u8]) -> String {
    signature::content_digest(&sha256(body).0)
}

/// What phones are told to ask (RFC 8908), but for the network: only over https, which they insist on.
#[must_use]
pub fn captive_base(server: &ServerUrl, router: &RouterId) -> Option<String> {
    server.is_tls().then(|| format!("{server}/v1/captive/{router}"))
}

/// How we call ourselves.
pub(super) const AGENT: &str = concat!("welcomed/", env!("CARGO_PKG_VERSION"));
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The longest answer that is no file.
const MAX_ANSWER: usize = 64 * 1024;
/// A second answer about the clock after we took the server's time means that it does not help.
const CLOCK_TRIES: u32 = 2;
/// One to learn what the server has, one to be above it, one in case another agent uses our key.
const GENERATION_TRIES: u32 = 3;
