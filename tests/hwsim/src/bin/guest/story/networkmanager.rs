//! A laptop whose radio Debian's NetworkManager has: `welcome` finds that out by itself, joins through it, and leaves
//! nothing behind.
//!
//! ```text
//! ap: hostapd (wlan0: WPA2, wlan0_1: SAE, wlan0_2: OWE, wlan0_3: WPA2, nobody's message, wlan0_4: WPA2 and
//!     SAE), dnsmasq, agent ~~air~~ laptop
//! ```

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use crate::access_point::{AP, HOSTAPD_DIR};
use crate::agent::Agent;
use crate::checks::Checks;
use crate::control::Control;
use crate::laptop::Laptop;
use crate::network::{add_namespace, give_radio};
use crate::process::{Daemon, tool};
use crate::scene::start_dnsmasq;
use crate::wait::{patiently, until};

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    let _router = Router::set_up()?;
    let mut laptop = Laptop::start()?;
    let mut checks = Checks::default();
    for network in [&WPA2, &SAE, &TRANSITION, &OWE] {
        let what = format!("{}: joined through NetworkManager, greeted, known by receive, left", network.security);
        checks.check(&what, greet_and_leave(&laptop, network));
    }
    checks.check("a wrong key is named, and nothing is left behind", wrong_key(&laptop));
    checks.check("a connection that somebody chose stays, unless told", keep_home(&laptop));
    checks.check("killed while watching: NetworkManager leaves by itself", kill_watch(&laptop));
    checks.check("killed while connecting: the next start cleans up", kill_connect(&laptop));
    checks.check("NetworkManager starts anew while watching: joined again", restart_under_watch(&mut laptop));
    Ok(checks.all_hold())
}

fn greet_and_leave(laptop: &Laptop, network: &Network) -> Result<()> {
    laptop.list(network.bssid, network.ssid, network.security, network.key)?;
    let connect = || {
        await_nothing_of_ours(laptop)?;
        laptop.welcome(&["connect"])
    };
    let told = patiently(network.security, connect, |told| told.error() == Some("no-address"))?;
    told.ensure_greeted(TITLE)?;
    ensure!(laptop.ours(true)?, "it does not stay connected: {}", laptop.connections(false)?);
    // The message is shown once a visit.
    let again = laptop.welcome(&["receive", "--wait", "1"])?;
    let here = again.events.iter().find(|event| event["event"] == "here").context("it does not know where it is")?;
    ensure!(here["bssid"] == network.bssid, "{here}");
    laptop.welcome(&["leave"])?;
    await_nothing_of_ours(laptop)
}

fn wrong_key(laptop: &Laptop) -> Result<()> {
    for network in [&WPA2, &SAE] {
        laptop.list(network.bssid, network.ssid, network.security, Some("not the passphrase"))?;
        laptop.welcome(&["connect", "--join-wait", "40"])?.ensure_failed(5, "wrong-key").context(network.security)?;
        await_nothing_of_ours(laptop)?;
    }
    Ok(())
}

fn keep_home(laptop: &Laptop) -> Result<()> {
    let key = HOME.key.context("it has a key")?;
    let profile = ["type", "wifi", "ifname", "wlan1", "con-name", "home", "ssid", HOME.ssid, "autoconnect", "no"];
    let security = ["wifi-sec.key-mgmt", "wpa-psk", "wifi-sec.psk", key];
    laptop.nmcli(&[&["connection", "add"], &profile[..], &security].concat())?;
    let kept = keep_while_home(laptop);
    // The next check wants a free radio, whatever came of this one.
    laptop.nmcli(&["connection", "delete", "home"])?;
    kept
}

fn keep_while_home(laptop: &Laptop) -> Result<()> {
    laptop.nmcli(&["connection", "up", "home"])?;
    laptop.list(WPA2.bssid, WPA2.ssid, WPA2.security, WPA2.key)?;
    laptop.welcome(&["connect"])?.ensure_failed(6, "in-use")?;
    ensure!(is_home(laptop)?, "it did not stay: {}", laptop.connections(false)?);
    laptop.welcome(&["connect", "--replace"])?.ensure_greeted(TITLE)?;
    ensure!(!is_home(laptop)?, "it was not replaced");
    laptop.welcome(&["leave"])?;
    until(HANDSHAKE, "the chosen connection is back", || Ok(is_home(laptop)?.then_some(())))?;
    await_nothing_of_ours(laptop)
}

fn is_home(laptop: &Laptop) -> Result<bool> {
    Ok(laptop.connections(true)?.ends_with(":home"))
}

fn kill_watch(laptop: &Laptop) -> Result<()> {
    laptop.list(WPA2.bssid, WPA2.ssid, WPA2.security, WPA2.key)?;
    laptop.kill_when_joined(&["watch"])?;
    await_nothing_of_ours(laptop)
}

fn kill_connect(laptop: &Laptop) -> Result<()> {
    // No message comes here, so it waits for one.
    laptop.list(HOME.bssid, HOME.ssid, HOME.security, HOME.key)?;
    laptop.kill_when_joined(&["connect", "--wait", "60"])?;
    ensure!(laptop.ours(true)?, "there is nothing to clean up");
    laptop.list(WPA2.bssid, WPA2.ssid, WPA2.security, WPA2.key)?;
    laptop.welcome(&["connect"])?.ensure_greeted(TITLE)?;
    let connections = laptop.connections(false)?;
    ensure!(connections.lines().count() == 1, "more than one is there: {connections}");
    laptop.welcome(&["leave"])?;
    await_nothing_of_ours(laptop)
}

