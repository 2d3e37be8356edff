//! Who belongs to an organisation: people and what they may do, programs and their tokens, and what all of them did.

use super::frame::{Frame, Page, Place};
use super::input::Input;
use super::parts::{
    Choice, Code, Empty, Field, Form, Html, Kind, Note, Pager, Section, Table, Tone, chip, chips, code, join, link,
    muted, text,
};
use super::words::fill;

/// A member.
#[derive(Debug, Clone, Default)]
pub(crate) struct PersonLine {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) login: String,
    /// `viewer`, `editor` or `owner`.
    pub(crate) role: &'static str,
    /// Whether it is who looks.
    pub(crate) is_me: bool,
}

/// A token of a program.
#[derive(Debug, Clone, Default)]
pub(crate) struct TokenLine {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) created: u64,
    pub(crate) used: Option<u64>,
    pub(crate) expires: Option<u64>,
}

/// A change that somebody made.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditLine {
    pub(crate) at: u64,
    pub(crate) who: String,
    pub(crate) action: String,
    pub(crate) subject: String,
    pub(crate) detail: String,
}

/// The members.
pub(crate) fn people(frame: &Frame, people: &[PersonLine], input: &Input, invited: Option<&str>) -> Page {
    let w = frame.words;
    let rows = people.iter().map(|person| {
        let name = if person.is_me { join([text(&person.name), chip(Tone::Info, w.you)]) } else { text(&person.name) };
        let change = link(&frame.to(&format!("people/{}", person.id)), w.change);
        vec![name, text(&person.login), text(role(frame, person.role)), change]
    });
    let table = Table::new(w.people, vec![w.name, w.login, w.role, w.change]).rows(rows);
    let chosen = if input.get("role").is_empty() { "editor" } else { input.get("role") };
    let form = Form::new(frame.to("people"), &frame.csrf, w.make_link)
        .field(Field::new("role", w.role, Kind::Radios(roles(frame, chosen)), "").error(input.error("role")));
    let mut page = Page::new(Place::People, w.people).lead(w.people_lead);
    if let Some(url) = invited {
        let pieces = vec![Note::new(Tone::Warn, w.link_once).html(), Code::new(w, w.invitation_link, url).html()];
        page = page.piece(Section::new(w.invitation_link, pieces).html());
    }
    page.piece(Section::new("", vec![table.html()]).html())
        .piece(Section::new(w.invite, vec![form.html()]).hint(w.invite_text).html())
}

/// One of them.
pub(crate) fn person(frame: &Frame, person: &PersonLine, input: &Input) -> Page {
    let w = frame.words;
    let path = frame.to(&format!("people/{}", person.id));
    let chosen = if input.get("role").is_empty() { person.role } else { input.get("role") };
    let form = Form::new(&path, &frame.csrf, w.save)
        .field(Field::new("role", w.role, Kind::Radios(roles(frame, chosen)), "").error(input.error("role")))
        .cancel(w.cancel, frame.to("people"));
    let remove = Form::new(format!("{path}/remove"), &frame.csrf, w.remove_person).danger();
    Page::new(Place::People, person.name.clone())
        .lead(person.login.clone())
        .back(frame.to("people"), w.people)
        .piece(Section::new(w.role, vec![form.html()]).html())
        .piece(Section::new(w.remove_person, vec![remove.html()]).hint(w.remove_person_text).html())
}

/// Tokens of programs.
pub(crate) fn tokens(frame: &Frame, tokens: &[TokenLine], input: &Input, made: Option<&str>) -> Page {
    let w = frame.words;
    let rows = tokens.iter().map(|token| {
        vec![
            text(&token.name),
            chips(Tone::Quiet, token.scopes.iter().map(String::as_str)),
            frame.time(Some(token.created)),
            frame.time(token.used),
            token.expires.map_or_else(|| muted(w.for_good), |at| frame.time(Some(at))),
            link(&frame.to(&format!("tokens/{}/remove", token.id)), w.revoke),
        ]
    });
    let table = Table::new(w.tokens, vec![w.name, w.scopes, w.made, w.last_used, w.good_until, w.change])
        .rows(rows)
        .empty(Empty { title: w.no_tokens, text: w.no_tokens_text, action: None });
    let scopes = [
        ("read:areas", w.scope_read_areas),
        ("read:keys", w.scope_read_keys),
        ("read:fleet", w.scope_read_fleet),
        ("write:routers", w.scope_write_routers),
        ("write:offers", w.scope_write_offers),
        ("share", w.scope_share),
    ];
    let scopes = scopes.map(|(scope, hint)| Choice::new(scope, scope, input.has("scope", scope)).hint(hint));
    let form = Form::new(frame.to("tokens"), &frame.csrf, w.make_token)
        .field(
            Field::line("name", w.name, input.get("name"))
                .hint(w.token_name_hint)
                .required()
                .max(MAX_NAME)
                .error(input.error("name")),
        )
        .field(Field::new("scope", w.scopes, Kind::Checks(scopes.into()), "").error(input.error("scope")))
        .field(
            Field::new("days", w.good_for_days, Kind::Number(1, MAX_DAYS), input.get("days"))
                .hint(w.good_for_days_hint)
                .error(input.error("days")),
        );
    let mut page = Page::new(Place::Tokens, w.tokens).lead(w.tokens_lead);
    if let Some(token) = made {
        let pieces = vec![Note::new(Tone::Warn, w.shown_once).html(), Code::new(w, w.token, token).html()];
        page = page.piece(Section::new(w.token, pieces).html());
    }
    page.piece(Section::new("", vec![table.html()]).html()).piece(Section::new(w.make_token, vec![form.html()]).html())
}

