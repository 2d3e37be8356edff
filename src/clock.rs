//! The clocks: a monotonic one for decisions, and Unix time once it can be trusted.
//!
//! Routers have no battery: after a power cut the wall clock starts in the past. Everything that waits uses the
//! monotonic clock; Unix time is only for reports, the status and signatures. Never sets the system's clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use welcome_core::Now;

/// 2026-01-01, the start of the year this version was made in. A clock that is before it has not been set.
const EARLIEST: u64 = 1_767_225_600;

/// Tells the moment. Copies of one clock agree.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// A clock whose monotonic time begins now.
    #[must_use]
    pub fn new() -> Self {
        Self { origin: Instant::now() }
    }

    /// The moment, as the core wants it, but for the time of day ([`crate::local_time`]).
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = unix_time().as_secs();
        Now { mono: self.origin.elapsed(), wall: is_plausible(wall).then_some(wall), calendar: None }
    }

    /// When a moment of the core's monotonic time comes, for timers.
    #[must_use]
    pub fn instant(&self, mono: Duration) -> Instant {
        self.origin + mono
    }

    /// The Unix time of a monotonic moment in the past, by what the wall clock says at this moment.
    #[must_use]
    pub fn unix_at(&self, mono: Duration) -> Duration {
        unix_time().saturating_sub(self.origin.elapsed().saturating_sub(mono))
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// The server's time, as far as it is known: signatures need it even while our own clock is wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct ServerTime {
    /// Server minus ours, in seconds.
    offset: i64,
}

impl ServerTime {
    /// The time to sign with, in seconds of Unix time.
    #[must_use]
    pub fn now(&self) -> u64 {
        unix_time().as_secs().saturating_add_signed(self.offset)
    }

    /// Takes the server's word for the time.
    pub fn learn(&mut self, server_now: u64) {
        let ours = unix_time().as_secs();
        self.offset = i64::try_from(i128::from(server_now) - i128::from(ours)).unwrap_or(0);
    }
}

fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// For how long this machine has been running: what every process of it agrees on, whoever sets the clock.
#[must_use]
pub fn uptime() -> Option<Duration> {
    // `350735.47 234388.90`: whole seconds are enough.
    let text = std::fs::read_to_string("/proc/uptime").ok()?;
    text.split('.').next()?.parse().ok().map(Duration::from_secs)
}

fn is_plausible(wall: u64) -> bool {
    wall >= EARLIEST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_gives_no_wall_time() {
        assert!(!is_plausible(0));
        assert!(!is_plausible(EARLIEST - 1));
        assert!(is_plausible(EARLIEST));
        assert!(Clock::new().now().wall.is_some(), "the clock of this machine is set");
    }

    #[test]
    fn signatures_follow_the_servers_time() {
        let mut time = ServerTime::default();
        let ours = time.now();
        time.learn(ours + 1_000_000);
        assert!((ours + 1_000_000..ours + 1_000_005).contains(&time.now()));
        time.learn(1000);
        assert!((1000..1005).contains(&time.now()));
        time.learn(u64::MAX);
        assert!(time.now() > 0, "and the nonsense of a server breaks nothing");
    }

    #[test]
    fn the_machine_has_been_running_and_goes_on() {
        let before = uptime().unwrap();
        assert!(before > Duration::ZERO && uptime().unwrap() >= before);
    }

    #[test]
    fn a_monotonic_moment_has_its_unix_time() {
        let clock = Clock::new();
        let moment = clock.now().mono;
        let off = unix_time().abs_diff(clock.unix_at(moment));
        assert!(off < Duration::from_secs(1), "{off:?}");
    }
}
