//! As many routers as a server has to carry, each with its stream: what they cost in memory, and how fast an offer is with
//! all of them.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use testkit::fleet::http::Error;
use testkit::fleet::program::Running;
use testkit::fleet::{Operator, Router};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use welcome_proto::Secret;

use crate::row;

/// Prints the figures. The server has done nothing before.
pub(crate) async fn measure(running: &Running, token: &Secret, routers: &Arc<Vec<Router>>) -> Result<(), Error> {
    let mut operator = Operator::connect(&running.there(), token).await?;
    sleep(SETTLE).await;
    let idle = running.resident()?;
    let arrived = Arc::new(Arrived::default());
    let mut streams = open(routers, &arrived).await?;
    arrived.wait(routers.len(), "the streams begin").await?;
    sleep(SETTLE).await;
    let each = running.resident()?.saturating_sub(idle) / routers.len() as u64;
    row("server.sse.bytes_per_router", &each, "bytes");

    arrived.count.store(0, Ordering::Relaxed);
    let begin = Instant::now();
    publish(&mut operator).await?;
    arrived.wait(routers.len(), "an offer reaches all").await?;
    row("server.fanout10k", &begin.elapsed().as_millis(), "ms");
    if let Some(ended) = streams.try_join_next() {
        ended.map_err(|e| io::Error::other(e.to_string()))??;
    }
    Ok(())
}

/// Has all routers show an offer.
async fn publish(operator: &mut Operator) -> Result<(), Error> {
    operator.publish("hello", "Coffee is half price").await
}

/// Opens all streams, some at a time. Each adds its sets of offers to `arrived`; the tasks end with them.
async fn open(routers: &Arc<Vec<Router>>, arrived: &Arc<Arrived>) -> Result<JoinSet<Result<(), Error>>, Error> {
    let mut streams = JoinSet::new();
    let opening = Arc::new(Semaphore::new(AT_A_TIME));
    for number in 0..routers.len() {
        let turn = Arc::clone(&opening).acquire_owned().await.map_err(|e| io::Error::other(e.to_string()))?;
        let (routers, arrived) = (Arc::clone(routers), Arc::clone(arrived));
        streams.spawn(async move {
            let mut stream = routers[number].listen(None).await?;
            drop(turn);
            while let Some(event) = stream.next().await? {
                if event.name == "offers" {
                    arrived.add();
                }
            }
            Err(Error::Ended)
        });
        // A stream that ended has failed; none ends by itself.
        if let Some(ended) = streams.try_join_next() {
            ended.map_err(|e| io::Error::other(e.to_string()))??;
        }
    }
    Ok(streams)
}

/// Sets of offers that have come.
#[derive(Debug, Default)]
struct Arrived {
    count: AtomicUsize,
    more: Notify,
}

impl Arrived {
    fn add(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
        self.more.notify_one();
    }

    async fn wait(&self, count: usize, what: &str) -> Result<(), Error> {
        let waiting = async {
            while self.count.load(Ordering::Relaxed) < count {
                self.more.notified().await;
            }
        };
        let come = || self.count.load(Ordering::Relaxed);
        timeout(DEADLINE, waiting)
            .await
            .map_err(|_| io::Error::other(format!("never: {what}: {} of {count}", come())).into())
    }
}

const AT_A_TIME: usize = 64;
/// The first heart-beats are over by then.
const SETTLE: Duration = Duration::from_secs(3);
const DEADLINE: Duration = Duration::from_secs(120);
