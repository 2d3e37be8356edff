//! Images and pages by their digest.

use crate::common::Server;
use http::StatusCode;
use serde_json::json;
use tempfile::tempdir;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and so on";
const BAD: &str = "urn:welcome:problem:bad-request";

#[tokio::test]
async fn what_was_put_is_there_for_everybody_for_ever() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let long = [PNG, &vec![7; 200_000]].concat();
    for (bytes, kind) in [(PNG, "image/png"), (&long, "image/png"), (b"<p>Caf\xc3\xa9", "text/html")] {
        let digest = hex(bytes);
        let expected = json!({"digest": digest, "length": bytes.len(), "type": kind});
        for _ in 0..2 {
            let put = server.put_content(None, bytes).await;
            assert_eq!((put.status, put.json()), (StatusCode::CREATED, expected.clone()));
        }
        let got = server.client().get(&format!("/v1/content/{digest}")).await;
        assert_eq!((got.status, &got.body[..]), (StatusCode::OK, bytes));
        assert_eq!(got.headers["content-length"], bytes.len().to_string());
        assert_eq!(got.headers["cache-control"], "public, max-age=31536000, immutable");
        assert_eq!(got.headers["x-content-type-options"], "nosniff");
        let is_page = kind == "text/html";
        assert_eq!(got.headers.get("content-security-policy").is_some_and(|p| p == "sandbox"), is_page);
        assert_eq!(got.headers["content-type"], if is_page { "text/html; charset=utf-8" } else { kind });
    }
    for digest in ["0".repeat(64), "x".to_owned(), "A".repeat(64)] {
        let got = server.client().get(&format!("/v1/content/{digest}")).await;
        got.problem(404, "about:blank");
    }
    server.stop().await;
}

#[tokio::test]
async fn bytes_are_what_they_begin_with_whatever_is_said_of_them() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for good in ["image/png", "IMAGE/PNG; x=y"] {
        assert_eq!(server.put_content(Some(good), PNG).await.status, StatusCode::CREATED, "{good}");
    }
    assert_eq!(server.put_content(Some("text/html; charset=utf-8"), b"<p>").await.status, StatusCode::CREATED);
    for (said, bytes) in [("image/jpeg", PNG), ("text/html", PNG), ("image/svg+xml", b"<svg/>")] {
        let answer = server.put_content(Some(said), bytes).await.problem(400, BAD);
        assert!(answer["detail"].as_str().unwrap().starts_with("Content-Type: "), "{answer}");
    }
    server.put_content(None, b"\x7fELF\0").await.problem(400, BAD);
    server.put_content(None, b"").await.problem(413, "about:blank");
    let most = [PNG, &vec![0; 256 * 1024 - PNG.len()]].concat();
    assert_eq!(server.put_content(None, &most).await.status, StatusCode::CREATED);
    server.put_content(None, &[&most[..], b"x"].concat()).await.problem(413, "about:blank");

    let unsigned = http::Request::put("/v1/operator/content").body("<p>".to_owned()).unwrap();
    server.client().send(unsigned).await.problem(401, "about:blank");
    server.stop().await;
}

#[tokio::test]
async fn an_offer_names_only_what_is_there() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    let put = async |image: serde_json::Value| {
        let offer =
            json!({"id": "a", "content": {"title": "t"}, "translations": {"zh": {"title": "t", "image": image}}});
        server.offer(&router.id, "server", offer).await
    };
    let file = |length: usize, kind: &str| json!({"digest": hex(PNG), "length": length, "type": kind});
    let answer = put(file(PNG.len(), "image/png")).await.problem(400, BAD);
    assert!(answer["detail"].as_str().unwrap().contains(&hex(PNG)), "{answer}");

    server.put_content(None, PNG).await;
    let answer = put(file(PNG.len() + 1, "image/png")).await.problem(400, BAD);
    let expected = format!("content {} is {} bytes of image/png", hex(PNG), PNG.len());
    assert_eq!(answer["detail"].as_str().unwrap(), expected);
    put(file(PNG.len(), "image/gif")).await.problem(400, BAD);
    assert_eq!(put(file(PNG.len(), "image/png")).await.status, StatusCode::NO_CONTENT);
    server.stop().await;
}

fn hex(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    digest.as_ref().iter().map(|b| format!("{b:02x}")).collect()
}
