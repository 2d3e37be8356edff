//! A page as a whole: what stands around its pieces, and the headers that go with it.
//!
//! Pure. The frame knows who looks; the page knows what there is to see. No script and no style but our own files, which
//! are named by what is in them; the colours of a preview travel in a style with a nonce.

use askama::Template;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};

use super::assets::{SCRIPT, STYLE};
use super::parts::{Action, Html, Note, html};
use super::words::Words;
use super::zone::Zone;

/// Where a page stands in the menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Overview,
    Offers,
    Networks,
    Routers,
    Areas,
    Reports,
    People,
    Tokens,
    Audit,
    Settings,
    Server,
    /// The person's own affairs.
    Me,
}

/// What stands around a page.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) words: &'static Words,
    pub(crate) zone: Zone,
    /// Seconds of Unix time.
    pub(crate) now: u64,
    pub(crate) csrf: String,
    pub(crate) nonce: String,
    /// The name of who looks; empty before that is known.
    pub(crate) person: String,
    /// The name of the organisation looked at; empty where it is none.
    pub(crate) org: String,
    /// Where its pages are: what all addresses below it begin with.
    pub(crate) base: String,
    /// The other organisations of this person: identifier and name.
    pub(crate) others: Vec<(String, String)>,
    /// Whether it may write offers and change routers.
    pub(crate) can_edit: bool,
    /// Whether it may do everything in this organisation.
    pub(crate) is_owner: bool,
    /// Whether it looks after the server.
    pub(crate) is_admin: bool,
    /// The address of this page, to come back to.
    pub(crate) here: String,
    /// What became of what was done last.
    pub(crate) flash: Option<Note>,
}

impl Frame {
    /// An address of this organisation.
    pub(crate) fn to(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// How long ago something was.
    pub(crate) fn time(&self, at: Option<u64>) -> Html {
        super::parts::time(self.words, &self.zone, self.now, at)
    }

    /// The policy for everything the console sends.
    fn policy(&self) -> String {
        format!(
            "default-src 'none'; style-src 'self' 'nonce-{}'; script-src 'self'; img-src 'self' data: blob:; \
             connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
            self.nonce
        )
    }

    /// The answer with this page.
    pub(crate) fn answer(&self, status: StatusCode, page: &Page) -> Response {
        let body = if page.place.is_some() {
            html(&Inside { frame: self, page, style: STYLE.name(), script: SCRIPT.name() })
        } else {
            html(&Outside { frame: self, page, style: STYLE.name(), script: SCRIPT.name() })
        };
        let headers = [
            (CONTENT_TYPE, "text/html; charset=utf-8"),
            (CONTENT_SECURITY_POLICY, self.policy().as_str()),
            // What one person saw is not for the next who presses "back" on this machine.
            (CACHE_CONTROL, "no-store"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (REFERRER_POLICY, "same-origin"),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        (status, headers, body.into_string()).into_response()
    }

    /// The answer with a good page.
    pub(crate) fn ok(&self, page: &Page) -> Response {
        self.answer(StatusCode::OK, page)
    }

    fn menu(&self) -> Vec<Vec<Entry>> {
        let w = self.words;
        let entry = |place, label, path: &str| Entry { place, label, href: self.to(path) };
        let mut menu = Vec::new();
        if !self.base.is_empty() {
            menu.push(vec![
                Entry { place: Place::Overview, label: w.overview, href: self.base.clone() },
                entry(Place::Offers, w.offers, "offers"),
                entry(Place::Networks, w.networks, "networks"),
                entry(Place::Routers, w.routers, "routers"),
                entry(Place::Areas, w.areas, "areas"),
                entry(Place::Reports, w.reports, "reports"),
            ]);
        }
        if self.is_owner {
            menu.push(vec![
                entry(Place::People, w.people, "people"),
                entry(Place::Tokens, w.tokens, "tokens"),
                entry(Place::Audit, w.audit, "audit"),
                entry(Place::Settings, w.settings, "settings"),
            ]);
        }
        if self.is_admin {
            menu.push(vec![Entry { place: Place::Server, label: w.server, href: "/console/server".to_owned() }]);
        }
        menu
    }
}

/// What there is to see.
#[derive(Debug, Clone, Default)]
pub(crate) struct Page {
    /// Where it stands; nowhere for the pages before somebody is known.
    pub(crate) place: Option<Place>,
    pub(crate) title: String,
    pub(crate) lead: String,
    /// The list it belongs to.
    pub(crate) back: Option<(String, String)>,
    pub(crate) actions: Vec<Action>,
    pub(crate) pieces: Vec<Html>,
}

impl Page {
    /// A page inside.
    pub(crate) fn new(place: Place, title: impl Into<String>) -> Self {
        Self { place: Some(place), title: title.into(), ..Self::default() }
    }

    /// A page before somebody is known.
    pub(crate) fn outside(title: impl Into<String>) -> Self {
        Self { title: title.into(), ..Self::default() }
    }

    /// Says below the title what this is.
    pub(crate) fn lead(mut self, lead: impl Into<String>) -> Self {
        self.lead = lead.into();
        self
    }

    /// Names the list it belongs to.
    pub(crate) fn back(mut self, href: impl Into<String>, label: impl Into<String>) -> Self {
        self.back = Some((href.into(), label.into()));
        self
    }

    /// What can be done, if the person may.
    pub(crate) fn action(mut self, may: bool, action: Action) -> Self {
        self.actions.extend(may.then_some(action));
        self
    }

    /// Adds a piece.
    pub(crate) fn piece(mut self, piece: Html) -> Self {
        self.pieces.push(piece);
        self
    }
}

struct Entry {
    place: Place,
    label: &'static str,
    href: String,
}

#[derive(Template)]
#[template(path = "console/inside.html")]
struct Inside<'a> {
    frame: &'a Frame,
    page: &'a Page,
    style: &'a str,
    script: &'a str,
}

#[derive(Template)]
#[template(path = "console/outside.html")]
struct Outside<'a> {
    frame: &'a Frame,
    page: &'a Page,
    style: &'a str,
    script: &'a str,
}
