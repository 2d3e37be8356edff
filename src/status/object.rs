//! Our ubus object `welcomed`: for LuCI, `welcomed status`, and other programs of the router.
//!
//! In: calls, and what happens to guests. Out: answers, wishes for the core, and notifications `arrived`, `greeted`,
//! `left` to whoever subscribes. While ubusd is away, or does not let us publish, all else goes on; tokio-ubus tries again
//! and warns. An answer stays well below what ubusd carries: longer lists are cut, and say so.

use sorted::SortedMap;
use std::fmt;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio_ubus::{Client, Notifier, Published, Request, Status, Type, to_blobmsg};
use tracing::debug;
use welcome_core::{Event, Given, Happened, HeldOffer, Notice, Wait};
use welcome_proto::offer::Sender;
use welcome_proto::{Mac, NetworkId, OfferId};

use super::document::{Backlog, NetworkStatus, SessionStatus};
use super::say::{Refusal, Say};
use super::{Source, networks};
use crate::config::LoadError;
use crate::tasks::Stop;

/// The object's path.
pub const PATH: &str = "welcomed";

/// Reads the configuration again.
pub type Reload = Box<dyn Fn() -> Result<Reloaded, LoadError> + Send + Sync>;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reloaded {
    /// The options whose new values take effect with a restart.
    pub restart: Vec<&'static str>,
}

/// What the object needs.
pub struct Object {
    /// The way to ubus.
    pub bus: Client,
    /// What there is to tell.
    pub source: Arc<Source>,
    /// Where wishes go.
    pub ask: mpsc::Sender<Event>,
    /// What happens to guests.
    pub notices: mpsc::Receiver<Notice>,
    /// Reads the configuration again.
    pub reload: Reload,
}

impl Object {
    /// Answers until told to stop.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn run(self, mut stop: Stop) -> anyhow::Result<()> {
        let Self { bus, source, ask, mut notices, reload } = self;
        let mut published = publish(&bus);
        let notifier = published.notifier();
        let mut desk = Desk { bus, source, ask, reload, tally: Tally::default() };
        loop {
            tokio::select! {
                () = stop.stopped() => return Ok(()),
                Some(notice) = notices.recv() => desk.pass_on(&notifier, &notice),
                Some(request) = published.next() => desk.serve(request),
                // The app and the thread of ubus have ended; whoever looks after tasks knows by now.
                else => stop.stopped().await,
            }
        }
    }
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Object")
    }
}

fn publish(bus: &Client) -> Published {
    let network = ("network", Type::String);
    let said = ["station", "title", "text", "link"].map(|name| (name, Type::String));
    let [station, title, text, link] = said;
    let object = tokio_ubus::Object::new(PATH)
        .method("status", &[])
        .method("networks", &[])
        .method("stations", &[network, ("guests", Type::BOOL)])
        .method("offers", &[network])
        .method("reload", &[])
        .method("say", &[network, station, title, text, link])
        .method("counters", &[]);
    bus.publish(object)
}

/// Who answers.
struct Desk {
    bus: Client,
    source: Arc<Source>,
    ask: mpsc::Sender<Event>,
    reload: Reload,
    tally: Tally,
}

/// What is counted here.
#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    greeted: u32,
    left: u32,
    said: u32,
}

impl Desk {
    fn pass_on(&mut self, notifier: &Notifier, notice: &Notice) {
        let Notice { what, session, mac, network, ifname } = notice;
        let Tally { greeted, left, .. } = &mut self.tally;
        let kind = match what {
            Happened::Arrived => "arrived",
            Happened::Greeted => {
                *greeted = greeted.saturating_add(1);
                "greeted"
            }
            Happened::Left => {
                *left = left.saturating_add(1);
                "left"
            }
        };
        let told = Told { network, ifname, address: *mac, session: session.to_string() };
        if let Err(error) = notifier.notify(kind, &told) {
            debug!(kind, "cannot be told: {error}");
        }
    }

