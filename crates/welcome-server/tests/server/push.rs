//! Event streams over real sockets: how fast, how much, and how they end.

use std::time::{Duration, Instant};

use crate::common::{Events, Router, SOON, Server, exchange, network};
use http::{Method, StatusCode};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use sqlx::AnyConnection;
use sqlx::Connection as _;
use tempfile::tempdir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{sleep, timeout};
use welcome_proto::offer::{SayPush, Sender};
use welcome_proto::signed::{Signed, Statement};

#[tokio::test]
async fn a_change_reaches_an_open_stream_within_a_second() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (router, other) = (server.router(true).await, server.router(true).await);
    let (mut events, mut others) = (router.events(None).await, other.events(None).await);
    assert_eq!(events.titles().await, (0, vec![]));
    assert_eq!(others.titles().await, (0, vec![]));

    for (revision, title) in [(1, "Hello"), (2, "Hello again")] {
        let began = Instant::now();
        assert_eq!(server.put_offer(&router.id, "hello", title).await, StatusCode::NO_CONTENT);
        assert_eq!(events.titles().await, (revision, vec![title.to_owned()]));
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    }
    let target = "/v1/operator/offers/hello";
    assert_eq!(server.operate(Method::DELETE, target, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(events.titles().await, (3, vec![]));
    others.silent_for(Duration::from_millis(300)).await;
    server.stop().await;
}

#[tokio::test]
async fn what_is_pushed_is_signed_for_this_router_alone() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (router, other) = (server.router(true).await, server.router(true).await);
    assert_eq!(router.operator_key, other.operator_key);
    let offer = json!({"id": "hello", "content": {"title": "From the sharer"}});
    assert_eq!(server.offer(&router.id, "sharer", offer).await.status, StatusCode::NO_CONTENT);
    server.put_offer(&router.id, "hello", "From the operator").await;

    let push: Value = serde_json::from_str(&router.events(None).await.next().await.unwrap().data).unwrap();
    let offers = push["offers"].as_array().unwrap();
    let mut senders = Vec::new();
    for signed in offers {
        let signed: Signed = serde_json::from_value(signed.clone()).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, &router.operator_key);
        key.verify(&signed.message::<Statement>(), &signed.signature_bytes().unwrap()).unwrap();
        let Statement { router: named, sender, offer } = serde_json::from_str(&signed.statement).unwrap();
        assert_eq!((named, offer.id.as_str()), (router.id.clone(), "hello"));
        senders.push(sender);
    }
    assert_eq!(senders, [Sender::Server, Sender::Sharer]);

    // Each is taken away by its own sender.
    let target = "/v1/operator/offers/hello?sender=sharer";
    assert_eq!(server.operate(Method::DELETE, target, None).await.status, StatusCode::NO_CONTENT);
    server.operate(Method::DELETE, target, None).await.problem(404, "about:blank");
    assert_eq!(router.events(None).await.titles().await, (3, vec!["From the operator".to_owned()]));
    let key = router.operator_key;
    server.stop().await;
    let server = Server::on(data.path()).await;
    assert_eq!(other.at(server.client()).operator_key, key, "the key is the same after a restart");
    server.stop().await;
}

#[tokio::test]
async fn the_largest_set_is_a_push_of_less_than_256_kib() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    // Two backslashes in a statement are one in a text, and four in the push.
    for sender in ["server", "sharer"] {
        let mut room = true;
        for n in 0..64 {
            let length = if room { 430 } else { 1 };
            let id = format!("{n:>064}");
            let offer = json!({"id": id, "content": {"title": "t", "text": "\\".repeat(length)}});
            room = server.offer(&router.id, sender, offer).await.status == StatusCode::NO_CONTENT;
        }
    }
    let event = router.events(None).await.next().await.unwrap();
    assert!((190_000..256 * 1024).contains(&event.data.len()), "{}", event.data.len());
    server.stop().await;
}

