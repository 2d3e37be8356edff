//! What is remembered of a day: who has seen what, who wants no messages, for whom a gate stands open.
//!
//! A station stands here by a salted hash of its MAC address and by nothing else; the salt is thrown away with the day,
//! and then nobody can tell whom the hashes meant.

use sorted::SortedMap;

use siphasher::sip::SipHasher24;
use std::hash::Hasher as _;

use welcome_proto::offer::Sender;
use welcome_proto::{Mac, NetworkId, OfferId};

use crate::now::{Instant, Now};

/// A station, on this day.
pub type DailyHash = u64;

/// One day.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Day {
    /// The local date in days since 1970, as far as anybody knows.
    pub number: Option<u64>,
    /// Its secret; random.
    pub salt: [u8; 16],
    /// When it began here.
    pub began: Instant,
    /// Everybody who was here.
    pub stations: SortedMap<DailyHash, Known>,
}

/// What is known of a station.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// When its last visit began.
    pub last: Instant,
    /// Where it was.
    pub networks: SortedMap<NetworkId, Here>,
    /// How often each offer was shown.
    pub shown: SortedMap<(Sender, OfferId), u8>,
}

/// What is known of a station on one network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Here {
    /// Whether it wants no messages.
    pub declined: bool,
    /// Until when the gate stands open for it.
    pub released: Option<Instant>,
}

impl Day {
    /// The station's name on this day.
    #[must_use]
    pub fn hash(&self, mac: Mac) -> DailyHash {
        let mut hasher = SipHasher24::new_with_key(&self.salt);
        hasher.write(&mac.0);
        hasher.finish()
    }

    /// What is known of a station.
    #[must_use]
    pub fn known(&self, mac: Mac) -> Option<&Known> {
        self.stations.get(&self.hash(mac))
    }

    /// The same, to write into; it becomes known by that. The one whose last visit is the longest ago is forgotten for
    /// it if there are too many.
    pub fn know(&mut self, now: Instant, mac: Mac) -> &mut Known {
        let hash = self.hash(mac);
        if self.stations.len() >= MAX_STATIONS && !self.stations.contains_key(&hash) {
            let oldest = self.stations.iter().min_by_key(|(_, known)| known.last).map(|(hash, _)| *hash);
            oldest.map(|hash| self.stations.remove(&hash));
        }
        self.stations.entry(hash).or_insert_with(|| Known { last: now, ..Known::default() })
    }

    /// Whether this day is over. Without a date it has 24 hours; one that has no date yet takes the first it hears of.
    #[must_use]
    pub fn is_over(&mut self, now: Now) -> bool {
        match (self.number, now.calendar) {
            (Some(number), Some(calendar)) => number != calendar.day(),
            (None, Some(calendar)) if now.mono < self.began + LENGTH => {
                self.number = Some(calendar.day());
                false
            }
            (None, _) => now.mono >= self.began + LENGTH,
            // The clock is in doubt; the day it was goes on.
            (Some(_), None) => false,
        }
    }
}

/// The most stations remembered; as many as there may be visits.
const MAX_STATIONS: usize = 2048;
/// Of a day without a date.
const LENGTH: Instant = Instant::from_secs(86_400);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::calendar::Calendar;

    const ANN: Mac = Mac([2, 0, 0, 0, 0, 1]);

    #[test]
    fn another_salt_makes_another_of_everybody() {
        let [one, other] = [[1; 16], [2; 16]].map(|salt| Day { salt, ..Day::default() });
        assert_ne!(one.hash(ANN), other.hash(ANN));
        assert_ne!(one.hash(ANN), one.hash(Mac([2, 0, 0, 0, 0, 2])));
        assert_eq!(one.hash(ANN), one.clone().hash(ANN));
    }

    #[test]
    fn a_day_ends_at_midnight_and_without_a_date_after_24_hours() {
        let now = |hours: u64, unix| Now {
            mono: Duration::from_secs(hours * 3600),
            calendar: Option::map(unix, |unix| Calendar { unix, offset_s: 0 }),
            ..Now::default()
        };
        let mut undated = Day::default();
        assert!(!undated.is_over(now(23, None)));
        assert!(undated.is_over(now(24, None)));
        assert!(undated.is_over(now(24, Some(5))), "it is too late to give it a date");
        assert!(!undated.is_over(now(1, Some(86_399))));
        assert_eq!(undated.number, Some(0));
        assert!(undated.is_over(now(2, Some(86_400))));
        assert!(!undated.is_over(now(48, None)), "while the clock is in doubt nothing changes");
    }

    #[test]
    fn a_crowd_pushes_out_who_came_first() {
        let mut day = Day::default();
        let mac = |n: usize| Mac([2, 0, 0, 0, (n >> 8) as u8, n as u8]);
        for n in 0..=MAX_STATIONS {
            day.know(Duration::from_secs(n as u64), mac(n));
        }
        assert_eq!(day.stations.len(), MAX_STATIONS);
        assert!(day.known(mac(0)).is_none() && day.known(mac(MAX_STATIONS)).is_some());
    }
}
