//! Requests and their answers, without sockets.

use std::time::Duration;

use http_body_util::Full;
use tokio::time::sleep;
use welcome_core::{Access, Mode};
use welcome_proto::offer::{Content, File, FileKind, Image, Offer};
use welcome_proto::problem::{self, Problem};

use super::*;
use crate::passes::{self, Pass};
use crate::portal::people::SETTLE;
use crate::portal::tests::{GUEST, guest_view, offer};
use crate::tasks::Tasks;

struct Bench {
    portal: Router,
    view: watch::Sender<Arc<View>>,
    events: mpsc::Receiver<Event>,
    uplink: watch::Sender<bool>,
    /// What the firewall is asked.
    asked: mpsc::Receiver<Pass>,
    _tasks: Tasks,
}

fn bench(offers: Vec<Offer>) -> Bench {
    bench_with(Limits::default(), offers)
}

fn bench_with(limits: Limits, offers: Vec<Offer>) -> Bench {
    let view = watch::Sender::new(Arc::new(guest_view(offers)));
    let (tx, events) = mpsc::channel(4);
    let tasks = Tasks::new();
    let (passes, asked) = passes::channel();
    let uplink = watch::Sender::new(true);
    let picture = || Some(Bytes::from_static(b"a picture"));
    let contents: Contents = Arc::new(move |digest| (*digest == Digest([1; 32])).then(picture).flatten());
    let clock = Clock::new();
    let parts = Parts { view: view.subscribe(), events: tx, uplink: uplink.subscribe(), passes, contents, clock };
    let at = Whereabouts { pages: vec!["[::]:8910".parse().unwrap()], tls: Some(("router.example".to_owned(), 8912)) };
    let portal = Router::new(limits, parts, at, tasks.stop_signal());
    Bench { portal, view, events, uplink, asked, _tasks: tasks }
}

fn stranger() -> IpAddr {
    "192.0.2.99".parse().unwrap()
}

fn page(ip: IpAddr) -> Caller {
    Caller { ip, local: "127.0.0.1:8910".parse().unwrap(), by: By::Page }
}

async fn text(answer: Response<Body>) -> String {
    match answer.into_body() {
        Either::Left(body) => String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap(),
        Either::Right(_) => "a stream".to_owned(),
    }
}

fn header<'a>(answer: &'a Response<Body>, name: &str) -> &'a str {
    answer.headers().get(name).map_or("", |v| v.to_str().unwrap())
}

impl Bench {
    async fn ask(&self, ip: IpAddr, method: &str, path: &str, body: &str) -> (u16, String) {
        let answer = self.send(page(ip), method, path, &[], body).await;
        (answer.status().as_u16(), text(answer).await)
    }

    async fn send(
        &self,
        from: Caller,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.portal.answer(from, request.body(Full::new(Bytes::from(body.to_owned()))).unwrap()).await;
        assert_eq!(header(&answer, "x-content-type-options"), "nosniff");
        assert!(
            header(&answer, "cache-control").starts_with("private") || header(&answer, "cache-control") == "no-store"
        );
        answer
    }

