//! A network whose router knows nothing of us: its sharer's laptop, which is a station as everybody else, says the message
//! there. A guest whose way to the server is cut finds it. Then others in the network say that they have it.
//!
//! ```text
//! net: server          ap: hostapd, dnsmasq, nothing of ours ~~~air~~~ sta1 (guest), sta2 (the sharer's laptop), sta3 (a liar)
//!   └──cables (mobile network), until what is needed was gotten────────────┘───────────┘
//! ```

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use crate::access_point::{AP, AccessPoint};
use crate::checks::Checks;
use crate::client::{Client, GREETED, NOT_GREETED, Running, Visit};
use crate::directory::Directory;
use crate::liar::{Liar, count_visitors};
use crate::network::{remove_cable, within};
use crate::process::{Daemon, run, tool};
use crate::scene::{MOBILE, SHARED_KEY, SSID, TITLE, connect_to_server, start_cafe};
use crate::station::{FREQUENCY, Station};

/// Tells the story.
///
/// # Errors
/// When the scene cannot be set up.
pub(crate) fn tell() -> Result<bool> {
    let scene = Scene::set_up()?;
    let mut checks = Checks::default();
    let serving = checks.check("share serve: the sharer's laptop says it in the network", serve(&scene));
    checks.check("a guest who stays is shown the message, from the sharer and signed", watch(&scene));
    checks.check("one who connects, too", greeted(&scene));
    if let Some(serving) = serving {
        checks.check("interrupted, it says goodbye, and nobody finds it any more", goodbye(&scene, serving));
    }
    checks.check("without the server it says what it has kept, and a guest is shown it", serve_alone(&scene));
    checks.check("a message that somebody else has signed is refused and reported", forged(&scene));
    checks.check("who answers with an address on the Internet leads nobody there", lie(&scene));
    checks.check("where the access point keeps stations apart nobody finds it, and nothing hangs", apart(&scene));
    Ok(checks.all_hold())
}

struct Scene {
    point: AccessPoint,
    guest: Station,
    laptop: Station,
    liar: Station,
    _directory: Directory,
    _dnsmasq: Daemon,
}

impl Scene {
    /// Up to the moment when the network is proved, the guest has its list and no server any more, and the laptop is a
    /// station.
    fn set_up() -> Result<Self> {
        let (point, dnsmasq, directory) = start_cafe(&[("shared", SHARED_KEY)])?;
        directory.leave_share_token()?;
        let (guest, laptop, liar) = (Station::start(1)?, Station::start(2)?, Station::start(3)?);
        connect_to_server(&guest, "192.0.2", MOBILE)?;
        connect_to_server(&laptop, "192.0.3", LAPTOPS_MOBILE)?;
        let scene = Self { point, guest, laptop, liar, _directory: directory, _dnsmasq: dnsmasq };
        scene.prove()?;
        let offer = Client(&scene.laptop).share(&["offer", "--title", TITLE])?;
        ensure!(offer.code == 0, "the message is not taken: {offer:?}");
        Client(&scene.guest).fetch()?;
        remove_cable(&scene.guest.namespace, MOBILE)?;
        join(&scene.laptop)?;
        join(&scene.liar)?;
        Ok(scene)
    }

    /// The sharer renames the network when told to.
    fn prove(&self) -> Result<()> {
        fs::write(SHARED_KEY_FILE, SHARED_KEY).context("write the passphrase")?;
        let own = String::from_utf8_lossy(SSID);
        let which = ["--ssid", &own, "--key-file", SHARED_KEY_FILE];
        let proof = Client(&self.laptop).begin_proof(&which, FREQUENCY)?;
        let rename = proof.first("rename")?;
        self.point.rename(rename["to"].as_str().context("a name to give")?.as_bytes())?;
        let ended = proof.end()?;
        ensure!(ended.code == 0, "the network is not proved: {ended:?}");
        self.point.rename(SSID)
    }
}

fn join(station: &Station) -> Result<()> {
    station.join(SSID, Some(SHARED_KEY))?;
    station.acquire_address()
}

fn serve(scene: &Scene) -> Result<Running> {
    let serving = Client(&scene.laptop).serve("with-server", true)?;
    let said = serving.first("serving")?;
    ensure!(said["messages"] == 1 && said["interface"] == scene.laptop.interface.as_str(), "{said}");
    serving.first("announced")?;
    remove_cable(&scene.laptop.namespace, LAPTOPS_MOBILE)?;
    Ok(serving)
}

fn watch(scene: &Scene) -> Result<()> {
    let watching = Client(&scene.guest).watch()?;
    let offer = watching.first("offer")?;
    ensure!(offer["from"] == "sharer" && offer["proof"] == "signed" && offer["title"] == TITLE, "{offer}");
    watching.interrupt().map(drop)
}

fn greeted(scene: &Scene) -> Result<()> {
    let visit = Client(&scene.guest).connect(WAIT)?;
    ensure!(visit.code == GREETED, "the client ended with {}: {visit:?}", visit.code);
    let offer = visit.first("offer")?;
    ensure!(offer["from"] == "sharer" && offer["sender"] == "sharer" && offer["title"] == TITLE, "{offer}");
    ensure!(visit.all("offer").count() == 1, "more than once: {visit:?}");
    println!("      {:.2} s after its address", visit.at("offer")? - visit.at("address")?);
    Client(&scene.guest).leave()
}

fn goodbye(scene: &Scene, serving: Running) -> Result<()> {
    let ended = serving.interrupt()?;
    ensure!(ended.code == 130, "it ended with {}", ended.code);
    not_greeted(scene)?;
    Client(&scene.guest).leave()
}

