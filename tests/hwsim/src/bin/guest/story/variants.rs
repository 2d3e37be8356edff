//! The four ways to recognise a shared network, on real Wi-Fi, as the command line client goes them: two routers with six
//! bss on three radios, announced by their agents and listed by the server; somebody who uses a listed name; and somebody
//! who uses a listed address.
//!
//! ```text
//! net: server ─┬─cable── ap:  wlan0 (channel 1)  WPA2 :00:00, open :00:01 ┐ area of its own, N = 1
//!              │              wlan1 (channel 6)  SAE  :01:00, OWE  :01:01 ┘
//!              └─cable── ap2: wlan2 (channel 11) SAE  :02:00, OWE  :02:01   area of its own, N = 2
//! rogue: wlan3 (channel 1) the decoy; wlan4 the twin
//! sta5: a guest whose application may not have keys;  sta6: one whose application may
//! ```
//!
//! A channel at a time is scanned, so that it is known which network is to be joined: of those on one channel the guest
//! without keys can join the one without a key, and the other guest takes the one with the lowest address.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::access_point::{AP, AccessPoint, OnAir, Protection, Radio};
use crate::agent::{Agent, server_section};
use crate::checks::Checks;
use crate::client::{Client, GREETED, NOT_HEARD, Visit};
use crate::console::Console;
use crate::directory::{Directory, NET};
use crate::network::{Plug, add_cable, add_namespace, add_route, give_radio, remove_cable};
use crate::process::{Daemon, tool};
use crate::scene::{TITLE, start_dnsmasq_in};
use crate::station::{Station, write_dhcp_script};
use crate::wait::patiently;

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    let scene = Scene::set_up()?;
    let mut checks = Checks::default();
    for join in JOINS {
        let Join { variant, what, .. } = join;
        checks.check(&format!("variant {variant} {what}"), scene.join(join));
    }
    checks.check("the decoy with a listed name was on the air all the time, and nobody joined it", decoy(&scene));
    checks.check("a twin without the listed protection is refused and reported", unprotected_twin(&scene));
    checks.check("a twin with another name is refused, with what it copies, which leaves too few", other_name(&scene));
    Ok(checks.all_hold())
}

/// What one guest is to do.
struct Join {
    variant: u64,
    what: &'static str,
    has_keys: bool,
    freq: &'static str,
    bssid: &'static str,
    security: &'static str,
}

const JOINS: &[Join] = &[
    Join {
        variant: 1,
        what: "one listed BSSID gives a name: open, joined and greeted",
        has_keys: false,
        freq: CHANNEL_1,
        bssid: "02:00:00:00:00:01",
        security: "open",
    },
    Join {
        variant: 1,
        what: "one listed BSSID gives a name: OWE, joined and greeted",
        has_keys: false,
        freq: CHANNEL_6,
        bssid: "02:00:00:00:01:01",
        security: "owe",
    },
    Join {
        variant: 2,
        what: "one listed BSSID gives a name and a key: WPA2, joined and greeted",
        has_keys: true,
        freq: CHANNEL_1,
        bssid: CAFE_BSSID,
        security: "psk",
    },
    Join {
        variant: 2,
        what: "one listed BSSID gives a name and a key: SAE, joined and greeted",
        has_keys: true,
        freq: CHANNEL_6,
        bssid: "02:00:00:00:01:00",
        security: "sae",
    },
    Join {
        variant: 3,
        what: "two listed BSSIDs of one area, where N is 2, give a name: OWE, joined and greeted",
        has_keys: false,
        freq: CHANNEL_11,
        bssid: MARKET_OWE_BSSID,
        security: "owe",
    },
    Join {
        variant: 4,
        what: "two listed BSSIDs, where N is 2, give a name and a key: SAE, joined and greeted",
        has_keys: true,
        freq: CHANNEL_11,
        bssid: MARKET_BSSID,
        security: "sae",
    },
];

struct Scene {
    without_keys: Station,
    with_keys: Station,
    decoy: AccessPoint,
    _points: [AccessPoint; 3],
    _agents: [Agent; 2],
    _daemons: [Daemon; 2],
    _directory: Directory,
}

