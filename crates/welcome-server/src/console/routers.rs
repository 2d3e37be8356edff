//! Routers: the list, one of them, and how one is added.

use super::frame::{Frame, Page, Place};
use super::input::Input;
use super::networks::{LeftOutLine, NetworkLine};
use super::parts::{
    Action, Choice, Code, Empty, Facts, Field, Filter, Form, Html, Kind, Note, Pager, Section, Table, Tone, chip,
    chips, code, join, link, muted, number, text,
};
use super::words::fill;
use crate::http::MAX_NAME;

/// A router in the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct RouterLine {
    pub(crate) id: String,
    /// As people call it; empty if nobody has named it.
    pub(crate) name: String,
    pub(crate) online: bool,
    pub(crate) seen: Option<u64>,
    pub(crate) version: String,
    pub(crate) networks: u64,
    pub(crate) tags: Vec<String>,
}

impl RouterLine {
    /// What to call it.
    pub(crate) fn called(&self) -> &str {
        if self.name.is_empty() { &self.id } else { &self.name }
    }
}

/// What the list was asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    pub(crate) q: String,
    pub(crate) state: String,
    pub(crate) tag: String,
    pub(crate) after: Option<String>,
}

/// One router with everything about it.
#[derive(Debug, Default)]
pub(crate) struct RouterView {
    pub(crate) line: RouterLine,
    pub(crate) enrolled: u64,
    pub(crate) networks: Vec<NetworkLine>,
    pub(crate) left_out: Vec<LeftOutLine>,
    /// Which offers it should have: title, address, whether it has them.
    pub(crate) offers: Vec<(String, String, bool)>,
    /// What it reported last: when, where, what.
    pub(crate) reports: Vec<(u64, String, String)>,
}

/// The list.
pub(crate) fn list(frame: &Frame, query: &Query, tags: &[String], routers: &[RouterLine], next: Option<&str>) -> Page {
    let w = frame.words;
    let choice = |value: &str, label: &str| Choice::new(value, label, query.state == value);
    let mut filter = Filter::new(w, frame.to("routers"), &query.q).select(
        "state",
        w.state,
        vec![choice("", w.any_state), choice("online", w.online), choice("offline", w.offline)],
    );
    if !tags.is_empty() {
        let all = std::iter::once(Choice::new("", w.any_tag, query.tag.is_empty()));
        let each = tags.iter().map(|tag| Choice::new(tag, tag, query.tag == *tag));
        filter = filter.select("tag", w.tag, all.chain(each).collect());
    }
    let is_filtered = !(query.q.is_empty() && query.state.is_empty() && query.tag.is_empty());
    let add = frame.can_edit.then(|| Action::main(frame.to("routers/add"), w.add_router));
    let empty = if is_filtered {
        Empty {
            title: w.nothing_found,
            text: w.nothing_found_text,
            action: Some(Action::other(frame.to("routers"), w.show_all)),
        }
    } else {
        Empty { title: w.first_router, text: w.first_router_text, action: add }
    };
    let table = Table::new(w.routers, vec![w.name, w.state, w.last_seen, w.version, w.networks, w.tags])
        .rows(routers.iter().map(|router| row(frame, router)))
        .empty(empty);
    let pairs = [("q", query.q.as_str()), ("state", &query.state), ("tag", &query.tag)];
    let pager = Pager::new(w, &frame.to("routers"), &pairs, query.after.as_deref(), next);
    let page = Page::new(Place::Routers, w.routers)
        .action(frame.can_edit && !routers.is_empty(), Action::main(frame.to("routers/add"), w.add_router));
    let mut pieces = vec![table.html(), pager.html()];
    if is_filtered || !routers.is_empty() || query.after.is_some() {
        pieces.insert(0, filter.html());
    }
    page.piece(Section::new("", pieces).html())
}

