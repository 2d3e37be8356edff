//! One session with the server, from the first connection to its end: enrol, announce, listen, report.
//!
//! In: the latest announce, reports, and what the server sends. Out: offers as events. Keeps what must outlive a lost
//! connection: the server's time, the generation of the announce, the id of the last push.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use ring::digest::{SHA256, digest};
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, info, warn};
use welcome_core::{Event, ServerLink};
use welcome_proto::announce::Announce;
use welcome_proto::enrol::{EnrolReply, EnrolRequest};
use welcome_proto::problem::{self, Problem};
use welcome_proto::signature::{self, Params};
use welcome_proto::{RouterId, Secret, sse};

use super::Timing;
use super::identity::Identity;
use super::link::{Connection, Link, read_body};
use super::push::read_offers;
use super::reports::Reports;
use crate::clock::ServerTime;

/// The agent's side of the conversation.
#[derive(Debug)]
pub struct Session {
    link: Arc<Link>,
    identity: Identity,
    server: String,
    token: Option<Secret>,
    timing: Timing,
    time: ServerTime,
    /// Of the announce that was sent last.
    generation: u64,
    /// Of the offers that were taken last.
    last_event: Option<String>,
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
    /// To the app.
    pub events: mpsc::Sender<Event>,
}

/// Why a session is over.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// It may go better soon.
    #[error("{0:#}")]
    Lost(#[from] anyhow::Error),
    /// It will not go better until somebody does something.
    #[error("{0}")]
    Refused(String),
    /// The agent has ended.
    #[error("the agent has ended")]
    NobodyListens,
}