    /// The guest's visit becomes another one.
    fn change(&self, change: impl FnOnce(&mut SessionView)) {
        let mut view = View::clone(&self.view.borrow());
        let session = view.sessions.values_mut().next().unwrap();
        change(Arc::make_mut(session));
        self.view.send_replace(Arc::new(view));
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

    for (method, path) in [("GET", "/welcome/v1/offers"), ("GET", "/welcome/v1/stream"), ("POST", "/welcome/v1/shown")]
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
    for bad in
        ["", "{", "[]", r#"{"offers":[{"sender":"me","id":"a"}]}"#, r#"{"offers":[{"sender":"device","id":"../a"}]}"#]
    {
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
    assert!(text.contains(">Hello</h2>"));
    assert!(matches!(bench.events.try_recv(), Ok(Event::PageOpened { offers, .. }) if offers.len() == 1));
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
    let answer = bench.send(page(GUEST), "GET", "/", &[], "").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "3"));
    let page_of_its_own = text(answer).await;
    assert!(page_of_its_own.contains("<a href=\"/\">Try again</a>") && page_of_its_own.contains("One moment"));
    let shown = r#"{"offers":[{"sender":"device","id":"a"}]}"#;
    let answer = bench.send(page(GUEST), "POST", lan::SHOWN, &[], shown).await;
    assert_eq!((answer.status().as_u16(), header(&answer, "retry-after")), (503, "1"));
    assert_eq!(bench.ask(stranger(), "GET", "/", "").await.0, 503);
}

#[tokio::test]
async fn when_all_streams_are_taken_pages_are_still_served() {
    let bench = bench_with(Limits { streams: 1, ..Limits::default() }, vec![offer("a", "A", "", None)]);
    let get = || Request::get(lan::STREAM).body(Full::new(Bytes::new())).unwrap();
    let taken = bench.portal.answer(page(GUEST), get()).await;
    assert_eq!(taken.status(), StatusCode::OK);
    assert_eq!(bench.portal.answer(page(GUEST), get()).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(bench.ask(GUEST, "GET", lan::PAGE, "").await.0, 200);
    drop(taken);
    assert_eq!(bench.portal.answer(page(GUEST), get()).await.status(), StatusCode::OK, "its place is free again");
}

#[tokio::test]
async fn the_table_says_what_is_missing_and_what_is_not_allowed() {
    let bench = bench(vec![]);
    assert_eq!(bench.ask(GUEST, "GET", "/welcome/v2/offers", "").await.0, 404);
    for (method, path, allow) in
        [("POST", "/", "GET, HEAD"), ("GET", "/welcome/v1/shown", "POST"), ("PUT", "/welcome/v1/offers", "GET, HEAD")]
    {
        let request = Request::builder().method(method).uri(path).body(Full::<Bytes>::default()).unwrap();
        let answer = bench.portal.answer(page(GUEST), request).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[header::ALLOW]),
            (405, &HeaderValue::from_static(allow))
        );
        assert_eq!(answer.headers()[header::CONTENT_TYPE], problem::MEDIA_TYPE);
    }
}

const HOST: (&str, &str) = ("host", "127.0.0.1:8910");
const ORIGIN: (&str, &str) = ("origin", "http://127.0.0.1:8910");

#[tokio::test(start_paused = true)]
async fn the_button_releases_and_leads_to_the_page_by_a_full_navigation() {
    let mut bench = bench(vec![offer("a", "Hello", "", None)]);
    bench.change(|v| (v.mode, v.access) = (Mode::Gate, Access::Held));
    let held = text(bench.send(page(GUEST), "GET", "/", &[HOST], "").await).await;
    assert!(held.contains("Accept and go online") && !held.contains("You are online"));
    bench.events.recv().await.unwrap();
    let opened = async {
        assert!(matches!(bench.events.recv().await, Some(Event::Acknowledged { .. })));
        sleep(Duration::from_millis(100)).await;
        let mut view = View::clone(&bench.view.borrow());
        let session = Arc::make_mut(view.sessions.values_mut().next().unwrap());
        (session.access, session.until) = (Access::Open, Some(Duration::from_secs(7300)));
        bench.view.send_replace(Arc::new(view));
    };
    let request = Request::post("/acknowledge").header("host", HOST.1).header("origin", ORIGIN.1);
    let start = Instant::now();
    let answer = async { bench.portal.answer(page(GUEST), request.body(Full::<Bytes>::default()).unwrap()).await };
    let (answer, ()) = tokio::join!(answer, opened);
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, "/?thanks"));
    assert_eq!(start.elapsed(), Duration::from_millis(100) + SETTLE, "the firewall has its time");
    let (_, page) = bench.ask(GUEST, "GET", "/?thanks", "").await;
    assert!(page.contains("You are online") && page.contains("for another 2 h 1 min") && page.contains("Thank you"));
}

