//! Times as the person who looks counts them.
//!
//! The browser says its zone in a cookie; until it has, times are UTC and say so.

use jiff::civil::{DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

use super::words::{Words, fill};

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Zone(TimeZone);

impl Zone {
    /// By its name in the time zone database; UTC if there is none of this name.
    pub(crate) fn named(name: Option<&str>) -> Self {
        let known = name.filter(|n| n.len() <= MAX_NAME).and_then(|name| TimeZone::get(name).ok());
        Self(known.unwrap_or(TimeZone::UTC))
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.0.iana_name().unwrap_or("UTC")
    }

    /// `2026-11-27 14:05`, and `UTC` where the person's zone is not known.
    pub(crate) fn moment(&self, at: u64) -> String {
        let utc = if self.0 == TimeZone::UTC { " UTC" } else { "" };
        format!("{}{utc}", self.zoned(at).strftime("%Y-%m-%d %H:%M"))
    }

    /// `2026-11-27`.
    pub(crate) fn date(&self, at: u64) -> String {
        self.zoned(at).strftime("%Y-%m-%d").to_string()
    }

    /// `14:05`.
    pub(crate) fn clock(&self, at: u64) -> String {
        self.zoned(at).strftime("%H:%M").to_string()
    }

    /// How far from now, if that is near; else the day.
    pub(crate) fn near(&self, words: &Words, now: u64, at: u64) -> String {
        let (past, seconds) = (at <= now, at.abs_diff(now));
        let said = |past_form, future_form, n: u64| fill(if past { past_form } else { future_form }, &[("n", &n)]);
        match seconds {
            0..60 => if past { words.just_now } else { words.at_once }.to_owned(),
            60..3600 => said(words.minutes_ago, words.in_minutes, seconds / 60),
            3600..172_800 => said(words.hours_ago, words.in_hours, seconds / 3600),
            172_800..1_209_600 => said(words.days_ago, words.in_days, seconds / 86_400),
            _ => self.date(at),
        }
    }

    /// For `datetime`.
    pub(crate) fn iso(at: u64) -> String {
        stamp(at).to_string()
    }

    /// For `<input type="datetime-local">`.
    pub(crate) fn local(&self, at: u64) -> String {
        self.zoned(at).strftime("%Y-%m-%dT%H:%M").to_string()
    }

    /// What stands in such an input.
    pub(crate) fn parse_local(&self, text: &str) -> Option<u64> {
        let moment: DateTime = text.parse().ok()?;
        u64::try_from(moment.to_zoned_datetime(self.0.clone()).ok()?.timestamp().as_second()).ok()
    }

    /// The first second of the day that `at` lies in.
    pub(crate) fn day_of(&self, at: u64) -> u64 {
        let start = self.zoned(at).start_of_day().map_or(0, |day| day.timestamp().as_second());
        u64::try_from(start).unwrap_or(0)
    }

    /// The first second of the day so many days before `at`.
    pub(crate) fn days_before(&self, at: u64, days: i64) -> u64 {
        let day = self.zoned(at).date().saturating_sub(jiff::Span::new().days(days.clamp(0, 3660)));
        let start = day.to_zoned_datetime(self.0.clone()).map_or(0, |day| day.timestamp().as_second());
        u64::try_from(start).unwrap_or(0)
    }

    /// Whether `at` lies on a Monday.
    pub(crate) fn is_monday(&self, at: u64) -> bool {
        self.zoned(at).weekday() == Weekday::Monday
    }

    fn zoned(&self, at: u64) -> ZonedDateTime {
        stamp(at).to_zoned_datetime(self.0.clone())
    }
}

fn stamp(at: u64) -> Timestamp {
    i64::try_from(at).ok().and_then(|at| Timestamp::from_second(at).ok()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Longer than every name there is.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::super::words::{CHINESE, ENGLISH};
    use super::*;

    const NOON: u64 = 1_795_780_800;

    #[test]
    fn times_are_those_of_the_persons_zone() {
        let shanghai = Zone::named(Some("Asia/Shanghai"));
        assert_eq!((shanghai.moment(NOON), shanghai.clock(NOON)), ("2026-11-27 20:00".into(), "20:00".into()));
        assert_eq!(Zone::named(None).moment(NOON), "2026-11-27 12:00 UTC");
        for hostile in ["../../etc/passwd", "Nowhere/Land", "", "\0"] {
            assert_eq!(Zone::named(Some(hostile)), Zone::named(None), "{hostile}");
        }
    }

    #[test]
    fn near_times_are_said_as_people_say_them() {
        let zone = Zone::named(None);
        let near = |at| zone.near(&ENGLISH, NOON, at);
        assert_eq!(near(NOON - 5), "just now");
        assert_eq!(near(NOON - 300), "5 min ago");
        assert_eq!(near(NOON + 7300), "in 2 h");
        assert_eq!(near(NOON - 30 * 86_400), "2026-10-28");
        assert_eq!(zone.near(&CHINESE, NOON, NOON - 300), "5 分钟前");
    }

    #[test]
    fn what_is_typed_is_the_time_that_is_shown_again() {
        let zone = Zone::named(Some("Europe/Berlin"));
        assert_eq!(zone.parse_local(&zone.local(NOON)), Some(NOON));
        assert_eq!([zone.parse_local("tomorrow"), zone.parse_local("")], [None, None]);
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_zone_and_may_be_longer_than_another() {
        let zone = Zone::named(Some("Europe/Berlin"));
        let start = zone.day_of(NOON);
        assert_eq!(zone.moment(start), "2026-11-27 00:00");
        // Summer time ended in October: an hour more.
        assert_eq!(start - zone.days_before(NOON, 40), 40 * 86_400 + 3600);
    }
}
