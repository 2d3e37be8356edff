//! Which interface carries which section of the router's wireless configuration, as netifd tells it.
//!
//! Interfaces get their names when they come up, so a network may name its sections and leave the names to netifd.
//! Rules and what netifd says give the rules in force. A section that disappears stays for a while: netifd forgets all
//! of them while it starts again, and the stations stay on the air.

use sorted::SortedMap;
use std::time::Duration;

use welcome_proto::Secret;

use crate::now::Instant;
use crate::rules::Rules;

/// How long a section counts as there after netifd has stopped naming it; as long as a visit waits for its BSS.
const GONE_LINGER: Duration = Duration::from_secs(120);

/// One access point interface, as netifd knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wireless {
    /// Its `wifi-iface` section in `/etc/config/wireless`.
    pub section: String,
    /// Its passphrase; only where the rules let the directory have it.
    pub key: Option<Secret>,
}

/// What netifd said last.
#[derive(Debug, Default)]
pub struct Sections {
    by_ifname: SortedMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    wireless: Wireless,
    forget_at: Option<Instant>,
}

impl Sections {
    /// Takes all that netifd names at this moment.
    pub fn take(&mut self, now: Instant, named: SortedMap<String, Wireless>) {
        self.by_ifname.retain(|ifname, entry| {
            let moved = named.iter().any(|(i, w)| i != ifname && w.section == entry.wireless.section);
            entry.forget_at.get_or_insert(now + GONE_LINGER);
            !moved
        });
        let fresh = |wireless| Entry { wireless, forget_at: None };
        self.by_ifname.extend(named.into_iter().map(|(ifname, wireless)| (ifname, fresh(wireless))));
    }

    /// Forgets what has been away for long; whether there was any.
    pub fn expire(&mut self, now: Instant) -> bool {
        let before = self.by_ifname.len();
        self.by_ifname.retain(|_, e| e.forget_at.is_none_or(|at| now < at));
        self.by_ifname.len() != before
    }

    /// When to call [`Self::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        self.by_ifname.values().filter_map(|e| e.forget_at).min().map(|at| (at, "forget a wireless section"))
    }

    /// The rules in force: each network has the interfaces of its sections as well, and the key that netifd knows if it
    /// is to be shared.
    #[must_use]
    pub fn resolve(&self, rules: &Rules) -> Rules {
        let mut resolved = rules.clone();
        for (id, network) in resolved.networks.iter_mut() {
            let named = |ifname: &String| rules.networks.iter().any(|(i, n)| i != id && n.ifnames.contains(ifname));
            let of_section = self.by_ifname.iter().filter(|(_, e)| network.sections.contains(&e.wireless.section));
            let found: Vec<_> = of_section.filter(|(ifname, _)| !named(ifname)).collect();
            network.ifnames.extend(found.iter().map(|(ifname, _)| (*ifname).clone()));
            let shares = network.shares_key_of_netifd();
            if let Some(announce) = network.announce.as_mut().filter(|_| shares) {
                let known = found.iter().find_map(|(_, e)| e.wireless.key.clone());
                announce.key = announce.key.take().or(known);
            }
        }
        resolved
    }
}

#[cfg(test)]
mod tests {
    use sorted::SortedSet;

    use super::*;
    use crate::rules::{AnnounceRules, CredentialRule, NetworkRules};

    fn rules(credential: CredentialRule) -> Rules {
        let network = NetworkRules {
            sections: ["guest".to_owned()].into(),
            credential,
            announce: Some(AnnounceRules { key_of_netifd: true, ..AnnounceRules::default() }),
            ..NetworkRules::default()
        };
        Rules { networks: [("cafe".parse().unwrap(), network)].into(), offers: vec![], ownership: false }
    }

    fn named(ifname: &str, section: &str) -> SortedMap<String, Wireless> {
        let wireless = Wireless { section: section.to_owned(), key: Some(Secret::new("sesame-sesame")) };
        [(ifname.to_owned(), wireless)].into()
    }

    fn ifnames(sections: &Sections) -> Vec<String> {
        let rules = sections.resolve(&rules(CredentialRule::Bss));
        rules.networks.values().flat_map(|n| n.ifnames.clone()).collect()
    }

    #[test]
    fn a_section_has_the_interface_that_netifd_gave_it() {
        let mut sections = Sections::default();
        sections.take(Duration::ZERO, named("phy0-ap1", "guest"));
        assert_eq!(ifnames(&sections), ["phy0-ap1"]);
        sections.take(Duration::ZERO, named("phy0-ap0", "guest"));
        assert_eq!(ifnames(&sections), ["phy0-ap0"], "it moved");
        sections.take(Duration::ZERO, named("phy0-ap0", "home"));
        assert_eq!(ifnames(&sections), [""; 0], "another section has the interface");
    }

    #[test]
    fn a_section_that_netifd_forgets_for_a_moment_stays() {
        let mut sections = Sections::default();
        sections.take(Duration::ZERO, named("phy0-ap1", "guest"));
        sections.take(Duration::from_secs(10), SortedMap::new());
        assert!(!sections.expire(Duration::from_secs(129)));
        assert_eq!(ifnames(&sections), ["phy0-ap1"]);
        assert_eq!(sections.next_deadline().map(|(at, _)| at), Some(Duration::from_secs(130)));
        assert!(sections.expire(Duration::from_secs(130)));
        assert_eq!(ifnames(&sections), [""; 0]);
    }

    #[test]
    fn netifds_key_is_announced_only_where_it_is_the_guests() {
        let mut sections = Sections::default();
        sections.take(Duration::ZERO, named("phy0-ap1", "guest"));
        let key = |credential| {
            let rules = sections.resolve(&rules(credential));
            rules.networks.into_values().next().unwrap().announce.unwrap().key
        };
        assert_eq!(key(CredentialRule::Bss), Some(Secret::new("sesame-sesame")));
        let by_key = CredentialRule::Key { shared: SortedSet::new(), owner: SortedSet::new(), unknown_is_shared: true };
        assert_eq!(key(by_key), None, "the passphrase in /etc/config/wireless is the owner's");
    }
}
