//! The kernel's neighbour table (ARP and neighbour discovery), by netlink.
//!
//! In: what the kernel says of its neighbours, by itself and when asked. Out: whose address is whose. It knows every
//! station that has sent us a packet, also those that never asked DHCP. Never changes the table.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;

use anyhow::Context as _;
use netlink_packet_core::{
    DecodeError, Emitable as _, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage,
    NetlinkPayload, NetlinkSerializable, Parseable as _,
};
use netlink_packet_route::neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState};
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket as _, AsyncSocketExt as _, SocketAddr, TokioSocket};
use welcome_proto::Mac;

/// Numbers of linux/rtnetlink.h.
const RTM_NEWNEIGH: u16 = 28;
const RTM_GETNEIGH: u16 = 30;
/// rtnetlink's group of neighbour messages (`RTMGRP_NEIGH` in linux/rtnetlink.h).
const GROUP: u32 = 1 << 2;
/// The kernel fills datagrams of a dump up to this (netlink(7)); a longer one would be cut.
const DATAGRAM: usize = 32 * 1024;

/// An open view on the table.
pub struct Neighbours {
    socket: TokioSocket,
    found: VecDeque<(Mac, IpAddr)>,
    buffer: Vec<u8>,
}

impl Neighbours {
    /// Opens it; call [`Self::ask`] to hear of those that are known already.
    ///
    /// # Errors
    /// If the kernel refuses.
    pub fn open() -> anyhow::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_ROUTE).context("open a netlink socket")?;
        socket.socket_mut().bind(&SocketAddr::new(0, GROUP)).context("watch the neighbour table")?;
        Ok(Self { socket, found: VecDeque::new(), buffer: Vec::with_capacity(DATAGRAM) })
    }

    /// Asks for the whole table; what is in it comes by [`Self::next`].
    ///
    /// # Errors
    /// If the kernel refuses.
    pub async fn ask(&mut self) -> io::Result<()> {
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_DUMP | NLM_F_REQUEST;
        let ask = Message { kind: RTM_GETNEIGH, entry: Some(NeighbourMessage::default()) };
        let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(ask));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        self.socket.send_to(&bytes, &SocketAddr::new(0, 0)).await.map(|_| ())
    }

    /// The next neighbour the kernel speaks of; the same one as often as it does.
    ///
    /// # Errors
    /// If the socket fails. After `ENOBUFS` some were lost: ask for the whole table.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> io::Result<(Mac, IpAddr)> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(found);
            }
            self.buffer.clear();
            self.socket.recv(&mut self.buffer).await?;
            self.found.extend(read(&self.buffer));
        }
    }
}

/// A message about one neighbour. The crate's own `RouteNetlinkMessage` would bring the code for links, routes, rules
/// and all else that rtnetlink knows: 0.6 MB of a router's flash.
struct Message {
    kind: u16,
    /// Absent in messages about anything else.
    entry: Option<NeighbourMessage>,
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.entry.as_ref().map_or(0, NeighbourMessage::buffer_len)
    }

    fn serialize(&self, buffer: &mut [u8]) {
        if let Some(entry) = &self.entry {
            entry.emit(buffer);
        }
    }
}

impl NetlinkDeserializable for Message {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        let kind = header.message_type;
        let entry = (kind == RTM_NEWNEIGH).then(|| NeighbourMessage::parse(payload)).transpose()?;
        Ok(Self { kind, entry })
    }
}

/// The neighbours a datagram speaks of. What cannot be read ends the datagram.
fn read(mut bytes: &[u8]) -> impl Iterator<Item = (Mac, IpAddr)> {
    let messages = std::iter::from_fn(move || {
        let message = NetlinkMessage::<Message>::deserialize(bytes).ok()?;
        let length = usize::try_from(message.header.length).ok()?.next_multiple_of(4).max(16);
        bytes = bytes.get(length..).unwrap_or_default();
        Some(message)
    });
    messages.filter_map(|message| match message.payload {
        NetlinkPayload::InnerMessage(Message { kind: RTM_NEWNEIGH, entry: Some(entry) }) => neighbour(&entry),
        _ => None,
    })
}

