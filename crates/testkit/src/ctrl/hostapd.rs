//! A stand-in for hostapd with one bss.

use super::endpoint::{Endpoint, lock};
use std::fmt::Display;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// hostapd with one bss, as far as its control socket is concerned. Ends when dropped.
///
/// ```
/// # let dir = tempfile::tempdir().unwrap();
/// let hostapd = testkit::ctrl::FakeHostapd::start(dir.path(), "wlan0", "02:00:00:00:00:00", "Café");
/// hostapd.join("02:00:00:00:01:00", Some("shared"));
/// hostapd.leave("02:00:00:00:01:00");
/// ```
pub struct FakeHostapd {
    endpoint: Endpoint,
    stations: Arc<Mutex<Stations>>,
    name: Arc<Mutex<Name>>,
}

/// The name, as hostapd keeps it and as it is on the air.
struct Name {
    /// Of its configuration.
    own: Vec<u8>,
    /// As it was set.
    set: Vec<u8>,
    /// As the beacon has it.
    on_air: Vec<u8>,
    /// Whether it refuses another.
    fixed: bool,
}

/// The last one to come stands first, as in hostapd.
type Stations = Vec<Station>;

struct Station {
    mac: String,
    keyid: Option<String>,
    authorized: bool,
    since: Instant,
}

impl FakeHostapd {
    /// Listens at `dir/ifname`.
    ///
    /// # Panics
    /// When the socket cannot be made.
    #[must_use]
    pub fn start(dir: &Path, ifname: &str, bssid: impl Display, ssid: &str) -> Self {
        let stations: Arc<Mutex<Stations>> = Arc::default();
        let [own, set, on_air] = [(); 3].map(|()| ssid.as_bytes().to_vec());
        let name = Arc::new(Mutex::new(Name { own, set, on_air, fixed: false }));
        let (of, bssid) = (ifname.to_owned(), bssid.to_string());
        let brain = {
            let (stations, name) = (Arc::clone(&stations), Arc::clone(&name));
            Arc::new(move |command: &str| {
                let mut name = lock(&name);
                name.answer(command).or_else(|| answer(command, &status(&of, &bssid, &name.set), &lock(&stations)))
            })
        };
        Self { endpoint: Endpoint::start(dir.join(ifname), brain), stations, name }
    }

    /// The name that is on the air.
    #[must_use]
    pub fn on_air(&self) -> String {
        String::from_utf8_lossy(&lock(&self.name).on_air).into_owned()
    }

    /// Refuses every other name, as one does that was built without that.
    pub fn keep_name(&self) {
        lock(&self.name).fixed = true;
    }

    /// A station joins, and with a passphrase its handshake completes. Returns when the event went out.
    pub fn join(&self, mac: impl Display, keyid: Option<&str>) -> Instant {
        let mac = mac.to_string();
        self.insert(&mac, keyid, true);
        let suffix = keyid.map(|keyid| format!(" keyid={keyid}")).unwrap_or_default();
        let at = self.endpoint.emit(&format!("AP-STA-CONNECTED {mac}{suffix}"));
        if keyid.is_some() {
            self.endpoint.emit(&format!("EAPOL-4WAY-HS-COMPLETED {mac}"));
        }
        at
    }

    /// A station is in the list and may not send yet; there is no event for that.
    pub fn associate(&self, mac: impl Display) {
        self.insert(&mac.to_string(), None, false);
    }

    /// A station joined and nobody was told: what a lost event looks like.
    pub fn join_unheard(&self, mac: impl Display, keyid: Option<&str>) {
        self.insert(&mac.to_string(), keyid, true);
    }

    /// A station leaves. Returns when the event went out.
    pub fn leave(&self, mac: impl Display) -> Instant {
        let mac = mac.to_string();
        lock(&self.stations).retain(|station| station.mac != mac);
        self.endpoint.emit(&format!("AP-STA-DISCONNECTED {mac}"))
    }

    /// A station left and nobody was told.
    pub fn leave_unheard(&self, mac: impl Display) {
        let mac = mac.to_string();
        lock(&self.stations).retain(|station| station.mac != mac);
    }

    /// Somebody tries a wrong key.
    pub fn wrong_key(&self, mac: impl Display) -> Instant {
        self.endpoint.emit(&format!("AP-STA-POSSIBLE-PSK-MISMATCH {mac}"))
    }

    /// Says any line to whoever is attached.
    pub fn emit(&self, line: &str) -> Instant {
        self.endpoint.emit(line)
    }

    /// Ends as on SIGTERM and starts again: the stations are gone, nobody is attached, the socket is another.
    pub fn restart(&self) {
        self.stop();
        self.start_again();
    }

