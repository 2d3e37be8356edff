//! `welcome share` against the real `welcome-server`, with a stand-in for wpa_supplicant as the air.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;

use bytes::Bytes;
use common::{Ended, Lab, ap};
use hyper::{Method, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::fleet::program::{Program, Running};
use testkit::fleet::{Operator, Router};

const KIOSK: &str = "02:00:00:00:00:11";
const OTHER: &str = "02:00:00:00:00:12";
const PASSPHRASE: &str = "correct horse battery";

#[test]
fn a_network_without_an_agent_is_offered_renamed_by_hand_heard_and_listed() {
    let town = Town::new(vec![ap(KIOSK, "Kiosk", Some(PASSPHRASE), -50), ap(OTHER, "Bar", None, -60)]);
    let key_file = town.dir.path().join("key");
    std::fs::write(&key_file, format!("{PASSPHRASE}\n")).unwrap();
    let verify = town.start(&["share", "verify", "--key-file", key_file.to_str().unwrap(), "--place", "48.1,11.5"]);
    let rename = verify.first("rename");
    assert_eq!(rename["from"], "Kiosk", "the strongest is meant if nothing is said");
    assert!(!town.listed(KIOSK));
    let name = rename["to"].as_str().unwrap();
    town.lab.wpa.set_aps(vec![ap(KIOSK, name, Some(PASSPHRASE), -50), ap(OTHER, "Bar", None, -60)]);
    let ended = verify.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let steps = ["added", "challenge", "rename", "heard", "verified", "name-back", "done"];
    assert_eq!(ended.names(), steps, "{ended:#?}");
    assert_eq!(ended.event("verified")["registered"], json!([KIOSK]));
    assert_eq!(ended.event("name-back")["ssid"], "Kiosk");
    assert!(!format!("{ended:?}").contains(PASSPHRASE));

    town.lab.wpa.set_aps(vec![ap(OTHER, "Bar", None, -70), ap(KIOSK, "Kiosk", Some(PASSPHRASE), -50)]);
    let heard = town.run(&["share", "list"]);
    let rows: Vec<_> = heard.events().into_iter().filter(|event| event["event"] == "heard").collect();
    let expected = [(json!(KIOSK), json!(true), json!("kiosk")), (json!(OTHER), json!(false), Value::Null)];
    let told: Vec<_> = rows.iter().map(|r| (r["bssid"].clone(), r["listed"].clone(), r["network"].clone())).collect();
    assert_eq!(told, expected, "the strongest first");
    let status = town.network("Kiosk");
    assert_eq!((&status["state"], &status["by_hand"]), (&json!("verified"), &json!(true)));
}

#[test]
fn a_replaced_access_point_is_proved_by_the_same_command() {
    let town = Town::new(vec![ap(KIOSK, "Kiosk", None, -50)]);
    town.prove_by_hand(KIOSK, "Kiosk");
    town.lab.wpa.set_aps(vec![ap(OTHER, "Kiosk", None, -50)]);
    assert!(!town.listed(OTHER));
    let ended = town.prove_by_hand(OTHER, "Kiosk");
    assert_eq!(ended.event("new-radios")["bssids"], json!([OTHER]));
    assert_eq!(ended.event("verified")["registered"], json!([OTHER]));
    assert!(town.listed(OTHER));
    let names = town.run(&["share", "status"]).names();
    assert_eq!(names.iter().filter(|name| *name == "network").count(), 1, "it is the same network");
}

#[tokio::test]
async fn a_router_with_an_agent_renames_itself_and_every_step_is_told() {
    let town = Town::new(vec![ap(KIOSK, "Cafe", None, -50)]);
    let router = town.router(KIOSK).await;
    let verify = town.start(&["share", "verify", "--network", "cafe"]);
    let challenge = verify.first("challenge");
    assert_eq!(challenge["by_hand"], false);
    let id = challenge["challenge"].as_str().unwrap();
    tell(&town, &router, id, json!({"state": "on-air", "bssids": [KIOSK]})).await;
    verify.until("on-air");
    town.lab.wpa.set_aps(vec![ap(KIOSK, challenge["carries"].as_str().unwrap(), None, -50)]);
    let ended = verify.end();
    assert_eq!((ended.code, ended.event("name-back")["by_hand"].clone()), (Some(0), json!(false)), "{ended:#?}");
    assert!(town.listed(KIOSK));
    let remove = town.run(&["share", "remove", "--network", "cafe"]);
    assert_eq!(remove.code, Some(64), "its agent announces it: {remove:#?}");
}

#[tokio::test]
async fn a_router_that_refuses_is_believed_and_said_why() {
    let town = Town::new(vec![ap(KIOSK, "Cafe", None, -50)]);
    let router = town.router(KIOSK).await;
    let verify = town.start(&["share", "verify"]);
    let challenge = verify.first("challenge");
    let id = challenge["challenge"].as_str().unwrap();
    tell(&town, &router, id, json!({"state": "refused", "why": "switched off here"})).await;
    let ended = verify.end();
    assert_eq!(ended.code, Some(7), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("switched off here"));
}

#[test]
fn an_interruption_takes_back_the_challenge_and_what_was_offered() {
    let town = Town::new(vec![ap(KIOSK, "Kiosk", None, -50)]);
    let verify = town.start(&["share", "verify"]);
    verify.until("rename");
    assert_eq!(town.network("Kiosk")["state"], "challenged");
    verify.signal("-INT");
    let ended = verify.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    ended.event("taken-back");
    assert!(town.networks().is_empty(), "it was offered by this run alone");

    // A network that was known before stays, and only the challenge is over.
    town.prove_by_hand(KIOSK, "Kiosk");
    town.lab.wpa.set_aps(vec![ap(KIOSK, "Kiosk", None, -50)]);
    let again = town.start(&["share", "verify", "--ssid", "Kiosk"]);
    again.until("rename");
    again.signal("-TERM");
    assert_eq!(again.end().code, Some(130));
    assert_eq!(town.network("Kiosk")["state"], "verified");
}

#[tokio::test]
async fn a_witness_needs_the_code_and_no_token() {
    let town = Town::new(vec![ap(KIOSK, "Cafe", None, -50)]);
    let router = town.router(KIOSK).await;
    let target = format!("/v1/share/networks/{}/cafe/challenge", router.id());
    let asked = town.operate(Method::POST, &target).await;
    let (id, code) = (asked["challenge"].as_str().unwrap(), asked["code"].as_str().unwrap());
    // The same name from somebody else, too.
    let name = asked["ssid"].as_str().unwrap();
    town.lab.wpa.set_aps(vec![ap(KIOSK, name, None, -50), ap(OTHER, name, None, -30)]);
    let witness = |code: &str| {
        let args = ["--json", "share", "verify", "--server", &town.url, "--challenge", id, "--code", code];
        town.lab.run(&args)
    };
    let wrong = witness("0123456789abcdef0123456789abcdef");
    assert_eq!(wrong.code, Some(7), "{wrong:#?}");
    assert!(!town.listed(KIOSK));
    let ended = witness(code);
    assert_eq!((ended.code, &ended.event("verified")["registered"]), (Some(0), &json!([KIOSK])), "{ended:#?}");
    assert!(town.listed(KIOSK) && !town.listed(OTHER));
}

#[test]
fn a_message_is_written_changed_read_and_taken_away() {
    let town = Town::new(vec![ap(KIOSK, "Kiosk", None, -50)]);
    town.prove_by_hand(KIOSK, "Kiosk");
    let offer = |args: &[&str]| {
        let ended = town.run(&[&["share", "offer"], args].concat());
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    };
    assert_eq!(offer(&[]).names(), ["note", "done"]);
    offer(&["--title", "Papers", "--text", "Fresh at six.", "--until", "1d"]);
    let changed = offer(&["--title", "Papers and milk"]).event("offer")["offer"].clone();
    let expected = json!({"title": "Papers and milk", "text": "Fresh at six."});
    assert_eq!((&changed["content"], changed["when"]["until"].is_u64()), (&expected, true));
    let read = offer(&["--ssid", "Kiosk"]).event("offer")["offer"].clone();
    assert_eq!((&read["content"], &read["networks"]), (&expected, &json!(["kiosk"])));
    offer(&["--remove"]);
    assert_eq!(offer(&[]).names(), ["note", "done"]);
    let nothing = town.run(&["share", "offer", "--text", "no title"]);
    assert_eq!(nothing.code, Some(64), "{nothing:#?}");

    let gone = town.run(&["share", "remove", "--ssid", "Kiosk"]);
    assert_eq!((gone.code, town.listed(KIOSK)), (Some(0), false), "{gone:#?}");
}

#[test]
fn a_computer_in_the_network_says_what_was_signed_with_and_without_the_server() {
    let mut town = Town::new(vec![ap(KIOSK, "Kiosk", None, -50)]);
    town.prove_by_hand(KIOSK, "Kiosk");
    assert_eq!(town.run(&["share", "offer", "--title", "Papers"]).code, Some(0));
    let guest = Lab::new(vec![ap(KIOSK, "Kiosk", None, -50)]);
    assert_eq!(guest.run(&["--json", "fetch", "--server", &town.url]).code, Some(0));

    let serving = town.serve(&[]);
    let said = serving.first("serving");
    assert_eq!((&said["network"], &said["ssid"], &said["messages"]), (&json!("kiosk"), &json!("Kiosk"), &json!(1)));
    assert!(said["addresses"].as_array().unwrap().contains(&json!("127.0.0.1")), "{said}");
    serving.until("announced");
    let read = |said: &Value| {
        let port = said["port"].to_string();
        let ended = guest.run(&["--json", "connect", "--gateway", "127.0.0.1", "--portal-port", &port]);
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        let offer = ended.event("offer");
        assert_eq!(
            (&offer["title"], &offer["sender"], &offer["proof"]),
            (&json!("Papers"), &json!("sharer"), &json!("signed"))
        );
        assert_eq!(guest.run(&["--json", "leave"]).code, Some(0));
    };
    read(&said);
    serving.signal("-TERM");
    assert_eq!(serving.end().code, Some(130));

    town.url = "http://127.0.0.1:1".to_owned();
    let alone = town.serve(&["--network", "kiosk"]);
    assert!(alone.first("note")["message"].as_str().unwrap().contains("what is kept of Kiosk is said"));
    read(&alone.first("serving"));
    let other = town.serve(&["--network", "bar"]).end();
    assert_eq!(other.code, Some(69), "{other:#?}");
    std::fs::remove_file(town.lab.dir.path().join("state/to-serve.json")).unwrap();
    assert_eq!(town.serve(&[]).end().code, Some(69));
}

#[test]
fn what_cannot_be_asked_ends_with_its_own_number() {
    let lab = Lab::new(vec![ap(KIOSK, "Kiosk", None, -50)]);
    let token = lab.dir.path().join("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef").unwrap();
    let token = token.to_str().unwrap();
    for (args, code) in [
        (&["share", "status"][..], 64),
        (&["share", "status", "--server", "http://127.0.0.1:1"], 64),
        (&["share", "status", "--server", "http://127.0.0.1:1", "--token-file", token], 69),
        (&["share", "verify", "--challenge", "c-1"], 64),
        (&["share", "remove"], 64),
    ] {
        let ended = lab.run(&[&["--json"], args].concat());
        assert_eq!(ended.code, Some(code), "{args:?}: {ended:#?}");
    }
    let town = Town::new(vec![]);
    let refused = lab.run(&["--json", "share", "status", "--server", &town.url, "--token-file", token]);
    assert_eq!(refused.code, Some(1), "{refused:#?}");
    assert_eq!(town.run(&["share", "verify"]).code, Some(4));
    assert_eq!(town.run(&["share", "verify", "--ssid", "Kiosk"]).code, Some(4));
}

/// A computer, the air around it, and a server that gave its owner a token for sharing and nothing else.
struct Town {
    lab: Lab,
    url: String,
    token_file: PathBuf,
    operator: welcome_proto::Secret,
    server: Running,
    dir: TempDir,
}

impl Town {
    fn new(air: Vec<testkit::ctrl::FakeAp>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let binary = Path::new(env!("CARGO_BIN_EXE_welcome")).with_file_name("welcome-server");
        assert!(binary.is_file(), "{} is missing: cargo build -p welcome-server", binary.display());
        let program = Program::new(binary.clone(), dir.path(), None).unwrap();
        let server = program.serve().unwrap();
        let made = Command::new(binary)
            .args(["api-token", "--scope", "share", "--data"])
            .arg(dir.path().join("data"))
            .arg("--config")
            .arg(dir.path().join("config.toml"))
            .output()
            .unwrap();
        let said = String::from_utf8(made.stdout).unwrap();
        let token = said.lines().find_map(|line| line.strip_prefix("API token: ")).unwrap();
        let token_file = dir.path().join("share-token");
        std::fs::write(&token_file, token).unwrap();
        let operator = program.api_token().unwrap();
        let url = server.there().to_string();
        Self { lab: Lab::new(air), url, token_file, operator, server, dir }
    }

    fn start(&self, args: &[&str]) -> common::Running {
        let token = self.token_file.to_str().unwrap();
        self.lab.start(&[&["--json", "--server", &self.url, "--token-file", token], args].concat())
    }

    fn run(&self, args: &[&str]) -> Ended {
        self.start(args).end()
    }

    /// Begins to say the messages on the loopback interface.
    fn serve(&self, args: &[&str]) -> common::Running {
        let token = self.token_file.to_str().unwrap();
        let common = ["--json", "--server", &self.url, "--token-file", token, "share", "serve", "--port", "0"];
        self.lab.start_on("lo", &[&common[..], args].concat(), &[])
    }

    /// Has a network proved, as a person does it who renames it when they are told to.
    fn prove_by_hand(&self, bssid: &str, ssid: &str) -> Ended {
        let verify = self.start(&["share", "verify", "--ssid", ssid]);
        let name = verify.first("rename")["to"].as_str().unwrap().to_owned();
        self.lab.wpa.set_aps(vec![ap(bssid, &name, None, -50)]);
        let ended = verify.end();
        assert_eq!(ended.code, Some(0), "{ended:#?}");
        ended
    }

    fn networks(&self) -> Vec<Value> {
        self.run(&["share", "status"]).events().into_iter().filter(|event| event["event"] == "network").collect()
    }

    fn network(&self, ssid: &str) -> Value {
        self.networks().into_iter().find(|network| network["ssid"] == ssid).unwrap()
    }

    /// By what everybody is told.
    fn listed(&self, bssid: &str) -> bool {
        let lab = Lab::new(vec![ap(bssid, "x", None, -50)]);
        let ended = lab.run(&["--json", "share", "list", "--server", &self.url]);
        ended.event("heard")["listed"].as_bool().unwrap()
    }

    /// A router with an agent for which nobody vouches, and its one network.
    async fn router(&self, bssid: &str) -> Router {
        let there = self.server.there();
        let mut connection = there.connect().await.unwrap();
        let token = Operator::connect(&there, &self.operator).await.unwrap().enrolment_token().await.unwrap();
        let router = Router::enrol(&there, &mut connection, token, "0.1.0").await.unwrap();
        let network = json!({"id": "cafe", "ssid": "Cafe", "security": "open", "bss": [{"bssid": bssid}]});
        let announce = serde_json::from_value(json!({"generation": 1, "networks": [network]})).unwrap();
        connection.ask(router.announce(&announce).unwrap()).await.unwrap().accepted().unwrap();
        router
    }

    async fn operate(&self, method: Method, target: &str) -> Value {
        let request = Request::builder().method(method).uri(target);
        let request = request.header("authorization", format!("Bearer {}", self.operator.reveal()));
        let mut connection = self.server.there().connect().await.unwrap();
        connection.ask(request.body(Bytes::new()).unwrap()).await.unwrap().read().unwrap()
    }
}

/// What a router says of a challenge.
async fn tell(town: &Town, router: &Router, challenge: &str, state: Value) {
    let request = router.sign(Method::POST, &format!("challenges/{challenge}"), state.to_string().into());
    let mut connection = town.server.there().connect().await.unwrap();
    connection.ask(request).await.unwrap().accepted().unwrap();
}
