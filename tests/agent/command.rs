//! The program on the command line.

use std::path::Path;
use std::process::{Command, Output};

use crate::kit;

#[test]
fn the_version_is_that_of_the_package_and_nothing_else() {
    for option in ["version", "--version"] {
        let output = welcomed(&[option]);
        assert_eq!(String::from_utf8(output.stdout).unwrap(), concat!(env!("CARGO_PKG_VERSION"), "\n"));
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn check_names_every_problem_with_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("welcomed");
    std::fs::write(
        &file,
        "config welcomed 'main'\n\toption enabled 'maybe'\n\nconfig network 'cafe'\n\toption share_key '1'\n\toption colour 'red'\n",
    )
    .unwrap();
    let output = welcomed(&["check", "--config", file.to_str().unwrap()]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(78), "{said}");
    for expected in [":2: main.enabled: ", ":4: cafe: section", ":5: cafe.share_key: ", ":6: cafe.colour: "] {
        assert!(said.contains(expected), "{expected} is not in\n{said}");
    }
    assert!(said.lines().count() >= 4, "{said}");
}

#[test]
fn run_refuses_a_broken_file_and_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("welcomed");
    for (text, expected) in [("config network 'x", "quot"), ("option a 'b'", ":1: "), ("\u{0}\u{1}", ":1: ")] {
        std::fs::write(&file, text).unwrap();
        let output = welcomed(&["run", "--config", file.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{said}");
        assert!(said.contains(expected), "{expected:?} is not in {said:?}");
    }
    let output = welcomed(&["run", "--config", "/nowhere/at/all"]);
    assert_eq!(output.status.code(), Some(78));
}

#[test]
fn wrong_usage_has_its_own_exit_code() {
    assert_eq!(welcomed(&["fly"]).status.code(), Some(64));
    assert_eq!(welcomed(&[]).status.code(), Some(64));
    assert_eq!(welcomed(&["--help"]).status.code(), Some(0));
}

#[test]
fn status_without_an_agent_says_that_there_is_none() {
    let output = welcomed(&["status", "--socket", "/nowhere/status.sock"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.contains("/nowhere/status.sock"), "{said}");
}

#[tokio::test]
async fn status_tells_how_the_agent_is() {
    let mut kit = kit::Kit::start("").await;
    kit.join(kit::ANN, kit::GUEST, "127.0.0.10").await;
    let socket = kit.dir.path().join("status.sock");
    let ask = |json: bool| {
        let socket = socket.to_str().unwrap().to_owned();
        tokio::task::spawn_blocking(move || {
            let mut args = vec!["status", "--socket", &socket];
            args.extend(json.then_some("--json"));
            welcomed(&args)
        })
    };
    let told: serde_json::Value = serde_json::from_slice(&ask(true).await.unwrap().stdout).unwrap();
    assert_eq!(told["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(told["latency"]["count"], 1);
    assert_eq!(told["reports"]["waiting"], 0, "without a server nothing waits for it");
    let session = &told["sessions"][0];
    assert_eq!((&session["mac"], &session["network"]), (&kit::ANN.into(), &"cafe".into()));
    assert!(session["ready_us"].as_u64().unwrap() < 1_000_000);
    let people = String::from_utf8(ask(false).await.unwrap().stdout).unwrap();
    assert!(people.contains("cafe"), "{people}");
}

#[test]
fn the_configuration_of_the_tests_and_the_shipped_one_pass() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("welcomed");
    std::fs::write(&file, kit::config(dir.path(), "")).unwrap();
    for path in [file.as_path(), &Path::new(env!("CARGO_MANIFEST_DIR")).join("files/etc/config/welcomed")] {
        let output = welcomed(&["check", "--config", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

fn welcomed(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_welcomed")).args(args).output().unwrap()
}
