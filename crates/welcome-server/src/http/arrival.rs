//! What is to be read at a network, signed by whoever shares it: `POST /v1/arrivals` for who has arrived there, and
//! `GET /v1/share/networks/{router}/{network}/statements` for the sharer's own computer, which says it there.
//!
//! For networks whose router has no agent to say it. A BSSID or a network comes in, statements go out. An arrival counts
//! nothing and logs nothing that was asked: that somebody asks does not prove that they are there.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use welcome_proto::arrival::{Arrival, Greeting, MAX_OFFERS, ToServe};
use welcome_proto::signed::{Signed, Statement};
use welcome_proto::{NetworkId, RouterId};

use super::error::Error;
use super::guard::{PRIVATE, Program};
use super::{App, Body, Named, Shared, parse};
use crate::app::unix_now;
use crate::key::Key;
use crate::store::{ListedAt, OfferRow, StoreError};

pub(crate) async fn arrived(State(app): Shared, Body(body): Body) -> Result<impl IntoResponse, Error> {
    let Arrival { bssid } = parse(&body)?;
    app.metrics.lookup("arrival");
    let now = unix_now();
    let ListedAt { org, router, network } = app.store.listed_at(bssid, now).await?.ok_or(Error::NotFound)?;
    let key = app.keys.of(&org).await?;
    let offers = statements(&app, &key, (&router, &network), |row| row.is_in_force(now)).await?;
    Ok(([PRIVATE], Json(Greeting { offers })))
}

/// What begins later is in it, too: the sharer's computer may see this server no more by then.
pub(crate) async fn to_serve(
    State(app): Shared,
    program: Program,
    Named((router, network)): Named<(RouterId, NetworkId)>,
) -> Result<impl IntoResponse, Error> {
    // Whether it has an agent does not matter.
    app.store.is_plain(&program.org, &router, &network).await?.ok_or(Error::NotFound)?;
    let now = unix_now();
    let key = app.keys.of(&program.org).await?;
    let offers = statements(&app, &key, (&router, &network), |row| !row.is_over(now)).await?;
    Ok(([PRIVATE], Json(ToServe { signer: key.public(), offers })))
}

async fn statements(
    app: &App,
    key: &Key,
    (router, network): (&RouterId, &NetworkId),
    wanted: impl Fn(&OfferRow) -> bool,
) -> Result<Vec<Signed>, Error> {
    let mut rows = app.store.network_offers(router, network).await?.ok_or(Error::NotFound)?.offers;
    rows.retain(wanted);
    rows.sort_by_key(|row| Reverse(row.offer.priority));
    rows.truncate(MAX_OFFERS);
    let statements =
        rows.into_iter().map(|row| Statement { router: router.clone(), sender: row.sender, offer: row.offer });
    let offers = statements.map(|statement| key.sign(&statement)).collect::<serde_json::Result<_>>();
    Ok(offers.map_err(|_| StoreError::Unreadable("offer"))?)
}
