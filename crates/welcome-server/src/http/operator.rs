//! `/v1/operator/…`: an organisation's routers, offers and counts, for its programs (API tokens).

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

use super::error::Error;
use super::guard::Program;
use super::{Body, MAX_NAME, Named, Shared, parse};
use crate::app::unix_now;
use crate::signal::Signal;
use crate::store::{By, NewToken, OfferChange, RouterFilter, RouterRow, Targets, Total};
use crate::token;

/// `POST /v1/operator/tokens`.
pub(crate) async fn make_token(
    State(app): Shared,
    program: Program,
    Body(body): Body,
) -> Result<impl IntoResponse, Error> {
    let TokenRequest { name, ttl_s } = parse(&body)?;
    if !(1..=MAX_TTL_S).contains(&ttl_s) {
        return Err(Error::BadRequest("ttl_s: 1 to 31536000 (a year)".to_owned()));
    }
    check_name(&name)?;
    let (token, now) = (token::new_token(), unix_now());
    let expires = now + ttl_s;
    // Only the server's administrator vouches.
    let new = NewToken { org: &program.org, name: &name, area: None, vouch: false, expires };
    app.store.add_enrolment_token(token::hash(token.reveal()), &new, program.by(now)).await?;
    Ok((StatusCode::CREATED, Json(TokenReply { token, expires })))
}

/// `GET /v1/operator/routers`.
pub(crate) async fn routers(
    State(app): Shared,
    program: Program,
    query: Result<Query<RoutersQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Error> {
    let Query(RoutersQuery { after, tag, text }) = query?;
    let filter = RouterFilter { after: after.as_ref(), tag: &tag, text: &text, ..RouterFilter::default() };
    let mut rows = app.store.routers(&program.org, &filter, PAGE + 1).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|row| row.router.clone());
    let with_streams = |row: RouterRow| RouterView { streams: app.hub.streams(&row.router), row };
    Ok(Json(Routers { routers: rows.into_iter().map(with_streams).collect(), next }))
}

/// `DELETE /v1/operator/routers/{router}`: its key is good for nothing from here on.
pub(crate) async fn remove_router(
    State(app): Shared,
    program: Program,
    Named(router): Named<RouterId>,
) -> Result<StatusCode, Error> {
    if !app.store.remove_router(&program.org, &router, program.by(unix_now())).await? {
        return Err(Error::NotFound);
    }
    app.signal(Signal::Gone(router.clone())).await;
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

/// `PUT /v1/operator/offers/{offer}`: writes and publishes an offer.
pub(crate) async fn put_offer(
    State(app): Shared,
    program: Program,
    Speaker(sender): Speaker,
    Named(id): Named<OfferId>,
    Body(body): Body,
) -> Result<StatusCode, Error> {
    let OfferRequest { offer, targets } = parse(&body)?;
    if offer.id != id {
        return Err(Error::BadRequest("id: the same as in the address".to_owned()));
    }
    offer.check().map_err(|e| Error::BadRequest(e.to_string()))?;
    let change = app.store.put_offer(&program.org, sender, &offer, &targets, true, program.by(unix_now())).await?;
    done(change)?;
    app.signal(Signal::Org(program.org)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /v1/operator/offers/{offer}`: archives it.
pub(crate) async fn delete_offer(
    State(app): Shared,
    program: Program,
    Speaker(sender): Speaker,
    Named(id): Named<OfferId>,
) -> Result<StatusCode, Error> {
    done(app.store.archive_offer(&program.org, sender, &id, program.by(unix_now())).await?)?;
    app.signal(Signal::Org(program.org)).await;
    Ok(StatusCode::NO_CONTENT)
}

/// Looks that people can call something this.
pub(super) fn check_name(name: &str) -> Result<(), Error> {
    if name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
        return Err(Error::BadRequest(format!("name: at most {MAX_NAME} characters")));
    }
    Ok(())
}

/// What a change of offers means for who asked for it.
pub(crate) fn done(change: OfferChange) -> Result<(), Error> {
    match change {
        OfferChange::Changed | OfferChange::Same => Ok(()),
        OfferChange::NotFound | OfferChange::NoRouter => Err(Error::NotFound),
        OfferChange::TooMany => Err(Error::Full("a router takes at most 64 offers and 60 KiB of them from a sender")),
        OfferChange::NoFile(why) => Err(Error::BadRequest(why)),
    }
}

/// `GET /v1/operator/routers/{router}/reports`.
pub(crate) async fn reports(
    State(app): Shared,
    program: Program,
    Named(router): Named<RouterId>,
) -> Result<impl IntoResponse, Error> {
    let (totals, last) = app.store.reports(&program.org, &router).await?.ok_or(Error::NotFound)?;
    let last = last.into_iter().map(|(received, report)| Received { received, report }).collect();
    Ok(Json(Reports { totals, last }))
}

impl Program {
    /// For the audit.
    pub(crate) fn by(&self, now: u64) -> By<'_> {
        By { who: &self.who, at: now }
    }
}

const MAX_TTL_S: u64 = 365 * 86_400;
/// Routers on one page.
const PAGE: usize = 1000;

#[derive(Deserialize)]
struct TokenRequest {
    #[serde(default)]
    name: String,
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
struct OfferRequest {
    offer: Offer,
    /// Every router of the organisation, if it is left out.
    #[serde(default = "everywhere", rename = "for")]
    targets: Targets,
}

fn everywhere() -> Targets {
    Targets { all: true, ..Targets::default() }
}

#[derive(Deserialize)]
pub(crate) struct RoutersQuery {
    after: Option<RouterId>,
    #[serde(default)]
    tag: String,
    #[serde(default)]
    text: String,
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
    /// How many event streams it has open with this process; 0 means that offers do not reach it from here.
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
