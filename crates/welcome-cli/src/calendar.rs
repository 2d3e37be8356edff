//! Whether a schedule holds at this moment, by this computer's clock and its time zone.

use crate::kept::now;
use tz::TimeZone;
use welcome_core::calendar::Calendar;
use welcome_proto::schedule::When;

/// Whether it does.
pub(crate) fn holds(when: &When) -> bool {
    let unix = now();
    Calendar { unix, offset_s: offset_s(unix) }.holds(when).is_ok()
}

/// What local time is ahead of UTC; nothing where this computer does not know its zone.
fn offset_s(unix: u64) -> i32 {
    let unix = i64::try_from(unix).unwrap_or(i64::MAX);
    let zone = TimeZone::local().unwrap_or_else(|_| TimeZone::utc());
    zone.find_local_time_type(unix).map_or(0, |local| local.ut_offset())
}
