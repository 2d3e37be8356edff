//! A stand-in for wpa_supplicant on one interface, with access points around it.

use super::endpoint::{Endpoint, lock};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

/// An access point on the air.
#[derive(Clone, Debug)]
pub struct FakeAp {
    /// Its address.
    pub bssid: String,
    /// Its name.
    pub ssid: Vec<u8>,
    /// What it says about itself, as in `SCAN_RESULTS`.
    pub flags: String,
    /// Signal in dBm.
    pub signal: i32,
    /// The passphrase it wants, if it wants one.
    pub key: Option<String>,
}

/// wpa_supplicant, as far as its control socket is concerned. Ends when dropped.
pub struct FakeSupplicant {
    endpoint: Arc<Endpoint>,
    world: Arc<Mutex<World>>,
}

#[derive(Default)]
struct World {
    aps: Vec<FakeAp>,
    networks: Vec<Network>,
    connected: Option<(u32, String)>,
    refused: Option<u32>,
    silent: bool,
    full: bool,
    busy: usize,
    says: Vec<String>,
}

#[derive(Clone, Default)]
struct Network {
    id: u32,
    enabled: bool,
    settings: Vec<(String, String)>,
}

impl FakeSupplicant {
    /// Listens at `dir/ifname`, with these access points on the air.
    ///
    /// # Panics
    /// When the socket cannot be made.
    #[must_use]
    pub fn start(dir: &Path, ifname: &str, aps: Vec<FakeAp>) -> Self {
        let world = Arc::new(Mutex::new(World { aps, ..World::default() }));
        let speaker: Arc<OnceLock<Weak<Endpoint>>> = Arc::default();
        let brain = {
            let (world, speaker) = (Arc::clone(&world), Arc::clone(&speaker));
            Arc::new(move |command: &str| {
                let (answer, says) = {
                    let mut world = lock(&world);
                    (world.answer(command), std::mem::take(&mut world.says))
                };
                say_later(&speaker, says);
                answer
            })
        };
        let endpoint = Arc::new(Endpoint::start(dir.join(ifname), brain));
        speaker.get_or_init(|| Arc::downgrade(&endpoint));
        Self { endpoint, world }
    }

    /// Adds a network that a person had configured; connected to it when `bssid` is given.
    pub fn configure(&self, ssid: &[u8], bssid: Option<&str>) -> u32 {
        let mut world = lock(&self.world);
        let id = world.add();
        let network = world.network(id).expect("it was added above");
        network.settings.push(("ssid".into(), wpa_ctrl::text::format_hex(ssid)));
        network.enabled = true;
        if let Some(bssid) = bssid {
            world.connected = Some((id, bssid.to_owned()));
        }
        id
    }

    /// Changes what is on the air.
    pub fn set_aps(&self, aps: Vec<FakeAp>) {
        lock(&self.world).aps = aps;
    }

    /// Joining leads to nothing at all: no success, no failure.
    pub fn never_connect(&self) {
        lock(&self.world).silent = true;
    }

    /// Access points take nobody in.
    pub fn be_full(&self) {
        lock(&self.world).full = true;
    }

    /// The next so many scans are refused, as while another one runs.
    pub fn busy_scans(&self, count: usize) {
        lock(&self.world).busy = count;
    }

    /// A scan that somebody else asked for has ended.
    pub fn end_scan(&self) {
        self.endpoint.emit("CTRL-EVENT-SCAN-RESULTS ");
    }

    /// The access point ends the connection.
    pub fn disconnect(&self) {
        if let Some((_, bssid)) = lock(&self.world).connected.take() {
            self.endpoint.emit(&format!("CTRL-EVENT-DISCONNECTED bssid={bssid} reason=3"));
        }
    }

    /// Numbers of all networks, and of those that are enabled.
    #[must_use]
    pub fn networks(&self) -> (Vec<u32>, Vec<u32>) {
        let world = lock(&self.world);
        let ids = |only_enabled: bool| {
            let wanted = |network: &&Network| network.enabled || !only_enabled;
            world.networks.iter().filter(wanted).map(|network| network.id).collect()
        };
        (ids(false), ids(true))
    }

    /// The network in use.
    #[must_use]
    pub fn connected(&self) -> Option<u32> {
        lock(&self.world).connected.as_ref().map(|(id, _)| *id)
    }

    /// Every command so far.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.endpoint.commands()
    }

    /// How many listeners are attached.
    #[must_use]
    pub fn attached(&self) -> usize {
        self.endpoint.attached()
    }

    /// Ends, and removes the socket.
    pub fn stop(&self) {
        self.endpoint.emit("CTRL-EVENT-TERMINATING ");
        self.endpoint.close(true);
    }
}

