//! What the directory tells in advance, as a client reads it; and how often anybody may ask.

use crate::common::{Answer, Server, network, unix_now};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::read::GzDecoder;
use http::{Method, Request, StatusCode};
use ring::signature::{ED25519, UnparsedPublicKey};
use serde_json::{Value, json};
use tempfile::tempdir;
use welcome_proto::snapshot::{Asked, Cell, Refused, Snapshot, read};
use welcome_server::{Config, Scope};

const CELL: &str = "851f8d47fffffff";
const TARGET: &str = "/v1/snapshots/851f8d47fffffff";

#[tokio::test]
async fn a_region_is_told_in_advance_signed_and_without_keys() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([cafe("02:00:00:00:01:00"), network("nowhere", "Nowhere", "02:00:00:00:09:00")])).await;

    let directory = server.client().get("/v1/directory").await.json();
    assert_eq!((&directory["open"], &directory["resolutions"]), (&json!(true), &json!([5])));
    assert_eq!(directory["name"], server.addr.to_string());
    let answer = server.client().get(TARGET).await;
    assert_eq!(answer.headers["content-type"], "application/gzip");
    assert_eq!(answer.headers["cache-control"], "public, max-age=300");
    let snapshot = open(&answer, &directory).unwrap();
    let signer = Some(URL_SAFE_NO_PAD.encode(&router.operator_key));
    let listed: Vec<_> =
        snapshot.entries().map(|e| (e.bssid.to_string(), e.ssid.to_string(), e.key, e.signer)).collect();
    assert_eq!(listed, [("02:00:00:00:01:00".to_owned(), "Cafe".to_owned(), None, signer)]);
    assert!(snapshot.expires > unix_now() + 3 * 86_400, "who has the newest has days");

    let index = server.client().get("/v1/snapshots").await.json();
    let etag = answer.headers["etag"].to_str().unwrap();
    assert_eq!(index, json!({"snapshots": [{"cell": CELL, "etag": etag, "entries": 1}]}));

    let nothing = server.client().get("/v1/snapshots/85283473fffffff").await;
    assert_eq!(nothing.status, StatusCode::OK, "that there is nothing is signed, too");
    assert!(matches!(open(&nothing, &directory), Err(Refused::Another)));
    for none in ["/v1/snapshots/861f8d47fffffff", "/v1/snapshots/nonsense", "/v1/snapshots/nonsense/keys?x"] {
        let answer = server.ask(&server.operator, Method::GET, none, None).await;
        answer.problem(404, "about:blank");
    }
    for bad in ["?after=x", "?after=851f8d47fffffff.x"] {
        server.client().get(&format!("{TARGET}{bad}")).await.problem(400, "urn:welcome:problem:bad-request");
        server.client().get(&format!("/v1/snapshots{bad}")).await.problem(400, "urn:welcome:problem:bad-request");
    }
    server.stop().await;
}

