//! Which edits of `/etc/config/dhcp` announce the captive portal API, and which take that back. Pure.
//!
//! In: the `dhcp` sections as they are, the URI wanted on each logical interface, and what the agent put there before.
//! Out: edits of two options, and what the agent has there after them. Must never touch another option, nor an entry
//! that the agent did not make: who announces a portal of their own is left alone, on the whole interface, since clients
//! that are told of two do not know which to believe.

use sorted::{SortedMap, SortedSet};

use serde::{Deserialize, Serialize};
use welcome_proto::NetworkId;

use crate::rpcd::Value;

/// A section of the kind `dhcp`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Section {
    /// Its name; if it has none, `cfgXXXXXX` by its place in the file.
    pub name: String,
    /// Its options.
    pub options: SortedMap<String, Value>,
}

/// What an interface is to announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    /// For which network.
    pub network: NetworkId,
    /// The captive portal API.
    pub uri: String,
}

/// What the agent put where, by logical interface.
pub type Record = SortedMap<String, Entry>;

/// What the agent put into the section of one interface. Several URIs in one option: an exchange that may or may not
/// have been carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// For which network.
    pub network: NetworkId,
    /// In `dhcp_option`, as `114,URI`.
    #[serde(default, skip_serializing_if = "SortedSet::is_empty")]
    pub dhcp_option: SortedSet<String>,
    /// In `captive_portal_uri`.
    #[serde(default, skip_serializing_if = "SortedSet::is_empty")]
    pub captive_portal_uri: SortedSet<String>,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Plan {
    /// In this order.
    pub edits: Vec<Edit>,
    /// What the agent has there afterwards.
    pub record: Record,
    /// What stands in the way.
    pub foreign: SortedSet<Foreign>,
}

/// One change of one option.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The section's name.
    pub section: String,
    /// The option's name: [`DHCP_OPTION`] or [`CAPTIVE_PORTAL_URI`].
    pub option: &'static str,
    /// Its new value; `None` takes it away.
    pub value: Option<Value>,
}

/// A captive portal that somebody else announces in place of ours.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Foreign {
    /// On which logical interface.
    pub interface: String,
    /// By which option.
    pub option: &'static str,
    /// With this value.
    pub value: String,
}

/// What dnsmasq sends to those who ask for it.
pub const DHCP_OPTION: &str = "dhcp_option";
/// What odhcpd sends, by DHCP of both kinds and in router advertisements.
pub const CAPTIVE_PORTAL_URI: &str = "captive_portal_uri";
/// What dnsmasq sends whether or not it is asked for.
const DHCP_OPTION_FORCE: &str = "dhcp_option_force";

/// Which URI each logical interface is to announce, from those of the networks and the interfaces that each network is
/// on. A network that is on none at the moment keeps what it has: its radio is off, and writing to flash each time it
/// goes off and on again would wear that out. Until all radios are `settled` every network does.
#[must_use]
pub fn wishes(
    portals: &SortedMap<NetworkId, String>,
    interfaces: &SortedMap<NetworkId, SortedSet<String>>,
    settled: bool,
    record: &Record,
) -> SortedMap<String, Wish> {
    let mut wishes = SortedMap::new();
    for (network, uri) in portals {
        let on = interfaces.get(network).filter(|on| !on.is_empty());
        let keeps = |entry: &Entry| entry.network == *network && (on.is_none() || !settled);
        let kept = record.iter().filter(|(_, entry)| keeps(entry)).map(|(interface, _)| interface);
        for interface in on.into_iter().flatten().chain(kept) {
            // Where two networks share an interface its clients cannot be told apart: the first one speaks.
            let wish = || Wish { network: network.clone(), uri: uri.clone() };
            wishes.entry(interface.clone()).or_insert_with(wish);
        }
    }
    wishes
}

/// What leads from the sections as they are to the wishes. `odhcpd` says whether [`CAPTIVE_PORTAL_URI`] has a reader.
#[must_use]
pub fn plan(sections: &[Section], wishes: &SortedMap<String, Wish>, record: &Record, odhcpd: bool) -> Plan {
    let mut plan = Plan::default();
    for interface in wishes.keys().chain(record.keys()).collect::<SortedSet<_>>() {
        let here: Vec<_> = sections.iter().filter(|s| s.interface() == Some(interface)).collect();
        let (wish, ours) = (wishes.get(interface), record.get(interface));
        let foreign: Vec<_> = here.iter().flat_map(|s| foreign(s, interface, ours)).collect();
        let free = wish.filter(|_| foreign.is_empty());
        for section in here {
            let wish = free.filter(|_| !section.is_ignored());
            plan.change_dhcp_option(section, wish, ours);
            plan.change_captive_portal_uri(section, wish.filter(|_| odhcpd), ours);
            if let Some(Wish { network, uri }) = wish {
                let entry =
                    || Entry { network: network.clone(), dhcp_option: [].into(), captive_portal_uri: [].into() };
                let entry = plan.record.entry(interface.clone()).or_insert_with(entry);
                entry.dhcp_option.insert(uri.clone());
                entry.captive_portal_uri.extend(odhcpd.then(|| uri.clone()));
            }
        }
        // Who says what we would say is in nobody's way.
        plan.foreign.extend(foreign.into_iter().filter(|f| wish.is_some_and(|w| !f.says(&w.uri))));
    }
    plan
}

