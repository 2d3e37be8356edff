//! Plays every `*.scn` beside this file to the core: times, events, and what must come of them.
//!
//! The words are explained in `README.md` beside the stories.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use testkit::story::{Kind, Line, parse};
use welcome_core::{
    Action, Agent, AnnounceRules, Audience, Bss, CredentialRule, Event, Happened, NetworkRules, Notice, Now, Present,
    Rules, ServerLink, Wireless,
};
use welcome_proto::announce::Security;
use welcome_proto::lan::ShownOffer;
use welcome_proto::offer::{Content, Offer, Sender};
use welcome_proto::report::What;
use welcome_proto::{Mac, Secret};

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
    names: BTreeMap<String, Mac>,
    server_offers: Vec<Offer>,
    /// What came of the last event and was not expected yet.
    outcome: Vec<String>,
    now: Duration,
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
        let now = Now { mono: self.now, wall: None };
        for action in self.agent.handle(now, event) {
            match action {
                Action::Publish => {}
                Action::Announce(announce) => {
                    let networks = announce.networks.iter().map(|n| {
                        let key = if n.key.is_some() { " with key" } else { "" };
                        let bss: Vec<_> = n.bss.iter().map(|b| b.bssid.to_string()).collect();
                        format!("{} {}{key}", n.id, bss.join(" "))
                    });
                    let networks: Vec<_> = networks.collect();
                    self.outcome.push(format!("announce {}", networks.join(", ")).trim_end().to_owned());
                }
                Action::Report(report) => self.outcome.push(match report.what {
                    What::Arrived => format!("report arrived {}", report.network),
                    What::Left => format!("report left {}", report.network),
                    What::Shown { offer, .. } => format!("report shown {offer} {}", report.network),
                    What::Dropped { count } => format!("report dropped {count}"),
                }),
                Action::Notify(Notice { what: Happened::Greeted, network, .. }) => {
                    self.outcome.push(format!("notify greeted {network}"));
                }
                // Goes with the report, which the core's own tests hold it to.
                Action::Notify(_) => {}
                Action::ResolveAddress(ip) => self.outcome.push(format!("resolve {ip}")),
            }
        }
    }

    fn given(&mut self, words: &[&str]) -> Result<(), String> {
        let (set, options) = split_options(words);
        match *set {
            ["station", name, mac] => {
                self.names.insert(name.to_owned(), read(mac)?);
            }
            ["network", id, "on", ref ifnames @ ..] => {
                let list = |key: &str| -> std::collections::BTreeSet<String> {
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
                let network = NetworkRules { ifnames, sections: list("sections"), credential, announce };
                self.rules.networks.insert(read(id)?, network);
            }
            ["offer", id] => {
                let offer = offer(id, &options)?;
                self.rules.offers.push(offer);
            }
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
                let offer = Arc::new(offer(offer_id, &options)?);
                Event::Say { to: Audience::Network(read(id)?), offer }
            }
            ["say", "station", name, offer_id] => {
                let offer = Arc::new(offer(offer_id, &options)?);
                Event::Say { to: Audience::Station(self.mac(name)?), offer }
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
            ["sees", name, ref offers @ ..] => {
                let mac = self.mac(name)?;
                let view = self.agent.view();
                let session = view.sessions.values().find(|s| s.mac == mac).ok_or("has no visit")?;
                let shown = offers.iter().map(|o| {
                    let (sender, id) = match o.split_once(':') {
                        Some(("server", id)) => (Sender::Server, id),
                        _ => (Sender::Device, *o),
                    };
                    Ok(ShownOffer { sender, id: read(id)? })
                });
                Event::Shown { session: session.id, offers: shown.collect::<Result<_, String>>()? }
            }
            ["server-offers", ref ids @ ..] => {
                let offers: Result<_, String> = ids.iter().map(|id| offer(id, &options)).collect();
                self.server_offers = offers?;
                Event::ServerOffers(self.server_offers.clone())
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
        let (name, expected) = words.split_first().ok_or("who?")?;
        let mac = self.mac(name)?;
        let found = view.sessions.values().find(|s| s.mac == mac).map_or("none".to_owned(), |s| {
            let who = if s.guest { "guest" } else { s.credential.as_str() };
            let away = if s.on_air { "" } else { " away" };
            let due: String = s.due().map(|o| format!(" {}", o.offer.id)).collect();
            let due = if due.is_empty() { due } else { format!(" due{due}") };
            format!("{who}{away} on {}{due}", s.network)
        });
        let expected = expected.join(" ");
        if found == expected { Ok(()) } else { Err(format!("it is: {found}")) }
    }

    fn mac(&self, name: &str) -> Result<Mac, String> {
        self.names.get(name).copied().ok_or_else(|| format!("who is {name}?"))
    }
}

fn offer(id: &str, options: &BTreeMap<&str, &str>) -> Result<Offer, String> {
    let number = |key: &str, default: u8| match options.get(key) {
        None => Ok(default),
        Some(value) => value.parse().map_err(|_| format!("{key}={value} is no number")),
    };
    let networks = options.get("networks").map(|v| v.split(',').map(read).collect::<Result<_, _>>());
    Ok(Offer {
        id: read(id)?,
        networks: networks.transpose()?.unwrap_or_default(),
        priority: number("priority", 50)?,
        cap_per_visit: number("cap", 1)?,
        content: Content { title: id.to_owned(), text: String::new(), link: None },
    })
}

/// Words with `=` in them are options.
fn split_options<'a>(words: &[&'a str]) -> (Box<[&'a str]>, BTreeMap<&'a str, &'a str>) {
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
