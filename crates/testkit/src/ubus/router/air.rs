//! The access points of the router, and who is on them: what hostapd and netifd both know.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// An access point: one `wifi-iface` section, with the interface that netifd gave it.
#[derive(Clone, Debug)]
pub struct Bss {
    /// The interface, e.g. `phy0-ap0`.
    pub ifname: String,
    /// The section in `/etc/config/wireless`.
    pub section: String,
    /// Its networks: sections in `/etc/config/network`.
    pub networks: Vec<String>,
    /// Its address.
    pub bssid: String,
    /// Its name, any bytes.
    pub ssid: Vec<u8>,
    /// As in `/etc/config/wireless`: `psk2`, `sae-mixed`, `owe`, `none` and so on.
    pub encryption: String,
    /// The passphrase, where there is one.
    pub key: Option<String>,
    /// Its channel in MHz. Access points on one channel share a radio.
    pub freq: u16,
}

/// Everything that is configured, in this order, and the stations of each by their addresses.
#[derive(Clone, Default)]
pub(super) struct Air(Arc<Mutex<Vec<Cell>>>);

/// One access point and its stations.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    pub(super) bss: Bss,
    /// Whether each is authorised; who only authenticated is there, too.
    pub(super) stations: BTreeMap<String, bool>,
    /// Who was put out, and may not come back for some time.
    pub(super) banned: Vec<String>,
    /// Whether hostapd waits for answers to what it notifies of: `notify_response`.
    pub(super) wants_answers: bool,
}

impl Air {
    pub(super) fn cells(&self) -> Vec<Cell> {
        self.lock().clone()
    }

    pub(super) fn cell(&self, ifname: &str) -> Option<Cell> {
        self.lock().iter().find(|cell| cell.bss.ifname == ifname).cloned()
    }

    pub(super) fn add(&self, bss: Bss) {
        self.lock().push(Cell { bss, stations: BTreeMap::new(), banned: Vec::new(), wants_answers: false });
    }

    pub(super) fn remove(&self, ifname: &str) {
        self.lock().retain(|cell| cell.bss.ifname != ifname);
    }

    /// Changes one.
    ///
    /// # Panics
    /// When there is none of this name.
    pub(super) fn change<T>(&self, ifname: &str, how: impl FnOnce(&mut Cell) -> T) -> T {
        let mut cells = self.lock();
        let cell = cells.iter_mut().find(|cell| cell.bss.ifname == ifname);
        how(cell.unwrap_or_else(|| panic!("there is no access point {ifname}")))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Cell>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cell {
    /// What hostapd knows no more when it, or the access point, begins again.
    pub(super) fn forget(&mut self) {
        self.stations.clear();
        self.banned.clear();
        self.wants_answers = false;
    }
}

impl Bss {
    /// The radio in the kernel's words, as the interface's name begins.
    pub(super) fn phy(&self) -> &str {
        self.ifname.split_once('-').map_or("phy0", |(phy, _)| phy)
    }

    /// Number of its channel.
    pub(super) fn channel(&self) -> i32 {
        match i32::from(self.freq) {
            2484 => 14,
            freq @ ..2484 => (freq - 2407) / 5,
            freq @ ..5950 => (freq - 5000) / 5,
            freq => (freq - 5950) / 5,
        }
    }

    /// Its band, in the words of `/etc/config/wireless`.
    pub(super) fn band(&self) -> &'static str {
        match self.freq {
            ..3000 => "2g",
            3000..5950 => "5g",
            _ => "6g",
        }
    }
}
