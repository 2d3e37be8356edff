//! Tells when an address or a route of this computer has changed.
//!
//! In: the kernel's own announcements (rtnetlink(7)). Out: that there was one; what it was is looked up where the truth is.
//! Sleeps between: a laptop that stays in a network for hours is not woken to look.

use anyhow::Context as _;
use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use std::io::ErrorKind;
use std::os::fd::AsRawFd as _;
use tokio::net::UnixDatagram;

/// A listener. What tokio calls a datagram socket of Unix is any one whose descriptor it is given.
#[derive(Debug)]
pub(crate) struct Changes(UnixDatagram);

impl Changes {
    /// Listens from this moment on.
    ///
    /// # Errors
    /// When the kernel does not let us.
    pub(crate) fn listen() -> anyhow::Result<Self> {
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let what = "failed to listen for changes of addresses";
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute).context(what)?;
        bind(fd.as_raw_fd(), &NetlinkAddr::new(0, GROUPS)).context(what)?;
        Ok(Self(UnixDatagram::from_std(fd.into()).context(what)?))
    }

    /// Waits for the next change, and takes all that came with it.
    ///
    /// # Errors
    /// When the socket breaks.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub(crate) async fn next(&self) -> anyhow::Result<()> {
        let what = "failed to hear of changes of addresses";
        self.0.readable().await.context(what)?;
        let mut buffer = [0; 4096];
        loop {
            match self.0.try_recv(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // What was dropped for lack of room was a change, too.
                Err(error) if error.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32) => {}
                Err(error) => return Err(error).context(what),
            }
        }
    }
}

/// Addresses and routes of IPv4 and IPv6: `RTMGRP_…` in linux/rtnetlink.h.
const GROUPS: u32 = 0x10 | 0x40 | 0x100 | 0x400;
