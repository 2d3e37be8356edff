//! What happened at a router, counted once.

use crate::common::Server;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;

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
