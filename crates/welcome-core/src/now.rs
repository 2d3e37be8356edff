//! The moment in which something is handled; given from outside.

use std::time::Duration;

use crate::calendar::Calendar;

/// A moment on the monotonic clock: the time since an origin of the caller's choosing, e.g. the agent's start.
pub type Instant = Duration;

/// Now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time; never goes back.
    pub mono: Instant,
    /// Seconds of Unix time, once the clock can be right. Good enough for reports; it may be off by days.
    pub wall: Option<u64>,
    /// Date and time of day, once somebody has vouched for the clock. Routers have no battery-backed one, and start with
    /// the time of their last change.
    pub calendar: Option<Calendar>,
}
