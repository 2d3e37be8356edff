//! Records what hostapd and wpa_supplicant say on their control sockets, as material for the tests of `wpa-ctrl`.
//!
//! Out: `hostapd.txt` and `wpa_supplicant.txt` in the directory for results; their heads tell their form.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::recorder::Recorder;
use crate::access_point::{AP, AccessPoint, Bss, hex};
use crate::network::{add_namespace, give_radio};
use crate::station::Station;

/// Tells the story.
///
/// # Errors
/// When one of the programs does not do what was asked.
pub(crate) fn tell() -> Result<()> {
    add_namespace(AP)?;
    give_radio(0, AP)?;
    let mut point = AccessPoint::start(&[
        Bss { ssid: SSID, keys: &[("shared", SHARED_KEY), ("owner", OWNER_KEY)], bridge: None },
        Bss { ssid: QUOTED.as_bytes(), keys: &[], bridge: None },
        Bss { ssid: ANY_BYTES, keys: &[], bridge: None },
    ])?;
    let phone = Station::start(1)?;
    let laptop = Station::start(2)?;
    let ap = Recorder::start(point.control("wlan0")?)?;
    let wpa = Recorder::start(phone.control()?)?;
    let told = record_all(&ap, &wpa, &mut point, &phone, &laptop);
    // What was heard until then shows best what went wrong.
    ap.write("hostapd.txt", "hostapd")?;
    wpa.write("wpa_supplicant.txt", "wpa_supplicant")?;
    told
}

fn record_all(ap: &Recorder, wpa: &Recorder, point: &mut AccessPoint, phone: &Station, laptop: &Station) -> Result<()> {
    record_idle_access_point(ap, phone)?;
    record_scan(wpa)?;
    record_join(ap, wpa, phone)?;
    record_second_station(ap, laptop, phone)?;
    record_leaving(ap, wpa, phone, laptop)?;
    record_wrong_key(ap, wpa)?;
    record_odd_names(wpa)?;
    record_end(ap, wpa, point, phone)
}

fn record_idle_access_point(ap: &Recorder, phone: &Station) -> Result<()> {
    ap.title("nobody is connected");
    for command in ["DETACH", "ATTACH", "PING", "STATUS", "GET_CONFIG", "STA-FIRST", "NO-SUCH-COMMAND", ""] {
        ap.ask(command)?;
    }
    ap.ask(&format!("STA {}", phone.mac))?;
    ap.ask(&format!("STA-NEXT {}", phone.mac))?;
    ap.ask("STA not-an-address").map(drop)
}

fn record_scan(wpa: &Recorder) -> Result<()> {
    wpa.title("idle; a scan");
    for command in ["ATTACH", "PING", "STATUS", "LIST_NETWORKS", "SCAN_RESULTS", "NO-SUCH-COMMAND", "SCAN freq=2412"] {
        wpa.ask(command)?;
    }
    wpa.title("a scan while one is under way");
    wpa.ask("SCAN freq=2412")?;
    wpa.await_event("CTRL-EVENT-SCAN-RESULTS")?;
    wpa.ask("SCAN_RESULTS")?;
    wpa.ask("BSS 02:00:00:00:00:00")?;
    wpa.ask("BSS 02:00:00:00:00:02")?;
    wpa.ask("BSS 02:00:00:00:00:77")?;
    // Page by page, without what is long: id, bssid, freq, level, age, flags, ssid, delimiter.
    for first in [0, 2, 9] {
        wpa.ask(&format!("BSS RANGE={first}- MASK=0x21a87"))?;
    }
    Ok(())
}