    /// Ends as on SIGTERM: says so, and removes the socket.
    pub fn stop(&self) {
        self.endpoint.emit("AP-DISABLED ");
        self.endpoint.emit("CTRL-EVENT-TERMINATING ");
        lock(&self.stations).clear();
        self.endpoint.close(true);
    }

    /// Ends as on SIGKILL: says nothing, and the file of the socket stays.
    pub fn kill(&self) {
        lock(&self.stations).clear();
        self.endpoint.close(false);
    }

    /// Starts again after [`Self::stop`] or [`Self::kill`].
    pub fn start_again(&self) {
        lock(&self.name).reset();
        self.endpoint.open();
    }

    /// Reads no command until [`Self::thaw`]; events still go out.
    pub fn freeze(&self) {
        self.endpoint.set_frozen(true);
    }

    /// Ends a [`Self::freeze`].
    pub fn thaw(&self) {
        self.endpoint.set_frozen(false);
    }

    /// Lets every answer wait for so long.
    pub fn answer_after(&self, delay: Duration) {
        self.endpoint.set_delay(delay);
    }

    /// How many listeners are attached.
    #[must_use]
    pub fn attached(&self) -> usize {
        self.endpoint.attached()
    }

    /// How many events took so long to send that the access point would have stood still.
    #[must_use]
    pub fn stalls(&self) -> usize {
        self.endpoint.stalls()
    }

    /// Every command so far.
    #[must_use]
    pub fn commands(&self) -> Vec<String> {
        self.endpoint.commands()
    }

    /// The socket.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.endpoint.path()
    }

    fn insert(&self, mac: &str, keyid: Option<&str>, authorized: bool) {
        let mut stations = lock(&self.stations);
        stations.retain(|station| station.mac != mac);
        let station =
            Station { mac: mac.to_owned(), keyid: keyid.map(str::to_owned), authorized, since: Instant::now() };
        stations.insert(0, station);
    }
}

impl Name {
    /// The commands about it; nothing if it is another.
    fn answer(&mut self, command: &str) -> Option<String> {
        let hex = command.strip_prefix("SET ssid2 ");
        if hex.is_none() && command != "UPDATE_BEACON" {
            return None;
        }
        if self.fixed {
            return Some("FAIL\n".to_owned());
        }
        match hex {
            Some(hex) => {
                let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
                match (0..hex.len()).step_by(2).map(byte).collect() {
                    Some(bytes) => self.set = bytes,
                    None => return Some("FAIL\n".to_owned()),
                }
            }
            None => self.on_air.clone_from(&self.set),
        }
        Some("OK\n".to_owned())
    }

    /// A start brings the name of the configuration.
    fn reset(&mut self) {
        self.set.clone_from(&self.own);
        self.on_air.clone_from(&self.own);
    }
}

fn answer(command: &str, status: &str, stations: &Stations) -> Option<String> {
    let (verb, mac) = command.split_once(' ').unwrap_or((command, ""));
    let position = || stations.iter().position(|station| station.mac == mac);
    let show = |index| stations.get(index).map(Station::show).unwrap_or_default();
    let or_fail = |answer: Option<String>| Some(answer.unwrap_or_else(|| "FAIL\n".to_owned()));
    match verb {
        "STATUS" => Some(status.to_owned()),
        "GET_CONFIG" => Some("wps_state=disabled\nwpa=2\nkey_mgmt=WPA-PSK\nrsn_pairwise_cipher=CCMP\n".to_owned()),
        // An empty answer ends the list.
        "STA-FIRST" => Some(show(0)),
        "STA-NEXT" => or_fail(position().map(|index| show(index + 1))),
        "STA" => or_fail(position().map(show)),
        _ => None,
    }
}

impl Station {
    fn show(&self) -> String {
        let Self { mac, keyid, authorized, since } = self;
        let flags = if *authorized { "[AUTH][ASSOC][AUTHORIZED]" } else { "[AUTH][ASSOC]" };
        let connected = since.elapsed().as_secs();
        let mut text = format!("{mac}\nflags={flags}[SHORT_PREAMBLE][WMM]\naid=1\nconnected_time={connected}\n");
        if let Some(keyid) = keyid {
            text.push_str(&format!("keyid={keyid}\n"));
        }
        text
    }
}

fn status(ifname: &str, bssid: &str, ssid: &[u8]) -> String {
    let ssid = wpa_ctrl::text::escape(ssid);
    format!(
        "state=ENABLED\nphy=phy0\nfreq=2412\nchannel=1\nbss[0]={ifname}\nbssid[0]={bssid}\nssid[0]={ssid}\nnum_sta[0]=0\n"
    )
}
