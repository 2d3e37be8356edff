//! Guests with a passphrase of their own on the owner's network, by `hostapd-auth`.

use std::thread;
use std::time::Duration;

use testkit::ubus::{Broker, FakeRouter};
use welcome_core::{Credential, View};

use crate::kit::{ANN, Agent, BOB, SOON, eventually};
use crate::router::{self, GUEST_AP, HOME_AP, Router, on_air};
use crate::ubus::bss;

const OPTIONS: &str =
    "option credential 'passphrase'\n\toption key 'come in, guest'\n\tlist shared_key 'another passphrase'";
const BOTH: [&str; 2] = ["come in, guest", "another passphrase"];

async fn start(options: &str) -> Router {
    let kit = Router::start(options, "").await;
    eventually("hostapd asks us", async || kit.router.sta_auth(GUEST_AP, ANN).psk == BOTH).await;
    kit
}

fn credential(view: &View, mac: &str) -> Option<Credential> {
    view.sessions.values().find(|s| s.mac.to_string() == mac && s.on_air).map(|s| s.credential)
}

#[tokio::test]
async fn hostapd_is_given_the_guests_passphrases_of_our_networks_alone() {
    let kit = start(OPTIONS).await;
    let answer = kit.router.sta_auth(GUEST_AP, ANN);
    assert_eq!((answer.psk, answer.force_psk, answer.status), (BOTH.map(str::to_owned).to_vec(), None, None));
    let answer = kit.router.sta_auth(HOME_AP, ANN);
    assert!(answer.answered && answer.psk.is_empty(), "{answer:?}");
}

#[tokio::test]
async fn the_passphrase_tells_a_guest_from_the_owner() {
    let mut kit = start(OPTIONS).await;
    for (mac, index, expected) in [(ANN, Some(1), Credential::Shared), (BOB, None, Credential::Owner)] {
        kit.router.sta_auth(GUEST_AP, mac);
        kit.router.sta_connected(GUEST_AP, mac, index);
        kit.router.join(GUEST_AP, mac);
        kit.agent.until(|v| credential(v, mac) == Some(expected)).await;
    }
    let view = kit.agent.view.borrow();
    let guests: Vec<_> = view.sessions.values().filter(|s| s.guest).map(|s| s.mac.to_string()).collect();
    assert_eq!(guests, [ANN]);
}

#[tokio::test]
async fn the_answers_follow_the_configuration_and_the_radios() {
    let kit = start(OPTIONS).await;
    kit.router.restart_hostapd();
    eventually("hostapd asks us again", async || kit.router.sta_auth(GUEST_AP, ANN).psk == BOTH).await;
    kit.broker.restart();
    eventually("and after a restart of ubusd", async || kit.router.sta_auth(GUEST_AP, ANN).psk == BOTH).await;
    for options in ["option credential 'passphrase'\n\toption key 'the third one'", "", OPTIONS] {
        kit.reload(options).await;
        let expected: &[&str] = match options {
            "" => &[],
            OPTIONS => &BOTH,
            _ => &["the third one"],
        };
        eventually(options, async || kit.router.sta_auth(GUEST_AP, ANN).psk == expected).await;
    }
    kit.router.change_bss(GUEST_AP, |bss| bss.encryption = "sae-mixed".to_owned());
    eventually("there by WPA3 the owner would be locked out", async || {
        kit.router.sta_auth(GUEST_AP, ANN).psk.is_empty()
    })
    .await;
}

#[tokio::test]
async fn without_the_object_all_else_works() {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let router = FakeRouter::without_hostapd_auth(broker.path());
    router.add_bss(bss(GUEST_AP, "guest", "02:00:00:00:00:01", b"Home", "psk2"));
    let mut agent = Agent::run(dir.path(), &router::config(dir.path(), broker.path(), OPTIONS, "")).await;
    agent.until(on_air).await;
    router.join(GUEST_AP, ANN);
    agent.until(|v| credential(v, ANN) == Some(Credential::Unknown)).await;
}

#[test]
fn an_agent_that_is_stuck_answers_hostapd_all_the_same() {
    // The agent on a runtime of its own, as in the daemon; what blocks it blocks all but the thread of ubus.
    let (told, router) = std::sync::mpsc::channel();
    let (block, blocked) = tokio::sync::oneshot::channel::<Duration>();
    let agent = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Router { dir, broker, router, mut agent } = start(OPTIONS).await;
            told.send(router).unwrap();
            thread::sleep(blocked.await.unwrap());
            // What happened meanwhile is known as soon as it can be.
            agent.until(|v| credential(v, ANN) == Some(Credential::Shared)).await;
            drop((dir, broker));
        });
    });
    let router: FakeRouter = router.recv_timeout(SOON).unwrap();
    block.send(Duration::from_secs(3)).unwrap();
    for _ in 0..5 {
        let answer = router.sta_auth(GUEST_AP, ANN);
        assert!(answer.answered, "{answer:?}");
        assert_eq!(answer.psk, BOTH);
    }
    assert!(router.sta_connected(GUEST_AP, ANN, Some(0)) < Duration::from_secs(1));
    router.join(GUEST_AP, ANN);
    assert!(!agent.is_finished());
    agent.join().unwrap();
}
