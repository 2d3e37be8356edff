//! What the real programs said, recorded: every line has the meaning that stands beside it in `*.meaning.txt`, and the
//! stand-ins of `testkit` say the same.

#![allow(clippy::unwrap_used, reason = "a test that fails should say where")]

use std::fs;
use std::path::Path;
use std::time::Duration;

use testkit::ctrl::{FakeAp, FakeHostapd, FakeSupplicant};
use wpa_ctrl::reply::{self, Heard, Link, Radio, Station};
use wpa_ctrl::{Control, Event, Events, Notice};

#[test]
fn every_line_of_hostapd_has_its_meaning() {
    assert_meanings("hostapd");
}

#[test]
fn every_line_of_wpa_supplicant_has_its_meaning() {
    assert_meanings("wpa_supplicant");
}

#[tokio::test]
async fn the_stand_in_for_hostapd_says_what_hostapd_said() {
    // What the stand-in has no notion of: nothing of ours sends these.
    const NOT_PLAYED: [&str; 5] = ["GET_CONFIG", "DEAUTHENTICATE", "RELOAD_WPA_PSK", "DISABLE", "ENABLE"];
    let dir = tempfile::tempdir().unwrap();
    let fake = FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "lab-psk");
    let mut events = Events::attach(fake.path(), dir.path(), 256).await.unwrap();
    let mut control = Control::open(fake.path(), dir.path()).unwrap();
    let mut compared = 0;
    for step in steps("hostapd") {
        let (verb, _) = step.command.split_once(' ').unwrap_or((&step.command, ""));
        if !step.command.is_empty() && !NOT_PLAYED.contains(&verb) && verb != "ATTACH" && step.answer.is_some() {
            let said = control.request(&step.command).await.unwrap();
            let real = step.answer.as_deref().unwrap_or_default();
            match verb {
                "STATUS" if real.contains("DISABLED") => {}
                "STATUS" => assert_eq!(Radio::parse(&said).unwrap().bss[0], Radio::parse(real).unwrap().bss[0]),
                "STA-FIRST" | "STA-NEXT" | "STA" if real.contains('=') => {
                    assert_eq!(station(&said), station(real), "{}", step.command);
                }
                _ => assert_eq!(said, real, "{}", step.command),
            }
            compared += 1;
        }
        for line in &step.events {
            // The stand-in is told what happened on the air, and must then say the same.
            match Event::parse(line.as_bytes()) {
                Event::StationConnected { mac, keyid, .. } => {
                    fake.join(wpa_ctrl::text::format_mac(&mac), keyid.as_deref());
                }
                Event::StationDisconnected { mac } => drop(fake.leave(wpa_ctrl::text::format_mac(&mac))),
                Event::PskMismatch { mac } => drop(fake.wrong_key(wpa_ctrl::text::format_mac(&mac))),
                Event::HandshakeCompleted { .. } => {} // said by `join`
                Event::ApEnabled => continue,
                Event::ApDisabled if step.command == "DISABLE" => continue,
                Event::ApDisabled => fake.stop(),
                Event::Terminating => {
                    assert_eq!(next(&mut events).await, Notice::Gone(wpa_ctrl::GoneReason::Terminating));
                    continue;
                }
                other => panic!("{other:?} is new"),
            }
            let Notice::Event { event, .. } = next(&mut events).await else { panic!("no event for {line}") };
            assert_eq!(event, Event::parse(line.as_bytes()));
            compared += 1;
        }
    }
    assert!(compared > 35, "{compared}");
}

#[tokio::test]
async fn the_stand_in_for_wpa_supplicant_says_what_wpa_supplicant_said() {
    const NOT_PLAYED: [&str; 4] = ["GET_NETWORK", "SIGNAL_POLL", "DISABLE_NETWORK", "ENABLE_NETWORK"];
    let dir = tempfile::tempdir().unwrap();
    let ap = |bssid: &str, ssid: &[u8], flags: &str, key: Option<&str>| FakeAp {
        bssid: bssid.into(),
        ssid: ssid.into(),
        flags: flags.into(),
        signal: -30,
        key: key.map(str::to_owned),
    };
    let air = vec![
        ap("02:00:00:00:00:00", b"lab-psk", "[WPA2-PSK-CCMP][ESS]", Some("shared passphrase")),
        ap("02:00:00:00:00:01", "Café \"b\\ar\"".as_bytes(), "[ESS]", None),
        ap("02:00:00:00:00:02", b"\xff\0\n\t\x1b<3>", "[ESS]", None),
    ];
    let fake = FakeSupplicant::start(dir.path(), "wlan0", Vec::new());
    let path = dir.path().join("wlan0");
    let mut events = Events::attach(&path, dir.path(), 256).await.unwrap();
    let mut control = Control::open(&path, dir.path()).unwrap();
    let mut compared = 0;
    for step in steps("wpa_supplicant") {
        let (verb, argument) = step.command.split_once(' ').unwrap_or((&step.command, ""));
        let Some(real) = &step.answer else { continue };
        if NOT_PLAYED.contains(&verb) || verb == "ATTACH" {
            continue;
        }
        if verb == "SCAN" {
            fake.set_aps(air.clone());
            fake.busy_scans(usize::from(real.starts_with("FAIL-BUSY")));
        }
        let said = control.request(&step.command).await.unwrap();
        match verb {
            "STATUS" => assert_eq!(Link::parse(&said), Link::parse(real)),
            "BSS" if argument.starts_with("RANGE") => assert_eq!(pages(&said), pages(real), "{argument}"),
            "BSS" if real.contains('=') => {
                assert_eq!(Heard::parse_entry(&said).unwrap(), Heard::parse_entry(real).unwrap(), "{argument}");
            }
            "LIST_NETWORKS" => assert_eq!(reply::networks(&said), reply::networks(real)),
            _ => assert_eq!(&said, real, "{}", step.command),
        }
        compared += 1;
        // The scans and roams that the real one does by itself are not played; and it keeps quiet about a name that it
        // has not looked for yet.
        let played = |event: &Event| {
            matches!(
                event,
                Event::Associated { .. }
                    | Event::Connected { .. }
                    | Event::Disconnected { .. }
                    | Event::TemporarilyDisabled { .. }
                    | Event::HandshakeFailed
            )
        };
        // Only until the access point did something of its own accord.
        let air = |event: &Event| matches!(event, Event::Disconnected { locally_generated: false, reason, .. } if *reason != Some(15));
        let expected = step.events.iter().map(|line| Event::parse(line.as_bytes()));
        for expected in expected.take_while(|event| !air(event)).filter(|event| played(event)) {
            let heard = loop {
                match next(&mut events).await {
                    Notice::Event { event, .. } if played(&event) => break event,
                    Notice::Event { .. } => {}
                    other => panic!("{other:?} after {}", step.command),
                }
            };
            assert_eq!(heard, expected, "after {}", step.command);
            compared += 1;
        }
    }
    assert!(compared > 80, "{compared}");
}

