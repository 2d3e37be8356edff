//! Offers: the list, one of them, its editor, and what is said live.

use askama::Template;
use welcome_proto::Language;
use welcome_proto::offer::{MAX_ALT, MAX_TEXT, MAX_TITLE, MAX_TRANSLATIONS, Offer};
use welcome_proto::schedule::Weekday;

use super::frame::{Frame, Page, Place};
use super::input::Input;
use super::offer_form;
use super::parts::{
    Action, Choice, Empty, Facts, Field, Filter, Form, Html, Kind, Note, Preview, Section, Table, Tone, chip, chips,
    html, join, link, muted, text,
};
use super::words::fill;

/// How far an offer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// Nobody sees it.
    #[default]
    Draft,
    /// Routers have it.
    Published,
    /// Routers have an older version of it.
    Changed,
    /// It is over.
    Archived,
}

/// An offer in the list.
#[derive(Debug, Clone, Default)]
pub(crate) struct OfferLine {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) state: State,
    /// For whom, in words.
    pub(crate) target: String,
    pub(crate) languages: Vec<String>,
    pub(crate) changed: u64,
    /// How many routers have it, of how many.
    pub(crate) has: u64,
    pub(crate) shall: u64,
}

/// One offer with everything about it.
#[derive(Debug)]
pub(crate) struct OfferView {
    pub(crate) line: OfferLine,
    pub(crate) offer: Offer,
    /// The name of a network where it is shown.
    pub(crate) ssid: String,
    /// The version that routers have.
    pub(crate) published: Option<u64>,
    /// Each with when and by whom, newest first.
    pub(crate) versions: Vec<(u64, u64, String)>,
    /// Which routers have it: name, address, whether; those that wait for it first.
    pub(crate) routers: Vec<(String, String, bool)>,
    /// How many there are beside these.
    pub(crate) more: u64,
    /// How often it was shown.
    pub(crate) shown: u64,
}

/// The list.
pub(crate) fn list(frame: &Frame, q: &str, state: &str, offers: &[OfferLine]) -> Page {
    let w = frame.words;
    let choice = |value: &str, label: &str| Choice::new(value, label, state == value);
    let filter = Filter::new(w, frame.to("offers"), q).select(
        "state",
        w.state,
        vec![
            choice("", w.any_state),
            choice("draft", w.draft),
            choice("published", w.published),
            choice("archived", w.archived),
        ],
    );
    let is_filtered = !(q.is_empty() && state.is_empty());
    let write = || Action::main(frame.to("offers/new"), w.write_offer);
    let empty = if is_filtered {
        Empty {
            title: w.nothing_found,
            text: w.nothing_found_text,
            action: Some(Action::other(frame.to("offers"), w.show_all)),
        }
    } else {
        Empty { title: w.first_offer, text: w.first_offer_text, action: frame.can_edit.then(write) }
    };
    let rows = offers.iter().map(|line| {
        let reached = fill(w.n_of_n, &[("n", &line.has), ("all", &line.shall)]);
        vec![
            link(&frame.to(&format!("offers/{}", line.id)), &line.title),
            state_chip(frame, line.state),
            text(&line.target),
            if matches!(line.state, State::Published | State::Changed) { text(&reached) } else { Html::default() },
            chips(Tone::Quiet, line.languages.iter().map(String::as_str)),
            frame.time(Some(line.changed)),
        ]
    });
    let table = Table::new(w.offers, vec![w.title, w.state, w.for_whom, w.routers_have_it, w.languages, w.changed])
        .rows(rows)
        .empty(empty);
    let mut pieces = vec![table.html()];
    if is_filtered || !offers.is_empty() {
        pieces.insert(0, filter.html());
    }
    Page::new(Place::Offers, w.offers)
        .lead(w.offers_lead)
        .action(frame.can_edit && (is_filtered || !offers.is_empty()), write())
        .piece(Section::new("", pieces).html())
}

