//! What clients find: by BSSIDs, by place, and as a list.

use crate::common::{Server, network};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;
use welcome_server::Scope;

const BSSID: &str = "02:00:00:00:01:00";
const OTHER: &str = "02:00:00:00:02:00";

#[tokio::test]
async fn a_network_is_listed_once_it_is_proved_and_its_key_is_for_who_may_have_it() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let own_word = server.router(false).await;
    own_word.announce(1, json!([network("a", "Cafe", BSSID)])).await;
    assert_eq!(server.client().bssids(&[BSSID]).await.json(), json!({"entries": []}), "a router's own word");

    let vouched = server.router(true).await;
    vouched.announce(1, json!([network("a", "Cafe", OTHER)])).await;
    let entries = server.client().bssids(&[BSSID, OTHER]).await.json()["entries"].clone();
    assert_eq!((entries.as_array().unwrap().len(), &entries[0]["assurance"]), (1, &json!("vouched")));
    assert!(entries[0].get("key").is_none(), "{entries}");
    let entries = server.operate(Method::POST, "/v1/lookup/bssids", Some(json!({"bssids": [OTHER]}))).await.json();
    assert_eq!(entries["entries"][0]["key"], "correct horse", "the organisation's own application");
    let areas = server.application(&[Scope::ReadAreas]).await;
    let entries = server.ask(&areas, Method::POST, "/v1/lookup/bssids", Some(json!({"bssids": [OTHER]}))).await.json();
    assert!(entries["entries"][0].get("key").is_none(), "{entries}");
    server.stop().await;
}

#[tokio::test]
async fn the_list_comes_in_pages_that_lose_and_repeat_nothing() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    // 14 networks of 60 BSS each, from three routers: 2520 entries.
    let networks = |r: usize| -> Value {
        (0..14)
            .map(|n| {
                let bss: Value =
                    (0..60).map(|b| json!({"bssid": format!("02:00:00:{r:02x}:{n:02x}:{b:02x}")})).collect();
                json!({"id": format!("n{n}"), "ssid": "x", "security": "open", "bss": bss})
            })
            .collect()
    };
    let mut routers = Vec::new();
    for r in 0..3 {
        let router = server.router(true).await;
        assert_eq!(router.announce(1, networks(r)).await.status, StatusCode::NO_CONTENT);
        routers.push(router);
    }
    let (mut got, mut target) = (Vec::new(), "/v1/lookup/list".to_owned());
    for generation in 2.. {
        let page = server.client().get(&target).await.json();
        got.extend(page["entries"].as_array().unwrap().iter().map(|e| e["bssid"].as_str().unwrap().to_owned()));
        // What was announced again between two pages keeps its place.
        for (r, router) in routers.iter().enumerate() {
            assert_eq!(router.announce(generation, networks(r)).await.status, StatusCode::NO_CONTENT);
        }
        match page.get("next") {
            Some(next) => target = format!("/v1/lookup/list?after={}", next.as_str().unwrap()),
            None => break,
        }
    }
    let all = (0..3)
        .flat_map(|r| (0..14).flat_map(move |n| (0..60).map(move |b| format!("02:00:00:{r:02x}:{n:02x}:{b:02x}"))));
    assert_eq!(got, all.collect::<Vec<_>>());
    for after in ["nonsense", "", "020000000000.r-1"] {
        let answer = server.client().get(&format!("/v1/lookup/list?after={after}")).await;
        answer.problem(400, "urn:welcome:problem:bad-request");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_list_that_has_not_changed_is_not_sent_again() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([network("a", "Cafe", BSSID)])).await;
    let first = server.client().get("/v1/lookup/list").await;
    let etag = first.headers["etag"].to_str().unwrap().to_owned();
    let ask = |tag: String| {
        let request = http::Request::get("/v1/lookup/list").header("if-none-match", tag).body(String::new()).unwrap();
        let client = server.client();
        async move { client.send(request).await }
    };
    let same = ask(etag.clone()).await;
    assert_eq!((same.status, same.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(same.headers["etag"], etag);
    assert_eq!(ask(format!("\"x\", W/{etag}")).await.status, StatusCode::NOT_MODIFIED);

    router.announce(2, json!([network("a", "Bar", BSSID)])).await;
    let changed = ask(etag.clone()).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.headers["etag"], etag);
    server.stop().await;
}

#[tokio::test]
async fn a_look_up_that_cannot_be_used_says_why() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let bad = "urn:welcome:problem:bad-request";
    let hundred_one: Vec<_> = (0..101).map(|n| format!("02:00:00:00:01:{n:02x}")).collect();
    let hundred_one: Vec<_> = hundred_one.iter().map(String::as_str).collect();
    server.client().bssids(&hundred_one).await.problem(400, bad);
    assert_eq!(server.client().bssids(&hundred_one[1..]).await.status, StatusCode::OK);
    server.client().bssids(&["02-00"]).await.problem(400, bad);
    for target in [
        "place",
        "place?lat=1",
        "place?lat=91&lon=0",
        "place?lat=NaN&lon=0",
        "place?lat=x&lon=0",
        "list?cell=zz",
        "list?cell=861f8d7b7ffffff",
        "list?cell=",
    ] {
        server.client().get(&format!("/v1/lookup/{target}")).await.problem(400, bad);
    }
    server.stop().await;
}

pub(crate) async fn bssids(server: &Server, target: &str) -> Vec<String> {
    let listing = server.client().get(target).await.json();
    listing["entries"].as_array().unwrap().iter().map(|e| e["bssid"].as_str().unwrap().to_owned()).collect()
}
