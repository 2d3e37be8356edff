//! What is shared, to be looked up by BSSID.
//!
//! In: entries of one or several listings. Out: the entry of a BSSID. A program may hold the list of a whole country, so what
//! entries have in common is stored once: a BSSID takes twelve bytes beside its network.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use welcome_proto::announce::Security;
use welcome_proto::lookup::{Assurance, ListEntry};
use welcome_proto::{AreaId, Bssid, Secret, Ssid};

/// What is shared. Of two entries with one BSSID the later one counts.
///
/// ```
/// use welcome_client::List;
/// use welcome_proto::lookup::Listing;
///
/// # fn main() -> Result<(), serde_json::Error> {
/// let page = |name: &str| -> serde_json::Result<Listing> {
///     serde_json::from_str(&format!(
///         r#"{{"entries":[{{"bssid":"02:00:00:00:01:00","ssid":"{name}","security":"open","area":"a-1","assurance":"witnessed"}}]}}"#
///     ))
/// };
/// let (older, newer) = (page("Corner")?, page("Corner Café")?);
/// let list: List = older.entries.into_iter().chain(newer.entries).collect();
/// assert_eq!(list.len(), 1);
/// assert_eq!(list.get("02:00:00:00:01:00".parse().unwrap()).unwrap().ssid.to_string(), "Corner Café");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Default)]
pub struct List {
    /// Ascending, each once, with the number of its network.
    index: Vec<(Bssid, u32)>,
    networks: Vec<Network>,
    areas: Vec<AreaId>,
    signers: Vec<String>,
}

/// What is the same for all BSSIDs of a network.
#[derive(Debug, Clone)]
struct Network {
    ssid: Ssid,
    key: Option<Secret>,
    area: u32,
    needed: u32,
    signer: Option<u32>,
    security: Security,
    assurance: Assurance,
}

impl List {
    /// Puts entries together, in any order. They are taken one after the other: none is held twice.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = ListEntry>) -> Self {
        let (mut networks, mut areas, mut signers) = (Once::new(), Once::new(), Once::new());
        let mut index = Vec::new();
        for ListEntry { bssid, ssid, security, key, area, needed, assurance, signer } in entries {
            let area = areas.number(area);
            let signer = signer.map(|signer| signers.number(signer));
            index.push((bssid, networks.number(Network { ssid, key, area, needed, signer, security, assurance })));
        }
        // The sort keeps the order of equal ones: behind the reversal the last of them is first, and stays.
        index.reverse();
        index.sort_by_key(|(bssid, _)| *bssid);
        index.dedup_by_key(|(bssid, _)| *bssid);
        index.shrink_to_fit();
        Self { index, networks: networks.in_order(), areas: areas.in_order(), signers: signers.in_order() }
    }

    /// How many BSSIDs are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// The entry of a BSSID.
    #[must_use]
    pub fn get(&self, bssid: Bssid) -> Option<ListEntry> {
        self.find(bssid).map(Listed::entry)
    }

    /// The area that a BSSID belongs to.
    #[must_use]
    pub fn area(&self, bssid: Bssid) -> Option<&AreaId> {
        self.find(bssid).map(Listed::area)
    }

    /// What is known of a BSSID, where it is.
    pub(crate) fn find(&self, bssid: Bssid) -> Option<Listed<'_>> {
        let at = self.index.binary_search_by_key(&bssid, |(bssid, _)| *bssid).ok()?;
        Some(Listed { bssid, network: &self.networks[self.index[at].1 as usize], list: self })
    }
}

/// One BSSID in a list.
#[derive(Clone, Copy)]
pub(crate) struct Listed<'a> {
    bssid: Bssid,
    network: &'a Network,
    list: &'a List,
}

impl<'a> Listed<'a> {
    pub(crate) fn entry(self) -> ListEntry {
        let Network { ssid, key, needed, signer, security, assurance, .. } = self.network;
        ListEntry {
            bssid: self.bssid,
            ssid: ssid.clone(),
            security: *security,
            key: key.clone(),
            area: self.area().clone(),
            needed: *needed,
            assurance: *assurance,
            signer: signer.map(|signer| self.list.signers[signer as usize].clone()),
        }
    }

