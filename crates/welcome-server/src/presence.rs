//! Which routers are there, and what was written to their streams: gathered here, and put into the database now and then,
//! so that ten thousand streams do not make ten thousand transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use welcome_proto::RouterId;

use crate::app::unix_now;
use crate::http::App;

/// What waits to be written.
#[derive(Debug, Default)]
pub(crate) struct Presence(Mutex<Waiting>);

impl Presence {
    /// A router has spoken.
    pub(crate) fn saw(&self, router: &RouterId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).seen.insert(router.clone());
    }

    /// This revision of a router's offers was written to its stream.
    pub(crate) fn sent(&self, router: &RouterId, revision: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).sent.insert(router.clone(), revision);
    }

    fn take(&self) -> Waiting {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what waits each second, and once a minute that whoever has a stream is there.
pub(crate) async fn run(app: &App) {
    let mut turns = 0u32;
    loop {
        tokio::time::sleep(EVERY).await;
        turns = turns.wrapping_add(1);
        let Waiting { mut seen, sent } = app.presence.take();
        if turns.is_multiple_of(TURNS_A_MINUTE) {
            seen.extend(app.hub.connected());
        }
        let (seen, sent): (Vec<_>, Vec<_>) = (seen.into_iter().collect(), sent.into_iter().collect());
        let written = async {
            if !seen.is_empty() {
                app.store.saw(&seen, unix_now()).await?;
            }
            if !sent.is_empty() {
                app.store.sent_offers(&sent).await?;
            }
            Ok::<_, crate::store::StoreError>(())
        };
        if let Err(error) = written.await {
            tracing::warn!(%error, "failed to note which routers are there");
        }
    }
}

const EVERY: Duration = Duration::from_secs(1);
const TURNS_A_MINUTE: u32 = 60;

#[derive(Debug, Default)]
struct Waiting {
    seen: BTreeSet<RouterId>,
    sent: BTreeMap<RouterId, u64>,
}
