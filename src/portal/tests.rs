//! The portal on real sockets: what one station may take, and that others are served meanwhile.

use sorted::{SortedMap, SortedSet};
use std::net::IpAddr;
use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use welcome_core::{Agent, Event, NetworkRules, Now, Rules, View};
use welcome_proto::Mac;
use welcome_proto::offer::{Content, Offer};

use super::*;
use crate::clock::Clock;
use crate::tasks::Tasks;

pub(super) const GUEST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

pub(super) fn offer(id: &str, title: &str, text: &str, link: Option<&str>) -> Offer {
    let content =
        Content { title: title.to_owned(), text: text.to_owned(), link: link.map(str::to_owned), ..Content::default() };
    Offer { content, ..Offer::new(id.parse().unwrap(), title) }
}

/// The picture of one guest at [`GUEST`] with these offers; the visit is the same in each.
pub(super) fn guest_view(offers: Vec<Offer>) -> View {
    let network = NetworkRules { ifnames: SortedSet::from(["w".to_owned()]), ..NetworkRules::default() };
    let rules = Rules { networks: SortedMap::from([("cafe".parse().unwrap(), network)]), offers, ownership: false };
    let mut agent = Agent::default();
    let mac = Mac([2, 0, 0, 0, 0, 1]);
    let now = Now::default();
    for event in [
        Event::Rules(rules),
        Event::StationAuthorized { ifname: "w".to_owned(), mac, key: None },
        Event::AddressLearned { mac, ip: GUEST },
    ] {
        assert!(!agent.handle(now, event).is_empty());
    }
    agent.view()
}

struct Bench {
    address: SocketAddr,
    caught: SocketAddr,
    tls: Option<SocketAddr>,
    view: watch::Sender<Arc<View>>,
    tasks: Tasks,
    task: JoinHandle<anyhow::Result<()>>,
    _events: mpsc::Receiver<Event>,
}

fn start(limits: Limits, offers: Vec<Offer>) -> Bench {
    start_with(limits, offers, None)
}

fn start_with(limits: Limits, offers: Vec<Offer>, tls: Option<Tls>) -> Bench {
    let any = vec!["127.0.0.1:0".parse().unwrap()];
    let portal = Portal::bind(&Doors { pages: any.clone(), catch: any, tls }, limits).unwrap();
    let at = |door| portal.local_addrs(door).unwrap().first().copied();
    let (address, caught, tls) = (at(Door::Page).unwrap(), at(Door::Catch).unwrap(), at(Door::Tls));
    let view = watch::Sender::new(Arc::new(guest_view(offers)));
    let (events, heard) = mpsc::channel(256);
    let tasks = Tasks::new();
    let parts = Parts {
        view: view.subscribe(),
        events,
        uplink: watch::channel(false).1,
        passes: crate::passes::channel().0,
        contents: Arc::new(|_| None),
        clock: Clock::new(),
    };
    let config = Config::parse(Path::new("welcomed"), b"").unwrap();
    let task = tokio::spawn(portal.run(parts, watch::channel(Arc::new(config)).1, tasks.stop_signal()));
    Bench { address, caught, tls, view, tasks, task, _events: heard }
}

fn quick() -> Limits {
    Limits { head_time: Duration::from_millis(200), write_time: Duration::from_millis(300), ..Limits::default() }
}

const OFFERS: &str = "GET /welcome/v1/offers HTTP/1.1\r\nhost: x\r\n";

impl Bench {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// The whole answer to a request on a connection of its own.
    async fn ask(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_all(&mut stream).await
    }

