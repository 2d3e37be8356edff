//! Which network an interface is in, by whoever manages it. Nothing is changed.

use super::Wanted;
use super::find::{By, find};
use welcome_proto::{Bssid, Mac};
use wpa_ctrl::{Control, supplicant};

/// The BSSID that the interface is joined to; nothing if it is in no network, or nobody tells.
pub async fn bssid(wanted: &Wanted) -> Option<Bssid> {
    match find(wanted).await.ok()?.by {
        By::Wpa { socket } => {
            let mut control = Control::open(socket, std::env::temp_dir()).ok()?;
            let link = supplicant::status(&mut control).await.ok()?;
            Mac(link.bssid?).try_into().ok()
        }
        By::Nm { bus, device } => bus.bssid(&device).await.ok()?,
    }
}
