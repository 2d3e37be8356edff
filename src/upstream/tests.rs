//! The whole link against a server on a real socket.

use std::path::PathBuf;

use bytes::Bytes;
use ring::digest::{SHA256, digest};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use welcome_core::{Audience, Word};
use welcome_proto::Secret;
use welcome_proto::challenge::{self, ChallengeState, WitnessReport};
use welcome_proto::offer::Sender;
use welcome_proto::problem::{self, Problem};
use welcome_proto::report::{Report, ReportBatch, What};
use welcome_proto::signed::Signed;

use super::fake::{Answer, Fake};
use super::trust::tests::{operator, sign};
use super::*;
use crate::tasks::Tasks;

struct Bench {
    announce: watch::Sender<Option<Announce>>,
    reports: Reports,
    words: Words,
    events: mpsc::Receiver<Event>,
    wanted: watch::Receiver<Vec<(Digest, u32)>>,
    missing: watch::Sender<Vec<(Digest, u32)>>,
    fetched: mpsc::Receiver<(Digest, Bytes)>,
    captive: watch::Receiver<Option<String>>,
    tasks: Option<Tasks>,
    task: JoinHandle<anyhow::Result<()>>,
    dir: TempDir,
}

fn start(url: String, ca_file: Option<PathBuf>) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    start_in(dir, url, ca_file)
}

fn start_in(dir: TempDir, url: String, ca_file: Option<PathBuf>) -> Bench {
    let (url, token) = (url.parse().unwrap(), Some(Secret::new("token")));
    let server = Server { url, token, ca_file, allow_plain_http: true, ownership: true };
    let timing = Timing {
        request: Duration::from_secs(3),
        silence: Duration::from_millis(600),
        gather: Duration::from_millis(5),
        file: Duration::from_secs(3),
        finish: Duration::from_secs(1),
    };
    // This seed begins with short waits.
    let mut upstream = Upstream::new(server, dir.path(), 0, timing);
    upstream.backoff = Backoff::new(short_waits());
    let announce = watch::Sender::new(Some(Announce::default()));
    let reports = Reports::default();
    let words = Words::default();
    let (tx, events) = mpsc::channel(256);
    let (want, wanted) = watch::channel(vec![]);
    let missing = watch::Sender::default();
    let (fetch, fetched) = mpsc::channel(1);
    let (tell_captive, captive) = watch::channel(None);
    let lines = Lines {
        announce: announce.subscribe(),
        reports: reports.clone(),
        words: words.clone(),
        events: tx,
        wanted: want,
        content: fetch::Ends { missing: missing.subscribe(), fetched: fetch },
        captive: tell_captive,
    };
    let tasks = Tasks::new();
    let task = tokio::spawn(upstream.run(lines, tasks.stop_signal()));
    Bench { announce, reports, words, events, wanted, missing, fetched, captive, tasks: Some(tasks), task, dir }
}

/// An `offers` event with these statements.
fn push(revision: u64, offers: &[Signed]) -> String {
    let data = serde_json::json!({"revision": revision, "offers": offers}).to_string();
    welcome_proto::sse::encode("offers", Some(&revision.to_string()), &data)
}

