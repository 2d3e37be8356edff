//! `Raw` to `Config`: gives meaning to strings, and finds all problems at once.
//!
//! Pure. A secret never stands in a problem.

use sorted::SortedMap;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use tracing::Level;
use welcome_core::Rules;
use welcome_proto::Secret;

use super::offer::{self, Offers, Wanted};
use super::raw::{Raw, Section, Value};
use super::reader::{Reader, label, parse};
use super::{
    Config, DEFAULT_CACHE_DIR, DEFAULT_CACHE_KIB, DEFAULT_CATCH, DEFAULT_ENABLED, DEFAULT_HOSTAPD_DIR,
    DEFAULT_LANGUAGES, DEFAULT_LEASES, DEFAULT_LISTEN, DEFAULT_LOG_LEVEL, DEFAULT_OWNERSHIP, DEFAULT_STATE_DIR,
    DEFAULT_STATUS_SOCKET, DEFAULT_TLS_LISTEN, DEFAULT_UBUS_SOCKET, Joins, Problem, Server, ServerUrl, Tls, network,
};
use crate::zone::Zone;

/// The sections there are, with their options.
pub const KNOWN: [(&str, &[&str]); 5] = [
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
            "catch",
            "tls_name",
            "tls_cert",
            "tls_key",
            "tls_listen",
            "languages",
            "cache_dir",
            "cache_kib",
            "timezone",
            "clock",
        ],
    ),
    ("server", &["url", "token", "ca_file", "allow_plain_http", "ownership"]),
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
            "mode",
            "gate_minutes",
            "gate_fail",
            "allow",
        ],
    ),
    (
        "offer",
        &[
            "network",
            "title",
            "text",
            "link",
            "image",
            "image_alt",
            "color",
            "page",
            "language",
            "priority",
            "cap_per_visit",
            "cap_per_day",
            "from",
            "until",
            "weekday",
            "hours",
            "audience",
            "enabled",
        ],
    ),
    ("translation", &["offer", "language", "title", "text", "link", "image", "image_alt", "color", "page"]),
];

/// Makes a configuration, and says which files belong to it. Dates are those of `zone`, unless the text names another.
///
/// # Errors
/// With everything that is wrong, in order of lines.
pub fn check(raw: &Raw, zone: &Zone) -> Result<(Config, Vec<Wanted>), Vec<Problem>> {
    let mut problems = Vec::new();
    for section in &raw.sections {
        find_unknown(section, &mut problems);
    }
    let main = at_most_one(raw, "welcomed", &mut problems);
    let server = at_most_one(raw, "server", &mut problems);
    let mut config = read_main(main, zone, &mut problems);
    config.server = server.and_then(|s| read_server(&mut Reader::new(s, &mut problems)));
    config.rules.ownership = config.server.as_ref().is_some_and(|s| s.ownership);
    network::read(raw, &mut config, &mut problems);
    let Offers { offers, wanted } = offer::read(raw, &config.rules.networks, &config.zone, &mut problems);
    config.rules.offers = offers;
    if config.enabled && raw.sections.iter().all(|s| s.kind != "network") {
        let what = "there is no network to share; add `config network 'NAME'` with a `list section` or `list ifname`";
        if let Some(main) = main {
            let line = main.setting("enabled").map_or(main.line, |s| s.values[0].line);
            Reader::new(main, &mut problems).problem(line, "enabled", what);
        }
    }
    problems.sort_by_key(|p| p.line);
    if problems.is_empty() { Ok((config, wanted)) } else { Err(problems) }
}

fn read_main(main: Option<&Section>, zone: &Zone, problems: &mut Vec<Problem>) -> Config {
    let nothing = Section { kind: "welcomed".to_owned(), name: None, line: 1, settings: Vec::new() };
    let mut main = Reader::new(main.unwrap_or(&nothing), problems);
    Config {
        file: PathBuf::new(),
        enabled: main.bool("enabled", DEFAULT_ENABLED),
        log_level: main.one("log_level", "error, warn, info, debug or trace", log_level).unwrap_or(DEFAULT_LOG_LEVEL),
        listen: read_listen(&mut main, "listen", DEFAULT_LISTEN),
        joins: main.one("joins", "auto, control or ubus", joins).unwrap_or_default(),
        hostapd_dir: main.path("hostapd_dir").unwrap_or_else(|| DEFAULT_HOSTAPD_DIR.into()),
        ubus_socket: main.path("ubus_socket").unwrap_or_else(|| DEFAULT_UBUS_SOCKET.into()),
        leases: main.path("leases").unwrap_or_else(|| DEFAULT_LEASES.into()),
        status_socket: main.path("status_socket").unwrap_or_else(|| DEFAULT_STATUS_SOCKET.into()),
        state_dir: main.path("state_dir").unwrap_or_else(|| DEFAULT_STATE_DIR.into()),
        catch: read_catch(&mut main),
        tls: read_tls(&mut main),
        languages: main.path("languages").unwrap_or_else(|| DEFAULT_LANGUAGES.into()),
        cache_dir: main.path("cache_dir").unwrap_or_else(|| DEFAULT_CACHE_DIR.into()),
        cache_limit: u64::from(main.one("cache_kib", "64 to 65536", cache_kib).unwrap_or(DEFAULT_CACHE_KIB)) * 1024,
        zone: main
            .one("timezone", "a POSIX time zone such as CET-1CEST,M3.5.0,M10.5.0/3", parse)
            .unwrap_or_else(|| zone.clone()),
        trusts_clock: main.one("clock", "ntp or system", clock).unwrap_or(false),
        server: None,
        rules: Rules::default(),
        passphrases: SortedMap::new(),
        captive_portals: SortedMap::new(),
        allow: SortedMap::new(),
        files: SortedMap::new(),
    }
}

