//! Who comes to a venue, when, and what becomes of it. Pure: times are Unix seconds that are given, chance is a seed.

use fastrand::Rng;

use super::world::Venue;

/// The guests of one venue.
#[derive(Debug, Clone)]
pub struct Visits {
    rng: Rng,
}

/// What a guest does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// Joins the network.
    Arrives,
    /// Has the offer on the screen.
    Sees,
    /// Presses the button.
    Acknowledges,
    /// Is gone.
    Leaves,
}

impl Visits {
    /// `seed` should be another for each venue.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed) }
    }

    /// When the next guest comes, after `now`.
    pub fn next_arrival(&mut self, venue: &Venue, now: f64) -> f64 {
        // A Poisson process whose rate goes with the hour: drawn at the highest rate, and thinned.
        let most = venue.most_arrivals_per_hour();
        let mut at = now;
        loop {
            at += self.exponential(3600.0 / most);
            if self.rng.f64() * most <= venue.arrivals_per_hour(at) {
                return at;
            }
        }
    }

    /// On which of so many networks a guest is: mostly on the first.
    pub fn network(&mut self, count: usize) -> usize {
        if self.rng.u8(..10) < 7 { 0 } else { self.rng.usize(..count) }
    }

    /// One visit that begins now: each step and after how many seconds, in their order.
    pub fn visit(&mut self, venue: &Venue) -> Vec<(f64, Step)> {
        let mut steps = vec![(0.0, Step::Arrives)];
        let seen = 1.0 + self.exponential(3.0);
        let stay = 90.0 + self.exponential(venue.stay_minutes() * 60.0);
        let sees = self.rng.f64() < SEES && seen < stay;
        let acknowledged = seen + 2.0 + self.exponential(12.0);
        if sees {
            steps.push((seen, Step::Sees));
        }
        if sees && self.rng.f64() < ACKNOWLEDGES && acknowledged < stay {
            steps.push((acknowledged, Step::Acknowledges));
        }
        steps.push((stay, Step::Leaves));
        steps
    }

    /// All that happened in this span of time, in its order: when, on which of so many networks, what.
    pub fn past(&mut self, venue: &Venue, networks: usize, from: f64, until: f64) -> Vec<(f64, usize, Step)> {
        let mut all = Vec::new();
        let mut arrival = self.next_arrival(venue, from);
        while arrival < until {
            let network = self.network(networks);
            all.extend(self.visit(venue).into_iter().map(|(after, step)| (arrival + after, network, step)));
            arrival = self.next_arrival(venue, arrival);
        }
        all.retain(|(at, ..)| *at < until);
        all.sort_by(|a, b| a.partial_cmp(b).expect("times are numbers"));
        all
    }

    fn exponential(&mut self, mean: f64) -> f64 {
        -mean * (1.0 - self.rng.f64()).ln()
    }
}

/// Of those who come: some have the screen off.
const SEES: f64 = 0.82;
/// Of those who see it.
const ACKNOWLEDGES: f64 = 0.45;

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: f64 = 86_400.0;

    #[test]
    fn as_many_come_in_a_week_as_the_venue_has_in_its_days_and_most_when_it_is_busy() {
        let venue = Venue::new(5, 11);
        let mut visits = Visits::new(1);
        let week = visits.past(&venue, 1, 0.0, 7.0 * DAY);
        let arrivals: Vec<_> = week.iter().filter(|(_, _, step)| *step == Step::Arrives).map(|(at, ..)| *at).collect();
        let expected = 7.0 * venue.arrivals_per_day();
        // Four standard deviations of a Poisson count.
        assert!((arrivals.len() as f64 - expected).abs() < 4.0 * expected.sqrt(), "{} {expected}", arrivals.len());
        let busy = venue.most_arrivals_per_hour() / 2.0;
        let when_busy = arrivals.iter().filter(|at| venue.arrivals_per_hour(**at) > busy).count();
        assert!(when_busy * 10 > arrivals.len() * 6, "{when_busy} of {}", arrivals.len());
    }

    #[test]
    fn a_visit_begins_with_an_arrival_ends_with_a_leave_and_nobody_presses_what_they_have_not_seen() {
        let venue = Venue::new(5, 2);
        let mut visits = Visits::new(9);
        for _ in 0..1000 {
            let steps = visits.visit(&venue);
            assert!(steps.is_sorted_by(|a, b| a.0 < b.0), "{steps:?}");
            let steps: Vec<_> = steps.into_iter().map(|(_, step)| step).collect();
            assert_eq!((steps[0], steps[steps.len() - 1]), (Step::Arrives, Step::Leaves));
            assert!(!steps.contains(&Step::Acknowledges) || steps.contains(&Step::Sees), "{steps:?}");
        }
    }
}
