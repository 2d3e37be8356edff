//! The listener, against the stand-in: above all, that it never holds hostapd up.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails should say where")]

use std::fs;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::ctrl::FakeHostapd;
use wpa_ctrl::{Error, Event, Events, GoneReason, Notice};

const STATION: &str = "02:00:00:00:01:00";
const STATION_MAC: wpa_ctrl::Mac = [2, 0, 0, 0, 1, 0];

struct Lab {
    dir: TempDir,
    hostapd: FakeHostapd,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hostapd = FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "demo");
        Self { dir, hostapd }
    }

    async fn attach(&self, capacity: usize) -> Events {
        Events::attach(self.hostapd.path(), self.dir.path(), capacity).await.unwrap()
    }

    fn own_files(&self) -> usize {
        let ours = |name: &std::ffi::OsStr| name.to_string_lossy().starts_with("wpa-ctrl-");
        fs::read_dir(self.dir.path()).unwrap().filter(|entry| ours(&entry.as_ref().unwrap().file_name())).count()
    }
}

async fn soon(events: &mut Events) -> Notice {
    tokio::time::timeout(Duration::from_secs(3), events.recv()).await.expect("a notice within 3 s")
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(3), "not within 3 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_join_is_heard_with_its_moment() {
    let lab = Lab::new();
    let mut events = lab.attach(256).await;
    let before = lab.hostapd.join(STATION, Some("shared"));
    let Notice::Event { at, event } = soon(&mut events).await else { panic!("no event") };
    assert_eq!(event, Event::StationConnected { mac: STATION_MAC, keyid: Some("shared".into()), auth_alg: None });
    assert!(at >= before && at <= Instant::now());
    let Notice::Event { event, .. } = soon(&mut events).await else { panic!("no event") };
    assert_eq!(event, Event::HandshakeCompleted { mac: STATION_MAC });
}

#[tokio::test]
async fn a_receiver_that_never_reads_does_not_hold_hostapd_up() {
    let lab = Lab::new();
    let mut events = lab.attach(256).await;
    let began = Instant::now();
    for number in 0..5000 {
        lab.hostapd.emit(&format!("AP-STA-CONNECTED 02:00:00:00:00:01 keyid={number}"));
    }
    let took = began.elapsed();
    assert_eq!(lab.hostapd.stalls(), 0);
    assert_eq!(lab.hostapd.attached(), 1);
    assert!(took < Duration::from_secs(5), "{took:?}");

    // Whatever was dropped is missing in the place where the receiver is told so.
    let (mut next, mut missed) = (0, 0);
    while next < 5000 {
        match soon(&mut events).await {
            Notice::Event { event: Event::StationConnected { keyid, .. }, .. } => {
                assert_eq!(keyid, Some(next.to_string()));
                next += 1;
            }
            Notice::Lagged(count) => {
                assert!(next >= 256, "the oldest are kept");
                next += count;
                missed += count;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(missed > 0);

    // And it is as good as new.
    lab.hostapd.leave(STATION);
    let Notice::Event { event, .. } = soon(&mut events).await else { panic!("no event") };
    assert_eq!(event, Event::StationDisconnected { mac: STATION_MAC });
}

#[test]
fn a_runtime_that_stands_still_does_not_hold_hostapd_up() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let lab = Lab::new();
        let mut events = lab.attach(256).await;
        let seen = std::thread::scope(|scope| {
            // Nothing asynchronous runs until this is through.
            scope
                .spawn(|| {
                    (0..1000).for_each(|_| {
                        lab.hostapd.emit("AP-STA-DISCONNECTED 02:00:00:00:01:00");
                    });
                    lab.hostapd.stalls()
                })
                .join()
                .unwrap()
        });
        assert_eq!(seen, 0);
        assert!(matches!(soon(&mut events).await, Notice::Event { .. }));
    });
}

#[tokio::test]
async fn whoever_waits_learns_of_a_lag_at_once() {
    let lab = Lab::new();
    let mut events = lab.attach(1).await;
    for round in 0..200 {
        for _ in 0..3 {
            lab.hostapd.leave(STATION);
        }
        let (mut heard, mut missed) = (0, 0);
        while heard + missed < 3 {
            let began = Instant::now();
            match soon(&mut events).await {
                Notice::Event { .. } => heard += 1,
                Notice::Lagged(count) => missed += count,
                Notice::Gone(reason) => panic!("{reason}"),
            }
            assert!(began.elapsed() < Duration::from_millis(500), "round {round}");
        }
    }
}

#[tokio::test]
async fn a_restart_is_noticed() {
    let lab = Lab::new();
    let mut events = lab.attach(256).await;
    lab.hostapd.kill();
    lab.hostapd.start_again();
    assert_eq!(soon(&mut events).await, Notice::Gone(GoneReason::Replaced));
    assert_eq!(soon(&mut events).await, Notice::Gone(GoneReason::Replaced));

    let mut events = lab.attach(256).await;
    lab.hostapd.join(STATION, None);
    assert!(matches!(soon(&mut events).await, Notice::Event { .. }));
}

