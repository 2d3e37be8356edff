//! hostapd's stand-in says what hostapd said: the same kinds of notifications and answers, with the same names and types
//! in the same order, for each release. Values differ: who is where is the test's choice.
//!
//! Recorded and not played: `local-deauth`, which follows some seconds after a station was put out, and what hostapd
//! itself asks for.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::Duration;

use serde_json::json;
use testkit::ubus::{Broker, Bss, FakeRouter, Release};
use tokio_ubus::message::{Kind, Message};
use tokio_ubus::{Blobmsg, Ref, Status};

use crate::client::Client;
use crate::recording::{Recording, Step};
use crate::wire::decode;

/// What was said under each name: notifications, and answers to methods. More than one form where some is optional.
type Words = BTreeMap<String, BTreeSet<String>>;

#[test]
fn hostapd_of_23_05_says_what_it_said() {
    let said = spoken(Release::V23_05);
    let recorded = recorded("42-hostapd-2305");
    assert_eq!(of_bss(&said), recorded);
    assert!(!said["sta-authorized"].iter().any(|form| form.contains("ifname")), "as that release does not");
}

#[test]
fn hostapd_of_24_10_says_what_it_said() {
    assert_eq!(of_bss(&spoken(Release::V24_10)), recorded("41-hostapd-2410"));
}

#[test]
fn hostapd_of_main_says_what_it_said() {
    assert_eq!(of_bss(&spoken(Release::Main)), recorded("40-hostapd-main"));
}

#[test]
fn hostapd_itself_and_its_questions_are_as_recorded() {
    let mut recorded = recorded("43-hostapd-native-auth");
    let mut said = spoken(Release::Main);
    // Its configuration had less than netifd gives it.
    let fuller = "channel:3,bssid:3,";
    let bss_info = said.remove("bss_info()").unwrap().iter().map(|form| form.replace(fuller, "")).collect();
    assert_eq!(Some(bss_info), recorded.remove("bss_info()"));
    // Asked by netifd; the stand-in is told otherwise.
    recorded.remove("config_set()");
    for (name, forms) in recorded {
        assert_eq!(said.get(&name), Some(&forms), "{name}");
    }
}

#[test]
fn the_methods_are_as_recorded() {
    let recordings = [
        (Release::V23_05, "42-hostapd-2305"),
        (Release::V24_10, "41-hostapd-2410"),
        (Release::Main, "40-hostapd-main"),
    ];
    for (release, name) in recordings {
        let recording = Recording::read(name);
        let added = |wanted: &str| {
            let mut added = recording.messages().filter(|message| message.kind == Kind::AddObject);
            added.find(|message| message.path() == Some(wanted)).and_then(|message| message.signature())
        };
        let (broker, router, _dir) = start(release);
        router.add_bss(bss("wlan0"));
        let mut client = Client::connect(&broker, broker.path());
        for path in ["hostapd", "hostapd.wlan0", "hostapd-auth"] {
            assert_eq!(client.signature(path), added(path).map(Result::unwrap), "{path} of {release:?}");
        }
    }
}

/// Those about one access point, which is what 40 to 42 show.
fn of_bss(said: &Words) -> Words {
    let of_others = ["bss.add", "bss.remove", "reload", "bss_info()", "status()"];
    let mut said = said.clone();
    said.retain(|name, _| !of_others.contains(&name.as_str()));
    // Nobody had only begun to join, and nobody had a list of passphrases.
    for (name, unseen) in [("get_clients()", "aid:5,capabilities"), ("sta_connected", "psk_idx")] {
        if let Some(forms) = said.get_mut(name) {
            forms.retain(|form| !form.contains(unseen));
        }
    }
    said
}

fn recorded(name: &str) -> Words {
    let recording = Recording::read(name);
    let mut words = Words::new();
    let mut asked: BTreeMap<(u64, u16, u32), String> = BTreeMap::new();
    for step in &recording.steps {
        let (conn, frame, is_said) = match step {
            Step::Said(conn, frame) => (*conn, frame, true),
            Step::Heard(conn, frame) => (*conn, frame, false),
            _ => continue,
        };
        let Some(message) = decode(&frame.bytes) else { continue };
        let key = (conn, message.seq, message.peer);
        match (message.kind, message.method()) {
            (Kind::Notify, Some(kind)) if is_said => note(&mut words, kind, &message),
            (Kind::Invoke, Some(method)) if !is_said && message.user().is_some() => {
                asked.insert(key, format!("{method}()"));
            }
            (Kind::Data, _) if is_said => {
                if let Some(method) = asked.get(&key) {
                    note(&mut words, method, &message);
                }
            }
            _ => {}
        }
    }
    words.retain(|name, _| !OF_SUBSCRIBERS.contains(&name.as_str()) && name != "local-deauth");
    words
}

