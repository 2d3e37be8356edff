//! What is in a guest's way on real Wi-Fi: a splash on one network, a gate on another; for the owner and for phones
//! without IPv4, too; and what is left of it when the agent is killed.
//!
//! ```text
//! net: web server ──cable── ap: hostapd with two bss, dnsmasq, agent, nftables ~~~air~~~ sta1, sta2, sta3
//! ```

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::access_point::{AP, AccessPoint, Bss};
use crate::agent::Agent;
use crate::checks::Checks;
use crate::directory::NET;
use crate::http::{Answer, ask, reaches};
use crate::network::{Plug, add_cable, add_namespace, give_radio};
use crate::process::{Daemon, tool};
use crate::scene::{OWNER_KEY, SHARED_KEY, TITLE, start_dnsmasq};
use crate::station::{Station, write_dhcp_script};
use crate::wait::until;

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    let mut scene = Doors::set_up()?;
    let mut checks = Checks::default();
    checks.check("a splash leads a guest's probe to the page once, and then passes it", splash(&scene));
    checks.check("the same visit after two seconds away is not caught again", come_back(&scene));
    checks.check("the owner sees no splash", owner(&scene, &CAFE));
    checks.check("a guest without IPv4 sees the splash, too", splash_ipv6(&scene));
    checks.check("a gate holds a guest until the page's button is pressed", gate(&scene));
    checks.check("the owner passes the gate", owner(&scene, &BACK));
    checks.check("a guest without IPv4 is held and released, too", gate_ipv6(&scene));
    checks.check("after kill -9 a held guest is free within two minutes", kill(&mut scene));
    checks.check("an agent that stops in order leaves no rule behind", stop(&mut scene));
    Ok(checks.all_hold())
}

fn splash(scene: &Doors) -> Result<()> {
    let guest = &scene.guest;
    guest.join(CAFE.ssid, Some(SHARED_KEY))?;
    let joined = Instant::now();
    guest.acquire_address()?;
    // A phone asks when it has an address; on this emulated processor nft takes longer than DHCP now and then.
    let caught =
        until(SOON, "a probe is caught", || Ok(Some(probe(guest, WEB)?).filter(|answer| answer.status == 302)))?;
    println!("      caught {:.0?} after the join", joined.elapsed());
    let location = ensure_caught(&caught, "http://10.77.0.1:8910/")?;
    ensure!(reaches(&guest.namespace, OTHER_PORT.parse()?), "the splash holds more than probes");
    let elsewhere = ask(&guest.namespace, WEB.parse()?, "GET", "news.example", "/news.html")?;
    ensure!(elsewhere.status == 307, "plain HTTP to elsewhere was answered with {elsewhere:?}");
    let elsewhere = ask(&guest.namespace, WEB.parse()?, "GET", "news.example", "/news.html")?;
    ensure!(elsewhere.body.contains("news"), "plain HTTP to elsewhere does not get through: {elsewhere:?}");
    open_page(guest, &location)?;
    ensure_success(guest, WEB)
}

fn come_back(scene: &Doors) -> Result<()> {
    let guest = &scene.guest;
    guest.leave()?;
    std::thread::sleep(Duration::from_secs(2));
    guest.join(CAFE.ssid, Some(SHARED_KEY))?;
    guest.acquire_address()?;
    let answer = probe(guest, WEB)?;
    ensure!(answer.body.contains("Success"), "the probe was answered with {answer:?}");
    guest.leave()
}

fn owner(scene: &Doors, network: &Network) -> Result<()> {
    let owner = &scene.owner;
    owner.join(network.ssid, Some(OWNER_KEY))?;
    owner.acquire_address()?;
    let answer = probe(owner, WEB)?;
    ensure!(answer.body.contains("Success"), "the owner's probe was answered with {answer:?}");
    ensure!(reaches(&owner.namespace, OTHER_PORT.parse()?), "the owner is held");
    owner.leave()
}

fn splash_ipv6(scene: &Doors) -> Result<()> {
    let guest = &scene.modern;
    guest.join(CAFE.ssid, Some(SHARED_KEY))?;
    take_ipv6(guest, &CAFE)?;
    let caught =
        until(SOON, "a probe is caught", || Ok(Some(probe(guest, WEB6)?).filter(|answer| answer.status == 302)))?;
    let location = ensure_caught(&caught, "http://[2001:db8:77::1]:8910/")?;
    open_page(guest, &location)?;
    ensure_success(guest, WEB6)?;
    guest.leave()
}

fn gate(scene: &Doors) -> Result<()> {
    let guest = &scene.guest;
    guest.join(BACK.ssid, Some(SHARED_KEY))?;
    guest.acquire_address()?;
    until(SOON, "the guest is held", || Ok((!reaches(&guest.namespace, OTHER_PORT.parse()?)).then_some(())))?;
    let location = ensure_caught(&probe(guest, WEB)?, "http://10.78.0.1:8910/")?;
    open_page(guest, &location)?;
    ensure!(!reaches(&guest.namespace, OTHER_PORT.parse()?), "to open the page is enough");
    press(guest, "10.78.0.1:8910")?;
    until(SOON, "the gate opens", || Ok(reaches(&guest.namespace, OTHER_PORT.parse()?).then_some(())))?;
    ensure_success(guest, WEB)
}