#[tokio::test]
async fn an_end_that_is_announced_is_noticed_at_once() {
    let lab = Lab::new();
    let mut events = lab.attach(256).await;
    let began = Instant::now();
    lab.hostapd.stop();
    let Notice::Event { event: Event::ApDisabled, .. } = soon(&mut events).await else { panic!("no event") };
    assert_eq!(soon(&mut events).await, Notice::Gone(GoneReason::Terminating));
    assert!(began.elapsed() < Duration::from_millis(500));
    until("our file is gone", || lab.own_files() == 0).await;
}

/// Three tests in one, since each of them only waits.
#[tokio::test]
async fn a_hostapd_that_is_silent_for_good_is_told_from_one_that_is_quiet() {
    let killed_and_its_file_stays = async {
        let lab = Lab::new();
        let mut events = lab.attach(256).await;
        lab.hostapd.kill();
        let gone = tokio::time::timeout(Duration::from_secs(20), events.recv()).await.expect("noticed");
        assert_eq!(gone, Notice::Gone(GoneReason::Refused));
    };
    let answers_no_ping = async {
        let lab = Lab::new();
        let mut events = lab.attach(256).await;
        lab.hostapd.freeze();
        let gone = tokio::time::timeout(Duration::from_secs(30), events.recv()).await.expect("noticed");
        assert_eq!(gone, Notice::Gone(GoneReason::Silent));
    };
    let quiet = async {
        let lab = Lab::new();
        let mut events = lab.attach(256).await;
        let nothing = tokio::time::timeout(Duration::from_secs(17), events.recv()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        assert!(lab.hostapd.commands().iter().any(|command| command == "PING"));
        lab.hostapd.join(STATION, None);
        assert!(matches!(soon(&mut events).await, Notice::Event { .. }));
    };
    tokio::join!(killed_and_its_file_stays, answers_no_ping, quiet);
}

#[tokio::test]
async fn dropping_the_handle_detaches_and_leaves_nothing_behind() {
    let lab = Lab::new();
    let events = lab.attach(256).await;
    assert_eq!((lab.hostapd.attached(), lab.own_files()), (1, 1));
    let began = Instant::now();
    drop(events);
    assert!(began.elapsed() < Duration::from_millis(50), "dropping does not wait");
    assert_eq!(lab.own_files(), 0);
    until("detached", || lab.hostapd.attached() == 0).await;
    assert!(began.elapsed() < Duration::from_secs(1));
}

#[tokio::test]
async fn dropping_the_handle_never_waits_for_a_frozen_hostapd() {
    let lab = Lab::new();
    let handles = [lab.attach(1).await, lab.attach(1).await];
    lab.hostapd.freeze();
    let began = Instant::now();
    drop(handles);
    assert!(began.elapsed() < Duration::from_millis(50));
    assert_eq!(lab.own_files(), 0);
}

#[tokio::test]
async fn an_attachment_that_nobody_waits_for_leaves_nothing_behind() {
    let lab = Lab::new();
    lab.hostapd.answer_after(Duration::from_millis(100));
    let attaching = Events::attach(lab.hostapd.path(), lab.dir.path(), 256);
    assert!(tokio::time::timeout(Duration::from_millis(30), attaching).await.is_err());
    until("detached", || lab.hostapd.commands().iter().any(|command| command == "DETACH")).await;
    until("our file is gone", || lab.own_files() == 0).await;
}

#[tokio::test]
async fn nobody_to_attach_to_is_an_error_at_once() {
    let lab = Lab::new();
    let began = Instant::now();
    let missing = Events::attach(lab.dir.path().join("wlan1"), lab.dir.path(), 256).await;
    assert!(matches!(missing, Err(Error::Gone(GoneReason::Missing))), "{missing:?}");
    lab.hostapd.freeze();
    let silent = Events::attach(lab.hostapd.path(), lab.dir.path(), 256).await;
    assert!(matches!(silent, Err(Error::Timeout { .. })), "{silent:?}");
    assert!(began.elapsed() < Duration::from_secs(4));
    assert_eq!(lab.own_files(), 0);
}

#[tokio::test]
async fn bytes_that_are_no_text_and_lines_that_are_too_long_do_no_harm() {
    let lab = Lab::new();
    let mut events = lab.attach(256).await;
    lab.hostapd.emit(&"x".repeat(20_000));
    lab.hostapd.emit("");
    lab.hostapd.leave(STATION);
    assert!(matches!(soon(&mut events).await, Notice::Event { event: Event::Other(_), .. }));
    assert!(matches!(soon(&mut events).await, Notice::Event { event: Event::Other(_), .. }));
    let Notice::Event { event, .. } = soon(&mut events).await else { panic!("no event") };
    assert_eq!(event, Event::StationDisconnected { mac: STATION_MAC });
}
