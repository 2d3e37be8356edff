//! What phones and people get who were sent here by a router without a certificate.

use crate::common::{Answer, Router, Server, network, unix_now};
use http::{Request, StatusCode};
use serde_json::{Value, json};
use tempfile::tempdir;
use welcome_server::Config;

const BSSID: &str = "02:00:00:00:01:00";

#[tokio::test]
async fn the_api_names_the_page_where_there_is_something_to_read() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = with_networks(&server).await;
    let (api, page) = (format!("/v1/captive/{}/cafe", router.id), format!("/v1/venue/{}/cafe", router.id));
    let answer = get(&server, &api, &[]).await;
    assert_eq!(answer.json(), json!({"captive": false}));
    assert_eq!(answer.headers["content-type"], "application/captive+json");
    assert_eq!(answer.headers["cache-control"], "private");
    assert_eq!(answer.headers["vary"], "accept");

    let now = unix_now();
    put(&server, &router, json!({"id": "bar", "networks": ["bar"], "content": {"title": "t"}})).await;
    put(&server, &router, json!({"id": "over", "when": {"until": now - 1}, "content": {"title": "t"}})).await;
    put(&server, &router, json!({"id": "soon", "when": {"from": now + 99}, "content": {"title": "t"}})).await;
    assert_eq!(get(&server, &api, &[]).await.json(), json!({"captive": false}));
    put(&server, &router, json!({"id": "on", "when": {"until": now + 99}, "content": {"title": "t"}})).await;
    let host = server.addr;
    let expected = json!({"captive": false, "venue-info-url": format!("http://{host}{page}")});
    for accept in ["application/captive+json", "*/*", "application/captive+json, text/html"] {
        let answer = get(&server, &api, &[("accept", accept)]).await;
        assert_eq!(answer.json(), expected, "{accept}");
        assert!(answer.body.len() < 4096);
    }
    // A person who opens it gets the page.
    let answer = get(&server, &api, &[("accept", "text/html,*/*;q=0.8")]).await;
    assert_eq!((answer.status, answer.headers["vary"].to_str().unwrap()), (StatusCode::FOUND, "accept"));
    assert_eq!(answer.headers["location"], format!("http://{host}{page}"));

    for nothing in ["/v1/captive/r-0/cafe", &format!("/v1/captive/{}/no", router.id), "/v1/venue/r-0/cafe"] {
        get(&server, nothing, &[]).await.problem(404, "about:blank");
    }
    server.stop().await;
}