impl Scene {
    fn set_up() -> Result<Self> {
        lay_network()?;
        write_dhcp_script()?;
        let bss = |ssid, protection| OnAir { ssid, protection, bridge: Some(BRIDGE), bssid: None };
        let keys = [("shared", KEY)];
        let points = [
            AccessPoint::on(
                Radio { number: 0, namespace: AP, channel: 1 },
                &[bss(CAFE, Protection::Psk(&keys)), bss(b"Corner Guests", Protection::Open)],
            )?,
            AccessPoint::on(
                Radio { number: 1, namespace: AP, channel: 6 },
                &[bss(b"Library", Protection::Sae(KEY)), bss(b"Library Guests", Protection::Owe)],
            )?,
            AccessPoint::on(
                Radio { number: 2, namespace: AP2, channel: 11 },
                &[bss(b"Market", Protection::Sae(KEY)), bss(b"Market Guests", Protection::Owe)],
            )?,
        ];
        // It knows the key, too: only its address is not the right one.
        let decoy = AccessPoint::on(
            Radio { number: 3, namespace: ROGUE, channel: 1 },
            &[OnAir { bridge: None, ..bss(CAFE, Protection::Psk(&keys)) }],
        )?;
        let daemons = [start_dnsmasq_in(AP, &[(BRIDGE, "10.77.0")])?, start_dnsmasq_in(AP2, &[(BRIDGE, "10.78.0")])?];
        let directory = Directory::start()?;
        let agents = start_agents(&directory)?;
        let [without_keys, with_keys] = [Station::start(5)?, Station::start(6)?];
        let scene = Self {
            without_keys,
            with_keys,
            decoy,
            _points: points,
            _agents: agents,
            _daemons: daemons,
            _directory: directory,
        };
        over_mobile(&scene.without_keys, |client| client.fetch_without_keys())?;
        over_mobile(&scene.with_keys, |client| client.fetch())?;
        Ok(scene)
    }

    fn join(&self, join: &Join) -> Result<()> {
        let guest = if join.has_keys { &self.with_keys } else { &self.without_keys };
        guest.forget_air()?;
        let visit = patiently(
            join.security,
            || Client(guest).connect_on(join.freq, WAIT),
            |visit| visit.first("error").is_ok_and(|error| error["kind"] == "no-address"),
        )?;
        ensure!(visit.code == GREETED, "the client ended with {}: {visit:?}", visit.code);
        let told = visit.first("match")?;
        ensure!(told["variant"] == join.variant, "it was recognised otherwise: {told}");
        ensure!(told["bssid"] == join.bssid && told["security"] == join.security, "another one was chosen: {told}");
        ensure!(visit.first("keyed")?["bssid"] == join.bssid, "another one was joined");
        let offer = visit.first("offer")?;
        ensure!(offer.to_string().contains(TITLE), "another message came: {offer}");
        if join.freq == CHANNEL_1 {
            let heard = guest.control()?.ask("SCAN_RESULTS")?;
            ensure!(heard.contains(DECOY_BSSID), "the decoy is not on the air: {heard}");
        }
        Client(guest).leave()
    }
}

fn decoy(scene: &Scene) -> Result<()> {
    ensure_alone(&scene.decoy, "wlan3")?;
    // Whoever goes by name and key gets in, and the lab can see it.
    let guest = &scene.without_keys;
    guest.join_bss(CAFE, Some(KEY), Some(DECOY_BSSID))?;
    ensure!(ensure_alone(&scene.decoy, "wlan3").is_err(), "somebody is in there, and it is not seen");
    guest.leave()
}

/// The café's address and name, without protection, where the café is not heard.
fn unprotected_twin(scene: &Scene) -> Result<()> {
    let bss = OnAir { ssid: CAFE, protection: Protection::Open, bridge: None, bssid: Some(CAFE_BSSID) };
    let mut twin = AccessPoint::on(Radio { number: 4, namespace: ROGUE, channel: 3 }, &[bss])?;
    let visit = refused(scene, CHANNEL_3)?;
    let told = visit.all("refused").find(|told| told["bssid"] == CAFE_BSSID).context("it is not reported")?;
    ensure!(told["suspicious"] == true && told["why"].to_string().contains("protected"), "it is reported as {told}");
    ensure_alone(&twin, "wlan4")?;
    twin.stop()
}

/// The market's address with another name, beside the market.
fn other_name(scene: &Scene) -> Result<()> {
    let bss = OnAir { ssid: b"Free Internet", protection: Protection::Open, bridge: None, bssid: Some(MARKET_BSSID) };
    let mut twin = AccessPoint::on(Radio { number: 4, namespace: ROGUE, channel: 11 }, &[bss])?;
    let visit = refused(scene, CHANNEL_11)?;
    let why = |ssid: &str| -> Result<String> {
        let mut of_market = visit.all("refused").filter(|told| told["bssid"] == MARKET_BSSID);
        let told = of_market.find(|told| told["ssid"] == ssid).with_context(|| format!("{ssid} is not reported"))?;
        ensure!(told["suspicious"] == true, "it is not called suspicious: {told}");
        Ok(told["why"].to_string())
    };
    ensure!(why("Free Internet")?.contains("another name"), "the twin is reported otherwise: {visit:?}");
    ensure!(why("Market")?.contains("somebody else"), "the copied one is reported otherwise: {visit:?}");
    let sibling = visit.all("refused").find(|told| told["bssid"] == MARKET_OWE_BSSID).context("nothing is told")?;
    ensure!(sibling["why"].to_string().contains("only 1 of at least 2"), "its neighbour is reported as {sibling}");
    ensure_alone(&twin, "wlan4")?;
    twin.stop()
}

