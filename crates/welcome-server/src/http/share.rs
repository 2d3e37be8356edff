//! `/v1/share/…`: what a sharer does by hand, as `welcome share` does: offers a network, has it verified, looks how it stands.
//!
//! Networks of routers with an agent stand here, too; a router without one is `plain`, and a person speaks for it.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use welcome_proto::announce::{AnnouncedBss, AnnouncedNetwork, Security};
use welcome_proto::challenge::Step;
use welcome_proto::{AreaId, Bssid, NetworkId, RouterId, Ssid};

use super::announce::{check, check_bss};
use super::error::Error;
use super::guard::Program;
use super::operator::check_name;
use super::{Body, Named, Shared, parse};
use crate::app::unix_now;
use crate::signal::Signal;
use crate::store::{NetworkFilter, NetworkRow};
use crate::token;

/// `POST /v1/share/networks`: a network of a router without an agent.
pub(crate) async fn add(State(app): Shared, program: Program, Body(body): Body) -> Result<impl IntoResponse, Error> {
    let ShareRequest { name, network } = parse(&body)?;
    check_name(&name)?;
    may_be_shared(&network)?;
    let router = token::new_router_id();
    let name = if name.is_empty() { network.ssid.to_string() } else { name };
    app.store.share_plain(&app.seal, &program.org, &router, &name, &network, program.by(unix_now())).await?;
    Ok((StatusCode::CREATED, Json(Added { router, network: network.id })))
}

/// `PUT /v1/share/networks/{router}`: what a plain router's network is from here on.
pub(crate) async fn change(
    State(app): Shared,
    program: Program,
    Named(router): Named<RouterId>,
    Body(body): Body,
) -> Result<StatusCode, Error> {
    let network: AnnouncedNetwork = parse(&body)?;
    may_be_shared(&network)?;
    if !app.store.change_plain(&app.seal, &program.org, &router, &network, program.by(unix_now())).await? {
        return Err(Error::NotFound);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /v1/share/networks/{router}/{network}/bss`: which radios a plain router's network is on from here on; all else of it
/// stays, its key above all, which nobody is told.
pub(crate) async fn change_bss(
    State(app): Shared,
    program: Program,
    Named((router, network)): Named<(RouterId, NetworkId)>,
    Body(body): Body,
) -> Result<StatusCode, Error> {
    let BssRequest { bss } = parse(&body)?;
    check_bss(&bss).map_err(|why| Error::BadRequest(why.to_owned()))?;
    if !app.store.change_plain_bss(&program.org, &router, &network, &bss, program.by(unix_now())).await? {
        return Err(Error::NotFound);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /v1/share/networks/{router}/{network}`: a plain router and its network.
pub(crate) async fn remove(
    State(app): Shared,
    program: Program,
    Named((router, network)): Named<(RouterId, NetworkId)>,
) -> Result<StatusCode, Error> {
    if app.store.is_plain(&program.org, &router, &network).await? != Some(true) {
        return Err(Error::NotFound);
    }
    app.store.remove_router(&program.org, &router, program.by(unix_now())).await?;
    app.signal(Signal::Gone(router)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/share/networks`: every network of the organisation and how it stands.
pub(crate) async fn list(State(app): Shared, program: Program) -> Result<impl IntoResponse, Error> {
    let now = unix_now();
    let rows = app.store.networks(&program.org, &NetworkFilter::default(), PAGE, now).await?;
    Ok(Json(Networks { networks: rows.into_iter().map(|row| NetworkView::of(row, now)).collect() }))
}

/// Networks of one answer; whoever has more has the console.
const PAGE: usize = 1000;

fn may_be_shared(network: &AnnouncedNetwork) -> Result<(), Error> {
    check(0, std::slice::from_ref(network)).map_err(|why| Error::BadRequest(why.to_owned()))?;
    if network.ssid.asks_to_be_left_out() {
        return Err(Error::BadRequest("ssid: _nomap and _optout ask to be in no directory".to_owned()));
    }
    Ok(())
}

#[derive(Deserialize)]
struct ShareRequest {
    #[serde(default)]
    name: String,
    network: AnnouncedNetwork,
}

#[derive(Deserialize)]
struct BssRequest {
    bss: Vec<AnnouncedBss>,
}

#[derive(Serialize)]
struct Added {
    router: RouterId,
    network: NetworkId,
}

#[derive(Serialize)]
struct Networks {
    networks: Vec<NetworkView>,
}

#[derive(Serialize)]
struct NetworkView {
    router: RouterId,
    #[serde(skip_serializing_if = "String::is_empty")]
    router_name: String,
    network: NetworkId,
    ssid: Ssid,
    security: Security,
    area: AreaId,
    /// Whether the router has no agent, and a person speaks for it.
    by_hand: bool,
    state: Step,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<u64>,
    bss: Vec<BssView>,
}

#[derive(Serialize)]
struct BssView {
    bssid: Bssid,
    /// Whether it is listed.
    listed: bool,
}

impl NetworkView {
    fn of(row: NetworkRow, now: u64) -> Self {
        let (state, until) = (row.step(now), row.until(now));
        let bss = row.bss.iter().map(|b| BssView { bssid: b.bssid, listed: b.is_listed(now) }).collect();
        let NetworkRow { router, router_name, id: network, ssid, security, area, by_hand, .. } = row;
        Self { router, router_name, network, ssid, security, area, by_hand, state, until, bss }
    }
}
