//! Plays every `*.scn` beside this file to the core: times, events, and what must come of them.
//!
//! The words are explained in `README.md` beside the stories.

use sorted::SortedMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use testkit::story::{Kind, Line, parse};
use welcome_core::{
    Access, Action, Agent, AnnounceRules, Audience, Bss, Calendar, Carry, Challenge, CredentialRule, Day, Event, Gate,
    Given, Happened, Mode, NetworkRules, Notice, Now, Present, Rules, ServerLink, SessionId, Wireless, Word,
};
use welcome_proto::announce::Security;
use welcome_proto::challenge::{ChallengeState, Heard, WitnessReport};
use welcome_proto::lan::ShownOffer;
use welcome_proto::offer::{self, File, FileKind, Image, Offer, Sender};
use welcome_proto::report::What;
use welcome_proto::{Digest, Mac, Secret};

#[test]
fn every_story_goes_as_it_is_told() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenario");
    let mut told = 0;
    let mut wrong = Vec::new();
    for entry in std::fs::read_dir(here).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "scn") {
            told += 1;
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let lines = parse(&std::fs::read_to_string(&path).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
            if let Err(error) = Play::default().run(&lines) {
                wrong.push(format!("{name}:{error}"));
            }
        }
    }
    assert!(told >= 8, "only {told} stories found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[derive(Default)]
struct Play {
    agent: Agent,
    rules: Rules,
    names: SortedMap<String, Mac>,
    /// What the clock on the wall shows at the beginning, once somebody has said so.
    clock: Option<Calendar>,
    /// What came of the last event and was not expected yet.
    outcome: Vec<String>,
    now: Duration,
    /// How many days have begun.
    days: u8,
    begun: bool,
}

impl Play {
    fn run(&mut self, lines: &[Line]) -> Result<(), String> {
        for line in lines {
            let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
            self.line(line.kind, &words).map_err(|e| format!("{}: {}: {e}", line.number, words.join(" ")))?;
        }
        self.all_expected()
    }

    fn line(&mut self, kind: Kind, words: &[&str]) -> Result<(), String> {
        match kind {
            Kind::Given => self.given(words),
            Kind::At(at) => {
                self.all_expected()?;
                self.begin();
                self.let_time_pass(at);
                let event = self.event(words)?;
                self.now = at;
                self.handle(event);
                Ok(())
            }
            Kind::Then if *words == ["nothing"] => self.all_expected(),
            Kind::Then => {
                let expected = words.join(" ");
                if self.outcome.first() != Some(&expected) {
                    return Err(format!("what came instead: {:?}", self.outcome));
                }
                self.outcome.remove(0);
                Ok(())
            }
            Kind::Look => self.look(words),
        }
    }

    fn all_expected(&self) -> Result<(), String> {
        if self.outcome.is_empty() { Ok(()) } else { Err(format!("not expected: {:?}", self.outcome)) }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.handle(Event::Rules(self.rules.clone()));
        }
    }

    /// Ticks at each deadline on the way to `until`, as the agent's loop does.
    fn let_time_pass(&mut self, until: Duration) {
        while let Some((at, _why)) = self.agent.next_deadline().filter(|(at, _)| *at <= until) {
            self.now = self.now.max(at);
            self.handle(Event::Tick);
        }
    }

    fn handle(&mut self, event: Event) {
        let calendar = self.clock.map(|c| Calendar { unix: c.unix + self.now.as_secs(), ..c });
        let now = Now { mono: self.now, calendar, ..Now::default() };
        let mut new_day = None;
        for action in self.agent.handle(now, event) {
            match action {
                Action::Publish => {}
                Action::Announce(announce) => {
                    let networks = announce.networks.iter().map(|n| {
                        let key = if n.key.is_some() { " with key" } else { "" };
                        let bss: Vec<_> = n.bss.iter().map(|b| b.bssid.to_string()).collect();
                        format!("{} {}{key}", n.id, bss.join(" "))
                    });
                    let left_out = announce.left_out.iter().map(|l| format!("without {} {}", l.id, l.mark.as_str()));
                    let networks: Vec<_> = networks.chain(left_out).collect();
                    self.outcome.push(format!("announce {}", networks.join(", ")).trim_end().to_owned());
                }
                Action::Report(report) => self.outcome.push(match report.what {
                    What::Arrived => format!("report arrived {}", report.network),
                    What::Left => format!("report left {}", report.network),
                    What::Shown { offer, .. } => format!("report shown {offer} {}", report.network),
                    What::Acknowledged => format!("report acknowledged {}", report.network),
                    What::Refused { offer, .. } => format!("report refused {offer}"),
                    What::Dropped { count } => format!("report dropped {count}"),
                }),
                Action::KeepDay => {}
                Action::NewDay { number } => {
                    self.days += 1;
                    new_day = Some(Day { number, salt: [self.days; 16], began: self.now, ..Day::default() });
                }
                Action::Notify(Notice { what: Happened::Greeted, network, .. }) => {
                    self.outcome.push(format!("notify greeted {network}"));
                }
                // Goes with the report, which the core's own tests hold it to.
                Action::Notify(_) => {}
                Action::ResolveAddress(ip) => self.outcome.push(format!("resolve {ip}")),
                Action::Carry(None) => self.outcome.push("carry nothing".to_owned()),
                Action::Carry(Some(Carry { name, own, until, .. })) => {
                    let own: String = own.iter().map(|(ifname, ssid)| format!("{ifname}/{ssid} ")).collect();
                    self.outcome.push(format!("carry {name} {own}until {}s", until.as_secs()));
                }
                Action::Listen { id, name } => self.outcome.push(format!("listen {id} {name}")),
                Action::Tell(word) => self.outcome.push(told(&word)),
            }
        }
        if let Some(day) = new_day {
            self.handle(Event::Day(day));
        }
    }

    fn given(&mut self, words: &[&str]) -> Result<(), String> {
        let (set, options) = split_options(words);
        match *set {
            ["station", name, mac] => {
                self.names.insert(name.to_owned(), read(mac)?);
            }
            ["network", id, "on", ref ifnames @ ..] => {
                let list = |key: &str| -> sorted::SortedSet<String> {
                    options.get(key).map(|v| v.split(',').map(str::to_owned).collect()).unwrap_or_default()
                };
                let credential = match options.get("credential").copied() {
                    None | Some("bss") => CredentialRule::Bss,
                    Some(_) => CredentialRule::Key {
                        shared: list("shared"),
                        owner: list("owner"),
                        unknown_is_shared: options.get("unknown") == Some(&"shared"),
                    },
                };
                let key = options.get("key").map(|k| Secret::new(*k));
                let key_of_netifd = options.get("share") == Some(&"netifd");
                let announce = AnnounceRules { key, key_of_netifd, place: None };
                let announce = (options.get("announce") != Some(&"no")).then_some(announce);
                let ifnames = ifnames.iter().map(|i| (*i).to_owned()).collect();
                let mode = match options.get("mode") {
                    None => Mode::default(),
                    Some(word) => Mode::ALL.into_iter().find(|m| m.as_str() == *word).ok_or("which mode?")?,
                };
                let time = options.get("gate").map_or(Ok(Gate::default().time), |t| seconds(t))?;
                let gate = Gate { time, fails_open: options.get("fail") != Some(&"closed") };
                let network = NetworkRules { ifnames, sections: list("sections"), credential, announce, mode, gate };
                self.rules.networks.insert(read(id)?, network);
            }
            ["offer", id] => {
                let offer = offer(id, &options)?;
                self.rules.offers.push(offer);
            }
            ["ownership", word] => self.rules.ownership = word == "yes",
            _ => return Err("not understood".to_owned()),
        }
        // Given again after the beginning: the configuration was changed and read again.
        if self.begun {
            self.handle(Event::Rules(self.rules.clone()));
        }
        Ok(())
    }

    fn event(&mut self, words: &[&str]) -> Result<Event, String> {
        let (set, options) = split_options(words);
        let key = options.get("key").map(|k| (*k).to_owned());
        Ok(match *set {
            ["bss", ifname, bssid, ssid] => Event::BssUp(Bss {
                ifname: ifname.to_owned(),
                bssid: read(bssid)?,
                ssid: read(ssid)?,
                security: if options.contains_key("open") { Security::Open } else { Security::Psk },
                freq: Some(2412),
            }),
            ["bss-down", ifname] => Event::BssDown { ifname: ifname.to_owned() },
            ["wireless", ref interfaces @ ..] => {
                let wireless = interfaces.iter().map(|text| {
                    let mut parts = text.split('/');
                    let ifname = parts.next().unwrap_or_default().to_owned();
                    let section = parts.next().ok_or("IFNAME/SECTION or IFNAME/SECTION/KEY")?.to_owned();
                    Ok((ifname, Wireless { section, key: parts.next().map(Secret::new) }))
                });
                Event::Wireless(wireless.collect::<Result<_, String>>()?)
            }
            ["key", ifname, name] => {
                Event::KeyUsed { ifname: ifname.to_owned(), mac: self.mac(name)?, key: key.ok_or("which key=?")? }
            }
            ["say", "network", id, offer_id] => {
                let said = Given::by_device(offer(offer_id, &options)?);
                Event::Say { to: Audience::Network(read(id)?), said }
            }
            ["say", "station", name, offer_id] => {
                let said = Given::by_device(offer(offer_id, &options)?);
                Event::Say { to: Audience::Station(self.mac(name)?), said }
            }
            ["join", ifname, name] => Event::StationAuthorized { ifname: ifname.to_owned(), mac: self.mac(name)?, key },
            ["leave", ifname, name] => Event::StationLeft { ifname: ifname.to_owned(), mac: self.mac(name)? },
            ["snapshot", ifname, ref present @ ..] => {
                let asked = options.get("asked").map_or(Ok(self.now), |t| seconds(t))?;
                let present: Result<_, String> = present.iter().map(|p| self.present(p)).collect();
                Event::Stations { ifname: ifname.to_owned(), asked, present: present? }
            }
            ["address", name, ip] => Event::AddressLearned { mac: self.mac(name)?, ip: read(ip)? },
            ["address-lost", ip] => Event::AddressLost { ip: read(ip)? },
            ["asks", ip] => Event::AddressWanted { ip: read(ip)? },
            ["sees", name, ref offers @ ..] => Event::Shown { session: self.visit_of(name)?, offers: named(offers)? },
            ["opens", name, ref offers @ ..] => {
                Event::PageOpened { session: self.visit_of(name)?, offers: named(offers)? }
            }
            ["presses", name] => Event::Acknowledged { session: self.visit_of(name)? },
            ["declines", name] => Event::Declined { session: self.visit_of(name)?, declined: true },
            ["wants", name] => Event::Declined { session: self.visit_of(name)?, declined: false },
            ["probes", name] => Event::Caught { session: self.visit_of(name)? },
            ["content", ref bytes @ ..] => Event::Contents(bytes.iter().map(|b| digest(b)).collect::<Result<_, _>>()?),
            ["clock", date, time] => {
                self.clock = Some(clock(date, time, &options, self.now)?);
                Event::Tick
            }
            ["server-offers", ref ids @ ..] => {
                let offers = ids.iter().map(|id| {
                    let (sender, id) = sender(id, Sender::Server);
                    Ok(Given { sender, offer: Arc::new(offer(id, &options)?), signed: None })
                });
                Event::ServerOffers(offers.collect::<Result<_, String>>()?)
            }
            ["refused", id] => Event::Refused { sender: Sender::Server, offer: read(id)? },
            ["challenge", id, network, ref name @ ..] => Event::Challenge(Challenge {
                id: read(id)?,
                network: read(network)?,
                name: name.first().map(|name| read(name)).transpose()?,
                left: options.get("left").map_or(Ok(Duration::from_secs(600)), |t| seconds(t))?,
            }),
            ["carried", id, ref ifnames @ ..] => {
                let outcome = match options.get("failed") {
                    None => Ok(ifnames.iter().map(|i| (*i).to_owned()).collect()),
                    Some(why) => Err((*why).to_owned()),
                };
                Event::Carried { id: read(id)?, outcome }
            }
            ["restored"] => Event::Restored,
            ["witness", id, name] => {
                Event::WitnessWanted { id: read(id)?, name: read(name)?, left: Duration::from_secs(600) }
            }
            ["listened", id, ref bssids @ ..] => {
                let heard = |b: &&str| Ok(Heard { bssid: read(b)?, signal: -60, freq: 2412 });
                let heard = bssids.iter().map(heard).collect::<Result<_, String>>()?;
                Event::Listened { id: read(id)?, report: WitnessReport { heard, refused: None } }
            }
            ["server", "connected"] => Event::ServerLink(ServerLink::Connected),
            ["server", "away"] => Event::ServerLink(ServerLink::Away { reason: "told so".to_owned() }),
            ["wait"] => Event::Tick,
            _ => return Err("not understood".to_owned()),
        })
    }

    /// `Ann`, or `Ann/guest/40s`: who, the key id, for how long.
    fn present(&self, text: &str) -> Result<Present, String> {
        let mut parts = text.split('/');
        let mac = self.mac(parts.next().unwrap_or_default())?;
        let key = parts.next().filter(|k| !k.is_empty()).map(str::to_owned);
        let connected = parts.next().map(seconds).transpose()?;
        Ok(Present { mac, key, connected })
    }

    /// `Ann none`, `Ann owner on cafe`, `Ann guest on cafe due hello bye`, `Ann guest away on cafe`, `10.0.0.9 is Ann`.
    fn look(&mut self, words: &[&str]) -> Result<(), String> {
        let view = self.agent.view();
        if let [ip, "is", name] = words {
            let found = view.session_at(read(ip)?).map(|s| s.mac);
            let expected = if *name == "nobody" { None } else { Some(self.mac(name)?) };
            return if found == expected { Ok(()) } else { Err(format!("it is {found:?}")) };
        }
        if let ["offer", id, expected @ ..] = words {
            let held = view.offers.iter().find(|h| h.given.offer.id.as_str() == *id).ok_or("there is no such offer")?;
            let found = held.waits.map_or("ready", |wait| wait.as_str());
            return if found == expected.join(" ") { Ok(()) } else { Err(format!("it {found}")) };
        }
        let (name, expected) = words.split_first().ok_or("who?")?;
        let mac = self.mac(name)?;
        let found = view.sessions.values().find(|s| s.mac == mac).map_or("none".to_owned(), |s| {
            let who = if s.guest { "guest" } else { s.credential.as_str() };
            let away = if s.on_air { "" } else { " away" };
            let due: String = s.due().map(|o| format!(" {}", o.offer.id)).collect();
            let due = if due.is_empty() { due } else { format!(" due{due}") };
            let access = match s.access {
                Access::Open => "",
                Access::Catch => " caught",
                Access::Held => " held",
            };
            format!("{who}{away}{access} on {}{due}", s.network)
        });
        let expected = expected.join(" ");
        if found == expected { Ok(()) } else { Err(format!("it is: {found}")) }
    }

    fn visit_of(&mut self, name: &str) -> Result<SessionId, String> {
        let mac = self.mac(name)?;
        let view = self.agent.view();
        Ok(view.sessions.values().find(|s| s.mac == mac).ok_or("has no visit")?.id)
    }

    fn mac(&self, name: &str) -> Result<Mac, String> {
        self.names.get(name).copied().ok_or_else(|| format!("who is {name}?"))
    }
}

