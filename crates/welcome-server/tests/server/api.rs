//! One story through the whole API, and what an operator does with it.

use crate::common::{Router, Server, network};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;

const BSSID: &str = "02:00:00:00:01:00";

#[tokio::test]
async fn a_router_enrols_announces_is_found_gets_offers_and_reports() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = Router::enrol(server.client(), &server.enrolment).await.unwrap();

    let mut cafe = network("cafe", "Café", BSSID);
    cafe["place"] = json!({"lat": 48.1374, "lon": 11.5755});
    assert_eq!(router.announce(1, json!([cafe])).await.status, StatusCode::NO_CONTENT);

    let found = server.client().bssids(&[BSSID, "02:00:00:00:0f:00"]).await.json();
    let entry = json!({
        "bssid": BSSID, "ssid": "Café", "security": "psk", "area": found["entries"][0]["area"], "assurance": "vouched",
        "signer": URL_SAFE_NO_PAD.encode(&router.operator_key),
    });
    assert_eq!(found, json!({ "entries": [entry] }));
    for target in ["/v1/lookup/place?lat=48.14&lon=11.575", "/v1/lookup/list", "/v1/lookup/list?cell=851f8d47fffffff"] {
        assert_eq!(server.client().get(target).await.json(), found, "{target}");
    }
    for target in ["/v1/lookup/place?lat=48.24&lon=11.575", "/v1/lookup/list?cell=85283473fffffff"] {
        assert_eq!(server.client().get(target).await.json(), json!({"entries": []}), "{target}");
    }

    let mut events = router.events(None).await;
    assert_eq!(events.titles().await, (0, vec![]));
    assert_eq!(server.put_offer(&router.id, "hello", "Welcome").await, StatusCode::NO_CONTENT);
    assert_eq!(events.titles().await, (1, vec!["Welcome".to_owned()]));

    let reports = json!([
        {"network": "cafe", "what": "arrived", "at": 1_795_400_000},
        {"network": "cafe", "what": "shown", "sender": "server", "offer": "hello", "at": 1_795_400_001},
        {"network": "cafe", "what": "dropped", "count": 7},
        {"network": "cafe", "what": "arrived"},
        {"network": "cafe", "what": "acknowledged"},
        {"network": "cafe", "what": "refused", "sender": "sharer", "offer": "forged"},
    ]);
    assert_eq!(router.report("b-1", reports).await.status, StatusCode::NO_CONTENT);
    let seen = server.operate(Method::GET, &format!("/v1/operator/routers/{}/reports", router.id), None).await.json();
    assert_eq!(
        seen["totals"],
        json!([
            {"network": "cafe", "what": "acknowledged", "count": 1},
            {"network": "cafe", "what": "arrived", "count": 2},
            {"network": "cafe", "what": "dropped", "count": 7},
            {"network": "cafe", "what": "refused", "sender": "sharer", "offer": "forged", "count": 1},
            {"network": "cafe", "what": "shown", "sender": "server", "offer": "hello", "count": 1},
        ])
    );
    assert_eq!(seen["last"].as_array().unwrap().len(), 6);
    assert_eq!(seen["last"][5]["at"], 1_795_400_000, "newest first");

    let routers = server.operate(Method::GET, "/v1/operator/routers", None).await.json();
    let row = &routers["routers"][0];
    assert_eq!(row["router"], router.id.to_string());
    assert_eq!((&row["vouched"], &row["generation"], &row["networks"]), (&json!(true), &json!(1), &json!(1)));
    assert_eq!((&row["offers_revision"], &row["streams"], &row["version"]), (&json!(1), &json!(1), &json!("0.1.0")));
    server.stop().await;
}

#[tokio::test]
async fn the_operator_is_who_bears_the_token() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for header in
        [None, Some("Bearer x".to_owned()), Some(server.operator.clone()), Some(format!("Bearer {}", server.enrolment))]
    {
        let mut request = http::Request::get("/v1/operator/routers");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let answer = server.client().send(request.body(String::new()).unwrap()).await;
        answer.problem(401, "about:blank");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    server.stop().await;
}

#[tokio::test]
async fn an_offer_that_breaks_a_limit_is_refused() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let target = |id: &str| format!("/v1/operator/offers/{id}");
    let whole = |offer: Value| json!({"offer": offer});
    let bad = "urn:welcome:problem:bad-request";
    for body in [
        json!({"id": "b", "content": {"title": "t"}}),
        json!({"id": "a", "content": {"title": ""}}),
        json!({"id": "a", "content": {"title": "t", "link": "javascript:alert(1)"}}),
        json!({"id": "a", "priority": 101, "content": {"title": "t"}}),
        json!([]),
    ] {
        server.operate(Method::PUT, &target("a"), Some(whole(body))).await.problem(400, bad);
    }
    for sender in ["device", "nobody", ""] {
        let target = format!("{}?sender={sender}", target("a"));
        let body = json!({"id": "a", "content": {"title": "t"}});
        server.operate(Method::PUT, &target, Some(whole(body))).await.problem(400, bad);
    }
    let unknown = "r-0".parse().unwrap();
    let unknown = server.offer(&unknown, "server", json!({"id": "a", "content": {"title": "t"}})).await;
    unknown.problem(404, "about:blank");
    server.operate(Method::DELETE, &target("a"), None).await.problem(404, "about:blank");

    for n in 0..64 {
        assert_eq!(server.put_offer(&router.id, &format!("o{n}"), "t").await, StatusCode::NO_CONTENT);
    }
    assert_eq!(server.put_offer(&router.id, "o64", "t").await, StatusCode::CONFLICT);
    assert_eq!(server.put_offer(&router.id, "o63", "other").await, StatusCode::NO_CONTENT, "replacing is no adding");
    let long = |id: &str| json!({"id": id, "content": {"title": "t", "text": "欢".repeat(2000)}});
    let mut statuses = Vec::new();
    for n in 0..11 {
        let id = format!("o{n}");
        statuses.push(server.operate(Method::PUT, &target(&id), Some(whole(long(&id)))).await.status);
    }
    assert_eq!(statuses[0], StatusCode::NO_CONTENT);
    assert_eq!(statuses[10], StatusCode::CONFLICT, "60 KiB in all");
    // Another sender has room of its own.
    let answer =
        server.operate(Method::PUT, &format!("{}?sender=sharer", target("o10")), Some(whole(long("o10")))).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    server.stop().await;
}

#[tokio::test]
async fn what_is_not_there_is_a_problem_too() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let answer = server.client().get("/healthz").await;
    assert_eq!((answer.status, &answer.body[..]), (StatusCode::OK, &b"ok"[..]));
    server.client().get("/nowhere").await.problem(404, "about:blank");
    server.client().get("/v1/routers/a%2fb/events").await.problem(404, "about:blank");
    let answer = server.client().get("/v1/enrol").await;
    answer.problem(405, "about:blank");
    assert_eq!(answer.headers["allow"], "POST");
    server.stop().await;
}
