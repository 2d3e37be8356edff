//! Tells guests' devices by DHCP where their captive portal API is (RFC 8910): option 114 and its kin, announced by the
//! router's own DHCP servers.
//!
//! In: the URI of each network ([`mod@portals`]), and on which logical interfaces netifd has the network's access
//! points. Out: entries in `/etc/config/dhcp`, by rpcd's `uci` object; [`plan`] says which, [`record`] keeps which of
//! them are ours. A commit writes to flash and restarts dnsmasq, so that nothing is committed where nothing differs.
//! Must never change what somebody else wrote, and never commit what a person has begun and not committed.

pub mod plan;
pub mod portals;
pub mod record;
pub mod section;
#[cfg(test)]
mod tests;

use sorted::{SortedMap, SortedSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_ubus::{Blobmsg, Client, Error, EventNotice, Events, Notice, Status, Subscription};
use tracing::{debug, info, warn};
use welcome_core::NetworkRules;
use welcome_core::wireless::Sections;
use welcome_proto::NetworkId;

use self::plan::{CAPTIVE_PORTAL_URI, DHCP_OPTION, Foreign, Plan, Section};
use self::portals::portals;
use self::record::Kept;
use self::section::sections;
use crate::bus::NoArguments;
use crate::config::Config;
use crate::netifd::{self, Wireless};
use crate::rpcd::{COMMIT, Failure, LIMIT, Uci};
use crate::tasks::Stop;

/// Keeps what is announced as the configuration says, until told to stop. What is announced stays so after that: the
/// agent is back in a moment, and [`withdraw`] is for its end.
///
/// # Errors
/// Never; the signature is that of a task.
pub async fn run(
    config: watch::Receiver<Arc<Config>>,
    server: watch::Receiver<Option<String>>,
    bus: Client,
    stop: Stop,
) -> anyhow::Result<()> {
    Advertiser::new(config, server, bus).run(stop).await
}

/// The same, with what tests change.
pub struct Advertiser {
    config: watch::Receiver<Arc<Config>>,
    /// Where the server answers for this router, once that is known.
    server: watch::Receiver<Option<String>>,
    bus: Client,
    /// The program that may know [`CAPTIVE_PORTAL_URI`].
    pub odhcpd: PathBuf,
    /// How long things take.
    pub timing: Timing,
    kept: Kept,
    trouble: Option<Trouble>,
    foreign: SortedSet<Foreign>,
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Nothing may happen for so long before it is acted upon.
    pub settle: Duration,
    /// Before another try.
    pub pause: Duration,
    /// For how long LuCI may wait for its user to confirm other changes; rpcd commits nothing meanwhile.
    pub confirm: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        let [settle, pause, confirm] = [2, 10, 120].map(Duration::from_secs);
        Self { settle, pause, confirm }
    }
}

/// Takes back everything the agent announced and forgets it; for whoever removes the agent. Says what was done.
///
/// # Errors
/// If ubus or rpcd is away, or somebody has begun other changes of the configuration; it can be tried again.
pub fn withdraw(socket: &Path, state_dir: &Path) -> anyhow::Result<String> {
    let mut kept = Kept::read(state_dir)?;
    if kept == Kept::default() {
        return Ok("nothing was announced".to_owned());
    }
    let interfaces = kept.interfaces.keys().cloned().collect::<Vec<_>>().join(", ");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("start the runtime")?;
    let (bus, driver) = tokio_ubus::connect(socket);
    let taking = async {
        let reached = timeout(REACH, bus.connected().wait_for(|is| *is)).await.is_ok_and(|is| is.is_ok());
        if !reached {
            bail!("nobody answers at {}", socket.display());
        }
        let nothing =
            |sections: &[Section], kept: &Kept| plan::plan(sections, &SortedMap::new(), &kept.interfaces, false);
        Ok(carry_out(&bus, state_dir, &mut kept, nothing).await?)
    };
    let taken = runtime.block_on(async {
        tokio::select! {
            taken = taking => taken,
            () = driver.run() => bail!("talk to ubus"),
        }
    });
    taken.context("take the captive portal out of the DHCP servers' configuration")?;
    Ok(format!("the captive portal is announced no more on {interfaces}"))
}

impl Advertiser {
    /// One that has not begun.
    #[must_use]
    pub fn new(config: watch::Receiver<Arc<Config>>, server: watch::Receiver<Option<String>>, bus: Client) -> Self {
        let (kept, foreign) = (Kept::default(), SortedSet::new());
        Self { config, server, bus, odhcpd: ODHCPD.into(), timing: Timing::default(), kept, trouble: None, foreign }
    }

