//! `welcome connect` from the list to the message, with stand-ins for wpa_supplicant, the directory and the router.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

mod common;

use std::time::{Duration, Instant};

use common::{Answer, CAFE, KEY, Lab, Web, ap, directory, listing, offer, router};
use serde_json::json;
use testkit::ctrl::FakeAp;

#[test]
fn the_message_arrives_and_is_said_to_be_shown() {
    let lab = Lab::cafe();
    let (directory, router) = (directory(listing()), router(vec![offer("a"), offer("b")]));
    let ended = lab.connect(Some(&directory), &router, &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let names = ended.names();
    assert_eq!(names, ["scan", "match", "associate", "keyed", "address", "offer", "offer", "done"]);
    let found = ended.event("match");
    assert_eq!((&found["bssid"], &found["variant"], &found["ssid"]), (&json!(CAFE), &json!(2), &json!("Café")));
    assert_eq!(ended.event("offer")["title"], "Hello a");
    let shown: Vec<_> = router.asked().into_iter().filter(|asked| asked.method == "POST").collect();
    let told = json!({ "offers": [{ "sender": "device", "id": "a" }, { "sender": "device", "id": "b" }] });
    assert_eq!(serde_json::from_str::<serde_json::Value>(&shown[0].body).unwrap(), told);
    assert_eq!(shown.len(), 1);
    assert_eq!(router.asked().len(), 3, "what is here, the stream, and what was shown: {:#?}", router.asked());
    assert_eq!(lab.wpa.connected(), Some(0), "it stays connected");
}

#[test]
fn times_never_run_backwards_and_have_six_decimals() {
    let lab = Lab::cafe();
    let ended = lab.connect(Some(&directory(listing())), &router(vec![offer("a")]), &[]).end();
    let at: Vec<f64> = ended.events().iter().map(|event| event["at"].as_f64().unwrap()).collect();
    assert!(at.windows(2).all(|pair| pair[0] <= pair[1] + 0.001), "{at:?}");
    for line in &ended.stdout {
        let (seconds, rest) = line.strip_prefix("{\"at\":").unwrap().split_once('.').unwrap();
        assert_eq!((seconds.len(), rest.find(',')), (10, Some(6)), "{line}");
    }
}

#[test]
fn a_person_gets_the_message_on_standard_output_and_the_way_there_on_standard_error() {
    let lab = Lab::cafe();
    let (directory, router) = (directory(listing()), router(vec![offer("a")]));
    let (url, port) = (directory.url(), router.address.port().to_string());
    let ended = lab.run(&["connect", "--server", &url, "--gateway", "127.0.0.1", "--portal-port", &port, "--verbose"]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stdout, ["Hello a", "one", "two", "https://a.example/"]);
    for said in ["heard 1 networks; 1 are listed", "joining Café", "joined Café", "done"] {
        assert!(ended.stderr.contains(said), "{said} in {}", ended.stderr);
    }
    assert!(!ended.stderr.contains(KEY));
}

#[test]
fn the_strongest_listed_network_is_joined_and_others_are_left_alone() {
    let lab = Lab::new(vec![
        ap("02:00:00:00:00:09", "not listed", None, -10),
        ap(CAFE, "Café", Some(KEY), -70),
        ap("02:00:00:00:00:02", "open house", None, -60),
    ]);
    let ended = lab.connect(Some(&directory(listing())), &router(vec![offer("a")]), &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    let found = ended.event("match");
    assert_eq!((&found["ssid"], &found["variant"]), (&json!("open house"), &json!(1)));
}

#[test]
fn who_asks_for_two_is_not_content_with_one() {
    let near = || vec![ap(CAFE, "Café", Some(KEY), -50)];
    let both = [near(), vec![ap("02:00:00:00:00:02", "open house", None, -70)]].concat();
    let directory = directory(listing());
    let alone = Lab::new(near()).connect(Some(&directory), &router(vec![]), &["--at-least", "2"]).end();
    assert_eq!(alone.code, Some(4), "{alone:#?}");
    assert!(alone.event("error")["message"].as_str().unwrap().contains("only 1 of at least 2"));
    let together = Lab::new(both).connect(Some(&directory), &router(vec![offer("a")]), &["--at-least", "2"]).end();
    assert_eq!(together.code, Some(0), "{together:#?}");
    assert_eq!(together.event("match")["variant"], 4);
}

#[test]
fn a_network_that_could_not_be_joined_comes_behind_another_the_next_time() {
    let house = "02:00:00:00:00:02";
    let lab = Lab::new(vec![ap(CAFE, "Café", Some("another key"), -50), ap(house, "open house", None, -55)]);
    let (directory, router) = (directory(listing()), router(vec![offer("a")]));
    let first = lab.connect(Some(&directory), &router, &[]).end();
    assert_eq!((first.code, &first.event("match")["bssid"]), (Some(5), &json!(CAFE)), "{first:#?}");
    let second = lab.connect(Some(&directory), &router, &[]).end();
    assert_eq!((second.code, &second.event("match")["bssid"]), (Some(0), &json!(house)), "{second:#?}");
}

#[test]
fn an_open_network_with_a_listed_bssid_is_refused() {
    let lab = Lab::new(vec![ap(CAFE, "Café", None, -50)]);
    let ended = lab.connect(Some(&directory(listing())), &router(vec![]), &[]).end();
    assert_eq!(ended.code, Some(4), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("protected in another way"));
    assert_eq!(lab.wpa.networks(), (vec![], vec![]));
}

#[test]
fn nothing_listed_on_the_air_is_said_so() {
    let lab = Lab::new(vec![ap("02:00:00:00:00:09", "not listed", None, -10)]);
    let ended = lab.connect(Some(&directory(listing())), &router(vec![]), &[]).end();
    assert_eq!((ended.code, ended.event("error")["kind"].as_str()), (Some(4), Some("not-heard")), "{ended:#?}");
}

#[test]
fn a_wrong_key_is_named_as_such_and_everything_is_put_back() {
    let home = "02:00:00:00:00:08";
    let lab = Lab::new(vec![ap(CAFE, "Café", Some("another key"), -50), ap(home, "home", None, -50)]);
    lab.wpa.configure(b"home", Some(home));
    lab.wpa.configure(b"work", None);
    let ended = lab.connect(Some(&directory(listing())), &router(vec![]), &["--replace"]).end();
    assert_eq!(ended.code, Some(5), "{ended:#?}");
    assert_eq!(ended.event("error")["kind"], "wrong-key");
    let message = ended.event("error")["message"].as_str().unwrap().to_owned();
    assert!(message.contains("wrong key"), "{message}");
    assert!(!ended.stdout.concat().contains(KEY) && !ended.stderr.contains(KEY));
    assert_eq!(lab.wpa.networks(), (vec![0, 1], vec![0, 1]));
    assert_eq!(lab.wpa.connected(), Some(0));
    assert!(lab.is_clean());
}

#[test]
fn a_wrong_key_is_named_with_sae_too() {
    let flags = "[WPA2-SAE-CCMP][SAE-H2E][ESS]".to_owned();
    let lab = Lab::new(vec![FakeAp { flags, ..ap(CAFE, "Café", Some("another key"), -50) }]);
    let ended = lab.connect(Some(&directory(listing())), &router(vec![]), &[]).end();
    assert_eq!((ended.code, ended.event("error")["kind"].as_str()), (Some(5), Some("wrong-key")), "{ended:#?}");
    assert!(lab.is_clean());
}

#[test]
fn an_access_point_that_takes_nobody_in_is_said_so() {
    let lab = Lab::cafe();
    lab.wpa.be_full();
    let ended = lab.connect(Some(&directory(listing())), &router(vec![]), &["--join-wait", "0.5"]).end();
    assert_eq!((ended.code, ended.event("error")["kind"].as_str()), (Some(5), Some("rejected")), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("status 17"));
    assert!(lab.is_clean());
}

#[test]
fn a_connection_that_somebody_chose_is_replaced_only_when_told() {
    let home = "02:00:00:00:00:08";
    let lab = Lab::new(vec![ap(CAFE, "Café", Some(KEY), -50), ap(home, "home", None, -50)]);
    lab.wpa.configure(b"home", Some(home));
    let (directory, message) = (directory(listing()), router(vec![offer("a")]));
    let ended = lab.connect(Some(&directory), &message, &[]).end();
    assert_eq!(ended.code, Some(6), "{ended:#?}");
    assert_eq!(ended.event("error")["kind"], "in-use");
    assert_eq!((lab.wpa.connected(), lab.wpa.networks()), (Some(0), (vec![0], vec![0])));
    assert!(lab.is_clean());

    assert_eq!(lab.connect(Some(&directory), &message, &["--replace"]).end().code, Some(0));
    assert_eq!(lab.wpa.connected(), Some(1));
    // What we joined ourselves is nobody's choice.
    assert_eq!(lab.connect(Some(&directory), &message, &[]).end().code, Some(0));
    assert_eq!(lab.run(&["leave"]).code, Some(0));
    assert_eq!((lab.wpa.connected(), lab.wpa.networks()), (Some(0), (vec![0], vec![0])));
}

#[test]
fn watch_waits_until_the_interface_is_free() {
    let home = "02:00:00:00:00:08";
    let lab = Lab::new(vec![ap(CAFE, "Café", Some(KEY), -50)]);
    lab.wpa.configure(b"home", Some(home));
    let (directory, message) = (directory(listing()), router(vec![offer("a")]));
    let (url, port) = (directory.url(), message.address.port().to_string());
    let running = lab.start(&["--json", "watch", "--server", &url, "--gateway", "127.0.0.1", "--portal-port", &port]);
    running.until("note");
    assert_eq!(lab.wpa.networks(), (vec![0], vec![0]));
    assert!(!lab.wpa.commands().iter().any(|command| command.starts_with("SCAN")), "it does not even scan");
    lab.wpa.disconnect();
    // It may only be a roam: some seconds pass before the network counts as lost.
    running.until_within("offer", Duration::from_secs(20));
    running.signal("-INT");
    assert_eq!(running.end().code, Some(130));
    assert_eq!(lab.wpa.networks(), (vec![0], vec![0]));
    assert!(lab.is_clean());
}

#[test]
fn watch_takes_up_what_somebody_elses_scan_has_heard() {
    let lab = Lab::new(vec![]);
    let (directory, message) = (directory(listing()), router(vec![offer("a")]));
    let (url, port) = (directory.url(), message.address.port().to_string());
    let running = lab.start(&["--json", "watch", "--server", &url, "--gateway", "127.0.0.1", "--portal-port", &port]);
    let scans = || lab.wpa.commands().iter().filter(|command| command.starts_with("SCAN")).count();
    // Its own come ever more rarely: after the third the next is 6 s away at least.
    let began = Instant::now();
    while scans() < 3 {
        assert!(began.elapsed() < Duration::from_secs(20), "it does not scan");
        std::thread::sleep(Duration::from_millis(20));
    }
    std::thread::sleep(Duration::from_secs(1));
    lab.wpa.set_aps(vec![ap(CAFE, "Café", Some(KEY), -50)]);
    lab.wpa.end_scan();
    running.until("offer");
    assert_eq!(scans(), 3, "it has scanned by itself");
    running.signal("-INT");
    assert_eq!(running.end().code, Some(130));
    assert!(lab.is_clean());
}

#[test]
fn joining_has_an_end() {
    let lab = Lab::cafe();
    lab.wpa.never_connect();
    let began = Instant::now();
    let ended = lab.connect(Some(&directory(listing())), &router(vec![]), &["--join-wait", "1"]).end();
    assert_eq!((ended.code, ended.event("error")["kind"].as_str()), (Some(5), Some("no-answer")), "{ended:#?}");
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(lab.wpa.networks(), (vec![], vec![]));
}

#[test]
fn an_interruption_puts_everything_back() {
    for signal in ["-INT", "-TERM"] {
        let home = "02:00:00:00:00:08";
        let lab = Lab::new(vec![ap(CAFE, "Café", Some(KEY), -50), ap(home, "home", None, -50)]);
        lab.wpa.configure(b"home", Some(home));
        let off = lab.wpa.configure(b"work", None);
        // While waiting for the message: the router has none.
        let running = lab.connect(Some(&directory(listing())), &router(vec![]), &["--wait", "20", "--replace"]);
        running.until("address");
        assert_eq!(lab.wpa.networks(), (vec![0, 1, 2], vec![2]));
        running.signal(signal);
        let ended = running.end();
        assert_eq!(ended.code, Some(130), "{ended:#?}");
        assert_eq!(lab.wpa.networks(), (vec![0, off], vec![0, off]));
        assert_eq!(lab.wpa.connected(), Some(0));
        assert!(lab.is_clean());
    }
}

#[test]
fn an_interruption_while_joining_puts_everything_back() {
    let lab = Lab::cafe();
    lab.wpa.never_connect();
    let running = lab.connect(Some(&directory(listing())), &router(vec![]), &[]);
    running.until("match");
    running.signal("-INT");
    assert_eq!(running.end().code, Some(130));
    assert_eq!(lab.wpa.networks(), (vec![], vec![]));
    assert!(lab.is_clean());
}

#[test]
fn what_a_crash_left_behind_is_cleaned_up_by_the_next_start() {
    let lab = Lab::cafe();
    let home = lab.wpa.configure(b"home", None);
    let (directory, nothing) = (directory(listing()), router(vec![]));
    let running = lab.connect(Some(&directory), &nothing, &["--wait", "20"]);
    running.until("address");
    running.signal("-KILL");
    running.end();
    assert_eq!(lab.wpa.networks(), (vec![0, 1], vec![1]));
    let ended = lab.connect(Some(&directory), &router(vec![offer("a")]), &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(lab.wpa.networks(), (vec![0, 1], vec![1]), "one network of ours, not two");
    assert_eq!(lab.run(&["leave"]).code, Some(0));
    assert_eq!(lab.wpa.networks(), (vec![home], vec![home]));
}

#[test]
fn what_connect_joined_stays_until_something_better_is_there() {
    let lab = Lab::cafe();
    let directory = directory(listing());
    assert_eq!(lab.connect(Some(&directory), &router(vec![offer("a")]), &[]).end().code, Some(0));
    let joined = lab.wpa.networks();
    // Neither another command's failure nor an attempt that finds nothing takes it away.
    assert_eq!(lab.run(&["fetch", "--server", "http://127.0.0.1:1"]).code, Some(69));
    assert_eq!(lab.run(&["receive", "--gateway", "127.0.0.1", "--portal-port", "1", "--wait", "0.2"]).code, Some(3));
    lab.wpa.set_aps(vec![]);
    assert_eq!(lab.connect(Some(&directory), &router(vec![]), &[]).end().code, Some(4));
    assert_eq!(lab.wpa.networks(), joined);
    assert_eq!(lab.run(&["leave"]).code, Some(0));
    assert_eq!(lab.wpa.networks(), (vec![], vec![]));
    assert!(lab.is_clean());
}

#[test]
fn leave_removes_only_what_is_ours() {
    let lab = Lab::cafe();
    let ended = lab.connect(Some(&directory(listing())), &router(vec![offer("a")]), &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    // wpa_supplicant was restarted, and somebody else's network has the number of ours.
    let taken = lab.wpa.connected().unwrap();
    let control = lab.dir.path().join("wlan0");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut control = wpa_ctrl::Control::open(control, lab.dir.path()).unwrap();
        control.order("REMOVE_NETWORK all").await.unwrap();
    });
    assert_eq!(lab.wpa.configure(b"somebody else", None), taken);
    assert_eq!(lab.run(&["leave"]).code, Some(0));
    assert_eq!(lab.wpa.networks(), (vec![taken], vec![taken]));
    assert_eq!(lab.run(&["leave"]).code, Some(0), "leaving twice does no harm");
}

#[test]
fn a_router_without_a_message_is_three_and_keeps_the_connection() {
    let lab = Lab::cafe();
    let ended = lab.connect(Some(&directory(listing())), &router(vec![]), &["--wait", "1"]).end();
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("the router has none for us"));
    assert_eq!(lab.wpa.connected(), Some(0));
}

#[test]
fn a_router_that_does_not_take_us_for_a_guest_is_said_so() {
    let lab = Lab::cafe();
    let router = Web::start(|asked| match asked.uri.as_str() {
        "/.well-known/welcome" => Answer::json(&json!({
            "version": 1, "offers": "/o", "stream": "/s", "shown": "/done", "page": "/", "network": null
        })),
        _ => Answer::new(404, json!({ "type": "urn:welcome:problem:not-a-guest", "status": 404 }).to_string()),
    });
    let ended = lab.connect(Some(&directory(listing())), &router, &["--wait", "1"]).end();
    assert_eq!(ended.code, Some(3), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("for a guest"));
}

#[test]
fn a_router_may_have_its_stream_elsewhere() {
    let lab = Lab::cafe();
    let router = Web::start(|asked| match asked.uri.as_str() {
        "/.well-known/welcome" => Answer::json(&json!({
            "version": 1, "offers": "/o", "stream": "/s?t=1", "shown": "/done", "page": "/"
        })),
        "/s?t=1" => Answer::stream(format!("event: offer\ndata: {}\n\n", offer("a"))),
        "/done" => Answer::new(204, ""),
        _ => Answer::new(404, ""),
    });
    let ended = lab.connect(Some(&directory(listing())), &router, &[]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(router.asked().last().unwrap().uri, "/done");
}

#[test]
fn a_router_that_comes_up_late_is_asked_soon_enough() {
    let lab = Lab::cafe();
    let port = { std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port() };
    let url = directory(listing()).url();
    let port_text = port.to_string();
    let running =
        lab.start(&["--json", "connect", "--server", &url, "--gateway", "127.0.0.1", "--portal-port", &port_text]);
    running.until("address");
    std::thread::sleep(Duration::from_millis(500));
    let up = Instant::now();
    let listener = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    listener.accept().unwrap();
    assert!(up.elapsed() < Duration::from_millis(150), "{:?}", up.elapsed());
    running.signal("-INT");
    assert_eq!(running.end().code, Some(130));
}

#[test]
fn a_hostile_router_cannot_lead_away_or_flood() {
    for (shown, stream) in [("//evil.example/", String::new()), ("/done", "data: ".to_owned() + &"x".repeat(200_000))] {
        let lab = Lab::cafe();
        let router = Web::start(move |asked| match asked.uri.as_str() {
            "/.well-known/welcome" => Answer::json(&json!({
                "version": 1, "offers": "/o", "stream": "/s", "shown": shown, "page": "/"
            })),
            _ => Answer::stream(stream.clone()),
        });
        let ended = lab.connect(Some(&directory(listing())), &router, &["--wait", "1"]).end();
        assert_eq!(ended.code, Some(3), "{ended:#?}");
        assert!(!ended.names().contains(&"offer".to_owned()));
    }
}

#[test]
fn the_command_of_dhcp_gets_the_interface_and_its_failure_is_the_reason() {
    let lab = Lab::cafe();
    let proof = lab.dir.path().join("proof");
    let command = format!("echo $INTERFACE > {}; echo noise", proof.display());
    let (directory, message) = (directory(listing()), router(vec![offer("a")]));
    let ended = lab.connect(Some(&directory), &message, &["--dhcp", &format!("{command}; sleep 60")]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(std::fs::read_to_string(proof).unwrap(), "wlan0\n");
    assert!(ended.stderr.contains("noise"));

    let ended = lab.connect(Some(&directory), &router(vec![]), &["--dhcp", "exit 7"]).end();
    assert_eq!(ended.code, Some(5), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("--dhcp"));
    assert_eq!(lab.wpa.networks(), (vec![], vec![]));
}

#[test]
fn no_address_is_a_failure_to_join() {
    let lab = Lab::cafe();
    // There is no interface wlan0 with an address here.
    let url = directory(listing()).url();
    let ended = lab.run(&["--json", "connect", "--server", &url, "--wait", "0.3"]);
    assert_eq!((ended.code, ended.event("error")["kind"].as_str()), (Some(5), Some("no-address")), "{ended:#?}");
    assert_eq!(lab.wpa.networks(), (vec![], vec![]));
}

#[test]
fn a_busy_scan_is_waited_for() {
    let lab = Lab::cafe();
    lab.wpa.busy_scans(3);
    let ended = lab.connect(Some(&directory(listing())), &router(vec![offer("a")]), &["--freq", "2412"]).end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(lab.wpa.commands().contains(&"SCAN freq=2412".to_owned()));
}

#[test]
fn no_wpa_supplicant_is_said_so() {
    let lab = Lab::cafe();
    lab.wpa.stop();
    let ended = lab.run(&["--json", "connect"]);
    assert_eq!(ended.code, Some(1), "{ended:#?}");
    assert!(ended.event("error")["message"].as_str().unwrap().contains("wpa_supplicant"));
}

#[test]
fn watch_joins_again_when_the_visit_has_ended_says_nothing_twice_and_puts_everything_back_at_the_end() {
    let lab = Lab::cafe();
    let router = Web::start(|asked| match asked.uri.as_str() {
        "/.well-known/welcome" => Answer::json(&json!({
            "version": 1, "offers": "/o", "stream": "/s", "shown": "/done", "page": "/"
        })),
        "/s" => Answer::stream(format!("event: offer\ndata: {}\n\nevent: bye\ndata: {{}}\n\n", offer("a"))),
        _ => Answer::new(204, ""),
    });
    let (url, port) = (directory(listing()).url(), router.address.port().to_string());
    let running = lab.start(&["--json", "watch", "--server", &url, "--gateway", "127.0.0.1", "--portal-port", &port]);
    let began = Instant::now();
    while router.uris().iter().filter(|uri| *uri == "/s").count() < 2 {
        assert!(began.elapsed() < Duration::from_secs(15), "no second visit");
        std::thread::sleep(Duration::from_millis(20));
    }
    running.signal("-INT");
    let ended = running.end();
    assert_eq!(ended.code, Some(130), "{ended:#?}");
    assert_eq!(ended.names().iter().filter(|name| *name == "offer").count(), 1);
    assert_eq!(lab.wpa.networks(), (vec![], vec![]));
    assert!(lab.is_clean());
}

#[test]
fn receive_needs_no_wpa_supplicant() {
    let lab = Lab::new(vec![]);
    lab.wpa.stop();
    let port = router(vec![offer("a")]).address.port().to_string();
    let ended = lab.run(&["receive", "--gateway", "127.0.0.1", "--portal-port", &port]);
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert_eq!(ended.stdout[0], "Hello a");
}