async fn next(events: &mut Events) -> Notice {
    tokio::time::timeout(Duration::from_secs(3), events.recv()).await.expect("a notice within 3 s")
}

/// All but the time since the association.
fn station(text: &str) -> Station {
    Station { connected_s: None, ..Station::parse(text).unwrap() }
}

/// The entries of one page, and whether there are more.
fn pages(text: &str) -> (Vec<Heard>, bool) {
    (text.split("====\n").filter_map(Heard::parse_entry).collect(), text.ends_with("====\n"))
}

/// A command, its answer, and the events until the next command.
#[derive(Default)]
struct Step {
    command: String,
    answer: Option<String>,
    events: Vec<String>,
}

fn steps(name: &str) -> Vec<Step> {
    let mut steps = vec![Step::default()];
    for (direction, text) in lines(name) {
        let step = steps.last_mut().unwrap();
        match direction {
            '>' => steps.push(Step { command: text, ..Step::default() }),
            '<' if text.starts_with("<3>") => step.events.push(text),
            '<' => step.answer = Some(text),
            _ => {}
        }
    }
    steps
}

fn assert_meanings(name: &str) {
    let mut meanings = String::new();
    let mut command = String::new();
    for (direction, text) in lines(name) {
        match direction {
            '>' => command = text,
            '<' => meanings.push_str(&format!("{}\n", meaning(&command, &text))),
            _ => {}
        }
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{name}.meaning.txt"));
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if meanings != expected {
        let new = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.meaning.txt"));
        fs::write(&new, &meanings).unwrap();
        let differs = meanings.lines().zip(expected.lines()).position(|(is, should)| is != should);
        let line = differs.unwrap_or_else(|| meanings.lines().count().min(expected.lines().count())) + 1;
        panic!("from line {line} on {} differs from what is meant: {}", file.display(), new.display());
    }
}

/// What we make of a datagram, on one line.
fn meaning(command: &str, text: &str) -> String {
    if text.starts_with("<3>") {
        return format!("{:?}", Event::parse(text.as_bytes()));
    }
    let (verb, _) = command.split_once(' ').unwrap_or((command, ""));
    match verb {
        "STATUS" if text.starts_with("state=") => format!("{:?}", Radio::parse(text).unwrap()),
        "STATUS" => format!("{:?}", Link::parse(text).unwrap()),
        "STA-FIRST" | "STA-NEXT" | "STA" if text.contains('=') => format!("{:?}", Station::parse(text).unwrap()),
        "SCAN_RESULTS" => format!("{:?}", reply::scan_results(text)),
        "BSS" if command.contains("RANGE") => format!("{:?}", pages(text)),
        "BSS" if text.contains('=') => format!("{:?}", Heard::parse_entry(text).unwrap()),
        "LIST_NETWORKS" => format!("{:?}", reply::networks(text)),
        // Nothing of ours asks for these.
        "GET_CONFIG" | "SIGNAL_POLL" => format!("{verb} → (not read)"),
        _ => format!("{verb} → {text:?}"),
    }
}

/// The recording's lines: direction and bytes.
fn lines(name: &str) -> Vec<(char, String)> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/{name}.txt"));
    let text = fs::read_to_string(file).unwrap();
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (_, rest) = line.split_once(' ').unwrap();
            let (direction, bytes) = rest.split_once(' ').unwrap_or((rest, ""));
            let bytes = wpa_ctrl::text::unescape(bytes);
            (direction.parse().unwrap(), String::from_utf8(bytes).unwrap())
        })
        .collect()
}
