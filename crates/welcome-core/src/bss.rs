//! Our own radios, and what to announce of them.

use sorted::{SortedMap, SortedSet};
use std::time::Duration;

use welcome_proto::announce::{Announce, AnnouncedBss, AnnouncedNetwork, LeftOut, MAX_BSS};

use crate::event::Bss;
use crate::now::Instant;
use crate::rules::{AnnounceRules, NetworkRules, Rules};

/// How long a BSS that went away stays announced: hostapd is back within seconds from a restart or `wifi reload`,
/// and the directory need not hear of it.
const DOWN_LINGER: Duration = Duration::from_secs(30);
/// How long to wait for more after a change: radios come up one by one.
const SETTLE: Duration = Duration::from_secs(1);

/// The BSS of this router, and the last announce that was made of them.
#[derive(Debug, Default)]
pub struct Radios {
    by_ifname: SortedMap<String, Entry>,
    /// What the server was told; nothing before the first radio was heard of.
    told: Option<Announce>,
    changed: Option<Instant>,
}

#[derive(Debug)]
struct Entry {
    bss: Bss,
    forget_at: Option<Instant>,
}

impl Radios {
    /// The BSS on an interface, while it is on the air.
    #[must_use]
    pub fn on_air(&self, ifname: &str) -> Option<&Bss> {
        self.by_ifname.get(ifname).filter(|e| e.forget_at.is_none()).map(|e| &e.bss)
    }

    /// The same, and while it is away for a moment.
    #[must_use]
    pub fn known(&self, ifname: &str) -> Option<&Bss> {
        self.by_ifname.get(ifname).map(|e| &e.bss)
    }

    /// Takes news of a BSS. Whether it is news.
    pub fn up(&mut self, now: Instant, bss: Bss) -> bool {
        let known = self.by_ifname.get(&bss.ifname);
        if known.is_some_and(|e| e.forget_at.is_none() && e.bss == bss) {
            return false;
        }
        self.touch(now);
        self.by_ifname.insert(bss.ifname.clone(), Entry { bss, forget_at: None });
        true
    }

    /// The BSS of an interface cannot be heard. Whether it could be before.
    pub fn down(&mut self, now: Instant, ifname: &str) -> bool {
        match self.by_ifname.get_mut(ifname) {
            Some(entry) if entry.forget_at.is_none() => {
                entry.forget_at = Some(now + DOWN_LINGER);
                true
            }
            _ => false,
        }
    }

    /// The rules may say something else of what to announce.
    pub fn touch(&mut self, now: Instant) {
        self.changed.get_or_insert(now);
    }

    /// Forgets what has been away for long, and returns the announce that is due, if it differs from the last one.
    pub fn tick(&mut self, now: Instant, rules: &Rules) -> Option<Announce> {
        let before = self.by_ifname.len();
        self.by_ifname.retain(|_, e| e.forget_at.is_none_or(|at| now < at));
        if self.by_ifname.len() != before {
            self.touch(now);
        }
        if self.changed.is_none_or(|since| now < since + SETTLE) {
            return None;
        }
        self.changed = None;
        let announce = self.announce(rules);
        // Before the first radio is heard of there is nothing to say: an empty announce would withdraw what the
        // server has from before the restart.
        let is_empty = announce.networks.is_empty() && announce.left_out.is_empty();
        if self.told.as_ref() == Some(&announce) || (self.told.is_none() && is_empty) {
            return None;
        }
        self.told = Some(announce.clone());
        Some(announce)
    }

    /// When to call [`Self::tick`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        let forget = self.by_ifname.values().filter_map(|e| e.forget_at).min().map(|at| (at, "forget a bss"));
        let announce = self.changed.map(|since| (since + SETTLE, "announce"));
        forget.into_iter().chain(announce).min()
    }

    fn announce(&self, rules: &Rules) -> Announce {
        let mut announce = Announce::default();
        for (id, network) in &rules.networks {
            let Some(AnnounceRules { key, place, .. }) = network.announce.clone() else { continue };
            let bss = self.of(network);
            // One entry has one name and one protection: those of the BSS with the lowest address.
            let Some(first) = bss.first() else { continue };
            if let Some(mark) = first.ssid.mark() {
                announce.left_out.push(LeftOut { id: id.clone(), mark });
                continue;
            }
            let alike = |b: &&&Bss| b.ssid == first.ssid && b.security == first.security;
            announce.networks.push(AnnouncedNetwork {
                id: id.clone(),
                ssid: first.ssid.clone(),
                security: first.security,
                key: key.filter(|_| first.security.needs_key()),
                place,
                bss: bss.iter().filter(alike).map(|b| AnnouncedBss { bssid: b.bssid, freq: b.freq }).collect(),
            });
        }
        announce
    }

    /// The BSS of a network, by address; one that is away for a moment is among them.
    pub fn of(&self, network: &NetworkRules) -> Vec<&Bss> {
        let ifnames: &SortedSet<String> = &network.ifnames;
        let mut bss: Vec<_> = self.by_ifname.values().map(|e| &e.bss).filter(|b| ifnames.contains(&b.ifname)).collect();
        bss.sort_by_key(|b| b.bssid);
        bss.dedup_by_key(|b| b.bssid);
        bss.truncate(MAX_BSS);
        bss
    }
}
