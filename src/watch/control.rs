//! hostapd by its control socket, about one BSS.
//!
//! In: events and answers of `wpa_ctrl`. Out: the same as by ubus, and the `keyid` of a passphrase. The reading itself is
//! done by a thread of `wpa_ctrl` that never waits for us, so that the whole agent may be late without holding anybody's
//! Wi-Fi up.

use std::path::Path;
use std::time::Duration;

use tracing::debug;
use welcome_core::{Bss, Present};
use welcome_proto::announce::Security;
use welcome_proto::{Bssid, Mac, Ssid};
use wpa_ctrl::{Control, Error, Events, Notice, hostapd, reply};

use super::listen::{Ears, OnAir, Questions, Said, Unanswered};

/// How many events may wait for the agent. A phone makes two lines; a hundred joins at once fit.
const QUEUE: usize = 256;

/// Both sides of one attachment.
#[derive(Debug)]
pub struct Attachment {
    /// What is heard.
    pub ears: Attached,
    /// What can be asked.
    pub questions: Asking,
}

/// Attaches to the BSS on `ifname`, whose socket is in `dir`.
///
/// # Errors
/// If nobody is there, or hostapd or the system refuses.
pub async fn attach(ifname: &str, dir: &Path) -> Result<Attachment, Error> {
    let socket = dir.join(ifname);
    // Where our own ends are; hostapd must be able to write there.
    let own = std::env::temp_dir();
    let events = Events::attach(&socket, &own, QUEUE).await?;
    let control = Control::open(&socket, &own)?;
    let ears = Attached { ifname: ifname.to_owned(), events, is_new: true };
    Ok(Attachment { ears, questions: Asking { ifname: ifname.to_owned(), control } })
}

/// Attached to one BSS.
#[derive(Debug)]
pub struct Attached {
    ifname: String,
    events: Events,
    is_new: bool,
}

impl Ears for Attached {
    async fn next(&mut self) -> Said {
        use wpa_ctrl::Event;
        if std::mem::take(&mut self.is_new) {
            return Said::Up;
        }
        loop {
            match self.events.recv().await {
                Notice::Event { at, event } => match event {
                    Event::StationConnected { mac, keyid, .. } => {
                        return Said::Joined { at, mac: Mac(mac), key: keyid };
                    }
                    Event::StationDisconnected { mac } => return Said::Left { at, mac: Mac(mac) },
                    Event::ApEnabled => {
                        debug!(ifname = self.ifname, late = ?at.elapsed(), "on the air");
                        return Said::Up;
                    }
                    Event::ApDisabled => return Said::Down,
                    _ => {}
                },
                Notice::Lagged(count) => return Said::Lagged(u64::try_from(count).unwrap_or(u64::MAX)),
                Notice::Gone(reason) => return Said::Ended(reason.to_string()),
            }
        }
    }
}

/// Asks one BSS.
#[derive(Debug)]
pub struct Asking {
    ifname: String,
    control: Control,
}

impl Questions for Asking {
    async fn bss(&mut self) -> Result<OnAir, Unanswered> {
        let radio = hostapd::status(&mut self.control).await.map_err(unanswered)?;
        let security = security(&self.control.ask("GET_CONFIG").await.map_err(unanswered)?);
        if radio.state != "ENABLED" {
            return Ok(OnAir::No);
        }
        let Some(found) = radio.bss.into_iter().find(|b| b.ifname == self.ifname) else { return Ok(OnAir::Unknown) };
        let (bssid, ssid) = (Bssid::try_from(Mac(found.bssid)), Ssid::new(&found.ssid));
        let (Ok(bssid), Ok(ssid), Some(security)) = (bssid, ssid, security) else { return Ok(OnAir::Unknown) };
        let freq = radio.freq.and_then(|f| f.try_into().ok());
        Ok(OnAir::Yes(Bss { ifname: found.ifname, bssid, ssid, security, freq }))
    }

    async fn stations(&mut self) -> Result<Vec<Present>, Unanswered> {
        let stations = hostapd::stations(&mut self.control).await.map_err(unanswered)?;
        let present = stations.into_iter().filter(|s| s.authorized).map(|s| Present {
            mac: Mac(s.mac),
            key: s.keyid,
            connected: s.connected_s.map(|s| Duration::from_secs(s.into())),
        });
        Ok(present.collect())
    }
}

fn unanswered(error: Error) -> Unanswered {
    match error {
        Error::Gone(_) => Unanswered::Gone,
        error => Unanswered::Failed(error.to_string()),
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