#[tokio::test]
async fn another_process_tells_the_same_to_the_byte_and_a_change_changes_the_tag() {
    let data = tempdir().unwrap();
    let first = Server::on(data.path()).await;
    let router = first.router(true).await;
    router.announce(1, json!([cafe("02:00:00:00:01:00")])).await;
    let told = first.client().get(TARGET).await;
    let directory = first.client().get("/v1/directory").await.json();
    first.stop().await;

    let second = Server::on(data.path()).await;
    let again = second.client().get(TARGET).await;
    assert_eq!((&again.body, &again.headers["etag"]), (&told.body, &told.headers["etag"]));
    assert_eq!(second.client().get("/v1/directory").await.json()["public_key"], directory["public_key"]);
    let known = Request::get(TARGET).header("if-none-match", &told.headers["etag"]).body(String::new()).unwrap();
    let unchanged = second.client().send(known.clone()).await;
    assert_eq!((unchanged.status, unchanged.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(unchanged.headers["etag"], told.headers["etag"]);
    second.stop().await;

    let third = Server::on(data.path()).await;
    let router = router.at(third.client());
    router.announce(2, json!([cafe("02:00:00:00:02:00")])).await;
    let changed = third.client().send(known).await;
    assert_eq!(changed.status, StatusCode::OK);
    assert_ne!(changed.headers["etag"], told.headers["etag"]);
    assert_eq!(open(&changed, &directory).unwrap().entries().next().unwrap().bssid.to_string(), "02:00:00:00:02:00");
    third.stop().await;
}

#[tokio::test]
async fn keys_come_to_who_may_have_them_and_into_no_cache() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    server.router(true).await.announce(1, json!([cafe("02:00:00:00:01:00")])).await;
    let directory = server.client().get("/v1/directory").await.json();
    let target = format!("{TARGET}/keys");
    server.client().get(&target).await.problem(401, "about:blank");
    let narrow = server.application(&[Scope::ReadAreas]).await;
    server.ask(&narrow, Method::GET, &target, None).await.problem(403, "about:blank");

    let app = server.application(&[Scope::ReadKeys]).await;
    let answer = server.ask(&app, Method::GET, &target, None).await;
    assert_eq!(answer.headers["cache-control"], "private, no-cache");
    let snapshot = open(&answer, &directory).unwrap();
    assert_eq!(snapshot.entries().next().unwrap().key.unwrap().reveal(), "correct horse");

    let known = Request::get(&target).header("if-none-match", &answer.headers["etag"]);
    let known = known.header("authorization", format!("Bearer {app}")).body(String::new()).unwrap();
    assert_eq!(server.client().send(known).await.status, StatusCode::NOT_MODIFIED);
    let public = open(&server.ask(&app, Method::GET, TARGET, None).await, &directory).unwrap();
    assert_eq!(public.entries().next().unwrap().key, None, "the public one has none, whoever asks");
    server.stop().await;
}

#[tokio::test]
async fn a_closed_directory_tells_programs_with_a_token_and_no_shared_cache() {
    let data = tempdir().unwrap();
    let config = Config::new("127.0.0.1:0".parse().unwrap(), data.path().to_owned());
    let server = Server::serve(Config { open_directory: false, ..config }).await;
    assert_eq!(server.client().get("/v1/directory").await.json()["open"], false);
    for target in ["/v1/snapshots", TARGET, "/v1/lookup/list"] {
        server.client().get(target).await.problem(401, "about:blank");
    }
    let wrong = server.application(&[Scope::ReadFleet]).await;
    server.ask(&wrong, Method::GET, TARGET, None).await.problem(403, "about:blank");
    let app = server.application(&[Scope::ReadAreas]).await;
    let answer = server.ask(&app, Method::GET, TARGET, None).await;
    assert_eq!(
        (answer.status.as_u16(), &answer.headers["cache-control"]),
        (200, &"private, max-age=300".parse().unwrap())
    );
    server.stop().await;
}

#[tokio::test]
async fn who_asks_too_often_without_a_token_is_told_when_to_come_back() {
    let data = tempdir().unwrap();
    let config = Config::new("127.0.0.1:0".parse().unwrap(), data.path().to_owned());
    let server = Server::serve(Config { lookups_a_minute: 1, ..config }).await;
    let targets = ["/v1/lookup/list", "/v1/lookup/place?lat=0&lon=0", "/v1/snapshots", TARGET];
    for target in targets {
        assert_eq!(server.client().get(target).await.status, StatusCode::OK, "{target}");
    }
    assert_eq!(server.client().bssids(&["02:00:00:00:01:00"]).await.status, StatusCode::OK);
    for target in targets {
        let refused = server.client().get(target).await;
        refused.problem(429, "about:blank");
        let wait: u64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    let app = server.application(&[Scope::ReadAreas]).await;
    assert_eq!(server.ask(&app, Method::GET, TARGET, None).await.status, StatusCode::OK);
    assert_eq!(server.client().get("/v1/directory").await.status, StatusCode::OK, "costs nothing");
    server.stop().await;
}

fn cafe(bssid: &str) -> Value {
    let mut cafe = network("cafe", "Cafe", bssid);
    cafe["place"] = json!({"lat": 48.1374, "lon": 11.5755});
    cafe
}

/// As a client takes it, for the region of [`CELL`].
fn open(answer: &Answer, directory: &Value) -> Result<Snapshot, Refused> {
    let cell: Cell = CELL.parse().unwrap();
    let key = URL_SAFE_NO_PAD.decode(directory["public_key"].as_str().unwrap()).unwrap();
    read(GzDecoder::new(&answer.body[..]), Asked { cell: &cell, after: None, now: unix_now() }, |message, signature| {
        UnparsedPublicKey::new(&ED25519, &key).verify(message, signature).is_ok()
    })
}
