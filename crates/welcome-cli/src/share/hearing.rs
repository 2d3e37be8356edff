//! What a witness has heard of a challenge, and when that is enough to tell. Pure.
//!
//! In: what scans heard, and the time. Out: what of it is news, and what to tell the server: networks with a challenge's
//! name and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use welcome_client::Sighting;
use welcome_proto::challenge::{ChallengeName, Heard, HeardName, MAX_HEARD};
use welcome_proto::{Bssid, Ssid};

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    heard: BTreeMap<(Bssid, Ssid), Heard>,
    /// When the first of it was.
    since: Option<Instant>,
    /// How much of it the server was told.
    told: usize,
    /// The radios that are to carry the name, as far as that is known.
    pub(super) expected: BTreeSet<Bssid>,
    /// Whether its router has said that it carries the name.
    pub(super) on_air: bool,
}

impl Hearing {
    /// Takes what a scan heard; gives what of it is news. Without a name every challenge's name counts.
    pub(super) fn note(
        &mut self,
        sightings: Vec<Sighting>,
        name: Option<&ChallengeName>,
        now: Instant,
    ) -> Vec<Sighting> {
        let mut news = Vec::new();
        for sighting in sightings {
            let Some(ssid) = sighting.ssid.clone() else { continue };
            let counts = match name {
                Some(name) => *name.ssid() == ssid,
                None => ChallengeName::try_from(ssid.clone()).is_ok(),
            };
            let place = (sighting.bssid, ssid);
            if !counts || (self.heard.len() >= MAX_HEARD && !self.heard.contains_key(&place)) {
                continue;
            }
            let heard = Heard {
                bssid: sighting.bssid,
                signal: i16::try_from(sighting.signal).unwrap_or_default(),
                freq: u16::try_from(sighting.freq).unwrap_or_default(),
            };
            if self.heard.insert(place, heard).is_none() {
                self.since.get_or_insert(now);
                news.push(sighting);
            }
        }
        news
    }

    /// Whether the server should be told: a challenge is good once, so each radio that will be heard should be in it.
    pub(super) fn is_ready(&self, now: Instant) -> bool {
        let Some(since) = self.since.filter(|_| self.heard.len() > self.told) else { return false };
        let complete = !self.expected.is_empty()
            && self.expected.iter().all(|bssid| self.heard.keys().any(|(heard, _)| heard == bssid));
        complete || now.duration_since(since) >= SETTLE
    }

    pub(super) fn tell(&mut self) -> Vec<HeardName> {
        self.told = self.heard.len();
        self.heard.iter().map(|((_, ssid), heard)| HeardName { ssid: ssid.clone(), heard: heard.clone() }).collect()
    }
}

/// For a network's other radios to be heard, once the first one was.
const SETTLE: Duration = Duration::from_secs(6);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NAME: &str = "welcome-k3j5z8q2m7x4c6v9";

    fn sighting(number: u8, ssid: &str) -> Sighting {
        let bssid = format!("02:00:00:00:00:{number:02x}").parse().unwrap();
        Sighting { bssid, ssid: Some(ssid.parse().unwrap()), security: None, signal: -50, freq: 2412 }
    }

    fn names(told: &[HeardName]) -> Vec<String> {
        told.iter().map(|heard| heard.ssid.to_string()).collect()
    }

    #[test]
    fn what_has_no_challenges_name_is_told_to_nobody() {
        let (mut hearing, now) = (Hearing::default(), Instant::now());
        let other = "welcome-9v6c4x7m2q8z5j3k";
        let hidden = Sighting { ssid: None, ..sighting(9, "x") };
        let heard = vec![sighting(1, "Cafe"), sighting(1, NAME), sighting(2, other), hidden];
        assert_eq!(hearing.note(heard.clone(), None, now).len(), 2);
        assert_eq!(names(&hearing.tell()), [NAME, other]);
        let mut hearing = Hearing::default();
        assert_eq!(hearing.note(heard, Some(&NAME.parse().unwrap()), now), [sighting(1, NAME)]);
        assert_eq!(names(&hearing.tell()), [NAME]);
    }

    #[test]
    fn it_waits_for_the_other_radios_and_not_for_long() {
        let (mut hearing, now) = (Hearing::default(), Instant::now());
        hearing.expected = [sighting(1, NAME).bssid, sighting(2, NAME).bssid].into();
        assert!(!hearing.is_ready(now));
        hearing.note(vec![sighting(1, NAME)], None, now);
        assert!(!hearing.is_ready(now) && hearing.is_ready(now + SETTLE));
        hearing.note(vec![sighting(2, NAME)], None, now);
        assert!(hearing.is_ready(now));
        hearing.tell();
        assert!(!hearing.is_ready(now + SETTLE), "it was told");
        hearing.note(vec![sighting(3, NAME)], None, now);
        assert!(hearing.is_ready(now + SETTLE), "there is more to tell");
    }

    proptest! {
        #[test]
        fn nobody_makes_it_tell_more_than_the_server_takes(radios in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut hearing = Hearing::default();
            let heard = radios.iter().map(|number| sighting(*number, NAME)).collect();
            let news = hearing.note(heard, None, Instant::now());
            prop_assert!(hearing.tell().len() <= MAX_HEARD && news.len() == hearing.tell().len());
        }
    }
}