#[tokio::test]
async fn the_address_of_the_page_is_the_one_people_use() {
    let data = tempdir().unwrap();
    let here = "127.0.0.1:0".parse().unwrap();
    let behind_proxy = vec!["127.0.0.1/32".parse().unwrap()];
    let server = Server::serve(Config { behind_proxy, ..Config::new(here, data.path().to_owned()) }).await;
    let router = with_networks(&server).await;
    put(&server, &router, json!({"id": "on", "content": {"title": "t"}})).await;
    let api = format!("/v1/captive/{}/cafe", router.id);
    let url = async |headers: &[(&str, &str)]| {
        let answer = get(&server, &api, headers).await.json();
        answer["venue-info-url"].as_str().map(|u| u.split_once("/v1/").unwrap().0.to_owned())
    };
    for (headers, expected) in [
        (&[("host", "Welcome.example")][..], "http://welcome.example"),
        (&[("host", "welcome.example:80")], "http://welcome.example"),
        (&[("host", "welcome.example:443"), ("x-forwarded-proto", "https")], "https://welcome.example"),
        (&[("host", "welcome.example:8443"), ("x-forwarded-proto", "https,http")], "https://welcome.example:8443"),
        (&[("host", "[2001:db8::1]:8443"), ("x-forwarded-proto", "gopher")], "http://[2001:db8::1]:8443"),
    ] {
        assert_eq!(url(headers).await.as_deref(), Some(expected), "{headers:?}");
    }
    for host in ["a b", "a/b", "u@a", "\"", &"x".repeat(260)] {
        let answer = get(&server, &api, &[("host", host)]).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{host}");
    }
    server.stop().await;
    let server = Server::on(data.path()).await;
    let stranger = get(&server, &api, &[("host", "welcome.example"), ("x-forwarded-proto", "https")]).await.json();
    assert!(stranger["venue-info-url"].as_str().unwrap().starts_with("http://welcome.example/"), "{stranger}");
    server.stop().await;
    let server = Server::with_public_url(data.path(), "https://welcome.example").await;
    let answer = get(&server, &api, &[("host", "inside:8480")]).await.json();
    assert!(answer["venue-info-url"].as_str().unwrap().starts_with("https://welcome.example/v1/venue/"), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn the_page_shows_what_is_on_in_the_language_of_whoever_reads() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = with_networks(&server).await;
    let page = format!("/v1/venue/{}/cafe", router.id);
    let empty = get(&server, &page, &[("accept-language", "zh-CN,en;q=0.5")]).await;
    assert!(text(&empty).contains("目前没有消息。"), "{}", text(&empty));

    let png = server.put_content(None, b"\x89PNG\r\n\x1a\n").await.json();
    let html = server.put_content(None, b"<script>alert(1)</script>").await.json();
    let mut image = png.clone();
    image["alt"] = json!("A <cup>");
    put(
        &server,
        &router,
        json!({
            "id": "cake", "priority": 90,
            "content": {"title": "<b>Cake & \"tea\"</b>\u{202e}", "text": "one\ntwo", "link": "https://example.org/?a=\"><b>", "image": image, "color": "#0b5f6b"},
            "translations": {"zh-hant": {"title": "蛋糕"}},
        }),
    )
    .await;
    put(&server, &router, json!({"id": "menu", "content": {"title": "Menu", "text": "unseen", "page": html}})).await;

    let english = get(&server, &page, &[]).await;
    let shown = text(&english);
    for part in [
        "&#60;b&#62;Cake &#38; &#34;tea&#34;&#60;/b&#62;",
        "one\ntwo",
        "href=\"https://example.org/?a=&#34;&#62;&#60;b&#62;\"",
        "alt=\"A &#60;cup&#62;\"",
        &format!("src=\"../../content/{}\"", png["digest"].as_str().unwrap()),
        &format!("href=\"../../content/{}\"", html["digest"].as_str().unwrap()),
        "#m1{--fill:#0b5f6b;--on:#ffffff;",
        "<bdi>&#60;Café&#62;</bdi>",
        "Read on",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(shown.find("Cake") < shown.find("Menu") && !shown.contains("unseen") && !shown.contains("<script"));
    let policy = english.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; img-src 'self'; style-src 'nonce-"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains("script"));

    let chinese = get(&server, &page, &[("accept-language", "zh-Hant-TW, zh;q=0.9")]).await;
    let shown = text(&chinese);
    assert!(shown.contains("<html lang=\"zh\">") && shown.contains(" lang=\"zh-hant\"") && shown.contains("蛋糕"));
    assert!(shown.contains("打开") && shown.contains("Menu"), "{shown}");
    server.stop().await;
}

async fn with_networks(server: &Server) -> Router {
    let router = server.router(true).await;
    let networks = json!([network("cafe", "<Café>", BSSID), network("bar", "Bar", BSSID)]);
    assert_eq!(router.announce(1, networks).await.status, StatusCode::NO_CONTENT);
    router
}

async fn put(server: &Server, router: &Router, offer: Value) {
    let answer = server.offer(&router.id, "server", offer).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{answer:?}");
}

async fn get(server: &Server, target: &str, headers: &[(&str, &str)]) -> Answer {
    let request = headers.iter().fold(Request::get(target), |request, (name, value)| request.header(*name, *value));
    server.client().send(request.body(String::new()).unwrap()).await
}

fn text(answer: &Answer) -> String {
    assert_eq!(
        (answer.status, &answer.headers["content-type"].to_str().unwrap()),
        (StatusCode::OK, &"text/html; charset=utf-8")
    );
    String::from_utf8(answer.body.to_vec()).unwrap()
}
