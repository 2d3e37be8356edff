//! Finds the Wi-Fi interface, and who manages it.
//!
//! In: what was asked for. Out: an interface with NetworkManager or wpa_supplicant behind it. NetworkManager comes first:
//! where it has an interface, wpa_supplicant only does what it is told by it. Nothing is changed here.

use super::nm::{Bus, Device};
use super::{Manager, Wanted};
use crate::exit::Failure;
use anyhow::anyhow;
use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// An interface and who has it.
pub(super) struct Found {
    pub(super) interface: String,
    pub(super) by: By,
}

/// Who manages an interface.
pub(super) enum By {
    Wpa { socket: PathBuf },
    Nm { bus: Bus, device: Device },
}

/// The name of the interface that is meant, whether or not anybody manages it.
///
/// # Errors
/// When none was named and there is none.
pub async fn interface(wanted: &Wanted) -> Result<String, Failure> {
    if let Some(name) = &wanted.interface {
        return Ok(name.clone());
    }
    match find(wanted).await {
        Ok(found) => Ok(found.interface),
        Err(failure) => wireless(Path::new(SYSFS)).into_iter().next().ok_or(failure),
    }
}

/// Finds an interface that can be scanned and joined with.
///
/// # Errors
/// When there is none.
pub(super) async fn find(wanted: &Wanted) -> Result<Found, Failure> {
    if wanted.manager != Manager::Wpa {
        match find_nm(wanted.interface.as_deref()).await {
            Ok(Some((bus, interface, device))) => return Ok(Found { interface, by: By::Nm { bus, device } }),
            Ok(None) if wanted.manager == Manager::Nm => {
                return Err(anyhow!("NetworkManager has no such Wi-Fi interface").into());
            }
            Err(error) if wanted.manager == Manager::Nm => return Err(error),
            Ok(None) => {}
            Err(error) => tracing::debug!(%error, "no NetworkManager"),
        }
    }
    let dirs = match &wanted.ctrl_dir {
        Some(dir) => vec![dir.clone()],
        None => CTRL_DIRS.iter().map(PathBuf::from).collect(),
    };
    if let Some(name) = &wanted.interface {
        let sockets: Vec<_> = dirs.iter().map(|dir| dir.join(name)).collect();
        // One that is not there gives an error which says so.
        let socket = sockets.iter().find(|socket| is_socket(socket)).or(sockets.first()).cloned().unwrap_or_default();
        return Ok(Found { interface: name.clone(), by: By::Wpa { socket } });
    }
    let wireless = wireless(Path::new(SYSFS));
    let known = dirs.iter().flat_map(|dir| wireless.iter().map(move |name| (name, dir.join(name))));
    match known.into_iter().find(|(_, socket)| is_socket(socket)) {
        Some((name, socket)) => Ok(Found { interface: name.clone(), by: By::Wpa { socket } }),
        None if wireless.is_empty() => {
            Err(anyhow!("this computer has no Wi-Fi interface; --interface names one").into())
        }
        None => Err(anyhow!(
            "neither NetworkManager nor wpa_supplicant can be asked for {}: no control socket in {}",
            wireless.join(", "),
            dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(" or ")
        )
        .into()),
    }
}

async fn find_nm(interface: Option<&str>) -> Result<Option<(Bus, String, Device)>, Failure> {
    let bus = Bus::open().await?;
    Ok(bus.wifi_device(interface).await?.map(|(name, device)| (bus, name, device)))
}

/// All Wi-Fi interfaces, by name.
fn wireless(sysfs: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(sysfs)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| ["phy80211", "wireless"].iter().any(|mark| entry.path().join(mark).exists()))
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect();
    names.sort();
    names
}

fn is_socket(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.file_type().is_socket())
}

const SYSFS: &str = "/sys/class/net";
/// The second is where the first was before there was /run.
const CTRL_DIRS: [&str; 2] = ["/run/wpa_supplicant", "/var/run/wpa_supplicant"];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn wireless_interfaces_are_told_from_others() {
        let sysfs = tempfile::tempdir().unwrap();
        for dir in ["eth0", "wlan1/phy80211", "lo", "wlan0/wireless"] {
            fs::create_dir_all(sysfs.path().join(dir)).unwrap();
        }
        assert_eq!(wireless(sysfs.path()), ["wlan0", "wlan1"]);
        assert_eq!(wireless(&sysfs.path().join("nowhere")), Vec::<String>::new());
    }
}
