//! What a router says that it shares.

use crate::common::{Server, network};
use crate::lookup::bssids;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;

const BSSID: &str = "02:00:00:00:01:00";

#[tokio::test]
async fn a_removed_router_is_unknown_and_not_listed() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", BSSID)])).await;
    let mut events = router.events(None).await;
    events.titles().await;

    let target = format!("/v1/operator/routers/{}", router.id);
    assert_eq!(server.operate(Method::DELETE, &target, None).await.status, StatusCode::NO_CONTENT);
    let end = tokio::time::timeout(crate::common::SOON, events.next_but_standing()).await.unwrap();
    assert_eq!(end, None, "its stream ends");
    router.announce(2, json!([])).await.problem(401, "urn:welcome:problem:unknown-router");
    assert_eq!(server.client().bssids(&[BSSID]).await.json(), json!({"entries": []}));
    server.operate(Method::DELETE, &target, None).await.problem(404, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn an_announce_replaces_the_whole_list_and_never_goes_back() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let (old, new) = (network("a", "A", "02:00:00:00:00:01"), network("b", "B", "02:00:00:00:00:02"));
    router.announce(5, json!([old])).await;
    for stale in [5, 4, 0] {
        let held = router.announce(stale, json!([new])).await.problem(409, "urn:welcome:problem:stale-generation");
        assert_eq!(held["generation"], 5);
    }
    assert_eq!(bssids(&server, "/v1/lookup/list").await, ["02:00:00:00:00:01"]);
    assert_eq!(router.announce(6, json!([new])).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bssids(&server, "/v1/lookup/list").await, ["02:00:00:00:00:02"]);
    assert_eq!(router.announce(7, json!([])).await.status, StatusCode::NO_CONTENT);
    assert!(bssids(&server, "/v1/lookup/list").await.is_empty());
    server.stop().await;
}

#[tokio::test]
async fn of_announces_at_once_the_newest_stays() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let one = |n: u64| {
        let router = &router;
        async move { router.announce(n, json!([network("a", &format!("gen {n}"), BSSID)])).await.status }
    };
    tokio::join!(one(3), one(1), one(4), one(2), one(9), one(5));
    assert_eq!(server.client().bssids(&[BSSID]).await.json()["entries"][0]["ssid"], "gen 9");
    server.stop().await;
}

#[tokio::test]
async fn an_announce_beyond_the_limits_is_refused_whole() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let many = |count: usize| -> Value {
        (0..count).map(|n| json!({"id": format!("n{n}"), "ssid": "x", "security": "open", "bss": []})).collect()
    };
    let with = |member: &str, value: Value| {
        let mut network = network("cafe", "Cafe", BSSID);
        network[member] = value;
        json!([network])
    };
    let bss =
        |count: usize| -> Value { (0..count).map(|n| json!({"bssid": format!("02:00:00:00:01:{n:02x}")})).collect() };
    for networks in [
        many(65),
        json!([network("a", "A", BSSID), network("a", "B", BSSID)]),
        with("bss", bss(65)),
        with("bss", json!([{"bssid": BSSID}, {"bssid": BSSID}])),
        with("bss", json!([{"bssid": "ff:ff:ff:ff:ff:ff"}])),
        with("key", json!("short")),
        with("key", json!("eight\nchars")),
        with("security", json!("open")),
        with("place", json!({"lat": 91, "lon": 0})),
        with("ssid", json!("x".repeat(33))),
        json!({}),
    ] {
        router.announce(1, networks).await.problem(400, "urn:welcome:problem:bad-request");
    }
    router.announce(1 << 63, json!([])).await.problem(400, "urn:welcome:problem:bad-request");
    assert_eq!(router.announce(1, many(64)).await.status, StatusCode::NO_CONTENT);
    assert_eq!(router.announce(2, with("bss", bss(64))).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bssids(&server, "/v1/lookup/list").await.len(), 64);
    server.stop().await;
}

#[tokio::test]
async fn members_from_a_newer_version_are_ignored() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let mut cafe = network("cafe", "Cafe", BSSID);
    cafe["mld"] = json!("02:00:00:00:01:ff");
    let body = json!({"generation": 1, "networks": [cafe], "country": "DE"}).to_string();
    let answer = router.client.send(router.sign("PUT", &router.path("announce"), &body)).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    server.stop().await;
}

#[tokio::test]
async fn a_network_that_asks_to_be_left_out_is_neither_stored_nor_listed() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let networks = json!([
        network("a", "home_nomap", "02:00:00:00:00:01"),
        network("b", "my_optout_net", "02:00:00:00:00:02"),
        network("c", "cafe", "02:00:00:00:00:03"),
    ]);
    assert_eq!(router.announce(1, networks).await.status, StatusCode::NO_CONTENT);
    assert_eq!(bssids(&server, "/v1/lookup/list").await, ["02:00:00:00:00:03"]);
    let routers = server.operate(Method::GET, "/v1/operator/routers", None).await.json();
    assert_eq!(routers["routers"][0]["networks"], 1);
    server.stop().await;
}