/// The firewall turns all families to one port.
fn read_catch(main: &mut Reader<'_>) -> Vec<SocketAddr> {
    let catch = read_listen(main, "catch", DEFAULT_CATCH);
    let first = catch[0].port();
    if catch.iter().any(|address| address.port() != first) {
        let line = main.section.setting("catch").map_or(main.section.line, |s| s.values[0].line);
        main.problem(line, "catch", "its addresses have different ports; one port takes what is caught");
    }
    catch
}

/// A name and its certificate, or nothing of them.
fn read_tls(main: &mut Reader<'_>) -> Option<Tls> {
    let name = main.one("tls_name", "the name in the certificate, e.g. welcome.cafe.example", host_name);
    let (cert, key) = (main.path("tls_cert"), main.path("tls_key"));
    let listen = read_listen(main, "tls_listen", DEFAULT_TLS_LISTEN);
    let all = ["tls_name", "tls_cert", "tls_key"];
    let missing: Vec<_> = all.into_iter().filter(|o| main.section.setting(o).is_none()).collect();
    if !missing.is_empty() {
        let lonely = all.into_iter().chain(["tls_listen"]).filter_map(|o| Some((o, main.section.setting(o)?)));
        if let Some((option, setting)) = lonely.into_iter().next() {
            let what = format!("means nothing without {}", missing.join(" and "));
            main.problem(setting.values[0].line, option, what);
        }
    }
    Some(Tls { name: name?, cert: cert?, key: key?, listen })
}

fn read_listen(main: &mut Reader<'_>, option: &str, default: SocketAddr) -> Vec<SocketAddr> {
    let mut listen: Vec<SocketAddr> = Vec::new();
    let right = format!("an address and a port such as 192.168.1.1:{0} or [::]:{0}", default.port());
    for (line, address) in main.list(option, &right, parse) {
        let everywhere = |a: &SocketAddr, b: &SocketAddr| {
            a.port() == b.port() && a.ip() == Ipv6Addr::UNSPECIFIED && b.ip() == Ipv4Addr::UNSPECIFIED
        };
        if listen.contains(&address) {
            main.problem(line, option, format!("{address} stands here twice; once is enough"));
        } else if listen.iter().any(|a| everywhere(a, &address) || everywhere(&address, a)) {
            main.problem(line, option, "[::] takes IPv4 as well; leave 0.0.0.0 out");
        } else {
            listen.push(address);
        }
    }
    if listen.is_empty() {
        listen.push(default);
    }
    listen
}

/// A section without a URL is none: that is how the form of a web interface looks before it is filled in.
fn read_server(server: &mut Reader<'_>) -> Option<Server> {
    let allow_plain_http = server.bool("allow_plain_http", false);
    let ownership = server.bool("ownership", DEFAULT_OWNERSHIP);
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
    Some(Server { url, token, ca_file, allow_plain_http, ownership })
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
pub(super) fn nearest<'a>(wrong: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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

/// Whether the clock is trusted as it is.
fn clock(text: &str) -> Option<bool> {
    match text {
        "ntp" => Some(false),
        "system" => Some(true),
        _ => None,
    }
}

fn cache_kib(text: &str) -> Option<u32> {
    text.parse().ok().filter(|kib| (64..=65536).contains(kib))
}

/// As a certificate names it: not an address, which no public certificate has.
fn host_name(text: &str) -> Option<String> {
    let name = rustls_pki_types::DnsName::try_from(text).ok()?;
    text.contains('.').then(|| name.as_ref().to_ascii_lowercase())
}

/// A letter left out, one too many, two swapped; more is another word.
const MAX_TYPOS: usize = 2;
