//! What owners look after: people, API tokens, the audit log, the organisation itself.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;

use super::super::desk::{Desk, Typed};
use super::super::door::{Confirm, confirm};
use super::super::frame::Place;
use super::super::input::Input;
use super::super::people::{self as pages, AuditLine, MAX_DAYS, PersonLine, TokenLine};
use super::PAGE;
use crate::http::MAX_NAME;
use crate::http::error::Error;
use crate::ids::{PersonId, TokenId};
use crate::rights::{Role, Scope, Scopes};
use crate::store::{ApiToken, AuditEntry, MemberChange};
use crate::token;

/// `GET /console/people`.
pub(super) async fn people(desk: Desk) -> Result<Response, Error> {
    let people = members(&desk).await?;
    Ok(desk.frame.ok(&pages::people(&desk.frame, &people, &Input::default(), None)))
}

/// `POST /console/people`: an invitation; the link is in the answer, and nowhere else.
pub(super) async fn invite(desk: Desk, headers: HeaderMap, Typed(mut input): Typed) -> Result<Response, Error> {
    let people = members(&desk).await?;
    let Some(role) = role(&input) else {
        input.problem("role", desk.frame.words.choose_one);
        let page = pages::people(&desk.frame, &people, &input, None);
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    };
    let link = token::new_token();
    let url = format!("{}/join/{}", desk.base(&headers)?, link.reveal());
    let hash = token::hash(link.reveal());
    desk.app.store.invite(desk.org()?, role, hash, desk.frame.now + INVITATION_S, desk.by()).await?;
    Ok(desk.frame.ok(&pages::people(&desk.frame, &people, &Input::default(), Some(&url))))
}

/// `GET /console/people/{person}`.
pub(super) async fn person(desk: Desk, Path(person): Path<PersonId>) -> Result<Response, Error> {
    let line = member(&desk, &person).await?;
    Ok(desk.frame.ok(&pages::person(&desk.frame, &line, &Input::default())))
}

/// `POST /console/people/{person}`: another role.
pub(super) async fn change_person(
    desk: Desk,
    Path(person): Path<PersonId>,
    Typed(mut input): Typed,
) -> Result<Response, Error> {
    let w = desk.frame.words;
    let line = member(&desk, &person).await?;
    let Some(role) = role(&input) else {
        input.problem("role", w.choose_one);
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &pages::person(&desk.frame, &line, &input)));
    };
    change(&desk, &line, &person, Some(role), input).await
}

/// `POST /console/people/{person}/remove`.
pub(super) async fn remove_person(desk: Desk, Path(person): Path<PersonId>) -> Result<Response, Error> {
    let line = member(&desk, &person).await?;
    change(&desk, &line, &person, None, Input::default()).await
}

async fn change(
    desk: &Desk,
    line: &PersonLine,
    person: &PersonId,
    role: Option<Role>,
    mut input: Input,
) -> Result<Response, Error> {
    match desk.app.store.change_member(desk.org()?, person, role, desk.by()).await? {
        MemberChange::NotFound => Err(Error::NotFound),
        MemberChange::LastOwner => {
            input.problem("role", desk.frame.words.last_owner);
            Ok(desk.frame.answer(StatusCode::CONFLICT, &pages::person(&desk.frame, line, &input)))
        }
        // Who has left, or is no owner from here on, sees no list of people.
        MemberChange::Done if line.is_me && role != Some(Role::Owner) => Ok(Redirect::to("/console").into_response()),
        MemberChange::Done => Ok(desk.done("/console/people", if role.is_some() { "saved" } else { "person-gone" })),
    }
}

/// `GET /console/tokens`.
pub(super) async fn tokens(desk: Desk) -> Result<Response, Error> {
    let tokens = token_lines(&desk).await?;
    Ok(desk.frame.ok(&pages::tokens(&desk.frame, &tokens, &Input::default(), None)))
}

