//! The program itself: what it prints, how it fails, and what a `kill -9` cannot take away.

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::common::program::{Program, run};
use crate::common::{Router, Server, network};
use http::{Method, StatusCode};
use serde_json::json;
use tempfile::tempdir;

#[tokio::test]
async fn without_options_it_serves_and_prints_where_to_set_it_up() {
    let here = tempdir().unwrap();
    // Another program of this machine may have the default port; then the rest is tested all the same.
    let free = TcpListener::bind("127.0.0.1:8480").is_ok();
    let options: &[&str] = if free { &["serve"] } else { &["serve", "--listen", "127.0.0.1:0"] };

    let mut first = Program::start(here.path(), options, "info").await;
    if free {
        assert_eq!(first.url, "http://127.0.0.1:8480");
    }
    let link = first.line_after(&format!("set up at {}/set-up/", first.url)).await;
    assert!(link.len() >= 26 && link.bytes().all(|b| b.is_ascii_alphanumeric()), "{link}");
    assert_eq!(first.terminate().await, (Some(0), vec![]), "no further line");

    let data = here.path().join("welcome-data");
    assert_eq!(mode(&data), 0o700);
    assert_eq!(mode(&data.join("welcome.sqlite")), 0o600);
    assert_eq!(mode(&data.join("master.key")), 0o600);

    let second = Program::start(here.path(), options, "info").await;
    let (code, lines) = second.terminate().await;
    assert_eq!((code, lines.len()), (Some(0), 1), "another link, as nobody has taken the first");
    assert!(lines[0].starts_with("set up at ") && !lines[0].contains(&link), "{lines:?}");
}

#[tokio::test]
async fn the_token_command_makes_tokens_for_a_running_server() {
    let here = tempdir().unwrap();
    let server = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0"], "info").await;
    let operator = made(here.path(), &["api-token"]).await;

    for (options, vouched) in
        [(&["token"][..], true), (&["token", "--no-vouch", "--ttl", "5m", "--data", "welcome-data"], false)]
    {
        let token = made(here.path(), options).await;
        let router = Router::enrol(server.client(), &token).await.unwrap();

        let request = http::Request::get("/v1/operator/routers").header("authorization", format!("Bearer {operator}"));
        let routers = server.client().send(request.body(String::new()).unwrap()).await.json();
        let row = routers["routers"].as_array().unwrap().iter().find(|r| r["router"] == router.id.to_string()).unwrap();
        assert_eq!(row["vouched"], vouched);
    }

    let narrow = made(here.path(), &["api-token", "--name", "shop", "--scope", "read:areas"]).await;
    let request = http::Request::get("/v1/operator/routers").header("authorization", format!("Bearer {narrow}"));
    server.client().send(request.body(String::new()).unwrap()).await.problem(403, "about:blank");
    server.terminate().await;
}

/// What a command made: the last word of its one line.
async fn made(here: &Path, options: &[&str]) -> String {
    let made = run(here, options).await;
    assert!(made.status.success(), "{made:?}");
    let line = String::from_utf8(made.stdout).unwrap();
    line.trim_end().rsplit_once(": ").unwrap().1.to_owned()
}

#[tokio::test]
async fn kill_9_right_after_an_acknowledgement_loses_nothing() {
    let here = tempdir().unwrap();
    let data = here.path().join("welcome-data");
    let first = Server::on(&data).await;
    let router = first.router(true).await;
    first.stop().await;

    let (mut router, mut rounds) = (router, 0);
    while rounds < 5 {
        let mut program = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0"], "info").await;
        router = router.at(program.client());
        rounds += 1;
        let reports = json!([{"network": "cafe", "what": "arrived"}]);
        assert_eq!(router.report(&format!("b-{rounds}"), reports).await.status, StatusCode::NO_CONTENT);
        program.child.kill().await.unwrap();
    }

    let server = Server::on(&data).await;
    let seen = server.operate(Method::GET, &format!("/v1/operator/routers/{}/reports", router.id), None).await.json();
    assert_eq!(seen["totals"], json!([{"network": "cafe", "what": "arrived", "count": rounds}]));
    server.stop().await;
}

