//! Commands and their answers, against the stand-in.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test that fails should say where")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testkit::ctrl::{FakeAp, FakeHostapd, FakeSupplicant};
use wpa_ctrl::text::format_mac;
use wpa_ctrl::{Control, Error, GoneReason, hostapd, supplicant};

const BSSID: &str = "02:00:00:00:00:00";

struct Lab {
    dir: TempDir,
    hostapd: Arc<FakeHostapd>,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let hostapd = Arc::new(FakeHostapd::start(dir.path(), "wlan0", BSSID, "Café"));
        Self { dir, hostapd }
    }

    fn control(&self) -> Control {
        Control::open(self.hostapd.path(), self.dir.path()).unwrap()
    }

    fn own_files(&self) -> usize {
        own_files(self.dir.path()).len()
    }
}

fn own_files(dir: &Path) -> Vec<fs::DirEntry> {
    let ours = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with("wpa-ctrl-");
    fs::read_dir(dir).unwrap().map(Result::unwrap).filter(ours).collect()
}

fn station(number: u16) -> String {
    let [high, low] = number.to_be_bytes();
    format!("02:00:00:01:{high:02x}:{low:02x}")
}

#[tokio::test]
async fn the_status_names_the_bss() {
    let lab = Lab::new();
    let radio = hostapd::status(&mut lab.control()).await.unwrap();
    assert_eq!(radio.state, "ENABLED");
    assert_eq!(radio.bss.len(), 1);
    assert_eq!(radio.bss[0].ssid, "Café".as_bytes());
    assert_eq!(radio.bss[0].ifname, "wlan0");
}

#[tokio::test]
async fn the_walk_finds_every_station_with_its_key() {
    let lab = Lab::new();
    for number in 0..300 {
        lab.hostapd.join(station(number), (number % 2 == 0).then_some("shared"));
    }
    lab.hostapd.associate(station(300));
    let stations = hostapd::stations(&mut lab.control()).await.unwrap();
    assert_eq!(stations.len(), 301);
    assert_eq!(stations.iter().filter(|s| s.keyid.as_deref() == Some("shared")).count(), 150);
    assert_eq!(stations.iter().filter(|s| s.authorized).count(), 300);
    assert!(stations.iter().all(|s| s.connected_s.is_some_and(|seconds| seconds < 60)));
}

