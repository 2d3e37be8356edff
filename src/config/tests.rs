//! Whole configurations: what is understood, and what is said about what is not.

use sorted::{SortedMap, SortedSet};
use std::path::Path;

use proptest::prelude::*;
use tracing::Level;
use welcome_core::{CredentialRule, Gate, Mode, Rules};
use welcome_proto::announce::Place;
use welcome_proto::{NetworkId, Secret};

use super::check::KNOWN;
use super::network::{MAX_NETWORKS, MAX_PASSPHRASES};
use super::offer::MAX_OFFERS;
use super::{Config, DEFAULT_CAP_PER_VISIT, DEFAULT_PRIORITY, Joins, KEY_OWNER, KEY_SHARED, uci};
use crate::zone::Zone;

const SHIPPED: &str = include_str!("../../files/etc/config/welcomed");

fn read(text: &str) -> Result<Config, Vec<String>> {
    Config::parse(Path::new("f"), text.as_bytes()).map_err(|e| e.to_string().lines().map(str::to_owned).collect())
}

fn problems(text: &str) -> Vec<String> {
    read(text).unwrap_err()
}

/// A shipped file whose examples are switched on.
fn uncommented(text: &str) -> String {
    let is_example = |line: &str| ["config ", "option ", "list "].iter().any(|c| line.trim_start().starts_with(c));
    let uncomment = |line: &'_ str| match line.strip_prefix('#') {
        Some(rest) if is_example(rest) => rest.to_owned(),
        _ => line.to_owned(),
    };
    text.lines().map(uncomment).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_is_the_default_and_does_nothing() {
    let shipped = read(SHIPPED).unwrap();
    assert_eq!(shipped, read("").unwrap());
    assert!(!shipped.enabled);
}

#[test]
fn the_shipped_file_shows_every_option_and_its_default() {
    let text = uncommented(SHIPPED);
    let config = read(&text).unwrap();
    let raw = uci::parse(text.as_bytes()).unwrap();
    for (kind, options) in KNOWN {
        let shown: SortedSet<_> = raw
            .sections
            .iter()
            .filter(|s| s.kind == kind)
            .flat_map(|s| s.settings.iter().map(|s| s.name.as_str()))
            .collect();
        assert_eq!(shown, options.iter().copied().collect(), "{kind}");
    }
    let default = read("").unwrap();
    let Config { rules, server, .. } = config.clone();
    let (passphrases, captive_portals) = (SortedMap::new(), SortedMap::new());
    assert_eq!((config.passphrases.len(), config.captive_portals.len()), (1, 1));
    assert_eq!((config.tls.is_some(), config.zone != Zone::default()), (true, true));
    assert_eq!(config.allow.values().map(Vec::len).sum::<usize>(), 1);
    let nothing = Config {
        enabled: false,
        server: None,
        rules: Rules::default(),
        passphrases,
        captive_portals,
        tls: None,
        zone: Zone::default(),
        allow: SortedMap::new(),
        ..config
    };
    assert_eq!(nothing, default);
    let gate = &rules.networks[&"cafe".parse::<NetworkId>().unwrap()];
    assert_eq!((gate.mode, gate.gate), (Mode::Gate, Gate::default()));
    let offer = &rules.offers[0];
    assert_eq!((offer.when.hours.len(), offer.when.weekdays.len(), offer.cap_per_day), (1, 1, Some(3)));
    assert_eq!(offer.translations.keys().map(|l| l.as_str()).collect::<Vec<_>>(), ["zh"]);
    assert!(server.is_some());
    assert_eq!((rules.networks.len(), rules.offers.len()), (2, 1));
    assert_eq!((rules.offers[0].priority, rules.offers[0].cap_per_visit), (DEFAULT_PRIORITY, DEFAULT_CAP_PER_VISIT));
}

