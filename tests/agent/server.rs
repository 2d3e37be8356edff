//! The agent and the real server.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::time::sleep;
use welcome_core::{ServerLink, View};
use welcome_proto::lan;
use welcome_proto::offer::Sender;
use welcome_server::{Config, Ready, Scopes, TlsFiles, add_api_token, add_enrolment_token, serve};

use crate::kit::{ANN, Agent, BOB, GUEST, Kit, eventually};

#[tokio::test]
async fn what_is_shared_is_listed_and_an_offer_comes_down() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), None, None).await;
    let mut kit = Kit::start(&server.section()).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;

    eventually("the network is listed", async || {
        let (_, list) = server.get("/v1/lookup/list").await;
        list["entries"][0]["bssid"] == "02:00:00:00:00:00" && list["entries"][0]["key"] == "sesame-sesame"
    })
    .await;

    server.put_offer("news", "Fresh cake").await;
    kit.agent.until(|v| matches!(v.server, ServerLink::Connected)).await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    eventually("both are offered", async || ann.due().await.unwrap().len() == 2).await;
    let mut stream = ann.stream().await;
    let titles = [stream.offer().await.content.title, stream.offer().await.content.title];
    assert!(titles.contains(&"Fresh cake".to_owned()) && titles.contains(&"Coffee is half price".to_owned()));

    // A guest who is here hears of a new one at once.
    server.put_offer("later", "Last round").await;
    assert_eq!(stream.offer().await.content.title, "Last round");
}

#[tokio::test]
async fn what_is_said_at_the_server_reaches_a_guest_within_a_second() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), None, None).await;
    let mut kit = Kit::start(&server.section()).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let mut stream = ann.stream().await;
    assert_eq!(stream.offer().await.id.as_str(), "hello");

    let router = server.router().await;
    let say = json!({"network": "cafe", "title": "Last orders", "text": "Until ten."});
    let path = format!("/v1/operator/routers/{router}/say?sender=sharer");
    let began = Instant::now();
    let (_, said) = server.send(Method::POST, &path, Some(say)).await;
    assert_eq!(said, json!({"streams": 1}));
    let offer = stream.offer().await;
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((offer.content.title.as_str(), offer.sender), ("Last orders", Sender::Sharer));
    assert!(offer.signed.is_some(), "whoever shows it can verify it");
}

#[tokio::test]
async fn offers_of_the_server_outlive_a_restart_without_it() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), None, None).await;
    let mut kit = Kit::start(&server.section()).await;
    server.put_offer("news", "Fresh cake").await;
    kit.agent.until(|v| v.offers.len() == 2).await;
    let kept = kit.dir.path().join("state/offers.json");
    eventually("it is kept", async || std::fs::read_to_string(&kept).is_ok_and(|t| t.contains("Fresh cake"))).await;
    let section = server.section();
    server.stop().await;

    let (old, dir) = (kit.agent, kit.dir);
    old.stop().await;
    let greeting = "config offer 'hello'\n\toption title 'Coffee is half price'\n";
    let mut agent = Agent::start(dir.path(), &format!("{greeting}{section}")).await;
    agent.until(|v| v.offers.len() == 2 && matches!(v.server, ServerLink::Away { .. })).await;
}

