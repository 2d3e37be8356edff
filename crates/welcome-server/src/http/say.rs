//! `POST /v1/operator/routers/{router}/say`: a message to whoever is on a network at this moment.
//!
//! It is kept nowhere: what no stream takes at once is lost, and the answer says so.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use welcome_proto::offer::{Offer, SayPush};
use welcome_proto::{NetworkId, RouterId, sse};

use super::auth::Operator;
use super::error::Error;
use super::operator::Speaker;
use super::{Body, Named, Shared, parse};
use crate::app::unix_now;
use crate::store::StoreError;
use crate::token;

pub(crate) async fn say(
    State(app): Shared,
    _: Operator,
    speaker: Speaker,
    Named(router): Named<RouterId>,
    Body(body): Body,
) -> Result<impl IntoResponse, Error> {
    let Say { network, title, text, link } = parse(&body)?;
    let id = format!("say-{}", token::random_hex::<8>());
    let id = id.parse().expect("`say-` and hexadecimal digits are an offer id");
    let mut offer = Offer { networks: vec![network], priority: 100, ..Offer::new(id, title) };
    offer.when.until = Some(unix_now() + FOR_S);
    (offer.content.text, offer.content.link) = (text, link);
    offer.check().map_err(|e| Error::BadRequest(e.to_string()))?;
    app.store.router_key(&router).await?.ok_or(Error::NotFound)?;

    let unwritable = |_| StoreError::Unreadable("message");
    let say = app.key.sign(&router, speaker.0, offer).map_err(unwritable)?;
    let data = serde_json::to_string(&SayPush { say }).map_err(unwritable)?;
    // Without an id, so that a router's next `Last-Event-ID` is still that of its offers.
    let event: Arc<str> = sse::encode(EVENT_SAY, None, &data).into();
    let streams = app.hub.say(&router, &event);
    app.metrics.said.inc_by(streams as u64);
    tracing::info!(%router, streams, "said something live");
    Ok(Json(Said { streams }))
}

const EVENT_SAY: &str = "say";
/// How long a message is for this moment, in seconds; twice as long as a router's clock may be off.
const FOR_S: u64 = 600;

#[derive(Deserialize)]
struct Say {
    network: NetworkId,
    title: String,
    #[serde(default)]
    text: String,
    #[serde(default)]
    link: Option<String>,
}

#[derive(Serialize)]
struct Said {
    /// How many streams it went to; 0: nobody heard it.
    streams: usize,
}
