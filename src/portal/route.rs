//! From a request to its answer: one table of paths and methods.
//!
//! In: a request and the address it came from. Out: an answer, and events for the core. A station is known by its
//! address alone; nothing it sends makes it somebody else.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Either, Full, Limited};
use hyper::body::Body as HttpBody;
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{debug, warn};
use welcome_core::{Event, SessionView, View};
use welcome_proto::lan::{self, LanNetwork, Shown, ShownOffer, StationOffers, Welcome};
use welcome_proto::problem::{self, Problem};

use super::asked::Asked;
use super::stream::{EventStream, lan_offer};
use super::{Limits, page};
use crate::tasks::Stop;

/// The body of an answer.
pub type Body = Either<Full<Bytes>, EventStream>;

/// What is answered where. HEAD goes where GET goes; hyper leaves the body out.
const TABLE: [(&str, Method, Target); 5] = [
    (lan::WELL_KNOWN, Method::GET, Target::Welcome),
    (lan::OFFERS, Method::GET, Target::Offers),
    (lan::STREAM, Method::GET, Target::Stream),
    (lan::SHOWN, Method::POST, Target::Shown),
    (lan::PAGE, Method::GET, Target::Page),
];

#[derive(Debug, Clone, Copy)]
enum Target {
    Welcome,
    Offers,
    Stream,
    Shown,
    Page,
}

/// What all connections share.
#[derive(Debug)]
pub struct Router {
    limits: Limits,
    view: watch::Receiver<Arc<View>>,
    events: mpsc::Sender<Event>,
    stop: Stop,
    asked: Mutex<Asked>,
    streams: Arc<Semaphore>,
}

impl Router {
    /// Reads from `view`, tells `events`.
    #[must_use]
    pub fn new(limits: Limits, view: watch::Receiver<Arc<View>>, events: mpsc::Sender<Event>, stop: Stop) -> Self {
        let streams = Arc::new(Semaphore::new(limits.streams));
        Self { limits, view, events, stop, asked: Mutex::default(), streams }
    }

    /// Answers one request from `ip`.
    pub async fn answer<B>(&self, ip: IpAddr, request: Request<B>) -> Response<Body>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        let method = request.method().clone();
        let mut answer = match find(request.uri().path(), &method) {
            Ok(target) => self.dispatch(target, ip, request).await.unwrap_or_else(Refusal::answer),
            Err(refusal) => refusal.answer(),
        };
        debug!(%ip, %method, status = answer.status().as_u16(), "answered");
        let headers = answer.headers_mut();
        for (name, value) in ALWAYS {
            headers.insert(name, HeaderValue::from_static(value));
        }
        answer
    }

    async fn dispatch<B>(&self, target: Target, ip: IpAddr, request: Request<B>) -> Result<Response<Body>, Refusal>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        let is_head = request.method() == Method::HEAD;
        let visitor = self.visitor(ip).await?.filter(|s| s.guest);
        match (target, visitor) {
            (Target::Welcome, visitor) => Ok(json(StatusCode::OK, JSON, &welcome(visitor.as_deref()))),
            (Target::Page, None) => Ok(html(page::for_others())),
            (Target::Page, Some(session)) => {
                if !is_head {
                    let shown = page::on_page(&session).filter(|o| o.shown < o.offer.cap_per_visit);
                    let shown = shown.map(|o| ShownOffer { sender: o.sender, id: o.offer.id.clone() }).collect();
                    self.tell_shown(&session, shown)?;
                }
                Ok(html(page::for_guest(&session)))
            }
            (_, None) => Err(Refusal::NotAGuest),
            (Target::Offers, Some(session)) => {
                let offers = session.due().map(lan_offer).collect();
                Ok(json(StatusCode::OK, JSON, &StationOffers { network: session.network.clone(), offers }))
            }
            (Target::Stream, Some(session)) => {
                let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| Refusal::Busy)?;
                let (view, stop) = (self.view.clone(), self.stop.clone());
                let stream = EventStream::new(session.id, view, self.limits.heart_beat, stop, place);
                Ok(typed(StatusCode::OK, "text/event-stream", Either::Right(stream)))
            }
            (Target::Shown, Some(session)) => {
                let shown = self.read_shown(request.into_body()).await?;
                self.tell_shown(&session, shown)?;
                Ok(typed(StatusCode::NO_CONTENT, JSON, Either::Left(Full::default())))
            }
        }
    }

    /// Whose address this is. One that is not known yet is looked up, and there is a while to find it.
    async fn visitor(&self, ip: IpAddr) -> Result<Option<Arc<SessionView>>, Refusal> {
        let mut view = self.view.clone();
        let known = |view: &View| view.session_at(ip).cloned();
        if let Some(session) = known(&view.borrow_and_update()) {
            return Ok(Some(session));
        }
        let now = Instant::now();
        let (asked, is_first) = self.asked.lock().unwrap_or_else(PoisonError::into_inner).note(now, ip);
        if is_first && self.events.try_send(Event::AddressWanted { ip }).is_err() {
            self.asked.lock().unwrap_or_else(PoisonError::into_inner).forget(ip);
            return Err(Refusal::Busy);
        }
        let found = timeout_at(asked + self.limits.address_wait, view.wait_for(|v| known(v).is_some())).await;
        Ok(found.ok().and_then(Result::ok).and_then(|v| known(&v)))
    }

    async fn read_shown<B>(&self, body: B) -> Result<Vec<ShownOffer>, Refusal>
    where
        B: HttpBody<Error: std::error::Error + Send + Sync + 'static>,
    {
        let whole = timeout(self.limits.body_time, Limited::new(body, MAX_BODY).collect()).await;
        let bytes = match whole {
            Err(_late) => return Err(Refusal::TooSlow),
            Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => return Err(Refusal::TooLarge),
            Ok(Err(error)) => return Err(Refusal::BadRequest(format!("the body broke off: {error}"))),
            Ok(Ok(whole)) => whole.to_bytes(),
        };
        let Shown { offers } = serde_json::from_slice(&bytes).map_err(|e| Refusal::BadRequest(e.to_string()))?;
        if offers.len() > MAX_SHOWN {
            return Err(Refusal::BadRequest(format!("{} offers; at most {MAX_SHOWN}", offers.len())));
        }
        Ok(offers)
    }

    fn tell_shown(&self, session: &SessionView, offers: Vec<ShownOffer>) -> Result<(), Refusal> {
        if offers.is_empty() {
            return Ok(());
        }
        self.events.try_send(Event::Shown { session: session.id, offers }).map_err(|_| Refusal::Busy)
    }
}

