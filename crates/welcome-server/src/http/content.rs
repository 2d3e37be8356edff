//! Images and pages: the operator puts them, anybody who knows the digest gets them.
//!
//! They never change, so they may be kept for ever. A page is somebody else's HTML below our own name: it is sent so that
//! a browser runs nothing of it.

use std::io;
use std::sync::Arc;

use axum::Json;
use axum::body::Body as Answer;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, StatusCode};
use welcome_proto::Digest;
use welcome_proto::offer::{File, FileKind, MAX_FILE};

use super::error::Error;
use super::guard::Program;
use super::{App, Body, Named, Shared};
use crate::app::unix_now;
use crate::token;

/// `PUT /v1/operator/content`: the bytes as they are; what they are is seen from how they begin.
pub(crate) async fn put_content(
    State(app): Shared,
    _: Program,
    headers: HeaderMap,
    Body(bytes): Body,
) -> Result<impl IntoResponse, Error> {
    let length = u32::try_from(bytes.len()).ok().filter(|l| (1..=MAX_FILE).contains(l)).ok_or(Error::TooLong)?;
    let kind = FileKind::of(&bytes)
        .ok_or_else(|| Error::BadRequest("neither JPEG, PNG, WebP, GIF nor HTML in UTF-8".to_owned()))?;
    if let Some(said) = headers.get(CONTENT_TYPE) {
        let essence = |media_type: &str| media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is = essence(kind.media_type());
        if said.to_str().is_ok_and(|said| essence(said) != is) {
            return Err(Error::BadRequest(format!("Content-Type: leave it out or say {is}, which these bytes are")));
        }
    }
    let digest = Digest(token::sha256(&bytes));
    app.store.put_content(&digest, kind, &bytes, unix_now()).await?;
    Ok((StatusCode::CREATED, Json(File { digest, length, kind })))
}

/// `GET /v1/content/{digest}`.
pub(crate) async fn content(State(app): Shared, Named(digest): Named<Digest>) -> Result<Response, Error> {
    let (kind, length) = app.store.content(&digest).await?.ok_or(Error::NotFound)?;
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind.media_type()));
    headers.insert(CONTENT_LENGTH, length.into());
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if !kind.is_image() {
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("sandbox"));
    }
    // Piece by piece, so that a slow reader costs us a piece and not the whole.
    let pieces = stream::unfold(Some((app, 0)), move |at| async move {
        let (app, from) = at?;
        match piece(&app, &digest, from).await {
            Ok(piece) if piece.is_empty() => None,
            Ok(piece) => {
                let next = from + piece.len() as u64;
                Some((Ok(piece), Some((app, next))))
            }
            Err(error) => Some((Err(error), None)),
        }
    });
    Ok((headers, Answer::from_stream(pieces)).into_response())
}

/// What waits for one reader.
const PIECE: usize = 32 * 1024;

async fn piece(app: &Arc<App>, digest: &Digest, from: u64) -> io::Result<Vec<u8>> {
    let piece = app.store.content_piece(digest, from, PIECE).await.map_err(|error| {
        tracing::error!(%error, "failed to read content");
        io::Error::other("the database failed")
    });
    piece?.ok_or_else(|| io::ErrorKind::NotFound.into())
}
