//! A stand-in for the programs of an OpenWrt router that are on ubus.
//!
//! Each is a client of its own, as on a router: [`hostapd`] with [`auth`], [`netifd`], [`dhcp`] with dnsmasq and odhcpd,
//! [`uci`] and [`iwinfo`] of rpcd, [`procd`]. [`air`] is what they share: the access points and who is on them.

mod air;
mod auth;
mod connection;
mod dhcp;
mod forms;
mod hostapd;
mod iwinfo;
mod netifd;
mod procd;
mod program;
mod release;
mod uci;
mod words;

pub use air::Bss;
pub use auth::AuthAnswer;
pub use release::Release;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio_ubus::Status;

use air::Air;
use dhcp::{Dnsmasq, Odhcpd};
use hostapd::Hostapd;
use iwinfo::Iwinfo;
use netifd::Netifd;
use procd::Procd;
use uci::{Rpcd, Trigger};

/// A router, as far as ubus is concerned. Ends when dropped.
///
/// What happens on the air is told as hostapd tells it: to subscribers, and to nobody else. When a call returns ubusd
/// has passed on what it led to, so that things happen in the order in which a test does them.
///
/// ```
/// use testkit::ubus::{Broker, Bss, FakeRouter};
///
/// # let dir = tempfile::tempdir().unwrap();
/// let broker = Broker::start(dir.path());
/// let router = FakeRouter::start(broker.path());
/// router.add_bss(Bss {
///     ifname: "phy0-ap0".into(),
///     section: "guest".into(),
///     networks: vec!["guest".into()],
///     bssid: "02:00:00:00:00:00".into(),
///     ssid: "Café".into(),
///     encryption: "psk2".into(),
///     key: Some("come in, come in".into()),
///     freq: 2437,
/// });
/// router.join("phy0-ap0", "02:00:00:00:01:00");
/// ```
pub struct FakeRouter {
    // In the order in which they end.
    flood: Mutex<Option<Flood>>,
    on_change: Arc<Mutex<Option<Trigger>>>,
    rpcd: Rpcd,
    procd: Arc<Procd>,
    dnsmasq: Dnsmasq,
    odhcpd: Odhcpd,
    netifd: Netifd,
    iwinfo: Iwinfo,
    hostapd: Arc<Hostapd>,
    air: Air,
}

struct Flood {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl FakeRouter {
    /// A router of 24.10 on the ubusd that listens at `broker`, with no access point.
    #[must_use]
    pub fn start(broker: &Path) -> Self {
        Self::start_as(broker, Release::default())
    }

    /// A router of 23.05, which has no `hostapd-auth`.
    #[must_use]
    pub fn without_hostapd_auth(broker: &Path) -> Self {
        Self::start_as(broker, Release::V23_05)
    }

    /// A router of that release.
    #[must_use]
    pub fn start_as(broker: &Path, release: Release) -> Self {
        let air = Air::default();
        let procd = Arc::new(Procd::start(broker, release));
        let on_change: Arc<Mutex<Option<Trigger>>> = Arc::default();
        let trigger = {
            let (procd, on_change) = (Arc::clone(&procd), Arc::clone(&on_change));
            Box::new(move |config: &str| {
                procd.config_changed(config);
                on_change.lock().unwrap_or_else(PoisonError::into_inner).iter().for_each(|tell| tell(config));
            })
        };
        let rpcd = Rpcd::start(broker, trigger);
        let hostapd = Arc::new(Hostapd::start(broker, release, air.clone()));
        let reload = {
            let (uci, hostapd, air) = (rpcd.shared(), Arc::clone(&hostapd), air.clone());
            Box::new(move || {
                for cell in air.cells() {
                    let ssid = uci::lock(&uci).value("wireless", &cell.bss.section, "ssid");
                    if let Some(ssid) = ssid.filter(|ssid| ssid.as_bytes() != cell.bss.ssid) {
                        air.change(&cell.bss.ifname, |cell| cell.bss.ssid = ssid.into_bytes());
                        hostapd.renew(&cell.bss.ifname);
                    }
                }
            })
        };
        Self {
            flood: Mutex::default(),
            on_change,
            rpcd,
            procd,
            dnsmasq: Dnsmasq::start(broker),
            odhcpd: Odhcpd::start(broker, release),
            netifd: Netifd::start(broker, release, air.clone(), reload),
            iwinfo: Iwinfo::start(broker, air.clone()),
            hostapd,
            air,
        }
    }

    /// The name that an access point has on the air.
    ///
    /// # Panics
    /// When there is none of this name.
    #[must_use]
    pub fn on_air(&self, ifname: &str) -> String {
        let cell = self.air.cell(ifname).expect("there is such an access point");
        String::from_utf8_lossy(&cell.bss.ssid).into_owned()
    }

    /// Somebody else's access point that a scan finds from here on.
    pub fn hear(&self, bssid: &str, ssid: &str, signal: i16) {
        self.iwinfo.hear(bssid, ssid, signal);
    }

