//! A station: a radio in a namespace of its own, with wpa_supplicant waiting for orders.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::access_point::hex;
use crate::control::Control;
use crate::network::{add_namespace, give_radio};
use crate::process::{Daemon, run};

/// Directory of wpa_supplicant's control sockets.
pub(crate) const WPA_DIR: &str = "/run/wpa_supplicant";

/// The channel of the access point, in MHz: a scan of this one takes 0.1 s, of all of them 10 s.
pub(crate) const FREQUENCY: &str = "2412";

/// A phone or laptop, idle until told to join.
pub(crate) struct Station {
    pub(crate) namespace: String,
    pub(crate) interface: String,
    pub(crate) mac: String,
    wpa_supplicant: Daemon,
}

impl Station {
    /// Takes radio `number`, in namespace `sta<number>`.
    ///
    /// # Errors
    /// When the radio is missing or wpa_supplicant does not start.
    pub(crate) fn start(number: u32) -> Result<Self> {
        let namespace = format!("sta{number}");
        let interface = format!("wlan{number}");
        add_namespace(&namespace)?;
        give_radio(number, &namespace)?;
        let config = format!("/tmp/wpa_supplicant-{number}.conf");
        fs::write(&config, format!("ctrl_interface={WPA_DIR}\n")).context("write wpa_supplicant's configuration")?;
        let words = ["wpa_supplicant", "-t", "-D", "nl80211", "-i", &interface, "-c", &config];
        let wpa_supplicant = Daemon::start(&format!("wpa_supplicant-{number}"), &namespace, &words)?;
        let mac = format!("02:00:00:00:{number:02x}:00");
        let station = Self { namespace, interface, mac, wpa_supplicant };
        station.control()?;
        Ok(station)
    }

    /// Sends a signal to wpa_supplicant.
    ///
    /// # Errors
    /// When it has ended already.
    pub(crate) fn signal(&self, signal: Signal) -> Result<()> {
        self.wpa_supplicant.signal(signal)
    }

    /// A new connection to wpa_supplicant.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) fn control(&self) -> Result<Control> {
        Control::await_server(&Path::new(WPA_DIR).join(&self.interface))
    }

    /// Joins as any ordinary device does, and waits until the keys are in place.
    ///
    /// # Errors
    /// When it is not connected within 20 seconds.
    pub(crate) fn join(&self, ssid: &[u8], passphrase: Option<&str>) -> Result<()> {
        self.join_bss(ssid, passphrase, None)
    }

    /// The same with one bss of that name, if one is named.
    ///
    /// # Errors
    /// When it is not connected within 20 seconds.
    pub(crate) fn join_bss(&self, ssid: &[u8], passphrase: Option<&str>, bssid: Option<&str>) -> Result<()> {
        let control = self.control()?;
        control.tell("ATTACH")?;
        let id = control.ask("ADD_NETWORK")?;
        control.tell(&format!("SET_NETWORK {id} ssid {}", hex(ssid)))?;
        control.tell(&format!("SET_NETWORK {id} scan_freq {FREQUENCY}"))?;
        if let Some(bssid) = bssid {
            control.tell(&format!("SET_NETWORK {id} bssid {bssid}"))?;
        }
        match passphrase {
            Some(passphrase) => control.tell(&format!("SET_NETWORK {id} psk \"{passphrase}\""))?,
            None => control.tell(&format!("SET_NETWORK {id} key_mgmt NONE"))?,
        }
        control.tell(&format!("SELECT_NETWORK {id}"))?;
        control.await_event(&["CTRL-EVENT-CONNECTED"], Duration::from_secs(20))?;
        Ok(())
    }

    /// Leaves whatever network it is in and forgets it.
    ///
    /// # Errors
    /// When wpa_supplicant does not answer.
    pub(crate) fn leave(&self) -> Result<()> {
        self.control()?.tell("REMOVE_NETWORK all")
    }

    /// Forgets what it has heard, so that the next scan tells what is on the air and no more.
    ///
    /// # Errors
    /// When wpa_supplicant does not answer.
    pub(crate) fn forget_air(&self) -> Result<()> {
        self.control()?.tell("BSS_FLUSH 0")
    }

    /// Gets an address, as any ordinary device does.
    ///
    /// # Errors
    /// When no lease comes within ten seconds.
    pub(crate) fn acquire_address(&self) -> Result<()> {
        let interface = format!("INTERFACE={}", self.interface);
        let words = ["env", &interface, "sh", "-c", DHCP_COMMAND];
        let name = format!("udhcpc-{}", self.namespace);
        let outcome = run(&name, &self.namespace, &words, Duration::from_secs(15))?;
        ensure!(outcome.code == 0, "no lease for {}", self.interface);
        Ok(())
    }
}

/// Writes the script that puts a lease into force.
///
/// # Errors
/// When the file cannot be written.
pub(crate) fn write_dhcp_script() -> Result<()> {
    fs::write(DHCP_SCRIPT, DHCP_SCRIPT_TEXT).context("write the DHCP script")?;
    fs::set_permissions(DHCP_SCRIPT, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    Ok(())
}

/// For `sh -c`: gets an address for `$INTERFACE`, with one attempt a second, ten in all.
pub(crate) const DHCP_COMMAND: &str = "exec udhcpc -i $INTERFACE -n -q -f -t 10 -T 1 -s /tmp/lease.sh";

const DHCP_SCRIPT: &str = "/tmp/lease.sh";

const DHCP_SCRIPT_TEXT: &str = "\
#!/bin/sh
case $1 in
deconfig)
    ip address flush dev $interface
    ;;
bound | renew)
    ip address flush dev $interface
    ip address add $ip/$mask dev $interface
    ip route add default via $router
    ;;
esac
";