    fn serve(&mut self, request: Request) {
        let answered = match request.method.as_str() {
            "status" => self.status(&request),
            "networks" => {
                tell(&request, &Networks { networks: networks(&self.source.view(), self.source.clock.now().mono) })
            }
            "stations" => self.stations(&request),
            "offers" => self.offers(&request),
            "reload" => self.reload(&request),
            "say" => self.say(&request),
            "counters" => tell(&request, &self.counters()),
            _ => Err(Status::MethodNotFound),
        };
        debug!(method = request.method, user = request.user, ?answered);
        request.done(answered);
    }

    fn status(&self, request: &Request) -> Answered {
        let mut document = self.source.document();
        (document.sessions, document.truncated) = fit(document.sessions.into_iter());
        tell(request, &document)
    }

    fn stations(&self, request: &Request) -> Answered {
        let Asked { network, guests } = read(request)?;
        let view = self.source.view();
        let network = self.known(request, network)?;
        let meant = view.sessions.values().filter(|s| network.as_ref().is_none_or(|n| s.network == *n));
        let meant = meant.filter(|s| s.guest || guests != Some(true));
        let (stations, truncated) = fit(meant.map(|s| self.source.session(s)));
        tell(request, &Stations { stations, truncated })
    }

    fn offers(&self, request: &Request) -> Answered {
        let Asked { network, .. } = read(request)?;
        let network = self.known(request, network)?;
        let view = self.source.view();
        let is_there =
            |networks: &[NetworkId]| network.as_ref().is_none_or(|n| networks.is_empty() || networks.contains(n));
        let there = view.offers.iter().filter(|held| is_there(&held.given.offer.networks));
        let offers = there.map(|HeldOffer { given: Given { sender, offer, .. }, waits }: &HeldOffer| Held {
            sender: *sender,
            id: &offer.id,
            title: &offer.content.title,
            networks: &offer.networks,
            priority: offer.priority,
            cap_per_visit: offer.cap_per_visit,
            waits: waits.map(Wait::as_str),
        });
        let (offers, truncated) = fit(offers);
        tell(request, &Offers { offers, truncated })
    }

    fn reload(&self, request: &Request) -> Answered {
        match (self.reload)() {
            Ok(reloaded) => tell(request, &reloaded),
            Err(error) => {
                let problems = error.to_string();
                tell(request, &Problems { problems: problems.lines().collect() })?;
                Err(Status::InvalidArgument)
            }
        }
    }

    fn say(&mut self, request: &Request) -> Answered {
        let say: Say = read(request)?;
        let spoken = say.audience(&self.source.view()).and_then(|(to, stations)| {
            let unix = self.source.clock.unix_at(self.source.clock.now().mono);
            Ok((to, stations, say.offer(unix, self.tally.said)?))
        });
        let (to, stations, offer) = match spoken {
            Ok(spoken) => spoken,
            Err(Refusal { status, problem }) => return Err(refuse(request, status, &problem)),
        };
        if self.ask.try_send(Event::Say { to, said: Given::by_device(offer) }).is_err() {
            return Err(refuse(request, Status::Timeout, "the agent is busy; try again"));
        }
        self.tally.said = self.tally.said.wrapping_add(1);
        tell(request, &Said { stations })
    }

    /// The network that is asked for, if one is.
    fn known(&self, request: &Request, network: Option<String>) -> Result<Option<NetworkId>, Status> {
        let Some(network) = network else { return Ok(None) };
        match network.parse() {
            Ok(id) if self.source.view().networks.contains_key(&id) => Ok(Some(id)),
            _ => Err(refuse(request, Status::NotFound, "network: there is none of that name")),
        }
    }

