//! Networks: the list, one, and what is said on one now.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::StatusCode;
use serde::Deserialize;
use welcome_proto::offer::Sender;
use welcome_proto::{NetworkId, RouterId};

use super::super::desk::{Desk, Typed};
use super::super::frame::Frame;
use super::super::input::Input;
use super::super::networks::{self, NetworkLine, NetworkView, State};
use super::super::{offer_form, offers};
use super::PAGE;
use super::fleet::called;
use crate::http::error::Error;
use crate::http::for_this_moment;
use crate::store::{NetworkFilter, NetworkRow};

#[derive(Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    q: String,
    #[serde(default)]
    state: String,
    #[serde(default)]
    after: String,
}

/// `GET /console/networks`.
pub(super) async fn list(desk: Desk, Query(asked): Query<Asked>) -> Result<Response, Error> {
    let Asked { q, state, after } = asked;
    let state = if State::named(&state).is_some() { state } else { String::new() };
    let cursor: Option<(RouterId, NetworkId)> =
        after.split_once('.').and_then(|(router, network)| Some((router.parse().ok()?, network.parse().ok()?)));
    let filter = NetworkFilter {
        text: q.trim(),
        state: &state,
        after: cursor.as_ref().map(|(router, network)| (router, network)),
        ..NetworkFilter::default()
    };
    let mut rows = desk.app.store.org_networks(desk.org()?, &filter, desk.frame.now, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| format!("{}.{}", row.router, row.network));
    let lines: Vec<_> = rows.into_iter().map(|row| line_of(&desk.frame, row)).collect();
    let here = cursor.is_some().then_some(after.as_str());
    Ok(desk.frame.ok(&networks::list(&desk.frame, q.trim(), &state, &lines, here, next.as_deref())))
}

/// `GET /console/networks/{router}/{network}`.
pub(super) async fn one(desk: Desk, Path(path): Path<(RouterId, NetworkId)>) -> Result<Response, Error> {
    let row = find(&desk, &path).await?;
    let (verified_at, verified_until) = row.proved.unzip();
    let line = line_of(&desk.frame, row);
    let view = NetworkView { line, challenge: None, verified_at, verified_until };
    Ok(desk.frame.ok(&networks::page(&desk.frame, &view)))
}

/// `GET /console/networks/{router}/{network}/say`.
pub(super) async fn say_page(desk: Desk, Path(path): Path<(RouterId, NetworkId)>) -> Result<Response, Error> {
    let line = line_of(&desk.frame, find(&desk, &path).await?);
    Ok(desk.frame.ok(&offers::say(&desk.frame, &line.href, &line.ssid, &Input::default())))
}

/// `POST /console/networks/{router}/{network}/say`.
pub(super) async fn say(
    desk: Desk,
    Path(path): Path<(RouterId, NetworkId)>,
    Typed(mut input): Typed,
) -> Result<Response, Error> {
    let line = line_of(&desk.frame, find(&desk, &path).await?);
    let (router, network) = path;
    let mut offer = for_this_moment(network, String::new());
    offer.content = offer_form::content(desk.frame.words, &mut input, "", offer.content);
    if !input.is_good() {
        let page = offers::say(&desk.frame, &line.href, &line.ssid, &input);
        return Ok(desk.frame.answer(StatusCode::UNPROCESSABLE_ENTITY, &page));
    }
    let streams = desk.app.say(desk.org()?, &router, Sender::Sharer, offer).await?;
    Ok(Redirect::to(&format!("{}?done=said&n={streams}", line.href)).into_response())
}

async fn find(desk: &Desk, (router, network): &(RouterId, NetworkId)) -> Result<NetworkRow, Error> {
    let filter = NetworkFilter { router: Some(router), network: Some(network), ..NetworkFilter::default() };
    let found = desk.app.store.org_networks(desk.org()?, &filter, desk.frame.now, 1).await?;
    found.into_iter().next().ok_or(Error::NotFound)
}

/// A network as its page shows it.
pub(super) fn line_of(frame: &Frame, row: NetworkRow) -> NetworkLine {
    NetworkLine {
        href: frame.to(&format!("networks/{}/{}", row.router, row.network)),
        ssid: row.ssid.to_string(),
        router: called(&row.router_name, &row.router).to_owned(),
        router_href: frame.to(&format!("routers/{}", row.router)),
        security: security(frame, &row.security),
        bssids: row.bssids.iter().map(ToString::to_string).collect(),
        state: State::named(&row.state).unwrap_or_default(),
        area: Some(row.area).filter(|area| !area.is_empty()),
        shares_key: row.has_key,
    }
}

fn security(frame: &Frame, name: &str) -> String {
    match name {
        "open" => frame.words.open_network,
        "owe" => "OWE",
        "psk" => "WPA2",
        "psk-sae" => "WPA2 / WPA3",
        "sae" => "WPA3",
        other => other,
    }
    .to_owned()
}
