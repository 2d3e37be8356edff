//! The guests of one router, as reports: what is due, and what waits to be taken by the server.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use welcome_proto::offer::Sender;
use welcome_proto::report::{MAX_REPORTS, Report, ReportBatch, What};
use welcome_proto::{NetworkId, OfferId};

use super::run::Counts;
use super::visits::{Step, Visits};
use super::world::Venue;

/// The guests, and what there is to tell of them.
#[derive(Debug)]
pub(super) struct Guests {
    venue: Venue,
    networks: Vec<NetworkId>,
    visits: Visits,
    speed: f64,
    /// The clock of the venue runs at `speed` from here: its time, and ours.
    opened: (f64, f64),
    next_arrival: f64,
    /// What is going to happen, by when (milliseconds of the venue's time) and a number of its own.
    coming: BTreeMap<(u64, u64), (usize, Step)>,
    numbered: u64,
    /// What guests are shown.
    showing: (Sender, OfferId),
    waiting: VecDeque<Report>,
    /// What was sent and not answered. It is sent again under its name.
    sent: Option<ReportBatch>,
    batches: u64,
}

impl Guests {
    pub(super) fn new(venue: &Venue, seed: u64, speed: f64) -> Self {
        Self {
            networks: venue.networks.iter().map(|n| n.id.clone()).collect(),
            venue: venue.clone(),
            visits: Visits::new(seed),
            speed,
            opened: (0.0, 0.0),
            next_arrival: 0.0,
            coming: BTreeMap::new(),
            numbered: 0,
            showing: (Sender::Device, "welcome".parse().expect("a good name")),
            waiting: VecDeque::new(),
            sent: None,
            batches: 0,
        }
    }

    /// What happened in the last seconds before `now`, as the router would have kept it while it had no server.
    pub(super) fn history(&mut self, now: f64, seconds: f64) -> Vec<ReportBatch> {
        let past = self.visits.past(&self.venue, self.networks.len(), now - seconds, now);
        let reports: Vec<_> = past.into_iter().map(|(at, network, step)| self.report(network, step, at)).collect();
        let batches = reports.chunks(MAX_REPORTS).map(|reports| (self.batch_id(), reports.to_vec()));
        let batches: Vec<_> = batches.collect();
        batches.into_iter().map(|(batch, reports)| ReportBatch { batch, reports }).collect()
    }

    /// From now on guests come.
    pub(super) fn open(&mut self, now: f64) {
        self.opened = (now, now);
        self.next_arrival = self.visits.next_arrival(&self.venue, now);
    }

    /// How long nothing is going to happen.
    pub(super) fn quiet_for(&self, now: f64) -> Duration {
        let next = self.coming.keys().next().map_or(f64::INFINITY, |(at, _)| *at as f64 / 1000.0);
        let seconds = (next.min(self.next_arrival) - self.venue_time(now)) / self.speed;
        Duration::from_secs_f64(seconds.clamp(0.0, LONGEST_QUIET))
    }

    /// Lets happen what is due.
    pub(super) fn pass(&mut self, now: f64, counts: &Counts) {
        let time = self.venue_time(now);
        while self.next_arrival <= time {
            let network = self.visits.network(self.networks.len());
            for (after, step) in self.visits.visit(&self.venue) {
                self.numbered += 1;
                let at = ((self.next_arrival + after) * 1000.0) as u64;
                self.coming.insert((at, self.numbered), (network, step));
            }
            self.next_arrival = self.visits.next_arrival(&self.venue, self.next_arrival);
        }
        let later = self.coming.split_off(&((time * 1000.0) as u64, u64::MAX));
        for (network, step) in std::mem::replace(&mut self.coming, later).into_values() {
            if self.waiting.len() == MOST_WAITING {
                self.waiting.pop_front();
                Counts::add(&counts.dropped, 1);
            }
            let report = self.report(network, step, now);
            self.waiting.push_back(report);
        }
    }