/// What was done.
pub(crate) fn audit(frame: &Frame, lines: &[AuditLine], here: Option<&str>, next: Option<&str>) -> Page {
    let w = frame.words;
    let pager = Pager::new(w, &frame.to("audit"), &[], here, next);
    Page::new(Place::Audit, w.audit)
        .lead(w.audit_lead)
        .piece(Section::new("", vec![audit_table(frame, lines), pager.html()]).html())
}

/// What was done, in rows.
pub(crate) fn audit_table(frame: &Frame, lines: &[AuditLine]) -> Html {
    let w = frame.words;
    let rows = lines.iter().map(|line| {
        vec![code(&line.action), frame.time(Some(line.at)), text(&line.who), text(&line.subject), text(&line.detail)]
    });
    Table::new(w.audit, vec![w.what, w.time, w.by, w.subject, w.details])
        .rows(rows)
        .empty(Empty { title: w.no_audit, text: w.no_audit_text, action: None })
        .html()
}

/// Name of the organisation, and to whom its keys go.
pub(crate) fn settings(frame: &Frame, input: &Input, key: &str) -> Page {
    let w = frame.words;
    let form = Form::new(frame.to("settings"), &frame.csrf, w.save)
        .field(
            Field::line("name", w.organisation_name, input.get("name"))
                .required()
                .max(MAX_NAME)
                .error(input.error("name")),
        )
        .field(
            Field::new("keys_to_all", w.keys_to_all, Kind::Check, input.get("keys_to_all")).hint(w.keys_to_all_hint),
        );
    Page::new(Place::Settings, w.settings).piece(Section::new("", vec![form.html()]).html()).piece(
        Section::new(w.signing_key, vec![Code::new(w, w.public_key, key).html()]).hint(w.signing_key_text).html(),
    )
}

/// A conflict that whoever looks after the server decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct ConflictLine {
    pub(crate) bssid: String,
    /// Who claims it: identifier, name, when it was proved.
    pub(crate) claims: Vec<(String, String, u64)>,
}

/// The whole server: organisations, conflicts, what was done.
pub(crate) fn server(
    frame: &Frame,
    orgs: &[(String, String, u64)],
    conflicts: &[ConflictLine],
    audit: &[AuditLine],
    input: &Input,
) -> Page {
    let w = frame.words;
    let rows = orgs.iter().map(|(id, name, created)| {
        let look = Form::new("/console/server/look", &frame.csrf, w.look).field(Field::new(
            "org",
            "",
            Kind::Hidden,
            id.clone(),
        ));
        vec![text(name), code(id), frame.time(Some(*created)), look.html()]
    });
    let table = Table::new(w.organisations, vec![w.name, w.identifier, w.made, w.look]).rows(rows);
    let form = Form::new("/console/server/orgs", &frame.csrf, w.add_organisation).field(
        Field::line("name", w.organisation_name, input.get("name")).required().max(MAX_NAME).error(input.error("name")),
    );
    let conflicts: Vec<_> = conflicts.iter().map(|conflict| decide(frame, conflict)).collect();
    let conflicts = if conflicts.is_empty() {
        vec![Empty { title: w.no_conflicts, text: w.no_conflicts_text, action: None }.html()]
    } else {
        conflicts
    };
    Page::new(Place::Server, w.server)
        .lead(w.server_lead)
        .piece(Section::new(w.conflicts, conflicts).hint(w.conflicts_text).html())
        .piece(Section::new(w.organisations, vec![table.html(), form.html()]).html())
        .piece(Section::new(w.audit, vec![audit_table(frame, audit)]).html())
}

fn decide(frame: &Frame, conflict: &ConflictLine) -> Html {
    let w = frame.words;
    let choices = conflict.claims.iter().map(|(id, name, at)| {
        Choice::new(id, name, false).hint(fill(w.proved_at, &[("time", &frame.zone.moment(*at))]))
    });
    let mut form = Form::new("/console/server/conflicts", &frame.csrf, w.decide)
        .field(Field::new("bssid", "", Kind::Hidden, conflict.bssid.clone()))
        .field(Field::new("org", w.belongs_to, Kind::Radios(choices.collect()), ""));
    form.fields.insert(0, code(&conflict.bssid));
    form.html()
}

/// What may be done in a role.
fn roles(frame: &Frame, chosen: &str) -> Vec<Choice> {
    let w = frame.words;
    let role = |value: &str, label, hint| Choice::new(value, label, chosen == value).hint(hint);
    vec![
        role("viewer", w.viewer, w.viewer_hint),
        role("editor", w.editor, w.editor_hint),
        role("owner", w.owner, w.owner_hint),
    ]
}

/// The name of a role.
pub(crate) fn role(frame: &Frame, role: &str) -> &'static str {
    let w = frame.words;
    match role {
        "owner" => w.owner,
        "editor" => w.editor,
        _ => w.viewer,
    }
}

/// The longest name in characters.
pub(crate) const MAX_NAME: usize = 80;
/// Ten years.
pub(crate) const MAX_DAYS: i64 = 3650;
