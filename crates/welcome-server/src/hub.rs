//! Who is connected to this process: wakes the event streams of a router when something for it changes, and hands them
//! what is said live.
//!
//! Of offers only that something changed travels through here. A stream reads the set from the store when its reader is
//! ready for more, so a slow reader gets the latest set and nothing piles up for it. Of what is said live each stream
//! keeps a few for its reader; one that does not take them misses the next. Never holds a lock while waiting.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use welcome_proto::RouterId;

use crate::ids::OrgId;
use crate::metrics::{Held, Metrics};

/// How many streams one router may have: the live one, and one that the router has lost and TCP has not yet noticed.
pub(crate) const MAX_STREAMS: usize = 2;

/// How much that is said live waits for one reader.
const SAID: usize = 8;

/// In how many steps the streams end at most.
const PORTIONS: u32 = 40;

/// All connected routers.
#[derive(Debug)]
pub(crate) struct Hub {
    routers: Arc<Mutex<Routers>>,
    stop: CancellationToken,
    /// How many streams there may be.
    limit: usize,
    metrics: Arc<Metrics>,
}

/// One open event stream; it is counted until it is dropped.
#[derive(Debug)]
pub(crate) struct Subscription {
    changed: watch::Receiver<Changes>,
    /// Of what was seen last.
    seen: Changes,
    said: mpsc::Receiver<Arc<str>>,
    end: CancellationToken,
    serial: u64,
    router: RouterId,
    routers: Arc<Mutex<Routers>>,
    _counted: Held,
    metrics: Arc<Metrics>,
}

/// Why a stream was woken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Woken {
    /// Something for the router has changed: its offers alone, or anything.
    Changed(What),
    /// This was said live.
    Said(Arc<str>),
    /// The stream shall end.
    Over,
}

/// How much has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum What {
    Offers,
    Anything,
}

impl Hub {
    /// All streams end when `stop` is cancelled.
    pub(crate) fn new(stop: CancellationToken, limit: usize, metrics: Arc<Metrics>) -> Self {
        Self { routers: Arc::default(), stop, limit, metrics }
    }

    /// Cancelled when all streams end.
    pub(crate) fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Opens a stream of this router; `None` if there are too many of all. If it has [`MAX_STREAMS`] already, its oldest
    /// one ends.
    pub(crate) fn subscribe(&self, org: &OrgId, router: &RouterId) -> Option<Subscription> {
        let end = self.stop.child_token();
        let mut all = lock(&self.routers);
        if all.open >= self.limit {
            return None;
        }
        all.open += 1;
        all.opened += 1;
        let serial = all.opened;
        let connected = all.connected.entry(router.clone()).or_insert_with(|| Connected::of(org.clone()));
        let (say, said) = mpsc::channel(SAID);
        connected.streams.push_back(Stream { serial, end: end.clone(), say });
        if connected.streams.len() > MAX_STREAMS
            && let Some(oldest) = connected.streams.pop_front()
        {
            oldest.end.cancel();
        }
        let changed = connected.changed.subscribe();
        self.metrics.routers.set(i64::try_from(all.connected.len()).unwrap_or(i64::MAX));
        let seen = *changed.borrow();
        Some(Subscription {
            changed,
            seen,
            said,
            end,
            serial,
            router: router.clone(),
            routers: Arc::clone(&self.routers),
            _counted: Held::of(&self.metrics.streams),
            metrics: Arc::clone(&self.metrics),
        })
    }

    /// Ends all streams, evenly over this time. Their order is that of the routers' names, which are random.
    pub(crate) async fn end_one_by_one(&self, over: Duration) {
        let ends: Vec<_> =
            lock(&self.routers).connected.values().flat_map(|c| &c.streams).map(|s| s.end.clone()).collect();
        let portion = ends.len().div_ceil(PORTIONS as usize).max(1);
        let portions = ends.chunks(portion);
        let pause = over / u32::try_from(portions.len()).unwrap_or(PORTIONS).max(1);
        for (nth, some) in portions.enumerate() {
            if nth > 0 {
                tokio::time::sleep(pause).await;
            }
            some.iter().for_each(CancellationToken::cancel);
        }
    }

    /// Says that something for this router has changed. Call it after the change is committed.
    pub(crate) fn changed(&self, router: &RouterId) {
        if let Some(connected) = lock(&self.routers).connected.get(router) {
            connected.tell(What::Anything);
        }
    }