    /// What to send: what was sent before without an answer, or what waits.
    pub(super) fn batch(&mut self) -> Option<&ReportBatch> {
        if self.sent.is_none() && !self.waiting.is_empty() {
            let reports = self.waiting.drain(..self.waiting.len().min(MAX_REPORTS)).collect();
            self.sent = Some(ReportBatch { batch: self.batch_id(), reports });
        }
        self.sent.as_ref()
    }

    /// The server has taken what was sent.
    pub(super) fn taken(&mut self, counts: &Counts) {
        if let Some(batch) = self.sent.take() {
            self.note(&batch, counts);
        }
    }

    /// Counts a batch that the server has taken.
    pub(super) fn note(&self, batch: &ReportBatch, counts: &Counts) {
        let arrivals = batch.reports.iter().filter(|report| report.what == What::Arrived).count();
        Counts::add(&counts.arrived, arrivals);
        Counts::add(&counts.reports, batch.reports.len());
    }

    /// From now on guests see this.
    pub(super) fn show(&mut self, sender: Sender, offer: OfferId) {
        self.showing = (sender, offer);
    }

    /// A report of something that happens at this moment of the server's time.
    fn report(&self, network: usize, step: Step, at: f64) -> Report {
        let what = match step {
            Step::Arrives => What::Arrived,
            Step::Sees => What::Shown { sender: self.showing.0, offer: self.showing.1.clone() },
            Step::Acknowledges => What::Acknowledged,
            Step::Leaves => What::Left,
        };
        Report { network: self.networks[network].clone(), what, at: Some(at as u64) }
    }

    fn batch_id(&mut self) -> welcome_proto::BatchId {
        self.batches += 1;
        format!("b-{}", self.batches).parse().expect("letters and digits")
    }

    fn venue_time(&self, now: f64) -> f64 {
        let (venue, ours) = self.opened;
        venue + (now - ours) * self.speed
    }
}

/// The agent spools as many.
const MOST_WAITING: usize = 1000;
/// In seconds; whoever sleeps longer is none the better for it.
const LONGEST_QUIET: f64 = 3600.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_without_an_answer_is_sent_again_as_it_was() {
        let counts = Counts::default();
        let mut guests = Guests::new(&Venue::new(1, 1), 1, 100.0);
        guests.open(1_795_400_000.0);
        guests.pass(1_795_400_600.0, &counts);
        let sent = guests.batch().unwrap().clone();
        guests.pass(1_795_401_000.0, &counts);
        assert_eq!(guests.batch(), Some(&sent));
        guests.taken(&counts);
        assert_ne!(guests.batch().unwrap().batch, sent.batch);
        assert_eq!(Counts::read(&counts.reports), sent.reports.len() as u64);
    }

    #[test]
    fn it_is_quiet_until_something_happens() {
        let counts = Counts::default();
        let mut guests = Guests::new(&Venue::new(1, 1), 1, 100.0);
        let mut now = 1_795_400_000.0;
        guests.open(now);
        for _ in 0..50 {
            let quiet = guests.quiet_for(now).as_secs_f64();
            guests.pass(now + quiet * 0.9, &counts);
            assert!(guests.waiting.is_empty());
            now += quiet + 0.002;
            guests.pass(now, &counts);
            assert!(!guests.waiting.is_empty());
            guests.waiting.clear();
        }
    }

    #[test]
    fn history_is_in_the_past_and_in_whole_batches() {
        let mut guests = Guests::new(&Venue::new(1, 1), 1, 1.0);
        let (now, day) = (1_795_400_000.0, 86_400.0);
        let batches = guests.history(now, 2.0 * day);
        assert!(batches.len() > 1 && batches.iter().rev().skip(1).all(|b| b.reports.len() == MAX_REPORTS));
        let times: Vec<_> = batches.iter().flat_map(|b| &b.reports).map(|r| r.at.unwrap()).collect();
        assert!(times.is_sorted() && times[0] >= 1_795_227_200 && times[times.len() - 1] < 1_795_400_000);
    }
}