    /// An access point more, as after `wifi reload`.
    pub fn add_bss(&self, bss: Bss) {
        let ifname = bss.ifname.clone();
        self.air.add(bss);
        self.hostapd.add(&ifname);
    }

    /// An access point less.
    ///
    /// # Panics
    /// When there is none of this name; so do all the others that take one.
    pub fn remove_bss(&self, ifname: &str) {
        self.hostapd.remove(ifname);
        self.air.remove(ifname);
    }

    /// Changes what is configured of an access point; its object is made anew, and its stations are gone.
    pub fn change_bss(&self, ifname: &str, how: impl FnOnce(&mut Bss)) {
        self.air.change(ifname, |cell| how(&mut cell.bss));
        self.hostapd.renew(ifname);
    }

    /// The object of this access point goes and another one comes, as after `wifi reload` with a change.
    pub fn wifi_reload(&self, ifname: &str) {
        self.hostapd.renew(ifname);
    }

    /// The configuration of an access point is read again, as on SIGHUP: its object stays, its stations have to come
    /// again.
    pub fn reload_bss(&self, ifname: &str) {
        self.hostapd.reload(ifname);
    }

    /// A station joins. Returns the moment right before `sta-authorized` was sent. Nobody is asked for a passphrase:
    /// see [`Self::sta_auth`].
    pub fn join(&self, ifname: &str, mac: &str) -> Instant {
        self.hostapd.join(ifname, mac)
    }

    /// A station joined and nobody was told.
    pub fn join_unheard(&self, ifname: &str, mac: &str) {
        self.air.change(ifname, |cell| cell.stations.insert(mac.to_owned(), true));
    }

    /// A station is in the list and may not send yet, and nobody was told.
    pub fn authenticate_unheard(&self, ifname: &str, mac: &str) {
        self.air.change(ifname, |cell| cell.stations.insert(mac.to_owned(), false));
    }

    /// A station says that it leaves. Returns the moment right before that was told.
    pub fn leave(&self, ifname: &str, mac: &str) -> Instant {
        self.hostapd.leave(ifname, mac)
    }

    /// A station left and nobody was told.
    pub fn leave_unheard(&self, ifname: &str, mac: &str) {
        self.air.change(ifname, |cell| cell.stations.remove(mac));
    }

    /// Somebody looks for networks.
    pub fn probe(&self, ifname: &str, mac: &str) {
        let _alone = self.hostapd.alone();
        self.hostapd.probe(ifname, mac);
    }

    /// Somebody tries a wrong passphrase.
    pub fn wrong_key(&self, ifname: &str, mac: &str) {
        self.hostapd.tell_of(ifname, "key-mismatch", mac);
    }

    /// The access point moves to another channel, in MHz.
    pub fn switch_channel(&self, ifname: &str, freq: u16) {
        self.hostapd.switch_channel(ifname, freq);
    }

    /// So many probes a second, each of another station, until [`Self::stop_flood`].
    pub fn flood(&self, ifname: &str, per_second: u32) {
        self.stop_flood();
        let stop = Arc::new(AtomicBool::new(false));
        let (hostapd, ifname, told) = (Arc::clone(&self.hostapd), ifname.to_owned(), Arc::clone(&stop));
        let thread = thread::spawn(move || flood(&hostapd, &ifname, per_second, &told));
        *self.running_flood() = Some(Flood { stop, thread });
    }

    /// Ends [`Self::flood`]; how many probes there were.
    pub fn stop_flood(&self) -> u64 {
        let Some(Flood { stop, thread }) = self.running_flood().take() else { return 0 };
        stop.store(true, Ordering::Release);
        thread.join().expect("the flood does not panic")
    }

    /// All objects of hostapd go and come back with other ids; the stations are gone.
    pub fn restart_hostapd(&self) {
        self.hostapd.kill();
        self.hostapd.start_again();
    }

    /// hostapd ends as on SIGKILL.
    pub fn kill_hostapd(&self) {
        self.hostapd.kill();
    }

    /// hostapd starts again after [`Self::kill_hostapd`].
    pub fn start_hostapd(&self) {
        self.hostapd.start_again();
    }

    /// netifd ends and starts again; hostapd keeps its access points.
    pub fn restart_netifd(&self) {
        self.netifd.program.kill();
        self.netifd.program.start_again();
    }

    /// Whether radios are on their way up, as netifd says it: then no interface is known yet.
    pub fn set_pending(&self, is_pending: bool) {
        self.netifd.set_pending(is_pending);
    }

    /// dnsmasq ends and starts again.
    pub fn restart_dnsmasq(&self) {
        self.dnsmasq.0.kill();
        self.dnsmasq.0.start_again();
    }

    /// A station authenticates: `sta_auth` is sent and waited for, for a second at most, and meanwhile hostapd does
    /// nothing else.
    pub fn sta_auth(&self, ifname: &str, mac: &str) -> AuthAnswer {
        self.hostapd.sta_auth(ifname, mac)
    }

    /// A station's passphrase was right: the one of this number among those of the last answer, if it was one of them.
    /// Returns how long hostapd waited.
    pub fn sta_connected(&self, ifname: &str, mac: &str, psk_idx: Option<u32>) -> Duration {
        self.hostapd.sta_connected(ifname, mac, psk_idx)
    }

