//! `POST /v1/operator/routers/{router}/say`: a message to whoever is on a network at this moment.
//!
//! It is kept for a moment, for the other processes: what no stream takes at once is lost, and the answer says so.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use serde::{Deserialize, Serialize};
use welcome_proto::offer::{Offer, SayPush, Sender};
use welcome_proto::signed::Statement;
use welcome_proto::{NetworkId, RouterId, sse};

use super::error::Error;
use super::guard::Program;
use super::operator::Speaker;
use super::{App, Body, Named, Shared, parse};
use crate::app::unix_now;
use crate::ids::OrgId;
use crate::signal::Signal;
use crate::store::StoreError;
use crate::token;

pub(crate) async fn say(
    State(app): Shared,
    program: Program,
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
    app.store.router(&program.org, &router).await?.ok_or(Error::NotFound)?;
    let streams = app.say(&program.org, &router, speaker.0, offer).await?;
    Ok(Json(Said { streams }))
}

impl App {
    /// Signs a message for one router and hands it to its streams; to how many, as far as this process knows.
    pub(crate) async fn say(
        &self,
        org: &OrgId,
        router: &RouterId,
        sender: Sender,
        offer: Offer,
    ) -> Result<usize, Error> {
        let unwritable = |_| StoreError::Unreadable("message");
        let statement = Statement { router: router.clone(), sender, offer };
        let say = self.keys.of(org).await?.sign(&statement).map_err(unwritable)?;
        let data = serde_json::to_string(&SayPush { say }).map_err(unwritable)?;
        // Without an id, so that a router's next `Last-Event-ID` is still that of its offers.
        let id = self.store.add_live(router, &sse::encode(EVENT_SAY, None, &data), unix_now()).await?;
        let streams = self.hub.streams(router);
        self.signal(Signal::Live(router.clone(), id)).await;
        tracing::info!(%router, streams, "said something live");
        Ok(streams)
    }
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
