//! The sections of shared networks: which interfaces, whose key is whose, what the directory may know.
//!
//! Pure; part of [`super::check`].

use sorted::{SortedMap, SortedSet};
use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use welcome_core::{AnnounceRules, CredentialRule, Gate, Mode, NetworkRules};
use welcome_proto::announce::Place;
use welcome_proto::{NetworkId, Secret};

use super::raw::{Raw, Value};
use super::reader::{Reader, parse};
use super::{Config, KEY_OWNER, KEY_SHARED, Problem};

/// The most networks a router shares.
pub const MAX_NETWORKS: usize = 16;
/// The most passphrases of one network; each costs hostapd a PBKDF2 while a station waits.
pub const MAX_PASSPHRASES: usize = 8;
/// A week.
const MAX_GATE_MINUTES: u64 = 7 * 24 * 60;
/// The most prefixes that a gate lets through.
const MAX_ALLOW: usize = 64;
/// Longer ones do not fit a DHCPv4 option (RFC 8910, section 2.1).
pub const MAX_CAPTIVE_PORTAL: usize = 255;

/// Reads all sections of type `network`.
pub fn read(raw: &Raw, config: &mut Config, problems: &mut Vec<Problem>) {
    let mut owners = Owners::default();
    for (n, section) in raw.sections.iter().filter(|s| s.kind == "network").enumerate() {
        let mut reader = Reader::new(section, problems);
        if n == MAX_NETWORKS {
            reader.problem_of_section(format!("one network too many; at most {MAX_NETWORKS}"));
        }
        let id = reader.name::<NetworkId>("a network", "config network 'cafe'");
        let by_passphrase = section.setting("credential").is_some_and(|s| s.values[0].text == "passphrase");
        let passphrases = read_passphrases(&mut reader, by_passphrase);
        let mut network = read_network(&mut reader, &mut owners);
        let allow = read_mode(&mut reader, &mut network);
        let portal = reader.one("captive_portal", "an https:// URI of at most 255 characters", captive_portal);
        if let Some(id) = id {
            config.rules.networks.insert(id.clone(), network);
            config.passphrases.extend(by_passphrase.then(|| (id.clone(), passphrases)));
            config.captive_portals.extend(portal.map(|uri| (id.clone(), uri)));
            config.allow.insert(id, allow);
        }
    }
}

/// Which network has which interface and section.
#[derive(Default)]
struct Owners {
    interfaces: SortedMap<String, String>,
    sections: SortedMap<String, String>,
}

fn read_network(network: &mut Reader<'_>, owners: &mut Owners) -> NetworkRules {
    let right = "the name of a wifi-iface section in /etc/config/wireless";
    let sections = network.list("section", right, section_name);
    let sections = no_other_has(network, "section", sections, &mut owners.sections);
    let ifnames = network.list("ifname", "the name of a wireless interface such as phy0-ap0", interface);
    let ifnames = no_other_has(network, "ifname", ifnames, &mut owners.interfaces);
    if network.section.setting("section").is_none() && network.section.setting("ifname").is_none() {
        network.problem_of_section(
            "section is missing; name this network's wifi-iface sections, e.g. list section 'guest', or its interfaces \
             by ifname",
        );
    }
    let credential = read_credential(network);
    let announced = network.bool("announce", true);
    let place = network.one("place", "LATITUDE,LONGITUDE in degrees, e.g. 48.1374,11.5755", parse::<Place>);
    let netifd_has_it = !sections.is_empty() && credential == CredentialRule::Bss;
    let share = network.bool("share_key", false);
    let key = network.value("key");
    if share && key.is_none() && !netifd_has_it {
        let line = network.section.setting("share_key").map_or(network.section.line, |s| s.values[0].line);
        network.problem(line, "share_key", "there is no key to share; set `option key`");
    }
    let key = key.filter(|_| share).map(|v| Secret::new(&*v.text));
    let key_of_netifd = share && key.is_none();
    let announce = announced.then_some(AnnounceRules { key, key_of_netifd, place });
    NetworkRules { ifnames, sections, credential, announce, ..NetworkRules::default() }
}

