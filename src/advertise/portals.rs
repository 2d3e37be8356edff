//! Which captive portal API each network's guests are told of. Pure.
//!
//! The sharer's own word comes first; then the router's own name, if it has a certificate; then the server, which speaks
//! for routers that have none. The server cannot see which station asks, so that it never speaks for a gate: to be told
//! that nothing is closed, and then to find it closed, is worse than to be told nothing.

use sorted::SortedMap;

use welcome_core::Mode;
use welcome_proto::{NetworkId, lan};

use super::plan::Record;
use crate::config::{Config, Tls};

/// By network. `server` is where the server answers for this router, if that is known by now; until it is, what was
/// announced of it stays.
#[must_use]
pub fn portals(config: &Config, server: Option<&str>, record: &Record) -> SortedMap<NetworkId, String> {
    let by_router = config.tls.as_ref().map(own);
    let of_server = config.server.as_ref().filter(|s| s.url.is_tls());
    let of_server = of_server.map(|s| format!("{}/", s.url));
    let mut portals = config.captive_portals.clone();
    for (id, network) in &config.rules.networks {
        let by_server = || {
            let speaks_for_it = network.mode != Mode::Gate && network.announce.is_some();
            let of_server = of_server.as_ref().filter(|_| speaks_for_it)?;
            let mut before = record.values().filter(|e| e.network == *id).flat_map(|e| &e.dhcp_option);
            let before = before.find(|uri| uri.starts_with(of_server)).cloned();
            server.map(|base| format!("{base}/{id}")).or(before)
        };
        if network.mode != Mode::App
            && !portals.contains_key(id)
            && let Some(uri) = by_router.clone().or_else(by_server)
        {
            portals.insert(id.clone(), uri);
        }
    }
    portals
}

fn own(tls: &Tls) -> String {
    let port = tls.listen.first().map_or(443, |address| address.port());
    format!("{}{}", Tls::base(&tls.name, port), lan::CAPTIVE)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::plan::Entry;
    use super::*;

    const NETWORKS: &str = "config network 'a'\n\tlist ifname 'w0'\n\toption mode 'app'\n\
                            config network 'n'\n\tlist ifname 'w1'\n\
                            config network 'g'\n\tlist ifname 'w2'\n\toption mode 'gate'\n\
                            config network 'x'\n\tlist ifname 'w3'\n\toption announce '0'\n\
                            config network 'y'\n\tlist ifname 'w4'\n\toption captive_portal 'https://me.example/y'\n";
    const SERVER: &str = "config server 's'\n\toption url 'https://d.example:8443'\n";
    const BASE: &str = "https://d.example:8443/v1/captive/r-1";

    fn of(more: &str, server: Option<&str>, record: &Record) -> Vec<(String, String)> {
        let config = Config::parse(Path::new("f"), format!("{more}{NETWORKS}").as_bytes()).unwrap();
        portals(&config, server, record).into_iter().map(|(id, uri)| (id.to_string(), uri)).collect()
    }

    fn is(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, uri)| ((*id).to_owned(), (*uri).to_owned())).collect()
    }

    #[test]
    fn who_speaks_for_which_network() {
        let mine = ("y", "https://me.example/y");
        let nothing = Record::new();
        assert_eq!(of("", None, &nothing), is(&[mine]));
        assert_eq!(of("", Some(BASE), &nothing), is(&[mine]), "no server is configured any more");
        let by_server = format!("{BASE}/n");
        assert_eq!(of(SERVER, Some(BASE), &nothing), is(&[("n", &by_server), mine]));
        let tls = "config welcomed 'm'\n\toption tls_name 'w.example'\n\toption tls_cert '/c'\n\toption tls_key '/k'\n";
        let own = "https://w.example:8912/welcome/v1/captive";
        let all = is(&[("g", own), ("n", own), ("x", own), mine]);
        assert_eq!(of(&format!("{tls}{SERVER}"), Some(BASE), &nothing), all);
        let standard = format!("{tls}\tlist tls_listen '192.0.2.1:443'\n");
        assert_eq!(of(&standard, None, &nothing)[0].1, "https://w.example/welcome/v1/captive");
    }

    #[test]
    fn what_the_server_was_announced_as_stays_until_it_is_known_again() {
        let entry = |uri: &str| Entry {
            network: "n".parse().unwrap(),
            dhcp_option: [uri.to_owned()].into(),
            captive_portal_uri: [].into(),
        };
        let before = format!("{BASE}/n");
        let record = Record::from([("guest".to_owned(), entry(&before))]);
        let mine = ("y", "https://me.example/y");
        assert_eq!(of(SERVER, None, &record), is(&[("n", &before), mine]));
        let other = Record::from([("guest".to_owned(), entry("https://other.example/n"))]);
        assert_eq!(of(SERVER, None, &other), is(&[mine]));
        assert_eq!(of("", None, &record), is(&[mine]));
    }
}