#[tokio::test]
async fn the_log_holds_no_key_and_no_token_and_names_nobody_above_debug() {
    let here = tempdir().unwrap();
    for (level, never) in
        [("trace", &["correct horse"][..]), ("info", &["correct horse", "Corner Cafe", "02:00:00:00:01:00"])]
    {
        let program = Program::start(here.path(), &["serve", "--listen", "127.0.0.1:0", "--data", level], level).await;
        let enrolment = made(here.path(), &["token", "--data", level]).await;
        let operator = made(here.path(), &["api-token", "--data", level]).await;
        let router = Router::enrol(program.client(), &enrolment).await.unwrap();
        router.announce(1, json!([network("cafe", "Corner Cafe", "02:00:00:00:01:00")])).await;
        program.client().get("/v1/lookup/place?lat=48.1374&lon=11.5755").await;
        let request = http::Request::get("/v1/operator/routers").header("authorization", format!("Bearer {operator}"));
        program.client().send(request.body(String::new()).unwrap()).await;

        program.terminate().await;
        let log = std::fs::read_to_string(here.path().join("log")).unwrap();
        assert!(log.contains("took an announce"), "{log}");
        for secret in never.iter().copied().chain([enrolment.as_str(), operator.as_str(), "48.1374"]) {
            assert!(!log.contains(secret), "{level} log holds {secret}:\n{log}");
        }
    }
}

#[tokio::test]
async fn what_cannot_be_used_is_named_with_what_to_do() {
    let here = tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let at = |name: &str| here.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(at("a-file"), "").unwrap();
    std::fs::create_dir(at("bad-db")).unwrap();
    std::fs::write(at("bad-db/welcome.sqlite"), "this is no database, though it is long enough to be looked at")
        .unwrap();
    std::fs::create_dir(at("bad-key")).unwrap();
    std::fs::write(at("bad-key/master.key"), "-----BEGIN").unwrap();
    for name in ["one", "two"] {
        let pair = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(at(&format!("{name}.pem")), pair.cert.pem()).unwrap();
        std::fs::write(at(&format!("{name}.key")), pair.signing_key.serialize_pem()).unwrap();
    }
    let _running = Server::on(Path::new(&at("used"))).await;

    let cases: &[(&[&str], &[&str])] = &[
        (&["serve", "--listen", &taken], &[&taken, "Address already in use", "--listen"]),
        (&["serve", "--data", &at("a-file")], &["a-file", "--data"]),
        (&["serve", "--data", &at("bad-db")], &["bad-db/welcome.sqlite", "not a database"]),
        (&["serve", "--data", &at("bad-key")], &["bad-key/master.key is no master key", "backup"]),
        (&["serve", "--data", &at("used")], &["used", "another welcome-server"]),
        (&["serve", "--tls-cert", &at("none"), "--tls-key", &at("one.key")], &["none", "No such file"]),
        (&["serve", "--tls-cert", &at("one.key"), "--tls-key", &at("one.key")], &["one.key", "no certificate"]),
        (&["serve", "--tls-cert", &at("one.pem"), "--tls-key", &at("one.pem")], &["one.pem", "private key"]),
        (
            &["serve", "--tls-cert", &at("one.pem"), "--tls-key", &at("two.key")],
            &["one.pem", "two.key", "does not belong"],
        ),
        (&["token", "--data", &at("nowhere")], &["nowhere", "welcome-server serve"]),
    ];
    for (options, words) in cases {
        let output = run(here.path(), options).await;
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{options:?}: {text}");
        assert!(words.iter().all(|w| text.contains(w)), "{options:?}: {text}");
        assert!(output.stdout.is_empty());
    }
    assert!(!Path::new(&at("nowhere")).exists());
}

#[tokio::test]
async fn a_wrong_command_line_is_exit_64_and_help_is_not() {
    let here = tempdir().unwrap();
    for options in [
        &[][..],
        &["serve", "--nonsense"],
        &["serve", "--listen", "here"],
        &["serve", "--tls-cert", "a"],
        &["serve", "--public-url", "https://a/b"],
        &["token", "--ttl", "1"],
    ] {
        assert_eq!(run(here.path(), options).await.status.code(), Some(64), "{options:?}");
    }
    assert!(run(here.path(), &["serve", "--help"]).await.status.success());
    let version = run(here.path(), &["--version"]).await;
    assert_eq!(String::from_utf8_lossy(&version.stdout), format!("welcome-server {}\n", env!("CARGO_PKG_VERSION")));
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}
