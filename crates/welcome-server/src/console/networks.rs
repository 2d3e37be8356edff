//! Networks: how far each is on its way into the directory, and how it gets there.

use super::frame::{Frame, Page, Place};
use super::parts::{
    Action, Choice, Code, Empty, Facts, Field, Filter, Form, Html, Kind, Note, Pager, Section, Step, Steps, Table,
    Tone, chip, code, join, link, muted, number, text,
};
use super::words::fill;

/// How far a network is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// Its router says that it is there.
    #[default]
    Announced,
    /// A challenge is on its way or on the air.
    Challenged,
    /// A witness has heard it; it is listed.
    Verified,
    /// Somebody else claims one of its BSSIDs.
    Conflict,
    /// The proof is too old, or its BSSIDs changed.
    Expired,
}

impl State {
    /// All of them, as they are named in addresses.
    pub(crate) const ALL: [(&'static str, Self); 5] = [
        ("announced", Self::Announced),
        ("challenged", Self::Challenged),
        ("verified", Self::Verified),
        ("conflict", Self::Conflict),
        ("expired", Self::Expired),
    ];

    /// Its name in addresses and in the store.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(n, _)| *n == name).map(|(_, state)| state)
    }
}

/// A network in the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct NetworkLine {
    /// Its page.
    pub(crate) href: String,
    pub(crate) ssid: String,
    pub(crate) router: String,
    pub(crate) router_href: String,
    pub(crate) security: String,
    pub(crate) bssids: Vec<String>,
    pub(crate) state: State,
    pub(crate) area: Option<String>,
    /// Whether its key is given to applications.
    pub(crate) shares_key: bool,
}

/// One network with everything about it.
#[derive(Debug, Default)]
pub(crate) struct NetworkView {
    pub(crate) line: NetworkLine,
    pub(crate) challenge: Option<Challenge>,
    /// Until when the proof is good.
    pub(crate) verified_until: Option<u64>,
    pub(crate) verified_at: Option<u64>,
    /// Why the last challenge came to nothing.
    pub(crate) why: String,
}

/// A challenge that is under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Challenge {
    pub(crate) id: String,
    pub(crate) ssid: String,
    pub(crate) expires: u64,
    /// Whether the router has said that it is on the air.
    pub(crate) on_air: bool,
    /// What a witness types; shown once, to who has asked for the challenge.
    pub(crate) command: Option<String>,
    /// Whether the router has no agent, and a person has to rename the network.
    pub(crate) by_hand: bool,
    /// How many verified routers nearby are asked.
    pub(crate) witnesses: u64,
}

/// A network that asks to be in no directory: all that is known of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LeftOutLine {
    /// As its router calls it.
    pub(crate) id: String,
    /// What in its name asks for it.
    pub(crate) mark: String,
    pub(crate) router: String,
    pub(crate) router_href: String,
}

/// Which part of the list is asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query<'a> {
    pub(crate) q: &'a str,
    pub(crate) state: &'a str,
    pub(crate) after: Option<&'a str>,
}

/// The list; below it what is in no directory.
pub(crate) fn list(
    frame: &Frame,
    Query { q, state, after }: Query<'_>,
    networks: &[NetworkLine],
    left_out: &[LeftOutLine],
    next: Option<&str>,
) -> Page {
    let w = frame.words;
    let all = std::iter::once(Choice::new("", w.any_state, state.is_empty()));
    let each = State::ALL.into_iter().map(|(name, s)| Choice::new(name, label(frame, s), state == name));
    let filter = Filter::new(w, frame.to("networks"), q).select("state", w.state, all.chain(each).collect());
    let is_filtered = !(q.is_empty() && state.is_empty());
    let empty = if is_filtered {
        Empty {
            title: w.nothing_found,
            text: w.nothing_found_text,
            action: Some(Action::other(frame.to("networks"), w.show_all)),
        }
    } else {
        let add = frame.can_edit.then(|| Action::main(frame.to("routers/add"), w.add_router));
        Empty { title: w.no_networks, text: w.no_networks_text, action: add }
    };
    let pairs = [("q", q), ("state", state)];
    let pager = Pager::new(w, &frame.to("networks"), &pairs, after, next);
    let mut pieces = vec![table(frame, networks, true).empty(empty).html(), pager.html()];
    if is_filtered || !networks.is_empty() || after.is_some() {
        pieces.insert(0, filter.html());
    }
    let page = Page::new(Place::Networks, w.networks).lead(w.networks_lead).piece(Section::new("", pieces).html());
    page.piece(left_out_of(frame, left_out, true))
}