fn offer(id: &str, options: &SortedMap<&str, &str>) -> Result<Offer, String> {
    let number = |key: &str, default: u8| match options.get(key) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| format!("{key}={value} is no number")),
    };
    let networks = options.get("networks").map(|v| v.split(',').map(read).collect::<Result<_, _>>());
    let mut offer = Offer {
        networks: networks.transpose()?.unwrap_or_default(),
        priority: number("priority", 50)?,
        cap_per_visit: number("cap", 1)?,
        cap_per_day: options.get("day").map(|n| read(n)).transpose()?,
        ..Offer::new(read(id)?, id)
    };
    let list = |key: &str| options.get(key).into_iter().flat_map(|v| v.split(','));
    offer.when.weekdays = list("days").map(read).collect::<Result<_, _>>()?;
    offer.when.hours = list("hours").map(read).collect::<Result<_, _>>()?;
    offer.when.until = options.get("until").map(|t| moment(t, "00:00")).transpose()?;
    offer.audience = match options.get("to") {
        None => offer::Audience::Everybody,
        Some(&"first") => offer::Audience::First,
        Some(&"returning") => offer::Audience::Returning,
        Some(other) => return Err(format!("to={other}: first or returning")),
    };
    let image = options.get("image").map(|bytes| digest(bytes)).transpose()?;
    let image = image.map(|digest| File { digest, length: 1, kind: FileKind::Png });
    offer.content.image = image.map(|file| Image { file, alt: String::new() });
    Ok(offer)
}

