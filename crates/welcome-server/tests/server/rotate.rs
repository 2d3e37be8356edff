//! Another master key, also when somebody is killed while it is taken.

use std::process::Stdio;
use std::time::Duration;

use crate::common::{Server, network};
use http::Method;
use serde_json::json;
use tempfile::tempdir;
use tokio::process::Command;
use welcome_server::{Config, Scope, rotate_key, serve};

#[tokio::test]
async fn everything_opens_under_the_new_key_and_nothing_under_the_old_one() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    let router = server.router(true).await;
    router.announce(1, json!([network("cafe", "Cafe", "02:00:00:00:01:00")])).await;
    let directory = server.client().get("/v1/directory").await.json();
    let app = server.application(&[Scope::ReadKeys]).await;
    let config = server.config.clone();
    let running = rotate_key(&config, None).await.unwrap_err().to_string();
    assert!(running.contains("another welcome-server uses"), "{running}");
    server.stop().await;

    let old = std::fs::read_to_string(data.path().join("master.key")).unwrap();
    let rotated = rotate_key(&config, None).await.unwrap();
    assert_eq!(rotated.values, 3, "the keys of organisation, network and directory");
    assert_eq!(std::fs::read_to_string(&rotated.old_key).unwrap(), old);
    assert_ne!(std::fs::read_to_string(data.path().join("master.key")).unwrap(), old);
    assert!(!data.path().join("master.key.next").exists());

    let server = Server::on(data.path()).await;
    let body = json!({"bssids": ["02:00:00:00:01:00"]});
    let found = server.ask(&app, Method::POST, "/v1/lookup/bssids", Some(body)).await.json();
    assert_eq!(found["entries"][0]["key"], "correct horse");
    let same = server.client().get("/v1/directory").await.json();
    assert_eq!(same["public_key"], directory["public_key"]);
    let mut events = router.at(server.client()).events(None).await;
    events.titles().await;
    server.stop().await;

    std::fs::write(data.path().join("master.key"), old).unwrap();
    let refused = serve(config, std::future::pending()).await.unwrap_err();
    assert!(format!("{refused:#}").contains("is this the master key it was sealed with?"), "{refused:#}");
}

#[tokio::test]
async fn who_is_killed_in_the_middle_goes_on_where_it_was() {
    let data = tempdir().unwrap();
    let server = Server::on(data.path()).await;
    for n in 0..4 {
        let router = server.router(true).await;
        let networks: Vec<_> = (0..64)
            .map(|m| {
                let mut one = network(&format!("n{m}"), "Cafe", &format!("02:00:00:00:{n:02x}:{m:02x}"));
                one["key"] = json!(format!("correct horse {n} {m}"));
                one
            })
            .collect();
        router.announce(1, json!(networks)).await;
    }
    let app = server.application(&[Scope::ReadKeys]).await;
    let config = server.config.clone();
    server.stop().await;

    let new = data.path().join("new.key");
    std::fs::write(&new, "ab".repeat(32)).unwrap();
    for pause in [0, 20, 40, 80, 160] {
        let mut killed = rotation(&config, &["--new", new.to_str().unwrap()]);
        tokio::time::sleep(Duration::from_millis(pause)).await;
        killed.kill().await.unwrap();
    }
    if data.path().join("master.key.next").exists() {
        let begun = format!("{:#}", serve(config.clone(), std::future::pending()).await.unwrap_err());
        assert!(begun.contains("run `welcome-server rotate-key` again"), "{begun}");
        let other = data.path().join("other.key");
        std::fs::write(&other, "cd".repeat(32)).unwrap();
        let other = format!("{:#}", rotate_key(&config, Some(&other)).await.unwrap_err());
        assert!(other.contains("a rotation to another key was begun"), "{other}");
    }
    rotate_key(&config, Some(&new)).await.unwrap();
    assert_eq!(std::fs::read_to_string(data.path().join("master.key")).unwrap(), "ab".repeat(32));

    let server = Server::on(data.path()).await;
    let list = server.ask(&app, Method::GET, "/v1/lookup/list", None).await.json();
    let keys: std::collections::BTreeSet<_> =
        list["entries"].as_array().unwrap().iter().map(|e| e["key"].as_str().unwrap()).collect();
    assert_eq!(keys.len(), 256, "each has its own");
    server.stop().await;
}

fn rotation(config: &Config, options: &[&str]) -> tokio::process::Child {
    let mut program = Command::new(env!("CARGO_BIN_EXE_welcome-server"));
    program.arg("rotate-key").arg("--data").arg(&config.data).args(options);
    program.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}
