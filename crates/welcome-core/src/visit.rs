//! One visit: what is known of it, and how it goes on.

use sorted::SortedMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use welcome_proto::offer::Sender;
use welcome_proto::{Mac, NetworkId, OfferId};

use crate::action::{Happened, Notice};
use crate::door::Visitor;
use crate::event::Given;
use crate::now::Instant;
use crate::rules::{Credential, NetworkRules};
use crate::session::Changes;
use crate::view::SessionView;

/// Names a visit; never used twice while the agent runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub(crate) u32);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "session {}", self.0)
    }
}

/// One visit.
#[derive(Debug)]
pub struct Session {
    /// Its name.
    pub id: SessionId,
    /// Who.
    pub mac: Mac,
    /// Where.
    pub network: NetworkId,
    /// The interface the station is, or was last, on.
    pub ifname: String,
    /// The `keyid` of its passphrase, if hostapd told one.
    pub key: Option<String>,
    /// What the rules make of the key.
    pub credential: Credential,
    /// Whether it is somebody to greet.
    pub guest: bool,
    /// Whether the station came while somebody was listening.
    pub fresh: bool,
    /// When the visit began.
    pub since: Instant,
    /// When the station last joined a BSS.
    pub joined: Instant,
    /// When the last event about the station was handled.
    pub touched: Instant,
    /// Until when the visit waits for the station to return; `None` while it is on the air.
    pub away_until: Option<Instant>,
    /// Another interface that has it in its list as well, since about the same moment, and since when. If the station
    /// turns out not to be on its own interface, it is there.
    pub also_on: Option<(String, Instant)>,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// How often each offer was shown.
    pub shown: SortedMap<(Sender, OfferId), u8>,
    /// What was said to this guest alone, or to everybody who was here.
    pub said: Vec<Given>,
    /// Whether it is the station's first visit of the day, as far as anybody can tell.
    pub first: bool,
    /// Whether somebody said at it that no messages are wanted.
    pub declined: bool,
    /// Whether the page's button was pressed.
    pub acknowledged: bool,
    /// Whether the page was opened.
    pub opened: bool,
    /// When the first probe for a captive portal was answered with the way to the page.
    pub caught: Option<Instant>,
    /// Until when the gate stands open for it.
    pub released: Option<Instant>,
    /// The picture of it, until it changes.
    pub picture: Option<Arc<SessionView>>,
}

impl Session {
    /// A roam, a second association, or a return in time: the visit goes on.
    pub(crate) fn go_on(&mut self, now: Instant, network: &NetworkRules, join: Join<'_>, changes: &mut Changes) {
        if self.ifname != join.ifname || self.away_until.is_some() {
            changes.any = true;
            self.ifname = join.ifname.to_owned();
            self.away_until = None;
            self.joined = join.joined;
            self.also_on = None;
        }
        self.touched = now;
        self.picture = None;
        let credential = network.credential.classify(join.key);
        if self.credential == Credential::Unknown && credential != Credential::Unknown {
            // What could not be told before is told now.
            changes.any = true;
            self.key = join.key.map(str::to_owned);
            self.credential = credential;
            let was_guest = std::mem::replace(&mut self.guest, network.credential.greets(credential));
            match (was_guest, self.guest) {
                (false, true) if self.fresh => changes.notices.push(self.notice(Happened::Arrived)),
                (true, false) if self.fresh => changes.notices.push(self.notice(Happened::Left)),
                _ => {}
            }
        }
    }

    /// What the door looks at.
    #[must_use]
    pub fn visitor(&self, has_due: bool) -> Visitor {
        let Self { guest, away_until, fresh, since, opened, caught, released, .. } = self;
        let (opened, caught, released) = (*opened, *caught, *released);
        Visitor {
            is_here: *guest && away_until.is_none(),
            fresh: *fresh,
            since: *since,
            has_due,
            opened,
            caught,
            released,
        }
    }

    /// That something happened to it.
    #[must_use]
    pub fn notice(&self, what: Happened) -> Notice {
        let Self { id, mac, network, ifname, .. } = self;
        Notice { what, session: *id, mac: *mac, network: network.clone(), ifname: ifname.clone() }
    }
}

/// The facts of one join, heard or found.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Join<'a> {
    pub(crate) ifname: &'a str,
    pub(crate) mac: Mac,
    pub(crate) key: Option<&'a str>,
    pub(crate) joined: Instant,
    pub(crate) fresh: bool,
}
