//! The way an event goes: one arm and one function for each.

use sorted::SortedMap;
use std::sync::Arc;
use std::time::Duration;

use welcome_proto::NetworkId;
use welcome_proto::lan::ShownOffer;
use welcome_proto::report::{Report, What};

use crate::action::{Action, Happened, Notice};
use crate::bss::Radios;
use crate::day::Day;
use crate::decide::{Visit, decide};
use crate::door::access;
use crate::event::{Event, Given, ServerLink};
use crate::now::{Instant, Now};
use crate::offers::Offers;
use crate::ownership::Ownership;
use crate::rules::{NetworkRules, Rules};
use crate::session::{Changes, Sessions};
use crate::view::{NetworkView, SessionView, View};
use crate::visit::{Session, SessionId};
use crate::wireless::Sections;

/// The agent's mind: everything it knows, and every decision.
#[derive(Debug, Default)]
pub struct Agent {
    /// As the sharer wrote them.
    written: Rules,
    sections: Sections,
    /// The rules in force: what is written, with what netifd says.
    rules: Rules,
    radios: Radios,
    sessions: Sessions,
    offers: Offers,
    ownership: Ownership,
    server: ServerLink,
    counts: SortedMap<NetworkId, Counts>,
    /// The moment of the last event.
    now: Now,
    /// Whether a new day was asked for and has not come.
    day_is_over: bool,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    arrived: u32,
    shown: u32,
    greeted_today: u32,
}