    async fn is_alive(&self) {
        let answer = self.ask(&format!("{OFFERS}connection: close\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
}

/// Whatever comes until the end, however it ends.
async fn read_all(stream: &mut TcpStream) -> String {
    let mut all = Vec::new();
    let _clean = timeout(Duration::from_secs(10), stream.read_to_end(&mut all)).await.expect("the end comes").is_ok();
    String::from_utf8_lossy(&all).into_owned()
}

#[tokio::test]
async fn a_head_of_a_megabyte_is_refused() {
    let bench = start(Limits::default(), vec![]);
    let mut stream = bench.connect().await;
    let head = format!("{OFFERS}x: {}\r\n\r\n", "x".repeat(1 << 20));
    // It may be closed before all of it is written.
    let _whole = stream.write_all(head.as_bytes()).await.is_ok();
    let answer = read_all(&mut stream).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431 "), "{answer}");
    bench.is_alive().await;
}

#[tokio::test]
async fn a_head_that_comes_slowly_and_a_silent_connection_are_closed() {
    let bench = start(quick(), vec![]);
    let start = Instant::now();
    let mut silent = bench.connect().await;
    let mut slow = bench.connect().await;
    for byte in OFFERS.bytes() {
        if slow.write_all(&[byte]).await.is_err() {
            break;
        }
        sleep(Duration::from_millis(20)).await;
    }
    read_all(&mut slow).await;
    read_all(&mut silent).await;
    assert!(start.elapsed() < Duration::from_secs(3));
    bench.is_alive().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let bench = start(Limits { body_time: Duration::from_millis(100), ..Limits::default() }, vec![]);
    let head = "POST /welcome/v1/shown HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n{";
    assert!(bench.ask(head).await.starts_with("HTTP/1.1 408 "));
    let large = "POST /welcome/v1/shown HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(4096));
    assert!(bench.ask(&format!("{large}{chunk}{chunk}")).await.starts_with("HTTP/1.1 413 "));
    bench.is_alive().await;
}

#[tokio::test]
async fn one_station_cannot_take_the_place_of_others() {
    let bench = start(Limits::default(), vec![]);
    // 127.0.0.1 holds what it may of one door and asks for much more; another station, and its own page, are served all
    // the while.
    for (full, still_open) in [(bench.caught, bench.address), (bench.address, bench.caught)] {
        let mut greedy = Vec::new();
        for _ in 0..500 {
            greedy.push(TcpStream::connect(full).await.unwrap());
        }
        let mut closed = 0;
        for stream in &mut greedy {
            let mut byte = [0; 1];
            if let Ok(outcome) = timeout(Duration::from_millis(30), stream.read(&mut byte)).await {
                assert!(matches!(outcome, Ok(0) | Err(_)));
                closed += 1;
            }
        }
        assert_eq!(closed, 500 - Limits::default().per_station);
        for (from, to) in [("127.0.0.1:0", still_open), ("127.0.0.2:0", full), ("127.0.0.2:0", still_open)] {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(from.parse().unwrap()).unwrap();
            let mut other = socket.connect(to).await.unwrap();
            other.write_all(b"GET / HTTP/1.1\r\nhost: captive.apple.com\r\nconnection: close\r\n\r\n").await.unwrap();
            let answer = read_all(&mut other).await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{from} to {to}: {answer}");
        }
    }
}

#[tokio::test]
async fn all_strangers_together_leave_room_for_guests() {
    let bench = start(Limits { connections: 8, ..Limits::default() }, vec![]);
    let mut strangers = Vec::new();
    for n in 2..10u8 {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, n], 0))).unwrap();
        strangers.push(socket.connect(bench.address).await.unwrap());
    }
    sleep(Duration::from_millis(50)).await;
    bench.is_alive().await;
}

#[tokio::test]
async fn a_caught_connection_has_one_answer() {
    let bench = start(Limits::default(), vec![]);
    let probe = "GET /generate_204 HTTP/1.1\r\nhost: connectivitycheck.gstatic.com\r\n\r\n";
    let mut stream = TcpStream::connect(bench.caught).await.unwrap();
    stream.write_all(probe.repeat(50).as_bytes()).await.unwrap();
    let answers = read_all(&mut stream).await;
    assert!(answers.starts_with("HTTP/1.1 204 ") && answers.contains("connection: close"), "{answers}");
    assert_eq!(answers.matches("HTTP/1.1").count(), 1, "what was piped behind it has to come anew");
}

