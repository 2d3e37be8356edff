//! From a request to its answer: one table of paths and methods.
//!
//! In: a request, and where it came from. Out: an answer, and events for the core. A station is known by its address
//! alone; nothing it sends makes it somebody else.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Limited};
use hyper::body::Body as HttpBody;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::debug;
use welcome_core::{Event, SessionId, SessionView, View};
use welcome_proto::Digest;
use welcome_proto::captive::{MEDIA_TYPE, is_browser};
use welcome_proto::lan::{self, LanNetwork, Shown, StationOffers, Welcome};
use welcome_proto::language::Preferred;

use super::Limits;
use super::answer::{Body, JSON, Refusal, html, json, nothing, redirect, set};
use super::asked::Asked;
use super::captive;
use super::catch::SentOn;
use super::page;
use super::resume::Had;
use super::stream::{EventStream, Reader, lan_offer};
use super::words::Languages;
use crate::clock::Clock;
use crate::config::Tls;
use crate::passes::Passes;
use crate::tasks::Stop;

/// Gives the bytes of an image or a page, checked; may block.
pub type Contents = Arc<dyn Fn(&Digest) -> Option<Bytes> + Send + Sync>;

/// What is answered where. HEAD goes where GET goes; hyper leaves the body out.
const TABLE: [(&str, Method, Target); 9] = [
    (lan::WELL_KNOWN, Method::GET, Target::Welcome),
    (lan::OFFERS, Method::GET, Target::Offers),
    (lan::STREAM, Method::GET, Target::Stream),
    (lan::SHOWN, Method::POST, Target::Shown),
    (lan::PAGE, Method::GET, Target::Page),
    (lan::CAPTIVE, Method::GET, Target::Captive),
    (lan::ACKNOWLEDGE, Method::POST, Target::Press(Button::Acknowledge)),
    (lan::NO_THANKS, Method::POST, Target::Press(Button::Decline)),
    (lan::PLEASE, Method::POST, Target::Press(Button::Please)),
];

#[derive(Debug, Clone, Copy)]
enum Target {
    Welcome,
    Offers,
    Stream,
    Shown,
    Page,
    Captive,
    Press(Button),
    Content(Digest),
}

/// The buttons of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Button {
    Acknowledge,
    Decline,
    Please,
}

/// Where a request came from.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The station's address; IPv4 as IPv4.
    pub ip: IpAddr,
    /// Ours that the connection was made to.
    pub local: SocketAddr,
    /// How it came.
    pub by: By,
}

/// How a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// To the pages.
    Page,
    /// To the pages over TLS.
    Tls,
    /// By the firewall, on its way to somewhere else.
    Catch {
        /// Where to, as far as the kernel tells.
        original: Option<SocketAddr>,
    },
}

/// What the portal needs of the rest of the agent.
#[derive(Clone)]
pub struct Parts {
    /// What the agent knows.
    pub view: watch::Receiver<Arc<View>>,
    /// Where to tell what happened.
    pub events: mpsc::Sender<Event>,
    /// Whether the router has a way to the Internet.
    pub uplink: watch::Receiver<bool>,
    /// How to let a caught station through.
    pub passes: Passes,
    /// The images and pages.
    pub contents: Contents,
    /// The time.
    pub clock: Clock,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parts")
    }
}

/// Where the portal itself is.
#[derive(Debug, Clone, Default)]
pub struct Whereabouts {
    /// The addresses of the pages.
    pub pages: Vec<SocketAddr>,
    /// The name of the certificate, and the port it is served at.
    pub tls: Option<(String, u16)>,
}

impl Whereabouts {
    /// `https://NAME[:PORT]`.
    pub(super) fn https(&self) -> Option<String> {
        self.tls.as_ref().map(|(name, port)| Tls::base(name, *port))
    }
}

/// What all connections share.
#[derive(Debug)]
pub struct Router {
    limits: Limits,
    pub(super) parts: Parts,
    pub(super) at: Whereabouts,
    stop: Stop,
    languages: Mutex<Arc<Languages>>,
    asked: Mutex<Asked>,
    pub(super) sent_on: Mutex<SentOn>,
    streams: Arc<Semaphore>,
    pub(super) reads: Semaphore,
    /// For the ids of events; see [`Had`].
    seed: [u8; 16],
}