fn told(word: &Word) -> String {
    match word {
        Word::Challenge(id, ChallengeState::OnAir { bssids }) => {
            let bssids: String = bssids.iter().map(|b| format!(" {b}")).collect();
            format!("tell {id} on-air{bssids}")
        }
        Word::Challenge(id, ChallengeState::OffAir) => format!("tell {id} off-air"),
        Word::Challenge(id, ChallengeState::Refused { why }) => format!("tell {id} refused: {why}"),
        Word::Witness(id, WitnessReport { heard, refused }) => {
            let heard: String = heard.iter().map(|h| format!(" {}", h.bssid)).collect();
            let refused = refused.as_ref().map(|why| format!(" refused: {why}")).unwrap_or_default();
            format!("tell {id} heard{heard}{refused}")
        }
    }
}

/// Which offers: `hello` is the router's own, `server:news` and `sharer:news` are not.
fn named(offers: &[&str]) -> Result<Vec<ShownOffer>, String> {
    let named = offers.iter().map(|text| {
        let (sender, id) = sender(text, Sender::Device);
        Ok(ShownOffer { sender, id: read(id)? })
    });
    named.collect()
}

fn sender(text: &str, otherwise: Sender) -> (Sender, &str) {
    match text.split_once(':') {
        Some(("server", id)) => (Sender::Server, id),
        Some(("sharer", id)) => (Sender::Sharer, id),
        _ => (otherwise, text),
    }
}

