//! `/v1/operator/…`: tokens, routers, their offers and what they reported. For whoever bears the operator token.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, Query, State};
use axum::response::IntoResponse;
use http::StatusCode;
use http::request::Parts;
use serde::{Deserialize, Serialize};
use welcome_proto::offer::{Offer, Sender};
use welcome_proto::report::Report;
use welcome_proto::{OfferId, RouterId, Secret};

use super::auth::Operator;
use super::error::Error;
use super::{Body, Named, Shared, parse};
use crate::app::unix_now;
use crate::store::{OfferChange, RouterRow, Total};
use crate::token;

/// `POST /v1/operator/tokens`.
pub(crate) async fn make_token(State(app): Shared, _: Operator, Body(body): Body) -> Result<impl IntoResponse, Error> {
    let TokenRequest { vouch, ttl_s } = parse(&body)?;
    if !(1..=MAX_TTL_S).contains(&ttl_s) {
        return Err(Error::BadRequest("ttl_s: 1 to 31536000 (a year)".to_owned()));
    }
    let (token, now) = (token::new_token(), unix_now());
    let expires = now + ttl_s;
    app.store.add_enrolment_token(token::hash(token.reveal()), vouch, expires, now).await?;
    Ok((StatusCode::CREATED, Json(TokenReply { token, expires })))
}

/// `GET /v1/operator/routers`.
pub(crate) async fn routers(
    State(app): Shared,
    _: Operator,
    query: Result<Query<RoutersQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Error> {
    let Query(RoutersQuery { after }) = query?;
    let mut rows = app.store.routers(after.as_ref(), PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| row.router.clone());
    let with_streams = |row: RouterRow| RouterView { streams: app.hub.streams(&row.router), row };
    Ok(Json(Routers { routers: rows.into_iter().map(with_streams).collect(), next }))
}

/// `DELETE /v1/operator/routers/{router}`: its key is good for nothing from here on.
pub(crate) async fn remove_router(
    State(app): Shared,
    _: Operator,
    Named(router): Named<RouterId>,
) -> Result<StatusCode, Error> {
    if !app.store.remove_router(&router).await? {
        return Err(Error::NotFound);
    }
    app.hub.disconnect(&router);
    tracing::info!(%router, "removed a router");
    Ok(StatusCode::NO_CONTENT)
}

/// Who speaks through the operator's hands: `?sender=sharer`, or the server itself.
pub(crate) struct Speaker(pub(crate) Sender);

impl<S: Send + Sync> FromRequestParts<S> for Speaker {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let Query(SpeakerQuery { sender }) = Query::from_request_parts(parts, state).await?;
        match sender {
            Sender::Device => Err(Error::BadRequest("sender: sharer or server".to_owned())),
            sender => Ok(Self(sender)),
        }
    }
}

/// `PUT /v1/operator/routers/{router}/offers/{offer}`.
pub(crate) async fn put_offer(
    State(app): Shared,
    _: Operator,
    Speaker(sender): Speaker,
    Named((router, id)): Named<(RouterId, OfferId)>,
    Body(body): Body,
) -> Result<StatusCode, Error> {
    let offer: Offer = parse(&body)?;
    if offer.id != id {
        return Err(Error::BadRequest("id: the same as in the address".to_owned()));
    }
    offer.check().map_err(|e| Error::BadRequest(e.to_string()))?;
    match app.store.put_offer(&router, sender, &offer).await? {
        OfferChange::Changed => app.hub.changed(&router),
        OfferChange::Same => {}
        OfferChange::NotFound => return Err(Error::NotFound),
        OfferChange::TooMany => {
            return Err(Error::Full("a router takes at most 64 offers and 60 KiB of them from a sender"));
        }
        OfferChange::NoFile(why) => return Err(Error::BadRequest(why)),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /v1/operator/routers/{router}/offers/{offer}`.
pub(crate) async fn delete_offer(
    State(app): Shared,
    _: Operator,
    Speaker(sender): Speaker,
    Named((router, id)): Named<(RouterId, OfferId)>,
) -> Result<StatusCode, Error> {
    match app.store.delete_offer(&router, sender, &id).await? {
        OfferChange::NotFound => return Err(Error::NotFound),
        _ => app.hub.changed(&router),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /v1/operator/routers/{router}/reports`.
pub(crate) async fn reports(
    State(app): Shared,
    _: Operator,
    Named(router): Named<RouterId>,
) -> Result<impl IntoResponse, Error> {
    let (totals, last) = app.store.reports(&router).await?.ok_or(Error::NotFound)?;
    let last = last.into_iter().map(|(received, report)| Received { received, report }).collect();
    Ok(Json(Reports { totals, last }))
}

const MAX_TTL_S: u64 = 365 * 86_400;
/// Routers on one page.
const PAGE: usize = 1000;

#[derive(Deserialize)]
struct TokenRequest {
    vouch: bool,
    ttl_s: u64,
}

#[derive(Serialize)]
struct TokenReply {
    token: Secret,
    expires: u64,
}

#[derive(Deserialize)]
struct SpeakerQuery {
    #[serde(default = "server")]
    sender: Sender,
}

fn server() -> Sender {
    Sender::Server
}

#[derive(Deserialize)]
pub(crate) struct RoutersQuery {
    after: Option<RouterId>,
}

#[derive(Serialize)]
struct Routers {
    routers: Vec<RouterView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<RouterId>,
}

#[derive(Serialize)]
struct RouterView {
    #[serde(flatten)]
    row: RouterRow,
    /// How many event streams it has open; 0 means that offers do not reach it at this moment.
    streams: usize,
}

#[derive(Serialize)]
struct Reports {
    totals: Vec<Total>,
    last: Vec<Received>,
}

#[derive(Serialize)]
struct Received {
    received: u64,
    #[serde(flatten)]
    report: Report,
}
