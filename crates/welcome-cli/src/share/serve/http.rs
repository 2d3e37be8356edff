//! The messages of a network over HTTP, in the form in which a router has them (`welcome_proto::lan`).
//!
//! In: connections of anybody in the network, and what is to be said. Out: the messages, and nothing of this computer. It
//! answers GET alone, reads no body, and knows nobody: who asks is told what is due at this hour. Connections, headers and
//! times have limits; a connection that fails is its own matter.

use super::stock::{Message, Stock};
use crate::calendar;
use bytes::Bytes;
use futures_util::stream::unfold;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{ACCEPT_LANGUAGE, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use welcome_proto::lan::{self, LanNetwork, LanOffer, StationOffers, Welcome};
use welcome_proto::language::Preferred;
use welcome_proto::sse;

/// What is said.
#[derive(Debug)]
pub(super) struct Said {
    network: LanNetwork,
    messages: Vec<Message>,
}

impl Said {
    /// What may be said of it.
    pub(super) fn of(stock: &Stock) -> Self {
        let network = LanNetwork { id: stock.network.clone(), ssid: Some(stock.ssid.clone()) };
        Self { network, messages: stock.messages() }
    }

    /// Where.
    pub(super) fn network(&self) -> &LanNetwork {
        &self.network
    }

    /// How many messages there are, due or not.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    fn due(&self, preferred: &Preferred) -> Vec<LanOffer> {
        let due = self.messages.iter().filter(|message| calendar::holds(&message.offer.when));
        let offer = |Message { sender, offer, signed }: &Message| LanOffer {
            id: offer.id.clone(),
            sender: *sender,
            content: preferred.content(offer).0.clone(),
            signed: Some(signed.clone()),
        };
        due.map(offer).collect()
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = if self.len() == 1 { "message" } else { "messages" };
        write!(f, "{} {messages} of {}", self.len(), self.network.id)
    }
}

/// Serves at these listeners until it is dropped, and all connections with it.
pub(super) async fn serve(listeners: Vec<TcpListener>, said: watch::Receiver<Arc<Said>>, places: Places) -> Infallible {
    let mut accepting = JoinSet::new();
    for listener in listeners {
        accepting.spawn(accept(listener, said.clone(), places.clone()));
    }
    while accepting.join_next().await.is_some() {}
    std::future::pending().await
}

async fn accept(listener: TcpListener, said: watch::Receiver<Arc<Said>>, places: Places) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    // Who has more than its share is hung up on.
                    if let Some(place) = places.take(peer.ip()) {
                        connections.spawn(connection(stream, said.clone(), place));
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "could not accept a connection");
                    sleep(PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, said: watch::Receiver<Arc<Said>>, _place: Place) {
    let service = service_fn(|request| {
        let answer = answer(&request, &said);
        async { Ok::<_, Infallible>(answer) }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(MAX_HEADER)
        .keep_alive(false)
        // What time it is here is nobody's business.
        .auto_date_header(false);
    // Whatever went wrong concerns this connection alone.
    drop(timeout(STAY, http.serve_connection(TokioIo::new(stream), service)).await);
}

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

fn answer(request: &Request<Incoming>, said: &watch::Receiver<Arc<Said>>) -> Answer {
    if request.method() != Method::GET {
        let mut answer = empty(StatusCode::METHOD_NOT_ALLOWED);
        answer.headers_mut().insert(ALLOW, HeaderValue::from_static("GET"));
        return answer;
    }
    let now = Arc::clone(&said.borrow());
    match request.uri().path() {
        lan::WELL_KNOWN => json(&Welcome {
            version: 1,
            offers: lan::OFFERS.to_owned(),
            stream: lan::STREAM.to_owned(),
            shown: lan::SHOWN.to_owned(),
            page: lan::PAGE.to_owned(),
            network: Some(now.network.clone()),
        }),
        lan::OFFERS => json(&StationOffers { network: now.network.id.clone(), offers: now.due(&preferred(request)) }),
        lan::STREAM => stream(Stream { said: said.clone(), preferred: preferred(request), had: BTreeSet::new() }),
        _ => empty(StatusCode::NOT_FOUND),
    }
}

fn preferred(request: &Request<Incoming>) -> Preferred {
    let header = request.headers().get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
    Preferred::parse(header.unwrap_or_default())
}

fn json(value: &impl Serialize) -> Answer {
    match serde_json::to_vec(value) {
        Ok(bytes) => answered("application/json", Full::new(bytes.into()).boxed_unsync()),
        Err(_) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

fn empty(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default().boxed_unsync());
    *answer.status_mut() = status;
    answer
}

fn answered(media_type: &'static str, body: UnsyncBoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer
}

/// The live stream of somebody: each message once, and a sign of life.
struct Stream {
    said: watch::Receiver<Arc<Said>>,
    preferred: Preferred,
    /// The signatures of what was sent.
    had: BTreeSet<String>,
}

fn stream(stream: Stream) -> Answer {
    let events = unfold(stream, |mut stream| async {
        let text = stream.next().await?;
        Some((Ok::<_, Infallible>(Frame::data(Bytes::from(text))), stream))
    });
    answered("text/event-stream", StreamBody::new(events).boxed_unsync())
}

impl Stream {
    /// `None` when nothing will come any more.
    async fn next(&mut self) -> Option<String> {
        loop {
            let due = self.said.borrow_and_update().due(&self.preferred);
            let mut text = String::new();
            for offer in due {
                let is_new = offer.signed.as_ref().is_some_and(|signed| self.had.insert(signed.signature.clone()));
                if let Some(data) = serde_json::to_string(&offer).ok().filter(|_| is_new) {
                    text += &sse::encode(lan::EVENT_OFFER, None, &data);
                }
            }
            if !text.is_empty() {
                return Some(text);
            }
            match timeout(BEAT, self.said.changed()).await {
                Ok(changed) => changed.ok()?,
                // An hour may have come.
                Err(_) => return Some(sse::HEART_BEAT.to_owned()),
            }
        }
    }
}

/// The connections that there are, by who has them.
#[derive(Debug, Clone, Default)]
pub(super) struct Places(Arc<Mutex<BTreeMap<IpAddr, usize>>>);

/// One of them, until it is dropped.
struct Place {
    places: Places,
    peer: IpAddr,
}

impl Places {
    fn take(&self, peer: IpAddr) -> Option<Place> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.values().sum::<usize>() >= MOST || taken.get(&peer).is_some_and(|own| *own >= MOST_OF_ONE) {
            return None;
        }
        *taken.entry(peer).or_default() += 1;
        Some(Place { places: self.clone(), peer })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.peer);
            }
        }
    }
}