    fn counters(&self) -> Counters {
        let view = self.source.view();
        let of_all = |count: fn(&welcome_core::NetworkView) -> u32| view.networks.values().map(count).sum();
        let tokio_ubus::Counters { connects, lagged, passed_over, answered, unsent, .. } = self.bus.counters();
        Counters {
            arrived: of_all(|n| n.arrived),
            greeted: self.tally.greeted,
            left: self.tally.left,
            shown: of_all(|n| n.shown),
            said: self.tally.said,
            joins: self.source.meter.summary().map_or(0, |s| s.count),
            reports: (self.source.backlog)(),
            ubus: Bus { connects, lagged, passed_over, answered, unsent },
        }
    }
}

type Answered = Result<(), Status>;

/// What is asked for; what else a caller sends (`ubus_rpc_session`) is passed over.
#[derive(Deserialize)]
struct Asked {
    network: Option<String>,
    /// Nobody but guests.
    guests: Option<bool>,
}

#[derive(Serialize)]
struct Networks {
    networks: SortedMap<NetworkId, NetworkStatus>,
}

#[derive(Serialize)]
struct Stations {
    stations: Vec<SessionStatus>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct Offers<'a> {
    offers: Vec<Held<'a>>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

#[derive(Serialize)]
struct Held<'a> {
    sender: Sender,
    id: &'a OfferId,
    title: &'a str,
    /// None: on all.
    networks: &'a [NetworkId],
    priority: u8,
    cap_per_visit: u8,
    /// Why it is shown to nobody at this moment.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<&'static str>,
}

#[derive(Serialize)]
struct Said {
    stations: usize,
}

#[derive(Serialize)]
struct Problem<'a> {
    problem: &'a str,
}

#[derive(Serialize)]
struct Problems<'a> {
    problems: Vec<&'a str>,
}

/// What a subscriber is told.
#[derive(Serialize)]
struct Told<'a> {
    network: &'a NetworkId,
    ifname: &'a str,
    address: Mac,
    session: String,
}

/// Numbers since the start.
#[derive(Serialize)]
struct Counters {
    /// Guests' visits, those of them that saw an offer, and those that ended.
    arrived: u32,
    greeted: u32,
    left: u32,
    /// Offers shown, and things said by the method `say`.
    shown: u32,
    said: u32,
    /// Joins with something to show whose time was taken.
    joins: u32,
    /// Reports that are not with the server.
    reports: Backlog,
    ubus: Bus,
}

/// Of the connection to ubus; see [`tokio_ubus::Counters`].
#[derive(Serialize)]
struct Bus {
    connects: u64,
    lagged: u64,
    passed_over: u64,
    answered: u64,
    unsent: u64,
}

fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Status> {
    request.read().map_err(|error| refuse(request, Status::InvalidArgument, &error.to_string()))
}

/// Says why; the status to end the answer with.
fn refuse(request: &Request, status: Status, problem: &str) -> Status {
    tell(request, &Problem { problem }).err().unwrap_or(status)
}

fn tell<T: Serialize>(request: &Request, table: &T) -> Answered {
    request.data(table).map_err(|error| {
        debug!(method = request.method, "cannot be answered: {error}");
        Status::UnknownError
    })
}

/// As many of these as an answer has room for, and whether there are more.
fn fit<T: Serialize>(items: impl Iterator<Item = T>) -> (Vec<T>, bool) {
    let (mut taken, mut room) = (Vec::new(), ROOM);
    for item in items {
        let Ok(size) = to_blobmsg(&item).map(|b| b.as_bytes().len() + ELEMENT) else { continue };
        let Some(left) = room.checked_sub(size) else { return (taken, true) };
        room = left;
        taken.push(item);
    }
    (taken, false)
}

/// Of the mebibyte that ubusd takes. The rest is for what else is in the status, and for what waits at ubusd for the
/// same program: it drops without a word what makes that more than a mebibyte.
const ROOM: usize = 512 * 1024;
/// The head of an element of a list.
const ELEMENT: usize = 8;

#[cfg(test)]
mod tests;
