//! netifd's word on which interface carries which wireless section, and how stations join it.
//!
//! In: `network.wireless status`, asked when access points come or go and each minute; the configuration as it changes.
//! Out: [`Event::Wireless`] for the core, [`Ours`] for the other watchers. The answer holds all passphrases of the
//! router: it is never logged, and only what [`super::ours`] lets through leaves this file.

use sorted::{SortedMap, SortedSet};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};
use tokio_ubus::{Blobmsg, Client, Error, EventNotice, Status};
use tracing::{debug, warn};
use welcome_core::Event;

use super::Heard;
use super::hostapd::PREFIX;
use super::ours::{Finder, Ours};
use crate::bus::NoArguments;
use crate::clock::Clock;
use crate::config::Config;
use crate::netifd::{self, Wireless};
use crate::tasks::Stop;

/// Objects of ubus come and go; hostapd's are the access points.
const EVENTS: &str = "ubus.object.*";
/// `wifi reload` moves several at a time.
const SETTLE: Duration = Duration::from_millis(500);
/// While a radio is on its way up.
const AGAIN: Duration = Duration::from_secs(2);
/// When it gave no answer, or was not allowed to.
const RETRY: Duration = Duration::from_secs(10);
const EVERY: Duration = Duration::from_secs(60);
/// netifd runs scripts that take seconds, but answers between them.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Watches netifd.
#[derive(Debug)]
pub struct Watch {
    config: watch::Receiver<Arc<Config>>,
    bus: Client,
    clock: Clock,
    to: mpsc::Sender<Heard>,
    finder: Finder,
    ours: watch::Sender<Arc<Ours>>,
    /// What the core has.
    told: SortedMap<String, welcome_core::Wireless>,
    /// Sections that are not there, as the log has it.
    missing: SortedSet<String>,
    troubled: bool,
}

impl Watch {
    /// Of the netifd on `bus`. What is ours by `config` alone is known at once, the rest later.
    #[must_use]
    pub fn new(
        config: watch::Receiver<Arc<Config>>,
        bus: Client,
        clock: Clock,
        to: mpsc::Sender<Heard>,
    ) -> (Self, watch::Receiver<Arc<Ours>>) {
        let mut finder = Finder::default();
        let (ours, receiver) = watch::channel(Arc::new(finder.ours(clock.now().mono, &config.borrow())));
        let (told, missing) = (SortedMap::new(), SortedSet::new());
        (Self { config, bus, clock, to, finder, ours, told, missing, troubled: false }, receiver)
    }

    /// Watches until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(mut self, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = self.watch() => Ok(()),
            () = stop.stopped() => Ok(()),
        }
    }

    async fn watch(&mut self) {
        let mut events = self.bus.listen(EVENTS);
        let mut due = Instant::now();
        let mut is_new = false;
        loop {
            tokio::select! {
                biased;
                changed = self.config.changed() => {
                    if changed.is_err() {
                        return; // the agent ends
                    }
                    // The core hears of it by another way, and is to hear of it first.
                    due = due.min(Instant::now() + SETTLE);
                    is_new = true;
                }
                notice = events.next() => match notice {
                    Some(EventNotice::Listening) => due = Instant::now(),
                    Some(EventNotice::Event { data, .. }) if !concerns_us(&data) => {}
                    Some(EventNotice::Event { .. } | EventNotice::Lagged(_)) => due = due.min(Instant::now() + SETTLE),
                    Some(EventNotice::Denied(status)) => {
                        warn!(%status, "ubus lets nobody hear of new access points; looking each minute");
                    }
                    Some(_) => {}
                    None => pending().await, // the thread of the connection has ended, and the agent does
                },
                () = sleep_until(due) => {
                    due = Instant::now() + self.look().await;
                    self.tell(std::mem::take(&mut is_new)).await;
                }
            }
        }
    }

    /// Asks netifd; how long until the next time.
    async fn look(&mut self) -> Duration {
        let error = match self.bus.call(netifd::OBJECT, netifd::METHOD, &NoArguments {}, ANSWER_WITHIN).await {
            Ok(reply) => {
                let wireless = Wireless::read(&reply.data.into_iter().next().unwrap_or_default());
                let settled = wireless.settled;
                self.finder.take(self.clock.now().mono, wireless);
                self.troubled = false;
                if settled {
                    self.miss();
                }
                return if settled { EVERY } else { AGAIN };
            }
            Err(error) => error,
        };
        if matches!(error, Error::Closed | Error::Refused(Status::NotFound)) {
            debug!("netifd is not there"); // when it comes, that is an event
            return EVERY;
        }
        if !std::mem::replace(&mut self.troubled, true) {
            warn!("failed to ask netifd for its access points: {error}; trying again");
        }
        RETRY
    }

    /// Says once of each section that it is not there.
    fn miss(&mut self) {
        let missing = self.finder.missing(&self.config.borrow().rules);
        for section in missing.difference(&self.missing) {
            warn!(section, "no access point has this section of the wireless configuration");
        }
        self.missing = missing;
    }

    /// Tells the core and the other watchers, in this order: who is heard on an interface belongs to a network by then.
    /// By a new configuration all look again: the core may have ended visits that belong elsewhere by it.
    async fn tell(&mut self, is_new: bool) {
        let config = Arc::clone(&self.config.borrow());
        let wireless = self.finder.wireless(&config.rules);
        if self.told != wireless {
            self.told = wireless.clone();
            Heard::now(Event::Wireless(wireless)).tell(&self.to).await;
        }
        let ours = self.finder.ours(self.clock.now().mono, &config);
        self.ours.send_if_modified(|before| {
            let changed = is_new || **before != ours;
            *before = Arc::new(ours);
            changed
        });
    }
}

/// Whether an object that came or went has to do with access points.
fn concerns_us(event: &Blobmsg) -> bool {
    let path = event.get("path").and_then(|p| p.as_str()).unwrap_or_default();
    path.starts_with(PREFIX) || path == netifd::OBJECT
}