fn restart_under_watch(laptop: &mut Laptop) -> Result<()> {
    laptop.list(WPA2.bssid, WPA2.ssid, WPA2.security, WPA2.key)?;
    let mut watching = laptop.watch()?;
    let joined = |laptop: &Laptop| {
        // Who is only starting answers nobody.
        until(REJOIN, "welcome has joined", || Ok(laptop.ours(true).unwrap_or(false).then_some(())))
    };
    joined(laptop)?;
    laptop.restart_manager()?;
    joined(laptop)?;
    watching.stop(Signal::INT, SOON)?;
    await_nothing_of_ours(laptop)
}

fn await_nothing_of_ours(laptop: &Laptop) -> Result<()> {
    until(SOON, "nothing of welcome's is left", || Ok((!laptop.ours(false)?).then_some(())))
}

struct Router {
    _hostapd: Daemon,
    _dnsmasq: Daemon,
    _agent: Agent,
}

impl Router {
    fn set_up() -> Result<Self> {
        add_namespace(AP)?;
        give_radio(0, AP)?;
        tool(&["ip", "-n", AP, "link", "add", BRIDGE, "type", "bridge"])?;
        tool(&["ip", "-n", AP, "address", "add", "10.77.0.1/24", "dev", BRIDGE])?;
        tool(&["ip", "-n", AP, "link", "set", BRIDGE, "up"])?;
        fs::write(HOSTAPD_CONFIG, hostapd_config()).context("write hostapd's configuration")?;
        let hostapd = Daemon::start("hostapd", AP, &["hostapd", "-t", HOSTAPD_CONFIG])?;
        let control = Control::await_server(&Path::new(HOSTAPD_DIR).join("wlan0"))?;
        until(SOON, "the radio is on the air", || Ok(control.ask("STATUS")?.contains("state=ENABLED").then_some(())))?;
        let dnsmasq = start_dnsmasq(&[(BRIDGE, "10.77.0")])?;
        Ok(Self { _hostapd: hostapd, _dnsmasq: dnsmasq, _agent: Agent::run(AGENT_CONFIG)? })
    }
}

fn hostapd_config() -> String {
    let mut text = String::from("driver=nl80211\nhw_mode=g\nchannel=1\nieee80211n=1\n");
    for (first, Network { bssid, ssid, key, settings, .. }) in [
        ("interface=wlan0", &WPA2),
        ("bss=wlan0_1", &SAE),
        ("bss=wlan0_2", &OWE),
        ("bss=wlan0_3", &HOME),
        ("bss=wlan0_4", &TRANSITION),
    ] {
        let key = key.map(|key| format!("wpa_passphrase={key}\n")).unwrap_or_default();
        text += &format!("{first}\nbssid={bssid}\nctrl_interface={HOSTAPD_DIR}\nssid={ssid}\nbridge={BRIDGE}\n{key}");
        text += &format!("wpa=2\nrsn_pairwise=CCMP\n{settings}\n");
    }
    text
}

struct Network {
    bssid: &'static str,
    ssid: &'static str,
    /// As in the list.
    security: &'static str,
    key: Option<&'static str>,
    /// For hostapd.
    settings: &'static str,
}

const WPA2: Network = Network {
    bssid: "02:00:00:00:00:00",
    ssid: "Corner Cafe",
    security: "psk",
    key: Some("shared passphrase"),
    settings: "wpa_key_mgmt=WPA-PSK",
};
const SAE: Network = Network {
    bssid: "02:00:00:00:00:01",
    ssid: "Corner Cafe 3",
    security: "sae",
    key: Some("another passphrase"),
    settings: "wpa_key_mgmt=SAE\nieee80211w=2\nsae_pwe=2",
};
const OWE: Network = Network {
    bssid: "02:00:00:00:00:02",
    ssid: "Corner Cafe open",
    security: "owe",
    key: None,
    settings: "wpa_key_mgmt=OWE\nieee80211w=2",
};
const TRANSITION: Network = Network {
    bssid: "02:00:00:00:00:04",
    ssid: "Corner Cafe both",
    security: "psk-sae",
    key: Some("a passphrase for both"),
    settings: "wpa_key_mgmt=WPA-PSK SAE\nieee80211w=1\nsae_pwe=2",
};
const HOME: Network = Network {
    bssid: "02:00:00:00:00:03",
    ssid: "home",
    security: "psk",
    key: Some("a key of its own"),
    settings: "wpa_key_mgmt=WPA-PSK",
};

const AGENT_CONFIG: &str = "config network 'cafe'
\tlist ifname 'wlan0'
\toption credential 'bss'

config network 'cafe3'
\tlist ifname 'wlan0_1'
\toption credential 'bss'

config network 'open'
\tlist ifname 'wlan0_2'
\toption credential 'bss'

config network 'both'
	list ifname 'wlan0_4'
	option credential 'bss'

config offer 'hello'
\toption title 'Welcome to the corner cafe'
";
const TITLE: &str = "Welcome to the corner cafe";
const BRIDGE: &str = "br-lan";
const HOSTAPD_CONFIG: &str = "/tmp/hostapd-nm.conf";
const SOON: Duration = Duration::from_secs(10);
/// NetworkManager looks around first.
const REJOIN: Duration = Duration::from_secs(60);
/// A handshake that is too slow for the access point is begun once more after some seconds.
const HANDSHAKE: Duration = Duration::from_secs(30);
