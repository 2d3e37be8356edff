//! An access point: hostapd on a radio, with one bss per [`Bss`] or [`OnAir`].

use std::fmt::Write;
use std::fs;
use std::path::Path;
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

/// A radio for an access point: `wlan<number>`.
#[derive(Clone, Copy)]
pub(crate) struct Radio<'a> {
    pub(crate) number: u32,
    /// It was given to this one before.
    pub(crate) namespace: &'a str,
    /// Of 2.4 GHz.
    pub(crate) channel: u32,
}

/// What a station has to show to join.
#[derive(Clone, Copy)]
pub(crate) enum Protection<'a> {
    Open,
    Owe,
    /// WPA2; pairs of `keyid` and passphrase.
    Psk(&'a [(&'a str, &'a str)]),
    /// WPA3 alone, with a passphrase.
    Sae(&'a str),
}

/// One network name on the air, of any protection.
#[derive(Clone, Copy)]
pub(crate) struct OnAir<'a> {
    /// Any bytes, at most 32.
    pub(crate) ssid: &'a [u8],
    pub(crate) protection: Protection<'a>,
    pub(crate) bridge: Option<&'a str>,
    /// In place of the radio's own address, which is 02:00:00:00:NN:00 for radio NN, and counts upwards with its bss.
    pub(crate) bssid: Option<&'a str>,
}

/// A running hostapd on one radio.
pub(crate) struct AccessPoint {
    daemon: Daemon,
    radio: u32,
    namespace: String,
}

impl AccessPoint {
    /// Starts it on radio 0 in namespace [`AP`], on channel 1, and waits until its bss are on the air. The bss are `wlan0`,
    /// `wlan0_1`, …, with the addresses 02:00:00:00:00:00 and counting.
    ///
    /// # Errors
    /// When hostapd does not start.
    pub(crate) fn start<'a>(bss: &[Bss<'a>]) -> Result<Self> {
        let on_air = |bss: &Bss<'a>| OnAir {
            ssid: bss.ssid,
            protection: if bss.keys.is_empty() { Protection::Open } else { Protection::Psk(bss.keys) },
            bridge: bss.bridge,
            bssid: None,
        };
        let bss: Vec<_> = bss.iter().map(on_air).collect();
        Self::on(Radio { number: 0, namespace: AP, channel: 1 }, &bss)
    }

    /// Starts it on any radio and waits until its bss are on the air, as `wlan<number>`, `wlan<number>_1`, ….
    ///
    /// # Errors
    /// When hostapd does not start.
    pub(crate) fn on(radio: Radio<'_>, bss: &[OnAir<'_>]) -> Result<Self> {
        fs::write(config_of(radio.number), render(radio, bss)?).context("write hostapd's configuration")?;
        let daemon = spawn(radio.number, radio.namespace)?;
        let point = Self { daemon, radio: radio.number, namespace: radio.namespace.to_owned() };
        point.await_enabled()?;
        Ok(point)
    }

    /// Kills it without a chance to clean up, and starts it again.
    ///
    /// # Errors
    /// When it does not come back.
    pub(crate) fn crash_and_restart(&mut self) -> Result<()> {
        self.daemon.stop(Signal::KILL, Duration::from_secs(5))?;
        self.daemon = spawn(self.radio, &self.namespace)?;
        self.await_enabled()
    }

    /// Puts another radio in the place of radio 0, with the same settings and interface and addresses of its own.
    ///
    /// # Errors
    /// When there is no such radio, or it does not come up.
    pub(crate) fn replace_radio(&mut self, number: u32) -> Result<()> {
        self.stop()?;
        tool(&["ip", "-n", AP, "link", "set", "wlan0", "down", "name", "retired"])?;
        give_radio(number, AP)?;
        tool(&["ip", "-n", AP, "link", "set", &format!("wlan{number}"), "name", "wlan0"])?;
        let config = config_of(self.radio);
        let settings = fs::read_to_string(&config).context("read hostapd's configuration")?;
        let moved = settings.replace("bssid=02:00:00:00:00:", &format!("bssid=02:00:00:00:{number:02x}:"));
        fs::write(&config, moved).context("write hostapd's configuration")?;
        self.daemon = spawn(self.radio, &self.namespace)?;
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

    /// Gives the first bss another name, as a person does it in a router's settings.
    ///
    /// # Errors
    /// When hostapd does not take it.
    pub(crate) fn rename(&self, ssid: &[u8]) -> Result<()> {
        let control = self.control(&format!("wlan{}", self.radio))?;
        control.tell(&format!("SET ssid2 {}", hex(ssid)))?;
        control.tell("UPDATE_BEACON")
    }

    fn await_enabled(&self) -> Result<()> {
        let control = self.control(&format!("wlan{}", self.radio))?;
        until(Duration::from_secs(10), "the radio is on the air", || {
            Ok(control.ask("STATUS")?.contains("state=ENABLED").then_some(()))
        })
    }
}

fn spawn(radio: u32, namespace: &str) -> Result<Daemon> {
    let log = if radio == 0 { String::from("hostapd") } else { format!("hostapd-wlan{radio}") };
    Daemon::start(&log, namespace, &["hostapd", "-t", &config_of(radio)])
}

fn config_of(radio: u32) -> String {
    format!("/tmp/hostapd-{radio}.conf")
}

fn render(Radio { number: radio, channel, .. }: Radio<'_>, bss: &[OnAir<'_>]) -> Result<String> {
    let mut text = format!("driver=nl80211\nhw_mode=g\nchannel={channel}\nieee80211n=1\n");
    for (number, bss) in bss.iter().enumerate() {
        match number {
            0 => writeln!(text, "interface=wlan{radio}")?,
            _ => writeln!(text, "bss=wlan{radio}_{number}")?,
        }
        match bss.bssid {
            Some(bssid) => writeln!(text, "bssid={bssid}")?,
            None => writeln!(text, "bssid=02:00:00:00:{radio:02x}:{number:02x}")?,
        }
        writeln!(text, "ctrl_interface={HOSTAPD_DIR}\nssid2={}", hex(bss.ssid))?;
        if let Some(bridge) = bss.bridge {
            writeln!(text, "bridge={bridge}")?;
        }
        match bss.protection {
            Protection::Open => {}
            Protection::Owe => writeln!(text, "wpa=2\nwpa_key_mgmt=OWE\nrsn_pairwise=CCMP\nieee80211w=2")?,
            Protection::Psk(keys) => {
                let file = format!("/tmp/keys-{radio}-{number}");
                let lines: String =
                    keys.iter().map(|(id, key)| format!("keyid={id} 00:00:00:00:00:00 {key}\n")).collect();
                fs::write(&file, lines).context("write the keys")?;
                writeln!(text, "wpa=2\nwpa_key_mgmt=WPA-PSK\nrsn_pairwise=CCMP\nwpa_psk_file={file}")?;
            }
            Protection::Sae(key) => {
                writeln!(text, "wpa=2\nwpa_key_mgmt=SAE\nrsn_pairwise=CCMP\nieee80211w=2\nsae_password={key}")?;
            }
        }
    }
    Ok(text)
}

/// The form of an SSID that hostapd and wpa_supplicant both take for any bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
