//! The time zone of the place: what local time is ahead of UTC at a moment, and which moment a local date means.

use std::path::Path;

use anyhow::Context as _;
use tz::{TimeZone, UtcDateTime};

/// A time zone with its rules for summer time.
///
/// ```
/// use welcomed::zone::Zone;
/// let berlin: Zone = "CET-1CEST,M3.5.0,M10.5.0/3".parse().unwrap();
/// let summer = berlin.unix(2026, 7, 1, 12, 0).unwrap();
/// assert_eq!(berlin.offset_s(summer), 7200);
/// assert_eq!(Zone::default().unix(1970, 1, 2, 0, 0), Some(86_400));
/// assert_eq!(berlin.unix(2026, 2, 30, 12, 0), None);
/// assert!("Middle Earth".parse::<Zone>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// That of this machine: `/etc/TZ` (OpenWrt writes it from `/etc/config/system`), or `/etc/localtime`, or UTC.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let by_text = std::fs::read_to_string(POSIX).ok().and_then(|text| text.trim().parse().ok());
        let by_file = || {
            let bytes = std::fs::read(Path::new(BINARY)).ok()?;
            TimeZone::from_tz_data(&bytes).ok().map(Self)
        };
        by_text.or_else(by_file).unwrap_or_default()
    }

    /// What local time is ahead of UTC at this second of Unix time.
    #[must_use]
    pub fn offset_s(&self, unix: u64) -> i32 {
        let unix = i64::try_from(unix).unwrap_or(i64::MAX);
        self.0.find_local_time_type(unix).map_or(0, |local| local.ut_offset())
    }

    /// The local time as logs write it, 15 characters: `Nov  7 13:05:09`.
    #[must_use]
    pub fn stamp(&self, unix: u64) -> String {
        let local = i64::try_from(unix).unwrap_or(i64::MAX).saturating_add(self.offset_s(unix).into());
        UtcDateTime::from_timespec(local, 0).map_or_else(
            // Beyond the years that there are.
            |_| " ".repeat(15),
            |t| {
                let month = MONTHS[usize::from(t.month() - 1)];
                format!("{month} {:2} {:02}:{:02}:{:02}", t.month_day(), t.hour(), t.minute(), t.second())
            },
        )
    }

    /// When it is this local time; `None` if there is no such date. Of an hour that comes twice either one is meant.
    #[must_use]
    pub fn unix(&self, year: i32, month: u8, day: u8, hour: u8, minute: u8) -> Option<u64> {
        let as_if_utc = UtcDateTime::new(year, month, day, hour, minute, 0, 0).ok()?.unix_time();
        let near = u64::try_from(as_if_utc - i64::from(self.offset_s(u64::try_from(as_if_utc).ok()?))).ok()?;
        u64::try_from(as_if_utc - i64::from(self.offset_s(near))).ok()
    }
}

impl Default for Zone {
    fn default() -> Self {
        Self(TimeZone::utc())
    }
}

impl std::str::FromStr for Zone {
    type Err = anyhow::Error;

    /// By its POSIX form, e.g. `CET-1CEST,M3.5.0,M10.5.0/3`.
    fn from_str(text: &str) -> anyhow::Result<Self> {
        // Others would be names of files in a database that routers do not have.
        let is_rule = text.bytes().any(|b| b.is_ascii_digit()) && !text.contains('/') || text.contains(",M");
        anyhow::ensure!(is_rule && text.len() <= MAX_TEXT, "no POSIX time zone");
        TimeZone::from_posix_tz(text).map(Self).context("no POSIX time zone")
    }
}

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const POSIX: &str = "/etc/TZ";
const BINARY: &str = "/etc/localtime";
const MAX_TEXT: usize = 100;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_log_s_stamp_is_local_and_of_one_length() {
        let berlin: Zone = "CET-1CEST,M3.5.0,M10.5.0/3".parse().unwrap();
        assert_eq!(berlin.stamp(1_783_152_309), "Jul  4 10:05:09");
        assert_eq!(Zone::default().stamp(0), "Jan  1 00:00:00");
        assert_eq!(berlin.stamp(u64::MAX).len(), 15);
    }

    proptest! {
        #[test]
        fn a_local_time_is_found_again(day in 0u64..36_500, minute in 0u64..1440) {
            let zone: Zone = "CET-1CEST,M3.5.0,M10.5.0/3".parse().unwrap();
            let unix = 86_400 * day + 60 * minute;
            let local = unix.saturating_add_signed(zone.offset_s(unix).into());
            let date = UtcDateTime::from_timespec(local as i64, 0).unwrap();
            let found = zone.unix(date.year(), date.month(), date.month_day(), date.hour(), date.minute());
            // The hour that comes twice in autumn may be found as the other one.
            prop_assert!(found == Some(unix) || found.unwrap().abs_diff(unix) == 3600);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[A-Z]{0,4}-?[0-9]{0,3}[,.A-Z0-9/]{0,20}") {
            let _zone = text.parse::<Zone>().is_ok();
        }
    }
}