/// A visit of the guest with keys that has to end with nothing joined.
fn refused(scene: &Scene, freq: &str) -> Result<Visit> {
    let guest = &scene.with_keys;
    guest.forget_air()?;
    let visit = Client(guest).connect_on(freq, WAIT)?;
    ensure!(visit.code == NOT_HEARD, "the client ended with {}: {visit:?}", visit.code);
    ensure!(visit.all("match").next().is_none(), "it was about to join: {visit:?}");
    Ok(visit)
}

/// Nobody is in this bss.
fn ensure_alone(point: &AccessPoint, interface: &str) -> Result<()> {
    let first = point.control(interface)?.ask("STA-FIRST")?;
    ensure!(first.is_empty() || first == "FAIL", "somebody has joined: {first}");
    Ok(())
}

fn lay_network() -> Result<()> {
    for namespace in [AP, AP2, ROGUE, NET] {
        add_namespace(namespace)?;
    }
    for (radio, namespace) in [(0, AP), (1, AP), (2, AP2), (3, ROGUE), (4, ROGUE)] {
        give_radio(radio, namespace)?;
    }
    for (namespace, net, wan, router, cable) in [
        (AP, "10.77.0.1/24", "198.51.100.1/24", "198.51.100.2/24", "router1"),
        (AP2, "10.78.0.1/24", "198.51.101.1/24", "198.51.101.2/24", "router2"),
    ] {
        tool(&["ip", "-n", namespace, "link", "add", BRIDGE, "type", "bridge"])?;
        tool(&["ip", "-n", namespace, "address", "add", net, "dev", BRIDGE])?;
        tool(&["ip", "-n", namespace, "link", "set", BRIDGE, "up"])?;
        add_cable(
            &Plug { namespace, interface: "wan", address: wan },
            &Plug { namespace: NET, interface: cable, address: router },
        )?;
    }
    add_route(AP2, SERVER_NET, "198.51.101.2")
}

/// Each announces its networks, and greets on its own. The second one's area takes two.
fn start_agents(directory: &Directory) -> Result<[Agent; 2]> {
    let first = [network("cafe", "wlan0", true), network("corner", "wlan0_1", false)].concat()
        + &[network("library", "wlan1", true), network("reading", "wlan1_1", false)].concat();
    let second = [network("market", "wlan2", true), network("square", "wlan2_1", false)].concat();
    let config = |token: &str, networks: &str| {
        format!("{}{networks}config offer 'hello'\n\toption title '{TITLE}'\n", server_section(token))
    };
    let agents = [
        Agent::run_in(AP, &config(&directory.enrolment_token, &first))?,
        Agent::run_in(AP2, &config(&directory.another_enrolment_token()?, &second))?,
    ];
    let routers = directory.await_routers(2)?;
    let market = routers.iter().find(|router| router["networks"] == 2).context("no router of two networks")?;
    let area = market["area"].as_str().context("a router is in an area")?;
    Console::set_up()?.set_needed(area, "Market", 2)?;
    Ok(agents)
}

fn network(name: &str, interface: &str, has_key: bool) -> String {
    let key = if has_key { format!("\toption share_key '1'\n\toption key '{KEY}'\n") } else { String::new() };
    format!("config network '{name}'\n\tlist ifname '{interface}'\n{key}\n")
}

/// Has a guest do something while their mobile network is there.
fn over_mobile(guest: &Station, work: impl FnOnce(Client<'_>) -> Result<()>) -> Result<()> {
    add_cable(
        &Plug { namespace: NET, interface: "mobile1", address: "203.0.113.1/24" },
        &Plug { namespace: &guest.namespace, interface: "mobile0", address: "203.0.113.2/24" },
    )?;
    add_route(&guest.namespace, SERVER_NET, "203.0.113.1")?;
    work(Client(guest))?;
    remove_cable(&guest.namespace, "mobile0")
}

const AP2: &str = "ap2";
const ROGUE: &str = "rogue";
const BRIDGE: &str = "br-lan";
const SERVER_NET: &str = "198.51.100.0/24";
const KEY: &str = "shared passphrase";
const CAFE: &[u8] = b"Corner Cafe";
const CAFE_BSSID: &str = "02:00:00:00:00:00";
const MARKET_BSSID: &str = "02:00:00:00:02:00";
const MARKET_OWE_BSSID: &str = "02:00:00:00:02:01";
const DECOY_BSSID: &str = "02:00:00:00:03:00";
/// In MHz.
const CHANNEL_1: &str = "2412";
const CHANNEL_3: &str = "2422";
const CHANNEL_6: &str = "2437";
const CHANNEL_11: &str = "2462";
const WAIT: Duration = Duration::from_secs(10);
