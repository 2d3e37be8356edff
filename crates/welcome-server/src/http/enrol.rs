//! `POST /v1/enrol`: a one-time token and a public key come in, a router's name goes out.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use welcome_proto::enrol::{EnrolReply, EnrolRequest};

use super::error::Error;
use super::{Body, Shared, parse};
use crate::app::unix_now;
use crate::store::Enrolled;
use crate::token;

pub(crate) async fn enrol(State(app): Shared, Body(body): Body) -> Result<impl IntoResponse, Error> {
    let request: EnrolRequest = parse(&body)?;
    let key = URL_SAFE_NO_PAD.decode(&request.public_key).ok().and_then(|k| <[u8; 32]>::try_from(k).ok());
    let key = key.ok_or_else(|| Error::BadRequest("public_key: 32 bytes in base64url without padding".to_owned()))?;
    if request.version.len() > MAX_VERSION || request.version.chars().any(char::is_control) {
        return Err(Error::BadRequest("version: at most 64 printable characters".to_owned()));
    }
    let token = token::hash(request.token.reveal());
    let enrolled = app.store.enrol(token, key, &request.version, token::new_router_id(), unix_now()).await?;
    let Enrolled { router, org } = enrolled.ok_or(Error::BadToken)?;
    tracing::info!(%router, version = request.version, "enrolled a router");
    let operator_key = app.keys.of(&org).await?.public();
    Ok((StatusCode::CREATED, Json(EnrolReply { router, operator_key })))
}

const MAX_VERSION: usize = 64;
