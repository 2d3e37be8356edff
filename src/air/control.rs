//! A BSS and its name, by hostapd's control socket.
//!
//! The name is set and the beacon built anew: hostapd stays as it is, with its address, its keys and, as far as they do
//! not mind, its stations. The next start or reload of hostapd brings the name of its configuration.

use std::path::Path;
use std::time::Duration;

use welcome_proto::Ssid;
use wpa_ctrl::{Control, Error, hostapd};

/// Whether hostapd answers for this interface.
///
/// # Errors
/// If it does not; the text says why.
pub async fn reach(dir: &Path, ifname: &str) -> Result<(), String> {
    let reached = async { open(dir, ifname)?.ping().await };
    reached.await.map_err(|error| format!("{ifname}: {error}"))
}

/// Has a BSS carry this name.
///
/// # Errors
/// If hostapd is away or refuses.
pub async fn carry(dir: &Path, ifname: &str, name: &Ssid) -> Result<(), Error> {
    hostapd::set_ssid(&mut open(dir, ifname)?, name.as_bytes()).await
}

/// Gives a BSS its own name back, if it still carries `name`. Without its hostapd there is nothing on the air.
///
/// # Errors
/// If hostapd does not answer or refuses.
pub async fn restore(dir: &Path, ifname: &str, name: &Ssid, own: &Ssid) -> Result<(), Error> {
    let restoring = async {
        let mut control = open(dir, ifname)?;
        let radio = hostapd::status(&mut control).await?;
        if radio.bss.iter().any(|b| b.ifname == ifname && b.ssid == name.as_bytes()) {
            hostapd::set_ssid(&mut control, own.as_bytes()).await?;
        }
        Ok(())
    };
    match restoring.await {
        Err(Error::Gone(_)) => Ok(()),
        outcome => outcome,
    }
}

fn open(dir: &Path, ifname: &str) -> Result<Control, Error> {
    Ok(Control::open(dir.join(ifname), std::env::temp_dir())?.with_deadline(DEADLINE))
}

/// The agent's end waits for it.
const DEADLINE: Duration = Duration::from_secs(1);
