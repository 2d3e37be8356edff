//! Each route, asked over a real socket.

use crate::common::{Router, Server, network, unix_now};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;
use welcome_server::Scope;

const BSSID: &str = "02:00:00:00:01:00";
const OTHER: &str = "02:00:00:00:02:00";

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
async fn a_token_enrols_one_key_and_answers_it_again() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (key, same) = Router::new_key_twice();
    let router = Router::enrol_as(server.client(), &server.enrolment, key).await.unwrap();
    let again = Router::enrol_as(server.client(), &server.enrolment, same).await.unwrap();
    assert_eq!(again.id, router.id, "its first answer may have been lost");

    for token in [&server.enrolment, "0123456789abcdef0123456789abcdef", &server.operator] {
        let refused = Router::enrol(server.client(), token).await.err().unwrap();
        refused.problem(403, "urn:welcome:problem:bad-token");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_token_ends() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let body = json!({"ttl_s": 1});
    let made = server.operate(Method::POST, "/v1/operator/tokens", Some(body)).await.json();
    assert!(made["expires"].as_u64().unwrap() <= unix_now() + 1);
    tokio::time::sleep(std::time::Duration::from_millis(2100)).await;
    let refused = Router::enrol(server.client(), made["token"].as_str().unwrap()).await.err().unwrap();
    refused.problem(403, "urn:welcome:problem:bad-token");
    server.stop().await;
}

#[tokio::test]
async fn an_enrolment_that_cannot_be_used_says_why() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for (key, version) in [("AAAA", "1"), ("!", "1"), ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", &"x".repeat(65))]
    {
        let body = json!({"token": server.enrolment, "public_key": key, "version": version}).to_string();
        server.client().post("/v1/enrol", &body).await.problem(400, "urn:welcome:problem:bad-request");
    }
    server.client().post("/v1/enrol", "{").await.problem(400, "urn:welcome:problem:bad-request");
    Router::enrol(server.client(), &server.enrolment).await.unwrap();
    server.stop().await;
}

#[tokio::test]
async fn only_the_right_signature_lets_in() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (key, same) = Router::new_key_twice();
    let router = Router::enrol_as(server.client(), &server.enrolment, key).await.unwrap();
    let other = server.router(true).await;
    let target = router.path("announce");
    let body = json!({"generation": 1, "networks": []}).to_string();
    let bad = "urn:welcome:problem:bad-signature";

    let unsigned = http::Request::put(&target).body(body.clone()).unwrap();
    router.client.send(unsigned).await.problem(401, bad);

    let forged = router.with_key(Router::new_key());
    router.client.send(forged.sign("PUT", &target, &body)).await.problem(401, bad);
    router.client.send(other.sign("PUT", &target, &body)).await.problem(401, bad);
    let under_another_name = other.with_key(same);
    router.client.send(under_another_name.sign("PUT", &target, &body)).await.problem(401, bad);

    let mut tampered = router.sign("PUT", &target, &body);
    *tampered.body_mut() = json!({"generation": 9, "networks": []}).to_string();
    router.client.send(tampered).await.problem(401, bad);

    let mut stripped = router.sign("PUT", &target, &body);
    stripped.headers_mut().remove("content-digest");
    router.client.send(stripped).await.problem(401, bad);

    let mut twice = router.sign("PUT", &target, &body);
    let signature = twice.headers()["signature"].clone();
    twice.headers_mut().append("signature", signature);
    router.client.send(twice).await.problem(401, bad);

    let mut elsewhere = router.sign("PUT", &target, &body);
    elsewhere.headers_mut().insert("host", "other.example".parse().unwrap());
    router.client.send(elsewhere).await.problem(401, bad);

    let mut method = router.sign("PUT", &router.path("reports"), &json!({"batch": "b", "reports": []}).to_string());
    *method.method_mut() = Method::POST;
    router.client.send(method).await.problem(401, bad);

    let mut query = router.sign("PUT", &target, &body);
    *query.uri_mut() = format!("{target}?x=1").parse().unwrap();
    router.client.send(query).await.problem(401, bad);

    // After all of these the router's own request passes.
    router.client.send(router.sign("PUT", &target, &body)).await;
    let held = router.announce(1, json!([])).await.problem(409, "urn:welcome:problem:stale-generation");
    assert_eq!(held["generation"], 1);
    server.stop().await;
}

