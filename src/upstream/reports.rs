//! What happened, waiting for the server: a ring that never makes the app wait.
//!
//! In: reports, one by one. Out: batches, each under the same name until the server has acknowledged it, so that it is
//! counted once. While the server is away the oldest go first; how many is counted and told.

use sorted::SortedMap;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::Notify;
use welcome_proto::report::{MAX_REPORTS, Report, ReportBatch, What};
use welcome_proto::{BatchId, NetworkId};

/// The most reports that wait; some 100 KiB. A café's day, should the server be away for so long.
pub const KEPT: usize = 1024;

/// The ring. Clones are handles of the same one.
#[derive(Debug, Clone, Default)]
pub struct Reports {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Report>,
    dropped: SortedMap<NetworkId, u32>,
    /// Sent or about to be, but not acknowledged.
    under_way: Option<ReportBatch>,
}

impl Reports {
    /// Adds a report; if the ring is full, the oldest makes room.
    pub fn push(&self, report: Report) {
        let mut queue = self.queue();
        if queue.waiting.len() == KEPT {
            let oldest = queue.waiting.pop_front();
            queue.count_dropped(oldest);
        }
        queue.waiting.push_back(report);
        drop(queue);
        self.shared.more.notify_one();
    }

    /// How many wait, and how many were dropped since the server was last told.
    #[must_use]
    pub fn backlog(&self) -> (usize, u32) {
        let queue = self.queue();
        let under_way = queue.under_way.as_ref().map_or(0, |b| b.reports.len());
        (queue.waiting.len() + under_way, queue.dropped.values().fold(0, |a, b| a.saturating_add(*b)))
    }

    /// Waits until there is something to tell.
    pub(super) async fn wait(&self) {
        loop {
            let more = self.shared.more.notified();
            if !self.queue().is_empty() {
                return;
            }
            more.await;
        }
    }

    /// The batch to send; the same again until [`Self::acknowledge`] or [`Self::give_up`].
    pub(super) fn batch(&self) -> Option<ReportBatch> {
        let mut queue = self.queue();
        if queue.under_way.is_none() && !queue.is_empty() {
            let batch = new_batch_id()?;
            let reports = queue.take();
            queue.under_way = Some(ReportBatch { batch, reports });
        }
        queue.under_way.clone()
    }

    /// The server has the batch.
    pub(super) fn acknowledge(&self) {
        self.queue().under_way = None;
    }

    /// The server will never take the batch.
    pub(super) fn give_up(&self) {
        let mut queue = self.queue();
        let lost = queue.under_way.take().into_iter().flat_map(|b| b.reports);
        lost.for_each(|report| queue.count_dropped(Some(report)));
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Whoever panicked while holding it left a queue behind that can be used.
        self.shared.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.dropped.is_empty() && self.under_way.is_none()
    }

    fn count_dropped(&mut self, report: Option<Report>) {
        let Some(Report { network, what, .. }) = report else { return };
        let lost = if let What::Dropped { count } = what { count } else { 1 };
        let count = self.dropped.entry(network).or_default();
        *count = count.saturating_add(lost);
    }

    fn take(&mut self) -> Vec<Report> {
        let dropped = std::mem::take(&mut self.dropped).into_iter();
        let mut reports: Vec<_> =
            dropped.map(|(network, count)| Report { network, what: What::Dropped { count }, at: None }).collect();
        let room = MAX_REPORTS.saturating_sub(reports.len()).min(self.waiting.len());
        reports.extend(self.waiting.drain(..room));
        reports
    }
}

fn new_batch_id() -> Option<BatchId> {
    let mut bytes = [0; 16];
    SystemRandom::new().fill(&mut bytes).ok()?;
    URL_SAFE_NO_PAD.encode(bytes).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(at: u64) -> Report {
        Report { network: "cafe".parse().unwrap(), what: What::Arrived, at: Some(at) }
    }

    #[test]
    fn a_batch_keeps_its_name_until_it_is_acknowledged() {
        let reports = Reports::default();
        assert_eq!(reports.batch(), None);
        reports.push(report(1));
        let batch = reports.batch().unwrap();
        reports.push(report(2));
        assert_eq!(reports.batch(), Some(batch.clone()));
        reports.acknowledge();
        let next = reports.batch().unwrap();
        assert_ne!(next.batch, batch.batch);
        assert_eq!((batch.reports, next.reports), (vec![report(1)], vec![report(2)]));
    }

    #[test]
    fn the_oldest_go_first_and_the_loss_is_told() {
        let reports = Reports::default();
        for at in 0..KEPT as u64 + 7 {
            reports.push(report(at));
        }
        assert_eq!(reports.backlog(), (KEPT, 7));
        let batch = reports.batch().unwrap();
        assert_eq!(batch.reports.len(), MAX_REPORTS);
        assert_eq!(batch.reports[0].what, What::Dropped { count: 7 });
        assert_eq!(batch.reports[1], report(7));
        assert_eq!(reports.backlog(), (KEPT + 1, 0));
    }

    #[test]
    fn a_batch_that_is_given_up_counts_as_lost() {
        let reports = Reports::default();
        reports.push(report(1));
        reports.push(report(2));
        assert!(reports.batch().is_some());
        reports.give_up();
        reports.push(report(3));
        let batch = reports.batch().unwrap();
        assert_eq!(batch.reports[0].what, What::Dropped { count: 2 });
        reports.give_up();
        assert_eq!(reports.batch().unwrap().reports[0].what, What::Dropped { count: 3 });
    }

    #[tokio::test]
    async fn a_push_wakes_who_waits() {
        let reports = Reports::default();
        let waiting = tokio::spawn({
            let reports = reports.clone();
            async move { reports.wait().await }
        });
        tokio::task::yield_now().await;
        reports.push(report(1));
        waiting.await.unwrap();
    }
}
