//! Which interfaces are ours: those the configuration names, and those of the sections it names. Pure.
//!
//! In: the configuration and what netifd says. Out: what the core is to hear of netifd's word, and a table for the other
//! watchers. A passphrase passes only where the configuration lets the directory have it.

use sorted::{SortedMap, SortedSet};
use std::time::Duration;

use welcome_core::wireless::Sections;
use welcome_core::{NetworkRules, Rules, Wireless};
use welcome_proto::announce::Security;
use welcome_proto::{NetworkId, Secret};

use crate::config::Config;
use crate::netifd::{self, Interface};

/// The interfaces that are ours at this moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ours {
    /// By name.
    pub by_ifname: SortedMap<String, Our>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Our {
    /// Whose it is.
    pub network: NetworkId,
    /// How stations join, if netifd told.
    pub security: Option<Security>,
}

/// What was heard so far.
#[derive(Debug, Default)]
pub struct Finder {
    /// All access points that netifd named last.
    named: SortedMap<String, Interface>,
    sections: Sections,
}

impl Finder {
    /// Takes netifd's word. While it is not settled nothing that was there counts as gone.
    pub fn take(&mut self, now: Duration, wireless: netifd::Wireless) {
        let named = wireless.interfaces.into_iter().map(|i| (i.ifname.clone(), i));
        if wireless.settled {
            self.named = named.collect();
        } else {
            self.named.extend(named);
        }
        let section = |i: &Interface| Wireless { section: i.section.clone(), key: None };
        self.sections.take(now, self.named.iter().map(|(ifname, i)| (ifname.clone(), section(i))).collect());
    }

    /// Netifd's word as the core is to have it.
    #[must_use]
    pub fn wireless(&self, rules: &Rules) -> SortedMap<String, Wireless> {
        let known = |i: &Interface| Wireless { section: i.section.clone(), key: shared_key(rules, i) };
        self.named.iter().map(|(ifname, i)| (ifname.clone(), known(i))).collect()
    }

    /// The sections that the configuration names and netifd does not.
    #[must_use]
    pub fn missing(&self, rules: &Rules) -> SortedSet<String> {
        let is_named = |section: &&String| self.named.values().any(|i| i.section == **section);
        rules.networks.values().flat_map(|n| &n.sections).filter(|s| !is_named(s)).cloned().collect()
    }

    /// What is ours.
    #[must_use]
    pub fn ours(&mut self, now: Duration, config: &Config) -> Ours {
        // As the core does it, so that both agree at all times.
        self.sections.expire(now);
        let resolved = self.sections.resolve(&config.rules);
        let mut by_ifname = SortedMap::new();
        for (network, rules) in resolved.networks {
            for ifname in rules.ifnames {
                let security = self.named.get(&ifname).and_then(|i| i.security);
                by_ifname.insert(ifname, Our { network: network.clone(), security });
            }
        }
        Ours { by_ifname }
    }
}