/// The least that hyper takes.
const MAX_HEADER: usize = 8 << 10;
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// Also for who reads nothing of what comes. Whoever wants to go on comes back.
const STAY: Duration = Duration::from_secs(600);
const BEAT: Duration = Duration::from_secs(15);
/// Connections in all, and from one address.
const MOST: usize = 64;
const MOST_OF_ONE: usize = 8;
/// After a connection that could not be accepted: most often there are too many.
const PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::stock::tests::{signed, stock};
    use super::*;
    use crate::kept::now;
    use crate::lan_http::{Error, Router, body};
    use serde_json::{Value, json};
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::task::JoinHandle;

    struct Here {
        router: Router,
        said: watch::Sender<Arc<Said>>,
        serving: JoinHandle<Infallible>,
    }

    impl Here {
        async fn saying(offers: &[Value]) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (said, receiver) = watch::channel(Arc::new(say(offers)));
            let serving = tokio::spawn(serve(vec![listener], receiver, Places::default()));
            let router = Router { address, interface: None, languages: "de-at".to_owned() };
            Self { router, said, serving }
        }

        async fn get(&self, path: &str) -> Value {
            let response = self.router.get(path, "application/json").await.unwrap();
            assert_eq!(response.status(), 200, "{path}");
            serde_json::from_slice(&body(response, 1 << 16).await.unwrap()).unwrap()
        }

        fn address(&self) -> SocketAddr {
            self.router.address
        }
    }

    fn say(offers: &[Value]) -> Said {
        Said::of(&stock(offers.iter().map(|offer| signed(1, "r-1", offer)).collect()))
    }

    fn hello() -> Value {
        json!({ "id": "hello", "content": { "title": "Hi" }, "translations": { "de": { "title": "Hallo" } } })
    }

    #[tokio::test]
    async fn it_speaks_as_a_router_does_in_the_language_of_who_asks() {
        let here = Here::saying(&[hello()]).await;
        let welcome: Welcome = serde_json::from_value(here.get(lan::WELL_KNOWN).await).unwrap();
        assert_eq!((welcome.version, welcome.network.unwrap().id.as_str()), (1, "kiosk"));
        let told: StationOffers = serde_json::from_value(here.get(&welcome.offers).await).unwrap();
        let [offer] = told.offers.as_slice() else { panic!("{told:?}") };
        assert_eq!((offer.content.title.as_str(), offer.sender.as_str()), ("Hallo", "sharer"));
        assert_eq!(offer.signed, Some(signed(1, "r-1", &hello())));
    }

    #[tokio::test]
    async fn what_is_not_due_is_not_said() {
        let at = |id: &str, when: Value| json!({ "id": id, "when": when, "content": { "title": id } });
        let offers = [
            at("over", json!({ "until": now() - 1 })),
            at("later", json!({ "from": now() + 60 })),
            at("due", json!({ "from": now() - 60, "until": now() + 60 })),
        ];
        let here = Here::saying(&offers).await;
        let told = here.get(lan::OFFERS).await;
        assert_eq!(told["offers"].as_array().unwrap().len(), 1, "{told}");
        assert_eq!(told["offers"][0]["id"], "due");
    }

    #[tokio::test]
    async fn the_stream_has_each_message_once_and_what_is_new() {
        let here = Here::saying(&[hello()]).await;
        let mut stream = here.router.get(lan::STREAM, "text/event-stream").await.unwrap();
        let mut next = async || {
            let frame = timeout(Duration::from_secs(5), stream.frame()).await.unwrap().unwrap().unwrap();
            String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap()
        };
        assert!(next().await.contains("Hallo"));
        here.said.send_replace(Arc::new(say(&[hello(), json!({ "id": "b", "content": { "title": "New" } })])));
        let told = next().await;
        assert!(told.contains("New") && !told.contains("Hallo"), "{told}");
    }

    #[tokio::test]
    async fn it_answers_get_alone_and_tells_nothing_of_the_computer() {
        let here = Here::saying(&[hello()]).await;
        assert_eq!(here.router.post(lan::SHOWN, b"{}".to_vec()).await.unwrap().status(), 405);
        for path in ["/", "/etc/passwd", "/welcome/v1/content/00", "/..%2f"] {
            assert_eq!(here.router.get(path, "*/*").await.unwrap().status(), 404, "{path}");
        }
        let answer = here.router.get(lan::WELL_KNOWN, "*/*").await.unwrap();
        let mut names: Vec<_> = answer.headers().keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        let expected = ["cache-control", "connection", "content-length", "content-type", "x-content-type-options"];
        assert_eq!(names, expected);
    }

    #[tokio::test]
    async fn a_header_that_is_too_long_or_none_is_answered_by_no_message() {
        let here = Here::saying(&[hello()]).await;
        let long = format!("GET {} HTTP/1.1\r\nx: {}\r\n\r\n", lan::OFFERS, "x".repeat(MAX_HEADER));
        for request in [long.as_bytes(), b"\x16\x03\x01\r\n\r\n", b"GET\r\n\r\n"] {
            let mut stream = TcpStream::connect(here.address()).await.unwrap();
            // It may be closed before all is written.
            drop(stream.write_all(request).await);
            let mut told = Vec::new();
            drop(timeout(Duration::from_secs(5), stream.read_to_end(&mut told)).await.unwrap());
            assert!(!String::from_utf8_lossy(&told).contains("Hi"));
            assert!(!String::from_utf8_lossy(&told).starts_with("HTTP/1.1 2"));
        }
        assert_eq!(here.get(lan::OFFERS).await["network"], "kiosk", "others are served all the same");
    }

    #[tokio::test]
    async fn one_address_has_so_many_connections_and_no_more() {
        let here = Here::saying(&[hello()]).await;
        let mut open = Vec::new();
        for _ in 0..MOST_OF_ONE {
            open.push(here.router.get(lan::STREAM, "text/event-stream").await.unwrap());
        }
        assert!(matches!(here.router.get(lan::OFFERS, "*/*").await, Err(Error::Http(_) | Error::Connect(_))));
        drop(open);
        let again = async { while here.router.get(lan::OFFERS, "*/*").await.is_err() {} };
        timeout(Duration::from_secs(5), again).await.expect("whoever left makes room");
    }

    #[test]
    fn all_together_have_so_many_connections_and_no_more() {
        let places = Places::default();
        let peer = |n: usize| IpAddr::from([10, 0, 0, u8::try_from(n).unwrap()]);
        let mut taken: Vec<_> = (0..MOST).map(|n| places.take(peer(n)).unwrap()).collect();
        assert!(places.take(peer(MOST)).is_none());
        taken.pop();
        assert!(places.take(peer(MOST)).is_some());
    }

    #[tokio::test]
    async fn who_ends_it_ends_its_connections() {
        let here = Here::saying(&[hello()]).await;
        let mut stream = here.router.get(lan::STREAM, "text/event-stream").await.unwrap();
        assert!(stream.frame().await.unwrap().is_ok());
        here.serving.abort();
        let end = timeout(Duration::from_secs(5), stream.frame()).await.expect("it ends");
        assert!(end.is_none_or(|frame| frame.is_err()));
    }
}
