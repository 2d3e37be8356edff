//! A lab for the program: a stand-in for wpa_supplicant, a small web server that plays the directory or the router, and
//! a state directory.

// Each test program uses its own part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

pub mod signed;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, combinators::BoxBody};
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::ctrl::{FakeAp, FakeSupplicant};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

pub const CAFE: &str = "02:00:00:00:00:01";
pub const KEY: &str = "correct horse battery";

/// What a request gets.
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Bytes,
    /// The body does not end.
    open: bool,
}

impl Answer {
    pub fn json(value: &Value) -> Self {
        Self::new(200, value.to_string())
    }

    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self { status, headers: Vec::new(), body: body.into(), open: false }
    }

    pub fn stream(body: String) -> Self {
        Self { open: true, ..Self::new(200, body) }
    }

    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

/// A request as far as tests look at it.
#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub uri: String,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

/// A web server on a port of its own.
pub struct Web {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Web {
    pub fn start(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(None, answer)
    }

    /// With TLS.
    pub fn start_tls(config: ServerConfig, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_with(Some(TlsAcceptor::from(Arc::new(config))), answer)
    }

    fn start_with(tls: Option<TlsAcceptor>, answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (answer, log) = (Arc::new(answer), Arc::clone(&asked));
        // Ends with the test program.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                listener.set_nonblocking(true).unwrap();
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (answer, log, tls) = (Arc::clone(&answer), Arc::clone(&log), tls.clone());
                    tokio::spawn(async move {
                        let service = service_fn(|request| serve(request, Arc::clone(&answer), Arc::clone(&log)));
                        let http = hyper::server::conn::http1::Builder::new();
                        match tls {
                            None => drop(http.serve_connection(TokioIo::new(stream), service).await),
                            Some(tls) => {
                                // Whoever does not trust us ends it here.
                                let Ok(stream) = tls.accept(stream).await else { return };
                                drop(http.serve_connection(TokioIo::new(stream), service).await);
                            }
                        }
                    });
                }
            });
        });
        Self { address, asked }
    }

    /// What was asked for, without the hosts.
    pub fn uris(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.uri).collect()
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

async fn serve(
    request: Request<Incoming>,
    answer: Arc<impl Fn(&Asked) -> Answer>,
    log: Arc<Mutex<Vec<Asked>>>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let headers =
        head.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let asked = Asked {
        method: head.method.to_string(),
        uri: head.uri.to_string(),
        headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    log.lock().unwrap().push(asked.clone());
    let answer = answer(&asked);
    let body = if answer.open {
        let (mut sender, body) = http_body_util::channel::Channel::<Bytes, Infallible>::new(4);
        tokio::spawn(async move {
            drop(sender.send_data(answer.body).await);
            tokio::time::sleep(Duration::from_secs(60)).await;
        });
        body.boxed()
    } else {
        Full::new(answer.body).boxed()
    };
    let mut response = Response::builder().status(answer.status);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(body).unwrap())
}

/// A router whose agent has these messages for us.
pub fn router(offers: Vec<Value>) -> Web {
    Web::start(move |asked| match asked.uri.as_str() {
        "/.well-known/welcome" => Answer::json(&json!({
            "version": 1, "offers": "/welcome/v1/offers", "stream": "/welcome/v1/stream", "shown": "/welcome/v1/shown",
            "page": "/", "network": { "id": "cafe", "ssid": "Café" }
        })),
        "/welcome/v1/stream" => Answer::stream(
            std::iter::once(":\n\n".to_owned())
                .chain(offers.iter().map(|offer| format!("event: offer\nid: 1\ndata: {offer}\n\n")))
                .collect(),
        )
        .header("content-type", "text/event-stream"),
        "/welcome/v1/shown" => Answer::new(204, ""),
        _ => Answer::new(404, ""),
    })
}

pub fn offer(id: &str) -> Value {
    json!({ "id": id, "sender": "device", "title": format!("Hello {id}"), "text": "one\ntwo", "link": "https://a.example/" })
}

/// The list that the directory has.
pub fn listing() -> Value {
    json!({ "entries": [
        entry(CAFE, "Café", "psk", Some(KEY)),
        entry("02:00:00:00:00:02", "open house", "open", None),
        entry("02:00:00:00:00:03", "no key", "psk", None),
    ] })
}

pub fn entry(bssid: &str, ssid: &str, security: &str, key: Option<&str>) -> Value {
    let mut entry =
        json!({ "bssid": bssid, "ssid": ssid, "security": security, "area": "here", "assurance": "vouched" });
    if let Some(key) = key {
        entry["key"] = key.into();
    }
    entry
}

/// A directory that has these networks, and knows no place of any.
pub fn directory(listing: Value) -> Web {
    Web::start(move |asked| match asked.uri.as_str() {
        "/v1/directory" => Answer::json(&signed::directory(1)),
        "/v1/snapshots" => Answer::json(&json!({ "snapshots": [] })),
        _ => Answer::json(&listing),
    })
}

