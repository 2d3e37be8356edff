//! Stands in guests' way where a network's mode says so: sends their first HTTP to the portal, and holds them at a gate.
//!
//! In: the picture, the configuration, whether there is an uplink, and the portal's wishes for passes. Out: the nftables
//! table `inet welcomed`, which is there while a network has such a mode: to make it takes several times as long as to put a
//! station into it, and the station's first question comes right after its join. [`wanted`] says what it should be, [`render`]
//! writes that as a script, [`nft`] runs it. One script at a time; what changes meanwhile is merged into the next.
//!
//! Whoever is held or caught is so for [`Timing::life`] and is renewed long before: if the agent dies, everybody is free
//! (except at a gate that is to fail closed, which is open from a stop until the next agent has heard who is there). With the renewal the table is made anew as a whole, so that whatever others
//! did to it is mended by then: fw4's `reload` leaves it alone, `nft flush ruleset` does not. Must never touch a table of
//! somebody else's, and never end because nft fails.

pub mod nft;
pub mod render;
#[cfg(test)]
mod tests;
pub mod wanted;

use sorted::SortedMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until};
use tracing::{debug, info, warn};
use welcome_core::View;
use welcome_proto::Mac;

use self::nft::{Error, Nft};
use self::wanted::{Hold, Wanted};
use crate::config::Config;
use crate::passes::Pass;
use crate::tasks::Stop;

/// What the firewall works with.
#[derive(Debug)]
pub struct Firewall {
    /// Who is to be caught or held.
    pub views: watch::Receiver<Arc<View>>,
    /// Which networks have such modes, and what everybody reaches there.
    pub configs: watch::Receiver<Arc<Config>>,
    /// Whether there is a way to the Internet.
    pub uplink: watch::Receiver<bool>,
    /// What the portal asks for.
    pub passes: mpsc::Receiver<Pass>,
    /// Where the portal takes caught HTTP, IPv4 and IPv6.
    pub catch_port: u16,
    /// What runs scripts.
    pub nft: Nft,
    /// Told what is wrong, for the operator; nothing while all is well.
    pub trouble: watch::Sender<Option<String>>,
    /// How long things take.
    pub timing: Timing,
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Until a station is free when nobody renews that it is not.
    pub life: Duration,
    /// Between renewals, and before another try.
    pub renew: Duration,
    /// Between two scripts: each is a program to start, which took 50 to 180 ms on the lab's emulated processor.
    pub gap: Duration,
    /// For which a pass holds.
    pub pass: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        // A host of probes may share its address with the one that was asked for: a pass is for that request and its kin.
        let [life, renew, pass] = [120, 30, 30].map(Duration::from_secs);
        Self { life, renew, gap: Duration::from_millis(100), pass }
    }
}

impl Firewall {
    /// Keeps the table as it should be until told to stop; then removes it.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(self, mut stop: Stop) -> anyhow::Result<()> {
        let Self { views, configs, uplink, passes, catch_port, nft, trouble, timing } = self;
        let mut news = News { views, configs, uplink, passes, asked: Vec::new(), catch_port };
        let mut keeper = Keeper::new(nft, trouble, timing);
        tokio::select! {
            () = keeper.follow(&mut news) => {}
            () = stop.stopped() => {}
        }
        keeper.remove().await;
        Ok(())
    }
}

/// Takes away the table that an agent has left behind which was killed; for one that is switched off or removed. A gate that
/// fails closed would hold its guests for ever. Without a table, or without nft, there is nothing to do.
///
/// # Errors
/// If nft does not do it: `Error::Refused` also where somebody may not look whether there is one.
pub fn clear(nft: &Nft) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    match runtime.block_on(nft.run(render::REMOVE)) {
        Ok(()) | Err(Error::Missing) => Ok(()),
        Err(error) => Err(error).context("take away the rules that hold guests"),
    }
}

/// Keeps the table.
struct Keeper {
    nft: Nft,
    timing: Timing,
    table: Table,
    /// When the table is to be renewed, or tried again.
    due: Instant,
    /// No script before.
    rested: Instant,
    /// Since when.
    passes: SortedMap<(Mac, IpAddr), Instant>,
    /// What was said of the last failure.
    trouble: watch::Sender<Option<String>>,
}

/// What we know of the table.
#[derive(Debug, PartialEq)]
enum Table {
    /// It is not there.
    Absent,
    /// It is like this, unless somebody else touched it.
    Present(Wanted),
    /// Nothing: we have just begun, or this failed.
    Unknown(Option<Wanted>),
}

impl Keeper {
    fn new(nft: Nft, trouble: watch::Sender<Option<String>>, timing: Timing) -> Self {
        let now = Instant::now();
        // A former agent may have been killed and have left its table behind.
        Self { nft, timing, table: Table::Unknown(None), due: now, rested: now, passes: SortedMap::new(), trouble }
    }

    async fn follow(&mut self, news: &mut News) {
        loop {
            sleep_until(self.rested).await;
            let (wanted, asking) = self.wanted(news);
            let is_done = self.put(wanted).await;
            for asking in asking {
                // It may have given up.
                let _told = asking.send(is_done).is_ok();
            }
            let due = match &self.table {
                Table::Absent => None,
                Table::Present(of) if of.stations.is_empty() => None,
                _ => Some(self.due),
            };
            news.wait(due).await;
        }
    }

