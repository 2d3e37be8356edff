//! hostapd: an object for each access point, and one for itself.
//!
//! Its words are those of the recordings of 23.05, 24.10 and main, type by type; a test compares them. What a method is
//! answered with that no recording shows is [`Status::NotSupported`].

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio_ubus::{Blobmsg, Builder, Ref, Status};

use super::air::{Air, Cell};
use super::forms::{self, Finished as _};
use super::program::{Outcome, Program};
use super::release::Release;
use super::words::{bss_methods, hostapd_methods};

/// hostapd. Ends when dropped.
pub(super) struct Hostapd {
    pub(super) program: Arc<Program>,
    pub(super) release: Release,
    air: Air,
    /// It does one thing at a time: while it waits for an answer it answers nobody.
    busy: Arc<Mutex<()>>,
}

/// While somebody does something with hostapd.
pub(super) struct Alone<'a> {
    program: &'a Program,
    _busy: MutexGuard<'a, ()>,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.program.catch_up();
    }
}

impl Hostapd {
    pub(super) fn start(socket: &Path, release: Release, air: Air) -> Self {
        let program = Arc::new(Program::start(socket));
        let hostapd = Self { program, release, air, busy: Arc::default() };
        let (air, busy) = (hostapd.air.clone(), Arc::clone(&hostapd.busy));
        let answer = move |method: &str, arguments: &Blobmsg| {
            let _alone = lock(&busy);
            answer(&air, method, arguments)
        };
        hostapd.program.publish(HOSTAPD, hostapd_methods(release), Arc::new(answer));
        if release >= Release::V24_10 {
            hostapd.program.publish(AUTH, "", Arc::new(|_, _| Err(Status::MethodNotFound)));
        }
        hostapd
    }

    /// As `config_set` with one more access point.
    pub(super) fn add(&self, ifname: &str) {
        self.publish(ifname);
        let _alone = self.alone();
        self.program.notify_asking(HOSTAPD, "bss.add", &forms::named(ifname));
        self.tell_reload(ifname);
    }

    /// As `config_set` with one less.
    pub(super) fn remove(&self, ifname: &str) {
        self.take_down(ifname);
        let _alone = self.alone();
        self.tell_reload(ifname);
    }

    /// As `config_set` with a change that this access point does not survive.
    pub(super) fn renew(&self, ifname: &str) {
        self.take_down(ifname);
        self.add(ifname);
    }

    /// As on SIGKILL.
    pub(super) fn kill(&self) {
        self.program.kill();
        for cell in self.air.cells() {
            self.program.forget(&path(&cell.bss.ifname));
            self.air.change(&cell.bss.ifname, Cell::forget);
        }
    }

    /// As when procd has started it again and netifd told it the access points.
    pub(super) fn start_again(&self) {
        self.program.start_again();
        for cell in self.air.cells() {
            self.add(&cell.bss.ifname);
        }
    }

    /// A station joins; the moment before it is told that it may send.
    pub(super) fn join(&self, ifname: &str, mac: &str) -> Instant {
        let _alone = self.alone();
        self.air.change(ifname, |cell| cell.stations.insert(mac.to_owned(), true));
        let cell = self.cell(ifname);
        // Every access point on the channel hears somebody look for networks.
        for other in self.air.cells().iter().filter(|other| other.bss.freq == cell.bss.freq) {
            self.tell_of_frame(other, "probe", mac);
        }
        self.tell_of_frame(&cell, "auth", mac);
        self.tell_of_frame(&cell, "assoc", mac);
        let mut data = self.about(ifname, mac);
        data.push("auth-alg", if cell.bss.encryption.starts_with("sae") { "sae" } else { "open" });
        let at = Instant::now();
        self.notify(ifname, "sta-authorized", &data.finished());
        at
    }

    /// A station says that it leaves.
    pub(super) fn leave(&self, ifname: &str, mac: &str) -> Instant {
        let _alone = self.alone();
        self.air.change(ifname, |cell| cell.stations.remove(mac));
        let data = self.about(ifname, mac).finished();
        let at = Instant::now();
        self.notify(ifname, "deauth", &data);
        self.notify(ifname, "disassoc", &data);
        at
    }

    /// Somebody looks for networks. Tells those who are known to subscribe.
    pub(super) fn probe(&self, ifname: &str, mac: &str) {
        self.tell_of_frame(&self.cell(ifname), "probe", mac);
    }

    /// `probe`, `auth` or `assoc` where an answer is waited for; how long that took.
    pub(super) fn ask(&self, ifname: &str, kind: &str, mac: &str) -> Duration {
        let _alone = self.alone();
        self.tell_of_frame(&Cell { wants_answers: true, ..self.cell(ifname) }, kind, mac)
    }

    /// A wrong passphrase, or anything else that is only about a station.
    pub(super) fn tell_of(&self, ifname: &str, kind: &str, mac: &str) {
        let _alone = self.alone();
        self.notify(ifname, kind, &self.about(ifname, mac).finished());
    }

    /// The access point moves to another channel.
    pub(super) fn switch_channel(&self, ifname: &str, freq: u16) {
        let _alone = self.alone();
        self.air.change(ifname, |cell| cell.bss.freq = freq);
        if self.release == Release::V23_05 {
            return; // It says nothing of it.
        }
        let bss = self.cell(ifname).bss;
        let mut data = Builder::new();
        data.push("ifname", ifname).push("freq", Ref::Int32(freq.into())).push("bssid", bss.bssid.as_str());
        self.notify(ifname, "channel-switch", &data.finished());
    }