    /// See [`run`].
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(mut self, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = self.follow() => {}
            () = stop.stopped() => {}
        }
        Ok(())
    }

    async fn follow(&mut self) {
        let state_dir = self.config.borrow().state_dir.clone();
        self.kept = Kept::read(&state_dir).unwrap_or_else(|error| {
            warn!("what was announced before is taken for somebody else's: {error:#}");
            Kept::default()
        });
        let mut ears = None;
        loop {
            let server = self.server.borrow_and_update().clone();
            let portals = portals(&self.config.borrow_and_update(), server.as_deref(), &self.kept.interfaces);
            let is_needed = !portals.is_empty() || self.kept != Kept::default();
            if is_needed {
                let outcome = self.pass(&state_dir, &portals).await;
                let again = self.note(outcome);
                let ears = ears.get_or_insert_with(|| Ears::new(&self.bus));
                tokio::select! {
                    changed = self.config.changed() => if changed.is_err() { return },
                    Ok(()) = self.server.changed() => {}
                    () = ears.hear() => {}
                    () = sleep(self.timing.pause), if again => {}
                }
                ears.settle(self.timing.settle).await;
            } else {
                ears = None;
                tokio::select! {
                    changed = self.config.changed() => if changed.is_err() { return },
                    Ok(()) = self.server.changed() => {}
                }
            }
        }
    }

    /// Makes it as it should be. Whether all radios are up, so that it stays so.
    async fn pass(&mut self, state_dir: &Path, portals: &SortedMap<NetworkId, String>) -> Result<bool, Setback> {
        let odhcpd = !portals.is_empty() && knows_captive_portal(&self.odhcpd);
        // To take everything away it does not matter where the networks are.
        let wireless = if portals.is_empty() { Wireless::default() } else { self.wireless().await? };
        let interfaces = interfaces(&self.config.borrow(), &wireless);
        let make = |sections: &[Section], kept: &Kept| {
            let wishes = plan::wishes(portals, &interfaces, wireless.settled, &kept.interfaces);
            plan::plan(sections, &wishes, &kept.interfaces, odhcpd)
        };
        let foreign = carry_out(&self.bus, state_dir, &mut self.kept, make).await?.foreign;
        for Foreign { interface, option, value } in foreign.difference(&self.foreign) {
            warn!(
                "the captive portal is not announced on {interface}: somebody else has set {option} to {value:?} there"
            );
        }
        self.foreign = foreign;
        Ok(wireless.settled || portals.is_empty())
    }

    async fn wireless(&self) -> Result<Wireless, Failure> {
        let doing = "call network.wireless status";
        let answer = self.bus.call(netifd::OBJECT, netifd::METHOD, &NoArguments {}, LIMIT).await;
        let answer = answer.map_err(|error| Failure { doing, error })?;
        Ok(answer.data.first().map(Wireless::read).unwrap_or_default())
    }

    /// Tells the operator what stands in the way, once. Whether to try again without being asked.
    fn note(&mut self, outcome: Result<bool, Setback>) -> bool {
        let setback = match outcome {
            Ok(settled) => {
                self.trouble = None;
                return !settled;
            }
            Err(setback) => setback,
        };
        debug!("the captive portal is not announced as it should be: {setback}");
        let trouble = self.trouble.get_or_insert_with(|| Trouble { since: Instant::now(), told: String::new() });
        let text = setback.to_string();
        let is_long = setback.patience(&self.timing).is_some_and(|patience| trouble.since.elapsed() >= patience);
        if is_long && trouble.told != text {
            warn!("the captive portal is not announced as it should be: {text}");
            trouble.told = text;
        }
        true
    }
}

impl fmt::Debug for Advertiser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Advertiser").field("kept", &self.kept).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Trouble {
    since: Instant,
    told: String,
}

/// Why it is not done.
#[derive(Debug, thiserror::Error)]
enum Setback {
    #[error("somebody has changed the configuration `dhcp` and has not committed that yet (`uci changes dhcp`)")]
    Staged,
    #[error(transparent)]
    Call(#[from] Failure),
    #[error("{0:#}")]
    Disk(anyhow::Error),
}

impl Setback {
    /// How long it may last before an operator should look; nothing for what passes by itself or is no fault.
    fn patience(&self, timing: &Timing) -> Option<Duration> {
        match self {
            Self::Call(Failure { error: Error::Closed | Error::Refused(Status::NotFound), .. }) => None,
            Self::Call(Failure { doing: COMMIT, error: Error::Refused(Status::PermissionDenied) })
            | Self::Call(Failure { error: Error::Timeout, .. }) => Some(timing.confirm),
            Self::Staged | Self::Call(_) | Self::Disk(_) => Some(Duration::ZERO),
        }
    }
}

/// What tells that something may have changed.
struct Ears {
    objects: Events,
    procd: Subscription,
}

impl Ears {
    fn new(bus: &Client) -> Self {
        Self {
            objects: bus.listen("ubus.object.add"),
            procd: bus.subscribe("service").only(&["config.change"]).start(),
        }
    }