#[test]
fn a_whole_configuration_is_understood() {
    let config = read(
        "config welcomed main\noption enabled yes\noption log_level debug\nlist listen 127.0.0.1:1\nlist listen [::1]:2\n\
         config server server\noption url https://d.example\noption token t\n\
         config network cafe\noption ifname 'wlan0 wlan1'\noption credential keyid\nlist shared_keyid guest\n\
         list owner_keyid us\noption share_key 1\noption key 12345678\noption place 1,2\n\
         config network quiet\nlist ifname wlan2\noption announce 0\noption key 12345678\n\
         config offer hello\nlist network cafe\noption title Hello\noption link https://a\n\
         config offer off\noption title x\noption enabled 0\n",
    )
    .unwrap();
    assert!(config.enabled);
    assert_eq!((config.log_level, config.listen.len()), (Level::DEBUG, 2));
    let cafe = &config.rules.networks[&"cafe".parse::<NetworkId>().unwrap()];
    assert_eq!(cafe.ifnames.len(), 2);
    let CredentialRule::Key { shared, owner, unknown_is_shared } = &cafe.credential else { panic!() };
    assert!(shared.contains("guest") && owner.contains("us") && !unknown_is_shared);
    let announce = cafe.announce.clone().unwrap();
    assert_eq!(announce.key.unwrap().reveal(), "12345678");
    assert_eq!(announce.place, Place::new(1., 2.).ok());
    assert_eq!(config.rules.networks[&"quiet".parse::<NetworkId>().unwrap()].announce, None);
    let offers: Vec<_> = config.rules.offers.iter().map(|o| o.id.as_str()).collect();
    assert_eq!(offers, ["hello"]);
}

#[test]
fn dates_are_those_of_the_place() {
    let moments = |from: &str, until: &str| {
        let text = format!(
            "config welcomed main\noption timezone CET-1CEST,M3.5.0,M10.5.0/3\n\
             config offer o\noption title t\noption from '{from}'\noption until '{until}'\n"
        );
        read(&text).map(|c| (c.rules.offers[0].when.from.unwrap(), c.rules.offers[0].when.until.unwrap()))
    };
    // 2026-12-24 begins at 23:00 UTC of the day before, and its last minute counts.
    assert_eq!(moments("2026-12-24", "2026-12-24").unwrap(), (1_798_066_800, 1_798_153_200));
    assert_eq!(moments("2026-07-01 12:30", "2026-07-01T13:00").unwrap(), (1_782_901_800, 1_782_903_600));
    for bad in
        ["2026-02-30", "24.12.2026", "2026-1-1", "2026-12-24 25:00", "2026-12-24 1:00", "tomorrow", "2026-12-24-1"]
    {
        let problems = moments(bad, "2030-01-01").unwrap_err();
        assert!(problems[0].contains("expected a date"), "{bad}: {problems:?}");
    }
    assert!(moments("2026-12-24", "2026-12-23").unwrap_err()[0].contains("later than from"));
}

#[test]
fn a_translation_has_its_own_words_and_the_rest_of_the_offer() {
    let config = read(
        "config offer o\noption title Hello\noption link https://a.example\noption color '#0b5f6b'\n\
         config translation\noption offer o\noption language zh\noption title 你好\n",
    );
    let offer = config.unwrap().rules.offers.remove(0);
    let zh = &offer.translations[&"zh".parse().unwrap()];
    assert_eq!((zh.title.as_str(), &zh.link, zh.color), ("你好", &offer.content.link, offer.content.color));
    let found = problems(
        "config offer hello\noption title Hello\n\
         config translation\noption offer helo\noption language zh\noption title x\n\
         config translation\noption offer hello\noption title x\n\
         config translation\noption offer hello\noption language zh\n",
    );
    assert!(found[0].contains("did you mean 'hello'?"), "{found:?}");
    assert!(found[1].contains("language is missing"), "{found:?}");
    assert!(found[2].contains("title is missing"), "{found:?}");
}

