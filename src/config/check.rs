//! `Raw` to `Config`: gives meaning to strings, and finds all problems at once.
//!
//! Pure. A secret never stands in a problem.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use tracing::Level;
use welcome_core::{NetworkRules, Rules};
use welcome_proto::offer::{Content, Offer};
use welcome_proto::{NetworkId, OfferId, Secret};

use super::network;
use super::raw::{Raw, Section, Value};
use super::reader::{Reader, label, parse};
use super::{
    Config, DEFAULT_CAP_PER_VISIT, DEFAULT_ENABLED, DEFAULT_HOSTAPD_DIR, DEFAULT_LEASES, DEFAULT_LISTEN,
    DEFAULT_LOG_LEVEL, DEFAULT_PRIORITY, DEFAULT_STATE_DIR, DEFAULT_STATUS_SOCKET, DEFAULT_UBUS_SOCKET, Joins, Problem,
    Server, ServerUrl,
};

/// The sections there are, with their options.
pub const KNOWN: [(&str, &[&str]); 4] = [
    (
        "welcomed",
        &[
            "enabled",
            "log_level",
            "listen",
            "joins",
            "hostapd_dir",
            "ubus_socket",
            "leases",
            "status_socket",
            "state_dir",
        ],
    ),
    ("server", &["url", "token", "ca_file", "allow_plain_http"]),
    (
        "network",
        &[
            "section",
            "ifname",
            "credential",
            "shared_keyid",
            "owner_keyid",
            "unknown",
            "key",
            "shared_key",
            "announce",
            "share_key",
            "place",
            "captive_portal",
        ],
    ),
    ("offer", &["network", "title", "text", "link", "priority", "cap_per_visit", "enabled"]),
];
/// The most offers a router makes by itself.
pub const MAX_OFFERS: usize = 32;

/// Makes a configuration.
///
/// # Errors
/// With everything that is wrong, in order of lines.
pub fn check(raw: &Raw) -> Result<Config, Vec<Problem>> {
    let mut problems = Vec::new();
    for section in &raw.sections {
        find_unknown(section, &mut problems);
    }
    let main = at_most_one(raw, "welcomed", &mut problems);
    let server = at_most_one(raw, "server", &mut problems);
    let mut config = read_main(main, &mut problems);
    config.server = server.and_then(|s| read_server(&mut Reader::new(s, &mut problems)));
    network::read(raw, &mut config, &mut problems);
    config.rules.offers = read_offers(raw, &config.rules.networks, &mut problems);
    if config.enabled && raw.sections.iter().all(|s| s.kind != "network") {
        let what = "there is no network to share; add `config network 'NAME'` with a `list section` or `list ifname`";
        if let Some(main) = main {
            let line = main.setting("enabled").map_or(main.line, |s| s.values[0].line);
            Reader::new(main, &mut problems).problem(line, "enabled", what);
        }
    }
    problems.sort_by_key(|p| p.line);
    if problems.is_empty() { Ok(config) } else { Err(problems) }
}

fn read_main(main: Option<&Section>, problems: &mut Vec<Problem>) -> Config {
    let nothing = Section { kind: "welcomed".to_owned(), name: None, line: 1, settings: Vec::new() };
    let mut main = Reader::new(main.unwrap_or(&nothing), problems);
    Config {
        file: PathBuf::new(),
        enabled: main.bool("enabled", DEFAULT_ENABLED),
        log_level: main.one("log_level", "error, warn, info, debug or trace", log_level).unwrap_or(DEFAULT_LOG_LEVEL),
        listen: read_listen(&mut main),
        joins: main.one("joins", "auto, control or ubus", joins).unwrap_or_default(),
        hostapd_dir: main.path("hostapd_dir").unwrap_or_else(|| DEFAULT_HOSTAPD_DIR.into()),
        ubus_socket: main.path("ubus_socket").unwrap_or_else(|| DEFAULT_UBUS_SOCKET.into()),
        leases: main.path("leases").unwrap_or_else(|| DEFAULT_LEASES.into()),
        status_socket: main.path("status_socket").unwrap_or_else(|| DEFAULT_STATUS_SOCKET.into()),
        state_dir: main.path("state_dir").unwrap_or_else(|| DEFAULT_STATE_DIR.into()),
        server: None,
        rules: Rules::default(),
        passphrases: BTreeMap::new(),
        captive_portals: BTreeMap::new(),
    }
}

fn read_listen(main: &mut Reader<'_>) -> Vec<SocketAddr> {
    let mut listen: Vec<SocketAddr> = Vec::new();
    for (line, address) in main.list("listen", "an address and a port such as 192.168.1.1:8910 or [::]:8910", parse) {
        let everywhere = |a: &SocketAddr, b: &SocketAddr| {
            a.port() == b.port() && a.ip() == Ipv6Addr::UNSPECIFIED && b.ip() == Ipv4Addr::UNSPECIFIED
        };
        if listen.contains(&address) {
            main.problem(line, "listen", format!("{address} stands here twice; once is enough"));
        } else if listen.iter().any(|a| everywhere(a, &address) || everywhere(&address, a)) {
            main.problem(line, "listen", "[::] takes IPv4 as well; leave 0.0.0.0 out");
        } else {
            listen.push(address);
        }
    }
    if listen.is_empty() {
        listen.push(DEFAULT_LISTEN);
    }
    listen
}

