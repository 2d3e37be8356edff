//! The access point: hostapd on a radio, with one bss per [`Bss`].

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::Signal;

use crate::control::Control;
use crate::network::give_radio;
use crate::process::{Daemon, tool};
use crate::wait::until;

/// Namespace of the router.
pub(crate) const AP: &str = "ap";

/// Directory of hostapd's control sockets, one per bss.
pub(crate) const HOSTAPD_DIR: &str = "/run/hostapd";

/// One network name on the air.
pub(crate) struct Bss<'a> {
    /// Any bytes, at most 32.
    pub(crate) ssid: &'a [u8],
    /// Pairs of `keyid` and passphrase; none: an open network.
    pub(crate) keys: &'a [(&'a str, &'a str)],
    pub(crate) bridge: Option<&'a str>,
}

/// A running hostapd on `wlan0` of namespace [`AP`].
pub(crate) struct AccessPoint {
    daemon: Daemon,
    config: PathBuf,
}

impl AccessPoint {
    /// Starts it and waits until its bss are on the air. The bss are `wlan0`, `wlan0_1`, …, with the addresses
    /// 02:00:00:00:00:00 and counting.
    ///
    /// # Errors
    /// When hostapd does not start.
    pub(crate) fn start(bss: &[Bss<'_>]) -> Result<Self> {
        let config = PathBuf::from("/tmp/hostapd.conf");
        fs::write(&config, render(bss)?).context("write hostapd's configuration")?;
        let point = Self { daemon: spawn(&config)?, config };
        point.await_enabled()?;
        Ok(point)
    }

    /// Kills it without a chance to clean up, and starts it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub(crate) fn crash_and_restart(&mut self) -> Result<()> {
        self.daemon.stop(Signal::KILL, Duration::from_secs(5))?;
        self.daemon = spawn(&self.config)?;
        self.await_enabled()
    }

    /// Puts another radio in the place of this one, with the same settings and addresses of its own.
    ///
    /// # Errors
    /// When there is no such radio, or it does not come up.
    pub(crate) fn replace_radio(&mut self, number: u32) -> Result<()> {
        self.stop()?;
        tool(&["ip", "-n", AP, "link", "set", "wlan0", "down", "name", "retired"])?;
        give_radio(number, AP)?;
        tool(&["ip", "-n", AP, "link", "set", &format!("wlan{number}"), "name", "wlan0"])?;
        let settings = fs::read_to_string(&self.config).context("read hostapd's configuration")?;
        let moved = settings.replace("bssid=02:00:00:00:00:", &format!("bssid=02:00:00:00:{number:02x}:"));
        fs::write(&self.config, moved).context("write hostapd's configuration")?;
        self.daemon = spawn(&self.config)?;
        self.await_enabled()
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.daemon.stop(Signal::TERM, Duration::from_secs(10)).map(drop)
    }

    /// A new connection to the control socket of a bss.
    ///
    /// # Errors
    /// When hostapd does not answer.
    pub(crate) fn control(&self, interface: &str) -> Result<Control> {
        Control::await_server(&Path::new(HOSTAPD_DIR).join(interface))
    }

    fn await_enabled(&self) -> Result<()> {
        let control = self.control("wlan0")?;
        until(Duration::from_secs(10), "the radio is on the air", || {
            Ok(control.ask("STATUS")?.contains("state=ENABLED").then_some(()))
        })
    }
}

fn spawn(config: &Path) -> Result<Daemon> {
    Daemon::start("hostapd", AP, &["hostapd", "-t", &config.display().to_string()])
}

fn render(bss: &[Bss<'_>]) -> Result<String> {
    let mut text = String::from("driver=nl80211\nhw_mode=g\nchannel=1\nieee80211n=1\n");
    for (number, bss) in bss.iter().enumerate() {
        match number {
            0 => writeln!(text, "interface=wlan0")?,
            _ => writeln!(text, "bss=wlan0_{number}")?,
        }
        writeln!(text, "bssid=02:00:00:00:00:{number:02x}\nctrl_interface={HOSTAPD_DIR}")?;
        writeln!(text, "ssid2={}", hex(bss.ssid))?;
        if let Some(bridge) = bss.bridge {
            writeln!(text, "bridge={bridge}")?;
        }
        if !bss.keys.is_empty() {
            let file = format!("/tmp/keys-{number}");
            let lines: String =
                bss.keys.iter().map(|(id, key)| format!("keyid={id} 00:00:00:00:00:00 {key}\n")).collect();
            fs::write(&file, lines).context("write the keys")?;
            writeln!(text, "wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_psk_file={file}")?;
        }
    }
    Ok(text)
}

/// The form of an SSID that hostapd and wpa_supplicant both take for any bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
