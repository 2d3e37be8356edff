//! Routers: the list, one, how one is added, named and revoked.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use welcome_proto::RouterId;

use super::super::desk::{Desk, Typed};
use super::super::door::{Confirm, confirm};
use super::super::frame::Place;
use super::super::input::Input;
use super::super::overview::said;
use super::super::routers::{self, MAX_TAGS, RouterLine, RouterView};
use super::super::words::{Words, fill};
use super::PAGE;
use super::fleet::{called, is_online};
use super::networks::{left_out, line_of};
use super::offers::path_of;
use crate::http::MAX_NAME;
use crate::http::error::Error;
use crate::signal::Signal;
use crate::store::{FleetFilter, NewToken, RouterFilter, RouterRow};
use crate::token;

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    tag: String,
    after: Option<RouterId>,
}

/// `GET /console/routers`.
pub(super) async fn list(desk: Desk, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let (org, store, now) = (desk.org()?, &desk.app.store, desk.frame.now);
    let online = match asked.state.as_str() {
        "online" => Some(true),
        "offline" => Some(false),
        _ => None,
    };
    let text = asked.q.trim();
    let (mut rows, mut after, mut more) = (Vec::new(), asked.after.clone(), true);
    // Whether a router is there is not for the database to say, so pages are filled up.
    while rows.len() <= PAGE && more {
        let filter = RouterFilter { text, tag: &asked.tag, after: after.as_ref(), ..RouterFilter::default() };
        let batch = store.routers(org, &filter, BATCH).await?;
        more = batch.len() == BATCH;
        after = batch.last().map(|row| row.router.clone());
        rows.extend(batch.into_iter().filter(|row| online.is_none_or(|o| o == is_online(row.seen, now))));
    }
    let next = (rows.len() > PAGE).then(|| rows[PAGE - 1].router.to_string());
    rows.truncate(PAGE);
    let lines: Vec<_> = rows.into_iter().map(|row| line(row, now)).collect();
    let tags: Vec<_> = store.tags(org).await?.into_iter().map(|(tag, _)| tag).collect();
    let query = routers::Query {
        q: text.to_owned(),
        state: asked.state,
        tag: asked.tag,
        after: asked.after.map(|after| after.to_string()),
    };
    Ok(desk.frame.ok(&routers::list(&desk.frame, &query, &tags, &lines, next.as_deref())))
}

/// `GET /console/routers/{router}`.
pub(super) async fn one(desk: Desk, Path(router): Path<RouterId>) -> Result<Response, Error> {
    let view = view(&desk, &router).await?;
    Ok(desk.frame.ok(&routers::page(&desk.frame, &view, &Input::default())))
}

/// `POST /console/routers/{router}`: another name, other tags.
pub(super) async fn change(
    desk: Desk,
    Path(router): Path<RouterId>,
    Typed(mut input): Typed,
) -> Result<Response, Error> {
    let w = desk.frame.words;
    let name = input.short(w, "name", MAX_NAME);
    let tags = tags(w, &mut input);
    if !input.is_good() {
        let view = view(&desk, &router).await?;
        let page = routers::page(&desk.frame, &view, &input);
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    if !desk.app.store.change_router(desk.org()?, &router, &name, &tags, desk.by()).await? {
        return Err(Error::NotFound);
    }
    // Its tags choose its offers.
    desk.app.signal(Signal::Router(router.clone())).await;
    Ok(desk.done(&format!("/console/routers/{router}"), "saved"))
}

/// `GET /console/routers/add`.
pub(super) async fn add_page(desk: Desk) -> Response {
    desk.frame.ok(&routers::add(&desk.frame, &Input::default()))
}

/// `POST /console/routers/add`: the token is in the answer, and nowhere else.
pub(super) async fn add(desk: Desk, headers: HeaderMap, Typed(mut input): Typed) -> Result<Response, Error> {
    let w = desk.frame.words;
    let name = input.short(w, "name", MAX_NAME);
    let ttl = [3600, 86_400, 604_800].into_iter().find(|ttl| input.get("ttl") == ttl.to_string());
    let Some(ttl) = ttl.filter(|_| input.is_good()) else {
        if ttl.is_none() {
            input.problem("ttl", w.choose_one);
        }
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &routers::add(&desk.frame, &input)));
    };
    let server = desk.base(&headers)?;
    let (token, expires) = (token::new_token(), desk.frame.now + ttl);
    let new = NewToken { org: desk.org()?, name: &name, area: None, vouch: false, expires };
    desk.app.store.add_enrolment_token(token::hash(token.reveal()), &new, desk.by()).await?;
    Ok(desk.frame.ok(&routers::added(&desk.frame, &server, token.reveal(), expires)))
}

