//! What our radios carry: a challenge for some minutes, and their own names again, come what may.
//!
//! In: what the core wants carried. Out: what became of it, as events. Two ways lead to a radio, in
//! two files: hostapd's [`control`] socket, which changes the beacon and nothing else; and netifd's configuration by
//! [`uci`], which starts the BSS anew. [`record`] notes the own names in memory before anything is changed; [`guard`] is
//! another process that gives them back in time if this one cannot. [`scan`] is a task of its own that listens for others.
//!
//! Must never write a challenge to flash, and never give a radio back a name that somebody has changed since.

pub mod control;
pub mod guard;
pub mod record;
pub mod scan;
pub mod uci;

use sorted::SortedSet;
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_ubus::Client;
use tracing::{info, warn};
use welcome_core::{Carry, Event};
use welcome_proto::Ssid;
use welcome_proto::challenge::MAX_WHY;

use self::guard::Guard;
use self::record::{Carried, File, Record, Way};
use crate::clock::{self, Clock};
use crate::config::Joins;
use crate::tasks::Stop;

/// Before another try to give a radio its own name back. The next one may find hostapd less busy.
const AGAIN: Duration = Duration::from_secs(2);
/// For that when the agent stops; its tasks have four seconds.
const LAST: Duration = Duration::from_secs(3);
/// How long the guard waits beyond the time, so that it does not do what the agent is about to.
const GRACE: Duration = Duration::from_secs(5);

/// How to reach the radios.
#[derive(Debug, Clone)]
pub struct Ways {
    /// Which of the two.
    pub joins: Joins,
    /// Where hostapd's control sockets are.
    pub hostapd_dir: PathBuf,
    /// Where wpa_supplicant's are.
    pub supplicant_dir: PathBuf,
    /// Where ubusd listens; for the guard, which has its own connection.
    pub ubus_socket: PathBuf,
    /// The way to netifd and rpcd.
    pub bus: Client,
}

/// The radios' keeper.
#[derive(Debug)]
pub struct Air {
    /// How to reach them.
    pub ways: Ways,
    /// Where the own names are noted.
    pub file: File,
    /// The program that gives them back when we cannot.
    pub guard: Guard,
    /// The time.
    pub clock: Clock,
    /// What is to be carried; latest wins.
    pub wanted: watch::Receiver<Option<Carry>>,
    /// To the app.
    pub events: mpsc::Sender<Event>,
}

impl Air {
    /// Carries what is wanted until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(mut self, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = self.keep() => {}
            () = stop.stopped() => {}
        }
        // The guard is there for what does not succeed in time.
        let _in_time = timeout(LAST, self.restore()).await.is_ok();
        Ok(())
    }

    /// Undoes what an agent before this one has left, if that does not take long.
    pub async fn mend(&mut self) {
        // Otherwise it goes on beside the rest.
        let _in_time = timeout(LAST, self.restore()).await.is_ok();
    }

    async fn keep(&mut self) {
        self.restore().await;
        loop {
            if self.wanted.changed().await.is_err() {
                return; // the agent ends
            }
            let wanted = self.wanted.borrow_and_update().clone();
            // Whatever was wanted in between and is wanted no more need not have been carried.
            let Some(wanted) = wanted else {
                self.restore().await;
                self.tell(Event::Restored).await;
                continue;
            };
            let id = wanted.id.clone();
            let outcome = self.carry(wanted).await;
            match &outcome {
                Ok(ifnames) => info!(challenge = %id, radios = ifnames.len(), "a challenge is on the air"),
                Err(why) => warn!(challenge = %id, "a challenge did not get on the air: {why}"),
            }
            self.tell(Event::Carried { id, outcome }).await;
        }
    }

    /// Has the radios carry a challenge, those that can. What is to be undone is noted before it is done.
    async fn carry(&mut self, Carry { id, name, own, until }: Carry) -> Result<Vec<String>, String> {
        let now = self.clock.now().mono;
        let due = clock::uptime().ok_or("/proc/uptime cannot be read")? + until.saturating_sub(now) + GRACE;
        let mut bss = Vec::new();
        let mut why = "no radio can be reached".to_owned();
        for (ifname, own) in own {
            match self.way(&ifname, &own).await {
                Ok(way) => bss.push(Carried { ifname, own, way }),
                Err(error) => why = error,
            }
        }
        if bss.is_empty() {
            return Err(short(&why));
        }
        let Ways { hostapd_dir, ubus_socket, .. } = self.ways.clone();
        let record = Record { id, name, due_s: due.as_secs(), bss, hostapd_dir, ubus_socket };
        self.file.write(&record).map_err(|e| short(&format!("{}: {e}", self.file.path().display())))?;
        self.guard.start(&self.file).map_err(|e| short(&format!("start the guard: {e}")))?;
        let mut carry = SortedSet::new();
        for bss in record.bss.iter().filter(|b| b.way == Way::Control) {
            match control::carry(&record.hostapd_dir, &bss.ifname, record.name.ssid()).await {
                Ok(()) => drop(carry.insert(bss.ifname.clone())),
                Err(error) => why = error.to_string(),
            }
        }
        match uci::carry(&self.ways.bus, &record).await {
            Ok(ifnames) => carry.extend(ifnames),
            Err(error) => why = error,
        }
        if carry.is_empty() { Err(short(&why)) } else { Ok(carry.into_iter().collect()) }
    }

    async fn way(&self, ifname: &str, own: &Ssid) -> Result<Way, String> {
        let by_control = match self.ways.joins {
            Joins::Ubus => Err(String::new()),
            Joins::Auto | Joins::Control => control::reach(&self.ways.hostapd_dir, ifname).await,
        };
        match (by_control, self.ways.joins) {
            (Ok(()), _) => Ok(Way::Control),
            (Err(why), Joins::Control) => Err(why),
            (Err(_), _) => uci::section(&self.ways.bus, ifname, own).await.map(|section| Way::Uci { section }),
        }
    }

    /// Gives all radios their own names back, however often that has to be tried.
    async fn restore(&mut self) {
        let mut is_told = false;
        while let Some(record) = self.file.read() {
            match restore(&record, &self.ways.bus).await {
                Ok(()) => {
                    self.file.remove();
                    info!(challenge = %record.id, "the networks have their own names again");
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        warn!(challenge = %record.id, "failed to {error}; trying again until it is so");
                    }
                    sleep(AGAIN).await;
                }
            }
        }
        self.guard.stop();
    }

    async fn tell(&self, event: Event) {
        // It fails when the agent ends, and then nobody needs to know.
        let _ended = self.events.send(event).await.is_err();
    }
}

/// Gives the radios of a record their own names back, those that still carry the challenge.
async fn restore(record: &Record, bus: &Client) -> Result<(), String> {
    let mut outcome = Ok(());
    for bss in record.bss.iter().filter(|b| b.way == Way::Control) {
        let restored = control::restore(&record.hostapd_dir, &bss.ifname, record.name.ssid(), &bss.own).await;
        outcome = outcome.and(restored.map_err(|e| format!("give {} its own name back: {e}", bss.ifname)));
    }
    // Whatever became of those: an undoing goes on.
    outcome.and(uci::restore(bus, record).await)
}

/// What the server is told of a failure.
fn short(why: &str) -> String {
    why.chars().filter(|c| !c.is_control()).take(MAX_WHY).collect()
}