/// How far the agent may go; returns what a gate lets through.
fn read_mode(reader: &mut Reader<'_>, network: &mut NetworkRules) -> Vec<IpNet> {
    let mode = reader
        .one("mode", "app, notify, splash or gate", |text| Mode::ALL.into_iter().find(|mode| mode.as_str() == text));
    network.mode = mode.unwrap_or_default();
    let minutes = reader.one("gate_minutes", "1 to 10080 (a week)", |text| {
        text.parse::<u64>().ok().filter(|minutes| (1..=MAX_GATE_MINUTES).contains(minutes))
    });
    let fails_open = reader.one("gate_fail", "open or closed", |text| match text {
        "open" => Some(true),
        "closed" => Some(false),
        _ => None,
    });
    let default = Gate::default();
    network.gate = Gate {
        time: minutes.map_or(default.time, |m| Duration::from_secs(m * 60)),
        fails_open: fails_open.unwrap_or(default.fails_open),
    };
    let prefix = |text: &str| text.parse().ok().or_else(|| text.parse().ok().map(IpAddr::into));
    let allow = reader.list("allow", "an address or a prefix such as 192.0.2.0/24 or 2001:db8::/32", prefix);
    if let Some((line, _)) = allow.get(MAX_ALLOW) {
        reader.problem(*line, "allow", format!("too many; at most {MAX_ALLOW}"));
    }
    if network.mode != Mode::Gate && !(mode.is_none() && reader.section.setting("mode").is_some()) {
        for option in ["gate_minutes", "gate_fail", "allow"] {
            if let Some(setting) = reader.section.setting(option) {
                let what =
                    format!("means nothing with mode '{}'; remove it, or set mode 'gate'", network.mode.as_str());
                reader.problem(setting.values[0].line, option, what);
            }
        }
    }
    allow.into_iter().map(|(_, net)| net).collect()
}

fn no_other_has(
    network: &mut Reader<'_>,
    option: &str,
    names: Vec<(usize, String)>,
    owners: &mut SortedMap<String, String>,
) -> SortedSet<String> {
    for (line, name) in &names {
        let other = owners.entry(name.clone()).or_insert_with(|| network.label.clone());
        if *other != network.label {
            let what = format!("{name} belongs to network '{other}' already; an interface carries one network");
            network.problem(*line, option, what);
        }
    }
    names.into_iter().map(|(_, name)| name).collect()
}

