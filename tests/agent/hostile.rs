//! Bad input, bad luck: a clear refusal each, and the agent stays up.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{sleep, timeout};
use welcome_proto::lan;

use crate::kit::{ANN, Agent, BOB, GUEST, Kit, SOON};
use crate::station::Station;

#[tokio::test]
async fn malformed_json_is_refused_with_a_reason() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    for body in ["{", "[]", r#"{"offers":[{"sender":"nobody","id":"x"}]}"#, "\u{0}"] {
        let (status, _) = ann.send(Method::POST, lan::SHOWN, body.to_owned()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body:?}");
    }
    let (status, _) = ann.send(Method::POST, lan::SHOWN, "x".repeat(5000)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(ann.due().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_header_of_one_mebibyte_is_refused_and_others_are_served() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let mut connection = ann.connect().await;
    connection.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx: ").await.unwrap();
    let answer = timeout(SOON, async {
        // The refusal may come while we are still writing.
        let _refused = connection.write_all(&vec![b'x'; 1 << 20]).await.is_err();
        let mut answer = Vec::new();
        let _reset = connection.read_to_end(&mut answer).await.is_err();
        answer
    });
    let answer = answer.await.expect("no waiting for more");
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
    assert_eq!(ann.due().await.unwrap().len(), 1);
}

/// An agent with all three doors, and their addresses.
async fn three_doors(certificates: &tempfile::TempDir) -> (Kit, [SocketAddr; 3]) {
    let made = rcgen::generate_simple_self_signed(vec!["router.example".to_owned()]).unwrap();
    let file = |name: &str, text: String| {
        let path = certificates.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (cert, key) = (file("cert", made.cert.pem()), file("key", made.signing_key.serialize_pem()));
    let listen = "\tlist tls_listen '127.0.0.1:0'\n";
    let named = "\toption tls_name 'router.example'\n";
    let kit = Kit::start_with(&format!("{named}\toption tls_cert '{cert}'\n\toption tls_key '{key}'\n{listen}")).await;
    let doors = [kit.agent.portal, kit.agent.catch, kit.agent.tls.unwrap()];
    (kit, doors)
}

#[tokio::test]
async fn five_hundred_connections_of_one_station_leave_room_for_others_at_every_door() {
    let dir = tempfile::tempdir().unwrap();
    let (mut kit, doors) = three_doors(&dir).await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    let mut held = Vec::new();
    for door in doors {
        for _ in 0..500 {
            held.push(Station { portal: door, ..ann }.connect().await);
        }
        assert_eq!(bob.due().await.unwrap().len(), 1, "{door}");
        let caught = Station { portal: kit.agent.catch, ..bob };
        let (status, _) = caught.get("/").await;
        assert!(!status.is_success(), "no probe; an answer all the same");
    }
    // What is beyond the limits was closed on the spot: 8 to the pages, with and without TLS, and 8 that were caught.
    sleep(Duration::from_millis(100)).await;
    let mut open = 0;
    for connection in &mut held {
        let mut byte = [0];
        open += usize::from(timeout(Duration::from_millis(2), connection.read(&mut byte)).await.is_err());
    }
    assert_eq!(open, 16);
}

#[tokio::test]
async fn slow_heads_and_handshakes_hold_nobody_up() {
    let dir = tempfile::tempdir().unwrap();
    let (mut kit, doors) = three_doors(&dir).await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    let mut slow = Vec::new();
    for door in doors {
        for _ in 0..4 {
            let mut connection = Station { portal: door, ..ann }.connect().await;
            connection.write_all(b"GET / HTT").await.unwrap();
            slow.push(connection);
        }
    }
    let start = Instant::now();
    assert_eq!(bob.due().await.unwrap().len(), 1);
    assert!(start.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn a_head_without_end_is_refused_at_every_door() {
    let dir = tempfile::tempdir().unwrap();
    let (mut kit, doors) = three_doors(&dir).await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    for door in doors {
        let mut connection = Station { portal: door, ..ann }.connect().await;
        connection.write_all(b"GET / HTTP/1.1\r\nhost: example.org\r\nx: ").await.unwrap();
        let ended = timeout(SOON, async {
            let _refused = connection.write_all(&vec![b'x'; 1 << 20]).await.is_err();
            let mut answer = Vec::new();
            let _reset = connection.read_to_end(&mut answer).await.is_err();
            answer
        });
        let answer = ended.await.expect("no waiting for more");
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    }
    assert_eq!(ann.due().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_thousand_piped_requests_are_answered_one_after_the_other() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    let (mut reader, mut writer) = ann.connect().await.into_split();
    let request = "GET /welcome/v1/offers HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /.well-known/welcome HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let writing = async { writer.write_all(format!("{}{last}", request.repeat(1000)).as_bytes()).await };
    let reading = async {
        let mut answers = Vec::new();
        reader.read_to_end(&mut answers).await.map(|_| answers)
    };
    let other = async { bob.due().await.unwrap().len() };
    let (written, answers, due) = timeout(SOON, async { tokio::join!(writing, reading, other) }).await.unwrap();
    written.unwrap();
    assert_eq!(String::from_utf8(answers.unwrap()).unwrap().matches("HTTP/1.1 200 OK").count(), 1001);
    assert_eq!(due, 1);
}

#[tokio::test]
async fn nonsense_at_the_door_for_caught_http_is_refused() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let caught = Station { portal: kit.agent.catch, ..ann };
    let long = "x".repeat(4000);
    for request in [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        "GET / HTTP/1.0\r\n\r\n",
        "GET http://user@example.org/ HTTP/1.1\r\nhost: example.org\r\n\r\n",
        "CONNECT example.org:443 HTTP/1.1\r\nhost: example.org:443\r\n\r\n",
        "OPTIONS * HTTP/1.1\r\nhost: example.org\r\n\r\n",
        "GET / HTTP/1.1\r\nhost: [::1\r\n\r\n",
        "\x16\x03\x01\x02\r\n\r\n",
        &format!("GET / HTTP/1.1\r\nhost: {long}\r\n\r\n"),
    ] {
        let mut connection = caught.connect().await;
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        timeout(SOON, connection.read_to_end(&mut answer)).await.expect("the end comes").unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.0 4"), "{request:?}: {answer}");
    }
    // Nobody was redirected here by a firewall, and nothing is let through for it.
    assert_eq!(caught.get("/").await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(ann.due().await.unwrap().len(), 1);
}

#[tokio::test]
async fn an_app_that_stops_reading_its_stream_holds_nobody_up() {
    let mut kit = Kit::start("").await;
    let ann = kit.join(ANN, GUEST, "127.0.0.10").await;
    let bob = kit.join(BOB, GUEST, "127.0.0.11").await;
    let _never_read: Vec<_> = [ann.stream().await, ann.stream().await, ann.stream().await].into();
    for _ in 0..50 {
        kit.hostapd.leave(ANN);
        kit.hostapd.join(ANN, GUEST);
    }
    assert_eq!(bob.stream().await.offer().await.id.as_str(), "hello");
    assert_eq!(kit.hostapd.stalls(), 0);
}

#[tokio::test]
async fn an_address_nobody_knows_gets_an_answer_too() {
    let kit = Kit::start("").await;
    let stranger = Station { from: "127.0.0.99".parse().unwrap(), portal: kit.agent.portal };
    let start = Instant::now();
    let (status, body) = stranger.get(lan::OFFERS).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(body.contains("urn:welcome:problem:not-a-guest"), "{body}");
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn without_hostapd_the_agent_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    // Something that is no control socket: it can be seen and not be talked to.
    std::fs::write(dir.path().join("wlan0"), "").unwrap();
    let mut agent = Agent::start(dir.path(), "config offer 'hello'\n\toption title 'Hello'\n").await;
    sleep(Duration::from_millis(600)).await;
    let anybody = Station { from: "127.0.0.10".parse().unwrap(), portal: agent.portal };
    assert_eq!(anybody.get(lan::WELL_KNOWN).await.0, StatusCode::OK, "the portal answers all the while");
    std::fs::remove_file(dir.path().join("wlan0")).unwrap();
    let hostapd = testkit::ctrl::FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "Late");
    agent.until(|v| v.networks.values().any(|n| !n.bss.is_empty())).await;
    hostapd.join(ANN, GUEST);
    agent.until(|v| v.sessions.values().any(|s| s.guest)).await;
}

#[tokio::test]
async fn an_access_point_that_answers_nothing_is_waited_for() {
    let mut kit = Kit::start("").await;
    kit.hostapd.freeze();
    // Events still come; only the questions stay open.
    kit.hostapd.join(ANN, GUEST);
    kit.agent.until(|v| v.sessions.values().any(|s| s.guest)).await;
    kit.hostapd.thaw();
    kit.hostapd.join(BOB, GUEST);
    kit.agent.until(|v| v.sessions.len() == 2).await;
}

#[tokio::test]
async fn thousands_of_events_end_in_the_truth_and_hold_nobody_up() {
    let mut kit = Kit::start("").await;
    let mac = |n: u32| format!("02:00:00:01:{:02x}:{:02x}", n / 256, n % 256);
    for n in 0..2000u32 {
        kit.hostapd.join(mac(n % 200), GUEST);
        if n % 3 == 0 {
            kit.hostapd.leave(mac(n % 200));
        }
    }
    for n in 0..200 {
        kit.hostapd.leave(mac(n));
    }
    kit.hostapd.join(ANN, GUEST);
    kit.agent.until(|v| v.sessions.values().filter(|s| s.on_air).count() == 1).await;
    kit.agent.until(|v| v.sessions.values().any(|s| s.on_air && s.mac.to_string() == ANN)).await;
    assert_eq!(kit.hostapd.stalls(), 0);
}

#[test]
fn a_wedged_agent_holds_nobody_up() {
    // The agent on a runtime of its own, as in the daemon; what blocks it blocks everything but the readers.
    let (told, kit) = std::sync::mpsc::channel();
    let (wedge, wedged) = tokio::sync::oneshot::channel::<Duration>();
    let agent = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Kit { dir, hostapd, mut agent } = Kit::start("").await;
            told.send(hostapd).unwrap();
            std::thread::sleep(wedged.await.unwrap());
            // What was dropped meanwhile is found by the snapshot.
            agent.until(|v| v.sessions.values().filter(|s| s.on_air && s.guest).count() == 100).await;
            drop(dir);
        });
    });
    let hostapd = kit.recv_timeout(SOON).unwrap();
    wedge.send(Duration::from_secs(3)).unwrap();
    let start = Instant::now();
    for round in 0..20 {
        for n in 0..100u8 {
            hostapd.join(format!("02:00:00:02:00:{n:02x}"), GUEST);
            if round < 19 {
                hostapd.leave(format!("02:00:00:02:00:{n:02x}"));
            }
        }
    }
    let took = start.elapsed();
    assert_eq!(hostapd.stalls(), 0, "hostapd had to wait");
    assert!(took < Duration::from_secs(2), "the joins took {took:?} and so did not happen while it was wedged");
    agent.join().unwrap();
}
