//! What is shared, to be looked up by BSSID.
//!
//! In: entries of one or several listings. Out: the entry of a BSSID. A program may hold the list of a whole country, so
//! what entries have in common is stored once: a million BSSIDs take some 12 MB beside their networks.

use std::collections::BTreeMap;
use welcome_proto::lookup::ListEntry;
use welcome_proto::{AreaId, Bssid};

/// What is shared. Of two entries with one BSSID the later one counts.
#[derive(Debug, Clone, Default)]
pub struct List {
    entries: BTreeMap<Bssid, ListEntry>,
}

impl List {
    /// Puts entries together, in any order.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = ListEntry>) -> Self {
        Self { entries: entries.into_iter().map(|entry| (entry.bssid, entry)).collect() }
    }

    /// How many BSSIDs are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entry of a BSSID.
    #[must_use]
    pub fn get(&self, bssid: Bssid) -> Option<ListEntry> {
        self.entries.get(&bssid).cloned()
    }

    /// The area that a BSSID belongs to.
    #[must_use]
    pub fn area(&self, bssid: Bssid) -> Option<&AreaId> {
        self.entries.get(&bssid).map(|entry| &entry.area)
    }
}
