//! What an operator does: configure, check, watch, renew the certificate, stop, copy and restore.

use std::path::Path;
use std::time::Duration;

use crate::common::program::{Program, command, run};
use crate::common::{Client, Router, SOON, Server, network};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tempfile::tempdir;
use testkit::postgres::Cluster;
use tokio::net::{TcpStream, UnixDatagram};
use tokio::time::{Instant, timeout};
use welcome_server::Config;
use welcome_server::config::Limits;

#[tokio::test]
async fn a_file_configures_it_and_the_command_line_goes_first() {
    let here = tempdir().unwrap();
    let text = "listen = \"127.0.0.1:1\"\ndata = \"of-the-file\"\nlog = { format = \"json\" }\nmetrics.listen = \"127.0.0.1:0\"\n";
    std::fs::write(here.path().join("config.toml"), text).unwrap();
    let options = ["serve", "--config", "config.toml", "--listen", "127.0.0.1:0"];
    let mut server = Program::start(here.path(), &options, "info").await;
    server.line_after("set up at ").await;
    assert!(here.path().join("of-the-file/lock").exists());
    let made = run(here.path(), &["token", "--config", "config.toml"]).await;
    assert!(made.status.success(), "{made:?}");
    server.terminate().await;
    let log = std::fs::read_to_string(here.path().join("log")).unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["message"] == "metrics and health" && line["level"] == "INFO"), "{log}");
}

#[tokio::test]
async fn every_mistake_is_said_at_once_with_exit_78() {
    let here = tempdir().unwrap();
    std::fs::write(here.path().join("config.toml"), "lisen = 1\n[limits]\nstreams = 0\n").unwrap();
    for command in ["serve", "check", "token"] {
        let output = run(here.path(), &[command, "--config", "config.toml"]).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{text}");
        for line in
            ["config.toml:1: lisen: unknown key; did you mean `listen`?", "config.toml:3: limits.streams: 0: expected"]
        {
            assert!(text.contains(line), "{text}");
        }
    }
    assert_eq!(run(here.path(), &["check", "--config", "absent"]).await.status.code(), Some(78));
}

