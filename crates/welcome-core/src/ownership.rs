//! The router's half of a proof of ownership: which challenge is carried, when it goes up, and what takes it down.
//!
//! In: challenges whose signature is good, what became of the radios, the rules. Out: what the radios are to carry, and
//! what the server is to hear of it. One challenge at a time. Must never let another name onto the air than a
//! [`ChallengeName`], for longer than [`LIFETIME`], or on a network that is not announced.

use sorted::SortedMap;
use std::collections::VecDeque;
use std::time::Duration;

use welcome_proto::challenge::{ChallengeName, ChallengeState, LIFETIME, MAX_AHEAD, NetworkStanding, WitnessReport};
use welcome_proto::{Bssid, ChallengeId, NetworkId, Ssid};

use crate::action::{Action, Carry, Word};
use crate::bss::Radios;
use crate::event::{Bss, Challenge};
use crate::now::Instant;
use crate::rules::Rules;

/// For how long a phone may take to come back once its network has its name again: most look each minute or so.
const RETURN: Duration = Duration::from_secs(90);
/// How many challenges that were over are known again.
const KNOWN: usize = 32;

/// What this router knows of ownership.
#[derive(Debug, Default)]
pub struct Ownership {
    open: Option<Open>,
    /// Waits for its radios, or for the one before it to be off the air.
    waiting: Option<(Challenge, Instant)>,
    /// Those that are not taken up (again), the oldest first.
    over: VecDeque<ChallengeId>,
    /// The call for a witness that is being listened for.
    listening: Option<ChallengeId>,
    standing: SortedMap<NetworkId, NetworkStanding>,
}

#[derive(Debug)]
struct Open {
    id: ChallengeId,
    network: NetworkId,
    name: ChallengeName,
    /// Interfaces, and the names that are theirs.
    own: SortedMap<String, Ssid>,
    until: Instant,
    /// Whether its radios carry it.
    up: bool,
    /// Whether it is on its way down.
    ending: bool,
    /// Why it never got up.
    failed: Option<String>,
    /// The BSS that carry it, as the server was told last.
    told: Vec<Bssid>,
}

impl Ownership {
    /// Takes a challenge, or the early end of one.
    pub fn take(&mut self, now: Instant, rules: &Rules, challenge: Challenge) -> Option<Action> {
        let Challenge { id, network, name, left } = &challenge;
        if name.is_none() {
            if let Some(open) = self.open.as_mut().filter(|o| o.id == *id) {
                return open.end();
            }
            self.waiting.take_if(|(waiting, _)| waiting.id == *id);
            self.note_over(id);
            return Some(tell(id, ChallengeState::OffAir));
        }
        let is_open = self.open.as_ref().is_some_and(|o| o.id == *id);
        let is_waiting = self.waiting.as_ref().is_some_and(|(waiting, _)| waiting.id == *id);
        if is_open || is_waiting || self.over.contains(id) {
            return None;
        }
        let why = if let Some(why) = unfit(rules, network) {
            Some(why)
        } else if left.is_zero() {
            Some("it is too late for it")
        } else if *left > Duration::from_secs(MAX_AHEAD) {
            Some("it is for longer than a challenge may last")
        } else if self.open.as_ref().is_some_and(|o| o.network != *network && !o.ending) {
            Some("another network of this router carries a challenge")
        } else {
            None
        };
        if let Some(why) = why {
            return Some(self.refuse(&id.clone(), why));
        }
        let until = now + (*left).min(Duration::from_secs(LIFETIME));
        let before = self.waiting.replace((challenge, until));
        if let Some((before, _)) = before {
            return Some(self.refuse(&before.id, "another one came"));
        }
        // A new one for the same network takes the place of the one before.
        self.open.as_mut().and_then(Open::end)
    }

    /// These interfaces carry the challenge; nothing if none could be made to.
    pub fn carried(&mut self, id: &ChallengeId, outcome: Result<Vec<String>, String>) -> Option<Action> {
        let open = self.open.as_mut().filter(|o| o.id == *id)?;
        match outcome {
            Ok(ifnames) => {
                open.own.retain(|ifname, _| ifnames.contains(ifname));
                open.up = true;
                None
            }
            Err(why) => {
                open.failed = Some(why);
                open.end()
            }
        }
    }

    /// The challenge that was to be taken off the air is off. Also says of which interfaces stations may come back, and until when.
    pub fn restored(&mut self, now: Instant) -> Option<(Action, Vec<String>, Instant)> {
        let open = self.open.take_if(|o| o.ending)?;
        self.note_over(&open.id);
        let state = open.failed.map_or(ChallengeState::OffAir, |why| ChallengeState::Refused { why });
        Some((tell(&open.id, state), open.own.into_keys().collect(), now + RETURN))
    }

    /// Takes a call for a witness.
    pub fn call(&mut self, rules: &Rules, id: ChallengeId, name: ChallengeName, left: Duration) -> Option<Action> {
        if self.listening.as_ref() == Some(&id) || self.over.contains(&id) {
            return None;
        }
        let why = match () {
            () if !rules.ownership => Some(OFF),
            () if left.is_zero() => Some("it is too late for it"),
            () if self.listening.is_some() => Some("it is listening for another"),
            () => None,
        };
        if let Some(why) = why {
            let report = WitnessReport { heard: vec![], refused: Some(why.to_owned()) };
            return Some(self.listened(id, report));
        }
        self.listening = Some(id.clone());
        Some(Action::Listen { id, name })
    }

    /// What was heard.
    pub fn listened(&mut self, id: ChallengeId, report: WitnessReport) -> Action {
        self.listening.take_if(|listening| *listening == id);
        self.note_over(&id);
        Action::Tell(Word::Witness(id, report))
    }

