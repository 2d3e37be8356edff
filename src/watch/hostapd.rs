//! hostapd by ubus, about one BSS: the object `hostapd.IFNAME`.
//!
//! In: its notifications and answers; netifd's word on how stations join, which the object does not tell. Out: the same
//! as by the control socket, without `keyid`. A subscriber is sent every probe request of the neighbourhood: those are
//! passed over where the connection is read, at little cost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::watch;
use tokio_ubus::{Blobmsg, Client, Error, Notice, Ref, Status, Subscription};
use tracing::{info, warn};
use welcome_core::{Bss, Present};
use welcome_proto::{Bssid, Mac, Ssid};

use super::listen::{Ears, OnAir, Questions, Said, Unanswered};
use super::ours::Ours;
use crate::bus::NoArguments;

/// Every hostapd's object of a BSS begins so; then comes the interface.
pub const PREFIX: &str = "hostapd.";
/// What we listen to. Every end of an authorization is told by a `disassoc`, whatever else is told besides.
const KINDS: [&str; 3] = ["sta-authorized", "disassoc", "channel-switch"];
/// hostapd may be waiting for somebody else, up to a second for each notification.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Subscribed to the BSS on `ifname`, as soon as it is there.
#[derive(Debug)]
pub struct Subscribed<'a> {
    ifname: String,
    subscription: Subscription,
    heard: &'a AtomicBool,
}

impl<'a> Subscribed<'a> {
    /// Subscribes, now or when there is such a BSS. `heard` will tell whether it can be heard at the moment.
    #[must_use]
    pub fn new(ifname: &str, bus: &Client, heard: &'a AtomicBool) -> Self {
        let subscription = bus.subscribe(&format!("{PREFIX}{ifname}")).only(&KINDS).start();
        Self { ifname: ifname.to_owned(), subscription, heard }
    }
}

impl Ears for Subscribed<'_> {
    async fn next(&mut self) -> Said {
        let ifname = &self.ifname;
        loop {
            match self.subscription.next().await {
                Some(Notice::Subscribed { .. }) => {
                    info!(ifname, by = "ubus", "listening to hostapd");
                    self.heard.store(true, Ordering::Relaxed);
                    return Said::Up;
                }
                Some(Notice::Gone { .. }) => {
                    self.heard.store(false, Ordering::Relaxed);
                    return Said::Down;
                }
                Some(Notice::Denied { status, .. }) => {
                    warn!(ifname, %status, "ubus lets nobody hear who joins; trying again each ten seconds");
                }
                Some(Notice::Notification { at, kind, data, .. }) => match (&*kind, mac(&data)) {
                    ("sta-authorized", Some(mac)) => return Said::Joined { at, mac, key: None },
                    ("disassoc", Some(mac)) => return Said::Left { at, mac },
                    ("channel-switch", _) => return Said::Up,
                    _ => {}
                },
                Some(Notice::Lagged(count)) => return Said::Lagged(count),
                Some(_) => {}
                None => return Said::Ended("the connection to ubus has ended".to_owned()),
            }
        }
    }
}

fn mac(data: &Blobmsg) -> Option<Mac> {
    data.get("address")?.as_str()?.parse().ok()
}

/// Asks the BSS on `ifname`.
#[derive(Debug)]
pub struct Asking {
    ifname: String,
    bus: Client,
    ours: watch::Receiver<Arc<Ours>>,
}

impl Asking {
    /// Over `bus`; `ours` tells how stations join.
    #[must_use]
    pub fn new(ifname: &str, bus: Client, ours: watch::Receiver<Arc<Ours>>) -> Self {
        Self { ifname: ifname.to_owned(), bus, ours }
    }

    async fn ask(&self, method: &str) -> Result<Blobmsg, Unanswered> {
        let path = format!("{PREFIX}{}", self.ifname);
        match self.bus.call(&path, method, &NoArguments {}, ANSWER_WITHIN).await {
            Ok(reply) => Ok(reply.data.into_iter().next().unwrap_or_default()),
            Err(Error::Closed | Error::Refused(Status::NotFound)) => Err(Unanswered::Gone),
            Err(error) => Err(Unanswered::Failed(format!("ask for {path} {method}: {error}"))),
        }
    }
}

impl Questions for Asking {
    async fn bss(&mut self) -> Result<OnAir, Unanswered> {
        let status = self.ask("get_status").await?;
        if status.get("status").and_then(|s| s.as_str()) != Some("ENABLED") {
            return Ok(OnAir::No);
        }
        let security = self.ours.borrow().by_ifname.get(&self.ifname).and_then(|i| i.security);
        let text = |name: &str| status.get(name).and_then(|v| v.as_bytes());
        let bssid = text("bssid").and_then(|b| str::from_utf8(b).ok()?.parse::<Bssid>().ok());
        let ssid = text("ssid").and_then(|bytes| Ssid::new(bytes).ok());
        let (Some(bssid), Some(ssid), Some(security)) = (bssid, ssid, security) else { return Ok(OnAir::Unknown) };
        let freq = status.get("freq").and_then(|f| f.as_u32()?.try_into().ok());
        Ok(OnAir::Yes(Bss { ifname: self.ifname.clone(), bssid, ssid, security, freq }))
    }

    async fn stations(&mut self) -> Result<Vec<Present>, Unanswered> {
        let answer = self.ask("get_clients").await?;
        authorized(&answer).ok_or_else(|| Unanswered::Failed("find a list of clients in the answer".to_owned()))
    }
}

/// The stations that are through. Those that failed to prove their key are in the answer as well.
fn authorized(answer: &Blobmsg) -> Option<Vec<Present>> {
    let Ref::Table(clients) = answer.get("clients")? else { return None };
    let through = clients.filter(|c| c.value.get("authorized").and_then(|a| a.as_bool()) == Some(true));
    let mac = through.filter_map(|c| str::from_utf8(c.name).ok()?.parse().ok());
    Some(mac.map(|mac| Present { mac, key: None, connected: None }).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_stations_that_are_through_are_present() {
        // The members as in a recorded answer of OpenWrt 24.10, shortened.
        let answer = serde_json::json!({"freq": 2412, "clients": {
            "02:00:00:00:01:00": {"auth": true, "assoc": true, "authorized": true, "aid": 1, "signal": -30},
            "02:00:00:00:02:00": {"auth": true, "assoc": true, "authorized": false},
            "02:00:00:00:03:00": {"auth": false},
            "02:00:00:00:04:00": 7,
            "no address": {"authorized": true}
        }});
        let answer = Blobmsg::from_json(answer.as_object().unwrap()).unwrap();
        let present = Present { mac: Mac([2, 0, 0, 0, 1, 0]), key: None, connected: None };
        assert_eq!(authorized(&answer), Some(vec![present]));
        assert_eq!(authorized(&Blobmsg::new()), None, "without a list nobody knows who is there");
    }
}
