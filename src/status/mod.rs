//! The status: what the agent tells of itself, and the command that asks for it.
//!
//! In: the [`View`] and the counters of others; what is told is made here and counted elsewhere. Out: a document, over
//! our [ubus object](object) and over a [local socket](socket), where there is no ubus. It names stations, so the socket
//! is for root and its group alone, and the object for those whom ubusd lets call it.

pub mod ask;
pub mod document;
pub mod object;
pub mod say;
pub mod socket;
pub mod text;

use sorted::SortedMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use welcome_core::{Access, Given, NetworkView, SessionView, View};
use welcome_proto::NetworkId;

pub use self::ask::ask;
pub use self::document::Backlog;
use self::document::{BssStatus, Document, HeldOffer, NetworkStatus, OfferStatus, SessionStatus};
pub use self::socket::Status;
use crate::clock::Clock;
use crate::meter::Meter;

/// What there is to tell.
pub struct Source {
    /// What the agent knows.
    pub view: watch::Receiver<Arc<View>>,
    /// How long joins took.
    pub meter: Arc<Meter>,
    /// The agent's clock; it began when the agent did.
    pub clock: Clock,
    /// What waits for the server.
    pub backlog: Box<dyn Fn() -> Backlog + Send + Sync>,
    /// Why guests are not caught or held as they should be.
    pub firewall: watch::Receiver<Option<String>>,
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Source")
    }
}

impl Source {
    /// The document of this moment.
    #[must_use]
    pub fn document(&self) -> Document {
        let view = self.view();
        Document {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            since: unix_seconds(self.clock.unix_at(Duration::ZERO)),
            uptime_s: self.clock.now().mono.as_secs(),
            server: (&view.server).into(),
            latency: self.meter.summary(),
            reports: (self.backlog)(),
            firewall: self.firewall.borrow().clone(),
            networks: networks(&view, self.clock.now().mono),
            offers: view.offers.iter().map(held).collect(),
            sessions: view.sessions.values().map(|s| self.session(s)).collect(),
            truncated: false,
        }
    }

    /// What the agent knows at this moment.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.borrow())
    }

    /// One visit, as the document tells it.
    #[must_use]
    pub fn session(&self, session: &SessionView) -> SessionStatus {
        let offers = session.offers.iter().map(|o| OfferStatus {
            sender: o.sender,
            id: o.offer.id.clone(),
            title: o.offer.content.title.clone(),
            shown: o.shown,
            due: o.due,
        });
        let access = match session.access {
            Access::Open => "open",
            Access::Catch => "catch",
            Access::Held => "held",
        };
        SessionStatus {
            id: session.id.to_string(),
            mac: session.mac,
            addresses: session.addresses.clone(),
            network: session.network.clone(),
            ifname: session.ifname.clone(),
            credential: session.credential.as_str().to_owned(),
            guest: session.guest,
            access: access.to_owned(),
            released_s: session.until.map(|at| at.saturating_sub(self.clock.now().mono).as_secs()),
            declined: session.declined,
            on_air: session.on_air,
            heard_at: unix_seconds(self.clock.unix_at(session.since)),
            ready_us: self.meter.of(session.id),
            offers: offers.collect(),
        }
    }
}

/// The shared networks, as the document tells them.
#[must_use]
pub fn networks(view: &View, now: Duration) -> SortedMap<NetworkId, NetworkStatus> {
    let network = |(id, network): (&NetworkId, &NetworkView)| {
        let here = view.sessions.values().filter(|s| s.on_air && s.network == *id);
        let bss = network.bss.iter().map(|b| BssStatus {
            ifname: b.ifname.clone(),
            bssid: b.bssid,
            ssid: b.ssid.clone(),
            freq: b.freq,
        });
        let NetworkView { announced, arrived, shown, greeted_today, challenge, .. } = *network;
        let (guests, stations) = (here.clone().filter(|s| s.guest).count(), here.count());
        let standing = network.standing.as_ref();
        let status = NetworkStatus {
            bss: bss.collect(),
            announced,
            verified: standing.map(|s| s.state.as_str()),
            verified_until: standing.and_then(|s| s.until),
            challenge_s: challenge.map(|until| until.saturating_sub(now).as_secs()),
            stations,
            guests,
            arrived,
            shown,
            greeted_today,
        };
        (id.clone(), status)
    };
    view.networks.iter().map(network).collect()
}