fn neighbour(entry: &NeighbourMessage) -> Option<(Mac, IpAddr)> {
    // An entry that is being looked for, or was not found, has an old link address or none.
    if matches!(entry.header.state, NeighbourState::Incomplete | NeighbourState::Failed | NeighbourState::None) {
        return None;
    }
    let mac = entry.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::LinkLayerAddress(bytes) => <[u8; 6]>::try_from(bytes.as_slice()).ok(),
        _ => None,
    });
    let ip = entry.attributes.iter().find_map(|a| match a {
        NeighbourAttribute::Destination(NeighbourAddress::Inet(ip)) => Some(IpAddr::V4(*ip)),
        NeighbourAttribute::Destination(NeighbourAddress::Inet6(ip)) => Some(IpAddr::V6(*ip)),
        _ => None,
    });
    let (mac, ip) = (mac?, ip?);
    // Groups are in the table, too, and the loopback with an address of zeros.
    let is_station = mac != [0; 6] && mac[0] & 1 == 0 && !ip.is_multicast() && !ip.is_unspecified();
    is_station.then_some((Mac(mac), ip))
}

#[cfg(test)]
mod tests {
    use netlink_packet_route::AddressFamily;

    use super::*;

    fn datagram(state: NeighbourState) -> Vec<u8> {
        entry(state, [10, 77, 0, 9], [2, 0, 0, 0, 1, 0])
    }

    fn entry(state: NeighbourState, ip: [u8; 4], mac: [u8; 6]) -> Vec<u8> {
        let mut entry = NeighbourMessage::default();
        entry.header.state = state;
        entry.header.family = AddressFamily::Inet;
        entry.attributes = vec![
            NeighbourAttribute::Destination(NeighbourAddress::Inet(ip.into())),
            NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
        ];
        let payload = NetlinkPayload::InnerMessage(Message { kind: RTM_NEWNEIGH, entry: Some(entry) });
        let mut message = NetlinkMessage::new(NetlinkHeader::default(), payload);
        message.finalize();
        let mut bytes = vec![0; message.buffer_len()];
        message.serialize(&mut bytes);
        bytes
    }

    #[test]
    fn only_neighbours_that_answered_count() {
        let known = (Mac([2, 0, 0, 0, 1, 0]), "10.77.0.9".parse().unwrap());
        let two = [datagram(NeighbourState::Reachable), datagram(NeighbourState::Stale)].concat();
        assert_eq!(read(&two).collect::<Vec<_>>(), [known, known]);
        assert_eq!(read(&datagram(NeighbourState::Failed)).count(), 0);
        assert_eq!(read(&datagram(NeighbourState::Incomplete)).count(), 0);
    }

    #[test]
    fn groups_and_the_loopback_are_no_stations() {
        for (ip, mac) in [
            ([224, 0, 0, 1], [1, 0, 0x5e, 0, 0, 1]),
            ([10, 77, 0, 255], [0xff; 6]),
            ([127, 0, 0, 1], [0; 6]),
            ([0, 0, 0, 0], [2, 0, 0, 0, 1, 0]),
        ] {
            assert_eq!(read(&entry(NeighbourState::Noarp, ip, mac)).count(), 0, "{ip:?}");
        }
    }

    #[test]
    fn a_datagram_that_was_cut_gives_what_is_whole() {
        let two = [datagram(NeighbourState::Reachable), datagram(NeighbourState::Stale)].concat();
        for length in 0..two.len() {
            assert!(read(&two[..length]).count() <= 1);
        }
    }

    #[tokio::test]
    async fn the_kernels_own_table_can_be_asked() {
        let mut neighbours = Neighbours::open().unwrap();
        neighbours.ask().await.unwrap();
        // Whatever this machine's table holds, an answer comes: the end of the dump at least.
        neighbours.socket.recv(&mut neighbours.buffer).await.unwrap();
        assert!(neighbours.buffer.len() >= 16);
    }
}
