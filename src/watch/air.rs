//! Listens to every BSS that is ours.
//!
//! In: which interfaces are ours, as that changes. Out: what [`super::bss`] hears on each of them.

use sorted::SortedMap;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::task::{AbortHandle, JoinSet};
use welcome_core::Event;

use super::Heard;
use super::bss::Ways;
use crate::tasks::Stop;

/// Listens until told to stop.
///
/// # Errors
/// If listening to one of them panics.
pub async fn run(ways: Ways, mut stop: Stop) -> anyhow::Result<()> {
    tokio::select! {
        outcome = listen(ways) => outcome,
        () = stop.stopped() => Ok(()),
    }
}

async fn listen(mut ways: Ways) -> anyhow::Result<()> {
    let mut listeners = JoinSet::new();
    let mut by_ifname: SortedMap<String, AbortHandle> = SortedMap::new();
    loop {
        let ours = Arc::clone(&ways.ours.borrow_and_update());
        let no_longer = by_ifname.extract(|ifname, _| !ours.by_ifname.contains_key(ifname));
        for (ifname, listener) in no_longer {
            listener.abort();
            Heard::now(Event::BssDown { ifname }).tell(&ways.to).await;
        }
        for ifname in ours.by_ifname.keys() {
            by_ifname.entry(ifname.clone()).or_insert_with(|| {
                let (ways, ifname) = (ways.clone(), ifname.clone());
                listeners.spawn(async move { ways.listen(&ifname).await })
            });
        }
        loop {
            tokio::select! {
                changed = ways.ours.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return Ok(()), // the agent ends
                },
                Some(Err(ended)) = listeners.join_next() => {
                    if !ended.is_cancelled() {
                        return Err(ended).context("listen to a BSS");
                    }
                }
            }
        }
    }
}