/// One of them.
pub(crate) fn page(frame: &Frame, view: &OfferView) -> Page {
    let w = frame.words;
    let line = &view.line;
    let path = frame.to(&format!("offers/{}", line.id));
    let may = frame.can_edit;
    let mut page = Page::new(Place::Offers, line.title.clone())
        .back(frame.to("offers"), w.offers)
        .action(may && line.state != State::Archived, Action::other(format!("{path}/edit"), w.edit))
        .action(
            may && matches!(line.state, State::Published | State::Changed | State::Draft),
            Action::other(format!("{path}/archive"), w.archive),
        )
        .action(may && line.state != State::Published, Action::main(format!("{path}/publish"), w.publish));
    page = match line.state {
        State::Draft => page.piece(Note::new(Tone::Info, w.is_draft).html()),
        State::Changed => page.piece(Note::new(Tone::Warn, w.is_changed).html()),
        State::Published | State::Archived => page,
    };
    let facts = Facts(vec![
        (w.state, state_chip(frame, line.state)),
        (w.for_whom, text(&line.target)),
        (w.routers_have_it, text(&fill(w.n_of_n, &[("n", &line.has), ("all", &line.shall)]))),
        (w.shown, text(&view.shown.to_string())),
        (w.when, text(&when(frame, &view.offer))),
        (w.audience, text(audience(frame, view.offer.audience.as_str()))),
    ]);
    let versions = view.versions.iter().map(|(n, at, who)| {
        let link = link(&format!("{path}/versions/{n}"), &fill(w.version_n, &[("n", n)]));
        let is_out = view.published == Some(*n);
        let version = if is_out { join([link, chip(Tone::Good, w.published)]) } else { link };
        vec![version, frame.time(Some(*at)), text(who)]
    });
    let versions = Table::new(w.versions, vec![w.version, w.changed, w.by]).rows(versions);
    let routers = Table::new(w.routers, vec![w.router, w.state]).rows(view.routers.iter().map(|(name, href, has)| {
        vec![link(href, name), if *has { chip(Tone::Good, w.it_has_it) } else { chip(Tone::Quiet, w.on_its_way) }]
    }));
    let routers = routers.empty(Empty { title: w.no_routers_have_it, text: w.no_routers_have_it_text, action: None });
    let more = match view.more {
        0 => Html::default(),
        more => muted(&fill(w.and_more, &[("n", &more)])),
    };
    let left = vec![
        Section::new("", vec![facts.html()]).html(),
        Section::new(w.routers, vec![routers.html(), more]).html(),
        Section::new(w.versions, vec![versions.html()]).hint(w.versions_hint).html(),
    ];
    page.piece(split(join(left), phone(frame, &view.offer, &view.ssid, false)))
}

/// The editor: of a new one, or of one that is there.
pub(crate) fn editor(
    frame: &Frame,
    id: Option<&str>,
    input: &Input,
    offer: &Offer,
    tags: &[String],
    ssid: &str,
) -> Page {
    let w = frame.words;
    let (action, back) = match id {
        Some(id) => (frame.to(&format!("offers/{id}/edit")), frame.to(&format!("offers/{id}"))),
        None => (frame.to("offers/new"), frame.to("offers")),
    };
    let mut form = Form::new(&action, &frame.csrf, w.save_draft).cancel(w.cancel, &back);
    form.files = true;
    form.preview = Some(frame.to("offers/preview"));
    form.second = Some((w.show_preview, format!("{action}?show=preview")));
    form = content(frame, input, "").into_iter().fold(form, Form::field);
    form = form.group(w.looks, "", looks(frame, input, offer));
    for at in 0..translations(input) {
        form = form.group(w.translation, "", content(frame, input, &format!("t{at}_")));
    }
    form = form
        .group(w.when, w.when_hint, schedule(frame, input))
        .group(w.for_whom, "", target_fields(frame, input, tags))
        .group(w.audience_group, "", audience_fields(frame, input));
    let title = if id.is_some() { w.edit_offer } else { w.write_offer };
    let mut page = Page::new(Place::Offers, title).back(back, w.offers);
    if !input.is_good() {
        page = page.piece(Note::new(Tone::Bad, w.look_at_fields).html());
    }
    page.piece(split(Section::new("", vec![form.html()]).html(), phone(frame, offer, ssid, true)))
}

/// What is on the screen of the phone, for the script of the editor.
pub(crate) fn screen(frame: &Frame, offer: &Offer, ssid: &str) -> Html {
    preview(frame, offer, ssid).screen()
}

