//! Visits: join, leave, roam, address, expiry.
//!
//! A visit is one station on one network with one credential. Events make the table fast, snapshots make it true: what
//! a snapshot says counts only for stations to whom nothing happened since it was asked for.

use sorted::{SortedMap, SortedSet};
use std::net::IpAddr;
use std::time::Duration;

use welcome_proto::{Mac, NetworkId};

use crate::action::{Happened, Notice};
use crate::day::Day;
use crate::event::{Audience, Given, Present};
use crate::now::Instant;
use crate::rules::{Credential, Mode, Rules};
use crate::visit::{Join, Session, SessionId};

/// Leave and join within this time is no new visit: phones do it on their way through a house.
const LINGER: Duration = Duration::from_secs(10);
/// The same when it was the access point that went away: a restart of hostapd throws everybody out.
const BSS_LINGER: Duration = Duration::from_secs(120);
/// A station that a snapshot finds on the air for no longer than this has just come: its event was lost. Longer than
/// the minute between snapshots.
const FRESH: Duration = Duration::from_secs(90);
/// hostapd tells the time since a join in whole seconds.
const RESOLUTION: Duration = Duration::from_secs(1);
/// The most visits kept. hostapd's own limit is 2007 stations a BSS.
const MAX_SESSIONS: usize = 2048;
/// The most addresses of one station; privacy extensions use several at a time.
const MAX_ADDRESSES: usize = 8;
/// How long a key waits for the join it belongs to; hostapd tells both within one handshake.
const KEY_WAITS: Duration = Duration::from_secs(10);
/// The most keys that wait; a station that never completes its handshake leaves none.
const MAX_KEYS: usize = 256;
/// The most things said to one guest that are kept for the visit; the oldest goes first.
const MAX_SAID: usize = 4;

/// The table of visits.
#[derive(Debug, Default)]
pub struct Sessions {
    by_mac: SortedMap<Mac, Session>,
    by_ip: SortedMap<IpAddr, Mac>,
    /// Keys whose joins are still to come.
    keys: SortedMap<Mac, WaitingKey>,
    last_id: u32,
    /// What is remembered of those who were here today.
    pub day: Day,
    /// Whether [`Self::day`] has changed; whoever keeps it takes this back.
    pub day_changed: bool,
}

#[derive(Debug)]
struct WaitingKey {
    ifname: String,
    key: String,
    until: Instant,
}

/// What came of an input.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// Whether anything did.
    pub any: bool,
    /// Guests' visits that began or ended just now. One that was found and not heard to begin is in neither.
    pub notices: Vec<Notice>,
}

impl Changes {
    fn ended(&mut self, session: &Session) {
        self.any = true;
        if session.guest && session.fresh {
            self.notices.push(session.notice(Happened::Left));
        }
    }
}

impl Sessions {
    /// A station is through on `ifname`.
    pub fn join(&mut self, now: Instant, rules: &Rules, ifname: &str, mac: Mac, key: Option<&str>) -> Changes {
        let mut changes = Changes::default();
        self.admit(now, rules, Join { ifname, mac, key, joined: now, fresh: true }, &mut changes);
        changes
    }

    /// A station used this key for a join that was heard a moment ago, or will be.
    pub fn key_used(&mut self, now: Instant, rules: &Rules, ifname: &str, mac: Mac, key: &str) -> Changes {
        let mut changes = Changes::default();
        self.keys.retain(|_, k| now < k.until);
        if self.keys.len() < MAX_KEYS || self.keys.contains_key(&mac) {
            let key = WaitingKey { ifname: ifname.to_owned(), key: key.to_owned(), until: now + KEY_WAITS };
            self.keys.insert(mac, key);
        }
        let heard = self.by_mac.get(&mac).filter(|s| s.ifname == ifname && s.away_until.is_none());
        if let Some(session) = heard.filter(|s| s.credential == Credential::Unknown && now < s.joined + KEY_WAITS) {
            let Session { joined, fresh, .. } = *session;
            self.admit(now, rules, Join { ifname, mac, key: Some(key), joined, fresh }, &mut changes);
        }
        changes
    }

    /// Something is said to guests who are on the air.
    pub fn say(&mut self, to: &Audience, said: &Given) -> Changes {
        let mut changes = Changes::default();
        let hears = |s: &&mut Session| match to {
            Audience::Network(network) => s.network == *network,
            Audience::Station(mac) => s.mac == *mac,
        };
        for session in self.by_mac.values_mut().filter(hears).filter(|s| s.guest && s.away_until.is_none()) {
            if session.said.len() == MAX_SAID {
                session.said.remove(0);
            }
            session.said.push(said.clone());
            session.picture = None;
            changes.any = true;
        }
        changes
    }