fn not_greeted(scene: &Scene) -> Result<Visit> {
    let visit = Client(&scene.guest).connect(WAIT)?;
    ensure!(visit.code == NOT_GREETED, "the client ended with {}: {visit:?}", visit.code);
    Ok(visit)
}

fn serve_alone(scene: &Scene) -> Result<()> {
    let serving = Client(&scene.laptop).serve("alone", true)?;
    let note = serving.first("note")?;
    ensure!(note["message"].as_str().is_some_and(|text| text.contains("what is kept")), "{note}");
    serving.first("announced")?;
    greeted(scene)?;
    serving.interrupt().map(drop)
}

/// The same program, with messages that its owner has signed.
fn forged(scene: &Scene) -> Result<()> {
    let key = Ed25519KeyPair::from_seed_unchecked(&[9; 32]).map_err(|_| anyhow!("make a key"))?;
    let offer = json!({ "id": "welcome", "content": { "title": "Pay here" } });
    let statement = json!({ "router": "r-liar", "sender": "sharer", "offer": offer }).to_string();
    let signature = URL_SAFE_NO_PAD.encode(key.sign(format!("welcome offer v1\n{statement}").as_bytes()));
    let signed = json!({
        "signer": URL_SAFE_NO_PAD.encode(key.public_key()),
        "offers": [{ "statement": statement, "signature": signature }],
    });
    let stock = json!({ "version": 1, "router": "r-liar", "network": "cafe", "ssid": "Corner Cafe", "signed": signed });
    let liar = Client(&scene.liar);
    liar.keep("to-serve.json", &stock.to_string())?;
    let serving = liar.serve("forged", false)?;
    ensure!(serving.first("serving")?["messages"] == 1, "it says nothing");
    serving.first("announced")?;
    let visit = not_greeted(scene)?;
    let refused = visit.first("offer-refused")?;
    ensure!(refused["from"] == "sharer" && refused["why"].to_string().contains("signature"), "{refused}");
    Client(&scene.guest).leave()?;
    serving.interrupt().map(drop)
}

fn lie(scene: &Scene) -> Result<()> {
    let own = address(&scene.liar)?;
    let visitors = count_visitors(&scene.liar)?;
    for words in [
        &["add", "table", "ip", "lab"][..],
        &["add", "chain", "ip", "lab", "seen", "{ type filter hook prerouting priority 0; }"],
        &["add", "rule", "ip", "lab", "seen", "ip", "daddr", ON_THE_INTERNET, "counter"],
    ] {
        tool(&[&["ip", "netns", "exec", AP, "nft"], words].concat())?;
    }
    let lying = Liar::start(&scene.liar, own, ON_THE_INTERNET.parse()?)?;
    not_greeted(scene)?;
    ensure!(lying.answered() > 0, "nobody asked");
    ensure!(seen()? == 0, "the guest asked on the Internet");
    // What would be seen, is seen; and who is a neighbour is asked.
    let reached = reach(&scene.guest, ON_THE_INTERNET)?;
    ensure!(seen()? > 0, "the router counts nothing: {reached:?}");
    Client(&scene.guest).leave()?;
    drop(lying);
    ensure!(visitors.load(Ordering::Relaxed) == 0, "the guest asked somebody whom nobody named");
    let neighbour = Liar::start(&scene.liar, own, own)?;
    not_greeted(scene)?;
    ensure!(neighbour.answered() > 0 && visitors.load(Ordering::Relaxed) > 0, "a neighbour is not asked");
    Client(&scene.guest).leave()
}

/// How many packets for the address on the Internet the router has seen.
fn seen() -> Result<u64> {
    let told = run("nft", AP, &["nft", "list", "table", "ip", "lab"], Duration::from_secs(10))?.stdout;
    let count = told.split("packets ").nth(1).and_then(|rest| rest.split(' ').next()).context("a counter")?;
    Ok(count.parse()?)
}

/// Whether a station gets a connection to the port where messages are.
fn reach(from: &Station, address: &str) -> Result<io::Result<()>> {
    let socket = SocketAddr::new(address.parse()?, 8910);
    within(&from.namespace, || Ok(TcpStream::connect_timeout(&socket, Duration::from_secs(2)).map(drop)))
}

fn address(station: &Station) -> Result<Ipv4Addr> {
    let show = ["ip", "-4", "-o", "address", "show", "dev", &station.interface];
    let told = run("address", &station.namespace, &show, Duration::from_secs(10))?.stdout;
    let found = told.split("inet ").nth(1).and_then(|rest| rest.split('/').next()).context("an address")?;
    Ok(found.parse()?)
}

fn apart(scene: &Scene) -> Result<()> {
    let control = scene.point.control("wlan0")?;
    for command in ["SET ap_isolate 1", "DISABLE", "ENABLE"] {
        control.tell(command)?;
    }
    join(&scene.laptop)?;
    let serving = Client(&scene.laptop).serve("apart", false)?;
    let said = serving.first("serving")?;
    serving.first("announced")?;
    not_greeted(scene)?;
    let at = said["addresses"][0].as_str().context("an address")?;
    ensure!(reach(&scene.guest, at)?.is_err(), "it can be reached");
    Client(&scene.guest).leave()?;
    serving.interrupt().map(drop)
}

const LAPTOPS_MOBILE: &str = "mobile2";
const SHARED_KEY_FILE: &str = "/tmp/shared-key";
const ON_THE_INTERNET: &str = "203.0.113.9";
/// Longer than anybody in the network is asked.
const WAIT: Duration = Duration::from_secs(8);
