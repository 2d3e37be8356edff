//! When each unknown address was looked for, so that nobody makes the core look again and again. Pure, and bounded.

use sorted::SortedMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;
use tracing::warn;

/// Addresses that are being looked for, or were in vain.
#[derive(Debug, Default)]
pub struct Asked {
    at: SortedMap<IpAddr, Instant>,
    /// Whether the log was told that there are too many.
    is_full: bool,
}

impl Asked {
    /// When this address was looked for, and whether to look now.
    pub fn note(&mut self, now: Instant, ip: IpAddr) -> (Instant, bool) {
        self.at.retain(|_, at| now.duration_since(*at) < ASK_AGAIN);
        if let Some(at) = self.at.get(&ip) {
            return (*at, false);
        }
        if self.at.len() >= MAX_ASKED {
            // Whoever floods us must not flood the log.
            if !std::mem::replace(&mut self.is_full, true) {
                warn!(addresses = MAX_ASKED, "too many unknown addresses ask for a welcome");
            }
            return (now, false);
        }
        self.is_full = false;
        self.at.insert(ip, now);
        (now, true)
    }

    /// This address was not looked for after all.
    pub fn forget(&mut self, ip: IpAddr) {
        self.at.remove(&ip);
    }
}

/// How long an unknown address stays unknown before it is looked for again.
const ASK_AGAIN: Duration = Duration::from_secs(10);
/// The most unknown addresses remembered; a /24 of them.
const MAX_ASKED: usize = 256;

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::*;

    #[tokio::test]
    async fn a_flood_of_addresses_is_forgotten_after_a_while() {
        let mut asked = Asked::default();
        let start = Instant::now();
        let address = |i: u32| IpAddr::V6(Ipv6Addr::from(u128::from(i)));
        let first = (0..1000).filter(|i| asked.note(start, address(*i)).1).count();
        assert_eq!((first, asked.at.len(), asked.is_full), (MAX_ASKED, MAX_ASKED, true));
        assert!(asked.note(start + ASK_AGAIN, address(5000)).1);
        assert_eq!((asked.at.len(), asked.is_full), (1, false));
    }
}
