//! A BSS and its name, by the configuration: for routers where hostapd's control socket cannot be reached.
//!
//! The name is set as rpcd keeps what is not committed, in memory; netifd takes it up, and starts the one BSS anew. A
//! reboot forgets both. While somebody else has changes that are not committed nothing is carried, as netifd would take
//! them up as well; what is on the air already is taken down all the same.

use std::time::Duration;

use serde::{Serialize, Serializer, ser::SerializeMap as _};
use tokio::time::{Instant, sleep};
use tokio_ubus::{Blobmsg, Client, Error};
use welcome_proto::Ssid;

use super::record::{Carried, Record, Way};
use crate::bus::NoArguments;
use crate::netifd::{self, Wireless};

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
    let name = record.name.to_string();
    if staged(bus, &name).await?.foreign {
        return Err("somebody has changed the configuration `wireless` and has not committed that yet".to_owned());
    }
    for (_, section) in &all {
        if value(bus, section).await? != name {
            call(bus, "set", &Args { values: Some(Name(&name)), ..Args::of(section) }).await?;
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
    let name = record.name.to_string();
    let Staged { ours, foreign } = staged(bus, &name).await?;
    if ours && !foreign {
        call(bus, "revert", &Args::default()).await?;
    }
    let (mut is_changed, mut is_committed) = (ours, false);
    for (bss, section) in &all {
        if value(bus, section).await? == name {
            // Somebody has begun something else, which is theirs; or has committed everything, with our name in it.
            let own = str::from_utf8(bss.own.as_bytes()).map_err(|_| "write a name that is no text")?;
            call(bus, "set", &Args { values: Some(Name(own)), ..Args::of(section) }).await?;
            (is_changed, is_committed) = (true, !foreign);
        }
        is_changed |= on_air(bus, &bss.ifname).await.as_deref() == Some(record.name.ssid().as_bytes());
    }
    if !is_changed {
        return Ok(());
    }
    if is_committed {
        call(bus, "commit", &Args::default()).await?;
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

async fn staged(bus: &Client, name: &str) -> Result<Staged, String> {
    let answer = call(bus, "changes", &Args::default()).await?;
    let changes = answer.get("changes").map(|c| c.elements()).unwrap_or_default();
    let mut staged = Staged { ours: false, foreign: false };
    for change in changes {
        let words: Vec<_> = change.elements().filter_map(|w| w.as_str()).collect();
        let is_ours = matches!(words[..], [_, _, OPTION, value] if value == name);
        staged.ours |= is_ours;
        staged.foreign |= !is_ours;
    }
    Ok(staged)
}

async fn value(bus: &Client, section: &str) -> Result<String, String> {
    let answer = call(bus, "get", &Args { option: Some(OPTION), ..Args::of(section) }).await?;
    Ok(answer.get("value").and_then(|v| v.as_str()).unwrap_or_default().to_owned())
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

async fn call(bus: &Client, method: &str, args: &Args<'_>) -> Result<Blobmsg, String> {
    let answer = bus.call("uci", method, args, LIMIT).await;
    let answer = answer.map_err(|error: Error| format!("call uci {method}: {error}"))?;
    Ok(answer.data.into_iter().next().unwrap_or_default())
}

#[derive(Serialize)]
struct Args<'a> {
    config: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    section: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    option: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    values: Option<Name<'a>>,
}

impl<'a> Args<'a> {
    fn of(section: &'a str) -> Self {
        Self { section: Some(section), ..Self::default() }
    }
}

impl Default for Args<'_> {
    fn default() -> Self {
        Self { config: "wireless", section: None, option: None, values: None }
    }
}

struct Name<'a>(&'a str);

impl Serialize for Name<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry(OPTION, self.0)?;
        map.end()
    }
}

const OPTION: &str = "ssid";
/// rpcd and netifd are busy with one call at a time.
const LIMIT: Duration = Duration::from_secs(10);
/// For a BSS to be started anew.
const SETTLE: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(250);