fn read_credential(network: &mut Reader<'_>) -> CredentialRule {
    let kind = network.one("credential", "bss, keyid or passphrase", |text| match text {
        "bss" => Some(Kind::Bss),
        "keyid" => Some(Kind::KeyId),
        "passphrase" => Some(Kind::Passphrase),
        _ => None,
    });
    let keyid = |text: &str| (text.len() <= 64 && text.bytes().all(|b| b.is_ascii_graphic())).then(|| text.to_owned());
    let right = "a keyid as in the wpa_psk_file: printable ASCII without spaces, at most 64 characters";
    let shared = network.list("shared_keyid", right, keyid);
    let owner = network.list("owner_keyid", right, keyid);
    let unknown = network.one("unknown", "owner or shared", |text| match text {
        "owner" => Some(false),
        "shared" => Some(true),
        _ => None,
    });
    let set = network.section.setting("credential").is_some();
    let useless: &[(&str, &str)] = match kind {
        Some(Kind::KeyId) => &[],
        Some(Kind::Passphrase) => &[("shared_keyid", "passphrase"), ("owner_keyid", "passphrase")],
        None if set => &[], // what it should have been is not known
        None | Some(Kind::Bss) => &[("shared_keyid", "bss"), ("owner_keyid", "bss"), ("unknown", "bss")],
    };
    for (option, with) in useless {
        if let Some(setting) = network.section.setting(option) {
            let other = if *option == "unknown" { "'keyid' or 'passphrase'" } else { "'keyid'" };
            let what = format!("means nothing with credential '{with}'; remove it, or set credential {other}");
            network.problem(setting.values[0].line, option, what);
        }
    }
    let unknown_is_shared = unknown.unwrap_or(false);
    let key = |shared, owner| CredentialRule::Key { shared, owner, unknown_is_shared };
    match kind {
        None if !set => CredentialRule::Bss,
        Some(Kind::Bss) => CredentialRule::Bss,
        Some(Kind::Passphrase) => key([KEY_SHARED.to_owned()].into(), [KEY_OWNER.to_owned()].into()),
        None | Some(Kind::KeyId) => {
            let shared_ids: SortedSet<_> = shared.into_iter().map(|(_, id)| id).collect();
            for (line, id) in &owner {
                if shared_ids.contains(id) {
                    let what = format!("{id:?} is a shared_keyid as well; a key is either shared or the owner's");
                    network.problem(*line, "owner_keyid", what);
                }
            }
            let nobody = network.section.setting("shared_keyid").is_none() && !unknown_is_shared;
            if kind.is_some() && nobody {
                let what = "nobody would be a guest here; name a shared_keyid, or set unknown 'shared'";
                network.problem_of_section(what);
            }
            key(shared_ids, owner.into_iter().map(|(_, id)| id).collect())
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Bss,
    KeyId,
    Passphrase,
}

/// `key`, and the others by `shared_key`. hostapd is given them only with credential 'passphrase'.
fn read_passphrases(network: &mut Reader<'_>, are_used: bool) -> Vec<Secret> {
    let mut passphrases = Vec::new();
    let key = network.value("key").map(|v| ("key", v));
    let more = network.section.setting("shared_key").into_iter().flat_map(|s| &s.values).map(|v| ("shared_key", v));
    for (option, Value { line, text }) in key.into_iter().chain(more) {
        // hostapd of OpenWrt 24.10 and 25.12 writes past the end of its buffer with one of 64.
        let fits = (8..=63).contains(&text.len()) && text.bytes().all(|b| matches!(b, b' '..=b'~'));
        if !fits {
            let what = format!("has {} characters; expected 8 to 63 of printable ASCII", text.chars().count());
            network.problem(*line, option, what);
        }
        passphrases.push(Secret::new(&**text));
    }
    let first_more = network.section.setting("shared_key").map(|s| s.values[0].line);
    match first_more {
        Some(line) if !are_used => {
            network.problem(line, "shared_key", "means nothing without credential 'passphrase'; remove it");
        }
        Some(line) if passphrases.len() > MAX_PASSPHRASES => {
            network.problem(line, "shared_key", format!("too many with `key`; at most {MAX_PASSPHRASES}"));
        }
        _ => {}
    }
    if are_used && passphrases.is_empty() {
        network.problem_of_section("key is missing; credential 'passphrase' needs the passphrase of the guests");
    }
    passphrases
}

/// As UCI allows them.
fn section_name(text: &str) -> Option<String> {
    let fits = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    fits.then(|| text.to_owned())
}

/// Clients ask this by TLS alone (RFC 8908, section 4.1), and an IP address has no certificate.
fn captive_portal(text: &str) -> Option<String> {
    let uri: http::Uri = text.parse().ok()?;
    let name = uri.host().filter(|h| h.parse::<std::net::Ipv4Addr>().is_err() && !h.starts_with('['));
    // dnsmasq takes what stands between commas as several values.
    let is_plain = text.len() <= MAX_CAPTIVE_PORTAL && !text.contains([',', '#']);
    (uri.scheme_str() == Some("https") && name.is_some() && is_plain).then(|| text.to_owned())
}

/// Linux takes 15 bytes; the name becomes a file name below `hostapd_dir`.
fn interface(text: &str) -> Option<String> {
    let fits = text.len() <= 15 && text != "." && text != ".." && !text.contains(|c: char| c == '/' || c.is_control());
    fits.then(|| text.to_owned())
}
