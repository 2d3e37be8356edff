//! netifd: which interface has which access point.
//!
//! No recording shows `network.wireless`. Its answer is modelled on what netifd's own sources build: in `wireless.c` up
//! to 24.10, and in the ucode that took its place after that, where `ifname` comes last.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_ubus::{Blobmsg, Builder, Status};

use super::air::{Air, Bss};
use super::forms::Finished as _;
use super::program::{Outcome, Program};
use super::release::Release;

/// netifd. Ends when dropped.
pub(super) struct Netifd {
    pub(super) program: Program,
    is_pending: Arc<AtomicBool>,
}

/// Takes up the configuration as it is, committed or not.
pub(super) type Reload = Box<dyn Fn() + Send + Sync>;

impl Netifd {
    pub(super) fn start(socket: &Path, release: Release, air: Air, reload: Reload) -> Self {
        let netifd = Self { program: Program::start(socket), is_pending: Arc::default() };
        let is_pending = Arc::clone(&netifd.is_pending);
        let answer = move |method: &str, arguments: &Blobmsg| match method {
            "status" => status(&air, arguments, release, is_pending.load(Ordering::Acquire)),
            _ => Err(Status::NotSupported),
        };
        netifd.program.publish("network.wireless", METHODS, Arc::new(answer));
        let answer = move |method: &str, _: &Blobmsg| match method {
            "reload" => {
                reload();
                Ok(None)
            }
            _ => Err(Status::NotSupported),
        };
        netifd.program.publish("network", "restart\nreload", Arc::new(answer));
        netifd
    }

    pub(super) fn set_pending(&self, is_pending: bool) {
        self.is_pending.store(is_pending, Ordering::Release);
    }
}

fn status(air: &Air, arguments: &Blobmsg, release: Release, is_pending: bool) -> Outcome {
    let mut radios: BTreeMap<u16, Vec<Bss>> = BTreeMap::new();
    for cell in air.cells() {
        radios.entry(cell.bss.freq).or_default().push(cell.bss);
    }
    let radios = radios.into_values().enumerate().map(|(n, all)| (format!("radio{n}"), all));
    let wanted = arguments.get("device").and_then(|value| value.as_str());
    let mut radios = radios.filter(|(name, _)| wanted.is_none_or(|wanted| wanted == name)).peekable();
    if wanted.is_some() && radios.peek().is_none() {
        return Err(Status::NotFound);
    }
    let mut data = Builder::new();
    for (name, all) in radios {
        data.table(&name, |radio| {
            radio.push("up", !is_pending).push("pending", is_pending).push("autostart", true);
            radio.push("disabled", false).push("retry_setup_failed", false);
            radio.table("config", |config| describe_radio(config, &all[0]));
            radio.array("interfaces", |interfaces| {
                for bss in &all {
                    let ifname = Some(bss.ifname.as_str()).filter(|_| !is_pending);
                    interfaces.table("", |interface| describe(interface, bss, ifname, release));
                }
            });
        });
    }
    Ok(Some(data.finished()))
}

fn describe_radio(config: &mut Builder, bss: &Bss) {
    config.push("path", "platform/soc/18000000.wifi").push("band", bss.band());
    config.push("channel", &bss.channel().to_string()).push("htmode", "HT20").push("country", "DE");
}

fn describe(interface: &mut Builder, bss: &Bss, ifname: Option<&str>, release: Release) {
    let tell_ifname = |interface: &mut Builder| {
        if let Some(ifname) = ifname {
            interface.push("ifname", ifname);
        }
    };
    interface.push("section", bss.section.as_str());
    if release < Release::Main {
        tell_ifname(interface);
    }
    interface.table("config", |config| {
        config.push("mode", "ap").push("ssid", bss.ssid.as_slice()).push("encryption", bss.encryption.as_str());
        if let Some(key) = &bss.key {
            config.push("key", key.as_str());
        }
        config.array("network", |networks| {
            for network in &bss.networks {
                networks.push("", network.as_str());
            }
        });
    });
    if release == Release::Main {
        tell_ifname(interface);
    }
    interface.array("vlans", |_| {}).array("stations", |_| {});
}

const METHODS: &str = "up device:s
down device:s
status device:s
reconf device:s";
