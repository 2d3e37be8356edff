//! What a new configuration changes while the agent runs, and what only a restart does. Pure.

use crate::config::Config;

/// The configuration in force after the file was read again, and the options whose new values wait for a restart.
#[must_use]
pub fn merge(old: &Config, new: Config) -> (Config, Vec<&'static str>) {
    let url = |config: &Config| config.server.as_ref().map(|s| s.url.clone());
    let ca_file = |config: &Config| config.server.as_ref().and_then(|s| s.ca_file.clone());
    let token = |config: &Config| config.server.as_ref().and_then(|s| s.token.clone());
    let [old_tls, new_tls] = [old, &new].map(|config| config.tls.as_ref());
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
        ("main.tls_name", old_tls.map(|t| &t.name) != new_tls.map(|t| &t.name)),
        ("main.tls_cert", old_tls.map(|t| &t.cert) != new_tls.map(|t| &t.cert)),
        ("main.tls_key", old_tls.map(|t| &t.key) != new_tls.map(|t| &t.key)),
        ("main.tls_listen", old_tls.map(|t| &t.listen) != new_tls.map(|t| &t.listen)),
        ("main.languages", old.languages != new.languages),
        ("main.cache_dir", old.cache_dir != new.cache_dir),
        ("main.cache_kib", old.cache_limit != new.cache_limit),
        ("main.clock", old.trusts_clock != new.trusts_clock),
        ("main.timezone", old.zone != new.zone),
        ("server.url", url(old) != url(&new)),
        ("server.ca_file", ca_file(old) != ca_file(&new)),
        // A router that is registered needs its token no more, and another one is the wish to register again.
        ("server.token", token(&new).is_some() && token(old) != token(&new)),
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

    #[test]
    fn another_certificate_and_another_token_wait_and_a_token_that_was_used_may_go() {
        let with = |name: &str, cert: &str, token: &str| {
            config(&format!(
                "config welcomed 'main'\n\toption tls_name '{name}'\n\toption tls_cert '{cert}'\n\toption tls_key '/k'\n\
                 config server\n\toption url 'https://directory.example'\n\toption token '{token}'\n"
            ))
        };
        let old = with("a.example", "/a", "one");
        let waiting = |new| merge(&old, new).1;
        assert_eq!(waiting(with("b.example", "/a", "one")), ["main.tls_name"]);
        assert_eq!(waiting(with("a.example", "/b", "two")), ["main.tls_cert", "server.token"]);
        assert_eq!(waiting(with("a.example", "/a", "")), Vec::<&str>::new());
    }
}
