//! Networks: the list, one, and what is said on one now.

use axum::extract::{Path, Query};
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use welcome_proto::offer::Sender;
use welcome_proto::{ChallengeId, NetworkId, RouterId};

use super::super::desk::{Desk, Typed};
use super::super::frame::Frame;
use super::super::input::Input;
use super::super::networks::{self, Challenge, LeftOutLine, NetworkLine, NetworkView, State};
use super::super::{offer_form, offers};
use super::PAGE;
use super::fleet::called;
use crate::http::error::Error;
use crate::http::for_this_moment;
use crate::signal::Signal;
use crate::store::{FleetFilter, FleetNetwork, LeftOut};

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
    let filter = FleetFilter {
        text: q.trim(),
        state: &state,
        after: cursor.as_ref().map(|(router, network)| (router, network)),
        ..FleetFilter::default()
    };
    let mut rows = desk.app.store.org_networks(desk.org()?, &filter, desk.frame.now, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| format!("{}.{}", row.router, row.network));
    let lines: Vec<_> = rows.into_iter().map(|row| line_of(&desk.frame, row)).collect();
    let query = networks::Query { q: q.trim(), state: &state, after: cursor.is_some().then_some(after.as_str()) };
    let left_out = left_out(&desk, None).await?;
    Ok(desk.frame.ok(&networks::list(&desk.frame, query, &lines, &left_out, next.as_deref())))
}

/// What is in no directory, of all routers or of one.
pub(super) async fn left_out(desk: &Desk, router: Option<&RouterId>) -> Result<Vec<LeftOutLine>, Error> {
    let rows = desk.app.store.left_out(desk.org()?, router, PAGE).await?;
    let line = |row: LeftOut| LeftOutLine {
        id: row.network.to_string(),
        mark: row.mark,
        router: called(&row.router_name, &row.router).to_owned(),
        router_href: desk.frame.to(&format!("routers/{}", row.router)),
    };
    Ok(rows.into_iter().map(line).collect())
}

/// `GET /console/networks/{router}/{network}`.
pub(super) async fn one(desk: Desk, Path(path): Path<(RouterId, NetworkId)>) -> Result<Response, Error> {
    let view = view(&desk, &path, None).await?;
    Ok(desk.frame.ok(&networks::page(&desk.frame, &view)))
}

/// `POST /console/networks/{router}/{network}/verify`: the code of the witness is in the answer, and nowhere else.
pub(super) async fn verify(
    desk: Desk,
    Path(path): Path<(RouterId, NetworkId)>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let asked = desk.app.ask_challenge(desk.org()?, &path.0, &path.1, desk.by()).await?;
    let server = desk.base(&headers)?;
    let command = format!(
        "welcome share verify --server {server} --challenge {} --code {}",
        asked.challenge,
        asked.code.reveal()
    );
    let view = view(&desk, &path, Some(command)).await?;
    Ok(desk.frame.ok(&networks::page(&desk.frame, &view)))
}

/// `POST /console/networks/{router}/{network}/verify/stop`.
pub(super) async fn stop(
    desk: Desk,
    Path((router, network)): Path<(RouterId, NetworkId)>,
    Typed(input): Typed,
) -> Result<Response, Error> {
    let id: ChallengeId = input.get("challenge").parse().map_err(|_| Error::NotFound)?;
    let told = desk.app.store.end_challenge(desk.org()?, &id, desk.by()).await?.ok_or(Error::NotFound)?;
    desk.app.signal(Signal::Router(told)).await;
    Ok(desk.done(&format!("/console/networks/{router}/{network}"), "stopped"))
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

async fn view(desk: &Desk, path: &(RouterId, NetworkId), command: Option<String>) -> Result<NetworkView, Error> {
    let row = find(desk, path).await?;
    let now = desk.frame.now;
    let (verified_at, verified_until) = row.proved.unzip();
    let line = line_of(&desk.frame, row);
    let store = &desk.app.store;
    let last = store.challenges_of(&path.0).await?.into_iter().find(|c| c.network == path.1);
    let mut view = NetworkView { line, challenge: None, verified_at, verified_until, why: String::new() };
    if let Some(last) = last {
        if last.is_open(now) {
            let by_hand = store.is_plain(desk.org()?, &path.0, &path.1).await? == Some(true);
            view.challenge = Some(Challenge {
                on_air: last.state == "on-air",
                ssid: last.ssid.to_string(),
                expires: last.until,
                witnesses: store.witnesses_of(&last.id).await?.len() as u64,
                id: last.id.to_string(),
                by_hand,
                command,
            });
        } else if matches!(last.state.as_str(), "refused" | "failed") && view.line.state != State::Verified {
            view.why = last.why;
        }
    }
    Ok(view)
}

async fn find(desk: &Desk, (router, network): &(RouterId, NetworkId)) -> Result<FleetNetwork, Error> {
    let filter = FleetFilter { router: Some(router), network: Some(network), ..FleetFilter::default() };
    let found = desk.app.store.org_networks(desk.org()?, &filter, desk.frame.now, 1).await?;
    found.into_iter().next().ok_or(Error::NotFound)
}

/// A network as its page shows it.
pub(super) fn line_of(frame: &Frame, row: FleetNetwork) -> NetworkLine {
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