    /// A BSS under the name that is its own. One with the name of a challenge that we know nothing of is none: it was
    /// asked while the name was on its way down.
    #[must_use]
    pub fn unmask(&self, bss: Bss) -> Option<Bss> {
        let carries = |open: &&Open| *open.name.ssid() == bss.ssid;
        match self.open.as_ref().filter(carries).and_then(|o| o.own.get(&bss.ifname)) {
            Some(own) => Some(Bss { ssid: own.clone(), ..bss }),
            None => ChallengeName::try_from(bss.ssid.clone()).is_err().then_some(bss),
        }
    }

    /// A BSS says which name it has. One that came back under its own, as after a restart of hostapd, is to carry the
    /// challenge again; one that was given another by its owner ends it.
    pub fn heard(&mut self, ifname: &str, ssid: &Ssid) -> Option<Action> {
        let open = self.open.as_mut().filter(|o| !o.ending)?;
        let own = open.own.get(ifname)?;
        if ssid == open.name.ssid() {
            None
        } else if ssid == own {
            Some(open.carry())
        } else {
            open.end()
        }
    }

    /// How long a station that leaves this interface is waited for, while it cannot come back.
    #[must_use]
    pub fn hold(&self, ifname: &str) -> Option<Instant> {
        self.open.as_ref().filter(|o| o.own.contains_key(ifname)).map(|o| o.until + RETURN)
    }

    /// Takes how the networks stand with the directory. Whether that is news.
    pub fn take_standing(&mut self, standing: SortedMap<NetworkId, NetworkStanding>) -> bool {
        let differs = self.standing != standing;
        self.standing = standing;
        differs
    }

    /// How a network stands with the directory.
    #[must_use]
    pub fn standing(&self, network: &NetworkId) -> Option<&NetworkStanding> {
        self.standing.get(network)
    }

    /// Until when a network carries a challenge.
    #[must_use]
    pub fn carries(&self, network: &NetworkId) -> Option<Instant> {
        self.open.as_ref().filter(|o| o.network == *network && o.up).map(|o| o.until)
    }

    /// Does what has become due or possible.
    pub fn tick(&mut self, now: Instant, rules: &Rules, radios: &Radios) -> Vec<Action> {
        let mut actions = Vec::new();
        if let Some(open) = self.open.as_mut().filter(|o| now >= o.until || unfit(rules, &o.network).is_some()) {
            actions.extend(open.end());
        }
        if let Some((challenge, until)) = self.waiting.take() {
            let bss: Vec<_> = rules.networks.get(&challenge.network).map_or(vec![], |n| radios.of(n));
            let own: SortedMap<_, _> = bss.iter().map(|b| (b.ifname.clone(), b.ssid.clone())).collect();
            if let Some(why) = unfit(rules, &challenge.network) {
                actions.push(self.refuse(&challenge.id, why));
            } else if now >= until {
                actions.push(self.refuse(&challenge.id, "no radio of the network was on the air in time"));
            } else if let (None, Some(name), false) = (&self.open, &challenge.name, own.is_empty()) {
                let Challenge { id, network, .. } = challenge.clone();
                let open = Open {
                    id,
                    network,
                    name: name.clone(),
                    own,
                    until,
                    up: false,
                    ending: false,
                    failed: None,
                    told: vec![],
                };
                actions.push(open.carry());
                self.open = Some(open);
            } else {
                self.waiting = Some((challenge, until));
            }
        }
        actions
    }

    /// Says which BSS carry the challenge, if that is other than the server was told.
    pub fn tell(&mut self, radios: &Radios) -> Option<Action> {
        let open = self.open.as_mut().filter(|o| o.up && !o.ending)?;
        let mut bssids: Vec<_> = open.own.keys().filter_map(|i| radios.known(i)).map(|b| b.bssid).collect();
        bssids.sort_unstable();
        if bssids == open.told {
            return None;
        }
        open.told.clone_from(&bssids);
        Some(tell(&open.id, ChallengeState::OnAir { bssids }))
    }

    /// When to call [`Self::tick`] next.
    #[must_use]
    pub fn next_deadline(&self) -> Option<(Instant, &'static str)> {
        let open = self.open.as_ref().filter(|o| !o.ending).map(|o| o.until);
        let waiting = self.waiting.as_ref().map(|(_, until)| *until);
        open.into_iter().chain(waiting).min().map(|at| (at, "end a challenge"))
    }

    fn refuse(&mut self, id: &ChallengeId, why: &str) -> Action {
        self.note_over(id);
        tell(id, ChallengeState::Refused { why: why.to_owned() })
    }

    fn note_over(&mut self, id: &ChallengeId) {
        if !self.over.contains(id) {
            if self.over.len() == KNOWN {
                self.over.pop_front();
            }
            self.over.push_back(id.clone());
        }
    }
}

impl Open {
    fn carry(&self) -> Action {
        let Self { id, name, own, until, .. } = self;
        Action::Carry(Some(Carry { id: id.clone(), name: name.clone(), own: own.clone(), until: *until }))
    }

    /// Has it taken off the air, unless that is under way.
    fn end(&mut self) -> Option<Action> {
        (!std::mem::replace(&mut self.ending, true)).then_some(Action::Carry(None))
    }
}

/// Why a network takes no challenge.
fn unfit(rules: &Rules, network: &NetworkId) -> Option<&'static str> {
    match rules.networks.get(network) {
        _ if !rules.ownership => Some(OFF),
        None => Some("this router has no such network"),
        Some(rules) if rules.announce.is_none() => Some("the network is not announced"),
        Some(_) => None,
    }
}

fn tell(id: &ChallengeId, state: ChallengeState) -> Action {
    Action::Tell(Word::Challenge(id.clone(), state))
}

const OFF: &str = "option ownership of section server is 0 on this router";
