//! The moment in which something is handled; given from outside.

use std::time::Duration;

/// A moment on the monotonic clock: the time since an origin of the caller's choosing, e.g. the agent's start.
pub type Instant = Duration;

/// Now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Monotonic time; never goes back.
    pub mono: Instant,
    /// Seconds of Unix time, once the clock can be trusted. Routers have no battery-backed clock.
    pub wall: Option<u64>,
}
