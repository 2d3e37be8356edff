//! `POST /v1/arrivals`: what is to be read where somebody has arrived, signed by whoever shares it.
//!
//! For networks whose router has no agent to say it. A BSSID comes in, statements go out. It counts nothing and logs
//! nothing that was asked: that somebody asks does not prove that they are there.

use std::cmp::Reverse;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use welcome_proto::arrival::{Arrival, Greeting, MAX_OFFERS};
use welcome_proto::signed::Statement;

use super::error::Error;
use super::guard::PRIVATE;
use super::{Body, Shared, parse};
use crate::app::unix_now;
use crate::store::{ListedAt, StoreError};

pub(crate) async fn arrived(State(app): Shared, Body(body): Body) -> Result<impl IntoResponse, Error> {
    let Arrival { bssid } = parse(&body)?;
    app.metrics.lookup("arrival");
    let now = unix_now();
    let ListedAt { org, router, network } = app.store.listed_at(bssid, now).await?.ok_or(Error::NotFound)?;
    let mut rows = app.store.network_offers(&router, &network).await?.ok_or(Error::NotFound)?.offers;
    rows.retain(|row| row.is_in_force(now));
    rows.sort_by_key(|row| Reverse(row.offer.priority));
    rows.truncate(MAX_OFFERS);
    let key = app.keys.of(&org).await?;
    let statements =
        rows.into_iter().map(|row| Statement { router: router.clone(), sender: row.sender, offer: row.offer });
    let offers = statements.map(|statement| key.sign(&statement)).collect::<serde_json::Result<_>>();
    let offers = offers.map_err(|_| StoreError::Unreadable("offer"))?;
    Ok(([PRIVATE], Json(Greeting { offers })))
}
