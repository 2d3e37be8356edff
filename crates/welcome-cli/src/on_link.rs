//! Which addresses are in the network of one interface, and nowhere beyond it.
//!
//! In: the interface's own addresses, and one that somebody names. Out: where that can be reached without a router, or
//! nothing: whatever a stranger names leads to a neighbour, never to the Internet, to this computer, or to everybody at once.

use anyhow::Context as _;
use nix::ifaddrs::getifaddrs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// The networks that an interface is in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct OnLink {
    v4: Vec<(Ipv4Addr, Ipv4Addr)>,
    /// Link-local ones, with the interface's number.
    v6: Vec<(Ipv6Addr, u32)>,
}

impl OnLink {
    /// What an interface has at this moment.
    ///
    /// # Errors
    /// When the kernel cannot be asked.
    pub(crate) fn of(interface: &str) -> anyhow::Result<Self> {
        let mut found = Self::default();
        let all = getifaddrs().context("failed to list the addresses of this computer")?;
        for entry in all.filter(|entry| entry.interface_name == interface) {
            let address = entry.address.as_ref();
            let mask = entry.netmask.as_ref().and_then(|mask| mask.as_sockaddr_in());
            if let Some((v4, mask)) = address.and_then(|address| address.as_sockaddr_in()).zip(mask) {
                found.v4.push((v4.ip(), mask.ip()));
            } else if let Some(v6) = address.and_then(|address| address.as_sockaddr_in6())
                && v6.ip().is_unicast_link_local()
            {
                found.v6.push((v6.ip(), v6.scope_id()));
            }
        }
        Ok(found)
    }

    /// Where a neighbour is that is said to have this address; nothing if it cannot be one.
    pub(crate) fn reach(&self, address: IpAddr, port: u16) -> Option<SocketAddr> {
        match address {
            IpAddr::V4(ip) => {
                let is_near = |(own, mask): &(Ipv4Addr, Ipv4Addr)| {
                    let host = !mask.to_bits();
                    let part = ip.to_bits() & host;
                    // A network of two or of one has no address for everybody (RFC 3021).
                    let is_one = host <= 1 || (part != 0 && part != host);
                    ip != *own && is_one && (ip.to_bits() ^ own.to_bits()) & mask.to_bits() == 0
                };
                // An interface without a mask would be near to everybody.
                let masked = self.v4.iter().filter(|(_, mask)| !mask.is_unspecified());
                let is_usable = port != 0 && !ip.is_multicast() && !ip.is_unspecified() && !ip.is_broadcast();
                (is_usable && masked.clone().any(is_near) && masked.clone().all(|(own, _)| *own != ip))
                    .then(|| (ip, port).into())
            }
            IpAddr::V6(ip) => {
                let (_, scope) = self.v6.first()?;
                let is_near = port != 0 && ip.is_unicast_link_local() && self.v6.iter().all(|(own, _)| *own != ip);
                is_near.then(|| SocketAddrV6::new(ip, port, 0, *scope).into())
            }
        }
    }

    /// The interface's own addresses, to listen there.
    pub(crate) fn sockets(&self, port: u16) -> Vec<SocketAddr> {
        let v4 = self.v4.iter().map(|(own, _)| (*own, port).into());
        v4.chain(self.v6.iter().map(|(own, scope)| SocketAddrV6::new(*own, port, 0, *scope).into())).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn here() -> OnLink {
        OnLink {
            v4: vec![
                ("192.168.7.20".parse().unwrap(), "255.255.255.0".parse().unwrap()),
                ("10.0.0.2".parse().unwrap(), "255.255.255.254".parse().unwrap()),
            ],
            v6: vec![("fe80::20".parse().unwrap(), 3)],
        }
    }

    #[test]
    fn a_neighbour_is_in_a_network_of_the_interface() {
        for (address, expected) in
            [("192.168.7.21", "192.168.7.21:8910"), ("10.0.0.3", "10.0.0.3:8910"), ("fe80::21", "[fe80::21%3]:8910")]
        {
            assert_eq!(here().reach(address.parse().unwrap(), 8910), Some(expected.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn nobody_leads_anywhere_else() {
        for address in [
            "203.0.113.9",   // the Internet
            "192.168.8.21",  // the network next door
            "192.168.7.20",  // this computer
            "10.0.0.2",      // the same
            "192.168.7.0",   // nobody
            "192.168.7.255", // everybody
            "127.0.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.251",
            "fe80::20", // this computer
            "2001:db8::1",
            "::1",
            "ff02::fb",
            "::ffff:192.168.7.21",
        ] {
            assert_eq!(here().reach(address.parse().unwrap(), 8910), None, "{address}");
        }
        assert_eq!(here().reach("192.168.7.21".parse().unwrap(), 0), None);
        let unmasked = OnLink { v4: vec![("192.168.7.20".parse().unwrap(), Ipv4Addr::UNSPECIFIED)], v6: Vec::new() };
        assert_eq!(unmasked.reach("203.0.113.9".parse().unwrap(), 8910), None);
        assert_eq!(OnLink::default().reach("fe80::21".parse().unwrap(), 8910), None);
    }

    #[test]
    fn the_loopback_interface_is_a_network_of_its_own() {
        let lo = OnLink::of("lo").unwrap();
        assert!(lo.sockets(1).contains(&(Ipv4Addr::LOCALHOST, 1).into()), "{lo:?}");
        assert_eq!(lo.reach(Ipv4Addr::LOCALHOST.into(), 8910), None);
        assert_eq!(OnLink::of("no-such-if").unwrap(), OnLink::default());
    }

    proptest! {
        #[test]
        fn what_is_reached_is_near(address: IpAddr, port: u16) {
            let near = |ip: IpAddr| match ip {
                IpAddr::V4(ip) => ip.octets()[..3] == [192, 168, 7] || ip == Ipv4Addr::new(10, 0, 0, 3),
                IpAddr::V6(ip) => ip.is_unicast_link_local(),
            };
            prop_assert!(here().reach(address, port).is_none_or(|socket| near(socket.ip()) && socket.port() == port));
        }
    }
}
