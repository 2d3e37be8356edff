//! hostapd's control socket of one interface: joins and leaves, snapshots, and the BSS itself.
//!
//! In: events and answers of `wpa_ctrl`. Out: [`Heard`]. hostapd may not be there yet, may end and come back: then
//! this waits and attaches again. The reading itself is done by a thread of `wpa_ctrl` that never waits for us, so that
//! this task, and the whole agent, may be late without holding anybody's Wi-Fi up.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval_at, sleep};
use tracing::{debug, info, warn};
use welcome_core::{Bss, Event, Present};
use welcome_proto::announce::Security;
use welcome_proto::{Bssid, Mac, Ssid};
use wpa_ctrl::{Control, Events, GoneReason, Notice, hostapd, reply};

use super::Heard;
use crate::clock::Clock;
use crate::tasks::Stop;

/// How many events may wait for the agent. A phone makes two lines; a hundred joins at once fit.
const QUEUE: usize = 256;
/// Snapshots make true what events make fast.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(60);
/// hostapd is back within a second or two from a restart; looking for its socket costs one system call.
const RETRY: Duration = Duration::from_millis(250);

/// Watches one interface.
#[derive(Debug)]
pub struct Watch {
    ifname: String,
    socket: PathBuf,
    /// Where our own ends are; hostapd must be able to write there.
    own: PathBuf,
    clock: Clock,
}

impl Watch {
    /// Of the interface `ifname`, whose socket is in `dir`.
    #[must_use]
    pub fn new(ifname: &str, dir: &Path, clock: Clock) -> Self {
        Self { ifname: ifname.to_owned(), socket: dir.join(ifname), own: std::env::temp_dir(), clock }
    }

    /// Watches until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(self, to: mpsc::Sender<Heard>, mut stop: Stop) -> anyhow::Result<()> {
        tokio::select! {
            () = self.watch(&to) => Ok(()),
            () = stop.stopped() => Ok(()),
        }
    }

    /// Ends only when nobody listens.
    async fn watch(&self, to: &mpsc::Sender<Heard>) {
        let mut told = String::new();
        while !to.is_closed() {
            let why = match self.listen(to).await {
                Ok(reason) => format!("hostapd is gone: {reason}"),
                Err(error) => format!("hostapd is not there: failed to {error}"),
            };
            // The same reason each quarter of a second would fill the log.
            if why != told {
                warn!(ifname = %self.ifname, "{why}; trying again until it is there");
                told = why;
            }
            sleep(RETRY).await;
        }
    }

    /// One attachment, from its beginning to hostapd's end.
    async fn listen(&self, to: &mpsc::Sender<Heard>) -> Result<GoneReason, wpa_ctrl::Error> {
        let mut events = Events::attach(&self.socket, &self.own, QUEUE).await?;
        let mut control = Control::open(&self.socket, &self.own)?;
        info!(ifname = %self.ifname, "listening to hostapd");
        let mut minute = interval_at(tokio::time::Instant::now(), SNAPSHOT_EVERY);
        minute.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let reason = loop {
            tokio::select! {
                biased;
                notice = events.recv() => match notice {
                    Notice::Event { at, event: wpa_ctrl::Event::ApEnabled } => {
                        debug!(ifname = %self.ifname, late = ?at.elapsed(), "on the air");
                        minute.reset_immediately();
                    }
                    Notice::Event { at, event } => {
                        if let Some(event) = self.translate(event) {
                            self.tell(to, Heard { at, event }).await;
                        }
                    }
                    Notice::Lagged(count) => {
                        warn!(ifname = %self.ifname, count, "events were dropped because the agent was late");
                        minute.reset_immediately();
                    }
                    Notice::Gone(reason) => break reason,
                },
                _ = minute.tick() => self.look(&mut control, to).await,
            }
        };
        self.tell(to, Heard::now(Event::BssDown { ifname: self.ifname.clone() })).await;
        Ok(reason)
    }

    fn translate(&self, event: wpa_ctrl::Event) -> Option<Event> {
        use wpa_ctrl::Event as Said;
        let ifname = self.ifname.clone();
        match event {
            Said::StationConnected { mac, keyid, .. } => {
                Some(Event::StationAuthorized { ifname, mac: Mac(mac), key: keyid })
            }
            Said::StationDisconnected { mac } => Some(Event::StationLeft { ifname, mac: Mac(mac) }),
            Said::ApDisabled => Some(Event::BssDown { ifname }),
            _ => None,
        }
    }

    /// Asks what the BSS is and who is on it. What cannot be learned now is learned in a minute.
    async fn look(&self, control: &mut Control, to: &mpsc::Sender<Heard>) {
        match self.bss(control).await {
            Ok(Some(bss)) => self.tell(to, Heard::now(Event::BssUp(bss))).await,
            Ok(None) => debug!(ifname = %self.ifname, "the bss is not on the air, or not one that can be shared"),
            Err(error) => warn!(ifname = %self.ifname, "failed to {error}"),
        }
        let asked = self.clock.now().mono;
        match hostapd::stations(control).await {
            Ok(stations) => {
                let present = stations.into_iter().filter(|s| s.authorized).map(|s| Present {
                    mac: Mac(s.mac),
                    key: s.keyid,
                    connected: s.connected_s.map(|s| Duration::from_secs(s.into())),
                });
                let present = present.collect();
                let event = Event::Stations { ifname: self.ifname.clone(), asked, present };
                self.tell(to, Heard::now(event)).await;
            }
            Err(error) => warn!(ifname = %self.ifname, "failed to {error}"),
        }
    }

    async fn bss(&self, control: &mut Control) -> Result<Option<Bss>, wpa_ctrl::Error> {
        let radio = hostapd::status(control).await?;
        let security = security(&control.ask("GET_CONFIG").await?);
        let Some(found) = radio.bss.into_iter().find(|b| b.ifname == self.ifname) else { return Ok(None) };
        let (bssid, ssid) = (Bssid::try_from(Mac(found.bssid)), Ssid::new(&found.ssid));
        let (Ok(bssid), Ok(ssid), Some(security)) = (bssid, ssid, security) else { return Ok(None) };
        if radio.state != "ENABLED" {
            return Ok(None);
        }
        let freq = radio.freq.and_then(|f| f.try_into().ok());
        Ok(Some(Bss { ifname: found.ifname, bssid, ssid, security, freq }))
    }

    async fn tell(&self, to: &mpsc::Sender<Heard>, heard: Heard) {
        // It fails when the agent ends, and then nobody needs to know.
        let _ended = to.send(heard).await.is_err();
    }
}

