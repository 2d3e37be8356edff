//! dnsmasq and odhcpd: who has which address.
//!
//! No recording shows them. dnsmasq's notifications are as its `ubus.c` builds them; odhcpd's as its `ubus.c` does, which
//! has names of its own in releases after 24.10 and dnsmasq's before.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tokio_ubus::{Blobmsg, Builder, Ref, Status};

use super::forms::Finished as _;
use super::program::Program;
use super::release::Release;

/// dnsmasq. Ends when dropped.
pub(super) struct Dnsmasq(pub(super) Program);

/// odhcpd. Ends when dropped.
pub(super) struct Odhcpd {
    program: Program,
    release: Release,
    /// Addresses and who has them.
    leases: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Dnsmasq {
    pub(super) fn start(socket: &Path) -> Self {
        let program = Program::start(socket);
        program.publish(
            "dnsmasq",
            "metrics",
            Arc::new(|_, _| {
                let mut data = Builder::new();
                for name in ["dns_cache_inserted", "dns_queries_forwarded", "dhcp_ack", "leases_allocated_4"] {
                    data.push(name, Ref::Int32(0));
                }
                Ok(Some(data.finished()))
            }),
        );
        program.publish(NAMES, "", Arc::new(|_, _| Err(Status::MethodNotFound)));
        Self(program)
    }

    pub(super) fn waits_for_names(&self) -> bool {
        self.0.catch_up();
        self.0.has_subscribers(NAMES)
    }

    pub(super) fn tell(&self, kind: &str, mac: &str, ip: &str) {
        self.0.tell("dnsmasq", kind, &lease(mac, ip));
    }
}

impl Odhcpd {
    pub(super) fn start(socket: &Path, release: Release) -> Self {
        let odhcpd = Self { program: Program::start(socket), release, leases: Arc::default() };
        let leases = Arc::clone(&odhcpd.leases);
        let answer = move |method: &str, _: &Blobmsg| match method {
            "ipv4leases" => Ok(Some(list(&leases.lock().unwrap_or_else(PoisonError::into_inner)))),
            _ => Err(Status::NotSupported),
        };
        odhcpd.program.publish("dhcp", ODHCPD_METHODS, Arc::new(answer));
        odhcpd
    }

    /// Somebody got an address.
    pub(super) fn give(&self, mac: &str, ip: &str) {
        self.lock().insert(ip.to_owned(), mac.to_owned());
        self.tell("dhcp.lease4", "dhcp.ack", mac, ip);
    }

    /// The same, and nobody was told.
    pub(super) fn give_unheard(&self, mac: &str, ip: &str) {
        self.lock().insert(ip.to_owned(), mac.to_owned());
    }

    /// Somebody gave it back.
    pub(super) fn release(&self, mac: &str, ip: &str) {
        self.lock().remove(ip);
        self.tell("dhcp.release4", "dhcp.release", mac, ip);
    }

    /// Its time is over.
    pub(super) fn expire(&self, mac: &str, ip: &str) {
        self.lock().remove(ip);
        self.tell("dhcp.expire4", "dhcp.expire", mac, ip);
    }

    fn tell(&self, kind: &str, kind_before: &str, mac: &str, ip: &str) {
        if self.release < Release::Main {
            return self.program.tell("dhcp", kind_before, &lease(mac, ip));
        }
        let mut data = Builder::new();
        data.push("interface", DEVICE).push("ipv4", ip).push("mac", mac).push("hostname", HOSTNAME);
        self.program.tell("dhcp", kind, &data.finished());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lease(mac: &str, ip: &str) -> Blobmsg {
    let mut data = Builder::new();
    data.push("mac", mac).push("ip", ip).push("name", HOSTNAME).push("interface", DEVICE);
    data.finished()
}

fn list(leases: &BTreeMap<String, String>) -> Blobmsg {
    let mut data = Builder::new();
    data.table("device", |devices| {
        devices.table(DEVICE, |device| {
            device.array("leases", |array| {
                for (ip, mac) in leases {
                    array.table("", |lease| {
                        // Here, and only here, without colons.
                        lease.push("mac", &mac.replace(':', "")).push("hostname", HOSTNAME);
                        lease.push("accept-reconf", false).array("flags", |flags| {
                            flags.push("", "bound");
                        });
                        lease.push("address", ip.as_str()).push("valid", Ref::Int32(43_200));
                    });
                }
            });
        });
    });
    data.finished()
}

const ODHCPD_METHODS: &str = "ipv4leases
ipv6leases
ipv6ra
add_lease ip:s mac:a duid:s hostid:s";
/// dnsmasq asks whoever subscribes to this at each name that is looked up, and waits.
const NAMES: &str = "dnsmasq.dns";
const DEVICE: &str = "br-guest";
const HOSTNAME: &str = "phone";
