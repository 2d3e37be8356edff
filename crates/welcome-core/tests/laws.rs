//! What holds after any events in any order.

#![allow(clippy::unwrap_used, clippy::let_underscore_must_use, reason = "a test may")]

use sorted::{SortedMap, SortedSet};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use welcome_core::{
    Access, Action, Agent, AnnounceRules, Bss, Carry, Challenge, CredentialRule, Event, Given, Mode, NetworkRules, Now,
    Present, Rules,
};
use welcome_proto::announce::Security;
use welcome_proto::challenge::ChallengeName;
use welcome_proto::lan::ShownOffer;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::report::{Report, What};
use welcome_proto::{Mac, Ssid};

proptest! {
    #[test]
    fn the_picture_is_consistent_and_the_counts_add_up(steps in vec(step(), 0..200)) {
        let mut agent = Agent::default();
        let mut now = Duration::ZERO;
        let mut visits = SortedMap::<String, i64>::new();
        let mut actions = agent.handle(at(now), Event::Rules(rules()));
        for step in steps {
            now += step.wait;
            let event = event(&mut agent, now, step);
            actions.extend(agent.handle(at(now), event));
            let published = actions.contains(&Action::Publish);
            for action in actions.drain(..) {
                if let Action::Report(report) = action {
                    let count = visits.entry(report.network.to_string()).or_default();
                    match report.what {
                        What::Arrived => *count += 1,
                        What::Left => *count -= 1,
                        What::Shown { .. } => prop_assert!(published, "somebody saw something and nobody is told"),
                        What::Acknowledged => prop_assert!(published, "a door opened and nobody is told"),
                        What::Refused { .. } => {}
                        What::Dropped { .. } => prop_assert!(false, "the core drops nothing"),
                    }
                    prop_assert!(*count >= 0, "more left than came");
                }
            }
            let view = agent.view();
            for (ip, id) in &view.by_ip {
                prop_assert!(view.sessions[id].addresses.contains(ip));
            }
            for session in view.sessions.values() {
                prop_assert!(session.addresses.len() <= 8);
                prop_assert!(session.addresses.iter().all(|ip| view.by_ip[ip] == session.id));
                prop_assert!(session.guest || session.offers.is_empty(), "an owner's device is offered something");
                prop_assert!(session.due().all(|o| o.shown < o.offer.cap_per_visit));
                prop_assert!(!session.declined || session.due().next().is_none(), "somebody said no, thanks");
                let free = !session.guest || !session.on_air || session.mode < Mode::Splash;
                prop_assert!(session.access == Access::Open || !free, "somebody is in the way of {session:?}");
                prop_assert!(session.access != Access::Catch || session.due().next().is_some(), "a page with nothing on it");
                prop_assert!(session.on_air || agent.next_deadline().is_some(), "a visit that never ends");
            }
        }
        // Once everybody has gone and the time has passed, nothing is left and each visit that began has ended.
        for ifname in IFNAMES {
            actions.extend(agent.handle(at(now), Event::BssDown { ifname: ifname.to_owned() }));
        }
        now += Duration::from_secs(600);
        actions.extend(agent.handle(at(now), Event::Tick));
        for action in actions {
            if let Action::Report(Report { what: What::Left, network, .. }) = action {
                *visits.entry(network.to_string()).or_default() -= 1;
            }
        }
        let view = agent.view();
        prop_assert!(view.sessions.is_empty() && view.by_ip.is_empty());
        prop_assert!(visits.values().all(|v| *v == 0), "{visits:?}");
        prop_assert_eq!(agent.next_deadline(), None);
    }

    #[test]
    fn after_a_snapshot_those_on_the_air_are_those_it_names(steps in vec(step(), 0..60), present in present()) {
        let mut agent = Agent::default();
        let mut now = Duration::ZERO;
        let _ = agent.handle(at(now), Event::Rules(rules()));
        for step in steps {
            now += step.wait;
            let event = event(&mut agent, now, Step { ifname: 0, ..step }); // one radio: nobody roams
            let _ = agent.handle(at(now), event);
        }
        now += Duration::from_secs(1);
        let expected: SortedSet<_> = present.iter().map(|p| p.mac).collect();
        let _ = agent.handle(at(now), Event::Stations { ifname: IFNAMES[0].to_owned(), asked: now, present });
        let on_air: SortedSet<_> = agent.view().sessions.values().filter(|s| s.on_air).map(|s| s.mac).collect();
        prop_assert_eq!(on_air, expected);
    }
}