#[tokio::test]
async fn an_offer_waits_for_its_image_and_a_damaged_one_is_fetched_again() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), None, None).await;
    let mut kit = Kit::start(&server.section()).await;
    let image = [b"\x89PNG\r\n\x1a\n", &[7; 100_000][..]].concat();
    let (_, file) = server.put("/v1/operator/content", &image).await;
    let digest = file["digest"].as_str().unwrap().to_owned();
    let router = server.router().await;
    let offer = json!({"id": "cake", "content": {"title": "Cake", "image": file}});
    let offer = json!({"offer": offer, "for": {"routers": [router]}});
    let (status, problem) = server.send(Method::PUT, "/v1/operator/offers/cake", Some(offer)).await;
    assert!(status.is_success(), "{problem}");

    let is_shown = |v: &View| v.offers.iter().any(|o| o.given.offer.id.as_str() == "cake" && o.waits.is_none());
    kit.agent.until(is_shown).await;
    let kept = kit.dir.path().join("content").join(&digest);
    assert_eq!(std::fs::read(&kept).unwrap(), image);

    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let cake = ann.due().await.unwrap().into_iter().find(|o| o.id.as_str() == "cake").unwrap();
    let path = format!("{}{}", lan::CONTENT, cake.content.image.unwrap().file.digest);
    let fetch = async || {
        let (status, body) = ann.send(Method::GET, &path, String::new()).await;
        (status, body.collect().await.unwrap().to_bytes())
    };
    assert_eq!(fetch().await, (StatusCode::OK, image.clone().into()));

    // Every byte is looked at before it is shown, and what is damaged comes anew.
    let mut damaged = image.clone();
    damaged[50_000] ^= 1;
    std::fs::write(&kept, &damaged).unwrap();
    assert_eq!(fetch().await.0, StatusCode::NOT_FOUND);
    kit.agent.until(is_shown).await;
    eventually("it is whole again", async || fetch().await == (StatusCode::OK, image.clone().into())).await;
}