#[test]
fn images_and_pages_are_read_when_the_file_is() {
    let dir = tempfile::tempdir().unwrap();
    let (image, page, wrong) = (dir.path().join("a.png"), dir.path().join("p.html"), dir.path().join("x"));
    std::fs::write(&image, b"\x89PNG\r\n\x1a\n").unwrap();
    std::fs::write(&page, "<p>Menu</p>").unwrap();
    std::fs::write(&wrong, [0; 9]).unwrap();
    let load = |image: &Path, page: &Path| {
        let file = dir.path().join("welcomed");
        let (image, page) = (image.display(), page.display());
        let text = format!(
            "config offer o\noption title t\noption image {image}\noption image_alt Cup\noption page {page}\n\
             config translation\noption offer o\noption language zh\noption title t\noption image {image}\n"
        );
        std::fs::write(&file, text).unwrap();
        Config::load(&file)
    };
    let config = load(&image, &page).unwrap();
    let content = &config.rules.offers[0].content;
    let (shown, menu) = (content.image.as_ref().unwrap(), content.page.as_ref().unwrap());
    assert_eq!((shown.alt.as_str(), shown.file.length, menu.length), ("Cup", 8, 11));
    assert_eq!(config.files[&menu.digest], page);
    let zh = &config.rules.offers[0].translations[&"zh".parse().unwrap()];
    assert_eq!((&zh.page, zh.image.as_ref().map(|i| &i.file)), (&content.page, Some(&shown.file)));
    let said = load(&wrong, &image).unwrap_err().to_string();
    assert!(said.contains("o.image: ") && said.contains("is no JPEG") && said.contains("is no HTML"), "{said}");
    let said = load(&dir.path().join("none"), dir.path()).unwrap_err().to_string();
    assert!(said.contains("cannot be read") && said.contains("is no file"), "{said}");
}

#[test]
fn modes_and_certificates_are_whole_or_refused() {
    let gate = read(
        "config network a\nlist ifname w\noption mode gate\noption gate_minutes 5\nlist allow '192.0.2.1 2001:db8::/32'\n",
    );
    let gate = gate.unwrap();
    assert_eq!(gate.rules.networks[&"a".parse().unwrap()].gate.time.as_secs(), 300);
    assert_eq!(
        gate.allow[&"a".parse().unwrap()].iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["192.0.2.1/32", "2001:db8::/32"]
    );
    let found = problems("config network a\nlist ifname w\noption mode splash\noption gate_minutes 5\n");
    assert!(found[0].contains("means nothing with mode 'splash'"), "{found:?}");
    let found = problems("config network a\nlist ifname w\noption mode gates\nlist allow cafe.example\n");
    assert!(
        found[0].contains("expected app, notify, splash or gate") && found[1].contains("a prefix such as"),
        "{found:?}"
    );
    let found = problems("config welcomed main\nlist catch 192.0.2.1:1\nlist catch [2001:db8::1]:2\n");
    assert!(found[0].contains("different ports"), "{found:?}");
    let found = problems("config welcomed main\noption tls_name a.example\n");
    assert!(found[0].contains("means nothing without tls_cert and tls_key"), "{found:?}");
    let found = problems(
        "config welcomed main\noption tls_name 192.0.2.1\noption tls_cert /c\noption tls_key /k\noption timezone Berlin\n",
    );
    assert!(found[0].contains("the name in the certificate") && found[1].contains("POSIX"), "{found:?}");
}

#[test]
fn every_problem_is_told_at_once_with_place_and_remedy() {
    let found = problems(
        "config welcomed main\noption enabled maybe\noption log_levle info\noption leases tmp\n\
         config network\nlist ifname a/b\n\
         config network cafe\nlist ifname wlan0\noption credential psk\n\
         config network bar\nlist ifname wlan0\noption share_key 1\n\
         config offer o\nlist network caffe\noption title t\noption priority 101\n\
         config netwrok x\n",
    );
    assert_eq!(
        found,
        [
            r#"f:2: main.enabled: "maybe" cannot be used; expected 1 or 0"#,
            "f:3: main.log_levle: there is no such option; did you mean log_level?",
            r#"f:4: main.leases: "tmp" cannot be used; expected an absolute path"#,
            "f:5: @network: a network needs a name of 1 to 64 characters; e.g. config network 'cafe'",
            r#"f:6: @network.ifname: "a/b" cannot be used; expected the name of a wireless interface such as phy0-ap0"#,
            r#"f:9: cafe.credential: "psk" cannot be used; expected bss, keyid or passphrase"#,
            "f:11: bar.ifname: wlan0 belongs to network 'cafe' already; an interface carries one network",
            "f:12: bar.share_key: there is no key to share; set `option key`",
            "f:14: o.network: there is no network 'caffe'; did you mean 'cafe'?",
            "f:16: o.priority: not within its limits; expected 0 to 100",
            "f:17: x: there is no section type netwrok; did you mean network?",
        ]
    );
}

