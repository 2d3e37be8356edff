//! Where the stories of greeting play: a router, the Internet, a guest's phone, the owner's phone.
//!
//! ```text
//! net: server ──cable── ap: hostapd, dnsmasq, agent ~~~air~~~ sta2, sta3, …
//!   └───────────cable (the guest's mobile network)──────────── sta1
//! ```

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::access_point::{AP, AccessPoint, Bss};
use crate::agent::{Agent, Shared};
use crate::client::Client;
use crate::directory::{Directory, NET};
use crate::network::{Plug, add_cable, add_namespace, add_route, give_radio};
use crate::process::{Daemon, tool};
use crate::station::{Station, write_dhcp_script};
use crate::wait::until;

/// Name of the network on the air.
pub(crate) const SSID: &[u8] = b"Corner Cafe";

/// Passphrase of the owner's own devices.
pub(crate) const OWNER_KEY: &str = "owner passphrase";

/// Passphrase of guests.
pub(crate) const SHARED_KEY: &str = "shared passphrase";

/// Title of the message that guests get.
pub(crate) const TITLE: &str = "Welcome to the corner cafe";

/// The guest's interface to the mobile network, there until the story takes it away.
pub(crate) const MOBILE: &str = "mobile0";

/// All that runs.
pub(crate) struct Scene {
    pub(crate) agent: Agent,
    pub(crate) directory: Directory,
    /// The agent's name at the server.
    pub(crate) router: String,
    pub(crate) point: AccessPoint,
    pub(crate) guest: Station,
    pub(crate) owner: Station,
    _dnsmasq: Daemon,
}

impl Scene {
    /// Builds it all up to the moment before the guest comes: the router has enrolled and holds the server's offer.
    ///
    /// # Errors
    /// When any of it does not start.
    pub(crate) fn set_up() -> Result<Self> {
        let (point, dnsmasq, directory) = start_cafe(&[("shared", SHARED_KEY), ("owner", OWNER_KEY)])?;
        let shared = Shared { network: "cafe", key: SHARED_KEY };
        let agent = Agent::start(&shared, &directory.enrolment_token)?;
        let router = directory.await_router().context("the agent and its server")?;
        directory.put_offer(&router, &json!({ "id": OFFER, "content": { "title": TITLE, "text": TEXT } }))?;
        await_offer(&agent)?;
        let guest = Station::start(1)?;
        add_cable(
            &Plug { namespace: NET, interface: "mobile1", address: "203.0.113.1/24" },
            &Plug { namespace: &guest.namespace, interface: MOBILE, address: "203.0.113.2/24" },
        )?;
        add_route(&guest.namespace, "198.51.100.0/24", "203.0.113.1")?;
        let owner = Station::start(2)?;
        Ok(Self { agent, directory, router, point, guest, owner, _dnsmasq: dnsmasq })
    }

    /// One more guest, who has fetched the list some other day.
    ///
    /// # Errors
    /// When there is no such radio, or the first guest has no list.
    pub(crate) fn another_guest(&self, number: u32) -> Result<Station> {
        let station = Station::start(number)?;
        Client(&station).copy_list_of(&Client(&self.guest))?;
        Ok(station)
    }
}

/// The router, the air and the server: the network is up with these passphrases, and gives addresses to whoever joins.
///
/// # Errors
/// When any of it does not start.
pub(crate) fn start_cafe(keys: &[(&str, &str)]) -> Result<(AccessPoint, Daemon, Directory)> {
    lay_network()?;
    write_dhcp_script()?;
    let point = AccessPoint::start(&[Bss { ssid: SSID, keys, bridge: Some(BRIDGE) }])?;
    Ok((point, start_dnsmasq(&[(BRIDGE, "10.77.0")])?, Directory::start()?))
}

/// The router with its bridge, the Internet side, and the cable between them.
fn lay_network() -> Result<()> {
    add_namespace(AP)?;
    add_namespace(NET)?;
    give_radio(0, AP)?;
    tool(&["ip", "-n", AP, "link", "add", BRIDGE, "type", "bridge"])?;
    tool(&["ip", "-n", AP, "address", "add", "10.77.0.1/24", "dev", BRIDGE])?;
    tool(&["ip", "-n", AP, "link", "set", BRIDGE, "up"])?;
    add_cable(
        &Plug { namespace: AP, interface: "wan", address: "198.51.100.1/24" },
        &Plug { namespace: NET, interface: "router1", address: "198.51.100.2/24" },
    )
}

/// Gives a station a way to the server by a mobile network of its own, with the first three numbers of its addresses.
///
/// # Errors
/// When there is such an interface already.
pub(crate) fn connect_to_server(station: &Station, net: &str, interface: &str) -> Result<()> {
    let (there, here) = (format!("{net}.1"), format!("{net}.2/24"));
    let peer = format!("{interface}-net");
    add_cable(
        &Plug { namespace: NET, interface: &peer, address: &format!("{there}/24") },
        &Plug { namespace: &station.namespace, interface, address: &here },
    )?;
    add_route(&station.namespace, "198.51.100.0/24", &there)
}

/// Serves DHCP on bridges; each with the first three numbers of its addresses.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start_dnsmasq(bridges: &[(&str, &str)]) -> Result<Daemon> {
    start_dnsmasq_in(AP, bridges)
}

/// The same in any namespace.
///
/// # Errors
/// When it cannot be started.
pub(crate) fn start_dnsmasq_in(namespace: &str, bridges: &[(&str, &str)]) -> Result<Daemon> {
    let interfaces = bridges.iter().map(|(bridge, _)| format!("--interface={bridge}"));
    let ranges = bridges.iter().map(|(_, net)| format!("--dhcp-range={net}.50,{net}.250,1h"));
    let of_bridges: Vec<_> = interfaces.chain(ranges).collect();
    let leases = format!("--dhcp-leasefile={}", leases_of(namespace));
    let mut words = vec![
        "dnsmasq",
        "--keep-in-foreground",
        "--conf-file=/dev/null",
        "--user=root",
        "--pid-file=",
        "--log-facility=-",
        "--port=0",
        "--bind-interfaces",
        &leases,
        "--dhcp-authoritative",
        // Its ping check would add three seconds to each first lease.
        "--no-ping",
    ];
    words.extend(of_bridges.iter().map(String::as_str));
    Daemon::start(&of_router("dnsmasq", namespace), namespace, &words)
}

/// Where the DHCP server of a router keeps its leases.
pub(crate) fn leases_of(namespace: &str) -> String {
    format!("/tmp/{}", of_router("dhcp.leases", namespace))
}

/// The name of something that each router has: the plain one for the router in [`AP`].
pub(crate) fn of_router(name: &str, namespace: &str) -> String {
    if namespace == AP { name.to_owned() } else { format!("{name}-{namespace}") }
}

fn await_offer(agent: &Agent) -> Result<()> {
    until(Duration::from_secs(20), "the agent holds the offer", || {
        let status = agent.status()?;
        let offers = status["offers"].as_array();
        Ok(offers.is_some_and(|o| o.iter().any(|o| o["id"] == OFFER)).then_some(()))
    })
}

pub(crate) const BRIDGE: &str = "br-lan";
const OFFER: &str = "apple-cake";
const TEXT: &str = "The first coffee is on us. Ask for the apple cake.";
