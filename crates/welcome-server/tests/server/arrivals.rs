//! What somebody is told who has arrived at a listed network.

use crate::common::{Answer, Server, network, unix_now};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use tempfile::tempdir;
use welcome_proto::arrival::{Greeting, MAX_OFFERS, ToServe};
use welcome_proto::lookup::Listing;
use welcome_proto::signed::{Signed, Statement};
use welcome_server::{Config, Scope, Scopes, add_api_token, add_enrolment_token, add_organisation};

const CAFE: &str = "02:00:00:00:01:00";
const BAR: &str = "02:00:00:00:02:00";

#[tokio::test]
async fn who_arrives_is_told_what_is_in_force_there_signed_and_the_best_first() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", CAFE), network("bar", "Bar", BAR)])).await;
    assert_eq!(titles(&server, CAFE).await, Vec::<String>::new());
    let now = unix_now();
    for (sender, offer) in [
        ("server", json!({"id": "a", "priority": 10, "content": {"title": "everywhere"}})),
        ("sharer", json!({"id": "a", "priority": 90, "networks": ["cafe"], "content": {"title": "here"}})),
        ("sharer", json!({"id": "b", "networks": ["bar"], "content": {"title": "next door"}})),
        ("sharer", json!({"id": "c", "when": {"until": now - 1}, "content": {"title": "over"}})),
        ("sharer", json!({"id": "d", "when": {"from": now + 99}, "content": {"title": "not yet"}})),
        ("sharer", json!({"id": "e", "when": {"weekdays": ["mon"]}, "content": {"title": "on Mondays"}})),
    ] {
        assert_eq!(server.offer(&router.id, sender, offer).await.status, StatusCode::NO_CONTENT);
    }
    assert_eq!(titles(&server, CAFE).await, ["here", "on Mondays", "everywhere"]);
    assert_eq!(titles(&server, BAR).await, ["next door", "on Mondays", "everywhere"]);
    let seen = server.operate(Method::GET, &format!("/v1/operator/routers/{}/reports", router.id), None).await.json();
    assert_eq!(seen["totals"], json!([]), "to ask is not to arrive");
    server.stop().await;
}

#[tokio::test]
async fn there_is_a_most_of_what_one_is_told() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", CAFE)])).await;
    for n in 0..=MAX_OFFERS {
        let offer = json!({"id": format!("o{n}"), "priority": n, "content": {"title": format!("offer {n}")}});
        assert_eq!(server.offer(&router.id, "server", offer).await.status, StatusCode::NO_CONTENT);
    }
    let told = titles(&server, CAFE).await;
    assert_eq!((told.len(), told[0].as_str(), told[15].as_str()), (16, "offer 16", "offer 1"));
    server.stop().await;
}

#[tokio::test]
async fn nothing_is_told_of_a_bssid_that_is_not_listed() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(false).await;
    router.announce(1, json!([network("cafe", "Cafe", CAFE)])).await;
    assert_eq!(server.put_offer(&router.id, "hello", "Welcome").await, StatusCode::NO_CONTENT);
    for bssid in [CAFE, "02:00:00:00:0f:00"] {
        ask(&server, bssid).await.problem(404, "about:blank");
    }
    for bad in ["{}", "{\"bssid\":\"ff:ff:ff:ff:ff:ff\"}", "csrf="] {
        server.client().post("/v1/arrivals", bad).await.problem(400, "urn:welcome:problem:bad-request");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_network_of_a_router_without_an_agent_has_its_message_under_the_key_of_whoever_proved_it() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    // Somebody else announces the same BSSID, and has something to say, too.
    let other = add_organisation(&server.config, "Other").await.unwrap();
    let ttl = std::time::Duration::from_secs(60);
    let token = add_enrolment_token(&server.config, Some(other.as_str()), false, ttl).await.unwrap();
    let thief = crate::common::Router::enrol(server.client(), token.reveal()).await.unwrap();
    thief.announce(1, json!([network("kiosk", "Kiosk", CAFE)])).await;
    let theirs = add_api_token(&server.config, Some(other.as_str()), "t", Scopes::all()).await.unwrap();
    let offer = json!({"offer": {"id": "lie", "content": {"title": "Believe me"}}});
    let put = server.ask(theirs.reveal(), Method::PUT, "/v1/operator/offers/lie", Some(offer)).await;
    assert_eq!(put.status, StatusCode::NO_CONTENT);

    let body = json!({"name": "Kiosk", "network": network("kiosk", "Kiosk", CAFE)});
    let added = server.operate(Method::POST, "/v1/share/networks", Some(body)).await.json();
    let router = added["router"].as_str().unwrap();
    server.offer(&router.parse().unwrap(), "sharer", json!({"id": "hi", "content": {"title": "Papers"}})).await;
    ask(&server, CAFE).await.problem(404, "about:blank");
    let target = format!("/v1/share/networks/{router}/kiosk/challenge");
    let asked = server.operate(Method::POST, &target, None).await.json();
    let heard = json!([{"bssid": CAFE, "ssid": asked["ssid"]}]);
    let said = json!({"challenge": asked["challenge"], "code": asked["code"], "heard": heard}).to_string();
    assert_eq!(server.client().post("/v1/witness", &said).await.json()["result"], "verified");
    assert_eq!(titles(&server, CAFE).await, ["Papers"]);
    server.stop().await;
}