/// What may happen around a challenge.
#[derive(Debug, Clone)]
enum Proof {
    Asked {
        id: u8,
        network: usize,
        over: bool,
        left: u64,
    },
    Bss {
        ifname: usize,
        ssid: usize,
    },
    Down {
        ifname: usize,
    },
    /// The radios do what was asked of them, or cannot.
    Performed {
        well: bool,
    },
    Left {
        ifname: usize,
    },
}

fn proof() -> impl Strategy<Value = (Duration, Proof)> {
    let what = prop_oneof![
        (0..4u8, 0..3usize, any::<bool>(), 0..2000u64).prop_map(|(id, network, over, left)| Proof::Asked {
            id,
            network,
            over,
            left
        }),
        (0..3usize, 0..3usize).prop_map(|(ifname, ssid)| Proof::Bss { ifname, ssid }),
        (0..3usize).prop_map(|ifname| Proof::Down { ifname }),
        prop::bool::weighted(0.9).prop_map(|well| Proof::Performed { well }),
        (0..3usize).prop_map(|ifname| Proof::Left { ifname }),
    ];
    (prop_oneof![Just(0), 0..3000u64, 0..200_000u64].prop_map(Duration::from_millis), what)
}

fn name(id: u8) -> ChallengeName {
    format!("welcome-000000000000000{id}").parse().unwrap()
}

proptest! {
    #[test]
    fn a_challenge_goes_up_only_where_it_may_and_comes_down_in_time(steps in vec(proof(), 0..80)) {
        let mut agent = Agent::default();
        let mut now = Duration::ZERO;
        let mut actions = agent.handle(at(now), Event::Rules(rules()));
        // What the radios were asked for last, and what was carried before that.
        let mut wanted: Option<Carry> = None;
        let mut pending: Option<Option<Carry>> = None;
        let mut up_since = None;
        let all = steps.into_iter().map(Some).chain(std::iter::repeat_n(None, 4));
        for step in all {
            let (wait, proof) = step.unwrap_or((Duration::from_secs(1000), Proof::Performed { well: true }));
            let until = now + wait;
            while let Some((due, _)) = agent.next_deadline().filter(|(due, _)| *due <= until) {
                now = now.max(due);
                actions.extend(agent.handle(at(now), Event::Tick));
            }
            now = until;
            let event = match proof {
                Proof::Asked { id, network, over, left } => Event::Challenge(Challenge {
                    id: format!("c-{id}").parse().unwrap(),
                    network: ["cafe", "garden", "nowhere"][network].parse().unwrap(),
                    name: (!over).then(|| name(id)),
                    left: Duration::from_secs(left),
                }),
                Proof::Bss { ifname, ssid } => {
                    let carried = wanted.as_ref().map_or(name(9), |c| c.name.clone());
                    let ssid = [Ssid::new(b"Cafe").unwrap(), Ssid::new(b"Bar").unwrap(), carried.ssid().clone()][ssid].clone();
                    let bssid = format!("02:00:00:00:00:0{ifname}").parse().unwrap();
                    let ifname = IFNAMES[ifname].to_owned();
                    Event::BssUp(Bss { ifname, bssid, ssid, security: Security::Open, freq: None })
                }
                Proof::Down { ifname } => Event::BssDown { ifname: IFNAMES[ifname].to_owned() },
                Proof::Left { ifname } => Event::StationLeft { ifname: IFNAMES[ifname].to_owned(), mac: mac(1) },
                Proof::Performed { well } => match pending.take() {
                    None => Event::Tick,
                    Some(Some(carry)) => {
                        let ifnames = carry.own.keys().cloned().collect();
                        let outcome = if well { Ok(ifnames) } else { Err("no".to_owned()) };
                        Event::Carried { id: carry.id, outcome }
                    }
                    Some(None) => {
                        (wanted, up_since) = (None, None);
                        Event::Restored
                    }
                },
            };
            actions.extend(agent.handle(at(now), event));
            for action in actions.drain(..) {
                match action {
                    Action::Carry(Some(carry)) => {
                        prop_assert!(!carry.own.is_empty() && carry.until <= now + Duration::from_secs(600));
                        prop_assert!(pending.is_none() || pending == Some(None) || wanted.as_ref().is_some_and(|w| w.id == carry.id));
                        prop_assert!(carry.own.values().all(|own| own.as_bytes() == b"Cafe" || own.as_bytes() == b"Bar"));
                        up_since.get_or_insert(now);
                        wanted = Some(carry.clone());
                        pending = Some(Some(carry));
                    }
                    Action::Carry(None) => {
                        prop_assert!(wanted.is_some(), "nothing is up");
                        pending = Some(None);
                    }
                    Action::Announce(announce) => {
                        let of_challenge = |ssid: &Ssid| ChallengeName::try_from(ssid.clone()).is_ok();
                        prop_assert!(!announce.networks.iter().any(|n| of_challenge(&n.ssid)), "{announce:?}");
                    }
                    _ => {}
                }
            }
            let is_late = up_since.is_some_and(|since| now > since + Duration::from_secs(600));
            prop_assert!(!is_late || pending == Some(None), "it was not asked down in time");
        }
        prop_assert_eq!(wanted, None);
        prop_assert!(agent.view().networks.values().all(|n| n.challenge.is_none()));
    }
}