/// A directory that is older than snapshots.
pub fn old_directory(answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Web {
    Web::start(move |asked| if asked.uri == "/v1/directory" { Answer::new(404, "") } else { answer(asked) })
}

pub fn ap(bssid: &str, ssid: &str, key: Option<&str>, signal: i32) -> FakeAp {
    let flags = if key.is_some() { "[WPA2-PSK-CCMP][ESS]" } else { "[ESS]" };
    FakeAp { bssid: bssid.into(), ssid: ssid.into(), flags: flags.into(), signal, key: key.map(Into::into) }
}

/// One computer.
pub struct Lab {
    pub dir: TempDir,
    pub wpa: FakeSupplicant,
}

impl Lab {
    pub fn new(aps: Vec<FakeAp>) -> Self {
        Self::on("wlan0", aps)
    }

    /// With another interface than `wlan0`; [`Lab::start_on`] uses it.
    pub fn on(interface: &str, aps: Vec<FakeAp>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let wpa = FakeSupplicant::start(dir.path(), interface, aps);
        Self { dir, wpa }
    }

    /// The café is on the air.
    pub fn cafe() -> Self {
        Self::new(vec![ap(CAFE, "Café", Some(KEY), -50)])
    }

    pub fn start(&self, args: &[&str]) -> Running {
        self.start_with(args, &[])
    }

    /// With variables of its session.
    pub fn start_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Running {
        self.start_on("wlan0", args, variables)
    }

    /// With another interface than the stand-in's.
    pub fn start_on(&self, interface: &str, args: &[&str], variables: &[(&str, &str)]) -> Running {
        let mut child = Command::new(env!("CARGO_BIN_EXE_welcome"))
            .args(["--interface", interface, "--ctrl-dir", self.dir.path().to_str().unwrap()])
            .args(["--state-dir", self.dir.path().join("state").to_str().unwrap()])
            .args(args)
            .env("TMPDIR", self.dir.path())
            .env("LC_ALL", "C")
            // Whatever manages this computer's own radios is not asked.
            .env("DBUS_SYSTEM_BUS_ADDRESS", format!("unix:path={}/no-bus", self.dir.path().display()))
            .envs(variables.iter().copied())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let reader = thread::spawn({
            let lines = Arc::clone(&lines);
            move || stdout.lines().for_each(|line| lines.lock().unwrap().push(line.unwrap()))
        });
        let errors = thread::spawn(move || {
            let mut text = String::new();
            stderr.read_to_string(&mut text).unwrap();
            text
        });
        Running { child, lines, threads: Some((reader, errors)) }
    }

    pub fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// Runs `connect --json` against these servers.
    pub fn connect(&self, directory: Option<&Web>, router: &Web, more: &[&str]) -> Running {
        let port = router.address.port().to_string();
        let mut args = vec!["--json", "connect", "--gateway", "127.0.0.1", "--portal-port", &port];
        let url = directory.map(Web::url);
        if let Some(url) = &url {
            args.extend(["--server", url]);
        }
        args.extend(more);
        self.start(&args)
    }

    /// Nothing of ours is in wpa_supplicant or on disk, apart from the list.
    pub fn is_clean(&self) -> bool {
        let left = |dir: &std::path::Path, start: &str| {
            std::fs::read_dir(dir)
                .map(|entries| {
                    entries.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().starts_with(start)).count()
                })
                .unwrap_or_default()
        };
        left(self.dir.path(), "wpa-ctrl") == 0 && left(&self.dir.path().join("state"), "added") == 0
    }
}

/// The program, at work.
pub struct Running {
    child: Child,
    lines: Arc<Mutex<Vec<String>>>,
    threads: Option<(JoinHandle<()>, JoinHandle<String>)>,
}

/// The program, at its end.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<String>,
    pub stderr: String,
}

impl Running {
    /// Waits for an event of that name.
    pub fn until(&self, event: &str) {
        self.until_within(event, Duration::from_secs(10));
    }

    /// The same, for what takes longer.
    pub fn until_within(&self, event: &str, limit: Duration) {
        let began = Instant::now();
        while !events(&self.lines.lock().unwrap()).iter().any(|value| value["event"] == event) {
            assert!(began.elapsed() < limit, "no {event}: {:#?}", self.lines.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for an event of that name, and gives the first one.
    pub fn first(&self, event: &str) -> Value {
        self.until(event);
        let so_far = events(&self.lines.lock().unwrap());
        so_far.into_iter().find(|value| value["event"] == event).unwrap()
    }

    pub fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    pub fn end(mut self) -> Ended {
        let began = Instant::now();
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(began.elapsed() < Duration::from_secs(30), "does not end: {:#?}", self.lines.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        };
        let (reader, errors) = self.threads.take().unwrap();
        reader.join().unwrap();
        let stdout = self.lines.lock().unwrap().clone();
        Ended { code, stdout, stderr: errors.join().unwrap() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Ended {
    pub fn events(&self) -> Vec<Value> {
        events(&self.stdout)
    }

    pub fn names(&self) -> Vec<String> {
        self.events().iter().map(|event| event["event"].as_str().unwrap().to_owned()).collect()
    }

    pub fn event(&self, name: &str) -> Value {
        self.events().into_iter().find(|event| event["event"] == name).unwrap_or_else(|| panic!("no {name}: {self:#?}"))
    }
}

fn events(lines: &[String]) -> Vec<Value> {
    lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}