/// `POST /console/tokens`: the token is in the answer, and nowhere else.
pub(super) async fn make_token(desk: Desk, Typed(mut input): Typed) -> Result<Response, Error> {
    let w = desk.frame.words;
    let name = input.line(w, "name", MAX_NAME);
    let scopes = Scopes(Scope::ALL.into_iter().filter(|scope| input.has("scope", scope.as_str())).collect());
    if scopes.0.is_empty() {
        input.problem("scope", w.choose_scopes);
    }
    let days = input.number(w, "days", 1, MAX_DAYS).and_then(|days| u64::try_from(days).ok());
    if !input.is_good() {
        let page = pages::tokens(&desk.frame, &token_lines(&desk).await?, &input, None);
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let secret = token::new_token();
    let token = ApiToken {
        id: TokenId::random(),
        org: Some(desk.org()?.clone()),
        name,
        scopes,
        created: desk.frame.now,
        expires: days.map(|days| desk.frame.now + days * 86_400),
        last_used: None,
    };
    desk.app.store.add_api_token(&token, token::hash(secret.reveal()), desk.by()).await?;
    let tokens = token_lines(&desk).await?;
    Ok(desk.frame.ok(&pages::tokens(&desk.frame, &tokens, &Input::default(), Some(secret.reveal()))))
}

/// `GET /console/tokens/{token}/remove`.
pub(super) async fn remove_token_page(desk: Desk, Path(id): Path<TokenId>) -> Result<Response, Error> {
    let w = desk.frame.words;
    let tokens = token_lines(&desk).await?;
    let token = tokens.into_iter().find(|token| token.id == id.as_str()).ok_or(Error::NotFound)?;
    let ask = Confirm {
        title: w.revoke_token.to_owned(),
        text: format!("{}: {}", token.name, w.revoke_token_text),
        action: format!("/console/tokens/{id}/remove"),
        button: w.revoke,
        danger: true,
        back: "/console/tokens",
        fields: Vec::new(),
    };
    Ok(desk.frame.ok(&confirm(&desk.frame, Place::Tokens, ask)))
}

/// `POST /console/tokens/{token}/remove`.
pub(super) async fn remove_token(desk: Desk, Path(id): Path<TokenId>) -> Result<Response, Error> {
    if !desk.app.store.remove_api_token(Some(desk.org()?), &id, desk.by()).await? {
        return Err(Error::NotFound);
    }
    Ok(desk.done("/console/tokens", "token-gone"))
}

#[derive(Deserialize)]
pub(super) struct After {
    after: Option<i64>,
}

/// `GET /console/audit`.
pub(super) async fn audit(desk: Desk, Query(After { after }): Query<After>) -> Result<Response, Error> {
    let mut rows = desk.app.store.audit(Some(desk.org()?), after, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| row.id.to_string());
    let here = after.map(|after| after.to_string());
    let lines = audit_lines(rows);
    Ok(desk.frame.ok(&pages::audit(&desk.frame, &lines, here.as_deref(), next.as_deref())))
}

/// `GET /console/settings`.
pub(super) async fn settings(desk: Desk) -> Result<Response, Error> {
    let org = desk.app.store.org(desk.org()?).await?.ok_or(Error::NotFound)?;
    let keys = if org.keys_to_all { "yes" } else { "" };
    let input = Input::of([("name", org.name.as_str()), ("keys_to_all", keys)]);
    let key = desk.app.keys.of(&org.id).await?.public();
    Ok(desk.frame.ok(&pages::settings(&desk.frame, &input, &key)))
}

/// `POST /console/settings`.
pub(super) async fn change_settings(desk: Desk, Typed(mut input): Typed) -> Result<Response, Error> {
    let name = input.line(desk.frame.words, "name", MAX_NAME);
    if !input.is_good() {
        let key = desk.app.keys.of(desk.org()?).await?.public();
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &pages::settings(&desk.frame, &input, &key)));
    }
    let keys = input.has("keys_to_all", "yes");
    if !desk.app.store.change_org(desk.org()?, &name, keys, desk.by()).await? {
        return Err(Error::NotFound);
    }
    Ok(desk.done("/console/settings", "saved"))
}

/// What was done, as its page shows it.
pub(super) fn audit_lines(rows: Vec<AuditEntry>) -> Vec<AuditLine> {
    let line = |row: AuditEntry| AuditLine {
        at: row.at,
        who: row.actor,
        action: row.action,
        subject: row.subject,
        detail: row.detail,
    };
    rows.into_iter().map(line).collect()
}

async fn members(desk: &Desk) -> Result<Vec<PersonLine>, Error> {
    let me = &desk.visitor.session.person;
    let members = desk.app.store.members(desk.org()?).await?;
    let line = |p: crate::store::Person| PersonLine {
        is_me: p.id == *me,
        id: p.id.to_string(),
        name: p.name,
        login: p.login,
        role: p.role.as_str(),
    };
    Ok(members.into_iter().map(line).collect())
}

async fn member(desk: &Desk, person: &PersonId) -> Result<PersonLine, Error> {
    members(desk).await?.into_iter().find(|line| line.id == person.as_str()).ok_or(Error::NotFound)
}

async fn token_lines(desk: &Desk) -> Result<Vec<TokenLine>, Error> {
    let tokens = desk.app.store.api_tokens(Some(desk.org()?)).await?;
    let line = |token: ApiToken| TokenLine {
        id: token.id.to_string(),
        name: token.name,
        scopes: token.scopes.0.iter().map(|scope| scope.as_str().to_owned()).collect(),
        created: token.created,
        used: token.last_used,
        expires: token.expires,
    };
    Ok(tokens.into_iter().map(line).collect())
}

fn role(input: &Input) -> Option<Role> {
    input.get("role").parse().ok()
}

/// A week.
const INVITATION_S: u64 = 7 * 86_400;
