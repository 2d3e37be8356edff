//! The loop: takes what happens, asks the core, performs what it says.
//!
//! In: events of the sources, of the portal and of the link to the server. Out: the picture that portal and status
//! show, announces and reports for the server, questions for the address watcher. Never waits for any of them, so that
//! nothing can wait in a circle.

use sorted::SortedSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};
use tracing::{debug, info};
use welcome_core::{Action, Agent, Carry, Event, Notice, Now, View};
use welcome_proto::announce::Announce;
use welcome_proto::challenge::{ChallengeName, WitnessReport};
use welcome_proto::{ChallengeId, Mac};

use crate::clock::Clock;
use crate::day;
use crate::local_time::LocalTime;
use crate::meter::Meter;
use crate::upstream::{Reports, Words};
use crate::watch::Heard;

/// How many events are handled before the picture of them is published, if that many are waiting: a hundred phones
/// that join in one second cost a few pictures and not a hundred.
const BATCH: usize = 64;
/// Without a deadline of the core's the loop still looks at the clock now and then.
const IDLE: Duration = Duration::from_secs(3600);

/// The agent at work.
#[derive(Debug)]
pub struct App {
    /// The mind.
    pub agent: Agent,
    /// The time.
    pub clock: Clock,
    /// The time of day.
    pub local_time: LocalTime,
    /// What is remembered of the day, for whoever keeps it.
    pub day: day::Later,
    /// How long joins take.
    pub meter: Arc<Meter>,
    /// What portal and status know.
    pub view: watch::Sender<Arc<View>>,
    /// What the server is to know.
    pub announce: watch::Sender<Option<Announce>>,
    /// What happened, for the server, if there is one.
    pub reports: Option<Reports>,
    /// What happened, for the other programs of this router.
    pub notices: mpsc::Sender<Notice>,
    /// Addresses to look for.
    pub wanted: mpsc::Sender<IpAddr>,
    /// What the radios are to carry.
    pub carry: watch::Sender<Option<Carry>>,
    /// Names to listen for.
    pub listen: mpsc::Sender<(ChallengeId, ChallengeName)>,
    /// What the server asked for.
    pub words: Words,
}

/// Where events come from. What happens on the air comes first.
#[derive(Debug)]
pub struct Inputs {
    /// From `watch`.
    pub heard: mpsc::Receiver<Heard>,
    /// From `portal` and `upstream`.
    pub asked: mpsc::Receiver<Event>,
}

impl App {
    /// Runs until `stop`.
    pub async fn run(mut self, mut inputs: Inputs, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut joins = Vec::new();
        loop {
            let first = tokio::select! {
                biased;
                () = &mut stop => return self.day.hand_on(self.agent.day(), true),
                Some(heard) = inputs.heard.recv() => (heard.event, Some(heard.at)),
                Some(event) = inputs.asked.recv() => (event, None),
                () = self.deadline() => (Event::Tick, None),
            };
            let mut changed = self.take(first, &mut joins);
            for _ in 1..BATCH {
                let Ok(heard) = inputs.heard.try_recv() else { break };
                changed |= self.take((heard.event, Some(heard.at)), &mut joins);
            }
            if changed {
                self.publish();
            }
            self.note(&mut joins);
            self.day.hand_on(self.agent.day(), false);
        }
    }

    /// Handles one event; whether there is a new picture.
    fn take(&mut self, (event, heard): (Event, Option<Instant>), joins: &mut Vec<(Mac, Instant)>) -> bool {
        match (&event, heard) {
            (Event::StationAuthorized { mac, .. }, Some(at)) => joins.push((*mac, at)),
            // Its own event was lost, or it came while hostapd was away from us.
            (Event::Stations { present, .. }, Some(at)) => {
                let view = self.view.borrow();
                let known: SortedSet<_> = view.sessions.values().map(|s| s.mac).collect();
                let found = present.iter().map(|p| p.mac).filter(|mac| !known.contains(mac));
                joins.extend(found.map(|mac| (mac, at)));
            }
            _ => {}
        }
        debug!(?event);
        let mut changed = false;
        let (mut new_day, mut unheard) = (None, None);
        let now = self.now();
        for action in self.agent.handle(now, event) {
            match action {
                Action::Publish => changed = true,
                Action::Announce(announce) => {
                    info!(networks = announce.networks.len(), "what is shared has changed");
                    self.announce.send_replace(Some(announce));
                }
                Action::Report(report) => {
                    if let Some(reports) = &self.reports {
                        reports.push(report);
                    }
                }
                Action::Notify(notice) => {
                    if self.notices.try_send(notice).is_err() {
                        debug!("nobody takes what happens to guests to ubus");
                    }
                }
                Action::KeepDay => self.day.note(),
                Action::NewDay { number } => new_day = Some(number),
                // A full queue means that many are being looked for; the portal asks again.
                Action::ResolveAddress(ip) => drop(self.wanted.try_send(ip)),
                Action::Carry(carry) => drop(self.carry.send_replace(carry)),
                // There is room for the one that the core listens for at a time.
                Action::Listen { id, name } => {
                    if self.listen.try_send((id.clone(), name)).is_err() {
                        unheard = Some(id);
                    }
                }
                Action::Tell(word) => self.words.push(word),
            }
        }
        if let Some(id) = unheard {
            let report = WitnessReport { heard: vec![], refused: Some("it is busy".to_owned()) };
            changed |= self.take((Event::Listened { id, report }, None), joins);
        }
        if let Some(number) = new_day {
            let day = day::new(number, self.clock.now().mono);
            changed |= self.take((Event::Day(day), None), joins);
        }
        changed
    }

    fn now(&mut self) -> Now {
        let now = self.clock.now();
        Now { calendar: self.local_time.calendar(&now), ..now }
    }

    fn publish(&mut self) {
        self.view.send_replace(Arc::new(self.agent.view()));
    }

    /// The offers of these joins are there to fetch: notes how long that took. Those who were here before the agent are
    /// offered nothing new and do not count.
    fn note(&self, joins: &mut Vec<(Mac, Instant)>) {
        if joins.is_empty() {
            return;
        }
        // Who was heard and found in one batch came once.
        joins.sort_unstable();
        joins.dedup_by_key(|(mac, _)| *mac);
        let view = self.view.borrow();
        for (mac, heard) in joins.drain(..) {
            let session = view.sessions.values().find(|s| s.mac == mac);
            if let Some(session) = session.filter(|s| s.due().next().is_some()) {
                let took = heard.elapsed();
                self.meter.note(session.id, took);
                let offers = session.due().count();
                debug!(session = %session.id, network = %session.network, offers, took_us = took.as_micros(), "a guest");
            }
        }
    }

    async fn deadline(&self) {
        let at = match self.agent.next_deadline() {
            Some((at, _why)) => self.clock.instant(at),
            None => Instant::now() + IDLE,
        };
        let at = self.day.due().map_or(at, |due| due.min(at));
        tokio::time::sleep_until(at.into()).await;
    }
}