    /// As on SIGHUP: the object stays, the stations have to come again.
    pub(super) fn reload(&self, ifname: &str) {
        let _alone = self.alone();
        let mut data = Builder::new();
        data.push("reconf", true).push("name", ifname);
        self.program.notify_asking(HOSTAPD, "bss.reload", &data.finished());
        self.put_all_out(ifname);
    }

    /// Nothing else is done meanwhile. Everybody is known who subscribed before, and afterwards ubusd has everything.
    pub(super) fn alone(&self) -> Alone<'_> {
        let busy = lock(&self.busy);
        self.program.catch_up();
        Alone { program: &self.program, _busy: busy }
    }

    fn publish(&self, ifname: &str) {
        let (air, busy, release) = (self.air.clone(), Arc::clone(&self.busy), self.release);
        let (program, name) = (Arc::downgrade(&self.program), ifname.to_owned());
        let answer = move |method: &str, arguments: &Blobmsg| {
            let _alone = lock(&busy);
            let cell = air.cell(&name).ok_or(Status::NotFound)?;
            match method {
                "get_clients" => Ok(Some(forms::clients(&cell))),
                "get_status" => Ok(Some(forms::status(&cell.bss, release))),
                "get_features" => Ok(Some(forms::features())),
                "list_bans" => Ok(Some(forms::bans(&cell))),
                "notify_response" => {
                    let value = arguments.get("notify_response").and_then(|value| value.as_i64());
                    let value = value.ok_or(Status::InvalidArgument)?;
                    air.change(&name, |cell| cell.wants_answers = value > 0);
                    Ok(None)
                }
                "del_client" => {
                    let mac = arguments.get("addr").and_then(|value| value.as_str()).ok_or(Status::InvalidArgument)?;
                    let is_banned = arguments.get("ban_time").and_then(|value| value.as_i64()).is_some_and(|ms| ms > 0);
                    let was_there = air.change(&name, |cell| {
                        cell.banned.extend(is_banned.then(|| mac.to_owned()));
                        cell.stations.remove(mac).is_some()
                    });
                    if let Some(program) = program.upgrade().filter(|_| was_there) {
                        program.notify(&path(&name), "disassoc", &forms::about(release, &name, mac).finished());
                    }
                    Ok(None)
                }
                _ => Err(Status::NotSupported),
            }
        };
        self.program.publish(&path(ifname), &bss_methods(release), Arc::new(answer));
    }

    fn take_down(&self, ifname: &str) {
        let _alone = self.alone();
        self.put_all_out(ifname);
        self.air.change(ifname, Cell::forget);
        // In 24.10 the name gets lost on the way.
        let data = if self.release == Release::Main { forms::named(ifname) } else { Blobmsg::new() };
        self.program.notify_asking(HOSTAPD, "bss.remove", &data);
        self.program.withdraw(&path(ifname));
    }

    fn put_all_out(&self, ifname: &str) {
        let cell = self.cell(ifname);
        for mac in cell.stations.keys() {
            self.notify(ifname, "disassoc", &self.about(ifname, mac).finished());
        }
        self.air.change(ifname, |cell| cell.stations.clear());
    }

    fn tell_reload(&self, ifname: &str) {
        let radio = if self.release == Release::Main { Ref::Int32(-1) } else { Ref::Null };
        let phy = ifname.split_once('-').map_or("phy0", |(phy, _)| phy);
        let mut data = Builder::new();
        data.push("phy", phy).push("radio", radio);
        self.program.notify_asking(AUTH, "reload", &data.finished());
    }

    fn cell(&self, ifname: &str) -> Cell {
        self.air.cell(ifname).unwrap_or_else(|| panic!("there is no access point {ifname}"))
    }

    /// How long an answer was waited for, where one is wanted.
    fn tell_of_frame(&self, cell: &Cell, kind: &str, mac: &str) -> Duration {
        let form = if kind == "probe" { forms::probe } else { forms::frame };
        let data = form(self.release, &cell.bss, mac);
        if !cell.wants_answers {
            self.notify(&cell.bss.ifname, kind, &data);
            return Duration::ZERO;
        }
        let answers = self.program.notify_wait(&path(&cell.bss.ifname), kind, &data, ANSWER_LIMIT);
        answers.map(|answers| answers.took).unwrap_or_default()
    }

    fn notify(&self, ifname: &str, kind: &str, data: &Blobmsg) {
        self.program.notify(&path(ifname), kind, data);
    }

    fn about(&self, ifname: &str, mac: &str) -> Builder {
        forms::about(self.release, ifname, mac)
    }
}

/// What the object `hostapd` answers.
fn answer(air: &Air, method: &str, arguments: &Blobmsg) -> Outcome {
    match method {
        "bss_info" => {
            let ifname = arguments.get("iface").and_then(|value| value.as_str()).filter(|name| !name.is_empty());
            let cell = air.cell(ifname.ok_or(Status::InvalidArgument)?).ok_or(Status::NotFound)?;
            Ok(Some(forms::bss_info(&cell.bss)))
        }
        "status" => Ok(Some(forms::interfaces(&air.cells()))),
        _ => Err(Status::NotSupported),
    }
}

fn path(ifname: &str) -> String {
    format!("hostapd.{ifname}")
}

fn lock(mutex: &Mutex<()>) -> MutexGuard<'_, ()> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The object of the program itself.
pub(super) const HOSTAPD: &str = "hostapd";
/// The object that asks for passphrases.
pub(super) const AUTH: &str = "hostapd-auth";
/// How long hostapd waits for an answer to `probe`, `auth` and `assoc`.
const ANSWER_LIMIT: Duration = Duration::from_millis(100);
