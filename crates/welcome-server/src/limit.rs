//! How often one address may look something up without a token. In memory, each process for itself.
//!
//! It keeps one program from taking the server's time for itself, and from walking through all BSSIDs or places in a hurry.
//! It does not keep secret what is listed: that is in the snapshots, and somebody with many addresses is not stopped.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Counts look-ups by address.
pub(crate) struct Limit(Option<DefaultKeyedRateLimiter<IpAddr>>);

impl std::fmt::Debug for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Limit" } else { "no limit" })
    }
}

impl Limit {
    /// So many a minute, and [`BURST`] minutes' worth at once; 0: as many as anybody wants.
    pub(crate) fn new(a_minute: u32) -> Self {
        let quota = |n: NonZeroU32| Quota::per_minute(n).allow_burst(n.saturating_mul(BURST));
        Self(NonZeroU32::new(a_minute).map(|n| RateLimiter::hashmap(quota(n))))
    }

    /// Counts one.
    ///
    /// # Errors
    /// If it is one too many: the seconds after which it is not.
    pub(crate) fn take(&self, addr: IpAddr) -> Result<(), u64> {
        let Some(limiter) = &self.0 else { return Ok(()) };
        if limiter.len() >= MAX_ADDRESSES {
            // Those who asked for nothing in a while are as good as those who never did.
            limiter.retain_recent();
        }
        // When there are still too many, they share what is left: new ones must not cost memory.
        let key =
            if limiter.len() >= MAX_ADDRESSES { IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED) } else { subject(addr) };
        limiter.check_key(&key).map_err(|not_before| {
            let wait = not_before.wait_time_from(DefaultClock::default().now());
            (wait + Duration::from_millis(999)).as_secs().max(1)
        })
    }
}

/// Minutes' worth of look-ups that may come at once: a café full of people behind one address.
const BURST: NonZeroU32 = NonZeroU32::new(5).expect("not zero");
/// Addresses that are remembered; some megabytes.
const MAX_ADDRESSES: usize = 65_536;

/// Who has one IPv6 address of a network of 64 bits has all of them.
fn subject(addr: IpAddr) -> IpAddr {
    match addr.to_canonical() {
        IpAddr::V4(addr) => addr.into(),
        IpAddr::V6(addr) => {
            let [a, b, c, d, ..] = addr.segments();
            [a, b, c, d, 0, 0, 0, 0].into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_that_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
        let limit = Limit::new(60);
        for _ in 0..300 {
            assert_eq!(limit.take(addr("192.0.2.1")), Ok(()));
        }
        assert_eq!(limit.take(addr("192.0.2.1")), Err(1));
        assert_eq!(limit.take(addr("::ffff:192.0.2.1")), Err(1), "the same");
        assert_eq!(limit.take(addr("192.0.2.2")), Ok(()));
    }

    #[test]
    fn a_network_of_64_bits_is_one_address() {
        let limit = Limit::new(1);
        let last = (0..6).map(|n| limit.take(addr(&format!("2001:db8:0:1::{n}")))).last();
        assert_eq!(last, Some(Err(60)));
        assert_eq!(limit.take(addr("2001:db8:0:2::1")), Ok(()));
    }

    #[test]
    fn addresses_without_number_cost_memory_with_a_bound() {
        let limit = Limit::new(1);
        for n in 0..u32::try_from(MAX_ADDRESSES).unwrap() + 10 {
            assert!(limit.take(IpAddr::V4((0x0a00_0000 + n).into())).is_ok() || n > 65_000);
        }
        assert!(limit.0.as_ref().unwrap().len() <= MAX_ADDRESSES + 1);
        assert!(limit.take(addr("192.0.2.9")).is_err(), "a new one shares what is left");
        assert_eq!(Limit::new(0).take(addr("192.0.2.9")), Ok(()));
    }
}
