//! How long the agent takes from hearing of a guest to having the offer ready.
//!
//! In: one sample for each join that was handled. Out: numbers for the status and the bench. A ring of fixed size;
//! never allocates after its creation.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use welcome_core::SessionId;

/// How many of the latest samples count.
const KEPT: usize = 256;

/// Keeps the latest samples.
#[derive(Debug, Default)]
pub struct Meter {
    ring: Mutex<Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    samples: Vec<Sample>,
    next: usize,
    count: u32,
}

/// One join.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// The visit it began or went on with.
    pub session: SessionId,
    /// From reading hostapd's datagram to the offer being there to fetch, in microseconds.
    pub ready_us: u32,
}

/// The latest samples in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// How many joins were handled since the start; the other numbers are of the latest 256.
    pub count: u32,
    /// The latest, in microseconds.
    pub last_us: u32,
    /// Half took no longer than this.
    pub p50_us: u32,
    /// All but one in a hundred took no longer than this.
    pub p99_us: u32,
}

impl Meter {
    /// Notes how long a join took.
    pub fn note(&self, session: SessionId, took: Duration) {
        let sample = Sample { session, ready_us: u32::try_from(took.as_micros()).unwrap_or(u32::MAX) };
        let mut ring = self.ring();
        let next = ring.next;
        match ring.samples.get_mut(next) {
            Some(old) => *old = sample,
            None => ring.samples.push(sample),
        }
        ring.next = (next + 1) % KEPT;
        ring.count = ring.count.saturating_add(1);
    }

    /// The numbers, once there was a join.
    #[must_use]
    pub fn summary(&self) -> Option<Summary> {
        let (mut sorted, last_us, count) = {
            let ring = self.ring();
            let last = ring.samples.get((ring.next + KEPT - 1) % KEPT)?;
            let all: Vec<u32> = ring.samples.iter().map(|s| s.ready_us).collect();
            (all, last.ready_us, ring.count)
        };
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).max(1) - 1).copied();
        Some(Summary { count, last_us, p50_us: at(50)?, p99_us: at(99)? })
    }

    /// How long the latest join of a visit took, in microseconds, if it is not too long ago.
    #[must_use]
    pub fn of(&self, session: SessionId) -> Option<u32> {
        let ring = self.ring();
        let (newer, older) = ring.samples.split_at(ring.next.min(ring.samples.len()));
        let mut latest_first = newer.iter().rev().chain(older.iter().rev());
        latest_first.find(|s| s.session == session).map(|s| s.ready_us)
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        // Whoever panicked while holding it left numbers behind, which are no danger.
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use sorted::SortedMap;

    use welcome_core::{Agent, Event, Now};

    use super::*;

    /// The core gives out the names of visits; so they come from there.
    fn sessions(n: u8) -> Vec<SessionId> {
        let network = welcome_core::NetworkRules { ifnames: ["w".to_owned()].into(), ..Default::default() };
        let rules = welcome_core::Rules {
            networks: SortedMap::from([("n".parse().unwrap(), network)]),
            offers: vec![],
            ownership: false,
        };
        let mut agent = Agent::default();
        let now = Now::default();
        let joins = (0..n).map(|i| Event::StationAuthorized {
            ifname: "w".to_owned(),
            mac: welcome_proto::Mac([2, 0, 0, 0, 0, i]),
            key: None,
        });
        for event in std::iter::once(Event::Rules(rules)).chain(joins) {
            assert!(!agent.handle(now, event).is_empty());
        }
        agent.view().sessions.into_keys().collect()
    }

    #[test]
    fn percentiles_are_of_the_latest_samples() {
        let ids = sessions(2);
        let meter = Meter::default();
        assert_eq!(meter.summary(), None);
        for us in 0..1000 {
            meter.note(ids[0], Duration::from_micros(us));
        }
        // The latest 256 are 744 to 999; 253.44 of them are 99 in a hundred.
        assert_eq!(meter.summary(), Some(Summary { count: 1000, last_us: 999, p50_us: 871, p99_us: 997 }));
        meter.note(ids[1], Duration::from_micros(5));
        assert_eq!((meter.of(ids[0]), meter.of(ids[1])), (Some(999), Some(5)));
    }
}