fn offer(id: &str) -> Signed {
    sign("r-1", Sender::Server, &format!(r#"{{"id":"{id}","content":{{"title":"t"}}}}"#))
}

/// A seed whose first waits are short.
fn short_waits() -> u64 {
    let is_short = |seed: &u64| {
        let mut backoff = Backoff::new(*seed);
        (0..3).all(|_| backoff.next_wait() < Duration::from_millis(1400))
    };
    (0..).find(is_short).unwrap()
}

fn report(at: u64) -> Report {
    Report { network: "cafe".parse().unwrap(), what: What::Arrived, at: Some(at) }
}

fn batches(seen: &[fake::Seen]) -> Vec<ReportBatch> {
    seen.iter().map(|s| serde_json::from_str(&s.body).unwrap()).collect()
}

impl Bench {
    async fn event(&mut self) -> Event {
        timeout(Duration::from_secs(15), self.events.recv()).await.expect("an event comes").expect("it runs")
    }

    async fn until_connected(&mut self) {
        while self.event().await != Event::ServerLink(ServerLink::Connected) {}
    }

    async fn until_away(&mut self) -> String {
        loop {
            if let Event::ServerLink(ServerLink::Away { reason }) = self.event().await
                && reason != "connecting"
            {
                return reason;
            }
        }
    }

    /// Waits until this text is among the kept offers.
    async fn until_kept(&self, text: &str) {
        let file = self.dir.path().join("offers.json");
        let kept = async {
            while !std::fs::read_to_string(&file).is_ok_and(|kept| kept.contains(text)) {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(5), kept).await.expect("it is kept");
    }

    /// Stops it and leaves what it has kept.
    async fn stop(mut self) -> TempDir {
        drop(self.tasks.take());
        timeout(Duration::from_secs(5), &mut self.task).await.expect("it ends").unwrap().unwrap();
        self.dir
    }

    async fn until_offers(&mut self) -> Vec<String> {
        loop {
            if let Event::ServerOffers(offers) = self.event().await {
                return offers.iter().map(|o| o.offer.id.to_string()).collect();
            }
        }
    }
}

#[tokio::test]
async fn a_router_enrols_announces_listens_and_reports() {
    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    assert_eq!(fake.seen("/enrol").len(), 1);
    assert_eq!(fake.seen("/announce").len(), 1);
    assert!(fake.seen("/events")[0].headers.get("last-event-id").is_none());

    fake.push(&push(7, &[offer("a")])).await;
    assert_eq!(bench.until_offers().await, ["a"]);

    bench.announce.send_replace(Some(Announce::default()));
    let announces = fake.wait_for("/announce", 2).await;
    let last: Announce = serde_json::from_str(&announces[1].body).unwrap();
    assert_eq!(last.generation, 2);

    bench.reports.push(report(1));
    bench.reports.push(report(2));
    let batches = batches(&fake.wait_for("/reports", 1).await);
    assert_eq!(batches[0].reports, [report(1), report(2)]);

    // The last reports go out before the end.
    bench.reports.push(report(3));
    drop(bench.tasks.take());
    timeout(Duration::from_secs(2), &mut bench.task).await.expect("it ends").unwrap().unwrap();
    assert_eq!(fake.seen("/reports").len(), 2);
}

#[tokio::test]
async fn after_a_lost_stream_the_router_comes_back_with_what_it_has() {
    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    fake.push(&push(7, &[])).await;
    assert_eq!(bench.until_offers().await, [""; 0]);
    fake.hang_up();
    assert_eq!(bench.until_away().await, "the server ended the stream");
    bench.until_connected().await;
    assert_eq!(fake.seen("/enrol").len(), 1, "the name is kept");
    assert_eq!(fake.seen("/events")[1].headers["last-event-id"], "7");

    // No sign of life at all.
    assert!(bench.until_away().await.contains("silent"));
}

#[tokio::test]
async fn what_is_forged_or_meant_for_another_is_refused_and_reported_once_a_push() {
    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    let forged = Signed { signature: offer("other").signature, ..offer("forged") };
    let moved = sign("r-2", Sender::Sharer, r#"{"id":"moved","content":{"title":"t"}}"#);
    for revision in [7, 8] {
        fake.push(&push(revision, &[offer("good"), forged.clone(), forged.clone(), moved.clone()])).await;
        let mut refused = Vec::new();
        let offers = loop {
            match bench.event().await {
                Event::Refused { sender, offer } => refused.push((sender, offer.to_string())),
                Event::ServerOffers(offers) => break offers,
                _ => {}
            }
        };
        let expected = [(Sender::Sharer, "moved".to_owned()), (Sender::Server, "forged".to_owned())];
        assert_eq!(refused, expected);
        assert_eq!(offers.len(), 1);
        assert_eq!(offers[0].signed.as_deref(), Some(&offer("good")));
    }
    // Nothing of it is believed later, either.
    let kept = std::fs::read_to_string(bench.dir.path().join("offers.json")).unwrap();
    assert!(kept.contains("good") && !kept.contains("forged") && !kept.contains("moved"));
}

#[tokio::test]
async fn offers_are_there_after_a_restart_without_the_server() {
    let fake = Fake::start().await;
    let url = format!("http://{}", fake.address);
    let mut bench = start(url.clone(), None);
    bench.until_connected().await;
    fake.push(&push(7, &[offer("a"), offer("b")])).await;
    assert_eq!(bench.until_offers().await, ["a", "b"]);
    bench.until_kept("b").await;
    let dir = bench.stop().await;
    drop(fake);

    let mut bench = start_in(dir, url.clone(), None);
    assert_eq!(bench.until_offers().await, ["a", "b"]);
    let dir = bench.stop().await;
    // What somebody did to them meanwhile is seen.
    let file = dir.path().join("offers.json");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replacen("\\\"id\\\":\\\"a", "\\\"id\\\":\\\"x", 1)).unwrap();
    let mut bench = start_in(dir, url, None);
    assert_eq!(bench.until_offers().await, ["b"]);
}

#[tokio::test]
async fn a_router_that_the_server_no_longer_knows_shows_nothing_of_it() {
    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    fake.push(&push(7, &[offer("a")])).await;
    assert_eq!(bench.until_offers().await, ["a"]);
    fake.misbehave("/reports", Answer::Problem(Problem::new(problem::UNKNOWN_ROUTER, 401, "x")));
    bench.reports.push(report(1));
    assert_eq!(bench.until_offers().await, [""; 0]);
    assert!(bench.until_away().await.contains("does not know this router"));
}

#[tokio::test]
async fn what_is_said_live_is_handed_on_once() {
    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    let say = |router: &str, id: &str, until: u64| {
        let when = format!(r#""networks":["cafe"],"when":{{"until":{until}}}"#);
        let say = sign(router, Sender::Server, &format!(r#"{{"id":"{id}",{when},"content":{{"title":"t"}}}}"#));
        welcome_proto::sse::encode("say", None, &serde_json::json!({"say": say}).to_string())
    };
    let in_ten_minutes = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs() + 600;
    for text in [say("r-1", "one", in_ten_minutes), say("r-1", "old", 1), say("r-2", "moved", in_ten_minutes)] {
        fake.push(&text).await;
        fake.push(&text).await;
    }
    fake.push(&say("r-1", "two", in_ten_minutes)).await;
    let (mut said, mut refused) = (Vec::new(), 0);
    while said.last().is_none_or(|last| last != "two") {
        match bench.event().await {
            Event::Say { to, said: given } => {
                assert_eq!(to, Audience::Network("cafe".parse().unwrap()));
                said.push(given.offer.id.to_string());
            }
            Event::Refused { offer, .. } if offer.as_str() == "moved" => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((said, refused), (vec!["one".to_owned(), "two".to_owned()], 2));
}

#[tokio::test]
async fn what_is_missing_is_fetched_once_and_only_as_it_should_be() {
    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    let file = |bytes: &[u8]| {
        let name = Digest(digest(&SHA256, bytes).as_ref().try_into().unwrap());
        (name, u32::try_from(bytes.len()).unwrap())
    };
    let (cake, tea, lie) = (file(b"cake"), file(b"tea"), file(b"truth"));
    let image = |f: (Digest, u32)| format!(r#"{{"digest":"{}","length":{},"type":"image/png"}}"#, f.0, f.1);
    let with = |id: &str, priority: u8, f| {
        let content = format!(r#"{{"title":"t","image":{}}}"#, image(f));
        sign("r-1", Sender::Server, &format!(r#"{{"id":"{id}","priority":{priority},"content":{content}}}"#))
    };
    fake.push(&push(7, &[with("a", 1, tea), with("b", 2, cake)])).await;
    assert_eq!(bench.until_offers().await, ["a", "b"]);
    assert_eq!(*bench.wanted.borrow(), [cake, tea], "best first");

    fake.serve_content(&cake.0.to_string(), b"cake");
    fake.serve_content(&lie.0.to_string(), b"false");
    bench.missing.send_replace(vec![lie, cake]);
    let (name, bytes) = timeout(Duration::from_secs(5), bench.fetched.recv()).await.unwrap().unwrap();
    assert_eq!((name, &bytes[..]), (cake.0, &b"cake"[..]));
    // Whoever keeps it takes its time; another one is added meanwhile, which is longer than was said.
    fake.serve_content(&tea.0.to_string(), b"tea and more");
    bench.missing.send_replace(vec![lie, cake, tea]);
    fake.wait_for(&tea.0.to_string(), 1).await;
    fake.serve_content(&tea.0.to_string(), b"tea");
    let beats = async {
        loop {
            fake.push(welcome_proto::sse::HEART_BEAT).await;
            sleep(Duration::from_millis(100)).await;
        }
    };
    let (name, _) = tokio::select! {
        fetched = timeout(Duration::from_secs(15), bench.fetched.recv()) => fetched.unwrap().unwrap(),
        () = beats => unreachable!("the server's heart beats for ever"),
    };
    assert_eq!(name, tea.0);
    assert_eq!(fake.seen(&cake.0.to_string()).len(), 1);
    assert!(fake.seen(&lie.0.to_string()).len() < 5, "not at every turn");
}

#[tokio::test]
async fn where_phones_may_ask_is_told_for_https_alone() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let fake = Fake::start_tls(&ca).await;
    let port = fake.address.port();
    let mut bench = start(format!("https://localhost:{port}"), Some(ca));
    bench.until_connected().await;
    let expected = format!("https://localhost:{port}/v1/captive/r-1");
    assert_eq!(bench.captive.borrow().as_deref(), Some(expected.as_str()));

    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    assert_eq!(*bench.captive.borrow(), None);
}

#[tokio::test]
async fn a_batch_that_was_cut_off_is_sent_again_under_its_name() {
    let fake = Fake::start().await;
    fake.misbehave("/reports", Answer::Vanish);
    fake.misbehave("/reports", Answer::Vanish);
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    bench.reports.push(report(1));
    fake.wait_for("/reports", 2).await;
    bench.reports.push(report(2));
    bench.until_connected().await;
    let batches = batches(&fake.wait_for("/reports", 4).await);
    assert_eq!((&batches[0], &batches[0]), (&batches[1], &batches[2]), "one name, one content");
    assert_eq!(batches[3].reports, [report(2)]);
    assert_ne!(batches[3].batch, batches[0].batch);
}

#[tokio::test]
async fn the_servers_clock_and_memory_win() {
    let fake = Fake::start().await;
    let problem = |name, status| Problem::new(name, status, "x");
    fake.misbehave("/announce", Answer::Problem(Problem { now: Some(1_000), ..problem(problem::CLOCK_SKEW, 401) }));
    let stale = Problem { generation: Some(41), ..problem(problem::STALE_GENERATION, 409) };
    fake.misbehave("/announce", Answer::Problem(stale));
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    let announces = fake.seen("/announce");
    assert_eq!(announces.len(), 3);
    let input = announces[2].headers["signature-input"].to_str().unwrap();
    assert!(input.contains(";created=10"), "{input}");
    assert_eq!(serde_json::from_str::<Announce>(&announces[2].body).unwrap().generation, 42);
}

#[tokio::test]
async fn a_refusal_says_what_to_do_and_is_not_repeated_soon() {
    for (path, name, status, expected) in [
        ("/enrol", problem::BAD_TOKEN, 403, "does not take the token (403 x): ask its operator for a new one"),
        ("/announce", problem::UNKNOWN_ROUTER, 401, "does not know this router"),
        ("/events", problem::BAD_SIGNATURE, 401, "check the host name in server.url"),
    ] {
        let fake = Fake::start().await;
        fake.misbehave(path, Answer::Problem(Problem::new(name, status, "x")));
        let mut bench = start(format!("http://{}", fake.address), None);
        let reason = bench.until_away().await;
        assert!(reason.contains(expected), "{reason}");
        sleep(Duration::from_secs(2)).await;
        assert_eq!(fake.seen(path).len(), 1);
    }
}

#[tokio::test]
async fn what_the_server_cannot_use_is_not_sent_for_ever() {
    let fake = Fake::start().await;
    fake.misbehave("/announce", Answer::Problem(Problem::new(problem::BAD_REQUEST, 400, "x")));
    fake.misbehave("/reports", Answer::Problem(Problem::new(problem::BAD_REQUEST, 400, "x")));
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    bench.reports.push(report(1));
    let batches = batches(&fake.wait_for("/reports", 2).await);
    assert_eq!(batches[1].reports[0].what, What::Dropped { count: 1 });
}

#[tokio::test]
async fn an_answer_without_end_and_an_event_without_end_are_cut_off() {
    let fake = Fake::start().await;
    fake.misbehave("/enrol", Answer::Endless);
    let mut bench = start(format!("http://{}", fake.address), None);
    let reason = bench.until_away().await;
    assert!(reason.contains("read the answer"), "{reason}");
    bench.until_connected().await;
    let large = format!("data: {}", "x".repeat(300 * 1024));
    fake.push(&large).await;
    let reason = bench.until_away().await;
    assert!(reason.contains("more than 262144 bytes"), "{reason}");
}

#[tokio::test]
async fn only_the_right_certificate_for_the_right_name_is_trusted() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, other) = (dir.path().join("ours.pem"), dir.path().join("other.pem"));
    let fake = Fake::start_tls(&ours).await;
    let _other = Fake::start_tls(&other).await;
    let port = fake.address.port();

    let mut bench = start(format!("https://localhost:{port}"), Some(ours.clone()));
    bench.until_connected().await;
    for (host, ca_file) in [("localhost", Some(other)), ("127.0.0.1", Some(ours)), ("localhost", None)] {
        let mut bench = start(format!("https://{host}:{port}"), ca_file);
        let reason = bench.until_away().await;
        assert!(reason.contains("TLS") || reason.contains("certificates"), "{reason}");
    }
    assert_eq!(fake.seen("").len(), 3, "nothing but the first router's requests came through");
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address() {
    let address = Fake::start().await.address;
    let mut bench = start(format!("http://{address}"), None);
    let reason = bench.until_away().await;
    assert!(reason.starts_with(&format!("connect to http://{address}: ")), "{reason}");
}

#[tokio::test]
async fn a_router_without_a_token_says_what_is_missing_and_a_damaged_key_stays() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("identity.json"), "{").unwrap();
    let fake = Fake::start().await;
    let mut bench = start_in(dir, format!("http://{}", fake.address), None);
    let reason = bench.until_away().await;
    assert!(reason.contains("is damaged; remove it"), "{reason}");
    assert!(fake.seen("").is_empty());
}

#[tokio::test]
async fn a_challenge_comes_down_and_what_became_of_it_goes_up_also_after_a_lost_link() {
    let fake = Fake::start().await;
    let mut bench = start(format!("http://{}", fake.address), None);
    bench.until_connected().await;
    let until = crate::clock::ServerTime::default().now() + 600;
    let challenge = challenge::Challenge {
        router: "r-1".parse().unwrap(),
        id: "c-1".parse().unwrap(),
        network: "cafe".parse().unwrap(),
        ssid: Some("welcome-0123456789abcdef".parse().unwrap()),
        until,
    };
    let push = |challenge: &challenge::Challenge| {
        let signed = Signed::make(challenge, |m| operator().sign(m).as_ref().try_into().unwrap()).unwrap();
        welcome_proto::sse::encode("challenge", None, &serde_json::json!({ "challenge": signed }).to_string())
    };
    let moved = challenge::Challenge { router: "r-2".parse().unwrap(), ..challenge.clone() };
    fake.push(&push(&moved)).await;
    fake.push(&push(&challenge)).await;
    let Event::Challenge(taken) = bench.event().await else { panic!() };
    assert_eq!((taken.id.as_str(), taken.network.as_str()), ("c-1", "cafe"));
    assert!(taken.left > Duration::from_secs(590));

    let state = |state| Word::Challenge("c-1".parse().unwrap(), state);
    fake.misbehave("/challenges/c-1", Answer::Vanish);
    fake.misbehave("/challenges/c-1", Answer::Vanish);
    bench.words.push(state(ChallengeState::OnAir { bssids: vec!["02:00:00:00:01:00".parse().unwrap()] }));
    bench.until_away().await;
    bench.until_connected().await;
    let seen = fake.wait_for("/challenges/c-1", 2).await;
    assert_eq!(seen.last().unwrap().body, r#"{"state":"on-air","bssids":["02:00:00:00:01:00"]}"#);

    // What the server does not want to know keeps nothing from the rest.
    fake.misbehave("/witness/w-1", Answer::Problem(Problem::new(problem::BAD_REQUEST, 404, "x")));
    bench.words.push(Word::Witness("w-1".parse().unwrap(), WitnessReport::default()));
    let count = fake.seen("/challenges/c-1").len();
    bench.words.push(state(ChallengeState::OffAir));
    let seen = fake.wait_for("/challenges/c-1", count + 1).await;
    assert_eq!(seen.last().unwrap().body, r#"{"state":"off-air"}"#);
    assert_eq!(fake.seen("/witness/w-1").len(), 1);
}
