//! A laptop: a radio that NetworkManager has, which does everything by wpa_supplicant, with a system bus for all of them.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::network::{add_namespace, give_radio};
use crate::process::{Daemon, Outcome, run};
use crate::wait::until;

/// Radio 1, in a namespace of its own.
pub(crate) struct Laptop {
    /// The last one is NetworkManager.
    daemons: [Daemon; 3],
}

/// What one run of `welcome` told.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) events: Vec<Value>,
}

impl Told {
    /// What it says went wrong, by name.
    pub(crate) fn error(&self) -> Option<&str> {
        self.events.iter().find(|event| event["event"] == "error")?["kind"].as_str()
    }

    /// # Errors
    /// When it did not end with a message of that title.
    pub(crate) fn ensure_greeted(&self, title: &str) -> Result<()> {
        let offer = self.events.iter().find(|event| event["event"] == "offer");
        ensure!(self.code == 0, "welcome ended with {}: {:?}", self.code, self.events);
        ensure!(offer.is_some_and(|offer| offer.to_string().contains(title)), "no such message: {:?}", self.events);
        Ok(())
    }

    /// # Errors
    /// When it did not fail in this way.
    pub(crate) fn ensure_failed(&self, code: i32, kind: &str) -> Result<()> {
        let told = (self.code, self.error());
        ensure!(told == (code, Some(kind)), "welcome ended with {told:?}: {:?}", self.events);
        Ok(())
    }
}

impl Laptop {
    /// Starts it all and waits until NetworkManager has the radio.
    ///
    /// # Errors
    /// When it does not come up.
    pub(crate) fn start() -> Result<Self> {
        add_namespace(NAME)?;
        give_radio(1, NAME)?;
        for dir in ["/run/dbus", "/etc/NetworkManager", "/var/lib/NetworkManager", STATE_DIR] {
            fs::create_dir_all(dir).with_context(|| format!("make {dir}"))?;
        }
        fs::write("/etc/machine-id", "0123456789abcdef0123456789abcdef\n").context("name the machine")?;
        fs::write(BUS_CONFIG, BUS_CONFIG_TEXT).context("write the bus's configuration")?;
        fs::write(NM_CONFIG, NM_CONFIG_TEXT).context("write NetworkManager's configuration")?;
        let bus = ["dbus-daemon", "--nofork", "--config-file", BUS_CONFIG];
        let bus = Daemon::start("dbus", NAME, &bus)?;
        until(SOON, "the bus is there", || Ok(fs::exists(BUS_SOCKET)?.then_some(())))?;
        let supplicant = Daemon::start("wpa_supplicant-nm", NAME, &["wpa_supplicant", "-t", "-u"])?;
        let laptop = Self { daemons: [bus, supplicant, start_manager()?] };
        until(START, "NetworkManager has the radio", || {
            // It answers nobody before it is ready.
            let devices = laptop.nmcli(&["-t", "-f", "DEVICE,STATE", "device"]).unwrap_or_default();
            Ok(devices.contains("wlan1:disconnected").then_some(()))
        })?;
        Ok(laptop)
    }

    /// Gives `welcome` a list with one network.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn list(&self, bssid: &str, ssid: &str, security: &str, key: Option<&str>) -> Result<()> {
        let mut entry =
            json!({ "bssid": bssid, "ssid": ssid, "security": security, "area": "lab", "assurance": "vouched" });
        if let Some(key) = key {
            entry["key"] = key.into();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let list = json!({ "version": 1, "fetched": now, "from": "the lab", "entries": [entry] });
        fs::write(format!("{STATE_DIR}/list.json"), list.to_string()).context("write the list")
    }

    /// Runs `welcome`, which finds interface and manager by itself.
    ///
    /// # Errors
    /// When it does not end, or does not speak JSON.
    pub(crate) fn welcome(&self, words: &[&str]) -> Result<Told> {
        let Outcome { code, stdout } = run("welcome-nm", NAME, &welcome(words), Duration::from_secs(90))?;
        let events = stdout.lines().map(serde_json::from_str).collect::<Result<_, _>>();
        Ok(Told { code, events: events.with_context(|| format!("understand {stdout}"))? })
    }