#[tokio::test]
async fn a_say_reaches_the_open_streams_and_nobody_later() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (router, other) = (server.router(true).await, server.router(true).await);
    let target = format!("/v1/operator/routers/{}/say", router.id);
    let say = || json!({"network": "cafe", "title": "Last orders", "link": "https://example.org"});
    assert_eq!(server.operate(Method::POST, &target, Some(say())).await.json(), json!({"streams": 0}));

    let mut streams = [router.events(None).await, router.events(Some("0")).await];
    assert_eq!(streams[0].titles().await, (0, vec![]), "the lost one stays lost");
    let mut others = other.events(Some("0")).await;
    let began = Instant::now();
    assert_eq!(server.operate(Method::POST, &target, Some(say())).await.json(), json!({"streams": 2}));
    for stream in &mut streams {
        let event = timeout(Duration::from_secs(1), stream.next()).await.unwrap().unwrap();
        assert_eq!(event.name, "say");
        let SayPush { say } = serde_json::from_str(&event.data).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, &router.operator_key);
        key.verify(&say.message::<Statement>(), &say.signature_bytes().unwrap()).unwrap();
        let Statement { router: named, sender, offer } = serde_json::from_str(&say.statement).unwrap();
        assert_eq!((named, sender), (router.id.clone(), Sender::Server));
        assert!(offer.id.as_str().starts_with("say-") && offer.networks == ["cafe".parse().unwrap()]);
        assert!(offer.when.until.unwrap().abs_diff(crate::common::unix_now() + 600) < 5);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    others.silent_for(Duration::from_millis(200)).await;

    let bad = "urn:welcome:problem:bad-request";
    for body in
        [json!({"title": "t"}), json!({"network": "cafe", "title": ""}), json!({"network": "a-b", "title": "t"})]
    {
        server.operate(Method::POST, &target, Some(body)).await.problem(400, bad);
    }
    server.operate(Method::POST, "/v1/operator/routers/r-0/say", Some(say())).await.problem(404, "about:blank");
    server.client().post(&target, &say().to_string()).await.problem(401, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn what_a_router_has_is_not_sent_again() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    server.put_offer(&router.id, "hello", "Hello").await;

    let mut current = router.events(Some("1")).await;
    current.silent_for(Duration::from_millis(300)).await;
    for other in ["0", "7", "nonsense", "-1"] {
        assert_eq!(router.events(Some(other)).await.titles().await, (1, vec!["Hello".to_owned()]), "{other}");
    }
    // The same offer once more is no change.
    let mut current = router.events(Some("1")).await;
    server.put_offer(&router.id, "hello", "Hello").await;
    current.silent_for(Duration::from_millis(300)).await;
    server.put_offer(&router.id, "hello", "Bye").await;
    assert_eq!(current.titles().await, (2, vec!["Bye".to_owned()]));
    server.stop().await;
}

#[tokio::test]
async fn a_slow_reader_gets_the_latest_and_not_the_backlog() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let mut events = with_small_window(&server, &router).await;
    let last = change_often(&server, &router).await;

    let (mut count, mut seen) = (0, 0);
    while seen < last {
        seen = events.titles().await.0;
        count += 1;
    }
    assert!(count < last / 2, "{count} events");
    events.silent_for(Duration::from_millis(300)).await;
    server.stop().await;
}

#[tokio::test]
async fn a_reader_that_stops_is_cut() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let _unread = with_small_window(&server, &router).await;
    change_often(&server, &router).await;

    let began = Instant::now();
    while server.streams().await > 0 {
        assert!(began.elapsed() < Duration::from_secs(40), "still there");
        sleep(Duration::from_millis(500)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_third_stream_of_a_router_ends_its_oldest() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let mut first = router.events(Some("0")).await;
    let mut second = router.events(Some("0")).await;
    let mut third = router.events(Some("0")).await;
    assert_eq!(timeout(SOON, first.next()).await.unwrap(), None);
    server.put_offer(&router.id, "hello", "Hello").await;
    assert_eq!(second.titles().await.0, 1);
    assert_eq!(third.titles().await.0, 1);

    drop((first, second, third));
    let began = Instant::now();
    while server.streams().await > 0 {
        assert!(began.elapsed() < SOON, "closed streams are forgotten");
        sleep(Duration::from_millis(50)).await;
    }
    server.stop().await;
}

#[tokio::test]
async fn a_quiet_stream_has_a_heart_beat() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let mut events = router.events(Some("0")).await;
    let began = Instant::now();
    let beat = timeout(Duration::from_secs(20), events.bytes()).await.unwrap().unwrap();
    assert_eq!(&beat[..], b":\n\n");
    assert!(began.elapsed() > Duration::from_secs(14));
    server.stop().await;
}