    /// A station left `ifname`. It counts only if it was there: a roam is a join on the new BSS and then, some
    /// milliseconds later, a leave on the old one.
    /// While the network carries another name, a station is waited for until `hold`: it cannot come back before.
    pub fn leave(&mut self, now: Instant, ifname: &str, mac: Mac, hold: Option<Instant>) -> Changes {
        let mut changes = Changes::default();
        if let Some(session) = self.by_mac.get_mut(&mac).filter(|s| s.ifname == ifname) {
            session.touched = now;
            if session.away_until.is_none() {
                session.away_until = hold.max(Some(now + LINGER));
                session.picture = None;
                changes.any = true;
            }
        }
        changes
    }

    /// The whole BSS went away. `hold`: see [`Self::leave`].
    pub fn bss_down(&mut self, now: Instant, ifname: &str, hold: Option<Instant>) -> Changes {
        let mut changes = Changes::default();
        for session in self.by_mac.values_mut().filter(|s| s.ifname == ifname) {
            // Also for those who left a moment ago: hostapd may tell each leave before it ends.
            let until = hold.max(Some(now + BSS_LINGER));
            changes.any |= session.away_until != until;
            session.away_until = until;
            session.picture = None;
        }
        changes
    }

    /// Compares the table with everybody who was on `ifname` after `asked`.
    pub fn snapshot(
        &mut self,
        now: Instant,
        rules: &Rules,
        ifname: &str,
        asked: Instant,
        present: &[Present],
        hold: Option<Instant>,
    ) -> Changes {
        let mut changes = Changes::default();
        let macs: SortedSet<_> = present.iter().map(|p| p.mac).collect();
        for Present { mac, key, connected } in present {
            // Without a time it may have been there for days.
            let joined = now.saturating_sub(connected.unwrap_or(Duration::MAX));
            if self.by_mac.get(mac).is_none_or(|s| is_news(s, ifname, asked, joined)) {
                let fresh = connected.is_some_and(|c| c <= FRESH);
                let join = Join { ifname, mac: *mac, key: key.as_deref(), joined, fresh };
                self.admit(now, rules, join, &mut changes);
            } else if let Some(session) = self.by_mac.get_mut(mac).filter(|s| s.ifname != ifname && s.touched < asked) {
                let at_once = joined.abs_diff(session.joined) <= RESOLUTION;
                session.also_on = at_once.then(|| (ifname.to_owned(), joined));
            }
        }
        let mut elsewhere = Vec::new();
        for session in self.by_mac.values_mut() {
            if session.ifname != ifname && !macs.contains(&session.mac) {
                session.also_on.take_if(|(other, _)| other == ifname);
            }
            let here = session.ifname == ifname && session.away_until.is_none() && session.touched < asked;
            if here && !macs.contains(&session.mac) {
                session.away_until = hold.max(Some(now + LINGER));
                session.picture = None;
                changes.any = true;
                elsewhere.extend(
                    session.also_on.take().map(|(ifname, joined)| (ifname, joined, session.mac, session.fresh)),
                );
            }
        }
        for (ifname, joined, mac, fresh) in elsewhere {
            self.admit(now, rules, Join { ifname: &ifname, mac, key: None, joined, fresh }, &mut changes);
        }
        changes
    }

    /// Stations that left these interfaces can come back from here on, and are waited for no longer than `latest`.
    pub fn release(&mut self, ifnames: &[String], latest: Instant) {
        for session in self.by_mac.values_mut().filter(|s| ifnames.contains(&s.ifname)) {
            session.away_until = session.away_until.map(|until| until.min(latest));
        }
    }

    /// Holds new rules against every visit. One that belongs elsewhere by them, or is a guest's and was not before,
    /// ends; the next snapshot finds its station again.
    pub fn apply(&mut self, rules: &Rules) -> Changes {
        let mut changes = Changes { any: true, ..Changes::default() };
        let mut no_longer = |_: &Mac, session: &mut Session| {
            let Some((id, network)) = rules.network_on(&session.ifname) else { return true };
            session.credential = network.credential.classify(session.key.as_deref());
            session.picture = None;
            *id != session.network || network.credential.greets(session.credential) != session.guest
        };
        let gone: Vec<_> = self.by_mac.extract(&mut no_longer).into_iter().map(|(_, s)| s).collect();
        for session in gone {
            self.forget_addresses(&session);
            changes.ended(&session);
        }
        changes
    }

    /// Ends the visits whose station did not return in time.
    pub fn expire(&mut self, now: Instant) -> Changes {
        let mut changes = Changes::default();
        let is_over = |_: &Mac, s: &mut Session| s.away_until.is_some_and(|at| at <= now);
        let over: Vec<_> = self.by_mac.extract(is_over).into_iter().map(|(_, s)| s).collect();
        for session in over {
            self.forget_addresses(&session);
            changes.ended(&session);
        }
        changes
    }

