//! The whole link against a server on a real socket.

use std::path::PathBuf;

use tempfile::TempDir;
use tokio::task::JoinHandle;
use welcome_proto::Secret;
use welcome_proto::problem::{self, Problem};
use welcome_proto::report::{Report, ReportBatch, What};

use super::fake::{Answer, Fake};
use super::*;
use crate::tasks::Tasks;

struct Bench {
    announce: watch::Sender<Option<Announce>>,
    reports: Reports,
    events: mpsc::Receiver<Event>,
    tasks: Option<Tasks>,
    task: JoinHandle<anyhow::Result<()>>,
    _dir: TempDir,
}

fn start(url: String, ca_file: Option<PathBuf>) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    start_in(dir, url, ca_file)
}

fn start_in(dir: TempDir, url: String, ca_file: Option<PathBuf>) -> Bench {
    let server =
        Server { url: url.parse().unwrap(), token: Some(Secret::new("token")), ca_file, allow_plain_http: true };
    let timing = Timing {
        request: Duration::from_secs(3),
        silence: Duration::from_millis(600),
        gather: Duration::from_millis(5),
        finish: Duration::from_secs(1),
    };
    // This seed begins with short waits.
    let mut upstream = Upstream::new(server, dir.path(), 0, timing);
    upstream.backoff = Backoff::new(short_waits());
    let announce = watch::Sender::new(Some(Announce::default()));
    let reports = Reports::default();
    let (tx, events) = mpsc::channel(256);
    let tasks = Tasks::new();
    let task = tokio::spawn(upstream.run(announce.subscribe(), reports.clone(), tx, tasks.stop_signal()));
    Bench { announce, reports, events, tasks: Some(tasks), task, _dir: dir }
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

    async fn until_offers(&mut self) -> Vec<String> {
        loop {
            if let Event::ServerOffers(offers) = self.event().await {
                return offers.iter().map(|o| o.id.to_string()).collect();
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

    fake.push(
        "event: offers\nid: 7\ndata: {\"revision\":7,\"offers\":[{\"id\":\"a\",\"content\":{\"title\":\"t\"}}]}\n\n",
    )
    .await;
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
    fake.push("event: offers\nid: 7\ndata: {\"revision\":7,\"offers\":[]}\n\n").await;
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
