//! Lists in advance: signed snapshots, kept on disk, good without the directory. The directory is a stand-in that signs
//! as the real one does.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use common::signed::{now, part, public_key, snapshot};
use common::{Answer, CAFE, KEY, Lab, Web, ap, entry, offer, router, signed};
use serde_json::{Value, json};

/// In it is 48.1374, 11.5755.
const HERE: &str = "851f8d47fffffff";
const PLACE: &str = "48.1374,11.5755";
const FAR: &str = "85283473fffffff";

/// A directory with snapshots, of which a test may change everything.
#[derive(Clone)]
struct Directory(Arc<Mutex<State>>);

struct State {
    seed: u8,
    /// By what stands behind `/v1/snapshots/`.
    documents: BTreeMap<String, Vec<u8>>,
    index: Value,
    placeless: Value,
    busy: u32,
}

impl Directory {
    fn new() -> Self {
        let documents = BTreeMap::from([(HERE.to_owned(), snapshot(1, HERE, now() - 60, json!([cafe()])))]);
        let index = json!({ "snapshots": [{ "cell": HERE, "etag": tag(&documents[HERE]), "entries": 1 }] });
        let placeless = json!({ "entries": [] });
        Self(Arc::new(Mutex::new(State { seed: 1, documents, index, placeless, busy: 0 })))
    }

    fn put(&self, name: &str, document: Vec<u8>) {
        self.0.lock().unwrap().documents.insert(name.to_owned(), document);
    }

    fn start(&self) -> Web {
        let state = Arc::clone(&self.0);
        Web::start(move |asked| {
            let mut state = state.lock().unwrap();
            if state.busy > 0 {
                state.busy -= 1;
                return Answer::new(429, "").header("retry-after", "1");
            }
            match asked.uri.as_str() {
                "/v1/directory" => Answer::json(&signed::directory(state.seed)),
                "/v1/snapshots" => Answer::json(&state.index),
                "/v1/lookup/list" => Answer::json(&state.placeless),
                "/v1/lookup/bssids" => Answer::json(&json!({ "entries": [cafe()] })),
                other => {
                    let name = other.strip_prefix("/v1/snapshots/").unwrap_or_else(|| panic!("{other}"));
                    let cell = name.split(['?', '/']).next().unwrap();
                    let empty = || snapshot(1, cell, now() - 60, json!([]));
                    let document = state.documents.get(name).cloned().unwrap_or_else(empty);
                    let tag = tag(&document);
                    if asked.headers.get("if-none-match") == Some(&tag) {
                        return Answer::new(304, "").header("etag", &tag);
                    }
                    Answer::new(200, document).header("etag", &tag)
                }
            }
        })
    }
}

fn tag(document: &[u8]) -> String {
    format!("\"{}-{}\"", document.len(), document.iter().map(|byte| u64::from(*byte)).sum::<u64>())
}

fn cafe() -> Value {
    entry(CAFE, "Café", "psk", Some(KEY))
}

fn fetch(lab: &Lab, url: &str, more: &[&str]) -> common::Ended {
    lab.run(&[&["--json", "fetch", "--server", url], more].concat())
}