fn note(words: &mut Words, name: &str, message: &Message) {
    let data = message.data().expect("it has data").expect("it is well formed");
    words.entry(name.to_owned()).or_default().insert(form(&data));
}

/// Everything that the stand-in has to say.
fn spoken(release: Release) -> Words {
    let (broker, router, _dir) = start(release);
    let mut client = Client::connect(&broker, broker.path());
    let mut words = Words::new();
    client.subscribe_to("hostapd");
    if release >= Release::V24_10 {
        client.subscribe_to("hostapd-auth");
    }
    router.add_bss(bss("wlan0"));
    client.subscribe_to("hostapd.wlan0");
    router.join("wlan0", ANN);
    for psk_idx in [None, Some(2)] {
        thread::scope(|scope| {
            let asked = scope.spawn(|| (router.sta_auth("wlan0", ANN), router.sta_connected("wlan0", ANN, psk_idx)));
            while !asked.is_finished() {
                hear(&mut client, &mut words);
            }
        });
    }
    router.reload_bss("wlan0");
    router.join("wlan0", ANN);
    router.join("wlan0", BOB);
    ban(&mut client, BOB);
    for method in ["get_status", "get_features", "get_clients", "list_bans"] {
        ask(&mut client, &mut words, "hostapd.wlan0", method);
    }
    router.leave_unheard("wlan0", ANN);
    router.authenticate_unheard("wlan0", ANN);
    ask(&mut client, &mut words, "hostapd.wlan0", "get_clients");
    ask(&mut client, &mut words, "hostapd", "bss_info");
    ask(&mut client, &mut words, "hostapd", "status");
    router.wrong_key("wlan0", ANN);
    router.leave("wlan0", ANN);
    router.switch_channel("wlan0", 2462);
    router.remove_bss("wlan0");
    hear(&mut client, &mut words);
    words
}

/// Notes what is notified of, and answers it.
fn hear(client: &mut Client<'_>, words: &mut Words) {
    for message in client.hear().iter().filter(|message| message.kind == Kind::Invoke) {
        note(words, message.method().unwrap(), message);
        client.answer(message, &[], Status::Ok);
    }
    thread::sleep(Duration::from_millis(1));
}

fn ban(client: &mut Client<'_>, mac: &str) {
    let arguments = json!({ "addr": mac, "reason": 5, "deauth": true, "ban_time": 3000 });
    client.call("hostapd.wlan0", "del_client", &arguments).unwrap();
}

fn ask(client: &mut Client<'_>, words: &mut Words, path: &str, method: &str) {
    hear(client, words);
    if let Ok(answer) = client.call(path, method, &json!({ "iface": "wlan0" })) {
        words.entry(format!("{method}()")).or_default().insert(form(&answer));
    }
}

/// Names and types, e.g. `address:3,freq:5,`. A station's address is any station's.
fn form(data: &Blobmsg) -> String {
    data.fields().map(|field| one(&String::from_utf8_lossy(field.name), field.value)).collect()
}

fn one(name: &str, value: Ref<'_>) -> String {
    let name =
        if name.matches(':').count() == 5 || name.starts_with("phy0-ap") || name == "wlan0" { "*" } else { name };
    match value {
        Ref::Table(fields) => {
            let inner: BTreeSet<_> =
                fields.map(|field| one(&String::from_utf8_lossy(field.name), field.value)).collect();
            let inner: String = match inner.first().filter(|first| first.starts_with("*:")) {
                Some(_) => inner.into_iter().collect(),
                None => fields.map(|field| one(&String::from_utf8_lossy(field.name), field.value)).collect(),
            };
            format!("{name}:{{{inner}}},")
        }
        Ref::Array(elements) => {
            let inner: BTreeSet<_> = elements.map(|element| one("", element)).collect();
            format!("{name}:[{}],", inner.into_iter().collect::<String>())
        }
        value => format!("{name}:{},", value.kind() as u8),
    }
}

fn start(release: Release) -> (Broker, FakeRouter, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let broker = Broker::start(dir.path());
    let router = FakeRouter::start_as(broker.path(), release);
    (broker, router, dir)
}

fn bss(ifname: &str) -> Bss {
    Bss {
        ifname: ifname.into(),
        section: "guest".into(),
        networks: vec!["guest".into()],
        bssid: "02:00:00:00:00:00".into(),
        ssid: "rig".into(),
        encryption: "psk2".into(),
        key: Some("come in, come in".into()),
        freq: 2412,
    }
}

const BOB: &str = "02:00:00:00:02:00";
const ANN: &str = "02:00:00:00:01:00";
/// What others answered hostapd, under the names of its questions.
const OF_SUBSCRIBERS: [&str; 5] = ["sta_auth()", "sta_connected()", "bss.add()", "bss.remove()", "reload()"];
