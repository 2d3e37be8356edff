//! One BSS, by whichever way hostapd can be reached.
//!
//! In: hostapd's control socket, which alone tells a `keyid`; ubus, while the socket cannot be reached. Out: [`Heard`].
//! The ways change without a visit noticing: the control socket is attached before the subscription ends, and a snapshot
//! follows.

use std::convert::Infallible;
use std::future::pending;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tokio::time::sleep;
use tokio_ubus::Client;
use tracing::{info, warn};

use super::Heard;
use super::control::{self, Attachment};
use super::hostapd;
use super::listen::Teller;
use super::ours::Ours;
use crate::clock::Clock;
use crate::config::Joins;

/// hostapd is back within a second or two from a restart; looking for its socket costs one system call.
const RETRY: Duration = Duration::from_millis(250);
/// While ubus tells who joins, nothing is missed.
const RETRY_BESIDE_UBUS: Duration = Duration::from_secs(5);
/// For so long nobody may be there before it is worth a warning: restarts are over by then.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is needed to listen to a BSS.
#[derive(Debug, Clone)]
pub struct Ways {
    /// Which to take.
    pub joins: Joins,
    /// Where the control sockets are.
    pub hostapd_dir: PathBuf,
    /// The way to hostapd's objects.
    pub bus: Client,
    /// The time.
    pub clock: Clock,
    /// Where events go.
    pub to: mpsc::Sender<Heard>,
    /// What is ours. When that changes, it is time to look again.
    pub ours: watch::Receiver<Arc<Ours>>,
}

impl Ways {
    /// Listens to the BSS on `ifname` for as long as it is let.
    pub async fn listen(self, ifname: &str) -> Infallible {
        let mut teller = Teller::new(ifname, self.clock, self.to.clone());
        let mut ours = self.ours.clone();
        loop {
            let Attachment { mut ears, mut questions } = match self.joins {
                Joins::Ubus => match self.by_ubus(ifname, &mut teller, &AtomicBool::new(false)).await {},
                Joins::Control => self.by_control(ifname, &AtomicBool::new(false)).await,
                Joins::Auto => {
                    let heard = AtomicBool::new(false);
                    tokio::select! {
                        biased;
                        attachment = self.by_control(ifname, &heard) => attachment,
                        never = self.by_ubus(ifname, &mut teller, &heard) => match never {},
                    }
                }
            };
            info!(ifname, by = "control socket", "listening to hostapd");
            let why = teller.listen(&mut ears, &mut questions, &mut ours).await;
            teller.down().await;
            info!(ifname, "hostapd is gone: {why}");
        }
    }

    /// Attaches to the control socket, as soon as that can be done. `beside` tells whether hostapd is heard meanwhile.
    async fn by_control(&self, ifname: &str, beside: &AtomicBool) -> Attachment {
        let mut alone_since = Instant::now();
        let mut told = String::new();
        loop {
            let error = match control::attach(ifname, &self.hostapd_dir).await {
                Ok(attachment) => return attachment,
                Err(error) => error,
            };
            let beside = beside.load(Ordering::Relaxed);
            let why = error.to_string();
            if beside {
                alone_since = Instant::now();
            } else if alone_since.elapsed() > PATIENCE && why != told {
                // The same reason each quarter of a second would fill the log.
                warn!(ifname, "hostapd is not there: failed to {why}; trying again until it is");
                told = why;
            }
            sleep(if beside { RETRY_BESIDE_UBUS } else { RETRY }).await;
        }
    }

    /// Listens by ubus. `heard` tells whether there is anything to hear.
    async fn by_ubus(&self, ifname: &str, teller: &mut Teller, heard: &AtomicBool) -> Infallible {
        let mut ears = hostapd::Subscribed::new(ifname, &self.bus, heard);
        let mut questions = hostapd::Asking::new(ifname, self.bus.clone(), self.ours.clone());
        teller.listen(&mut ears, &mut questions, &mut self.ours.clone()).await;
        pending().await // the thread of the connection has ended, and the agent does
    }
}
