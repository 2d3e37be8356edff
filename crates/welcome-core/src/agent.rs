//! The way an event goes: one arm and one function for each.

use std::collections::BTreeMap;
use std::sync::Arc;

use welcome_proto::NetworkId;
use welcome_proto::lan::ShownOffer;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::report::{Report, What};

use crate::action::{Action, Happened, Notice};
use crate::bss::Radios;
use crate::decide::{Visit, decide, is_for};
use crate::event::{Event, ServerLink};
use crate::now::{Instant, Now};
use crate::rules::Rules;
use crate::session::{Changes, Session, SessionId, Sessions};
use crate::view::{NetworkView, SessionView, View};
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
    /// The router's own offers and the server's, in that order.
    offers: Vec<(Sender, Arc<Offer>)>,
    server: ServerLink,
    counts: BTreeMap<NetworkId, Counts>,
}

#[derive(Debug, Default, Clone, Copy)]
struct Counts {
    arrived: u32,
    shown: u32,
}

impl Agent {
    /// Takes what happened and says what to do, in this order.
    #[must_use]
    pub fn handle(&mut self, now: Now, event: Event) -> Vec<Action> {
        let mono = now.mono;
        // What is over by now is over before the event: a return after the time is a new visit even if no tick came.
        let mut actions = Vec::new();
        let over = self.sessions.expire(mono);
        self.report(now, over, &mut actions);
        if self.sections.expire(mono) {
            let changes = self.resolve(mono);
            self.report(now, changes, &mut actions);
        }
        let changes = match event {
            Event::Rules(rules) => self.take_rules(mono, rules),
            Event::Wireless(named) => {
                self.sections.take(mono, named);
                self.resolve(mono)
            }
            Event::BssUp(bss) => {
                let ifname = bss.ifname.clone();
                let any = self.radios.up(mono, bss);
                self.forget_pictures(|s| any && s.ifname == ifname); // they carry the SSID
                Changes { any, ..Changes::default() }
            }
            Event::BssDown { ifname } => {
                let mut changes = self.sessions.bss_down(mono, &ifname);
                changes.any |= self.radios.down(mono, &ifname);
                changes
            }
            Event::StationAuthorized { ifname, mac, key } => {
                self.sessions.join(mono, &self.rules, &ifname, mac, key.as_deref())
            }
            Event::KeyUsed { ifname, mac, key } => self.sessions.key_used(mono, &self.rules, &ifname, mac, &key),
            Event::StationLeft { ifname, mac } => self.sessions.leave(mono, &ifname, mac),
            Event::Stations { ifname, asked, present } => {
                self.sessions.snapshot(mono, &self.rules, &ifname, asked, &present)
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
            Event::Say { to, offer } => self.sessions.say(&to, &offer),
            Event::ServerOffers(offers) => {
                self.take_offers(Sender::Server, offers);
                Changes { any: true, ..Changes::default() }
            }
            Event::ServerLink(link) => {
                let any = self.server != link;
                self.server = link;
                Changes { any, ..Changes::default() }
            }
            Event::Tick => Changes::default(),
        };
        self.report(now, changes, &mut actions);
        actions.extend(self.radios.tick(mono, &self.rules).map(Action::Announce));
        merge_publish(&mut actions);
        actions
    }

    /// When to send [`Event::Tick`], and why.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        let Self { sessions, radios, sections, .. } = self;
        [sessions.next_deadline(), radios.next_deadline(), sections.next_deadline()].into_iter().flatten().min()
    }

    /// What the portal and the status may know.
    #[must_use]
    pub fn view(&mut self) -> View {
        let Self { rules, radios, sessions, offers, server, counts, .. } = self;
        let networks = rules.networks.iter().map(|(id, network)| {
            let Counts { arrived, shown } = counts.get(id).copied().unwrap_or_default();
            let bss = network.ifnames.iter().filter_map(|i| radios.on_air(i)).cloned().collect();
            (id.clone(), NetworkView { bss, announced: network.announce.is_some(), arrived, shown })
        });
        let networks = networks.collect();
        let mut pictures = BTreeMap::new();
        for session in sessions.iter_mut() {
            let picture = session.picture.take().unwrap_or_else(|| Arc::new(draw(session, radios, offers)));
            session.picture = Some(Arc::clone(&picture));
            pictures.insert(session.id, picture);
        }
        let by_ip = sessions.addresses().collect();
        View { sessions: pictures, by_ip, networks, offers: offers.clone(), server: server.clone() }
    }

    fn take_rules(&mut self, now: Instant, rules: Rules) -> Changes {
        self.take_offers(Sender::Device, rules.offers.clone());
        self.counts.retain(|id, _| rules.networks.contains_key(id));
        self.written = rules;
        let mut changes = self.resolve(now);
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

    fn take_offers(&mut self, from: Sender, offers: Vec<Offer>) {
        self.offers.retain(|(sender, _)| *sender != from);
        self.offers.extend(offers.into_iter().map(|o| (from, Arc::new(o))));
        self.forget_pictures(|_| true);
    }

    fn take_shown(&mut self, now: Now, id: SessionId, shown: &[ShownOffer], actions: &mut Vec<Action>) -> Changes {
        let mut changes = Changes::default();
        let Some(session) = self.sessions.by_id(id).filter(|s| s.guest) else { return changes };
        for ShownOffer { sender, id } in shown {
            let said = session.said.iter().find(|o| *sender == Sender::Device && o.id == *id);
            let held = self.offers.iter().find(|(s, o)| s == sender && o.id == *id && is_for(o, &session.network));
            let Some(offer) = said.or(held.map(|(_, offer)| offer)) else { continue };
            let first = session.shown.is_empty();
            let count = session.shown.entry((*sender, id.clone())).or_default();
            if *count >= offer.cap_per_visit {
                continue;
            }
            *count += 1;
            session.picture = None;
            changes.any = true;
            if first {
                changes.notices.push(session.notice(Happened::Greeted));
            }
            let counts = self.counts.entry(session.network.clone()).or_default();
            counts.shown = counts.shown.saturating_add(1);
            let what = What::Shown { sender: *sender, offer: id.clone() };
            actions.push(Action::Report(Report { network: session.network.clone(), what, at: now.wall }));
        }
        changes
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
                // What was shown is reported offer by offer.
                Happened::Greeted => None,
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

fn draw(session: &Session, radios: &Radios, offers: &[(Sender, Arc<Offer>)]) -> SessionView {
    let visit = Visit { network: &session.network, fresh: session.fresh, shown: &session.shown, said: &session.said };
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
        addresses: session.addresses.clone(),
        offers: if session.guest { decide(visit, offers) } else { vec![] },
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
