//! How good a network is to join, in decibels.
//!
//! In: a smoothed signal, a channel, and how joining went before. Out: one number; more is better. It has no steps, so that a
//! signal that changes a little changes it a little.
//!
//! | part | decibels |
//! |---|---|
//! | the signal | as heard, between [`WEAKEST`] and [`STRONGEST`]: more than that carries nothing faster |
//! | 5 or 6 GHz | up to [`FAST_BAND`] more, the whole of it where the signal is strong enough for what the band can do |
//! | joined well | up to [`KNOWN_GOOD`] more |
//! | joined badly | up to [`KNOWN_BAD`] less, half of it for the first failure |
//!
//! What was long ago counts less: half after [`HALF_LIFE_S`].

use serde::{Deserialize, Serialize};

/// How joining a network went, each time counted as 1, or less when it is long ago.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Past {
    #[serde(default)]
    good: f64,
    #[serde(default)]
    bad: f64,
}

impl Past {
    /// One more, so many seconds after what is there.
    pub(crate) fn add(&mut self, well: bool, after_s: u64) {
        self.fade(after_s);
        let counted = if well { &mut self.good } else { &mut self.bad };
        *counted += 1.0;
    }

    /// Grows older.
    pub(crate) fn fade(&mut self, by_s: u64) {
        *self = self.faded(by_s);
    }

    pub(crate) fn faded(self, by_s: u64) -> Self {
        // Exact enough: nothing is kept for more than some months.
        #[allow(clippy::cast_precision_loss)]
        let left = 0.5_f64.powf(by_s as f64 / HALF_LIFE_S);
        let count = |count: f64| count.clamp(0.0, MOST_COUNTED) * left;
        Self { good: count(self.good), bad: count(self.bad) }
    }
}

/// A signal as it may have come from anywhere.
pub(crate) fn signal(dbm: i32) -> f64 {
    within_reason(dbm.into())
}

/// A smoothed signal as it may have come from a file.
pub(crate) fn within_reason(dbm: f64) -> f64 {
    dbm.clamp(WEAKEST, STRONGEST)
}

/// The sum of the table.
pub(crate) fn score(signal: f64, freq: u32, Past { good, bad }: Past) -> f64 {
    let signal = within_reason(signal);
    let band = if freq >= FIRST_OF_5_GHZ {
        FAST_BAND * ((signal - FAST_FROM) / (FAST_WHOLLY_FROM - FAST_FROM)).clamp(0.0, 1.0)
    } else {
        0.0
    };
    signal + band + KNOWN_GOOD * good / (good + 1.0) - KNOWN_BAD * bad / (good + bad + 1.0)
}

/// By how much another network has to be better than the one that was chosen. The score follows the signal by 1.5 at most
/// (where the band's share grows), so noise of 2 dB on both networks, in opposite directions, moves them by 6.
pub(crate) const MARGIN: f64 = 8.0;
/// In dBm. What is fainter is not decoded.
pub(crate) const WEAKEST: f64 = -95.0;
/// In dBm. The fastest rates of 802.11ax need some -50.
pub(crate) const STRONGEST: f64 = -45.0;
/// The wider channels and the emptier air of 5 and 6 GHz are worth as much as 8 dB.
const FAST_BAND: f64 = 8.0;
/// In dBm. Below it 5 GHz is no faster than 2.4 GHz.
const FAST_FROM: f64 = -82.0;
/// In dBm.
const FAST_WHOLLY_FROM: f64 = -66.0;
/// In MHz: channels of 2.4 GHz end at 2484, those of 4.9 and 5 GHz begin at 4915.
const FIRST_OF_5_GHZ: u32 = 4900;
const KNOWN_GOOD: f64 = 4.0;
/// The first failure costs half of it: more than the margin, so that the next try is with another network.
const KNOWN_BAD: f64 = 30.0;
/// A day: what was wrong yesterday may have been mended.
const HALF_LIFE_S: f64 = 86_400.0;
/// More than anybody joins.
const MOST_COUNTED: f64 = 1000.0;

#[cfg(test)]
mod tests {
    use super::*;

    const NEVER: Past = Past { good: 0.0, bad: 0.0 };

    #[test]
    fn five_gigahertz_is_better_where_its_signal_is_good_and_not_where_it_is_faint() {
        assert!(score(-60.0, 5180, NEVER) > score(-53.0, 2412, NEVER));
        assert!(score(-60.0, 5955, NEVER) > score(-53.0, 2412, NEVER));
        assert!(score(-85.0, 5180, NEVER) < score(-82.0, 2412, NEVER));
    }

    #[test]
    fn one_failure_costs_more_than_the_margin_and_is_forgotten_in_days() {
        let mut past = NEVER;
        past.add(false, 0);
        let cost = |past| score(-60.0, 2412, NEVER) - score(-60.0, 2412, past);
        assert!(cost(past) > MARGIN);
        assert!(cost(past.faded(4 * 86_400)) < MARGIN / 2.0);
    }

    #[test]
    fn a_failure_after_many_good_times_weighs_less() {
        let mut past = NEVER;
        (0..10).for_each(|_| past.add(true, 0));
        past.add(false, 0);
        assert!(score(-60.0, 2412, past) > score(-60.0, 2412, NEVER));
    }

    #[test]
    fn the_score_has_no_steps() {
        let step = 0.01;
        for freq in [2412, 5180] {
            let mut signal = -120.0;
            while signal < 0.0 {
                let rise = score(signal + step, freq, NEVER) - score(signal, freq, NEVER);
                assert!((0.0..=1.5 * step + 1e-9).contains(&rise), "{freq} MHz at {signal} dBm: {rise}");
                signal += step;
            }
        }
    }
}
