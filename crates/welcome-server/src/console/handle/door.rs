//! In and out: the set-up link, invitations, log in, log out, the password.

use axum::Extension;
use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::header::{HeaderValue, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use welcome_proto::Secret;

use super::super::desk::{Desk, Shared, Stranger, Typed};
use super::super::door;
use super::super::input::Input;
use super::super::parts::{Action, Note, Tone};
use super::super::people::role;
use super::super::words::{LANGUAGE, Words, fill};
use crate::app::unix_now;
use crate::caller::Caller;
use crate::http::error::Error;
use crate::http::session::{self, Visitor};
use crate::http::{App, MAX_NAME};
use crate::ids::{OrgId, PersonId};
use crate::password;
use crate::store::{Invitation, NewPerson, Subject, Taken};
use crate::token;

/// `GET /`.
pub(super) async fn home() -> Redirect {
    Redirect::to("/console")
}

/// `POST /console/language`: in a cookie, and with the person, if that is known.
pub(super) async fn language(
    axum::extract::State(app): Shared,
    headers: HeaderMap,
    Typed(input): Typed,
) -> Result<Response, Error> {
    let back = input.get("back");
    let back = if is_ours(back) { back } else { "/console" };
    let mut response = Redirect::to(back).into_response();
    let Some(words) = Words::named(input.get("language")) else { return Ok(response) };
    if session::is_same_origin(&headers)
        && let Some(visitor) = session::visitor(&app, &headers).await?
    {
        app.store.set_language(&visitor.session.person, words.language).await?;
    }
    let cookie = format!("{LANGUAGE}={}; Path=/; Max-Age=31536000; SameSite=Lax", words.language);
    response.headers_mut().insert(SET_COOKIE, HeaderValue::try_from(cookie).expect("a language is a cookie's value"));
    Ok(response)
}

/// `GET /set-up/{link}` and `GET /join/{link}`.
pub(super) async fn invitation(
    Stranger { app, mut frame }: Stranger,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let w = frame.words;
    let Some(invitation) = app.store.invitation(token::hash(&link), frame.now).await? else {
        let page = door::notice(w.link_used, w.link_used_text, Some(Action::main("/console", w.log_in)));
        return Ok(frame.answer(StatusCode::NOT_FOUND, &page));
    };
    let visitor = session::visitor(&app, &headers).await?;
    let page = match visitor {
        Some(visitor) if !invitation.admin => {
            frame.csrf = visitor.csrf;
            let action = format!("/join/{link}/as-me");
            door::join(&frame, &action, &invitation.org_name, role(&frame, invitation.role.as_str()))
        }
        _ => page_of(&frame, &invitation, &link, &Input::default()),
    };
    Ok(frame.ok(&page))
}

/// `POST` of the same: somebody new comes in.
pub(super) async fn accept(
    Stranger { app, frame }: Stranger,
    Path(link): Path<String>,
    headers: HeaderMap,
    Typed(mut input): Typed,
) -> Result<Response, Error> {
    if !session::is_same_origin(&headers) {
        return Err(Error::Forbidden("the form is not of this site"));
    }
    let w = frame.words;
    let hash = token::hash(&link);
    let invitation = app.store.invitation(hash, frame.now).await?.ok_or(Error::NotFound)?;
    let name = input.line(w, "name", MAX_NAME);
    let login = input.line(w, "login", door::MAX_LOGIN).to_lowercase();
    if login.contains(char::is_whitespace) {
        input.problem("login", w.bad_login);
    }
    let organisation = if invitation.admin { Some(input.line(w, "organisation", MAX_NAME)) } else { None };
    let password = good_password(w, &mut input, "password", &[&name, &login]);
    let taken = match password.filter(|_| input.is_good()) {
        None => None,
        Some(password) => {
            let password = password::hash(password).await;
            let new = NewPerson { id: PersonId::random(), login: &login, name: &name, password: &password };
            let taken = app.store.take_invitation(hash, &new, organisation.as_deref(), frame.now).await?;
            if taken == Taken::InUse {
                input.problem("login", w.login_taken);
            }
            Some((taken, new.id))
        }
    };
    match taken {
        Some((Taken::Done(_), person)) => begin(&app, &person, "/console").await,
        Some((Taken::NotFound, _)) => Err(Error::NotFound),
        _ => {
            input.forget("password");
            Ok(frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page_of(&frame, &invitation, &link, &input)))
        }
    }
}