    /// Starts `welcome`, waits until a network is joined by it, and kills it without a chance to clean up.
    ///
    /// # Errors
    /// When it does not join.
    pub(crate) fn kill_when_joined(&self, words: &[&str]) -> Result<()> {
        let mut welcome = Daemon::start("welcome-killed", NAME, &welcome(words))?;
        let joined = until(Duration::from_secs(60), "welcome has joined", || Ok(self.ours(true)?.then_some(())));
        let killed = welcome.stop(Signal::KILL, SOON);
        joined.and(killed.map(drop))
    }

    /// Starts `welcome watch`, until it is stopped.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn watch(&self) -> Result<Daemon> {
        Daemon::start("welcome-watch-nm", NAME, &welcome(&["watch"]))
    }

    /// Stops NetworkManager in order and starts it again, as an update does.
    ///
    /// # Errors
    /// When it does not end.
    pub(crate) fn restart_manager(&mut self) -> Result<()> {
        let [.., manager] = &mut self.daemons;
        manager.stop(Signal::TERM, SOON)?;
        *manager = start_manager()?;
        Ok(())
    }

    /// Whether NetworkManager has a connection of `welcome`, or one in use.
    ///
    /// # Errors
    /// When NetworkManager does not answer.
    pub(crate) fn ours(&self, in_use: bool) -> Result<bool> {
        Ok(self.connections(in_use)?.contains("(welcome)"))
    }

    /// NetworkManager's Wi-Fi connections, or the ones that are in use, by name.
    ///
    /// # Errors
    /// When NetworkManager does not answer.
    pub(crate) fn connections(&self, in_use: bool) -> Result<String> {
        let all = self.nmcli(&["-t", "-f", "TYPE,STATE,NAME", "connection", "show"])?;
        let is_wanted = |line: &&str| line.starts_with("802-11-wireless:") && (!in_use || line.contains(":activated:"));
        Ok(all.lines().filter(is_wanted).collect::<Vec<_>>().join("\n"))
    }

    /// What a person types.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) fn nmcli(&self, words: &[&str]) -> Result<String> {
        let Outcome { code, stdout } = run("nmcli", NAME, &[&["nmcli"], words].concat(), Duration::from_secs(60))?;
        ensure!(code == 0, "nmcli {} ended with {code}", words.join(" "));
        Ok(stdout)
    }
}

fn start_manager() -> Result<Daemon> {
    // Where /sys can be written, NetworkManager waits for udev, which this machine has not.
    let manager = format!("mount -o remount,ro /sys && exec NetworkManager --debug --config {NM_CONFIG}");
    Daemon::start("NetworkManager", NAME, &["sh", "-c", &manager])
}

fn welcome<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let (job, options) = words.split_first().map_or(("scan", &[][..]), |(job, options)| (*job, options));
    [&[WELCOME, job, "--json", "--state-dir", STATE_DIR], options].concat()
}

/// Its namespace.
pub(crate) const NAME: &str = "laptop";
const WELCOME: &str = "/programs/welcome";
const STATE_DIR: &str = "/tmp/welcome-laptop";
const SOON: Duration = Duration::from_secs(10);
/// NetworkManager looks around first.
const START: Duration = Duration::from_secs(60);
const BUS_SOCKET: &str = "/run/dbus/system_bus_socket";
const BUS_CONFIG: &str = "/tmp/bus.conf";
const NM_CONFIG: &str = "/etc/NetworkManager/NetworkManager.conf";

/// Everybody in this machine is root; nobody needs to be kept from anything.
const BUS_CONFIG_TEXT: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/>
    <allow own="*"/>
    <allow send_type="method_call"/>
    <allow send_type="signal"/>
    <allow send_requested_reply="true" send_type="method_return"/>
    <allow send_requested_reply="true" send_type="error"/>
    <allow receive_type="method_call"/>
    <allow receive_type="method_return"/>
    <allow receive_type="error"/>
    <allow receive_type="signal"/>
    <allow send_destination="*"/>
    <allow eavesdrop="true"/>
  </policy>
</busconfig>
"#;

/// As Debian's, without what this machine has not: polkit, other interfaces, a host to look for the Internet at.
const NM_CONFIG_TEXT: &str = "[main]
plugins=keyfile
dhcp=internal
auth-polkit=false
no-auto-default=*
rc-manager=unmanaged

[device]
wifi.scan-rand-mac-address=no

[keyfile]
unmanaged-devices=except:interface-name:wlan1

[logging]
level=INFO
domains=ALL
";
