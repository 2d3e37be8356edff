//! What the simulated radios send for a challenge. Whoever is asked hears all of it, however far away: it is the server
//! that asks only those nearby.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use welcome_proto::Ssid;
use welcome_proto::challenge::Heard;

/// The air of a fleet.
#[derive(Debug, Default)]
pub(super) struct Air(Mutex<BTreeMap<Ssid, Vec<Heard>>>);

impl Air {
    /// From now on these send this name.
    pub(super) fn send(&self, name: &Ssid, from: Vec<Heard>) {
        self.names().insert(name.clone(), from);
    }

    /// Nobody sends it any more.
    pub(super) fn end(&self, name: &Ssid) {
        self.names().remove(name);
    }

    /// Who sends this name.
    pub(super) fn listen(&self, name: &Ssid) -> Vec<Heard> {
        self.names().get(name).cloned().unwrap_or_default()
    }

    fn names(&self) -> MutexGuard<'_, BTreeMap<Ssid, Vec<Heard>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