fn record_join(ap: &Recorder, wpa: &Recorder, phone: &Station) -> Result<()> {
    wpa.title("a network is added; some settings are refused");
    wpa.ask("ADD_NETWORK")?;
    for setting in ["ssid no-quotes", "psk \"short\"", "no_such_field 1", "bssid not-an-address"] {
        wpa.ask(&format!("SET_NETWORK 0 {setting}"))?;
    }
    wpa.ask("SET_NETWORK 7 ssid \"no such network\"")?;
    wpa.ask("SELECT_NETWORK 7")?;
    wpa.ask("REMOVE_NETWORK 7")?;
    for setting in [&format!("ssid {}", hex(SSID)), "bssid 02:00:00:00:00:00", &format!("psk \"{SHARED_KEY}\"")] {
        wpa.ask(&format!("SET_NETWORK 0 {setting}"))?;
    }
    wpa.ask("SET_NETWORK 0 scan_freq 2412")?;
    wpa.ask("GET_NETWORK 0 ssid")?;
    wpa.ask("GET_NETWORK 0 psk")?;
    wpa.ask("LIST_NETWORKS")?;
    wpa.ask("LIST_NETWORKS LAST_ID=0")?;
    wpa.title("joining with the right key");
    ap.title("a station joins with the key `shared`");
    wpa.ask("SELECT_NETWORK 0")?;
    wpa.await_event("CTRL-EVENT-CONNECTED")?;
    ap.await_event("EAPOL-4WAY-HS-COMPLETED")?;
    for command in ["STATUS", "LIST_NETWORKS", "SIGNAL_POLL"] {
        wpa.ask(command)?;
    }
    ap.ask("STA-FIRST")?;
    ap.ask(&format!("STA {}", phone.mac))?;
    ap.ask(&format!("STA-NEXT {}", phone.mac)).map(drop)
}

fn record_second_station(ap: &Recorder, laptop: &Station, phone: &Station) -> Result<()> {
    ap.title("a second station joins with the key `owner`");
    laptop.join(SSID, Some(OWNER_KEY))?;
    ap.await_event("EAPOL-4WAY-HS-COMPLETED")?;
    ap.ask("STA-FIRST")?;
    ap.ask(&format!("STA-NEXT {}", laptop.mac))?;
    ap.ask(&format!("STA-NEXT {}", phone.mac)).map(drop)
}

fn record_leaving(ap: &Recorder, wpa: &Recorder, phone: &Station, laptop: &Station) -> Result<()> {
    ap.title("one leaves, one is thrown out and comes back by itself");
    wpa.title("leaving, and coming back");
    laptop.leave()?;
    ap.await_event("AP-STA-DISCONNECTED")?;
    wpa.ask("DISCONNECT")?;
    wpa.await_event("CTRL-EVENT-DISCONNECTED")?;
    ap.await_event("AP-STA-DISCONNECTED")?;
    wpa.ask("STATUS")?;
    wpa.ask("RECONNECT")?;
    wpa.await_event("CTRL-EVENT-CONNECTED")?;
    ap.await_event("EAPOL-4WAY-HS-COMPLETED")?;
    wpa.title("thrown out by the access point");
    ap.ask(&format!("DEAUTHENTICATE {}", phone.mac))?;
    wpa.await_event("CTRL-EVENT-CONNECTED")?;
    ap.await_event("EAPOL-4WAY-HS-COMPLETED")?;
    ap.title("the keys are read again");
    ap.ask("RELOAD_WPA_PSK")?;
    wpa.title("the network is removed");
    wpa.ask("REMOVE_NETWORK 0")?;
    wpa.await_event("CTRL-EVENT-DISCONNECTED")?;
    ap.await_event("AP-STA-DISCONNECTED")?;
    wpa.ask("REMOVE_NETWORK 0").map(drop)
}

fn record_wrong_key(ap: &Recorder, wpa: &Recorder) -> Result<()> {
    ap.title("a station tries a wrong key");
    wpa.title("joining with a wrong key");
    let id = wpa.ask("ADD_NETWORK")?;
    for setting in [&format!("ssid {}", hex(SSID)), "psk \"not the passphrase\"", "scan_freq 2412"] {
        wpa.ask(&format!("SET_NETWORK {id} {setting}"))?;
    }
    wpa.ask(&format!("SELECT_NETWORK {id}"))?;
    wpa.await_event("CTRL-EVENT-SSID-TEMP-DISABLED")?;
    ap.await_event("AP-STA-POSSIBLE-PSK-MISMATCH")?;
    wpa.ask("LIST_NETWORKS")?;
    wpa.ask("STATUS")?;
    wpa.ask(&format!("DISABLE_NETWORK {id}"))?;
    wpa.ask(&format!("ENABLE_NETWORK {id} no-connect"))?;
    wpa.ask("REMOVE_NETWORK all").map(drop)
}