/// The passphrase of an interface, where the directory may have it.
fn shared_key(rules: &Rules, interface: &Interface) -> Option<Secret> {
    let is_whole = |key: &&Secret| (8..=63).contains(&key.reveal().len());
    let key = interface.key.as_ref().filter(is_whole)?;
    let shares = |n: &&NetworkRules| n.sections.contains(&interface.section) && n.shares_key_of_netifd();
    rules.networks.values().find(shares).map(|_| key.clone())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn config(text: &str) -> Config {
        Config::parse(Path::new("f"), text.as_bytes()).unwrap_or_else(|e| panic!("{e}"))
    }

    fn named(ifname: &str, section: &str, key: &str) -> Interface {
        Interface {
            ifname: ifname.to_owned(),
            section: section.to_owned(),
            radio: "radio0".to_owned(),
            networks: vec![],
            ssid: None,
            encryption: "psk2".to_owned(),
            security: Some(Security::Psk),
            key: Some(Secret::new(key)),
        }
    }

    fn found(ours: &Ours) -> Vec<(&str, &str, Option<Security>)> {
        ours.by_ifname.iter().map(|(ifname, o)| (&**ifname, o.network.as_str(), o.security)).collect()
    }

    const CAFE: &str = "config network 'cafe'\n\tlist ifname 'wlan0'\n\tlist section 'guest'\n\toption share_key '1'\n\
                        config network 'bar'\n\tlist section 'bar'\n";

    #[test]
    fn named_interfaces_are_ours_and_those_of_named_sections_as_well() {
        let config = config(CAFE);
        let mut finder = Finder::default();
        assert_eq!(found(&finder.ours(Duration::ZERO, &config)), [("wlan0", "cafe", None)], "without netifd");
        let interfaces =
            vec![named("phy0-ap0", "home", "x"), named("phy0-ap1", "guest", "x"), named("wlan0", "y", "x")];
        finder.take(Duration::ZERO, netifd::Wireless { interfaces, settled: true });
        let psk = Some(Security::Psk);
        assert_eq!(found(&finder.ours(Duration::ZERO, &config)), [("phy0-ap1", "cafe", psk), ("wlan0", "cafe", psk)]);
        assert_eq!(finder.missing(&config.rules), ["bar".to_owned()].into());
    }

    #[test]
    fn what_is_missing_while_netifd_starts_is_not_gone() {
        let config = config(CAFE);
        let mut finder = Finder::default();
        let both = vec![named("phy0-ap1", "guest", "x"), named("phy0-ap2", "bar", "x")];
        finder.take(Duration::ZERO, netifd::Wireless { interfaces: both, settled: true });
        let moved = vec![named("phy0-ap3", "bar", "x")];
        finder.take(Duration::from_secs(1), netifd::Wireless { interfaces: moved, settled: false });
        let ifnames = |ours: Ours| ours.by_ifname.into_keys().collect::<Vec<_>>();
        assert_eq!(
            ifnames(finder.ours(Duration::from_secs(500), &config)),
            ["phy0-ap1", "phy0-ap2", "phy0-ap3", "wlan0"]
        );
        finder.take(Duration::from_secs(500), netifd::Wireless { interfaces: vec![], settled: true });
        assert_eq!(finder.wireless(&config.rules), SortedMap::new());
        assert_eq!(ifnames(finder.ours(Duration::from_secs(619), &config)).len(), 4, "the core waits for it as long");
        assert_eq!(ifnames(finder.ours(Duration::from_secs(620), &config)), ["wlan0"]);
    }

    #[test]
    fn a_passphrase_passes_only_where_it_may_be_shared() {
        let key_of = |text: &str, key: &str| {
            let config = config(text);
            let mut finder = Finder::default();
            let interfaces = vec![named("phy0-ap1", "guest", key), named("phy0-ap2", "home", "of the house")];
            finder.take(Duration::ZERO, netifd::Wireless { interfaces, settled: true });
            let wireless = finder.wireless(&config.rules);
            assert_eq!(wireless["phy0-ap2"], Wireless { section: "home".to_owned(), key: None });
            wireless["phy0-ap1"].key.as_ref().map(|k| k.reveal().to_owned())
        };
        assert_eq!(key_of(CAFE, "sesame-sesame").as_deref(), Some("sesame-sesame"));
        assert_eq!(key_of(CAFE, &"0".repeat(64)), None, "a PMK is no passphrase");
        let guest = "config network 'cafe'\n\tlist section 'guest'\n";
        assert_eq!(key_of(guest, "sesame-sesame"), None, "nobody asked for it");
        let own = format!("{guest}\toption share_key '1'\n\toption key 'another one'\n");
        assert_eq!(key_of(&own, "sesame-sesame"), None, "the configuration has its own");
        let by_key = format!("{own}\toption credential 'passphrase'\n");
        assert_eq!(key_of(&by_key, "sesame-sesame"), None, "it is the owner's");
        assert_eq!(
            key_of(&format!("{CAFE}\toption announce '0'\n").replace("share_key '1'", "announce '0'"), "sesame-sesame"),
            None
        );
    }
}