    /// When to call [`Self::expire`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        self.by_mac.values().filter_map(|s| s.away_until).min().map(|at| (at, "end a visit"))
    }

    /// A station has an address; whoever had it before has it no more. Whether that is news about a visit.
    pub fn learn_address(&mut self, mac: Mac, ip: IpAddr) -> bool {
        if self.by_ip.get(&ip) == Some(&mac) {
            return false;
        }
        let lost = self.lose_address(ip);
        let Some(session) = self.by_mac.get_mut(&mac) else { return lost };
        if session.addresses.len() == MAX_ADDRESSES {
            let oldest = session.addresses.remove(0);
            self.by_ip.remove(&oldest);
        }
        session.addresses.push(ip);
        session.picture = None;
        self.by_ip.insert(ip, mac);
        true
    }

    /// An address is nobody's any more. Whether it was somebody's.
    pub fn lose_address(&mut self, ip: IpAddr) -> bool {
        let Some(mac) = self.by_ip.remove(&ip) else { return false };
        if let Some(session) = self.by_mac.get_mut(&mac) {
            session.addresses.retain(|a| *a != ip);
            session.picture = None;
        }
        true
    }

    /// Whether somebody has this address.
    #[must_use]
    pub fn knows_address(&self, ip: IpAddr) -> bool {
        self.by_ip.contains_key(&ip)
    }

    /// The day is this one: as it was kept over a restart, or a new one.
    pub fn take_day(&mut self, now: Instant, day: Day) {
        self.day = day;
        self.day_changed = true;
        for session in self.by_mac.values().filter(|s| s.guest && s.away_until.is_none()) {
            let here = self.day.know(now, session.mac).networks.entry(session.network.clone()).or_default();
            here.declined |= session.declined;
            here.released = here.released.max(session.released);
        }
    }

    /// Somebody wants no messages, or wants them again; remembered for this network until the day is over.
    pub fn decline(&mut self, now: Instant, id: SessionId, declined: bool) -> Changes {
        let Some(session) = self.by_mac.values_mut().find(|s| s.id == id && s.guest) else { return Changes::default() };
        if session.declined == declined {
            return Changes::default();
        }
        session.declined = declined;
        session.picture = None;
        self.day.know(now, session.mac).networks.entry(session.network.clone()).or_default().declined = declined;
        self.day_changed = true;
        Changes { any: true, ..Changes::default() }
    }

    /// The page's button was pressed. Whether for the first time in this visit.
    pub fn acknowledge(&mut self, now: Instant, rules: &Rules, id: SessionId) -> Option<(NetworkId, bool)> {
        let session = self.by_mac.values_mut().find(|s| s.id == id && s.guest)?;
        let network = session.network.clone();
        let first = !std::mem::replace(&mut session.acknowledged, true);
        session.opened = true;
        session.picture = None;
        let gate = rules.networks.get(&network).filter(|n| n.mode == Mode::Gate).map(|n| n.gate);
        if let Some(gate) = gate {
            session.released = Some(now + gate.time);
            let here = self.day.know(now, session.mac).networks.entry(network.clone()).or_default();
            here.released = session.released;
            self.day_changed = true;
        }
        Some((network, first))
    }

    /// An offer was shown once more to this guest; whether that was within what the caps allow.
    pub fn count_shown(&mut self, now: Instant, id: SessionId, given: &Given) -> bool {
        let Some(session) = self.by_mac.values_mut().find(|s| s.id == id) else { return false };
        let Given { sender, offer, .. } = given;
        let name = (*sender, offer.id.clone());
        let known = self.day.know(now, session.mac);
        let (visit, today) = (session.shown.entry(name.clone()).or_default(), known.shown.entry(name).or_default());
        if *visit >= offer.cap_per_visit || offer.cap_per_day.is_some_and(|cap| *today >= cap) {
            return false;
        }
        *visit += 1;
        *today = today.saturating_add(1);
        session.picture = None;
        self.day_changed = true;
        true
    }

    /// Forgets the pictures of those whose door changes with time alone, if that time has come since `before`.
    pub fn turn(&mut self, before: Instant, now: Instant, rules: &Rules) -> bool {
        let mut any = false;
        if !has_doors(rules) {
            return any;
        }
        for session in self.by_mac.values_mut() {
            if door_change(session, before, rules).is_some_and(|at| at <= now) {
                session.picture = None;
                any = true;
            }
        }
        any
    }

    /// When to call [`Self::turn`] next.
    #[must_use]
    pub fn next_turn(&self, now: Instant, rules: &Rules) -> Option<(Instant, &'static str)> {
        if !has_doors(rules) {
            return None;
        }
        let next = self.by_mac.values().filter_map(|s| door_change(s, now, rules)).min();
        next.map(|at| (at, "open or close a door"))
    }

    /// The visit of that name.
    pub fn by_id(&mut self, id: SessionId) -> Option<&mut Session> {
        self.by_mac.values_mut().find(|s| s.id == id)
    }

    /// All visits.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Session> {
        self.by_mac.values_mut()
    }

    /// All visits, with what is remembered of the day.
    pub fn with_day(&mut self) -> (impl Iterator<Item = &mut Session>, &Day) {
        (self.by_mac.values_mut(), &self.day)
    }

    /// All addresses and whose they are.
    pub fn addresses(&self) -> impl Iterator<Item = (IpAddr, SessionId)> {
        self.by_ip.iter().filter_map(|(ip, mac)| Some((*ip, self.by_mac.get(mac)?.id)))
    }

    fn admit(&mut self, now: Instant, rules: &Rules, join: Join<'_>, changes: &mut Changes) {
        let belongs = |k: &WaitingKey| k.ifname == join.ifname && now < k.until;
        let waiting = self.keys.get(&join.mac).is_some_and(belongs).then(|| self.keys.remove(&join.mac)).flatten();
        let waiting = waiting.map(|k| k.key);
        let join = Join { key: join.key.or(waiting.as_deref()), ..join };
        let Join { ifname, mac, key, joined, fresh } = join;
        let Some((id, network)) = rules.network_on(ifname) else { return };
        let credential = network.credential.classify(key);
        if let Some(session) = self.by_mac.get_mut(&mac)
            && session.network == *id
            && is_same_person(session.credential, credential)
        {
            return session.go_on(now, network, join, changes);
        }
        if let Some(old) = self.by_mac.remove(&mac) {
            self.forget_addresses(&old);
            changes.ended(&old);
        }
        if self.by_mac.len() >= MAX_SESSIONS && !self.make_room(changes) {
            return;
        }
        self.last_id = self.last_id.wrapping_add(1);
        let guest = network.credential.greets(credential);
        let known = self.day.known(mac);
        let here = known.and_then(|k| k.networks.get(id)).copied().unwrap_or_default();
        let first = known.is_none_or(|k| k.networks.is_empty());
        let session = Session {
            id: SessionId(self.last_id),
            mac,
            network: id.clone(),
            ifname: ifname.to_owned(),
            key: key.map(str::to_owned),
            credential,
            guest,
            fresh,
            since: joined,
            joined,
            touched: now,
            away_until: None,
            also_on: None,
            addresses: Vec::new(),
            shown: SortedMap::new(),
            said: Vec::new(),
            first,
            declined: here.declined,
            acknowledged: false,
            opened: false,
            caught: None,
            released: here.released,
            picture: None,
        };
        changes.any = true;
        if guest {
            let known = self.day.know(now, mac);
            known.last = now;
            known.networks.entry(id.clone()).or_default();
            self.day_changed = true;
        }
        if guest && fresh {
            changes.notices.push(session.notice(Happened::Arrived));
        }
        self.by_mac.insert(mac, session);
    }

    /// Ends the visit that would end next. Whether there was one: nobody who is on the air gives way.
    fn make_room(&mut self, changes: &mut Changes) -> bool {
        let next = self.by_mac.values().filter_map(|s| Some((s.away_until?, s.mac))).min();
        let Some(session) = next.and_then(|(_, mac)| self.by_mac.remove(&mac)) else { return false };
        self.forget_addresses(&session);
        changes.ended(&session);
        true
    }

    fn forget_addresses(&mut self, session: &Session) {
        for ip in &session.addresses {
            self.by_ip.remove(ip);
        }
    }
}

/// Whether any network has one: most routers spare themselves the look at every visit, which each event would cost.
fn has_doors(rules: &Rules) -> bool {
    rules.networks.values().any(|n| n.mode >= Mode::Splash)
}

fn door_change(session: &Session, now: Instant, rules: &Rules) -> Option<Instant> {
    let network = rules.networks.get(&session.network)?;
    crate::door::next_change(now, network.mode, session.visitor(true))
}

/// Whether a snapshot's word on a station that has a visit is to be taken.
fn is_news(session: &Session, ifname: &str, asked: Instant, joined: Instant) -> bool {
    if session.touched >= asked {
        return false;
    }
    // An access point keeps a station that has moved on for minutes; so the later join is where it is.
    session.away_until.is_some() || session.ifname == ifname || joined > session.joined + RESOLUTION
}

/// Whether two joins of one MAC address belong to one visit, as far as the key tells.
fn is_same_person(before: Credential, after: Credential) -> bool {
    before == after || before == Credential::Unknown || after == Credential::Unknown
}