fn record_odd_names(wpa: &Recorder) -> Result<()> {
    for (ssid, what) in [(QUOTED.as_bytes(), "UTF-8, quotes and a backslash"), (ANY_BYTES, "any bytes")] {
        wpa.title(&format!("joining an open network whose name has {what}"));
        let id = wpa.ask("ADD_NETWORK")?;
        for setting in [&format!("ssid {}", hex(ssid)), "key_mgmt NONE", "scan_freq 2412"] {
            wpa.ask(&format!("SET_NETWORK {id} {setting}"))?;
        }
        wpa.ask(&format!("GET_NETWORK {id} ssid"))?;
        wpa.ask(&format!("SELECT_NETWORK {id}"))?;
        wpa.await_event("CTRL-EVENT-CONNECTED")?;
        wpa.ask("STATUS")?;
        wpa.ask("LIST_NETWORKS")?;
        wpa.ask("REMOVE_NETWORK all")?;
        wpa.await_event("CTRL-EVENT-DISCONNECTED")?;
    }
    wpa.title("no such network on the air");
    let id = wpa.ask("ADD_NETWORK")?;
    for setting in ["ssid \"nowhere\"", "key_mgmt NONE", "scan_freq 2412"] {
        wpa.ask(&format!("SET_NETWORK {id} {setting}"))?;
    }
    wpa.ask(&format!("SELECT_NETWORK {id}"))?;
    wpa.await_event("CTRL-EVENT-NETWORK-NOT-FOUND")?;
    wpa.ask("REMOVE_NETWORK all").map(drop)
}

fn record_end(ap: &Recorder, wpa: &Recorder, point: &mut AccessPoint, phone: &Station) -> Result<()> {
    wpa.title("the access point stops while we are connected");
    let id = wpa.ask("ADD_NETWORK")?;
    for setting in [&format!("ssid {}", hex(SSID)), &format!("psk \"{SHARED_KEY}\""), "scan_freq 2412"] {
        wpa.ask(&format!("SET_NETWORK {id} {setting}"))?;
    }
    wpa.ask(&format!("SELECT_NETWORK {id}"))?;
    ap.title("a station joins again");
    wpa.await_event("CTRL-EVENT-CONNECTED")?;
    ap.await_event("EAPOL-4WAY-HS-COMPLETED")?;
    ap.title("the radio goes off and on");
    ap.ask("DISABLE")?;
    wpa.await_event("CTRL-EVENT-DISCONNECTED")?;
    ap.ask("STATUS")?;
    ap.ask("ENABLE")?;
    ap.await_event("AP-ENABLED")?;
    wpa.await_event("CTRL-EVENT-CONNECTED")?;
    ap.await_event("EAPOL-4WAY-HS-COMPLETED")?;
    ap.title("hostapd is asked to end");
    point.stop()?;
    wpa.await_event("CTRL-EVENT-DISCONNECTED")?;
    ap.ask_the_dead("PING");
    wpa.title("wpa_supplicant is asked to end");
    phone.signal(Signal::TERM)?;
    wpa.await_event("CTRL-EVENT-TERMINATING")?;
    thread::sleep(Duration::from_millis(500));
    wpa.ask_the_dead("PING");
    Ok(())
}

const SSID: &[u8] = b"lab-psk";
/// Every character that the programs escape, and one that is not ASCII.
const QUOTED: &str = "Café \"b\\ar\"";
/// No text at all, and in part like the beginning of an event.
const ANY_BYTES: &[u8] = b"\xff\x00\n\t\x1b<3>";
const SHARED_KEY: &str = "shared passphrase";
const OWNER_KEY: &str = "owner passphrase";