/// `GET /console/routers/{router}/revoke`.
pub(super) async fn revoke_page(desk: Desk, Path(router): Path<RouterId>) -> Result<Response, Error> {
    let w = desk.frame.words;
    let row = desk.app.store.router(desk.org()?, &router).await?.ok_or(Error::NotFound)?;
    let path = format!("/console/routers/{router}");
    let ask = Confirm {
        title: w.revoke_router.to_owned(),
        text: fill(w.revoke_router_text, &[("name", &called(&row.name, &router))]),
        action: format!("{path}/revoke"),
        button: w.revoke,
        danger: true,
        back: &path,
        fields: Vec::new(),
    };
    Ok(desk.frame.ok(&confirm(&desk.frame, Place::Routers, ask)))
}

/// `POST /console/routers/{router}/revoke`.
pub(super) async fn revoke(desk: Desk, Path(router): Path<RouterId>) -> Result<Response, Error> {
    if !desk.app.store.remove_router(desk.org()?, &router, desk.by()).await? {
        return Err(Error::NotFound);
    }
    desk.app.signal(Signal::Gone(router)).await;
    Ok(Redirect::to("/console/routers?done=router-gone").into_response())
}

async fn view(desk: &Desk, router: &RouterId) -> Result<RouterView, Error> {
    let (org, store, frame) = (desk.org()?, &desk.app.store, &desk.frame);
    let row = store.router(org, router).await?.ok_or(Error::NotFound)?;
    let filter = FleetFilter { router: Some(router), ..FleetFilter::default() };
    let networks = store.org_networks(org, &filter, frame.now, PAGE).await?;
    let set = store.offers(router).await?.ok_or(Error::NotFound)?;
    let has = row.offers_sent == Some(row.offers_revision);
    let offers = set.offers.into_iter().map(|o| (o.offer.content.title, path_of(o.sender, &o.offer.id), has)).collect();
    let (_, last) = store.reports(org, router).await?.ok_or(Error::NotFound)?;
    let last = last.into_iter().take(LAST);
    Ok(RouterView {
        enrolled: row.enrolled,
        line: line(row, frame.now),
        networks: networks.into_iter().map(|row| line_of(frame, row)).collect(),
        left_out: left_out(desk, Some(router)).await?,
        offers,
        reports: last.map(|(at, report)| (at, report.network.to_string(), said(frame.words, &report.what))).collect(),
    })
}

fn line(row: RouterRow, now: u64) -> RouterLine {
    RouterLine {
        id: row.router.to_string(),
        name: row.name,
        online: is_online(row.seen, now),
        seen: row.seen,
        version: row.version,
        networks: row.networks,
        tags: row.tags,
    }
}

fn tags(w: &Words, input: &mut Input) -> Vec<String> {
    input.short(w, "tags", MAX_TAGS);
    let mut tags: Vec<_> =
        input.get("tags").split([',', '，']).map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned).collect();
    tags.sort_unstable();
    tags.dedup();
    if tags.len() > MOST_TAGS || tags.iter().any(|tag| tag.chars().count() > LONGEST_TAG) {
        input.problem("tags", w.bad_tags);
    }
    tags
}

/// Of one router.
const MOST_TAGS: usize = 16;
/// In characters.
const LONGEST_TAG: usize = 32;
/// Reports on the page of a router.
const LAST: usize = 20;
/// Routers that are read at once.
const BATCH: usize = 200;
