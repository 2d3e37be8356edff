//! `/v1/lookup/…`: which BSSIDs are shared, and what is shared somewhere. Logs nothing that was asked.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use welcome_proto::announce::Place;
use welcome_proto::lookup::{BssidQuery, Listing, MAX_BSSIDS, PAGE};

use super::error::Error;
use super::guard::Reader;
use super::{App, Body, Shared, parse};
use crate::app::unix_now;
use crate::place;
use crate::store::{Cursor, Which};
use crate::token;

pub(crate) async fn bssids(State(app): Shared, reader: Reader, Body(body): Body) -> Result<impl IntoResponse, Error> {
    let BssidQuery { bssids } = parse(&body)?;
    if bssids.len() > MAX_BSSIDS {
        return Err(Error::BadRequest("bssids: at most 100".to_owned()));
    }
    app.metrics.lookup("bssids");
    Ok(Json(page(&app, &reader, &Which::Bssids(bssids), None).await?))
}

pub(crate) async fn place(
    State(app): Shared,
    reader: Reader,
    query: Result<Query<PlaceQuery>, QueryRejection>,
) -> Result<impl IntoResponse, Error> {
    let Query(PlaceQuery { lat, lon, after }) = query?;
    let here = Place::new(lat, lon).map_err(|e| Error::BadRequest(e.to_string()))?;
    app.metrics.lookup("place");
    Ok(Json(page(&app, &reader, &Which::Cells(place::around(here)), after).await?))
}

pub(crate) async fn list(
    State(app): Shared,
    reader: Reader,
    headers: HeaderMap,
    query: Result<Query<ListQuery>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(ListQuery { cell, after }) = query?;
    let which =
        match cell {
            None => Which::All,
            Some(cell) => Which::Region(place::parse_region(&cell).ok_or_else(|| {
                Error::BadRequest("cell: an H3 cell of resolution 5, e.g. 851f8d47fffffff".to_owned())
            })?),
        };
    app.metrics.lookup("list");
    let listing = page(&app, &reader, &which, after).await?;
    let body = serde_json::to_string(&listing).map_err(|_| crate::store::StoreError::Unreadable("listing"))?;
    let etag = format!("\"{}\"", token::hex(&token::sha256(body.as_bytes())[..16]));
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|v| names(v, &etag));
    // Whoever keeps it asks again before using it.
    let common = [(ETAG, etag.as_str()), (CACHE_CONTROL, "no-cache")];
    if known {
        return Ok((StatusCode::NOT_MODIFIED, common).into_response());
    }
    Ok((common, [(CONTENT_TYPE, "application/json")], body).into_response())
}

#[derive(Deserialize)]
pub(crate) struct PlaceQuery {
    lat: f64,
    lon: f64,
    after: Option<String>,
}

#[derive(Deserialize)]
pub(crate) struct ListQuery {
    cell: Option<String>,
    after: Option<String>,
}

async fn page(app: &App, reader: &Reader, which: &Which, after: Option<String>) -> Result<Listing, Error> {
    let after: Option<Cursor> = match after {
        None => None,
        Some(text) => Some(text.parse().map_err(|e| Error::BadRequest(format!("after: {e}")))?),
    };
    // One more than the page has tells whether there is another.
    let mut rows = app.store.list(&app.seal, which, &reader.keys, after.as_ref(), PAGE + 1, unix_now()).await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|(cursor, _)| cursor.to_string());
    Ok(Listing { entries: rows.into_iter().map(|(_, entry)| entry).collect(), next })
}

/// Whether an `If-None-Match` names this tag (RFC 9110 section 13.1.2: the weak comparison).
fn names(header: &str, etag: &str) -> bool {
    header.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