/// A name for bytes that nobody needs to have.
fn digest(name: &str) -> Result<Digest, String> {
    let byte = name.bytes().next().ok_or("which content?")?;
    Ok(Digest([byte; 32]))
}

/// `clock 2026-11-24 08:59 zone=3600`: what it is at this moment.
fn clock(date: &str, time: &str, options: &SortedMap<&str, &str>, now: Duration) -> Result<Calendar, String> {
    let offset_s = options.get("zone").map_or(Ok(0), |z| read(z))?;
    let local = moment(date, time)?;
    Ok(Calendar { unix: local.saturating_add_signed(-i64::from(offset_s)) - now.as_secs(), offset_s })
}

/// Seconds of Unix time; days counted as in the proleptic Gregorian calendar.
fn moment(date: &str, time: &str) -> Result<u64, String> {
    let mut numbers = date.split('-').chain(time.split(':')).map(read::<u64>);
    let mut next = || numbers.next().unwrap_or_else(|| Err(format!("{date} {time} is no moment")));
    let (year, month, day, hour, minute) = (next()?, next()?, next()?, next()?, next()?);
    let leap = |y: u64| u64::from(y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400)));
    let years: u64 = (1970..year).map(|y| 365 + leap(y)).sum();
    let lengths = [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let months: u64 = lengths.iter().take(month.saturating_sub(1) as usize).sum();
    Ok((((years + months + day - 1) * 24 + hour) * 60 + minute) * 60)
}

/// Words with `=` in them are options.
fn split_options<'a>(words: &[&'a str]) -> (Box<[&'a str]>, SortedMap<&'a str, &'a str>) {
    let options = words.iter().filter_map(|w| w.split_once('=')).collect();
    (words.iter().filter(|w| !w.contains('=')).copied().collect(), options)
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number = text.strip_suffix('s').and_then(|t| t.parse().ok());
    number.map(Duration::from_secs_f64).ok_or_else(|| format!("{text:?} is no time"))
}

fn read<T: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|e: T::Err| format!("{text:?}: {e}"))
}