/// One of them.
pub(crate) fn page(frame: &Frame, view: &RouterView, input: &Input) -> Page {
    let w = frame.words;
    let line = &view.line;
    let path = frame.to(&format!("routers/{}", line.id));
    let facts = Facts(vec![
        (w.state, state(frame, line)),
        (w.last_seen, frame.time(line.seen)),
        (w.version, text(&line.version)),
        (w.enrolled, frame.time(Some(view.enrolled))),
        (w.identifier, code(&line.id)),
        (
            w.tags,
            if line.tags.is_empty() { muted(w.none) } else { chips(Tone::Quiet, line.tags.iter().map(String::as_str)) },
        ),
    ]);
    let networks = super::networks::table(frame, &view.networks, false).empty(Empty {
        title: w.no_networks,
        text: w.no_networks_text,
        action: None,
    });
    let offers = Table::new(w.offers, vec![w.title, w.state])
        .rows(view.offers.iter().map(|(title, href, has)| {
            let state = if *has { chip(Tone::Good, w.it_has_it) } else { chip(Tone::Quiet, w.on_its_way) };
            vec![link(href, title), state]
        }))
        .empty(Empty { title: w.no_offers_here, text: w.no_offers_here_text, action: None });
    let reports = Table::new(w.reports, vec![w.what, w.network, w.time])
        .rows(view.reports.iter().map(|(at, network, what)| vec![text(what), text(network), frame.time(Some(*at))]))
        .empty(Empty { title: w.nobody_yet, text: w.nobody_yet_text, action: None });
    let mut page = Page::new(Place::Routers, line.called())
        .back(frame.to("routers"), w.routers)
        .action(frame.can_edit, Action::other(format!("{path}/revoke"), w.revoke));
    if !line.online {
        page = page.piece(Note::new(Tone::Warn, w.is_away).html());
    }
    page = page
        .piece(Section::new("", vec![facts.html()]).html())
        .piece(Section::new(w.networks, vec![networks.html()]).html())
        .piece(super::networks::left_out_of(frame, &view.left_out, false))
        .piece(Section::new(w.offers, vec![offers.html()]).html())
        .piece(Section::new(w.last_reports, vec![reports.html()]).html());
    if frame.can_edit {
        let (name, tags) = if input.is_empty() {
            (line.name.clone(), line.tags.join(", "))
        } else {
            (input.get("name").to_owned(), input.get("tags").to_owned())
        };
        let form = Form::new(path, &frame.csrf, w.save)
            .field(Field::line("name", w.name, name).hint(w.router_name_hint).max(MAX_NAME).error(input.error("name")))
            .field(Field::line("tags", w.tags, tags).hint(w.tags_hint).max(MAX_TAGS).error(input.error("tags")));
        page = page.piece(Section::new(w.rename, vec![form.html()]).html());
    }
    page
}

/// How long a token is good, and for whom.
pub(crate) fn add(frame: &Frame, input: &Input) -> Page {
    let w = frame.words;
    let ttl = if input.is_empty() { "86400" } else { input.get("ttl") };
    let choice = |value: &str, label: &'static str| Choice::new(value, label, ttl == value);
    let form = Form::new(frame.to("routers/add"), &frame.csrf, w.make_token)
        .field(
            Field::line("name", w.name, input.get("name"))
                .hint(w.router_name_hint)
                .max(MAX_NAME)
                .error(input.error("name")),
        )
        .field(
            Field::new(
                "ttl",
                w.good_for,
                Kind::Radios(vec![choice("3600", w.an_hour), choice("86400", w.a_day), choice("604800", w.a_week)]),
                "",
            )
            .error(input.error("ttl")),
        )
        .cancel(w.cancel, frame.to("routers"));
    Page::new(Place::Routers, w.add_router)
        .back(frame.to("routers"), w.routers)
        .lead(w.add_router_lead)
        .piece(Section::new("", vec![form.html()]).html())
}

/// The token, once, and what to do with it.
pub(crate) fn added(frame: &Frame, server: &str, token: &str, expires: u64) -> Page {
    let w = frame.words;
    let until = fill(w.token_until, &[("time", &frame.zone.moment(expires))]);
    let uci = format!(
        "uci batch <<'END'\nset welcomed.server=server\nset welcomed.server.url='{server}'\nset welcomed.server.token='{token}'\nset welcomed.main.enabled='1'\ncommit welcomed\nEND\nreload_config"
    );
    Page::new(Place::Routers, w.add_router)
        .back(frame.to("routers"), w.routers)
        .piece(Note::new(Tone::Warn, w.shown_once).html())
        .piece(
            Section::new(
                w.in_luci,
                vec![Code::new(w, w.server_address, server).html(), Code::new(w, w.token, token).html()],
            )
            .hint(w.in_luci_text)
            .html(),
        )
        .piece(Section::new(w.in_shell, vec![Code::new(w, w.uci, uci).html()]).hint(w.in_shell_text).html())
        .piece(Section::new("", vec![Note::new(Tone::Info, until).link(frame.to("routers"), w.routers).html()]).html())
}

/// Its state in a word.
pub(crate) fn state(frame: &Frame, line: &RouterLine) -> Html {
    let w = frame.words;
    if line.online { chip(Tone::Good, w.online) } else { chip(Tone::Warn, w.offline) }
}

fn row(frame: &Frame, router: &RouterLine) -> Vec<Html> {
    let name = link(&frame.to(&format!("routers/{}", router.id)), router.called());
    let name = if router.name.is_empty() { name } else { join([name, muted(&router.id)]) };
    vec![
        name,
        state(frame, router),
        frame.time(router.seen),
        text(&router.version),
        number(router.networks),
        chips(Tone::Quiet, router.tags.iter().map(String::as_str)),
    ]
}

/// All tags together.
pub(crate) const MAX_TAGS: usize = 200;