/// `POST /join/{link}/as-me`: somebody who is known joins another organisation.
pub(super) async fn join(desk: Desk, Path(link): Path<String>) -> Result<Response, Error> {
    let taken = desk.app.store.join_by_invitation(token::hash(&link), &desk.visitor.session.person, desk.by()).await?;
    let Taken::Done(org) = taken else { return Err(Error::NotFound) };
    desk.app.store.look_at_org(desk.visitor.hash, &org).await?;
    Ok(Redirect::to("/console").into_response())
}

#[derive(Deserialize)]
pub(super) struct Next {
    #[serde(default)]
    next: String,
}

/// `GET /console/login`.
pub(super) async fn login_page(Stranger { frame, .. }: Stranger, Query(Next { next }): Query<Next>) -> Response {
    let next = if is_ours(&next) { next } else { String::new() };
    frame.ok(&door::log_in(&frame, &Input::of([("next", next)]), None))
}

/// `POST /console/login`.
pub(super) async fn login(
    Stranger { app, frame }: Stranger,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Typed(input): Typed,
) -> Result<Response, Error> {
    if !session::is_same_origin(&headers) {
        return Err(Error::Forbidden("the form is not of this site"));
    }
    let w = frame.words;
    let login = input.get("login").to_lowercase();
    let password = Secret::new(input.raw("password").to_owned());
    let is_long = login.chars().count() > door::MAX_LOGIN || password.reveal().chars().count() > door::MAX_PASSWORD;
    // The name, and the address: whoever tries one password on many names is slowed, too.
    let subjects = [Subject::name(&format!("login {login}")), Subject::address(caller.addr)];
    let again = |status, text: &str| {
        let mut kept = Input::of([("login", input.get("login"))]);
        kept.set("next", if is_ours(input.get("next")) { input.get("next") } else { "" });
        frame.answer(status, &door::log_in(&frame, &kept, Some(Note::new(Tone::Bad, text))))
    };
    if is_long {
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, w.login_wrong));
    }
    if let Err(wait) = app.store.may_try(&subjects, frame.now).await? {
        app.metrics.logins_refused.inc();
        let mut answer = again(StatusCode::TOO_MANY_REQUESTS, &fill(w.login_wait, &[("n", &wait)]));
        answer.headers_mut().insert(http::header::RETRY_AFTER, wait.into());
        return Ok(answer);
    }
    let (person, hash) = app.store.password_of(&login).await?.unzip();
    let fits = password::fits(password, hash).await;
    let Some(person) = person.filter(|_| fits) else {
        app.metrics.logins_refused.inc();
        return Ok(again(StatusCode::UNPROCESSABLE_ENTITY, w.login_wrong));
    };
    app.store.forget_failures(&subjects).await?;
    let next = if is_ours(input.get("next")) { input.get("next") } else { "/console" };
    begin(&app, &person, next).await
}

/// `POST /console/logout`.
pub(super) async fn logout(desk: Desk) -> Result<Response, Error> {
    desk.app.store.end_session(desk.visitor.hash).await?;
    let mut response = Redirect::to("/console/login").into_response();
    let over = session::set_cookie(&desk.app, &Secret::new(String::new()), 0);
    response.headers_mut().insert(SET_COOKIE, over);
    Ok(response)
}

/// `POST /console/look`: at another organisation.
pub(super) async fn look(desk: Desk, Typed(input): Typed) -> Result<Response, Error> {
    let org: OrgId = input.get("org").parse().map_err(|_| Error::NotFound)?;
    let mine = desk.app.store.memberships(&desk.visitor.session.person).await?;
    if !mine.iter().any(|(id, ..)| *id == org) {
        return Err(Error::NotFound);
    }
    desk.app.store.look_at_org(desk.visitor.hash, &org).await?;
    Ok(Redirect::to("/console").into_response())
}

/// `GET /console/me`.
pub(super) async fn me(desk: Desk) -> Response {
    desk.frame.ok(&door::me(&desk.frame, &desk.visitor.session.login, &Input::default()))
}

