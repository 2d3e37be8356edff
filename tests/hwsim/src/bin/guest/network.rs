//! Network namespaces and what joins them: radios, cables, addresses.

use std::fs::File;
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::process::tool;

/// Makes a namespace with its loopback interface up.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn add_namespace(name: &str) -> Result<()> {
    tool(&["ip", "netns", "add", name])?;
    tool(&["ip", "-n", name, "link", "set", "lo", "up"])
}

/// Gives radio `number` (with its interface `wlan<number>`) to a namespace.
///
/// # Errors
/// When there is no such radio.
pub(crate) fn give_radio(number: u32, namespace: &str) -> Result<()> {
    tool(&["iw", "phy", &format!("phy{number}"), "set", "netns", "name", namespace])
}

/// One end of a cable.
pub(crate) struct Plug<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) interface: &'a str,
    /// With prefix length.
    pub(crate) address: &'a str,
}

/// Connects two namespaces by a cable (veth) with an address at each end.
///
/// # Errors
/// When an interface exists already.
pub(crate) fn add_cable(one: &Plug<'_>, other: &Plug<'_>) -> Result<()> {
    let (from, to) = ((one.interface, one.namespace), (other.interface, other.namespace));
    tool(&["ip", "link", "add", from.0, "netns", from.1, "type", "veth", "peer", "name", to.0, "netns", to.1])?;
    for plug in [one, other] {
        tool(&["ip", "-n", plug.namespace, "address", "add", plug.address, "dev", plug.interface])?;
        tool(&["ip", "-n", plug.namespace, "link", "set", plug.interface, "up"])?;
    }
    Ok(())
}

/// Takes away the cable that ends in this interface.
///
/// # Errors
/// When there is none.
pub(crate) fn remove_cable(namespace: &str, interface: &str) -> Result<()> {
    tool(&["ip", "-n", namespace, "link", "delete", interface])
}

/// Routes a destination by a gateway.
///
/// # Errors
/// When the gateway cannot be reached.
pub(crate) fn add_route(namespace: &str, destination: &str, gateway: &str) -> Result<()> {
    tool(&["ip", "-n", namespace, "route", "add", destination, "via", gateway])
}

/// Does something whose sockets belong to a namespace, on a thread of its own: a thread that has moved into a
/// namespace stays there.
///
/// # Errors
/// When there is no such namespace, or what `work` says.
pub(crate) fn within<T: Send>(namespace: &str, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let handle =
        File::open(format!("/run/netns/{namespace}")).with_context(|| format!("find namespace {namespace}"))?;
    let moved = || {
        move_into_link_name_space(handle.as_fd(), Some(LinkNameSpaceType::Network)).context("move into a namespace")?;
        work()
    };
    thread::scope(|scope| scope.spawn(moved).join().map_err(|_| anyhow!("a thread in {namespace} panicked"))?)
}
