//! When something is shown: from, until, on which days of the week, between which hours.
//!
//! Moments are Unix time; days and hours are those of the place where it is shown.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::ids::{IdError, as_string};

/// The most spans of hours.
pub const MAX_HOURS: usize = 8;

/// All of it has to hold. The default holds always.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct When {
    /// Not before this second of Unix time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<u64>,
    /// Not at this second of Unix time or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// Only on these days; empty: on all of them. For a span of [`Hours`] that goes past midnight the day is the one on
    /// which it began.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub weekdays: Vec<Weekday>,
    /// Only within one of these; empty: at any hour. At most [`MAX_HOURS`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hours: Vec<Hours>,
}

impl When {
    /// Whether it holds always, so that nobody needs to know the time.
    #[must_use]
    pub fn is_always(&self) -> bool {
        *self == Self::default()
    }
}

/// A day of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

impl Weekday {
    /// The week, in its order.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// As in JSON and in the configuration.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        ["mon", "tue", "wed", "thu", "fri", "sat", "sun"][self as usize]
    }
}

impl FromStr for Weekday {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let day = Self::ALL.into_iter().find(|d| d.as_str() == text);
        day.ok_or_else(|| IdError::new("day of the week", "mon, tue, wed, thu, fri, sat or sun"))
    }
}

/// A span of the day in minutes since midnight, the end not included; one that ends before it begins goes past
/// midnight.
///
/// ```
/// use welcome_proto::schedule::Hours;
/// let night: Hours = "22:00-02:30".parse().unwrap();
/// assert_eq!((night.begin(), night.end(), night.to_string().as_str()), (1320, 150, "22:00-02:30"));
/// assert!("08:00-24:00".parse::<Hours>().is_ok());
/// for bad in ["8:00-12:00", "08:00", "08:00-08:00", "24:00-08:00", "08:60-09:00", "08:00-24:01", ""] {
///     assert!(bad.parse::<Hours>().is_err(), "{bad}");
/// }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hours {
    begin: u16,
    end: u16,
}

impl Hours {
    /// The first minute that is within.
    #[must_use]
    pub fn begin(self) -> u16 {
        self.begin
    }

    /// The first minute that is not; up to 1440.
    #[must_use]
    pub fn end(self) -> u16 {
        self.end
    }
}

impl FromStr for Hours {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError::new("span of hours", "HH:MM-HH:MM, e.g. 08:00-12:00 or 22:00-02:00");
        let minutes = |text: &str| {
            let (hours, minutes) = text.split_once(':')?;
            let number = |t: &str| (t.len() == 2 && t.bytes().all(|b| b.is_ascii_digit())).then(|| t.parse().ok());
            let (hours, minutes): (u16, u16) = (number(hours)??, number(minutes)??);
            (minutes < 60).then_some(hours * 60 + minutes)
        };
        let (begin, end) = text.split_once('-').ok_or_else(wrong)?;
        let (begin, end) = minutes(begin).zip(minutes(end)).ok_or_else(wrong)?;
        if begin == end || begin >= DAY || end > DAY {
            return Err(wrong());
        }
        Ok(Self { begin, end })
    }
}

impl fmt::Display for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { begin, end } = self;
        write!(f, "{:02}:{:02}-{:02}:{:02}", begin / 60, begin % 60, end / 60, end % 60)
    }
}

as_string!(Hours);

/// Minutes of a day.
const DAY: u16 = 1440;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn always_takes_no_room_and_the_rest_is_readable() {
        assert_eq!(serde_json::to_string(&When::default()).unwrap(), "{}");
        let json = r#"{"from":1,"until":2,"weekdays":["mon","sun"],"hours":["08:00-12:00"]}"#;
        let when: When = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&when).unwrap(), json);
        for day in Weekday::ALL {
            assert_eq!(serde_json::to_string(&day).unwrap(), format!("\"{}\"", day.as_str()));
            assert_eq!(day.as_str().parse::<Weekday>(), Ok(day));
        }
    }

    proptest! {
        #[test]
        fn hours_are_read_as_they_were_printed(begin in 0u16..1440, end in 0u16..=1440) {
            let text = format!("{:02}:{:02}-{:02}:{:02}", begin / 60, begin % 60, end / 60, end % 60);
            let hours = text.parse::<Hours>();
            prop_assert_eq!(hours.is_ok(), begin != end);
            prop_assert!(hours.is_err() || hours.unwrap().to_string() == text);
        }

        #[test]
        fn no_text_makes_a_parser_panic(text in ".{0,12}|[0-9:-]{0,12}") {
            let _ = (text.parse::<Hours>().is_ok(), text.parse::<Weekday>().is_ok());
        }
    }
}