    /// Waits until something is heard that matters.
    async fn hear(&mut self) {
        loop {
            let matters = tokio::select! {
                Some(notice) = self.objects.next() => match notice {
                    EventNotice::Event { data, .. } => is_of_interest(&data),
                    // Something may have come while nobody listened.
                    EventNotice::Listening | EventNotice::Lagged(_) => true,
                    _ => false,
                },
                Some(notice) = self.procd.next() => match notice {
                    Notice::Notification { data, .. } => is_about_us(&data),
                    Notice::Lagged(_) => true,
                    _ => false,
                },
                else => std::future::pending().await,
            };
            if matters {
                return;
            }
        }
    }

    /// Waits until nothing was heard for so long, or for five times as long.
    async fn settle(&mut self, quiet: Duration) {
        let latest = Instant::now() + 5 * quiet;
        loop {
            tokio::select! {
                () = self.hear() => {}
                () = sleep_until(latest.min(Instant::now() + quiet)) => return,
            }
        }
    }
}

/// An access point has come, netifd, or rpcd.
fn is_of_interest(object: &Blobmsg) -> bool {
    let path = object.get("path").and_then(|p| p.as_str()).unwrap_or_default();
    path.starts_with("hostapd.") || [netifd::OBJECT, "uci"].contains(&path)
}

fn is_about_us(change: &Blobmsg) -> bool {
    matches!(change.get("config").and_then(|c| c.as_str()), Some("dhcp" | "wireless"))
}

/// The logical interfaces of each network's access points, which are those that the core takes for the network's.
fn interfaces(config: &Config, wireless: &Wireless) -> SortedMap<NetworkId, SortedSet<String>> {
    let named = |i: &netifd::Interface| {
        let section = i.section.clone();
        (i.ifname.clone(), welcome_core::Wireless { section, key: None })
    };
    let mut sections = Sections::default();
    sections.take(Duration::ZERO, wireless.interfaces.iter().map(named).collect());
    let of = |(id, rules): (NetworkId, NetworkRules)| {
        let its = wireless.interfaces.iter().filter(|i| rules.ifnames.contains(&i.ifname));
        (id, its.flat_map(|i| i.networks.iter().cloned()).collect())
    };
    sections.resolve(&config.rules).networks.into_iter().map(of).collect()
}

/// Makes a plan and carries it out. What may be there is on disk before it is there, so that it is found after a crash.
async fn carry_out(
    bus: &Client,
    state_dir: &Path,
    kept: &mut Kept,
    make: impl FnOnce(&[Section], &Kept) -> Plan,
) -> Result<Plan, Setback> {
    let dhcp = Uci(bus, "dhcp");
    let staged = dhcp.changes().await?;
    // Edits of our own that a crash left behind concern two options alone.
    let is_ours = |change: &Vec<String>| {
        let option = change.get(2).map(String::as_str).unwrap_or_default();
        kept.pending && [DHCP_OPTION, CAPTIVE_PORTAL_URI].contains(&option)
    };
    if !staged.iter().all(is_ours) {
        return Err(Setback::Staged);
    }
    let plan = make(&sections(&dhcp.sections().await?), kept);
    if !plan.edits.is_empty() || !staged.is_empty() {
        let ahead = Kept { interfaces: plan::union(&kept.interfaces, &plan.record), pending: true };
        keep(state_dir, kept, ahead)?;
        for edit in &plan.edits {
            dhcp.set(&edit.section, edit.option, edit.value.as_ref()).await?;
        }
        dhcp.commit().await?;
        info!(interfaces = ?plan.record.keys().collect::<Vec<_>>(), "the DHCP servers announce another captive portal");
    }
    keep(state_dir, kept, Kept { interfaces: plan.record.clone(), pending: false })?;
    Ok(plan)
}

fn keep(state_dir: &Path, kept: &mut Kept, new: Kept) -> Result<(), Setback> {
    if *kept != new {
        new.write(state_dir).map_err(Setback::Disk)?;
        *kept = new;
    }
    Ok(())
}

/// Older ones do not know the option, and it would stand there for nothing.
fn knows_captive_portal(odhcpd: &Path) -> bool {
    let program = std::fs::read(odhcpd).unwrap_or_default();
    program.windows(CAPTIVE_PORTAL_URI.len()).any(|w| w == CAPTIVE_PORTAL_URI.as_bytes())
}

/// OpenWrt's DHCPv6 server.
const ODHCPD: &str = "/usr/sbin/odhcpd";
/// To reach ubusd.
const REACH: Duration = Duration::from_secs(5);
