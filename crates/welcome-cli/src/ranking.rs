//! What is remembered of networks from one run to the next, so that the best of several is joined.
//!
//! In: candidates, and how joining ended. Out: the candidates, best first; and the file `memory.json` in the state directory,
//! for its owner only: it tells where they have been. Losing it costs nothing but that, so no failure here ends a command.

use crate::kept;
use crate::run::Run;
use std::time::{SystemTime, UNIX_EPOCH};
use welcome_client::{Candidate, Memory};

impl Run<'_> {
    /// Sorts candidates, best first.
    pub(crate) fn rank(&self, candidates: &mut [Candidate]) {
        self.remember(|memory, now| memory.rank(candidates, now));
    }

    /// Notes how joining the network went that was best.
    pub(crate) fn tried(&self, well: bool) {
        self.remember(|memory, now| match memory.chosen() {
            Some(bssid) if well => memory.succeeded(bssid, now),
            Some(bssid) => memory.failed(bssid, now),
            None => {}
        });
    }

    fn remember(&self, change: impl FnOnce(&mut Memory, u64)) {
        let mut memory = kept::load(&self.state, FILE, MAX_BYTES).unwrap_or_else(|error| {
            tracing::debug!("an empty memory: {error:#}");
            None
        });
        let memory = memory.get_or_insert_default();
        change(memory, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs());
        if let Err(error) = kept::save(&self.state, FILE, memory) {
            self.output.note(&format!("{error:#}"));
        }
    }
}

const FILE: &str = "memory.json";
/// Some 120 bytes for each of [`Memory::MOST`].
const MAX_BYTES: u64 = 1 << 20;
