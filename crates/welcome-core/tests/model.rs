//! Ten thousand joins and leaves in random order, with lost events and snapshots between: the table of visits is held to
//! what is really on the air, and to a model so plain that one sees that it is right.

#![allow(clippy::unwrap_used, reason = "a test may")]

use sorted::{SortedMap, SortedSet};
use std::time::Duration;

use proptest::prelude::*;
use welcome_core::{Agent, Event, NetworkRules, Now, Present, Rules};
use welcome_proto::{Mac, NetworkId};

/// `(network, interface)`: two radios of one network, one of another.
const RADIOS: [(&str, &str); 3] = [("cafe", "wlan0"), ("cafe", "wlan1"), ("garden", "wlan2")];
const STATIONS: u64 = 40;
const STEPS: usize = 10_000;
const LINGER: Duration = Duration::from_secs(10);

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_table_equals_the_models_and_after_snapshots_the_air(seed in any::<u64>(), loss in 0..60u64) {
        let mut chance = Chance(seed);
        let mut agent = Agent::default();
        let mut model = Model::default();
        let mut air = Air::default();
        let mut now = Duration::ZERO;
        drop(agent.handle(at(now), Event::Rules(rules())));
        for _ in 0..STEPS {
            now += Duration::from_millis(chance.below(1500));
            let station = mac(chance.below(STATIONS));
            let radio = chance.below(RADIOS.len() as u64) as usize;
            let heard = chance.below(100) >= loss;
            match chance.below(10) {
                // A roam: the new radio's join comes first, then the old one's leave, either of which may be lost.
                0..5 => {
                    let before = air.on.insert(station, (radio, now));
                    if heard {
                        send(&mut agent, &mut model, now, &Step::Join(radio, station));
                    }
                    if let Some((old, _)) = before.filter(|(old, _)| *old != radio)
                        && chance.below(100) >= loss
                    {
                        send(&mut agent, &mut model, now, &Step::Leave(old, station));
                    }
                }
                5..9 => {
                    if let Some((radio, _)) = air.on.remove(&station)
                        && heard
                    {
                        send(&mut agent, &mut model, now, &Step::Leave(radio, station));
                    }
                }
                _ => {
                    for radio in 0..RADIOS.len() {
                        send(&mut agent, &mut model, now, &Step::Snapshot(radio, air.present(radio, now)));
                    }
                    prop_assert_eq!(on_air(&mut agent), air.stations());
                }
            }
            model.expire(now);
            drop(agent.handle(at(now), Event::Tick));
            prop_assert_eq!(table(&mut agent), model.table());
        }
    }
}

enum Step {
    Join(usize, Mac),
    Leave(usize, Mac),
    Snapshot(usize, SortedMap<Mac, Duration>),
}

fn send(agent: &mut Agent, model: &mut Model, now: Duration, step: &Step) {
    model.expire(now);
    model.step(now, step);
    let ifname = |radio: &usize| RADIOS[*radio].1.to_owned();
    let event = match step {
        Step::Join(radio, mac) => Event::StationAuthorized { ifname: ifname(radio), mac: *mac, key: None },
        Step::Leave(radio, mac) => Event::StationLeft { ifname: ifname(radio), mac: *mac },
        Step::Snapshot(radio, present) => {
            let present = present.iter().map(|(mac, c)| Present { mac: *mac, key: None, connected: Some(*c) });
            // Asked a moment later than whatever happened in this instant.
            let (asked, present) = (now + Duration::from_nanos(1), present.collect());
            Event::Stations { ifname: ifname(radio), asked, present }
        }
    };
    drop(agent.handle(at(now), event));
}

/// Who is really where, and since when.
#[derive(Default)]
struct Air {
    on: SortedMap<Mac, (usize, Duration)>,
}

impl Air {
    /// What hostapd would answer: time since the join in whole seconds.
    fn present(&self, radio: usize, now: Duration) -> SortedMap<Mac, Duration> {
        let here = self.on.iter().filter(|(_, (r, _))| *r == radio);
        here.map(|(mac, (_, since))| (*mac, Duration::from_secs((now - *since).as_secs()))).collect()
    }