#[tokio::test]
async fn without_the_server_the_guest_is_greeted_and_the_report_arrives_once_it_is_back() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start(data.path(), None, None).await;
    let mut kit = Kit::start(&server.section()).await;
    server.put_offer("news", "Fresh cake").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    eventually("it is here", async || ann.due().await.unwrap().len() == 2).await;

    let (addr, tokens) = (server.addr, server.tokens.clone());
    server.stop().await;
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    let mut stream = bob.stream().await;
    for _ in 0..2 {
        let offer = stream.offer().await;
        bob.show(&offer).await;
    }
    kit.agent.until(|v| matches!(v.server, ServerLink::Away { .. })).await;

    let server = Server::start(data.path(), Some(addr), Some(tokens)).await;
    // The wait before another attempt is at most a few seconds here.
    let shown = async || server.count("shown", "news").await;
    let mut arrived = 0;
    for _ in 0..600 {
        arrived = shown().await;
        if arrived > 0 {
            break;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(arrived, 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(shown().await, 1, "counted twice");
}

#[tokio::test]
async fn a_server_whose_certificate_is_not_trusted_gets_nothing() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start_tls(data.path()).await;
    let stranger = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(data.path().join("stranger.pem"), stranger.cert.pem()).unwrap();
    let mut kit = Kit::start(&server.tls_section(&data.path().join("stranger.pem"))).await;
    kit.agent.until(|v| matches!(&v.server, ServerLink::Away { reason } if reason.contains("certificate"))).await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    assert_eq!(ann.stream().await.offer().await.id.as_str(), "hello", "greeted from what the router has");
}

#[tokio::test]
async fn with_its_certificate_trusted_the_link_is_made_over_tls() {
    let data = tempfile::tempdir().unwrap();
    let server = Server::start_tls(data.path()).await;
    let mut kit = Kit::start(&server.tls_section(&data.path().join("cert.pem"))).await;
    kit.agent.until(|v| v.server == ServerLink::Connected).await;
}

/// The real server.
struct Server {
    addr: SocketAddr,
    /// For enrolment, and the operator's.
    tokens: (String, String),
    stop: oneshot::Sender<()>,
    ready: Ready,
}

impl Server {
    /// On the same data a router has spent its token; so tokens are handed on.
    async fn start(data: &Path, listen: Option<SocketAddr>, tokens: Option<(String, String)>) -> Self {
        let listen = listen.unwrap_or_else(|| "127.0.0.1:0".parse().unwrap());
        Self::serve(Config::new(listen, data.to_owned()), tokens).await
    }

    /// With a certificate of its own for `localhost`, in `cert.pem`.
    async fn start_tls(dir: &Path) -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let tls = TlsFiles { cert: dir.join("cert.pem"), key: dir.join("key.pem") };
        std::fs::write(&tls.cert, made.cert.pem()).unwrap();
        std::fs::write(&tls.key, made.signing_key.serialize_pem()).unwrap();
        let listen = "127.0.0.1:0".parse().unwrap();
        Self::serve(Config { tls: Some(tls), ..Config::new(listen, dir.join("data")) }, None).await
    }

    async fn serve(config: Config, tokens: Option<(String, String)>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let ready = serve(config.clone(), async {
            let _asked_or_dropped = stopped.await.is_ok();
        });
        let ready = ready.await.unwrap();
        let tokens = match tokens {
            Some(tokens) => tokens,
            None => {
                let enrolment = add_enrolment_token(&config, None, true, Duration::from_secs(3600)).await.unwrap();
                let operator = add_api_token(&config, None, "operator", Scopes::all()).await.unwrap();
                (enrolment.reveal().to_owned(), operator.reveal().to_owned())
            }
        };
        Self { addr: ready.addr, tokens, stop, ready }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ready.finished().await.unwrap();
    }

    /// The section of the agent's configuration that leads here.
    fn section(&self) -> String {
        let (addr, token) = (self.addr, &self.tokens.0);
        format!(
            "config server 'server'\n\toption url 'http://{addr}'\n\toption token '{token}'\n\toption allow_plain_http '1'\n"
        )
    }

    /// The same over TLS, trusting `ca_file`.
    fn tls_section(&self, ca_file: &Path) -> String {
        let (port, token, ca_file) = (self.addr.port(), &self.tokens.0, ca_file.display());
        format!(
            "config server 'server'\n\toption url 'https://localhost:{port}'\n\toption token '{token}'\n\toption ca_file '{ca_file}'\n"
        )
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.send(Method::GET, path, None).await
    }

    async fn put_offer(&self, id: &str, title: &str) {
        let router = self.router().await;
        let offer = json!({"offer": {"id": id, "content": {"title": title}}, "for": {"routers": [router]}});
        let path = format!("/v1/operator/offers/{id}");
        let (status, body) = self.send(Method::PUT, &path, Some(offer)).await;
        assert!(status.is_success(), "{status}: {body}");
    }

    /// The only router.
    async fn router(&self) -> String {
        let mut id = None;
        eventually("the router has enrolled", async || {
            let (_, routers) = self.get("/v1/operator/routers").await;
            let routers = routers.as_array().or(routers["routers"].as_array()).cloned().unwrap_or_default();
            id = routers.first().and_then(|r| r["router"].as_str()).map(str::to_owned);
            id.is_some()
        })
        .await;
        id.unwrap()
    }

    async fn count(&self, what: &str, offer: &str) -> u64 {
        let router = self.router().await;
        let (_, reports) = self.get(&format!("/v1/operator/routers/{router}/reports")).await;
        let totals = reports["totals"].as_array().unwrap();
        let of_it = totals.iter().filter(|t| t["what"] == what && t["offer"] == offer);
        of_it.map(|t| t["count"].as_u64().unwrap()).sum()
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let bytes = body.map(|b| b.to_string()).unwrap_or_default().into();
        self.send_bytes(method, path, "application/json", bytes).await
    }

    async fn put(&self, path: &str, bytes: &[u8]) -> (StatusCode, Value) {
        self.send_bytes(Method::PUT, path, "image/png", bytes.to_vec()).await
    }

    async fn send_bytes(&self, method: Method, path: &str, kind: &str, bytes: Vec<u8>) -> (StatusCode, Value) {
        let stream = TcpStream::connect(self.addr).await.unwrap();
        let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.addr.to_string())
            .header("content-type", kind)
            .header("authorization", format!("Bearer {}", self.tokens.1));
        let answer = sender.send_request(request.body(Full::new(Bytes::from(bytes))).unwrap()).await.unwrap();
        let status = answer.status();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}