#[tokio::test]
async fn check_says_what_a_start_would_find_and_changes_nothing() {
    let here = tempdir().unwrap();
    certificate(here.path(), "welcome.example", 40);
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--public-url"];
    let listen = ["--listen", "127.0.0.1:0", "--data", "data"];
    let fresh = checked(here.path(), &[&listen[..], &tls[..], &["https://welcome.example"]].concat(), 0).await;
    assert!(fresh.contains("good    database data/welcome.sqlite: the first start makes it"), "{fresh}");
    assert!(fresh.contains("good    tls      cert.pem: for welcome.example, 40 more days"), "{fresh}");
    assert!(!here.path().join("data").exists());

    let other = checked(here.path(), &[&listen[..], &tls[..], &["https://other.example"]].concat(), 1).await;
    assert!(other.contains("bad     tls") && other.contains("public_url is other.example"), "{other}");
    certificate(here.path(), "welcome.example", 5);
    let soon = checked(here.path(), &[&listen[..], &tls[..], &["https://welcome.example"]].concat(), 0).await;
    assert!(soon.contains("warning tls") && soon.contains("renew it"), "{soon}");
    certificate(here.path(), "welcome.example", -5);
    let ended = checked(here.path(), &[&listen[..], &tls[..], &["https://welcome.example"]].concat(), 1).await;
    assert!(ended.contains("bad     tls") && ended.contains("has ended"), "{ended}");

    let server = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "data"], "info").await;
    let addr = server.client().addr.to_string();
    let beside = checked(here.path(), &["--listen", &addr, "--data", "data"], 0).await;
    assert!(beside.contains("a server runs on it") && beside.contains("in use, as a server runs"), "{beside}");
    assert!(beside.contains("welcome.sqlite: up to date") && beside.contains("opens what is sealed"), "{beside}");
    let taken = checked(here.path(), &["--listen", &addr, "--data", "elsewhere"], 1).await;
    assert!(taken.contains("bad     listen") && taken.contains("in use"), "{taken}");
    server.terminate().await;

    let key = std::fs::read_to_string(here.path().join("data/master.key")).unwrap();
    std::fs::write(here.path().join("data/master.key"), key.trim_end().chars().rev().collect::<String>()).unwrap();
    let other = checked(here.path(), &listen, 1).await;
    assert!(
        other.contains("bad     key") && other.contains("not the key that the database was sealed with"),
        "{other}"
    );

    std::fs::write(here.path().join("data/welcome.sqlite"), "no database, though it is long enough to be one").unwrap();
    let damaged = checked(here.path(), &listen, 1).await;
    assert!(damaged.contains("bad     database") && damaged.contains("not a database"), "{damaged}");
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "who skips says so")]
async fn check_looks_at_postgres_and_changes_nothing_there() {
    let here = tempdir().unwrap();
    let Ok(cluster) = Cluster::start() else { return eprintln!("skipped: PostgreSQL is not here") };
    let url = cluster.database().unwrap();
    std::fs::write(here.path().join("config.toml"), format!("listen = \"127.0.0.1:0\"\ndatabase = {url:?}\n")).unwrap();
    let options = ["--config", "config.toml", "--data", "data"];
    let tables = || cluster.psql(&url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").unwrap();
    let fresh = checked(here.path(), &options, 0).await;
    assert!(fresh.contains("good    database PostgreSQL: the next start brings its tables up to date"), "{fresh}");
    assert!(fresh.contains("good    key      data/master.key: the first start makes it"), "{fresh}");
    assert_eq!(tables().trim(), "0");

    let server = Program::start(here.path(), &[&["serve"], &options[..]].concat(), "info").await;
    let beside = checked(here.path(), &options, 0).await;
    assert!(beside.contains("good    database PostgreSQL: up to date"), "{beside}");
    assert!(beside.contains("data/master.key: opens what is sealed"), "{beside}");
    server.terminate().await;

    let key = std::fs::read_to_string(here.path().join("data/master.key")).unwrap();
    std::fs::write(here.path().join("data/master.key"), key.trim_end().chars().rev().collect::<String>()).unwrap();
    let other = checked(here.path(), &options, 1).await;
    assert!(other.contains("bad     key") && other.contains("not the key that the database was sealed"), "{other}");

    let newer = "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'x', true, '', 0)";
    cluster.psql(&url, newer).unwrap();
    let newer = checked(here.path(), &options, 1).await;
    assert!(newer.contains("bad     database") && newer.contains("a newer version of welcome-server"), "{newer}");

    cluster.crash().unwrap();
    let away = checked(here.path(), &options, 1).await;
    assert!(away.contains("bad     database PostgreSQL: cannot be reached: is it running"), "{away}");
}

#[tokio::test]
async fn metrics_and_health_are_on_their_own_port() {
    let data = tempdir().unwrap();
    let metrics = Some("127.0.0.1:0".parse().unwrap());
    let listen = "127.0.0.1:0".parse().unwrap();
    let server = Server::serve(Config { listen, metrics, data: data.path().to_owned(), ..Config::default() }).await;
    let watch = Client { addr: server.metrics().unwrap() };
    assert_eq!(watch.get("/healthz").await.body, "ok\n");
    assert_eq!(watch.get("/readyz").await.status, 200);
    server.client().get("/metrics").await.problem(404, "about:blank");

    let router = server.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", "02:00:00:00:01:00")])).await;
    router.report("b-1", json!([{"network": "cafe", "what": "arrived"}])).await;
    server.client().get("/v1/lookup/list").await;
    server.client().get("/v1/nothing/here").await;
    let odd = http::Request::builder().method("ODD").uri("/v1/lookup/list").body(String::new()).unwrap();
    server.client().send(odd).await;
    let mut events = router.events(None).await;
    events.titles().await;

    let text = watch.get("/metrics").await;
    assert!(text.headers["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = String::from_utf8(text.body.to_vec()).unwrap();
    for line in [
        "welcome_requests_total{method=\"PUT\",route=\"/v1/routers/{router}/announce\",status=\"204\"} 1",
        "welcome_requests_total{method=\"GET\",route=\"none\",status=\"404\"}",
        "welcome_requests_total{method=\"other\",route=\"/v1/lookup/list\",status=\"405\"} 1",
        "welcome_reports_total{what=\"arrived\"} 1",
        "welcome_announces_total{outcome=\"taken\"} 1",
        "welcome_lookups_total{kind=\"list\"} 1",
        "welcome_streams 1",
        "welcome_routers_connected 1",
        "welcome_offers_pushed_total 1",
        "welcome_database_errors_total 0",
        "# EOF",
    ] {
        assert!(text.contains(line), "{line} in {text}");
    }
    assert!(!text.contains(&router.id.to_string()), "no router has a name here: {text}");
    server.stop().await;
}

#[tokio::test]
async fn a_metrics_port_that_is_taken_is_an_error_at_the_start() {
    let here = tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text = format!("metrics.listen = \"{}\"\nlisten = \"127.0.0.1:0\"\n", taken.local_addr().unwrap());
    std::fs::write(here.path().join("config.toml"), text).unwrap();
    let output = run(here.path(), &["serve", "--config", "config.toml"]).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && said.contains("metrics.listen"), "{said}");
}

#[tokio::test]
async fn at_the_stop_it_is_not_ready_and_streams_end_spread_out() {
    let here = tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    std::fs::write(here.path().join("config.toml"), format!("metrics.listen = \"{free}\"\nlisten = \"127.0.0.1:0\"\n"))
        .unwrap();
    let mut server = Program::start(here.path(), &["serve", "--config", "config.toml"], "info").await;
    server.line_after("set up at ").await;
    let mut ends = Vec::new();
    for _ in 0..20 {
        let router = enrol(here.path(), &server).await;
        let mut events = router.events(None).await;
        events.titles().await;
        ends.push(tokio::spawn(async move {
            while events.next().await.is_some() {}
            Instant::now()
        }));
    }
    let stopped = Instant::now();
    server.signal("-TERM").await;
    let watch = Client { addr: free };
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(watch.get("/readyz").await.status, 503);
    assert_eq!(watch.get("/healthz").await.status, 200);
    assert!(TcpStream::connect(server.client().addr).await.is_err(), "no new connections");
    let mut after = Vec::new();
    for end in ends {
        after.push(end.await.unwrap() - stopped);
    }
    after.sort();
    assert!(after[19] - after[0] > Duration::from_secs(1), "{after:?}");
    assert_eq!(timeout(SOON, server.child.wait()).await.unwrap().unwrap().code(), Some(0));
    assert!(stopped.elapsed() < Duration::from_secs(4), "{:?}", stopped.elapsed());
}

#[tokio::test]
async fn sighup_takes_a_new_certificate_and_keeps_the_old_one_if_it_is_none() {
    let here = tempdir().unwrap();
    let first = certificate(here.path(), "localhost", 40);
    let options = ["serve", "--listen", "127.0.0.1:0", "--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let mut server = Program::start(here.path(), &options, "info").await;
    server.line_after("set up at ").await;
    let addr = server.url.strip_prefix("https://").unwrap().parse().unwrap();
    assert_eq!(crate::common::served_certificate(addr).await, first);

    let second = certificate(here.path(), "localhost", 50);
    server.signal("-HUP").await;
    until_logged(here.path(), "took the certificate").await;
    assert_eq!(crate::common::served_certificate(addr).await, second);

    std::fs::write(here.path().join("key.pem"), "no key").unwrap();
    server.signal("-HUP").await;
    until_logged(here.path(), "keeping the former certificate").await;
    assert_eq!(crate::common::served_certificate(addr).await, second);
    server.terminate().await;
}

#[tokio::test]
async fn systemd_is_told_when_it_serves_reloads_and_stops() {
    let here = tempdir().unwrap();
    let path = here.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    let told = async || {
        let mut bytes = [0; 200];
        let length = timeout(SOON, socket.recv(&mut bytes)).await.unwrap().unwrap();
        String::from_utf8_lossy(&bytes[..length]).lines().next().unwrap_or_default().to_owned()
    };
    let variables = [("NOTIFY_SOCKET", path.to_str().unwrap()), ("RUST_LOG", "info")];
    let server = Program::start_with(here.path(), &["serve", "--listen", "127.0.0.1:0"], &variables).await;
    assert_eq!(told().await, "READY=1");
    server.signal("-HUP").await;
    assert_eq!(told().await, "RELOADING=1");
    assert_eq!(told().await, "READY=1");
    server.signal("-TERM").await;
    assert_eq!(told().await, "STOPPING=1");
    server.terminate().await;
}

#[tokio::test]
async fn streams_beyond_the_limit_are_told_to_come_later() {
    let data = tempdir().unwrap();
    let limits = Limits { streams: 2, ..Limits::default() };
    let here = "127.0.0.1:0".parse().unwrap();
    let server = Server::serve(Config { limits, ..Config::new(here, data.path().to_owned()) }).await;
    let mut open = Vec::new();
    for _ in 0..2 {
        let mut events = server.router(true).await.events(None).await;
        events.titles().await;
        open.push(events);
    }
    let third = server.router(true).await;
    let refused = third.client.send(third.sign("GET", &third.path("events"), "")).await;
    refused.problem(503, "about:blank");
    open.pop();
    let taken = async {
        while third.client.open(third.sign("GET", &third.path("events"), "")).await.status() != 200 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, taken).await.expect("there is room again");
    server.stop().await;
}

#[tokio::test]
async fn a_copy_of_a_running_server_is_a_server() {
    let here = tempdir().unwrap();
    let mut server = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0"], "info").await;
    server.line_after("set up at ").await;
    let router = enrol(here.path(), &server).await;
    assert_eq!(router.report("b-1", json!([{"network": "cafe", "what": "arrived"}])).await.status, 204);
    let copied = run(here.path(), &["backup", "copy"]).await;
    let said = String::from_utf8_lossy(&copied.stdout).into_owned();
    assert!(copied.status.success() && said.contains("keep it as secret as the server"), "{copied:?}");
    assert!(String::from_utf8_lossy(&copied.stderr).contains("copied 1 of 1 MiB"), "{copied:?}");
    let refused = run(here.path(), &["restore", "--force", "copy"]).await;
    assert!(String::from_utf8_lossy(&refused.stderr).contains("another welcome-server uses"), "{refused:?}");
    let operator = printed(here.path(), "api-token", "API token: ").await;
    run(here.path(), &["backup", "second"]).await;
    server.terminate().await;

    let restored = run(here.path(), &["restore", "--data", "elsewhere", "second"]).await;
    assert!(restored.status.success(), "{restored:?}");
    let again = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0", "--data", "elsewhere"], "info").await;
    let router = router.at(again.client());
    assert_eq!(router.report("b-1", json!([{"network": "cafe", "what": "arrived"}])).await.status, 204);
    let request = http::Request::get(format!("/v1/operator/routers/{}/reports", router.id));
    let request = request.header("authorization", format!("Bearer {operator}")).body(String::new()).unwrap();
    let totals = again.client().send(request).await.json();
    assert_eq!(totals["totals"], json!([{"network": "cafe", "what": "arrived", "count": 1}]), "known again");
    again.terminate().await;
}

async fn enrol(here: &Path, server: &Program) -> Router {
    Router::enrol(server.client(), &printed(here, "token", "enrolment token: ").await).await.unwrap()
}

/// What a command prints after these words.
async fn printed(here: &Path, command: &str, words: &str) -> String {
    let made = run(here, &[command]).await;
    let line = String::from_utf8(made.stdout).unwrap();
    line.strip_prefix(words).unwrap_or_else(|| panic!("{line:?}")).trim_end().to_owned()
}

/// What `check` says with these options.
async fn checked(here: &Path, options: &[&str], code: i32) -> String {
    let output = timeout(SOON, command(here, &[&["check"], options].concat()).output()).await.unwrap().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(code), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// A certificate that ends in so many days, in cert.pem, and its key in key.pem; returns it as it travels.
fn certificate(here: &Path, name: &str, days: i64) -> Vec<u8> {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    let now = std::time::SystemTime::now();
    let day = Duration::from_secs(86_400);
    params.not_before = (now - day * 90).into();
    params.not_after = if days < 0 {
        now - day * days.unsigned_abs() as u32
    } else {
        now + day * days as u32 + Duration::from_secs(3600)
    }
    .into();
    let cert = params.self_signed(&key).unwrap();
    std::fs::write(here.join("cert.pem"), cert.pem()).unwrap();
    std::fs::write(here.join("key.pem"), key.serialize_pem()).unwrap();
    cert.der().to_vec()
}

async fn until_logged(here: &Path, text: &str) {
    let logged = async {
        while !std::fs::read_to_string(here.join("log")).unwrap().contains(text) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, logged).await.unwrap_or_else(|_| panic!("{text:?} was not logged"));
}