    pub(crate) fn area(self) -> &'a AreaId {
        &self.list.areas[self.network.area as usize]
    }

    pub(crate) fn ssid(self) -> &'a Ssid {
        &self.network.ssid
    }

    pub(crate) fn security(self) -> Security {
        self.network.security
    }

    pub(crate) fn has_key(self) -> bool {
        self.network.key.is_some()
    }

    pub(crate) fn needed(self) -> u32 {
        self.network.needed
    }
}

impl FromIterator<ListEntry> for List {
    fn from_iter<I: IntoIterator<Item = ListEntry>>(entries: I) -> Self {
        Self::new(entries)
    }
}

impl Network {
    fn parts(&self) -> (&Ssid, u32, u32, Option<u32>, Security, Assurance, Option<&str>) {
        let Self { ssid, key, area, needed, signer, security, assurance } = self;
        (ssid, *area, *needed, *signer, *security, *assurance, key.as_ref().map(Secret::reveal))
    }
}

impl PartialEq for Network {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Network {}

impl PartialOrd for Network {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Network {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

/// Gives equal values the same number, from 0 upwards.
struct Once<T>(BTreeMap<T, u32>);

impl<T: Ord> Once<T> {
    fn new() -> Self {
        Self(BTreeMap::new())
    }

    fn number(&mut self, value: T) -> u32 {
        let next = u32::try_from(self.0.len()).expect("each takes more than a byte: so many fit into no memory");
        match self.0.entry(value) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => *new.insert(next),
        }
    }

    /// Each at the place of its number.
    fn in_order(self) -> Vec<T> {
        let mut numbered: Vec<_> = self.0.into_iter().collect();
        numbered.sort_unstable_by_key(|(_, number)| *number);
        numbered.into_iter().map(|(value, _)| value).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use welcome_proto::Mac;

    fn entry(bssid: u8, name: u8, area: u8, key: Option<u8>) -> ListEntry {
        ListEntry {
            bssid: Mac([2, 0, 0, 0, 0, bssid]).try_into().unwrap(),
            ssid: Ssid::new(&[name; 32]).unwrap(),
            security: if key.is_some() { Security::Psk } else { Security::Open },
            key: key.map(|key| Secret::new(format!("passphrase {key}"))),
            area: format!("a-{area}").parse().unwrap(),
            needed: u32::from(area),
            assurance: Assurance::Witnessed,
            signer: area.is_multiple_of(2).then(|| format!("signer {area}")),
        }
    }

    proptest! {
        #[test]
        fn every_entry_comes_back_as_it_was_and_the_last_of_a_bssid_counts(
            parts in proptest::collection::vec((0..20u8, any::<u8>(), 0..4u8, proptest::option::of(0..3u8)), 0..60),
        ) {
            let entries: Vec<_> = parts.into_iter().map(|(b, n, a, k)| entry(b, n, a, k)).collect();
            let list: List = entries.iter().cloned().collect();
            let mut expected = BTreeMap::new();
            for entry in entries {
                expected.insert(entry.bssid, entry);
            }
            prop_assert_eq!(list.len(), expected.len());
            prop_assert_eq!(list.is_empty(), expected.is_empty());
            for number in 0..=u8::MAX {
                let bssid = Mac([2, 0, 0, 0, 0, number]).try_into().unwrap();
                prop_assert_eq!(list.get(bssid), expected.get(&bssid).cloned());
                prop_assert_eq!(list.area(bssid), expected.get(&bssid).map(|entry| &entry.area));
            }
        }
    }

    #[test]
    fn what_bssids_have_in_common_is_stored_once() {
        let list = List::new((0..200).map(|number| entry(number, number % 3, 2, Some(1))));
        assert_eq!((list.len(), list.networks.len(), list.areas.len(), list.signers.len()), (200, 3, 1, 1));
    }

    #[test]
    fn a_bssid_takes_twelve_bytes() {
        assert_eq!(size_of::<(Bssid, u32)>(), 12);
    }

    #[test]
    fn the_debug_form_shows_no_key() {
        assert!(!format!("{:?}", List::new([entry(1, 1, 1, Some(7))])).contains("passphrase"));
    }
}