/// What hostapd's `GET_CONFIG` says about joining; nothing for what no shared key opens, such as WPA-Enterprise.
fn security(config: &str) -> Option<Security> {
    let Some(key_mgmt) = reply::field(config, "key_mgmt") else {
        // An open network has no `wpa` line either.
        return reply::field(config, "wpa").is_none().then_some(Security::Open);
    };
    let has = |name: &str| key_mgmt.split(' ').any(|k| k == name || k.strip_prefix("FT-") == Some(name));
    let psk = ["WPA-PSK", "PSK", "WPA-PSK-SHA256"].into_iter().any(has);
    match (psk, has("SAE"), has("OWE")) {
        (true, true, _) => Some(Security::PskSae),
        (true, false, _) => Some(Security::Psk),
        (false, true, _) => Some(Security::Sae),
        (false, false, true) => Some(Security::Owe),
        (false, false, false) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protection_is_read_from_hostapds_own_words() {
        // The first as recorded (crates/wpa-ctrl/tests/captures/hostapd.txt); the names as in hostapd's wpa_common.c.
        for (key_mgmt, expected) in [
            ("wpa=2\nkey_mgmt=WPA-PSK", Some(Security::Psk)),
            ("wpa=2\nkey_mgmt=FT-PSK WPA-PSK", Some(Security::Psk)),
            ("wpa=2\nkey_mgmt=WPA-PSK SAE", Some(Security::PskSae)),
            ("wpa=2\nkey_mgmt=SAE FT-SAE", Some(Security::Sae)),
            ("wpa=2\nkey_mgmt=OWE", Some(Security::Owe)),
            ("wpa=2\nkey_mgmt=WPA-EAP", None),
            ("wps_state=disabled", Some(Security::Open)),
        ] {
            assert_eq!(security(&format!("bssid=02:00:00:00:00:00\nssid=x\n{key_mgmt}\n")), expected, "{key_mgmt}");
        }
    }
}
