//! The time of day where the router is, and whether a schedule holds at it. Pure arithmetic.

use welcome_proto::schedule::{Hours, Weekday, When};

/// A moment, with what the clock on the wall shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// Seconds of Unix time.
    pub unix: u64,
    /// What local time is ahead of UTC at this moment, in seconds.
    pub offset_s: i32,
}

impl Calendar {
    /// Days since 1970-01-01, by local date.
    #[must_use]
    pub fn day(self) -> u64 {
        self.local() / DAY
    }

    /// Seconds until the local date changes, unless the offset does before.
    #[must_use]
    pub fn until_midnight(self) -> u64 {
        DAY - self.local() % DAY
    }

    /// Seconds until the next minute begins.
    #[must_use]
    pub fn until_next_minute(self) -> u64 {
        60 - self.local() % 60
    }

    /// Why a schedule does not hold at this moment.
    ///
    /// # Errors
    /// The first reason.
    pub fn holds(self, when: &When) -> Result<(), Wait> {
        let When { from, until, weekdays, hours } = when;
        let today = weekday(self.day());
        let yesterday = weekday(self.day() + 6);
        let on = |day| weekdays.is_empty() || weekdays.contains(&day);
        let minute = u16::try_from(self.local() % DAY / 60).unwrap_or(0);
        let within = |hours: &Hours| {
            let (begin, end) = (hours.begin(), hours.end());
            if begin < end {
                on(today) && (begin..end).contains(&minute)
            } else {
                on(today) && minute >= begin || on(yesterday) && minute < end
            }
        };
        match () {
            () if from.is_some_and(|from| self.unix < from) => Err(Wait::NotYet),
            () if until.is_some_and(|until| self.unix >= until) => Err(Wait::Over),
            () if hours.is_empty() && !on(today) => Err(Wait::OtherHours),
            () if !hours.is_empty() && !hours.iter().any(within) => Err(Wait::OtherHours),
            () => Ok(()),
        }
    }

    fn local(self) -> u64 {
        self.unix.saturating_add_signed(self.offset_s.into())
    }
}

/// Why an offer is shown to nobody at this moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// It has dates or hours, and nobody knows what time it is.
    Clock,
    /// An image or page that belongs to it is not here yet.
    Content,
    /// Its first day is still to come.
    NotYet,
    /// Its last day is over.
    Over,
    /// It is for other days of the week, or for other hours.
    OtherHours,
}

impl Wait {
    /// For a person.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Clock => "waits until the router knows the time",
            Self::Content => "waits for its image or page",
            Self::NotYet => "begins later",
            Self::Over => "is over",
            Self::OtherHours => "is for other days or hours",
        }
    }
}

/// The day of the week of a date. 1970-01-01 was a Thursday.
fn weekday(day: u64) -> Weekday {
    Weekday::ALL[usize::try_from((day + 3) % 7).unwrap_or(0)]
}

/// Seconds of a day.
const DAY: u64 = 86_400;

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-24, a Tuesday, 00:00 UTC.
    const TUESDAY: u64 = 1_795_478_400;

    fn at(hours: u64, minutes: u64) -> Calendar {
        Calendar { unix: TUESDAY + hours * 3600 + minutes * 60, offset_s: 0 }
    }

    fn when(from: Option<u64>, until: Option<u64>, weekdays: &[Weekday], hours: &[&str]) -> When {
        let hours = hours.iter().map(|h| h.parse().unwrap()).collect();
        When { from, until, weekdays: weekdays.to_vec(), hours }
    }

    #[test]
    fn a_table_of_schedules() {
        use Weekday::{Mon, Tue, Wed};
        let noon = at(12, 0);
        let cases = [
            ("always", noon, when(None, None, &[], &[]), Ok(())),
            ("from this second", noon, when(Some(noon.unix), None, &[], &[]), Ok(())),
            ("from the next", noon, when(Some(noon.unix + 1), None, &[], &[]), Err(Wait::NotYet)),
            ("until this second", noon, when(None, Some(noon.unix), &[], &[]), Err(Wait::Over)),
            ("until the next", noon, when(None, Some(noon.unix + 1), &[], &[]), Ok(())),
            ("today", noon, when(None, None, &[Mon, Tue], &[]), Ok(())),
            ("another day", noon, when(None, None, &[Mon], &[]), Err(Wait::OtherHours)),
            ("the first minute", at(8, 0), when(None, None, &[], &["08:00-12:00"]), Ok(())),
            ("the minute after the last", noon, when(None, None, &[], &["08:00-12:00"]), Err(Wait::OtherHours)),
            ("the second span", noon, when(None, None, &[], &["08:00-09:00", "12:00-13:00"]), Ok(())),
            ("the whole day", at(23, 59), when(None, None, &[], &["00:00-24:00"]), Ok(())),
            ("late tonight", at(23, 0), when(None, None, &[Tue], &["22:00-02:00"]), Ok(())),
            ("past midnight, of yesterday", at(1, 0), when(None, None, &[Mon], &["22:00-02:00"]), Ok(())),
            ("past midnight, of today", at(1, 0), when(None, None, &[Tue], &["22:00-02:00"]), Err(Wait::OtherHours)),
            ("not late yesterday", at(23, 0), when(None, None, &[Mon], &["22:00-02:00"]), Err(Wait::OtherHours)),
            ("the right hour of another day", noon, when(None, None, &[Wed], &["08:00-13:00"]), Err(Wait::OtherHours)),
        ];
        for (name, moment, when, expected) in cases {
            assert_eq!(moment.holds(&when), expected, "{name}");
        }
    }

    #[test]
    fn hours_are_those_of_the_place() {
        let when = when(None, None, &[Weekday::Wed], &["00:30-01:00"]);
        let utc = at(23, 45);
        assert_eq!(Calendar { offset_s: 3600, ..utc }.holds(&when), Ok(()));
        assert_eq!(utc.holds(&when), Err(Wait::OtherHours));
        assert_eq!(Calendar { offset_s: 3600, ..utc }.until_midnight(), 86_400 - 45 * 60);
        assert_eq!(Calendar { unix: 0, offset_s: -3600 }.day(), 0, "and nothing is before 1970");
    }
}
