//! The pages at the door: set up, log in, accept an invitation, change the password.

use super::frame::{Frame, Page, Place};
use super::input::Input;
use super::parts::{Action, Field, Form, Html, Kind, Note, Section, Tone};
use super::words::fill;
use crate::http::MAX_NAME;

/// The one-time page of the first start.
pub(crate) fn set_up(frame: &Frame, action: &str, input: &Input) -> Page {
    let w = frame.words;
    let form = Form::new(action, "", w.set_up_do).field(
        Field::line("organisation", w.organisation_name, input.get("organisation"))
            .hint(w.organisation_name_hint)
            .required()
            .max(MAX_NAME)
            .autocomplete("organization")
            .error(input.error("organisation")),
    );
    let form = new_person(frame, form, input);
    Page::outside(w.set_up).lead(w.set_up_lead).piece(form.html())
}

/// The page behind a link that somebody was given.
pub(crate) fn invitation(frame: &Frame, action: &str, organisation: &str, role: &str, input: &Input) -> Page {
    let w = frame.words;
    let lead = fill(w.invitation_lead, &[("organisation", &organisation), ("role", &role)]);
    let form = new_person(frame, Form::new(action, "", w.invitation_accept), input);
    Page::outside(w.invitation).lead(lead).piece(form.html())
}

/// The same for somebody who is known already.
pub(crate) fn join(frame: &Frame, action: &str, organisation: &str, role: &str) -> Page {
    let w = frame.words;
    let lead = fill(w.invitation_lead, &[("organisation", &organisation), ("role", &role)]);
    let form = Form::new(action, &frame.csrf, w.invitation_join).cancel(w.cancel, "/console");
    Page::outside(w.invitation).lead(lead).piece(form.html())
}

/// Who are you?
pub(crate) fn log_in(frame: &Frame, input: &Input, wrong: Option<Note>) -> Page {
    let w = frame.words;
    let mut form = Form::new("/console/login", "", w.log_in)
        .field(Field::line("login", w.login, input.get("login")).required().max(MAX_LOGIN).autocomplete("username"))
        .field(
            Field::new("password", w.password, Kind::Line("password"), "")
                .required()
                .max(MAX_PASSWORD)
                .autocomplete("current-password"),
        );
    let next = input.get("next");
    if !next.is_empty() {
        form = form.field(Field::new("next", "", Kind::Hidden, next));
    }
    let page = Page::outside(w.log_in_title);
    let page = if let Some(wrong) = wrong { page.piece(wrong.html()) } else { page };
    page.piece(form.html())
}

/// One's own account.
pub(crate) fn me(frame: &Frame, login: &str, input: &Input) -> Page {
    let w = frame.words;
    let password = |name, label, autocomplete| {
        Field::new(name, label, Kind::Line("password"), "")
            .required()
            .max(MAX_PASSWORD)
            .autocomplete(autocomplete)
            .error(input.error(name))
    };
    let form = Form::new("/console/me/password", &frame.csrf, w.change_password)
        .field(password("old", w.old_password, "current-password"))
        .field(password("password", w.new_password, "new-password").hint(w.password_hint))
        .field(password("again", w.password_again, "new-password"));
    let lead = fill(w.logged_in_as, &[("login", &login)]);
    Page::new(Place::Me, frame.person.clone())
        .lead(lead)
        .piece(Section::new(w.change_password, vec![form.html()]).hint(w.change_password_hint).html())
}

/// A page with nothing but a sentence and a way on: errors, links that are used up.
pub(crate) fn notice(title: &str, text: &str, way: Option<Action>) -> Page {
    let mut page = Page::outside(title).lead(text);
    page.actions.extend(way);
    page
}

/// "Are you sure?" without script.
pub(crate) fn confirm(frame: &Frame, place: Place, ask: Confirm<'_>) -> Page {
    let w = frame.words;
    let Confirm { title, text, action, button, danger, back, fields } = ask;
    let mut form = Form::new(action, &frame.csrf, button).cancel(w.cancel, back);
    form.fields = fields;
    let form = if danger { form.danger() } else { form };
    let note = Note::new(if danger { Tone::Warn } else { Tone::Info }, text);
    Page::new(place, title).piece(note.html()).piece(Section::new("", vec![form.html()]).html())
}

/// What is asked.
pub(crate) struct Confirm<'a> {
    pub(crate) title: String,
    pub(crate) text: String,
    pub(crate) action: String,
    pub(crate) button: &'static str,
    /// Whether it cannot be undone.
    pub(crate) danger: bool,
    pub(crate) back: &'a str,
    pub(crate) fields: Vec<Html>,
}

fn new_person(frame: &Frame, form: Form, input: &Input) -> Form {
    let w = frame.words;
    form.field(
        Field::line("name", w.your_name, input.get("name"))
            .required()
            .max(MAX_NAME)
            .autocomplete("name")
            .error(input.error("name")),
    )
    .field(
        Field::line("login", w.login, input.get("login"))
            .hint(w.login_hint)
            .required()
            .max(MAX_LOGIN)
            .autocomplete("username")
            .error(input.error("login")),
    )
    .field(
        Field::new("password", w.password, Kind::Line("password"), "")
            .hint(w.password_hint)
            .required()
            .max(MAX_PASSWORD)
            .autocomplete("new-password")
            .error(input.error("password")),
    )
}

/// The longest name to log in with.
pub(crate) const MAX_LOGIN: usize = 120;
/// The longest password in characters; hashing it takes time.
pub(crate) const MAX_PASSWORD: usize = 200;
