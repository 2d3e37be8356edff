//! How a router comes in, and what it signs with afterwards.

use crate::common::{Router, Server, unix_now};
use http::{Method, StatusCode};
use serde_json::json;
use tempfile::tempdir;

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
