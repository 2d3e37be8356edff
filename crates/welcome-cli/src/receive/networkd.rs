//! Asks systemd-networkd which captive portal API the network names (RFC 8910).
//!
//! In: an interface. Out: what was named there, by DHCP (option 114), by DHCPv6 (103) or by router advertisements (37): from
//! version 254 on networkd asks for all of them and says which one it has. It is anybody's word, not looked at here.
//!
//! NetworkManager has nothing to ask for: its own DHCP client neither requests option 114 nor hands it on, even if it comes.

use crate::system_bus;
use anyhow::{Context as _, bail};
use nix::net::if_::if_nametoindex;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::sleep;
use zbus::Connection;

/// What is named on that interface; nothing if networkd does not have it, or knows of none.
///
/// # Errors
/// When it says something that cannot be understood.
pub(super) async fn captive_uri(interface: &str) -> anyhow::Result<Option<String>> {
    let index = i32::try_from(if_nametoindex(interface)?)?;
    let bus = system_bus::open(DEADLINE).await?;
    if !system_bus::is_here(&bus, NETWORKD).await? {
        return Ok(None);
    }
    for look in 0..LOOKS {
        let link = describe(&bus, index).await?;
        if link.captive_portal.is_some() || link.administrative_state.as_deref() == Some(UNMANAGED) {
            return Ok(link.captive_portal);
        }
        // A router's advertisement may come later than an address.
        if look + 1 < LOOKS {
            sleep(LOOK_EVERY).await;
        }
    }
    Ok(None)
}

async fn describe(bus: &Connection, index: i32) -> anyhow::Result<Link> {
    let manager = Some("org.freedesktop.network1.Manager");
    let answer =
        bus.call_method(Some(NETWORKD), "/org/freedesktop/network1", manager, "DescribeLink", &(index,)).await?;
    let text: String = answer.body().deserialize()?;
    if text.len() > MAX_DESCRIPTION {
        bail!("networkd says more than {MAX_DESCRIPTION} bytes of an interface");
    }
    serde_json::from_str(&text).context("failed to understand networkd")
}

/// As far as we want to know.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Link {
    #[serde(default)]
    captive_portal: Option<String>,
    #[serde(default)]
    administrative_state: Option<String>,
}

const NETWORKD: &str = "org.freedesktop.network1";
/// It leaves the interface to somebody else.
const UNMANAGED: &str = "unmanaged";
const DEADLINE: Duration = Duration::from_secs(2);
const LOOKS: u32 = 4;
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// With many addresses and routes it is some ten kilobytes.
const MAX_DESCRIPTION: usize = 1 << 20;