fn held(held: &welcome_core::HeldOffer) -> HeldOffer {
    let Given { sender, offer, .. } = &held.given;
    let waits = held.waits.map(|wait| wait.as_str().to_owned());
    HeldOffer { sender: *sender, id: offer.id.clone(), title: offer.content.title.clone(), waits }
}

#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 fit the 53 bits of a float for 285 years")]
fn unix_seconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e6
}

#[cfg(test)]
pub(super) mod tests {
    use sorted::SortedMap;

    use welcome_core::{Agent, Bss, Event, NetworkRules, Now, Rules, ServerLink};
    use welcome_proto::Mac;
    use welcome_proto::announce::Security;
    use welcome_proto::offer::Offer;

    use super::*;

    pub(in crate::status) fn source() -> Source {
        crowd(1)
    }

    /// With so many guests.
    pub(in crate::status) fn crowd(guests: u16) -> Source {
        let networks = SortedMap::from(["cafe", "yard"].map(|id| {
            let ifnames = [format!("{id}0")].into();
            (id.parse().unwrap(), NetworkRules { ifnames, ..NetworkRules::default() })
        }));
        let offer = Offer::new("hello".parse().unwrap(), "Hello");
        let clock = Clock::new();
        let mut agent = Agent::default();
        let now = Now { mono: clock.now().mono, ..Now::default() };
        let bss = Bss {
            ifname: "cafe0".to_owned(),
            bssid: "02:00:00:00:00:01".parse().unwrap(),
            ssid: "Café".parse().unwrap(),
            security: Security::Open,
            freq: Some(2437),
        };
        let around = [
            Event::Rules(Rules { networks, offers: vec![offer], ownership: false }),
            Event::BssUp(bss),
            Event::ServerLink(ServerLink::Away { reason: "connect to https://d: refused".to_owned() }),
        ];
        let joins = (0..guests).map(|n| {
            let [high, low] = n.to_be_bytes();
            let mac = Mac([2, 0, 0, 0, 1 + high, low]);
            Event::StationAuthorized { ifname: "cafe0".to_owned(), mac, key: None }
        });
        for event in around.into_iter().chain(joins) {
            assert!(!agent.handle(now, event).is_empty());
        }
        let view = agent.view();
        let meter = Meter::default();
        meter.note(*view.sessions.keys().next().unwrap(), Duration::from_micros(300));
        let (_, view) = watch::channel(Arc::new(view));
        let backlog = Box::new(|| Backlog { waiting: 2, dropped: 1 });
        let firewall = watch::channel(Some("nft is missing".to_owned())).1;
        Source { view, meter: Arc::new(meter), clock, backlog, firewall }
    }

    #[test]
    fn a_person_is_told_what_matters() {
        assert_eq!(
            text::text(&serde_json::to_value(source().document()).unwrap()),
            "welcomed 0.1.0, running for 0 s\n\
             server: not connected: connect to https://d: refused\n\
             reports: 2 waiting for the server, 1 lost\n\
             firewall: guests are not caught or held as they should be: nft is missing\n\
             offer hello (this router's): \"Hello\"\n\
             network cafe (not listed):\n\
             \x20 on the air: \"Café\" by cafe0 (02:00:00:00:00:01, 2437 MHz)\n\
             \x20 here now: 1 device, 1 of them guests\n\
             \x20 since the start: 1 visit; messages shown: 0; greeted today: 0\n\
             network yard (not listed):\n\
             \x20 not on the air: hostapd has none of its interfaces\n\
             \x20 here now: 0 devices, 0 of them guests\n\
             \x20 since the start: 0 visits; messages shown: 0; greeted today: 0\n\
             a guest's messages are ready in 0.3 ms, in 99 of 100 cases in 0.3 ms\n"
        );
    }

    #[test]
    fn the_document_says_when_and_how_fast() {
        let document = source().document();
        let session = &document.sessions[0];
        assert_eq!(session.ready_us, Some(300));
        assert!(session.heard_at >= document.since && session.heard_at - document.since < 1.0);
        assert_eq!(session.offers[0].id.as_str(), "hello");
        let text = serde_json::to_string(&document).unwrap();
        assert!(text.contains(r#""server":{"link":"away","reason":"#), "{text}");
        assert_eq!(unix_seconds(Duration::from_micros(1_795_400_000_123_456)).to_string(), "1795400000.123456");
    }
}