#[tokio::test(start_paused = true)]
async fn no_thanks_is_obeyed_and_can_be_taken_back() {
    let mut bench = bench(vec![offer("a", "Hello", "", None)]);
    for (path, declined, location) in [("/no-thanks", true, "/?no-thanks"), ("/please", false, "/?please")] {
        let answer = bench.send(page(GUEST), "POST", path, &[HOST, ORIGIN], "").await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (303, location));
        assert!(matches!(bench.events.try_recv(), Ok(Event::Declined { declined: d, .. }) if d == declined));
        bench.change(|v| v.declined = declined);
        let (_, page) = bench.ask(GUEST, "GET", "/", "").await;
        assert_eq!(page.contains("Show messages again"), declined);
        assert_eq!(page.contains(">Hello<"), !declined);
        let Ok(Event::PageOpened { offers, .. }) = bench.events.try_recv() else { panic!() };
        assert_eq!(offers.len(), usize::from(!declined), "what is hidden does not count");
    }
}

#[tokio::test]
async fn a_form_of_another_page_presses_nothing() {
    let mut bench = bench(vec![offer("a", "Hello", "", None)]);
    for headers in [&[HOST, ("origin", "http://attacker.example")][..], &[HOST, ("origin", "null")], &[]] {
        assert_eq!(bench.send(page(GUEST), "POST", "/acknowledge", headers, "").await.status(), 403, "{headers:?}");
    }
    assert_eq!(bench.ask(GUEST, "GET", "/acknowledge", "").await.0, 405);
    assert!(bench.events.try_recv().is_err());
    let answer = bench.send(page(GUEST), "POST", "/acknowledge", &[HOST, ORIGIN], &"x".repeat(5000)).await;
    assert_eq!(answer.status(), 413);
}

#[tokio::test]
async fn what_a_browser_fetches_in_advance_is_not_counted() {
    let mut bench = bench(vec![offer("a", "Hello", "", None)]);
    for advance in [("sec-purpose", "prefetch;prerender"), ("purpose", "prefetch"), ("x-moz", "prefetch")] {
        assert_eq!(bench.send(page(GUEST), "GET", "/", &[advance], "").await.status(), 200);
        assert!(bench.events.try_recv().is_err(), "{advance:?}");
    }
}

#[tokio::test]
async fn pages_and_offers_speak_the_language_of_the_reader() {
    let mut hello = offer("a", "Hello", "", None);
    hello.translations.insert("zh".parse().unwrap(), Content { title: "你好".to_owned(), ..Content::default() });
    let bench = bench(vec![hello]);
    let chinese = [("accept-language", "zh-CN,zh;q=0.9,en;q=0.8")];
    let answer = bench.send(page(GUEST), "GET", "/", &chinese, "").await;
    assert_eq!(header(&answer, "content-language"), "zh");
    let page_text = text(answer).await;
    assert!(
        page_text.contains("<html lang=\"zh\" dir=\"ltr\">")
            && page_text.contains("你好")
            && page_text.contains("您已上网")
    );
    let offers = text(bench.send(page(GUEST), "GET", lan::OFFERS, &chinese, "").await).await;
    let offers: StationOffers = serde_json::from_str(&offers).unwrap();
    assert_eq!(offers.offers[0].content.title, "你好");
}