fn gate_ipv6(scene: &Doors) -> Result<()> {
    let guest = &scene.modern;
    guest.join(BACK.ssid, Some(SHARED_KEY))?;
    take_ipv6(guest, &BACK)?;
    until(SOON, "the guest is held", || Ok((!reaches(&guest.namespace, OTHER_PORT6.parse()?)).then_some(())))?;
    ensure_caught(&probe(guest, WEB6)?, "http://[2001:db8:78::1]:8910/")?;
    press(guest, "[2001:db8:78::1]:8910")?;
    until(SOON, "the gate opens", || Ok(reaches(&guest.namespace, OTHER_PORT6.parse()?).then_some(())))?;
    ensure_success(guest, WEB6)?;
    guest.leave()
}

/// The owner's phone, joined by the guests' key this time: a guest who is held.
fn kill(scene: &mut Doors) -> Result<()> {
    let guest = &scene.owner;
    guest.join(BACK.ssid, Some(SHARED_KEY))?;
    guest.acquire_address()?;
    until(SOON, "the guest is held", || Ok((!reaches(&guest.namespace, OTHER_PORT.parse()?)).then_some(())))?;
    scene.agent.crash()?;
    let begin = Instant::now();
    ensure!(!reaches(&guest.namespace, OTHER_PORT.parse()?), "nobody was held; nothing is shown");
    until(TWO_MINUTES, "the guest is free", || Ok(reaches(&guest.namespace, OTHER_PORT.parse()?).then_some(())))?;
    println!("      free after {:.0} s", begin.elapsed().as_secs_f64());
    let answer = probe(guest, WEB)?;
    ensure!(answer.body.contains("Success"), "the probe was answered with {answer:?}");
    Ok(())
}