#[tokio::test]
async fn a_change_that_nobody_told_of_comes_with_the_heart_beat() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let mut events = router.events(Some("0")).await;
    // As if whoever made the change had hung up right after its commit.
    let file = format!("sqlite://{}", data.path().join("welcome.sqlite").display());
    let url = server.config.database.as_ref().map_or(file.as_str(), |url| url.reveal());
    let mut database = AnyConnection::connect(url).await.unwrap();
    sqlx::query("UPDATE routers SET offers_revision = 7").execute(&mut database).await.unwrap();
    let event = timeout(Duration::from_secs(20), events.next()).await.unwrap().unwrap();
    assert_eq!(event.id.as_deref(), Some("7"));
    server.stop().await;
}

#[tokio::test]
async fn shutdown_ends_streams_well_and_at_once() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let mut events = router.events(Some("0")).await;
    let client = server.client();
    let began = Instant::now();
    let (end, ()) = tokio::join!(events.next(), server.stop());
    assert_eq!(end, None);
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    assert!(TcpStream::connect(client.addr).await.is_err(), "nobody listens");
}

#[tokio::test]
async fn shutdown_waits_for_nobody_who_hangs() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let mut half_a_request = TcpStream::connect(server.addr).await.unwrap();
    half_a_request.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.unwrap();
    let mut half_a_body = TcpStream::connect(server.addr).await.unwrap();
    half_a_body.write_all(b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{").await.unwrap();
    let _idle = TcpStream::connect(server.addr).await.unwrap();
    let _unread = router.events(None).await;
    sleep(Duration::from_millis(200)).await;

    let began = Instant::now();
    server.stop().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_restart_on_the_same_data_keeps_everything() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(3, json!([network("cafe", "Cafe", "02:00:00:00:01:00")])).await;
    server.put_offer(&router.id, "hello", "Hello").await;
    router.report("b-1", json!([{"network": "cafe", "what": "arrived"}])).await;
    let list = server.client().get("/v1/lookup/list").await;
    server.stop().await;

    let server = Server::on(data.path()).await;
    let router = router.at(server.client());
    assert_eq!(server.client().get("/v1/lookup/list").await.body, list.body);
    assert_eq!(router.announce(3, json!([])).await.status, StatusCode::CONFLICT);
    let mut events = router.events(None).await;
    assert_eq!(events.titles().await, (1, vec!["Hello".to_owned()]));
    router.report("b-1", json!([{"network": "cafe", "what": "arrived"}])).await;
    let seen = server.operate(Method::GET, &format!("/v1/operator/routers/{}/reports", router.id), None).await.json();
    assert_eq!(seen["totals"][0]["count"], 1);
    server.stop().await;
}

/// A stream to a reader that takes little at a time.
async fn with_small_window(server: &Server, router: &Router) -> Events {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let stream = socket.connect(server.addr).await.unwrap();
    let request = router.sign("GET", &router.path("events"), "");
    Events::of(exchange(stream, server.addr, request).await.unwrap())
}

/// Changes a set of 50 KiB so often that the kernel's buffers cannot hold all of it; returns the last revision.
async fn change_often(server: &Server, router: &Router) -> u64 {
    const CHANGES: u64 = 300;
    for n in 0..10 {
        let offer = json!({"id": format!("long{n}"), "content": {"title": "t", "text": "欢".repeat(1700)}});
        assert_eq!(server.offer(&router.id, "server", offer).await.status, StatusCode::NO_CONTENT);
    }
    for n in 1..=CHANGES {
        assert_eq!(server.put_offer(&router.id, "short", &n.to_string()).await, StatusCode::NO_CONTENT);
    }
    10 + CHANGES
}
