//! `/v1/share/networks/{router}/{network}/offers…`: what a sharer says at one network.
//!
//! These are offers of the sender `sharer` for one router and one network of it. Offers that are for more than that are the
//! operator's to write, and stand in the way of none here.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::StatusCode;
use serde::Serialize;
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::{NetworkId, OfferId, RouterId};

use super::error::Error;
use super::guard::Program;
use super::operator::done;
use super::{App, Body, Named, Shared, parse};
use crate::app::unix_now;
use crate::ids::OrgId;
use crate::signal::Signal;
use crate::store::{OrgOffer, Targets};

/// `GET /v1/share/networks/{router}/{network}/offers`.
pub(crate) async fn list(
    State(app): Shared,
    program: Program,
    Named((router, network)): Named<(RouterId, NetworkId)>,
) -> Result<impl IntoResponse, Error> {
    is_own(&app, &program.org, &router, &network).await?;
    let rows = app.store.org_offers(&program.org, None).await?;
    let alone = rows.into_iter().filter(|row| is_in_use(row) && is_for(row, &router, &network));
    Ok(Json(Offers { offers: alone.map(|row| row.offer).collect() }))
}

/// `PUT /v1/share/networks/{router}/{network}/offers/{offer}`: writes and publishes one, for this network alone.
pub(crate) async fn put(
    State(app): Shared,
    program: Program,
    Named((router, network, id)): Named<(RouterId, NetworkId, OfferId)>,
    Body(body): Body,
) -> Result<StatusCode, Error> {
    is_own(&app, &program.org, &router, &network).await?;
    let offer: Offer = parse(&body)?;
    if offer.id != id {
        return Err(Error::BadRequest("id: the same as in the address".to_owned()));
    }
    offer.check().map_err(|e| Error::BadRequest(e.to_string()))?;
    if written(&app, &program.org, &id).await?.is_some_and(|row| is_in_use(&row) && !is_for(&row, &router, &network)) {
        return Err(Error::Full("a message of this id is shown elsewhere: choose another id"));
    }
    let offer = Offer { networks: vec![network], ..offer };
    let targets = Targets { routers: vec![router], ..Targets::default() };
    let by = program.by(unix_now());
    done(app.store.put_offer(&program.org, Sender::Sharer, &offer, &targets, true, by).await?)?;
    app.signal(Signal::Org(program.org)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /v1/share/networks/{router}/{network}/offers/{offer}`: archives one that is for this network alone.
pub(crate) async fn remove(
    State(app): Shared,
    program: Program,
    Named((router, network, id)): Named<(RouterId, NetworkId, OfferId)>,
) -> Result<StatusCode, Error> {
    is_own(&app, &program.org, &router, &network).await?;
    written(&app, &program.org, &id)
        .await?
        .filter(|row| is_in_use(row) && is_for(row, &router, &network))
        .ok_or(Error::NotFound)?;
    done(app.store.archive_offer(&program.org, Sender::Sharer, &id, program.by(unix_now())).await?)?;
    app.signal(Signal::Org(program.org)).await;
    Ok(StatusCode::NO_CONTENT)
}

async fn is_own(app: &App, org: &OrgId, router: &RouterId, network: &NetworkId) -> Result<(), Error> {
    app.store.is_plain(org, router, network).await?.map(drop).ok_or(Error::NotFound)
}

async fn written(app: &App, org: &OrgId, id: &OfferId) -> Result<Option<OrgOffer>, Error> {
    Ok(app.store.org_offers(org, Some((Sender::Sharer, id))).await?.into_iter().next())
}

fn is_in_use(row: &OrgOffer) -> bool {
    !row.archived
}

fn is_for(row: &OrgOffer, router: &RouterId, network: &NetworkId) -> bool {
    let Targets { all, tags, routers } = &row.targets;
    let this_router = !all && tags.is_empty() && routers.as_slice() == std::slice::from_ref(router);
    row.sender == Sender::Sharer && this_router && row.offer.networks.as_slice() == std::slice::from_ref(network)
}

#[derive(Serialize)]
struct Offers {
    offers: Vec<Offer>,
}
