//! Who is on one BSS, and since when at the latest it has been so. Pure.
//!
//! In: joins, leaves and snapshots of either way to hostapd. Out: for each station of a snapshot the longest that it can
//! have been there. hostapd's control socket tells that itself; ubus does not. A station that was absent from the last
//! snapshot, and is in this one, joined after the last was asked for. Who is in the first snapshot may have been there
//! for days.

use sorted::SortedMap;
use std::time::Instant;

use welcome_core::Present;
use welcome_proto::Mac;

/// The most stations remembered. hostapd's own limit is 2007 a BSS.
const MAX: usize = 4096;

/// Remembered for as long as the interface is ours: whoever is thrown out by a restart of hostapd, and is found again
/// by a snapshot, is not new.
#[derive(Debug, Default)]
pub struct Roster {
    /// Not before this moment did a station last join, or leave. Nothing: nobody knows.
    seen: SortedMap<Mac, Option<Instant>>,
    /// When the last snapshot was asked for.
    asked: Option<Instant>,
}

impl Roster {
    /// A station was heard to join or to leave.
    pub fn heard(&mut self, mac: Mac, at: Instant) {
        // Beyond that it is random addresses that come and go within one minute; the next snapshot clears them away.
        if self.seen.len() < MAX || self.seen.contains_key(&mac) {
            self.seen.insert(mac, Some(at));
        }
    }

    /// Takes a snapshot that was asked for at `asked`. Stations without a time get the longest it can be, as of `now`;
    /// those for whom it may be any are left without.
    pub fn snapshot(&mut self, asked: Instant, now: Instant, present: &mut [Present]) {
        let before = std::mem::take(&mut self.seen);
        for station in present {
            let since = match station.connected {
                Some(connected) => now.checked_sub(connected),
                // Who was heard to leave came back after that, unheard.
                None => before.get(&station.mac).copied().unwrap_or(self.asked),
            };
            station.connected = since.map(|since| now.saturating_duration_since(since));
            self.seen.insert(station.mac, since);
        }
        // What was heard since the asking is newer than the answer.
        self.seen.extend(before.into_iter().filter(|(_, heard)| *heard >= Some(asked)));
        self.asked = Some(asked);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ANN: Mac = Mac([2, 0, 0, 0, 0xa, 0]);
    const BOB: Mac = Mac([2, 0, 0, 0, 0xb, 0]);

    /// Seconds on a clock of the test's own.
    struct Time(Instant);

    impl Time {
        fn at(&self, seconds: u64) -> Instant {
            self.0 + Duration::from_secs(seconds)
        }

        /// A snapshot that is answered one second after it was asked for.
        fn snapshot(&self, roster: &mut Roster, asked: u64, present: &[Mac]) -> Vec<(Mac, Option<u64>)> {
            let station = |mac: &Mac| Present { mac: *mac, key: None, connected: None };
            let mut present: Vec<_> = present.iter().map(station).collect();
            roster.snapshot(self.at(asked), self.at(asked + 1), &mut present);
            present.iter().map(|p| (p.mac, p.connected.map(|c| c.as_secs()))).collect()
        }
    }

    fn start() -> (Time, Roster) {
        (Time(Instant::now()), Roster::default())
    }

    #[test]
    fn of_the_first_snapshot_nobody_knows_since_when() {
        let (time, mut roster) = start();
        assert_eq!(time.snapshot(&mut roster, 100, &[ANN]), [(ANN, None)]);
        assert_eq!(time.snapshot(&mut roster, 160, &[ANN]), [(ANN, None)], "nor later");
    }

    #[test]
    fn who_was_not_there_a_minute_ago_came_within_that_minute() {
        let (time, mut roster) = start();
        time.snapshot(&mut roster, 100, &[ANN]);
        assert_eq!(time.snapshot(&mut roster, 160, &[ANN, BOB]), [(ANN, None), (BOB, Some(61))]);
        assert_eq!(time.snapshot(&mut roster, 220, &[ANN, BOB]), [(ANN, None), (BOB, Some(121))]);
    }

    #[test]
    fn a_join_and_a_leave_that_were_heard_say_more() {
        let (time, mut roster) = start();
        time.snapshot(&mut roster, 100, &[BOB]);
        roster.heard(ANN, time.at(110));
        roster.heard(BOB, time.at(120));
        assert_eq!(time.snapshot(&mut roster, 130, &[ANN, BOB]), [(ANN, Some(21)), (BOB, Some(11))]);
    }

    #[test]
    fn what_happened_while_the_answer_was_on_its_way_is_newer_than_it() {
        let (time, mut roster) = start();
        time.snapshot(&mut roster, 100, &[BOB]);
        roster.heard(ANN, time.at(160));
        roster.heard(BOB, time.at(160));
        time.snapshot(&mut roster, 160, &[BOB]);
        assert_eq!(time.snapshot(&mut roster, 220, &[ANN, BOB]), [(ANN, Some(61)), (BOB, Some(61))]);
    }

    #[test]
    fn who_left_and_is_in_no_snapshot_is_forgotten() {
        let (time, mut roster) = start();
        roster.heard(ANN, time.at(90));
        roster.heard(ANN, time.at(95));
        time.snapshot(&mut roster, 100, &[]);
        assert!(roster.seen.is_empty());
        for n in 0..10_000u16 {
            let [high, low] = n.to_be_bytes();
            roster.heard(Mac([2, 0, 0, 1, high, low]), time.at(101));
        }
        assert_eq!(roster.seen.len(), MAX);
        time.snapshot(&mut roster, 160, &[]);
        assert!(roster.seen.is_empty());
    }

    #[test]
    fn hostapds_own_word_is_taken() {
        let (time, mut roster) = start();
        let mut present = [Present { mac: ANN, key: None, connected: Some(Duration::from_secs(40)) }];
        roster.snapshot(time.at(100), time.at(100), &mut present);
        assert_eq!(present[0].connected, Some(Duration::from_secs(40)));
        assert_eq!(time.snapshot(&mut roster, 160, &[ANN]), [(ANN, Some(101))], "by the other way, too");
    }
}