/// An IPv4 address as IPv4, however the socket shows it.
#[must_use]
pub fn plain(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(ip, IpAddr::V4),
        IpAddr::V4(_) => ip,
    }
}

fn find(path: &str, method: &Method) -> Result<Target, Refusal> {
    let (_, right, target) = TABLE.iter().find(|(p, ..)| *p == path).ok_or(Refusal::NotFound)?;
    let reads = *right == Method::GET;
    match method {
        method if method == right => Ok(*target),
        method if reads && method == Method::HEAD => Ok(*target),
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

/// Why a request gets no answer of its kind.
#[derive(Debug)]
enum Refusal {
    NotFound,
    WrongMethod(&'static str),
    NotAGuest,
    BadRequest(String),
    TooLarge,
    TooSlow,
    Busy,
}

impl Refusal {
    fn answer(self) -> Response<Body> {
        let (status, name, title) = match &self {
            Self::NotFound => (StatusCode::NOT_FOUND, None, "There is nothing here"),
            Self::WrongMethod(_) => (StatusCode::METHOD_NOT_ALLOWED, None, "This path is not for that method"),
            Self::NotAGuest => (StatusCode::NOT_FOUND, Some(problem::NOT_A_GUEST), "This device is no guest here"),
            Self::BadRequest(_) => (StatusCode::BAD_REQUEST, Some(problem::BAD_REQUEST), "The body cannot be used"),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, None, "The body is longer than 4 KiB"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, None, "The body did not come in time"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, None, "The router is busy; ask again in a moment"),
        };
        let mut problem = Problem::new(name.unwrap_or_default(), status.as_u16(), title);
        if name.is_none() {
            "about:blank".clone_into(&mut problem.kind);
        }
        let (extra, detail) = match self {
            Self::WrongMethod(allow) => (Some((header::ALLOW, allow)), None),
            Self::Busy => (Some((header::RETRY_AFTER, "1")), None),
            Self::BadRequest(detail) => (None, Some(detail)),
            _ => (None, None),
        };
        problem.detail = detail;
        let mut answer = json(status, problem::MEDIA_TYPE, &problem);
        if let Some((name, value)) = extra {
            answer.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        answer
    }
}

fn json(status: StatusCode, media_type: &'static str, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(text) => typed(status, media_type, Either::Left(Full::new(text.into()))),
        Err(error) => {
            warn!(%error, "an answer could not be written");
            typed(StatusCode::INTERNAL_SERVER_ERROR, media_type, Either::Left(Full::default()))
        }
    }
}

fn html(text: String) -> Response<Body> {
    let mut answer = typed(StatusCode::OK, "text/html; charset=utf-8", Either::Left(Full::new(text.into())));
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(page::CSP));
    answer
}

fn typed(status: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media_type));
    answer
}