#[tokio::test]
async fn a_skewed_clock_is_told_the_time() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let body = json!({"generation": 1, "networks": []}).to_string();
    for created in [0, unix_now() - 310, unix_now() + 310] {
        let request = router.sign_at(created, "PUT", &router.path("announce"), &body);
        let answer = router.client.send(request).await.problem(401, "urn:welcome:problem:clock-skew");
        assert!(answer["now"].as_u64().unwrap().abs_diff(unix_now()) <= 2);
    }
    let request = router.sign_at(unix_now() - 290, "PUT", &router.path("announce"), &body);
    assert_eq!(router.client.send(request).await.status, StatusCode::NO_CONTENT);
    server.stop().await;
}

#[tokio::test]
async fn a_host_is_signed_without_its_default_port_and_in_lower_case() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let body = json!({"generation": 1, "networks": []}).to_string();
    // Signed for `localhost`, as RFC 9421 section 2.2.3 has it; sent as a client may write it.
    let mut request = router.sign_for("localhost", unix_now(), "PUT", &router.path("announce"), &body);
    request.headers_mut().insert("host", "LocalHost:80".parse().unwrap());
    assert_eq!(router.client.send(request).await.status, StatusCode::NO_CONTENT);
    server.stop().await;
}

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

#[tokio::test]
async fn a_batch_that_is_sent_twice_at_once_is_counted_once() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let (router, other) = (server.router(true).await, server.router(true).await);
    let reports = || json!([{"network": "cafe", "what": "arrived"}, {"network": "cafe", "what": "left"}]);
    for n in 0..10 {
        let batch = format!("b-{n}");
        let (a, b) = tokio::join!(router.report(&batch, reports()), router.report(&batch, reports()));
        assert_eq!((a.status, b.status), (StatusCode::NO_CONTENT, StatusCode::NO_CONTENT));
    }
    assert_eq!(router.report("b-0", reports()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(other.report("b-0", reports()).await.status, StatusCode::NO_CONTENT, "another router's own b-0");
    for (id, count) in [(&router.id, 10), (&other.id, 1)] {
        let seen = server.operate(Method::GET, &format!("/v1/operator/routers/{id}/reports"), None).await.json();
        assert_eq!(seen["totals"][0], json!({"network": "cafe", "what": "arrived", "count": count}));
    }
    server.stop().await;
}

#[tokio::test]
async fn of_the_reports_one_by_one_the_last_hundred_are_kept() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let reports = |from: u64, count: u64| -> Value {
        (from..from + count).map(|at| json!({"network": "cafe", "what": "arrived", "at": at})).collect()
    };
    router.report("over", reports(0, 101)).await.problem(400, "urn:welcome:problem:bad-request");
    for (batch, from) in [("a", 0), ("b", 100), ("c", 200)] {
        assert_eq!(router.report(batch, reports(from, 100)).await.status, StatusCode::NO_CONTENT);
    }
    router.report("d", reports(300, 1)).await;
    let seen = server.operate(Method::GET, &format!("/v1/operator/routers/{}/reports", router.id), None).await.json();
    assert_eq!(seen["totals"][0]["count"], 301);
    let last: Vec<_> = seen["last"].as_array().unwrap().iter().map(|r| r["at"].as_u64().unwrap()).collect();
    assert_eq!(last, (201..=300).rev().collect::<Vec<_>>());
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

async fn bssids(server: &Server, target: &str) -> Vec<String> {
    let listing = server.client().get(target).await.json();
    listing["entries"].as_array().unwrap().iter().map(|e| e["bssid"].as_str().unwrap().to_owned()).collect()
}