#[test]
fn plain_http_is_for_this_very_machine_and_only_when_allowed() {
    let server =
        |url: &str, allow: u8| read(&format!("config server s\noption url {url}\noption allow_plain_http {allow}"));
    for (url, allow, fine) in [
        ("https://d.example", 0, true),
        ("http://127.0.0.1:8480", 1, true),
        ("http://127.9.9.9", 1, true),
        ("http://[::1]", 1, true),
        ("http://localhost", 1, true),
        ("http://127.0.0.1:8480", 0, false),
        ("http://d.example", 1, false),
        ("http://192.168.1.2", 1, false),
        ("http://localhost.example", 1, false),
    ] {
        assert_eq!(server(url, allow).is_ok(), fine, "{url} {allow}");
    }
    assert_eq!(
        problems("config server s\noption url ftp://a"),
        [
            r#"f:2: s.url: "ftp://a" is not the address of a server; expected https://HOST or https://HOST:PORT, without a path"#
        ]
    );
}

#[test]
fn an_empty_server_is_none_and_half_a_server_is_wrong() {
    assert_eq!(read("config server s\noption url ''").unwrap().server, None);
    assert!(problems("config server s\noption token t")[0].contains("s.token: means nothing without a url"));
}

#[test]
fn contradictions_are_found() {
    for (text, expected) in [
        ("config welcomed main\noption enabled 1", "f:2: main.enabled: there is no network to share"),
        ("config welcomed a\nconfig welcomed b", "f:2: b: one section of type welcomed too many"),
        ("config welcomed a\nlist listen [::]:1\nlist listen 0.0.0.0:1", "f:3: a.listen: [::] takes IPv4 as well"),
        ("config welcomed a\nlist leases /a\nlist leases /b", "f:3: a.leases: is a list"),
        ("config network a\noption credential bss", "f:1: a: section is missing"),
        ("config network a\nlist ifname w\noption credential keyid", "f:1: a: nobody would be a guest here"),
        (
            "config network a\nlist ifname w\noption unknown shared",
            "f:3: a.unknown: means nothing with credential 'bss'",
        ),
        (
            "config network a\nlist ifname w\noption credential keyid\nlist shared_keyid k\nlist owner_keyid k",
            "f:5: a.owner_keyid: \"k\" is a shared_keyid as well",
        ),
        (
            "config network a\nlist section s\nconfig network b\nlist section s",
            "f:4: b.section: s belongs to network 'a' already",
        ),
        ("config network a\nlist section s-1", "f:2: a.section: \"s-1\" cannot be used"),
        ("config network a\nlist ifname w\noption credential passphrase", "f:1: a: key is missing"),
        (
            "config network a\nlist ifname w\noption key 12345678\nlist shared_key 12345679",
            "f:4: a.shared_key: means nothing without credential 'passphrase'",
        ),
        (
            "config network a\nlist ifname w\noption credential passphrase\noption key 12345678\noption owner_keyid k",
            "f:5: a.owner_keyid: means nothing with credential 'passphrase'; remove it, or set credential 'keyid'",
        ),
        (
            "config network a\nlist section s\noption credential passphrase\nlist shared_key 12345678\noption share_key 1",
            "f:5: a.share_key: there is no key to share",
        ),
        ("config network a\nlist ifname w\noption captive_portal http://a/b", "f:3: a.captive_portal: "),
        ("config network a\nlist ifname w\noption captive_portal https://10.0.0.1/b", "f:3: a.captive_portal: "),
        ("config network a\nlist ifname w\noption captive_portal https://a/b,c", "f:3: a.captive_portal: "),
        ("config network a\nlist ifname w\noption key 1234567", "f:3: a.key: has 7 characters; expected 8 to 63"),
        ("config offer o", "f:1: o: title is missing"),
        (
            "config offer o\noption title t\noption link javascript:x",
            "f:3: o.link: not within its limits; expected an http://",
        ),
        (
            "config offer o\noption title t\noption cap_per_visit 0",
            "f:3: o.cap_per_visit: not within its limits; expected 1 to 100",
        ),
    ] {
        let found = problems(text);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
    }
}