const JSON: &str = "application/json";
/// What is true of one station at one moment is nobody else's, and nothing to keep.
const ALWAYS: [(header::HeaderName, &str); 3] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
];
/// The longest body.
const MAX_BODY: usize = 4096;
/// The most offers that one message can call shown; as many as one sender may have.
const MAX_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use welcome_proto::offer::Offer;

    use super::*;
    use crate::portal::tests::{GUEST, guest_view, offer};
    use crate::tasks::Tasks;

    struct Bench {
        portal: Router,
        view: watch::Sender<Arc<View>>,
        events: mpsc::Receiver<Event>,
        _tasks: Tasks,
    }

    fn bench(offers: Vec<Offer>) -> Bench {
        bench_with(Limits::default(), offers)
    }

    fn bench_with(limits: Limits, offers: Vec<Offer>) -> Bench {
        let view = watch::Sender::new(Arc::new(guest_view(offers)));
        let (tx, events) = mpsc::channel(4);
        let tasks = Tasks::new();
        let portal = Router::new(limits, view.subscribe(), tx, tasks.stop_signal());
        Bench { portal, view, events, _tasks: tasks }
    }

    fn stranger() -> IpAddr {
        "192.0.2.99".parse().unwrap()
    }

    impl Bench {
        async fn ask(&self, ip: IpAddr, method: &str, path: &str, body: &str) -> (u16, String) {
            let request =
                Request::builder().method(method).uri(path).body(Full::new(Bytes::from(body.to_owned()))).unwrap();
            let answer = self.portal.answer(ip, request).await;
            let status = answer.status().as_u16();
            assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
            match answer.into_body() {
                Either::Left(body) => {
                    (status, String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap())
                }
                Either::Right(_) => (status, "a stream".to_owned()),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_finds_everything_and_others_find_nothing() {
        let bench = bench(vec![offer("a", "Hello", "", None)]);
        let (status, text) = bench.ask(GUEST, "GET", "/.well-known/welcome", "").await;
        assert_eq!(status, 200);
        let welcome: Welcome = serde_json::from_str(&text).unwrap();
        assert_eq!(welcome.network.unwrap().id.as_str(), "cafe");
        let (_, text) = bench.ask(GUEST, "GET", "/welcome/v1/offers", "").await;
        let offers: StationOffers = serde_json::from_str(&text).unwrap();
        assert_eq!(offers.offers.len(), 1);
        assert_eq!(bench.ask(GUEST, "GET", "/welcome/v1/stream", "").await, (200, "a stream".to_owned()));

        for (method, path) in
            [("GET", "/welcome/v1/offers"), ("GET", "/welcome/v1/stream"), ("POST", "/welcome/v1/shown")]
        {
            let (status, text) = bench.ask(stranger(), method, path, "{}").await;
            let problem: Problem = serde_json::from_str(&text).unwrap();
            assert_eq!((status, problem.name()), (404, "not-a-guest"));
        }
        let (_, text) = bench.ask(stranger(), "GET", "/.well-known/welcome", "").await;
        assert_eq!(serde_json::from_str::<Welcome>(&text).unwrap().network, None);
        let (status, text) = bench.ask(stranger(), "GET", "/", "").await;
        assert!(status == 200 && text.contains("Nothing to see"));
    }

    #[tokio::test]
    async fn what_was_shown_is_told_and_must_make_sense() {
        let mut bench = bench(vec![offer("a", "Hello", "", None)]);
        let body = r#"{"offers":[{"sender":"device","id":"a"}]}"#;
        assert_eq!(bench.ask(GUEST, "POST", "/welcome/v1/shown", body).await.0, 204);
        let Some(Event::Shown { offers, .. }) = bench.events.recv().await else { panic!() };
        assert_eq!(offers[0].id.as_str(), "a");
        for bad in [
            "",
            "{",
            "[]",
            r#"{"offers":[{"sender":"me","id":"a"}]}"#,
            r#"{"offers":[{"sender":"device","id":"../a"}]}"#,
        ] {
            let (status, text) = bench.ask(GUEST, "POST", "/welcome/v1/shown", bad).await;
            let problem: Problem = serde_json::from_str(&text).unwrap();
            assert_eq!((status, problem.name()), (400, "bad-request"), "{bad}");
        }
        let many = format!("{{\"offers\":[{}]}}", vec![r#"{"sender":"device","id":"a"}"#; 65].join(","));
        assert_eq!(bench.ask(GUEST, "POST", "/welcome/v1/shown", &many).await.0, 400);
        assert_eq!(bench.ask(GUEST, "POST", "/welcome/v1/shown", &" ".repeat(4097)).await.0, 413);
        assert!(bench.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn opening_the_page_counts_and_looking_at_its_head_does_not() {
        let mut bench = bench(vec![offer("a", "Hello", "", None)]);
        assert_eq!(bench.ask(GUEST, "HEAD", "/", "").await.0, 200);
        assert!(bench.events.try_recv().is_err());
        let (_, text) = bench.ask(GUEST, "GET", "/", "").await;
        assert!(text.contains("<h2>Hello</h2>"));
        assert!(matches!(bench.events.try_recv(), Ok(Event::Shown { offers, .. }) if offers.len() == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_unknown_address_is_looked_up_once_and_waited_for() {
        let mut bench = bench(vec![]);
        let known = Arc::clone(&bench.view.borrow());
        bench.view.send_replace(Arc::default());
        let answer = async {
            let (one, other) = tokio::join!(
                bench.ask(GUEST, "GET", "/welcome/v1/offers", ""),
                bench.ask(GUEST, "GET", "/welcome/v1/offers", "")
            );
            (one.0, other.0)
        };
        let teach = async {
            tokio::time::sleep(Duration::from_millis(1900)).await;
            bench.view.send_replace(known);
        };
        assert_eq!(tokio::join!(answer, teach).0, (200, 200));
        assert_eq!(bench.events.try_recv(), Ok(Event::AddressWanted { ip: GUEST }));
        assert!(bench.events.try_recv().is_err(), "asked once");
    }

    #[tokio::test(start_paused = true)]
    async fn who_stays_unknown_waits_two_seconds_and_is_asked_for_again_after_ten() {
        let mut bench = bench(vec![]);
        let start = Instant::now();
        assert_eq!(bench.ask(stranger(), "GET", "/welcome/v1/offers", "").await.0, 404);
        assert_eq!(start.elapsed().as_secs(), 2);
        assert_eq!(bench.ask(stranger(), "GET", "/welcome/v1/offers", "").await.0, 404);
        assert_eq!(start.elapsed().as_secs(), 2, "the second one does not wait");
        tokio::time::advance(Duration::from_secs(9)).await;
        assert_eq!(bench.ask(stranger(), "GET", "/welcome/v1/offers", "").await.0, 404);
        assert!(bench.events.try_recv().is_ok() && bench.events.try_recv().is_ok() && bench.events.try_recv().is_err());
    }

    #[tokio::test]
    async fn a_full_queue_is_a_busy_router() {
        let bench = bench(vec![offer("a", "Hello", "", None)]);
        for _ in 0..4 {
            assert_eq!(bench.ask(GUEST, "GET", "/", "").await.0, 200);
        }
        let answer = bench.portal.answer(GUEST, Request::new(Full::<Bytes>::default())).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[header::RETRY_AFTER]),
            (503, &HeaderValue::from_static("1"))
        );
        assert_eq!(bench.ask(stranger(), "GET", "/", "").await.0, 503);
    }

    #[tokio::test]
    async fn when_all_streams_are_taken_pages_are_still_served() {
        let bench = bench_with(Limits { streams: 1, ..Limits::default() }, vec![offer("a", "A", "", None)]);
        let get = || Request::get(lan::STREAM).body(Full::new(Bytes::new())).unwrap();
        let taken = bench.portal.answer(GUEST, get()).await;
        assert_eq!(taken.status(), StatusCode::OK);
        assert_eq!(bench.portal.answer(GUEST, get()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(bench.ask(GUEST, "GET", lan::PAGE, "").await.0, 200);
        drop(taken);
        assert_eq!(bench.portal.answer(GUEST, get()).await.status(), StatusCode::OK, "its place is free again");
    }

    #[tokio::test]
    async fn the_table_says_what_is_missing_and_what_is_not_allowed() {
        let bench = bench(vec![]);
        assert_eq!(bench.ask(GUEST, "GET", "/welcome/v2/offers", "").await.0, 404);
        for (method, path, allow) in [
            ("POST", "/", "GET, HEAD"),
            ("GET", "/welcome/v1/shown", "POST"),
            ("PUT", "/welcome/v1/offers", "GET, HEAD"),
        ] {
            let request = Request::builder().method(method).uri(path).body(Full::<Bytes>::default()).unwrap();
            let answer = bench.portal.answer(GUEST, request).await;
            assert_eq!(
                (answer.status().as_u16(), &answer.headers()[header::ALLOW]),
                (405, &HeaderValue::from_static(allow))
            );
            assert_eq!(answer.headers()[header::CONTENT_TYPE], problem::MEDIA_TYPE);
        }
    }

    #[test]
    fn an_ipv4_address_is_one_address_on_every_socket() {
        let v4: IpAddr = "192.0.2.1".parse().unwrap();
        assert_eq!(plain("::ffff:192.0.2.1".parse().unwrap()), v4);
        assert_eq!(plain(v4), v4);
        assert_eq!(plain("fe80::1".parse().unwrap()), "fe80::1".parse::<IpAddr>().unwrap());
    }
}
