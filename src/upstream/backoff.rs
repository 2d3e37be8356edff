//! When to try again: waits that grow, with jitter.
//!
//! Full jitter: each wait is drawn evenly from one second to a ceiling that doubles. Ten thousand routers that lose
//! their server in the same moment come back spread over that range. The seed is given, so tests know the waits.

use std::time::Duration;

/// The shortest wait.
pub const SHORTEST: Duration = Duration::from_secs(1);
/// The longest wait.
pub const LONGEST: Duration = Duration::from_secs(300);

/// The next wait.
#[derive(Debug, Clone)]
pub struct Backoff {
    random: u64,
    ceiling: Duration,
}

impl Backoff {
    /// `seed` should be another on every router.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { random: seed, ceiling: FIRST_CEILING }
    }

    /// How long to wait after one more failure.
    #[must_use]
    pub fn next_wait(&mut self) -> Duration {
        let wait = self.draw(SHORTEST, self.ceiling);
        self.ceiling = (self.ceiling * 2).min(LONGEST);
        wait
    }

    /// How long to wait after a refusal: somebody has to do something first.
    #[must_use]
    pub fn long_wait(&mut self) -> Duration {
        self.ceiling = LONGEST;
        self.draw(LONGEST / 2, LONGEST)
    }

    /// Tells for how long all was well before the failure. Less than [`HEALTHY`] does not count: a server that takes
    /// connections and drops them is no better than none.
    pub fn was_well_for(&mut self, time: Duration) {
        if time >= HEALTHY {
            self.ceiling = FIRST_CEILING;
        }
    }

    fn draw(&mut self, from: Duration, to: Duration) -> Duration {
        let span = u64::try_from((to - from).as_millis()).unwrap_or(u64::MAX);
        from + Duration::from_millis(self.random() % (span + 1))
    }

    /// SplitMix64: enough to spread waits, and any seed will do.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// All is well after this time without a failure.
pub const HEALTHY: Duration = Duration::from_secs(60);
/// The first wait is up to this long already: a lone router loses some seconds, a crowd is spread.
const FIRST_CEILING: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_crowd_does_not_come_back_at_once() {
        let mut seconds = [0u32; 10];
        for seed in 0..10_000 {
            let wait = Backoff::new(seed).next_wait();
            seconds[usize::try_from(wait.as_secs().min(9)).unwrap()] += 1;
        }
        // 10 000 over 9 seconds.
        assert!(seconds[1..].iter().all(|n| (900..1400).contains(n)), "{seconds:?}");
        assert_eq!(seconds[0], 0);
    }

    #[test]
    fn a_minute_of_health_begins_again_and_less_does_not() {
        let mut backoff = Backoff::new(1);
        for _ in 0..10 {
            let _wait = backoff.next_wait();
        }
        backoff.was_well_for(HEALTHY - Duration::from_millis(1));
        assert_eq!(backoff.ceiling, LONGEST);
        backoff.was_well_for(HEALTHY);
        assert!(backoff.next_wait() <= FIRST_CEILING);
    }

    proptest! {
        #[test]
        fn waits_stay_in_their_bounds(seed: u64, failures in 0usize..40) {
            let mut backoff = Backoff::new(seed);
            for n in 0..failures {
                let ceiling = FIRST_CEILING.saturating_mul(1 << n.min(20)).min(LONGEST);
                let wait = backoff.next_wait();
                prop_assert!((SHORTEST..=ceiling).contains(&wait), "{wait:?}");
            }
            prop_assert!((LONGEST / 2..=LONGEST).contains(&backoff.long_wait()));
        }
    }
}
