//! What a hostile or broken peer can make the server hold: little, and not for long.

use std::time::{Duration, Instant};

use crate::common::{Server, network};
use serde_json::json;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[tokio::test]
async fn a_body_above_64_kib_is_refused() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let padded = |size: usize| {
        let body = json!({"generation": 1, "networks": [], "x": ""}).to_string();
        body.replace("\"x\":\"\"", &format!("\"x\":\"{}\"", "x".repeat(size - body.len())))
    };
    let full = padded(64 * 1024);
    let answer = router.client.send(router.sign("PUT", &router.path("announce"), &full)).await;
    assert_eq!(answer.status, http::StatusCode::NO_CONTENT);
    let over = padded(64 * 1024 + 1);
    let answer = router.client.send(router.sign("PUT", &router.path("announce"), &over)).await;
    answer.problem(413, "about:blank");
    server.client().post("/v1/enrol", &over).await.problem(413, "about:blank");
    server.client().post("/v1/lookup/bssids", &over).await.problem(413, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn a_header_of_a_mebibyte_is_refused_and_others_are_served() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    let header = format!("GET /healthz HTTP/1.1\r\nHost: x\r\nX: {}\r\n\r\n", "x".repeat(1 << 20));
    let written = stream.write_all(header.as_bytes()).await;
    let mut answer = Vec::new();
    let read = timeout(crate::common::SOON, stream.read_to_end(&mut answer)).await.unwrap();
    // The server hangs up on the rest, which may overtake its answer.
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 431 ") || written.is_err() || read.is_err(), "{answer}");
    assert_eq!(server.client().get("/healthz").await.status, 200);
    server.stop().await;
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let mut stream = TcpStream::connect(server.addr).await.unwrap();
    stream.write_all(b"POST /v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{").await.unwrap();
    let began = Instant::now();
    let mut answer = [0; 12];
    timeout(Duration::from_secs(20), stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(began.elapsed() > Duration::from_secs(9));
    server.stop().await;
}

#[tokio::test]
async fn many_look_ups_at_once_are_all_answered() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", "02:00:00:00:01:00")])).await;
    let client = server.client();
    let asked: Vec<_> =
        (0..200).map(|_| tokio::spawn(async move { client.get("/v1/lookup/list").await.status })).collect();
    for answer in asked {
        assert_eq!(answer.await.unwrap(), 200);
    }
    server.stop().await;
}