    /// What the table should be, and who waits for that.
    fn wanted(&mut self, news: &mut News) -> (Wanted, Vec<oneshot::Sender<bool>>) {
        let mut wanted = news.wanted();
        let lasts = self.timing.pass;
        self.passes.retain(|(mac, _), since| since.elapsed() < lasts && wanted.hold(*mac) == Some(Hold::Catch));
        let mut asking = Vec::new();
        while let Some(Pass { mac, ip, done }) = news.asked.pop().or_else(|| news.passes.try_recv().ok()) {
            let hold = wanted.hold(mac);
            if hold == Some(Hold::Catch) && self.has_room(mac, ip) {
                self.passes.insert((mac, ip), Instant::now());
                asking.push(done);
            } else {
                // It may have given up.
                let _told = done.send(hold.is_none()).is_ok();
            }
        }
        wanted.passes = self.passes.keys().copied().collect();
        (wanted, asking)
    }

    fn has_room(&self, mac: Mac, ip: IpAddr) -> bool {
        let is_new = !self.passes.contains_key(&(mac, ip));
        let of_its_own = self.passes.keys().filter(|(m, _)| *m == mac).count();
        !is_new || (of_its_own < PASSES_EACH && self.passes.len() < PASSES)
    }

    /// Makes the table so; whether it is.
    async fn put(&mut self, wanted: Wanted) -> bool {
        match &self.table {
            Table::Absent if wanted.is_empty() => return true,
            // It would fail again.
            Table::Unknown(Some(tried)) if *tried == wanted && Instant::now() < self.due => return false,
            _ => {}
        }
        if let Table::Present(old) = &self.table
            && !wanted.is_empty()
            && (old.stations.is_empty() || Instant::now() < self.due)
            && let Some(script) = render::change(old, &wanted, self.timing.life)
        {
            // If that fails, somebody has touched the table.
            let was_empty = old.stations.is_empty();
            if script.is_empty() || self.run(&script).await.is_ok() {
                if was_empty {
                    self.due = Instant::now() + self.timing.renew;
                }
                self.table = Table::Present(wanted);
                return true;
            }
        }
        let outcome = if wanted.is_empty() {
            self.run(render::REMOVE).await
        } else {
            self.run(&render::whole(&wanted, self.timing.life)).await
        };
        self.due = Instant::now() + self.timing.renew;
        let error = match outcome {
            Ok(()) => None,
            // Without nft, or the right to use it, there was no table; and none is needed.
            Err(Error::Missing | Error::Refused(_)) if wanted.networks.is_empty() => None,
            Err(error) => Some(error),
        };
        let is_done = error.is_none();
        self.tell(error);
        self.table = match is_done {
            false => Table::Unknown(Some(wanted)),
            true if wanted.is_empty() => Table::Absent,
            true => Table::Present(wanted),
        };
        is_done
    }

    async fn run(&mut self, script: &str) -> Result<(), Error> {
        let began = Instant::now();
        let outcome = self.nft.run(script).await;
        self.rested = Instant::now() + self.timing.gap;
        debug!(took = ?began.elapsed(), script, "nft");
        if let Err(error) = &outcome {
            let said = if let Error::Refused(said) = error { said } else { "" };
            debug!(said, "{error}");
        }
        outcome
    }

    /// Says once that it fails, and once that it does so no more.
    fn tell(&mut self, error: Option<Error>) {
        let text = error.map(|e| e.to_string());
        if *self.trouble.borrow() == text {
            return;
        }
        match &text {
            Some(text) => warn!("guests are not caught or held as they should be: {text}"),
            None => info!("guests are caught and held as they should be"),
        }
        self.trouble.send_replace(text);
    }

    /// Leaves nothing behind.
    async fn remove(&mut self) {
        if self.table == Table::Absent {
            return;
        }
        self.nft.limit = self.nft.limit.min(LAST);
        match self.run(render::REMOVE).await {
            Ok(()) => self.table = Table::Absent,
            // If nobody knows whether there was one, then because it had failed before, which was told.
            Err(error) if matches!(self.table, Table::Present(_)) => warn!("the table `inet welcomed` stays: {error}"),
            Err(_) => {}
        }
    }
}

/// What tells what the table should be.
struct News {
    views: watch::Receiver<Arc<View>>,
    configs: watch::Receiver<Arc<Config>>,
    uplink: watch::Receiver<bool>,
    passes: mpsc::Receiver<Pass>,
    asked: Vec<Pass>,
    catch_port: u16,
}

impl News {
    fn wanted(&mut self) -> Wanted {
        let (view, config) = (self.views.borrow_and_update(), self.configs.borrow_and_update());
        let uplink = *self.uplink.borrow_and_update();
        Wanted::new(&view, &config.rules, &config.allow, uplink, self.catch_port)
    }

    /// Until there is something new, or something is due.
    async fn wait(&mut self, due: Option<Instant>) {
        let due = async {
            match due {
                Some(due) => sleep_until(due).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = changed(&mut self.views) => {}
            () = changed(&mut self.configs) => {}
            () = changed(&mut self.uplink) => {}
            Some(pass) = self.passes.recv() => self.asked.push(pass),
            () = due => {}
        }
    }
}

/// Whoever told of it may have ended before us, at the agent's end.
async fn changed<T>(of: &mut watch::Receiver<T>) {
    if of.changed().await.is_err() {
        std::future::pending().await
    }
}

/// For the last script: everything is to be over within four seconds of a stop.
const LAST: Duration = Duration::from_secs(3);
/// A phone asks a handful of hosts in the minutes in which it is caught. Each pass costs a run of nft.
const PASSES_EACH: usize = 64;
/// Of all stations.
const PASSES: usize = 4096;