#[tokio::test]
async fn a_computer_of_the_sharer_gets_what_it_may_say_there_and_nobody_elses() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    // Nobody vouches for it: that is no condition.
    let router = server.router(false).await;
    router.announce(1, json!([network("cafe", "Cafe", CAFE), network("bar", "Bar", BAR)])).await;
    let now = unix_now();
    for (sender, offer) in [
        ("server", json!({"id": "a", "priority": 10, "content": {"title": "everywhere"}})),
        ("sharer", json!({"id": "b", "networks": ["bar"], "content": {"title": "next door"}})),
        ("sharer", json!({"id": "c", "when": {"until": now - 1}, "content": {"title": "over"}})),
        ("sharer", json!({"id": "d", "when": {"from": now + 99}, "content": {"title": "later"}})),
    ] {
        assert_eq!(server.offer(&router.id, sender, offer).await.status, StatusCode::NO_CONTENT);
    }
    let target = |network: &str| format!("/v1/share/networks/{}/{network}/statements", router.id);
    let told = server.operate(Method::GET, &target("cafe"), None).await.json();
    let ToServe { signer, offers } = serde_json::from_value(told).unwrap();
    assert_eq!(signer, URL_SAFE_NO_PAD.encode(&router.operator_key));
    let key = UnparsedPublicKey::new(&ED25519, &router.operator_key);
    let read = |signed: &Signed| {
        key.verify(&signed.message::<Statement>(), &signed.signature_bytes().unwrap()).unwrap();
        serde_json::from_str::<Statement>(&signed.statement).unwrap().offer.content.title
    };
    assert_eq!(offers.iter().map(read).collect::<Vec<_>>(), ["later", "everywhere"]);

    server.operate(Method::GET, &target("kiosk"), None).await.problem(404, "about:blank");
    let other = add_organisation(&server.config, "Other").await.unwrap();
    let theirs = add_api_token(&server.config, Some(other.as_str()), "t", Scopes::all()).await.unwrap();
    server.ask(theirs.reveal(), Method::GET, &target("cafe"), None).await.problem(404, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn to_ask_takes_what_a_look_up_takes() {
    let data = tempdir().unwrap();
    let config = Config::new("127.0.0.1:0".parse().unwrap(), data.path().to_owned());
    let closed = Server::serve(Config { open_directory: false, ..config.clone() }).await;
    let router = closed.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", CAFE)])).await;
    ask(&closed, CAFE).await.problem(401, "about:blank");
    let body = json!({ "bssid": CAFE });
    let wrong = closed.application(&[Scope::ReadFleet]).await;
    closed.ask(&wrong, Method::POST, "/v1/arrivals", Some(body.clone())).await.problem(403, "about:blank");
    let app = closed.application(&[Scope::ReadAreas]).await;
    let answer = closed.ask(&app, Method::POST, "/v1/arrivals", Some(body)).await;
    assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"offers": []})));
    assert_eq!(answer.headers["cache-control"], "private, no-store");
    closed.stop().await;

    let slow = Server::serve(Config { lookups_a_minute: 1, ..config }).await;
    for _ in 0..5 {
        assert_eq!(ask(&slow, CAFE).await.status, StatusCode::OK);
    }
    ask(&slow, CAFE).await.problem(429, "about:blank");
    slow.stop().await;
}

async fn ask(server: &Server, bssid: &str) -> Answer {
    server.client().post("/v1/arrivals", &json!({ "bssid": bssid }).to_string()).await
}

/// What is told there, each under the key that the list names.
async fn titles(server: &Server, bssid: &str) -> Vec<String> {
    let listing: Listing = serde_json::from_value::<Listing>(server.client().bssids(&[bssid]).await.json()).unwrap();
    let signer = URL_SAFE_NO_PAD.decode(listing.entries[0].signer.as_ref().unwrap()).unwrap();
    let answer: Value = ask(server, bssid).await.json();
    let greeting: Greeting = serde_json::from_value(answer).unwrap();
    let verified = greeting.offers.into_iter().map(|signed| {
        let key = UnparsedPublicKey::new(&ED25519, &signer);
        key.verify(&signed.message::<Statement>(), &signed.signature_bytes().unwrap()).unwrap();
        serde_json::from_str::<Statement>(&signed.statement).unwrap().offer.content.title
    });
    verified.collect()
}