impl Router {
    /// Reads from the parts, tells them what happens.
    #[must_use]
    pub fn new(limits: Limits, parts: Parts, at: Whereabouts, stop: Stop) -> Self {
        let mut seed = [0; 16];
        // Without it ids of another run may hide an offer, once; no reason not to start.
        let _filled = SystemRandom::new().fill(&mut seed).is_ok();
        Self {
            limits,
            parts,
            at,
            stop,
            languages: Mutex::new(Arc::new(Languages::built_in())),
            asked: Mutex::default(),
            sent_on: Mutex::default(),
            streams: Arc::new(Semaphore::new(limits.streams)),
            reads: Semaphore::new(MAX_READS),
            seed,
        }
    }

    /// Speaks these from here on.
    pub fn speak(&self, languages: Languages) {
        *lock(&self.languages) = Arc::new(languages);
    }

    /// The visit behind an address, without looking for it.
    #[must_use]
    pub fn session_at(&self, ip: IpAddr) -> Option<SessionId> {
        self.parts.view.borrow().by_ip.get(&ip).copied()
    }

    /// Answers one request.
    pub async fn answer<B>(&self, caller: Caller, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        let method = request.method().clone();
        let mut answer = match caller.by {
            By::Catch { original } => self.caught(caller, original, &request).await.unwrap_or_else(Refusal::answer),
            By::Page | By::Tls => match find(request.uri().path(), &method) {
                Ok(target) => self.dispatch(target, caller, request).await.unwrap_or_else(Refusal::answer),
                Err(refusal) => refusal.answer(),
            },
        };
        debug!(ip = %caller.ip, by = ?caller.by, %method, status = answer.status().as_u16(), "answered");
        let headers = answer.headers_mut();
        for (name, value) in ALWAYS {
            headers.entry(name).or_insert(HeaderValue::from_static(value));
        }
        if matches!(caller.by, By::Catch { .. }) {
            // Whatever comes next has another connection, which the firewall judges anew.
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        answer
    }

    async fn dispatch<B>(&self, target: Target, caller: Caller, request: Request<B>) -> Result<Response<Body>, Refusal>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        let wanted = request.headers().get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let preferred = wanted.map(Preferred::parse).unwrap_or_default();
        let visitor = match (self.visitor(caller.ip).await, target) {
            // A person gets something to read, and a way to try again.
            (Err(_busy), Target::Page) => return Ok(self.busy(&preferred)),
            (visitor, _) => visitor?,
        };
        if let Target::Captive = target {
            return Ok(self.captive(visitor.as_deref(), request.headers()));
        }
        match (target, visitor.filter(|s| s.guest)) {
            (Target::Welcome, visitor) => Ok(json(StatusCode::OK, JSON, &welcome(visitor.as_deref()))),
            (Target::Page, None) => {
                let languages = self.languages();
                let words = languages.choose(&preferred);
                Ok(html(StatusCode::OK, page::for_others(words), words.language()))
            }
            (Target::Page, Some(session)) => Ok(self.page(&session, &preferred, &request)),
            // Who is no guest pressed a button of an old page.
            (Target::Press(_), None) => Ok(redirect(StatusCode::SEE_OTHER, lan::PAGE)),
            (_, None) => Err(Refusal::NotAGuest),
            (Target::Press(button), Some(session)) => self.press(button, &session, request).await,
            (Target::Offers, Some(session)) => {
                let offers = session.due().map(|o| lan_offer(o, &preferred)).collect();
                Ok(json(StatusCode::OK, JSON, &StationOffers { network: session.network.clone(), offers }))
            }
            (Target::Stream, Some(session)) => {
                let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Refusal::Busy)?;
                let last_id = request.headers().get(LAST_EVENT_ID).and_then(|v| v.to_str().ok()).unwrap_or_default();
                let reader = Reader { session: session.id, preferred, had: Had::parse(self.seed, last_id) };
                let (view, stop) = (self.parts.view.clone(), self.stop.clone());
                let stream = EventStream::new(reader, view, self.limits.heart_beat, stop, place);
                let mut answer = Response::new(Either::Right(stream));
                answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
                Ok(answer)
            }
            (Target::Shown, Some(session)) => {
                let Shown { offers } = self.read_shown(request.into_body()).await?;
                if !offers.is_empty() {
                    self.tell(Event::Shown { session: session.id, offers })?;
                }
                Ok(nothing())
            }
            (Target::Content(digest), Some(session)) => self.content(digest, &session, request.headers()).await,
            (Target::Captive, Some(_)) => Err(Refusal::NotFound), // answered above
        }
    }

    /// The API for operating systems; a browser that was led here sees the page (RFC 8910, section 3).
    fn captive(&self, visit: Option<&SessionView>, headers: &HeaderMap) -> Response<Body> {
        let base = self.at.https();
        let accept = headers.get(header::ACCEPT).and_then(|a| a.to_str().ok()).unwrap_or_default();
        let mut answer = if is_browser(accept) {
            redirect(StatusCode::FOUND, &base.map_or_else(|| lan::PAGE.to_owned(), |base| format!("{base}/")))
        } else {
            let captive = captive::of(visit, self.parts.clock.now().mono, base.as_deref());
            json(StatusCode::OK, MEDIA_TYPE, &captive)
        };
        set(&mut answer, header::VARY, "accept");
        set(&mut answer, header::CACHE_CONTROL, "private, no-store");
        answer
    }

    /// Whose address this is. One that is not known yet is looked up, and there is a while to find it.
    pub(super) async fn visitor(&self, ip: IpAddr) -> Result<Option<Arc<SessionView>>, Refusal> {
        let mut view = self.parts.view.clone();
        let known = |view: &View| view.session_at(ip).cloned();
        if let Some(session) = known(&view.borrow_and_update()) {
            return Ok(Some(session));
        }
        let now = Instant::now();
        let (asked, is_first) = lock(&self.asked).note(now, ip);
        if is_first && self.tell(Event::AddressWanted { ip }).is_err() {
            lock(&self.asked).forget(ip);
            return Err(Refusal::Busy);
        }
        let found = timeout_at(asked + self.limits.address_wait, view.wait_for(|v| known(v).is_some())).await;
        Ok(found.ok().and_then(Result::ok).and_then(|v| known(&v)))
    }

    async fn read_shown<B>(&self, body: B) -> Result<Shown, Refusal>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        let bytes = self.read(body).await?;
        let shown: Shown = serde_json::from_slice(&bytes).map_err(|e| Refusal::BadRequest(e.to_string()))?;
        match shown.offers.len() {
            ..=MAX_SHOWN => Ok(shown),
            many => Err(Refusal::BadRequest(format!("{many} offers; at most {MAX_SHOWN}"))),
        }
    }

    pub(super) async fn read<B>(&self, body: B) -> Result<Bytes, Refusal>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        match timeout(self.limits.body_time, Limited::new(body, MAX_BODY).collect()).await {
            Err(_late) => Err(Refusal::TooSlow),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(Refusal::TooLarge),
            Ok(Err(error)) => Err(Refusal::BadRequest(format!("the body broke off: {error}"))),
            Ok(Ok(whole)) => Ok(whole.to_bytes()),
        }
    }

    pub(super) fn tell(&self, event: Event) -> Result<(), Refusal> {
        self.parts.events.try_send(event).map_err(|_| Refusal::Busy)
    }

    pub(super) fn languages(&self) -> Arc<Languages> {
        Arc::clone(&lock(&self.languages))
    }
}

