//! Who is connected: wakes the event streams of a router when its offers change.
//!
//! What travels through here is only that something changed. A stream reads the set from the store when its reader is
//! ready for more, so a slow reader gets the latest set and nothing piles up for it. Never holds a lock while waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use welcome_proto::RouterId;

/// How many streams one router may have: the live one, and one that the router has lost and TCP has not yet noticed.
pub(crate) const MAX_STREAMS: usize = 2;

/// All connected routers.
#[derive(Debug)]
pub(crate) struct Hub {
    routers: Arc<Mutex<Routers>>,
    stop: CancellationToken,
}

/// One open event stream; it is counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    changed: watch::Receiver<()>,
    end: CancellationToken,
    serial: u64,
    router: RouterId,
    routers: Arc<Mutex<Routers>>,
}

impl Hub {
    /// All streams end when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken) -> Self {
        Self { routers: Arc::default(), stop }
    }

    /// Opens a stream of this router. If it has [`MAX_STREAMS`] already, its oldest one ends.
    pub(crate) fn subscribe(&self, router: &RouterId) -> Subscription {
        let end = self.stop.child_token();
        let mut all = lock(&self.routers);
        all.opened += 1;
        let serial = all.opened;
        let connected = all.connected.entry(router.clone()).or_default();
        connected.streams.push_back((serial, end.clone()));
        if connected.streams.len() > MAX_STREAMS
            && let Some((_, oldest)) = connected.streams.pop_front()
        {
            oldest.cancel();
        }
        let changed = connected.changed.subscribe();
        Subscription { changed, end, serial, router: router.clone(), routers: Arc::clone(&self.routers) }
    }

    /// Says that this router's offers have changed. Call it after the change is committed.
    pub(crate) fn changed(&self, router: &RouterId) {
        if let Some(connected) = lock(&self.routers).connected.get(router) {
            connected.changed.send_replace(());
        }
    }

    /// Ends all streams of a router.
    pub(crate) fn disconnect(&self, router: &RouterId) {
        if let Some(connected) = lock(&self.routers).connected.get(router) {
            connected.streams.iter().for_each(|(_, end)| end.cancel());
        }
    }

    /// How many streams a router has.
    pub(crate) fn streams(&self, router: &RouterId) -> usize {
        lock(&self.routers).connected.get(router).map_or(0, |c| c.streams.len())
    }
}

impl Subscription {
    /// Waits for the next change; `false` if the stream shall end.
    ///
    /// # Cancel safety
    /// A change that happened before a cancelled call is seen by the next one.
    pub(crate) async fn next_change(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.end.cancelled() => false,
            changed = self.changed.changed() => changed.is_ok(),
        }
    }

    /// Whether the stream shall end.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_cancelled()
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut all = lock(&self.routers);
        if let Some(connected) = all.connected.get_mut(&self.router) {
            connected.streams.retain(|(serial, _)| *serial != self.serial);
            if connected.streams.is_empty() {
                all.connected.remove(&self.router);
            }
        }
    }
}

#[derive(Debug, Default)]
struct Routers {
    connected: BTreeMap<RouterId, Connected>,
    opened: u64,
}

#[derive(Debug, Default)]
struct Connected {
    changed: watch::Sender<()>,
    /// Oldest first.
    streams: VecDeque<(u64, CancellationToken)>,
}

fn lock(routers: &Mutex<Routers>) -> MutexGuard<'_, Routers> {
    // Every change under the lock is one step, so the table is whole even after a panic.
    routers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hub() -> (Hub, RouterId) {
        (Hub::new(CancellationToken::new()), "r-1".parse().unwrap())
    }

    #[tokio::test]
    async fn many_changes_wake_a_stream_once() {
        let (hub, router) = hub();
        let mut stream = hub.subscribe(&router);
        (0..100).for_each(|_| hub.changed(&router));
        assert!(stream.next_change().await);
        let again = tokio::time::timeout(std::time::Duration::from_millis(20), stream.next_change()).await;
        assert!(again.is_err());
    }

    #[tokio::test]
    async fn a_third_stream_ends_the_oldest() {
        let (hub, router) = hub();
        let (mut first, second, third) = (hub.subscribe(&router), hub.subscribe(&router), hub.subscribe(&router));
        assert!(!first.next_change().await);
        assert!(!second.is_over() && !third.is_over());
        drop(first);
        assert_eq!(hub.streams(&router), 2);
    }

    #[test]
    fn a_router_without_streams_takes_no_room() {
        let (hub, router) = hub();
        let streams = [hub.subscribe(&router), hub.subscribe(&router), hub.subscribe(&router)];
        drop(streams);
        hub.changed(&router);
        assert!(lock(&hub.routers).connected.is_empty());
    }
}