fn stop(scene: &mut Doors) -> Result<()> {
    scene.agent = Agent::run(CONFIG)?;
    let tables = || -> Result<String> {
        let output = Command::new("ip").args(["netns", "exec", AP, "nft", "list", "tables"]).output()?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    until(SOON, "the rules are there again", || Ok(tables()?.contains("welcomed").then_some(())))?;
    let (status, time) = scene.agent.stop()?;
    ensure!(status.success() && time < Duration::from_secs(4), "it ended with {status} after {time:?}");
    let left = tables()?;
    ensure!(left.trim().is_empty(), "{left} is left");
    Ok(())
}

/// What a phone of Apple's asks, to learn whether there is a captive portal.
fn probe(station: &Station, web: &str) -> Result<Answer> {
    ask(&station.namespace, web.parse()?, "GET", "captive.apple.com", "/hotspot-detect.html")
}

fn ensure_caught(answer: &Answer, page: &str) -> Result<String> {
    ensure!(answer.status == 302, "the probe was answered with {answer:?}");
    let kept = answer.header("cache-control").unwrap_or_default();
    ensure!(kept.contains("no-store"), "the redirect may be kept: {kept}");
    let location = answer.header("location").context("a redirect leads somewhere")?;
    ensure!(location == page, "it leads to {location}");
    Ok(location.to_owned())
}

fn open_page(station: &Station, location: &str) -> Result<()> {
    let host = location.trim_start_matches("http://").trim_end_matches('/');
    let page = ask(&station.namespace, host.parse()?, "GET", host, "/")?;
    ensure!(page.status == 200 && page.body.contains(TITLE), "the page is {page:?}");
    Ok(())
}

fn press(station: &Station, host: &str) -> Result<()> {
    let answer = ask(&station.namespace, host.parse()?, "POST", host, "/acknowledge")?;
    ensure!(answer.status == 303, "the button was answered with {answer:?}");
    Ok(())
}

/// The rules follow the page within a moment.
fn ensure_success(station: &Station, web: &str) -> Result<()> {
    until(SOON, "the probe passes", || Ok(probe(station, web)?.body.contains("Success").then_some(())))
}

/// An address and a router, as SLAAC would give them.
fn take_ipv6(station: &Station, network: &Network) -> Result<()> {
    let (namespace, interface) = (&station.namespace, &station.interface);
    let address = format!("{}::50/64", network.net6);
    tool(&["ip", "-n", namespace, "address", "flush", "dev", interface, "scope", "global"])?;
    tool(&["ip", "-n", namespace, "address", "add", &address, "dev", interface, "nodad"])?;
    tool(&["ip", "-n", namespace, "-6", "route", "replace", "default", "via", &format!("{}::1", network.net6)])
}

struct Doors {
    agent: Agent,
    guest: Station,
    owner: Station,
    /// A phone that has no use for IPv4.
    modern: Station,
    _point: AccessPoint,
    _daemons: Vec<Daemon>,
}

struct Network {
    ssid: &'static [u8],
    bridge: &'static str,
    /// The first numbers of its addresses.
    net4: &'static str,
    net6: &'static str,
}

impl Doors {
    fn set_up() -> Result<Self> {
        lay_network()?;
        write_dhcp_script()?;
        let keys = [("shared", SHARED_KEY), ("owner", OWNER_KEY)];
        let bss = [&CAFE, &BACK].map(|n| Bss { ssid: n.ssid, keys: &keys, bridge: Some(n.bridge) });
        let point = AccessPoint::start(&bss)?;
        let dnsmasq = start_dnsmasq(&[(CAFE.bridge, CAFE.net4), (BACK.bridge, BACK.net4)])?;
        let agent = Agent::run(CONFIG)?;
        let [guest, owner, modern] = [Station::start(1)?, Station::start(2)?, Station::start(3)?];
        let daemons = [vec![dnsmasq], start_web()?].into_iter().flatten().collect();
        Ok(Self { agent, guest, owner, modern, _point: point, _daemons: daemons })
    }
}

fn lay_network() -> Result<()> {
    add_namespace(AP)?;
    add_namespace(NET)?;
    give_radio(0, AP)?;
    let wan = Plug { namespace: AP, interface: "wan", address: "198.51.100.1/24" };
    let web = Plug { namespace: NET, interface: "router1", address: "198.51.100.2/24" };
    add_cable(&wan, &web)?;
    for (plug, address) in [(&wan, "2001:db8:1::1/64"), (&web, "2001:db8:1::2/64")] {
        tool(&["ip", "-n", plug.namespace, "address", "add", address, "dev", plug.interface, "nodad"])?;
    }
    // A router without an uplink would answer the probes itself.
    tool(&["ip", "-n", AP, "route", "add", "default", "via", "198.51.100.2"])?;
    for Network { bridge, net4, net6, .. } in [&CAFE, &BACK] {
        tool(&["ip", "-n", AP, "link", "add", bridge, "type", "bridge"])?;
        tool(&["ip", "-n", AP, "address", "add", &format!("{net4}.1/24"), "dev", bridge])?;
        tool(&["ip", "-n", AP, "address", "add", &format!("{net6}::1/64"), "dev", bridge, "nodad"])?;
        tool(&["ip", "-n", AP, "link", "set", bridge, "up"])?;
        tool(&["ip", "-n", NET, "route", "add", &format!("{net4}.0/24"), "via", "198.51.100.1"])?;
        tool(&["ip", "-n", NET, "-6", "route", "add", &format!("{net6}::/64"), "via", "2001:db8:1::1"])?;
    }
    let forward = "echo 1 > /proc/sys/net/ipv4/ip_forward; echo 1 > /proc/sys/net/ipv6/conf/all/forwarding";
    tool(&["ip", "netns", "exec", AP, "sh", "-c", forward])
}

/// The Internet: the page that Apple's phones look for, one of somebody else, and another port.
fn start_web() -> Result<Vec<Daemon>> {
    fs::create_dir_all("/tmp/www").context("make the web")?;
    let success = "<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>";
    fs::write("/tmp/www/hotspot-detect.html", success).context("write a page")?;
    fs::write("/tmp/www/news.html", "<p>news</p>").context("write a page")?;
    let serve = |port: &str| {
        let words = ["busybox", "httpd", "-f", "-p", port, "-h", "/tmp/www"];
        Daemon::start("httpd", NET, &words)
    };
    let web = vec![serve("[::]:80")?, serve("[::]:8080")?];
    until(SOON, "the web is there", || Ok(reaches(NET, "127.0.0.1:8080".parse()?).then_some(())))?;
    Ok(web)
}

const CAFE: Network = Network { ssid: b"Corner Cafe", bridge: "br-cafe", net4: "10.77.0", net6: "2001:db8:77" };
const BACK: Network = Network { ssid: b"Back Room", bridge: "br-back", net4: "10.78.0", net6: "2001:db8:78" };

const CONFIG: &str = "config network 'cafe'
\tlist ifname 'wlan0'
\toption mode 'splash'
\toption credential 'keyid'
\tlist shared_keyid 'shared'
\tlist owner_keyid 'owner'

config network 'back'
\tlist ifname 'wlan0_1'
\toption mode 'gate'
\toption credential 'keyid'
\tlist shared_keyid 'shared'
\tlist owner_keyid 'owner'

config offer 'hello'
\toption title 'Welcome to the corner cafe'
";

const WEB: &str = "198.51.100.2:80";
const WEB6: &str = "[2001:db8:1::2]:80";
/// Of the same machine.
const OTHER_PORT: &str = "198.51.100.2:8080";
const OTHER_PORT6: &str = "[2001:db8:1::2]:8080";

const SOON: Duration = Duration::from_secs(10);
/// With the moments that the last look may take.
const TWO_MINUTES: Duration = Duration::from_secs(126);