/// Both: what may be there while one is turned into the other.
#[must_use]
pub fn union(one: &Record, other: &Record) -> Record {
    let mut both = one.clone();
    for (interface, entry) in other {
        let Entry { network, dhcp_option, captive_portal_uri } = entry.clone();
        match both.get_mut(interface) {
            None => drop(both.insert(interface.clone(), entry.clone())),
            Some(known) => {
                known.network = network;
                known.dhcp_option.extend(dhcp_option);
                known.captive_portal_uri.extend(captive_portal_uri);
            }
        }
    }
    both
}

impl Plan {
    fn change_dhcp_option(&mut self, section: &Section, wish: Option<&Wish>, ours: Option<&Entry>) {
        let before = section.options.get(DHCP_OPTION);
        let mut wanted = wish.map(|w| announce(&w.uri));
        // The first of ours gives its place to what is wanted, so that nothing moves that need not.
        let mut exchange = |entry: &str| match is_ours(entry, ours) {
            false => Some(entry.to_owned()),
            true => wanted.take(),
        };
        let after = match before {
            None => Value::List(Vec::new()),
            Some(Value::List(entries)) => Value::List(entries.iter().filter_map(|e| exchange(e)).collect()),
            Some(Value::One(text)) => Value::One(exchange_words(text, exchange)),
        };
        let after = match (after, wanted) {
            (after, None) => after,
            (Value::List(entries), Some(new)) => Value::List(entries.into_iter().chain([new]).collect()),
            (Value::One(text), Some(new)) if text.is_empty() => Value::One(new),
            (Value::One(text), Some(new)) => Value::One(format!("{text} {new}")),
        };
        let after = Some(after).filter(|a| !a.is_empty());
        self.edit(section, DHCP_OPTION, before, after);
    }

    fn change_captive_portal_uri(&mut self, section: &Section, wish: Option<&Wish>, ours: Option<&Entry>) {
        let before = section.options.get(CAPTIVE_PORTAL_URI);
        let after = match (wish, before) {
            (Some(wish), _) => Some(Value::One(wish.uri.clone())),
            (None, Some(Value::One(uri))) if ours.is_some_and(|o| o.captive_portal_uri.contains(uri)) => None,
            (None, other) => other.cloned(),
        };
        self.edit(section, CAPTIVE_PORTAL_URI, before, after);
    }

    fn edit(&mut self, section: &Section, option: &'static str, before: Option<&Value>, value: Option<Value>) {
        if before != value.as_ref() {
            self.edits.push(Edit { section: section.name.clone(), option, value });
        }
    }
}

impl Section {
    /// The logical interface it is for.
    #[must_use]
    pub fn interface(&self) -> Option<&String> {
        match self.options.get("interface") {
            Some(Value::One(name)) => Some(name),
            _ => None,
        }
    }

    /// Whether the DHCP server is told to leave this interface alone.
    fn is_ignored(&self) -> bool {
        let word = |w: &str| ["1", "on", "true", "yes", "enabled"].contains(&w);
        matches!(self.options.get("ignore"), Some(Value::One(text)) if word(text))
    }
}

impl Foreign {
    fn says(&self, uri: &str) -> bool {
        let announced = self.value.strip_prefix(ANNOUNCE).filter(|_| self.option != CAPTIVE_PORTAL_URI);
        announced.unwrap_or(&self.value) == uri
    }
}

/// What a section announces that is not ours.
fn foreign(section: &Section, interface: &str, ours: Option<&Entry>) -> Vec<Foreign> {
    let entries = |option| section.options.get(option).map(Value::entries).unwrap_or_default();
    let forced = entries(DHCP_OPTION_FORCE).into_iter().map(|e| (DHCP_OPTION_FORCE, e));
    let plain = entries(DHCP_OPTION).into_iter().filter(|e| !is_ours(e, ours)).map(|e| (DHCP_OPTION, e));
    let uri = entries(CAPTIVE_PORTAL_URI).into_iter();
    let uri = uri.filter(|u| !ours.is_some_and(|o| o.captive_portal_uri.contains(*u))).map(|u| (CAPTIVE_PORTAL_URI, u));
    let portals = forced.chain(plain).filter(|(_, entry)| is_captive_portal(entry)).chain(uri);
    let foreign =
        |(option, value): (_, &str)| Foreign { interface: interface.to_owned(), option, value: value.to_owned() };
    portals.map(foreign).collect()
}

fn is_ours(entry: &str, ours: Option<&Entry>) -> bool {
    let uri = entry.strip_prefix(ANNOUNCE);
    uri.is_some_and(|uri| ours.is_some_and(|o| o.dhcp_option.contains(uri)))
}

/// Whether an entry of dnsmasq's is about the captive portal; it may be meant for some clients alone.
fn is_captive_portal(entry: &str) -> bool {
    let mut parts = entry.split(',').map(str::trim).skip_while(|p| p.starts_with("tag:") || p.starts_with("net:"));
    parts.next().is_some_and(|option| ["114", "option:captive-portal"].contains(&option))
}

fn announce(uri: &str) -> String {
    format!("{ANNOUNCE}{uri}")
}

/// Passes each word through `exchange` and leaves the blanks between the others as they are.
fn exchange_words(text: &str, mut exchange: impl FnMut(&str) -> Option<String>) -> String {
    let mut after = String::new();
    for piece in text.split_inclusive(|c: char| c.is_ascii_whitespace()) {
        let word = piece.trim_end_matches(|c: char| c.is_ascii_whitespace());
        let blank = &piece[word.len()..];
        match exchange(word) {
            Some(word) => after.extend([&word, blank]),
            // The last word takes the blank before it along.
            None if blank.is_empty() => drop(after.pop()),
            None => {}
        }
    }
    after
}

/// RFC 8910's option of DHCPv4.
const ANNOUNCE: &str = "114,";

#[cfg(test)]
mod tests;