/// A new certificate and its key in `dir`; the certificate to trust.
fn certify(dir: &Path) -> rustls_pki_types::CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(vec!["router.example".to_owned()]).unwrap();
    std::fs::write(dir.join("key"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(dir.join("cert"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

/// The page over TLS, if the router has this certificate.
async fn page_over_tls(at: SocketAddr, trusted: &rustls_pki_types::CertificateDer<'static>) -> io::Result<String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(at).await?;
    let name = "router.example".try_into().unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: router.example\r\nconnection: close\r\n\r\n").await?;
    let mut all = String::new();
    stream.read_to_string(&mut all).await?;
    Ok(all)
}

fn over_tls(dir: &Path) -> Option<Tls> {
    let listen = vec!["127.0.0.1:0".parse().unwrap()];
    Some(Tls { name: "router.example".to_owned(), cert: dir.join("cert"), key: dir.join("key"), listen })
}

#[tokio::test]
async fn a_new_certificate_is_served_while_it_runs_and_a_bad_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let first = certify(dir.path());
    let limits = Limits { certificate_look: Duration::from_millis(50), ..quick() };
    let bench = start_with(limits, vec![offer("a", "Hello", "", None)], over_tls(dir.path()));
    let at = bench.tls.unwrap();
    let page = page_over_tls(at, &first).await.unwrap();
    assert!(page.starts_with("HTTP/1.1 200 ") && page.contains(">Hello</h2>"), "{page}");

    let second = certify(dir.path());
    let renewed = async { while page_over_tls(at, &second).await.is_err() {} };
    timeout(Duration::from_secs(5), renewed).await.expect("the new one is taken");
    assert!(page_over_tls(at, &first).await.is_err());

    std::fs::write(dir.path().join("cert"), "half a certif").unwrap();
    sleep(Duration::from_millis(200)).await;
    page_over_tls(at, &second).await.expect("the old one stays");
}

#[tokio::test]
async fn a_handshake_has_its_deadline_and_plain_http_is_none() {
    let dir = tempfile::tempdir().unwrap();
    certify(dir.path());
    let bench = start_with(quick(), vec![], over_tls(dir.path()));
    let start = Instant::now();
    let mut silent = TcpStream::connect(bench.tls.unwrap()).await.unwrap();
    read_all(&mut silent).await;
    assert!(start.elapsed() < Duration::from_secs(3));
    let mut plain = TcpStream::connect(bench.tls.unwrap()).await.unwrap();
    plain.write_all(OFFERS.as_bytes()).await.unwrap();
    assert!(!read_all(&mut plain).await.contains("HTTP"));
}

#[tokio::test]
async fn without_a_certificate_the_pages_are_served_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let bench = start_with(quick(), vec![], over_tls(dir.path()));
    assert_eq!(read_all(&mut TcpStream::connect(bench.tls.unwrap()).await.unwrap()).await, "");
    bench.is_alive().await;
}

#[tokio::test]
async fn a_full_portal_closes_and_has_room_again() {
    let bench = start(Limits { connections: 2, ..Limits::default() }, vec![]);
    let held = [bench.connect().await, bench.connect().await];
    sleep(Duration::from_millis(50)).await;
    assert_eq!(bench.ask("").await, "");
    drop(held);
    sleep(Duration::from_millis(50)).await;
    bench.is_alive().await;
}

#[tokio::test]
async fn a_reader_that_stops_is_given_up() {
    let text = "x".repeat(2000);
    let many = || (0..60).map(|i| offer(&format!("o{i}"), "t", &text, None)).collect::<Vec<_>>();
    let bench = start(quick(), many());
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let mut deaf = socket.connect(bench.address).await.unwrap();
    deaf.write_all(b"GET /welcome/v1/stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    sleep(Duration::from_millis(1500)).await;
    let mut got = Vec::new();
    let end = timeout(Duration::from_secs(5), deaf.read_to_end(&mut got)).await.expect("it was closed");
    let sent = String::from_utf8_lossy(&got).matches("event: offer").count();
    assert!(sent < 60, "{sent} of 60 came, {end:?}");
    bench.is_alive().await;
}

#[tokio::test]
async fn a_stream_brings_offers_and_ends_with_the_agent() {
    let bench = start(Limits::default(), vec![offer("a", "Hello", "", None)]);
    let mut stream = bench.connect().await;
    stream.write_all(b"GET /welcome/v1/stream HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut got = String::new();
    let mut buffer = [0; 4096];
    while !got.contains("Hello") {
        let n = timeout(Duration::from_secs(5), stream.read(&mut buffer)).await.unwrap().unwrap();
        got += &String::from_utf8_lossy(&buffer[..n]);
    }
    assert!(got.contains("content-type: text/event-stream"));
    bench.view.send_replace(Arc::new(guest_view(vec![offer("b", "Again", "", None)])));
    assert!(bench.tasks.stop(Duration::from_secs(1)).await.is_empty());
    let rest = read_all(&mut stream).await;
    assert!(rest.contains("event: bye"), "{rest}");
    timeout(Duration::from_secs(2), bench.task).await.expect("it ends").unwrap().unwrap();
}

#[test]
fn every_address_of_the_machine_includes_ipv4() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let doors = Doors { pages: vec!["[::]:0".parse().unwrap()], ..Doors::default() };
        let portal = Portal::bind(&doors, Limits::default()).unwrap();
        let port = portal.local_addrs(Door::Page).unwrap()[0].port();
        TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    });
}