const IFNAMES: [&str; 4] = ["wlan0", "wlan1", "guest0", "not-ours"];

#[derive(Debug, Clone)]
struct Step {
    wait: Duration,
    what: u8,
    ifname: usize,
    station: u8,
    key: Option<&'static str>,
    present: Vec<Present>,
}

fn step() -> impl Strategy<Value = Step> {
    let wait = prop_oneof![Just(0), 0..3000u64, 0..200_000u64].prop_map(Duration::from_millis);
    (wait, 0..15u8, 0..IFNAMES.len(), 0..5u8, key(), present())
        .prop_map(|(wait, what, ifname, station, key, present)| Step { wait, what, ifname, station, key, present })
}

fn key() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![Just(None), Just(Some("guest")), Just(Some("home")), Just(Some("other"))]
}

fn present() -> impl Strategy<Value = Vec<Present>> {
    let one = (0..5u8, key(), prop::option::of(0..300u64)).prop_map(|(station, key, connected)| Present {
        mac: mac(station),
        key: key.map(str::to_owned),
        connected: connected.map(Duration::from_secs),
    });
    vec(one, 0..5)
}

fn event(agent: &mut Agent, now: Duration, step: Step) -> Event {
    let ifname = IFNAMES[step.ifname].to_owned();
    let mac = mac(step.station);
    let ip = IpAddr::from(Ipv4Addr::new(10, 0, 0, step.station / 2));
    match step.what {
        0 | 1 => Event::StationAuthorized { ifname, mac, key: step.key.map(str::to_owned) },
        2 => Event::StationLeft { ifname, mac },
        3 => Event::BssDown { ifname },
        4 => Event::Stations { ifname, asked: now.saturating_sub(Duration::from_secs(1)), present: step.present },
        5 => Event::AddressLearned { mac, ip },
        6 => Event::AddressLost { ip },
        7 => {
            let offers = vec![ShownOffer { sender: Sender::Device, id: "hello".parse().unwrap() }];
            match agent.view().sessions.keys().nth(step.station.into()) {
                Some(id) => Event::Shown { session: *id, offers },
                None => Event::Tick,
            }
        }
        8 => {
            let offer = Arc::new(offer("news", step.station));
            Event::ServerOffers(vec![Given { sender: Sender::Server, offer, signed: None }])
        }
        9..13 => match agent.view().sessions.keys().nth(step.station.into()).copied() {
            Some(session) if step.what == 9 => Event::PageOpened { session, offers: vec![] },
            Some(session) if step.what == 10 => Event::Acknowledged { session },
            Some(session) if step.what == 11 => Event::Caught { session },
            Some(session) => Event::Declined { session, declined: step.key.is_none() },
            None => Event::Tick,
        },
        _ => Event::Tick,
    }
}

fn rules() -> Rules {
    let keyed = |unknown_is_shared| CredentialRule::Key {
        shared: ["guest".to_owned()].into(),
        owner: ["home".to_owned()].into(),
        unknown_is_shared,
    };
    let network = |ifnames: &[&str], credential, mode| NetworkRules {
        ifnames: ifnames.iter().map(|i| (*i).to_owned()).collect(),
        credential,
        mode,
        announce: Some(AnnounceRules::default()),
        ..NetworkRules::default()
    };
    Rules {
        networks: [
            ("cafe".parse().unwrap(), network(&["wlan0", "wlan1"], keyed(false), Mode::Splash)),
            ("garden".parse().unwrap(), network(&["guest0"], keyed(true), Mode::Gate)),
        ]
        .into(),
        offers: vec![offer("hello", 2)],
        ownership: true,
    }
}

fn offer(id: &str, cap: u8) -> Offer {
    Offer { cap_per_visit: cap.max(1), ..Offer::new(id.parse().unwrap(), id) }
}

fn mac(station: u8) -> Mac {
    Mac([2, 0, 0, 0, 0, station])
}

fn at(mono: Duration) -> Now {
    Now { mono, ..Now::default() }
}