#[test]
fn a_network_of_openwrt_names_sections_and_needs_no_key() {
    let config = read(
        "config welcomed main\noption joins ubus\noption ubus_socket /tmp/u\n\
         config network cafe\nlist section 'guest_2g guest_5g'\noption share_key 1\n\
         option captive_portal https://portal.example/api\n\
         config network bar\nlist section bar\noption credential passphrase\noption key 'come in, come in'\n\
         list shared_key 'last months phrase'\noption unknown shared\n",
    )
    .unwrap();
    assert_eq!((config.joins, config.ubus_socket.to_str()), (Joins::Ubus, Some("/tmp/u")));
    let (cafe, bar): (NetworkId, NetworkId) = ("cafe".parse().unwrap(), "bar".parse().unwrap());
    let rules = &config.rules.networks[&cafe];
    assert_eq!((rules.sections.len(), rules.ifnames.len()), (2, 0));
    assert!(rules.announce.as_ref().is_some_and(|a| a.key_of_netifd && a.key.is_none()));
    assert_eq!(config.captive_portals[&cafe], "https://portal.example/api");
    let phrases: Vec<_> = config.passphrases[&bar].iter().map(Secret::reveal).collect();
    assert_eq!(phrases, ["come in, come in", "last months phrase"]);
    let rule = &config.rules.networks[&bar].credential;
    assert!(rule.greets(rule.classify(Some(KEY_SHARED))) && !rule.greets(rule.classify(Some(KEY_OWNER))));
    assert!(rule.greets(rule.classify(None)), "unknown counts as shared here");
    assert!(!config.passphrases.contains_key(&cafe));
}

#[test]
fn hostapd_is_never_given_more_passphrases_than_it_can_take() {
    let many = |n: usize| {
        let phrases: String = (1..n).map(|i| format!("list shared_key 'phrase {i:03}'\n")).collect();
        read(&format!("config network a\nlist ifname w\noption credential passphrase\noption key 12345678\n{phrases}"))
    };
    assert!(many(MAX_PASSPHRASES).is_ok());
    assert!(many(MAX_PASSPHRASES + 1).unwrap_err()[0].contains("a.shared_key: too many"));
    let long = |n| {
        read(&format!("config network a\nlist ifname w\noption credential passphrase\noption key '{}'", "x".repeat(n)))
    };
    assert!(long(63).is_ok() && long(64).is_err(), "hostapd 24.10 writes past its buffer with 64");
}

#[test]
fn the_number_of_sections_has_a_limit() {
    let many = |kind: &str, n: usize, rest: &str| {
        (0..n).map(|i| format!("config {kind} x{i}\n{}\n", rest.replace('@', &i.to_string()))).collect::<String>()
    };
    assert!(read(&many("network", MAX_NETWORKS, "list ifname w@")).is_ok());
    assert_eq!(problems(&many("network", MAX_NETWORKS + 2, "list ifname w@")).len(), 1);
    assert!(read(&many("offer", MAX_OFFERS, "option title t")).is_ok());
    assert_eq!(problems(&many("offer", MAX_OFFERS + 1, "option title t")).len(), 1);
}

#[test]
fn no_secret_stands_in_a_problem() {
    let found = problems(
        "config server s\noption url nonsense\nlist token sesame1\nlist token sesame2\n\
         config network a\nlist ifname w\nlist key sesame\nlist key sesame3\nlist shared_key sesame4\noption share_key 1",
    );
    assert!(found.len() >= 3 && !found.join("\n").contains("sesame"), "{found:?}");
    let config = read("config server s\noption url https://a\noption token sesame").unwrap();
    assert!(!format!("{config:?}").contains("sesame"));
}

proptest! {
    #[test]
    fn no_configuration_makes_it_panic(
        lines in prop::collection::vec(
            ("config|option|list", "welcomed|server|network|offer|url|key|ifname|section|shared_key|captive_portal|listen|title|place|credential|unknown", "[a-z0-9:/.,%-]{0,12}"),
            0..20,
        )
    ) {
        let text: String = lines.iter().map(|(a, b, c)| format!("{a} {b} '{c}'\n")).collect();
        let _outcome = read(&text);
    }
}