/// Say something to those who are on a network at this moment.
pub(crate) fn say(frame: &Frame, href: &str, ssid: &str, input: &Input) -> Page {
    let w = frame.words;
    let form = Form::new(format!("{href}/say"), &frame.csrf, w.say_do)
        .field(Field::line("title", w.title, input.get("title")).required().max(MAX_TITLE).error(input.error("title")))
        .field(Field::new("text", w.text, Kind::Area(4), input.get("text")).max(MAX_TEXT).error(input.error("text")))
        .field(
            Field::new("link", w.link, Kind::Line("url"), input.get("link"))
                .hint(w.link_hint)
                .error(input.error("link")),
        )
        .cancel(w.cancel, href);
    Page::new(Place::Networks, w.say_now)
        .back(href, ssid)
        .lead(w.say_lead)
        .piece(Section::new("", vec![form.html()]).html())
}

fn translations(input: &Input) -> usize {
    // One group is always free to write in.
    (offer_form::translations(input) + 1).min(MAX_TRANSLATIONS)
}

fn content(frame: &Frame, input: &Input, prefix: &str) -> Vec<Field> {
    let w = frame.words;
    let field = |field: &str, label, kind| {
        let name = format!("{prefix}{field}");
        let (value, error) = (input.get(&name).to_owned(), input.error(&name).map(str::to_owned));
        Field::new(name, label, kind, value).error(error.as_deref())
    };
    let title = field("title", w.title, Kind::Line("text")).max(MAX_TITLE);
    let text = field("text", w.text, Kind::Area(5)).max(MAX_TEXT);
    let link = field("link", w.link, Kind::Line("url")).hint(w.link_hint);
    let language = field("language", w.language_field, Kind::Line("text")).max(35);
    if prefix.is_empty() {
        vec![title.required(), text, link, language.hint(w.first_language_hint)]
    } else {
        vec![language.hint(w.language_hint), title, text, link]
    }
}

fn looks(frame: &Frame, input: &Input, offer: &Offer) -> Vec<Field> {
    let w = frame.words;
    let kinds = Kind::File("image/png,image/jpeg,image/webp,image/gif");
    let mut fields = vec![
        // What an earlier sending of the form has brought.
        Field::new("image", "", Kind::Hidden, input.get("image")),
        Field::new("picture", w.picture, kinds, "").hint(w.picture_hint).error(input.error("picture")),
        Field::line("alt", w.picture_alt, input.get("alt"))
            .hint(w.picture_alt_hint)
            .max(MAX_ALT)
            .error(input.error("alt")),
        Field::line("color", w.color, input.get("color")).hint(w.color_hint).max(7).error(input.error("color")),
    ];
    if offer.content.image.is_some() {
        fields.insert(2, Field::new("no_image", w.no_picture, Kind::Check, input.get("no_image")));
    }
    fields
}

fn schedule(frame: &Frame, input: &Input) -> Vec<Field> {
    let w = frame.words;
    let zone = fill(w.zone_hint, &[("zone", &frame.zone.name())]);
    let moment = |name: &'static str, label| {
        let kind = Kind::Line("datetime-local");
        Field::new(name, label, kind, input.get(name)).hint(zone.clone()).error(input.error(name))
    };
    let days = Weekday::ALL.into_iter().zip([w.mon, w.tue, w.wed, w.thu, w.fri, w.sat, w.sun]);
    let days = days.map(|(day, label)| Choice::new(day.as_str(), label, input.has("weekday", day.as_str()))).collect();
    vec![
        moment("from", w.from),
        moment("until", w.until),
        Field::new("weekday", w.weekdays, Kind::Checks(days), "").hint(w.weekdays_hint),
        Field::line("hours", w.hours, input.get("hours")).hint(w.hours_hint).max(120).error(input.error("hours")),
    ]
}

fn radio(input: &Input, name: &str, value: &str, label: &'static str, default: &str) -> Choice {
    let chosen = if input.get(name).is_empty() { default } else { input.get(name) };
    Choice::new(value, label, chosen == value)
}

