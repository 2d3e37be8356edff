//! A BSS and its name, by the configuration: for routers where hostapd's control socket cannot be reached.
//!
//! The name is set as rpcd keeps what is not committed, in memory; netifd takes it up, and starts the one BSS anew. A
//! reboot forgets both. While somebody else has changes that are not committed nothing is carried, as netifd would take
//! them up as well; what is on the air already is taken down all the same.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tokio_ubus::Client;
use welcome_proto::Ssid;

use super::record::{Carried, Record, Way};
use crate::bus::NoArguments;
use crate::netifd::{self, Wireless};
use crate::rpcd::{Failure, LIMIT, Uci, Value};

/// The section of an interface, if its own name can be written to the configuration again.
///
/// # Errors
/// If netifd does not know it, or it has a name that is no text; the text says so.
pub async fn section(bus: &Client, ifname: &str, own: &Ssid) -> Result<String, String> {
    if str::from_utf8(own.as_bytes()).is_err() {
        return Err(format!("the name of {ifname} is no text"));
    }
    let answer = bus.call(netifd::OBJECT, netifd::METHOD, &NoArguments {}, LIMIT).await;
    let answer = answer.map_err(|error| format!("call network.wireless status: {error}"))?;
    let wireless = answer.data.first().map(Wireless::read).unwrap_or_default();
    let found = wireless.interfaces.into_iter().find(|i| i.ifname == ifname);
    found.map(|i| i.section).ok_or_else(|| format!("netifd has no {ifname}"))
}

/// Has the BSS of a record that go this way carry its name; the interfaces of those that do.
///
/// # Errors
/// If it cannot be; the text says why.
pub async fn carry(bus: &Client, record: &Record) -> Result<Vec<String>, String> {
    let all = of(record);
    if all.is_empty() {
        return Ok(vec![]);
    }
    let wireless = Uci(bus, CONFIG);
    let name = record.name.to_string();
    if Staged::of(&wireless, &name).await?.foreign {
        return Err("somebody has changed the configuration `wireless` and has not committed that yet".to_owned());
    }
    for (_, section) in &all {
        if !has(&wireless, section, &name).await? {
            wireless.set(section, OPTION, Some(&Value::One(name.clone()))).await.map_err(told)?;
        }
    }
    reload(bus).await?;
    let mut carry = Vec::new();
    for (bss, _) in all {
        if settles(bus, &bss.ifname, |ssid| ssid == record.name.ssid().as_bytes()).await {
            carry.push(bss.ifname.clone());
        }
    }
    if carry.is_empty() { Err("netifd did not take up the name".to_owned()) } else { Ok(carry) }
}

/// Gives the BSS of a record that go this way their own names back.
///
/// # Errors
/// If not all of them have it; the text reads on after "failed to".
pub async fn restore(bus: &Client, record: &Record) -> Result<(), String> {
    let all = of(record);
    if all.is_empty() {
        return Ok(());
    }
    let wireless = Uci(bus, CONFIG);
    let name = record.name.to_string();
    let Staged { ours, foreign } = Staged::of(&wireless, &name).await?;
    if ours && !foreign {
        wireless.revert().await.map_err(told)?;
    }
    let (mut is_changed, mut is_committed) = (ours, false);
    for (bss, section) in &all {
        if has(&wireless, section, &name).await? {
            // Somebody has begun something else, which is theirs; or has committed everything, with our name in it.
            let own = str::from_utf8(bss.own.as_bytes()).map_err(|_| "write a name that is no text")?;
            wireless.set(section, OPTION, Some(&Value::One(own.to_owned()))).await.map_err(told)?;
            (is_changed, is_committed) = (true, !foreign);
        }
        is_changed |= on_air(bus, &bss.ifname).await.as_deref() == Some(record.name.ssid().as_bytes());
    }
    if !is_changed {
        return Ok(());
    }
    if is_committed {
        wireless.commit().await.map_err(told)?;
    }
    reload(bus).await?;
    for (bss, _) in all {
        if !settles(bus, &bss.ifname, |ssid| ssid != record.name.ssid().as_bytes()).await {
            return Err(format!("have netifd give {} its own name back", bss.ifname));
        }
    }
    Ok(())
}

fn of(record: &Record) -> Vec<(&Carried, &str)> {
    let mut all = Vec::new();
    for bss in &record.bss {
        if let Way::Uci { section } = &bss.way {
            all.push((bss, section.as_str()));
        }
    }
    all
}

/// Whose changes wait for a commit.
struct Staged {
    ours: bool,
    foreign: bool,
}

impl Staged {
    async fn of(wireless: &Uci<'_>, name: &str) -> Result<Self, String> {
        let is_ours =
            |change: &Vec<String>| matches!(&change[..], [_, _, option, value] if option == OPTION && value == name);
        let changes = wireless.changes().await.map_err(told)?;
        Ok(Self { ours: changes.iter().any(is_ours), foreign: !changes.iter().all(is_ours) })
    }
}

async fn has(wireless: &Uci<'_>, section: &str, name: &str) -> Result<bool, String> {
    Ok(wireless.value(section, OPTION).await.map_err(told)? == name)
}

fn told(failure: Failure) -> String {
    failure.to_string()
}

async fn reload(bus: &Client) -> Result<(), String> {
    let called = bus.call("network", "reload", &NoArguments {}, LIMIT).await;
    called.map(drop).map_err(|error| format!("call network reload: {error}"))
}

/// Whether the name of a BSS becomes so in time. One that is on its way has none.
async fn settles(bus: &Client, ifname: &str, is_so: impl Fn(&[u8]) -> bool) -> bool {
    let late = Instant::now() + SETTLE;
    while Instant::now() < late {
        if on_air(bus, ifname).await.is_some_and(|ssid| is_so(&ssid)) {
            return true;
        }
        sleep(LOOK).await;
    }
    false
}

/// The name of a BSS, if it is there.
async fn on_air(bus: &Client, ifname: &str) -> Option<Vec<u8>> {
    let status = bus.call(&format!("hostapd.{ifname}"), "get_status", &NoArguments {}, LIMIT).await;
    let status = status.ok()?.data.into_iter().next()?;
    Some(status.get("ssid")?.as_bytes()?.to_vec())
}

const CONFIG: &str = "wireless";
const OPTION: &str = "ssid";
/// For a BSS to be started anew.
const SETTLE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(250);
