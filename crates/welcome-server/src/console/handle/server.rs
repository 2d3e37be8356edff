//! `/console/server`: all organisations, and what is in conflict between them.

use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use welcome_proto::Bssid;

use super::super::desk::{Desk, Typed};
use super::super::frame::Page;
use super::super::input::Input;
use super::super::people::{self as pages, ConflictLine};
use super::organisation::audit_lines;
use crate::http::MAX_NAME;
use crate::http::error::Error;
use crate::ids::OrgId;
use crate::key::{Key, org_place};

/// `GET /console/server`.
pub(super) async fn page(desk: Desk) -> Result<Response, Error> {
    let page = view(&desk, &Input::default()).await?;
    Ok(desk.frame.ok(&page))
}

/// `POST /console/server/orgs`.
pub(super) async fn add_org(desk: Desk, Typed(mut input): Typed) -> Result<Response, Error> {
    let name = input.line(desk.frame.words, "name", MAX_NAME);
    if !input.is_good() {
        let page = view(&desk, &input).await?;
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let org = OrgId::random();
    let key = Key::make(&desk.app.seal, &org_place(&org));
    desk.app.store.add_org(&org, &name, &key, desk.by()).await?;
    desk.app.store.look_at_org(desk.visitor.hash, &org).await?;
    Ok(Redirect::to("/console?done=org").into_response())
}

/// `POST /console/server/look`: at any organisation.
pub(super) async fn look(desk: Desk, Typed(input): Typed) -> Result<Response, Error> {
    let org: OrgId = input.get("org").parse().map_err(|_| Error::NotFound)?;
    desk.app.store.org(&org).await?.ok_or(Error::NotFound)?;
    desk.app.store.look_at_org(desk.visitor.hash, &org).await?;
    Ok(Redirect::to("/console").into_response())
}

/// `POST /console/server/conflicts`: whose an access point is.
pub(super) async fn decide(desk: Desk, Typed(input): Typed) -> Result<Response, Error> {
    let bssid: Bssid = input.get("bssid").parse().map_err(|_| Error::NotFound)?;
    let org: OrgId = input.get("org").parse().map_err(|_| Error::NotFound)?;
    if !desk.app.store.resolve_conflict(bssid, &org, desk.by()).await? {
        return Err(Error::NotFound);
    }
    Ok(desk.done("/console/server", "decided"))
}

async fn view(desk: &Desk, input: &Input) -> Result<Page, Error> {
    let store = &desk.app.store;
    let orgs: Vec<_> = store.orgs().await?.into_iter().map(|org| (org.id.to_string(), org.name, org.created)).collect();
    let conflicts: Vec<_> = store
        .conflicts()
        .await?
        .into_iter()
        .map(|conflict| ConflictLine {
            bssid: conflict.bssid.to_string(),
            claims: conflict.claims.into_iter().map(|(org, name, at)| (org.to_string(), name, at)).collect(),
        })
        .collect();
    let audit = audit_lines(store.audit(None, None, LAST).await?);
    Ok(pages::server(&desk.frame, &orgs, &conflicts, &audit, input))
}

/// Changes of the server's administration that the page shows.
const LAST: usize = 20;
