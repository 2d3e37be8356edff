//! What a new configuration changes while the agent runs, and what only a restart does. Pure.

use crate::config::Config;

/// The configuration in force after the file was read again, and the options whose new values wait for a restart.
#[must_use]
pub fn merge(old: &Config, new: Config) -> (Config, Vec<&'static str>) {
    let url = |config: &Config| config.server.as_ref().map(|s| s.url.clone());
    let ca_file = |config: &Config| config.server.as_ref().and_then(|s| s.ca_file.clone());
    let waiting = [
        ("main.enabled", old.enabled != new.enabled),
        ("main.listen", old.listen != new.listen),
        ("main.joins", old.joins != new.joins),
        ("main.hostapd_dir", old.hostapd_dir != new.hostapd_dir),
        ("main.ubus_socket", old.ubus_socket != new.ubus_socket),
        ("main.leases", old.leases != new.leases),
        ("main.status_socket", old.status_socket != new.status_socket),
        ("main.state_dir", old.state_dir != new.state_dir),
        ("main.catch", old.catch != new.catch),
        ("main.tls_listen", old.tls.as_ref().map(|t| &t.listen) != new.tls.as_ref().map(|t| &t.listen)),
        ("main.languages", old.languages != new.languages),
        ("main.cache_dir", old.cache_dir != new.cache_dir),
        ("main.cache_kib", old.cache_limit != new.cache_limit),
        ("main.clock", old.trusts_clock != new.trusts_clock),
        ("main.timezone", old.zone != new.zone),
        ("server.url", url(old) != url(&new)),
        // A router that is registered needs its token no more.
        ("server.ca_file", ca_file(old) != ca_file(&new)),
    ];
    let waiting = waiting.into_iter().filter(|(_, differs)| *differs).map(|(name, _)| name).collect();
    let Config { log_level, rules, passphrases, captive_portals, allow, files, .. } = new;
    (Config { log_level, rules, passphrases, captive_portals, allow, files, ..old.clone() }, waiting)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("f"), text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn networks_and_offers_change_at_once_and_sockets_wait() {
        let old = config("config network 'cafe'\n\tlist ifname 'wlan0'\n");
        let new = config(
            "config welcomed 'main'\n\toption log_level 'debug'\n\tlist listen '127.0.0.1:1'\n\toption joins 'ubus'\n\
             config server\n\toption url 'https://directory.example'\n\
             config network 'bar'\n\tlist ifname 'wlan1'\n",
        );
        let (merged, waiting) = merge(&old, new.clone());
        assert_eq!(waiting, ["main.listen", "main.joins", "server.url"]);
        assert_eq!((&merged.rules, merged.log_level), (&new.rules, new.log_level));
        assert_eq!((&merged.listen, merged.joins, &merged.server), (&old.listen, old.joins, &old.server));
        assert_eq!(merge(&merged, merged.clone()), (merged, vec![]));
    }
}