    /// `probe`, `auth` or `assoc` as after `notify_response`; how long hostapd waited for the answer, 100 ms at most.
    pub fn notify_wanting_answer(&self, ifname: &str, kind: &str, mac: &str) -> Duration {
        self.hostapd.ask(ifname, kind, mac)
    }

    /// dnsmasq gave somebody an address.
    pub fn ack(&self, mac: &str, ip: &str) {
        self.dnsmasq.tell("dhcp.ack", mac, ip);
    }

    /// Somebody gave dnsmasq an address back.
    pub fn release(&self, mac: &str, ip: &str) {
        self.dnsmasq.tell("dhcp.release", mac, ip);
    }

    /// Whether dnsmasq waits for somebody at each name that is looked up.
    #[must_use]
    pub fn waits_for_names(&self) -> bool {
        self.dnsmasq.waits_for_names()
    }

    /// odhcpd gave somebody an address.
    pub fn lease4(&self, mac: &str, ip: &str) {
        self.odhcpd.give(mac, ip);
    }

    /// The same, and nobody was told.
    pub fn lease4_unheard(&self, mac: &str, ip: &str) {
        self.odhcpd.give_unheard(mac, ip);
    }

    /// Somebody gave odhcpd an address back.
    pub fn release4(&self, mac: &str, ip: &str) {
        self.odhcpd.release(mac, ip);
    }

    /// The time of an address of odhcpd's is over.
    pub fn expire4(&self, mac: &str, ip: &str) {
        self.odhcpd.expire(mac, ip);
    }

    /// What is committed of a configuration: sections by name, each as `uci get` gives it over ubus.
    #[must_use]
    pub fn uci(&self, config: &str) -> Value {
        self.rpcd.uci().committed(config)
    }

    /// Puts a section into a configuration, as if it had always been there. Sections named `cfg…` have no name.
    ///
    /// # Panics
    /// When `values` is no object.
    pub fn set_uci(&self, config: &str, section: &str, kind: &str, values: Value) {
        self.rpcd.uci().put(config, section, kind, values.as_object().expect("options by their names"));
    }

    /// Configurations are files of this directory from here on, and those that are there count.
    pub fn keep_uci_in(&self, dir: &Path) {
        self.rpcd.uci().keep_in(dir);
    }

    /// Tells whenever a configuration was changed, as procd's triggers hear of it.
    pub fn on_config_change(&self, tell: Box<dyn Fn(&str) + Send + Sync>) {
        *self.on_change.lock().unwrap_or_else(PoisonError::into_inner) = Some(tell);
    }

    /// A method of rpcd's object `uci`, for a session that may call it. `apply` of a session waits for its `confirm`
    /// and is undone without it; [`Self::look_at_clock`] does that.
    ///
    /// # Errors
    /// As rpcd refuses.
    pub fn uci_call(&self, session: &str, method: &str, arguments: &Value) -> Result<Option<Value>, Status> {
        let answer = self.rpcd.call(session, method, arguments)?;
        Ok(answer.map(|answer| answer.to_json()))
    }

    /// Time has gone by: what was applied and not confirmed by now is undone.
    pub fn look_at_clock(&self) {
        self.rpcd.look_at_clock();
    }

    /// Somebody changes an option and does not commit it.
    pub fn stage_uci(&self, config: &str, section: &str, option: &str, value: impl Into<Value>) {
        self.rpcd.uci().stage(config, section, option, &value.into());
    }

    /// The names of the configurations that were committed over ubus, the first one first.
    #[must_use]
    pub fn commits(&self) -> Vec<String> {
        self.rpcd.uci().commits()
    }

    /// Whether LuCI waits for its user to confirm other changes: as long as it does nothing else can be committed.
    pub fn await_confirmation(&self, does: bool) {
        self.rpcd.uci().set_awaits_confirmation(does);
    }

    /// procd is told that a configuration was changed, as by `reload_config`.
    pub fn config_changed(&self, config: &str) {
        self.procd.config_changed(config);
    }

    fn running_flood(&self) -> std::sync::MutexGuard<'_, Option<Flood>> {
        self.flood.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for FakeRouter {
    fn drop(&mut self) {
        self.stop_flood();
    }
}

fn flood(hostapd: &Hostapd, ifname: &str, per_second: u32, stop: &AtomicBool) -> u64 {
    let began = Instant::now();
    let mut sent = 0;
    while !stop.load(Ordering::Acquire) {
        let due = began.elapsed().as_micros() * u128::from(per_second) / 1_000_000;
        while u128::from(sent) < due {
            hostapd.probe(
                ifname,
                &format!("06:00:00:{:02x}:{:02x}:{:02x}", sent >> 16 & 0xff, sent >> 8 & 0xff, sent & 0xff),
            );
            sent += 1;
        }
        thread::sleep(TICK);
    }
    sent
}

/// Probes come in bursts on the air, too.
const TICK: Duration = Duration::from_millis(5);