impl Session {
    /// Nothing is sent yet.
    #[must_use]
    pub fn new(link: Arc<Link>, identity: Identity, server: String, token: Option<Secret>, timing: Timing) -> Self {
        let time = ServerTime::default();
        Self {
            link,
            identity,
            server,
            token,
            timing,
            time,
            generation: 0,
            last_event: None,
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
            && let Some(router) = self.router().cloned()
            && reports.batch().is_some()
        {
            if let Err(error) = self.report(&router, reports).await {
                debug!(%error, "the last reports did not reach the server");
                return;
            }
        }
    }

    async fn talk(&mut self, ends: &mut Ends) -> Result<Never, End> {
        let router = match self.router() {
            Some(router) => router.clone(),
            None => self.enrol().await?,
        };
        self.announce(&router, &mut ends.announce).await?;
        let (stream, body) = self.listen(&router).await?;
        info!("connected to the server");
        self.connected = Some(Instant::now());
        tell(&ends.events, Event::ServerLink(ServerLink::Connected)).await?;
        let mut last_event = self.last_event.take();
        let events = ends.events.clone();
        let listening = read_stream(body, self.timing.silence, &mut last_event, &events);
        let outcome = tokio::select! {
            end = listening => end,
            end = self.serve(&router, ends) => end,
        };
        drop(stream);
        self.last_event = last_event;
        outcome
    }

    fn router(&self) -> Option<&RouterId> {
        self.identity.router(&self.server, self.token.as_ref())
    }

    async fn enrol(&mut self) -> Result<RouterId, End> {
        let Some(token) = self.token.clone() else {
            let what = "this router is not registered: ask the server's operator for a token and set server.token";
            return Err(End::Refused(what.to_owned()));
        };
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let request = EnrolRequest { token: token.clone(), public_key: self.identity.public_key(), version };
        let answer = self.exchange(None, Method::POST, "/v1/enrol", &body(&request)?).await?;
        let answer = self.accepted(answer).await?;
        let text = read_body(answer.into_body(), self.timing.request).await?;
        let EnrolReply { router } = serde_json::from_slice(&text).map_err(|e| not_understood("enrolment", &e))?;
        self.identity.keep_router(router.clone(), &self.server, &token)?;
        info!(%router, "registered with the server");
        Ok(router)
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
    async fn listen(&mut self, router: &RouterId) -> Result<(Connection, Incoming), End> {
        let target = format!("/v1/routers/{router}/events");
        for _ in 0..CLOCK_TRIES {
            let mut request = self.request(Some(router), &Method::GET, &target, &Bytes::new())?;
            request.headers_mut().insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
            if let Some(id) = self.last_event.as_deref().and_then(|id| HeaderValue::from_str(id).ok()) {
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

    /// Sends announces and reports as they come.
    async fn serve(&mut self, router: &RouterId, ends: &mut Ends) -> Result<Never, End> {
        loop {
            tokio::select! {
                changed = ends.announce.changed() => {
                    changed.map_err(|_| End::NobodyListens)?;
                    self.announce(router, &mut ends.announce).await?;
                }
                () = ends.reports.wait() => {
                    // One visit makes several reports within a moment.
                    sleep(self.timing.gather).await;
                    self.report(router, &ends.reports).await?;
                }
            }
        }
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
        let text = read_body(answer.into_body(), self.timing.request).await.unwrap_or_default();
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

/// Takes offers from the stream until it ends or falls silent.
async fn read_stream(
    mut body: Incoming,
    silence: Duration,
    last_event: &mut Option<String>,
    events: &mpsc::Sender<Event>,
) -> Result<Never, End> {
    let mut decoder = sse::Decoder::new(MAX_PUSH);
    loop {
        let frame = timeout(silence, body.frame()).await;
        let frame = frame.map_err(|_| anyhow::anyhow!("the server has been silent for {} s", silence.as_secs()))?;
        let frame = frame.ok_or_else(|| anyhow::anyhow!("the server ended the stream"))?;
        let frame = frame.map_err(|e| anyhow::anyhow!("the stream broke: {e}"))?;
        let Ok(bytes) = frame.into_data() else { continue };
        for event in decoder.push(&bytes).map_err(anyhow::Error::from)? {
            if event.name != EVENT_OFFERS {
                debug!(event = event.name, "an event that this version does not know");
                continue;
            }
            if let Some((revision, offers)) = read_offers(&event.data) {
                info!(revision, offers = offers.len(), "offers came from the server");
                tell(events, Event::ServerOffers(offers)).await?;
                *last_event = event.id;
            }
        }
    }
}

/// There is no end without a reason.
enum Never {}

async fn tell(events: &mpsc::Sender<Event>, event: Event) -> Result<(), End> {
    events.send(event).await.map_err(|_| End::NobodyListens)
}

fn refused(problem: &Problem) -> End {
    let told = told(problem);
    End::Refused(match problem.name() {
        problem::BAD_TOKEN => {
            format!("the server does not take the token ({told}): ask its operator for a new one and set server.token")
        }
        problem::UNKNOWN_ROUTER => {
            format!("the server does not know this router ({told}): ask its operator for a token and set server.token")
        }
        problem::BAD_SIGNATURE => {
            format!("the server does not take our signature ({told}): check the host name in server.url")
        }
        _ => format!("the server refuses: {told}"),
    })
}

fn told(problem: &Problem) -> String {
    let Problem { status, title, detail, .. } = problem;
    match detail {
        Some(detail) => format!("{status} {title}: {detail}"),
        None => format!("{status} {title}"),
    }
}

fn body(value: &impl Serialize) -> anyhow::Result<Bytes> {
    Ok(serde_json::to_vec(value)?.into())
}

fn content_digest(body: &[u8]) -> String {
    let sha256 = digest(&SHA256, body);
    signature::content_digest(sha256.as_ref().try_into().expect("SHA-256 has 32 bytes"))
}

fn not_understood(what: &str, error: &serde_json::Error) -> End {
    End::Lost(anyhow::anyhow!("the answer to the {what} cannot be understood: {error}"))
}

const AGENT: &str = concat!("welcomed/", env!("CARGO_PKG_VERSION"));
const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SIGNATURE: HeaderName = HeaderName::from_static("signature");
const SIGNATURE_INPUT: HeaderName = HeaderName::from_static("signature-input");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
const EVENT_OFFERS: &str = "offers";
/// The longest event: 64 offers with every text at its limit and in a script of three bytes a letter would be more, but
/// no operator writes that.
const MAX_PUSH: usize = 256 * 1024;
/// A second answer about the clock after we took the server's time means that it does not help.
const CLOCK_TRIES: u32 = 2;
/// One to learn what the server has, one to be above it, one in case another agent uses our key.
const GENERATION_TRIES: u32 = 3;