/// Why what is kept is refused, as `scan` says; and how much is listed.
fn scan(lab: &Lab) -> (Vec<String>, usize) {
    let ended = lab.run(&["--json", "scan"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let events = ended.events();
    let refused = events.iter().filter(|event| event["event"] == "snapshot-refused");
    let why = refused.map(|event| event["why"].as_str().unwrap().to_owned()).collect();
    (why, events.iter().filter(|event| event["event"] == "scan" && event["listed"] == true).count())
}

fn file(lab: &Lab, name: &str) -> std::path::PathBuf {
    lab.dir.path().join("state").join(name)
}

#[test]
fn a_place_gets_its_region_and_the_neighbours_and_then_no_server_is_needed() {
    let lab = Lab::cafe();
    let web = Directory::new().start();
    let ended = fetch(&lab, &web.url(), &["--place", PLACE]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let list = ended.event("list");
    assert_eq!((&list["entries"], &list["regions"]), (&json!(1), &json!(7)));
    let uris = web.uris();
    assert_eq!(uris.len(), 8, "{uris:#?}");
    assert!(
        uris.contains(&format!("/v1/snapshots/{HERE}")) && !uris.iter().any(|uri| uri.contains("lat")),
        "{uris:#?}"
    );
    for name in ["directory.json", "snapshots/index.json", &format!("snapshots/{HERE}.0.gz")] {
        assert_eq!(fs::metadata(file(&lab, name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert!(!ended.stdout.concat().contains(KEY));

    let ended = lab.connect(None, &router(vec![offer("a")]), &[]).end();
    assert_eq!((ended.code, &ended.event("match")["variant"]), (Some(0), &json!(2)), "{ended:#?}");
    let ended = lab.connect(None, &router(vec![offer("a")]), &["--server", "http://127.0.0.1:1"]).end();
    assert_eq!((ended.code, &ended.event("list")["entries"]), (Some(0), &json!(1)), "{ended:#?}");
}

#[test]
fn without_a_place_everything_comes_and_what_has_no_place_too() {
    let lab = Lab::cafe();
    let directory = Directory::new();
    directory.0.lock().unwrap().placeless = json!({ "entries": [entry(CAFE, "not signed", "open", None), entry("02:00:00:00:00:02", "kiosk", "open", None)] });
    let web = directory.start();
    let ended = fetch(&lab, &web.url(), &[]);
    assert_eq!((ended.code, &ended.event("list")["entries"]), (Some(0), &json!(2)), "{ended:#?}");
    let ended = lab.connect(None, &router(vec![offer("a")]), &[]).end();
    assert_eq!(ended.event("match")["ssid"], "Café", "what is signed prevails: {ended:#?}");
}

#[test]
fn what_has_not_changed_is_not_sent_again() {
    let lab = Lab::cafe();
    let web = Directory::new().start();
    for place in [&[][..], &["--place", PLACE]] {
        let before = web.asked().len();
        assert_eq!(fetch(&lab, &web.url(), place).code, Some(0));
        assert_eq!(fetch(&lab, &web.url(), place).code, Some(0));
        let asked = web.asked().split_off(before);
        let of_here: Vec<_> = asked.iter().filter(|asked| asked.uri.contains(HERE)).collect();
        if place.is_empty() {
            assert_eq!(of_here.len(), 1, "the list of snapshots says that it still holds");
        } else {
            assert!(of_here.iter().all(|asked| asked.headers.contains_key("if-none-match")), "{of_here:#?}");
        }
    }
    assert_eq!(web.uris().iter().filter(|uri| *uri == "/v1/directory").count(), 1, "its key is pinned");
}

#[test]
fn a_region_in_parts_is_put_together_and_what_was_withdrawn_goes() {
    let lab = Lab::cafe();
    let directory = Directory::new();
    let more = json!([entry("02:00:00:00:00:02", "kiosk", "open", None)]);
    directory.put(HERE, part(1, HERE, None, now() - 60, json!([cafe()]), Some("a b")));
    directory.put(&format!("{HERE}?after=a+b"), part(1, HERE, Some("a b"), now() - 60, more, None));
    let web = directory.start();
    let entries = |place: &[&str]| fetch(&lab, &web.url(), place).event("list")["entries"].clone();
    assert_eq!(entries(&["--place", PLACE]), 2);
    assert!(file(&lab, &format!("snapshots/{HERE}.1.gz")).exists());
    directory.put(HERE, snapshot(1, HERE, now() - 60, json!([cafe()])));
    assert_eq!(entries(&["--place", PLACE]), 1);
    assert!(!file(&lab, &format!("snapshots/{HERE}.1.gz")).exists());
}

#[test]
fn a_token_gets_the_documents_with_keys() {
    let lab = Lab::cafe();
    let directory = Directory::new();
    directory.put(&format!("{HERE}/keys"), snapshot(1, HERE, now() - 60, json!([cafe()])));
    directory.put(HERE, snapshot(1, HERE, now() - 60, json!([entry(CAFE, "Café", "psk", None)])));
    let token = lab.dir.path().join("token");
    fs::write(&token, "secret\n").unwrap();
    let web = directory.start();
    let ended = fetch(&lab, &web.url(), &["--place", PLACE, "--token-file", token.to_str().unwrap()]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let asked = web.asked();
    let snapshots: Vec<_> = asked.iter().filter(|asked| asked.uri.starts_with("/v1/snapshots/")).collect();
    assert!(snapshots.iter().all(|a| a.uri.ends_with("/keys") && a.headers["authorization"] == "Bearer secret"));
    assert_eq!(lab.connect(None, &router(vec![offer("a")]), &[]).end().code, Some(0));
}

#[test]
fn a_document_that_is_bad_is_refused_and_named_and_the_others_serve() {
    let lab = Lab::cafe();
    let directory = Directory::new();
    let url = directory.start().url();
    let good = snapshot(1, HERE, now() - 60, json!([cafe()]));
    let cases = [
        (good[..good.len() - 20].to_vec(), "did not arrive whole"),
        (snapshot(1, FAR, now() - 60, json!([cafe()])), "of another region"),
        (part(1, HERE, Some("x"), now() - 60, json!([cafe()]), None), "of another region"),
        (snapshot(2, HERE, now() - 60, json!([cafe()])), "not signed by this directory"),
        (snapshot(1, HERE, now() - 9 * 86_400, json!([cafe()])), "out of date"),
        (b"<html>".to_vec(), "did not arrive whole"),
    ];
    for (document, why) in cases {
        directory.put(HERE, document);
        let ended = fetch(&lab, &url, &["--place", PLACE]);
        assert_eq!(ended.code, Some(0), "{why}: {ended:#?}");
        let refused = ended.event("snapshot-refused");
        assert!(refused["why"].as_str().unwrap().contains(why) && refused["cell"] == HERE, "{why}: {refused}");
        assert_eq!(ended.event("list")["regions"], 6, "{why}");
    }
    directory.put(HERE, good);
    assert_eq!(fetch(&lab, &url, &["--place", PLACE]).event("list")["regions"], 7);
    directory.put(HERE, snapshot(1, HERE, now() - 3600, json!([])));
    let ended = fetch(&lab, &url, &["--place", PLACE]);
    assert!(ended.event("snapshot-refused")["why"].as_str().unwrap().contains("older"), "{ended:#?}");
    assert_eq!(ended.event("list")["entries"], 1, "what was kept stays");
}

#[test]
fn what_is_on_disk_is_verified_again_when_the_directory_is_away() {
    let lab = Lab::cafe();
    assert_eq!(fetch(&lab, &Directory::new().start().url(), &[]).code, Some(0));
    assert_eq!(scan(&lab), (vec![], 1));
    let document = file(&lab, &format!("snapshots/{HERE}.0.gz"));
    let good = fs::read(&document).unwrap();
    for (bytes, why) in [
        (good[..good.len() / 2].to_vec(), "did not arrive whole"),
        (snapshot(2, HERE, now() - 60, json!([cafe()])), "not signed"),
        (snapshot(1, HERE, now() - 600, json!([cafe()])), "older"),
    ] {
        fs::write(&document, bytes).unwrap();
        let (refused, listed) = scan(&lab);
        assert!(refused.len() == 1 && refused[0].contains(why) && listed == 0, "{why}: {refused:?}");
    }
    fs::write(&document, good).unwrap();
    assert_eq!(scan(&lab), (vec![], 1));
}

#[test]
fn a_changed_key_is_refused_until_a_person_trusts_it() {
    let lab = Lab::cafe();
    let directory = Directory::new();
    let url = directory.start().url();
    assert_eq!(fetch(&lab, &url, &[]).code, Some(0));
    directory.0.lock().unwrap().seed = 2;
    directory.put(HERE, snapshot(2, HERE, now() - 60, json!([cafe()])));
    directory.0.lock().unwrap().index = json!({ "snapshots": [{ "cell": HERE, "etag": "\"new\"", "entries": 1 }] });
    let ended = fetch(&lab, &url, &[]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    let message = ended.event("error")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("another key") && message.contains("welcome fetch --trust-new-key"), "{message}");
    assert_eq!(scan(&lab), (vec![], 1), "what was kept still counts");
    assert_eq!(fetch(&lab, &url, &["--trust-new-key"]).code, Some(0));
    let pin: Value = serde_json::from_slice(&fs::read(file(&lab, "directory.json")).unwrap()).unwrap();
    assert_eq!((&pin["public_key"], &pin["name"]), (&json!(public_key(2)), &json!("directory.test")));
    assert_eq!(scan(&lab), (vec![], 1));
}

#[test]
fn a_directory_that_is_too_large_wants_a_place() {
    let lab = Lab::cafe();
    let directory = Directory::new();
    directory.0.lock().unwrap().index = json!({ "snapshots": [{ "cell": HERE, "etag": "\"x\"", "entries": 200_001 }] });
    let ended = fetch(&lab, &directory.start().url(), &[]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("--place"), "{ended:#?}");
}

#[test]
fn a_directory_that_has_too_much_to_do_is_asked_again_when_it_says() {
    let lab = Lab::cafe();
    let directory = Directory::new();
    directory.0.lock().unwrap().busy = 1;
    let web = directory.start();
    let began = Instant::now();
    let ended = fetch(&lab, &web.url(), &[]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(began.elapsed().as_secs_f64() >= 1.0);
    directory.0.lock().unwrap().busy = 100;
    let before = web.asked().len();
    let ended = fetch(&lab, &web.url(), &[]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("too often"), "{ended:#?}");
    assert_eq!(web.asked().len() - before, 3);
}

#[test]
fn what_is_heard_is_told_only_where_a_person_allows_it() {
    let elsewhere = vec![ap("02:00:00:00:00:09", "elsewhere", None, -20), ap(CAFE, "Café", Some(KEY), -50)];
    let lab = Lab::new(elsewhere);
    let directory = Directory::new();
    directory.put(HERE, snapshot(1, HERE, now() - 60, json!([])));
    let web = directory.start();
    let url = web.url();
    let connect = |more: &[&str]| {
        let all = [&["--server", &url, "--place", PLACE], more].concat();
        lab.connect(None, &router(vec![offer("a")]), &all).end()
    };
    assert_eq!(connect(&[]).code, Some(4));
    assert!(web.asked().iter().all(|asked| asked.method == "GET"));
    let ended = connect(&["--ask"]);
    assert_eq!((ended.code, &ended.event("match")["bssid"]), (Some(0), &json!(CAFE)), "{ended:#?}");
    let asked = web.asked().into_iter().find(|asked| asked.method == "POST").unwrap();
    assert_eq!(asked.body, json!({ "bssids": ["02:00:00:00:00:09", CAFE] }).to_string());
}

#[test]
fn a_command_says_where_we_are() {
    let lab = Lab::cafe();
    let web = Directory::new().start();
    let ended = fetch(&lab, &web.url(), &["--place-command", &format!("echo {PLACE}")]);
    assert_eq!((ended.code, &ended.event("list")["regions"]), (Some(0), &json!(7)), "{ended:#?}");
    let ended = fetch(&lab, &web.url(), &["--place-command", "false"]);
    assert_eq!(ended.code, Some(69), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("--place-command"), "{ended:#?}");
}