    fn stations(&self) -> SortedSet<(Mac, &'static str)> {
        self.on.iter().map(|(mac, (radio, _))| (*mac, RADIOS[*radio].0)).collect()
    }
}

/// One visit a station: where it was last known to be, and until when it is waited for.
#[derive(Default)]
struct Model {
    visits: SortedMap<Mac, Visit>,
}

struct Visit {
    radio: usize,
    joined: Duration,
    away_until: Option<Duration>,
    /// Another radio that lists it since about the same second.
    also: Option<(usize, Duration)>,
}

impl Model {
    fn expire(&mut self, now: Duration) {
        self.visits.retain(|_, v| v.away_until.is_none_or(|until| now < until));
    }

    fn step(&mut self, now: Duration, step: &Step) {
        match step {
            Step::Join(radio, mac) => self.join(*radio, *mac, now),
            Step::Leave(radio, mac) => {
                if let Some(visit) = self.visits.get_mut(mac).filter(|v| v.radio == *radio) {
                    visit.away_until.get_or_insert(now + LINGER);
                }
            }
            Step::Snapshot(radio, present) => {
                for (mac, connected) in present {
                    let joined = now.saturating_sub(*connected);
                    // A visit on another radio moves only if the join there is clearly the later one.
                    let stays = self.visits.get(mac).is_some_and(|v| {
                        v.away_until.is_none() && v.radio != *radio && joined <= v.joined + Duration::from_secs(1)
                    });
                    if !stays {
                        self.join(*radio, *mac, joined);
                    } else if let Some(visit) = self.visits.get_mut(mac) {
                        let about = joined.abs_diff(visit.joined) <= Duration::from_secs(1);
                        visit.also = about.then_some((*radio, joined));
                    }
                }
                for (_, visit) in self.visits.iter_mut().filter(|(mac, _)| !present.contains_key(mac)) {
                    if visit.radio != *radio {
                        visit.also.take_if(|(other, _)| other == radio);
                    } else if visit.away_until.is_none() {
                        match visit.also.take() {
                            Some((other, joined)) => (visit.radio, visit.joined) = (other, joined),
                            None => visit.away_until = Some(now + LINGER),
                        }
                    }
                }
            }
        }
    }

    fn join(&mut self, radio: usize, mac: Mac, joined: Duration) {
        let goes_on = self.visits.get(&mac).is_some_and(|v| v.radio == radio && v.away_until.is_none());
        if !goes_on {
            self.visits.insert(mac, Visit { radio, joined, away_until: None, also: None });
        }
    }

    fn table(&self) -> SortedMap<Mac, (String, bool)> {
        self.visits.iter().map(|(mac, v)| (*mac, (RADIOS[v.radio].1.to_owned(), v.away_until.is_none()))).collect()
    }
}

fn table(agent: &mut Agent) -> SortedMap<Mac, (String, bool)> {
    agent.view().sessions.values().map(|s| (s.mac, (s.ifname.clone(), s.on_air))).collect()
}

fn on_air(agent: &mut Agent) -> SortedSet<(Mac, &'static str)> {
    let network = |id: &NetworkId| RADIOS.iter().find(|(n, _)| *n == id.as_str()).unwrap().0;
    agent.view().sessions.values().filter(|s| s.on_air).map(|s| (s.mac, network(&s.network))).collect()
}

fn rules() -> Rules {
    let network = |name: &str| {
        let ifnames = RADIOS.iter().filter(|(n, _)| *n == name).map(|(_, ifname)| (*ifname).to_owned()).collect();
        (name.parse().unwrap(), NetworkRules { ifnames, ..NetworkRules::default() })
    };
    Rules { networks: [network("cafe"), network("garden")].into(), offers: vec![], ownership: false }
}

/// A plain generator (xorshift64*): the same seed tells the same story.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.max(1);
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % limit
    }
}

fn mac(station: u64) -> Mac {
    Mac([2, 0, 0, 0, 0, station as u8])
}

fn at(mono: Duration) -> Now {
    Now { mono, ..Now::default() }
}