    /// Says that offers of an organisation have changed.
    pub(crate) fn changed_for(&self, org: &OrgId) {
        lock(&self.routers).connected.values().filter(|c| c.org == *org).for_each(|c| c.tell(What::Offers));
    }

    /// Says that anything may have changed.
    pub(crate) fn changed_for_all(&self) {
        lock(&self.routers).connected.values().for_each(|c| c.tell(What::Anything));
    }

    /// The routers that have a stream here.
    pub(crate) fn connected(&self) -> Vec<RouterId> {
        lock(&self.routers).connected.keys().cloned().collect()
    }

    /// Hands this to every stream of a router; to how many. Whoever has not taken the last [`SAID`] misses it.
    pub(crate) fn say(&self, router: &RouterId, what: &Arc<str>) -> usize {
        let all = lock(&self.routers);
        let streams = all.connected.get(router).into_iter().flat_map(|c| &c.streams);
        streams.filter(|s| s.say.try_send(Arc::clone(what)).is_ok()).count()
    }

    /// Ends all streams of a router.
    pub(crate) fn disconnect(&self, router: &RouterId) {
        if let Some(connected) = lock(&self.routers).connected.get(router) {
            connected.streams.iter().for_each(|s| s.end.cancel());
        }
    }

    /// How many streams a router has.
    pub(crate) fn streams(&self, router: &RouterId) -> usize {
        lock(&self.routers).connected.get(router).map_or(0, |c| c.streams.len())
    }
}

impl Subscription {
    /// Waits for the next thing to do. What is said live comes first: it is for this moment.
    ///
    /// # Cancel safety
    /// What happened before a cancelled call is seen by the next one.
    pub(crate) async fn woken(&mut self) -> Woken {
        tokio::select! {
            biased;
            () = self.end.cancelled() => Woken::Over,
            Some(said) = self.said.recv() => Woken::Said(said),
            changed = self.changed.changed() => {
                if changed.is_err() {
                    return Woken::Over;
                }
                let before = std::mem::replace(&mut self.seen, *self.changed.borrow_and_update());
                Woken::Changed(if before.anything == self.seen.anything { What::Offers } else { What::Anything })
            }
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
            connected.streams.retain(|s| s.serial != self.serial);
            if connected.streams.is_empty() {
                all.connected.remove(&self.router);
            }
        }
        all.open -= 1;
        self.metrics.routers.set(i64::try_from(all.connected.len()).unwrap_or(i64::MAX));
    }
}

#[derive(Debug, Default)]
struct Routers {
    connected: BTreeMap<RouterId, Connected>,
    /// How many streams there are.
    open: usize,
    /// How many there have ever been.
    opened: u64,
}

#[derive(Debug)]
struct Connected {
    org: OrgId,
    changed: watch::Sender<Changes>,
    /// Oldest first.
    streams: VecDeque<Stream>,
}

impl Connected {
    fn of(org: OrgId) -> Self {
        Self { org, changed: watch::Sender::default(), streams: VecDeque::new() }
    }

    fn tell(&self, what: What) {
        self.changed.send_modify(|changes| match what {
            What::Offers => changes.offers += 1,
            What::Anything => changes.anything += 1,
        });
    }
}

/// How often each has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Changes {
    offers: u64,
    anything: u64,
}

#[derive(Debug)]
struct Stream {
    serial: u64,
    end: CancellationToken,
    say: mpsc::Sender<Arc<str>>,
}

