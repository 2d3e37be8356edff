//! The list: from the directory, kept on disk, refused when it is not what it should be.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use common::{Answer, CAFE, KEY, Lab, Web, ap, directory, entry, listing, offer, old_directory, router};
use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};
use tokio_rustls::rustls::ServerConfig;

#[test]
fn a_fetched_list_is_kept_for_its_owner_alone_and_used_without_the_directory() {
    let lab = Lab::cafe();
    let url = directory(listing()).url();
    let ended = lab.run(&["--json", "fetch", "--server", &url]);
    assert_eq!((ended.code, &ended.event("list")["entries"]), (Some(0), &json!(3)), "{ended:#?}");
    let file = lab.dir.path().join("state/list.json");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!ended.stdout.concat().contains(KEY));

    let ended = lab.connect(None, &router(vec![offer("a")]), &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn the_directory_must_prove_who_it_is() {
    let lab = Lab::cafe();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    drop(tokio_rustls::rustls::crypto::ring::default_provider().install_default());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key.serialize_der().try_into().unwrap())
        .unwrap();
    let web = Web::start_tls(config, |asked| match asked.uri.as_str() {
        "/v1/directory" => Answer::new(404, ""),
        _ => Answer::json(&listing()),
    });
    let port = web.address.port();
    let ca_file = lab.dir.path().join("ca.pem");
    fs::write(&ca_file, certificate.pem()).unwrap();
    let ca_file = ca_file.to_str().unwrap();
    let fetch = |host: &str, more: &[&str]| {
        let server = format!("https://{host}:{port}");
        lab.run(&[&["--json", "fetch", "--server", &server], more].concat())
    };

    let ended = fetch("localhost", &["--ca-file", ca_file]);
    assert_eq!((ended.code, &ended.event("list")["entries"]), (Some(0), &json!(3)), "{ended:#?}");
    for (host, more) in [("localhost", &[][..]), ("127.0.0.1", &["--ca-file", ca_file])] {
        let ended = fetch(host, more);
        assert_eq!(ended.code, Some(69), "{host}: {ended:#?}");
        let message = ended.event("error")["message"].as_str().unwrap().to_owned();
        assert!(message.contains("certificate"), "{message}");
    }
    assert_eq!(web.asked().len(), 2, "nothing was asked of a server that could not prove who it is");

    let empty = lab.dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let ended = fetch("localhost", &["--ca-file", empty.to_str().unwrap()]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
}

#[test]
fn no_list_and_no_server_is_69() {
    let lab = Lab::cafe();
    let ended = lab.run(&["--json", "connect"]);
    assert_eq!((ended.code, ended.event("error")["kind"].as_str()), (Some(69), Some("no-list")), "{ended:#?}");
}

#[test]
fn a_directory_that_is_away_is_69_without_a_kept_list_and_no_hindrance_with_one() {
    let lab = Lab::cafe();
    let away = "http://127.0.0.1:1";
    for command in ["fetch", "connect"] {
        let ended = lab.run(&["--json", command, "--server", away]);
        assert_eq!(ended.code, Some(69), "{ended:#?}");
        let message = ended.event("error")["message"].as_str().unwrap().to_owned();
        assert!(message.contains("failed to reach the directory: Connection refused"), "{message}");
    }
    assert_eq!(lab.run(&["fetch", "--server", &directory(listing()).url()]).code, Some(0));
    let ended = lab.connect(None, &router(vec![offer("a")]), &["--server", away]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.event("list")["entries"], 3);
    assert!(ended.event("list")["age_s"].as_u64().unwrap() < 60);
}

#[test]
fn what_is_no_list_is_refused_and_the_kept_one_stays() {
    let lab = Lab::cafe();
    assert_eq!(lab.run(&["fetch", "--server", &directory(listing()).url()]).code, Some(0));
    let file = lab.dir.path().join("state/list.json");
    let kept = fs::read(&file).unwrap();
    let mut wrong_bssid = listing();
    wrong_bssid["entries"][0]["bssid"] = "ff:ff:ff:ff:ff:ff".into();
    let mut long_ssid = listing();
    long_ssid["entries"][0]["ssid"] = "x".repeat(33).into();
    let answers: Vec<(u16, String)> = vec![
        (200, "not JSON".into()),
        (200, wrong_bssid.to_string()),
        (200, long_ssid.to_string()),
        (200, "{\"entries\":[".into()),
        (500, json!({ "type": "about:blank", "detail": "out of order" }).to_string()),
        (200, format!("{{\"entries\":[]}}{}", " ".repeat(5 << 20))),
    ];
    for (status, body) in answers {
        let start: String = body.chars().take(40).collect();
        let web = old_directory(move |_| Answer::new(status, body.clone()));
        let ended = lab.run(&["--json", "fetch", "--server", &web.url()]);
        assert_eq!(ended.code, Some(69), "{start}: {ended:#?}");
        assert!(!ended.stdout.concat().contains(KEY));
        assert_eq!(fs::read(&file).unwrap(), kept);
    }
}

#[test]
fn a_list_of_several_pages_is_put_together() {
    let lab = Lab::cafe();
    let page = |number: u8, next: Option<&str>| {
        let bssid = format!("02:00:00:00:01:{number:02x}");
        let mut page = json!({ "entries": [entry(&bssid, "x", "open", None)] });
        if let Some(next) = next {
            page["next"] = next.into();
        }
        page
    };
    let web = old_directory(move |asked| {
        Answer::json(&match asked.uri.as_str() {
            "/v1/lookup/list" => page(1, Some("a b&c")),
            "/v1/lookup/list?after=a+b%26c" => page(2, Some("z")),
            "/v1/lookup/list?after=z" => page(3, None),
            other => panic!("{other}"),
        })
    });
    let ended = lab.run(&["--json", "fetch", "--server", &web.url()]);
    assert_eq!((ended.code, &ended.event("list")["entries"]), (Some(0), &json!(3)), "{ended:#?}");
}

#[test]
fn a_list_without_end_is_refused() {
    let lab = Lab::cafe();
    let web = old_directory(|_| Answer::json(&json!({ "entries": [], "next": "again" })));
    let ended = lab.run(&["--json", "fetch", "--server", &web.url()]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    assert!(web.asked().len() < 500);
}

#[test]
fn an_unchanged_list_is_not_sent_again() {
    let lab = Lab::cafe();
    let web = old_directory(|asked| match asked.headers.get("if-none-match") {
        Some(tag) if tag == "\"7\"" => Answer::new(304, ""),
        _ => Answer::json(&listing()).header("etag", "\"7\""),
    });
    for _ in 0..2 {
        let ended = lab.run(&["--json", "fetch", "--server", &web.url()]);
        assert_eq!((ended.code, &ended.event("list")["entries"]), (Some(0), &json!(3)), "{ended:#?}");
    }
    assert!(web.asked()[3].headers.contains_key("if-none-match"));
}

#[test]
fn a_directory_without_snapshots_is_asked_for_the_place() {
    let lab = Lab::cafe();
    let web = old_directory(|_| Answer::json(&listing()));
    let ended = lab.run(&["fetch", "--server", &web.url(), "--place", "48.1,-11.5"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(web.uris(), ["/v1/directory", "/v1/lookup/place?lat=48.1&lon=-11.5"]);
}

#[test]
fn a_spoiled_kept_list_is_said_so_and_replaced() {
    let lab = Lab::cafe();
    fs::create_dir(lab.dir.path().join("state")).unwrap();
    fs::write(lab.dir.path().join("state/list.json"), "{").unwrap();
    let ended = lab.run(&["connect"]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    assert!(ended.stderr.contains("failed to understand"), "{}", ended.stderr);
    let ended = lab.connect(Some(&directory(listing())), &router(vec![offer("a")]), &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
}

#[test]
fn scan_shows_the_air_and_what_of_it_is_listed() {
    let lab = Lab::new(vec![
        ap("02:00:00:00:00:09", "weak", None, -80),
        ap(CAFE, "Café", Some(KEY), -50),
        ap("02:00:00:00:00:03", "no key", Some("a key of theirs"), -60),
        ap("02:00:00:00:00:02", "evil\u{1b}[2J", None, -70),
    ]);
    assert_eq!(lab.run(&["fetch", "--server", &directory(listing()).url()]).code, Some(0));
    let ended = lab.run(&["--json", "scan"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let scans: Vec<Value> = ended.events().into_iter().filter(|event| event["event"] == "scan").collect();
    let summary: Vec<_> =
        scans.iter().map(|s| (s["signal"].as_i64().unwrap(), s["listed"] == true, s["usable"] == true)).collect();
    assert_eq!(summary, [(-50, true, true), (-60, true, false), (-70, true, false), (-80, false, false)]);
    let ended = lab.run(&["scan"]);
    assert_eq!(ended.stdout.len(), 4);
    assert!(ended.stdout[0].contains("Café") && ended.stdout[0].ends_with("listed"), "{ended:#?}");
    assert!(!ended.stdout.concat().contains('\u{1b}'));
}

#[test]
fn wrong_arguments_are_64_and_help_is_not() {
    let lab = Lab::cafe();
    let wrong: [&[&str]; 6] = [
        &[],
        &["fetch"],
        &["frobnicate"],
        &["fetch", "--server", "http://example.net"],
        &["connect", "--wait", "long"],
        &["scan", "--interface", "../x"],
    ];
    for args in wrong {
        assert_eq!(lab.run(args).code, Some(64), "{args:?}");
    }
    for args in [&["--help"], &["--version"]] {
        let ended = lab.run(args);
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{args:?}");
    }
}