/// `POST /console/me/password`.
pub(super) async fn change_password(desk: Desk, Typed(mut input): Typed) -> Result<Response, Error> {
    let Desk { app, visitor, frame, .. } = &desk;
    let w = frame.words;
    let Visitor { session, hash: cookie, .. } = visitor;
    let subjects = [Subject::name(&format!("password {}", session.person))];
    let new = good_password(w, &mut input, "password", &[&session.name, &session.login]);
    if input.raw("password") != input.raw("again") {
        input.problem("again", w.passwords_differ);
    }
    if let Err(wait) = app.store.may_try(&subjects, frame.now).await? {
        input.problem("old", fill(w.login_wait, &[("n", &wait)]));
    } else {
        let old = Secret::new(input.raw("old").chars().take(door::MAX_PASSWORD).collect::<String>());
        let known = app.store.password_of(&session.login).await?.map(|(_, hash)| hash);
        if password::fits(old, known).await {
            app.store.forget_failures(&subjects).await?;
        } else {
            input.problem("old", w.password_wrong);
        }
    }
    match new.filter(|_| input.is_good()) {
        Some(new) => {
            let new = password::hash(new).await;
            app.store.set_password(&session.person, &new, cookie, desk.by()).await?;
            Ok(desk.done("/console/me", "password"))
        }
        None => Ok(frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &door::me(frame, &session.login, &input))),
    }
}

fn page_of(
    frame: &super::super::frame::Frame,
    invitation: &Invitation,
    link: &str,
    input: &Input,
) -> super::super::frame::Page {
    if invitation.admin {
        return door::set_up(frame, &format!("/set-up/{link}"), input);
    }
    let role_name = role(frame, invitation.role.as_str());
    door::invitation(frame, &format!("/join/{link}"), &invitation.org_name, role_name, input)
}

/// The password in a field, if it can be one; else the field says why not.
fn good_password(w: &Words, input: &mut Input, field: &str, not: &[&str]) -> Option<Secret> {
    let password = input.raw(field).to_owned();
    let mut letters: Vec<char> = password.chars().collect();
    let length = letters.len();
    letters.sort_unstable();
    letters.dedup();
    let lower = password.to_lowercase();
    if length < password::MIN {
        input.problem(field, w.password_short);
    } else if length > door::MAX_PASSWORD {
        input.problem(field, fill(w.too_long, &[("n", &door::MAX_PASSWORD)]));
    } else if letters.len() < FEWEST_LETTERS || not.iter().any(|name| !name.is_empty() && lower == name.to_lowercase())
    {
        input.problem(field, w.password_known);
    } else {
        return Some(Secret::new(password));
    }
    None
}

/// Different letters in a password.
const FEWEST_LETTERS: usize = 4;

/// Begins a session.
async fn begin(app: &App, person: &PersonId, next: &str) -> Result<Response, Error> {
    let cookie = token::new_token();
    let now = unix_now();
    app.store.add_session(token::hash(cookie.reveal()), person, now + app.session_s, now).await?;
    let mut response = Redirect::to(next).into_response();
    response.headers_mut().insert(SET_COOKIE, session::set_cookie(app, &cookie, app.session_s));
    Ok(response)
}

/// Whether an address is one of the console's own pages: what follows a slash could be another host.
fn is_ours(path: &str) -> bool {
    let is_path = ["/console", "/join/", "/set-up/"].iter().any(|start| path.starts_with(start));
    is_path && path.len() <= 500 && !path.contains(['\\', '\r', '\n']) && !path.contains("//")
}

#[cfg(test)]
mod tests {
    use super::super::super::words::ENGLISH;
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for ours in ["/console", "/console/routers?q=a", "/join/abc"] {
            assert!(is_ours(ours), "{ours}");
        }
        for other in
            ["", "https://evil.example", "//evil.example", "/\\evil", "/console//evil", "/console\r\nx: y", "/v1"]
        {
            assert!(!is_ours(other), "{other}");
        }
    }

    #[test]
    fn a_password_is_long_and_not_ones_name() {
        for (password, good) in [
            ("correct horse", true),
            ("九月的第一场雨落在屋顶上", true),
            ("short", false),
            ("aaaaaaaaaaaaaa", false),
            ("Mara@Example.org", false),
            (&"x1y2z3".repeat(50), false),
        ] {
            let mut input = Input::of([("password", password)]);
            let taken = good_password(&ENGLISH, &mut input, "password", &["mara@example.org"]);
            assert_eq!((taken.is_some(), input.is_good()), (good, good), "{password}");
        }
    }
}