/// Why some are not listed; nothing where none asks for it.
pub(crate) fn left_out_of(frame: &Frame, left_out: &[LeftOutLine], with_router: bool) -> Html {
    let w = frame.words;
    if left_out.is_empty() {
        return Html::default();
    }
    let mut heads = vec![w.name, w.state, w.why];
    if with_router {
        heads.push(w.router);
    }
    let rows = left_out.iter().map(|line| {
        let why = fill(w.left_out_because, &[("mark", &line.mark)]);
        let mut row = vec![text(&line.id), chip(Tone::Quiet, w.state_left_out), text(&why)];
        if with_router {
            row.push(link(&line.router_href, &line.router));
        }
        row
    });
    let table = Table::new(w.left_out, heads).rows(rows);
    Section::new(w.left_out, vec![table.html()]).hint(w.left_out_text).html()
}

/// Networks in rows.
pub(crate) fn table(frame: &Frame, networks: &[NetworkLine], with_router: bool) -> Table {
    let w = frame.words;
    let mut heads = vec![w.name, w.state, w.bssids, w.area];
    if with_router {
        heads.insert(2, w.router);
    }
    let rows = networks.iter().map(|line| {
        let mut row = vec![
            link(&line.href, &line.ssid),
            chip(tone(line.state), label(frame, line.state)),
            number(line.bssids.len() as u64),
            line.area.as_deref().map_or_else(Html::default, text),
        ];
        if with_router {
            row.insert(2, link(&line.router_href, &line.router));
        }
        row
    });
    Table::new(w.networks, heads).rows(rows)
}

/// One of them.
pub(crate) fn page(frame: &Frame, view: &NetworkView) -> Page {
    let w = frame.words;
    let line = &view.line;
    let mut page = Page::new(Place::Networks, line.ssid.clone())
        .back(frame.to("networks"), w.networks)
        .action(frame.can_edit, Action::other(format!("{}/say", line.href), w.say_now));
    if !view.why.is_empty() {
        page = page.piece(Note::new(Tone::Warn, fill(w.challenge_failed, &[("why", &view.why)])).html());
    }
    page = page.piece(Section::new(w.way_to_list, vec![steps(frame, view)]).html());
    page = page.piece(what_next(frame, view));
    let bssids = join(line.bssids.iter().map(|bssid| code(bssid)));
    let facts = Facts(vec![
        (w.router, link(&line.router_href, &line.router)),
        (w.security, text(&line.security)),
        (w.area, line.area.as_deref().map_or_else(|| muted(w.none), text)),
        (w.key, if line.shares_key { chip(Tone::Info, w.key_shared) } else { muted(w.key_not_shared) }),
        (w.proved, frame.time(view.verified_at)),
        (w.good_until, view.verified_until.map_or_else(|| muted(w.none), |at| text(&frame.zone.date(at)))),
        (w.bssids, if bssids.is_empty() { muted(w.none) } else { bssids }),
    ]);
    page.piece(Section::new(w.details, vec![facts.html()]).html())
}

fn steps(frame: &Frame, view: &NetworkView) -> Html {
    let w = frame.words;
    let on_air = view.challenge.as_ref().is_some_and(|c| c.on_air);
    // How many stations are behind us, and whether the next one is blocked.
    let (done, wrong) = match view.line.state {
        State::Announced | State::Expired => (1, false),
        State::Challenged if on_air => (2, false),
        State::Challenged => (1, false),
        State::Verified => (4, false),
        State::Conflict => (3, true),
    };
    let labels = [
        (w.step_announced, w.step_announced_text),
        (w.step_on_air, w.step_on_air_text),
        (w.step_witnessed, w.step_witnessed_text),
        (w.step_listed, w.step_listed_text),
    ];
    let steps = labels.into_iter().enumerate().map(|(i, (label, text))| {
        let (state, said) = match i {
            i if i < done => ("done", w.is_done),
            i if i == done && wrong => ("wrong", w.is_blocked),
            i if i == done => ("now", w.is_next),
            _ => ("open", w.is_open),
        };
        Step { label, text: text.to_owned(), state, said }
    });
    Steps(steps.collect()).html()
}