impl Agent {
    /// Takes what happened and says what to do, in this order.
    #[must_use]
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mono = now.mono;
        let before = std::mem::replace(&mut self.now, now).mono;
        // What is over by now is over before the event: a return after the time is a new visit even if no tick came.
        let mut actions = Vec::new();
        let over = self.sessions.expire(mono);
        self.report(now, over, &mut actions);
        if self.sections.expire(mono) {
            let changes = self.resolve(mono);
            self.report(now, changes, &mut actions);
        }
        if self.sessions.turn(before, mono, &self.rules) {
            actions.push(Action::Publish);
        }
        if self.offers.turn(now) {
            self.forget_pictures(|_| true);
            actions.push(Action::Publish);
        }
        if !self.day_is_over && self.sessions.day.is_over(now) {
            self.day_is_over = true;
            actions.push(Action::NewDay { number: now.calendar.map(|c| c.day()) });
        }
        let changes = match event {
            Event::Rules(rules) => self.take_rules(now, rules),
            Event::Wireless(named) => {
                self.sections.take(mono, named);
                self.resolve(mono)
            }
            Event::BssUp(bss) => {
                let ifname = bss.ifname.clone();
                actions.extend(self.ownership.heard(&ifname, &bss.ssid));
                let Some(bss) = self.ownership.unmask(bss) else {
                    return self.settle(now, Changes::default(), actions);
                };
                let any = self.radios.up(mono, bss);
                self.forget_pictures(|s| any && s.ifname == ifname); // they carry the SSID
                Changes { any, ..Changes::default() }
            }
            Event::BssDown { ifname } => {
                let mut changes = self.sessions.bss_down(mono, &ifname, self.ownership.hold(&ifname));
                changes.any |= self.radios.down(mono, &ifname);
                changes
            }
            Event::StationAuthorized { ifname, mac, key } => {
                self.sessions.join(mono, &self.rules, &ifname, mac, key.as_deref())
            }
            Event::KeyUsed { ifname, mac, key } => self.sessions.key_used(mono, &self.rules, &ifname, mac, &key),
            Event::StationLeft { ifname, mac } => self.sessions.leave(mono, &ifname, mac, self.ownership.hold(&ifname)),
            Event::Stations { ifname, asked, present } => {
                let hold = self.ownership.hold(&ifname);
                self.sessions.snapshot(mono, &self.rules, &ifname, asked, &present, hold)
            }
            Event::AddressLearned { mac, ip } => {
                Changes { any: self.sessions.learn_address(mac, ip), ..Changes::default() }
            }
            Event::AddressLost { ip } => Changes { any: self.sessions.lose_address(ip), ..Changes::default() },
            Event::AddressWanted { ip } => {
                if !self.sessions.knows_address(ip) {
                    actions.push(Action::ResolveAddress(ip));
                }
                Changes::default()
            }
            Event::Shown { session, offers } => self.take_shown(now, session, &offers, &mut actions),
            Event::PageOpened { session, offers } => {
                let mut changes = self.take_shown(now, session, &offers, &mut actions);
                changes.any |= self.change(session, |s| !std::mem::replace(&mut s.opened, true));
                changes
            }
            Event::Acknowledged { session } => self.take_acknowledged(now, session, &mut actions),
            Event::Declined { session, declined } => self.sessions.decline(mono, session, declined),
            Event::Caught { session } => {
                let any = self.change(session, |s| s.caught.is_none() && s.caught.replace(mono).is_none());
                Changes { any, ..Changes::default() }
            }
            Event::Say { to, said } => self.sessions.say(&to, &said),
            Event::ServerOffers(given) => {
                self.take_offers(now, false, given);
                Changes { any: true, ..Changes::default() }
            }
            Event::Refused { sender, offer } => {
                // Which network it was for is what nobody can vouch for; the report needs one.
                if let Some(network) = self.rules.networks.keys().next() {
                    let what = What::Refused { sender, offer };
                    actions.push(Action::Report(Report { network: network.clone(), what, at: now.wall }));
                }
                Changes::default()
            }
            Event::Challenge(challenge) => {
                actions.extend(self.ownership.take(mono, &self.rules, challenge));
                Changes::default()
            }
            Event::Carried { id, outcome } => {
                actions.extend(self.ownership.carried(&id, outcome));
                Changes { any: true, ..Changes::default() }
            }
            Event::Restored => {
                if let Some((word, ifnames, latest)) = self.ownership.restored(mono) {
                    actions.push(word);
                    self.sessions.release(&ifnames, latest);
                }
                Changes { any: true, ..Changes::default() }
            }
            Event::WitnessWanted { id, name, left } => {
                actions.extend(self.ownership.call(&self.rules, id, name, left));
                Changes::default()
            }
            Event::Listened { id, report } => {
                actions.push(self.ownership.listened(id, report));
                Changes::default()
            }
            Event::Standing(standing) => Changes { any: self.ownership.take_standing(standing), ..Changes::default() },
            Event::Contents(contents) => {
                let any = self.offers.take_contents(now, contents);
                self.forget_pictures(|_| any);
                Changes { any, ..Changes::default() }
            }
            Event::Day(day) => {
                self.day_is_over = false;
                self.counts.values_mut().for_each(|counts| counts.greeted_today = 0);
                self.sessions.take_day(mono, day);
                self.forget_pictures(|_| true);
                Changes { any: true, ..Changes::default() }
            }
            Event::ServerLink(link) => {
                let any = self.server != link;
                self.server = link;
                Changes { any, ..Changes::default() }
            }
            Event::Tick => Changes::default(),
        };
        self.settle(now, changes, actions)
    }

    /// What follows from whatever happened.
    fn settle(&mut self, now: Now, changes: Changes, mut actions: Vec<Action>) -> Vec<Action> {
        let mono = now.mono;
        self.report(now, changes, &mut actions);
        actions.extend(self.radios.tick(mono, &self.rules).map(Action::Announce));
        actions.extend(self.ownership.tick(mono, &self.rules, &self.radios));
        actions.extend(self.ownership.tell(&self.radios));
        if std::mem::take(&mut self.sessions.day_changed) {
            actions.push(Action::KeepDay);
        }
        merge_publish(&mut actions);
        actions
    }

    /// When to send [`Event::Tick`], and why.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        let Self { sessions, radios, sections, offers, ownership, rules, now, .. } = self;
        let turn = sessions.next_turn(now.mono, rules);
        let midnight = now.calendar.map(|c| (now.mono + Duration::from_secs(c.until_midnight()), "begin a day"));
        let all = [
            sessions.next_deadline(),
            turn,
            radios.next_deadline(),
            sections.next_deadline(),
            offers.next_deadline(),
            ownership.next_deadline(),
        ];
        all.into_iter().chain([midnight]).flatten().min()
    }

    /// What is remembered of the day.
    #[must_use]
    pub fn day(&self) -> &Day {
        &self.sessions.day
    }

    /// What the portal and the status may know.
    #[must_use]
    pub fn view(&mut self) -> View {
        let Self { rules, radios, sessions, offers, ownership, server, counts, now, .. } = self;
        let networks = rules.networks.iter().map(|(id, network)| {
            let Counts { arrived, shown, greeted_today } = counts.get(id).copied().unwrap_or_default();
            let bss = network.ifnames.iter().filter_map(|i| radios.on_air(i)).cloned().collect();
            let (standing, challenge) = (ownership.standing(id).cloned(), ownership.carries(id));
            let announced = network.announce.is_some();
            (id.clone(), NetworkView { bss, announced, standing, challenge, arrived, shown, greeted_today })
        });
        let networks = networks.collect();
        let mut pictures = SortedMap::new();
        let (everybody, day) = sessions.with_day();
        for session in everybody {
            let picture = session.picture.take().unwrap_or_else(|| {
                let network = rules.networks.get(&session.network);
                Arc::new(draw(now.mono, session, network, radios, offers, day))
            });
            session.picture = Some(Arc::clone(&picture));
            pictures.insert(session.id, picture);
        }
        let by_ip = sessions.addresses().collect();
        View { sessions: pictures, by_ip, networks, offers: offers.held().to_vec(), server: server.clone() }
    }

    fn take_rules(&mut self, now: Now, rules: Rules) -> Changes {
        self.take_offers(now, true, rules.offers.iter().cloned().map(Given::by_device).collect());
        self.counts.retain(|id, _| rules.networks.contains_key(id));
        self.written = rules;
        let mut changes = self.resolve(now.mono);
        changes.any = true;
        changes
    }

    /// Puts rules in force, if what is written and what netifd says give others than before.
    fn resolve(&mut self, now: Instant) -> Changes {
        let rules = self.sections.resolve(&self.written);
        if rules == self.rules {
            return Changes::default();
        }
        self.rules = rules;
        self.radios.touch(now);
        self.sessions.apply(&self.rules)
    }

    fn take_offers(&mut self, now: Now, by_device: bool, given: Vec<Given>) {
        self.offers.take(now, by_device, given);
        self.forget_pictures(|_| true);
    }

    fn take_shown(&mut self, now: Now, id: SessionId, shown: &[ShownOffer], actions: &mut Vec<Action>) -> Changes {
        let mut changes = Changes::default();
        for name in shown {
            let Some(session) = self.sessions.by_id(id).filter(|s| s.guest) else { break };
            let said = session.said.iter().find(|g| g.sender == name.sender && g.offer.id == name.id);
            let Some(given) = said.or_else(|| self.offers.find(&session.network, name)).cloned() else { continue };
            let (greeted, network) = (session.notice(Happened::Greeted), session.network.clone());
            let first = session.shown.is_empty();
            if !self.sessions.count_shown(now.mono, id, &given) {
                continue;
            }
            changes.any = true;
            if first {
                changes.notices.push(greeted);
            }
            let counts = self.counts.entry(network.clone()).or_default();
            counts.shown = counts.shown.saturating_add(1);
            let what = What::Shown { sender: given.sender, offer: given.offer.id.clone() };
            actions.push(Action::Report(Report { network, what, at: now.wall }));
        }
        changes
    }

    fn take_acknowledged(&mut self, now: Now, id: SessionId, actions: &mut Vec<Action>) -> Changes {
        let Some((network, first)) = self.sessions.acknowledge(now.mono, &self.rules, id) else {
            return Changes::default();
        };
        if first {
            actions.push(Action::Report(Report { network, what: What::Acknowledged, at: now.wall }));
        }
        Changes { any: true, ..Changes::default() }
    }

    /// Changes a guest's visit by `how`, which says whether it did.
    fn change(&mut self, id: SessionId, how: impl FnOnce(&mut Session) -> bool) -> bool {
        let Some(session) = self.sessions.by_id(id).filter(|s| s.guest) else { return false };
        let changed = how(session);
        if changed {
            session.picture = None;
        }
        changed
    }

    fn report(&mut self, now: Now, changes: Changes, actions: &mut Vec<Action>) {
        if changes.any {
            actions.push(Action::Publish);
        }
        for notice in changes.notices {
            let Notice { what, network, .. } = &notice;
            let what = match what {
                Happened::Arrived => {
                    let counts = self.counts.entry(network.clone()).or_default();
                    counts.arrived = counts.arrived.saturating_add(1);
                    Some(What::Arrived)
                }
                Happened::Left => Some(What::Left),
                Happened::Greeted => {
                    let counts = self.counts.entry(network.clone()).or_default();
                    counts.greeted_today = counts.greeted_today.saturating_add(1);
                    // What was shown is reported offer by offer.
                    None
                }
            };
            let report = what.map(|what| Report { network: network.clone(), what, at: now.wall });
            actions.extend(report.map(Action::Report));
            actions.push(Action::Notify(notice));
        }
    }

    fn forget_pictures(&mut self, which: impl Fn(&Session) -> bool) {
        for session in self.sessions.iter_mut().filter(|s| which(s)) {
            session.picture = None;
        }
    }
}