fn find(path: &str, method: &Method) -> Result<Target, Refusal> {
    let content = || Some((Method::GET, Target::Content(path.strip_prefix(lan::CONTENT)?.parse().ok()?)));
    let row = TABLE.iter().find(|(p, ..)| *p == path).map(|(_, right, target)| (right.clone(), *target));
    let (right, target) = row.or_else(content).ok_or(Refusal::NotFound)?;
    let reads = right == Method::GET;
    match method {
        method if *method == right => Ok(target),
        method if reads && method == Method::HEAD => Ok(target),
        _ => Err(Refusal::WrongMethod(if reads { "GET, HEAD" } else { "POST" })),
    }
}

fn welcome(guest: Option<&SessionView>) -> Welcome {
    Welcome {
        version: 1,
        offers: lan::OFFERS.to_owned(),
        stream: lan::STREAM.to_owned(),
        shown: lan::SHOWN.to_owned(),
        page: lan::PAGE.to_owned(),
        network: guest.map(|s| LanNetwork { id: s.network.clone(), ssid: s.ssid.clone() }),
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is true of one station at one moment is nobody else's, and nothing to keep. Our own forms say where they come
/// from; nobody else hears it.
const ALWAYS: [(header::HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
];
const LAST_EVENT_ID: &str = "last-event-id";
/// The longest body.
const MAX_BODY: usize = 4096;
/// The most offers that one message can call shown; as many as one sender may have.
const MAX_SHOWN: usize = 64;
/// Files that are read at the same time; each takes up to 256 KiB of memory.
const MAX_READS: usize = 4;

#[cfg(test)]
mod tests;