/// What somebody can do about the next step.
fn what_next(frame: &Frame, view: &NetworkView) -> Html {
    let w = frame.words;
    let href = &view.line.href;
    let start = || -> Vec<Html> {
        if !frame.can_edit {
            return vec![Note::new(Tone::Info, w.ask_an_editor).html()];
        }
        vec![Form::new(format!("{href}/verify"), &frame.csrf, w.start_verification).html()]
    };
    match (view.line.state, &view.challenge) {
        (State::Announced, _) => Section::new(w.prove_it, start()).hint(w.prove_it_text).html(),
        (State::Expired, _) => Section::new(w.prove_again, start()).hint(w.prove_again_text).html(),
        (State::Challenged, Some(challenge)) => under_way(frame, href, challenge),
        (State::Challenged, None) => Section::new(w.prove_again, start()).hint(w.prove_again_text).html(),
        (State::Verified, _) => Note::new(Tone::Good, w.is_listed).html(),
        (State::Conflict, _) => {
            let mut pieces = vec![Note::new(Tone::Bad, w.is_conflict).html()];
            if frame.is_admin {
                pieces.push(Note::new(Tone::Info, w.conflict_admin).link("/console/server", w.server).html());
            }
            Section::new(w.conflict, pieces).html()
        }
    }
}

fn under_way(frame: &Frame, href: &str, challenge: &Challenge) -> Html {
    let w = frame.words;
    let left = fill(w.challenge_until, &[("time", &frame.zone.near(w, frame.now, challenge.expires))]);
    let ssid = [("ssid", &challenge.ssid as &dyn std::fmt::Display)];
    let state = match (challenge.on_air, challenge.by_hand) {
        (true, _) => Note::new(Tone::Good, fill(w.challenge_on_air, &ssid)),
        (false, true) => Note::new(Tone::Info, fill(w.challenge_by_hand, &ssid)),
        (false, false) => Note::new(Tone::Info, fill(w.challenge_sent, &ssid)),
    };
    let mut pieces = vec![state.html(), Note::new(Tone::Quiet, left).link(href, w.look_again).html()];
    match &challenge.command {
        Some(command) => {
            pieces.push(Code::new(w, w.with_laptop, command.clone()).html());
            pieces.push(Note::new(Tone::Warn, w.shown_once).html());
        }
        None => pieces.push(Note::new(Tone::Quiet, w.code_was_shown).html()),
    }
    let nearby = if challenge.witnesses == 0 {
        w.nobody_nearby.to_owned()
    } else {
        fill(w.asked_nearby, &[("n", &challenge.witnesses)])
    };
    pieces.push(Note::new(Tone::Info, nearby).html());
    if frame.can_edit {
        let form = Form::new(format!("{href}/verify/stop"), &frame.csrf, w.stop_verification).field(Field::new(
            "challenge",
            "",
            Kind::Hidden,
            challenge.id.clone(),
        ));
        pieces.push(form.html());
    }
    Section::new(w.now_listen, pieces).hint(w.now_listen_text).html()
}

/// What a state is called.
pub(crate) fn label(frame: &Frame, state: State) -> &'static str {
    let w = frame.words;
    match state {
        State::Announced => w.state_announced,
        State::Challenged => w.state_challenged,
        State::Verified => w.state_verified,
        State::Conflict => w.state_conflict,
        State::Expired => w.state_expired,
    }
}

/// How serious a state is.
pub(crate) fn tone(state: State) -> Tone {
    match state {
        State::Announced => Tone::Quiet,
        State::Challenged => Tone::Info,
        State::Verified => Tone::Good,
        State::Conflict => Tone::Bad,
        State::Expired => Tone::Warn,
    }
}
