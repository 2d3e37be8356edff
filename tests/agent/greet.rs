//! Joins, leaves and returns, as a station sees them.

use std::time::Duration;

use http::StatusCode;
use tokio::time::{sleep, timeout};
use welcome_proto::lan::{self, Welcome};

use crate::kit::{ANN, BOB, GUEST, Kit, OWNER, eventually};
use crate::station::Station;

#[tokio::test]
async fn a_guest_is_greeted_once_and_the_owner_is_left_alone() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let bob = kit.join(BOB, OWNER, "127.0.0.11").await;

    let (_, welcome) = ann.get(lan::WELL_KNOWN).await;
    let welcome: Welcome = serde_json::from_str(&welcome).unwrap();
    let network = welcome.network.expect("a guest is told where it is");
    assert_eq!((network.id.as_str(), network.ssid.unwrap().to_string().as_str()), ("cafe", "Café"));
    let offer = ann.stream().await.offer().await;
    assert_eq!(offer.content.title, "Coffee is half price");
    assert_eq!(ann.due().await.unwrap(), std::slice::from_ref(&offer), "until it is shown it stays due");
    ann.show(&offer).await;
    eventually("nothing is due any more", async || ann.due().await.unwrap().is_empty()).await;

    assert_eq!(bob.due().await, None);
    assert_eq!(bob.get(lan::STREAM).await.0, StatusCode::NOT_FOUND);
    let (_, welcome) = bob.get(lan::WELL_KNOWN).await;
    assert_eq!(serde_json::from_str::<Welcome>(&welcome).unwrap().network, None);
    assert!(!bob.get(lan::PAGE).await.1.contains("Coffee"));
}

#[tokio::test]
async fn opening_the_page_shows_the_offer_and_it_stays_readable() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    for _ in 0..2 {
        let (status, page) = ann.get("/").await;
        assert_eq!(status, StatusCode::OK);
        assert!(page.contains("Coffee is half price"));
    }
    eventually("it counts as shown", async || ann.due().await.unwrap().is_empty()).await;
    assert_eq!(kit.agent.view.borrow().networks[&"cafe".parse().unwrap()].shown, 1);
}

#[tokio::test]
async fn who_returns_within_seconds_is_not_greeted_again() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let offer = ann.stream().await.offer().await;
    ann.show(&offer).await;
    eventually("it counts as shown", async || ann.due().await.unwrap().is_empty()).await;
    kit.hostapd.leave(ANN);
    sleep(Duration::from_millis(500)).await;
    kit.hostapd.join(ANN, GUEST);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(ann.due().await.unwrap(), []);
    let nothing = timeout(Duration::from_millis(300), async { ann.stream().await.next().await }).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test]
async fn hostapd_is_killed_and_comes_back_and_the_next_guest_is_greeted() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    ann.show(&ann.stream().await.offer().await).await;
    kit.hostapd.kill();
    kit.hostapd.start_again();
    eventually("the agent is attached again", async || kit.hostapd.attached() == 1).await;
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    assert_eq!(bob.stream().await.offer().await.id.as_str(), "hello");
    // For those who were here before it is no new visit.
    kit.hostapd.join(ANN, GUEST);
    sleep(Duration::from_millis(200)).await;
    assert_eq!(ann.due().await.unwrap(), []);
}

#[tokio::test]
async fn a_join_during_the_restart_is_found_by_the_snapshot() {
    let mut kit = Kit::start("").await;
    kit.hostapd.kill();
    kit.hostapd.start_again();
    kit.hostapd.join_unheard(ANN, GUEST);
    kit.lease(ANN, "127.0.0.10");
    kit.agent.until(|v| v.sessions.values().any(|s| s.guest)).await;
    // Its lease was there before; so the portal has its address looked up.
    let ann = Station { from: "127.0.0.10".parse().unwrap(), portal: kit.agent.portal };
    assert_eq!(ann.stream().await.offer().await.id.as_str(), "hello");
    assert_eq!(kit.agent.meter.summary().map(|s| s.count), Some(1), "how long it took is known as of any join");
}

#[tokio::test]
async fn a_stream_says_bye_when_the_agent_stops_and_the_stop_is_quick() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let mut stream = ann.stream().await;
    stream.offer().await;
    let Kit { dir, hostapd, agent } = kit;
    let took = agent.stop().await;
    assert!(took < Duration::from_secs(4), "{took:?}");
    assert!(stream.next().await.is_none_or(|e| e.name == lan::EVENT_BYE));
    assert!(!dir.path().join("status.sock").exists());
    // Whoever does not detach would freeze the access point one day.
    eventually("it has detached", async || hostapd.attached() == 0).await;
}
