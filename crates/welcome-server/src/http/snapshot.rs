//! `/v1/directory` and `/v1/snapshots…`: what the directory is, and what it tells in advance.

use std::str::FromStr;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use welcome_proto::snapshot::{Cell as CellName, Directory, Index, Part as Row, RESOLUTION};

use super::auth::authority;
use super::error::Error;
use super::guard::Reader;
use super::lookup::names;
use super::{App, Named, Shared};
use crate::app::unix_now;
use crate::directory::Part;
use crate::place::{self, Cell};
use crate::store::{Cursor, KeysFor, StoreError};

/// `GET /v1/directory`.
pub(crate) async fn directory(State(app): Shared, headers: HeaderMap) -> Result<impl IntoResponse, Error> {
    let named = app.public_url.as_ref().map(ToString::to_string);
    let named = named.as_deref().and_then(|url| url.split_once("://")).map(|(_, name)| name.to_owned());
    let name = named.or_else(|| authority(&headers, app.tls));
    let name = name.ok_or_else(|| Error::BadRequest("Host: a name or an address".to_owned()))?;
    let public_key = app.directory.key().await?.public();
    let directory = Directory { name, public_key, open: app.open_directory, resolutions: vec![RESOLUTION] };
    Ok(([(CACHE_CONTROL, "no-cache")], Json(directory)))
}

/// `GET /v1/snapshots`.
pub(crate) async fn index(
    State(app): Shared,
    reader: Reader,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Response, Error> {
    let Query(After { after }) = query?;
    let mut at: At = read(after.as_deref())?.unwrap_or(At { cell: 0, part: None });
    let mut index = Index::default();
    for _ in 0..PARTS {
        let (cell, after) = match at.part.take() {
            Some(after) => (at.cell, Some(after)),
            None => match app.store.next_region(at.cell).await? {
                Some(cell) => (cell, None),
                None => return Ok((caching(&app, &reader), Json(index)).into_response()),
            },
        };
        let part = app.directory.part(cell, after.clone(), unix_now()).await?;
        at = At { cell, part: part.next };
        if part.entries > 0 {
            let cell = place::name(cell).ok_or(StoreError::Unreadable("cell"))?;
            let after = after.map(|cursor| cursor.to_string());
            index.snapshots.push(Row { cell, after, etag: part.etag, entries: part.entries as u64 });
        }
    }
    index.next = Some(at.to_string());
    Ok((caching(&app, &reader), Json(index)).into_response())
}

/// `GET /v1/snapshots/{cell}`.
pub(crate) async fn snapshot(
    State(app): Shared,
    reader: Reader,
    Named(cell): Named<CellName>,
    headers: HeaderMap,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Response, Error> {
    let (cell, after) = asked_for(&cell, query)?;
    let part = app.directory.part(cell, after, unix_now()).await?;
    Ok(answer(part, &headers, caching(&app, &reader)))
}

/// `GET /v1/snapshots/{cell}/keys`.
pub(crate) async fn snapshot_with_keys(
    State(app): Shared,
    reader: Reader,
    Named(cell): Named<CellName>,
    headers: HeaderMap,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Response, Error> {
    let (cell, after) = asked_for(&cell, query)?;
    let part = app.directory.part_with_keys(cell, after, &reader.keys, unix_now()).await?;
    // For the asking program alone, which asks again before it uses what it has.
    Ok(answer(part, &headers, [(CACHE_CONTROL, "private, no-cache"), (VARY, "authorization")]))
}

/// Snapshots on one page of their list. As many are made, at worst.
const PARTS: usize = 32;

#[derive(Deserialize)]
pub(crate) struct After {
    after: Option<String>,
}

/// Where a page of the list begins: after this region, or with this part of it.
struct At {
    cell: Cell,
    part: Option<Cursor>,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.cell)?;
        self.part.as_ref().map_or(Ok(()), |part| write!(f, ".{part}"))
    }
}

impl FromStr for At {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a cursor of this server";
        let (cell, part) = text.split_once('.').map_or((text, None), |(cell, part)| (cell, Some(part)));
        let cell = place::parse_region(cell).ok_or(WRONG)?;
        Ok(Self { cell, part: part.map(str::parse).transpose().map_err(|_| WRONG)? })
    }
}

/// Which part of which snapshot.
fn asked_for(cell: &CellName, query: Result<Query<After>, QueryRejection>) -> Result<(Cell, Option<Cursor>), Error> {
    let Query(After { after }) = query?;
    let cell = place::parse_region(cell.as_str()).ok_or(Error::NotFound)?;
    Ok((cell, read(after.as_deref())?))
}

fn read<T: FromStr>(after: Option<&str>) -> Result<Option<T>, Error>
where
    T::Err: std::fmt::Display,
{
    after.map(str::parse).transpose().map_err(|e| Error::BadRequest(format!("after: {e}")))
}

type Caching = [(http::HeaderName, &'static str); 2];

/// What is the same for everybody may be in everybody's cache.
fn caching(app: &App, reader: &Reader) -> Caching {
    let is_for_all = app.open_directory && matches!(reader.keys, KeysFor::Nobody);
    let control = if is_for_all { "public, max-age=300" } else { "private, max-age=300" };
    [(CACHE_CONTROL, control), (VARY, "authorization")]
}

fn answer(part: Part, headers: &HeaderMap, caching: Caching) -> Response {
    let known = headers.get(IF_NONE_MATCH).and_then(|v| v.to_str().ok()).is_some_and(|v| names(v, &part.etag));
    let common = (caching, [(ETAG, part.etag)]);
    if known {
        return (StatusCode::NOT_MODIFIED, common).into_response();
    }
    (common, [(CONTENT_TYPE, "application/gzip")], part.bytes).into_response()
}