#[tokio::test(start_paused = true)]
async fn the_captive_portal_api_tells_systems_and_leads_browsers_to_the_page() {
    let bench = bench(vec![offer("a", "Hello", "", None)]);
    bench.change(|v| (v.mode, v.access) = (Mode::Gate, Access::Held));
    let system = [("accept", "application/captive+json")];
    let answer = bench.send(page(GUEST), "GET", lan::CAPTIVE, &system, "").await;
    assert_eq!(header(&answer, "content-type"), "application/captive+json");
    assert_eq!((header(&answer, "cache-control"), header(&answer, "vary")), ("private, no-store", "accept"));
    let expected = r#"{"captive":true,"user-portal-url":"https://router.example:8912/"}"#;
    assert_eq!(text(answer).await, expected);
    assert_eq!(bench.ask(stranger(), "GET", lan::CAPTIVE, "").await, (200, r#"{"captive":false}"#.to_owned()));
    let browser = [("accept", "text/html,*/*;q=0.8")];
    let answer = bench.send(page(GUEST), "GET", lan::CAPTIVE, &browser, "").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, "https://router.example:8912/"));
    assert_eq!(header(&answer, "vary"), "accept");
}

#[tokio::test]
async fn content_is_for_those_whose_offer_it_belongs_to() {
    let mut with_image = offer("a", "Hello", "", None);
    let file = |digest, kind| File { digest: Digest([digest; 32]), length: 9, kind };
    with_image.content.image = Some(Image { file: file(1, FileKind::Png), alt: String::new() });
    with_image.content.page = Some(file(2, FileKind::Html));
    let bench = bench(vec![]);
    let path = |digest| format!("{}{}", lan::CONTENT, Digest([digest; 32]));
    assert_eq!(bench.ask(GUEST, "GET", &path(1), "").await.0, 404, "it belongs to no offer of this visit");
    let view = welcome_core::OfferView {
        sender: welcome_proto::offer::Sender::Device,
        offer: Arc::new(with_image),
        signed: None,
        shown: 0,
        due: true,
    };
    bench.change(|v| v.offers = vec![view]);
    let answer = bench.send(page(GUEST), "GET", &path(1), &[], "").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "content-type")), (200, "image/png"));
    assert_eq!(header(&answer, "cache-control"), "private, max-age=86400, immutable");
    assert!(header(&answer, "content-security-policy").starts_with("sandbox; default-src 'none';"));
    let etag = header(&answer, "etag").to_owned();
    assert_eq!(text(answer).await, "a picture");
    let answer = bench.send(page(GUEST), "GET", &path(1), &[("if-none-match", &etag)], "").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "etag")), (304, etag.as_str()));
    assert_eq!(bench.ask(GUEST, "GET", &path(2), "").await.0, 404, "it is not here");
    assert_eq!(bench.ask(GUEST, "GET", &path(3), "").await.0, 404);
    assert_eq!(bench.ask(GUEST, "GET", "/welcome/v1/content/../x", "").await.0, 404);
    assert_eq!(bench.ask(GUEST, "POST", &path(1), "").await.0, 405);
}

/// A connection that the firewall has turned to us on its way to 198.51.100.7.
fn caught(local: &str) -> Caller {
    let original = Some("198.51.100.7:80".parse().unwrap());
    Caller { ip: GUEST, local: local.parse().unwrap(), by: By::Catch { original } }
}

const APPLE: (&str, &str) = ("host", "captive.apple.com");

#[tokio::test]
async fn a_caught_probe_is_shown_the_way_to_the_page() {
    let mut bench = bench(vec![offer("a", "Hello", "", None)]);
    bench.change(|v| (v.mode, v.access) = (Mode::Splash, Access::Catch));
    for (local, page) in [
        ("192.168.1.1:8911", "http://192.168.1.1:8910/"),
        ("[::ffff:192.168.1.1]:8911", "http://192.168.1.1:8910/"),
        ("[2001:db8::1]:8911", "http://[2001:db8::1]:8910/"),
        // The guest has 127.0.0.1, and we are that, too.
        ("[fe80::1]:8911", "http://127.0.0.1:8910/"),
    ] {
        let answer = bench.send(caught(local), "GET", "/hotspot-detect.html", &[APPLE], "").await;
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, page));
        assert_eq!((header(&answer, "cache-control"), header(&answer, "connection")), ("no-store", "close"));
        assert!(text(answer).await.contains(&format!("<a href=\"{page}\">")));
        assert!(matches!(bench.events.try_recv(), Ok(Event::Caught { .. })));
    }
    bench.change(|v| v.addresses = vec!["fe80::2".parse().unwrap()]);
    let answer = bench.send(caught("[fe80::1]:8911"), "GET", "/", &[APPLE], "").await;
    assert_eq!(header(&answer, "location"), "https://router.example:8912/", "no other address is known");
}

