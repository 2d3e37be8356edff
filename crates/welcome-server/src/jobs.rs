//! What is done from time to time: what is old is deleted.
//!
//! Once an hour, not all processes at the same moment, and of several on one PostgreSQL only one at a time. A little in each
//! transaction, with a pause between them, so that nobody waits for it.

use std::sync::Arc;
use std::time::Duration;

use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::time::sleep;

use crate::app::unix_now;
use crate::config::Retention;
use crate::metrics::Metrics;
use crate::store::{OLD, Store, StoreError};

/// Runs for good.
pub(crate) async fn run(store: &Store, retention: Retention, metrics: &Arc<Metrics>) {
    // Not at the start: then there is other work, and a server that is restarted over and over shall not do nothing else.
    let mut pause = jitter(FIRST);
    loop {
        sleep(pause).await;
        let outcome = match delete_old(store, retention).await {
            Ok(Done::All) => "done",
            Ok(Done::Elsewhere) => "elsewhere",
            Err(error) => {
                tracing::warn!(%error, "failed to delete what is old; trying again in an hour");
                "failed"
            }
        };
        metrics.job("retention", outcome);
        pause = jitter(EVERY);
    }
}

const FIRST: Duration = Duration::from_secs(600);
const EVERY: Duration = Duration::from_secs(3600);
/// Rows in one transaction: some milliseconds.
const PORTION: usize = 500;
/// Between two transactions; others are to have most of the time.
const BREATH: Duration = Duration::from_millis(50);

#[derive(Debug, PartialEq, Eq)]
enum Done {
    All,
    /// Another process is at it.
    Elsewhere,
}

async fn delete_old(store: &Store, retention: Retention) -> Result<Done, StoreError> {
    for old in OLD {
        let mut all = 0;
        loop {
            let Some(gone) = store.delete_old(*old, retention, unix_now(), PORTION).await? else {
                return Ok(Done::Elsewhere);
            };
            all += gone;
            if gone < PORTION as u64 {
                break;
            }
            sleep(BREATH).await;
        }
        if all > 0 {
            tracing::info!(table = old.table, rows = all, "deleted what was old");
        }
    }
    Ok(Done::All)
}

/// Between half and one and a half of it.
fn jitter(around: Duration) -> Duration {
    let mut byte = [0];
    // Without randomness the middle is as good.
    let part = SystemRandom::new().fill(&mut byte).map_or(128, |()| u32::from(byte[0]));
    around / 2 + around * part / 255
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_neither_short_nor_long() {
        for _ in 0..1000 {
            assert!((EVERY / 2..=EVERY * 3 / 2).contains(&jitter(EVERY)));
        }
    }

    #[tokio::test]
    async fn a_run_over_an_empty_database_is_soon_done() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path()).await.unwrap();
        assert_eq!(delete_old(&store, Retention::default()).await.unwrap(), Done::All);
        store.close().await;
    }
}