#[tokio::test]
async fn the_walk_survives_stations_that_come_and_go() {
    let lab = Lab::new();
    for number in 0..20 {
        lab.hostapd.join(station(number), None);
    }
    let hostapd = Arc::clone(&lab.hostapd);
    let coming_and_going = std::thread::spawn(move || {
        for round in 0..10 {
            hostapd.leave(station(2 * round));
            hostapd.join(station(100 + round), None);
            std::thread::sleep(Duration::from_millis(3));
        }
    });
    let mut control = lab.control();
    let mut walks = 0;
    while walks < 10 || !coming_and_going.is_finished() {
        walks += 1;
        match hostapd::stations(&mut control).await {
            Ok(stations) => {
                let macs: BTreeSet<_> = stations.iter().map(|station| format_mac(&station.mac)).collect();
                assert_eq!(macs.len(), stations.len(), "nobody twice");
                assert!((0..10).all(|number| macs.contains(&station(2 * number + 1))), "all who stayed: {macs:?}");
            }
            Err(Error::Nonsense { .. }) => {} // one left under each of the walks: said so
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(hostapd::stations(&mut control).await.unwrap().len(), 20);
}

#[tokio::test]
async fn a_station_that_is_not_here_is_none() {
    let lab = Lab::new();
    lab.hostapd.join(station(1), Some("shared"));
    let mut control = lab.control();
    let here = hostapd::station(&mut control, &[2, 0, 0, 1, 0, 1]).await.unwrap().unwrap();
    assert_eq!(here.keyid.as_deref(), Some("shared"));
    assert_eq!(hostapd::station(&mut control, &[2, 0, 0, 1, 0, 2]).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_not_known_is_refused() {
    let lab = Lab::new();
    let error = lab.control().ask("BOGUS with arguments").await.unwrap_err();
    assert_eq!(error.to_string(), "have BOGUS accepted: the answer was UNKNOWN");
}

#[tokio::test]
async fn nobody_there_is_told_apart_by_what_is_missing() {
    let lab = Lab::new();
    lab.hostapd.kill();
    let reason = |result: Result<Control, Error>| match result {
        Err(Error::Gone(reason)) => reason,
        other => panic!("{other:?}"),
    };
    assert_eq!(reason(Control::open(lab.hostapd.path(), lab.dir.path())), GoneReason::Refused);
    assert_eq!(reason(Control::open(lab.dir.path().join("wlan1"), lab.dir.path())), GoneReason::Missing);
    assert_eq!(lab.own_files(), 0);
}

#[tokio::test]
async fn a_handle_outlives_a_restart() {
    let lab = Lab::new();
    let mut control = lab.control();
    control.ping().await.unwrap();
    lab.hostapd.restart();
    assert!(matches!(control.ping().await, Err(Error::Gone(_))));
    control.ping().await.unwrap();
}

#[tokio::test]
async fn a_late_answer_is_not_taken_for_the_next_commands() {
    let lab = Lab::new();
    let mut control = lab.control().with_deadline(Duration::from_millis(100));
    lab.hostapd.answer_after(Duration::from_millis(150));
    let began = Instant::now();
    assert!(matches!(control.request("STATUS").await, Err(Error::Timeout { .. })));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    lab.hostapd.answer_after(Duration::ZERO);
    let mut control = control.with_deadline(Duration::from_secs(2));
    control.ping().await.unwrap();
}

#[tokio::test]
async fn a_cancelled_commands_answer_is_not_taken_for_the_next_ones() {
    let lab = Lab::new();
    let mut control = lab.control();
    lab.hostapd.answer_after(Duration::from_millis(100));
    tokio::select! {
        answer = control.request("STATUS") => panic!("{answer:?}"),
        () = tokio::time::sleep(Duration::from_millis(30)) => {}
    }
    assert_eq!(lab.own_files(), 0);
    control.ping().await.unwrap();
}

#[tokio::test]
async fn a_frozen_program_is_a_timeout() {
    let lab = Lab::new();
    lab.hostapd.freeze();
    let mut control = lab.control().with_deadline(Duration::from_millis(100));
    let error = control.ping().await.unwrap_err();
    assert_eq!(error.to_string(), "get an answer to PING within 100ms");
    // Its queue fills, and then our send has to wait: that has the same deadline.
    for _ in 0..20 {
        assert!(matches!(control.ping().await, Err(Error::Timeout { .. })));
    }
}

#[tokio::test]
async fn nothing_is_left_in_the_directory() {
    let lab = Lab::new();
    let mut control = lab.control();
    control.ping().await.unwrap();
    assert_eq!(lab.own_files(), 1);
    drop(control);
    assert_eq!(lab.own_files(), 0);
}

#[tokio::test]
async fn our_end_belongs_to_the_user_of_the_program() {
    let lab = Lab::new();
    if chown(lab.hostapd.path(), Some(101), Some(101)).is_err() {
        eprintln!("skipped: giving files away needs root");
        return;
    }
    let _control = lab.control();
    let meta = own_files(lab.dir.path())[0].metadata().unwrap();
    assert_eq!((meta.uid(), meta.gid(), meta.permissions().mode() & 0o777), (101, 101, 0o660));
}

#[tokio::test]
async fn a_command_of_two_lines_is_never_sent() {
    let lab = Lab::new();
    let mut control = lab.control();
    assert!(matches!(control.request("PING\nDISABLE").await, Err(Error::Misuse { .. })));
    assert!(matches!(control.request("").await, Err(Error::Misuse { .. })));
    assert_eq!(lab.hostapd.commands(), [""; 0]);
}

#[tokio::test]
async fn a_long_list_of_bss_comes_page_by_page() {
    let dir = tempfile::tempdir().unwrap();
    let ap = |number| FakeAp {
        bssid: station(number),
        ssid: format!("a network with a longish name {number}").into_bytes(),
        flags: "[WPA2-PSK-CCMP][ESS]".into(),
        signal: -40,
        key: None,
    };
    let fake = FakeSupplicant::start(dir.path(), "wlan0", (0..150).map(ap).collect());
    let mut control = Control::open(dir.path().join("wlan0"), dir.path()).unwrap();
    let heard = supplicant::scan_results(&mut control).await.unwrap();
    assert_eq!(heard.len(), 150);
    assert!(fake.commands().len() > 4, "{:?}", fake.commands());
}
