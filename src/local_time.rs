//! The time of day, once somebody has vouched for the clock.
//!
//! A router without a battery starts with the time of the last change of its configuration, which looks right and is
//! not. So a clock counts only when NTP has said so: OpenWrt's hotplug script leaves [`EVIDENCE`], systemd-timesyncd a
//! file of its own. Who has a clock with a battery says `option clock 'system'`.

use std::path::Path;
use std::time::Duration;

use welcome_core::{Calendar, Now};

use crate::zone::Zone;

/// Files that are there once the clock was set by NTP.
pub const EVIDENCE: [&str; 2] = ["/var/run/welcomed/time-ok", "/run/systemd/timesync/synchronized"];

/// Tells the time of day.
#[derive(Debug)]
pub struct LocalTime {
    zone: Zone,
    is_trusted: bool,
    look_again: Duration,
    evidence: &'static [&'static str],
}

impl LocalTime {
    /// In this zone; with `trusted` nobody needs to vouch for the clock.
    #[must_use]
    pub fn new(zone: Zone, trusted: bool) -> Self {
        Self { zone, is_trusted: trusted, look_again: Duration::ZERO, evidence: &EVIDENCE }
    }

    /// What the clock on the wall shows, if that can be believed.
    pub fn calendar(&mut self, now: &Now) -> Option<Calendar> {
        let unix = now.wall?;
        // A clock that was set stays set; one that was not is looked at now and then.
        if !self.is_trusted && now.mono >= self.look_again {
            self.is_trusted = self.evidence.iter().any(|file| Path::new(file).exists());
            self.look_again = now.mono + PAUSE;
        }
        self.is_trusted.then(|| Calendar { unix, offset_s: self.zone.offset_s(unix) })
    }
}

const PAUSE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_counts_when_it_can_be_right_and_somebody_says_so() {
        let at = |s| Now { mono: Duration::from_secs(s), wall: Some(1_795_521_600), ..Now::default() };
        let mut vouched = LocalTime::new("CET-1CEST,M3.5.0,M10.5.0/3".parse().unwrap(), true);
        assert_eq!(vouched.calendar(&at(0)), Some(Calendar { unix: 1_795_521_600, offset_s: 3600 }));
        assert_eq!(vouched.calendar(&Now { wall: None, ..at(0) }), None, "before 2026 nobody believes it");

        let mut alone = LocalTime { evidence: &["/nonexistent"], ..LocalTime::new(Zone::default(), false) };
        assert_eq!(alone.calendar(&at(0)), None);
        alone.evidence = &["/proc/self"];
        assert_eq!(alone.calendar(&at(4)), None, "it does not look at every event");
        assert!(alone.calendar(&at(5)).is_some());
        alone.evidence = &["/nonexistent"];
        assert!(alone.calendar(&at(10)).is_some(), "a clock that was set stays set");
    }
}