/// Events follow the answer, a little later. Called on the endpoint's own thread, which must never be the one to
/// drop it: only a weak reference is held here.
fn say_later(speaker: &OnceLock<Weak<Endpoint>>, says: Vec<String>) {
    let Some(endpoint) = speaker.get().cloned() else { return };
    if says.is_empty() {
        return;
    }
    thread::spawn(move || {
        for line in says {
            thread::sleep(Duration::from_millis(2));
            if let Some(endpoint) = endpoint.upgrade() {
                endpoint.emit(&line);
            }
        }
    });
}

impl World {
    fn answer(&mut self, command: &str) -> Option<String> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let done = |done: Option<()>| Some(if done.is_some() { "OK\n" } else { "FAIL\n" }.to_owned());
        match verb {
            "SCAN" if self.busy > 0 => {
                self.busy -= 1;
                Some("FAIL-BUSY\n".into())
            }
            "SCAN" => {
                self.says.extend(["CTRL-EVENT-SCAN-STARTED ".into(), "CTRL-EVENT-SCAN-RESULTS ".into()]);
                done(Some(()))
            }
            "BSS" => Some(self.bss(rest)),
            "STATUS" => Some(self.status()),
            "LIST_NETWORKS" => Some(self.list(rest)),
            "ADD_NETWORK" => Some(format!("{}\n", self.add())),
            "SET_NETWORK" => done(self.set(rest)),
            "ENABLE_NETWORK" => done(self.network_named(rest).map(|network| network.enabled = true)),
            "SELECT_NETWORK" => done(self.select(rest)),
            "REMOVE_NETWORK" => done(self.remove(rest)),
            "DISCONNECT" => {
                self.leave();
                done(Some(()))
            }
            "RECONNECT" => {
                let enabled = self.networks.iter().find(|network| network.enabled).cloned();
                if self.connected.is_none()
                    && let Some(network) = enabled
                {
                    self.associate(&network);
                }
                done(Some(()))
            }
            "SCAN_RESULTS" => Some(self.scan_results()),
            _ => None,
        }
    }

    fn bss(&self, rest: &str) -> String {
        if let Some(id) = self.aps.iter().position(|ap| ap.bssid == rest) {
            return self.aps[id].entry(id);
        }
        let first: usize = rest
            .strip_prefix("RANGE=")
            .and_then(|range| range.split_once('-'))
            .and_then(|(first, _)| first.parse().ok())
            .unwrap_or_default();
        let mut page = String::new();
        for (id, ap) in self.aps.iter().enumerate().skip(first).filter(|_| rest.starts_with("RANGE=")) {
            let end = if id + 1 == self.aps.len() { "####" } else { "====" };
            let entry = format!("{}{end}\n", ap.entry(id));
            if page.len() + entry.len() > 4096 {
                break;
            }
            page.push_str(&entry);
        }
        page
    }

    fn scan_results(&self) -> String {
        let mut table = "bssid / frequency / signal level / flags / ssid\n".to_owned();
        for FakeAp { bssid, ssid, flags, signal, .. } in &self.aps {
            let ssid = wpa_ctrl::text::escape(ssid);
            table.push_str(&format!("{bssid}\t2412\t{signal}\t{flags}\t{ssid}\n"));
        }
        table
    }

    fn status(&self) -> String {
        match &self.connected {
            Some((id, bssid)) => {
                let ssid = self.networks.iter().find(|network| network.id == *id).map(Network::ssid);
                let ssid = wpa_ctrl::text::escape(&ssid.unwrap_or_default());
                format!(
                    "bssid={bssid}\nfreq=2412\nssid={ssid}\nid={id}\nmode=station\nwpa_state=COMPLETED\n\
                     address=02:00:00:00:01:00\n"
                )
            }
            None => "wpa_state=DISCONNECTED\naddress=02:00:00:00:01:00\n".into(),
        }
    }

    fn list(&self, rest: &str) -> String {
        let last: Option<u32> = rest.strip_prefix("LAST_ID=").and_then(|id| id.parse().ok());
        let mut text = "network id / ssid / bssid / flags\n".to_owned();
        for network in self.networks.iter().filter(|network| last.is_none_or(|last| network.id > last)) {
            let current = self.connected.as_ref().is_some_and(|(id, _)| *id == network.id);
            let flags = match (current, network.enabled) {
                (true, _) => "[CURRENT]",
                _ if self.refused == Some(network.id) => "[TEMP-DISABLED]",
                (false, false) => "[DISABLED]",
                (false, true) => "",
            };
            let ssid = wpa_ctrl::text::escape(&network.ssid());
            let bssid = network.setting("bssid").unwrap_or("any");
            text.push_str(&format!("{}\t{ssid}\t{bssid}\t{flags}\n", network.id));
        }
        text
    }

    fn add(&mut self) -> u32 {
        // A number that was freed at the end is given again.
        let id = self.networks.iter().map(|network| network.id + 1).max().unwrap_or_default();
        self.networks.push(Network { id, ..Network::default() });
        self.says.push(format!("CTRL-EVENT-NETWORK-ADDED {id}"));
        id
    }

    fn set(&mut self, rest: &str) -> Option<()> {
        let mut words = rest.splitn(3, ' ');
        let network = self.network_named(words.next()?)?;
        let (name, value) = (words.next()?, words.next()?);
        let quoted = value.strip_prefix('"').and_then(|rest| rest.rsplit_once('"')).map(|(inside, _)| inside);
        let valid = match name {
            "ssid" => quoted.is_some() || (value.len() % 2 == 0 && value.bytes().all(|b| b.is_ascii_hexdigit())),
            "bssid" => wpa_ctrl::text::parse_mac(value).is_some(),
            "psk" => quoted.is_some_and(|phrase| (8..=63).contains(&phrase.len())),
            name => ["key_mgmt", "ieee80211w", "scan_freq"].contains(&name),
        };
        if !valid {
            return None;
        }
        network.settings.retain(|(old, _)| old != name);
        network.settings.push((name.to_owned(), value.to_owned()));
        Some(())
    }

    fn select(&mut self, rest: &str) -> Option<()> {
        let chosen = self.network_named(rest)?.clone();
        for network in &mut self.networks {
            network.enabled = network.id == chosen.id;
        }
        if self.connected.as_ref().is_some_and(|(id, _)| *id == chosen.id) {
            return Some(());
        }
        self.leave();
        self.refused = None;
        if !self.silent {
            self.associate(&chosen);
        }
        Some(())
    }

    fn associate(&mut self, network: &Network) {
        let wanted =
            |ap: &&FakeAp| ap.ssid == network.ssid() && network.setting("bssid").is_none_or(|bssid| bssid == ap.bssid);
        let Some(ap) = self.aps.iter().find(wanted).cloned() else {
            return self.says.push("CTRL-EVENT-NETWORK-NOT-FOUND ".into());
        };
        let FakeAp { bssid, key, flags, .. } = ap;
        let given = network.setting("psk").map(|psk| psk.trim_matches('"'));
        if self.full {
            return self.says.push(format!("CTRL-EVENT-ASSOC-REJECT bssid={bssid} status_code=17"));
        }
        if flags.contains("SAE") && given != key.as_deref() {
            let reject = format!("CTRL-EVENT-AUTH-REJECT {bssid} auth_type=3 auth_transaction=2 status_code=1");
            return self.says.push(reject);
        }
        self.says.push(format!("Associated with {bssid}"));
        if given == key.as_deref() {
            let id = network.id;
            self.says.push(format!("CTRL-EVENT-CONNECTED - Connection to {bssid} completed [id={id} id_str=]"));
            self.connected = Some((id, bssid));
        } else {
            let (id, ssid) = (network.id, wpa_ctrl::text::escape(&network.ssid()));
            self.says.extend([
                format!("CTRL-EVENT-DISCONNECTED bssid={bssid} reason=15"),
                "WPA: 4-Way Handshake failed - pre-shared key may be incorrect".into(),
                format!(
                    "CTRL-EVENT-SSID-TEMP-DISABLED id={id} ssid=\"{ssid}\" auth_failures=1 duration=10 reason=WRONG_KEY"
                ),
            ]);
            self.refused = Some(id);
        }
    }

    fn remove(&mut self, rest: &str) -> Option<()> {
        let gone: Vec<u32> = match rest {
            "all" => self.networks.iter().map(|network| network.id).collect(),
            id => vec![self.network_named(id)?.id],
        };
        for id in gone {
            self.networks.retain(|network| network.id != id);
            self.says.push(format!("CTRL-EVENT-NETWORK-REMOVED {id}"));
            if self.connected.as_ref().is_some_and(|(current, _)| *current == id) {
                self.leave();
            }
        }
        Some(())
    }

    fn leave(&mut self) {
        if let Some((_, bssid)) = self.connected.take() {
            self.says.push(format!("CTRL-EVENT-DISCONNECTED bssid={bssid} reason=3 locally_generated=1"));
        }
    }

    fn network_named(&mut self, id: &str) -> Option<&mut Network> {
        self.network(id.parse().ok()?)
    }

    fn network(&mut self, id: u32) -> Option<&mut Network> {
        self.networks.iter_mut().find(|network| network.id == id)
    }
}

impl FakeAp {
    fn entry(&self, id: usize) -> String {
        let Self { bssid, ssid, flags, signal, .. } = self;
        let ssid = wpa_ctrl::text::escape(ssid);
        format!("id={id}\nbssid={bssid}\nfreq=2412\nlevel={signal}\nage=0\nflags={flags}\nssid={ssid}\n")
    }
}

impl Network {
    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.iter().find_map(|(key, value)| (key == name).then_some(value.as_str()))
    }

    fn ssid(&self) -> Vec<u8> {
        let hex = self.setting("ssid").unwrap_or_default();
        if let Some(text) = hex.strip_prefix('"') {
            return text.trim_end_matches('"').into();
        }
        let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).filter_map(|d| u8::try_from(d).ok()).collect();
        digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }
}
