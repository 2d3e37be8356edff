//! Receives the message of a network: from its router, from the directory server, and from a computer of the sharer's in the
//! network, whichever comes first.
//!
//! In: how to reach them, and what the list says of the network. Out: messages, each once, by way of a [`Screen`]. The
//! `router`, the `server` and the `sharer` are asked at the same time; what they have they give to the loop in here as
//! `News`, which ends when nothing more is to be expected. When nothing comes, the link of the captive portal API is shown, if
//! the lease names one (`portal`).

mod networkd;
mod portal;
mod prepare;
mod router;
mod screen;
mod server;
mod sharer;

pub use portal::Portal;
pub use screen::Screen;

use crate::address::{self, Route};
use crate::directory::Directory;
use crate::exit::Failure;
use crate::output::Output;
use crate::verify::From;
use std::convert::Infallible;
use std::future::pending;
use std::net::IpAddr;
use std::pin::pin;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep_until;
use welcome_proto::Bssid;
use welcome_proto::lan::{LanOffer, ShownOffer};
use welcome_proto::signed::Signed;

/// Where the router is.
#[derive(Debug, Clone)]
pub enum Target {
    /// The default gateway of this interface, as soon as it has one; asked by that interface alone.
    Interface(String),
    /// Here.
    Gateway(IpAddr),
}

/// Whether to go on after the first messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Until what was due at once has been shown.
    Shown,
    /// Until the router says that the visit has ended.
    Bye,
}

/// One visit to one network.
pub struct Receiver {
    target: Target,
    port: u16,
    output: Output,
    /// Who looks at messages and shows them.
    pub screen: Screen,
    /// Asked with the BSSID that was joined.
    pub server: Option<(Directory, Bssid)>,
    /// The captive portal API that the lease names (RFC 8910).
    pub portal: Option<Portal>,
    has_route: bool,
}

/// What a source has.
enum News {
    /// There is an address and a gateway.
    Route,
    /// Why the router has said nothing yet; or that it was asked and has nothing.
    Router(Option<String>),
    /// What the router offers. It is to be told what of this was shown, and says [`News::Told`] when it was.
    Offers(Instant, Vec<LanOffer>, oneshot::Sender<Vec<ShownOffer>>),
    /// See there.
    Told,
    /// What somebody else has.
    Statements(Instant, From, Vec<Signed>),
    /// Where to read on.
    Link(String),
}

impl Receiver {
    /// A new visit, at a network of which the list says nothing.
    #[must_use]
    pub fn new(target: Target, port: u16, output: &Output) -> Self {
        let screen = Screen::new(output);
        Self { target, port, output: output.clone(), screen, server: None, portal: None, has_route: false }
    }

    /// Receives messages.
    ///
    /// # Errors
    /// [`Failure::NoMessage`] when none came within `wait`. With [`Until::Bye`] that is only the limit for an address.
    pub async fn receive(&mut self, until: Until, wait: Duration) -> Result<(), Failure> {
        let began = Instant::now();
        let (sender, mut news) = mpsc::channel(NEWS);
        let (languages, output) = (self.screen.languages(), self.output.clone());
        let visit = router::Visit::new(self.target.clone(), self.port, &languages, output, sender.clone());
        let mut router = pin!(visit.keep_asking(until, wait));
        let neighbours = match &self.target {
            // What is not signed by whoever the list names is not believed of them: without one there is nothing to ask.
            Target::Interface(name) if self.screen.knows_signer() => Some(name.clone()),
            _ => None,
        };
        let (routes, changed) = watch::channel(());
        let neighbours = neighbours.map(|interface| (interface, changed));
        let mut others = pin!(others(self.server.clone(), neighbours, self.portal.clone(), sender));
        let (mut why, mut link, mut untold) = (Some(router::NO_ADDRESS.to_owned()), None, 0_u32);
        let (mut ends, mut heard) = (Some(began + wait), began);
        loop {
            // What is due comes in one go.
            let is_enough = until == Until::Shown && self.screen.has_shown() && untold == 0;
            let next = if is_enough { Some(heard + QUIET) } else { ends };
            tokio::select! {
                biased;
                Some(some) = news.recv() => match some {
                    News::Route => {
                        self.has_route = true;
                        routes.send_replace(());
                    }
                    News::Router(trouble) => why = trouble,
                    News::Link(found) => link = Some(found),
                    News::Told => untold = untold.saturating_sub(1),
                    News::Statements(at, from, statements) => {
                        self.screen.show_statements(at, from, statements).await;
                        heard = Instant::now();
                    }
                    News::Offers(at, offers, told) => {
                        let shown = self.screen.show_offers(at, offers).await;
                        heard = Instant::now();
                        untold += u32::from(told.send(shown).is_ok());
                    }
                },
                result = &mut router => return result,
                never = &mut others, if self.has_route => match never {},
                () = sleep_or_wait(next) => {
                    let link = link.take().filter(|_| !self.screen.has_shown());
                    if let Some(link) = &link {
                        self.output.link(link);
                    }
                    match until {
                        Until::Bye => ends = None,
                        // What arrived has arrived, whatever came of it afterwards.
                        Until::Shown if self.screen.has_shown() || link.is_some() => return Ok(()),
                        Until::Shown => {
                            let why = why.unwrap_or_else(|| "the router has none for us".to_owned());
                            let waited = began.elapsed().as_secs_f64();
                            return Err(Failure::NoMessage(format!("waited {waited:.1} s; {why}")));
                        }
                    }
                }
            }
        }
    }

    /// Whether there was an address and a gateway at all.
    #[must_use]
    pub fn has_route(&self) -> bool {
        self.has_route
    }
}

/// Asks those who are asked once, and the neighbours once for each route; never ends.
async fn others(
    server: Option<(Directory, Bssid)>,
    neighbours: Option<(String, watch::Receiver<()>)>,
    portal: Option<Portal>,
    news: mpsc::Sender<News>,
) -> Infallible {
    let server = async {
        if let Some((directory, bssid)) = server {
            server::ask(&directory, bssid, &news).await;
        }
    };
    let portal = async {
        if let Some(portal) = portal {
            portal.ask(&news).await;
        }
    };
    let sharer = async {
        if let Some((interface, routes)) = neighbours {
            sharer::keep_asking(&interface, routes, &news).await;
        }
    };
    tokio::join!(server, sharer, portal);
    pending().await
}

async fn sleep_or_wait(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until.into()).await,
        None => pending().await,
    }
}

/// Waits until there is a route; for ever if need be.
async fn route(target: &Target) -> anyhow::Result<Route> {
    match target {
        Target::Interface(name) => address::wait(name).await,
        Target::Gateway(gateway) => {
            let address = if gateway.is_ipv4() { [0; 4].into() } else { [0; 16].into() };
            Ok(Route { address, gateway: *gateway, scope: 0 })
        }
    }
}

/// Waits until the interface has another route or none; for ever when there is no interface.
async fn route_changes(target: &Target, route: Route) -> anyhow::Result<()> {
    match target {
        Target::Interface(name) => address::wait_for_change(name, route).await,
        Target::Gateway(_) => pending().await,
    }
}

/// News that may wait; who has more waits.
const NEWS: usize = 8;
/// This long after the last message there is no more.
const QUIET: Duration = Duration::from_millis(200);
