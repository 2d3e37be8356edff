//! Waits for an interface to get an address and a gateway.
//!
//! In: the name of an interface. Out: a [`Route`]. Somebody else asks for the address: the system's own DHCP client, or
//! the command of `--dhcp`.
//!
//! The kernel says when something has changed, and is then asked what there is.

use crate::changes::Changes;
use anyhow::Context as _;
use nix::ifaddrs::getifaddrs;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::time::Duration;
use tokio::time::timeout;

/// How to reach the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Our address.
    pub address: IpAddr,
    /// The router's.
    pub gateway: IpAddr,
    /// The interface's number, which a link-local gateway needs.
    pub scope: u32,
}

impl Route {
    /// The router at a port.
    #[must_use]
    pub fn socket(&self, port: u16) -> SocketAddr {
        match self.gateway {
            IpAddr::V4(ip) => (ip, port).into(),
            IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, self.scope).into(),
        }
    }
}

/// Waits until the interface has a route; for ever if need be.
///
/// # Errors
/// When the kernel cannot be asked.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn wait(interface: &str) -> anyhow::Result<Route> {
    until(interface, |route| route).await
}

/// Waits until the interface has another route, or none; for ever if need be.
///
/// # Errors
/// When the kernel cannot be asked.
///
/// # Cancel safety
/// Nothing is lost.
pub async fn wait_for_change(interface: &str, route: Route) -> anyhow::Result<()> {
    until(interface, |now| (now != Some(route)).then_some(())).await
}

async fn until<T>(interface: &str, wanted: impl Fn(Option<Route>) -> Option<T>) -> anyhow::Result<T> {
    let changes = Changes::listen()?;
    loop {
        if let Some(found) = wanted(look(interface)?) {
            return Ok(found);
        }
        // Events make it fast, a look makes it true.
        if let Ok(changed) = timeout(LOOK_EVERY, changes.next()).await {
            changed?;
        }
    }
}

/// The interface's route now. IPv4 is preferred: the routers this is for have it, and its gateway needs no scope.
///
/// # Errors
/// When the kernel cannot be asked.
pub fn look(interface: &str) -> anyhow::Result<Option<Route>> {
    let Addresses { v4, v6, scope } = addresses(interface)?;
    let read = |path| fs::read_to_string(path).with_context(|| format!("failed to read {path}"));
    if let Some(address) = v4
        && let Some(gateway) = gateway_v4(&read("/proc/net/route")?, interface)
    {
        return Ok(Some(Route { address: address.into(), gateway: gateway.into(), scope: 0 }));
    }
    // Absent where the kernel has no IPv6.
    if let Some(address) = v6
        && let Ok(table) = fs::read_to_string("/proc/net/ipv6_route")
        && let Some(gateway) = gateway_v6(&table, interface)
    {
        return Ok(Some(Route { address: address.into(), gateway: gateway.into(), scope }));
    }
    Ok(None)
}

/// What an interface has.
#[derive(Default)]
struct Addresses {
    v4: Option<Ipv4Addr>,
    /// Not link-local.
    v6: Option<Ipv6Addr>,
    scope: u32,
}

fn addresses(interface: &str) -> anyhow::Result<Addresses> {
    let mut found = Addresses::default();
    let all = getifaddrs().context("failed to list the addresses of this computer")?;
    for address in all.filter(|entry| entry.interface_name == interface).filter_map(|entry| entry.address) {
        if let Some(address) = address.as_sockaddr_in() {
            found.v4 = found.v4.or(Some(address.ip()).filter(|ip| !ip.is_link_local()));
        } else if let Some(address) = address.as_sockaddr_in6() {
            if address.ip().is_unicast_link_local() {
                found.scope = address.scope_id();
            } else {
                found.v6 = found.v6.or(Some(address.ip()));
            }
        }
    }
    Ok(found)
}

/// The default gateway in the text of /proc/net/route: numbers are hexadecimal, in the computer's own byte order.
fn gateway_v4(table: &str, interface: &str) -> Option<Ipv4Addr> {
    let mut best: Option<(u32, Ipv4Addr)> = None;
    for line in table.lines().skip(1) {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [name, destination, gateway, flags, _, _, metric, mask, ..] = columns.as_slice() else { continue };
        let (Ok(gateway), Ok(flags), Ok(metric)) =
            (u32::from_str_radix(gateway, 16), u32::from_str_radix(flags, 16), metric.parse())
        else {
            continue;
        };
        let is_default = *destination == "00000000" && *mask == "00000000";
        if *name == interface && is_default && flags & RTF_GATEWAY != 0 && best.is_none_or(|(least, _)| metric < least)
        {
            best = Some((metric, Ipv4Addr::from(gateway.to_ne_bytes())));
        }
    }
    best.map(|(_, gateway)| gateway)
}

/// The default gateway in the text of /proc/net/ipv6_route.
fn gateway_v6(table: &str, interface: &str) -> Option<Ipv6Addr> {
    let zero = "00000000000000000000000000000000";
    table.lines().find_map(|line| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [destination, length, _, _, gateway, _, _, _, flags, name] = columns.as_slice() else { return None };
        let flags = u32::from_str_radix(flags, 16).ok()?;
        let is_default = *destination == zero && *length == "00" && flags & RTF_GATEWAY != 0;
        (*name == interface && is_default).then_some(())?;
        Some(Ipv6Addr::from(u128::from_str_radix(gateway, 16).ok()?))
    })
}

/// The route goes by a gateway (linux/route.h).
const RTF_GATEWAY: u32 = 2;
/// How often to look while nothing is told.
const LOOK_EVERY: Duration = Duration::from_secs(60);

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(ip: [u8; 4]) -> String {
        format!("{:08X}", u32::from_ne_bytes(ip))
    }

    #[test]
    fn the_gateway_is_that_of_the_interface_with_the_least_metric() {
        let table = format!(
            "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
             eth0\t00000000\t{}\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
             wlan0\t00000000\t{}\t0003\t0\t0\t700\t00000000\t0\t0\t0\n\
             wlan0\t00000000\t{}\t0003\t0\t0\t600\t00000000\t0\t0\t0\n\
             wlan0\t{}\t00000000\t0001\t0\t0\t600\t00FFFFFF\t0\t0\t0\n",
            hex([192, 168, 1, 1]),
            hex([10, 0, 0, 9]),
            hex([10, 0, 0, 1]),
            hex([10, 0, 0, 0]),
        );
        assert_eq!(gateway_v4(&table, "wlan0"), Some(Ipv4Addr::new(10, 0, 0, 1)));
        assert_eq!(gateway_v4(&table, "wlan1"), None);
    }

    #[test]
    fn the_gateway_of_ipv6_is_found_beside_other_routes() {
        let table = "\
            fe800000000000000000000000000000 40 00000000000000000000000000000000 00 00000000000000000000000000000000 00000100 00000001 00000000 00000001    wlan0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 fe800000000000000000000000000001 00000400 00000001 00000000 00450003    wlan0\n\
            00000000000000000000000000000000 00 00000000000000000000000000000000 00 00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       lo\n";
        assert_eq!(gateway_v6(table, "wlan0"), Some("fe80::1".parse().unwrap()));
        assert_eq!(gateway_v6(table, "lo"), None);
    }

    #[test]
    fn an_interface_that_is_not_there_has_no_route() {
        assert_eq!(look("no-such-if").unwrap(), None);
    }

    proptest! {
        #[test]
        fn any_text_can_be_read_as_a_table_of_routes(text: String) {
            let _gateways = (gateway_v4(&text, "wlan0"), gateway_v6(&text, "wlan0"));
        }
    }
}
