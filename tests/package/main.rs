//! Names agree, documents name real files, and the arrows between the parts are those of `docs/architecture.md`.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(clippy::print_stderr, reason = "who skips says so")]

mod manual;
mod options;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

#[test]
fn every_path_that_a_document_names_is_there() {
    let mut missing = Vec::new();
    for document in documents() {
        let text = read(&document);
        for word in text.split(|c: char| c.is_whitespace() || "`()[]|,;<>\"'".contains(c)) {
            let word = word.trim_end_matches(['.', ':', '/']);
            let first = word.split('/').next().unwrap_or_default();
            let is_ours = ["src", "crates", "tests", "docs", "files", "fuzz", "openwrt-package"].contains(&first);
            // The second is opkg's word for a feed.
            let is_pattern = word.contains(['*', '{', '$', '=', '…']) || word == "src/gz";
            if is_ours && word.contains('/') && !is_pattern && !root().join(word).exists() {
                missing.push(format!("{}: {word}", document.display()));
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn every_make_target_that_a_document_names_is_there() {
    let makefile = read(&root().join("Makefile"));
    let targets: BTreeSet<_> = makefile.lines().filter_map(|l| l.split_once(':')).map(|(t, _)| t.trim()).collect();
    for document in documents() {
        let text = read(&document);
        for (at, _) in text.match_indices("`make ") {
            let word: String = text[at + 6..].chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
            assert!(targets.contains(word.as_str()), "{}: make {word}", document.display());
        }
    }
}

#[test]
fn every_method_of_the_ubus_object_is_in_its_document() {
    let object = read(&root().join("src/status/object.rs"));
    let document = read(&root().join("docs/ubus.md"));
    let methods: Vec<_> = object.split(".method(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(methods.len() >= 7, "{methods:?}");
    for method in methods {
        assert!(document.contains(&format!("\n| `{method}` |")), "{method}");
    }
    let acl: serde_json::Value =
        serde_json::from_str(&read(&root().join("files/usr/share/acl.d/welcomed.json"))).unwrap();
    for object in acl["access"].as_object().unwrap().keys() {
        // One stands for its instances: `dnsmasq*` is `dnsmasq` there.
        let names = [object.as_str(), object.trim_end_matches('*')].map(|name| format!("`{name}`"));
        assert!(names.iter().any(|name| document.contains(name)), "{object}");
    }
}

#[test]
fn the_crates_depend_on_each_other_as_drawn() {
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("sorted", &[][..]),
        ("welcome-proto", &["sorted"]),
        ("wpa-ctrl", &[]),
        ("ubus", &["sorted"]),
        ("welcome-core", &["sorted", "welcome-proto"]),
        ("welcomed", &["sorted", "welcome-proto", "welcome-core", "tokio-ubus", "wpa-ctrl"]),
        ("welcome-server", &["welcome-proto"]),
        ("welcome-client", &["welcome-proto"]),
        ("welcome-cli", &["welcome-client", "welcome-core", "welcome-proto", "wpa-ctrl"]),
        ("testkit", &["welcome-client", "welcome-proto", "tokio-ubus", "wpa-ctrl"]),
        ("xtask", &[]),
    ]);
    for (name, allowed) in &allowed {
        let manifest = if *name == "welcomed" { root() } else { root().join("crates").join(name) }.join("Cargo.toml");
        let text = read(&manifest);
        let dependencies = text.split("\n[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let ours = dependencies.lines().filter_map(|l| l.split(['.', ' ', '=']).next());
        let ours: BTreeSet<_> = ours
            .filter(|d| d.starts_with("welcome") || ["sorted", "wpa-ctrl", "tokio-ubus", "testkit"].contains(d))
            .collect();
        let allowed: BTreeSet<_> = allowed.iter().copied().collect();
        assert!(ours.is_subset(&allowed), "{name} depends on {ours:?}");
    }
    // The core's promise: no runtime, no sockets, no clock by way of a dependency.
    let core = read(&root().join("crates/welcome-core/Cargo.toml"));
    let dependencies = core.split("\n[dependencies]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names: Vec<_> =
        dependencies.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split(['.', ' ']).next()).collect();
    assert_eq!(names, ["sorted", "welcome-proto", "siphasher"]);
}

#[test]
fn the_parts_of_the_agent_know_each_other_as_drawn() {
    // Below `run` and `app` no part names another, except what all of them share.
    let shared =
        ["config", "netifd", "bus", "file", "tasks", "clock", "meter", "cli", "passes", "uplink", "zone", "rpcd"];
    let parts = ["watch", "portal", "firewall", "content", "upstream", "status", "advertise", "day", "air"];
    for part in parts {
        for file in rust_files(&root().join("src")).into_iter().filter(|f| belongs(f, part)) {
            let text = read(&file);
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            let others =
                parts.into_iter().chain(["app", "run", "reload"]).filter(|o| *o != part && !shared.contains(o));
            // The one arrow between brothers: bytes by digest.
            for other in others.filter(|o| (part, *o) != ("portal", "content")) {
                assert!(!code.contains(&format!("crate::{other}")), "{} names {other}", file.display());
            }
        }
    }
}

fn belongs(file: &Path, part: &str) -> bool {
    let below = file.strip_prefix(root().join("src")).unwrap();
    below.starts_with(part) || below == Path::new(&format!("{part}.rs"))
}

fn documents() -> Vec<PathBuf> {
    let docs = std::fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path());
    let docs = docs.filter(|p| p.extension().is_some_and(|e| e == "md"));
    let others = ["README.md", "openwrt-package/README.md", "tests/scenario/README.md"];
    docs.chain(others.map(|path| root().join(path))).collect()
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

pub(crate) fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