fn draw(
    now: Instant,
    session: &Session,
    network: Option<&NetworkRules>,
    radios: &Radios,
    offers: &Offers,
    day: &Day,
) -> SessionView {
    let nothing = SortedMap::new();
    let visit = Visit {
        network: &session.network,
        fresh: session.fresh,
        first: session.first,
        declined: session.declined,
        shown: &session.shown,
        today: day.known(session.mac).map_or(&nothing, |known| &known.shown),
        said: &session.said,
    };
    let offers = if session.guest { decide(visit, offers.held()) } else { vec![] };
    let (mode, gate) = network.map(|n| (n.mode, n.gate)).unwrap_or_default();
    SessionView {
        id: session.id,
        mac: session.mac,
        network: session.network.clone(),
        ssid: radios.on_air(&session.ifname).map(|b| b.ssid.clone()),
        ifname: session.ifname.clone(),
        credential: session.credential,
        guest: session.guest,
        on_air: session.away_until.is_none(),
        since: session.since,
        mode,
        access: access(now, mode, gate, session.visitor(offers.iter().any(|o| o.due))),
        until: session.released.filter(|at| *at > now),
        declined: session.declined,
        addresses: session.addresses.clone(),
        offers,
    }
}

/// One event publishes at most once, and first: nothing waits behind a report.
fn merge_publish(actions: &mut Vec<Action>) {
    let before = actions.len();
    actions.retain(|a| *a != Action::Publish);
    if actions.len() != before {
        actions.insert(0, Action::Publish);
    }
}