/// A section without a URL is none: that is how the form of a web interface looks before it is filled in.
fn read_server(server: &mut Reader<'_>) -> Option<Server> {
    let allow_plain_http = server.bool("allow_plain_http", false);
    let token = server.value("token").map(|v| Secret::new(&*v.text));
    let ca_file = server.path("ca_file");
    let Some(Value { line, text }) = server.value("url") else {
        for option in ["token", "ca_file"] {
            if let Some(setting) = server.section.setting(option) {
                server.problem(setting.values[0].line, option, "means nothing without a url; set `option url`");
            }
        }
        return None;
    };
    let url: ServerUrl = match text.parse() {
        Ok(url) => url,
        Err(error) => {
            server.problem(*line, "url", format!("{text:?} is {error}"));
            return None;
        }
    };
    if !url.is_tls() {
        let what = match (allow_plain_http, url.is_loopback()) {
            (true, true) => None,
            (true, false) => {
                Some("http:// is for a server on this very machine (127.0.0.0/8, ::1, localhost); use https://")
            }
            (false, _) => Some(
                "http:// is not protected; use https://, or set allow_plain_http for a server on this very machine",
            ),
        };
        if let Some(what) = what {
            server.problem(*line, "url", what);
        }
    }
    Some(Server { url, token, ca_file, allow_plain_http })
}

fn read_offers(raw: &Raw, networks: &BTreeMap<NetworkId, NetworkRules>, problems: &mut Vec<Problem>) -> Vec<Offer> {
    let mut offers = Vec::new();
    for (n, section) in raw.sections.iter().filter(|s| s.kind == "offer").enumerate() {
        let mut reader = Reader::new(section, problems);
        if n == MAX_OFFERS {
            reader.problem_of_section(format!("one offer too many; at most {MAX_OFFERS}"));
        }
        let id = reader.name::<OfferId>("an offer", "config offer 'hello'");
        let enabled = reader.bool("enabled", true);
        let offer = id.map(|id| read_offer(&mut reader, id, networks));
        offers.extend(offer.filter(|_| enabled));
    }
    offers
}

fn read_offer(offer: &mut Reader<'_>, id: OfferId, networks: &BTreeMap<NetworkId, NetworkRules>) -> Offer {
    let mut on = Vec::new();
    for (line, network) in offer.list("network", "the name of a network section", parse::<NetworkId>) {
        if !networks.contains_key(&network) {
            let near = nearest(network.as_str(), networks.keys().map(NetworkId::as_str));
            let known: Vec<_> = networks.keys().map(NetworkId::as_str).collect();
            let right = match near {
                Some(near) => format!("did you mean '{near}'?"),
                None if known.is_empty() => "there is none in this file".to_owned(),
                None => format!("there are: {}", known.join(", ")),
            };
            offer.problem(line, "network", format!("there is no network '{network}'; {right}"));
        }
        on.push(network);
    }
    let text = |offer: &mut Reader<'_>, option| offer.value(option).map(|v| v.text.clone());
    let made = Offer {
        id,
        networks: on,
        priority: offer.one("priority", "0 to 100", parse).unwrap_or(DEFAULT_PRIORITY),
        cap_per_visit: offer.one("cap_per_visit", "1 to 100", parse).unwrap_or(DEFAULT_CAP_PER_VISIT),
        content: Content {
            title: text(offer, "title").unwrap_or_default(),
            text: text(offer, "text").unwrap_or_default(),
            link: text(offer, "link"),
        },
    };
    if offer.section.setting("title").is_none() {
        offer.problem_of_section("title is missing; set `option title` to 1 to 80 characters");
    } else if let Err(error) = made.check() {
        let error = error.to_string();
        let (option, right) = error.split_once(": ").unwrap_or(("", &error));
        let line = offer.section.setting(option).map_or(offer.section.line, |s| s.values[0].line);
        offer.problem(line, option, format!("not within its limits; expected {right}"));
    }
    made
}

fn at_most_one<'a>(raw: &'a Raw, kind: &str, problems: &mut Vec<Problem>) -> Option<&'a Section> {
    let mut all = raw.sections.iter().filter(|s| s.kind == kind);
    let first = all.next()?;
    for extra in all {
        let what = format!("one section of type {kind} too many; the first is in line {}", first.line);
        problems.push(Problem { line: extra.line, at: label(extra), what });
    }
    Some(first)
}

fn find_unknown(section: &Section, problems: &mut Vec<Problem>) {
    let kind = section.kind.as_str();
    let Some((_, options)) = KNOWN.iter().find(|(k, _)| *k == kind) else {
        let right = right_name(kind, KNOWN.iter().map(|(k, _)| *k));
        let what = format!("there is no section type {kind}; {right}");
        problems.push(Problem { line: section.line, at: label(section), what });
        return;
    };
    for setting in section.settings.iter().filter(|s| !options.contains(&s.name.as_str())) {
        let right = right_name(&setting.name, options.iter().copied());
        let what = format!("there is no such option; {right}");
        let at = format!("{}.{}", label(section), setting.name);
        problems.push(Problem { line: setting.values[0].line, at, what });
    }
}

fn right_name<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(wrong, known.clone()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are: {}", known.collect::<Vec<_>>().join(", ")),
    }
}

/// The known name that was probably meant.
fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |name: &&str| strsim::osa_distance(wrong, name);
    known.min_by_key(distance).filter(|name| distance(name) <= MAX_TYPOS && distance(name) < name.len())
}

fn log_level(text: &str) -> Option<Level> {
    // Not `Level`'s own parser: it takes numbers and capitals, which nobody documents.
    match text {
        "error" => Some(Level::ERROR),
        "warn" => Some(Level::WARN),
        "info" => Some(Level::INFO),
        "debug" => Some(Level::DEBUG),
        "trace" => Some(Level::TRACE),
        _ => None,
    }
}

fn joins(text: &str) -> Option<Joins> {
    match text {
        "auto" => Some(Joins::Auto),
        "control" => Some(Joins::Control),
        "ubus" => Some(Joins::Ubus),
        _ => None,
    }
}

/// A letter left out, one too many, two swapped; more is another word.
const MAX_TYPOS: usize = 2;