fn lock(routers: &Mutex<Routers>) -> MutexGuard<'_, Routers> {
    // Every change under the lock is one step, so the table is whole even after a panic.
    routers.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct One(Hub, OrgId);

    impl One {
        fn subscribe(&self, router: &RouterId) -> Option<Subscription> {
            self.0.subscribe(&self.1, router)
        }
    }

    impl std::ops::Deref for One {
        type Target = Hub;

        fn deref(&self) -> &Hub {
            &self.0
        }
    }

    fn hub() -> (One, RouterId) {
        (
            One(Hub::new(CancellationToken::new(), 9, Arc::new(Metrics::new())), "o-1".parse().unwrap()),
            "r-1".parse().unwrap(),
        )
    }

    #[tokio::test]
    async fn a_change_of_an_organisation_wakes_its_routers_alone() {
        let (hub, router) = hub();
        let mut own = hub.subscribe(&router).unwrap();
        let mut other = hub.0.subscribe(&"o-2".parse().unwrap(), &"r-2".parse().unwrap()).unwrap();
        hub.changed_for(&hub.1);
        assert_eq!(own.woken().await, Woken::Changed(What::Offers));
        let other = tokio::time::timeout(std::time::Duration::from_millis(20), other.woken()).await;
        assert!(other.is_err());
    }

    #[tokio::test]
    async fn many_changes_wake_a_stream_once() {
        let (hub, router) = hub();
        let mut stream = hub.subscribe(&router).unwrap();
        (0..100).for_each(|_| hub.changed(&router));
        assert_eq!(stream.woken().await, Woken::Changed(What::Anything));
        let again = tokio::time::timeout(std::time::Duration::from_millis(20), stream.woken()).await;
        assert!(again.is_err());
    }

    #[tokio::test]
    async fn a_third_stream_ends_the_oldest() {
        let (hub, router) = hub();
        let [mut first, second, third] = [(); 3].map(|()| hub.subscribe(&router).unwrap());
        assert_eq!(first.woken().await, Woken::Over);
        assert!(!second.is_over() && !third.is_over());
        drop(first);
        assert_eq!(hub.streams(&router), 2);
    }

    #[tokio::test]
    async fn what_is_said_comes_first_and_a_reader_that_takes_nothing_misses_the_rest() {
        let (hub, router) = hub();
        let said: Vec<Arc<str>> = (0..SAID + 2).map(|n| n.to_string().into()).collect();
        assert_eq!(hub.say(&router, &said[0]), 0);
        let [mut slow, mut other] = [(); 2].map(|()| hub.subscribe(&router).unwrap());
        hub.changed(&router);
        for (n, what) in said.iter().enumerate() {
            assert_eq!(other_took(&hub, &router, what, &mut other).await, if n < SAID { 2 } else { 1 });
        }
        for what in &said[..SAID] {
            assert_eq!(slow.woken().await, Woken::Said(Arc::clone(what)));
        }
        assert_eq!(slow.woken().await, Woken::Changed(What::Anything));
    }

    async fn other_took(hub: &One, router: &RouterId, what: &Arc<str>, other: &mut Subscription) -> usize {
        let streams = hub.say(router, what);
        assert_eq!(other.woken().await, Woken::Said(Arc::clone(what)));
        streams
    }

    #[test]
    fn a_router_without_streams_takes_no_room() {
        let (hub, router) = hub();
        let streams = [hub.subscribe(&router), hub.subscribe(&router), hub.subscribe(&router)];
        drop(streams);
        hub.changed(&router);
        assert!(lock(&hub.routers).connected.is_empty());
        assert_eq!(hub.metrics.streams.get(), 0);
    }

    #[test]
    fn there_are_no_more_streams_than_the_limit() {
        let (hub, _) = hub();
        let router = |n: usize| format!("r-{n}").parse().unwrap();
        let mut streams: Vec<_> = (0..9).map(|n| hub.subscribe(&router(n)).unwrap()).collect();
        assert!(hub.subscribe(&router(9)).is_none());
        assert_eq!((hub.metrics.streams.get(), hub.metrics.routers.get()), (9, 9));
        streams.pop();
        assert!(hub.subscribe(&router(9)).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn at_the_stop_streams_end_one_after_the_other() {
        let hub = Hub::new(CancellationToken::new(), 400, Arc::new(Metrics::new()));
        let hub = One(hub, "o-1".parse().unwrap());
        let streams: Vec<_> = (0..200).map(|n| hub.subscribe(&format!("r-{n}").parse().unwrap()).unwrap()).collect();
        let (ended, began) = (hub.end_one_by_one(Duration::from_secs(2)), tokio::time::Instant::now());
        let half = tokio::time::timeout(Duration::from_secs(1), ended).await;
        assert!(half.is_err());
        let over = streams.iter().filter(|s| s.is_over()).count();
        assert!((90..=110).contains(&over), "{over} of 200 after half the time");
        hub.end_one_by_one(Duration::from_secs(2)).await;
        assert!(streams.iter().all(Subscription::is_over) && began.elapsed() <= Duration::from_secs(4));
    }
}