fn target_fields(frame: &Frame, input: &Input, tags: &[String]) -> Vec<Field> {
    let w = frame.words;
    let mut targets = vec![radio(input, "target", "all", w.all_routers, "all")];
    if !tags.is_empty() {
        targets.push(radio(input, "target", "tags", w.routers_with_tags, "all"));
    }
    targets.push(radio(input, "target", "routers", w.these_routers, "all"));
    let mut fields = vec![Field::new("target", w.for_whom, Kind::Radios(targets), "").error(input.error("target"))];
    if !tags.is_empty() {
        let tags = tags.iter().map(|tag| Choice::new(tag, tag, input.has("tag", tag))).collect();
        fields.push(Field::new("tag", w.tags, Kind::Checks(tags), ""));
    }
    fields.push(
        Field::new("routers", w.these_routers, Kind::Area(2), input.get("routers"))
            .hint(w.these_routers_hint)
            .error(input.error("routers")),
    );
    fields.push(
        Field::line("networks", w.networks, input.get("networks"))
            .hint(w.these_networks_hint)
            .error(input.error("networks")),
    );
    fields
}

fn audience_fields(frame: &Frame, input: &Input) -> Vec<Field> {
    let w = frame.words;
    let number = |name: &'static str, label, least, hint: &'static str, default| {
        let field = Field::new(name, label, Kind::Number(least, 100), input.get(name));
        field.hint(hint).default(default).error(input.error(name))
    };
    let each = ["everybody", "first", "returning"];
    let audiences = each.map(|a| radio(input, "audience", a, audience(frame, a), "everybody"));
    vec![
        Field::new("audience", w.audience, Kind::Radios(audiences.into()), ""),
        number("cap_per_visit", w.cap_per_visit, 1, w.cap_per_visit_hint, "1"),
        number("cap_per_day", w.cap_per_day, 1, w.cap_per_day_hint, ""),
        number("priority", w.priority, 0, w.priority_hint, "50"),
    ]
}

/// When it is shown, in a sentence.
pub(super) fn when(frame: &Frame, offer: &Offer) -> String {
    let w = frame.words;
    let when = &offer.when;
    if when.is_always() {
        return w.always.to_owned();
    }
    let names = [w.mon, w.tue, w.wed, w.thu, w.fri, w.sat, w.sun];
    let mut parts = Vec::new();
    parts.extend(when.from.map(|at| format!("{} {}", w.from, frame.zone.moment(at))));
    parts.extend(when.until.map(|at| format!("{} {}", w.until, frame.zone.moment(at))));
    if !when.weekdays.is_empty() {
        parts.push(when.weekdays.iter().map(|day| names[*day as usize]).collect::<Vec<_>>().join(", "));
    }
    parts.extend(when.hours.iter().map(ToString::to_string));
    parts.join(" · ")
}

pub(super) fn audience(frame: &Frame, name: &str) -> &'static str {
    let w = frame.words;
    match name {
        "first" => w.first_visit,
        "returning" => w.returning,
        _ => w.everybody,
    }
}

fn state_chip(frame: &Frame, state: State) -> Html {
    let w = frame.words;
    match state {
        State::Draft => chip(Tone::Quiet, w.draft),
        State::Published => chip(Tone::Good, w.published),
        State::Changed => chip(Tone::Warn, w.published_older),
        State::Archived => chip(Tone::Quiet, w.archived),
    }
}

fn preview<'a>(frame: &'a Frame, offer: &'a Offer, ssid: &'a str) -> Preview<'a> {
    let language = offer.language.as_ref().map_or("", Language::as_str);
    let ssid = if ssid.is_empty() { frame.words.your_network } else { ssid };
    Preview { words: frame.words, ssid, content: &offer.content, language, nonce: &frame.nonce, follows: false }
}

pub(super) fn phone(frame: &Frame, offer: &Offer, ssid: &str, follows: bool) -> Html {
    Preview { follows, ..preview(frame, offer, ssid) }.html()
}

pub(super) fn split(left: Html, right: Html) -> Html {
    #[derive(Template)]
    #[template(source = "<div class=\"split\"><div>{{ left }}</div>{{ right }}</div>", ext = "html")]
    struct Split {
        left: Html,
        right: Html,
    }
    html(&Split { left, right })
}

/// The name of a target in the list.
pub(crate) fn target_name(frame: &Frame, targets: &crate::store::Targets) -> String {
    let w = frame.words;
    match targets {
        t if t.all => w.all_routers.to_owned(),
        t if !t.tags.is_empty() => t.tags.join(", "),
        t if !t.routers.is_empty() => fill(w.n_routers, &[("n", &t.routers.len())]),
        _ => w.nobody.to_owned(),
    }
}