#[tokio::test]
async fn a_held_station_is_shown_the_way_for_any_get_and_refused_the_rest() {
    let mut bench = bench(vec![]);
    bench.change(|v| (v.mode, v.access) = (Mode::Gate, Access::Held));
    let local = caught("192.168.1.1:8911");
    let answer = bench.send(local, "GET", "/news", &[("host", "example.org")], "").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "location")), (302, "http://192.168.1.1:8910/"));
    assert!(bench.events.try_recv().is_err(), "no system has asked");
    let answer = bench.send(local, "POST", "/", &[("host", "example.org")], "x").await;
    assert_eq!((answer.status().as_u16(), header(&answer, "connection")), (403, "close"));
    assert!(bench.asked.try_recv().is_err(), "nobody is let through");
}

#[tokio::test]
async fn what_is_no_probe_is_let_through_to_where_it_wanted_to_go() {
    let mut bench = bench(vec![offer("a", "Hello", "", None)]);
    bench.change(|v| (v.mode, v.access) = (Mode::Splash, Access::Catch));
    let example = ("host", "example.org");
    for (lets_through, expected) in [(true, (307, "http://example.org/a?b=c")), (false, (503, ""))] {
        let firewall = async {
            let pass = bench.asked.recv().await.unwrap();
            assert_eq!((pass.mac.0[5], pass.ip), (1, "198.51.100.7".parse().unwrap()));
            pass.done.send(lets_through).unwrap();
        };
        let request = Request::post("/a?b=c").header(example.0, example.1).body(Full::new(Bytes::from("x"))).unwrap();
        let (answer, ()) = tokio::join!(bench.portal.answer(caught("192.168.1.1:8911"), request), firewall);
        assert_eq!((answer.status().as_u16(), header(&answer, "location")), expected);
        assert_eq!(header(&answer, "connection"), "close");
    }
    // Made to the port itself: there is nowhere to let it through to.
    let direct =
        Caller { by: By::Catch { original: Some("192.168.1.1:8911".parse().unwrap()) }, ..caught("192.168.1.1:8911") };
    assert_eq!(bench.send(direct, "GET", "/", &[example], "").await.status(), 503);
    let unknown = Caller { by: By::Catch { original: None }, ..direct };
    assert_eq!(bench.send(unknown, "GET", "/", &[example], "").await.status(), 503);
    assert!(bench.asked.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn without_an_uplink_systems_hear_what_keeps_them_here() {
    let bench = bench(vec![offer("a", "Hello", "", None)]);
    bench.uplink.send_replace(false);
    let stranger = Caller { ip: stranger(), ..caught("192.168.1.1:8911") };
    for from in [caught("192.168.1.1:8911"), stranger] {
        let answer = bench.send(from, "GET", "/hotspot-detect.html", &[APPLE], "").await;
        assert_eq!(answer.status(), 200);
        assert!(text(answer).await.contains("<TITLE>Success</TITLE>"));
        let android = ("host", "connectivitycheck.gstatic.com");
        let answer = bench.send(from, "GET", "/generate_204", &[android], "").await;
        assert_eq!((answer.status().as_u16(), header(&answer, "connection")), (204, "close"));
        assert_eq!(bench.send(from, "GET", "/", &[("host", "example.org")], "").await.status(), 503);
    }
    let (_, page) = bench.ask(GUEST, "GET", "/", "").await;
    assert!(page.contains("This Wi-Fi has no Internet connection"));
}
